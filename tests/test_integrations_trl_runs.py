"""TRL's trainer driven by recipes: real runs on a CPU of a model with two layers."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from gradatim.families.generation import generate
from gradatim.integrations import trl as ours
from gradatim.recipes import registry
from gradatim.solvers import tiny

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
            llama.model(policy),
            problems,
            GRPOConfig(**settings),
            recipe=recipe,
            processing_class=llama.tokenizer(),
            **{"prompt": tiny.compact, **named},
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
