"""The verb `calibrate`: attempts, logs or a matrix of results to a bank on one scale."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gradatim.cli.logs import Columns, Format, Score, Sources, Span, reading
from gradatim.cli.output import Json, Quiet, emit, reporter
from gradatim.engine import calibrate as engine
from gradatim.engine.sources import published_means
from gradatim.store.run import Run

SHOWN = 100  # solvers that are listed


def calibrate(
    source: Sources,
    model: Annotated[str, typer.Option(help="2pl, 1pl, rasch, 3pl or 4pl.")] = "2pl",
    link: Annotated[
        Path | None, typer.Option(help="Bank (.parquet) to whose scale the result is brought.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Also write the bank here (.parquet).")
    ] = None,
    leave_out: Annotated[
        list[str] | None, typer.Option(help="A solver that takes no part; repeatable.")
    ] = None,
    floors: Annotated[
        bool, typer.Option("--floors", help="Take the families' guess floors as known.")
    ] = False,
    score: Score = None,
    format: Format = None,
    column: Columns = None,
    span: Span = None,
    published: Annotated[
        Path | None, typer.Option(help="Table of solver and mean that the data must agree with.")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Place problems and solvers on one scale, with standard errors.

    Sources are run folders, logs of inspect_ai, lm-evaluation-harness, TRL or verl, tables with
    one row per attempt or cell, matrix files, or folders of these; several are added up.

    Example: gradatim calibrate runs/first -o bank.parquet
    """
    if output is not None:
        output = engine.bank_path(output)  # refused before the work, not after
    options = reading(score=score, format=format, column=column, span=span)
    if published is not None:
        options["published"] = published_means(published)
    bank = engine.calibrate(
        source,
        model=model,
        link=link,
        leave_out=leave_out or (),
        floors=floors,
        progress=reporter(quiet),
        **options,
    )
    run = Run(source[0]) if len(source) == 1 and (source[0] / "run.toml").exists() else None
    problems = {} if run is None else {p.id: p for p in run.problems()}
    found = engine.describe_calibration(bank, problems)
    if output is not None:
        found["output"] = str(engine.save_bank(output, bank))
    emit(found, as_json=as_json, text=_text)


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
    lines += _sources(found) + _warnings(found)
    for family, value in found["spearman"].items():
        lines.append(f"  difficulty with level, {family}: Spearman {value}")
    ranked = sorted(found["solvers"], key=lambda r: (r["ability"] != r["ability"], -r["ability"]))
    width = max(len(row["name"]) for row in ranked)
    lines += [
        f"  {r['name']:<{width}}  ability {r['ability']:+.2f} ± {r['se']:.2f}"
        if r["ability"] == r["ability"]
        else f"  {r['name']:<{width}}  no attempts, no ability"
        for r in ranked[:SHOWN]
    ]
    if len(ranked) > SHOWN:
        lines.append(f"  ... and {len(ranked) - SHOWN:,} more; all are in --json and the bank")
    if "output" in found:
        lines.append(f"bank: {found['output']}")
    return "\n".join(lines)


def _sources(found: dict[str, Any]) -> list[str]:
    """What each file brought, and what it had no score for."""
    lines = []
    for origin in found.get("sources", ()):
        lines.append(
            f"  {origin['path']}: {origin['attempts']:,} attempts, {origin['items']:,} items, "
            f"{origin['solvers']:,} solvers ({origin['tool'] or origin['format']}"
            + (f", score {origin['score']})" if origin["score"] else ")")
        )
        lines += [f"    {n:,} attempts left out: {why}" for why, n in origin["missing"].items()]
        lines += [f"    {note}" for note in origin["notes"]]
    return lines + [f"  {note}" for note in found.get("notes", ())]


def _warnings(found: dict[str, Any]) -> list[str]:
    """Findings about the data that the lines above do not say, and how the link went."""
    said = ("all_right", "all_wrong", "items_all_right", "items_all_wrong", "parts")
    lines = [f"  {f['words']}" for f in found.get("quality", ()) if f["kind"] not in said]
    if link := found.get("link"):
        (aa, _), (_, bb) = link["covariance"]
        if link["from"] != found["scale"]:
            lines.append(
                f"  linked from {link['from']} by {link['anchors']:,} anchors: slope "
                f"{link['slope']:.3f} ± {aa**0.5:.3f}, shift {link['shift']:+.3f} ± {bb**0.5:.3f}"
            )
        drifted = link.get("drift", {}).get("drifted", [])
        if drifted:
            names = _some([row["item"] for row in drifted])
            lines.append(f"  {len(drifted):,} anchors drifted and were left out: {names}")
        lines += [f"  link: {warning}" for warning in link.get("warnings", ())]
    return lines


def _some(names: list[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
