"""How long a task may be: step accuracy, horizons, and errors that follow errors.

Axes: `step` (one row for each step of a reply, in order), `reply`, `task`, `draw`.
"""

from typing import NamedTuple

import numpy as np
from scipy import special

from gradatim import checks, groups
from gradatim.errors import ArgumentError
from gradatim.evaluation.comparison import resample
from gradatim.evaluation.rescaling import FAR, fit_logistic
from gradatim.families.horizon_measures import horizon_length
from gradatim.scale.rates import jeffreys
from gradatim.types import Estimate

DRAWS = 1000


class Horizon(NamedTuple):
    """How far a solver gets.

    Attributes:
        step: Estimate, share of steps that are right; n counts replies.
        half, most: Estimates, steps done right in a row with chance 1/2 and 80%, if every step has
            the same chance: ln s / ln p. inf where no step is wrong.
        seen: (2,) steps up to which at least 1/2 and 80% of replies are right throughout.
        after_error, after_none: shares of wrong steps where an earlier step of the reply is wrong,
            and where none is.
        conditioning: Estimate, after_error - after_none compared inside strata; NaN where no
            stratum has both. Above 0: errors breed errors, or replies differ in how good they are.
    """

    step: Estimate
    half: Estimate
    most: Estimate
    seen: np.ndarray
    after_error: Estimate
    after_none: Estimate
    conditioning: Estimate


def horizon(
    right: np.ndarray,
    reply: np.ndarray,
    *,
    stratum: np.ndarray | None = None,
    level: float = 0.95,
    draws: int = DRAWS,
    rng: np.random.Generator | None = None,
) -> Horizon:
    """Step accuracy, horizons, and self-conditioning, replies resampled.

    Args:
        right: (step,) 0 or 1, whether the step follows from the one before; steps of a reply stand
            in order.
        reply: (step,) labels.
        stratum: (step,) labels inside which steps after an error are compared with others; None:
            the turn, since accuracy may fall with length whether there were errors or not. To
            tell errors that breed errors from hard problems, add the problem to the label.
        level: coverage.
        draws: of the bootstrap over replies.
        rng: of the draws; None starts a fresh one at 0.

    Ref: Sinha et al. 2025, The Illusion of Diminishing Returns, arXiv:2509.09677 (H_s = ln s / ln
    p; self-conditioning). Differs: strata weighted as by Mantel and Haenszel (Greenland & Robins
    1985, Biometrics 41:55), where the paper puts errors into the context by hand.

    >>> found = horizon(np.tile([1, 1, 1, 0], 5), np.repeat(np.arange(5), 4))
    >>> found.step.value, round(found.half.value, 2), found.seen
    (0.75, 2.41, array([3, 3]))
    """
    right, reply = np.asarray(right, dtype=float), np.asarray(reply)
    checks.shapes(right=(right, "step"), reply=(reply, "step"))
    checks.within(*checks.INSIDE, level=level)
    if not len(right) or not np.isin(right, (0.0, 1.0)).all():
        raise ArgumentError("`right` must hold 0 or 1 for at least one step")
    rng = np.random.default_rng(0) if rng is None else rng
    code, size = groups.codes(reply)
    turn = groups.ranks(np.arange(len(right)), code)
    before = _before(1 - right, code)
    label = turn if stratum is None else np.asarray(stratum)
    checks.shapes(right=(right, "step"), stratum=(label, "step"))
    weight = resample(size, draws, rng=rng).astype(float)
    step = _ratio(right, np.ones(len(right)), code, weight=weight, level=level)
    wrong, late = 1 - right, (before > 0).astype(float)
    return Horizon(
        step,
        _length(step, 0.5),
        _length(step, 0.8),
        _seen(right, code, turn, size),
        _ratio(wrong * late, late, code, weight=weight, level=level),
        _ratio(wrong * (1 - late), 1 - late, code, weight=weight, level=level),
        _conditioning(wrong, late, code, groups.codes(label), weight=weight, level=level),
    )


def _before(wrong: np.ndarray, code: np.ndarray) -> np.ndarray:
    """(step,) wrong steps of the reply before this one."""
    order = groups.order(np.arange(len(code)), code)
    run = np.cumsum(wrong[order]) - wrong[order]
    starts = np.append(True, np.diff(code[order]) != 0)
    first = run[starts][np.cumsum(starts) - 1]
    found = np.empty(len(code))
    found[order] = run - first
    return found


def _seen(right: np.ndarray, code: np.ndarray, turn: np.ndarray, size: int) -> np.ndarray:
    whole = (_before(1 - right, code) == 0) & (right > 0)
    n = np.bincount(turn[whole], minlength=int(turn.max()) + 1)
    return np.array([int(np.count_nonzero(n >= s * size * (1 - 1e-12))) for s in (0.5, 0.8)])


def _ratio(
    top: np.ndarray, bottom: np.ndarray, code: np.ndarray, *, weight: np.ndarray, level: float
) -> Estimate:
    """Sum over sum, replies resampled; Jeffreys' over replies where all steps are alike."""
    size = weight.shape[1]
    above, below = groups.sums(top, code, size), groups.sums(bottom, code, size)
    n = int(np.count_nonzero(below))
    if not n:
        return Estimate(np.nan, 0.0, 1.0, 0)
    value = float(above.sum() / below.sum())
    if value in (0.0, 1.0):
        low, high = (float(x[0]) for x in jeffreys(np.array([value * n]), np.array([n]), level))
        return Estimate(value, low, high, n)
    drawn, of = weight @ above, weight @ below
    found = drawn[of > 0] / of[of > 0]
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value, min(float(low), value), max(float(high), value), n)


def _length(step: Estimate, success: float) -> Estimate:
    """Horizon of a step accuracy and of the ends of its interval."""

    def at(p: float) -> float:
        return np.inf if p >= 1 else 0.0 if p <= 0 else horizon_length(p, success)

    return Estimate(at(step.value), at(step.low), at(step.high), step.n)


def _conditioning(
    wrong: np.ndarray,
    late: np.ndarray,
    code: np.ndarray,
    strata: tuple[np.ndarray, int],
    *,
    weight: np.ndarray,
    level: float,
) -> Estimate:
    """Mantel-Haenszel difference of the shares wrong after an error and after none."""
    at, n_strata = strata
    n, size = weight.shape[1], weight.shape[0]

    def by_stratum(column: np.ndarray) -> np.ndarray:
        cell = np.bincount(code * n_strata + at, column, n * n_strata).reshape(n, n_strata)
        return np.concatenate([np.ones((1, n)), weight]) @ cell

    late_n, late_bad = by_stratum(late), by_stratum(late * wrong)
    none_n, none_bad = by_stratum(1 - late), by_stratum((1 - late) * wrong)
    both = np.maximum(late_n + none_n, 1e-300)
    room = np.sum(late_n * none_n / both, axis=1)
    gap = np.sum((late_bad * none_n - none_bad * late_n) / both, axis=1)
    with np.errstate(invalid="ignore"):
        found = gap / np.where(room > 0, room, np.nan)
    drawn = found[1:][~np.isnan(found[1:])]
    if np.isnan(found[0]) or len(drawn) < size / 2:
        return Estimate(np.nan, np.nan, np.nan, n)
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    value = float(found[0])
    return Estimate(value, min(float(low), value), max(float(high), value), n)


class Reach(NamedTuple):
    """Length of task at which a solver succeeds with a given chance.

    Attributes:
        half, most: Estimates of the lengths at 1/2 and 80%; n counts tasks. inf where success does
            not fall with length.
        slope: change of the logit of success for a doubling of length.
    """

    half: Estimate
    most: Estimate
    slope: Estimate


def horizon_by_length(
    length: np.ndarray,
    solved: np.ndarray,
    tried: np.ndarray | None = None,
    *,
    level: float = 0.95,
    draws: int = 300,
    rng: np.random.Generator | None = None,
) -> Reach:
    """Horizons from whole tasks of different lengths: a logistic curve in log length.

    Args:
        length: (task,) float > 0, steps, or minutes that a person needs.
        solved, tried: (task,) attempts that succeeded, of how many; None: one each.
        level: coverage.
        draws: of the bootstrap over tasks.
        rng: of the draws; None starts a fresh one at 0.

    Ref: Kwa et al. 2025, Measuring AI Ability to Complete Long Tasks, arXiv 2503.14499 (logistic in
    log2 of the length, horizon where it crosses the chance).

    >>> length = np.repeat([1.0, 2, 4, 8], 2)
    >>> solved = np.array([9, 9, 7, 7, 3, 3, 1, 1])
    >>> round(horizon_by_length(length, solved, np.full(8, 10)).half.value, 2)
    2.83
    """
    length, solved = np.asarray(length, dtype=float), np.asarray(solved, dtype=float)
    tried = np.ones_like(solved) if tried is None else np.asarray(tried, dtype=float)
    checks.shapes(length=(length, "task"), solved=(solved, "task"), tried=(tried, "task"))
    checks.within(*checks.POSITIVE, length=length)
    checks.within(1, np.inf, tried=tried)
    checks.within(0, 1, **{"solved / tried": solved / tried})
    checks.finite(length=length)
    if np.ptp(length) == 0:
        raise ArgumentError("`length` must hold at least two different lengths")
    rng = np.random.default_rng(0) if rng is None else rng
    x, n = np.log2(length), len(length)

    def fit(weight: np.ndarray) -> tuple[float, float, float]:
        used = weight > 0
        if np.ptp(x[used]) == 0:
            return np.nan, np.nan, np.nan
        line = fit_logistic(x[used], (solved / tried)[used], (weight * tried)[used])
        if line.slope >= 0:
            return np.inf, np.inf, line.slope
        at = [(special.logit(s) - line.constant) / line.slope for s in (0.5, 0.8)]
        return (*(float(2 ** np.clip(a, -FAR, FAR)) for a in at), line.slope)  # pyright: ignore

    value = fit(np.ones(n))
    drawn = np.array([fit(row) for row in resample(n, draws, rng=rng).astype(float)])
    drawn = drawn[~np.isnan(drawn[:, 0])]
    tails = [(1 - level) / 2, (1 + level) / 2]
    low, high = np.quantile(drawn, tails, axis=0, method="inverted_cdf")
    half, most, slope = (
        Estimate(v, min(float(a), v), max(float(b), v), n)
        for v, a, b in zip(value, low, high, strict=True)
    )
    return Reach(half, most, slope)
