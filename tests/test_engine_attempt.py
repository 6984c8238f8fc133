import json
import os
import signal
import subprocess
import sys
import time

import pytest
from fake_server import FakeServer
from hypothesis import given
from hypothesis import strategies as st

from gradatim.cli.app import run as command
from gradatim.engine import attempt as engine
from gradatim.engine.attempt import attempt, regrade
from gradatim.errors import ArgumentError, FormatError, SolverError, StoreError
from gradatim.families.generation import generate
from gradatim.families.read import save
from gradatim.solvers.function import from_function
from gradatim.solvers.registry import open_solver
from gradatim.store.rows import rows_of
from gradatim.store.run import Run
from gradatim.types import STATUSES, Problem, Reply, Request, Solver


def problems(n, answer="42"):
    return [
        Problem(
            id=f"p{i}", prompt=f"question {i}", answer=answer, verifier="exact", level=1 + i % 10
        )
        for i in range(n)
    ]


def stored(run):
    with Run(run).ledger() as ledger:
        return {(r.problem, r.setting, r.sample): r for r in ledger.attempts()}


def outcome(summary):
    return {k: summary[k] for k in ("requested", "reused", "made", "left")}


# -- counting ---------------------------------------------------------------------------------


def test_six_thousand_attempts_and_a_repeat_that_makes_none(tmp_path):
    listed = problems(300)
    first = attempt(listed, solver="sim:2pl", samples=20, run=tmp_path)
    again = attempt(listed, solver="sim:2pl", samples=20, run=tmp_path)
    assert outcome(first) == {"requested": 6000, "reused": 0, "made": 6000, "left": 0}
    assert outcome(again) == {"requested": 6000, "reused": 6000, "made": 0, "left": 0}
    assert again["reasons"] == first["reasons"]
    assert sum(first["reasons"].values()) == first["finished"] == 6000
    # level 1 is solved most of the time and level 10 rarely, half in the middle
    assert 0.4 < first["reasons"]["correct"] / 6000 < 0.6


def test_more_samples_pay_only_for_what_is_new(tmp_path):
    attempt(problems(5), solver="sim:2pl", samples=3, run=tmp_path)
    more = attempt(problems(7), solver="sim:2pl", samples=4, run=tmp_path)
    # 7 * 4 asked, 5 * 3 there
    assert outcome(more) == {"requested": 28, "reused": 15, "made": 13, "left": 0}


def test_other_settings_and_other_prompts_are_other_attempts(tmp_path):
    attempt(problems(5), solver="sim:2pl", samples=2, run=tmp_path)
    able = attempt(problems(5), solver="sim:2pl", samples=2, run=tmp_path, ability=3.0)
    assert outcome(able)["made"] == 10
    solver = open_solver("sim:2pl")
    loud = Solver(
        name=solver.name,
        answer=solver.answer,
        params=solver.params,
        prompt=lambda problem: problem.prompt.upper(),
    )
    assert attempt(problems(5), solver=loud, samples=2, run=tmp_path)["reused"] == 0


def test_a_budget_is_kept_and_the_rest_is_left(tmp_path):
    cut = attempt(problems(5), solver="sim:2pl", samples=4, run=tmp_path, budget=7)
    assert outcome(cut) == {"requested": 20, "reused": 0, "made": 7, "left": 13}
    assert sum(cut[s] for s in STATUSES) + cut["left"] == 20
    none = attempt(problems(5), solver="sim:2pl", samples=4, run=tmp_path, budget=0)
    assert outcome(none) == {"requested": 20, "reused": 7, "made": 0, "left": 13}
    rest = attempt(problems(5), solver="sim:2pl", samples=4, run=tmp_path)
    assert outcome(rest) == {"requested": 20, "reused": 7, "made": 13, "left": 0}


def test_a_problem_listed_twice_is_asked_once(tmp_path):
    twice = attempt([*problems(3), *problems(3)], solver="sim:2pl", samples=2, run=tmp_path)
    assert twice["requested"] == 6


def spotty(problem, sample):
    if problem.id == "p0" and sample == 1:
        raise RuntimeError("the line broke")
    return "42" if sample else None


def test_every_outcome_is_counted_once(tmp_path):
    counted = attempt(
        problems(4), solver=from_function(spotty, name="spotty"), samples=3, run=tmp_path
    )
    assert {k: counted[k] for k in STATUSES} == {
        "finished": 11,
        "truncated": 0,
        "timeout": 0,
        "provider_error": 1,
    }
    # sample 0 of each of 4 problems says nothing; of the 8 others one broke
    assert counted["reasons"] == {"correct": 7, "unparsed": 4}
    assert counted["faults"] == {"RuntimeError: the line broke": 1}
    broken = [r for r in stored(tmp_path).values() if r.status == "provider_error"]
    assert [(r.problem, r.sample, r.detail) for r in broken] == [
        ("p0", 1, "RuntimeError: the line broke")
    ]


def test_failures_are_replaced_when_asked_and_stay_in_the_ledger(tmp_path):
    solver = from_function(spotty, name="spotty")
    attempt(problems(4), solver=solver, samples=3, run=tmp_path)
    kept = attempt(problems(4), solver=solver, samples=3, run=tmp_path)
    assert (kept["made"], kept["provider_error"]) == (0, 1)
    for _ in range(2):
        again = attempt(
            problems(4), solver=solver, samples=3, run=tmp_path, retry=["provider_error"]
        )
        assert (again["requested"], again["finished"], again["provider_error"]) == (12, 12, 0)
    assert again["made"] == 0
    assert len(stored(tmp_path)) == 13


def test_stored_replies_without_a_grade_are_graded_without_asking(tmp_path):
    listed = problems(3)
    solver = from_function(spotty, name="spotty")
    run = Run(tmp_path)
    replies = [Reply(Request(p, 0, 1), 0, "42", "finished") for p in listed]
    with run.ledger(write=True) as ledger:
        ledger.append(rows_of(solver, replies))  # a run that died before it graded
    done = attempt(listed, solver=solver, samples=1, run=run)
    assert (done["reused"], done["made"], done["reasons"]) == (3, 0, {"correct": 3})


def test_a_new_version_of_a_verifier_grades_anew(tmp_path):
    listed = problems(3)
    attempt(listed, solver="sim:2pl", samples=2, run=tmp_path)
    newer = {
        p.id: Problem(id=p.id, prompt=p.prompt, answer="other", verifier="exact", version="2")
        for p in listed
    }
    with Run(tmp_path).ledger(write=True) as ledger:
        assert regrade(ledger, newer) == 6
        assert regrade(ledger, newer) == 0
        assert {r.verifier for r in ledger.attempts()} == {"exact@2"}
        assert not any(r.solved for r in ledger.attempts())


# -- interrupts, failures ---------------------------------------------------------------------


def test_a_solver_that_answers_twice_is_stopped(tmp_path):
    def answer(requests):
        for request in requests:
            yield [Reply(request, 0, "42", "finished")]

    eager = Solver(name="eager", answer=lambda requests: answer([*requests, requests[0]]))
    with pytest.raises(SolverError, match="twice"):
        attempt(problems(3), solver=eager, run=tmp_path)
    assert len(stored(tmp_path)) == 3


def breaking(after, error):
    """A simulated learner that fails after some batches, in its own frame."""
    solver = open_solver("sim:2pl")

    def answer(requests):
        for i, replies in enumerate(solver.answer(requests)):
            if i == after:
                raise error
            yield replies

    return Solver(name=solver.name, answer=answer, params=solver.params)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SolverError("gone"), StoreError("full")])
@pytest.mark.parametrize("after", [0, 1, 3])
def test_what_was_answered_before_a_failure_is_kept(tmp_path, error, after, monkeypatch):
    monkeypatch.setattr("gradatim.solvers.simulated.BATCH", 8)
    listed = problems(10)
    with pytest.raises(type(error)):
        attempt(listed, solver=breaking(after, error), samples=5, run=tmp_path / "a")
    done = attempt(listed, solver="sim:2pl", samples=5, run=tmp_path / "a")
    assert outcome(done) == {
        "requested": 50,
        "reused": 8 * after,
        "made": 50 - 8 * after,
        "left": 0,
    }
    attempt(listed, solver="sim:2pl", samples=5, run=tmp_path / "b")
    a, b = stored(tmp_path / "a"), stored(tmp_path / "b")
    assert a.keys() == b.keys()
    assert all(a[k].text == b[k].text and a[k].reason == b[k].reason for k in b)


def test_an_interrupt_outside_the_solver_keeps_what_is_in_flight(tmp_path):
    with FakeServer(delay=0.05) as server:
        listed = problems(60)

        interrupts = [KeyboardInterrupt]

        def interrupt(tick):
            if tick.stage == "attempt" and server.given > 4 and interrupts:
                raise interrupts.pop()

        spec = f"openai:m@{server.url}"
        with pytest.raises(KeyboardInterrupt):
            attempt(listed, solver=spec, run=tmp_path, progress=interrupt, in_flight=4)
        assert len(stored(tmp_path)) == server.given < 40
        rest = attempt(listed, solver=spec, run=tmp_path)
        assert (rest["reused"] + rest["made"], server.given) == (60, 60)


SCRIPT = """
import sys
from gradatim.engine.attempt import attempt
told = {"solver": sys.argv[2], "run": sys.argv[3], "probe": False}  # its server has one answer
attempt(sys.argv[1], samples=4, in_flight=2, choices=2, **told)
"""


def test_a_killed_run_resumes_and_pays_for_nothing_twice(tmp_path):
    save(tmp_path / "p.jsonl", problems(40))
    with FakeServer(delay=0.02) as server:
        spec = f"openai:m@{server.url}"
        args = [sys.executable, "-c", SCRIPT, str(tmp_path / "p.jsonl"), spec, str(tmp_path / "r")]
        for _ in range(3):
            process = subprocess.Popen(args)
            target = server.given + 20
            while server.given < target and process.poll() is None:
                time.sleep(0.005)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        while server.busy:  # it still answers the dead
            time.sleep(0.01)
        before = len(stored(tmp_path / "r"))
        paid = server.given
        done = attempt(
            tmp_path / "p.jsonl", solver=spec, samples=4, run=tmp_path / "r", probe=False
        )
    assert done["reused"] == before >= 40
    assert server.given - paid == done["made"] == 160 - before
    # a kill costs at most the requests in flight, 2 of 2 answers each
    assert paid - before <= 3 * 2 * 2
    assert len(stored(tmp_path / "r")) == 160
    with Run(tmp_path / "r").ledger() as ledger:
        assert ledger.integrity_check() == "ok"


# -- plans ------------------------------------------------------------------------------------

ROWS = st.lists(st.tuples(st.integers(0, 12), st.sampled_from(STATUSES)), unique_by=lambda r: r[0])


@given(ROWS, st.integers(1, 8), st.sets(st.sampled_from(STATUSES[1:])))
def test_a_plan_asks_for_exactly_what_is_missing(rows, samples, retry):
    problem = problems(1)[0]
    mine = [engine._Row(sample, status, None) for sample, status in rows]
    kept, requests = engine._plan({"p0": mine}, {"p0": problem}, samples, list(retry))
    asked = [s for r in requests for s in range(r.first, r.first + r.n)]
    assert len(kept) + len(asked) == samples
    assert not {s for s, _ in rows} & set(asked)
    assert len(set(asked)) == len(asked)
    assert not any(row.status in retry for row in kept)
    if not retry:
        assert {row.sample for row in kept} | set(asked) == set(range(samples))


@given(st.lists(st.integers(1, 30), max_size=12), st.integers(0, 200), st.integers(1, 20))
def test_chunks_hold_every_sample_once_up_to_the_most(sizes, most, width):
    requests = [Request(problem, 0, n) for problem, n in zip(problems(12), sizes, strict=False)]
    everything = [(r.problem.id, s) for r in requests for s in range(r.n)]
    original, engine.CHUNK = engine.CHUNK, width
    try:
        chunks = list(engine._chunks(requests, most))
    finally:
        engine.CHUNK = original
    cut = [[(r.problem.id, s) for r in c for s in range(r.first, r.first + r.n)] for c in chunks]
    assert [pair for chunk in cut for pair in chunk] == everything[:most]
    assert all(0 < len(chunk) <= width for chunk in cut)


# -- bad input --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"problems": []}, "at least one problem"),
        ({"samples": 0}, "samples"),
        ({"budget": -1}, "budget"),
        ({"retry": ["finished"]}, "provider_error"),
        ({"solver": "simm:2pl"}, "did you mean 'sim'"),
        ({"solver": "sim:3pl"}, "2pl"),
        ({"abilty": 1}, "did you mean 'ability'"),
    ],
)
def test_bad_arguments_name_themselves(tmp_path, change, says):
    given_ = {"problems": problems(1), "solver": "sim:2pl", "samples": 1} | change
    with pytest.raises(ArgumentError, match=says):
        attempt(given_.pop("problems"), run=tmp_path, **given_)


def test_an_unknown_verifier_is_met_before_anything_is_paid(tmp_path):
    asked = []
    solver = from_function(lambda prompt: asked.append(prompt), name="spy")
    odd = [Problem(id="x", prompt="a", answer="b", verifier="nubmer")]
    with pytest.raises(ArgumentError, match="nubmer"):
        attempt(odd, solver=solver, run=tmp_path)
    assert not asked


def test_the_command_prints_one_line_of_json(tmp_path, capsys):
    save(tmp_path / "p.jsonl", problems(3))
    args = ["attempt", str(tmp_path / "p.jsonl"), "--solver", "sim:2pl", "--samples", "4"]
    assert command([*args, "--run", str(tmp_path / "r"), "--set", "ability=1", "--json"]) == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert json.loads(out)["made"] == 12


@pytest.mark.parametrize(
    ("file", "solver", "code", "says"),
    [
        ("p.jsonl", "nobody", 2, "must be one of tiny"),
        ("bad.jsonl", "sim:2pl", 2, "bad.jsonl:2"),
        ("none.jsonl", "sim:2pl", 2, "nothing of that name"),
        ("p.jsonl", "openai:m@http://127.0.0.1:9", 3, "the same command resumes"),
    ],
)
def test_mistakes_are_one_line_and_an_exit_code(tmp_path, capsys, file, solver, code, says):
    save(tmp_path / "p.jsonl", problems(2))
    (tmp_path / "bad.jsonl").write_text((tmp_path / "p.jsonl").read_text().split("\n")[0] + "\n{")
    args = ["attempt", str(tmp_path / file), "-s", solver, "-r", str(tmp_path / "r"), "-q"]
    if solver.startswith("openai"):
        args += ["--set", "retries=0"]
    assert command(args) == code
    shown = capsys.readouterr()
    assert says in shown.err
    assert (shown.out, shown.err.count("\n")) == ("", 1)


def test_a_mistake_leaves_no_empty_run(tmp_path):
    with pytest.raises(ArgumentError, match="did you mean"):
        attempt(generate("lists", n=1), solver="sims:2pl", run=tmp_path / "run")
    with pytest.raises(FormatError, match="nothing of that name"):
        attempt(tmp_path / "none.jsonl", solver="sim:2pl", run=tmp_path / "run")
    assert not (tmp_path / "run").exists()
