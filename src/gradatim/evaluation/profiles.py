"""Who reaches the target first, over many workloads: performance profiles and their score.

Axes: `arm` (what is compared), `workload`, `run` (repeats of an arm on a workload, such as seeds),
`point` (factors tau), `draw` (bootstrap samples).
"""

from typing import NamedTuple

import numpy as np
from scipy import special

from gradatim import checks
from gradatim.errors import ArgumentError
from gradatim.evaluation.comparison import resample
from gradatim.types import Estimate

R_MAX = 4.0  # of AlgoPerf: four times as slow as the best counts as never


class Profiles(NamedTuple):
    """Performance profiles of several arms.

    Attributes:
        ratio: (arm, workload) float >= 1, median cost over that of the workload's best arm; inf
            where half of the runs never reach the target.
        tau: (point,) float, factors from 1 to r_max.
        share: Estimate of arrays (arm, point): share of workloads whose ratio is at most tau.
        score: Estimate of arrays (arm,): the area below the share, 1 = always the fastest.
        gain: Estimate of arrays (arm,): score minus that of the arm `against`; None without one.
        reached: (arm,) share of runs that reach the target.
    """

    ratio: np.ndarray
    tau: np.ndarray
    share: Estimate
    score: Estimate
    gain: Estimate | None
    reached: np.ndarray


def ratios(middle: np.ndarray) -> np.ndarray:
    """(..., arm, workload) cost over the lowest of the workload; inf where nobody gets there.

    >>> ratios(np.array([[10.0, np.inf], [20.0, np.inf]]))
    array([[ 1., inf],
           [ 2., inf]])
    """
    best = middle.min(axis=-2, keepdims=True)
    with np.errstate(invalid="ignore"):
        return np.where(np.isinf(middle), np.inf, middle / best)


def scores(ratio: np.ndarray, r_max: float = R_MAX) -> np.ndarray:
    """(...) area below the profile from 1 to r_max, as a share of it; workloads are the last axis.

    A workload with ratio r adds max(0, r_max - r) / (r_max - 1), so the integral is exact.

    >>> scores(np.array([[1.0, 2.5], [1.0, np.inf]]), 4.0)
    array([0.75, 0.5 ])
    """
    return np.clip((r_max - ratio) / (r_max - 1), 0, 1).mean(axis=-1)


def performance_profiles(
    cost: np.ndarray,
    *,
    against: int | None = None,
    r_max: float = R_MAX,
    points: int = 61,
    sampled: bool = False,
    draws: int = 1000,
    level: float = 0.95,
    rng: np.random.Generator | None = None,
) -> Profiles:
    """Share of workloads on which an arm needs at most tau times the best arm's cost.

    Args:
        cost: (arm, workload, run) float > 0 to the workload's target; inf = never reached, NaN =
            there is no such run. A workload's cost is the median over its runs.
        against: index of the arm that scores are compared with.
        r_max: factor from which on an arm might as well not arrive, > 1.
        points: of the profile, evenly from 1 to r_max.
        sampled: the workloads stand for others like them and are resampled too; else the interval
            is of these workloads, over their runs.
        draws: bootstrap samples; run i of all arms is drawn together, as they share what it is.
        level: coverage of the intervals: percentiles, widened for few workloads where these are
            resampled; n counts workloads.
        rng: of the bootstrap; None starts a fresh one at 0.

    Raises:
        ArgumentError: costs that are not positive, an arm without any run on a workload, or one
            workload as a sample.

    Ref: Dolan & More 2002, Mathematical Programming 91:201 (profiles); Dahl et al. 2023,
    arXiv:2306.07179, section 4 (medians over repeats, score up to r_max = 4). Differs: intervals,
    by bootstrap (widened as in Hesterberg 2015, American Statistician 69:371).

    >>> found = performance_profiles(np.array([[[10.0], [20.0]], [[20.0], [10.0]]]), points=4)
    >>> found.tau, found.share.value
    (array([1., 2., 3., 4.]), array([[0.5, 1. , 1. , 1. ],
           [0.5, 1. , 1. , 1. ]]))
    """
    cost = np.asarray(cost, dtype=float)
    sizes = checks.shapes(cost=(cost, "arm workload run"))
    arms, workloads, runs = sizes["arm"], sizes["workload"], sizes["run"]
    if not min(arms, workloads, runs):
        raise ArgumentError(f"`cost` must hold arms, workloads and runs, got shape {cost.shape}")
    there = ~np.isnan(cost)
    checks.within(*checks.POSITIVE, cost=cost[there])
    if not there.any(axis=2).all():
        arm, workload = np.argwhere(~there.any(axis=2))[0]
        raise ArgumentError(f"`cost` has no run of arm {arm} on workload {workload}")
    checks.within(1 + 1e-9, np.inf, r_max=r_max)
    checks.finite(r_max=r_max)
    checks.whole(2, 10**6, points=points)
    checks.whole(1, 10**7, draws=draws)
    checks.within(*checks.INSIDE, level=level)
    if against is not None:
        checks.whole(0, arms - 1, against=against)
    rng = np.random.default_rng(0) if rng is None else rng
    tau = np.linspace(1, r_max, points)
    ratio = ratios(np.nanmedian(cost, axis=2))
    drawn = ratios(_middles(cost, there, rng.random((draws, workloads, runs))))
    if sampled:
        times = resample(workloads, draws, rng=rng)
        picked = np.repeat(np.tile(np.arange(workloads), draws), times.ravel())
        at = picked.reshape(draws, 1, workloads)
        drawn = np.take_along_axis(drawn, np.broadcast_to(at, drawn.shape), axis=2)

    wide = _widening(workloads, level) if sampled else 1.0

    def interval(value: np.ndarray, samples: np.ndarray, lowest: float = 0.0) -> Estimate:
        samples = np.clip(value + wide * (samples - value), lowest, 1)
        low, high = np.quantile(samples, [(1 - level) / 2, (1 + level) / 2], axis=0)
        return Estimate(value, np.minimum(low, value), np.maximum(high, value), workloads)

    share, shares = (
        np.stack([(x <= t + 1e-12).mean(axis=-1) for t in tau], axis=-1) for x in (ratio, drawn)
    )
    score, resampled = scores(ratio, r_max), scores(drawn, r_max)
    gain = None
    if against is not None:
        gain = interval(score - score[against], resampled - resampled[:, against, None], -1.0)
    reached = np.isfinite(np.where(there, cost, np.inf)).sum(axis=(1, 2)) / there.sum(axis=(1, 2))
    return Profiles(ratio, tau, interval(share, shares), interval(score, resampled), gain, reached)


def _widening(workloads: int, level: float) -> float:
    """Of percentiles over few workloads, which are too near: as a normal beside Student's t."""
    if workloads < 2:
        raise ArgumentError("`sampled` takes at least two workloads, got 1")
    normal, student = (
        special.ndtri(0.5 + level / 2),
        special.stdtrit(workloads - 1, 0.5 + level / 2),
    )
    return float(student / normal * np.sqrt(workloads / (workloads - 1)))


def _middles(cost: np.ndarray, there: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """(draw, arm, workload) medians of resampled runs.

    One uniform number of a workload and place serves all arms: where all have the same runs they
    draw the same ones, and where runs are missing each draws among its own.
    """
    found = np.empty((len(chance), *cost.shape[:2]))
    for arm, workload in np.ndindex(*cost.shape[:2]):
        own = cost[arm, workload][there[arm, workload]]
        picked = own[(chance[:, workload, : len(own)] * len(own)).astype(int)]
        found[:, arm, workload] = np.median(picked, axis=1)
    return found
