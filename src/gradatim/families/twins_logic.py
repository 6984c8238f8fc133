"""Unsolvable twins of logic: clauses and colourings."""

import re
from functools import lru_cache
from itertools import combinations, product
from math import comb

from gradatim.checkers.abstention import UNSOLVABLE
from gradatim.errors import ArgumentError, MissingExtra, extra
from gradatim.families.twins import Instance, Kind, family, packed
from gradatim.rng import Stream
from gradatim.types import Knob, Problem

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _at_most(name: str, knob: str, value: int, most: int) -> None:
    if value > most:
        raise ArgumentError(
            f"`{name}.unsolvable.{knob}` must be at most {most} at this size, got {value}"
        )


# -- clauses ------------------------------------------------------------------------------------


@lru_cache(maxsize=16)
def _columns(k: int) -> list[int]:
    """For each variable the assignments that make it true, as bits of one integer."""
    full = (1 << (1 << k)) - 1
    return [full // ((1 << run) + 1) << run for run in (1 << (k - 1 - v) for v in range(k))]


Clause = tuple[int, int]  # variable + 1, negative where negated


def _models(clauses: list[Clause], k: int) -> int:
    full, columns = (1 << (1 << k)) - 1, _columns(k)
    models = full
    for clause in clauses:
        some = 0
        for x in clause:
            some |= columns[abs(x) - 1] if x > 0 else full ^ columns[abs(x) - 1]
        models &= some
    return models


@lru_cache(maxsize=16)
def _clauses(k: int) -> list[Clause]:
    return [(s * i, t * j) for i, j in combinations(range(1, k + 1), 2) for s, t in _SIGNS]


_SIGNS = ((1, 1), (1, -1), (-1, 1), (-1, -1))


def _sat_instance(clauses: list[Clause], k: int) -> Instance:
    models = _models(clauses, k)
    answer = format(models.bit_length() - 1, f"0{k}b") if models else ""
    said = (
        " or ".join(LETTERS[abs(x) - 1] if x > 0 else f"not {LETTERS[-x - 1]}" for x in clause)
        for clause in clauses
    )
    return Instance("\n".join(said), answer, {"n": k, "clauses": [list(c) for c in clauses]})


def _sat_pair(stream: Stream, *, variables: int, clauses: int) -> tuple[Instance, Instance] | None:
    """No assignment satisfies the second (all are tried); one line is another in the first."""
    every = _clauses(variables)
    _at_most("sat", "clauses", clauses, len(every) - 1)
    drawn = stream.sample(every, clauses + 1)
    chosen, spare = drawn[:clauses], drawn[clauses]
    if _models(chosen, variables):
        return None
    for i in stream.sample(range(clauses), clauses):
        other = [*chosen[:i], spare, *chosen[i + 1 :]]
        if _models(other, variables):
            return _sat_instance(other, variables), _sat_instance(chosen, variables)
    return None


def _sat_right(problem: Problem, stated: str) -> bool:
    return all(
        any((stated[abs(x) - 1] == "1") == (x > 0) for x in c) for c in problem.meta["clauses"]
    )


def _sat_read(prompt: str) -> tuple[int, list[list[int]]]:
    lines = prompt.split("\n")
    k = int(lines[-1].split(" for the first ")[1].split()[0])
    clauses = [
        [(-1 if sign else 1) * (LETTERS.index(letter) + 1) for sign, letter in parts]
        for parts in (re.findall(r"(not )?([A-Z])\b", line) for line in lines[1:-1])
    ]
    return k, clauses


def _sat_judge(prompt: str, answer: str) -> bool:
    k, clauses = _sat_read(prompt)
    true = {i + 1 if bit == "1" else -i - 1 for i, bit in enumerate(answer)}
    fits = len(answer) == k and not answer.strip("01")
    return fits and all(not true.isdisjoint(clause) for clause in clauses)


def _sat_solve(prompt: str) -> str:
    """By CaDiCaL, which proves that there is none; by trying all where it is not installed."""
    k, clauses = _sat_read(prompt)
    try:
        solvers = extra("pysat.solvers", "sat")
    except MissingExtra:
        tried = ("".join(bits) for bits in product("01", repeat=k))
        return next((bits for bits in tried if _sat_judge(prompt, bits)), UNSOLVABLE)
    with solvers.Solver(name="cadical153", bootstrap_with=clauses) as solver:
        if not solver.solve():
            return UNSOLVABLE
        true = set(solver.get_model())
    return "".join("1" if v in true else "0" for v in range(1, k + 1))


SAT = family(
    Kind(
        name="sat",
        doc="an assignment that satisfies every clause, or that there is none",
        knobs={
            "variables": Knob("letters", 5, 4, 13),
            "clauses": Knob("lines of two parts", 12, 8, 40),
        },
        levels=tuple(
            {"variables": k, "clauses": n}
            for k, n in zip(range(4, 14), (10, 12, 13, 15, 16, 18, 19, 21, 22, 24), strict=True)
        ),
        pair=_sat_pair,
        task=(
            "Give each letter the value 0 (false) or 1 (true) so that every line below is true. A "
            "line is true when at least one of its parts is."
        ),
        form=(
            "Answer with the values for the first {n} letters of the alphabet in order, as digits "
            "without spaces."
        ),
        read=packed("01"),
        solve=_sat_solve,
        guess=lambda knobs: min(1.0, 0.75 ** knobs["clauses"] * 4),
        # all four lines of A and B, the others true where all letters are: the last of the four
        # is what contradicts
        space=lambda knobs: max(1, comb(3 * comb(knobs["variables"], 2) - 3, knobs["clauses"] - 4)),
        work=lambda knobs: 2.0 ** knobs["variables"],
        unit="assignments that a full search tries",
        right=_sat_right,
        judge=_sat_judge,
    )
)


# -- colourings ---------------------------------------------------------------------------------

Edge = tuple[int, int]


def _colouring(edges: list[Edge], n: int) -> str:
    """A colouring found by a search that takes next the vertex with most neighbours done, or ""."""
    near: list[set[int]] = [set() for _ in range(n)]
    for i, j in edges:
        near[i].add(j)
        near[j].add(i)
    order: list[int] = []
    while len(order) < n:
        rest = (v for v in range(n) if v not in order)
        order.append(max(rest, key=lambda v: (len(near[v].intersection(order)), len(near[v]))))
    below = [[k for k in range(at) if order[k] in near[v]] for at, v in enumerate(order)]
    stack = ["A"]  # colours can be renamed: the first vertex has the first
    while stack:
        done = stack.pop()
        if len(done) == n:
            return "".join(colour for _, colour in sorted(zip(order, done, strict=True)))
        taken = {done[k] for k in below[len(done)]}
        stack.extend(done + colour for colour in "CBA" if colour not in taken)
    return ""


def _graph_instance(edges: list[Edge], n: int) -> Instance:
    body = "\n".join(f"{i + 1} {j + 1}" for i, j in edges)
    return Instance(body, _colouring(edges, n), {"n": n, "edges": [list(e) for e in edges]})


def _graph_pair(stream: Stream, *, vertices: int, edges: int) -> tuple[Instance, Instance] | None:
    """The second has no colouring (the search ends without one); one edge differs in the first."""
    every = list(combinations(range(vertices), 2))
    _at_most("graph_coloring", "edges", edges, len(every) - 1)
    drawn = stream.sample(every, edges + 1)
    chosen, spare = drawn[:edges], drawn[edges]
    if _colouring(chosen, vertices):
        return None
    for i in stream.sample(range(edges), edges):
        other = [*chosen[:i], spare, *chosen[i + 1 :]]
        if _colouring(other, vertices):
            return _graph_instance(other, vertices), _graph_instance(chosen, vertices)
    return None


def _graph_read(prompt: str) -> tuple[int, list[list[int]]]:
    lines = prompt.split("\n")
    n = int(lines[-1].split(" the letters of the ")[1].split()[0])
    return n, [[int(word) for word in line.split()] for line in lines[1:-1]]


def _graph_judge(prompt: str, answer: str) -> bool:
    n, edges = _graph_read(prompt)
    fits = len(answer) == n and not answer.strip("ABC")
    return fits and all(answer[i - 1] != answer[j - 1] for i, j in edges)


def _graph_solve(prompt: str) -> str:
    """By deletion of the vertices one at a time: sets of colourings of growing parts."""
    n, edges = _graph_read(prompt)
    partial = [""]
    for v in range(1, n + 1):
        near = [min(edge) for edge in edges if max(edge) == v]
        partial = [p + c for p in partial for c in "ABC" if all(p[u - 1] != c for u in near)]
        if not partial:
            return UNSOLVABLE
    return partial[-1]


COLORING = family(
    Kind(
        name="graph_coloring",
        doc="a colouring with three colours, or that there is none",
        knobs={
            "vertices": Knob("vertices", 8, 6, 16),
            "edges": Knob("edges", 17, 9, 60),
        },
        levels=tuple(
            {"vertices": n, "edges": m}
            for n, m in zip(range(7, 17), (14, 17, 19, 22, 24, 27, 29, 32, 34, 37), strict=True)
        ),
        pair=_graph_pair,
        task=(
            "Give each vertex of this graph one of the letters A, B and C, so that the two ends of "
            "every edge have different letters. Each line below is an edge."
        ),
        form=(
            "Answer with the letters of the {n} vertices in order of their numbers, without spaces."
        ),
        read=packed("ABC"),
        solve=_graph_solve,
        guess=lambda knobs: min(1.0, 6 * (2 / 3) ** knobs["edges"]),
        # four vertices all joined, the other edges between vertices whose numbers differ mod 3
        space=lambda knobs: max(1, comb(knobs["vertices"] ** 2 // 3 - 5, knobs["edges"] - 6)),
        work=lambda knobs: 3.0 ** knobs["vertices"],
        unit="colourings that a full search tries",
        right=lambda problem, stated: all(stated[i] != stated[j] for i, j in problem.meta["edges"]),
        judge=_graph_judge,
    )
)
