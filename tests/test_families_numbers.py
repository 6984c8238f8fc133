from collections import Counter
from itertools import pairwise, product
from math import gcd

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import poisson

from gradatim.errors import ArgumentError
from gradatim.families import bases, divisors, fraction_sums, modular, registry
from gradatim.families.generation import generate
from gradatim.families.numbers import instance
from gradatim.rng import Stream
from gradatim.types import Problem

NAMES = ["gcd", "lcm", "base", "modular", "fraction"]


def of(family, prompt, answer="1"):
    text = f"{prompt}\nAnswer with one number, and nothing else."
    return Problem(id="1", prompt=text, answer=answer, family=family.name, verifier=family.name)


# 84 = 2^2 3 7, 126 = 2 3^2 7, 210 = 2 3 5 7: gcd 2 3 7 = 42, lcm 2^2 3^2 5 7 = 1260
def test_divisors_by_hand():
    p = of(divisors.GCD, "Find the greatest common divisor of these numbers.\n84 126 210")
    assert divisors.solve(p) == "42"
    p = of(divisors.LCM, "Find the least common multiple of these numbers.\n84 126 210")
    assert divisors.solve(p) == "1260"
    # Euclid on (12, 8): 12 = 1 * 8 + 4 costs 1 * 4 bits, 8 = 2 * 4 + 0 costs 2 * 3 bits
    p = of(divisors.GCD, "Find the greatest common divisor of these numbers.\n8 12")
    assert divisors.effort(p) == 4 + 6
    # the product 8 * (12 / 4): 4 bits times 2
    p = of(divisors.LCM, "Find the least common multiple of these numbers.\n8 12")
    assert divisors.effort(p) == 4 + 6 + 8


def test_the_planted_factor_is_the_answer_and_uniform():
    found = generate("arithmetic.gcd", n=2000, factor=9, high=50, numbers=2)
    counts = Counter(int(p.answer) for p in found)
    assert set(counts) == set(range(2, 10))
    assert max(counts.values()) <= poisson.ppf(0.9999, 2000 / 8)
    for p in found[:100]:
        assert gcd(*map(int, instance(p).split())) == int(p.answer)


def test_order_does_not_make_another_divisor_instance():
    forms = Counter()
    for i in range(3000):
        draft = divisors.make(Stream(i), kind="gcd", numbers=2, factor=2, high=6)
        forms[draft.canonical] += 1
    # pairs from 2..6 without a common factor: 23 25 34 35 45 56; times the factor 2
    assert set(forms) == {
        f"gcd {2 * a} {2 * b}" for a, b in [(2, 3), (2, 5), (3, 4), (3, 5), (4, 5), (5, 6)]
    }


@pytest.mark.parametrize("numbers", [2, 3, 4])
@pytest.mark.parametrize("high", [4, 7, 12])
def test_the_space_of_divisors_is_a_lower_bound(numbers, high):
    parts = product(range(2, high + 1), repeat=numbers)
    different = {tuple(sorted(p)) for p in parts if gcd(*p) == 1}
    stated = divisors.space({"kind": "gcd", "numbers": numbers, "factor": 2, "high": high})
    assert 1 <= stated <= len(different)
    assert stated >= len(different) / 9


# 3A7 in base 16 is 3 * 256 + 10 * 16 + 7 = 935 = 1 * 625 + 2 * 125 + 2 * 25 + 2 * 5 + 0 in base 5
def test_bases_by_hand():
    p = of(bases.FAMILY, "Convert this number from base 16 to base 5.\n3A7", "12220")
    assert bases.solve(p) == "12220"
    for text in ("12220", "012220", "12220_5", "(12220)_5", r"\boxed{12220_{5}}", "12220 (base 5)"):
        assert bases.check(p, text).solved, text
    assert bases.check(p, "The answer in base 5 is 12220.").solved
    assert bases.check(p, "12221").reason == "wrong"
    for text in ("12225", "12220_6", "935 in decimal", "-12220", "", "1 2 2 2 0", "12220.0", None):
        assert bases.check(p, text).reason == "unparsed", text


def test_digits_beyond_nine_in_either_case():
    p = of(bases.FAMILY, "Convert this number from base 10 to base 16.\n51966", "CAFE")
    assert bases.solve(p) == "CAFE"
    for text in ("CAFE", "cafe", "0xCAFE", "0Xcafe", "**CAFE**.", "The answer is 0xcafe."):
        assert bases.check(p, text).solved, text
    for text in ("CAFG", "0bCAFE", "CAF E", "ＣＡＦＥ"):
        assert not bases.check(p, text).solved, text
    assert bases.check(p, "0b11").answer == "B11"  # digits of base 16, not a binary number
    p = of(bases.FAMILY, "Convert this number from base 10 to base 2.\n3", "11")
    assert bases.check(p, "0b11").solved


@given(st.integers(0, 35 * 34 * 2**9 - 1))
def test_every_base_instance_reads_back(index):
    draft = bases.nth(index, bits=10, top=36)
    source, target = map(int, draft.canonical[1:].split(":")[0].split(","))
    number = draft.canonical.split(":")[1].removesuffix("=")
    assert int(number, source) == int(draft.answer, target)
    assert 2**9 <= int(number, source) < 2**10
    assert source != target


def test_the_space_of_bases_is_enumerated_once_and_whole():
    knobs = {"bits": 5, "top": 6}
    size = bases.space(knobs)  # 16 numbers, 5 * 4 pairs of bases
    assert size == 320 == len({bases.nth(i, **knobs).canonical for i in range(size)})


# modulo 7: 5 + 4 = 9 = 2, 2 * 3 = 6, 6^2 = 36 = 1, 1 - 3 = -2 = 5
CHAIN = "add 4; multiply by 3; raise to the power 2; subtract 3"


def chain(operations=CHAIN, answer="5"):
    start = "Start from 5 and do these operations one after the other, modulo 7."
    return of(modular.FAMILY, f"{start}\n{operations}", answer)


def test_modular_chains_by_hand():
    assert modular.solve(chain()) == "5"
    assert modular.effort(chain()) == 4
    assert modular.effort(chain("raise to the power 5; add 1")) == 5


def test_steps_of_a_modular_chain_count_an_error_once():
    text = "5 + 4 = 9, modulo 7: 2\n2 * 3 = 6\n6^2 = 36, so 2\n2 - 3 = -1, modulo 7: 6\n6"
    steps = list(modular.trace(chain(), text))
    # 6^2 = 36 is 1 modulo 7, not 2; from 2 the last step is right
    assert [(s.value, s.legal) for s in steps] == [
        ("2", True),
        ("6", True),
        ("2", False),
        ("6", True),
    ]
    assert text[: steps[2].end].endswith("so 2")
    assert [s.legal for s in modular.trace(chain(), "2 6 1 5")] == [True] * 4
    assert list(modular.trace(chain(), "The answer is 5.")) == []


def test_modular_answers_are_uniform():
    found = generate("arithmetic.modular", n=3000, steps=3, modulus=6)
    counts = Counter(p.answer for p in found)
    assert set(counts) == set("012345")
    assert max(counts.values()) <= poisson.ppf(0.9999, 500)


def test_the_space_of_modular_chains_is_exact():
    knobs = {"steps": 1, "modulus": 3}
    seen = {modular.make(Stream(i), **knobs).canonical for i in range(400)}
    assert len(seen) == modular.space(knobs) == 18  # 3 starts, + and - of 3 numbers
    knobs = {"steps": 2, "modulus": 3}  # 6 sums, 1 product, 4 powers before the last
    seen = {modular.make(Stream(i), **knobs).canonical for i in range(4000)}
    assert len(seen) == modular.space(knobs) == 3 * 11 * 6


# 3/4 - 5/6 + 1/2 = 9/12 - 10/12 + 6/12 = 5/12
def test_fractions_by_hand():
    p = of(fraction_sums.FAMILY, "Calculate the exact value.\n3/4 - 5/6 + 1/2", "5/12")
    assert fraction_sums.solve(p) == "5/12"
    for text in ("5/12", "10/24", r"\frac{5}{12}", r"\boxed{\dfrac{5}{12}}", "The answer is 5/12."):
        assert fraction_sums.check(p, text).solved, text
    for text in ("0.41666667", "0.4167", "12/5", "5/13"):
        assert fraction_sums.check(p, text).reason == "wrong", text


def test_the_space_and_floor_of_fractions_are_exact():
    # denominators to 4: 1/2 1/3 2/3 1/4 3/4
    knobs = {"terms": 2, "denominator": 4}
    assert fraction_sums.space(knobs) == 5 * 10
    assert fraction_sums.floor(knobs) == 1 / 10
    drafts = {}
    for i in range(1500):
        draft = fraction_sums.make(Stream(i), **knobs)
        drafts[draft.canonical] = draft.answer
    assert len(drafts) == 50
    assert max(Counter(drafts.values()).values()) == 5  # a difference of two equal ones: 0


@pytest.mark.parametrize("name", NAMES)
def test_worked_solutions_are_legal_step_by_step(name):
    family = registry.get(f"arithmetic.{name}")
    for p in generate(family, n=40, level=range(1, 11)):
        steps = list(family.trace(p, p.solution))
        assert steps
        assert all(s.legal for s in steps)
        ends = [s.end for s in steps]
        assert ends == sorted(ends)
        assert ends[-1] <= len(p.solution)


@pytest.mark.parametrize("name", NAMES)
def test_effort_rises_at_every_level(name):
    family = registry.get(f"arithmetic.{name}")
    means = []
    for level in range(1, 11):
        work = [family.effort(p) for p in generate(family, n=60, level=level, seed=2)]
        means.append(sum(work) / len(work))
    assert all(a < b for a, b in pairwise(means))


@pytest.mark.parametrize("name", NAMES)
def test_a_prompt_of_another_family_is_refused(name):
    family = registry.get(f"arithmetic.{name}")
    with pytest.raises((ArgumentError, ValueError)):
        family.solve(Problem(id="7", prompt="What is this?", answer="1"))


@pytest.mark.parametrize(
    ("name", "knob", "value", "words"),
    [
        ("gcd", "factor", 1, r"\[2, 10000\]"),
        ("lcm", "numbers", 7, r"\[2, 6\]"),
        ("base", "top", 37, r"\[3, 36\]"),
        ("modular", "modulus", 2, r"\[3, 1000\]"),
        ("fraction", "denominator", 2, r"\[3, 200\]"),
    ],
)
def test_knobs_out_of_range_are_refused(name, knob, value, words):
    with pytest.raises(ArgumentError, match=f"arithmetic.{name}.{knob}.*{words}"):
        generate(f"arithmetic.{name}", n=1, **{knob: value})
    with pytest.raises(ArgumentError, match="has no 'kind'"):
        generate("arithmetic.gcd", n=1, kind="lcm")
