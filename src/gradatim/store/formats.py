"""Matrix files: who solved what, as a table of solvers and items, to Responses and back.

`.npz`: `solved` and `tried` (solver, item), tried 0 = missing; or `score` in [0, 1], with `tried`
where cells are missing; `solvers` and `items` (names; numbered where absent).
`.csv`, `.parquet`, `.jsonl`: one row per cell with solver, item, solved and, if not 1, tried.
"""

import csv
import io
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gradatim.errors import FormatError
from gradatim.files import rows, write_atomic, write_jsonl
from gradatim.types import Responses

MOST = 2**53  # counts above it have no exact float

_WORDS = {"true": 1.0, "false": 0.0}


def read_responses(path: str | Path) -> Responses:
    """Read a matrix file; the ending decides how.

    Raises:
        FormatError: names file, line and field (in .npz the array, its solver and item): solved
            above tried, NaN, a score outside [0, 1], a cell given twice, ids that are one number
            written in two ways, or as a number and as a text.
    """
    path = Path(path)
    return _read_npz(path) if path.suffix.lower() == ".npz" else _read_long(path)


def write_responses(path: str | Path, responses: Responses) -> None:
    """Write a matrix file; the ending decides how.

    Raises:
        FormatError: an ending that is none of .npz, .csv, .parquet, .jsonl.
        StoreError: the disk is full or the folder cannot be written.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind == ".npz":
        shape = (len(responses.solvers), len(responses.items))
        solved, tried = np.zeros(shape), np.zeros(shape, dtype=np.int64)
        solved[responses.solver, responses.item] = responses.solved
        tried[responses.solver, responses.item] = responses.tried
        target = io.BytesIO()
        solvers, items = (np.array(n, dtype=str) for n in (responses.solvers, responses.items))
        np.savez_compressed(target, solved=solved, tried=tried, solvers=solvers, items=items)
        write_atomic(path, target.getvalue())
        return
    columns = {
        "solver": [responses.solvers[i] for i in responses.solver],
        "item": [responses.items[i] for i in responses.item],
        "solved": np.asarray(responses.solved, dtype=float).tolist(),
        "tried": np.asarray(responses.tried, dtype=np.int64).tolist(),
    }
    if kind == ".parquet":
        target = io.BytesIO()
        pq.write_table(pa.table(columns), target)
        write_atomic(path, target.getvalue())
    elif kind == ".csv":
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(
            (solver, item, f"{solved:.17g}", tried)
            for solver, item, solved, tried in zip(*columns.values(), strict=True)
        )
        write_atomic(path, text.getvalue())
    elif kind == ".jsonl":
        cells = zip(*columns.values(), strict=True)
        write_jsonl(path, (dict(zip(columns, cell, strict=True)) for cell in cells))
    else:
        raise FormatError(
            path, expected="an ending .npz, .csv, .parquet or .jsonl", got=f"'{path.suffix}'"
        )


# -- long form --------------------------------------------------------------------------------


class _Names:
    """Names to numbers in order of appearance, with what can go wrong with names."""

    def __init__(self, path: Path, field: str) -> None:
        self._path, self._field = path, field
        self._kind: type | None = None
        self._numbers: dict[int, str] = {}  # names that are whole numbers, by value
        self.codes: dict[str, int] = {}

    def code(self, value: Any, line: int | None) -> int:
        """The name's number; ids must be all text or all whole numbers."""
        kind = int if isinstance(value, int) and not isinstance(value, bool) else type(value)
        if kind not in (int, str) or value == "":
            raise self._error(line, "a name (text or a whole number)", repr(value))
        if self._kind not in (None, kind):
            raise self._error(
                line,
                f"{'whole numbers' if self._kind is int else 'texts'}, as on the lines before",
                repr(value),
                "write all ids the same way",
            )
        self._kind = kind
        name = str(value)
        if name not in self.codes and name.isascii() and name.isdigit():
            other = self._numbers.setdefault(int(name), name)
            if other != name:
                raise self._error(
                    line, f"one spelling of each number, as {other!r} before", repr(name)
                )
        return self.codes.setdefault(name, len(self.codes))

    def _error(self, line: int | None, expected: str, got: str, remedy: str = "") -> FormatError:
        return FormatError(
            self._path, line=line, field=self._field, expected=expected, got=got, remedy=remedy
        )


def _read_long(path: Path) -> Responses:
    solvers, items = _Names(path, "solver"), _Names(path, "item")
    seen: dict[tuple[int, int], int] = {}
    cells: list[tuple[int, int, float, int]] = []
    for line, row in rows(path):
        for name in ("solver", "item", "solved"):
            if row.get(name) is None:
                got = "nothing" if name in row else f"only {', '.join(map(str, row)) or 'nothing'}"
                raise FormatError(path, line=line, field=name, expected="a value", got=got)
        cell = (solvers.code(row["solver"], line), items.code(row["item"], line))
        if cell in seen:
            raise FormatError(
                path,
                line=line,
                field="item",
                expected="each solver and item once",
                got=f"{row['solver']!r} and {row['item']!r} again, after line {seen[cell]}",
                remedy="add the attempts of a cell up: solved and tried in one row",
            )
        seen[cell] = line
        k, n = _cell(row, path, line)
        if n:
            cells.append((*cell, k, n))
    columns = list(zip(*cells, strict=True)) or [()] * 4
    return Responses(
        solver=np.array(columns[0], dtype=np.int64),
        item=np.array(columns[1], dtype=np.int64),
        solved=np.array(columns[2], dtype=float),
        tried=np.array(columns[3], dtype=np.int64),
        solvers=tuple(solvers.codes),
        items=tuple(items.codes),
    )


def _cell(row: dict[str, Any], path: Path, line: int) -> tuple[float, int]:
    tried = _number(1 if row.get("tried") in (None, "") else row["tried"], path, line, "tried")
    if not 0 <= tried <= MOST or tried != int(tried):
        raise FormatError(
            path,
            line=line,
            field="tried",
            expected="a whole number from 0 to 2**53",
            got=f"{tried:g}",
        )
    solved = _number(row["solved"], path, line, "solved")
    if not 0 <= solved <= tried:
        raise FormatError(
            path,
            line=line,
            field="solved",
            expected=f"0 <= solved <= tried ({tried:g})",
            got=f"{solved:g}",
            remedy="solved is a count or a sum of scores in [0, 1], not a percentage",
        )
    return solved, int(tried)


def _number(value: Any, path: Path, line: int, field: str) -> float:
    try:
        number = _WORDS.get(str(value).strip().lower())
        number = float(value) if number is None else number
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise FormatError(path, line=line, field=field, expected="a finite number", got=repr(value))
    return number


# -- npz --------------------------------------------------------------------------------------


def _read_npz(path: Path) -> Responses:
    arrays = _arrays(path)
    main = "solved" if "solved" in arrays else "score"
    if main not in arrays:
        held = ", ".join(sorted(arrays)) or "nothing"
        raise FormatError(
            path, field="solved", expected="an array `solved` or `score`", got=f"only {held}"
        )
    value = _matrix(arrays[main], path, main)
    tried = np.ones(value.shape)
    if "tried" in arrays:
        tried = _matrix(arrays["tried"], path, "tried")
    if tried.shape != value.shape:
        raise FormatError(
            path, field="tried", expected=f"shape {value.shape}", got=f"shape {tried.shape}"
        )
    solvers = _listed(arrays, path, "solvers", len(value))
    items = _listed(arrays, path, "items", value.shape[1])
    missing = tried == 0
    where = (solvers, items)
    whole = (tried >= 0) & (tried == np.rint(tried)) & (tried <= MOST)
    _refuse(path, "tried", where, tried, bad=~whole)
    _refuse(path, main, where, value, bad=~np.isfinite(value) & ~missing)
    solved = np.where(missing, 0.0, value * tried if main == "score" else value)
    top = np.where(missing, 0.0, 1.0) if main == "score" else tried
    _refuse(path, main, where, value, bad=~missing & ((value < 0) | (value > top)))
    solver, item = np.nonzero(~missing)
    return Responses(
        solver=solver,
        item=item,
        solved=solved[solver, item],
        tried=tried[solver, item].astype(np.int64),
        solvers=solvers,
        items=items,
    )


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        file = np.load(path, allow_pickle=False)
        if isinstance(file, np.ndarray):
            raise ValueError("one array, not an archive")
        with file:
            return {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise FormatError(path, expected="a file", got="nothing of that name") from None
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        remedy = "save names as text, np.array(names, dtype=str)" if "pickle" in str(error) else ""
        raise FormatError(
            path, expected="an .npz archive of plain arrays", got=str(error), remedy=remedy
        ) from None


def _matrix(array: np.ndarray, path: Path, name: str) -> np.ndarray:
    if array.ndim != 2 or array.dtype.kind not in "biuf":
        raise FormatError(
            path,
            field=name,
            expected="numbers of shape (solvers, items)",
            got=f"{array.dtype} of shape {array.shape}",
        )
    return array.astype(float)


def _listed(arrays: dict[str, np.ndarray], path: Path, name: str, n: int) -> tuple[str, ...]:
    if name not in arrays:
        return tuple(f"{name[:-1]}-{i}" for i in range(1, n + 1))
    array = arrays[name]
    if array.shape != (n,):
        raise FormatError(path, field=name, expected=f"{n} names", got=f"shape {array.shape}")
    names = _Names(path, name)
    for value in array.tolist():
        names.code(value, None)
    if len(names.codes) < n:
        doubled = next(v for i, v in enumerate(array.tolist()) if v in array.tolist()[:i])
        raise FormatError(path, field=name, expected="each name once", got=f"{doubled!r} twice")
    return tuple(names.codes)


def _refuse(
    path: Path,
    name: str,
    where: tuple[tuple[str, ...], tuple[str, ...]],
    value: np.ndarray,
    *,
    bad: np.ndarray,
) -> None:
    """Raise for the first bad cell, by the names of its solver and item."""
    if bad.any():
        i, j = np.argwhere(bad)[0]
        allowed = {
            "tried": "whole numbers from 0 to 2**53",
            "score": "scores in [0, 1], and `tried` 0 where a cell is missing",
            "solved": "0 <= solved <= tried, and `tried` 0 where a cell is missing",
        }
        raise FormatError(
            path,
            field=name,
            expected=allowed[name],
            got=f"{value[i, j]:g} for solver {where[0][i]!r}, item {where[1][j]!r} "
            f"({bad.sum()} of {bad.size} cells)",
        )
