"""A small OpenAI-compatible server on loopback, whose faults a test chooses.

`behave(body, number)` decides what request `number` (from 0) meets: None to be answered, or a
Bad. It keeps what it was asked and how many choices it gave: that is what a user would pay for.
"""

import asyncio
import contextlib
import json
import threading
from typing import NamedTuple

from aiohttp import web

from gradatim.types import Problem


def problems(n):
    return [
        Problem(id=f"p{i}", prompt=f"question {i}", answer="42", verifier="number")
        for i in range(n)
    ]


class Bad(NamedTuple):
    """A response that is not an answer.

    `hang` sleeps before anything is sent, `stall` after the headers and half of the body; `drop`
    closes the line instead of answering, `cut` in the middle of the body.
    """

    status: int = 200
    body: str = ""
    headers: dict = {}
    hang: float = 0.0
    drop: bool = False
    stall: float = 0.0
    cut: bool = False


def error(message, **more):
    return json.dumps({"error": {"message": message, **more}})


def answer(end="stop", **message):
    return json.dumps({"choices": [{"message": message, "finish_reason": end}]})


# -- faults by name, each with how it ends ------------------------------------------------------

# what may pass: asked again, until there is an answer
PASSING = {
    "rate limit": Bad(429, error("slow down"), {"Retry-After": "0.02"}),
    "rate limit, ms": Bad(429, error("slow down"), {"retry-after-ms": "20", "Retry-After": "9"}),
    "rate limit, no word of when": Bad(429, error("slow down")),
    "request timeout": Bad(408),
    "conflict": Bad(409),
    "too early": Bad(425),
    "internal error": Bad(500, error("a bug")),
    "bad gateway": Bad(502, "<html>bad gateway</html>"),
    "unavailable": Bad(503, "<html>down</html>", {"Retry-After": "0.02"}),
    "overloaded": Bad(529, error("overloaded")),
    "web page with status 200": Bad(200, "<html>log in</html>"),
    "torn JSON": Bad(200, '{"choices": [{"mess'),
    "empty body": Bad(200, ""),
    "JSON that is a list": Bad(200, "[1]"),
    "no choices": Bad(200, '{"choices": []}'),
    "error with status 200": Bad(200, error("overloaded")),
    "line dropped": Bad(drop=True),
    "line dropped in the body": Bad(200, answer(content="42"), cut=True),
}
# the server may have worked: not asked again, a time-out
SLOW = {
    "hang before the headers": (Bad(hang=3), {"timeout": 0.3}, "no whole response within 0.3 s"),
    "no first byte": (Bad(hang=3), {"first_byte": 0.3}, "no response began within 0.3 s"),
    "stall in the body": (
        Bad(200, answer(content="42"), stall=3),
        {"timeout": 0.3, "first_byte": 0.2},
        "the response began and stopped: not whole within 0.3 s",
    ),
}
# never right however often it is asked: ends the run, and says what to change
FINAL = {
    "wrong key": (
        Bad(401, error("Incorrect API key provided")),
        "HTTP 401: Incorrect API key provided; set the environment variable OPENAI_API_KEY",
    ),
    "no credit": (Bad(402, error("Payment required")), "HTTP 402: .*add credit"),
    "forbidden": (Bad(403, error("not yours")), "HTTP 403: .*OPENAI_API_KEY"),
    "quota used up": (
        Bad(429, error("You exceeded your current quota", code="insufficient_quota")),
        "HTTP 429: You exceeded your current quota; the quota is used up: add credit",
    ),
    "unknown model": (
        Bad(404, error("The model `m` does not exist")),
        "HTTP 404: The model `m` does not exist; check the model's name",
    ),
    "wrong path": (Bad(404, "nothing here"), "HTTP 404: .*check the model's name and the URL"),
    "a base model asked to chat": (
        Bad(400, error("m has no chat template")),
        "HTTP 400: m has no chat template; set mode=completions",
    ),
    "tokens by another name": (
        Bad(400, error("Unsupported parameter: use 'max_completion_tokens' instead")),
        "HTTP 400: .*set max_tokens=null and body=",
    ),
    "temperature not taken": (
        Bad(400, error("'temperature' does not support 0.7")),
        "HTTP 400: .*set temperature=null",
    ),
    "field not taken": (Bad(422, error("extra fields")), "HTTP 422: extra fields; change the opt"),
    "moved": (
        Bad(308, "", {"Location": "https://elsewhere/v1"}),
        "HTTP 308: .*give the URL that it points to: https://elsewhere/v1",
    ),
}
# answers without the text that was asked for: an attempt with a status and a name
ODD = {
    "null content": (answer(content=None), ("finished", "", "null content")),
    "refusal": (answer(content=None, refusal="I won't"), ("finished", "I won't", "refusal")),
    "tool calls": (
        answer("tool_calls", content=None, tool_calls=[{"function": {}}]),
        ("finished", "", "tool_calls"),
    ),
    "reasoning only": (
        answer("length", content=None, reasoning_content="Hm"),
        ("truncated", "", "reasoning only"),
    ),
    "cut at the limit": (answer("length", content="41 or"), ("truncated", "41 or", "")),
    "filtered": (
        answer("content_filter", content=""),
        ("provider_error", "", "finish_reason content_filter"),
    ),
    "given up by the server": (
        answer("abort", content="4"),
        ("provider_error", "4", "finish_reason abort"),
    ),
    "content in parts": (
        answer(content=[{"type": "text", "text": "4"}, {"type": "text", "text": "2"}]),
        ("finished", "42", ""),
    ),
}


class FakeServer:
    def __init__(self, behave=None, *, text="42", honours_n=True, delay=0.0, path="/v1"):
        self.behave = behave or (lambda body, number: None)
        self.text, self.honours_n, self.delay, self.path = text, honours_n, delay, path
        self.bodies, self.headers = [], []
        self.given = self.served = self.busy = self.most_busy = 0

    # -- what it says ---------------------------------------------------------------------

    def _choice(self, body, i):
        text = self.text(body, i) if callable(self.text) else self.text
        end = "stop"
        if isinstance(text, tuple):
            text, end = text
        content = {"message": {"role": "assistant", "content": text}}
        if "messages" not in body:
            content = {"text": text}
        return {"index": i, "finish_reason": end, **content}

    async def _handle(self, request):
        body = await request.json()
        number = len(self.bodies)
        self.bodies.append(body)
        self.headers.append(dict(request.headers))
        self.busy += 1
        self.most_busy = max(self.busy, self.most_busy)
        try:
            await asyncio.sleep(self.delay)
            return await self._answer(request, body, number)
        finally:
            self.busy -= 1

    async def _answer(self, request, body, number):
        bad = self.behave(body, number)
        if bad is not None:
            await asyncio.sleep(bad.hang)
            if bad.drop:
                request.transport.abort()
            if bad.stall or bad.cut:
                return await self._break_off(request, bad)
            return web.Response(status=bad.status, text=bad.body, headers=bad.headers)
        n = body.get("n", 1) if self.honours_n else 1
        self.given += n
        self.served += 1
        return web.json_response({
            "choices": [self._choice(body, i) for i in range(n)],
            "usage": {"completion_tokens": 7, "prompt_tokens": 3},
        })

    async def _break_off(self, request, bad):
        raw = bad.body.encode()
        response = web.StreamResponse(
            status=bad.status, headers={**bad.headers, "Content-Length": str(len(raw))}
        )
        await response.prepare(request)
        await response.write(raw[: len(raw) // 2])
        await asyncio.sleep(bad.stall)
        request.transport.abort()
        return response

    # -- its life -------------------------------------------------------------------------

    def __enter__(self):
        started = threading.Event()
        self._loop = asyncio.new_event_loop()

        async def start():
            app = web.Application()
            for mode in ("/chat/completions", "/completions"):
                app.router.add_post(self.path + mode, self._handle)
            self._runner = web.AppRunner(app, shutdown_timeout=0.1)
            await self._runner.setup()
            site = web.TCPSite(self._runner, "127.0.0.1", 0)
            await site.start()
            self.root = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
            started.set()

        async def stop():
            await self._runner.cleanup()
            rest = asyncio.all_tasks() - {asyncio.current_task()}
            for task in rest:  # handlers whose client went away
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)

        def live():
            self._loop.run_until_complete(start())
            self._loop.run_forever()
            self._loop.run_until_complete(stop())
            self._loop.close()

        self._thread = threading.Thread(target=live, daemon=True)
        self._thread.start()
        assert started.wait(10)
        return self

    def __exit__(self, *_):
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    @property
    def url(self):
        return self.root + self.path
