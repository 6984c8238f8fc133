"""The audit of a file: what is read, what is said, and how it ends."""

import json

import numpy as np
import pytest

import gradatim
from gradatim.audits.scores import SECTIONS, audit_file
from gradatim.audits.subject import open_subject
from gradatim.cli import app
from gradatim.errors import ArgumentError, FormatError


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def table(tmp_path):
    """Attempts of three solvers, out of order, with columns of every kind."""
    rows = [
        {
            "model": f"m{s}",
            "item": f"i{i:02d}",
            "correct": int((s + i) % 3 > 0),
            "time": 100 - (s * 12 + i),
            "confidence": 0.5 + 0.01 * i,
            "split": "train" if i < 6 else "test",
            "seed": s % 2,
            "prompt": f"what is {i} + {i}?",
        }
        for s in range(3)
        for i in range(12)
    ]
    return write(tmp_path / "attempts.jsonl", rows)


def test_a_table_of_attempts_is_read_with_all_its_columns(table):
    subject = open_subject(table)
    assert subject.matrix is not None
    assert subject.attempts is not None
    assert subject.matrix.solved.shape == (3, 12)
    assert subject.attempts.ordered  # by time: the last row was made first
    assert (subject.attempts.solver[0], subject.attempts.item[0]) == (2, 11)
    assert set(subject.of_item) == {"split", "confidence", "prompt"}  # the same on all rows of one
    assert set(subject.of_solver) == {"seed"}
    assert subject.of_item["split"].tolist() == ["train"] * 6 + ["test"] * 6
    assert subject.questions[3].text == "what is 3 + 3?"
    assert subject.questions[3].split == "train"
    solved = np.zeros((3, 12))
    np.add.at(solved, (subject.attempts.solver, subject.attempts.item), subject.attempts.score)
    assert (solved == subject.matrix.solved).all()


def test_rows_without_a_score_are_left_out_of_the_columns_too(tmp_path):
    rows = [{"prompt": f"p{i}", "completion": "c", "reward": r, "advantage": 0.0, "step": i}
            for i, r in enumerate([1.0, None, 0.0])]  # fmt: skip
    subject = open_subject(write(tmp_path / "rollouts.jsonl", rows))
    assert subject.attempts is not None
    assert subject.attempts.columns["step"].tolist() == [0, 2]


def test_a_matrix_keeps_what_stands_beside_it(tmp_path):
    path = tmp_path / "m.npz"
    np.savez(path, solved=np.eye(2, 3), platform=np.array(["a", "b", "b"]), step=np.array([1, 2]))
    subject = open_subject(path)
    assert subject.of_item["platform"].tolist() == ["a", "b", "b"]
    assert subject.of_solver["step"].tolist() == [1, 2]
    assert subject.attempts is None


def test_a_run_is_read_in_order(tmp_path):
    problems = gradatim.generate("lists", n=6, level=2)
    gradatim.attempt(problems, solver="sim:2pl", samples=4, run=tmp_path / "run")
    subject = open_subject(tmp_path / "run")
    assert subject.attempts is not None
    assert subject.matrix is not None
    assert len(subject.attempts.score) == 24
    assert len(subject.questions) == 6
    assert subject.attempts.score.sum() == subject.matrix.solved.sum()


def test_the_audit_says_what_it_looked_at_and_what_it_could_not(table):
    found = audit_file(table)
    assert found["solvers"] == 3
    assert found["items"] == 12
    assert found["attempts"] == 36
    named = {row["section"] for row in found["sections"]}
    named |= {row["section"] for row in found["skipped"]}
    assert named == {section.name for section in SECTIONS}
    only = audit_file(table, only=["rows"])
    assert [row["section"] for row in only["sections"]] == ["rows"]


def test_the_command_ends_with_1_on_a_finding(tmp_path, capsys):
    rng = np.random.default_rng(0)
    solved = rng.random((8, 200)) < 0.5
    np.savez(tmp_path / "sound.npz", solved=solved)
    assert app.run(["audit", str(tmp_path / "sound.npz"), "-q"]) == 0
    assert "nothing found (8 solvers, 200 items" in capsys.readouterr().out
    solved[3] = solved[1]
    np.savez(tmp_path / "twice.npz", solved=solved)
    assert app.run(["audit", str(tmp_path / "twice.npz"), "-q", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    [row] = [row for row in found["sections"] if row["section"] == "rows"]
    assert row["findings"][0]["names"] == ["solver-2", "solver-4"]
    assert row["findings"][0]["remedy"]
    assert gradatim.audit(tmp_path / "twice.npz")["passed"] is False


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("empty.jsonl", "", "an empty file"),
        ("empty.npz", "", "an empty file"),
        ("bare.csv", "colour,size\nred,3\n", "got only colour, size; name the column"),
        ("cut.jsonl", '{"prompt": "x"}\n{"pro', "cut.jsonl:2"),
        ("other.txt", "hello", "ending '.txt'"),
    ],
)
def test_bad_files_are_refused_on_one_line(tmp_path, capsys, name, text, said):
    (tmp_path / name).write_text(text)
    assert app.run(["audit", str(tmp_path / name), "-q"]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_what_is_not_a_file_or_has_no_use_is_refused(table, capsys):
    assert app.run(["audit", "nowhere.csv", "-q"]) == 2
    assert "nothing of that name" in capsys.readouterr().err
    with pytest.raises(ArgumentError, match="is for files"):
        gradatim.audit("verifier:number", n=20, alarm=0.1)
    with pytest.raises(ArgumentError, match="`only` must be one of"):
        audit_file(table, only=["nothing"])
    with pytest.raises(FormatError, match="got only x"):
        audit_file(table, against=[write(table.parent / "t.jsonl", [{"x": 1}])])


def test_seeds_steps_and_layouts_tell_attempts_apart(tmp_path, capsys):
    rows = [
        {"model": "m", "item": i, "seed": seed, "step": step, "correct": int((i + seed) % 3 > 0)}
        for step in (1, 2)
        for seed in (1, 2, 3)
        for i in range(12)
    ]
    subject = open_subject(write(tmp_path / "steps.jsonl", rows))
    assert subject.matrix is not None
    assert subject.attempts is not None
    assert (np.asarray(subject.matrix.tried) == 6).all()
    assert set(subject.attempts.columns) == {"seed", "step"}
    assert "checkpoints of a solver count as independent attempts" in subject.notes[-1]
    twice = write(tmp_path / "twice.jsonl", [*rows, rows[3]])
    assert app.run(["audit", str(twice), "-q"]) == 2
    said = capsys.readouterr().err
    assert "each solver and item once per seed and step" in said
    assert app.run(["audit", str(twice), "-q", "--column", "attempt=seed,colour"]) == 2
    assert "colour" in capsys.readouterr().err


def test_a_checkpoint_that_learns_is_no_verifier_that_drifts(tmp_path):
    rng = np.random.default_rng(3)
    rows = [
        {"model": f"m{s}", "item": i, "step": t, "time": 1000 * t + rng.random(),
         "correct": int(rng.random() < 0.3 + 0.15 * t)}
        for t in range(4) for s in range(4) for i in range(60)
    ]  # fmt: skip
    path = write(tmp_path / "training.jsonl", rows)
    assert audit_file(path, only=["verifier"], seed=1)["passed"]
    plain = [
        {k: v for k, v in row.items() if k != "step"} | {"attempt": row["step"]} for row in rows
    ]
    write(path, plain)
    assert not audit_file(path, only=["verifier"], seed=1)["passed"]
