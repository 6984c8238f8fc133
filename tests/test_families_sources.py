"""Rows of others: data sets on disk and in memory, nested and chat columns, trainers' layouts."""

import json

import pyarrow
import pyarrow.parquet
import pytest

import gradatim
from gradatim.cli import app
from gradatim.errors import ArgumentError, FormatError
from gradatim.families.exchange import FORMATS, export_rows, write_rows
from gradatim.families.generation import generate
from gradatim.families.read import load, read, save
from gradatim.families.sources import layout_of, record_of
from gradatim.types import Problem

ROWS = [{"question": f"What is {a} + {a}?", "size": a % 2, "answer": str(2 * a)} for a in range(4)]
LABELS = {"info": {"features": {"size": {"names": ["small", "large"], "_type": "ClassLabel"}}}}


def table(rows):
    made = pyarrow.Table.from_pylist(rows)
    return made.replace_schema_metadata({"huggingface": json.dumps(LABELS)})


def saved(folder, rows, shards=2):
    """What `save_to_disk` writes, by hand."""
    folder.mkdir(parents=True)
    names = [f"data-{i:05d}-of-{shards:05d}.arrow" for i in range(shards)]
    for i, name in enumerate(names):
        part = table(rows).slice(i * len(rows) // shards, len(rows) // shards)
        with (
            pyarrow.OSFile(str(folder / name), "wb") as file,
            pyarrow.ipc.new_stream(file, part.schema) as stream,
        ):
            stream.write_table(part, max_chunksize=1)
    (folder / "state.json").write_text(
        json.dumps({"_data_files": [{"filename": n} for n in names]})
    )
    return folder


def mixed():
    """Problems of several kinds: a family's, one with a tolerance, a chat."""
    asked = ({"role": "system", "content": "Be brief."}, {"role": "user", "content": "7 * 6?"})
    near = {"tolerance": 0.01, "a": [1]}
    return [
        *generate("lists", n=3, level=[1, 5, 9], split="train"),
        *generate("sat", n=2, level=3),
        Problem(
            id="t",
            prompt="pi?",
            answer="3.14",
            verifier="number",
            meta=near,
        ),
        Problem(id="c", prompt=asked, answer="42", verifier="number", level=2),
    ]


def test_a_folder_of_save_to_disk_needs_no_library(tmp_path):
    folder = saved(tmp_path / "set", ROWS)
    problems = read(folder, prompt="question", verifier="number")
    assert [p.answer for p in problems] == ["0", "2", "4", "6"]
    assert problems == read(ROWS, prompt="question", verifier="number")
    by_label = read(folder, prompt="question", answer="size", verifier="text")
    assert [p.answer for p in by_label] == ["small", "large", "small", "large"]
    with pytest.raises(FormatError, match=r"set:1: field 'qestion'.*did you mean 'question'"):
        read(folder, prompt="qestion")


def test_class_labels_of_parquet_are_their_names(tmp_path):
    pyarrow.parquet.write_table(table([*ROWS, {**ROWS[0], "size": -1}]), tmp_path / "p.parquet")
    with pytest.raises(FormatError, match=r"p.parquet:5: field 'size': expected a text .* None"):
        read(tmp_path / "p.parquet", prompt="question", answer="size", verifier="text")
    pyarrow.parquet.write_table(table(ROWS), tmp_path / "p.parquet")
    found = read(tmp_path / "p.parquet", prompt="question", answer="size", verifier="text")
    assert [p.answer for p in found] == ["small", "large"] * 2


def test_a_folder_with_splits_and_one_that_is_none(tmp_path):
    saved(tmp_path / "all" / "train", ROWS)
    (tmp_path / "all" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    with pytest.raises(FormatError, match=r"splits train, test; name one: .*all/train"):
        read(tmp_path / "all")
    with pytest.raises(FormatError, match=r"without its state.json; name the .parquet"):
        read(tmp_path)
    (tmp_path / "all" / "train" / "data-00001-of-00002.arrow").write_bytes(b"cut")
    with pytest.raises(FormatError, match=r"data-00001-of-00002.arrow: expected an Arrow stream"):
        read(tmp_path / "all" / "train", prompt="question", verifier="number")


class Shelf(dict):
    """As a DatasetDict: splits by name."""


@pytest.mark.parametrize(
    ("source", "error", "match"),
    [
        (Shelf(train=ROWS, test=ROWS), ArgumentError, r"splits train, test: .*data\['train'\]"),
        (7, ArgumentError, "a file, a folder of save_to_disk, a data set or rows, got 7"),
        ([1], FormatError, r"rows \(list\):1: expected a row by column, got int"),
        ([], FormatError, "at least one problem, got 0 rows"),
        (iter(ROWS), FormatError, r"iterator\):1: field 'prompt'.*columns question, size, answer"),
        ([{"a": {"b": 1}, "answer": "1"}], FormatError, "columns a, a.b, answer"),
    ],
)
def test_what_cannot_be_read_says_what_there_is(source, error, match):
    with pytest.raises(error, match=match):
        gradatim.read(source)


def test_nested_columns_and_places():
    row = {"doc": {"q": "1 + 1?", "all": ["2", "two"]}, "prompt": "unused"}
    [found] = read([row], prompt="doc.q", answer="doc.all.0", verifier="number")
    assert (found.prompt, found.answer) == ("1 + 1?", "2")
    with pytest.raises(FormatError, match=r"field 'doc.all.2'"):
        read([row], prompt="doc.q", answer="doc.all.2")
    with pytest.raises(FormatError, match=r"field 'doc.p'.*did you mean 'doc.q'"):
        read([row], prompt="doc.p", answer="doc.all.0")


def test_rows_of_trainers_are_known_by_their_columns():
    chat = [{"role": "user", "content": "1 + 1?", "name": None}]
    verl = {
        "data_source": "openai/gsm8k",
        "prompt": chat,
        "reward_model": {"style": "rule", "ground_truth": ["2"]},
        "extra_info": {"index": 0},
    }
    shown = {"role": "assistant", "content": "It is 2."}
    instruct = {"messages": [*chat, shown], "ground_truth": "2", "dataset": "gsm8k"}
    plain = {"prompt": [{"role": "user", "content": "1 + 1?"}], "answer": 2.0}
    found = [read([row], verifier="number") for row in (verl, instruct, plain)]
    assert found[0] == found[1] == found[2]
    assert found[0][0].prompt == ({"role": "user", "content": "1 + 1?"},)
    assert layout_of({"prompt": "a", "messages": [], "ground_truth": "4"}).prompt == "prompt"


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("ending", ["parquet", "jsonl"])
def test_there_and_back(tmp_path, form, ending):
    problems = mixed()
    path = tmp_path / f"rows.{ending}"
    write_rows(path, export_rows(problems, form))
    assert read(path) == problems
    assert load(path) == problems  # so that every verb takes the file as it is
    told = gradatim.attempt(path, solver="sim:2pl", run=tmp_path / "run")
    assert told["requested"] == len(problems)


def test_the_columns_are_those_that_trainers_read():
    trl, verl, instruct = (export_rows(mixed(), form)[-2:] for form in FORMATS)
    assert trl[0]["prompt"] == [{"role": "user", "content": "pi?"}]  # a chat makes all chats
    assert export_rows(mixed()[:-1])[-1]["prompt"] == "pi?"
    assert verl[1]["reward_model"] == {"style": "rule", "ground_truth": "42"}
    assert verl[1]["prompt"][0]["role"] == "system"
    assert set(verl[0]) == {"data_source", "prompt", "ability", "reward_model", "extra_info"}
    assert instruct[0]["dataset"] == "gsm8k"
    assert instruct[0]["ground_truth"] == "3.14"
    with pytest.raises(ArgumentError, match="did you mean 'verl'"):
        export_rows([], "vrl")
    with pytest.raises(FormatError, match=r"the ending .parquet or .jsonl"):
        write_rows("rows.txt", [])


def test_a_reworded_row_is_another_problem_with_the_same_judge():
    [row] = export_rows(generate("sat", n=1, level=2), "verl")
    [old] = read([row])
    row["prompt"][0]["content"] += " Think step by step."
    [new] = read([row])
    assert new.id != old.id
    assert new.meta["changed_from"] == old.id
    assert (new.verifier, new.knobs, new.answer) == (old.verifier, old.knobs, old.answer)


@pytest.mark.parametrize("text", ["Find x.", "{", "{}", '{"schema": 1}', 7, None])
def test_a_column_named_problem_may_be_anything(text):
    assert record_of({"problem": text}) is None


def test_the_verb_writes_rows_for_trainers(tmp_path, capsys):
    ours, verl = tmp_path / "ours.jsonl", tmp_path / "verl.parquet"
    save(ours, mixed())
    assert app.run(["read", str(ours), "--to", "verl", "-o", str(verl), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == len(mixed())
    assert app.run(["read", str(verl), "-o", str(tmp_path / "back.jsonl")]) == 0
    assert load(tmp_path / "back.jsonl") == mixed()
    capsys.readouterr()
    assert app.run(["read", str(verl), "--to", "open-instruct"]) == 0
    first, *_ = capsys.readouterr().out.splitlines()
    assert set(json.loads(first)) == {"messages", "ground_truth", "dataset", "problem"}
    theirs = tmp_path / "theirs.jsonl"
    theirs.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    line = ["read", str(theirs), "--prompt", "question", "--verifier", "number"]
    assert app.run([*line, "-o", str(tmp_path / "t.parquet")]) == 0
    assert len(load(tmp_path / "t.parquet")) == 4
    assert app.run(["read", str(ours), "--to", "vrel"]) == 2
    assert "did you mean 'verl'" in capsys.readouterr().err
