import numpy as np
import pytest

from gradatim.errors import ArgumentError
from gradatim.evaluation.stopping import first, settled, side_of


def test_an_estimate_settles_after_enough_small_moves_in_a_row():
    score = np.array([[0.5, 0.51, 0.52, 0.6, 0.61, 0.61, 0.62], np.linspace(0, 1, 7)])
    found = settled(score, change=0.02, steps=3)
    assert found.tolist() == [[False] * 6 + [True], [False] * 7]
    assert first(found).tolist() == [7, 0]
    assert first(settled(score, change=0.02, steps=2)).tolist() == [3, 0]
    # a move of exactly the limit is a move
    assert not settled(np.array([[0.0, 0.25, 0.5]]), change=0.25, steps=1).any()


def test_sides_of_a_cut():
    low, high = np.array([0.71, 0.7, 0.5, np.nan]), np.array([0.9, 0.9, 0.69, np.nan])
    assert side_of(low, high, 0.7).tolist() == [1, 0, -1, 0]


def test_no_question_and_one_question():
    assert first(np.zeros((3, 0), bool)).tolist() == [0, 0, 0]
    assert not settled(np.array([[0.4]]), change=1, steps=1).any()


def test_a_look_after_each_answer_errs_more_often_than_one():
    """Coins of rate .5 and a cut at .5: what `side_of` warns of, and a replay counts."""
    rng = np.random.default_rng(0)
    n = np.arange(1, 101)
    rate = (rng.random((2000, 100)) < 0.5).cumsum(axis=1) / n
    half = 1.96 * np.sqrt(0.25 / n)
    side = side_of(rate - half, rate + half, 0.5)
    once, ever = (side[:, -1] != 0).mean(), (first(side != 0) > 0).mean()
    assert 0.03 < once < 0.08
    assert ever > 3 * once


@pytest.mark.parametrize("wrong", [{"change": 0.0}, {"steps": 0}, {"change": np.nan}])
def test_numbers_out_of_range(wrong):
    with pytest.raises(ArgumentError, match=f"`{next(iter(wrong))}` must"):
        settled(np.zeros((1, 2)), **{"change": 0.1, "steps": 1, **wrong})
    with pytest.raises(ArgumentError, match="`cut` must"):
        side_of(np.zeros(1), np.ones(1), 1.2)
