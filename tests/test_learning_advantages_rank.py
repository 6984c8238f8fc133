import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradatim.errors import ArgumentError
from gradatim.learning.advantages_rank import (
    effective_rank,
    rank_dynamics,
    shape_by_rank,
    update_baseline,
)


def test_s070_effective_rank_of_known_matrices():
    # columns of equal length at right angles, centred: as many as there are columns
    cross = np.concatenate([np.eye(5), -np.eye(5)])
    assert effective_rank(cross) == pytest.approx(5)
    line = np.outer(np.arange(9.0), np.ones(4))
    assert effective_rank(line) == pytest.approx(1)
    assert effective_rank(np.full((6, 3), 0.1 + 0.2)) == 1.0  # all states equal
    assert effective_rank(np.ones((1, 8))) == 1.0
    # singular values 3 and 1: shares 3/4 and 1/4
    two = np.array([[3.0, 0], [-3, 0], [0, 1], [0, -1]])
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert effective_rank(two) == pytest.approx(np.exp(entropy))


@settings(max_examples=40, deadline=None)
@given(tokens=st.integers(1, 12), dim=st.integers(1, 8), seed=st.integers(0, 1000))
def test_rank_stays_in_its_range_and_ignores_offset_scale_and_turns(tokens, dim, seed):
    rng = np.random.default_rng(seed)
    states = rng.normal(size=(tokens, dim))
    rank = effective_rank(states)
    assert 1 <= rank <= min(tokens, dim) + 1e-9
    turn, _ = np.linalg.qr(rng.normal(size=(dim, dim)))
    assert effective_rank(7 * states @ turn + 2**20) == pytest.approx(rank, rel=1e-6)


def test_random_states_have_almost_full_rank_and_low_rank_ones_do_not():
    rng = np.random.default_rng(0)
    assert effective_rank(rng.normal(size=(2000, 16))) > 15.9
    thin = rng.normal(size=(2000, 3)) @ rng.normal(size=(3, 16))
    assert effective_rank(thin) < 3 + 1e-9


def test_dynamics_by_hand():
    rng = np.random.default_rng(0)
    states = rng.normal(size=(9, 4))  # prefixes of 2, 4, 6, 8 tokens; the ninth is left over
    m = [effective_rank(states[:end]) for end in (2, 4, 6, 8)]
    velocity = [m[1] - m[0], m[2] - (m[0] + m[1]) / 2, m[3] - sum(m[:3]) / 3]
    acceleration = [velocity[1] - velocity[0], velocity[2] - velocity[1]]
    expected = [np.mean(m), np.mean(velocity), np.mean(acceleration)]
    np.testing.assert_allclose(rank_dynamics(states, stride=2), expected)
    short = rank_dynamics(states[:3], stride=40)
    np.testing.assert_allclose(short, [effective_rank(states[:3]), 0, 0])


def test_baseline_runs():
    first = update_baseline(None, np.array([[1.0, 2, 3], [3, 2, 1]]))
    assert first.tolist() == [2, 2, 2]
    np.testing.assert_allclose(update_baseline(first, np.zeros((1, 3))), [1.4, 1.4, 1.4])
    assert update_baseline(first, np.zeros((0, 3))).tolist() == [2, 2, 2]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), kappa=st.sampled_from([1.5, 2.0, 4.0]))
def test_s070_the_bonus_keeps_signs_and_its_bound(seed, kappa):
    rng = np.random.default_rng(seed)
    advantage = rng.normal(size=8) * (rng.random(8) < 0.8)
    dynamics, mean = 5 * rng.normal(size=(8, 3)), rng.normal(size=3)
    shaped = shape_by_rank(advantage, dynamics, mean, kappa=kappa)
    assert (np.sign(shaped) == np.sign(advantage)).all()
    bonus = shaped - advantage
    assert (bonus >= 0).all()
    assert (bonus <= np.abs(advantage) / kappa + 1e-12).all()


def test_bonus_by_hand():
    mean = np.ones(3)
    # dev 1, 0, 0: w = 1/2, bonus tanh(1) / 2 = .3808, below |A| / 2
    got = shape_by_rank(np.array([1.0]), np.array([[2.0, 1, 1]]), mean)
    assert got[0] == pytest.approx(1 + np.tanh(1) / 2)
    # dev 1, 0, 1: acceleration gives the word to rank, w = sigmoid(2) = .8808; cap far away
    got = shape_by_rank(np.array([9.0]), np.array([[2.0, 1, 2]]), mean)
    assert got[0] == pytest.approx(9 + np.tanh(1) / (1 + np.exp(-2)))
    # below the running mean: no bonus, and none in the first step
    assert shape_by_rank(np.array([1.0]), np.array([[0.0, 0, 1]]), mean)[0] == 1
    assert shape_by_rank(np.array([1.0]), np.array([[9.0, 9, 9]]), None)[0] == 1


def test_rank_is_checked():
    with pytest.raises(ArgumentError, match="`hidden` must hold at least one state"):
        effective_rank(np.zeros((0, 4)))
    with pytest.raises(ArgumentError, match=r"`hidden` must have axes \(token dim\)"):
        effective_rank(np.zeros(4))
    with pytest.raises(ArgumentError, match="axis 'measure' is 2"):
        shape_by_rank(np.ones(1), np.ones((1, 2)), np.ones(3))
