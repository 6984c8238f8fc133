"""Steps of a reply about a list: each number that its working finds, and its answer.

Working is read behind the last equals sign of a line: "4 + -7 = -3", "counted = 4 12". A number is
legal where it follows from the list and from the numbers stated before it, so an error counts
once. Whole lists and words are answers whose every part is a step.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import compress, pairwise
from typing import Any, NamedTuple

from gradatim.checkers import numbers
from gradatim.checkers.extract import extract
from gradatim.errors import ArgumentError
from gradatim.families.dotted import unpacked
from gradatim.families.lists_operations import COMPARED
from gradatim.families.lists_table import OPERATIONS, digit_sum, gaps, rises
from gradatim.rng import digest
from gradatim.types import Problem, Step

READ = 100_000  # characters of a reply that are read
_SIGNS = str.maketrans({"−": "-", "–": "-"})
_NUMBER = re.compile(r"(?<![\w.])-?\d{1,40}(?:\.\d{1,40}|/\d{1,40})?(?![\w/]|\.\d)")
_DIVISOR = re.compile(r"multiples of (\d+)")
_WORD = re.compile(r"\b(?:less|equal|greater)\b")

Numbers = list[int]
Said = list[Fraction]
Rule = Callable[[Said], Any]  # what must come next after what was said


class Plan(NamedTuple):
    """What the working finds in turn, and the answer that follows from all of it."""

    rules: list[Rule]
    answer: Rule


def _are(values: Any) -> list[Rule]:
    return [lambda said, value=value: value for value in values]


def _last(start: Any) -> Rule:
    return lambda said: said[-1] if said else start


def _chain(x: Numbers, change: Callable[[Any, int, int], Any]) -> Plan:
    """From the first number on, by (value so far, next number, its place)."""
    before = _last(Fraction(x[0]))
    rules: list[Rule] = [
        lambda said, i=i, value=value: change(before(said), value, i)
        for i, value in enumerate(x[1:], 1)
    ]
    return Plan(rules, before)


def _extremes(x: Numbers, best: Callable[..., Any]) -> list[Rule]:
    """The best number so far, at each place."""
    return [lambda said, value=value: best(said[-1], value) if said else value for value in x]


def _mean(x: Numbers) -> Plan:
    rules, before = _chain(x, lambda total, value, _: total + value)
    return Plan([*rules, lambda said: before(said) / len(x)], before)


def _added(values: Numbers, first: int = 0) -> list[Rule]:
    """Numbers, and the sum of what was said of them where there are several."""
    total: list[Rule] = [lambda said: sum(said[first:])]
    return [*_are(values), *(total if values[1:] else [])]


def _middle(x: Numbers) -> Plan:
    ordered, half = sorted(x), len(x) // 2
    if len(x) % 2:
        return Plan(_are(ordered), lambda said: said[half])
    return Plan(
        [*_are(ordered), lambda said: (said[half - 1] + said[half]) / 2], lambda said: said[-1]
    )


def _commonest(x: Numbers) -> Plan:
    counts = Counter(x)

    def answer(said: Said) -> int:
        return min(value for value, n in zip(counts, said, strict=True) if n == max(said))

    return Plan(_are(counts.values()), answer)


def _places(x: Numbers, first: bool) -> Plan:
    places = [i for i, value in enumerate(x, 1) if value == max(x)]
    rest = _are(places[:1]) if first else _added(places, len(x))
    return Plan([*_extremes(x, max), *rest], lambda said: said[-1])


def _counted(values: Any) -> Plan:
    return Plan(_are(values), lambda said: len(said))


PLANS: dict[str, Callable[[Numbers], Plan]] = {
    "sum": lambda x: _chain(x, lambda total, value, _: total + value),
    "subtraction": lambda x: _chain(x, lambda total, value, _: total - value),
    "alternating_sum": lambda x: _chain(x, lambda total, value, i: total + value * (-1) ** i),
    "multiplication": lambda x: _chain(x, lambda total, value, _: total * value),
    "division": lambda x: _chain(x, lambda total, value, _: total / value),
    "mean": _mean,
    "find_maximum": lambda x: Plan(_extremes(x, max), lambda said: said[-1]),
    "find_minimum": lambda x: Plan(_extremes(x, min), lambda said: said[-1]),
    "index_of_maximum": lambda x: _places(x, True),
    "sum_of_max_indices": lambda x: _places(x, False),
    "range": lambda x: Plan(
        [*_are((max(x), min(x))), lambda said: said[0] - said[1]], lambda said: said[-1]
    ),
    "median": _middle,
    "second_maximum": lambda x: Plan(_are(sorted(x, reverse=True)), lambda said: said[1]),
    "mode": _commonest,
    "absolute_difference": lambda x: Plan(_added(gaps(x)), _last(0)),
    "max_adjacent_difference": lambda x: Plan(_are(gaps(x)), max),
    "sum_of_digits": lambda x: Plan(_added([digit_sum(v) for v in x]), lambda said: said[-1]),
    "longest_increasing_subsequence": lambda x: Plan(_are(rises(x)), max),
    "count_unique": lambda x: _counted(dict.fromkeys(x)),
    "count_greater_than_previous": lambda x: _counted([b for a, b in pairwise(x) if a < b]),
    "local_maxima_count": lambda x: _counted([
        b for a, b, c in zip(x, x[1:], x[2:], strict=False) if a < b > c
    ]),
}


def _plan(operation: str, x: Numbers, divisor: int) -> Plan:
    counts = OPERATIONS[operation].counts
    if counts is not None:
        return _counted(compress(x, counts(x, divisor)))
    return PLANS[operation](x)


def _read(problem: Problem) -> tuple[Numbers, int]:
    """The list, and the divisor of count_multiples."""
    lines = str(problem.prompt).split("\n")
    if len(lines) != 3 or "operation" not in problem.meta:
        raise ArgumentError(f"`problem` {problem.id} is not a lists problem")
    divisor = _DIVISOR.search(lines[0])
    return [int(n) for n in lines[1].split()], int(divisor[1]) if divisor else 0


def _working(text: str) -> list[tuple[int, int, Fraction]]:
    """(line, end, number) of all numbers behind the last equals signs of lines."""
    found, start = [], 0
    for i, line in enumerate(text.split("\n")):
        sign = line.rfind("=")
        for number in _NUMBER.finditer(line, sign + 1) if sign >= 0 else ():
            above, _, below = number[0].partition("/")
            if not below or int(below):
                value = Fraction(above) / (int(below) if below else 1)
                found.append((i, start + number.end(), value))
        start += len(line) + 1
    return found


def _numbers(problem: Problem, operation: str, text: str) -> Iterator[Step]:
    rules, follows = _plan(operation, *_read(problem))
    found, working = extract(text), _working(text)
    last = text.rfind(found.answer) if found.answer else -1
    line = text.count("\n", 0, last) if last >= 0 else -1
    value = numbers.stated(found)
    if value is None and (compact := unpacked(found, 1)):
        value = numbers.parse(compact[0])
    before = [step for step in working if step[0] < line]
    if before != working and (value is None or 0 < len(before) < len(rules)):
        before, value = working, None  # cut inside the working
    said: Said = []
    for rule, (_, end, number) in zip(rules, before, strict=False):
        legal = number == rule(said)
        said.append(number)
        yield _step(operation, len(said), end, (number, legal))
    if found.answer and value is not None:
        whole = len(said) == len(rules)
        right = follows(said) if whole else numbers.parse(problem.answer)
        yield _step(operation, 0, last + len(found.answer), (value, value == right))


def _step(operation: str, place: int, end: int, stated: tuple[Any, bool]) -> Step:
    """A step whose state is the operation, the place in the working (0: the answer), the number."""
    value, legal = stated
    return Step(end, digest("lists", operation, place, str(value), size=8).hex(), str(value), legal)


def _shown(problem: Problem, operation: str, answer: str) -> list[tuple[int, str]]:
    """The numbers or words of an answer, each with the place where it ends."""
    if operation == "comparison":
        if COMPARED.keys() >= set(answer):
            return [(i, COMPARED[letter]) for i, letter in enumerate(answer, 1)]
        return [(word.end(), word[0]) for word in _WORD.finditer(answer.lower())]
    if problem.compact_answer is not None and answer.isascii() and answer.isdigit():
        return list(enumerate(answer, 1))
    return [(number.end(), number[0]) for number in _NUMBER.finditer(answer)]


def _parts(problem: Problem, operation: str, text: str) -> Iterator[Step]:
    answer = extract(text).answer
    if answer is None:
        return
    start, right = text.rfind(answer), problem.answer.split()
    left = sorted(right, key=int) if operation == "sort" else []
    for i, (end, part) in enumerate(_shown(problem, operation, answer)[: len(right)]):
        if left:
            legal = part == left[0]
            left.remove(part if part in left else left[0])
        else:
            legal = part == right[i]
        yield _step(operation, i, start + end, (part, legal))


def trace(problem: Problem, text: str) -> Iterator[Step]:
    """The numbers that the working of a reply finds, and its answer; of lists and words each part.

    A number must follow from those before it as the reply states them; the answer from all of
    them, or where the working is missing or not whole it must be right. A sorted list continues
    with the smallest number that is left; other lists and words are compared place by place.
    """
    operation = problem.meta.get("operation", "")
    text = text[:READ].translate(_SIGNS)
    if operation in PLANS or (operation in OPERATIONS and OPERATIONS[operation].counts):
        return _numbers(problem, operation, text)
    return _parts(problem, operation, text)
