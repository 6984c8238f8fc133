import json

import numpy as np
import pytest

from gradatim.cli.app import run as command
from gradatim.engine.attempt import attempt
from gradatim.engine.grade import grade
from gradatim.errors import ArgumentError
from gradatim.families.read import save
from gradatim.solvers.simulated import difficulty
from gradatim.types import Problem


def problems(n):
    return [
        Problem(id=f"p{i}", prompt=f"question {i}", answer="42", verifier="exact", level=1 + i % 10)
        for i in range(n)
    ]


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
