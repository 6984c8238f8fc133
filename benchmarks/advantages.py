"""Advantages of a million ragged rollouts, beside a plain loop over groups and TRL's formula.

    python benchmarks/advantages.py [--rows N] [--repeats R] [--only NAME ...] [--json FILE]

All sides run in this process, in turns, on one thread; seconds are CPU time, medians of the
repetitions, and a ratio is taken within each repetition. The loop is plain Python, one group at a
time. TRL 1.16 has its formula inside the trainer, for groups of one size: its lines are
written out here around its own `nanstd` (marked `own` in the last line; without TRL installed, a
stand-in), and ours meets it on the same equal groups. Results are compared before they are timed.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from gradatim.learning.gates import filter_groups
from gradatim.recipes import registry
from gradatim.types import Batch

TARGET = 0.2  # CPU seconds for a million rollouts
TOKENS = 40  # mean length of a reply where advantages are per token
SIZE = 8  # attempts of a prompt where groups have one size

Group = list[dict[str, float]]


def batch_of(rng: np.random.Generator, rows: int, tokens: int = 0) -> Batch:
    """Groups of 2 to 14 attempts, rewards of 0 and 1, every column; token columns on request."""
    sizes = rng.integers(2, 15, rows // 8 + 64)
    group = np.repeat(np.arange(len(sizes)), sizes)[:rows]
    rows = len(group)
    reward = (rng.random(rows) < rng.random(len(sizes))[group]).astype(float)
    length = rng.integers(1, 2 * (tokens or 2000), rows)
    many = int(length.sum()) if tokens else 0
    belief = rng.uniform(0.5, 8.0, (2, len(sizes)))[:, group]  # one of each prompt
    return Batch(
        step=0,
        group=group,
        problem=group,
        role=np.zeros(rows, int),
        parent=np.full(rows, -1),
        reward=reward,
        solved=reward > 0,
        length=length,
        mask=np.ones(rows, bool),
        logp=-rng.random(rows) * length,
        entropy=rng.random(rows),
        alpha=belief[0],
        beta=belief[1],
        prefix_value=np.where(rng.random(many) < 0.1, rng.random(many), np.nan),
        anchor=np.where(rng.random(many) < 0.1, rng.integers(0, 50, many), -1),
        text=np.array([f"it is {k}" for k in range(16)], object)[rng.integers(16, size=rows)],
    )


# -- the plain loop ---------------------------------------------------------------------------


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _deviation(values: list[float]) -> float:
    mean = _mean(values)
    return (sum((v - mean) ** 2 for v in values) / max(len(values) - 1, 1)) ** 0.5


def loop_dr_grpo(group: Group) -> list[float]:
    mean = _mean([a["reward"] for a in group])
    return [a["reward"] - mean for a in group]


def loop_grpo(group: Group) -> list[float]:
    spread = _deviation([a["reward"] for a in group]) + 1e-6
    return [a / spread for a in loop_dr_grpo(group)]


def loop_rloo(group: Group) -> list[float]:
    total, others = sum(a["reward"] for a in group), len(group) - 1
    return [a["reward"] - (total - a["reward"]) / others if others else 0.0 for a in group]


def loop_opo(group: Group) -> list[float]:
    base = sum(a["length"] * a["reward"] for a in group) / sum(a["length"] for a in group)
    return [a["reward"] - base for a in group]


def loop_ngrpo(group: Group) -> list[float]:
    full = [a["reward"] for a in group] + [1.0]
    mean, spread = _mean(full), _deviation(full) + 1e-6
    return [(r - mean) / spread for r in full[:-1]]


def loop_pass_k(group: Group) -> list[float]:
    order = sorted(range(len(group)), key=lambda i: group[i]["reward"])
    out = [0.0] * len(group)
    if len(group) > 1:
        out[order[-1]] = group[order[-1]]["reward"] - group[order[-2]]["reward"]
    return out


def loop_canon_length(group: Group) -> list[float]:
    order = sorted(range(len(group)), key=lambda i: group[i]["length"])
    low, high = order[: len(group) // 2], order[len(group) // 2 :]
    out = [0.0] * len(group)
    for mine, other in ((low, high), (high, low)):
        if other and low:
            mean = _mean([group[i]["reward"] for i in other])
            for i in mine:
                out[i] = group[i]["reward"] - mean
    return out


LOOPS: Mapping[str, Callable[[Group], list[float]]] = {
    "grpo": loop_grpo,
    "dr_grpo": loop_dr_grpo,
    "rloo": loop_rloo,
    "opo": loop_opo,
    "ngrpo": loop_ngrpo,
    "pass_k": loop_pass_k,
    "canon_length": loop_canon_length,
}


def by_loop(name: str, batch: Batch) -> Callable[[], np.ndarray]:
    """Columns in, a column out, as ours: attempts are collected by group, then taken in turn."""
    function = LOOPS[name]

    def run() -> np.ndarray:
        members: dict[int, list[int]] = {}
        for i, label in enumerate(batch.group.tolist()):
            members.setdefault(label, []).append(i)
        reward, length = batch.reward.tolist(), batch.length.tolist()
        out = np.zeros(len(reward))
        for rows in members.values():
            out[rows] = function([{"reward": reward[i], "length": length[i]} for i in rows])
        return out

    return run


# -- TRL --------------------------------------------------------------------------------------


def trl_lines() -> tuple[dict[str, Callable[[Any], Any]], str]:
    """GRPO's and RLOO's advantage as TRL 1.16 computes them, and where `nanstd` comes from."""
    import torch

    torch.set_num_threads(1)
    try:
        from trl.trainer.utils import nanstd

        source = "own nanstd"
    except ImportError:

        def nanstd(tensor: Any, dim: int) -> Any:
            mean = torch.nanmean(tensor, dim=dim, keepdim=True)
            n = (~tensor.isnan()).sum(dim)
            return (torch.nanmean((tensor - mean) ** 2, dim=dim) * n / (n - 1)).sqrt()

        source = "stand-in for nanstd"

    def grpo(rewards: Any) -> Any:
        table = rewards.view(-1, SIZE)
        mean = torch.nanmean(table, dim=1).repeat_interleave(SIZE, dim=0)
        spread = nanstd(table, dim=1).repeat_interleave(SIZE, dim=0)
        return torch.nan_to_num((rewards - mean) / (spread + 1e-4), nan=0.0)

    def rloo(rewards: Any) -> Any:
        table = rewards.view(-1, SIZE)
        n = (~torch.isnan(table)).sum(dim=1, keepdim=True)
        others = (torch.nansum(table, dim=1, keepdim=True) - table) / (n - 1)
        return torch.nan_to_num(rewards - others.view(-1), nan=0.0)

    return {"grpo": grpo, "rloo": rloo}, source


# -- measuring --------------------------------------------------------------------------------


def seconds(function: Callable[[], Any]) -> float:
    begin = time.process_time()
    function()
    return time.process_time() - begin


def turns(sides: Mapping[str, Callable[[], Any]], repeats: int) -> dict[str, list[float]]:
    """CPU seconds of each side, in turns, after one round that warms up the fast ones."""
    for name, side in sides.items():
        if name != "loop":
            side()
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(repeats):
        for name, side in sides.items():
            times[name].append(seconds(side))
    return times


def ratio(times: Mapping[str, list[float]], other: str) -> float:
    pairs = zip(times[other], times["ours"], strict=True)
    return statistics.median(theirs / ours for theirs, ours in pairs)


def entry(name: str, batch: Batch, **options: Any) -> Callable[[], np.ndarray]:
    record = registry.entry("advantage", name)
    return lambda: record.suggest(batch, **{**record.options, **options})[0]


def attempts(batch: Batch, names: list[str], repeats: int) -> list[dict[str, Any]]:
    """Entries with one advantage an attempt, and the filter, on ragged groups."""
    found = []
    for name in names:
        sides: dict[str, Callable[[], Any]] = {"ours": entry(name, batch)}
        if name in LOOPS:
            sides["loop"] = by_loop(name, batch)
            np.testing.assert_allclose(sides["ours"](), sides["loop"](), atol=1e-9)
        found.append({"name": name, "times": turns(sides, repeats)})
    filtered = {"ours": lambda: filter_groups(batch.reward, batch.group)}
    return [*found, {"name": "filter_groups", "times": turns(filtered, repeats)}]


def equal_groups(rng: np.random.Generator, rows: int, repeats: int) -> tuple[list[dict], str]:
    """Ours and TRL's lines on the same groups of SIZE; TRL in float32, as it trains."""
    import torch

    lines, source = trl_lines()
    rows -= rows % SIZE
    batch = batch_of(rng, rows)
    batch = Batch(**{
        **{f: getattr(batch, f) for f in batch.__slots__},
        "group": np.arange(rows) // SIZE,
    })
    rewards = torch.from_numpy(batch.reward.astype(np.float32))
    found = []
    for name, line in lines.items():
        options = {"eps": 1e-4} if name == "grpo" else {}
        sides = {"ours": entry(name, batch, **options), "trl": lambda line=line: line(rewards)}
        np.testing.assert_allclose(sides["ours"](), sides["trl"]().numpy(), atol=1e-4)
        found.append({"name": name, "times": turns(sides, repeats)})
    return found, source


def show(title: str, rows: list[dict[str, Any]], other: str, target: float | None) -> None:
    print(f"\n{title}")
    print(f"{'advantage':20s}{'ours s':>9s}{other + ' s':>9s}{other + ' / ours':>14s}")
    for row in rows:
        times = row["times"]
        ours = statistics.median(times["ours"])
        line = f"{row['name']:20s}{ours:9.3f}"
        if other in times:
            line += f"{statistics.median(times[other]):9.3f}{ratio(times, other):13.1f}x"
        print(line + ("  MISSED" if target is not None and ours > target else ""))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", nargs="+", default=None, metavar="NAME")
    parser.add_argument("--json", type=Path, default=None)
    args = parser.parse_args()
    names = args.only or registry.names("advantage")
    flat = [n for n in names if "token_advantage" not in registry.entry("advantage", n).needs]
    rng = np.random.default_rng(0)
    ragged = attempts(batch_of(rng, args.rows), flat, args.repeats)
    scale = args.rows / 1_000_000
    show(
        f"{args.rows:,} rollouts in ragged groups (target {TARGET * scale:g} s)",
        ragged,
        "loop",
        TARGET * scale,
    )
    replies = args.rows // TOKENS
    batch = batch_of(rng, replies, TOKENS)
    per_token = [
        {"name": name, "times": turns({"ours": entry(name, batch)}, args.repeats)}
        for name in names
        if name not in flat
    ]
    show(f"{replies:,} replies of {int(batch.length.sum()):,} tokens", per_token, "loop", None)
    try:
        equal, source = equal_groups(rng, args.rows, args.repeats)
    except ModuleNotFoundError:
        equal, source = [], "torch is not installed: TRL's lines were not run"
    show(f"{args.rows:,} rollouts in groups of {SIZE}", equal, "trl", None)
    print(f"\nTRL: {source}")
    if args.json:
        out = {"ragged": ragged, "per_token": per_token, "equal": equal, "trl": source}
        args.json.write_text(json.dumps(out, indent=1))


if __name__ == "__main__":
    main()
