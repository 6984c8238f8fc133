"""JSON answers and sets: exact values, free order of keys and elements, nothing raises."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradatim.checkers.structures import NOTHING, check_json, check_set, parse_json, parse_set, same
from gradatim.types import Problem

HARD = [None, 5, "", "   ", "\x00", "\ud800", "banana", "[" * 200_000, "{" * 900, '{"a":' * 3000]
HARD += ["1" * 1_000_000, "[1," * 30_000, r"\boxed{", "<answer>", "<think>[1]", '"' * 100_000]
HARD += ["1e999999999", "[1e999999999999999999999]", '{"x": 1, "x": 1}', "[1] [2]", "\\{" * 9999]


def problem(answer, verifier="json"):
    return Problem(id="1", prompt="What?", answer=answer, verifier=verifier)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8"), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text('ab{]"', max_size=3), inner)
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(VALUES, VALUES)
def test_equal_where_python_says_so(first, second):
    texts = [json.dumps(value) for value in (first, second)]
    values = [parse_json(text) for text in texts]
    assert same(values[0], parse_json(json.dumps(first, indent=2, sort_keys=True)))
    # of dumps with sorted keys, equality is equality of texts: true is not 1 there either
    equal = json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)
    assert same(*values) == equal
    verdict = check_json(problem(texts[0]), f"<answer>{texts[1]}</answer>")
    assert verdict.solved == equal


@pytest.mark.parametrize(
    "text",
    [
        '{"x": [1, 2.50], "y": "a"}',
        '{"y": "a", "x": [1.0, 2.5]}',
        'So:\n```json\n{"x": [1, 2.5],\n "y": "a"}\n```',
        'So\n{\n  "x": [\n    1,\n    2.5\n  ],\n  "y": "a"\n}\n',
        'The answer is {"x": [1, 2.5], "y": "a"}.',
        '<think>[1]?</think><answer>\n{"x": [1e0, 25e-1], "y": "a"}\n</answer>',
        r'\boxed{\{"x": [1, 2.5], "y": "a"\}}',
        r'\boxed{{"x": [1, 2.5], "y": "a"}}',
        '`{"x": [1, 2.5], "y": "a"}`',
    ],
)
def test_the_same_value_in_any_dress(text):
    verdict = check_json(problem('{"x": [1, 2.5], "y": "a"}'), text)
    assert (verdict.reward, verdict.reason) == (1.0, "correct")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"x": [1, 2.5000000000000000001]}', "wrong"),
        ('{"x": [1, 2.5], "z": null}', "wrong"),
        ('{"x": [2.5, 1]}', "wrong"),
        ('{"x": [true, 2.5]}', "wrong"),
        ('{"x": ["1", 2.5]}', "wrong"),
        ('{"x": [1, NaN]}', "unparsed"),
        ('{"x": [1, 2.5], "x": [1, 2.5]}', "unparsed"),
        ("{'x': [1, 2.5]}", "unparsed"),
        ('{"x": [1, 2.5', "unparsed"),
        ('<answer>{"x": [1, 2.5]}', "unparsed"),
        ("x is 1 and 2.5", "unparsed"),
        ('It is not {"x": [1, 2.5]}.', "unparsed"),
    ],
)
def test_other_values_and_no_values(text, reason):
    assert check_json(problem('{"x": [1, 2.5]}'), text).reason == reason


def test_numbers_are_not_floats():
    # 0.1 + 0.2 is 0.3 here, and 2^53 + 1 is not 2^53, as floats would have it
    assert not same(parse_json("9007199254740993"), parse_json("9007199254740992"))
    assert same(parse_json("0.30"), parse_json("3e-1"))
    assert not same(parse_json("1"), parse_json("true"))
    assert parse_json("[1") is NOTHING


@pytest.mark.parametrize("check", [check_json, check_set])
def test_nothing_raises_and_nothing_passes(check):
    for text in HARD:
        assert check(problem("[1, 2]"), text).reward == 0


def test_a_gold_answer_that_is_no_value_is_the_verifiers_fault():
    assert check_json(problem("{1}"), "1").reason == "verifier_error"
    assert check_set(problem("a,,b"), "a").reason == "verifier_error"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("3, 1, 2", "correct"),
        ("{1, 2, 3, 3}", "correct"),
        ("3 2 1", "correct"),
        (r"\boxed{\{1, 2, 3\}}", "correct"),
        ("The answer is {3, 2.0, 1}.", "correct"),
        ("The set is 1, 2 and 3.", "wrong"),
        ("1, 2", "wrong"),
        ("1, 2, 3, 4", "wrong"),
        ("{}", "wrong"),
        ("1,,2,3", "unparsed"),
        ("", "unparsed"),
    ],
)
def test_sets(text, reason):
    assert check_set(problem("1, 2, 3"), text).reason == reason


def test_sets_of_words_and_the_empty_set():
    assert check_set(problem("red, Dark  blue"), "{dark blue, RED}").solved
    assert check_set(problem("none"), r"\boxed{\emptyset}").solved
    assert not check_set(problem("none"), "1").solved
    assert parse_set("1/2, 0.5") == parse_set("0.50")
