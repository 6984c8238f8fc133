"""Completions that TRL logs, one file or a folder of them, under audit."""

import shutil

import numpy as np
import pytest

from gradatim.audits.questions import holds_problems
from gradatim.audits.rows import find_rows
from gradatim.audits.scores import audit_file
from gradatim.audits.subject import Subject
from gradatim.cli import app
from gradatim.types import Matrix


@pytest.fixture
def logs(request):
    return request.path.parent / "logs" / "trl"


def test_one_file_is_read_as_the_folder_is(logs, tmp_path, capsys):
    one = logs / "completions_00001.parquet"
    assert not holds_problems(one, {})  # attempts on a problem were called duplicates of it
    folder = tmp_path / "trl"
    folder.mkdir()
    shutil.copy(one, folder)
    said = []
    for path in (one, folder):
        assert app.run(["audit", str(path), "-q"]) == 2
        said.append(capsys.readouterr().err)
    assert all("expected one score, got several: has_even_digit; brevity" in text for text in said)
    found = [audit_file(path, score="has_even_digit") for path in (one, folder)]
    assert found[0]["attempts"] == found[1]["attempts"] == 8
    assert found[0]["problems"] == found[1]["problems"] == 2
    assert all(row["passed"] for row in found[0]["sections"])


def test_steps_of_one_run_on_fresh_problems_are_no_fault(logs):
    found = audit_file(logs, score="brevity", only=["rows"])
    [rows] = found["sections"]
    assert rows["passed"]
    assert "2 steps of trl have no problem in common" in rows["notes"][0]


@pytest.mark.parametrize(
    ("names", "fault"), [(("a@1", "a@2"), False), (("a@1", "b@1"), True), (("a", "b"), True)]
)
def test_solvers_on_disjoint_problems_are(names, fault):
    solved, tried = np.zeros((2, 8)), np.zeros((2, 8), int)
    tried[0, :4] = tried[1, 4:] = 1
    solved[0, :2] = solved[1, 5:7] = 1
    matrix = Matrix(solved=solved, tried=tried, solvers=names, items=tuple("abcdefgh"))
    found = find_rows(Subject(name="m", matrix=matrix))
    assert ([one["kind"] for one in found["findings"]] == ["parts"]) == fault
