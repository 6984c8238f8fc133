"""The operations on lists as families of their own: `lists.median`, `lists.sorting` ..."""

from dataclasses import replace
from typing import Any

from gradatim.families import lists_operations
from gradatim.families.knobs import mode
from gradatim.families.lists import FAMILY
from gradatim.types import Family

LADDERS = {
    level: {"length": length, "high": high}
    for level, length, high in zip(
        range(1, 11),
        (3, 4, 5, 6, 8, 10, 12, 15, 18, 22),
        (49, 49, 60, 75, 99, 150, 250, 400, 650, 999),
        strict=True,
    )
}


WIDENED = (
    *("sort", "reverse", "select", "odd_count", "even_count", "multiplication", "division"),
    *("mode", "count_unique", "sum_of_max_indices", "count_palindromic", "sum_of_digits"),
    "count_multiples",
)


def _mode(operation: str, doc: str, name: str = "") -> Family:
    def ladder(level: int) -> dict[str, Any]:
        if operation in lists_operations.OPERATIONS:
            return lists_operations.ladder(operation, level)
        return LADDERS[level] | {"operation": operation}

    # version 2: levels with spaces too small for a thousand different items
    version = "2" if operation in WIDENED else FAMILY.version
    parent = replace(FAMILY, ladder=ladder, version=version)
    return mode(parent, name or operation, doc, operation=operation)


SORTING = _mode("sort", "sort a list in ascending order", "sorting")
REVERSE = _mode("reverse", "write a list in reverse order")
SELECT = _mode("select", "keep the numbers above a pivot")
COMPARISON = _mode("comparison", "compare neighbouring numbers")
SUM = _mode("sum", "add up a list")
MULTIPLICATION = _mode("multiplication", "multiply a list")
ODD_COUNT = _mode("odd_count", "count the odd numbers")
EVEN_COUNT = _mode("even_count", "count the even numbers")
ABSOLUTE_DIFFERENCE = _mode("absolute_difference", "add up the differences of neighbours")
DIVISION = _mode("division", "divide the first number by the others, exactly")
FIND_MAXIMUM = _mode("find_maximum", "the largest number")
FIND_MINIMUM = _mode("find_minimum", "the smallest number")
MEAN = _mode("mean", "the mean, exactly")
MEDIAN = _mode("median", "the median, exactly")
MODE = _mode("mode", "the most common number")
SUBTRACTION = _mode("subtraction", "subtract the others from the first")
SECOND_MAXIMUM = _mode("second_maximum", "the second number in descending order")
RANGE = _mode("range", "largest minus smallest")
INDEX_OF_MAXIMUM = _mode("index_of_maximum", "position of the largest number")
COUNT_NEGATIVE = _mode("count_negative", "count the negative numbers")
COUNT_UNIQUE = _mode("count_unique", "count the different values")
MAX_ADJACENT_DIFFERENCE = _mode("max_adjacent_difference", "the largest difference of neighbours")
ASCENTS = _mode("count_greater_than_previous", "count the ascents")
SUM_OF_MAX_INDICES = _mode("sum_of_max_indices", "add up the positions of the largest number")
COUNT_PALINDROMIC = _mode("count_palindromic", "count the palindromes")
INCREASING = _mode("longest_increasing_subsequence", "length of the longest increasing subsequence")
SUM_OF_DIGITS = _mode("sum_of_digits", "add up all digits")
COUNT_PERFECT_SQUARES = _mode("count_perfect_squares", "count the perfect squares")
ALTERNATING_SUM = _mode("alternating_sum", "add and subtract in turn")
COUNT_MULTIPLES = _mode("count_multiples", "count the multiples of a number")
LOCAL_MAXIMA_COUNT = _mode("local_maxima_count", "count the local maxima")
