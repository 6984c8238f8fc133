"""Banks on disk: Parquet, one row per item, the solvers and the fit in the file's metadata."""

import dataclasses
import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import gradatim
from gradatim.errors import FormatError
from gradatim.files import dumps, plain, write_atomic
from gradatim.store import schema
from gradatim.types import Bank

_KEY = b"gradatim"
_ITEM = ("difficulty", "discrimination", "floor", "se_difficulty", "se_discrimination")
_ENDS = ("ceiling", "se_floor", "se_ceiling")  # columns of banks that have them
_COLUMNS = ("item", *_ITEM, "scale", "tried", "solved")


def name_of(bank: Bank) -> str:
    """File name of a bank: the hash of everything it says but how the fit went."""
    hashed = hashlib.blake2b(digest_size=6)
    for field in dataclasses.fields(bank):
        value = getattr(bank, field.name)
        if field.name == "fit" or (field.name in _ENDS and value is None):
            continue
        if isinstance(value, np.ndarray):
            hashed.update(np.ascontiguousarray(value, dtype="<f8").tobytes())
        else:
            hashed.update(dumps(value).encode())
    return f"bank-{hashed.hexdigest()}.parquet"


def write(folder: str | Path, bank: Bank) -> Path:
    """Write a bank as `bank-<hash>.parquet`; the same bank is the same file."""
    path = Path(folder) / name_of(bank)
    write_atomic(path, encode(bank))
    return path


def encode(bank: Bank) -> bytes:
    """The content of a bank's file."""
    n = len(bank.items)
    table = pa.table({
        "item": pa.array(bank.items, pa.string()),
        **{name: pa.array(np.asarray(getattr(bank, name), dtype=float)) for name in _ITEM},
        **{
            name: pa.array(np.asarray(getattr(bank, name), dtype=float))
            for name in _ENDS
            if getattr(bank, name) is not None
        },
        "scale": pa.array([bank.scale] * n, pa.string()),
        "tried": pa.array(np.asarray(bank.tried, dtype=np.int64)),
        "solved": pa.array(np.asarray(bank.solved, dtype=float)),
    })
    about = {
        "schema": schema.VERSION,
        "gradatim": gradatim.__version__,
        "scale": bank.scale,
        "solvers": list(bank.solvers),
        "ability": np.asarray(bank.ability, dtype=float).tolist(),
        "se_ability": np.asarray(bank.se_ability, dtype=float).tolist(),
        "fit": plain(bank.fit),
    }
    target = io.BytesIO()
    pq.write_table(table.replace_schema_metadata({_KEY: json.dumps(about).encode()}), target)
    return target.getvalue()


def read(path: str | Path) -> Bank:
    """Read a bank.

    Raises:
        FormatError: missing, not a bank, a column missing or not numbers, or of a newer version.
    """
    path = Path(path)
    if not path.is_file():
        raise FormatError(path, expected="a bank (Parquet)", got="no file of that name")
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise FormatError(path, expected="a bank (Parquet)", got=str(error)) from None
    about = json.loads((table.schema.metadata or {}).get(_KEY, b"{}"))
    if "solvers" not in about:
        raise FormatError(
            path, expected="a bank of gradatim", got="a Parquet file without its metadata"
        )
    schema.check_version(path, about.get("schema"))
    for name in _COLUMNS:
        if name not in table.column_names:
            raise FormatError(path, field=name, expected="this column", got="none of that name")
    return Bank(
        items=tuple(table["item"].to_pylist()),
        **{name: table[name].to_numpy() for name in _ITEM},
        tried=table["tried"].to_numpy(),
        solved=table["solved"].to_numpy(),
        scale=about["scale"],
        solvers=tuple(about["solvers"]),
        ability=np.array(about["ability"], dtype=float),
        se_ability=np.array(about["se_ability"], dtype=float),
        fit=about["fit"],
        **{name: table[name].to_numpy() for name in _ENDS if name in table.column_names},
    )
