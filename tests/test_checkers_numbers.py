from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradatim.checkers.numbers import check, parse, parse_line
from gradatim.types import Problem


def problem(answer, **meta):
    return Problem(id="1", prompt="How much?", answer=answer, verifier="number", meta=meta)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("72", 72),
        ("72.", 72),
        ("+5", 5),
        ("-5", -5),
        ("−5", -5),  # a minus sign, not a hyphen
        ("1,234,567.50", Fraction(2469135, 2)),
        ("10\u202f000", 10_000),
        ("１２", 12),
        (".5", Fraction(1, 2)),
        ("1e3", 1000),
        (r"2.5 \times 10^{3}", 2500),
        ("3/4", Fraction(3, 4)),
        ("-3 / 4", Fraction(-3, 4)),
        ("½", Fraction(1, 2)),
        ("1 1/2", Fraction(3, 2)),
        ("-1 1/2", Fraction(-3, 2)),
        (r"\frac{3}{4}", Fraction(3, 4)),
        (r"-\dfrac12", Fraction(-1, 2)),
        ("$72", 72),
        (r"\$1,000", 1000),
        (r"90^\circ", 90),
        ("72 dollars", 72),
        (r"72\text{ km}", 72),
        ("x = 5", 5),
        ("**5**", 5),
        ("$5$", 5),
    ],
)
def test_a_number_in_any_dress(text, value):
    assert parse(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "$",
        "banana",
        "12 + 7",
        "1,23",
        "1.2.3",
        "1/0",
        r"\frac{1}{0}",
        "5²",
        "5y",
        "5 pi",
        "5 million",
        "5%",  # 5 or 0.05?
        "5 percent",
        "５％",
        r"5\%",
        "5!",
        "1_000",
        "0x10",
        "1e9999",
        "9" * 401,
        "5 or 6",
        "5, 6",
        "\x00",
        "nan",
    ],
)
def test_what_is_not_one_number_is_none(text):
    assert parse(text) is None


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("The answer is 72.", 72),
        ("**Answer:** $1,050.00", 1050),
        ("She makes $18 every day at the market.", 18),
        ("12 + 7 = 19", 19),
        ("So the answer is 3 * 4 = 12 dollars.", 12),
        ("#### 18", 18),
        ("It is not small, it is 18.", 18),
        ("The number of melons that are not ready is 84 - 66 = 18", 18),
        ("The number of melons that are not ready is 18.", 18),
        ("Ann has 18 more than Bob.", 18),
        ("I was not sure. She makes $18.", 18),
        ("If we leave at noon, the answer is 18.", 18),
        ("If x = 2 then the answer is 18.", 18),
        (r"Therefore the answer is $\frac{1}{2}$.", Fraction(1, 2)),
    ],
)
def test_a_final_line_can_state_its_number(line, value):
    assert parse_line(line) == value


@pytest.mark.parametrize(
    "line",
    [
        "12 + 7",  # cut calculations: 7 is an operand, whatever the answer is
        "Then she adds 7",
        "The total is 12 + 7",
        "The answer is 7 plus",
        "the answer is 7 of 12",
        "The answer is 5 million.",
        "It is 3 or 4.",
        "It is not 7.",
        "The answer is not 7.",
        "The answer isn't $7.",
        "The answer is not: 7",
        "She cannot make $7 every day.",
        "7 isn't it.",
        "7 is wrong.",
        "It is more than 7.",
        "There are at least 7 of them.",
        "if the answer were 7, then no.",
        "If the answer is 7, then no.",
        "if the answer is 7 then no.",
        "Suppose the answer is 7.",
        "Check whether x = 7",
        "There would be 3, unless it is 7.",
        "no number at all.",
    ],
)
def test_an_operand_is_no_answer(line):
    assert parse_line(line) is None
    assert check(problem("7"), line).reason == "unparsed"


def asking(question, answer):
    return Problem(id="1", prompt=question, answer=answer, verifier="number")


@pytest.mark.parametrize(
    "text", ["50%", r"\boxed{50\%}", "The answer is 50%.", "It is 50 percent.", "So 1/2 = 50%"]
)
def test_percent_count_only_where_they_are_meant(text):
    for question, answer in (
        ("What percentage of 40 is 20?", "50"),
        ("How much?", "50%"),
        ("How much?", "50 percent"),
    ):
        assert check(asking(question, answer), text).solved
        assert not check(asking(question, "0.5"), text).solved
    for question in ("How much?", "How much is 20 percent of 250?", "What is 20% of 250?"):
        assert check(asking(question, "50"), text).reason == "unparsed"
    assert check(asking("How much?", "50%"), "50").solved
    assert check(asking("How much?", "50%"), text.replace("50", "51")).reason == "wrong"
    assert check(asking("How much?", "50%"), "0.5").reason == "wrong"


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("It is 5/12.", Fraction(5, 12)),
        ("So it's 42.", 42),
        ("So, it’s **42**.", 42),
        ("**Therefore it is $\\frac{5}{12}$.**", Fraction(5, 12)),
        ("Thus that is 1 1/2 hours.", Fraction(3, 2)),
        ("And so it equals -3/4.", Fraction(-3, 4)),
    ],
)
def test_what_it_is_in_a_finished_sentence(line, value):
    assert parse_line(line) == value


@pytest.mark.parametrize(
    "line",
    [
        "It is 5/12",  # cut: 5/120 may have been to come
        "So it is 5/12 + 7.",
        "It is 5/12 or 1/2.",
        "It is 1/2, not 5/12.",
        "It is more than 5/12.",
        "It is not 5/12.",
        "First it is 5/12.",
        "If it is 5/12, we stop.",
        "It is 5/12 million.",
        "It is 5/12 plus.",
    ],
)
def test_what_it_is_not(line):
    assert parse_line(line) is None


def test_where_a_box_is_asked_for_a_line_of_prose_does_not_count():
    asked = Problem(id="1", prompt=r"Put the answer in \boxed{}.", answer="7", verifier="number")
    assert check(asked, r"so \boxed{7}").solved
    assert check(asked, "First, 3 + 4 = 7").reason == "unparsed"  # may be a step of a cut reply
    assert check(asked, "Take half:\n7").reason == "unparsed"
    assert check(asked, "7").solved  # the whole reply is the number
    messages = ({"role": "user", "content": "Use <answer> tags."},)
    asked = Problem(id="1", prompt=messages, answer="7", verifier="number")
    assert check(asked, "The answer is 7.").reason == "unparsed"
    assert check(asked, "<answer>7</answer>").solved


def test_equal_is_exact_unless_the_problem_allows_more():
    assert check(problem("1/3"), "0.333333").reason == "wrong"
    assert check(problem("1000"), "1009").reason == "wrong"
    assert check(problem("0.50"), "1/2").solved
    assert check(problem("1/3", tolerance=0.001), "0.333").solved  # |1/3 - 0.333| = 0.00033
    assert not check(problem("1/3", tolerance=0.0001), "0.333").solved
    assert check(problem("1000", relative=0.01), "1009").solved  # 9 <= 10
    assert not check(problem("1000", relative=0.01), "1011").solved


def test_a_gold_answer_that_is_no_number_is_the_verifiers_fault():
    assert check(problem("many"), "5").reason == "verifier_error"


@given(st.integers(-(10**30), 10**30))
def test_whole_numbers_survive_any_form(n):
    for text in (f"{n}", f"{n:,}", f" {n}. ", rf"\boxed{{{n:,}}}", f"The answer is {n:,}."):
        assert check(problem(str(n)), text).solved
    assert check(problem(str(n)), str(n + 1)).reason == "wrong"


@given(st.fractions())
def test_fractions_survive_any_form(value):
    above, below = value.numerator, value.denominator
    assert parse(f"{above}/{below}") == value
    assert parse(rf"\frac{{{above}}}{{{below}}}") == value


@given(st.text())
def test_check_never_raises(text):
    check(problem("7"), text)
    check(problem(text), "7")
