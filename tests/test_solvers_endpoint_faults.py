"""What a server can do wrong, and how each ends: the tables are in fake_server."""

import itertools
import json
import re
import time
from urllib.parse import quote

import pytest
from fake_server import FINAL, ODD, PASSING, SLOW, Bad, FakeServer, answer, error, problems

from gradatim.engine import attempt as engine
from gradatim.errors import ArgumentError, SolverError
from gradatim.solvers import gate, pace
from gradatim.solvers.endpoint import open_endpoint
from gradatim.store.run import Run
from gradatim.types import Request


@pytest.fixture(autouse=True)
def _fast(monkeypatch):
    monkeypatch.setattr(gate, "BACKOFF", 0.01)
    monkeypatch.setattr(gate, "BACKOFF_MOST", 0.02)
    monkeypatch.setattr(pace, "PAUSE", 0.01)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def attempt(listed, server, **options):
    """Attempts without the doctor's probes: what the server meets is what the run asks."""
    spec = f"openai:m@{server.url}"
    return engine.attempt(listed, solver=spec, probe=False, **options)


def ask(server, *, n=1, count=1, url=None, **options):
    solver = open_endpoint(f"m@{url or server.url}", **options)
    batches = list(solver.answer([Request(p, 0, n) for p in problems(count)]))
    return [reply for batch in batches for reply in batch], solver


def collect(stream, into):
    for batch in stream:
        into += batch


def of(body, number):
    """Whether a request is about problem `number`."""
    return f"question {number}" in str(body)


def once(bad, times):
    return lambda body, number: bad if number < times else None


# -- the tables -------------------------------------------------------------------------------


def test_there_are_at_least_twelve():
    assert len(PASSING) + len(SLOW) + len(FINAL) + len(ODD) == 40


@pytest.mark.parametrize("name", PASSING)
def test_what_may_pass_is_tried_again(name):
    with FakeServer(once(PASSING[name], 2)) as server:
        replies, _ = ask(server)
    assert [(r.text, r.status) for r in replies] == [("42", "finished")]
    assert len(server.bodies) == 3
    # a server that keeps names would know it for one request
    assert len({h["Idempotency-Key"] for h in server.headers}) == 1


@pytest.mark.parametrize("name", PASSING)
def test_a_lasting_fault_of_one_request_is_its_provider_error(name):
    with FakeServer(lambda body, number: PASSING[name] if of(body, 0) else None) as server:
        replies, _ = ask(server, count=3, retries=1, in_flight=1)
    assert {r.request.problem.id: r.status for r in replies} == {
        "p0": "provider_error",
        "p1": "finished",
        "p2": "finished",
    }
    assert next(r.detail for r in replies if r.status == "provider_error")
    assert len(server.bodies) == 4


@pytest.mark.parametrize("name", SLOW)
def test_what_is_too_slow_is_a_timeout_and_is_not_paid_for_twice(name):
    bad, options, says = SLOW[name]
    with FakeServer(lambda body, number: bad if of(body, 1) else None) as server:
        replies, _ = ask(server, count=3, in_flight=3, **options)
    assert sorted(r.status for r in replies) == ["finished", "finished", "timeout"]
    late = next(r for r in replies if r.status == "timeout")
    assert (late.text, late.detail) == (None, says)
    assert len(server.bodies) == 3


@pytest.mark.parametrize("name", FINAL)
def test_what_cannot_pass_stops_the_run_and_names_the_setting(name):
    bad, says = FINAL[name]
    server = FakeServer(lambda body, number: bad)
    with server, pytest.raises(SolverError, match=rf"3 times in a row .*{says}") as caught:
        ask(server, count=30, in_flight=1, stop_after=3)
    assert len(server.bodies) == 3
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith("the same command resumes")


def test_an_unknown_model_is_told_whichever_way_the_url_is_given():
    server = FakeServer(lambda body, number: FINAL["unknown model"][0])
    with server, pytest.raises(SolverError, match=r"/v1/chat/.*The model `m` does not exist"):
        ask(server, url=server.root, stop_after=1)


def test_a_chat_model_asked_for_completions():
    said = "This is a chat model and not supported in the v1/completions endpoint."
    server = FakeServer(lambda body, number: Bad(404, error(said)))
    with server, pytest.raises(SolverError, match=r"HTTP 404: .*; set mode=chat;"):
        ask(server, mode="completions")


@pytest.mark.parametrize("name", ODD)
def test_an_odd_answer_has_a_status_and_a_name(name):
    body, expected = ODD[name]
    with FakeServer(once(Bad(200, body), 9)) as server:
        replies, _ = ask(server)
    assert [(r.status, r.text, r.detail) for r in replies] == [expected]
    assert len(server.bodies) == 1


# -- whose fault it is --------------------------------------------------------------------------


def test_a_server_that_dies_in_the_middle_spoils_no_attempt(tmp_path):
    listed = problems(30)
    with FakeServer() as server:
        server.behave = lambda body, number: Bad(drop=True) if number >= 10 else None
        with pytest.raises(SolverError, match="the same command resumes"):
            attempt(listed, server, run=tmp_path, in_flight=4, retries=1)
        with Run(tmp_path).ledger() as ledger:
            assert ledger.statuses()["finished"] == ledger.statuses()["requested"] == 10
        server.behave = lambda body, number: None
        done = attempt(listed, server, run=tmp_path)
    assert (done["reused"], done["finished"], done["provider_error"]) == (10, 30, 0)


def test_a_server_that_dies_at_the_last_request_spoils_none_either():
    with FakeServer() as server:
        solver = open_endpoint(f"m@{server.url}", in_flight=1, retries=0)
        stream = solver.answer([Request(p, 0, 1) for p in problems(2)])
        assert len(next(stream)) == 1
        server.behave = lambda body, number: Bad(401, error("key expired"))
        with pytest.raises(SolverError, match="key expired"):
            list(stream)


def test_a_hung_server_makes_no_timeouts_and_ends_the_run():
    with FakeServer(lambda body, number: Bad(hang=3)) as server:
        solver = open_endpoint(f"m@{server.url}", timeout=0.05, in_flight=2, stop_after=1)
        got = []
        with pytest.raises(SolverError, match=r"5 times in a row.*raise `timeout`"):
            collect(solver.answer([Request(p, 0, 1) for p in problems(40)]), got)
    assert not got


def test_too_many_errors_pause_and_then_end_the_run_with_what_was_answered():
    # two of three fail for ever: never `stop_after` in a row, and no request that fails for good
    order = itertools.count()
    with FakeServer(lambda body, number: Bad(503) if next(order) % 3 else None) as server:
        solver = open_endpoint(f"m@{server.url}", in_flight=4, retries=0, stop_after=10**6)
        got = []
        with pytest.raises(SolverError, match=r"responses were errors \(\d+ x 503\), also after"):
            collect(solver.answer([Request(p, 0, 1) for p in problems(400)]), got)
    assert got
    assert solver.report()["seconds_paused"] > 0
    # 40 responses until the first pause, 10 until each of the 6 others
    assert len(server.bodies) < 140


def test_errors_that_stop_cost_pauses_and_no_attempt():
    order = itertools.count()
    with FakeServer(lambda body, number: Bad(503) if 20 < next(order) < 90 else None) as server:
        replies, solver = ask(server, count=150, in_flight=4, retries=3, stop_after=10**6)
    assert [r.status for r in replies] == ["finished"] * 150
    assert solver.report()["seconds_paused"] > 0


def test_a_share_of_one_never_pauses():
    with FakeServer(once(Bad(503), 60)) as server:
        replies, solver = ask(server, count=3, in_flight=1, retries=99, error_share=1)
    assert len(replies) == 3
    assert solver.report()["seconds_paused"] == 0


# -- limits of the server -----------------------------------------------------------------------


def test_what_is_used_up_pauses_everybody():
    spent = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "300ms"}
    times = []

    def behave(body, number):
        times.append(time.monotonic())
        return Bad(200, answer(content="42"), spent) if not number else None

    with FakeServer(behave) as server:
        ask(server, count=4, in_flight=1)
    assert times[1] - times[0] >= 0.29
    assert times[3] - times[1] < 0.29


def test_a_refusal_halves_what_is_in_flight():
    busy = []

    def behave(body, number):
        busy.append(server.busy)
        return Bad(429) if not number else None

    with FakeServer(behave, delay=0.01) as server:
        replies, _ = ask(server, count=40, in_flight=8)
    assert [r.status for r in replies] == ["finished"] * 40
    # 8 were on their way, and 7 more where the others' answers were read first; then 4, and one
    # more after each 16 answers
    assert max(busy[24:]) <= 6


def test_the_servers_name_of_a_request_is_kept_and_faults_are_still_counted_together(tmp_path):
    def behave(body, number):
        bad = Bad(500, error("a bug"), {"X-Request-Id": f"req_{number}"})
        return bad if of(body, 0) or of(body, 1) else None

    with FakeServer(behave) as server:
        done = attempt(
            [*problems(2), *problems(5)[2:]],
            server,
            run=tmp_path,
            retries=0,
            in_flight=1,
        )
    assert done["faults"] == {"HTTP 500: a bug": 2}
    with Run(tmp_path).ledger() as ledger:
        details = [r.detail for r in ledger.attempts(status="provider_error")]
    assert details == [f"HTTP 500: a bug [request req_{i}]" for i in range(2)]


# -- names of requests --------------------------------------------------------------------------


def names(server):
    return [h["Idempotency-Key"] for h in server.headers]


def test_requests_of_a_run_keep_their_names_and_no_two_runs_share_one(tmp_path):
    found = []
    for run in ("a", "b"):
        with FakeServer() as server:
            attempt(
                problems(3),
                server,
                run=tmp_path / run,
                samples=2,
                choices=1,
            )
        found.append(names(server))
    assert len(set(found[0] + found[1])) == 12


def test_a_run_that_died_asks_by_the_same_names(tmp_path):
    with FakeServer(once(Bad(401), 2)) as server:
        with pytest.raises(SolverError):
            attempt(problems(2), server, run=tmp_path, stop_after=2)
        attempt(problems(2), server, run=tmp_path)
    assert sorted(names(server)[:2]) == sorted(names(server)[2:])


# -- budgets ------------------------------------------------------------------------------------


def test_a_budget_of_requests_stops_before_it_is_exceeded(tmp_path):
    with FakeServer(once(Bad(500), 3)) as server:
        done = attempt(problems(20), server, run=tmp_path, max_requests=10, in_flight=4)
        assert len(server.bodies) == 10  # retries count: they are requests
        assert (done["made"], done["left"], done["provider_error"]) == (7, 13, 0)
        assert done["spent"]["stopped_by"] == "max_requests"
        rest = attempt(problems(20), server, run=tmp_path)
    assert (rest["reused"], rest["made"], rest["left"]) == (7, 13, 0)
    assert rest["spent"]["stopped_by"] is None


def usage(prompt, completion):
    choice = {"message": {"content": "42"}, "finish_reason": "stop"}
    return {
        "choices": [choice],
        "usage": {"prompt_tokens": prompt, "completion_tokens": completion},
    }


def test_a_budget_of_tokens_counts_what_is_in_flight():
    body = json.dumps(usage(10, 50))
    with FakeServer(once(Bad(200, body), 99), delay=0.01) as server:
        replies, solver = ask(
            server, count=50, in_flight=16, max_tokens=100, max_tokens_total=1500, choices=1
        )
    spent = solver.report()
    assert spent["exact"]
    assert spent["prompt_tokens"] + spent["answer_tokens"] == 60 * len(replies)
    # the last one goes as long as 10 * 1.2 + 16 read and 100 written still fit
    assert 1500 - 128 - 60 < 60 * len(replies) <= 1500
    assert spent["stopped_by"] == "max_tokens_total"


def test_a_budget_of_money_counts_prices():
    body = json.dumps(usage(10, 50))
    with FakeServer(once(Bad(200, body), 99)) as server:
        replies, solver = ask(
            server, count=50, max_tokens=100, max_cost=0.001, price_in=1.0, price_out=2.0, choices=1
        )
    # 10 * 1 + 50 * 2 = 110 millionths each
    assert solver.report()["cost"] == pytest.approx(110e-6 * len(replies))
    assert 6 <= len(replies) <= 9


def test_a_budget_too_small_for_one_request_asks_nothing(tmp_path):
    with FakeServer() as server:
        done = attempt(problems(2), server, run=tmp_path, max_tokens_total=100)
    assert (done["made"], done["left"], server.bodies) == (0, 2, [])


def test_the_last_of_a_budget_is_asked_for_in_smaller_requests():
    with FakeServer(text="4") as server:
        replies, solver = ask(server, n=8, max_tokens=100, max_tokens_total=700, in_flight=1)
    # 8 answers of 100 may not fit; 4 do, and then fewer
    assert server.bodies[0]["n"] == 4
    assert 4 < len(replies) <= 8
    assert solver.report()["answer_tokens"] <= 700


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"max_cost": 1}, "price_in"),
        ({"max_cost": 1, "price_in": 1, "max_tokens": None}, "`max_tokens`"),
        ({"max_tokens_total": -1}, "max_tokens_total"),
        ({"first_byte": 0}, "first_byte"),
        ({"error_share": 2}, "error_share"),
        ({"price_out": -1}, "price_out"),
    ],
)
def test_bad_options_name_themselves(options, says):
    with pytest.raises(ArgumentError, match=says):
        open_endpoint("m@http://h", **options)


# -- the key ------------------------------------------------------------------------------------

KEY = "sk-Zq/9+secret=="


@pytest.mark.parametrize(
    "shown", [KEY, quote(KEY, safe=""), json.dumps(KEY)[1:-1].replace("/", "\\/"), KEY.upper()]
)
def test_a_key_that_the_server_gives_back_is_kept_nowhere(tmp_path, monkeypatch, capsys, shown):
    monkeypatch.setenv("MY_KEY", KEY)
    raw = '{"choices": [{"message": {"content": "KEY 42"}, "finish_reason": "stop"}]}'

    def behave(body, number):
        if of(body, 0):
            return Bad(200, raw.replace("KEY", shown))
        if of(body, 1):
            return Bad(500, f'{{"error": {{"message": "bad {shown}"}}}}', {"X-Request-Id": KEY})
        return None

    with FakeServer(behave) as server:
        done = attempt(
            problems(3),
            server,
            run=tmp_path,
            key="MY_KEY",
            retries=0,
            in_flight=1,
        )
        assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert done["faults"] == {"HTTP 500: bad [key]": 1}
    with Run(tmp_path).ledger() as ledger:
        assert next(iter(ledger.attempts(problem="p0"))).text == "[key] 42"
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert b"secret" not in path.read_bytes().lower(), path
    told = str(done) + "".join(capsys.readouterr())
    assert "secret" not in told.lower()


def test_a_key_cannot_be_given_where_it_would_be_kept():
    with pytest.raises(ArgumentError, match="name of the environment variable") as caught:
        open_endpoint("m@http://h", key="sk-secret-123")
    assert "secret" not in str(caught.value)
    with pytest.raises(ArgumentError, match="must not carry a key"):
        open_endpoint("m@http://h", body={"api_key": "sk-secret-123"})


def test_a_key_of_two_lines_is_refused_and_one_with_an_end_of_line_is_not(monkeypatch):
    monkeypatch.setenv("MY_KEY", "sk-one\n")
    with FakeServer() as server:
        ask(server, key="MY_KEY")
        assert server.headers[0]["Authorization"] == "Bearer sk-one"
        monkeypatch.setenv("MY_KEY", "sk-one\nsk-two")
        with pytest.raises(ArgumentError, match="MY_KEY") as caught:
            ask(server, key="MY_KEY")
    assert not re.search("one|two", str(caught.value).replace("one line", ""))
