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


class Bad(NamedTuple):
    """A response that is not an answer. `hang` sleeps first; `drop` closes the line."""

    status: int = 200
    body: str = ""
    headers: dict = {}
    hang: float = 0.0
    drop: bool = False


class FakeServer:
    def __init__(self, behave=None, *, text="42", honours_n=True, delay=0.0, path="/v1"):
        self.behave = behave or (lambda body, number: None)
        self.text, self.honours_n, self.delay, self.path = text, honours_n, delay, path
        self.bodies, self.headers = [], []
        self.given = self.busy = self.most_busy = 0

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
            return web.Response(status=bad.status, text=bad.body, headers=bad.headers)
        n = body.get("n", 1) if self.honours_n else 1
        self.given += n
        return web.json_response({
            "choices": [self._choice(body, i) for i in range(n)],
            "usage": {"completion_tokens": 7, "prompt_tokens": 3},
        })

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


def error(message):
    return json.dumps({"error": {"message": message}})
