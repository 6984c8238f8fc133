"""The verb `grade`: how hard are these problems for this solver."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gradatim.cli.attempt import Folder, Settings, describe
from gradatim.cli.output import Json, Quiet, emit, reporter
from gradatim.engine.grade import grade as grade_problems
from gradatim.solvers.registry import parse_options


def grade(
    problems: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="JSONL file; else the run's problems.")
    ] = None,
    solver: Annotated[
        str | None,
        typer.Option("--solver", "-s", help="Who answers; nobody: grade stored replies anew."),
    ] = None,
    run: Folder = None,
    samples: Annotated[int, typer.Option("--samples", "-k", help="Attempts per problem.")] = 8,
    model: Annotated[str, typer.Option(help="Of the calibration.")] = "2pl",
    settings: Settings = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Attempt and calibrate: which problems are never, sometimes and always solved.

    Example: gradatim grade problems.jsonl --solver openai:MODEL@http://localhost:8000 --samples 8
    """
    graded = grade_problems(
        problems,
        solver=solver,
        run=run,
        samples=samples,
        model=model,
        progress=reporter(quiet),
        **parse_options(settings or ()),
    )
    emit(graded, as_json=as_json, text=_text)


def _text(graded: dict[str, Any]) -> str:
    total = len(graded["problems"])
    lines = [describe(graded["attempts"])] if graded["attempts"] else []
    if graded["attempts"] is None:
        lines.append(f"{graded['regraded']:,} stored replies graded anew, no model asked")
    lines += [
        f"pass rate {graded['pass_rate']}, n counts problems",
        f"of {total:,} problems: {graded['never']:,} never solved, {graded['sometimes']:,} "
        f"sometimes, {graded['always']:,} always",
    ]
    groups: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for row in graded["problems"]:
        groups.setdefault((row["family"] or "(file)", row["level"] or 0), []).append(row)
    for (family, level), rows in sorted(groups.items()):
        name = f"{family} level {level}" if level else family
        rate = sum(r["solved"] / r["tried"] for r in rows) / len(rows)
        placed = [r["difficulty"] for r in rows if r["difficulty"] is not None]
        hard = f", mean difficulty {sum(placed) / len(placed):+.2f}" if placed else ""
        lines.append(f"  {name:<24} {len(rows):>5,} problems, pass rate {rate:.2f}{hard}")
    return "\n".join(lines)
