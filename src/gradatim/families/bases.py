"""Whole numbers from one base to another, 2 to 36."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from gradatim.checkers.extract import UNPARSED, announced, extract, plain
from gradatim.families.knobs import complete
from gradatim.families.numbers import columns, instance, question
from gradatim.families.steps import worked
from gradatim.rng import Stream
from gradatim.types import Draft, Family, Knob, Problem, Verdict

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

KNOBS = {
    "digits": Knob("digits of the number", 4, 1, 20),
    "top": Knob("largest base", 16, 3, 36),
}
LADDER = columns(
    digits=(3, 3, 4, 4, 5, 6, 7, 8, 10, 12), top=(8, 10, 12, 16, 16, 20, 24, 28, 32, 36)
)


def _in_base(number: int, base: int) -> str:
    out = ""
    while number or not out:
        number, digit = divmod(number, base)
        out = DIGITS[digit] + out
    return out


def _problem(values: list[int], source: int, target: int) -> Draft:
    number, lines = values[0], []
    for value in values[1:]:
        lines.append(f"{number} * {source} + {value} = {number * source + value}\n")
        number = number * source + value
    answer, left = _in_base(number, target), number
    while left:
        lines.append(f"{left} - {left // target} * {target} = {left % target}\n")
        left //= target
    shown = "".join(DIGITS[v] for v in values)
    return question(
        f"Convert this number from base {source} to base {target}. "
        "The letters A to Z are the digits from ten on.",
        shown,
        f"the number in base {target}",
        answer=answer,
        working="".join(lines),
        short=f"b{source},{target}:{shown}=",
    )


@lru_cache(maxsize=256)
def _space(digits: int, top: int) -> int:
    return (top - 2) * sum((b - 1) * b ** (digits - 1) for b in range(2, top + 1))


def make(stream: Stream, *, digits: int, top: int) -> Draft:
    """One problem: source base, target base and number uniform."""
    source = stream.between(2, top)
    target = 2 + stream.below(top - 2)
    target += target >= source
    values = [stream.between(1, source - 1)]
    values += [stream.below(source) for _ in range(digits - 1)]
    return _problem(values, source, target)


def nth(index: int, *, digits: int, top: int) -> Draft:
    """The index-th instance: by source base, target base, and number."""
    source = 2
    while index >= (size := (top - 2) * (source - 1) * source ** (digits - 1)):
        index -= size
        source += 1
    index, target = divmod(index, top - 2)
    target += 2 + (target + 2 >= source)
    values = []
    for _ in range(digits - 1):
        index, digit = divmod(index, source)
        values.append(digit)
    return _problem([index + 1, *values], source, target)


def ladder(level: int) -> dict[str, Any]:
    """Knobs of a level, 1..10."""
    return dict(LADDER[level])


def floor(knobs: Mapping[str, Any]) -> float:
    """One of the numbers with as many digits in the source base, mean over the bases."""
    setting = complete(KNOBS, knobs)
    digits, bases = setting["digits"], range(2, setting["top"] + 1)
    return sum(1 / ((b - 1) * float(b) ** (digits - 1)) for b in bases) / len(bases)


def space(knobs: Mapping[str, Any]) -> int:
    """Number of different instances: numbers without a leading 0 in each base, times targets."""
    return _space(**complete(KNOBS, knobs))


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
    answer = plain(found.answer[-4000:])
    stated = _stated(answer, int(asked[1]))
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
    """Multiplications to read the number and divisions to write it."""
    return len(instance(problem)) - 1 + len(problem.answer)


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
    effort_unit="digit operations",
)
