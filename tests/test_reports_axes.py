"""Axes and marks: hand-worked positions, outside references, hard inputs."""

import itertools
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from gradatim.reports import axes as ax
from gradatim.reports import marks
from gradatim.reports.axes import Axis, Frame, Key

FRAME = Frame(left=100, top=10, width=200, height=50, x0=0, x1=4, y0=-1, y1=1)
SIZES = st.floats(-1e12, 1e12)


def test_positions():
    # x: 100 + 200 * 1 / 4 = 150; y: top + (1 - (0.5 + 1) / 2) * 50 = 10 + 12.5
    assert ax.across(FRAME, 1) == 150
    assert ax.down(FRAME, 0.5) == 22.5
    # outside the domain: on the edge
    assert list(ax.across(FRAME, [-9, 9])) == [100, 300]
    assert list(ax.down(FRAME, [-9, 9])) == [60, 10]


@given(SIZES, SIZES, st.integers(1, 12))
def test_ticks_are_round_inside_and_about_as_many(low, high, n):
    low, high = min(low, high), max(low, high)
    found = ax.ticks(low, high, n)
    if high - low > 1e-6 * max(abs(low), abs(high), 1e-3):
        # the step is within a factor of sqrt(2.5) of (high - low) / n
        assert len(found) <= 1.6 * n + 2
        reach = 1e-8 * max(abs(low), abs(high), 1e-9)
        assert all(low - reach <= t <= high + reach for t in found)
        assert all(b > a for a, b in itertools.pairwise(found))


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=8))
def test_domain_holds_every_finite_value_and_is_never_empty(values):
    low, high = ax.domain(values, None)
    assert -np.inf < low < high < np.inf
    usual = [v for v in values if abs(v) < 1e300]
    assert all(low <= v <= high for v in usual)


def test_legend_wraps_and_grows():
    keys = [Key(f"solver number {i}", i) for i in range(6)]
    one, small = ax.legend(keys, width=2000)
    many, tall = ax.legend(keys, width=200)
    assert small == 28
    assert tall == 6 * 20 + 8
    for text in (one, many):
        assert len(ET.fromstring(f"<g>{text}</g>").findall("text")) == 6
    assert ax.legend([], width=100) == ("", 0.0)


def test_axes_write_names_ticks_and_title():
    text = ax.axes(FRAME, Axis("items", at=[0, 2]), Axis("error (logits)"), title="A")
    said = [t.text for t in ET.fromstring(f"<g>{text}</g>").findall("text")]
    assert {"items", "error (logits)", "A", "0", "2"} <= set(said)


@pytest.mark.parametrize("n", range(1, 40))
def test_interval_of_the_median_is_the_textbook_one(n):
    values = np.random.default_rng(n).permutation(np.arange(1.0, n + 1))
    median, low, high = marks.median_interval(values)
    assert median == (n + 1) / 2
    assert low + high == n + 1  # symmetric ranks
    covered = 1 - 2 * binom.cdf(low - 1, n, 0.5)
    wider = 1 - 2 * binom.cdf(low, n, 0.5)
    if n >= 6:
        assert covered >= 0.95 > wider
    else:
        assert (low, high) == (1, n)


def test_interval_of_the_median_leaves_nan_out():
    assert marks.median_interval(np.array([np.nan, 2.0])) == (2.0, 2.0, 2.0)
    assert np.isnan(marks.median_interval(np.array([]))).all()


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=400), st.integers(2, 60))
def test_thinned_lines_keep_ends_and_extremes(values, most):
    y = np.array(values)
    kept = marks.extremes(y, most)
    assert len(kept) <= max(len(y) if len(y) <= most else 0, most + 2)
    assert kept[0] == 0
    assert kept[-1] == len(y) - 1
    assert y[kept].min() == y.min()
    assert y[kept].max() == y.max()


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=40), st.integers(0, 4))
def test_running_mean_against_a_loop(values, half):
    y = np.array(values)
    plain = [np.mean(y[max(0, i - half) : i + half + 1]) for i in range(len(y))]
    np.testing.assert_allclose(marks.smooth(y, 2 * half + 1), plain, atol=1e-9)


def test_running_mean_leaves_nan_out():
    out = marks.smooth(np.array([1.0, np.nan, 3.0, np.nan, np.nan, np.nan]), 3)
    np.testing.assert_allclose(out, [1, 2, 3, 3, np.nan, np.nan])


def test_line_breaks_at_nan_and_shows_a_lone_point():
    text = marks.line(FRAME, [0, 1, 2, 3], [0, np.nan, 0, 1])
    paths = ET.fromstring(f"<g>{text}</g>").findall("path")
    assert [p.get("d") for p in paths] == ["M100 35M200 35L250 10", "M100 35h0"]
    assert marks.line(FRAME, [], []) == ""
    assert marks.line(FRAME, [1], [np.nan]) == ""


def test_many_dots_are_small():
    n = 4000
    text = marks.dots(np.linspace(0, 999, n), np.linspace(0, 99, n))
    assert len(text) < 20 * n
    assert text.count("h0") == n


def test_intervals_leave_unknown_ends_out():
    assert marks.interval([1.0], [np.nan], [2.0]) == ""
    assert 'd="M5 1v2"' in marks.interval([5.0], [1.0], [3.0])
    assert 'd="M1 5h2"' in marks.interval([5.0], [1.0], [3.0], level=True)


def test_histogram_has_its_tallest_bar_at_the_given_height():
    values = np.array([0.5] * 7 + [3.5] * 2 + [np.nan])
    text = marks.hills(FRAME, values, base=60, height=49, bins=4)
    tops = [float(v) for v in re.findall(r"V([\d.]+)H", text)]
    assert tops == [11, 60, 60, 46]  # 60 - 49 * (7, 0, 0, 2) / 7
    assert marks.hills(FRAME, np.array([np.nan]), base=60, height=49) == ""


def test_scatter_stays_inside_and_is_the_same_twice():
    x = marks.spread(1000, 8.0)
    assert np.abs(x).max() <= 4
    assert len(np.unique(x)) == 1000
    np.testing.assert_array_equal(x[:10], marks.spread(10, 8.0))
