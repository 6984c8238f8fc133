"""The verb `aim`: new problems that a solver solves about as often as wanted, as JSONL."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from gradatim.cli.attempt import Retry, Settings, Spec
from gradatim.cli.output import Json, Quiet, emit, reporter
from gradatim.engine.aim import Aimed
from gradatim.engine.aim import aim as search
from gradatim.families.read import save, to_row
from gradatim.solvers.registry import parse_options


def aim(
    families: Annotated[
        list[str], typer.Argument(metavar="FAMILY...", help="See `gradatim families`.")
    ],
    solver: Spec,
    run: Annotated[
        Path,
        typer.Option("--run", "-r", help="Run folder, keeps the attempts; created where missing."),
    ],
    target: Annotated[float, typer.Option(help="Pass rate wanted.")] = 0.5,
    n: Annotated[int, typer.Option("-n", help="How many problems.")] = 100,
    attempts: Annotated[int, typer.Option(help="Most attempts of the search.")] = 1024,
    each: Annotated[int, typer.Option(help="Attempts on one setting of the knobs.")] = 8,
    spread: Annotated[
        list[str] | None, typer.Option(help="A knob that kinds are to differ in; repeatable.")
    ] = None,
    bins: Annotated[int, typer.Option(help="Parts of each such knob's range.")] = 3,
    near: Annotated[float, typer.Option(help="How near a setting's pass rate must be.")] = 0.2,
    seed: Annotated[int, typer.Option(help="Any whole number.")] = 0,
    split: Annotated[str, typer.Option(help="train or test; no problem is in both.")] = "train",
    retry: Retry = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="File to write; else stdout.")
    ] = None,
    settings: Settings = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make new problems that a solver solves about as often as wanted, as JSONL.

    Settings of the knobs are searched by trying: each family, and each part of the range of a
    --spread knob, is a kind, and keeps the setting nearest to the target. Repeat the command to
    resume; nothing is paid for twice, and -n or --near may change.

    Example: gradatim aim lists arithmetic --solver tiny --target 0.5 -n 200 --run runs/aim
    """
    found = search(
        families,
        solver=solver,
        run=run,
        target=target,
        n=n,
        attempts=attempts,
        each=each,
        spread=spread or (),
        bins=bins,
        near=near,
        seed=seed,
        split=split,
        retry=retry or (),
        progress=reporter(quiet),
        **parse_options(settings or ()),
    )
    sys.stderr.write(describe(found, n))
    rows = [to_row(problem) for problem in found.problems]
    if out is not None:
        save(out, found.problems)
        sys.stderr.write(f"{len(rows):,} problems in {out}\n")
    if as_json:
        told = {**found._asdict(), "problems": rows}
        told |= {} if out is None else {"problems": len(rows), "file": str(out)}
        emit(told, as_json=True, text="")
    elif out is None:
        sys.stdout.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def describe(found: Aimed, wanted: int) -> str:
    """What was found, and what it cost, for people."""
    lines = []
    for kind in found.kinds:
        knobs = ", ".join(f"{name} {value}" for name, value in kind["knobs"].items())
        given = f"{kind['problems']:,} problems" if kind["problems"] else "not near enough"
        lines.append(f"{kind['family']}, {knobs}: solved {kind['rate']}, {given}")
    figures, lost = found.figures, f", {found.lost:,} lost" if found.lost else ""
    lines.append(
        f"{figures.filled:,} of {figures.cells:,} kinds found with {found.made + found.reused:,} "
        f"attempts: {found.reused:,} were there, {found.made:,} made{lost}"
    )
    if len(found.problems) < wanted:
        lines.append(f"only {len(found.problems):,} of {wanted:,} problems: these knobs allow few")
    return "".join(f"{line}\n" for line in lines)
