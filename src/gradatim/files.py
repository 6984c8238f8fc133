"""Rows of files, with errors that say file, line and field; files switched in by rename."""

import contextlib
import csv
import dataclasses
import gzip
import io
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gradatim.errors import FormatError, StoreError

Row = dict[str, Any]


def read_text(path: str | Path) -> str:
    """Text of a file: UTF-8 with or without BOM, UTF-16 with BOM, gzip by content.

    Raises:
        FormatError: the file is missing, or is not text.
    """
    path = Path(path)
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise FormatError(path, expected="a file", got="nothing of that name") from None
    except IsADirectoryError:
        raise FormatError(path, expected="a file", got="a folder") from None
    if raw[:2] == b"\x1f\x8b":
        raw = gzip.decompress(raw)
    try:
        if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
            return raw.decode("utf-16")
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise FormatError(
            path,
            line=line,
            expected="UTF-8 text",
            got=f"byte 0x{raw[error.start]:02x}",
            remedy="save the file as UTF-8",
        ) from None


def _jsonl(path: Path, text: str) -> Iterator[tuple[int, Row]]:
    if text.lstrip().startswith("["):  # a JSON array under a .jsonl name
        try:
            rows = json.loads(text)
        except json.JSONDecodeError as error:
            raise FormatError(path, line=error.lineno, expected="JSON", got=error.msg) from None
        numbered = list(enumerate(rows, start=1))
    else:
        numbered = []
        # only \n and \r\n end a line: U+2028 and its like may stand inside a JSON string
        for number, line in enumerate(text.split("\n"), start=1):
            line = line.rstrip("\r")
            if not line.strip():
                continue
            try:
                numbered.append((number, json.loads(line)))
            except json.JSONDecodeError as error:
                raise FormatError(
                    path,
                    line=number,
                    expected="one JSON object per line",
                    got=f"{line[:60]!r} ({error.msg} at column {error.colno})",
                    remedy="a truncated last line can be deleted",
                ) from None
    for number, row in numbered:
        if not isinstance(row, dict):
            raise FormatError(path, line=number, expected="a JSON object", got=type(row).__name__)
        yield number, row


def rows(path: str | Path) -> Iterator[tuple[int, Row]]:
    """(line, row) of a .jsonl, .json, .csv or .parquet file; the ending decides.

    Raises:
        FormatError: naming file and line.
    """
    path = Path(path)
    kind = path.name.removesuffix(".gz").rsplit(".", 1)[-1].lower()
    if kind == "parquet":
        import pyarrow.parquet

        try:
            table = pyarrow.parquet.read_table(path)
        except FileNotFoundError:
            raise FormatError(path, expected="a file", got="nothing of that name") from None
        except (pyarrow.ArrowInvalid, OSError) as error:
            raise FormatError(path, expected="a Parquet file", got=str(error)) from None
        yield from enumerate(table.to_pylist(), start=1)
    elif kind == "csv":
        reader = csv.DictReader(io.StringIO(read_text(path), newline=""))
        for row in reader:
            if None in row or None in row.values():
                raise FormatError(
                    path,
                    line=reader.line_num,
                    expected=f"{len(reader.fieldnames or ())} fields",
                    got="another number",
                )
            yield reader.line_num, row
    elif kind in ("jsonl", "json", "ndjson"):
        yield from _jsonl(path, read_text(path))
    else:
        raise FormatError(
            path, expected="a .jsonl, .json, .csv or .parquet file", got=f"ending '.{kind}'"
        )


@contextlib.contextmanager
def disk_errors(what: str | Path) -> Iterator[None]:
    """Turn the system's full-disk and permission errors into one clear line."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"cannot write {what}: {error.strerror or error}") from error


def write_atomic(path: str | Path, content: bytes | str) -> None:
    """Write a file under a new name, flush it to disk, and switch it in by rename.

    Raises:
        StoreError: the disk is full or the folder cannot be written; the old file is untouched.
    """
    path = Path(path)
    raw = content.encode() if isinstance(content, str) else content
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, 0o644)
            os.replace(name, path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)
            raise
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Flush a rename to disk, where the system lets a folder be opened (not on Windows)."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def dumps(value: Any) -> str:
    """Canonical JSON: sorted keys, no spaces, no NaN. The form that is hashed.

    >>> dumps({"b": 1, "a": [1.5, None]})
    '{"a":[1.5,null],"b":1}'
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def write_jsonl(path: str | Path, items: Iterable[Mapping[str, Any]]) -> None:
    """Write rows as JSONL, atomically."""
    write_atomic(path, "".join(json.dumps(i, ensure_ascii=False) + "\n" for i in items))


def plain(value: Any) -> Any:
    """Records, arrays and estimates as what JSON knows; NaN and infinities as null.

    >>> from gradatim.types import Estimate
    >>> plain({"p": Estimate(0.5, 0.1, float("nan"), 8)})
    {'p': {'value': 0.5, 'low': 0.1, 'high': None, 'n': 8}}
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, tuple) and (names := getattr(value, "_fields", None)):
        return {name: plain(getattr(value, name)) for name in names}
    if isinstance(value, set | frozenset):
        return sorted((plain(v) for v in value), key=str)
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if isinstance(value, str | int | bool) or value is None:
        return value
    return str(value)
