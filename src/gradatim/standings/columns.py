"""What is known of items beside their results: families, levels, fields of logs, further tables.

Axes: `item`.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from gradatim.engine.sources import Opened
from gradatim.errors import ArgumentError, FormatError, nearest
from gradatim.files import rows
from gradatim.store.logs import is_matrix
from gradatim.types import Problem

Told = Mapping[str, Mapping[str, Any]]  # column -> item -> value
UNKNOWN = "(unknown)"
BINS = 12  # different numbers of a column above which it is cut into quarters
SHOWN = 12  # names that a message lists
_ROWS = ("item", "id", "problem", "doc_id", "prompt_id")  # columns that name the item of a table


def told_of(source: Any, opened: Opened) -> dict[str, dict[str, Any]]:
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


def joined(
    found: Sequence[Told], items: Sequence[str], groups: str | Path | None
) -> dict[str, list[Any]]:
    """Column -> (item,) values, None where nothing is known, of several sources and a table."""
    told: dict[str, dict[str, Any]] = {}
    for one in found:
        for name, values in one.items():
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


def labels_of(
    columns: Mapping[str, Sequence[Any]], column: str, *, argument: str = "by"
) -> np.ndarray:
    """(item,) text: the group of each item in a column; many different numbers are cut in quarters.

    Args:
        columns: name -> (item,) what is known of items; None where nothing is.
        column: one of them.
        argument: which asked for it, for the message.

    Raises:
        ArgumentError: no source has this column.
    """
    if column not in columns:
        known = ", ".join(sorted(columns)[:SHOWN]) or "none"
        raise ArgumentError(
            f"`{argument}`: nothing is known of items under {column!r} (known: {known}); give a "
            f"table of items with --groups FILE{nearest(column, columns)}"
        )
    values = [_number(v) for v in columns[column]]
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
