"""TRL's GRPOTrainer on the tiny policy, timed step by step."""

import logging
import time
import warnings
from collections.abc import Sequence

import datasets
import llama
import transformers
from trl import GRPOConfig, GRPOTrainer

from gradatim.families.verify import check
from gradatim.solvers.tiny import Policy
from gradatim.solvers.tiny_model import END
from gradatim.types import Problem


class _Clock(transformers.TrainerCallback):
    """CPU seconds at the end of every step."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_step_end(self, *_, **__) -> None:
        self.ends.append(time.process_time())


def steps(
    policy: Policy,
    problems: Sequence[Problem],
    *,
    n: int,
    prompts: int,
    batch: int,
    limit: int,
    rate: float,
    ramp: int,
    micro: int,
    seed: int,
    folder: str,
) -> dict[str, float]:
    """Train `n` + 1 steps and time all but the first.

    Args:
        policy: where to start.
        problems: the pool.
        n: steps that count.
        prompts, batch, limit, rate, ramp: as in engine.train.Settings.
        micro: rows of a forward and backward pass; batch / micro of them make a step.
        seed: order of the prompts and sampling.
        folder: where TRL may write.

    Returns:
        rollouts, tokens, cpu, solved (share), and cpu seconds by part.
    """
    quiet()
    solved: list[float] = []
    tokens: list[int] = []
    spent = {"sampling": 0.0, "verification": 0.0}

    def reward(completions, completion_ids, index, **_):
        begin = time.process_time()
        ended = [bool(ids) and ids[-1] == END for ids in completion_ids]
        rows = zip(index, completions, ended, strict=True)
        values = [check(problems[i], text if done else None).reward for i, text, done in rows]
        solved.append(sum(values) / len(values))
        tokens.append(sum(map(len, completion_ids)))
        if len(solved) > 1:
            spent["verification"] += time.process_time() - begin
        return values

    rows = [{"prompt": p.compact, "index": i} for i, p in enumerate(problems)]
    clock = _Clock()
    trainer = GRPOTrainer(
        model=llama.model(policy),
        processing_class=llama.tokenizer(),
        train_dataset=datasets.Dataset.from_list(rows),
        reward_funcs=reward,
        callbacks=[clock],
        args=GRPOConfig(
            output_dir=folder,
            max_steps=n + 1,
            seed=seed,
            per_device_train_batch_size=micro,
            gradient_accumulation_steps=batch // micro,
            num_generations=batch // prompts,
            num_iterations=1,
            max_completion_length=limit,
            temperature=1.0,
            top_p=1.0,
            top_k=0,
            learning_rate=rate,
            lr_scheduler_type="constant_with_warmup",
            warmup_steps=ramp,
            adam_beta2=0.99,
            weight_decay=0.0,
            max_grad_norm=1.0,
            beta=0.0,
            loss_type="grpo",
            scale_rewards="group",
            # what only costs time here is switched off
            activation_checkpointing=False,
            bf16=False,
            use_cpu=True,
            save_strategy="no",
            logging_strategy="no",
            report_to=[],
            disable_tqdm=True,
        ),
    )
    assert not trainer.model.is_activation_checkpointing  # it would compute the forward pass twice
    trainer.remove_callback(transformers.PrinterCallback)
    _time_sampling(trainer, spent, solved)
    trainer.train()
    assert len(clock.ends) == n + 1
    return {
        "rollouts": n * batch,
        "tokens": sum(tokens[1:]),
        "cpu": clock.ends[-1] - clock.ends[0],
        "solved": sum(solved[1:]) / n,
        "steps": n,
        **spent,
    }


def _time_sampling(trainer: GRPOTrainer, spent: dict[str, float], begun: list[float]) -> None:
    generate = trainer._generate

    def timed(*args, **named):
        start = time.process_time()
        made = generate(*args, **named)
        if begun:  # not in the first step
            spent["sampling"] += time.process_time() - start
        return made

    trainer._generate = timed


def quiet() -> None:
    """Progress bars and advice would stand between the lines of the table."""
    transformers.logging.set_verbosity_error()
    datasets.disable_progress_bars()
    logging.getLogger("accelerate").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
