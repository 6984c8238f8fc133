"""Which models can the draws of a ranking tell apart?

Axes: `model`, `draw` (bootstrap samples of items, or of clusters of them), `pair`.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import gammaln, ndtri

PAIRED = 400  # models up to which the largest of all differences is resampled
BLOCK, WORK, FEWEST = 4_000_000, 50_000_000, 500  # differences at once, in all; draws at least


class Limit(NamedTuple):
    """Critical values: of each model's differences, and one-sided for the best."""

    own: np.ndarray
    best: np.ndarray


def ahead_of(
    score: np.ndarray, drawn: np.ndarray, level: float, *, enough: np.ndarray
) -> tuple[np.ndarray, Limit, np.ndarray]:
    """How many standard errors the row's score is above the column's; limits; who is apart.

    The first and last are (model, model), `enough` too: whether a pair can be apart at all.
    """
    n = len(score)
    centred = drawn - drawn.mean(axis=0)
    products = centred.T @ centred / (len(drawn) - 1)
    variance = np.diag(products)
    spread = np.sqrt(np.maximum(variance[:, None] + variance - 2 * products, 0))
    gap = score[:, None] - score
    certain = spread <= 1e-9 * (1 + np.abs(score).max())
    spread = np.where(certain, 1.0, spread)
    ahead = np.where(certain, np.where(np.abs(gap) > 1e-9, np.sign(gap) * 1e9, 0.0), gap / spread)
    if n > PAIRED:
        own = np.full(n, -ndtri((1 - level) / 2 / (n - 1)))
        best = np.full(n, -ndtri((1 - level) / (n - 1)))

        def bound(one: np.ndarray, _: np.ndarray) -> float:
            return float(-ndtri((1 - level) / 2 / len(one)))

        return ahead, Limit(own, best), _apart(np.abs(ahead), enough, bound)
    centred = centred[: max(FEWEST, WORK // n**2)]
    most, largest = np.empty_like(centred), np.empty_like(centred)
    step = max(1, BLOCK // n**2)
    for first in range(0, len(centred), step):
        block = centred[first : first + step]
        size = (block[:, :, None] - block[:, None]) / spread * ~certain
        most[first : first + step] = size.max(axis=1)
        largest[first : first + step] = np.abs(size).max(axis=1)
    limit = Limit(np.quantile(largest, level, axis=0), np.quantile(most, level, axis=0))

    def of_pairs(one: np.ndarray, other: np.ndarray) -> float:
        """Limit of the largest of these pairs' differences."""
        least = spread[one, other]
        rows = max(1, BLOCK // max(1, len(one)))
        found = [
            (np.abs(block[:, one] - block[:, other]) / least).max(axis=1)
            for block in np.split(centred, range(rows, len(centred), rows))
        ]
        return float(np.quantile(np.concatenate(found), level))

    return ahead, limit, _apart(np.abs(ahead), enough, of_pairs)


def _apart(
    size: np.ndarray, enough: np.ndarray, limit: Callable[[np.ndarray, np.ndarray], float]
) -> np.ndarray:
    """(model, model) bool: pairs that differ, all at once.

    Step-down: pairs beyond the limit of all are apart; the limit of the rest is lower.

    Args:
        size: (model, model) standardised differences, without sign.
        enough: whether a pair can be apart at all.
        limit: of the largest of some pairs, given as two (pair,) indices.
    """
    one, other = np.triu_indices(len(size), 1)
    found = np.zeros(size.shape, dtype=bool)
    while len(one):
        beyond = enough[one, other] & (size[one, other] > limit(one, other))
        if not beyond.any():
            break
        found[one[beyond], other[beyond]] = found[other[beyond], one[beyond]] = True
        one, other = one[~beyond], other[~beyond]
    return found


def enough_of(units: np.ndarray, share: float) -> np.ndarray:
    """(model, model) bool: whether any two sets of that many answers could differ so surely.

    The smallest p of an exact two-sided test of n answers, all right, against m, all wrong, is
    2 / C(n + m, n); resampling a handful of like answers knows of no such limit.
    """
    n, m = units[:, None], units[None]
    least = np.log(2) - (gammaln(n + m + 1) - gammaln(n + 1) - gammaln(m + 1))
    return least <= np.log(share)


def agreed(drawn: np.ndarray, share: float) -> np.ndarray:
    """(model, model) bool: pairs that stand in the same order in that share of draws; ties half.

    >>> agreed(np.array([[2, 1, 1], [2, 1, 3], [2, 1, 1]]), 0.9)[0].tolist()
    [False, True, False]
    """
    sign = np.stack([np.sign(drawn - one[:, None]).mean(axis=0) for one in drawn.T])
    return (1 + np.abs(sign)) / 2 >= share


def coin(n: int, rng: np.random.Generator) -> np.ndarray:
    """(model, model) of one item more whose order of n models is drawn at random: 1 = beats."""
    place = rng.permutation(n)
    return (place[:, None] > place).astype(float)


def tiers(order: np.ndarray, apart: np.ndarray) -> np.ndarray:
    """(model,) int from 1: who is apart from the first of a tier begins the next.

    >>> tiers(np.array([1, 0, 2]), np.array([[0, 0, 0], [0, 0, 1], [0, 1, 0]], dtype=bool))
    array([1, 1, 2])
    """
    tier = np.empty(len(order), dtype=np.int64)
    first, now = order[0], 1
    for model in order:
        if apart[first, model]:
            first, now = model, now + 1
        tier[model] = now
    return tier
