"""Whole numbers from one base to another, 2 to 36."""

import re
from collections.abc import Callable, Mapping
from math import log2
from typing import Any

from gradatim.checkers.extract import UNPARSED, announced, extract, plain
from gradatim.families.knobs import complete
from gradatim.families.numbers import columns, instance, question
from gradatim.families.steps import worked
from gradatim.rng import Stream
from gradatim.types import Draft, Family, Knob, Problem, Verdict

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
VALUES = {digit: value for value, digit in enumerate(DIGITS)}

KNOBS = {
    "bits": Knob("binary digits of the number", 12, 2, 64),
    "top": Knob("largest base", 16, 3, 36),
}
LADDER = columns(
    bits=(8, 10, 12, 15, 18, 22, 26, 31, 37, 44), top=(10, 10, 12, 16, 16, 20, 24, 28, 32, 36)
)


def _in_base(number: int, base: int) -> str:
    out = ""
    while number or not out:
        number, digit = divmod(number, base)
        out = DIGITS[digit] + out
    return out


def _problem(
    number: int, source: int, target: int, wants: Callable[[str], bool] | None = None
) -> Draft:
    shown = _in_base(number, source)
    short = f"b{source},{target}:{shown}="
    if wants is not None and not wants(short):
        return Draft("", "", short)
    values = [VALUES[digit] for digit in shown]
    total, lines = values[0], []
    for value in values[1:]:
        after = total * source + value
        lines.append(f"{total} * {source} + {value} = {after}\n")
        total = after
    answer = ""
    while total:
        times, digit = divmod(total, target)
        lines.append(f"{total} - {times} * {target} = {digit}\n")
        answer = DIGITS[digit] + answer
        total = times
    return question(
        f"Convert this number from base {source} to base {target}. "
        "The letters A to Z are the digits from ten on.",
        shown,
        f"the number in base {target}",
        answer=answer,
        working="".join(lines),
        short=short,
    )


def _place(index: int, bits: int, top: int) -> tuple[int, int, int]:
    """Number, source base and target base of the index-th instance."""
    index, number = divmod(index, 1 << (bits - 1))
    source, target = divmod(index, top - 2)
    return number + (1 << (bits - 1)), source + 2, target + 2 + (target >= source)


def nth(index: int, *, bits: int, top: int) -> Draft:
    """The index-th instance: by number, source base and target base."""
    return _problem(*_place(index, bits, top))


def make(stream: Stream, *, bits: int, top: int) -> Draft:
    """One problem, every instance equally likely."""
    index = stream.below((top - 1) * (top - 2) << (bits - 1))  # `space`
    return _problem(*_place(index, bits, top), stream.wants)


def ladder(level: int) -> dict[str, Any]:
    """Knobs of a level, 1..10."""
    return dict(LADDER[level])


def floor(knobs: Mapping[str, Any]) -> float:
    """Chance of a guess among all numbers of the same size: 2^-(bits - 1)."""
    return 2.0 ** -(complete(KNOBS, knobs)["bits"] - 1)


def space(knobs: Mapping[str, Any]) -> int:
    """Number of different instances: 2^(bits - 1) numbers, ordered pairs of bases."""
    setting = complete(KNOBS, knobs)
    return (setting["top"] - 1) * (setting["top"] - 2) << (setting["bits"] - 1)


def _stated(text: str, base: int) -> str | None:
    """A number in a base, without leading zeros, as capitals; None where a text is none."""
    text = re.sub(rf"\s*(?:_\{{?{base}\}}?|\(base {base}\))$", "", text).strip("() ").upper()
    head = {2: "0B", 8: "0O", 16: "0X"}.get(base)
    if head and text.startswith(head):
        text = text[2:]
    known = text.isascii() and text.isalnum() and len(text) <= 400
    return (text.lstrip("0") or "0") if known and max(text) < (DIGITS + "[")[base] else None


def check(problem: Problem, text: str | None) -> Verdict:
    """Whether a reply states the number; small letters and leading zeros are taken."""
    if text == problem.answer:
        return Verdict(1.0, True, problem.answer, "correct")
    found = extract(text)
    asked = re.search(r"to base (\d+)", str(problem.prompt))
    if found.answer is None or asked is None:
        return UNPARSED
    answer = found.answer[-4000:]
    stated = _stated(plain(answer), int(asked[1]))
    if stated is None and found.how == "line":
        stated = _stated(announced(answer) or "", int(asked[1]))
    if stated is None:
        return UNPARSED
    right = stated == problem.answer
    return Verdict(float(right), right, stated, "correct" if right else "wrong")


def solve(problem: Problem) -> str:
    """Answer from the prompt's text alone: Python reads it, largest powers are taken off."""
    source, target = map(int, re.findall(r"base (\d+)", str(problem.prompt))[:2])
    number, place, out = int(instance(problem), source), 1, ""
    while place * target <= number:
        place *= target
    while place:
        out += DIGITS[sum(1 for d in range(1, target) if d * place <= number)]
        number -= int(out[-1], 36) * place
        place //= target
    return out


def effort(problem: Problem) -> float:
    """Bit operations by hand: multiply and add digit by digit to read, divide to write.

    Each costs the bits of the number so far times the bits of the base.
    """
    source, target = map(int, re.findall(r"base (\d+)", str(problem.prompt))[:2])
    work, number = 0.0, 0
    for digit in instance(problem):
        work += log2(number + 1) * log2(source)
        number = number * source + int(digit, 36)
    while number:
        work += log2(number + 1) * log2(target)
        number //= target
    return round(work, 3)


FAMILY = Family(
    name="arithmetic.base",
    doc="a whole number from one base to another, 2 to 36",
    version="1",
    knobs=KNOBS,
    make=make,
    check=check,
    ladder=ladder,
    floor=floor,
    space=space,
    nth=nth,
    solve=solve,
    trace=worked,
    effort=effort,
    effort_unit="bit operations",
)
