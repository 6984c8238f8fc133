"""A verifier as a judge of several attempts: best-of-n accuracy, its gain, and lucky guesses.

Axes: `row` (attempts with a verifier's score), `problem`, `verifier`, `solver`.
"""

from typing import NamedTuple

import numpy as np

from gradatim import checks, groups
from gradatim.errors import ArgumentError
from gradatim.evaluation.comparison import clustered_mean
from gradatim.evaluation.rank import spearman
from gradatim.scale.pass_at_k import none_of, pass_at_k
from gradatim.scale.rates import pass_rate
from gradatim.types import Estimate


class BestOf(NamedTuple):
    """What choosing by score brings, means over problems.

    Attributes:
        accuracy: Estimate, share of problems whose chosen attempt is right.
        gain: Estimate, accuracy minus that of an attempt drawn at random.
        ceiling: share of problems with a right one among n: what a perfect verifier has.
    """

    accuracy: Estimate
    gain: Estimate
    ceiling: float


def best_of_n(
    score: np.ndarray,
    right: np.ndarray,
    problem: np.ndarray,
    n: int = 4,
    *,
    level: float = 0.95,
) -> BestOf:
    """Accuracy of taking the highest score of n attempts, exact over all choices of n.

    With m attempts on a problem every set of n of them is taken into account; equal scores share
    the choice. With exactly four of which one is right this is the best-of-4 accuracy of reward
    model benchmarks, where chance is 1/4.

    Args:
        score: (row,) float, the verifier's.
        right: (row,) 0 or 1.
        problem: (row,) labels, at least n rows of each.
        n: attempts that are chosen from.
        level: coverage; problems are the sample.

    Raises:
        ArgumentError: a problem with fewer than n attempts.

    Ref: Malik et al. 2025, RewardBench 2, arXiv 2506.01937 (best of 4); choices as in pass@k.

    >>> found = best_of_n(np.array([0.9, 0.1, 0.2, 0.3]), np.array([1, 0, 0, 0]), np.zeros(4))
    >>> found.accuracy.value, found.gain.value
    (1.0, 0.75)
    """
    score, right = np.asarray(score, dtype=float), np.asarray(right, dtype=float)
    problem = np.asarray(problem)
    checks.shapes(score=(score, "row"), right=(right, "row"), problem=(problem, "row"))
    checks.finite(score=score)
    checks.within(0, 1, right=right)
    checks.whole(1, 10**9, n=n)
    code, size = groups.codes(problem)
    many = groups.counts(code, size)
    if (many < n).any():
        raise ArgumentError(f"every problem needs at least n = {n} attempts, got {int(many.min())}")
    tie, place = _ties(score, code)
    n_ties = len(place)
    tied = groups.counts(tie, n_ties)
    value = groups.means(right, tie, n_ties)
    # scores from the lowest up: all n among those up to a tie, less all n below it
    ends = np.cumsum(tied) - (np.cumsum(many) - many)[place]
    chance = none_of(many[place] - ends, many[place], n)
    below = none_of(many[place] - (ends - tied), many[place], n)
    chosen = groups.sums(value * (chance - below), place, size)
    drawn = groups.means(right, code, size)
    ceiling = float(np.mean(1 - none_of(groups.sums(right, code, size), many, n)))
    label = np.arange(size)
    return BestOf(
        clustered_mean(chosen, label, level=level),
        clustered_mean(chosen - drawn, label, level=level),
        ceiling,
    )


def _ties(score: np.ndarray, code: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(row,) index of its tie, ties by problem and rising score; (tie,) the problem of each."""
    order = groups.order(score, code)
    new = np.append(True, (np.diff(score[order]) != 0) | (np.diff(code[order]) != 0))
    tie = np.empty(len(score), dtype=np.int64)
    tie[order] = np.cumsum(new) - 1
    return tie, code[order][new]


class Judged(NamedTuple):
    """Several verifiers side by side.

    Attributes:
        benchmark: (verifier,) best-of-4 accuracy where one of four is right.
        gain: (verifier,) what best-of-n by its score brings on attempts.
        correlation: Estimate of Spearman's, over verifiers.
    """

    benchmark: np.ndarray
    gain: np.ndarray
    correlation: Estimate


def judge_verifiers(benchmark: list[BestOf], use: list[BestOf], *, level: float = 0.95) -> Judged:
    """Does the benchmark of verifiers say which one helps?

    Args:
        benchmark: of each verifier, `best_of_n` on sets of four with one right attempt.
        use: of each, on the attempts it is to choose from.
        level: coverage of the bootstrap over verifiers; fewer than 3 give NaN.

    Ref: Malik et al. 2025, arXiv 2506.01937, section 5.
    """
    if len(benchmark) != len(use):
        raise ArgumentError(f"`use` must be of the same {len(benchmark)} verifiers, got {len(use)}")
    first = np.array([found.accuracy.value for found in benchmark])
    second = np.array([found.gain.value for found in use])
    return Judged(first, second, spearman(first, second, level=level))


class Lucky(NamedTuple):
    """Answers that pass though their steps do not hold.

    Attributes:
        solvers: labels in order.
        unsound: Estimate of arrays (solver,), share of passes whose steps are wrong.
        flagged: (solver,) bool, the share is above what is tolerated, all solvers considered.
        naive, sound: (solver,) Estimates of pass@k by answers, and by answers with sound steps.
    """

    solvers: tuple[object, ...]
    unsound: Estimate
    flagged: np.ndarray
    naive: tuple[Estimate, ...]
    sound: tuple[Estimate, ...]


def lucky_guesses(
    passed: np.ndarray,
    sound: np.ndarray,
    solver: np.ndarray,
    problem: np.ndarray,
    *,
    k: int = 1,
    tolerated: float = 0.05,
    level: float = 0.95,
) -> Lucky:
    """False positives of answer checking, found by checking steps.

    Args:
        passed: (row,) bool, the final answer is right.
        sound: (row,) bool, every step is; of a row that fails it does not matter.
        solver, problem: (row,) labels.
        k: of pass@k, up to the fewest attempts of a solver on a problem.
        tolerated: share of passes that may be unsound before a solver is flagged.
        level: coverage; flags hold for all solvers together (Bonferroni).

    Ref: Wang et al. 2025, Examining False Positives under Inference Scaling for Mathematical
    Reasoning, arXiv 2502.06217 (abstract only).

    >>> rows = np.arange(40)
    >>> found = lucky_guesses(rows >= 0, rows >= 20, rows // 20, rows % 20)
    >>> found.flagged, found.unsound.value
    (array([ True, False]), array([1., 0.]))
    """
    passed, sound = np.asarray(passed, dtype=bool), np.asarray(sound, dtype=bool)
    solver, problem = np.asarray(solver), np.asarray(problem)
    checks.shapes(passed=(passed, "row"), sound=(sound, "row"))
    checks.shapes(passed=(passed, "row"), solver=(solver, "row"), problem=(problem, "row"))
    checks.within(0, 1, tolerated=tolerated)
    checks.within(*checks.INSIDE, level=level)
    code, size = groups.codes(solver)
    passes = groups.sums(passed, code, size)
    bad = groups.sums(passed & ~sound, code, size)
    rate = pass_rate(bad, np.maximum(passes, 1), level=level)
    value, low, high = (
        np.where(passes > 0, x, empty)
        for x, empty in ((rate.value, np.nan), (rate.low, 0.0), (rate.high, 1.0))
    )
    strict = pass_rate(bad, np.maximum(passes, 1), level=1 - (1 - level) / size).low
    naive, true = [], []
    for at in range(size):
        mine = code == at
        place, n = groups.codes(problem[mine])
        tried = groups.counts(place, n)
        for hits, into in ((passed[mine], naive), (passed[mine] & sound[mine], true)):
            into.append(pass_at_k(groups.sums(hits, place, n), tried, k, level=level))
    return Lucky(
        tuple(np.unique(solver).tolist()),
        Estimate(value, low, high, passes.astype(int)),
        (passes > 0) & (strict > tolerated),
        tuple(naive),
        tuple(true),
    )
