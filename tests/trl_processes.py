"""What each process of a TRL run does: `python trl_processes.py OUT`, once a process.

Replies come from a table instead of the model, so that one process and two see the same ones.
"""

import importlib.util
import json
import os
import random
import sys
import warnings
from pathlib import Path

os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"
SIZE = 32


def load(name):
    path = Path(__file__).parent.parent / "benchmarks" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def replies(prompts, trainer, known):
    """Right, wrong or long, by a hash of the prompt and the number of the reply to it."""
    said, count = [], {}
    for prompt in prompts:
        count[prompt] = count.get(prompt, -1) + 1
        noise = random.Random(f"{trainer.state.global_step} {prompt} {count[prompt]}")
        gold = known[prompt]
        text = noise.choice([gold, gold[::-1], gold + gold[:2]])
        tokens = trainer.processing_class(text)["input_ids"]
        said.append([*tokens, trainer.processing_class.eos_token_id])
    asked = [trainer.processing_class(prompt)["input_ids"] for prompt in prompts]
    return {"prompt_ids": asked, "completion_ids": said, "logprobs": None}


def sizes(trainer):
    return [float(w.double().abs().sum()) for w in trainer.model.parameters()]


def main(folder):
    import torch
    from accelerate import PartialState
    from trl import GRPOConfig

    from gradatim.engine.steps import taught
    from gradatim.families.generation import generate
    from gradatim.integrations.trl import GradatimGRPOTrainer, reward_logger
    from gradatim.integrations.trl_rows import checking
    from gradatim.solvers import tiny

    torch.set_num_threads(1)
    llama = load("llama")
    processes = PartialState(cpu=True).num_processes
    problems = generate("lists", n=24, level=range(1, 6))
    known = {p.compact: taught(p) for p in problems}
    end = llama.tokenizer().eos_token_id

    reward = reward_logger(checking(lambda: [end]), run=folder / "run")

    def make(**changes):
        args = GRPOConfig(
            output_dir=str(folder / "out"),
            per_device_train_batch_size=SIZE // processes // 2,
            steps_per_generation=2,
            num_generations=4,
            max_completion_length=12,
            learning_rate=1e-3,
            lr_scheduler_type="constant",
            seed=5,
            use_cpu=True,
            bf16=False,
            activation_checkpointing=False,
            report_to=[],
            disable_tqdm=True,
            logging_steps=1,
            **{"max_steps": 4, **changes},
        )
        return GradatimGRPOTrainer(
            llama.model(tiny.load("start")),
            problems,
            args,
            recipe="knapsack",
            slots={"budget": {"min": 2}},
            reward_funcs=reward,
            prompt=tiny.compact,
            processing_class=llama.tokenizer(),
            rollout_func=lambda prompts, trainer: replies(prompts, trainer, known),
        )

    # a step learns from a whole generation, so that it does not matter how this is dealt out
    trainer = make(save_strategy="no", gradient_accumulation_steps=2, max_steps=2)
    seen, weigh = [], trainer._weigh

    def weighing(plan, output):
        rewards = trainer._scored[0][:, 0].tolist()
        made = weigh(plan, output)
        mine = {key: getattr(plan, key).tolist() for key in ("problem", "n", "group")}
        asked = [
            [t for t in row if t != trainer._tokenizer.pad_token_id]
            for row in made["prompt_ids"].tolist()
        ]
        mine |= {"rewards": rewards, "advantages": made["advantages"].tolist(), "asked": asked}
        mine |= {"rows": int(made["gradatim_rows"]), "tokens": int(made["gradatim_tokens"])}
        seen.append(mine)
        return made

    trainer._weigh = weighing
    trainer.train()
    found = {"rank": trainer.accelerator.process_index, "generations": seen}
    found["weights"] = sizes(trainer)
    found["spent"] = trainer.curriculum.metrics()["spent"]
    found["loss"] = [row["loss"] for row in trainer.state.log_history if "loss" in row]

    reward = checking(lambda: [end])
    # two steps a generation: the third checkpoint lies inside the second
    straight, again = make(save_strategy="steps", save_steps=1), make(save_strategy="no")
    straight.train()
    again.train(resume_from_checkpoint=str(folder / "out" / "checkpoint-3"))
    found["straight"], found["resumed"] = sizes(straight), sizes(again)

    broken = make(save_strategy="no")
    broken.curriculum.suggest = lambda *_, **__: 1 / 0
    try:
        broken.train()
    except Exception as error:
        found["failed"] = f"{type(error).__name__}: {error}"
    (folder / f"{found['rank']}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    warnings.simplefilter("ignore", FutureWarning)  # said inside transformers
    main(Path(sys.argv[1]))
