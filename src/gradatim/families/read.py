"""Rows of files as problems: our own JSONL, and anyone's data behind a gate."""

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, NamedTuple

from gradatim.checks import within
from gradatim.errors import FormatError, nearest
from gradatim.families.generation import content_id
from gradatim.families.verify import check, need_verifier
from gradatim.files import Row, rows, write_jsonl
from gradatim.types import Problem

SCHEMA = 1
SHOWN = 5  # bad rows that a message quotes
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
        raise FormatError(file, line=line, field=name, expected=words, got=_show(value))
    return _unicode(value, file, line, name) if isinstance(value, str) else value


def _unicode(text: str, file: str | Path, line: int | None, name: str) -> str:
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


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def prompt_of(value: Any, file: str | Path, line: int | None, name: str) -> Any:
    """A prompt: text, or chat messages with role and content."""
    if isinstance(value, str):
        return _unicode(value, file, line, name)
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
            got=_show(value),
        )
    return tuple(value)


def save(path: str | Path, problems: Iterable[Problem]) -> None:
    """Write problems as JSONL, atomically."""
    write_jsonl(path, map(to_row, problems))


def load(path: str | Path) -> list[Problem]:
    """Problems of a JSONL file that `save` or `gradatim generate` wrote.

    Raises:
        FormatError: naming file, line and field; also where one id has two contents.
    """
    problems: dict[str, Problem] = {}
    for line, row in rows(path):
        problem = from_row(row, path, line)
        if problems.setdefault(problem.id, problem) != problem:
            raise FormatError(
                path,
                line=line,
                field="id",
                expected="one content for each id",
                got=f"{problem.id!r} with another content before",
            )
    return list(problems.values())


# -- files of others --------------------------------------------------------------------------


class Reading(NamedTuple):
    """What a file of others held.

    Attributes:
        problems: one for each row that passed the gate; repeated rows once.
        rows: rows of the file.
        bad: (line, why) of rows whose own answer their verifier does not accept.
        repeated: (line, first line) of rows with the prompt and answer of an earlier row; left out.
        contradicting: (line, first line) of rows with an earlier row's prompt and another answer;
            kept, though at most one of them can be right.
    """

    problems: list[Problem]
    rows: int
    bad: list[tuple[int, str]]
    repeated: list[tuple[int, int]]
    contradicting: list[tuple[int, int]]


def _column(row: Row, name: str, file: str | Path, line: int) -> Any:
    if name not in row:
        raise FormatError(
            file,
            line=line,
            field=name,
            expected="a column of that name",
            got=f"columns {', '.join(map(str, row))}{nearest(name, map(str, row))}",
        )
    return row[name]


def _gold(value: Any, extract: str | None, where: tuple[str | Path, int, str]) -> str:
    """The answer's text: of a number its digits, after the last `extract` if there is one."""
    file, line, name = where
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise FormatError(
            file, line=line, field=name, expected="a text or a number", got=_show(value)
        )
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    text = str(value)
    if extract:
        if extract not in text:
            raise FormatError(
                file, line=line, field=name, expected=f"a text with {extract!r}", got=_show(text)
            )
        text = text.rpartition(extract)[2]
    text = text.strip()
    if not text:
        raise FormatError(file, line=line, field=name, expected="an answer", got="an empty text")
    return _unicode(text, file, line, name)


def examine(
    path: str | Path,
    *,
    prompt: str = "prompt",
    answer: str = "answer",
    extract: str | None = None,
    verifier: str = "math",
    meta: Mapping[str, Any] | None = None,
) -> Reading:
    """Read a file of others and put every row's own answer before the verifier.

    The arguments are those of `read`, which refuses a file with bad rows; this returns them.

    Raises:
        FormatError: a row that cannot be understood, naming file, line and field.
        ArgumentError: an unknown verifier.
    """
    need_verifier(verifier)
    found: dict[str, Problem] = {}
    first: dict[str, int] = {}  # id or prompt -> the line it came from
    reading = Reading([], 0, [], [], [])
    total = 0
    for line, row in rows(path):
        total += 1
        if "schema" in row and row.get("family"):
            raise FormatError(
                path,
                line=line,
                expected="rows of another tool",
                got=f"a problem of the family {row['family']!r}",
                remedy="every verb takes such a file as it is; read would lose what judges replies",
            )
        question = prompt_of(_column(row, prompt, path, line), path, line, prompt)
        gold = _gold(_column(row, answer, path, line), extract, (path, line, answer))
        problem = Problem(
            id=content_id(family="", version="1", verifier=verifier, prompt=question, answer=gold),
            prompt=question,
            answer=gold,
            verifier=verifier,
            meta=dict(meta or {}),
        )
        verdict = check(problem, gold)
        if verdict.reward < 1:
            reading.bad.append((line, f"answer {_show(gold)} is {verdict.reason}"))
            continue
        asked = str(question)
        if problem.id in found:
            reading.repeated.append((line, first[problem.id]))
            continue
        if asked in first:
            reading.contradicting.append((line, first[asked]))
        found[problem.id] = problem
        first.setdefault(asked, line)
        first[problem.id] = line
    return reading._replace(problems=list(found.values()), rows=total)


def read(
    path: str | Path,
    *,
    prompt: str = "prompt",
    answer: str = "answer",
    extract: str | None = None,
    verifier: str = "math",
    meta: Mapping[str, Any] | None = None,
    max_bad_rows: int = 0,
) -> list[Problem]:
    """Problems of a .jsonl, .json, .csv or .parquet file.

    Args:
        path: the file.
        prompt, answer: its columns; a prompt is a text or a list of chat messages.
        extract: the answer is what follows the last such mark, "####" in GSM8K.
        verifier: a checker (abstention, exact, json, list, math, number, plan, set, text) or a
            family's name.
        meta: goes into every problem, {"tolerance": 0.01} say.
        max_bad_rows: rows whose own answer the verifier may refuse; they are left out with a
            warning that names them.

    Raises:
        FormatError: a row cannot be understood, or too many rows fail their own answer.
        ArgumentError: an unknown verifier.
    """
    within(0, float("inf"), max_bad_rows=max_bad_rows)
    reading = examine(
        path, prompt=prompt, answer=answer, extract=extract, verifier=verifier, meta=meta
    )
    accept(reading, path, verifier=verifier, max_bad_rows=max_bad_rows)
    if reading.bad:
        warnings.warn(f"{path}: left out {named(reading.bad)}", stacklevel=2)
    return reading.problems


def named(bad: list[tuple[int, str]]) -> str:
    """The first few bad rows, and how many there are.

    >>> named([(3, "answer 'n/a' is unparsed")])
    "1 row: line 3: answer 'n/a' is unparsed"
    """
    few = "; ".join(f"line {line}: {why}" for line, why in bad[:SHOWN])
    more = f"; and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
    return f"{len(bad)} row{'s' if len(bad) > 1 else ''}: {few}{more}"


def accept(reading: Reading, path: str | Path, *, verifier: str, max_bad_rows: int) -> None:
    """Refuse a file in which more rows fail their own answer than allowed."""
    if len(reading.bad) > max_bad_rows:
        raise FormatError(
            path,
            line=reading.bad[0][0],
            expected=f"answers that verifier '{verifier}' accepts",
            got=named(reading.bad),
            remedy=(
                "choose another verifier or mark with --verifier and --extract, "
                f"or leave these rows out with --max-bad-rows {len(reading.bad)}"
            ),
        )
    if not reading.problems:
        raise FormatError(path, expected="at least one problem", got=f"{reading.rows} rows")
