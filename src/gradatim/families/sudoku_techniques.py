"""Which technique of people a Sudoku needs: the hardest that it cannot do without.

Always the easiest technique that gets on is applied, so what is named was needed in that order:
a naked single is a cell with one digit left, a hidden single a digit with one place left in a row,
column or box. Pointing: all places of a digit in a box lie in one line, or the other way round, so
the rest of the line (or box) loses it. Pairs: two cells of a unit that share their only two
digits, or two digits that share their only two places. What is left after these needs a guess.
"""

from functools import lru_cache

from gradatim.families.sudoku_grids import Board, board_of, settle, singles

TECHNIQUES = ("naked single", "hidden single", "pointing", "pair", "guess")


@lru_cache(maxsize=4)
def _crossings(size: int) -> tuple[tuple[int, int, int], ...]:
    """Cells that a box shares with a line; the rest of the box; the rest of the line."""
    board = board_of(size)
    found = {}
    for row, column, box in board.own:
        for line in (row, column):
            found[box & line] = (box & line, box & ~line, line & ~box)
    return tuple(found.values())


def _pointing(board: Board, some: int) -> int:
    """Candidates that go because a digit's places in a box lie in a line, or in a line in a box."""
    gone, area = 0, board.size**2
    for d in range(board.size):
        plane = some >> d * area & board.full
        lost = 0
        for both, box, line in _crossings(board.size):
            if plane & both and (not plane & box) != (not plane & line):
                lost |= plane & (box | line)
        gone |= lost << d * area
    return gone


def _naked_pairs(board: Board, some: int) -> int:
    """Candidates that go because two cells of a unit have the same two digits and no other."""
    cells = board.cells
    ones, twos, threes = some, 0, 0
    for shift in cells.shifts:
        moved = some >> shift
        threes |= twos & moved
        twos |= ones & moved
        ones |= moved
    left, gone = twos & ~threes & board.full, 0
    by_digits: dict[int, list[int]] = {}
    while left:
        bit = left & -left
        left ^= bit
        cell = bit.bit_length() - 1
        by_digits.setdefault(some >> cell & cells.spread, []).append(cell)
    for digits, those in by_digits.items():
        for i, one in enumerate(those):
            for other in those[i + 1 :]:
                if board.peers[one] >> other & 1:
                    gone |= some & (board.peers[one] & board.peers[other]) * digits
    return gone


def _hidden_pairs(board: Board, some: int) -> int:
    """Candidates that go because two digits have the same two places of a unit and no other."""
    gone, area = 0, board.size**2
    planes = [some >> d * area & board.full for d in range(board.size)]
    for unit in {unit for own in board.own for unit in own}:
        seen: dict[int, int] = {}
        for d, plane in enumerate(planes):
            places = plane & unit
            if places.bit_count() == 2:
                if places in seen:
                    both = places << seen[places] * area | places << d * area
                    gone |= some & places * board.cells.spread & ~both
                seen[places] = d
    return gone


def hardest(size: int, clues: str) -> str:
    """The hardest technique that a puzzle with one solution needs.

    Args:
        size: of a side.
        clues: its cells row by row, a dot for an empty one.

    >>> hardest(4, "123.34122143.321")
    'naked single'
    """
    board = board_of(size)
    some, done, level = board.every, 0, 0
    for cell, mark in enumerate(clues):
        if mark != ".":
            at = (int(mark) - 1) * size**2 + cell
            some &= board.keep[at]
            done |= 1 << at
    while True:
        some, done = settle(board, some, done, ())
        if some == done or some < 0:
            return TECHNIQUES[level]
        for at, step in enumerate(_STEPS, 1):
            less = step(board, some, done)
            if less != some:
                some, level = less, max(level, at)
                break
        else:
            return TECHNIQUES[-1]


def _hidden(board: Board, some: int, done: int) -> int:
    found = 0
    for rule in board.units:
        found |= max(0, singles(rule, some)) & ~done
    while found:
        bit = found & -found
        found ^= bit
        some &= board.keep[bit.bit_length() - 1]
    return some


_STEPS = (
    _hidden,
    lambda board, some, done: some & ~_pointing(board, some),
    lambda board, some, done: some & ~(_naked_pairs(board, some) or _hidden_pairs(board, some)),
)
