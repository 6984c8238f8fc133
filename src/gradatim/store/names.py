"""Names and scores as files write them: what can go wrong with either, in one clear line."""

import math
import operator
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gradatim.errors import ArgumentError, FormatError, nearest

MOST = 2**53  # counts above it have no exact float

_WORDS = {"true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0}


class Wanted(NamedTuple):
    """What is asked of a log: names of scores, one for each file, and the range of 0 to 1."""

    scores: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 1.0


class Names:
    """Names to numbers in order of appearance, with what can go wrong with names."""

    def __init__(self, path: str | Path, field: str) -> None:
        self._path, self._field = path, field
        self._numbers: dict[str, str] = {}  # names that are whole numbers, by digits
        self.kind: type | None = None
        self.codes: dict[str, int] = {}

    def code(self, value: Any, line: int | None) -> int:
        """The name's number; ids must be all text or all whole numbers."""
        kind = int if isinstance(value, int) and not isinstance(value, bool) else type(value)
        if kind not in (int, str) or value == "":
            raise self._error(line, "a name (text or a whole number)", repr(value))
        if self.kind not in (None, kind):
            raise self._error(
                line,
                f"{'whole numbers' if self.kind is int else 'texts'}, as on the lines before",
                repr(value),
                "write all ids the same way",
            )
        self.kind = kind
        name = str(value)
        if name not in self.codes and (number := digits(name)) is not None:
            other = self._numbers.setdefault(number, name)
            if other != name:
                raise self._error(
                    line, f"one spelling of each number, as {other!r} before", repr(name)
                )
        return self.codes.setdefault(name, len(self.codes))

    def _error(self, line: int | None, expected: str, got: str, remedy: str = "") -> FormatError:
        return FormatError(
            self._path, line=line, field=self._field, expected=expected, got=got, remedy=remedy
        )


def digits(name: str) -> str | None:
    """The digits that count of a name that is a whole number; None for other names.

    >>> digits("007"), digits("7a")
    ('7', None)
    """
    return (name.lstrip("0") or "0") if name.isascii() and name.isdigit() else None


def number(value: Any, path: str | Path, line: int | None, field: str) -> float:
    """A finite number: also "1", "True", true.

    Raises:
        FormatError: NaN, an infinity, or no number.
    """
    try:
        found = _WORDS.get(value.strip().lower()) if isinstance(value, str) else None
        found = float(value) if found is None else found
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not math.isfinite(found):
        blank = isinstance(value, str) and not value.strip()
        raise FormatError(
            path,
            line=line,
            field=field,
            expected="a finite number",
            got=repr(value),
            remedy="leave out rows without one, or write 0 where that is meant" if blank else "",
        )
    return found


def scaled(
    value: float, path: str | Path, line: int | None, field: str, *, wanted: Wanted
) -> float:
    """A score mapped to [0, 1] from the range that was declared for it.

    Raises:
        FormatError: it lies outside.
    """
    if not wanted.low <= value <= wanted.high:
        raise FormatError(
            path,
            line=line,
            field=field,
            expected=f"a score in [{wanted.low:g}, {wanted.high:g}]",
            got=f"{value:g}",
            remedy="choose another score, --score NAME, or say its range, --range LOW:HIGH",
        )
    return (value - wanted.low) / (wanted.high - wanted.low)


def choose(
    path: str | Path,
    names: Sequence[str],
    wanted: Wanted,
    *,
    fits: Callable[[str, str], bool] = operator.eq,
    field: str = "score",
) -> str:
    """The one name that is wanted; the only one, where none is asked for.

    Args:
        path: the file.
        names: the scores there are.
        wanted: its `scores` are tried against each name.
        fits: (name, asked) -> whether this name is meant.
        field: of messages.

    Raises:
        ArgumentError: there is none of that name.
        FormatError: there are several, or none at all.
    """
    found = [n for n in names if not wanted.scores or any(fits(n, w) for w in wanted.scores)]
    if len(found) == 1:
        return found[0]
    if names and not found:
        asked = "', '".join(wanted.scores)
        raise ArgumentError(
            f"`score`: {path} has no score '{asked}' (there are {'; '.join(names)})"
            f"{nearest(wanted.scores[0], names)}"
        )
    raise FormatError(
        path,
        field=field,
        expected="one score",
        got=f"several: {'; '.join(found)}" if found else "none",
        remedy="choose one: --score NAME" if found else "was it scored at all?",
    )
