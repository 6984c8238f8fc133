"""What was paid to one server, over all sessions of a run: a small file that a kill cannot tear."""

import os
import weakref
from pathlib import Path
from typing import NamedTuple

from gradatim import files
from gradatim.errors import FormatError, StoreError

NAMES = "requests, tokens read, tokens written\n"


class Paid(NamedTuple):
    """Requests sent, tokens read and written; those in flight at their most."""

    requests: int = 0
    prompt: int = 0
    answer: int = 0


class Account:
    """Counts what is paid; with a file, on top of what earlier sessions paid.

    Every change is one write over the same bytes, so that a process killed at any instant leaves
    all that it counted. Accounts of one file in a process count together.

    Attributes:
        before: what was paid when it was opened.

    Raises:
        FormatError: the file is damaged.
        StoreError: it cannot be written.

    >>> account = Account()
    >>> account.add(Paid(1, 30, 40)), account.add(Paid(0, -10, -30)), account.paid
    (None, None, Paid(requests=1, prompt=20, answer=10))
    """

    def __init__(self, path: str | Path = "") -> None:
        self._book = _Book(None) if not path else _shared(Path(path).resolve())
        self.before = self.paid

    @property
    def paid(self) -> Paid:
        """What was paid so far."""
        return self._book.paid

    def add(self, more: Paid, *, later: bool = False) -> None:
        """Count more, or less where something was counted at its most before.

        Args:
            more: a request that goes, or what one that came back cost less than its most.
            later: the file may wait for the next change, and say too much until then.
        """
        if any(more):
            self._book.paid = _sum(self._book.paid, more)
            if not later and self._book.path is not None:
                self._book.write(self._book.path)


class _Book:
    """The counts of one file, or of none; the file is made at the first request."""

    def __init__(self, path: Path | None) -> None:
        self.path, self.handle, self.paid = path, -1, Paid()
        if path is not None and path.exists():
            self._open(path)
            self.paid = _read(path)

    def write(self, path: Path) -> None:
        if self.handle < 0:
            files.write_atomic(path, _line(self.paid) + NAMES)
            self._open(path)
            return
        try:
            os.lseek(self.handle, 0, os.SEEK_SET)
            os.write(self.handle, _line(self.paid).encode())
        except OSError as error:
            raise StoreError(f"cannot write {path}: {error.strerror or error}") from error

    def _open(self, path: Path) -> None:
        with files.disk_errors(path):
            self.handle = os.open(path, os.O_WRONLY | getattr(os, "O_BINARY", 0))
        weakref.finalize(self, os.close, self.handle)


_BOOKS: weakref.WeakValueDictionary[Path, _Book] = weakref.WeakValueDictionary()


def _shared(path: Path) -> _Book:
    """The book of a file: one for all accounts of it, or they would write over each other."""
    book = _BOOKS.get(path)
    if book is None or (book.handle >= 0 and not path.exists()):  # a run that was deleted
        book = _BOOKS[path] = _Book(path)
    return book


def _read(path: Path) -> Paid:
    line = files.read_text(path).partition("\n")[0]
    counts = line.split()
    if len(counts) != 3 or not all(count.isdigit() for count in counts):
        raise FormatError(
            path,
            line=1,
            expected=f"three counts ({NAMES.strip()})",
            got=repr(line[:40]),
            remedy="delete the file: what earlier sessions paid is then not counted",
        )
    return Paid(*map(int, counts))


def _sum(one: Paid, other: Paid) -> Paid:
    # written out, as is the line: this runs twice a request, in the thread that asks
    requests, prompt, answer = one[0] + other[0], one[1] + other[1], one[2] + other[2]
    if requests < 0 or prompt < 0 or answer < 0:
        return Paid(max(0, requests), max(0, prompt), max(0, answer))
    return Paid(requests, prompt, answer)


def _line(paid: Paid) -> str:
    # counts are below 2^63: one width, so that each line takes the place of the one before
    return f"{paid.requests:19} {paid.prompt:19} {paid.answer:19}\n"
