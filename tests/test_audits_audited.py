"""Section verdicts: samples that were drawn by verdict, in part, or from graded scores."""

import json
import shlex
import sys

import numpy as np
import pytest
import readme_check
from scipy import special

from gradatim.audits.scores import audit_file
from gradatim.cli import app
from gradatim.evaluation.verifier_error import audited_rates


@pytest.fixture(scope="module")
def made():
    """Rows of two solvers on 300 items; .97 of right and .10 of wrong attempts pass."""
    rng, rows = np.random.default_rng(5), []
    for model in "ab":
        for item in range(300):
            right = rng.random() < 0.5
            passed = int(rng.random() < (0.97 if right else 0.1))
            rows.append({"model": model, "item": item, "correct": passed, "right": int(right)})
    return rows


def audit(path, rows, *, share, seed=0, **options):
    """Section verdicts where each verdict, failed and passed, has its share audited."""
    rng = np.random.default_rng(seed)
    chosen = [rng.random() < share[row["correct"]] for row in rows]
    told = [
        {**row, "audited": row["right"] if pick else None}
        for row, pick in zip(rows, chosen, strict=True)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in told))
    [found] = audit_file(path, only=["verdicts"], **options)["sections"]
    return found


@pytest.mark.parametrize(
    ("share", "missing", "known"), [((0, 0.4), "failed", "passed"), ((0.4, 0), "passed", "failed")]
)
def test_a_verdict_that_nobody_audited_is_asked_for_and_the_other_ones_share_is_told(
    tmp_path, capsys, made, share, missing, known
):
    found = audit(tmp_path / "a.jsonl", made, share=share)
    assert found["passed"]  # it was "the verifier passes no more right attempts than wrong ones"
    assert f"no {missing} attempt was audited" in found["notes"][0]
    true = np.mean([row["right"] for row in made if row["correct"] == (known == "passed")])
    assert found["right_of"][known].low < true < found["right_of"][known].high
    assert found["right_of"][missing].n == 0
    assert np.isnan(found["false_positive"].value)
    assert app.run(["audit", str(tmp_path / "a.jsonl"), "-q", "--only", "verdicts"]) == 0
    said = capsys.readouterr().out
    assert f"of {known} attempts 0." in said
    assert "nan" not in said


def test_right_passes_alone_do_not_show_how_often_right_attempts_fail(tmp_path, made):
    rows = [{**row, "right": 1} if row["correct"] else row for row in made]
    found = audit(tmp_path / "a.jsonl", rows, share=(0, 1))
    assert np.isnan(found["false_negative"].value)  # it was 0.000
    assert found["right_of"]["passed"].value == 1


def test_one_estimator_whatever_the_alarm(tmp_path, made):
    for share in ((0.3, 0.3), (0.22, 0.3), (0.05, 0.6)):
        some, few = (
            audit(tmp_path / "a.jsonl", made, share=share, alarm=alarm) for alarm in (0.2, 0.001)
        )
        assert some["mean"] == few["mean"]
        assert some["false_positive"] == few["false_positive"]
        assert some["false_positive"].low < 0.1 < some["false_positive"].high
        assert some["mean"]["corrected"].low < 0.5 < some["mean"]["corrected"].high


def test_errors_that_differ_between_solvers_are_found_in_a_sample_by_verdict(tmp_path, made):
    rng = np.random.default_rng(1)
    sound = audit(tmp_path / "a.jsonl", made, share=(0.5, 1))
    assert all(one["kind"] != "unequal_errors" for one in sound["findings"])
    rows = [
        {**row, "correct": int(rng.random() < 0.45)} if row["model"] == "b" and not row["right"]
        else row
        for row in made
    ]  # fmt: skip
    found = audit(tmp_path / "b.jsonl", rows, share=(0.5, 1))
    [one] = [one for one in found["findings"] if one["kind"] == "unequal_errors"]
    assert one["names"] == ["a", "b"]
    wrong = [row["correct"] for row in rows if row["model"] == "b" and not row["right"]]
    told = float(one["words"].split(" (b)")[0].rpartition(" ")[2])
    assert told == pytest.approx(np.mean(wrong), abs=0.08)  # not the share within the sample


def test_scores_between_0_and_1_are_cut_and_the_cut_is_told(tmp_path, made):
    rng = np.random.default_rng(2)
    rows = [
        {**row, "correct": 0.6 + 0.3 * row["correct"] - 0.5 * (1 - row["correct"]),
         "audited": row["right"], "confidence": round(rng.uniform(0.2, 0.8), 3)}
        for row in made
    ]  # fmt: skip
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    verdicts, confidence = audit_file(path, only=["verdicts", "confidence"])["sections"]
    note = "600 of 600 scores are graded: one above 0.5 counts as a pass"
    assert note in verdicts["notes"]
    assert note in confidence["notes"]
    passed = np.mean([row["correct"] for row in made])
    assert verdicts["mean"]["naive"].value == pytest.approx(passed)


@pytest.mark.parametrize("by_verdict", [False, True])
def test_intervals_of_a_weighted_sample_hold_where_attempts_share_problems(by_verdict):
    rng, held = np.random.default_rng(3), []
    for _ in range(100):
        item = np.repeat(np.arange(150), 8)
        right = rng.random(1200) < special.expit(rng.normal(0, 2, 150))[item]
        passed = rng.random(1200) < np.where(right, 0.92, 0.12)
        pick = rng.random(1200) < (np.where(passed, 0.3, 0.05) if by_verdict else 0.15)
        of = (passed.sum(), (~passed).sum())
        found = audited_rates(passed[pick], right[pick], of=of, problem=item[pick])
        held.append([r.low < true < r.high for r, true in zip(found, (0.12, 0.08), strict=True)])
    assert np.mean(held, axis=0).min() >= 0.9  # of 300 others: 95 to 97%


@pytest.mark.slow
def test_the_page_prints_the_figures_that_its_commands_print(tmp_path):
    """Not only the same words: each number is that of the command, but for a last digit."""
    page = (readme_check.ROOT / "docs" / "how-to" / "trust.md").read_text()
    compared = 0
    for language, body in readme_check.blocks(page):
        if language == "python":
            (tmp_path / "block.py").write_text(body)
            readme_check.run(f"{shlex.quote(sys.executable)} block.py", tmp_path)
            continue
        for command in readme_check.commands(language, body):
            real = readme_check.matched(command.shown, readme_check.run(command.line, tmp_path))
            for shown, line in zip(command.shown, real, strict=True):
                told, got = (
                    [
                        float(x[0].rstrip(".,").replace(",", ""))
                        for x in readme_check.NUMBER.finditer(text)
                    ]
                    for text in (shown, line)
                )
                assert told == pytest.approx(got, abs=0.0021), f"{shown}\nis now\n{line}"
                compared += len(told)
    assert compared > 40
