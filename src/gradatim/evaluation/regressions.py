"""Which problems were lost? Those the first solved and the second does not, beyond luck.

Axes: `problem`.
"""

from typing import NamedTuple

import numpy as np
from scipy import special

from gradatim import checks
from gradatim.scale.multiple import adjust

MANY = 4000  # attempts of a problem above which hypergeometric chances are taken as normal


class Changes(NamedTuple):
    """What changed from the first solver to the second.

    Attributes:
        lost, gained: (problem,) bool, solved in at least half of the attempts by one and in fewer
            by the other.
        p: (problem,) one-sided p-value (mid-p) of the second being worse on this problem; NaN
            where answers are graded.
        clear: (problem,) bool, worse beyond luck, at the chosen share of false names.
        more_lost: one-sided p-value of problems being lost more often than gained.
    """

    lost: np.ndarray
    gained: np.ndarray
    p: np.ndarray
    clear: np.ndarray
    more_lost: float


def changes(
    solved: np.ndarray, tried: np.ndarray, *, counted: bool = True, fdr: float = 0.05
) -> Changes:
    """Problems that changed sides.

    Args:
        solved: (2, problem) sums of scores of the first and the second.
        tried: (2, problem) int >= 1, attempts.
        counted: whether answers are right or wrong, so that sums are counts.
        fdr: expected share of false ones among the problems that are called clear.

    Returns:
        Changes. With one attempt each no problem can be clear: one attempt may go either way.

    Ref: Fisher 1935's exact test with the mid-p of Lancaster 1961, Journal of the American
    Statistical Association 56:223; Benjamini & Hochberg 1995; lost against gained: McNemar 1947,
    Psychometrika 12:153, exact. The list of lost problems beside an average: Balachandran et al.
    2024, arXiv 2409.10566 (Eureka); differs: names only what luck does not explain.

    >>> found = changes(np.array([[8, 8.0], [8, 0]]), np.full((2, 2), 8))
    >>> found.lost, found.clear
    (array([False,  True]), array([False,  True]))
    """
    checks.shapes(solved=(solved, "two problem"), tried=(tried, "two problem"))
    checks.within(1, np.inf, tried=tried)
    rate = solved / tried
    lost = (rate[0] >= 0.5) & (rate[1] < 0.5)
    gained = (rate[0] < 0.5) & (rate[1] >= 0.5)
    p = np.full(rate.shape[1], np.nan)
    clear = np.zeros(len(p), dtype=bool)
    if counted and len(p):
        p = _fewer(np.rint(solved).astype(int), np.asarray(tried, dtype=int))
        clear = adjust(p, method="fdr") <= fdr
    b, c = int(lost.sum()), int(gained.sum())
    more = float(special.bdtrc(b - 1, b + c, 0.5)) if b else 1.0
    return Changes(lost, gained, p, clear, more)


def _fewer(solved: np.ndarray, tried: np.ndarray) -> np.ndarray:
    """(problem,) P(second solves fewer) + P(as many) / 2, given how many both solved together."""
    both, total = solved.sum(axis=0), tried.sum(axis=0)
    if total.max() > MANY:
        share = tried[1] / total
        spread = both * share * (1 - share) * (total - both) / np.maximum(total - 1, 1)
        off = solved[1] - both * share
        return special.ndtr(off / np.sqrt(np.maximum(spread, 1e-300)))
    x = np.arange(tried[1].max() + 1)[:, None]
    with np.errstate(invalid="ignore"):
        log = _choose(both, x) + _choose(total - both, tried[1] - x) - _choose(total, tried[1])
    chance = np.where(
        (x <= both) & (x <= tried[1]) & (tried[1] - x <= total - both), np.exp(log), 0
    )
    return np.sum(chance * ((x < solved[1]) + 0.5 * (x == solved[1])), axis=0)


def _choose(n: np.ndarray, k: np.ndarray) -> np.ndarray:
    inside = np.clip(k, 0, n)
    return special.gammaln(n + 1) - special.gammaln(inside + 1) - special.gammaln(n - inside + 1)
