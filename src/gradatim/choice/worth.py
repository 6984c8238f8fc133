"""What recorded attempts are worth learning from again: by their return, and by problem.

Axes: `attempt`, `group` (the attempts on one problem, labels in any order).
"""

import numpy as np

from gradatim import checks, groups


def upside(reward: np.ndarray, group: np.ndarray) -> np.ndarray:
    """(group,) positive-sided variance of each group's rewards, in order of the labels.

    The mean of max(reward - the group's mean, 0)^2: what the group's best attempts show beyond its
    usual ones, and so what imitating them could gain. Of rewards 0 and 1 it is p (1 - p)^2, most at
    p = 1/3.

    Args:
        reward: (attempt,) float.
        group: (attempt,) labels.

    Raises:
        ArgumentError: lengths that differ, or rewards that are no numbers.

    Ref: Hong et al. 2023, arXiv:2306.13085, their positive-sided variance (PSV).

    >>> upside(np.array([1.0, 0, 0, 1, 1]), np.array([0, 0, 0, 1, 1])).round(4)
    array([0.1481, 0.    ])
    """
    reward, group = np.asarray(reward, dtype=float), np.asarray(group)
    checks.shapes(reward=(reward, "attempt"), group=(group, "attempt"))
    checks.finite(reward=reward)
    code, size = groups.codes(group)
    above = groups.deviations(reward, code, size)
    return groups.means(np.maximum(above, 0.0) ** 2, code, size)


def return_weights(reward: np.ndarray, *, temperature: float = 0.1) -> np.ndarray:
    """(attempt,) shares in which to draw attempts again, more for those of a higher reward.

    Args:
        reward: (attempt,) float, any scale: it is brought to 0 .. 1 first.
        temperature: > 0; shares go as exp(reward / temperature), a large one makes them equal.

    Returns:
        Shares that sum to 1; equal ones where all rewards are.

    Raises:
        ArgumentError: rewards that are no numbers, or a temperature of 0 or less.

    Ref: Hong et al. 2023, arXiv:2306.13085, return weighting. Differs: returns themselves, not
    advantages over an estimated value of the first state.

    >>> return_weights(np.array([3.0, 1.0, 2.0]), temperature=1.0).round(3)
    array([0.506, 0.186, 0.307])
    """
    reward = np.asarray(reward, dtype=float)
    checks.shapes(reward=(reward, "attempt"))
    checks.finite(reward=reward)
    checks.within(1e-9, np.inf, temperature=temperature)
    if not len(reward):
        return reward
    spread = float(np.ptp(reward))
    share = np.exp((reward - reward.max()) / (temperature * spread)) if spread else reward * 0 + 1
    return share / share.sum()
