"""More attempts, or a better checker? Verifiers with prices, and what a wrong answer costs.

Axes: `problem` (their chances p that an attempt is right), `checker`, `draw`.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from gradatim import checks
from gradatim.errors import ArgumentError
from gradatim.evaluation.pools import Pool, redrawn
from gradatim.evaluation.resampling import (
    Prices,
    best_number,
    check_prices,
    fixed,
)
from gradatim.evaluation.verifier_error import ErrorRates, draw_rates
from gradatim.types import Estimate

HALVINGS = 16  # of the range in which a price is searched


class Checker(NamedTuple):
    """A verifier one may use.

    Attributes:
        rates: how it errs.
        price: of a verdict.
        parts: of a cascade, the two that must pass.
    """

    rates: ErrorRates
    price: float = 0.0
    parts: tuple["Checker", ...] = ()


class Stakes(NamedTuple):
    """What hangs on an answer, and who else could check it.

    Attributes:
        prices: see Prices; of an attempt with a verdict of the verifier at hand.
        checkers: name -> Checker that could be used instead; its price is what its verdict costs
            beyond that.
    """

    prices: Prices
    checkers: Mapping[str, Checker] = MappingProxyType({})


class Advice(NamedTuple):
    """More attempts, or a better checker?

    Attributes:
        choice: index of the best checker; -1: none, do not answer.
        attempts: (checker,) best number of attempts with each.
        utility: (checker,) worth of a problem at that number.
        over: index of the next best; -1: not answering.
        gain: Estimate, utility of the choice minus that of the next best, numbers of attempts as
            in `attempts`.
        sure: whether the intervals of its gains over each of the others leave 0 out.
    """

    choice: int
    attempts: np.ndarray
    utility: np.ndarray
    over: int
    gain: Estimate
    sure: bool


def advise(
    p: ArrayLike | Pool,
    checkers: Sequence[Checker],
    prices: Prices,
    *,
    behind: int | None = None,
    level: float = 0.95,
    draws: int = 200,
) -> Advice:
    """Which checker to use, and how many attempts to make with it.

    Args:
        p: (problem,) chance that an attempt is right; or a Pool, whose verifier's rates, where
            they are a checker's, are then drawn with it.
        checkers: to choose from, such as the one at hand, a better one that costs more, and
            the `cascade` of both.
        prices: see Prices; every attempt costs its own price and one verdict.
        behind: see `best_attempts`.
        level: coverage.
        draws: of the rates, each checker's its own; a Pool has its own.

    >>> from gradatim.evaluation.verifier_error import stated_rates
    >>> tests, person = Checker(stated_rates(0.1)), Checker(stated_rates(0.0), price=0.1)
    >>> [advise(0.2, [tests, person], Prices(wrong=w, attempt=0.01)).choice for w in (0, 1, 5)]
    [0, 1, 1]
    """
    check_prices(prices)
    checks.within(*checks.INSIDE, level=level)
    if not checkers:
        raise ArgumentError("`checkers` must hold at least one, got none")
    for checker in checkers:
        checks.within(0, np.inf, price=checker.price)
    costs = [prices._replace(attempt=prices.attempt + checker.price) for checker in checkers]
    rng = np.random.default_rng(0)
    known = redrawn(p, checkers[0].rates, rng, behind=behind, draws=draws)
    best = [
        best_number(known.p, [rate.value for rate in checker.rates], cost)
        for checker, cost in zip(checkers, costs, strict=True)
    ]
    worth = np.array([value for _, value in best])
    choice = int(np.argmax(worth)) if worth.max() > 0 else -1
    draws = len(known.drawn)
    drawn = np.array([
        [
            fixed(pool, pair, cost, k)
            for pool, pair in zip(known.drawn, _pairs(checker, known, rng), strict=True)
        ]
        for checker, cost, (k, _) in zip(checkers, costs, best, strict=True)
    ])
    # not answering stands last, where index -1 finds it
    drawn, every = np.vstack([drawn, np.zeros(draws)]), np.append(worth, 0.0)
    rivals = np.delete(np.arange(len(every)), choice)
    tails = [(1 - level) / 2, (1 + level) / 2]
    low, high = np.quantile(drawn[choice] - drawn[rivals], tails, axis=1)
    next_ = int(np.argmax(every[rivals]))
    value = float(every[choice] - every[rivals[next_]])
    ends = min(float(low[next_]), value), max(float(high[next_]), value)
    return Advice(
        choice,
        np.array([k for k, _ in best]),
        worth,
        int(rivals[next_]) if rivals[next_] < len(worth) else -1,
        Estimate(value, *ends, known.problems),
        bool(low.min() > 0),
    )


def _pairs(checker: Checker, known: Pool, rng: np.random.Generator) -> np.ndarray:
    """(draw, 2) rates of a checker: the Pool's own where they are its verifier's."""
    if checker.parts:
        first, second = (_pairs(part, known, rng) for part in checker.parts)
        return np.column_stack([
            first[:, 0] * second[:, 0],
            1 - (1 - first[:, 1]) * (1 - second[:, 1]),
        ])
    if checker.rates == known.rates:
        return known.pairs
    return draw_rates(checker.rates, len(known.pairs), rng).T


def price_limit(
    p: ArrayLike | Pool,
    rates: ErrorRates,
    prices: Prices,
    *,
    behind: int | None = None,
    level: float = 0.95,
    draws: int = 100,
) -> Estimate:
    """What a verdict without errors may cost, beyond the one at hand, before it is not worth it.

    At this price of a verdict its best number of attempts is worth what the best number with the
    verifier at hand is, or not answering, if that is more.

    Args:
        p, prices, behind, level: see `advise`.
        rates: of the verifier at hand.
        draws: of the rates and the pool, for the interval.

    >>> from gradatim.evaluation.verifier_error import stated_rates
    >>> found = price_limit(0.2, stated_rates(0.1), Prices(wrong=5.0, attempt=0.01))
    >>> round(found.value, 3)  # nobody answers with the verifier at hand; one right in five is 0.2
    0.19
    """
    check_prices(prices)
    checks.within(*checks.INSIDE, level=level)
    f, b = (rate.value for rate in rates)
    known = redrawn(p, rates, np.random.default_rng(0), behind=behind, draws=draws)
    k, worth = best_number(known.p, (f, b), prices)
    value = _limit(known.p, max(worth, 0.0), prices)
    drawn = [
        _limit(pool, max(fixed(pool, pair, prices, k), 0.0), prices)
        for pool, pair in zip(known.drawn, known.pairs, strict=True)
    ]
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value, min(float(low), value), max(float(high), value), known.problems)


def _limit(p: np.ndarray, worth: float, prices: Prices) -> float:
    """Price of a verdict without errors at which it is worth that much; 0 where none is."""

    def better(price: float) -> bool:
        cost = prices._replace(attempt=prices.attempt + price)
        return best_number(p, (0.0, 0.0), cost)[1] > worth + 1e-12

    low, high = 0.0, prices.right  # above it every attempt loses
    if not better(low):
        return 0.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if better(middle) else (low, middle)
    return (low + high) / 2


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
        (first, second),
    )
