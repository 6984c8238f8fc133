"""Graph colouring: give every vertex one of k colours so that no edge joins two of one colour.

A colouring into classes of nearly equal size is planted; edges are drawn among the pairs that it
separates, so every instance can be coloured. Any proper colouring is right. Compact form:
"g3ABACBD=" (three colours, edges A-B, A-C, B-D) -> "1223", the colours of A, B, C, D.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from itertools import combinations
from typing import Any

from gradatim.checkers.extract import UNPARSED
from gradatim.checkers.lists import locate, parse
from gradatim.errors import ArgumentError, extra
from gradatim.families.graph_coloring_counts import edges_of, graphs, mean_colorings
from gradatim.families.knobs import complete, mode
from gradatim.rng import Stream
from gradatim.types import Draft, Family, Knob, Problem, Verdict

LETTERS = "ABCDEFGHIJKLMNOPQRST"
TABLE = 20_000  # assignments up to which all colourings are held as bits of one integer
COMPACT = 40  # characters of the longest compact form

KNOBS = {
    "vertices": Knob("vertices of the graph", 10, 6, 20),
    "colors": Knob("colours that may be used", 3, 2, 4),
    "density": Knob("edges, percent of the pairs that the planted colouring separates", 50, 1, 100),
}


def _levels(rows: str) -> dict[int, dict[str, Any]]:
    """Knobs by level, from "vertices colors density" for each."""
    numbers = (map(int, row.split()) for row in rows.split(","))
    return {i: dict(zip(KNOBS, row, strict=True)) for i, row in enumerate(numbers, 1)}


LADDER = _levels(
    "8 3 45, 9 3 58, 10 3 58, 11 3 58, 13 3 56, 15 3 50, 16 3 46, 18 3 42, 18 4 60, 20 4 50"
)
LADDER_K3 = _levels(
    "8 3 45, 9 3 58, 10 3 58, 11 3 58, 13 3 56, 15 3 50, 16 3 46, 17 3 44, 18 3 42, 20 3 38"
)


@lru_cache(maxsize=8)
def _differ(vertices: int, colors: int) -> dict[tuple[int, int], int]:
    """For each pair, the assignments that give it two colours, as bits of one integer.

    Bit i stands for the assignment whose digits are i in base k, first vertex leading, so the
    lowest bit is the first colouring in order of the answers' texts.
    """
    full = (1 << colors**vertices) - 1
    has = []
    for v in range(vertices):
        run = colors ** (vertices - 1 - v)
        first = full // ((1 << run * colors) - 1) * ((1 << run) - 1)
        has.append([first << run * c for c in range(colors)])
    same = {
        (a, b): sum(x & y for x, y in zip(has[a], has[b], strict=True))
        for a, b in combinations(range(vertices), 2)
    }
    return {pair: full ^ bits for pair, bits in same.items()}


def backtrack(edges: list[tuple[int, int]], vertices: int, colors: int) -> tuple[list[int], int]:
    """First proper colouring and the nodes searched: vertices in order, colours ascending.

    A node is a colour given to a vertex that no earlier neighbour has. An empty list means that
    there is no proper colouring.

    >>> backtrack([(0, 1), (1, 2)], 3, 2)
    ([1, 2, 1], 3)
    """
    before: list[list[int]] = [[] for _ in range(vertices)]
    for a, b in edges:
        before[max(a, b)].append(min(a, b))
    shades = [0] * vertices
    nodes = v = 0
    while 0 <= v < vertices:
        taken = {shades[u] for u in before[v]}
        shade = shades[v] + 1
        while shade in taken:
            shade += 1
        if shade > colors:
            shades[v] = 0
            v -= 1
        else:
            nodes += 1
            shades[v] = shade
            v += 1
    return (shades if v == vertices else []), nodes


def first(edges: list[tuple[int, int]], vertices: int, colors: int) -> list[int]:
    """The colouring that `backtrack` finds, sooner; [] where there is none.

    Vertices in order, colours ascending, no colour before a lower one was used, back as soon as a
    later vertex has no colour left. Bit v k + c says that vertex v may still have colour c.

    >>> first([(0, 1), (1, 2)], 3, 2), first([(0, 1), (1, 2), (0, 2)], 3, 2)
    ([1, 2, 1], [])
    """
    later, ones = [0] * vertices, sum(1 << v * colors for v in range(vertices))
    for a, b in edges:
        later[min(a, b)] |= 1 << max(a, b) * colors
    every = ones * ((1 << colors) - 1)
    may, tops, shades = [every] * (vertices + 1), [0] * (vertices + 1), [-1] * vertices
    v = 0
    while 0 <= v < vertices:
        rest = ones >> (v + 1) * colors << (v + 1) * colors
        shade, left = shades[v] + 1, 0
        while shade <= tops[v]:
            if may[v] >> v * colors + shade & 1:
                some = left = may[v] & ~(later[v] << shade)
                for c in range(1, colors):
                    some |= left >> c
                if not rest & ~some:
                    break
            shade += 1
        if shade > tops[v]:
            shades[v] = -1
            v -= 1
            continue
        shades[v] = shade
        v += 1
        may[v], tops[v] = left, min(colors - 1, max(tops[v - 1], shade + 1))
    return [shade + 1 for shade in shades] if v == vertices else []


def _canonical(edges: list[tuple[int, int]], vertices: int) -> str:
    """The edges between refined ranks of vertices: equal for graphs equal up to renaming.

    Ranks start from degrees and are refined by the ranks of neighbours until nothing changes. A
    few different graphs (regular ones, say) share a form; they then count as one instance.
    """
    near: list[list[int]] = [[] for _ in range(vertices)]
    for a, b in edges:
        near[a].append(b)
        near[b].append(a)
    rank = [len(n) for n in near]
    kinds = len(set(rank))
    while True:
        signs = [(rank[v], tuple(sorted([rank[u] for u in near[v]]))) for v in range(vertices)]
        order = {sign: i for i, sign in enumerate(sorted(set(signs)))}
        rank = [order[sign] for sign in signs]
        if len(order) == kinds:
            break
        kinds = len(order)
    ends = [(rank[a], rank[b]) for a, b in edges]
    code = sorted([(a, b) if a <= b else (b, a) for a, b in ends])
    return f"{vertices} " + " ".join([f"{a}-{b}" for a, b in code])


def make(stream: Stream, *, vertices: int, colors: int, density: int) -> Draft:
    """One planted instance; `meta` counts its colourings where k^vertices is small."""
    count, _ = edges_of(vertices, colors, density)
    planted = [v % colors for v in range(vertices)]
    stream.shuffle(planted)
    pairs = [
        pair for pair in combinations(range(vertices), 2) if planted[pair[0]] != planted[pair[1]]
    ]
    edges = sorted(stream.sample(pairs, count))
    text = " ".join(LETTERS[a] + LETTERS[b] for a, b in edges)
    meta: dict[str, Any] = {"edges": text, "colors": colors, "vertices": vertices}
    if colors**vertices <= TABLE:
        table = _differ(vertices, colors)
        bits = (1 << colors**vertices) - 1
        for edge in edges:
            bits &= table[edge]
        meta["colorings"] = bits.bit_count()
        index, shades = (bits & -bits).bit_length() - 1, []
        for _ in range(vertices):
            index, digit = divmod(index, colors)
            shades.append(digit + 1)
        shades.reverse()
    else:
        shades = first(edges, vertices, colors)
    answer = "".join(map(str, shades))
    letters = ", ".join(LETTERS[:vertices])
    shown = " ".join(f"{e[0]}-{e[1]}" for e in text.split())
    compact = f"g{colors}{text.replace(' ', '')}="
    fits = vertices <= 9 and len(compact) <= COMPACT
    why = "\n".join(f"{LETTERS[a]}-{LETTERS[b]}: {shades[a]} and {shades[b]}" for a, b in edges)
    return Draft(
        prompt=(
            f"Give each of the vertices {letters} of a graph one of the colours 1 to {colors} so "
            f"that the two ends of every edge have different colours. The edges:\n{shown}\n"
            f"Answer with the colours of {letters} in this order, as digits without spaces, "
            "and nothing else."
        ),
        answer=answer,
        canonical=f"{colors}: {_canonical(edges, vertices)}",
        compact=compact if fits else None,
        compact_answer=answer if fits else None,
        solution=f"The ends of every edge differ:\n{why}\n{answer}",
        meta=meta,
    )


def _proper(edges: str, shades: str) -> bool:
    colour = dict(zip(LETTERS, shades, strict=False))
    return all(colour[edge[0]] != colour[edge[1]] for edge in edges.split())


def check(problem: Problem, text: str | None) -> Verdict:
    """Whether a reply is a proper colouring; not one colour 1..k for each vertex is `unparsed`."""
    n = len(problem.answer)
    allowed = "1234"[: problem.meta["colors"]]
    stated = text if isinstance(text, str) else ""
    if len(stated) != n or stated.strip(allowed):  # compact replies skip the search for the answer
        found = locate(text, packed=True)
        if found.answer is None:
            return UNPARSED
        values = parse(found.answer, packed=True, how=found.how)
        if values is None or len(values) != n:
            return UNPARSED
        stated = "".join(map(str, values))
        if len(stated) != n or stated.strip(allowed):
            return UNPARSED
    right = _proper(problem.meta["edges"], stated)
    return Verdict(float(right), right, stated, "correct" if right else "wrong")


def ladder(level: int) -> dict[str, Any]:
    """Knobs of a level, 1..10."""
    return dict(LADDER[level])


def _setting(knobs: Mapping[str, Any]) -> tuple[int, int, int]:
    setting = complete(KNOBS, knobs)
    return setting["vertices"], setting["colors"], setting["density"]


def floor(knobs: Mapping[str, Any]) -> float:
    """Chance that random colours are proper: the mean number of colourings over k^vertices.

    Exact for the mean over instances.

    >>> floor({"vertices": 6, "colors": 2, "density": 100})  # 2 of 2^6
    0.03125
    """
    vertices, colors, density = _setting(knobs)
    total, drawn = mean_colorings(vertices, colors, density)
    return total / (drawn * colors**vertices)


def space(knobs: Mapping[str, Any]) -> int:
    """Number of graphs up to renaming: counted up to 8 vertices, else at least P C / (E[M] v!).

    C = C(pairs, edges), P is the number of planted colourings and E[M] the mean number of proper
    ones: as an instance s is drawn with chance at most M(s) / (P C), their number is at least
    P C E[1/M] >= P C / E[M] (Jensen), and at most v! of them are one graph under other names.
    """
    return graphs(*_setting(knobs))


def _read(prompt: str) -> tuple[int, int, list[tuple[int, int]]]:
    """Vertices, colours and edges (numbers from 1) from the prompt's text."""
    head, shown, last = prompt.split("\n")
    letters = re.findall(r"\b[A-Z]\b", last)
    numbers = {letter: i + 1 for i, letter in enumerate(letters)}
    edges = [(numbers[a], numbers[b]) for a, b in re.findall(r"([A-Z])-([A-Z])", shown)]
    found = re.search(r"colours 1 to (\d)", head)
    assert found is not None
    return len(letters), int(found[1]), edges


def solve(problem: Problem) -> str:
    """A proper colouring from the prompt's text alone, by CaDiCaL.

    Raises:
        MissingExtra: python-sat is not installed.
    """
    n, k, edges = _read(str(problem.prompt))
    solvers = extra("pysat.solvers", "sat")
    clauses = [[(v - 1) * k + c for c in range(1, k + 1)] for v in range(1, n + 1)]
    clauses += [[-((a - 1) * k + c), -((b - 1) * k + c)] for a, b in edges for c in range(1, k + 1)]
    with solvers.Solver(name="cadical153", bootstrap_with=clauses) as solver:
        if not solver.solve():
            raise ArgumentError(f"`problem` {problem.id} has no proper colouring")
        true = {x for x in solver.get_model() if x > 0}
    return "".join(
        str(next(c for c in range(1, k + 1) if (v - 1) * k + c in true)) for v in range(1, n + 1)
    )


def judge(problem: Problem, answer: str) -> bool:
    """Whether colours are proper, read from the prompt alone."""
    n, k, edges = _read(str(problem.prompt))
    if len(answer) != n or not all(c in "123456789"[:k] for c in answer):
        return False
    shades = [int(c) for c in answer]
    return not any(shades[a - 1] == shades[b - 1] for a, b in edges)


def effort(problem: Problem) -> float:
    """Mean nodes of `backtrack` over the orders that start at each vertex and go round.

    The mean, as names and their order are no part of the graph.
    """
    n, colors = problem.meta["vertices"], problem.meta["colors"]
    edges = [(LETTERS.index(e[0]), LETTERS.index(e[1])) for e in problem.meta["edges"].split()]
    total = 0
    for start in range(n):
        total += backtrack([((a + start) % n, (b + start) % n) for a, b in edges], n, colors)[1]
    return total / n


FAMILY = Family(
    name="graph_coloring",
    doc="colours for the vertices of a graph so that the ends of every edge differ",
    version="1",
    knobs=KNOBS,
    make=make,
    check=check,
    ladder=ladder,
    floor=floor,
    space=space,
    solve=solve,
    effort=effort,
    effort_unit="nodes of plain backtracking up to a colouring, mean over rotated orders",
    judge=judge,
)
K3 = replace(
    mode(FAMILY, "k3", "three colours for the vertices of a graph", colors=3),
    ladder=lambda level: {k: v for k, v in LADDER_K3[level].items() if k != "colors"},
)
