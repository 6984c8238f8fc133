import itertools
import random

import pytest

from gradatim.errors import ArgumentError
from gradatim.families import knights
from gradatim.families.generation import generate
from gradatim.types import Problem

KIND = ("knave", "knight")
# Ann and Bob differ. Ann a knave: Bob tells the truth, so Cal is a knight and lies of Ann. So Ann
# is a knight, Bob a knave who lies: Cal is like Ann, and says so truly.
BY_HAND = Problem(
    id="1",
    prompt=(
        "Ann, Bob, Cal are knights or knaves. Knights only make true statements, knaves only make "
        "false ones.\nAnn says: Bob is a knave.\nBob says: Ann and Cal are of different kinds.\n"
        "Cal says: Ann is a knight.\n"
        "Answer with knight or knave for each of Ann, Bob, Cal, in this order, separated by "
        "spaces, and nothing else."
    ),
    answer="knight knave knight",
)


def test_by_hand():
    right = (
        "knight knave knight",
        "Knight, Knave, Knight",
        "101",
        "1 0 1",
        "[knight, knave, knight]",
    )
    for text in (*right, "The answer is knight knave knight.", r"\boxed{101}"):
        assert knights.check(BY_HAND, text).solved, text
    for text in ("knave knave knight", "111", "0 0 0", "knight knight knight"):
        assert knights.check(BY_HAND, text).reason == "wrong", text
    for text in ("knight knave", "10", "102", "1011", "knight", "Ann is one", "", None, "1 " * 900):
        assert knights.check(BY_HAND, text).reason == "unparsed", text
    assert knights.solve(BY_HAND) == BY_HAND.answer


def test_several_worlds_or_none_are_no_puzzle():
    for without, left in (("Cal says: Ann is a knight.\n", 2), ("", 0)):
        prompt = BY_HAND.prompt.replace(
            without or "Bob is a knave", "" if without else "Ann is a knave"
        )
        with pytest.raises(ArgumentError, match=f"has {left} solutions"):
            knights.solve(Problem(id="2", prompt=prompt, answer=""))


def says(statement, world, n):
    """Whether a statement of the compact form is true; written again from its description."""
    kind, about = statement[1], statement[2:]
    if kind == "e":
        return sum(world) == int(about)
    values = [world["ABCDEFGHIJKL".index(letter)] for letter in about]
    return {
        "k": values[0],
        "v": not values[0],
        "s": values[0] == values[-1],
        "d": values[0] != values[-1],
        "o": any(values),
        "n": not all(values),
    }[kind]


def worlds(statements, n):
    for world in itertools.product((False, True), repeat=n):
        if all(world["ABCDEFGHIJKL".index(s[0])] == says(s, world, n) for s in statements):
            yield world


def statements_of(short):
    """The compact form, cut where a new speaker's letter is followed by a small one."""
    found, i = [], 0
    while i < len(short):
        width = 3 if short[i + 1] in "kve" else 4
        found.append(short[i : i + width])
        i += width
    return found


@pytest.mark.parametrize("people", [3, 4, 6, 8])
def test_one_world_is_left_and_every_statement_is_needed(people):
    for p in generate("knights", n=25, people=people, seed=8):
        statements = statements_of(p.compact[2:-1])
        (world,) = worlds(statements, people)
        assert p.answer == " ".join(KIND[value] for value in world)
        assert p.compact_answer == "".join(str(int(value)) for value in world)
        for one in statements:
            assert len(list(worlds([s for s in statements if s != one], people))) > 1


def test_the_words_say_what_the_compact_form_says():
    seen = set()
    for p in generate("knights", n=80, people=5, seed=1):
        lines = p.prompt.split("\n")[1:-1]
        statements = statements_of(p.compact[2:-1])
        assert len(lines) == len(statements)
        assert knights.solve(p) == p.answer
        for line, statement in zip(lines, statements, strict=True):
            seen.add(statement[1])
            assert line.startswith(knights.NAMES["ABCDE".index(statement[0])] + " says: ")
            if statement[1] == "e":
                assert f"exactly {statement[2]} of us 5" in line
            else:
                named = [n for n in knights.NAMES if n in line.split(": ")[1]]
                assert named == [knights.NAMES["ABCDE".index(c)] for c in statement[2:]]
    assert seen == set("kvsdoen")


def test_space_of_three_people_is_counted():
    """Every set of at most three statements tried; no puzzle of three people needs five."""
    pool = [f"{s}{k}{o}" for s, k, o in itertools.product("ABC", "kv", "ABC") if s != o]
    for s in "ABC":
        pair = "".join(c for c in "ABC" if c != s)
        pool += [f"{s}{k}{pair}" for k in "sdon"] + [f"{s}e{count}" for count in range(4)]
    fits = [frozenset(worlds([s], 3)) for s in pool]
    count = 0
    for size in range(1, 5):
        for chosen in itertools.combinations(fits, size):
            if len(frozenset.intersection(*chosen)) == 1:
                rest = [chosen[:i] + chosen[i + 1 :] for i in range(size)]
                count += all(not r or len(frozenset.intersection(*r)) > 1 for r in rest)
    assert knights.space({"people": 3}) == count


def test_guessing_reaches_the_floor():
    rng, hits = random.Random(0), 0
    problems = generate("knights", n=400, people=4)
    for p in problems:
        hits += knights.check(p, " ".join(rng.choice(KIND) for _ in range(4))).solved
    assert abs(hits / 400 - knights.floor({"people": 4})) < 4 * (0.0625 * 0.9375 / 400) ** 0.5


def test_effort_by_hand():
    # root; Ann 1, 0; each with Bob 1, 0: (1, 1) and (0, 0) break Ann's word; each of the two left
    # with Cal 1, 0
    assert knights.effort(BY_HAND) == 1 + 2 + 4 + 4
