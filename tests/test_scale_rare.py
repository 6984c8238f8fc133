import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gradatim.scale.rare import (
    fit_task_law,
    passes_needed,
    predict_rate,
    rare_rate,
    rare_variance,
    tally_until,
)


def every_end(p, r, budget):
    """All ends of sampling until r passes or `budget` draws, with their chances."""
    k = np.arange(r, budget + 1)
    s = np.arange(r)
    passes = np.r_[np.full(len(k), r), s]
    draws = np.r_[k, np.full(r, budget)]
    return passes, draws, np.r_[stats.nbinom.pmf(k - r, r, p), stats.binom.pmf(s, budget, p)]


@pytest.mark.parametrize(
    ("p", "r", "naive"),
    [(0.02, 2, 0.0375), (1e-3, 3, 1.5e-3)],  # r/K has means p(1 + 1/(r-1)) less a little
)
def test_s243_is_unbiased_where_the_plain_share_is_not(p, r, naive):
    k = np.arange(r, int(60 / p))
    weight = stats.nbinom.pmf(k - r, r, p)
    found = rare_rate(np.full(len(k), r), k, r=r)
    assert weight @ found.value == pytest.approx(p, rel=1e-9)
    assert weight @ (r / k) == pytest.approx(naive, rel=5e-3)


def test_s243_simulated_at_one_in_a_thousand():
    rng = np.random.default_rng(0)
    for r, tolerance in ((3, 0.03), (10, 0.01)):
        draws = rng.negative_binomial(r, 1e-3, 100_000) + r
        mean = rare_rate(np.full(100_000, r), draws, r=r).value.mean()
        assert mean == pytest.approx(1e-3, rel=tolerance)  # errors: 1/sqrt(r-2)/sqrt(1e5)


@pytest.mark.parametrize(("p", "r", "budget"), [(0.3, 3, 8), (0.05, 2, 30), (0.01, 5, 200)])
def test_s243_is_unbiased_when_the_budget_ends_first(p, r, budget):
    passes, draws, weight = every_end(p, r, budget)
    assert weight.sum() == pytest.approx(1)
    found = rare_rate(passes, draws, r=r)
    assert weight @ found.value == pytest.approx(p, rel=1e-9)
    truth = weight @ found.value**2 - p**2
    assert weight @ rare_variance(passes, draws, r=r) == pytest.approx(truth, rel=1e-9)


@pytest.mark.parametrize("r", [2, 3, 8])
@pytest.mark.parametrize("p", [1e-3, 0.02, 0.3, 0.9])
def test_the_interval_covers_at_least_its_level(p, r):
    for budget in (40, 2000):
        passes, draws, weight = every_end(p, r, budget)
        found = rare_rate(passes, draws, r=r)
        covered = weight @ ((found.low <= p) & (p <= found.high))
        assert covered >= 0.95 - 1e-9
        assert np.all((found.low <= found.value) & (found.value <= found.high))


def test_the_interval_inverts_both_tails():
    # r = 3 in K = 50: at the low end 3 or more of 50 has chance .025, at the high end fewer than
    # 3 in 49 has
    found = rare_rate(np.array([3]), np.array([50]), r=3)
    assert stats.binom.sf(2, 50, found.low[0]) == pytest.approx(0.025)
    assert stats.binom.cdf(2, 49, found.high[0]) == pytest.approx(0.025)
    # censored: 1 of 200, as Clopper and Pearson
    found = rare_rate(np.array([1]), np.array([200]), r=3)
    reference = stats.binomtest(1, 200).proportion_ci(0.95, method="exact")
    np.testing.assert_allclose([found.low[0], found.high[0]], reference)


def test_the_ends():
    found = rare_rate(np.array([0, 4, 0, 4]), np.array([100, 4, 1, 10**12]), r=4)
    assert found.value.tolist() == [0, 1, 0, 3 / (10**12 - 1)]
    assert found.low[0] == 0
    assert found.high[0] == pytest.approx(1 - 0.025 ** (1 / 100))  # (1 - p)^100 = .025
    assert (found.high[1], found.high[2]) == (1, 1 - 0.025)
    assert found.low[1] == pytest.approx(0.025**0.25)  # p^4 = .025
    assert 0 < found.low[3] < found.value[3] < found.high[3] < 1e-11
    assert rare_variance(np.array([4]), np.array([4]), r=4)[0] == 0


@given(st.integers(2, 6), st.integers(1, 400), st.data())
def test_fewer_draws_never_mean_a_lower_rate(r, draws, data):
    passes = data.draw(st.integers(0, min(r, draws)))
    one = rare_rate(np.array([passes]), np.array([draws]), r=r)
    more = rare_rate(np.array([passes]), np.array([draws + 1]), r=r)
    for a, b in ((one.value, more.value), (one.low, more.low), (one.high, more.high)):
        assert a[0] >= b[0] - 1e-12


def test_r_sets_the_relative_error():
    # exact relative sd at p = 1e-3: 1 / sqrt(r - 2) to 1%
    for r in (3, 6, 18):
        k = np.arange(r, 60_000)
        weight = stats.nbinom.pmf(k - r, r, 1e-3)
        value = rare_rate(np.full(len(k), r), k, r=r).value
        sd = np.sqrt(weight @ value**2 - 1e-6) / 1e-3
        assert sd == pytest.approx((r - 2) ** -0.5, rel=0.02)
    assert [passes_needed(e) for e in (1.0, 0.5, 0.25, 0.1)] == [3, 6, 18, 102]


def test_the_tally_stops_at_the_rth_pass_or_the_budget():
    #         problem 0: 0 1 0 1 | 1      problem 1: 0 0 0 (budget 4: open)   problem 2: 0 0 1 0 | 1
    solved = np.array([0, 1, 0, 1, 1, 0, 0, 0, 0, 0, 1, 0, 1])
    problem = np.array([0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2])
    mixed = np.random.default_rng(0).permutation(13)
    mixed = mixed[np.argsort(problem[mixed], kind="stable")]
    mixed = np.sort(mixed)  # the order of a problem's attempts is kept, problems interleave
    found = tally_until(solved[mixed], problem[mixed], r=2, n_problems=4, budget=4)
    assert found.passes.tolist() == [2, 0, 1, 0]
    assert found.draws.tolist() == [4, 3, 4, 0]
    assert found.done.tolist() == [True, False, False, False]
    assert found.open.tolist() == [False, True, False, True]


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=60), st.integers(1, 4))
def test_the_tally_does_what_a_loop_does(rows, r):
    passes, draws = [0] * 4, [0] * 4
    for problem, hit in rows:
        if passes[problem] < r and draws[problem] < 7:
            passes[problem] += hit
            draws[problem] += 1
    solved = np.array([hit for _, hit in rows], dtype=int)
    code = np.array([problem for problem, _ in rows], dtype=int)
    found = tally_until(solved, code, r=r, n_problems=4, budget=7)
    assert found.passes.tolist() == passes
    assert found.draws.tolist() == draws


def family(rng, size, r, budget=None):
    """Counts until r passes on a synthetic family: p = exp(-9 (size / 1e6)^-.35)."""
    p = np.exp(-9 * (size / 1e6) ** -0.35)
    draws = rng.negative_binomial(r, p) + r
    if budget is None:
        return np.full(len(size), r), draws, p
    short = draws > budget
    passes = np.where(short, 0, r)
    passes[short] = np.minimum(rng.binomial(budget, p[short]), r - 1)
    return passes, np.minimum(draws, budget), p


def test_s243_extrapolates_a_synthetic_family_within_5_percent():
    # six sizes from 1e6 (p = 1.2e-4) to 3e7 (.06), asked for 1e8 (.17) with r = 400 passes each
    size, target = np.geomspace(1e6, 3e7, 6), np.array([1e8])
    truth = np.exp(-9 * 100**-0.35)
    rng, errors, covered = np.random.default_rng(1), [], []
    for _ in range(200):
        passes, draws, _ = family(rng, size, 400)
        found = predict_rate(fit_task_law(size, passes, draws), target)
        errors.append(found.value[0] / truth - 1)
        covered.append(found.low[0] <= truth <= found.high[0])
    assert abs(np.mean(errors)) < 0.01
    assert np.sqrt(np.mean(np.square(errors))) < 0.05
    assert 0.91 < np.mean(covered) < 0.99


def test_the_law_takes_points_whose_budget_ended_first():
    size = np.geomspace(1e6, 3e7, 8)
    rng, alphas, covered, zeros = np.random.default_rng(2), [], [], 0
    for _ in range(200):
        passes, draws, _ = family(rng, size, 30, budget=3000)
        zeros += (passes == 0).sum()
        law = fit_task_law(size, passes, draws)
        alphas.append(law.alpha)
        found = predict_rate(law, np.array([1e8]))
        covered.append(found.low[0] <= np.exp(-9 * 100**-0.35) <= found.high[0])
    assert zeros > 50
    assert np.mean(alphas) == pytest.approx(0.35, abs=0.01)
    assert 0.91 < np.mean(covered) < 0.99


def test_scatter_beyond_the_counts_widens_the_interval():
    size = np.geomspace(1, 100, 6)
    p = np.exp(-5 * size**-0.3 * np.exp([0.2, -0.2, 0.2, -0.2, 0.2, -0.2]))
    law = fit_task_law(size, 10_000 * p, np.full(6, 10_000))
    assert law.dispersion > 10
    exact = fit_task_law(size, 10_000 * np.exp(-5 * size**-0.3), np.full(6, 10_000))
    assert exact.dispersion == 1
    assert (exact.alpha, exact.log_c) == pytest.approx((0.3, np.log(5)), abs=1e-6)
    wide, narrow = (predict_rate(x, np.array([1000.0])) for x in (law, exact))
    assert wide.high[0] - wide.low[0] > 5 * (narrow.high[0] - narrow.low[0])


def test_counts_at_the_edge_give_no_nan():
    law = fit_task_law(np.array([1.0, 2]), np.array([0, 50]), np.array([50, 50]))
    assert not law.converged  # no pass, then nothing but passes: any steep law will do
    law = fit_task_law(np.array([1.0, 10, 100]), np.array([0, 0, 1]), np.array([9, 9, 9]))
    found = predict_rate(law, np.array([1e-200, 1.0, 1e300]))
    assert np.isfinite([found.value, found.low, found.high]).all()


def test_errors_say_what_and_why():
    with pytest.raises(ValueError, match=r"`r` must lie in \[2, inf\], got 1"):
        rare_rate(np.array([1]), np.array([5]), r=1)
    with pytest.raises(ValueError, match=r"`passes / r` must lie in \[0, 1\], got 1.33"):
        rare_rate(np.array([4]), np.array([5]), r=3)
    with pytest.raises(ValueError, match="`passes / draws` must lie"):
        rare_rate(np.array([3]), np.array([2]), r=3)
    with pytest.raises(ValueError, match="`passes` must be whole"):
        rare_rate(np.array([1.5]), np.array([9]), r=3)
    with pytest.raises(ValueError, match="needs a threshold"):
        tally_until(np.array([0.4]), np.array([0]), r=2, n_problems=1)
    with pytest.raises(ValueError, match="at least two different sizes"):
        fit_task_law(np.array([5.0, 5.0]), np.array([1, 2]), np.array([9, 9]))
    with pytest.raises(ValueError, match="no attempt passes at any size"):
        fit_task_law(np.array([1.0, 2]), np.array([0, 0]), np.array([9, 9]))
    with pytest.raises(ValueError, match="every attempt passes"):
        fit_task_law(np.array([1.0, 2]), np.array([9, 9]), np.array([9, 9]))
    empty = rare_rate(np.array([]), np.array([]), r=3)
    assert len(empty.value) == len(empty.low) == 0
