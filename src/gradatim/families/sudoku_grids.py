"""Sudoku grids as sets of cells: search for full grids, and thinning that keeps one solution.

A set of cells is an integer, cell i = row * size + column its bit i. A set of candidates is one
integer, too: bit digit * size^2 + cell is set where that digit (from 0) may stand in that cell, so
that a few shifts count the candidates of all cells, or of all digits in all rows, at once.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from gradatim.rng import Stream

BOXES = {4: (2, 2), 6: (2, 3), 9: (3, 3)}  # rows and columns of a box


class Rule(NamedTuple):
    """One kind of rule: just one candidate of each group is true.

    Attributes:
        first: the first candidate of every group.
        shifts: from there to the others.
        spread: times the first ones it gives all of their groups.
    """

    first: int
    shifts: tuple[int, ...]
    spread: int


class Board(NamedTuple):
    """Geometry of one size: `own[i]` the row, column and box of cell i.

    `peers[i]`: cells that share one of these with i. `keep[c]`: all candidates but those that
    exclude candidate c. `cells`, `units`: one digit in a cell; one place in a row, column, box.
    """

    size: int
    full: int
    own: list[list[int]]
    peers: list[int]
    keep: list[int]
    every: int
    cells: Rule
    units: tuple[Rule, ...]


def _rule(first: int, shifts: list[int]) -> Rule:
    return Rule(first, tuple(shifts[1:]), sum(1 << shift for shift in shifts))


@lru_cache(maxsize=4)
def board_of(size: int) -> Board:
    """The board of a side of 4, 6 or 9."""
    (high, wide), area = BOXES[size], size * size
    groups: dict[tuple[str, int], int] = {}
    keys: list[list[tuple[str, int]]] = []
    for cell in range(area):
        row, column = divmod(cell, size)
        keys.append([
            ("row", row),
            ("column", column),
            ("box", row // high * high + column // wide),
        ])
        for key in keys[-1]:
            groups[key] = groups.get(key, 0) | 1 << cell
    own = [[groups[key] for key in mine] for mine in keys]
    full, planes = (1 << area) - 1, sum(1 << d * area for d in range(size))
    peers = [(a | b | c) & ~(1 << cell) for cell, (a, b, c) in enumerate(own)]
    keep = [
        full * planes & ~(peers[cell] << d * area | (planes ^ 1 << d * area) << cell)
        for d in range(size)
        for cell in range(area)
    ]
    box = [r * size + c for r in range(high) for c in range(wide)]
    corners = [r * size + c for r in range(0, size, high) for c in range(0, size, wide)]
    starts = [range(0, area, size), range(size), corners]
    steps = [list(range(size)), list(range(0, area, size)), box]
    units = [
        _rule(sum(1 << cell for cell in start) * planes, step)
        for start, step in zip(starts, steps, strict=True)
    ]
    cells = _rule(full, [d * area for d in range(size)])
    return Board(size, full, own, peers, keep, full * planes, cells, tuple(units))


def singles(rule: Rule, some: int) -> int:
    """Candidates that are alone in their group; -1 where a group has none."""
    first, shifts, spread = rule
    ones, twos = some, 0
    for shift in shifts:
        moved = some >> shift
        twos |= ones & moved
        ones |= moved
    if ones & first != first:
        return -1
    return some & (first & ~twos) * spread


def settle(
    board: Board, some: int, done: int, units: tuple[Rule, ...] | None = None
) -> tuple[int, int]:
    """Place all that follows by single candidates: what is left, and what is placed.

    Both are sets of candidates; what is left is -1 for a contradiction. `units`: where to look for
    digits with one place left, None for all rows, columns and boxes.
    """
    keep, cells = board.keep, board.cells
    places = board.units if units is None else units
    while True:
        new = singles(cells, some)
        if new < 0:
            return -1, done
        new &= ~done
        if not new and some != done:
            for rule in places:
                found = singles(rule, some)
                if found < 0:
                    return -1, done
                new |= found & ~done
        if not new:
            return some, done
        while new:
            bit = new & -new
            new ^= bit
            if not some & bit:  # another digit of this round stands in its way
                return -1, done
            done |= bit
            some &= keep[bit.bit_length() - 1]


def fewest(board: Board, some: int, done: int) -> int:
    """An open cell with two candidates; the first open one where there is none such."""
    ones, twos, threes = some, 0, 0
    for shift in board.cells.shifts:
        moved = some >> shift
        threes |= twos & moved
        twos |= ones & moved
        ones |= moved
    best = twos & ~threes & board.full or twos & board.full
    return best & -best


def search(board: Board, some: int, done: int = 0, stream: Stream | None = None) -> int:
    """A full grid within the candidates, as a set of those; 0 where there is none.

    Args:
        board: of one size.
        some: the candidates.
        done: those that are placed, whose row, column and box have no other of their digit.
        stream: guesses go to a cell with fewest candidates of two or more, in random order where a
            stream is given.
    """
    some, done = settle(board, some, done)
    if some == done or some < 0:
        return max(some, 0)
    cell = fewest(board, some, done)
    column = cell * board.cells.spread
    bits = [bit for d in range(board.size) if (bit := cell << d * board.size**2) & some]
    if stream is not None:
        stream.shuffle(bits)
    for bit in bits:
        solved = search(board, some & ~column | bit, done, stream)
        if solved:
            return solved
    return 0


def digits_of(board: Board, grid: int) -> list[int]:
    """A full grid as its digits, from 0."""
    area, found = board.size**2, [0] * board.size**2
    while grid:
        bit = grid & -grid
        grid ^= bit
        digit, cell = divmod(bit.bit_length() - 1, area)
        found[cell] = digit
    return found


def full_grid(stream: Stream, board: Board) -> list[int]:
    """A random full grid, as digits from 0; every grid can come.

    Boxes down the diagonal share no row or column: they are filled at random, the rest by search.
    """
    size, (high, wide) = board.size, BOXES[board.size]
    some, done = board.every, 0
    boxes = min(size // high, size // wide) if size > 4 else 1  # two of side 4 may leave nothing
    for b in range(boxes):
        digits = list(range(size))
        stream.shuffle(digits)
        for i, d in enumerate(digits):
            at = d * size**2 + (b * high + i // wide) * size + b * wide + i % wide
            some &= board.keep[at]
            done |= 1 << at
    solved = search(board, some, done, stream)
    assert solved
    return digits_of(board, solved)


def swappable(board: Board, places: list[int], at: tuple[int, int], shown: int) -> bool:
    """Whether a cell and others that are hidden may swap two digits, which is another solution.

    Args:
        board: of one size.
        places: the cells of each digit in the solution.
        at: the cell and its digit.
        shown: cells with clues.

    The cells of two digits fall into groups that share no row, column or box.
    """
    cell, digit = at
    peers, own = board.peers, places[digit]
    for other in places:
        front = peers[cell] & other
        if front & shown or other == own:
            continue
        group, pair = 1 << cell, own | other
        while front and not front & shown:
            group |= front
            near = 0
            while front:
                bit = front & -front
                front ^= bit
                near |= peers[bit.bit_length() - 1]
            front = near & pair & ~group
        if not front:
            return True
    return False


def thin(board: Board, grid: list[int], order: list[int], clues: int) -> int:
    """The cells that stay shown: clues go, in the given order, while the solution is the only one.

    Without the clue v in cell c there is another solution iff there is one with another digit in
    c. There is none where c can only hold v, or v of its unit's places only c; else we search.
    """
    size, full, peers, area = board.size, board.full, board.peers, board.size**2
    shown = [0] * size  # cells of each digit that are shown
    for cell, digit in enumerate(grid):
        shown[digit] |= 1 << cell
    whole = shown[:]
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
            if swappable(board, whole, (cell, digit), full & ~empty):
                continue
            some = done = 0
            for d in reversed(range(size)):
                known = without if d == digit else shown[d]
                open_cells = places & ~bit if d == digit else empty & ~reach[d]
                some = some << area | known | open_cells
                done = done << area | known
            if search(board, some, done):
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

    def fill(text: str, some: int) -> None:
        if len(text) == 16:
            grids.append(text)
            return
        for d in range(4):
            at = d * 16 + len(text)
            if some >> at & 1:
                fill(text + str(d + 1), some & board.keep[at])

    fill("", board.every)
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
