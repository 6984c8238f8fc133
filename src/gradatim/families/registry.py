"""Which families there are, by name; a family is imported when it is first used."""

import importlib
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from gradatim.checks import one_of
from gradatim.types import Family

FAMILIES = {
    "lists": "gradatim.families.lists:FAMILY",
    "arithmetic": "gradatim.families.arithmetic:FAMILY",
    "sat": "gradatim.families.sat:FAMILY",
}
GROUP = "gradatim.families"


@cache
def _where() -> dict[str, str]:
    """Ours and those that installed packages register; ours keep their names."""
    return {entry.name: entry.value for entry in entry_points(group=GROUP)} | FAMILIES


def names() -> list[str]:
    """Names of all families, sorted."""
    return sorted(_where())


@cache
def get(name: str) -> Family:
    """The family of that name.

    Raises:
        ArgumentError: there is none; lists the names.

    >>> get("sat").name
    'sat'
    """
    one_of("family", name, _where())
    module, attribute = _where()[name].split(":")
    return getattr(importlib.import_module(module), attribute)


def _row(family: Family) -> dict[str, Any]:
    shown = {level: family.ladder(level) for level in (1, 5, 10)}
    return {
        "name": family.name,
        "doc": family.doc,
        "version": family.version,
        "knobs": {name: knob._asdict() for name, knob in family.knobs.items()},
        "ladder": {str(level): knobs for level, knobs in shown.items()},
        "floor": {str(level): family.floor(knobs) for level, knobs in shown.items()},
        "space": {str(level): family.space(knobs) for level, knobs in shown.items()},
        "solver": family.solve is not None,
        "effort_unit": family.effort_unit,
    }


def list_families() -> list[dict[str, Any]]:
    """Every family: name, doc, knobs, effort unit; ladder, floor, space at levels 1, 5 and 10.

    >>> {"arithmetic", "lists", "sat"} <= {row["name"] for row in list_families()}
    True
    """
    return [_row(get(name)) for name in names()]
