"""The verb `study`: recipes side by side at an equal budget."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gradatim.cli.output import Json, Quiet, emit, reporter
from gradatim.errors import SolverError

if TYPE_CHECKING:
    from gradatim.engine.study import Study


def study(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="TOML file of the study.")],
    results: Annotated[
        Path | None,
        typer.Option("--results", "-o", help="Parquet file of rows; default: beside FILE."),
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", help="Cells at a time, a core each.")] = 1,
    only: Annotated[
        list[str] | None, typer.Option(help="Run this variant only; repeatable.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write a page of figures and tables here (.html).")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Run nothing: compare the rows that are there.")
    ] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run what a study has not run yet, and compare every variant with its baseline.

    Interrupt it at any time: cells that are done keep their rows, and the same command goes on.

    Example: gradatim study studies/smoke.toml --jobs 2
    """
    # torch is imported here, so that other verbs stay quick
    from gradatim.engine import contrasts, study_profiles, study_tuning
    from gradatim.engine import study as engine

    plan = engine.load(file)
    target = results or file.with_suffix(".parquet")
    planned = len(plan.cells)
    if dry_run:
        plan = _begun(plan, target)
    failure = None
    try:
        told = reporter(quiet)
        rows = engine.study(plan, results=target, jobs=jobs, only=only or (), progress=told)
    except SolverError as error:  # cells failed: what there is is shown, then that is said
        failure, rows = error, engine.study(_begun(plan, target), results=target)
    begun = any(row["variant"] == plan.baseline for row in rows)
    found = contrasts.contrast(rows, baseline=plan.baseline) if begun or report else []
    parts = contrasts.leave_one_out(rows)
    profiles = study_profiles.profiles(rows, baseline=plan.baseline)
    tuning = study_tuning.words(plan.tuning)
    # variants that were given up count as well: their rows are still in the file
    tried = len({(row["variant"], row["rate"]) for row in (*rows, *engine.read_rows(target))})
    text = contrasts.table(found, configurations=tried)
    text += f"\nno row of the baseline '{plan.baseline}' yet: nothing to compare" * (not begun)
    text += f"\n\n{contrasts.parts_table(parts)}" * bool(parts)
    if profiles is not None and len(profiles["workloads"]) > 1:
        text += f"\n\n{study_profiles.table(profiles, baseline=plan.baseline)}"
    text += f"\n{tuning}"
    left = planned - len(rows)
    text += f"\n{left} of {planned} cells have no row yet" * bool(left)
    text += f"\nrows: {target}"
    if report is not None:
        from gradatim.reports.study_report import Tried, study_report

        around = Tried(plan.name, plan.baseline, tried, planned, f"gradatim study {file}", tuning)
        text += f"\npage: {study_report(rows, around, output=report)}"
    emit(
        {"study": plan.name, "baseline": plan.baseline, "configurations": tried, "cells": len(rows)}
        | {"missing": left, "contrasts": found, "parts": parts}
        | {"levels": contrasts.by_level(rows, baseline=plan.baseline)}
        | {"profiles": profiles, "tuning": tuning if plan.tuning is None else plan.tuning._asdict()}
        | ({"report": str(report)} if report is not None else {}),
        as_json=as_json,
        text=text,
    )
    if failure is not None:
        raise failure


def _begun(plan: "Study", target: Path) -> "Study":
    """The cells of a study that have a row."""
    from gradatim.engine.study import read_rows

    known = {row["key"] for row in read_rows(target)}
    return plan._replace(cells=[cell for cell in plan.cells if cell.key in known])
