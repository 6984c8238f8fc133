"""Unsolvable twins of numbers: calculations, requests to a list, sums of a choice."""

from collections import Counter
from collections.abc import Mapping
from fractions import Fraction
from functools import partial
from itertools import combinations
from math import comb, gcd

from gradatim.checkers import lists, numbers
from gradatim.checkers.abstention import UNSOLVABLE
from gradatim.checkers.extract import Found
from gradatim.families.numbers import written
from gradatim.families.twins import Instance, Kind, Member, family, stated_list
from gradatim.rng import Stream
from gradatim.types import Knob, Problem

_NAMES = "abcdefghijklmnopqrstuvwxyz"
HIGH = 20  # largest number before the division
LIMIT = 10**6
_Row = tuple[str, int]  # what stands right of "=", with {} for a name, and the line of that name


def _number(found: Found, problem: Problem) -> str | None:
    value = numbers.stated(found)
    return str(value) if value is not None else None


# -- calculations -------------------------------------------------------------------------------


def _move(value: int, goal: int, times: int) -> str:
    """What leads from one number to another: a product where there is one and it is asked for."""
    if times and goal % value == 0:
        return f"* {goal // value}"
    return f"+ {goal - value}" if goal > value else f"- {value - goal}"


def _after(value: tuple[int, int], drawn: list[int]) -> tuple[str, list[str]]:
    """The last value, and lines that lead there one by one; no product leaves seven digits."""
    above, below = value
    lines = []
    for sign, number in (divmod(one, 9) for one in drawn):
        number += 1
        if sign == 2 and abs(above) * number < LIMIT:
            above *= number
            lines.append(f"{{}} * {number}")
        elif sign == 1:
            above -= number * below
            lines.append(f"{{}} - {number}")
        else:
            above += number * below
            lines.append(f"{{}} + {number}")
    common = gcd(above, below) if below > 0 else -gcd(above, below)
    return written(above // common, below // common), lines


def _shown(stream: Stream, rows: list[_Row], answer: str) -> Instance:
    def write() -> Instance:
        names = stream.sample(_NAMES, len(rows))
        body = [
            f"{name} = {right.replace('{}', names[by])}"
            for name, (right, by) in zip(names, rows, strict=True)
        ]
        return Instance("\n".join(body), answer, {"last": names[-1]})

    return Instance("", "", plain=str(rows), write=write)


def _arithmetic_pair(stream: Stream, *, steps: int) -> tuple[Member, Member]:
    """In the second the last line has no value: a zero, or a value that is missing, is in its way.

    Of either pair both show as many names before their lines, and as many that nothing uses.
    """
    rows, answer, twin = (_zero_pair if stream.below(2) else _missing_pair)(stream, steps)
    return partial(_shown, stream, rows, answer), partial(_shown, stream, twin, "")


def _zero_pair(stream: Stream, steps: int) -> tuple[list[_Row], str, list[_Row]]:
    """One line after the other; one divides by the line before it, which is 0 in the second.

    Values before the division are uniform from 1 to 20, and so is the number that is taken from
    the last of them: it tells nothing of whether zero is left.
    """
    divided = 2 + stream.below(steps - 1)
    value = 1 + stream.below(HIGH)
    lines = [str(value)]
    for drawn in stream.draws(2 * (HIGH - 1), divided - 2):
        goal = 1 + drawn // 2
        goal += goal >= value
        lines.append(f"{{}} {_move(value, goal, drawn % 2)}")
        value = goal
    less = 1 + stream.below(HIGH - 1)
    less += less >= value
    number = 1 + stream.below(9)
    answer, after = _after((number, value - less), stream.draws(27, steps - divided))
    lines += [f"{{}} - {less}", f"{number} / {{}}", *after]
    rows = [(right, i - 1) for i, right in enumerate(lines)]
    twin = (f"{{}} - {value}", divided - 2)
    return rows, answer, [*rows[: divided - 1], twin, *rows[divided:]]


def _missing_pair(stream: Stream, steps: int) -> tuple[list[_Row], str, list[_Row]]:
    """Two runs of lines; the lines after them go on from one, in the second from the other.

    One run begins with a number. The other begins with a division by its own value or by one that
    comes later, so it has no value. Which is which, only the way back from the last line tells: the
    ends of the runs are used by the lines after them alone, so one of them is unused.
    """
    joined = 2 + stream.below(steps - 1)  # lines of both runs
    places = 1 + stream.below((1 << joined) - 2)  # bits: neither run is empty
    sound = [i for i in range(joined) if places >> i & 1]
    broken = [i for i in range(joined) if not places >> i & 1]
    value, number = 1 + stream.below(HIGH), 1 + stream.below(9)
    answer, lines = _after((value, 1), stream.draws(27, steps - len(broken)))
    later = [i for i in range(broken[0], steps + 1) if i not in (sound[-1], broken[-1])]
    by = later[stream.below(len(later))]
    rows = [(str(value), 0)] * (steps + 1)
    rows[broken[0]] = (f"{number} / {{}}", by)
    for right, i, before in zip(lines, sound[1:], sound, strict=False):
        rows[i] = (right, before)
    if len(broken) > 1:
        _, rest = _after((1, 1), stream.draws(27, len(broken) - 1))
        for right, i, before in zip(rest, broken[1:], broken, strict=False):
            rows[i] = (right, before)
    for i, right in enumerate(lines[len(sound) - 1 :], joined):
        rows[i] = (right, i - 1 if i > joined else sound[-1])
    twin = rows.copy()
    twin[joined] = (rows[joined][0], broken[-1])
    return rows, answer, twin


def _arithmetic_solve(prompt: str) -> str:
    """From the last line back: what it needs is worked out when it is asked for."""
    *lines, last = prompt.split("\n")[1:]
    given = {name: (i, right) for i, (name, right) in enumerate(x.split(" = ") for x in lines)}

    def asked(name: str, before: int) -> Fraction:
        if not name.isalpha():
            return Fraction(name)
        place, right = given[name]
        if place >= before:
            raise KeyError(name)  # it has no value yet
        words = right.split()
        a = asked(words[0], place)
        if len(words) == 1:
            return a
        b = asked(words[2], place)
        return {"+": a.__add__, "-": a.__sub__, "*": a.__mul__, "/": a.__truediv__}[words[1]](b)

    goal = last.split(" value of ")[1].split()[0]
    try:
        return str(asked(goal, len(lines)))
    except (KeyError, ZeroDivisionError):
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
        # first the division: the numbers of three lines; then a sum or a difference in each line
        space=lambda knobs: HIGH * (HIGH - 1) * 9 * 18 ** (knobs["steps"] - 2),
        version="3",  # since 3 names stand before their lines in both of a pair, or in neither
        work=lambda knobs: float(knobs["steps"]),
        unit="lines worked out",
    )
)


# -- requests to a list -------------------------------------------------------------------------


def _high(length: int) -> int:
    return max(4, length * 2 // 3)


def _lists_pair(stream: Stream, *, length: int, times: int) -> tuple[Instance, Instance] | None:
    """One number of the list is another in the second; none or several stand there so often."""
    high = _high(length)
    values = [1 + value for value in stream.draws(high, length)]
    counts = [0] * (high + 1)  # how often each number stands there
    for value in values:
        counts[value] += 1
    if counts.count(times) != 1:
        return None
    answer = counts.index(times)
    for _ in range(20):
        i, other = stream.below(length), 1 + stream.below(high)
        counts[values[i]] -= 1
        counts[other] += 1
        if counts.count(times) != 1:
            twin = [*values[:i], other, *values[i + 1 :]]
            return tuple(  # type: ignore[return-value]
                Instance(" ".join(map(str, some)), str(answer), {"times": times})
                for some in (values, twin)
            )
        counts[values[i]] += 1
        counts[other] -= 1
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
    later = [1]  # sums of the last 0, 1, 2 ... numbers
    for value in values[:0:-1]:
        later.append(later[-1] | later[-1] << value)
    chosen = []
    for value in values:
        if not later.pop() >> target & 1:
            chosen.append(value)
            target -= value
    return chosen


def _subset_pair(stream: Stream, *, numbers: int, high: int) -> tuple[Instance, Instance] | None:
    """The second has one number changed so that no choice has the sum: all sums are known."""
    values = [2 + value for value in stream.draws(high - 1, numbers)]
    target = stream.between(max(values) + 1, sum(values) - min(values))
    if not _sums(values) >> target & 1:
        return None
    for _ in range(20):
        i, other = stream.below(numbers), 2 + stream.below(high - 1)
        twin = [*values[:i], other, *values[i + 1 :]]
        if max(twin) < target <= sum(twin) - min(twin) and not _sums(twin) >> target & 1:
            return _subset(values, target, values), _subset(twin, target, values)
    return None


def _subset(shown: list[int], target: int, solvable: list[int]) -> Instance:
    body = " ".join(map(str, shown))

    def write() -> Instance:
        answer = " ".join(map(str, _choice(solvable, target)))
        return Instance(body, answer, {"target": target, "values": shown})

    return Instance("", "", plain=body, write=write)


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
        locate=lambda text, problem: lists.locate(text),
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
