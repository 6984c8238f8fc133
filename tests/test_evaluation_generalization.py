"""Accuracy by what was held out: by hand, against Welch's test, and how often intervals hold."""

import numpy as np
import pytest
from scipy import stats

from gradatim.errors import ArgumentError
from gradatim.evaluation.generalization import by_held_out, by_range

NAMES = ("new instance", "new task", "new category")


def test_s262_three_rows_with_what_each_loses():
    rng = np.random.default_rng(0)
    rate = {"new instance": 0.8, "new task": 0.6, "new category": 0.3}
    held_out = np.repeat(NAMES, 120)
    problem = np.repeat(np.arange(90), 4)  # four attempts on each of thirty problems
    ability = np.array([rate[name] for name in held_out])
    score = (rng.random(360) < ability).astype(float)
    rows = by_held_out(score, problem, held_out, NAMES)
    assert [row.name for row in rows] == list(NAMES)
    means = score.reshape(90, 4).mean(axis=1).reshape(3, 30)
    assert [row.accuracy.value for row in rows] == pytest.approx(means.mean(axis=1).tolist())
    assert {row.accuracy.n for row in rows} == {30}
    assert rows[0].loss is None
    for at in (1, 2):
        interval = stats.ttest_ind(means[0], means[at], equal_var=False).confidence_interval()
        assert (rows[at].loss.low, rows[at].loss.high) == pytest.approx(tuple(interval))


def test_s020_within_and_beyond_the_range_that_was_trained_on():
    rng = np.random.default_rng(1)
    size = rng.integers(1, 41, 300)
    score = np.where(size <= 20, rng.random(300) < 0.9, rng.random(300) < 0.5).astype(float)
    within, beyond = by_range(score, np.arange(300), size, 20)
    assert within.accuracy.value == score[size <= 20].mean()
    assert beyond.accuracy.value == score[size > 20].mean()
    assert beyond.loss.low > 0.2
    assert within.accuracy.n + beyond.accuracy.n == 300


def test_intervals_of_the_loss_hold():
    rng = np.random.default_rng(2)
    inside = 0
    for _ in range(300):
        score = np.r_[rng.random(40) < 0.85, rng.random(60) < 0.4].astype(float)
        (_, far) = by_held_out(score, np.arange(100), np.repeat(["a", "b"], [40, 60]), ["a", "b"])
        inside += far.loss.low <= 0.45 <= far.loss.high
    assert 0.91 <= inside / 300 <= 0.985


def test_all_right_and_one_problem():
    rows = by_held_out(np.ones(4), np.arange(4), np.array(["a", "a", "a", "b"]), ["a", "b"])
    assert rows[0].accuracy.low < 1 == rows[0].accuracy.value
    assert np.isnan(rows[1].loss.low)
    both = by_held_out(np.ones(6), np.arange(6), np.repeat(["a", "b"], 3), ["a", "b"])
    assert both[1].loss.low < 0 < both[1].loss.high


@pytest.mark.parametrize(
    ("score", "problem", "held_out", "said"),
    [
        ([1, 0], [0, 1], ["a", "c"], "`held_out` must be one of a, b; got 'c'"),
        ([1, 0], [0, 1], ["a", "a"], "no attempt of kind 'b'"),
        ([1, 0], [0, 0], ["a", "b"], "two things of one problem"),
        ([1, 2], [0, 1], ["a", "b"], "`score`"),
        ([1, 0], [0, 1, 2], ["a", "b"], "axis 'attempt'"),
    ],
)
def test_mistakes(score, problem, held_out, said):
    with pytest.raises(ArgumentError, match=said):
        by_held_out(np.array(score, float), np.array(problem), np.array(held_out), ["a", "b"])
