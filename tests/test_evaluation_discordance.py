"""Few disagreements: power counted out, and what is announced where two hardly ever disagree."""

import numpy as np
import pytest

from gradatim.evaluation.discordance import exact_power, least_variance, signs_spread
from gradatim.evaluation.pairs import differences
from gradatim.evaluation.power import (
    assumed,
    clustered,
    detectable,
    problems_needed,
    single,
    split_variance,
)

ONE = np.array([[0, 1]])


def drawn(n, effect, discordant, times, rng):
    """(times, n) gaps of -1, 0 and 1 with a mean of `effect`."""
    up = (discordant + effect) / 2
    u = rng.random((times, n))
    return np.where(u < up, 1, np.where(u < discordant, -1, 0))


def pilot(gap):
    """What single attempts with these gaps say."""
    solved = np.stack([gap < 0, gap > 0]).astype(float)
    return split_variance(solved, np.ones((2, len(gap)), dtype=int), step=1.0)


def true_power(n, effect, discordant, times, rng):
    """Share of experiments in which `differences` finds the second better."""
    gap = drawn(n, effect, discordant, times, rng)
    rate = np.concatenate([gap < 0, gap > 0]).astype(float)
    pairs = np.stack([np.arange(times), times + np.arange(times)], axis=1)
    found = differences(rate, pairs, step=np.ones(2 * times))
    return float(np.mean((found.p <= 0.05) & (found.value > 0)))


def test_power_by_hand_and_against_the_test_itself():
    # all n differ one way: centre 5 / 7, se sqrt((6 - 25/7) / 42) = .240, t(4) 2.776 * .240 = .668
    assert exact_power(5, 1.0, 1.0) == 1.0
    # 3 / 5 against 4.303 sqrt((4 - 9/5) / 20) = 1.43: three problems never show anything
    assert exact_power(3, 1.0, 1.0) == 0.0
    rng = np.random.default_rng(0)
    for n, effect, discordant in ((60, 0.034, 0.034), (60, 0.14, 0.3), (200, 0.05, 0.08)):
        seen = true_power(n, effect, discordant, 2000, rng)
        assert exact_power(n, effect, discordant) == pytest.approx(seen, abs=0.035)
    assert exact_power(60, 0.1, 0.02) == exact_power(60, 0.1, 0.1)  # cannot disagree on less
    assert exact_power(10**7, 1e-5, 1e-5) > 0.99


def test_a_variance_has_a_width_where_nothing_differs():
    assert signs_spread(np.ones(60)) == signs_spread(np.zeros(60))
    assert signs_spread(np.zeros(60)).high > 0.05
    half = signs_spread(np.tile([0, 1], 30))
    assert half.low < 0.25 <= half.high
    found = signs_spread(np.array([1, -1] + 98 * [0]))
    assert found.value == pytest.approx(2 / 99)
    assert found.low < found.value < found.high
    assert least_variance(0.1) == least_variance(-0.1) == pytest.approx(0.09)


def test_two_that_never_disagreed_show_no_small_difference():
    found = detectable(pilot(np.zeros(60)), 60)
    assert exact_power(60, found.value, found.value) == pytest.approx(0.8, abs=0.001)
    assert found.low <= found.value < found.high
    # 3.4 points and 100 problems for 2 points were announced before, with power .05 and .04
    assert found.value == pytest.approx(0.109, abs=0.001)
    assert problems_needed(pilot(np.zeros(60)), 0.02) == 335
    plan = detectable(pilot(np.zeros(60)), 1000)
    assert plan.value > 0.005
    assert plan.low < plan.high
    assert detectable(pilot(np.zeros(3)), 3).value > 1  # nothing could ever be shown


def test_one_that_is_always_right_says_little_of_a_second():
    parts = assumed(single(np.ones(60), np.ones(60, dtype=int), step=1.0), 0.5)
    assert parts.total.value == 0 < parts.total.high
    assert detectable(parts, 60).value == pytest.approx(0.109, abs=0.001)


def test_attempts_that_all_succeed_are_no_proof_of_small_differences():
    tried = np.full((2, 60), 4)
    solved = tried.astype(float)
    solved[0, 0] = 3  # one failure in 480
    found = detectable(split_variance(solved, tried, step=0.25), 60, samples=1)
    assert found.value > 0.1


def test_few_clusters_have_few_degrees_of_freedom():
    parts = pilot(drawn(300, 0, 0.2, 1, np.random.default_rng(1))[0])
    many, few = (clustered(parts, parts.total.value, units=u) for u in (1.0, 0.01))
    # t(2): 4.303 + 1.061 against 1.968 + .843 of t(299)
    ratio = detectable(few, 300).value / detectable(many, 300).value
    assert ratio == pytest.approx((4.303 + 1.061) / (1.968 + 0.843), rel=0.02)
    more, fewer = problems_needed(few, 0.05), problems_needed(many, 0.05)
    assert more is not None
    assert fewer is not None
    assert more > 1.3 * fewer  # 860 problems are nine clusters


@pytest.mark.slow
@pytest.mark.parametrize("n", [60, 200, 500, 1319])
@pytest.mark.parametrize("discordant", [0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3])
def test_power_is_what_was_announced_where_few_disagree(discordant, n):
    """Pilots at random that do not differ; then the announced difference, in a new sample."""
    rng, found, needed = np.random.default_rng(7), [], []
    for gap in drawn(n, 0.0, discordant, 60, rng):
        parts = pilot(gap)
        effect = detectable(parts, n).value
        found.append(true_power(n, effect, max(discordant, effect), 60, rng))
    for gap in drawn(n, 0.0, discordant, 10, rng):
        size = problems_needed(pilot(gap), 0.05)
        needed.append(true_power(size, 0.05, max(discordant, 0.05), 200, rng))
    print(f"{n} problems, {discordant:.0%}: power {np.mean(found):.3f}, {np.mean(needed):.3f}")
    assert abs(np.mean(found) - 0.8) <= 0.05
    assert abs(np.mean(needed) - 0.8) <= 0.1  # by 10 pilots; few problems leave their own error
