"""Random calculations: expressions of 1 to 20 operations with exact rational answers.

Nobody has seen these expressions before, so a model that scores on them calculates. Operands are
whole numbers from 0 to `high`, fractions, squares and cubes; the shape of the expression and its
signs are drawn at random. A sign whose result would leave 9 digits, or divide by 0, is replaced by
the next one that does not. Any exact form of the answer is right; a rounded one is wrong.

Ref: Wu et al. 2025, Reasoning or Memorization?, arXiv:2507.10532 (RandomCalculation). Differs:
answers are exact and right or wrong, not scored by distance.
"""

from collections.abc import Mapping
from functools import lru_cache
from math import gcd
from typing import Any

from gradatim.errors import ArgumentError
from gradatim.families.knobs import complete
from gradatim.families.numbers import check, instance, question
from gradatim.families.steps import evaluate, worked
from gradatim.rng import Stream
from gradatim.types import Draft, Family, Knob, Problem

LIMIT = 10**9  # numerators and denominators stay below, where some sign allows it
SIGNS = "+-*/"
ORDERS = [SIGNS[i:] + SIGNS[:i] for i in range(4)]
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

# text, how strongly it binds (1, 2, 3), numerator, denominator, its value as an operand of a line
# of working, and the line of working that it needs before
Node = tuple[str, int, int, int, str, str]


@lru_cache(maxsize=64)
def _leaves(kind: str, high: int) -> list[Node]:
    """All operands of a kind."""
    if kind == "fractions":
        return [(f"({p}/{q})", 3, p, q, f"({p}/{q})", "") for p, q in FRACTIONS]
    if kind == "powers":
        texts = [(f"{base}^{power}", base**power) for base, power in POWERS]
        return [(text, 3, value, 1, str(value), f"{text} = {value}\n") for text, value in texts]
    return [(str(n), 3, n, 1, str(n), "") for n in range(high + 1)]


@lru_cache(maxsize=64)
def _mixture(high: int) -> list[tuple[list[Node], int]]:
    """The operands of the kinds that a mixed expression draws from, and how many."""
    return [(leaves, len(leaves)) for leaves in (_leaves(kind, high) for kind in KINDS)]


def _operands(stream: Stream, n: int, kind: str, high: int) -> list[Node]:
    if kind != "mixed":
        leaves = _leaves(kind, high)
        return [leaves[i] for i in stream.draws(len(leaves), n)]
    kinds, below = _mixture(high), stream.below
    return [leaves[below(size)] for leaves, size in [kinds[i] for i in stream.draws(4, n)]]


def _made(sign: str, left: Node, right: Node) -> tuple[int, int]:
    """What a sign makes of two operands, reduced; x / 0 has the denominator 0."""
    _, _, a, b, _, _ = left
    _, _, c, d, _, _ = right
    if sign == "+":
        above, below = a * d + c * b, b * d
    elif sign == "-":
        above, below = a * d - c * b, b * d
    elif sign == "*":
        above, below = a * c, b * d
    else:
        above, below = (a * d, b * c) if c > 0 else (-a * d, -b * c)
    if below > 1 and (common := gcd(above, below)) > 1:
        return above // common, below // common
    return above, below


def _smallest(signs: str, left: Node, right: Node) -> tuple[str, int, int]:
    """The first of the signs whose result stays small, else the smallest; and that result."""
    best: tuple[int, str, int, int] | None = None
    for sign in signs:
        above, below = _made(sign, left, right)
        if not below:
            continue
        size = max(abs(above), below)
        if size < LIMIT:
            return sign, above, below
        if best is None or size < best[0]:
            best = (size, sign, above, below)
    assert best is not None  # sums always exist
    return best[1:]


Step = tuple[Node, str, Node, str]  # two operands with the sign between them, and the result


def _joined(stack: list[Node], signs: str, steps: list[Step]) -> None:
    """Replace the last two operands by what a sign makes of them."""
    right = stack.pop()
    left = stack.pop()
    sign = signs[0]
    above, below = _made(sign, left, right)
    if not (-LIMIT < above < LIMIT and 0 < below < LIMIT):
        sign, above, below = _smallest(signs, left, right)
    text, binds, other = left[0], 2, right[0]
    if sign == "+" or sign == "-":
        binds = 1
    elif left[1] == 1:
        text = f"({text})"
    if right[1] <= binds:
        other = f"({other})"
    if below == 1:
        value = str(above)
        shown = value if above >= 0 else f"({value})"
    else:
        value = f"{above}/{below}"
        shown = f"({value})"
    stack.append((f"{text} {sign} {other}", binds, above, below, shown, ""))
    steps.append((left, sign, right, value))


def _grown(stream: Stream, leaves: list[Node]) -> tuple[str, list[Step]]:
    """A random expression over the operands in their order, and its steps.

    Every sign gets a rank of its own, at random, and one of higher rank is applied before its
    neighbours: so every sign is the last one with the same chance, and in its parts again.
    """
    ranks = list(range(len(leaves) - 1))
    stream.shuffle(ranks)
    firsts = stream.draws(4, len(ranks))
    stack, waiting, steps = leaves[:1], [], []
    for leaf, rank in zip(leaves[1:], ranks, strict=True):
        while waiting and waiting[-1] > rank:
            waiting.pop()
            _joined(stack, ORDERS[firsts.pop()], steps)
        waiting.append(rank)
        stack.append(leaf)
    while firsts:
        _joined(stack, ORDERS[firsts.pop()], steps)
    return stack[0][0], steps


def make(stream: Stream, *, operations: int, operands: str, high: int) -> Draft:
    """One expression; the sizes of its parts, operands and signs are uniform."""
    text, steps = _grown(stream, _operands(stream, operations + 1, operands, high))
    if not stream.wants(text):
        return Draft("", "", text)
    lines = [
        f"{left[5]}{right[5]}{left[4]} {sign} {right[4]} = {value}\n"
        for left, sign, right, value in steps
    ]
    return question(
        "Calculate the exact value. Multiplication and division come before addition and "
        "subtraction, and ^ is a power.",
        text,
        "a whole number or a reduced fraction numerator/denominator",
        answer=steps[-1][3],
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
    version="2",
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
