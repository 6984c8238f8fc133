"""Plans are judged by rules: every legal way to the goal is right, the first slip is named."""

import itertools

import pytest

from gradatim.checkers.plans import check, parse_moves, replay
from gradatim.checkers.registry import get
from gradatim.types import Problem

# a corridor of four rooms: 0 - 1 - 2 - 3, and a trap door from 1 to 3
MOVES = {
    "0": {"right": "1"},
    "1": {"left": "0", "right": "2", "fall": "3"},
    "2": {"left": "1", "right": "3"},
    "3": {},
}
META = {"start": "0", "goal": ["3"], "moves": MOVES}


def problem(**more):
    return Problem(id="1", prompt="?", answer="right, fall", verifier="plan", meta=META | more)


def test_every_legal_plan_of_five_moves_and_no_other_passes():
    names = ("left", "right", "fall")
    for length in range(1, 6):
        for plan in itertools.product(names, repeat=length):
            at, slip = "0", None
            for i, move in enumerate(plan):
                if move not in MOVES[at]:
                    slip = i
                    break
                at = MOVES[at][move]
            verdict = check(problem(), ", ".join(plan))
            assert verdict.solved == (slip is None and at == "3")
            if slip is not None:
                assert verdict.answer == f"move {slip + 1} is illegal: {plan[slip]}"


def test_a_shortest_plan_is_asked_for_by_most():
    assert check(problem(most=2), "right, fall").solved
    assert check(problem(most=2), "right, right, right").reason == "wrong"
    assert check(problem(), "right, right, right").solved


@pytest.mark.parametrize(
    "text",
    [
        "right, fall",
        "  right, fall \n",
        r"\boxed{right, fall}",
        "<answer>[Right, Fall]</answer>",
        "The plan is: right, fall.",
        "The answer is right -> fall.",
        "I walk:\n1. right\n2. fall",
        "<answer>\n1. right\n2. fall\n</answer>",
        "**right; fall**",
    ],
)
def test_plans_in_any_dress(text):
    assert get("plan")(problem(), text).solved


@pytest.mark.parametrize(
    "text",
    [None, 5, "", "\x00", "\ud800", "banana", "right" * 200_000, "right,\n" * 150_000, "<think>"],
)
def test_nothing_raises_and_nothing_passes(text):
    assert check(problem(), text).reward == 0


def test_no_move_at_all_is_unparsed_and_a_table_is_needed():
    assert check(problem(), "I cannot see a way.").reason == "unparsed"
    bare = Problem(id="1", prompt="?", answer="x", verifier="plan")
    assert check(bare, "x").reason == "verifier_error"
    assert parse_moves("step 1: up\nstep 2: down") == ["up", "down"]


def test_replay_stops_at_the_first_illegal_move():
    found = replay(3, [-1, -1, -5, 9], lambda at, move: at + move if at + move >= 0 else None)
    assert (found.states, found.illegal) == ([3, 2, 1], 2)
    assert replay(3, [], lambda at, move: None) == ([3], None)
