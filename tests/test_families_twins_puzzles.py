"""Unsolvable puzzles: both members of a pair against other searches; nothing gives them away."""

from itertools import chain, product

import pytest
from pysat.solvers import Solver

from gradatim.errors import ArgumentError
from gradatim.families import sudoku
from gradatim.families.generation import generate
from gradatim.families.twins import pairs
from gradatim.families.verify import check


def body(problem):
    return problem.prompt.split("\n")[1:-1]


def grid(problem):
    return [[0 if c == "." else int(c) for c in row.split()] for row in body(problem)]


def solutions(problem):
    """Full grids that fit, up to two, by a SAT solver."""
    with Solver(name="cadical153", bootstrap_with=sudoku.clauses(problem.prompt)) as solver:
        count = 0
        while count < 2 and solver.solve():
            count += 1
            solver.add_clause([-x for x in solver.get_model() if x > 0])
    return count


@pytest.mark.parametrize("level", [1, 2, 3, 5, 6, 8, 10])
def test_a_sudoku_has_one_solution_and_its_twin_none(level):
    for solvable, twin in pairs("sudoku.unsolvable", n=8, level=level):
        assert (solutions(solvable), solutions(twin)) == (1, 0)
        one, two = (list(chain(*grid(p))) for p in (solvable, twin))
        changed = [(a, b) for a, b in zip(one, two, strict=True) if a != b]
        assert len(changed) == 1
        assert all(changed[0])  # a clue is another clue


def test_no_two_clues_of_a_twin_contradict_each_other():
    for _, twin in pairs("sudoku.unsolvable", n=12, level=6):
        rows = grid(twin)
        boxes = [
            [rows[r + i][c + j] for i in range(3) for j in range(3)]
            for r, c in product((0, 3, 6), repeat=2)
        ]
        for unit in (*rows, *zip(*rows, strict=True), *boxes):
            clues = [digit for digit in unit if digit]
            assert len(clues) == len(set(clues))


def test_a_sudoku_of_side_4_by_trying_all():
    for solvable, twin in pairs("sudoku.unsolvable", n=2, level=1):
        for p, right in ((solvable, 1), (twin, 0)):
            rows = grid(p)
            holes = [(r, c) for r, c in product(range(4), repeat=2) if not rows[r][c]]
            found = 0
            for digits in product(range(1, 5), repeat=len(holes)):
                for (r, c), digit in zip(holes, digits, strict=True):
                    rows[r][c] = digit
                boxes = [
                    [rows[r + i][c + j] for i in (0, 1) for j in (0, 1)]
                    for r, c in product((0, 2), repeat=2)
                ]
                units = (*rows, *zip(*rows, strict=True), *boxes)
                found += all(len(set(unit)) == 4 for unit in units)
            assert found == right


def reached(problem):
    """Cells that can be reached from S, and the cell of G."""
    rows = body(problem)
    cells = {(y, x): c for y, row in enumerate(rows) for x, c in enumerate(row) if c != "#"}
    start = next(cell for cell, mark in cells.items() if mark == "S")
    seen, stack = {start}, [start]
    while stack:
        y, x = stack.pop()
        for cell in ((y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)):
            if cell in cells and cell not in seen:
                seen.add(cell)
                stack.append(cell)
    return seen, next(cell for cell, mark in cells.items() if mark == "G")


@pytest.mark.parametrize("level", range(1, 11))
def test_a_maze_has_a_way_and_its_twin_none(level):
    for solvable, twin in pairs("mazes.unsolvable", n=20, level=level):
        seen, goal = reached(solvable)
        assert goal in seen
        assert len(solvable.answer) >= solvable.knobs["least"]
        seen, goal = reached(twin)
        assert goal not in seen
        assert len(seen) >= twin.knobs["size"]  # no start is walled in
        assert "".join(body(solvable)).count("#") == "".join(body(twin)).count("#")


def test_moves_by_hand():
    solvable, twin = pairs("mazes.unsolvable", n=1, level=4)[0]
    way = solvable.answer
    for text in (way, way.lower(), ", ".join(way), f"The answer is {way}."):
        assert check(solvable, text).solved, text
    back = {"U": "D", "D": "U", "L": "R", "R": "L"}
    assert check(solvable, f"{way[0]}{back[way[0]]}{way}").solved  # a longer way is a way
    for text in (way[:-1], way + back[way[-1]], "U" * 40):
        assert check(solvable, text).reason == "wrong", text
    assert check(twin, way).reason == "wrong"
    assert check(twin, "There is no answer.").solved
    assert check(solvable, "go right, then up").reason == "unparsed"


def test_settings_that_cannot_be():
    for name, knobs, match in (
        ("sudoku", {"size": 5}, "size` must be 4, 6 or 9, got 5"),
        ("sudoku", {"size": 4, "clues": 15}, r"clues` must be in \[4, 14\] for size 4"),
        ("mazes", {"size": 5, "least": 11}, "least` must be at most 10 at size 5"),
    ):
        with pytest.raises(ArgumentError, match=match):
            generate(f"{name}.unsolvable", n=1, **knobs)


def test_a_move_a_line_is_a_way():
    drawn = [p for p in generate("mazes.unsolvable", n=40, level=range(1, 11)) if not p.unsolvable]
    for p in drawn:
        lines = "\n".join(p.answer)
        for text in (
            lines,
            lines.lower(),
            f"```\n{lines}\n```",
            f"Moves:\n{lines}",
            f"So.\n\n{lines}",
        ):
            assert check(p, text).solved, text
        assert check(p, f"{lines}\nU\nU\nU\nU\nU\nU\nU").reason == "wrong"
        assert check(p, f"{lines}\n\nunsolvable").reason == "abstained"
        assert check(p, f"{lines}\nNo.").reason == "unparsed"
