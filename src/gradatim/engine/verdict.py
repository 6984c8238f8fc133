"""What training taught: arms on the same held-out problems, compared pair by pair.

Rates average problems, so a problem counts once however often it was tried; intervals resample
problems, inside family and level. RL often only sharpens, so temperature 1 and greedy stand side
by side.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from gradatim.engine.attempt import attempt
from gradatim.evaluation.comparison import compare, mean_rate
from gradatim.evaluation.curves import reach, rising
from gradatim.files import dumps
from gradatim.progress import Progress, silent
from gradatim.solvers.registry import open_solver
from gradatim.store.run import Run
from gradatim.types import Estimate, Problem

MODES = {"sampled": 1.0, "greedy": 0.0}


def try_arms(
    arms: Mapping[str, str | Path],
    problems: Sequence[Problem],
    *,
    run: Run,
    samples: int,
    limit: int,
    progress: Progress = silent,
) -> dict[str, str]:
    """Let each arm's checkpoint answer the problems, `samples` times and once greedily.

    Returns:
        arm -> version of its policy, which tells its attempts from those of earlier checkpoints.
    """
    versions = {}
    for arm, checkpoint in arms.items():
        for mode, temperature in MODES.items():
            solver = open_solver(f"tiny:{checkpoint}", temperature=temperature, limit=limit)
            versions[arm] = solver.policy
            attempt(
                problems,
                solver=replace(solver, name=arm),
                run=run,
                samples=samples if mode == "sampled" else 1,
                progress=_named(progress, f"verdict {arm} {mode}"),
            )
    return versions


def _named(progress: Progress, stage: str) -> Progress:
    return lambda tick: progress(tick._replace(stage=stage))


def rates(
    arm: tuple[str, str], mode: str, problems: Sequence[Problem], *, run: Run, limit: int
) -> np.ndarray:
    """(problem,) share of attempts of an arm (name, policy) that solved each problem."""
    params = dumps({"limit": limit, "temperature": MODES[mode]})
    at = {problem.id: i for i, problem in enumerate(problems)}
    solved, tried = np.zeros(len(at)), np.zeros(len(at))
    with run.ledger() as ledger:
        for record in ledger.attempts(text=False, solver=arm[0], policy=arm[1], problem=list(at)):
            if record.setting.params == params:
                solved[at[record.problem]] += bool(record.solved)
                tried[at[record.problem]] += 1
    return solved / tried


def judge(
    arms: Mapping[str, str], problems: Sequence[Problem], *, run: Run, limit: int
) -> dict[str, Any]:
    """Rates by level, overall rates and paired differences of arms that have answered.

    Args:
        arms: name -> policy version, as `try_arms` returns.
        problems: what they answered.
        run, limit: where, and the limit of replies.

    Returns:
        rows (family, level, mode, arm, rate), overall (mode, arm, rate) and difference (mode,
        between, value = rate of the first minus rate of the second).
    """
    strata = np.array([f"{p.family}:{p.level}" for p in problems])
    cells = sorted({(p.family, p.level or 0) for p in problems})
    found: dict[str, Any] = {"policies": dict(arms), "rows": [], "overall": [], "difference": []}
    for mode in MODES:
        table = {arm[0]: rates(arm, mode, problems, run=run, limit=limit) for arm in arms.items()}
        for arm, rate in table.items():
            for family, level in cells:
                mine = rate[strata == f"{family}:{level}"]
                row = {"family": family, "level": level, "mode": mode, "arm": arm}
                found["rows"].append(row | {"rate": mean_rate(mine)})
            own = compare(rate, rate, strata=strata).first
            found["overall"].append({"mode": mode, "arm": arm, "rate": own})
        for first, second in combinations(reversed(list(arms)), 2):
            value = compare(table[second], table[first], strata=strata).difference
            pair = {"mode": mode, "between": [first, second], "value": value}
            found["difference"].append(pair)
    return found


def rollouts_to(target: float, monitor: Sequence[Mapping[str, Any]]) -> int | None:
    """Rollouts at which the monotone fit of the curve reaches the target; None = never.

    >>> seen = [{"rollouts": 1000 * i, "rate": Estimate(i / 10, 0, 1, 9)} for i in range(8)]
    >>> rollouts_to(0.35, seen)
    3500
    """
    found = reach(np.array([m["rollouts"] for m in monitor]), _heights(monitor), target)
    return None if np.isinf(found) else round(found)


def final_rate(monitor: Sequence[Mapping[str, Any]]) -> float:
    """Where the monotone fit of the curve ends."""
    return float(rising(_heights(monitor))[-1])


def _heights(monitor: Sequence[Mapping[str, Any]]) -> np.ndarray:
    return np.array([m["rate"].value for m in monitor], dtype=float)


def statement(value: Estimate, first: str, second: str) -> str:
    """One honest sentence on a difference."""
    points = f"{100 * value.value:+.1f} points [{100 * value.low:+.1f}, {100 * value.high:+.1f}]"
    if value.low > 0:
        return f"{first} beat {second} by {points} at temperature 1 on held-out problems."
    if value.high < 0:
        return f"{first} lost to {second}: {points} at temperature 1 on held-out problems."
    return (
        f"{first} did not win: no clear difference from {second} in this run, {points} at "
        "temperature 1 on held-out problems."
    )
