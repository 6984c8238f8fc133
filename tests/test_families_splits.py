"""Splits: nothing of the test side can have been trained on, proved by content."""

from collections import Counter
from itertools import pairwise

import pytest
import sympy

from gradatim.errors import ArgumentError
from gradatim.families import compositions
from gradatim.families.generation import generate, split_of
from gradatim.families.splits import compose, describe, draw, explore, omega, overlap
from gradatim.families.verify import check


def instance(problem):
    """What a problem asks of what, read from its prompt: identity without ids."""
    return tuple(str(problem.prompt).split("\n")[:2])


@pytest.mark.parametrize("name", ["lists", "sat", "arithmetic", "compositions"])
def test_s008_explore_trains_low_and_tests_high(name):
    sides = draw(explore(name, a=3, b=5), n=200)
    assert {p.level for p in sides["train"]} == {1, 2, 3}
    assert {p.level for p in sides["within"]} == {1, 2, 3}
    assert {p.level for p in sides["test"]} == {6, 7, 8, 9, 10}
    trained = {p.prompt for p in sides["train"]}
    assert trained.isdisjoint(p.prompt for p in sides["test"] + sides["within"])
    assert {p.split for p in sides["test"]} == {"test"}
    for p in sides["test"][:20]:
        assert check(p, p.answer).solved


def test_s008_compose_trains_apart_and_tests_together():
    for split in omega():
        sides = draw(split, n=60)
        (joined,) = split.test
        first, second = joined.knobs["first"], joined.knobs["second"]
        assert {p.knobs["first"] for p in sides["train"]} == {first, second}
        assert {p.knobs["second"] for p in sides["train"]} == {"none"}
        assert {p.knobs["second"] for p in sides["test"]} == {second}
        assert overlap(sides["train"], sides["test"]) == 0
        for p in sides["test"]:
            asks, given = instance(p)
            step = f"{asks.split(' Then: ')[0]}: {given}"
            # the first step as a problem of its own belongs to the test side of its family
            alone = generate(compositions.FAMILY, n=0)
            assert alone == []
            assert split_of("compositions", step) == "test"
            assert check(p, p.answer).solved


def test_s008_no_first_step_of_the_test_was_trained_on_in_a_small_space():
    # 64 lists of three numbers up to 4: every one is drawn, so a leak could not hide
    options = {"length": 3, "high": 4, "first": "sort"}
    train = generate("compositions", n=2000, split="train", **options)
    trained = {instance(p)[1] for p in train}
    split = compose("chain", "sort", levels=[1])
    part = split.test[0]._replace(knobs={**options, "second": "chain"})
    sides = draw(split._replace(test=(part,)), n=40)
    tested = {instance(p)[1] for p in sides["test"]}
    assert len(trained) > 30  # all of the train side was seen
    assert trained.isdisjoint(tested)


@pytest.mark.parametrize("first", ["sort", "reverse", "differences"])
def test_the_second_skill_gets_the_first_ones_answer(first):
    for p in generate("compositions", n=30, level=range(1, 11), first=first, second="chain"):
        asks, given, _ = str(p.prompt).split("\n")
        values = [int(word) for word in given.split()]
        step = {
            "sort": sorted(values),
            "reverse": values[::-1],
            "differences": [abs(b - a) for a, b in pairwise(values)],
        }[first]
        modulus = int(asks.split("modulo ")[1].split()[0].rstrip(","))
        totals = [sum(step[: i + 1]) % modulus for i in range(len(step))]
        assert p.answer == " ".join(map(str, totals))
        assert p.solution.split("\n")[0] == " ".join(map(str, step))


def test_levels_mix_every_skill_and_every_pair():
    words = {name: name for name in compositions.SKILLS} | {
        "gcd": "common divisor",
        "chain": "modulo",
        "differences": "absolute difference",
    }
    asked = Counter()
    for p in (p for level in (1, 10) for p in generate("compositions", n=600, level=level)):
        asks = str(p.prompt).split("\n")[0].lower().split(" then: ")
        asked[tuple(next(k for k, word in words.items() if word in ask) for ask in asks)] += 1
        assert p.knobs["first"] == "any"
    singles = {(name,) for name in compositions.SKILLS}
    assert set(asked) == singles | set(compositions.PAIRS)
    # 15 kinds, 80 of each expected; five standard deviations are 43
    assert 37 <= min(asked.values()) <= max(asked.values()) <= 123


def test_any_with_a_second_skill_draws_the_pairs_that_end_in_it():
    for p in generate("compositions", n=40, second="gcd"):
        asks = str(p.prompt).split("\n")[0].split(" Then: ")
        assert "common divisor" in asks[1]
        assert "roots" in asks[0] or "difference" in asks[0]
    (p,) = generate("compositions", n=1, first="sort")
    assert str(p.prompt).startswith("Sort these numbers in ascending order.\n")
    with pytest.raises(ArgumentError, match="`second` must not be 'roots' where `first` is any"):
        generate("compositions", n=1, second="roots")
    spaces = [
        compositions.space({"first": first, "second": second, "length": 3, "high": 3})
        for first, second in compositions.MIXED
    ]
    every = compositions.space({"length": 3, "high": 3})
    assert every == sum(spaces) == 13 * 27 + 2 * 10  # numbers, and multisets of roots
    assert compositions.floor({"length": 3, "high": 3, "second": "gcd"}) == pytest.approx(1 / 6)


def test_roots_against_sympy():
    x = sympy.symbols("x")
    for p in generate("compositions.roots", n=20, level=range(1, 11)):
        coefficients = [int(word) for word in str(p.prompt).split("\n")[1].split()]
        found = sympy.roots(sympy.Poly(coefficients, x))
        expected = sorted(int(root) for root, times in found.items() for _ in range(times))
        assert p.answer == " ".join(map(str, expected))


def test_levels_of_roots_have_more_and_larger_roots():
    # level k: k + 2 roots of at most 3 k + 6
    for p in generate("compositions.roots", n=20, level=range(1, 11)):
        roots = [int(word) for word in p.answer.split()]
        assert len(roots) == p.level + 2
        assert max(roots) <= 3 * p.level + 6
    every = [p for i in range(10) for p in generate("compositions.roots", n=9, level=10, seed=i)]
    assert max(int(word) for p in every for word in p.answer.split()) == 36


def test_roots_then_gcd_worked_by_hand():
    # (x - 4)(x - 6)(x - 8) = x^3 - 18 x^2 + 104 x - 192; gcd(4, 6, 8) = 2
    assert compositions.SKILLS["roots"].do([1, -18, 104, -192], 0) == [4, 6, 8]
    assert compositions.SKILLS["roots"].do([1, -4, 4], 0) == [2, 2]
    assert compositions.SKILLS["gcd"].do([4, 6, 8], 0) == [2]


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: explore("sat", a=0), r"`a` must be a whole number in \[1, 9\], got 0"),
        (lambda: explore("sat", a=10), "`a` must be"),
        (lambda: explore("sat", a=True), "`a` must be"),
        (lambda: explore("sat", a=5, b=4), "`b` must be at least `a` = 5"),
        (lambda: explore("sta", a=5), "`family` must be one of"),
        (lambda: draw(explore("sat", a=5), n=-1), "`n` must be a whole number of at least 0"),
        (
            lambda: explore("lists", a=1, length=1, operation="sort"),
            "level 1 of lists holds 10 instances",
        ),
        (lambda: compose("sort", "sort"), "must be two skills"),
        (lambda: compose("roots", "sort"), "needs coefficients"),
        (lambda: compose("sort", "sum"), "nothing is left to do"),
        (lambda: compose("sort", "sorting"), "`first` must be one of"),
    ],
)
def test_what_is_no_split_is_refused(make, match):
    with pytest.raises(ArgumentError, match=match):
        make()


def test_sides_that_share_are_refused():
    split = explore("lists", a=3)
    leaky = split._replace(train=split.test)
    train = generate("lists", n=30, level=range(4, 11), split="train")
    assert overlap(train, train[:7]) == 7
    assert draw(leaky, n=30)["train"]  # the content hash still keeps the sides apart
    told = describe(split)
    assert told["train"] == [{"family": "lists", "levels": [1, 2, 3], "knobs": {}}]
