"""Who is compared, and on what: solvers of runs, logs, tables and matrices as one table.

Axes: `solver`, `item`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gradatim.engine.sources import Given, Opened, open_source, refuse
from gradatim.errors import ArgumentError, nearest
from gradatim.standings.columns import joined, told_of
from gradatim.store.formats import responses_of
from gradatim.store.logs import is_matrix
from gradatim.store.run import Run
from gradatim.store.sums import Log, add_up
from gradatim.types import Matrix, Responses

SHOWN = 12  # names that a message lists


class Arms(NamedTuple):
    """Solvers beside each other.

    Attributes:
        solved, tried: (solver, item) float and int, tried 0 = missing.
        names, sources: (solver,) what each is called, and the file that it comes from.
        items: (item,) ids.
        columns: name -> (item,) what is known of items; None where nothing is.
        notes: what a reader must know of the sources.
    """

    solved: np.ndarray
    tried: np.ndarray
    names: tuple[str, ...]
    sources: tuple[str, ...]
    items: tuple[str, ...]
    columns: Mapping[str, Sequence[Any]]
    notes: tuple[str, ...]


class _Source(NamedTuple):
    """One opened file or run, and the solvers that are wanted of it; None for all."""

    label: str
    opened: Opened
    wanted: list[str] | None
    columns: Mapping[str, Mapping[str, Any]]


def open_arms(
    sources: Sequence[Given], *, groups: str | Path | None = None, least: int = 2, **reading: Any
) -> Arms:
    """Open what is to be compared.

    Args:
        sources: runs, their folders, files of `calibrate`, or PATH:SOLVER for one solver of them
            (a name, or a number of a row, from 1).
        groups: a table of items with further columns (.csv, .jsonl, .parquet).
        least: solvers that there must be.
        reading: format, score, columns, span of `store.logs.read_files`.

    Raises:
        ArgumentError: fewer than two solvers; a solver that is not there.
        FormatError: a source that is not what it should be.
    """
    reading = {name: value for name, value in reading.items() if value is not None}
    found = _opened(sources, reading)
    kept = [_selected(one) for one in found]
    total = sum(len(one.solvers) for one in kept)
    if total < least:
        names = [
            f"{name} of {one.label}"
            for one, r in zip(found, kept, strict=True)
            for name in r.solvers
        ]
        raise ArgumentError(
            "a comparison needs at least two solvers, got "
            + (f"one: {names[0]}" if names else "none")
            + "; name another run, log or matrix, or PATH:SOLVER for one of several in a file; "
            "--plan N plans a comparison with one that has not run"
        )
    named = _told_apart(found, kept)
    whole, notes = add_up([
        _log(r, solvers, one.label) for r, solvers, one in zip(kept, named, found, strict=True)
    ])
    solved = np.zeros((len(whole.solvers), len(whole.items)))
    tried = np.zeros(solved.shape, dtype=np.int64)
    solved[whole.solver, whole.item] = whole.solved
    tried[whole.solver, whole.item] = whole.tried
    notes += [note for one in found for note in one.opened.notes] + _reworded(found)
    return Arms(
        solved=solved,
        tried=tried,
        names=whole.solvers,
        sources=tuple(one.label for one, r in zip(found, kept, strict=True) for _ in r.solvers),
        items=whole.items,
        columns=joined([one.columns for one in found], whole.items, groups),
        notes=tuple(notes),
    )


# -- opening ----------------------------------------------------------------------------------


def _opened(sources: Sequence[Given], reading: Mapping[str, Any]) -> list[_Source]:
    """Each file or run once, whatever is wanted of it."""
    found: dict[str, _Source] = {}
    logs = False
    for number, given in enumerate(sources, start=1):
        source, who = path_and_solver(given) if isinstance(given, str | Path) else (given, None)
        key, label = _key(source, number)
        if key not in found:
            plain = isinstance(source, Path) and not _is_run(source) and not is_matrix(source)
            logs |= plain
            opened = open_source(source, **(reading if plain else {}))
            found[key] = _Source(label, opened, [], told_of(source, opened))
        one = found[key]
        if who is None:
            found[key] = one._replace(wanted=None)
        elif one.wanted is not None:
            one.wanted.append(who)
    if not logs:
        refuse(reading)
    return list(found.values())


def _key(source: Any, number: int) -> tuple[str, str]:
    if isinstance(source, Run):
        source = source.path
    if isinstance(source, Path):
        return str(source.resolve()), str(source)
    return f"#{number}", f"source {number}"


def _is_run(path: Path) -> bool:
    return (path / "run.toml").exists()


def path_and_solver(given: str | Path) -> tuple[Path, str | None]:
    """PATH or PATH:SOLVER; a solver's name may hold colons, so the longest path that is there."""
    text = str(given)
    if Path(text).exists() or ":" not in text:
        return Path(text), None
    ends = [i for i, sign in enumerate(text) if sign == ":"]
    for end in reversed(ends):
        if Path(text[:end]).exists() and text[:end]:
            return Path(text[:end]), text[end + 1 :]
    return Path(text), None


# -- choosing ---------------------------------------------------------------------------------


def _selected(source: _Source) -> Responses:
    """The solvers that are wanted of a source, and that answered something."""
    whole = source.opened.responses
    names = list(whole.solvers)
    answered = set(_answered(whole).tolist())
    if source.wanted is None:
        rows_ = sorted(answered)
    else:
        rows_ = list(dict.fromkeys(solver_row(who, names, source.label) for who in source.wanted))
        for row in rows_:
            if row not in answered:
                raise ArgumentError(f"{source.label}: {names[row]!r} has no attempt with a score")
    solvers = tuple(names[i] for i in rows_)
    if isinstance(whole, Matrix):  # rows first: the long form of a large table is larger
        tried = whole.tried if isinstance(whole.tried, int) else whole.tried[rows_]
        return responses_of(
            replace(whole, solved=whole.solved[rows_], tried=tried, solvers=solvers)
        )
    place = np.full(len(names), -1)
    place[rows_] = np.arange(len(rows_))
    here = place[whole.solver] >= 0
    return Responses(
        solver=place[whole.solver[here]],
        item=whole.item[here],
        solved=np.asarray(whole.solved, dtype=float)[here],
        tried=np.asarray(whole.tried, dtype=np.int64)[here],
        solvers=solvers,
        items=whole.items,
    )


def _answered(whole: Responses | Matrix) -> np.ndarray:
    """Indices of solvers with an attempt."""
    if isinstance(whole, Responses):
        return np.unique(whole.solver)
    if isinstance(whole.tried, int):
        return np.arange(len(whole.solvers))
    return np.flatnonzero((whole.tried > 0).any(axis=1))


def solver_row(who: str, names: Sequence[str], label: str) -> int:
    """Index of a solver given by name, or as a row from 1.

    Raises:
        ArgumentError: nobody is called so.
    """
    if who in names:
        return names.index(who)
    if who.isascii() and who.isdigit() and 1 <= int(who) <= len(names):
        return int(who) - 1
    listed = ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
    raise ArgumentError(
        f"{label}: nobody is called {who!r}; there are {listed} (or a row, 1 to {len(names)})"
        f"{nearest(who, names)}"
    )


def _told_apart(found: Sequence[_Source], kept: Sequence[Responses]) -> list[tuple[str, ...]]:
    """Names of solvers; one that several sources have is called after its source."""
    every = [name for one in kept for name in one.solvers]

    def called(source: _Source, name: str, alone: bool) -> str:
        if every.count(name) == 1:
            return name
        return source.label if alone and source.wanted is None else f"{source.label}:{name}"

    return [
        tuple(called(source, name, len(one.solvers) == 1) for name in one.solvers)
        for source, one in zip(found, kept, strict=True)
    ]


def _log(one: Responses, solvers: Sequence[str], path: str) -> Log:
    return Log(
        path=path,
        format="table",
        solver=one.solver,
        item=one.item,
        solved=one.solved,
        tried=one.tried,
        solvers=solvers,
        items=one.items,
    )


def _reworded(found: Sequence[_Source]) -> list[str]:
    """Items that have another prompt in another source: perhaps not the same problem."""
    first: dict[str, tuple[Any, str]] = {}
    changed: dict[str, tuple[str, str]] = {}
    for one in found:
        for item, told in one.opened.about.items():
            text = told.get("prompt") or told.get("doc")
            if text is None:
                continue
            known, label = first.setdefault(item, (text, one.label))
            if known != text:
                changed.setdefault(item, (label, one.label))
    if not changed:
        return []
    item, (a, b) = next(iter(changed.items()))
    return [
        f"{len(changed):,} items have another text under the same id, such as {item!r} in {a} and "
        f"{b}: if they are other problems, this comparison means nothing"
    ]
