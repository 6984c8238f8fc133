"""How far would another set of items give the same scores? Split halves, alpha, components.

Axes: `solver`, `item`.
"""

from typing import NamedTuple

import numpy as np
from scipy import special

from gradatim import checks
from gradatim.errors import ArgumentError
from gradatim.evaluation.rank import correlation
from gradatim.types import Estimate


class Consistency(NamedTuple):
    """Reliability of the scores of these solvers on items like these.

    Attributes:
        alpha: Estimate of Cronbach's alpha (KR-20 where answers are right or wrong), which is also
            the coefficient for ranks of generalisability theory; n is the number of solvers.
        halves: Estimate of the correlation of random halves, its mean and percentiles over halves,
            which are not an interval for other solvers; n is of halves.
        split_half: the same stepped up to all items (Spearman-Brown). NaN where the halves do not
            agree (a mean of 0 or less): no reliability can be measured then, only its ends told.
        absolute: coefficient for scores as numbers (phi): items' difficulties count as error.
        solver, item, rest: variance components of single answers.
        error: standard error of a solver's score, over items.
        needed: items for an alpha of 0.9; inf where solvers do not differ.
    """

    alpha: Estimate
    halves: Estimate
    split_half: Estimate
    absolute: float
    solver: float
    item: float
    rest: float
    error: float
    needed: float


def consistency(score: np.ndarray, *, level: float = 0.95, halves: int = 200) -> Consistency:
    """Alpha with its interval, split halves, and a study of variance: solvers by items.

    Args:
        score: (solver, item) float, complete.
        level: coverage of the interval of alpha.
        halves: random splits.

    Raises:
        ArgumentError: fewer than two solvers or items, NaN.

    Ref: Cronbach 1951, Psychometrika 16:297; Kuder & Richardson 1937, formula 20; interval: Feldt
    1965, Psychometrika 30:357; split halves: Spearman 1910, Brown 1910; components: Brennan 2001,
    Generalizability Theory, chapter 2.

    >>> score = np.array([[1, 1, 1, 1.0], [1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]])
    >>> round(consistency(score).alpha.value, 3)
    0.8
    """
    score = np.asarray(score, dtype=float)
    sizes = checks.shapes(score=(score, "solver item"))
    checks.finite(score=score)
    persons, items = sizes["solver"], sizes["item"]
    if min(persons, items) < 2:
        raise ArgumentError(f"`score` must hold two solvers and two items, got {score.shape}")
    by_solver, by_item = score.mean(axis=1), score.mean(axis=0)
    rest = score - by_solver[:, None] - by_item + score.mean()
    df = (persons - 1) * (items - 1)
    ms_solver = items * float(by_solver.var(ddof=1))
    ms_item = persons * float(by_item.var(ddof=1))
    ms_rest = float((rest**2).sum()) / df
    solver = max((ms_solver - ms_rest) / items, 0.0)
    item = max((ms_item - ms_rest) / persons, 0.0)
    alpha = _alpha(ms_solver, ms_rest, (persons - 1, df), level)
    total = solver + (item + ms_rest) / items
    between = _halves(score, halves, level)
    return Consistency(
        alpha=alpha,
        halves=between,
        split_half=_stepped(between),
        absolute=solver / total if total > 0 else np.nan,
        solver=solver,
        item=item,
        rest=ms_rest,
        error=float(np.sqrt((item + ms_rest) / items)),
        needed=float(np.ceil(9 * ms_rest / solver)) if solver > 0 else np.inf,
    )


def _alpha(outer: float, inner: float, df: tuple[int, int], level: float) -> Estimate:
    """1 - inner / outer, with the F interval of that ratio."""
    if outer <= 0:
        return Estimate(np.nan, np.nan, np.nan, df[0] + 1)
    ratio = inner / outer
    high = 1 - ratio * float(special.fdtri(df[0], df[1], (1 - level) / 2))
    low = 1 - ratio * float(special.fdtri(df[0], df[1], (1 + level) / 2))
    return Estimate(1 - ratio, low, high, df[0] + 1)


def _halves(score: np.ndarray, halves: int, level: float) -> Estimate:
    rng = np.random.default_rng(0)
    items = score.shape[1]
    found = []
    for _ in range(halves):
        order = rng.permutation(items)
        first, second = order[: items // 2], order[items // 2 :]
        found.append(float(correlation(*(score[:, half].mean(axis=1) for half in (first, second)))))
    there = np.array(found)[~np.isnan(found)]
    if not len(there):
        return Estimate(np.nan, np.nan, np.nan, 0)
    low, high = np.quantile(there, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(float(there.mean()), float(low), float(high), len(there))


def _stepped(r: Estimate) -> Estimate:
    """A test of twice the length: 2 r / (1 + r), which says nothing (and has a pole) below 0."""
    value, low, high = (2 * max(x, 0.0) / (1 + max(x, 0.0)) for x in (r.value, r.low, r.high))
    if np.isnan(r.value):
        return r
    return Estimate(value if r.value > 0 else np.nan, low, high, r.n)
