"""New problems at a wanted pass rate: the archive of knob settings at work on real families."""

import json

import numpy as np
import pytest

import gradatim as gd
from gradatim.cli import app
from gradatim.engine import aim as module
from gradatim.engine.aim_trials import Maker
from gradatim.errors import ArgumentError, SolverError
from gradatim.families import registry
from gradatim.families.read import load
from gradatim.rng import Stream
from gradatim.solvers.function import from_function
from gradatim.store.run import Run
from gradatim.types import Reply, Solver


def skill(problem):
    """Pass rate of the solver below: falls with the length of the list."""
    return 1 / (1 + np.exp(problem.knobs["length"] - 6))


def reply(request, status="finished"):
    lucky = Stream("aim", request.problem.id).uniform() < skill(request.problem)
    text = request.problem.answer if lucky else "none of these"
    return Reply(request, request.first, text if status == "finished" else None, status)


def answer(requests):
    """All replies in one list: one transaction of the ledger."""
    yield [reply(request) for request in requests]


SOLVER = Solver(name="short lists", answer=answer)
GIVEN = {"solver": SOLVER, "attempts": 256, "n": 30, "near": 0.5}


def tried_in(run):
    with Run(run, create=False).ledger() as ledger:
        return {record.problem for record in ledger.attempts(text=False)}


def test_s166_problems_come_at_the_wanted_rate(tmp_path):
    ticks = []
    given = {**GIVEN, "attempts": 1024, "near": 0.15}
    found = gd.aim("lists", run=tmp_path, progress=ticks.append, **given)
    assert len({p.id for p in found.problems}) == 30
    assert np.mean([skill(p) for p in found.problems]) == pytest.approx(0.5, abs=0.15)
    assert found.figures.filled == len(found.kinds) == 1
    (kind,) = found.kinds
    assert kind["rate"].low <= 1 / (1 + np.exp(kind["knobs"]["length"] - 6)) <= kind["rate"].high
    assert kind["problems"] == 30
    assert (found.made, found.reused, found.lost) == (1024, 0, 0)
    assert (ticks[-1].stage, ticks[-1].done, ticks[-1].total) == ("aim", 1024, 1024)
    assert [tick.done for tick in ticks] == sorted(tick.done for tick in ticks)
    # what was tried is in the run, and none of it comes back
    tried = tried_in(tmp_path)
    assert len(tried) == 1024
    assert not tried & {p.id for p in found.problems}
    (stage,) = [s for s in Run(tmp_path).stages() if s["name"] == "aim"]
    assert stage["done"]


def test_a_repeat_pays_for_nothing_and_says_so(tmp_path):
    found = gd.aim("lists", run=tmp_path, **GIVEN)
    ticks = []
    again = gd.aim("lists", run=tmp_path, progress=ticks.append, **GIVEN)
    assert (again.made, again.reused) == (0, 256)
    assert again._replace(made=256, reused=0) == found
    assert {tick.done for tick in ticks} == {0}
    assert ticks[-1].total == 0  # nothing is left to pay for
    # another number of problems changes no attempt, and the first ones stay
    more = gd.aim("lists", run=tmp_path, **{**GIVEN, "n": 50, "near": 0.45})
    assert (more.made, more.problems[:30]) == (0, found.problems)
    # nor does what other commands add to the run
    gd.attempt(Run(tmp_path).problems()[:20], solver=SOLVER, samples=2, run=tmp_path)
    assert gd.aim("lists", run=tmp_path, **GIVEN).made == 0


@pytest.mark.parametrize("error", [KeyboardInterrupt, SolverError("the server is gone")])
def test_an_interrupted_search_goes_on(tmp_path, error):
    def breaks(requests):
        nonlocal calls
        calls += 1
        some = [reply(request) for request in requests]
        if calls == 2:
            yield some[:50]
            raise error
        yield some

    calls = 0
    solver = Solver(name="short lists", answer=breaks)
    with pytest.raises((KeyboardInterrupt, SolverError)):
        gd.aim("lists", run=tmp_path / "a", **{**GIVEN, "solver": solver})
    resumed = gd.aim("lists", run=tmp_path / "a", **GIVEN)
    assert (resumed.made, resumed.reused) == (256 - 178, 128 + 50)
    whole = gd.aim("lists", run=tmp_path / "b", **GIVEN)
    assert resumed.problems == whole.problems


def test_kinds_differ_in_the_knobs_to_spread_over(tmp_path):
    given = {**GIVEN, "attempts": 384}
    found = gd.aim("lists", run=tmp_path, spread=["length"], bins=2, **given)
    assert (found.figures.cells, found.figures.filled) == (2, 2)
    short, long = (kind["knobs"]["length"] for kind in found.kinds)
    assert short <= 7 < long  # 3 to 12 in two halves
    # the kinds take turns
    assert [p.knobs["length"] for p in found.problems] == [short, long] * 15
    # one that is far from the target is listed, and gives nothing: at 8 the skill is 0.12
    near = gd.aim("lists", run=tmp_path, spread=["length"], bins=2, **{**given, "near": 0.2})
    assert near.made == 0
    assert [kind["problems"] for kind in near.kinds] == [30, 0]


def test_families_are_kinds(tmp_path):
    solver = from_function(lambda problem: problem.answer, name="knows")
    found = gd.aim(
        ["lists", "knights"], solver=solver, run=tmp_path, attempts=16, each=2, n=7, near=0.5
    )
    assert [kind["family"] for kind in found.kinds] == ["lists", "knights"]
    assert [kind["rate"].value for kind in found.kinds] == [1, 1]
    assert [p.family for p in found.problems] == ["lists", "knights"] * 3 + ["lists"]


def test_knobs_vary_within_the_levels():
    dials = module._dials(registry.get("hanoi"))
    # seven disks at all levels, where the default is four
    assert (dials["disks"].low, dials["disks"].high) == (7, 7)
    assert (dials["least"].low, dials["least"].high) == (1, 88)
    sudoku = module._dials(registry.get("sudoku"))
    assert set(sudoku["size"].choices) == {"4", "6", "9"}
    assert "high" not in module._dials(registry.get("lists"))  # no level sets it


def test_attempts_without_a_verdict_are_left_out_and_can_be_made_again(tmp_path):
    def unsure(requests):
        lost = [Stream("lost", r.problem.id).below(4) == 0 and r.first == 0 for r in requests]
        fault = ("finished", "provider_error")
        yield [reply(r, fault[bad]) for r, bad in zip(requests, lost, strict=True)]

    given = {**GIVEN, "solver": Solver(name="short lists", answer=unsure), "near": 0.4}
    found = gd.aim("lists", run=tmp_path, **given)
    assert 256 / 8 < found.lost < 256 / 2
    again = gd.aim("lists", run=tmp_path, retry=["provider_error"], **given)
    assert again.lost == 0
    # as if nothing had been lost
    whole = gd.aim("lists", run=tmp_path / "whole", **{**given, "solver": SOLVER})
    assert again.problems == whole.problems
    # and without `retry` what replaced the lost ones still counts
    assert gd.aim("lists", run=tmp_path, **given).problems == whole.problems


def test_a_solver_that_never_answers_is_said_at_once(tmp_path):
    def fails(problem):
        raise OSError("no route")

    solver = from_function(fails, name="far away")
    with pytest.raises(SolverError, match=r"far away left all of 128 attempts .*no route"):
        gd.aim("lists", run=tmp_path, **{**GIVEN, "solver": solver})


def test_a_spent_budget_is_an_error_that_resumes(tmp_path):
    def half(requests):
        yield [reply(request) for request in requests[:100]]

    solver = Solver(name="short lists", answer=half, report=lambda: {"stopped_by": "max_requests"})
    with pytest.raises(SolverError, match="stopped by max_requests after 100 new attempts"):
        gd.aim("lists", run=tmp_path, **{**GIVEN, "solver": solver})
    found = gd.aim("lists", run=tmp_path, **GIVEN)
    assert (found.made, found.reused) == (156, 100)


def test_small_spaces_give_what_they_have(tmp_path):
    # lists of one digit, 0 or 1, sorted or ...: a handful of problems
    maker, knobs = Maker("train", 0), {"length": 2, "high": 1, "operation": "sort"}
    some, rest = maker.fresh("lists", knobs, 2), maker.fresh("lists", knobs, 50)
    assert len(some) == 2
    assert 0 < len(rest) < 50
    assert len({p.id for p in some + rest}) == len(some) + len(rest)
    assert maker.fresh("lists", knobs, 1) == []
    # kinds that have more make up for it
    kinds = [{"family": "lists", "knobs": knobs}, {"family": "lists", "knobs": {"length": 9}}]
    dealt = module._deal(Maker("train", 0), kinds, 60)
    assert len(dealt) == 60
    assert kinds[0]["problems"] == len(some + rest)
    only = kinds[:1]
    assert len(module._deal(Maker("train", 0), only, 60)) == only[0]["problems"] < 60


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"target": 1.0}, "`target` must lie strictly"),
        ({"target": float("nan")}, "`target` must lie strictly"),
        ({"attempts": 4}, "`attempts` must lie"),
        ({"each": 2.5}, "`each` must be a whole number"),
        ({"n": 0}, "`n` must lie"),
        ({"near": -0.1}, "`near` must lie"),
        ({"seed": 0.5}, "`seed` must be a whole number"),
        ({"split": "tets"}, "`split` must be one of .*did you mean 'test'"),
        ({"retry": ["lost"]}, "`retry` must be one of"),
        ({"spread": ["lenght"]}, "did you mean 'length'"),
        ({"families": ["lists", "sat"], "spread": ["length"]}, "spread of 'sat'"),
        ({"families": "listz"}, "lists"),
        ({"families": []}, "at least one family"),
        ({"temperature": 1}, "`solver` is open: .*temperature"),
        ({"solver": "simm:2pl"}, "sim"),
    ],
)
def test_mistakes_cost_nothing(tmp_path, change, said):
    with pytest.raises(ArgumentError, match=said):
        gd.aim(**{"families": "lists", "run": tmp_path / "run", **GIVEN, **change})
    assert not (tmp_path / "run").exists()


def test_a_target_out_of_reach_names_the_nearest_setting(tmp_path):
    never = from_function(lambda problem: "no", name="never")
    with pytest.raises(
        ArgumentError, match=r"not reached within 0\.2: .* lists with length .*solved 0\.000 \[0"
    ):
        gd.aim("lists", solver=never, run=tmp_path, attempts=8, n=4)


# -- the command ------------------------------------------------------------------------------

WORDS = ["aim", "lists", "-s", "sim:2pl", "--attempts", "16", "-n", "6", "--near", "0.5"]


def test_the_verb_writes_problems_that_pipe_on(tmp_path, capsys):
    words = [*WORDS, "-r", str(tmp_path / "run")]
    assert app.run(words) == 0
    out, err = capsys.readouterr()
    path = tmp_path / "problems.jsonl"
    path.write_text(out)
    problems = load(path)
    assert len(problems) == 6
    assert all(gd.check(p, p.answer).solved for p in problems)
    assert "aim: 16/16 in " in err
    assert "attempts: 0 were there, 16 made\n" in err
    # again: as many, for nothing, in one object
    assert app.run([*words, "--json", "-q"]) == 0
    out, err = capsys.readouterr()
    assert out.count("\n") == 1
    told = json.loads(out)
    assert told.keys() == {"problems", "kinds", "figures", "made", "reused", "lost", "spent"}
    assert (told["made"], told["reused"]) == (0, 16)
    assert [row["id"] for row in told["problems"]] == [p.id for p in problems]
    assert told["kinds"][0]["rate"].keys() == {"value", "low", "high", "n"}
    assert "aim:" not in err
    assert "attempts: 16 were there, 0 made\n" in err
    # into a file
    assert app.run([*words, "-o", str(tmp_path / "kept.jsonl"), "--json", "-q"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["problems"], told["file"]) == (6, str(tmp_path / "kept.jsonl"))
    assert load(tmp_path / "kept.jsonl") == problems
    assert app.run([*words, "-o", str(tmp_path / "kept.jsonl"), "-q"]) == 0
    assert capsys.readouterr().out == ""


def test_options_of_the_solver_go_through(tmp_path, capsys):
    words = [*WORDS, "-r", str(tmp_path / "run"), "-q", "--set", "ability=9", "--near", "0.1"]
    assert app.run(words) == 2  # solves everything
    out, err = capsys.readouterr()
    assert out == ""
    assert "not reached within 0.1" in err
    assert err.count("\n") == 1
    assert app.run([*words[:-2], "--near", "0.5", "--json"]) == 0  # the same attempts
    assert json.loads(capsys.readouterr().out)["made"] == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--target", "1"], "`target` must lie strictly"),
        (["--spread", "lenght"], "did you mean 'length'"),
        (["--set", "abilty=1"], "abilty"),
        (["--split", "valid"], "`split` must be one of"),
        (["-n", "few"], "valid integer"),
    ],
)
def test_mistakes_are_one_line(tmp_path, capsys, words, said):
    assert app.run([*WORDS, "-r", str(tmp_path / "run"), *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert err.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_a_run_must_be_named(capsys):
    assert app.run(WORDS) == 2
    assert "--run" in capsys.readouterr().err


def test_failures_and_interrupts_have_their_codes(tmp_path, capsys, monkeypatch):
    (tmp_path / "solvers_for_aim.py").write_text(
        "def fails(prompt):\n    raise OSError('no route')\n"
        "def stops(prompt):\n    raise KeyboardInterrupt\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    words = ["aim", "lists", "--attempts", "8", "-n", "2", "-r", "run", "-q"]
    assert app.run([*words, "-s", "python:solvers_for_aim:fails"]) == 3
    err = capsys.readouterr().err
    assert "no route" in err
    assert err.count("\n") == 1
    assert app.run([*words, "-s", "python:solvers_for_aim:stops"]) == 130
    assert capsys.readouterr().err == "\ninterrupted; the same command resumes\n"
