"""What verbs print: one JSON value on one line on stdout, or text for people."""

import json
import sys
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from gradatim import progress
from gradatim.files import plain
from gradatim.reports.svg import UNSAFE, clean

Json = Annotated[bool, typer.Option("--json", help="Print exactly one JSON value on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]


def emit(value: Any, *, as_json: bool, text: str | Callable[[Any], str]) -> None:
    """Print `value` as one JSON line, or as text; nothing in either is obeyed by a terminal.

    Args:
        value: what the verb found.
        as_json: whether to print it as JSON.
        text: for people; a function is given `value` with every name in it on one line.
    """
    if as_json:
        shown = json_line(value)
    else:
        shown = clean(text if isinstance(text, str) else text(on_lines(value))) + "\n"
    sys.stdout.write(shown)
    sys.stdout.flush()


def say(text: str) -> None:
    """A line on stderr, whatever names are in it."""
    sys.stderr.write(one_line(text) + "\n")


def json_line(value: Any) -> str:
    r"""A value as one line of JSON: what a terminal would obey is escaped, and reads back the same.

    >>> json_line({"name": "ä\x9b2J\n"})
    '{"name": "ä\\u009b2J\\n"}\n'
    """
    text = json.dumps(plain(value), ensure_ascii=False)
    return UNSAFE.sub(lambda found: f"\\u{ord(found.group()):04x}", text) + "\n"


def one_line(text: object) -> str:
    r"""A name or a message from outside on one line: it cannot pass for a line of ours.

    >>> one_line("base\nno clear difference\x1b[2J")
    'base no clear difference\\x1b[2J'
    """
    return " ".join(clean(text).split())


def on_lines(value: Any) -> Any:
    r"""A result of mappings and lists with every name and text in it on one line.

    >>> on_lines({"first": "a\nb", "rows": ["c\td", 1]})
    {'first': 'a b', 'rows': ['c d', 1]}
    """
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, Mapping):
        return {on_lines(key): on_lines(one) for key, one in value.items()}
    return [on_lines(one) for one in value] if isinstance(value, list) else value


def reporter(quiet: bool) -> progress.Progress:
    """Progress on stderr, or none."""
    return progress.silent if quiet else progress.lines()
