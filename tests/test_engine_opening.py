"""Every verb that opens an endpoint asks it first, and names its requests by the run."""

import pytest
from fake_defects import DefectServer

import gradatim as gd
from gradatim.engine.feedback import measure_friction
from gradatim.errors import SolverError
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
