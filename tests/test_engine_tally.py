import json

import pytest

from gradatim.cli.attempt import describe
from gradatim.engine.attempt import attempt
from gradatim.engine.sources import open_source
from gradatim.engine.tally import Outcome, Tally, sensitivity, solved_share
from gradatim.solvers.wire import read_response
from gradatim.store.counting import OUTCOMES
from gradatim.types import Problem, Reply, Solver

CELLS = {
    ("finished", "correct"): 40,
    ("finished", "wrong"): 10,
    ("truncated", "correct"): 6,
    ("truncated", "unparsed"): 4,
    ("timeout", None): 20,
    ("provider_error", None): 20,
}


def test_the_share_solved_follows_the_declared_rules():
    # 40 of 50 + 10 + 20; what the provider lost is left out
    assert solved_share(CELLS) == 40 / 80
    assert solved_share({}) is None
    assert solved_share({("finished", "verifier_error"): 3}) is None
    assert solved_share({("finished", "verifier_timeout"): 1, ("finished", "correct"): 1}) == 0.5


def test_each_outcome_without_a_verdict_has_its_range():
    found = sensitivity(CELLS)
    assert found["timeout"] == {
        "n": 20,
        "counts_as": "wrong",
        "wrong": 40 / 80,
        "right": 60 / 80,
        "left_out": 40 / 60,
    }
    assert found["truncated"]["right"] == 50 / 80
    assert found["provider_error"] == {
        "n": 20,
        "counts_as": "left_out",
        "wrong": 40 / 100,
        "right": 60 / 100,
        "left_out": 40 / 80,
    }
    assert sensitivity({("finished", "correct"): 1}) == {}


def test_equal_faults_are_counted_together_and_odd_answers_by_name():
    tally = Tally()
    tally.add([
        Outcome("provider_error", None, "HTTP 500: a bug [request r1]"),
        Outcome("provider_error", None, "HTTP 500: a bug [request r2]"),
        Outcome("timeout", None, ""),
        Outcome("finished", "unparsed", "refusal"),
        Outcome("finished", "correct", ""),
    ])
    summary = tally.summary()
    assert summary["faults"] == {"HTTP 500: a bug": 2, "timeout": 1}
    assert summary["named"] == {"refusal": 1}
    assert summary["reasons"] == {"correct": 1, "unparsed": 1}
    assert summary["solved"] == pytest.approx(1 / 3)
    assert tally.figures() == {"solved": pytest.approx(1 / 3), "timeout": 1, "provider_error": 2}


def test_what_is_named_is_an_answer_without_text_and_not_how_one_was_chosen():
    details = (
        "refusal",
        "difficulty 3, easy; refusal",
        "0.418 of the votes",
        "-1.5 is the best of 8",
        "difficulty 3, easy; 0.418 of the votes",
        "2 parts: 1 + 2 =; 3 + 3 =",
    )
    tally = Tally()
    tally.add(Outcome("finished", "unparsed", detail) for detail in details)
    assert tally.summary()["named"] == {"refusal": 2}


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ({"content": None, "refusal": "no"}, "refusal"),
        ({"content": None, "tool_calls": [{"id": "a"}]}, "tool_calls"),
        ({"content": None, "reasoning_content": "hm"}, "reasoning only"),
        ({"content": None}, "null content"),
    ],
)
def test_every_name_of_a_silence_is_counted(message, name):
    body = json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode()
    (choice,) = read_response(200, {}, body, mode="chat", asked=1).choices
    tally = Tally()
    tally.add([Outcome(choice.status, "unparsed", choice.detail)])
    assert tally.summary()["named"] == {name: 1}


# what each sample of a problem meets: 42 is right, a cut reply may hold it too
MEETS = [
    ("42", "finished"),
    ("41", "finished"),
    ("42, but", "truncated"),
    (None, "timeout"),
    (None, "provider_error"),
]


def uneven():
    def answer(requests):
        for request in requests:
            for sample in range(request.first, request.first + request.n):
                text, status = MEETS[sample]
                yield [Reply(request, sample, text, status)]

    return Solver(name="uneven", answer=answer)


@pytest.fixture
def run(tmp_path):
    listed = [Problem(id=f"p{i}", prompt="6 * 7", answer="42", verifier="number") for i in range(4)]
    return tmp_path, attempt(listed, solver=uneven(), run=tmp_path, samples=5)


def test_responses_enter_a_calibration_by_the_same_rules(run):
    folder, summary = run
    responses = open_source(folder, None).responses
    # one right of four: a wrong one, a cut one and a late one count, a lost one does not
    assert responses.solved.tolist() == [1.0] * 4
    assert responses.tried.tolist() == [4] * 4
    assert summary["solved"] == responses.solved.sum() / responses.tried.sum()
    assert {name: OUTCOMES[name] for name in ("truncated", "timeout", "provider_error")} == {
        name: found["counts_as"] for name, found in summary["sensitivity"].items()
    }


def test_the_command_says_what_time_outs_do(run):
    lines = describe(run[1]).splitlines()
    assert (
        "  timeout: 4, counted as wrong; if all were right, solved would be 0.500; wrong: 0.250; "
        "left out: 0.333"
    ) in lines
    assert (
        "  provider_error: 4, counted as left out; if all were right, solved would be 0.400; "
        "wrong: 0.200; left out: 0.250"
    ) in lines
    assert not [line for line in lines if "requests" in line]
