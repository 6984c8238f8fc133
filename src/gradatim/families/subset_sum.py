"""Subset sum: choose numbers from a list so that they add up to a target.

Numbers are uniform and independent, the target is the sum of a planted choice of half of them
(rounded down), uniform among these; any choice with that sum is right. A number may be chosen
as often as it is listed. Instances are told apart by the numbers, whatever their order, and the
target.

For single digits there is a compact form: "z12.31482=" asks for digits of 31482 that add up to 12.
The answer taught there takes numbers as early in the list as it can.
"""

from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from math import comb
from typing import Any

import numpy as np

from gradatim.checkers.extract import UNPARSED
from gradatim.checkers.lists import locate, parse
from gradatim.errors import ArgumentError
from gradatim.families.knobs import complete
from gradatim.rng import Stream
from gradatim.types import Draft, Family, Knob, Problem, Verdict

LONGEST = 2000  # characters of a reply's final line

# numbers grow with the list: with few digits a long list has so many answers that one is easy
_SIZES = (4, 5, 6, 7, 8, 9, 10, 11, 12, 14)
_HIGHS = (20, 30, 50, 80, 120, 200, 400, 700, 999, 999)
LADDER = {
    level: {"numbers": _SIZES[level - 1], "high": _HIGHS[level - 1]} for level in range(1, 11)
}

KNOBS = {
    "numbers": Knob("how many numbers the list has", 6, 3, 24),
    "high": Knob("largest number; the compact form needs at most 9", 50, 2, 9999),
}


def make(stream: Stream, *, numbers: int, high: int) -> Draft:
    """One planted instance."""
    values = [1 + stream.below(high) for _ in range(numbers)]
    chosen = [values[i] for i in sorted(stream.sample(range(numbers), numbers // 2))]
    target = sum(chosen)
    shown = " ".join(map(str, values))
    small = high <= 9 and target <= 99
    first = _search(values, target)[0] if small else []
    digits = "".join(map(str, values))
    answer = " ".join(map(str, chosen))
    return Draft(
        prompt=(
            f"Choose numbers from this list so that their sum is {target}. Each number may be "
            f"chosen at most as often as it is listed.\n{shown}\n"
            "Answer with the chosen numbers separated by spaces, and nothing else."
        ),
        answer=answer,
        canonical=f"{target}: {' '.join(map(str, sorted(values)))}",
        compact=f"z{target:02d}.{digits}=" if small else None,
        compact_answer="".join(map(str, first)) if small else None,
        solution=f"{' + '.join(map(str, chosen))} = {target}\n{answer}",
        meta={"numbers": values, "target": target},
    )


def _search(values: list[int], target: int) -> tuple[list[int], int]:
    """The first choice that a depth-first search meets, and the nodes that all answers take.

    It takes or leaves the numbers in their order, takes first, and turns back when the sum is
    exceeded or can no longer be reached. Without an answer the choice is empty.
    """
    rest = [0]
    for value in reversed(values):
        rest.append(rest[-1] + value)
    rest.reverse()
    nodes, stack = 0, [(0, target, 0)]
    first = 0
    while stack:
        i, left, mask = stack.pop()
        nodes += 1
        if left == 0:
            first = first or mask
        elif 0 < left <= rest[i]:
            stack.append((i + 1, left, mask))
            stack.append((i + 1, left - values[i], mask | 1 << i))
    return [v for j, v in enumerate(values) if first >> j & 1], nodes


def check(problem: Problem, text: str | None) -> Verdict:
    """Whether a reply's numbers are on the list, none more often than there, with the sum."""
    packed = problem.compact is not None
    found = locate(text, packed=packed)
    if found.answer is None or len(found.answer) > LONGEST:
        return UNPARSED
    stated = parse(found.answer, packed=packed, how=found.how)
    if stated is None:
        return UNPARSED
    right = sum(stated) == problem.meta["target"]
    right = right and Counter(stated) <= Counter(problem.meta["numbers"])
    shown = " ".join(map(str, stated))
    return Verdict(float(right), right, shown, "correct" if right else "wrong")


def ladder(level: int) -> dict[str, Any]:
    """Knobs of a level, 1..10."""
    return dict(LADDER[level])


@lru_cache(maxsize=64)
def _floor(n: int, high: int) -> float:
    """P(an independent non-empty choice has the sum of the planted one).

    The difference of the sums is a sum of independent terms, 0 or v for the numbers of the planted
    choice, 0 or -v for the others, v uniform in 1..high: the product of their characteristic
    functions, averaged over enough frequencies to be exact.
    """
    turns = np.exp(2j * np.pi * np.arange(1, n * high + 1) / (n * high + 1))
    term = np.ones(n * high + 1, complex)
    term[1:] = 0.5 + turns * (1 - turns**high) / (1 - turns) / (2 * high)  # a geometric sum
    equal = float((term ** (n // 2) * term.conj() ** (n - n // 2)).mean().real)
    return equal * 2**n / (2**n - 1)


def floor(knobs: Mapping[str, Any]) -> float:
    """Chance that a random non-empty choice has the sum; exact for the mean over instances.

    >>> round(floor({"numbers": 3, "high": 2}), 4)  # worked out by hand in the tests
    0.3036
    """
    setting = complete(KNOBS, knobs)
    return _floor(setting["numbers"], setting["high"])


def space(knobs: Mapping[str, Any]) -> int:
    """At least C(high + n - 1, n) instances: the multisets, each with one sum or more."""
    setting = complete(KNOBS, knobs)
    return comb(setting["high"] + setting["numbers"] - 1, setting["numbers"])


def _read(problem: Problem) -> tuple[list[int], int]:
    head, numbers, _ = str(problem.prompt).split("\n")
    target = head.split("their sum is ")[1].split(".")[0]
    return [int(word) for word in numbers.split()], int(target)


def solve(problem: Problem) -> str:
    """A choice from the prompt's text alone, by dynamic programming over the sums.

    Raises:
        ArgumentError: no choice has the sum.
    """
    values, target = _read(problem)
    how: dict[int, tuple[int, ...]] = {0: ()}
    for value in values:
        for total, used in list(how.items()):
            how.setdefault(total + value, (*used, value))
    if target not in how:
        raise ArgumentError(f"`problem` {problem.id} has no choice of that sum")
    return " ".join(map(str, how[target]))


def judge(problem: Problem, answer: str) -> bool:
    """Whether the numbers can be crossed off the prompt's list one by one and give the sum."""
    left, target = _read(problem)
    for word in answer.split():
        if int(word) not in left:
            return False
        left.remove(int(word))
        target -= int(word)
    return target == 0


def effort(problem: Problem) -> float:
    """Nodes of a depth-first search for all answers, largest numbers first."""
    values, target = _read(problem)
    return float(_search(sorted(values, reverse=True), target)[1])


FAMILY = Family(
    name="subset_sum",
    doc="choose numbers from a list that add up to a target",
    version="1",
    knobs=KNOBS,
    make=make,
    check=check,
    ladder=ladder,
    floor=floor,
    space=space,
    solve=solve,
    effort=effort,
    effort_unit="nodes of a depth-first search for all answers, largest numbers first",
    judge=judge,
)
