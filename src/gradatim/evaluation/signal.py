"""Which subtasks tell models apart, and which add noise? Signal, noise, and what to drop.

Axes: `subtask`, `model` (final models or runs), `checkpoint` (the last ones of a run).
"""

from typing import NamedTuple

import numpy as np
from scipy import special

from gradatim import checks
from gradatim.errors import ArgumentError
from gradatim.scale.rates import pass_rate
from gradatim.types import Estimate

HALVINGS = 60  # of an interval of noncentralities


class Signals(NamedTuple):
    """Signal and noise of each subtask.

    Attributes:
        signal: (subtask,) largest difference of two models' means, over the mean of all.
        noise: (subtask,) Estimate of the standard deviation of one checkpoint's score within a
            run, over the mean of all; chi-square interval.
        snr: (subtask,) Estimate of signal / noise; the interval is that of the noise.
        spread: (subtask,) Estimate of the models' deviation (root mean square about their mean,
            without what noise adds to it) over the noise: below 1, two models differ by less than
            one checkpoint is off. Its interval says which differences could be there.
        p_value: (subtask,) of models that do not differ at all.
    """

    signal: np.ndarray
    noise: Estimate
    snr: Estimate
    spread: Estimate
    p_value: np.ndarray


class Kept(NamedTuple):
    """Which subtasks to average.

    Attributes:
        order: (subtask,) int, by signal to noise on half of the checkpoints, best first.
        snr: (subtask,) of the mean of the first 1, 2, ... of them, on the other half.
        keep: (subtask,) bool, the most whose mean is as good as the best, but for one standard
            error.
    """

    order: np.ndarray
    snr: np.ndarray
    keep: np.ndarray


def signal_to_noise(score: np.ndarray, *, detrend: bool = False, level: float = 0.95) -> Signals:
    """The spread of models beside the spread of one model's last checkpoints.

    Args:
        score: (subtask, model, checkpoint) float, complete: the last n checkpoints of each model.
        detrend: noise is about the curve that all models share and a line of each one's own, not
            about its mean: for runs that still rise.
        level: coverage of the intervals.

    Returns:
        Signals. Noise is within runs: between models there is signal, and pooling both makes all
        subtasks look alike.

    Raises:
        ArgumentError: fewer than two models or two checkpoints, NaN.

    Ref: Heineman et al. 2025, Signal and Noise, arXiv:2508.13144 (relative dispersion over
    relative standard deviation of the last checkpoints); differs: the noise is pooled over runs as
    a root mean square, with an interval; the p-value is that of one-way analysis of variance.
    The interval of `spread` is by the noncentral F distribution: Steiger & Fouladi 1997,
    Noncentrality interval estimation, in What if there were no significance tests?

    >>> score = np.array([[[0.2, 0.3, 0.2, 0.3], [0.6, 0.7, 0.6, 0.7]]])
    >>> found = signal_to_noise(score)
    >>> found.signal.round(3), found.snr.value.round(2)  # 0.4 / 0.45, 0.4 / 0.0577
    (array([0.889]), array([6.93]))
    """
    score = _checked(score)
    _, models, last = score.shape
    mean = score.mean(axis=2)
    centre = mean.mean(axis=1)
    rest = score - mean[:, :, None]
    if detrend:
        if last < 3:
            raise ArgumentError(f"a line needs 3 checkpoints, got {last}")
        time = np.arange(last) - (last - 1) / 2
        rest = rest - rest.mean(axis=1, keepdims=True)
        rest = rest - (rest @ time)[:, :, None] * time / (time @ time)
    df = (models - 1) * (last - 2) if detrend else models * (last - 1)
    inside = (rest**2).sum(axis=(1, 2))
    outer = last * ((mean - centre[:, None]) ** 2).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        signal = np.ptp(mean, axis=1) / centre
        # chdtri takes the upper tail
        noise, low, high = (
            np.sqrt(inside / by) / centre
            for by in (df, *(special.chdtri(df, (1 + s * level) / 2) for s in (-1, 1)))
        )
        low, high = np.minimum(low, high), np.maximum(low, high)
        snr = [np.where(signal == 0, 0.0, signal / v) for v in (noise, high, low)]
        f = (outer / (models - 1)) / (inside / df)
        p_value = special.fdtrc(models - 1, df, f)
    p_value = np.where(inside > 0, p_value, np.where(outer > 0, 0.0, 1.0))
    n = np.full(len(score), models)
    ratio = Estimate(snr[0], snr[1], snr[2], n)
    spread = _spread(f, (models - 1, df), models * last, level)
    return Signals(signal, Estimate(noise, low, high, n), ratio, spread, p_value)


def _spread(f: np.ndarray, df: tuple[int, int], rows: int, level: float) -> Estimate:
    """Deviation of means over that of one row, from F ratios: noncentrality is rows x its square.

    Where there is no noise at all, the deviation is infinite, or unknown where means agree, too.
    """
    sure = np.isfinite(f)
    known = np.where(sure, f, 0.0)
    value = np.sqrt(np.maximum(df[0] * (known - 1), 0) / rows)
    ends = []
    for chance in ((1 + level) / 2, (1 - level) / 2):
        low, high = np.zeros(len(f)), 1000 * (df[0] * known + 100)
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            more = special.ncfdtr(*df, middle, known) > chance
            low, high = np.where(more, middle, low), np.where(more, high, middle)
        ends.append(np.sqrt(high * (special.fdtr(*df, known) > chance) / rows))
    value, bottom = (
        np.where(sure, x, np.where(np.isnan(f), 0.0, np.inf)) for x in (value, ends[0])
    )
    top = np.where(sure, ends[1], np.inf)
    return Estimate(value, np.minimum(bottom, value), np.maximum(top, value), np.full(len(f), rows))


def _checked(score: np.ndarray) -> np.ndarray:
    score = np.asarray(score, dtype=float)
    sizes = checks.shapes(score=(score, "subtask model checkpoint"))
    checks.finite(score=score)
    if sizes["model"] < 2 or sizes["checkpoint"] < 2:
        raise ArgumentError(
            "`score` must hold two models and two checkpoints of each, got "
            f"{sizes['model']} and {sizes['checkpoint']}"
        )
    return score


def filter_subtasks(score: np.ndarray, *, weight: np.ndarray | None = None) -> Kept:
    """The subtasks whose mean tells models apart best.

    Subtasks are ordered by signal to noise on every other checkpoint, and the mean of the first k
    is judged on the others: what is best by luck is not best twice.

    Args:
        score: (subtask, model, checkpoint) float, complete, at least 4 checkpoints.
        weight: (subtask,) of each in a mean, say its items; None: equal.

    Ref: Heineman et al. 2025, arXiv:2508.13144, section 5 (subsets by signal to noise); differs:
    ordered and judged on different checkpoints.

    >>> rng = np.random.default_rng(0)
    >>> able = np.linspace(0.4, 0.6, 6)[:, None] + np.zeros((4, 6, 8))
    >>> able[2:] = 0.5  # on which models do not differ
    >>> noise = rng.normal(0, 1, able.shape) * np.array([0.02, 0.02, 0.2, 0.2])[:, None, None]
    >>> filter_subtasks(able + noise).keep
    array([ True,  True, False, False])
    """
    score = _checked(score)
    if score.shape[2] < 4:
        raise ArgumentError(f"`score` must hold 4 checkpoints, got {score.shape[2]}")
    share = np.ones(len(score)) if weight is None else np.asarray(weight, dtype=float)
    checks.shapes(score=(score, "subtask model checkpoint"), weight=(share, "subtask"))
    checks.within(*checks.POSITIVE, weight=share)
    first, second = score[:, :, ::2], score[:, :, 1::2]
    if second.shape[2] < 2:
        first, second = score[:, :, :2], score[:, :, 2:]
    order = np.argsort(-signal_to_noise(first).snr.value, kind="stable")
    scaled = share[order, None, None] * second[order]
    means = np.cumsum(scaled, axis=0) / np.cumsum(share[order])[:, None, None]
    snr = np.asarray(signal_to_noise(means).snr.value)
    df = second.shape[1] * (second.shape[2] - 1)
    error = np.exp(-1 / np.sqrt(2 * df))  # of a deviation, as a factor
    best = int(np.flatnonzero(snr >= snr.max() * error)[-1])
    keep = np.zeros(len(score), dtype=bool)
    keep[order[: best + 1]] = True
    return Kept(order, snr, keep)


def decision_accuracy(small: np.ndarray, large: np.ndarray, *, level: float = 0.95) -> Estimate:
    """How often does the small scale pick the better of two models at the large one?

    Args:
        small, large: (model,) scores of the same models (data sets, recipes) at both scales.
        level: coverage; the error is by leaving out each model in turn, since pairs share models.

    Returns:
        Estimate in [0, 1]; n is the number of models. A tie at one scale counts half, pairs that
        are tied at both scales too. Fewer than three models: NaN ends. Where all pairs are right,
        or none is, the interval is that of n / 2 pairs without a common model (Wilson).

    Raises:
        ArgumentError: shapes that do not fit; fewer than two models.

    Ref: Magnusson et al. 2025, DataDecide, arXiv:2504.11393; Heineman et al. 2025,
    arXiv:2508.13144; jackknife of U-statistics, Arvesen 1969, Annals of Math. Statistics 40:2076.

    >>> large = np.arange(8.0)
    >>> print(decision_accuracy(large[[1, 0, 2, 3, 4, 5, 6, 7]], large))
    0.964 [0.835, 1.000] (n=8)
    """
    small, large = np.asarray(small, dtype=float), np.asarray(large, dtype=float)
    n = checks.shapes(small=(small, "model"), large=(large, "model"))["model"]
    checks.finite(small=small, large=large)
    if n < 2:
        raise ArgumentError(f"a decision is between two models, got {n}")
    same = np.sign(small[:, None] - small) * np.sign(large[:, None] - large)
    hits = (same + 1) / 2
    np.fill_diagonal(hits, 0)
    total, by_model = float(hits.sum()) / 2, hits.sum(axis=1)
    value = total / (n * (n - 1) / 2)
    if n < 3:
        return Estimate(value, np.nan, np.nan, n)
    without = (total - by_model) / ((n - 1) * (n - 2) / 2)
    if value in (0.0, 1.0):
        apart = np.array([n // 2])
        edge = pass_rate(value * apart, apart, level=level)
        return Estimate(value, float(edge.low[0]), float(edge.high[0]), n)
    error = np.sqrt((n - 1) / n * ((without - without.mean()) ** 2).sum())
    half = float(special.stdtrit(n - 1, 0.5 + level / 2) * error)
    return Estimate(value, max(value - half, 0.0), min(value + half, 1.0), n)
