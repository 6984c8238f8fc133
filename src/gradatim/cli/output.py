"""What verbs print: one JSON value on one line on stdout, or text for people."""

import json
import sys
from typing import Annotated, Any

import typer

from gradatim import progress
from gradatim.files import plain

Json = Annotated[bool, typer.Option("--json", help="Print exactly one JSON value on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]


def emit(value: Any, *, as_json: bool, text: str) -> None:
    """Print `value` as one JSON line, or `text`."""
    sys.stdout.write((json.dumps(plain(value), ensure_ascii=False) if as_json else text) + "\n")
    sys.stdout.flush()


def reporter(quiet: bool) -> progress.Progress:
    """Progress on stderr, or none."""
    return progress.silent if quiet else progress.lines()
