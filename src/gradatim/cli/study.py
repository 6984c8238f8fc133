"""The verb `study`: recipes side by side at an equal budget."""

from pathlib import Path
from typing import Annotated

import typer

from gradatim.cli.output import Json, Quiet, emit, reporter


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
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run what a study has not run yet, and compare every variant with its baseline.

    Interrupt it at any time: cells that are done keep their rows, and the same command goes on.

    Example: gradatim study studies/smoke.toml --jobs 2
    """
    # torch is imported here, so that other verbs stay quick
    from gradatim.engine import contrasts
    from gradatim.engine import study as engine

    plan = engine.load(file)
    target = results or file.with_suffix(".parquet")
    rows = engine.study(plan, results=target, jobs=jobs, only=only or (), progress=reporter(quiet))
    found = contrasts.contrast(rows, baseline=plan.baseline)
    tried = len({(row["variant"], row["rate"]) for row in rows})
    text = contrasts.table(found, configurations=tried)
    left = len(plan.cells) - len(rows)
    text += f"\n{left} of {len(plan.cells)} cells have no row yet" * bool(left)
    emit(
        {"study": plan.name, "baseline": plan.baseline, "configurations": tried, "cells": len(rows)}
        | {"missing": left, "contrasts": found},
        as_json=as_json,
        text=f"{text}\nrows: {target}",
    )
