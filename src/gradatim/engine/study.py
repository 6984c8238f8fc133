"""Recipes side by side at an equal, fully counted budget: many cells, in parallel, resumable.

A cell is one training: a pool, a variant of a recipe, a start, a seed. Its row is written as soon
as it ends, so a study that is interrupted goes on with the cells that are missing.
"""

import multiprocessing
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from gradatim import checks, files
from gradatim.engine.cells import POOL, SETTINGS, WORLD, Cell, run_cell
from gradatim.errors import ArgumentError, FormatError
from gradatim.progress import Progress, Tick, silent
from gradatim.recipes import registry
from gradatim.types import SLOTS

TOP = ("name", "baseline", "recipes", "starts", "seeds", "settings", "pools", "variants")
TUNED = ("rate", "batch", "prompts", "passes")  # settings that a variant may have of its own
VARIANT = ("recipe", *TUNED, *SLOTS)


class Study(NamedTuple):
    """A study as its file says it."""

    name: str
    baseline: str
    cells: list[Cell]


# -- reading --------------------------------------------------------------------------------------


def load(path: str | Path) -> Study:
    """Read a study's TOML file.

    Keys: name; baseline (a variant, `grpo`); recipes (names, or "all"); starts (checkpoints);
    seeds; [settings] (SETTINGS); [pools.NAME] with families = {NAME = {knob = value}}, or with
    simulated = problems; [variants.NAME] with recipe, changed slots and settings of TUNED.

    Raises:
        FormatError: not TOML, or unknown keys (named, with the nearest).
        ArgumentError: unknown recipes, families or options.
    """
    try:
        text = tomllib.loads(files.read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise FormatError(path, expected="a study in TOML", got=str(error)) from None
    checks.known_keys(f"study {path}", text, TOP)
    settings = SETTINGS | _table(path, text, "settings", SETTINGS)
    pools = {name: _pool(path, name, spec) for name, spec in _table(path, text, "pools").items()}
    if not pools:
        raise FormatError(path, field="pools", expected="at least one [pools.NAME]", got="none")
    named = text.get("recipes", [])
    names = _everywhere() if named == "all" else list(named)
    variants = {name: (registry.get(name), {}) for name in names}
    for name, spec in _table(path, text, "variants").items():
        checks.known_keys(f"study {path}, variant '{name}'", spec, VARIANT)
        changes = {
            slot: tuple(spec[slot]) if isinstance(spec[slot], list) else spec[slot]
            for slot in SLOTS
            if slot in spec
        }
        base = registry.get(spec.get("recipe", name))
        extra = {name: spec[name] for name in TUNED if name in spec}
        variants[name] = (registry.adapt(base, changes), extra)
    used = set(SLOTS)
    if all("simulated" in spec for spec in pools.values()):
        used -= {"objective"}  # it needs torch, and a simulated learner has none
    for recipe, _ in variants.values():  # a mistake is said now, not hours later
        for slot in used:
            registry.resolve(slot, getattr(recipe, slot))
    baseline = text.get("baseline", "grpo")
    checks.one_of("baseline", baseline, variants)
    cells = [
        Cell(pool, variant, start, seed, recipe, spec, settings | extra)
        for seed in text.get("seeds", [0])
        for start in text.get("starts", ["start"])
        for pool, spec in pools.items()
        for variant, (recipe, extra) in variants.items()
    ]
    return Study(str(text.get("name", Path(path).stem)), baseline, cells)


def _table(
    path: str | Path, text: Mapping[str, Any], key: str, known: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    found = text.get(key, {})
    if not isinstance(found, dict):
        raise FormatError(path, field=key, expected="a table", got=repr(found))
    if known is not None:
        checks.known_keys(f"study {path}, {key}", found, known)
    return found


def _pool(path: str | Path, name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    known = WORLD if "simulated" in spec else POOL
    checks.known_keys(f"study {path}, pool '{name}'", spec, known)
    return known | dict(spec)


def _everywhere() -> list[str]:
    """Recipes that the tiny trainer can run."""
    from gradatim.engine.steps import PROVIDES

    found = []
    for name in registry.recipe_names():
        try:
            registry.fits(registry.get(name), PROVIDES | {"features"})
        except ArgumentError:
            continue
        found.append(name)
    return found


# -- many cells -----------------------------------------------------------------------------------


def read_rows(path: str | Path) -> list[dict[str, Any]]:
    """Rows of earlier runs; none where there is no file.

    Raises:
        FormatError: the file is no Parquet file of rows.
    """
    if not Path(path).exists():
        return []
    try:
        return pq.read_table(path).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise FormatError(path, expected="rows of a study", got=str(error)) from None


def write_rows(path: str | Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write all rows, switched in whole."""
    buffer = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(list(rows)), buffer, compression="zstd")
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    files.write_atomic(path, buffer.getvalue().to_pybytes())


def _results(cells: Sequence[Cell], jobs: int) -> Iterator[dict[str, Any]]:
    if jobs == 1:
        yield from map(run_cell, cells)
        return
    # one core each: matrices this small gain nothing from a second thread
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        waiting = [pool.submit(run_cell, cell) for cell in cells]
        try:
            for done in as_completed(waiting):
                yield done.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def study(
    path: str | Path | Study,
    *,
    results: str | Path | None = None,
    jobs: int = 1,
    only: Sequence[str] = (),
    progress: Progress = silent,
) -> list[dict[str, Any]]:
    """Run the cells of a study that have no row yet.

    Args:
        path: a TOML file (`load`), or what it gives.
        results: Parquet file of rows; default: beside the TOML file, with its name.
        jobs: cells at a time, a core each.
        only: variants to run now; others keep the rows they have.
        progress: told after each cell.

    Returns:
        Rows of all cells of the study that are done, see `run_cell`.

    Raises:
        ArgumentError: an unknown variant in `only`, or what `load` raises.
        MissingExtra: torch is not installed and a pool is not simulated.
    """
    plan = path if isinstance(path, Study) else load(path)
    if results is None and not isinstance(path, Study):
        results = Path(path).with_suffix(".parquet")
    checks.within(1, 64, jobs=jobs)
    variants = {cell.variant for cell in plan.cells}
    for name in only:
        checks.one_of("only", name, variants)
    rows = read_rows(results) if results is not None else []
    known = {row["key"] for row in rows}
    todo = [c for c in plan.cells if c.key not in known and (not only or c.variant in only)]
    done, total = len(plan.cells) - len(todo), len(plan.cells)
    for row in _results(todo, jobs):
        rows.append(row)
        if results is not None:
            write_rows(results, rows)
        done += 1
        progress(Tick(f"study {plan.name}", done, total, {"last": row["variant"]}))
    return [
        # two variants may be one recipe under two names: a row serves both
        {**row, "variant": cell.variant, "pool": cell.pool}
        for row in rows
        for cell in plan.cells
        if row["key"] == cell.key
    ]
