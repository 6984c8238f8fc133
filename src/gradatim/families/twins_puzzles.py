"""Unsolvable twins of puzzles: Sudokus with a clue that cannot be, mazes whose one door is shut."""

import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from gradatim.checkers.abstention import UNSOLVABLE
from gradatim.checkers.extract import Found, announced, plain
from gradatim.checkers.lists import parse
from gradatim.errors import ArgumentError
from gradatim.families import mazes, moves, sudoku
from gradatim.families.sudoku_grids import BOXES, board_of, search
from gradatim.families.twins import Instance, Kind, Member, family
from gradatim.rng import Stream
from gradatim.types import Knob, Problem

# -- Sudoku -------------------------------------------------------------------------------------


def _setting(size: int, clues: int) -> None:
    if size not in BOXES:
        raise ArgumentError(f"`sudoku.unsolvable.size` must be 4, 6 or 9, got {size}")
    low, high = sudoku.FEWEST[size], size * size - 2
    if not low <= clues <= high:
        raise ArgumentError(
            f"`sudoku.unsolvable.clues` must be in [{low}, {high}] for size {size}, got {clues}"
        )


def _changes(stream: Stream, size: int, shown: str) -> Iterator[str]:
    """Puzzles with one clue changed to a digit that its row, column and box do not show."""
    peers = board_of(size).peers
    given = [cell for cell, mark in enumerate(shown) if mark != "."]
    for cell in stream.sample(given, len(given)):
        seen = {shown[i] for i in given if peers[cell] >> i & 1}
        others = [d for d in "123456789"[:size] if d not in seen and d != shown[cell]]
        for digit in stream.sample(others, len(others)):
            yield f"{shown[:cell]}{digit}{shown[cell + 1 :]}"


def _fillable(size: int, shown: str) -> bool:
    """Whether a full grid has these clues: the search ends without one where none has."""
    board = board_of(size)
    some, done = board.every, 0
    for cell, mark in enumerate(shown):
        if mark != ".":
            at = (int(mark) - 1) * size**2 + cell
            some &= board.keep[at]
            done |= 1 << at
    return bool(search(board, some, done))


def _sudoku_instance(size: int, shown: str, solution: str) -> Instance:
    rows = [solution[i : i + size] for i in range(0, len(solution), size)]
    high, wide = BOXES[size]
    return Instance(
        sudoku.prompt_of(size, shown)[1],
        " ".join(rows),
        {"size": size, "high": high, "wide": wide},
        sudoku.canonical(size, shown),
    )


def _sudoku_pair(stream: Stream, *, size: int, clues: int) -> tuple[Instance, Instance] | None:
    """One has one solution; in the other one clue is changed, and no full grid has its clues."""
    solution, cells = sudoku.drawn(stream, size, clues)
    shown = "".join([c if cells >> i & 1 else "." for i, c in enumerate(solution)])
    for changed in _changes(stream, size, shown):
        if not _fillable(size, changed):
            return _sudoku_instance(size, shown, solution), _sudoku_instance(size, changed, "")
    return None


def _sudoku_read(found: Found, problem: Problem) -> str | None:
    size = problem.meta["size"]
    values = parse(found.answer, packed=True, how=found.how) if found.answer else None
    stated = "".join(map(str, values or ()))
    if len(stated) != size * size or stated.strip("123456789"[:size]):
        return None
    return " ".join(stated[i : i + size] for i in range(0, len(stated), size))


def _sudoku_guess(knobs: Mapping[str, Any]) -> float:
    return float(knobs["size"]) ** (knobs["clues"] - knobs["size"] ** 2)


def _sudoku_space(knobs: Mapping[str, Any]) -> int:
    _setting(knobs["size"], knobs["clues"])
    return sudoku.space({"size": str(knobs["size"]), "clues": knobs["clues"]})


_SUDOKUS = ((4, 9), (4, 7), (6, 22), (6, 18), (6, 14), (9, 45), (9, 39), (9, 34), (9, 30), (9, 26))
SUDOKU = family(
    Kind(
        name="sudoku",
        doc="a Sudoku with one solution, or with none",
        knobs={
            "size": Knob("side of the grid: 4, 6 or 9", 9, 4, 9),
            "clues": Knob("digits shown, or as few as leave one solution", 32, 4, 79),
        },
        levels=tuple({"size": size, "clues": clues} for size, clues in _SUDOKUS),
        pair=_sudoku_pair,
        task="Fill the empty cells (dots) of this Sudoku; the digits that are shown stay.",
        form=(
            "Every row, every column and every box of {high} rows by {wide} columns must hold each "
            "digit from 1 to {size} once. Answer with the filled rows from top to bottom, each as "
            "digits without spaces, one space between rows."
        ),
        read=_sudoku_read,
        locate=lambda text, problem: sudoku.locate(text, problem.meta["size"]),
        solve=lambda prompt: sudoku.filled(prompt) or UNSOLVABLE,
        guess=_sudoku_guess,
        space=_sudoku_space,
        work=lambda knobs: knobs["size"] ** 2 - knobs["clues"],
        unit="cells to fill",
    )
)


# -- mazes --------------------------------------------------------------------------------------

WALLS = 7  # of sixteen cells: few enough for long ways, enough to cut a maze in two
_SEPARATORS = re.compile(r"[\s,]+")


def _flood(board: int, start: int, wide: int) -> int:
    board &= ~start
    part = front = start
    while front:
        front = (front << 1 | front >> 1 | front << wide | front >> wide) & board
        board ^= front
        part |= front
    return part


def _parts(stream: Stream, board: int, size: int) -> list[int]:
    """Two parts without a way between them, each of as many cells as a row at least; or fewer."""
    parts: list[int] = []
    while len(parts) < 2 and board.bit_count() >= size:
        part = _flood(board, mazes.pick(stream, board), size + 1)
        board ^= part
        if part.bit_count() >= size:
            parts.append(part)
    return parts


def _each(stream: Stream, cells: int) -> Iterator[int]:
    """Cells in random order."""
    while cells:
        cell = mazes.pick(stream, cells)
        cells ^= cell
        yield cell


def _beside(cells: int, wide: int) -> int:
    return cells << 1 | cells >> 1 | cells << wide | cells >> wide


def _ends(stream: Stream, layers: list[int], sides: tuple[int, int], least: int) -> tuple[int, int]:
    """A start and a goal on the two sides of a door, so many moves apart at least; or 0, 0."""
    start = mazes.pick(stream, sides[0])
    away = next(i for i, layer in enumerate(layers) if layer & start)
    goals = sum(layers[max(1, least - away) :]) & sides[1]
    return (start, mazes.pick(stream, goals)) if goals else (0, 0)


def _maze_instance(board: int, ends: tuple[int, int], size: int) -> Instance:
    """An instance; the answer is a shortest way where there is one."""
    rows = mazes.rows_of(board, *ends, size)

    def write() -> Instance:
        layers = mazes.layers_of(board, ends[0], size + 1)
        at = next((i for i, layer in enumerate(layers) if layer & ends[1]), 0)
        answer = mazes.path_of(layers[: at + 1], ends[1], size + 1) if at else ""
        return Instance("\n".join(rows), answer, {"rows": rows})

    return Instance("", "", {}, mazes.canonical(rows), write)


def _maze_pair(stream: Stream, *, size: int, least: int) -> tuple[Member, Member] | None:
    """A door between two parts of a maze is open, or shut and another cell of its row open."""
    wide = size + 1
    board = mazes.random_cells(stream, size, WALLS)
    parts = _parts(stream, board, size)
    if len(parts) < 2:
        return None
    here, there = parts
    doors = mazes.inside(size) & ~board & _beside(here, wide) & _beside(there, wide)
    if not doors:
        return None
    door = mazes.pick(stream, doors)
    ends = _ends(stream, mazes.layers_of(board | door, door, wide), (here, there), least)
    row = (1 << size) - 1 << (door.bit_length() - 1) // wide * wide
    for cell in _each(stream, board & row & ~(ends[0] | ends[1])) if ends[0] else ():
        other = board & ~cell | door
        if _flood(other, ends[0], wide) & ends[1]:
            return (
                partial(_maze_instance, other, ends, size),
                partial(_maze_instance, board, ends, size),
            )
    return None


def _maze_read(found: Found, problem: Problem) -> str | None:
    told = announced(found.answer or "") if found.how == "line" else None
    for part in (found.answer, told):
        stated = _SEPARATORS.sub("", plain(part or "")).upper()
        if stated and not stated.strip("UDLR"):
            return stated
    return None


def _maze_right(problem: Problem, stated: str) -> bool:
    """Whether the moves, one by one, end in the goal."""
    state: Any = mazes.GAME.start(problem)
    for move in stated:
        state = mazes.GAME.step(state, move)
        if state is None:
            return False
    return mazes.GAME.done(problem, state)


def _maze_space(knobs: Mapping[str, Any]) -> int:
    """S at the top of an open first column, G at the top of an open third one, walls between.

    With or without a door at the foot of the second column, and the cell beyond the door's
    neighbour open: the rest is free, and at most eight mazes are the same.
    """
    size, least = knobs["size"], knobs["least"]
    if least > 2 * size:
        raise ArgumentError(
            f"`mazes.unsolvable.least` must be at most {2 * size} at size {size}, got {least}"
        )
    return 2 ** (size * (size - 3) - 1) // 8


_LEAST = (3, 4, 5, 6, 8, 10, 12, 14, 16, 18)
MAZES = family(
    Kind(
        name="mazes",
        doc="a way through a grid maze, or that there is none",
        knobs={
            "size": Knob("rows, and columns", 8, 5, 16),
            "least": Knob("fewest moves from start to goal, were all doors open", 6, 1, 30),
        },
        levels=tuple({"size": 5 + i, "least": least} for i, least in enumerate(_LEAST)),
        pair=_maze_pair,
        task="A maze: # is a wall, . is open, S is the start, G is the goal.",
        form=(
            "A move goes to the next cell: U up, D down, L left, R right. Walls cannot be entered, "
            "nor the maze be left. Answer with the moves from S to G in order, as letters without "
            "spaces such as RRD."
        ),
        read=_maze_read,
        locate=lambda text, problem: moves.locate(mazes.GAME, text),
        solve=lambda prompt: mazes.way(prompt) or UNSOLVABLE,
        guess=lambda knobs: mazes.floor({"least": knobs["least"]}),
        space=_maze_space,
        work=lambda knobs: knobs["size"] ** 2,
        unit="cells that a full search looks at",
        right=_maze_right,
        judge=mazes.walks,
    )
)
