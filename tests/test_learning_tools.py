import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradatim.errors import ArgumentError
from gradatim.learning.tools import choose_lessons, easy_enough, tool_usage

FLAGS = st.lists(st.booleans(), min_size=1, max_size=30).map(lambda x: np.array(x, dtype=bool))


def test_the_split_by_hand():
    solved, tried = np.array([0, 1, 4, 7, 8]), np.full(5, 8)
    assert easy_enough(solved, tried).tolist() == [False, False, True, True, True]
    assert easy_enough(solved, tried, threshold=1).tolist() == [False] * 4 + [True]
    assert easy_enough(solved[:0], tried[:0]).tolist() == []


@given(easy=FLAGS)
def test_every_problem_is_taught_without_the_tool_and_by_its_kind_with_it(easy):
    found = choose_lessons(easy)
    plain = ~found.offered
    assert found.problem[plain].tolist() == list(range(len(easy)))
    assert not found.call[plain].any()
    assert (found.call[found.offered] == ~easy[found.problem[found.offered]]).all()
    calls, answers = found.call.sum(), (found.offered & ~found.call).sum()
    few, many = sorted((int(easy.sum()), int((~easy).sum())))
    # the rarer kind is within one copy of the other
    assert max(calls, answers) == many
    assert min(calls, answers) == (many // few * few if few else 0)
    once = choose_lessons(easy, balance=False)
    assert len(once.problem) == 2 * len(easy)


def test_usage_by_hand():
    easy = np.array([1, 1, 1, 1, 0, 0], dtype=bool)
    called = np.array([1, 0, 0, 0, 1, 1], dtype=bool)
    found = tool_usage(called, easy)
    assert (found.easy.value, found.hard.value) == (0.25, 1.0)
    assert found.precision.value == pytest.approx(2 / 3)
    assert (found.easy.n, found.hard.n, found.precision.n) == (4, 2, 3)
    assert found.accuracy == pytest.approx((0.75 + 1) / 2)  # a/(a+b) = 3/4, c/(c+d) = 2/2
    assert tool_usage(np.ones(6, bool), easy).accuracy == 0.5  # always a call is no choice
    never = tool_usage(np.zeros(6, bool), easy)
    assert never.accuracy == 0.5
    assert never.precision.n == 0
    assert np.isnan(never.precision.value)
    assert np.isnan(tool_usage(called[:4], easy[:4]).accuracy)


@given(easy=FLAGS, seed=st.integers(0, 9))
def test_calling_the_opposite_mirrors_the_accuracy(easy, seed):
    called = np.random.default_rng(seed).random(len(easy)) < 0.5
    one, other = tool_usage(called, easy).accuracy, tool_usage(~called, easy).accuracy
    np.testing.assert_allclose(one + other, 1.0 if 0 < easy.sum() < len(easy) else np.nan)


def test_mistakes_are_named():
    with pytest.raises(ArgumentError, match="`tried` must lie"):
        easy_enough(np.array([0]), np.array([0]))
    with pytest.raises(ArgumentError, match="`wrong` must lie"):
        easy_enough(np.array([3]), np.array([2]))
    with pytest.raises(ArgumentError, match="`solved` must lie"):
        easy_enough(np.array([np.nan]), np.array([2]))
    with pytest.raises(ArgumentError, match="`threshold` must lie"):
        easy_enough(np.array([1]), np.array([2]), threshold=0)
    with pytest.raises(ArgumentError, match="`threshold` must lie"):
        easy_enough(np.array([1]), np.array([2]), threshold=1.5)
    with pytest.raises(ArgumentError, match="axis 'problem'"):
        easy_enough(np.array([1]), np.array([2, 2]))
    with pytest.raises(ArgumentError, match="`easy` must be bool, got int64"):
        choose_lessons(np.array([1, 0]))
    with pytest.raises(ArgumentError, match="must be bool, got int64, bool"):
        tool_usage(np.array([1]), np.array([True]))
