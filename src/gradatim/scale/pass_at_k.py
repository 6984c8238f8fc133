"""pass@k: the chance that at least one of k attempts is right, without bias, with its error.

Axes: `problem` (n_problems,).
"""

import numpy as np
from scipy import special

from gradatim import checks
from gradatim.errors import ArgumentError
from gradatim.scale import rates
from gradatim.types import Estimate

BLOCK = 1 << 18  # problems x factors worked on at a time


def none_of(c: np.ndarray, n: np.ndarray, k: int) -> np.ndarray:
    """(problem,) chance that k of n attempts, drawn without replacement, miss all c right ones.

    C(n - c, k) / C(n, k) = prod_{i < k} (1 - c / (n - i)), summed as logarithms: exact for any n,
    where quotients of factorials or gamma functions lose all digits. c and k may change places
    (draw the right ones among n places instead), so the product is as long as the smaller of them.

    Args:
        c, n: (problem,) whole numbers, 0 <= c <= n.
        k: whole number, 1 <= k <= n.

    >>> none_of(np.array([1, 3]), np.array([4, 4]), 2)
    array([0.5, 0. ])
    """
    c, n = np.asarray(c, dtype=float), np.asarray(n, dtype=float)
    room = n - c >= k
    short, long = np.where(room, np.minimum(c, k), 0.0), np.maximum(c, k)
    log = np.zeros(len(c))
    order = np.argsort(-short, kind="stable")  # long products first: the others drop out
    done, most = 0, int(short.max(initial=0))
    while done < most:
        rows = order[: np.count_nonzero(short > done)]
        factor = done + np.arange(min(max(1, BLOCK // len(rows)), most - done))
        used = factor < short[rows, None]
        ratio = long[rows, None] / (n[rows, None] - np.where(used, factor, 0))
        log[rows] += np.where(used, np.log1p(-ratio), 0.0).sum(axis=1)
        done += len(factor)
    return np.where(room, np.exp(log), 0.0)


def pass_at_k(c: np.ndarray, n: np.ndarray, k: int, *, level: float = 0.95) -> Estimate:
    """Mean over problems of the chance that one of k attempts is right.

    Args:
        c: (problem,) int, right attempts.
        n: (problem,) int >= k, attempts.
        k: attempts allowed.
        level: coverage of the interval, in (0, 1).

    Returns:
        Estimate of one number: the mean of 1 - C(n - c, k) / C(n, k); the interval is normal and
        takes problems as the sample (their spread holds the sampling of attempts, too), so it is
        the error for new problems of this kind. Where all problems have the same value their
        spread says nothing, and it is Wilson's for so many problems. One problem: NaN ends.

    Raises:
        ArgumentError: fewer than k attempts on a problem (the estimate would be biased), counts
            that are not whole, k > n.

    Ref: Chen et al. 2021, arXiv 2107.03374, eq. 1; the plug-in 1 - (1 - c / n)^k is biased low.

    >>> estimate = pass_at_k(np.array([1, 3, 0]), np.array([4, 4, 4]), 2)
    >>> float(estimate.value)
    0.5
    """
    each = problem_pass_at_k(c, n, k)
    size = len(each)
    checks.within(1, np.inf, **{"number of problems": size})
    checks.within(1e-9, 1 - 1e-9, level=level)
    mean = float(each.mean())
    if size > 1 and np.ptp(each) < 1e-12:
        low, high = rates.wilson(np.array([mean * size]), np.array([size]), level)
        return Estimate(mean, min(float(low[0]), mean), max(float(high[0]), mean), size)
    error = each.std(ddof=1) / np.sqrt(size) if size > 1 else np.nan
    half = special.ndtri(0.5 + level / 2) * error
    low, high = np.clip([mean - half, mean + half], 0, 1)  # clip keeps NaN
    return Estimate(mean, float(low), float(high), size)


def problem_pass_at_k(c: np.ndarray, n: np.ndarray, k: int) -> np.ndarray:
    """(problem,) unbiased pass@k of each problem; see `pass_at_k`."""
    c, n = np.asarray(c, dtype=float), np.asarray(n, dtype=float)
    checks.shapes(c=(c, "problem"), n=(n, "problem"))
    checks.within(1, np.inf, k=k)
    checks.within(k, np.inf, n=n)
    checks.finite(n=n, k=k)
    checks.within(0, 1, **{"c / n": c / n})
    for name, count in (("c", c), ("n", n), ("k", np.asarray(k))):
        if (count != np.floor(count)).any():
            raise ArgumentError(f"`{name}` must be whole: scores need a threshold before pass@k")
    return 1 - none_of(c, n, int(k))


def variance_at_k(c: np.ndarray, n: np.ndarray, k: int) -> np.ndarray:
    """(problem,) unbiased variance of each problem's pass@k, over the sampling of its attempts.

    The estimate of (1 - p)^k is the U-statistic T = C(n - c, k) / C(n, k). An unbiased estimate of
    (1 - p)^(2k), needs two disjoint draws: C(n - c, 2k) / C(n, 2k). So Var(T) is estimated by T^2
    minus that; it can be negative, as unbiased variances can.

    Args:
        c: (problem,) int, right attempts.
        n: (problem,) int >= 2k, attempts.
        k: attempts allowed.

    Raises:
        ArgumentError: fewer than 2k attempts on a problem.

    Ref: Hoeffding 1948, Annals of Mathematical Statistics 19:293 (U-statistics).

    >>> variance_at_k(np.array([2]), np.array([4]), 1).round(4)  # p(1-p)/n, n - 1 below
    array([0.0833])
    """
    c, n = np.asarray(c, dtype=float), np.asarray(n, dtype=float)
    problem_pass_at_k(c, n, k)
    checks.within(2 * k, np.inf, n=n)
    return none_of(c, n, k) ** 2 - none_of(c, n, 2 * k)
