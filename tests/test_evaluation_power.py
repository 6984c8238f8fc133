"""What a comparison can see: variance parts by hand and recovered, power as announced."""

import null_splits
import numpy as np
import pytest

from gradatim.evaluation.pairs import differences, steps
from gradatim.evaluation.power import (
    Variance,
    clustered,
    detectable,
    problems_needed,
    samples_needed,
    split_variance,
)
from gradatim.types import Estimate

ONE = np.array([[0, 1]])


def known(total, between=None, within=None, *, samples=1.0, step=1.0):
    return Variance(Estimate(total, total, total, 10**6), between, within, samples, step)


def test_the_parts_by_hand():
    # rates 0 .5 1 1 and .25 .75 1 .75; one attempt varies by p(1-p) 4/3: 0 1/3 0 0 and 1/4 1/4 0
    # 1/4, so luck = 1/12 + 3/16 = 13/48; gaps 1/4 1/4 0 -1/4 vary by 11/192, less than 13/192
    found = split_variance(np.array([[0, 2, 4, 4], [1, 3, 4, 3.0]]), np.full((2, 4), 4), step=0.25)
    assert found.within == pytest.approx(11 / 48)  # no more than what is there, times 4
    assert found.total.value == pytest.approx(11 / 192)
    assert found.between == 0
    assert found.samples == 4


def test_the_parts_are_recovered():
    rng = np.random.default_rng(0)
    p = rng.beta(2, 2, 4000)
    q = np.clip(p + 0.15 * rng.normal(size=4000), 0, 1)
    truth = np.var(q - p), np.mean(p * (1 - p)) + np.mean(q * (1 - q))
    tried = rng.integers(2, 9, (2, 4000))
    found = split_variance(rng.binomial(tried, np.stack([p, q])).astype(float), tried, step=0.2)
    assert found.within == pytest.approx(truth[1], rel=0.03)
    assert found.between == pytest.approx(truth[0], rel=0.2)
    assert found.total.low < found.total.value < found.total.high


def test_luck_that_both_share_is_left_out():
    rng = np.random.default_rng(4)
    p, u = rng.random(2000), rng.random((4, 2000))
    solved = np.stack([(u < p).sum(axis=0), (u < np.minimum(p + 0.05, 1)).sum(axis=0)])
    found = split_variance(solved.astype(float), np.full((2, 2000), 4), step=0.25)
    assert found.between == 0
    assert found.within == pytest.approx(4 * found.total.value)
    alone = detectable(found, 2000).value
    assert alone == pytest.approx(2.8 * np.sqrt(found.total.value / 2000), rel=0.02)


def test_single_or_graded_attempts_cannot_be_split():
    rng = np.random.default_rng(1)
    once = split_variance(rng.integers(0, 2, (2, 50)).astype(float), np.ones((2, 50)), step=1)
    graded = split_variance(rng.random((2, 50)) * 3, np.full((2, 50), 3))
    assert once.between is once.within is graded.between is None
    assert samples_needed(once, 0.01, 50) is None
    with pytest.raises(ValueError, match="`samples` must be 1, as in these results, got 4"):
        detectable(once, 50, samples=4)
    with pytest.raises(ValueError, match="at least two, got 1"):
        split_variance(np.zeros((2, 1)), np.ones((2, 1)))


def test_the_plan_by_hand():
    # many problems: (1.95996 + 0.84162) sqrt(.25 / n), and n at .02: .25 (2.80159 / .02)^2 = 4906
    parts = known(0.25)
    assert detectable(parts, 10_000).value == pytest.approx(2.80159 * 0.005, rel=1e-3)
    assert problems_needed(parts, 0.02) == pytest.approx(4906, abs=8)
    assert problems_needed(parts, 0.02, alpha=0.05 / 10) > problems_needed(parts, 0.02)
    assert problems_needed(known(1e5), 1e-6) is None


def test_attempts_help_until_only_problems_do():
    parts = known(0.04 + 0.3, 0.04, 0.3)
    one, many = (detectable(parts, 1000, samples=k).value for k in (1, 64))
    assert one > 2 * many > 2 * 2.8 * np.sqrt(0.04 / 1000)
    k = samples_needed(parts, 0.025, 1000)
    assert detectable(parts, 1000, samples=k).value <= 0.025
    assert detectable(parts, 1000, samples=k - 1).value > 0.025
    assert samples_needed(parts, 0.01, 1000) is None
    assert clustered(parts, 0.68).between == pytest.approx(0.38)


# -- power, as announced ----------------------------------------------------------------------


def found_share(folder, name, n, k, *, pilots, tries, rng):
    """Share of planted effects of exactly the announced size that are found.

    A pilot is a pair that does not differ (results traded at random); its announced effect for n
    problems is planted and n problems are drawn from all. With k, attempts are drawn too.
    """
    solved, tried = null_splits.load(folder, name)
    if k is not None:
        rows = null_splits.varied(solved, tried)
        solved, tried = solved[rows], tried[rows]
    hits = trials = 0
    while trials < pilots * tries:
        mine, made = null_splits.swapped(solved, tried, rng)
        step = steps(mine, made)
        parts = split_variance(mine, made, step=float(step.min()))
        effect = detectable(parts, n, samples=k).value
        if effect > 0.8 * np.mean(1 - mine[1] / made[1]) or parts.total.value < 1e-4:
            continue  # nearly everything is solved: no room to get better by so much
        for _ in range(tries):
            i = rng.integers(mine.shape[1], size=n)
            one, times = null_splits.planted(mine, made, effect, rng)
            one, times = one[:, i], times[:, i]
            if k is not None:
                one, times = rng.binomial(k, one / times).astype(float), np.full(one.shape, k)
            seen = differences(one / times, ONE, step=steps(one, times))
            hits += seen.p[0] <= 0.05 and seen.value[0] > 0
        trials += tries
    return hits / trials


@pytest.mark.slow
@pytest.mark.parametrize("n", [200, 800])
@pytest.mark.parametrize("name", null_splits.NAMES)
def test_power_is_what_was_announced(data_dir, name, n):
    share = found_share(data_dir, name, n, None, pilots=80, tries=25, rng=np.random.default_rng(2))
    print(f"{name}, {n} problems: power {share:.3f}")
    assert abs(share - 0.8) <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize("k", [1, 4])
def test_power_is_what_was_announced_for_other_numbers_of_attempts(data_dir, k):
    name, rng = "livecodebench_generation", np.random.default_rng(3)
    share = found_share(data_dir, name, 400, k, pilots=80, tries=25, rng=rng)
    print(f"{name}, 400 problems, {k} attempts: power {share:.3f}")
    assert abs(share - 0.8) <= 0.05
