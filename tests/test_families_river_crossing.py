from itertools import combinations

import pytest

from gradatim.errors import ArgumentError
from gradatim.families import river_crossing as river
from gradatim.families.generation import generate

FEWEST = {(2, 2): 5, (3, 2): 11, (2, 3): 3, (3, 3): 5, (4, 3): 9, (5, 3): 11}
FEWEST |= {(2, 4): 1, (3, 4): 3, (4, 4): 5, (5, 4): 7, (6, 4): 9, (7, 4): 11}


@pytest.mark.parametrize(("pairs", "boat"), FEWEST)
def test_s137_fewest_crossings_of_the_classic(pairs, boat):
    p = generate("river_crossing", n=1, pairs=pairs, boat=boat, setup="classic")[0]
    assert len(p.answer.split()) == river.effort(p) == FEWEST[pairs, boat]
    assert river.check(p, p.answer).solved
    assert river.judge(p, p.answer)


@pytest.mark.parametrize(("pairs", "boat"), [(4, 2), (5, 2), (7, 2), (6, 3), (7, 3)])
def test_settings_without_a_plan_are_refused(pairs, boat):
    with pytest.raises(ArgumentError, match="no plan exists"):
        generate("river_crossing", n=1, pairs=pairs, boat=boat)
    start = river._everyone(pairs), 0  # and there is none, by searching all that can be reached
    assert (0, 1) not in river._searched(pairs, boat, start).steps


def test_the_rule_by_trying_all_groups():
    for size in range(5):
        for letters in combinations("abAB", size):
            group = sum(river._BITS[c] for c in letters)
            stranger = any(
                actor in letters and actor.upper() not in letters and set(letters) & set("AB")
                for actor in "ab"
            )
            assert river._safe(group) == (not stranger)


def test_by_hand():
    p = generate("river_crossing", n=1, pairs=2, setup="classic")[0]
    assert p.compact == "c2lllllrrrrr="
    for text in ("ab a AB A aA", "ab, a, AB, A, aA", "ab.a.AB.A.aA", "The answer is ba a AB A Aa."):
        assert river.check(p, text).solved, text
    for text, why in [
        ("aB", "illegal move 1: aB"),  # a with B in the boat
        ("A", "illegal move 1: A"),  # a is left with B
        ("ab aa", "illegal move 2: aa"),
        ("ab A", "illegal move 2: A"),  # not there
        ("ab abA", "illegal move 2: abA"),  # too many
        ("ab a", "not at the goal after 2 moves"),
        ("ab c", "illegal move 2: c"),  # nobody of that name
    ]:
        assert river.check(p, text)[2:] == (why, "wrong"), text
    assert [s.legal for s in river.trace(p, "ab A aA")] == [True, False]
    for text in ("", "two cross", "ab-z", "\x00"):
        assert river.check(p, text).reason == "unparsed", text


def test_plans_are_shortest_and_any_plan_passes():
    for p in generate("river_crossing", n=40, level=range(1, 7)):
        assert len(p.answer.split()) == river.effort(p)
        other = river.solve(p)
        assert river.check(p, other).solved
        assert river.judge(p, other)
        first = p.answer.split()[0]  # there and back changes nothing
        assert river.check(p, f"{first} {first} {p.answer}").solved


def test_impossible_knobs():
    with pytest.raises(ArgumentError, match="and 13, the most that 3 pairs"):
        generate("river_crossing", n=1, pairs=3, boat=2, least=14)
