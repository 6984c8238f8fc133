"""Time to target over a study's workloads, and where its settings were tuned."""

import json

import numpy as np
import pytest
from study_rows import study_rows

from gradatim.cli.app import run
from gradatim.engine import study, study_profiles, study_tuning
from gradatim.errors import ArgumentError, FormatError
from gradatim.reports.study_report import Tried, study_report


def row(variant, pool, seed, height, **more):
    rollouts = [0.0, 100.0, 200.0, 400.0]
    usual = {"start": "start", "rollouts": rollouts, "cpu": [at / 50 for at in rollouts]}
    usual |= {"tokens": [at * 7 for at in rollouts], "spent": 400, "steps": 8}
    return {"variant": variant, "pool": pool, "seed": seed, "height": height, **usual, **more}


def two_workloads():
    slow, fast = [0.0, 0.1, 0.2, 0.4], [0.0, 0.2, 0.4, 0.4]
    return [
        row(variant, pool, seed, fast if (variant, pool) == ("quick", "one") else slow)
        for pool in ("one", "two")
        for variant in ("grpo", "quick")
        for seed in (0, 1)
    ]


def test_profiles_of_a_study_by_hand():
    found = study_profiles.profiles(two_workloads(), baseline="grpo")
    # target .9 x .4 = .36: the slow one gets there at 360 rollouts, the fast one at 180
    assert [w["target"] for w in found["workloads"]] == pytest.approx([0.36, 0.36])
    quick, grpo = found["units"]["rollouts"]
    assert (quick["variant"], quick["ratio"], quick["score"].value) == ("quick", [1, 1], 1)
    assert grpo["ratio"] == pytest.approx([2, 1])
    assert grpo["score"].value == pytest.approx((2 / 3 + 1) / 2)
    assert quick["gain"].value == pytest.approx(1 / 6)
    assert (grpo["reached"], found["over"], found["goal"]) == (1, "runs", 0.9)
    # rows of earlier versions hold no steps on the way: they are of one size
    assert found["units"]["steps"][1]["ratio"] == grpo["ratio"]
    assert "score 1 = always the first" in study_profiles.table(found, baseline="grpo")


def test_steps_of_a_row_count_where_they_differ():
    rows = two_workloads()
    for one in rows:  # the quick one takes four times the steps for its rollouts
        one["step"] = [at / 50 * (4 if one["variant"] == "quick" else 1) for at in one["rollouts"]]
    found = study_profiles.profiles(rows, baseline="grpo")
    assert {r["variant"]: r["ratio"] for r in found["units"]["steps"]}["quick"] == [2, 4]
    assert found["units"]["rollouts"][0]["variant"] == "quick"


def test_what_cannot_be_profiled():
    rows = two_workloads()
    still = [row("grpo", "flat", 0, [0.3, 0.3, 0.3, 0.3]), row("quick", "flat", 0, [0.3] * 4)]
    late = [row("late", "one", 0, [0.0, 0.0, 0.0, 0.1])]
    found = study_profiles.profiles([*rows, *still, *late], baseline="grpo")
    assert found["left_out"] == [{"pool": "flat", "start": "start"}]
    assert found["missing"] == ["late"]
    said = study_profiles.said(found, baseline="grpo")
    assert "grpo learned nothing there: flat from start" in said
    assert "not on all workloads: late" in said
    assert study_profiles.profiles(rows[:2], baseline="grpo") is None  # one variant
    assert study_profiles.profiles(still, baseline="grpo") is None
    assert study_profiles.profiles(rows, baseline="absent") is None


def test_s236_profiles_over_five_workloads_say_who_is_first(tmp_path):
    pools = tuple(f"pool{i}" for i in range(6))
    rows = study_rows(pools=pools, variants=("grpo", "gradatim", "dapo"))
    found = study_profiles.profiles(rows, baseline="grpo")
    assert len(found["workloads"]) == 6
    assert found["over"] == "workloads and runs"
    best = {unit: rows[0] for unit, rows in found["units"].items()}
    assert {one["variant"] for one in best.values()} == {"dapo"}  # the steepest by construction
    assert best["rollouts"]["gain"].low > 0
    for name in ("score", "gain"):
        one = best["cpu"][name]
        assert one.low <= one.value <= one.high
    around = Tried("mine", "grpo", 3, len(rows), tuning="equal trials: 3 of each variant")
    text = study_report(rows, around, output=tmp_path / "page.html").read_text()
    for said in ("Time to target", "score by steps", "6 workloads (pool and start)"):
        assert said in text
    assert "Equal trials: 3 of each variant." in text
    (data,) = (part for part in text.split("<script") if 'id="data-profiles"' in part)
    assert json.loads(data.split(">", 1)[1].split("</script>")[0])[0]["factor"] == 1


# -- tuned elsewhere ------------------------------------------------------------------------------

TUNE = """
recipes = ["grpo", "dump"]
[pools.odd]
simulated = 60
held_out = 20
seed = 7
[variants.grpo_fast]
recipe = "grpo"
rate = 0.4
[variants.dump_fast]
recipe = "dump"
rate = 0.4
"""
MINE = """
recipes = ["grpo", "dump"]
seeds = [0]
[settings]
rollouts = 1024
moments = 3
[tuning]
files = ["tune.toml"]
MORE
[pools.sim]
simulated = 40
held_out = 20
seed = SEED
"""


def studies(tmp_path, seed=3, more="", tune=TUNE):
    (tmp_path / "tune.toml").write_text(tune)
    path = tmp_path / "mine.toml"
    path.write_text(MINE.replace("SEED", str(seed)).replace("MORE", more))
    return path


def test_s203_tuned_on_other_problems_is_recorded(tmp_path, capsys):
    path = studies(tmp_path)
    plan = study.load(path)
    assert plan.tuning == study_tuning.Tuning(("tune.toml",), {"grpo": 2, "dump": 2})
    assert run(["study", str(path), "-q", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["tuning"]["trials"] == {"grpo": 2, "dump": 2}
    assert found["tuning"]["shared"] == []
    (said,) = {row["tuning"] for row in study.read_rows(path.with_suffix(".parquet"))}
    assert said == "settings tuned on other problems (tune.toml), equal trials: 2 of each variant"


@pytest.mark.parametrize("seed", [6, 7, 8])  # the held-out problems are those of the next seed
def test_s203_tuned_on_the_tested_problems_is_refused(tmp_path, seed):
    with pytest.raises(ArgumentError, match="tuned on the problems that it tests on") as found:
        study.load(studies(tmp_path, seed))
    assert 'shared = "REASON"' in str(found.value)
    assert "\n" not in str(found.value)
    plan = study.load(studies(tmp_path, seed, 'shared = "only what runs"\ntrials = {grpo = 9}'))
    assert plan.tuning.reason == "only what runs"
    words = study_tuning.words(plan.tuning)
    assert "settings tuned on the problems tested on (tune.toml, pool 'odd'" in words
    assert words.endswith("accepted because: only what runs, unequal trials: grpo 9, dump 2")


@pytest.mark.parametrize(
    ("theirs", "mine", "same"),
    [
        ({}, {}, "lists at levels 1, 2, 3 of seed 0"),
        ({"seed": 1}, {}, ""),
        ({"levels": [1, 3]}, {"levels": "2:4"}, "lists at levels 3 of seed 0"),
        ({"levels": [1, 3]}, {"levels": [2, 4]}, ""),
        ({"families": {"sat": {}}}, {}, ""),
        ({"families": {"lists": {"length": 3}}}, {}, ""),
    ],
)
def test_s203_what_two_pools_share(theirs, mine, same):
    usual = {"families": {"lists": {}}, "levels": "1:3", "seed": 0}
    assert study_tuning._same({**usual, **theirs}, {**usual, **mine}) == same


@pytest.mark.parametrize(
    ("old", "new", "kind", "said"),
    [
        ('files = ["tune.toml"]', "files = []", ArgumentError, "`files` must be a list of names"),
        ('["tune.toml"]', '["nothing.toml"]', FormatError, "nothing.toml"),
        ("files", "file", ArgumentError, "did you mean 'files'"),
        ("MORE", "trials = {grp = 1}", ArgumentError, "did you mean 'grpo'"),
        ("MORE", "trials = {grpo = -1}", ArgumentError, "whole number of at least 0, got -1"),
        ("MORE", "shared = 3", ArgumentError, "`shared` must be a text"),
    ],
)
def test_s203_mistakes_are_named(tmp_path, old, new, kind, said):
    path = studies(tmp_path, more="MORE")
    text = path.read_text()
    path.write_text(text.replace(old, new).replace("MORE", ""))
    with pytest.raises(kind, match=said) as found:
        study.load(path)
    assert "\n" not in str(found.value)


def test_rows_of_earlier_versions_stay_beside_new_ones(tmp_path):
    path = tmp_path / "rows.parquet"
    study.write_rows(path, [{"key": "a", "at": [1.0]}, {"key": "b", "at": [2.0], "step": [3.0]}])
    assert [row["step"] for row in study.read_rows(path)] == [None, [3.0]]
    assert np.ndim(study.read_rows(path)[0]["at"]) == 1
