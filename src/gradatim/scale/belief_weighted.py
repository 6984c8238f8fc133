"""Counts from attempts of other policies: what they are worth for the current one.

Axes: `attempt` (a batch), `problem` (the pool).
"""

from typing import Any

import numpy as np

from gradatim import checks
from gradatim.scale import belief
from gradatim.types import Batch, Slot


def importance(now: np.ndarray, then: np.ndarray, *, clip: float = 5.0) -> np.ndarray:
    """Weights of replies sampled by an older policy, for `Batch.weight`.

    Args:
        now, then: (attempt,) log-probability of the whole reply under the current policy and
            under the one that sampled it.
        clip: largest weight.

    Returns:
        (attempt,) min(exp(now - then), clip).

    Raises:
        ArgumentError: NaN, or arrays of different shapes.

    Ref: Ionides 2008, J. Comput. Graph. Stat. 17:295 (truncated importance sampling).

    >>> importance(np.log([0.5, 0.5]), np.log([0.25, 0.01]))
    array([2., 5.])
    """
    checks.shapes(now=(now, "attempt"), then=(then, "attempt"))
    checks.within(-np.inf, 0, now=now, then=then)
    checks.within(1, np.inf, clip=clip)
    gap = np.where(np.isneginf(now), -np.inf, now) - np.where(np.isneginf(now), 0.0, then)
    return np.minimum(np.exp(np.minimum(gap, 700.0)), clip)


def worth(
    problem: np.ndarray, solved: np.ndarray, weight: np.ndarray, *, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Solved and tried attempts that weighted ones are worth.

    A problem's pass rate is the weighted mean of its outcomes; behind it stand (sum w)^2 / sum w^2
    attempts (the effective sample size), but no more than sum w: replies that the current policy
    would hardly give tell little of it, however equal their weights are.

    Args:
        problem: (attempt,) int.
        solved: (attempt,) in [0, 1].
        weight: (attempt,) >= 0.
        size: number of problems.

    Returns:
        (problem,) solved and tried, in whole attempts.

    Ref: Kish 1965, Survey Sampling; Kong 1992 (effective sample size). The bound by sum w is ours.

    >>> worth(np.zeros(4, int), np.array([1, 0, 1, 0]), np.array([2, 1, 1, 0]), size=1)
    (array([2.]), array([2.66666667]))
    """
    total = np.bincount(problem, weights=weight, minlength=size)
    squares = np.bincount(problem, weights=weight * weight, minlength=size)
    right = np.bincount(problem, weights=weight * solved, minlength=size)
    some = total > 0
    tried = np.zeros(size)
    np.divide(total**2, squares, out=tried, where=some & (squares > 0))
    tried = np.minimum(tried, total)
    rate = np.divide(right, total, out=np.zeros(size), where=some)
    return rate * tried, tried


def observe_weighted(
    state: belief.Counts, batch: Batch, *, half_life: float, clip: float, **_: Any
) -> belief.Counts:
    """Add a batch of any earlier or later step; without weights its attempts count in full.

    Raises:
        ArgumentError: weights that are NaN or below 0.
    """
    if batch.weight is None:
        return belief.observe_counts(state, batch, half_life=half_life)
    checks.shapes(problem=(batch.problem, "attempt"), weight=(batch.weight, "attempt"))
    counts = belief.counted(batch)
    weight = np.asarray(batch.weight, dtype=float)[counts]
    checks.within(0, np.inf, weight=weight)
    solved, tried = worth(
        batch.problem[counts],
        batch.solved[counts],
        np.minimum(weight, clip),
        size=len(state.tried),
    )
    keep, share = belief.aged(state.newest, batch.step, half_life)
    return belief.Counts(
        keep * state.tried + share * tried,
        keep * state.solved + share * solved,
        max(state.newest, batch.step),
    )


BELIEFS: dict[str, Slot] = {
    "off_policy": Slot(
        init=belief.init_counts,
        observe=observe_weighted,
        suggest=belief.predict_counts,
        options={**belief.BELIEFS["counts"].options, "clip": 5.0},
        bounds={**belief.BELIEFS["counts"].bounds, "clip": checks.AT_LEAST_1},
        needs=frozenset({"weight"}),
        invariances=frozenset({"order", "permutation"}),
        paper="Counts of attempts of older policies: importance weights truncated at `clip` "
        "(Ionides 2008), counted as their effective sample size (Kong 1992), at most their sum.",
    ),
}
