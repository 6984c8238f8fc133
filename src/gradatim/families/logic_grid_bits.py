"""Candidates of a logic grid as bits: in which of all (n!)^m solutions is a clue true?"""

from functools import lru_cache
from itertools import permutations
from math import factorial
from typing import Any, NamedTuple

import numpy as np

LARGE = 20_000  # candidates up to which they are kept as one integer
KEPT = 600_000  # candidates up to which those of a clue are remembered: 60 MB for all settings

Entity = tuple[int, int]  # (attribute, value); attribute -1 is the people themselves


class Clue(NamedTuple):
    """What a clue says: is, not, left or next, of which two."""

    kind: str
    first: Entity
    second: Entity


def _repeat(bits: int, width: int, times: int) -> int:
    """A pattern of that width, side by side."""
    out, done = 0, 0
    while times:  # by doubling
        if times & 1:
            out |= bits << done
            done += width
        bits |= bits << width
        width, times = 2 * width, times >> 1
    return out


@lru_cache(maxsize=2048)
def _has(n: int, m: int, attribute: int, cell: tuple[int, int]) -> int:
    """The candidates in which a person has a value of an attribute: cell = (person, value)."""
    person, value = cell
    orders = list(permutations(range(n)))
    run = len(orders) ** attribute  # candidates count through the first attribute fastest
    ones = (1 << run) - 1
    block = sum(ones << i * run for i, order in enumerate(orders) if order[person] == value)
    return _repeat(block, len(orders) * run, len(orders) ** (m - 1 - attribute))


@lru_cache(maxsize=1024)
def _sits(n: int, m: int, entity: Entity) -> tuple[int, ...]:
    """For each seat, the candidates in which an entity sits there."""
    attribute, value = entity
    if attribute == -1:
        return tuple(_has(n, m, 0, (value, seat)) for seat in range(n))
    seats = []
    for seat in range(n):
        some = 0
        for p in range(n):
            some |= _has(n, m, attribute, (p, value)) & _has(n, m, 0, (p, seat))
        seats.append(some)
    return tuple(seats)


def _same(n: int, m: int, first: Entity, second: Entity) -> int:
    if first[0] == -1:
        return _has(n, m, second[0], (first[1], second[1]))
    if first[0] == 0:
        return _sits(n, m, second)[first[1]]
    some = 0
    for p in range(n):
        some |= _has(n, m, first[0], (p, first[1])) & _has(n, m, second[0], (p, second[1]))
    return some


def _mask(n: int, m: int, clue: Clue) -> int:
    """The candidates in which a clue is true."""
    if clue.kind in ("is", "not"):
        same = _same(n, m, clue.first, clue.second)
        return same if clue.kind == "is" else ((1 << factorial(n) ** m) - 1) ^ same
    first, second = _sits(n, m, clue.first), _sits(n, m, clue.second)
    some = beyond = 0
    for seat in range(n - 1, 0, -1):
        if clue.kind == "left":
            beyond |= second[seat]
            some |= first[seat - 1] & beyond
        else:
            some |= first[seat - 1] & second[seat] | first[seat] & second[seat - 1]
    return some


def _packed(bits: int, size: int) -> Any:
    """Candidates as one integer, where they are many as an array of words: it is sooner there."""
    if size <= LARGE:
        return bits
    return np.frombuffer(bits.to_bytes(-(-size // 64) * 8, "little"), np.uint64)


def _candidates(n: int, m: int, clue: Clue) -> Any:
    return _packed(_mask(n, m, clue), factorial(n) ** m)


_kept = lru_cache(maxsize=8192)(_candidates)


def candidates(n: int, m: int, clue: Clue) -> Any:
    """The candidates in which a clue is true, as bits; not to be changed in place."""
    return (_kept if factorial(n) ** m <= KEPT else _candidates)(n, m, clue)


@lru_cache(maxsize=8)
def every(n: int, m: int) -> Any:
    """All candidates, as bits."""
    size = factorial(n) ** m
    return _packed((1 << size) - 1, size)


def differ(some: Any, others: Any) -> bool:
    """Whether two sets of candidates differ."""
    return some != others if isinstance(some, int) else not np.array_equal(some, others)


def several(left: Any) -> bool:
    """Whether more than one candidate is left."""
    if isinstance(left, int):
        return bool(left & (left - 1))
    words = left[left != 0]
    return len(words) > 1 or bool(words[0] & (words[0] - np.uint64(1)))
