"""`recorded:FILE`: answers made elsewhere, replayed so that they can be graded and measured.

Rows hold `text` (or `response`, `completion`, `output`) and `problem` (or `problem_id`, `id`), or
else the `prompt`; optional `sample`, `status`, `tokens`. Rows of one problem without `sample` are
numbered as they come. What was not recorded is a provider error that says so.
"""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from gradatim import files
from gradatim.errors import ArgumentError, FormatError
from gradatim.types import STATUSES, Reply, Request, Solver

TEXTS = ("text", "response", "completion", "output")
PROBLEMS = ("problem", "problem_id", "id", "prompt")
BATCH = 256


def _field(row: files.Row, names: Sequence[str], *, where: tuple[Path, int]) -> Any:
    for name in names:
        if name in row:
            return row[name]
    path, line = where
    raise FormatError(
        path, line=line, field=names[0], expected=f"one of {', '.join(names)}", got=", ".join(row)
    )


def _integer(row: files.Row, name: str, default: int, where: tuple[Path, int]) -> int:
    value = row.get(name)
    if value is None or value == "":
        return default
    try:
        return int(value)
    except (TypeError, ValueError):
        path, line = where
        raise FormatError(
            path, line=line, field=name, expected="a whole number", got=repr(value)
        ) from None


def _record(path: Path) -> dict[tuple[str, int], tuple[str | None, str, int]]:
    """(problem or prompt, sample) -> (text, status, tokens)."""
    record: dict[tuple[str, int], tuple[str | None, str, int]] = {}
    seen: dict[str, int] = {}
    for line, row in files.rows(path):
        where = (path, line)
        problem = str(_field(row, PROBLEMS, where=where))
        text = _field(row, TEXTS, where=where)
        if text is not None and not isinstance(text, str):
            raise FormatError(
                path, line=line, field="text", expected="a text or null", got=repr(text)[:60]
            )
        status = row.get("status") or "finished"
        if status not in STATUSES:
            raise FormatError(
                path, line=line, field="status", expected=", ".join(STATUSES), got=repr(status)
            )
        sample = _integer(row, "sample", seen.get(problem, 0), where)
        seen[problem] = max(seen.get(problem, 0), sample + 1)
        if (problem, sample) in record:
            raise FormatError(
                path,
                line=line,
                field="sample",
                expected="one row per problem and sample",
                got=f"sample {sample} of {problem[:40]!r} twice",
            )
        record[problem, sample] = (text, status, _integer(row, "tokens", -1, where))
    return record


def open_recorded(argument: str | None) -> Solver:
    """Open `recorded:FILE` (.jsonl, .csv, .parquet); the policy is a hash of the file.

    Raises:
        ArgumentError: no file was given.
        FormatError: the file, or a row of it, cannot be read.
    """
    if not argument:
        raise ArgumentError("`solver` must look like recorded:FILE, got no file")
    path = Path(argument)
    record = _record(path)
    policy = hashlib.blake2b(path.read_bytes(), digest_size=6).hexdigest()

    def reply(request: Request, sample: int) -> Reply:
        problem = request.problem
        for key in (problem.id, str(problem.prompt)):
            if (key, sample) in record:
                text, status, tokens = record[key, sample]
                return Reply(request, sample, text, status, tokens=tokens)
        detail = f"sample {sample} is not in {path.name}"
        return Reply(request, sample, None, "provider_error", detail=detail)

    def answer(requests: Sequence[Request]) -> Iterator[list[Reply]]:
        replies = [
            reply(request, sample)
            for request in requests
            for sample in range(request.first, request.first + request.n)
        ]
        for start in range(0, len(replies), BATCH):
            yield replies[start : start + BATCH]

    return Solver(name=f"recorded:{path.name}", answer=answer, policy=policy)
