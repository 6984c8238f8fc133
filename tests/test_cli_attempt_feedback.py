"""`attempt --feedback`: the way to feedback friction on the command line."""

import json

import pytest

import gradatim as gd
from gradatim.cli import app
from gradatim.families.read import save
from gradatim.store.run import Run
from gradatim.types import Problem

# right unaided on even questions; takes up feedback on those that 3 divides
LISTENER = """
import re

def answer(prompt):
    number = int(re.search(r"question (\\d+)", prompt)[1])
    told = "An attempt that failed" in prompt
    return str(100 + number) if number % 2 == 0 or (told and number % 3 == 0) else "wrong"
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    (tmp_path / "listener_for_friction.py").write_text(LISTENER)
    monkeypatch.chdir(tmp_path)
    listed = [
        Problem(id=f"p{i}", prompt=f"question {i}", answer=str(100 + i), verifier="exact")
        for i in range(12)
    ]
    save(tmp_path / "p.jsonl", listed)
    return str(tmp_path / "p.jsonl")


SPEC = "python:listener_for_friction:answer"


def test_s144_the_command_measures_friction_and_resumes(file, tmp_path, capsys):
    words = ["attempt", file, "-s", SPEC, "-r", "run", "--feedback", "wrong", "--rounds", "2", "-q"]
    assert app.run([*words, "--json"]) == 0
    out, _ = capsys.readouterr()
    assert out.count("\n") == 1
    found = json.loads(out)
    # 6 of 12 are even; 3 and 9 are odd and divided by 3; 4 are left
    assert found["friction"]["accuracy"]["value"] == [6 / 12, 8 / 12, 8 / 12]
    assert found["friction"]["friction"]["value"] == pytest.approx(4 / 12)
    assert found["friction"]["unrecovered"]["value"] == pytest.approx(4 / 6)
    assert found["friction"]["recovered"]["n"] == [6, 4]
    assert (found["requested"], found["made"], found["written"]) == (12 + 6 + 4, 22, 0)
    assert app.run(words) == 0
    text = capsys.readouterr().out
    assert "solved, unaided   0.500" in text
    assert "friction          0.333" in text
    assert "22 attempts (0 made" in text
    with Run("run").ledger() as ledger:
        assert len(list(ledger.attempts())) == 22
    # the function is the same thing
    same = gd.measure_friction(file, solver=SPEC, run="run", rounds=2)
    assert (same.made, same.friction.friction.value) == (0, pytest.approx(4 / 12))


def test_options_of_the_solver_go_through(file, capsys):
    words = ["attempt", file, "-s", "sim:2pl", "-r", "sim", "--feedback", "simple_gt", "-q"]
    assert app.run([*words, "--rounds", "0", "--set", "ability=9", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["friction"]["plateau"]["value"] == 1.0
    assert app.run([*words, "--set", "abilty=9"]) == 2
    assert "abilty" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--feedback", "wrong", "--samples", "4"], "--samples: not with --feedback"),
        (["--feedback", "wrong", "--budget", "4"], "--budget: not with --feedback"),
        (["--rounds", "3", "--leak", "drop"], "--rounds, --leak: only with --feedback WRITER"),
        (["--feedback", "wrnog"], "`writer` must be 'wrong', 'simple_gt'"),
        (["--feedback", "wrong", "--leak", "hide"], "`leak` must be one of"),
    ],
)
def test_mistakes_cost_nothing_and_are_one_line(file, tmp_path, capsys, words, said):
    assert app.run(["attempt", file, "-s", SPEC, "-r", "run", "-q", *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert err.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_the_tiny_policy_cannot_be_told(file, capsys):
    assert app.run(["attempt", file, "-s", "tiny", "-r", "run", "--feedback", "wrong", "-q"]) == 2
    assert "cannot read feedback" in capsys.readouterr().err


def test_options_of_an_open_solver_are_refused(file):
    solver = gd.Solver(name="x", answer=lambda requests: iter(()))
    with pytest.raises(gd.GradatimError, match="`solver` is open"):
        gd.measure_friction(file, solver=solver, run="run", temperature=1)
