"""One skill, or one skill after another: the answer of the first is what the second works on.

The skills are the rows of `SKILLS`; a problem with one skill and one with two are worded alike, so
that a pair tests the composition and nothing else. Levels mix the skills and `PAIRS`;
`splits.compose` trains on the skills apart and tests on the pair.

Ref: Sun et al. 2025, OMEGA, arXiv:2506.18880 (compositional generalization). Differs: of its seven
pairs polynomial roots with gcd is here; the others need its geometry, matrices and grids.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache, reduce
from itertools import pairwise
from math import comb, gcd
from typing import Any, NamedTuple

from gradatim.checkers.extract import UNPARSED
from gradatim.checkers.lists import located, parse
from gradatim.checks import one_of
from gradatim.errors import ArgumentError
from gradatim.families.knobs import complete, mode
from gradatim.rng import Stream
from gradatim.types import Draft, Family, Knob, Problem, Verdict

Numbers = list[int]


class Skill(NamedTuple):
    """One step: numbers to numbers.

    Attributes:
        ask: what to do, for "these numbers" ({p} is the parameter).
        do: (numbers, parameter) -> numbers.
        parameters: how many parameters there are, counted from 2; 1 = none.
        one: its result is one number, which leaves nothing for another skill to do.
        polynomial: it works on coefficients, so it can only be the first.
    """

    ask: str
    do: Callable[[Numbers, int], Numbers]
    parameters: int = 1
    one: bool = False
    polynomial: bool = False


def _totals(values: Numbers, modulus: int) -> Numbers:
    total, out = 0, []
    for value in values:
        total = (total + value) % modulus
        out.append(total)
    return out


def _roots(values: Numbers, _: int) -> Numbers:
    """Positive integer roots of a monic polynomial, by division of the linear factors."""
    out: Numbers = []
    root = 1
    while len(values) > 1:
        quotient = _totals_at(values, root)
        if quotient[-1]:
            root += 1
        else:
            values, out = quotient[:-1], [*out, root]
    return out


def _totals_at(coefficients: Numbers, x: int) -> Numbers:
    """Horner's scheme: coefficients of the quotient by (X - x), then the rest."""
    out = [coefficients[0]]
    for coefficient in coefficients[1:]:
        out.append(out[-1] * x + coefficient)
    return out


SKILLS = {
    "sort": Skill("Sort {it} in ascending order.", lambda v, _: sorted(v)),
    "reverse": Skill("Write {it} in reverse order.", lambda v, _: v[::-1]),
    "differences": Skill(
        "Write the absolute difference of every two neighbours of {it}.",
        lambda v, _: [abs(a - b) for a, b in pairwise(v)],
    ),
    "chain": Skill(
        "Start from 0, add {it} one after the other, and write the total modulo {p} after each.",
        _totals,
        parameters=8,
    ),
    "sum": Skill("Write the sum of {it}.", lambda v, _: [sum(v)], one=True),
    "gcd": Skill(
        "Write the greatest common divisor of {it}.", lambda v, _: [reduce(gcd, v)], one=True
    ),
    "roots": Skill(
        "Write all roots of the polynomial whose coefficients are {it} (highest power first), from "
        "the smallest to the largest, each as often as it is a root.",
        _roots,
        polynomial=True,
    ),
}
PAIRS = (  # first, second: arithmetic after lists, lists after lists, arithmetic after arithmetic
    ("sort", "chain"),
    ("reverse", "chain"),
    ("differences", "sort"),
    ("chain", "sort"),
    ("chain", "reverse"),
    ("differences", "sum"),
    ("differences", "gcd"),
    ("roots", "gcd"),
)

MIXED = (*((name, "none") for name in SKILLS), *PAIRS)  # what `any` draws from

KNOBS = {
    "first": Knob(
        "skill that works on what is given; any = each of the skills and pairs as often",
        "any",
        choices=("any", *SKILLS),
    ),
    "second": Knob(
        "skill that works on its result; none = only one, or what `any` draws",
        "none",
        choices=("none", *SKILLS),
    ),
    "length": Knob("numbers given; roots of a polynomial", 5, 3, 20),
    "high": Knob("largest number; of a polynomial, largest root over its common factor", 9, 3, 99),
}
LADDER = {level: {"length": level + 2, "high": 9 + 3 * (level - 1)} for level in range(1, 11)}


def _given(stream: Stream, *, first: str, second: str, length: int, high: int) -> Numbers:
    """Numbers for the first skill; with a common factor where a gcd comes at the end."""
    factor = 1 + stream.below(6) if "gcd" in (first, second) else 1
    if not SKILLS[first].polynomial:
        return [factor * (1 + stream.below(high)) for _ in range(length)]
    coefficients = [1]
    for _ in range(length):
        root = factor * (1 + stream.below(high))
        shifted = [*coefficients, 0]
        coefficients = [a - root * b for a, b in zip(shifted, [0, *coefficients], strict=True)]
    return coefficients


def settings(first: str, second: str) -> list[tuple[str, str]]:
    """The skills that these knobs ask for; `any` with a second means the pairs that end in it.

    Raises:
        ArgumentError: an unknown skill, or why the two do not fit.

    >>> settings("sort", "chain"), settings("any", "chain")
    ([('sort', 'chain')], [('sort', 'chain'), ('reverse', 'chain')])
    """
    if first != "any":
        fit(first, second)
        return [(first, second)]
    one_of("second", second, ("none", *SKILLS))
    out = [pair for pair in MIXED if second in ("none", pair[1])]
    if not out:
        raise ArgumentError(f"`second` must not be '{second}' where `first` is any: no pair has it")
    return out


def fit(first: str, second: str) -> None:
    """Refuse two skills of which the second cannot work on the first's result.

    Raises:
        ArgumentError: an unknown skill, or why the two do not fit.
    """
    one_of("first", first, SKILLS)
    one_of("second", second, ("none", *SKILLS))
    if second == "none":
        return
    if SKILLS[second].polynomial:
        raise ArgumentError(f"`second` must not be '{second}', which needs coefficients")
    if SKILLS[first].one:
        raise ArgumentError(f"`first` must not be '{first}': nothing is left to do on one number")
    if first == second:
        raise ArgumentError(f"`first` and `second` must be two skills, got '{first}' twice")


def make(stream: Stream, *, first: str, second: str, length: int, high: int) -> Draft:
    """One problem: draws numbers and parameters, applies the skills in order."""
    asked = settings(first, second)
    first, second = asked[stream.below(len(asked))] if len(asked) > 1 else asked[0]
    values = _given(stream, first=first, second=second, length=length, high=high)
    asks, lines, shown = [], [], "these numbers"
    result = values
    for name in (first, second):
        if name == "none":
            break
        skill = SKILLS[name]
        p = 2 + stream.below(skill.parameters)
        asks.append(skill.ask.format(it=shown, p=p))
        result = skill.do(result, p)
        lines.append(" ".join(map(str, result)))
        shown = "the resulting numbers"
    given = " ".join(map(str, values))
    return Draft(
        prompt=(
            f"{' Then: '.join(asks)}\n{given}\n"
            f"Answer with the {'final ' if len(asks) > 1 else ''}result, numbers separated by "
            "spaces, and nothing else."
        ),
        answer=lines[-1],
        canonical=f"{' '.join(asks)}: {given}",
        solution="\n".join(lines),
        meta={"inner": f"{asks[0]}: {given}"},
    )


def check(problem: Problem, text: str | None) -> Verdict:
    """Whether a reply states the final numbers, in their order."""
    found = located(problem, text)
    values = parse(found.answer, how=found.how) if found.answer is not None else None
    if values is None:
        return UNPARSED
    stated = " ".join(map(str, values))[:20_000]
    right = stated == problem.answer
    return Verdict(float(right), right, stated, "correct" if right else "wrong")


def ladder(level: int) -> dict[str, Any]:
    """Knobs of a level, 1..10: more and larger numbers."""
    return dict(LADDER[level])


def _one_guess(name: str, length: int, high: int) -> float:
    if name in ("sort", "reverse"):
        return comb(length + high - 1, length) / high**length
    if name == "chain":
        return sum(p**-length for p in range(2, 10)) / 8
    if name == "roots":
        return 1 / comb(high + length - 1, length)
    return 1 / 6 if name == "gcd" else 1 / high


@lru_cache(maxsize=256)
def _floor(first: str, second: str, length: int, high: int) -> float:
    last = first if second == "none" else second
    return _one_guess(last, length, high) if last != "differences" else high ** (1.0 - length)


def floor(knobs: Mapping[str, Any]) -> float:
    """Chance of a guess of the last step's result, its numbers known where it only orders them.

    sort, reverse: a random order (as in `lists`, mean over lists). chain: m^-n, mean over m. gcd:
    one of the 6 planted factors. roots: one multiset. sum: one value of `high`. differences:
    high^(1-n). any: the mean.
    """
    setting = complete(KNOBS, knobs)
    length, high = setting["length"], setting["high"]
    asked = settings(setting["first"], setting["second"])
    return sum(_floor(*pair, length, high) for pair in asked) / len(asked)


def space(knobs: Mapping[str, Any]) -> int:
    """At least: lists of numbers; multisets of roots; both with a factor of 1 where a gcd is.

    Skills and pairs share no instance, as each asks for another thing.
    """
    setting = complete(KNOBS, knobs)
    length, high = setting["length"], setting["high"]
    return sum(
        comb(high + length - 1, length) if SKILLS[first].polynomial else high**length
        for first, _ in settings(setting["first"], setting["second"])
    )


def effort(problem: Problem) -> float:
    """Numbers that the steps write, measured on the worked solution, and comparisons of a sort."""
    given = len(str(problem.prompt).split("\n")[1].split())
    return float(given + len((problem.solution or "").split()))


def _common(values: Numbers) -> Numbers:
    fits = (d for d in range(max(values), 0, -1) if not any(x % d for x in values))
    return [next(fits, 0)]


def _merged(values: Numbers) -> Numbers:
    counted = Counter(values)
    return [v for v in range(min(values), max(values) + 1) for _ in range(counted[v])]


def _tried(coefficients: Numbers) -> Numbers:
    """Roots by values of the polynomial and its derivatives at every possible place."""
    degree, out = len(coefficients) - 1, []
    for x in range(1, 6 * 99 + 1):  # the largest root times the largest factor
        current, times = coefficients, 0
        while current and sum(c * x ** (len(current) - 1 - i) for i, c in enumerate(current)) == 0:
            times += 1
            current = [c * (len(current) - 1 - i) for i, c in enumerate(current[:-1])]
        out += [x] * times
        if len(out) == degree:
            break
    return out


_STEP: tuple[tuple[str, Callable[[Numbers, int], Numbers]], ...] = (
    ("Sort", lambda v, _: _merged(v)),
    ("reverse order", lambda v, _: [v[-1 - i] for i in range(len(v))]),
    ("difference", lambda v, _: [max(v[i : i + 2]) - min(v[i : i + 2]) for i in range(len(v) - 1)]),
    ("modulo", lambda v, p: [sum(v[: i + 1]) % p for i in range(len(v))]),
    ("the sum of", lambda v, _: [-sum(-x for x in v)]),
    ("common divisor", lambda v, _: _common(v)),
    ("roots", lambda v, _: _tried(v)),
)


def solve(problem: Problem) -> str:
    """From the prompt's text alone, by counting, trial division and derivatives."""
    asks, given, _ = str(problem.prompt).split("\n")
    values = [int(word) for word in given.split()]
    for ask in asks.split(" Then: "):
        modulus = re.search(r"modulo (\d+)", ask)
        do = next(do for pattern, do in _STEP if pattern in ask)
        values = do(values, int(modulus[1]) if modulus else 0)
    return " ".join(map(str, values))


FAMILY = Family(
    name="compositions",
    doc="one skill on numbers, or one after another",
    version="3",  # since 3 levels draw from all skills and pairs; they sorted
    knobs=KNOBS,
    make=make,
    check=check,
    ladder=ladder,
    floor=floor,
    space=space,
    solve=solve,
    effort=effort,
    effort_unit="numbers written",
)


_NAMED = replace(FAMILY, version="2")  # with skills named nothing has changed since


def _pair(first: str, second: str) -> Family:
    doc = f"{second} of the result of {first}"
    return mode(_NAMED, f"{first}_{second}", doc, first=first, second=second)


SORT_CHAIN = _pair("sort", "chain")
DIFFERENCES_SORT = _pair("differences", "sort")
ROOTS_GCD = _pair("roots", "gcd")
ROOTS = mode(_NAMED, "roots", "all roots of a polynomial", first="roots", second="none")
