"""Unsolvable twins of numbers: calculations, requests to a list, sums of a choice."""

from collections import Counter
from collections.abc import Mapping
from fractions import Fraction
from itertools import combinations
from math import comb

from gradatim.checkers import numbers
from gradatim.checkers.abstention import UNSOLVABLE
from gradatim.checkers.extract import Found
from gradatim.families.twins import Instance, Kind, family, stated_list
from gradatim.rng import Stream
from gradatim.types import Knob, Problem

_NAMES = "abcdefghijklmnopqrstuvwxyz"


def _number(found: Found, problem: Problem) -> str | None:
    value = numbers.stated(found)
    return str(value) if value is not None else None


# -- calculations -------------------------------------------------------------------------------


def _run(lines: list[tuple[str, str, str]]) -> list[Fraction | None]:
    """Values of the lines in order: a number, or (operand, sign, operand); None = none."""
    values: dict[str, Fraction | None] = {}
    for i, (left, sign, right) in enumerate(lines):
        a, b = (values.get(x) if x.isalpha() else Fraction(x or 0) for x in (left, right))
        if a is None or b is None or (sign == "/" and not b):
            values[_NAMES[i]] = None
        else:
            results = {"+": a + b, "-": a - b, "*": a * b, "": a}
            values[_NAMES[i]] = a / b if sign == "/" else results[sign]
    return list(values.values())


def _calculation(stream: Stream, steps: int) -> list[tuple[str, str, str]]:
    lines = [(str(stream.between(1, 9)), "", "")]
    divided = stream.between(2, steps)  # one line divides by the line before it
    for i in range(1, steps + 1):
        if i == divided:
            lines.append((str(stream.between(1, 9)), "/", _NAMES[i - 1]))
        else:
            sign = "-" if i == divided - 1 else "+-*"[stream.below(3)]
            lines.append((_NAMES[i - 1], sign, str(stream.between(1, 9))))
    return lines


def _arithmetic_pair(stream: Stream, *, steps: int) -> tuple[Instance, Instance] | None:
    """The second divides by zero, or by a value that no line before has."""
    lines = _calculation(stream, steps)
    values = _run(lines)
    if values[-1] is None or max(abs(v.numerator) for v in values if v is not None) > 10**6:
        return None
    at = next(i for i, line in enumerate(lines) if line[1] == "/")
    if stream.below(2):  # what is divided by becomes 0
        left, sign, right = lines[at - 1]
        before = values[at - 2]
        if before is None or before.denominator > 1 or not 1 <= before <= 9:
            return None
        other, place = (left, sign, str(before)), at - 1
        if right == str(before):
            return None
    else:  # a value that is not there yet
        other, place = (lines[at][0], "/", _NAMES[at + stream.below(len(lines) - at)]), at
    twin = [*lines[:place], other, *lines[place + 1 :]]
    if _run(twin)[-1] is not None:
        return None
    names = str.maketrans(dict(zip(_NAMES, stream.sample(_NAMES, len(lines)), strict=False)))
    answer, meta = str(values[-1]), {"last": _NAMES[steps].translate(names)}
    first, second = (
        "\n".join(f"{_NAMES[i]} = {' '.join(filter(None, line))}" for i, line in enumerate(some))
        for some in (lines, twin)
    )
    return (
        Instance(first.translate(names), answer, meta, first),
        Instance(second.translate(names), answer, meta, second),
    )


def _arithmetic_solve(prompt: str) -> str:
    """From the last line back: what it needs is worked out when it is asked for."""
    *lines, last = prompt.split("\n")[1:]
    given = dict(line.split(" = ") for line in lines)

    def asked(name: str) -> Fraction:
        if not name.isalpha():
            return Fraction(name)
        words = given[name].split()
        if len(words) == 1:
            return asked(words[0])
        a, b = asked(words[0]), asked(words[2])
        return {"+": a.__add__, "-": a.__sub__, "*": a.__mul__, "/": a.__truediv__}[words[1]](b)

    goal = last.split(" value of ")[1].split()[0]
    try:
        return str(asked(goal))
    except (KeyError, ZeroDivisionError, RecursionError):
        return UNSOLVABLE


ARITHMETIC = family(
    Kind(
        name="arithmetic",
        doc="a calculation line by line, which may divide by zero or miss a value",
        knobs={"steps": Knob("lines after the first", 4, 2, 20)},
        levels=tuple({"steps": n} for n in range(2, 12)),
        pair=_arithmetic_pair,
        task=(
            "Work out these lines exactly. A line has a value only if everything in it has one in "
            "a line before it, and nothing is divided by zero."
        ),
        form="Answer with the value of {last} as a whole number or a fraction such as 3/4.",
        read=_number,
        solve=_arithmetic_solve,
        guess=lambda knobs: 1 / 100,
        # the numbers of the lines; with + and - at least half divide by something else than 0
        space=lambda knobs: 9 ** (knobs["steps"] + 1) // 2,
        work=lambda knobs: float(knobs["steps"]),
        unit="lines worked out",
    )
)


# -- requests to a list -------------------------------------------------------------------------


def _only(values: list[int], times: int) -> int | None:
    """The one number that stands there so often; None where there is none, or several."""
    found = [value for value, count in Counter(values).items() if count == times]
    return found[0] if len(found) == 1 else None


def _high(length: int) -> int:
    return max(4, length * 2 // 3)


def _lists_pair(stream: Stream, *, length: int, times: int) -> tuple[Instance, Instance] | None:
    """One number of the list is another in the second; none or several stand there so often."""
    high = _high(length)
    values = [stream.between(1, high) for _ in range(length)]
    answer = _only(values, times)
    if answer is None:
        return None
    for _ in range(20):
        i, other = stream.below(length), stream.between(1, high)
        twin = [*values[:i], other, *values[i + 1 :]]
        if _only(twin, times) is None:
            return tuple(  # type: ignore[return-value]
                Instance(" ".join(map(str, some)), str(answer), {"times": times})
                for some in (values, twin)
            )
    return None


def _lists_space(knobs: Mapping[str, int]) -> int:
    """Lists of two numbers: which, and where the one stands that is asked for."""
    length, times = knobs["length"], knobs["times"]
    high = _high(length)
    return high * (high - 1) * (comb(length, times) if length > 2 * times else 1)


def _lists_solve(prompt: str) -> str:
    """By sorting, and looking at runs of equal numbers."""
    _, shown, last = prompt.split("\n")
    times = int(last.split(" exactly ")[1].split()[0])
    runs: list[list[int]] = []
    for value in sorted(map(int, shown.split())):
        if not runs or runs[-1][0] != value:
            runs.append([])
        runs[-1].append(value)
    fits = [run[0] for run in runs if len(run) == times]
    return str(fits[0]) if len(fits) == 1 else UNSOLVABLE


LISTS = family(
    Kind(
        name="lists",
        doc="a number that a description fits, or none, or several",
        knobs={
            "length": Knob("numbers in the list", 10, 5, 60),
            "times": Knob("how often the number stands there", 2, 1, 4),
        },
        levels=tuple({"length": 6 + 2 * i, "times": 2 + (i > 4)} for i in range(10)),
        pair=_lists_pair,
        task="Look at this list. Only a single number that fits counts as an answer.",
        form="Answer with the number that stands in the list exactly {times} times.",
        read=_number,
        solve=_lists_solve,
        guess=lambda knobs: 1 / 3,
        space=_lists_space,
        work=lambda knobs: float(knobs["length"]),
        unit="numbers to count",
    )
)


# -- sums of a choice ---------------------------------------------------------------------------


def _sums(values: list[int]) -> int:
    """All sums of a choice, as bits of one integer."""
    sums = 1
    for value in values:
        sums |= sums << value
    return sums


def _choice(values: list[int], target: int) -> list[int]:
    """A choice with that sum, which there is: number by number, from the sums of the rest."""
    chosen = []
    for i, value in enumerate(values):
        if not _sums(values[i + 1 :]) >> target & 1:
            chosen.append(value)
            target -= value
    return chosen


def _subset_pair(stream: Stream, *, numbers: int, high: int) -> tuple[Instance, Instance] | None:
    """The second has one number changed so that no choice has the sum: all sums are known."""
    values = [stream.between(2, high) for _ in range(numbers)]
    target = stream.between(max(values) + 1, sum(values) - min(values))
    if not _sums(values) >> target & 1:
        return None
    for _ in range(20):
        i, other = stream.below(numbers), stream.between(2, high)
        twin = [*values[:i], other, *values[i + 1 :]]
        if max(twin) < target <= sum(twin) - min(twin) and not _sums(twin) >> target & 1:
            answer = " ".join(map(str, _choice(values, target)))
            return tuple(  # type: ignore[return-value]
                Instance(" ".join(map(str, v)), answer, {"target": target, "values": v})
                for v in (values, twin)
            )
    return None


def _subset_judge(prompt: str, answer: str) -> bool:
    _, shown, last = prompt.split("\n")
    left = shown.split()
    for word in answer.split():
        if word not in left:
            return False
        left.remove(word)
    return sum(map(int, answer.split())) == int(last.split(" sum is ")[1].split(".")[0])


def _subset_solve(prompt: str) -> str:
    """By trying choices of every size."""
    _, shown, last = prompt.split("\n")
    values, target = list(map(int, shown.split())), int(last.split(" sum is ")[1].split(".")[0])
    for size in range(1, len(values) + 1):
        for chosen in combinations(values, size):
            if sum(chosen) == target:
                return " ".join(map(str, chosen))
    return UNSOLVABLE


SUBSET_SUM = family(
    Kind(
        name="subset_sum",
        doc="numbers with a given sum, or that there are none",
        knobs={
            "numbers": Knob("numbers in the list", 6, 4, 16),
            "high": Knob("largest number", 30, 5, 9999),
        },
        levels=tuple(
            {"numbers": n, "high": high}
            for n, high in zip(
                range(4, 14), (15, 20, 30, 50, 90, 160, 300, 600, 1100, 2000), strict=True
            )
        ),
        pair=_subset_pair,
        task="Choose numbers from this list, each at most as often as it is listed.",
        form="Answer with numbers, separated by spaces, whose sum is {target}.",
        read=stated_list,
        solve=_subset_solve,
        guess=lambda knobs: min(1.0, 4.0 / knobs["high"]),
        # least number 2, no 3, another below `high`, and the sum of all but the least: with the
        # largest raised by one, nothing has that sum
        space=lambda knobs: (
            (knobs["high"] - 3) ** knobs["numbers"] - (knobs["high"] - 4) ** knobs["numbers"] - 1
        ),
        work=lambda knobs: 2.0 ** knobs["numbers"],
        unit="choices that a full search tries",
        right=lambda problem, stated: (
            sum(map(int, stated.split())) == problem.meta["target"]
            and Counter(map(int, stated.split())) <= Counter(problem.meta["values"])
        ),
        judge=_subset_judge,
    )
)
