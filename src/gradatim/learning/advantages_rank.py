"""Advantages shaped by the geometry of hidden states: effective rank, its velocity, acceleration.

Axes: `token`, the tokens of one reply; `dim`, of a hidden state; `attempt` as in advantages.py;
`measure`: effective rank, its velocity, its acceleration, in this order. Pure functions: no trainer
here gives hidden states, so nothing is registered.
"""

import numpy as np

from gradatim import checks
from gradatim.errors import ArgumentError


def effective_rank(hidden: np.ndarray) -> float:
    """exp of the entropy of the normalised singular values of column-centred states.

    Args:
        hidden: (token, dim) float.

    Returns:
        A number in [1, min(token, dim)]; 1 where all states are equal.

    Ref: Roy and Vetterli 2007; arXiv:2509.23808 (VERL, 2025), which centres columns.

    >>> round(effective_rank(np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]])), 6)
    2.0
    """
    states = np.asarray(hidden, dtype=np.float64)
    checks.shapes(hidden=(states, "token dim"))
    checks.finite(hidden=states)
    if not states.size:
        raise ArgumentError(f"`hidden` must hold at least one state, got shape {states.shape}")
    centred = states - states[0]  # about one state, so that a common offset cancels
    centred = centred - centred.mean(axis=0)
    size = np.linalg.svd(centred, compute_uv=False)
    if size[0] == 0:
        return 1.0
    share = size / size.sum()
    share = share[share > 0]
    return float(np.exp(-(share * np.log(share)).sum()))


def rank_dynamics(hidden: np.ndarray, *, stride: int = 40) -> np.ndarray:
    """(measure,) float: means over a reply of effective rank, velocity and acceleration.

    Prefixes of stride, 2 x stride ... tokens have ranks m_1, m_2 ...; velocity is m_j - mean of
    the earlier ones, acceleration the difference of neighbouring velocities. What a short reply
    does not have is 0.

    Args:
        hidden: (token, dim) float.
        stride: >= 1, tokens; a reply shorter than one stride is measured whole.

    Ref: VERL 2025, arXiv:2509.23808, stride 40.

    >>> states = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]])
    >>> rank_dynamics(states, stride=2).round(3)
    array([1.5, 1. , 0. ])
    """
    checks.within(1, np.inf, stride=stride)
    states = np.asarray(hidden)
    checks.shapes(hidden=(states, "token dim"))
    ends = np.arange(stride, len(states) + 1, stride)
    if not len(ends):
        ends = np.array([len(states)])
    rank = np.array([effective_rank(states[:end]) for end in ends])
    before = np.cumsum(rank)[:-1] / np.arange(1, len(rank))
    velocity = rank[1:] - before
    acceleration = np.diff(velocity)
    parts = (rank, velocity, acceleration)
    return np.array([part.mean() if len(part) else 0.0 for part in parts])


def update_baseline(
    baseline: np.ndarray | None, dynamics: np.ndarray, *, rate: float = 0.3
) -> np.ndarray:
    """(measure,) float: running mean of the measures over steps; the first step sets it.

    Args:
        baseline: (measure,) float, None before the first step.
        dynamics: (attempt, measure) float, of this step.
        rate: in [0, 1], share of the new step; 0.3 in the released script, 0.7 in its code.

    >>> update_baseline(np.zeros(3), np.ones((2, 3)))
    array([0.3, 0.3, 0.3])
    """
    checks.within(0, 1, rate=rate)
    checks.shapes(dynamics=(dynamics, "attempt measure"))
    if not len(dynamics):
        return np.zeros(3) if baseline is None else np.asarray(baseline, dtype=np.float64)
    new = np.mean(dynamics, axis=0)
    return new if baseline is None else (1 - rate) * np.asarray(baseline) + rate * new


def shape_by_rank(
    advantage: np.ndarray,
    dynamics: np.ndarray,
    baseline: np.ndarray | None,
    *,
    kappa: float = 2.0,
) -> np.ndarray:
    """Add a bonus for replies that explore or exploit more than the running mean.

    With dev = clip((x - baseline) / |baseline|, -5, 5) and w = sigmoid(2 dev of acceleration), the
    bonus is w tanh(dev of rank) + (1 - w) tanh(dev of velocity), at least 0 and at most
    |advantage| / kappa, so that no advantage changes its sign where kappa > 1.

    Args:
        advantage: (attempt,) float.
        dynamics: (attempt, measure) float, of `rank_dynamics`.
        baseline: (measure,) float, of the steps before; None in the first step: no bonus.
        kappa: >= 1.

    Ref: VERL 2025, arXiv:2509.23808. Differs: one bonus a reply; how it is laid on tokens
    there was not traced.

    >>> shape_by_rank(np.array([1.0, -1.0]), np.full((2, 3), 9.0), np.ones(3))
    array([ 1.5, -0.5])
    """
    checks.within(1, np.inf, kappa=kappa)
    advantage = np.asarray(advantage, dtype=np.float64)
    checks.shapes(advantage=(advantage, "attempt"), dynamics=(dynamics, "attempt measure"))
    checks.finite(advantage=advantage, dynamics=dynamics)
    if baseline is None:
        return advantage.copy()
    mean = np.asarray(baseline, dtype=np.float64)
    checks.shapes(dynamics=(dynamics, "attempt measure"), baseline=(mean, "measure"))
    dev = np.clip((dynamics - mean) / (np.abs(mean) + 1e-8), -5, 5)
    gate = 1 / (1 + np.exp(-2 * dev[:, 2]))
    bonus = gate * np.tanh(dev[:, 0]) + (1 - gate) * np.tanh(dev[:, 1])
    return advantage + np.clip(bonus, 0.0, np.abs(advantage) / kappa)
