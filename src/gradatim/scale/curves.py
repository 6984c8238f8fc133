"""Item curves: chance of success, information and expected score at an ability.

P(theta) = c + (u - c) s(a (theta - b)), s(x) = 1 / (1 + exp(-x)); the ceiling u is 1 unless a bank
has one.
Axes: `item` (last), `point` (abilities).
"""

import numpy as np
from scipy import special

from gradatim.types import Bank

SMALL = 1e-300  # keeps logarithms and quotients finite where a floor meets a tail


def probability(theta: np.ndarray | float, bank: Bank) -> np.ndarray:
    """(..., item) chance of success of abilities of shape (...).

    >>> bank = flat(difficulty=[0.0], discrimination=[1.0], floor=[0.5])
    >>> float(probability(0.0, bank)[0])
    0.75
    """
    eta = bank.discrimination * (np.asarray(theta, dtype=float)[..., None] - bank.difficulty)
    return bank.floor + _reach(bank) * special.expit(eta)


def information(theta: np.ndarray | float, bank: Bank) -> np.ndarray:
    """(..., item) Fisher information about ability in one attempt: P'^2 / (P (1 - P)).

    Ref: Birnbaum 1968; 2PL: a^2 P (1 - P). Magis 2013, Applied Psychological Measurement 37:304
    for a ceiling.

    >>> bank = flat(difficulty=[0.0], discrimination=[2.0])
    >>> float(information(0.0, bank)[0])
    1.0
    """
    eta = bank.discrimination * (np.asarray(theta, dtype=float)[..., None] - bank.difficulty)
    _, _, up, down = evaluate(eta, bank.floor, bank.ceiling)
    return bank.discrimination**2 * up * down


def log_chances(
    eta: np.ndarray, floor: np.ndarray | None, ceiling: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """log P and log(1 - P) at logits `eta`; the ends broadcast, None for all 0 and all 1."""
    return evaluate(eta, floor, ceiling)[:2]


def slopes(
    eta: np.ndarray, floor: np.ndarray | None, ceiling: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """d log P / d eta, and -d log(1 - P) / d eta; their product is the information in eta."""
    return evaluate(eta, floor, ceiling)[2:]


def evaluate(
    eta: np.ndarray, floor: np.ndarray | None, ceiling: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """log P, log(1 - P) and both slopes from one exponential, which is what a fit spends most on.

    >>> log_p, log_q, up, down = evaluate(np.array([0.0]), np.array([0.5]))
    >>> float(np.exp(log_p)[0]), round(float(up[0]), 3), float(down[0])
    (0.75, 0.167, 0.5)
    """
    small = np.exp(-np.abs(eta))  # never overflows
    one = 1 / (1 + small)
    down = np.where(eta >= 0, one, small * one)
    log_down = np.minimum(eta, 0) - np.log(1 + small)
    log_up = log_down - eta
    rest = np.where(eta >= 0, small * one, one)
    if floor is None and ceiling is None:
        return log_down, log_up, rest, down
    low = 0.0 if floor is None else floor
    seen = np.maximum(down, SMALL)  # where the floor is 0 the slope outlives the chance
    if ceiling is None:
        chance = low + (1 - low) * seen
        log = np.where(low > 0, np.log(chance), log_down)
        return log, np.log1p(-low) + log_up, (1 - low) * seen * rest / chance, down
    reach, hidden = ceiling - low, np.maximum(rest, SMALL)
    chance, other = low + reach * seen, 1 - ceiling + reach * hidden
    log = np.where(low > 0, np.log(chance), np.log(ceiling) + log_down)
    log_other = np.where(ceiling < 1, np.log(other), np.log1p(-low) + log_up)
    return log, log_other, reach * seen * rest / chance, reach * down * hidden / other


def _reach(bank: Bank) -> np.ndarray:
    return (1.0 if bank.ceiling is None else bank.ceiling) - bank.floor


def flat(
    *,
    difficulty: np.ndarray,
    discrimination: np.ndarray,
    floor: np.ndarray | None = None,
    ceiling: np.ndarray | None = None,
) -> Bank:
    """A bank of known items: no errors, no solvers; for simulation and tests.

    Args:
        difficulty: (item,) b.
        discrimination: (item,) a > 0.
        floor: (item,) c in [0, 1); None for 0.
        ceiling: (item,) u in (c, 1]; None for 1.
    """
    b, a = np.asarray(difficulty, dtype=float), np.asarray(discrimination, dtype=float)
    zero = np.zeros(len(b))
    return Bank(
        items=tuple(f"item-{i}" for i in range(1, len(b) + 1)),
        difficulty=b,
        discrimination=a,
        floor=zero if floor is None else np.asarray(floor, dtype=float),
        se_difficulty=zero,
        se_discrimination=zero,
        solvers=(),
        ability=np.zeros(0),
        se_ability=np.zeros(0),
        tried=np.zeros(len(b), dtype=np.int64),
        solved=zero,
        scale="known",
        ceiling=None if ceiling is None else np.asarray(ceiling, dtype=float),
    )
