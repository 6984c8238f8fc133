"""Crash safety: kill -9, two writers, full disks, failures at every step of a file's switch."""

import contextlib
import errno
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from gradatim import files
from gradatim.errors import StoreError
from gradatim.store.ledger import Ledger
from gradatim.store.rows import AttemptRow, GradeRow, Setting

SETTING = Setting("paid", "1")
BATCH = 400
PER_PROBLEM = 50
# the scripts below import this file; none of them may leave byte code behind
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": str(Path(__file__).parent),
    "PYTHONDONTWRITEBYTECODE": "1",
}


def attempt(number):
    problem, sample = divmod(number, PER_PROBLEM)
    return AttemptRow(f"p{problem}", "0", SETTING, sample, text=f"reply {number}")


def grade(number):
    return GradeRow("v@1", float(number % 3 == 0), number % 3 == 0, reason="correct")


# -- kill -9 ----------------------------------------------------------------------------------

# Forks a writer again and again and kills it at random moments; it runs in its own process, since
# a fork of a test runner with threads is not safe. The writer notes in `log`, in one write each,
# what it pays for (P first last) and what was acknowledged (A first last).
KILLER = """
import os, random, signal, sys, time
from gradatim.store import segments
from gradatim.store.run import Run
from test_store_crash import BATCH, PER_PROBLEM, SETTING, attempt, grade

folder, log, kills, total = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
Run(folder)

def write(opened):
    note = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    with Run(folder).ledger(write=True, every=1000) as ledger:
        os.write(opened, b"x")
        there = ledger.have(SETTING)
        todo = [i for i in range(total)
                if i % PER_PROBLEM not in there.get(f"p{i // PER_PROBLEM}", ())]
        for start in range(0, len(todo), BATCH):
            part = todo[start:start + BATCH]
            os.write(note, f"P {','.join(map(str, part))}\\n".encode())
            ledger.append([attempt(i) for i in part], [grade(i) for i in part])
            os.write(note, f"A {','.join(map(str, part))}\\n".encode())

draw = random.Random(7)
for i in range(kills + 1):
    ready, opened = os.pipe()
    child = os.fork()
    if not child:
        write(opened)
        os._exit(0)
    os.close(opened)
    if i < kills:
        if i % 3:  # a third of the kills may fall into the opening, the others come after it
            os.read(ready, 1)
        time.sleep(draw.uniform(0, 0.03))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        if os.path.exists(folder + "/ledger.sqlite"):
            with Run(folder).ledger() as ledger:  # a reader finds a whole ledger after each kill
                assert ledger.integrity_check() == "ok"
                found = segments.table(ledger, folder + "/segments", columns=["id"])
                assert found.num_rows == len(ledger)
    else:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    os.close(ready)
"""


def kill_and_resume(tmp_path, kills, total):
    """Run the killer, then check every promise against its log."""
    log, folder = tmp_path / "log", tmp_path / "run"
    subprocess.run(
        [sys.executable, "-c", KILLER, str(folder), str(log), str(kills), str(total)],
        check=True,
        timeout=120,
        env=ENVIRONMENT,
    )
    acknowledged, paid = set(), 0
    for line in log.read_text().splitlines():
        kind, _, numbers = line.partition(" ")
        batch = [int(n) for n in numbers.split(",")]
        if kind == "P":
            assert acknowledged.isdisjoint(batch), "paid for again after it was acknowledged"
            paid += len(batch)
        else:
            acknowledged.update(batch)
    # a batch in flight at a kill may be paid again, at most one for each kill
    assert total <= paid <= total + kills * BATCH
    with Ledger(folder / "ledger.sqlite") as ledger:
        assert ledger.integrity_check() == "ok"
        rows = {r.text: (r.problem, r.sample, r.solved) for r in ledger.attempts()}
        assert len(rows) == len(ledger) == total
        for i in range(total):
            assert rows[f"reply {i}"] == (*attempt(i)[:1], attempt(i).sample, i % 3 == 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_thirty_kills_lose_nothing_and_pay_nothing_twice(tmp_path):
    kill_and_resume(tmp_path, kills=30, total=40_000)


# -- the lock ---------------------------------------------------------------------------------

HOLD = """
import sys, time
from gradatim.store.ledger import Ledger
from gradatim.store.rows import AttemptRow, Setting
with Ledger(sys.argv[1], write=True) as ledger:
    ledger.append([AttemptRow("held", "0", Setting("s"), 0)])
    print("ready", flush=True)
    time.sleep(60)
"""


@contextlib.contextmanager
def held(path):
    """Another process that holds the ledger."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout.readline() == "ready\n"
        yield holder
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()


def test_two_writers_and_takeover_of_a_killed_one(tmp_path):
    path = tmp_path / "run" / "ledger.sqlite"
    with held(path) as holder:
        with pytest.raises(StoreError) as error:
            Ledger(path, write=True)
        line = str(error.value)
        assert f"process {holder.pid} on host {socket.gethostname()} since 20" in line
        assert "\n" not in line
        with Ledger(path) as reader:  # readers are not in the way
            assert len(reader) == 1
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        assert json.loads(path.with_suffix(".lock").read_text())["pid"] == holder.pid
        with Ledger(path, write=True) as ledger:  # by itself, at once
            assert ledger.append([attempt(1)]).ids == [2]
    assert path.with_suffix(".lock").read_text() == ""


def test_two_writers_in_one_process(tmp_path):
    path = tmp_path / "ledger.sqlite"
    with Ledger(path, write=True) as ledger:
        with pytest.raises(StoreError, match=f"process {os.getpid()}"):
            Ledger(path, write=True)
        ledger.append([attempt(1)])  # the first one is unharmed
    Ledger(path, write=True).close()


def test_a_lock_of_another_host_is_not_taken(tmp_path):
    path = tmp_path / "ledger.sqlite"
    lock = path.with_suffix(".lock")
    lock.write_text('{"pid": 7, "host": "elsewhere", "since": "2026-01-01 00:00:00"}')
    with pytest.raises(StoreError, match=f"process 7 on another host, elsewhere.*delete {lock}"):
        Ledger(path, write=True)
    lock.unlink()
    Ledger(path, write=True).close()
    lock.write_text('{"pid": 7, "ho')  # torn by a crash: the kernel says that nobody holds it
    Ledger(path, write=True).close()


# -- readers beside a writer ------------------------------------------------------------------

WRITE = """
import sys
from gradatim.store.run import Run
from test_store_crash import attempt, grade
with Run(sys.argv[1]).ledger(write=True, every=1000) as ledger:
    print("ready", flush=True)
    for start in range(0, 20_000, 100):
        part = range(start, start + 100)
        ledger.append([attempt(i) for i in part], [grade(i) for i in part])
"""


def test_readers_while_a_writer_writes(tmp_path):
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITE, str(tmp_path / "run")],
        stdout=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    assert writer.stdout.readline() == "ready\n"
    seen = []
    while writer.poll() is None:
        with Ledger(tmp_path / "run" / "ledger.sqlite") as reader:
            counts = reader.statuses()
            assert counts["requested"] == counts["graded"]  # a batch and its grades come at once
            assert counts["requested"] % 100 == 0  # never a part of a batch
            seen.append(counts["requested"])
            texts = [r.text for r in reader.attempts(after=max(0, seen[-1] - 50))]
            assert None not in texts
    writer.stdout.close()
    assert writer.returncode == 0
    assert seen == sorted(seen)
    with Ledger(tmp_path / "run" / "ledger.sqlite") as reader:
        assert reader.statuses()["requested"] == 20_000


# -- full disk --------------------------------------------------------------------------------

# a limit on the size of a file is what a full disk looks like to SQLite: a write that fails
FULL = """
import json, resource, sys
from gradatim.errors import StoreError
from gradatim.store.run import Run
from test_store_crash import attempt, grade

hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), hard))
acknowledged, errors = [], []
try:
    with Run(sys.argv[1]).ledger(write=True, every=500) as ledger:
        for round in range(2):
            for start in range(0, 100_000, 100):
                part = range(start, start + 100)
                if start in acknowledged:
                    continue
                try:
                    ledger.append([attempt(i) for i in part], [grade(i) for i in part])
                    acknowledged.append(start)
                except StoreError as error:
                    errors.append(str(error))
                    break
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]) + 400_000, hard))
except StoreError as error:
    errors.append(str(error))
print(json.dumps([acknowledged, errors]))
"""


@pytest.mark.parametrize("limit", [0, 5_000, 40_000, 300_000, 1_000_000])
def test_a_full_disk_is_one_line_and_loses_nothing(tmp_path, limit):
    pytest.importorskip("resource")
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "run"), str(limit)],
        capture_output=True,
        text=True,
        check=True,
        env=ENVIRONMENT,
    )
    acknowledged, errors = json.loads(done.stdout)
    assert errors
    assert all("\n" not in line and str(tmp_path / "run") in line for line in errors)
    if limit < 300_000:  # no room even to begin
        assert not acknowledged
    else:
        assert len(errors) == 2  # room again: the same ledger went on, until it was full again
        assert len(acknowledged) > 5
    path = tmp_path / "run" / "ledger.sqlite"
    with Ledger(path, write=True) as ledger:
        assert ledger.integrity_check() == "ok"
        there = {r.text for r in ledger.attempts()}
        for start in acknowledged:
            assert {f"reply {i}" for i in range(start, start + 100)} <= there
        assert len(there) % 100 == 0  # batches are there as a whole, or not at all
        ledger.append([attempt(i) for i in range(100)])


# -- write_atomic -----------------------------------------------------------------------------


class Failing:
    """The n-th call of any wrapped function fails; the others are done."""

    def __init__(self, n):
        self.left = n

    def wrap(self, function):
        def call(*args, **kwargs):
            self.left -= 1
            if self.left == 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            return function(*args, **kwargs)

        return call


@pytest.mark.parametrize("old", [None, "old state"])
def test_a_failure_at_every_step_leaves_the_old_or_the_new_file(tmp_path, monkeypatch, old):
    path = tmp_path / "file.json"
    for n in range(1, 20):
        if old is not None:
            path.write_text(old)
        else:
            path.unlink(missing_ok=True)
        failing = Failing(n)
        open_file = os.fdopen

        def fdopen(*args, open_file=open_file, failing=failing, **kwargs):
            file = failing.wrap(open_file)(*args, **kwargs)
            raw = file.raw
            file.detach()
            return Buffered(raw, failing)

        with monkeypatch.context() as patch:
            patch.setattr(os, "fdopen", fdopen)
            for name in ("fsync", "replace", "chmod", "open"):
                patch.setattr(os, name, failing.wrap(getattr(os, name)))
            error = None
            try:
                files.write_atomic(path, "new state")
            except StoreError as caught:
                error = str(caught)
        now = path.read_text() if path.exists() else None
        assert now in (old, "new state")
        assert [p.name for p in tmp_path.iterdir()] == ([path.name] if now is not None else [])
        if error is None:
            assert now == "new state"
            break
        assert error == f"cannot write {path}: No space left on device"
    assert n > 8  # open, fdopen, write, flush, fsync, chmod, replace, and the folder's


class Buffered:
    """A file whose writes and flushes can fail."""

    def __init__(self, raw, failing):
        self._raw = raw
        self.write = failing.wrap(raw.write)
        self.flush = failing.wrap(raw.flush)
        self.fileno = raw.fileno

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._raw.close()
