"""Polynomials in x with whole coefficients: a value, a product of factors, all roots.

value: put a number from 2 to 9, or its negative, for x. expand: multiply out linear factors
a x + b, a from 1 to 3, without a common factor of a and b, so that a product comes of one choice
of factors only. roots: a polynomial whose roots are whole numbers, not 0, times a small number.

Ref: Sun et al. 2025, OMEGA, arXiv:2506.18880 (roots of polynomials among its skills). Differs:
ours are drawn from stated ranges with whole roots, and are also evaluated and multiplied out.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from math import comb, factorial, gcd, prod
from typing import Any

from gradatim.checkers.extract import UNPARSED
from gradatim.checkers.lists import located, parse
from gradatim.errors import ArgumentError
from gradatim.families import numbers
from gradatim.families.knobs import complete
from gradatim.families.numbers import columns, instance, question
from gradatim.families.steps import worked
from gradatim.rng import Stream
from gradatim.types import Draft, Family, Knob, Problem, Verdict

Numbers = list[int]  # coefficients, highest power first

KINDS: tuple[str, ...] = ("value", "expand", "roots")
PLACES = [*range(-9, -1), *range(2, 10)]  # what is put for x
TIMES = (1, -1, 2, -2, 3, -3)  # what a polynomial with whole roots is multiplied by

KNOBS = {
    "kind": Knob("value, product of factors, roots, or all three", "any", choices=(*KINDS, "any")),
    "degree": Knob("highest power of x", 3, 2, 8),
    "high": Knob("largest coefficient, constant of a factor, or root", 12, 4, 99),
}
LADDER = columns(
    degree=(2, 2, 2, 3, 3, 4, 4, 5, 5, 6), high=(9, 15, 25, 25, 40, 40, 60, 60, 80, 80)
)
TASKS = {
    "value": "Find the value of this polynomial at x = {}.",
    "expand": "Multiply out this product of polynomials.",
    "roots": "Find all roots of this polynomial. All of them are whole numbers.",
}
FORMS = {
    "value": "one whole number",
    "expand": (
        "the coefficients of the product, from the highest power of x to the constant, with 0 "
        "where a power is missing, separated by spaces"
    ),
    "roots": (
        "the roots from the smallest to the largest, each as often as it is a root, separated by "
        "spaces"
    ),
}
METAS = {kind: {"kind": kind} for kind in KINDS}


def _shown(coefficients: Numbers) -> str:
    """A polynomial as it is written: "2x^3 - x + 1"."""
    text, power = "", len(coefficients)
    for coefficient in coefficients:
        power -= 1
        if coefficient:
            size = abs(coefficient)
            x = "" if not power else "x" if power == 1 else f"x^{power}"
            text += f" {'-' if coefficient < 0 else '+'} {'' if size == 1 and x else size}{x}"
    return f"-{text[3:]}" if coefficients[0] < 0 else text[3:]


def _safe(number: int) -> str:
    """A number as it stands after a sign."""
    return f"({number})" if number < 0 else str(number)


def _horner(coefficients: Numbers, x: int, lines: list[str]) -> Numbers:
    """Horner's scheme: coefficients of the quotient by (X - x), then the value at x."""
    values, at = [coefficients[0]], _safe(x)
    for coefficient in coefficients[1:]:
        sign = "-" if coefficient < 0 else "+"
        after = values[-1] * x + coefficient
        lines.append(f"{values[-1]} * {at} {sign} {abs(coefficient)} = {after}\n")
        values.append(after)
    return values


def _times(coefficients: Numbers, a: int, b: int) -> Numbers:
    """The coefficients times a x + b."""
    raised, kept = [*coefficients, 0], [0, *coefficients]
    return [a * high + b * low for high, low in zip(raised, kept, strict=True)]


def _value(stream: Stream, degree: int, high: int) -> Draft:
    """Every coefficient uniform from -high to high, the first one not 0."""
    first = stream.below(2 * high) - high
    rest = [number - high for number in stream.draws(2 * high + 1, degree)]
    coefficients = [first + (first >= 0), *rest]
    x = PLACES[stream.below(len(PLACES))]
    short = f"p{','.join(map(str, coefficients))}:{x}="
    if not stream.wants(short):
        return Draft("", "", short)
    lines: list[str] = []
    answer = str(_horner(coefficients, x, lines)[-1])
    task, shown = TASKS["value"].format(x), _shown(coefficients)
    working = "".join(lines)
    return question(
        *(task, shown, FORMS["value"]),
        answer=answer,
        working=working,
        short=short,
        meta=METAS["value"],
    )


@lru_cache(maxsize=128)
def _factors(high: int) -> list[tuple[int, int]]:
    """Pairs (a, b) of the factors a x + b: a positive, b not 0, nothing in common."""
    some = [b for b in range(-high, high + 1) if b]
    return [(a, b) for a in (1, 2, 3) for b in some if gcd(a, b) == 1]


def _expand(stream: Stream, degree: int, high: int) -> Draft:
    """Uniform factors; in another order they are the same instance."""
    choices = _factors(high)
    drawn = [choices[i] for i in stream.draws(len(choices), degree)]
    short = f"e{';'.join([f'{a},{b}' for a, b in sorted(drawn)])}="
    if not stream.wants(short):
        return Draft("", "", short)
    coefficients, lines = list(drawn[0]), []
    for a, b in drawn[1:]:
        by, left, after = _safe(b), coefficients[0], [coefficients[0] * a]
        lines.append(f"{left} * {a} = {after[0]}\n")
        for right in coefficients[1:]:
            after.append(right * a + left * b)
            shown = left if left >= 0 else f"({left})"
            lines.append(f"{right} * {a} + {shown} * {by} = {after[-1]}\n")
            left = right
        after.append(left * b)
        lines.append(f"{left} * {by} = {after[-1]}\n")
        coefficients = after
    answer = " ".join(map(str, coefficients))
    shown = "".join([f"({_shown([a, b])})" for a, b in drawn])
    working = "".join(lines)
    return question(
        *(TASKS["expand"], shown, FORMS["expand"]),
        answer=answer,
        working=working,
        short=short,
        meta=METAS["expand"],
    )


def _roots(stream: Stream, degree: int, high: int) -> Draft:
    """Uniform roots from -high to high, not 0."""
    coefficients = [TIMES[stream.below(len(TIMES))]]
    roots = sorted([n - high + (n >= high) for n in stream.draws(2 * high, degree)])
    for root in roots:
        coefficients = _times(coefficients, 1, -root)
    short = f"r{','.join(map(str, coefficients))}="
    if not stream.wants(short):
        return Draft("", "", short)
    lines, left = [], coefficients
    for root in roots:  # divided by one factor after the other: nothing is left over
        left = _horner(left, root, lines)[:-1]
    answer, shown = " ".join(map(str, roots)), _shown(coefficients)
    working = "".join(lines)
    return question(
        *(TASKS["roots"], shown, FORMS["roots"]),
        answer=answer,
        working=working,
        short=short,
        meta=METAS["roots"],
    )


MAKERS = {"value": _value, "expand": _expand, "roots": _roots}


def make(stream: Stream, *, kind: str, degree: int, high: int) -> Draft:
    """One problem; the three kinds are equally likely for "any"."""
    if kind == "any":
        kind = KINDS[stream.below(len(KINDS))]
    return MAKERS[kind](stream, degree, high)


def check(problem: Problem, text: str | None) -> Verdict:
    """Whether a reply states the number, or the list of numbers in its order."""
    if text == problem.answer:  # short replies by the hundred thousand: no parsing
        return Verdict(1.0, True, problem.answer, "correct")
    if problem.meta.get("kind") == "value":
        return numbers.check(problem, text)
    found = located(problem, text)
    values = parse(found.answer, how=found.how) if found.answer is not None else None
    if values is None:
        return UNPARSED
    stated = " ".join(map(str, values))
    right = stated == problem.answer
    return Verdict(float(right), right, stated, "correct" if right else "wrong")


def ladder(level: int) -> dict[str, Any]:
    """Knobs of a level, 1..10: higher powers, larger numbers."""
    return dict(LADDER[level])


def floor(knobs: Mapping[str, Any]) -> float:
    """Chance of the best answer that is always the same; for "any" the mean of the three.

    value: the constant is uniform whatever the rest is: 1 / (2 high + 1). expand and roots: n
    uniform choices in one order: at most n! / choices^n.
    """
    setting = complete(KNOBS, knobs)
    degree, high = setting["degree"], setting["high"]
    orders = factorial(degree)
    chances = {
        "value": 1 / (2 * high + 1),
        "expand": orders / len(_factors(high)) ** degree,
        "roots": orders / (2 * high) ** degree,
    }
    return chances.get(setting["kind"], sum(chances.values()) / len(chances))


def space(knobs: Mapping[str, Any]) -> int:
    """Number of different instances.

    value: coefficients and places. expand: multisets of factors. roots: multisets of roots, times
    what they are multiplied by.
    """
    setting = complete(KNOBS, knobs)
    degree, high = setting["degree"], setting["high"]
    sizes = {
        "value": 2 * high * (2 * high + 1) ** degree * len(PLACES),
        "expand": comb(len(_factors(high)) + degree - 1, degree),
        "roots": comb(2 * high + degree - 1, degree) * len(TIMES),
    }
    return sizes.get(setting["kind"], sum(sizes.values()))


# -- reading a question back --------------------------------------------------------------------

_TERM = re.compile(r"([+-]?) ?(?:(\d+)(x?)|(x))(?:\^(\d+))?")


def _read(text: str) -> dict[int, int]:
    """Coefficients by power of a polynomial as it is written."""
    found: dict[int, int] = {}
    for sign, size, named, alone, power in _TERM.findall(text):
        at = int(power or 1) if named or alone else 0
        found[at] = found.get(at, 0) + (-1 if sign == "-" else 1) * int(size or 1)
    return found


def _asked(problem: Problem) -> tuple[str, int, list[dict[int, int]]]:
    """Kind, the number put for x (0 where none is), and the polynomials of a question."""
    task = str(problem.prompt).split("\n")[0]
    kind = next((kind for kind in KINDS if task.startswith(TASKS[kind][:13])), None)
    if kind is None:
        raise ArgumentError(f"`problem` {problem.id} is not about polynomials")
    shown = instance(problem)
    parts = re.findall(r"\(([^()]+)\)", shown) if kind == "expand" else [shown]
    place = re.search(r"x = (-?\d+)", task)
    return kind, int(place[1]) if place else 0, [_read(part) for part in parts]


def _at(polynomial: Mapping[int, int], x: int) -> int:
    return sum(coefficient * x**power for power, coefficient in polynomial.items())


def _digits(number: int, base: int, n: int) -> Numbers:
    """n digits of a number from -base/2 to base/2, the highest first."""
    out: Numbers = []
    for _ in range(n):
        digit = (number + base // 2) % base - base // 2
        number = (number - digit) // base
        out.append(digit)
    return out[::-1]


def _zeros(polynomial: dict[int, int]) -> Numbers:
    """Whole roots with their multiplicity: zeros of the polynomial and of its derivatives."""
    degree, out, size = max(polynomial), [], 0
    while len(out) < degree:
        size += 1
        for x in (size, -size):
            current = polynomial
            while current and not _at(current, x):
                out.append(x)
                current = {power - 1: power * c for power, c in current.items() if power}
    return sorted(out)


def solve(problem: Problem) -> str:
    """Answer from the prompt's text alone, without Horner's scheme or products of polynomials.

    A value is a sum of powers. A product is read off its value at a number so large that its
    coefficients are the digits there. Roots are tried one by one.
    """
    kind, place, parts = _asked(problem)
    if kind == "value":
        return str(_at(parts[0], place))
    if kind == "roots":
        return " ".join(map(str, _zeros(parts[0])))
    base = 1 << 64
    product = prod(_at(part, base) for part in parts)
    return " ".join(map(str, _digits(product, base, len(parts) + 1)))


def _row(polynomial: Mapping[int, int]) -> Numbers:
    return [polynomial.get(power, 0) for power in range(max(polynomial), -1, -1)]


def effort(problem: Problem) -> float:
    """Products of two numbers by hand.

    value: one for each power, by Horner's scheme. expand: of the coefficients so far with both
    numbers of the next factor. roots: Horner's scheme at 1, -1, 2, -2 ... where these divide the
    constant, and again with the quotient where one is a root.
    """
    kind, _, parts = _asked(problem)
    if kind == "value":
        return max(parts[0])
    if kind == "expand":
        return sum(2 * number for number in range(2, len(parts) + 1))
    left, work, x = _row(parts[0]), 0, 1
    while len(left) > 1:
        values = _horner(left, x, []) if left[-1] % x == 0 else [1]
        work += len(values) - 1
        if values[-1] == 0:
            left = values[:-1]
        else:
            x = -x if x > 0 else 1 - x
    return work


FAMILY = Family(
    name="arithmetic.polynomial",
    doc="polynomials: a value, a product of factors, all roots",
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
    effort_unit="products of two numbers",
)
