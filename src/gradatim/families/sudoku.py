"""Sudoku of side 4, 6 or 9 with one solution, which a search of our own proves.

A random full grid is thinned clue by clue, in random order, as long as the solution stays the
only one, down to `clues` clues (or to none that can go, for few clues). For side 4 every puzzle
is known and drawn uniformly. Compact form for sides 4 and 6: "s12..34......21.4=" -> the cells.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from gradatim.checkers.extract import UNPARSED, Found, extract, last_lines, plain
from gradatim.checkers.lists import parse
from gradatim.errors import ArgumentError, extra
from gradatim.families.knobs import complete, mode
from gradatim.families.sudoku_grids import BOXES, board_of, full_grid, small_grids, thin
from gradatim.families.sudoku_techniques import hardest
from gradatim.rng import Stream
from gradatim.types import Draft, Family, Knob, Problem, Verdict

FEWEST = {4: 4, 6: 8, 9: 17}  # clues that a puzzle with one solution needs
GRIDS = {4: 12, 6: 39_168, 9: 18_383_222_420_692_992}  # full grids up to names of the digits

KNOBS = {
    "size": Knob("side of the grid", "9", choices=("4", "6", "9")),
    "clues": Knob("digits shown, or as few as leave one solution", 32, 4, 80),
}
_SETTINGS = ((4, 9), (4, 7), (6, 22), (6, 18), (6, 14), (9, 45), (9, 39), (9, 34), (9, 30), (9, 26))
LADDER = {i: {"size": str(n), "clues": clues} for i, (n, clues) in enumerate(_SETTINGS, 1)}
CLUES = {  # by level, for the modes of one size
    4: (13, 12, 11, 10, 9, 8, 7, 6, 5, 4),
    6: (28, 25, 22, 20, 18, 16, 14, 13, 12, 10),
    9: (60, 54, 49, 45, 41, 38, 35, 32, 29, 25),
}


_BETWEEN = re.compile(r"[\s,|+\[\]-]+")  # what may stand between the digits of a row


@lru_cache(maxsize=16)
def _small_sets(clues: int) -> list[tuple[str, int]]:
    """Every puzzle of side 4 with that many clues, up to names of the digits: grid and cells."""
    return [
        (grid, int(cells))
        for grid, sets in zip(*small_grids(), strict=True)
        for cells in sets
        if int(cells).bit_count() == clues
    ]


def _setting(knobs: Mapping[str, Any]) -> tuple[int, int]:
    setting = complete(KNOBS, knobs)
    size, clues = int(setting["size"]), setting["clues"]
    if not FEWEST[size] <= clues < size * size:
        raise ArgumentError(
            f"`sudoku.clues` must be in [{FEWEST[size]}, {size * size - 1}] for size {size}, "
            f"got {clues}: with fewer there is no single solution, with more nothing to fill"
        )
    return size, clues


def prompt_of(size: int, shown: str) -> tuple[str, str, str]:
    """The task, the grid and the form of the answer, each as a text."""
    high, wide = BOXES[size]
    rows = [" ".join(shown[i : i + size]) for i in range(0, len(shown), size)]
    return (
        f"Fill the empty cells (dots) of this Sudoku with digits from 1 to {size}, so that "
        f"every row, every column and every box of {high} rows by {wide} columns holds each "
        f"digit from 1 to {size} once.",
        "\n".join(rows),
        "Answer with the filled rows from top to bottom, each as digits without spaces, "
        "one space between rows, and nothing else.",
    )


def canonical(size: int, shown: str) -> str:
    """The clues with digits named in the order in which they occur."""
    seen = "".join(dict.fromkeys(shown.replace(".", "")))
    return f"{size}: {shown.translate(str.maketrans(seen, '123456789'[: len(seen)]))}"


def _draft(stream: Stream, size: int, solution: str, cells: int) -> Draft:
    shown = "".join([c if cells >> i & 1 else "." for i, c in enumerate(solution)])
    form = canonical(size, shown)
    if not stream.wants(form):
        return Draft("", "", form)
    rows = [solution[i : i + size] for i in range(0, len(solution), size)]
    answer = " ".join(rows)
    small = size < 9
    return Draft(
        prompt="\n".join(prompt_of(size, shown)),
        answer=answer,
        canonical=form,
        compact=f"s{shown}=" if small else None,
        compact_answer=solution if small else None,
        solution="The filled grid:\n" + "\n".join(rows) + f"\n{answer}",
        meta={"size": size, "clues": cells.bit_count(), "technique": hardest(size, shown)},
    )


def make(stream: Stream, *, size: str, clues: int) -> Draft:
    """One puzzle with one solution; `meta` has its clues and the hardest technique it needs."""
    side, clues = _setting({"size": size, "clues": clues})
    return _draft(stream, side, *drawn(stream, side, clues))


def drawn(stream: Stream, side: int, clues: int) -> tuple[str, int]:
    """A random full grid, and the cells that are shown."""
    if side == 4:
        sets = _small_sets(clues)
        return _named(stream, *sets[stream.below(len(sets))])
    board = board_of(side)
    grid = full_grid(stream, board)
    order = list(range(side * side))
    stream.shuffle(order)
    return "".join([str(d + 1) for d in grid]), thin(board, grid, order, clues)


def _named(stream: Stream, grid: str, cells: int) -> tuple[str, int]:
    digits = list("1234")
    stream.shuffle(digits)
    return grid.translate(str.maketrans("1234", "".join(digits))), cells


def nth_4(index: int, *, clues: int) -> Draft:
    """The index-th puzzle of side 4, its digits named by the index."""
    _setting({"size": "4", "clues": clues})
    stream = Stream("sudoku.4", clues, index)
    return _draft(stream, 4, *_named(stream, *_small_sets(clues)[index]))


def locate(text: str | None, size: int) -> Found:
    """What `extract` finds; of a grid of one row a line, at the end, all of its lines."""
    found = extract(text)
    if found.how != "line" or not isinstance(text, str) or "\n" not in text:
        return found
    rows: list[str] = []
    for line in reversed(last_lines(text)):
        row = _BETWEEN.sub("", plain(line))
        if row and (len(row) != size or row.strip("123456789"[:size])):
            break
        if row:  # else it is a line between boxes
            rows.append(row)
    return Found(" ".join(rows[::-1]), "line") if len(rows) == size else found


def check(problem: Problem, text: str | None) -> Verdict:
    """Whether a reply is the filled grid; not one digit 1..size for each cell is `unparsed`."""
    size, right = problem.meta["size"], problem.answer.replace(" ", "")
    stated = text if isinstance(text, str) else ""
    allowed = "123456789"[:size]
    if len(stated) != len(right) or stated.strip(allowed):
        found = locate(text, size)
        values = parse(found.answer, packed=True, how=found.how) if found.answer else None
        stated = "".join(map(str, values or ()))
        if len(stated) != len(right) or stated.strip(allowed):
            return UNPARSED
    solved = stated == right
    rows = " ".join(stated[i : i + size] for i in range(0, len(stated), size))
    return Verdict(float(solved), solved, rows, "correct" if solved else "wrong")


def ladder(level: int) -> dict[str, Any]:
    """Knobs of a level, 1..10."""
    return dict(LADDER[level])


def floor(knobs: Mapping[str, Any]) -> float:
    """Chance that random digits in the empty cells are right: size^-(cells - clues).

    >>> floor({"size": "4", "clues": 14})
    0.0625
    """
    size, clues = _setting(knobs)
    return float(size) ** (clues - size * size)


def space(knobs: Mapping[str, Any]) -> int:
    """Number of puzzles up to names of the digits: exact for side 4, else at least the full grids.

    Every full grid can be drawn and has a puzzle; there are 28,200,960 / 6! of side 6 and
    6,670,903,752,021,072,936,960 / 9! of side 9.
    Ref: Felgenhauer & Jarvis 2005, "Enumerating possible Sudoku grids".
    """
    size, clues = _setting(knobs)
    return len(_small_sets(clues)) if size == 4 else GRIDS[size]


def _read(prompt: str) -> tuple[int, int, list[list[int]]]:
    """Box rows, box columns and cells (0 = empty) from the prompt's text."""
    _, *rows, _ = prompt.split("\n")
    box = re.search(r"box of (\d) rows by (\d) columns", prompt)
    assert box is not None
    grid = [[0 if c == "." else int(c) for c in row.split()] for row in rows]
    return int(box[1]), int(box[2]), grid


def clauses(prompt: str) -> list[list[int]]:
    """A Sudoku's rules and clues in conjunctive normal form, from the prompt's text alone.

    Variable (row * n + column) * n + digit, from 1: that digit stands in that cell.
    """
    high, wide, grid = _read(prompt)
    n = len(grid)
    cells = [(r, c) for r in range(n) for c in range(n)]
    out = [[(r * n + c) * n + d for d in range(1, n + 1)] for r, c in cells]
    for i, (r, c) in enumerate(cells):
        for s, t in cells[i + 1 :]:
            if r == s or c == t or (r // high, c // wide) == (s // high, t // wide):
                out += [[-((r * n + c) * n + d), -((s * n + t) * n + d)] for d in range(1, n + 1)]
    return out + [[(r * n + c) * n + grid[r][c]] for r, c in cells if grid[r][c]]


def solve(problem: Problem) -> str:
    """The filled grid from the prompt's text alone, by CaDiCaL.

    Raises:
        MissingExtra: python-sat is not installed.
    """
    found = filled(str(problem.prompt))
    if found is None:
        raise ArgumentError(f"`problem` {problem.id} has no solution")
    return found


def filled(prompt: str) -> str | None:
    """A filled grid from a prompt's text alone; None where CaDiCaL proves that there is none."""
    solvers = extra("pysat.solvers", "sat")
    rules = clauses(prompt)
    n = len(_read(prompt)[2])
    with solvers.Solver(name="cadical153", bootstrap_with=rules) as solver:
        if not solver.solve():
            return None
        digits = {(x - 1) // n: (x - 1) % n + 1 for x in solver.get_model() if x > 0}
    return " ".join("".join(str(digits[r * n + c]) for c in range(n)) for r in range(n))


def effort(problem: Problem) -> float:
    """Nodes of backtracking up to the solution: a node is a digit put where it may stand.

    The empty cell with fewest such digits comes next (the first of these), digits ascending.
    """
    high, wide, grid = _read(str(problem.prompt))
    n, nodes = len(grid), 0
    groups = [[(0, r), (1, c), (2, r // high * n + c // wide)] for r in range(n) for c in range(n)]
    taken = {group: 0 for cell in groups for group in cell}
    cells = [digit for row in grid for digit in row]
    for cell, digit in enumerate(cells):
        for group in groups[cell]:
            taken[group] |= 1 << digit

    def place(empty: list[int]) -> bool:
        nonlocal nodes
        if not empty:
            return True
        used = {i: taken[a] | taken[b] | taken[c] for i in empty for a, b, c in (groups[i],)}
        cell = max(empty, key=lambda i: (used[i] & ~1).bit_count())
        rest = [i for i in empty if i != cell]
        for bit in (1 << d for d in range(1, n + 1)):
            if not used[cell] & bit:
                nodes += 1
                for group in groups[cell]:
                    taken[group] ^= bit
                if place(rest):
                    return True
                for group in groups[cell]:
                    taken[group] ^= bit
        return False

    place([i for i, digit in enumerate(cells) if not digit])
    return nodes


FAMILY = Family(
    name="sudoku",
    doc="a Sudoku of side 4, 6 or 9 with one solution",
    version="2",  # since 2 the search for full grids sees contradictions sooner
    knobs=KNOBS,
    make=make,
    check=check,
    ladder=ladder,
    floor=floor,
    space=space,
    solve=solve,
    effort=effort,
    effort_unit="nodes of backtracking, fewest digits first, up to the solution",
)


def _mode(size: int) -> Family:
    """The family at one size, with a ladder and a range of clues of its own."""
    name = str(size)
    whole = mode(FAMILY, name, f"a Sudoku of side {size} with one solution", size=name)
    clues = CLUES[size]
    knob = Knob(KNOBS["clues"].doc, clues[4], FEWEST[size], size * size - 1)
    return replace(
        whole,
        knobs={"clues": knob},
        ladder=lambda level: {"clues": clues[level - 1]},
        floor=lambda knobs: floor({"clues": clues[4], **knobs, "size": name}),
        space=lambda knobs: space({"clues": clues[4], **knobs, "size": name}),
    )


SIDE_4 = replace(_mode(4), nth=nth_4)
SIDE_6 = _mode(6)
SIDE_9 = _mode(9)
