"""The resampling cap, the best number of attempts, and whether a better checker pays."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gradatim.errors import ArgumentError
from gradatim.evaluation.better_checker import Checker, advise, cascade, samples_factor
from gradatim.evaluation.pools import pass_rates
from gradatim.evaluation.resampling import (
    Prices,
    best_attempts,
    cap,
    resampling,
    utility,
)
from gradatim.evaluation.verifier_error import audited_rates, corrected_rate, stated_rates

CAPS = {(0.05, 0.02): 0.725, (0.05, 0.1): 0.345, (0.3, 0.02): 0.955, (0.3, 0.1): 0.811}
TYPES = np.repeat([0.87, 0.13], [58, 42])  # easy and hard problems of Stroebl et al.


def played(rng, p, k, f, b, prices, rounds=200_000):
    """Mean utility by playing: attempts one by one, the first that passes is given."""
    p = rng.choice(p, rounds)
    worth, going = np.zeros(rounds), np.ones(rounds, bool)
    for _ in range(k):
        right = rng.random(rounds) < p
        passes = np.where(right, rng.random(rounds) >= b, rng.random(rounds) < f)
        worth[going] -= prices.attempt
        given = going & passes
        worth[given] += np.where(right[given], prices.right, -prices.wrong)
        going &= ~passes
        if not going.any():
            break
    return worth.mean(), worth.std() / np.sqrt(rounds)


@pytest.mark.parametrize(("chances", "limit"), CAPS.items())
def test_s202_the_resampling_cap(chances, limit):
    p, f = chances
    found = cap(p, stated_rates(f))
    assert round(found.value, 3) == limit
    assert found.low == found.value == found.high
    # no number of attempts does better, and each number has its closed form
    some = resampling(p, 7, false_positive=f)
    s = p + (1 - p) * f
    assert some.accuracy == pytest.approx(p / s)
    assert some.right == pytest.approx((1 - (1 - s) ** 7) * p / s)


def test_s202_predicted_cap_and_best_number_match_simulation():
    rng = np.random.default_rng(1)
    f, b, prices = 0.25, 0.1, Prices(wrong=0.8, attempt=0.01)
    values = [played(rng, TYPES, k, f, b, prices) for k in range(6)]
    for k, (value, error) in enumerate(values):
        said = utility(TYPES, k, prices, false_positive=f, false_negative=b)
        assert abs(said - value) < 4 * error + 1e-12
    found = best_attempts(TYPES, stated_rates(f, b), prices)
    assert found.attempts.value == np.argmax([value for value, _ in values])


def test_s202_a_wrong_answer_that_costs_one_makes_every_number_a_loss():
    losses = [utility(0.05, k, Prices(wrong=1.0), false_positive=0.1) for k in (1, 10, 1000)]
    assert max(losses) < 0
    assert best_attempts(0.05, stated_rates(0.1), Prices(wrong=1.0)).attempts.value == 0
    # none is best exactly from a cost of p t / ((1 - p) f) on
    edge = 0.05 / (0.95 * 0.1)
    assert best_attempts(0.05, stated_rates(0.1), Prices(wrong=edge * 1.01)).attempts.value == 0
    assert (
        best_attempts(0.05, stated_rates(0.1), Prices(wrong=edge * 0.99)).attempts.value == np.inf
    )


def test_s202_figures_of_the_paper_with_survival_counted_once():
    rates = stated_rates(0.25)
    assert resampling(TYPES, np.inf, false_positive=0.25).right == pytest.approx(0.716, abs=5e-4)
    found = [best_attempts(TYPES, rates, Prices(wrong=cost)) for cost in (0.7, 1.0, 2.0)]
    assert [stop.attempts.value for stop in found] == [3, 2, 1]
    assert [round(stop.utility.value, 3) for stop in found[:2]] == [0.525, 0.472]


@settings(max_examples=30)
@example(p=[0.5, 5e-324], f=0.0, b=0.0, wrong=0.0, attempt=0.0625)
@given(
    p=st.lists(st.floats(0, 1), min_size=1, max_size=5),
    f=st.floats(0, 0.6),
    b=st.floats(0, 0.6),
    wrong=st.floats(0, 3),
    attempt=st.floats(0, 0.1),
)
def test_no_number_of_attempts_beats_the_best(p, f, b, wrong, attempt):
    prices = Prices(wrong=wrong, attempt=attempt)
    stop = best_attempts(np.array(p), stated_rates(f, b), prices)
    for k in (0, 1, 2, 3, 5, 10, 30, 100):
        at = utility(np.array(p), k, prices, false_positive=f, false_negative=b)
        assert at <= stop.utility.value + 1e-9


def test_attempts_that_never_pass_and_ones_that_always_do():
    never = resampling(0.0, np.inf, false_positive=0.0)
    assert never == (0.0, 0.0, 0.0, np.inf)
    assert resampling(1.0, 5, false_positive=0.3) == (1.0, 0.0, 1.0, 1.0)
    assert resampling(0.4, 0, false_positive=0.3) == (0.0, 0.0, 0.0, 0.0)
    assert utility(0.0, np.inf, Prices(attempt=0.1), false_positive=0.0) == -np.inf
    with pytest.raises(ArgumentError, match="wrong"):
        utility(0.5, 1, Prices(wrong=-1.0), false_positive=0.0)


def test_chances_behind_counts_of_an_imperfect_verifier():
    rng = np.random.default_rng(0)
    p = rng.beta(1.0, 3.0, 2000)
    passed = rng.binomial(16, p * 0.95 + (1 - p) * 0.1)
    rates = stated_rates(0.1, 0.05)
    found = pass_rates(passed, np.full(2000, 16), rates)
    assert found.mean() == pytest.approx(p.mean(), abs=0.015)
    stops = [best_attempts(x, rates, Prices(wrong=0.5)).attempts.value for x in (p, found)]
    assert abs(np.log(stops[0] / stops[1])) < np.log(1.6)
    with pytest.raises(ArgumentError, match="says nothing"):
        pass_rates(passed, np.full(2000, 16), stated_rates(0.5, 0.5))


@pytest.mark.parametrize(("wrong", "best"), [(0.3, 0), (3.0, 1), (300.0, -1)])
def test_more_attempts_or_a_better_checker_matches_play(wrong, best):
    rng = np.random.default_rng(7)
    checkers = [Checker(stated_rates(0.1, 0.05)), Checker(stated_rates(0.01, 0.05), price=0.1)]
    prices = Prices(wrong=wrong, attempt=0.01)
    advice = advise(TYPES, checkers, prices)
    played_best = []
    for checker in checkers:
        f, b = (rate.value for rate in checker.rates)
        cost = prices._replace(attempt=prices.attempt + checker.price)
        numbers = (0, 1, 2, 3, 4, 6, 9, 14, 20, 40)
        worth = [played(rng, TYPES, k, f, b, cost, rounds=40_000)[0] for k in numbers]
        played_best.append(max(worth))
    assert advice.choice == (int(np.argmax(played_best)) if max(played_best) > 0 else -1) == best
    np.testing.assert_allclose(advice.utility, played_best, atol=0.03)
    assert advice.sure == (best >= 0)


def test_a_small_pool_of_problems_is_in_the_interval():
    prices = Prices(wrong=0.8, attempt=0.01)
    known = best_attempts(TYPES, stated_rates(0.25), prices)
    assert known.attempts.low == known.attempts.high
    few = best_attempts(TYPES, stated_rates(0.25), prices, behind=20, draws=100)
    assert few.utility.low < known.utility.value < few.utility.high
    assert few.attempts.low < few.attempts.high
    assert few.utility.n == 20
    pair = [Checker(stated_rates(0.1)), Checker(stated_rates(0.05), price=0.05)]
    vague = advise(TYPES, pair, Prices(wrong=1.0), behind=10, draws=60).gain
    sharp = advise(TYPES, pair, Prices(wrong=1.0), behind=10_000, draws=60).gain
    assert vague.high - vague.low > 5 * (sharp.high - sharp.low)


def test_advice_knows_when_it_cannot_know():
    rng = np.random.default_rng(3)
    right = rng.random(60) < 0.5
    passed = np.where(right, True, rng.random(60) < 0.1)
    vague = Checker(audited_rates(passed, right))
    sharp = Checker(stated_rates(0.02), price=0.04)
    advice = advise(TYPES, [vague, sharp], Prices(wrong=0.5, attempt=0.01))
    assert advice.gain.low < advice.gain.value < advice.gain.high
    # nobody should answer where wrong answers cost everything
    none = advise(0.05, [Checker(stated_rates(0.3))], Prices(wrong=100.0))
    assert none.choice == -1
    assert (none.attempts[0], none.gain.value) == (0, 0)


def test_a_cascade_errs_as_both_together():
    cheap, dear = Checker(stated_rates(0.2, 0.05), 0.001), Checker(stated_rates(0.1, 0.1), 0.1)
    both = cascade(cheap, dear, share=0.3)
    assert both.rates.false_positive.value == pytest.approx(0.02)
    assert both.rates.false_negative.value == pytest.approx(1 - 0.95 * 0.9)
    assert both.price == pytest.approx(0.031)


def test_loss_of_power_through_a_verifier():
    assert samples_factor(0.3, stated_rates()) == pytest.approx(1)
    assert samples_factor(0.3, stated_rates(0.5, 0.5)) == np.inf
    # the width of the corrected interval grows by the root of the factor
    rng, f, b, p, n = np.random.default_rng(0), 0.2, 0.1, 0.4, 4000
    right = rng.random(n) < p
    passed = np.where(right, rng.random(n) >= b, rng.random(n) < f)
    clean = corrected_rate(right, np.ones(n), stated_rates()).corrected
    noisy = corrected_rate(passed, np.ones(n), stated_rates(f, b)).corrected
    ratio = ((noisy.high - noisy.low) / (clean.high - clean.low)) ** 2
    assert ratio == pytest.approx(samples_factor(p, stated_rates(f, b)), rel=0.1)
