"""Options of the verbs that read logs."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gradatim.errors import ArgumentError
from gradatim.store.logs import FORMATS
from gradatim.store.logs_tables import ROLES

Sources = Annotated[
    list[Path],
    typer.Argument(metavar="SOURCE...", help="Runs, logs, tables, matrix files, or folders."),
]
Score = Annotated[
    list[str] | None,
    typer.Option(help="Which score, metric or reward counts; repeatable, one for each log."),
]
Format = Annotated[str | None, typer.Option(help=f"Of the logs: {', '.join(FORMATS)}.")]
Columns = Annotated[
    list[str] | None,
    typer.Option(help=f"Column of a table, ROLE=NAME with ROLE one of {', '.join(ROLES)}."),
]
Span = Annotated[
    str | None, typer.Option("--range", help="Scores that stand for 0 and 1, LOW:HIGH, say -1:1.")
]


def reading(
    *,
    score: list[str] | None,
    format: str | None,
    column: list[str] | None,
    span: str | None,
) -> dict[str, Any]:
    """The options as `calibrate` and `select` take them.

    >>> reading(score=["acc"], format=None, column=["item=question"], span="-1:1")
    {'score': ['acc'], 'columns': {'item': 'question'}, 'span': (-1.0, 1.0)}
    """
    options: dict[str, Any] = {"score": score} if score else {}
    if format is not None:
        options["format"] = format
    if column:
        options["columns"] = dict(map(_pair, column))
    if span is not None:
        options["span"] = numbers(span, "--range")
    return options


def _pair(text: str) -> tuple[str, str]:
    role, sign, name = text.partition("=")
    if not sign:
        raise ArgumentError(f"`--column` must be ROLE=NAME, got {text!r}")
    return role, name


def numbers(text: str, option: str) -> tuple[float, float]:
    """LOW:HIGH as two numbers.

    >>> numbers(".2:.8", "--band")
    (0.2, 0.8)
    """
    low, _, high = text.partition(":")
    try:
        return float(low), float(high)
    except ValueError:
        raise ArgumentError(f"`{option}` must be LOW:HIGH, say .2:.8; got {text!r}") from None
