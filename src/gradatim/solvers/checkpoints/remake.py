"""Remake the shipped checkpoints: short supervised warm-ups of the tiny policy.

    python -m gradatim.solvers.checkpoints.remake [FOLDER]

Each lineage (a seed) is stopped early at several steps. `start` is where training begins: its
middle levels sit near a third, so that reinforcement has something to teach. `held-out` is placed
by the adaptive test and takes no part in calibration; the crowd calibrates. Problems are of the
train split and of seeds that nothing else uses. About 3 CPU minutes in all.
"""

import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from gradatim.families.generation import generate
from gradatim.rng import Stream
from gradatim.solvers.tiny import Policy, save
from gradatim.solvers.tiny_model import END, Shape, encode, initial, ragged, reply_logits
from gradatim.types import Problem

# family, its knobs, share of the lessons
SUBJECTS: tuple[tuple[str, dict[str, Any], float], ...] = (
    ("lists", {}, 0.38),
    ("arithmetic", {"kind": "chain"}, 0.22),
    ("arithmetic", {"kind": "sum"}, 0.20),
    ("sat", {}, 0.20),
)
BATCH = 64
RATE = 4e-3
RAMP = 50
EASE = 0.9  # each level is seen this often relative to the one below it
# lineage -> {step: name of the checkpoint}; a lineage ends at its last step
LINEAGES: dict[int, dict[int, str]] = {
    0: {1300: "start"},
    1: {400: "crowd-1", 700: "crowd-2", 1000: "crowd-3", 1300: "crowd-4", 1700: "crowd-5"},
    2: {550: "crowd-6", 850: "crowd-7", 1150: "crowd-8", 1500: "crowd-9"},
    3: {1300: "held-out"},
}
STREAM = "warm-up"
SEEDS = 1_000_000  # far from the seeds that people use


def lessons(seed: int, n: int) -> list[Problem]:
    """The problems of a lineage, in the order in which it sees them."""
    stream = Stream(STREAM, seed)
    shares = [share for *_, share in SUBJECTS]
    ease = [EASE**level for level in range(10)]
    order = [(_pick(stream, shares), 1 + _pick(stream, ease)) for _ in range(n)]
    made = {}
    for (subject, level), count in Counter(order).items():
        family, knobs, _ = SUBJECTS[subject]
        seeds = SEEDS + seed
        made[subject, level] = iter(generate(family, n=count, level=level, seed=seeds, **knobs))
    return [next(made[key]) for key in order]


def _pick(stream: Stream, weights: list[float]) -> int:
    at = stream.uniform() * sum(weights)
    for i, weight in enumerate(weights):
        at -= weight
        if at < 0:
            return i
    return len(weights) - 1


def warm_up(seed: int, stops: dict[int, str], folder: Path) -> None:
    """Train one lineage and save it at its stops."""
    shape = Shape()
    weights = {k: v.requires_grad_() for k, v in initial(shape, seed).items()}
    optimiser = torch.optim.AdamW(
        list(weights.values()), lr=RATE, betas=(0.9, 0.98), weight_decay=0.01, fused=True
    )
    problems = lessons(seed, BATCH * max(stops))
    for step in range(1, max(stops) + 1):
        batch = problems[BATCH * (step - 1) : BATCH * step]
        replies = ragged([[*encode(p.compact_answer or p.answer), END] for p in batch])
        logits = reply_logits(
            weights,
            shape,
            ragged([encode(p.compact or "") for p in batch]),
            owner=torch.arange(len(batch)),
            replies=replies,
        )
        loss = functional.cross_entropy(logits, replies.tokens)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1.0, step / RAMP)
        optimiser.step()
        if step in stops:
            meta = {"lineage": seed, "step": step, "lessons": step * BATCH}
            now = {k: v.detach() for k, v in weights.items()}
            save(folder / f"{stops[step]}.npz", Policy(now, shape, "", meta), half=True)
            spent = time.process_time()
            sys.stderr.write(f"{stops[step]}: step {step}, loss {loss.item():.3f}, {spent:.0f} s\n")


def main(folder: Path) -> None:
    """Remake every checkpoint."""
    torch.set_num_threads(1)
    for seed, stops in LINEAGES.items():
        warm_up(seed, stops, folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
