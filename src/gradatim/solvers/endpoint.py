"""`openai:MODEL@URL`: any OpenAI-compatible server, many requests in flight.

An event loop in a worker thread asks; the caller's thread iterates over batches of replies, of
all responses that are there, so that what was paid for is acknowledged as it arrives. Faults that
may pass (408, 409, 429, 5xx, lost connections, garbled bodies) are retried with full jitter;
others are not. A fault, or a response that did not come in time, is held back until the server has
answered something again and is well: then it belongs to its request, as a provider error or a
timeout. `stop_after` of one cause in a row are the set-up's fault, and the run stops with nothing
recorded against any problem.
"""

import asyncio
import queue
import re
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, asdict, fields
from typing import Any
from urllib.parse import urlsplit

from gradatim import checks, files
from gradatim.errors import ArgumentError, SolverError
from gradatim.solvers.keys import read_key, refuse_keys
from gradatim.solvers.line import Line
from gradatim.solvers.traffic import TIMEOUT, Server, acknowledge, cancel, work
from gradatim.solvers.turns import Arrival
from gradatim.solvers.wire import OF_REQUEST, OF_SERVER, Fault, Style, render
from gradatim.types import Problem, Reply, Request, Solver

OPTIONS = {
    f.name: {} if f.default is MISSING else f.default
    for record in (Style, Line)
    for f in fields(record)
}


def parse_target(argument: str | None) -> tuple[str, list[str]]:
    """Model and base URLs to try, from MODEL@URL; URL with or without /v1.

    >>> parse_target("org/model@http://localhost:8000/")
    ('org/model', ['http://localhost:8000/v1', 'http://localhost:8000'])
    """
    match = re.fullmatch(r"(.+?)@(https?://.+)", argument or "")
    if not match:
        raise ArgumentError(
            f"`solver` must look like openai:MODEL@http://HOST:PORT, got openai:{argument or ''}"
        )
    model, url = match[1], match[2]
    parts = urlsplit(url)
    if parts.username or parts.password or parts.query:
        raise ArgumentError(
            "`solver` must not carry a key in its URL: put it in the environment variable "
            "OPENAI_API_KEY (option `key` names another)"
        )
    base = re.sub(r"(/chat)?/completions$", "", url.rstrip("/")).rstrip("/")
    if re.search(r"/v\d+\w*$", base):
        return model, [base]
    return model, [f"{base}/v1", base]


def open_endpoint(argument: str | None, **options: Any) -> Solver:
    """Open `openai:MODEL@URL`.

    Args:
        argument: MODEL@URL.
        options: fields of `wire.Style` (they are the solver's params) and of `Line`.

    Raises:
        ArgumentError: a bad target, option or value.

    >>> open_endpoint("m@http://localhost:1", temperature=0).params["temperature"]
    0
    """
    model, bases = parse_target(argument)
    style, line = split_options(options)
    return endpoint(model, bases, style=style, line=line, name=f"openai:{model}@{bases[0]}")


def split_options(options: dict[str, Any]) -> tuple[Style, Line]:
    """Options by the record they belong to."""
    checks.known_keys("solver 'openai'", options, OPTIONS)
    ours = {f.name for f in fields(Line)}
    return (
        Style(**{k: v for k, v in options.items() if k not in ours}),
        Line(**{k: v for k, v in options.items() if k in ours}),
    )


def endpoint(
    model: str, bases: list[str], *, style: Style, line: Line, name: str, policy: str = ""
) -> Solver:
    """A solver around a server at the first of `bases` that knows the path."""
    if style.longest is None and (line.max_tokens_total is not None or line.max_cost is not None):
        raise ArgumentError(
            "`max_tokens_total` and `max_cost` need `max_tokens`: without it nobody knows what a "
            "request may cost"
        )
    if style.body:
        refuse_keys(style.body, read_key(line.key))
    # without a scope nothing outlives this process, and no two runs share an answer
    server = Server(model, bases, style, line, scope=line.scope or secrets.token_hex(8))

    def close() -> None:
        server.stopping = True

    def answer(requests: Sequence[Request]) -> Iterator[list[Reply]]:
        server.stopping = False
        return _answer(server, requests)

    def prompt(problem: Problem) -> str:
        sent = render(style, problem)
        return sent if isinstance(sent, str) else files.dumps(sent)

    return Solver(
        name=name,
        answer=answer,
        policy=policy,
        params=params(style),
        prompt=prompt,
        close=close,
        report=server.gate.report,
    )


def params(style: Style) -> dict[str, Any]:
    """What is hashed into the ledger's key: every field that is set."""
    unset = (None, "", (), [], {})
    return {k: v for k, v in asdict(style).items() if v not in unset}


# -- the caller's thread ----------------------------------------------------------------------


def _answer(server: Server, requests: Sequence[Request]) -> Iterator[list[Reply]]:
    """Batches as they arrive; what failed while the server was ill is asked once more."""
    again: list[Request] = []
    yield from _ask(server, requests, again)
    if again:
        server.stopping = False
        yield from _ask(server, again, [], once_more=True)


def _ask(
    server: Server, requests: Sequence[Request], again: list[Request], *, once_more: bool = False
) -> Iterator[list[Reply]]:
    """Batches as they arrive; at Ctrl-C or a failure, also what arrives within `drain` seconds."""
    arrivals: queue.SimpleQueue[list[Arrival] | BaseException | None] = queue.SimpleQueue()
    loop = asyncio.new_event_loop()
    worker = threading.Thread(
        target=work,
        args=(loop, server, requests, arrivals.put),
        name="gradatim endpoint",
        daemon=True,
    )
    worker.start()
    held = _Held(server, None if once_more else again)
    pulled: list[Arrival] = []
    deadline = float("inf")
    ended: BaseException | None = None
    try:
        while True:
            try:  # one frame waits and yields, so that an interrupt is met here wherever it falls
                if not pulled and not _pull(arrivals, pulled, deadline):
                    break
                replies, taken, failure = _judge(server, held, pulled)
                del pulled[:taken]
                if failure is not None:  # what is in flight is paid for, what is held is nobody's
                    held.faults.clear()
                    ended, deadline = failure, _stop(server, loop)
                if replies:
                    yield replies
                acknowledge(loop, server, taken)
            except KeyboardInterrupt as interrupt:
                if server.stopping:
                    raise
                ended, deadline = interrupt, _stop(server, loop)
        if ended is not None:
            raise ended
        if replies := _last(server, held):
            yield replies
    finally:
        server.stopping = True
        if worker.is_alive():
            loop.call_soon_threadsafe(cancel, loop)
        worker.join()
        loop.close()


def _stop(server: Server, loop: asyncio.AbstractEventLoop) -> float:
    """Ask nothing more; until when what is in flight may still arrive."""
    server.stopping = True
    # who waits for a permit sees that all is over, also where an interrupt met the giving back
    acknowledge(loop, server, server.line.in_flight)
    return time.monotonic() + server.line.drain


def _pull(
    arrivals: "queue.SimpleQueue[list[Arrival] | BaseException | None]",
    pulled: list[Arrival],
    deadline: float,
) -> bool:
    """Move all arrivals that are there, at least one; False when there will be none in time."""
    while time.monotonic() < deadline:
        try:
            arrival = arrivals.get(timeout=0.5)
            while isinstance(arrival, list):
                pulled += arrival
                arrival = arrivals.get_nowait()
        except queue.Empty:
            if pulled:
                return True
            continue
        if pulled:
            arrivals.put(arrival)  # the end comes after what came before it
            return True
        if arrival is not None:
            raise arrival
        return False
    return False


class _Held:
    """Faults until it is clear whose they are; in the order in which they came."""

    def __init__(self, server: Server, again: list[Request] | None) -> None:
        self.server, self.again = server, again
        self.faults: list[tuple[list[Reply], Fault, int]] = []
        self.row: Counter[str] = Counter()

    def add(self, replies: list[Reply], fault: Fault) -> int:
        """Hold one; how many of its cause came since the last answer."""
        self.faults.append((replies, fault, self.server.gate.breaker.epoch))
        self.row[fault.cause] += 1
        return self.row[fault.cause]

    def answered(self) -> list[Reply]:
        """An answer came: what was held until then belongs to its requests, if all is well."""
        self.row.clear()
        return self.free() if self.faults and self.server.gate.breaker.well else []

    def free(self) -> list[Reply]:
        """Give them to their requests; not the server's own, nor those just before a pause.

        Those are asked once more; the server's own stay here where they were, and unrecorded.
        """
        epoch = self.server.gate.breaker.epoch
        freed: list[Reply] = []
        kept: list[tuple[list[Reply], Fault, int]] = []
        for replies, fault, then in self.faults:
            of_server = fault.cause in OF_SERVER
            if self.again is not None and (of_server or (fault.passing and then != epoch)):
                self.again += [Request(r.request.problem, r.sample, 1) for r in replies]
            elif of_server:
                kept.append((replies, fault, then))
            else:
                freed += replies
        self.faults = kept
        return freed


def _judge(
    server: Server, held: _Held, arrivals: Sequence[Arrival]
) -> tuple[list[Reply], int, SolverError | None]:
    """Pass answers on; hold faults back until it is clear whose fault they are.

    Returns:
        Replies to acknowledge, how many arrivals were looked at, and what ends the run.
    """
    replies: list[Reply] = []
    for number, (came, fault) in enumerate(arrivals, start=1):
        if fault is None:
            server.answered = True
            replies += came
            replies += held.answered()
        elif server.stopping:  # a request that we gave up is nobody's fault
            continue
        elif held.add(came, fault) >= server.most(fault.cause):
            return replies, number, _failure(server, fault, held.row[fault.cause])
    return replies, len(arrivals), None


def _last(server: Server, held: _Held) -> list[Reply]:
    """What is still held when all have come back; what is the server's fault ends the run."""
    if server.gate.over == "errors":
        raise SolverError(
            f"{server.url}: {server.gate.breaker.report()}, also after pauses; what was answered "
            "is kept, and the same command resumes"
        )
    if not held.faults:
        return []
    faults = [fault for _, fault, _ in held.faults]
    fault = next((f for f in faults if f.cause in OF_SERVER), faults[-1])
    of_server = fault.cause not in (*OF_REQUEST, TIMEOUT)
    if of_server and (fault.cause in OF_SERVER or not server.answered):
        raise _failure(server, fault, len(held.faults))
    return held.free()


def _failure(server: Server, fault: Fault, times: int) -> SolverError:
    advice = ""
    if fault.cause == TIMEOUT:
        advice = "; raise `timeout`, or ask for fewer at once (`in_flight`)"
    elif fault.cause == "connection" and not server.answered:
        advice = "; start the server, or check host and port"
    return SolverError(
        f"{server.url} gave no answer {times} times in a row (it may do so up to `stop_after` "
        f"{server.line.stop_after} times): {fault.detail}{advice}; "
        "the same command resumes"
    )
