"""One training of a study: what it depends on, and the row that it leaves."""

import hashlib
import json
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gradatim import files
from gradatim.engine import arms
from gradatim.families.generation import generate
from gradatim.recipes.saving import recipe_notes
from gradatim.rng import digest
from gradatim.store import banks
from gradatim.types import Problem, Recipe

SETTINGS: dict[str, Any] = {
    "rollouts": 48_000,
    "batch": 512,
    "prompts": 64,
    "rate": 5e-4,
    "ramp": 15,
    "limit": 24,
    "passes": 1,
    "attempts": 2,  # on each held-out problem at each moment, at temperature 1
    "moments": 16,
    "early": 4,  # further moments in the first `early_rollouts`
    "early_rollouts": 8_000,
}
# bank: file of the training problems' difficulties, for recipes that need them
POOL = {"families": {}, "n": 1500, "levels": "1:10", "held_out": 600, "seed": 0, "bank": ""}
WORLD = {"simulated": 0, "families": 3, "held_out": 600, "seed": 0, "start": 0.0, "transfer": 0.1}


class Cell(NamedTuple):
    """One training; everything that its row depends on."""

    pool: str
    variant: str
    start: str
    seed: int
    recipe: Recipe
    pool_spec: Mapping[str, Any]
    settings: Mapping[str, Any]

    @property
    def key(self) -> str:
        """Hash of what the cell depends on, its names apart; defaults are left out.

        So a setting that is new in a later version does not disown the rows of earlier ones.
        """
        recipe = {k: v for k, v in recipe_notes(self.recipe).items() if k not in ("doc", "paper")}
        known = WORLD if "simulated" in self.pool_spec else POOL
        pool = dict(self.pool_spec)
        if pool.get("bank"):
            pool["bank"] = _content(pool["bank"])  # where the file lies changes nothing
        parts = (
            {k: v for k, v in given.items() if k not in usual or v != usual[k]}
            for given, usual in ((pool, known), (self.settings, SETTINGS))
        )
        return digest("study", files.dumps([recipe, *parts, self.start, self.seed]), size=8).hex()


def levels_of(spec: Mapping[str, Any]) -> list[int]:
    """The levels of a pool, from "A:B" or a list.

    >>> levels_of({"levels": "2:4"})
    [2, 3, 4]
    """
    levels = spec["levels"]
    if isinstance(levels, str):
        first, last = map(int, levels.split(":"))
        levels = range(first, last + 1)
    return list(levels)


def problems_of(spec: Mapping[str, Any], split: str, size: int) -> list[Problem]:
    """`size` problems of a pool, its families in equal parts, each going through the levels."""
    found: list[Problem] = []
    levels, share = levels_of(spec), size // len(spec["families"])
    for name, knobs in spec["families"].items():
        family = name.split("@")[0]
        found += generate(family, n=share, level=levels, seed=spec["seed"], split=split, **knobs)
    return found


@cache
def _content(path: str) -> str:
    return hashlib.blake2b(Path(path).read_bytes(), digest_size=16).hexdigest()


@cache
def _problems(spec: str) -> tuple[list[Problem], list[Problem]]:
    """Training and held-out problems of a pool, the same for every cell."""
    pool = json.loads(spec)
    return problems_of(pool, "train", pool["n"]), problems_of(pool, "test", pool["held_out"])


def _arm(cell: Cell) -> Any:
    """Something with `advance`, `survey` and `labels`."""
    spec, settings = cell.pool_spec, cell.settings
    if "simulated" in spec:
        train, test = (
            arms.world(size, families=spec["families"], seed=spec["seed"] + i)
            for i, size in enumerate((spec["simulated"], spec["held_out"]))
        )
        more = {name: spec[name] for name in ("start", "transfer")}
        return arms.Simulated(
            train,
            test,
            cell.recipe,
            seed=cell.seed,
            rollouts=settings["rollouts"],
            settings={**settings, **more},
        )
    problems, held_out = _problems(files.dumps(dict(spec)))
    from gradatim.engine.arms_tiny import Tiny  # torch, only where a pool needs it

    return Tiny(
        problems,
        held_out,
        cell.recipe,
        start=cell.start,
        seed=cell.seed,
        rollouts=settings["rollouts"],
        settings=settings,
        bank=banks.read(spec["bank"]) if spec.get("bank") else None,
    )


def moments(settings: Mapping[str, Any]) -> list[float]:
    """Rollouts at which the held-out problems are tried: evenly, and denser early.

    >>> moments({"rollouts": 100, "moments": 3, "early": 2, "early_rollouts": 30})
    [0.0, 15.0, 30.0, 50.0, 100.0]
    """
    even = np.linspace(0, settings["rollouts"], settings["moments"])
    early = np.linspace(0, settings["early_rollouts"], settings["early"] + 1)
    return np.unique(np.concatenate([even, early[early <= settings["rollouts"]]])).tolist()


def run_cell(cell: Cell) -> dict[str, Any]:
    """Train one cell; its row.

    Returns:
        key, pool, variant, recipe, start, seed, rate; the curve as lists rollouts, height (mean
        held-out pass rate at temperature 1), tokens, cpu (seconds, surveys apart), step; labels,
        before, after, greedy_before, greedy (held-out pass rates per family and level); spent,
        groups, mixed, steps.
    """
    arm, settings = _arm(cell), cell.settings
    due = moments(settings)
    axes = ("rollouts", "height", "tokens", "cpu", "step")
    curve: dict[str, list[float]] = {k: [] for k in axes}
    spent = tokens = groups = mixed = count = 0
    cpu, first, rates = 0.0, np.zeros(0), np.zeros(0)
    greedy_before = arm.survey(1, 0, greedy=True)
    while True:
        if len(curve["rollouts"]) < len(due) and spent >= due[len(curve["rollouts"])] - 0.5:
            last = spent >= settings["rollouts"]
            n = settings["attempts"] * (4 if last or not curve["rollouts"] else 1)
            rates = arm.survey(n, len(curve["rollouts"]))
            first = rates if not curve["rollouts"] else first
            here = (float(spent), float(rates.mean()), float(tokens), cpu, float(count))
            for name, value in zip(curve, here, strict=True):
                curve[name].append(value)
            continue
        if spent >= settings["rollouts"]:
            break
        begin = time.process_time()
        now = min(settings["batch"], settings["rollouts"] - spent)
        prompts = max(1, round(settings["prompts"] * now / settings["batch"]))
        done = arm.advance(prompts, now)
        cpu += time.process_time() - begin
        spent, tokens, count = spent + done.spent, tokens + done.tokens, count + 1
        groups, mixed = groups + done.groups, mixed + done.mixed
    greedy = arm.survey(1, -1, greedy=True)
    names, code = np.unique(arm.labels, return_inverse=True)
    size = np.bincount(code)

    def by_label(values: np.ndarray) -> list[float]:
        return (np.bincount(code, weights=values) / size).round(5).tolist()

    return {
        "key": cell.key,
        "pool": cell.pool,
        "variant": cell.variant,
        "recipe": cell.recipe.name,
        "start": cell.start,
        "seed": cell.seed,
        "rate": float(settings["rate"]),
        **curve,
        "labels": names.tolist(),
        "before": by_label(first),
        "after": by_label(rates),
        "greedy_before": by_label(greedy_before),
        "greedy": by_label(greedy),
        "spent": spent,
        "groups": groups,
        "mixed": mixed,
        "steps": count,
    }
