"""One helped reply a group: which one, and what it does to the others' advantages."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_conformance_advantages import batch_of

from gradatim.learning.advantages import dr_grpo
from gradatim.learning.refinements import helped, one_helped, refined
from gradatim.types import ROLES

DEMO, REFINE = ROLES.index("demo"), ROLES.index("refine")


def with_help(reward, group, role, parent=None):
    batch = batch_of(reward, group)
    role = np.asarray(role)
    parent = np.where(role > 0, 0, -1) if parent is None else np.asarray(parent)
    return dataclasses.replace(batch, role=role, parent=parent)


def test_seven_wrong_attempts_and_a_refinement_by_hand():
    batch = with_help([0] * 7 + [1], [0] * 8, [0] * 7 + [REFINE])
    value, keep = refined(batch)
    assert value.tolist() == [-1 / 8] * 7 + [7 / 8]
    assert keep.all()


def test_the_first_right_one_counts_else_the_best():
    rewards = [0, 0.2, 0.4, 0.4, 0, 1, 1]
    batch = with_help(
        [0, *rewards, 0, *rewards[:4]], [5] * 8 + [2] * 5, [0, *[REFINE] * 7] * 1 + [0, *[DEMO] * 4]
    )
    assert np.flatnonzero(one_helped(batch)).tolist() == [0, 6, 8, 11]
    assert np.flatnonzero(one_helped(batch, wrong=False)).tolist() == [0, 6, 8]
    # the others give no gradient, and the group's mean does not know them
    value, keep = refined(batch)
    assert np.flatnonzero(keep).tolist() == [0, 6, 8, 11]
    np.testing.assert_allclose(value[[0, 6, 8, 11]], [-0.5, 0.5, -0.2, 0.2])


def test_second_tries_under_a_prompt_of_their_own_are_attempts():
    """Scaffold `examples`: role refine without a parent."""
    batch = with_help([0, 1, 0], [0, 0, 0], [REFINE] * 3, parent=[-1, -1, -1])
    assert not helped(batch).any()
    np.testing.assert_allclose(refined(batch)[0], [-1 / 3, 2 / 3, -1 / 3])


def test_masked_refinements_do_not_count():
    batch = with_help([0, 1, 0.5], [0, 0, 0], [0, REFINE, REFINE])
    batch = dataclasses.replace(batch, mask=np.array([True, False, True]))
    assert one_helped(batch).tolist() == [True, False, True]


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0, REFINE, DEMO]),
                          st.sampled_from([0.0, 0.5, 1.0])), max_size=24))  # fmt: skip
def test_at_most_one_helped_reply_a_group(rows):
    group, role, reward = (
        (list(column) for column in zip(*rows, strict=True)) if rows else ([],) * 3
    )
    batch = with_help(reward, np.array(group, int), np.array(role, int))
    keep = one_helped(batch)
    for label in set(group):
        mine = (batch.group == label) & helped(batch)
        assert keep[mine].sum() == min(mine.sum(), 1)
        if mine.any():
            assert batch.reward[mine & keep][0] == batch.reward[mine].max()
    assert keep[~helped(batch)].all()
    value, _ = refined(batch)
    np.testing.assert_array_equal(value, dr_grpo(batch.reward, batch.group, mask=keep)[0])
    assert value.sum() == pytest.approx(0, abs=1e-12)
