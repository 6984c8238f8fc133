"""Chains of operations modulo m: add, subtract, multiply, raise to a power.

The last operation adds or subtracts a number that is uniform below m, so every answer is equally
likely. After each step the number is reduced modulo m; reducing only at the end gives the same.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from gradatim.errors import ArgumentError
from gradatim.families.knobs import complete
from gradatim.families.numbers import check, columns, instance, question
from gradatim.families.steps import totals
from gradatim.rng import Stream, digest
from gradatim.types import Draft, Family, Knob, Problem, Step

POWERS = (2, 3, 4, 5)
TASKS = ("add {}", "subtract {}", "multiply by {}", "raise to the power {}")
SIGNS = "+-*^"

KNOBS = {
    "steps": Knob("operations", 5, 1, 20),
    "modulus": Knob("modulus", 23, 3, 1000),
}
LADDER = columns(
    steps=(2, 3, 4, 5, 6, 8, 10, 12, 15, 20), modulus=(7, 11, 13, 17, 23, 31, 47, 67, 97, 199)
)

_STEP = re.compile(r"(add|subtract|multiply by|raise to the power) (\d+)")


def _apply(sign: str, value: int, number: int) -> int:
    if sign == "+":
        return value + number
    if sign == "-":
        return value - number
    return value * number if sign == "*" else value**number


class _Operation(NamedTuple):
    """One operation: its sign and number, as the list of tasks has it, and as a compact form."""

    sign: str
    number: int
    listed: str
    packed: str


@lru_cache(maxsize=64)
def _operations(modulus: int) -> list[_Operation]:
    """All that a step may do: + and - of 0..m-1, * of 2..m-1, and powers."""
    numbers = (range(modulus), range(modulus), range(2, modulus), POWERS)
    return [
        _Operation(sign, n, task.format(n), f"{sign}{n}")
        for sign, task, some in zip(SIGNS, TASKS, numbers, strict=True)
        for n in some
    ]


def make(stream: Stream, *, steps: int, modulus: int) -> Draft:
    """One chain: every operation with its number equally likely, the last one + or -."""
    operations = _operations(modulus)
    start = value = stream.below(modulus)
    indices = [*stream.draws(len(operations), steps - 1), stream.below(2 * modulus)]
    chain = [operations[index] for index in indices]
    short = f"m{modulus}:{start}{''.join([packed for _, _, _, packed in chain])}="
    if not stream.wants(short):
        return Draft("", "", short)
    lines = []
    for sign, number, _, _ in chain:
        result = _apply(sign, value, number)
        before, value = value, result % modulus
        lines.append(f"{before} {sign} {number} = {result}, modulo {modulus}: {value}\n")
    return question(
        f"Start from {start} and do these operations one after the other, modulo {modulus}.",
        "; ".join([listed for _, _, listed, _ in chain]),
        f"the final number, from 0 to {modulus - 1}",
        answer=str(value),
        working="".join(lines),
        short=short,
    )


def ladder(level: int) -> dict[str, Any]:
    """Knobs of a level, 1..10."""
    return dict(LADDER[level])


def floor(knobs: Mapping[str, Any]) -> float:
    """Every answer is equally likely: 1 / modulus."""
    return 1 / complete(KNOBS, knobs)["modulus"]


def space(knobs: Mapping[str, Any]) -> int:
    """Number of different chains: m starts, 3m + 2 operations a step, 2m for the last."""
    setting = complete(KNOBS, knobs)
    m = setting["modulus"]
    return m * (3 * m - 2 + len(POWERS)) ** (setting["steps"] - 1) * 2 * m


def _read(problem: Problem) -> tuple[int, int, list[tuple[str, int]]]:
    """Start, modulus and operations (sign, number) from the prompt's text."""
    numbers = re.search(r"Start from (\d+) .* modulo (\d+)", str(problem.prompt))
    if numbers is None:
        raise ArgumentError(f"`problem` {problem.id} is not a modular chain")
    words = {"add": "+", "subtract": "-", "multiply by": "*", "raise to the power": "^"}
    found = [(words[word], int(n)) for word, n in _STEP.findall(instance(problem))]
    return int(numbers[1]), int(numbers[2]), found


def solve(problem: Problem) -> str:
    """Answer from the prompt's text alone, by repeated additions and wrapping round."""
    value, modulus, chain = _read(problem)

    def plus(a: int, b: int) -> int:
        return a + b if a + b < modulus else a + b - modulus

    def times(a: int, b: int) -> int:
        total = 0
        for _ in range(b):
            total = plus(total, a)
        return total

    for sign, number in chain:
        if sign in "+-":
            value = plus(value, number if sign == "+" or not number else modulus - number)
        elif sign == "*":
            value = times(value, number)
        else:
            base = value
            for _ in range(number - 1):
                value = times(value, base)
    return str(value)


def trace(problem: Problem, text: str) -> Iterator[Step]:
    """The running numbers of a reply; legal where one follows from the one before it.

    A line with an equals sign ends in its step's number; without such lines, the numbers of the
    answer are the steps. An error is counted once: what follows is judged from the wrong number.
    """
    value, modulus, chain = _read(problem)
    shown = totals(text)
    if len(shown) == 1 and len(chain) > 1:  # the final number alone: no steps
        return
    for i, ((end, stated), (sign, number)) in enumerate(zip(shown, chain, strict=False)):
        legal = stated % modulus == _apply(sign, value, number) % modulus
        value = stated % modulus
        yield Step(end, digest("modular", i, value, size=8).hex(), str(stated), legal)


def effort(problem: Problem) -> float:
    """Additions, subtractions and multiplications of two numbers."""
    return sum(number - 1 if sign == "^" else 1 for sign, number in _read(problem)[2])


FAMILY = Family(
    name="arithmetic.modular",
    doc="a chain of additions, multiplications and powers modulo m",
    version="1",
    knobs=KNOBS,
    make=make,
    check=check,
    ladder=ladder,
    floor=floor,
    space=space,
    solve=solve,
    trace=trace,
    effort=effort,
    effort_unit="operations",
)
