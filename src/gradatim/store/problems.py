"""Problems as rows of our own JSONL, and back."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gradatim.errors import FormatError, nearest
from gradatim.files import plain
from gradatim.types import Problem

_DEFAULTS = {
    f.name: f.default if f.default is not dataclasses.MISSING else {}
    for f in dataclasses.fields(Problem)
    if f.name not in ("id", "prompt", "answer")
}


def to_row(problem: Problem) -> dict[str, Any]:
    """A problem as one JSON object; fields at their defaults are left out."""
    row = {f.name: getattr(problem, f.name) for f in dataclasses.fields(problem)}
    return {k: plain(v) for k, v in row.items() if k not in _DEFAULTS or v != _DEFAULTS[k]}


def from_row(row: Mapping[str, Any], file: str | Path, line: int) -> Problem:
    """The problem of a row.

    Raises:
        FormatError: a field is missing, unknown or of the wrong type.
    """
    values = dict(row)
    for name in values:
        if name not in _DEFAULTS and name not in ("id", "prompt", "answer"):
            known = [*_DEFAULTS, "id", "prompt", "answer"]
            raise FormatError(
                file,
                line=line,
                field=name,
                expected="a field of a problem",
                got="an unknown one" + nearest(name, known),
            )
    for name in ("id", "answer"):
        if not isinstance(values.get(name), str):
            raise FormatError(
                file, line=line, field=name, expected="text", got=repr(values.get(name))
            )
    prompt = values.get("prompt")
    if isinstance(prompt, list):
        values["prompt"] = tuple(prompt)
    elif not isinstance(prompt, str):
        raise FormatError(
            file, line=line, field="prompt", expected="text or messages", got=repr(prompt)
        )
    return Problem(**values)
