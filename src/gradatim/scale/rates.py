"""Pass rates with intervals: how often a solver gets each problem right.

Axes: `problem` (n_problems,), one entry per problem.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import optimize, special

from gradatim import checks
from gradatim.types import Estimate

Interval = Callable[[np.ndarray, np.ndarray, float], tuple[np.ndarray, np.ndarray]]

# a fitted Beta with a precision outside these bounds is all but 0/1 problems, or all but one rate
PRECISION = (1e-2, 1e6)


def wilson(k: np.ndarray, n: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Score interval: the rates that a two-sided score test of size 1 - level keeps.

    Ref: Wilson 1927; eq. 4 of Brown, Cai & DasGupta 2001, Statistical Science 16:101.
    """
    z = special.ndtri(0.5 + level / 2)
    rate = k / n
    middle = (rate + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(rate * (1 - rate) / n + (z / (2 * n)) ** 2)
    return np.where(k == 0, 0.0, middle - half), np.where(k == n, 1.0, middle + half)


def jeffreys(k: np.ndarray, n: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Equal-tailed interval of Beta(k + 1/2, n - k + 1/2); the ends are 0 and 1 at k = 0 and n.

    Ref: section 3.1.2 of Brown, Cai & DasGupta 2001.
    """
    tail = (1 - level) / 2
    low = special.betaincinv(k + 0.5, n - k + 0.5, tail)
    high = special.betainccinv(k + 0.5, n - k + 0.5, tail)  # mirror image of low, to the last bit
    return np.where(k == 0, 0.0, low), np.where(k == n, 1.0, high)


INTERVALS: dict[str, Interval] = {"wilson": wilson, "jeffreys": jeffreys}


def pass_rate(
    k: np.ndarray, n: np.ndarray, *, interval: str | Interval = "wilson", level: float = 0.95
) -> Estimate:
    """Share of attempts solved, per problem, with an interval.

    Args:
        k: (problem,) solved attempts, 0 <= k <= n; sums of scores in [0, 1] are allowed.
        n: (problem,) attempts, n >= 1.
        interval: a name in INTERVALS, or a function (k, n, level) -> (low, high).
        level: coverage of the interval, in (0, 1).

    Returns:
        Estimate of arrays (problem,): value = k / n.

    Raises:
        ArgumentError: an argument out of range, or arrays of different lengths.

    >>> pass_rate(np.array([0, 4]), np.array([8, 8])).high.round(3)
    array([0.324, 0.785])
    """
    k, n = counted(k, n)
    checks.within(1e-9, 1 - 1e-9, level=level)
    if isinstance(interval, str):
        checks.one_of("interval", interval, INTERVALS)
        interval = INTERVALS[interval]
    low, high = interval(k, n, level)
    rate = k / n
    return Estimate(rate, np.clip(low, 0.0, rate), np.clip(high, rate, 1.0), n)


class BetaFit(NamedTuple):
    """A Beta distribution of pass rates: what the next problem of this kind will be like.

    Attributes:
        alpha, beta: shape parameters > 0.
        loglik: beta-binomial log-likelihood, without the binomial coefficients.
        n: problems behind it.
    """

    alpha: float
    beta: float
    loglik: float
    n: int


def fit_beta(k: np.ndarray, n: np.ndarray, *, method: str = "likelihood") -> BetaFit:
    """Fit the distribution of pass rates over problems: an empirical-Bayes prior.

    Args:
        k: (problem,) solved attempts.
        n: (problem,) attempts >= 1; they may differ between problems.
        method: "likelihood" maximises the beta-binomial likelihood (one more, with half an
            attempt solved, keeps the mean inside (0, 1)); "moments" matches mean and variance.

    Returns:
        BetaFit; the precision alpha + beta is kept inside PRECISION.

    Raises:
        ArgumentError: an argument out of range, or no problem.

    Ref: Kleinman 1973, JASA 68:46, for the moments.

    >>> fit = fit_beta(np.array([0, 1, 7, 8]), np.array([8, 8, 8, 8]))
    >>> round(fit.alpha / (fit.alpha + fit.beta), 3)
    0.5
    """
    k, n = counted(k, n)
    checks.within(1, np.inf, **{"number of problems": len(k)})
    checks.one_of("method", method, ("likelihood", "moments"))
    mean = (k.sum() + 0.5) / (n.sum() + 1)
    precision = _moments(k, n, mean)
    if method == "likelihood":
        # coarse grid first: far from the start the likelihood is flat
        grid = np.geomspace(*PRECISION, 25)
        precision = float(grid[np.argmax([_loglik(k, n, mean, s) for s in grid])])
        best = optimize.minimize(
            lambda x: -_loglik(k, n, float(special.expit(x[0])), float(np.exp(x[1]))),
            [special.logit(mean), np.log(precision)],
            method="Nelder-Mead",
            options={"xatol": 1e-8, "fatol": 1e-10, "maxiter": 2000},
        )
        mean, precision = float(special.expit(best.x[0])), float(np.exp(best.x[1]))
    precision = float(np.clip(precision, *PRECISION))
    alpha, beta = mean * precision, (1 - mean) * precision
    loglik = float(np.sum(special.betaln(alpha + k, beta + n - k) - special.betaln(alpha, beta)))
    return BetaFit(alpha, beta, loglik, len(k))


def counted(k: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Counts as floats, refused where they cannot be."""
    k, n = np.asarray(k, dtype=float), np.asarray(n, dtype=float)
    checks.shapes(k=(k, "problem"), n=(n, "problem"))
    checks.within(1, np.inf, n=n)
    checks.finite(n=n)
    checks.within(0, 1, **{"k / n": k / n})
    return k, n


def _loglik(k: np.ndarray, n: np.ndarray, mean: float, precision: float) -> float:
    precision = float(np.clip(precision, *PRECISION))
    mean = float(np.clip(mean, 1e-9, 1 - 1e-9))
    alpha, beta = mean * precision, (1 - mean) * precision
    pseudo = special.betaln(alpha + 0.5, beta + 0.5) - special.betaln(alpha, beta)
    return float(
        np.sum(special.betaln(alpha + k, beta + n - k) - special.betaln(alpha, beta)) + pseudo
    )


def _moments(k: np.ndarray, n: np.ndarray, mean: float) -> float:
    """Precision 1 / r - 1, with r the intraclass correlation by moments, weights n."""
    total, noise = n.sum(), mean * (1 - mean)
    spread = np.sum(n * (k / n - mean) ** 2)
    share = 1 - n / total
    room = noise * np.sum(share * (n - 1))
    r = (spread - noise * np.sum(share)) / room if room > 0 else 0.0
    return 1 / np.clip(r, 1 / (1 + PRECISION[1]), 1 / (1 + PRECISION[0])) - 1
