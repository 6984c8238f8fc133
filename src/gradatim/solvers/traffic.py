"""The requests in flight: one event loop, bounded, with retries; it never decides what they mean.

Runs in a worker thread. Every response, or the lack of one, becomes an Arrival for the caller's
thread: replies, and the fault behind them where there was one.
"""

import asyncio
import contextlib
import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import aiohttp

from gradatim import rng
from gradatim.solvers.gate import NAP, PATIENCE, Gate, jitter
from gradatim.solvers.headers import dry_for
from gradatim.solvers.keys import Hider, read_key
from gradatim.solvers.line import Line
from gradatim.solvers.refusals import HINTS
from gradatim.solvers.turns import Outbox, Permits, Put, patient_collector
from gradatim.solvers.wire import PATHS, Answered, Fault, Style, build, read_response
from gradatim.types import Reply, Request

WHERE = HINTS[404]
_UNBOUNDED = contextlib.nullcontext()
TIMEOUT = "timeout"  # the cause of a fault that is an outcome: the server may have worked
ALONE, ALONE_MOST = 32, 4096  # answers asked for one by one after several at once were too slow


@dataclass(slots=True)
class Server:
    """What has been learned of a server; shared by the requests in flight."""

    model: str
    bases: list[str]  # the first that works stays
    style: Style
    line: Line
    scope: str  # of the names of requests: a run's, or of this process
    single: bool = False  # it gives one choice whatever n says, or refuses n
    alone: int = 0  # answers to be asked for one by one, since several at once took too long
    alone_next: int = 0  # so many the next time; more each time that several are too slow
    passed: str = ""  # what the first base said, where the path was not there
    answered: bool = False
    stopping: bool = False
    unheard: int = 0  # connections that failed before there was any answer
    hopeless: bool = False  # too many faults of one cause since the last answer
    causes: Counter[str] = field(default_factory=Counter)
    longest: int | None = None  # tokens of an answer
    gate: Gate = field(init=False)
    # one for each request that was sent and whose reply is not acknowledged yet: what a kill costs
    permits: Permits = field(default_factory=lambda: Permits(0))

    def __post_init__(self) -> None:
        self.longest = self.style.longest
        self.gate = Gate(self.line, lambda: self.stopping or self.hopeless)

    @property
    def url(self) -> str:
        """Where requests go."""
        return self.bases[0] + PATHS[self.style.mode]

    @property
    def ending(self) -> bool:
        """Whether nothing more is to be asked."""
        return self.stopping or self.hopeless or bool(self.gate.over)

    @property
    def several(self) -> bool:
        """Whether several answers may be asked for in one request."""
        return not (self.single or self.alone)

    def too_slow(self) -> None:
        """Several answers at once did not come in time: for a while one by one, longer each time.

        One slow batch may be the prompt's fault or the moment's, so it is tried again.
        """
        if not self.alone:  # others in flight were sent before this was known
            self.alone = self.alone_next or ALONE
            self.alone_next = min(ALONE_MOST, 2 * self.alone)

    def in_time(self, asked: int) -> None:
        """So many answers were asked for and came in time."""
        if asked > 1:
            self.alone_next = 0
        elif self.alone:
            self.alone -= 1

    def most(self, cause: str) -> int:
        """Faults of a cause in a row that stop the run; slow answers may come in a bunch."""
        return self.line.stop_after + (2 * self.line.in_flight if cause == TIMEOUT else 0)

    def note(self, fault: Fault | None) -> None:
        """Count faults by cause since the last answer, in the order in which they are put."""
        if fault is None:
            self.causes.clear()
        else:
            self.causes[fault.cause] += 1
            self.hopeless |= self.causes[fault.cause] >= self.most(fault.cause)


def work(loop: asyncio.AbstractEventLoop, server: Server, requests: Any, put: Put) -> None:
    """Ask everything; put lists of Arrivals, then None, or the error that ended it."""
    outbox = Outbox(loop, put)
    try:
        with patient_collector():
            loop.run_until_complete(_ask_all(server, requests, outbox))
        outbox.flush()
        put(None)
    except asyncio.CancelledError:
        put(None)
    except BaseExceptionGroup as group:
        outbox.flush()
        put(group.exceptions[0])
    except BaseException as error:  # raised again in the caller's thread
        outbox.flush()
        put(error)


def cancel(loop: asyncio.AbstractEventLoop) -> None:
    """Give up everything in flight; called inside the loop."""
    for task in asyncio.all_tasks(loop):
        task.cancel()


def acknowledge(loop: asyncio.AbstractEventLoop, server: Server, arrivals: int) -> None:
    """So many arrivals are dealt with; called by the caller's thread."""
    permits = server.permits
    permits.acknowledged += arrivals
    loop.call_soon_threadsafe(permits.wake)


async def _ask_all(server: Server, requests: Sequence[Request], put: Outbox) -> None:
    line = server.line
    key = read_key(line.key)
    server.causes.clear()
    server.unheard = 0
    server.hopeless = False
    server.permits = Permits(line.in_flight)
    server.gate.begin()
    async with aiohttp.ClientSession(
        headers={"Content-Type": "application/json"}
        | ({"Authorization": f"Bearer {key}"} if key else {}),
        timeout=aiohttp.ClientTimeout(total=line.timeout, sock_connect=line.connect),
        connector=aiohttp.TCPConnector(limit=line.in_flight),
    ) as session:
        units = _units(server, requests)
        asker = _Asker(server, session, key, Hider(key))

        async def runner() -> None:
            for request, samples in units:  # shared by all runners: each unit is taken once
                await _ask_unit(asker, request, samples, put)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(line.in_flight, sum(r.n for r in requests))):
                group.create_task(runner())


def _units(server: Server, requests: Sequence[Request]) -> Iterator[tuple[Request, range]]:
    """Samples to ask for at once, sized by what is known of the server when it is their turn."""
    for request in requests:
        start, end = request.first, request.first + request.n
        while start < end and not server.ending:
            size = server.line.choices if server.several else 1
            yield request, range(start, min(end, start + size))
            start += size


@dataclass(frozen=True, slots=True)
class _Asker:
    server: Server
    session: aiohttp.ClientSession
    key: str
    hide: Hider


class _Got(NamedTuple):
    """What came of one request after its retries; `seconds` of the last trial."""

    outcome: Answered | Fault
    seconds: float


async def _ask_unit(asker: _Asker, request: Request, samples: range, put: Outbox) -> None:
    """Ask until every sample has a reply; each response is put as one Arrival."""
    server = asker.server
    alone = refused = False  # this unit's `n` took too long, or was refused: ask one by one
    most = len(samples)
    while samples:
        await server.permits.take()  # given back by the caller's thread, after each Arrival
        if server.ending:
            return
        n = min(most, len(samples)) if server.several and not alone else 1
        got = await _persist(asker, request, samples[:n])
        if got is None:  # no more of this size, or no more at all
            if n == 1:
                return
            most = n // 2
            server.permits.give_back()
            continue
        outcome, seconds = got
        if isinstance(outcome, Fault):
            if n > 1 and outcome.cause in ("400", "422", TIMEOUT):  # n may be what is too much
                alone = True
                if outcome.cause == TIMEOUT:
                    server.too_slow()
                else:
                    refused = True
                server.permits.give_back()
                continue
            server.note(outcome)
            put((_failed(request, samples[:n], outcome, seconds), outcome))
            samples = samples[n:]
            continue
        if refused or len(outcome.choices) < n:
            server.single = True
        server.in_time(n)
        replies = _replies(asker.hide, request, samples[:n], got)
        server.note(None)
        put((replies, None))
        samples = samples[len(replies) :]


def _replies(hide: Hider, request: Request, samples: range, got: _Got) -> list[Reply]:
    answered, seconds = got
    assert isinstance(answered, Answered)
    return [
        Reply(
            request,
            sample,
            None if c.text is None else hide(c.text),
            c.status,
            c.tokens,
            answered.prompt_tokens,
            seconds,
            c.logp,
            c.detail,
        )
        for sample, c in zip(samples, answered.choices, strict=False)
    ]


def _failed(request: Request, samples: range, fault: Fault, seconds: float) -> list[Reply]:
    status = "timeout" if fault.cause == TIMEOUT else "provider_error"
    return [Reply(request, s, None, status, seconds=seconds, detail=fault.detail) for s in samples]


async def _persist(asker: _Asker, request: Request, samples: range) -> _Got | None:
    """One request, with the retries that may help; None where it may not be asked."""
    server, n = asker.server, len(samples)
    gate, spending = server.gate, server.gate.spending
    raw, headers = _sent(server, request, samples)
    trial = 0
    while True:
        bound = spending.bound(len(raw), n, server.longest)
        ticket = await gate.enter(bound, least=n == 1)
        if ticket is None:
            return None
        base = server.bases[0]
        begin = time.perf_counter()
        got = await _once(asker, raw, headers, n)
        seconds = time.perf_counter() - begin
        gate.leave(ticket, got, seconds, spending.cost(got, bound, len(raw), n))
        if not isinstance(got, Fault):
            return _Got(got, seconds)
        if WHERE in got.detail and _moved(server, base, got):  # it names no model, no mode
            continue
        if got.cause == "404" and server.passed and not server.answered:
            got = got._replace(detail=f"{got.detail}; {server.passed}")
        tired = trial >= server.line.retries and not gate.breaker.opened
        if got.cause == "connection" and not server.answered:  # nobody listens, as it seems
            server.unheard += 1
            tired |= server.unheard >= server.line.stop_after
        if not got.passing or tired or (got.wait or 0) > PATIENCE:
            return _Got(got._replace(detail=_public(asker, got.detail)), seconds)
        if got.wait is None and got.cause != "429":  # other waits are everybody's: the gate's
            await _nap(server, jitter(trial))
        trial += not gate.breaker.opened


def _sent(server: Server, request: Request, samples: range) -> tuple[bytes, dict[str, str]]:
    """Body and headers of one request; its name is the same each time that it is sent."""
    seed = server.style.seed
    if seed is not None:  # each request its own, or every sample of a problem would be equal
        mixed = rng.digest(seed, request.problem.id, samples[0], size=4)
        seed = int.from_bytes(mixed, "big") >> 1
    body = build(server.style, request.problem, model=server.model, n=len(samples), seed=seed)
    if server.line.logprobs:
        body["logprobs"] = True if server.style.mode == "chat" else 1
    raw = json.dumps(body).encode()
    name = f"{server.scope}\0{request.problem.id}\0{samples[0]}\0".encode("utf-8", "surrogatepass")
    return raw, {"Idempotency-Key": hashlib.blake2b(name + raw, digest_size=16).hexdigest()}


def _public(asker: _Asker, detail: str) -> str:
    """A detail with the key's variable named and the key itself hidden."""
    line = asker.server.line
    return asker.hide(detail).replace("{key}", line.key or "of your key")


def _moved(server: Server, base: str, got: Fault) -> bool:
    """Whether another base URL is to be tried: the URL was given without /v1, and means it."""
    if base == server.bases[0] and len(server.bases) > 1 and not server.answered:
        server.passed = f"{server.url} before it said {got.detail.removesuffix(f'; {WHERE}')}"
        server.bases.pop(0)
    return base != server.bases[0]


async def _nap(server: Server, seconds: float) -> None:
    """Sleep, but not through the end of it all."""
    until = time.monotonic() + seconds
    while not server.ending and (left := until - time.monotonic()) > 0:
        await asyncio.sleep(min(left, NAP))


async def _once(asker: _Asker, raw: bytes, headers: dict[str, str], asked: int) -> Answered | Fault:
    """One exchange; what is used up, by its headers, pauses everybody."""
    server, line = asker.server, asker.server.line
    begin = _UNBOUNDED if line.first_byte is None else asyncio.timeout(line.first_byte)
    begun = False
    try:
        async with begin:
            response = await asker.session.post(
                server.url, data=raw, headers=headers, allow_redirects=False
            )
        begun = True
        async with response:
            body = asker.hide.raw(await response.read())
    except aiohttp.ConnectionTimeoutError:
        return Fault("connection", f"no connection within {line.connect:g} s", True)
    except TimeoutError:
        if isinstance(begin, asyncio.Timeout) and begin.expired():
            return Fault(TIMEOUT, f"no response began within {line.first_byte:g} s", False)
        what = "the response began and stopped: not whole" if begun else "no whole response"
        return Fault(TIMEOUT, f"{what} within {line.timeout:g} s", False)
    except aiohttp.ClientConnectorError as error:
        return Fault("connection", f"{type(error).__name__}: {error}", True)
    except (aiohttp.ClientError, OSError) as error:
        return Fault("lost", f"{type(error).__name__}: {error}", True)
    shown = response.headers
    if dry := dry_for(shown):
        server.gate.pause(dry)
    if asker.key:  # hidden before anything is cut short: half a key is no longer found
        shown = shown.copy()
        for name, value in response.headers.items():
            shown[name] = asker.hide(value)
    return read_response(response.status, shown, body, mode=server.style.mode, asked=asked)
