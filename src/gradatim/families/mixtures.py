"""Sets of problems from several families and levels, in exact shares.

A mixture is a list of cells, one for each family and level. Every cell's problems are those that
`generate` gives for it, so ids do not depend on what else is in the mixture.
"""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from math import isfinite
from numbers import Real
from typing import Any, NamedTuple

from gradatim.checks import known_keys, one_of
from gradatim.errors import ArgumentError
from gradatim.families import registry
from gradatim.families.generation import LEVELS, generate
from gradatim.types import Problem

Weights = Mapping[str, float | Mapping[int, float]]


class Cell(NamedTuple):
    """One family at one level (None: its default knobs) and how many problems it gives."""

    family: str
    level: int | None
    n: int


def shares(weights: Iterable[float | Fraction], n: int) -> list[int]:
    """Whole numbers that sum to n, in the proportion of the weights, by largest remainder.

    Every number is the exact share rounded up or down; ties go to the first. Exact for any
    weights: no floating-point sum decides.

    >>> shares([2, 1], 100), shares([1, 1, 1], 5)
    ([67, 33], [2, 2, 1])
    """
    exact = [Fraction(weight) for weight in weights]
    total = sum(exact)
    quotas = [weight * n / total for weight in exact]
    whole = [int(quota) for quota in quotas]
    order = sorted(range(len(exact)), key=lambda i: (whole[i] - quotas[i], i))
    for i in order[: n - sum(whole)]:
        whole[i] += 1
    return whole


def _weight(name: str, value: Any) -> Any:
    real = isinstance(value, Real) and not isinstance(value, bool)
    if not real or not isfinite(value) or value < 0:
        raise ArgumentError(f"weight of {name} must be a number of at least 0, got {value!r}")
    return value


def _by_level(levels: Any) -> dict[int | None, float]:
    """Weights of the levels, from a mapping or from levels that count alike."""
    if levels is None or isinstance(levels, int):
        levels = {levels: 1}
    elif not isinstance(levels, Mapping):
        levels = dict.fromkeys(levels, 1)
    for level in levels:
        if level is not None and (isinstance(level, bool) or level not in LEVELS):
            raise ArgumentError(f"`levels` must be whole numbers in [1, 10], got {level!r}")
    return {level: _weight(f"level {level}", weight) for level, weight in levels.items()}


def cells(
    weights: Weights, *, n: int, levels: int | Iterable[int] | Mapping[int, float] | None = None
) -> list[Cell]:
    """How many problems of each family and level a mixture of n has.

    The families' shares are exact first; each family's share is then split over its levels.

    Args:
        weights: family -> weight, or family -> {level: weight}, whose sum is the family's weight.
        n: how many in all.
        levels: of the families that name none: one, several alike, or {level: weight}.

    Raises:
        ArgumentError: an unknown family, a weight below 0 or not a number, or nothing but zeros.

    >>> cells({"sat": 2, "lists": {1: 1, 5: 1}}, n=6, levels=3)
    [Cell(family='sat', level=3, n=3), Cell(family='lists', level=1, n=2), \
Cell(family='lists', level=5, n=1)]
    """
    if isinstance(n, bool) or not isinstance(n, int) or n < 0:
        raise ArgumentError(f"`n` must be a whole number of at least 0, got {n!r}")
    shared = _by_level(levels)
    split: dict[str, dict[int | None, Any]] = {}
    for name, weight in weights.items():
        registry.get(name)
        if isinstance(weight, Mapping):
            split[name] = _by_level(weight)
        else:
            whole = Fraction(_weight(f"`{name}`", weight))
            total = sum(map(Fraction, shared.values()))
            if not total:
                raise ArgumentError("`levels` must have a weight above 0, got none")
            split[name] = {k: whole * Fraction(v) / total for k, v in shared.items()}
    totals = [sum(map(Fraction, own.values())) for own in split.values()]
    if not sum(totals):
        raise ArgumentError("`weights` must name a family with a weight above 0, got none")
    out = []
    for (name, own), count in zip(split.items(), shares(totals, n), strict=True):
        if any(own.values()):
            counts = shares(own.values(), count)
            out += [Cell(name, k, c) for k, c in zip(own, counts, strict=True) if c]
    return out


def _different(cell: Cell, seen: set[str], options: dict[str, Any]) -> list[Problem]:
    """The cell's first problems that are not in the mixture yet."""
    more = 0
    while True:
        made = generate(cell.family, n=cell.n + more, level=cell.level, unique=True, **options)
        fresh = [p for p in made if p.id not in seen]
        if len(fresh) >= cell.n:
            seen.update(p.id for p in fresh[: cell.n])
            return fresh[: cell.n]
        more += cell.n - len(fresh)


def _interleaved(groups: list[list[Problem]]) -> list[Problem]:
    """All in one list, each group spread evenly over it."""
    placed = [
        (Fraction(2 * i + 1, 2 * len(group)), rank, problem)
        for rank, group in enumerate(groups)
        for i, problem in enumerate(group)
    ]
    return [problem for _, _, problem in sorted(placed, key=lambda row: row[:2])]


def mix(
    weights: Weights,
    *,
    n: int,
    levels: int | Iterable[int] | Mapping[int, float] | None = None,
    seed: int = 0,
    split: str = "train",
    unique: bool = False,
    knobs: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[Problem]:
    """Problems of several families and levels in exact shares, evenly interleaved.

    A cell's problems are the first that `generate` gives for its family and level, with the same
    ids. Each stretch of the result holds about the shares of the whole, so that a prefix is a
    smaller mixture.

    Args:
        weights: family -> weight, or family -> {level: weight}.
        n: how many in all.
        levels: of the families that name none (default: their default knobs).
        seed, split, unique: as for `generate`.
        knobs: family -> knobs that replace the level's.

    Raises:
        ArgumentError: as `cells`, or as `generate`.

    >>> [p.family for p in mix({"sat": 2, "lists": 1}, n=6, levels=[1, 2])]
    ['sat', 'lists', 'sat', 'sat', 'lists', 'sat']
    """
    parts = cells(weights, n=n, levels=levels)
    given = knobs or {}
    known_keys("`weights`", given, weights)
    one_of("split", split, ("train", "test"))
    seen: set[str] = set()
    made: dict[str, list[list[Problem]]] = {}
    for cell in parts:
        options = {"seed": seed, "split": split, **given.get(cell.family, {})}
        if unique:
            problems = _different(cell, seen, options)
        else:
            problems = generate(cell.family, n=cell.n, level=cell.level, **options)
        made.setdefault(cell.family, []).append(problems)
    return _interleaved([_interleaved(groups) for groups in made.values()])
