"""gradatim report: a run folder to one page."""

from pathlib import Path
from typing import Annotated

import typer

from gradatim.cli.output import Json, emit
from gradatim.reports.report import report as write_report


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    open_browser: Annotated[
        bool, typer.Option("--open", help="Show the page in the default browser.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write RUN/report.html, one page that needs no network, and print its path.

    Example: gradatim report runs/demo
    """
    path = write_report(run, open_browser=open_browser)
    size = path.stat().st_size
    emit({"report": str(path), "bytes": size}, as_json=as_json, text=str(path))
