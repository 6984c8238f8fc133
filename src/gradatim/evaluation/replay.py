"""Adaptive tests replayed on recorded matrices: what is the full score, from a few items?

Many models are tested side by side. Abilities live on nodes common to all, so an answer adds a row
of a table to a model's log posterior, and the worth of every item to every model is a matrix
product. Axes: `run` (tests), `item`, `node` (abilities), `step` (questions), `repeat`.
"""

from typing import NamedTuple

import numpy as np
from scipy import special

from gradatim import checks
from gradatim.errors import ArgumentError
from gradatim.scale.curves import information, log_chances, probability
from gradatim.scale.predictive import Items
from gradatim.types import Bank

CRITERIA = ("variance", "information")
REACH = 5.0  # abilities are N(0, 1): nodes from -REACH to REACH
COARSE, FINE = 61, 1201  # fewest and most nodes
CHUNK = 512  # tests worked on at a time: what stays in cache
STRENGTH = 10.0  # models that the pooled dispersion counts as, for each item


class Table(NamedTuple):
    """A bank on nodes of ability.

    Attributes:
        log_prior: (node,) of abilities, up to a constant.
        chance, right, wrong, told: (item, node) chance P, log P, log(1 - P), Fisher information;
            an item without estimates has the others' mean chance, and tells nothing.
        dispersion: (item,) variance of an answer over that of a coin: a rate of n attempts, or a
            graded score (n = 1), varies by dispersion x P (1 - P) / n.
        known: (item,) bool, has estimates.
    """

    log_prior: np.ndarray
    chance: np.ndarray
    right: np.ndarray
    wrong: np.ndarray
    told: np.ndarray
    dispersion: np.ndarray
    known: np.ndarray


class Walk(NamedTuple):
    """Tests, question by question; a test without more items stays as it ended.

    Attributes:
        item: (run, step) int, -1 where nothing was left to ask.
        score: (run, step) predicted mean rate over the items that are recorded for the run.
    """

    item: np.ndarray
    score: np.ndarray


def tabulate(
    bank: Bank,
    rate: np.ndarray,
    tried: np.ndarray,
    *,
    n_asked: int,
    posterior: Items | None = None,
) -> Table:
    """Put a bank on nodes fine enough for tests of `n_asked` questions.

    Args:
        bank: fitted to `rate` and `tried`.
        rate: (run, item) share solved, or score in [0, 1]; anything where tried is 0.
        tried: (run, item) int attempts, 0 = missing.
        n_asked: questions of a test.
        posterior: of the items, from `scale.predictive.item_posteriors`: chances are means over
            it. Fitted to few models, a curve at its best estimate is too sure of itself: what all
            40 strong models solved, it takes for solved by the weak. None: the estimates.

    Returns:
        Table. Nodes lie one posterior standard deviation apart, at most, for the most telling
        questions that the bank has: sums over even nodes are then off by under 1e-3 of it.
    """
    checks.shapes(rate=(rate, "run item"), tried=(tried, "run item"))
    checks.shapes(tried=(tried, "run item"), difficulty=(bank.difficulty, "item"))
    checks.within(1, np.inf, n_asked=n_asked)
    known = np.isfinite(bank.difficulty) & np.isfinite(bank.discrimination)
    if not known.any():
        raise ArgumentError("`bank` must have items with estimates, got none")
    dispersion = _dispersion(bank, rate, tried, known)
    coarse = np.linspace(-REACH, REACH, COARSE)
    most = tried.max(axis=0, initial=1) / dispersion
    told = np.where(known, information(coarse, bank) * most, 0.0)
    n_top = min(n_asked, told.shape[1])
    top = np.partition(told, told.shape[1] - n_top, axis=1)[:, -n_top:].sum(axis=1).max()
    finest = 1 / np.sqrt(1 + top)
    x = np.linspace(-REACH, REACH, int(np.clip(2 * REACH / finest + 1, COARSE, FINE)))
    if posterior is None:
        a, b = np.where(known, bank.discrimination, 1.0), np.where(known, bank.difficulty, 0.0)
        right, wrong = log_chances(a * (x[:, None] - b), bank.floor, bank.ceiling)
        chance, told = probability(x, bank), information(x, bank)
    else:
        chance = _mean_chance(bank, posterior, x)
        right, wrong = np.log(chance), np.log1p(-chance)
        told = np.gradient(chance, x, axis=0) ** 2 / (chance * (1 - chance))
    chance = np.where(known, chance, chance[:, known].mean(axis=1, keepdims=True))
    right, wrong, told = (np.where(known, column, 0.0) for column in (right, wrong, told))
    return Table(
        log_prior=-0.5 * x**2,
        chance=np.ascontiguousarray(chance.T),
        right=np.ascontiguousarray(right.T),
        wrong=np.ascontiguousarray(wrong.T),
        told=np.ascontiguousarray(told.T),
        dispersion=dispersion,
        known=known,
    )


def _mean_chance(bank: Bank, posterior: Items, x: np.ndarray) -> np.ndarray:
    """(node, item) chance, the mean over the points of each item's posterior."""
    solved = np.empty((len(x), len(bank.items)))
    for node, theta in enumerate(x):  # (item, point) at a time bounds memory
        eta = posterior.slope * (theta - posterior.difficulty)
        solved[node] = np.sum(posterior.weight * special.expit(eta), axis=1)
    top = 1.0 if bank.ceiling is None else bank.ceiling
    return np.clip(bank.floor + (top - bank.floor) * solved, 1e-12, 1 - 1e-12)


def _dispersion(bank: Bank, rate: np.ndarray, tried: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(item,) residual variance over that of the model's coins, drawn to the pooled one.

    Single answers, right or wrong, vary as their chance says. Graded scores mostly vary less, and
    several attempts of one model on one item agree with each other more than coins do.
    """
    if right_or_wrong(rate, tried):
        return np.ones(len(known))
    seen = (tried > 0) & known
    fitted = np.where(seen, probability(np.nan_to_num(bank.ability), bank), 0.5)
    square = np.where(seen, (rate - fitted) ** 2, 0.0).sum(axis=0)
    coin = np.where(seen, fitted * (1 - fitted) / np.maximum(tried, 1), 0.0).sum(axis=0)
    pooled = max(float(square.sum() / max(coin.sum(), 1e-12)), 1e-3)
    share = STRENGTH * np.maximum(coin, 1e-12) / np.maximum(seen.sum(axis=0), 1)
    return np.maximum((square + pooled * share) / (coin + share), 1e-3)


def right_or_wrong(rate: np.ndarray, tried: np.ndarray) -> bool:
    """Whether every recorded cell is one answer, right or wrong.

    >>> right_or_wrong(np.array([1.0, 0.0, 0.5]), np.array([1, 1, 0]))
    True
    """
    there = tried > 0
    return bool(np.all(tried <= 1) and np.all(~there | (rate == 0) | (rate == 1)))


def walk(
    table: Table,
    rate: np.ndarray,
    tried: np.ndarray,
    *,
    n_asked: int,
    criterion: str = "variance",
    order: np.ndarray | None = None,
) -> Walk:
    """Test recorded models; an item, once asked, gives all its recorded attempts.

    The score of a test is the mean of the rates seen and of the chances expected on the rest.

    Args:
        table: of a bank of which the models were not part.
        rate, tried: (run, item) as in `tabulate`; tried 0 = cannot be asked.
        n_asked: questions, fewer where a model has fewer recorded items.
        criterion: "variance" asks what most lowers the expected posterior variance of the score,
            by the best linear prediction from the answer: exact for right or wrong; "information"
            asks what has most Fisher information, the mean over the posterior.
        order: (run, step) int items to ask instead, -1 for none.

    Returns:
        Walk of min(n_asked, number of items) steps; NaN score where nothing is recorded.

    Raises:
        ArgumentError: arrays of different shapes, rates outside [0, 1].

    Ref: van der Linden 1998, Psychometrika 63:201, for both criteria; differs: the expected
    posterior variance is of the score, not of the ability.

    >>> from gradatim.scale.curves import flat
    >>> bank = flat(difficulty=[-1.0, 0.0, 1.0], discrimination=[1.0, 2.0, 1.0])
    >>> rate, tried = np.array([[1.0, 1.0, 0.0]]), np.ones((1, 3), int)
    >>> table = tabulate(bank, np.zeros((0, 3)), np.zeros((0, 3), int), n_asked=3)
    >>> tests = walk(table, rate, tried, n_asked=3)
    >>> int(tests.item[0, 0]), round(float(tests.score[0, -1]), 3)
    (1, 0.667)
    """
    checks.one_of("criterion", criterion, CRITERIA)
    checks.within(1, np.inf, n_asked=n_asked)
    checks.shapes(rate=(rate, "run item"), tried=(tried, "run item"))
    checks.shapes(tried=(tried, "run item"), known=(table.known, "item"))
    checks.within(0, 1, rate=np.where(tried > 0, rate, 0.0))
    length = min(n_asked, tried.shape[1])
    parts = [
        _walk(
            table,
            np.where(tried[at] > 0, rate[at], 0.0),
            tried[at],
            length=length,
            criterion=criterion,
            order=None if order is None else order[at, :length],
        )
        for at in (slice(i, i + CHUNK) for i in range(0, len(tried), CHUNK))
    ]
    if not parts:
        return Walk(np.full((0, length), -1), np.empty((0, length)))
    return Walk(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _walk(
    table: Table,
    rate: np.ndarray,
    tried: np.ndarray,
    *,
    length: int,
    criterion: str,
    order: np.ndarray | None,
) -> Walk:
    there = tried > 0
    rows, count = np.arange(len(tried)), there.sum(axis=1).astype(float)
    count = np.where(count > 0, count, np.nan)
    rest = there @ table.chance  # (run, node) expected sum over what is not asked yet
    whole, open_ = rest, there & table.known
    ranking = None if order is not None else _ranking(table, tried)
    given = np.empty((0, 0), dtype=int) if order is None else order
    log = np.tile(table.log_prior, (len(tried), 1))
    weight, got = _normalised(log), np.zeros(len(tried))
    items, scores = (np.empty((len(tried), length), dtype=kind) for kind in (int, float))
    for step in range(length):
        if ranking is None:
            pick = given[:, step]
        else:
            value = _told(ranking, weight, whole, criterion)
            value[~open_] = -1
            pick = value.argmax(axis=1)
            pick = np.where(open_[rows, pick], pick, -1)
        on = pick >= 0
        at = np.where(on, pick, 0)
        open_[rows[on], pick[on]] = False
        answer = rate[rows, at]
        told = np.where(on, tried[rows, at] / table.dispersion[at], 0.0)
        log += (told * answer)[:, None] * table.right[at]
        log += (told * (1 - answer))[:, None] * table.wrong[at]
        rest = rest - on[:, None] * table.chance[at]
        got += on * answer
        weight = _normalised(log)
        items[:, step] = pick
        scores[:, step] = (got + np.einsum("rq,rq->r", weight, rest)) / count
    return Walk(items, scores)


class _Ranking(NamedTuple):
    """What ranks items, in float32: (node, item) tables, (run, item) noise of an answer."""

    chance: np.ndarray
    square: np.ndarray
    told: np.ndarray
    noise: np.ndarray


def _ranking(table: Table, tried: np.ndarray) -> _Ranking:
    chance = table.chance.T.astype(np.float32)
    noise = (table.dispersion / np.maximum(tried, 1)).astype(np.float32)
    return _Ranking(chance, chance**2, table.told.T.astype(np.float32), noise)


def _told(ranking: _Ranking, weight: np.ndarray, whole: np.ndarray, criterion: str) -> np.ndarray:
    """(run, item) worth of asking each item at posteriors (run, node)."""
    short = weight.astype(np.float32)
    if criterion == "information":
        value = short @ ranking.told
        value /= ranking.noise
        return value
    centred = whole - np.einsum("rq,rq->r", weight, whole)[:, None]
    value = (weight * centred).astype(np.float32) @ ranking.chance  # covariance with the sum
    value *= value
    mean, square = short @ ranking.chance, short @ ranking.square
    variance = (mean - square) * ranking.noise
    variance += square
    mean *= mean
    variance -= mean
    value /= np.maximum(variance, 1e-9, out=variance)
    return value


def _normalised(log: np.ndarray) -> np.ndarray:
    weight = np.exp(log - log.max(axis=1, keepdims=True))
    return weight / weight.sum(axis=1, keepdims=True)


def random_orders(tried: np.ndarray, n_asked: int, *, rng: np.random.Generator) -> np.ndarray:
    """(run, step) int: recorded items in random order, -1 after the last.

    Args:
        tried: (run, item) attempts, 0 = missing.
        n_asked: most items.
        rng: of the orders.
    """
    there = tried > 0
    length = min(n_asked, tried.shape[1])
    key = np.where(there, rng.random(tried.shape), 2.0)
    first = np.argpartition(key, length - 1, axis=1)[:, :length]
    by_key = np.argsort(np.take_along_axis(key, first, axis=1), axis=1)
    order = np.take_along_axis(first, by_key, axis=1)
    return np.where(np.take_along_axis(there, order, axis=1), order, -1)


def plain_means(rate: np.ndarray, order: np.ndarray) -> np.ndarray:
    """(run, step) mean rate of the items asked so far.

    Args:
        rate: (run, item) share solved.
        order: (run, step) int, -1 for none.

    >>> plain_means(np.array([[1.0, 0.0, 0.5]]), np.array([[1, 0, -1]]))
    array([[0. , 0.5, 0.5]])
    """
    on = order >= 0
    answers = np.where(on, np.take_along_axis(rate, np.where(on, order, 0), axis=1), 0.0)
    return np.cumsum(answers, axis=1) / np.maximum(np.cumsum(on, axis=1), 1)


def full_scores(rate: np.ndarray, tried: np.ndarray) -> np.ndarray:
    """(run,) mean rate over the recorded items, each the same weight; NaN where none is.

    >>> full_scores(np.array([[1.0, 0.0, 0.5]]), np.array([[1, 0, 2]]))
    array([0.75])
    """
    there = tried > 0
    count = there.sum(axis=1)
    return np.where(there, rate, 0.0).sum(axis=1) / np.where(count > 0, count, np.nan)
