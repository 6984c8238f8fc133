"""Polynomials: values, products and roots, by hand, by sympy and by counting."""

import re
from collections import Counter
from itertools import combinations_with_replacement, product
from math import prod

import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import poisson

from gradatim.errors import ArgumentError
from gradatim.families import polynomials as own
from gradatim.families.generation import generate
from gradatim.families.numbers import instance
from gradatim.families.steps import equalities
from gradatim.rng import Stream
from gradatim.types import Problem

NAME = "arithmetic.polynomial"
X = sympy.Symbol("x")


def asked(kind, shown, answer="1", place=0):
    text = f"{own.TASKS[kind].format(place)}\n{shown}\nAnswer with {own.FORMS[kind]}."
    return Problem(id="1", prompt=text, answer=answer, family=NAME, verifier=NAME)


def sympified(text):
    for digit in "0123456789":
        text = text.replace(f"{digit}x", f"{digit}*x")
    return sympy.Poly(sympy.sympify(text.replace(")(", ")*(").replace("^", "**")), X)


def test_by_hand():
    # 2 * 27 - 3 * 3 + 1 = 46; at -2: -16 + 6 + 1 = -9
    assert own.solve(asked("value", "2x^3 - 3x + 1", place=3)) == "46"
    assert own.solve(asked("value", "2x^3 - 3x + 1", place=-2)) == "-9"
    assert own.solve(asked("value", "-x^2", place=-3)) == "-9"
    # (x + 3)(2x - 1) = 2x^2 + 5x - 3; (x - 1)(x + 1) has no x; (x - 1)(x^2 + x + 1) = x^3 - 1
    assert own.solve(asked("expand", "(x + 3)(2x - 1)")) == "2 5 -3"
    assert own.solve(asked("expand", "(x - 1)(x + 1)")) == "1 0 -1"
    assert own.solve(asked("expand", "(3x + 2)(3x + 2)(3x + 2)")) == "27 54 36 8"
    # x^2 - 5x + 6 = (x - 2)(x - 3); x^3 + x^2 - 8x - 12 = (x + 2)^2 (x - 3); -2(x - 4)^2
    assert own.solve(asked("roots", "x^2 - 5x + 6")) == "2 3"
    assert own.solve(asked("roots", "x^3 + x^2 - 8x - 12")) == "-2 -2 3"
    assert own.solve(asked("roots", "-2x^2 + 16x - 32")) == "4 4"
    assert own.solve(asked("roots", "3x^2 - 27")) == "-3 3"


def test_effort_by_hand():
    assert own.effort(asked("value", "2x^3 - 3x + 1", place=3)) == 3
    assert own.effort(asked("expand", "(x + 3)(2x - 1)")) == 4
    assert own.effort(asked("expand", "(x + 3)(2x - 1)(x + 1)")) == 4 + 6
    # x^2 - 5x + 6: at 1 two products, at -1 two, at 2 two (a root); of x - 3 at 2 none (2 does not
    # divide 3), nor at -2; at 3 one
    assert own.effort(asked("roots", "x^2 - 5x + 6")) == 2 + 2 + 2 + 1


@pytest.mark.parametrize("kind", own.KINDS)
@pytest.mark.parametrize("level", [1, 4, 7, 10])
def test_sympy_agrees(kind, level):
    for p in generate(NAME, n=25, level=level, kind=kind, seed=level):
        polynomial = sympified(instance(p))
        if kind == "value":
            place = int(p.prompt.split("x = ")[1].split(".")[0])
            assert polynomial.eval(place) == int(p.answer)
        elif kind == "expand":
            assert " ".join(map(str, polynomial.all_coeffs())) == p.answer
        else:
            found = sympy.roots(polynomial)
            listed = sorted(root for root, times in found.items() for _ in range(times))
            assert " ".join(map(str, listed)) == p.answer
        assert own.solve(p) == p.answer
        assert polynomial.degree() == p.knobs["degree"]


@given(st.lists(st.integers(-999, 999), min_size=2, max_size=8).filter(lambda c: c[0]))
def test_what_is_written_is_read_again(coefficients):
    text = own._shown(coefficients)
    read = own._read(text)
    assert [read.get(i, 0) for i in range(len(coefficients) - 1, -1, -1)] == coefficients
    assert not re.search(r"[+-] -|--|(?<!\d)1x|(?<!\d)0", text)
    if len(coefficients) < 5:
        assert [int(c) for c in sympified(text).all_coeffs()] == coefficients


@pytest.mark.parametrize("kind", own.KINDS)
def test_the_working_is_right_and_ends_in_the_answer(kind):
    for p in generate(NAME, n=60, level=range(1, 11), kind=kind):
        steps = list(equalities(p.solution))
        assert steps
        assert all(step.legal for step in steps)
        assert p.solution.endswith(p.answer)
        if kind == "roots":  # every division comes out even
            assert sum(step.value == "0" for step in steps) >= p.knobs["degree"]


def test_the_order_of_factors_makes_no_other_instance():
    forms, texts = Counter(), set()
    for i in range(6000):
        draft = own.make(Stream("order", i), kind="expand", degree=2, high=4)
        forms[draft.canonical] += 1
        texts.add(draft.prompt)
    # a = 1: 8 constants; a = 2: +-1, +-3; a = 3: +-1, +-2, +-4
    assert len(own._factors(4)) == 8 + 4 + 6
    assert len(forms) == own.space({"kind": "expand", "degree": 2, "high": 4}) == 18 * 19 // 2
    assert len(texts) == 18 * 18
    assert max(forms.values()) <= poisson.ppf(0.99999, 6000 * 2 / 18**2)


def test_a_product_comes_of_one_choice_of_factors():
    seen = {}
    for chosen in combinations_with_replacement(own._factors(4), 3):
        expanded = [1]
        for a, b in chosen:
            expanded = own._times(expanded, a, b)
        assert seen.setdefault(tuple(expanded), chosen) == chosen


def test_spaces_and_floors_by_counting():
    knobs = {"kind": "roots", "degree": 2, "high": 4}
    seen = {own.make(Stream("roots", i), **knobs).canonical for i in range(6000)}
    assert len(seen) == own.space(knobs) == 6 * 36  # multisets of 2 of the 8 roots, 6 factors
    answers = Counter(
        tuple(sorted(pair)) for pair in product([n for n in range(-4, 5) if n], repeat=2)
    )
    assert own.floor(knobs) == max(answers.values()) / 64
    # two coefficients after the first, at one of 16 places
    assert own.space({"kind": "value", "degree": 2, "high": 4}) == 8 * 81 * 16
    # a value whose constant is uniform: no answer is more likely than 1 / (2 high + 1)
    found = Counter(p.answer for p in generate(NAME, n=6000, kind="value", degree=2, high=4))
    assert max(found.values()) <= poisson.ppf(0.99999, 6000 / 9)
    both = own.floor({"kind": "any", "degree": 2, "high": 4})
    assert both == pytest.approx((1 / 9 + 2 / 18**2 + 2 / 64) / 3)


def test_every_kind_comes_equally_often():
    found = generate(NAME, n=900, level=3)
    counts = Counter(p.meta["kind"] for p in found)
    assert set(counts) == set(own.KINDS)
    assert max(counts.values()) <= poisson.ppf(0.9999, 300)
    places = Counter(p.prompt.split("x = ")[1].split(".")[0] for p in found if "x = " in p.prompt)
    assert set(map(int, places)) == set(own.PLACES)


@pytest.mark.parametrize(
    ("kind", "text", "reason"),
    [
        ("roots", "-2 -2 3", "correct"),
        ("roots", r"\boxed{-2, -2, 3}", "correct"),
        ("roots", "The answer is −2, −2, 3.", "correct"),
        ("roots", "-2 3", "wrong"),
        ("roots", "3 -2 -2", "wrong"),
        ("roots", "-2 -2 3 3", "wrong"),
        ("roots", "x = 3", "unparsed"),
        ("roots", "", "unparsed"),
        ("value", "1,024", "correct"),
        ("value", "The value is 1024.", "correct"),
        ("value", "1024%", "unparsed"),
        ("value", "-1024", "wrong"),
        ("value", "10 24", "unparsed"),
    ],
)
def test_what_counts_as_an_answer(kind, text, reason):
    right = {"roots": "-2 -2 3", "value": "1024"}[kind]
    p = Problem(id="1", prompt="?", answer=right, family=NAME, verifier=NAME, meta=own.METAS[kind])
    assert own.check(p, text).reason == reason


def test_other_questions_are_refused_by_name():
    other = Problem(id="7", prompt="Sort these.\n3 1\nAnswer.", answer="1 3")
    for function in (own.solve, own.effort):
        with pytest.raises(ArgumentError, match="`problem` 7 is not about polynomials"):
            function(other)


@pytest.mark.parametrize("degree", [2, 5, 8])
def test_the_widest_knobs_are_solved(degree):
    for p in generate(NAME, n=12, degree=degree, high=99):
        assert own.solve(p) == p.answer
    roots = [99] * degree
    p = asked("expand", "(x - 99)" * degree)
    assert own.solve(p).split()[-1] == str(prod(-root for root in roots))
