"""What can be measured: runs, logs, tables, matrices, or several of them, as one Responses."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gradatim.errors import ArgumentError, FormatError
from gradatim.files import rows
from gradatim.store.formats import UNUSED, read_matrix, responses_of
from gradatim.store.logs import (
    Origin,
    is_matrix,
    left_out,
    origin_of,
    origin_of_matrix,
    read_files,
)
from gradatim.store.names import Wanted, number, scaled
from gradatim.store.run import Run
from gradatim.store.sums import Log, add_up
from gradatim.types import Matrix, Responses

READING = ("format", "score", "columns", "span")
_MEANING = {  # argument -> option of the command, and what it is for
    "format": ("--format", "says what kind of log a file is"),
    "score": ("--score", "chooses among the scores of a log or table"),
    "columns": ("--column", "names the columns of a table"),
    "span": ("--range", "says which scores of a log or table stand for 0 and 1"),
}
_WHAT = {
    "matrix": "a matrix, read by its arrays `solved` and `tried`, or `score`",
    "run": "a run, whose ledger says what was solved",
    "table": "a table of counts, solved of tried",
    "rollouts": "a table of counts, solved of tried",
    "inspect": "a log of inspect_ai",
    "lm_eval": "a log of lm-evaluation-harness",
}
Given = Run | Responses | Matrix | str | Path


class Opened(NamedTuple):
    """What sources hold.

    Attributes:
        responses: counts; of one matrix file as it lies.
        run: the run that keeps results.
        origins: what each file brought.
        notes: what there is to say of them together.
        about: item -> fields that a log has of it (prompt, target, document).
    """

    responses: Responses | Matrix
    run: Run | None
    origins: list[Origin]
    notes: list[str]
    about: dict[str, dict[str, Any]]


def open_source(
    source: Given | Sequence[Given], run: Run | str | Path | None = None, **reading: Any
) -> Opened:
    """Open one or several sources.

    Args:
        source: runs, folders of runs, Responses, or files and folders of logs.
        run: where results are kept; None: the source, where it is one run.
        reading: format, score, columns, span of `store.logs.read_files`; None = not given.

    Raises:
        ArgumentError: no source; one source given twice; an option that no source has a use for.
        FormatError: a source that is not what it should be.
    """
    given = [source] if isinstance(source, Run | Responses | Matrix | str | Path) else list(source)
    kept = Run(run) if isinstance(run, str | Path) else run
    opened = [_run_of(one) for one in given]
    reading = {name: value for name, value in reading.items() if value is not None}
    if not any(isinstance(one, Path) for one in opened):
        refuse(reading)
    if len(opened) == 1:
        alone = _alone(opened[0], kept, reading)
        if alone is not None:
            return alone
    logs = [log for one in opened for log in _logs(one, reading)]
    if not logs:
        raise ArgumentError("`source` must be at least one run, log or matrix file, got none")
    for name in reading:
        if name != "format" and all(name in log.unused for log in logs):
            raise _unused(name, logs[0].path, logs[0].format)
    responses, notes = add_up(logs)
    notes = [*notes, *(note for one in opened if isinstance(one, Path) for note in left_out(one))]
    if not len(responses.tried):
        gone = sum(sum(log.missing.values()) for log in logs)
        raise FormatError(
            logs[0].path,
            expected="at least one attempt with a score",
            got=f"none ({gone} attempts without)" if gone else "none",
        )
    about = {item: dict(told) for log in reversed(logs) for item, told in log.about.items()}
    return Opened(responses, kept, [origin_of(log) for log in logs], notes, about)


def refuse(reading: Mapping[str, Any]) -> None:
    """Raise where options of reading logs are given and no log is.

    Raises:
        ArgumentError: naming the first, and what it is for.
    """
    for name in reading:
        option, purpose = _MEANING[name]
        raise ArgumentError(
            f"`{name}` is for logs and tables; none is given ({option} {purpose}): leave it out"
        )


def _unused(name: str, path: str | Path, format: str) -> ArgumentError:
    option, purpose = _MEANING[name]
    return ArgumentError(
        f"`{name}` ({option}) {purpose}; nothing in {path} ({_WHAT.get(format, format)}) goes by "
        "it: leave it out"
    )


def _alone(
    one: Run | Responses | Matrix | Path, run: Run | None, reading: Mapping[str, Any]
) -> Opened | None:
    """What needs no adding up; None for logs."""
    if isinstance(one, Responses | Matrix):
        return Opened(one, run, [], [], {})
    if isinstance(one, Run):
        return Opened(_attempts(one), run or one, [], [], {})
    if not is_matrix(one, reading.get("format")):
        return None
    for name in reading:
        if name in UNUSED:
            raise _unused(name, one, "matrix")
    matrix = read_matrix(one)
    return Opened(matrix, run, [origin_of_matrix(matrix, one)], [], {})


def _logs(one: Run | Responses | Matrix | Path, reading: dict[str, Any]) -> list[Log]:
    if isinstance(one, Path):
        return read_files(one, **reading)
    if isinstance(one, Run):
        return [_log(_attempts(one), str(one.path), "run")]
    whole = responses_of(one) if isinstance(one, Matrix) else one
    return [_log(whole, "responses", "matrix")]


def _run_of(source: Given) -> Run | Responses | Matrix | Path:
    """A run where the source is one or its folder."""
    if isinstance(source, str | Path):
        path = Path(source)
        return Run(path, create=False) if (path / "run.toml").exists() else path
    return source


def _attempts(run: Run) -> Responses:
    if not (run.path / "ledger.sqlite").exists():
        raise FormatError(
            run.path,
            expected="a run with attempts",
            got="no ledger",
            remedy="make attempts first: gradatim attempt FILE --solver SPEC --run DIR",
        )
    with run.ledger() as opened:
        return opened.responses()


def _log(responses: Responses, path: str, format: str) -> Log:
    return Log(
        path=path,
        format=format,
        solver=responses.solver,
        item=responses.item,
        solved=np.asarray(responses.solved, dtype=float),
        tried=responses.tried,
        solvers=responses.solvers,
        items=responses.items,
        run=path if format == "run" else "",
        unused=UNUSED,
    )


def published_means(path: str | Path) -> dict[str, float]:
    """Solver -> mean score, of a table with a column `solver` (or `model`) and one of means.

    Raises:
        FormatError: naming file and line; means outside [0, 1]; no row.
    """
    found = {}
    for line, row in rows(path):
        plain = {name.strip().lower(): value for name, value in row.items()}
        who = next((plain[n] for n in ("solver", "model") if plain.get(n)), None)
        mean = next((plain[n] for n in ("mean", "score", "accuracy") if n in plain), None)
        if who is None or mean is None:
            raise FormatError(
                path,
                line=line,
                expected="columns solver and mean",
                got=f"only {', '.join(row)}",
            )
        value = number(mean, path, line, "mean")
        found[str(who)] = scaled(value, path, line, "mean", wanted=Wanted())
    if not found:
        raise FormatError(path, expected="rows of solver and mean", got="none")
    return found
