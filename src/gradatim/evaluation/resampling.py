"""Sampling until an attempt passes a verifier that errs: what it brings, and when to stop.

With p the chance that an attempt is right, f and b the verifier's false positive and negative rates
and s = p (1 - b) + (1 - p) f, at most K attempts are made and the first that passes is given: it is
right with chance p (1 - b) / s at any K, which is the cap. K = inf stands for no limit. (A rate
estimated by sampling until something passes is biased; `scale.rare.rare_rate` is not.)
Axes: `problem` (their chances p; one number for a pool of one), `k` (attempts 1, 2, ...), `draw`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from gradatim import checks
from gradatim.evaluation.pools import Pool, chances, redrawn
from gradatim.evaluation.verifier_error import ErrorRates
from gradatim.types import Estimate

MOST = 1 << 40  # attempts; a search that gets here is stopped
LEAST = 1e-300  # a chance below this is not divided by


class Resampled(NamedTuple):
    """Means over problems of accepting the first of at most K attempts that passes.

    Attributes:
        right: share of problems with a right answer given.
        wrong: share with a wrong answer given; the rest get none.
        accuracy: right among those given; 0 where none is.
        attempts: made, on average.
    """

    right: float
    wrong: float
    accuracy: float
    attempts: float


class Prices(NamedTuple):
    """What things are worth, in one currency.

    Attributes:
        right: a right answer given, > 0.
        wrong: cost of a wrong answer given, >= 0; giving none costs nothing.
        attempt: cost of an attempt, >= 0, its verdict not included.
    """

    right: float = 1.0
    wrong: float = 0.0
    attempt: float = 0.0


class Stop(NamedTuple):
    """The best number of attempts.

    Attributes:
        attempts: Estimate; 0: do not try at all; inf: go on until one passes. The interval is that
            of the verifier's rates, and of the pool where `behind` is given.
        utility: Estimate, worth of a problem at that number, also where it turns out not the best.
        no_limit: utility of going on until one passes, without any limit.
    """

    attempts: Estimate
    utility: Estimate
    no_limit: float


def resampling(
    p: ArrayLike, attempts: float, *, false_positive: float, false_negative: float = 0.0
) -> Resampled:
    """Accuracy of giving the first of at most K attempts that passes.

    Args:
        p: (problem,) chance that an attempt is right, or one number.
        attempts: K >= 0; inf for the limit.
        false_positive, false_negative: rates of the verifier.

    Ref: Stroebl, Kapoor & Narayanan 2024, arXiv 2411.17501 (the cap); closed form
    (1 - (1 - s)^K) p (1 - b) / s derived here, means over problems taken exactly.

    >>> [round(resampling(p, np.inf, false_positive=f).accuracy, 3)
    ...  for p, f in ((0.05, 0.02), (0.05, 0.1), (0.3, 0.02), (0.3, 0.1))]
    [0.725, 0.345, 0.955, 0.811]
    """
    p = chances(p)
    checks.within(0, np.inf, attempts=attempts)
    checks.within(0, 1, false_positive=false_positive, false_negative=false_negative)
    right, wrong, made = _given(p, attempts, false_positive, false_negative)
    accuracy = right / (right + wrong) if right + wrong > 0 else 0.0
    return Resampled(float(right), float(wrong), float(accuracy), float(made))


def _given(
    p: np.ndarray, attempts: float, f: ArrayLike, b: ArrayLike
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(draw,) shares right and wrong, and attempts made, for (draw,) rates; or one of each."""
    f, b = np.asarray(f, dtype=float)[..., None], np.asarray(b, dtype=float)[..., None]
    good, bad = p * (1 - b), (1 - p) * f
    made = _ever(good + bad, attempts)
    given = np.where(good + bad > 0, made, 0.0)
    return np.mean(good * given, axis=-1), np.mean(bad * given, axis=-1), np.mean(made, axis=-1)


def _ever(passes: np.ndarray, attempts: float) -> np.ndarray:
    """Attempts made until one passes, at most K of them: (1 - (1 - s)^K) / s, and K at s = 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        log = np.log1p(-passes)  # -inf at s = 1
        some = np.where(passes > 0, -np.expm1(np.where(attempts > 0, attempts * log, 0.0)), 0.0)
        rare = np.where(passes > 0, np.minimum(attempts, 1 / LEAST), attempts)
        return np.where(passes > LEAST, some / np.maximum(passes, LEAST), rare)


def cap(
    p: ArrayLike | Pool, rates: ErrorRates, *, level: float = 0.95, draws: int = 1000
) -> Estimate:
    """Accuracy that no number of attempts exceeds, with the error of the verifier's rates.

    The share p (1 - b) / (p (1 - b) + (1 - p) f) of right answers among those given; the mean
    over problems is that of sampling without a limit. Of a Pool its error is in the interval.

    >>> from gradatim.evaluation.verifier_error import stated_rates
    >>> print(cap(0.05, stated_rates((0.1, 0.07, 0.14))))
    0.345 [0.278, 0.429] (n=1)
    """
    checks.within(*checks.INSIDE, level=level)
    known = redrawn(p, rates, np.random.default_rng(0), draws=draws)
    f, b = (rate.value for rate in rates)
    value = resampling(known.p, np.inf, false_positive=f, false_negative=b).accuracy
    right, wrong, _ = _given(known.drawn, np.inf, *known.pairs.T)
    drawn = np.where(right + wrong > 0, right / np.maximum(right + wrong, 1e-300), 0.0)
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value, min(float(low), value), max(float(high), value), known.problems)


def _gains(p: np.ndarray, f: float, b: float, prices: Prices) -> tuple[np.ndarray, np.ndarray]:
    """(problem,) chance that an attempt passes, and what it brings if it is made."""
    good, bad = p * (1 - b), (1 - p) * f
    return good + bad, good * prices.right - bad * prices.wrong - prices.attempt


def utility(
    p: ArrayLike,
    attempts: float,
    prices: Prices,
    *,
    false_positive: float,
    false_negative: float = 0.0,
) -> float:
    """Mean worth of a problem on which at most K attempts are made, the first that passes given.

    Args:
        p, attempts, false_positive, false_negative: see `resampling`.
        prices: see Prices. -inf where attempts cost and may never end.

    >>> round(utility(0.05, 10, Prices(wrong=1.0), false_positive=0.1), 3)
    -0.246
    """
    p = chances(p)
    check_prices(prices)
    checks.within(0, np.inf, attempts=attempts)
    checks.within(0, 1, false_positive=false_positive, false_negative=false_negative)
    return _worth(*_gains(p, false_positive, false_negative, prices), attempts)


def _worth(passes: np.ndarray, gain: np.ndarray, attempts: float) -> float:
    with np.errstate(invalid="ignore"):  # 0 x inf where nothing passes
        return float(np.mean(np.where(gain == 0, 0.0, gain * _ever(passes, attempts))))


def fixed(p: np.ndarray, pair: Sequence[float], prices: Prices, k: float) -> float:
    """Utility of at most k attempts with a pair of false positive and false negative rates."""
    return _worth(*_gains(p, pair[0], pair[1], prices), k)


def best_number(p: np.ndarray, pair: Sequence[float], prices: Prices) -> tuple[float, float]:
    """Number of attempts of most utility (the fewest of equals), and that utility.

    What attempt k brings, the mean of (1 - s)^(k - 1) x gain, changes its sign at most once: both
    s and gain rise with p, so that hard problems, which lose, weigh more and more. A verifier that
    passes more wrong attempts than right ones turns that round: none, or all.

    Args:
        p: (problem,) chance that an attempt is right.
        pair: false positive and false negative rate.
        prices: see Prices.
    """
    f, b = pair
    passes, gain = _gains(p, f, b, prices)

    def worth(k: float) -> float:
        return _worth(passes, gain, k)

    def brings(k: int) -> bool:
        return float(np.mean((1 - passes) ** (k - 1) * gain)) > 0

    if gain.min() >= 0 or 1 - b < f:
        endless = worth(np.inf)
        return (np.inf, endless) if endless > 0 else (0.0, 0.0)
    high = 1
    while brings(high) and high < MOST:
        high *= 2
    low = high // 2  # the last that is known to bring something
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if brings(middle) else (low, middle)
    return float(low), worth(low)


def best_attempts(
    p: ArrayLike | Pool,
    rates: ErrorRates,
    prices: Prices,
    *,
    behind: int | None = None,
    level: float = 0.95,
    draws: int = 400,
) -> Stop:
    """How many attempts to allow before giving none, where wrong answers cost.

    With one p for all problems it is none or no limit: the next attempt always brings p (1 - b) x
    right - (1 - p) f x wrong - attempt. With several, late passes come from hard problems, whose
    passes are mostly false, and a finite number is best.

    Args:
        p: (problem,) chance that an attempt is right, or one number; or a Pool of these rates,
            whose error is then in the intervals.
        rates: of the verifier.
        prices: see Prices; the cost of a verdict belongs to `attempt`.
        behind: of chances without a Pool, problems that they are of; every draw takes so many
            of them. None: p is known.
        level: coverage.
        draws: of the verifier's rates; a Pool has its own.

    Ref: Stroebl et al. 2024, arXiv 2411.17501. Differs: their notebook multiplies a value by a
    chance of survival that it already holds; here both are taken per problem.

    >>> from gradatim.evaluation.verifier_error import stated_rates
    >>> two = np.repeat([0.87, 0.13], [58, 42])
    >>> [best_attempts(two, stated_rates(0.25), Prices(wrong=w)).attempts.value
    ...  for w in (0.7, 1.0, 2.0)]
    [3.0, 2.0, 1.0]
    """
    check_prices(prices)
    checks.within(*checks.INSIDE, level=level)
    f, b = (rate.value for rate in rates)
    sure = behind is None and all(rate.low == rate.high for rate in rates)
    rng = np.random.default_rng(0)
    known = redrawn(p, rates, rng, behind=behind, draws=1 if sure else draws)
    k, worth = best_number(known.p, (f, b), prices)
    drawn = np.array([
        (best_number(pool, pair, prices)[0], fixed(pool, pair, prices, k))
        for pool, pair in zip(known.drawn, known.pairs, strict=True)
    ])
    # order statistics, not interpolated: attempts are whole, and may be infinite
    tails = [(1 - level) / 2, (1 + level) / 2]
    low, high = np.quantile(drawn, tails, axis=0, method="inverted_cdf")
    return Stop(
        Estimate(k, min(float(low[0]), k), max(float(high[0]), k), known.problems),
        Estimate(worth, min(float(low[1]), worth), max(float(high[1]), worth), known.problems),
        utility(known.p, np.inf, prices, false_positive=f, false_negative=b),
    )


def check_prices(prices: Prices) -> None:
    """Refuse prices that are no prices."""
    checks.within(*checks.POSITIVE, right=prices.right)
    checks.within(0, np.inf, wrong=prices.wrong, attempt=prices.attempt)
    checks.finite(right=prices.right, wrong=prices.wrong, attempt=prices.attempt)
