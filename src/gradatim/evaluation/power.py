"""What a comparison can see: the smallest difference it would detect, and what more would cost.

A paired difference varies for two reasons. Problems suit solvers differently (`between`): only more
problems help. Attempts are luck (`within`): more attempts on the same problems help too.
A difference varies by itself, too: solvers of right-or-wrong answers that differ by d disagree on
at least a share d of the problems, however alike a pilot's were.
Axes: `problem`.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy import special

from gradatim import checks
from gradatim.errors import ArgumentError
from gradatim.evaluation.discordance import exact_power, least_variance, signs_spread
from gradatim.types import Estimate

FEW = 64  # expected disagreements up to which power is counted out; above, t is right to .02
MOST = 10**7  # problems or attempts beyond which the answer is that they do not help


class Variance(NamedTuple):
    """Where the variance of a problem's difference comes from.

    Attributes:
        total: (Estimate) of the difference of observed rates, over problems.
        between: of the difference of true rates; None where no problem was tried twice.
        within: of the two solvers' single attempts, added; None likewise. With k attempts of each,
            total = between + within / k, so luck that both share (the same seeds) is left out.
        samples: attempts of each solver on a problem (harmonic mean).
        step: smallest step of a rate, see `pairs.steps`.
        jump: of graded answers, a difference that may be too rare to be seen, see `pairs.jumps`.
        units: units of the test for each problem: below 1 where problems come in clusters.
        design: factor by which clusters raise the variance, for what a pilot did not show.
        mean: size of the pilot's difference: says with the variance on how many they disagree.
    """

    total: Estimate
    between: float | None
    within: float | None
    samples: float
    step: float
    jump: float = 0.0
    units: float = 1.0
    design: float = 1.0
    mean: float = 0.0


class Single(NamedTuple):
    """What one solver's results say of the variance of a comparison.

    Attributes:
        mean: score.
        total: (Estimate) variance of its rates over problems.
        luck: variance of one attempt on a problem; None where attempts do not tell.
        samples, step, jump: see `Variance`.
    """

    mean: float
    total: Estimate
    luck: float | None
    samples: float
    step: float
    jump: float = 0.0


def single(
    solved: np.ndarray,
    tried: np.ndarray,
    *,
    step: float = 0.0,
    jump: float = 0.0,
    level: float = 0.95,
) -> Single:
    """The variance of one solver's results, for a plan without a pilot.

    Args:
        solved, tried: (problem,) sums of scores, and attempts >= 1.
        step, jump, level: see `split_variance`.

    >>> round(single(np.array([0.0, 2, 4, 4]), np.full(4, 4), step=0.25).total.value, 3)
    0.229
    """
    checks.shapes(solved=(solved, "problem"), tried=(tried, "problem"))
    checks.within(1, np.inf, tried=tried)
    rate = solved / tried
    total = spread_of(rate, step=step, level=level)
    samples = float(1 / np.mean(1 / tried))
    known = bool(step) and bool(np.any(tried >= 2))
    luck = float(_luck(solved[None], tried[None])[0]) if known else None
    return Single(float(rate.mean()), total, luck, samples, step, jump)


def assumed(one: Single, correlation: float) -> Variance:
    """The variance of the difference to a second solver that varies as much as this one.

    Args:
        one: of the solver that is known.
        correlation: of the two solvers' scores over problems, with the attempts that `one` has.
            Where attempts are told apart it counts for no more than that of two runs of one solver.

    Ref: Miller 2024, arXiv 2411.00640, sections 4 and 5: Var(A - B) = Var(A) + Var(B) - 2 Cov.

    >>> one = Single(0.5, Estimate(0.25, 0.2, 0.3, 400), None, 1.0, 1.0)
    >>> assumed(one, 0.5).total.value
    0.25
    """
    checks.within(-1, 1, correlation=correlation)
    seen, noise = one.total.value, 0.0 if one.luck is None else one.luck / one.samples
    true = max(seen - noise, 0.0)
    shared = correlation * seen if one.luck is None else min(correlation * seen, true)
    total = 2 * (seen - shared)
    scale = total / seen if seen > 0 else 2 * (1 - correlation)
    spread = Estimate(total, one.total.low * scale, one.total.high * scale, one.total.n)
    if one.luck is None:
        return Variance(spread, None, None, one.samples, one.step, one.jump)
    within = 2 * min(one.luck, seen * one.samples)
    return Variance(spread, 2 * (true - shared), within, one.samples, one.step, one.jump)


def spread_of(value: np.ndarray, *, step: float = 0.0, level: float = 0.95) -> Estimate:
    """Variance over problems with an interval from its fourth moment.

    Args:
        value: (problem,) rates or differences of rates.
        step: smallest step of a rate, see `pairs.steps`. Where it is 1 and all are whole numbers
            the interval is that of the share that is not 0 (Wilson), or not 1 where these are
            fewer: it has a width where none differs.
        level: coverage of the interval.

    Raises:
        ArgumentError: fewer than two problems.

    Ref: O'Neill 2014, American Statistician 68:282.
    """
    n = len(value)
    if n < 2:
        raise ArgumentError(f"a variance over problems needs at least two, got {n}")
    total = float(value.var(ddof=1))
    if step == 1 and np.all(np.isin(value, (-1, 0, 1))):
        return signs_spread(value, level=level)
    fourth = float(np.mean((value - value.mean()) ** 4))
    error = np.sqrt(max(fourth - total**2 * (n - 3) / (n - 1), 0) / n)
    half = special.ndtri(0.5 + level / 2) * error
    return Estimate(total, max(total - half, 0.0), total + half, n)


def _luck(solved: np.ndarray, tried: np.ndarray) -> np.ndarray:
    """(solver,) variance of one attempt, from the problems tried twice or more."""
    again, rate = tried >= 2, solved / tried
    each = np.where(again, rate * (1 - rate) * tried / np.maximum(tried - 1, 1), 0)
    return each.sum(axis=1) / again.sum(axis=1)


def split_variance(
    solved: np.ndarray,
    tried: np.ndarray,
    *,
    step: float = 0.0,
    jump: float = 0.0,
    level: float = 0.95,
) -> Variance:
    """The variance of paired differences, split into problems and attempts.

    Args:
        solved: (2, problem) sums of scores of the two solvers.
        tried: (2, problem) int >= 1, attempts.
        step: smallest step of a rate, see `pairs.steps`; 0 where answers are graded: then sums
            of scores do not say how attempts vary, and there is no split.
        jump: see `Variance`.
        level: coverage of the interval of the total.

    Returns:
        Variance. `between` is not below 0.

    Raises:
        ArgumentError: fewer than two problems; counts that cannot be.

    Ref: one-way random effects by moments, Searle, Casella & McCulloch 1992, section 3.6.

    >>> found = split_variance(np.array([[0, 2, 4, 4], [1, 3, 4, 3.0]]), np.full((2, 4), 4), step=1)
    >>> round(found.within, 3), found.samples
    (0.229, 4.0)
    """
    checks.shapes(solved=(solved, "two problem"), tried=(tried, "two problem"))
    checks.within(1, np.inf, tried=tried)
    rate = solved / tried
    gap = rate[1] - rate[0]
    spread, mean = spread_of(gap, step=step, level=level), abs(float(gap.mean()))
    total = spread.value
    samples = float(2 / np.mean(1 / tried, axis=1).sum())
    if not step or not np.any(tried >= 2, axis=1).all():
        return Variance(spread, None, None, samples, step, jump, mean=mean)
    luck = _luck(solved, tried)
    noise = float(np.sum(luck * np.mean(1 / tried, axis=1)))
    kept = min(1.0, total / noise) if noise > 0 else 1.0  # luck that both share cancels
    between, within = max(total - noise, 0.0), float(luck.sum()) * kept
    return Variance(spread, between, within, samples, step, mean=mean)


def clustered(parts: Variance, total: float, *, units: float = 1.0) -> Variance:
    """The same for problems in clusters: n times the squared error of the mean is the variance.

    The error holds what is added for few problems, `jump` among it, which is not added again.

    Args:
        parts: as if problems were independent.
        total: n times the squared standard error of the difference.
        units: clusters for each problem: (degrees of freedom + 1) / n.

    >>> parts = Variance(Estimate(0.25, 0.2, 0.3, 500), 0.15, 0.1, 1.0, 1.0)
    >>> clustered(parts, 0.5).between
    0.4
    """
    known = parts.total
    factor = total / known.value if known.value > 0 else 1.0
    value = known.value * factor if known.value > 0 else total
    spread = Estimate(value, known.low * factor, max(known.high * factor, value), known.n)
    more = total - known.value
    between = None if parts.between is None else max(parts.between + more, 0.0)
    design = max(1.0, factor)
    return parts._replace(total=spread, between=between, jump=0.0, units=units, design=design)


class _Test(NamedTuple):
    """What is asked of a test: attempts of each solver on a problem, power, two-sided level.

    `against` is a share of problems that speak against any difference, at least.
    """

    samples: float
    power: float
    alpha: float
    against: float = 0.0


def _variance(parts: Variance, effect: float, test: _Test) -> tuple[float, float]:
    """Variance of a problem's difference where the true mean is `effect`, and the step then."""
    least = (least_variance(effect) + min(test.against, 1 - effect)) * parts.design
    if parts.between is None or parts.within is None:
        return max(parts.total.value, least * parts.step), parts.step
    single, step = parts.between + parts.within, 1 / test.samples if parts.step else 0.0
    total = parts.between + parts.within / test.samples
    if not step or single >= least:
        return total, step
    return (total * least / single if single > 0 else least), step


def _finds(parts: Variance, n: int, effect: float, test: _Test) -> bool:
    """Whether the test finds a true difference of `effect` with the power that is asked for."""
    variance, step = _variance(parts, effect, test)
    if step == 1 and parts.units == parts.design == 1 and n * variance <= FEW:
        pilot = _variance(parts, 0.0, test._replace(against=0.0))[0] + parts.mean**2
        discordant = max(pilot, effect + test.against)
        return exact_power(n, effect, discordant, alpha=test.alpha) >= test.power
    return _seen(variance, n, step=step, jump=parts.jump, units=parts.units, test=test) <= effect


@lru_cache(4096)  # of many pairs, many have the same counts
def _least_effect(parts: Variance, n: int, test: _Test) -> float:
    """The smallest difference that is found; above 1 where none is."""
    total, step = _variance(parts, 0.0, test._replace(against=0.0))
    value = _seen(total, n, step=step, jump=parts.jump, units=parts.units, test=test)
    if not step or (n * total > FEW and _variance(parts, min(value, 1.0), test)[0] <= total):
        return value  # no number of disagreements stands against it
    if not _finds(parts, n, 1.0, test):
        return max(value, 2.0)
    low, high = 0.0, 1.0
    while high - low > 1e-4 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if _finds(parts, n, middle, test) else (middle, high)
    return high


def detectable(
    parts: Variance,
    n: int,
    *,
    samples: float | None = None,
    power: float = 0.8,
    alpha: float = 0.05,
) -> Estimate:
    """The smallest true difference that `pairs.differences` would find.

    Args:
        parts: of a pilot: these solvers, or others like them.
        n: problems.
        samples: attempts of each solver on each; None: as in the pilot.
        power: chance of finding it.
        alpha: level of the two-sided test; divide it by the number of comparisons.

    Returns:
        Estimate; the interval is that of the pilot's variance, n its problems. Solvers of right or
        wrong answers that differ by d disagree on a share d at least: where the pilot's disagreed
        on fewer, the value takes all disagreements for one-sided, and the upper end leaves a
        quarter of the most that the pilot allows against the difference. Above 1: none is found.

    Raises:
        ArgumentError: more or fewer attempts than in a pilot that cannot say what they change.

    Ref: Student's t with the same degrees of freedom for both errors, as in Guenther 1981,
    American Statistician 35:243; for evaluations Miller 2024, arXiv 2411.00640, section 5;
    differs: with few expected disagreements of single attempts it is `discordance.exact_power`.

    >>> parts = Variance(Estimate(0.25, 0.2, 0.3, 500), None, None, 1.0, 1.0)
    >>> print(detectable(parts, 500))
    0.063 [0.056, 0.069] (n=500)
    """
    checks.within(1e-9, 1 - 1e-9, power=power, alpha=alpha)
    checks.within(2, MOST, n=n)
    test = _test(parts, samples, power=power, alpha=alpha)
    known = parts.total
    value = _least_effect(parts, n, test)
    low = _least_effect(_scaled(parts, known.low), n, test)
    high = _least_effect(_scaled(parts, known.high), n, test._replace(against=known.high / 2))
    return Estimate(value, min(low, value), max(high, value), known.n)


def _scaled(parts: Variance, total: float) -> Variance:
    """The same with another total variance, split as it was."""
    known = parts.total.value
    scale = total / known if known > 0 else 1.0
    spread = Estimate(total, total, total, parts.total.n)
    if parts.between is None or parts.within is None:
        return parts._replace(total=spread)
    return parts._replace(total=spread, between=parts.between * scale, within=parts.within * scale)


def _test(parts: Variance, samples: float | None, *, power: float, alpha: float) -> _Test:
    if samples is None:
        return _Test(parts.samples, power, alpha)
    if parts.within is not None or abs(samples - parts.samples) < 1e-9:
        return _Test(samples, power, alpha)
    raise ArgumentError(
        f"`samples` must be {parts.samples:g}, as in these results, got {samples:g}: they do not "
        "say how attempts on one problem vary (several right-or-wrong attempts of each solver do)"
    )


def _seen(variance: float, n: int, *, step: float, jump: float, units: float, test: _Test) -> float:
    """Critical value of the test plus the quantile of the difference found."""
    added = 2 if step else 0
    share = n / (n + added)  # by which the added problems pull the centre to 0
    df = max(n * units - 1, 1.0)
    error = np.sqrt(
        ((n - 1) * variance + step**2) / (n + added - 1) / (n + added) + (jump / n) ** 2
    )
    critical = special.stdtrit(df, 1 - test.alpha / 2) * error / share
    return float(critical + special.stdtrit(df, test.power) * np.sqrt(variance / n))


def problems_needed(
    parts: Variance,
    effect: float,
    *,
    samples: float | None = None,
    power: float = 0.8,
    alpha: float = 0.05,
) -> int | None:
    """Fewest problems on which a difference would be found; None above 10 million.

    >>> parts = Variance(Estimate(0.25, 0.2, 0.3, 500), None, None, 1.0, 1.0)
    >>> problems_needed(parts, 0.02)
    4911
    """
    checks.within(1e-6, 1, effect=effect)
    test = _test(parts, samples, power=power, alpha=alpha)
    return _fewest_problems(parts, effect, test)


@lru_cache(4096)
def _fewest_problems(parts: Variance, effect: float, test: _Test) -> int | None:
    return _fewest(lambda n: _finds(parts, n, effect, test), start=2)


def samples_needed(
    parts: Variance, effect: float, n: int, *, power: float = 0.8, alpha: float = 0.05
) -> int | None:
    """Fewest attempts of each solver on each of n problems; None where no number is enough.

    Where attempts and problems cannot be told apart it is None too.
    """
    if parts.within is None:
        return None
    parts = parts._replace(jump=0.0)
    return _fewest(lambda k: _finds(parts, n, effect, _Test(k, power, alpha)), start=1)


def _fewest(enough: Callable[[int], bool], *, start: int) -> int | None:
    low, high = start, start
    while not enough(high):
        low, high = high, 2 * high
        if high > MOST:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return low if enough(low) else high
