import json

import numpy as np
import pytest

import gradatim as gd
from gradatim.cli.app import run as command
from gradatim.engine.choose import choose
from gradatim.errors import ArgumentError, FormatError


def by_name(found):
    return {row["budget"]: row for row in found["budgets"]}


def test_known_rate_by_hand():
    found = choose(pass_rate=0.18, rollouts=64, recipe="grpo", prompts=8, dry_run=True, tokens=100)
    # two attempts at p = .18: mixed 2 x .18 x .82 = .2952, so 70% are not; 32 groups, 9.4 mixed
    two = by_name(found)["equal G=2"]
    assert two["mixed_share"].value == pytest.approx(0.2952)
    assert two["mixed_groups"].value == pytest.approx(32 * 0.2952)
    assert found["lines"][0] == "G=2 at p=0.18 leaves 70% of groups without a gradient"
    # eight attempts: 1 - .18^8 - .82^8
    eight = 1 - 0.18**8 - 0.82**8
    assert by_name(found)["equal G=8"]["mixed_share"].value == pytest.approx(eight)
    assert by_name(found)["recipe grpo"]["mixed_share"].value == pytest.approx(eight)
    assert two["tokens"] == 6400
    assert two["cost"] is None
    priced = choose(pass_rate=[0.18], rollouts=64, recipe="grpo", dry_run=True, tokens=100, price=5)
    assert by_name(priced)["equal G=2"]["cost"] == pytest.approx(6400 * 5 / 1e6)
    many = choose(pass_rate=[0.0, 0.5], rollouts=64, dry_run=True)
    assert by_name(many)["equal G=2"]["mixed_share"].value == pytest.approx(0.25)
    assert "mean p=0.25" in many["lines"][0]


def graded_run(tmp_path):
    problems = gd.generate("arithmetic", n=40, level=range(1, 11), seed=0)
    run = gd.Run(tmp_path / "run")
    gd.attempt(problems, solver="sim:2pl", samples=6, run=run)
    return run, problems


def test_a_plan_from_a_ledger(tmp_path, capsys):
    run, problems = graded_run(tmp_path)
    rows = choose(run, prompts=10, rollouts=77)
    assert sum(row["n"] for row in rows) == 77
    assert {row["problem"] for row in rows} <= {p.id for p in problems}
    assert rows == choose(run, prompts=10, rollouts=77)
    forecast = choose(str(run.path), prompts=10, rollouts=80, dry_run=True)
    assert forecast["attempts_behind"] == 240
    for row in forecast["budgets"]:
        share = row["mixed_share"]
        assert 0 < share.low <= share.value <= share.high < 1
        assert share.n == 240
    assert command(["choose", str(run.path), "--prompts", "10", "--rollouts", "77"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line) for line in lines] == rows
    assert command(["choose", str(run.path), "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["problems"] == 40
    assert command(["choose", str(run.path), "--dry-run"]) == 0
    assert "of groups without a gradient" in capsys.readouterr().out


def test_forecast_holds_what_it_promises(tmp_path):
    # the share it expects of equal groups of 2 agrees with what the simulated solver then does
    problems = gd.generate("arithmetic", n=300, level=range(1, 11), seed=1)
    run = gd.Run(tmp_path / "run")
    gd.attempt(problems, solver="sim:2pl", samples=10, run=run)
    with run.ledger() as ledger:
        first = ledger.responses()
    rate = first.solved / first.tried
    pairs = rate * (1 - rate) * 2 * 10 / 9  # unbiased for the chance that two attempts differ
    expected = by_name(choose(run, dry_run=True, rollouts=600))["equal G=2"]["mixed_share"]
    error = np.std(pairs) / np.sqrt(len(pairs))
    assert expected.value == pytest.approx(pairs.mean(), abs=4 * error)


def test_whose_attempts_count(tmp_path):
    run, problems = graded_run(tmp_path)
    with pytest.raises(ArgumentError, match="`solver` must be one of sim:2pl"):
        choose(run, solver="tiny")
    gd.attempt(problems, solver="sim:2pl", samples=6, run=run, ability=3.0)
    with pytest.raises(ArgumentError, match="`solver` must say whose attempts count: sim:2pl"):
        choose(run)
    with run.ledger() as ledger:
        names = ledger.responses().solvers
    rates = [choose(run, solver=name, dry_run=True)["pass_rate"] for name in names]
    assert len(names) == 2
    assert abs(rates[0] - rates[1]) > 0.1  # an ability of 3 and one of 0


def test_a_file_of_problems_and_problems(tmp_path):
    problems = gd.generate("arithmetic", n=12, level=3, seed=0)
    from gradatim.families.read import save

    save(tmp_path / "p.jsonl", problems)
    assert choose(tmp_path / "p.jsonl", rollouts=24) == choose(problems, rollouts=24)


def test_mistakes(tmp_path, capsys):
    with pytest.raises(ArgumentError, match="`source` must be a run, a file"):
        choose()
    with pytest.raises(ArgumentError, match="`source` must be a run, a file"):
        choose(pass_rate=0.5)
    with pytest.raises(FormatError, match="expected a run folder"):
        choose(tmp_path / "nowhere")
    with pytest.raises(ArgumentError, match="has no problems yet"):
        choose(gd.Run(tmp_path / "empty"))
    for words, said in (
        (["--pass-rate", "1.5"], "`pass_rate` must lie in [0, 1]"),
        (["--pass-rate", "x"], "`--pass-rate` must be numbers"),
        (["--pass-rate", ".5", "--recipe", "grpoo"], "did you mean 'grpo'"),
        (["--pass-rate", ".5", "--set", "budget"], "`--set` must be SLOT=NAME"),
        (["--pass-rate", ".5", "--set", "budget.mn=4"], "did you mean 'min'"),
    ):
        assert command(["choose", "--dry-run", *words]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert said in error
