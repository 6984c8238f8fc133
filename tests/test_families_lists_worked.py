"""Compact forms, worked solutions and steps of the operations on lists."""

import random

import pytest

from gradatim.checkers.extract import Found
from gradatim.errors import ArgumentError
from gradatim.families import lists, registry
from gradatim.families import lists_operations as more
from gradatim.families.dotted import packed, unpacked
from gradatim.families.generation import generate
from gradatim.families.lists_trace import trace
from gradatim.families.lists_worked import LETTERS, WORK
from gradatim.solvers.tiny_model import CODE
from gradatim.types import Problem

EVERY = pytest.mark.parametrize("name", more.OPERATIONS)
X = [4, -7, 4, 12]
# (operation, list, divisor, compact prompt, compact answer, solution), by hand
WORKED = [
    ("sum", X, 0, "S4.m7.4.12=", "13", "4 + -7 = -3\n-3 + 4 = 1\n1 + 12 = 13\n13"),
    ("subtraction", [4, -7, 20], 0, "B4.m7.20=", "m9", "4 - -7 = 11\n11 - 20 = -9\n-9"),
    ("alternating_sum", X, 0, "K4.m7.4.12=", "3", "4 - -7 = 11\n11 + 4 = 15\n15 - 12 = 3\n3"),
    ("multiplication", [3, 5, 2], 0, "P3.5.2=", "30", "3 * 5 = 15\n15 * 2 = 30\n30"),
    ("division", [12, 8, 3], 0, "Q12.8.3=", "1d2", "12 / 8 = 3/2\n3/2 / 3 = 1/2\n1/2"),
    ("mean", [-1, -4], 0, "Mm1.m4=", "m5d2", "-1 + -4 = -5\n-5 / 2 = -5/2\n-5/2"),
    ("comparison", [4, -7, -7, 2], 0, "C4.m7.m7.2=", "gel", "4 > -7\n-7 = -7\n-7 < 2\n"),
    ("count_multiples", [9, 0, 7], 3, "V3.9.0.7=", "2", "counted = 9 0\n2"),
    ("odd_count", [2, 4], 0, "O2.4=", "0", "counted = \n0"),
    ("count_unique", X, 0, "U4.m7.4.12=", "3", "counted = 4 -7 12\n3"),
    ("count_greater_than_previous", X, 0, "G4.m7.4.12=", "2", "counted = 4 12\n2"),
    ("local_maxima_count", [1, 3, 2, 5, 1], 0, "T1.3.2.5.1=", "2", "counted = 3 5\n2"),
    ("find_maximum", X, 0, "X4.m7.4.12=", "12", "largest so far = 4 4 4 12\n12"),
    ("find_minimum", X, 0, "N4.m7.4.12=", "m7", "smallest so far = 4 -7 -7 -7\n-7"),
    ("range", X, 0, "R4.m7.4.12=", "19", "largest = 12\nsmallest = -7\n12 - -7 = 19\n19"),
    (
        *("index_of_maximum", [4, 9, 9], 0, "I4.9.9=", "2"),
        "largest so far = 4 9 9\nposition of 9 = 2\n2",
    ),
    (
        *("sum_of_max_indices", [4, 9, 9], 0, "W4.9.9=", "5"),
        "largest so far = 4 9 9\npositions of 9 = 2 3\n2 + 3 = 5\n5",
    ),
    ("median", [5, 1, 2], 0, "H5.1.2=", "2", "in ascending order = 1 2 5\n2"),
    (
        *("median", [5, 1, 2, 4], 0, "H5.1.2.4=", "3"),
        "in ascending order = 1 2 4 5\n(2 + 4) / 2 = 3\n3",
    ),
    ("second_maximum", X, 0, "Y4.m7.4.12=", "4", "in descending order = 12 4 4 -7\n4"),
    ("mode", [4, 2, 4], 0, "F4.2.4=", "4", "count of 4 = 2\ncount of 2 = 1\n4"),
    (
        *("absolute_difference", X, 0, "A4.m7.4.12=", "30"),
        "differences = 11 11 8\n11 + 11 + 8 = 30\n30",
    ),
    ("max_adjacent_difference", X, 0, "J4.m7.4.12=", "11", "differences = 11 11 8\n11"),
    (
        *("sum_of_digits", [12, 305], 0, "D12.305=", "11"),
        "sums of digits = 3 8\n3 + 8 = 11\n11",
    ),
    (
        *("longest_increasing_subsequence", [1, 9, 2, 8], 0, "L1.9.2.8=", "3"),
        "longest that end here = 1 2 2 3\n3",
    ),
]


def problem(name, values, divisor=0):
    d = more.draft(name, values, divisor)
    return Problem(id="1", **{k: v for k, v in d._asdict().items() if k != "canonical"})


def legal(name, values, text, divisor=0):
    return [(s.value, s.legal) for s in trace(problem(name, values, divisor), text)]


@pytest.mark.parametrize(("name", "values", "divisor", "compact", "answer", "solution"), WORKED)
def test_worked_by_hand(name, values, divisor, compact, answer, solution):
    p = problem(name, values, divisor)
    assert (p.compact, p.compact_answer) == (compact, answer)
    assert p.solution == (solution + p.answer if name == "comparison" else solution)
    for text in (answer, f"It must be \\boxed{{{answer}}}", f"The answer is {answer}."):
        assert lists.check(p, text).solved, text
    assert not lists.check(p, compact).solved


@EVERY
def test_every_operation_has_all_three_within_the_alphabet_of_the_tiny_policy(name):
    family = registry.get({"sort": "lists.sorting"}.get(name, f"lists.{name}"))
    for p in generate(family, n=20, level=range(1, 11), seed=3):
        assert set(p.compact + p.compact_answer) <= set(CODE)
        assert p.compact[0] == LETTERS[name]
        assert p.solution.endswith(f"\n{p.answer}")
        right = [s.legal for s in family.trace(p, p.solution)]
        assert right
        assert all(right), p.solution
        plain, compact = ([s[1:] for s in family.trace(p, t)] for t in (p.answer, p.compact_answer))
        assert plain == compact
        assert all(step[2] for step in plain)


def test_letters_tell_operations_apart():
    assert set(LETTERS) == set(WORK) == set(more.OPERATIONS)
    assert len(set(LETTERS.values())) == len(LETTERS)
    assert not set(LETTERS.values()) & set("srk")  # of the three in `lists`


@EVERY
def test_solutions_hold_on_lists_with_many_ties(name):
    draw = random.Random(8)
    for length in (2, 3, 4, 7):
        low, size = more.bounds(name, 3)
        for _ in range(25):
            p = problem(name, [low + draw.randrange(size) for _ in range(length)], 2)
            assert lists.check(p, p.solution).solved
            assert all(s.legal for s in trace(p, p.solution)), p.solution


def test_an_error_counts_once_among_the_steps():
    # 4 - 7 = -3, not -2; what follows is right from there, and so is the answer to that
    text = "4 + -7 = -2\n-2 + 4 = 2\n2 + 12 = 14\n14"
    assert legal("sum", X, text) == [("-2", False), ("2", True), ("14", True), ("14", True)]
    said = [("4", True), ("9", False), ("9", True), ("12", True), ("12", True)]
    assert legal("find_maximum", X, "so far = 4 9 9 12\n12") == said
    assert legal("mean", [1, 2], "1 + 2 = 5\n5 / 2 = 2.5\n5/2")[1:] == [("5/2", True)] * 2
    assert legal("count_unique", X, "counted = 4 -7 4\n3")[-2:] == [("4", False), ("3", True)]
    assert legal("range", X, "largest = 12\nsmallest = -8\n12 - -8 = 20\n20") == [
        *(("12", True), ("-8", False), ("20", True), ("20", True))
    ]


def test_an_answer_alone_or_after_part_of_the_working_must_be_right():
    assert legal("sum", X, "13") == [("13", True)]
    assert legal("sum", X, "The sum is 14.") == [("14", False)]
    assert legal("sum", X, "4 + -7 = -3\n13") == [("-3", True), ("13", True)]
    assert legal("sum", X, "4 + -7 = -3\n-3 + 4 = 1\n1 + 12 =") == [("-3", True), ("1", True)]
    assert legal("sum", X, "4 - 7 + 4 + 12 = 13") == [("13", True)]
    for text in ("", "no idea", "=", "\\boxed{", "<think>4", "= " * 1000, "=1/0", "9" * 10_000):
        assert legal("sum", X, text) == [], text[:20]


def test_ends_and_states():
    p = problem("sum", X)
    text = "4 + −7 = −3\n−3 + 4 = 1 so far\n1 + 12 = 13\n**13**"
    steps = list(trace(p, text))
    assert [text[: s.end].split()[-1] for s in steps] == ["−3", "1", "13", "**13**"]
    assert [s.state for s in steps] == [s.state for s in trace(p, p.solution)]
    assert steps[2].state != steps[3].state  # the total, and the answer
    assert len({s.state for s in trace(problem("find_maximum", [5, 5, 5]), "= 5 5 5")}) == 3


def whole(operation, text, **knobs):
    p = generate("lists", n=1, operation=operation, **knobs)[0]
    return [(s.value, s.legal) for s in lists.FAMILY.trace(p, text.format(p.answer))], p


def test_lists_continue_place_by_place_and_sorted_ones_with_the_least_number_left():
    p = Problem(
        id="1",
        prompt="Sort these numbers in ascending order:\n3 1 4\nAnswer",
        answer="1 3 4",
        compact_answer="134",
        meta={"operation": "sort"},
    )
    said = {
        "1 3 4": [True] * 3,
        "134": [True] * 3,
        "[1, 3, 4]": [True] * 3,
        "1 4 3": [True, False, True],
        "1 2 4": [True, False, True],
        "3 4 1 0": [False, False, True],
        "1": [True],
        "x": [],
    }
    assert {t: [s.legal for s in lists.FAMILY.trace(p, t)] for t in said} == said
    for operation in ("sort", "reverse", "select"):
        steps, p = whole(operation, "So it is: {}", high=99)
        assert steps == [(number, True) for number in p.answer.split()]
    right = [("greater", True), ("less", False)]
    assert legal("comparison", [3, 2, 2], "gl") == right
    assert legal("comparison", [3, 2, 2], "Greater, then less.") == right
    with pytest.raises(ArgumentError, match="9 is not a lists problem"):
        list(trace(Problem(id="9", prompt="?", answer="1", meta={"operation": "sum"}), "1"))


def test_dotted_numbers():
    assert packed("1, -2, 3/4") == "1.m2.3d4"
    for text in ("1.m2.3d4", "**1.m2.3d4**", "The answer is 1.m2.3d4."):
        assert unpacked(Found(text, "line"), 3) == ["1", "-2", "3/4"], text
    for text in ("1.m2", "1.m2.3d4.5", "1..3", "1.2m.3", "1.-2.3", "a b", "", "1." * 90_000, None):
        assert unpacked(Found(text, "line"), 3) is None, str(text)[:20]
    assert unpacked(Found("The answer is m5.", "box"), 1) is None


def test_compact_forms_are_no_second_way_to_be_right():
    p = problem("mean", [1, 2])
    assert lists.check(p, "3d2").solved
    for text in ("m3d2", "2d3", "3.2", "3d2.0", "3d", "d2"):
        assert not lists.check(p, text).solved, text
    p = problem("comparison", [1, 2, 2])
    assert lists.check(p, "le").solved
    assert lists.check(p, "el").reason == "wrong"
    for text in ("l e q", "less e", "leg?", "l", "lee"):
        assert not lists.check(p, text).solved, text
    assert lists.check(problem("sum", [7, 8]), "015").solved  # a number, not digits of a list
