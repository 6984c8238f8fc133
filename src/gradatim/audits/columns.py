"""Columns beside the results of a file: found by name, typed, and reduced to what they tell of."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gradatim.store.logs_tables import ROLES, kind_of
from gradatim.store.tables import open_table

SEEDS = ("seed", "train_seed", "training_seed", "run_seed", "random_seed")
STEPS = ("step", "global_step", "checkpoint", "train_step", "training_step", "iteration")
LAYOUTS = ("layout", "template", "prompt_template", "prompt_variant", "prompt_format", "variant")
AUDITED = ("audited", "audited_verdict", "trusted_verdict", "human_verdict")
SECOND = ("second_verdict", "other_verdict")
FLAGS = {"true": 1.0, "false": 0.0, "": None}
TABLES = (".csv", ".jsonl", ".ndjson", ".parquet")


def pick(columns: Mapping[str, Any], names: Sequence[str]) -> Any:
    """The first column that goes by one of these names, whatever its case.

    >>> pick({"Step": np.array([1, 2])}, ("step",))
    array([1, 2])
    """
    known = {name.strip().lower().replace(" ", "_").replace("-", "_"): name for name in columns}
    return next((columns[known[name]] for name in names if name in known), None)


def listed(column: Any) -> list[Any]:
    """A column's values, of Arrow or not."""
    return column.to_pylist() if hasattr(column, "to_pylist") else list(column)


def typed(values: Iterable[Any]) -> np.ndarray:
    """Numbers where all are, with NaN for what is empty; texts otherwise."""
    values = list(values)
    try:
        return np.array([np.nan if v is None or v == "" else float(v) for v in values])
    except (TypeError, ValueError):
        return np.array(["" if v is None else v if isinstance(v, str) else str(v) for v in values])


def verdicts(columns: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    """The columns, with 1 and 0 in those of verdicts that hold only the words true and false.

    >>> verdicts({"audited": ["True", "", "false"], "answer": ["true", "false", "true"]})
    {'audited': [1.0, None, 0.0], 'answer': ['true', 'false', 'true']}
    """
    found = dict(columns)
    for name in (pick({n: n for n in columns}, names) for names in (AUDITED, SECOND)):
        words = [str("" if v is None else v).strip().lower() for v in columns.get(name, ())]
        if words and FLAGS.keys() >= set(words):
            found[name] = [FLAGS[word] for word in words]
    return found


def constant(
    columns: Mapping[str, np.ndarray], code: np.ndarray, size: int
) -> dict[str, np.ndarray]:
    """Columns that say one thing of each item (or solver), one entry for each."""
    found = {}
    first = np.full(size, -1)
    first[code[::-1]] = np.arange(len(code))[::-1]
    if (first < 0).any():
        return found
    for name, value in columns.items():
        same = value == value[first][code]
        if value.dtype.kind == "f":
            same |= np.isnan(value) & np.isnan(value[first][code])
        if same.all():
            found[name] = value[first]
    return found


def informative(columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Columns that tell anything apart."""
    return {n: v for n, v in columns.items() if len(v) and (v != v[0]).any()}


def by_repeats(path: Path, reading: Mapping[str, Any]) -> dict[str, Any]:
    """Reading options by which seeds, steps and layouts tell the attempts of a table apart.

    They do where no column numbers attempts, none is named, and rows are not counts.
    """
    named = dict(reading.get("columns") or {})
    ending = Path(path.name.removesuffix(".gz")).suffix.lower()
    if "attempt" in named or ending not in TABLES or not path.is_file():
        return dict(reading)
    names = [str(name) for name in open_table(path).names]
    there = {name: name for name in names}
    if kind_of(names) != "table" or pick(there, (*ROLES["attempt"], *ROLES["tried"])):
        return dict(reading)
    used = {named.get(role) or pick(there, ROLES[role]) for role in ("solver", "item")}
    found = [pick(there, kind) for kind in (SEEDS, STEPS, LAYOUTS)]
    found = [name for name in found if name and name not in used]
    return {**reading, "columns": {**named, "attempt": ",".join(found)}} if found else dict(reading)


def said_of_steps(columns: Mapping[str, Any], of_solver: Mapping[str, Any]) -> tuple[str, ...]:
    """What to say where a solver has several checkpoints."""
    if pick(columns, STEPS) is None or pick(of_solver, STEPS) is not None:
        return ()
    return (
        "checkpoints of a solver count as independent attempts of one solver, but in the sections "
        "verifier, seeds, checkpoints and independence, which take them apart",
    )


def arrays_of(path: Path) -> dict[str, np.ndarray]:
    """Rows of numbers or texts that a matrix file has beside its results."""
    found = {}
    with np.load(path, allow_pickle=False) as archive:
        for name in archive.files:
            try:
                array = archive[name]
            except ValueError:  # Python objects, which are never loaded
                continue
            if array.ndim == 1 and name not in ("solvers", "items"):
                found[name] = array
    return found
