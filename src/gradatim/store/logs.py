"""Other people's logs as Responses: the format is told from what a file holds.

inspect_ai and lm-evaluation-harness logs, rollouts of TRL and verl, long tables and matrices; none
of these tools needs to be installed. Every attempt is counted, or named as missing.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gradatim import checks
from gradatim.errors import ArgumentError, FormatError
from gradatim.files import read_text, rows
from gradatim.store import logs_inspect, logs_lm_eval, logs_tables
from gradatim.store.formats import log_of, read_matrix
from gradatim.store.names import Wanted
from gradatim.store.sums import Log
from gradatim.store.tables import Opened, open_table
from gradatim.types import Matrix

FORMATS = ("inspect", "lm_eval", "matrix", "rollouts", "table", "trl", "verl")
_TABLES = (".csv", ".parquet", ".jsonl", ".json", ".ndjson")


class Origin(NamedTuple):
    """What one file brought, and what it did not.

    Attributes:
        path, format, tool, score: where from, as what, written by whom, and which score was read.
        solvers, items, attempts: how many it holds.
        missing: why -> attempts without a score; they count as not made.
        notes: what a reader of the result must know.
    """

    path: str
    format: str
    tool: str
    score: str
    solvers: int
    items: int
    attempts: int
    missing: Mapping[str, int]
    notes: Sequence[str]


def read_files(
    path: str | Path,
    *,
    format: str | None = None,
    score: str | Sequence[str] | None = None,
    columns: Mapping[str, str] | None = None,
    span: tuple[float, float] = (0.0, 1.0),
) -> list[Log]:
    """Read the logs of a file, or of all files of a folder.

    Args:
        path: a file, or a folder of logs of one kind.
        format: a name in FORMATS; None: told from the content.
        score: which score, metric or reward column counts, where there are several; several
            names where files differ, one of them for each.
        columns: role -> column of a table (solver, item, solved, tried, attempt, prompt, group,
            step); "" says that there is none: `{"step": ""}` makes one solver of all steps of a
            training.
        span: (low, high), the scores that stand for 0 and 1.

    Raises:
        FormatError: a file that is not what it should be: file, line, field, expected, got, remedy.
        ArgumentError: an unknown format, score or role.
    """
    if format is not None:
        checks.one_of("format", format, FORMATS)
    columns = dict(columns or {})
    checks.known_keys("`columns`", columns, logs_tables.ROLES)
    if not span[0] < span[1]:
        raise ArgumentError(f"`span` must be LOW:HIGH with LOW below HIGH, got {span}")
    scores = (score,) if isinstance(score, str) else tuple(score or ())
    wanted = Wanted(scores, *span)
    return [
        log
        for file, name in _files(Path(path))
        for log in _read(file, format, wanted, columns=columns, name=name)
    ]


def left_out(path: str | Path) -> list[str]:
    """What a folder holds besides the logs that `read_files` takes from it, as a note.

    A folder is read as logs of one kind; tables and matrices beside them are not.
    """
    path = Path(path)
    if not path.is_dir():
        return []
    taken = {file for file, _ in _files(path)}
    samples = any(file.name.startswith("samples_") for file in taken)
    rest = sorted(
        str(file.relative_to(path))
        for file in _tables(path)
        if file not in taken
        and not (samples and file.name.startswith("results_") and file.suffix == ".json")
    )
    if not rest:
        return []
    tool = "lm-evaluation-harness" if samples else "inspect_ai"
    shown = ", ".join(rest[:5]) + (", ..." if len(rest) > 5 else "")
    files = "1 file" if len(rest) == 1 else f"{len(rest):,} files"
    return [
        f"{files} left out of {path}, which is read as logs of {tool} alone: {shown}; to count "
        f"attempts in others too, name them as further sources: {path} {path / rest[0]}"
    ]


def origin_of(log: Log) -> Origin:
    """What a log brought."""
    return Origin(
        path=log.path,
        format=log.format,
        tool=log.tool,
        score=log.score,
        solvers=len(set(log.solver.tolist())),
        items=len(set(log.item.tolist())),
        attempts=int(log.tried.sum()),
        missing=dict(log.missing),
        notes=list(log.notes),
    )


def origin_of_matrix(matrix: Matrix, path: str | Path) -> Origin:
    """What a matrix file brought."""
    shape = matrix.solved.shape
    empty, attempts = 0, 0
    if isinstance(matrix.tried, int):
        attempts = matrix.tried * matrix.solved.size
    else:
        empty = int((matrix.tried == 0).sum())
        attempts = int(matrix.tried.sum(dtype=np.int64))
    notes = [f"{empty:,} cells are empty"] if empty else []
    return Origin(str(path), "matrix", "", "", shape[0], shape[1], attempts, {}, notes)


# -- files ------------------------------------------------------------------------------------


def _files(path: Path) -> list[tuple[Path, str]]:
    """Files of logs, and the name of their solver where nothing else names it."""
    if not path.exists():
        raise FormatError(
            path,
            expected="a run folder, a log, a table, a matrix file or a folder of logs",
            got="nothing of that name",
        )
    if not path.is_dir():
        return [(path, path.name.split(".")[0])]
    found = sorted([*path.rglob("*.eval"), *filter(_says_eval, path.rglob("*.json"))])
    found = found or sorted(path.rglob("samples_*.jsonl"))
    if found:
        return [(file, file.stem) for file in found]
    found = sorted(_tables(path))
    if not found:
        held = sorted(f.name for f in path.iterdir())
        raise FormatError(
            path,
            expected="a run folder, or a folder of logs (.eval, .json, .jsonl, .csv, .parquet)",
            got=f"only {', '.join(held[:5])}" if held else "an empty folder",
        )
    return [(file, path.name) for file in found]


def _tables(path: Path) -> Iterator[Path]:
    """Files of a folder that may be tables or matrices, by their endings."""
    for file in path.rglob("*"):
        ending = file.suffix.lower()
        if ending == ".gz":
            ending = Path(file.stem).suffix.lower()
            ending = "" if ending in (".parquet", ".npz") else ending  # these are packed as it is
        if ending in (*_TABLES, ".npz") and file.is_file():
            yield file


def _says_eval(path: Path) -> bool:
    """Whether a .json file begins like a log of inspect_ai."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(400).replace(b" ", b"")
    return b'"status":' in start and b'"eval":{' in start.replace(b"\n", b"")


def is_matrix(path: Path, format: str | None = None) -> bool:
    """Whether a path is a matrix file (.npz)."""
    if not path.is_file() or not path.stat().st_size:
        return False
    return format == "matrix" or (format is None and _detect_zip(path) == "matrix")


def _detect_zip(path: Path) -> str:
    """The format of an archive, inspect or matrix; empty for other files."""
    with path.open("rb") as file:
        magic = file.read(2)
    ending = path.suffix.lower()
    if magic != b"PK" and ending not in (".npz", ".eval"):
        return ""
    return "inspect" if ending == ".eval" or logs_inspect.is_archive(path) else "matrix"


def _read(
    path: Path, format: str | None, wanted: Wanted, *, columns: Mapping[str, str], name: str
) -> list[Log]:
    if not path.stat().st_size:
        raise _empty(path, "an empty file")
    kind, value = (format, None) if format else _detect(path)
    if kind == "matrix":
        return [log_of(read_matrix(path), path)]
    if kind == "inspect":
        value = _json(path) if value is None and not _zipped(path) else value
        if value is None:
            return [logs_inspect.read_archive(path, wanted)]
        if not logs_inspect.is_log(value):
            raise FormatError(path, expected="a log of inspect_ai", got=_shape(value))
        return [logs_inspect.read_json(path, value, wanted)]
    if kind == "lm_eval":
        value = _json(path) if value is None and path.suffix == ".json" else value
        files = logs_lm_eval.samples_of(path) if logs_lm_eval.is_results(value) else [path]
        return [logs_lm_eval.read(file, wanted) for file in files]
    opened = value if isinstance(value, Opened) else open_table(path)
    if not any(str(column).strip() for column in opened.names):
        raise _empty(path, "a file without rows, or with empty ones")
    return [logs_tables.read(opened, wanted, kind=str(kind), columns=columns, name=name)]


def _detect(path: Path) -> tuple[str, Any]:
    """The format of a file, with what had to be read to tell it."""
    if archive := _detect_zip(path):
        return archive, None
    if path.suffix.lower() == ".parquet":
        schema = open_table(path).schema
        if schema is not None and b"gradatim" in (schema.metadata or {}):
            raise FormatError(
                path,
                expected="attempts",
                got="a bank, which is calibrated already",
                remedy="link to it with --link, or select from it: gradatim select BANK",
            )
    ending = path.name.removesuffix(".gz").rsplit(".", 1)[-1].lower()
    if ending == "json":
        value = _json(path)
        if logs_inspect.is_log(value):
            return "inspect", value
        if logs_lm_eval.is_results(value):
            return "lm_eval", value
        if not isinstance(value, list):
            raise FormatError(
                path,
                expected="a log of inspect_ai, results of lm_eval or a list of rows",
                got=_shape(value),
                remedy="one row per attempt, as .jsonl or .csv, is read by its columns",
            )
    if ending in ("jsonl", "ndjson"):
        first = next((row for _, row in rows(path)), {})
        if logs_lm_eval.is_sample(first):
            return "lm_eval", None
    opened = open_table(path)
    return logs_tables.kind_of(opened.names), opened


def _zipped(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"PK" or path.suffix.lower() == ".eval"


def _empty(path: Path, got: str) -> FormatError:
    return FormatError(
        path,
        expected="a log, a table or a matrix",
        got=got,
        remedy="was it written to the end? leave it out, or write it again",
    )


def _json(path: Path) -> Any:
    text = read_text(path)
    if not text.strip():
        raise _empty(path, "only blank lines")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise FormatError(
            path,
            line=error.lineno,
            expected="JSON",
            got=f"{error.msg} at column {error.colno}",
            remedy="a truncated file must be copied again; JSON rows need the ending .jsonl",
        ) from None


def _shape(value: Any) -> str:
    if isinstance(value, dict):
        return f"an object with {', '.join(map(str, list(value)[:6])) or 'nothing'}"
    return f"a {type(value).__name__}"
