"""How hard are these problems for this solver: attempts, then one scale.

`grade` makes the attempts that are missing, grades stored replies that are not graded, calibrates
the run, and says which problems are never, sometimes and always solved. Without a solver it works
on what the run holds and asks no model.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gradatim import checks
from gradatim.engine.attempt import attempt, list_problems, open_run, regrade
from gradatim.engine.calibrate import calibrate
from gradatim.engine.opening import in_run
from gradatim.errors import ArgumentError
from gradatim.evaluation.comparison import mean_rate
from gradatim.progress import Progress, silent
from gradatim.scale.rates import pass_rate
from gradatim.solvers.registry import open_solver
from gradatim.store.rows import Setting, setting_of
from gradatim.store.run import Run
from gradatim.types import Bank, Estimate, Problem, Responses, Solver

ANYONE = "anyone"


def grade(
    problems: Sequence[Problem] | str | Path | None = None,
    *,
    solver: Solver | str | None = None,
    run: Run | str | Path | None = None,
    samples: int = 8,
    model: str = "2pl",
    progress: Progress = silent,
    **options: Any,
) -> dict[str, Any]:
    """Attempt, grade and calibrate; repeated, it pays for nothing twice.

    Args:
        problems: a list or a JSONL file; None: the run's own.
        solver: a spec string or a Solver. None asks nobody: replies that the run holds are graded
            by the problems' verifiers where those have not graded them yet, and calibrated.
        run: a run or its folder. None: runs/NAME for NAME.jsonl.
        samples: attempts per problem.
        model: of the calibration, see `calibrate`.
        progress: told after each batch.
        options: of the solver, when it is given as a spec string.

    Returns:
        `attempts` (see `attempt`), `regraded`, `pass_rate` (mean over problems, with an interval
        for other problems of this kind), how many problems are `never`, `sometimes` and `always`
        solved, and `problems`: id, family, level, solved, tried, pass_rate, difficulty and its
        standard error, hardest first.

    Raises:
        ArgumentError: a bad argument, or nothing to grade.
        SolverError: the solver gave up; the same call resumes.
    """
    run = open_run(run, problems)
    listed = list_problems(run.problems() if problems is None else problems)
    opened = open_solver(solver, **options) if isinstance(solver, str) else solver
    if opened is None or not isinstance(solver, str):
        checks.known_keys("`grade` without a spec string", options, ())
    elif opened is not None:
        opened = in_run(run, solver, opened, options)
    summary, regraded = None, 0
    try:
        if opened is None:
            with run.ledger(write=True) as ledger:
                regraded = regrade(ledger, listed, progress=progress)
        else:
            summary = attempt(
                list(listed.values()), solver=opened, run=run, samples=samples, progress=progress
            )
    finally:
        if opened is not None and isinstance(solver, str):
            opened.close()
    counts = _counts(run, list(listed), setting_of(opened) if opened else None)
    bank = calibrate(run, model=model, progress=progress)
    return {
        "attempts": summary,
        "regraded": regraded,
        **_shares(counts),
        "problems": _rows(counts, bank, listed),
    }


def _counts(run: Run, ids: list[str], setting: Setting | None) -> Responses:
    """Solved and tried per problem: of one setting, or of everyone together."""

    def label(other: Setting) -> str:
        return ANYONE if setting is None or other == setting else ""

    with run.ledger() as ledger:
        found = ledger.responses(label=label, problem=ids)
    if ANYONE not in found.solvers:
        raise ArgumentError("`run` holds no graded attempt on these problems: give a solver")
    mine = found.solver == found.solvers.index(ANYONE)
    return Responses(
        solver=np.zeros(int(mine.sum()), dtype=int),
        item=found.item[mine],
        solved=found.solved[mine],
        tried=found.tried[mine],
        solvers=(ANYONE,),
        items=found.items,
    )


def _shares(counts: Responses) -> dict[str, Any]:
    rates = counts.solved / counts.tried
    return {
        "pass_rate": mean_rate(counts.solved / counts.tried, counts.tried),
        "never": int(np.sum(rates == 0)),
        "sometimes": int(np.sum((rates > 0) & (rates < 1))),
        "always": int(np.sum(rates == 1)),
    }


def _rows(counts: Responses, bank: Bank, problems: dict[str, Problem]) -> list[dict[str, Any]]:
    rates = pass_rate(counts.solved, counts.tried)
    place = {name: i for i, name in enumerate(bank.items)}
    rows = []
    for k, item in enumerate(counts.item):
        name = counts.items[item]
        where = place.get(name)
        rows.append({
            "id": name,
            "family": problems[name].family,
            "level": problems[name].level,
            "solved": float(counts.solved[k]),
            "tried": int(counts.tried[k]),
            "pass_rate": Estimate(
                float(rates.value[k]), float(rates.low[k]), float(rates.high[k]), counts.tried[k]
            ),
            "difficulty": None if where is None else float(bank.difficulty[where]),
            "se": None if where is None else float(bank.se_difficulty[where]),
        })
    return sorted(rows, key=lambda row: (-(row["difficulty"] or 0.0), row["id"]))
