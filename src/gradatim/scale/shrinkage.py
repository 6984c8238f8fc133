"""Pass rates pulled to what problems of this kind are like: empirical Bayes with honest intervals.

With few problems, what their kind is like is itself hardly known. Posteriors are averaged over the
Beta distributions that the counts allow; taking the best one as known, nominal 95% intervals held
30 to 56% of the time with 8 problems. Axes: `problem`, `pair` (different counts), `prior` (a Beta).
"""

from typing import NamedTuple

import numpy as np
from scipy import special

from gradatim import checks
from gradatim.scale.rates import PRECISION, BetaFit, counted, fit_beta
from gradatim.types import Estimate

MANY = 5000  # different counts above which the fitted prior is taken as known
STEPS = 30  # halvings of the bracket of a quantile, in logarithms
LEAST = 1e-300
REACH = 3.5  # sd of the mean that the grid of priors reaches to


class Priors(NamedTuple):
    """(prior,) shape parameters of Beta distributions, and how far the counts allow each."""

    alpha: np.ndarray
    beta: np.ndarray
    weight: np.ndarray


def shrink(
    k: np.ndarray, n: np.ndarray, *, prior: BetaFit | None = None, level: float = 0.95
) -> Estimate:
    """Pass rates pulled to what problems of this kind are like.

    Args:
        k: (problem,) solved attempts.
        n: (problem,) attempts >= 1.
        prior: taken as known, as from `rates.fit_beta` on many other problems; None learns it
            from these problems and carries what is not known of it into the intervals.
        level: posterior probability of the interval.

    Returns:
        Estimate of arrays (problem,): posterior mean, equal-tailed interval, n.

    Raises:
        ArgumentError: an argument out of range; no problem and no prior.

    Ref: Morris 1983, JASA 78:47 (parametric empirical Bayes); averaging as in Gelman et al. 2013,
    Bayesian Data Analysis, section 5.3, with another, proper density of the precision.

    >>> found = shrink(np.array([0.0, 4.0, 8.0]), np.array([8, 8, 8]))
    >>> found.value.round(2), bool(np.all(found.low < found.value))
    (array([0.04, 0.5 , 0.96]), True)
    """
    k, n = counted(k, n)
    checks.within(1e-9, 1 - 1e-9, level=level)
    pairs, place = np.unique(np.stack([k, n]), axis=1, return_inverse=True)
    if prior is None:
        checks.within(1, np.inf, **{"number of problems": len(k)})
        prior = fit_beta(k, n) if pairs.shape[1] > MANY else None
    if prior is None:
        priors = allowed_priors(k, n)
    else:
        priors = Priors(np.array([prior.alpha]), np.array([prior.beta]), np.ones(1))
    alpha = priors.alpha + pairs[0][:, None]
    beta = priors.beta + (pairs[1] - pairs[0])[:, None]
    value = (alpha / (alpha + beta)) @ priors.weight
    tail = (1 - level) / 2
    low = _quantile(alpha, beta, priors.weight, tail)
    high = 1 - _quantile(beta, alpha, priors.weight, tail)  # mirror image of low
    place = place.reshape(-1)
    return Estimate(value[place], low[place], high[place], n)


def allowed_priors(k: np.ndarray, n: np.ndarray) -> Priors:
    """Beta distributions of pass rates that counts allow, on a grid of mean and precision.

    Before any count, the mean is even in (0, 1), and so is the correlation 1 / (1 + precision)
    of two attempts on one problem.

    Args:
        k, n: (problem,) solved attempts and attempts, checked.
    """
    pairs, often = np.unique(np.stack([k, n]), axis=1, return_counts=True)
    low, high = (float(np.log(end)) for end in PRECISION)
    for _ in range(2):  # ever closer around the precisions that count
        log_s = np.linspace(low, high, 15)
        by_precision = np.asarray(special.logsumexp(_weighed(log_s, pairs, often)[2], axis=1))
        seen = log_s[by_precision > by_precision.max() - 9]
        step = log_s[1] - log_s[0]
        low, high = max(low, seen[0] - step), min(high, seen[-1] + step)
    alpha, beta, log_weight = _weighed(np.linspace(low, high, 15), pairs, often)
    weight = np.exp(log_weight - log_weight.max()).ravel()
    kept = weight > 1e-4
    return Priors(alpha.ravel()[kept], beta.ravel()[kept], weight[kept] / weight[kept].sum())


def _weighed(
    log_s: np.ndarray, pairs: np.ndarray, often: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(precision, mean) alpha, beta and log weight."""
    k, n = pairs
    s = np.exp(log_s)[:, None]
    rate = (often @ k + 0.5) / (often @ n + 1)
    worth = np.sum(often * n / (1 + (n - 1) / (1 + s)), axis=1, keepdims=True)
    sd = 1 / np.sqrt((worth + 1) * rate * (1 - rate))
    logit = special.logit(rate) + sd * np.linspace(-REACH, REACH, 9)  # of the mean
    alpha = np.maximum(s * special.expit(logit), 1e-12)
    beta = np.maximum(s * special.expit(-logit), 1e-12)
    log_weight = special.log_expit(logit) + special.log_expit(-logit)
    log_weight += np.log(sd * s / (1 + s) ** 2)
    for each, solved, tried in zip(often, k, n, strict=True):
        log_weight += each * special.betaln(alpha + solved, beta + tried - solved)
    return alpha, beta, log_weight - often.sum() * special.betaln(alpha, beta)


def _quantile(alpha: np.ndarray, beta: np.ndarray, weight: np.ndarray, tail: float) -> np.ndarray:
    """(pair,) quantile of the mixture over priors; it lies between those of its parts."""
    each = special.betaincinv(alpha, beta, tail)
    low, high = each.min(axis=1), each.max(axis=1)
    if alpha.shape[1] == 1:
        return low
    low, high = np.maximum(low, LEAST), np.maximum(high, LEAST)
    for _ in range(STEPS):
        middle = np.sqrt(low * high)  # of their logarithms: quantiles reach down to 1e-300
        below = special.betainc(alpha, beta, middle[:, None]) @ weight < tail
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.where(high <= LEAST, 0.0, np.sqrt(low * high))
