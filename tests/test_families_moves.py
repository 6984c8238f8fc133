"""Plans that families write themselves are read without a search, and mean the same."""

import random

import pytest

from gradatim.families import blocksworld, checker_jumping, hanoi, mazes, moves, river_crossing
from gradatim.families.generation import generate

GAMES = {
    "blocksworld": blocksworld.GAME,
    "blocksworld.mystery": blocksworld.GAME,
    "checker_jumping": checker_jumping.GAME,
    "hanoi": hanoi.GAME,
    "mazes": mazes.GAME,
    "river_crossing": river_crossing.GAME,
}


@pytest.mark.parametrize("name", GAMES)
def test_a_written_plan_reads_as_it_does_in_a_sentence(name):
    game, rng = GAMES[name], random.Random(name)
    searched = game._replace(written=None)
    for p in generate(name, n=20, level=range(1, 11)):
        plan = p.answer.split(game.joint) if game.joint else list(p.answer)
        assert game.written.fullmatch(p.answer)
        assert moves.read(game, p.answer) == plan
        assert moves.read(game, f"The answer is {p.answer}.") == plan
        for _ in range(20):
            text = list(p.answer)
            at = rng.randrange(len(text))
            text[at : at + rng.randrange(3)] = rng.choice([*p.answer, "", " ", ", ", "1", "Q", "b"])
            text = "".join(text)
            assert moves.check(game, p, text) == moves.check(searched, p, text), text


@pytest.mark.parametrize("name", GAMES)
def test_a_written_plan_has_a_greatest_length(name):
    p = generate(name, n=1)[0]
    endless = GAMES[name].joint.join([p.answer] * (moves.LONGEST // len(p.answer) + 1))
    assert moves.read(GAMES[name], endless) is None


@pytest.mark.parametrize("name", sorted(GAMES))
def test_a_move_a_line_is_a_plan(name):
    for p in generate(name, n=20, level=range(1, 11)):
        game = GAMES[name]
        plan = moves.read(game, p.answer)
        lines = "\n".join(p.answer.split(game.joint) if game.joint else p.answer)
        for text in (lines, f"```\n{lines}\n```", f"First I look.\n\n{lines}", f"Moves:\n{lines}"):
            assert moves.check(game, p, text).solved, text
            assert [step.value for step in moves.trace(game, p, text)] == plan
            ends = [text[: step.end] for step in moves.trace(game, p, text)]
            assert all(end.endswith(move) for end, move in zip(ends, plan, strict=True))
        assert moves.read(game, lines.replace("\n", ",\n")) == plan


def test_lines_of_several_moves_are_tries_of_which_the_last_counts():
    assert moves.read(hanoi.GAME, "AB AC\nAB CB") == ["AB", "CB"]
    assert moves.read(hanoi.GAME, "AB AC\nCB") == ["CB"]
    assert moves.read(hanoi.GAME, "AC\nAB\n\nCB") == ["CB"]
    assert moves.read(hanoi.GAME, "It starts with AC\nAB\nCB") == ["AB", "CB"]
    assert moves.read(hanoi.GAME, "AB\n\\boxed{CB}") == ["CB"]
