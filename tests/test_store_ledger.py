import math
import sqlite3
import subprocess
import sys

import numpy as np
import pytest

from gradatim.errors import ArgumentError, FormatError, StoreError
from gradatim.rng import Stream
from gradatim.store import schema
from gradatim.store.ledger import Ledger
from gradatim.store.rows import (
    PACK_CHARS,
    AttemptRow,
    GradeRow,
    Setting,
    pack,
    prompt_hash,
    rows_of,
    setting_of,
    unpack,
)
from gradatim.types import REASONS, STATUSES, Problem, Reply, Request, Solver

TINY = Setting("tiny", "step-3", '{"temperature":1.0}')


def attempt(problem="p", sample=0, setting=TINY, **more):
    return AttemptRow(problem, prompt_hash("ask " + problem), setting, sample, **more)


def right(verifier="math@1"):
    return GradeRow(verifier, 1.0, True, "4", "correct")


def wrong(verifier="math@1"):
    return GradeRow(verifier, 0.25, False, "5", "wrong")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.sqlite"


def test_rows_come_back_as_they_were(path):
    full = attempt(
        text="2+2 is 4",
        status="truncated",
        tokens=7,
        prompt_tokens=3,
        seconds=0.5,
        created=1e9,
        logp=-1.25,
        step=2,
        propensity=0.75,
        tag="train",
        detail="stop",
    )
    with Ledger(path, write=True) as ledger:
        assert ledger.append([full, attempt(sample=1)], [wrong(), None]) == ([1, 2], 2)
    with Ledger(path) as ledger:
        first, second = ledger.attempts()
        for name in AttemptRow._fields:
            assert getattr(first, name) == getattr(full, name), name
        assert (first.id, first.reward, first.solved) == (1, 0.25, False)
        assert (first.verifier, first.answer, first.reason) == ("math@1", "5", "wrong")
        assert second[-6:] == (None,) * 6
        assert (second.tokens, second.prompt_tokens, second.step, second.logp) == (-1, -1, -1, None)
        assert second.created > 1.7e9  # None means now
        assert len(ledger) == 2


def test_same_key_is_the_same_attempt(path):
    rows = [attempt(sample=i, text=f"t{i}") for i in range(4)]
    with Ledger(path, write=True) as ledger:
        ledger.append(rows[:2], [right(), None])
        # two are there; one of the new ones comes twice; a stored reply keeps its own grade
        again = [rows[1]._replace(text="other"), rows[3], rows[2], rows[3], rows[0]]
        assert ledger.append(again, [wrong()] * 5) == ([2, 3, 4, 3, 1], 2)
        assert [(r.sample, r.text, r.reason) for r in ledger.attempts()] == [
            (0, "t0", "correct"),
            (1, "t1", None),
            (3, "t3", "wrong"),
            (2, "t2", "wrong"),
        ]
        assert ledger.append(rows).made == 0
        assert ledger.append([]) == ([], 0)


@pytest.mark.parametrize(
    "other",
    [
        attempt("q"),
        attempt(sample=1),
        attempt()._replace(prompt=prompt_hash("another prompt")),
        attempt(setting=TINY._replace(solver="sim:2pl")),
        attempt(setting=TINY._replace(policy="step-4")),
        attempt(setting=TINY._replace(params="{}")),
    ],
)
def test_each_part_of_the_key_counts(path, other):
    with Ledger(path, write=True) as ledger:
        assert ledger.append([attempt(), other]).made == 2


def test_have_is_by_setting_problem_and_prompt(path):
    with Ledger(path, write=True) as ledger:
        changed = attempt("a", 5)._replace(prompt=prompt_hash("new wording"))
        ledger.append([attempt("a", 0), attempt("a", 2), attempt("b", 1), changed])
        ledger.append([attempt("a", 9, setting=Setting("other"))])
        assert ledger.have(TINY) == {"a": {0, 2, 5}, "b": {1}}
        assert ledger.have(TINY, {"a": prompt_hash("ask a")}) == {"a": {0, 2}}
        assert ledger.have(TINY, {"a": prompt_hash("new wording"), "c": "0"}) == {"a": {5}}
        assert ledger.have(Setting("nobody")) == {}


def test_a_regrade_is_a_new_row_and_the_newest_counts(path):
    with Ledger(path, write=True) as ledger:
        ids = ledger.append([attempt(sample=i) for i in range(3)], [right(), wrong(), None]).ids
        assert [r.id for r in ledger.attempts(ungraded="math@1")] == ids[2:]
        assert [r.id for r in ledger.attempts(ungraded="math@2")] == ids
        assert ledger.grade([wrong("math@2")._replace(attempt=i) for i in ids]) == 3
        assert ledger.grade([right("math@2")._replace(attempt=i) for i in ids]) == 0
        assert [(r.verifier, r.solved) for r in ledger.attempts()] == [("math@2", False)] * 3
        assert ledger.query("SELECT COUNT(*) FROM grade") == [(5,)]
        with pytest.raises(ArgumentError, match=r"id of this ledger \(1\.\.3\), got 4"):
            ledger.grade([right()._replace(attempt=4)])


@pytest.mark.parametrize(
    ("row", "grade", "message"),
    [
        (attempt(status="lost"), None, "`status` must be one of finished, .*'lost'"),
        (attempt(sample=-1), None, "sample >= 0"),
        (attempt(), right()._replace(reason="corect"), "did you mean 'correct'"),
        (attempt(), right()._replace(reward=1.5), "reward BETWEEN 0 AND 1"),
        (attempt(), right()._replace(reward=math.nan), "NOT NULL constraint failed: grade.reward"),
        (attempt("\ud800")._replace(prompt="0"), None, "must be Unicode text"),
    ],
)
def test_a_bad_row_refuses_the_whole_batch(path, row, grade, message):
    with Ledger(path, write=True) as ledger:
        ledger.append([attempt("kept")])
        new = attempt("other", setting=Setting("first seen in the bad batch"))
        with pytest.raises(ArgumentError, match=message):
            ledger.append([new, row], [None, grade])
        assert len(ledger) == 1
        assert ledger.append([new]) == ([2], 1)  # its names and numbers were undone
        assert [r.setting.solver for r in ledger.attempts()][1] == new.setting.solver
        assert ledger.integrity_check() == "ok"


class Interrupting:
    """A number that is interrupted when it is looked at, as by Ctrl-C."""

    def __ge__(self, other):
        raise KeyboardInterrupt


def test_an_interrupt_inside_a_batch_stores_none_of_it(path):
    with Ledger(path, write=True) as ledger:
        fresh = attempt("first seen in the cut batch")
        with pytest.raises(KeyboardInterrupt):
            ledger.append([fresh, attempt(tokens=Interrupting())])
        assert len(ledger) == 0
        assert ledger.append([attempt("other"), fresh]) == ([1, 2], 2)
        assert [r.problem for r in ledger.attempts()] == ["other", fresh.problem]


def test_grades_must_be_as_many_as_attempts(path):
    with (
        Ledger(path, write=True) as ledger,
        pytest.raises(ArgumentError, match=r"as many as `attempts` \(1\), got 2"),
    ):
        ledger.append([attempt()], [right(), right()])


def test_hostile_text_survives(path):
    texts = ["", None, "\0nul", "\ud800 lone", "\u2028", "naïve 漢字 🙂", "x" * (PACK_CHARS + 5)]
    texts += ["after the long one", "\x1b[31m<script>", "\\boxed{\\frac{1}{2}}"]
    rows = [attempt(sample=i, text=t, detail="\udfff") for i, t in enumerate(texts)]
    grades = [right()._replace(answer=None if t is None else t[:30]) for t in texts]
    with Ledger(path, write=True) as ledger:
        ledger.append(rows, grades)
        assert [r.text for r in ledger.attempts()] == texts
        answers = [r.answer for r in ledger.attempts(text=False)]
        assert answers[2] == "\0nul"
        assert answers[3] == "\\ud800 lone"  # in columns a lone surrogate is kept as an escape


def test_short_replies_are_packed_together():
    stream = Stream(0, "texts")
    texts = [str(stream.below(1000)) for _ in range(256)]
    (first, n, blob), *rest = pack(1, texts)
    assert (first, n, rest) == (1, 256, [])
    assert unpack(blob) == texts
    assert len(blob) < 256 * 5  # a row of its own would cost more than that in bookkeeping
    assert list(pack(1, [None, None])) == []
    halves = list(pack(5, ["x" * (PACK_CHARS - 1), "yy", "z"]))
    assert [(first, n) for first, n, _ in halves] == [(5, 2), (7, 1)]


def test_numpy_numbers_are_numbers(path):
    row = attempt(sample=np.int64(3), tokens=np.int32(5), logp=np.float32(-0.5), step=np.int64(1))
    with Ledger(path, write=True) as ledger:
        ledger.append([row], [GradeRow("v", np.float32(1), np.bool_(True), reason="correct")])
        (back,) = ledger.attempts()
        assert (back.sample, back.tokens, back.logp, back.solved) == (3, 5, -0.5, True)


def test_filters(path):
    with Ledger(path, write=True) as ledger:
        other = Setting("other")
        ledger.append([
            attempt("a", 0, step=1, tag="train"),
            attempt("a", 1, step=2, tag="eval", status="timeout"),
            attempt("b", 0, step=3, tag="train", setting=other),
            attempt("it's", 0, step=4, setting=other._replace(policy="7")),
        ])

        def ids(**filters):
            return [r.id for r in ledger.attempts(**filters)]

        assert ids(solver="tiny") == [1, 2]
        assert ids(solver=["other", "x"], policy="") == [3]
        assert ids(problem=("b", "it's")) == [3, 4]
        assert ids(status="timeout") == ids(tag="eval") == ids(step=2) == [2]
        assert ids(step=(2, 3)) == [2, 3]
        assert ids(after=2) == [3, 4]
        assert ids(solver=None, problem=[]) == []
        assert ledger.statuses(tag="train")["requested"] == 2
        with pytest.raises(ArgumentError, match=r"no 'stat' .*did you mean"):
            ids(stat="timeout")


def test_paging_misses_and_doubles_nothing(path):
    n = 5000  # over two pages
    with Ledger(path, write=True) as ledger:
        ledger.append([attempt(str(i), text=str(i)) for i in range(n)])
        records = ledger.attempts()
        first = next(records)
        ledger.append([attempt("late")])  # a writer goes on while a reader is inside
        rest = list(records)
        assert [r.id for r in (first, *rest)] == list(range(1, n + 2))
        assert all(r.text == r.problem for r in rest[:-1])


def test_only_inserts(path):
    with Ledger(path, write=True) as ledger:
        ledger.append([attempt(text="t")], [right()])
    link = sqlite3.connect(path)
    for table in ("attempt", "grade", "reply"):
        with pytest.raises(sqlite3.IntegrityError, match="the ledger only inserts"):
            link.execute(f"DELETE FROM {table}")
    with pytest.raises(sqlite3.IntegrityError, match="the ledger only inserts"):
        link.execute("UPDATE grade SET solved = 0")
    link.close()


def test_plain_sqlite_can_read_it(path):
    with Ledger(path, write=True) as ledger:
        ledger.append([attempt(status="truncated")], [right()])
    link = sqlite3.connect(path)
    row = link.execute("SELECT problem, solver, status, solved, reason FROM attempts").fetchone()
    link.close()
    assert row == ("p", "tiny", "truncated", 1, "correct")


def test_codes_on_disk_are_for_ever():
    # numbers in files of version 1: appending to these lists is fine, reordering is not
    assert STATUSES[:4] == ("finished", "truncated", "timeout", "provider_error")
    assert REASONS[:4] == ("correct", "wrong", "unparsed", "abstained")
    assert REASONS[4:6] == ("verifier_timeout", "verifier_error")


def test_durability_settings(path):
    with Ledger(path, write=True) as ledger:
        assert ledger.query("PRAGMA journal_mode") == [("wal",)]
        assert ledger.query("PRAGMA synchronous") == [(2,)]  # FULL


def test_a_reader_does_not_write(path):
    Ledger(path, write=True).close()
    with Ledger(path) as ledger:
        with pytest.raises(StoreError, match="open for reading"):
            ledger.append([attempt()])
        with pytest.raises(StoreError, match="readonly"):
            ledger.query("INSERT INTO verifier VALUES (1, 'x')")


@pytest.mark.parametrize("write", [False, True])
def test_newer_version_is_refused_and_left_alone(path, write):
    Ledger(path, write=True).close()
    link = sqlite3.connect(path)
    link.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    link.close()
    before = path.read_bytes()
    with pytest.raises(FormatError, match=r"ledger\.sqlite.*version 1 or older.*version 2.*pip"):
        Ledger(path, write=write)
    assert path.read_bytes() == before


@pytest.mark.parametrize("write", [False, True])
def test_what_is_no_ledger_is_refused(tmp_path, write):
    text = tmp_path / "text.sqlite"
    text.write_text("not a database, but long enough to have a header " * 40)
    with pytest.raises(FormatError, match="not a database"):
        Ledger(text, write=write)
    foreign = tmp_path / "foreign.sqlite"
    link = sqlite3.connect(foreign)
    link.execute("CREATE TABLE mine (x)")
    link.close()
    with pytest.raises(FormatError, match="another program"):
        Ledger(foreign, write=write)


def test_missing_and_empty_files(tmp_path):
    with pytest.raises(FormatError, match="nothing of that name"):
        Ledger(tmp_path / "none.sqlite")
    assert list(tmp_path.iterdir()) == []  # looking created nothing
    empty = tmp_path / "empty.sqlite"
    empty.touch()  # a creation that was cut short
    with pytest.raises(FormatError, match="an empty file"):
        Ledger(empty)
    with Ledger(empty, write=True) as ledger:
        assert len(ledger) == 0
    with pytest.raises(StoreError, match="cannot write"):
        Ledger(empty / "below" / "ledger.sqlite", write=True)


def test_rows_of_a_solver(path):
    problem = Problem(id="p1", prompt="2+2?", answer="4")
    solver = Solver(
        name="f", policy="7", params={"b": 1, "a": [2]}, answer=lambda requests: iter(())
    )
    request = Request(problem, 0, 2)
    replies = [Reply(request, i, f"r{i}", "finished", tokens=i, seconds=0.1) for i in (0, 1)]
    rows = rows_of(solver, replies, step=4, tag="train")
    assert rows[0].setting == setting_of(solver) == Setting("f", "7", '{"a":[2],"b":1}')
    assert {r.prompt for r in rows} == {prompt_hash("2+2?")}
    with Ledger(path, write=True) as ledger:
        ledger.append(rows)
        assert [(r.text, r.tokens, r.step, r.tag) for r in ledger.attempts()] == [
            ("r0", 0, 4, "train"),
            ("r1", 1, 4, "train"),
        ]


def test_every_outcome_is_counted(path):
    n = dict(zip(STATUSES, (40, 7, 5, 3), strict=True))
    rows = [attempt(s, i, status=s) for s in STATUSES for i in range(n[s])]
    grades = [right() if r.status == "finished" and r.sample % 2 else None for r in rows]
    with Ledger(path, write=True) as ledger:
        ledger.append(rows, grades)
        found = ledger.statuses()
    assert found["requested"] == 55 == sum(found[s] for s in STATUSES)
    assert {s: found[s] for s in STATUSES} == n
    assert (found["graded"], found["ungraded"]) == (20, 27)  # 20 finished and 7 truncated
    assert found["reasons"] == {"correct": 20}


def test_have_reads_a_hundred_thousand_rows(path):
    with Ledger(path, write=True) as ledger:
        ledger.append([attempt(f"p{i // 20}", i % 20) for i in range(100_000)])
        found = ledger.have(TINY)
        assert len(found) == 5000
        assert all(samples == set(range(20)) for samples in found.values())


def test_a_forked_worker_cannot_write(path):
    code = """
import os, sys
from gradatim.store.ledger import Ledger
from gradatim.store.rows import AttemptRow, Setting
ledger = Ledger(sys.argv[1], write=True)
child = os.fork()
if not child:
    try:
        ledger.append([AttemptRow("p", "0", Setting("s"), 0)])
    except RuntimeError as error:
        ledger.close()
        os._exit(7 if "workers hand their batches back" in str(error) else 1)
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert ledger.append([AttemptRow("p", "0", Setting("s"), 0)]).made == 1
"""
    subprocess.run([sys.executable, "-c", code, str(path)], check=True, timeout=60)
