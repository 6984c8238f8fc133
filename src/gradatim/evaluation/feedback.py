"""How far does a solver come with feedback, and how much of what it is told does it not take up?

A problem is tried, and while it is not solved it is tried again with feedback.
Axes: `round` (0 is the attempt without feedback), `problem`.

Ref: Jiang et al. 2025, Feedback Friction, arXiv:2506.11930.
"""

from typing import NamedTuple

import numpy as np

from gradatim import checks
from gradatim.errors import ArgumentError
from gradatim.scale.rates import pass_rate
from gradatim.types import Estimate


class Friction(NamedTuple):
    """Where feedback leads, and what is missing.

    Attributes:
        accuracy: (round,) Estimate, share of problems solved up to and with each round.
        recovered: (round - 1,) Estimate, chance that a retry of round 1, 2, ... solves what was
            not solved before; n is 0 and the rest NaN where nothing was left. Where the last one
            is clearly above 0 the curve still rises, and friction would shrink with more rounds.
        ceiling: share of problems that are solved if all sound feedback is taken up.
        plateau: Estimate, accuracy after the last round.
        friction: Estimate of ceiling - plateau.
        unrecovered: Estimate, friction as a share of ceiling - first accuracy, the gap that
            feedback could have closed; NaN where there was none.
        left_out: problems that an attempt was lost of before they were solved.
    """

    accuracy: Estimate
    recovered: Estimate
    ceiling: float
    plateau: Estimate
    friction: Estimate
    unrecovered: Estimate
    left_out: int


def friction(
    solved: np.ndarray, *, sound: np.ndarray | None = None, level: float = 0.95
) -> Friction:
    """Accuracy by round, and its shortfall behind what feedback allows.

    Args:
        solved: (round, problem) 1 solved, 0 not, NaN no attempt. What comes after a 1 is not
            read. A problem with a NaN before its first 1 is left out: it was not tried as often
            as the others.
        sound: (problem,) bool, False where feedback was wrong or of no use, so that not taking it
            up is no friction; None: all sound. A problem that was solved counts as solvable.
        level: coverage of the Wilson intervals over problems.

    Raises:
        ArgumentError: no round or problem, other entries, or nothing left.

    >>> found = friction(np.array([[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 0, 0]]))
    >>> found.accuracy.value, found.friction.value, round(found.unrecovered.value, 2)
    (array([0.25, 0.5 , 0.5 ]), 0.5, 0.67)
    """
    solved = np.asarray(solved, dtype=float)
    sizes = checks.shapes(solved=(solved, "round problem"))
    if not sizes["round"]:
        raise ArgumentError("`solved` must hold at least the round without feedback, got none")
    if not (np.isnan(solved) | (solved == 0) | (solved == 1)).all():
        raise ArgumentError("`solved` must be 1, 0 or NaN (no attempt): one attempt a round")
    sound = np.ones(sizes["problem"], dtype=bool) if sound is None else np.asarray(sound)
    checks.shapes(solved=(solved, "round problem"), sound=(sound, "problem"))
    checks.within(0, 1, sound=sound)
    by_now = np.logical_or.accumulate(solved == 1, axis=0)
    kept = ~(np.isnan(solved) & ~by_now).any(axis=0)
    if not kept.any():
        raise ArgumentError("`solved` has no problem that was tried in every round until solved")
    by_now, sound = by_now[:, kept], sound[kept].astype(bool)
    n, (first, last) = int(kept.sum()), by_now[[0, -1]]
    retried = n - by_now[:-1].sum(axis=1)
    return Friction(
        accuracy=_shares(by_now.sum(axis=1), np.full(len(by_now), n), level),
        recovered=_shares(np.diff(by_now.sum(axis=1)), retried, level),
        ceiling=float((sound | last).mean()),
        plateau=_share(last, n, level),
        friction=_share(sound & ~last, n, level),
        unrecovered=_share(sound & ~last, int(((sound | last) & ~first).sum()), level),
        left_out=int((~kept).sum()),
    )


def _share(of: np.ndarray, n: int, level: float) -> Estimate:
    """Of one number: how many are True, of n."""
    found = _shares(np.array([of.sum()]), np.array([n]), level)
    return Estimate(float(found.value[0]), float(found.low[0]), float(found.high[0]), n)


def _shares(k: np.ndarray, n: np.ndarray, level: float) -> Estimate:
    """k of n, NaN where n is 0."""
    found = pass_rate(k, np.maximum(n, 1), level=level)
    value, low, high = (np.where(n > 0, x, np.nan) for x in (found.value, found.low, found.high))
    return Estimate(value, low, high, n)
