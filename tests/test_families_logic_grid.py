import itertools
import random
import re
import time

import pytest

from gradatim.errors import ArgumentError
from gradatim.families import logic_grid
from gradatim.families.generation import generate
from gradatim.types import Problem

# Bob sits left of Ann and next to Cal, so 1 Bob, 2 Cal, 3 Ann or 1 Cal, 2 Bob, 3 Ann; the cat in
# seat 1 is not Cal's: Bob has it and sits there; the dog's owner is next to Ann: Cal
CLUES = (
    "Bob sits somewhere to the left of Ann.",
    "Bob sits next to Cal.",
    "The person in seat 1 is the owner of the cat.",
    "Cal is not the owner of the cat.",
    "Ann sits next to the owner of the dog.",
)
BY_HAND = Problem(
    id="1",
    prompt=(
        "Ann, Bob and Cal sit in a row of seats, numbered 1 to 3 from left to right. Each has a "
        "different colour: red, blue, green. Each has a different pet: cat, dog, fish.\n"
        + "\n".join(CLUES)
        + "\nThe person who likes red sits next to the person who likes blue.\n"
        "The person who likes red sits somewhere to the left of Cal.\n"
        "Answer with the seat, colour and pet of Ann, Bob and Cal, in this order, separated by "
        "spaces, with a comma after each person but the last, and nothing else."
    ),
    answer="3 green fish, 1 red cat, 2 blue dog",
    meta={"people": 3, "attributes": 3},
)


def test_by_hand():
    for text in (
        BY_HAND.answer,
        "3 Green Fish; 1 red cat; 2 blue dog",
        "3, green, fish, 1, red, cat, 2, blue, dog",
        "Ann: 3 green fish, Bob: 1 red cat, Cal: 2 blue dog",
        rf"\boxed{{{BY_HAND.answer}}}",
        f"The answer is {BY_HAND.answer}.",
    ):
        assert logic_grid.check(BY_HAND, text).solved, text
    for text in ("3 green fish, 2 red cat, 1 blue dog", "3 green cat, 1 red cat, 2 blue dog"):
        assert logic_grid.check(BY_HAND, text).reason == "wrong", text
    for text in (
        "3 green fish, 1 red cat",
        "green 3 fish, 1 red cat, 2 blue dog",
        "3 green fish, 1 red cat, 2 blue horse",
        "4 green fish, 1 red cat, 2 blue dog",
        "Bob 3 green fish, Ann 1 red cat, Cal 2 blue dog",
        "",
        None,
        "3 green fish, " * 500,
    ):
        assert logic_grid.check(BY_HAND, text).reason == "unparsed", text
    assert logic_grid.solve(BY_HAND) == BY_HAND.answer


def test_a_clue_less_leaves_several_and_a_clash_none():
    for prompt, left in (
        (BY_HAND.prompt.replace(CLUES[4] + "\n", ""), "2"),
        (BY_HAND.prompt.replace("left of Cal", "left of Bob"), "0"),
    ):
        with pytest.raises(ArgumentError, match=f"has {left} solutions"):
            logic_grid.solve(Problem(id="2", prompt=prompt, answer=""))
    with pytest.raises(ArgumentError, match=r"no clue: 'Ann sings\.'"):
        logic_grid.solve(
            Problem(id="3", prompt=BY_HAND.prompt.replace(CLUES[1], "Ann sings."), answer="")
        )


def read(prompt):
    """Clues as functions of a world {thing: person}, from the prompt's words alone."""
    head, *lines, _ = prompt.split("\n")
    names = re.findall(r"\b[A-Z][a-z]{2}\b", head.split(" sit in")[0])
    groups = [[str(i + 1) for i in range(len(names))]]
    groups += [values.split(", ") for values in re.findall(r": ([^.]+)\.", head)]
    things = {*names, *itertools.chain(*groups)}

    def thing(words):
        (found,) = [w for w in re.findall(r"\w+", words) if w in things]
        return found

    def clue(line):
        for phrase in (" sits somewhere to the left of ", " sits next to ", " is not ", " is "):
            if phrase in line:
                left, right = map(thing, line.split(phrase))
                return phrase, left, right
        raise AssertionError(line)

    return names, groups, [clue(line) for line in lines]


def holds(clue, who, seat):
    phrase, first, second = clue
    a, b = who[first], who[second]
    if phrase == " is ":
        return a == b
    if phrase == " is not ":
        return a != b
    gap = seat[b] - seat[a]
    return gap > 0 if "left" in phrase else abs(gap) == 1


def solutions(names, groups, clues):
    """All of them, by trying every way to deal everything."""
    for dealt in itertools.product(*[itertools.permutations(group) for group in groups]):
        who = {name: i for i, name in enumerate(names)}
        who |= {value: i for group in dealt for i, value in enumerate(group)}
        seat = [int(value) for value in dealt[0]]
        if all(holds(clue, who, seat) for clue in clues):
            yield ", ".join(" ".join(values) for values in zip(*dealt, strict=True))


@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_one_solution_and_every_clue_is_needed(level):
    for p in generate("logic_grid", n=12, level=level, seed=3):
        names, groups, clues = read(p.prompt)
        assert list(solutions(names, groups, clues)) == [p.answer]
        for i in range(len(clues)):
            some = solutions(names, groups, clues[:i] + clues[i + 1 :])
            assert len(list(itertools.islice(some, 2))) == 2


@pytest.mark.parametrize("level", [5, 6])
def test_one_solution_of_thousands(level):
    for p in generate("logic_grid", n=2, level=level, seed=6):
        assert list(solutions(*read(p.prompt))) == [p.answer]


def test_indirect_clues_never_say_who_is_who():
    for p in generate("logic_grid", n=20, people=4, attributes=3, clues="indirect"):
        assert " is " not in p.prompt.replace(" is not ", " ")
    told = [p for p in generate("logic_grid", n=20, people=4) if " is the " in p.prompt]
    assert told


def test_space_by_hand():
    # three people, seats alone: 6 solutions, and for each 3 pairs of people whose seat is told
    knobs = {"people": 3, "attributes": 1}
    assert logic_grid.space({**knobs, "clues": "any"}) == 18
    assert len({p.prompt for p in generate("logic_grid", n=600, **knobs)}) >= 18
    assert logic_grid.space({**knobs, "clues": "indirect"}) == 6


def test_guessing_reaches_the_floor():
    rng, hits, n = random.Random(0), 0, 1500
    for p in generate("logic_grid", n=n, people=3, attributes=2):
        groups = [["1", "2", "3"], ["red", "blue", "green"]]
        for group in groups:
            rng.shuffle(group)
        guess = ", ".join(" ".join(values) for values in zip(*groups, strict=True))
        hits += logic_grid.check(p, guess).solved
    floor = logic_grid.floor({"people": 3, "attributes": 2})
    assert abs(hits / n - floor) < 4 * (floor * (1 - floor) / n) ** 0.5


def test_too_many_candidates_are_refused():
    with pytest.raises(
        ArgumentError, match=r"`logic_grid.attributes` must be at most 3 for 5 people"
    ):
        generate("logic_grid", n=1, people=5, attributes=4)


def test_no_item_takes_a_second():
    generate("logic_grid", n=1, people=5, attributes=3)
    for seed in range(6):
        start = time.process_time()
        generate("logic_grid", n=1, people=5, attributes=3, seed=seed)
        assert time.process_time() - start < 1
