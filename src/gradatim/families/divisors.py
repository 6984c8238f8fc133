"""Greatest common divisors and least common multiples.

A planted factor g times numbers that have no common factor: so the greatest common divisor is g,
and every g from 2 to `factor` is equally likely.
"""

from collections.abc import Mapping
from math import factorial, gcd, lcm
from typing import Any

from gradatim.families.knobs import complete, mode
from gradatim.families.numbers import check, columns, instance, question
from gradatim.families.steps import worked
from gradatim.rng import Stream
from gradatim.types import Draft, Family, Knob, Problem

KNOBS = {
    "kind": Knob("greatest common divisor or least common multiple", "gcd", choices=("gcd", "lcm")),
    "numbers": Knob("how many numbers", 2, 2, 6),
    "factor": Knob("largest common factor that is planted", 20, 2, 10_000),
    "high": Knob("largest number that it is multiplied by", 30, 4, 10_000),
}
LADDER = columns(
    numbers=(2, 2, 2, 2, 3, 3, 3, 4, 4, 5),
    factor=(20, 25, 40, 80, 80, 160, 400, 500, 1500, 4000),
    high=(40, 100, 250, 700, 700, 2000, 5000, 6000, 9000, 10_000),
)
TASK = {
    "gcd": "Find the greatest common divisor of these numbers.",
    "lcm": "Find the least common multiple of these numbers.",
}


def _working(kind: str, values: list[int]) -> str:
    """Euclid's algorithm, number after number: (a, b), (b, a mod b) ... while b > 0."""
    lines, common = [], values[0]
    for value in values[1:]:
        a, b = (common, value) if common > value else (value, common)
        while b:
            times, rest = divmod(a, b)
            lines.append(f"{a} - {times} * {b} = {rest}\n")
            a, b = b, rest
        if kind == "lcm":
            multiple = common // a * value
            lines.append(f"{common} * {value} / {a} = {multiple}\n")
            a = multiple
        common = a
    return "".join(lines)


def make(stream: Stream, *, kind: str, numbers: int, factor: int, high: int) -> Draft:
    """One problem: a uniform factor, and uniform numbers without another in common."""
    planted = stream.between(2, factor)
    while True:  # most draws have no common factor: six in ten pairs
        parts = [2 + part for part in stream.draws(high - 1, numbers)]
        if gcd(*parts) == 1:
            break
    values = [planted * part for part in parts]
    canonical = f"{kind} {' '.join(map(str, sorted(values)))}"
    if not stream.wants(canonical):
        return Draft("", "", canonical)
    shown = " ".join(map(str, values))
    return question(
        TASK[kind],
        shown,
        "one whole number",
        answer=str(planted if kind == "gcd" else lcm(*values)),
        working=_working(kind, values),
        short=f"{kind[0]}{shown.replace(' ', ',')}=",
        canonical=canonical,
    )


def ladder(level: int) -> dict[str, Any]:
    """Knobs of a level, 1..10."""
    return dict(LADDER[level])


def floor(knobs: Mapping[str, Any]) -> float:
    """gcd: the planted factor guessed, 1 / (factor - 1).

    lcm: a multiple of the first number guessed, 1 / (high - 1); exact for two numbers, where the
    other's part is uniform but for common factors, and more than the truth for more.
    """
    setting = complete(KNOBS, knobs)
    return 1 / (setting["factor" if setting["kind"] == "gcd" else "high"] - 1)


def space(knobs: Mapping[str, Any]) -> int:
    """At least (factor - 1) (high - 1)^n / (3 n!): more than a third have no common factor."""
    setting = complete(KNOBS, knobs)
    n = setting["numbers"]
    return max(1, (setting["factor"] - 1) * (setting["high"] - 1) ** n // (3 * factorial(n)))


def _primes(number: int) -> dict[int, int]:
    """Exponents of the primes of a number, by trial division."""
    found: dict[int, int] = {}
    divisor = 2
    while divisor * divisor <= number:
        while number % divisor == 0:
            found[divisor] = found.get(divisor, 0) + 1
            number //= divisor
        divisor += 1
    if number > 1:
        found[number] = found.get(number, 0) + 1
    return found


def solve(problem: Problem) -> str:
    """Answer from the prompt's text alone, by prime factors: no division of one by the other."""
    split = [_primes(int(n)) for n in instance(problem).split()]
    choose = min if "divisor" in str(problem.prompt) else max
    answer = 1
    for prime in set().union(*split):
        answer *= prime ** choose(powers.get(prime, 0) for powers in split)
    return str(answer)


def effort(problem: Problem) -> float:
    """Bit operations of Euclid's algorithm by hand, number after number, and of the products.

    Dividing costs the bits of the quotient times those of the divisor.
    """
    values = [int(n) for n in instance(problem).split()]
    common, work, least = values[0], 0, "multiple" in str(problem.prompt)
    for value in values[1:]:
        a, b = max(common, value), min(common, value)
        while b:
            work += (a // b).bit_length() * b.bit_length()
            a, b = b, a % b
        if least:
            work += common.bit_length() * (value // a).bit_length()
            a = common * (value // a)
        common = a
    return work


FAMILY = Family(
    name="arithmetic",
    doc="greatest common divisors and least common multiples",
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
GCD = mode(FAMILY, "gcd", "the greatest common divisor of some numbers", kind="gcd")
LCM = mode(FAMILY, "lcm", "the least common multiple of some numbers", kind="lcm")
