"""Ability of solvers from their answers to items that are known.

Axes: `run` (solvers, or repeats of a test), `asked` (positions in a test), `node`, `item`.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from gradatim import checks
from gradatim.scale import peaks
from gradatim.scale.curves import SMALL, evaluate, log_chances, probability
from gradatim.scale.overdispersion import worth
from gradatim.scale.peaks import Answers
from gradatim.types import Bank

NODES = 15
MOST = 1000  # nodes of one posterior


class Abilities(NamedTuple):
    """What is known of abilities.

    Attributes:
        value: (run,) posterior mean (EAP), mode (MAP), or weighted-likelihood estimate (WLE).
        se: (run,) standard error; holds the error of the items where asked for.
        nodes, weight: (run, node) the posterior: abilities and their probabilities. For WLE,
            which has no prior, the normal of its value and of its error without the items'.
    """

    value: np.ndarray
    se: np.ndarray
    nodes: np.ndarray
    weight: np.ndarray


def estimate_ability(
    bank: Bank,
    item: np.ndarray,
    solved: np.ndarray,
    tried: np.ndarray,
    *,
    method: str = "eap",
    prior: tuple[float, float] = (0.0, 1.0),
    start: np.ndarray | None = None,
    item_error: bool = True,
) -> Abilities:
    """Place solvers on the scale of a bank.

    Args:
        bank: known items; several attempts on one item count as much as its fit found them worth.
        item: (run, asked) int, indices into the bank's items.
        solved: (run, asked) 0 <= solved <= tried.
        tried: (run, asked) >= 0; 0 = not asked.
        method: "eap" (posterior mean and sd), "map" (mode, 1 / sqrt(information + 1 / sd^2)) or
            "wle" (no prior: where score + J / (2 information) is 0, J = sum P' P'' / (P Q), uphill
            of the mode; 1 / sqrt(information)). WLE takes the first-order bias out of maximum
            likelihood, and is finite where all answers are right, or all wrong; plain maximum
            likelihood is not, and so is not offered. With guess floors or ceilings there can be
            several modes, of which "map" is the highest, and several roots of Warm's equation.
        prior: mean and sd of abilities before any answer; for "wle" only where the search begins.
        start: (run,) where to begin the search; None for the prior's mean. It hardly matters
            to results.
        item_error: add the bank's item errors to the standard error. They are taken as
            independent of each other: the error of a logit a (theta - b) moves the estimate by
            the item's weight times the posterior variance.

    Returns:
        Abilities; runs without an answer have the prior (for "wle" its mean, and no finite error).

    Raises:
        ArgumentError: arrays of different shapes, counts out of range, items without estimates.

    Ref: Bock & Mislevy 1982, Applied Psychological Measurement 6:431, with even nodes over where
    each posterior lies (Trefethen & Weideman 2014, SIAM Review 56:385); Warm 1989, Psychometrika
    54:427, eq. 10 (WLE); for modes see `peaks`.

    >>> from gradatim.scale.curves import flat
    >>> bank = flat(difficulty=[0.0, 1.0], discrimination=[1.0, 1.0])
    >>> answers = np.array([[0, 1]]), np.array([[1.0, 0.0]]), np.array([[1, 1]])
    >>> estimate_ability(bank, *answers).value.round(3)
    array([0.146])
    >>> estimate_ability(bank, *answers, method="wle").value.round(3)
    array([0.5])
    """
    checks.shapes(item=(item, "run asked"), solved=(solved, "run asked"))
    checks.shapes(item=(item, "run asked"), tried=(tried, "run asked"))
    checks.one_of("method", method, ("eap", "map", "wle"))
    checks.within(0, np.inf, tried=tried)
    checks.within(0, np.inf, solved=solved, **{"tried - solved": np.subtract(tried, solved)})
    asked = np.asarray(tried) > 0
    known = np.isfinite(bank.difficulty) & np.isfinite(bank.discrimination)
    checks.within(1, 1, **{"estimated (1) or not (0), of each item asked": known[item[asked]]})
    share = worth(tried, float(bank.fit.get("overdispersion", 0.0)))
    test = _test(bank, item, (solved * share, tried * share))
    theta = np.full(len(item), float(prior[0])) if start is None else start.astype(float)
    if method == "eap":  # nodes only have to lie around it
        value, sd = peaks.climb(test, theta, peaks.reach(test, prior=prior), prior=prior, close=0.1)
    else:
        value, sd = peaks.mode(test, theta, prior=prior)
    if method == "wle":
        value, sd = _weighted(test, value, prior=prior)
        nodes, weight = _normal(value, np.where(np.isfinite(sd), sd, prior[1]))
    else:
        nodes, weight = _posterior(test, value, sd, prior=prior)
    variance = sd**2
    if method == "eap":
        value = np.sum(weight * nodes, axis=1)
        variance = np.sum(weight * (nodes - value[:, None]) ** 2, axis=1)
    if item_error:
        moved = _moved(test, bank, np.where(asked, item, 0), value)
        moved = np.where(np.isfinite(variance), moved, 0.0)
        variance = variance + np.where(moved > 0, variance, 0.0) ** 2 * moved
    return Abilities(value, np.sqrt(variance), nodes, weight)


def _test(bank: Bank, item: np.ndarray, counts: tuple[np.ndarray, np.ndarray]) -> Answers:
    """Unasked positions may hold any index, also of an item without estimates."""
    asked = counts[1] > 0
    ceiling = bank.ceiling
    return Answers(
        np.where(asked, bank.discrimination[item], 1.0),
        np.where(asked, bank.difficulty[item], 0.0),
        bank.floor[item] if bank.floor.any() else None,
        None if ceiling is None or np.all(ceiling == 1) else ceiling[item],
        *counts,
    )


def _weighted(
    test: Answers, theta: np.ndarray, *, prior: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """(run,) Warm's estimate and its standard error, uphill of `theta`.

    The estimating function is above 0 far below and under 0 far above, whatever the answers: steps
    that leave the bracket of signs seen so far, or shrink too slowly, halve it instead.
    """
    answered = test.tried.sum(axis=1) > 0
    low, high = _signs(test, theta, answered)
    last = high - low
    information = np.zeros(len(theta))
    for _ in range(200):
        pull, information = _warm(test, theta)
        low, high = np.where(pull >= 0, theta, low), np.where(pull <= 0, theta, high)
        step = np.where(answered, pull / np.maximum(information, SMALL), 0.0)
        bad = (theta + step < low) | (theta + step > high) | (np.abs(step) > np.abs(last) / 2)
        last = np.where(bad & answered, (low + high) / 2 - theta, step)
        theta = theta + last
        if np.all(np.abs(last) <= 1e-9 + 1e-7 / np.sqrt(np.maximum(information, 1e-6))):
            break
    information = _warm(test, theta)[1]
    error = np.full(len(theta), np.inf)
    np.divide(1.0, np.sqrt(information), out=error, where=information > 0)
    return np.where(answered, theta, prior[0]), error


def _signs(test: Answers, theta: np.ndarray, answered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(run,) where the estimating function is above 0 and under 0, on either side of its root."""
    side = np.where(_warm(test, theta)[0] >= 0, 1.0, -1.0)
    near, far, step = theta, theta, 0.25
    turned = ~answered
    for _ in range(60):
        if turned.all():
            break
        near, far = np.where(turned, near, far), np.where(turned, far, far + side * step)
        turned |= _warm(test, far)[0] * side <= 0
        step *= 1.5
    return np.minimum(near, far), np.maximum(near, far)


def _warm(test: Answers, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(run,) score + J / (2 I), and information I."""
    eta = test.eta(theta)
    right, wrong, up, down = evaluate(eta, test.floor, test.ceiling)
    score = np.sum(test.a * (test.solved * up - (test.tried - test.solved) * down), axis=1)
    # J / I is a mean by shares of information, in logarithms: far out all of it underflows
    log_s, log_rest = log_chances(eta, None)
    with np.errstate(divide="ignore"):
        log = 2 * (np.log(test.a) + log_s + log_rest) + np.log(test.tried) - right - wrong
    if test.floor is not None or test.ceiling is not None:
        low = 0.0 if test.floor is None else test.floor
        log = log + 2 * np.log((1.0 if test.ceiling is None else test.ceiling) - low)
    top = log.max(axis=1, keepdims=True, initial=-1e300)
    share = np.exp(log - top)
    lean = -test.a * np.tanh(eta / 2)  # P'' = a P' (1 - 2 s(eta))
    mean = np.sum(share * lean, axis=1) / np.maximum(share.sum(axis=1), SMALL)
    return score + mean / 2, np.sum(test.a**2 * test.tried * up * down, axis=1)


def _normal(value: np.ndarray, sd: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(run, node) nodes and probabilities of a normal."""
    base, weight = np.polynomial.hermite_e.hermegauss(NODES)
    x = value[:, None] + sd[:, None] * base
    return x, np.broadcast_to(weight / weight.sum(), x.shape)


def _posterior(
    test: Answers, centre: np.ndarray, spread: np.ndarray, *, prior: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """(run, node) even nodes over where the posterior lies, and its probabilities there.

    Spaced by the finest standard deviation, a sum over even nodes is off by less than 1e-3 of a sd
    for one steep item, and far less for many. Short rows end in nodes without weight.
    """
    low, high, finest = peaks.extent(test, (centre, spread), prior=prior)
    size = np.ceil(np.minimum((high - low) / finest, MOST)).astype(int) + 1
    runs, most = len(centre), int(size.max(initial=1))
    nodes, weight = np.tile(centre[:, None], most), np.zeros((runs, most))
    for part in (np.flatnonzero(size <= 2 * NODES), np.flatnonzero(size > 2 * NODES)):
        if not len(part):
            continue
        many = int(size[part].max())
        own = test.take(part)
        step = (high - low)[part] / (many - 1)
        x = low[part, None] + step[:, None] * np.arange(many)
        log = np.empty_like(x)
        for node in range(many):  # (run, asked) at a time bounds memory
            log[:, node] = peaks.density(own, x[:, node], prior=prior)
        h = np.exp(log - log.max(axis=1, keepdims=True))
        nodes[part, :many], weight[part, :many] = x, h / h.sum(axis=1, keepdims=True)
    return nodes, weight


def _moved(test: Answers, bank: Bank, item: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """(run,) variance of the score that comes from the items' errors.

    An item's chance P is off by its parameters' errors; the score by n P' / (P Q) times that.
    """
    eta, gap = test.eta(theta), theta[:, None] - test.b
    right, wrong, up, down = evaluate(eta, test.floor, test.ceiling)
    off = (test.a * bank.se_difficulty[item]) ** 2 + (gap * bank.se_discrimination[item]) ** 2
    total = (test.tried * up * down) ** 2 * off
    if bank.se_floor is not None or bank.se_ceiling is not None:
        log_s, log_rest = log_chances(eta, None)
        by_floor, by_ceiling = up * np.exp(log_rest - wrong), down * np.exp(log_s - right)
        for se, by in ((bank.se_floor, by_floor), (bank.se_ceiling, by_ceiling)):
            if se is not None:
                total = total + (test.tried * by * np.nan_to_num(se[item])) ** 2
    return np.sum(np.where(test.tried > 0, test.a**2 * total, 0.0), axis=1)


def expected_score(
    bank: Bank, abilities: Abilities, *, z: float = 1.959964
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Expected share of the bank's items solved: posterior mean, low and high end.

    The score rises with ability, so its ends are the scores at value -+ z se.

    Args:
        bank: items; those without estimates are left out.
        abilities: (run,).
        z: half-width of the interval in standard errors.

    Returns:
        (run,) value, low, high.
    """
    kept = select_items(bank, np.flatnonzero(np.isfinite(bank.difficulty)))
    low = probability(abilities.value - z * abilities.se, kept).mean(axis=-1)
    high = probability(abilities.value + z * abilities.se, kept).mean(axis=-1)
    score = np.empty(len(low))
    for run in range(len(low)):  # (node, item) at a time bounds memory
        score[run] = abilities.weight[run] @ probability(abilities.nodes[run], kept).mean(axis=-1)
    return score, low, high


def select_items(bank: Bank, index: np.ndarray) -> Bank:
    """The bank of some of its items, on the same scale.

    >>> from gradatim.scale.curves import flat
    >>> select_items(flat(difficulty=[0.0, 1.0], discrimination=[1.0, 1.0]), np.array([1])).items
    ('item-2',)
    """
    index = np.asarray(index)
    by_item = ("difficulty", "discrimination", "floor", "se_difficulty", "se_discrimination")
    by_item += ("tried", "solved", "ceiling", "se_floor", "se_ceiling")
    columns = {name: getattr(bank, name) for name in by_item}
    return replace(
        bank,
        items=tuple(bank.items[i] for i in index),
        **{name: None if column is None else column[index] for name, column in columns.items()},
    )
