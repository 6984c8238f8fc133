"""Differences of many pairs of solvers on shared problems: intervals and p-values that hold.

The problem is the unit, whatever its attempts: what one attempt says of a solver's luck on a
problem, the next repeats. A problem's difference holds the noise of its attempts already, so
resampling attempts inside resampled problems would count that noise twice.
Axes: `solver`, `problem`, `pair`, `draw`.
"""

from typing import NamedTuple

import numpy as np
from scipy import special

from gradatim import checks, groups
from gradatim.errors import ArgumentError
from gradatim.evaluation.comparison import resample

PRIOR = 0.5  # of one large difference among graded answers: by coverage, see the tests
_BLOCK = 1 << 21  # differences that are held at a time


class Differences(NamedTuple):
    """Second minus first, for each pair; all (pair,).

    Attributes:
        value: mean over the shared problems of the difference of rates; NaN where none is shared.
        low, high: ends of its interval; NaN below two problems (or clusters).
        p: two-sided p-value of no difference.
        centre, se: of the interval: value and its standard error with two problems added, see
            `differences`.
        n: int, problems that both tried; units: int, problems or clusters that were the unit.
        df: degrees of freedom; units - 1, fewer where clusters differ in size.
        jump: what was allowed for differences of graded answers too rare to be seen; else 0.
    """

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p: np.ndarray
    centre: np.ndarray
    se: np.ndarray
    n: np.ndarray
    units: np.ndarray
    df: np.ndarray
    jump: np.ndarray


def steps(solved: np.ndarray, tried: np.ndarray) -> np.ndarray:
    """(solver,) the smallest step of a rate: 1 / attempts where answers are right or wrong, else 0.

    Args:
        solved, tried: (solver, problem) sums of scores, and attempts, 0 = missing.

    Returns:
        Where a solver's attempts never disagree (one answer, copied or always the same), 1.

    >>> steps(np.array([[1.0, 0.0], [0.3, 0.8]]), np.array([[1, 1], [1, 1]]))
    array([1., 0.])
    """
    counted = np.all(np.abs(solved - np.rint(solved)) < 1e-9, axis=1)
    n = np.maximum((tried > 0).sum(axis=1), 1)
    each = np.where(agreeing(solved, tried), 1.0, n / np.maximum(tried.sum(axis=1), 1))
    return np.where(counted, each, 0.0)


def agreeing(solved: np.ndarray, tried: np.ndarray) -> np.ndarray:
    """(solver,) bool: all attempts of a problem have the same outcome, on every problem.

    >>> agreeing(np.array([[4, 0], [4, 1]]), np.array([[4, 4], [4, 4]]))
    array([ True, False])
    """
    return np.all((solved == 0) | (solved == tried), axis=1)


def jumps(rate: np.ndarray) -> np.ndarray:
    """(solver,) size of a typical large deviation of a solver's scores from their median.

    The mean deviation, each weighed by its square: 1 for answers that are mostly 0 and at times 1.

    Args:
        rate: (solver, problem) float, NaN = missing.

    >>> jumps(np.array([[0.0, 0, 0, 1], [0.4, 0.5, 0.6, np.nan]])).round(3)
    array([1. , 0.1])
    """
    there = ~np.isnan(rate)
    some = there.any(axis=1, keepdims=True)
    middle = np.nanmedian(np.where(some, rate, 0.0), axis=1, keepdims=True)
    return _large(np.where(there, rate - middle, 0.0), np.zeros(len(rate)))


def _large(away: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(row,) mean size of (row, unit) deviations and of half a `known` one, weighed by squares."""
    size = np.abs(away)
    squares = np.sum(size**2, axis=1) + PRIOR * known**2
    cubes = np.sum(size**3, axis=1) + PRIOR * known**3
    return np.divide(cubes, squares, out=np.zeros(len(size)), where=squares > 0)


def differences(
    rate: np.ndarray,
    pairs: np.ndarray,
    *,
    step: np.ndarray | None = None,
    jump: np.ndarray | None = None,
    cluster: np.ndarray | None = None,
    level: float = 0.95,
) -> Differences:
    """Paired differences of mean rates, each with an interval and a p-value.

    Student's t over problems. Right or wrong: with two problems added; on one the solvers agree,
    and half of the other goes each way, by one `step`. Without them a dozen problems with one
    disagreement get an interval that is far too short. Graded: the variance of one large difference
    is added, which moves nothing; a few problems may not have shown any.

    Args:
        rate: (solver, problem) float in [0, 1], NaN = missing.
        pairs: (pair, 2) int, rows of `rate`: first and second.
        step: (solver,) smallest step of each solver's rates, see `steps`; the larger of the two
            counts. None or 0: no problem is added.
        jump: (solver,) see `jumps`, for pairs without a step: the larger of the two is half of one
            difference more among those seen, 1 where no score ever varied. None: nothing is added.
        cluster: (problem,) labels of problems that go together (of one text, one template): then
            the cluster is the unit, and problems keep their weight.
        level: coverage of the intervals.

    Returns:
        Differences. Where all problems differ by the same amount, p is that of a sign-flip test,
        2 / 2**n.

    Raises:
        ArgumentError: arrays that do not fit; a pair of a solver with itself.

    Ref: Agresti & Min 2005, Statistics in Medicine 24:729 (right or wrong, once each: half a
    problem to each of the four outcomes); clusters: Miller 2024, arXiv 2411.00640, section 2.2,
    by their jackknife, Cameron & Miller 2015, J. Human Resources 50:317, section VI, with the
    effective number of clusters of Carter, Schnepel & Steigerwald 2017, Review of Economics and
    Statistics 99:698; differs: quantiles of Student's t, the half problems shrink with the number
    of attempts, ends lie in [-1, 1], and what graded answers get is ours.

    >>> found = differences(np.array([[0.0, 1, 0, 0], [1.0, 1, 1, 0]]), np.array([[0, 1]]))
    >>> found.value, found.n
    (array([0.5]), array([4]))
    """
    size = checks.shapes(rate=(rate, "solver problem"), pairs=(pairs, "pair two"))
    checks.within(1e-9, 1 - 1e-9, level=level)
    checks.within(0, max(0, size["solver"] - 1), pairs=pairs)
    if np.any(pairs[:, 0] == pairs[:, 1]):
        raise ArgumentError("`pairs`: a solver cannot be compared with itself")
    step = np.zeros(size["solver"]) if step is None else np.asarray(step, dtype=float)
    jump = np.full(size["solver"], np.nan) if jump is None else np.asarray(jump, dtype=float)
    checks.shapes(rate=(rate, "solver problem"), step=(step, "solver"), jump=(jump, "solver"))
    order, starts = _clustered(cluster, size["problem"])
    table = np.asarray(rate, dtype=float)[:, order]
    found = np.empty((7, len(pairs)))
    width = max(1, _BLOCK // max(1, size["problem"]))
    for at in range(0, len(pairs), width):
        here = slice(at, at + width)
        one, other = pairs[here].T
        known = np.stack([np.maximum(each[one], each[other]) for each in (step, jump)])
        found[:, here] = _moments(table[other] - table[one], known, starts)
    return _tested(found, level)


def _clustered(cluster: np.ndarray | None, n: int) -> tuple[np.ndarray, np.ndarray | None]:
    """An order in which clusters stand together, and where each starts."""
    if cluster is None:
        return np.arange(n), None
    checks.shapes(rate=(np.empty(n), "problem"), cluster=(np.asarray(cluster), "problem"))
    code, n_clusters = groups.codes(np.asarray(cluster))
    order = np.argsort(code, kind="stable")
    return order, np.searchsorted(code[order], np.arange(n_clusters))


def _moments(gap: np.ndarray, known: np.ndarray, starts: np.ndarray | None) -> np.ndarray:
    """(7, pair): value, centre, se, n, units, df, jump of a block of differences (pair, problem).

    `known` is (2, pair): step and jump of the two solvers' scores.
    """
    step, jump = known
    there = ~np.isnan(gap)
    n = there.sum(axis=1)
    gap = np.where(there, gap, 0.0)
    total = gap.sum(axis=1)
    added = np.where(step > 0, 2, 0)
    size: np.ndarray = np.ones((len(gap), 1))  # problems of each unit
    with np.errstate(invalid="ignore", divide="ignore"):
        value, centre = total / n, total / (n + added)
        away = np.where(there, gap - centre[:, None], 0.0)
        units, df = n.astype(float), n - 1.0
        if starts is not None:
            away = np.add.reduceat(away, starts, axis=1)
            size = np.add.reduceat(there.astype(float), starts, axis=1)
            units = np.sum(size > 0, axis=1).astype(float)
            df = n**2 / np.sum(size**2, axis=1) - 1
        all_n, all_units = n + added, units + added
        # the mean without this unit, for each unit, as if it had been one of the others
        squares = np.sum((away / (1 - size / all_n[:, None])) ** 2, axis=1)
        squares += np.where(added, (step**2 + 2 * centre**2) / (1 - 1 / all_n) ** 2, 0.0)
        graded = (added == 0) & ~np.isnan(jump)
        large = _large(away[graded], jump[graded])
        jump = np.zeros(len(gap))
        jump[graded] = np.where(large > 0, large, 1.0)  # nothing varied yet: it may by all there is
        se = np.sqrt(squares * (all_units - 1) / all_units + jump**2) / all_n
    few = units < 2
    return np.stack([value, centre, np.where(few, np.nan, se), n, units, df, jump])


def _tested(found: np.ndarray, level: float) -> Differences:
    """Intervals and p-values of what `_moments` gives."""
    value, centre, se, n, units, df, jump = found
    half = special.stdtrit(np.maximum(df, 1), 0.5 + level / 2) * se
    low = np.where(np.isnan(se), np.nan, np.clip(centre - half, -1, 1))
    high = np.where(np.isnan(se), np.nan, np.clip(centre + half, -1, 1))
    return Differences(
        value=value,
        low=np.minimum(low, value),  # the added problems pull the centre a little towards 0
        high=np.maximum(high, value),
        p=tail(centre, se, df),
        centre=centre,
        se=se,
        n=n.astype(int),
        units=units.astype(int),
        df=df,
        jump=jump,
    )


def tail(centre: np.ndarray, se: np.ndarray, df: np.ndarray, *, at: float = 0.0) -> np.ndarray:
    """Two-sided p-value of the difference being `at`.

    Args:
        centre, se, df: of `Differences`.
        at: the difference that is tested.

    >>> tail(np.array([0.1]), np.array([0.05]), np.array([1.0])).round(4)
    array([0.2952])
    """
    off = np.abs(centre - at)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = 2 * special.stdtr(np.maximum(df, 1), -off / se)
    flat = np.where(off > 1e-15, np.ldexp(2.0, -np.minimum(df + 1, 1000).astype(int)), 1.0)
    p = np.where(se <= 1e-12 + 1e-9 * off, flat, p)  # no spread but that of rounding
    return np.where(np.isnan(se), np.nan, np.minimum(p, 1.0))


def joint_p(
    rate: np.ndarray,
    pairs: np.ndarray,
    found: Differences,
    *,
    draws: int = 4000,
    cluster: np.ndarray | None = None,
    rng: np.random.Generator | None = None,
) -> np.ndarray:
    """(pair,) p-values adjusted for all pairs together, by resampling problems jointly.

    Pairs that share solvers and problems move together; what is left of chance after that is less
    than Holm's adjustment allows for. Step-down: the largest |difference| / se is compared with
    the largest of each sample, the next with the largest of the rest. None is below that of its
    pair alone.

    Args:
        rate, pairs, cluster: as for `differences`.
        found: what `differences` returned for them.
        draws: samples; no p-value is below 1 / (draws + 1).
        rng: of the samples; None starts a fresh one at 0.

    Ref: Romano & Wolf 2005, Econometrica 73:1237, algorithm 4.1 with p-values of Romano & Wolf
    2016, Statistics & Probability Letters 113:38.

    >>> rate = np.array([[0.0, 1, 0, 0], [1.0, 1, 1, 0]])
    >>> pairs = np.array([[0, 1]])
    >>> 0 < joint_p(rate, pairs, differences(rate, pairs), draws=99).item() <= 1
    True
    """
    rng = np.random.default_rng(0) if rng is None else rng
    known = np.flatnonzero(np.isfinite(found.se) & (found.se > 1e-12))
    p = np.where(np.isfinite(found.se), found.p, np.nan)
    if not len(known):
        return p
    order, starts = _clustered(cluster, rate.shape[1])
    size = np.abs(found.centre[known]) / found.se[known]
    known = known[np.argsort(-size, kind="stable")]
    size = np.abs(found.centre[known]) / found.se[known]
    table = np.asarray(rate, dtype=float)[:, order]
    gap = table[pairs[known, 1]] - table[pairs[known, 0]]
    dev = np.where(np.isnan(gap), 0, gap - found.value[known, None]) / found.n[known, None]
    dev = dev if starts is None else np.add.reduceat(dev, starts, axis=1)
    norm = np.sqrt(np.sum(dev**2, axis=1, keepdims=True))
    dev = np.divide(dev, norm, out=np.zeros_like(dev), where=norm > 0).astype(np.float32).T
    above = np.zeros(len(known))
    step = max(1, _BLOCK // max(len(dev), len(known)))
    for at in range(0, draws, step):
        weight = resample(len(dev), min(step, draws - at), rng=rng).astype(np.float32)
        moved = np.abs((weight - 1) @ dev)
        # largest of this pair and of all that stand below it
        rest = np.maximum.accumulate(moved[:, ::-1], axis=1)[:, ::-1]
        above += np.sum(rest >= size, axis=0)
    p[known] = np.maximum.accumulate(np.maximum((above + 1) / (draws + 1), found.p[known]))
    return p
