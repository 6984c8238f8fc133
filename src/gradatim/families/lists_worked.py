"""Worked solutions of the operations in `lists_table`, and the letters of their compact forms.

Few and short lines, since whoever learns from them pays for each character. What a line finds
stands behind its last equals sign, where `lists_trace` reads it: one number, or one after the
other as the list is gone through.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from itertools import accumulate, compress, pairwise
from math import gcd

from gradatim.families.formatted import lines
from gradatim.families.lists_table import OPERATIONS, digit_sum, gaps, rises, written

Numbers = list[int]
LETTERS = {
    **{"comparison": "C", "sum": "S", "multiplication": "P", "odd_count": "O", "even_count": "E"},
    **{"absolute_difference": "A", "division": "Q", "find_maximum": "X", "find_minimum": "N"},
    **{"mean": "M", "median": "H", "mode": "F", "subtraction": "B", "second_maximum": "Y"},
    **{"range": "R", "index_of_maximum": "I", "count_negative": "n", "count_unique": "U"},
    **{"max_adjacent_difference": "J", "count_greater_than_previous": "G"},
    **{"sum_of_max_indices": "W", "count_palindromic": "p", "sum_of_digits": "D"},
    **{"longest_increasing_subsequence": "L", "count_perfect_squares": "Z"},
    **{"alternating_sum": "K", "count_multiples": "V", "local_maxima_count": "T"},
}


def _listed(label: str, found: Iterable[int]) -> str:
    return f"{label} = {' '.join(map(str, found))}\n"


def _chain(line: str, start: int, operands: Numbers, changes: Numbers) -> str:
    """Lines that go from one running value to the next."""
    values = list(accumulate(changes, initial=start))
    return lines(line, values[:-1], operands, values[1:])


def _sum(x: Numbers, _: int = 0) -> str:
    return _chain("%d + %d = %d\n", x[0], x[1:], x[1:])


def _subtraction(x: Numbers, _: int) -> str:
    return _chain("%d - %d = %d\n", x[0], x[1:], [-value for value in x[1:]])


def _alternating(x: Numbers, _: int) -> str:
    changes = list(x)
    changes[1::2] = [-value for value in x[1::2]]
    values = list(accumulate(changes))
    signs = ("-+" * len(x))[: len(x) - 1]
    return lines("%d %s %d = %d\n", values[:-1], signs, x[1:], values[1:])


def _multiplication(x: Numbers, _: int) -> str:
    out, product = [], x[0]
    for value in x[1:]:
        out.append(f"{product} * {value} = {product * value}\n")
        product *= value
    return "".join(out)


def _division(x: Numbers, _: int) -> str:
    out, above, below = [], x[0], 1
    shown = str(above)
    for value in x[1:]:
        shared = gcd(above, value)
        above, below = above // shared, below * (value // shared)
        before, shown = shown, written(above, below)
        out.append(f"{before} / {value} = {shown}\n")
    return "".join(out)


def _mean(x: Numbers, _: int) -> str:
    return f"{_sum(x)}{sum(x)} / {len(x)} = {written(sum(x), len(x))}\n"


def _count(name: str, x: Numbers, divisor: int) -> str:
    counts = OPERATIONS[name].counts
    assert counts is not None
    return _listed("counted", compress(x, counts(x, divisor)))


def _ascents(x: Numbers, _: int) -> str:
    return _listed("counted", [b for a, b in pairwise(x) if a < b])


def _peaks(x: Numbers, _: int) -> str:
    near = zip(x, x[1:], x[2:], strict=False)
    return _listed("counted", [b for a, b, c in near if a < b > c])


def _added(label: str, numbers: Numbers) -> str:
    """The numbers, and their sum where there are several."""
    out = _listed(label, numbers)
    return f"{out}{' + '.join(map(str, numbers))} = {sum(numbers)}\n" if numbers[1:] else out


def _extreme(label: str, best: Callable[[int, int], int], x: Numbers, _: int = 0) -> str:
    return _listed(label, accumulate(x, best))


def _place(x: Numbers, _: int) -> str:
    top = max(x)
    return f"{_extreme(LARGEST, max, x)}position of {top} = {x.index(top) + 1}\n"


def _places(x: Numbers, _: int) -> str:
    top = max(x)
    places = [i for i, value in enumerate(x, 1) if value == top]
    return _extreme(LARGEST, max, x) + _added(f"positions of {top}", places)


def _range(x: Numbers, _: int) -> str:
    top, bottom = max(x), min(x)
    return f"largest = {top}\nsmallest = {bottom}\n{top} - {bottom} = {top - bottom}\n"


def _middle(x: Numbers, _: int) -> str:
    ordered, half = sorted(x), len(x) // 2
    out = _listed("in ascending order", ordered)
    if len(x) % 2:
        return out
    a, b = ordered[half - 1 : half + 1]
    return f"{out}({a} + {b}) / 2 = {written(a + b, 2)}\n"


def _occurrences(x: Numbers, _: int) -> str:
    counts = Counter(x)
    return lines("count of %d = %d\n", list(counts), list(counts.values()))


def _compared(x: Numbers, _: int) -> str:
    signs = ["<" if a < b else ">" if a > b else "=" for a, b in pairwise(x)]
    return lines("%d %s %d\n", x[:-1], signs, x[1:])


LARGEST, SMALLEST = "largest so far", "smallest so far"
COUNTED = (
    *("odd_count", "even_count", "count_negative", "count_palindromic", "count_perfect_squares"),
    "count_multiples",
)
WORK: dict[str, Callable[[Numbers, int], str]] = {
    "comparison": _compared,
    "sum": _sum,
    "multiplication": _multiplication,
    "absolute_difference": lambda x, _: _added("differences", gaps(x)),
    "division": _division,
    "find_maximum": partial(_extreme, LARGEST, max),
    "find_minimum": partial(_extreme, SMALLEST, min),
    "mean": _mean,
    "median": _middle,
    "mode": _occurrences,
    "subtraction": _subtraction,
    "second_maximum": lambda x, _: _listed("in descending order", sorted(x, reverse=True)),
    "range": _range,
    "index_of_maximum": _place,
    "count_unique": lambda x, _: _listed("counted", dict.fromkeys(x)),
    "max_adjacent_difference": lambda x, _: _listed("differences", gaps(x)),
    "count_greater_than_previous": _ascents,
    "sum_of_max_indices": _places,
    "longest_increasing_subsequence": lambda x, _: _listed("longest that end here", rises(x)),
    "sum_of_digits": lambda x, _: _added("sums of digits", [digit_sum(value) for value in x]),
    "alternating_sum": _alternating,
    "local_maxima_count": _peaks,
    **{name: partial(_count, name) for name in COUNTED},
}
