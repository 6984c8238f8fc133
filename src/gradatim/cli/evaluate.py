"""The verb `evaluate`: where a solver stands, from a fraction of a bank's problems."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gradatim.cli.attempt import Settings
from gradatim.cli.output import Json, Quiet, emit, reporter
from gradatim.engine.evaluate import evaluate as test_solver
from gradatim.engine.evaluate_replay import evaluate_replay
from gradatim.errors import ArgumentError
from gradatim.solvers.registry import parse_options

STOPS = {
    "se": "the standard error is small enough",
    "max_items": "the number of questions is reached",
    "bank": "the bank has no more questions",
}


def evaluate(
    solver: Annotated[
        str | None, typer.Argument(help="Who is tested: see `gradatim solvers`.")
    ] = None,
    bank: Annotated[
        Path | None,
        typer.Option("--bank", "-b", help="Bank file, or the run folder that holds it."),
    ] = None,
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
    replay: Annotated[
        Path | None,
        typer.Option(help="Recorded matrix (.npz) to try adaptive tests on; no SOLVER, no --bank."),
    ] = None,
    holdout: Annotated[
        float, typer.Option(help="With --replay: share of models held out at a time.")
    ] = 0.1,
    items: Annotated[int, typer.Option(help="With --replay: questions of an adaptive test.")] = 50,
    compare_random: Annotated[
        int, typer.Option(help="With --replay: random items whose plain mean is compared.")
    ] = 100,
    settings: Settings = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Place a solver on a bank's scale by an adaptive test.

    With --replay: how few items would have told each recorded model's full score? Models are held
    out in turn, the others calibrate the items.

    Example: gradatim evaluate sim:2pl --bank runs/first --stop-se 0.25 --set ability=0.7

    Example: gradatim evaluate --replay matrix.npz --items 50 --compare-random 100
    """
    if replay is not None:
        given = {"SOLVER": solver, "--bank": bank, "--problems": problems, "--run": run}
        for name, value in {**given, "--set": settings}.items():
            if value:
                raise ArgumentError(f"{name} has no place beside --replay, got {value}")
        told = evaluate_replay(
            replay,
            holdout=holdout,
            items=items,
            compare_random=compare_random,
            seed=seed,
            progress=reporter(quiet),
        )
        emit(told, as_json=as_json, text=_replayed(told))
        return
    if solver is None or bank is None:
        missing = "SOLVER" if solver is None else "--bank"
        raise ArgumentError(f"{missing} is missing; give SOLVER and --bank, or --replay FILE.npz")
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


def _replayed(found: dict[str, Any]) -> str:
    n, random = (min(found[key], found["bank_items"]) for key in ("items", "compare_random"))
    fewest = found["enough"]
    lines = [
        f"{found['models']:,} of {found['recorded']:,} models held out, "
        f"{found['bank_items']:,} items; mean |predicted - full score|, Spearman with it:"
    ]
    for name, words in (
        ("adaptive", f"{n} adaptive items"),
        ("random_model", f"{n} random items, same model"),
        ("random", f"{random} random items, plain mean"),
    ):
        error, rank = found[f"{name}_error"], found[f"{name}_spearman"]
        lines.append(
            f"  {words:<32} {error.value:.4f} [{error.low:.4f}, {error.high:.4f}]   "
            f"{rank.value:.3f} [{rank.low:.3f}, {rank.high:.3f}]"
        )
    lines.append(
        f"  {fewest if fewest else f'more than {n}'} adaptive items do for the error of {random} "
        f"random ones; one item was given to {found['exposure']:.0%} of models"
    )
    if found["left_out"]:
        lines.append(f"  {found['left_out']} models without results were left out")
    return "\n".join(lines)
