"""Draw a training set with a wanted share of problems at each level. Axes: `problem`, `level`."""

from typing import NamedTuple

import numpy as np
from scipy import special

from gradatim import checks
from gradatim.errors import ArgumentError

SHORT = ("spread", "nearest", "fewer")


class Draw(NamedTuple):
    """A drawn set, and how near it came to what was asked for.

    Attributes:
        chosen: (row,) int, different problems in random order.
        wanted, drawn, had: (level,) int: quotas of the request, problems drawn, problems there.
        short: (level,) int, what a level had too few of.
        p: chance of a chi-square at least as large as that of `drawn` against the request, were
            the set drawn at random from it: near 1 where the quotas are met, below .05 where
            shortages show. NaN for one level or an empty set.
    """

    chosen: np.ndarray
    wanted: np.ndarray
    drawn: np.ndarray
    had: np.ndarray
    short: np.ndarray
    p: float


def quotas(share: np.ndarray, size: int) -> np.ndarray:
    """(level,) int: `size` problems shared out by largest remainder; ties to the easier level.

    >>> quotas(np.array([1, 1, 1]), 10)
    array([4, 3, 3])
    """
    share = np.asarray(share, dtype=float)
    checks.shapes(share=(share, "level"))
    checks.finite(share=share)
    checks.within(0, np.inf, share=share, size=size)
    total = float(share.sum())
    if not total > 0:
        raise ArgumentError("`share` must hold a positive entry: no level is asked for")
    exact = share / total * size
    floor = np.floor(exact + 1e-9)
    rest = size - int(floor.sum())
    order = np.argsort(-(exact - floor), kind="stable")
    floor[order[:rest]] += 1
    return floor.astype(int)


def draw_levels(
    level: np.ndarray,
    share: np.ndarray,
    size: int,
    *,
    rng: np.random.Generator,
    short: str = "spread",
) -> Draw:
    """Draw `size` problems so that levels 1, 2, ... have the wanted shares.

    Args:
        level: (problem,) int in [0, number of levels]; 0 is never drawn.
        share: (level,) float >= 0, the wanted histogram of levels 1, 2, ...; any positive scale.
        size: problems wanted.
        rng: decides which problems of a level are taken, and their order.
        short: where a level has too few problems, all of them are taken, and "spread" shares the
            rest out over the other wanted levels in proportion to the request, "nearest" takes it
            from the levels next to it (the easier one first), wanted or not, and "fewer" draws a
            smaller set that keeps the histogram.

    Returns:
        Draw; a set smaller than `size` only where "fewer" says so or the pool runs out.

    Ref: Yu et al. 2025, arXiv 2504.11919 (a set drawn from a chosen distribution of levels);
        quotas by largest remainder and the treatment of shortages are ours.

    >>> found = draw_levels(np.array([1, 1, 1, 2, 2, 3]), np.array([1, 1, 0]), 4,
    ...     rng=np.random.default_rng(0))
    >>> found.drawn, round(found.p, 3)
    (array([2, 2, 0]), 1.0)
    """
    level, share = np.asarray(level), np.asarray(share, dtype=float)
    checks.shapes(level=(level, "problem"), share=(share, "level"))
    checks.within(0, len(share), level=level)
    checks.one_of("short", short, SHORT)
    wanted = quotas(share, size)
    had = np.bincount(level.astype(int), minlength=len(share) + 1)[1:]
    lacking = np.maximum(wanted - had, 0)
    if not lacking.any():
        drawn = wanted
    elif short == "fewer":
        drawn = _fewer(share, had, size)
    elif short == "nearest":
        drawn = _nearest(np.minimum(wanted, had), had, lacking)
    else:
        drawn = _spread(share, had, size)
    taken = [
        rng.permutation(np.flatnonzero(level == at + 1))[:count] for at, count in enumerate(drawn)
    ]
    chosen = rng.permutation(np.concatenate(taken)) if drawn.any() else np.zeros(0, dtype=int)
    return Draw(chosen, wanted, drawn, had, lacking, _fit(drawn, share))


def _spread(share: np.ndarray, had: np.ndarray, size: int) -> np.ndarray:
    """Levels that have too few give all; the others share the rest as requested, over again."""
    drawn = np.zeros(len(share), dtype=int)
    free = share > 0
    while free.any() and (left := size - int(drawn.sum())) > 0:
        wanted = quotas(np.where(free, share, 0.0), left)
        short = free & (wanted >= had)
        if not short.any():
            return drawn + wanted
        drawn[short] = had[short]
        free &= ~short
    return drawn


def _nearest(drawn: np.ndarray, had: np.ndarray, lacking: np.ndarray) -> np.ndarray:
    drawn = drawn.copy()
    for at in np.flatnonzero(lacking):
        left = int(lacking[at])
        for other in sorted(range(len(had)), key=lambda j, at=at: (abs(j - at), j)):
            more = min(left, int(had[other] - drawn[other]))
            drawn[other] += more
            left -= more
    return drawn


def _fewer(share: np.ndarray, had: np.ndarray, size: int) -> np.ndarray:
    """The largest set whose quotas the pool can fill."""
    low, high = 0, size
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if (quotas(share, middle) <= had).all() else (low, middle - 1)
    # a larger set may have a smaller quota somewhere (the Alabama paradox): look a little further
    best = range(min(low + len(share), size), low - 1, -1)
    return next(q for at in best if ((q := quotas(share, at)) <= had).all())


def _fit(drawn: np.ndarray, share: np.ndarray) -> float:
    wanted = share > 0
    total = int(drawn.sum())
    if not total or (wanted.sum() < 2 and not drawn[~wanted].any()):
        return float("nan")
    if drawn[~wanted].any():
        return 0.0
    expected = share[wanted] / share.sum() * total
    square = float(np.sum((drawn[wanted] - expected) ** 2 / expected))
    return float(special.chdtrc(wanted.sum() - 1, square))
