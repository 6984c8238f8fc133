"""Rare successes: sample until r attempts pass, however many that takes, and what may be said then.

With a fixed number of attempts most rare problems show no pass at all; with a fixed number of
passes r the relative error is the same, about 1 / sqrt(r - 2), at any pass rate.
Axes: `problem`, `attempt` (flat, in the order they were made), `point` (a model size).
"""

from typing import NamedTuple

import numpy as np
from scipy import special

from gradatim import checks
from gradatim.errors import ArgumentError
from gradatim.types import Estimate

ITERATIONS = 100
SCATTERED = 0.05  # chance of a chi-square below which points do not follow the law


class Tally(NamedTuple):
    """Attempts up to the r-th pass.

    Attributes:
        passes, draws: (problem,) int; attempts after the r-th pass or beyond the budget are left
            out, because counting them would bring the bias back.
        done: (problem,) bool, r passes were reached.
        open: (problem,) bool, neither r passes nor the budget was reached: more attempts are due.
    """

    passes: np.ndarray
    draws: np.ndarray
    done: np.ndarray
    open: np.ndarray


def tally_until(
    solved: np.ndarray,
    problem: np.ndarray,
    *,
    r: int,
    n_problems: int,
    budget: int | None = None,
) -> Tally:
    """Apply the stopping rule: r passes, or `budget` attempts, whichever comes first.

    Attempts may be made in batches and by many workers: what counts is their order here.

    Args:
        solved: (attempt,) bool or 0/1, each problem's attempts in a fixed order (their number, say,
            but never the order in which they finished: short failures finish first).
        problem: (attempt,) int in [0, n_problems).
        r: passes wanted.
        n_problems: number of problems.
        budget: most attempts on a problem; None for no end.

    >>> tally_until(np.array([0, 1, 1, 1, 0]), np.array([0, 0, 0, 0, 1]), r=2, n_problems=2)
    Tally(passes=array([2, 0]), draws=array([3, 1]), done=array([ True, False]), \
open=array([False,  True]))
    """
    solved, problem = np.asarray(solved), np.asarray(problem)
    checks.shapes(solved=(solved, "attempt"), problem=(problem, "attempt"))
    checks.within(1, np.inf, r=r, budget=np.inf if budget is None else budget)
    checks.within(0, n_problems - 1, problem=problem)
    if not np.isin(solved, (0, 1)).all():
        raise ArgumentError("`solved` must be 0 or 1: a graded score needs a threshold first")
    order = np.argsort(problem, kind="stable")
    hit, code = solved[order].astype(np.int64), problem[order].astype(np.int64)
    size = np.bincount(code, minlength=n_problems)
    start = np.cumsum(size) - size
    running = np.cumsum(hit)
    before = (running - hit)[np.minimum(start, max(len(hit) - 1, 0))] if len(hit) else 0 * size
    earlier = running - hit - before[code]
    counts = (earlier < r) & (np.arange(len(hit)) - start[code] < (budget or np.inf))
    passes = np.bincount(code[counts], weights=hit[counts], minlength=n_problems).astype(np.int64)
    draws = np.bincount(code[counts], minlength=n_problems)
    done = passes == r
    return Tally(passes, draws, done, ~done & (draws < (budget or np.inf)))


def rare_rate(
    passes: np.ndarray, draws: np.ndarray, *, r: int | np.ndarray, level: float = 0.95
) -> Estimate:
    """Pass rates of problems that were sampled until r passes, without bias.

    (r - 1) / (K - 1) after K draws; the plain share r / K is too high: by half at r = 3. Where the
    budget ended first, with s < r passes in N draws, it is s / N; the two together are unbiased at
    any budget that was fixed beforehand.

    Args:
        passes: (problem,) int, 0 <= passes <= r.
        draws: (problem,) int >= 1, the last one a pass where passes = r (see `tally_until`).
        r: passes after which sampling stopped, >= 2: one number, or (problem,).
        level: coverage of the interval.

    Returns:
        Estimate of arrays (problem,); the interval is exact: it covers at least `level` at any
        rate, also where the budget ended first. Without a pass its low end is 0.

    Raises:
        ArgumentError: r < 2 (one pass leaves no unbiased estimate that is any use), more passes
            than r, fewer draws than passes.

    Ref: Haldane 1945, Biometrika 33:222; Girshick, Mosteller & Savage 1946, Annals of Mathematical
        Statistics 17:13 (with a budget); Clopper & Pearson 1934 for the interval; "PassUntil" is
        of Hu et al. 2023, arXiv 2310.03262.

    >>> rare_rate(np.array([3, 1]), np.array([1001, 2000]), r=3).value
    array([0.002 , 0.0005])
    """
    passes, draws, r = _tallied(passes, draws, r)
    checks.within(1e-9, 1 - 1e-9, level=level)
    done, tail = passes == r, (1 - level) / 2
    value = np.where(done, (r - 1) / np.maximum(draws - 1, 1), passes / draws)
    some, missed = np.maximum(passes, 1), draws - passes
    low = np.where(passes > 0, special.betaincinv(some, missed + 1, tail), 0.0)
    # fewer passes than r in K - 1 draws, where it is done; at most s passes in N draws, where not
    one_more = np.where(done, passes, passes + 1)
    high = special.betainccinv(one_more, np.maximum(missed, 1), tail)
    high = np.where(missed > 0, high, 1.0)
    return Estimate(value, np.minimum(low, value), np.maximum(high, value), draws.astype(np.int64))


def rare_variance(passes: np.ndarray, draws: np.ndarray, *, r: int | np.ndarray) -> np.ndarray:
    """(problem,) unbiased variance of `rare_rate`: its square minus an unbiased estimate of p^2.

    v (1 - v) / (K - 2) after r passes, v (1 - v) / (N - 1) where the budget ended first, with v the
    estimated rate.

    Ref: Finney 1949, Biometrika 36:233.

    >>> rare_variance(np.array([3]), np.array([11]), r=3)  # v = .2: .2 x .8 / 9
    array([0.01777778])
    """
    value = rare_rate(passes, draws, r=r).value
    passes, draws, r = _tallied(passes, draws, r)
    freedom = np.where(passes == r, draws - 2, draws - 1)
    return value * (1 - value) / np.maximum(freedom, 1)


def passes_needed(error: float) -> int:
    """Passes r for a relative standard error of the rate: 1 / sqrt(r - 2) where passes are rare.

    >>> passes_needed(0.25)
    18
    """
    checks.within(1e-6, np.inf, error=error)
    return int(np.ceil(2 + error**-2))


class TaskLaw(NamedTuple):
    """-log p = c size^-alpha: a task's pass rate over model sizes.

    Attributes:
        alpha: exponent, with its standard error se_alpha.
        log_c: logarithm of c.
        middle: mean log size of the fit, where level and slope are uncorrelated enough.
        covariance: (2, 2) of (log -log p at `middle`, -alpha), times the dispersion.
        dispersion: scatter around the law as a multiple of what the counts explain; 1 where that is
            no more than chance.
        freedom: points - 2.
        n: attempts behind it.
        converged: False where the counts fix no law (all passes at one end, say).
    """

    alpha: float
    se_alpha: float
    log_c: float
    middle: float
    covariance: np.ndarray
    dispersion: float
    freedom: int
    n: int
    converged: bool


def fit_task_law(size: np.ndarray, passes: np.ndarray, draws: np.ndarray) -> TaskLaw:
    """Fit how a task's pass rate grows with model size, by maximum likelihood.

    The likelihood of passes and draws does not depend on why sampling stopped, so points that were
    sampled until r, points that ran out of budget and points without any pass go in as they are;
    rates that are unbiased by themselves would not be so after two logarithms.

    Args:
        size: (point,) float > 0, parameters, tokens or compute; at least two different.
        passes, draws: (point,) counts, 0 <= passes <= draws.

    Raises:
        ArgumentError: fewer than two sizes, no pass at all, or nothing but passes.

    Ref: Hu et al. 2023, arXiv 2310.03262, section 4 (the law); differs: they fit a line to
        log(-log p) by least squares.

    >>> size = np.array([1e6, 1e7, 1e8])
    >>> exact = np.exp(-8 * (size / 1e6) ** -0.3)
    >>> law = fit_task_law(size, exact * 1e9, np.full(3, 1e9))
    >>> round(law.alpha, 4), law.converged
    (0.3, True)
    """
    size, passes, draws = (np.asarray(x, dtype=float) for x in (size, passes, draws))
    checks.shapes(size=(size, "point"), passes=(passes, "point"), draws=(draws, "point"))
    checks.finite(size=size, draws=draws)
    checks.within(1e-300, np.inf, size=size)
    checks.within(1, np.inf, draws=draws)
    checks.within(0, 1, **{"passes / draws": passes / draws})
    if len(np.unique(size)) < 2:
        raise ArgumentError("`size` must hold at least two different sizes: one fixes no slope")
    if not passes.any() or (passes == draws).all():
        what = "no attempt" if not passes.any() else "every attempt"
        raise ArgumentError(f"`passes`: {what} passes at any size, which fixes no law")
    middle = float(np.log(size).mean())
    x = np.stack([np.ones(len(size)), np.log(size) - middle], axis=1)
    start = np.log(-np.log((passes + 0.5) / (draws + 1)))
    beta, converged = _climb(x, passes, draws, np.linalg.lstsq(x, start, rcond=None)[0])
    p, weight = _law(x, beta, draws)[1:]
    freedom = len(size) - 2
    spread = float(np.sum((passes - draws * p) ** 2 / np.maximum(draws * p * (1 - p), 1e-300)))
    scattered = freedom > 0 and special.chdtrc(freedom, spread) < SCATTERED
    dispersion = spread / freedom if scattered else 1.0
    covariance = np.linalg.pinv((x * weight[:, None]).T @ x) * dispersion
    return TaskLaw(
        alpha=float(-beta[1]),
        se_alpha=float(np.sqrt(covariance[1, 1])),
        log_c=float(beta[0] - beta[1] * middle),
        middle=middle,
        covariance=covariance,
        dispersion=dispersion,
        freedom=freedom,
        n=int(draws.sum()),
        converged=converged,
    )


def predict_rate(law: TaskLaw, size: np.ndarray, *, level: float = 0.95) -> Estimate:
    """Pass rate at sizes inside or beyond those of the fit, with the interval of the law.

    The interval is that of the fitted line; it holds as far as the law does. Where the points
    scatter more than their counts explain, it is wider, with Student's t.

    >>> law = fit_task_law(np.array([1.0, 10.0]), np.array([5, 50]), np.array([1000, 1000]))
    >>> found = predict_rate(law, np.array([100.0]))
    >>> bool(found.low[0] < found.value[0] < found.high[0])
    True
    """
    size = np.asarray(size, dtype=float)
    checks.shapes(size=(size, "point"))
    checks.within(1e-300, np.inf, size=size)
    checks.within(1e-9, 1 - 1e-9, level=level)
    x = np.stack([np.ones(len(size)), np.log(size) - law.middle], axis=1)
    middle = x @ np.array([law.log_c - law.alpha * law.middle, -law.alpha])
    error = np.sqrt(np.einsum("pi,ij,pj->p", x, law.covariance, x))
    tail = 0.5 + level / 2
    scattered = law.dispersion > 1
    wide = special.stdtrit(law.freedom, tail) if scattered else special.ndtri(tail)
    value, low, high = (
        np.exp(-np.exp(np.minimum(middle + sign * wide * error, 700.0))) for sign in (0, 1, -1)
    )
    return Estimate(value, low, high, np.full(len(size), law.n))


def _tallied(
    passes: np.ndarray, draws: np.ndarray, r: int | np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    passes, draws = np.asarray(passes, dtype=float), np.asarray(draws, dtype=float)
    checks.shapes(passes=(passes, "problem"), draws=(draws, "problem"))
    need = np.broadcast_to(np.asarray(r, dtype=float), passes.shape)
    checks.within(2, np.inf, r=r)
    checks.finite(draws=draws)
    checks.within(1, np.inf, draws=draws)
    checks.within(0, 1, **{"passes / draws": passes / draws, "passes / r": passes / need})
    for name, count in (("passes", passes), ("draws", draws), ("r", need)):
        if (count != np.floor(count)).any():
            raise ArgumentError(f"`{name}` must be whole numbers")
    return passes, draws, need


def _law(
    x: np.ndarray, beta: np.ndarray, draws: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """-log p, p, and the Fisher information in log(-log p), at each point."""
    m = np.exp(np.clip(x @ beta, -30, 6.5))  # p stays above 1e-289 and below 1 - 1e-13
    p = np.exp(-m)
    return m, p, draws * m**2 * p / -np.expm1(-m)


def _climb(
    x: np.ndarray, passes: np.ndarray, draws: np.ndarray, beta: np.ndarray
) -> tuple[np.ndarray, bool]:
    """Fisher scoring with halved steps; whether the last full step was nothing."""

    def loglik(at: np.ndarray) -> float:
        m = _law(x, at, draws)[0]
        return float(np.sum(-passes * m + (draws - passes) * np.log(-np.expm1(-m))))

    here = loglik(beta)
    for _ in range(ITERATIONS):
        m, p, weight = _law(x, beta, draws)
        slope = x.T @ (m * ((draws - passes) * p / -np.expm1(-m) - passes))
        step = np.linalg.pinv((x * weight[:, None]).T @ x) @ slope
        scale = 1.0
        while (there := loglik(beta + scale * step)) < here and scale > 1e-9:
            scale /= 2
        if scale * np.abs(step).max() < 1e-9 or scale <= 1e-9:
            return beta, bool(np.abs(step).max() < 1e-5)
        beta, here = beta + scale * step, there
    return beta, False
