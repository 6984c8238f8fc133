"""Intervals of adaptive tests that hold what the model gets wrong.

A posterior knows the error of answers, not of a curve that a solver does not follow: solvers that
are strong at one kind of item and weak at another. What that adds is seen on models held out: how
far off their tests were, in units of what the posterior said. Axes: `model`, `step` (questions).
"""

import numpy as np
from scipy import special

from gradatim import checks


def widening(
    off: np.ndarray, sd: np.ndarray, *, level: float = 0.95, least: float = 0.0
) -> np.ndarray:
    """Half-width, in standard deviations of its posterior, that a new test's interval needs.

    Student's t times the root mean square of standardised errors, which are taken as normal around
    0. A quantile of their sizes (split conformal) needs 39 models for 95% and is wider on all four
    matrices that we tried; this one works with few, and where the posterior is right it is 1.96.

    Args:
        off: (model, step) or (model,) prediction - truth, of models held out of the bank.
        sd: the same, what the posterior said; models where it is 0 knew the truth and say nothing.
        level: coverage.
        least: the least half-width; with 1.96 misfit never makes a posterior surer than it is.
            Where few models were near the truth by luck, all intervals of their bank are too short.

    Returns:
        (step,) or one number; NaN with fewer than two models to go by.

    Raises:
        ArgumentError: arrays of different shapes.

    Ref: Barber et al. 2021, Annals of Statistics 49:486 (CV+), for errors of models held out by
    parts; differs: their spread instead of their quantile.

    >>> widening(np.array([1.0, -1, 1, -1]), np.full(4, 0.5)).round(2)
    np.float64(5.55)
    """
    square, there = _squares(off, sd)
    return _half(square.sum(axis=0), there.sum(axis=0), level, least)[()]


def widening_of_others(
    off: np.ndarray,
    sd: np.ndarray,
    *,
    group: np.ndarray | None = None,
    level: float = 0.95,
    least: float = 0.0,
) -> np.ndarray:
    """The same for each model, from the other models.

    Args:
        off, sd, level, least: see `widening`.
        group: (model,) int, models of one number are not others of each other: one model under two
            names. None: all are.

    Returns:
        Of the shape of `off`.

    >>> widening_of_others(np.array([1.0, -1, 2]), np.ones(3)).round(2)
    array([6.8, 6.8, 4.3])
    """
    square, there = _squares(off, sd)
    own, count = square, there.astype(float)
    if group is not None:
        at = np.unique(group, return_inverse=True)[1]
        own, count = (_summed(v, at)[at] for v in (square, count))
    return _half(square.sum(axis=0) - own, there.sum(axis=0) - count, level, least)


def _summed(value: np.ndarray, at: np.ndarray) -> np.ndarray:
    total = np.zeros((at.max(initial=-1) + 1, *value.shape[1:]))
    np.add.at(total, at, value)
    return total


def _squares(off: np.ndarray, sd: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    off, sd = np.asarray(off, dtype=float), np.asarray(sd, dtype=float)
    checks.shapes(off=(off, axes := "model step" if off.ndim > 1 else "model"), sd=(sd, axes))
    there = (sd > 0) & np.isfinite(off)
    return np.where(there, off / np.where(there, sd, 1.0), 0.0) ** 2, there


def _half(total: np.ndarray, n: np.ndarray, level: float, least: float) -> np.ndarray:
    mean = np.maximum(total, 0.0) / np.maximum(n, 1)
    half = special.stdtrit(np.maximum(n, 2), 0.5 + level / 2) * np.sqrt(mean)
    return np.where(n >= 2, np.maximum(half, least), np.nan)


def luck_of_attempts(rate: np.ndarray, tried: np.ndarray, coin: np.ndarray) -> float:
    """Variance that the sum of the rates of the items asked would have over reruns of the test.

    Where items were tried once, attempts are taken for tosses of a coin: a solver that gives the
    same answer each time cannot be told from one that does not. Repeated attempts tell: their
    variance within items, as a share of the coins', holds for all items; one fair coin's worth of
    belief that they are coins keeps the first few from saying that nothing varies.

    Args:
        rate: (item,) share solved, or mean score in [0, 1], of the items asked.
        tried: (item,) int attempts, 0 = no answer came.
        coin: (item,) expected variance of one attempt, P (1 - P).

    Returns:
        Variance, of a sum over items.

    Ref: Miller 2024, arXiv 2411.00640, section 3.1 (a score's variance is that of the choice of
    questions and, within these, of the answers).

    >>> once = luck_of_attempts(np.ones(4), np.ones(4, int), np.full(4, 0.25))
    >>> always = luck_of_attempts(np.ones(4), np.full(4, 2), np.full(4, 0.25))
    >>> once, always
    (1.0, 0.1)
    """
    checks.shapes(rate=(rate, "item"), tried=(tried, "item"), coin=(coin, "item"))
    there, several = tried > 0, tried > 1
    within = rate * (1 - rate) * tried / np.maximum(tried - 1, 1)
    share = (np.sum(within[several]) + 0.25) / (np.sum(coin[several]) + 0.25)
    return float(share * np.sum(coin[there] / tried[there]))


def plain_interval(
    rate: np.ndarray, order: np.ndarray, n_all: np.ndarray, *, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Plain mean of random items and the half-width of its interval.

    Student's t, with the correction for what is drawn from a finite whole.

    Args:
        rate: (run, item) share solved.
        order: (run, step) int items asked, -1 for none.
        n_all: (run,) items that the score is of.
        level: coverage.

    Returns:
        (run,) mean, half-width; NaN half-width for one item of several.

    >>> rate, order = np.array([[0.0, 1.0, 0.5, 0.5]]), np.array([[0, 1]])
    >>> mean, half = plain_interval(rate, order, np.array([4]))
    >>> float(mean[0]), round(float(half[0]), 2)
    (0.5, 4.49)
    """
    on = order >= 0
    n = on.sum(axis=1)
    value = np.where(on, np.take_along_axis(rate, np.where(on, order, 0), axis=1), 0.0)
    mean = value.sum(axis=1) / np.maximum(n, 1)
    square = np.where(on, (value - mean[:, None]) ** 2, 0.0).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.sqrt(square / (n - 1) / n * (1 - n / n_all))
    half = special.stdtrit(np.maximum(n - 1, 1), 0.5 + level / 2) * error
    return mean, np.where(n >= n_all, 0.0, half)
