"""How a run against a server ends: whose fault it is, what is kept, and what is said."""

import asyncio
import json
import socket
import time
from collections import Counter

import pytest
from fake_server import Bad, FakeServer, error

from gradatim.errors import ArgumentError, SolverError
from gradatim.solvers import gate, traffic
from gradatim.solvers.endpoint import open_endpoint
from gradatim.solvers.line import Line
from gradatim.solvers.wire import Answered, read_response
from gradatim.types import Problem, Request


@pytest.fixture(autouse=True)
def _fast(monkeypatch):
    monkeypatch.setattr(gate, "BACKOFF", 0.01)
    monkeypatch.setattr(gate, "BACKOFF_MOST", 0.02)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def ask(server, *, n=1, count=1, url=None, **options):
    """Replies until the end, and the error that ended them, if any."""
    solver = open_endpoint(f"m@{url or server.url}", **options)
    listed = [Problem(id=f"p{i}", prompt=f"question {i}", answer="42") for i in range(count)]
    replies = []
    try:
        for batch in solver.answer([Request(p, 0, n) for p in listed]):
            replies += batch
    except SolverError as failure:
        return replies, str(failure)
    return replies, ""


# -- the server's own faults --------------------------------------------------------------------

SPENT = Bad(429, error("You exceeded your current quota", code="insufficient_quota"))


@pytest.mark.parametrize("bad", [SPENT, Bad(401, error("no")), Bad(403, error("no"))])
def test_an_answer_after_a_fault_of_the_server_makes_it_no_fault_of_a_problem(bad):
    # every second one is refused: an answer follows each refusal
    with FakeServer(lambda body, number: bad if number % 2 else None) as server:
        replies, said = ask(server, count=8, in_flight=1)
    assert {r.status for r in replies} == {"finished"}
    assert len({r.request.problem.id for r in replies}) == len(replies) >= 4
    assert "HTTP 4" in said


def test_what_the_server_refused_for_a_while_is_asked_once_more():
    with FakeServer(lambda body, number: SPENT if number in (1, 2) else None) as server:
        replies, said = ask(server, count=5, in_flight=1)
    assert sorted(r.request.problem.id for r in replies) == [f"p{i}" for i in range(5)]
    assert ({r.status for r in replies}, said) == ({"finished"}, "")
    assert len(server.bodies) == 7


def test_what_is_in_flight_when_the_run_fails_is_kept():
    # four refusals end the run while four answers are on their way
    with FakeServer(lambda body, number: Bad(401, error("no")) if number < 4 else None) as server:
        answered = server._answer

        async def late(request, body, number):
            await asyncio.sleep(0.2 * (number >= 4))
            return await answered(request, body, number)

        server._answer = late
        replies, said = ask(server, count=40, in_flight=8, stop_after=4)
        slow, _ = ask(server, count=1)
    assert "4 times in a row" in said
    assert {r.status for r in replies} == {"finished"}
    assert len(replies) + len(slow) == server.served >= 5
    assert len(server.bodies) < 16


def test_what_hangs_when_the_run_fails_has_drain_seconds():
    hung = Bad(hang=3)
    with FakeServer(lambda body, number: hung if number else Bad(401)) as server:
        began = time.monotonic()
        replies, said = ask(server, count=4, in_flight=2, stop_after=1, drain=0.1)
    assert (replies, time.monotonic() - began < 1.5) == ([], True)
    assert "401" in said


# -- what comes in, and what must not get out ---------------------------------------------------


@pytest.mark.parametrize("said", [2**63, 10**30, 2**53, -1, True, 7.0, "7"])
def test_a_count_that_cannot_be_one_is_unknown(said):
    value = {"choices": [{"message": {"content": "4"}}], "usage": {"completion_tokens": said}}
    got = read_response(200, {}, json.dumps(value).encode(), mode="chat", asked=1)
    assert isinstance(got, Answered)
    assert (got.answer_tokens, got.choices[0].tokens) == (-1, -1)


@pytest.mark.parametrize("given", ["gsk_abcDEF123", "sk-1", "a" * 40])
def test_a_key_that_looks_like_a_name_is_refused_and_not_repeated(given, monkeypatch):
    with pytest.raises(ArgumentError, match="name of the environment variable") as caught:
        Line(key=given)
    assert given not in str(caught.value)
    monkeypatch.setenv("groq_key", "x")
    assert [Line(key=name).key for name in ("groq_key", "GROQ_KEY_2")] == ["groq_key", "GROQ_KEY_2"]


@pytest.mark.parametrize(
    "body",
    [
        {"extra": {"api_key": "k"}},
        {"headers": {"X-Auth": "k"}},
        {"token": "k"},
        {"list": [{"Authorization": "Bearer k"}]},
        {"user": "me", "odd": ["a sk-secret-123 b"]},
    ],
)
def test_a_key_deep_in_the_body_is_refused(body, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-123")
    with pytest.raises(ArgumentError, match="`body` must not carry a key") as caught:
        open_endpoint("m@http://h", body=body)
    assert "secret" not in str(caught.value)


def test_fields_that_only_sound_like_keys_are_sent():
    schema = {"properties": {"password": {"type": "string"}}, "required": ["password"]}
    body = {"max_completion_tokens": 8, "return_token_ids": True, "tools": [{"function": schema}]}
    assert open_endpoint("m@http://h", body=body).params["body"] == body


# -- how much at once, and for how long -----------------------------------------------------------


def test_several_answers_that_take_too_long_are_asked_for_one_by_one():
    late = Bad(hang=3)
    with FakeServer(lambda body, number: late if body.get("n", 1) > 1 else None) as server:
        replies, said = ask(server, n=4, timeout=0.2, in_flight=1)
    assert ([r.status for r in replies], said) == (["finished"] * 4, "")
    assert [r.sample for r in replies] == [0, 1, 2, 3]
    assert [body.get("n", 1) for body in server.bodies] == [4, 1, 1, 1, 1]


def test_one_slow_batch_does_not_make_a_server_single_for_good(monkeypatch):
    monkeypatch.setattr(traffic, "ALONE", 6)
    slow = []

    def once(body, number):  # the first batch hangs, and the second that is tried later
        batch = body.get("n", 1) > 1
        slow.extend([1] * batch)
        return Bad(hang=3) if batch and len(slow) <= 2 else None

    with FakeServer(once) as server:
        replies, said = ask(server, n=4, count=12, timeout=0.2, in_flight=1)
    assert (Counter(r.status for r in replies), said) == ({"finished": 48}, "")
    sizes = [body.get("n", 1) for body in server.bodies]
    # one by one for 6 answers, then for 12, then several at once to the end
    assert sizes == [4, *[1] * 6, 2, *[1] * 12, 2, *[4] * 7]


def test_a_server_that_refuses_n_is_asked_one_by_one_to_the_end():
    no = Bad(400, error("n must be 1"))
    with FakeServer(lambda body, number: no if body.get("n", 1) > 1 else None) as server:
        replies, said = ask(server, n=4, count=12, in_flight=1)
    assert (Counter(r.status for r in replies), said) == ({"finished": 48}, "")
    assert [body.get("n", 1) for body in server.bodies] == [4, *[1] * 48]


def test_a_spent_quota_stops_without_pauses():
    with FakeServer(lambda body, number: SPENT) as server:
        solver = open_endpoint(f"m@{server.url}", in_flight=16)
        problem = Problem(id="p", prompt="question", answer="42")
        with pytest.raises(SolverError, match="the quota is used up"):
            list(solver.answer([Request(problem, 0, 100)]))
    assert solver.report()["seconds_paused"] == 0


def test_nobody_listening_ends_after_stop_after_connections(monkeypatch):
    monkeypatch.setattr(gate, "BACKOFF", 4.0)
    monkeypatch.setattr(gate, "BACKOFF_MOST", 4.0)
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    began = time.monotonic()
    _, said = ask(None, url=url, count=60, in_flight=16, stop_after=8)
    assert time.monotonic() - began < 2
    assert "8 times in a row" in said
    assert "start the server, or check host and port" in said


# -- where it points ------------------------------------------------------------------------------


def test_a_404_that_speaks_of_a_model_is_no_wrong_path():
    with FakeServer(lambda body, number: Bad(404, error("Unable to access model zz"))) as server:
        _, said = ask(server, url=server.url.removesuffix("/v1"), stop_after=1)
    assert "/v1/chat/completions gave no answer" in said
    assert "Unable to access model zz; check the model's name: the spec" in said


def test_a_path_that_is_at_neither_address_names_both_and_what_the_first_said():
    with FakeServer(path="/elsewhere") as server:
        _, said = ask(server, url=server.root, count=3, in_flight=2)
    first, second = f"{server.root}/v1/chat/completions", f"{server.root}/chat/completions"
    assert said.startswith(f"{second} gave no answer")
    assert f"check the model's name and the URL; {first} before it said HTTP 404: '404" in said
    assert said.count("before it said") == 1


def test_a_key_is_hidden_before_a_place_is_cut(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-123")
    place = "https://elsewhere/" + "a" * 172 + "sk-secret-123"
    with FakeServer(lambda body, number: Bad(308, "", {"Location": place})) as server:
        _, said = ask(server, stop_after=1)
    assert "points to: https://elsewhere/" in said
    assert "sk-" not in said
