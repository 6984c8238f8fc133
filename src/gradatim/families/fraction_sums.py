"""Sums and differences of fractions, exact: proper reduced fractions with small denominators."""

from collections.abc import Mapping
from functools import lru_cache
from math import gcd
from typing import Any

from gradatim.errors import ArgumentError
from gradatim.families.knobs import complete
from gradatim.families.numbers import check, columns, instance, question
from gradatim.families.steps import evaluate, worked
from gradatim.rng import Stream
from gradatim.types import Draft, Family, Knob, Problem

KNOBS = {
    "terms": Knob("how many fractions", 3, 2, 20),
    "denominator": Knob("largest denominator", 12, 3, 200),
}
LADDER = columns(
    terms=(2, 2, 2, 3, 3, 4, 5, 6, 7, 8), denominator=(6, 12, 25, 25, 60, 60, 60, 60, 80, 80)
)


@lru_cache(maxsize=64)
def _fractions(largest: int) -> list[tuple[int, int]]:
    """Proper reduced fractions with denominators from 2 to `largest`."""
    return [(p, q) for q in range(2, largest + 1) for p in range(1, q) if gcd(p, q) == 1]


@lru_cache(maxsize=64)
def _terms(largest: int) -> list[tuple[str, int, int, str]]:
    """Every term after the first: as it is written, numerator, denominator and sign."""
    return [(f" {sign} {p}/{q}", p, q, sign) for p, q in _fractions(largest) for sign in ("+", "-")]


def make(stream: Stream, *, terms: int, denominator: int) -> Draft:
    """One sum; fractions and signs are uniform, the first sign is plus."""
    choices, signed = _fractions(denominator), _terms(denominator)
    above, below = choices[stream.below(len(choices))]
    drawn = [signed[index] for index in stream.draws(len(signed), terms - 1)]
    before = f"{above}/{below}"
    shown = before + "".join([text for text, _, _, _ in drawn])
    short = shown.replace(" ", "") + "="
    if not stream.wants(short):
        return Draft("", "", short)
    lines = []
    for text, p, q, sign in drawn:
        common = below // gcd(below, q) * q
        a, b = above * (common // below), p * (common // q)
        total = a - b if sign == "-" else a + b
        shrink = gcd(total, common)
        above, below = total // shrink, common // shrink
        after = f"{above}/{below}" if below != 1 else str(above)
        lines.append(f"{before}{text} = {a}/{common} {sign} {b}/{common} = {after}\n")
        before = after
    return question(
        "Calculate the exact value.",
        shown,
        "a whole number or a reduced fraction",
        answer=before,
        working="".join(lines),
        short=short,
    )


def ladder(level: int) -> dict[str, Any]:
    """Knobs of a level, 1..10."""
    return dict(LADDER[level])


def floor(knobs: Mapping[str, Any]) -> float:
    """Largest chance of any constant answer, 1 / (2 F) with F fractions to choose from.

    Given the terms before it, the last one gives a certain sum with one of its 2 F values. With
    two terms the answer 0 reaches this; more terms stay below.
    """
    return 1 / (2 * len(_fractions(complete(KNOBS, knobs)["denominator"])))


def space(knobs: Mapping[str, Any]) -> int:
    """Number of different sums as written: F (2 F)^(terms - 1)."""
    setting = complete(KNOBS, knobs)
    choices = len(_fractions(setting["denominator"]))
    return choices * (2 * choices) ** (setting["terms"] - 1)


def solve(problem: Problem) -> str:
    """Answer from the prompt's text alone, by two stacks of signs and of fractions."""
    value = evaluate(instance(problem))
    if value is None:
        raise ArgumentError(f"`problem` {problem.id} is not an arithmetic problem")
    return str(value)


def effort(problem: Problem) -> float:
    """Bit operations by hand: for each common denominator, for the sum, and to reduce it.

    A product costs the bits of one number times those of the other, a division those of the
    quotient times those of the divisor.
    """
    parts = instance(problem).replace(" - ", " + -").split(" + ")
    above, below = map(int, parts[0].split("/"))
    work = 0

    def common(a: int, b: int) -> int:
        nonlocal work
        while b:
            work += (a // b).bit_length() * b.bit_length()
            a, b = b, a % b
        return a

    for part in parts[1:]:
        p, q = map(int, part.split("/"))
        whole = below // common(max(below, q), min(below, q)) * q
        work += above.bit_length() * (whole // below).bit_length()
        work += p.bit_length() * (whole // q).bit_length()
        above = above * (whole // below) + p * (whole // q)
        shrink = common(whole, abs(above))
        above, below = above // shrink, whole // shrink
    return work


FAMILY = Family(
    name="arithmetic.fraction",
    doc="sums and differences of fractions, exact",
    version="1",
    knobs=KNOBS,
    make=make,
    check=check,
    ladder=ladder,
    floor=floor,
    space=space,
    solve=solve,
    trace=worked,
    effort=effort,
    effort_unit="bit operations",
)
