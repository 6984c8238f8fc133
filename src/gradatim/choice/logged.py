"""What another sampler would have been worth, from the log of the one that ran.

Axes: `row` (of plans, all steps), `step`. Every plan keeps the expected number of times its step
draws each of its problems; with the same numbers of another sampler, rows can be weighted to speak
for it, as long as the one that ran could draw whatever the other would.
"""

from typing import NamedTuple

import numpy as np
from scipy import special

from gradatim import checks, groups
from gradatim.errors import ArgumentError
from gradatim.types import Estimate


class Value(NamedTuple):
    """Expected worth of a step of the other sampler.

    Attributes:
        weighted: Estimate by inverse propensity; n counts steps.
        robust: the same with a model of worth under it (doubly robust); None without a model.
        effective: (sum w)^2 / sum w^2, rows with equal weights that are worth as much.
        largest: the largest weight; beyond 20 or so few rows carry the estimate.
    """

    weighted: Estimate
    robust: Estimate | None
    effective: float
    largest: float


def _over_steps(values: np.ndarray, level: float) -> Estimate:
    """Mean over steps with a t interval."""
    steps = len(values)
    mean = float(values.mean())
    error = float(values.std(ddof=1)) / np.sqrt(steps)
    half = float(special.stdtrit(steps - 1, (1 + level) / 2)) * error
    return Estimate(mean, mean - half, mean + half, steps)


def sampler_value(
    worth: np.ndarray,
    logged: np.ndarray,
    other: np.ndarray,
    step: np.ndarray,
    *,
    model: np.ndarray | None = None,
    direct: np.ndarray | None = None,
    level: float = 0.95,
) -> Value:
    """Expected total worth of a step's rows, had another sampler drawn them.

    Args:
        worth: (row,) float, what came of each row (1 for a mixed group, say).
        logged: (row,) float > 0, propensity under the sampler that ran (`Plan.propensity`).
        other: (row,) float >= 0, propensity of the row's problem under the other one.
        step: (row,) labels; at least two steps.
        model: (row,) float, worth of the row's problem as predicted without this row.
        direct: (step,) float, sum over all problems of other x predicted worth, steps in order of
            their labels; needed with `model`.
        level: of the intervals, over steps.

    Returns:
        Value. The weighted estimate is sum(other / logged x worth) per step; the robust one
        direct + sum(other / logged x (worth - model)), unbiased whatever the model says.

    Ref: Horvitz and Thompson 1952; Dudik, Langford and Li 2011, arXiv:1103.4601, eq. 2. Differs:
    several rows a step, drawn with or without replacement.

    >>> value = sampler_value(np.array([1.0, 0.0, 1.0, 1.0]), np.full(4, 0.5),
    ...     np.array([1.0, 0.5, 0.5, 0.0]), np.array([0, 0, 1, 1]))
    >>> value.weighted.value, value.effective
    (1.5, 2.6666666666666665)
    """
    arrays = {"worth": worth, "logged": logged, "other": other, "step": step}
    checks.shapes(**{name: (value, "row") for name, value in arrays.items()})
    checks.finite(worth=worth)
    checks.within(1e-12, np.inf, logged=logged)
    checks.within(0, np.inf, other=other)
    checks.within(1e-9, 1 - 1e-9, level=level)
    code, steps = groups.codes(step)
    if steps < 2:
        raise ArgumentError(f"`step` must hold at least two steps for an interval, got {steps}")
    weight = np.asarray(other, dtype=float) / logged
    robust = None
    if model is not None or direct is not None:
        if model is None or direct is None:
            raise ArgumentError("`model` and `direct` go together: give both or none")
        checks.shapes(worth=(worth, "row"), model=(model, "row"), direct=(direct, "step"))
        checks.shapes(steps=(np.zeros(steps), "step"), direct=(direct, "step"))
        checks.finite(model=model, direct=direct)
        rest = groups.sums(weight * (np.asarray(worth) - model), code, steps)
        robust = _over_steps(direct + rest, level)
    return Value(
        weighted=_over_steps(groups.sums(weight * worth, code, steps), level),
        robust=robust,
        effective=float(weight.sum() ** 2 / max(float((weight**2).sum()), 1e-300)),
        largest=float(weight.max(initial=0.0)),
    )
