"""Options of slot entries: each of its default's type and within the bounds of its record.

Checked where a recipe is put together, so that a mistake is said before anything is spent. The
message names the option that somebody set, not the default that it disagrees with.
"""

from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np

from gradatim import checks
from gradatim.errors import ArgumentError
from gradatim.types import Slot

KINDS = {bool: "true or false", int: "a whole number", float: "a number"}


def check(
    what: str, record: Slot, given: Mapping[str, Any], *, over: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """All options of an entry, defaults filled in.

    Args:
        what: the entry, for messages.
        record: the entry.
        given: options that somebody set.
        over: options that were set before, by a recipe.

    Raises:
        ArgumentError: one that it does not have (names the nearest), of another type than its
            default, or out of bounds.

    >>> slot = Slot(suggest=min, options={"low": 0.2, "high": 0.8}, bounds={"low": (0, "high")})
    >>> check("sampler 'x'", slot, {"high": 0.1})
    Traceback (most recent call last):
    gradatim.errors.ArgumentError: sampler 'x': `high` must be at least `low` = 0.2, got 0.1
    """
    return values(what, record.options, record.bounds, given, over=over)


def values(
    what: str,
    defaults: Mapping[str, Any],
    bounds: Mapping[str, Any],
    given: Mapping[str, Any],
    *,
    over: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Settings with defaults filled in, checked as `check` does it for an entry's options."""
    if not isinstance(given, Mapping):
        raise ArgumentError(f"{what} must be a table of {', '.join(defaults)}; got {given!r}")
    checks.known_keys(what, given, defaults)
    found = {**defaults, **(over or {}), **given}
    for name, value in given.items():
        if (wanted := _other_type(defaults[name], value)) is not None:
            raise ArgumentError(f"{what}: `{name}` must be {wanted}, got {value!r}")
    for name, bound in bounds.items():
        if fault := _outside(name, bound, found, given):
            raise ArgumentError(f"{what}: {fault}")
    return found


def _other_type(default: Any, value: Any) -> str | None:
    """What a value should be where it is not; None where it may stand for the default."""
    if isinstance(default, bool):
        return None if isinstance(value, bool | np.bool_) else KINDS[bool]
    for kind, numbers in ((int, Integral), (float, Real)):
        if isinstance(default, kind):
            fits = isinstance(value, numbers) and not isinstance(value, bool)
            return None if fits else KINDS[kind]
    if isinstance(default, tuple) and default:
        return _other_row(default, value)
    if isinstance(default, tuple):  # of what, the entry knows
        return None if isinstance(value, str | Sequence | np.ndarray) else "a name or several"
    return None


def _other_row(default: tuple[Any, ...], value: Any) -> str | None:
    """As `_other_type` for several numbers; one default stands for any number of them."""
    row = np.asarray(value) if np.ndim(value) or isinstance(value, Real) else np.zeros(0)
    row = np.atleast_1d(row)
    if row.dtype.kind in "iuf" and row.ndim == 1 and len(row) and len(default) in (1, len(row)):
        return None
    return f"{len(default)} numbers" if len(default) > 1 else "a number or several"


def _outside(name: str, bound: Any, options: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    """How an option leaves its bounds; an empty string where it does not, or is None."""
    value = options[name]
    if value is None:
        return ""
    if isinstance(bound, frozenset):
        if value in bound:
            return ""
        return f"`{name}` must be one of {', '.join(sorted(bound))}, got {value!r}"
    for other, below in zip(bound, (False, True), strict=True):
        edge = options[other] if isinstance(other, str) else other
        array = np.asarray(value)
        if array.dtype.kind not in "biuf":  # a default of None says nothing of its type
            return f"`{name}` must be a number, got {value!r}"
        if (array <= edge if below else array >= edge).all():  # NaN is outside
            continue
        if isinstance(other, str) and other in given and name not in given:
            # the default is the one that was there before
            side = "at least" if below else "at most"
            return f"`{other}` must be {side} `{name}` = {value}, got {edge}"
        return f"`{name}` must be {_spelled(bound, options)}, got {value}"
    return ""


def _spelled(bound: tuple[Any, Any], options: Mapping[str, Any]) -> str:
    """Bounds in words.

    >>> _spelled(checks.INSIDE, {}), _spelled((1, "max"), {"max": 8})
    ('above 0 and below 1', 'at least 1 and at most `max` = 8')
    """
    named = {checks.INSIDE[0]: "above 0", checks.INSIDE[1]: "below 1"}
    parts = []
    for edge, side, none in zip(bound, ("at least", "at most"), (-np.inf, np.inf), strict=True):
        if isinstance(edge, str):
            parts.append(f"{side} `{edge}` = {options[edge]}")
        elif edge != none:
            parts.append(named.get(edge, f"{side} {edge:g}"))
    return " and ".join(parts) or "a number"
