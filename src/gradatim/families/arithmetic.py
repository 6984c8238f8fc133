"""Arithmetic that a small model can learn: sums in small bases, chains of running totals.

chain: start from 0, add digits one after the other, write each running total modulo m.
sum: add two numbers of k digits in base b; a leading digit may be 0.

Compact forms pad the operands to `width`, so that operand i and answer i stand equally far apart
at every length. Compact sums are little-endian (carries run in the order of writing) and end in
"r", for reversed: "30r" can be read as 03 in no other way, while a bare "30" always means most
significant digit first. So no wrong answer passes as the other form of a right one.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from math import log2
from typing import Any

from gradatim.checkers.extract import UNPARSED, announced, extract, plain
from gradatim.checkers.lists import located, parse
from gradatim.errors import ArgumentError
from gradatim.families.knobs import complete, mode
from gradatim.families.steps import totals
from gradatim.rng import Stream, digest
from gradatim.types import Draft, Family, Knob, Problem, Step, Verdict

KINDS = ("sum", "chain")

_SHARED = {"kind": "any", "width": 13}
# the table of facts grows with the level: a tiny policy learns short and long operands at once
_CHAIN = (3, 3, 3, 3, 5, 5, 5, 5, 7, 7)  # modulus by level
_SUM = ((2, 7), (2, 8), (3, 6), (3, 7), (4, 7), (4, 8), (5, 8), (5, 9), (6, 9), (6, 10))
LADDER = {
    level: {
        **_SHARED,
        "steps": level + 3,
        "modulus": _CHAIN[level - 1],
        "base": _SUM[level - 1][0],
        "digits": _SUM[level - 1][1],
    }
    for level in range(1, 11)
}

KNOBS = {
    "kind": Knob("sums in a base, chains, or both", "any", choices=(*KINDS, "any")),
    "steps": Knob("numbers in a chain", 5, 1, 20),
    "modulus": Knob("modulus of a chain", 5, 2, 10),
    "digits": Knob("digits of each number of a sum", 4, 1, 20),
    "base": Knob("base of a sum", 4, 2, 10),
    "width": Knob("places that the compact form pads operands to", 12, 1, 20),
}


def _code(number: int) -> str:
    return "t" if number == 10 else str(number)


Wants = Callable[[str], bool] | None


def _chain(operands: list[int], modulus: int, width: int, wants: Wants = None) -> Draft:
    digits = "".join(map(str, operands))
    shown = " ".join(digits)
    canonical = f"chain {modulus}: {shown}"
    if wants is not None and not wants(canonical):
        return Draft("", "", canonical)
    total, totals, lines = 0, [], []
    for operand in operands:
        after = total + operand
        left = after % modulus
        lines.append(f"{total} + {operand} = {after}, modulo {modulus}: {left}\n")
        total = left
        totals.append(str(left))
    answer = " ".join(totals)
    fits = len(operands) <= width
    return Draft(
        prompt=(
            "Start from 0 and add these numbers one after the other. "
            f"After each one, write the running total modulo {modulus}.\n{shown}\n"
            "Answer with the running totals separated by spaces, and nothing else."
        ),
        answer=answer,
        canonical=canonical,
        compact=f"c{_code(modulus)}{digits.ljust(width, '.')}=" if fits else None,
        compact_answer=answer.replace(" ", "") if fits else None,
        solution="".join(lines) + answer,
        meta={"kind": "chain"},
    )


def _sum(numbers: list[int], base: int, width: int, wants: Wants = None) -> Draft:
    """The digits of both numbers, little-endian; so are the places that are added."""
    n = len(numbers) // 2
    text = "".join(map(str, numbers))
    little_a, little_b, big = text[:n], text[n:], text[::-1]
    canonical = f"sum {base}: {big[n:]} {big[:n]}"
    if wants is not None and not wants(canonical):
        return Draft("", "", canonical)
    carry, places, lines = 0, [], []
    for a, b in zip(numbers, numbers[n:], strict=False):
        before = carry
        carry, digit = divmod(a + b + carry, base)
        lines.append(f"{a} + {b} + carry {before}: write {digit}, carry {carry}\n")
        places.append(str(digit))
    little = f"{''.join(places)}{carry}"
    answer = little[::-1].lstrip("0") or "0"
    fits = n <= width
    padded = f"{little_a.ljust(width, '.')}{little_b.ljust(width, '.')}"
    return Draft(
        prompt=(
            f"Add these two numbers, which are written in base {base}:\n"
            f"{big[n:]} + {big[:n]}\n"
            f"Answer with the sum in base {base}, most significant digit first, and nothing else."
        ),
        answer=answer,
        canonical=canonical,
        compact=f"+{_code(base)}{padded}=" if fits else None,
        compact_answer=f"{little}r" if fits else None,
        solution="".join(lines) + answer,
        meta={"kind": "sum", "base": base},
    )


def _digits(index: int, base: int, n: int) -> list[int]:
    values = []
    for _ in range(n):
        index, digit = divmod(index, base)
        values.append(digit)
    return values


@lru_cache(maxsize=256)
def _space(kind: str, steps: int, digits: int, base: int) -> int:
    sizes = {"chain": 10**steps, "sum": base ** (2 * digits)}
    return sizes["chain"] + sizes["sum"] if kind == "any" else sizes[kind]


def nth(
    index: int, *, kind: str, steps: int, modulus: int, digits: int, base: int, width: int
) -> Draft:
    """The index-th instance of the space: chains, then sums."""
    chains = 10**steps
    if kind == "chain" or (kind == "any" and index < chains):
        return _chain(_digits(index, 10, steps), modulus, width)
    both = _digits(index - chains * (kind == "any"), base, 2 * digits)
    return _sum(both, base, width)


def make(
    stream: Stream, *, kind: str, steps: int, modulus: int, digits: int, base: int, width: int
) -> Draft:
    """One problem, every instance of its kind equally likely; both kinds are, for "any"."""
    if kind == "any":
        kind = KINDS[stream.below(2)]
    if kind == "chain":
        index = stream.below(10**steps)
        return _chain(_digits(index, 10, steps), modulus, width, stream.wants)
    index = stream.below(base ** (2 * digits))
    return _sum(_digits(index, base, 2 * digits), base, width, stream.wants)


def _number(answer: str, base: int) -> str | None:
    """Digits of a number, most significant first, without leading zeros; None if it is none."""
    text = re.sub(rf"_\{{?{base}\}}?$", "", answer).strip("()")
    return (text.lstrip("0") or "0") if text.isascii() and text.isdigit() else None


def _check_sum(problem: Problem, answer: str, how: str) -> Verdict:
    base = problem.meta["base"]
    stated = None
    for part in (plain(answer), announced(answer) if how == "line" else None):
        if part is None or stated is not None:
            continue
        if part[-1:] == "r" and part.isascii() and part[:-1].isdigit():
            little = problem.compact_answer
            if little is None or len(part) != len(little):
                return UNPARSED
            stated = part[-2::-1].lstrip("0") or "0"
        else:
            stated = _number(part, base)
    if stated is None:
        return UNPARSED
    right = stated == problem.answer
    return Verdict(float(right), right, stated, "correct" if right else "wrong")


def check(problem: Problem, text: str | None) -> Verdict:
    """Whether a reply states the totals or the sum, in natural or compact form."""
    chain = problem.meta.get("kind") == "chain"
    if isinstance(text, str):  # compact replies by the hundred thousand: no parsing
        if text == problem.compact_answer or text == problem.answer:
            return Verdict(1.0, True, problem.answer, "correct")
        if chain and text.isascii() and text.isdigit():
            return Verdict(0.0, False, text, "wrong")
        if not chain and text[-1:] == "r" and text[:-1].isdigit() and text.isascii():
            if len(text) != len(problem.compact_answer or ""):
                return UNPARSED
            return Verdict(0.0, False, text[-2::-1], "wrong")
    found = located(problem, text, packed=True) if chain else extract(text)
    if found.answer is None:
        return UNPARSED
    if not chain:
        return _check_sum(problem, found.answer, found.how)
    values = parse(found.answer, packed=True, how=found.how)
    if values is None:
        return UNPARSED
    stated = " ".join(map(str, values))
    right = stated == problem.answer
    return Verdict(float(right), right, stated, "correct" if right else "wrong")


def ladder(level: int) -> dict[str, Any]:
    """Knobs of a level, 1..10."""
    return dict(LADDER[level])


def floor(knobs: Mapping[str, Any]) -> float:
    """Chance of a blind guess.

    chain: every total guessed among 0..m-1: m^-n. sum: k digits and a carry: b^-k / 2.
    """
    setting = complete(KNOBS, knobs)
    chain = setting["modulus"] ** -float(setting["steps"])
    total = setting["base"] ** -float(setting["digits"]) / 2
    return {"chain": chain, "sum": total, "any": (chain + total) / 2}[setting["kind"]]


def space(knobs: Mapping[str, Any]) -> int:
    """Number of different instances: 10^steps chains, base^(2 digits) ordered pairs of a sum."""
    setting = complete(KNOBS, knobs)
    return _space(setting["kind"], setting["steps"], setting["digits"], setting["base"])


def _read(problem: Problem) -> tuple[str, list[str], int]:
    """Kind, operands and modulus or base from the prompt's text."""
    lines = str(problem.prompt).split("\n")
    constants = re.search(r"(?:modulo|base) (\d+)", lines[0])
    if not isinstance(problem.prompt, str) or len(lines) < 2 or constants is None:
        raise ArgumentError(f"`problem` {problem.id} is not an arithmetic problem")
    chain = "running total" in lines[0]
    operands = lines[1].split(" " if chain else " + ")
    return "chain" if chain else "sum", operands, int(constants[1])


def solve(problem: Problem) -> str:
    """Answer from the prompt's text alone, through Python's own integers."""
    kind, numbers, constant = _read(problem)
    if kind == "chain":
        operands = [int(n) for n in numbers]
        return " ".join(str(sum(operands[: i + 1]) % constant) for i in range(len(operands)))
    left, right = numbers
    total, out = int(left, constant) + int(right, constant), ""
    while total or not out:
        out = str(total % constant) + out
        total //= constant
    return out


def _trace_chain(operands: list[int], modulus: int, text: str) -> Iterator[Step]:
    shown, stripped = totals(text), text.strip()
    if len(shown) == 1 and stripped.isascii() and stripped.isdigit():  # compact: a digit each
        start = text.index(stripped) + 1
        shown = [(start + i, int(c)) for i, c in enumerate(stripped)]
    total = 0
    for i, ((end, stated), operand) in enumerate(zip(shown, operands, strict=False)):
        legal = stated == (total + operand) % modulus
        total = stated % modulus
        yield Step(end, digest("chain", i, stated, size=8).hex(), str(stated), legal)


def _trace_sum(operands: list[str], base: int, text: str) -> Iterator[Step]:
    places = max(map(len, operands))
    first, second = ([int(d) for d in reversed(n.rjust(places, "0"))] for n in operands)
    shown = [(m.end(), int(m[1])) for m in re.finditer(r"write (\d)\b", text)]
    stripped = text.strip()
    if not shown and stripped[-1:] == "r" and re.fullmatch("[0-9]+", stripped[:-1]):
        start = text.index(stripped) + 1
        shown = [(start + i, int(c)) for i, c in enumerate(stripped[:-1])]
    carry = 0
    pairs = zip(shown, [*first, 0], [*second, 0], strict=False)
    for i, ((end, stated), a, b) in enumerate(pairs):
        carry, digit = divmod(a + b + carry, base)
        yield Step(end, digest("sum", i, stated, size=8).hex(), str(stated), stated == digit)


def trace(problem: Problem, text: str) -> Iterator[Step]:
    """The running totals of a chain, or the digits of a sum from the last one on, in a reply.

    A total is legal where it follows from the one before it, as the reply states that; so an error
    counts once. A digit is legal where it is the sum's. Read are lines of working ("3 + 4 = 7,
    modulo 5: 2"; "write 2"), compact replies, and the totals of a chain's answer.
    """
    kind, operands, constant = _read(problem)
    if kind == "chain":
        return _trace_chain([int(n) for n in operands], constant, text)
    return _trace_sum(operands, constant, text)


def effort(problem: Problem) -> float:
    """Elementary operations: an addition and a reduction per number of a chain; a sum's bits.

    A sum of k digits in base b writes k + 1 places of log2(b) bits each.
    """
    kind, operands, constant = _read(problem)
    if kind == "chain":
        return 2 * len(operands)
    return round((max(map(len, operands)) + 1) * log2(constant), 3)


FAMILY = Family(
    name="arithmetic",
    doc="sums in small bases and chains of running totals",
    version="1",
    knobs=KNOBS,
    make=make,
    check=check,
    ladder=ladder,
    floor=floor,
    space=space,
    nth=nth,
    solve=solve,
    trace=trace,
    effort=effort,
    effort_unit="elementary operations",
)
CHAIN = mode(FAMILY, "chain", "running totals modulo m", kind="chain")
SUM = mode(FAMILY, "sum", "the sum of two numbers in a small base", kind="sum")
