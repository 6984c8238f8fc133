"""Rates of error of two verifiers from where they agree, without anybody who knows the truth.

Two verdicts on each attempt, in at least two groups of attempts of which different shares are right
(weak and strong solvers, easy and hard levels), are enough: every group brings three counts and
one unknown share, the verifiers four rates between them.
Axes: `attempt`, `group`, `draw` (bootstrap samples), `cell` (neither, second, first, both pass).
"""

from typing import NamedTuple

import numpy as np

from gradatim import checks, groups
from gradatim.errors import ArgumentError
from gradatim.evaluation.comparison import resample
from gradatim.evaluation.verifier_error import ErrorRates
from gradatim.types import Estimate

FIRST = np.array([0, 0, 1, 1], dtype=bool)  # whether the verifier passes what is in the cell
SECOND = np.array([0, 1, 0, 1], dtype=bool)
START = np.array([0.1, 0.5, 0.5, 0.9])  # chance of right with which the search begins
STEPS, CLOSE = 3000, 1e-9
EVIDENCE = 0.5  # of an attempt, added to each verdict of each kind: keeps rates off 0 and 1


class Agreement(NamedTuple):
    """What two verifiers and the attempts are like, if their errors are independent.

    Attributes:
        first, second: the verifiers; n counts attempts.
        right: Estimate of arrays (group,), share of right attempts.
        agree: share of attempts on which both say the same.
    """

    first: ErrorRates
    second: ErrorRates
    right: Estimate
    agree: float


def agreed_rates(
    first: np.ndarray,
    second: np.ndarray,
    group: np.ndarray,
    *,
    problem: np.ndarray | None = None,
    level: float = 0.95,
    draws: int = 400,
    rng: np.random.Generator | None = None,
) -> Agreement:
    """Rates of error by maximum likelihood of a latent truth, with bootstrap intervals.

    Args:
        first, second: (attempt,) bool, the two verdicts on each attempt.
        group: (attempt,) labels, at least two; shares of right attempts must differ between them,
            and the verifiers' rates must not. Where shares hardly differ, intervals are wide.
        problem: (attempt,) labels of what is resampled; None: attempts.
        level: coverage.
        draws: bootstrap samples.
        rng: of the bootstrap; None starts a fresh one at 0.

    Errors must be independent given the truth: what both get wrong together is not seen, and both
    then look better than they are. The verifiers are taken to be better than guessing.

    Raises:
        ArgumentError: one group, or arrays of different lengths.

    Ref: Hui & Walter 1980, Biometrics 36:167; by EM as Dawid & Skene 1979, Applied
    Statistics 28:20.

    >>> table = np.array([[760, 45, 45, 150], [150, 45, 45, 760]])  # neither, second, first, both
    >>> cell = np.repeat(np.tile(np.arange(4), 2), table.ravel())
    >>> found = agreed_rates(FIRST[cell], SECOND[cell], np.repeat([0, 1], 1000), draws=20)
    >>> print(f"{found.first.false_positive.value:.2f}", found.right.value.round(2))
    0.05 [0.16 0.84]
    """
    first, second, group = np.asarray(first), np.asarray(second), np.asarray(group)
    checks.shapes(first=(first, "attempt"), second=(second, "attempt"), group=(group, "attempt"))
    checks.within(0, 1, first=first, second=second)
    checks.within(*checks.INSIDE, level=level)
    label, n_groups = groups.codes(group)
    if n_groups < 2:
        raise ArgumentError(
            "`group` must have two labels or more: one table of agreement has fewer numbers than "
            "there are unknown rates"
        )
    rng = np.random.default_rng(0) if rng is None else rng
    cell = 4 * label + 2 * first.astype(int) + second.astype(int)
    unit = np.arange(len(cell)) if problem is None else np.asarray(problem)
    checks.shapes(first=(first, "attempt"), problem=(unit, "attempt"))
    if problem is None:
        whole = np.bincount(cell, minlength=4 * n_groups)
        drawn = rng.multinomial(len(cell), whole / len(cell), size=draws)
    else:
        code, size = groups.codes(unit)
        table = np.bincount(code * 4 * n_groups + cell, minlength=size * 4 * n_groups)
        table = table.reshape(size, -1)
        whole, drawn = table.sum(axis=0), resample(size, draws, rng=rng) @ table
    found = _latent(np.concatenate([whole[None], drawn]).reshape(draws + 1, n_groups, 4))
    ends = np.quantile(found[1:], [(1 - level) / 2, (1 + level) / 2], axis=0)
    low, high = np.minimum(ends[0], found[0]), np.maximum(ends[1], found[0])
    rates = [
        Estimate(float(value), float(bottom), float(top), len(cell))
        for value, bottom, top in zip(found[0, :4], low, high, strict=False)
    ]
    return Agreement(
        ErrorRates(*rates[:2]),
        ErrorRates(*rates[2:]),
        Estimate(found[0, 4:], low[4:], high[4:], np.bincount(label)),
        float(np.mean(first == second)),
    )


def _latent(counts: np.ndarray) -> np.ndarray:
    """(draw, 4 + group) false positive and negative rates of both, and shares of right, by EM."""
    total = counts.sum(axis=2)
    right = np.broadcast_to(START, counts.shape)
    found = np.full((len(counts), 4 + counts.shape[1]), np.nan)
    for _ in range(STEPS):
        good = counts * right
        bad = counts - good
        by_good, by_bad = good.sum(axis=1), bad.sum(axis=1)  # (draw, cell)
        sums = by_good.sum(axis=1) + 2 * EVIDENCE, by_bad.sum(axis=1) + 2 * EVIDENCE
        new = np.empty_like(found)
        for at, passes in ((0, FIRST), (2, SECOND)):
            new[:, at] = (by_bad[:, passes].sum(axis=1) + EVIDENCE) / sums[1]
            new[:, at + 1] = (by_good[:, ~passes].sum(axis=1) + EVIDENCE) / sums[0]
        new[:, 4:] = (good.sum(axis=2) + EVIDENCE) / (total + 2 * EVIDENCE)
        if np.nanmax(np.abs(new - found), initial=0) < CLOSE and not np.isnan(found).any():
            break
        found = new
        f1, b1, f2, b2 = (found[:, at, None] for at in range(4))
        if_good = np.where(FIRST, 1 - b1, b1) * np.where(SECOND, 1 - b2, b2)
        if_bad = np.where(FIRST, f1, 1 - f1) * np.where(SECOND, f2, 1 - f2)
        share = found[:, 4:, None]
        good = share * if_good[:, None]
        right = good / (good + (1 - share) * if_bad[:, None])
    return found
