"""What can be asked of a list of numbers: the easy suite of BeyondBench, one row per operation.

Every operation is defined for every list: ties, equal neighbours and empty results are settled in
the words of its question. Where the answer is rarely a whole number it is an exact fraction.

Ref: Srivastava et al. 2025, BeyondBench, arXiv:2509.24210. Differs: definitions are ours and
complete; operations on two numbers (comparison, division ...) are stretched to whole lists, and
are the published ones at length 2; no answer goes through floating point.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from math import gcd, isqrt, prod
from operator import lt, sub
from typing import Any, NamedTuple

from gradatim.families import lists_floors as floors

NUMBER = "the number"
FRACTION = "the value as a reduced fraction (as a whole number where it is one)"
WORDS = "one word for each pair of neighbours, separated by spaces"

_LENGTHS = (3, 4, 5, 6, 8, 10, 12, 15, 18, 22)
_ODD = (3, 5, 7, 9, 11, 13, 15, 17, 19, 23)
_HIGHS = (20, 30, 50, 75, 99, 150, 250, 400, 650, 999)
_WIDE = (49, 49, 60, 75, 99, 150, 250, 400, 650, 999)  # of lists without negative numbers
_FACTORS = (2, 3, 4, 5, 6, 7, 8, 9, 10, 11)  # products grow with every factor
_SMALL = (40, 40, 40, 40, 42, 45, 50, 60, 75, 99)


class Operation(NamedTuple):
    """One operation.

    Attributes:
        ask: the question, complete; "{divisor}" stands for the operation's parameter.
        find: the numbers (and the divisor) -> the answer.
        floor: (length, values) -> chance of a guess, see `lists_floors`.
        low: smallest number of the lists; -1 stands for minus the largest.
        reply: form of the answer, as the question asks for it.
        lengths, highs: ladder, level 1 first; lengths at which the floor falls.
        counts: (numbers, divisor) -> 1 for each number that is counted, 0 for the others.
        planted: chance alone would leave hardly any that count; so each number is one of those or
            of the others with equal chance.
    """

    ask: str
    find: Callable[..., int | str]
    floor: Callable[[int, int], float]
    low: int = -1
    reply: str = NUMBER
    lengths: tuple[int, ...] = _LENGTHS
    highs: tuple[int, ...] = _HIGHS
    counts: Callable[[list[int], int], list[int]] | None = None
    planted: bool = False


def written(above: int, below: int) -> str:
    """A rational number in lowest terms, whole where it is; `below` is positive.

    >>> written(-6, 8), written(10, 5)
    ('-3/4', '2')
    """
    shared = gcd(above, below)
    return str(above // shared) if shared == below else f"{above // shared}/{below // shared}"


def _order(values: list[int]) -> str:
    return " ".join([
        "less" if a < b else "greater" if a > b else "equal" for a, b in pairwise(values)
    ])


def _median(values: list[int]) -> str:
    ordered, half = sorted(values), len(values) // 2
    return written(ordered[half] + ordered[-1 - half], 2)


def _mode(values: list[int]) -> int:
    counts = Counter(values)
    most = max(counts.values())
    return min(value for value, count in counts.items() if count == most)


def rises(values: list[int]) -> list[int]:
    """Lengths of the longest strictly increasing subsequences that end at each number.

    By the smallest last number of those of each length.

    >>> rises([1, 9, 2, 8, 3, 3])
    [1, 2, 2, 3, 3, 3]
    """
    last: list[int] = []
    out = []
    for value in values:
        place = bisect_left(last, value)
        last[place : place + 1] = [value]
        out.append(place + 1)
    return out


def _positions(values: list[int]) -> int:
    top = max(values)
    return sum(i for i, value in enumerate(values, 1) if value == top)


@lru_cache(maxsize=4096)
def digit_sum(value: int) -> int:
    """Sum of the digits of a number from 0 up.

    >>> digit_sum(305)
    8
    """
    return sum(map(int, str(value)))


@lru_cache(maxsize=4096)
def _palindrome(value: int) -> int:
    return int(str(value) == str(value)[::-1])


@lru_cache(maxsize=4096)
def _square(value: int) -> int:
    return int(isqrt(value) ** 2 == value)


def gaps(values: list[int]) -> list[int]:
    """Absolute differences of neighbours.

    >>> gaps([4, -7, 4])
    [11, 11]
    """
    return list(map(abs, map(sub, values, values[1:])))


def _is_peak(before: int, value: int, after: int) -> bool:
    return before < value > after


def _counting(
    ask: str,
    counts: Callable[[list[int], int], list[int]],
    floor: Callable[[int, int], float],
    **more: Any,
) -> Operation:
    """An operation that counts some of the numbers, each by itself; from 0 up unless said."""

    def find(values: list[int], divisor: int = 0) -> int:
        return sum(counts(values, divisor))

    return Operation(ask, find, floor, counts=counts, **{"low": 0, **more})


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
    "odd_count": _counting(
        "How many of these numbers are odd?",
        lambda values, _: [value & 1 for value in values],
        floors.share_of(lambda n: n // 2),
        highs=_WIDE,
    ),
    "even_count": _counting(
        "How many of these numbers are even? 0 is even.",
        lambda values, _: [1 - (value & 1) for value in values],
        floors.share_of(lambda n: (n + 1) // 2),
        highs=_WIDE,
    ),
    "absolute_difference": Operation(
        "Take the absolute difference of every two neighbouring numbers. What is the sum of these "
        "differences?",
        lambda values: sum(gaps(values)),
        floors.differences,
    ),
    "division": Operation(
        "Divide the first of these numbers by the second, the result by the third, and so on to "
        "the last.",
        lambda values: written(values[0], prod(values[1:])),
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
        lambda values: written(sum(values), len(values)),
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
        lengths=(6, 7, 8, 9, 10, 11, 13, 16, 20, 24),
        highs=(6, 7, 7, 8, 9, 10, 11, 13, 15, 18),
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
    "count_negative": _counting(
        "How many of these numbers are negative? 0 is not.",
        lambda values, _: [int(value < 0) for value in values],
        floors.share_of(lambda n: n // 2),
        low=-1,
    ),
    "count_unique": Operation(
        "How many different values occur among these numbers? A value that occurs several times "
        "counts once.",
        lambda values: len(set(values)),
        floors.different,
        low=0,
        lengths=(5, 6, 8, 9, 11, 14, 17, 22, 28, 36),
        highs=(8, 8, 9, 11, 14, 17, 21, 27, 35, 45),
    ),
    "max_adjacent_difference": Operation(
        "What is the largest absolute difference between two neighbouring numbers?",
        lambda values: max(gaps(values)),
        floors.neighbours,
    ),
    "count_greater_than_previous": Operation(
        "How many of these numbers are greater than the number right before them? The first has "
        "none before it and does not count.",
        lambda values: sum(map(lt, values, values[1:])),
        floors.ascents,
        lengths=(4, 6, 8, 10, 12, 14, 16, 18, 20, 24),
    ),
    "sum_of_max_indices": Operation(
        "Add up all the positions at which the largest of these numbers stands. Positions count "
        "from 1.",
        _positions,
        floors.position,
        low=0,
        lengths=(5, 6, 7, 8, 9, 10, 12, 15, 18, 22),
        highs=(9, 9, 9, 9, 9, 10, 11, 13, 15, 18),
    ),
    "count_palindromic": _counting(
        "How many of these numbers read the same forwards and backwards? Numbers of one digit do.",
        lambda values, _: [_palindrome(value) for value in values],
        floors.share_of(lambda n: n / 2),
        highs=_WIDE,
        planted=True,
    ),
    "longest_increasing_subsequence": Operation(
        "How many numbers has the longest strictly increasing subsequence of these numbers? A "
        "subsequence keeps the order but may leave numbers out.",
        lambda values: max(rises(values)),
        floors.increasing,
        lengths=(3, 4, 5, 7, 8, 11, 15, 16, 20, 21),
    ),
    "sum_of_digits": Operation(
        "Add up all the digits of all these numbers.",
        lambda values: sum(map(digit_sum, values)),
        floors.digits,
        low=0,
        highs=_WIDE,
    ),
    "count_perfect_squares": _counting(
        "How many of these numbers are the square of a whole number? 0 and 1 are.",
        lambda values, _: [_square(value) for value in values],
        floors.share_of(lambda n: n / 2),
        highs=(99, 120, 150, 200, 250, 300, 400, 500, 700, 999),
        planted=True,
    ),
    "alternating_sum": Operation(
        "Take the first of these numbers minus the second plus the third minus the fourth, and so "
        "on with alternating signs to the last. What is the result?",
        lambda values: sum(values[::2]) - sum(values[1::2]),
        floors.total,
    ),
    "count_multiples": _counting(
        "How many of these numbers are multiples of {divisor}? 0 is.",
        lambda values, divisor: [int(value % divisor == 0) for value in values],
        floors.share_of(lambda n: n / 2),
        highs=_WIDE,
        planted=True,
    ),
    "local_maxima_count": Operation(
        "How many of these numbers are greater than the number before them and greater than the "
        "number after them? The first and the last do not count.",
        lambda values: sum(map(_is_peak, values, values[1:], values[2:])),
        floors.peaks,
        lengths=(4, 6, 7, 9, 10, 12, 15, 18, 21, 24),
    ),
}
