import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gradatim.scale.rates import INTERVALS, PRECISION, fit_beta, pass_rate

counts = st.lists(st.tuples(st.integers(1, 200), st.floats(0, 1)), min_size=1, max_size=20).map(
    lambda rows: (np.array([round(n * f) for n, f in rows]), np.array([n for n, _ in rows]))
)


@pytest.mark.parametrize("name", INTERVALS)
@given(kn=counts, level=st.floats(0.5, 0.99))
def test_every_interval_keeps_the_contract(name, kn, level):
    k, n = kn
    found = pass_rate(k, n, interval=name, level=level)
    assert np.all((found.low >= 0) & (found.low <= found.value))
    assert np.all((found.value <= found.high) & (found.high <= 1))
    mirror = pass_rate(n - k, n, interval=name, level=level)
    np.testing.assert_allclose(mirror.low, 1 - found.high, atol=1e-9)
    more = pass_rate(10 * k, 10 * n, interval=name, level=level)
    assert np.all(more.high - more.low <= found.high - found.low + 1e-12)


@pytest.mark.parametrize("name", INTERVALS)
def test_every_interval_covers(name):
    rng = np.random.default_rng(0)
    p, n = rng.uniform(size=4000), np.full(4000, 12)
    found = pass_rate(rng.binomial(n, p), n, interval=name)
    assert 0.93 < np.mean((found.low <= p) & (p <= found.high)) < 0.97


def test_wilson_matches_scipy():
    k, n = np.array([0, 3, 8, 50]), np.array([8, 8, 8, 1000])
    found = pass_rate(k, n)
    for i in range(4):
        reference = stats.binomtest(int(k[i]), int(n[i])).proportion_ci(0.95, method="wilson")
        np.testing.assert_allclose([found.low[i], found.high[i]], reference, atol=1e-12)


def test_jeffreys_matches_the_beta_quantiles():
    found = pass_rate(np.array([3]), np.array([8]), interval="jeffreys")
    reference = stats.beta(3.5, 5.5).ppf([0.025, 0.975])
    np.testing.assert_allclose([found.low[0], found.high[0]], reference, atol=1e-12)


def test_an_interval_may_be_any_function():
    found = pass_rate(np.array([1]), np.array([2]), interval=lambda k, n, level: (k * 0, n * 2))
    assert (found.low[0], found.high[0]) == (0, 1)  # ends are kept inside [0, 1]


@pytest.mark.parametrize(
    ("k", "n", "message"),
    [
        ([0, 0], [1], r"axis 'problem' is 2 in `k` but 1 in `n`"),
        ([3], [2], r"`k / n` must lie in \[0, 1\], got 1.5"),
        ([np.nan], [2], r"`k / n` must lie in \[0, 1\]"),
        ([0], [0], r"`n` must lie in \[1, inf\], got 0"),
        ([1], [np.inf], "`n` must be finite"),
        ([-1], [2], r"`k / n` must lie in \[0, 1\], got -0.5"),
    ],
)
def test_errors_say_what_and_where(k, n, message):
    with pytest.raises(ValueError, match=message):
        pass_rate(np.array(k), np.array(n))
    with pytest.raises(ValueError, match="one of jeffreys, wilson; got 'wald'"):
        pass_rate(np.array([0]), np.array([1]), interval="wald")


@pytest.mark.parametrize("name", INTERVALS)
def test_huge_counts_keep_their_digits(name):
    # at n = 1e12 both intervals are normal in the middle: 1.96 x .5 / 1e6; at k = 1 they are those
    # of a Poisson count: Wilson 2.92 +- 2.74, Jeffreys' quantiles of a Gamma(1.5)
    found = pass_rate(np.array([5e11, 1, 0]), np.full(3, 1e12), interval=name)
    assert found.high[0] - found.low[0] == pytest.approx(2 * 1.959964 * 0.5e-6, rel=1e-5)
    z2 = 1.959964**2
    half = np.sqrt(z2 * (1 + z2 / 4))
    ends = {"wilson": [1 + z2 / 2 - half, 1 + z2 / 2 + half]}
    ends["jeffreys"] = stats.gamma(1.5).ppf([0.025, 0.975])
    np.testing.assert_allclose(
        [found.low[1], found.high[1]], np.array(ends[name]) / 1e12, rtol=1e-5
    )
    assert found.low[2] == 0 < found.high[2]


def test_no_problem_at_all():
    found = pass_rate(np.array([]), np.array([]))
    assert len(found.value) == len(found.low) == 0


@pytest.mark.parametrize("method", ["likelihood", "moments"])
@pytest.mark.parametrize(("alpha", "beta"), [(2.0, 5.0), (0.3, 0.6), (20.0, 20.0)])
def test_the_beta_fit_recovers_its_parameters(method, alpha, beta):
    rng = np.random.default_rng(1)
    n = rng.integers(2, 17, 4000)
    k = rng.binomial(n, rng.beta(alpha, beta, 4000))
    found = fit_beta(k, n, method=method)
    assert found.alpha / (found.alpha + found.beta) == pytest.approx(
        alpha / (alpha + beta), abs=0.02
    )
    assert np.log(found.alpha + found.beta) == pytest.approx(np.log(alpha + beta), abs=0.2)


def test_the_likelihood_is_that_of_the_beta_binomial_and_is_at_its_top():
    k, n = np.array([0, 2, 5, 8, 8, 3]), np.array([8, 8, 8, 8, 9, 4])
    found = fit_beta(k, n)
    reference = stats.betabinom.logpmf(k, n, found.alpha, found.beta).sum()
    coefficients = stats.binom.logpmf(k, n, 0.5).sum() + n.sum() * np.log(2)
    assert found.loglik == pytest.approx(reference - coefficients, abs=1e-9)
    assert found.loglik >= fit_beta(k, n, method="moments").loglik - 0.05


@pytest.mark.parametrize(
    ("k", "n"), [([0], [1]), ([0] * 9, [8] * 9), ([8] * 9, [8] * 9), ([4] * 50, [8] * 50)]
)
def test_the_fit_is_finite_where_data_say_little(k, n):
    for method in ("likelihood", "moments"):
        found = fit_beta(np.array(k), np.array(n), method=method)
        assert np.isfinite([found.alpha, found.beta, found.loglik]).all()
        assert PRECISION[0] * 0.99 <= found.alpha + found.beta <= PRECISION[1] * 1.01
