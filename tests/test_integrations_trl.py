"""What stands between a curriculum and TRL, without TRL: rows, feedback, losses, refusals."""

import json
import sys
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from gradatim.errors import ArgumentError, FormatError, MissingExtra
from gradatim.families.generation import generate
from gradatim.integrations import trl, trl_checks, trl_feedback, trl_loss, trl_rows
from gradatim.learning.advantages import grpo
from gradatim.learning.objectives_parts import Scale
from gradatim.recipes.curriculum import Curriculum
from gradatim.types import Problem, Use

SUM = Problem(id="7", prompt="6 * 7?", answer="42", verifier="number")
CHAT = Problem(id="8", prompt=({"role": "user", "content": "6 * 7?"},), answer="42")
END, OTHER = 5, 9


@dataclass
class Config:
    """The fields of GRPOConfig that are read."""

    beta: float = 0.0
    steps_per_generation: int = 1
    generation_batch_size: int = 32
    loss_type: str = "dapo"
    epsilon: float = 0.2
    scale_rewards: str = "group"


def test_the_extra_is_named_where_it_is_missing(monkeypatch):
    trl._trainer.cache_clear()
    monkeypatch.setitem(sys.modules, "trl", None)
    with pytest.raises(MissingExtra, match=r'pip install "gradatim\[trl\]"'):
        trl.GradatimGRPOTrainer  # noqa: B018
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        trl.nothing  # noqa: B018


# -- rows and the reward --------------------------------------------------------------------------


@pytest.mark.parametrize("problem", [SUM, CHAT, *generate("sat", n=2, level=3)])
def test_a_row_holds_the_whole_problem(problem):
    row = trl.problem_row(problem)
    assert trl_rows.problem_of(row["problem"]) == problem
    assert (row["answer"], row["id"]) == (problem.answer, problem.id)
    json.dumps(row)  # plain enough for a dataset


def test_a_row_says_what_is_sent():
    assert trl.problem_row(SUM, "6*7=")["prompt"] == "6*7="
    assert trl_rows.as_chat(SUM) == [{"role": "user", "content": "6 * 7?"}]
    assert trl.problem_row(CHAT, trl_rows.as_chat(CHAT))["prompt"] == [dict(CHAT.prompt[0])]


def test_the_reward_checks_replies_that_ended():
    reward = trl_rows.checking(lambda: [END])
    text = trl.problem_row(SUM)["problem"]
    said = ["42", "41", "42", [{"role": "assistant", "content": "It is 42."}]]
    ids = [[1, END], [1, END], [1, OTHER], [1, END]]
    assert reward(said, ids, problem=[text] * 4) == [1.0, 0.0, 0.0, 1.0]
    assert reward(["42"], [[]], problem=[text]) == [0.0]  # nothing was said


def test_the_reward_says_which_column_it_lacks():
    with pytest.raises(ArgumentError, match="the rows have answer, prompts: give `reward_funcs`"):
        trl_rows.checking(lambda: [END])(["42"], [[END]], answer=["42"], prompts=["6 * 7?"])
    with pytest.raises(ArgumentError, match="rows have problem, and another 'problem': give `rew"):
        trl_rows.checking(lambda: [END])(["42"], [[END]], problem=["6 * 7?"])
    damaged = trl.problem_row(SUM)["problem"].replace('"42"', "[42]")
    with pytest.raises(FormatError, match="column 'problem'"):
        trl_rows.problem_of(damaged)


# -- feedback -------------------------------------------------------------------------------------


def planned(recipe="grpo", *, problems=30, prompts=4, rollouts=12, **changes):
    curriculum = Curriculum(range(problems), recipe, provides=trl.PROVIDES, **changes)
    return curriculum, curriculum.suggest(prompts, rollouts=rollouts)


def told(curriculum, plan, rewards, **columns):
    columns = {"lengths": np.full(len(rewards), 3), **columns}
    return trl_feedback.observe(curriculum, plan, rewards, solved=None, columns=columns)


def test_ragged_groups_get_the_advantages_of_the_pure_function():
    curriculum, plan = planned("knapsack", rollouts=40, problems=3, prompts=3)
    curriculum.observe(plan, np.arange(40) % 5 == 0)
    plan = curriculum.suggest(3, rollouts=17)
    assert len(set(plan.n.tolist())) > 1
    rewards = np.random.default_rng(0).integers(0, 2, 17).astype(float)
    group = np.repeat(plan.group, plan.n)
    found = told(curriculum, plan, rewards)
    expected, keep = grpo(rewards, group)
    np.testing.assert_array_equal(found.advantage, np.where(keep, expected, 0.0))
    np.testing.assert_array_equal(found.group, group)
    np.testing.assert_array_equal(found.solved, rewards == 1)


def test_statistics_are_of_the_groups_that_there_are():
    curriculum, plan = planned(rollouts=12, prompts=3)
    assert plan.n.tolist() == [4, 4, 4]
    # mixed; all right; all wrong but one that could not be scored: 7 of 11 without contrast
    rewards = np.array([1, 0, 0, 1, 1, 1, 1, 1, 0, 0, np.nan, 0])
    found = told(curriculum, plan, rewards)
    assert found.silent == 7 / 11
    assert found.advantage[4:].tolist() == [0.0] * 8
    assert found.metrics["kept_share"] == 4 / 12
    assert found.metrics["mixed_share"] == 1 / 3
    assert found.metrics["spent"] == 12  # what could not be scored was paid for


def test_nothing_could_be_scored():
    curriculum, plan = planned()
    found = told(curriculum, plan, np.full(12, np.nan))
    assert (found.silent, found.advantage.any(), found.solved.any()) == (0.0, False, False)


def test_anchors_are_in_no_mean():
    curriculum, plan = planned(rollouts=40, prompts=5, anchors=[0, 1], probes=0.2)
    rewards = np.arange(40) % 2.0
    found = told(curriculum, plan, rewards)
    probed = np.repeat(plan.role, plan.n) == 1
    assert probed.sum() == 8
    np.testing.assert_array_equal(found.counted, ~probed)
    assert not found.advantage[probed].any()


def test_states_of_replies_come_from_their_tokens():
    curriculum, plan = planned("gigpo", prompts=1, rollouts=4)
    lengths = np.array([2, 2, 1, 2])
    tokens = np.array([1, 2, 1, 3, 1, 2, 2])  # 12, 13, 1, 22
    found = told(curriculum, plan, np.array([1.0, 0, 0, 0]), lengths=lengths, tokens=tokens)
    assert found.advantage.shape == (7,)
    # states before the second tokens: "1" met by replies 0 and 1, which differ
    assert found.advantage[1] > found.advantage[3]


def test_weights_and_names_of_reward_functions():
    rewards = np.array([[1.0, 0.5], [np.nan, 0.5], [np.nan, np.nan]])
    totals = trl_feedback.totals(rewards, np.array([1.0, 0.2]))
    np.testing.assert_allclose(totals, [1.1, 0.1, np.nan])
    assert trl_feedback.passed(rewards, ["right", "form"], None) is None
    assert trl_feedback.passed(rewards, ["right", "form"], "right").tolist() == [True, False, False]
    with pytest.raises(ArgumentError, match="`solved` must be one of form, right; got 'rigth'"):
        trl_feedback.passed(rewards, ["right", "form"], "rigth")


def test_rewards_beyond_one_ask_what_passed():
    curriculum, plan = planned()
    with pytest.raises(ArgumentError, match=r"they span -1 \.\. 2\); give `solved`, the name of"):
        told(curriculum, plan, np.array([2.0, -1] * 6))


# -- the loss -------------------------------------------------------------------------------------


def batch(rows=4, places=3, seed=0):
    noise = torch.Generator().manual_seed(seed)
    logp = -torch.rand(rows, places, generator=noise)
    mask = torch.ones(rows, places, dtype=torch.long)
    inputs = {
        "advantages": torch.randn(rows, generator=noise),
        "old_per_token_logps": logp - 0.3 * torch.randn(rows, places, generator=noise),
        "group": torch.arange(rows) // 2,
        "solved": torch.arange(rows) % 2 == 0,
    }
    return logp.requires_grad_(), mask, inputs


def objective(name, processes=1, config=None, **options):
    return trl_loss.objective_of(Use(name, options), config or Config(), processes=processes)


def loss(name, logp, mask, inputs, scale, **options):
    found = objective(name, **options)
    return trl_loss.loss_of(found, logp, torch.zeros_like(logp), inputs, mask=mask, scale=scale)


def test_the_loss_is_the_mean_of_clipped_ratios():
    ratio = torch.tensor([[1.1, 1.5], [0.5, 1.0]])
    inputs = {
        "advantages": torch.tensor([1.0, -2.0]),
        "old_per_token_logps": -ratio.log(),
        "group": torch.tensor([0, 0]),
        "solved": torch.tensor([True, False]),
    }
    mask = torch.tensor([[1, 1], [1, 0]])
    value, _ = loss("clip", torch.zeros(2, 2), mask, inputs, Scale(2, 3, 2))
    # rows: min(1.1, 1.1) and min(1.5, 1.2), mean 1.15; max(0.5, 0.8) x 2 = 1.6, one token
    assert value.item() == pytest.approx(-(1.15 - 1.6) / 2)


@pytest.mark.parametrize("name", ["clip", "clip_higher", "gspo", "cispo", "reinforce"])
def test_micro_batches_add_up_to_the_batch(name):
    logp, mask, inputs = batch(6)
    scale = trl_loss.scale_of(6, 18, 3, window=1.0)
    whole, _ = loss(name, logp, mask, inputs, scale)
    (expected,) = torch.autograd.grad(whole, logp)
    parts = [
        loss(name, logp[i], mask[i], {k: v[i] for k, v in inputs.items()}, scale)[0]
        for i in (slice(0, 1), slice(1, 4), slice(4, 6))
    ]
    (found,) = torch.autograd.grad(sum(parts), logp)
    torch.testing.assert_close(sum(parts), whole)
    torch.testing.assert_close(found, expected)


def test_a_token_may_have_an_advantage_of_its_own():
    logp, mask, inputs = batch()
    mask[0, 1:] = 0
    spread = {**inputs, "advantages": inputs["advantages"][:, None].expand(4, 3)}
    scale = Scale(4, 10, 3)
    first, second = (loss("clip", logp, mask, x, scale)[0] for x in (inputs, spread))
    assert first.item() == second.item()
    halved = {**inputs, "importance_sampling_ratio": torch.full((4, 1), 0.5)}
    third, _ = loss("reinforce", logp, mask, halved, scale)
    fourth, _ = loss("reinforce", logp, mask, inputs, scale)
    torch.testing.assert_close(third, fourth / 2)


def test_replies_without_tokens_are_left_out():
    logp, mask, inputs = batch()
    mask[1] = 0
    with_it, _ = loss("clip", logp, mask, inputs, Scale(4, 9, 3))
    rest = [0, 2, 3]
    others = {k: v[rest] for k, v in inputs.items()}
    without, _ = loss("clip", logp[rest], mask[rest], others, Scale(4, 9, 3))
    assert with_it.item() == without.item()
    nothing, metrics = loss("clip", logp, mask * 0, inputs, Scale(4, 9, 3))
    nothing.backward()
    assert (nothing.item(), metrics, logp.grad.any().item()) == (0.0, {}, False)


def test_objectives_that_compare_rows_need_whole_groups():
    assert objective("drpo").name == "drpo"
    line = "needs 'group', 'mixed_rows'.*per_device_train_batch_size=32"
    with pytest.raises(ArgumentError, match=line):
        objective("drpo", processes=2)
    with pytest.raises(ArgumentError, match=line):
        objective("drpo", config=Config(steps_per_generation=2))


def test_a_reference_comes_with_beta():
    with pytest.raises(ArgumentError, match=r"needs 'reference'.*set GRPOConfig\(beta=\.\.\.\)"):
        objective("dpo")
    assert objective("clip", config=Config(beta=0.02)).options["kl"] == 0.02
    with pytest.raises(ArgumentError, match=r"kl=0\.01, but TRL has beta=0: set GRPOConfig\(beta"):
        objective("clip", kl=0.01)
    with pytest.raises(ArgumentError, match=r"kl=0\.01, but TRL has beta=0\.02"):
        objective("clip", kl=0.01, config=Config(beta=0.02))


def test_settings_that_nothing_reads_are_refused():
    trl_loss.refuse_unread(Config(), loss="recipe")
    trl_loss.refuse_unread(Config(loss_type="grpo", epsilon=0.1), loss="trl")
    with pytest.raises(ArgumentError, match=r"`epsilon` is a setting of TRL's loss.*loss="):
        trl_loss.refuse_unread(Config(epsilon=0.1), loss="recipe")
    with pytest.raises(ArgumentError, match="`scale_rewards` has no effect: the recipe's advant"):
        trl_loss.refuse_unread(Config(scale_rewards="none"), loss="trl")


# -- what the loop cannot do ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recipe", "line"),
    [
        ("dapo", "recipe 'dapo' plans a step in up to 4 rounds.*the trainer provides anchor, "),
        ("seele", "recipe 'seele' plans a step in up to 4 rounds"),
    ],
)
def test_recipes_of_several_rounds_are_refused(recipe, line):
    problems = generate("lists", n=20, level=1)
    with pytest.raises(ArgumentError, match=line):
        Curriculum(problems, recipe, provides=trl.PROVIDES)
    given = Curriculum(problems, recipe, provides={*trl.PROVIDES, "rounds", "hint", "prefill"})
    with pytest.raises(ArgumentError, match=line):
        trl_checks.affordable(given, problems, Config())


def test_a_generation_pays_for_a_group():
    given = Curriculum(range(9), "grpo", budget={"size": 64})
    with pytest.raises(ArgumentError, match="`size` = 64 at least"):
        trl_checks.affordable(given, range(9), Config())
    with pytest.raises(ArgumentError, match="is over 9 problems, `problems` has 8"):
        trl_checks.affordable(Curriculum(range(9), "grpo"), range(8), Config())


def test_what_passed_is_said_before_a_generation():
    two = ["right", "form"]
    with pytest.raises(
        ArgumentError, match=r"2 reward functions \(right, form\) and no `solved`: "
    ):
        trl_checks.judged(two, [1.0, 1.0], None)
    with pytest.raises(ArgumentError, match="`solved` must be one of form, right; got 'rigth'"):
        trl_checks.judged(two, [1.0, 1.0], "rigth")
    trl_checks.judged(two, [1.0, 1.0], "right")
    trl_checks.judged(two, np.float32([0.8, 0.2]).tolist(), None)
    trl_checks.judged(["right"], [2.0], None)  # its rewards may be halves


def test_an_epoch_tries_every_problem():
    # 10 problems, 4 a generation: 3 generations, each drawn 2 x 8 times
    ticks = trl_rows.Ticks(10, 4, 16)
    assert len(ticks) == len(list(ticks)) == 3 * 4 * 16


def test_only_the_same_recipe_goes_on(tmp_path):
    curriculum, plan = planned()
    with pytest.raises(ArgumentError, match="holds a model only, neither its opt"):
        trl_checks.resumed(curriculum, tmp_path)
    (tmp_path / "rng_state.pth").touch()
    with pytest.raises(ArgumentError, match=r"has no gradatim\.npz, so another trainer wrote it"):
        trl_checks.resumed(curriculum, tmp_path)
    curriculum.observe(plan, np.ones(12))
    curriculum.save(tmp_path / trl_checks.FILE)
    assert trl_checks.resumed(planned()[0], tmp_path).step == 1
    with pytest.raises(ArgumentError, match="trained by the recipe 'grpo', this trainer has 'rlo"):
        trl_checks.resumed(planned("rloo")[0], tmp_path)
    with pytest.raises(ArgumentError, match="'grpo' with other options, this trainer has 'grpo'"):
        trl_checks.resumed(planned(budget={"size": 3})[0], tmp_path)
    with pytest.raises(FormatError, match="the problems it was saved with"):
        trl_checks.resumed(planned(problems=31)[0], tmp_path)


def test_the_filter_takes_groups_of_any_size():
    found = trl.zero_variance_filter(np.array([1.0, 1, 0, 0]), np.array([7, 7, 7, 8]))
    assert found.keep.tolist() == [True, True, True, False]
