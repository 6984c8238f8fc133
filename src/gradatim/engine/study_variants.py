"""The variants of a study: its named recipes, and those of its table with slots changed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gradatim import checks
from gradatim.engine import study_checks
from gradatim.errors import ArgumentError, FormatError
from gradatim.recipes import registry
from gradatim.types import SLOTS, Recipe

TUNED = ("rate", "batch", "prompts", "passes")  # settings that a variant may have of its own
VARIANT = ("recipe", registry.ROUNDS, *TUNED, *SLOTS)


def table(path: str | Path, text: Mapping[str, Any], key: str) -> dict[str, Any]:
    """A table of a study's file, {} where it has none.

    Raises:
        FormatError: it is something else.
    """
    found = text.get(key, {})
    if not isinstance(found, dict):
        raise FormatError(path, field=key, expected="a table", got=repr(found))
    return found


def variants_of(
    path: str | Path, text: Mapping[str, Any], pools: Mapping[str, Mapping[str, Any]]
) -> dict[str, tuple[Recipe, dict[str, Any]]]:
    """Name -> recipe and settings, of a study's file.

    Raises:
        ArgumentError: unknown recipes, slots, settings or options.
    """
    usual = study_checks.settings(f"study {path}, settings", text.get("settings", {}))
    named = text.get("recipes", [])
    if named == "all":
        named = study_checks.everywhere(pools.values())
    elif named != []:
        study_checks.names(f"study {path}", named, "recipes", other="all")
    variants = {name: (registry.get(name), usual) for name in named}
    for name, spec in table(path, text, "variants").items():
        variants[name] = _variant(f"study {path}, variant '{name}'", name, spec, usual)
    return variants


def _variant(
    what: str, name: str, spec: Any, usual: Mapping[str, Any]
) -> tuple[Recipe, dict[str, Any]]:
    """The recipe of a variant and its settings."""
    if not isinstance(spec, dict):
        raise ArgumentError(f"{what} must be a table, got {spec!r}")
    checks.known_keys(what, spec, VARIANT)
    try:
        changes = {
            slot: tuple(spec[slot]) if isinstance(spec[slot], list) else spec[slot]
            for slot in (*SLOTS, registry.ROUNDS)
            if slot in spec
        }
        recipe = registry.adapt(registry.get(spec.get("recipe", name)), changes)
    except ArgumentError as error:
        raise ArgumentError(f"{what}: {error}") from None
    own = {key: spec[key] for key in TUNED if key in spec}
    return recipe, study_checks.settings(what, {**usual, **own})
