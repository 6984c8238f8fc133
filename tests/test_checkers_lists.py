import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradatim.checkers.lists import check, parse
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
