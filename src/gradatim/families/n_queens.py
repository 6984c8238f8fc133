"""N queens: some queens stand, place the others so that no two attack each other.

All solutions of a board are known, so every instance has a completion, and how many is counted.
Any completion is right. Compact form: "q5..4..=" (row 3: column 4) -> "25413", columns row by row.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from itertools import combinations
from math import factorial
from typing import Any

import numpy as np

from gradatim.checkers.extract import UNPARSED, extract
from gradatim.checkers.lists import parse
from gradatim.errors import ArgumentError, extra
from gradatim.families.knobs import complete
from gradatim.rng import Stream
from gradatim.types import Draft, Family, Knob, Problem, Verdict

KNOBS = {
    "size": Knob("rows and columns of the board", 8, 4, 12),
    "given": Knob("queens that already stand; fewer than `size`", 3, 1, 11),
}

_SETTINGS = ((7, 4), (7, 3), (8, 4), (8, 3), (9, 3), (10, 4), (10, 3), (11, 3), (12, 3), (12, 2))
LADDER = {i: {"size": n, "given": g} for i, (n, g) in enumerate(_SETTINGS, 1)}
COUNTED = 200  # sets of rows over which `space` and `floor` are counted


@lru_cache(maxsize=16)
def _solutions(size: int) -> list[tuple[int, ...]]:
    """Every solution as the columns (from 0) of its rows, in lexicographic order."""
    full, found = (1 << size) - 1, []

    def place(columns: tuple[int, ...], straight: int, left: int, right: int) -> None:
        if straight == full:
            found.append(columns)
            return
        free = full & ~(straight | left | right)
        while free:
            bit = free & -free
            free ^= bit
            place(
                (*columns, bit.bit_length() - 1),
                straight | bit,
                (left | bit) << 1 & full,
                (right | bit) >> 1,
            )

    place((), 0, 0, 0)
    return found


@lru_cache(maxsize=16)
def _having(size: int) -> list[list[int]]:
    """[row][column]: the solutions with a queen there, as bits of one integer."""
    table = [[0] * size for _ in range(size)]
    for i, columns in enumerate(_solutions(size)):
        for row, column in enumerate(columns):
            table[row][column] |= 1 << i
    return table


def _canonical(queens: list[tuple[int, int]], size: int) -> str:
    """The least of the eight mirrored and turned forms of the queens that stand."""
    last = size - 1
    forms = []
    for swap in (False, True):
        for down in (False, True):
            for across in (False, True):
                form = [(last - r if down else r, last - c if across else c) for r, c in queens]
                forms.append(sorted((c, r) for r, c in form) if swap else form)
    return f"{size}: " + " ".join(f"{r},{c}" for r, c in min(map(sorted, forms)))


def _check_knobs(size: int, given: int) -> None:
    if given >= size:
        raise ArgumentError(
            f"`n_queens.given` must be below `n_queens.size` = {size}, got {given}: "
            "leave a queen to place"
        )


def make(stream: Stream, *, size: int, given: int) -> Draft:
    """A uniform solution with all but `given` of its queens taken away."""
    _check_knobs(size, given)
    planted = stream.choice(_solutions(size))
    rows = sorted(stream.sample(range(size), given))
    having = _having(size)
    bits = -1
    for row in rows:
        bits &= having[row][planted[row]]
    first = _solutions(size)[(bits & -bits).bit_length() - 1]
    columns = [c + 1 for c in first]
    answer = " ".join(map(str, columns))
    queens = [(row, planted[row]) for row in rows]
    shown = "\n".join(f"row {r + 1}: column {c + 1}" for r, c in queens)
    small = size <= 9
    cells = "".join(str(planted[r] + 1) if r in rows else "." for r in range(size))
    why = "\n".join(
        f"row {r + 1}: column {c}, diagonals {r + 1 + c} and {r + 1 - c}"
        for r, c in enumerate(columns)
    )
    return Draft(
        prompt=(
            f"Place {size} queens on a board of {size} rows and {size} columns, one in each row, "
            "so that no two of them stand in the same column or on the same diagonal. "
            f"These queens already stand and stay where they are:\n{shown}\n"
            f"Answer with the columns of the queens in rows 1 to {size}, in this order, as numbers "
            "separated by spaces, and nothing else."
        ),
        answer=answer,
        canonical=_canonical(queens, size),
        compact=f"q{cells}=" if small else None,
        compact_answer=answer.replace(" ", "") if small else None,
        solution=(
            "No two queens share a column, a sum (row + column) or a difference (row - column):\n"
            f"{why}\n{answer}"
        ),
        meta={
            "queens": [[r + 1, c + 1] for r, c in queens],
            "size": size,
            "completions": bits.bit_count(),
        },
    )


def _peaceful(columns: list[int], queens: list[list[int]]) -> bool:
    """Whether columns from 1 keep the given queens and no two queens attack each other."""
    n = len(columns)
    return (
        len(set(columns)) == n
        and len({c + r for r, c in enumerate(columns)}) == n
        and len({c - r for r, c in enumerate(columns)}) == n
        and all(columns[row - 1] == column for row, column in queens)
    )


def check(problem: Problem, text: str | None) -> Verdict:
    """Whether a reply completes the board; not one column 1..size per row is `unparsed`."""
    size = problem.meta["size"]
    found = extract(text)
    if found.answer is None:
        return UNPARSED
    columns = parse(found.answer, packed=size <= 9, how=found.how)
    if columns is None or len(columns) != size or not all(1 <= c <= size for c in columns):
        return UNPARSED
    right = _peaceful(columns, problem.meta["queens"])
    stated = " ".join(map(str, columns))
    return Verdict(float(right), right, stated, "correct" if right else "wrong")


def ladder(level: int) -> dict[str, Any]:
    """Knobs of a level, 1..10."""
    return dict(LADDER[level])


@lru_cache(maxsize=64)
def _counts(size: int, given: int) -> tuple[int, float]:
    """Different sets of given queens, and the mean number of completions of an instance.

    Over all sets of rows, or over 200 of them at equal steps where there are more.
    """
    _check_knobs(size, given)
    solutions = np.array(_solutions(size), dtype=np.int64)
    which = list(combinations(range(size), given))
    if len(which) > COUNTED:
        which = [which[i * len(which) // COUNTED] for i in range(COUNTED)]
    different, completions = 0, 0
    for rows in which:
        keys = solutions[:, rows] @ (size ** np.arange(given, dtype=np.int64))
        times = np.unique(keys, return_counts=True)[1]
        different += len(times)
        completions += int((times * times).sum())
    return different, completions / (len(which) * len(solutions))


def _setting(knobs: Mapping[str, Any]) -> tuple[int, int]:
    setting = complete(KNOBS, knobs)
    return setting["size"], setting["given"]


def floor(knobs: Mapping[str, Any]) -> float:
    """Chance that the free columns in random order complete the board.

    Mean number of completions over (size - given)!, exact for the mean over instances where there
    are at most 200 sets of rows, else a mean over 200 of these.

    >>> floor({"size": 4, "given": 3})
    1.0
    """
    size, given = _setting(knobs)
    return _counts(size, given)[1] / factorial(size - given)


def space(knobs: Mapping[str, Any]) -> int:
    """Lower bound on the number of instances up to mirroring and turning the board.

    The different sets of given queens (counted over at most 200 sets of rows), over 8.
    """
    return -(-_counts(*_setting(knobs))[0] // 8)


def _read(prompt: str) -> tuple[int, list[tuple[int, int]]]:
    """Size and given queens, numbered from 1, from the prompt's text."""
    size = re.search(r"of (\d+) rows", prompt)
    assert size is not None
    queens = [(int(r), int(c)) for r, c in re.findall(r"row (\d+): column (\d+)", prompt)]
    return int(size[1]), queens


def solve(problem: Problem) -> str:
    """A completion from the prompt's text alone, by CaDiCaL.

    Raises:
        MissingExtra: python-sat is not installed.
    """
    n, queens = _read(str(problem.prompt))
    solvers = extra("pysat.solvers", "sat")
    squares = [(r, c) for r in range(1, n + 1) for c in range(1, n + 1)]
    number = {square: i for i, square in enumerate(squares, 1)}
    clauses = [[number[r, c] for c in range(1, n + 1)] for r in range(1, n + 1)]
    clauses += [[number[queen]] for queen in queens]
    for a, b in combinations(squares, 2):
        rows, columns = abs(a[0] - b[0]), abs(a[1] - b[1])
        if not rows or not columns or rows == columns:
            clauses.append([-number[a], -number[b]])
    with solvers.Solver(name="cadical153", bootstrap_with=clauses) as solver:
        if not solver.solve():
            raise ArgumentError(f"`problem` {problem.id} has no completion")
        true = [squares[x - 1] for x in solver.get_model() if x > 0]
    return " ".join(str(c) for _, c in sorted(true))


def judge(problem: Problem, answer: str) -> bool:
    """Whether columns complete the board, pair by pair, read from the prompt alone."""
    size, queens = _read(str(problem.prompt))
    parts = answer.split() if " " in answer else list(answer)
    board = [(r, int(c)) for r, c in enumerate(parts, 1) if c.isdecimal()]
    if len(board) != len(parts) or len(board) != size:
        return False
    if not set(queens) <= set(board) or not all(1 <= c <= size for _, c in board):
        return False
    return all(a[1] != b[1] and abs(a[1] - b[1]) != b[0] - a[0] for a, b in combinations(board, 2))


def effort(problem: Problem) -> float:
    """Nodes of plain backtracking up to the first completion.

    Rows in order, columns ascending; a node is a queen put on a square that no queen above it and
    no given queen attacks.
    """
    size = problem.meta["size"]
    given = {r - 1: c - 1 for r, c in problem.meta["queens"]}
    board, nodes = dict(given), 0

    def free(row: int, column: int) -> bool:
        return all(c != column and abs(c - column) != abs(r - row) for r, c in board.items())

    def place(row: int) -> bool:
        nonlocal nodes
        if row == size:
            return True
        if row in given:
            return place(row + 1)
        for column in range(size):
            if free(row, column):
                nodes += 1
                board[row] = column
                if place(row + 1):
                    return True
                del board[row]
        return False

    place(0)
    return nodes


FAMILY = Family(
    name="n_queens",
    doc="a board of queens that do not attack each other, completed from some that stand",
    version="1",
    knobs=KNOBS,
    make=make,
    check=check,
    ladder=ladder,
    floor=floor,
    space=space,
    solve=solve,
    effort=effort,
    effort_unit="nodes of plain backtracking up to the first completion",
    judge=judge,
)
