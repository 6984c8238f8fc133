"""How long a task may be: step accuracy, horizons, and errors that follow errors.

Axes: `step` (one row for each step of a reply, in order), `reply`, `task`.
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


class Horizon(NamedTuple):
    """How far a solver gets.

    Attributes:
        step: Estimate, share of steps that are right; n counts replies (problems where given).
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
    problem: np.ndarray | None = None,
    level: float = 0.95,
) -> Horizon:
    """Step accuracy, horizons, and self-conditioning.

    Args:
        right: (step,) 0 or 1, whether the step follows from the one before; steps of a reply stand
            in order.
        reply: (step,) labels.
        problem: (step,) labels. With them, steps after an error are compared with others of the
            same turn of the same problem, which tells errors that breed errors from problems that
            are hard, and problems are the sample (give some ten at least); without, of the same
            turn, since accuracy may fall with length, and replies are the sample.
        level: coverage.

    Ref: Sinha et al. 2025, The Illusion of Diminishing Returns, arXiv:2509.09677 (H_s = ln s / ln
    p; self-conditioning). Differs: strata weighted as by Mantel and Haenszel (Greenland & Robins
    1985, Biometrics 41:55), where the paper puts errors into the context by hand; errors of
    estimates are linearised over the sample.

    >>> found = horizon(np.tile([1, 1, 1, 0], 5), np.repeat(np.arange(5), 4))
    >>> found.step.value, round(found.half.value, 2), found.seen
    (0.75, 2.41, array([3, 3]))
    """
    right, reply = np.asarray(right, dtype=float), np.asarray(reply)
    checks.shapes(right=(right, "step"), reply=(reply, "step"))
    checks.within(*checks.INSIDE, level=level)
    if not len(right) or not np.isin(right, (0.0, 1.0)).all():
        raise ArgumentError("`right` must hold 0 or 1 for at least one step")
    code, size = groups.codes(reply)
    turn = groups.ranks(np.arange(len(right)), code)
    wrong, late = 1 - right, (_before(1 - right, code) > 0).astype(float)
    if problem is None:
        unit, stratum = code, turn
    else:
        checks.shapes(right=(right, "step"), problem=(np.asarray(problem), "step"))
        unit = groups.codes(np.asarray(problem))[0]
        stratum = groups.codes(unit * (int(turn.max()) + 1) + turn)[0]
    step = _ratio(right, np.ones(len(right)), unit, level)
    return Horizon(
        step,
        _length(step, 0.5),
        _length(step, 0.8),
        _seen(right, code, turn, size),
        _ratio(wrong * late, late, unit, level),
        _ratio(wrong * (1 - late), 1 - late, unit, level),
        _conditioning(wrong, late, unit, stratum, whole=problem is not None, level=level),
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


def _ratio(top: np.ndarray, bottom: np.ndarray, unit: np.ndarray, level: float) -> Estimate:
    """Sum over sum, normal in logits over units; Jeffreys' over units where all are alike."""
    kept = bottom > 0
    code, size = groups.codes(unit[kept])
    if not size:
        return Estimate(np.nan, 0.0, 1.0, 0)
    total = bottom.sum()
    value = float(top.sum() / total)
    pull = groups.sums((top - value * bottom)[kept], code, size) / total
    error = float(np.sqrt(pull @ pull * size / max(size - 1, 1)))
    if error < 1e-12 or value in (0.0, 1.0):
        low, high = (
            float(x[0]) for x in jeffreys(np.array([value * size]), np.array([size]), level)
        )
    else:
        half = special.ndtri(0.5 + level / 2) * error / (value * (1 - value))
        low, high = special.expit(special.logit(value) + np.array([-half, half]))
    return Estimate(value, min(float(low), value), max(float(high), value), size)


def _length(step: Estimate, success: float) -> Estimate:
    """Horizon of a step accuracy and of the ends of its interval."""

    def at(p: float) -> float:
        return np.inf if p >= 1 else 0.0 if p <= 0 else horizon_length(p, success)

    return Estimate(at(step.value), at(step.low), at(step.high), step.n)


def _conditioning(
    wrong: np.ndarray,
    late: np.ndarray,
    unit: np.ndarray,
    stratum: np.ndarray,
    *,
    whole: bool,
    level: float,
) -> Estimate:
    """Mantel-Haenszel difference of the shares wrong after an error and after none.

    Strata are small but many where each lies `whole` inside a unit: their sums are then the sample.
    Otherwise they are few and large, and their counts are linearised in what a unit adds to them.
    """
    n_strata, size = int(stratum.max()) + 1, int(unit.max()) + 1

    def count(column: np.ndarray) -> np.ndarray:
        return np.bincount(stratum, column, n_strata)

    a, n1 = count(late * wrong), count(late)
    b, n0 = count((1 - late) * wrong), count(1 - late)
    both = n1 + n0
    gap, weight = (a * n0 - b * n1) / both, n1 * n0 / both
    if weight.sum() == 0:
        return Estimate(np.nan, np.nan, np.nan, size)
    value = float(gap.sum() / weight.sum())
    if whole:
        share = (gap - value * weight) / both  # spread over its rows: all of one unit
        pull = share[stratum]
    else:
        at = both[stratum]
        of_late = (wrong * n0[stratum] - b[stratum] - gap[stratum]) / at
        of_none = (a[stratum] - wrong * n1[stratum] - gap[stratum]) / at
        room = np.where(late > 0, n0[stratum] ** 2, n1[stratum] ** 2) / at**2
        pull = np.where(late > 0, of_late, of_none) - value * room
    sums = groups.sums(pull, unit, size) / weight.sum()
    half = float(special.ndtri(0.5 + level / 2) * np.sqrt(sums @ sums * size / max(size - 1, 1)))
    return Estimate(value, max(value - half, -1.0), min(value + half, 1.0), size)


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
