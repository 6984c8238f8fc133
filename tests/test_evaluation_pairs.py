"""Paired differences of many solvers: by hand, beside exact tests, and by simulation."""

import null_splits
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gradatim.evaluation.comparison import compare, resample, resampled_means
from gradatim.evaluation.pairs import agreeing, differences, joint_p, jumps, steps, tail
from gradatim.evaluation.regressions import changes
from gradatim.scale.multiple import adjust

ONE = np.array([[0, 1]])


def outcomes(both, lost, gained, neither):
    """Right or wrong once each, by how many problems have each pair of outcomes."""
    first = np.repeat([1.0, 1, 0, 0], [both, lost, gained, neither])
    second = np.repeat([1.0, 0, 1, 0], [both, lost, gained, neither])
    return np.stack([first, second])


# -- one pair ---------------------------------------------------------------------------------


def test_a_difference_by_hand():
    # 10 problems, 4 gained, 1 lost: mean 3/10. With the half problems of Agresti & Min the centre
    # is 3/12, the squares sum to 5 + 1 - 12/16 = 5.25, so se = sqrt(5.25 / 11 / 12) = 0.19943
    found = differences(outcomes(3, 1, 4, 2), ONE, step=np.ones(2))
    assert found.value[0] == pytest.approx(0.3)
    assert found.centre[0] == pytest.approx(0.25)
    assert found.se[0] == pytest.approx(0.199431)
    half = stats.t.ppf(0.975, 9) * 0.199431
    assert (found.low[0], found.high[0]) == pytest.approx((0.25 - half, 0.25 + half), abs=1e-6)
    assert found.p[0] == pytest.approx(2 * stats.t.sf(0.25 / 0.199431, 9), abs=1e-6)
    assert (found.n[0], found.units[0]) == (10, 10)


def test_graded_answers_get_students_t():
    rng = np.random.default_rng(0)
    rate = rng.random((2, 40))
    found, outside = differences(rate, ONE), stats.ttest_rel(rate[1], rate[0])
    assert found.p[0] == pytest.approx(outside.pvalue)
    ends = outside.confidence_interval(0.95)
    assert (found.low[0], found.high[0]) == pytest.approx((ends.low, ends.high))


def test_graded_answers_get_room_for_a_difference_that_was_not_seen():
    # scores 0 .5 .5 1 and .25 .5 .75 1: medians .5 and .625; deviations .5 0 0 .5 and .375 .125
    # .125 .375, mean sizes by their squares .5 and (2 .375^3 + 2 .125^3) / (2 .375^2 + 2 .125^2)
    rate = np.array([[0, 0.5, 0.5, 1], [0.25, 0.5, 0.75, 1]])
    np.testing.assert_allclose(jumps(rate), [0.5, 0.35])
    # differences .25 0 .25 0 about .125: cubes 4 / 512 + .5 / 8, squares 4 / 64 + .5 / 4
    found, plain = differences(rate, ONE, jump=jumps(rate)), differences(rate, ONE)
    jump = (4 / 512 + 0.5 / 8) / (4 / 64 + 0.5 / 4)
    assert found.jump[0] == pytest.approx(jump)
    assert found.se[0] ** 2 == pytest.approx(plain.se[0] ** 2 + (jump / 4) ** 2)
    assert found.value[0] == found.centre[0] == plain.value[0] == 0.125
    same = differences(rate[[0, 0]], ONE, jump=jumps(rate[[0, 0]]))
    assert same.p[0] == 1
    assert same.low[0] < 0 < same.high[0]  # the same scores on four problems prove little
    flat = differences(np.full((2, 40), 0.5), ONE, jump=np.zeros(2))
    wrong = differences(np.zeros((2, 40)), ONE, step=np.ones(2))  # as sure as answers all wrong are
    assert flat.high[0] == pytest.approx(wrong.high[0], abs=0.005)
    shifted = differences(rate / 2 + [[0], [0.3]], ONE, jump=jumps(rate / 2))
    assert shifted.jump[0] == pytest.approx(jump / 2)  # all better by as much is no jump


@pytest.mark.parametrize(("lost", "gained"), [(3, 9), (12, 30), (40, 62), (2, 2), (0, 6)])
def test_p_values_are_near_mcnemars_mid_p(lost, gained):
    found = differences(outcomes(300, lost, gained, 100), ONE, step=np.ones(2))
    k, n = min(lost, gained), lost + gained
    mid = 2 * stats.binom.cdf(k, n, 0.5) - stats.binom.pmf(k, n, 0.5)
    assert found.p[0] == pytest.approx(min(mid, 1), abs=0.03)


def test_no_disagreement_still_has_an_interval():
    found = differences(outcomes(12, 0, 0, 0), ONE, step=np.ones(2))
    assert found.low[0] < -0.1 < 0.1 < found.high[0]
    assert found.p[0] == 1
    graded = differences(np.array([[0.2] * 6, [0.4] * 6]), ONE)
    assert graded.p[0] == pytest.approx(2 / 2**6)  # what a sign flip of six problems can reach


def test_more_attempts_shrink_what_is_added():
    solved, tried = np.array([[0.0, 4], [2, 3]]), np.full((2, 2), 4)
    np.testing.assert_array_equal(steps(solved, tried), [1, 0.25])  # the first never disagrees
    np.testing.assert_array_equal(agreeing(solved, tried), [True, False])
    assert steps(np.array([[0.5, 1.0]]), np.ones((1, 2)))[0] == 0


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=25))
def test_swapping_and_reordering_change_nothing_else(columns):
    rate = np.array(columns).T
    there = differences(rate, ONE, step=np.ones(2))
    back = differences(rate, ONE[:, ::-1], step=np.ones(2))
    assert there.value[0] == pytest.approx(-back.value[0])
    assert there.low[0] == pytest.approx(-back.high[0])
    assert there.p[0] == pytest.approx(back.p[0])
    turned = differences(rate[:, ::-1], ONE, step=np.ones(2))
    assert turned.se[0] == pytest.approx(there.se[0])
    assert -1 <= there.low[0] <= there.value[0] <= there.high[0] <= 1


def test_missing_problems_are_left_out_by_pair():
    rate = np.array([[0, 1, np.nan, 1], [1, 1, 0, np.nan], [0, np.nan, 0, 1]], dtype=float)
    found = differences(rate, np.array([[0, 1], [0, 2], [1, 2]]))
    np.testing.assert_array_equal(found.n, [2, 2, 2])
    np.testing.assert_allclose(found.value, [0.5, 0, -0.5])
    alone = differences(np.array([[0.0, np.nan], [1.0, 1]]), ONE)
    assert np.isnan(alone.low[0])
    assert np.isnan(alone.p[0])


def test_problems_of_a_cluster_count_as_one():
    rng = np.random.default_rng(1)
    rate = rng.random((2, 30))
    copied = np.repeat(rate, 5, axis=1)
    cluster = np.repeat(np.arange(30), 5)
    order = rng.permutation(150)
    whole, apart = differences(rate, ONE), differences(copied, ONE)
    found = differences(copied[:, order], ONE, cluster=cluster[order])
    assert found.se[0] == pytest.approx(whole.se[0])
    assert found.p[0] == pytest.approx(whole.p[0])
    assert (found.n[0], found.units[0]) == (150, 30)
    assert apart.se[0] < 0.5 * found.se[0]


def test_clusters_of_different_sizes_by_hand():
    # clusters of 3, 2, 1 with sums of deviations -.4, .2, .2 about .3: leaving each out moves the
    # sums by 1 / (1 - size / 6), 1 / (1/2) 1 / (2/3) 1 / (5/6); 2/3 of their squares; over 6
    gap = np.array([0.1, 0.1, 0.3, 0.3, 0.5, 0.5])
    found = differences(np.stack([gap * 0, gap]), ONE, cluster=np.array([0, 0, 0, 1, 1, 2]))
    squares = (0.4 * 2) ** 2 + (0.2 * 1.5) ** 2 + (0.2 * 1.2) ** 2
    assert found.se[0] == pytest.approx(np.sqrt(squares * 2 / 3) / 6)
    assert found.df[0] == pytest.approx(36 / 14 - 1)
    assert (found.n[0], found.units[0]) == (6, 3)


def misses_of_clusters(n, *, sizes, reps, seed):
    """Share of intervals that miss, for n clusters whose problems go together."""
    rng, out = np.random.default_rng(seed), 0
    for _ in range(reps):
        code = np.repeat(np.arange(n), sizes(rng, n))
        gap = 0.05 + 0.1 * (rng.normal(size=n)[code] + rng.normal(size=len(code)))
        rate = np.stack([np.full(len(code), 0.4), 0.4 + gap])
        found = differences(rate, ONE, cluster=code)
        out += not found.low[0] <= 0.05 <= found.high[0]
    return out / reps


def a_few_large(rng, n):
    """Sizes of clusters: a third of them ten times as large as the rest."""
    return 1 + rng.geometric(0.4, size=n) + rng.geometric(0.05, size=n) * (rng.random(n) < 0.3)


@pytest.mark.slow
@pytest.mark.parametrize("n", [10, 20, 50, 100])
def test_intervals_of_uneven_clusters_hold(n):
    even = misses_of_clusters(n, sizes=lambda rng, n: np.full(n, 5), reps=2000, seed=21)
    uneven = misses_of_clusters(n, sizes=a_few_large, reps=2000, seed=22)
    print(f"{n} clusters: missed {even:.3f}, of uneven size {uneven:.3f}")
    assert abs(even - 0.05) <= 0.015
    assert uneven <= 0.08


def test_the_interval_is_where_the_test_turns():
    rate = np.random.default_rng(2).random((2, 30))
    found = differences(rate, ONE)
    at = tail(found.centre, found.se, found.df, at=float(found.high[0]))
    assert at[0] == pytest.approx(0.05)


def test_errors_of_pairs():
    with pytest.raises(ValueError, match="cannot be compared with itself"):
        differences(np.zeros((2, 3)), np.array([[1, 1]]))
    with pytest.raises(ValueError, match="`pairs` must lie in"):
        differences(np.zeros((2, 3)), np.array([[0, 2]]))


@pytest.mark.slow
@pytest.mark.parametrize("name", null_splits.NAMES)
def test_intervals_miss_no_more_often_than_the_percentile_bootstrap(data_dir, name):
    """Thirty problems drawn from all of a pair: how often is the pair's own difference missed?"""
    solved, tried = null_splits.load(data_dir, name)
    rng, reps, missed = np.random.default_rng(14), 1000, np.zeros(2)
    for _ in range(reps):
        mine, made = null_splits.pair(solved, tried, rng)
        truth = np.mean(mine[1] / made[1] - mine[0] / made[0])
        i = rng.integers(mine.shape[1], size=30)
        mine, made = mine[:, i], made[:, i]
        ours = differences(mine / made, ONE, step=steps(mine, made), jump=jumps(mine / made))
        plain = compare(*(mine / made), draws=1000, rng=rng).difference
        for j, (low, high) in enumerate(((ours.low[0], ours.high[0]), (plain.low, plain.high))):
            missed[j] += not low - 1e-12 <= truth <= high + 1e-12
    print(f"{name}, 30 problems: missed {missed[0] / reps:.3f}, percentiles {missed[1] / reps:.3f}")
    assert missed[0] <= missed[1]


def missed(folder, name, n, *, reps=1000, seed=23):
    """Share of intervals that miss, of the old kind for graded answers and of ours."""
    solved, tried = null_splits.load(folder, name)
    rng, out = np.random.default_rng(seed), np.zeros(2)
    for _ in range(reps):
        mine, made = null_splits.pair(solved, tried, rng)
        truth = np.mean(mine[1] / made[1] - mine[0] / made[0])
        i = rng.integers(mine.shape[1], size=n)
        mine, made = mine[:, i], made[:, i]
        for j, jump in enumerate((None, jumps(mine / made))):
            found = differences(mine / made, ONE, step=steps(mine, made), jump=jump)
            out[j] += not found.low[0] - 1e-12 <= truth <= found.high[0] + 1e-12
    return out / reps


@pytest.mark.slow
@pytest.mark.parametrize("name", null_splits.NAMES)
def test_how_often_intervals_of_few_problems_miss(data_dir, name):
    for n in (10, 20, 30, 50, 100, 400):
        before, now = missed(data_dir, name, n)
        print(
            f"{name}, {n} problems: missed {now:.3f} (nothing added to graded answers {before:.3f})"
        )
        assert now <= before
        if name != "alpacaeval2" or n >= 30:  # ten or twenty graded answers do not show their tails
            assert now <= 0.08


# -- attempts inside problems -----------------------------------------------------------------


def test_resampling_attempts_inside_problems_would_count_their_noise_twice():
    rng = np.random.default_rng(3)
    p, k, n = rng.beta(2, 2, 600), 4, 600
    x = rng.random((2, n, k)) < p[:, None]
    gap = np.diff(x.mean(axis=2), axis=0)[0]
    se = differences(x.mean(axis=2), ONE).se[0]
    once, twice = [], []
    for _ in range(600):
        i = rng.integers(n, size=n)
        once.append(gap[i].mean())
        j = rng.integers(k, size=(2, n, k))
        inner = np.take_along_axis(x[:, i], j, axis=2)
        twice.append(np.diff(inner.mean(axis=2), axis=0).mean())
    assert np.std(once) == pytest.approx(se, rel=0.1)
    # all variance here is of attempts: resampled inside it is (2 - 1/4) times what it is
    assert np.var(twice) / np.var(once) == pytest.approx(1.75, rel=0.2)


# -- many pairs -------------------------------------------------------------------------------


def test_adjusted_p_values_by_hand():
    p = np.array([0.01, 0.04, np.nan, 0.03])
    # sorted .01 .03 .04: Holm 3*.01, 2*.03, then not below .06; BH 3*.01, 3/2*.03 = .045, .04
    np.testing.assert_allclose(adjust(p), [0.03, 0.06, np.nan, 0.06])
    np.testing.assert_allclose(adjust(p, method="fdr"), [0.03, 0.04, np.nan, 0.04])
    np.testing.assert_array_equal(adjust(p, method="none"), p)
    known = p[~np.isnan(p)]
    np.testing.assert_allclose(adjust(known, method="fdr"), stats.false_discovery_control(known))
    assert adjust(np.array([])).size == 0
    with pytest.raises(ValueError, match="`method` must be one of"):
        adjust(p, method="bonferroni")


def test_joint_p_values_hold_and_beat_holm_where_pairs_go_together():
    rng = np.random.default_rng(4)
    pairs = np.array([(i, j) for i in range(6) for j in range(i + 1, 6)])
    wrong, sharper = 0, []
    for _ in range(120):
        base = rng.random(80)
        rate = np.clip(base + 0.2 * rng.normal(size=(6, 80)), 0, 1)
        found = differences(rate, pairs)
        p = joint_p(rate, pairs, found, draws=400, rng=rng)
        wrong += p.min() <= 0.05
        sharper.append(np.mean(p <= adjust(found.p) + 0.01))
        assert np.all(p >= 1 / 401)
    assert 0 < wrong / 120 <= 0.10
    assert np.mean(sharper) > 0.9


# -- the kernel -------------------------------------------------------------------------------


def test_resampled_means_are_those_of_the_counts():
    rng = np.random.default_rng(5)
    score = rng.random((7, 50))
    found = resampled_means(score, 40, rng=np.random.default_rng(9))
    counts = resample(50, 40, rng=np.random.default_rng(9))
    np.testing.assert_allclose(found, counts @ score.T / 50, rtol=1e-5)
    score[2, :49] = np.nan
    found = resampled_means(score, 40, rng=np.random.default_rng(9))
    assert np.isnan(found[counts[:, 49] == 0, 2]).all()
    np.testing.assert_allclose(found[counts[:, 49] > 0, 2], score[2, 49], rtol=1e-6)
    with pytest.raises(ValueError, match="at least one problem"):
        resampled_means(np.zeros((2, 0)), rng=rng)


def test_counts_of_samples_are_multinomial():
    counts = resample(5, 20_000, rng=np.random.default_rng(6))
    assert counts.sum(axis=1).tolist() == [5] * 20_000
    # variance of a cell n p (1-p) = 4/5, covariance of two -1/5
    spread = np.cov(counts.T)
    np.testing.assert_allclose(np.diag(spread), 0.8, atol=0.03)
    np.testing.assert_allclose(spread[0, 1], -0.2, atol=0.03)


# -- problems that changed sides --------------------------------------------------------------


def test_s194_problems_that_were_lost_beyond_luck():
    solved = np.array([[8, 8, 0, 4, 7.0], [8, 0, 8, 4, 6]])
    tried = np.full((2, 5), 8)
    found = changes(solved, tried)
    np.testing.assert_array_equal(found.lost, [0, 1, 0, 0, 0])
    np.testing.assert_array_equal(found.gained, [0, 0, 1, 0, 0])
    np.testing.assert_array_equal(found.clear, [0, 1, 0, 0, 0])
    # 8 of 8 against 0 of 8: one table of 16 choose 8 = 12870, half of it by mid-p
    assert found.p[1] == pytest.approx(0.5 / 12870)
    exact = stats.fisher_exact([[7, 1], [6, 2]], alternative="greater").pvalue
    point = stats.hypergeom.pmf(6, 16, 13, 8)
    assert found.p[4] == pytest.approx(exact - point / 2)
    assert found.more_lost == pytest.approx(0.75)  # 1 of 2 or more: 3/4


def test_s194_single_attempts_cannot_name_a_lost_problem():
    rng = np.random.default_rng(7)
    found = changes(rng.integers(0, 2, (2, 500)).astype(float), np.ones((2, 500)))
    assert found.lost.sum() > 50
    assert not found.clear.any()
    graded = changes(rng.random((2, 20)), np.ones((2, 20)), counted=False)
    assert np.isnan(graded.p).all()
    assert not graded.clear.any()


def test_s194_very_many_attempts_are_taken_as_normal():
    solved, tried = np.array([[2600, 2500.0], [2400, 2500]]), np.full((2, 2), 4000)
    found = changes(solved, tried)
    exact = stats.hypergeom(8000, 5000, 4000)
    assert found.p[0] == pytest.approx(exact.cdf(2400) - exact.pmf(2400) / 2, rel=0.02)
    assert found.p[1] == pytest.approx(0.5)
    huge = changes(np.full((2, 3), 1e15), np.full((2, 3), 10**15))
    assert huge.p.tolist() == [0.5] * 3


def test_s194_few_problems_are_called_lost_where_none_is():
    rng = np.random.default_rng(8)
    called = 0
    for _ in range(60):
        p = rng.random(200)
        called += changes(
            rng.binomial(10, p, (2, 200)).astype(float), np.full((2, 200), 10)
        ).clear.any()
    assert called / 60 <= 0.1
