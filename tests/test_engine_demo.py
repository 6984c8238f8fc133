"""The demo in small: every stage, for real, and a recount of its numbers from the ledgers."""

import io
import json
import subprocess
import sys
from contextlib import nullcontext, redirect_stderr, redirect_stdout
from types import SimpleNamespace

import pytest
from recount import recount

from gradatim.cli import app
from gradatim.cli.demo import screen
from gradatim.engine import demo, verdict
from gradatim.reports.report import report
from gradatim.types import Estimate

SMALL = {
    "TRAIN": 30,
    "TEST": 30,
    "POOL": 200,
    "CROWD_SAMPLES": 1,
    "VERDICT_SAMPLES": 2,
    "ITEMS": 20,
}


def inside(command, *, stdout, **_):
    """An arm's command line in this process: a process is five CPU seconds of imports."""
    said = io.StringIO()
    with redirect_stdout(stdout), redirect_stderr(said):
        code = app.run(command[command.index("gradatim") + 1 :])
    said.seek(0)
    return nullcontext(SimpleNamespace(stderr=said, wait=lambda: code))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A run, a longer one in its folder, the first again; what they found, and recounts between.

    Arms of the first are processes, as for everyone.
    """
    folder = tmp_path_factory.mktemp("demo") / "run"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SMALL.items():
            patch.setattr(demo, name, value)
        said = []
        first = demo.demo(folder, rollouts=1500, echo=said.append)
        off = [recount(folder)]
        kept = demo._budget(demo.Run(folder), [], rollouts=None, seed=0, progress=demo.silent)
        patch.setattr(demo, "subprocess", SimpleNamespace(Popen=inside, PIPE=subprocess.PIPE))
        longer = demo.demo(folder, rollouts=2000)
        off.append(recount(folder))
        again = demo.demo(folder, rollouts=1500)
    return SimpleNamespace(
        folder=folder, first=first, kept=kept, longer=longer, again=again, said=said, off=off
    )


def test_every_stage_leaves_its_result(small):
    folder, first = small.folder, small.first
    assert first["problems"] == 180
    assert set(first["never_solved"]) <= {
        json.loads(line)["id"]
        for name in ("train", "test")
        for line in (folder / f"{name}.jsonl").read_text().splitlines()
    }
    assert first["attempts"]["requested"] == 180 * 10
    assert set(first["spearman"]) == set(demo.FAMILIES)
    assert first["budget"] == {"rollouts": 1500, "source": "asked for"}
    assert first["verdict"]["rollouts"] == 1500
    assert {row["arm"] for row in first["verdict"]["overall"]} == {"start", "grpo", "gradatim"}
    assert json.loads((folder / "summary.json").read_text())["seed"] == 0
    for arm in demo.ARMS:  # live lines of both arms, with counts and shares
        assert any(f"train {arm}: 1,500/1,500" in line and "mixed" in line for line in small.said)


def test_a_repeat_reuses_everything(small):
    first, again = small.first, small.again
    assert again["attempts"]["made"] == 0
    assert again["attempts"]["reused"] == first["attempts"]["requested"]
    assert again["budget"] == first["budget"] == small.kept
    assert again["verdict"] == first["verdict"]
    assert again["placement"] == first["placement"]


def test_another_length_in_the_same_folder_does_not_mix_checkpoints(small):
    policies = small.first["verdict"]["policies"]
    assert small.longer["verdict"]["rollouts"] == 2000
    assert small.longer["verdict"]["policies"]["grpo"] != policies["grpo"]
    with pytest.raises(demo.ArgumentError, match="a run of seed 0: name another --run"):
        demo.demo(small.folder, seed=1)


def test_numbers_equal_a_recount_from_the_ledgers(small):
    assert max(*small.off, recount(small.folder)) < 1e-12


def test_the_recount_notices_a_wrong_number(small, tmp_path):
    folder = small.folder
    for name in ("ledger.sqlite", "test.jsonl", "arms"):
        (tmp_path / name).symlink_to(folder / name)
    (tmp_path / "results").mkdir()
    found = json.loads((folder / "results/verdict.json").read_text())
    found["value"]["rows"][3]["rate"]["value"] += 0.01
    (tmp_path / "results/verdict.json").write_text(json.dumps(found))
    assert recount(tmp_path) == pytest.approx(0.01)


def test_the_page_is_one_small_file_with_its_figures(small):
    page = report(small.folder)
    text = page.read_text()
    assert page.stat().st_size < 3e6
    assert text.count("<svg") >= 5
    assert "<script src" not in text
    assert "<link" not in text


def test_the_summary_fits_one_screen(small):
    text = screen(small.first, small.folder / "report.html")
    assert len(text.splitlines()) <= 25
    assert max(map(len, text.splitlines())) <= 140
    assert "report.html" in text
    assert small.first["verdict"]["statement"] in text


def test_an_arm_that_fails_says_so_and_can_be_resumed(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "ARMS", ("grpo",))  # a process is seconds of imports
    (tmp_path / "pool.jsonl").write_text("{broken\n")
    (tmp_path / "test.jsonl").write_text("")
    run = demo.Run(tmp_path)
    with pytest.raises(demo.SolverError, match=r"arm grpo ended with code 2.*pool.jsonl:1"):
        demo._train(run, 10, 0, lambda line: None)


def test_statements_follow_the_interval():
    assert "beat" in verdict.statement(Estimate(0.03, 0.01, 0.05, 9), "a", "b")
    assert "lost" in verdict.statement(Estimate(-0.03, -0.05, -0.01, 9), "a", "b")
    assert "did not win" in verdict.statement(Estimate(0.03, -0.01, 0.05, 9), "a", "b")


def test_target_that_is_never_reached():
    flat = [{"rollouts": i, "rate": Estimate(0.1, 0, 1, 5)} for i in range(9)]
    assert verdict.rollouts_to(0.2, flat) is None
    assert verdict.final_rate(flat) == pytest.approx(0.1)


@pytest.mark.slow
def test_the_real_demo_from_the_command_line(tmp_path):
    command_line = [sys.executable, "-m", "gradatim", "demo", "--run", str(tmp_path / "demo")]
    done = subprocess.run([*command_line, "--json"], capture_output=True, text=True, check=True)
    summary = json.loads(done.stdout)
    assert summary["problems"] == 1500
    assert sum(summary["cpu_seconds"].values()) < 150
    assert recount(tmp_path / "demo") < 1e-12
    for row in summary["verdict"]["difference"]:
        if row["mode"] == "sampled" and row["between"][1] == "start":
            assert row["value"]["low"] > 0, row  # both arms learned
