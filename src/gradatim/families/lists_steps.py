"""Lists worked by hand: a plain procedure for every operation, and how many steps it takes.

The procedures read the question's text and use loops, comparisons and elementary arithmetic only,
so they share nothing with the definitions in `lists_table`. Run on `Counted` numbers they
measure the effort: a comparison, addition or subtraction costs the digits of the longer number, a
multiplication or division the product of the digits.
"""

import re
from collections.abc import Callable
from typing import Any

from gradatim.errors import ArgumentError
from gradatim.types import Problem


class Counted:
    """A whole number whose arithmetic and comparisons are charged to a tally."""

    __slots__ = ("tally", "value")

    def __init__(self, value: int, tally: list[int]) -> None:
        self.value = value
        self.tally = tally

    def _other(self, other: Any, times: bool = False) -> int:
        value = other.value if isinstance(other, Counted) else other
        mine, its = len(str(abs(self.value))), len(str(abs(value)))
        self.tally[0] += mine * its if times else max(mine, its)
        return value

    def __add__(self, other: Any) -> "Counted":
        return Counted(self.value + self._other(other), self.tally)

    def __sub__(self, other: Any) -> "Counted":
        return Counted(self.value - self._other(other), self.tally)

    def __mul__(self, other: Any) -> "Counted":
        return Counted(self.value * self._other(other, True), self.tally)

    def __floordiv__(self, other: Any) -> "Counted":
        return Counted(self.value // self._other(other, True), self.tally)

    def __mod__(self, other: Any) -> "Counted":
        return Counted(self.value % self._other(other, True), self.tally)

    def __rmod__(self, other: int) -> "Counted":
        return Counted(other, self.tally) % self

    def __lt__(self, other: Any) -> bool:
        return self.value < self._other(other)

    def __gt__(self, other: Any) -> bool:
        return self.value > self._other(other)

    def __eq__(self, other: object) -> bool:
        return self.value == self._other(other)

    def __int__(self) -> int:
        return self.value

    __hash__ = None  # type: ignore[assignment]


Numbers = list[Any]  # of int, or of Counted


def _largest(x: Numbers) -> Any:
    best = x[0]
    for value in x[1:]:
        if value > best:
            best = value
    return best


def _smallest(x: Numbers) -> Any:
    best = x[0]
    for value in x[1:]:
        if value < best:
            best = value
    return best


def _sorted(x: Numbers) -> Numbers:
    """By insertion."""
    out: Numbers = []
    for value in x:
        place = len(out)
        while place and out[place - 1] > value:
            place -= 1
        out.insert(place, value)
    return out


def _sorted_by_digits(x: Numbers) -> Numbers:
    """Numbers from 0 up, put into ten bins by each digit in turn, the last digit first."""
    out = x
    for place in range(max(len(str(int(value))) for value in x)):
        bins: list[Numbers] = [[] for _ in range(10)]
        for value in out:
            bins[int(value) // 10**place % 10].append(value + 0)  # one step to move each
        out = [value for part in bins for value in part]
    return out


def _added(x: Numbers) -> Any:
    total = x[0]
    for value in x[1:]:
        total = total + value
    return total


def _multiplied(x: Numbers) -> Any:
    total = x[0]
    for value in x[1:]:
        total = total * value
    return total


def _alternated(x: Numbers) -> Any:
    total = x[0]
    for i in range(1, len(x)):
        total = total - x[i] if i % 2 else total + x[i]
    return total


def _gap(a: Any, b: Any) -> Any:
    return a - b if a > b else b - a


def _gaps(x: Numbers) -> Numbers:
    return [_gap(x[i], x[i + 1]) for i in range(len(x) - 1)]


def _ratio(above: Any, below: Any) -> str:
    """In lowest terms by Euclid's algorithm; the number below is positive."""
    a, b = (above * -1 if above < 0 else above), below
    while b > 0:
        a, b = b, a % b
    shared = int(a)
    top, bottom = int(above) // shared, int(below) // shared
    return str(top) if bottom == 1 else f"{top}/{bottom}"


def _words(x: Numbers) -> str:
    words = []
    for i in range(len(x) - 1):
        words.append("less" if x[i] < x[i + 1] else "greater" if x[i] > x[i + 1] else "equal")
    return " ".join(words)


def _centre(x: Numbers) -> str:
    ordered, n = _sorted(x), len(x)
    if n % 2:
        return str(int(ordered[n // 2]))
    return _ratio(ordered[n // 2 - 1] + ordered[n // 2], 2)


def _groups(x: Numbers) -> list[tuple[Any, int]]:
    """Each value with how often it occurs, found by comparing with the values seen so far."""
    seen: list[tuple[Any, int]] = []
    for value in x:
        for i, (known, count) in enumerate(seen):
            if known == value:
                seen[i] = (known, count + 1)
                break
        else:
            seen.append((value, 1))
    return seen


def _commonest(x: Numbers) -> Any:
    groups = _groups(x)
    best, most = groups[0]
    for value, count in groups[1:]:
        if count > most or (count == most and value < best):
            best, most = value, count
    return best


def _first_largest(x: Numbers) -> int:
    place = 0
    for i in range(1, len(x)):
        if x[i] > x[place]:
            place = i
    return place + 1


def _largest_places(x: Numbers) -> int:
    best, total = x[0], 1
    for i in range(1, len(x)):
        if x[i] > best:
            best, total = x[i], i + 1
        elif x[i] == best:
            total += i + 1
    return total


def _longest_rise(x: Numbers) -> int:
    """By the longest rise that ends at each place."""
    ends: list[int] = []
    for i, value in enumerate(x):
        ends.append(1 + max((ends[j] for j in range(i) if x[j] < value), default=0))
    return max(ends)


def _digits(value: Any) -> list[Any]:
    out = [value % 10]
    while value > 9:
        value = value // 10
        out.append(value % 10)
    return out


def _reads_both_ways(value: Any) -> bool:
    places = _digits(value)
    return all(places[i] == places[-1 - i] for i in range(len(places) // 2))


def _is_square(value: Any) -> bool:
    """Odd numbers add up to squares: 1 + 3 + 5 + ..."""
    odd = 1
    while value > 0:
        value = value - odd
        odd += 2
    return value == 0


def _how_many(test: Callable[[Any], bool], x: Numbers) -> int:
    return sum(1 for value in x if test(value))


def _peaks(x: Numbers) -> int:
    return sum(1 for i in range(1, len(x) - 1) if x[i] > x[i - 1] and x[i] > x[i + 1])


PROCEDURES: dict[str, Callable[[Numbers], Any]] = {
    "Compare each": _words,
    "Add up these numbers": _added,
    "Multiply": _multiplied,
    "are odd": lambda x: _how_many(lambda value: value % 2 == 1, x),
    "are even": lambda x: _how_many(lambda value: value % 2 == 0, x),
    "sum of these differences": lambda x: _added(_gaps(x)) if x[1:] else 0,
    "Divide the first": lambda x: _ratio(x[0], _multiplied(x[1:]) if x[1:] else 1),
    "is the largest of these numbers?": _largest,
    "is the smallest of these numbers?": _smallest,
    "is the mean of these": lambda x: _ratio(_added(x), len(x)),
    "is the median": _centre,
    "occurs most often": _commonest,
    "Subtract all": lambda x: x[0] - _added(x[1:]) if x[1:] else x[0],
    "stands second": lambda x: _sorted(x)[-2],
    "minus the smallest": lambda x: _largest(x) - _smallest(x),
    "At which position": _first_largest,
    "are negative": lambda x: _how_many(lambda value: value < 0, x),
    "different values": lambda x: len(_groups(x)),
    "largest absolute difference": lambda x: _largest(_gaps(x)),
    "right before them": lambda x: sum(1 for i in range(1, len(x)) if x[i - 1] < x[i]),
    "all the positions": _largest_places,
    "forwards and backwards": lambda x: _how_many(_reads_both_ways, x),
    "increasing subsequence": _longest_rise,
    "all the digits": lambda x: _added([digit for value in x for digit in _digits(value)]),
    "square of a whole": lambda x: _how_many(_is_square, x),
    "alternating signs": _alternated,
    "after them": _peaks,
    "in ascending order": _sorted_by_digits,
    "in reverse order": lambda x: [value + 0 for value in x[::-1]],  # one step to copy each
}
_PARAMETER = re.compile(r"multiples of (\d+)|greater than (\d+)")


def _work(problem: Problem, tally: list[int] | None) -> Any:
    lines = str(problem.prompt).split("\n")
    if len(lines) != 3:
        raise ArgumentError(f"`problem` {problem.id} is not a lists problem")
    task, shown = lines[0], lines[1].split()
    x: Numbers = [int(n) if tally is None else Counted(int(n), tally) for n in shown]
    parameter = _PARAMETER.search(task)
    if parameter and parameter[1]:
        return _how_many(lambda value: value % int(parameter[1]) == 0, x)
    if parameter:
        return [value for value in x if value > int(parameter[2])]
    for phrase, procedure in PROCEDURES.items():
        if phrase in task:
            return procedure(x)
    raise ArgumentError(f"`problem` {problem.id} is not a lists problem")


def solve(problem: Problem) -> str:
    """Answer from the prompt's text alone, by the plain procedure.

    Raises:
        ArgumentError: the prompt is none of a lists problem.
    """
    answer = _work(problem, None)
    return " ".join(map(str, answer)) if isinstance(answer, list) else str(answer)


def effort(problem: Problem) -> float:
    """Steps on digits that the plain procedure takes on the problem's list."""
    tally = [0]
    _work(problem, tally)
    return float(tally[0])
