"""The verb `attempt`: problems x a solver -> the ledger of a run."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gradatim.cli.output import Json, Quiet, emit, reporter
from gradatim.engine.attempt import attempt as make_attempts
from gradatim.solvers.registry import parse_options
from gradatim.types import STATUSES

Spec = Annotated[str, typer.Option("--solver", "-s", help="Who answers: see `gradatim solvers`.")]
Folder = Annotated[
    Path | None,
    typer.Option("--run", "-r", help="Run folder; created where missing. Default: runs/NAME."),
]
Samples = Annotated[int, typer.Option("--samples", "-k", help="Attempts per problem.")]
Budget = Annotated[int | None, typer.Option(help="Most new attempts of this call.")]
Retry = Annotated[
    list[str] | None,
    typer.Option(help="Replace stored attempts of this status (timeout ...); repeatable."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="An option of the solver, NAME=VALUE or NAME=@FILE; repeatable."),
]


def attempt(
    problems: Annotated[Path, typer.Argument(metavar="FILE", help="JSONL file of problems.")],
    solver: Spec,
    run: Folder = None,
    samples: Samples = 1,
    budget: Budget = None,
    retry: Retry = None,
    settings: Settings = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Let a solver answer problems; repeat the command to resume, nothing is paid for twice.

    Example: gradatim attempt problems.jsonl --solver sim:2pl --samples 8 --run runs/first
    """
    summary = make_attempts(
        problems,
        solver=solver,
        run=run,
        samples=samples,
        budget=budget,
        retry=retry or (),
        progress=reporter(quiet),
        **parse_options(settings or ()),
    )
    emit(summary, as_json=as_json, text=describe(summary))


def describe(summary: dict[str, Any]) -> str:
    """A summary of attempts for people."""
    left = f", {summary['left']:,} left" if summary["left"] else ""
    outcomes = ", ".join(f"{summary[s]:,} {s}" for s in STATUSES if summary[s])
    reasons = ", ".join(f"{n:,} {reason}" for reason, n in summary["reasons"].items())
    return "\n".join([
        f"{summary['solver']}: {summary['requested']:,} attempts asked for: "
        f"{summary['reused']:,} were there, {summary['made']:,} made{left}",
        f"  outcomes: {outcomes or 'none'}",
        f"  grades: {reasons or 'none'}",
        *(f"  {n:,} x {fault}" for fault, n in summary["faults"].items()),
    ])
