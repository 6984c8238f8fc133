"""Recipes side by side at an equal, fully counted budget: many cells, in parallel, resumable.

A cell is one training: a pool, a variant of a recipe, a start, a seed. Its row is written as soon
as it ends, so a study that is interrupted goes on with the cells that are missing.
"""

import multiprocessing
import os
import threading
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import connection
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from gradatim import checks, files
from gradatim.engine import study_checks, study_tuning
from gradatim.engine.cells import Cell, run_cell
from gradatim.engine.study_tuning import Tuning
from gradatim.engine.study_variants import table, variants_of
from gradatim.errors import ArgumentError, FormatError, SolverError
from gradatim.progress import Progress, Tick, silent

TOP = ("name", "baseline", "recipes", "starts", "seeds", "settings", "pools", "variants", "tuning")


class Study(NamedTuple):
    """A study as its file says it."""

    name: str
    baseline: str
    cells: list[Cell]
    tuning: Tuning | None = None


# -- reading --------------------------------------------------------------------------------------


def load(path: str | Path) -> Study:
    """Read a study's TOML file.

    Keys: name; baseline (a variant, `grpo`); recipes (names, or "all"); starts (checkpoints);
    seeds; [settings] (SETTINGS); [pools.NAME] with families = {NAME = {knob = value}} and,
    where a recipe needs it, `bank` (a file, from this one's folder), or with simulated = problems;
    [variants.NAME] with recipe, changed slots, max_rounds and settings of TUNED; [tuning] with the
    studies that its settings come from (`study_tuning.read`). Every variant plans a step on a
    sample of every pool, so that what cannot run is said here (`study_checks`).

    Raises:
        FormatError: not TOML, or a table that is none.
        ArgumentError: unknown keys, recipes, families, starts or options (with the nearest); values
            of another type or out of bounds; a variant that cannot run on a pool; settings tuned
            on the same problems without a word why.
        MissingExtra: torch is not installed and a pool is not simulated.
    """
    try:
        text = tomllib.loads(files.read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise FormatError(path, expected="a study in TOML", got=str(error)) from None
    checks.known_keys(f"study {path}", text, TOP)
    pools = {
        name: _pool(path, study_checks.pool(f"study {path}, pool '{name}'", spec))
        for name, spec in table(path, text, "pools").items()
    }
    if not pools:
        raise FormatError(path, field="pools", expected="at least one [pools.NAME]", got="none")
    seeds = study_checks.names(f"study {path}", text.get("seeds", [0]), "seeds", whole=True)
    starts = study_checks.names(f"study {path}", text.get("starts", ["start"]), "starts")
    study_checks.readable(f"study {path}", starts, pools)
    variants = variants_of(path, text, pools)
    baseline = text.get("baseline", "grpo")
    checks.one_of("baseline", baseline, variants)
    recipes = {name: recipe for name, (recipe, _) in variants.items()}
    tuning = study_tuning.read(path, text.get("tuning"), pools, recipes)
    for name, (recipe, settings) in variants.items():  # a mistake is said now, not hours later
        for pool, spec in pools.items():
            try:
                study_checks.try_step(recipe, spec, settings)
            except ArgumentError as error:
                where = f"study {path}, variant '{name}' on pool '{pool}'"
                raise ArgumentError(f"{where}: {error}") from None
    cells = [
        Cell(pool, variant, start, seed, recipe, spec, settings)
        for seed in seeds
        for start in starts
        for pool, spec in pools.items()
        for variant, (recipe, settings) in variants.items()
    ]
    return Study(str(text.get("name", Path(path).stem)), baseline, cells, tuning)


def _pool(path: str | Path, spec: dict[str, Any]) -> dict[str, Any]:
    """A pool whose bank is found from anywhere."""
    bank = spec.get("bank")
    return {**spec, "bank": str(Path(path).parent / bank)} if bank else spec


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
    """Write all rows, switched in whole; what rows of an earlier version lack is null there."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: [row.get(name) for row in rows] for name in names}
    buffer = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), buffer, compression="zstd")
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    files.write_atomic(path, buffer.getvalue().to_pybytes())


def _results(cells: Sequence[Cell], jobs: int) -> Iterator[tuple[Cell, dict[str, Any] | Exception]]:
    """Every cell with its row, or with what went wrong: other cells do not stop for it."""
    if jobs == 1:
        for cell in cells:
            try:
                found = run_cell(cell)
            except Exception as error:  # whatever it is, rows of other cells are worth having
                found = error
            yield cell, found
        return
    # one core each: matrices this small gain nothing from a second thread
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    context = multiprocessing.get_context("spawn")
    others = set(multiprocessing.active_children())
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_end_with_parent) as pool:
        waiting = {pool.submit(run_cell, cell): cell for cell in cells}
        try:
            for done in as_completed(waiting):
                error = done.exception()
                yield waiting[done], error if isinstance(error, Exception) else done.result()
        except BaseException:  # an interrupt does not wait for cells of minutes
            pool.shutdown(wait=False, cancel_futures=True)
            for worker in set(multiprocessing.active_children()) - others:
                worker.terminate()
            raise


def _end_with_parent() -> None:
    """A worker whose parent was killed ends too, where it would train on for nobody."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _failed(failed: Sequence[tuple[Cell, Exception]], tried: int) -> SolverError:
    """What to say at the end when cells failed: each of them, and the first few reasons."""
    reasons: dict[str, list[str]] = {}
    for cell, error in failed:
        text = " ".join(str(error).split())
        where = f"{cell.variant} on {cell.pool} (start {cell.start}, seed {cell.seed})"
        reasons.setdefault(f"{type(error).__name__}: {text}", []).append(where)
    said = [f"{', '.join(where)}: {reason}" for reason, where in list(reasons.items())[:3]]
    return SolverError(
        f"{len(failed)} of {tried} cells failed, the rows of the others are kept and the same "
        f"command tries again; {'; '.join(said)}{' ...' * (len(reasons) > 3)}"
    )


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
        SolverError: cells failed; it is raised when all others have their rows.
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
    failed: list[tuple[Cell, Exception]] = []
    for cell, row in _results(todo, jobs):
        if isinstance(row, Exception):
            failed.append((cell, row))
            progress(Tick(f"study {plan.name}", done, total, {"failed": cell.variant}))
            continue
        rows.append({**row, "tuning": study_tuning.words(plan.tuning)})
        if results is not None:
            write_rows(results, rows)
        done += 1
        progress(Tick(f"study {plan.name}", done, total, {"last": row["variant"]}))
    if failed:
        raise _failed(failed, len(todo)) from failed[0][1]
    return [
        # two variants may be one recipe under two names: a row serves both
        {**row, "variant": cell.variant, "pool": cell.pool}
        for row in rows
        for cell in plan.cells
        if row["key"] == cell.key
    ]
