"""Anyone's rows as problems, behind a gate: an answer that its own verifier refuses is named."""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from gradatim.checks import within
from gradatim.errors import FormatError
from gradatim.families.generation import content_id
from gradatim.families.rows import from_row, prompt_of, show, unicode
from gradatim.families.rows import load as load
from gradatim.families.rows import save as save
from gradatim.families.rows import to_row as to_row
from gradatim.families.sources import (
    Layout,
    Source,
    column,
    layout_of,
    messages_of,
    name_of,
    numbered,
    record_of,
)
from gradatim.families.verify import check, need_verifier
from gradatim.files import Row
from gradatim.types import Problem

SHOWN = 5  # bad rows that a message quotes


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


def _gold(value: Any, extract: str | None, where: tuple[str | Path, int, str]) -> str:
    """The answer's text: of a number its digits, after the last `extract` if there is one."""
    file, line, name = where
    if isinstance(value, list) and len(value) == 1:  # open-instruct, and verl of some
        value = value[0]
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise FormatError(
            file, line=line, field=name, expected="a text or a number", got=show(value)
        )
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    text = str(value)
    if extract:
        if extract not in text:
            raise FormatError(
                file, line=line, field=name, expected=f"a text with {extract!r}", got=show(text)
            )
        text = text.rpartition(extract)[2]
    text = text.strip()
    if not text:
        raise FormatError(file, line=line, field=name, expected="an answer", got="an empty text")
    return unicode(text, file, line, name)


def examine(
    path: Source,
    *,
    prompt: str | None = None,
    answer: str | None = None,
    extract: str | None = None,
    verifier: str = "math",
    meta: Mapping[str, Any] | None = None,
) -> Reading:
    """Read rows of others and put every row's own answer before the verifier.

    The arguments are those of `read`, which refuses a file with bad rows; this returns them.

    Raises:
        FormatError: a row that cannot be understood, naming file, line and field.
        ArgumentError: an unknown verifier.
    """
    need_verifier(verifier)
    file = name_of(path)
    found: dict[str, Problem] = {}
    first: dict[str, int] = {}  # id or prompt -> the line it came from
    reading = Reading([], 0, [], [], [])
    total = 0
    for line, row in numbered(path):
        total += 1
        if "schema" in row and row.get("family"):
            raise FormatError(
                file,
                line=line,
                expected="rows of another tool",
                got=f"a problem of the family {row['family']!r}",
                remedy="every verb takes such a file as it is; read would lose what judges replies",
            )
        columns = layout_of(row)
        columns = Layout(prompt or columns.prompt, answer or columns.answer)
        problem = _problem(row, columns, (file, line), extract=extract, verifier=verifier)
        if meta:
            problem = replace(problem, meta={**problem.meta, **meta})
        question, gold = problem.prompt, problem.answer
        verdict = check(problem, gold)
        if verdict.reward < 1:
            reading.bad.append((line, f"answer {show(gold)} is {verdict.reason}"))
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


def _chat(asked: Any, whole: bool) -> Any:
    """A chat without what is not asked: keys that Arrow filled with nothing, the answer shown."""
    if not isinstance(asked, list) or not all(isinstance(m, dict) for m in asked):
        return asked
    turns = [{k: v for k, v in message.items() if v is not None} for message in asked]
    while whole and turns and turns[-1].get("role") == "assistant":  # a demonstration
        turns.pop()
    return turns


def _problem(
    row: Row,
    columns: Layout,
    where: tuple[str | Path, int],
    *,
    extract: str | None,
    verifier: str,
) -> Problem:
    """The problem of a row: the one it carries, where its columns still say the same."""
    file, line = where
    asked = _chat(column(row, columns.prompt, file, line), columns.prompt == "messages")
    question = prompt_of(asked, file, line, columns.prompt)
    value = column(row, columns.answer, file, line)
    gold = _gold(value, extract, (file, line, columns.answer))
    record = record_of(row)
    if record is not None:
        problem = from_row(record, file, line)
        same = messages_of(problem.prompt) == messages_of(question)
        if same and problem.answer.strip() == gold:
            return problem
        verifier, meta = problem.verifier, {**problem.meta, "changed_from": problem.id}
    else:
        problem, meta = None, {}
    fresh = Problem(id="", prompt=question, answer=gold, verifier=verifier, meta=meta)
    if problem is not None:  # its question was reworded: what judges it is still known
        kept = ("family", "version", "level", "knobs", "split", "unsolvable")
        fresh = replace(fresh, **{name: getattr(problem, name) for name in kept})
    number = content_id(
        family=fresh.family,
        version=fresh.version,
        verifier=fresh.verifier,
        prompt=question,
        answer=gold,
    )
    return replace(fresh, id=number)


def read(
    path: Source,
    *,
    prompt: str | None = None,
    answer: str | None = None,
    extract: str | None = None,
    verifier: str = "math",
    meta: Mapping[str, Any] | None = None,
    max_bad_rows: int = 0,
) -> list[Problem]:
    """Problems of a file, a data set of Hugging Face, or rows.

    Args:
        path: a .jsonl, .json, .csv or .parquet file, a folder that `save_to_disk` wrote, a
            Dataset or IterableDataset, or any rows by column.
        prompt, answer: its columns, `a.b` for one within another; a prompt is a text or a list of
            chat messages. Default: those of verl or open-instruct where the rows have them, else
            prompt and answer.
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
    accept(reading, name_of(path), verifier=verifier, max_bad_rows=max_bad_rows)
    if reading.bad:
        warnings.warn(f"{name_of(path)}: left out {named(reading.bad)}", stacklevel=2)
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
