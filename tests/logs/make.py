"""Make the small logs of this folder again, with the tools themselves and without a network.

    pip install inspect_ai==0.3.285 openai        # then: python tests/logs/make.py inspect
    pip install torch==2.13.0 lm_eval==0.4.13     # then: python tests/logs/make.py lm_eval
    pip install torch==2.13.0 trl==1.16.0 pandas rich  # then: python tests/logs/make.py trl
    pip download --no-deps verl==0.9.1            # then, unzipped: python tests/logs/make.py verl

The evaluations are of two mock models, `weak` and `strong`, on sums; what is right is decided by a
hash, so the outcomes are the same each time (ids and times differ). TRL trains a model with random
weights for two steps; of verl the function that writes rollouts is run by itself, because the
trainer wants a cluster. A second argument is the folder to write to.
"""

import hashlib
import json
import shutil
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODELS = {"weak": 2, "strong": 10}
QUESTIONS = range(1, 9)


def right(model, question, attempt):
    """Whether a mock model solves question 1 .. 8 at this attempt; later questions are harder."""
    drawn = hashlib.sha256(f"{model}/{question}/{attempt}".encode()).digest()[0] / 256
    return drawn < MODELS[model] / (MODELS[model] + question - 1)


# -- inspect_ai ---------------------------------------------------------------------------------


def inspect_logs(target):  # noqa: C901
    """An .eval log (8 samples, 3 epochs, one error) and a .json log (4, 2) of each model."""
    from inspect_ai import Epochs, Task, eval
    from inspect_ai.dataset import MemoryDataset, Sample
    from inspect_ai.log import write_eval_log
    from inspect_ai.model import ModelOutput, ModelUsage, get_model
    from inspect_ai.scorer import Score, accuracy, match, mean, scorer
    from inspect_ai.solver import generate, solver

    @scorer(metrics=[mean()])
    def closeness():
        async def score(state, target):
            off = abs(int(state.output.completion) - int(target.text))
            return Score(value=1 / (1 + off / 2))

        return score

    @scorer(metrics=[accuracy()])
    def judge():
        async def score(state, target):
            off = abs(int(state.output.completion) - int(target.text))
            return Score(value={0: "C", 1: "P"}.get(off, "N" if off > 5 else "I"))

        return score

    @solver
    def fragile():
        async def solve(state, generate):
            if state.sample_id == 5 and state.epoch == 2:
                raise RuntimeError("the tool broke")
            return state

        return solve

    samples = [Sample(input=f"What is {i} + {i}?", target=str(2 * i), id=i) for i in QUESTIONS]
    for model in MODELS:
        for kind, limit, epochs in (("eval", 8, 3), ("json", 4, 2)):
            seen = dict.fromkeys(QUESTIONS, 0)

            def answer(messages, tools, choice, config, model=model, seen=seen):
                question = int(messages[-1].text.split()[2])
                seen[question] += 1
                off = 0 if right(model, question, seen[question]) else question % 3 + 1
                output = ModelOutput.from_content(f"mockllm/{model}", str(2 * question + off))
                output.usage = ModelUsage(input_tokens=8, output_tokens=1, total_tokens=9)
                return output

            task = Task(
                name="sums",
                dataset=MemoryDataset(samples, name="sums"),
                solver=[fragile(), generate()],
                scorer=[match(), closeness(), judge()],
                epochs=Epochs(epochs, "mean"),
                fail_on_error=False,
            )
            with tempfile.TemporaryDirectory() as folder:
                eval(
                    task,
                    model=get_model(f"mockllm/{model}", custom_outputs=answer),
                    log_format=kind,
                    log_dir=folder,
                    display="none",
                    max_samples=1,
                    limit=limit,
                )
                (made,) = Path(folder).glob(f"*.{kind}")
                (target / "inspect").mkdir(parents=True, exist_ok=True)
                write_eval_log(without_tracebacks(made), target / "inspect" / f"{model}.{kind}")


def without_tracebacks(path):
    """A log of inspect_ai without what names the machine."""
    from inspect_ai.log import read_eval_log

    log = read_eval_log(str(path))
    for sample in log.samples:
        for error in (sample.error, *(getattr(e, "error", None) for e in sample.events)):
            if hasattr(error, "traceback"):
                error.traceback = error.traceback_ansi = ""
    return log


# -- lm-evaluation-harness ----------------------------------------------------------------------


LM_TASK = """
task: sums
dataset_path: json
dataset_kwargs:
  data_files: {data}
test_split: train
output_type: generate_until
doc_to_text: "{{{{question}}}}"
doc_to_target: "{{{{answer}}}}"
repeats: 2
generation_kwargs:
  until: ["\\n"]
  do_sample: true
metric_list:
  - metric: exact_match
    aggregation: mean
    higher_is_better: true
filter_list:
  - name: first
    filter:
      - function: take_first
  - name: digits
    filter:
      - function: regex
        regex_pattern: "(\\\\d+)"
      - function: take_first
"""

CHOICE_TASK = """
task: larger
dataset_path: json
dataset_kwargs:
  data_files: {data}
test_split: train
output_type: multiple_choice
doc_to_text: "{{{{question}}}}"
doc_to_choice: ["yes", "no"]
doc_to_target: "{{{{label}}}}"
metric_list:
  - metric: acc
    aggregation: mean
    higher_is_better: true
"""


def lm_logs(target):
    """results_*.json and samples_*.jsonl of two tasks and two models."""
    import lm_eval
    from lm_eval.api.model import LM
    from lm_eval.loggers import EvaluationTracker
    from lm_eval.tasks import TaskManager

    class Mock(LM):
        def __init__(self, name):
            super().__init__()
            self.name = name

        def generate_until(self, requests, **kwargs):
            answers, seen = [], {}
            for request in requests:
                question = int(request.args[0].split()[2])
                seen[question] = seen.get(question, 0) + 1
                off = 0 if right(self.name, question, seen[question]) else 1
                answers.append(str(2 * question + off))
            return answers

        def loglikelihood(self, requests, **kwargs):
            found = []
            for request in requests:
                question, yes = int(request.args[0].split()[1]), "yes" in request.args[1]
                truth = question > 4
                found.append((
                    -1.0 if (truth == yes) == right(self.name, question, 0) else -2.0,
                    True,
                ))
            return found

        def loglikelihood_rolling(self, requests, **kwargs):
            raise NotImplementedError

    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        sums = [{"question": f"What is {i} + {i}?", "answer": str(2 * i)} for i in QUESTIONS]
        larger = [{"question": f"Is {i} larger than 4?", "label": int(i <= 4)} for i in QUESTIONS]
        for name, rows, text in (("sums", sums, LM_TASK), ("larger", larger, CHOICE_TASK)):
            data = folder / f"{name}.jsonl"
            data.write_text("".join(json.dumps(row) + "\n" for row in rows))
            (folder / f"{name}.yaml").write_text(text.format(data=data))
        tasks = TaskManager(include_path=str(folder), include_defaults=False)
        for model in MODELS:
            out = folder / "out"
            tracker = EvaluationTracker(output_path=str(out))
            tracker.general_config_tracker.log_experiment_args(
                model_source="mock",
                model_args=f"pretrained=mock/{model}",
                system_instruction=None,
                chat_template=None,
                fewshot_as_multiturn=False,
            )
            found = lm_eval.simple_evaluate(
                Mock(model),
                tasks=["sums", "larger"],
                task_manager=tasks,
                log_samples=True,
                bootstrap_iters=0,
            )
            samples = found.pop("samples")
            found.pop("pretty_env_info", None)  # of the machine
            tracker.save_results_aggregated(results=found, samples=samples)
            for task, rows in samples.items():
                tracker.save_results_samples(task_name=task, samples=rows)
        (target / "lm_eval").mkdir(parents=True, exist_ok=True)
        shutil.copytree(out, target / "lm_eval", dirs_exist_ok=True)


# -- trainers -----------------------------------------------------------------------------------


def trl_logs(target):
    """Completions that GRPOTrainer logs: 2 steps of 2 prompts with 4 completions each."""
    import torch
    from datasets import Dataset
    from tokenizers import Tokenizer, decoders, models
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
    from trl import GRPOConfig, GRPOTrainer

    torch.manual_seed(0)
    letters = {char: i for i, char in enumerate("0123456789+= ")}
    plain = Tokenizer(models.BPE(vocab={**letters, "<pad>": 13, "<end>": 14}, merges=[]))
    plain.decoder = decoders.Fuse()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=plain, pad_token="<pad>", eos_token="<end>", padding_side="left"
    )
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=15,
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            bos_token_id=None,
            eos_token_id=14,
            pad_token_id=13,
        )
    )

    def has_even_digit(completions, **_):
        return [float(any(c in "02468" for c in text[:2])) for text in completions]

    def brevity(completions, **_):
        return [1 - len(text) / 8 for text in completions]

    prompts = [f"{i}+{i}=" for i in range(1, 5)]
    with tempfile.TemporaryDirectory() as folder:
        trainer = GRPOTrainer(
            model=model,
            processing_class=tokenizer,
            train_dataset=Dataset.from_list([{"prompt": p} for p in prompts]),
            reward_funcs=[has_even_digit, brevity],
            args=GRPOConfig(
                output_dir=folder,
                max_steps=2,
                per_device_train_batch_size=8,
                num_generations=4,
                max_completion_length=8,
                log_completions=True,
                logging_steps=1,
                report_to="none",
                save_strategy="no",
                use_cpu=True,
                bf16=False,
                seed=1,
            ),
        )
        trainer.train()
        (target / "trl").mkdir(parents=True, exist_ok=True)
        for made in sorted((Path(folder) / "completions").glob("*.parquet")):
            shutil.copy(made, target / "trl" / made.name)


def verl_logs(target):
    """Rollouts as verl writes them with `trainer.rollout_data_dir`: 2 steps, 4 prompts, 4 each."""
    import ast
    import importlib.util
    import os

    found = importlib.util.find_spec("verl")  # importing the trainer would start Ray
    place = Path(found.submodule_search_locations[0]) / "trainer" / "ppo" / "ray_trainer.py"
    tree = ast.parse(place.read_text())
    (writer,) = (
        n
        for n in ast.walk(tree)
        if isinstance(n, ast.FunctionDef) and n.name == "_write_generations"
    )
    writer.decorator_list = []
    scope = {"os": os, "json": json}
    exec(compile(ast.Module([writer], []), str(place), "exec"), scope)
    for step, model in ((1, "weak"), (2, "strong")):
        asked = [i for i in range(1, 5) for _ in range(4)]
        good = [right(model, i, n) for n, i in enumerate(asked)]
        scope["_write_generations"](
            [f"user\nWhat is {i} + {i}?\nassistant\n" for i in asked],
            [str(2 * i + (not ok)) for i, ok in zip(asked, good, strict=True)],
            [str(2 * i) for i in asked],
            [2.0 * ok - 1 for ok in good],
            {"acc": [bool(ok) for ok in good]},
            str(target / "verl"),
            step,
        )


MAKERS = {"inspect": inspect_logs, "lm_eval": lm_logs, "trl": trl_logs, "verl": verl_logs}

if __name__ == "__main__":
    MAKERS[sys.argv[1]](Path(sys.argv[2]) if len(sys.argv) > 2 else HERE)
