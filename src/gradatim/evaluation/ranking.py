"""Who is best? Ranks of many models from results that may be sparse and not missing by chance.

A plain mean ranks by who was given easy items. Comparisons inside an item, and abilities on a
common scale, do not. Ranks carry intervals: models that the data cannot tell apart share them.
Axes: `model`, `item`, `draw` (bootstrap samples of items).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from gradatim import checks, groups
from gradatim.errors import ArgumentError
from gradatim.evaluation import ranking_fits
from gradatim.evaluation.aggregation import DIGITS, aggregate, beaten, kemeny
from gradatim.evaluation.comparison import resample, resampled_means
from gradatim.evaluation.rank import midranks
from gradatim.evaluation.ranking_apart import agreed, ahead_of, coin, enough_of, tiers
from gradatim.evaluation.ranking_fits import Fit
from gradatim.scale.choices import levels
from gradatim.types import Estimate

HOW = ("irt", "irt_2pl", "bradley_terry", "plackett_luce", "borda", "kemeny", "mean")
ALPHA = 0.01  # prior precision of strengths, as ONEBench's: finite where a model solved all
AGAIN = 300  # draws of what has to be found anew in each


class Ranking(NamedTuple):
    """Models in order.

    Attributes:
        names: (model,) as given.
        order: (model,) int, places: models, best first.
        score: Estimate of (model,) arrays on the method's scale, n the items tried: a mean, a share
            of others beaten, a strength or ability in logits about the models' mean, or (Kemeny)
            how many are placed below. Intervals are one model's alone.
        rank: Estimate of (model,) arrays, 1 = best, equal scores sharing their mean rank. Each
            interval holds that model's true rank in `level` of all samples of items.
        p_best: (model,) share of draws in which it is the best.
        best: (model,) bool, models that may be the best: the set holds it at `level`.
        apart: (model, model) bool, pairs whose order holds, all pairs at once at `level`.
        tier: (model,) int from 1: going down the order, a model that is apart from the first of
            its tier begins the next.
        how, n_items, level: as ranked; items are those that at least two models tried.
    """

    names: tuple[str, ...]
    order: np.ndarray
    score: Estimate
    rank: Estimate
    p_best: np.ndarray
    best: np.ndarray
    apart: np.ndarray
    tier: np.ndarray
    how: str
    n_items: int
    level: float


def rank(  # noqa: PLR0913  (one keyword for each question, as in `compare`)
    solved: np.ndarray,
    tried: np.ndarray,
    *,
    how: str = "irt",
    names: Sequence[str] | None = None,
    task: np.ndarray | None = None,
    cluster: np.ndarray | None = None,
    draws: int = 2000,
    level: float = 0.95,
    rng: np.random.Generator | None = None,
) -> Ranking:
    """Rank models by their results on items, whichever items each of them tried.

    Args:
        solved: (model, item) float, 0 <= solved <= tried, or a sum of scores in [0, 1].
        tried: (model, item) attempts, 0 = missing.
        how: "irt": ability, every item with a difficulty of its own and one discrimination for all,
            which suits few models per item; "irt_2pl": every item with its own. "bradley_terry": an
            attempt of one model against one of another inside each item; with three graded results
            an item it held where abilities did not. "plackett_luce": inside each item every model
            is chosen from itself and all that did worse (ONEBench). "borda":
            share of others beaten; "kemeny": fewest disagreements with the items' orders. "mean":
            for comparison; right only if all tried the same items, or a fair sample of them.
        names: (model,) for messages and the result; numbered where None.
        task: (item,) labels. Two levels: each task ranks the models by `how`, and these orders are
            made one by Kemeny's rule where `how` is that, else by Borda's: a task counts once,
            however many items it has.
        cluster: (item,) labels of items that go together (of one text, one template): clusters are
            resampled, not items.
        draws: bootstrap samples of items (within tasks); at most 300 where an order has to be
            found again in each (Kemeny, two levels).
        level: of all intervals and sets.
        rng: of the bootstrap; None starts a fresh one at 0.

    Returns:
        Ranking. Resampled scores are first-order: what each item adds to a score is resampled, not
        refitted, and one item more (a cluster of middling size), answered as by a coin, is added to
        each model's variance (of Kemeny's places: into each sample, most of which must agree);
        nor are models apart on so few items or clusters that no exact test could tell them apart.

    Raises:
        ArgumentError: fewer than two models, a model without results, models that fall into groups
            which share no item (each is named), counts out of range.

    Ref: ability and comparisons under difficulty-dependent missingness: Ghosh et al. 2024
    (ONEBench), arXiv:2412.06745; orders: Colombo et al. 2022, arXiv:2202.03799; ranks and the set
    of the best: Mogstad, Romano, Shaikh & Wilhelm 2024, Review of Economic Studies 91:476, sec. 3
    (single step); pairs: step-down, Romano & Wolf 2005, Econometrica 73:1237, algorithm 4.1; above
    400 models Bonferroni's bound (Holm's steps) in place of the resampled maximum; resampling
    scores: Kline & Santos 2012, J. Econometric Methods 1:23.

    >>> solved = np.array([[1, 1, 1, 1, 1, 0], [1, 1, 0, 1, 0, 0], [0, 1, 0, 0, 0, 0]])
    >>> found = rank(solved, np.ones((3, 6)), how="mean", names=("a", "b", "c"))
    >>> [found.names[i] for i in found.order], found.rank.value.tolist()
    (['a', 'b', 'c'], [1.0, 2.0, 3.0])
    """
    checks.one_of("how", how, HOW)
    checks.whole(10, 1_000_000, draws=draws)
    checks.within(0.5, 0.9999, level=level)
    solved, tried, labels = _checked(solved, tried, names)
    rng = np.random.default_rng(0) if rng is None else rng
    used = (tried > 0).sum(axis=0) >= 2
    solved, tried = solved[:, used], tried[:, used]
    by = _By(how, draws, rng)
    for name, label in (("task", task), ("cluster", cluster)):
        if label is not None:
            checks.shapes(**{name: (label, "item"), "used": (used, "item")})
    unit = np.arange(used.sum()) if cluster is None else groups.codes(np.asarray(cluster)[used])[0]
    if task is None:
        score, drawn = _one(solved, tried, unit, by)
    else:
        score, drawn = _two(solved, tried, unit, by, task=np.asarray(task)[used])
    units = (_summed(tried, unit) > 0).sum(axis=1)
    return _ranking(labels, score, drawn, tried, units=units, how=how, level=level)


class _By(NamedTuple):
    how: str
    draws: int
    rng: np.random.Generator


# -- scores and their draws -------------------------------------------------------------------


def _summed(part: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """(model, unit) sums of (model, item) parts over the items of each unit, an item or cluster."""
    order = np.argsort(unit, kind="stable")
    first = np.flatnonzero(np.diff(unit[order], prepend=-1))
    return np.add.reduceat(part[:, order], first, axis=1)


def _one(
    solved: np.ndarray, tried: np.ndarray, unit: np.ndarray, by: _By
) -> tuple[np.ndarray, np.ndarray]:
    """(model,) scores and (draw, model) of them with units, (item,) labels, resampled."""
    share = np.divide(solved, tried, out=np.full(solved.shape, np.nan), where=tried > 0)
    if by.how == "kemeny":
        return _placed(share, unit, by)
    found = _fit(solved, tried, share, by)
    parts = _summed(found.parts, unit)
    n = parts.shape[1]
    moved = n * resampled_means(parts, by.draws, rng=by.rng).astype(float) - parts.sum(axis=1)
    if n < len(unit):  # few clusters show too little of how they vary
        moved *= np.sqrt(n / max(n - 1, 1))
    noise = by.rng.standard_normal((by.draws, len(share))) * found.unit * (len(unit) / n)
    return found.score, found.score + moved + noise


def _fit(solved: np.ndarray, tried: np.ndarray, share: np.ndarray, by: _By) -> Fit:
    if by.how in ("irt", "irt_2pl"):
        return ranking_fits.ability(solved, tried, model="2pl" if by.how == "irt_2pl" else "1pl")
    if by.how == "bradley_terry":
        return ranking_fits.bradley_terry(share, alpha=ALPHA)
    if by.how == "plackett_luce":
        return ranking_fits.plackett_luce(share, alpha=ALPHA)
    return ranking_fits.mean(share) if by.how == "mean" else ranking_fits.borda_count(share)


def _placed(share: np.ndarray, unit: np.ndarray, by: _By) -> tuple[np.ndarray, np.ndarray]:
    """Kemeny's places, and places found again on resampled items, from those places on."""
    code = levels(share)
    found = kemeny(beaten(code))
    n, place = len(code), np.unique(unit, return_inverse=True)[1]
    drawn = [
        n
        - kemeny(
            beaten(code, weight=weight[place]) + coin(n, by.rng), exact=0, start=found.order
        ).rank
        for weight in resample(place.max() + 1, min(by.draws, AGAIN), rng=by.rng)
    ]
    return n - found.rank, np.array(drawn)


def _two(
    solved: np.ndarray, tried: np.ndarray, unit: np.ndarray, by: _By, *, task: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The same by tasks: scores on each, and these made one order in every draw."""
    tasks, n = np.unique(task), len(solved)
    by = by._replace(draws=min(by.draws, AGAIN))
    score = np.full((n, len(tasks)), np.nan)
    drawn = np.full((by.draws, n, len(tasks)), np.nan)
    for column, name in enumerate(tasks):
        here = task == name
        some = (tried[:, here] > 0).any(axis=1)
        part = solved[some][:, here], tried[some][:, here]
        _check_connected(part[1], [str(i) for i in np.flatnonzero(some)], where=f" on task {name}")
        score[some, column], drawn[:, some, column] = _one(*part, unit[here], by)
    across = "kemeny" if by.how == "kemeny" else "borda"
    found = [aggregate(one, how=across).score for one in drawn]
    return aggregate(score, how=across).score, np.array(found)


# -- ranks ------------------------------------------------------------------------------------


def _ranking(
    names: tuple[str, ...],
    score: np.ndarray,
    drawn: np.ndarray,
    tried: np.ndarray,
    *,
    units: np.ndarray,
    how: str,
    level: float,
) -> Ranking:
    tails = [(1 - level) / 2, (1 + level) / 2]
    low, high = np.quantile(drawn, tails, axis=0)
    low, high = np.minimum(low, score), np.maximum(high, score)
    if how in ("mean", "borda"):
        low, high = np.clip([low, high], 0, 1)
    n, n_tried = len(score), (tried > 0).sum(axis=1)
    top = drawn == drawn.max(axis=1, keepdims=True)
    every = enough_of(units, 2 * (1 - level) / (n * (n - 1)))
    enough = enough_of(units, (1 - level) / (n - 1))
    if how == "kemeny":  # places are whole numbers that hardly move: no standard error says it all
        sure = agreed(drawn, (1 + level) / 2)
        every, enough = every & sure, enough & sure
    ahead, limit, apart = ahead_of(score, drawn, level, enough=every)
    above = enough & (ahead > limit.own)  # (other, model): other is certainly above this model
    below = enough & (ahead > limit.own[:, None])
    rounded = -score.round(DIGITS)
    place, order = midranks(rounded), np.argsort(rounded, kind="stable")
    return Ranking(
        names,
        order,
        Estimate(score, low, high, n_tried),
        Estimate(place, 1.0 + above.sum(axis=0), n - below.sum(axis=1).astype(float), n),
        np.mean(top / top.sum(axis=1, keepdims=True), axis=0),
        np.logical_not(np.any(enough & (ahead > limit.best), axis=0)),
        apart,
        tiers(order, apart),
        how,
        tried.shape[1],
        level,
    )


# -- arguments --------------------------------------------------------------------------------


def _checked(
    solved: np.ndarray, tried: np.ndarray, names: Sequence[str] | None
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    solved, tried = np.asarray(solved, dtype=float), np.asarray(tried, dtype=float)
    checks.shapes(solved=(solved, "model item"), tried=(tried, "model item"))
    n = len(solved)
    if n < 2:
        raise ArgumentError(f"a ranking needs at least two models, got {n}")
    labels = tuple(map(str, range(n))) if names is None else tuple(names)
    if len(labels) != n:
        raise ArgumentError(f"`names` must name each of the {n} models, got {len(labels)}")
    checks.within(0, 1e15, tried=tried)
    if (tried != np.floor(tried)).any():
        raise ArgumentError("`tried` must hold whole numbers of attempts, 0 = missing")
    tried = tried.astype(np.int64)
    solved = np.where(tried > 0, solved, 0.0)
    checks.within(0, 1e15, solved=solved, **{"tried - solved": tried - solved})
    without = [labels[i] for i in np.flatnonzero(tried.sum(axis=1) == 0).tolist()]
    if without:
        raise ArgumentError(
            f"no result of {_some(without)}: leave out models that have not been tried"
        )
    _check_connected(tried, labels)
    return solved, tried, labels


def _check_connected(tried: np.ndarray, names: Sequence[str], *, where: str = "") -> None:
    """Refuse models that no chain of shared items connects."""
    listed = groups_said(tried, names)
    if listed is not None:
        raise ArgumentError(
            f"models fall into {listed[0]} groups that share no item{where}: {listed[1]}; "
            "rank each group alone, or try some items of one group with a model of the other"
        )


def groups_said(tried: np.ndarray, names: Sequence[str]) -> tuple[int, str] | None:
    """How many groups of models no shared item connects, and who is in them; None for one group.

    Args:
        tried: (model, item) attempts, 0 = missing.
        names: (model,) what to call them.

    >>> groups_said(np.array([[1, 1, 0], [0, 1, 0], [0, 0, 1]]), ["a", "b", "c"])
    (2, 'a, b; c')
    """
    n, m = tried.shape
    model, item = np.nonzero(tried > 0)
    links = csr_array((np.ones(len(model)), (model, n + item)), shape=(n + m, n + m))
    label = connected_components(links, directed=False)[1][:n]
    found = [[names[i] for i in np.flatnonzero(label == one).tolist()] for one in np.unique(label)]
    if len(found) < 2:
        return None
    found.sort(key=len, reverse=True)
    listed = "; ".join(_some(group) for group in found[:4])
    return len(found), listed + (f"; and {len(found) - 4} more" if len(found) > 4 else "")


def _some(names: Sequence[str]) -> str:
    more = f", ... ({len(names)} models)" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
