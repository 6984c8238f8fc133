import json

import pytest

from gradatim.errors import FormatError
from gradatim.solvers.registry import open_solver
from gradatim.types import Problem, Request

PROBLEM = Problem(id="p1", prompt="2+2?", answer="4", verifier="number")


def record(tmp_path, rows, name="r.jsonl"):
    path = tmp_path / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return f"recorded:{path}"


def texts(spec, n):
    batches = open_solver(spec).answer([Request(PROBLEM, 0, n)])
    return [(r.sample, r.text, r.status) for batch in batches for r in batch]


@pytest.mark.parametrize("field", ["problem", "problem_id", "id", "prompt"])
def test_rows_are_found_by_id_or_prompt_and_numbered_as_they_come(tmp_path, field):
    name = PROBLEM.prompt if field == "prompt" else "p1"
    spec = record(tmp_path, [{field: name, "text": "4"}, {field: name, "text": "5"}])
    assert texts(spec, 2) == [(0, "4", "finished"), (1, "5", "finished")]


def test_what_was_not_recorded_says_so(tmp_path):
    spec = record(tmp_path, [{"id": "p1", "sample": 1, "completion": "4", "status": "truncated"}])
    assert texts(spec, 3) == [
        (0, None, "provider_error"),
        (1, "4", "truncated"),
        (2, None, "provider_error"),
    ]


def test_csv_works_and_the_policy_is_the_content(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text("id,sample,text,tokens\np1,0,4,1\np1,1,,\n")
    assert texts(f"recorded:{path}", 2)[0] == (0, "4", "finished")
    before = open_solver(f"recorded:{path}").policy
    path.write_text("id,text\np1,5\n")
    assert open_solver(f"recorded:{path}").policy != before


@pytest.mark.parametrize(
    ("rows", "field"),
    [
        ([{"id": "p1"}], "text"),
        ([{"text": "a"}], "problem"),
        ([{"id": "p1", "text": 4}], "text"),
        ([{"id": "p1", "text": "4", "status": "done"}], "status"),
        ([{"id": "p1", "text": "4", "sample": "x"}], "sample"),
        ([{"id": "p1", "text": "4", "tokens": [1]}], "tokens"),
        ([{"id": "p1", "text": "4", "sample": 0}] * 2, "sample"),
    ],
)
def test_a_bad_row_names_file_line_and_field(tmp_path, rows, field):
    with pytest.raises(FormatError) as caught:
        open_solver(record(tmp_path, rows))
    assert caught.value.field == field
    assert caught.value.line == len(rows)


def test_a_missing_file_says_so(tmp_path):
    with pytest.raises(FormatError, match="nothing of that name"):
        open_solver(f"recorded:{tmp_path}/none.jsonl")
