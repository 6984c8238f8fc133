"""Which problems are worth keeping, and how hard each is for whom: grades from attempts.

Axes: `attempt` (flat), `problem`, `model`, `level` (1 = easiest).
"""

from typing import NamedTuple

import numpy as np

from gradatim import checks, groups
from gradatim.errors import ArgumentError
from gradatim.scale import rates, shrinkage
from gradatim.types import Estimate

VERDICTS = ("kept", "untried", "never_right", "always_right", "steady")
EDGES = (0.8, 0.6, 0.4, 0.2)  # five levels of equal width


class Spread(NamedTuple):
    """What several models, with several passes each, made of every problem.

    Attributes:
        rate: (problem,) Estimate of the pass rate: the mean over models of each model's share; NaN
            for a problem without attempts. Its interval is Wilson's, all attempts taken together.
        of_model: (model, problem) share of passes, NaN where a model made no attempt.
        mean, cv: (problem,) mean score, and standard deviation over mean: 0 for equal scores, inf
            where the mean is 0, NaN without attempts.
    """

    rate: Estimate
    of_model: np.ndarray
    mean: np.ndarray
    cv: np.ndarray


class Levels(NamedTuple):
    """Levels of problems for one model.

    Attributes:
        level: (problem,) int, 1 (passes most often) .. number of levels.
        low, high: (problem,) int, levels that the interval of the pass rate reaches.
        rate: (problem,) Estimate of the pass rate.
    """

    level: np.ndarray
    low: np.ndarray
    high: np.ndarray
    rate: Estimate


def grade_scores(
    score: np.ndarray,
    problem: np.ndarray,
    *,
    n_problems: int,
    model: np.ndarray | None = None,
    threshold: float = 0.99,
    ddof: int = 0,
) -> Spread:
    """Pass rate and coefficient of variation of each problem's scores.

    Every model has the same say in a problem, however many attempts it made there.

    Args:
        score: (attempt,) float >= 0, verifier's scores.
        problem: (attempt,) int in [0, n_problems).
        n_problems: number of problems.
        model: (attempt,) any labels; None for one model. Rows of `of_model` are in order of label.
        threshold: an attempt passes where its score is above it.
        ddof: 0 divides squares by n, as the paper's formula does; 1 by n - 1, as its example does.

    Ref: "DeepDistill", Tian et al. 2025, arXiv 2504.17565, eq. 6 for the CV; differs: models are
        weighed equally where their numbers of passes differ.

    >>> found = grade_scores(np.array([0.9, 0.1, 0.7, 0.3, 0.5]), np.zeros(5, int), n_problems=1,
    ...     threshold=0.4)
    >>> round(float(found.cv[0]), 3), float(found.rate.value[0])
    (0.566, 0.6)
    """
    score, problem = np.asarray(score, dtype=float), np.asarray(problem)
    label = np.zeros(len(problem), dtype=int) if model is None else np.asarray(model)
    checks.shapes(score=(score, "attempt"), problem=(problem, "attempt"), model=(label, "attempt"))
    checks.finite(score=score)
    checks.within(0, np.inf, score=score)
    checks.within(0, n_problems - 1, problem=problem)
    checks.within(0, 1, ddof=ddof)
    label, n_models = groups.codes(label)
    pair = label * n_problems + problem
    tried = groups.counts(pair, n_models * n_problems).reshape(n_models, n_problems)
    passed = groups.sums(1.0 * (score > threshold), pair, tried.size).reshape(tried.shape)
    with np.errstate(invalid="ignore"):
        of_model = passed / np.where(tried, tried, np.nan)
    answered = (tried > 0).sum(axis=0)
    weight = 1 / (tried[label, problem] * answered[problem])  # sums to 1 in each problem
    mean = groups.sums(weight * score, problem, n_problems)
    centred = np.where(groups.mixed(score, problem, n_problems)[problem], score - mean[problem], 0)
    square = groups.sums(weight * centred**2, problem, n_problems)
    square = square / np.maximum(1 - ddof * groups.sums(weight**2, problem, n_problems), 1e-12)
    some = answered > 0
    cv = np.where(mean > 0, np.sqrt(square) / np.where(mean > 0, mean, 1), np.inf)
    return Spread(
        rate=_pooled(of_model, tried, some),
        of_model=of_model,
        mean=np.where(some, mean, np.nan),
        cv=np.where(some, cv, np.nan),
    )


def keep_varied(spread: Spread, *, least_cv: float = 0.0) -> np.ndarray:
    """(problem,) int, index into VERDICTS: kept, or why not.

    Left out are problems that no attempt passes (the answer key may be wrong), that every attempt
    passes (nothing to learn), and whose scores vary by no more than `least_cv`. For scores of 0
    and 1 the coefficient is sqrt((1 - p) / p), so there it only bounds the pass rate: p must be
    below 1 / (1 + least_cv^2).

    Ref: "DeepDistill", Tian et al. 2025, arXiv 2504.17565; its bounds on the CV, one for each kind
        of problem, are not published.

    >>> spread = grade_scores(np.array([1, 1, 0, 0, 1, 0]), np.array([0, 0, 1, 1, 2, 2]),
    ...     n_problems=4)
    >>> [VERDICTS[i] for i in keep_varied(spread)]
    ['always_right', 'never_right', 'kept', 'untried']
    """
    checks.within(0, np.inf, least_cv=least_cv)
    rate, tried = spread.rate.value, spread.rate.n > 0
    steady = ~(spread.cv > least_cv)
    choices = [~tried, rate <= 0, rate >= 1, steady]
    return np.select(choices, [1, 2, 3, 4], default=0)


def stages(difficulty: np.ndarray, kept: np.ndarray, *, n_stages: int = 2) -> np.ndarray:
    """(problem,) int: 1 (easiest) .. n_stages for training in stages, 0 for what is left out.

    Stages differ by one problem at most; equals are told apart by position.

    Args:
        difficulty: (problem,) float, hard is high: the CV, or minus the pass rate.
        kept: (problem,) bool.
        n_stages: number of stages.

    >>> stages(np.array([0.2, 0.9, 0.5, 0.4]), np.array([True, True, False, True]))
    array([1, 2, 0, 1])
    """
    difficulty, kept = np.asarray(difficulty, dtype=float), np.asarray(kept, dtype=bool)
    checks.shapes(difficulty=(difficulty, "problem"), kept=(kept, "problem"))
    checks.within(1, np.inf, n_stages=n_stages)
    if np.isnan(difficulty[kept]).any():
        raise ArgumentError("`difficulty` must be known where `kept` is true, got NaN")
    index = np.flatnonzero(kept)
    order = index[np.argsort(difficulty[index], kind="stable")]
    stage = np.zeros(len(difficulty), dtype=int)
    stage[order] = 1 + np.arange(len(order)) * n_stages // max(len(order), 1)
    return stage


def grade_levels(
    k: np.ndarray,
    n: np.ndarray,
    *,
    edges: tuple[float, ...] = EDGES,
    shrunk: bool = False,
    level: float = 0.95,
) -> Levels:
    """Grade problems by one model's own pass rate: what is hard for this model, not in general.

    Args:
        k, n: (problem,) solved attempts of n >= 1 of this model.
        edges: falling pass rates between levels; a rate on an edge has the easier level.
        shrunk: take empirical-Bayes rates (`shrinkage.shrink`): with few attempts the outer levels
            otherwise fill up with problems that were lucky or unlucky.
        level: coverage of the intervals behind `low` and `high`.

    Ref: "LLM-adaptive question difficulty grading", Yu et al. 2025, arXiv 2504.11919; differs: they
        call solved problems easy and grade failures by a reward model, which needs one.

    >>> grade_levels(np.array([8, 4, 0]), np.array([8, 8, 8])).level
    array([1, 3, 5])
    """
    falling = np.asarray(edges, dtype=float)
    checks.within(0, 1, edges=falling)
    if (np.diff(falling) >= 0).any():
        raise ArgumentError(f"`edges` must fall from easy to hard, got {edges}")
    rate = shrinkage.shrink(k, n, level=level) if shrunk else rates.pass_rate(k, n, level=level)

    def at(value: np.ndarray) -> np.ndarray:
        # a rate of .6 from 6 of 10 must meet an edge of .6
        return 1 + np.searchsorted(-falling, -(value + 1e-12), side="left")

    return Levels(at(rate.value), at(rate.high), at(rate.low), rate)


def _pooled(of_model: np.ndarray, tried: np.ndarray, some: np.ndarray) -> Estimate:
    """Mean over models; the interval as if the attempts were of one model at that rate."""
    n = tried.sum(axis=0)
    total = np.where(tried > 0, of_model, 0).sum(axis=0)
    value = np.clip(total / np.maximum((tried > 0).sum(axis=0), 1), 0, 1)
    found = rates.pass_rate(value * np.maximum(n, 1), np.maximum(n, 1))
    value, low, high = (np.where(some, x, np.nan) for x in (found.value, found.low, found.high))
    return Estimate(value, low, high, n)
