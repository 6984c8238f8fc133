"""Unsolvable twins of queens: boards where queens stand in peace, but cannot all be joined."""

import re
from functools import lru_cache
from itertools import combinations
from math import factorial

from gradatim.checkers import lists
from gradatim.checkers.abstention import UNSOLVABLE
from gradatim.checkers.extract import Found
from gradatim.errors import ArgumentError
from gradatim.families.n_queens import every_solution, solutions_with
from gradatim.families.twins import Instance, Kind, family
from gradatim.rng import Stream
from gradatim.types import Knob, Problem

COUNTED = 5000  # instances after which no further set of rows is counted

Queen = tuple[int, int]  # row, column, from 0


def _moves(queens: list[Queen], size: int) -> list[tuple[int, int]]:
    """(which queen, its new column): attacked by no other, and no solution has them all."""
    having = solutions_with(size)
    found = []
    for i, (row, column) in enumerate(queens):
        bits, free = -1, set(range(size)) - {column}
        for other, taken in queens[:i] + queens[i + 1 :]:
            bits &= having[other][taken]
            free -= {taken, taken + row - other, taken - row + other}
        found += [(i, to) for to in sorted(free) if not bits & having[row][to]]
    return found


def _instance(queens: list[Queen], size: int, answer: str) -> Instance:
    body = "\n".join(f"row {row + 1}: column {column + 1}" for row, column in queens)
    return Instance(
        body, answer, {"n": size, "queens": [[row + 1, column + 1] for row, column in queens]}
    )


def _pair(stream: Stream, *, size: int, given: int) -> tuple[Instance, Instance] | None:
    """The second is part of none of all solutions; one queen stands elsewhere in the first."""
    if given > size - 2:
        raise ArgumentError(
            f"`n_queens.unsolvable.given` must be at most {size - 2} on a board of {size}, "
            f"got {given}"
        )
    planted = stream.choice(every_solution(size))
    queens = [(row, planted[row]) for row in sorted(stream.sample(range(size), given))]
    moves = _moves(queens, size)
    if not moves:
        return None
    i, column = stream.choice(moves)
    moved = [*queens[:i], (queens[i][0], column), *queens[i + 1 :]]
    answer = " ".join(str(column + 1) for column in planted)
    return _instance(queens, size, answer), _instance(moved, size, "")


def _columns(found: Found, problem: Problem) -> str | None:
    """Reads one column for each row."""
    size = problem.meta["n"]
    values = lists.parse(found.answer or "", packed=size <= 9, how=found.how)
    if values is None or len(values) != size or not all(1 <= value <= size for value in values):
        return None
    return " ".join(map(str, values))


def _right(problem: Problem, stated: str) -> bool:
    """Whether columns keep the queens that stand, and share no column and no diagonal."""
    columns = [int(word) for word in stated.split()]
    n = problem.meta["n"]
    return all(columns[row - 1] == column for row, column in problem.meta["queens"]) and all(
        len({column + slope * row for row, column in enumerate(columns)}) == n
        for slope in (-1, 0, 1)
    )


def _read(prompt: str) -> tuple[int, dict[int, int]]:
    *lines, last = prompt.split("\n")[1:]
    found = re.search(r"rows 1 to (\d+)", last)
    assert found is not None
    numbers = (re.findall(r"\d+", line) for line in lines)
    return int(found[1]), {int(row): int(column) for row, column in numbers}


def _judge(prompt: str, answer: str) -> bool:
    """Pair by pair."""
    n, queens = _read(prompt)
    columns = [int(word) for word in answer.split()]
    if len(columns) != n or not all(1 <= column <= n for column in columns):
        return False
    board = list(enumerate(columns, 1))
    return all(columns[row - 1] == column for row, column in queens.items()) and not any(
        b == d or abs(b - d) == abs(a - c) for (a, b), (c, d) in combinations(board, 2)
    )


def _solve(prompt: str) -> str:
    """Row by row: all ways to fill the rows so far that no queen attacks."""
    n, queens = _read(prompt)
    boards: list[list[int]] = [[]]
    for row in range(1, n + 1):
        squares = [queens[row]] if row in queens else range(1, n + 1)
        seen = [(at, column) for at, column in queens.items() if at > row]
        boards = [
            [*board, square]
            for board in boards
            for square in squares
            if all(
                abs(square - column) not in (0, abs(row - at))
                for at, column in (*enumerate(board, 1), *seen)
            )
        ]
    return " ".join(map(str, boards[0])) if boards else UNSOLVABLE


@lru_cache(maxsize=64)
def _counted(size: int, given: int) -> tuple[int, float]:
    """Solvable instances that have a twin, and the mean number of completions of these.

    Over the sets of rows in order until 5,000 instances are found: with more a lower bound.
    """
    instances = solutions = weighted = 0
    for rows in combinations(range(size), given):
        if instances >= COUNTED:
            break
        times: dict[tuple[int, ...], int] = {}
        for columns in every_solution(size):
            chosen = tuple(columns[row] for row in rows)
            times[chosen] = times.get(chosen, 0) + 1
        for chosen, count in times.items():
            if _moves(list(zip(rows, chosen, strict=True)), size):
                instances += 1
                solutions += count
                weighted += count * count
    return max(1, instances), weighted / max(1, solutions)


QUEENS = family(
    Kind(
        name="n_queens",
        doc="a board of peaceful queens completed, or that there is no way to",
        knobs={
            "size": Knob("rows and columns of the board", 8, 6, 12),
            "given": Knob("queens that already stand; at most `size` - 2", 3, 2, 10),
        },
        levels=tuple(
            {"size": size, "given": given}
            for size, given in (
                *((7, 4), (7, 3), (8, 4), (8, 3), (9, 4)),
                *((9, 3), (10, 4), (10, 3), (11, 4), (12, 4)),
            )
        ),
        pair=_pair,
        task=(
            "Place a queen in every row of a square board, so that no two of them stand in the "
            "same column or on the same diagonal. The queens below already stand and stay where "
            "they are."
        ),
        form=(
            "Answer with the columns of the queens in rows 1 to {n}, in this order, as numbers "
            "separated by spaces; there are {n} columns."
        ),
        read=_columns,
        locate=lambda text, problem: lists.locate(text, packed=problem.meta["n"] <= 9),
        solve=_solve,
        guess=lambda knobs: min(
            1.0,
            _counted(knobs["size"], knobs["given"])[1] / factorial(knobs["size"] - knobs["given"]),
        ),
        space=lambda knobs: _counted(knobs["size"], knobs["given"])[0],
        work=lambda knobs: float(factorial(knobs["size"] - knobs["given"])),
        unit="orders of the free columns that a full search tries",
        right=_right,
        judge=_judge,
    )
)
