"""Pass rates and pass@k through a verifier that errs: its rates of error, and what is left of them.

With p the share of right attempts, f the chance that a wrong one passes and b the chance that a
right one fails, a verifier passes s = p (1 - b) + (1 - p) f. All here inverts that line, and the
error of f and b goes into every interval. It holds where f and b do not depend on the problem;
where they do, p is that of problems for which they hold on average.
Axes: `problem`, `attempt`, `draw` (of what is not known exactly).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from gradatim import checks, groups
from gradatim.errors import ArgumentError
from gradatim.evaluation.comparison import resample
from gradatim.scale import rates as shares
from gradatim.scale.pass_at_k import none_of, problem_pass_at_k
from gradatim.types import Estimate

DRAWS = 4000
CELLS = 1 << 22


class ErrorRates(NamedTuple):
    """How a verifier errs.

    Attributes:
        false_positive: chance that a wrong attempt passes; n counts audited wrong attempts, 0
            where the rate is stated.
        false_negative: chance that a right attempt fails; n counts audited right attempts.
    """

    false_positive: Estimate
    false_negative: Estimate


class Corrected(NamedTuple):
    """A number as the verifier has it, and as it is.

    Attributes:
        naive: taken at the verifier's word.
        corrected: with the error of the verifier's rates in its interval; its value is cut to
            [0, 1]. NaN with the interval [0, 1] where the verifier passes no more right attempts
            than wrong ones: it says nothing.
        shift: Estimate, corrected - naive; the error of the sample, which both have, is not in it.
        inside: whether the correction lay in [0, 1] before it was cut; if not, the rates of error
            are too high for these verdicts.
    """

    naive: Estimate
    corrected: Estimate
    shift: Estimate
    inside: bool


def _moments(hits: np.ndarray, cluster: np.ndarray | None) -> tuple[float, float]:
    """Mean of 0/1 entries, and the number of independent ones that would err as much."""
    n, mean = len(hits), float(np.mean(hits))
    noise = mean * (1 - mean)
    if cluster is None or noise == 0:
        return mean, n if cluster is None else len(np.unique(cluster))
    code, size = groups.codes(cluster)
    left = groups.sums(hits - mean, code, size)
    variance = float(left @ left) / n**2 * size / max(size - 1, 1)
    return mean, min(n, noise / variance) if variance > 0 else n


def clustered_share(
    hits: np.ndarray, cluster: np.ndarray | None = None, *, level: float = 0.95
) -> Estimate:
    """Share of 0/1 entries with Jeffreys' interval for as many as err independently.

    Args:
        hits: (row,) 0 or 1.
        cluster: (row,) labels; rows of one repeat each other. None: none do.
        level: coverage.

    Returns:
        Estimate; n is that number of rows. No rows: NaN with the interval [0, 1].

    Ref: Korn & Graubard 1998, Survey Methodology 24:193.

    >>> print(clustered_share(np.array([1, 1, 0, 0]), np.array([0, 0, 1, 1])))
    0.500 [0.025, 0.975] (n=1.0)
    """
    if not len(hits):  # nothing was audited: anything is possible
        return Estimate(np.nan, 0.0, 1.0, 0)
    mean, n = _moments(hits, cluster)
    low, high = shares.jeffreys(np.array([mean * n]), np.array([n]), level)
    return Estimate(mean, min(float(low[0]), mean), max(float(high[0]), mean), round(n, 1))


def audited_rates(
    passed: np.ndarray,
    right: np.ndarray,
    *,
    of: tuple[float, float] | None = None,
    problem: np.ndarray | None = None,
    level: float = 0.95,
) -> ErrorRates:
    """Rates of error from attempts that somebody trusted has judged again.

    Args:
        passed: (attempt,) bool, what the verifier said.
        right: (attempt,) bool, what is so.
        of: how many passed and how many failed of all the attempts that the sample was drawn from:
            each verdict's share of right ones then counts for as many. It holds whether the sample
            was drawn by verdict (as many of each, say) or from all alike; None: the latter only.
        problem: (attempt,) labels; attempts of one problem repeat each other, and count as fewer.
        level: coverage of the Jeffreys intervals.

    Returns:
        ErrorRates; where no wrong (right) attempt was audited, NaN with the interval [0, 1].

    Raises:
        ArgumentError: arrays that do not fit; a verdict in `of` of which no attempt was audited.

    Ref: Brown, Cai & DasGupta 2001 (Jeffreys); Korn & Graubard 1998, Survey Methodology 24:193
    (effective number of attempts where they are clustered); by verdict: Begg & Greenes 1983,
    Biometrics 39:207.

    >>> rates = audited_rates(np.array([1, 1, 0, 0, 1], bool), np.array([1, 1, 0, 0, 0], bool))
    >>> round(rates.false_positive.value, 3), rates.false_negative.value
    (0.333, 0.0)
    """
    passed, right = np.asarray(passed), np.asarray(right)
    checks.shapes(passed=(passed, "attempt"), right=(right, "attempt"))
    checks.within(0, 1, passed=passed, right=right)
    checks.within(*checks.INSIDE, level=level)
    if problem is not None:
        checks.shapes(passed=(passed, "attempt"), problem=(np.asarray(problem), "attempt"))
    passed, right = passed.astype(bool), right.astype(bool)
    cluster = None if problem is None else np.asarray(problem)
    if of is not None:
        return _by_verdict(passed, right, of, cluster=cluster, level=level)

    def among(kept: np.ndarray, hits: np.ndarray) -> Estimate:
        same = None if cluster is None else cluster[kept]
        return clustered_share(hits[kept].astype(float), same, level=level)

    return ErrorRates(among(~right, passed), among(right, ~passed))


def _by_verdict(
    passed: np.ndarray,
    right: np.ndarray,
    of: tuple[float, float],
    *,
    cluster: np.ndarray | None,
    level: float,
) -> ErrorRates:
    """Rates from shares of wrong among audited passes and of right among audited fails."""
    checks.within(0, np.inf, of=np.array(of, dtype=float))
    rng, drawn, means = np.random.default_rng(0), [], []
    for verdict, many in ((passed, of[0]), (~passed, of[1])):
        hits = right[verdict].astype(float)
        if many and not len(hits):
            raise ArgumentError("`right` must be known of some attempts of each verdict in `of`")
        same = None if cluster is None else cluster[verdict]
        share, n = _moments(hits, same) if len(hits) else (0.0, 0.0)
        means.append(many * share)
        drawn.append(many * rng.beta(share * n + 0.5, (1 - share) * n + 0.5, size=DRAWS))

    def rate(hits: float, total: float, by_draw: np.ndarray) -> Estimate:
        if total <= 0:
            return Estimate(np.nan, 0.0, 1.0, 0)
        value = hits / total
        low, high = np.quantile(by_draw, [(1 - level) / 2, (1 + level) / 2])
        n = max(value * (1 - value) / float(by_draw.var()) - 1, 1.0) if 0 < value < 1 else 0
        n = n or float(len(right)) * total / sum(of)
        return Estimate(value, min(float(low), value), max(float(high), value), round(n, 1))

    wrong = [count - good for count, good in zip(of, means, strict=True)]
    ill = [count - good for count, good in zip(of, drawn, strict=True)]
    return ErrorRates(
        rate(wrong[0], sum(wrong), ill[0] / np.maximum(ill[0] + ill[1], 1e-300)),
        rate(means[1], sum(means), drawn[1] / np.maximum(drawn[0] + drawn[1], 1e-300)),
    )


def stated_rates(
    false_positive: float | tuple[float, float, float] = 0.0,
    false_negative: float | tuple[float, float, float] = 0.0,
) -> ErrorRates:
    """Rates of error that somebody states: each a number, or (value, low, high) of a 95% interval.

    >>> stated_rates(0.05, (0.02, 0.01, 0.04)).false_negative.high
    0.04
    """
    found = []
    for name, given in (("false_positive", false_positive), ("false_negative", false_negative)):
        value, low, high = given if isinstance(given, tuple) else (given, given, given)
        checks.within(0, 1, **{name: np.array([low, value, high], dtype=float)})
        if not low <= value <= high:
            raise ArgumentError(f"`{name}` must be (value, low, high), got {given}")
        found.append(Estimate(float(value), float(low), float(high), 0))
    return ErrorRates(*found)


def draw_rates(rates: ErrorRates, draws: int, rng: np.random.Generator) -> np.ndarray:
    """(2, draw) false positive and false negative rates, as uncertain as they are.

    Audited rates come from Jeffreys' Beta(k + 1/2, n - k + 1/2); stated ones are constant, or Beta
    with the mean and the standard deviation that a stated interval has.
    """
    found = np.empty((2, draws))
    for at, rate in enumerate(rates):
        if rate.n > 0:
            hits = rate.value * rate.n
            found[at] = rng.beta(hits + 0.5, rate.n - hits + 0.5, size=draws)
        elif rate.high > rate.low:
            found[at] = _stated(rate, draws, rng)
        else:
            found[at] = rate.value
    return found


def _stated(rate: Estimate, draws: int, rng: np.random.Generator) -> np.ndarray:
    if np.isnan(rate.value):
        return rng.beta(0.5, 0.5, size=draws)
    spread = (rate.high - rate.low) / (2 * special.ndtri(0.975))
    room = rate.value * (1 - rate.value)
    if room <= 0:  # at an end: half a normal distribution from there
        return np.abs(rate.value - np.minimum(np.abs(rng.normal(0, spread, draws)), 1.0))
    size = max(room / spread**2 - 1, 1e-3)
    return rng.beta(rate.value * size, (1 - rate.value) * size, size=draws)


def corrected(share: ArrayLike, false_positive: ArrayLike, false_negative: ArrayLike) -> np.ndarray:
    """Share of right attempts behind a share that passes: (s - f) / (1 - b - f), not cut.

    NaN where 1 - b - f <= 0. Arguments broadcast.

    Ref: Rogan & Gladen 1978, American Journal of Epidemiology 107:71.

    >>> round(float(corrected(0.52, 0.2, 0.0)), 6)
    0.4
    """
    wrong, lost = np.asarray(false_positive, dtype=float), np.asarray(false_negative, dtype=float)
    told = 1 - lost - wrong
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(told > 0, (np.asarray(share) - wrong) / told, np.nan)


def _ends(drawn: np.ndarray, level: float) -> tuple[float, float]:
    """Percentiles of draws cut to [0, 1]; those that say nothing lie at either end by halves."""
    empty = np.flatnonzero(np.isnan(drawn))
    drawn = np.clip(drawn, 0, 1)
    drawn[empty] = np.arange(len(empty)) % 2
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _finish(
    naive: Estimate, raw: float, drawn: np.ndarray, *, beside: np.ndarray, level: float
) -> Corrected:
    """From the value and its draws, and the naive draws `beside` them."""
    if np.isnan(raw):
        nothing = Estimate(np.nan, -naive.value, 1 - naive.value, naive.n)
        return Corrected(naive, Estimate(np.nan, 0.0, 1.0, naive.n), nothing, False)
    low, high = _ends(drawn, level)
    value = float(np.clip(raw, 0, 1))
    found = Estimate(value, min(low, value), max(high, value), naive.n)
    moved, tails = value - naive.value, [(1 - level) / 2, (1 + level) / 2]
    bottom, top = np.quantile(np.clip(np.nan_to_num(drawn, nan=0.5), 0, 1) - beside, tails)
    shift = Estimate(moved, min(float(bottom), moved), max(float(top), moved), naive.n)
    slack = 1e-12  # rounding of numbers near 1
    return Corrected(naive, found, shift, bool(-slack <= raw <= 1 + slack))


def corrected_rate(
    passed: np.ndarray,
    tried: np.ndarray,
    rates: ErrorRates,
    *,
    level: float = 0.95,
    draws: int = DRAWS,
    rng: np.random.Generator | None = None,
) -> Corrected:
    """Mean pass rate over problems, corrected for what the verifier gets wrong.

    Args:
        passed, tried: (problem,) attempts that passed, of how many >= 1.
        rates: of `audited_rates`, `agreed_rates` or `stated_rates`.
        level: coverage.
        draws: how often rates and the observed mean are drawn for the interval.
        rng: of the draws; None starts a fresh one at 0.

    Returns:
        Corrected; n is the number of problems. The observed mean is drawn from a Beta whose size
        is that of the independent attempts with the same error, so an interval exists at 0 and 1.

    Ref: Rogan & Gladen 1978; Lang & Reiczigel 2014, Preventive Veterinary Medicine 113:13 (rates
    that are estimated, too). Differs: draws from Jeffreys' distributions in place of a formula,
    which keeps the interval in [0, 1]; problems, not attempts, are the sample.

    >>> found = corrected_rate(np.array([26, 26]), np.array([50, 50]), stated_rates(0.2))
    >>> found.naive.value, round(found.corrected.value, 6)
    (0.52, 0.4)
    """
    passed, tried = shares.counted(passed, tried)
    checks.within(*checks.INSIDE, level=level)
    rng = np.random.default_rng(0) if rng is None else rng
    each = passed / tried
    size, mean = len(each), float(each.mean())
    noise, variance = mean * (1 - mean), float(each.var(ddof=1)) / size if size > 1 else 0.0
    # alike problems: their spread says nothing, single attempts do; all or none pass: problems
    floor = noise / float(tried.sum())
    n = min(noise / max(variance, floor), tried.sum()) if noise > 0 else size
    low, high = shares.jeffreys(np.array([mean * n]), np.array([n]), level)
    naive = Estimate(mean, min(float(low[0]), mean), max(float(high[0]), mean), size)
    drawn = rng.beta(mean * n + 0.5, (1 - mean) * n + 0.5, size=draws)
    value = float(corrected(mean, rates.false_positive.value, rates.false_negative.value))
    true = corrected(drawn, *draw_rates(rates, draws, rng))
    return _finish(naive, value, true, beside=drawn, level=level)


def corrected_pass_at_k(
    passed: np.ndarray,
    tried: np.ndarray,
    k: int,
    rates: ErrorRates,
    *,
    level: float = 0.95,
    draws: int = 1000,
    rng: np.random.Generator | None = None,
) -> Corrected:
    """Chance that one of k attempts is right, from verdicts that err; unbiased where f and b hold.

    A wrong attempt has chance 1 - p = ((1 - s) - b) / (1 - b - f), and (1 - p)^k is a sum of powers
    of 1 - s, each of which has the unbiased estimate of pass@k. It takes every attempt to be
    misjudged by a fresh chance. Where a verifier is fooled on some problems again and again and
    never on others, fewer problems have a stray pass than f implies, and too much is taken off:
    what would be below the corrected rate is set to it, and `inside` is False.

    Args:
        passed, tried: (problem,) attempts that passed, of how many >= k.
        k: attempts allowed.
        rates, level, rng: see `corrected_rate`.
        draws: resamples of problems, with rates drawn for each.

    Returns:
        Corrected; naive is the chance that one of k attempts passes.

    Ref: Chen et al. 2021, arXiv 2107.03374, eq. 1, for each power; Rogan & Gladen 1978 for k = 1.
    Its error grows like (1 - b - f)^-k: with a poor verifier, or rates from a small audit, large k
    cannot be had, and the interval says so.

    >>> found = corrected_pass_at_k(np.array([0, 2, 4]), np.array([4, 4, 4]), 2, stated_rates(0.1))
    >>> round(found.naive.value, 3), round(found.corrected.value, 3)
    (0.611, 0.52)
    """
    each = problem_pass_at_k(passed, tried, k)
    checks.within(*checks.INSIDE, level=level)
    size = len(each)
    checks.within(1, np.inf, **{"number of problems": size})
    rng = np.random.default_rng(0) if rng is None else rng
    powers = np.stack([none_of(passed, tried, j) if j else np.ones(size) for j in range(k + 1)], 1)
    both = np.column_stack([powers, each])
    chunk = max(1, CELLS // size)  # draws x problems held at a time
    parts = [min(chunk, draws - done) for done in range(0, draws, chunk)]
    means = np.concatenate([resample(size, n, rng=rng) @ both / size for n in parts])
    known = [rate.value for rate in rates]
    at_k, at_1 = (float(_at_k(powers[:, : j + 1].mean(axis=0), *known)) for j in (k, 1))
    pairs = draw_rates(rates, draws, rng)
    drawn = np.maximum(_at_k(means[:, :-1], *pairs), _at_k(means[:, :2], *pairs))
    mean, naive = float(each.mean()), means[:, -1]
    low, high = np.quantile(naive, [(1 - level) / 2, (1 + level) / 2])
    found = Estimate(mean, min(float(low), mean), max(float(high), mean), size)
    made = _finish(found, max(at_k, at_1), drawn, beside=naive, level=level)
    return made._replace(inside=made.inside and at_k >= at_1 - 1e-12)


def _at_k(powers: np.ndarray, f: ArrayLike, b: ArrayLike) -> np.ndarray:
    """(draw,) 1 - (1 - p)^k from means of (1 - s)^j, j = 0 .. k."""
    k = powers.shape[-1] - 1
    j = np.arange(k + 1)
    wrong, lost = np.asarray(f, dtype=float), np.asarray(b, dtype=float)
    told = 1 - lost - wrong
    sign = (-lost)[..., None] ** (k - j)
    with np.errstate(divide="ignore", invalid="ignore"):
        none = np.sum(special.comb(k, j) * sign * powers, axis=-1) / told**k
    return np.where(told > 0, 1 - none, np.nan)
