"""Attempts of other people's logs, added up to Responses: nothing is dropped without a count."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gradatim.errors import ArgumentError, FormatError
from gradatim.store.names import Names, digits
from gradatim.types import Responses


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """Attempts of one file, one entry per row.

    Attributes:
        path: the file.
        format: a name of `logs.FORMATS`; tool: program and version that wrote it, where it says.
        solver, item: (row,) int, indices into `solvers` and `items`.
        solved: (row,) float, sum of scores of the row's `tried` attempts (row,) int.
        kinds: "solver" and "item" -> int or str, as the file writes its ids; None = no types.
        score: the score or column that was read.
        missing: why -> how many attempts have no score and count as not made.
        notes: further sentences that a reader must know.
        texts: item -> hash of its text, where the file has it.
        about: item -> what the file says of it: prompt, target, document.
        run: an id of the run that wrote it: given twice, it is refused.
        unused: options of reading (score, columns, span) that mean nothing to this file.
    """

    path: str
    format: str
    solver: np.ndarray
    item: np.ndarray
    solved: np.ndarray
    tried: np.ndarray
    solvers: Sequence[str]
    items: Sequence[str]
    tool: str = ""
    kinds: Mapping[str, type | None] = field(default_factory=dict)
    score: str = ""
    missing: Mapping[str, int] = field(default_factory=dict)
    notes: Sequence[str] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    about: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    run: str = ""
    unused: Sequence[str] = ()


class Tally:
    """Attempts one by one, for formats that are read so."""

    def __init__(self, path: str | Path) -> None:
        self._path = path
        self._names: dict[str, Names] = {"": Names(path, "id")}
        self._solvers: dict[str, int] = {}
        self._items: dict[str, int] = {}
        self._rows: list[tuple[int, int, float]] = []
        self.missing: dict[str, int] = {}
        self.texts: dict[str, str] = {}
        self.about: dict[str, dict[str, Any]] = {}

    def item(self, task: str, name: Any, *, text: str = "", **about: Any) -> str:
        """`task/name`; ids of one task must be all texts or all whole numbers."""
        names = self._names.setdefault(task, Names(self._path, "id"))
        names.code(name, None)
        item = f"{task}/{name}" if task else str(name)
        if text:
            self.texts.setdefault(item, text)
        self.about.setdefault(item, about)
        return item

    def add(self, solver: str, item: str, score: float) -> None:
        """One attempt with its score in [0, 1]."""
        code = self._solvers.setdefault(solver, len(self._solvers))
        self._rows.append((code, self._items.setdefault(item, len(self._items)), score))

    def miss(self, why: str) -> None:
        """One attempt without a score."""
        self.missing[why] = self.missing.get(why, 0) + 1

    def log(self, **more: Any) -> Log:
        """What was added."""
        columns = list(zip(*self._rows, strict=True)) or [(), (), ()]
        kinds = {n.kind for n in self._names.values()} - {None}
        return Log(
            path=str(self._path),
            solver=np.array(columns[0], dtype=np.int64),
            item=np.array(columns[1], dtype=np.int64),
            solved=np.array(columns[2], dtype=float),
            tried=np.ones(len(columns[2]), dtype=np.int64),
            solvers=tuple(self._solvers),
            items=tuple(self._items),
            kinds={"item": kinds.pop() if len(kinds) == 1 else None},
            missing=dict(self.missing),
            texts=self.texts,
            about=self.about,
            **more,
        )


def add_up(logs: Sequence[Log]) -> tuple[Responses, list[str]]:
    """Responses of several logs, and what there is to say about them together.

    Attempts of one solver on one item add up, within a log and over logs. Solvers and items are
    in order of first appearance.

    Raises:
        FormatError: one run given twice; ids that are one number written in two ways.
    """
    _given_twice(logs)
    solvers, solver = _joined(logs, "solver")
    items, item = _joined(logs, "item")
    pair = solver * max(1, len(items)) + item
    cells, cell = np.unique(pair, return_inverse=True)
    cell = cell.reshape(-1)
    tried = np.concatenate([log.tried for log in logs]).astype(np.int64)
    solved = np.concatenate([log.solved for log in logs])
    total = np.zeros(len(cells), dtype=np.int64)
    np.add.at(total, cell, tried)
    wins = np.bincount(cell, weights=solved, minlength=len(cells))
    responses = Responses(
        solver=cells // max(1, len(items)),
        item=cells % max(1, len(items)),
        solved=np.clip(wins, 0.0, total),  # sums of scores may round past the count
        tried=total,
        solvers=tuple(solvers),
        items=tuple(items),
    )
    return responses, [*_mixed(logs), *_shared(logs, cell), *_reworded(logs)]


def _joined(logs: Sequence[Log], axis: str) -> tuple[dict[str, int], np.ndarray]:
    """Names of all logs, and each row's index into them."""
    codes: dict[str, int] = {}
    columns = []
    for log in logs:
        names = getattr(log, f"{axis}s")
        place = np.array([codes.setdefault(name, len(codes)) for name in names], dtype=np.int64)
        column = getattr(log, axis)
        columns.append(place[column] if len(column) else np.zeros(0, dtype=np.int64))
    return codes, np.concatenate(columns)


def _given_twice(logs: Sequence[Log]) -> None:
    seen: dict[str, str] = {}
    for log in logs:
        if log.run and log.run in seen:
            raise ArgumentError(
                f"`source`: {log.path} holds the same run as {seen[log.run]}: its attempts would "
                "count twice; give one of them"
            )
        seen[log.run] = log.path


def _mixed(logs: Sequence[Log]) -> list[str]:
    """Ids that are whole numbers in one file and texts in another."""
    notes = []
    for axis in ("solver", "item"):
        spelled: dict[str, tuple[str, Log]] = {}
        same: dict[tuple[str, str], int] = {}
        for log in logs:
            for name in getattr(log, f"{axis}s"):
                key = digits(name.rpartition("/")[2])
                if key is None:
                    continue
                key = name.rpartition("/")[0] + "/" + key
                other, first = spelled.setdefault(key, (name, log))
                if other != name:
                    raise FormatError(
                        log.path,
                        field=axis,
                        expected=f"one spelling of each number, as {other!r} in {first.path}",
                        got=repr(name),
                        remedy="write ids the same way in all files",
                    )
                kinds = {log.kinds.get(axis), first.kinds.get(axis)}
                if kinds == {int, str}:
                    pair = (first.path, log.path)
                    same[pair] = same.get(pair, 0) + 1
        notes += [
            f"{n} {axis} ids are whole numbers in one of {a} and {b} and texts in the other, with "
            "the same digits: taken as the same"
            for (a, b), n in same.items()
        ]
    return notes


def _shared(logs: Sequence[Log], cell: np.ndarray) -> list[str]:
    """Cells that more than one log holds."""
    if len(logs) < 2 or not len(cell):
        return []
    of = np.repeat(np.arange(len(logs)), [len(log.tried) for log in logs])
    pairs = np.unique(np.stack([cell, of]), axis=1)  # by cell, then by log
    starts = np.r_[True, pairs[0, 1:] != pairs[0, :-1]]
    first = pairs[1][np.flatnonzero(starts)[np.cumsum(starts) - 1]]
    both, n = np.unique(np.stack([first, pairs[1]])[:, ~starts], axis=1, return_counts=True)
    return [
        f"{count:,} pairs of solver and item are both in {logs[a].path} and in {logs[b].path}: "
        "counted as further attempts"
        for (a, b), count in zip(both.T.tolist(), n.tolist(), strict=True)
    ]


def _reworded(logs: Sequence[Log]) -> list[str]:
    """Items whose text differs between logs."""
    first: dict[str, tuple[str, str]] = {}
    changed: dict[str, tuple[str, str]] = {}
    for log in logs:
        for item, text in log.texts.items():
            known, path = first.setdefault(item, (text, log.path))
            if known != text:
                changed.setdefault(item, (path, log.path))
    if not changed:
        return []
    item, (a, b) = next(iter(changed.items()))
    return [
        f"{len(changed):,} items have another text or answer in another file, such as {item!r} in "
        f"{a} and {b}: taken as one item each"
    ]
