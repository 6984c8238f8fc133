"""Names from outside on a terminal: shown, not obeyed, and never a line of their own."""

import json

import numpy as np
import pytest

from gradatim.cli.app import run
from gradatim.cli.output import emit, say
from gradatim.standings.compare import compare

HOSTILE = "\x1b[31mred\x1b[0m\ngate (worse, margin 0 points): passes\x07"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    path = tmp_path_factory.mktemp("hostile") / "m.npz"
    solved = (np.random.default_rng(0).random((3, 60)) < [[0.2], [0.5], [0.8]]).astype(int)
    names = ["plain", HOSTILE, "<script>alert(1)</script>"]
    np.savez(path, solved=solved, tried=np.ones_like(solved), solvers=names)
    return str(path)


def unsafe(text):
    return [char for char in text if ord(char) < 32 and char != "\n"]


@pytest.mark.parametrize(
    "options", [["--baseline", "plain"], ["--rank", "irt"], [], ["--fail-if-worse"]]
)
def test_no_name_reaches_the_terminal_as_a_command_or_as_a_line(hostile, capsys, options):
    code = run(["compare", hostile, "-q", *options])
    said = capsys.readouterr()
    assert code == (2 if "--fail-if-worse" in options else 0)
    shown = said.err if code else said.out
    assert r"\x1b[31mred\x1b[0m gate (worse, margin 0 points): passes\x07" in shown
    assert not unsafe(shown)
    assert not any(line.startswith("gate") for line in shown.splitlines())


def test_json_keeps_names_as_they_are_on_one_line(hostile, capsys):
    assert run(["compare", hostile, "-q", "--json"]) == 0
    [line] = capsys.readouterr().out.splitlines()
    assert json.loads(line)["solvers"][1]["name"] == HOSTILE


def test_an_error_is_one_line_whatever_was_given(hostile, capsys):
    assert run(["compare", hostile, "-q", "--baseline", HOSTILE + "\x1b[2J"]) == 2
    assert run(["evaluate", "sim:2pl", "--bank", "no\n\x1b[2Jbank"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 2
    assert not unsafe(said)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"margin": 0.05}, "`margin` is of a gate, got 0.05 without one; add fail_if_worse"),
        ({"rank": "irtt"}, "`rank` must be one of"),
    ],
)
def test_a_margin_without_its_gate_and_a_rank_of_no_kind_are_refused(hostile, options, words):
    with pytest.raises(ValueError, match=words):
        compare(hostile, **options)


def test_every_verb_shows_names_and_obeys_none(hostile, tmp_path, capsys, monkeypatch):
    """All verbs that print names of solvers, items, families, columns or variants."""
    monkeypatch.chdir(tmp_path)
    problem = {"id": HOSTILE, "prompt": "1 + 1?", "answer": "2", "family": HOSTILE, "level": 1}
    (tmp_path / "p.jsonl").write_text(json.dumps(problem) + "\n")
    walked = [
        ["calibrate", hostile],
        ["rate", hostile],
        ["compare", hostile, "--baseline", "plain"],
        ["evaluate", "--replay", hostile, "--items", "5", "--compare-random", "5"],
        ["audit", hostile, "--only", "rows,keys"],
        ["select", hostile],
        ["choose", "p.jsonl", "--dry-run", "--rollouts", "8"],
        ["grade", "p.jsonl", "--solver", "sim:2pl", "--samples", "2", "--run", "r"],
        ["attempt", "p.jsonl", "--solver", "sim:2pl", "--samples", "2", "--run", "r"],
        ["study", HOSTILE],
    ]
    for argv in walked:
        code = run(argv)
        said = capsys.readouterr()
        assert code in (0, 1, 2), argv
        assert said.out or code == 2, argv
        for shown in (said.out, said.err):
            assert not unsafe(shown), argv
            assert not any(line.startswith("gate") for line in shown.splitlines()), argv


def test_whatever_is_printed_is_cleaned_at_one_place(capsys):
    told = {"a\nb": ["c\x9b2J\u202e"], "n": 1.5}
    emit(told, as_json=False, text=lambda found: str(found["a b"][0]))
    assert capsys.readouterr().out == "c\\x9b2J\\u202e\n"
    emit(told, as_json=False, text="two\nlines\x1b[2J")
    assert capsys.readouterr().out == "two\nlines\\x1b[2J\n"
    emit(told, as_json=True, text="")
    line = capsys.readouterr().out
    assert json.loads(line) == told
    assert line.isascii()
    say("one\nline\x07")
    assert capsys.readouterr().err == "one line\\x07\n"
