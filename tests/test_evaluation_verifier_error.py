"""Rates of error of a verifier, and what they leave of pass rates and pass@k."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from gradatim.errors import ArgumentError
from gradatim.evaluation.verifier_agreement import FIRST, SECOND, agreed_rates
from gradatim.evaluation.verifier_error import (
    audited_rates,
    corrected,
    corrected_pass_at_k,
    corrected_rate,
    stated_rates,
)
from gradatim.scale.pass_at_k import pass_at_k


def judged(rng, right, f, b):
    return np.where(right, rng.random(right.shape) >= b, rng.random(right.shape) < f)


def test_rates_are_shares_of_the_audited_wrong_and_right():
    right = np.repeat([True, False], [40, 10])
    passed = np.r_[np.ones(38, bool), np.zeros(2, bool), np.ones(1, bool), np.zeros(9, bool)]
    found = audited_rates(passed, right)
    assert (found.false_positive.value, found.false_positive.n) == (0.1, 10)
    assert (found.false_negative.value, found.false_negative.n) == (0.05, 40)
    ends = stats.beta(1.5, 9.5).ppf([0.025, 0.975])
    np.testing.assert_allclose([found.false_positive.low, found.false_positive.high], ends)
    # every verdict ten times over is worth no more than one
    ten = np.repeat(np.arange(50), 10)
    many = audited_rates(passed[ten], right[ten], problem=ten).false_positive
    assert 8 <= many.n <= 10
    nothing = audited_rates(np.ones(3, bool), np.ones(3, bool)).false_positive
    assert np.isnan(nothing.value)
    assert (nothing.low, nothing.high, nothing.n) == (0.0, 1.0, 0)


def test_a_sample_drawn_by_verdict_is_weighted_back():
    rng, inside, naive = np.random.default_rng(6), np.zeros(2), []
    for _ in range(100):
        right = rng.random(5000) < 0.2
        passed = judged(rng, right, 0.1, 0.05)
        chosen = np.r_[np.flatnonzero(passed)[:150], np.flatnonzero(~passed)[:150]]
        of = (float(passed.sum()), float((~passed).sum()))
        found = audited_rates(passed[chosen], right[chosen], of=of)
        inside += [rate.low <= t <= rate.high for rate, t in zip(found, (0.1, 0.05), strict=True)]
        naive.append(audited_rates(passed[chosen], right[chosen]).false_positive.value)
    assert (inside >= 88).all(), inside
    assert np.mean(naive) > 0.2  # as if drawn from all: twice too high
    even = audited_rates(passed, right, of=of).false_positive
    assert even.value == pytest.approx(audited_rates(passed, right).false_positive.value)
    with pytest.raises(ArgumentError, match="each verdict"):
        audited_rates(np.ones(3), np.ones(3), of=(3, 2))


@given(p=st.floats(0, 1), f=st.floats(0, 0.4), b=st.floats(0, 0.4))
def test_the_correction_inverts_what_the_verifier_does(p, f, b):
    assert float(corrected(p * (1 - b) + (1 - p) * f, f, b)) == pytest.approx(p, abs=1e-9)


def test_boundary_cases_of_a_corrected_rate():
    none = corrected_rate(np.zeros(50), np.ones(50), stated_rates(0.05))
    assert (none.corrected.value, none.corrected.low, none.inside) == (0.0, 0.0, False)
    assert 0 <= none.corrected.high < 0.05
    every = corrected_rate(np.ones(50), np.ones(50), stated_rates(0.0, 0.1))
    assert (every.corrected.value, every.corrected.high, every.inside) == (1.0, 1.0, False)
    blind = corrected_rate(np.ones(5), np.full(5, 2), stated_rates(0.5, 0.5)).corrected
    assert np.isnan(blind.value)
    assert (blind.low, blind.high) == (0.0, 1.0)
    plain = corrected_rate(np.array([3, 1]), np.array([4, 4]), stated_rates())
    assert plain.corrected.value == plain.naive.value == 0.5
    with pytest.raises(ArgumentError, match="false_positive"):
        stated_rates((0.2, 0.3, 0.4))


def test_the_error_of_the_rates_widens_the_interval():
    k, n = np.full(400, 1), np.full(400, 2)
    sharp = corrected_rate(k, n, stated_rates(0.1)).corrected
    vague = corrected_rate(k, n, stated_rates((0.1, 0.02, 0.2))).corrected
    shift = corrected_rate(k, n, stated_rates(0.1)).shift
    assert shift.value == pytest.approx(sharp.value - 0.5)
    assert shift.high - shift.low < 0.2 * (sharp.high - sharp.low)  # the sample's error is in both
    assert vague.high - vague.low > 1.3 * (sharp.high - sharp.low)


def test_intervals_of_corrected_rates_cover():
    rng = np.random.default_rng(5)
    hits = {}
    for p, f, b in ((0.3, 0.05, 0.02), (0.03, 0.05, 0.02), (0.95, 0.1, 0.1)):
        hits[p] = 0
        for _ in range(200):
            right = rng.random(200) < 0.5
            rates = audited_rates(judged(rng, right, f, b), right)
            passed = judged(rng, rng.random(300) < p, f, b)
            found = corrected_rate(passed, np.ones(300), rates, draws=500, rng=rng).corrected
            hits[p] += found.low <= p <= found.high
    assert all(count >= 180 for count in hits.values()), hits


def test_corrected_pass_at_k_is_exact_for_known_rates():
    # mean over all outcomes of 4 attempts with chance s: 1 - (1 - p)^2, whatever b and f
    p, f, b, n, k = 0.35, 0.1, 0.2, 4, 2
    s = p * (1 - b) + (1 - p) * f
    weight = stats.binom(n, s).pmf(np.arange(n + 1))
    raw = []
    for c in range(n + 1):
        none = [special.comb(n - c, j) / special.comb(n, j) for j in range(k + 1)]
        terms = sum(special.comb(k, j) * (-b) ** (k - j) * none[j] for j in range(k + 1))
        raw.append(1 - terms / (1 - b - f) ** k)
        found = corrected_pass_at_k(np.array([c]), np.array([n]), k, stated_rates(f, b), draws=9)
        least = corrected(c / n, f, b)  # pass@1
        assert found.corrected.value == pytest.approx(min(max(raw[-1], least, 0), 1))
    assert weight @ raw == pytest.approx(1 - (1 - p) ** k)
    # a verifier without error changes nothing
    c = np.array([0, 2, 4, 1])
    same = corrected_pass_at_k(c, np.full(4, 4), 3, stated_rates()).corrected.value
    assert same == pytest.approx(pass_at_k(c, np.full(4, 4), 3).value)


def test_a_verifier_with_5_percent_false_positives_corrected_pass_at_k_within_its_interval():
    rng, inside, naive = np.random.default_rng(2), 0, 0
    chance = special.betaln(0.3, 1.7 + 8) - special.betaln(0.3, 1.7)
    truth = 1 - np.exp(chance)  # problems of Beta(0.3, 1.7), 8 attempts
    for _ in range(60):
        p = rng.beta(0.3, 1.7, 150)
        right = rng.random(400) < 0.5
        rates = audited_rates(judged(rng, right, 0.05, 0.0), right)
        passed = judged(rng, rng.random((150, 16)) < p[:, None], 0.05, 0.0).sum(axis=1)
        found = corrected_pass_at_k(passed, np.full(150, 16), 8, rates, draws=200, rng=rng)
        assert found.corrected.value <= found.naive.value
        inside += found.corrected.low <= truth <= found.corrected.high
        naive += found.naive.low <= truth <= found.naive.high
    assert inside >= 53
    assert naive == 0


def test_a_verifier_fooled_on_the_same_problems_again_and_again_is_noticed():
    rng = np.random.default_rng(0)
    p = np.where(rng.random(2000) < 0.3, 0.5, 0.0)
    fooled = rng.random(2000) < 0.05  # 5% of wrong attempts pass, all on these problems
    chance = np.where(fooled, 1.0, p)
    passed = rng.binomial(10, chance)
    found = corrected_pass_at_k(passed, np.full(2000, 10), 10, stated_rates(0.05), draws=100)
    assert not found.inside
    assert found.corrected.value == pytest.approx((chance.mean() - 0.05) / 0.95, abs=0.02)
    fresh = rng.binomial(10, p + (1 - p) * 0.05)
    found = corrected_pass_at_k(fresh, np.full(2000, 10), 10, stated_rates(0.05), draws=100)
    assert found.inside
    assert found.corrected.low < 0.3 < found.corrected.high


def test_rates_from_agreement_alone():
    rng, inside = np.random.default_rng(4), np.zeros(4)
    truth = np.array([0.08, 0.03, 0.02, 0.15])
    for _ in range(40):
        group = rng.integers(2, size=3000)
        right = rng.random(3000) < np.where(group == 0, 0.2, 0.7)
        first, second = judged(rng, right, *truth[:2]), judged(rng, right, *truth[2:])
        found = agreed_rates(first, second, group, draws=100, rng=rng)
        rates = [*found.first, *found.second]
        inside += [rate.low <= t <= rate.high for rate, t in zip(rates, truth, strict=True)]
        assert found.right.low[0] <= 0.25
    assert (inside >= 34).all(), inside


def test_agreement_by_problem_and_of_one_group():
    table = np.array([[700, 50, 60, 190], [200, 40, 60, 700]])
    cell = np.repeat(np.tile(np.arange(4), 2), table.ravel())
    group = np.repeat([0, 1], 1000)
    alone = agreed_rates(FIRST[cell], SECOND[cell], group, draws=60)
    # every verdict four times over: the same rates, and resampled by problem the same error
    again = agreed_rates(
        *(np.repeat(x, 4) for x in (FIRST[cell], SECOND[cell], group)),
        problem=np.repeat(np.arange(2000), 4),
        draws=60,
    )
    for one, four in zip(alone.first, again.first, strict=True):
        assert four.value == pytest.approx(one.value, abs=2e-3)
        assert (four.high - four.low) / (one.high - one.low) == pytest.approx(1, abs=0.4)
    with pytest.raises(ArgumentError, match="two labels"):
        agreed_rates(FIRST[cell], SECOND[cell], np.zeros(2000))
