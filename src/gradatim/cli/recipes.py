"""The verb `recipes`: which training methods there are, and what one of them is."""

import textwrap
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from gradatim.cli.output import Json, emit
from gradatim.recipes.registry import describe, list_recipes

WIDTH = 88


def recipes(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="One recipe; without it, all.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the training recipes, or say all of one: slots, options, paper, what a trainer needs.

    Entries marked with * are changed from the recipe grpo.

    Example: gradatim recipes dapo
    """
    if name is not None:
        found = describe(name)
        emit(found, as_json=as_json, text="\n".join(_whole(found)))
        return
    listed = list_recipes()
    text = "\n".join(line for recipe in listed for line in _short(recipe))
    emit(listed, as_json=as_json, text=f"{text}\n\n{len(listed)} recipes; of one, all: NAME")


def _wrapped(words: str, *, first: str = "  ", rest: str = "  ") -> str:
    return textwrap.fill(words, WIDTH, initial_indent=first, subsequent_indent=rest)


def _entry(use: Mapping[str, Any], which: str = "options") -> str:
    options = ", ".join(f"{k}={v}" for k, v in use[which].items())
    return use["name"] + (f" ({options})" if options else "")


def _short(recipe: Mapping[str, Any]) -> list[str]:
    """Name, sentence, paper, and the entries that are changed from grpo."""
    uses = recipe["slots"].items()
    changed = ", ".join(f"{slot} {_entry(use, 'set')}" for slot, use in uses if use["changed"])
    lines = [f"{recipe['name']}: {recipe['doc']}", _wrapped(recipe["paper"])]
    if recipe["differs"]:
        lines.append(_wrapped(f"Differs: {recipe['differs']}"))
    lines.append(_wrapped(f"changed from grpo: {changed or 'nothing'}"))
    if recipe["provide"]:
        lines.append(_wrapped(f"a trainer provides: {', '.join(recipe['provide'])}"))
    return lines


def _whole(recipe: Mapping[str, Any]) -> list[str]:
    lines = [f"{recipe['name']}: {recipe['doc']}", _wrapped(f"Paper: {recipe['paper']}")]
    if recipe["differs"]:
        lines.append(_wrapped(f"Differs: {recipe['differs']}"))
    rounds = recipe["rounds"]
    lines.append(f"  Rounds of a step: {f'up to {rounds}' if rounds > 1 else 1}")
    provide = ", ".join(recipe["provide"]) or "rewards only"
    lines.append(_wrapped(f"A trainer provides: {provide}"))
    for slot, use in recipe["slots"].items():
        mark = "*" if use["changed"] else " "
        lines.append(_wrapped(_entry(use), first=f"{mark} {slot:<10} ", rest=" " * 13))
        if use.get("about"):
            lines.append(_wrapped(use["about"], first=" " * 15, rest=" " * 15))
    return lines
