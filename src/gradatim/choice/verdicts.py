"""How many cheap and how many strong verdicts a budget should buy.

Axes: none; one pool and its mean pass rate. An attempt costs something, a cheap verifier errs, a
strong one (a person, a slow model) does not. Three ways compete: cheap verdicts alone are many but
biased, strong ones alone are exact but few, and a mix judges all attempts cheaply and some of them
again, so that the strong verdicts only have to tell how far the cheap ones are off.
"""

from typing import NamedTuple

import numpy as np

from gradatim import checks
from gradatim.errors import ArgumentError

REGIMES = ("cheap", "mixed", "strong")


class Errors(NamedTuple):
    """What a cheap verifier is known to do: pass rate, and its two rates of error.

    Attributes:
        rate: true pass rate of the attempts, in (0, 1).
        passes_wrong: chance that a wrong attempt passes.
        fails_right: chance that a right attempt fails.
    """

    rate: float
    passes_wrong: float
    fails_right: float


class Mix(NamedTuple):
    """What to buy.

    Attributes:
        regime: one of REGIMES.
        cheap, strong: verdicts of each kind; in "mixed" the strong ones are on attempts that have
            a cheap one too.
        error: root mean square error of the pass rate that comes of it.
        errors: the same for the best of each regime, in the order of REGIMES.
    """

    regime: str
    cheap: int
    strong: int
    error: float
    errors: tuple[float, float, float]


def cheap_verdicts(known: Errors) -> tuple[float, float, float]:
    """Mean of the cheap verdict, its bias, and its correlation with the truth.

    >>> mean, bias, correlation = cheap_verdicts(Errors(0.5, 0.1, 0.1))
    >>> round(mean, 3), round(bias, 3), round(correlation, 3)
    (0.5, 0.0, 0.8)
    """
    p, wrong, right = known
    mean = p * (1 - right) + (1 - p) * wrong
    together = p * (1 - right) - p * mean
    scale = np.sqrt(p * (1 - p) * mean * (1 - mean))
    return mean, mean - p, float(together / scale) if scale > 0 else 0.0


def mix_error(known: Errors, cheap: int, strong: int) -> float:
    """Root mean square error of a pass rate from `cheap` verdicts and `strong` ones among them.

    Without strong ones sqrt(m (1 - m) / n + bias^2). With them the cheap mean over all attempts
    corrects the strong mean by regression: p (1 - p) ((1 - r^2) / strong + r^2 / cheap).

    Ref: Cochran 1977, Sampling Techniques, eq. 12.67 (double sampling for regression).
    """
    mean, bias, r = cheap_verdicts(known)
    if strong == 0:
        return float(np.sqrt(mean * (1 - mean) / max(cheap, 1) + bias**2))
    p = known.rate
    cheap = max(cheap, strong)
    return float(np.sqrt(p * (1 - p) * ((1 - r * r) / strong + r * r / cheap)))


def buy_verdicts(
    known: Errors, budget: float, *, attempt: float, cheap: float, strong: float
) -> Mix:
    """The mix of verdicts whose pass rate has the least error for the money.

    Args:
        known: errors of the cheap verifier, by guess or from a few attempts judged by both.
        budget: to spend; must buy at least one attempt with a cheap, and one with a strong verdict.
        attempt: cost of an attempt itself, >= 0.
        cheap, strong: cost of a verdict of each kind, > 0.

    Returns:
        Mix; in "mixed" the share of strong verdicts is the classic
        sqrt((1 - r^2) / r^2 x (attempt + cheap) / strong), at most 1.

    Ref: Mallen and Belrose 2024, arXiv:2410.13215 (abstract only: regimes in which quantity,
    quality, or a mix of labels is best); reading: one mean is estimated instead of a model
    trained, so that the best mix is known in closed form.

    Raises:
        ArgumentError: rates outside their range, or a budget below the minimum.

    >>> buy_verdicts(Errors(0.5, 0.2, 0.05), 100.0, attempt=0.1, cheap=0.1, strong=1.0)[:3]
    ('mixed', 171, 65)
    """
    checks.within(1e-9, 1 - 1e-9, rate=known.rate)
    checks.within(0, 1, passes_wrong=known.passes_wrong, fails_right=known.fails_right)
    checks.within(0, np.inf, attempt=attempt)
    checks.within(1e-12, np.inf, cheap=cheap, strong=strong)
    if not attempt + max(cheap, strong) <= budget < np.inf:
        raise ArgumentError(
            f"`budget` must buy an attempt and a verdict of each kind alone, "
            f"{attempt + max(cheap, strong)} at least; got {budget}"
        )
    r = abs(cheap_verdicts(known)[2])
    many = int(budget / (attempt + cheap))
    few = int(budget / (attempt + strong))
    share = np.sqrt((1 - r * r) / max(r * r, 1e-12) * (attempt + cheap) / strong)
    judged = int(budget / (attempt + cheap + strong * min(share, 1.0)))
    again = min(int((budget - judged * (attempt + cheap)) / strong + 1e-9), judged)
    bought = ((many, 0), (judged, again), (0, few))
    errors = (
        mix_error(known, many, 0),
        mix_error(known, judged, again) if again else np.inf,
        mix_error(known, few, few),
    )
    at = int(np.argmin(errors))
    return Mix(REGIMES[at], *bought[at], errors[at], errors)
