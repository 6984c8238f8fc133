import pytest

from gradatim.errors import ArgumentError
from gradatim.families import mazes, registry
from gradatim.families.generation import generate
from gradatim.types import Problem


def maze(*rows, shortest=None):
    meta = {"rows": list(rows)} | ({"shortest": shortest} if shortest else {})
    return Problem(id="1", prompt="", answer="", family="mazes", verifier="mazes", meta=meta)


ROUND = ("S.G", "#..", "...")


def test_by_hand():
    p = maze(*ROUND)
    for text in ("RR", "rr", "R, R", "RDRU", "[R R]", "The answer is RR.", r"\boxed{RR}"):
        assert mazes.check(p, text).solved, text
    for text, why in [
        ("RRR", "illegal move 3: R"),  # out of the maze
        ("DRR", "illegal move 1: D"),  # a wall
        ("U", "illegal move 1: U"),
        ("RRL", "not at the goal after 3 moves"),
    ]:
        assert mazes.check(p, text)[2:] == (why, "wrong"), text
    assert [s.legal for s in mazes.trace(p, "R D L")] == [True, True, False]
    for text in ("", "right, right", "R2", "x" * 50_000):
        assert mazes.check(p, text).reason == "unparsed", text


def test_a_detour_is_no_shortest_path():
    p = maze(*ROUND, shortest=2)
    assert mazes.check(p, "RR").solved
    assert mazes.check(p, "RDRU")[2:] == ("4 moves where 2 are enough", "wrong")


def test_paths_are_shortest_by_another_search():
    for p in generate("mazes.shortest", n=100, level=range(1, 11)):
        assert len(p.answer) == len(mazes.solve(p)) == p.meta["shortest"] == mazes.effort(p)
        assert p.knobs["least"] <= len(p.answer) <= p.knobs["most"]
        assert mazes.check(p, mazes.solve(p)).solved


def test_turns_and_mirrors_are_one_maze():
    rows = ["S.#", "#..", "..G"]
    turned = ["".join(column)[::-1] for column in zip(*rows, strict=True)]
    other = ["S..", "#..", "..G"]
    forms = [rows, turned, rows[::-1], [row[::-1] for row in rows]]
    assert len({mazes.canonical(form) for form in forms}) == 1
    assert mazes.canonical(other) != mazes.canonical(rows)


def paths(rows, moves):
    """Number of paths of so many moves from S to G."""
    cells = {(y, x): c for y, row in enumerate(rows) for x, c in enumerate(row) if c != "#"}
    ways = {cell: 1 for cell, mark in cells.items() if mark == "S"}
    for _ in range(moves):
        after = {}
        for (y, x), n in ways.items():
            for cell in ((y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)):
                if cell in cells:
                    after[cell] = after.get(cell, 0) + n
        ways = after
    return sum(n for cell, n in ways.items() if cells[cell] == "G")


@pytest.mark.parametrize("level", [1, 2, 3, 5, 8])
def test_the_floor_bounds_what_a_guess_gets(level):
    found = generate("mazes", n=300, level=level)
    chance = [paths(p.meta["rows"], len(p.answer)) / 4 ** len(p.answer) for p in found]
    assert sum(chance) / len(chance) <= mazes.floor(found[0].knobs)


def test_rare_lengths_are_reached():
    for p in generate("mazes", n=5, size=16, walls=8, least=30):
        assert len(p.answer) >= 30
    for p in generate("mazes", n=20, size=3, walls=8, least=4):
        assert len(p.answer) >= 4
    with pytest.raises(ArgumentError, match="corner to corner at size 3"):
        generate("mazes", n=1, size=3, least=5)
    assert "plan" not in registry.get("mazes.shortest").knobs
