"""The ledger: every attempt and grade of a run, kept once, acknowledged after it is on disk.

One process writes (`Ledger(path, write=True)` holds `ledger.lock`); any number read. `append` is
one transaction, flushed to disk before it returns (WAL, synchronous=FULL). The ledger only
inserts. Our code never has two read-write connections on one file, which SQLite before 3.51.3
needs; readers open the file read-only.
"""

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gradatim.errors import ArgumentError, GradatimError, StoreError, nearest
from gradatim.files import disk_errors
from gradatim.store import counting, links, lock, reading
from gradatim.store.rows import AttemptRow, GradeRow, Receipt, Record, Setting, pack, storable
from gradatim.types import REASONS, STATUSES, Responses

_STATUS = {name: code for code, name in enumerate(STATUSES)}
_REASON = {name: code for code, name in enumerate(REASONS)}
# names the key: a plain OR IGNORE would also drop rows that break any other rule
_UNLESS_THERE = "ON CONFLICT (setting, question, sample) DO NOTHING"
_UNLESS_GRADED = "ON CONFLICT (attempt, verifier) DO NOTHING"
_FIND = "SELECT id FROM attempt WHERE setting = ? AND question = ? AND sample = ?"
BLOCKS = (64, 32, 16, 8, 4, 2, 1)  # rows of a statement; SQLite once took 999 values, 14 a row


class Ledger:
    """A ledger file, open for reading or as its one writer; a context manager.

    Args:
        path: the file; with `write=True` it is created where missing.
        write: take the writer's lock.
        closed: called after a write, each time that `every` more attempts are in (it exports
            segments), and on closing.

    Raises:
        StoreError: another writer lives, or the folder cannot be written.
        FormatError: missing (reading), of a newer version, or no ledger.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        write: bool = False,
        closed: "Callable[[Ledger], None] | None" = None,
        every: int = 50_000,
    ) -> None:
        self.path = Path(path)
        self._lock: int | None = None
        self._process = os.getpid()
        self._closed, self._every, self._wrote = closed, every, False
        if write:
            with disk_errors(self.path):
                self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = lock.take(self.path.with_suffix(".lock"))
        try:
            with reading.store_errors(self.path):
                self._link = links.open_writer(self.path) if write else links.open_reader(self.path)
                if write:
                    self._remember()
        except BaseException:
            self._release()
            raise

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and give the lock back; safe to call twice."""
        if os.getpid() == self._process:
            if self._lock is not None:
                self._close_segments()
            self._link.close()
        self._release()

    def _close_segments(self) -> None:
        if self._closed is not None and self._wrote:
            # segments are made from the ledger and can be made later: their failure must not
            # make an acknowledged batch look lost
            with contextlib.suppress(GradatimError):
                self._closed(self)
            self._wrote = False

    def _release(self) -> None:
        if self._lock is not None:
            lock.give_back(self._lock)
            self._lock = None

    # -- writing ------------------------------------------------------------------------------

    def append(
        self,
        attempts: Sequence[AttemptRow],
        grades: Sequence[GradeRow | None] | None = None,
        *,
        earlier: Sequence[GradeRow] = (),
    ) -> Receipt:
        """Insert attempts, and their grades where given, as one transaction.

        A row whose key is there already is not stored again, nor is the grade that came with it:
        the stored reply keeps its own. When this returns, the rows are on disk.

        Args:
            attempts: any number; 256 or more at a time are fastest.
            grades: as many, None where an attempt is not graded yet.
            earlier: grades of attempts that are stored already, as for `grade`.

        Raises:
            ArgumentError: a row that breaks a rule; nothing of the batch is stored.
            StoreError: the disk failed or is full; nothing of the batch is stored.
        """
        if grades is not None and len(grades) != len(attempts):
            raise ArgumentError(
                f"`grades` must be as many as `attempts` ({len(attempts)}), got {len(grades)}"
            )
        self._check_stored(earlier)
        if not attempts and not earlier:
            return Receipt([], 0)
        with self._transaction():
            rows = self._attempt_rows(attempts)
            ids, fresh = self._insert(rows)
            if len(fresh) == len(attempts):
                texts = [a.text for a in attempts]
            else:
                texts = [attempts[i].text for i in fresh]
            self._insert_all("reply", list(pack(self._next, texts)))
            pairs = [(row.attempt, row) for row in earlier]
            if grades is not None:
                pairs += [(ids[i], g) for i in fresh if (g := grades[i]) is not None]
            self._insert_grades(pairs)
        before, self._next = self._next, self._next + len(fresh)
        self._wrote = True
        if (before - 1) // self._every < (self._next - 1) // self._every:
            self._close_segments()
        return Receipt(ids, len(fresh))

    def grade(self, grades: Sequence[GradeRow]) -> int:
        """Add grades to stored attempts; returns how many are new (one per verifier version)."""
        self._check_stored(grades)
        with self._transaction():
            made = self._insert_grades([(row.attempt, row) for row in grades])
        self._wrote = True
        return made

    def _check_stored(self, grades: Sequence[GradeRow]) -> None:
        for row in grades:
            if not 0 < row.attempt < self._next:
                raise ArgumentError(
                    f"`attempt` of a grade must be an id of this ledger (1..{self._next - 1}), "
                    f"got {row.attempt}"
                )

    def _attempt_rows(self, attempts: Sequence[AttemptRow]) -> list[tuple]:
        self._name("setting", self._settings, {a.setting for a in attempts})
        self._name("question", self._questions, {(a.problem, a.prompt) for a in attempts})
        settings, questions, now = self._settings, self._questions, time.time()
        try:
            return [
                (
                    number,
                    settings[a.setting],
                    questions[a.problem, a.prompt],
                    int(a.sample),
                    _STATUS[a.status],
                    int(a.tokens) if a.tokens >= 0 else None,
                    int(a.prompt_tokens) if a.prompt_tokens >= 0 else None,
                    float(a.seconds),
                    now if a.created is None else float(a.created),
                    None if a.logp is None else float(a.logp),
                    int(a.step) if a.step >= 0 else None,
                    None if a.propensity is None else float(a.propensity),
                    storable(a.tag),
                    storable(a.detail),
                )
                for number, a in enumerate(attempts, start=self._next)
            ]
        except KeyError as error:
            raise _unknown("status", error, STATUSES) from None

    def _insert(self, rows: list[tuple]) -> tuple[list[int], Sequence[int]]:
        """Ids of all rows, and which of them are new; new ones get consecutive ids."""
        link = self._link
        link.execute("SAVEPOINT rows")
        if self._insert_all("attempt", rows, _UNLESS_THERE) == len(rows):
            return [row[0] for row in rows], range(len(rows))
        link.execute("ROLLBACK TO rows")
        ids: list[int] = []
        fresh: list[int] = []
        for i, row in enumerate(rows):
            found = link.execute(_FIND, row[1:4]).fetchone()
            if found is None:
                found = (self._next + len(fresh),)
                self._insert_all("attempt", [(*found, *row[1:])])
                fresh.append(i)
            ids.append(found[0])
        return ids, fresh

    def _insert_grades(self, pairs: Sequence[tuple[int, GradeRow]]) -> int:
        self._name("verifier", self._verifiers, {(g.verifier,) for _, g in pairs})
        verifiers = self._verifiers
        try:
            rows = [
                (
                    attempt,
                    verifiers[g.verifier,],
                    float(g.reward),
                    int(g.solved),
                    storable(g.answer),
                    _REASON[g.reason],
                )
                for attempt, g in pairs
            ]
        except KeyError as error:
            raise _unknown("reason", error, REASONS) from None
        return self._insert_all("grade", rows, _UNLESS_GRADED)

    def _name(self, table: str, known: dict[Any, int], wanted: Iterable[tuple]) -> None:
        """Give new names a small number; they are kept only when the transaction commits."""
        new = sorted(n for n in wanted if n not in known)
        for name in new:
            known[name] = len(known) + 1
        try:
            self._insert_all(table, [(known[name], *name) for name in new])
        except UnicodeEncodeError as error:
            raise ArgumentError(f"a {table} must be Unicode text, got {error.object!r}") from None

    def _insert_all(self, table: str, rows: Sequence[tuple], unless: str = "") -> int:
        """Insert rows in few statements; how many are new.

        Each statement gives the interpreter's lock away, and a thread that asks a server takes it:
        one a row would have the writer wait as often.
        """
        made = start = 0
        for size in BLOCKS:
            while len(rows) - start >= size:
                block = rows[start : start + size]
                marks = ", ".join([f"({', '.join('?' * len(block[0]))})"] * size)
                sql = f"INSERT INTO {table} VALUES {marks} {unless}"
                made += self._link.execute(sql, [v for row in block for v in row]).rowcount
                start += size
        return made

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        if self._lock is None:
            raise StoreError(f"{self.path} is open for reading: use Ledger(path, write=True)")
        if os.getpid() != self._process:
            raise StoreError(
                f"{self.path} was opened by process {self._process}: only that one writes; "
                "workers hand their batches back"
            )
        try:
            with reading.store_errors(self.path):
                self._link.execute("BEGIN IMMEDIATE")
                yield
                self._link.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                if self._link.in_transaction:
                    self._link.execute("ROLLBACK")
                self._remember()
            raise

    def _remember(self) -> None:
        """Read the numbers of names from the file: at the start, and after a failed write."""
        read = self._link.execute
        self._settings = {Setting(*name): number for number, *name in read("SELECT * FROM setting")}
        self._questions = {(p, h): n for n, p, h in read("SELECT * FROM question")}
        self._verifiers = {(name,): n for n, name in read("SELECT * FROM verifier")}
        self._next = 1 + (read("SELECT MAX(id) FROM attempt").fetchone()[0] or 0)

    # -- reading ------------------------------------------------------------------------------

    def __len__(self) -> int:
        with reading.store_errors(self.path):
            return self._link.execute("SELECT MAX(id) FROM attempt").fetchone()[0] or 0

    def have(
        self, setting: Setting, prompts: Mapping[str, str] | None = None
    ) -> dict[str, set[int]]:
        """Samples that exist, by problem, for one setting: what need not be paid again.

        Args:
            setting: from `rows.setting_of(solver)`.
            prompts: problem id -> prompt hash; only attempts on that prompt count, and only
                these problems. None: any problem, any prompt.
        """
        with reading.store_errors(self.path):
            return reading.have(self._link, setting, prompts)

    def attempts(self, *, text: bool = True, **filters: object) -> Iterator[Record]:
        """Attempts in order of arrival, each with its newest grade and, if asked, its text.

        Args:
            text: unpack the replies.
            **filters: solver, policy, tag, status, problem (each a name or several), step
                (a number or (first, last)), after (an id), ungraded (a verifier: only attempts
                that it has not graded).
        """
        with reading.store_errors(self.path):
            yield from reading.attempts(self._link, text=text, filters=filters)

    def counts(self, **filters: object) -> counting.Counts:
        """Sums per problem, setting, status and reason; filters as for `attempts`."""
        with reading.store_errors(self.path):
            return reading.counts(self._link, filters)

    def responses(
        self,
        *,
        outcomes: Mapping[str, str] | None = None,
        score: str = "solved",
        label: counting.Label | None = None,
        **filters: object,
    ) -> Responses:
        """Counts of solved attempts per problem and solver; see `counting.responses`."""
        return counting.responses(
            self.counts(**filters), outcomes=outcomes, score=score, label=label
        )

    def statuses(self, **filters: object) -> dict[str, object]:
        """How many attempts there are of each status and reason; see `counting.statuses`."""
        return counting.statuses(self.counts(**filters))

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[tuple]:
        """Rows of any SELECT; the view `attempts` has everything with its names."""
        with reading.store_errors(self.path):
            return self._link.execute(sql, values).fetchall()

    def integrity_check(self) -> str:
        """SQLite's own check of the whole file: "ok", or what it found."""
        with reading.store_errors(self.path):
            return str(self._link.execute("PRAGMA integrity_check").fetchone()[0])


def _unknown(what: str, error: KeyError, names: Sequence[str]) -> ArgumentError:
    got = str(error.args[0])
    return ArgumentError(
        f"`{what}` must be one of {', '.join(names)}; got {got!r}{nearest(got, names)}"
    )
