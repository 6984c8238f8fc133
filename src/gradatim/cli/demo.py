"""The verb `demo`: the whole loop once, for real, on one screen and one page."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from gradatim.cli.output import Json, Quiet, emit, reporter


def demo(
    run: Annotated[Path, typer.Option("--run", "-r", help="Run folder.")] = Path("runs/demo"),
    rollouts: Annotated[
        int | None, typer.Option(help="Rollouts of each arm; default: from a speed probe.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of problems and training.")] = 0,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Generate, attempt, calibrate, train two recipes at an equal budget, compare, report.

    Example: gradatim demo --rollouts 60000
    """
    # torch is imported here, so that other verbs stay quick
    from gradatim.engine.demo import demo as run_demo
    from gradatim.reports.report import report

    def echo(line: str) -> None:
        if not quiet:
            sys.stderr.write(line + "\n")

    summary = run_demo(run, rollouts=rollouts, seed=seed, progress=reporter(quiet), echo=echo)
    page = report(run)
    emit({**summary, "report": str(page)}, as_json=as_json, text=screen(summary, page))


def screen(summary: dict[str, Any], page: Path) -> str:
    """The summary for people."""
    verdict, placed, budget = summary["verdict"], summary["placement"], summary["budget"]
    lines = [
        "",
        f"problems    {summary['problems']:,} of 3 families, 10 levels each; "
        f"{summary['test_problems']:,} of them held out; "
        f"{summary['pool_problems']:,} more to train on",
        f"attempts    {summary['attempts']['requested']:,} by {summary['crowd']} checkpoints and "
        f"one held out ({summary['attempts']['reused']:,} reused)",
        f"never solved  {len(summary['never_solved']):,} problems: "
        f"{', '.join(summary['never_solved'][:3])} ... (all in summary.json)",
        "difficulty ~ level (Spearman)  "
        + "  ".join(f"{name} {_interval(v, 2)}" for name, v in summary["spearman"].items()),
        f"placing a held-out checkpoint  {placed['used']} adaptive items: ability off by "
        f"{placed['error_at_used']:.2f} logits; as many random items: "
        f"{placed['random_error_at_used']:.2f} (score: {placed['score_error_at_used']:.3f} and "
        f"{placed['random_score_error_at_used']:.3f})",
        f"training    {budget['rollouts']:,} rollouts for each arm ({budget['source']})",
        "",
        f"{'held-out pass rate':<22}{'temperature 1':<28}greedy",
    ]
    overall = {(row["arm"], row["mode"]): row["rate"] for row in verdict["overall"]}
    for arm in dict.fromkeys(row["arm"] for row in verdict["overall"]):
        sampled, greedy = overall[arm, "sampled"], overall[arm, "greedy"]
        lines.append(f"  {arm:<20}{_interval(sampled, 3):<28}{_interval(greedy, 3)}")
    for row in verdict["difference"]:
        if row["between"] == ["gradatim", "grpo"]:
            lines.append(f"  gradatim - grpo, {row['mode']:<8}  {_interval(row['value'], 3)}")
    reached = {
        a: f"{n:,}" if n else "not reached" for a, n in verdict["rollouts_to_target"].items()
    }
    lines += [
        f"  rollouts to grpo's final rate ({verdict['target']:.3f}): "
        + ", ".join(f"{arm} {n}" for arm, n in reached.items()),
        "  CPU seconds: "
        + ", ".join(f"{arm} {s:.0f}" for arm, s in verdict["cpu_seconds"].items())
        + "; tokens: "
        + ", ".join(f"{arm} {n:,}" for arm, n in verdict["tokens"].items()),
        "",
        verdict["statement"],
        f"{sum(summary['seconds'].values()):.0f} s, "
        f"{sum(summary['cpu_seconds'].values()):.0f} CPU seconds",
        f"report: {page}",
    ]
    return "\n".join(lines)


def _interval(value: dict[str, Any], digits: int) -> str:
    return "{value:.{d}f} [{low:.{d}f}, {high:.{d}f}]".format(d=digits, **value)
