"""Power of the paired test where answers are right or wrong, counted out over what can happen.

Only problems on which two solvers disagree tell them apart. Where these are few, Student's t with
the variance of a pilot promises far too much: three disagreements never reject anything.
Axes: `discordant` (how many problems the two disagree on).
"""

import numpy as np
from scipy import special

from gradatim import checks
from gradatim.scale.rates import wilson
from gradatim.types import Estimate

_TAIL = 8.0  # standard deviations of the number of disagreements that are counted out


def least_variance(effect: float) -> float:
    """The least variance of paired right-or-wrong differences whose mean is `effect`.

    Solvers differ by d only if they disagree on at least a share d of the problems.

    >>> least_variance(0.5)
    0.25
    """
    return abs(effect) - effect**2


def signs_spread(value: np.ndarray, *, level: float = 0.95) -> Estimate:
    """Variance of values -1, 0 and 1, with an interval that has a width where all are alike.

    It is the share that is not 0 less the squared mean; the interval is that of the share, or of
    the rarer of the two values where only one sign occurs.

    Args:
        value: (problem,) at least two.
        level: coverage.

    Ref: Wilson 1927, JASA 22:209, for the share.

    >>> print(signs_spread(np.zeros(60)))
    0.000 [0.000, 0.057] (n=60)
    """
    n, mean, count = len(value), float(value.mean()), float(np.abs(value).sum())
    one_way = bool(np.all(value >= 0) or np.all(value <= 0))  # then the mean is that share
    count = min(count, n - count) if one_way else count
    ends = [float(end) for end in wilson(np.array(count), np.array(float(n)), level)]
    low, high = (min(e, 0.5) * (1 - min(e, 0.5)) if one_way else e - mean**2 for e in ends)
    total = float(value.var(ddof=1))
    return Estimate(total, min(max(low, 0.0), total), max(high, total), n)


def exact_power(n: int, effect: float, discordant: float, *, alpha: float = 0.05) -> float:
    """Chance that `pairs.differences` finds the better of two solvers, one attempt each.

    Args:
        n: problems, >= 2.
        effect: true difference, in (0, 1].
        discordant: true share of problems on which they disagree; no less than `effect` counts.
        alpha: level of the two-sided test.

    Returns:
        The chance of p <= alpha in favour of the better, without approximation (but for numbers of
        disagreements 8 standard deviations away).

    Ref: Connor 1987, Biometrics 43:207 (the number of discordant pairs is random); Miettinen 1968,
    Biometrics 24:339; differs: the test is that of `pairs.differences`, not McNemar's.

    >>> round(exact_power(60, 0.034, 0.034), 3), round(exact_power(60, 0.14, 0.14), 3)
    (0.053, 0.936)
    """
    checks.within(2, np.inf, n=n)
    checks.within(1e-9, 1, effect=effect)
    checks.within(1e-12, 1 - 1e-12, alpha=alpha)
    share = min(max(discordant, effect), 1.0)
    middle, sd = n * share, np.sqrt(n * share * (1 - share))
    first, last = max(0.0, middle - _TAIL * sd - 20), min(float(n), middle + _TAIL * sd + 20)
    many = np.arange(int(first), int(last) + 1)
    t = special.stdtrit(n - 1, 1 - alpha / 2)
    size = n + 2  # two problems are added, as by `differences`; with lead = wins - losses it says
    # lead / size > t sqrt((many + 1 - lead^2 / size) / size / (size - 1)), solved for lead:
    lead = t * np.sqrt(size * (many + 1) / (size - 1 + t * t))
    wins = np.floor((many + lead) / 2 + 1e-9)  # no more than these do not reject
    chance = np.where(wins >= many, 0.0, special.bdtrc(wins, many, (share + effect) / (2 * share)))
    weight = np.exp(
        special.gammaln(n + 1)
        - special.gammaln(many + 1)
        - special.gammaln(n - many + 1)
        + special.xlogy(many, share)
        + special.xlog1py(n - many, -share)
    )
    return float(min(1.0, np.sum(weight * chance)))
