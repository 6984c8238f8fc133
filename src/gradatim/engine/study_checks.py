"""What a study's file must hold, checked before any of its cells runs.

A variant is tried on a sample of every pool: a problem of each family and level, or the like of a
simulated pool. Its slots are asked whether they can work there and plan a step; what they refuse is
tried on all of the pool before it is said.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from gradatim import checks
from gradatim.engine import arms
from gradatim.engine.cells import POOL, SETTINGS, WORLD, levels_of, problems_of
from gradatim.errors import ArgumentError, extra, nearest
from gradatim.recipes import options, registry
from gradatim.recipes.curriculum import Curriculum
from gradatim.store import banks
from gradatim.types import Problem, Recipe

_COUNT = (1, 10**10)
BOUNDS: dict[str, tuple[float, float]] = {
    "rollouts": _COUNT,
    "batch": _COUNT,
    "prompts": _COUNT,
    "rate": (0, np.inf),
    "ramp": (0, 10**10),
    "limit": (1, 100),
    "passes": (1, 100),
    "attempts": _COUNT,
    "moments": (2, 10**6),
    "early": (0, 10**6),
    "early_rollouts": (0, 10**10),
}
WORLD_BOUNDS: dict[str, tuple[float, float]] = {
    "simulated": _COUNT,
    "families": (1, 10**4),
    "held_out": _COUNT,
    "seed": (0, 2**62),
    "start": (-np.inf, np.inf),
    "transfer": checks.SHARE,
}
POOL_BOUNDS: dict[str, tuple[float, float]] = {
    "n": _COUNT,
    "held_out": _COUNT,
    "seed": (0, 2**62),
}


def settings(what: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """All settings of a study, defaults filled in.

    Raises:
        ArgumentError: an unknown one, another type, or out of bounds.

    >>> settings("study", {"rollouts": 0})
    Traceback (most recent call last):
    gradatim.errors.ArgumentError: study: `rollouts` must be at least 1 and at most 1e+10, got 0
    """
    return options.values(what, SETTINGS, BOUNDS, given)


def pool(what: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """A pool as its table says it, defaults filled in; see `cells.POOL` and `cells.WORLD`.

    Raises:
        ArgumentError: unknown keys or families, knobs or levels that a family does not have.
    """
    if isinstance(given, Mapping) and simulated(given):
        return options.values(what, WORLD, WORLD_BOUNDS, given)
    found = options.values(what, POOL, POOL_BOUNDS, given)
    families, levels = found["families"], found["levels"]
    if not isinstance(families, Mapping) or not all(
        isinstance(k, Mapping) for k in families.values()
    ):
        raise ArgumentError(
            f"{what}: `families` must be a table such as {{ sat = {{}} }}, got {families!r}"
        )
    if not families:
        raise ArgumentError(f"{what}: `families` must name at least one family, got none")
    least = len(families)
    if found["n"] < least or found["held_out"] < least:
        raise ArgumentError(
            f"{what}: `n` and `held_out` must be at least the number of families = {least}, got "
            f"{found['n']} and {found['held_out']}"
        )
    pair = re.fullmatch(r"\d+:\d+", levels) if isinstance(levels, str) else None
    if pair is None and not isinstance(levels, list):
        raise ArgumentError(f'{what}: `levels` must be "A:B" or a list, got {levels!r}')
    try:
        for split in ("train", "test"):
            sample(found, split)
    except (ArgumentError, TypeError) as error:
        raise ArgumentError(f"{what}: {error}") from None
    return found


def sample(spec: Mapping[str, Any], split: str = "train") -> list[Problem]:
    """A problem of each family and level of a pool."""
    return problems_of(spec, split, len(levels_of(spec)) * len(spec["families"]))


def names(what: str, given: Any, kind: str, *, whole: bool = False, other: str = "") -> list[Any]:
    """A list of texts, or of whole numbers; `other` is a word that may stand for one.

    Raises:
        ArgumentError: no list, an empty one, or something else in it.
    """

    def right(one: Any) -> bool:
        return type(one) is int and one >= 0 if whole else isinstance(one, str)

    if not isinstance(given, list) or not given or not all(map(right, given)):
        wanted = "whole numbers of at least 0, such as [0, 1]" if whole else "names"
        wanted = f'"{other}" or a list of {wanted}' if other else f"a list of {wanted}"
        hint = nearest(given, [other]) if isinstance(given, str) else ""
        raise ArgumentError(f"{what}: `{kind}` must be {wanted}, got {given!r}{hint}")
    return given


# -- variants on pools ----------------------------------------------------------------------------


def readable(what: str, starts: Sequence[str], pools: Mapping[str, Mapping[str, Any]]) -> None:
    """Check that the tiny policy has its checkpoints and can read its pools' problems.

    Raises:
        ArgumentError: no such checkpoint (names the nearest), or problems without compact prompts.
        FormatError: a file that is no checkpoint of ours.
        MissingExtra: torch is not installed.
    """
    trained = {name: spec for name, spec in pools.items() if not simulated(spec)}
    if not trained:
        return
    extra("torch", "tiny")
    from gradatim.solvers import tiny
    from gradatim.solvers.tiny_model import encode

    for name in starts:
        tiny.load(name)
    for name, spec in trained.items():
        for problem in (*sample(spec), *sample(spec, "test")):
            try:
                encode(tiny.compact(problem))
            except ArgumentError as error:
                raise ArgumentError(f"{what}, pool '{name}': {error}") from None


def simulated(spec: Mapping[str, Any]) -> bool:
    """Whether the learners of a pool are simulated."""
    return "simulated" in spec


def banked(spec: Mapping[str, Any]) -> bool:
    """Whether a pool's difficulties are known."""
    return simulated(spec) or bool(spec.get("bank"))


def provided(spec: Mapping[str, Any]) -> frozenset[str]:
    """What slots may need of the trainer of a pool."""
    if simulated(spec):
        return arms.PROVIDES
    from gradatim.engine.steps import PROVIDES

    return PROVIDES


def everywhere(pools: Iterable[Mapping[str, Any]]) -> list[str]:
    """Names of the recipes that the trainers of all these pools can run."""
    kinds = {
        provided(spec) | {"belief", "features"} | ({"bank"} if banked(spec) else set())
        for spec in pools
    }

    def runs(name: str) -> bool:
        try:
            for kind in kinds:
                registry.fits(registry.get(name), kind)
        except ArgumentError:
            return False
        return True

    return [name for name in registry.recipe_names() if runs(name)]


def try_step(recipe: Recipe, spec: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Plan the first step of a recipe on a pool: on a sample of it, and if need be on all of it.

    Raises:
        ArgumentError: what the recipe or the trainer says.
    """
    if not simulated(spec):
        registry.resolve("objective", recipe.objective)  # it needs torch, as the trainer does
    try:
        _plan(recipe, spec, given, whole=False)
    except ArgumentError:
        # a sample may lack what the pool has: a kind of problem that one of its slots names
        _plan(recipe, spec, given, whole=True)


def _plan(
    recipe: Recipe, spec: Mapping[str, Any], given: Mapping[str, Any], *, whole: bool
) -> None:
    problems: Sequence[Any]
    if simulated(spec):
        size = spec["simulated"] if whole else min(spec["simulated"], 10 * spec["families"])
        source = arms.world(size, families=spec["families"], seed=spec["seed"]).pool
        problems = range(size)
    else:
        source = None
        problems = problems_of(spec, "train", spec["n"]) if whole else sample(spec)
    bank = banks.read(spec["bank"]) if spec.get("bank") else None
    total = given["rollouts"]
    more = {"provides": provided(spec), "source": source, "bank": bank, "total": total}
    cur = Curriculum(problems, recipe, **more)
    cur.suggest(given["prompts"], rollouts=min(given["batch"], total))
