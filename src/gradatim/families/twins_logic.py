"""Unsolvable twins of logic: clauses and colourings."""

import re
from functools import lru_cache
from itertools import accumulate, combinations, product
from math import comb
from operator import and_

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


@lru_cache(maxsize=16)
def _models(k: int) -> dict[Clause, int]:
    """For each clause the assignments that satisfy it."""
    full, columns = (1 << (1 << k)) - 1, _columns(k)
    of = {x: columns[x - 1] if x > 0 else full ^ columns[-x - 1] for x in _literals(k)}
    return {clause: of[clause[0]] | of[clause[1]] for clause in _clauses(k)}


def _literals(k: int) -> list[int]:
    return [x for x in range(-k, k + 1) if x]


@lru_cache(maxsize=16)
def _clauses(k: int) -> list[Clause]:
    return [(s * i, t * j) for i, j in combinations(range(1, k + 1), 2) for s, t in _SIGNS]


_SIGNS = ((1, 1), (1, -1), (-1, 1), (-1, -1))


@lru_cache(maxsize=1 << 12)
def _said(clause: Clause) -> str:
    return " or ".join(LETTERS[x - 1] if x > 0 else f"not {LETTERS[-x - 1]}" for x in clause)


def _sat_instance(clauses: list[Clause], k: int, models: int) -> Instance:
    answer = format(models.bit_length() - 1, f"0{k}b") if models else ""
    meta = {"n": k, "clauses": [list(c) for c in clauses]}
    return Instance("\n".join(map(_said, clauses)), answer, meta)


def _sat_pair(stream: Stream, *, variables: int, clauses: int) -> tuple[Instance, Instance] | None:
    """No assignment satisfies the second (all are tried); one line is another in the first."""
    every = _clauses(variables)
    _at_most("sat", "clauses", clauses, len(every) - 1)
    *chosen, spare = stream.sample(every, clauses + 1)
    of = _models(variables)
    after = [-1]  # the models of all clauses from each on, and of all before it
    for clause in reversed(chosen):
        after.append(after[-1] & of[clause])
    after.reverse()
    if after[0]:
        return None
    before = list(accumulate((of[clause] for clause in chosen), and_, initial=of[spare]))
    for i in stream.sample(range(clauses), clauses):
        models = before[i] & after[i + 1]
        if models:
            other = [*chosen[:i], spare, *chosen[i + 1 :]]
            return _sat_instance(other, variables, models), _sat_instance(chosen, variables, 0)
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
    if len(answer) != k or answer.strip("01"):
        return False
    true = {i + 1 if bit == "1" else -i - 1 for i, bit in enumerate(answer)}
    return all(not true.isdisjoint(clause) for clause in clauses)


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


def _colouring(near: list[int]) -> str:
    """A colouring by three colours, or "" where there is none; near[v] are v's neighbours, as bits.

    A vertex with one colour left comes first, then one with two, which are tried in turn. Where
    all vertices left have three they lie apart from what is done, and one colour is enough to try.
    """
    every = (1 << len(near)) - 1
    stack = [((every, every, every), (0, 0, 0))]  # who may have each colour, and who has it
    while stack:
        (a, b, c), (has_a, has_b, has_c) = stack.pop()
        while left := every & ~(has_a | has_b | has_c):
            if left & ~(a | b | c):
                break
            one, three = left & ~(a & b | a & c | b & c), a & b & c
            pick = one or left & ~three or left
            bit = pick & -pick
            others = near[bit.bit_length() - 1]
            again = not one and not three & bit
            if a & bit:
                if again:
                    stack.append(((a ^ bit, b, c), (has_a, has_b, has_c)))
                a, has_a = a & ~others, has_a | bit
            elif b & bit:
                if again:
                    stack.append(((a, b ^ bit, c), (has_a, has_b, has_c)))
                b, has_b = b & ~others, has_b | bit
            else:
                c, has_c = c & ~others, has_c | bit
        else:
            return "".join(
                "A" if has_a >> v & 1 else "B" if has_b >> v & 1 else "C" for v in range(len(near))
            )
    return ""


def _joined(near: list[int], edge: Edge) -> None:
    """Joins the ends of an edge, or parts them where they were joined."""
    i, j = edge
    near[i] ^= 1 << j
    near[j] ^= 1 << i


def _graph_instance(edges: list[Edge], n: int, answer: str) -> Instance:
    body = "\n".join([f"{i + 1} {j + 1}" for i, j in edges])
    return Instance(body, answer, {"n": n, "edges": [list(e) for e in edges]})


def _graph_pair(stream: Stream, *, vertices: int, edges: int) -> tuple[Instance, Instance] | None:
    """The second has no colouring (the search ends without one); one edge differs in the first."""
    every = _pairs_of(vertices)
    _at_most("graph_coloring", "edges", edges, len(every) - 1)
    *chosen, spare = stream.sample(every, edges + 1)
    near = [0] * vertices
    for edge in chosen:
        _joined(near, edge)
    if _colouring(near):
        return None
    _joined(near, spare)
    for i in stream.sample(range(edges), edges):
        _joined(near, chosen[i])
        answer = _colouring(near)
        _joined(near, chosen[i])
        if answer:
            other = [*chosen[:i], spare, *chosen[i + 1 :]]
            twin = _graph_instance(chosen, vertices, "")
            return _graph_instance(other, vertices, answer), twin
    return None


@lru_cache(maxsize=16)
def _pairs_of(vertices: int) -> list[Edge]:
    return list(combinations(range(vertices), 2))


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
        version="2",
    )
)
