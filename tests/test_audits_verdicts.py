"""Sections of the audit of a file: verdicts, lucky guesses, confidences, horizons."""

import json
import re

import numpy as np
import pytest
import readme_check
from scipy import special

import gradatim as gd
from gradatim.audits.scores import audit_file
from gradatim.cli import app
from gradatim.errors import ArgumentError
from gradatim.store.run import Run
from gradatim.types import Reply, Solver


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def attempts(rng, *, f=0.0, b=0.0, high=0.0, items=120, solvers=2, luck=(0.0, 0.0)):
    """Rows of attempts: a verifier with rates f and b, confidences too high by `high`."""
    rows = []
    easy = rng.normal(0, 1.5, items)
    for s in range(solvers):
        for i in range(items):
            p = special.expit(easy[i] + s - 0.5)
            for t in range(4):
                right = rng.random() < p
                passed = rng.random() >= b if right else rng.random() < f
                rows.append({
                    "model": f"m{s}",
                    "item": f"i{i}",
                    "attempt": t,
                    "correct": int(passed),
                    "confidence": float(np.clip(p + high, 0.001, 0.999)),
                    "right": int(right),
                    "sound": int(right and rng.random() >= luck[s]),
                    "pick": rng.random(),
                })
    return rows


def section(found, name):
    return next(row for row in found["sections"] if row["section"] == name)


def test_an_audited_sample_brings_rates_and_corrects_scores(tmp_path):
    rng = np.random.default_rng(0)
    rows = attempts(rng, f=0.15, b=0.05, solvers=2)
    truth = [np.mean([r["right"] for r in rows if r["model"] == m]) for m in ("m0", "m1")]
    for row in rows:
        row["audited"] = row["right"] if row["pick"] < 0.5 else None
    found = section(audit_file(write(tmp_path / "a.jsonl", rows), only=["verdicts"]), "verdicts")
    assert found["false_positive"].low < 0.15 < found["false_positive"].high
    assert found["false_negative"].low < 0.05 < found["false_negative"].high
    for row, true in zip(found["solvers"], truth, strict=True):
        assert row["corrected"].low < true < row["corrected"].high
        at_4 = row["pass_at_k"]
        assert at_4["k"] == 4
        assert at_4["corrected"].value < at_4["naive"].value
    assert found["samples_factor"] > 1.2
    # audited by verdict, half of the passes and a tenth of the fails: weighted back
    for row in rows:
        row["audited"] = row["right"] if row["pick"] < (0.5 if row["correct"] else 0.1) else None
    found = section(audit_file(write(tmp_path / "b.jsonl", rows), only=["verdicts"]), "verdicts")
    assert found["false_positive"].low < 0.15 < found["false_positive"].high


def test_stated_rates_correct_a_matrix_and_end_with_1(tmp_path, capsys):
    solved = np.array([[30, 40, 20, 10], [10, 30, 20, 20]])
    path = tmp_path / "m.npz"
    np.savez(path, solved=np.tile(solved, 20), tried=np.full((2, 80), 50))
    command = ["audit", str(path), "--only", "verdicts", "-q", "--json"]
    assert app.run([*command, "--false-positive", ".2"]) == 1
    [found] = json.loads(capsys.readouterr().out)["sections"]
    assert found["mean"]["corrected"]["value"] == pytest.approx((0.45 - 0.2) / 0.8)
    assert found["findings"][0]["kind"] == "biased_score"
    assert app.run([*command, "--false-positive", "0:.001:.3"]) == 0
    capsys.readouterr()
    assert app.run([*command, "--false-negative", "high"]) == 2
    assert "--false-negative" in capsys.readouterr().err
    assert app.run([*command, "--false-positive", "2"]) == 2
    high = audit_file(path, only=["verdicts"], false_positive=0.7)
    assert {one["kind"] for one in section(high, "verdicts")["findings"]} >= {"rates_too_high"}


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (1, "often wrong attempts pass, so(?s:.*)right ones fail 0.000"),
        (0, "often right ones fail, so(?s:.*)wrong attempts pass 0.000"),
    ],
)
def test_a_rate_that_no_audited_attempt_shows_is_no_fault_and_no_nan(
    tmp_path, capsys, verdict, words
):
    rows = attempts(np.random.default_rng(6), items=30)
    for row in rows:
        row["correct"] = row["audited"] = verdict
    path = write(tmp_path / "a.jsonl", rows)
    assert app.run(["audit", str(path), "-q", "--only", "verdicts"]) == 0
    assert re.search(words, capsys.readouterr().out)
    app.run(["audit", str(path), "-q", "--only", "confidence"])
    said = capsys.readouterr().out
    assert "nan" not in said
    assert "nothing to tell apart (no AUROC)" in said


def test_rates_that_add_up_to_1_leave_no_nan_in_the_text(tmp_path, capsys):
    path = write(tmp_path / "a.jsonl", attempts(np.random.default_rng(7), items=30))
    rates = ["--false-positive", ".9", "--false-negative", ".3"]
    assert app.run(["audit", str(path), "-q", "--only", "verdicts", *rates]) == 1
    said = capsys.readouterr().out
    assert "scores say nothing" in said
    assert "nan" not in said


def test_a_verifier_that_errs_more_on_one_solver_is_found(tmp_path):
    rng = np.random.default_rng(1)
    rows = attempts(rng, f=0.02)
    for row in rows:
        row["audited"] = row["right"]
        if row["model"] == "m1" and not row["right"]:
            row["correct"] = int(rng.random() < 0.2)
    found = section(audit_file(write(tmp_path / "a.jsonl", rows), only=["verdicts"]), "verdicts")
    kinds = {one["kind"]: one for one in found["findings"]}
    assert kinds["unequal_errors"]["names"] == ["m0", "m1"]


def test_a_second_verifier_brings_rates_by_agreement(tmp_path):
    rng = np.random.default_rng(2)
    rows = attempts(rng, f=0.1, b=0.05, items=200)
    for row in rows:
        wrong = rng.random() < 0.08
        row["second_verdict"] = int(row["right"] != wrong)
        row["model"] += "-hard" if int(row["item"][1:]) % 2 else ""
    path = write(tmp_path / "a.jsonl", rows)
    found = section(audit_file(path, only=["verdicts"]), "verdicts")
    assert found["false_positive"].low < 0.1 < found["false_positive"].high
    rows[0]["second_verdict"] = 3
    with pytest.raises(ArgumentError, match="second_verdict"):
        audit_file(write(tmp_path / "b.jsonl", rows), only=["verdicts"])


def test_confidences_that_are_too_high_are_found_and_a_remedy_named(tmp_path):
    rng = np.random.default_rng(3)
    path = write(tmp_path / "a.jsonl", attempts(rng, high=0.2))
    found = section(audit_file(path, only=["confidence"]), "confidence")
    [one] = found["findings"]
    assert one["kind"] == "miscalibrated"
    assert "too high" in one["words"]
    assert found["overconfidence"].low > 0.1
    assert found["rescaled"]["platt"]["plug_in"] < found["calibration_error"]["plug_in"] / 1.5
    assert [row["label"] for row in found["by_solver"]] == ["m0", "m1"]
    assert found["risk_coverage"]["best"] < found["risk_coverage"]["area"].value
    right = section(
        audit_file(write(tmp_path / "b.jsonl", attempts(rng)), only=["confidence"]), "confidence"
    )
    assert right["passed"]
    assert sum(row["n"] for row in right["reliability"]) == 960


def test_log_probabilities_of_a_run_are_confidences_that_claim_nothing(tmp_path):
    problems = gd.generate("arithmetic.sum", n=30, level=2)
    rng = np.random.default_rng(0)

    def answer(requests):
        for request in requests:
            sure = rng.random(request.n)
            yield [
                Reply(
                    request,
                    request.first + at,
                    request.problem.answer if rng.random() < p else "0",
                    "finished",
                    tokens=4,
                    logp=4 * float(np.log(p)),
                )
                for at, p in enumerate(sure)
            ]

    run = Run(tmp_path / "run")
    gd.attempt(problems, solver=Solver(name="python:sure", answer=answer), samples=4, run=run)
    found = section(audit_file(run, only=["confidence"]), "confidence")
    assert found["passed"]
    assert "log-probabilities" in found["looked_at"]
    assert found["auroc"].low > 0.6


def test_s033_lucky_guesses_by_a_column_and_by_the_steps_of_a_run(tmp_path):
    rng = np.random.default_rng(4)
    path = write(tmp_path / "a.jsonl", attempts(rng, luck=(0.0, 0.4)))
    found = section(audit_file(path, only=["lucky"]), "lucky")
    assert [one["names"] for one in found["findings"]] == [["m1"]]
    assert found["solvers"][1]["unsound"]["low"] < 0.4 < found["solvers"][1]["unsound"]["high"]
    for row in found["solvers"]:
        assert row["sound_rate"].value <= row["pass_rate"].value
    # a solver that shows a false line on the way to a right answer, and one that does not
    problems = gd.generate("arithmetic.modular", n=40, level=5)
    run = tmp_path / "run"
    for name in ("honest", "lucky"):
        replies = []
        for problem in problems:
            lines = problem.solution.split("\n")
            if name == "lucky":
                lines[1] = lines[1].rpartition(" ")[0] + " 97"
            replies.append({"problem": problem.id, "text": "\n".join(lines)})
        write(tmp_path / f"{name}.jsonl", replies)
        gd.attempt(problems, solver=f"recorded:{tmp_path / name}.jsonl", samples=1, run=run)
    found = section(audit_file(run, only=["lucky"]), "lucky")
    [one] = found["findings"]
    assert "lucky" in one["names"][0]
    assert sum(row["passes"] for row in found["solvers"]) == 80


def test_abstention_where_there_is_no_answer(tmp_path):
    problems = gd.generate("sat.unsolvable", n=400, level=range(1, 11))
    run = Run(tmp_path / "run")
    rng = np.random.default_rng(0)
    for name, called in (("knows", (0.9, 0.05)), ("blind", (0.3, 0.3))):
        rows = [
            {
                "problem": p.id,
                "text": "unsolvable" if rng.random() < called[not p.unsolvable] else "1 2",
            }
            for p in problems
        ]
        path = write(tmp_path / f"{name}.jsonl", rows)
        gd.attempt(problems, solver=f"recorded:{path}", samples=1, run=run)
    found = section(audit_file(run, only=["abstention"]), "abstention")
    assert len(found["solvers"]) == 2, found["notes"]
    [one] = found["findings"]
    assert one["kind"] == "blind_abstention"
    assert "blind" in one["names"][0]


def test_horizon_of_a_run(tmp_path):
    problems = gd.generate("horizon", n=60, level=range(3, 7))
    run = Run(tmp_path / "run")
    gd.attempt(problems, solver="sim:2pl", samples=4, run=run)
    found = section(audit_file(run.path, only=["horizon"]), "horizon")
    assert found["passed"]
    [row] = found["solvers"]
    assert row["step"].low <= row["step"].value <= row["step"].high
    assert row["half"].value > row["most"].value


@pytest.mark.slow
def test_false_alarms_over_200_sound_files(tmp_path):
    rng, found = np.random.default_rng(5), {"verdicts": 0, "lucky": 0, "confidence": 0}
    for at in range(200):
        rows = attempts(rng, items=80)
        for row in rows:
            row["audited"] = row["right"] if row["pick"] < 0.3 else None
        result = audit_file(write(tmp_path / f"{at}.jsonl", rows), only=list(found))
        for row in result["sections"]:
            found[row["section"]] += not row["passed"]
    print(f"false alarms of 200: {found}")
    assert sum(found.values()) <= 10


@pytest.mark.slow
def test_the_page_on_trust():
    assert readme_check.check(readme_check.ROOT / "docs" / "how-to" / "trust.md") == 5
