"""From attempts to a bank: difficulties and abilities on one scale, kept with the run.

Repeated on the same responses, the bank that is there is read, not fitted again.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gradatim import checks
from gradatim.errors import ArgumentError, FormatError, nearest
from gradatim.evaluation.rank import spearman
from gradatim.families import registry
from gradatim.progress import Progress, Tick, silent
from gradatim.scale import irt
from gradatim.scale.cells import arrange, check_responses, scale_id
from gradatim.store import banks
from gradatim.store.formats import read_responses
from gradatim.store.run import Run
from gradatim.types import Bank, Estimate, Problem, Responses

LISTS = ("never_solved", "always_solved", "zero_solvers", "full_solvers", "parts")


def calibrate(
    source: Run | Responses | str | Path,
    *,
    model: str = "2pl",
    run: Run | str | Path | None = None,
    leave_out: Sequence[str] = (),
    floors: bool = False,
    progress: Progress = silent,
    **options: Any,
) -> Bank:
    """Calibrate problems and solvers on one scale.

    Args:
        source: a run or its folder; a matrix file (.npz, .csv, .parquet, .jsonl); or Responses.
        model: "2pl", "1pl" or "rasch"; see `scale.irt.fit`.
        run: where bank and results are kept; a source that is a run keeps its own.
        leave_out: names of solvers that take no part, say one that is to be tested on the bank.
        floors: take the families' chances of a guess as known lower ends of the curves. Right
            only where solvers always give a well-formed answer.
        progress: told when the fit starts and ends.
        options: of the fit: priors, tolerance, max_iterations, reference, overdispersion.

    Returns:
        Bank; `fit["reused"]` says whether it was there already. The run holds it under banks/,
        and results/calibration.json names items that nobody, or everybody, solved, and has
        Spearman's correlation of difficulty with level for each family.

    Raises:
        ArgumentError: a bad argument, or responses that cannot be.
        FormatError: a source that is not what it should be.
    """
    checks.one_of("model", model, irt.MODELS)
    allowed = ("priors", "tolerance", "max_iterations", "reference", "overdispersion")
    checks.known_keys("`calibrate`", options, allowed)
    responses, run = _open(source, run)
    responses = _without(responses, leave_out)
    check_responses(responses)
    problems = {} if run is None else {p.id: p for p in run.problems()}
    floor = _floors(responses.items, problems) if floors else None
    cells = arrange(responses)
    settings = {"model": model, "floors": floors, **options}
    key = scale_id(responses, cells, **settings)
    kept = _kept(run, key)
    if kept is not None:
        progress(Tick("calibrate: reused", len(cells.solved), len(cells.solved)))
        return kept
    progress(Tick("calibrate", 0, len(cells.solved)))
    bank = irt.fit(responses, model=model, floor=floor, **options)
    progress(Tick("calibrate", len(cells.solved), len(cells.solved)))
    bank = replace(bank, fit={**bank.fit, "source": key, "reused": False})
    if run is not None:
        _keep(run, bank, problems, responses)
    return bank


def describe_calibration(bank: Bank, problems: Mapping[str, Problem]) -> dict[str, Any]:
    """What there is to say about a bank, as in results/calibration.json.

    Args:
        bank: as fitted.
        problems: by id, those that are known.

    Returns:
        scale, model, items, solvers (name, ability, se), never_solved, always_solved,
        zero_solvers, full_solvers, parts (names), spearman (family -> Estimate of the rank
        correlation of difficulty with level, problems resampled), fit.
    """
    facts = dict(bank.fit)
    lists = {name: facts.pop(name, []) for name in LISTS}
    return {
        "scale": bank.scale,
        "model": facts.get("model"),
        "items": len(bank.items),
        "solvers": [
            {"name": name, "ability": float(ability), "se": float(se)}
            for name, ability, se in zip(bank.solvers, bank.ability, bank.se_ability, strict=True)
        ],
        **lists,
        "spearman": _level_correlations(bank, problems),
        "fit": {**facts, **{name: len(names) for name, names in lists.items()}},
    }


def save_bank(path: str | Path, bank: Bank) -> Path:
    """Write a bank under a name of one's own."""
    path = Path(path)
    if path.suffix != ".parquet":
        raise ArgumentError(f"`output` must end in .parquet, got {str(path)!r}")
    written = banks.write(path.parent, bank)
    os.replace(written, path)
    return path


# -- the source -------------------------------------------------------------------------------


def _open(
    source: Run | Responses | str | Path, run: Run | str | Path | None
) -> tuple[Responses, Run | None]:
    """Responses, and the run that keeps the bank."""
    kept = Run(run) if isinstance(run, str | Path) else run
    if isinstance(source, Responses):
        return source, kept
    if isinstance(source, str | Path):
        if not Path(source).exists():
            raise FormatError(
                source, expected="a run folder or a matrix file", got="nothing of that name"
            )
        if Path(source).is_dir():
            source = Run(source, create=False)
    if isinstance(source, Run):
        ledger = source.path / "ledger.sqlite"
        if not ledger.exists():
            raise FormatError(
                source.path,
                expected="a run with attempts",
                got="no ledger",
                remedy="make attempts first: gradatim attempt FILE --solver SPEC --run DIR",
            )
        with source.ledger() as opened:
            return opened.responses(), kept or source
    return read_responses(source), kept


def _without(responses: Responses, names: Sequence[str]) -> Responses:
    for name in names:
        if name not in responses.solvers:
            raise ArgumentError(
                f"`leave_out`: nobody is called {name!r} (there are "
                f"{', '.join(responses.solvers[:12])}){nearest(name, responses.solvers)}"
            )
    if not names:
        return responses
    here = np.array([name not in names for name in responses.solvers])
    rank = np.cumsum(here) - 1
    kept = here[responses.solver]
    return replace(
        responses,
        solver=rank[responses.solver[kept]],
        item=responses.item[kept],
        solved=responses.solved[kept],
        tried=responses.tried[kept],
        solvers=tuple(n for n, h in zip(responses.solvers, here, strict=True) if h),
    )


def _floors(items: Sequence[str], problems: Mapping[str, Problem]) -> np.ndarray:
    """(item,) chance of a guess; 0 for items of no family."""
    known = set(registry.names())
    floor = np.zeros(len(items))
    for i, item in enumerate(items):
        problem = problems.get(item)
        if problem is not None and problem.family in known:
            floor[i] = min(registry.get(problem.family).floor(problem.knobs), 0.99)
    return floor


# -- what is kept -----------------------------------------------------------------------------


def _kept(run: Run | None, key: str) -> Bank | None:
    """The run's bank of this key, where it has one."""
    known = None if run is None else run.read_result("calibration")
    if run is None or not isinstance(known, Mapping) or known.get("source") != key:
        return None
    path = run.banks / str(known.get("bank"))
    if not path.exists():
        return None
    bank = banks.read(path)
    return replace(bank, fit={**bank.fit, "reused": True})


def _keep(run: Run, bank: Bank, problems: Mapping[str, Problem], responses: Responses) -> None:
    path = run.add_bank(bank)
    result = describe_calibration(bank, problems)
    result |= {"bank": path.name, "source": bank.fit["source"]}
    result["attempts"] = int(np.sum(responses.tried))
    run.write_result("calibration", result)


def _level_correlations(bank: Bank, problems: Mapping[str, Problem]) -> dict[str, Estimate]:
    """Family -> Spearman's correlation of difficulty with level."""
    rows: dict[str, list[tuple[float, float]]] = {}
    for item, difficulty in zip(bank.items, bank.difficulty, strict=True):
        problem = problems.get(item)
        if problem is not None and problem.level is not None and np.isfinite(difficulty):
            rows.setdefault(problem.family or "(file)", []).append((problem.level, difficulty))
    return {
        family: spearman(*np.array(pairs, dtype=float).T) for family, pairs in sorted(rows.items())
    }
