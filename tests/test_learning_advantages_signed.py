import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradatim.errors import ArgumentError
from gradatim.learning.advantages import grpo
from gradatim.learning.advantages_signed import (
    ngrpo,
    nsr,
    pass_k,
    psr,
    relative_negative,
    weighted,
)

ragged = st.lists(
    st.tuples(st.integers(0, 6), st.sampled_from([0.0, 0.25, 1.0])), min_size=1, max_size=40
).map(lambda rows: (np.array([r for _, r in rows]), np.array([g for g, _ in rows])))


def one_group(right, size):
    return (np.arange(size) < right).astype(float), np.zeros(size, int)


def ngrpo_by_loop(reward, group, virtual, r_max):
    """Each group by itself: add the virtual attempts, standardise, leave them out."""
    out = np.zeros(len(reward))
    for g in set(group.tolist()):
        at = np.flatnonzero(group == g)
        full = np.concatenate([reward[at], np.full(virtual, r_max)])
        if len(full) > 1 and full.std() > 0:
            out[at] = (reward[at] - full.mean()) / (full.std(ddof=1) + 1e-6)
    return out


# -- PSR, NSR, W-REINFORCE --------------------------------------------------------------------


def test_one_sided_by_hand():
    reward, group = np.array([1.0, 0, 1, 0]), np.array([0, 0, 1, 2])
    assert psr(reward, group)[0].tolist() == [1, 0, 1, 0]
    assert nsr(reward, group)[0].tolist() == [0, -1, 0, -1]
    assert weighted(reward, group)[0].tolist() == [0.1, -1, 0.1, -1]
    # each keeps the attempts of its own sign, which is the part of the batch it trains on
    assert psr(reward, group)[1].tolist() == [True, False, True, False]
    assert nsr(reward, group)[1].tolist() == [False, True, False, True]
    assert weighted(reward, group)[1].all()


def test_one_sided_parts_add_up():
    reward = np.array([0.0, 0.3, 1.0])
    group = np.zeros(3, int)
    both = weighted(reward, group, positive=1.0)[0]
    np.testing.assert_allclose(psr(reward, group)[0] + nsr(reward, group)[0], both)


def test_rewards_must_say_right_or_wrong():
    with pytest.raises(ArgumentError, match=r"`reward` must lie in \[0, 1\], got 2"):
        nsr(np.array([2.0, 0.0]), np.zeros(2, int))
    with pytest.raises(ArgumentError, match="`positive` must lie in"):
        weighted(np.ones(1), np.zeros(1), positive=-1.0)


# -- NGRPO (S049) -----------------------------------------------------------------------------


def test_s049_all_fail_groups_teach_and_all_pass_groups_do_not():
    for size in (1, 2, 8, 31):
        wrong, keep = ngrpo(*one_group(0, size), eps=0.0)
        # mean 1/(n+1), and the deviation of n zeros and a one is 1/sqrt(n+1)
        np.testing.assert_allclose(wrong, -1 / np.sqrt(size + 1))
        assert keep.all()
        right, keep = ngrpo(*one_group(size, size))
        assert right.tolist() == [0] * size
        assert not keep.any()


def test_one_of_eight_by_the_card():
    value, _ = ngrpo(*one_group(1, 8))
    np.testing.assert_allclose(value[:2], [1.764, -0.504], atol=5e-4)
    plain, _ = grpo(*one_group(1, 8))
    np.testing.assert_allclose(plain[:2], [2.475, -0.354], atol=5e-4)


@settings(max_examples=50, deadline=None)
@given(rows=ragged, virtual=st.integers(0, 3), r_max=st.sampled_from([1.0, 2.0]))
def test_ngrpo_equals_a_loop_over_groups(rows, virtual, r_max):
    reward, group = rows
    got, _ = ngrpo(reward, group, virtual=virtual, r_max=r_max)
    np.testing.assert_allclose(got, ngrpo_by_loop(reward, group, virtual, r_max), atol=1e-9)
    if virtual == 0:
        np.testing.assert_allclose(got, grpo(reward, group)[0], atol=1e-9)
    # what the real attempts lose is what the virtual ones would have won
    sums = np.bincount(group, weights=got)
    assert (sums <= 1e-9).all()


def test_lone_attempts_meet_the_virtual_one_unless_told_not_to():
    reward, group = np.array([0.0, 1.0]), np.array([0, 1])
    value, keep = ngrpo(reward, group, eps=0.0)
    np.testing.assert_allclose(value, [-1 / np.sqrt(2), 0])
    assert keep.tolist() == [True, False]
    value, keep = ngrpo(reward, group, alone=False)
    assert value.tolist() == [0, 0]
    assert not keep.any()


def test_ngrpo_of_rewards_far_from_zero():
    # a group at r_max stays exactly silent, and the offset cancels elsewhere
    reward, group = np.array([0.0, 1.0, 0.0, 1.0, 1.0]), np.array([0, 0, 0, 1, 1])
    plain, _ = ngrpo(reward, group)
    far, keep = ngrpo(reward + 1e6, group, r_max=1e6 + 1)
    np.testing.assert_allclose(far, plain, rtol=1e-12)
    assert keep.tolist() == [True, True, True, False, False]
    with pytest.raises(ArgumentError, match=r"`r_max` must be the greatest reward.*1.5"):
        ngrpo(np.array([1.5]), np.zeros(1))


# -- the best, and those below average --------------------------------------------------------


def test_pass_k_by_hand():
    reward = np.array([1.0, 0, 0, 1, 1, 0, 0.2, 0.9, 0.5])
    group = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2])
    value, keep = pass_k(reward, group)
    # one of three right; two right: the second makes the first needless; graded: .9 - .5
    np.testing.assert_allclose(value, [1, 0, 0, 0, 0, 0, 0, 0.4, 0])
    assert (keep == (value != 0)).all()
    assert pass_k(np.zeros(0), np.zeros(0, int))[0].tolist() == []


@settings(max_examples=50, deadline=None)
@given(rows=ragged)
def test_pass_k_is_what_the_best_adds_to_the_best_of_its_group(rows):
    reward, group = rows
    value, _ = pass_k(reward, group)
    for i in range(len(reward)):
        others = reward[(group == group[i]) & (np.arange(len(reward)) != i)]
        adds = max(reward[i] - others.max(), 0.0) if len(others) else 0.0
        assert value[i] == pytest.approx(adds)


def test_s041_relative_negatives_only():
    reward, group = np.array([1.0, 0, 0, 1, 1]), np.array([0, 0, 0, 1, 1])
    value, keep = relative_negative(reward, group, eps=0.0)
    np.testing.assert_allclose(value, [0, -1 / np.sqrt(3), -1 / np.sqrt(3), 0, 0])
    assert keep.tolist() == [False, True, True, False, False]
    full, _ = grpo(reward, group, eps=0.0)
    assert value[1:3].tolist() == full[1:3].tolist()
