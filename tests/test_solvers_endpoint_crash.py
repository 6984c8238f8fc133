"""Random faults and kill -9: no attempt is lost, and none is counted twice."""

import itertools
import json
import os
import random
import re
import signal
import subprocess
import sys
import time

import pytest
from fake_server import PASSING, Bad, FakeServer

from gradatim.engine.attempt import attempt
from gradatim.families.read import save
from gradatim.store.run import Run
from gradatim.types import Problem

IN_FLIGHT = 32
FAULTS = [bad._replace(headers={}) for name, bad in PASSING.items() if not name.startswith("rate")]
FAULTS += [Bad(429, headers={"Retry-After": "0.01"})]
SCRIPT = """
import json, sys
from gradatim.engine.attempt import attempt
from gradatim.solvers import gate
gate.BACKOFF_MOST = 0.05
file, spec, run, samples, in_flight = sys.argv[1:]
done = attempt(file, solver=spec, samples=int(samples), run=run, in_flight=int(in_flight),
               choices=2, retries=30, timeout=60, probe=False)
print(json.dumps(done))
"""


def flaky(share, seed):
    """A server's behaviour: faults of every kind that may pass, with this probability."""
    draw = random.Random(seed)
    return lambda body, number: draw.choice(FAULTS) if draw.random() < share else None


def numbered():
    """Texts that say which question they answer, each different from all others."""
    serial = itertools.count()

    def text(body, i):
        question = re.search(r"question (\d+)", str(body))[1]
        return f"reply {next(serial)} to {question}. The answer is 42"

    return text


def drive(folder, server, *, problems, samples, kills):
    """Run to the end with so many kills on the way; what the last one said."""
    listed = [
        Problem(id=f"p{i}", prompt=f"question {i}", answer="42", verifier="number")
        for i in range(problems)
    ]
    save(folder / "p.jsonl", listed)
    args = [sys.executable, "-c", SCRIPT, str(folder / "p.jsonl"), f"openai:m@{server.url}"]
    args += [str(folder / "run"), str(samples), str(IN_FLIGHT)]
    for kill in range(kills):
        process = subprocess.Popen(args, stdout=subprocess.DEVNULL)
        target = problems * samples * (kill + 1) // (kills + 1)
        while server.given < target and process.poll() is None:
            time.sleep(0.002)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "it ended before it was killed"
    done = subprocess.run(args, stdout=subprocess.PIPE, check=True, timeout=600)
    return listed, json.loads(done.stdout)


def check(folder, server, *, problems, samples, kills, share):
    server.behave, server.text = flaky(share, seed=kills), numbered()
    listed, done = drive(folder, server, problems=problems, samples=samples, kills=kills)
    total = problems * samples
    assert (done["requested"], done["reused"] + done["made"], done["left"]) == (total, total, 0)
    assert done["finished"] == done["reasons"]["correct"] == total
    with Run(folder / "run").ledger() as ledger:
        assert ledger.integrity_check() == "ok"
        records = list(ledger.attempts())
    # each attempt once, each with an answer of its own to its own question
    assert {(r.problem, r.sample) for r in records} == {
        (p.id, s) for p in listed for s in range(samples)
    }
    assert len(records) == total
    assert len({r.text for r in records}) == total
    assert all(r.text.split(".")[0].endswith(f" to {r.problem[1:]}") for r in records)
    # a kill costs at most what was in flight, two answers each; a body cut off is paid for too
    assert total <= server.given <= total + kills * IN_FLIGHT * 2
    spec = f"openai:m@{server.url}"
    again = attempt(folder / "p.jsonl", solver=spec, samples=samples, run=folder / "run")
    assert (again["reused"], again["made"]) == (total, 0)
    return {
        "requests": len(server.bodies),
        "faults": len(server.bodies) - server.served,
        "paid again": server.given - total,
    }


def test_a_thousand_attempts_with_faults_and_a_kill(tmp_path):
    with FakeServer() as server:
        check(tmp_path, server, problems=250, samples=4, kills=1, share=0.1)


@pytest.mark.slow
def test_ten_thousand_requests_with_faults_and_five_kills(tmp_path):
    with FakeServer() as server:
        told = check(tmp_path, server, problems=4250, samples=4, kills=5, share=0.15)
    assert told["requests"] >= 10_000
    print(told)
