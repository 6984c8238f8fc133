"""Saying that there is no answer: told apart from an answer, and from not knowing."""

import pytest

from gradatim.checkers.abstention import abstention, check, says_unsolvable, stance
from gradatim.types import Problem

NONE = Problem(id="1", prompt="?", answer="unsolvable", unsolvable=True)
SOME = Problem(id="2", prompt="?", answer="4")


@pytest.mark.parametrize(
    "text",
    [
        "unsolvable",
        " Unsolvable. \n",
        r"\boxed{unsolvable}",
        r"Row 2 clashes: \boxed{it's unsolvable}",
        "\\boxed{it\u2019s unsolvable}",
        "<answer>no solution</answer>",
        "<think>4?</think>\nThe answer is unsolvable.",
        "Answer: impossible",
        "**Unsatisfiable**",
        "There is no solution.",
        "The problem cannot be solved.",
    ],
)
def test_says_that_there_is_no_answer(text):
    assert says_unsolvable(text)
    right, wrong = abstention(NONE, text), abstention(SOME, text)
    assert (right.reward, right.solved, right.reason) == (1.0, True, "abstained")
    assert (wrong.reward, wrong.solved, wrong.reason) == (0.0, False, "abstained")


@pytest.mark.parametrize(
    "text",
    [
        None,
        5,
        "",
        "4",
        "not unsolvable",
        "It is not unsolvable.",
        "4, or unsolvable",
        "unsolvable\n4",
        "<think>unsolvable",
        r"unsolvable? No: \boxed{4}",
        r"\boxed{unsolvable",
        "If there is no answer, write unsolvable.",
        "unsolvable " * 100_000,
        "\x00unsolvable",
        "\ud800",
    ],
)
def test_says_nothing_of_the_kind(text):
    assert not says_unsolvable(text)
    assert abstention(NONE, text) is None
    assert check(NONE, text).reward == 0


@pytest.mark.parametrize(
    "text", ["I don't know.", r"\boxed{sorry, I don't know}", "I am not sure", "Answer: unknown"]
)
def test_not_knowing_is_a_third_thing(text):
    assert stance(text) == "unknown"
    assert abstention(NONE, text) is None
    assert check(NONE, text).reason == "unparsed"


def test_s006_questions_nobody_can_answer_are_scored_by_abstention():
    open_question = Problem(
        id="3",
        prompt="How many grains of sand lay on this beach in 1700?",
        answer="unknown",
        verifier="abstention",
        unsolvable=True,
        meta={"unknown": True},
    )
    for text in ("I don't know.", r"\boxed{unknown}", "It cannot be determined."):
        assert check(open_question, text) == (1.0, True, stance(text), "abstained")
    guess = check(open_question, "About 7 billion.")
    assert (guess.solved, guess.reason) == (False, "wrong")
