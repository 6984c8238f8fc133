import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradatim.cli.app import run as command
from gradatim.engine.attempt import attempt
from gradatim.engine.grade import grade, mean_rate
from gradatim.errors import ArgumentError
from gradatim.families.read import save
from gradatim.solvers.simulated import difficulty
from gradatim.types import Problem


def problems(n):
    return [
        Problem(id=f"p{i}", prompt=f"question {i}", answer="42", verifier="exact", level=1 + i % 10)
        for i in range(n)
    ]


# -- the mean over problems -------------------------------------------------------------------


def test_mean_rate_by_hand():
    # rates 1, 0, .5: mean .5, variance of the mean .25/3 = .0833, so as good as .25/.0833 = 3
    # attempts; Wilson at 1.5 of 3 with z = 1.96: .5 -+ 1.96/2.2805 * sqrt(.25/3 + (1.96/6)^2)
    found = mean_rate(np.array([8, 0, 4]), np.array([8, 8, 8]))
    half = 1.959964 / 2.280486 * np.sqrt(0.25 / 3 + (1.959964 / 6) ** 2)
    assert (found.value, found.n) == (0.5, 3)
    assert np.allclose([found.low, found.high], [0.5 - half, 0.5 + half], atol=1e-5)


def test_equal_rates_count_one_attempt_a_problem():
    # 0 of 8 on each of 16: Wilson at 0 of 16 is z^2 / (16 + z^2) = 3.8415 / 19.8415
    found = mean_rate(np.zeros(16), np.full(16, 8))
    assert found.low == 0
    assert found.high == pytest.approx(3.841459 / 19.841459, abs=1e-6)
    assert mean_rate(np.full(16, 8), np.full(16, 8)).high == 1


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(8, 20)), min_size=1, max_size=30))
def test_mean_rate_is_inside_its_interval_and_mirrors(cells):
    k, n = np.array(cells, float).T
    found, mirror = mean_rate(k, n), mean_rate(n - k, n)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert np.allclose([1 - mirror.high, 1 - mirror.low], [found.low, found.high])
    wider = mean_rate(k, n, level=0.999)
    assert wider.low <= found.low
    assert wider.high >= found.high


@pytest.mark.parametrize(("k", "n"), [([], []), ([1], [0]), ([1, 2], [3])])
def test_mean_rate_refuses_what_it_cannot_count(k, n):
    with pytest.raises(ArgumentError):
        mean_rate(np.array(k, float), np.array(n, float))


def test_the_interval_covers_new_problems_not_attempts_alone():
    # problems with rates from Beta(.5, .5), 8 attempts each: binomial intervals of all attempts
    # would cover about two thirds; ours must cover the mean .5 nearly 95% of the time
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(400):
        k = rng.binomial(8, rng.beta(0.5, 0.5, size=40))
        found = mean_rate(k, np.full(40, 8))
        hits += found.low <= 0.5 <= found.high
    assert 0.92 <= hits / 400 <= 0.98


# -- the verb ---------------------------------------------------------------------------------


def test_grading_places_problems_by_their_difficulty(tmp_path):
    listed = problems(60)
    graded = grade(listed, solver="sim:2pl", run=tmp_path, samples=20)
    assert graded["attempts"]["made"] == 1200
    assert graded["never"] + graded["sometimes"] + graded["always"] == 60
    rows = {row["id"]: row for row in graded["problems"]}
    true = np.array([difficulty(p) for p in listed])
    found = np.array([rows[p.id]["difficulty"] for p in listed])
    assert np.corrcoef(true, found)[0, 1] > 0.9
    hardest = [row["difficulty"] for row in graded["problems"]]
    assert hardest == sorted(hardest, reverse=True)
    again = grade(listed, solver="sim:2pl", run=tmp_path, samples=20)
    assert again["attempts"]["made"] == 0
    assert again["problems"] == graded["problems"]


def test_another_solver_in_the_run_does_not_change_this_ones_counts(tmp_path):
    listed = problems(30)
    alone = grade(listed, solver="sim:2pl", run=tmp_path, samples=8)
    attempt(listed, solver="sim:2pl", run=tmp_path, samples=8, ability=3.0)
    again = grade(listed, solver="sim:2pl", run=tmp_path, samples=8)
    solved = {row["id"]: row["solved"] for row in alone["problems"]}
    assert {row["id"]: row["solved"] for row in again["problems"]} == solved


def test_without_a_solver_stored_replies_are_graded(tmp_path):
    attempt(problems(20), solver="sim:2pl", run=tmp_path, samples=4)
    newer = [
        Problem(id=p.id, prompt=p.prompt, answer=p.answer, verifier="exact", version="2")
        for p in problems(20)
    ]
    graded = grade(newer, run=tmp_path)
    assert (graded["attempts"], graded["regraded"]) == (None, 80)
    assert grade(run=tmp_path)["regraded"] == 0
    assert sum(row["tried"] for row in graded["problems"]) == 80


def test_nothing_to_grade_says_so(tmp_path):
    with pytest.raises(ArgumentError, match="give a solver"):
        grade(problems(2), run=tmp_path)
    with pytest.raises(ArgumentError, match="run"):
        grade(problems(2), solver="sim:2pl")


def test_the_command_grades_a_file_beside_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    save("mine.jsonl", problems(20))
    args = ["grade", "mine.jsonl", "--solver", "sim:2pl", "--samples", "8", "-q"]
    assert command([*args, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["attempts"]["made"] == 160
    assert (tmp_path / "runs" / "mine" / "ledger.sqlite").exists()
    assert command(args) == 0
    assert "of 20 problems" in capsys.readouterr().out
