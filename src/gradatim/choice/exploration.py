"""Which temperature and reward threshold keep exploring and still select well.

Axes: `query`, `response` (all responses of all queries and settings, in any order).
"""

from typing import NamedTuple

import numpy as np

from gradatim import checks, groups
from gradatim.errors import ArgumentError


class Balanced(NamedTuple):
    """A choice of setting and threshold.

    Attributes:
        setting: label of the best setting (a temperature, say).
        threshold: responses with a larger reward are kept.
        cap: most responses kept of a query.
        score: mean balance over all queries, in [0, 1].
        kept: (response,) bool, what the choice selects.
        scores: (setting, threshold) float, mean balance of every choice, settings by value.
    """

    setting: float
    threshold: float
    cap: int
    score: float
    kept: np.ndarray
    scores: np.ndarray


def balance(right: np.ndarray, kept: np.ndarray, *, wanted: int = 8) -> np.ndarray:
    """(query,) float in [0, 1]: min(right / wanted, 1) x right / kept; 0 where none is kept.

    Args:
        right, kept: (query,) int, right ones among the responses kept, 0 <= right <= kept.
        wanted: right responses that are enough.

    Ref: B-STaR, Zeng et al. 2024, arXiv:2412.17256, balance score with n* = 8.

    >>> balance(np.array([4, 8, 0]), np.array([4, 16, 0]))
    array([0.5, 0.5, 0. ])
    """
    checks.shapes(right=(right, "query"), kept=(kept, "query"))
    checks.within(1, np.inf, wanted=wanted)
    checks.within(0, np.inf, right=right, **{"kept - right": np.subtract(kept, right)})
    share = np.divide(right, np.maximum(kept, 1))
    return np.minimum(np.divide(right, wanted), 1) * share


def different(group: np.ndarray, same: np.ndarray, reward: np.ndarray) -> np.ndarray:
    """(response,) bool: the best rewarded of each set of equal responses of a group.

    >>> different(np.array([0, 0, 0, 1]), np.array([7, 7, 8, 7]), np.array([0.1, 0.9, 0.5, 0.2]))
    array([False,  True,  True,  True])
    """
    checks.shapes(group=(group, "response"), same=(same, "response"), reward=(reward, "response"))
    order = np.lexsort((-np.asarray(reward, dtype=float), same, group))
    found = np.ones(len(reward), dtype=bool)
    twin = (np.diff(group[order]) == 0) & (np.diff(same[order]) == 0)
    found[order[1:][twin]] = False
    return found


def _selected(
    rank: np.ndarray, live: np.ndarray, query: np.ndarray, *, queries: int, size: int, most: int
) -> tuple[np.ndarray, int]:
    """(response,) bool, the best `cap` live ones of each query, and the least cap for `size`."""
    count = np.bincount(query[live], minlength=queries)
    caps = np.arange(1, most + 1)
    # responses that a cap keeps: queries with at least c live ones, summed over c = 1 .. cap
    enough = len(count) - np.searchsorted(np.sort(count), caps, side="left")
    cap = int(np.searchsorted(np.cumsum(enough), size, side="left")) + 1
    cap = min(cap, most)
    return live & (rank < cap), cap


def choose_setting(
    setting: np.ndarray,
    query: np.ndarray,
    reward: np.ndarray,
    right: np.ndarray,
    *,
    size: int,
    thresholds: np.ndarray | None = None,
    wanted: int = 8,
    most: int = 64,
) -> Balanced:
    """The setting and reward threshold whose selection has the best mean balance score.

    For each setting and threshold the responses above the threshold are kept, the best `cap` of a
    query, with the least cap that keeps `size` in all (at most `most`).

    Args:
        setting: (response,) labels, numbers.
        query: (response,) labels of the queries.
        reward: (response,) float, finite.
        right: (response,) bool.
        size: responses that training wants.
        thresholds: float; default -1, -.99 .. 1.
        wanted, most: see `balance`; largest cap.

    Returns:
        Balanced; ties go to the lower setting, then to the lower threshold.

    Ref: B-STaR, arXiv:2412.17256, and its released search over thresholds. Differs: gold
    solutions are not added as responses; duplicates are left out beforehand (`different`).
    """
    named = {"setting": setting, "query": query, "reward": reward, "right": right}
    checks.shapes(**{name: (value, "response") for name, value in named.items()})
    checks.finite(setting=setting, reward=reward)
    checks.within(1, np.inf, size=size, most=most)
    if not len(reward):
        raise ArgumentError("`reward` must hold at least one response, got none")
    cuts = np.linspace(-1, 1, 201).round(2) if thresholds is None else np.asarray(thresholds)
    names, place = np.unique(setting, return_inverse=True)
    code, queries = groups.codes(query)
    cell = place.reshape(-1) * queries + code
    rank = groups.ranks(-np.asarray(reward, dtype=float), groups.codes(cell)[0])
    scores = np.zeros((len(names), len(cuts)))
    best: Balanced | None = None
    for i, name in enumerate(names):
        here = place.reshape(-1) == i
        for j, cut in enumerate(cuts):
            live = here & (reward > cut)
            kept, cap = _selected(rank, live, code, queries=queries, size=size, most=most)
            n = np.bincount(code[kept], minlength=queries)
            k = np.bincount(code[kept & right], minlength=queries)
            scores[i, j] = balance(k, n, wanted=wanted).mean()
            if best is None or scores[i, j] > best.score + 1e-12:
                score = float(scores[i, j])
                best = Balanced(float(name), float(cut), cap, score, kept, scores)
    assert best is not None
    return best
