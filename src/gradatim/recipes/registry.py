"""Which slot entries and recipes exist, by name; they are imported on use.

A slot entry maps to `module:TABLE`, a dict of Slot records in which it stands under its name; a
recipe to `module:RECIPE`. Other packages add theirs through entry points: group `gradatim.slots`,
named `sampler.NAME` (or another slot's), pointing at a Slot; group `gradatim.recipes`, named NAME,
pointing at a Recipe.
"""

import importlib
import importlib.metadata
from collections.abc import Iterable, Mapping
from functools import cache
from numbers import Integral
from typing import Any

from gradatim import checks
from gradatim.errors import ArgumentError, MissingExtra
from gradatim.recipes import demands, options
from gradatim.types import SLOTS, Recipe, Slot, Use

SLOT_GROUP, RECIPE_GROUP = "gradatim.slots", "gradatim.recipes"

ENTRIES: dict[str, dict[str, str]] = {
    "belief": {
        "counts": "gradatim.scale.belief:BELIEFS",
        "hierarchical": "gradatim.scale.belief:BELIEFS",
        "known": "gradatim.scale.belief:BELIEFS",
        "irt": "gradatim.scale.belief_ability:BELIEFS",
        "mixture": "gradatim.scale.belief_mixture:BELIEFS",
        "off_policy": "gradatim.scale.belief_weighted:BELIEFS",
    },
    "sampler": {
        "uniform": "gradatim.choice.samplers:SAMPLERS",
        "window": "gradatim.choice.samplers:SAMPLERS",
        "variance": "gradatim.choice.samplers:SAMPLERS",
        "thompson": "gradatim.choice.samplers:SAMPLERS",
        "ucb": "gradatim.choice.bandits:SAMPLERS",
        "inverse_gap": "gradatim.choice.bandits:SAMPLERS",
        "log_barrier": "gradatim.choice.bandits:SAMPLERS",
        "contextual": "gradatim.choice.risk:SAMPLERS",
        "risk": "gradatim.choice.risk:SAMPLERS",
        "ability": "gradatim.choice.matched:SAMPLERS",
        "levels": "gradatim.choice.curricula:SAMPLERS",
        "mastery": "gradatim.choice.curricula:SAMPLERS",
        "bands": "gradatim.choice.curricula:SAMPLERS",
        "upsample": "gradatim.choice.curricula:SAMPLERS",
        "resort": "gradatim.choice.curricula:SAMPLERS",
    },
    "budget": {
        "equal": "gradatim.choice.budgets:BUDGETS",
        "mixed": "gradatim.choice.budgets:BUDGETS",
        "refill": "gradatim.choice.phases:BUDGETS",
        "interval": "gradatim.choice.phases:BUDGETS",
        "until": "gradatim.choice.until:BUDGETS",
    },
    "scaffold": {
        "none": "gradatim.recipes.scaffolds:SCAFFOLDS",
        "hint": "gradatim.recipes.scaffolds:SCAFFOLDS",
        "demonstrate": "gradatim.recipes.scaffolds:SCAFFOLDS",
        "rewrite": "gradatim.recipes.scaffolds:SCAFFOLDS",
        "examples": "gradatim.recipes.scaffolds:SCAFFOLDS",
        "probe": "gradatim.recipes.cuts:SCAFFOLDS",
        "explain": "gradatim.recipes.writers:SCAFFOLDS",
        "critique": "gradatim.recipes.writers:SCAFFOLDS",
        "reformulate": "gradatim.recipes.writers:SCAFFOLDS",
    },
    "advantage": {
        "grpo": "gradatim.learning.advantages:ADVANTAGES",
        "dr_grpo": "gradatim.learning.advantages:ADVANTAGES",
        "rloo": "gradatim.learning.advantages:ADVANTAGES",
        "opo": "gradatim.learning.advantages:ADVANTAGES",
        "believed": "gradatim.learning.advantages_believed:ADVANTAGES",
        "reinforce_pp": "gradatim.learning.advantages:ADVANTAGES",
        "psr": "gradatim.learning.advantages_signed:ADVANTAGES",
        "nsr": "gradatim.learning.advantages_signed:ADVANTAGES",
        "weighted": "gradatim.learning.advantages_signed:ADVANTAGES",
        "ngrpo": "gradatim.learning.advantages_signed:ADVANTAGES",
        "pass_k": "gradatim.learning.advantages_signed:ADVANTAGES",
        "relative_negative": "gradatim.learning.advantages_signed:ADVANTAGES",
        "canon_entropy": "gradatim.learning.advantages_shaped:ADVANTAGES",
        "canon_length": "gradatim.learning.advantages_shaped:ADVANTAGES",
        "xrpo": "gradatim.learning.advantages_shaped:ADVANTAGES",
        "spo_chain": "gradatim.learning.credit:ADVANTAGES",
        "pav": "gradatim.learning.credit:ADVANTAGES",
        "mrt": "gradatim.learning.credit:ADVANTAGES",
        "gigpo": "gradatim.learning.credit_states:ADVANTAGES",
        "spo_tree": "gradatim.learning.credit_states:ADVANTAGES",
        "hpt": "gradatim.learning.gates:ADVANTAGES",
        "refined": "gradatim.learning.refinements:ADVANTAGES",
        "novelty": "gradatim.learning.novelty:ADVANTAGES",
    },
    "objective": {
        "clip": "gradatim.learning.objectives:OBJECTIVES",
        "clip_higher": "gradatim.learning.objectives:OBJECTIVES",
        "dual_clip": "gradatim.learning.objectives:OBJECTIVES",
        "gspo": "gradatim.learning.objectives:OBJECTIVES",
        "reinforce": "gradatim.learning.objectives:OBJECTIVES",
        "cispo": "gradatim.learning.objectives:OBJECTIVES",
        "shaped": "gradatim.learning.objectives:OBJECTIVES",
        "hpt": "gradatim.learning.objectives:OBJECTIVES",
        "clip_cov": "gradatim.learning.objectives_covariance:OBJECTIVES",
        "kl_cov": "gradatim.learning.objectives_covariance:OBJECTIVES",
        "dpo": "gradatim.learning.objectives_contrast:OBJECTIVES",
        "drpo": "gradatim.learning.objectives_contrast:OBJECTIVES",
        "sft": "gradatim.learning.objectives_imitation:OBJECTIVES",
        "redi": "gradatim.learning.objectives_imitation:OBJECTIVES",
    },
}

RECIPES: dict[str, str] = {
    "grpo": "gradatim.recipes.published:GRPO",
    "dr_grpo": "gradatim.recipes.published:DR_GRPO",
    "rloo": "gradatim.recipes.published:RLOO",
    "opo": "gradatim.recipes.published:OPO",
    "reinforce_pp": "gradatim.recipes.published:REINFORCE_PP",
    "dapo": "gradatim.recipes.published:DAPO",
    "gspo": "gradatim.recipes.published:GSPO",
    "ngrpo": "gradatim.recipes.published:NGRPO",
    "w_reinforce": "gradatim.recipes.published:W_REINFORCE",
    "nsr": "gradatim.recipes.published:NSR",
    "psr": "gradatim.recipes.published:PSR",
    "pass_k": "gradatim.recipes.published:PASS_K",
    "relative_negative": "gradatim.recipes.published:RELATIVE_NEGATIVE",
    "canon_entropy": "gradatim.recipes.published:CANON_ENTROPY",
    "canon_length": "gradatim.recipes.published:CANON_LENGTH",
    "clip_cov": "gradatim.recipes.published:CLIP_COV",
    "kl_cov": "gradatim.recipes.published:KL_COV",
    "drpo": "gradatim.recipes.published:DRPO",
    "hpt": "gradatim.recipes.published:HPT",
    "dump": "gradatim.recipes.published_choosing:DUMP",
    "knapsack": "gradatim.recipes.published_choosing:KNAPSACK",
    "window": "gradatim.recipes.published_choosing:WINDOW",
    "thompson": "gradatim.recipes.published_choosing:THOMPSON",
    "inverse_gap": "gradatim.recipes.published_choosing:INVERSE_GAP",
    "log_barrier": "gradatim.recipes.published_choosing:LOG_BARRIER",
    "adcl": "gradatim.recipes.published_choosing:ADCL",
    "saturn": "gradatim.recipes.published_choosing:SATURN",
    "mastery": "gradatim.recipes.published_choosing:MASTERY",
    "mpts": "gradatim.recipes.published_choosing:MPTS",
    "pudf": "gradatim.recipes.published_choosing:PUDF",
    "dart": "gradatim.recipes.published_choosing:DART",
    "xrpo": "gradatim.recipes.published_choosing:XRPO",
    "seele": "gradatim.recipes.published_choosing:SEELE",
    "clpo": "gradatim.recipes.published_choosing:CLPO",
    "expo": "gradatim.recipes.published_writing:EXPO",
    "critique_grpo": "gradatim.recipes.published_writing:CRITIQUE_GRPO",
    "egsr": "gradatim.recipes.published_writing:EGSR",
    "spo": "gradatim.recipes.published_credit:SPO",
    "pav": "gradatim.recipes.published_credit:PAV",
    "mrt": "gradatim.recipes.published_credit:MRT",
    "gigpo": "gradatim.recipes.published_credit:GIGPO",
    "gradatim": "gradatim.recipes.own:GRADATIM",
}

# beyond the columns that every batch has (reward, solved, length, mask): any training loop rolls
# out whole replies and computes its own token probabilities
PROVIDES = frozenset({"logp"})
ROUNDS = "max_rounds"


@cache
def _plugins(group: str) -> dict[str, importlib.metadata.EntryPoint]:
    return {point.name: point for point in importlib.metadata.entry_points(group=group)}


def _load(where: str) -> Any:
    module, _, name = where.partition(":")
    return getattr(importlib.import_module(module), name)


def names(slot: str) -> list[str]:
    """Names of the entries of a slot, other packages' included.

    >>> "dr_grpo" in names("advantage")
    True
    """
    checks.one_of("slot", slot, SLOTS)
    prefix = slot + "."
    others = (n.removeprefix(prefix) for n in _plugins(SLOT_GROUP) if n.startswith(prefix))
    return sorted({*ENTRIES[slot], *others})


def entry(slot: str, name: str) -> Slot:
    """The record behind a name.

    Raises:
        ArgumentError: unknown; lists the options and the nearest.
        MissingExtra: an objective where torch is not installed.
    """
    checks.one_of(slot, name, names(slot))
    if name not in ENTRIES[slot]:
        return _plugins(SLOT_GROUP)[f"{slot}.{name}"].load()
    try:
        return _load(ENTRIES[slot][name])[name]
    except ModuleNotFoundError as error:
        if error.name == "torch":
            raise MissingExtra("torch", "tiny") from None
        raise


def resolve(slot: str, use: Use) -> tuple[Slot, dict[str, Any]]:
    """A slot's entry and its options, defaults filled in.

    Raises:
        ArgumentError: unknown entry, or an option that it does not have (names the nearest), or
            of another type or out of bounds.
    """
    found = entry(slot, use.name)
    return found, options.check(f"{slot} '{use.name}'", found, use.options)


def _rounds(slot: str, use: Use) -> int:
    """Rounds that an entry wants of a step."""
    if slot == "objective":  # it sees whole steps; asking would import torch
        return 1
    found, chosen = resolve(slot, use)
    return chosen[found.rounds] if isinstance(found.rounds, str) else found.rounds


def get(name: str) -> Recipe:
    """A recipe by name.

    >>> get("grpo").budget.name
    'equal'
    """
    checks.one_of("recipe", name, {*RECIPES, *_plugins(RECIPE_GROUP)})
    return _load(RECIPES[name]) if name in RECIPES else _plugins(RECIPE_GROUP)[name].load()


def recipe_names() -> list[str]:
    """All recipes, other packages' included."""
    return sorted({*RECIPES, *_plugins(RECIPE_GROUP)})


def adapt(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """A recipe with some slots changed.

    Args:
        recipe: what to start from.
        changes: slot -> options to change in the entry it has; or another entry's name; or
            (name, options). `max_rounds` -> most rounds of a step; by default as many as the
            recipe has, or more where an entry that comes new wants more.

    >>> adapt(get("grpo"), {"budget": {"min": 4}, "advantage": "rloo"}).advantage
    Use(name='rloo', options={})
    """
    checks.known_keys(f"recipe '{recipe.name}'", changes, (*SLOTS, ROUNDS))
    fields, rounds = {}, recipe.max_rounds
    for slot, change in changes.items():
        if slot == ROUNDS:
            continue
        old = getattr(recipe, slot)
        if isinstance(change, str):
            fields[slot] = old if change == old.name else Use(change)
        elif isinstance(change, Mapping):
            fields[slot] = Use(old.name, {**old.options, **change})
            if slot != "objective":  # where two options disagree, the one that changes is named
                what = f"{slot} '{old.name}'"
                options.check(what, entry(slot, old.name), change, over=old.options)
        elif isinstance(change, tuple) and len(change) == 2 and isinstance(change[1], Mapping):
            fields[slot] = Use(change[0], dict(change[1]))
        else:
            raise ArgumentError(
                f"`{slot}` must be a name, a mapping of options or (name, options); got {change!r}"
            )
        wanted = _rounds(slot, fields[slot])
        if wanted > _rounds(slot, old):
            rounds = max(rounds, wanted)
    rounds = changes.get(ROUNDS, rounds)
    if not isinstance(rounds, Integral) or isinstance(rounds, bool) or rounds < 1:
        raise ArgumentError(f"`{ROUNDS}` must be a whole number of at least 1, got {rounds!r}")
    return Recipe(
        name=recipe.name,
        doc=recipe.doc,
        max_rounds=int(rounds),
        paper=recipe.paper,
        **{slot: fields.get(slot, getattr(recipe, slot)) for slot in SLOTS},
    )


def fits(recipe: Recipe, provides: Iterable[str]) -> None:
    """Check that a trainer gives what the slots of a recipe need.

    The objective is checked where it is used, by the trainer that brings torch.

    Raises:
        ArgumentError: names the recipe, the slot's entry and what is missing.
    """
    found = {slot: resolve(slot, getattr(recipe, slot))[0] for slot in SLOTS[:-1]}
    asked = frozenset().union(*(record.needs for record in found.values()))
    given = demands.provided(provides, asked) | found["scaffold"].gives
    if recipe.max_rounds > 1 and "rounds" not in given:
        theirs = (s for s, record in found.items() if "rounds" in record.needs)
        who = ", ".join(f"{slot} '{getattr(recipe, slot).name}'" for slot in theirs)
        raise ArgumentError(
            f"recipe '{recipe.name}' plans a step in up to {recipe.max_rounds} rounds and needs "
            f"'rounds'{who and f' ({who})'}, but the trainer provides {', '.join(sorted(given))}"
        )
    for slot, record in found.items():
        use, needs = getattr(recipe, slot), record.needs
        if "rounds" in needs and recipe.max_rounds == 1:
            raise ArgumentError(
                f"recipe '{recipe.name}': {slot} '{use.name}' plans a step in rounds, but the "
                f"recipe has one; set `{ROUNDS}` to 2 or more"
            )
        missing = needs - given
        if missing:
            raise ArgumentError(
                f"recipe '{recipe.name}': {slot} '{use.name}' needs "
                f"{', '.join(map(repr, sorted(missing)))}, but the trainer provides "
                f"{', '.join(sorted(given)) or 'nothing'}; choose another {slot} or trainer"
            )


def list_recipes() -> list[dict[str, Any]]:
    """Every recipe as `describe` gives it, but for what objectives need: torch is not imported.

    >>> {"grpo", "dapo"} <= {r["name"] for r in list_recipes()}
    True
    """
    return [describe(name, objective=False) for name in recipe_names()]


def describe(name: str, *, objective: bool = True) -> dict[str, Any]:
    """A recipe in words: what it is, what differs, what a trainer must provide for it.

    Args:
        name: of a recipe.
        objective: look at its objective too, which imports torch where it is installed.

    Returns:
        name, doc, paper, differs (from the paper), rounds, provide (what a trainer must give, its
        objective apart: columns, roles, "rounds", "features" or "bank" of the pool), and slots:
        per slot its entry by name, all its options, those that the recipe sets, whether it is
        changed from `grpo`, its needs and about.

    >>> found = describe("drpo", objective=False)
    >>> [slot for slot, use in found["slots"].items() if use["changed"]], found["provide"]
    (['objective'], [])
    """
    recipe, usual = get(name), get("grpo")
    slots, provide, gives = {}, set[str](), set[str]()
    for slot in SLOTS:
        use, other = getattr(recipe, slot), getattr(usual, slot)
        about: dict[str, Any] = {"name": use.name, "options": dict(use.options)}
        changed = use.name != other.name or dict(use.options) != dict(other.options)
        if found := _entry_or_none(slot, use) if objective or slot != "objective" else None:
            record, options = found
            provide |= record.needs if slot != "objective" else set()
            gives |= record.gives
            about |= {"options": options, "needs": sorted(record.needs), "about": record.paper}
            # an option that is spelled out at its default changes nothing
            changed = use.name != other.name or options != resolve(slot, other)[1]
        slots[slot] = {**about, "set": dict(use.options), "changed": changed}
    paper, _, differs = recipe.paper.partition("Differs: ")
    return {
        "name": name,
        "doc": recipe.doc,
        "paper": paper.strip(),
        "differs": differs,
        "rounds": recipe.max_rounds,
        "provide": sorted(provide - gives | ({"rounds"} if recipe.max_rounds > 1 else set())),
        "slots": slots,
    }


def _entry_or_none(slot: str, use: Use) -> tuple[Slot, dict[str, Any]] | None:
    """An entry with its options; None for an objective where torch is not installed."""
    try:
        return resolve(slot, use)
    except MissingExtra:
        return None
