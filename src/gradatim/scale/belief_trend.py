"""How the sources of a pool go together: one family, neighbouring levels.

Axes: `source` (family x level), `problem`. Everything is on the logit scale.
"""

from typing import NamedTuple

import numpy as np
from scipy import linalg, special

from gradatim.types import Pool

REACH = 4.0  # levels over which the deviations from a straight line fall to 1 / e
ROUNDS = 20


class Kinds(NamedTuple):
    """Of each source: (source,) family code, and level, NaN = unknown or mixed."""

    family: np.ndarray
    level: np.ndarray


def kinds(pool: Pool) -> Kinds:
    """Family and level of each source, where all its problems agree on it.

    A source without a family (none, or several) has a code < 0 that no other has.

    >>> pool = Pool(source=np.array([0, 1, 1]), sources=("a:1", "b:2", "b:3"), floor=np.zeros(3),
    ...     family=np.array([0, 1, 1]), level=np.array([1.0, 2.0, 2.0]))
    >>> kinds(pool).level
    array([ 1.,  2., nan])
    """
    arms, source = len(pool.sources), pool.source
    first = np.full(arms, -1)
    first[source[::-1]] = np.arange(len(source))[::-1]
    filled = first >= 0
    family = np.zeros(arms, dtype=np.int64)
    if pool.family is not None:
        family = np.where(filled, pool.family[first], 0)
        alone = ~filled
        alone[source[pool.family != family[source]]] = True
        family = np.where(alone, -1 - np.arange(arms), family)
    level = np.full(arms, np.nan)
    if pool.level is not None:
        level = np.where(filled, pool.level[first], np.nan)
        differs = pool.level != level[source]  # NaN differs too
        level[source[differs]] = np.nan
    return Kinds(family, level)


def spread_by_level(about: Kinds, *, slope: float, level: float, own: float) -> np.ndarray:
    """(source, source) prior covariance of the sources' offsets, in squared logits.

    Args:
        about: of `kinds`.
        slope: sd of the change per level, common to all families.
        level: sd of what a family's levels deviate from that; neighbours go together.
        own: sd of what each source has by itself.
    """
    known = np.isfinite(about.level)
    height = np.where(known, about.level - 5.5, 0.0)
    near = np.exp(-np.abs(np.subtract.outer(height, height)) / REACH)
    near *= np.equal.outer(about.family, about.family) & np.logical_and.outer(known, known)
    alone = own**2 + np.where(known, 0.0, level**2)
    return slope**2 * np.multiply.outer(height, height) + level**2 * near + np.diag(alone)


def spread_by_family(family: np.ndarray, *, shared: float, family_sd: float) -> np.ndarray:
    """(family, family) covariance with a part that all have in common."""
    return shared**2 + family_sd**2 * np.equal.outer(family, family)


def smooth(k: np.ndarray, n: np.ndarray, covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Posterior mean and variance of the sources' logits, from k of n and a normal prior at 0.

    Args:
        k, n: (source,) float, right ones and independent attempts.
        covariance: (source, source) of the prior.

    Returns:
        (source,) mean and variance of the normal at the mode.

    Ref: Rasmussen & Williams 2006, Gaussian Processes for Machine Learning, algorithms 3.1, 3.2.

    >>> mean, _ = smooth(np.array([3.0, 0.0]), np.array([4.0, 0.0]), np.array([[1, 0.9], [0.9, 1]]))
    >>> bool(0 < mean[1] < mean[0])  # the source without attempts follows its neighbour
    True
    """
    f = np.zeros(len(k))
    size = len(k)
    for _ in range(ROUNDS):
        p = special.expit(f)
        root = np.sqrt(np.maximum(n * p * (1 - p), 1e-12))
        inner = np.eye(size) + root[:, None] * covariance * root
        factor = linalg.cho_factor(inner, lower=True)
        push = root**2 * f + k - n * p
        a = push - root * linalg.cho_solve(factor, root * (covariance @ push))
        ahead = covariance @ a
        step = np.clip(ahead - f, -3, 3)
        f = f + step
        if np.abs(step).max(initial=0) < 1e-6:
            break
    p = special.expit(f)
    root = np.sqrt(np.maximum(n * p * (1 - p), 1e-12))
    inner = np.eye(size) + root[:, None] * covariance * root
    half = linalg.solve_triangular(
        linalg.cholesky(inner, lower=True), root[:, None] * covariance, lower=True
    )
    return f, np.maximum(np.diag(covariance) - (half**2).sum(axis=0), 1e-9)
