"""The requests in flight: one event loop, bounded, with retries; it never decides what they mean.

Runs in a worker thread. Every response, or the lack of one, becomes an Arrival for the caller's
thread: replies, and the fault behind them where there was one.
"""

import asyncio
import json
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from gradatim import checks, rng
from gradatim.solvers.wire import PATHS, Answered, Fault, Style, build, read_response
from gradatim.types import Reply, Request

BACKOFF, BACKOFF_MOST = 0.5, 30.0  # seconds; full jitter over min(most, first * 2^trial)
PATIENCE = 300.0  # a longer Retry-After is not waited for
TIMEOUT = Fault("timeout", "no whole response within {timeout:g} s", False)

Arrival = tuple[list[Reply], Fault | None]
Put = Callable[[Arrival | BaseException | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """How the server is talked to; nothing here changes an answer.

    Attributes:
        key: name of the environment variable that holds the key.
        in_flight: most requests at once.
        choices: most answers per request (`n`); servers that give fewer are asked one by one.
        timeout, connect: seconds for a whole response, and for a connection.
        retries: of what may pass.
        stop_after: faults of one cause in a row that stop the run.
        drain: seconds given to requests in flight after Ctrl-C.
        logprobs: ask for log-probabilities, which also give exact token counts.
    """

    key: str = "OPENAI_API_KEY"
    in_flight: int = 16
    choices: int = 8
    timeout: float = 600.0
    connect: float = 10.0
    retries: int = 5
    stop_after: int = 8
    drain: float = 10.0
    logprobs: bool = False

    def __post_init__(self) -> None:
        checks.within(1, 10_000, in_flight=self.in_flight, choices=self.choices)
        checks.within(1, 10**9, stop_after=self.stop_after)
        checks.within(0, 1000, retries=self.retries)
        checks.within(1e-3, 10**7, timeout=self.timeout, connect=self.connect)


@dataclass(slots=True)
class Server:
    """What has been learned of a server; shared by the requests in flight."""

    model: str
    bases: list[str]  # the first that works stays
    style: Style
    line: Line
    single: bool = False  # it gives one choice whatever n says
    answered: bool = False
    stopping: bool = False
    hopeless: bool = False  # `stop_after` faults of one cause since the last answer
    causes: Counter[str] = field(default_factory=Counter)
    # one for each request that was sent and whose reply is not acknowledged yet: what a kill costs
    permits: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))

    @property
    def url(self) -> str:
        """Where requests go."""
        return self.bases[0] + PATHS[self.style.mode]

    @property
    def ending(self) -> bool:
        """Whether nothing more is to be asked."""
        return self.stopping or self.hopeless

    def note(self, fault: Fault | None) -> None:
        """Count faults by cause since the last answer, in the order in which they are put."""
        if fault is None:
            self.causes.clear()
        elif fault.cause != TIMEOUT.cause:
            self.causes[fault.cause] += 1
            self.hopeless |= self.causes[fault.cause] >= self.line.stop_after


def work(loop: asyncio.AbstractEventLoop, server: Server, requests: Any, put: Put) -> None:
    """Ask everything; put Arrivals, then None, or the error that ended it."""
    try:
        loop.run_until_complete(_ask_all(server, requests, put))
        put(None)
    except asyncio.CancelledError:
        put(None)
    except BaseExceptionGroup as group:
        put(group.exceptions[0])
    except BaseException as error:  # raised again in the caller's thread
        put(error)


def cancel(loop: asyncio.AbstractEventLoop) -> None:
    """Give up everything in flight; called inside the loop."""
    for task in asyncio.all_tasks(loop):
        task.cancel()


async def _ask_all(server: Server, requests: Sequence[Request], put: Put) -> None:
    key = os.environ.get(server.line.key, "")
    line = server.line
    server.causes.clear()
    server.hopeless = False
    server.permits = asyncio.Semaphore(line.in_flight)
    async with aiohttp.ClientSession(
        headers={"Authorization": f"Bearer {key}"} if key else {},
        timeout=aiohttp.ClientTimeout(total=line.timeout, sock_connect=line.connect),
        connector=aiohttp.TCPConnector(limit=line.in_flight),
    ) as session:
        units = _units(server, requests)

        async def runner() -> None:
            for request, samples in units:  # shared by all runners: each unit is taken once
                await _ask_unit(_Asker(server, session, key), request, samples, put)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(line.in_flight, sum(r.n for r in requests))):
                group.create_task(runner())


def _units(server: Server, requests: Sequence[Request]) -> Iterator[tuple[Request, range]]:
    """Samples to ask for at once, sized by what is known of the server when it is their turn."""
    for request in requests:
        start, end = request.first, request.first + request.n
        while start < end and not server.ending:
            size = 1 if server.single else server.line.choices
            yield request, range(start, min(end, start + size))
            start += size


@dataclass(frozen=True, slots=True)
class _Asker:
    server: Server
    session: aiohttp.ClientSession
    key: str


async def _ask_unit(asker: _Asker, request: Request, samples: range, put: Put) -> None:
    """Ask until every sample has a reply; each response is put as one Arrival."""
    server = asker.server
    alone = False  # this unit's `n` was refused: ask one by one
    while samples:
        await server.permits.acquire()  # given back by the caller's thread, after each Arrival
        if server.ending:
            return
        n = 1 if alone or server.single else len(samples)
        begin = time.perf_counter()
        got = await _persist(asker, request, samples[:n])
        seconds = time.perf_counter() - begin
        if isinstance(got, Fault):
            if n > 1 and got.cause in ("400", "422"):
                alone = True
                server.permits.release()
                continue
            server.note(got)
            put((_failed(request, samples[:n], got, seconds), got))
            samples = samples[n:]
            continue
        if alone or len(got.choices) < n:
            server.single = True
        replies = [
            Reply(
                request,
                sample,
                c.text,
                c.status,
                c.tokens,
                got.prompt_tokens,
                seconds,
                c.logp,
                c.detail,
            )
            for sample, c in zip(samples[:n], got.choices, strict=False)
        ]
        server.note(None)
        put((replies, None))
        samples = samples[len(replies) :]


def _failed(request: Request, samples: range, fault: Fault, seconds: float) -> list[Reply]:
    status = "timeout" if fault.cause == TIMEOUT.cause else "provider_error"
    return [Reply(request, s, None, status, seconds=seconds, detail=fault.detail) for s in samples]


async def _persist(asker: _Asker, request: Request, samples: range) -> Answered | Fault:
    """One request, with the retries that may help; the wait is the server's wish or a jitter."""
    server = asker.server
    seed = server.style.seed
    if seed is not None:  # each request its own, or every sample of a problem would be equal
        mixed = rng.digest(seed, request.problem.id, samples[0], size=4)
        seed = int.from_bytes(mixed, "big") >> 1
    body = build(server.style, request.problem, model=server.model, n=len(samples), seed=seed)
    if server.line.logprobs:
        body["logprobs"] = True if server.style.mode == "chat" else 1
    raw = json.dumps(body).encode()
    trial = 0
    while True:
        base = server.bases[0]
        got = await _once(asker, raw, len(samples))
        if not isinstance(got, Fault):
            return got
        got = got._replace(detail=got.detail.replace(asker.key or "\0", "[key]"))
        if got.cause == "404" and _moved(server, base):
            continue
        wait = got.wait
        if wait is None:
            wait = random.uniform(0, min(BACKOFF_MOST, BACKOFF * 2**trial))
        if not got.passing or trial >= server.line.retries or wait > PATIENCE or server.ending:
            return got
        trial += 1
        await asyncio.sleep(wait)


def _moved(server: Server, base: str) -> bool:
    """Whether another base URL is to be tried: the URL was given without /v1, and means it."""
    if base == server.bases[0] and len(server.bases) > 1 and not server.answered:
        server.bases.pop(0)
    return base != server.bases[0]


async def _once(asker: _Asker, raw: bytes, asked: int) -> Answered | Fault:
    server = asker.server
    try:
        async with asker.session.post(
            server.url, data=raw, headers={"Content-Type": "application/json"}
        ) as response:
            body = await response.read()
            return read_response(
                response.status, response.headers, body, mode=server.style.mode, asked=asked
            )
    except aiohttp.ConnectionTimeoutError:
        return Fault("connection", f"no connection within {server.line.connect:g} s", True)
    except TimeoutError:
        return TIMEOUT._replace(detail=TIMEOUT.detail.format(timeout=server.line.timeout))
    except (aiohttp.ClientError, OSError) as error:
        return Fault("connection", f"{type(error).__name__}: {error}", True)
