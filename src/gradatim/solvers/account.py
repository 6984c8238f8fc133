"""What was paid to one server, over all sessions of a run: a small file that a kill cannot tear."""

import os
import weakref
from pathlib import Path
from typing import NamedTuple

from gradatim import files
from gradatim.errors import FormatError

WIDTH = 19  # digits of a count, which is below 2^63
NAMES = "requests, tokens read, tokens written\n"


class Paid(NamedTuple):
    """Requests sent, tokens read and written; those in flight at their most."""

    requests: int = 0
    prompt: int = 0
    answer: int = 0


class Account:
    """Counts what is paid; with a file, on top of what earlier sessions paid.

    Every change is one write over the same bytes, so that a process killed at any instant leaves
    all that it counted, and two accounts of one file in a process count together.

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
        self.path = Path(path) if path else None
        self._handle = -1
        self._counted = Paid()
        if self.path is not None and self.path.exists():
            self._open(self.path)
        self.before = self.paid

    @property
    def paid(self) -> Paid:
        """What was paid so far."""
        return self._counted if self._handle < 0 else self._read()

    def add(self, more: Paid) -> None:
        """Count more, or less where something was counted at its most before."""
        if not any(more):
            return
        if self.path is None:
            self._counted = _sum(self._counted, more)
            return
        with files.disk_errors(self.path):
            if self._handle < 0:  # the first request of a run that paid for none yet
                if not self.path.exists():
                    files.write_atomic(self.path, _line(Paid()) + NAMES)
                self._open(self.path)
            line = _line(_sum(self._read(), more)).encode()
            os.lseek(self._handle, 0, os.SEEK_SET)
            os.write(self._handle, line)

    def _open(self, path: Path) -> None:
        with files.disk_errors(path):
            self._handle = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
        weakref.finalize(self, os.close, self._handle)

    def _read(self) -> Paid:
        os.lseek(self._handle, 0, os.SEEK_SET)
        raw = os.read(self._handle, 3 * (WIDTH + 1))
        counts = raw.split()
        if len(counts) != 3 or not all(count.isdigit() for count in counts):
            raise FormatError(
                self.path,
                line=1,
                expected=f"three counts ({NAMES.strip()})",
                got=repr(raw[:40]),
                remedy="delete the file: what earlier sessions paid is then not counted",
            )
        return Paid(*map(int, counts))


def _sum(one: Paid, other: Paid) -> Paid:
    return Paid(*(max(0, a + b) for a, b in zip(one, other, strict=True)))


def _line(paid: Paid) -> str:
    return " ".join(f"{count:>{WIDTH}}" for count in paid) + "\n"
