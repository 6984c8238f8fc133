"""Learning curves of equal budgets: when a height is reached, the area below, paired differences.

Axes: `moment` (points of a curve), `pair` (two curves from one start, pool and seed).
"""

from typing import NamedTuple

import numpy as np
from scipy import optimize, special

from gradatim import checks
from gradatim.errors import ArgumentError
from gradatim.types import Estimate


def rising(height: np.ndarray, weight: np.ndarray | None = None) -> np.ndarray:
    """(moment,) float: the non-decreasing curve nearest to a noisy one (least squares).

    A first crossing of a noisy curve is early by chance; that of its monotone fit is not, as
    neighbours outvote a lucky point.

    Ref: Barlow et al. 1972, isotonic regression.

    >>> rising(np.array([0.1, 0.3, 0.2, 0.4]))
    array([0.1 , 0.25, 0.25, 0.4 ])
    """
    checks.finite(height=height)
    if not len(height):
        raise ArgumentError("`height` must hold at least one point of a curve, got none")
    return optimize.isotonic_regression(height, weights=weight).x


def reach(cost: np.ndarray, height: np.ndarray, target: float) -> float:
    """Cost at which the monotone fit of a curve first reaches `target`; inf where it never does.

    Args:
        cost: (moment,) rising, such as rollouts.
        height: (moment,) pass rates.
        target: height to reach.

    >>> reach(np.array([0, 10, 20]), np.array([0.1, 0.3, 0.5]), 0.4)
    15.0
    """
    checks.shapes(cost=(cost, "moment"), height=(height, "moment"))
    fit = rising(height)
    at = int(np.searchsorted(fit, target - 1e-12))
    if at == len(fit):
        return float("inf")
    if at == 0:
        return float(cost[0])
    share = (target - fit[at - 1]) / (fit[at] - fit[at - 1])
    return float(cost[at - 1] + share * (cost[at] - cost[at - 1]))


def area(cost: np.ndarray, height: np.ndarray) -> float:
    """Mean height over the cost (trapezoids), from the first to the last point.

    >>> area(np.array([0, 10, 20]), np.array([0.0, 1.0, 1.0]))
    0.75
    """
    checks.shapes(cost=(cost, "moment"), height=(height, "moment"))
    return float(np.trapezoid(height, cost) / (cost[-1] - cost[0]))


class Ratio(NamedTuple):
    """Geometric mean of ratios of pairs.

    Attributes:
        estimate: with a t interval of the logarithms.
        never: pairs in which the first never got there; they count with the whole budget, so
            their true ratio is larger than what is averaged.
    """

    estimate: Estimate
    never: int


def mean_difference(first: np.ndarray, second: np.ndarray, *, level: float = 0.95) -> Estimate:
    """Mean of first - second over pairs, with Student's interval.

    Args:
        first, second: (pair,) float.
        level: coverage.

    Raises:
        ArgumentError: no pairs.

    >>> print(mean_difference(np.array([3.0, 5.0]), np.array([2.0, 3.0])))
    1.500 [-4.853, 7.853] (n=2)
    """
    checks.shapes(first=(first, "pair"), second=(second, "pair"))
    return _interval(np.asarray(first, float) - np.asarray(second, float), level)


def _interval(each: np.ndarray, level: float) -> Estimate:
    checks.within(0, 1, level=level)
    n = len(each)
    if not n:
        raise ArgumentError("a paired comparison needs at least one pair, got none")
    mean = float(each.mean())
    if n == 1:
        return Estimate(mean, float("-inf"), float("inf"), 1)
    half = float(special.stdtrit(n - 1, (1 + level) / 2) * each.std(ddof=1) / n**0.5)
    return Estimate(mean, mean - half, mean + half, n)


def mean_ratio(
    first: np.ndarray, second: np.ndarray, budget: float, *, level: float = 0.95
) -> Ratio:
    """Geometric mean of first / second over pairs, with Student's interval of the logarithms.

    Args:
        first, second: (pair,) float > 0, such as rollouts to a height; inf = never.
        budget: what a cost of inf is counted as.
        level: coverage.

    >>> found = mean_ratio(np.array([50.0, np.inf]), np.array([100.0, 100.0]), 200.0)
    >>> found.estimate.value, found.never
    (1.0, 1)
    """
    checks.shapes(first=(first, "pair"), second=(second, "pair"))
    checks.within(1e-300, np.inf, budget=budget)
    top, bottom = (np.minimum(np.maximum(x, 1e-300), budget) for x in (first, second))
    logs = _interval(np.log(top / bottom), level)
    value, low, high = (float(np.exp(x)) for x in (logs.value, logs.low, logs.high))
    return Ratio(Estimate(value, low, high, logs.n), int(np.isinf(first).sum()))
