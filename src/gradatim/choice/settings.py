"""Knob settings of several families as rows of whole numbers: drawn, changed, named, described.

Axes: `row` (settings), `place` (the family's code, then its knobs in order; -1 = no such knob).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gradatim import checks
from gradatim.errors import ArgumentError
from gradatim.types import Knob

DRAWS = 100  # of one setting, until it is allowed

Allowed = Callable[[str, dict[str, Any]], bool]


class Space(NamedTuple):
    """What may be set: families, and their knobs in order."""

    families: tuple[str, ...]
    knobs: tuple[Mapping[str, Knob], ...]


def space_of(knobs: Mapping[str, Mapping[str, Knob]]) -> Space:
    """The settings of these families within the knobs' ranges.

    Args:
        knobs: family -> its knobs, as in `Family.knobs`; narrow one by `knob._replace(high=9)`,
            and leave out those that keep their default.

    Raises:
        ArgumentError: no family, or a knob without an end.

    >>> space_of({"sums": {"digits": Knob("how many", 3, 1, 9)}}).families
    ('sums',)
    """
    if not knobs:
        raise ArgumentError("`knobs` must name at least one family, got none")
    for family, own in knobs.items():
        for name, knob in own.items():
            if not knob.choices and (knob.low is None or knob.high is None or knob.low > knob.high):
                raise ArgumentError(
                    f"knob '{name}' of '{family}' must have a range, got [{knob.low}, {knob.high}]"
                )
    return Space(tuple(knobs), tuple(knobs.values()))


def _ranges(space: Space) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(family, knob) lowest and highest value, -1 for a knob there is not; whether it is choices.

    Values of choices are their places in the list.
    """
    shape = len(space.families), max(map(len, space.knobs))
    low, high, listed = np.full(shape, -1), np.full(shape, -1), np.zeros(shape, dtype=bool)
    for i, own in enumerate(space.knobs):
        for j, knob in enumerate(own.values()):
            listed[i, j] = bool(knob.choices)
            low[i, j], high[i, j] = (0, len(knob.choices) - 1) if knob.choices else knob[2:4]
    return low, high, listed


def named(space: Space, setting: np.ndarray) -> list[tuple[str, dict[str, Any]]]:
    """Family and knobs of each row, as `generate` takes them.

    >>> space = space_of({"a": {"n": Knob("", 3, 1, 9), "mode": Knob("", "x", choices=("x", "y"))}})
    >>> named(space, np.array([[0, 7, 1]]))
    [('a', {'n': 7, 'mode': 'y'})]
    """
    found = []
    for code, *values in _checked(space, setting).tolist():
        own = space.knobs[code]
        knobs = {
            name: knob.choices[value] if knob.choices else value
            for (name, knob), value in zip(own.items(), values, strict=False)
        }
        found.append((space.families[code], knobs))
    return found


def describe(space: Space, setting: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """(row, descriptor) float: "family" as its code, any other name as the value of that knob.

    What only a made problem tells, such as its steps, is put beside these by the caller.

    Raises:
        ArgumentError: a family without that knob.
    """
    setting = _checked(space, setting)
    columns = []
    for name in names:
        if name == "family":
            columns.append(setting[:, 0])
            continue
        place = []
        for family, own in zip(space.families, space.knobs, strict=True):
            checks.one_of(f"descriptor of '{family}'", name, own)
            place.append(1 + list(own).index(name))
        columns.append(np.take_along_axis(setting, np.array(place)[setting[:, :1]], 1)[:, 0])
    return np.column_stack(columns).astype(float) if columns else np.zeros((len(setting), 0))


def _checked(space: Space, setting: np.ndarray) -> np.ndarray:
    """The settings, refused where the space has no such."""
    setting, (low, high, _) = np.asarray(setting), _ranges(space)
    checks.shapes(setting=(setting, "row place"), knobs=(np.empty(1 + low.shape[1]), "place"))
    checks.within(0, len(space.families) - 1, **{"family of `setting`": setting[:, 0]})
    values, code = setting[:, 1:], setting[:, 0]
    if ((values < low[code]) | (values > high[code])).any():
        raise ArgumentError("`setting` has knobs out of their ranges: use rows of `propose`")
    return setting


def _barred(space: Space, setting: np.ndarray, allowed: Allowed | None) -> np.ndarray:
    """(row,) bool."""
    if allowed is None:
        return np.zeros(len(setting), dtype=bool)
    return np.array([not allowed(*one) for one in named(space, setting)], dtype=bool)


def draw(
    space: Space, size: int, *, rng: np.random.Generator, allowed: Allowed | None = None
) -> np.ndarray:
    """(size, place) random settings: the family first, then each knob evenly over its values.

    Raises:
        ArgumentError: `allowed` refuses a setting in each of 100 draws.
    """
    low, high, _ = _ranges(space)

    def once(n: int) -> np.ndarray:
        family = rng.integers(len(space.families), size=n)
        return np.column_stack((family, rng.integers(low[family], high[family] + 1)))

    setting = once(size)
    for _ in range(DRAWS):
        bad = _barred(space, setting, allowed)
        if not bad.any():
            return setting
        setting[bad] = once(int(bad.sum()))
    raise ArgumentError(
        f"`allowed` refused {DRAWS} random settings in a row: narrow the knobs' ranges"
    )


def mutants(
    space: Space,
    parents: np.ndarray,
    *,
    rng: np.random.Generator,
    allowed: Allowed | None = None,
) -> np.ndarray:
    """(row, place) settings with at least one knob changed, the family never.

    One knob changes for sure, each other with chance 1 / number of knobs: a choice to another one,
    a number by a step whose size is drawn on a logarithmic scale from 1 to the whole range, so
    that no scale has to be set. A parent comes back as it is where no knob has two values, or
    where `allowed` refuses 100 changes of it.
    """
    child = _mutate(space, parents, rng)
    for _ in range(DRAWS):
        bad = _barred(space, child, allowed)
        if not bad.any():
            return child
        child[bad] = _mutate(space, parents[bad], rng)
    bad = _barred(space, child, allowed)
    return np.where(bad[:, None], parents, child)


def _mutate(space: Space, parents: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    ranges = _ranges(space)
    low, high, listed = (field[parents[:, 0]] for field in ranges)
    value, room = parents[:, 1:], high - low
    free = room > 0
    change = free & (rng.random(value.shape) * free.sum(axis=1, keepdims=True) < 1)
    if len(parents):
        sure = np.argmax(np.where(free, rng.random(value.shape), -1.0), axis=1)
        change[np.arange(len(parents)), sure] |= free[np.arange(len(parents)), sure]
    # at least 1, at most the whole room
    step = np.exp2(rng.random(value.shape) * np.log2(np.maximum(room, 1) + 1)).astype(int)
    step *= rng.choice((-1, 1), size=value.shape)
    moved = value + step
    moved = np.where((moved < low) | (moved > high), value - step, moved)
    moved = np.clip(moved, low, high)
    other = low + (value - low + 1 + (rng.random(value.shape) * room).astype(int)) % (room + 1)
    return np.column_stack((parents[:, 0], np.where(change, np.where(listed, other, moved), value)))
