"""Entropy and its law, balance of exploration and exploitation, staleness."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradatim.errors import ArgumentError
from gradatim.learning import monitors

# -- entropy --------------------------------------------------------------------------------------


def test_token_entropy_by_hand():
    # 1/2 1/4 1/4: log 2 / 2 + 2 x log 4 / 4 = 1.5 log 2;  even over 4: log 4;  certain: 0
    logits = np.log([[0.5, 0.25, 0.25, 1e-320], [1, 1, 1, 1], [1, 1e-320, 1e-320, 1e-320]])
    found = monitors.token_entropy(logits)
    assert found == pytest.approx([1.5 * np.log(2), np.log(4), 0], abs=1e-12)


def test_token_entropy_at_any_offset_and_with_barred_choices():
    logits = np.random.default_rng(0).normal(size=(20, 9))
    found = monitors.token_entropy(logits)
    assert monitors.token_entropy(logits + 1e6) == pytest.approx(found, abs=1e-9)
    assert monitors.token_entropy(1e6 * logits) == pytest.approx(np.zeros(20), abs=1e-9)
    single = monitors.token_entropy(logits.astype(np.float32))
    assert single == pytest.approx(found, abs=1e-6)
    barred = np.where(np.arange(9) < 7, logits, -np.inf)
    assert monitors.token_entropy(barred) == pytest.approx(monitors.token_entropy(logits[:, :7]))
    stats = pytest.importorskip("scipy.stats")
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert found == pytest.approx(stats.entropy(p, axis=1))
    assert monitors.token_entropy(np.zeros((0, 3))).shape == (0,)
    for bad in (np.nan, -np.inf):
        with pytest.raises(ArgumentError, match="`logits` must hold a finite largest entry"):
            monitors.token_entropy(np.where(np.arange(20)[:, None] == 4, bad, logits))


def test_mean_by_problem_gives_problems_the_same_weight():
    # problem 0: 0.2, 0.4 -> 0.3;  problem 1: 0.9;  mean 0.6;  t(1) 97.5% = 12.706, error 0.3
    found = monitors.mean_by_problem(np.array([0.2, 0.9, 0.4]), np.array([7, 3, 7]))
    assert (found.value, found.n) == (pytest.approx(0.6), 2)
    assert found.high - found.value == pytest.approx(12.706 * 0.3, rel=1e-4)
    alone = monitors.mean_by_problem(np.array([0.2, 0.4]), np.array([1, 1]))
    assert alone.value == pytest.approx(0.3)
    assert np.isnan([alone.low, alone.high]).all()


def test_the_paired_interval_against_scipy_and_at_an_offset():
    stats = pytest.importorskip("scipy.stats")
    x = np.random.default_rng(0).normal(size=30)
    found = monitors.paired(x, level=0.9)
    wanted = stats.ttest_1samp(x, 0).confidence_interval(0.9)
    assert (found.low, found.high) == (pytest.approx(wanted.low), pytest.approx(wanted.high))
    far = monitors.paired(x + 1e6, level=0.9)
    assert far.high - far.value == pytest.approx(found.high - found.value, rel=1e-8)


def test_equal_differences_are_not_certain():
    # 10 problems alike: a share q of others is missed with chance (1 - q)^10 = 0.025 at q = 0.3085
    found = monitors.paired(np.zeros(10))
    assert (found.low, found.high) == (
        pytest.approx(-0.3085, abs=1e-4),
        pytest.approx(0.3085, abs=1e-4),
    )
    assert monitors.paired(np.zeros(10_000)).high < 0.0005
    with pytest.raises(ArgumentError, match="at least one problem"):
        monitors.paired(np.zeros(0))
    with pytest.raises(ArgumentError, match="`difference` must be finite"):
        monitors.paired(np.array([0.1, np.nan]))


# -- the law of entropy ---------------------------------------------------------------------------


def test_s147_the_law_is_found_again():
    h = np.linspace(1.5, 0.1, 12)
    law = monitors.entropy_law(h, -0.05 * np.exp(h) + 0.7)
    assert (law.a.value, law.b.value) == (pytest.approx(0.05), pytest.approx(0.7))
    assert law.ceiling.value == pytest.approx(0.65)  # at entropy 0
    assert law.reward(np.array([0.0, 1.0])) == pytest.approx([0.65, 0.7 - 0.05 * np.e])
    assert law.residual == pytest.approx(0, abs=1e-12)
    assert law.a.high - law.a.low == pytest.approx(0, abs=1e-9)


def test_s147_the_intervals_cover_as_often_as_they_say():
    rng, h = np.random.default_rng(0), np.linspace(1.5, 0.1, 10)
    held = np.zeros(3)
    for _ in range(400):
        law = monitors.entropy_law(h, -0.05 * np.exp(h) + 0.7 + 0.03 * rng.normal(size=10))
        for i, (found, true) in enumerate(zip(law[:3], (0.05, 0.7, 0.65), strict=True)):
            held[i] += found.low <= true <= found.high
    assert (np.abs(held / 400 - 0.95) < 0.035).all()


def test_the_law_against_scipy():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(1)
    h = rng.random(20)
    reward = 0.5 - 0.1 * np.exp(h) + 0.05 * rng.normal(size=20)
    line = stats.linregress(np.exp(h), reward)
    law = monitors.entropy_law(h, reward)
    reach = stats.t.ppf(0.975, 18)
    assert law.a.value == pytest.approx(-line.slope)
    assert law.a.high - law.a.value == pytest.approx(reach * line.stderr)
    assert law.b.value == pytest.approx(line.intercept)
    assert law.b.high - law.b.value == pytest.approx(reach * line.intercept_stderr)
    # the ceiling is the line at x = 1, which is the intercept after a shift by 1
    shifted = stats.linregress(np.exp(h) - 1, reward)
    assert law.ceiling.value == pytest.approx(shifted.intercept)
    assert law.ceiling.high - law.ceiling.value == pytest.approx(reach * shifted.intercept_stderr)
    far = monitors.entropy_law(h, reward + 1e6)
    assert far.a.value == pytest.approx(law.a.value, rel=1e-6)


def test_the_law_needs_entropies_that_differ():
    with pytest.raises(ArgumentError, match="at least 3 checkpoints, got 2"):
        monitors.entropy_law(np.array([1.0, 0.5]), np.array([0.1, 0.2]))
    with pytest.raises(ArgumentError, match="must differ between checkpoints"):
        monitors.entropy_law(np.full(5, 0.7), np.arange(5.0))
    with pytest.raises(ArgumentError, match="`entropy` must lie in"):
        monitors.entropy_law(np.array([0.1, np.nan, 0.4]), np.arange(3.0))


# -- hidden states --------------------------------------------------------------------------------


def test_s070_effective_rank_of_replies():
    rng = np.random.default_rng(0)
    broad = rng.normal(size=(400, 6))  # close to 6
    flat = rng.normal(size=(300, 1)) * np.ones(6)  # 1
    order = rng.permutation(700)
    hidden = np.concatenate([broad, flat])[order]
    reply = np.repeat([0, 1], [400, 300])[order]
    one = monitors.mean_effective_rank(broad, np.zeros(400, int), np.zeros(1)).value
    assert 5.9 < one <= 6
    both = monitors.mean_effective_rank(hidden, reply, np.array([4, 9]))
    assert both.value == pytest.approx((one + 1) / 2)
    assert both.n == 2
    with pytest.raises(ArgumentError, match="`reply` must lie in"):
        monitors.mean_effective_rank(hidden, reply, np.array([4]))


# -- exploration and exploitation -----------------------------------------------------------------


def test_s059_balance_by_hand():
    correct, selected = np.array([8, 16, 4, 4, 0, 0]), np.array([8, 16, 4, 16, 5, 0])
    # enough and pure; more than enough; half of what is wanted; and three quarters of it wrong
    assert monitors.balance(correct, selected).tolist() == [1, 1, 0.5, 0.125, 0, 0]
    with pytest.raises(ArgumentError, match="`selected - correct` must lie in"):
        monitors.balance(np.array([3]), np.array([2]))


@given(
    counts=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=8),
    wanted=st.integers(1, 12),
)
def test_s059_balance_lies_between_0_and_1_and_rises_with_right_replies(counts, wanted):
    right = np.array([c for c, _ in counts])
    wrong = np.array([w for _, w in counts])
    found = monitors.balance(right, right + wrong, wanted=wanted)
    assert ((found >= 0) & (found <= 1)).all()
    assert (monitors.balance(right + 1, right + 1 + wrong, wanted=wanted) >= found).all()
    assert (monitors.balance(right, right + wrong + 1, wanted=wanted) <= found).all()


def test_s059_the_chosen_threshold_selects_more_unique_right_replies_than_a_fixed_one():
    rng = np.random.default_rng(0)
    problem = np.repeat(np.arange(60), 32)
    right = rng.random(len(problem)) < 0.3
    score = right * 0.8 + rng.normal(size=len(problem))
    grid = np.linspace(-1, 1, 41)
    values = monitors.balance_by_threshold(score, right, problem, grid)
    best = grid[values.argmax()]
    assert -0.9 < best < 0.9  # neither all replies nor the surest few

    def gained(threshold):
        """Right replies of a problem, at most 8, times how pure the selection is."""
        total = 0.0
        for p in range(60):
            chosen = (problem == p) & (score >= threshold)
            if chosen.any():
                total += min((right & chosen).sum(), 8) * (right & chosen).sum() / chosen.sum()
        return total / 60 / 8

    assert values == pytest.approx([gained(t) for t in grid])
    assert gained(best) > max(gained(-1.0), gained(1.0)) * 1.1


def test_nothing_selected_is_nothing():
    found = monitors.balance_by_threshold(
        np.array([0.1, 0.2]), np.array([True, True]), np.array([0, 0]), np.array([0.5])
    )
    assert found.tolist() == [0.0]


# -- staleness ------------------------------------------------------------------------------------


def test_lag_by_hand():
    found = monitors.lag(np.array([5, 5, 4, 2, 5]), np.array([5, 6, 6, 6, 5]))
    assert (found.mean, found.median, found.longest, found.n) == (1.4, 1.0, 4, 5)
    assert found.share.tolist() == pytest.approx([0.4, 0.2, 0.2, 0, 0.2])
    assert found.stale == pytest.approx(0.4)  # lags 2 and 4
    assert monitors.lag(np.array([3]), 3) == monitors.Lag(0, 0, 0, found.share[:0], 0, 1)._replace(
        share=pytest.approx([1.0])
    )


def test_bad_lags_are_refused():
    with pytest.raises(ArgumentError, match="`learned - sampled` must lie in"):
        monitors.lag(np.array([3]), 2)
    with pytest.raises(ArgumentError, match="not empty"):
        monitors.lag(np.zeros(0, int), 2)
    with pytest.raises(ArgumentError, match="whole numbers"):
        monitors.lag(np.array([0.5]), 2)


def test_effective_share():
    # weights 1, 1, 1, 3: 36 / (4 x 12)
    assert monitors.effective_share(np.log([1.0, 1, 1, 3])) == pytest.approx(0.75)
    assert monitors.effective_share(np.full(7, -900.0)) == pytest.approx(1)
    assert monitors.effective_share(np.array([0.0, 900.0])) == pytest.approx(0.5)
    # normal log-ratios of deviation s: exp(-s^2) in the limit
    x = np.random.default_rng(0).normal(size=200_000)
    assert monitors.effective_share(0.7 * x) == pytest.approx(np.exp(-0.49), abs=0.02)
    with pytest.raises(ArgumentError, match="`log_ratio` must be finite"):
        monitors.effective_share(np.array([0.0, np.inf]))
