"""Lists: sort them, reverse them, select from them, or ask one of 28 questions about them.

The knob `operation` says which; "any" draws from sort, reverse and select, which have a compact
form. The others are rows of `lists_table`; `lists_modes` makes each a family of its own.

Natural answers are numbers separated by spaces. For single digits there is a compact form that a
character model can learn: "s314=" -> "134", "r314=" -> "413", "k2314=" -> "34" (pivot first).
"""

from collections.abc import Mapping
from functools import lru_cache
from math import comb
from typing import Any

from gradatim.checkers.extract import UNPARSED
from gradatim.checkers.lists import located, parse
from gradatim.errors import ArgumentError
from gradatim.families import lists_operations as more
from gradatim.families.lists_steps import effort, solve
from gradatim.families.lists_trace import trace
from gradatim.rng import Stream
from gradatim.types import Draft, Family, Knob, Problem, Verdict

OPERATIONS = ("sort", "reverse", "select")

LADDER = {level: {"length": level + 2, "operation": "any"} for level in range(1, 11)}

KNOBS = {
    "length": Knob("how many numbers the list has", 5, 1, 40),
    "high": Knob("largest number; the compact form needs at most 9", 9, 1, 999),
    "operation": Knob(
        "what to do with the list",
        "any",
        choices=(*OPERATIONS, "any", *more.OPERATIONS),
    ),
}
_PAIRS = ("comparison", "second_maximum", "max_adjacent_difference")  # need two numbers

_ASK = {
    "sort": "Sort these numbers in ascending order:",
    "reverse": "Write these numbers in reverse order:",
    "select": "Keep only the numbers greater than {pivot}, in the order in which they stand:",
}


def _draft(
    operation: str, values: list[int], *, pivot: int, high: int, stream: Stream | None = None
) -> Draft:
    shown = " ".join(map(str, values))
    head = _ASK[operation]
    letter = f"k{pivot}" if operation == "select" else operation[0]
    canonical = f"{letter}: {shown}"
    if stream is not None and not stream.wants(canonical):
        return Draft("", "", canonical)
    if operation == "sort":
        out = sorted(values)
        work = "The numbers from smallest to largest"
    elif operation == "reverse":
        out = values[::-1]
        work = "The numbers from last to first"
    else:
        out = [v for v in values if v > pivot]
        head = head.format(pivot=pivot)
        work = "; ".join(f"{v} {'stays' if v > pivot else 'goes'}" for v in values)
    answer = " ".join(map(str, out))
    small = high <= 9
    return Draft(
        prompt=f"{head}\n{shown}\nAnswer with the numbers separated by spaces, and nothing else.",
        answer=answer,
        canonical=canonical,
        compact=f"{letter}{shown.replace(' ', '')}=" if small else None,
        compact_answer=answer.replace(" ", "") if small else None,
        solution=f"{work}:\n{answer}",
        meta={"operation": operation},
    )


def _need_two(operation: str, length: int) -> None:
    if length < 2 and operation in _PAIRS:
        raise ArgumentError(f"`lists.length` must be at least 2 for '{operation}', got {length}")


def make(stream: Stream, *, length: int, high: int, operation: str) -> Draft:
    """One list problem; the pivot of a selection leaves at least one number."""
    if operation in more.OPERATIONS:
        return more.make(stream, operation, length, high)
    if operation == "any":
        operation = OPERATIONS[stream.below(3)]
    values = stream.draws(high + 1, length)
    pivot = 0
    if operation == "select":
        while not any(values):
            values = stream.draws(high + 1, length)
        pivot = stream.below(max(values))
    return _draft(operation, values, pivot=pivot, high=high, stream=stream)


def _digits(index: int, base: int, n: int) -> list[int]:
    values = []
    for _ in range(n):
        index, digit = divmod(index, base)
        values.append(digit)
    return values


@lru_cache(maxsize=256)
def _space(length: int, high: int, operation: str) -> int:
    if operation in more.OPERATIONS:
        _need_two(operation, length)
        return more.space(operation, length, high)
    if operation == "any":
        return sum(_space(length, high, one) for one in OPERATIONS)
    values = high + 1
    if operation == "select":
        return sum(values**length - (pivot + 1) ** length for pivot in range(high))
    return values**length


def nth(index: int, *, length: int, high: int, operation: str) -> Draft:
    """The index-th instance of the space, 0 <= index < space(knobs)."""
    if operation in more.OPERATIONS:
        return more.nth(index, operation, length, high)
    values = high + 1
    if operation == "any":
        for operation in OPERATIONS:
            size = _space(length, high, operation)
            if index < size:
                break
            index -= size
    if operation != "select":
        return _draft(operation, _digits(index, values, length), pivot=0, high=high)
    pivot = 0
    while index >= (size := values**length - (pivot + 1) ** length):
        index -= size
        pivot += 1
    # lists with a number above the pivot, by the place of the first such number
    first, before = 0, 1
    while index >= (size := before * (high - pivot) * values ** (length - first - 1)):
        index -= size
        first, before = first + 1, before * (pivot + 1)
    index, low = divmod(index, before)
    index, above = divmod(index, high - pivot)
    out = [*_digits(low, pivot + 1, first), pivot + 1 + above]
    out += _digits(index, values, length - first - 1)
    return _draft("select", out, pivot=pivot, high=high)


def check(problem: Problem, text: str | None) -> Verdict:
    """Whether a reply states the list; for single digits "134" is read as "1 3 4"."""
    packed = problem.compact_answer is not None
    if isinstance(text, str):  # compact replies by the hundred thousand: no parsing
        if text == problem.compact_answer or text == problem.answer:
            return Verdict(1.0, True, problem.answer, "correct")
        if problem.meta.get("operation") in more.OPERATIONS:
            return more.check(problem, text)
        if packed and text.isascii() and text.isdigit():
            return Verdict(0.0, False, text, "wrong")
    found = located(problem, text, packed=packed)
    values = None
    if found.answer is not None:
        values = parse(found.answer, packed=packed, how=found.how)
    if values is None:
        return UNPARSED
    stated = " ".join(map(str, values))
    right = stated == problem.answer
    return Verdict(float(right), right, stated, "correct" if right else "wrong")


def ladder(level: int) -> dict[str, Any]:
    """Knobs of a level, 1..10."""
    return dict(LADDER[level])


def floor(knobs: Mapping[str, Any]) -> float:
    """Chance that a guess made of the list's own numbers is right, mean over lists.

    sort, reverse: a random order. With c_v copies of v in a list of length L over H values it is
    prod(c_v!) / L!, and the mean over lists is C(L + H - 1, L) / H^L.
    select: each number kept or not by a coin, not none: 1 / (2^L - 1), exact because the kept
    numbers stand in the list in one way only. The others: see `lists_floors`.
    """
    length, operation = knobs.get("length", 5), knobs.get("operation", "any")
    if operation in more.OPERATIONS:
        return more.floor(operation, length, knobs.get("high", 9))
    values = knobs.get("high", 9) + 1
    order = comb(length + values - 1, length) / values**length
    some = 1 / (2**length - 1)
    return {"select": some, "any": (2 * order + some) / 3}.get(operation, order)


def space(knobs: Mapping[str, Any]) -> int:
    """Number of different instances: lists, times the pivots that leave something for select."""
    return _space(knobs.get("length", 5), knobs.get("high", 9), knobs.get("operation", "any"))


FAMILY = Family(
    name="lists",
    doc="sort, reverse or select from a list of numbers, or one of 28 questions about it",
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
    effort_unit="steps on digits",
)
