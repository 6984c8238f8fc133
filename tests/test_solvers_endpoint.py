import asyncio
import email.utils
import gc
import json
import os
import socket
import threading
import time

import pytest
from fake_server import Bad, FakeServer, error, problems

from gradatim.errors import ArgumentError, SolverError
from gradatim.solvers import gate, turns
from gradatim.solvers.endpoint import open_endpoint, parse_target
from gradatim.solvers.registry import open_solver
from gradatim.solvers.wire import Style, build, read_response, render
from gradatim.types import Problem, Request


@pytest.fixture(autouse=True)
def _fast(monkeypatch):
    monkeypatch.setattr(gate, "BACKOFF", 0.01)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def ask(server, *, n=1, count=1, url=None, **options):
    solver = open_endpoint(f"m@{url or server.url}", **options)
    batches = list(solver.answer([Request(p, 0, n) for p in problems(count)]))
    return [reply for batch in batches for reply in batch], batches


# -- requests ---------------------------------------------------------------------------------


def test_chat_messages_hold_system_shots_and_prompt():
    style = Style(system="Be brief.", template="Q: {prompt}", shots=[["1+1", "2"]], prefix="So: ")
    assert render(style, Problem(id="x", prompt="2+2", answer="4")) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Q: 1+1"},
        {"role": "assistant", "content": "2"},
        {"role": "user", "content": "So: Q: 2+2"},
    ]


def test_a_chat_problem_keeps_its_turns_in_both_modes():
    turns = ({"role": "system", "content": "s"}, {"role": "user", "content": "u"})
    problem = Problem(id="x", prompt=turns, answer="")
    style = Style(template="<{prompt}>")
    assert render(style, problem) == [turns[0], {"role": "user", "content": "<u>"}]
    assert render(Style(mode="completions", template="<{prompt}>"), problem) == "<s\n\nu>"


def test_a_prompt_with_braces_is_sent_as_it_is():
    assert render(Style(mode="completions"), Problem(id="x", prompt="{x} {prompt}", answer="")) == (
        "{x} {prompt}"
    )


def test_only_what_is_set_is_sent():
    body = build(
        Style(temperature=None, max_tokens=None, stop="\n", body={"min_p": 0.1}),
        Problem(id="x", prompt="a", answer=""),
        model="m",
        n=1,
        seed=None,
    )
    assert body == {
        "model": "m",
        "messages": [{"role": "user", "content": "a"}],
        "stop": ["\n"],
        "min_p": 0.1,
    }


@pytest.mark.parametrize(
    ("target", "bases"),
    [
        ("m@http://h:1", ["http://h:1/v1", "http://h:1"]),
        ("m@http://h:1/v1/", ["http://h:1/v1"]),
        ("a/b@c@https://h/api/v1", ["https://h/api/v1"]),
        ("m@http://h/v1/chat/completions", ["http://h/v1"]),
        ("m@https://h/v1beta/openai", ["https://h/v1beta/openai/v1", "https://h/v1beta/openai"]),
    ],
)
def test_urls_with_and_without_v1(target, bases):
    assert parse_target(target)[1] == bases


@pytest.mark.parametrize("target", [None, "m", "m@host:80", "@http://h", "m@ftp://h"])
def test_a_bad_target_says_how_it_must_look(target):
    with pytest.raises(ArgumentError, match="openai:MODEL@http"):
        parse_target(target)


@pytest.mark.parametrize("url", ["http://u:secret@h/v1", "http://h/v1?key=secret"])
def test_a_key_in_the_url_is_refused_and_not_repeated(url):
    with pytest.raises(ArgumentError, match="environment variable") as caught:
        parse_target(f"m@{url}")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"temprature": 1}, "did you mean 'temperature'"),
        ({"mode": "chatt"}, "chat, completions"),
        ({"template": "no slot"}, "{prompt}"),
        ({"in_flight": 0}, "in_flight"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"shots": [["a"]]}, "pairs"),
    ],
)
def test_bad_options_name_themselves(options, says):
    with pytest.raises(ArgumentError, match=says):
        open_solver("openai:m@http://h", **options)


def test_params_hold_what_changes_answers_and_nothing_else():
    solver = open_endpoint("m@http://h", temperature=0, stop="\n", in_flight=3, key="MY_KEY")
    assert solver.params == {
        "mode": "chat",
        "template": "{prompt}",
        "stop": "\n",
        "max_tokens": 1024,
        "temperature": 0,
    }


# -- responses --------------------------------------------------------------------------------


def chat(text, end="stop", **more):
    return {"choices": [{"message": {"content": text}, "finish_reason": end}], **more}


def read(value, mode="chat", asked=1):
    return read_response(200, {}, json.dumps(value).encode(), mode=mode, asked=asked)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (chat("hi"), ("hi", "finished", "")),
        (chat("hi", None), ("hi", "finished", "")),
        (chat("cut of", "length"), ("cut of", "truncated", "")),
        (chat(None, "length"), ("", "truncated", "null content")),
        (chat(None), ("", "finished", "null content")),
        (chat("", "content_filter"), ("", "provider_error", "finish_reason content_filter")),
        (chat("a\ud800b"), ("a\ufffdb", "finished", "")),
        (
            {"choices": [{"message": {"content": None, "refusal": "no"}}]},
            ("no", "finished", "refusal"),
        ),
        ({"choices": [{"message": [], "finish_reason": 3}]}, ("", "finished", "null content")),
    ],
)
def test_every_choice_has_a_named_outcome(value, expected):
    choice = read(value).choices[0]
    assert (choice.text, choice.status, choice.detail) == expected


@pytest.mark.parametrize(
    ("raw", "cause"),
    [
        (b"<html>log in</html>", "not JSON"),
        (b'{"choices": [{"mess', "not JSON"),
        (b"", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[1]", "not an object"),
        (b'{"choices": []}', "no choices"),
        (b'{"choices": null}', "no choices"),
        (b'{"choices": ["a"]}', "no choices"),
        (b'{"error": {"message": "overloaded"}}', "error"),
    ],
)
def test_a_garbled_success_may_pass(raw, cause):
    fault = read_response(200, {}, raw, mode="chat", asked=1)
    assert fault.cause == cause
    assert fault.passing


@pytest.mark.parametrize(
    ("code", "passing"),
    [
        *((code, False) for code in (400, 401, 403, 404, 422)),
        *((code, True) for code in (408, 409, 429, 500, 503, 529)),
    ],
)
def test_what_may_pass_and_what_cannot(code, passing):
    assert read_response(code, {}, b"", mode="chat", asked=1).passing is passing


def test_a_spent_quota_does_not_pass():
    raw = json.dumps({"error": {"message": "no credit", "code": "insufficient_quota"}}).encode()
    fault = read_response(429, {}, raw, mode="chat", asked=1)
    assert not fault.passing
    assert "no credit" in fault.detail


def test_retry_after_is_seconds_or_a_date():
    def wait(value):
        return read_response(429, {"Retry-After": value}, b"", mode="chat", asked=1).wait

    assert wait("1.5") == 1.5
    assert wait("soon") is None
    assert 50 < wait(email.utils.formatdate(time.time() + 60, usegmt=True)) <= 60


def test_tokens_of_several_choices_are_not_believed():
    usage = {"completion_tokens": 8, "prompt_tokens": 5}
    assert read(chat("hi", usage=usage)).choices[0].tokens == 8
    assert read(chat("hi", usage=usage)).prompt_tokens == 5
    many = {"choices": chat("hi")["choices"] * 4, "usage": usage}
    assert [c.tokens for c in read(many, asked=4).choices] == [-1] * 4
    assert read(chat("hi", usage={"completion_tokens": None})).choices[0].tokens == -1


@pytest.mark.parametrize(
    "logprobs",
    [{"content": [{"logprob": -0.5}, {"logprob": -1}]}, {"token_logprobs": [-0.5, -1]}],
)
def test_log_probabilities_count_the_tokens(logprobs):
    row = {"message": {"content": "hi"}, "logprobs": logprobs}
    choice = read({"choices": [row] * 2}, asked=2).choices[0]
    assert (choice.tokens, choice.logp) == (2, -1.5)


# -- over the line ----------------------------------------------------------------------------


def test_one_request_for_several_samples_is_one_batch():
    with FakeServer(text=lambda body, i: str(i)) as server:
        replies, batches = ask(server, n=8)
    assert [len(batch) for batch in batches] == [8]
    assert [(r.sample, r.text) for r in replies] == [(i, str(i)) for i in range(8)]
    assert server.bodies[0]["n"] == 8


def test_samples_beyond_choices_are_further_requests():
    with FakeServer() as server:
        replies, batches = ask(server, n=10, choices=4, in_flight=1)
    assert [len(batch) for batch in batches] == [4, 4, 2]
    assert sorted(r.sample for r in replies) == list(range(10))


def test_a_server_that_ignores_n_is_asked_one_by_one():
    with FakeServer(honours_n=False) as server:
        replies, _ = ask(server, n=4, count=3, in_flight=1)
    assert sorted((r.request.problem.id, r.sample) for r in replies) == [
        (f"p{i}", s) for i in range(3) for s in range(4)
    ]
    assert server.given == 12  # nothing was paid for and thrown away
    assert [body.get("n", 1) for body in server.bodies] == [4] + [1] * 11


def test_a_server_that_refuses_n_is_asked_one_by_one():
    def only_one(body, number):
        return Bad(400, error("n is not supported")) if body.get("n", 1) > 1 else None

    with FakeServer(only_one) as server:
        replies, _ = ask(server, n=3, count=2, in_flight=1)
    assert [r.status for r in replies] == ["finished"] * 6
    assert [body.get("n", 1) for body in server.bodies] == [3, 1, 1, 1, 1, 1, 1]


def test_seeds_differ_by_request_and_repeat_by_run():
    seeds = []
    for _ in range(2):
        with FakeServer() as server:
            ask(server, n=4, count=2, choices=2, seed=5, in_flight=1)
        seeds.append([body["seed"] for body in server.bodies])
    assert seeds[0] == seeds[1]
    assert len(set(seeds[0])) == 4


@pytest.mark.parametrize("path", ["/v1", ""])
def test_the_url_works_with_and_without_v1(path):
    with FakeServer(path=path) as server:
        replies, _ = ask(server, url=server.root, count=20)
    assert [r.status for r in replies] == ["finished"] * 20


def test_in_flight_is_bounded_and_used():
    with FakeServer(delay=0.02) as server:
        ask(server, count=30, in_flight=5)
    assert server.most_busy == 5


def test_the_key_is_sent_and_nowhere_else(monkeypatch):
    monkeypatch.setenv("MY_KEY", "sk-secret")

    def deny(body, number):
        return Bad(401, error("Incorrect API key provided: sk-secret")) if number else None

    with FakeServer(deny) as server:
        solver = open_endpoint(f"m@{server.url}", key="MY_KEY", stop_after=1, in_flight=1)
        with pytest.raises(SolverError, match="environment variable MY_KEY") as caught:
            list(solver.answer([Request(p, 0, 1) for p in problems(2)]))
    assert server.headers[0]["Authorization"] == "Bearer sk-secret"
    assert "sk-secret" not in str(caught.value) + str(solver)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_what_cannot_pass_is_asked_once_and_stops_the_run(status):
    server = FakeServer(lambda body, number: Bad(status, error("nope")))
    stops = pytest.raises(SolverError, match=rf"8 times in a row .*HTTP {status}: nope")
    with server, stops:
        ask(server, count=30, in_flight=1)
    assert len(server.bodies) == 8


def test_one_bad_prompt_is_its_own_fault():
    def behave(body, number):
        return Bad(400, error("too long")) if "question 1" in str(body) else None

    with FakeServer(behave) as server:
        replies, _ = ask(server, count=3, in_flight=1)
    assert sorted(r.status for r in replies) == ["finished", "finished", "provider_error"]


def test_a_server_that_is_not_there_is_one_clear_error():
    with socket.socket() as taken:  # bound, so that nobody else answers there; not listening
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(SolverError, match=r"no answer 1 times.*[Cc]onnect"):
            ask(None, url=url, retries=1)


def test_a_slow_answer_is_a_timeout_and_is_not_paid_for_twice():
    def behave(body, number):
        return Bad(hang=3) if "question 1" in str(body) else None

    with FakeServer(behave) as server:
        replies, _ = ask(server, count=3, timeout=0.3)
    assert sorted(r.status for r in replies) == ["finished", "finished", "timeout"]
    late = next(r for r in replies if r.status == "timeout")
    assert late.text is None
    assert "0.3 s" in late.detail
    assert len(server.bodies) == 3


def test_a_wish_to_wait_for_an_hour_is_not_granted():
    def behave(body, number):
        return Bad(429, error("tomorrow"), {"Retry-After": "3600"}) if not number else None

    with FakeServer(behave) as server:
        replies, _ = ask(server, count=2, in_flight=1)
    assert sorted(r.status for r in replies) == ["finished", "provider_error"]


def test_closing_the_stream_ends_the_requests_and_the_thread():
    with FakeServer(delay=0.05) as server:
        solver = open_endpoint(f"m@{server.url}", in_flight=2)
        stream = solver.answer([Request(p, 0, 1) for p in problems(50)])
        next(stream)
        stream.close()
        time.sleep(0.1)  # what had left may still arrive
        asked = len(server.bodies)
        time.sleep(0.15)
        assert len(server.bodies) == asked < 50
    assert not [t for t in threading.enumerate() if t.name.startswith("gradatim")]


def test_no_more_is_paid_ahead_of_the_ledger_than_is_in_flight():
    with FakeServer() as server:
        solver = open_endpoint(f"m@{server.url}", in_flight=3)
        stream = solver.answer([Request(p, 0, 2) for p in problems(20)])
        stored = 0
        for batch in stream:
            time.sleep(0.02)  # a slow disk
            assert server.given <= stored + 3 * 2
            stored += len(batch)
    assert stored == server.given == 40


def test_an_interrupt_hands_over_what_was_in_flight():
    with FakeServer(delay=0.1) as server:
        solver = open_endpoint(f"m@{server.url}", in_flight=4)
        stream = solver.answer([Request(p, 0, 1) for p in problems(50)])
        got = [*next(stream)]

        def interrupt():
            got.extend(stream.throw(KeyboardInterrupt))  # unless all had come at once
            for batch in stream:
                got.extend(batch)

        with pytest.raises(KeyboardInterrupt):
            interrupt()
    assert len(got) == server.given < 12
    assert len({reply.request.problem.id for reply in got}) == server.given


def test_a_second_interrupt_leaves_at_once():
    with FakeServer(lambda body, number: Bad(hang=5) if number else None) as server:
        solver = open_endpoint(f"m@{server.url}", in_flight=2)
        stream = solver.answer([Request(p, 0, 1) for p in problems(5)])
        next(stream)
        timer = threading.Timer(0.3, os.kill, (os.getpid(), 2))
        timer.start()
        begin = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            stream.throw(KeyboardInterrupt)
        assert time.monotonic() - begin < 4


def test_completions_mode_sends_a_prompt_and_reads_text():
    with FakeServer() as server:
        replies, _ = ask(server, mode="completions", template="{prompt} =")
    assert server.bodies[0]["prompt"] == "question 0 ="
    assert replies[0].text == "42"
    assert (replies[0].tokens, replies[0].prompt_tokens) == (7, 3)


def test_no_requests_is_no_answer():
    assert list(open_endpoint("m@http://127.0.0.1:1").answer([])) == []


def test_the_collectors_pace_is_given_back_and_left_alone_where_somebody_set_it():
    usual = gc.get_threshold()
    try:
        with FakeServer() as server:
            seen = []
            solver = open_endpoint(f"m@{server.url}", in_flight=4)
            for _ in solver.answer([Request(p, 0, 1) for p in problems(8)]):
                seen.append(gc.get_threshold()[0])
            assert seen[0] == turns.COLLECT
            assert gc.get_threshold() == usual
            gc.set_threshold(0)  # switched off
            for _ in solver.answer([Request(p, 0, 1) for p in problems(8)]):
                assert gc.get_threshold()[0] == 0
            assert gc.get_threshold()[0] == 0
    finally:
        gc.set_threshold(*usual)


def test_permits_are_taken_up_to_what_was_acknowledged():
    async def play():
        permits = turns.Permits(2)
        taken = []

        async def ask(name):
            await permits.take()
            taken.append(name)

        tasks = [asyncio.create_task(ask(i)) for i in range(6)]
        await asyncio.sleep(0)
        assert taken == [0, 1]
        permits.acknowledged += 1  # as the caller's thread does
        await ask("late")  # who asks now need not wait for the loop's turn
        assert taken == [0, 1, "late"]
        permits.wake()
        await asyncio.sleep(0)
        assert taken == [0, 1, "late"]  # the one that was free is taken
        tasks[2].cancel()
        await asyncio.sleep(0)
        permits.give_back()
        permits.acknowledged += 1
        permits.wake()
        await asyncio.sleep(0)
        assert taken == [0, 1, "late", 3, 4]
        tasks[5].cancel()

    asyncio.run(play())
