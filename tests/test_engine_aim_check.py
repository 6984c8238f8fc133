"""Does `aim` hit what it is told to hit: a solver that knobs steer, and one that they do not."""

import json

import numpy as np
import pytest

from gradatim.cli import app
from gradatim.engine.aim_check import check_aim
from gradatim.errors import ArgumentError
from gradatim.rng import Stream
from gradatim.types import Reply, Solver

GIVEN = {"targets": (0.1, 0.25, 0.4, 0.55, 0.7, 0.85), "n": 60, "attempts": 512, "near": 0.25}


def steered(requests):
    """Right the more often the shorter the list or the expression."""

    def reply(request):
        size = sum(v for v in request.problem.knobs.values() if isinstance(v, int))
        chance = 1 / (1 + np.exp((size - 14) / 4))
        lucky = Stream("check", request.problem.id).uniform() < chance
        return Reply(request, request.first, request.problem.answer if lucky else "no", "finished")

    yield [reply(request) for request in requests]


STEERED = Solver(name="steered", answer=steered)


def coins(requests):
    """Right half of the time, whatever is asked."""

    def reply(request):
        lucky = Stream("coin", request.problem.id).uniform() < 0.5
        return Reply(request, request.first, request.problem.answer if lucky else "no", "finished")

    yield [reply(request) for request in requests]


@pytest.mark.slow
def test_s130_realised_difficulty_follows_the_request(tmp_path):
    found = check_aim(["lists", "sat"], solver=STEERED, run=tmp_path, each=16, **GIVEN)
    assert found.steering.slope.value == pytest.approx(1, abs=0.35)
    assert found.steering.slope.low > 0.4
    assert found.steering.drift["effort"].value < 0  # easier problems take less
    assert {row["family"] for row in found.rows} == {"lists", "sat"}
    assert sum(row["problems"] for row in found.rows) == 6 * 60


@pytest.mark.slow
def test_s130_a_solver_that_knobs_do_not_move_is_told_apart(tmp_path):
    """What the search took for steering was luck: fresh attempts do not follow the request."""
    solver = Solver(name="coins", answer=coins)
    found = check_aim(["lists", "sat"], solver=solver, run=tmp_path, each=8, **GIVEN)
    assert found.steering.slope.high < 0.6


def test_s130_requested_and_realised_and_what_else_moved(tmp_path):
    given = {"targets": (0.2, 0.4, 0.6), "n": 8, "attempts": 64, "near": 0.5}
    found = check_aim("lists", solver=STEERED, run=tmp_path, **given)
    assert [row["requested"] for row in found.rows] == [0.2, 0.4, 0.6]
    assert all(0 <= row["realised"] <= 1 and row["problems"] == 8 for row in found.rows)
    assert set(found.steering.drift) == {"prompt length", "answer length", "effort"}
    assert found.made <= 3 * (64 + 8)
    again = check_aim("lists", solver=STEERED, run=tmp_path, **given)
    assert again.made == 0  # resumed, nothing paid for twice
    assert again.rows == found.rows


def test_s130_the_command_shows_what_was_asked_and_what_came(tmp_path, capsys):
    words = ["aim", "lists", "--check", "--targets", ".3,.5,.6", "-n", "6", "--attempts", "32"]
    words += ["-s", "sim:2pl", "-r", str(tmp_path / "r"), "--near", ".6", "-q"]
    assert app.run([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["requested"] for row in found["rows"]] == [0.3, 0.5, 0.6]
    assert all(
        r["interval"]["low"] <= r["realised"] <= r["interval"]["high"] for r in found["rows"]
    )
    assert set(found["steering"]) == {"slope", "bias", "error", "drift"}
    assert app.run(words) == 0  # the same call pays for nothing
    said = capsys.readouterr().out
    assert "slope of got on asked" in said
    assert "0 attempts made" in said


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--targets", ".3,.6"], "`--targets` is for --check"),
        (["--check", "--targets", "half"], "must be pass rates like .2,.5,.8, got 'half'"),
        (["--check", "-o", "p.jsonl"], "leave out -o"),
        (["--check", "--targets", ".5"], "at least two pass rates"),
        (["--check", "--targets", ".3,.5"], "of one family must be three or more"),
    ],
)
def test_mistakes_are_one_line(tmp_path, capsys, more, said):
    assert app.run(["aim", "lists", "-s", "sim:2pl", "-r", str(tmp_path / "r"), *more]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "r").exists()


def test_one_target_is_refused(tmp_path):
    with pytest.raises(ArgumentError, match="at least two pass rates"):
        check_aim("lists", solver="sim:2pl", run=tmp_path, targets=[0.5, 0.5])
