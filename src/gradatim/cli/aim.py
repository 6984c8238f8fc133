"""The verb `aim`: new problems that a solver solves about as often as wanted, as JSONL."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from gradatim.cli.attempt import Retry, Settings, Spec
from gradatim.cli.output import Json, Quiet, emit, reporter
from gradatim.engine.aim import Aimed
from gradatim.engine.aim import aim as search
from gradatim.engine.aim_check import TARGETS, Checked, check_aim
from gradatim.errors import ArgumentError
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
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Aim at several pass rates, -n problems each, and attempt these once."
        ),
    ] = False,
    targets: Annotated[
        str | None, typer.Option(help="With --check: pass rates, say .2,.5,.8.")
    ] = None,
    settings: Settings = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make new problems that a solver solves about as often as wanted, as JSONL.

    Settings of the knobs are searched by trying: each family, and each part of the range of a
    --spread knob, is a kind, and keeps the setting nearest to the target. Repeat the command to
    resume; nothing is paid for twice, and -n or --near may change. With --check the result is
    how the pass rates of fresh attempts follow what was asked for.

    Example: gradatim aim lists arithmetic --solver tiny --target 0.5 -n 200 --run runs/aim
    """
    options = parse_options(settings or ())
    given: dict[str, Any] = {"attempts": attempts, "each": each, "near": near, "n": n}
    given |= {"spread": spread or (), "bins": bins, "seed": seed, "split": split}
    given |= {"solver": solver, "run": run, "retry": retry or (), "progress": reporter(quiet)}
    if check:
        _refuse(out)
        seen = check_aim(families, targets=_rates(targets), options=options, **given)
        emit(seen._asdict(), as_json=as_json, text=compared(seen))
        return
    if targets is not None:
        raise ArgumentError("`--targets` is for --check; without it give one --target")
    found = search(families, target=target, **given, **options)
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


def _refuse(out: Path | None) -> None:
    if out is not None:
        raise ArgumentError("`--check` makes no file of problems: leave out -o")


def _rates(text: str | None) -> tuple[float, ...]:
    if text is None:
        return TARGETS
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ArgumentError(f"`--targets` must be pass rates like .2,.5,.8, got {text!r}") from None


def compared(found: Checked) -> str:
    """Asked for and got, family by family, and what else moved, for people."""
    lines = [f"{'family':<16} {'asked':>6}  {'got':<22} {'problems':>8}"]
    for row in found.rows:
        rate = row["interval"]
        got = f"{rate.value:.3f} [{rate.low:.3f}, {rate.high:.3f}]"
        lines.append(f"{row['family']:<16} {row['requested']:>6g}  {got:<22} {row['problems']:>8,}")
    moved = found.steering
    lines.append(f"slope of got on asked, within a family: {moved.slope} (1 is as asked)")
    lines.append(f"got minus asked: {moved.bias}; off by {moved.error:.3f} on average")
    lines += [
        f"{name}: {drift} standard deviations from the lowest to the highest asked"
        for name, drift in moved.drift.items()
    ]
    lines.append(f"{found.made:,} attempts made")
    return "\n".join(lines)


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
