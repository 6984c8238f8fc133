"""What a solver answers, on its way into the ledger: raw text first, then its grade.

Every batch is on disk before any reply in it is graded. Where batches come one upon another, the
grades of one are flushed together with the raw text of the next, one flush for both: a solver that
waits for its batch to be acknowledged is waited for half as long, and asks on while we grade.
"""

import contextlib
import time
from collections.abc import Callable, Generator, Iterator, Sequence

from gradatim.engine.tally import GRADED, Outcome, Tally
from gradatim.errors import ArgumentError, SolverError
from gradatim.families.verify import check
from gradatim.store.ledger import Ledger
from gradatim.store.rows import GradeRow, rows_of
from gradatim.types import Problem, Reply, Solver

HURRY = 0.05  # seconds: when the next batch comes sooner than this, grades wait for the one after


def verifier_name(problem: Problem) -> str:
    """The ledger's name of what grades a problem: a new version grades anew."""
    return f"{problem.verifier}@{problem.version}"


def grade_row(problem: Problem, text: str | None, number: int) -> GradeRow:
    """The verdict on a stored text, as a row; `number` is the ledger's id of its attempt."""
    reward, solved, answer, reason = check(problem, text)
    return GradeRow(verifier_name(problem), reward, solved, answer, reason, number)


class Intake:
    """Stores, grades and counts batches of replies.

    Args:
        ledger: open for writing.
        solver: whose replies they are.
        tally: counts every reply: `made` when it is stored, its outcome when it is graded.
        most: so many are the last; 0 where that is not known.
        told: called after each batch.
    """

    def __init__(
        self,
        ledger: Ledger,
        solver: Solver,
        tally: Tally,
        *,
        most: int = 0,
        told: Callable[[], None] = lambda: None,
    ) -> None:
        self._ledger, self._solver, self._tally = ledger, solver, tally
        self._most, self._told = most, told
        self._stored: list[tuple[Reply, int]] = []  # with its id; not graded yet
        self._done = float("-inf")  # when the last batch was done with
        self._hurry = HURRY

    def drain(self, stream: Iterator[list[Reply]]) -> None:
        """Take every batch; at Ctrl-C also those that the solver still has in flight.

        Raises:
            SolverError: the solver gave up, or answered an attempt twice; all else is kept.
        """
        replies: list[Reply] = []
        try:
            for replies in stream:
                self.take(replies)
            self.settle()
        except KeyboardInterrupt:
            self._hurry = 0.0  # nothing waits any more
            with contextlib.suppress(SolverError):
                self.take(replies)  # storing again what is stored changes nothing
            if isinstance(stream, Generator):
                with contextlib.suppress(KeyboardInterrupt, StopIteration):
                    replies = stream.throw(KeyboardInterrupt)
                    while True:
                        self.take(replies)
                        replies = next(stream)
            raise
        except SolverError:
            self.settle()
            raise

    def take(self, replies: Sequence[Reply]) -> None:
        """Store a batch; grade it now, or with the next one where that follows at once."""
        if not replies:
            return
        hurried = time.monotonic() - self._done < self._hurry
        self._store(replies)
        if not hurried or self._tally.made == self._most:
            self.settle()
        self._told()
        self._done = time.monotonic()

    def settle(self) -> None:
        """Grade what is stored and not graded yet."""
        if self._stored:
            grades = self._grades()
            self._ledger.grade(grades)
            self._count(grades)

    def _store(self, replies: Sequence[Reply]) -> None:
        """Raw replies on disk, and the grades of those before them."""
        rows, grades = rows_of(self._solver, replies), self._grades()
        try:
            receipt = self._ledger.append(rows, earlier=grades)
        except ArgumentError:  # a grade that breaks a rule must not cost the replies after it
            self._ledger.append(rows)
            raise
        self._count(grades)
        if receipt.made != len(replies):
            raise SolverError(
                f"{self._solver.name} answered an attempt twice, or one that was not asked for"
            )
        self._stored = list(zip(replies, receipt.ids, strict=True))
        self._tally.made += len(replies)
        self._tally.tokens += sum(max(0, reply.tokens) for reply in replies)

    def _grades(self) -> list[GradeRow]:
        return [
            grade_row(reply.request.problem, reply.text, number)
            for reply, number in self._stored
            if reply.status in GRADED
        ]

    def _count(self, grades: Sequence[GradeRow]) -> None:
        reasons = iter(grades)
        done, self._stored = self._stored, []
        self._tally.add(
            Outcome(r.status, next(reasons).reason if r.status in GRADED else None, r.detail)
            for r, _ in done
        )
