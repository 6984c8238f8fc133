"""What a run logs of its policy: entropy, staleness, reach, coverage, alarms, and the words."""

import json

import numpy as np
import pytest

from gradatim.cli.app import run as command
from gradatim.engine import watching
from gradatim.families.generation import generate
from gradatim.families.read import save
from gradatim.learning.monitors_reach import VERDICTS
from gradatim.store.run import Run
from gradatim.types import ROLES, Batch, Estimate


def batch(reward, logp, length, role=None):
    size = len(reward)
    solved = np.array(reward) > 0
    return Batch(
        step=0,
        group=np.arange(size) // 2,
        problem=np.arange(size) // 2,
        role=np.zeros(size, int) if role is None else np.array(role),
        parent=np.full(size, -1),
        reward=solved.astype(float),
        solved=solved,
        length=np.array(length),
        mask=np.ones(size, bool),
        logp=np.array(logp, float),
    )


def surveys(*pairs, **last):
    """Records of surveys from (entropy, rate)."""
    found = [{"rate": {"value": r}, "entropy": h, "alarms": []} for h, r in pairs]
    return [*found[:-1], {**found[-1], **last}]


def test_a_step_by_hand():
    demo, probe = ROLES.index("demo"), ROLES.index("probe")
    found = watching.of_step(
        batch([1, 0, 1, 1, 1], [-1, -3, -2, 0, -9], [2, 2, 4, 5, 1], [0, 0, 0, demo, probe]),
        sampled=7,
        updates=1,
    )
    assert found["entropy"] == pytest.approx(6 / 8)  # demonstrations and probes say nothing
    assert (found["lag"], found["stale"]) == (0.0, 0.0)
    # groups of 1 of 2 and 1 of 1 right, 8 wanted: 1/8 x 1/2 and 1/8 x 1
    assert found["balance"] == pytest.approx((1 / 16 + 1 / 8) / 2)


@pytest.mark.parametrize(("updates", "lag", "stale"), [(0, 0, 0), (1, 0, 0), (4, 1.5, 0.5)])
def test_each_further_pass_is_a_version_further_behind(updates, lag, stale):
    found = watching.of_step(batch([1, 0], [-1, -1], [1, 1]), sampled=3, updates=updates)
    assert (found["lag"], found["stale"]) == (lag, stale)


def test_minus_log_p_of_what_was_sampled_is_entropy():
    rng = np.random.default_rng(0)
    p = np.array([0.7, 0.2, 0.1])
    logp = np.log(p[rng.choice(3, size=20_000, p=p)])
    near = watching.entropy_of(logp, np.ones(20_000, int))
    assert near == pytest.approx(-(p * np.log(p)).sum(), abs=0.02)
    assert np.isnan(watching.entropy_of(np.zeros(0), np.zeros(0, int)))


def test_s041_reach_is_judged_against_the_first_survey():
    first = np.repeat([1, 1], 60)  # 1 of 4 on every problem ...
    now = np.repeat([4, 0], 60)  # ... then all or nothing: pass@1 is up, pass@4 is down
    found = watching.of_survey(now, first, 4)["reach"]
    assert found["verdict"] == "shrunk"
    assert found["alarm"] is True
    assert found["pass_1"]["value"] == pytest.approx(0.25)
    assert found["pass_k"]["value"] == pytest.approx(-0.5)
    record = {"rate": {"value": 0.5}, "entropy": 0.3, "reach": found}
    assert watching.alarms([{"entropy": 0.4}, record]) == ["shrinking"]
    said = watching.summary([{**record, "alarms": ["shrinking"]}]).sentence
    assert "Shrinking" in said
    assert "pass@4 -50.0 points" in said
    assert "Alarm: pass@1 rose while pass@k fell." in said
    assert watching.of_survey(now, first, 1) == {}  # one attempt tells nothing of reach
    assert set(watching.VERDICTS) == set(VERDICTS)


def test_alarms_of_entropy_and_staleness():
    assert watching.alarms(surveys((1.0, 0.1), (0.21, 0.5))) == []
    assert watching.alarms(surveys((1.0, 0.1), (0.19, 0.5))) == ["entropy collapse"]
    assert watching.alarms([], [{"stale": 0.75}, {"stale": 0.5}]) == ["stale rollouts"]
    assert watching.alarms([]) == watching.alarms(surveys((0.0, 0.1))) == []


def test_s147_the_law_and_its_ceiling_in_words():
    h = np.array([1.0, 0.8, 0.5, 0.3])
    held = surveys(*zip(h, 0.6 - 0.1 * np.exp(h), strict=True))
    found = watching.summary(held)
    assert found.law is not None
    assert found.law.ceiling.value == pytest.approx(0.5)
    assert "predicts a pass rate of 50% [50%, 50%]" in found.sentence
    assert found.sentence.endswith("No alarm.")
    rising = surveys(*zip(h[::-1], 0.6 - 0.1 * np.exp(h), strict=True))
    assert "predicts no ceiling" in watching.summary(rising).sentence
    flat = watching.summary(surveys((0.5, 0.1), (0.5, 0.2), (0.5, 0.3)))
    assert flat.law is None
    assert watching.summary([]).sentence == ""
    assert watching.summary([{"rate": {"value": 0.5}}]).law is None  # an older run
    kept = [{**s, "rate": Estimate(s["rate"]["value"], 0, 1, 9)} for s in held]
    assert watching.summary(kept).sentence == found.sentence


def test_survey_rates_and_coverage():
    one = watching.survey_rate(np.array([1, 0, 1, 1]), 1)
    assert (one["value"], one["n"]) == (0.75, 4)
    many = watching.survey_rate(np.array([4, 0, 2, 4]), 4)
    assert (many["value"], many["n"]) == (0.625, 4)
    assert 0 <= many["low"] < many["value"] < many["high"] <= 1
    found = watching.covered([4, 0, 4, 0], [1, 0, 0, 0])
    assert found["tried"]["value"] == pytest.approx(0.5, abs=0.1)
    assert found["solved"]["value"] < found["tried"]["value"]
    assert (found["effective"], found["size"]) == (2.0, 4)
    anchors = np.array([False, False, False, True])
    assert watching.covered([4, 0, 4, 9], [1, 0, 0, 9], anchors)["size"] == 3


def test_coverage_counts_no_probes():
    probe, demo, refine = (ROLES.index(name) for name in ("probe", "demo", "refine"))
    found = batch([1, 1, 0, 1, 1], [-1] * 5, [1] * 5, [0, probe, probe, demo, refine])
    assert watching.own(found).tolist() == [True, False, False, False, True]
    assert watching.added([1, 0, 5], found, watching.own(found)) == [2, 0, 6]


def test_a_run_with_continued_replies_covers_what_it_rolled_out(tmp_path):
    engine = pytest.importorskip("gradatim.engine.train")
    problems = generate("lists", n=12, level=range(1, 4), seed=3)
    given = {"rollouts": 128, "prompts": 4, "batch": 64, "monitors": 0}
    made = engine.train(problems, run=tmp_path, recipe="spo", **given)
    state = json.loads((made.checkpoint.parent / "state.json").read_text())
    with Run(tmp_path).ledger() as ledger:
        tags = [row.tag for row in ledger.attempts()]
    assert tags.count("probe") > 0
    assert sum(state["tried"]) == tags.count("train")
    assert len(tags) == 128


def test_train_logs_it_and_the_report_says_it(tmp_path, capsys):
    pytest.importorskip("torch")
    problems = generate("lists", n=24, level=range(1, 4), seed=3)
    save(tmp_path / "p.jsonl", problems)
    argv = ["train", str(tmp_path / "p.jsonl"), "--run", str(tmp_path / "run")]
    argv += ["--held-out", str(tmp_path / "p.jsonl"), "--rollouts", "256", "--recipe", "grpo"]
    argv += ["--prompts", "8", "--batch", "64", "--tries", "2"]
    assert command([*argv, "--json", "-q"]) == 0
    found = json.loads(capsys.readouterr().out)
    for step in found["curve"]:
        assert 0 < step["entropy"] < 5
        assert (step["lag"], step["stale"]) == (0, 0)
        assert 0 <= step["balance"] <= 1
    first, *later = found["monitor"]
    assert "reach" not in first
    assert first["coverage"]["effective"] == 0  # nothing was tried yet
    for record in later:
        assert record["reach"]["verdict"] in VERDICTS
        assert record["reach"]["k"] == 2
        assert record["rate"]["n"] == 24
        assert record["entropy"] > 0
    assert later[-1]["coverage"]["effective"] > 8
    assert command([*argv, "-q"]) == 0
    assert watching.summary(found["monitor"]).sentence in capsys.readouterr().out
    assert command(["report", str(tmp_path / "run")]) == 0
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Expanding or sharpening" in page
    assert "Entropy and reach" in page
    assert "pass@2" in page
