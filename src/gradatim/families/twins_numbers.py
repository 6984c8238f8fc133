"""Unsolvable twins of numbers: equations, calculations, requests to a list, sums of a choice."""

import re
from collections import Counter
from collections.abc import Mapping
from fractions import Fraction
from itertools import combinations
from math import comb

from gradatim.checkers import lists, numbers
from gradatim.checkers.abstention import UNSOLVABLE
from gradatim.checkers.extract import Found
from gradatim.families.twins import Instance, Kind, family
from gradatim.rng import Stream
from gradatim.types import Knob, Problem

_NAMES = "abcdefghijklmnopqrstuvwxyz"


def _number(found: Found, problem: Problem) -> str | None:
    value = numbers.stated(found)
    return str(value) if value is not None else None


def _list(found: Found, problem: Problem) -> str | None:
    values = lists.parse(found.answer or "", how=found.how)
    return " ".join(map(str, values)) if values is not None else None


# -- equations ----------------------------------------------------------------------------------

Row = list[int]  # coefficients, then the right side


def _terms(row: Row) -> str:
    shown = ""
    for coefficient, name in zip(row, _NAMES[-len(row) + 1 :], strict=False):
        if coefficient:
            sign = " - " if coefficient < 0 else " + "
            size = abs(coefficient)
            shown += f"{sign}{size if size > 1 else ''}{name}"
    first = "-" if shown.startswith(" - ") else ""
    return f"{first}{shown[3:]} = {row[-1]}"


def _eliminated(rows: list[Row]) -> list[list[Fraction]]:
    """Reduced row echelon form, exact."""
    table = [[Fraction(value) for value in row] for row in rows]
    done = 0
    for column in range(len(table[0])):
        at = next((i for i in range(done, len(table)) if table[i][column]), None)
        if at is None:
            continue
        table[done], table[at] = table[at], table[done]
        pivot = table[done][column]
        table[done] = [value / pivot for value in table[done]]
        for i, row in enumerate(table):
            if i != done and row[column]:
                factor = row[column]
                table[i] = [a - factor * b for a, b in zip(row, table[done], strict=True)]
        done += 1
    return table[:done]


def _one_solution(rows: list[Row]) -> bool:
    """Whether rank of the coefficients = rank with the right sides = number of unknowns."""
    unknowns = len(rows[0]) - 1
    table = _eliminated(rows)
    return len(table) == unknowns and not any(not any(row[:-1]) for row in table)


def _equations_pair(
    stream: Stream, *, unknowns: int, high: int
) -> tuple[Instance, Instance] | None:
    """One equation more than unknowns; the second has a contradiction, or one condition less.

    Contradicted: the right side of one equation is another. Removed: an equation that is needed
    is replaced by a sum of two others. Ranks prove both.
    """
    values = [stream.between(-high, high) for _ in range(unknowns)]
    rows: list[Row] = []
    for _ in range(unknowns + 1):
        row = [stream.between(-4, 4) for _ in range(unknowns)]
        rows.append([*row, sum(c * v for c, v in zip(row, values, strict=True))])
    if any(not any(row[:-1]) for row in rows) or not _one_solution(rows):
        return None
    i = stream.below(len(rows))
    if stream.below(2):
        other = [*rows[i][:-1], rows[i][-1] + stream.choice((-3, -2, -1, 1, 2, 3))]
    else:
        j, k = stream.sample([j for j in range(len(rows)) if j != i], 2)
        other = [a + b for a, b in zip(rows[j], rows[k], strict=True)]
    twin = [*rows[:i], other, *rows[i + 1 :]]
    if not any(other[:-1]) or _one_solution(twin):
        return None
    if max(abs(c) for c in other[:-1]) > 4:  # a large coefficient would tell
        return None
    names = ", ".join(_NAMES[-unknowns:])
    answer = " ".join(map(str, values))
    return tuple(  # type: ignore[return-value]
        Instance("\n".join(map(_terms, some)), answer, {"n": unknowns, "names": names})
        for some in (rows, twin)
    )


_TERM = re.compile(r"([+-]?)\s*(\d*)([a-z])")


def _equations_solve(prompt: str) -> str:
    """By Cramer's rule on the equations of the prompt; determinants by expansion."""
    lines = prompt.split("\n")[1:-1]
    names = re.findall(
        r"\b[a-z]\b", prompt.split("\n")[-1].split(" values of ")[1].split(" in ")[0]
    )
    rows = []
    for line in lines:
        left, _, right = line.partition(" = ")
        row = dict.fromkeys(names, 0)
        for sign, size, name in _TERM.findall(left):
            row[name] += (-1 if sign == "-" else 1) * int(size or 1)
        rows.append([*row.values(), int(right)])
    n = len(names)
    for chosen in combinations(rows, n):
        whole = _determinant([row[:-1] for row in chosen])
        if whole:
            found = [
                Fraction(_determinant([[*r[:i], r[-1], *r[i + 1 : -1]] for r in chosen]), whole)
                for i in range(n)
            ]
            fits = all(sum(c * v for c, v in zip(r, found, strict=False)) == r[-1] for r in rows)
            return " ".join(map(str, found)) if fits else UNSOLVABLE
    return UNSOLVABLE


def _determinant(rows: list[Row]) -> int:
    if len(rows) == 1:
        return rows[0][0]
    return sum(
        (-1) ** i * row[0] * _determinant([r[1:] for j, r in enumerate(rows) if j != i])
        for i, row in enumerate(rows)
        if row[0]
    )


EQUATIONS = family(
    Kind(
        name="equations",
        doc="linear equations with one solution, or with none or many",
        knobs={
            "unknowns": Knob("unknowns", 3, 2, 6),
            "high": Knob("largest value of an unknown", 9, 3, 99),
        },
        levels=tuple(
            {"unknowns": n, "high": high}
            for n, high in zip(
                (2, 2, 3, 3, 3, 4, 4, 4, 5, 5), (5, 9, 5, 9, 19, 9, 19, 39, 19, 39), strict=True
            )
        ),
        pair=_equations_pair,
        task="Find the numbers that fit all of these equations. Only a single solution counts.",
        form="Answer with the values of {names} in this order, separated by spaces.",
        read=_list,
        solve=_equations_solve,
        guess=lambda knobs: (2 * knobs["high"] + 1.0) ** -knobs["unknowns"],
        space=lambda knobs: (2 * knobs["high"] + 1) ** knobs["unknowns"],  # at least one for each
        work=lambda knobs: knobs["unknowns"] ** 2.0 * (knobs["unknowns"] + 1),
        unit="multiplications of an elimination",
    )
)


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
    """The second divides by zero, or uses a value that no line gives."""
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
    else:  # an operand that stands nowhere
        other, place = (lines[at][0], "/", _NAMES[at + 1 + stream.below(len(lines) - at)]), at
    twin = [*lines[:place], other, *lines[place + 1 :]]
    if _run(twin)[-1] is not None:
        return None
    return tuple(  # type: ignore[return-value]
        Instance(
            "\n".join(f"{_NAMES[i]} = {' '.join(filter(None, line))}" for i, line in enumerate(ls)),
            str(values[-1]),
            {"last": _NAMES[steps]},
        )
        for ls in (lines, twin)
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
        read=_list,
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
