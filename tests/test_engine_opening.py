"""Every verb that opens an endpoint asks it first, and names its requests by the run."""

import json
import subprocess
import sys
import time

import pytest
from fake_defects import DefectServer
from fake_server import Bad, FakeServer, error

import gradatim as gd
from gradatim.cli import app
from gradatim.engine.feedback import measure_friction
from gradatim.errors import ArgumentError, FormatError, SolverError
from gradatim.families.read import save
from gradatim.solvers.account import Account, Paid
from gradatim.solvers.registry import open_solver
from gradatim.types import Problem

LISTED = [
    Problem(id=f"p{i}", prompt=f"{i}+2", answer="4", verifier="number", level=1 + i % 10)
    for i in range(32)
]
MUTE = {"logprobs": True}  # what the server lacks


def _evaluate(solver, run, **options):
    if not run.exists():
        gd.grade(LISTED[:12], solver="sim:2pl", run=run, samples=4, model="rasch")
    return gd.evaluate(solver, gd.Run(run), **options)


def _aim(solver, run, **options):
    return gd.aim("lists", solver=solver, run=run, attempts=32, near=1.0, n=4, **options)


def _friction(solver, run, **options):
    return measure_friction(LISTED, solver=solver, run=run, rounds=0, **options)


def _grade(solver, run, **options):
    return gd.grade(LISTED, solver=solver, run=run, samples=1, **options)


@pytest.mark.parametrize("verb", [_grade, _evaluate, _aim, _friction])
def test_a_verb_asks_first_and_names_its_requests(verb, tmp_path):
    with DefectServer("null") as server:
        spec = f"openai:m@{server.url}"
        with pytest.raises(SolverError, match=r"was attempted[.] logprobs"):
            verb(spec, tmp_path / "run", **MUTE)
        assert len(server.bodies) == 2
    names = []
    for _ in range(2):  # the process dies before it stores anything, and comes again
        with DefectServer(dies_after=3) as server:
            with pytest.raises(SolverError):
                verb(f"openai:m@{server.url}", tmp_path / "run", retries=0, in_flight=1, **MUTE)
            names.append([h.get("Idempotency-Key") for h in server.headers][2:])
    assert names[0] == names[1] != [None]


# -- inside controllers -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "options", "says"),
    [
        ("best-of-4({})", {}, "logprobs gave null.*--set logprobs=true` says more"),
        ("certain-4({})", {"by": "logp"}, "logprobs gave null"),
        ("vote-2(best-of-4({}))", {}, "logprobs gave null"),
        ("stepwise(best-of-4({}))", {}, "logprobs gave null"),
        ("stepwise({})", {"at_once": 2}, "gave one text: temperature is ignored"),
        ("vote-4({})", {}, "gave one text: temperature is ignored"),
        ("route({}, vote-4(sim:2pl))", {"easy": {"stop": "Q"}}, "the reply goes on after it"),
        ("route(sim:2pl, {})", {"hard": {"system": "Be brief."}}, "a system message .* dropped"),
    ],
)
def test_a_controller_stops_before_it_pays_what_a_server_inside_lacks(
    form, options, says, tmp_path
):
    with DefectServer("null", "greedy", "runs on", "deaf") as server:
        spec = form.format(f"openai:m@{server.url}")
        with pytest.raises(SolverError, match=f"openai:m at .*nothing was attempted. .*{says}"):
            gd.attempt(LISTED, solver=spec, run=tmp_path, samples=2, **options)
        assert len(server.bodies) <= 14
    assert len(gd.Run(tmp_path).ledger()) == 0


def test_a_route_names_each_server_and_what_it_lacks(tmp_path):
    with DefectServer("null") as one, DefectServer("runs on") as other:
        spec = f"route(best-of-4(openai:m@{one.url}), openai:m@{other.url})"
        with pytest.raises(SolverError) as caught:
            gd.attempt(LISTED, solver=spec, run=tmp_path, samples=2, hard={"stop": "Q"})
        first, second = str(caught.value).split("; and ")
        assert one.url in first
        assert "logprobs gave null" in first
        assert other.url in second
        assert "the reply goes on after it" in second


def test_log_probabilities_that_a_controller_needs_are_asked_for_by_the_smallest_run(tmp_path):
    with DefectServer("null") as server:
        with pytest.raises(SolverError, match="logprobs gave null"):
            gd.attempt(LISTED[:1], solver=f"best-of-2(openai:m@{server.url})", run=tmp_path)
        assert len(server.bodies) == 5
        gd.attempt(LISTED[:1], solver=f"openai:m@{server.url}", run=tmp_path, logprobs=True)
        assert len(server.bodies) == 6


def test_a_controller_of_a_server_that_honours_all_is_asked_once(tmp_path):
    with DefectServer() as server:
        spec = f"best-of-4(openai:m@{server.url})"
        told = gd.attempt(LISTED, solver=spec, run=tmp_path, seed=1)
        assert (told["made"], told["finished"]) == (32, 32)
        assert told["spent"]["requests"] == len(server.bodies) == 32 + 5
        assert all(body["logprobs"] for body in server.bodies[5:])
        gd.attempt(LISTED, solver=spec, run=tmp_path, seed=1)
        assert len(server.bodies) == 37


def test_solvers_in_this_process_answer_no_rehearsal(tmp_path, monkeypatch):
    calls = []
    module = type(gd)("counted_calls")
    module.called = lambda prompt: calls.append(prompt) or "4"
    monkeypatch.setitem(sys.modules, "counted_calls", module)
    with DefectServer() as server:
        spec = f"route(python:counted_calls:called, openai:m@{server.url})"
        told = gd.attempt(LISTED, solver=spec, run=tmp_path)
    assert told["made"] == 32
    assert len(calls) == sum(p.level <= 5 for p in LISTED)


@pytest.mark.parametrize(
    ("spec", "options", "says"),
    [
        (
            "best-of-4(openai:m@http://h)",
            {"logprobs": False},
            "ranks replies by them; leave it out",
        ),
        ("best-of-4(sim:2pl)", {}, "sim:2pl gives no log-probability .*openai:MODEL@URL.* do"),
        ("best-of-4(stepwise(openai:m@http://h))", {}, r"stepwise\(.*\) gives no log-probability"),
    ],
)
def test_what_no_server_could_mend_is_refused_at_once(spec, options, says):
    with pytest.raises(ArgumentError, match=says):
        open_solver(spec, **options)


# -- all refused ------------------------------------------------------------------------------


def test_a_run_all_of_whose_attempts_are_refused_ends_and_records_nothing(tmp_path, capsys):
    save(tmp_path / "p.jsonl", LISTED[:5])
    no = Bad(400, error("'temperature' does not support 1.0"))
    with FakeServer(lambda body, number: no, text="4") as server:
        line = ["attempt", str(tmp_path / "p.jsonl"), "-s", f"openai:m@{server.url}", "-q"]
        line += ["-r", str(tmp_path / "run"), "--json"]
        assert app.run(line) == 3
        said = capsys.readouterr().err
        assert "refused all 5 attempts and a plain question too: HTTP 400" in said
        assert "set temperature=null" in said
        assert said.count("\n") == 1
        assert len(gd.Run(tmp_path / "run").ledger()) == 0
        server.behave = lambda body, number: None
        assert app.run(line) == 0
        told = json.loads(capsys.readouterr().out)
    assert (told["made"], told["finished"], told["provider_error"]) == (5, 5, 0)


def test_problems_that_a_sound_server_refuses_are_faults_of_their_own(tmp_path):
    def long(body, number):
        plain = "1 + 1" in str(body["messages"])
        return None if plain else Bad(400, error("maximum context length is 8"))

    with FakeServer(long, text="4") as server:
        told = gd.attempt(LISTED[:5], solver=f"openai:m@{server.url}", run=tmp_path)
        assert (told["made"], told["provider_error"], told["solved"]) == (5, 5, None)
        again = {"solver": f"openai:m@{server.url}", "run": tmp_path}
        server.behave = lambda body, number: None
        told = gd.attempt(LISTED[:5], retry=["provider_error"], **again)
    assert (told["made"], told["finished"], told["provider_error"]) == (5, 5, 0)


# -- budgets of a run -------------------------------------------------------------------------


def test_a_budget_is_the_runs_over_all_its_sessions(tmp_path):
    options = {"run": tmp_path, "probe": False, "choices": 1}
    with FakeServer(text="4") as server:
        options["solver"] = f"openai:m@{server.url}"
        gd.attempt(LISTED[:10], **options)  # without a budget, and counted all the same
        told = gd.attempt(LISTED, max_requests=25, **options)
        assert (told["made"], told["left"]) == (15, 7)
        assert told["spent"]["requests_before"] == 10
        assert told["spent"]["tokens_before"] == 100
        assert told["spent"]["stopped_by"] == "max_requests"
        assert gd.attempt(LISTED, max_requests=25, **options)["made"] == 0
        assert gd.attempt(LISTED, max_tokens_total=280, max_tokens=7, **options)["made"] == 0
        spec = f"vote-2(openai:m@{server.url})"  # of this server, whatever stands around it
        told = gd.attempt(LISTED, max_requests=29, **{**options, "solver": spec})
        assert (told["made"], told["spent"]["requests"]) == (2, 4)
        assert len(server.bodies) == 29
        assert gd.attempt(LISTED, max_requests=40, **options)["made"] == 7
        options["run"] = tmp_path / "another"
        assert gd.attempt(LISTED, max_requests=25, **options)["made"] == 25


SCRIPT = """
import json, sys
from gradatim.engine.attempt import attempt
file, options = sys.argv[1:]
attempt(file, **json.loads(options))
"""


def test_a_budget_outlives_a_kill(tmp_path):
    save(tmp_path / "p.jsonl", LISTED)
    options = {"run": str(tmp_path / "run"), "samples": 4, "probe": False, "choices": 1}
    options |= {"in_flight": 4, "max_requests": 60, "max_tokens_total": 10**5, "max_tokens": 100}
    with FakeServer(text="4", delay=0.02) as server:
        options["solver"] = f"openai:m@{server.url}"
        args = [sys.executable, "-c", SCRIPT, str(tmp_path / "p.jsonl"), json.dumps(options)]
        process = subprocess.Popen(args)
        while len(server.bodies) < 30 and process.poll() is None:
            time.sleep(0.002)
        process.kill()
        assert process.wait() < 0, "it ended before it was killed"
        cut = len(server.bodies)
        told = gd.attempt(tmp_path / "p.jsonl", **options)
        assert 60 - 4 <= len(server.bodies) <= 60  # counted, and cut off before it was sent
    assert 30 <= cut <= told["spent"]["requests_before"] <= cut + 4
    assert told["spent"]["requests_before"] + told["made"] == 60
    assert 60 - 4 <= told["made"] + told["reused"] <= 60
    assert told["spent"]["tokens_before"] >= 10 * cut  # and more for what was in flight
    [file] = (tmp_path / "run" / "spent").iterdir()
    assert int(file.read_text().split()[0]) == 60


def test_a_damaged_account_is_named(tmp_path):
    (tmp_path / "spent.txt").write_text("1 2\n")
    with pytest.raises(FormatError, match=r"spent.txt:1: expected three counts .*delete the file"):
        Account(tmp_path / "spent.txt")


def test_accounts_of_one_file_count_together(tmp_path):
    one, other = Account(tmp_path / "a" / "spent.txt"), Account(tmp_path / "a" / "spent.txt")
    assert list(tmp_path.iterdir()) == []  # a run that asks nobody has none
    one.add(Paid(1, 30, 100))
    other.add(Paid(10**6, 0, 0))
    one.add(Paid(0, -10, -93))
    assert one.paid == other.paid == Paid(10**6 + 1, 20, 7)
    assert one.before == Paid()
    del one, other
    assert Account(tmp_path / "a" / "spent.txt").before == Paid(10**6 + 1, 20, 7)
    counts, names = (tmp_path / "a" / "spent.txt").read_text().splitlines()
    assert counts.split() == ["1000001", "20", "7"]
    assert names == "requests, tokens read, tokens written"
