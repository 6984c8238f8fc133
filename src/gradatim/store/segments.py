"""Closed segments: the ledger's attempts as Parquet files that any tool can read.

A segment holds the attempts of a range of ids with their newest grades. Ids are consecutive and
the ledger only inserts, so a segment can go stale in one way: later grades. The manifest keeps the
number of grades behind each segment; where the ledger has more by now, readers take that range
from the ledger and the writer exports it anew. Segments plus tail are the ledger, always.
"""

import hashlib
import io
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import gradatim
from gradatim.errors import FormatError, StoreError
from gradatim.files import disk_errors, read_text, write_atomic
from gradatim.store import schema
from gradatim.store.counting import Counts
from gradatim.store.ledger import Ledger
from gradatim.store.rows import Setting
from gradatim.types import REASONS, STATUSES

EVERY = 50_000

_WHOLE = ("id", "sample", "tokens", "prompt_tokens", "step", "solved")
_REAL = ("seconds", "created", "logp", "propensity", "reward")


def _type(name: str) -> pa.DataType:
    return pa.int64() if name in _WHOLE else pa.float64() if name in _REAL else pa.string()


SCHEMA = pa.schema([(name, _type(name)) for name in schema.COLUMNS])


def exporter(folder: str | Path, *, every: int = EVERY) -> Callable[[Ledger], None]:
    """What `Ledger(closed=...)` calls each time that `every` more rows are in."""

    def close(ledger: Ledger) -> None:
        export(ledger, folder, every=every)

    return close


def manifest(folder: str | Path) -> list[dict[str, Any]]:
    """The closed segments in order: file, rows, first, last, grades, sha256.

    Raises:
        FormatError: damaged, or of a newer version.
    """
    path = Path(folder) / "manifest.json"
    if not path.exists():
        return []
    try:
        content = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise FormatError(path, line=error.lineno, expected="JSON", got=error.msg) from None
    schema.check_version(path, content.get("schema"))
    return content["segments"]


def export(ledger: Ledger, folder: str | Path, *, every: int = EVERY) -> list[dict[str, Any]]:
    """Close every full segment that is not closed yet, and anew those with later grades.

    Files come first, then the manifest is switched in, then replaced files go: a crash anywhere
    leaves the old manifest with its files, or the new one with its files.

    Returns:
        The manifest.
    """
    folder = Path(folder)
    old = manifest(folder)
    kept = []
    for entry in old:
        fresh = entry["grades"] == _grades(ledger, entry["first"], entry["last"])
        kept.append(entry if fresh else _write(ledger, folder, entry["first"], entry["last"]))
    first = kept[-1]["last"] + 1 if kept else 1
    while first + every - 1 <= len(ledger):
        kept.append(_write(ledger, folder, first, first + every - 1))
        first += every
    if kept != old:
        content = {
            "schema": schema.VERSION,
            "gradatim": gradatim.__version__,
            "segments": kept,
        }
        write_atomic(folder / "manifest.json", json.dumps(content, indent=1) + "\n")
        live = {entry["file"] for entry in kept}
        with disk_errors(folder):
            for path in folder.glob("attempts-*.parquet"):
                if path.name not in live:
                    path.unlink(missing_ok=True)
    return kept


def _write(ledger: Ledger, folder: Path, first: int, last: int) -> dict[str, Any]:
    grades = _grades(ledger, first, last)
    table = _from_ledger(ledger, first, last)
    target = io.BytesIO()
    about = {b"gradatim": json.dumps({"schema": schema.VERSION}).encode()}
    pq.write_table(table.replace_schema_metadata(about), target, compression="zstd")
    raw = target.getvalue()
    digest = hashlib.sha256(raw).hexdigest()
    name = f"attempts-{first:010d}-{last:010d}-{digest[:8]}.parquet"
    write_atomic(folder / name, raw)
    return {
        "file": name,
        "rows": table.num_rows,
        "first": first,
        "last": last,
        "grades": grades,
        "sha256": digest,
    }


def _grades(ledger: Ledger, first: int, last: int) -> int:
    sql = "SELECT COUNT(*) FROM grade WHERE attempt BETWEEN ? AND ?"
    return ledger.query(sql, (first, last))[0][0]


def _from_ledger(ledger: Ledger, first: int, last: int) -> pa.Table:
    names = ", ".join(schema.COLUMNS.values())
    sql = f"SELECT {names} {schema.NEWEST} WHERE a.id BETWEEN ? AND ? ORDER BY a.id"
    rows = ledger.query(sql, (first, last))
    columns = zip(*rows, strict=True) if rows else ([] for _ in SCHEMA)
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, SCHEMA, strict=True)], SCHEMA)


def table(
    ledger: Ledger, folder: str | Path | None, *, columns: Iterable[str] | None = None
) -> pa.Table:
    """All attempts with their newest grades, in order of id: segments, and the ledger's tail.

    Args:
        ledger: open for reading or writing.
        folder: the segments; None reads the ledger alone, with the same result.
        columns: names of `schema.COLUMNS`; None for all.

    Raises:
        FormatError: the bytes of a segment are not those of the manifest.
    """
    wanted = list(SCHEMA.names if columns is None else columns)
    empty = SCHEMA.empty_table().select(wanted)
    return pa.concat_tables([empty, *_parts(ledger, folder, wanted)])


def _parts(ledger: Ledger, folder: str | Path | None, columns: list[str]) -> Iterator[pa.Table]:
    """Segments, then ranges of the tail, in order of id."""
    next_id, size = 1, len(ledger)
    for entry in manifest(folder) if folder is not None else []:
        part = None
        if entry["grades"] == _grades(ledger, entry["first"], entry["last"]):
            part = _read(Path(str(folder)) / entry["file"], entry, columns)
        if part is None:
            part = _from_ledger(ledger, entry["first"], entry["last"]).select(columns)
        yield part
        next_id = entry["last"] + 1
    while next_id <= size:
        last = min(size, next_id + EVERY - 1)
        yield _from_ledger(ledger, next_id, last).select(columns)
        next_id = last + 1


def _read(path: Path, entry: dict[str, Any], columns: list[str]) -> pa.Table | None:
    """A segment; None where its file is gone, replaced a moment ago by the writer."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from error
    if hashlib.sha256(raw).hexdigest() != entry["sha256"]:
        raise FormatError(
            path,
            expected="the bytes that the manifest names (sha256)",
            got="others",
            remedy=f"delete the folder {path.parent}: it is exported anew from the ledger",
        )
    return pq.read_table(io.BytesIO(raw), columns=columns).replace_schema_metadata(None)


def counts(ledger: Ledger, folder: str | Path | None) -> Counts:
    """`Ledger.counts` of all attempts, from segments and tail: for ledgers of millions of rows."""
    keys = ["problem", "solver", "policy", "params", "status", "reason"]
    sums = [("n", "sum"), ("solved", "sum"), ("reward", "sum")]
    names = [*keys, "n", "solved", "reward"]
    cells = SCHEMA.empty_table().select([*keys, "id", "solved", "reward"]).rename_columns(names)
    for part in _parts(ledger, folder, [*keys, "solved", "reward"]):  # memory: one part at a time
        one = part.append_column("n", pa.array(np.ones(part.num_rows, dtype=np.int64)))
        grouped = one.group_by(keys).aggregate(sums)
        grouped = grouped.rename_columns([c.removesuffix("_sum") for c in grouped.column_names])
        cells = pa.concat_tables([cells, grouped.select(names)])
    cells = cells.group_by(keys).aggregate(sums)
    columns = {name: cells[name].to_pylist() for name in keys}
    named = [
        Setting(*key)
        for key in zip(columns["solver"], columns["policy"], columns["params"], strict=True)
    ]
    problems, settings = sorted(set(columns["problem"])), sorted(set(named))
    place = {name: i for i, name in enumerate(problems)}
    seat = {name: i for i, name in enumerate(settings)}
    coded = {
        "problem": [place[p] for p in columns["problem"]],
        "setting": [seat[s] for s in named],
        "status": [STATUSES.index(s) for s in columns["status"]],
        "reason": [-1 if r is None else REASONS.index(r) for r in columns["reason"]],
        "n": cells["n_sum"].to_pylist(),
    }
    arrays = {name: np.array(values, dtype=np.int64) for name, values in coded.items()}
    order = np.lexsort([arrays[k] for k in ("reason", "status", "setting", "problem")])
    totals = {
        name: pc.fill_null(cells[f"{name}_sum"], 0).to_numpy().astype(float)[order]
        for name in ("solved", "reward")
    }
    return Counts(
        **{name: values[order] for name, values in arrays.items()},
        **totals,
        problems=tuple(problems),
        settings=tuple(settings),
    )
