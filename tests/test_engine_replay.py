import json

import numpy as np
import pytest

import gradatim as gd
from gradatim.cli import app
from gradatim.engine.attempt import attempt
from gradatim.engine.feedback import measure_friction
from gradatim.engine.replay import rank_policies, replay
from gradatim.errors import ArgumentError
from gradatim.solvers.function import from_function
from gradatim.store.rows import AttemptRow, GradeRow, Setting
from gradatim.store.run import Run
from gradatim.types import Problem


def problems():
    return [
        Problem(id=f"p{i}", prompt=f"question {i}", answer=str(i), verifier="exact")
        for i in range(3)
    ]


def answer(problem, sample):
    """p0 always right, p1 once in eight, p2 never."""
    right = problem.id == "p0" or (problem.id == "p1" and sample == 3)
    return problem.answer if right else f"wrong {sample}"


@pytest.fixture
def run(tmp_path):
    attempt(problems(), solver=from_function(answer, name="f"), run=tmp_path / "run", samples=8)
    return tmp_path / "run"


def test_s082_the_rare_right_attempt_on_a_hard_problem_comes_most(run):
    found = replay(run, 400)
    assert (found.attempts, len(found.rows)) == (24, 400)
    assert found.recorded == 9 / 24
    # the advantages: 0 (p0, p2), 7/8 and -1/8 (p1), on [0, 1]: 1/8, 1 and 0; shares go as
    # exp(10 x): 16 attempts of exp(1.25), one of exp(10), 7 of 1
    odds = np.exp(10) / (np.exp(10) + 16 * np.exp(1.25) + 7)
    best = [row for row in found.rows if row["id"] == "p1" and row["reward"] == 1]
    assert best[0]["share"] == pytest.approx(odds)
    assert len(best) > 380
    assert best[0] == {
        "id": "p1",
        "prompt": "question 1",
        "completion": "1",
        "reward": 1.0,
        "solver": "f",
        "policy": "",
        "sample": 3,
        "share": best[0]["share"],
        "upside": pytest.approx(1 / 8 * (7 / 8) ** 2),
    }
    assert found.drawn > 0.9
    # a high temperature draws all alike; by reward the easy problem's attempts come as often
    alike = replay(run, 4000, temperature=1e6)
    assert alike.drawn == pytest.approx(9 / 24, abs=0.05)
    plain = replay(run, 900, by="reward")
    assert sum(row["id"] == "p0" for row in plain.rows) == pytest.approx(800, abs=60)
    assert {row["upside"] for row in plain.rows if row["id"] == "p0"} == {0.0}


def test_the_seed_decides_and_problems_can_be_chosen(run):
    assert replay(run, 50, seed=1).rows == gd.replay(Run(run), 50, seed=1).rows
    assert replay(run, 50, seed=1, temperature=9).rows != replay(run, 50, temperature=9).rows
    assert {row["id"] for row in replay(run, 20, problems=["p2"]).rows} == {"p2"}


def test_what_may_not_be_learned_from_is_left_out(run, tmp_path):
    listed, setting = problems(), Setting("tiny:start", "v")
    rows = [
        AttemptRow("p0", "h", setting, i, text="0", tag=tag, status=status)
        for i, (tag, status) in enumerate([
            ("monitor", "finished"),
            ("probe", "finished"),
            ("train", "truncated"),
        ])
    ]
    grades = [GradeRow("exact@1", 1.0, True, "0", attempt=-1)] * 3
    with Run(run).ledger(write=True) as ledger:
        ledger.append(rows, grades)
    measure_friction(listed, solver=from_function(answer, name="f"), run=run, rounds=2)
    assert replay(run, 5).attempts == 24
    with pytest.raises(ArgumentError, match="no finished and graded attempt by 'tiny:start'"):
        replay(run, 5, solver="tiny:start")


def test_the_tiny_policys_prompt_is_the_compact_one(tmp_path):
    listed = gd.generate("arithmetic", n=3, level=1, seed=0)
    attempt(listed, solver="recorded:" + str(_answers(tmp_path, listed)), run=tmp_path / "r")
    given = {p.id: p for p in listed}
    assert all(row["prompt"] == given[row["id"]].prompt for row in replay(tmp_path / "r", 6).rows)
    with Run(tmp_path / "r").ledger(write=True) as ledger:
        row = AttemptRow(listed[0].id, "h", Setting("tiny:start", "v"), 0, text="7")
        ledger.append([row], [GradeRow("arithmetic@1", 1.0, True, "7", attempt=-1)])
    (found,) = replay(tmp_path / "r", 1, solver="tiny:start").rows
    assert found["prompt"] == listed[0].compact


def _answers(folder, listed):
    path = folder / "answers.jsonl"
    path.write_text("".join(json.dumps({"id": p.id, "text": p.answer}) + "\n" for p in listed))
    return path


def test_select_replays_what_it_keeps(run, tmp_path, capsys):
    words = ["select", str(run), "--band", "0.05:0.5", "--replay", "30", "--seed", "3"]
    assert app.run(words) == 0
    out, err = capsys.readouterr()
    rows = [json.loads(line) for line in out.splitlines()]
    assert len(rows) == 30
    assert {row["id"] for row in rows} == {"p1"}
    assert "30 draws from 8 attempts" in err
    assert rows == replay(run, 30, problems=["p1"], seed=3).rows
    assert app.run([*words, "-o", str(tmp_path / "again.jsonl")]) == 0
    assert (tmp_path / "again.jsonl").read_text() == out
    capsys.readouterr()


def test_s044_policies_of_a_log_are_ranked_on_problems_that_the_ranking_has_not_seen():
    rng = np.random.default_rng(0)
    skill = np.linspace(0.2, 0.8, 8)
    place = np.repeat(np.arange(8), 400)
    problem = np.tile(np.arange(200), 16)
    easy = rng.uniform(-0.2, 0.2, 200)
    reward = (rng.random(3200) < skill[place] + easy[problem]).astype(float)
    names = [f"s@{i}" for i in place]
    found = rank_policies(names, reward, problem)
    assert found is not None
    assert found.names[0] == "s@7"
    assert found.k == 3
    assert found.choice.correlation.value > 0.9
    assert found.choice.best == pytest.approx(0.8, abs=0.08)
    assert found.choice.sharpe > 1
    # who tried only easy problems is not in front for that
    lazy = (place != 0) | (easy[problem] > 0.1)
    again = rank_policies(list(np.array(names)[lazy]), reward[lazy], problem[lazy])
    assert again is not None
    assert again.names[-1] == "s@0"
    # coins: nothing to choose by, and the correlation says so
    tossed = [rank_policies(names, rng.integers(0, 2, 3200), problem) for _ in range(40)]
    found = [one.choice.correlation for one in tossed if one is not None]
    assert abs(np.mean([one.value for one in found])) < 0.2
    assert np.mean([one.low > 0 for one in found]) <= 0.1
    assert rank_policies(names[:800], reward[:800], problem[:800]) is None


def test_s044_a_replay_of_several_policies_reports_it(run, tmp_path, capsys):
    for skill in range(4):

        def right_up_to(problem, sample, skill=skill):
            return problem.answer if sample <= skill else "no"

        solver = from_function(right_up_to, name=f"g{skill}")
        assert attempt(problems(), solver=solver, run=run, samples=4)["finished"] == 12
    words = ["select", str(run), "--band", "0:1", "--replay", "9", "--json"]
    assert app.run([*words, "-o", str(tmp_path / "o.jsonl")]) == 0
    out, err = capsys.readouterr()
    assert "5 policies ranked on half of the problems" in err
    assert "SharpeRatio@2" in err
    told = json.loads(out)["policies"]
    assert told["names"][0] == "g3"
    assert told["choice"]["correlation"]["n"] == 5


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--by", "reward"], "--by: only with --replay N"),
        (["--replay", "0"], "`n` must lie"),
        (["--replay", "3", "--by", "luck"], "`by` must be one of"),
        (["--replay", "3", "--temperature", "0"], "`temperature` must lie"),
    ],
)
def test_mistakes_are_one_line(run, capsys, words, said):
    assert app.run(["select", str(run), "--band", "0:1", *words]) == 2
    assert said in capsys.readouterr().err.splitlines()[-1]


def test_a_replay_needs_one_run(tmp_path, capsys):
    (tmp_path / "t.csv").write_text("solver,item,solved,tried\ns,i,1,2\n")
    assert app.run(["select", str(tmp_path / "t.csv"), "--replay", "3"]) == 2
    assert "--replay draws from the attempts of one run" in capsys.readouterr().err
