"""Replies on their way into the ledger: raw text first, and one flush for two batches' worth."""

import pytest

from gradatim.engine import intake
from gradatim.engine.intake import Intake
from gradatim.engine.tally import Tally
from gradatim.errors import ArgumentError, SolverError
from gradatim.solvers.function import from_function
from gradatim.store.ledger import Ledger
from gradatim.types import Problem, Reply, Request, Verdict

SOLVER = from_function(lambda prompt: "42", name="given")


def batches(*sizes, status="finished"):
    """Lists of replies of so many each, every one to a question of its own."""
    first = 0
    for size in sizes:
        problems = [
            Problem(id=f"p{i}", prompt=f"question {i}", answer="42", verifier="exact")
            for i in range(first, first + size)
        ]
        yield [Reply(Request(p, 0, 1), 0, "42", status, tokens=3) for p in problems]
        first += size


class Counting(Ledger):
    """Notes what each flush to disk holds: attempts, grades."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.flushes = []

    def append(self, attempts, grades=None, *, earlier=()):
        self.flushes.append((len(attempts), len(earlier)))
        return super().append(attempts, grades, earlier=earlier)

    def grade(self, grades):
        self.flushes.append((0, len(grades)))
        return super().grade(grades)


@pytest.fixture
def ledger(tmp_path):
    with Counting(tmp_path / "ledger.sqlite", write=True) as opened:
        yield opened


def reasons(ledger):
    return [record.reason for record in ledger.attempts()]


def test_batches_one_upon_another_take_one_flush_each(ledger):
    tally = Tally()
    Intake(ledger, SOLVER, tally, most=9).drain(batches(2, 3, 1, 3))
    # the first is graded at once, since nobody knows yet how fast they come; so is the last
    assert ledger.flushes == [(2, 0), (0, 2), (3, 0), (1, 3), (3, 1), (0, 3)]
    assert (tally.made, tally.tokens, tally.cells) == (9, 27, {("finished", "correct"): 9})
    assert reasons(ledger) == ["correct"] * 9


def test_a_batch_with_none_behind_it_is_graded_at_once(ledger, monkeypatch):
    monkeypatch.setattr(intake, "HURRY", 0.0)
    Intake(ledger, SOLVER, Tally()).drain(batches(2, 1))
    assert ledger.flushes == [(2, 0), (0, 2), (1, 0), (0, 1)]


def test_every_reply_is_on_disk_before_it_is_graded(ledger, monkeypatch):
    graded = []

    def look(problem, text):
        with Ledger(ledger.path) as reader:  # another connection sees only what is committed
            assert [r.text for r in reader.attempts(problem=problem.id)] == [text]
        graded.append(problem.id)
        return Verdict(1.0, True, text, "correct")

    monkeypatch.setattr(intake, "check", look)
    Intake(ledger, SOLVER, Tally()).drain(batches(3, 3, 3))
    assert graded == [f"p{i}" for i in range(9)]


@pytest.mark.parametrize("error", [SolverError("gone"), KeyboardInterrupt()])
def test_what_waits_for_its_grade_gets_it_when_the_stream_breaks(ledger, error):
    def broken():
        yield from batches(2, 3)
        raise error

    tally = Tally()
    with pytest.raises(type(error)):
        Intake(ledger, SOLVER, tally).drain(broken())
    assert reasons(ledger) == ["correct"] * 5
    assert tally.cells == {("finished", "correct"): 5}


def test_a_grade_that_breaks_a_rule_does_not_cost_the_replies_after_it(ledger, monkeypatch):
    verdicts = iter([1.0, 7.0])
    monkeypatch.setattr(
        intake, "check", lambda problem, text: Verdict(next(verdicts, 1.0), True, text, "correct")
    )
    with pytest.raises(ArgumentError, match="reward BETWEEN 0 AND 1"):
        Intake(ledger, SOLVER, Tally()).drain(batches(1, 1, 1))
    assert [r.text for r in ledger.attempts()] == ["42"] * 3
    assert reasons(ledger) == ["correct", None, None]


def test_timeouts_are_counted_and_not_graded(ledger):
    tally = Tally()
    Intake(ledger, SOLVER, tally).drain(batches(1, 2, status="timeout"))
    assert tally.cells == {("timeout", None): 3}
    assert reasons(ledger) == [None] * 3


def test_grades_given_with_later_attempts_must_be_of_stored_ones(ledger):
    Intake(ledger, SOLVER, Tally()).drain(batches(1))
    unknown = intake.grade_row(next(batches(1))[0].request.problem, "42", 2)
    with pytest.raises(ArgumentError, match=r"id of this ledger \(1\.\.1\), got 2"):
        ledger.append([], earlier=[unknown])
    assert ledger.append([], earlier=[unknown._replace(attempt=1, verifier="new@1")]).made == 0
    assert {r.verifier for r in ledger.attempts()} == {"new@1"}
