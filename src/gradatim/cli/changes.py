"""The option `--set`: changes to the slots of a recipe."""

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from gradatim import checks
from gradatim.errors import ArgumentError
from gradatim.types import SLOTS

ROUNDS = "max_rounds"

Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Change the recipe: SLOT=NAME (budget=refill), SLOT.OPTION=VALUE (budget.size=4) or "
        "max_rounds=N; repeatable.",
    ),
]


def parsed(pairs: Sequence[str]) -> dict[str, Any]:
    """What `--set` changes, as a Curriculum takes it.

    Values are JSON (numbers, true, [0.4, 0.5, 0.1]) where they look like it, else text.

    Raises:
        ArgumentError: another form, or no such slot (names the nearest).

    >>> parsed(["sampler.low=0.1", "sampler=window", "budget.min=4", "max_rounds=2"])
    {'sampler': ('window', {'low': 0.1}), 'budget': {'min': 4}, 'max_rounds': 2}
    """
    names: dict[str, str] = {}
    options: dict[str, dict[str, Any]] = {}
    rounds: dict[str, Any] = {}
    for pair in pairs:
        key, equals, raw = pair.partition("=")
        slot, dot, option = key.partition(".")
        if not (equals and slot and (option if dot else raw)) or (dot and slot == ROUNDS):
            raise ArgumentError(
                f"`--set` must be SLOT=NAME, SLOT.OPTION=VALUE or {ROUNDS}=N, got {pair!r}"
            )
        checks.known_keys("`--set`", {slot: raw}, (*SLOTS, ROUNDS))
        if slot == ROUNDS:
            rounds[slot] = _value(raw)
        elif dot:
            options.setdefault(slot, {})[option] = _value(raw)
        else:
            names[slot] = raw
    both = {slot: (name, options.get(slot, {})) for slot, name in names.items()}
    found = {**options, **both}
    return {slot: found[slot] for slot in SLOTS if slot in found} | rounds


def _value(raw: str) -> Any:
    """A value as JSON where it is; numbers may begin with their point."""
    for read in (json.loads, float):
        try:
            return read(raw)
        except ValueError:
            continue
    return raw
