"""Requested against realised: slopes with errors by hand, drift, displacement."""

import numpy as np
import pytest
from scipy import stats

from gradatim.errors import ArgumentError
from gradatim.evaluation.steering import displacement, steering

ASKED = np.tile([0.2, 0.35, 0.5, 0.65, 0.8], 4)
FAMILY = np.repeat(["a", "b", "c", "d"], 5)


def test_s130_slope_bias_and_drift():
    rng = np.random.default_rng(0)
    offset = np.repeat([0.1, -0.1, 0.0, 0.05], 5)  # families differ, each follows the request
    realised = ASKED + offset + 0.02 * rng.standard_normal(20)
    length = 100 - 40 * ASKED + rng.standard_normal(20)
    other = rng.standard_normal(20)
    found = steering(
        ASKED, realised, others=np.stack([length, other], axis=1), names=("length", "other"),
        source=FAMILY,
    )  # fmt: skip
    assert found.slope.low < 1 < found.slope.high
    assert found.slope.high - found.slope.low < 0.3
    assert found.bias.value == pytest.approx(np.mean(realised - ASKED))
    assert found.drift["length"].high < -2
    assert found.drift["other"].low < 0 < found.drift["other"].high


def test_slopes_are_those_of_least_squares_with_hc3_errors():
    rng = np.random.default_rng(1)
    realised = 0.3 + 0.6 * ASKED + 0.2 * ASKED * rng.standard_normal(20)
    found = steering(ASKED, realised, source=FAMILY)
    dummies = (np.unique(FAMILY)[None] == FAMILY[:, None]).astype(float)
    design = np.column_stack([ASKED, dummies])
    inverse = np.linalg.inv(design.T @ design)
    beta = inverse @ design.T @ realised
    hat = np.einsum("ij,jk,ik->i", design, inverse, design)
    meat = design.T @ (design * (((realised - design @ beta) / (1 - hat)) ** 2)[:, None])
    error = np.sqrt((inverse @ meat @ inverse)[0, 0])
    assert found.slope.value == pytest.approx(beta[0])
    ends = stats.t(20 - 5, beta[0], error).interval(0.95)
    assert (found.slope.low, found.slope.high) == pytest.approx(ends)


def test_s130_intervals_of_the_slope_hold():
    rng = np.random.default_rng(2)
    inside = 0
    for _ in range(200):
        realised = rng.binomial(40, np.clip(0.8 * ASKED + 0.1, 0, 1)) / 40
        found = steering(ASKED, realised, source=FAMILY)
        inside += found.slope.low <= 0.8 <= found.slope.high
    assert 0.91 <= inside / 200 <= 0.99


def test_displacement_by_hand():
    start = np.array([[0.0, 0.0], [1.0, 1.0], [0.0, 0.0], [0.0, 0.0]])
    goal = np.array([[1.0, 0.0], [1.0, 3.0], [0.0, 2.0], [0.0, 0.0]])
    reached = np.array([[0.5, 0.5], [1.0, 3.0], [0.0, -1.0], [1.0, 0.0]])
    found = displacement(start, goal, reached)
    assert found.along[:3] == pytest.approx([0.5, 1.0, -0.5])
    assert found.aside[:3] == pytest.approx([np.sqrt(0.5), 0, 0])
    assert np.isnan(found.along[3])
    assert np.isnan(found.aside[3])
    assert found.left == pytest.approx([np.sqrt(0.5), 0, 3, 1])


@pytest.mark.parametrize(
    ("requested", "more", "said"),
    [
        ([0.5, 0.5, 0.5], {}, "must differ within a source"),
        ([0.2, 0.5, 0.8], {"source": ["a", "b", "c"]}, "at least 5 outputs for 3 sources, got 3"),
        ([0.2, 0.5], {}, "axis 'output'"),
        ([0.2, 0.5, np.nan], {}, "finite"),
        ([0.2, 0.5, 0.8], {"others": np.zeros((3, 2)), "names": ("a",)}, "name the 2 attributes"),
    ],
)
def test_mistakes(requested, more, said):
    with pytest.raises(ArgumentError, match=said):
        steering(np.array(requested), np.array([0.1, 0.5, 0.9]), **more)


def test_an_attribute_that_never_changes_does_not_drift():
    found = steering(ASKED, ASKED, others=np.ones((20, 1)), names=("same",), source=FAMILY)
    assert (found.drift["same"].value, found.drift["same"].high) == (0, 0)
    assert found.slope.value == pytest.approx(1)
