"""States of slots and plans to one npz file and back: arrays as arrays, the rest as JSON."""

import dataclasses
import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gradatim.choice.plans import COLUMNS
from gradatim.errors import FormatError
from gradatim.families import read as problems
from gradatim.files import dumps, write_atomic
from gradatim.recipes.rounds import Under
from gradatim.types import SLOTS, Batch, Plan, Pool, Recipe, Solver, Use

VERSION = 2


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
    """Columns of a plan under `name.column`; posed problems as JSON."""
    arrays = {f"{name}.{k}": np.asarray(getattr(plan, k)) for k in COLUMNS if k != "posed"}
    posed = ["" if p is None else dumps(problems.to_row(p)) for p in plan.posed]
    notes = np.array([plan.step, plan.round, plan.start, plan.paid])
    return arrays | {f"{name}.posed": np.array(posed, dtype=str), f"{name}.notes": notes}


def plan_from(name: str, arrays: Mapping[str, np.ndarray]) -> Plan:
    """The plan that `plan_arrays` wrote."""
    columns = {k: arrays[f"{name}.{k}"] for k in COLUMNS}
    posed = np.full(len(columns["n"]), None)
    for i, text in enumerate(columns["posed"].tolist()):
        posed[i] = problems.from_row(json.loads(text), name, None) if text else None
    step, number, start, paid = arrays[f"{name}.notes"].tolist()
    return Plan(**{**columns, "posed": posed}, step=step, round=number, start=start, paid=paid)


def under_arrays(name: str, under: Under) -> dict[str, np.ndarray]:
    """A step under way: its plans, what came back of it, and its counts."""
    notes = np.array([under.prompts, under.left, under.round])
    arrays = {f"{name}.notes": notes}
    for part in ("rows", "waiting"):
        plan = getattr(under, part)
        if plan is not None:
            arrays |= plan_arrays(f"{name}.{part}", plan)
    if under.batch is not None:
        for field in dataclasses.fields(Batch):
            value = getattr(under.batch, field.name)
            if value is not None:
                whole = _texts(value) if field.name == "text" else np.asarray(value)
                arrays[f"{name}.batch.{field.name}"] = whole
    return arrays


def _texts(texts: np.ndarray) -> np.ndarray:
    """Texts as the bytes of JSON: None stays None, and one long text does not widen the others."""
    said = [None if text is None else str(text) for text in texts.tolist()]
    return np.frombuffer(json.dumps(said).encode(), np.uint8)


def under_from(name: str, arrays: Mapping[str, np.ndarray]) -> Under:
    """The step that `under_arrays` wrote."""

    def plan(part: str) -> Plan | None:
        at = f"{name}.{part}"
        return plan_from(at, arrays) if f"{at}.n" in arrays else None

    head = f"{name}.batch."
    columns: dict[str, Any] = {k[len(head) :]: v for k, v in arrays.items() if k.startswith(head)}
    if "text" in columns:
        columns["text"] = np.array(json.loads(columns["text"].tobytes()), dtype=object)
    batch = Batch(**{**columns, "step": int(columns["step"])}) if columns else None
    prompts, left, number = arrays[f"{name}.notes"].tolist()
    return Under(plan("rows"), plan("waiting"), batch, prompts, left, number)


def pool_arrays(pool: Pool) -> dict[str, np.ndarray]:
    """Columns of a pool under `pool.column`."""
    found = {f.name: getattr(pool, f.name) for f in dataclasses.fields(pool)}
    return {f"pool.{k}": v for k, v in found.items() if isinstance(v, np.ndarray)}


def pool_from(arrays: Mapping[str, np.ndarray], sources: Iterable[str]) -> Pool:
    """The pool that `pool_arrays` wrote; names of sources are among the notes."""
    columns: dict[str, Any] = {k[5:]: v for k, v in arrays.items() if k.startswith("pool.")}
    return Pool(**columns, sources=tuple(sources))


def recipe_notes(recipe: Recipe) -> dict[str, Any]:
    """A recipe as JSON."""
    names = ("name", "doc", "paper", "max_rounds")
    slots: dict[str, list[Any]] = {}
    for slot in SLOTS:
        name, options = getattr(recipe, slot)
        # a solver that is open stands there by its name, which opens it again where it is a spec
        said = {k: v.name if isinstance(v, Solver) else v for k, v in options.items()}
        slots[slot] = [name, said]
    return {name: getattr(recipe, name) for name in names} | {"slots": slots}


def recipe_from(notes: Mapping[str, Any]) -> Recipe:
    """The recipe that `recipe_notes` wrote."""
    fields: dict[str, Any] = {k: v for k, v in notes.items() if k != "slots"}
    fields |= {slot: Use(name, options) for slot, (name, options) in notes["slots"].items()}
    return Recipe(**fields)


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
    version = notes.get("version", 0)
    if version != VERSION:
        raise FormatError(
            path,
            expected=f"version {VERSION}",
            got=f"version {version}",
            remedy="update gradatim" if version > VERSION else "start the curriculum anew",
        )
    return notes, arrays
