"""Travelling salesperson: a shortest round trip through a few cities, with proof.

Distances are whole numbers, uniform and independent, the same both ways. The length of a shortest
tour is proved by Held and Karp's dynamic programme; every tour of that length is right, wherever
it starts and whichever way it runs. Instances are told apart by their table; the same table with
other numbers of the cities counts as another instance.

For one-digit distances and up to seven cities there is a compact form: "t4314159=" gives the
distances 1-2, 1-3, 1-4, 2-3, 2-4, 3-4.

Ref: Held and Karp 1962, A dynamic programming approach to sequencing problems.
"""

from collections.abc import Mapping
from functools import lru_cache
from itertools import combinations
from math import factorial
from typing import Any, NamedTuple

import numpy as np

from gradatim.checkers.extract import UNPARSED
from gradatim.checkers.lists import locate, parse
from gradatim.families.knobs import complete
from gradatim.rng import Stream
from gradatim.types import Draft, Family, Knob, Problem, Verdict

LONGEST = 2000  # characters of a reply's final line
COMPACT = 7  # cities up to which there is a compact form
FAR = 1 << 40  # longer than any tour

LADDER = {level: {"cities": level + 3, "high": 99} for level in range(1, 11)}

KNOBS = {
    "cities": Knob("how many cities there are", 6, 4, 13),
    "high": Knob("largest distance; the compact form needs at most 9", 99, 2, 999),
}


class _Layer(NamedTuple):
    """Steps of one size: to city `city`, last of `cities`, from each last city of `before`."""

    cities: np.ndarray
    city: np.ndarray
    before: np.ndarray


@lru_cache(maxsize=16)
def _layers(m: int) -> list[_Layer]:
    """The steps of Held and Karp over m cities beside the start, sets as bits."""
    layers = []
    for size in range(2, m + 1):
        sets = [sum(1 << c for c in chosen) for chosen in combinations(range(m), size)]
        pairs = [(s, c) for s in sets for c in range(m) if s >> c & 1]
        cities, city = np.array(pairs).T
        layers.append(_Layer(cities, city, cities ^ (1 << city)))
    return layers


def _ways(distance: np.ndarray) -> np.ndarray:
    """(set of cities, last city): length of the shortest way from the start through the set."""
    m = len(distance) - 1
    cost = np.full((1 << m, m), FAR)
    alone = np.arange(m)
    cost[1 << alone, alone] = distance[0, 1:]
    for cities, city, before in _layers(m):
        cost[cities, city] = (cost[before] + distance[1:, 1:][city]).min(1)
    return cost


def _shortest(distance: np.ndarray) -> tuple[int, list[int]]:
    """Length of a shortest tour, and one: cities from 0, starting with 0."""
    m = len(distance) - 1
    start, between, cost = distance[0, 1:], distance[1:, 1:], _ways(distance)
    left = (1 << m) - 1
    closed = cost[left] + start
    city = int(closed.argmin())
    length, tour = int(closed[city]), [city]
    for _ in range(m - 1):
        left ^= 1 << city
        city = int((cost[left] + between[tour[-1]]).argmin())
        tour.append(city)
    if tour[0] > tour[-1]:
        tour.reverse()
    return length, [0, *(c + 1 for c in tour)]


def make(stream: Stream, *, cities: int, high: int) -> Draft:
    """One table of distances with a shortest tour."""
    upper = [1 + stream.below(high) for _ in range(cities * (cities - 1) // 2)]
    table = np.zeros((cities, cities), np.int64)
    table[np.triu_indices(cities, 1)] = upper
    table += table.T
    length, tour = _shortest(table)
    rows = table.tolist()
    shown = "\n".join(f"{i}: {' '.join(map(str, row))}" for i, row in enumerate(rows, 1))
    answer = " ".join(str(city + 1) for city in tour)
    legs = [rows[a][b] for a, b in zip(tour, [*tour[1:], 0], strict=True)]
    small = high <= 9 and cities <= COMPACT
    return Draft(
        prompt=(
            f"Find a shortest round trip that visits each of the cities 1 to {cities} once and "
            "returns to where it started. Each line gives a city and its distances to the cities "
            f"1 to {cities}, in this order.\n{shown}\n"
            "Answer with the cities in the order of the trip separated by spaces, each city once, "
            "and nothing else."
        ),
        answer=answer,
        canonical=f"{cities}: {' '.join(map(str, upper))}",
        compact=f"t{cities}{''.join(map(str, upper))}=" if small else None,
        compact_answer=answer.replace(" ", "") if small else None,
        solution=f"The trip is {' + '.join(map(str, legs))} = {length} long.\n{answer}",
        meta={"distances": rows, "shortest": length},
    )


def check(problem: Problem, text: str | None) -> Verdict:
    """Whether a reply is a tour of the shortest length; the start may be repeated at the end."""
    packed = problem.compact is not None
    found = locate(text, packed=packed)
    if found.answer is None or len(found.answer) > LONGEST:
        return UNPARSED
    tour = parse(found.answer, packed=packed, how=found.how)
    if tour is None:
        return UNPARSED
    rows, shown = problem.meta["distances"], " ".join(map(str, tour))
    if len(tour) == len(rows) + 1 and tour[0] == tour[-1]:
        tour = tour[:-1]
    right = len(tour) == len(rows) and sorted(tour) == list(range(1, len(rows) + 1))
    if right:
        length = sum(rows[a - 1][b - 1] for a, b in zip(tour, tour[1:] + tour[:1], strict=True))
        right = length == problem.meta["shortest"]
    return Verdict(float(right), right, shown, "correct" if right else "wrong")


def ladder(level: int) -> dict[str, Any]:
    """Knobs of a level, 1..10."""
    return dict(LADDER[level])


def floor(knobs: Mapping[str, Any]) -> float:
    """Chance that a random order is a shortest tour: 2 / (n - 1)!, where that tour is unique.

    Ties make it somewhat larger, at most by a third at the ladder's levels (measured in tests).
    """
    return 2 / factorial(complete(KNOBS, knobs)["cities"] - 1)


def space(knobs: Mapping[str, Any]) -> int:
    """Number of different tables: high^(n (n - 1) / 2)."""
    setting = complete(KNOBS, knobs)
    n = setting["cities"]
    return setting["high"] ** (n * (n - 1) // 2)


def _read(prompt: str) -> list[list[int]]:
    lines = prompt.split("\n")[1:-1]
    return [[int(word) for word in line.split(": ")[1].split()] for line in lines]


@lru_cache(maxsize=4096)
def _branch(prompt: str) -> tuple[int, list[int]]:
    """Length of a shortest tour, and one, by branch and bound.

    Nearest city first. The trip still leaves the present city, enters the first and passes every
    city left: at least half the sum of their nearest roads, two for each of the latter. Lengths
    are doubled to stay whole.
    """
    rows = _read(prompt)
    n = len(rows)
    roads = [sorted(row[:c] + row[c + 1 :]) for c, row in enumerate(rows)]
    one, two = [road[0] for road in roads], [road[0] + road[1] for road in roads]
    order = [sorted(range(n), key=lambda c: -row[c]) for row in rows]
    best, tour = FAR, [0]
    stack = [([0], (1 << n) - 2, 0, sum(two[1:]) + one[0])]
    while stack:
        path, left, length, least = stack.pop()
        city = path[-1]
        if length + least + one[city] >= best:
            continue
        if not left:
            if length + 2 * rows[city][0] < best:
                best, tour = length + 2 * rows[city][0], path
            continue
        for c in order[city]:  # the nearest is pushed last and visited first
            if left >> c & 1:
                step = length + 2 * rows[city][c]
                stack.append(([*path, c], left ^ 1 << c, step, least - two[c]))
    return best // 2, [c + 1 for c in tour]


def solve(problem: Problem) -> str:
    """A shortest tour from the prompt's text alone, by branch and bound."""
    return " ".join(map(str, _branch(str(problem.prompt))[1]))


def judge(problem: Problem, answer: str) -> bool:
    """Whether a tour is as short as the one that branch and bound finds."""
    prompt = str(problem.prompt)
    rows, tour = _read(prompt), [int(word) for word in answer.split()]
    if set(tour) != set(range(1, len(rows) + 1)) or len(tour) != len(rows):
        return False
    length = sum(rows[tour[i - 1] - 1][tour[i] - 1] for i in range(len(tour)))
    return length == _branch(prompt)[0]


def effort(problem: Problem) -> float:
    """States (cities seen, last of them) that a search by length closes before the shortest tour.

    These are the ones that can be reached by a way shorter than the tour.
    """
    distance = np.array(_read(str(problem.prompt)))
    return float((_ways(distance) < _shortest(distance)[0]).sum())


FAMILY = Family(
    name="tsp",
    doc="a shortest round trip through a few cities",
    version="1",
    knobs=KNOBS,
    make=make,
    check=check,
    ladder=ladder,
    floor=floor,
    space=space,
    solve=solve,
    effort=effort,
    effort_unit="states closed by a search by length",
    judge=judge,
)
