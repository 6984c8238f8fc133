"""Make the small logs of this folder again, with the tools themselves and without a network.

    pip install inspect_ai==0.3.285 openai        # then: python tests/logs/make.py inspect
    pip install torch==2.13.0 lm_eval==0.4.13     # then: python tests/logs/make.py lm_eval
    pip install trl==1.16.0 transformers          # then: python tests/logs/make.py trl

Every log is of two mock models, `weak` and `strong`, on sums; what is right is decided by a hash,
so the outcomes are the same each time (ids, times and hosts differ). A second argument is the
folder to write to.
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


def inspect_logs(target):
    """An .eval log (8 samples, 3 epochs, one error) and a .json log (4, 2) of each model."""
    from inspect_ai import Epochs, Task, eval
    from inspect_ai.dataset import MemoryDataset, Sample
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
                shutil.copy(made, target / "inspect" / f"{model}.{kind}")


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
                found.append((-1.0 if (truth == yes) == right(self.name, question, 0) else -2.0, True))
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
                model_source="mock", model_args=f"pretrained=mock/{model}",
                system_instruction=None, chat_template=None, fewshot_as_multiturn=False,
            )
            found = lm_eval.simple_evaluate(
                Mock(model), tasks=["sums", "larger"], task_manager=tasks, log_samples=True,
                bootstrap_iters=0,
            )
            samples = found.pop("samples")
            tracker.save_results_aggregated(results=found, samples=samples)
            for task, rows in samples.items():
                tracker.save_results_samples(task_name=task, samples=rows)
        (target / "lm_eval").mkdir(parents=True, exist_ok=True)
        shutil.copytree(out, target / "lm_eval", dirs_exist_ok=True)


MAKERS = {"inspect": inspect_logs, "lm_eval": lm_logs}

if __name__ == "__main__":
    MAKERS[sys.argv[1]](Path(sys.argv[2]) if len(sys.argv) > 2 else HERE)
