from dataclasses import replace

import pytest

from gradatim.errors import ArgumentError
from gradatim.families import registry, verify
from gradatim.families.generation import generate
from gradatim.families.splits import explore
from gradatim.types import Problem


def test_checkers_and_families_verify_by_name():
    p = Problem(id="1", prompt="6 * 12?", answer="72", verifier="number")
    assert verify.check(p, "72.").solved
    assert verify.check(generate("sat", n=1)[0], "nothing").reason == "unparsed"
    with pytest.raises(ArgumentError, match=r"one of .*exact, .* or .*did you mean 'number'"):
        verify.check(replace(p, verifier="numbers"), "72")


def test_the_question_given_back_is_no_answer():
    p = Problem(id="1", prompt="Is the answer really 72?\n72", answer="72", verifier="text")
    assert verify.check(p, "72").solved
    assert verify.check(p, p.prompt).reason == "unparsed"
    assert verify.check(p, f" {p.prompt}\n").reason == "unparsed"


def test_what_is_no_text_is_unparsed():
    p = Problem(id="1", prompt="?", answer="5", verifier="exact")
    for text in (None, 5, 5.0, b"5", ["5"]):
        assert verify.check(p, text).reason == "unparsed"


def test_a_verifier_that_fails_costs_one_verdict():
    broken = generate("sat", n=1)[0]
    broken = replace(broken, meta={})  # a file that lost its clauses
    assert verify.check(broken, broken.answer).reason == "verifier_error"


@pytest.mark.parametrize("thing", ["x", None, 3, {"answer": "y"}])
def test_what_is_no_problem_is_said_in_one_line(thing):
    with pytest.raises(ArgumentError, match=r"^`problem` must be a Problem .*, got a \w+$"):
        verify.check(thing, "y")


def test_records_of_functions_are_short_to_look_at():
    sat = registry.get("sat")
    assert repr(sat) == f"Family(name='sat', version={sat.version!r})"
    assert repr(explore("sat", a=3)) == (
        "Split('explore', 'sat: from levels 1-3 to levels 4-10'; parts: train=1, test=1, within=1)"
    )
