"""Can what was estimated from logs be trusted to choose? Return, risk and rank of an estimator.

Axes: `policy` (samplers, recipes: what is chosen among).
"""

from typing import NamedTuple

import numpy as np
from scipy import special

from gradatim import checks
from gradatim.errors import ArgumentError
from gradatim.evaluation.rank import spearman
from gradatim.types import Estimate


class Choice(NamedTuple):
    """What comes of trying the k policies that an estimator puts first.

    Attributes:
        best, worst: true value of the best and of the worst of them.
        spread: standard deviation of their values (of these k, not of a sample): the risk.
        sharpe: (best - behaviour) / spread; NaN for one policy, and for equals (no risk) that gain
            nothing; infinite for equals that gain or lose.
        regret: best value of all policies minus `best`.
        correlation: Estimate of Spearman's of estimates and values, over all policies.
        chance: mean of `best` over random choices of k: what an estimator is worth must beat.
    """

    best: float
    worst: float
    spread: float
    sharpe: float
    regret: float
    correlation: Estimate
    chance: float


def sharpe_ratio(
    estimate: np.ndarray, value: np.ndarray, behaviour: float, k: int, *, level: float = 0.95
) -> Choice:
    """Return against risk of trying the top k policies by an offline estimate.

    A rank correlation does not tell an estimator that misses the best from one that puts the
    worst in front; trying the k at the top costs what the bad ones among them cost.

    Args:
        estimate: (policy,) float, from logs, such as `choice.logged.sampler_value`.
        value: (policy,) float, true value, from runs of each.
        behaviour: true value of the policy that wrote the logs.
        k: policies tried, 2 or more for a risk; ties go to the first.
        level: coverage of the correlation's interval.

    Ref: Kiyohara et al. 2023, Towards Assessing and Benchmarking Risk-Return Tradeoff of Off-Policy
    Evaluation, arXiv:2311.18207, equation of SharpeRatio@k: (best@k - J(behaviour)) / std@k.

    >>> found = sharpe_ratio(np.array([3.0, 2.0, 1.0]), np.array([0.6, 0.2, 0.9]), 0.4, 2)
    >>> found.best, round(found.spread, 3), round(found.sharpe, 3), round(found.regret, 3)
    (0.6, 0.2, 1.0, 0.3)
    """
    estimate, value = np.asarray(estimate, dtype=float), np.asarray(value, dtype=float)
    checks.shapes(estimate=(estimate, "policy"), value=(value, "policy"))
    checks.finite(estimate=estimate, value=value, behaviour=behaviour)
    checks.whole(1, 10**9, k=k)
    n = len(value)
    if k > n:
        raise ArgumentError(f"`k` must be at most the number of policies = {n}, got {k}")
    chosen = value[np.argsort(-estimate, kind="stable")[:k]]
    best, spread = float(chosen.max()), float(chosen.std())
    ahead = best - behaviour
    with np.errstate(divide="ignore", invalid="ignore"):
        sharpe = float(np.divide(ahead, spread)) if k > 1 else np.nan
    return Choice(
        best,
        float(chosen.min()),
        spread,
        sharpe,
        float(value.max()) - best,
        spearman(estimate, value, level=level),
        _chance(np.sort(value), k),
    )


def _chance(value: np.ndarray, k: int) -> float:
    """Mean of the largest of k of these rising values, drawn without replacement."""
    at = np.arange(k - 1, len(value))  # each in turn as the largest, the others from below it
    weight = np.exp(_log_choose(at, k - 1) - _log_choose(np.array([len(value)]), k))
    return float(weight @ value[k - 1 :])


def _log_choose(n: np.ndarray, k: int) -> np.ndarray:
    return special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)
