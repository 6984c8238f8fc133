import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradatim import groups


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 5), st.integers(-3, 3)), max_size=40),
    kind=st.sampled_from([np.int64, np.float64, np.float32]),
    far=st.booleans(),
)
def test_order_is_a_stable_sort_by_group_and_value(rows, kind, far):
    code = np.array([c for c, _ in rows], int)
    values = np.array([v for _, v in rows]).astype(kind)
    if far:  # labels so large that group, value and row do not fit into one integer
        code = code * 2**58
    expected = sorted(range(len(rows)), key=lambda i: (code[i], values[i], i))
    assert groups.order(values, code).tolist() == expected
    of = np.zeros(len(rows), int)
    for i in range(len(rows)):
        of[i] = sum(code[j] == code[i] for j in expected[: expected.index(i)])
    assert groups.ranks(values, code).tolist() == of.tolist()


def test_order_of_integers_that_lie_far_apart():
    values = np.array([2**62, -(2**62), 0, 2**62])
    assert groups.order(values, np.zeros(4, int)).tolist() == [1, 2, 0, 3]
    # neighbours that are one and the same in float64
    close = np.array([2**60 + 1, 2**60])
    assert groups.order(close, np.zeros(2, int)).tolist() == [1, 0]


def test_negative_labels_are_sorted_too():
    assert groups.order(np.array([1.0, 0.0, 0.0]), np.array([0, 0, -4])).tolist() == [2, 1, 0]


def test_equal_values_have_that_mean_beside_any_offset():
    values, code = np.full(7, 1e6 + 0.1), np.array([0, 0, 0, 1, 1, 3, 3])
    assert groups.means(values, code, 4).tolist()[:2] == [1e6 + 0.1, 1e6 + 0.1]
    assert np.isnan(groups.means(values, code, 4)[2])
    assert groups.deviations(values, code, 4).tolist() == [0] * 7
    assert groups.spreads(values, code, 4).tolist() == [0] * 4
    assert groups.mixed(values, code, 4).tolist() == [False] * 4


def test_spread_is_the_sample_deviation():
    values, code = np.array([1.0, 2.0, 4.0, 5.0]), np.array([0, 0, 0, 1])
    got = groups.spreads(values, code, 2)
    assert got[0] == pytest.approx(np.std([1, 2, 4], ddof=1))
    assert got[1] == 0
