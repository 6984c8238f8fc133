"""Compact forms, worked solutions and steps of sequences."""

import pytest

from gradatim.errors import ArgumentError
from gradatim.families import registry, sequences
from gradatim.families.generation import generate
from gradatim.families.sequences_rules import KINDS, ORDER, RULES, SAME, SIGN, recurrence
from gradatim.families.sequences_search import PrimeRule, contradicted, follows_none, shortest
from gradatim.families.sequences_worked import by_recurrence, on_primes, trace
from gradatim.rng import Stream
from gradatim.solvers.tiny_model import CODE
from gradatim.types import Problem

EVERY = pytest.mark.parametrize("kind", KINDS)


def test_recurrences_of_factors_by_hand():
    assert recurrence((SAME,)) == (1,)  # a constant: x(n) is x(n-1)
    assert recurrence((SAME, SAME, SAME)) == (3, -3, 1)  # squares
    assert recurrence(((1, -2), (1, -3))) == (5, -6)  # 2^n + 3^n: 5, 13 give 5 * 13 - 6 * 5 = 35
    assert recurrence(((1, 0, -1), SAME)) == (1, 1, -1)  # differences in a cycle of two
    assert recurrence((SIGN,)) == (-1,)
    assert recurrence(((1, -1, -1), SAME)) == (2, 0, -1)  # Fibonacci numbers and a constant


def test_solutions_by_hand():
    squares = by_recurrence((SAME,) * 3, [1, 4, 9, 16, 25, 36], 5)
    assert squares == "x(n) is 3 x(n-1) - 3 x(n-2) + x(n-3)\n3 * 25 - 3 * 16 + 9 = 36\n"
    signs = by_recurrence((SIGN,), [3, -3, 3], 2)
    assert signs == "x(n) is - x(n-1)\n- -3 = 3\n"
    gap = by_recurrence(((1, -1, -1), SAME), [6, 6, 7, 8, 10], 4)  # 5 more than 1 1 2 3 5
    assert gap == "x(n) is 2 x(n-1) - x(n-3)\n2 * 8 - 6 = 10\n"
    # 2 p - 1 at every second prime from 3 on: 5 13 25 ... and then 2 * 29 - 1
    rule = PrimeRule("prime", 2, 1, 2, -1, [57])
    assert on_primes(rule, 5).split("\n") == [
        *("x runs through every second of the primes, from 3 on", "2 * 29 - 1 = 57", "")
    ]


@EVERY
def test_the_factors_of_a_rule_give_its_terms(kind):
    for step, (rule, order) in enumerate(zip(RULES[kind], ORDER, strict=True), 1):
        for i in range(12):
            terms, factors = rule.draw(Stream("factors", step, i), 60, 2 * order + 6)
            weights = recurrence(factors)
            assert len(weights) <= order
            assert bool(weights) == (kind != "prime")
            for n in range(len(weights), len(terms)) if weights else ():
                assert terms[n] == sum(w * terms[n - 1 - j] for j, w in enumerate(weights)), step


@EVERY
def test_every_item_has_all_three_within_the_alphabet_of_the_tiny_policy(kind):
    family = registry.get(f"sequences.{kind}")
    for p in generate(family, n=60, level=range(1, 11), seed=5):
        right = p.answer.split(", ")
        assert set(p.compact + p.compact_answer) <= set(CODE)
        assert p.solution.endswith(f"\n{p.answer}")
        called = "terms are" if right[1:] else "term is"
        for text in (p.solution, p.answer, p.compact_answer, f"The next {called} {p.answer}."):
            steps = list(trace(p, text))
            assert [s.value for s in steps] == right, text
            assert all(s.legal for s in steps), text
            assert steps[-1].end == len(text.rstrip(".")) or text == p.solution
        for dress in ("\\boxed{{{}}}", "The answer is {}.", "**{}**"):
            assert family.check(p, dress.format(p.compact_answer)).solved


def squares(answer="64, 81"):
    p = generate("sequences", n=1, kind="algebraic", step=3, shown=7, asked=2, high=60)[0]
    head, _, tail = str(p.prompt).split("\n")
    prompt = f"{head}\n1, 4, 9, 16, 25, 36, 49\n{tail}"
    return Problem(id="1", prompt=prompt, answer=answer, compact_answer=answer.replace(", ", "."))


def legal(p, text):
    return [(s.value, s.legal) for s in trace(p, text)]


def test_an_error_counts_once_among_the_steps():
    p = squares()
    assert legal(p, "64, 81") == legal(p, "64.81") == [("64", True), ("81", True)]
    # 63 is wrong; 3 * 63 - 3 * 49 + 36 = 78 follows from it
    assert legal(p, "63, 78") == [("63", False), ("78", True)]
    assert legal(p, "3 * 49 - 3 * 36 + 25 = 63\n63, 81") == [("63", False)]
    assert legal(p, "64, 81, 100, 121") == [("64", True), ("81", True)]
    assert [s.state for s in trace(p, "64.81")] == [s.state for s in trace(p, "64, 81")]
    assert legal(p, "no idea") == legal(p, "") == []
    with pytest.raises(ArgumentError, match="none of a sequences problem"):
        list(trace(Problem(id="1", prompt="?", answer="1"), "1"))


def test_terms_on_primes_are_right_or_wrong_by_themselves():
    p = generate("sequences.prime", n=1, level=9)[0]
    first, second, third = p.answer.split(", ")
    assert legal(p, f"{int(first) + 1}, {second}, {third}") == [
        *((str(int(first) + 1), False), (second, True), (third, True))
    ]


def test_compact_answers_are_no_second_way_to_be_right():
    p = squares("36, -49")
    for text in ("36.m49", "\\boxed{36.m49}", "36, -49"):
        assert sequences.check(p, text).solved, text
    for text in ("36.49", "m36.m49"):
        assert sequences.check(p, text).reason == "wrong", text
    for text in ("36.m49.1", "36", "36.", "36m49", "36..m49"):
        assert not sequences.check(p, text).solved, text
    one = squares("36")
    assert sequences.check(one, "36").solved
    assert not sequences.check(one, "36.0").solved


def test_what_follows_no_recurrence_is_told_without_divisions():
    """Against the full search, on terms with and without a recurrence, and with a drawn error."""
    seen = set()
    for kind in KINDS:
        for step, order in enumerate(ORDER):
            for i in range(8):
                stream = Stream("none", kind, step, i)
                terms = RULES[kind][step].draw(stream, 60, 2 * order + 1)[0]
                if i % 2:
                    terms[stream.below(len(terms))] += stream.between(1, 9)
                found = follows_none(terms)
                assert found == (2 * len(shortest(terms)[0]) >= len(terms)), terms
                seen.add(found)
    assert seen == {True, False}
    assert contradicted([1, 4, 9, 16, 25, 36, 49], [65])
    assert not contradicted([1, 4, 9, 16, 25, 36, 49], [64])
