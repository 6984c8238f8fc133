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
from functools import partial
from itertools import pairwise
from math import isqrt, prod
from typing import NamedTuple

from gradatim.families import lists_floors as floors

NUMBER = "the number"
FRACTION = "the value as a reduced fraction (as a whole number where it is one)"
WORDS = "one word for each pair of neighbours, separated by spaces"

_LENGTHS = (3, 4, 5, 6, 8, 10, 12, 15, 18, 22)
_ODD = (3, 5, 7, 9, 11, 13, 15, 17, 19, 23)
_HIGHS = (20, 30, 50, 75, 99, 150, 250, 400, 650, 999)
_FEW = (4, 5, 6, 7, 9, 10, 11, 13, 15, 18)  # so few values that some occur again
_FACTORS = (2, 3, 4, 5, 6, 7, 8, 9, 10, 11)  # products grow with every factor
_SMALL = (12, 15, 19, 24, 29, 35, 42, 50, 70, 99)


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
