"""Adaptive tests of many models side by side: what is the full score, from a few items?

The same steps make a test that is replayed on recorded answers and one that is live. Axes: `run`
(tests), `item`, `node` (abilities), `step` (questions), `repeat`.
"""

from typing import NamedTuple

import numpy as np

from gradatim import checks
from gradatim.evaluation.picking import Rules, check_rules, draw, lacking, shares
from gradatim.evaluation.tables import (
    CRITERIA,
    Ranking,
    Table,
    normalised,
    ranking,
    worth_asking,
)

BEST = Rules()
CHUNK = 512  # tests worked on at a time: what stays in cache


class Beyond(NamedTuple):
    """Items of the whole that no test can ask, too many for a table: (node,) sums over them.

    Attributes:
        size: how many.
        chance: expected sum of their rates.
        noise: variance of that sum, of an ability that is known.
    """

    size: int
    chance: np.ndarray
    noise: np.ndarray


class State(NamedTuple):
    """Tests that are under way.

    Attributes:
        log, weight: (run, node) posterior of abilities, as a logarithm and as probabilities.
        rest, noise: (run, node) expected sum of the rates not seen yet, and its variance.
        whole: (run, node) expected sum of all rates, before any answer.
        got: (run,) sum of the rates seen.
        size: (run,) items that make the score; NaN for none.
        open_: (run, item) bool, what may still be asked.
        given: (run, stratum) questions of each kind; share: (run, stratum) what is wanted.
    """

    log: np.ndarray
    weight: np.ndarray
    rest: np.ndarray
    noise: np.ndarray
    whole: np.ndarray
    got: np.ndarray
    size: np.ndarray
    open_: np.ndarray
    given: np.ndarray | None
    share: np.ndarray | None


class Told(NamedTuple):
    """What tests tell: (run,) means and standard deviations of posteriors.

    Attributes:
        score, sd: mean rate over the items of the score, of which those not seen are expected.
        ability, se: logits.
    """

    score: np.ndarray
    sd: np.ndarray
    ability: np.ndarray
    se: np.ndarray


class Walk(NamedTuple):
    """Tests, question by question; a test without more items stays as it ended.

    Attributes:
        item: (run, step) int, -1 where nothing was left to ask.
        score: (run, step) predicted mean rate over the items that are recorded for the run.
        sd: (run, step) its standard deviation: of the ability, and of answers not seen yet.
        ability, se: (run, step) logits.
    """

    item: np.ndarray
    score: np.ndarray
    sd: np.ndarray
    ability: np.ndarray
    se: np.ndarray


def begin(
    table: Table,
    tried: np.ndarray,
    *,
    open_: np.ndarray | None = None,
    strata: np.ndarray | None = None,
    beyond: Beyond | None = None,
) -> State:
    """Tests before their first question.

    Args:
        table: of a bank.
        tried: (run, item) attempts that an item gives; 0: not part of the score.
        open_: (run, item) bool, what may be asked; None: all that has estimates.
        strata: (item,) int kinds whose shares are kept, see `picking.Rules`.
        beyond: items that the score holds besides.

    Returns:
        State.
    """
    there = tried > 0
    open_ = there & table.known if open_ is None else open_ & there & table.known
    worth = there / np.maximum(tried, 1)
    rest = there @ table.chance
    coin = table.chance * (1 - table.chance) * table.dispersion[:, None]
    noise = worth @ coin
    size = there.sum(axis=1).astype(float)
    if beyond is not None:
        rest, noise = rest + beyond.chance, noise + beyond.noise
        size = size + beyond.size
    log = np.tile(table.log_prior, (len(tried), 1))
    share = given = None
    if strata is not None:
        share = shares(strata, open_)
        given = np.zeros(share.shape)
    return State(
        log=log,
        weight=normalised(log),
        rest=rest,
        noise=noise,
        whole=rest,
        got=np.zeros(len(tried)),
        size=np.where(size > 0, size, np.nan),
        open_=open_,
        given=given,
        share=share,
    )


def choose(
    state: State,
    ranks: Ranking,
    rules: Rules,
    *,
    share: float = 1.0,
    quota: np.ndarray | None = None,
) -> np.ndarray:
    """(run,) int: the next item of each test, -1 where nothing is open; see `picking.draw`."""
    open_ = state.open_
    if rules.strata is not None and state.given is not None and state.share is not None:
        kinds = np.eye(state.share.shape[1])[rules.strata]
        left = np.where(open_ @ kinds > 0, state.share, 0.0)
        now = open_ & lacking(rules.strata, state.given, left)
        open_ = now
    if rules.criterion == "random":
        worth = np.ones(open_.shape)
    else:
        worth = worth_asking(ranks, state.weight, state.whole, rules.criterion)
    return draw(worth, open_, rules, share=share, quota=quota)


def take(
    state: State,
    table: Table,
    item: np.ndarray,
    *,
    rate: np.ndarray,
    tried: np.ndarray,
    strata: np.ndarray | None = None,
) -> State:
    """The tests after an answer each.

    Args:
        state: before.
        table: as in `begin`.
        item: (run,) int asked, -1 for none.
        rate: (run,) share solved, or score in [0, 1].
        tried: (run,) attempts behind it; 0: no answer came, and the item is not asked again.
        strata: as in `begin`.

    Returns:
        State.
    """
    rows = np.flatnonzero(item >= 0)
    open_ = state.open_.copy()
    open_[rows, item[rows]] = False
    given = state.given
    if strata is not None and given is not None:
        given = given.copy()
        given[rows, strata[item[rows]]] += 1
    on = (item >= 0) & (tried > 0)
    at, rate = np.where(on, item, 0), np.where(on, rate, 0.0)
    told = np.where(on, tried / table.caution[at], 0.0)
    log = state.log + (told * rate)[:, None] * table.right[at]
    log += (told * (1 - rate))[:, None] * table.wrong[at]
    chance, there = table.chance[at], on[:, None]
    own = table.dispersion[at] / np.maximum(tried, 1)
    return state._replace(
        log=log,
        weight=normalised(log),
        rest=state.rest - there * chance,
        noise=state.noise - there * own[:, None] * chance * (1 - chance),
        got=state.got + on * rate,
        open_=open_,
        given=given,
    )


def tell(state: State, table: Table) -> Told:
    """What the tests say as they stand."""
    weight, rest = state.weight, state.rest
    mean = np.einsum("rq,rq->r", weight, rest)
    spread = np.einsum("rq,rq,rq->r", weight, rest, rest) - mean**2
    noise = np.einsum("rq,rq->r", weight, state.noise)
    ability = weight @ table.node
    square = weight @ table.node**2 - ability**2
    return Told(
        score=(state.got + mean) / state.size,
        sd=np.sqrt(np.maximum(spread, 0) + np.maximum(noise, 0)) / state.size,
        ability=ability,
        se=np.sqrt(np.maximum(square, 0)),
    )


def place(table: Table, rate: np.ndarray, tried: np.ndarray) -> Told:
    """What all recorded answers (run, item) together tell."""
    state = begin(table, tried)
    told = np.where(table.known, tried / table.caution, 0.0)
    log = state.log + (told * rate) @ table.right + (told * (1 - rate)) @ table.wrong
    there = tried > 0
    got, none = np.where(there, rate, 0.0).sum(axis=1), np.zeros_like(state.rest)
    return tell(
        state._replace(log=log, weight=normalised(log), rest=none, noise=none, got=got), table
    )


def walk(
    table: Table,
    rate: np.ndarray,
    tried: np.ndarray,
    *,
    n_asked: int,
    rules: Rules = BEST,
    order: np.ndarray | None = None,
    quota: np.ndarray | None = None,
) -> Walk:
    """Test recorded models; an item, once asked, gives all its recorded attempts.

    The score of a test is the mean of the rates seen and of the chances expected on the rest.

    Args:
        table: of a bank of which the models were not part.
        rate, tried: (run, item) as in `tabulate`; tried 0 = cannot be asked.
        n_asked: questions, fewer where a model has fewer recorded items.
        rules: how items are chosen.
        order: (run, step) int items to ask instead, -1 for none.
        quota: (item,) int, tests that may be given an item; None: all.

    Returns:
        Walk of min(n_asked, number of items) steps; NaN score where nothing is recorded.

    Raises:
        ArgumentError: arrays of different shapes, rates outside [0, 1], rules that cannot be.

    Ref: the score is p-IRT of Polo et al. 2024, tinyBenchmarks, arXiv:2402.14992; differs: chances
    are means over the posteriors of ability and items, not at one estimate.

    >>> from gradatim.evaluation.tables import tabulate
    >>> from gradatim.scale.curves import flat
    >>> bank = flat(difficulty=[-1.0, 0.0, 1.0], discrimination=[1.0, 2.0, 1.0])
    >>> rate, tried = np.array([[1.0, 1.0, 0.0]]), np.ones((1, 3), int)
    >>> table = tabulate(bank, np.zeros((0, 3)), np.zeros((0, 3), int), n_asked=3)
    >>> tests = walk(table, rate, tried, n_asked=3)
    >>> int(tests.item[0, 0]), round(float(tests.score[0, -1]), 3)
    (1, 0.667)
    """
    check_rules(rules, CRITERIA)
    checks.within(1, np.inf, n_asked=n_asked)
    checks.shapes(rate=(rate, "run item"), tried=(tried, "run item"))
    checks.shapes(tried=(tried, "run item"), known=(table.known, "item"))
    checks.within(0, 1, rate=np.where(tried > 0, rate, 0.0))
    length = min(n_asked, tried.shape[1])
    left = None if quota is None else np.array(quota, dtype=int)
    parts: list[Walk] = []
    for i in range(0, len(tried), CHUNK):
        at = slice(i, i + CHUNK)
        now = np.where(tried[at] > 0, rate[at], 0.0), tried[at]
        given = None if order is None else order[at, :length]
        parts.append(_walk(table, now, length, rules=rules, order=given, quota=left))
        if left is not None:
            done = parts[-1].item
            left -= np.bincount(done[done >= 0], minlength=len(left))
    if not parts:
        return Walk(np.full((0, length), -1), *np.empty((4, 0, length)))
    return Walk(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _walk(
    table: Table,
    answers: tuple[np.ndarray, np.ndarray],
    length: int,
    *,
    rules: Rules,
    order: np.ndarray | None,
    quota: np.ndarray | None,
) -> Walk:
    rate, tried = answers
    strata = rules.strata if order is None else None
    state = begin(table, tried, strata=strata)
    ranks = ranking(table, tried) if order is None else None
    left = None if quota is None else quota.copy()
    rows = np.arange(len(tried))
    items = np.empty((len(tried), length), dtype=int)
    told = np.empty((4, len(tried), length))
    for step in range(length):
        if ranks is None:
            assert order is not None
            pick = order[:, step]
        else:
            pick = choose(state, ranks, rules, share=step / length, quota=left)
            if left is not None:
                left -= np.bincount(pick[pick >= 0], minlength=len(left))
        n = np.where(pick >= 0, tried[rows, pick], 0)
        state = take(state, table, pick, rate=rate[rows, pick], tried=n, strata=strata)
        items[:, step] = pick
        told[:, :, step] = tell(state, table)
    return Walk(items, *told)


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
