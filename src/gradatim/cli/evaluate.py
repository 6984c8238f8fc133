"""The verb `evaluate`: where a solver stands, from a fraction of a bank's problems."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gradatim.cli.attempt import Settings
from gradatim.cli.output import Json, Quiet, emit, reporter
from gradatim.engine.evaluate import evaluate as test_solver
from gradatim.solvers.registry import parse_options

STOPS = {
    "se": "the standard error is small enough",
    "max_items": "the number of questions is reached",
    "bank": "the bank has no more questions",
}


def evaluate(
    solver: Annotated[str, typer.Argument(help="Who is tested: see `gradatim solvers`.")],
    bank: Annotated[
        Path, typer.Option("--bank", "-b", help="Bank file, or the run folder that holds it.")
    ],
    problems: Annotated[
        Path | None, typer.Option(help="JSONL file of the bank's problems; else the run's.")
    ] = None,
    run: Annotated[
        Path | None, typer.Option("--run", "-r", help="Where attempts go; else the bank's run.")
    ] = None,
    stop_se: Annotated[float, typer.Option(help="Stop at this standard error, logits.")] = 0.25,
    max_items: Annotated[int, typer.Option(help="Most questions.")] = 100,
    samples: Annotated[int, typer.Option("--samples", "-k", help="Attempts per question.")] = 1,
    order: Annotated[str, typer.Option(help="adaptive or random.")] = "adaptive",
    top: Annotated[int, typer.Option(help="Draw each question among this many best.")] = 1,
    batch: Annotated[int, typer.Option(help="Questions asked together.")] = 1,
    seed: Annotated[int, typer.Option(help="Of random orders and draws.")] = 0,
    settings: Settings = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Place a solver on a bank's scale by an adaptive test.

    Example: gradatim evaluate sim:2pl --bank runs/first --stop-se 0.25 --set ability=0.7
    """
    found = test_solver(
        solver,
        bank,
        problems=problems,
        run=run,
        stop_se=stop_se,
        max_items=max_items,
        samples=samples,
        order=order,
        top=top,
        batch=batch,
        seed=seed,
        progress=reporter(quiet),
        **parse_options(settings or ()),
    )
    emit(found, as_json=as_json, text=_text(found))


def _text(found: dict[str, Any]) -> str:
    ability, score = found["ability"], found["score"]
    lines = [
        f"{found['solver']} on scale {found['scale']}, after {found['items']} of "
        f"{found['bank_items']:,} items ({STOPS[found['stopped']]}):",
        f"  ability {ability.value:+.2f} [{ability.low:+.2f}, {ability.high:+.2f}]",
        f"  expected share of the whole bank solved {score.value:.3f} "
        f"[{score.low:.3f}, {score.high:.3f}]",
        f"  {found['made']:,} attempts made, {found['reused']:,} were there",
    ]
    if found["unanswered"]:
        lines.append(f"  {found['unanswered']} questions without an answer")
    return "\n".join(lines)
