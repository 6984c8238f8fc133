"""Texts of a benchmark's problems, from a file of anyone's layout."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gradatim.errors import FormatError
from gradatim.families.rows import prompt_of
from gradatim.families.sources import column, layout_of, numbered
from gradatim.files import dumps
from gradatim.store import logs_tables

PROMPTS = ("prompt", "question", "problem", "input", "text", "messages")
ANSWERS = ("answer", "target", "gold", "solution", "label", "ground_truth")
SPLITS = ("split", "fold", "partition")
NAMED = ("id", "item", "item_id", "task_id", "problem_id", "question_id")


class Question(NamedTuple):
    """One problem's words.

    Attributes:
        id, text, answer: as the file has them; answer None where it has none.
        split: "train", "test" ... or "" where the file does not say.
        where: file and line, for messages.
    """

    id: str
    text: str
    answer: str | None
    split: str
    where: str


def holds_problems(path: Path, reading: Mapping[str, Any]) -> bool:
    """Whether a file's rows are problems: a text, and no score.

    Raises:
        FormatError: a table with neither.
    """
    if path.is_dir() and not (path / "state.json").is_file():
        return False
    ending = path.name.removesuffix(".gz").rsplit(".", 1)[-1].lower()
    if not path.is_dir() and (ending not in ("jsonl", "ndjson", "csv", "parquet", "json")):
        return False
    if any(value is not None for value in reading.values()):
        return False
    if ending == "json" and path.is_file() and not _lists(path):
        return False
    if path.is_file() and not path.stat().st_size:
        raise FormatError(path, expected="problems or results", got="an empty file")
    _, first = next(numbered(path), (0, None))
    if first is None:
        return False
    names = [str(n) for n in first]
    lower = {n.strip().lower() for n in names}
    if lower & {"doc", "doc_id", "eval"} or logs_tables.kind_of(names) == "trl":
        return False  # a log; rewards of TRL have any names
    layout = layout_of(first)
    asked = lower & set(PROMPTS) or layout.answer == "reward_model.ground_truth"
    if asked and not lower & set(logs_tables.ROLES["solved"]):
        return True
    if not lower & set(logs_tables.ROLES["solved"]):
        raise FormatError(
            path,
            expected="problems (a column prompt or question) or results (a column solved or score)",
            got=f"only {', '.join(names)}",
            remedy="name the column of the score, --score NAME, or of the item, --column item=NAME",
        )
    return False


def _lists(path: Path) -> bool:
    """Whether a .json file is a list of rows, not one log."""
    with path.open("rb") as file:
        return file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")


def read_questions(path: Path) -> Iterator[Question]:
    """Texts, answers and splits of a file of problems."""
    if not path.exists():
        raise FormatError(path, expected="a file of problems", got="nothing of that name")
    for line, row in numbered(path):
        layout = layout_of(row)
        asked = _first(row, PROMPTS)
        if asked is None:
            raise FormatError(
                path,
                line=line,
                expected=f"a column {', '.join(PROMPTS[:-1])} or {PROMPTS[-1]}",
                got=f"only {', '.join(map(str, row))}",
            )
        prompt = prompt_of(asked, path, line, "prompt") if isinstance(asked, list) else str(asked)
        answer = _first(row, ANSWERS)
        if answer is None and "." in layout.answer:
            answer = column(row, layout.answer, path, line)
        named = _first(row, NAMED)
        yield Question(
            id=str(line if named is None else named),
            text=words_of(prompt),
            answer=None if answer is None else str(answer),
            split=str(_first(row, SPLITS) or ""),
            where=f"{path}:{line}",
        )


def _first(row: Mapping[str, Any], names: Sequence[str]) -> Any:
    known = {str(n).strip().lower(): v for n, v in row.items()}
    return next((known[n] for n in names if known.get(n) not in (None, "")), None)


def words_of(prompt: Any) -> str:
    """A prompt as text: chat messages by what they say."""
    if isinstance(prompt, str):
        return prompt
    if isinstance(prompt, Mapping):
        return str(prompt.get("content", dumps(dict(prompt))))
    return "\n".join(words_of(part) for part in prompt)


def answer_of(told: Mapping[str, Any]) -> str | None:
    """What a log says is right, as text."""
    target = told.get("target")
    return None if target is None else target if isinstance(target, str) else dumps(target)
