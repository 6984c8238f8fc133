"""Steps that a reply shows: equalities, or numbers given one after the other.

Working is read where it stands, without asking for a form: "3 + 4 = 7" in any line is a step, and
so is each part of "2 * 3 + 1 = 6 + 1 = 7". What cannot be read as arithmetic is no step.
"""

import operator
import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise

from gradatim.checkers.extract import extract
from gradatim.rng import digest
from gradatim.types import Problem, Step

READ = 100_000  # characters of a reply that are read
LONGEST = 400  # characters of one side of an equality
SIZE = 4000  # bits of a number, above which an expression has no value

_SIGNS = str.maketrans({"−": "-", "–": "-", "×": "*", "·": "*", "÷": "/"})
_TOKEN = re.compile(r"\s*(?:(\d{1,200}(?:\.\d{1,200})?)|([-+*/^()]))")
_EDGE = r"[-+*/^()\d.\s]"
_HEAD = re.compile(rf"{_EDGE}{{1,{LONGEST}}}")
_NOT_EDGE = re.compile(r"[^-+*/^()\d.\s]")
_WHOLE = re.compile(r"(?<![\d.])-?\d{1,40}(?![\d.]*\d)")
_POWERS = range(10)
_RESULT: dict[str, Callable[[Fraction, Fraction], Fraction]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "^": lambda base, power: base ** int(power),
}
_LEVEL = {"(": 0, "+": 1, "-": 1, "*": 2, "/": 2, "neg": 3, "^": 4}


def _apply(sign: str, values: list[Fraction]) -> bool:
    """Replace the last operands by their result; False where there is none."""
    if len(values) < (1 if sign == "neg" else 2):
        return False
    last = values.pop()
    if sign == "neg":
        values.append(-last)
        return True
    first = values.pop()
    if sign == "/" and not last:
        return False
    if sign == "^" and last not in _POWERS:
        return False
    values.append(_RESULT[sign](first, last))
    return max(values[-1].numerator.bit_length(), values[-1].denominator.bit_length()) <= SIZE


def _unwind(signs: list[str], values: list[Fraction], least: int) -> bool:
    """Apply the waiting signs that bind at least as strongly as `least`."""
    while signs and _LEVEL[signs[-1]] >= least:
        if not _apply(signs.pop(), values):
            return False
    return True


def _push(sign: str, fresh: bool, signs: list[str], values: list[Fraction]) -> bool:
    """Take one sign; `fresh` where an operand must come next. False where it cannot stand here."""
    if sign == "(" or (sign == "-" and fresh):
        signs.append("neg" if sign == "-" else sign)
        return fresh
    if fresh:
        return False
    if sign == ")":
        return _unwind(signs, values, 1) and bool(signs) and signs.pop() == "("
    if not _unwind(signs, values, _LEVEL[sign] + (sign == "^")):  # powers go from right to left
        return False
    signs.append(sign)
    return True


def evaluate(text: str) -> Fraction | None:
    """Value of an expression with + - * / ^ and brackets, or None where it has none.

    Reads with two stacks, exact, bounded in time and size.

    >>> evaluate("3/4 - (1 + 2^2) * 0.5"), evaluate("1 / 0"), evaluate("9^9^9^9")
    (Fraction(-7, 4), None, None)
    """
    values: list[Fraction] = []
    signs: list[str] = []
    fresh, place, text = True, 0, text.translate(_SIGNS).strip()
    if not text or len(text) > LONGEST:
        return None
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            return None
        place = match.end()
        if match[1]:
            if not fresh:
                return None
            values.append(Fraction(match[1]))
            fresh = False
        elif _push(match[2], fresh, signs, values):
            fresh = match[2] != ")"
        else:
            return None
    done = not fresh and _unwind(signs, values, 1) and not signs and len(values) == 1
    return values[0] if done else None


def _lines(text: str) -> Iterator[tuple[int, str]]:
    place = 0
    for line in text.split("\n"):
        yield place, line
        place += len(line) + 1


def _side(part: str) -> Fraction | None:
    """Value of the expression that a part ends in."""
    tail = part[-LONGEST:]
    words = [mark.end() for mark in _NOT_EDGE.finditer(tail)]
    return evaluate(tail[words[-1] if words else 0 :])


def equalities(text: str) -> Iterator[Step]:
    r"""A step for each equality of a reply; legal where both sides have the same value.

    >>> [(s.value, s.legal) for s in equalities("So 3 + 4 = 7.\n7 * 2 = 15")]
    [('7', True), ('15', False)]
    """
    for start, line in _lines(text[:READ]):
        parts = line.translate(_SIGNS).split("=")
        place = start
        for left, right in pairwise(parts):
            place += len(left) + 1
            head = _HEAD.match(right)
            shown = head[0].rstrip(" .\t\r") if head else ""
            value, before = evaluate(shown), _side(left)
            if value is not None and before is not None:
                state = digest("value", value, size=8).hex()
                yield Step(place + len(shown), state, str(value), value == before)


def totals(text: str) -> list[tuple[int, int]]:
    r"""Whole numbers that a reply gives step by step, each with the place where it ends.

    Lines with an equals sign give their last number. Where there are none, the numbers of the
    answer count, one by one.

    >>> totals("0 + 3 = 3\n3 + 4 = 7, modulo 5: 2\n3 2"), totals("It is 3 2")
    ([(9, 3), (32, 2)], [(7, 3), (9, 2)])
    """
    text = text[:READ].translate(_SIGNS)
    found = []
    for start, line in _lines(text):
        if "=" in line:
            numbers = list(_WHOLE.finditer(line, max(0, len(line) - LONGEST)))
            if numbers and numbers[-1].end() > line.rindex("="):
                found.append((start + numbers[-1].end(), int(numbers[-1][0])))
    answer = extract(text).answer
    if found or not answer:
        return found
    start = text.rfind(answer)
    return [(start + n.end(), int(n[0])) for n in _WHOLE.finditer(answer)]


def worked(problem: Problem, text: str) -> Iterator[Step]:
    """The equalities of a reply, as a family's `trace`."""
    return equalities(text)
