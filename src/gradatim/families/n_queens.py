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

from gradatim.checkers.extract import UNPARSED
from gradatim.checkers.lists import locate, parse
from gradatim.errors import ArgumentError, extra
from gradatim.families.knobs import complete
from gradatim.rng import Stream
from gradatim.types import Draft, Family, Knob, Problem, Verdict

KNOBS = {
    "size": Knob("rows and columns of the board", 8, 4, 12),
    "given": Knob("queens that already stand; fewer than `size`", 3, 1, 11),
}

_SETTINGS = ((7, 5), (7, 4), (7, 3), (8, 3), (8, 2), (9, 2), (10, 3), (11, 3), (12, 3), (12, 2))
LADDER = {i: {"size": n, "given": g} for i, (n, g) in enumerate(_SETTINGS, 1)}
COUNTED = 200  # sets of rows over which `space` and `floor` are counted


@lru_cache(maxsize=16)
def every_solution(size: int) -> list[tuple[int, ...]]:
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
def solutions_with(size: int) -> list[list[int]]:
    """[row][column]: the solutions with a queen there, as bits of one integer."""
    table = [[0] * size for _ in range(size)]
    for i, columns in enumerate(every_solution(size)):
        for row, column in enumerate(columns):
            table[row][column] |= 1 << i
    return table


def _images(queens: list[tuple[int, int]], size: int) -> list[list[tuple[int, int]]]:
    """The queens on the eight mirrored and turned boards, rows ascending."""
    last, images = size - 1, []
    for down in (False, True):
        for across in (False, True):
            image = [(last - r if down else r, last - c if across else c) for r, c in queens]
            images += [sorted(image), sorted([(c, r) for r, c in image])]
    return images


def _canonical(queens: list[tuple[int, int]], size: int) -> str:
    """The least of the eight mirrored and turned forms of the queens that stand."""
    return f"{size}: " + " ".join(f"{r},{c}" for r, c in min(_images(queens, size)))


def _check_knobs(size: int, given: int) -> None:
    if given >= size:
        raise ArgumentError(
            f"`n_queens.given` must be below `n_queens.size` = {size}, got {given}: "
            "leave a queen to place"
        )


def make(stream: Stream, *, size: int, given: int) -> Draft:
    """A uniform solution with all but `given` of its queens taken away."""
    _check_knobs(size, given)
    planted = stream.choice(every_solution(size))
    rows = sorted(stream.sample(range(size), given))
    having = solutions_with(size)
    bits = -1
    for row in rows:
        bits &= having[row][planted[row]]
    first = every_solution(size)[(bits & -bits).bit_length() - 1]
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
    found = locate(text, packed=size <= 9)
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
    """Instances up to mirroring and turning, and the mean number of completions of an instance.

    Over all sets of rows, or over 200 of them at equal steps where there are more.
    """
    _check_knobs(size, given)
    solutions = np.array(every_solution(size), dtype=np.int64)
    which = list(combinations(range(size), given))
    if len(which) > COUNTED:
        which = [which[i * len(which) // COUNTED] for i in range(COUNTED)]
    powers = np.int64(size) ** np.arange(given, dtype=np.int64)
    forms, completions = [], 0
    for rows in which:
        codes, times = np.unique(solutions[:, rows] @ powers, return_counts=True)
        different = codes[:, None] // powers % size
        completions += int((times * times).sum())
        forms.append(_least_form(np.broadcast_to(rows, different.shape), different, size))
    return len(np.unique(np.concatenate(forms))), completions / (len(which) * len(solutions))


def _least_form(rows: np.ndarray, columns: np.ndarray, size: int) -> np.ndarray:
    """(set,) uint64, the least code among the eight images of each set of queens.

    A code is the sorted squares as a number in base size^2, modulo 2^64.
    """
    weights = np.uint64(size * size) ** np.arange(rows.shape[1], dtype=np.uint64)
    codes = []
    for r in (rows, size - 1 - rows):
        for c in (columns, size - 1 - columns):
            for squares in (r * size + c, c * size + r):
                codes.append((np.sort(squares, axis=1).astype(np.uint64) * weights).sum(axis=1))
    return np.min(codes, axis=0)


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
    """Number of instances up to mirroring and turning the board.

    Exact where there are at most 200 sets of rows; else those of 200 sets of rows.

    >>> space({"size": 4, "given": 3})  # one solution up to mirroring; its queens are alike
    1
    """
    return _counts(*_setting(knobs))[0]


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
    if len(parts) != size or not all(c.isdecimal() for c in parts):
        return False
    board = [(r, int(c)) for r, c in enumerate(parts, 1)]
    if not set(queens) <= set(board) or not all(1 <= c <= size for _, c in board):
        return False
    return all(a[1] != b[1] and abs(a[1] - b[1]) != b[0] - a[0] for a, b in combinations(board, 2))


def _nodes(board: dict[int, int], size: int) -> tuple[int, bool]:
    """Nodes searched below some queens (row -> column), and whether a completion was found."""
    left: dict[int, list[int]] = {}
    for row in range(size):
        if row not in board:
            taken = {c + s * (row - r) for r, c in board.items() for s in (-1, 0, 1)}
            left[row] = [column for column in range(size) if column not in taken]
    if not left:
        return 0, True
    row, nodes = min(left, key=lambda r: len(left[r])), 0
    for column in left[row]:
        below, found = _nodes({**board, row: column}, size)
        nodes += 1 + below
        if found:
            return nodes, True
    return nodes, False


def effort(problem: Problem) -> float:
    """Nodes of backtracking up to a completion: a node is a queen put on a square not attacked.

    The row with fewest such squares comes next (the first of these), columns ascending. Mean over
    the eight mirrored and turned boards, as the order of the squares is no part of the problem.
    """
    size = problem.meta["size"]
    queens = [(r - 1, c - 1) for r, c in problem.meta["queens"]]
    return sum(_nodes(dict(image), size)[0] for image in _images(queens, size)) / 8


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
    effort_unit="nodes of backtracking, fewest free squares first, up to a completion",
    judge=judge,
)
