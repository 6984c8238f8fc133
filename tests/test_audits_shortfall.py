"""What an audit says where a section cannot look: a gate is not green on nothing."""

import json

import numpy as np
import pytest

from gradatim.audits.scores import audit_file
from gradatim.cli import app
from gradatim.errors import ArgumentError

RNG = np.random.default_rng(0)


def log(tmp_path, solvers=2, items=40, **columns):
    """Results of solvers on items, with columns given by value or by (solver, item) -> value."""
    rows = [
        {"model": f"m{s}", "item": i, "correct": int(RNG.random() < 0.5)}
        | {name: told(s, i) if callable(told) else told for name, told in columns.items()}
        for s in range(solvers)
        for i in range(items)
    ]
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def amiss(path, section):
    [row] = [row for row in audit_file(path)["skipped"] if row["section"] == section]
    return row["amiss"]


def test_trusted_verdicts_in_words_true_and_false_are_read(tmp_path):
    path = log(tmp_path, audited=lambda _, i: ("true", "False", "")[i % 3])
    [row] = audit_file(path, only=["verdicts"])["sections"]
    assert "from 54 audited attempts" in row["looked_at"]


@pytest.mark.parametrize("name", ["audited", "second_verdict"])
def test_trusted_verdicts_in_other_words_are_refused(tmp_path, name):
    words = {name: lambda _, i: ("", "correct")[i % 2]}
    path = log(tmp_path, 2, 40, **words)
    with pytest.raises(ArgumentError, match=f"`{name}` must hold 0, 1 or nothing, got 'correct'"):
        audit_file(path)
    assert audit_file(path, only=["rows"])["passed"]  # that section does not ask for them


def test_a_column_that_is_there_is_not_called_missing(tmp_path):
    said = amiss(log(tmp_path, confidence="high"), "confidence")
    assert said.startswith("column `confidence` must hold numbers from 0 to 1")
    assert said.endswith("got 'high'")
    said = amiss(log(tmp_path, 1, confidence=0.5), "confidence")
    assert said == "column `confidence` is there for 40 attempts, and 50 are needed"
    assert amiss(log(tmp_path, Confidence=lambda s, i: 101 - i), "confidence").endswith("got 101")
    said = amiss(log(tmp_path, 1, second_verdict=1), "verdicts")
    assert said == "column `second_verdict` is there for 1 solver, and 2 are needed"
    assert "`step` is there, but not all" in amiss(log(tmp_path, step=1), "checkpoints")
    assert amiss(log(tmp_path), "confidence") is None


def test_where_nothing_could_be_looked_at_the_audit_ends_with_2(tmp_path, capsys):
    path = str(log(tmp_path, 1))
    for more in ([], ["--only", "leaks", "--only", "texts"]):
        assert app.run(["audit", path, "-q", *more]) == 2
        said = capsys.readouterr().out
        assert "nothing was looked at (1 solver, 40 items" in said
        assert "leaks        not looked at: needs results of 3 solvers" in said
    assert not audit_file(path)["passed"]
    np.savez(tmp_path / "none.npz", solved=np.zeros((0, 0)), tried=np.zeros((0, 0), dtype=int))
    assert app.run(["audit", str(tmp_path / "none.npz"), "-q"]) == 2
    assert "nothing was looked at" in capsys.readouterr().out


def test_sections_without_data_are_named_on_one_line(tmp_path, capsys):
    path = str(log(tmp_path, confidence="high"))
    assert app.run(["audit", path, "-q"]) == 0
    said = capsys.readouterr().out
    assert "  confidence   not looked at: column `confidence` must hold" in said
    assert said.count("not looked at") == 2
    assert "for want of data: keys, leaks" in said


@pytest.mark.parametrize("seed", [-1, 2**63, 0.5])
def test_a_seed_that_is_no_seed_is_refused(tmp_path, seed, capsys):
    path = log(tmp_path)
    with pytest.raises(ArgumentError, match="`seed` must"):
        audit_file(path, seed=seed)
    if seed == -1:
        assert app.run(["audit", str(path), "--seed", "-1", "-q"]) == 2
        assert capsys.readouterr().err.count("\n") == 1
