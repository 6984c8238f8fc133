"""What verbs print: one JSON value on one line on stdout, or text for people."""

import json
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from gradatim import progress
from gradatim.files import plain
from gradatim.reports.svg import clean

Json = Annotated[bool, typer.Option("--json", help="Print exactly one JSON value on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]


def emit(value: Any, *, as_json: bool, text: str) -> None:
    """Print `value` as one JSON line, or `text`."""
    sys.stdout.write((json.dumps(plain(value), ensure_ascii=False) if as_json else text) + "\n")
    sys.stdout.flush()


def one_line(text: object) -> str:
    r"""A name or a message from outside on one line: it cannot pass for a line of ours.

    >>> one_line("base\nno clear difference\x1b[2J")
    'base no clear difference\\x1b[2J'
    """
    return " ".join(clean(text).split())


def on_lines(value: Any) -> Any:
    r"""A result of mappings and lists with every text in it on one line.

    >>> on_lines({"first": "a\nb", "rows": ["c\td", 1]})
    {'first': 'a b', 'rows': ['c d', 1]}
    """
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, Mapping):
        return {key: on_lines(one) for key, one in value.items()}
    return [on_lines(one) for one in value] if isinstance(value, list) else value


def reporter(quiet: bool) -> progress.Progress:
    """Progress on stderr, or none."""
    return progress.silent if quiet else progress.lines()
