"""The training loop of the tiny policy against TRL's GRPOTrainer, alternated in one process.

    python benchmarks/tiny_loop.py [--repeats 5] [--steps 8] [--more 1] [--micro 512] [--json FILE]

Same network, weights, problems, batch, lengths, objective and optimiser; see README.md here. Time
is CPU time of this process (all threads) and covers whole steps: choosing prompts, sampling,
verifying, the update, and for ours also the ledger. The first step of every repetition, what
stands before it, and the whole first repetition are left out on both sides.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import llama
import numpy as np
import torch
import trl
import trl_side

from gradatim.engine import loop, train
from gradatim.families.generation import generate
from gradatim.solvers import tiny
from gradatim.solvers.checkpoints.remake import SUBJECTS
from gradatim.solvers.tiny_model import encode
from gradatim.store.run import Run
from gradatim.types import Problem

SETTINGS = train.Settings(recipe="grpo", rollouts=10**9, overrides={}, monitors=0)
TARGETS = {"all rows": 5.0, "skipping": 8.0}  # rollouts per CPU second relative to TRL
PARTS = ("sampling", "update", "verification", "ledger")
POOL = 2000


def pool(n: int, *, split: str = "train") -> list[Problem]:
    """Problems of every subject of the shipped checkpoints, levels 1 to 10 in turn."""
    each = -(-n // len(SUBJECTS))
    levels = range(1, 11)
    return [
        problem
        for family, knobs, _ in SUBJECTS
        for problem in generate(family, n=each, level=levels, split=split, **knobs)
    ]


# -- the two are the same policy ----------------------------------------------------------------


def greedy_agreement(policy: tiny.Policy, problems: Sequence[Problem]) -> tuple[int, int]:
    """How many greedy replies are the same text from both implementations."""
    prompts = [encode(tiny.compact(p)) for p in problems]
    ours = tiny.texts(
        tiny.respond(
            policy,
            prompts,
            np.ones(len(prompts)),
            limit=SETTINGS.limit,
            temperature=0.0,
            generator=torch.Generator(),
        )
    )
    model, tokenizer = llama.model(policy).eval(), llama.tokenizer()
    batch = tokenizer([p.compact for p in problems], return_tensors="pt", padding=True)
    batch.pop("token_type_ids", None)
    made = model.generate(**batch, max_new_tokens=SETTINGS.limit, do_sample=False)
    replies = made[:, batch["input_ids"].shape[1] :]
    theirs = tokenizer.batch_decode(replies, skip_special_tokens=True)
    return sum(a == b for a, b in zip(ours, theirs, strict=True)), len(problems)


# -- our side -----------------------------------------------------------------------------------


class _Parts:
    """CPU seconds by part, inclusive of what each part calls."""

    def __init__(self) -> None:
        self.spent = dict.fromkeys((*PARTS, "grading"), 0.0)

    def timed(self, part: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **named: Any) -> Any:
            begin = time.process_time()
            made = call(*args, **named)
            self.spent[part] += time.process_time() - begin
            return made

        return run


def our_steps(
    problems: Sequence[Problem], *, n: int, all_rows: bool, seed: int, folder: str
) -> dict[str, float]:
    """As trl_side.steps, through the session that `gradatim train` runs."""
    settings = train.Settings(**{**train.asdict(SETTINGS), "seed": seed})
    run = Run(folder)
    run.add_problems(problems)
    session = train._Session(run, problems, (), settings)
    learner, parts = session.learner, _Parts()
    learner.sample = parts.timed("sampling", learner.sample)
    learner.update = parts.timed("update", partial(learner.update, all_rows=all_rows))
    session._store = parts.timed("grading", session._store)  # verification and ledger
    with run.ledger(write=True) as ledger:
        ledger.append = parts.timed("ledger", ledger.append)
        session.step(ledger)
        tokens = session.tokens
        parts.spent.update(dict.fromkeys(parts.spent, 0.0))
        begin = time.process_time()
        for _ in range(n):
            session.step(ledger)
        cpu = time.process_time() - begin
    parts.spent["verification"] = parts.spent.pop("grading") - parts.spent["ledger"]
    timed = session.curve[1:]
    return {
        "rollouts": n * settings.batch,
        "tokens": session.tokens - tokens,
        "cpu": cpu,
        "solved": statistics.fmean(c["solved"] for c in timed),
        "rows": sum(c["rows"] for c in timed) / (n * settings.batch),
        "steps": n,
        **parts.spent,
    }


# -- measuring and the table --------------------------------------------------------------------


def measure(options: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    """Records by variant; every repetition runs each of them once, in turning order."""
    problems, policy = pool(POOL), tiny.load(SETTINGS.start)
    shared = {key: getattr(SETTINGS, key) for key in ("prompts", "batch", "limit", "rate", "ramp")}

    def theirs(**named: Any) -> dict[str, float]:
        return trl_side.steps(policy, problems, micro=options.micro, **shared, **named)

    variants = {
        "TRL": theirs,
        "all rows": partial(our_steps, problems, all_rows=True),
        "skipping": partial(our_steps, problems, all_rows=False),
    }
    found: dict[str, list[dict[str, float]]] = {name: [] for name in variants}
    names = list(variants)
    for repeat in range(-1, options.repeats):  # -1 warms up and does not count
        turn = repeat % len(names)
        for name in (*names[turn:], *names[:turn]):
            with tempfile.TemporaryDirectory() as folder:
                # more steps of ours are steadier, but then the two are not at one stage of learning
                n = options.steps * (1 if name == "TRL" else options.more)
                record = variants[name](n=n, seed=repeat + 1, folder=folder)
            speed = record["rollouts"] / record["cpu"]
            sys.stderr.write(f"{repeat + 1}/{options.repeats} {name:9} {speed:7.0f} rollouts/s\n")
            if repeat >= 0:
                found[name].append(record)
    return found


def spread(values: Sequence[float], digits: int = 0) -> str:
    """Median and range."""
    low, high = min(values), max(values)
    return f"{statistics.median(values):,.{digits}f} ({low:,.{digits}f}-{high:,.{digits}f})"


def speeds(records: Sequence[dict[str, float]], what: str) -> list[float]:
    return [r[what] / r["cpu"] for r in records]


def table(found: dict[str, list[dict[str, float]]]) -> str:
    """Speeds, ratios to TRL within each repetition, and where our time goes."""
    lines = ["Median (lowest-highest) over the repetitions; s = CPU second of the process.", ""]
    lines += [
        f"{'loop':<10}{'rollouts/s':>24}{'reply tokens/s':>28}{'tokens/reply':>14}{'solved':>8}"
    ]
    for name, records in found.items():
        length = sum(r["tokens"] for r in records) / sum(r["rollouts"] for r in records)
        solved = statistics.fmean(r["solved"] for r in records)
        lines.append(
            f"{name:<10}{spread(speeds(records, 'rollouts')):>24}"
            f"{spread(speeds(records, 'tokens')):>28}{length:>14.2f}{solved:>8.2f}"
        )
    lines += ["", f"{'ratio to TRL':<22}{'rollouts':>20}{'reply tokens':>20}{'target':>8}"]
    for name, target in TARGETS.items():
        ratio = {
            what: [
                ours / theirs
                for ours, theirs in zip(
                    speeds(found[name], what), speeds(found["TRL"], what), strict=True
                )
            ]
            for what in ("rollouts", "tokens")
        }
        met = "met" if statistics.median(ratio["rollouts"]) >= target else "MISSED"
        lines.append(
            f"{name:<22}{spread(ratio['rollouts'], 1):>20}{spread(ratio['tokens'], 1):>20}"
            f"{target:>7.0f}x  {met}"
        )
    lines += ["", "Milliseconds a step, medians", f"{'loop':<10}{'whole':>9}"]
    lines[-1] += "".join(f"{part:>14}" for part in (*PARTS, "rest")) + f"{'rows computed':>15}"
    for name, records in found.items():
        lines.append(f"{name:<10}" + _milliseconds(records))
    return "\n".join(lines)


def _milliseconds(records: Sequence[dict[str, float]]) -> str:
    def middle(pick: Callable[[dict[str, float]], float]) -> float:
        return statistics.median(1000 * pick(r) / r["steps"] for r in records)

    cells = f"{middle(lambda r: r['cpu']):>9.0f}"
    for part in PARTS:
        known = part in records[0]
        cells += f"{middle(lambda r, part=part: r[part]):>14.1f}" if known else f"{'-':>14}"
    cells += f"{middle(lambda r: r['cpu'] - sum(r.get(part, 0.0) for part in PARTS)):>14.1f}"
    share = statistics.fmean(r.get("rows", 1.0) for r in records)
    return cells + f"{share:>15.0%}"


def main() -> None:
    read = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    read.add_argument("--repeats", type=int, default=5)
    read.add_argument("--steps", type=int, default=8, help="steps of TRL in a repetition")
    read.add_argument("--more", type=int, default=1, help="steps of ours for each of TRL's")
    read.add_argument("--micro", type=int, default=512, help="rows of a pass in TRL")
    read.add_argument("--json", type=Path, help="write every measurement to this file")
    options = read.parse_args()
    loop.use_threads(SETTINGS.threads)
    trl_side.quiet()
    same, tried = greedy_agreement(tiny.load(SETTINGS.start), pool(60, split="test"))
    print(f"trl {trl.__version__}, torch {torch.__version__}, {os.cpu_count()} CPUs, one thread")
    print(f"greedy replies that are the same in both: {same} of {tried}")
    if same != tried:
        sys.exit("the two sides are not the same policy; nothing was measured")
    found = measure(options)
    print(table(found))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
