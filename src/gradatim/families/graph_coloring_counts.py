"""How many graphs of given size a planted colouring gives, and how many colourings these have."""

from collections.abc import Iterator
from functools import lru_cache
from math import comb, factorial, prod


def sizes(vertices: int, colors: int) -> list[int]:
    """Vertices of each planted class, as equal as they can be."""
    return [(vertices + colors - 1 - c) // colors for c in range(colors)]


# Graphs of 0, 1, 2 ... edges that a planted colouring can give, by (vertices, colours), counted up
# to `_canonical` by adding edges one by one.
GRAPHS = {
    (6, 2): "1 1 2 4 5 5 4 2 1 1",
    (6, 3): "1 1 2 5 9 14 18 18 15 9 4 1 1",
    (6, 4): "1 1 2 5 9 15 20 23 23 20 14 8 3 1",
    (7, 2): "1 1 2 4 7 11 15 12 11 6 3 1 1",
    (7, 3): "1 1 2 4 9 20 38 59 87 108 107 86 52 23 9 2 1",
    (7, 4): "1 1 2 4 9 20 39 62 94 127 144 142 122 85 49 23 8 2 1",
    (8, 2): "1 1 2 4 8 13 23 26 31 26 23 13 10 4 2 1 1",
    (8, 3): "1 1 2 4 10 23 53 106 206 367 579 803 942 900 682 412 201 81 28 9 2 1",
    (8, 4): "1 1 2 4 10 23 53 108 212 388 640 946 1255 1465 1502 1342 1016 646 340 143 51 16 5 1 1",
}


@lru_cache(maxsize=256)
def edges_of(vertices: int, colors: int, density: int) -> tuple[int, int]:
    """How many edges are drawn, and among how many pairs."""
    pairs = comb(vertices, 2) - sum(comb(s, 2) for s in sizes(vertices, colors))
    return -(-pairs * density // 100), pairs


def _compositions(total: int, parts: int) -> Iterator[tuple[int, ...]]:
    if parts == 1:
        yield (total,)
        return
    for first in range(total + 1):
        for rest in _compositions(total - first, parts - 1):
            yield (first, *rest)


@lru_cache(maxsize=64)
def mean_colorings(vertices: int, colors: int, density: int) -> tuple[int, int]:
    """Mean number of proper colourings of an instance, as a fraction (numerator, denominator).

    A colouring that puts n_ij vertices of planted class i into class j joins F = sum_j (m_j^2 -
    sum_i n_ij^2) / 2 of the separated pairs, with m_j = sum_i n_ij. It is proper with chance
    C(pairs - F, edges) / C(pairs, edges). States of the sum: the m_j (in any order) and the sum of
    squares, class after class.
    """
    count, pairs = edges_of(vertices, colors, density)
    states = {((0,) * colors, 0): 1}
    for size in sizes(vertices, colors):
        ways = [
            (part, factorial(size) // prod(map(factorial, part)), sum(n * n for n in part))
            for part in _compositions(size, colors)
        ]
        after: dict[tuple[tuple[int, ...], int], int] = {}
        for (sums, squares), number in states.items():
            for part, weight, square in ways:
                key = tuple(sorted(m + n for m, n in zip(sums, part, strict=True)))
                state = (key, squares + square)
                after[state] = after.get(state, 0) + number * weight
        states = after
    total = 0
    for (sums, squares), number in states.items():
        joined = (sum(m * m for m in sums) - squares) // 2
        total += number * comb(pairs - joined, count)
    return total, comb(pairs, count)


def graphs(vertices: int, colors: int, density: int) -> int:
    """How many graphs there are up to renaming: counted up to 8 vertices, else a lower bound."""
    if (vertices, colors) in GRAPHS:
        return int(GRAPHS[vertices, colors].split()[edges_of(vertices, colors, density)[0]])
    total, drawn = mean_colorings(vertices, colors, density)
    planted = factorial(vertices) // prod(map(factorial, sizes(vertices, colors)))
    return -(-planted * drawn * drawn // (total * factorial(vertices)))
