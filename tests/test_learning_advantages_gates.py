import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradatim.errors import ArgumentError
from gradatim.learning.advantages import dr_grpo
from gradatim.learning.gates import ADVANTAGES, filter_groups, hpt, hpt_gate
from gradatim.types import ROLES, Batch

DEMO = ROLES.index("demo")


# -- filters ----------------------------------------------------------------------------------


def test_filter_by_hand():
    reward = np.array([1.0, 1, 0, 1, 0, 0, 0.5, 0.5, 1, 0])
    group = np.array([0, 0, 1, 1, 2, 2, 3, 3, 4, 5])
    found = filter_groups(reward, group)
    assert found.keep.tolist() == [False, False, True, True] + [False] * 6
    counts = (found.groups, found.groups_right, found.groups_wrong, found.groups_equal)
    assert counts == (6, 1, 1, 1)
    assert (found.groups_alone, found.groups_kept) == (2, 1)
    # of everything generated: ten rewards that sum to 5, squares of distances 4 x 2 x .25
    assert (found.generated, found.kept, found.evicted) == (10, 2, 8)
    assert found.mean == 0.5
    assert found.std == pytest.approx(np.std(reward, ddof=1))
    with_lone = filter_groups(reward, group, alone="keep")  # as verl does
    assert with_lone.keep.tolist() == [False, False, True, True] + [False] * 4 + [True, True]


def test_only_one_end_may_be_dropped():
    reward = np.array([1.0, 1, 0, 0, 0.5, 0.5])
    group = np.array([0, 0, 1, 1, 2, 2])
    assert filter_groups(reward, group, drop="right").keep.tolist() == [False] * 2 + [True] * 4
    wrong = filter_groups(reward, group, drop="wrong").keep
    assert wrong.tolist() == [True, True, False, False, True, True]
    scaled = filter_groups(2 * reward - 1, group, drop="right", least=-1.0, greatest=1.0)
    assert scaled.keep.tolist() == [False] * 2 + [True] * 4


def test_equal_rewards_whose_float_deviation_is_not_zero():
    reward = np.full(3, 0.1)
    assert reward.std() > 0  # the trap: a filter on std == 0 keeps this group
    assert not filter_groups(reward, np.zeros(3, int)).keep.any()


def test_different_rewards_whose_float_deviation_is_zero():
    reward = np.array([0.0, 1e-170])
    assert reward.std() == 0  # the other trap: the square underflows, and the group is lost
    assert filter_groups(reward, np.zeros(2, int)).keep.all()
    single = np.array([1.0, np.nextafter(np.float32(1), np.float32(0))], dtype=np.float32)
    assert filter_groups(single, np.zeros(2, int)).keep.all()


def test_the_only_loser_keeps_its_group():
    # without its own reward the others of the loser are all equal; the group still teaches
    found = filter_groups(np.array([1.0, 1, 1, 0]), np.zeros(4, int))
    assert found.keep.all()


def test_partial_credit_at_one_value_is_no_contrast():
    # a filter on the mean (0 or 1 only) would keep this group
    found = filter_groups(np.full(4, 0.3), np.zeros(4, int))
    assert not found.keep.any()
    assert found.groups_equal == 1


def test_masked_attempts_are_not_generated():
    reward, mask = np.array([1.0, np.nan, 0, 0]), np.array([True, False, True, True])
    found = filter_groups(reward, np.array([0, 0, 1, 1]), mask=mask)
    assert (found.generated, found.masked, found.groups_alone) == (3, 1, 1)
    assert found.mean == pytest.approx(1 / 3)
    assert not found.keep.any()
    nothing = filter_groups(np.zeros(0), np.zeros(0, int))
    assert (nothing.generated, nothing.groups) == (0, 0)
    assert np.isnan(nothing.mean)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 6), st.sampled_from([0.0, 0.1, 1.0]), st.booleans()), min_size=1
    ),
    drop=st.sampled_from(["equal", "right", "wrong"]),
    alone=st.sampled_from(["drop", "keep"]),
)
def test_filters_by_a_loop(rows, drop, alone):
    group, reward, mask = (np.array(column) for column in zip(*rows, strict=True))
    found = filter_groups(reward, group, mask=mask, drop=drop, alone=alone)
    for i in range(len(reward)):
        mine = reward[(group == group[i]) & mask]
        if not mask[i]:
            expected = False
        elif len(mine) == 1:
            expected = alone == "keep"
        else:
            level = {"equal": True, "right": mine[0] == 1, "wrong": mine[0] == 0}[drop]
            expected = not (level and len(set(mine.tolist())) == 1)
        assert found.keep[i] == expected
    assert found.kept + found.evicted == found.generated == mask.sum()
    kinds = (found.groups_right, found.groups_wrong, found.groups_equal, found.groups_alone)
    assert sum(kinds) <= found.groups
    if drop == "equal" and alone == "drop":
        assert found.groups_kept == found.groups - sum(kinds)


def test_filters_are_checked():
    with pytest.raises(ArgumentError, match="`drop` must be one of equal, right, wrong"):
        filter_groups(np.ones(1), np.zeros(1), drop="all")
    with pytest.raises(ArgumentError, match="`reward` must be finite"):
        filter_groups(np.array([np.nan]), np.zeros(1))


# -- the HPT gate -----------------------------------------------------------------------------


def test_exactly_one_use_for_each_prompt():
    solved = np.array([0, 0, 1, 0, 1, 1], bool)
    group = np.array([0, 0, 1, 1, 2, 2])
    found = hpt_gate(solved, group)
    assert found.replace.tolist() == [True, True, False, False, False, False]
    assert (found.keep ^ found.replace ^ found.drop).all()
    assert hpt_gate(solved, group, gate=-1).keep.all()  # pure reinforcement
    assert hpt_gate(solved, group, gate=2).replace.all()  # pure imitation
    band = hpt_gate(solved, group, gate=0, gate_off=1)
    assert band.drop.tolist() == [False, False, True, True, False, False]


def test_without_a_demonstration_a_prompt_is_reinforced():
    available = np.array([False, False, True, True])
    found = hpt_gate(np.zeros(4, bool), np.array([0, 0, 1, 1]), available=available)
    assert found.keep.tolist() == [True, True, False, False]


def batch_of(reward, group, role):
    reward = np.asarray(reward, float)
    size = len(reward)
    return Batch(
        step=0,
        group=np.asarray(group),
        problem=np.asarray(group),
        role=np.asarray(role),
        parent=np.full(size, -1),
        reward=reward,
        solved=reward >= 1,
        length=np.ones(size, int),
        mask=np.ones(size, bool),
    )


def test_demonstrations_take_the_place_of_failed_attempts():
    #              failed, with demo     half right, with demo   failed, without
    reward, group = [0, 0, 1, 1, 0, 1, 0, 0], [0, 0, 0, 1, 1, 1, 2, 2]
    batch = batch_of(reward, group, [0, 0, DEMO, 0, 0, DEMO, 0, 0])
    value, keep = hpt(batch, coefficient=0.3)
    assert value.tolist() == [0, 0, 0.3, 0.5, -0.5, 0, 0, 0]
    assert keep.tolist() == [False, False, True, True, True, False, False, False]
    # pure imitation, and pure reinforcement, where demonstrations are in no mean
    assert hpt(batch, gate=8)[1].tolist() == [i in (2, 5) for i in range(8)]
    value, keep = hpt(batch, gate=-1)
    plain, kept = dr_grpo(batch.reward, batch.group, mask=batch.role == 0)
    assert value.tolist() == plain.tolist()
    assert keep.tolist() == kept.tolist()
    # a band that teaches nothing: neither its attempts nor its demonstration
    value, keep = hpt(batch, gate=0, gate_off=1)
    assert keep.tolist() == [i == 2 for i in range(8)]


def test_a_group_under_the_gate_without_demonstration_is_reinforced():
    batch = batch_of([1, 0, 1, 0, 1], [0, 0, 1, 1, 1], [0, 0, 0, 0, DEMO])
    value, keep = hpt(batch, gate=1)  # one solved in both groups; only the second has one to show
    assert value.tolist() == [0.5, -0.5, 0, 0, 1]
    assert keep.tolist() == [True, True, False, False, True]


def test_lost_demonstrations_do_not_count():
    batch = batch_of([0, 0, 1], [0, 0, 0], [0, 0, DEMO])
    lost = dataclasses.replace(batch, mask=np.array([True, True, False]))
    assert not hpt(lost)[1].any()
    assert set(ADVANTAGES) == {"hpt"}
