"""Problems as rows that trainers read: TRL, verl, open-instruct; as JSONL or Parquet.

Each row has the columns of that trainer, and beside them the whole problem as JSON, in `problem`
(verl: `extra_info.problem`), so that `read` gives back what was written, ids and verifiers
included, and a reward function can grade by it.
"""

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gradatim import checks, files
from gradatim.errors import FormatError
from gradatim.families.rows import to_row
from gradatim.families.sources import RECORD, Source, messages_of, numbered, record_of
from gradatim.files import Row, write_atomic, write_jsonl
from gradatim.types import Problem

# verifiers of open-instruct that grade as ours of that name, near enough to be named for it
OPEN_INSTRUCT = {"math": "math", "number": "gsm8k"}


def _trl(problem: Problem, index: int, chat: bool) -> Row:
    return {
        "prompt": messages_of(problem.prompt) if chat else problem.prompt,
        "answer": problem.answer,
        "id": problem.id,
        "family": problem.family,
        "level": problem.level,
        "verifier": problem.verifier,
        RECORD: files.dumps(to_row(problem)),
    }


def _verl(problem: Problem, index: int, chat: bool) -> Row:
    return {
        "data_source": f"gradatim/{problem.family or problem.verifier}",
        "prompt": messages_of(problem.prompt),
        "ability": problem.family or problem.verifier,
        "reward_model": {"style": "rule", "ground_truth": problem.answer},
        "extra_info": {
            "split": problem.split,
            "index": index,
            "id": problem.id,
            RECORD: files.dumps(to_row(problem)),
        },
    }


def _open_instruct(problem: Problem, index: int, chat: bool) -> Row:
    return {
        "messages": messages_of(problem.prompt),
        "ground_truth": problem.answer,
        "dataset": OPEN_INSTRUCT.get(problem.verifier, problem.verifier),
        RECORD: files.dumps(to_row(problem)),
    }


FORMATS: dict[str, Callable[[Problem, int, bool], Row]] = {
    "trl": _trl,
    "verl": _verl,
    "open-instruct": _open_instruct,
}


def export_rows(problems: Iterable[Problem], format: str = "trl") -> list[Row]:
    """Rows of a trainer, in order.

    Args:
        problems: what to write; prompts that are chats make all prompts of "trl" chats.
        format: "trl" (prompt, answer, id, family, level, verifier), "verl" (data_source, prompt,
            ability, reward_model, extra_info) or "open-instruct" (messages, ground_truth, dataset).

    Raises:
        ArgumentError: an unknown format.

    >>> row = export_rows([Problem(id="x", prompt="2+2", answer="4")], "verl")[0]
    >>> row["prompt"], row["reward_model"]
    ([{'role': 'user', 'content': '2+2'}], {'style': 'rule', 'ground_truth': '4'})
    """
    checks.one_of("format", format, FORMATS)
    listed = list(problems)
    chat = any(not isinstance(problem.prompt, str) for problem in listed)
    return [FORMATS[format](problem, i, chat) for i, problem in enumerate(listed)]


def is_ours(source: Source) -> bool:
    """Whether the first row is a problem of ours, or carries one."""
    first = next((row for _, row in numbered(source)), {})
    return {"schema", "id"} <= first.keys() or record_of(first) is not None


def write_rows(path: str | Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as .parquet, .jsonl or .json, by the ending, atomically.

    Raises:
        FormatError: another ending.
        StoreError: the disk is full or the folder cannot be written.
    """
    path = Path(path)
    ending = path.suffix.lower()
    if ending == ".parquet":
        import pyarrow.parquet

        buffer = io.BytesIO()
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows)), buffer)
        write_atomic(path, buffer.getvalue())
    elif ending in (".jsonl", ".json", ".ndjson"):
        write_jsonl(path, rows)
    else:
        raise FormatError(path, expected="the ending .parquet or .jsonl", got=f"ending '{ending}'")
