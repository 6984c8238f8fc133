"""Who is compared, and on what: solvers of runs, logs, tables and matrices as one table.

Axes: `solver`, `item`.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gradatim.engine.sources import Given, Opened, open_source, refuse
from gradatim.errors import ArgumentError, FormatError, nearest
from gradatim.files import rows
from gradatim.store.formats import responses_of
from gradatim.store.logs import is_matrix
from gradatim.store.run import Run
from gradatim.store.sums import Log, add_up
from gradatim.types import Matrix, Problem, Responses

UNKNOWN = "(unknown)"
BINS = 12  # different numbers of a column above which it is cut into quarters
SHOWN = 12  # names that a message lists
_ROWS = ("item", "id", "problem", "doc_id", "prompt_id")  # columns that name the item of a table


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
    sources: Sequence[Given], *, groups: str | Path | None = None, **reading: Any
) -> Arms:
    """Open what is to be compared.

    Args:
        sources: runs, their folders, files of `calibrate`, or PATH:SOLVER for one solver of them
            (a name, or a number of a row, from 1).
        groups: a table of items with further columns (.csv, .jsonl, .parquet).
        reading: format, score, columns, span of `store.logs.read_files`.

    Raises:
        ArgumentError: fewer than two solvers; a solver that is not there.
        FormatError: a source that is not what it should be.
    """
    reading = {name: value for name, value in reading.items() if value is not None}
    found = _opened(sources, reading)
    kept = [_selected(one) for one in found]
    total = sum(len(one.solvers) for one in kept)
    if total < 2:
        names = [
            f"{name} of {one.label}"
            for one, r in zip(found, kept, strict=True)
            for name in r.solvers
        ]
        raise ArgumentError(
            "a comparison needs at least two solvers, got "
            + (f"one: {names[0]}" if names else "none")
            + "; name another run, log or matrix, or PATH:SOLVER for one of several in a file"
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
        columns=_columns(found, whole.items, groups),
        notes=tuple(notes),
    )


# -- opening ----------------------------------------------------------------------------------


def _opened(sources: Sequence[Given], reading: Mapping[str, Any]) -> list[_Source]:
    """Each file or run once, whatever is wanted of it."""
    found: dict[str, _Source] = {}
    logs = False
    for number, given in enumerate(sources, start=1):
        source, who = _split(given) if isinstance(given, str | Path) else (given, None)
        key, label = _key(source, number)
        if key not in found:
            plain = isinstance(source, Path) and not _is_run(source) and not is_matrix(source)
            logs |= plain
            opened = open_source(source, **(reading if plain else {}))
            found[key] = _Source(label, opened, [], _told(source, opened))
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


def _split(given: str | Path) -> tuple[Path, str | None]:
    """PATH or PATH:SOLVER; a solver's name may hold colons, so the longest path that is there."""
    text = str(given)
    if Path(text).exists() or ":" not in text:
        return Path(text), None
    ends = [i for i, sign in enumerate(text) if sign == ":"]
    for end in reversed(ends):
        if Path(text[:end]).exists() and text[:end]:
            return Path(text[:end]), text[end + 1 :]
    return Path(text), None


def _told(source: Any, opened: Opened) -> dict[str, dict[str, Any]]:
    """Column -> item -> value: what a run's problems, a matrix or a log says of its items."""
    if opened.run is not None:
        return problem_columns({p.id: p for p in opened.run.problems()})
    if isinstance(source, Path) and is_matrix(source):
        return _arrays(source, opened.responses.items)
    found: dict[str, dict[str, Any]] = {}
    for item, told in opened.about.items():
        document = told.get("doc")
        for name, value in (document if isinstance(document, Mapping) else {}).items():
            if isinstance(value, str | int | float):
                found.setdefault(str(name), {})[item] = value
        if "/" in item:
            found.setdefault("task", {})[item] = item.rpartition("/")[0]
    return found


def problem_columns(problems: Mapping[str, Problem]) -> dict[str, dict[str, Any]]:
    """Column -> problem -> value: family, level, split, and what knobs and meta hold."""
    found: dict[str, dict[str, Any]] = {}
    for item, problem in problems.items():
        own = {"family": problem.family or None, "level": problem.level}
        own["split"] = problem.split or None
        for name, value in {**problem.meta, **problem.knobs, **own}.items():
            if isinstance(value, str | int | float):
                found.setdefault(str(name), {})[item] = value
    return found


def _arrays(path: Path, items: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Arrays of a matrix file that have one value for each item."""
    found = {}
    with np.load(path, allow_pickle=False) as archive:
        for name in archive.files:
            if name in ("solved", "tried", "score", "items", "solvers"):
                continue
            values = archive[name]
            if values.shape == (len(items),):
                found[name] = dict(zip(items, values.tolist(), strict=True))
    return found


# -- choosing ---------------------------------------------------------------------------------


def _selected(source: _Source) -> Responses:
    """The solvers that are wanted of a source, and that answered something."""
    whole = source.opened.responses
    whole = responses_of(whole) if isinstance(whole, Matrix) else whole
    names = list(whole.solvers)
    answered = set(np.unique(whole.solver).tolist())
    if source.wanted is None:
        rows_ = sorted(answered)
    else:
        rows_ = list(dict.fromkeys(_row(who, names, source.label) for who in source.wanted))
        for row in rows_:
            if row not in answered:
                raise ArgumentError(f"{source.label}: {names[row]!r} has no attempt with a score")
    place = np.full(len(names), -1)
    place[rows_] = np.arange(len(rows_))
    here = place[whole.solver] >= 0
    return Responses(
        solver=place[whole.solver[here]],
        item=whole.item[here],
        solved=np.asarray(whole.solved, dtype=float)[here],
        tried=np.asarray(whole.tried, dtype=np.int64)[here],
        solvers=tuple(names[i] for i in rows_),
        items=whole.items,
    )


def _row(who: str, names: Sequence[str], label: str) -> int:
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


# -- what is known of items -------------------------------------------------------------------


def _columns(
    found: Sequence[_Source], items: Sequence[str], groups: str | Path | None
) -> dict[str, list[Any]]:
    told: dict[str, dict[str, Any]] = {}
    for one in found:
        for name, values in one.columns.items():
            told.setdefault(name, {}).update(values)
    if groups is not None:
        for name, values in _table(groups, set(items)).items():
            told[name] = values
    return {
        name: [values.get(item) for item in items]
        for name, values in told.items()
        if any(item in values for item in items)
    }


def _table(path: str | Path, items: set[str]) -> dict[str, dict[str, Any]]:
    """Column -> item -> value of a table that has a column of items."""
    found: dict[str, dict[str, Any]] = {}
    matched = False
    for line, row in rows(path):
        name = next((n for n in _ROWS if row.get(n) not in (None, "")), None)
        if name is None:
            raise FormatError(
                path,
                line=line,
                expected=f"a column that names the item ({', '.join(_ROWS)})",
                got=f"only {', '.join(map(str, row))}",
            )
        item = str(row[name])
        matched |= item in items
        for column, value in row.items():
            if column != name and isinstance(value, str | int | float) and value != "":
                found.setdefault(str(column), {})[item] = value
    if not matched:
        raise FormatError(
            path, expected="items of the results", got="none of them", remedy="check the ids"
        )
    return found


def labels_of(arms: Arms, column: str) -> np.ndarray:
    """(item,) text: the group of each item in a column; many different numbers are cut in quarters.

    Raises:
        ArgumentError: no source has this column.
    """
    if column not in arms.columns:
        known = ", ".join(sorted(arms.columns)[:SHOWN]) or "none"
        raise ArgumentError(
            f"`by`: nothing is known of items under {column!r} (known: {known}); give a table of "
            f"items with --groups FILE{nearest(column, arms.columns)}"
        )
    values = [_number(v) for v in arms.columns[column]]
    numbers = [v for v in values if isinstance(v, float)]
    known = [v for v in values if v is not None]
    if len(numbers) < len(known) or len(set(numbers)) <= BINS:
        return np.array([UNKNOWN if v is None else _said(v) for v in values], dtype=str)
    cuts = np.quantile(numbers, [0, 0.25, 0.5, 0.75, 1])
    names = [f"{_said(a)} to {_said(b)}" for a, b in pairwise(cuts)]
    return np.array([
        names[min(3, int(np.searchsorted(cuts[1:-1], v, side="left")))]
        if isinstance(v, float)
        else UNKNOWN
        for v in values
    ])


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    try:
        return float(value)
    except (TypeError, ValueError):
        return value


def _said(value: Any) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def ordered(label: np.ndarray) -> list[str]:
    """Groups in order: numbers by size, texts by name, the unknown last.

    >>> ordered(np.array(["10", "2", "(unknown)", "2"]))
    ['2', '10', '(unknown)']
    """

    def place(name: str) -> tuple[int, float, str]:
        if name == UNKNOWN:
            return 2, 0.0, name
        head = _number(name.split(" to ")[0])
        return (0, head, "") if isinstance(head, float) else (1, 0.0, name)

    return sorted(set(label.tolist()), key=place)
