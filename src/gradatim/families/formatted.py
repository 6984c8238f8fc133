"""Many lines of one form, written at once."""

from collections.abc import Sequence
from typing import Any


def lines(line: str, *columns: Sequence[Any]) -> str:
    r"""The line once for each entry of the columns, whose places they fill in turn.

    One format for all lines takes a third of the time of one format a line.

    >>> lines("%d + %s\n", [1, 2], "ab")
    '1 + a\n2 + b\n'
    """
    n, width = len(columns[0]), len(columns)
    filled: list[Any] = [None] * (n * width)
    for i, column in enumerate(columns):
        filled[i::width] = column
    return line * n % tuple(filled)
