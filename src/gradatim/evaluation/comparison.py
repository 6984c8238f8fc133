"""Is one better than the other? Paired comparisons that resample problems, not attempts.

Attempts on one problem repeat each other; new problems are what a claim is about. So the problem
is the unit that is resampled, inside strata (family and level) where there are some.
Axes: `attempt`, `problem`, `draw` (bootstrap samples).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import special

from gradatim import checks, groups
from gradatim.errors import ArgumentError
from gradatim.scale.rates import wilson
from gradatim.types import Estimate

_BLOCK = 1 << 20  # counts that are drawn at a time: 8 MB, and 4 as float32


class Comparison(NamedTuple):
    """Two arms on the same problems.

    Attributes:
        first, second: Estimate of each arm's mean.
        difference: Estimate of second - first.
        better: share of bootstrap samples in which second > first (ties count half).
        resolved: whether the interval of the difference leaves 0 out.
    """

    first: Estimate
    second: Estimate
    difference: Estimate
    better: float
    resolved: bool


def resample(
    n: int,
    draws: int,
    *,
    rng: np.random.Generator,
    strata: np.ndarray | None = None,
) -> np.ndarray:
    """(draw, n) int: how often each of n problems occurs in each bootstrap sample.

    Args:
        n: problems.
        draws: samples.
        rng: of the draws.
        strata: (n,) labels; each stratum keeps its size in every sample.

    >>> counts = resample(4, 2, rng=np.random.default_rng(0), strata=np.array([0, 0, 0, 1]))
    >>> counts[:, 3], counts.sum(axis=1)
    (array([1, 1]), array([4, 4]))
    """
    counts = np.zeros((draws, n), dtype=np.int64)
    code = np.zeros(n, dtype=int) if strata is None else groups.codes(strata)[0]
    for stratum in range(code.max(initial=-1) + 1):
        members = np.flatnonzero(code == stratum)
        size = len(members)
        # drawn one by one and counted: a multinomial, ten times as fast as numpy's
        drawn = rng.integers(size, size=(draws, size)) + np.arange(draws)[:, None] * size
        times = np.bincount(drawn.ravel(), minlength=draws * size).reshape(draws, size)
        counts[:, members] = times
    return counts


def resampled_means(
    score: np.ndarray,
    draws: int = 2000,
    *,
    rng: np.random.Generator,
    strata: np.ndarray | None = None,
) -> np.ndarray:
    """Means of many solvers over the same resampled problems: one matrix product a block.

    All solvers share each sample, so differences and ranks within a sample are paired.

    Args:
        score: (solver, problem) float, NaN = missing: a mean is over the problems there are.
        draws: samples.
        rng: of the draws.
        strata: (problem,) labels; each stratum keeps its size in every sample.

    Returns:
        (draw, solver) float32; NaN where a sample has no problem of a solver. Counts and sums of
        right and wrong answers are exact in float32 up to 2**24 problems, those of graded ones to
        about 1e-6 of the mean.

    Raises:
        ArgumentError: `score` has not two axes, or no problem.

    Ref: Efron & Tibshirani 1993, chapter 6: a bootstrap sample is how often each problem occurs, a
    multinomial draw, so its means are a product of counts and scores.

    >>> means = resampled_means(np.array([[0.0, 1.0], [1.0, 1.0]]), 4, rng=np.random.default_rng(0))
    >>> means.shape, float(means[:, 1].min())
    ((4, 2), 1.0)
    """
    n = checks.shapes(score=(score, "solver problem"))["problem"]
    if not n:
        raise ArgumentError("`score` must hold at least one problem, got none")
    table = np.asarray(score, dtype=np.float32).T
    there = ~np.isnan(table)
    whole = bool(there.all())
    table = table if whole else np.where(there, table, np.float32(0))
    found = np.empty((draws, table.shape[1]), dtype=np.float32)
    step = max(1, _BLOCK // n)
    for at in range(0, draws, step):
        now = min(step, draws - at)
        weight = resample(n, now, rng=rng, strata=strata).astype(np.float32)
        total = weight @ table
        if whole:
            found[at : at + now] = total / np.float32(n)
        else:
            with np.errstate(invalid="ignore"):
                found[at : at + now] = total / (weight @ there.astype(np.float32))
    return found


def compare(
    first: np.ndarray,
    second: np.ndarray,
    *,
    strata: np.ndarray | None = None,
    draws: int = 4000,
    level: float = 0.95,
    rng: np.random.Generator | None = None,
) -> Comparison:
    """Difference of two arms that answered the same problems, by paired stratified bootstrap.

    Args:
        first, second: (problem,) pass rate or mean score of each arm on each problem.
        strata: (problem,) labels, such as family and level, kept at their sizes; None for one.
        draws: bootstrap samples.
        level: coverage of the intervals (percentiles).
        rng: of the bootstrap; None starts a fresh one at 0.

    Returns:
        Comparison; n is the number of problems.

    Raises:
        ArgumentError: arms of different lengths, NaN, no problem.

    Ref: Efron & Tibshirani 1993, chapters 8 and 13.

    >>> result = compare(np.array([0.0, 0.5, 0.5, 1.0]), np.array([0.5, 1.0, 1.0, 1.0]))
    >>> result.difference.value, result.resolved
    (0.375, True)
    """
    first, second = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    checks.shapes(first=(first, "problem"), second=(second, "problem"))
    if strata is not None:
        checks.shapes(first=(first, "problem"), strata=(strata, "problem"))
    checks.finite(first=first, second=second)
    checks.within(1e-9, 1 - 1e-9, level=level)
    n = len(first)
    if not n:
        raise ArgumentError("`first` must hold at least one problem, got none")
    rng = np.random.default_rng(0) if rng is None else rng
    sides = np.stack([first, second, second - first], axis=1)
    means = resample(n, draws, rng=rng, strata=strata) @ sides / n
    ends = np.quantile(means, [(1 - level) / 2, (1 + level) / 2], axis=0)
    found = [
        Estimate(float(sides[:, j].mean()), float(ends[0, j]), float(ends[1, j]), n)
        for j in range(3)
    ]
    better = float(np.mean(means[:, 2] > 0) + np.mean(means[:, 2] == 0) / 2)
    resolved = bool(found[2].low > 0 or found[2].high < 0)
    return Comparison(found[0], found[1], found[2], better, resolved)


def bootstrap(
    statistic: Callable[[np.ndarray], np.ndarray],
    n: int,
    *,
    strata: np.ndarray | None = None,
    draws: int = 4000,
    level: float = 0.95,
    rng: np.random.Generator | None = None,
) -> Estimate:
    """Any statistic of weighted problems, with a percentile interval.

    Args:
        statistic: (draw, problem) float weights that add up to n -> (draw,) values.
        n: problems.
        strata, draws, level, rng: see `compare`.

    Returns:
        Estimate: the value at equal weights, the interval over resampled problems.
    """
    rng = np.random.default_rng(0) if rng is None else rng
    value = float(statistic(np.ones((1, n)))[0])
    drawn = statistic(resample(n, draws, rng=rng, strata=strata).astype(float))
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value, float(low), float(high), n)


def clustered_mean(score: np.ndarray, problem: np.ndarray, *, level: float = 0.95) -> Estimate:
    """Mean over problems of their mean score, with an error that is robust to repeated attempts.

    Args:
        score: (attempt,) float.
        problem: (attempt,) labels; attempts of one problem are one cluster.
        level: coverage of the interval (normal, Student's t for few problems).

    Returns:
        Estimate; n is the number of problems. One problem: NaN ends.

    Raises:
        ArgumentError: arrays of different lengths, NaN, no attempt.

    Ref: Liang & Zeger 1986, Biometrika 73:13; for evaluations Miller 2024, arXiv 2411.00640,
    section 3; differs: each problem weighs the same, however many attempts it has.

    >>> estimate = clustered_mean(np.array([1.0, 1.0, 0.0, 0.0]), np.array([0, 0, 1, 1]))
    >>> estimate.value, estimate.n
    (0.5, 2)
    """
    score = np.asarray(score, dtype=float)
    checks.shapes(score=(score, "attempt"), problem=(problem, "attempt"))
    checks.finite(score=score)
    if not len(score):
        raise ArgumentError("`score` must hold at least one attempt, got none")
    code, n = groups.codes(problem)
    means = groups.means(score, code, n)
    value = float(means.mean())
    if n < 2:
        return Estimate(value, np.nan, np.nan, n)
    half = special.stdtrit(n - 1, 0.5 + level / 2) * means.std(ddof=1) / np.sqrt(n)
    return Estimate(value, float(value - half), float(value + half), n)


def mean_rate(
    rate: np.ndarray, tried: np.ndarray | None = None, *, level: float = 0.95
) -> Estimate:
    """Mean of problems' rates in [0, 1], with an interval that resamples problems, not attempts.

    Wilson's interval at the number of independent attempts that would vary as much as the problems'
    rates do; where all rates are equal, one attempt a problem. So it also holds at the ends.

    Args:
        rate: (problem,) float in [0, 1].
        tried: (problem,) attempts >= 1 of each: no more are counted than were made; None for
            graded or unknown ones.
        level: coverage of the interval.

    Returns:
        Estimate, its ends in [0, 1]; n is the number of problems.

    Raises:
        ArgumentError: arrays of different lengths, rates outside [0, 1], no problem.

    Ref: Korn & Graubard 1998, Survey Methodology 24:193 (effective sample size).

    >>> print(mean_rate(np.ones(20)))
    1.000 [0.839, 1.000] (n=20)
    >>> print(mean_rate(np.array([1.0, 0.0, 0.5]), np.array([8, 8, 8])))
    0.500 [0.125, 0.875] (n=3)
    """
    rate, most = np.asarray(rate, dtype=float), np.inf
    if tried is not None:
        checks.shapes(rate=(rate, "problem"), tried=(tried, "problem"))
        checks.within(1, np.inf, tried=tried)
        most = float(np.sum(tried))
    checks.within(1, np.inf, **{"number of problems": len(rate)})
    checks.within(0, 1, rate=rate)
    value, n = float(rate.mean()), len(rate)
    noise = float(rate.var(ddof=1)) / n if n > 1 else 0.0
    effective = np.clip(value * (1 - value) / noise if noise > 0 else n, n, most)
    low, high = wilson(np.array(value * effective), np.array(effective), level)
    return Estimate(value, max(0.0, float(low)), min(1.0, float(high)), n)
