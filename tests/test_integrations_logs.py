"""Logs made by the real tools (tests/logs/make.py, versions named there), read without them."""

import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from gradatim.cli import app
from gradatim.engine.calibrate import calibrate
from gradatim.engine.sources import open_source
from gradatim.errors import ArgumentError, FormatError

LOGS = Path(__file__).parent / "logs"


def counts(opened):
    """(solver, item) -> (solved, tried)."""
    r = opened.responses
    return {
        (r.solvers[s], r.items[i]): (k, n)
        for s, i, k, n in zip(
            r.solver.tolist(), r.item.tolist(), r.solved.tolist(), r.tried.tolist(), strict=True
        )
    }


# -- inspect_ai -------------------------------------------------------------------------------


def by_hand(path, score):
    """Counts from the .json log of the tool, as its own fields say."""
    log, found = json.loads(path.read_text()), {}
    for sample in log["samples"]:
        key = (log["eval"]["model"], f"{log['eval']['task']}/{sample['id']}")
        value = sample["scores"][score]["value"]
        k, n = found.get(key, (0, 0))
        found[key] = (k + {"C": 1, "P": 0.5, "I": 0, "N": 0}.get(value, value), n + 1)
    return found


@pytest.mark.parametrize("score", ["match", "closeness", "judge"])
def test_inspect_json_is_what_it_says(score):
    found = counts(open_source(LOGS / "inspect" / "weak.json", score=score))
    expected = by_hand(LOGS / "inspect" / "weak.json", score)
    assert found.keys() == expected.keys()
    for key, (k, n) in expected.items():
        assert found[key] == (pytest.approx(k), n)


def test_inspect_archive_agrees_with_json_and_with_its_own_metric():
    archive = open_source(LOGS / "inspect" / "weak.eval", score="match")
    (origin,) = archive.origins
    assert (origin.format, origin.tool) == ("inspect", "inspect_ai 0.3.285")
    # 8 samples x 3 epochs, one of which broke: 23 attempts and one that is missing, not wrong
    assert (origin.attempts, origin.missing) == (23, {"error": 1})
    found = counts(archive)
    assert found["mockllm/weak", "sums/5"][1] == 2
    # the .json log is the first two epochs of the first four samples, with the same outcomes
    for key, (k, n) in counts(open_source(LOGS / "inspect" / "weak.json", score="match")).items():
        assert k <= found[key][0] <= k + 1
        assert n == 2


def test_inspect_scorers_must_be_chosen():
    with pytest.raises(
        FormatError,
        match=r"weak\.eval: field 'scores': expected one score, got "
        r"several: match; closeness; judge; choose one: --score NAME",
    ):
        open_source(LOGS / "inspect" / "weak.eval")
    with pytest.raises(ArgumentError, match=r"no score 'macth' .*did you mean 'match'"):
        open_source(LOGS / "inspect" / "weak.eval", score="macth")


def test_a_truncated_archive_is_one_line(tmp_path):
    whole = (LOGS / "inspect" / "weak.eval").read_bytes()
    for keep in (100, len(whole) // 2, len(whole) - 30):
        path = tmp_path / "cut.eval"
        path.write_bytes(whole[:keep])
        with pytest.raises(FormatError, match=r"cut\.eval: .*truncated or damaged.*copy it again"):
            open_source(path, score="match")


def test_a_log_of_a_running_evaluation_is_read_and_said(tmp_path):
    path = tmp_path / "running.eval"
    with zipfile.ZipFile(LOGS / "inspect" / "weak.eval") as whole:
        names = whole.namelist()
    # what an interrupted evaluation leaves: the journal, no header and no consolidated summaries
    assert "_journal/start.json" in names
    start = {"eval": {"task": "sums", "model": "m"}, "version": 2}
    parts = [
        [{"id": 1, "epoch": 1, "scores": {"match": {"value": "C"}}, "input": "a", "target": "b"}],
        [
            {"id": 1, "epoch": 1, "scores": {"match": {"value": "I"}}, "input": "a", "target": "b"},
            {"id": 2, "epoch": 1, "scores": {}, "limit": "token"},
            {"id": 3, "epoch": 1, "scores": {"match": {"value": float("nan")}}},
            {"id": 4, "epoch": 1, "scores": {"match": {"value": True}}, "limit": "time"},
        ],
    ]
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("_journal/start.json", json.dumps(start))
        for i, part in enumerate(parts, 1):
            file.writestr(f"_journal/summaries/{i}.json", json.dumps(part))
    opened = open_source(path)
    # sample 1 was made again: the second outcome counts
    assert counts(opened) == {("m", "sums/1"): (0, 1), ("m", "sums/4"): (1, 1)}
    (origin,) = opened.origins
    assert origin.missing == {"no score (limit: token)": 1, "unscored": 1}
    assert "status is 'started'" in origin.notes[0]
    assert "1 samples hit the time limit and count as scored" in origin.notes[1]


def test_a_score_that_is_no_number_or_out_of_range(tmp_path):
    log = json.loads((LOGS / "inspect" / "weak.json").read_text())
    path = tmp_path / "log.json"
    for value, message in (
        ({"a": 1}, "expected one number, got a dict"),
        ("maybe", "expected a finite number, got 'maybe'"),
        (7.5, r"expected a score in \[0, 1\], got 7.5; .*--range LOW:HIGH"),
    ):
        log["samples"][0]["scores"] = {"match": {"value": value}}
        path.write_text(json.dumps(log))
        with pytest.raises(FormatError, match=r"log\.json: field 'sums/1 score match': " + message):
            open_source(path, score="match")
    assert counts(open_source(path, score="match", span=(0, 7.5)))["mockllm/weak", "sums/1"][0] > 1
    log["samples"] = []
    path.write_text(json.dumps(log))
    with pytest.raises(FormatError, match="a log without samples; evaluate with --log-samples"):
        open_source(path)


def test_the_same_run_twice_and_another_text_under_one_id(tmp_path):
    path = LOGS / "inspect" / "weak.eval"
    shutil.copy(path, tmp_path / "copy.eval")
    with pytest.raises(ArgumentError, match="holds the same run as"):
        open_source([path, tmp_path / "copy.eval"], score="match")
    log = json.loads((LOGS / "inspect" / "strong.json").read_text())
    log["samples"][0]["input"] = "What is 100 + 1?"
    (tmp_path / "other.json").write_text(json.dumps(log))
    opened = open_source([LOGS / "inspect" / "weak.json", tmp_path / "other.json"], score="match")
    assert any("1 items have another text" in n and "'sums/1'" in n for n in opened.notes)


# -- lm-evaluation-harness --------------------------------------------------------------------


def test_lm_eval_agrees_with_its_own_results():
    for folder in sorted((LOGS / "lm_eval").iterdir()):
        (results,) = folder.glob("results_*.json")
        told = json.loads(results.read_text())["results"]
        for name in ("first", "digits"):
            opened = open_source(folder, score=[name, "acc"])
            found = counts(opened)
            for task, key in (("sums", f"exact_match,{name}"), ("larger", "acc,none")):
                mine = [k for (_, item), (k, _) in found.items() if item.startswith(f"{task}/")]
                assert np.mean(mine) == pytest.approx(told[task][key])
            assert opened.responses.solvers == (folder.name.replace("__", "/"),)
            assert {o.tool for o in opened.origins} == {"lm_eval 0.4.13"}


def test_lm_eval_filters_must_be_chosen_and_unscored_repeats_are_said():
    with pytest.raises(
        FormatError,
        match=r"samples_sums.*got several: exact_match,first; "
        r"exact_match,digits; choose one",
    ):
        open_source(LOGS / "lm_eval")
    opened = open_source(LOGS / "lm_eval", score=["acc", "exact_match,first"])
    assert any("2 answers were made of each document" in n for o in opened.origins for n in o.notes)


def test_lm_eval_results_lead_to_samples_or_to_the_remedy(tmp_path):
    (results,) = (LOGS / "lm_eval" / "mock__weak").glob("results_*.json")
    opened = open_source(results, score=["acc", "first"])
    assert len(opened.responses.items) == 16
    shutil.copy(results, tmp_path / results.name)
    with pytest.raises(
        FormatError, match="a results file, which holds means only; evaluate with --log_samples"
    ):
        open_source(tmp_path / results.name)
    with pytest.raises(FormatError, match="means only"):
        open_source(tmp_path)


def test_lm_eval_lists_of_scores_are_attempts(tmp_path):
    row = {"doc_id": 0, "doc": {}, "resps": [["a", "b"]], "filter": "none", "metrics": ["acc"]}
    path = tmp_path / "samples_t.jsonl"
    path.write_text(json.dumps({**row, "acc": [1.0, 0.0, None]}) + "\n")
    opened = open_source(path)
    assert counts(opened) == {(tmp_path.name, "t/0"): (1, 2)}
    assert opened.origins[0].missing == {"no score": 1}
    path.write_text(json.dumps(row) + "\n")
    with pytest.raises(FormatError, match=r"samples_t\.jsonl:1: field 'acc': expected this field"):
        open_source(path)


# -- trainers ---------------------------------------------------------------------------------


def test_trl_completions():
    opened = open_source(LOGS / "trl", score="has_even_digit")
    r = opened.responses
    # 2 steps of 2 prompts with 4 completions each, every step a solver
    assert (r.solvers, r.tried.tolist()) == (("trl@1", "trl@2"), [4, 4, 4, 4])
    assert opened.about[r.items[0]]["prompt"] in {f"{i}+{i}=" for i in range(1, 5)}
    one = open_source(LOGS / "trl", score="has_even_digit", columns={"step": ""}).responses
    assert one.solvers == ("trl",)
    assert one.solved.sum() == r.solved.sum()
    with pytest.raises(FormatError, match="several: has_even_digit; brevity; choose one"):
        open_source(LOGS / "trl")


def test_trl_rewards_that_a_function_did_not_give_are_missing(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = {
        "step": [1, 1, 1],
        "prompt": [[{"role": "user", "content": "hi"}]] * 3,
        "completion": ["a", "b", "c"],
        "accuracy": [1.0, None, float("nan")],
        "advantage": [0.0] * 3,
    }
    pq.write_table(pa.table(table), tmp_path / "completions_00001.parquet")
    opened = open_source(tmp_path)
    assert opened.responses.tried.tolist() == [1]
    assert opened.origins[0].missing == {"no score": 2}


def test_verl_rollouts():
    opened = open_source(LOGS / "verl", score="acc")
    written = [(LOGS / "verl" / f"{step}.jsonl").read_text().splitlines() for step in (1, 2)]
    rows = [json.loads(line) for lines in written for line in lines]
    assert opened.responses.solvers == ("verl@1", "verl@2")
    assert opened.responses.solved.sum() == sum(row["acc"] for row in rows)
    assert opened.responses.tried.tolist() == [4] * 8
    # its score is on a -1 .. 1 scale: refused, and read the same once the range is said
    with pytest.raises(FormatError, match=r"1\.jsonl:\d+: field 'score': .*got -1; .*--range"):
        open_source(LOGS / "verl")
    assert counts(open_source(LOGS / "verl", span=(-1, 1))) == counts(opened)


# -- one command ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        ["inspect", "--score", "match"],
        ["lm_eval", "--score", "acc", "--score", "first"],
        ["trl", "--score", "has_even_digit"],
        ["verl", "--range", "-1:1"],
    ],
    ids=lambda o: o[0],
)
def test_old_logs_are_a_bank_in_one_command(options, tmp_path, capsys):
    out = str(tmp_path / "bank.parquet")
    source = str(LOGS / options[0])
    code = app.run(["calibrate", source, *options[1:], "-o", out, "-q", "--json"])
    printed = capsys.readouterr()
    assert code == 0, printed.err
    found = json.loads(printed.out)
    assert found["fit"]["converged"]
    assert all(o["attempts"] > 0 for o in found["sources"])
    assert app.run(["select", out, "--band", "0:1"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(rows) == found["items"]
    assert all(np.isfinite(row["difficulty"]) for row in rows)
    assert app.run(["calibrate", source, *options[1:], "-q"]) == 0
    assert "attempts, " in capsys.readouterr().out


def test_banks_of_two_logs_link(tmp_path):
    first = calibrate(LOGS / "inspect" / "weak.eval", score="match")
    both = [LOGS / "inspect" / f"{name}.eval" for name in ("weak", "strong")]
    second = calibrate(both, score="match", link=first)
    assert second.scale == first.scale
    assert second.fit["link"]["anchors"] == 8


# -- afresh -----------------------------------------------------------------------------------

TOOLS = {"inspect": "inspect_ai", "lm_eval": "lm_eval", "trl": "trl", "verl": "verl"}


@pytest.mark.slow
@pytest.mark.parametrize("name", TOOLS)
def test_logs_made_afresh_say_the_same(name, tmp_path):
    """Where the tool is installed (GRADATIM_PYTHON_<TOOL> names another interpreter)."""
    import os

    python = os.environ.get(f"GRADATIM_PYTHON_{name.upper()}", sys.executable)
    probe = f"import importlib.util as u, sys; sys.exit(u.find_spec({TOOLS[name]!r}) is None)"
    if subprocess.run([python, "-c", probe], capture_output=True).returncode:
        pytest.skip(f"{TOOLS[name]} is not installed")
    done = subprocess.run(
        [python, str(LOGS / "make.py"), name, str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    options = {
        "inspect": {"score": "match"},
        "lm_eval": {"score": ["acc", "first"]},
        "trl": {"score": "has_even_digit"},
        "verl": {"score": "acc"},
    }[name]
    made, kept = (counts(open_source(folder / name, **options)) for folder in (tmp_path, LOGS))
    if name == "trl":  # samples of a random model: the same shape
        assert sorted(n for _, n in made.values()) == sorted(n for _, n in kept.values())
    else:
        assert made == kept


def test_versions_of_the_fixtures_are_named():
    text = (LOGS / "make.py").read_text()
    named = dict(re.findall(r"(inspect_ai|lm_eval|trl|verl)==([\d.]+)", text))
    assert set(named) == set(TOOLS.values())
    (inspect,) = open_source(LOGS / "inspect" / "weak.eval", score="match").origins
    assert inspect.tool == f"inspect_ai {named['inspect_ai']}"
