"""`hf:` up to the model itself; with a real one: test_integrations_hf.py."""

import importlib.util
import json

import pytest
import torch

from gradatim.errors import ArgumentError, MissingExtra, SolverError
from gradatim.solvers import registry, transformers_gguf
from gradatim.solvers.registry import open_solver
from gradatim.solvers.transformers import _cut, fingerprint, open_transformers
from gradatim.types import Problem

SUM = Problem(id="s", prompt="2 + 3", answer="5", verifier="exact")


@pytest.fixture
def folder(tmp_path):
    """What a model's folder must hold; no model."""
    made = tmp_path / "small"
    made.mkdir()
    (made / "config.json").write_text('{"model_type": "llama"}')
    (made / "tokenizer.json").write_text("{}")
    (made / "model.safetensors").write_bytes(bytes(64))
    return made


def test_what_is_no_model_says_what_is_missing(folder):
    with pytest.raises(ArgumentError, match=r"hf:DIR or hf:FILE\.gguf"):
        open_transformers(None)
    with pytest.raises(ArgumentError, match="hf download NAME"):
        open_transformers("org/model")
    for name, says in (
        ("model.safetensors", "lacks weights"),
        ("tokenizer.json", "lacks a tokenizer"),
        ("config.json", "lacks a model's folder"),
    ):
        (folder / name).unlink()
        with pytest.raises(ArgumentError, match=says):
            open_transformers(str(folder))
    with pytest.raises(ArgumentError, match="it holds nothing"):
        open_transformers(str(folder))


def test_a_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "m.gguf").write_bytes(b"PK\x03\x04" + bytes(100))
    with pytest.raises(ArgumentError, match="not a GGUF file"):
        open_transformers(str(tmp_path / "m.gguf"))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"max_tokns": 1}, "did you mean 'max_tokens'"),
        ({"body": {}}, "no 'body'"),
        ({"device": "tpu"}, "`device` must be one of auto, cpu, cuda, mps"),
        ({"dtype": "int8"}, "`dtype` must be one of"),
        ({"rows": 0}, "rows"),
        ({"rows": 1.5}, "whole number"),
        ({"top_p": 0}, "top_p"),
        ({"top_p": 1.5}, "top_p"),
        ({"temperature": -1}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"mode": "chat"}, "no chat template; use mode=completions"),
        ({"mode": "talk"}, "mode"),
    ],
)
def test_bad_options_name_themselves(folder, options, says):
    with pytest.raises(ArgumentError, match=says):
        open_transformers(str(folder), **options)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one")
def test_a_device_that_is_not_there(folder):
    with pytest.raises(ArgumentError, match="torch sees none here; use device=cpu"):
        open_transformers(str(folder), device="cuda:0")


def test_name_policy_and_params(folder):
    solver = open_transformers(str(folder), stop="\n", temperature=0)
    assert solver.name == "hf:small"
    assert solver.params == {
        "mode": "completions",
        "template": "{prompt}",
        "stop": "\n",
        "max_tokens": 512,
        "temperature": 0,
        "seed": 0,
        "dtype": "float32" if not torch.cuda.is_available() else "bfloat16",
    }
    assert solver.prompt(SUM) == "2 + 3"
    assert solver.policy == fingerprint(folder)
    solver.close()
    solver.close()


def test_the_mode_follows_the_template(folder):
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": "{{ x }}"}))
    solver = open_transformers(str(folder), system="Be brief.")
    assert solver.params["mode"] == "chat"
    assert json.loads(solver.prompt(SUM))[0] == {"role": "system", "content": "Be brief."}
    (folder / "tokenizer_config.json").unlink()
    (folder / "chat_template.jinja").write_text("{{ x }}")
    assert open_transformers(str(folder)).params["mode"] == "chat"


def test_the_policy_is_what_changes_answers(folder):
    before = fingerprint(folder)
    (folder / "README.md").write_text("words")
    assert fingerprint(folder) == before
    seen = {before}
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        path = folder / name
        path.write_bytes(path.read_bytes() + b" ")
        seen.add(fingerprint(folder))
    assert len(seen) == 4


def test_checkpoints_that_differ_in_the_middle_are_told_apart(folder, monkeypatch):
    monkeypatch.setattr("gradatim.solvers.model_files.WHOLE", 1 << 20)
    weights = bytearray(3 << 20)
    prints = set()
    for change in (None, 0, (1 << 20) + 4000, (3 << 20) - (1 << 18)):
        if change is not None:
            weights[change] ^= 1
        (folder / "model.safetensors").write_bytes(weights)
        prints.add(fingerprint(folder))
    assert len(prints) == 4


def test_a_stop_cuts():
    assert _cut("5\nQ: 6", ["\n", "Q:"]) == "5"
    assert _cut("5", ["\n"]) is None
    assert _cut("5", []) is None


def test_without_the_extra_the_install_line_is_said(folder, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "transformers" else find(name)
    )
    with pytest.raises(MissingExtra, match=r'transformers.*pip install "gradatim\[hf\]"'):
        open_solver(f"hf:{folder}")
    row = next(r for r in registry.list_solvers() if r["name"] == "hf")
    assert row["installed"] is False


@pytest.mark.parametrize("absent", ["transformers", "gguf"])
def test_converting_needs_both_packages(tmp_path, monkeypatch, absent):
    path = tmp_path / "m.gguf"
    path.write_bytes(b"GGUF" + bytes(100))
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == absent else object()
    )
    with pytest.raises(MissingExtra, match=rf'{absent}.*"gradatim\[hf\]"'):
        transformers_gguf.converted(path, tmp_path / "cache")


def test_a_conversion_is_kept_whole_or_not_at_all(tmp_path, monkeypatch):
    path, cache = tmp_path / "m.gguf", tmp_path / "cache"
    path.write_bytes(b"GGUF" + bytes(100))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    calls = []

    def fail(source, folder):
        calls.append("fail")
        (folder / "config.json").write_text("{}")
        raise RuntimeError("architecture zebra is not known\nmore")

    monkeypatch.setattr(transformers_gguf, "_convert", fail)
    with pytest.raises(SolverError, match=r"cannot convert .*zebra is not known; gguf:.*serves it"):
        transformers_gguf.converted(path, cache)
    assert list(cache.iterdir()) == []

    def work(source, folder):
        calls.append("work")
        (folder / "config.json").write_text("{}")

    monkeypatch.setattr(transformers_gguf, "_convert", work)
    first = transformers_gguf.converted(path, cache)
    assert transformers_gguf.converted(path, cache) == first
    assert calls == ["fail", "work"]
    assert [p.name for p in cache.iterdir()] == [first.name]
    assert first.name.startswith("m-")
    assert (first / "config.json").is_file()
    path.write_bytes(b"GGUF" + bytes(101))  # another file of the same name is another folder
    assert transformers_gguf.converted(path, cache) != first


def test_a_cache_that_cannot_be_written_says_so(tmp_path, monkeypatch):
    path = tmp_path / "m.gguf"
    path.write_bytes(b"GGUF" + bytes(100))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    (tmp_path / "file").write_text("")
    with pytest.raises(SolverError, match="option `cache`"):
        transformers_gguf.converted(path, tmp_path / "file")


def test_the_cache_is_the_users(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert transformers_gguf.cache_folder() == tmp_path / "gradatim"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert transformers_gguf.cache_folder().parts[-2:] == (".cache", "gradatim")
