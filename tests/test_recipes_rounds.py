"""Steps in rounds: what DAPO asks for next depends on what came back."""

import numpy as np
import pytest

from gradatim.errors import ArgumentError
from gradatim.recipes.curriculum import Curriculum

ROUNDS = {"logp", "rounds"}


def test_dapo_replaces_groups_that_came_out_equal():
    cur = Curriculum(range(40), "dapo", provides=ROUNDS, budget={"size": 4, "keep": 0.5})
    plan = cur.suggest(8, rollouts=32)  # 8 groups could be paid for: the step wants 4 mixed
    assert plan.n.tolist() == [4, 4, 4, 4]
    batch = cur.observe(plan, [1, 0, 1, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0])
    second = cur.more(batch)
    assert (second.round, second.start) == (1, 4)
    assert second.n.tolist() == [4, 4]  # two of four were mixed
    assert second.group.tolist() == [4, 5]
    assert not set(second.problem) & set(plan.problem)
    with pytest.raises(ArgumentError, match="step 0 waits for round 1: observe its plan first"):
        cur.more(batch)
    batch = cur.observe(second, [1, 0, 0, 0, 0, 0, 0, 0])
    third = cur.more(batch)
    assert third.n.tolist() == [4]
    batch = cur.observe(third, [1, 1, 1, 0])
    assert batch.row.tolist() == np.repeat(np.arange(7), 4).tolist()
    assert cur.more(batch) is None  # four mixed groups, four attempts left over
    assert cur.metrics()["spent"] == 28
    advantage, keep = cur.advantages(batch)
    assert np.flatnonzero(keep).tolist() == [*range(4), *range(12, 20), *range(24, 28)]
    assert advantage.sum() == pytest.approx(0, abs=1e-9)


def test_a_hard_pool_ends_with_its_rollouts():
    cur = Curriculum(range(40), "dapo", provides=ROUNDS, budget={"size": 4})
    plan, sizes = cur.suggest(8, rollouts=32), []
    while plan is not None:
        sizes.append(int(plan.n.sum()))
        batch = cur.observe(plan, np.zeros(plan.n.sum()))
        plan = cur.more(batch)
    assert sizes == [16, 16]
    assert cur.pending() == []


def test_rounds_need_a_trainer_that_gives_them():
    with pytest.raises(ArgumentError, match="up to 4 rounds and needs 'rounds'"):
        Curriculum(range(4), "dapo")


def test_a_step_can_be_saved_between_two_rounds(tmp_path):
    cur = Curriculum(range(40), "dapo", provides=ROUNDS, budget={"size": 4})
    batch = cur.observe(cur.suggest(8, rollouts=32), np.zeros(16))
    cur.save(tmp_path / "cur.npz")
    again = Curriculum.load(tmp_path / "cur.npz", range(40))
    one, other = cur.more(batch), again.more(batch)
    assert one.problem.tolist() == other.problem.tolist()
    assert again.observe(other, np.zeros(16)).reward.shape == (32,)
