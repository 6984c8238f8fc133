"""`openai:MODEL@URL`: any OpenAI-compatible server, many requests in flight.

An event loop in a worker thread asks; the caller's thread iterates over batches of replies, one
batch per response, so that what was paid for is acknowledged as it arrives. Faults that may pass
(408, 409, 429, 5xx, lost connections, garbled bodies) are retried with full jitter; others are
not. A fault is held back until the server has answered something again: then it belongs to its
request and is a provider error; `stop_after` of one cause in a row are the set-up's fault, and the
run stops with nothing recorded against any problem.
"""

import asyncio
import queue
import re
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, asdict, fields
from typing import Any
from urllib.parse import urlsplit

from gradatim import checks, files
from gradatim.errors import ArgumentError, SolverError
from gradatim.solvers.traffic import TIMEOUT, Arrival, Line, Server, cancel, work
from gradatim.solvers.wire import OF_REQUEST, Fault, Style, render
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
    server = Server(model, bases, style, line)

    def close() -> None:
        server.stopping = True

    def answer(requests: Sequence[Request]) -> Iterator[list[Reply]]:
        server.stopping = False
        return _answer(server, requests)

    def prompt(problem: Problem) -> str:
        sent = render(style, problem)
        return sent if isinstance(sent, str) else files.dumps(sent)

    return Solver(
        name=name, answer=answer, policy=policy, params=params(style), prompt=prompt, close=close
    )


def params(style: Style) -> dict[str, Any]:
    """What is hashed into the ledger's key: every field that is set."""
    unset = (None, "", (), [], {})
    return {k: v for k, v in asdict(style).items() if v not in unset}


# -- the caller's thread ----------------------------------------------------------------------


def _answer(server: Server, requests: Sequence[Request]) -> Iterator[list[Reply]]:
    """Batches as they arrive; after Ctrl-C, what was in flight and arrives within `drain` s."""
    arrivals: queue.SimpleQueue[Arrival | BaseException | None] = queue.SimpleQueue()
    loop = asyncio.new_event_loop()
    worker = threading.Thread(
        target=work,
        args=(loop, server, requests, arrivals.put),
        name="gradatim endpoint",
        daemon=True,
    )
    worker.start()
    held: list[tuple[list[Reply], Fault]] = []
    deadline = float("inf")
    try:
        while True:
            try:  # one frame waits and yields, so that an interrupt is met here wherever it falls
                arrival = _next(arrivals, deadline)
                if arrival is None:
                    break
                yield from _judge(server, held, arrival)
                loop.call_soon_threadsafe(server.permits.release)
            except KeyboardInterrupt:
                if server.stopping:
                    raise
                server.stopping = True
                deadline = time.monotonic() + server.line.drain
        if deadline < float("inf"):
            raise KeyboardInterrupt
        yield from _last(server, held)
    finally:
        server.stopping = True
        if worker.is_alive():
            loop.call_soon_threadsafe(cancel, loop)
        worker.join()
        loop.close()


def _next(arrivals: queue.SimpleQueue, deadline: float) -> Arrival | None:
    """The next arrival; None when the worker has ended, or at the deadline."""
    while time.monotonic() < deadline:
        try:
            arrival = arrivals.get(timeout=0.5)
        except queue.Empty:
            continue
        if isinstance(arrival, BaseException):
            raise arrival
        return arrival
    return None


def _judge(
    server: Server, held: list[tuple[list[Reply], Fault]], arrival: Arrival
) -> list[list[Reply]]:
    """Pass answers on; hold faults back until it is clear whose fault they are."""
    replies, fault = arrival
    if fault is None:
        server.answered = True
        freed = [replies, *(kept for kept, _ in held)]
        held.clear()
        return freed
    if server.stopping:  # a request that we gave up is nobody's fault
        return []
    if fault.cause == TIMEOUT.cause:
        return [replies]
    held.append((replies, fault))
    if sum(f.cause == fault.cause for _, f in held) >= server.line.stop_after:
        raise _failure(server, fault, len(held))
    return []


def _last(server: Server, held: list[tuple[list[Reply], Fault]]) -> list[list[Reply]]:
    """What is still held when all have come back."""
    if held and not server.answered and held[-1][1].cause not in OF_REQUEST:
        raise _failure(server, held[-1][1], len(held))
    return [replies for replies, _ in held]


def _failure(server: Server, fault: Fault, times: int) -> SolverError:
    detail = fault.detail.replace("{key}", server.line.key)
    return SolverError(
        f"{server.url} gave no answer {times} times in a row (it may do so up to `stop_after` "
        f"{server.line.stop_after} times): {detail}; the same command resumes"
    )
