import itertools
import random
from statistics import median

import pytest

from gradatim.errors import ArgumentError
from gradatim.families import graph_coloring as gc
from gradatim.families import graph_coloring_counts as counts
from gradatim.families import registry
from gradatim.families.generation import generate
from gradatim.families.knobs import resolve

NAMES = ["graph_coloring", "graph_coloring.k3"]


def edges_of(problem):
    return [tuple(map(gc.LETTERS.index, edge)) for edge in problem.meta["edges"].split()]


def proper(edges, shades):
    return all(shades[a] != shades[b] for a, b in edges)


@pytest.mark.parametrize(("vertices", "colors"), [(6, 2), (7, 3), (8, 3), (6, 4)])
def test_colourings_are_counted_and_exactly_those_pass(vertices, colors):
    for p in generate("graph_coloring", n=12, vertices=vertices, colors=colors, density=60):
        edges, right = edges_of(p), []
        for shades in itertools.product("1234"[:colors], repeat=vertices):
            text = "".join(shades)
            if proper(edges, text):
                right.append(text)
            assert gc.check(p, text).solved == (text == right[-1] if right else False)
        assert p.meta["colorings"] == len(right)
        assert p.answer == right[0]


def test_a_hand_worked_search():
    # triangle A-B-C with D on C: A 1, B 2, C 3, and D, free of 3 only, takes 1
    assert gc.backtrack([(0, 1), (0, 2), (1, 2), (2, 3)], 4, 3) == ([1, 2, 3, 1], 4)
    # K4 has none in three colours: 3 for A, 2 each for B, 1 each for C, then D has none left
    found, nodes = gc.backtrack(list(itertools.combinations(range(4), 2)), 4, 3)
    assert (found, nodes) == ([], 3 + 3 * 2 + 3 * 2)


def test_number_of_edges_and_their_density():
    # 7 vertices in classes of 3, 2, 2: 21 - 3 - 1 - 1 = 16 pairs, half of them 8
    p = generate("graph_coloring", n=1, vertices=7, colors=3, density=50)[0]
    assert len(p.meta["edges"].split()) == len(set(p.meta["edges"].split())) == 8
    full = generate("graph_coloring", n=1, vertices=6, colors=2, density=100)[0]
    assert full.meta["colorings"] == 2  # K33: a colour for each side
    assert full.answer[0] == "1"


def test_canonical_form_is_equal_up_to_renaming():
    rng = random.Random(5)
    for p in generate("graph_coloring", n=40, level=[1, 5, 9]):
        edges, n = edges_of(p), p.meta["vertices"]
        names = list(range(n))
        rng.shuffle(names)
        renamed = [tuple(sorted((names[a], names[b]))) for a, b in edges]
        rng.shuffle(renamed)
        assert gc._canonical(renamed, n) == gc._canonical(edges, n)
    path, star = [(0, 1), (1, 2), (2, 3)], [(0, 1), (0, 2), (0, 3)]
    assert gc._canonical(path, 6) != gc._canonical(star, 6)


def test_graphs_of_six_vertices_are_counted():
    pairs = list(itertools.combinations(range(6), 2))
    for colors in (2, 3):
        _, separated = counts.edges_of(6, colors, 100)
        planted = set(itertools.permutations([v % colors for v in range(6)]))
        free = {frozenset(e for e in pairs if c[e[0]] != c[e[1]]) for c in planted}
        counted = list(map(int, counts.GRAPHS[6, colors].split()))
        assert len(counted) == separated + 1
        for count in (1, 2, 3, 4):
            graphs = {frozenset(g) for f in free for g in itertools.combinations(sorted(f), count)}
            assert len({gc._canonical(sorted(g), 6) for g in graphs}) == counted[count]


@pytest.mark.parametrize(("vertices", "density"), [(9, 58), (12, 58)])
def test_lower_bound_of_the_space(vertices, density):
    knobs = {"vertices": vertices, "colors": 3, "density": density}
    forms = {gc.make(gc.Stream("t", i), **knobs).canonical for i in range(300)}
    assert len(forms) > 280
    assert gc.space(knobs) > len(forms)


def test_floor_is_the_mean_number_of_colourings():
    knobs = {"vertices": 8, "colors": 3, "density": 60}
    found = generate("graph_coloring", n=3000, **knobs)
    mean = sum(p.meta["colorings"] for p in found) / len(found)
    assert mean / 3**8 == pytest.approx(gc.floor(knobs), rel=0.05)
    # K_{2,2,2}, the whole separated graph: 3! colourings of 3^6
    assert gc.floor({"vertices": 6, "colors": 3, "density": 100}) == 6 / 3**6


def test_a_prompt_tells_all():
    p = generate("graph_coloring.k3", n=1, level=1)[0]
    assert "colours 1 to 3" in p.prompt
    assert [f"{e[0]}-{e[1]}" for e in p.meta["edges"].split()] == p.prompt.split("\n")[1].split()
    assert p.compact == f"g3{p.meta['edges'].replace(' ', '')}="
    assert generate("graph_coloring", n=1, vertices=10)[0].compact is None


def test_replies_in_other_dress():
    p = generate("graph_coloring", n=1, level=1)[0]
    spaced = " ".join(p.answer)
    for text in (spaced, ", ".join(p.answer), f"[{spaced}]", rf"\boxed{{{spaced}}}"):
        assert gc.check(p, text).solved
    for text in (p.answer[:-1], p.answer + "1", p.answer.replace("1", "4"), "12" * 10**6, "0"):
        assert gc.check(p, text).reason == "unparsed"
    assert gc.check(p, "1" * len(p.answer)).reason == "wrong"


@pytest.mark.parametrize("name", NAMES)
def test_effort_rises_and_large_graphs_are_coloured(name):
    work, family = [], registry.get(name)
    for level in (1, 4, 7, 9, 10):
        found = generate(name, n=30, level=level)
        work.append(median(family.effort(p) for p in found))
        assert all(proper(edges_of(p), p.answer) for p in found)
    assert work == sorted(work)
    assert work[-1] > 10 * work[0]


def test_modes_fix_the_colours():
    with pytest.raises(ArgumentError, match="has no 'colors'"):
        generate("graph_coloring.k3", n=1, colors=4)
    assert resolve(gc.K3, {}).keys() == {"vertices", "density"}


def test_the_sooner_search_finds_what_plain_backtracking_does():
    draw = random.Random(5)
    none = 0
    for _ in range(400):
        n, colors = draw.randint(2, 9), draw.randint(1, 4)
        pairs = list(itertools.combinations(range(n), 2))
        edges = sorted(draw.sample(pairs, draw.randint(0, len(pairs))))
        plain, _ = gc.backtrack(edges, n, colors)
        assert gc.first(edges, n, colors) == plain, (edges, n, colors)
        none += not plain
    assert 50 < none < 350
