"""Random calculations: expressions of 1 to 20 operations with exact rational answers.

Nobody has seen these expressions before, so a model that scores on them calculates. Operands are
whole numbers from 0 to `high`, fractions, squares and cubes; the shape of the expression and its
signs are drawn at random. A sign whose result would leave 9 digits, or divide by 0, is replaced by
the next one that does not. Any exact form of the answer is right; a rounded one is wrong.

Ref: Wu et al. 2025, Reasoning or Memorization?, arXiv:2507.10532 (RandomCalculation). Differs:
answers are exact and right or wrong, not scored by distance.
"""

from collections.abc import Mapping
from math import gcd
from typing import Any

from gradatim.errors import ArgumentError
from gradatim.families.knobs import complete
from gradatim.families.numbers import check, instance, question, written
from gradatim.families.steps import evaluate, worked
from gradatim.rng import Stream
from gradatim.types import Draft, Family, Knob, Problem

LIMIT = 10**9  # numerators and denominators stay below, where some sign allows it
SIGNS = "+-*/"
FRACTIONS = [(p, q) for q in range(2, 13) for p in range(1, 13) if gcd(p, q) == 1]
POWERS = [(n, 2) for n in range(2, 13)] + [(n, 3) for n in range(2, 7)]
KINDS = ("integers", "integers", "fractions", "powers")  # a mixed expression draws one for each

_SIZES = (1, 2, 3, 4, 5, 7, 9, 12, 16, 20)
_HIGH = (30, 40, 50, 100, 100, 100, 100, 100, 100, 100)
LADDER = {
    level: {
        "operations": _SIZES[level - 1],
        "operands": "integers" if level < 5 else "mixed",
        "high": _HIGH[level - 1],
    }
    for level in range(1, 11)
}

KNOBS = {
    "operations": Knob("signs + - * / in the expression", 4, 1, 20),
    "operands": Knob("what stands between them", "mixed", choices=(*sorted(set(KINDS)), "mixed")),
    "high": Knob("largest whole number", 100, 3, 1000),
}

Node = tuple[str, int, int, int]  # text, how strongly it binds (1, 2, 3), numerator, denominator


def _operand(stream: Stream, kind: str, high: int, lines: list[str]) -> Node:
    if kind == "mixed":
        kind = KINDS[stream.below(4)]
    if kind == "fractions":
        above, below = FRACTIONS[stream.below(len(FRACTIONS))]
        return f"({above}/{below})", 3, above, below
    if kind == "powers":
        base, power = POWERS[stream.below(len(POWERS))]
        lines.append(f"{base}^{power} = {base**power}\n")
        return f"{base}^{power}", 3, base**power, 1
    number = stream.below(high + 1)
    return str(number), 3, number, 1


def _result(sign: str, left: Node, right: Node) -> tuple[int, int] | None:
    _, _, a, b = left
    _, _, c, d = right
    if sign == "*":
        above, below = a * c, b * d
    elif sign == "/":
        if not c:
            return None
        above, below = (a * d, b * c) if c > 0 else (-a * d, -b * c)
    else:
        above, below = (a * d + c * b if sign == "+" else a * d - c * b), b * d
    common = gcd(above, below)
    return above // common, below // common


def _choose(stream: Stream, left: Node, right: Node) -> tuple[str, int, int]:
    """A sign and its result: the first of the four, from a random one on, that stays small."""
    first = stream.below(4)
    best: tuple[int, str, int, int] | None = None
    for i in range(4):
        sign = SIGNS[(first + i) % 4]
        found = _result(sign, left, right)
        if found is None:
            continue
        size = max(abs(found[0]), found[1])
        if size < LIMIT:
            return sign, *found
        if best is None or size < best[0]:
            best = (size, sign, *found)
    assert best is not None  # sums always exist
    return best[1:]


def _shown(node: Node) -> str:
    text = written(node[2], node[3])
    return text if text.isdigit() else f"({text})"


def _grow(stream: Stream, size: int, knobs: tuple[str, int], lines: list[str]) -> Node:
    """A random expression with `size` signs; working is appended to `lines`."""
    if not size:
        return _operand(stream, *knobs, lines)
    before = stream.below(size)
    left = _grow(stream, before, knobs, lines)
    right = _grow(stream, size - 1 - before, knobs, lines)
    sign, above, below = _choose(stream, left, right)
    binds = 1 if sign in "+-" else 2
    lines.append(f"{_shown(left)} {sign} {_shown(right)} = {written(above, below)}\n")
    a = left[0] if left[1] >= binds else f"({left[0]})"
    b = right[0] if right[1] > binds else f"({right[0]})"
    return f"{a} {sign} {b}", binds, above, below


def make(stream: Stream, *, operations: int, operands: str, high: int) -> Draft:
    """One expression; the sizes of its parts, operands and signs are uniform."""
    lines: list[str] = []
    text, _, above, below = _grow(stream, operations, (operands, high), lines)
    return question(
        "Calculate the exact value. Multiplication and division come before addition and "
        "subtraction, and ^ is a power.",
        text,
        "a whole number or a reduced fraction numerator/denominator",
        answer=written(above, below),
        working="".join(lines),
        short=text.replace(" ", "") + "=",
        canonical=text,
    )


def ladder(level: int) -> dict[str, Any]:
    """Knobs of a level, 1..10."""
    return dict(LADDER[level])


def floor(knobs: Mapping[str, Any]) -> float:
    """Chance that the most common answer, 0, is right: about 1 / (high + 1).

    Of one operation on whole numbers, 0 comes of a difference with chance 1 / (high + 1), of a
    quotient with the same, of a product with twice that and of a sum hardly ever. Where fractions
    or powers stand, less often.
    """
    return 1 / (complete(KNOBS, knobs)["high"] + 1)


def space(knobs: Mapping[str, Any]) -> int:
    """Number of different expressions: exact for one sign, else at least the unbracketed sums.

    One sign: 4 choices^2, less the quotients by 0. More: choices^(signs + 1) 2^signs with + and -.
    """
    setting = complete(KNOBS, knobs)
    signs, whole = setting["operations"], setting["high"] + 1
    sizes = {"integers": whole, "fractions": len(FRACTIONS), "powers": len(POWERS)}
    choices = sizes.get(setting["operands"], sum(sizes.values()))
    if signs == 1:
        return 4 * choices**2 - choices * (setting["operands"] in ("integers", "mixed"))
    return choices ** (signs + 1) << signs


def solve(problem: Problem) -> str:
    """Answer from the prompt's text alone, by two stacks of signs and of fractions."""
    value = evaluate(instance(problem))
    if value is None:
        raise ArgumentError(f"`problem` {problem.id} is not an arithmetic problem")
    return str(value)


def effort(problem: Problem) -> float:
    """Operations: signs between operands, and powers."""
    text = instance(problem)
    return sum(text.count(f" {sign} ") for sign in SIGNS) + text.count("^")


FAMILY = Family(
    name="arithmetic.expression",
    doc="random calculations with whole numbers, fractions and powers (RandomCalculation)",
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
    effort_unit="operations",
)
