"""What can be measured: runs, logs, tables, matrices, or several of them, as one Responses."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gradatim.errors import ArgumentError, FormatError
from gradatim.files import rows
from gradatim.store.logs import Origin, origin_of, read_files
from gradatim.store.names import Wanted, number, scaled
from gradatim.store.run import Run
from gradatim.store.sums import Log, add_up
from gradatim.types import Responses

READING = ("format", "score", "columns", "span")
Given = Run | Responses | str | Path


class Opened(NamedTuple):
    """Responses, the run that keeps results, what each file brought, notes, and item -> fields."""

    responses: Responses
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
        reading: format, score, columns, span of `store.logs.read_files`.

    Raises:
        ArgumentError: no source; one source given twice.
        FormatError: a source that is not what it should be.
    """
    given = [source] if isinstance(source, Run | Responses | str | Path) else list(source)
    kept = Run(run) if isinstance(run, str | Path) else run
    opened = [_run_of(one) for one in given]
    if len(opened) == 1 and isinstance(opened[0], Responses):
        return Opened(opened[0], kept, [], [], {})
    if len(opened) == 1 and isinstance(opened[0], Run):
        return Opened(_attempts(opened[0]), kept or opened[0], [], [], {})
    logs: list[Log] = []
    for one in opened:
        if isinstance(one, Run):
            logs.append(_log(_attempts(one), str(one.path), "run"))
        elif isinstance(one, Responses):
            logs.append(_log(one, "responses", "matrix"))
        else:
            logs += read_files(one, **reading)
    if not logs:
        raise ArgumentError("`source` must be at least one run, log or matrix file, got none")
    responses, notes = add_up(logs)
    if not len(responses.tried):
        gone = sum(sum(log.missing.values()) for log in logs)
        raise FormatError(
            logs[0].path,
            expected="at least one attempt with a score",
            got=f"none ({gone} attempts without)" if gone else "none",
        )
    about = {item: dict(told) for log in reversed(logs) for item, told in log.about.items()}
    return Opened(responses, kept, [origin_of(log) for log in logs], notes, about)


def _run_of(source: Given) -> Run | Responses | Path:
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
    )


def published_means(path: str | Path) -> dict[str, float]:
    """Solver -> mean score, of a table with a column `solver` (or `model`) and one of means.

    Raises:
        FormatError: naming file and line; means outside [0, 1].
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
    return found
