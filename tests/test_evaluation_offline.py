"""Return and risk of choosing from logs: the formula, and what rank correlation does not see."""

from itertools import combinations

import numpy as np
import pytest

from gradatim.choice.logged import sampler_value
from gradatim.errors import ArgumentError
from gradatim.evaluation.offline import sharpe_ratio


def test_s044_the_formula_by_hand():
    value = np.array([0.9, 0.7, 0.5, 0.3, 0.1])
    estimate = np.array([0.2, 0.9, 0.8, 0.1, 0.5])
    found = sharpe_ratio(estimate, value, 0.4, 3)  # tries 0.7, 0.5 and 0.1
    spread = np.sqrt(np.mean((np.array([0.7, 0.5, 0.1]) - 1.3 / 3) ** 2))
    assert (found.best, found.worst, found.regret) == pytest.approx((0.7, 0.1, 0.2))
    assert found.spread == pytest.approx(spread)
    assert found.sharpe == pytest.approx((0.7 - 0.4) / spread)
    assert found.chance == pytest.approx(np.mean([max(c) for c in combinations(value, 3)]))
    assert found.correlation.n == 5


def test_s044_it_sees_risk_that_rank_correlation_does_not():
    value = np.array([1.0, 0.9, 0.8, 0.2, 0.1, 0.0])
    safe = np.array([4.0, 5, 6, 1, 2, 3])  # orders of the good and of the bad ones are reversed
    risky = np.array([6.0, 3, 2, 5, 4, 1])  # the best first, then bad ones
    one, other = (sharpe_ratio(x, value, 0.5, 3) for x in (safe, risky))
    assert one.best == other.best == 1
    assert one.sharpe > 3 * other.sharpe


def test_s044_samplers_chosen_from_a_log():
    """Estimates by inverse propensity from one sampler's log pick good ones, at little risk."""
    rng = np.random.default_rng(4)
    worth = rng.random(30)
    others = rng.dirichlet(np.full(30, 0.3), size=20) * 4  # expected draws a step
    truth = others @ worth
    logged = np.full(30, 4 / 30)
    drawn = rng.integers(30, size=(400, 4))
    step = np.repeat(np.arange(400), 4)
    came = (rng.random((400, 4)) < worth[drawn]).astype(float).ravel()
    row = drawn.ravel()
    estimate = np.array([
        sampler_value(came, logged[row], one[row], step).weighted.value for one in others
    ])
    found = sharpe_ratio(estimate, truth, float(logged @ worth), 4)
    assert found.best > found.chance
    assert found.sharpe > 1
    assert found.correlation.value > 0.8


def test_equals_and_one():
    one = sharpe_ratio(np.arange(3.0), np.full(3, 0.5), 0.5, 1)
    assert np.isnan(one.sharpe)
    assert np.isnan(sharpe_ratio(np.arange(3.0), np.full(3, 0.5), 0.5, 2).sharpe)
    assert sharpe_ratio(np.arange(3.0), np.full(3, 0.5), 0.25, 2).sharpe == np.inf
    assert one.chance == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("estimate", "k", "said"),
    [([1, 2], 3, "`k` must be at most"), ([1, np.nan], 1, "finite"), ([1, 2, 3], 1, "axis")],
)
def test_mistakes(estimate, k, said):
    with pytest.raises(ArgumentError, match=said):
        sharpe_ratio(np.array(estimate, float), np.array([0.1, 0.2]), 0.1, k)
