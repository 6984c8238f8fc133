import json

import numpy as np
import pytest

from gradatim.cli import app
from gradatim.engine.attempt import attempt
from gradatim.engine.calibrate import calibrate
from gradatim.errors import ArgumentError, SolverError
from gradatim.families.generation import generate
from gradatim.families.read import save
from gradatim.standings.evaluate import evaluate
from gradatim.store.run import Run
from gradatim.types import Reply, Solver

TOLD = 1.3  # ability of the solver that is tested, in the simulator's logits


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A run with a bank of 80 problems answered by five simulated learners."""
    run = Run(tmp_path_factory.mktemp("evaluate") / "home")
    problems = generate("lists", n=80, level=range(1, 11), seed=2)
    for ability in (-3.0, -1.5, 0.0, 1.5, 3.0):
        attempt(problems, solver="sim:2pl", run=run, samples=16, ability=ability)
    calibrate(run)
    return run


def test_a_solver_is_placed_where_it_belongs(home, tmp_path):
    bank = home.bank()
    found = evaluate(
        "sim:2pl", home, run=tmp_path / "run", problems=home.problems(), stop_se=0.2,
        samples=4, ability=TOLD,
    )  # fmt: skip
    # the bank's own five stand at -3 .. 3: its unit is their spread, sqrt(4.5) logits
    ability = found["ability"]
    assert ability.low < TOLD / np.sqrt(4.5) < ability.high
    assert found["stopped"] == "se"
    assert found["se"] <= 0.2
    assert found["items"] < 40
    assert found["made"] == 4 * found["items"]
    assert found["score"].low < found["score"].value < found["score"].high
    assert len({step["item"] for step in found["steps"]}) == found["items"]
    assert found["scale"] == bank.scale
    assert Run(tmp_path / "run").read_result("evaluation")["items"] == found["items"]


def test_repeated_it_pays_for_nothing_twice(home, tmp_path):
    options = {"run": tmp_path / "run", "problems": home.problems(), "stop_se": 0.5}
    first = evaluate("sim:2pl", home, **options)
    second = evaluate("sim:2pl", home, **options)
    assert first["made"] == second["reused"] > 0
    assert second["made"] == 0
    assert first["steps"] == second["steps"]


@pytest.mark.parametrize("criterion", ["variance", "information", "random"])
def test_it_stops_at_the_number_of_items_in_batches(home, tmp_path, criterion):
    found = evaluate(
        "sim:2pl", home, run=tmp_path, problems=home.problems(), stop_se=0.0, max_items=10,
        criterion=criterion, batch=4, top=3,
    )  # fmt: skip
    assert found["stopped"] == "max_items"
    assert found["items"] == 10


def test_it_stops_when_the_bank_is_used_up(home, tmp_path):
    few = home.problems()[:3]
    found = evaluate("sim:2pl", home, run=tmp_path, problems=few, stop_se=0.0)
    assert (found["stopped"], found["items"]) == ("bank", 3)


def test_a_solver_that_is_down_stops_the_test(home, tmp_path):
    def answer(requests):
        for r in requests:
            yield [Reply(r, r.first, None, "provider_error", detail="out")]

    with pytest.raises(SolverError, match="did not answer 10 questions in a row"):
        evaluate(Solver(name="down", answer=answer), home, run=tmp_path, problems=home.problems())


def test_bad_arguments_are_one_clear_line(home, tmp_path):
    with pytest.raises(ArgumentError, match="`run` must name a run folder"):
        evaluate("sim:2pl", home.bank())
    with pytest.raises(ArgumentError, match="none of the bank's 80 items is known"):
        evaluate("sim:2pl", home.bank(), run=tmp_path / "empty")
    with pytest.raises(ArgumentError, match="information, random, variance; got 'best'"):
        evaluate("sim:2pl", home, criterion="best")
    with pytest.raises(ArgumentError, match="`max_items` must lie in"):
        evaluate("sim:2pl", home, max_items=0)


def test_the_verb(home, tmp_path, capsys):
    save(tmp_path / "problems.jsonl", home.problems())
    bank = next(home.banks.glob("*.parquet"))
    line = ["evaluate", "sim:2pl", "--bank", str(bank), "--run", str(tmp_path / "run")]
    line += ["--problems", str(tmp_path / "problems.jsonl"), "--stop-se", "0.4", "-q"]
    assert app.run([*line, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["stopped"] == "se"
    assert app.run(line) == 0
    text = capsys.readouterr().out
    assert f"after {found['items']} of 80 items" in text
    assert "0 attempts made" in text
