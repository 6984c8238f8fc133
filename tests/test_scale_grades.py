import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from gradatim.scale.grades import VERDICTS, grade_levels, grade_scores, keep_varied, stages


def words(spread, **options):
    return [VERDICTS[i] for i in keep_varied(spread, **options)]


def test_s028_reproduces_the_worked_example():
    # scores .9 .1 .7 .3 .5: mean .5, squares .16 .16 .04 .04 0 = .4
    # divided by 5: sd .2828, CV .5657; divided by 4: sd .3162 (the .32 of the paper), CV .6325
    score, problem = np.array([0.9, 0.1, 0.7, 0.3, 0.5]), np.zeros(5, dtype=int)
    for ddof, sd in ((0, 0.2828427), (1, 0.3162278)):
        found = grade_scores(score, problem, n_problems=1, ddof=ddof, threshold=0.6)
        assert found.mean[0] == pytest.approx(0.5)
        assert found.cv[0] * found.mean[0] == pytest.approx(sd, abs=1e-7)
        assert found.rate.value[0] == pytest.approx(0.4)


def test_s028_filters_as_computed_by_hand():
    # two models, two passes each
    # problem 0: a 1 1, b 1 1 -> rate 1, CV 0; 1: a 0 0, b 0 0 -> 0; 2: a 1 0, b 0 0 -> 1/4,
    # mean .25, variance .1875, CV sqrt(.1875) / .25 = 1.7321; 3: a 1 1, b 1 0 -> 3/4, CV .5774
    score = np.array([1, 1, 1, 1, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 0], dtype=float)
    problem, model = np.repeat(np.arange(4), 4), np.tile([*"aabb"], 4)
    found = grade_scores(score, problem, n_problems=4, model=model)
    np.testing.assert_allclose(found.rate.value, [1, 0, 0.25, 0.75])
    np.testing.assert_allclose(found.of_model, [[1, 0, 0.5, 1], [1, 0, 0, 0.5]])
    np.testing.assert_allclose(found.cv, [0, np.inf, 1.7320508, 0.5773503])
    assert words(found) == ["always_right", "never_right", "kept", "kept"]
    assert words(found, least_cv=0.6) == ["always_right", "never_right", "kept", "steady"]
    out = keep_varied(found) > 0
    variance = np.array([score[problem == i].var() for i in range(4)])
    assert not variance[out].any()  # what is left out has no variance
    assert variance[~out].all()
    stage = stages(found.cv, ~out, n_stages=2)
    assert stage.tolist() == [0, 0, 2, 1]  # the hard one last


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=60))
def test_s028_left_out_problems_have_zero_variance(rows):
    problem = np.array([i for i, _ in rows], dtype=int)
    score = np.array([float(s) for _, s in rows])
    found = grade_scores(score, problem, n_problems=6)
    for i, verdict in enumerate(words(found)):
        mine = score[problem == i]
        assert (verdict == "kept") == (len(mine) > 0 and mine.var() > 0)
        assert (verdict == "untried") == (len(mine) == 0)
        if verdict == "kept":  # for scores of 0 and 1
            assert found.cv[i] == pytest.approx(np.sqrt((1 - mine.mean()) / mine.mean()))


@given(
    st.lists(st.floats(0.01, 1), min_size=2, max_size=9),
    st.floats(0.1, 10),
    st.integers(0, 1),
)
def test_the_cv_does_not_depend_on_the_scale_or_the_order(scores, scale, ddof):
    score, problem = np.array(scores), np.zeros(len(scores), dtype=int)
    a = grade_scores(score, problem, n_problems=1, ddof=ddof)
    b = grade_scores(scale * score[::-1], problem, n_problems=1, ddof=ddof)
    assert a.cv[0] == pytest.approx(score.std(ddof=ddof) / score.mean(), rel=1e-6, abs=1e-9)
    assert b.cv[0] == pytest.approx(a.cv[0], rel=1e-6, abs=1e-9)


def test_equal_scores_have_no_spread_at_all():
    found = grade_scores(np.full(7, 0.1), np.zeros(7, dtype=int), n_problems=1, threshold=0.05)
    assert found.cv[0] == 0
    assert words(found) == ["always_right"]
    assert words(grade_scores(np.full(7, 0.1), np.zeros(7, dtype=int), n_problems=1)) == [
        "never_right"
    ]


def test_each_model_has_the_same_say():
    # a solves 8 of 8, b 0 of 2: one half, not .8; mean .5, so sd .5 and CV 1
    score = np.r_[np.ones(8), np.zeros(2)]
    model = np.r_[np.zeros(8), np.ones(2)]
    found = grade_scores(score, np.zeros(10, dtype=int), n_problems=1, model=model)
    assert found.rate.value[0] == pytest.approx(0.5)
    assert found.cv[0] == pytest.approx(1)
    assert found.rate.n[0] == 10


def test_nothing_to_grade_is_nan_and_left_out():
    found = grade_scores(np.zeros(0), np.zeros(0, dtype=int), n_problems=3)
    assert words(found) == ["untried"] * 3
    assert np.isnan(found.cv).all()
    assert np.isnan(found.rate.high).all()
    assert stages(found.cv, np.zeros(3, dtype=bool)).tolist() == [0, 0, 0]


@given(st.lists(st.floats(0, 5), min_size=1, max_size=40), st.integers(1, 6))
def test_stages_are_even_and_in_order(difficulty, n_stages):
    difficulty = np.array(difficulty)
    found = stages(difficulty, np.ones(len(difficulty), dtype=bool), n_stages=n_stages)
    sizes = np.bincount(found, minlength=n_stages + 1)[1:]
    assert sizes.sum() == len(difficulty)
    assert sizes.max() - sizes.min() <= 1
    for stage in range(1, n_stages):
        if (found > stage).any() and (found <= stage).any():
            assert difficulty[found <= stage].max() <= difficulty[found > stage].min()


def test_s001_two_models_give_different_grades():
    # the same 400 problems; model a is good where b is not
    rng = np.random.default_rng(0)
    skill = rng.normal(size=(2, 400)) + np.array([[0.8], [-0.8]])
    k = rng.binomial(16, special.expit(1.5 * skill))
    n = np.full(400, 16)
    a, b = (grade_levels(k[i], n).level for i in range(2))
    assert np.mean(a != b) > 0.5
    assert a.mean() < b.mean()  # a finds them easier
    assert np.array_equal(a, grade_levels(k[0], n).level)


def test_levels_by_hand():
    # of 10: 10 9 8 | 7 6 | 5 4 | 3 2 | 1 0, edges belong to the easier level
    found = grade_levels(np.arange(10, -1, -1), np.full(11, 10))
    assert found.level.tolist() == [1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    two = grade_levels(np.array([0, 1, 3]), np.array([3, 3, 3]), edges=(1.0,))
    assert two.level.tolist() == [2, 2, 1]


@given(st.integers(1, 64), st.data())
def test_levels_fall_with_the_pass_rate_and_lie_in_their_interval(n, data):
    k = np.sort(data.draw(st.lists(st.integers(0, n), min_size=1, max_size=9)))
    for shrunk in (False, True):
        found = grade_levels(k, np.full(len(k), n), shrunk=shrunk)
        assert np.all(np.diff(found.level) <= 0)
        assert np.all((found.low <= found.level) & (found.level <= found.high))
        assert np.all((found.low >= 1) & (found.high <= 5))


def test_shrunken_levels_are_right_more_often():
    rng = np.random.default_rng(1)
    p = rng.beta(2, 2, 5000)
    n = np.full(5000, 4)
    k = rng.binomial(n, p)
    true = grade_levels(1e6 * p, np.full(5000, 1e6)).level
    plain, shrunk = (grade_levels(k, n, shrunk=s) for s in (False, True))
    off = [np.abs(found.level - true).mean() for found in (plain, shrunk)]
    assert off[1] < off[0]
    assert np.mean((plain.low <= true) & (true <= plain.high)) > 0.93


def test_errors_say_what():
    one = np.zeros(1, dtype=int)
    with pytest.raises(ValueError, match="`score` must be finite"):
        grade_scores(np.array([np.nan]), one, n_problems=1)
    with pytest.raises(ValueError, match=r"`problem` must lie in \[0, 1\], got 2"):
        grade_scores(np.array([1.0]), one + 2, n_problems=2)
    with pytest.raises(ValueError, match=r"`score` must lie in \[0, inf\]"):
        grade_scores(np.array([-1.0]), one, n_problems=1)
    with pytest.raises(ValueError, match="`edges` must fall"):
        grade_levels(one, one + 1, edges=(0.2, 0.8))
    with pytest.raises(ValueError, match="`difficulty` must be known"):
        stages(np.array([np.nan]), np.array([True]))
