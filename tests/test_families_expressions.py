import itertools
import math
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import poisson

from gradatim.errors import ArgumentError
from gradatim.families import expressions, numbers, registry
from gradatim.families.generation import generate
from gradatim.families.steps import equalities, evaluate, totals
from gradatim.rng import Stream
from gradatim.types import Problem

NAME = "arithmetic.expression"


def asked(text, answer):
    prompt = f"Calculate the exact value.\n{text}\nAnswer with a whole number, and nothing else."
    return Problem(id="1", prompt=prompt, answer=answer, family=NAME, verifier=NAME)


# 2 + 3 * 4 = 14; (2 + 3) * 4 = 20; 8 / 4 / 2 = 1; 8 / (4 / 2) = 4; 2 - 3 - 4 = -5;
# 7 - (3/4) * 2^3 = 7 - 6 = 1; 2^3^2 = 2^9 = 512; -2^2 = -4; (1/2 - 2/3) / 5 = -1/30
BY_HAND = {
    "2 + 3 * 4": 14,
    "(2 + 3) * 4": 20,
    "8 / 4 / 2": 1,
    "8 / (4 / 2)": 4,
    "2 - 3 - 4": -5,
    "7 - (3/4) * 2^3": 1,
    "2^3^2": 512,
    "-2^2": -4,
    "(1/2 - 2/3) / 5": Fraction(-1, 30),
    "3 × 4 − 10 ÷ 4": Fraction(19, 2),
    "1.5 + .5": None,
    "1.5 + 0.25": Fraction(7, 4),
}
NO_VALUE = [
    "",
    "()",
    "1 +",
    "* 2",
    "1 2",
    "(1",
    "1)",
    "1 / 0",
    "2^-1",
    "2^(1/2)",
    "9^9^9",
    "x",
    "1,5",
]
NO_VALUE += ["(" * 300, "1" * 401, "9^9" * 60, "²", "\x00", "((99^9)^9)^9)"]


@pytest.mark.parametrize("text", BY_HAND)
def test_expressions_by_hand(text):
    assert evaluate(text) == BY_HAND[text]


@pytest.mark.parametrize("text", NO_VALUE)
def test_what_is_no_expression_has_no_value(text):
    assert evaluate(text) is None


def tree(depth):
    leaf = st.integers(0, 99).map(lambda n: (str(n), Fraction(n)))
    if not depth:
        return leaf
    pairs = st.tuples(st.sampled_from("+-*/"), tree(depth - 1), tree(depth - 1))
    return st.one_of(leaf, pairs.map(joined))


def joined(parts):
    sign, (a, x), (b, y) = parts
    value = None
    if x is not None and y is not None and (sign != "/" or y):
        value = {"+": x + y, "-": x - y, "*": x * y, "/": x / y if y else None}[sign]
    return f"({a} {sign} {b})", value


@given(tree(4))
def test_the_evaluator_agrees_with_fractions(pair):
    text, value = pair
    assert evaluate(text) == value


@pytest.mark.slow
def test_make_and_solve_agree_with_sympy():
    sympy = pytest.importorskip("sympy")
    for p in generate(NAME, n=300, level=range(1, 11), seed=5):
        text = numbers.instance(p).replace("^", "**")
        # every number becomes a rational before Python's own operators see it
        value = eval(
            "".join(f"Rational({t})" if t.isdigit() else t for t in split_numbers(text)),
            {"Rational": sympy.Rational, "__builtins__": {}},
        )
        assert str(value) == p.answer == expressions.solve(p)


def split_numbers(text):
    out = [""]
    for c in text:
        if c.isdigit() == out[-1].isdigit() and out[-1]:
            out[-1] += c
        else:
            out.append(c)
    return out


@pytest.mark.parametrize(
    "text", ["3/2", "6/4", "1.5", "1 1/2", "+3/2", r"\frac{3}{2}", "x = 3/2", "150e-2"]
)
def test_equal_exact_forms_are_right(text):
    p = asked("3 / 2", "3/2")
    for dressed in (text, rf"\boxed{{{text}}}", f"<answer>{text}</answer>", f"**{text}**"):
        assert expressions.check(p, dressed).solved, dressed


@pytest.mark.parametrize("text", ["0.667", "0.6666666666", "0.67", "2.0/3.1", "-2/3", "3/2"])
def test_what_is_near_is_wrong(text):
    assert expressions.check(asked("2 / 3", "2/3"), text).reason == "wrong"


@pytest.mark.parametrize(
    "text",
    ["2/0", "2/", "/3", "two thirds", "66%", r"\boxed{66\%}", "2 / 3 =", "2:3 or 3:2", "", None],
)
def test_what_states_no_number_is_unparsed(text):
    assert expressions.check(asked("2 / 3", "2/3"), text).reason == "unparsed"


def test_s251_the_depth_knob_is_monotone():
    """Effort rises with the number of signs, and a solver that errs per operation falls."""
    efforts, rates = [], []
    for operations in range(1, 21):
        found = generate(NAME, n=80, operations=operations, operands="mixed", seed=1)
        for p in found:
            text = numbers.instance(p)
            assert sum(text.count(f" {sign} ") for sign in "+-*/") == operations
        work = [expressions.effort(p) for p in found]
        efforts.append(sum(work) / len(work))
        rates.append(sum(0.95**w for w in work) / len(work))
    assert all(a < b for a, b in itertools.pairwise(efforts))
    assert all(a > b for a, b in itertools.pairwise(rates))


@pytest.mark.parametrize("level", [1, 4, 10])
def test_s251_seeds_share_no_instances_beyond_chance(level):
    n = 600
    one, two = (
        Counter(p.prompt for p in generate(NAME, n=n, level=level, seed=seed)) for seed in (0, 1)
    )
    inside = sum(k * (k - 1) / 2 for counts in (one, two) for k in counts.values())
    expected = inside / (n * (n - 1)) * n * n
    shared = sum(k * two[prompt] for prompt, k in one.items())
    assert shared <= poisson.ppf(0.999, max(expected, 1))
    if level > 1:
        assert shared == 0


@pytest.mark.parametrize("operands", ["integers", "fractions", "powers", "mixed"])
def test_operands_are_of_their_kind(operands):
    for p in generate(NAME, n=40, operations=6, operands=operands, high=50):
        text = numbers.instance(p)
        bare = text.replace("(", " ").replace(")", " ").split()
        kinds = {
            "powers" if "^" in part else "fractions" if "/" in part else "integers"
            for part in bare
            if part not in "+-*/"
        }
        assert kinds <= ({operands} if operands != "mixed" else {"powers", "fractions", "integers"})
        assert all(int(part) <= 50 for part in bare if part.isdigit())


def test_every_part_of_an_expression_is_as_likely_as_its_size_says():
    """Of three signs each is the last one as often, and in a part of two both are."""
    leaves = [(name, 3, 1, 1, "1", "") for name in "abcd"]
    seen = Counter()
    for i in range(6000):
        _, steps = expressions._grown(Stream("shape", i), leaves)
        assert len(steps) == 3
        seen["|".join("".join(filter(str.isalpha, a[0] + b[0])) for a, _, b, _ in steps)] += 1
    # what is joined, step by step: ab, abc, abcd ... ; two parts of two are twice as likely
    chances = {"ab|abc|abcd": 1, "bc|abc|abcd": 1, "bc|bcd|abcd": 1, "cd|bcd|abcd": 1}
    chances["ab|cd|abcd"] = 2
    assert set(seen) == set(chances)
    for shape, weight in chances.items():
        low, high = poisson.ppf([1e-5, 1 - 1e-5], 1000 * weight)
        assert low <= seen[shape] <= high, shape


def test_the_space_of_one_sign_is_counted_exactly():
    """6 numbers: 4 * 36 pairs less 6 quotients by 0."""
    knobs = {"operations": 1, "operands": "integers", "high": 5}
    seen = {expressions.make(Stream("space", i), **knobs).canonical for i in range(4000)}
    assert len(seen) == expressions.space(knobs) == 138


def test_no_constant_answer_beats_the_floor():
    """The share of 0 among 1,000 answers stays within chance of the stated floor."""
    for level in (1, 2, 3, 4, 6):
        found = generate(NAME, n=1000, level=level, seed=9)
        common = Counter(p.answer for p in found).most_common(1)[0][1]
        assert common <= poisson.ppf(0.999, 1000 * registry.get(NAME).floor(found[0].knobs))


def test_numbers_stay_short_at_the_largest_setting():
    for p in generate(NAME, n=60, operations=20, operands="mixed", high=1000):
        assert len(p.answer) <= 40
        assert math.gcd(*map(int, p.answer.split("/")), 0) == (
            1 if "/" in p.answer else abs(int(p.answer))
        )


def test_steps_of_a_worked_reply():
    p = asked("(2 + 3) * 4 - 1", "19")
    text = "First 2 + 3 = 5, then\n5 * 4 = 20.\n(2 + 3) * 4 - 1 = 20 - 1 = 18\nSo x = 18"
    steps = list(expressions.FAMILY.trace(p, text))
    assert [(s.value, s.legal) for s in steps] == [
        ("5", True),
        ("20", True),
        ("19", True),
        ("18", False),
    ]
    assert text[: steps[0].end].endswith("= 5")
    assert text[: steps[1].end].endswith("= 20")
    assert text[: steps[2].end].endswith("20 - 1")
    assert text[: steps[3].end].endswith("= 18")
    same = list(equalities("10 / 2 = 5"))
    assert same[0].state == steps[0].state != steps[1].state


def test_worked_solutions_are_legal_step_by_step():
    for p in generate(NAME, n=40, level=range(1, 11)):
        steps = list(expressions.FAMILY.trace(p, p.solution))
        assert len(steps) == expressions.effort(p)
        assert all(s.legal for s in steps)


HARD = ["", "=", "= = =", "1 = ", " = 1", "\x00=\ud800", "1=1" * 1000, "=" * 20_000, "9^9^9 = 1"]
HARD += ["1" * 100_000 + "=" + "1" * 100_000, "(" * 50_000 + "=" + ")" * 50_000, "\n" * 20_000]


@pytest.mark.parametrize("text", HARD, ids=range(len(HARD)))
def test_reading_steps_never_raises_and_ends(text):
    for step in equalities(text):
        assert 0 < step.end <= len(text)
    assert all(0 < end <= len(text) for end, _ in totals(text))


def test_a_prompt_of_another_family_is_refused():
    other = Problem(id="7", prompt="What is this?", answer="1")
    with pytest.raises(ArgumentError, match="7 is not an arithmetic problem"):
        expressions.solve(other)
    with pytest.raises(ArgumentError, match=r"operations` must be a whole number in \[1, 20\]"):
        generate(NAME, n=1, operations=21)


def test_reading_steps_of_a_megabyte_is_bounded():
    for text in (
        "1=1\n" * 250_000,
        "1=" * 500_000,
        "1" * 1_000_000,
        "1.1" * 300_000,
        "(=" * 500_000,
    ):
        for step in equalities(text):
            assert step.end <= 100_000
        assert all(end <= 100_000 for end, _ in totals(text))
