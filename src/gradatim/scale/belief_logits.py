"""Normal logits and what they mean for pass rates, by quadrature.

Axes: `row` or `problem`, `node`.
"""

import numpy as np
from scipy import special

NODES = np.linspace(-1, 1, 61)
SIDE = 5.0  # standard deviations that the nodes reach to either side
NORMAL = np.linspace(-4, 4, 21)  # even nodes stay exact where the logit is spread far
MASS = np.exp(-(NORMAL**2) / 2) / np.exp(-(NORMAL**2) / 2).sum()
BLOCK = 1 << 14
TINY = 1e-30


def absorb(
    mean: np.ndarray, variance: np.ndarray, k: np.ndarray, n: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of a normal logit after k of n were right, by quadrature.

    Args:
        mean, variance: (row,) before.
        k, n: (row,) right and all attempts.

    Returns:
        (row,) mean and variance after; nodes reach as far as either side of the posterior does.

    >>> mean, variance = absorb(np.zeros(1), np.ones(1), np.array([2.0]), np.array([4.0]))
    >>> bool(abs(mean[0]) < 1e-9), bool(0.5 < variance[0] < 1)
    (True, True)
    """
    after = np.empty((2, len(mean)))
    for start in range(0, len(mean), BLOCK):
        rows = slice(start, start + BLOCK)
        after[:, rows] = _absorb(mean[rows], variance[rows], k[rows], n[rows])
    return after[0], after[1]


def _absorb(mean: np.ndarray, variance: np.ndarray, k: np.ndarray, n: np.ndarray) -> np.ndarray:
    def log(eta: np.ndarray) -> np.ndarray:
        # k log s + (n - k) log (1 - s) = k eta - n log(1 + e^eta)
        loss = n[:, None] * np.logaddexp(0, eta)
        return k[:, None] * eta - loss - (eta - mean[:, None]) ** 2 / (2 * variance[:, None])

    mode = mean.copy()
    for _ in range(12):
        p = special.expit(mode)
        slope = k - n * p - (mode - mean) / variance
        mode = mode + np.clip(slope / (n * p * (1 - p) + 1 / variance), -2, 2)
    p = special.expit(mode)
    near = 1 / np.sqrt(n * p * (1 - p) + 1 / variance)
    ends = mode[:, None] + SIDE * near[:, None] * np.array([-1, 0, 1])
    drop = log(ends)
    far = drop[:, 1:2] - drop[:, [0, 2]] < SIDE  # flat on that side: the prior ends it
    reach = SIDE * np.where(far, np.sqrt(variance)[:, None], near[:, None])
    side = np.where(NODES < 0, reach[:, :1], reach[:, 1:])
    at_mode = (reach[:, :1] + reach[:, 1:]) / 2
    eta = mode[:, None] + side * NODES
    weight = log(eta) - drop[:, 1:2]
    weight = np.exp(weight) * np.where(NODES == 0, at_mode, side)
    weight /= weight.sum(axis=1, keepdims=True)
    first = (weight * eta).sum(axis=1)
    return np.stack([first, (weight * (eta - first[:, None]) ** 2).sum(axis=1)])


def pass_rates(mean: np.ndarray, variance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(problem,) mean and variance of s(logit) of a normal logit.

    >>> pass_rates(np.zeros(1), np.zeros(1))
    (array([0.5]), array([0.]))
    """
    sd = np.sqrt(variance)
    first, second = np.zeros(len(mean)), np.zeros(len(mean))
    for x, w in zip(NORMAL, MASS, strict=True):
        p = 1 / (1 + np.exp(-np.clip(mean + x * sd, -40, 40)))
        first += w * p
        second += w * p * p
    return first, np.maximum(second - first**2, 0)


def matched(mean: np.ndarray, variance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Beta of a given mean and variance.

    >>> matched(np.array([0.25]), np.array([0.0375]))  # Beta(1, 3)
    (array([1.]), array([3.]))
    """
    mean = np.clip(mean, 1e-9, 1 - 1e-9)
    most = mean * (1 - mean)
    precision = np.clip(most / np.maximum(variance, TINY) - 1, 1e-6, 1e12)
    return mean * precision, (1 - mean) * precision
