"""The verb `calibrate`: attempts or a matrix of results to a bank on one scale."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gradatim.cli.output import Json, Quiet, emit, reporter
from gradatim.engine import calibrate as engine
from gradatim.store.run import Run


def calibrate(
    source: Annotated[
        Path, typer.Argument(help="Run folder, or matrix file (.npz, .csv, .parquet, .jsonl).")
    ],
    model: Annotated[str, typer.Option(help="2pl, 1pl or rasch.")] = "2pl",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Also write the bank here (.parquet).")
    ] = None,
    leave_out: Annotated[
        list[str] | None, typer.Option(help="A solver that takes no part; repeatable.")
    ] = None,
    floors: Annotated[
        bool, typer.Option("--floors", help="Take the families' guess floors as known.")
    ] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Place problems and solvers on one scale, with standard errors.

    Example: gradatim calibrate runs/first -o bank.parquet
    """
    bank = engine.calibrate(
        source, model=model, leave_out=leave_out or (), floors=floors, progress=reporter(quiet)
    )
    run = Run(source) if source.is_dir() else None
    problems = {} if run is None else {p.id: p for p in run.problems()}
    found = engine.describe_calibration(bank, problems)
    if output is not None:
        found["output"] = str(engine.save_bank(output, bank))
    emit(found, as_json=as_json, text=_text(found))


def _text(found: dict[str, Any]) -> str:
    fit = found["fit"]
    state = (
        f"{'converged' if fit['converged'] else 'NOT CONVERGED'} after {fit['iterations']} steps"
    )
    state += f", log-likelihood {fit['loglik']:.3f}"
    if fit.get("reused"):
        state = "reused, it is of these responses"
    lines = [
        f"{found['items']:,} items and {len(found['solvers']):,} solvers on scale "
        f"{found['scale']} ({found['model']}): {state}",
        f"  {fit['cells']:,} cells, {fit['attempts']:,} attempts, {fit['missing']:.1%} missing, "
        f"attempts of a cell correlate {fit['overdispersion']:.2f}",
    ]
    for name, words in (
        ("never_solved", "items never solved"),
        ("always_solved", "items always solved"),
        ("zero_solvers", "solvers that solved nothing"),
        ("full_solvers", "solvers that solved everything"),
    ):
        if found[name]:
            lines.append(f"  {len(found[name]):,} {words}: {_some(found[name])}")
    if found["parts"]:
        parts = "; ".join(_some(part, 4) for part in found["parts"])
        lines.append(
            f"  {len(found['parts'])} parts without a common item or solver, put on one scale by "
            f"the prior alone: {parts}"
        )
    for family, value in found["spearman"].items():
        lines.append(f"  difficulty with level, {family}: Spearman {value}")
    ranked = sorted(found["solvers"], key=lambda row: -row["ability"])
    width = max(len(row["name"]) for row in ranked)
    lines += [
        f"  {r['name']:<{width}}  ability {r['ability']:+.2f} ± {r['se']:.2f}" for r in ranked
    ]
    if "output" in found:
        lines.append(f"bank: {found['output']}")
    return "\n".join(lines)


def _some(names: list[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
