from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradatim.checkers.lists import check, locate, parse
from gradatim.families import registry
from gradatim.families.generation import generate
from gradatim.types import Problem


@pytest.mark.parametrize(
    "text",
    [
        "3 1 4",
        "3,1,4",
        "3, 1, 4",
        "[3, 1, 4]",
        "(3 1 4)",
        r"\{3, 1, 4\}",
        r"\left[3,1,4\right]",
        "3; 1; 4",
        "**3 1 4**",
        "`[3,1,4]`",
        "$3, 1, 4$",
        "3 1 4.",
        "3\xa01\xa04",
    ],
)
def test_a_list_in_any_dress(text):
    assert parse(text) == [3, 1, 4]


def test_a_run_of_digits_is_a_list_only_where_digits_are_meant():
    assert parse("314") == [314]
    assert parse("314", packed=True) == [3, 1, 4]
    assert parse("3 14", packed=True) == [3, 14]
    assert parse("[314]", packed=True) == [314]


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "3 one 4", "3 of 4", "3.5", "s314=", "1,,2", "1, , 2", "1 2,  , 3", ", 1 2"),
        *("1, 2,", "3-4", "--3", "-", "- 3", "1 -", "9" * 50, "1 " + "9" * 50),
    ],
)
def test_what_is_no_list_is_none(text):
    assert parse(text) is None


def test_a_final_line_may_announce_the_list():
    assert parse("The sorted list is 3 1 4.", how="line") == [3, 1, 4]
    assert parse("Therefore [3, 1, 4] it is", how="line") == [3, 1, 4]
    assert parse("So it's 3, 1, 4.", how="line") == [3, 1, 4]
    assert parse("So it's 3, 1, 4", how="line") is None  # more may have been to come
    assert parse("The list is not [3, 1, 4].", how="line") is None
    assert parse("from [1, 3, 4] to [3, 1, 4]", how="line") is None  # which one?
    assert parse("The sorted list is 3 1 4.", how="box") is None


def test_order_and_length_count():
    problem = Problem(id="1", prompt="?", answer="3 1 4", verifier="list")
    assert check(problem, r"\boxed{3,1,4}").solved
    for wrong in ("1 3 4", "3 1", "3 1 4 1", "314"):
        assert check(problem, wrong).reason == "wrong"
    assert check(problem, "banana").reason == "unparsed"


@given(st.lists(st.integers(-(10**20), 10**20), min_size=1))
def test_every_list_survives_every_form(values):
    for text in (" ".join(map(str, values)), str(values), ",".join(map(str, values))):
        assert parse(text) == values


@given(st.text(), st.booleans(), st.sampled_from(["box", "tag", "line"]))
def test_parse_never_raises(text, packed, how):
    parse(text, packed=packed, how=how)


COLUMN = Problem(id="1", prompt="?", answer="3 1 4", verifier="list")


@pytest.mark.parametrize(
    "text",
    [
        "3\n1\n4",
        "3,\n1,\n4\n",
        "Sorted:\n3\n1\n4",
        "We need 3 numbers:\n3\n1\n4",
        "First 1, then 3.\n\n3\n1\n4",
        "```\n3\n1\n4\n```",
        "<think>9\n</think>3\n1\n4",
        "**3**\n**1**\n**4**",
    ],
)
def test_one_number_a_line_is_a_list(text):
    assert check(COLUMN, text).reason == "correct"
    assert check(replace(COLUMN, answer="4 1 3"), text).reason == "wrong"


@pytest.mark.parametrize(
    "text",
    ["3\n\n1\n\n4", "3 + 1 = 4\n3\n1\n4", "1 3\n1\n4", "1\n3\n\n3\n1\n4", "9\n\n3 1\n\n4\n1\n\n4"],
)
def test_where_the_list_begins_must_be_plain(text):
    assert check(COLUMN, text).reason == "unparsed"


def test_one_number_a_line_is_scratch_where_one_number_is_asked_for():
    assert check(replace(COLUMN, answer="4"), "3\n1\n4").solved
    assert not check(COLUMN, "4\n3 1 4\n1").solved
    assert check(COLUMN, "1 3 4\n4 3 1\n3 1 4").solved  # tries, of which the last counts


@pytest.mark.parametrize(
    ("name", "joint"),
    [
        *(("compositions", " "), ("compositions.roots", " "), ("lists.sorting", " ")),
        *(("arithmetic.chain", " "), ("n_queens", " "), ("n_queens.unsolvable", " ")),
        *(("equations.unsolvable", " "), ("subset_sum", " "), ("subset_sum.unsolvable", " ")),
        *(("knapsack", " "), ("tsp", " "), ("sequences", ", "), ("cryptarithm", "")),
        *(("graph_coloring", ""), ("arithmetic.polynomial", " ")),
    ],
)
def test_one_number_a_line_counts_in_every_family_of_lists(name, joint):
    family = registry.get(name)
    for p in generate(name, n=30, level=range(1, 11)):
        numbers = p.answer.split(joint) if joint else list(p.answer)
        if p.unsolvable or len(numbers) < 2:
            continue
        lines = "\n".join(numbers)
        for text in (lines, f"The answer:\n{lines}", f"So be it.\n\n{lines}"):
            assert family.check(p, text).reason == "correct", text
        # never judged by its last line alone
        assert family.check(p, "\n\n".join(numbers)).reason == "unparsed"
        assert family.check(p, f"1 + 1 = 2\n{lines}").reason == "unparsed"


@given(st.lists(st.integers(-99, 99), min_size=2, max_size=9), st.booleans())
def test_a_column_says_what_the_line_says(values, packed):
    if packed:
        values = [abs(value) % 10 for value in values]
    found = locate("\n".join(map(str, values)), packed=packed)
    assert parse(found.answer, packed=packed, how=found.how) == values


@given(st.text(alphabet="12 ,-\n:a`*"), st.booleans())
def test_locate_never_raises(text, packed):
    locate(text, packed=packed)
