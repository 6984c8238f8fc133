import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradatim.errors import ArgumentError
from gradatim.families.generation import generate
from gradatim.families.verify import check
from gradatim.solvers.registry import open_solver
from gradatim.solvers.simulated import difficulty, open_simulated, wrong_answers
from gradatim.types import Problem, Request


def make(n, verifier="exact", answer="gold", level=None):
    return [
        Problem(id=f"p{i}", prompt="q", answer=answer, verifier=verifier, level=level)
        for i in range(n)
    ]


def replies(solver, problems, samples, first=0):
    batches = solver.answer([Request(p, first, samples) for p in problems])
    return {(r.request.problem.id, r.sample): r.text for batch in batches for r in batch}


def test_the_same_answers_in_any_order_and_split():
    solver = open_simulated("2pl")
    whole = replies(solver, make(20), 6)
    backwards = replies(open_simulated(None), make(20)[::-1], 3, first=3)
    assert len(whole) == 120
    assert all(whole[key] == text for key, text in backwards.items())


def test_pass_rates_are_those_of_the_curve():
    # 400 problems of one difficulty each: the share solved is the mean of 1/(1+exp(-a(theta-b)))
    problems = make(400, level=7)
    solver = open_simulated("2pl", ability=0.5, discrimination=1.7)
    solved = sum(text == "gold" for text in replies(solver, problems, 25).values()) / 10_000
    rates = [1 / (1 + math.exp(-1.7 * (0.5 - difficulty(p)))) for p in problems]
    expected = sum(rates) / len(rates)
    spread = math.sqrt(sum(p * (1 - p) for p in rates) / len(rates) / 10_000)
    assert abs(solved - expected) < 4 * spread


def test_learners_share_problems_but_no_coins():
    """The weaker solves what the stronger misses as often as independence says."""
    problems, samples = make(200, level=6), 20
    abilities = (0.0, 0.5)
    weak, strong = (replies(open_simulated("2pl", ability=a), problems, samples) for a in abilities)
    upset = sum(weak[key] == "gold" != strong[key] for key in weak) / len(weak)
    low, high = (
        [1 / (1 + math.exp(difficulty(p) - ability)) for p in problems] for ability in abilities
    )
    chance = [p * (1 - q) for p, q in zip(low, high, strict=True)]
    expected = sum(chance) / len(chance)
    spread = math.sqrt(sum(p * (1 - p) for p in chance) / len(chance) / len(weak))
    assert abs(upset - expected) < 4 * spread
    assert expected > 0.1  # with shared coins it would be 0

    steep = replies(open_simulated("2pl", discrimination=1.001), problems, samples)
    assert weak != steep
    minus = replies(open_simulated("2pl", ability=-0.0), problems, samples)
    assert minus == weak == replies(open_simulated("2pl", ability=0), problems, samples)


def test_difficulty_rises_with_level_and_seeds_differ():
    by_level = [sum(map(difficulty, make(200, level=k))) / 200 for k in range(1, 11)]
    assert by_level == sorted(by_level)
    assert difficulty(make(1)[0], seed=0) != difficulty(make(1)[0], seed=1)


@pytest.mark.parametrize("family", ["lists", "arithmetic", "sat"])
def test_wrong_answers_are_wrong_and_gold_is_right(family):
    problems = generate(family, n=40, level=range(1, 11))
    for problem in problems:
        assert check(problem, problem.answer).solved
        texts = wrong_answers(problem)
        assert texts
        assert not any(check(problem, text).solved for text in texts)
    for (name, _), text in replies(open_simulated("2pl", ability=-50), problems, 3).items():
        problem = next(p for p in problems if p.id == name)
        assert not check(problem, text).solved


@settings(max_examples=40)
@given(st.text(max_size=30), st.sampled_from(["exact", "number", "text"]))
def test_wrong_answers_are_wrong_for_any_gold(answer, verifier):
    problem = Problem(id="x", prompt="q", answer=answer, verifier=verifier)
    texts = wrong_answers(problem)
    assert 1 <= len(texts) <= 3
    assert not any(check(problem, text).solved for text in texts)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"ability": float("nan")}, "ability"),
        ({"discrimination": 0}, "discrimination"),
        ({"discrimination": -1}, "discrimination"),
    ],
)
def test_bad_numbers_name_themselves(options, says):
    with pytest.raises(ArgumentError, match=says):
        open_solver("sim:2pl", **options)


def test_extreme_ability_is_finite():
    assert set(replies(open_simulated("2pl", ability=1e9), make(3), 5).values()) == {"gold"}
    assert "gold" not in replies(open_simulated("2pl", ability=-1e9), make(3), 5).values()
