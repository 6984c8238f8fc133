"""Do confidences mean what they say? Brier score and its parts, calibration error, balance, skill.

Axes: `row` (an attempt with a confidence), `bin`, `problem` (what is resampled), `draw`.
"""

from typing import NamedTuple

import numpy as np
from scipy import special

from gradatim import checks, groups
from gradatim.errors import ArgumentError
from gradatim.evaluation.comparison import clustered_mean
from gradatim.scale.rates import wilson
from gradatim.types import Estimate

KINDS = ("mass", "width")


def checked(
    confidence: np.ndarray, right: np.ndarray, problem: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Float confidences, float outcomes and labels of what is resampled; refused where wrong."""
    confidence, right = np.asarray(confidence, dtype=float), np.asarray(right, dtype=float)
    label = np.arange(len(right)) if problem is None else np.asarray(problem)
    checks.shapes(confidence=(confidence, "row"), right=(right, "row"), problem=(label, "row"))
    checks.within(0, 1, confidence=confidence, right=right)
    if not len(right):
        raise ArgumentError("`confidence` must hold at least one row, got none")
    if not np.isin(right, (0.0, 1.0)).all():
        raise ArgumentError("`right` must be 0 or 1: scores need a threshold before calibration")
    return confidence, right, label


class Bins(NamedTuple):
    """Confidence against what came true, from low to high confidence; no bin is empty.

    Attributes:
        predicted, observed: (bin,) means.
        low, high: (bin,) 95% Wilson interval of `observed`, rows taken as independent.
        n: (bin,) rows.
        place: (row,) int, the bin of each row.
    """

    predicted: np.ndarray
    observed: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n: np.ndarray
    place: np.ndarray


def reliability_bins(
    confidence: np.ndarray, right: np.ndarray, *, bins: int = 15, kind: str = "mass"
) -> Bins:
    """The reliability diagram: rows in bins of confidence.

    Args:
        confidence: (row,) float in [0, 1], the chance given that the row is right.
        right: (row,) 0 or 1.
        bins: how many at most.
        kind: "mass", equally many rows in each (adaptive; equal confidences stay together), or
            "width", equal parts of [0, 1].

    Ref: Naeini, Cooper & Hauskrecht 2015 (width); Nguyen & O'Connor 2015 (mass).

    >>> reliability_bins(np.array([0.1, 0.2, 0.8, 0.9]), np.array([0, 0, 1, 1]), bins=2).observed
    array([0., 1.])
    """
    confidence, right, _ = checked(confidence, right)
    checks.whole(1, 10**6, bins=bins)
    checks.one_of("kind", kind, KINDS)
    if kind == "width":
        place = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    else:
        value, code, count = np.unique(confidence, return_inverse=True, return_counts=True)
        middle = np.cumsum(count) - count / 2
        place = np.minimum((middle * bins / len(right)).astype(np.int64), bins - 1)[code]
        assert len(value)
    code, size = groups.codes(place)
    n = groups.counts(code, size)
    hits = groups.sums(right, code, size)
    low, high = wilson(hits, n, 0.95)
    return Bins(groups.means(confidence, code, size), hits / n, low, high, n, code)


class BrierParts(NamedTuple):
    """Brier score = reliability - resolution + uncertainty + spread - covariance, exactly.

    Attributes:
        brier: mean squared distance of confidence and outcome.
        reliability: how far bins are from the diagonal (0 is best).
        resolution: how far bins are from the mean outcome (large is best).
        uncertainty: variance of the outcome, the score of always giving its mean.
        spread: variance of confidences inside bins.
        covariance: twice the covariance of confidence and outcome inside bins.
    """

    brier: float
    reliability: float
    resolution: float
    uncertainty: float
    spread: float
    covariance: float


def brier_parts(
    confidence: np.ndarray, right: np.ndarray, *, bins: int = 15, kind: str = "mass"
) -> BrierParts:
    """Brier score and its parts.

    Args:
        confidence, right, bins, kind: see `reliability_bins`.

    Ref: Murphy 1973, J. Applied Meteorology 12:595; the terms inside bins, without which the parts
    do not add up, Stephenson, Coelho & Jolliffe 2008, Weather and Forecasting 23:752.

    >>> parts = brier_parts(np.array([0.1, 0.2, 0.8, 0.9]), np.array([0, 0, 1, 1]), bins=2)
    >>> [round(part, 4) for part in parts]
    [0.025, 0.0225, 0.25, 0.25, 0.0025, 0.0]
    """
    table = reliability_bins(confidence, right, bins=bins, kind=kind)
    confidence, right, _ = checked(confidence, right)
    share, mean = table.n / len(right), right.mean()
    said, came = confidence - table.predicted[table.place], right - table.observed[table.place]
    return BrierParts(
        float(np.mean((confidence - right) ** 2)),
        float(share @ (table.predicted - table.observed) ** 2),
        float(share @ (table.observed - mean) ** 2),
        float(mean * (1 - mean)),
        float(np.mean(said**2)),
        float(2 * np.mean(said * came)),
    )


def brier(
    confidence: np.ndarray,
    right: np.ndarray,
    *,
    problem: np.ndarray | None = None,
    level: float = 0.95,
) -> Estimate:
    """Mean squared distance of confidence and outcome, each problem weighing the same.

    Ref: Brier 1950, Monthly Weather Review 78:1.

    >>> brier(np.array([0.5, 0.5, 1.0]), np.array([0, 1, 1])).value.__round__(3)
    0.167
    """
    confidence, right, label = checked(confidence, right, problem)
    return clustered_mean((confidence - right) ** 2, label, level=level)


def balance(
    confidence: np.ndarray,
    right: np.ndarray,
    *,
    problem: np.ndarray | None = None,
    level: float = 0.95,
) -> Estimate:
    """Accuracy of the side that confidence takes, minus the confidence in that side.

    Below 0: confidences are too far from 1/2, above: too near. No bins, and no bias. Its size is
    the true calibration error where that holds of all of them alike; where some are too far and
    some too near, errors cancel and the size is only a lower bound.

    Args:
        confidence, right: see `reliability_bins`; a confidence of .5 takes the side "right".
        problem: (row,) labels of what is resampled; each weighs the same.
        level: coverage.

    Ref: Choi, Kim & Lee 2023, Balance score, arXiv 2309.06248.

    >>> balance(np.array([0.9, 0.9, 0.2, 0.6]), np.array([1, 0, 0, 1])).value.__round__(3)
    -0.05
    """
    confidence, right, label = checked(confidence, right, problem)
    took = (confidence >= 0.5) == (right > 0)
    return clustered_mean(took - np.maximum(confidence, 1 - confidence), label, level=level)


class CalibrationError(NamedTuple):
    """Expected calibration error, and how much of it is chance.

    Attributes:
        plug_in: sum over bins of share x |observed - predicted|; too high by chance.
        debiased: Estimate without that chance; 0 where it explains all. n counts problems.
        chance: plug-in to expect of confidences that are right.
        p_value: chance of a plug-in this large if they were right.
        bins: the diagram.
    """

    plug_in: float
    debiased: Estimate
    chance: float
    p_value: float
    bins: Bins


def calibration_error(
    confidence: np.ndarray,
    right: np.ndarray,
    *,
    problem: np.ndarray | None = None,
    bins: int = 15,
    kind: str = "mass",
    level: float = 0.95,
    draws: int = 2000,
    rng: np.random.Generator | None = None,
) -> CalibrationError:
    """Expected calibration error with what chance adds to it taken off, and a test of calibration.

    Chance turns every gap of a bin into a larger one. The gaps that are seen, all made smaller by
    one factor, are taken for the true ones such that they lead to the plug-in that is seen; the
    interval holds the factors under which that plug-in is no surprise.

    Args:
        confidence, right, bins, kind: see `reliability_bins`.
        problem: (row,) labels; attempts of one problem err together, which widens all.
        level: coverage of the interval.
        draws: of the gaps that chance alone leads to, for the p-value.
        rng: of the draws; None starts a fresh one at 0.

    Gaps inside a bin cancel and are not seen: few bins understate the error of confidences that are
    wrong now to one side, now to the other.

    Ref: Guo et al. 2017, arXiv 1706.04599 (plug-in); Kumar, Liang & Ma 2019, arXiv 1909.10155,
    section 4 (normal gaps); Broecker & Smith 2007, Weather and Forecasting 22:651 (what chance
    leads to). Differs: Kumar et al. take the excess at the gap that is seen, which leaves more than
    half of the bias where confidences are right.

    >>> confidence = np.repeat([0.2, 0.5, 0.8], 100)
    >>> right = np.tile(np.arange(100), 3) < np.repeat([10, 40, 70], 100)  # too high by .1
    >>> found = calibration_error(confidence, right)
    >>> round(found.plug_in, 3), round(found.chance, 2), found.p_value < 0.01
    (0.1, 0.03, True)
    """
    table = reliability_bins(confidence, right, bins=bins, kind=kind)
    confidence, right, label = checked(confidence, right, problem)
    checks.within(*checks.INSIDE, level=level)
    checks.whole(1, 10**6, draws=draws)
    rng = np.random.default_rng(0) if rng is None else rng
    share, gap = table.n / len(right), table.observed - table.predicted
    noise = _noise(confidence - right, label, table)
    plug_in = float(share @ np.abs(gap))
    z = float(special.ndtri(0.5 + level / 2))
    value, low, high = (
        plug_in * _factor(plug_in, gap, x, share=share, noise=noise) for x in (0.0, z, -z)
    )
    size = len(np.unique(label))
    by_chance = np.abs(rng.normal(0, noise, (draws, len(noise)))) @ share
    return CalibrationError(
        plug_in,
        Estimate(value, min(low, value), max(high, value), size),
        float(_folded(np.zeros_like(gap), noise)[0] @ share),
        float((np.sum(by_chance >= plug_in - 1e-12) + 1) / (draws + 1)),
        table,
    )


def _noise(left: np.ndarray, label: np.ndarray, table: Bins) -> np.ndarray:
    """(bin,) standard error of each gap; rows of a problem may err together."""
    n, n_bins = table.n, len(table.n)
    code, size = groups.codes(label)
    left = left - groups.means(left, table.place, n_bins)[table.place]
    sums = np.bincount(code * n_bins + table.place, left, size * n_bins).reshape(size, n_bins)
    share = (table.observed * n + 0.5) / (n + 1)  # a bin of all right is not free of noise
    alone = share * (1 - share) / n
    if size == len(label):
        return np.sqrt(np.maximum(np.sum(sums**2, axis=0) / n**2, alone))
    return np.sqrt(np.maximum(np.sum(sums**2, axis=0) / n**2 * size / max(size - 1, 1), alone))


def _folded(gap: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(bin,) mean and variance of |gap + noise x a standard normal|."""
    z = gap / noise
    mean = noise * (z * special.erf(z / np.sqrt(2)) + np.sqrt(2 / np.pi) * np.exp(-z * z / 2))
    return mean, np.maximum(gap**2 + noise**2 - mean**2, 0.0)


def _factor(
    plug_in: float, gap: np.ndarray, z: float, *, share: np.ndarray, noise: np.ndarray
) -> float:
    """Factor on the gaps at which `plug_in` is z standard errors above what is to be expected."""

    def excess(factor: float) -> float:
        mean, variance = _folded(factor * gap, noise)
        return float(plug_in - share @ mean - z * np.sqrt(share**2 @ variance))

    low, high = 0.0, 1.0
    if excess(low) <= 0:
        return 0.0
    while excess(high) > 0:
        low, high = high, 2 * high
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle) > 0 else (low, middle)
    return high


def skill(
    confidence: np.ndarray,
    right: np.ndarray,
    *,
    problem: np.ndarray | None = None,
    level: float = 0.95,
) -> Estimate:
    """Brier skill score: 1 - Brier / Brier of always giving the share of right rows.

    1 is perfect, 0 no better than the mean, below 0 worse. NaN where all rows came out alike.

    Args:
        confidence, right, problem, level: see `calibration_error`; the interval is normal,
            linearised over problems.

    Ref: Brier & Allen 1951; for code models Spiess et al. 2024, arXiv 2402.02047, section 4.

    >>> skill(np.array([0.9, 0.8, 0.3, 0.2]), np.array([1, 1, 0, 0])).value.__round__(3)
    0.82
    """
    confidence, right, label = checked(confidence, right, problem)
    code, size = groups.codes(label)
    mean, losses = float(right.mean()), (confidence - right) ** 2
    room, loss = mean * (1 - mean), float(losses.mean())
    if room == 0:
        return Estimate(np.nan, np.nan, np.nan, size)
    pull = (loss * (1 - 2 * mean) * (right - mean) / room - (losses - loss)) / (room * len(right))
    sums = groups.sums(pull, code, size)
    half = float(special.ndtri(0.5 + level / 2) * np.sqrt(sums @ sums * size / max(size - 1, 1)))
    value = 1 - loss / room
    return Estimate(value, value - half, min(value + half, 1.0), size)
