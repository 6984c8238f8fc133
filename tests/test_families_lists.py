import itertools
from collections import Counter
from math import factorial, prod

import pytest

from gradatim.families import lists
from gradatim.families.generation import generate
from gradatim.rng import Stream

SMALL = [
    {"length": length, "high": high, "operation": operation}
    for length, high in [(1, 1), (2, 2), (3, 2), (4, 1), (2, 4)]
    for operation in ("sort", "reverse", "select", "any")
]


def problem(operation, **knobs):
    return generate("lists", n=1, operation=operation, **knobs)[0]


def numbers(found):
    return [int(n) for n in str(found.prompt).split("\n")[1].split()]


def test_each_operation_by_its_meaning():
    for p in generate("lists", n=60, operation="any", length=6):
        values = numbers(p)
        if p.meta["operation"] == "sort":
            right = sorted(values)
        elif p.meta["operation"] == "reverse":
            right = list(reversed(values))
        else:
            assert p.compact[0] == "k"
            right = [v for v in values if v > int(p.compact[1])]
            assert right, "a selection keeps at least one"
        assert p.answer == " ".join(map(str, right))
        assert p.compact_answer == "".join(map(str, right))
        assert p.solution.endswith("\n" + p.answer)


def test_compact_forms():
    # "s314=" -> 134, "r314=" -> 413, "k2314=" -> 34
    for operation, letter in (("sort", "s"), ("reverse", "r")):
        p = problem(operation, length=3)
        assert p.compact == letter + "".join(map(str, numbers(p))) + "="
    p = problem("select", length=3)
    assert p.compact == "k" + p.compact[1] + "".join(map(str, numbers(p))) + "="
    assert p.compact[1] in str(p.prompt).split("\n")[0]


def test_there_is_no_compact_form_above_nine():
    p = problem("sort", length=3, high=99)
    assert p.compact is None
    assert p.compact_answer is None
    assert not lists.check(p, p.answer.replace(" ", "")).solved


@pytest.mark.parametrize("knobs", SMALL, ids=str)
def test_the_space_is_enumerated_once_and_whole(knobs):
    size = lists.space(knobs)
    seen = {lists.nth(i, **knobs).canonical for i in range(size)}
    assert len(seen) == size
    drawn = {lists.make(Stream(i), **knobs).canonical for i in range(40 * size)}
    assert drawn == seen  # a miss of one element: 40 size draws, chance below 1e-6


def test_the_space_by_hand():
    assert lists.space({"length": 3, "high": 9, "operation": "sort"}) == 1000
    # pivot 0: lists over {0, 1, 2} with a number above 0: 9 - 1; pivot 1: 9 - 4
    assert lists.space({"length": 2, "high": 2, "operation": "select"}) == 8 + 5
    assert lists.space({"length": 2, "high": 2, "operation": "any"}) == 9 + 9 + 13


@pytest.mark.parametrize(("length", "high"), [(2, 1), (3, 2), (4, 3), (5, 2)])
def test_floor_of_an_order_is_the_mean_over_all_lists(length, high):
    # a list with c_v copies of v has L! / prod c_v! different orders, one of them right
    every = list(itertools.product(range(high + 1), repeat=length))
    total = sum(prod(map(factorial, Counter(x).values())) for x in every)
    want = total / factorial(length) / len(every)
    assert lists.floor({"length": length, "high": high, "operation": "sort"}) == pytest.approx(want)


@pytest.mark.parametrize("length", [1, 2, 4, 6])
def test_floor_of_a_selection_is_exact(length):
    knobs = {"length": length, "high": 3, "operation": "select"}
    for i in range(0, lists.space(knobs), 7):
        draft = lists.nth(i, **knobs)
        values, kept = draft.prompt.split("\n")[1].split(), draft.answer.split()
        masks = itertools.product([0, 1], repeat=length)
        right = sum(list(itertools.compress(values, mask)) == kept for mask in masks)
        assert right / (2**length - 1) == lists.floor(knobs)


def test_verdicts_of_replies():
    p = problem("reverse", length=3)
    a, b, c = p.answer.split()
    for text in (f"{a}, {b}, {c}", f"[{a},{b},{c}]", f"{a}{b}{c}", f"The answer is {p.answer}."):
        assert lists.check(p, text).solved
    for text in (f"{a} {b}", f"{a}{b}{c}{a}", "", "=", str(p.compact), f"{a} {b} {c} {c}"):
        assert not lists.check(p, text).solved
    assert lists.check(p, "0" * 50).reason == "wrong"
    assert lists.check(p, "s31").reason == "unparsed"
