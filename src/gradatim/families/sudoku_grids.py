"""Sudoku grids as sets of cells: search for full grids, and thinning that keeps one solution.

A set of cells is an integer, cell i = row * size + column its bit i; `planes[d]` is the set of
cells that may hold digit d (from 0).
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from gradatim.rng import Stream

BOXES = {4: (2, 2), 6: (2, 3), 9: (3, 3)}  # rows and columns of a box


class Board(NamedTuple):
    """Geometry of one size: `units` are rows, columns and boxes, `own[i]` the three of cell i.

    `peers[i]`: cells that share a row, column or box with i. `keep[1 << i]`: all cells but those.
    """

    size: int
    full: int
    units: list[int]
    own: list[list[int]]
    peers: list[int]
    keep: dict[int, int]


@lru_cache(maxsize=4)
def board_of(size: int) -> Board:
    """The board of a side of 4, 6 or 9."""
    high, wide = BOXES[size]
    units: dict[tuple[str, int], int] = {}
    own: list[list[int]] = []
    for cell in range(size * size):
        row, column = divmod(cell, size)
        box = row // high * high + column // wide
        for key in (("row", row), ("column", column), ("box", box)):
            units[key] = units.get(key, 0) | 1 << cell
    for cell in range(size * size):
        own.append([unit for unit in units.values() if unit >> cell & 1])
    full = (1 << size * size) - 1
    peers = [(a | b | c) & ~(1 << cell) for cell, (a, b, c) in enumerate(own)]
    keep = {1 << cell: full & ~p for cell, p in enumerate(peers)}
    return Board(size, full, list(units.values()), own, peers, keep)


def _hidden(board: Board, planes: list[int], open_cells: int) -> int:
    """Digits with one place left in a unit: their cells lose the other digits. -1: no place."""
    found = 0
    for d, plane in enumerate(planes):
        if not plane & open_cells:
            continue
        for unit in board.units:
            place = plane & unit
            if place & (place - 1):
                continue
            if not place:
                return -1
            if place & open_cells & ~found:
                found |= place
                planes[:] = [p if e == d else p & ~place for e, p in enumerate(planes)]
    return found


def _settle(board: Board, planes: list[int], done: int) -> int:
    """Place all that follows by single candidates; the placed cells, or -1 for a contradiction."""
    full, keep = board.full, board.keep
    while True:
        ones = twos = 0
        for plane in planes:
            twos |= ones & plane
            ones |= plane
        if ones != full:
            return -1
        singles = full & ~(twos | done)
        if singles:
            for d, plane in enumerate(planes):
                cells = plane & singles
                while cells:
                    bit = cells & -cells
                    cells ^= bit
                    planes[d] &= keep[bit]
            done |= singles
        elif done == full:
            return done
        else:
            found = _hidden(board, planes, full & ~done)
            if found <= 0:
                return done if found == 0 else -1


def search(
    board: Board, planes: list[int], done: int = 0, stream: Stream | None = None
) -> list[int] | None:
    """A full grid within the candidates, as one set of cells per digit; None where there is none.

    `planes[d]` holds the cells that may be d + 1. Guesses go to a cell with fewest candidates of
    two or three, in random order where a stream is given.
    """
    done = _settle(board, planes, done)
    if done < 0:
        return None
    if done == board.full:
        return planes
    ones = twos = threes = 0
    for plane in planes:
        threes |= twos & plane
        twos |= ones & plane
        ones |= plane
    best = twos & ~threes or board.full & ~done
    cell = best & -best
    digits = [d for d in range(board.size) if planes[d] & cell]
    if stream is not None:
        stream.shuffle(digits)
    for d in digits:
        tried = [plane if e == d else plane & ~cell for e, plane in enumerate(planes)]
        solved = search(board, tried, done, stream)
        if solved is not None:
            return solved
    return None


def full_grid(stream: Stream, board: Board) -> list[int]:
    """A random full grid, as digits from 0; every grid can come.

    Boxes down the diagonal share no row or column: they are filled at random, the rest by search.
    """
    size, (high, wide) = board.size, BOXES[board.size]
    planes, done = [board.full] * size, 0
    boxes = min(size // high, size // wide) if size > 4 else 1  # two of side 4 may leave nothing
    for b in range(boxes):
        digits = list(range(size))
        stream.shuffle(digits)
        for i, d in enumerate(digits):
            bit = 1 << (b * high + i // wide) * size + b * wide + i % wide
            planes = [p & board.keep[bit] if e == d else p & ~bit for e, p in enumerate(planes)]
            done |= bit
    solved = search(board, planes, done, stream)
    assert solved is not None
    return [
        next(d for d, plane in enumerate(solved) if plane >> cell & 1)
        for cell in range(size * size)
    ]


def thin(board: Board, grid: list[int], order: list[int], clues: int) -> int:
    """The cells that stay shown: clues go, in the given order, while the solution is the only one.

    Without the clue v in cell c there is another solution iff there is one with another digit in
    c. There is none where c can only hold v, or v of its unit's places only c; else we search.
    """
    size, full, peers = board.size, board.full, board.peers
    shown = [0] * size  # cells of each digit that are shown
    for cell, digit in enumerate(grid):
        shown[digit] |= 1 << cell
    reach = [full & ~cells for cells in shown]  # cells that see a shown digit
    left, cells_left = size * size, full
    for cell in order:
        if left == clues:
            break
        bit, digit = 1 << cell, grid[cell]
        without, seen = shown[digit] ^ bit, 0
        rest = without
        while rest:
            low = rest & -rest
            rest ^= low
            seen |= peers[low.bit_length() - 1]
        empty = full & ~cells_left | bit
        places = empty & ~seen
        alternatives = [d for d in range(size) if d != digit and not reach[d] & bit]
        if alternatives and not any(places & unit == bit for unit in board.own[cell]):
            planes = [cells | (empty & ~seen) for cells, seen in zip(shown, reach, strict=True)]
            planes[digit] = without | places & ~bit
            if search(board, planes, full & ~empty) is not None:
                continue
        shown[digit], reach[digit] = without, seen
        cells_left ^= bit
        left -= 1
    return cells_left


@lru_cache(maxsize=1)
def small_grids() -> tuple[list[str], list[np.ndarray]]:
    """The 12 grids of side 4 whose first row is 1234, and for each the sets of cells that fix it.

    A set of cells fixes a grid unless it lies within the cells where another grid agrees.
    """
    board = board_of(4)
    grids: list[str] = []

    def fill(text: str, planes: list[int]) -> None:
        if len(text) == 16:
            grids.append(text)
            return
        bit = 1 << len(text)
        for d in range(4):
            if planes[d] & bit:
                left = [p & board.keep[bit] if e == d else p & ~bit for e, p in enumerate(planes)]
                fill(text + str(d + 1), left)

    fill("", [board.full] * 4)
    first = [grid for grid in grids if grid.startswith("1234")]
    fixing = []
    for grid in first:
        shared = np.zeros((2,) * 16, dtype=bool)  # axis 15 - i: whether cell i is in the set
        for other in grids:
            if other != grid:
                agree = sum(1 << i for i in range(16) if grid[i] == other[i])
                shared.ravel()[agree] = True
        for axis in range(16):  # subsets of a shared set are shared
            lower = shared.take(0, axis) | shared.take(1, axis)
            shared = np.stack((lower, shared.take(1, axis)), axis)
        fixing.append(np.flatnonzero(~shared.ravel()))
    return first, fixing
