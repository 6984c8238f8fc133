"""The verb `attempt`: problems x a solver -> the ledger of a run."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gradatim.cli.output import Json, Quiet, emit, reporter
from gradatim.engine.attempt import attempt as make_attempts
from gradatim.engine.feedback import Trial, measure_friction
from gradatim.errors import ArgumentError
from gradatim.solvers.registry import parse_options
from gradatim.types import STATUSES, Estimate

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
Feedback = Annotated[
    str | None,
    typer.Option(
        help="Try again what is not solved, told by: wrong (that it is), simple_gt (the answer) "
        "or a solver that writes criticism; says what the solver makes of it."
    ),
]


def attempt(
    problems: Annotated[Path, typer.Argument(metavar="FILE", help="JSONL file of problems.")],
    solver: Spec,
    run: Folder = None,
    samples: Samples = 1,
    budget: Budget = None,
    retry: Retry = None,
    feedback: Feedback = None,
    rounds: Annotated[
        int | None, typer.Option(help="With --feedback: most retries of a problem; default 5.")
    ] = None,
    tries: Annotated[
        int | None,
        typer.Option(help="With --feedback: repeated wrong answers are made again, to this many."),
    ] = None,
    leak: Annotated[
        str | None,
        typer.Option(help="With --feedback: an answer in it is masked (mask), drop or allow."),
    ] = None,
    settings: Settings = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Let a solver answer problems; repeat the command to resume, nothing is paid for twice.

    With --feedback WRITER each problem gets one attempt, and retries while it is not solved:
    accuracy by round, and the friction, what stays unsolved although it was told.

    Example: gradatim attempt problems.jsonl --solver sim:2pl --samples 8 --run runs/first
    """
    told = {"rounds": rounds, "tries": tries, "leak": leak}
    told = {name: value for name, value in told.items() if value is not None}
    if feedback is not None:
        _refuse(
            {"--samples": samples != 1, "--budget": budget is not None, "--retry": bool(retry)},
            "not with --feedback, which makes one attempt a round",
        )
        trial = measure_friction(
            problems,
            solver=solver,
            writer=feedback,
            run=run,
            progress=reporter(quiet),
            **told,
            **parse_options(settings or ()),
        )
        emit(trial, as_json=as_json, text=_friction(trial, solver, feedback))
        return
    _refuse({f"--{name}": True for name in told}, "only with --feedback WRITER")
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


def _refuse(given: dict[str, bool], why: str) -> None:
    """Refuse options that do not fit what was asked for."""
    if named := [name for name, is_given in given.items() if is_given]:
        raise ArgumentError(f"{', '.join(named)}: {why}")


def _friction(trial: Trial, solver: str, writer: str) -> str:
    """Accuracy by round and the friction, for people."""
    found = trial.friction
    lines = [f"{solver}, feedback by {writer}, {found.plateau.n:,} problems:"]
    shown = found.accuracy
    for number, span in enumerate(zip(shown.value, shown.low, shown.high, shown.n, strict=True)):
        name = f"round {number}" if number else "unaided"
        lines.append(f"  solved, {name:<9} {_span(Estimate(*span))}")
    lines.append(f"  friction          {_span(found.friction)} of {found.ceiling:.3f} within reach")
    if found.unrecovered.n:
        lines.append(f"  not taken up      {_span(found.unrecovered)} of what was left to gain")
    lines.append(
        f"  {trial.requested:,} attempts ({trial.made:,} made, {trial.rejected:,} repeated an "
        f"answer), {trial.written:,} texts written"
    )
    if found.left_out:
        lines.append(f"  {found.left_out:,} problems left out: an attempt was lost")
    return "\n".join(lines)


def _span(of: Estimate) -> str:
    return f"{of.value:.3f} [{of.low:.3f}, {of.high:.3f}]"


def describe(summary: dict[str, Any]) -> str:
    """A summary of attempts for people."""
    left = f", {summary['left']:,} left" if summary["left"] else ""
    outcomes = ", ".join(f"{summary[s]:,} {s}" for s in STATUSES if summary[s])
    reasons = ", ".join(f"{n:,} {reason}" for reason, n in summary["reasons"].items())
    named = ", ".join(f"{n:,} {what}" for what, n in summary["named"].items())
    return "\n".join([
        f"{summary['solver']}: {summary['requested']:,} attempts asked for: "
        f"{summary['reused']:,} were there, {summary['made']:,} made{left}",
        f"  outcomes: {outcomes or 'none'}",
        f"  grades: {reasons or 'none'}",
        *([f"  among the answers: {named}"] if named else []),
        *(f"  {n:,} x {fault}" for fault, n in summary["faults"].items()),
        *(_sensitive(name, found) for name, found in summary["sensitivity"].items()),
        *_spent(summary),
    ])


def _sensitive(name: str, found: dict[str, Any]) -> str:
    """What an outcome without a verdict does to the share solved, in a line."""
    shares = {rule: found[rule] for rule in ("wrong", "right", "left_out")}
    told = {rule: "none is left" if s is None else f"{s:.3f}" for rule, s in shares.items()}
    counted = found["counts_as"].replace("_", " ")
    return (
        f"  {name}: {found['n']:,}, counted as {counted}; if all were right, solved would be "
        f"{told['right']}; wrong: {told['wrong']}; left out: {told['left_out']}"
    )


def _spent(summary: dict[str, Any]) -> list[str]:
    """What was spent, and which budget ended it."""
    spent = summary["spent"]
    if not spent:
        return []
    most = "" if spent["exact"] else "at most "
    tokens = f"{most}{spent['prompt_tokens']:,} tokens read, {spent['answer_tokens']:,} written"
    cost = f", {most}{spent['cost']:.4f} spent" if "cost" in spent else ""
    before = (
        f"; {spent['requests_before']:,} requests and {spent['tokens_before']:,} tokens in earlier "
        "sessions of this run"
        if "requests_before" in spent
        else ""
    )
    lines = [f"  {spent['requests']:,} requests, {tokens}{cost}{before}"]
    if spent["stopped_by"]:
        lines.append(
            f"  stopped: one more request might exceed {spent['stopped_by']}, the budget of all "
            f"sessions of this run; raise it and run the same command for the {summary['left']:,} "
            "that are left"
        )
    return lines
