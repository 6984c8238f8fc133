import itertools
import json
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gradatim.errors import ArgumentError, FormatError
from gradatim.families.generation import generate
from gradatim.families.read import examine, from_row, load, read, save, to_row
from gradatim.families.verify import check
from gradatim.types import Problem


def written(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_problems_survive_a_file(tmp_path):
    chat = ({"role": "system", "content": "Be brief."}, {"role": "user", "content": "1 + 1?"})
    problems = [
        *generate("sat", n=5, level=range(1, 6), split="test", seed=3),
        *generate("lists", n=3, high=99),
        Problem(id="a", prompt=chat, answer="2", verifier="number", meta={"tolerance": 0.5}),
        Problem(id="b", prompt="line\u2028separator \U0001f986", answer="ü\n2", unsolvable=True),
    ]
    path = tmp_path / "problems.jsonl"
    save(path, problems)
    assert load(path) == problems
    assert len(path.read_text().split("\n")) == len(problems) + 1


def test_rows_leave_defaults_out():
    row = to_row(Problem(id="a", prompt="?", answer="2"))
    assert row == {"schema": 1, "id": "a", "prompt": "?", "answer": "2"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, r":3: field 'schema': expected at most 1, got 2; .*newer gradatim"),
        ({"level": "4"}, r":3: field 'level': expected a whole number or null, got '4'"),
        ({"level": True}, r":3: field 'level': expected a whole number or null, got True"),
        ({"answer": 2}, r":3: field 'answer': expected a text, got 2"),
        ({"prompt": [{"role": "user"}]}, r":3: field 'prompt': expected a text or a list of mess"),
        ({"knobs": []}, r":3: field 'knobs': expected an object, got \[\]"),
        ({"anser": "2"}, r":3: field 'anser': .*did you mean 'answer'"),
    ],
)
def test_a_bad_field_is_named_with_its_line(change, message):
    row = to_row(Problem(id="a", prompt="?", answer="2")) | change
    with pytest.raises(FormatError, match=r"file\.jsonl" + message):
        from_row(row, "file.jsonl", 3)


def test_files_that_are_no_problems(tmp_path):
    foreign = written(tmp_path / "foreign.jsonl", {"question": "1 + 1?", "answer": "2"})
    with pytest.raises(FormatError, match=r":1: field 'id': .*`gradatim read` turns rows"):
        load(foreign)
    cut = tmp_path / "cut.jsonl"
    cut.write_text('{"id": "a", "prompt": "?", "answer": "2"}\n{"id": "b", "pro')
    with pytest.raises(FormatError, match=r"cut\.jsonl:2: expected one JSON object per line"):
        load(cut)
    with pytest.raises(FormatError, match="expected a file, got nothing of that name"):
        load(tmp_path / "none.jsonl")
    p = Problem(id="a", prompt="?", answer="2")
    clash = tmp_path / "clash.jsonl"
    save(clash, [p, p, replace(p, answer="3")])
    with pytest.raises(FormatError, match=r":3: field 'id': expected one content for each id"):
        load(clash)


def test_foreign_rows_of_every_kind(tmp_path):
    rows = [{"q": "1 + 1?", "a": "so #### 2"}, {"q": "2 + 2?", "a": "so #### 4"}]
    jsonl = written(tmp_path / "x.jsonl", *rows)
    (tmp_path / "x.csv").write_text("q,a\n1 + 1?,so #### 2\n2 + 2?,so #### 4\n")
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "x.parquet")
    (tmp_path / "x.json").write_text(json.dumps(rows))
    options = {"prompt": "q", "answer": "a", "extract": "####", "verifier": "number"}
    problems = read(jsonl, **options)
    assert [p.answer for p in problems] == ["2", "4"]
    assert [p.prompt for p in problems] == ["1 + 1?", "2 + 2?"]
    assert all(check(p, p.answer).solved for p in problems)
    for ending in ("csv", "parquet", "json"):
        assert read(tmp_path / f"x.{ending}", **options) == problems


def test_answers_may_be_numbers(tmp_path):
    path = written(
        tmp_path / "x.jsonl",
        {"prompt": "a", "answer": 2},
        {"prompt": "b", "answer": 2.0},
        {"prompt": "c", "answer": 0.25},
    )
    assert [p.answer for p in read(path, verifier="number")] == ["2", "2", "0.25"]


def test_meta_reaches_the_verifier(tmp_path):
    path = written(tmp_path / "x.jsonl", {"prompt": "pi?", "answer": 3.14159})
    problem = read(path, verifier="number", meta={"tolerance": 0.01})[0]
    assert check(problem, "3.14").solved
    assert not check(problem, "3.1").solved


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"prompt": "?"}, "field 'answer': expected a column of that name, got columns prompt"),
        ({"prompts": "?", "answer": "2"}, r"field 'prompt': .*did you mean 'prompts'"),
        ({"prompt": 5, "answer": "2"}, "field 'prompt': expected a text or a list of messages"),
        ({"prompt": "?", "answer": None}, "field 'answer': expected a text or a number, got None"),
        ({"prompt": "?", "answer": True}, "field 'answer': expected a text or a number, got True"),
        ({"prompt": "?", "answer": "2"}, "field 'answer': expected a text with '####', got '2'"),
        ({"prompt": "\ud83e?", "answer": "####2"}, "field 'prompt': expected Unicode text"),
        ({"prompt": "?", "answer": "2 ####"}, "field 'answer': expected an answer, got an empty"),
    ],
)
def test_a_row_that_cannot_be_understood_is_named(tmp_path, row, message):
    good = {"prompt": "1?", "answer": "#### 1"}
    path = written(tmp_path / "x.jsonl", good, row)
    with pytest.raises(FormatError, match=rf"x\.jsonl:2: {message}"):
        read(path, extract="####", verifier="number")


def test_rows_that_fail_their_own_answer_are_named(tmp_path):
    rows = [{"prompt": f"{i}?", "answer": "many" if i in (2, 5) else str(i)} for i in range(1, 8)]
    path = written(tmp_path / "x.jsonl", *rows)
    with pytest.raises(FormatError) as caught:
        read(path, verifier="number")
    message = str(caught.value)
    assert "x.jsonl:2: expected answers that verifier 'number' accepts, got 2 rows" in message
    assert "line 5: answer 'many' is unparsed" in message
    assert "--max-bad-rows 2" in message
    with pytest.warns(UserWarning, match="left out 2 rows: line 2"):
        problems = read(path, verifier="number", max_bad_rows=2)
    assert [p.answer for p in problems] == ["1", "3", "4", "6", "7"]
    with pytest.raises(FormatError, match="got 2 rows"):
        read(path, verifier="number", max_bad_rows=1)
    with pytest.raises(ArgumentError, match="`max_bad_rows` must lie in"):
        read(path, verifier="number", max_bad_rows=-1)


def test_repeated_and_contradicting_rows_are_reported(tmp_path):
    path = written(
        tmp_path / "x.jsonl",
        {"prompt": "a", "answer": "1"},
        {"prompt": "b", "answer": "2"},
        {"prompt": "a", "answer": "1"},
        {"prompt": "b", "answer": "3"},
    )
    reading = examine(path, verifier="number")
    assert [p.answer for p in reading.problems] == ["1", "2", "3"]
    assert (reading.rows, reading.repeated, reading.contradicting) == (4, [(3, 1)], [(4, 2)])


def test_an_empty_file_and_an_unknown_verifier(tmp_path):
    path = written(tmp_path / "x.jsonl")
    with pytest.raises(FormatError, match="expected at least one problem, got 0 rows"):
        read(path, verifier="number")
    with pytest.raises(ArgumentError, match=r"`verifier` must be one of .*did you mean 'math'"):
        read(path, verifier="maths")


def test_gsm8k_passes_its_gate(data_dir):
    pytest.importorskip("math_verify")
    path = data_dir / "gsm8k_test.jsonl"
    problems = read(path, prompt="question", extract="####")
    assert len(problems) == len({p.id for p in problems}) == 1319
    assert check(problems[0], "She makes 9 * 2 = $18 every day.").reason in ("unparsed", "correct")
    assert check(problems[0], "The answer is 18.").solved
    pairs = list(itertools.pairwise(problems))
    assert sum(check(p, q.answer).solved for p, q in pairs) == sum(
        float(p.answer.replace(",", "")) == float(q.answer.replace(",", "")) for p, q in pairs
    )
    with pytest.raises(FormatError, match=r"got 1319 rows: line 1: answer .* is verifier_error"):
        read(path, prompt="question")  # without the mark the answer is a whole solution
