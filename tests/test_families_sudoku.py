import itertools
import random
from statistics import median

import pytest
from pysat.solvers import Solver

from gradatim.errors import ArgumentError
from gradatim.families import registry, sudoku, sudoku_grids
from gradatim.families import sudoku_techniques as techniques
from gradatim.families.generation import generate
from gradatim.rng import Stream

SETTINGS = [("4", 4), ("4", 8), ("6", 8), ("6", 14), ("9", 17), ("9", 25), ("9", 36)]


def cells(text):
    return [0 if c == "." else int(c) for c in text if c in ".123456789"]


def shown(problem):
    return cells("".join(problem.prompt.split("\n")[1:-1]))


def is_full(grid, size):
    high, wide = sudoku_grids.BOXES[size]
    rows = [grid[i : i + size] for i in range(0, size * size, size)]
    boxes = [
        [rows[r + i][c + j] for i in range(high) for j in range(wide)]
        for r in range(0, size, high)
        for c in range(0, size, wide)
    ]
    digits = list(range(1, size + 1))
    return all(sorted(unit) == digits for unit in (*rows, *zip(*rows, strict=True), *boxes))


def solutions(problem, most=2):
    """How many full grids fit the prompt, up to `most`, by a SAT solver."""
    with Solver(name="cadical153", bootstrap_with=sudoku.clauses(problem.prompt)) as solver:
        count = 0
        while count < most and solver.solve():
            count += 1
            solver.add_clause([-x for x in solver.get_model() if x > 0])
    return count


@pytest.mark.parametrize(("size", "clues"), SETTINGS)
def test_one_solution_and_it_is_the_answer(size, clues):
    side = int(size)
    for p in generate("sudoku", n=12, size=size, clues=clues):
        grid, puzzle = cells(p.answer), shown(p)
        assert is_full(grid, side)
        assert all(clue in (0, digit) for clue, digit in zip(puzzle, grid, strict=True))
        assert solutions(p) == 1
        assert sum(map(bool, puzzle)) == p.meta["clues"] >= clues


def test_a_thinned_grid_is_minimal_when_few_clues_are_asked_for():
    for p in generate("sudoku", n=4, size="9", clues=17):
        board, puzzle = p.prompt.split("\n"), shown(p)
        assert p.meta["clues"] < 32
        for i in [i for i, digit in enumerate(puzzle) if digit][::6]:
            text = "".join(str(d) if d and j != i else "." for j, d in enumerate(puzzle))
            rows = [" ".join(text[k : k + 9]) for k in range(0, 81, 9)]
            open_prompt = "\n".join([board[0], *rows, board[-1]])
            with Solver(bootstrap_with=sudoku.clauses(open_prompt)) as solver:
                assert solver.solve()
                solver.add_clause([-x for x in solver.get_model() if x > 0])
                assert solver.solve()


def test_known_numbers_of_small_grids():
    firsts, fixing = sudoku_grids.small_grids()
    assert len(firsts) == 12  # 288 grids of side 4, over 4! names of the digits
    fewest = min(int(cells).bit_count() for sets in fixing for cells in sets)
    assert fewest == 4
    # 25,728 puzzles of side 4 have 4 clues and one solution (over 4! names: 1,072)
    assert sudoku.space({"size": "4", "clues": 4}) * 24 == 25_728
    assert sudoku.space({"size": "4", "clues": 15}) == 12 * 16


def test_every_puzzle_of_side_4_once():
    space = sudoku.space({"size": "4", "clues": 4})
    drafts = [sudoku.nth_4(i, clues=4) for i in range(space)]
    assert len({draft.canonical for draft in drafts}) == space
    names = {draft.prompt.split("\n")[1:-1][0] for draft in drafts}
    assert len(names) > 50  # digits are named anew for each


def test_any_two_diagonal_boxes_of_side_6_can_be_filled_up():
    board = sudoku_grids.board_of(6)
    first = [(0, 0, 0), (0, 1, 1), (0, 2, 2), (1, 0, 3), (1, 1, 4), (1, 2, 5)]
    for order in itertools.permutations(range(6)):
        second = [(2 + i // 3, 3 + i % 3, d) for i, d in enumerate(order)]
        some, done = board.every, 0
        for row, column, digit in (*first, *second):
            at = digit * 36 + row * 6 + column
            some, done = some & board.keep[at], done | 1 << at
        assert sudoku_grids.search(board, some, done)


def test_search_says_when_there_is_no_grid():
    # 1 2 3 . in a row and a 4 below the dot: nothing can stand there
    board = sudoku_grids.board_of(4)
    some = board.every
    for cell, digit in ((0, 0), (1, 1), (2, 2), (7, 3)):
        some &= board.keep[digit * 16 + cell]
    assert not sudoku_grids.search(board, some)


def test_full_grids_vary_in_every_cell():
    board = sudoku_grids.board_of(9)
    grids = [sudoku_grids.full_grid(Stream("t", i), board) for i in range(150)]
    assert all(is_full([d + 1 for d in grid], 9) for grid in grids)
    assert all(len({grid[cell] for grid in grids}) == 9 for cell in range(81))


def test_canonical_form_forgets_the_names_of_the_digits():
    rng = random.Random(1)
    grid = sudoku_grids.full_grid(Stream("t"), sudoku_grids.board_of(4))
    forms = set()
    for _ in range(5):
        names = rng.sample("1234", 4)
        named = "".join(names[d] for d in grid)
        forms.add(sudoku._draft(Stream(), 4, named, 0b1101_0110_0011_1001).canonical)
    assert len(forms) == 1


def test_replies_in_other_dress():
    p = generate("sudoku.9", n=1, level=1)[0]
    rows = p.answer.split()
    for text in ("".join(rows), ", ".join(rows), " ".join("".join(rows)), p.answer):
        assert sudoku.check(p, text).solved
        assert sudoku.check(p, rf"So \boxed{{{text}}}").solved
    assert sudoku.check(p, "\\boxed{" + "\n".join(rows) + "}").solved
    swapped = " ".join([rows[1], rows[0], *rows[2:]])
    assert sudoku.check(p, swapped).reason == "wrong"
    for text in (
        "\n".join(rows[1:]),
        p.answer[:-1],
        p.answer.replace("1", "0"),
        "1 " * 10**6,
        rows[0],
    ):
        assert sudoku.check(p, text).reason == "unparsed"


def test_modes_have_their_own_range_of_clues():
    for name, low, high in (("sudoku.4", 4, 15), ("sudoku.6", 8, 35), ("sudoku.9", 17, 80)):
        with pytest.raises(ArgumentError, match=rf"`{name}.clues` must be .* \[{low}, {high}\]"):
            generate(name, n=1, clues=high + 1)
    with pytest.raises(ArgumentError, match=r"`sudoku.clues` must be in \[4, 15\] for size 4"):
        generate("sudoku", n=1, size="4", clues=32)


def test_effort_counts_every_empty_cell_and_rises():
    work = []
    for clues in (60, 45, 36, 26):
        found = generate("sudoku.9", n=9, clues=clues)
        nodes = [sudoku.effort(p) for p in found]
        assert min(nodes) >= 81 - max(p.meta["clues"] for p in found)
        work.append(median(nodes))
    assert work == sorted(work)
    assert work[0] == 21  # no guess is needed with 60 clues


# -- techniques ---------------------------------------------------------------------------------

UNITS = [
    *[[r * 9 + c for c in range(9)] for r in range(9)],
    *[[r * 9 + c for r in range(9)] for c in range(9)],
    *[
        [r * 9 + c for r in range(a, a + 3) for c in range(b, b + 3)]
        for a in (0, 3, 6)
        for b in (0, 3, 6)
    ],
]


def by_sets(puzzle, *, hidden):
    """Whether single candidates alone fill a grid, worked with sets of digits."""
    grid = list(puzzle)
    peers = [{j for unit in UNITS if i in unit for j in unit} for i in range(81)]
    while True:
        left = {
            i: set(range(1, 10)) - {grid[j] for j in peers[i]} for i in range(81) if not grid[i]
        }
        found = {i: min(digits) for i, digits in left.items() if len(digits) == 1}
        if not found and hidden:
            for unit, d in itertools.product(UNITS, range(1, 10)):
                places = [i for i in unit if d in left.get(i, ())]
                if len(places) == 1:
                    found[places[0]] = d
        if not found:
            return not left
        for i, d in found.items():
            grid[i] = d


def test_singles_are_called_singles():
    seen = set()
    for p in generate("sudoku.9", n=60, clues=28) + generate("sudoku.9", n=20, clues=36):
        puzzle, technique = shown(p), p.meta["technique"]
        assert by_sets(puzzle, hidden=False) == (technique == "naked single")
        assert by_sets(puzzle, hidden=True) == (technique in ("naked single", "hidden single"))
        seen.add(technique)
    assert {"naked single", "hidden single", "guess"} <= seen


def test_pointing_and_pairs_by_hand():
    board = sudoku_grids.board_of(9)

    def without(pairs):
        return board.every & ~sum(1 << (d - 1) * 81 + cell for d, cell in pairs)

    # digit 1 in the first box in its first row only: it goes from the rest of that row
    some = without([(1, cell) for cell in (9, 10, 11, 18, 19, 20)])
    gone = {divmod(i, 81) for i in range(729) if techniques._pointing(board, some) >> i & 1}
    assert gone == {(0, cell) for cell in range(3, 9)}
    # cells 0 and 1 hold 1 or 2: both go from the rest of the row and of the box
    some = without([(d, cell) for d in range(3, 10) for cell in (0, 1)])
    gone = {divmod(i, 81) for i in range(729) if techniques._naked_pairs(board, some) >> i & 1}
    rest = {2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 18, 19, 20}
    assert gone == {(d, cell) for d in (0, 1) for cell in rest}
    # 1 and 2 have no other places in the row than cells 0 and 8: those lose all other digits
    some = without([(d, cell) for d in (1, 2) for cell in range(1, 8)])
    gone = {divmod(i, 81) for i in range(729) if techniques._hidden_pairs(board, some) >> i & 1}
    assert gone == {(d, cell) for d in range(2, 9) for cell in (0, 8)}


def test_no_technique_loses_the_solution():
    board, used = sudoku_grids.board_of(9), [0] * len(techniques._STEPS)
    for p in generate("sudoku.9", n=30, clues=24):
        some, solution = board.every, 0
        for i, (clue, digit) in enumerate(zip(shown(p), cells(p.answer), strict=True)):
            solution |= 1 << (digit - 1) * 81 + i
            if clue:
                some &= board.keep[(clue - 1) * 81 + i]
        for _ in range(12):
            for i, step in enumerate(techniques._STEPS):
                after = step(board, some, 0)
                used[i] += after != some
                some = after
            assert some & solution == solution
    assert min(used) > 10


@pytest.mark.parametrize("name", ["sudoku", "sudoku.unsolvable"])
def test_a_row_a_line_is_a_grid(name):
    check = registry.get(name).check
    drawn = [p for p in generate(name, n=30, level=range(1, 11)) if not p.unsolvable]
    for p in drawn:
        rows = p.answer.split()
        spaced = [" ".join(row) for row in rows]
        half = len(rows) // 2
        boxes = [f"{row[:3]} | {row[3:]}" for row in spaced]
        ruled = [*boxes[:half], "----+----", *boxes[half:]]
        shown = p.prompt.split("\n")[1:-1]
        for lines in (rows, spaced, [f"{row}," for row in spaced], ruled):
            grid = "\n".join(lines)
            for text in (
                grid,
                f"{grid}\n",
                f"The 4 in row 1 settles it.\n\n{grid}",
                f"The filled grid:\n{grid}",
                "\n".join([*shown, "", grid]),
                f"<think>{grid}\n1 2</think>```\n{grid}\n```",
            ):
                assert check(p, text).solved, text
        for lines in (rows, spaced):
            grid = "\n".join(lines)
            assert check(p, f"\\boxed{{\n{grid}\n}}").solved
            assert check(p, f"<answer>\n{grid}\n</answer>").solved
            swapped = "\n".join([lines[1], lines[0], *lines[2:]])
            assert check(p, swapped).reason == "wrong"
            assert check(p, f"{grid}\n\n{swapped}").reason == "wrong"
            for text in (
                f"{grid}\n{grid}",  # which one?
                f"{grid}\n{swapped}",
                f"{lines[0]}\n{grid}",
                "\n".join(lines[1:]),
                "\n".join([*lines, lines[0]]),
                f"{grid}\nNo, that is wrong.",
                f"<think>{grid}",
            ):
                assert check(p, text).reason == "unparsed", text
