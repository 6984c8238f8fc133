"""TRL's trainer driven by recipes: real runs on a CPU of a model with two layers."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gradatim.engine.steps import taught
from gradatim.errors import ArgumentError
from gradatim.families.generation import generate
from gradatim.integrations import trl as ours
from gradatim.recipes import registry
from gradatim.recipes.curriculum import Curriculum
from gradatim.solvers import tiny
from gradatim.store.run import Run

pytestmark = [
    pytest.mark.slow,
    # said inside transformers of its own attributes
    pytest.mark.filterwarnings("ignore::FutureWarning:transformers"),
]
FOLDER = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture(scope="module")
def llama():
    """benchmarks/llama.py: the tiny policy as a model of transformers."""
    try:
        import trl  # noqa: F401
    except ImportError:
        pytest.fail('this test needs TRL: pip install "gradatim[trl]"')
    spec = importlib.util.spec_from_file_location("llama", FOLDER / "llama.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def policy():
    return tiny.load("start")


@pytest.fixture(scope="module")
def problems():
    return generate("lists", n=60, level=range(1, 6))


@pytest.fixture
def trainer(llama, policy, tmp_path):
    """How a trainer is made: small, on the CPU, silent."""

    def make(problems, recipe=None, *, folder=tmp_path, changes=None, **named):
        from trl import GRPOConfig

        settings = {
            "output_dir": str(folder),
            "max_steps": 2,
            "per_device_train_batch_size": 16,
            "num_generations": 4,
            "max_completion_length": 12,
            "learning_rate": 5e-4,
            "lr_scheduler_type": "constant",
            "seed": 3,
            "use_cpu": True,
            "bf16": False,
            "activation_checkpointing": False,
            "save_strategy": "no",
            "logging_steps": 1,
            "report_to": [],
            "disable_tqdm": True,
            **(changes or {}),
        }
        return ours.GradatimGRPOTrainer(
            named.pop("model", None) or llama.model(policy),
            problems,
            GRPOConfig(**settings),
            recipe=recipe,
            **{"processing_class": llama.tokenizer(), "prompt": tiny.compact, **named},
        )

    return make


def watched(trainer):
    """Plans, rewards and batches of every generation, as the trainer goes on with them."""
    seen = []
    suggest, weigh = trainer.curriculum.suggest, trainer._weigh

    def planning(*args, **named):
        seen.append({"plan": suggest(*args, **named)})
        return seen[-1]["plan"]

    def weighing(plan, output):
        rewards, _, ids = trainer._scored
        made = weigh(plan, output)
        prompts = [row.tolist() for row in output["prompt_ids"]]
        seen[-1] |= {"rewards": rewards[:, 0].double().numpy(), "output": made}
        seen[-1] |= {"prompts": prompts, "ids": ids}
        return made

    trainer.curriculum.suggest, trainer._weigh = planning, weighing
    return seen


def weights(trainer):
    return {k: v.clone() for k, v in trainer.model.state_dict().items()}


def logged(trainer, name):
    return [row[name] for row in trainer.state.log_history if name in row]


# -- the plan is what happens ---------------------------------------------------------------------


@pytest.mark.parametrize("recipe", ["grpo", "gradatim", "knapsack", "gigpo", "canon_entropy"])
def test_group_sizes_are_the_plans_and_advantages_the_recipes(trainer, problems, recipe):
    made = trainer(problems, recipe, changes={"per_device_train_batch_size": 32})
    before, seen = weights(made), watched(made)
    known = registry.resolve("advantage", made.curriculum.recipe.advantage)
    observed = []
    observe = made.curriculum.observe
    made.curriculum.observe = lambda *a, **k: observed.append(observe(*a, **k)) or observed[-1]
    made.train()
    assert len(seen) == 2
    for step, batch in zip(seen, observed, strict=True):
        plan, output = step["plan"], step["output"]
        assert plan.n.sum() == 32
        asked = [
            made.processing_class(tiny.compact(problems[i]))["input_ids"] for i in plan.problem
        ]
        sent = [[t for t in row if t != made._tokenizer.pad_token_id] for row in step["prompts"]]
        assert sent == [asked[row] for row, n in enumerate(plan.n.tolist()) for _ in range(n)]
        advantage, keep = known[0].suggest(batch, **known[1])
        found = output["advantages"].numpy()
        if found.ndim == 2:
            found = np.concatenate([a[: len(i)] for a, i in zip(found, step["ids"], strict=True)])
            keep = np.repeat(keep, batch.length)
        np.testing.assert_allclose(found, np.where(keep, advantage, 0.0), atol=1e-6)
        np.testing.assert_array_equal(batch.reward, step["rewards"])
    assert any((weights(made)[k] != before[k]).any() for k in before)
    assert logged(made, "gradatim/spent") == [32, 64]
    rates = [float(np.mean(step["rewards"])) for step in seen]
    assert logged(made, "reward") == pytest.approx(rates)
    assert logged(made, "gradatim/pass_rate") == pytest.approx(rates)


ROUNDS = {r["name"] for r in registry.list_recipes() if r["rounds"] > 1}


@pytest.mark.parametrize("recipe", registry.recipe_names())
def test_every_recipe_runs_or_is_refused_with_what_it_lacks(trainer, problems, recipe):
    changes = {"max_steps": 1, "logging_strategy": "no"}
    if recipe in ROUNDS or recipe == "pudf":
        lacks = "needs 'rounds'" if recipe in ROUNDS else "needs 'bank'"
        with pytest.raises(ArgumentError, match=f"recipe '{recipe}'.*{lacks}.*the trainer provide"):
            trainer(problems, recipe, changes=changes)
        return
    made = trainer(problems, recipe, changes=changes)
    made.train()
    assert made.curriculum.metrics()["spent"] == 16
    assert all(np.isfinite(w.numpy()).all() for w in weights(made).values())


def test_generations_that_are_used_again_are_told_once(trainer, problems):
    # a generation of 32 lasts 2 steps x 2 passes: 8 steps, 2 generations
    changes = {"max_steps": 8, "per_device_train_batch_size": 16, "steps_per_generation": 2}
    made = trainer(problems, "grpo", changes={**changes, "num_iterations": 2})
    seen = watched(made)
    made.train()
    assert [step["plan"].step for step in seen] == [0, 1]
    assert made.curriculum.metrics()["spent"] == 64
    assert made.curriculum.total == 64
    assert made.curriculum.pending() == []
    assert "old_per_token_logps" in seen[0]["output"]
    # once a generation, and not repeated where nothing is new
    assert logged(made, "gradatim/spent") == [32, 64]
    assert len(logged(made, "entropy")) == 8


def test_small_pools_and_repeated_prompts(trainer, problems):
    # fewer problems than a generation has prompts, and one of them twice
    made = trainer([problems[0], problems[1], problems[0]], "grpo", changes={"max_steps": 4})
    seen = watched(made)
    made.train()
    assert len(seen) == 4
    assert all(step["plan"].n.sum() == 16 for step in seen)


def test_chats_where_the_tokenizer_knows_them(trainer, llama, problems):
    tokenizer = llama.tokenizer()
    tokenizer.chat_template = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
    short = [replace(p, prompt=p.compact) for p in problems]
    said = []

    def count(prompts, completions, **_):
        said.extend(zip(prompts, completions, strict=True))
        return [float(len(c[-1]["content"]) > 3) for c in completions]

    made = trainer(short, "gigpo", prompt=None, processing_class=tokenizer, reward_funcs=count)
    made.train()
    assert {(p[0]["role"], c[0]["role"]) for p, c in said} == {("user", "assistant")}
    assert {p[0]["content"] for p, _ in said} <= {p.prompt for p in short}
    checked = trainer(short, "grpo", prompt=None, processing_class=tokenizer)
    checked.train()
    assert sum(logged(checked, "reward")) > 0


def test_replies_that_were_cut_off_can_be_left_out(trainer, problems):
    changes = {"max_completion_length": 4, "mask_truncated_completions": True}
    made = trainer(problems, "gradatim", changes=changes)
    seen = watched(made)
    made.train()
    for step in seen:
        output = step["output"]
        cut = (output["completion_mask"].sum(1) == 0).numpy()
        assert 0 < cut.sum() < 16
        assert not step["rewards"][cut].any()  # no answer was given
        assert int(output["gradatim_rows"]) == 16
        assert int(output["gradatim_tokens"]) == int(output["completion_mask"].sum())


# -- it learns ------------------------------------------------------------------------------------


def solved(made, problems, samples=8):
    """(problem,) share of samples that are right, under the model as it is."""
    import torch

    rows = [ours.problem_row(p, tiny.compact(p)) for p in problems for _ in range(samples)]
    texts = [row["prompt"] for row in rows]
    asked = made.processing_class(texts, return_tensors="pt", padding=True)
    asked.pop("token_type_ids", None)
    torch.manual_seed(0)
    with torch.no_grad():
        out = made.model.generate(**asked, generation_config=made.generation_config)
    ids = [reply.tolist() for reply in out[:, asked["input_ids"].shape[1] :]]
    end = made._tokenizer.eos_token_id
    ids = [reply[: reply.index(end) + 1] if end in reply else reply for reply in ids]
    texts = made.processing_class.batch_decode(ids, skip_special_tokens=True)
    rewards = made.reward_funcs[0](texts, ids, problem=[row["problem"] for row in rows])
    return np.reshape(rewards, (len(problems), samples)).mean(1)


@pytest.mark.parametrize("recipe", ["grpo", "gradatim"])
def test_reward_rises_beyond_its_interval(trainer, problems, recipe):
    changes = {"max_steps": 30, "per_device_train_batch_size": 64, "num_generations": 8}
    made = trainer(problems, recipe, changes=changes)
    before = solved(made, problems)
    made.train()
    gain = solved(made, problems) - before
    error = gain.std(ddof=1) / np.sqrt(len(gain))  # over problems, each with its own gain
    print(f"{recipe}: {before.mean():.3f}, gain {gain.mean():.3f} +- {1.96 * error:.3f}")
    assert gain.mean() - 1.96 * error > 0


# -- our loss and TRL's ---------------------------------------------------------------------------

SAME = {  # recipe's objective -> settings of TRL's loss, and whether its value is the same too
    "clip": (("clip", {}), {"loss_type": "grpo", "epsilon_low": 0.2, "epsilon_high": 0.2}, True),
    "clip_higher": (
        ("clip_higher", {}),
        {"loss_type": "dapo", "epsilon_low": 0.2, "epsilon_high": 0.28},
        True,
    ),
    "dr_grpo": (
        ("clip", {"aggregate": "constant"}),
        {"loss_type": "dr_grpo", "epsilon_low": 0.2, "epsilon_high": 0.2},
        True,
    ),
    "gspo": (
        ("gspo", {}),
        {
            "loss_type": "grpo",
            "importance_sampling_level": "sequence",
            "epsilon_low": 3e-4,
            "epsilon_high": 4e-4,
        },
        True,
    ),
    # theirs has the value of ratio x log-probability, ours of the ratio; the gradient is one
    "cispo": (("cispo", {}), {"loss_type": "cispo", "epsilon_high": 4.0}, False),
    "kl": (("clip", {}), {"loss_type": "grpo", "beta": 0.05}, True),
}


@pytest.mark.parametrize("name", SAME)
def test_the_loss_is_that_of_trl_where_it_has_one(trainer, llama, policy, problems, tmp_path, name):
    import torch
    from trl import GRPOTrainer

    use, theirs, value = SAME[name]
    changes = {"steps_per_generation": 2, "beta": theirs.get("beta", 0.0)}
    changes["use_bias_correction_kl"] = False
    llama.model(policy).save_pretrained(tmp_path / "model")  # a reference is loaded from there
    slots = {"objective": use}
    model = str(tmp_path / "model")
    made = trainer(problems, "grpo", slots=slots, changes=changes, model=model)
    made.model.train()
    made.current_gradient_accumulation_steps = 1
    made.state.max_steps = 2
    inputs = made._generate_and_score_completions([{}] * 32)
    half = {k: v[:16] if v.ndim else v for k, v in inputs.items()}
    noise = torch.Generator().manual_seed(0)
    old = half["old_per_token_logps"]
    half["old_per_token_logps"] = old + 0.3 * torch.randn(old.shape, generator=noise)
    half["advantages"] = torch.randn(16, generator=noise)
    found = []
    for compute in (lambda: made._compute_loss(made.model, half), None):
        if compute is None:
            vars(made).update(theirs)
            loss = GRPOTrainer._compute_loss(made, made.model, half)
        else:
            loss = compute()
        made.model.zero_grad()
        loss.backward()
        found.append((loss.item(), [p.grad.clone() for p in made.model.parameters()]))
    (mine, mine_grad), (other, other_grad) = found
    assert mine == pytest.approx(other, abs=1e-6) or not value
    assert max(g.abs().max() for g in mine_grad) > 1e-3
    torch.testing.assert_close(mine_grad, other_grad, atol=1e-6, rtol=1e-4)


def test_trls_own_loss_can_be_asked_for(trainer, problems):
    made = trainer(problems, "gradatim", loss="trl", changes={"loss_type": "dr_grpo"})
    seen = watched(made)
    made.train()
    assert len(seen) == 2
    assert logged(made, "clip_ratio/region_mean") == [0.0, 0.0]


# -- checkpoints ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recipe", "changes"),
    [
        ("gradatim", {"max_steps": 8, "save_steps": 4}),
        # saved with a third of a generation learned from
        ("grpo", {"max_steps": 8, "save_steps": 4, "steps_per_generation": 3}),
        ("grpo", {"max_steps": 8, "save_steps": 3, "steps_per_generation": 2, "num_iterations": 2}),
    ],
)
def test_a_checkpoint_goes_on_as_if_nothing_happened(trainer, problems, tmp_path, recipe, changes):
    changes = {"per_device_train_batch_size": 8, "num_generations": 2, **changes}
    changes |= {"save_strategy": "steps", "num_generations": 4}
    straight = trainer(problems, recipe, changes=changes)
    first = watched(straight)
    straight.train()
    again = trainer(problems, recipe, changes=changes)
    assert any((weights(again)[k] != v).any() for k, v in weights(straight).items())
    second = watched_later(again)
    again.train(resume_from_checkpoint=str(tmp_path / f"checkpoint-{changes['save_steps']}"))
    for name, value in weights(straight).items():
        assert (weights(again)[name] == value).all(), name
    assert again.curriculum.metrics() == straight.curriculum.metrics()
    plans = [step["plan"].problem.tolist() for step in first]
    assert plans[len(plans) - len(second) :] == second
    assert logged(again, "reward") == logged(straight, "reward")


def test_shares_of_other_processes_are_dropped(trainer, problems, tmp_path, caplog):
    import torch

    changes = {"max_steps": 2, "steps_per_generation": 2, "save_strategy": "steps", "save_steps": 1}
    trainer(problems, "grpo", changes=changes).train()
    kept = tmp_path / "checkpoint-1" / "gradatim-0.pt"
    torch.save({**torch.load(kept, weights_only=True), "processes": 2}, kept)
    again = trainer(problems, "grpo", changes={**changes, "save_strategy": "no"})
    again.train(resume_from_checkpoint=str(tmp_path / "checkpoint-1"))
    assert "written by 2 processes: what was left of a generation is dropped" in caplog.text
    assert again.curriculum.metrics()["spent"] == 64  # a second generation, after half of the first


def watched_later(trainer):
    """Problems of the plans that follow, whichever curriculum makes them."""
    seen, suggest = [], trainer._suggest

    def planning():
        plan = suggest()
        seen.append(plan.problem.tolist())
        return plan

    trainer._suggest = planning
    return seen


# -- rows and rewards of one's own ----------------------------------------------------------------


def test_a_dataset_with_rewards_of_ones_own(trainer, problems):
    from datasets import Dataset

    rows = [{"prompt": p.compact, "gold": taught(p), "level": p.level} for p in problems]
    asked = []

    def right(prompts, completions, gold, **_):
        asked.append((len(prompts), gold))
        found = [float(c == g) for c, g in zip(completions, gold, strict=True)]
        return [None, *found[1:]]

    def short(completions, **_):
        return [-len(c) / 10 for c in completions]

    changes = {"reward_weights": [1.0, 0.5]}
    named = {"reward_funcs": [right, short], "solved": "right", "changes": changes}
    made = trainer(Dataset.from_list(rows), "grpo", **named)
    assert len(set(made.curriculum.pool.sources)) == 5  # levels
    seen = watched(made)
    made.train()
    for (n, golds), step in zip(asked, seen, strict=True):
        assert n == 16
        index = np.repeat(step["plan"].problem, step["plan"].n)
        assert golds == [rows[i]["gold"] for i in index]
    # the first is scored by the other function alone, and did not pass
    assert logged(made, "gradatim/spent") == [16, 32]
    nothing = {"reward_funcs": lambda prompts, **_: [None] * len(prompts)}
    unscored = trainer(Dataset.from_list(rows), "grpo", **nothing)
    unscored.train()
    assert logged(unscored, "gradatim/kept_share") == [0.0, 0.0]


def test_evaluation_stays_trls(trainer, problems):
    from datasets import Dataset

    held = Dataset.from_list([ours.problem_row(p, p.compact) for p in problems[:8]])
    changes = {"eval_strategy": "steps", "eval_steps": 1, "per_device_eval_batch_size": 16}
    made = trainer(problems, "grpo", eval_dataset=held, changes=changes)
    made.train()
    assert len(logged(made, "eval_reward")) == 2
    assert made.curriculum.metrics()["spent"] == 32  # evaluation is not believed


def test_a_server_is_sent_each_prompt_as_often_as_planned(trainer, problems):
    from trl.generation.vllm_generation import VLLMGeneration

    made = trainer(problems, "knapsack")
    sent = []

    class Client:
        def generate(self, prompts, n, **_):
            sent.append((prompts, n))
            replies = [ids for ids in prompts for _ in range(n)]
            none = [[[0.0]] * len(ids) for ids in replies]
            return {"prompt_ids": prompts, "completion_ids": replies, "logprobs": none}

    # their generate as it is, without the server
    server = VLLMGeneration.__new__(VLLMGeneration)
    sampling = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")
    vars(server).update(dict.fromkeys((*sampling, "logprobs", "structured_outputs_regex")))
    server.accelerator, server.mode, server.vllm_client = made.accelerator, "server", Client()
    server.max_completion_length, server.generation_kwargs = 12, {}
    made.vllm_generation, made.use_vllm, made._last_loaded_step = server, True, 0
    prompts = [[1], [1], [1], [2], [3], [3], [3], [3]]  # groups of 3, 1 and 4
    replies, _ = made._generate_single_turn(prompts, None, {}, made.num_generations)
    assert sent == [(prompts, 1)]
    assert replies == prompts  # each reply is to its own prompt


def test_what_cannot_run_is_said_at_once(trainer, problems, policy):
    from datasets import Dataset

    with pytest.raises(ArgumentError, match="recipe 'dapo' plans a step in up to 4 rounds"):
        trainer(problems, "dapo")
    with pytest.raises(ArgumentError, match="`loss_type` is a setting of TRL's loss"):
        trainer(problems, "grpo", changes={"loss_type": "bnpo"})
    with pytest.raises(ArgumentError, match="has no column 'prompt'; it has question"):
        trainer(Dataset.from_dict({"question": ["a"]}), "grpo")
    with pytest.raises(ArgumentError, match=r"must be Problems or a datasets\.Dataset, got str"):
        trainer(["1 + 1?"], "grpo")
    with pytest.raises(ArgumentError, match="give the data set as `problems`"):
        trainer(problems, "grpo", train_dataset=[])
    with pytest.raises(ArgumentError, match="give `curriculum`, or `recipe` and `slots`"):
        trainer(problems, "grpo", curriculum=Curriculum(problems, "grpo"))
    made = trainer(problems, curriculum=Curriculum(problems, "rloo"))
    assert made.curriculum.recipe.name == "rloo"


# -- without a trainer of ours --------------------------------------------------------------------


def test_any_trainer_can_keep_its_attempts(llama, policy, problems, tmp_path):
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    def right(completions, gold, **_):
        return [float(c == g) for c, g in zip(completions, gold, strict=True)]

    rows = [{"prompt": p.compact, "gold": taught(p)} for p in problems]
    trainer = GRPOTrainer(
        model=llama.model(policy),
        processing_class=llama.tokenizer(),
        train_dataset=Dataset.from_list(rows),
        reward_funcs=ours.reward_logger(right, run=tmp_path / "run", answer="gold"),
        args=GRPOConfig(
            output_dir=str(tmp_path / "out"),
            max_steps=2,
            per_device_train_batch_size=16,
            num_generations=4,
            max_completion_length=12,
            use_cpu=True,
            bf16=False,
            activation_checkpointing=False,
            save_strategy="no",
            logging_steps=1,
            report_to=[],
            disable_tqdm=True,
        ),
    )
    trainer.train()
    with Run(tmp_path / "run", create=False).ledger() as ledger:
        rows = list(ledger.attempts())
    assert len(rows) == 32
    assert {row.step for row in rows} == {0, 1}
    rewards = logged(trainer, "reward")
    found = [np.mean([row.reward for row in rows if row.step == step]) for step in (0, 1)]
    assert found == pytest.approx(rewards)
    assert max(rewards) > 0
    assert logged(trainer, "rewards/right/mean") == rewards
