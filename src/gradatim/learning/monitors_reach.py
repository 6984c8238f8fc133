"""What a policy can do at all, before and after: expand or sharpen, coverage, forgetting.

Axis: `problem`; counts are right attempts `c` of `n`. Every comparison is paired over problems.
"""

from typing import NamedTuple

import numpy as np

from gradatim import checks, groups
from gradatim.learning.monitors import paired
from gradatim.scale.pass_at_k import problem_pass_at_k
from gradatim.scale.rates import pass_rate
from gradatim.types import Estimate

VERDICTS = ("expanded", "sharpened", "shrunk", "unchanged", "unresolved")


class Boundary(NamedTuple):
    """How a policy's reach has moved.

    Attributes:
        pass_1, pass_k: Estimates of the change of pass@1 and of pass@k, paired over problems.
        k: attempts.
        verdict: one of VERDICTS.
        alarm: whether pass@1 has risen while pass@k has fallen.
    """

    pass_1: Estimate
    pass_k: Estimate
    k: int
    verdict: str
    alarm: bool


def _within(change: Estimate, margin: float) -> bool:
    return bool(-margin <= change.low and change.high <= margin)


def boundary(
    before: tuple[np.ndarray, np.ndarray],
    after: tuple[np.ndarray, np.ndarray],
    k: int,
    *,
    margin: float = 0.02,
    level: float = 0.95,
) -> Boundary:
    """Did training expand what a policy can solve, or only sharpen it?

    Args:
        before, after: (c, n), each (problem,) int: right attempts and attempts, n >= k, of the
            same problems in the same order; fresh ones that were not trained on.
        k: attempts of pass@k; large ones see rare solutions.
        margin: a change of at most that is none.
        level: coverage of the intervals (t, over problems).

    Returns:
        Boundary. `expanded`: pass@k has risen. `shrunk`: pass@k has fallen. `sharpened`: pass@1
        has risen and pass@k stayed within the margin. `unchanged`: both stayed within it.
        `unresolved`: the intervals are too wide to say.

    Ref: Yao et al. 2025, arXiv:2510.04028 (shrinkage, expansion, or both); Chen et al. 2021,
    arXiv:2107.03374, eq. 1, for pass@k.

    >>> n = np.full(40, 16)
    >>> easy, hard = np.repeat([4, 0], 20), np.repeat([12, 0], 20)  # right attempts, then later
    >>> found = boundary((easy, n), (hard, n), 16)
    >>> found.pass_1.value, found.pass_k.value, found.verdict
    (0.25, 0.0, 'unresolved')
    """
    checks.within(0, 1, margin=margin)
    rates = [[problem_pass_at_k(c, n, j) for c, n in (before, after)] for j in (1, k)]
    checks.shapes(before=(rates[0][0], "problem"), after=(rates[0][1], "problem"))
    one, many = (paired(then - first, level=level) for first, then in rates)
    rose = bool(one.low > 0)
    if many.low > 0:
        verdict = "expanded"
    elif many.high < 0:
        verdict = "shrunk"
    elif rose and _within(many, margin):
        verdict = "sharpened"
    elif _within(one, margin) and _within(many, margin):
        verdict = "unchanged"
    else:
        verdict = "unresolved"
    return Boundary(one, many, k, verdict, rose and verdict == "shrunk")


class Coverage(NamedTuple):
    """How much of a pool a run has touched.

    Attributes:
        tried, solved: Estimates of the share of problems tried, and solved at least once.
        effective: number of problems that would give the same concentration if all were tried
            the same number of times (inverse Simpson).
        size: of the pool.
    """

    tried: Estimate
    solved: Estimate
    effective: float
    size: int


def coverage(problem: np.ndarray, solved: np.ndarray, size: int) -> Coverage:
    """Which part of a pool attempts went to and were right on.

    Args:
        problem: (attempt,) int in 0 .. size-1.
        solved: (attempt,) bool.
        size: of the pool.

    >>> coverage(np.array([0, 0, 1, 1, 2, 2]), np.array([1, 0, 0, 0, 1, 1]), 6).effective
    3.0
    """
    problem, solved = np.asarray(problem, dtype=int), np.asarray(solved, dtype=bool)
    checks.shapes(problem=(problem, "attempt"), solved=(solved, "attempt"))
    checks.within(1, np.inf, size=size)
    checks.within(0, size - 1, problem=problem)
    tried = np.bincount(problem, minlength=size)
    right = np.bincount(problem, weights=solved, minlength=size)
    total = float(tried.sum())
    effective = total**2 / float((tried.astype(float) ** 2).sum()) if total else 0.0
    return Coverage(_share(tried > 0), _share(right > 0), effective, size)


def _share(where: np.ndarray) -> Estimate:
    found = pass_rate(np.array([where.sum()]), np.array([len(where)]))
    return Estimate(*(float(getattr(found, f)[0]) for f in ("value", "low", "high")), n=len(where))


def headroom(c: np.ndarray, n: np.ndarray, k: int, *, level: float = 0.95) -> Estimate:
    """What distilling best-of-k into one attempt could gain: mean of pass@k - pass@1.

    Args:
        c, n: (problem,) int, right attempts and attempts, n >= k.
        k: attempts.
        level: coverage of the interval.

    Ref: Huang et al. 2024, arXiv:2412.01951 (sharpening): it can gain only where the policy
    covers the answer.

    >>> headroom(np.array([0, 2, 4]), np.array([4, 4, 4]), 4).value  # 0, 1/2, 0
    0.16666666666666666
    """
    return paired(problem_pass_at_k(c, n, k) - problem_pass_at_k(c, n, 1), level=level)


def coverage_coefficient(c: np.ndarray, n: np.ndarray) -> np.ndarray:
    """(problem,) estimate of 1 / pass rate, which is how many attempts a right one costs.

    Args:
        c, n: (problem,) int, right attempts and attempts, n >= 1.

    Returns:
        (n + 1) / (c + 1). Its expectation is (1 - (1 - p)^(n + 1)) / p exactly: 1 / p where a
        right attempt is likely to be seen, and at most n + 1 where none may exist.

    Ref: Huang et al. 2024, arXiv:2412.01951: the mean over problems is the coverage
    coefficient for the right answers; best-of-N needs N beyond it.

    >>> coverage_coefficient(np.array([0, 1, 7]), np.array([7, 7, 7]))
    array([8., 4., 1.])
    """
    c, n = np.asarray(c, dtype=float), np.asarray(n, dtype=float)
    checks.shapes(c=(c, "problem"), n=(n, "problem"))
    checks.within(1, np.inf, n=n)
    checks.within(0, 1, **{"c / n": c / n})
    return (n + 1) / (c + 1)


class Forgetting(NamedTuple):
    """What was lost at each level.

    Attributes:
        levels: (level,) labels, in order.
        loss: Estimate of arrays (level,): pass rate before minus after, paired over problems.
        lost: (level,) bool, whether the loss is above 0 with all levels looked at together.
    """

    levels: np.ndarray
    loss: Estimate
    lost: np.ndarray


def forgetting(
    before: np.ndarray, after: np.ndarray, level: np.ndarray, *, confidence: float = 0.95
) -> Forgetting:
    """Which levels got worse, paired over their problems.

    Args:
        before, after: (problem,) float in [0, 1], pass rates of two checkpoints; the first must
            not be picked as the best of many, which would make losses out of noise.
        level: (problem,) labels, such as (family, level) codes.
        confidence: of each interval; `lost` divides 1 - confidence by the number of levels.

    Raises:
        ArgumentError: rates outside [0, 1], or columns of different lengths.

    >>> found = forgetting(np.array([0.9, 0.8, 1.0, 0.1]), np.array([0.5, 0.4, 0.7, 0.3]),
    ...                    np.array([1, 1, 1, 2]))
    >>> found.loss.value.round(3), found.lost
    (array([ 0.367, -0.2  ]), array([ True, False]))
    """
    before, after = np.asarray(before, dtype=float), np.asarray(after, dtype=float)
    level = np.asarray(level)
    checks.shapes(before=(before, "problem"), after=(after, "problem"), level=(level, "problem"))
    checks.within(0, 1, before=before, after=after)
    checks.within(1e-9, 1 - 1e-9, confidence=confidence)
    code, size = groups.codes(level)
    together = 1 - (1 - confidence) / max(size, 1)
    parts = [paired((before - after)[code == i], level=confidence) for i in range(size)]
    strict = [paired((before - after)[code == i], level=together) for i in range(size)]
    fields = ([getattr(p, name) for p in parts] for name in ("value", "low", "high", "n"))
    return Forgetting(
        np.unique(level),
        Estimate(*(np.array(f) for f in fields)),
        np.array([bool(p.low > 0) for p in strict], dtype=bool),
    )
