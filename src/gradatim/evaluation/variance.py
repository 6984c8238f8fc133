"""How much of a score is the seed? And does it rise with training, or only wander?

Axes: `seed` (runs that differ in nothing else), `item`, `run`, `checkpoint`, `pair`.
"""

from typing import NamedTuple

import numpy as np
from scipy import special

from gradatim import checks, groups
from gradatim.errors import ArgumentError
from gradatim.evaluation.comparison import resampled_means
from gradatim.types import Estimate


class Seeds(NamedTuple):
    """What changes with the seed alone.

    Attributes:
        mean: Estimate over seeds: what one more seed would be drawn around.
        items: Estimate of the same mean, interval over items (bootstrap): seeds as they are.
        spread: Estimate of the standard deviation of a seed's score.
        luck: standard deviation that a score would have if seeds did not differ: attempts are
            right or wrong by chance.
        net: Estimate of the standard deviation without that luck.
        snr: Estimate of mean / spread.
        p_value: of seeds that do not differ, see `block_test`.
    """

    mean: Estimate
    items: Estimate
    spread: Estimate
    luck: float
    net: Estimate
    snr: Estimate
    p_value: float


class Gaps(NamedTuple):
    """Neighbours in the order of their means, and whether seeds alone could part them.

    Attributes:
        better, worse: (pair,) labels.
        difference: (pair,) Estimate of means over seeds; n is the number of seeds of both.
        within: (pair,) bool, difference within the noise.
        spread: Estimate of the pooled standard deviation over seeds.
    """

    better: np.ndarray
    worse: np.ndarray
    difference: Estimate
    within: np.ndarray
    spread: Estimate


class Monotonicity(NamedTuple):
    """Does the score rise with every checkpoint?

    Attributes:
        tau: Estimate of Kendall's rank correlation of score and step, mean over runs; no interval
            (NaN) of a single run.
        by_run: (run,) tau; NaN where a run's score never changes.
        rises, falls: p-values of scores in random order against either trend.
    """

    tau: Estimate
    by_run: np.ndarray
    rises: float
    falls: float


def deviation(values: np.ndarray, *, df: int | None = None, level: float = 0.95) -> Estimate:
    """Standard deviation with the chi-square interval of normal values.

    Args:
        values: (seed,) scores; with `df`, deviations from means of their own groups.
        df: degrees of freedom; None: one less than values.
        level: coverage.

    Returns:
        Estimate; n is df + 1.

    Raises:
        ArgumentError: fewer than two values, or NaN.

    >>> print(deviation(np.array([0.0, 1.0, 2.0])))
    1.000 [0.521, 6.285] (n=3)
    """
    values = np.asarray(values, dtype=float)
    checks.shapes(values=(values, "seed"))
    checks.finite(values=values)
    if df is None:
        if len(values) < 2:
            raise ArgumentError(f"a spread over seeds needs at least two, got {len(values)}")
        values, df = values - values.mean(), len(values) - 1
    square = float(values @ values)
    # chdtri takes the upper tail
    high, low = (square / special.chdtri(df, (1 + s * level) / 2) for s in (1, -1))
    return Estimate(float(np.sqrt(square / df)), float(np.sqrt(low)), float(np.sqrt(high)), df + 1)


def block_test(score: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Do rows differ by more than chance, on the same columns?

    Args:
        score: (seed, item) float, complete.

    Returns:
        (seed,) means; the standard deviation that chance gives to one; p-value of rows that could
        trade places on every item. Nothing that differs: 1.

    Ref: Cochran 1950, Biometrika 37:256 (Q), in the form for graded scores by permutation inside
    blocks (Quade 1979, JASA 74:680), its chi-square approximation.

    >>> table = np.array([[1, 1, 1, 1, 0.0], [1, 0, 0, 0, 0], [0, 1, 0, 0, 0]])
    >>> round(block_test(table)[2], 3)  # Q = 2 * 6 / 2.667 = 4.5
    0.105
    """
    score = np.asarray(score, dtype=float)
    sizes = checks.shapes(score=(score, "seed item"))
    checks.finite(score=score)
    n, items = sizes["seed"], sizes["item"]
    if n < 2 or not items:
        raise ArgumentError(f"`score` must hold two rows and an item, got shape {score.shape}")
    mean = score.mean(axis=1)
    inside = float(((score - score.mean(axis=0)) ** 2).sum())
    outer = float(((mean - mean.mean()) ** 2).sum())
    if inside <= 1e-12:
        return mean, 0.0, 1.0
    df = n - 1
    luck = max(inside - items * outer, 0.0) / (df * max(items - 1, 1)) / items
    return mean, float(np.sqrt(luck)), float(special.chdtrc(df, df * items**2 * outer / inside))


def seed_variance(score: np.ndarray, *, level: float = 0.95, draws: int = 1000) -> Seeds:
    """The variance of a score over seeds, split from the luck of its attempts.

    Args:
        score: (seed, item) float, complete: all seeds on the same items.
        level: coverage of the intervals.
        draws: bootstrap samples of items.

    Returns:
        Seeds.

    Raises:
        ArgumentError: fewer than two seeds, no item, NaN.

    Ref: Madaan et al. 2024, arXiv:2406.10229 (seed mean and standard deviation, bootstrap over
    items, mean / deviation); differs: the deviation has its chi-square interval, and what attempts
    add by chance is taken off by two-way analysis of variance (Searle et al. 1992, section 4.3).

    >>> rng = np.random.default_rng(0)
    >>> chance = 0.5 + rng.normal(0, 0.05, (8, 1))
    >>> found = seed_variance((rng.random((8, 2000)) < chance).astype(float))
    >>> found.net.low < 0.05 < found.net.high, found.p_value < 1e-4
    (True, True)
    """
    checks.within(1e-9, 1 - 1e-9, level=level)
    mean, luck, p_value = block_test(score)
    n, items = np.shape(score)
    spread = deviation(mean, level=level)
    centre = float(mean.mean())
    half = special.stdtrit(n - 1, 0.5 + level / 2) * spread.value / np.sqrt(n)
    drawn = resampled_means(np.mean(score, axis=0)[None], draws, rng=np.random.default_rng(0))
    low, high = np.quantile(drawn[:, 0], [(1 - level) / 2, (1 + level) / 2])
    value, near, far = spread.value, spread.low, spread.high
    net = [float(np.sqrt(max(v * v - luck * luck, 0.0))) for v in (value, near, far)]
    snr = [centre / v if v > 0 else np.inf for v in (value, far, near)]
    return Seeds(
        Estimate(centre, centre - half, centre + half, n),
        Estimate(centre, float(low), float(high), items),
        spread,
        luck,
        Estimate(net[0], net[1], net[2], n),
        Estimate(snr[0], snr[1], snr[2], n),
        p_value,
    )


def seed_gaps(score: np.ndarray, group: np.ndarray, *, level: float = 0.95) -> Gaps:
    """Which differences between neighbours are within what seeds alone make?

    Args:
        score: (run,) float.
        group: (run,) labels: runs of one label differ in their seed only. A label with one run is
            judged by the spread of the others.
        level: coverage of the intervals; a difference whose interval holds 0 is within the noise.

    Raises:
        ArgumentError: no label with two runs, or one label only.

    Ref: Madaan et al. 2024, arXiv:2406.10229, section 3; differs: Student's t of the pooled
    deviation in place of two standard deviations.

    >>> score, group = np.array([0.50, 0.54, 0.51, 0.55, 0.90, 0.94]), np.array([*"aabbcc"])
    >>> seed_gaps(score, group).within
    array([False,  True])
    """
    score = np.asarray(score, dtype=float)
    checks.shapes(score=(score, "run"), group=(group, "run"))
    checks.finite(score=score)
    names = np.unique(group)
    code, many = groups.codes(group)
    df = len(score) - many
    if many < 2 or df < 1:
        raise ArgumentError("`group` must hold two labels, and one of them twice")
    spread = deviation(groups.deviations(score, code, many), df=df, level=level)
    mean, n = groups.means(score, code, many), groups.counts(code, many)
    order = np.argsort(-mean, kind="stable")
    first, second = order[:-1], order[1:]
    gap = mean[first] - mean[second]
    half = special.stdtrit(df, 0.5 + level / 2) * spread.value
    half = half * np.sqrt(1 / n[first] + 1 / n[second])
    difference = Estimate(gap, gap - half, gap + half, n[first] + n[second])
    return Gaps(names[first], names[second], difference, gap <= half, spread)


def monotonicity(
    score: np.ndarray, step: np.ndarray | None = None, *, level: float = 0.95
) -> Monotonicity:
    """Kendall's rank correlation of score and step, run by run.

    Args:
        score: (run, checkpoint) float; NaN = no such checkpoint.
        step: (checkpoint,) or of the shape of `score`; None: 0, 1, 2, ...
        level: coverage (Student's t over runs).

    Returns:
        Monotonicity. Tests take noise as independent from checkpoint to checkpoint.

    Raises:
        ArgumentError: shapes that do not fit; fewer than 3 checkpoints in every run.

    Ref: Madaan et al. 2024, arXiv:2406.10229 (mean over seeds of Kendall's tau); the trend by
    Mann 1945, Econometrica 13:245, with ties as in Kendall 1975; differs: tau-b, runs pooled.

    >>> found = monotonicity(np.array([[0.1, 0.3, 0.2, 0.5], [0.2, 0.3, 0.4, 0.5]]))
    >>> found.by_run.round(3), round(found.tau.value, 3)
    (array([0.667, 1.   ]), 0.833)
    """
    score = np.asarray(score, dtype=float)
    sizes = checks.shapes(score=(score, "run checkpoint"))
    if step is None:
        step = np.arange(sizes["checkpoint"])
    step = np.broadcast_to(np.asarray(step, dtype=float), score.shape)
    total, variance, tau = 0.0, 0.0, []
    for x, y in zip(step, score, strict=True):
        there = ~np.isnan(y)
        if there.sum() < 3:
            continue
        s, var, top = _pairs(x[there], y[there])
        total, variance = total + s, variance + var
        tau.append(s / top if top > 0 else np.nan)
    if not tau:
        raise ArgumentError("`score` must hold a run with at least 3 checkpoints")
    by_run = np.array(tau)
    known = by_run[~np.isnan(by_run)]
    n, centre = len(known), float(known.mean()) if len(known) else np.nan
    low = high = np.nan
    if n > 1:
        half = special.stdtrit(n - 1, 0.5 + level / 2) * known.std(ddof=1) / np.sqrt(n)
        low, high = max(centre - half, -1.0), min(centre + half, 1.0)
    error = np.sqrt(variance)
    rises, falls = (
        float(special.ndtr(-(sign * total - 1) / error)) if error > 0 else 1.0 for sign in (1, -1)
    )
    return Monotonicity(Estimate(centre, float(low), float(high), n), by_run, rises, falls)


def _pairs(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """Concordant less discordant pairs, their variance in random order, and tau-b's divisor."""
    up = np.sign(x[:, None] - x) * np.sign(y[:, None] - y)
    n = len(x)
    tied = [np.unique(v, return_counts=True)[1].astype(float) for v in (x, y)]
    pairs = n * (n - 1) / 2
    free = [pairs - float((t * (t - 1)).sum()) / 2 for t in tied]

    def cubic(t: np.ndarray) -> float:
        return float((t * (t - 1) * (2 * t + 5)).sum())

    def triple(t: np.ndarray) -> float:
        return float((t * (t - 1) * (t - 2)).sum())

    def double(t: np.ndarray) -> float:
        return float((t * (t - 1)).sum())

    a, b = tied
    variance = (n * (n - 1) * (2 * n + 5) - cubic(a) - cubic(b)) / 18
    variance += triple(a) * triple(b) / (9 * n * (n - 1) * max(n - 2, 1))
    variance += double(a) * double(b) / (2 * n * (n - 1))
    return float(up.sum()) / 2, variance, float(np.sqrt(free[0] * free[1]))
