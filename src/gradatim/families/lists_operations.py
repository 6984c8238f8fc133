"""Problems of the operations in `lists_table`: drawn, numbered, checked, with floor and ladder."""

from functools import lru_cache
from typing import Any

from gradatim.checkers import numbers
from gradatim.checkers.extract import UNPARSED, announced, extract, plain
from gradatim.families.lists_table import OPERATIONS
from gradatim.rng import Stream
from gradatim.types import Draft, Problem, Verdict

LONGEST = 20_000  # characters of a reply's words that are read
DIVISORS = range(2, 10)  # of count_multiples


def bounds(name: str, high: int) -> tuple[int, int]:
    """Smallest number of an operation's lists, and how many values there are.

    >>> bounds("sum", 9), bounds("mode", 9), bounds("division", 9)
    ((-9, 19), (0, 10), (1, 9))
    """
    low = OPERATIONS[name].low
    low = -high if low < 0 else min(low, high)
    return low, high - low + 1


def draft(name: str, values: list[int], divisor: int = 0) -> Draft:
    """The problem of one list."""
    ask, find, *_ = one = OPERATIONS[name]
    shown = " ".join(map(str, values))
    canonical = f"{name}: {shown}"
    if name == "count_multiples":
        ask = ask.replace("{divisor}", str(divisor))
        canonical = f"{name} {divisor}: {shown}"
        answer = str(find(values, divisor))
    else:
        answer = str(find(values))
    return Draft(
        prompt=f"{ask}\n{shown}\nAnswer with {one.reply}, and nothing else.",
        answer=answer,
        canonical=canonical,
        meta={"operation": name},
    )


@lru_cache(maxsize=256)
def _parts(name: str, divisor: int, high: int) -> list[list[int]]:
    """The values that are counted and the others; one part where all are counted."""
    planted = OPERATIONS[name].planted
    assert planted is not None
    parts: list[list[int]] = [[], []]
    for value in range(high + 1):
        parts[not planted(value, divisor)].append(value)
    return [part for part in parts if part]


def make(stream: Stream, name: str, length: int, high: int) -> Draft:
    """One problem; its numbers are drawn one by one, half of them planted where that is said."""
    below = stream.below
    if OPERATIONS[name].planted is None:
        low, size = bounds(name, high)
        return draft(name, [low + value for value in stream.draws(size, length)])
    divisor = DIVISORS[below(len(DIVISORS))] if name == "count_multiples" else 0
    parts = _parts(name, divisor, high)
    values = [stream.choice(parts[below(len(parts))]) for _ in range(length)]
    return draft(name, values, divisor)


def space(name: str, length: int, high: int) -> int:
    """Number of different instances: lists, times the divisors of count_multiples."""
    size = bounds(name, high)[1] ** length
    return size * len(DIVISORS) if name == "count_multiples" else size


def nth(index: int, name: str, length: int, high: int) -> Draft:
    """The index-th instance of the space."""
    low, size = bounds(name, high)
    divisor = 0
    if name == "count_multiples":
        index, place = divmod(index, len(DIVISORS))
        divisor = DIVISORS[place]
    values = []
    for _ in range(length):
        index, value = divmod(index, size)
        values.append(low + value)
    return draft(name, values, divisor)


def floor(name: str, length: int, high: int) -> float:
    """Chance of a guess, by the rule that `lists_floors` states for the operation."""
    one = OPERATIONS[name]
    if one.planted is not None and len(_parts(name, DIVISORS[0], high)) == 1:
        return 1.0  # every number counts
    return one.floor(length, bounds(name, high)[1])


def ladder(name: str, level: int) -> dict[str, Any]:
    """Knobs of a level, 1..10: longer lists of larger numbers."""
    one = OPERATIONS[name]
    return {"length": one.lengths[level - 1], "high": one.highs[level - 1], "operation": name}


def _words(text: str, how: str) -> str | None:
    known = {"less", "equal", "greater"}
    for part in (plain(text), announced(text) if how == "line" else None):
        if part is not None and len(part) <= LONGEST:
            words = part.replace(",", " ").lower().split()
            if words and known.issuperset(words):
                return " ".join(words)
    return None


def check(problem: Problem, text: str | None) -> Verdict:
    """Whether a reply states the number, by value, or the words."""
    found = extract(text)
    if found.answer is None:
        return UNPARSED
    if problem.meta["operation"] == "comparison":
        stated = _words(found.answer, found.how)
        right = stated == problem.answer
    else:
        value = numbers.stated(found)
        stated = None if value is None else str(value)
        right = value is not None and value == numbers.parse(problem.answer)
    if stated is None:
        return UNPARSED
    return Verdict(float(right), right, stated, "correct" if right else "wrong")
