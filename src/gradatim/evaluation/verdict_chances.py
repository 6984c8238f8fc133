"""What a scale expects of verdicts, in an order, so that none of them vouches for itself.

Axes: `attempt` (in order), `code` (a solver, an item or a cell of both).
"""

from typing import NamedTuple

import numpy as np
from scipy import special

from gradatim.evaluation.curves import rising
from gradatim.scale import irt
from gradatim.scale.predictive import predict
from gradatim.scale.residuals import KINK
from gradatim.types import Bank, Responses

EDGE = 0.02  # chances are kept this far from 0 and 1: no curve is that sure of a verdict
BINS = 60  # of attempts by chance, whose share solved is counted
FOLDS, FEW = (5, 2), 50_000  # parts that are left out in turn, of so many attempts and of more
REPEATED, OWN = 3, 2.0  # attempts a cell from which it is its own expectation; weight of the curve
Attempts = tuple[np.ndarray, np.ndarray, np.ndarray]  # solver, item, score


class Axis(NamedTuple):
    """What may explain verdicts besides time: a shift of each solver, or of each item.

    Attributes:
        code: (attempt,) int, whose shift.
        factor: (attempt,) logits that a unit of it moves the attempt.
        precision: (code,) 1 / its variance as known beforehand; None: nothing is known.
    """

    code: np.ndarray
    factor: np.ndarray
    precision: np.ndarray | None = None


class Expected(NamedTuple):
    """What the scale expects of each attempt.

    Attributes:
        chance: (attempt,) of success.
        rest: (attempt,) score less expectation.
        axes: what a template must leave alone.
        metric: (attempt,) weights of the fit that made `rest`, or they would not be orthogonal.
    """

    chance: np.ndarray
    rest: np.ndarray
    axes: list[Axis]
    metric: np.ndarray


def expect(attempts: Attempts, bank: Bank, *, before: bool, seed: int) -> Expected:
    """Chances of attempts, and what is left of their scores.

    Args:
        attempts: solver, item: (attempt,) int, indices into the bank's; score: (attempt,) float.
        bank: of these attempts.
        before: its items were calibrated on others, and only its abilities on these.
        seed: of folds.

    Cells tried three times or more are their own expectation. Otherwise chances come from the
    bank, if its items were known before, or from banks of the other folds.
    """
    solver, item, score = attempts
    wide = _errors(bank, solver, item) if before else np.zeros(len(score))
    p = _chances(bank, solver, item, wide)
    size = item.max() + 1
    cell = np.unique(solver.astype(np.int64) * size + item, return_inverse=True)[1].reshape(-1)
    rng = np.random.default_rng(seed)
    if len(score) >= REPEATED * (cell.max() + 1):  # each cell is compared with itself
        own = (np.bincount(cell, weights=score) / np.bincount(cell))[cell]
        apart = _observed(_cells_without(cell, score, p, rng.random(len(score)) < 0.5), score)
        ones = np.ones(len(score))
        return Expected(apart, score - own, [Axis(cell, ones)], ones)
    a = bank.discrimination[item]
    if before:
        p = _observed(p, score)
        metric = p * (1 - p)
        axes = [Axis(solver, a), Axis(item, a, _firmness((item, a), score - p, metric, bank))]
        return Expected(p, score - p, axes, metric)
    apart = _observed(_of_others(attempts, bank, rng), score)
    axes = [Axis(solver, a), Axis(item, np.ones(len(score)))]
    return Expected(apart, score - p, axes, np.maximum(p * (1 - p), 1e-4))


def _chances(bank: Bank, solver: np.ndarray, item: np.ndarray, wide: np.ndarray) -> np.ndarray:
    """(attempt,) mean chance where the logit's variance is `wide`."""
    logit = bank.discrimination[item] * (bank.ability[solver] - bank.difficulty[item])
    top = 1.0 if bank.ceiling is None else bank.ceiling[item]
    right = special.expit(logit / np.sqrt(1 + KINK * wide))
    return bank.floor[item] + (top - bank.floor[item]) * right


def _errors(bank: Bank, solver: np.ndarray, item: np.ndarray) -> np.ndarray:
    """(attempt,) variance of the logit, by the errors of ability, difficulty and discrimination."""
    far = bank.ability[solver] - bank.difficulty[item]
    level = bank.se_ability[solver] ** 2 + bank.se_difficulty[item] ** 2
    found = bank.discrimination[item] ** 2 * level + (far * bank.se_discrimination[item]) ** 2
    return np.nan_to_num(found)


def _firmness(
    of: tuple[np.ndarray, np.ndarray], rest: np.ndarray, metric: np.ndarray, bank: Bank
) -> np.ndarray:
    """(item,) precision of difficulties: their errors in the bank, and what they moved since.

    Ref: the moves' variance by moments, DerSimonian & Laird 1986, Controlled Clinical Trials 7:177;
    differs: from scores and information of each item, which need no estimate of its own.
    """
    item, a = of
    told = np.bincount(item, weights=metric * a**2, minlength=len(bank.items))
    pull = np.bincount(item, weights=a * rest, minlength=len(bank.items))
    error = np.where(told > 0, bank.se_difficulty**2, 0.0)
    moved = float((pull**2 - told - told**2 * error).sum() / (told**2).sum())
    return 1 / np.maximum(error + max(0.0, moved), 1e-6)


def _of_others(attempts: Attempts, bank: Bank, rng: np.random.Generator) -> np.ndarray:
    """(attempt,) chances from a bank of the other folds: no verdict vouches for itself."""
    solver, item, score = attempts
    folds = FOLDS[0] if len(score) <= FEW else FOLDS[1]
    fold = rng.permutation(np.arange(len(score)) % folds)
    found = np.empty(len(score))
    for own in (fold == k for k in range(folds)):
        other = ~own
        code, cell = np.unique(
            solver[other].astype(np.int64) * len(bank.items) + item[other], return_inverse=True
        )
        responses = Responses(
            solver=code // len(bank.items),
            item=code % len(bank.items),
            solved=np.bincount(cell.reshape(-1), weights=score[other]),
            tried=np.bincount(cell.reshape(-1)),
            solvers=bank.solvers,
            items=bank.items,
        )
        found[own] = predict(irt.fit(responses), responses, solver[own], item[own])
    return found


def _cells_without(
    cell: np.ndarray, score: np.ndarray, chance: np.ndarray, half: np.ndarray
) -> np.ndarray:
    """(attempt,) share solved of the cell's attempts in the other half, and some of the curve."""
    found = np.empty(len(score))
    for own in (half, ~half):
        tried = np.bincount(cell, weights=~own)
        solved = np.bincount(cell, weights=score * ~own)
        found[own] = ((solved[cell] + OWN * chance) / (tried[cell] + OWN))[own]
    return found


def _observed(chance: np.ndarray, score: np.ndarray) -> np.ndarray:
    """(attempt,) share solved by attempts of like chance: errors at all times are in it."""
    order = np.argsort(chance, kind="stable")
    starts = np.unique(np.linspace(0, len(order), BINS, endpoint=False).astype(int))
    size = np.diff(np.r_[starts, len(order)])
    shown = rising(np.add.reduceat(score[order], starts) / size, size.astype(float))
    found = np.empty(len(chance))
    found[order] = np.repeat(shown, size)
    return np.clip(found, EDGE, 1 - EDGE)
