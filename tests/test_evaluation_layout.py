"""Layouts of a prompt: accuracy change, flips, and what attempts flip by themselves."""

import numpy as np
import pytest
from scipy import stats

from gradatim.errors import ArgumentError
from gradatim.evaluation.layout import layout_effects, spread_of_layouts


def counts(rng, *, attempts=4, change=0.0, own=0.0, items=300):
    """(4 layouts, item) right of `attempts`: chances that differ by layout and by item."""
    base = rng.normal(0, 1.5, items)
    shift = -change * np.arange(4)[:, None] + own * rng.normal(size=(4, items))
    return rng.binomial(attempts, 1 / (1 + np.exp(-base - shift)))


def test_both_metrics_by_hand_with_paired_intervals():
    right = np.array([[1, 1, 1, 0, 0, 1, 0, 1], [1, 0, 1, 0, 1, 1, 0, 1], [0, 0, 1, 0, 0, 1, 0, 0]])
    found = layout_effects(right)
    assert found.accuracy.value.tolist() == [5 / 8, 5 / 8, 2 / 8]
    assert found.change.value.tolist() == [0, 0, -3 / 8]
    assert found.flips.value.tolist() == [0, 2 / 8, 3 / 8]
    test = stats.ttest_rel(right[2], right[0]).confidence_interval()
    assert (found.change.low[2], found.change.high[2]) == pytest.approx(tuple(test))
    assert np.isnan(found.own)
    said = np.array([list("abcd"), list("abce"), list("xyzd")])
    answers = layout_effects(np.array([[1, 0, 0, 0]] * 3), said=said, reference=1)
    assert answers.flips.value.tolist() == [1 / 4, 0, 1.0]  # other wrong answers count


def test_s089_four_layouts_report_both_metrics_and_flag_what_is_unstable():
    rng = np.random.default_rng(0)
    still = layout_effects(counts(rng), np.full((4, 300), 4))
    assert not still.unstable.any()
    assert still.flips.value[1:].min() > 0.2  # of chance alone, and known as such:
    assert np.abs(still.excess.value).max() < 0.03
    moved = layout_effects(counts(rng, change=0.5), np.full((4, 300), 4))
    assert moved.unstable.tolist() == [False, True, True, True]
    assert moved.p_value < 1e-6
    assert moved.change.value[3] < moved.change.value[1] < 0
    turned = layout_effects(counts(rng, own=2.5), np.full((4, 300), 4))
    assert turned.unstable.tolist() == [False, True, True, True]
    assert turned.excess.low[1:].min() > 0.05
    assert np.abs(turned.change.value).max() < 0.1  # accuracy alone would have missed it


def test_a_layout_without_effect_is_covered_and_seldom_flagged():
    rng = np.random.default_rng(1)
    change, excess, alarms = [], [], []
    for _ in range(300):
        found = layout_effects(counts(rng, attempts=2, items=100), np.full((4, 100), 2))
        change.append((found.change.low <= 0) & (found.change.high >= 0))
        excess.append((found.excess.low <= 0) & (found.excess.high >= 0))
        alarms.append(found.p_value < 0.05)
    assert np.mean(np.array(change)[:, 1:]) == pytest.approx(0.95, abs=0.02)
    assert np.mean(np.array(excess)[:, 1:]) == pytest.approx(0.95, abs=0.02)
    assert 0.02 < np.mean(alarms) < 0.08


def test_what_cannot_be_is_refused():
    with pytest.raises(ArgumentError, match="two layouts"):
        layout_effects(np.ones((1, 5)))
    with pytest.raises(ArgumentError, match="`tried`"):
        layout_effects(np.ones((2, 5)), np.zeros((2, 5)))
    with pytest.raises(ArgumentError, match="`rate`"):
        layout_effects(np.full((2, 5), 3.0))
    assert spread_of_layouts(np.array([0.5, 0.7])).n == 2
