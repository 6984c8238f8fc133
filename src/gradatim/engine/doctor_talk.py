"""One plain question at a time to an OpenAI-compatible server, and the whole of what it says.

The doctor's requests are built and read by `solvers.wire`, as those of a run are; the style's
template, system message, shots and stops are left out, so that replies can be told apart.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import aiohttp

from gradatim.solvers.keys import Hider, read_key
from gradatim.solvers.line import Line
from gradatim.solvers.wire import PATHS, Answered, Fault, Style, build, read_response
from gradatim.types import Problem

TOKENS = 16  # of a reply, unless a probe asks for another number
PATIENCE = 10.0  # a longer Retry-After is not waited for
TRIALS = 3
INSTEAD = "max_completion_tokens"  # of models that refuse max_tokens
LONGEST = 120.0  # seconds for one reply: a first one may load the model


class Said(NamedTuple):
    """What came of one request: its texts, or the fault.

    Attributes:
        texts, statuses, logps: one for each choice; a status is that of an attempt.
        value: the JSON of the response, {} where there is none.
        before: why it had to be sent again, "" where it was answered at once.
    """

    texts: list[str]
    statuses: list[str]
    logps: list[float | None]
    fault: Fault | None
    value: Mapping[str, Any]
    seconds: float
    before: str = ""

    @property
    def text(self) -> str:
        """The first choice; "" where there is none."""
        return self.texts[0] if self.texts else ""

    @property
    def why(self) -> str:
        """What went wrong, for people."""
        return self.fault.detail if self.fault else ""

    def usage(self, name: str) -> int | None:
        """A count of the response's usage, None where it is not given."""
        usage = self.value.get("usage")
        found = usage.get(name) if isinstance(usage, Mapping) else None
        return found if isinstance(found, int) and not isinstance(found, bool) else None


@dataclass(slots=True)
class Talk:
    """A conversation with a server: how to reach it, what it has cost, why it is over.

    Attributes:
        tokens, read: written by the server, and of the prompts, as far as it says so.
    """

    model: str
    bases: list[str]
    style: Style
    line: Line
    session: aiohttp.ClientSession = field(init=False)
    requests: int = 0
    tokens: int = 0
    read: int = 0
    lost: str = ""

    @property
    def url(self) -> str:
        """Where requests of the style's mode go."""
        return self.bases[0] + PATHS[self.style.mode]

    async def say(
        self,
        prompt: str,
        *,
        n: int = 1,
        seed: int | None = None,
        extra: Mapping[str, Any] | None = None,
        **style: Any,
    ) -> Said:
        """Ask one question, again where what failed may pass.

        Args:
            prompt: the question.
            n, seed: of the request.
            extra: further fields of the body.
            style: fields of `wire.Style` that differ from the plain ones.
        """
        plain = {"template": "{prompt}", "system": "", "prefix": "", "shots": (), "stop": ()}
        plain |= {"top_p": None, "max_tokens": TOKENS, "temperature": 0.0} | style
        most, fields = plain["max_tokens"], dict(self.style.body)
        for name in ("max_tokens", "temperature"):  # what the user leaves out is refused there
            if getattr(self.style, name) is None:
                plain[name] = None
        if INSTEAD in fields and most is not None:
            fields[INSTEAD] = most
        asked = replace(self.style, **plain, body=fields)
        problem = Problem(id="", prompt=prompt, answer="")
        body = build(asked, problem, model=self.model, n=n, seed=seed) | dict(extra or {})
        url, trial = self.bases[0] + PATHS[asked.mode], 1
        said = await self._post(url, body, asked.mode, n)
        while said.fault and said.fault.passing and trial < TRIALS:
            wait = 0.5 * trial if said.fault.wait is None else said.fault.wait
            if wait > PATIENCE:
                break
            await asyncio.sleep(wait)
            before, trial = said.why, trial + 1
            said = (await self._post(url, body, asked.mode, n))._replace(before=before)
        if said.fault and said.fault.cause in ("connection", "timeout"):
            self.lost = said.why
        self.tokens += max(0, said.usage("completion_tokens") or 0)
        self.read += max(0, said.usage("prompt_tokens") or 0)
        return said

    async def together(self, times: int, prompt: str, **asked: Any) -> Sequence[Said]:
        """The same question so many times at once."""
        return await asyncio.gather(*(self.say(prompt, **asked) for _ in range(times)))

    async def get(self, path: str) -> Any:
        """JSON of another path below the base, None where there is none."""
        self.requests += 1
        try:
            async with self.session.get(self.bases[0] + path) as response:
                return json.loads(await response.read()) if response.status == 200 else None
        except (aiohttp.ClientError, OSError, ValueError):
            return None

    async def _post(self, url: str, body: Mapping[str, Any], mode: str, n: int) -> Said:
        begin = time.perf_counter()
        self.requests += 1
        raw, hide = b"", Hider(read_key(self.line.key))
        try:
            async with self.session.post(url, json=body) as response:
                raw = hide.raw(await response.read())
                got = read_response(response.status, response.headers, raw, mode=mode, asked=n)
        except TimeoutError:
            got = Fault("timeout", f"no whole response within {limit(self.line):g} s", False)
        except (aiohttp.ClientError, OSError) as error:
            got = Fault("connection", f"{type(error).__name__}: {error}", True)
        seconds = time.perf_counter() - begin
        if isinstance(got, Fault):
            hidden = hide(got.detail).replace("{key}", self.line.key)
            return Said([], [], [], got._replace(detail=hidden), {}, seconds)
        return _said(got, json.loads(raw), seconds)


def _said(got: Answered, value: Mapping[str, Any], seconds: float) -> Said:
    choices = got.choices
    return Said(
        [c.text or "" for c in choices],
        [c.status for c in choices],
        [c.logp for c in choices],
        None,
        value,
        seconds,
    )


def limit(line: Line) -> float:
    """Seconds that one reply may take."""
    return min(line.timeout, LONGEST)


@contextlib.asynccontextmanager
async def opened(talk: Talk) -> AsyncIterator[Talk]:
    """The talk with a session, which carries the key of the environment."""
    key = read_key(talk.line.key)
    async with aiohttp.ClientSession(
        headers={"Authorization": f"Bearer {key}"} if key else {},
        timeout=aiohttp.ClientTimeout(total=limit(talk.line), sock_connect=talk.line.connect),
    ) as talk.session:
        yield talk
