"""Our own rows: a problem as a JSON object, and back, with errors that name the field."""

from collections.abc import Iterable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from gradatim.errors import FormatError, nearest
from gradatim.families.sources import numbered, record_of
from gradatim.files import Row, write_jsonl
from gradatim.types import Problem

SCHEMA = 1
# columns that `gradatim select` adds to a problem's row: measured, not part of the problem
MEASURED = frozenset({"pass_rate", "pass_low", "pass_high", "pass_n", "pass_from", "pass_solver"})
MEASURED |= {"difficulty", "se_difficulty", "level_from", "guess_floor"}
_FIELDS = {field.name: field for field in fields(Problem)}
_TYPES: dict[str, tuple[type | tuple[type, ...], str]] = {
    "id": (str, "a text"),
    "answer": (str, "a text"),
    "family": (str, "a text"),
    "verifier": (str, "a text"),
    "version": (str, "a text"),
    "split": (str, "a text"),
    "level": ((int, type(None)), "a whole number or null"),
    "seed": ((int, type(None)), "a whole number or null"),
    "compact": ((str, type(None)), "a text or null"),
    "compact_answer": ((str, type(None)), "a text or null"),
    "solution": ((str, type(None)), "a text or null"),
    "knobs": (dict, "an object"),
    "meta": (dict, "an object"),
    "unsolvable": (bool, "true or false"),
}


def to_row(problem: Problem) -> Row:
    """A problem as a JSON object; fields that hold their defaults are left out."""
    row: Row = {"schema": SCHEMA}
    for name, field in _FIELDS.items():
        value = getattr(problem, name)
        default = field.default_factory() if field.default_factory is not MISSING else field.default
        if value != default:
            row[name] = [dict(m) for m in value] if isinstance(value, tuple) else value
    return row


def from_row(row: Row, file: str | Path, line: int | None) -> Problem:
    """The problem of a row that `to_row` made.

    Raises:
        FormatError: naming file, line and field.
    """
    schema = row.get("schema", SCHEMA)
    if not isinstance(schema, int) or schema > SCHEMA:
        raise FormatError(
            file,
            line=line,
            field="schema",
            expected=f"at most {SCHEMA}",
            got=repr(schema),
            remedy="the file was made by a newer gradatim: pip install -U gradatim",
        )
    for name in ("id", "prompt", "answer"):
        if name not in row:
            raise FormatError(
                file,
                line=line,
                field=name,
                expected="a problem with id, prompt and answer",
                got=f"only {', '.join(sorted(row)) or 'no fields'}",
                remedy="`gradatim read` turns rows of other files into problems",
            )
    values: dict[str, Any] = {}
    for name, value in row.items():
        if name == "schema" or name in MEASURED:
            continue
        values[name] = _value(name, value, file, line)
    return Problem(**values)


def _value(name: str, value: Any, file: str | Path, line: int | None) -> Any:
    if name not in _FIELDS:
        raise FormatError(
            file,
            line=line,
            field=name,
            expected="a field of a problem",
            got="an unknown one" + nearest(name, _FIELDS),
            remedy="put your own fields into meta",
        )
    if name == "prompt":
        return prompt_of(value, file, line, name)
    kind, words = _TYPES[name]
    wrong_bool = isinstance(value, bool) and kind is not bool
    if not isinstance(value, kind) or wrong_bool:
        raise FormatError(file, line=line, field=name, expected=words, got=show(value))
    return unicode(value, file, line, name) if isinstance(value, str) else value


def unicode(text: str, file: str | Path, line: int | None, name: str) -> str:
    """The text, if it can be written as UTF-8: half of a surrogate pair cannot."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise FormatError(
            file,
            line=line,
            field=name,
            expected="Unicode text",
            got=f"half of a surrogate pair at character {error.start + 1}",
        ) from None
    return text


def show(value: Any) -> str:
    """A value as a message quotes it: its first characters."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def prompt_of(value: Any, file: str | Path, line: int | None, name: str) -> Any:
    """A prompt: text, or chat messages with role and content."""
    if isinstance(value, str):
        return unicode(value, file, line, name)
    fits = (
        isinstance(value, list)
        and value
        and all(
            isinstance(m, dict) and all(isinstance(m.get(k), str) for k in ("role", "content"))
            for m in value
        )
    )
    if not fits:
        raise FormatError(
            file,
            line=line,
            field=name,
            expected="a text or a list of messages with role and content",
            got=show(value),
        )
    return tuple(value)


def save(path: str | Path, problems: Iterable[Problem]) -> None:
    """Write problems as JSONL, atomically."""
    write_jsonl(path, map(to_row, problems))


def load(path: str | Path) -> list[Problem]:
    """Problems of a file that `save`, `gradatim generate` or `gradatim read` wrote.

    Raises:
        FormatError: naming file, line and field; also where one id has two contents.
    """
    problems: dict[str, Problem] = {}
    for line, row in numbered(path):
        problem = from_row(record_of(row) or row, path, line)
        if problems.setdefault(problem.id, problem) != problem:
            raise FormatError(
                path,
                line=line,
                field="id",
                expected="one content for each id",
                got=f"{problem.id!r} with another content before",
            )
    return list(problems.values())
