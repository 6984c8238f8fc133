"""The verb `evaluate`: a test of a solver on a bank, or of adaptive tests on recorded results."""

import inspect
from pathlib import Path
from typing import Any

from gradatim.errors import ArgumentError
from gradatim.standings.evaluate_live import evaluate_live
from gradatim.standings.evaluate_replay import evaluate_replay
from gradatim.store.run import Run
from gradatim.types import Bank, Matrix, Solver


def evaluate(
    solver: Solver | str | None = None,
    bank: Bank | Run | str | Path | None = None,
    *,
    replay: Matrix | str | Path | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Place a solver on a bank's scale with few attempts; or see how few would have done.

    Args:
        solver: a spec string or a Solver.
        bank: a Bank, its file, or the run (or its folder) that holds it.
        replay: recorded results (a Matrix, or an .npz file) to try adaptive tests on, models held
            out in turn; `solver` and `bank` are left out.
        options: of `standings.evaluate_live.evaluate_live`: criterion, balance, top, progressive,
            max_exposure, stop_se, stop_change, stop_steps, cut, max_items, max_attempts,
            max_tokens, samples, batch, warm, drift, problems, run, recorded, seed, progress, and
            the solver's own; with `replay` of `standings.evaluate_replay.evaluate_replay`: holdout,
            items, compare_random, criterion, top, progressive, max_exposure, balance, groups,
            stop_change, stop_steps, cut, halves, repeats, seed, progress.

    Returns:
        As these two say.

    Raises:
        ArgumentError: a bad argument, or one that belongs to the other form.
    """
    allowed = list(inspect.signature(evaluate_replay).parameters)[1:]
    if replay is not None:
        given = {"solver": solver, "bank": bank, **options}
        for name, value in given.items():
            if name not in allowed and (name in options or value is not None):
                raise ArgumentError(
                    f"`{name}` has no place beside `replay`, got {value!r}; allowed are "
                    f"{', '.join(allowed)}"
                )
        return evaluate_replay(replay, **options)
    if solver is None or bank is None:
        missing = "solver" if solver is None else "bank"
        raise ArgumentError(f"`{missing}` is missing; give a solver and a bank, or `replay`")
    live = inspect.signature(evaluate_live).parameters
    for name in options:
        if name in allowed and name not in live:
            raise ArgumentError(f"`{name}` is for `replay` only; leave it out")
    return evaluate_live(solver, bank, **options)
