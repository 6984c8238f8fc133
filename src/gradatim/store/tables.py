"""Columns of a table of attempts: CSV, Parquet or JSONL, each value with the line it stands on."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gradatim.errors import FormatError
from gradatim.files import read_text, rows
from gradatim.store.names import Names, number


class Opened(NamedTuple):
    """A file whose columns are known: of Parquet only what is asked for is read later.

    Attributes:
        path: the file; names: its columns; schema: the types, of Parquet.
        rows: (line, row), of the others.
    """

    path: Path
    names: list[str]
    schema: pa.Schema | None = None
    rows: Sequence[tuple[int, Mapping[str, Any]]] = ()


class Table(NamedTuple):
    """Columns of a file, and the line of each row."""

    path: Path
    columns: Mapping[str, Any]
    lines: Sequence[int]


def open_table(path: Path) -> Opened:
    """The columns of a .csv, .parquet, .jsonl or .json file.

    Raises:
        FormatError: naming file and line.
    """
    if path.suffix.lower() == ".parquet":
        with _parquet(path) as file:
            return Opened(path, list(file.schema_arrow.names), file.schema_arrow)
    if path.name.removesuffix(".gz").lower().endswith(".csv"):
        header = next(csv.reader(io.StringIO(read_text(path), newline="")), [])
        twice = [name for at, name in enumerate(header) if name in header[:at]]
        if twice:
            raise FormatError(
                path, line=1, field=twice[0], expected="each column once", got="it twice"
            )
        return Opened(path, header, None, list(rows(path)))
    found = list(rows(path))
    return Opened(path, list(dict.fromkeys(n for _, row in found for n in row)), None, found)


def read_columns(opened: Opened, names: Sequence[str]) -> Table:
    """The columns of these names."""
    path = opened.path
    for name in names:
        if name not in opened.names:
            raise FormatError(
                path,
                field=name,
                expected="a column of that name",
                got=f"only {', '.join(map(str, opened.names)) or 'nothing'}",
            )
    if opened.schema is not None:
        with _parquet(path) as file:
            found = file.read(columns=list(names))
        return Table(path, {n: found[n] for n in names}, range(1, found.num_rows + 1))
    columns = {name: [row.get(name) for _, row in opened.rows] for name in names}
    return Table(path, columns, [line for line, _ in opened.rows])


def _parquet(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except FileNotFoundError:
        raise FormatError(path, expected="a file", got="nothing of that name") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise FormatError(path, expected="a Parquet file", got=str(error)) from None


def names_of(table: Table, name: str) -> tuple[np.ndarray, list[str], type | None]:
    """Codes, names and type of an id column; a CSV has no types."""
    column, path = table.columns[name], table.path
    if isinstance(column, pa.ChunkedArray):
        coded = column.combine_chunks().dictionary_encode()
        if coded.null_count:
            at = int(np.flatnonzero(np.asarray(coded.indices.is_null()))[0])
            raise FormatError(
                path, line=table.lines[at], field=name, expected="a name", got="nothing"
            )
        codes = np.asarray(coded.indices, dtype=np.int64)
        values = coded.dictionary.to_pylist()
        first = {}
        for row, code in enumerate(codes.tolist()):
            if code not in first:
                first[code] = row
                if len(first) == len(values):
                    break
        names = Names(path, name)
        for code, value in enumerate(values):
            names.code(value, table.lines[first.get(code, 0)])
        return codes, list(names.codes), names.kind
    names = Names(path, name)
    codes = np.array(
        [
            names.code(present(v, path, line, name), line)
            for v, line in zip(column, table.lines, strict=True)
        ],
        dtype=np.int64,
    )
    typed = path.name.removesuffix(".gz").rsplit(".", 1)[-1].lower() != "csv"
    return codes, list(names.codes), names.kind if typed else None


def codes_of(table: Table, name: str) -> np.ndarray:
    """Codes of a column whose values are only told apart."""
    column = table.columns[name]
    if isinstance(column, pa.ChunkedArray):
        return np.asarray(column.combine_chunks().dictionary_encode().indices.fill_null(-1))
    codes: dict[str, int] = {}
    return np.array([codes.setdefault(str(v), len(codes)) for v in column], dtype=np.int64)


def present(value: Any, path: Path, line: int, name: str) -> Any:
    """The value, if there is one."""
    if value is None:
        raise FormatError(path, line=line, field=name, expected="a value", got="nothing")
    return value


def numbers_of(table: Table, name: str, *, empty: float | None) -> np.ndarray:
    """A column as floats; `empty` stands for what is not there, None refuses it."""
    column, path = table.columns[name], table.path
    if isinstance(column, pa.ChunkedArray):
        kind = column.type
        if pa.types.is_boolean(kind):
            column = column.cast(pa.int8())
            kind = column.type
        if (pa.types.is_integer(kind) or pa.types.is_floating(kind)) and not column.null_count:
            found = column.to_numpy().astype(float)
            bad = ~np.isfinite(found) if empty is None else np.isinf(found)
            if not bad.any():
                return found
        column = column.to_pylist()
    found = np.empty(len(column))
    for at, (value, line) in enumerate(zip(column, table.lines, strict=True)):
        lacking = value is None or value == "" or (isinstance(value, float) and value != value)
        if lacking and empty is not None:
            found[at] = empty
        else:
            found[at] = number(present(value, path, line, name), path, line, name)
    return found


def shown(table: Table, name: str | None, row: int) -> str:
    """What a row says in a column, for messages."""
    if name is None:
        return "the solver"
    column = table.columns[name]
    value = column[int(row)]
    return repr(value.as_py() if isinstance(value, pa.Scalar) else value)
