"""Ability of solvers from their answers to items that are known.

Axes: `run` (solvers, or repeats of a test), `asked` (positions in a test), `node`, `item`.
"""

from typing import NamedTuple

import numpy as np

from gradatim import checks
from gradatim.scale.curves import log_chances, probability, slopes
from gradatim.scale.overdispersion import worth
from gradatim.types import Bank

NODES = 15
FAR = 40.0


class Abilities(NamedTuple):
    """What is known of abilities.

    Attributes:
        value: (run,) posterior mean (EAP), or mode (MAP).
        se: (run,) standard error; holds the error of the items where asked for.
        nodes, weight: (run, node) the posterior: abilities and their probabilities.
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
        method: "eap" (posterior mean and sd) or "map" (mode, 1 / sqrt(information + 1 / sd^2)).
        prior: mean and sd of abilities before any answer.
        start: (run,) where to begin the search; None for the prior's mean.
        item_error: add the bank's item errors to the standard error. They are taken as
            independent of each other: the error of a logit a (theta - b) moves the estimate by
            the item's weight times the posterior variance.

    Returns:
        Abilities; runs without an answer have the prior.

    Raises:
        ArgumentError: arrays of different shapes, counts out of range, items without estimates.

    Ref: Bock & Mislevy 1982, Applied Psychological Measurement 6:431, with nodes around each
    posterior's mode.

    >>> from gradatim.scale.curves import flat
    >>> bank = flat(difficulty=[0.0, 1.0], discrimination=[1.0, 1.0])
    >>> answers = np.array([[0, 1]]), np.array([[1.0, 0.0]]), np.array([[1, 1]])
    >>> estimate_ability(bank, *answers).value.round(3)
    array([0.146])
    """
    checks.shapes(item=(item, "run asked"), solved=(solved, "run asked"))
    checks.shapes(item=(item, "run asked"), tried=(tried, "run asked"))
    checks.one_of("method", method, ("eap", "map"))
    checks.within(0, np.inf, tried=tried)
    checks.within(0, np.inf, solved=solved, **{"tried - solved": np.subtract(tried, solved)})
    asked = np.asarray(tried) > 0
    share = worth(tried, float(bank.fit.get("overdispersion", 0.0)))
    solved, tried = solved * share, tried * share
    known = np.isfinite(bank.difficulty) & np.isfinite(bank.discrimination)
    checks.within(1, 1, **{"estimated (1) or not (0), of each item asked": known[item[asked]]})
    # unasked positions may hold any index, also of an item without estimates
    a = np.where(asked, bank.discrimination[item], 1.0)
    b = np.where(asked, bank.difficulty[item], 0.0)
    floor = bank.floor[item] if bank.floor.any() else None
    theta = np.full(len(item), float(prior[0])) if start is None else start.astype(float)
    sd = np.full(len(item), float(prior[1]))
    for _ in range(50):
        up, down = slopes(a * (theta[:, None] - b), floor)
        score = np.sum(a * (solved * up - (tried - solved) * down), axis=1)
        curvature = np.sum(a * a * tried * up * down, axis=1) + prior[1] ** -2
        step = np.clip((score - (theta - prior[0]) * prior[1] ** -2) / curvature, -1, 1)
        theta, sd = np.clip(theta + step, prior[0] - FAR, prior[0] + FAR), curvature**-0.5
        if np.all(np.abs(step) < (0.1 if method == "eap" else 1e-6) * sd):
            break
    base, weight = np.polynomial.hermite_e.hermegauss(NODES)
    x = theta[:, None] + sd[:, None] * base
    eta = a[:, None] * (x[..., None] - b[:, None])
    right, wrong = log_chances(eta, None if floor is None else floor[:, None])
    log = np.sum(solved[:, None] * right + (tried - solved)[:, None] * wrong, axis=2)
    log += np.log(weight) + base**2 / 2 - (x - prior[0]) ** 2 / (2 * prior[1] ** 2)
    h = np.exp(log - log.max(axis=1, keepdims=True))
    h /= h.sum(axis=1, keepdims=True)
    value, variance = theta, sd**2
    if method == "eap":
        value = np.sum(h * x, axis=1)
        variance = np.sum(h * (x - value[:, None]) ** 2, axis=1)
    if item_error:
        up, down = slopes(a * (value[:, None] - b), floor)
        gap = value[:, None] - b
        moved = np.where(
            asked,
            (a * bank.se_difficulty[item]) ** 2 + (gap * bank.se_discrimination[item]) ** 2,
            0.0,
        )
        variance = variance + variance**2 * np.sum((a * tried * up * down) ** 2 * moved, axis=1)
    return Abilities(value, np.sqrt(variance), x, h)


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
    return Bank(
        items=tuple(bank.items[i] for i in index),
        difficulty=bank.difficulty[index],
        discrimination=bank.discrimination[index],
        floor=bank.floor[index],
        se_difficulty=bank.se_difficulty[index],
        se_discrimination=bank.se_discrimination[index],
        solvers=bank.solvers,
        ability=bank.ability,
        se_ability=bank.se_ability,
        tried=bank.tried[index],
        solved=bank.solved[index],
        scale=bank.scale,
        fit=bank.fit,
    )
