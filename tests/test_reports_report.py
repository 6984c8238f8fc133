"""`report`: from run folders of every kind to one page, read back."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

import gradatim
from gradatim.cli.app import run as command
from gradatim.errors import FormatError
from gradatim.reports import verdict
from gradatim.reports.read import read_run, saved_curves
from gradatim.reports.report import flat, report
from gradatim.store.rows import AttemptRow, GradeRow, Setting
from gradatim.store.run import Run
from gradatim.types import Bank, Estimate, Problem

HOSTILE = "</script><script>alert(1)</script>\x00\x1b[31m\ud800\u202e<b>"
FAMILIES = ("arithmetic", "lists")


class Text(HTMLParser):
    """The words of a page as a reader sees them, outside style and script."""

    def __init__(self, made):
        super().__init__()
        self.skip, self.words = False, []
        self.feed(made)

    def handle_starttag(self, tag, _attrs):
        self.skip = tag in ("style", "script")

    def handle_endtag(self, tag):
        self.skip = False

    def handle_data(self, data):
        if not self.skip:
            self.words.append(data)


def words(path):
    return " ".join(Text(path.read_text(encoding="utf-8")).words)


def embedded(path, name):
    made = path.read_text(encoding="utf-8")
    text = re.search(rf'<script type="application/json" id="data-{name}">(.*?)</script>', made)
    return json.loads(text.group(1))


def make_problems(n=40):
    return [
        Problem(
            id=f"p{i:03d}", prompt=f"{i} + 1?", answer=str(i + 1), family=FAMILIES[i % 2],
            level=i // 2 % 10 + 1,
        )
        for i in range(n)
    ]  # fmt: skip


def add_attempts(run, problems, *, texts=("2", HOSTILE)):
    setting = Setting("sim:2pl")
    rows, grades = [], []
    for i, problem in enumerate(problems):
        for k in range(4):
            right = (i + k) % 2 == 0
            status = "truncated" if (i, k) == (1, 0) else "finished"
            rows.append(
                AttemptRow(problem.id, "h", setting, k, status=status, text=texts[not right])
            )
            grades.append(
                GradeRow("v@1", float(right), right, "2", "correct" if right else "wrong")
            )
    with run.ledger(write=True) as ledger:
        ledger.append(rows, grades)


def add_bank(run, problems):
    n = len(problems)
    run.add_bank(
        Bank(
            items=tuple(p.id for p in problems),
            difficulty=np.linspace(-2, 3, n),
            discrimination=np.ones(n),
            floor=np.zeros(n),
            se_difficulty=np.full(n, 0.3),
            se_discrimination=np.full(n, 0.1),
            solvers=("weak", HOSTILE.replace("\ud800", "")),
            ability=np.array([-1.0, 1.0]),
            se_ability=np.array([0.1, 0.2]),
            tried=np.full(n, 8),
            solved=np.r_[0.0, np.full(n - 2, 4.0), 8.0],
            scale="s",
            fit={"model": "2pl", "converged": True},
        )
    )


def make_verdict(gap):
    def estimate(value, half=0.02):
        return Estimate(value, value - half, value + half, 300)

    arms = {"start": 0.3, "grpo": 0.4, "gradatim": 0.4 + gap}
    return {
        "rows": [
            {"family": f, "level": k, "mode": m, "arm": a, "rate": estimate(rate - 0.01 * k, 0.05)}
            for f in FAMILIES
            for k in range(1, 11)
            for m in ("sampled", "greedy")
            for a, rate in arms.items()
        ],
        "overall": [
            {"mode": m, "arm": a, "rate": estimate(rate)}
            for m in ("sampled", "greedy")
            for a, rate in arms.items()
        ],
        "difference": [
            {"mode": m, "between": ["gradatim", "grpo"], "value": estimate(gap)}
            for m in ("sampled", "greedy")
        ],
        "rollouts": 20480,
        "tokens": {"grpo": 1000, "gradatim": 1100},
        "cpu_seconds": {"grpo": 60.5, "gradatim": 61.5},
        "rollouts_to_target": {"grpo": 20480, "gradatim": 12345 if gap > 0 else None},
        "statement": "Said by the run itself.",
    }


def make_demo(path, gap=0.05):
    run, problems = Run(path, seed=7), make_problems()
    run.add_problems(problems)
    add_attempts(run, problems)
    add_bank(run, problems)
    run.write_result(
        "calibration",
        {
            "spearman": {f: Estimate(0.9, 0.85, 0.95, 20) for f in FAMILIES},
            "never_solved": ["p000"],
            "always_solved": [],
            "fit": {"model": "2pl", "converged": True},
            "items": 40,
        },
    )
    steps = np.arange(1, 31)
    run.write_result(
        "placement",
        {
            "solver": "held", "reference_ability": 0.5, "items": steps,
            "adaptive_error": 1 / steps, "adaptive_se": 1.2 / steps, "random_error": 2 / steps,
            "random_low": 1 / steps, "random_high": 3 / steps, "used": 17,
            "error_at_used": 0.2345, "random_error_at_used": 0.3456,
        },
    )  # fmt: skip
    arm = {
        "rollouts": np.arange(1, 41) * 512, "tokens": np.arange(1, 41) * 5000,
        "pass_rate": np.linspace(0.3, 0.4, 40), "mixed": np.full(40, 0.6),
        "cpu": np.arange(1, 41) * 1.5,
    }  # fmt: skip
    run.write_result("curves", {"arms": {"grpo": arm, "gradatim": arm}})
    run.write_result("verdict", make_verdict(gap))
    (path / "summary.json").write_text(json.dumps({"rollouts": 20480, "probe": {"rate": 1234.5}}))
    return run


def figures_of(path):
    return re.findall(r'<figure id="figure-([a-z-]+)">', path.read_text(encoding="utf-8"))


def test_a_demo_has_every_figure_and_its_numbers(tmp_path):
    path = report(make_demo(tmp_path / "demo"))
    assert path == tmp_path / "demo" / "report.html"
    assert path.stat().st_size < 3_000_000
    wanted = "difficulty item-map spearman information abilities placement curves overall"
    wanted += " rates-sampled rates-greedy"
    assert figures_of(path) == [*wanted.split(), "difference"]
    said = words(path)
    assert "The adaptive recipe won this run: +5.0 points [+3.0, +7.0] over grpo" in said
    for shown in ("30.0% → 45.0%", "12,345", "of 20,480 spent", "Said by the run itself."):
        assert shown in said
    assert "After 17 items the adaptive test is 0.234 logits off, against 0.346" in said
    assert "160 attempts on 40 problems" in said
    assert "Never solved: 1 problems" in said
    assert f"gradatim {gradatim.__version__}" in said
    assert "probe · rate" in said
    # the numbers are those of the results, to the last digit
    rows = embedded(path, "rates-greedy")
    assert len(rows) == 2 * 10 * 3
    assert rows[0]["rate"] == {
        "value": 0.3 - 0.01,
        "low": 0.29 - 0.05,
        "high": 0.29 + 0.05,
        "n": 300,
    }
    assert embedded(path, "placement")[2]["random_error"] == 2 / 3
    assert len(embedded(path, "curves")) == 80
    assert embedded(path, "difficulty")[-1]["difficulty"] == 3.0
    assert "<b>" not in re.sub(r"<figcaption><b>", "", path.read_text(encoding="utf-8"))
    assert "alert(1)</script>\\x00\\x1b[31m" in said  # the hostile answer is shown, not obeyed


@pytest.mark.parametrize(
    ("gap", "start", "tone"),
    [
        (0.05, "The adaptive recipe won this run: +5.0 points [+3.0, +7.0]", "good"),
        (0.01, "The adaptive recipe did not win this run; no clear difference: +1.0", "even"),
        (0.0, "The adaptive recipe did not win this run; no clear difference: 0.0", "even"),
        (-0.05, "The adaptive recipe lost this run: −5.0 points [−7.0, −3.0]", "bad"),
    ],
)
def test_the_outcome_is_said_as_its_interval_says(tmp_path, gap, start, tone):
    path = report(make_demo(tmp_path / "demo", gap))
    assert start in words(path)
    assert f'<div class="said {tone}" id="verdict-band">' in path.read_text(encoding="utf-8")
    assert ("not reached" in words(path)) == (gap <= 0)
    assert ("The adaptive recipe won" in words(path)) == (gap > 0.02)


def test_a_difference_written_the_other_way_round_is_turned():
    value = make_verdict(0.05)
    for row in value["difference"]:
        row["between"].reverse()
        row["value"] = {"value": -0.05, "low": -0.07, "high": -0.03, "n": 9}
    value["overall"] = [
        {**row, "rate": gradatim.files.plain(row["rate"])} for row in value["overall"]
    ]
    ended = verdict.outcome(value)
    assert ended.tone == "good"
    assert ended.clash == ""
    value["difference"][0]["value"] = {"value": 0.05, "low": 0.03, "high": 0.07, "n": 9}
    assert "read both with care" in verdict.outcome(value).clash


def test_a_plain_run_shows_what_it_has(tmp_path):
    run, problems = Run(tmp_path / "plain"), make_problems()
    run.add_problems(problems)
    add_attempts(run, problems)
    path = report(run)
    said = words(path)
    assert "Attempts by solver" in said
    assert "1 truncated, timed out or failed" in said
    assert "verdict" not in said.lower()
    add_bank(run, problems)
    assert figures_of(report(run)) == [
        "levels", "difficulty", "item-map", "information", "abilities",
    ]  # fmt: skip
    assert "No solver of the bank made any of these attempts" in words(path)
    rows = embedded(path, "levels")
    assert len(rows) == 2 * 10
    # problems 0 and 20 (arithmetic, level 1) were asked 4 times each, 2 of which were right
    assert (rows[0]["family"], rows[0]["level"]) == ("arithmetic", 1)
    assert rows[0]["rate"]["value"] == 0.5
    assert rows[0]["rate"]["n"] == 2


def test_an_empty_run_says_so(tmp_path):
    said = words(report(Run(tmp_path / "empty")))
    assert "Nothing yet: make attempts" in said


@pytest.mark.parametrize("name", ["calibration", "placement", "curves", "verdict", "bank"])
@pytest.mark.parametrize(
    "content",
    [
        "",
        "{not json",
        "[]",
        '{"schema": 1, "value": {}}',
        '{"schema": 1, "value": {"items": 3, "arms": [1], "rows": 5, "spearman": [1], "file": 7}}',
        '{"schema": 1, "value": {"rows": [{"mode": "sampled"}, 3], "difference": [1, {}],'
        ' "overall": [null], "arms": {"grpo": null}, "items": [1, null], "spearman": {"a": null}}}',
        '{"schema": 1, "value": {"rows": [{"family": 1, "level": "x", "mode": 2, "arm": [], "rate":'
        ' 3}], "adaptive_error": "text", "items": [1, 2], "arms": {"a": {"rollouts": "xy"}}}}',
    ],
)
def test_damaged_results_leave_a_note_and_spare_the_rest(tmp_path, name, content):
    run = make_demo(tmp_path / "demo")
    (run.path / "results" / f"{name}.json").write_text(content)
    path = report(run)
    assert "Attempts by solver" in words(path)
    left = {"calibration": "placement", "bank": "placement"}.get(name, "item-map")
    assert f"figure-{left}" in path.read_text(encoding="utf-8")


def test_what_cannot_be_read_is_named(tmp_path):
    run = make_demo(tmp_path / "demo")
    (run.path / "results" / "placement.json").write_text("{not json")
    (run.path / "results" / "verdict.json").write_text('{"schema": 1, "value": {"rows": [1]}}')
    (run.path / "results" / "curves.json").write_text('{"schema": 1, "value": {}}')
    (run.path / "ledger.sqlite").write_text("not a ledger")
    said = words(report(run))
    assert "results/placement.json could not be read" in said
    assert "ledger.sqlite could not be read" in said
    assert "1 rows of results/verdict.json could not be read" in said
    assert "results/curves.json cannot be shown: KeyError 'arms'" in said
    assert "No pass rates at temperature 1 were recorded" in said


def test_a_folder_that_is_no_run_is_one_clear_line(tmp_path, capsys):
    with pytest.raises(FormatError, match="expected a run folder"):
        report(tmp_path)
    assert command(["report", str(tmp_path / "none")]) == 2
    assert not (tmp_path / "none").exists()
    assert capsys.readouterr().err.count("\n") == 1


def test_a_run_of_a_newer_version_is_one_clear_line(tmp_path):
    run = Run(tmp_path / "new")
    config = run.path / "run.toml"
    config.write_text(re.sub(r"^schema = \d+", "schema = 999", config.read_text(), flags=re.M))
    with pytest.raises(FormatError, match="999"):
        report(run.path)


def test_the_verb_prints_the_path(tmp_path, capsys):
    run = make_demo(tmp_path / "demo")
    assert command(["report", str(run.path)]) == 0
    assert capsys.readouterr().out == f"{run.path / 'report.html'}\n"
    assert command(["report", str(run.path), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["report"] == str(run.path / "report.html")
    assert shown["bytes"] == (run.path / "report.html").stat().st_size


def test_curves_of_a_training_run_come_from_its_last_saved_step(tmp_path):
    run = Run(tmp_path / "trained")
    rate = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 90}
    curve = [
        {"rollouts": 512 * k, "tokens": k, "mixed": 0.5, "solved": 0.1 * k, "cpu": k}
        for k in (1, 2, 3)
    ]
    for folder in ("grpo-0-abc", "gradatim-0-def", "gradatim-1-def"):
        step = run.checkpoints / folder / "step-000003"
        step.mkdir(parents=True)
        (step.parent / "latest").write_text("step-000003")
        (step / "state.json").write_text(
            json.dumps({"curve": curve, "monitor": [{"rollouts": k, "rate": rate} for k in (0, 9)]})
        )
    arms = saved_curves(run.checkpoints)
    assert arms["grpo"]["monitor"][1] == {"rollouts": 9, "rate": rate}
    assert set(arms) == {"grpo", "gradatim", "gradatim-1"}
    assert arms["grpo"]["pass_rate"] == [0.1, 0.2, 0.1 * 3]
    path = report(run)
    assert figures_of(path) == ["curves"]
    said = words(path)
    assert "How the training went" in said
    assert "Each arm spent 1,536 rollouts" in said
    assert "The held-out pass rate compares the arms" in said


def test_steps_of_one_training_run_are_one_solver(tmp_path):
    run, problems = Run(tmp_path / "steps"), make_problems(2)
    run.add_problems(problems)
    with run.ledger(write=True) as ledger:
        for step in range(5):
            setting = Setting("tiny:start", f"ab/grpo-0/{step:05d}")
            ledger.append([AttemptRow(p.id, "h", setting, 0, text="1") for p in problems])
    found = read_run(run)
    assert len(found.counts.settings) == 5
    said = words(report(run))
    assert "10 attempts by 1 solver." in said
    assert "tiny:start@ab/grpo-0/*" in said
    assert "10 attempts have a text but no grade yet" in said


def test_many_items_stay_under_the_limit(tmp_path):
    run, problems = Run(tmp_path / "large"), make_problems(6000)
    run.add_problems(problems)
    add_bank(run, problems)
    path = report(run)
    assert path.stat().st_size < 3_000_000
    assert "1,500 of 6,000 rows" in words(path)


def test_a_page_that_would_be_too_large_sheds_its_data(tmp_path):
    run = make_demo(tmp_path / "demo")
    value = gradatim.files.plain(make_verdict(0.05))
    for row in value["rows"]:
        row["note"] = "x" * 60_000
    run.write_result("verdict", value)
    path = report(run)
    assert path.stat().st_size < 3_000_000
    assert "left out to keep the page small" in words(path)


def test_nested_summaries_are_flat():
    rows = flat({"a": {"b": {"value": 1, "low": 0, "high": 2, "n": 3}}, "c": [{"d": 1}] * 9})
    assert rows[0]["name"] == "a · b"
    assert rows[1] == {"name": "c", "value": "9 entries"}


def test_a_level_that_nobody_solves_has_an_interval_all_the_same(tmp_path):
    run, problems = Run(tmp_path / "hard"), make_problems(4)
    run.add_problems(problems)
    setting = Setting("sim:2pl")
    with run.ledger(write=True) as ledger:
        for problem in problems:
            rows = [AttemptRow(problem.id, "h", setting, k, text="?") for k in range(3)]
            ledger.append(rows, [GradeRow("v@1", 0.0, False, None, "wrong")] * 3)
    rows = embedded(report(run), "levels")
    # a family and level has one problem: Wilson's upper end at 0 of 1 is z^2 / (1 + z^2)
    z2 = 1.959963984540054**2
    assert [row["rate"]["value"] for row in rows] == [0.0] * 4
    assert rows[0]["rate"]["low"] == 0.0
    assert rows[0]["rate"]["high"] == pytest.approx(z2 / (1 + z2))


def test_problems_solved_always_or_never_are_hollow(tmp_path):
    made = report(make_demo(tmp_path / "demo")).read_text(encoding="utf-8")
    wide = made[made.index('id="figure-difficulty"') :]
    wide = wide[: wide.index('class="narrow"')]
    hollow = re.findall(r'd="([^"]*)" class="ringi"', wide)
    assert sum(d.count("M") for d in hollow) == 2 + 1  # the first, the last, and the legend's
