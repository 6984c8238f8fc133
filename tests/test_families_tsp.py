import itertools

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp

from gradatim.families import tsp
from gradatim.families.generation import generate
from gradatim.types import Problem

# a square with sides 1, 2, 1, 2 and diagonals 9: the way round is 6 long, any other 20 or more
ROWS = [[0, 1, 9, 2], [1, 0, 2, 9], [9, 2, 0, 1], [2, 9, 1, 0]]
BY_HAND = Problem(
    id="1",
    prompt=(
        "Find a shortest round trip that visits each of the cities 1 to 4 once and returns to "
        "where it started. Each line gives a city and its distances to the cities 1 to 4, in "
        "this order.\n1: 0 1 9 2\n2: 1 0 2 9\n3: 9 2 0 1\n4: 2 9 1 0\n"
        "Answer with the cities in the order of the trip separated by spaces, each city once, "
        "and nothing else."
    ),
    answer="1 2 3 4",
    meta={"distances": ROWS, "shortest": 6},
)


def lengths(rows):
    """Every order of the cities with its length."""
    n = len(rows)
    for tour in itertools.permutations(range(n)):
        yield tour, sum(rows[tour[i - 1]][tour[i]] for i in range(n))


def test_by_hand():
    for text in ("1 2 3 4", "3 4 1 2", "4 3 2 1", "1, 2, 3, 4", "1 2 3 4 1", r"\boxed{2 1 4 3}"):
        assert tsp.check(BY_HAND, text).solved, text
    for text in ("1 3 2 4", "1 2 4 3", "1 2 3", "1 2 3 3", "1 2 3 5", "0 1 2 3", "1 2 3 4 2"):
        assert tsp.check(BY_HAND, text).reason == "wrong", text
    for text in ("", "1-2-3-4", None, "one two", "1 2 3 4 " * 900):
        assert tsp.check(BY_HAND, text).reason == "unparsed", text
    assert tsp.check(BY_HAND, tsp.solve(BY_HAND)).solved
    assert tsp.judge(BY_HAND, "3 2 1 4")
    assert not any(tsp.judge(BY_HAND, text) for text in ("1 3 2 4", "1 2 3", "1 2 3 3", "1 2 3 5"))


@pytest.mark.parametrize("cities", [4, 5, 6, 7])
def test_the_shortest_is_shortest_and_any_such_tour_is_right(cities):
    for high in (5, 99):
        for p in generate("tsp", n=2, cities=cities, high=high, seed=4):
            tours = list(lengths(p.meta["distances"]))
            shortest = min(length for _, length in tours)
            assert p.meta["shortest"] == shortest
            for tour, length in tours:
                text = " ".join(str(city + 1) for city in tour)
                assert tsp.check(p, text).solved == (length == shortest)


def by_milp(rows):
    """Length of a shortest tour by integer programming; orders of cities exclude subtours."""
    n = len(rows)
    arcs = [(a, b) for a in range(n) for b in range(n) if a != b]
    size = len(arcs) + n
    cost = np.array([rows[a][b] for a, b in arcs] + [0] * n, float)
    limits = []
    for city in range(n):
        for end in (0, 1):
            row = np.zeros(size)
            row[[i for i, arc in enumerate(arcs) if arc[end] == city]] = 1
            limits.append(LinearConstraint(row[None], 1, 1))
    for i, (a, b) in enumerate(arcs):
        if b:  # place of b is at least that of a plus one, when the arc is taken
            row = np.zeros(size)
            row[i], row[len(arcs) + a], row[len(arcs) + b] = n, 1, -1
            limits.append(LinearConstraint(row[None], -np.inf, n - 1))
    whole = np.array([1] * len(arcs) + [0] * n)
    bounds = Bounds(0, np.array([1] * len(arcs) + [n] * n))
    options = {"mip_rel_gap": 0.0}
    found = milp(cost, constraints=limits, integrality=whole, bounds=bounds, options=options)
    return round(found.fun)


def test_integer_programming_agrees():
    for p in generate("tsp", n=8, level=range(1, 5), seed=2):
        assert p.meta["shortest"] == by_milp(p.meta["distances"])


def test_large_tables():
    for p in generate("tsp", n=3, cities=13, high=999, seed=1):
        assert tsp.check(p, tsp.solve(p)).solved
        assert tsp.check(p, p.answer).solved


def test_compact_form():
    p = generate("tsp", n=1, cities=5, high=9)[0]
    upper = [p.meta["distances"][a][b] for a, b in itertools.combinations(range(5), 2)]
    assert p.compact == f"t5{''.join(map(str, upper))}="
    assert tsp.check(p, p.compact_answer).solved
    assert tsp.check(p, p.compact_answer[::-1]).solved
    assert generate("tsp", n=1, cities=8, high=9)[0].compact is None


@pytest.mark.parametrize("level", [1, 2, 3])
def test_floor_is_near_what_guessing_reaches(level):
    shares = []
    for p in generate("tsp", n=60, level=level):
        right = [length == p.meta["shortest"] for _, length in lengths(p.meta["distances"])]
        shares.append(np.mean(right))
    floor = tsp.floor(tsp.ladder(level))
    assert floor <= np.mean(shares) * (1 + 1e-9)
    assert np.mean(shares) <= floor * 4 / 3


def test_effort_by_hand():
    # from 1, states with a way shorter than 6: 12, 14; 123 (3), 143 (3); 124, 134, 132, 142 are 10
    # or more; 1234 (4), 1432 (5), all in all 6
    assert tsp.effort(BY_HAND) == 6
