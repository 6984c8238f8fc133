"""Are repeated attempts independent? Runs, lags and batches inside problems.

All tests hold each problem's number of passes fixed and ask whether the order, or the batch, of its
attempts says anything: hard and easy problems are no evidence.
Axes: `attempt`, in the order made; `sequence` (attempts of one solver on one problem).
"""

from typing import NamedTuple

import numpy as np
from scipy import special

from gradatim import checks, groups
from gradatim.errors import ArgumentError
from gradatim.types import Estimate

EXACT = 4000  # attempts up to which the distribution of runs is counted, not approximated


class Order(NamedTuple):
    """What the order of attempts says.

    Attributes:
        lag: Estimate of the correlation of an attempt with the one before, as 1 - changes /
            changes in random order; below 0 an attempt makes up for the last, above 0 it repeats
            it. n is the number of sequences of mixed outcomes, the interval over them.
        runs, expected: stretches of equal outcomes over all sequences, and how many a random
            order has.
        p_value: of a random order, two-sided; exact up to 4,000 attempts.
        after_pass, after_fail: share of passes after a pass and after a fail, less what a random
            order of the same outcomes has.
    """

    lag: Estimate
    runs: int
    expected: float
    p_value: float
    after_pass: float
    after_fail: float


class Batches(NamedTuple):
    """What the batch of attempts says.

    Attributes:
        within: Estimate of the correlation of two attempts of one batch, chance taken off; n is
            the number of sequences with several batches and mixed outcomes.
        p_value: of batches dealt at random, two-sided.
        worth: attempts as many independent ones are worth one of these, for the mean batch: above
            0 correlation makes it less than 1.
    """

    within: Estimate
    p_value: float
    worth: float


def order_test(passed: np.ndarray, sequence: np.ndarray, *, level: float = 0.95) -> Order:
    """Runs and lag-1 dependence of repeated attempts.

    Args:
        passed: (attempt,) bool, in the order made.
        sequence: (attempt,) labels; rows of one need not be adjacent. Sequences must not end
            because of an outcome: stopping at the first pass makes an order by itself.
        level: coverage of the interval.

    Returns:
        Order; without a sequence of mixed outcomes p is 1 and the lag NaN.

    Raises:
        ArgumentError: arrays of different lengths, outcomes that are not 0 or 1.

    Ref: Wald & Wolfowitz 1940, Annals of Math. Statistics 11:147 (runs, their distribution given
    the counts; differs: summed over sequences); for repeated decisions of language models, Vidler &
    Walsh 2025, arXiv:2501.16356.

    >>> found = order_test(np.tile([1, 0], 10), np.repeat(np.arange(5), 4))
    >>> found.runs, found.expected, round(found.lag.value, 2), found.p_value < 0.01
    (20, 15.0, -0.5, True)
    """
    hits, code, n_seq = _checked(passed, sequence)
    n, k = groups.counts(code, n_seq), groups.sums(hits, code, n_seq).astype(int)
    rows = np.argsort(code, kind="stable")
    ordered, owner = hits[rows], code[rows]
    follows = owner[1:] == owner[:-1]
    differ = groups.sums((ordered[1:] != ordered[:-1])[follows].astype(float),
                         owner[1:][follows], n_seq)  # fmt: skip
    mixed = (k > 0) & (k < n)
    if not mixed.any():
        return Order(Estimate(np.nan, np.nan, np.nan, 0), 0, 0.0, 1.0, np.nan, np.nan)
    both = follows & (ordered[1:] > 0) & (ordered[:-1] > 0)
    turns = follows & (ordered[1:] > 0) & (ordered[:-1] == 0)
    again, turned = (groups.counts(owner[1:][x], n_seq)[mixed] for x in (both, turns))
    n, k, differ = n[mixed], k[mixed], differ[mixed]
    chance = 2 * k * (n - k) / n  # changes between neighbours in random order
    lag = _pooled(chance - differ, chance, level)
    return Order(
        lag=lag,
        runs=int(differ.sum()) + len(n),
        expected=float(chance.sum()) + len(n),
        p_value=_runs_p(differ, n, k),
        after_pass=float((again - k * (k - 1) / n).sum() / (k * (n - 1) / n).sum()),
        after_fail=float((turned - k * (n - k) / n).sum() / ((n - k) * (n - 1) / n).sum()),
    )


def _checked(passed: np.ndarray, sequence: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    hits = np.asarray(passed, dtype=float)
    checks.shapes(passed=(hits, "attempt"), sequence=(sequence, "attempt"))
    if not np.isin(hits, (0, 1)).all():
        raise ArgumentError("`passed` must hold 0 and 1 only, got another value or NaN")
    return hits, *groups.codes(sequence)


def _pooled(above: np.ndarray, scale: np.ndarray, level: float) -> Estimate:
    """Ratio of sums over sequences, with its error over sequences."""
    n, total = len(above), float(scale.sum())
    value = float(above.sum()) / total
    if n < 2:
        return Estimate(value, np.nan, np.nan, n)
    error = np.sqrt(n / (n - 1) * ((above - value * scale) ** 2).sum()) / total
    half = float(special.stdtrit(n - 1, 0.5 + level / 2) * error)
    return Estimate(value, max(value - half, -1.0), min(value + half, 1.0), n)


def _runs_p(differ: np.ndarray, n: np.ndarray, k: np.ndarray) -> float:
    """Two-sided p of the sum of changes, given lengths and passes of each sequence."""
    seen = int(differ.sum())
    if n.sum() <= EXACT:
        law = np.ones(1)
        kinds, times = np.unique(np.stack([n, np.minimum(k, n - k)]), axis=1, return_counts=True)
        for (length, passes), often in zip(kinds.T, times, strict=True):
            one = _changes(int(length), int(passes))
            for _ in range(often):
                law = np.convolve(law, one)
        below, above = law[: seen + 1].sum(), law[seen:].sum()
        return float(min(1.0, 2 * min(below, above)))
    m = n - k
    mean = 2 * k * m / n
    variance = 2 * k * m * (2 * k * m - n) / (n * n * (n - 1.0))
    if variance.sum() <= 0:
        return 1.0
    z = max(abs(seen - mean.sum()) - 0.5, 0.0) / np.sqrt(variance.sum())
    return float(2 * special.ndtr(-z))


def _changes(n: int, k: int) -> np.ndarray:
    """(n,) chance of 0, 1, ... changes in n outcomes with k passes in random order."""
    m = n - k
    law = np.zeros(n)
    for runs in range(2, n + 1):
        half, odd = divmod(runs, 2)
        if odd:
            ways = special.comb(k - 1, half) * special.comb(m - 1, half - 1)
            ways += special.comb(k - 1, half - 1) * special.comb(m - 1, half)
        else:
            ways = 2 * special.comb(k - 1, half - 1) * special.comb(m - 1, half - 1)
        law[runs - 1] = ways
    return law / law.sum()


def batch_test(
    passed: np.ndarray, sequence: np.ndarray, batch: np.ndarray, *, level: float = 0.95
) -> Batches:
    """Are attempts that came in one call more alike, or less, than attempts of several calls?

    Args:
        passed: (attempt,) bool.
        sequence: (attempt,) labels: solver and problem.
        batch: (attempt,) labels of the call, within a sequence or over all.
        level: coverage of the interval.

    Returns:
        Batches; without a sequence of several batches and mixed outcomes p is 1, the rest NaN.

    Raises:
        ArgumentError: arrays of different lengths, outcomes that are not 0 or 1.

    Ref: pairs within batches given the outcomes of each problem: the moments of Mantel 1967,
    Cancer Research 27:209, with a normal approximation of their sum; for one call against many,
    Vidler & Walsh 2025, arXiv:2501.16356; worth: design effect, Kish 1965.

    >>> batch = np.tile([0, 0, 1, 1], 20)
    >>> found = batch_test(batch, np.repeat(np.arange(20), 4), batch)
    >>> round(found.within.value, 2), found.worth, found.p_value < 1e-6
    (1.0, 0.5, True)
    """
    hits, code, n_seq = _checked(passed, sequence)
    checks.shapes(passed=(hits, "attempt"), batch=(batch, "attempt"))
    n, k = groups.counts(code, n_seq), groups.sums(hits, code, n_seq)
    call, n_calls = groups.codes(groups.codes(batch)[0] + code * (len(code) + 1))
    size, right = groups.counts(call, n_calls), groups.sums(hits, call, n_calls)
    owner = code[groups.firsts(call, n_calls)]
    alike = groups.sums(right * (right - 1), owner, n_seq)  # ordered pairs that both pass
    pairs = groups.sums(size * (size - 1.0), owner, n_seq)
    several = groups.counts(owner, n_seq) > 1
    used = several & (pairs > 0) & (k > 0) & (k < n)
    if not used.any():
        return Batches(Estimate(np.nan, np.nan, np.nan, 0), 1.0, np.nan)
    chance = pairs * k * (k - 1) / np.maximum(n * (n - 1.0), 1)
    variance = _pair_variance(
        n, k, pairs, groups.sums(size * (size - 1.0) * (size - 2), owner, n_seq)
    )
    # of two passes drawn one after the other, the covariance: rate * (1 - rate) by n / (n - 1)
    scale = pairs * k * (n - k) / np.maximum(n * (n - 1.0), 1)
    within = _pooled((alike - chance)[used], scale[used], level)
    total = float(variance[used].sum())
    z = float((alike - chance)[used].sum()) / np.sqrt(total) if total > 0 else 0.0
    each = float((size * size).sum() / size.sum())
    worth = 1 / max(1 + (each - 1) * within.value, 1 / each)
    return Batches(within, float(2 * special.ndtr(-abs(z))), float(worth))


def _pair_variance(
    n: np.ndarray, k: np.ndarray, pairs: np.ndarray, triples: np.ndarray
) -> np.ndarray:
    """(sequence,) variance of ordered pairs of passes within batches dealt at random.

    Of two ordered pairs of attempts: the same two (2 pairs), sharing one (4 triples), or apart.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        falling = [np.ones(len(n)), k / n]
        for i in range(1, 4):
            falling.append(np.where(n > i, falling[-1] * (k - i) / np.maximum(n - i, 1), 0.0))
    apart = pairs**2 - 2 * pairs - 4 * triples
    square = 2 * pairs * falling[2] + 4 * triples * falling[3] + apart * falling[4]
    return np.maximum(square - (pairs * falling[2]) ** 2, 0.0)
