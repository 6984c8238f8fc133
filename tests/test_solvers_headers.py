import email.utils

import pytest

from gradatim.solvers.headers import asked_wait, dry_for, request_id
from gradatim.solvers.keys import Hider
from gradatim.solvers.refusals import hint, is_spent

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "2"}, 2.0),
        ({"retry-after": "0"}, 0.0),
        ({"Retry-After": "-1"}, 0.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "nan"}, None),
        ({"retry-after-ms": "1500", "Retry-After": "9"}, 1.5),
        ({"retry-after-ms": "x", "Retry-After": "9"}, 9.0),
        ({"Retry-After": email.utils.formatdate(NOW + 60, usegmt=True)}, 60.0),
        ({"Retry-After": email.utils.formatdate(NOW - 60, usegmt=True)}, 0.0),
    ],
)
def test_how_long_a_refusal_asks_to_wait(headers, seconds):
    assert asked_wait(headers, NOW) == seconds


@pytest.mark.parametrize(
    ("remaining", "reset", "seconds"),
    [
        ("x-ratelimit-remaining-requests", {"x-ratelimit-reset-requests": "6m0s"}, 360.0),
        ("x-ratelimit-remaining-tokens", {"x-ratelimit-reset-tokens": "20ms"}, 0.02),
        ("X-RateLimit-Remaining", {"X-RateLimit-Reset": str(int(NOW) + 5)}, 5.0),
        ("X-RateLimit-Remaining", {"X-RateLimit-Reset": str(int(NOW + 5) * 1000)}, 5.0),
        ("ratelimit-remaining", {"ratelimit-reset": "7"}, 7.0),
        (
            "anthropic-ratelimit-requests-remaining",
            {"anthropic-ratelimit-requests-reset": "2027-01-15T08:00:09Z"},
            9.0,
        ),
        ("x-ratelimit-remaining", {}, 0.0),
        ("x-ratelimit-remaining", {"x-ratelimit-reset": "later"}, 0.0),
    ],
)
def test_what_is_used_up_comes_back_after(remaining, reset, seconds):
    assert dry_for({"Content-Type": "x", remaining: "0", **reset}, NOW) == pytest.approx(seconds)
    assert dry_for({remaining: "3", **reset}, NOW) == 0.0


def test_of_several_limits_the_longest_counts():
    headers = {
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": "3s",
    }
    assert dry_for(headers) == 3.0


def test_a_name_of_a_request_is_short_and_printable():
    assert request_id({"X-Request-Id": "req_1"}) == "req_1"
    assert request_id({"x-request-id": "a\x1b[31m"}) == ""
    assert len(request_id({"X-Request-Id": "r" * 1000})) == 80
    assert request_id({}) == ""


@pytest.mark.parametrize(
    ("code", "text", "mode", "says"),
    [
        (401, "", "chat", "{key}"),
        (404, "model not found", "chat", "model's name"),
        (404, "Not Found", "chat", "the URL"),
        (404, "This is not a chat model", "chat", "mode=completions"),
        (404, "This is a chat model, use v1/chat/completions", "completions", "mode=chat"),
        (400, "maximum context length is 4096 tokens", "chat", "max_tokens"),
        (400, "'logprobs' is not supported", "chat", "logprobs=false"),
        (400, "hmm", "chat", "change the option"),
        (405, "hmm", "chat", "HTTP POST"),
    ],
)
def test_a_refusal_names_a_setting(code, text, mode, says):
    assert says in hint(code, text, mode)


def test_a_rate_that_is_called_a_quota_is_a_rate():
    assert not is_spent(429, "Quota exceeded for metric requests per minute")
    assert is_spent(429, '{"error": {"code": "insufficient_quota"}}')
    assert is_spent(402, "")


def test_a_word_is_no_key():
    assert Hider("EMPTY")("the set is EMPTY") == "the set is EMPTY"
    assert Hider("")("as it is") == "as it is"
    assert Hider("").raw(b"as it is") == b"as it is"
