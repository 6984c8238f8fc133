import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gradatim.errors import ArgumentError
from gradatim.evaluation import curves

COST = np.array([0, 100, 200, 300, 400])


def test_reach_by_hand():
    # .30 and .26 pool to .28; between 100 (.2) and 200 (.28) the height .24 lies half way
    height = np.array([0.1, 0.2, 0.30, 0.26, 0.5])
    assert curves.rising(height).tolist() == pytest.approx([0.1, 0.2, 0.28, 0.28, 0.5])
    assert curves.reach(COST, height, 0.24) == pytest.approx(150)
    assert curves.reach(COST, height, 0.05) == 0
    assert curves.reach(COST, height, 0.5) == 400
    assert curves.reach(COST, height, 0.51) == np.inf


def test_a_lucky_point_does_not_count_as_reached():
    height = np.array([0.1, 0.5, 0.1, 0.1, 0.1])
    assert curves.reach(COST, height, 0.5) == np.inf


def test_area_is_the_mean_height():
    assert curves.area(COST, np.full(5, 0.3)) == pytest.approx(0.3)
    assert curves.area(np.array([0, 1, 10]), np.array([0.0, 0, 1])) == pytest.approx(0.45)


def test_differences_are_those_of_a_paired_t_test():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.3, 1, 15), rng.normal(0, 1, 15)
    found = curves.mean_difference(a, b)
    low, high = stats.ttest_rel(a, b).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((low, high))
    one = curves.mean_difference(a[:1], b[:1])
    assert (one.low, one.high) == (-np.inf, np.inf)
    with pytest.raises(ArgumentError, match="at least one pair, got none"):
        curves.mean_difference(a[:0], b[:0])
    with pytest.raises(ArgumentError, match="axis 'pair'"):
        curves.mean_difference(a, b[:3])


def test_ratios_multiply():
    first, second = np.array([50.0, 80, 20]), np.array([100.0, 100, 100])
    found = curves.mean_ratio(first, second, 100).estimate
    assert found.value == pytest.approx(np.exp(np.log(first / second).mean()))
    turned = curves.mean_ratio(second, first, 100).estimate
    assert (turned.low, turned.high) == pytest.approx((1 / found.high, 1 / found.low))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.floats(0, 1))
def test_higher_targets_cost_no_less(height, target):
    height, cost = np.array(height), np.arange(len(height))
    fit = curves.rising(height)
    assert (np.diff(fit) >= -1e-12).all()
    assert fit.mean() == pytest.approx(height.mean())
    assert curves.reach(cost, height, target) <= curves.reach(cost, height, target + 0.1)
