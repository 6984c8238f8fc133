"""gradatim report: a run folder, or a bank, to one page."""

from pathlib import Path
from typing import Annotated

import typer

from gradatim.cli.output import Json, emit
from gradatim.reports.report import report as write_report


def report(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="A run folder, or a bank (.parquet).")
    ],
    responses: Annotated[
        Path | None,
        typer.Option(help="With a bank: the matrix file it was fitted to; shows how well it fits."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Where the page goes (.html)."),
    ] = None,
    open_browser: Annotated[
        bool, typer.Option("--open", help="Show the page in the default browser.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write one page that needs no network about a run or a bank, and print its path.

    Example: gradatim report runs/demo
    """
    path = write_report(source, responses=responses, output=output, open_browser=open_browser)
    size = path.stat().st_size
    emit({"report": str(path), "bytes": size}, as_json=as_json, text=str(path))
