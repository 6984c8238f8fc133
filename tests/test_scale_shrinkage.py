"""Empirical-Bayes rates: what is not known of the prior is in the intervals."""

import numpy as np
import pytest
from scipy import integrate, special

from gradatim.errors import ArgumentError
from gradatim.scale.rates import BetaFit, fit_beta
from gradatim.scale.shrinkage import MANY, allowed_priors, shrink


def test_shrunken_rates_lie_between_the_rate_and_the_mean_and_beat_both():
    rng = np.random.default_rng(2)
    p = rng.beta(3, 5, 2000)
    n = np.full(2000, 4)
    k = rng.binomial(n, p)
    found = shrink(k, n)
    mean = found.value.mean()
    assert np.all((found.value - k / n) * (mean - k / n) >= -1e-6)
    error = np.mean((found.value - p) ** 2)
    assert error < np.mean((k / n - p) ** 2)
    assert error < np.mean((k.mean() / 4 - p) ** 2)
    assert 0.93 < np.mean((found.low <= p) & (p <= found.high)) < 0.97


@pytest.mark.parametrize(
    ("problems", "tries", "prior", "low", "high"),
    [
        # the hyperprior is even over means and spreads; a fixed truth may lie to either side of it
        (8, 3, (2, 2), 0.88, 0.99),
        (8, 3, (20, 20), 0.93, 1.0),
        (20, 4, (2, 2), 0.9, 0.97),
        (50, 4, (5, 5), 0.88, 0.97),
        (300, 8, (1, 1), 0.93, 0.97),
    ],
)
def test_intervals_hold_with_few_problems(problems, tries, prior, low, high):
    rng, held = np.random.default_rng(5), []
    for _ in range(max(20, 600 // problems)):
        p = rng.beta(*prior, problems)
        found = shrink(rng.binomial(tries, p), np.full(problems, tries))
        held.append(np.mean((found.low <= p) & (p <= found.high)))
    assert low < np.mean(held) < high


def test_intervals_hold_on_average_over_what_is_thought_before():
    """Rates drawn as the averaging assumes: then 2.5% lie below, even with 10 problems.

    One end only: rates of almost 1 are 1 in floating point, and no interval can leave them out.
    """
    rng, held = np.random.default_rng(6), []
    for _ in range(400):
        s, m = 1 / rng.uniform() - 1, rng.uniform()
        p = rng.beta(s * m, s * (1 - m), 10)
        held.append(np.mean(shrink(rng.binomial(6, p), np.full(10, 6)).low <= p))
    assert np.mean(held) == pytest.approx(0.975, abs=0.008)


def test_means_are_those_of_plain_integration():
    k, n = np.array([0, 2, 3, 7]), np.array([4, 4, 3, 8])

    def weight(log_s, mean):
        s = np.exp(log_s)
        a, b = s * mean, s * (1 - mean)
        each = special.betaln(a + k, b + n - k) - special.betaln(a, b)
        return np.exp(each.sum() + 10) * s / (1 + s) ** 2, (a + k) / (s + n)

    ends = (np.log(1e-2), np.log(1e6), 1e-6, 1 - 1e-6)
    mass = integrate.dblquad(lambda m, x: weight(x, m)[0], *ends, epsrel=1e-4)[0]
    first = integrate.dblquad(
        lambda m, x: np.prod([weight(x, m)[0], weight(x, m)[1][0]]), *ends, epsrel=1e-4
    )[0]
    assert shrink(k, n).value[0] == pytest.approx(first / mass, abs=0.01)


def test_a_known_prior_is_taken_as_known():
    prior = BetaFit(2.0, 6.0, 0.0, 100)
    found = shrink(np.array([3.0]), np.array([4]), prior=prior)
    assert found.value[0] == pytest.approx(5 / 12)  # (2 + 3) / (2 + 6 + 4)
    assert found.low[0] == pytest.approx(special.betaincinv(5, 7, 0.025))
    assert found.high[0] == pytest.approx(special.betaincinv(5, 7, 0.975))


def test_with_many_problems_the_prior_is_known():
    rng = np.random.default_rng(3)
    k = rng.binomial(8, rng.beta(2, 3, 3000))
    priors = allowed_priors(k.astype(float), np.full(3000, 8.0))
    best = fit_beta(k, np.full(3000, 8))
    mean = priors.weight @ (priors.alpha / (priors.alpha + priors.beta))
    assert mean == pytest.approx(best.alpha / (best.alpha + best.beta), abs=0.003)
    found, known = shrink(k, np.full(3000, 8)), shrink(k, np.full(3000, 8), prior=best)
    np.testing.assert_allclose(found.low, known.low, atol=0.01)
    np.testing.assert_allclose(found.high, known.high, atol=0.01)


@pytest.mark.parametrize(
    ("k", "n"), [([0], [1]), ([0] * 9, [8] * 9), ([8] * 9, [8] * 9), ([0, 10**9], [10**9] * 2)]
)
def test_hard_counts_give_finite_intervals(k, n):
    found = shrink(np.array(k), np.array(n))
    assert np.all((found.low >= 0) & (found.low <= found.value))
    assert np.all((found.value <= found.high) & (found.high <= 1))


def test_more_different_counts_than_can_be_averaged():
    k = np.random.default_rng(1).random(MANY + 1)
    found = shrink(k, np.ones(MANY + 1))
    assert np.all((found.low < found.value) & (found.value < found.high))


def test_no_problem_at_all():
    with pytest.raises(ArgumentError, match="number of problems"):
        shrink(np.array([]), np.array([]))
    with pytest.raises(ArgumentError, match="`level` must lie"):
        shrink(np.array([1]), np.array([2]), level=95)


@pytest.mark.parametrize("solved", [0, 1000])
def test_problems_that_are_never_or_always_solved_bring_no_warning(solved):
    """The grid of means then reaches so near to 0 or 1 that the complement rounds to nothing."""
    found = shrink(np.full(40, solved), np.full(40, 1000))
    assert np.all(np.isfinite([found.value, found.low, found.high]))
    assert np.all(np.abs(found.value - solved / 1000) < 1e-3)
