import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradatim.checkers.extract import announced, extract, last_lines, plain, without_reasoning
from gradatim.families import registry
from gradatim.families.generation import generate

MB = 1_000_000


@pytest.mark.parametrize(
    ("text", "answer", "how"),
    [
        ("72", "72", "line"),
        ("  72 \n\n", "72", "line"),
        ("first\nsecond\r\n", "second", "line"),
        ("code:\n```\n72\n```", "72", "line"),
        (r"\boxed{72}", "72", "box"),
        (r"\boxed{1} then \boxed{2} and more", "2", "box"),
        (r"\boxed{\frac{1}{\sqrt{2}}}", r"\frac{1}{\sqrt{2}}", "box"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}", "box"),
        (r"\fbox{ 5 }", "5", "box"),
        ("<answer> 5 </answer>", "5", "tag"),
        ("<answer>1</answer><ANSWER>2</ANSWER> bye", "2", "tag"),
        (r"<answer>\boxed{5}</answer>", "5", "box"),
        ("<think>4</think>5", "5", "line"),
        ("<think>a<think>b</think>c</think>\n5", "5", "line"),
        ("the opening tag was in the prompt</think>5", "5", "line"),
        ("5\n<think>was that right?</think>", "5", "line"),
        (r"<think>\boxed{4}</think>\boxed{5}", "5", "box"),
        ("a < b\n5", "5", "line"),
    ],
)
def test_the_answer_is_the_last_box_tag_or_line(text, answer, how):
    assert extract(text) == (answer, how)


@pytest.mark.parametrize(
    "text",
    [
        None,
        5,
        b"72",
        ["72"],
        "",
        " \n\t ",
        "```",
        "<think>72",  # cut while thinking
        "<think>a</think><think>72",
        r"\boxed{7",  # cut inside the box: 72 was to come
        r"\boxed{1} no, \boxed{7",
        "<answer>7",  # cut inside the tag
        "<answer>1</answer> no, <answer>7",
    ],
)
def test_a_reply_that_was_cut_or_empty_has_no_answer(text):
    assert extract(text).answer is None


def test_boxes_inside_thinking_are_not_answers():
    assert extract(r"<think>\boxed{4}</think>").answer is None


@given(st.text() | st.text(alphabet="\\boxed{}<think>/answer \n$*`.", max_size=80))
def test_extract_never_raises(text):
    found = extract(text)
    assert (found.answer is None) == (found.how == "none")
    plain(text)
    announced(text)


@pytest.mark.parametrize(
    "text",
    [
        "<think>" * (MB // 7),
        "</think>" * (MB // 8),
        "<answer>" * (MB // 8),
        r"\boxed{" * (MB // 7),
        "{" * MB,
        r"\text{" * (MB // 6),
        "." * MB,
        "\x00" * MB,
        "```\n" * (MB // 4),
        "is " * (MB // 3),
        "so " * (MB // 3) + ".",
        "it is " + "`" * MB + ".",
        "\ud800" * 1000,
    ],
)
def test_a_megabyte_of_anything_is_read_in_one_pass(text):
    found = extract(text)  # quadratic work would take hours here
    assert found.how in ("line", "none")
    assert len(plain(found.answer or "")) <= len(text)
    assert announced(found.answer or "") in (None, "")


def test_reasoning_is_cut_out():
    assert without_reasoning("a<think>b</think>c") == "a\nc"
    assert without_reasoning("b</think>c") == "c"
    assert without_reasoning("<think>b") is None


def test_marks_around_an_answer_are_taken_off():
    assert plain("**$72$.**") == "72"
    assert plain(r"\(\text{yes}\)") == "yes"
    assert plain("“yes”") == "yes"
    assert plain("...") == ""
    assert plain("#### 3 1 4") == plain("# **3 1 4**") == "3 1 4"
    assert plain("#3") == "#3"  # no heading


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("Moves: AB CB", "AB CB"),
        ("The moves are AB CB.", "AB CB"),
        ("**Plan:** pick-up A, stack A B", "pick-up A, stack A B"),
        ("In ascending order: 1 3 4", "1 3 4"),
        ("The numbers in reverse order are 4 3 1.", "4 3 1"),
        ("The greatest common divisor of 66 and 187 is 11.", "11"),
        ("The colours are 1213.", "1213"),
        ("The moves are not: AB CB", "not: AB CB"),  # which is no plan
        ("We move AB, then CB", None),
        ("Note: AB CB", None),
    ],
)
def test_what_is_asked_for_may_be_named(line, told):
    assert announced(line) == told


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("1 2\n2 1", ["1 2\n", "2 1"]),
        ("Rows:\n\n1 2\n2 1\n\n", ["1 2\n", "2 1"]),
        ("```text\n1 2\n2 1\n```", ["1 2\n", "2 1\n"]),
        ("3 3\n```\n1 2\n```\n", ["1 2\n"]),
        ("<think>5\n6</think>1 2\r\n2 1", ["1 2\r\n", "2 1"]),
        ("<think>1 2", []),
        ("", []),
        ("```", []),
    ],
)
def test_the_last_paragraph_has_lines(text, lines):
    assert last_lines(text) == lines


def test_only_an_announcement_announces():
    assert announced("The answer is 3 1 4") == "3 1 4"
    assert announced("**Answer:** yes.") == "yes"
    assert announced("x = 3") is None  # nothing says that it is the answer
    assert announced("Result") is None


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("It is 5/12.", "5/12"),
        ("So it's 42.", "42"),
        ("And so, **it’s Paris**.", "Paris"),
        ("Therefore that is [3, 1, 4].", "[3, 1, 4]"),
        ("It is 3: 1 4.", "3: 1 4"),
        ("It is 3 1, so the answer is 1 3.", "1 3"),  # the answer's own announcement comes first
        ("It is 5/12", None),  # not finished
        ("I think it is 5/12.", None),
        ("Is it 5/12?", None),
        ("It isn't 5/12.", None),
        ("It is.", None),
        ("its 5/12.", None),
    ],
)
def test_a_finished_sentence_says_what_it_is(line, told):
    assert announced(line) == told


COURTESIES = (
    "Let me know if you need more.",
    "I hope this helps!",
    "Please feel free to ask if anything is unclear.",
    "Is there anything else?",
    "If you have any questions, just ask.",
    "Hope this helps!\n\nWould you like me to explain?",
)


@pytest.mark.parametrize("courtesy", COURTESIES)
def test_courtesy_after_an_announced_answer_states_nothing(courtesy):
    for line in ("Answer: 5", "**Answer:** 5", "The answer is 5.", "So the final answer is: 5"):
        for gap in ("\n", "\n\n"):
            assert extract(f"2 + 3\n{line}{gap}{courtesy}") == (line, "line")
    last = courtesy.split("\n")[-1]
    for text in (
        f"It is 5.\n\n{courtesy}",  # no announcement
        f"5\n\n{courtesy}",
        f"Answer: 5\n\nNo, that is not right.\n\n{courtesy}",
        f"Answer: 5\n6\n{courtesy}",
        courtesy,
    ):
        assert extract(text) == (last, "line")


@pytest.mark.parametrize(
    "last",
    [
        "Let me know whether 6 is better.",
        "Let me see.",
        "Actually, no.",
        "If you have any doubt: it is wrong.",
        "I hope not.",
        "Paris",
    ],
)
def test_other_last_lines_count_as_before(last):
    assert extract(f"Answer: 5\n\n{last}") == (last, "line")


@given(st.text(alphabet="Answer: i5\n.{}\\<>", max_size=60), st.sampled_from(COURTESIES))
def test_courtesy_adds_no_answer_that_was_not_the_last(text, courtesy):
    with_it, without = extract(f"{text}\n{courtesy}"), extract(text)
    assert with_it.answer in (without.answer, courtesy.split("\n")[-1], None)


@pytest.mark.parametrize(
    "name", ["lists.sum", "sat", "knights", "sudoku.4", "hanoi", "sat.unsolvable"]
)
def test_courtesy_in_families(name):
    family = registry.get(name)
    for p in generate(name, n=10, level=2):
        assert family.check(p, f"Answer: {p.answer}\n\nLet me know if you need more.").solved
        assert family.check(p, f"Answer: {p.answer}\n\nNo, that is wrong.").reason == "unparsed"
