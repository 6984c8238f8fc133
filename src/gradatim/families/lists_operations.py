"""Problems of the operations in `lists_table`: drawn, numbered, checked, with floor and ladder."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from gradatim.checkers import numbers
from gradatim.checkers.extract import UNPARSED, Found, announced, extract, plain
from gradatim.families.dotted import packed, unpacked
from gradatim.families.lists_table import OPERATIONS, WORDS
from gradatim.families.lists_worked import LETTERS, WORK
from gradatim.rng import Stream
from gradatim.types import Draft, Problem, Verdict

LONGEST = 20_000  # characters of a reply's words that are read
DIVISORS = range(2, 10)  # of count_multiples
COMPARED = {"l": "less", "e": "equal", "g": "greater"}


def bounds(name: str, high: int) -> tuple[int, int]:
    """Smallest number of an operation's lists, and how many values there are.

    >>> bounds("sum", 9), bounds("mode", 9), bounds("division", 9)
    ((-9, 19), (0, 10), (1, 9))
    """
    low = OPERATIONS[name].low
    low = -high if low < 0 else min(low, high)
    return low, high - low + 1


def _every(canonical: str) -> bool:
    return True


def draft(
    name: str, values: list[int], divisor: int = 0, wants: Callable[[str], bool] = _every
) -> Draft:
    """The problem of one list, with its worked solution; no more than its name if not wanted.

    In compact form it is a letter, the divisor of count_multiples, and the numbers: "X12.m7.4="
    asks for the largest of 12, -7 and 4, and comparisons are answered by first letters, "gl".
    """
    shown = " ".join(map(str, values))
    multiples = name == "count_multiples"
    canonical = f"{name} {divisor}: {shown}" if multiples else f"{name}: {shown}"
    if not wants(canonical):
        return Draft("", "", canonical)
    ask, find, *_ = one = OPERATIONS[name]
    letter = LETTERS[name]
    if multiples:
        ask, letter = ask.replace("{divisor}", str(divisor)), f"{letter}{divisor}."
        answer = str(find(values, divisor))
    else:
        answer = str(find(values))
    return Draft(
        prompt=f"{ask}\n{shown}\nAnswer with {one.reply}, and nothing else.",
        answer=answer,
        canonical=canonical,
        compact=f"{letter}{packed(shown)}=",
        compact_answer=initials(answer) if one.reply == WORDS else packed(answer),
        solution=WORK[name](values, divisor) + answer,
        meta={"operation": name},
    )


@lru_cache(maxsize=256)
def _parts(name: str, divisor: int, high: int) -> list[list[int]]:
    """The values that are counted and the others; one part where all are counted."""
    counts = OPERATIONS[name].counts
    assert counts is not None
    parts: list[list[int]] = [[], []]
    for value, flag in enumerate(counts(list(range(high + 1)), divisor)):
        parts[not flag].append(value)
    return [part for part in parts if part]


def make(stream: Stream, name: str, length: int, high: int) -> Draft:
    """One problem; its numbers are drawn one by one, half of them planted where that is said."""
    below = stream.below
    if not OPERATIONS[name].planted:
        low, size = bounds(name, high)
        values = [low + value for value in stream.draws(size, length)]
        return draft(name, values, wants=stream.wants)
    divisor = DIVISORS[below(len(DIVISORS))] if name == "count_multiples" else 0
    parts = _parts(name, divisor, high)
    kinds, values = len(parts), []
    for _ in range(length):
        part = parts[below(kinds)]
        values.append(part[below(len(part))])
    return draft(name, values, divisor, stream.wants)


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
    if one.planted and len(_parts(name, DIVISORS[0], high)) == 1:
        return 1.0  # every number counts
    return one.floor(length, bounds(name, high)[1])


def ladder(name: str, level: int) -> dict[str, Any]:
    """Knobs of a level, 1..10: longer lists of larger numbers."""
    one = OPERATIONS[name]
    return {"length": one.lengths[level - 1], "high": one.highs[level - 1], "operation": name}


def initials(words: str) -> str:
    """The compact form of comparisons.

    >>> initials("less equal")
    'le'
    """
    return "".join([word[0] for word in words.split()])


def _words(found: Found) -> str | None:
    text = found.answer or ""
    for part in (plain(text), announced(text) if found.how == "line" else None):
        if part is not None and len(part) <= LONGEST:
            words = part.replace(",", " ").lower().split()
            if words and all(word in COMPARED.values() for word in words):
                return " ".join(words)
            if words and COMPARED.keys() >= set(part):
                return " ".join([COMPARED[letter] for letter in part])
    return None


def check(problem: Problem, text: str | None) -> Verdict:
    """Whether a reply states the number, by value, or the words; both also in compact form."""
    found = extract(text)
    if found.answer is None:
        return UNPARSED
    if problem.meta["operation"] == "comparison":
        stated = _words(found)
        right = stated == problem.answer
    else:
        value = numbers.stated(found)
        if value is None and (compact := unpacked(found, 1)):
            value = numbers.parse(compact[0])
        stated = None if value is None else str(value)
        right = value is not None and value == numbers.parse(problem.answer)
    if stated is None:
        return UNPARSED
    return Verdict(float(right), right, stated, "correct" if right else "wrong")
