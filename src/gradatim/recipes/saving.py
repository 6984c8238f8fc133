"""States of slots and plans to one npz file and back: arrays as arrays, the rest as JSON."""

import dataclasses
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gradatim.errors import FormatError
from gradatim.files import write_atomic
from gradatim.types import Plan

VERSION = 1


def state_arrays(name: str, state: Any) -> dict[str, np.ndarray]:
    """Fields of a NamedTuple state under `name.field`; none for a slot without state."""
    return {f"{name}.{k}": np.asarray(v) for k, v in getattr(state, "_asdict", dict)().items()}


def state_like(name: str, template: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """The saved state, with the types of `template` (a fresh state of the same slot)."""
    if not hasattr(template, "_fields"):
        return template
    values = {}
    for field, fresh in template._asdict().items():
        array = arrays[f"{name}.{field}"]
        if np.shape(fresh) != array.shape and not np.ndim(fresh) == 0:
            raise ValueError(f"{name}.{field} has shape {array.shape}, not {np.shape(fresh)}")
        values[field] = array if isinstance(fresh, np.ndarray) else type(fresh)(array[()])
    return type(template)(**values)


def plan_arrays(name: str, plan: Plan) -> dict[str, np.ndarray]:
    """Columns of a plan under `name.column`."""
    fields = dataclasses.fields(plan)
    return {f"{name}.{f.name}": np.asarray(getattr(plan, f.name)) for f in fields}


def plan_from(name: str, arrays: Mapping[str, np.ndarray]) -> Plan:
    """The plan that `plan_arrays` wrote."""
    columns = {f.name: arrays[f"{name}.{f.name}"] for f in dataclasses.fields(Plan)}
    return Plan(**{**columns, "step": int(columns["step"])})


def write(path: str | Path, notes: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Write notes and arrays as one file, switched in whole.

    Raises:
        StoreError: the disk is full or the folder cannot be written; the old file is untouched.
    """
    buffer = io.BytesIO()
    text = json.dumps({"version": VERSION, **notes}, sort_keys=True)
    columns: dict[str, Any] = {"notes": np.frombuffer(text.encode(), np.uint8), **arrays}
    np.savez(buffer, **columns)
    write_atomic(path, buffer.getvalue())


def read(path: str | Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Notes and arrays that `write` wrote.

    Raises:
        FormatError: no such file, another kind of file, or one of a newer version.
    """
    kind = "a curriculum saved by gradatim"
    try:
        with zipfile.ZipFile(io.BytesIO(Path(path).read_bytes())) as members:
            arrays = {
                name.removesuffix(".npy"): np.lib.format.read_array(
                    io.BytesIO(members.read(name)), allow_pickle=False
                )
                for name in members.namelist()
            }
        notes = json.loads(arrays.pop("notes").tobytes())
    except FileNotFoundError:
        raise FormatError(path, expected=kind, got="nothing of that name") from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise FormatError(path, expected=kind, got=f"something else ({error})") from None
    if notes.get("version", 0) > VERSION:
        raise FormatError(
            path,
            expected=f"version {VERSION} or older",
            got=f"version {notes['version']}",
            remedy="update gradatim",
        )
    return notes, arrays
