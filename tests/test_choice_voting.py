import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradatim.choice.voting import borda_weights, certainty, vote
from gradatim.errors import ArgumentError


def test_s249_certainty_by_hand():
    # KL(U || p) = -(1/2) (ln .9 + ln .1) - ln 2 = 1.203973 - 0.693147
    assert certainty(np.log([0.9, 0.1])) == pytest.approx(0.5108256)
    # and from its definition, sum of u ln(u / p)
    p = np.array([0.5, 0.3, 0.15, 0.05])
    assert certainty(np.log(p)) == pytest.approx(sum(0.25 * math.log(0.25 / x) for x in p))
    both = certainty(np.log(np.stack([p, np.full(4, 0.25)])))
    assert both == pytest.approx([certainty(np.log(p)), 0.0])


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=8), st.floats(1.1, 4))
def test_certainty_rises_as_logits_are_scaled(logits, factor):
    def sure(x):
        x = np.array(x)
        return certainty(x - np.logaddexp.reduce(x))

    assert -1e-9 <= sure(logits) <= sure(factor * np.array(logits)) + 1e-9


def test_s249_borda_by_hand():
    # ranks 2, 1, 3 of three: (3 - 2 + 1), (3 - 1 + 1), (3 - 3 + 1) to the power
    assert borda_weights(np.array([5.0, 9.0, 1.0]), power=1) == pytest.approx([2, 3, 1])
    assert borda_weights(np.array([5.0, 9.0, 1.0])) == pytest.approx([2**0.5, 3**0.5, 1])
    assert borda_weights(np.array([4.0, 4.0, 1.0]), power=1) == pytest.approx([2.5, 2.5, 1])
    assert borda_weights(np.array([]), power=1).tolist() == []


@given(st.lists(st.integers(-1, 3), max_size=9), st.integers(0, 10**6))
def test_power_zero_is_the_majority_vote(answers, seed):
    score = np.random.default_rng(seed).normal(size=len(answers))
    assert vote(np.array(answers), borda_weights(score, power=0)) == vote(np.array(answers))


def test_votes():
    assert vote(np.array([0, 1, 1, 2])) == (1, 0.5)
    assert vote(np.array([3, 1, 1, 3])) == (0, 0.5)  # of equals the first to appear
    assert vote(np.array([-1, -1, 5])) == (2, pytest.approx(1 / 3))
    assert vote(np.array([-1, -1])) == (-1, 0.0)
    assert vote(np.array([], dtype=int)) == (-1, 0.0)
    # 0.1 + 0.2 and 0.3 differ in the last bits only
    assert vote(np.array([0, 1, 1]), np.array([0.3, 0.1, 0.2]))[0] == 0


def test_bad_votes_are_refused():
    with pytest.raises(ArgumentError, match="finite"):
        borda_weights(np.array([1.0, np.nan]))
    with pytest.raises(ArgumentError, match="power"):
        borda_weights(np.array([1.0]), power=-1)
    with pytest.raises(ArgumentError, match="weight"):
        vote(np.array([1]), np.array([-1.0]))
    with pytest.raises(ArgumentError, match="reply"):
        vote(np.array([1, 2]), np.array([1.0]))


def calibrated(rng, problems, n):
    """Answers (0 is right) and scores such that P(right | score) = sigmoid(score)."""
    ability = rng.normal(0, 1, problems)[:, None]
    score = ability + rng.normal(0, 1.5, (problems, n))
    right = rng.random((problems, n)) < 1 / (1 + np.exp(-score))
    # wrong answers crowd: a problem has a favourite error
    wrong = np.where(rng.random((problems, n)) < 0.7, 1, rng.integers(2, 6, (problems, n)))
    return np.where(right, 0, wrong), score


def test_s249_beats_the_majority_on_calibrated_samples():
    answers, score = calibrated(np.random.default_rng(5), 2000, 8)
    plain = np.array([a[vote(a)[0]] == 0 for a in answers])
    sure = np.array([
        a[vote(a, borda_weights(s, power=1))[0]] == 0 for a, s in zip(answers, score, strict=True)
    ])
    gain = sure.astype(float) - plain
    assert gain.mean() > 4 * gain.std() / len(gain) ** 0.5
    assert gain.mean() > 0.02


def test_s249_certainty_is_difficulty_without_labels():
    answers, score = calibrated(np.random.default_rng(6), 2000, 8)
    rate = (answers == 0).mean(1)
    assert np.corrcoef(score.mean(1), rate)[0, 1] > 0.75
