"""Pass rate of a whole bank from problems that were not chosen at random.

A curriculum or an adaptive test tries some problems much more often than others, so the mean over
what was tried is not the mean of the bank. Weights of one over the chance of being tried mend that.
Rates of single problems are better left alone: given that a problem is tried, its attempts succeed
with its own rate, whatever made us try it. Where a problem's own results decide how often it is
tried again, its plain share is off by a point or so (a run of luck ends the trials), less than what
weights add in noise unless choices are very sharp.
Axes: `row` (a problem, each time it was chosen: a row of a plan).
"""

from typing import NamedTuple

import numpy as np
from scipy import special

from gradatim import checks, groups
from gradatim.errors import ArgumentError
from gradatim.types import Estimate


class BankRate(NamedTuple):
    """Mean pass rate of a bank, and how much the weights cost.

    Attributes:
        rate: Estimate of one number; n counts different problems.
        plain: mean over rows without weights, to see how biased that would be.
        clipped: share of rows whose propensity was raised to `clip`.
        bias: bound on what clipping can have moved the rate by, estimated from the weights.
        effective: (sum w)^2 / sum w^2, the number of problems with equal weights that are worth as
            much.
    """

    rate: Estimate
    plain: float
    clipped: float
    bias: float
    effective: float


def bank_rate(
    solved: np.ndarray,
    tried: np.ndarray,
    propensity: np.ndarray,
    *,
    problem: np.ndarray | None = None,
    clip: float = 0.01,
    size: float | None = None,
    level: float = 0.95,
) -> BankRate:
    """Mean pass rate over all problems of a bank, from a log that chose among them.

    Every problem must have had a chance: no weights can speak for problems that could not be
    chosen. Propensities may depend on everything that came before the choice.

    Args:
        solved, tried: (row,) attempts of the row; tried >= 1.
        propensity: (row,) float > 0, expected number of times that the choice which made this row
            picks its problem (`Plan.propensity`; the chance of a pick, where one is enough).
        problem: (row,) ids, to join rows of one problem in the interval; None: all differ.
        clip: smallest propensity that is believed; rows below it weigh 1 / clip, which bounds what
            a single row can do at the price of a bias; 0 for none.
        size: problems in the bank times number of choices (plans) in the log. With it weights are
            divided by it, and the rate is unbiased without clipping; None divides by the sum of the
            weights instead ("self-normalised"), which cannot leave [0, 1] and needs no size.
        level: coverage of the interval; it is normal, takes problems as the sample, and leaves the
            bias of clipping out.

    Raises:
        ArgumentError: no row, propensities that are not positive, k > n.

    Ref: Horvitz & Thompson 1952, JASA 47:663 (`size` given); Hajek 1971 (None); clipping as in
        Saito et al. 2020, arXiv 1909.03601, which weighs clicks so.

    >>> # two easy problems were tried always, one of two hard ones by a coin
    >>> found = bank_rate(np.array([1, 1, 0]), np.ones(3), np.array([1, 1, 0.5]))
    >>> found.rate.value, round(found.plain, 3)
    (0.5, 0.667)
    """
    solved, tried = np.asarray(solved, dtype=float), np.asarray(tried, dtype=float)
    propensity = np.asarray(propensity, dtype=float)
    code = np.arange(len(solved)) if problem is None else np.asarray(problem)
    checks.shapes(
        solved=(solved, "row"),
        tried=(tried, "row"),
        propensity=(propensity, "row"),
        problem=(code, "row"),
    )
    checks.within(1, np.inf, tried=tried, **{"number of rows": len(solved)})
    checks.within(0, 1, **{"solved / tried": solved / tried})
    checks.within(0, np.inf, clip=clip, propensity=propensity)
    checks.finite(propensity=propensity)
    checks.within(1e-9, 1 - 1e-9, level=level)
    if not (propensity > 0).all():
        raise ArgumentError("`propensity` must be above 0: a row that was chosen had a chance")
    value = solved / tried
    code, n = groups.codes(code)
    weight = 1 / np.maximum(propensity, clip)
    total = float(weight.sum()) if size is None else float(size)
    checks.within(1e-300, np.inf, size=total)
    rate = float(weight @ value) / total
    # of a mean over all problems each row's error is w (y - mean); with a known size, it is w y
    # for problems that were chosen and 0 for the others
    error = groups.sums(weight * (value - (rate if size is None else 0.0)), code, n)
    spread = float(np.sum(error**2)) - (0.0 if size is None else (rate * total) ** 2 / total)
    wide = np.sqrt(max(spread, 0.0) * (n / (n - 1) if n > 1 else np.nan)) / total
    half = special.ndtri(0.5 + level / 2) * wide
    value_in = float(np.clip(rate, 0, 1))
    low, high = np.clip([rate - half, rate + half], 0, 1)
    of_problem = groups.sums(weight, code, n)
    return BankRate(
        rate=Estimate(value_in, min(float(low), value_in), max(float(high), value_in), n),
        plain=float(value.mean()),
        clipped=float(np.mean(propensity < clip)),
        bias=_clip_bias(propensity, weight, total, normalised=size is None),
        effective=float(weight.sum() ** 2 / np.sum(of_problem**2)),
    )


def _clip_bias(
    propensity: np.ndarray, weight: np.ndarray, total: float, *, normalised: bool
) -> float:
    """Share of the bank's weight that clipping took off: no pass rate can move by more."""
    lost = float(np.sum(1 / propensity - weight))
    return lost / (total + lost) if normalised else lost / total
