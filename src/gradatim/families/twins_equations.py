"""Unsolvable twins of linear equations: a contradicted condition, or one that is missing."""

import re
from fractions import Fraction
from itertools import combinations
from operator import mul

from gradatim.checkers import lists
from gradatim.checkers.abstention import UNSOLVABLE
from gradatim.families.twins import Instance, Kind, family, stated_list
from gradatim.rng import Stream
from gradatim.types import Knob

_NAMES = "abcdefghijklmnopqrstuvwxyz"

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


def _one_solution(rows: list[Row]) -> bool:
    """Whether rank of the coefficients = rank with the right sides = number of unknowns.

    By elimination in whole numbers: every division by the pivot before is exact (Bareiss 1968).
    """
    unknowns = len(rows[0]) - 1
    before = 1
    for column in range(unknowns):
        at = next((i for i, row in enumerate(rows) if row[column]), None)
        if at is None:
            return False
        pivot, *rest = rows[at], *rows[:at], *rows[at + 1 :]
        lead = pivot[column]
        rows = [
            [(lead * a - row[column] * b) // before for a, b in zip(row, pivot, strict=True)]
            for row in rest
        ]
        before = lead
    return not any(row[-1] for row in rows)


def _equations_pair(
    stream: Stream, *, unknowns: int, high: int
) -> tuple[Instance, Instance] | None:
    """One equation more than unknowns; the second has a contradiction, or one condition less.

    Contradicted: the right side of one equation is another. Removed: an equation that is needed
    is replaced by a sum of two others. Ranks prove both.
    """
    values = [value - high for value in stream.draws(2 * high + 1, unknowns)]
    drawn = [number - 4 for number in stream.draws(9, unknowns * (unknowns + 1))]
    rows: list[Row] = []
    for start in range(0, len(drawn), unknowns):
        row = drawn[start : start + unknowns]
        rows.append([*row, sum(map(mul, row, values))])
    if any(not any(row[:-1]) for row in rows) or not _one_solution(rows):
        return None
    i = stream.below(len(rows))
    if stream.below(2):
        other = [*rows[i][:-1], rows[i][-1] + stream.choice((-3, -2, -1, 1, 2, 3))]
    else:
        j, k = stream.sample([j for j in range(len(rows)) if j != i], 2)
        other = [a + b for a, b in zip(rows[j], rows[k], strict=True)]
    if max(map(abs, other[:-1])) > 4:  # a large coefficient would tell
        return None
    twin = [*rows[:i], other, *rows[i + 1 :]]
    if not any(other[:-1]) or _one_solution(twin):
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
        read=stated_list,
        locate=lambda text, problem: lists.locate(text),
        solve=_equations_solve,
        guess=lambda knobs: (2 * knobs["high"] + 1.0) ** -knobs["unknowns"],
        space=lambda knobs: (2 * knobs["high"] + 1) ** knobs["unknowns"],  # at least one for each
        work=lambda knobs: knobs["unknowns"] ** 2.0 * (knobs["unknowns"] + 1),
        unit="multiplications of an elimination",
    )
)
