"""A bank on nodes of ability: what any answer tells of an ability, and of the score of the whole.

Abilities lie on nodes common to all tests, so an answer adds a row of a table to a log posterior,
and the worth of every item to every test is a matrix product. Axes: `run` (tests), `item`, `node`
(abilities).
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
REACH = 5.0  # nodes reach this many standard deviations of the prior to either side
COARSE, FINE = 61, 1201  # fewest and most nodes
STRENGTH = 10.0  # models that the pooled dispersion counts as, for each item
# A new model strays from the curves of graded or repeated answers in its own way, which items with
# little scatter among the others do not show: answers are weighed as if the pooled dispersion were
# on top of the item's. On alpacaeval2 this takes 81, 51, 24 items to 28, 28, 29 (three seeds).
CAUTION = 1.0


class Table(NamedTuple):
    """A bank on nodes of ability.

    Attributes:
        node: (node,) abilities, evenly spaced.
        log_prior: (node,) of abilities, up to a constant.
        chance, right, wrong, told: (item, node) chance P, log P, log(1 - P), Fisher information;
            an item without estimates has the others' mean chance, and tells nothing.
        dispersion: (item,) variance of an answer over that of a coin: a rate of n attempts, or a
            graded score (n = 1), varies by dispersion x P (1 - P) / n.
        caution: (item,) the same, with what it is raised by where an answer is weighed, see
            `CAUTION`.
        known: (item,) bool, has estimates.
    """

    node: np.ndarray
    log_prior: np.ndarray
    chance: np.ndarray
    right: np.ndarray
    wrong: np.ndarray
    told: np.ndarray
    dispersion: np.ndarray
    caution: np.ndarray
    known: np.ndarray


def tabulate(
    bank: Bank,
    rate: np.ndarray,
    tried: np.ndarray,
    *,
    n_asked: int,
    posterior: Items | None = None,
    prior: tuple[float, float] = (0.0, 1.0),
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
    dispersion, pooled = _dispersion(bank, rate, tried, known)
    caution = dispersion + CAUTION * pooled
    low, high = (prior[0] + sign * REACH * prior[1] for sign in (-1, 1))
    coarse = np.linspace(low, high, COARSE)
    most = tried.max(axis=0, initial=1) / caution
    told = np.where(known, information(coarse, bank) * most, 0.0)
    n_top = min(n_asked, told.shape[1])
    top = np.partition(told, told.shape[1] - n_top, axis=1)[:, -n_top:].sum(axis=1).max()
    finest = 1 / np.sqrt(prior[1] ** -2 + top)
    x = np.linspace(low, high, int(np.clip((high - low) / finest + 1, COARSE, FINE)))
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
        node=x,
        log_prior=-0.5 * ((x - prior[0]) / prior[1]) ** 2,
        chance=np.ascontiguousarray(chance.T),
        right=np.ascontiguousarray(right.T),
        wrong=np.ascontiguousarray(wrong.T),
        told=np.ascontiguousarray(told.T),
        dispersion=dispersion,
        caution=caution,
        known=known,
    )


def with_item_errors(bank: Bank) -> Items:
    """Items as points around their estimates, by the bank's own standard errors.

    For banks whose results are not at hand (`scale.predictive.item_posteriors` weighs them): a
    normal for log a and one for b, taken as independent, of three points each.
    """
    point, mass = np.polynomial.hermite_e.hermegauss(3)
    known = np.isfinite(bank.difficulty) & np.isfinite(bank.discrimination)
    a, b = np.where(known, bank.discrimination, 1.0), np.where(known, bank.difficulty, 0.0)
    se_a, se_b = (
        np.where(known & np.isfinite(se), se, 0.0)
        for se in (bank.se_discrimination, bank.se_difficulty)
    )
    slope = a[:, None] * np.exp((se_a / a)[:, None] * np.repeat(point, 3))
    difficulty = b[:, None] + se_b[:, None] * np.tile(point, 3)
    weight = np.outer(mass, mass).ravel() / mass.sum() ** 2
    return Items(slope, difficulty, np.tile(weight, (len(a), 1)), known)


def _mean_chance(bank: Bank, posterior: Items, x: np.ndarray) -> np.ndarray:
    """(node, item) chance, the mean over the points of each item's posterior."""
    solved = np.empty((len(x), len(bank.items)))
    for node, theta in enumerate(x):  # (item, point) at a time bounds memory
        eta = posterior.slope * (theta - posterior.difficulty)
        solved[node] = np.sum(posterior.weight * special.expit(eta), axis=1)
    top = 1.0 if bank.ceiling is None else bank.ceiling
    return np.clip(bank.floor + (top - bank.floor) * solved, 1e-12, 1 - 1e-12)


def _dispersion(
    bank: Bank, rate: np.ndarray, tried: np.ndarray, known: np.ndarray
) -> tuple[np.ndarray, float]:
    """(item,) residual variance over that of the model's coins, drawn to the pooled one; and that.

    Single answers, right or wrong, vary as their chance says. Graded scores mostly vary less, and
    several attempts of one model on one item agree with each other more than coins do. The pooled
    one is 0 for right or wrong, whose scatter is known.
    """
    if right_or_wrong(rate, tried):
        return np.ones(len(known)), 0.0
    seen = (tried > 0) & known
    fitted = np.where(seen, probability(np.nan_to_num(bank.ability), bank), 0.5)
    square = np.where(seen, (rate - fitted) ** 2, 0.0).sum(axis=0)
    coin = np.where(seen, fitted * (1 - fitted) / np.maximum(tried, 1), 0.0).sum(axis=0)
    pooled = max(float(square.sum() / max(coin.sum(), 1e-12)), 1e-3)
    share = STRENGTH * np.maximum(coin, 1e-12) / np.maximum(seen.sum(axis=0), 1)
    return np.maximum((square + pooled * share) / (coin + share), 1e-3), pooled


def at_samples(table: Table, tried: np.ndarray, samples: int) -> Table:
    """The table for questions of `samples` attempts, where another number is recorded.

    Attempts of a cell that agree with correlation r vary together by 1 + (n - 1) r times a coin,
    whatever n. Where cells hold one attempt nothing tells r: further ones are taken for
    independent.

    Args:
        table: of `tabulate`, its dispersion for the recorded attempts.
        tried: (run, item) int attempts, 0 = missing.
        samples: attempts of a question.

    Returns:
        Table.

    Ref: Williams 1982, Applied Statistics 31:144 (the variance of correlated attempts).

    >>> from gradatim.scale.curves import flat
    >>> bank = flat(difficulty=[0.0], discrimination=[1.0])
    >>> table = tabulate(bank, np.zeros((0, 1)), np.zeros((0, 1), int), n_asked=1)
    >>> table = table._replace(dispersion=np.array([2.8]))
    >>> at_samples(table, np.array([[10], [10]]), 5).dispersion
    array([1.8])
    """
    there = tried > 0
    count = np.where(there, tried, 0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
    several = count > 1
    within = np.clip((table.dispersion - 1) / np.where(several, count - 1, 1), 0, 1)
    now = np.where(several, 1 + (samples - 1) * within, table.dispersion)
    now = np.where(count == samples, table.dispersion, now)
    return table._replace(dispersion=now, caution=table.caution * now / table.dispersion)


def rows_of(table: Table, index: np.ndarray) -> Table:
    """The table of some of its items."""
    by_item = ("chance", "right", "wrong", "told", "dispersion", "caution", "known")
    return table._replace(**{name: getattr(table, name)[index] for name in by_item})


def right_or_wrong(rate: np.ndarray, tried: np.ndarray) -> bool:
    """Whether every recorded cell is one answer, right or wrong.

    >>> right_or_wrong(np.array([1.0, 0.0, 0.5]), np.array([1, 1, 0]))
    True
    """
    there = tried > 0
    return bool(np.all(tried <= 1) and np.all(~there | (rate == 0) | (rate == 1)))


def normalised(log: np.ndarray) -> np.ndarray:
    """(run, node) probabilities of log posteriors that are known up to a constant."""
    weight = np.exp(log - log.max(axis=1, keepdims=True))
    return weight / weight.sum(axis=1, keepdims=True)


class Ranking(NamedTuple):
    """What ranks items, in float32: (node, item) tables, (run, item) noise of an answer."""

    chance: np.ndarray
    square: np.ndarray
    told: np.ndarray
    noise: np.ndarray


def ranking(table: Table, tried: np.ndarray) -> Ranking:
    """What `worth_asking` needs of a table and of the attempts (run, item) that an item gives."""
    chance = table.chance.T.astype(np.float32)
    noise = (table.caution / np.maximum(tried, 1)).astype(np.float32)
    return Ranking(chance, chance**2, table.told.T.astype(np.float32), noise)


def worth_asking(
    ranks: Ranking, weight: np.ndarray, whole: np.ndarray, criterion: str
) -> np.ndarray:
    """(run, item) worth of asking each item at posteriors (run, node).

    Args:
        ranks: see `ranking`.
        weight: (run, node) posteriors.
        whole: (run, node) expected score, as a sum over items.
        criterion: "variance": how much the answer lowers the expected posterior variance of the
            score, by the best linear prediction, which for right or wrong is exact; what the
            answer itself adds to a finite score is left out. "information": Fisher's, the mean
            over the posterior.

    Ref: van der Linden 1998, Psychometrika 63:201, for both criteria; differs: the expected
    posterior variance is of the score, not of the ability.
    """
    short = weight.astype(np.float32)
    if criterion == "information":
        value = short @ ranks.told
        value /= ranks.noise
        return value
    centred = whole - np.einsum("rq,rq->r", weight, whole)[:, None]
    value = (weight * centred).astype(np.float32) @ ranks.chance  # covariance with the sum
    value *= value
    mean, square = short @ ranks.chance, short @ ranks.square
    variance = (mean - square) * ranks.noise
    variance += square
    mean *= mean
    variance -= mean
    value /= np.maximum(variance, 1e-9, out=variance)
    return value
