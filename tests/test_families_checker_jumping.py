import pytest

from gradatim.errors import ArgumentError
from gradatim.families import checker_jumping as jumping
from gradatim.families.generation import generate


@pytest.mark.parametrize("n", range(1, 9))
def test_s137_the_classic_takes_n_plus_one_squared_less_one(n):
    p = generate("checker_jumping", n=1, checkers=n, setup="classic")[0]
    assert len(p.answer.split()) == jumping.effort(p) == (n + 1) ** 2 - 1
    assert jumping.check(p, p.answer).solved
    assert jumping.judge(p, p.answer)
    if n <= 5:
        assert len(jumping.solve(p).split()) == (n + 1) ** 2 - 1


def test_every_plan_has_the_length_that_the_formula_gives():
    for p in generate("checker_jumping", n=150, level=range(1, 9)):
        assert len(p.answer.split()) == len(jumping.solve(p).split()) == jumping.effort(p)


def classic():
    return generate("checker_jumping", n=1, checkers=1, setup="classic")[0]


def test_by_hand():
    p = classic()  # R _ B
    assert jumping.check(p, "1 3 2").solved
    assert jumping.check(p, "3 1 2").solved
    for text in ("acb", "1, 3, 2", "[1, 3, 2]", "The answer is 1 3 2."):
        assert jumping.check(p, text).solved, text
    for text, why in [
        ("2 1", "illegal move 1: 2"),  # the empty cell
        ("1 2", "illegal move 2: 2"),  # red to the left
        ("1 3 4", "illegal move 3: 4"),
        ("1 3 0", "illegal move 3: 0"),
        ("1 3", "not at the goal after 2 moves"),
    ]:
        assert jumping.check(p, text)[2:] == (why, "wrong"), text
    assert [s.legal for s in jumping.trace(p, "1 2 3")] == [True, False]
    for text in ("", "one three", "1.5 x", "9" * 50_000):
        assert jumping.check(p, text).reason == "unparsed", text


def test_no_jump_over_the_own_colour():
    p = generate("checker_jumping", n=1, checkers=2, setup="classic")[0]  # R R _ B B
    assert jumping.check(p, "1").answer == "illegal move 1: 1"
    assert jumping.check(p, "2 1").answer == "not at the goal after 2 moves"
    assert jumping.check(p, "5").answer == "illegal move 1: 5"
    assert jumping.check(p, "2 4").answer == "not at the goal after 2 moves"  # a jump over red


def test_the_space_is_counted():
    for n, within in [(1, range(1, 4)), (2, range(2, 5))]:
        seen = set()
        for p in generate("checker_jumping", n=1500, checkers=n, least=within[0], most=within[-1]):
            start, goal = p.meta["start"], p.meta["goal"]
            seen.add(min(start + goal, jumping._mirror(start) + jumping._mirror(goal)))
        knobs = {"checkers": n, "least": within[0], "most": within[-1]}
        # streams of one split see their share of the space
        assert 0.5 * jumping.space(knobs) < len(seen) <= jumping.space(knobs)


def test_no_level_repeats_itself():
    for level in range(1, 11):
        assert jumping.space(jumping.ladder(level)) > 15_000
        drawn = generate("checker_jumping", n=60, level=level)
        assert len({p.prompt for p in drawn}) >= 58


def test_impossible_knobs():
    with pytest.raises(ArgumentError, match="must be at most 7 with setup any"):
        generate("checker_jumping", n=1, checkers=8)
    with pytest.raises(ArgumentError, match="15, the most that 3 checkers"):
        generate("checker_jumping", n=1, checkers=3, least=16)
