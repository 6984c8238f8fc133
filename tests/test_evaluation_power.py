"""What a comparison can see: variance parts by hand and recovered, power as announced."""

import null_splits
import numpy as np
import pytest

from gradatim.evaluation.pairs import differences, steps
from gradatim.evaluation.power import (
    Single,
    Variance,
    assumed,
    clustered,
    detectable,
    problems_needed,
    samples_needed,
    single,
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


# -- without a pilot --------------------------------------------------------------------------


def test_what_one_solver_says_of_a_second_by_hand():
    # rates 0 .5 1 1: variance 11/48; one attempt varies by p(1-p) 4/3: 0 1/3 0 0, so luck = 1/12,
    # noise of four = 1/48 and the true rates vary by 10/48
    one = single(np.array([0.0, 2, 4, 4]), np.full(4, 4), step=0.25)
    assert (one.mean, one.samples) == (0.625, 4)
    assert one.total.value == pytest.approx(11 / 48)
    assert one.luck == pytest.approx(1 / 12)
    found = assumed(one, 0.5)  # half of 11/48 is shared: 2 (11/48 - 11/96)
    assert found.total.value == pytest.approx(11 / 48)
    assert found.between == pytest.approx(2 * (10 / 48 - 11 / 96))
    assert found.within == pytest.approx(2 / 12)
    # no more than what two runs of the same solver share: only luck is left
    assert assumed(one, 1.0).between == 0
    assert assumed(one, 1.0).total.value == pytest.approx(2 / 48)
    once = single(np.array([0.0, 1, 1, 1]), np.ones(4), step=1.0)
    assert once.luck is None
    assert assumed(once, 0.0).total.value == pytest.approx(2 * once.total.value)
    graded = Single(0.5, Estimate(0.04, 0.03, 0.05, 90), None, 1.0, 0.0, 0.3)
    assert (
        detectable(assumed(graded, 0.5), 90).value
        > detectable(assumed(graded._replace(jump=0.0), 0.5), 90).value
    )
    with pytest.raises(ValueError, match=r"`correlation` must lie in \[-1, 1\]"):
        assumed(once, 1.5)


def test_a_plan_from_one_solver_is_that_of_the_pair_where_the_correlation_is_known(data_dir):
    solved, tried = null_splits.load(data_dir, "zeroeval_crux")
    rng, ratio, held = np.random.default_rng(5), [], []
    while len(ratio) < 60:
        mine, made = null_splits.pair(solved, tried, rng)
        first, second = (mine / made).mean(axis=1)
        if abs(first - second) > 0.05:
            continue
        seen = detectable(announced(mine, made), 800).value
        one = single(mine[0], made[0], step=1.0)
        alike = np.corrcoef(mine / made)[0, 1]
        ratio.append(detectable(assumed(one, alike), 800).value / seen)
        low, high = (detectable(assumed(one, r), 800).value for r in (0.7, 0.3))
        held.append(low <= seen <= high)
    assert np.mean(np.abs(np.log(ratio)) < 0.1) > 0.9
    assert np.mean(held) > 0.9  # correlations of .3 to .7 are said beside the assumed one


# -- power, as announced ----------------------------------------------------------------------


def announced(mine, made):
    """What a pilot says of its variance, as `compare` reads it."""
    step = float(steps(mine, made).min())
    return split_variance(mine, made, step=step)


def is_found(mine, made, k, rng):
    """Whether the second is found better, with k attempts of each."""
    if k is not None:
        mine, made = null_splits.fewer(mine, made, k, rng)
    seen = differences(mine / made, ONE, step=steps(mine, made))
    return seen.p[0] <= 0.05 and seen.value[0] > 0


def table(folder, name, k):
    """A real matrix; of the one with ten attempts, with k, those whose attempts vary."""
    solved, tried = null_splits.load(folder, name)
    rows = null_splits.varied(solved, tried) if k is not None else slice(None)
    return solved[rows], tried[rows]


def planted_share(folder, name, n, k, *, pilots=80, tries=25, seed=2):
    """Share of planted differences of exactly the announced size that are found.

    A pilot is a pair that traded its results at random: it does not differ. What it announces for n
    problems is planted into n problems that are drawn from it.
    """
    solved, tried = table(folder, name, k)
    rng, hits, left = np.random.default_rng(seed), 0, pilots
    while left:
        mine, made = null_splits.pair(solved, tried, rng)
        null = null_splits.traded(mine, made, rng)
        effect = detectable(announced(*null), n, samples=k).value
        if effect > 0.9 * np.mean(np.abs(np.diff(mine / made, axis=0))):
            continue  # they agree on nearly all problems: n problems cannot show that they differ
        left -= 1
        for _ in range(tries):
            i = rng.integers(mine.shape[1], size=n)
            hits += is_found(*null_splits.planted(mine, made, effect, i, rng), k, rng)
    return hits / (pilots * tries)


def real_share(folder, name, k, *, pilots=80, tries=25, seed=3):
    """Share of real differences found, on as many problems as a pair announces for its own."""
    solved, tried = table(folder, name, k)
    rng, hits, left = np.random.default_rng(seed), 0, pilots
    while left:
        mine, made = null_splits.pair(solved, tried, rng)
        gap = float(np.mean(np.diff(mine / made, axis=0)))
        if gap < 0:
            mine, made, gap = mine[::-1], made[::-1], -gap
        if gap < 0.01:
            continue
        n = problems_needed(announced(mine, made), gap, samples=k)
        if n is None or not 50 <= n <= 4000:
            continue
        left -= 1
        for _ in range(tries):
            i = rng.integers(mine.shape[1], size=n)
            hits += is_found(mine[:, i], made[:, i], k, rng)
    return hits / (pilots * tries)


CASES = [(name, None) for name in null_splits.NAMES]
CASES += [("livecodebench_generation", k) for k in (1, 4)]


@pytest.mark.slow
@pytest.mark.parametrize("n", [200, 800])
@pytest.mark.parametrize(("name", "k"), CASES)
def test_power_is_what_was_announced_for_planted_differences(data_dir, name, k, n):
    share = planted_share(data_dir, name, n, k)
    print(f"{name}, {n} problems, {k or 'all'} attempts: power {share:.3f}")
    assert abs(share - 0.8) <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize(("name", "k"), CASES)
def test_power_is_what_was_announced_for_real_differences(data_dir, name, k):
    share = real_share(data_dir, name, k)
    print(f"{name}, real differences, {k or 'all'} attempts: power {share:.3f}")
    assert abs(share - 0.8) <= 0.05
