"""Ability of solvers from their answers to items that are known.

Axes: `run` (solvers, or repeats of a test), `asked` (positions in a test), `node`, `item`.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from gradatim import checks
from gradatim.scale.curves import SMALL, evaluate, log_chances, probability, slopes
from gradatim.scale.overdispersion import worth
from gradatim.types import Bank

NODES = 15
FAR = 40.0


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
            "wle" (no prior: where score + J / (2 information) is 0, J = sum P' P'' / (P Q), nearest
            to the mode; 1 / sqrt(information)). WLE takes the first-order bias out of maximum
            likelihood, and is finite where all answers are right, or all wrong; plain maximum
            likelihood is not, and so is not offered.
        prior: mean and sd of abilities before any answer; for "wle" only where the search begins.
        start: (run,) where to begin the search; None for the prior's mean.
        item_error: add the bank's item errors to the standard error. They are taken as
            independent of each other: the error of a logit a (theta - b) moves the estimate by
            the item's weight times the posterior variance.

    Returns:
        Abilities; runs without an answer have the prior (for "wle" its mean, and no finite error).

    Raises:
        ArgumentError: arrays of different shapes, counts out of range, items without estimates.

    Ref: Bock & Mislevy 1982, Applied Psychological Measurement 6:431, with nodes around each
    posterior's mode; Warm 1989, Psychometrika 54:427, eq. 10 (WLE).

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
    close = 0.1 if method == "eap" else 1e-6
    value, sd = _mode(test, theta, prior=prior, close=close)
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


class _Test(NamedTuple):
    """(run, asked) items and answers; unasked places have tried 0. Ends None where all 0, all 1."""

    a: np.ndarray
    b: np.ndarray
    floor: np.ndarray | None
    ceiling: np.ndarray | None
    solved: np.ndarray
    tried: np.ndarray

    def eta(self, theta: np.ndarray) -> np.ndarray:
        return self.a * (theta[:, None] - self.b)


def _test(bank: Bank, item: np.ndarray, counts: tuple[np.ndarray, np.ndarray]) -> _Test:
    """Unasked positions may hold any index, also of an item without estimates."""
    asked = counts[1] > 0
    ceiling = bank.ceiling
    return _Test(
        np.where(asked, bank.discrimination[item], 1.0),
        np.where(asked, bank.difficulty[item], 0.0),
        bank.floor[item] if bank.floor.any() else None,
        None if ceiling is None or np.all(ceiling == 1) else ceiling[item],
        *counts,
    )


def _score(test: _Test, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(run,) derivative of the log-likelihood, and information."""
    up, down = slopes(test.eta(theta), test.floor, test.ceiling)
    score = np.sum(test.a * (test.solved * up - (test.tried - test.solved) * down), axis=1)
    return score, np.sum(test.a**2 * test.tried * up * down, axis=1)


def _mode(
    test: _Test, theta: np.ndarray, *, prior: tuple[float, float], close: float
) -> tuple[np.ndarray, np.ndarray]:
    """(run,) posterior mode to `close` standard deviations, by damped scoring, and the sd there."""
    sd = np.full(len(theta), float(prior[1]))
    for _ in range(50):
        score, information = _score(test, theta)
        curvature = information + prior[1] ** -2
        step = np.clip((score - (theta - prior[0]) * prior[1] ** -2) / curvature, -1, 1)
        theta, sd = np.clip(theta + step, prior[0] - FAR, prior[0] + FAR), curvature**-0.5
        if np.all(np.abs(step) < close * sd):
            break
    return theta, sd


def _weighted(
    test: _Test, theta: np.ndarray, *, prior: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """(run,) Warm's estimate and its standard error, from near `theta`.

    The estimating function is above 0 far below and under 0 far above, whatever the answers: steps
    that leave the bracket of signs seen so far halve it instead.
    """
    low, high = theta - FAR, theta + FAR
    answered = test.tried.sum(axis=1) > 0
    information = np.zeros(len(theta))
    for _ in range(100):
        pull, information = _warm(test, theta)
        low, high = np.where(pull > 0, theta, low), np.where(pull < 0, theta, high)
        step = np.clip(pull / np.maximum(information, SMALL), -1, 1)
        ahead = theta + np.where(answered, step, 0.0)
        ahead = np.where((ahead < low) | (ahead > high), (low + high) / 2, ahead)
        rest = np.abs(ahead - theta)
        theta = ahead
        if np.all(rest <= 1e-9 + 1e-7 / np.sqrt(np.maximum(information, 1e-6))):
            break
    information = _score(test, theta)[1]
    error = np.full(len(theta), np.inf)
    np.divide(1.0, np.sqrt(information), out=error, where=information > 0)
    return np.where(answered, theta, prior[0]), error


def _warm(test: _Test, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(run,) score + J / (2 I), and information I."""
    eta = test.eta(theta)
    _, _, up, down = evaluate(eta, test.floor, test.ceiling)
    score = np.sum(test.a * (test.solved * up - (test.tried - test.solved) * down), axis=1)
    each = test.a**2 * test.tried * up * down
    information = each.sum(axis=1)
    lean = np.sum(-each * test.a * np.tanh(eta / 2), axis=1)  # P'' = a P' (1 - 2 s(eta))
    return score + lean / np.maximum(2 * information, SMALL), information


def _normal(value: np.ndarray, sd: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(run, node) nodes and probabilities of a normal."""
    base, weight = np.polynomial.hermite_e.hermegauss(NODES)
    x = value[:, None] + sd[:, None] * base
    return x, np.broadcast_to(weight / weight.sum(), x.shape)


def _posterior(
    test: _Test, centre: np.ndarray, spread: np.ndarray, *, prior: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """(run, node) nodes around the mode, and their posterior probabilities."""
    base, weight = np.polynomial.hermite_e.hermegauss(NODES)
    x = centre[:, None] + spread[:, None] * base
    eta = test.a[:, None] * (x[..., None] - test.b[:, None])
    ends = (None if end is None else end[:, None] for end in (test.floor, test.ceiling))
    right, wrong = log_chances(eta, *ends)
    lost = test.tried - test.solved
    log = np.sum(test.solved[:, None] * right + lost[:, None] * wrong, axis=2)
    log += np.log(weight) + base**2 / 2 - (x - prior[0]) ** 2 / (2 * prior[1] ** 2)
    h = np.exp(log - log.max(axis=1, keepdims=True))
    return x, h / h.sum(axis=1, keepdims=True)


def _moved(test: _Test, bank: Bank, item: np.ndarray, theta: np.ndarray) -> np.ndarray:
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
