import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gradatim.errors import ArgumentError
from gradatim.evaluation.comparison import (
    bootstrap,
    clustered_mean,
    compare,
    mean_rate,
    resample,
)
from gradatim.evaluation.rank import correlation, midranks, spearman

values = st.lists(st.integers(0, 5), min_size=1, max_size=30).map(np.array)


# -- ranks ------------------------------------------------------------------------------------


@given(values)
def test_midranks_match_scipy(x):
    np.testing.assert_array_equal(midranks(x), stats.rankdata(x))
    np.testing.assert_array_equal(midranks(np.stack([x, -x]))[1], stats.rankdata(-x))


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(-9, 9)), min_size=3, max_size=40))
def test_spearman_matches_scipy_and_stays_under_monotone_maps(pairs):
    x, y = np.array(pairs, float).T
    found = spearman(x, y, resamples=20)
    if len(set(x.tolist())) < 2 or len(set(y.tolist())) < 2:
        assert np.isnan(found.value)
        return
    assert found.value == pytest.approx(stats.spearmanr(x, y)[0], abs=1e-12)
    assert found.low <= found.value <= found.high
    assert spearman(x**3, y, resamples=20).value == pytest.approx(found.value)


def test_the_interval_of_spearman_covers():
    rng = np.random.default_rng(0)
    truth = 6 / np.pi * np.arcsin(0.6 / 2)  # of a normal pair with correlation .6
    hits = 0
    for _ in range(200):
        x = rng.normal(size=60)
        found = spearman(x, 0.6 * x + 0.8 * rng.normal(size=60), rng=rng, resamples=300)
        hits += found.low <= truth <= found.high
    assert 0.90 < hits / 200 <= 0.98


def test_spearman_of_too_little_is_nan_and_of_nan_an_error():
    assert np.isnan(spearman(np.array([1.0, 2.0]), np.array([1.0, 2.0])).value)
    assert np.isnan(correlation(np.ones(4), np.arange(4.0)))
    with pytest.raises(ValueError, match="`y` must be finite"):
        spearman(np.arange(3.0), np.array([1.0, np.nan, 2.0]))


# -- comparisons ------------------------------------------------------------------------------


def test_difference_and_interval_match_the_plain_paired_bootstrap():
    rng = np.random.default_rng(3)
    a, b = rng.random(80), rng.random(80) + 0.1
    found = compare(a, b, draws=20_000)
    reference = stats.bootstrap(
        (b - a,), np.mean, n_resamples=20_000, method="percentile", random_state=rng
    ).confidence_interval
    assert found.difference.value == pytest.approx(np.mean(b - a))
    assert found.difference.low == pytest.approx(reference.low, abs=0.006)
    assert found.difference.high == pytest.approx(reference.high, abs=0.006)
    assert found.difference.n == 80


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=20))
def test_swapping_the_arms_turns_the_sign(pairs):
    a, b = np.array(pairs).T
    one, two = compare(a, b, draws=200), compare(b, a, draws=200)
    assert one.difference.value == pytest.approx(-two.difference.value)
    assert one.difference.low == pytest.approx(-two.difference.high)
    assert one.better == pytest.approx(1 - two.better)
    assert one.resolved == two.resolved
    same = compare(a, a, draws=50)
    assert (same.difference.low, same.difference.high, same.better) == (0, 0, 0.5)
    assert not same.resolved


def test_pairing_takes_out_what_the_arms_share():
    rng = np.random.default_rng(4)
    hard = rng.random(300)
    found = compare(hard, np.clip(hard + 0.05, 0, 1))
    assert found.resolved
    assert found.difference.high - found.difference.low < 0.02 < found.first.high - found.first.low


def test_strata_keep_their_sizes_and_shorten_the_interval():
    strata = np.repeat([0, 1, 2], [30, 10, 60])
    counts = resample(100, 50, rng=np.random.default_rng(0), strata=strata)
    for label, size in ((0, 30), (1, 10), (2, 60)):
        assert np.all(counts[:, strata == label].sum(axis=1) == size)
    difference = np.choose(strata, [0.0, 0.5, 1.0])
    wide = compare(np.zeros(100), difference)
    narrow = compare(np.zeros(100), difference, strata=strata)
    assert narrow.difference.high == narrow.difference.low  # all of it was between strata
    assert wide.difference.high - wide.difference.low > 0.1


def test_no_difference_is_found_five_times_in_a_hundred():
    rng = np.random.default_rng(5)
    wrong = 0
    for _ in range(400):
        p = rng.random(100)
        a, b = rng.binomial(4, p) / 4, rng.binomial(4, p) / 4
        wrong += compare(a, b, draws=400, rng=rng).resolved
    assert 0.02 < wrong / 400 < 0.085


def test_a_bootstrap_of_any_statistic():
    x = np.random.default_rng(6).normal(size=50)
    found = bootstrap(lambda w: w @ x / w.sum(axis=1), 50, draws=4000)
    assert found.value == pytest.approx(x.mean())
    assert found.high - found.low == pytest.approx(2 * 1.96 * x.std() / np.sqrt(50), rel=0.08)


# -- clustered means --------------------------------------------------------------------------


def test_repeated_attempts_do_not_shorten_the_interval():
    score = np.array([1.0, 0.0, 1.0, 1.0])
    one = clustered_mean(score, np.arange(4))
    many = clustered_mean(np.repeat(score, 50), np.repeat(np.arange(4), 50))
    assert (many.low, many.high, many.n) == (one.low, one.high, 4)
    # sd of 1 0 1 1 is 1/2, so the error is 1/4; t of 3 degrees at 97.5% is 3.1824
    assert one.high - one.value == pytest.approx(3.182446 / 4)


def test_problems_weigh_the_same_however_many_attempts_they_have():
    found = clustered_mean(np.array([1.0, 0.0, 0.0, 0.0]), np.array([0, 1, 1, 1]))
    assert found.value == 0.5


def test_the_clustered_interval_covers():
    rng = np.random.default_rng(7)
    hits = 0
    for _ in range(400):
        p = rng.beta(0.5, 0.5, 40)
        score = rng.binomial(1, np.repeat(p, 8)).astype(float)
        found = clustered_mean(score, np.repeat(np.arange(40), 8))
        hits += found.low <= 0.5 <= found.high
    assert 0.92 < hits / 400 < 0.98


def test_errors_say_what_is_wrong():
    assert np.isnan(clustered_mean(np.array([1.0]), np.array([0])).low)
    with pytest.raises(ValueError, match="at least one problem"):
        compare(np.array([]), np.array([]))
    with pytest.raises(ValueError, match="axis 'problem' is 2 in `first` but 3 in `second`"):
        compare(np.zeros(2), np.zeros(3))
    with pytest.raises(ValueError, match="axis 'problem' is 2 in `first` but 1 in `strata`"):
        compare(np.zeros(2), np.zeros(2), strata=np.zeros(1))
    with pytest.raises(ValueError, match="at least one attempt"):
        clustered_mean(np.array([]), np.array([]))


# -- the mean over problems -------------------------------------------------------------------


def test_mean_rate_by_hand():
    # rates 1, 0, .5: mean .5, variance of the mean .25/3 = .0833, so as good as .25/.0833 = 3
    # attempts; Wilson at 1.5 of 3 with z = 1.96: .5 -+ 1.96/2.2805 * sqrt(.25/3 + (1.96/6)^2)
    found = mean_rate(np.array([1, 0, 0.5]), np.array([8, 8, 8]))
    half = 1.959964 / 2.280486 * np.sqrt(0.25 / 3 + (1.959964 / 6) ** 2)
    assert (found.value, found.n) == (0.5, 3)
    assert np.allclose([found.low, found.high], [0.5 - half, 0.5 + half], atol=1e-5)


def test_equal_rates_count_one_attempt_a_problem():
    # 0 of 8 on each of 16: Wilson at 0 of 16 is z^2 / (16 + z^2) = 3.8415 / 19.8415
    found = mean_rate(np.zeros(16), np.full(16, 8))
    assert found.low == 0
    assert found.high == pytest.approx(3.841459 / 19.841459, abs=1e-6)
    assert mean_rate(np.ones(16), np.full(16, 8)).high == 1


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(8, 20)), min_size=1, max_size=30))
def test_mean_rate_is_inside_its_interval_and_mirrors(cells):
    k, n = np.array(cells, float).T
    found, mirror = mean_rate(k / n, n), mean_rate((n - k) / n, n)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert np.allclose([1 - mirror.high, 1 - mirror.low], [found.low, found.high])
    wider = mean_rate(k / n, n, level=0.999)
    assert wider.low <= found.low
    assert wider.high >= found.high


@pytest.mark.parametrize(("k", "n"), [([], []), ([1], [0]), ([1, 0.5], [3]), ([1.5], [3])])
def test_mean_rate_refuses_what_it_cannot_count(k, n):
    with pytest.raises(ArgumentError):
        mean_rate(np.array(k, float), np.array(n, float))


def test_the_interval_covers_new_problems_not_attempts_alone():
    # problems with rates from Beta(.5, .5), 8 attempts each: binomial intervals of all attempts
    # would cover about two thirds; ours must cover the mean .5 nearly 95% of the time
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(400):
        k = rng.binomial(8, rng.beta(0.5, 0.5, size=40))
        found = mean_rate(k / 8, np.full(40, 8))
        hits += found.low <= 0.5 <= found.high
    assert 0.92 <= hits / 400 <= 0.98
