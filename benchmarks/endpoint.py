"""Throughput of the endpoint solver beside bare aiohttp, against one server, in one run.

    python benchmarks/endpoint.py [--requests 3000] [--in-flight 64] [--latency 0.02]
        [--repeats 5] [--json FILE]

The server is a process of its own that answers every request after `--latency` seconds. `bare` is
aiohttp with as many workers, each posting a ready body and parsing the reply as JSON: no retries,
no checks, nothing kept. `solver` is `openai:` alone: bodies built, replies checked and handed to
the caller's thread. `attempt` is the whole engine: every reply in the ledger, flushed to disk,
graded.
The three take turns; ratios are taken within a repetition, and the median counts.
Target: `solver` and `attempt` at least 80% of `bare`.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time

import aiohttp
from aiohttp import web

from gradatim.engine.attempt import attempt
from gradatim.solvers.registry import open_solver
from gradatim.types import Problem, Request

TARGET = 0.8
TEXT = "The first number is added to the second.\n" * 10 + "The answer is 42"


def serve(latency):
    """Answer after so many seconds, on a free port that is printed first."""

    async def handle(request):
        await request.read()
        await asyncio.sleep(latency)
        choice = {"message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 30, "completion_tokens": 120}
        return web.json_response({"choices": [choice], "usage": usage})

    async def live():
        app = web.Application()
        app.router.add_post("/v1/chat/completions", handle)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        print(site._server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

    asyncio.run(live())


def problems(n):
    return [
        Problem(id=f"p{i}", prompt=f"What is {i} + {42 - i}?" * 4, answer="42", verifier="number")
        for i in range(n)
    ]


def bare(url, n, in_flight):
    """What aiohttp does when nothing else is asked of it."""
    body = {"model": "m", "messages": [{"role": "user", "content": problems(1)[0].prompt}]}
    raw = json.dumps(body | {"max_tokens": 1024, "temperature": 1.0}).encode()

    async def run():
        left = iter(range(n))
        connector = aiohttp.TCPConnector(limit=in_flight)
        headers = {"Content-Type": "application/json"}
        async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

            async def worker():
                for _ in left:
                    async with session.post(f"{url}/v1/chat/completions", data=raw) as response:
                        json.loads(await response.read())

            await asyncio.gather(*(worker() for _ in range(in_flight)))

    asyncio.run(run())


def alone(url, n, in_flight):
    """The solver without an engine."""
    solver = open_solver(f"openai:m@{url}", in_flight=in_flight)
    replies = sum(len(r) for r in solver.answer([Request(p, 0, 1) for p in problems(n)]))
    assert replies == n, replies


def whole(url, n, in_flight):
    """The solver in the engine, with its ledger."""
    with tempfile.TemporaryDirectory() as folder:
        done = attempt(
            problems(n), solver=f"openai:m@{url}", run=folder, in_flight=in_flight, probe=False
        )
    assert done["made"] == done["finished"] == n, done


SIDES = {"bare": bare, "solver": alone, "attempt": whole}


def measure(url, given):
    """Requests a second of each side, by repetition; one small round before warms up."""
    found = {name: [] for name in SIDES}
    for side in SIDES.values():
        side(url, min(given.requests, 200), given.in_flight)
    for _ in range(given.repeats):
        for name, side in SIDES.items():
            begin, spent = time.perf_counter(), time.process_time()
            side(url, given.requests, given.in_flight)
            seconds, cpu = time.perf_counter() - begin, time.process_time() - spent
            found[name].append((given.requests / seconds, 1000 * cpu / given.requests))
    return found


def main():
    """Run and print; exit code 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=3000)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--latency", type=float, default=0.02)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.latency)
        return
    server = subprocess.Popen(
        [sys.executable, __file__, "--serve", "--latency", str(given.latency)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        found = measure(f"http://127.0.0.1:{int(server.stdout.readline())}", given)
    finally:
        server.stdin.close()
        server.stdout.close()
        server.wait(10)
    print(
        f"{given.requests:,} requests, {given.in_flight} in flight, {given.latency * 1000:g} ms "
        f"each at the server, {given.repeats} repetitions"
    )
    ratios, ok = {}, True
    for name, rows in found.items():
        shares = [row[0] / base[0] for row, base in zip(rows, found["bare"], strict=True)]
        ratios[name] = statistics.median(shares)
        speed, cpu = (statistics.median(column) for column in zip(*rows, strict=True))
        missed = "" if ratios[name] >= TARGET else "  MISSED"
        ok &= not missed
        print(
            f"{name:<8} {speed:8,.0f} requests/s  {cpu:.2f} CPU ms each  "
            f"{ratios[name]:5.2f} of bare ({min(shares):.2f} to {max(shares):.2f}){missed}"
        )
    if given.json:
        with open(given.json, "w", encoding="utf-8") as file:
            json.dump({"ratios": ratios, "sides": found, "latency": given.latency}, file)
    raise SystemExit(not ok)


if __name__ == "__main__":
    main()
