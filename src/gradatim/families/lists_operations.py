"""What can be asked of a list of numbers: the easy suite of BeyondBench, one row per operation.

Every operation is defined for every list: ties, equal neighbours and empty results are settled in
the words of its question. Where the answer is rarely a whole number it is an exact fraction.

Ref: Srivastava et al. 2025, BeyondBench, arXiv:2509.24210. Differs: definitions are ours and
complete; operations on two numbers (comparison, division ...) are stretched to whole lists, and
are the published ones at length 2; no answer goes through floating point.
"""

from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache, partial
from itertools import pairwise
from math import isqrt, prod
from typing import Any, NamedTuple

from gradatim.checkers import numbers
from gradatim.checkers.extract import UNPARSED, announced, extract, plain
from gradatim.families import lists_floors as floors
from gradatim.rng import Stream
from gradatim.types import Draft, Problem, Verdict

NUMBER = "the number"
FRACTION = "the value as a reduced fraction (as a whole number where it is one)"
WORDS = "one word for each pair of neighbours, separated by spaces"
LONGEST = 20_000  # characters of a reply's words that are read

_LENGTHS = (3, 4, 5, 6, 8, 10, 12, 15, 18, 22)
_ODD = (3, 5, 7, 9, 11, 13, 15, 17, 19, 23)
_HIGHS = (20, 30, 50, 75, 99, 150, 250, 400, 650, 999)
_FEW = (4, 5, 6, 7, 9, 10, 11, 13, 15, 18)  # so few values that some occur again
_FACTORS = (2, 3, 4, 5, 6, 7, 8, 9, 10, 11)  # products grow with every factor
_SMALL = (12, 15, 19, 24, 29, 35, 42, 50, 70, 99)
DIVISORS = range(2, 10)


class Operation(NamedTuple):
    """One operation.

    Attributes:
        ask: the question, complete; "{divisor}" stands for the operation's parameter.
        find: the numbers (and the divisor) -> the answer.
        floor: (length, values) -> chance of a guess, see `lists_floors`.
        low: smallest number of the lists; -1 stands for minus the largest.
        reply: form of the answer, as the question asks for it.
        lengths, highs: ladder, level 1 first; lengths at which the floor falls.
        planted: which numbers are counted, where chance alone would leave hardly any; each number
            is one of those or of the others with equal chance.
    """

    ask: str
    find: Callable[..., int | Fraction | str]
    floor: Callable[[int, int], float]
    low: int = -1
    reply: str = NUMBER
    lengths: tuple[int, ...] = _LENGTHS
    highs: tuple[int, ...] = _HIGHS
    planted: Callable[[int, int], bool] | None = None


def _order(values: list[int]) -> str:
    return " ".join(
        "less" if a < b else "greater" if a > b else "equal" for a, b in pairwise(values)
    )


def _median(values: list[int]) -> Fraction:
    ordered, half = sorted(values), len(values) // 2
    return Fraction(ordered[half] + ordered[-1 - half], 2)


def _mode(values: list[int]) -> int:
    counts = Counter(values)
    return min(counts, key=lambda value: (-counts[value], value))


def _increasing(values: list[int]) -> int:
    """Length of the longest strictly increasing subsequence, by its smallest last numbers."""
    last: list[int] = []
    for value in values:
        place = sum(one < value for one in last)
        last[place : place + 1] = [value]
    return len(last)


def _positions(values: list[int]) -> int:
    top = max(values)
    return sum(i for i, value in enumerate(values, 1) if value == top)


def _palindrome(value: int, _: int) -> bool:
    return str(value) == str(value)[::-1]


def _square(value: int, _: int) -> bool:
    return isqrt(value) ** 2 == value


def _multiple(value: int, divisor: int) -> bool:
    return value % divisor == 0


def _count(planted: Callable[[int, int], bool], values: list[int], divisor: int = 0) -> int:
    return sum(planted(value, divisor) for value in values)


OPERATIONS = {
    "comparison": Operation(
        "Compare each of these numbers with the number right after it: write less, equal or "
        "greater where it is less than, equal to or greater than that number.",
        _order,
        floors.zigzag,
        reply=WORDS,
    ),
    "sum": Operation("Add up these numbers.", sum, floors.total),
    "multiplication": Operation(
        "Multiply these numbers with each other.",
        prod,
        floors.last,
        low=2,
        lengths=_FACTORS,
        highs=_SMALL,
    ),
    "odd_count": Operation(
        "How many of these numbers are odd?",
        lambda values: sum(value % 2 for value in values),
        floors.share_of(lambda n: n // 2),
        low=0,
        highs=(9, 19, 49, 79, 99, 199, 299, 499, 699, 999),
    ),
    "even_count": Operation(
        "How many of these numbers are even? 0 is even.",
        lambda values: sum(value % 2 == 0 for value in values),
        floors.share_of(lambda n: (n + 1) // 2),
        low=0,
        highs=(9, 19, 49, 79, 99, 199, 299, 499, 699, 999),
    ),
    "absolute_difference": Operation(
        "Take the absolute difference of every two neighbouring numbers. What is the sum of these "
        "differences?",
        lambda values: sum(abs(a - b) for a, b in pairwise(values)),
        floors.differences,
    ),
    "division": Operation(
        "Divide the first of these numbers by the second, the result by the third, and so on to "
        "the last.",
        lambda values: Fraction(values[0], prod(values[1:])),
        floors.last,
        low=1,
        reply=FRACTION,
        lengths=_FACTORS,
        highs=_SMALL,
    ),
    "find_maximum": Operation("What is the largest of these numbers?", max, floors.top),
    "find_minimum": Operation("What is the smallest of these numbers?", min, floors.top),
    "mean": Operation(
        "What is the mean of these numbers, that is their sum divided by how many they are?",
        lambda values: Fraction(sum(values), len(values)),
        floors.total,
        reply=FRACTION,
    ),
    "median": Operation(
        "What is the median of these numbers, that is the middle one when they are sorted? Of an "
        "even number of numbers it is the mean of the two in the middle.",
        _median,
        floors.middle,
        reply=FRACTION,
        lengths=_ODD,
    ),
    "mode": Operation(
        "Which of these numbers occurs most often? If several do, take the smallest of those.",
        _mode,
        floors.most_common,
        low=0,
        lengths=(4, 5, 6, 7, 9, 11, 13, 16, 20, 24),
        highs=_FEW,
    ),
    "subtraction": Operation(
        "Subtract all the other numbers from the first of these numbers.",
        lambda values: 2 * values[0] - sum(values),
        floors.total,
    ),
    "second_maximum": Operation(
        "Put these numbers in descending order. Which number stands second? It equals the first "
        "where the largest number occurs more than once.",
        lambda values: sorted(values)[-2],
        floors.second,
    ),
    "range": Operation(
        "What is the largest of these numbers minus the smallest of them?",
        lambda values: max(values) - min(values),
        floors.pair,
    ),
    "index_of_maximum": Operation(
        "At which position does the largest of these numbers stand? Positions count from 1; if it "
        "stands at several, take the first.",
        lambda values: values.index(max(values)) + 1,
        floors.top,
    ),
    "count_negative": Operation(
        "How many of these numbers are negative? 0 is not.",
        lambda values: sum(value < 0 for value in values),
        floors.share_of(lambda n: n // 2),
    ),
    "count_unique": Operation(
        "How many different values occur among these numbers? A value that occurs several times "
        "counts once.",
        lambda values: len(set(values)),
        floors.different,
        low=0,
        lengths=(3, 5, 7, 9, 11, 14, 17, 22, 28, 36),
        highs=(5, 6, 9, 11, 14, 17, 21, 27, 35, 45),
    ),
    "max_adjacent_difference": Operation(
        "What is the largest absolute difference between two neighbouring numbers?",
        lambda values: max(abs(a - b) for a, b in pairwise(values)),
        floors.neighbours,
    ),
    "count_greater_than_previous": Operation(
        "How many of these numbers are greater than the number right before them? The first has "
        "none before it and does not count.",
        lambda values: sum(a < b for a, b in pairwise(values)),
        floors.ascents,
        lengths=(4, 6, 8, 10, 12, 14, 16, 18, 20, 24),
    ),
    "sum_of_max_indices": Operation(
        "Add up all the positions at which the largest of these numbers stands. Positions count "
        "from 1.",
        _positions,
        floors.position,
        low=0,
        highs=_FEW,
    ),
    "count_palindromic": Operation(
        "How many of these numbers read the same forwards and backwards? Numbers of one digit do.",
        partial(_count, _palindrome),
        floors.share_of(lambda n: n / 2),
        low=0,
        planted=_palindrome,
    ),
    "longest_increasing_subsequence": Operation(
        "How many numbers has the longest strictly increasing subsequence of these numbers? A "
        "subsequence keeps the order but may leave numbers out.",
        _increasing,
        floors.increasing,
        lengths=(3, 4, 5, 7, 8, 11, 15, 16, 20, 21),
    ),
    "sum_of_digits": Operation(
        "Add up all the digits of all these numbers.",
        lambda values: sum(map(int, "".join(map(str, values)))),
        floors.digits,
        low=0,
    ),
    "count_perfect_squares": Operation(
        "How many of these numbers are the square of a whole number? 0 and 1 are.",
        partial(_count, _square),
        floors.share_of(lambda n: n / 2),
        low=0,
        highs=(99, 120, 150, 200, 250, 300, 400, 500, 700, 999),
        planted=_square,
    ),
    "alternating_sum": Operation(
        "Take the first of these numbers minus the second plus the third minus the fourth, and so "
        "on with alternating signs to the last. What is the result?",
        lambda values: sum(values[::2]) - sum(values[1::2]),
        floors.total,
    ),
    "count_multiples": Operation(
        "How many of these numbers are multiples of {divisor}? 0 is.",
        partial(_count, _multiple),
        floors.share_of(lambda n: n / 2),
        low=0,
        planted=_multiple,
    ),
    "local_maxima_count": Operation(
        "How many of these numbers are greater than the number before them and greater than the "
        "number after them? The first and the last do not count.",
        lambda values: sum(
            a < b > c for a, b, c in zip(values, values[1:], values[2:], strict=False)
        ),
        floors.peaks,
        lengths=(4, 6, 7, 9, 10, 12, 15, 18, 21, 24),
    ),
}


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
