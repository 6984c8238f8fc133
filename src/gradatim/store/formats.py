"""Matrix files: who solved what, as a table of solvers and items, to Responses and back.

`.npz`: `solved` and `tried` (solver, item), tried 0 = missing; or `score` in [0, 1], NaN or
`tried` 0 = missing; `solvers` and `items` (names; numbered where absent).
`.csv`, `.parquet`, `.jsonl`: one row per cell with solver, item, solved and, if not 1, tried.
"""

import csv
import io
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gradatim.errors import FormatError
from gradatim.files import write_atomic, write_jsonl
from gradatim.store import logs_tables
from gradatim.store.names import MOST, Names, Wanted
from gradatim.store.sums import Log, add_up
from gradatim.store.tables import open_table
from gradatim.types import Matrix, Responses

UNUSED = ("score", "columns", "span")  # options of reading logs that a matrix has no place for
_BLOCK = 1 << 20  # cells that are checked at a time: a large matrix is never copied


def read_responses(path: str | Path) -> Responses:
    """Read a matrix file; the ending decides how.

    Raises:
        FormatError: names file, line and field (in .npz the array, its solver and item): solved
            above tried, NaN, a score outside [0, 1], a cell given twice, ids that are one number
            written in two ways, or as a number and as a text.
    """
    path = Path(path)
    if path.suffix.lower() == ".npz":
        return responses_of(read_matrix(path))
    table = open_table(path)
    if not table.names:  # no row at all
        none = np.zeros(0, dtype=np.int64)
        return Responses(
            solver=none, item=none, solved=none.astype(float), tried=none, solvers=(), items=()
        )
    return add_up([logs_tables.read(table, Wanted(), kind="table", columns={})])[0]


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


# -- npz --------------------------------------------------------------------------------------


def read_matrix(path: str | Path) -> Matrix:
    """Read an .npz matrix as it lies: numbers keep their type, nothing is copied.

    `score` times `tried` is the sum of scores; a NaN in `score` without `tried` is a missing cell.

    Raises:
        FormatError: as `read_responses`.
    """
    path = Path(path)
    arrays = _arrays(path)
    main = "solved" if "solved" in arrays else "score"
    if main not in arrays:
        held = ", ".join(sorted(arrays)) or "nothing"
        raise FormatError(
            path, field="solved", expected="an array `solved` or `score`", got=f"only {held}"
        )
    value = _numbers(arrays[main], path, main)
    tried: np.ndarray | int = 1
    if "tried" in arrays:
        tried = _numbers(arrays["tried"], path, "tried")
        if tried.shape != value.shape:
            raise FormatError(
                path, field="tried", expected=f"shape {value.shape}", got=f"shape {tried.shape}"
            )
    elif main == "score" and np.isnan(value.sum(dtype=float)):
        tried = (~np.isnan(value)).astype(np.int8)
    solvers = _listed(arrays, path, "solvers", len(value))
    items = _listed(arrays, path, "items", value.shape[1])
    step = max(1, _BLOCK // max(1, value.shape[1]))
    for at in range(0, len(value), step):
        rows = slice(at, at + step)
        where = (path, main, solvers[rows], items)
        _check(where, value[rows], tried if isinstance(tried, int) else tried[rows])
    if not isinstance(tried, int):
        if tried.dtype.kind == "f":
            tried = tried.astype(np.int64)
        if main == "score":
            value = np.where(tried == 0, 0, value * tried)
        elif value.dtype.kind == "f" and np.isnan(value.sum(dtype=float)):
            value = np.where(tried == 0, 0, value)
    return Matrix(solved=value, tried=tried, solvers=solvers, items=items)


def responses_of(matrix: Matrix) -> Responses:
    """A dense matrix in long form, cells without attempts left out.

    >>> responses_of(Matrix(solved=np.array([[1, 0], [3, 0]]), tried=np.array([[1, 2], [4, 0]]),
    ...     solvers=("a", "b"), items=("x", "y"))).tried
    array([1, 2, 4])
    """
    shape = matrix.solved.shape
    if isinstance(matrix.tried, int):
        solver, item = (index.ravel() for index in np.indices(shape))
        tried = np.full(solver.shape, matrix.tried, dtype=np.int64)
    else:
        solver, item = np.nonzero(matrix.tried)
        tried = matrix.tried[solver, item].astype(np.int64)
    return Responses(
        solver=solver,
        item=item,
        solved=matrix.solved[solver, item].astype(float),
        tried=tried,
        solvers=matrix.solvers,
        items=matrix.items,
    )


def log_of(matrix: Matrix, path: str | Path) -> Log:
    """A matrix file among other logs."""
    found = responses_of(matrix)
    empty = matrix.solved.size - len(found.tried)
    return Log(
        path=str(path),
        format="matrix",
        solver=found.solver,
        item=found.item,
        solved=found.solved,
        tried=found.tried,
        solvers=found.solvers,
        items=found.items,
        score="solved",
        notes=[f"{empty:,} cells are empty"] if empty else [],
        run=str(Path(path).resolve()),
        unused=UNUSED,
    )


def _arrays(path: Path) -> dict[str, np.ndarray]:
    """The archive's arrays; numpy's words for other files are of pickles, which we never load."""
    expected, remedy = "an .npz archive of plain arrays", "write it with np.savez(path, solved=...)"
    try:
        with path.open("rb") as file:  # numpy would leave a broken one open
            start = file.read(6)
            file.seek(0)
            if start[:2] != b"PK":
                got = "an empty file" if not start else "something else (text, say)"
                got = "one array, not an archive" if start == b"\x93NUMPY" else got
                raise FormatError(path, expected=expected, got=got, remedy=remedy)
            with np.load(file, allow_pickle=False) as archive:
                return {name: _array(archive, path, name) for name in archive.files}
    except FileNotFoundError:
        raise FormatError(path, expected="a file", got="nothing of that name") from None
    except OSError as error:
        raise FormatError(path, expected=expected, got=error.strerror or str(error)) from None
    except (EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        got = f"a truncated or damaged one ({error})"
        raise FormatError(path, expected=expected, got=got, remedy="copy it again") from None


def _array(archive: Mapping[str, np.ndarray], path: Path, name: str) -> np.ndarray:
    """One array; a member that is none, or one of Python objects, is refused."""
    remedy = "save names as text, np.array(names, dtype=str), and numbers as np.array(x, float)"
    try:
        array = archive[name]
    except ValueError as error:
        objects = "Object arrays" in str(error)
        got = "an array of Python objects" if objects else "a damaged one"
        raise FormatError(
            path, field=name, expected="a plain array", got=got, remedy=remedy
        ) from None
    if not isinstance(array, np.ndarray):  # numpy hands out foreign members as bytes
        raise FormatError(
            path, field=name, expected="a plain array", got="another file", remedy=remedy
        )
    return array


def _numbers(array: np.ndarray, path: Path, name: str) -> np.ndarray:
    if array.ndim != 2 or array.dtype.kind not in "biuf":
        raise FormatError(
            path,
            field=name,
            expected="numbers of shape (solvers, items)",
            got=f"{array.dtype} of shape {array.shape}",
        )
    return array


def _listed(arrays: dict[str, np.ndarray], path: Path, name: str, n: int) -> tuple[str, ...]:
    if name not in arrays:
        return tuple(f"{name[:-1]}-{i}" for i in range(1, n + 1))
    array = arrays[name]
    if array.shape != (n,):
        raise FormatError(path, field=name, expected=f"{n} names", got=f"shape {array.shape}")
    names = Names(path, name)
    for value in array.tolist():
        names.code(value, None)
    if len(names.codes) < n:
        doubled = next(v for i, v in enumerate(array.tolist()) if v in array.tolist()[:i])
        raise FormatError(path, field=name, expected="each name once", got=f"{doubled!r} twice")
    return tuple(names.codes)


def _check(
    where: tuple[Path, str, tuple[str, ...], tuple[str, ...]],
    value: np.ndarray,
    tried: np.ndarray | int,
) -> None:
    """Raise for the first bad cell of a block, by the names of its solver and item."""
    path, main, solvers, items = where
    count = np.asarray(tried)
    whole = (count >= 0) & (count <= MOST) & (count == np.rint(count))
    top = 1 if main == "score" else count
    with np.errstate(invalid="ignore"):
        good = (count == 0) | ((value >= 0) & (value <= top))
    hint = "; a percentage says nothing without its n" if main == "score" else ""
    for name, seen, bad, allowed in (
        ("tried", np.broadcast_to(count, value.shape), ~whole, "whole numbers from 0 to 2**53"),
        (
            main,
            value,
            ~good,
            f"{'scores in [0, 1]' if main == 'score' else '0 <= solved <= tried'}, and `tried` 0 "
            f"where a cell is missing{hint}",
        ),
    ):
        bad = np.broadcast_to(bad, value.shape)
        if bad.any():
            i, j = np.argwhere(bad)[0]
            raise FormatError(
                path,
                field=name,
                expected=allowed,
                got=f"{seen[i, j]:g} for solver {solvers[i]!r}, item {items[j]!r} "
                f"({bad.sum()} of {bad.size} cells)",
            )
