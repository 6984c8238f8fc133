import json

import pytest

from gradatim.checkers import registry as checkers
from gradatim.cli.app import run
from gradatim.families.generation import generate
from gradatim.families.mixtures import mix
from gradatim.families.read import load


def test_generate_writes_problems_and_nothing_else(capsys, tmp_path):
    line = "generate sat -n 6 --level 2:4 --seed 5 --split test --unique"
    assert run(line.split()) == 0
    out = capsys.readouterr().out
    path = tmp_path / "piped.jsonl"
    path.write_text(out)
    wanted = generate("sat", n=6, level=[2, 3, 4], seed=5, split="test", unique=True)
    assert load(path) == wanted
    assert run([*line.split(), "-o", str(tmp_path / "file.jsonl")]) == 0
    assert capsys.readouterr().out == ""
    assert load(tmp_path / "file.jsonl") == wanted


def test_generate_as_one_json_value(capsys, tmp_path):
    assert run(["generate", "lists", "-n", "3", "--seed", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert run(["generate", "lists", "-n", "3", "--seed", "1", "--json"]) == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert json.loads(out) == [json.loads(line) for line in lines]
    path = tmp_path / "file.jsonl"
    assert run(["generate", "lists", "-n", "3", "-o", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"problems": 3, "file": str(path)}


def test_knobs_on_the_command_line(capsys):
    line = "generate lists -n 2 --knob length=7 --knob operation=sort"
    assert run(line.split()) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["knobs"]["length"] for row in rows] == [7, 7]


def test_mistakes_are_one_line_and_code_two(capsys, tmp_path):
    for line, words in (
        ("generate list", "did you mean 'lists'"),
        ("generate sat,lists", "a mixture is NAME=WEIGHT or NAME:LEVEL=WEIGHT"),
        ("generate sat=1,", "with commas between, got ''"),
        ("generate sat=two", "with commas between, got 'sat=two'"),
        ("generate sat:x=2", "with commas between, got 'sat:x=2'"),
        ("generate sat=1,sat:2=2", "each family or level once, got 'sat:2=2' again"),
        ("generate sat:2=1,sat:2=2", "each family or level once, got 'sat:2=2' again"),
        ("generate sta=2,lists=1", "did you mean 'sat'"),
        ("generate sat=-1", "weight of `sat` must be a number of at least 0, got -1.0"),
        ("generate sat=0,lists=0", "`weights` must name a family with a weight above 0"),
        ("generate sat:11=1", "`levels` must be whole numbers in [1, 10], got 11"),
        ("generate sat=1 --knob literals=3", "a mixture takes levels, NAME:LEVEL=WEIGHT"),
        ("generate none.json", "none.json: expected a file, got nothing of that name"),
        ("generate sat --knob literals=3 --knob variables=2", "at most `sat.variables` = 2, got 3"),
        ("generate lists --knob operation=sorted", "did you mean"),
        ("generate lists --knob size=3", "family 'lists' has no 'size' (known: high, length"),
        (
            "generate lists -n 6 --unique --knob length=1 --knob high=1",
            "5 exist in split 'train' (5 in both); ask for fewer or widen the knobs",
        ),
        ("generate lists --level 0", "`--level` must be A or A:B with 1 <= A <= B <= 10"),
        ("generate lists --level 5:2", "`--level` must be"),
        ("generate lists --knob length", "`--knob` must be NAME=VALUE"),
        ("generate lists --knob length=41", "must be a whole number in [1, 40], got 41"),
        (f"read {tmp_path}/none.jsonl", "expected a file, got nothing of that name"),
    ):
        assert run(line.split()) == 2
        caught = capsys.readouterr()
        assert caught.out == ""
        assert words in caught.err
        assert caught.err.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[1]", "expected {"),
        ("{", "Expecting property name"),
        ('{"sat": {"low": 1}}', "field 'sat': expected levels 1 to 10, got low"),
        ('{"sat": "2"}', "weight of `sat` must be a number of at least 0, got '2'"),
        ("{}", "`weights` must name a family with a weight above 0"),
    ],
)
def test_a_bad_file_of_weights_is_one_line(capsys, tmp_path, content, words):
    path = tmp_path / "weights.json"
    path.write_text(content)
    assert run(["generate", str(path)]) == 2
    caught = capsys.readouterr()
    assert words in caught.err
    assert (caught.out, caught.err.count("\n")) == ("", 1)


def test_a_mixture_by_family_and_level(capsys):
    line = "generate sat=2,lists:1=1,lists:5=1 -n 8 --level 3 --seed 4"
    assert run(line.split()) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    weights = {"sat": 2, "lists": {1: 1, 5: 1}}
    wanted = mix(weights, n=8, levels=3, seed=4)
    assert [row["id"] for row in rows] == [p.id for p in wanted]
    levels = sorted((row["family"], row["level"]) for row in rows)
    assert levels == [("lists", 1)] * 2 + [("lists", 5)] * 2 + [("sat", 3)] * 4


def test_help_says_how_mixtures_are_asked_for_and_which_verifiers_there_are(capsys):
    assert run(["generate", "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "NAME=WEIGHT,NAME=WEIGHT" in shown
    assert "NAME:LEVEL=WEIGHT" in shown
    assert run(["read", "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert all(name in shown for name in checkers.names())


def test_families_lists_objects_with_names(capsys):
    assert run(["families", "--json"]) == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    rows = {row["name"]: row for row in json.loads(out)}
    # modes that count as families have entries of their own
    wanted = {"arithmetic", "arithmetic.gcd", "lists", "lists.median", "sat", "sat.unsolvable"}
    assert wanted <= set(rows)
    assert len(rows) >= 30
    assert all(row["effort_unit"] and row["solver"] for row in rows.values())
    assert run(["families"]) == 0
    assert "level 10" in capsys.readouterr().out


def test_families_shows_one_and_its_modes(capsys):
    assert run(["families", "sudoku", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    names = [row["name"] for row in rows]
    assert names == ["sudoku", "sudoku.4", "sudoku.6", "sudoku.9", "sudoku.unsolvable"]
    assert run(["families", "sudoku.9"]) == 0
    assert capsys.readouterr().out.startswith("sudoku.9: ")
    assert run(["families", "sudoko"]) == 2
    assert "got 'sudoko'; did you mean 'sudoku'?" in capsys.readouterr().err


def test_a_knob_is_named_once(capsys):
    assert run(["generate", "lists", "--knob", "length=3", "--knob", "length=4"]) == 2
    assert "`--knob` names each knob once, got 'length=4' again" in capsys.readouterr().err


def test_read_refuses_problems_that_a_family_made(capsys, tmp_path):
    path = tmp_path / "made.jsonl"
    assert run(["generate", "hanoi", "-n", "2", "-o", str(path)]) == 0
    assert run(["read", str(path)]) == 2
    said = capsys.readouterr().err
    assert (
        "made.jsonl:1: expected rows of another tool, got a problem of the family 'hanoi'" in said
    )


def test_read_writes_problems_and_says_what_became_of_the_rows(capsys, tmp_path):
    rows = [("1 + 1?", "2"), ("2 + 2?", "4"), ("1 + 1?", "2"), ("2 + 2?", "5"), ("x?", "many")]
    path = tmp_path / "x.jsonl"
    path.write_text("".join(json.dumps({"q": q, "a": a}) + "\n" for q, a in rows))
    line = ["read", str(path), "--prompt", "q", "--answer", "a", "--verifier", "number"]
    assert run(line) == 2
    assert "line 5: answer 'many' is unparsed" in capsys.readouterr().err
    line += ["--max-bad-rows", "1"]
    assert run(line) == 0
    caught = capsys.readouterr()
    assert [json.loads(row)["answer"] for row in caught.out.splitlines()] == ["2", "4", "5"]
    assert "left out, repeated: line 3 (line 1)" in caught.err
    assert "another answer: line 4 (line 2)" in caught.err
    assert run([*line, "--json", "-o", str(tmp_path / "out.jsonl")]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["rows"], summary["problems"]) == (5, 3)
    assert summary["bad_rows"] == [{"line": 5, "why": "answer 'many' is unparsed"}]
    assert len(load(tmp_path / "out.jsonl")) == 3
