"""Ranks and rank correlation, with intervals by bootstrap.

Axes: `pair` (paired observations, say problems).
"""

import numpy as np

from gradatim import checks
from gradatim.types import Estimate


def midranks(values: np.ndarray) -> np.ndarray:
    """(..., pair) ranks 1 .. n along the last axis; ties share their mean rank.

    >>> midranks(np.array([3.0, 1.0, 3.0]))
    array([2.5, 1. , 2.5])
    """
    values = np.asarray(values)
    n = values.shape[-1]
    order = np.argsort(values, axis=-1, kind="stable")
    placed = np.take_along_axis(values, order, axis=-1)
    new = np.ones(values.shape, dtype=bool)
    new[..., 1:] = placed[..., 1:] != placed[..., :-1]
    at = np.arange(n)
    first = np.maximum.accumulate(np.where(new, at, 0), axis=-1)
    ends = np.ones(values.shape, dtype=bool)
    ends[..., :-1] = new[..., 1:]
    last = np.minimum.accumulate(np.where(ends, at, n)[..., ::-1], axis=-1)[..., ::-1]
    rank = np.empty(values.shape)
    np.put_along_axis(rank, order, (first + last) / 2 + 1, axis=-1)
    return rank


def correlation(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Pearson correlation along the last axis; NaN where either side is constant."""
    x = x - x.mean(axis=-1, keepdims=True)
    y = y - y.mean(axis=-1, keepdims=True)
    scale = np.sqrt(np.sum(x * x, axis=-1) * np.sum(y * y, axis=-1))
    with np.errstate(invalid="ignore"):
        return np.sum(x * y, axis=-1) / np.where(scale > 0, scale, np.nan)


def spearman(
    x: np.ndarray,
    y: np.ndarray,
    *,
    rng: np.random.Generator | None = None,
    resamples: int = 1000,
    level: float = 0.95,
) -> Estimate:
    """Spearman's rank correlation with a percentile bootstrap interval.

    Args:
        x, y: (pair,) observations; ties share ranks.
        rng: of the bootstrap; None starts a fresh one at 0, so a repeat gives the same interval.
        resamples: bootstrap samples of pairs.
        level: coverage of the interval.

    Returns:
        Estimate; NaN where one side is constant or there are fewer than 3 pairs.

    Raises:
        ArgumentError: arrays of different lengths, NaN.

    >>> round(spearman(np.arange(5.0), np.array([1.0, 2.0, 4.0, 8.0, 7.0])).value, 9)
    0.9
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    checks.shapes(x=(x, "pair"), y=(y, "pair"))
    checks.finite(x=x, y=y)
    checks.within(1e-9, 1 - 1e-9, level=level)
    n = len(x)
    value = float(correlation(midranks(x), midranks(y))) if n > 2 else np.nan
    if np.isnan(value):
        return Estimate(np.nan, np.nan, np.nan, n)
    rng = np.random.default_rng(0) if rng is None else rng
    drawn = []
    for size in _chunks(resamples, n):
        pick = rng.integers(n, size=(size, n))
        drawn.append(correlation(midranks(x[pick]), midranks(y[pick])))
    tails = [(1 - level) / 2, (1 + level) / 2]
    low, high = np.nanquantile(np.concatenate(drawn), tails)  # NaN: a resample of equals
    return Estimate(value, float(min(low, value)), float(max(high, value)), n)


def _chunks(total: int, width: int, most: int = 1 << 20) -> list[int]:
    """Sizes that add up to `total`, so that size x width stays near `most`."""
    step = max(1, most // max(1, width))
    return [min(step, total - done) for done in range(0, total, step)]
