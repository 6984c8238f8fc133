"""Argument checks: one line at the top of a public function; messages name the argument."""

from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any

import numpy as np

from gradatim.errors import ArgumentError, nearest

MANY = 40  # names that one message may list

# bounds of options, lowest and highest allowed; the next float stands for an end that is left out
SHARE = (0.0, 1.0)
INSIDE = (np.nextafter(0.0, 1.0), np.nextafter(1.0, 0.0))
POSITIVE = (INSIDE[0], np.inf)
AT_LEAST_0, AT_LEAST_1, ANY = (0.0, np.inf), (1, np.inf), (-np.inf, np.inf)


def shapes(**named: tuple[np.ndarray, str]) -> dict[str, int]:
    """Check that axes of the same name have the same length; return the lengths.

    >>> shapes(k=(np.zeros(3), "problem"), n=(np.zeros(3), "problem"))
    {'problem': 3}
    """
    sizes: dict[str, int] = {}
    owner: dict[str, str] = {}
    for arg, (array, axes) in named.items():
        names = axes.split()
        if np.ndim(array) != len(names):
            raise ArgumentError(f"`{arg}` must have axes ({axes}), got shape {np.shape(array)}")
        for name, size in zip(names, np.shape(array), strict=True):
            if sizes.setdefault(name, size) != size:
                raise ArgumentError(
                    f"axis '{name}' is {sizes[name]} in `{owner[name]}` but {size} in `{arg}`"
                )
            owner.setdefault(name, arg)
    return sizes


def within(low: float, high: float, /, **named: Any) -> None:
    """Check low <= value <= high, elementwise; NaN fails.

    >>> within(0, 1, rate=1.5)
    Traceback (most recent call last):
    gradatim.errors.ArgumentError: `rate` must lie in [0, 1], got 1.5
    """
    for arg, value in named.items():
        array = np.asarray(value)
        real = array.dtype.kind in "biuf" or all(isinstance(x, Real) for x in array.ravel())
        if not real:  # whole numbers beyond 64 bits are objects to numpy
            raise ArgumentError(f"`{arg}` must be a number in [{low}, {high}], got {value!r}")
        # bounds may lie beyond float32
        wide = array.astype(float, copy=False) if array.dtype.kind == "f" else array
        bad = ~((wide >= low) & (wide <= high))
        if bad.any():
            many = f" ({bad.sum()} of {bad.size} are outside)" if array.ndim else ""
            raise ArgumentError(
                f"`{arg}` must lie in [{low}, {high}], got {array[bad].ravel()[0]}{many}"
            )


def whole(low: float, high: float, /, **named: Any) -> None:
    """Check that each is a whole number from low to high.

    >>> whole(1, 100, rollouts=2.5)
    Traceback (most recent call last):
    gradatim.errors.ArgumentError: `rollouts` must be a whole number, got 2.5
    """
    within(low, high, **named)
    for arg, value in named.items():
        if value != np.floor(value):
            raise ArgumentError(f"`{arg}` must be a whole number, got {value}")


def finite(**named: Any) -> None:
    """Check that all entries are numbers, none of them NaN or infinite.

    >>> finite(ability="high")
    Traceback (most recent call last):
    gradatim.errors.ArgumentError: `ability` must be a number, got 'high'
    """
    for arg, value in named.items():
        if isinstance(value, str):
            raise ArgumentError(f"`{arg}` must be a number, got {value!r}")
        bad = ~np.isfinite(np.asarray(value, dtype=float))
        if bad.any():
            raise ArgumentError(f"`{arg}` must be finite, got {bad.sum()} NaN or infinite entries")


def one_of(arg: str, value: str, options: Iterable[str], *, brief: str = "") -> None:
    """Check membership; the message lists the options and the nearest name.

    Where they are too many for a line, `brief` stands for the list, as far as it is given.
    """
    names = sorted(options)
    if value not in names:
        hint = nearest(str(value), names)
        listed = brief if brief and len(names) > MANY else ", ".join(names)
        raise ArgumentError(f"`{arg}` must be one of {listed}; got {value!r}{hint}")


def known_keys(what: str, given: Mapping[str, Any], allowed: Iterable[str]) -> None:
    """Check that a mapping has no key outside `allowed`; names the nearest."""
    names = sorted(allowed)
    for key in given:
        if key not in names:
            listed = ", ".join(names) or "none"
            raise ArgumentError(
                f"{what} has no '{key}' (known: {listed}){nearest(str(key), names)}"
            )
