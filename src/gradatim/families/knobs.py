"""Knob settings: completed by their defaults, and checked against their ranges."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gradatim.checks import known_keys, one_of
from gradatim.errors import ArgumentError
from gradatim.types import Family, Knob


def complete(knobs: Mapping[str, Knob], given: Mapping[str, Any]) -> dict[str, Any]:
    """A full setting: the defaults, replaced where a value is given.

    >>> complete({"n": Knob("how many", 3, 1, 9), "m": Knob("modulus", 5, 2, 9)}, {"m": 7})
    {'n': 3, 'm': 7}
    """
    return {name: knob.default for name, knob in knobs.items()} | dict(given)


def resolve(family: Family, given: Mapping[str, Any]) -> dict[str, Any]:
    """A full setting whose every value is allowed; numbers may come as text.

    Raises:
        ArgumentError: an unknown knob, or a value out of range (names knob and range).
    """
    known_keys(f"family '{family.name}'", given, family.knobs)
    setting = complete(family.knobs, given)
    for name, value in setting.items():
        knob = family.knobs[name]
        if knob.choices:
            one_of(name, value, knob.choices)
        else:
            setting[name] = _whole(f"{family.name}.{name}", knob, value)
    return setting


def mode(family: Family, name: str, doc: str, **fixed: Any) -> Family:
    """A family of its own: another family with some knobs fixed, such as `arithmetic.gcd`.

    Its problems are those of the parent at these knobs, but streams, splits and ids are named by
    the mode. Functions that are given knobs get the fixed ones too.

    Args:
        family: the parent.
        name: the part after the dot.
        doc: what it asks for, in one line.
        fixed: knobs that no longer can be set.
    """
    rest = {knob: spec for knob, spec in family.knobs.items() if knob not in fixed}
    own: dict[str, Any] = {
        "name": f"{family.name}.{name}",
        "doc": doc,
        "knobs": rest,
        "make": lambda stream, **knobs: family.make(stream, **knobs, **fixed),
        "ladder": lambda level: {k: v for k, v in family.ladder(level).items() if k not in fixed},
        "floor": lambda knobs: family.floor({**knobs, **fixed}),
        "space": lambda knobs: family.space({**knobs, **fixed}),
    }
    if family.nth is not None:
        whole = family.nth
        own["nth"] = lambda index, **knobs: whole(index, **knobs, **fixed)
    return replace(family, **own)


def _whole(name: str, knob: Knob, value: Any) -> int:
    low, high = knob.low, knob.high
    allowed = f"a whole number in [{low}, {high}]"
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        number = None
    if (
        number is None
        or isinstance(value, bool)
        or number != (number if isinstance(value, str) else value)
    ):
        raise ArgumentError(f"`{name}` must be {allowed}, got {value!r}")
    if (low is not None and number < low) or (high is not None and number > high):
        raise ArgumentError(f"`{name}` must be {allowed}, got {number}")
    return number
