import json
import resource

import numpy as np
import pytest

from gradatim.errors import ArgumentError, FormatError, StoreError
from gradatim.recipes import pools, saving
from gradatim.recipes.curriculum import Curriculum
from gradatim.types import Problem


def problems(size=24):
    return [
        Problem(id=f"p{i}", prompt=f"{i}?", answer="x", family="sat", level=1 + i % 4)
        for i in range(size)
    ]


def outcome(plan, seed=0):
    rng = np.random.default_rng([seed, plan.step])
    rate = np.linspace(0, 1, 24)
    return (rng.random(plan.n.sum()) < rate[np.repeat(plan.problem, plan.n)]).astype(float)


def test_sources_are_family_and_level():
    pool = pools.pool(problems(6))
    assert pool.sources == ("sat:1", "sat:2", "sat:3", "sat:4")
    assert pool.source.tolist() == [0, 1, 2, 3, 0, 1]
    rows = [{"id": "a", "family": "sat"}, {"question": "b"}, "text", 7]
    assert pools.pool(rows).sources == ("sat", "all")
    told = [{"family": "l", "level": 2, "knobs": {"op": "any"}, "meta": {"op": o}} for o in "ab"]
    assert pools.pool(told).sources == ("l:2:a", "l:2:b")
    assert pools.pool(range(3), source=["x", "y", "x"]).source.tolist() == [0, 1, 0]
    with pytest.raises(ArgumentError, match="at least one problem, got none"):
        pools.pool([])
    with pytest.raises(ArgumentError, match="one label per problem, got 1 for 2"):
        pools.pool("ab", source=["x"])


def test_a_step_by_hand():
    cur = Curriculum(["a", "b"], "grpo", seed=3)
    plan = cur.suggest(2, rollouts=4)
    assert plan.n.tolist() == [2, 2]
    batch = cur.observe(plan, [1, 0, 1, 1], lengths=[5, 6, 7, 8])
    assert batch.group.tolist() == [0, 0, 1, 1]
    assert batch.problem.tolist() == np.repeat(plan.problem, 2).tolist()
    assert batch.length.tolist() == [5, 6, 7, 8]
    advantage, keep = cur.advantages(batch)
    np.testing.assert_allclose(advantage, [0.7071, -0.7071, 0, 0], atol=1e-4)
    assert keep.tolist() == [True, True, False, False]
    found = cur.metrics()
    # unseen: Beta(1/2, 1/2), E[p (1-p)] = 1/8, two attempts are mixed 2/8 of the time
    assert found["expected_mixed_share"] == pytest.approx(0.25)
    assert found["mixed_share"] == found["total_mixed_share"] == 0.5
    assert (found["asked"], found["spent"], found["steps"], found["pending"]) == (4, 4, 1, 0)
    assert found["pass_rate"] == 0.75
    # Beta(1.5, 1.5) and Beta(2.5, .5)
    assert found["mean_pass_rate"] == pytest.approx((1 / 2 + 5 / 6) / 2)
    assert found["evidence"] == 3


def test_every_plan_counts_once():
    cur = Curriculum(problems(), "gradatim")
    plan = cur.suggest(4, rollouts=32)
    cur.observe(plan, outcome(plan))
    with pytest.raises(ArgumentError, match="step 0 was observed before"):
        cur.observe(plan, outcome(plan))
    other = Curriculum(problems(), "gradatim", seed=5)
    other.suggest(4, rollouts=32)
    with pytest.raises(ArgumentError, match="not the one suggested here"):
        other.observe(plan, outcome(plan))
    second = cur.suggest(4, rollouts=32)
    with pytest.raises(ArgumentError, match="step 1 was never suggested here"):
        other.observe(second, outcome(second))


def test_partial_plans_are_allowed_and_counted():
    cur = Curriculum(problems(), "grpo")
    plan = cur.suggest(4, rollouts=16)
    with pytest.raises(ArgumentError, match="has 3 attempts but the plan of step 0 asked for 16"):
        cur.observe(plan, [1, 0, 1])
    with pytest.raises(ArgumentError, match="has 5 attempts on row 2, the plan asked for 4"):
        cur.observe(plan, [1] * 5, row=[2] * 5)
    with pytest.raises(ArgumentError, match=r"`row` must lie in \[0, 3\], got 4"):
        cur.observe(plan, [1], row=[4])
    batch = cur.observe(plan, [1, 0, 1], row=[3, 1, 3])
    assert batch.problem.tolist() == plan.problem[[3, 1, 3]].tolist()
    assert (cur.metrics()["asked"], cur.metrics()["spent"]) == (16, 3)
    nothing = cur.suggest(4, rollouts=16)
    assert len(cur.observe(nothing, [], row=[]).reward) == 0
    assert cur.metrics()["spent"] == 3


def test_bad_rewards():
    cur = Curriculum(problems(), "grpo")
    plan = cur.suggest(1, rollouts=4)
    with pytest.raises(ArgumentError, match="`rewards` must be finite, got nan for attempt 1"):
        cur.observe(plan, [1, np.nan, 0, 1])
    with pytest.raises(ArgumentError, match="`rewards` must be flat"):
        cur.observe(plan, [[1, 0], [0, 1]])
    with pytest.raises(ArgumentError, match=r"leave \[0, 1\].*give `solved`"):
        cur.observe(plan, [-1, 1, 1, 3])
    with pytest.raises(ArgumentError, match="axis 'attempt' is 4 in `rewards` but 2 in `mask`"):
        cur.observe(plan, [1, 1, 1, 1], mask=[True, True])
    with pytest.raises(ArgumentError, match="axis 'attempt' is 4 in `rewards` but 1 in `lengths`"):
        cur.observe(plan, [1, 1, 1, 1], lengths=[3])
    # none of the refused calls changed anything: the plan can still be observed
    batch = cur.observe(plan, [-1, 1, 1, 3], solved=[0, 0, 1, 1])
    assert batch.solved.tolist() == [False, False, True, True]
    assert batch.reward.tolist() == [-1, 1, 1, 3]


def test_masked_attempts_are_paid_but_not_believed():
    cur, same = Curriculum(["a"], "grpo"), Curriculum(["a"], "grpo")
    plan = cur.suggest(1, rollouts=4)
    batch = cur.observe(plan, [1, 0, np.nan, np.nan], mask=[True, True, False, False])
    advantage, keep = cur.advantages(batch)
    assert advantage[2:].tolist() == [0, 0]
    assert keep.tolist() == [True, True, False, False]
    other = same.suggest(1, rollouts=2)
    same.observe(other, [1, 0])
    assert cur.belief().alpha.tolist() == same.belief().alpha.tolist()
    assert cur.metrics()["spent"] == 4


def test_partial_credit_feeds_the_advantage_not_the_belief():
    cur = Curriculum(["a"], "grpo")
    plan = cur.suggest(1, rollouts=4)
    batch = cur.observe(plan, np.float32([0.5, 0.25, 1, 0]))
    assert batch.solved.tolist() == [False, False, True, False]
    assert cur.advantages(batch)[1].all()


@pytest.mark.parametrize("lag", [0, 1, 3])
def test_late_feedback_in_any_order(lag):
    cur = Curriculum(problems(), "gradatim", seed=1)
    waiting, rng = [], np.random.default_rng(0)
    for _ in range(12):
        waiting.append(cur.suggest(6, rollouts=36))
        if len(waiting) > lag:
            plan = waiting.pop(int(rng.integers(len(waiting))))
            cur.observe(plan, outcome(plan))
    assert len(cur.pending()) == lag
    for plan in waiting[::-1]:
        cur.observe(plan, outcome(plan))
    assert cur.metrics()["asked"] == cur.metrics()["spent"] == 12 * 36
    assert not cur.pending()


def test_prime_starts_from_earlier_attempts():
    cur = Curriculum(problems(), "gradatim")
    cur.prime([0, 5], solved=[0, 8], tried=[8, 8])
    mean = cur.belief().alpha / (cur.belief().alpha + cur.belief().beta)
    assert mean[0] < 0.2 < 0.8 < mean[5]
    assert mean[4] < mean[1]  # others of their levels follow
    assert (cur.metrics()["spent"], cur.metrics()["primed"]) == (16, 16)
    with pytest.raises(ArgumentError, match=r"`problem` must lie in \[0, 23\]"):
        cur.prime([24], solved=[0], tried=[1])
    with pytest.raises(ArgumentError, match="`solved / tried` must lie in"):
        cur.prime([0], solved=[3], tried=[2])


def test_saved_file_is_whole_or_not_there(tmp_path):
    cur = Curriculum(problems(), "gradatim")
    plan = cur.suggest(4, rollouts=32)
    path = tmp_path / "cur.npz"
    cur.save(path)
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (512, hard))  # as if the disk were full
    try:
        with pytest.raises(StoreError, match="cannot write"):
            cur.save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["cur.npz"]
    again = Curriculum.load(path, problems())
    again.observe(plan, outcome(plan))  # the plan under way is known after a load


def test_load_refuses_what_it_cannot_go_on_with(tmp_path):
    path = tmp_path / "cur.npz"
    cur = Curriculum(problems(), "grpo")
    cur.save(path)
    with pytest.raises(FormatError, match="'problems': expected the problems it was saved with"):
        Curriculum.load(path, problems()[::-1])
    with pytest.raises(FormatError, match="got nothing of that name"):
        Curriculum.load(tmp_path / "no.npz", problems())
    for content in (b"", b"text", b"PK\x03\x04 cut", path.read_bytes()[:200]):
        (tmp_path / "bad.npz").write_bytes(content)
        with pytest.raises(FormatError, match="expected a curriculum saved by gradatim"):
            Curriculum.load(tmp_path / "bad.npz", problems())
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    with pytest.raises(FormatError, match="expected a curriculum saved by gradatim"):
        Curriculum.load(tmp_path / "other.npz", problems())
    notes, arrays = saving.read(path)
    text = json.dumps({**notes, "version": saving.VERSION + 1}).encode()
    np.savez(tmp_path / "new.npz", notes=np.frombuffer(text, np.uint8), **arrays)
    with pytest.raises(FormatError, match="got version 3; update gradatim"):
        Curriculum.load(tmp_path / "new.npz", problems())


def test_changes_survive_saving(tmp_path):
    cur = Curriculum(problems(), "gradatim", 9, budget={"min": 3}, sampler=("window", {"low": 0.1}))
    cur.save(tmp_path / "cur.npz")
    again = Curriculum.load(tmp_path / "cur.npz", problems())
    assert again.recipe.budget.options["min"] == 3
    assert again.recipe.sampler.name == "window"
    assert again.seed == 9


def test_same_seed_same_plans():
    def plans_of(seed):
        cur = Curriculum(problems(), "gradatim", seed)
        for _ in range(3):
            plan = cur.suggest(6, rollouts=40)
            cur.observe(plan, outcome(plan))
        return plan.problem.tolist(), plan.n.tolist()

    assert plans_of(1) == plans_of(1)
    assert plans_of(1) != plans_of(2)


def test_bad_requests():
    cur = Curriculum(problems(), "grpo")
    with pytest.raises(ArgumentError, match="`rollouts` must lie in"):
        cur.suggest(4, rollouts=0)
    with pytest.raises(ArgumentError, match="`prompts` must lie in"):
        cur.suggest(0, rollouts=4)
    with pytest.raises(ArgumentError, match="at least one problem"):
        Curriculum([], "grpo")
    with pytest.raises(ArgumentError, match="`seed` must lie in"):
        Curriculum(problems(), "grpo", -1)


def test_adaptive_recipes_waste_fewer_groups_on_a_skewed_pool():
    rng = np.random.default_rng(0)
    rate = np.r_[np.full(300, 0.002), np.full(60, 0.4), np.full(240, 0.995)]
    level = np.repeat(["hard", "right", "easy"], [300, 60, 240])

    def mixed(recipe):
        cur = Curriculum(range(600), recipe, source=level)
        for _ in range(25):
            plan = cur.suggest(16, rollouts=128)
            reward = rng.random(128) < rate[np.repeat(plan.problem, plan.n)]
            cur.observe(plan, reward.astype(float))
        return cur.metrics()["total_mixed_share"]

    even = mixed("grpo")
    # a tenth of the pool can teach; even draws find about that share
    assert even < 0.2
    for recipe in ("gradatim", "dump"):
        assert mixed(recipe) > 2 * even


def test_a_million_problems():
    cur = Curriculum(range(1_000_000), "gradatim", source=np.arange(1_000_000) % 500)
    plan = cur.suggest(64, rollouts=512)
    cur.observe(plan, np.ones(512))
    assert plan.n.sum() == 512
    assert cur.metrics()["spent"] == 512
