"""The verb `train`: the tiny policy learns from problems, by a recipe, at a fixed budget."""

from pathlib import Path
from typing import Annotated

import typer

from gradatim.cli.changes import Changes, parsed
from gradatim.cli.output import Json, Quiet, emit, reporter


def train(
    problems: Annotated[Path, typer.Argument(metavar="FILE", help="JSONL file of problems.")],
    run: Annotated[Path, typer.Option("--run", "-r", help="Run folder; created where missing.")],
    rollouts: Annotated[int, typer.Option(help="Attempts to spend, everything counted.")],
    recipe: Annotated[str, typer.Option(help="See `gradatim recipes`.")] = "gradatim",
    held_out: Annotated[
        Path | None, typer.Option(help="Problems to try on the way; nothing is learned from them.")
    ] = None,
    bank: Annotated[
        Path | None,
        typer.Option(help="Known difficulties, for recipes that need them: a bank, or its run."),
    ] = None,
    anchors: Annotated[
        Path | None, typer.Option(help="Problems to probe now and then and never learn from.")
    ] = None,
    tries: Annotated[
        int, typer.Option(help="Attempts on each held-out problem at each survey: k of pass@k.")
    ] = 4,
    start: Annotated[str, typer.Option(help="Checkpoint: a file or a shipped name.")] = "start",
    seed: Annotated[int, typer.Option(help="Decides every random choice.")] = 0,
    prompts: Annotated[int, typer.Option(help="Prompts of a step.")] = 64,
    batch: Annotated[int, typer.Option(help="Rollouts of a step.")] = 512,
    rate: Annotated[float, typer.Option(help="Learning rate.")] = 5e-4,
    overrides: Changes = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train the tiny policy; repeat the command to resume or to see what was reached.

    Example: gradatim train problems.jsonl --recipe grpo --rollouts 20000 --run runs/first
    """
    from gradatim.families.read import load

    files = (problems, held_out, anchors)
    listed, tested, probed = (load(file) if file else [] for file in files)
    changes = parsed(overrides or ())
    # torch is imported after a mistake in the files is told, and other verbs stay quick
    from gradatim.engine import watching
    from gradatim.engine.train import train as learn

    trained = learn(
        listed,
        rollouts=rollouts,
        run=run,
        recipe=recipe,
        held_out=tested,
        anchors=probed,
        progress=reporter(quiet),
        bank=bank,
        tries=tries,
        start=start,
        seed=seed,
        prompts=prompts,
        batch=batch,
        rate=rate,
        overrides=changes,
    )
    last = trained.curve[-1]
    text = [
        ("reused: " if trained.reused else "") + f"{recipe}, {last['rollouts']:,} rollouts, "
        f"{last['tokens']:,} tokens, {last['cpu']:.0f} CPU seconds in {len(trained.curve)} steps",
        *(f"held-out pass rate at {m['rollouts']:>9,}: {m['rate']}" for m in trained.monitor),
        *filter(None, [watching.summary(trained.monitor).sentence]),
        f"policy: {trained.checkpoint}",
    ]
    emit(trained, as_json=as_json, text="\n".join(text))
