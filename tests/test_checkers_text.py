import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradatim.checkers import registry
from gradatim.checkers.text import check, check_exact, normalise
from gradatim.errors import ArgumentError
from gradatim.types import Problem

PARIS = Problem(id="1", prompt="Capital of France?", answer="Paris")


@pytest.mark.parametrize(
    "text",
    [
        "Paris",
        "paris.",
        " **PARIS** ",
        "It is clear.\nParis",
        r"\boxed{\text{Paris}}",
        '"Paris"',
        "The answer is Paris.",
        "So it's Paris.",
        "<answer>paris</answer>",
        "Ｐａｒｉｓ",
    ],
)
def test_the_same_word_is_right(text):
    assert check(PARIS, text).solved


@pytest.mark.parametrize(
    "text", ["Pari", "Paris or London", "London", "Paris is nice", "It is not Paris."]
)
def test_another_word_is_wrong(text):
    assert check(PARIS, text).reason == "wrong"
    assert check_exact(PARIS, text).reason == "wrong"


@pytest.mark.parametrize("text", [None, "", "\n", "...", "<think>Paris"])
def test_nothing_said_is_unparsed(text):
    assert check(PARIS, text).reason == "unparsed"


def test_exact_is_exact():
    assert check_exact(PARIS, " Paris\n").solved
    assert check_exact(PARIS, "paris").reason == "wrong"
    assert check_exact(PARIS, "\n").reason == "unparsed"


def test_an_answer_of_several_lines_is_right_as_given():
    poem = Problem(id="1", prompt="?", answer="one\ntwo")
    for verify in (check, check_exact):
        assert verify(poem, "one\ntwo\n").solved
        assert not verify(poem, "two").solved


@given(st.text())
def test_normalising_twice_changes_nothing_more(text):
    assert normalise(normalise(text)) == normalise(text)


@given(st.text(min_size=1))
def test_every_answer_passes_itself(text):
    problem = Problem(id="1", prompt="?", answer=text)
    assert check(problem, text).solved
    assert check_exact(problem, text).solved


def test_registry_names_what_there_is():
    every = ["abstention", "exact", "json", "list", "math", "number", "plan", "set", "text"]
    assert registry.names() == every
    with pytest.raises(ArgumentError, match=r"`verifier` must be one of .*did you mean 'math'"):
        registry.get("maths")
