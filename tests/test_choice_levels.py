import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gradatim.choice.levels import SHORT, draw_levels, quotas
from gradatim.scale.grades import grade_levels

shares = st.lists(st.integers(0, 9), min_size=1, max_size=6).filter(any)


def draw(level, share, size, seed=0, **options):
    rng = np.random.default_rng(seed)
    return draw_levels(np.asarray(level), np.asarray(share), size, rng=rng, **options)


def test_s001_the_drawn_set_matches_the_wanted_histogram():
    rng = np.random.default_rng(0)
    for seed in range(20):
        k = rng.binomial(8, rng.beta(0.6, 0.8, 4000))
        level = grade_levels(k, np.full(4000, 8)).level
        share = rng.dirichlet(np.full(5, 2.0))
        found = draw(level, share, 500, seed=seed)
        observed = np.bincount(level[found.chosen], minlength=6)[1:]
        assert stats.chisquare(observed, 500 * share).pvalue > 0.05
        assert found.p == pytest.approx(stats.chisquare(observed, 500 * share).pvalue)
        assert not found.short.any()


def test_s001_a_plain_draw_does_not_match():
    rng = np.random.default_rng(1)
    level = rng.choice([1, 2, 3, 4, 5], 4000, p=[0.5, 0.1, 0.1, 0.1, 0.2])
    plain = np.bincount(level[rng.choice(4000, 500)], minlength=6)[1:]
    assert stats.chisquare(plain, np.full(5, 100.0)).pvalue < 1e-6
    assert draw(level, np.ones(5), 500).p > 0.99


def test_quotas_by_hand():
    # 10 in shares 5 3 1 of 9: 5.56 3.33 1.11 -> 5 3 1, and the one left to .56
    assert quotas(np.array([5, 3, 1]), 10).tolist() == [6, 3, 1]
    assert quotas(np.array([0.0, 2, 2]), 3).tolist() == [0, 2, 1]
    assert quotas(np.array([0.1, 0.2, 0.7]), 10).tolist() == [1, 2, 7]
    assert quotas(np.array([1.0]), 0).tolist() == [0]


@given(shares, st.integers(0, 10**6))
def test_quotas_add_up_and_are_within_one(share, size):
    found = quotas(np.array(share), size)
    exact = np.array(share) / sum(share) * size
    assert found.sum() == size
    assert np.all(np.abs(found - exact) < 1 + 1e-6)
    assert not found[np.array(share) == 0].any()


POOL = [1] * 50 + [2] * 4 + [3] * 50 + [4] * 50  # level 2 has 4; 10 are wanted of each


def test_shortages_are_treated_as_said_and_reported():
    # spread: level 2 gives its 4, the other 36 are 12 a level
    found = draw(POOL, [1, 1, 1, 1], 40)
    assert found.wanted.tolist() == [10, 10, 10, 10]
    assert found.short.tolist() == [0, 6, 0, 0]
    assert found.drawn.tolist() == [12, 4, 12, 12]
    assert found.had.tolist() == [50, 4, 50, 50]
    # chi-square: 3 x 2^2 / 10 + 6^2 / 10 = 4.8 with 3 degrees of freedom
    assert found.p == pytest.approx(stats.chi2.sf(4.8, 3))
    # nearest: the 6 come from level 1
    assert draw(POOL, [1, 1, 1, 1], 40, short="nearest").drawn.tolist() == [16, 4, 10, 10]
    # fewer: 17 has quotas 5 4 4 4; 18 would want 5 5 4 4
    found = draw(POOL, [1, 1, 1, 1], 40, short="fewer")
    assert found.drawn.tolist() == [5, 4, 4, 4]
    assert found.p > 0.9


def test_a_level_that_nobody_wanted_is_taken_only_by_nearest():
    level = [1] * 3 + [2] * 9
    assert draw(level, [1, 0], 5).drawn.tolist() == [3, 0]
    found = draw(level, [1, 0], 5, short="nearest")
    assert found.drawn.tolist() == [3, 2]
    assert found.p == 0


@given(st.lists(st.integers(0, 5), max_size=60), shares, st.integers(0, 80), st.sampled_from(SHORT))
def test_every_draw_keeps_the_contract(level, share, size, short):
    level = np.minimum(level, len(share)).astype(int)
    found = draw(level, share, size, short=short)
    observed = np.bincount(level[found.chosen], minlength=len(share) + 1)
    assert len(set(found.chosen.tolist())) == len(found.chosen) <= size
    assert observed[0] == 0
    assert np.array_equal(observed[1:], found.drawn)
    assert np.all(found.drawn <= found.had)
    if not found.short.any():
        assert np.array_equal(found.drawn, found.wanted)
    elif short == "spread":
        wanted = np.array(share) > 0
        assert found.drawn.sum() == min(size, found.had[wanted].sum())
    elif short == "nearest":
        assert found.drawn.sum() == min(size, found.had.sum())


def test_each_problem_of_a_level_is_as_likely():
    level = np.repeat([1, 2], [10, 30])
    rng = np.random.default_rng(2)
    count = np.zeros(40)
    for _ in range(2000):
        count[draw_levels(level, np.array([1, 1]), 10, rng=rng).chosen] += 1
    assert stats.chisquare(count[:10]).pvalue > 0.001
    assert stats.chisquare(count[10:]).pvalue > 0.001
    assert count[:10].sum() == 10_000


def test_the_same_seed_draws_the_same_set():
    a, b, c = (draw(POOL, [1, 1, 1, 1], 20, seed=s).chosen.tolist() for s in (3, 3, 4))
    assert a == b != c


def test_errors_say_what():
    with pytest.raises(ValueError, match=r"`level` must lie in \[0, 2\], got 3"):
        draw([3], [1, 1], 1)
    with pytest.raises(ValueError, match="no level is asked for"):
        draw([1], [0, 0], 1)
    with pytest.raises(ValueError, match="`share` must be finite"):
        draw([1], [np.nan, 1], 1)
    with pytest.raises(ValueError, match="`short` must be one of fewer, nearest, spread"):
        draw([1], [1], 1, short="least")
