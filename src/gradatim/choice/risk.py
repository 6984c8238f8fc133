"""Samplers that predict pass rates of untried problems from their features.

Axes: `problem` (the pool), `feature`, `row` (problems that were tried). The regression is linear
and Bayesian, so mean and doubt of every problem come in closed form from the counts.
"""

from typing import NamedTuple

import numpy as np
from scipy import linalg

from gradatim import checks
from gradatim.choice import bandits, samplers
from gradatim.errors import ArgumentError
from gradatim.scale import belief
from gradatim.types import Ask, Plan, Pool, Slot

_CELLS = 1 << 21  # entries of a feature matrix that are worked on at once (16 MB)


class Fit(NamedTuple):
    """Normal posterior of the weights of a linear regression, the constant's last.

    Attributes:
        weight: (feature + 1,) float, mean.
        factor: (feature + 1, feature + 1) float, lower Cholesky factor of the precision.
    """

    weight: np.ndarray
    factor: np.ndarray


def _with_constant(features: np.ndarray) -> np.ndarray:
    return np.column_stack((features, np.ones(len(features))))


def regress(
    features: np.ndarray,
    value: np.ndarray,
    tried: np.ndarray,
    *,
    spread: float = 1.0,
    noise: float = 0.25,
) -> Fit:
    """Bayesian ridge regression of a mean over attempts on features.

    Args:
        features: (row, feature) float, finite.
        value: (row,) float, mean over the attempts of the row.
        tried: (row,) float >= 0, how many; a row weighs by it.
        spread: prior standard deviation of each weight, > 0.
        noise: variance of one attempt, > 0; at most 1/4 for right or wrong.

    Ref: Bishop 2006, eq. 3.53-3.54.

    >>> fit = regress(np.zeros((1, 0)), np.array([0.5]), np.array([1.0]))
    >>> fit.weight  # precision 1 + 1/.25 = 5, times .5 x 4 / 5
    array([0.4])
    """
    checks.shapes(features=(features, "row feature"), value=(value, "row"), tried=(tried, "row"))
    checks.finite(features=features, value=value)
    checks.within(0, 1e300, tried=tried)
    checks.within(1e-9, 1e9, spread=spread, noise=noise)
    x = _with_constant(features)
    weighted = x * (tried / noise)[:, None]
    factor = np.linalg.cholesky(np.eye(x.shape[1]) / spread**2 + weighted.T @ x)
    weight = linalg.cho_solve((factor, True), weighted.T @ value)
    return Fit(weight, factor)


def predict(fit: Fit, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(problem,) mean and standard deviation of the regression, the noise of attempts left out."""
    size = len(features)
    mean, doubt = np.empty(size), np.empty(size)
    step = max(1, _CELLS // (features.shape[1] + 1))
    for at in range(0, size, step):
        x = _with_constant(features[at : at + step])
        mean[at : at + step] = x @ fit.weight
        root = linalg.solve_triangular(fit.factor, x.T, lower=True, check_finite=False)
        doubt[at : at + step] = np.sqrt((root * root).sum(axis=0))
    return mean, doubt


def init_rows(pool: Pool, **_: object) -> belief.Counts:
    """No attempts yet."""
    if pool.features is None:
        raise ArgumentError("this sampler needs features of the problems, and the pool has none")
    checks.finite(features=pool.features)
    return belief.init_counts(pool)


def _failing(state: belief.Counts, ask: Ask) -> tuple[np.ndarray, np.ndarray]:
    """(problem,) predicted share of failures, and its standard deviation."""
    assert ask.pool.features is not None
    rows = np.flatnonzero(state.tried > 0)
    failed = np.clip(1 - state.solved[rows] / state.tried[rows], 0, 1)
    fit = regress(ask.pool.features[rows], failed, state.tried[rows])
    return predict(fit, ask.pool.features)


def risk(
    state: belief.Counts,
    ask: Ask,
    rng: np.random.Generator,
    *,
    gamma: tuple[float, float] = (1.0, 5.0),
    oversample: float = 1.5,
    random: float = 0.5,
    half_life: float = 50.0,
) -> Plan:
    """The riskiest problems by prediction: no attempt is made to find them.

    The acquisition is gamma[0] x mean + gamma[1] x standard deviation of the predicted share of
    failures. The paper takes the best of `oversample` x as many random candidates; in a large
    pool those are an even draw from the best 1 / oversample of it, which is what is drawn here,
    so that propensities are known.

    Args:
        state, ask, rng: as for every sampler.
        gamma: weights of mean and doubt; (1, 0) is greedy.
        oversample: >= 1, candidates per prompt; large = only the very riskiest.
        random: share of the prompts that is drawn evenly.
        half_life: steps after which an attempt counts half.

    Ref: MPTS, Wang et al. 2025, arXiv:2501.11039, weights and shares as in its released
    meta-RL configuration. Differs: Bayesian ridge regression on features in place of a neural
    process; risk is the share of failures.
    """
    weights = np.asarray(gamma, dtype=float)
    if weights.shape != (2,):
        raise ArgumentError(f"`gamma` must be two numbers, of the mean and the doubt; got {gamma}")
    checks.within(0, 1e9, gamma=weights)
    checks.within(1, 1e9, oversample=oversample)
    mean, doubt = _failing(state, ask)
    score = weights[0] * mean + weights[1] * doubt
    size = min(ask.prompts, len(score))
    best = max(size, round(len(score) / oversample))
    # twins in features differ by rounding only, and must share a place
    weight = samplers.closest(-np.round(score, 9), best)
    return samplers.by_weight(ask, weight, rng, explore=random, why="risk")


def contextual(
    state: belief.Counts,
    ask: Ask,
    rng: np.random.Generator,
    *,
    gain: float = 1.0,
    half_life: float = 50.0,
    explore: float = 0.05,
) -> Plan:
    """Problems by inverse gap weighting of their predicted worth, 4 p (1 - p).

    p is predicted from features, so what is learned on one problem moves all that are like it.
    gamma = gain (problems / prompts) sqrt(attempts), so a problem is about 1 + gain sqrt(attempts)
    x gap times rarer than the best; attempts are discounted by `half_life` steps.

    Ref: Deb et al. 2023, arXiv:2312.07145 (inverse gap weighting of an online regression).
    Differs: Bayesian ridge regression in place of a network, many problems at a time;
    coefficient of gamma not published in the abstract that this reads.
    """
    checks.within(0, 1e12, gain=gain)
    p = np.clip(_failing(state, ask)[0], 0, 1)
    worth = np.round(4 * p * (1 - p), 9)
    size = min(ask.prompts, len(worth))
    gamma = gain * len(worth) / size * float(np.sqrt(state.tried.sum()))
    weight = bandits.gap_shares(worth, size, gamma=gamma)
    return samplers.by_weight(ask, weight, rng, explore=explore, why="predicted")


_HALF_LIFE = {"half_life": checks.AT_LEAST_0}

SAMPLERS: dict[str, Slot] = {
    "risk": Slot(
        init=init_rows,
        observe=belief.observe_counts,
        suggest=risk,
        options={"gamma": (1.0, 5.0), "oversample": 1.5, "random": 0.5, "half_life": 50.0},
        bounds={"gamma": (0, 1e9), "oversample": (1, 1e9), "random": checks.SHARE, **_HALF_LIFE},
        needs=frozenset({"features"}),
        invariances=frozenset({"propensity", "distinct", "every_problem"}),
        paper="MPTS (arXiv:2501.11039): the riskiest by prediction, with Bayesian ridge regression "
        "in place of its neural process.",
    ),
    "contextual": Slot(
        init=init_rows,
        observe=belief.observe_counts,
        suggest=contextual,
        options={"gain": 1.0, "half_life": 50.0, "explore": 0.05},
        bounds={"gain": (0, 1e12), "explore": checks.SHARE, **_HALF_LIFE},
        needs=frozenset({"features"}),
        invariances=frozenset({"propensity", "distinct", "every_problem"}),
        paper="Inverse gap weighting of an online regression (arXiv:2312.07145), linear instead "
        "of neural.",
    ),
}
