"""The doctor names what a server gets wrong, and nothing else."""

import json
import socket

import pytest
from fake_defects import DEFECTS, DefectServer

import gradatim
from gradatim.cli import app
from gradatim.engine.attempt import attempt
from gradatim.engine.doctor_endpoint import vet
from gradatim.errors import ArgumentError, SolverError
from gradatim.families.read import save
from gradatim.types import Problem, Request


def asked(*defects, mode="chat", **options):
    """What the doctor says of a server with these defects: by probe, and the whole."""
    with DefectServer(*defects) as server:
        report = gradatim.doctor(f"openai:m@{server.root}", mode=mode, **options)
    assert report["requests"] == len(server.bodies) + 1  # and the list of models
    return {probe["name"]: probe for probe in report["probes"]}, report


def missing(probes):
    return {name for name, probe in probes.items() if probe["honoured"] is False}


def harmful(probes):
    return {name for name, probe in probes.items() if probe["harm"]}


@pytest.mark.parametrize("mode", ["chat", "completions"])
def test_a_server_that_honours_all(mode):
    probes, report = asked(mode=mode, logprobs=True, seed=3, stop="Q:")
    assert {probe["honoured"] for probe in probes.values()} == {True}
    assert report["ok"]
    assert report["reached"]
    assert not report["warnings"]
    only = {"chat": "system", "completions": "echo"}
    assert only[mode] in probes
    assert set(only.values()) - {only[mode]} - set(probes)
    assert report["requests"] <= 21
    assert report["tokens"] < 500
    json.dumps(report)


SERVERS = {
    "like transformers serve": (
        ("one", "null", "greedy"),
        {"n", "logprobs", "temperature"},
        {"temperature"},
    ),
    "a miscounting proxy": (
        ("counts one", "copies", "seedless", "deaf"),
        {"usage", "n", "seed", "system"},
        {"n"},
    ),
    "a loose one": (
        ("runs on", "hides", "unnamed", "no system", "chat only"),
        {"stop", "finish_reason", "model", "system", "completions"},
        set(),
    ),
}


@pytest.mark.parametrize("name", SERVERS)
def test_several_defects_of_one_server_are_all_named(name):
    defects, wrong, harm = SERVERS[name]
    probes, _ = asked(*defects)
    assert missing(probes) == wrong
    assert harmful(probes) == harm


# what a defect of the others is named as, and whether a run with default settings would be wrong
NAMED = {
    "warm": ("greedy", False),
    "frozen": (None, True),
    "constant": ("seed", False),
    "positive": ("logprobs", False),
    "endless": ("max_tokens", True),
    "counts none": ("usage", False),
    "miscounts": ("usage", False),
    "no echo": ("echo", False),
    "completions only": ("chat", False),
    "crowded": ("parallel", False),
}


@pytest.mark.parametrize("defect", NAMED)
def test_a_defect_is_named_and_nothing_else(defect):
    mode = "completions" if defect in ("no echo", "completions only") else "chat"
    probes, report = asked(defect, mode=mode)
    name, harm = NAMED[defect]
    assert missing(probes) == ({name} if name else set())
    assert report["ok"] is not harm
    assert bool(harmful(probes)) is harm
    for found in missing(probes) | harmful(probes):
        assert probes[found]["means"], "what does it mean for a run?"


def test_every_defect_is_tried():
    assert set(DEFECTS) == set(NAMED).union(*(defects for defects, *_ in SERVERS.values()))


@pytest.mark.parametrize(
    ("defect", "options", "probe"),
    [
        ("null", {"logprobs": True}, "logprobs"),
        ("positive", {"logprobs": True}, "logprobs"),
        ("runs on", {"stop": "\n"}, "stop"),
        ("constant", {"seed": 1}, "seed"),
        ("deaf", {"system": "Be brief."}, "system"),
        ("no system", {"system": "Be brief."}, "system"),
    ],
)
def test_what_a_run_asks_for_and_does_not_get_is_harm(defect, options, probe):
    probes, report = asked(defect, **options)
    assert harmful(probes) == {probe}
    assert probe in report["warnings"][0]


@pytest.mark.parametrize(
    ("defect", "options"),
    [("greedy", {"temperature": 0}), ("frozen", {"seed": 1}), ("copies", {"choices": 1})],
)
def test_what_a_run_does_not_ask_for_is_none(defect, options):
    assert asked(defect, **options)[1]["ok"]


def test_the_url_and_the_mode_are_found_out():
    with DefectServer("completions only", path="") as server:
        report = gradatim.doctor(f"openai:m@{server.root}")
    [probe] = report["probes"]
    assert (report["reached"], report["ok"]) == (False, False)
    assert "--set mode=completions" in probe["means"]
    assert report["url"] == f"{server.root}/chat/completions"


def test_an_unknown_model_is_answered_with_the_names_there_are():
    with DefectServer(model="real") as server:
        report = gradatim.doctor(f"openai:m@{server.root}")
    assert not report["reached"]
    assert report["warnings"][0].endswith("no model of that name: it lists real")


def test_a_server_that_dies_is_left_alone():
    with DefectServer(dies_after=3) as server:
        report = gradatim.doctor(f"openai:m@{server.root}")
    assert (report["reached"], report["ok"]) == (False, False)
    assert report["probes"][-1]["name"] == "answers"
    assert "start it again" in report["warnings"][-1]
    assert len(server.bodies) < 15


def test_the_key_is_sent_and_not_shown(monkeypatch):
    with DefectServer(key="sk-secret") as server:
        monkeypatch.setenv("MY_KEY", "sk-secret")
        right = gradatim.doctor(f"openai:m@{server.root}", key="MY_KEY")
        monkeypatch.setenv("MY_KEY", "sk-other")
        wrong = gradatim.doctor(f"openai:m@{server.root}", key="MY_KEY")
    assert right["ok"]
    assert not wrong["reached"]
    assert "environment variable MY_KEY" in wrong["warnings"][0]
    assert "sk-" not in json.dumps([right, wrong])


@pytest.mark.parametrize("path", ["openai:m", "openai:m@localhost", "openai:"])
def test_bad_targets_and_options(path):
    with pytest.raises(ArgumentError, match="openai:MODEL@http"):
        gradatim.doctor(path)
    with pytest.raises(ArgumentError, match="did you mean 'temperature'"):
        gradatim.doctor("openai:m@http://h", temperatur=1)
    with pytest.raises(ArgumentError, match=r"\(options are its\); got runs"):
        gradatim.doctor("runs", temperature=1)


def test_the_verb(capsys):
    with DefectServer("one", "null", "greedy") as server:
        spec = f"openai:m@{server.root}"
        assert app.run(["doctor", spec]) == 1
        text = capsys.readouterr().out
        assert "ignored: asked one by one" in text
        assert "warning: temperature: one text" in text
        assert app.run(["doctor", spec, "--set", "temperature=0", "--json"]) == 0
        line = capsys.readouterr().out
        assert line.count("\n") == 1
        assert json.loads(line)["ok"] is True
        assert app.run(["doctor", spec, "--set", "temperature=0"]) == 0
        assert "gets what it asks for" in capsys.readouterr().out


def test_the_verb_where_nobody_answers(capsys):
    with socket.socket() as taken:  # bound, so that nobody else answers there; not listening
        taken.bind(("127.0.0.1", 0))
        assert app.run(["doctor", f"openai:m@http://127.0.0.1:{taken.getsockname()[1]}"]) == 3
    assert "start the server, or check host and port" in capsys.readouterr().out


class SeededCopies(DefectServer):
    """The choices of a request are equal where it has a seed, and only there."""

    def _words(self, body, i):
        return super()._words(body, i if body.get("seed") is None else 0)


def test_choices_are_asked_for_with_a_seed_where_the_run_has_one():
    with SeededCopies() as server:
        assert gradatim.doctor(f"openai:m@{server.root}")["ok"]
        found = gradatim.doctor(f"openai:m@{server.root}", seed=1)
    assert [probe["name"] for probe in found["probes"] if probe["harm"]] == ["n"]


# -- before a run -----------------------------------------------------------------------------


def vetted(server, *, problems=8, samples=4, **options):
    """What vetting a run of this size took."""
    listed = [Problem(id=str(i), prompt="2+2", answer="4") for i in range(problems)]
    requests = [Request(p, 0, samples) for p in listed]
    return vet(f"openai:m@{server.root}", options, requests)


@pytest.mark.parametrize(
    ("defect", "options", "why"),
    [
        ("greedy", {}, "temperature: .* gave one text: temperature is ignored"),
        ("frozen", {}, r"give one \(--set seed=1\)"),
        ("constant", {"seed": 5}, "leave seed out"),
        ("null", {"logprobs": True}, "logprobs gave null: no log-probabilities"),
        ("runs on", {"stop": "Q:"}, "the reply goes on after it"),
        ("copies", {}, "n=4 at temperature=1.5 gave 4 equal choices"),
        ("deaf", {"system": "Be brief."}, "a system message .* dropped"),
        ("no system", {"system": "Be brief."}, r"refused: put it into the prompt"),
        ("endless", {"max_tokens": 8, "max_tokens_total": 10**6}, "costs have no bound"),
        ("endless", {"max_tokens": 8, "max_cost": 9, "price_out": 1}, "costs have no bound"),
    ],
)
def test_a_run_that_needs_what_a_server_lacks_stops_before_it_pays(defect, options, why):
    with DefectServer(defect) as server:
        with pytest.raises(SolverError, match=rf"nothing was attempted. .*{why}"):
            vetted(server, **options)
        assert len(server.bodies) <= 12
        vetted(server, **options, probe=False)
        vetted(server, problems=3, **options)  # so few are not worth asking first
        assert len(server.bodies) <= 12


@pytest.mark.parametrize(
    ("defect", "options", "most"),
    [
        ((), {}, 4),
        ((), {"seed": 1}, 4),
        (("copies",), {"choices": 1}, 3),
        (("copies", "endless", "deaf"), {"temperature": 0}, 0),
        ((), {"system": "Be brief."}, 5),
        ((), {"mode": "completions", "system": ""}, 4),
        (("greedy", "null"), {"temperature": 0}, 0),
        (("greedy",), {"samples": 1}, 0),
        (("greedy", "completions only"), {}, 2),  # the run says what is wrong
        (("null", "runs on"), {}, 4),
        ((), {"logprobs": True, "stop": ["Q:"]}, 6),
    ],
)
def test_a_run_that_gets_what_it_needs_goes_on(defect, options, most):
    with DefectServer(*defect) as server:
        samples = options.pop("samples", 4)
        problems = 32 if samples == 1 else 8
        took = vetted(server, samples=samples, problems=problems, **options)
    assert len(server.bodies) == took["requests"] == most


def test_what_vetting_costs_is_taken_off_the_budgets(tmp_path):
    listed = [Problem(id=str(i), prompt="2+2", answer="4", verifier="number") for i in range(40)]
    with DefectServer() as server:
        told = attempt(
            listed,
            solver=f"openai:m@{server.url}",
            samples=2,
            run=tmp_path,
            choices=1,
            max_requests=30,
            max_cost=1.0,
            price_out=1.0,
            seed=1,
        )
    assert told["made"] == 26  # and four probes
    assert told["spent"]["requests"] == 30
    assert told["spent"]["cost"] > 26 * 100 / 1e6  # a hundred words each, and the probes'
    assert len(server.bodies) == 30


@pytest.mark.parametrize("budget", [{"max_requests": 3}, {"max_tokens_total": 900}])
def test_a_budget_that_asking_could_use_up_is_left_to_the_run(budget, tmp_path):
    listed = [Problem(id=str(i), prompt="2+2", answer="4", verifier="number") for i in range(40)]
    options = {"samples": 2, "max_tokens": 100, "choices": 1, **budget}
    with DefectServer() as server:
        told = attempt(listed, solver=f"openai:m@{server.url}", run=tmp_path, **options)
    assert told["made"] == len(server.bodies) == told["spent"]["requests"] >= 3


def test_attempt_stops_before_it_pays_and_goes_on_when_told(tmp_path, capsys):
    listed = [Problem(id=str(i), prompt="2+2", answer="4", verifier="number") for i in range(5)]
    save(tmp_path / "p.jsonl", listed)
    with DefectServer("greedy") as server:
        line = ["attempt", str(tmp_path / "p.jsonl"), "-s", f"openai:m@{server.url}", "-k", "4"]
        line += ["-r", str(tmp_path / "run"), "-q"]
        assert app.run(line) == 3
        assert "pass rates would be those of one answer" in capsys.readouterr().err
        assert len(server.bodies) <= 12
        assert app.run([*line, "--set", "probe=false", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["made"] == 20
        before = len(server.bodies)
        assert app.run([*line, "--set", "max_requests=5"]) == 0  # complete: nobody is asked
        assert len(server.bodies) == before
