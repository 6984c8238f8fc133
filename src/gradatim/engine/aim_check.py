"""Does `aim` hit what it is told to hit? Requested against realised pass rates, on fresh attempts.

Axes: `output` (the problems of one target and family).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gradatim import checks
from gradatim.engine.aim import aim
from gradatim.engine.attempt import attempt
from gradatim.errors import ArgumentError
from gradatim.evaluation.steering import Steering, steering
from gradatim.families.held_out import complexity
from gradatim.progress import Progress, silent
from gradatim.scale.rates import pass_rate
from gradatim.solvers.registry import open_solver
from gradatim.types import Estimate, Problem, Solver

TARGETS = (0.2, 0.35, 0.5, 0.65, 0.8)
ATTRIBUTES = ("prompt length", "answer length", "effort")


class Checked(NamedTuple):
    """What was asked for, and what came.

    Attributes:
        rows: one per target and family: family, requested, realised (share solved of fresh
            attempts), interval (Estimate of it over problems), problems, and the means of
            ATTRIBUTES.
        steering: slope, bias and the drift of ATTRIBUTES, within families.
        made: attempts paid for, the search's and the check's.
    """

    rows: list[dict[str, Any]]
    steering: Steering
    made: int


def check_aim(
    families: str | Sequence[str],
    *,
    solver: Solver | str,
    run: str | Path,
    targets: Sequence[float] = TARGETS,
    n: int = 100,
    options: Mapping[str, Any] | None = None,
    progress: Progress = silent,
    **given: Any,
) -> Checked:
    """Aim at several pass rates, then attempt the new problems once each: is the slope 1?

    Args:
        families: as for `aim`.
        solver: a spec string, or a Solver.
        run: folder; the searches and the check get a run each inside it. Resumable.
        targets: pass rates to ask for, at least two; three of one family.
        n: problems of each target.
        options: of the solver, when it is given as a spec string.
        progress: told by the searches and the check.
        given: what `aim` is told (attempts, each, near, seed ...).

    Raises:
        ArgumentError: fewer than two targets, or what `aim` raises.

    Ref: Chang et al. 2025, arXiv:2505.23816, as in `evaluation.steering`.
    """
    checks.within(*checks.INSIDE, targets=np.array(targets, dtype=float))
    if len(set(targets)) < 2:
        raise ArgumentError(f"`targets` must hold at least two pass rates, got {list(targets)}")
    if (isinstance(families, str) or len(families) == 1) and len(set(targets)) < 3:
        raise ArgumentError(f"`targets` of one family must be three or more, got {list(targets)}")
    opened = open_solver(solver, **(options or {})) if isinstance(solver, str) else solver
    told: dict[str, Any] = {"solver": opened, "progress": progress}
    rows: list[dict[str, Any]] = []
    made = 0
    try:
        for target in targets:
            place = Path(run) / f"target-{target:g}"
            found = aim(families, run=place, target=target, n=n, **told, **given)
            made += found.made
            for family in dict.fromkeys(p.family for p in found.problems):
                mine = [p for p in found.problems if p.family == family]
                done = attempt(mine, run=Path(run) / "check", **told)
                made += done["made"]
                if done["solved"] is not None:
                    about = {"family": family, "requested": float(target)}
                    found_again = {"realised": done["solved"], "interval": _interval(done)}
                    rows.append(about | found_again | _means(mine))
    finally:
        if isinstance(solver, str):
            opened.close()
    others = np.array([[row[name] for name in ATTRIBUTES] for row in rows])
    moved = steering(
        np.array([row["requested"] for row in rows]),
        np.array([row["realised"] for row in rows]),
        others=others,
        names=ATTRIBUTES,
        source=np.array([row["family"] for row in rows]),
    )
    return Checked(rows, moved, made)


def _interval(done: Mapping[str, Any]) -> Estimate:
    """Wilson's interval of the share solved; each problem was attempted once."""
    n = done["requested"] - done["left"] - done["provider_error"]
    found = pass_rate(np.array([done["solved"] * n]), np.array([n]))
    return Estimate(done["solved"], float(found.low[0]), float(found.high[0]), n)


def _means(problems: Sequence[Problem]) -> dict[str, Any]:
    values = (
        [float(len(str(p.prompt))) for p in problems],
        [float(len(p.answer)) for p in problems],
        [complexity(p) for p in problems],
    )
    means = (float(np.mean(each)) for each in values)
    return {"problems": len(problems), **dict(zip(ATTRIBUTES, means, strict=True))}
