"""Unsolvable twins: proved, worded like their partners, and right to be called unsolvable."""

import re
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from itertools import combinations, permutations, product

import pytest
import sympy
from scipy.stats import poisson

from gradatim.errors import ArgumentError
from gradatim.families import registry
from gradatim.families.generation import generate
from gradatim.families.twins import names, pairs
from gradatim.families.verify import check

NAMES = [
    "arithmetic.unsolvable",
    "equations.unsolvable",
    "graph_coloring.unsolvable",
    "knights.unsolvable",
    "lists.unsolvable",
    "mazes.unsolvable",
    "n_queens.unsolvable",
    "sat.unsolvable",
    "subset_sum.unsolvable",
    "sudoku.unsolvable",
]
EACH = pytest.mark.parametrize("name", NAMES)


def lines(problem):
    return str(problem.prompt).split("\n")


def clauses(body):
    rows = [re.findall(r"(not )?([A-Z])", line) for line in body]
    return [[(letter, not sign) for sign, letter in row] for row in rows]


def answers_of_sat(body):
    rows = clauses(body)
    letters = sorted({letter for row in rows for letter, _ in row})
    for bits in product((False, True), repeat=len(letters)):
        value = dict(zip(letters, bits, strict=True))
        if all(any(value[letter] == wish for letter, wish in row) for row in rows):
            yield bits


def answers_of_colouring(body):
    edges = [tuple(map(int, line.split())) for line in body]
    n = max(map(max, edges))
    for colours in product("ABC", repeat=n):
        if all(colours[i - 1] != colours[j - 1] for i, j in edges):
            yield colours


def answers_of_queens(body, n):
    stand = dict(tuple(map(int, re.findall(r"\d+", line))) for line in body)
    free = [row for row in range(1, n + 1) if row not in stand]
    left = [column for column in range(1, n + 1) if column not in stand.values()]
    if len(left) > len(free):
        return
    for columns in permutations(left):
        board = stand | dict(zip(free, columns, strict=True))
        if not any(abs(board[a] - board[b]) == b - a for a, b in combinations(sorted(board), 2)):
            yield " ".join(str(board[row]) for row in sorted(board))


def answers_of_equations(body):
    systems = []
    for line in body:
        left, right = re.sub(r"(\d)([a-z])", r"\1*\2", line).split(" = ")
        systems.append(sympy.sympify(left) - int(right))
    unknowns = sorted({s for e in systems for s in e.free_symbols}, key=str)
    found = sympy.linsolve(systems, unknowns)
    return [f for f in found if not any(value.free_symbols for value in f)]


def answers_of_sums(body, target):
    values = [int(word) for word in body[0].split()]
    sizes = range(1, len(values) + 1)
    return [c for k in sizes for c in combinations(values, k) if sum(c) == target]


def answers_of_lists(body, times):
    return [v for v, count in Counter(body[0].split()).items() if count == times]


@EACH
def test_s032_twins_differ_in_one_line_and_in_nothing_else(name):
    longer = 0
    for solvable, twin in pairs(name, n=40, level=3):
        assert (solvable.unsolvable, twin.unsolvable) == (False, True)
        assert twin.answer == "unsolvable"
        one, two = lines(solvable), lines(twin)
        assert (one[0], one[-1], len(one)) == (two[0], two[-1], len(two))
        changed = [(a, b) for a, b in zip(one, two, strict=True) if a != b]
        assert len(changed) == 1
        a, b = changed[0]
        longer += (len(b) > len(a)) - (len(b) < len(a))
        assert abs(len(a) - len(b)) <= 12
        assert "If there is no answer, write unsolvable." in one[-1]
    assert abs(longer) <= 34  # the twin is not always the longer one


@pytest.mark.parametrize("level", [1, 3])
def test_s032_no_answer_is_proved_by_trying_all(level):
    for solvable, twin in pairs("sat.unsolvable", n=25, level=level):
        assert any(True for _ in answers_of_sat(lines(solvable)[1:-1]))
        assert not any(True for _ in answers_of_sat(lines(twin)[1:-1]))
    for solvable, twin in pairs("graph_coloring.unsolvable", n=4, level=level):
        assert any(True for _ in answers_of_colouring(lines(solvable)[1:-1]))
        assert not any(True for _ in answers_of_colouring(lines(twin)[1:-1]))
    for solvable, twin in pairs("n_queens.unsolvable", n=25, level=level):
        n = solvable.knobs["size"]
        assert solvable.answer in set(answers_of_queens(lines(solvable)[1:-1], n))
        assert not any(True for _ in answers_of_queens(lines(twin)[1:-1], n))
        stand = [tuple(queen) for queen in twin.meta["queens"]]  # none attacks another
        assert all(abs(a - c) != abs(b - d) != 0 for (a, b), (c, d) in combinations(stand, 2))
    for solvable, twin in pairs("equations.unsolvable", n=15, level=level):
        (only,) = answers_of_equations(lines(solvable)[1:-1])
        assert " ".join(map(str, only)) == solvable.answer
        assert not answers_of_equations(lines(twin)[1:-1])
    for solvable, twin in pairs("subset_sum.unsolvable", n=25, level=level):
        target = int(lines(twin)[-1].split(" sum is ")[1].split(".")[0])
        assert answers_of_sums(lines(solvable)[1:-1], target)
        assert not answers_of_sums(lines(twin)[1:-1], target)
    for solvable, twin in pairs("lists.unsolvable", n=25, level=level):
        times = int(lines(twin)[-1].split(" exactly ")[1].split()[0])
        assert answers_of_lists(lines(solvable)[1:-1], times) == [solvable.answer]
        assert len(answers_of_lists(lines(twin)[1:-1], times)) != 1


@pytest.mark.parametrize("level", [1, 5, 10])
def test_s032_the_solver_certifies_every_twin(level):
    for name in NAMES:
        solve = registry.get(name).solve
        for solvable, twin in pairs(name, n=5, level=level):
            assert solve(twin) == "unsolvable"
            assert check(solvable, solve(solvable)).solved


def values_of(problem):
    """Lines from the first to the last: the value of each name that has one."""
    known = {}
    for name, right in (line.split(" = ") for line in lines(problem)[1:-1]):
        words = [known.get(word, word) for word in right.split()]
        if not any(isinstance(word, str) and word.isalpha() for word in words):
            a, sign, b = [*words, "+", 0][:3]
            a, b = Fraction(a), Fraction(b)
            if sign != "/" or b:
                known[name] = {"+": a + b, "-": a - b, "*": a * b}[sign] if sign != "/" else a / b
    return known


def early(problem):
    """How many names are used in a line that does not come after theirs."""
    seen, count = set(), 0
    for name, right in (line.split(" = ") for line in lines(problem)[1:-1]):
        count += sum(word.isalpha() and word not in seen for word in right.split())
        seen.add(name)
    return count


def unused(problem):
    """How many names no line uses."""
    rows = [line.split(" = ") for line in lines(problem)[1:-1]]
    used = {word for _, right in rows for word in right.split()}
    return sum(name not in used for name, _ in rows)


@pytest.mark.parametrize("level", [1, 2, 6, 10])
def test_s032_calculations_worked_out_line_by_line(level):
    seen = Counter()
    for solvable, twin in pairs("arithmetic.unsolvable", n=60, level=level):
        last = lines(twin)[-2].split(" = ")[0]
        assert last not in values_of(twin)
        assert str(values_of(solvable)[last]) == solvable.answer
        assert early(solvable) == early(twin) in (0, 1)
        assert unused(solvable) == unused(twin)
        assert (len(values_of(solvable)) < solvable.knobs["steps"] + 1) == early(solvable)
        seen[early(twin)] += 1
    assert min(seen[0], seen[1]) > 10


def test_s032_the_number_before_the_division_tells_nothing():
    """It is as often each of 1..20 where zero is left as where not; only the value tells."""
    taken, factors = {True: Counter(), False: Counter()}, Counter()
    for level in (3, 6):
        for p in (p for pair in pairs("arithmetic.unsolvable", n=1400, level=level) for p in pair):
            if early(p):
                continue
            rows = [line.split(" = ") for line in lines(p)[1:-1]]
            assert len({name for name, _ in rows}) == len(rows) == p.knobs["steps"] + 1
            at = next(i for i, (_, right) in enumerate(rows) if "/" in right)
            sign, number = rows[at - 1][1].split()[1:]
            assert sign == "-"
            assert rows[at][1].endswith(rows[at - 1][0])
            taken[p.unsolvable][int(number)] += 1
            factors.update(right.split()[1] for _, right in rows[1 : at - 1])
    for counts in taken.values():
        n = counts.total()
        low, high = poisson.ppf([1e-5, 1 - 1e-5], n / 20)
        assert set(counts) == set(range(1, 21))
        assert low <= min(counts.values()) <= max(counts.values()) <= high
    assert min(factors[sign] for sign in "+-*") > 50  # all signs lead there


@EACH
def test_s006_saying_unsolvable_is_right_where_it_is_and_only_there(name):
    for solvable, twin in pairs(name, n=10, level=2):
        for text in ("unsolvable", r"\boxed{it's unsolvable}", "The answer is unsolvable."):
            assert check(twin, text) == (1.0, True, "unsolvable", "abstained")
            assert check(solvable, text) == (0.0, False, "unsolvable", "abstained")
        assert check(solvable, solvable.answer).reason == "correct"
        assert check(twin, solvable.answer).reason == "wrong"
        for p in (solvable, twin):
            for text in (None, 5, "", "\x00", "\ud800", "banana", "1" * 1_000_000, "I don't know"):
                assert check(p, text).reward == 0
            assert check(p, None).reason == "unparsed"


@EACH
def test_half_have_no_answer_and_the_knob_says_how_many(name):
    drawn = generate(name, n=300, level=2)
    assert 110 <= sum(p.unsolvable for p in drawn) <= 190
    assert all(p.unsolvable for p in generate(name, n=20, level=2, unsolvable=100))
    assert not any(p.unsolvable for p in generate(name, n=20, level=2, unsolvable=0))
    record = registry.get(name)
    assert record.floor(record.ladder(5)) == 0.5


@EACH
def test_a_reader_of_the_surface_alone_does_not_beat_the_floor(name):
    """Words, digits and length, learned on 600 items: no better than a coin on 300 others.

    And of calculations how often a name stands before its line, or is not used.
    """
    import numpy as np

    def table(problems):
        texts = ["\n".join(lines(p)[1:-1]) for p in problems]
        counts = [[text.count(c) for c in "ABCDabcn0123456789-+*/ "] for text in texts]
        scans = (early, unused) if name == "arithmetic.unsolvable" else ()
        seen = [[len("\n".join(lines(p)[1:-1])), 1, *(scan(p) for scan in scans)] for p in problems]
        return np.c_[counts, seen].astype(float)

    train = generate(name, n=600, level=2)
    test = generate(name, n=300, level=2, split="test")
    x, y = table(train), np.array([p.unsolvable for p in train]) * 2.0 - 1
    weights = np.linalg.solve(x.T @ x + np.eye(x.shape[1]), x.T @ y)
    right = ((table(test) @ weights > 0) == [p.unsolvable for p in test]).mean()
    assert right < 0.6, right


def test_pairs_keep_to_their_split_and_say_what_is_wrong():
    assert names() == [name for name in registry.names() if name.endswith(".unsolvable")]
    train = {p.prompt for pair in pairs("lists.unsolvable", n=60) for p in pair}
    test = {p.prompt for pair in pairs("lists.unsolvable", n=60, split="test") for p in pair}
    assert train.isdisjoint(test)
    for options, match in (
        ({"name": "lists"}, "`name` must be one of"),
        ({"name": "lists.unsolvable", "level": 11}, "`level` must be"),
        ({"name": "lists.unsolvable", "split": "dev"}, "`split` must be one of"),
    ):
        with pytest.raises(ArgumentError, match=match):
            pairs(**{"n": 1} | options)
    with pytest.raises(ArgumentError, match=r"`sat.unsolvable.clauses` must be at most 23"):
        generate("sat.unsolvable", n=1, variables=4, clauses=30)


def test_s032_queens_on_a_board_by_hand():
    # 6 x 6 has four solutions, mirror images of 2 4 6 1 3 5: none has a queen in a corner
    kind = registry.get("n_queens.unsolvable")
    p = next(
        p for p in generate(kind, n=400, size=6, given=2) if not p.unsolvable and p.answer[0] == "2"
    )
    assert p.answer == "2 4 6 1 3 5"
    for text in ("2 4 6 1 3 5", "246135", "[2, 4, 6, 1, 3, 5]", "The answer is 2, 4, 6, 1, 3, 5."):
        assert kind.check(p, text).solved
    assert kind.check(p, "5 3 1 6 4 2").reason == "wrong"  # peaceful, but the queens have moved
    for text in ("2 4 6 1 3", "2 4 6 1 3 7", "24 6 1 3 5", "x"):
        assert kind.check(p, text).reason == "unparsed"
    assert kind.solve(p) == p.answer
    body = "\nrow 1: column 1\nrow 3: column 4\n"
    corner = replace(p, prompt=p.prompt.split("\n")[0] + body + p.prompt.split("\n")[-1])
    assert kind.solve(corner) == "unsolvable"
    with pytest.raises(ArgumentError, match=r"`n_queens.unsolvable.given` must be at most 4"):
        generate(kind, n=1, size=6, given=5)
