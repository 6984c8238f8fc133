"""More attempts, or a better checker? Verifiers with prices, and what a wrong answer costs.

Axes: `problem` (their chances p that an attempt is right), `checker`, `draw`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from gradatim import checks
from gradatim.errors import ArgumentError
from gradatim.evaluation.resampling import (
    Prices,
    best_number,
    chances,
    check_prices,
    fixed,
    redrawn,
)
from gradatim.evaluation.verifier_error import ErrorRates, draw_rates
from gradatim.types import Estimate


class Checker(NamedTuple):
    """A verifier one may use: how it errs, and what a verdict costs."""

    rates: ErrorRates
    price: float = 0.0


class Advice(NamedTuple):
    """More attempts, or a better checker?

    Attributes:
        choice: index of the best checker; -1: none, do not answer.
        attempts: (checker,) best number of attempts with each.
        utility: (checker,) worth of a problem at that number.
        gain: Estimate, utility of the choice minus the best of the others (not answering is one),
            numbers of attempts as in `attempts`.
        sure: whether the interval of the gain leaves 0 out.
    """

    choice: int
    attempts: np.ndarray
    utility: np.ndarray
    gain: Estimate
    sure: bool


def advise(
    p: ArrayLike,
    checkers: Sequence[Checker],
    prices: Prices,
    *,
    behind: int | None = None,
    level: float = 0.95,
    draws: int = 200,
) -> Advice:
    """Which checker to use, and how many attempts to make with it.

    Args:
        p: (problem,) chance that an attempt is right.
        checkers: to choose from, such as the one at hand, a better one that costs more, and
            the `cascade` of both.
        prices: see Prices; every attempt costs its own price and one verdict.
        behind: problems that p was estimated from, see `best_attempts`; None: p is known.
        level: coverage.
        draws: of the rates, each checker's its own.

    >>> from gradatim.evaluation.verifier_error import stated_rates
    >>> tests, person = Checker(stated_rates(0.1)), Checker(stated_rates(0.0), price=0.1)
    >>> [advise(0.2, [tests, person], Prices(wrong=w, attempt=0.01)).choice for w in (0, 1, 5)]
    [0, 1, 1]
    """
    p = chances(p)
    check_prices(prices)
    checks.within(*checks.INSIDE, level=level)
    if not checkers:
        raise ArgumentError("`checkers` must hold at least one, got none")
    for checker in checkers:
        checks.within(0, np.inf, price=checker.price)
    costs = [prices._replace(attempt=prices.attempt + checker.price) for checker in checkers]
    best = [
        best_number(p, [rate.value for rate in checker.rates], cost)
        for checker, cost in zip(checkers, costs, strict=True)
    ]
    worth = np.array([value for _, value in best])
    choice = int(np.argmax(worth)) if worth.max() > 0 else -1
    rng = np.random.default_rng(0)
    pools = [redrawn(p, behind, rng) for _ in range(draws)]  # the same for all checkers
    drawn = np.array([
        [
            fixed(pool, pair, cost, k)
            for pool, pair in zip(pools, draw_rates(checker.rates, draws, rng).T, strict=True)
        ]
        for checker, cost, (k, _) in zip(checkers, costs, best, strict=True)
    ])
    gains = _lead(np.column_stack([drawn.T, np.zeros(draws)]), choice)
    value = float(_lead(np.append(worth, 0.0)[None], choice)[0])
    low, high = np.quantile(gains, [(1 - level) / 2, (1 + level) / 2])
    gain = Estimate(value, min(float(low), value), max(float(high), value), behind or len(p))
    return Advice(choice, np.array([k for k, _ in best]), worth, gain, bool(gain.low > 0))


def _lead(worth: np.ndarray, choice: int) -> np.ndarray:
    """(draw,) utility of the choice minus the best of the others."""
    return worth[:, choice] - np.delete(worth, choice, axis=1).max(axis=1)


def samples_factor(p: float, rates: ErrorRates) -> float:
    """How many times more problems a difference needs to be seen through this verifier.

    It shrinks a difference to 1 - b - f of itself, while single verdicts vary by s (1 - s) and no
    longer by p (1 - p): s (1 - s) / (p (1 - p) (1 - b - f)^2), inf where it says nothing. For one
    attempt a problem on different problems; pairing loses more, since noise of the verifier is not
    shared.

    Ref: Bross 1954, Biometrics 10:478 (misclassification in 2 x 2 tables).

    >>> from gradatim.evaluation.verifier_error import stated_rates
    >>> round(samples_factor(0.5, stated_rates(0.1, 0.1)), 3)
    1.562
    """
    checks.within(*checks.INSIDE, p=p)
    f, b = (rate.value for rate in rates)
    told = 1 - f - b
    s = p * (1 - b) + (1 - p) * f
    return float(s * (1 - s) / (p * (1 - p) * told**2)) if told > 0 else float("inf")


def cascade(first: Checker, second: Checker, share: float) -> Checker:
    """A cheap checker first, and a second on what passes: both must pass.

    Args:
        first, second: with independent errors.
        share: of attempts that pass the first, and so have to be checked again.
    """
    wrong = [rates.false_positive for rates in (first.rates, second.rates)]
    lost = [rates.false_negative for rates in (first.rates, second.rates)]

    def both(one: float, other: float) -> float:
        return 1 - (1 - one) * (1 - other)

    return Checker(
        ErrorRates(
            Estimate(
                wrong[0].value * wrong[1].value,
                wrong[0].low * wrong[1].low,
                wrong[0].high * wrong[1].high,
                0,
            ),
            Estimate(
                both(lost[0].value, lost[1].value),
                both(lost[0].low, lost[1].low),
                both(lost[0].high, lost[1].high),
                0,
            ),
        ),
        first.price + share * second.price,
    )
