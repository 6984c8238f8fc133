"""The verb `choose`: plan the next attempts, or say what they would bring."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gradatim.cli.changes import Changes, parsed
from gradatim.cli.output import Json, emit, json_line
from gradatim.engine.choose import choose as plan_attempts
from gradatim.errors import ArgumentError

Source = Annotated[
    Path | None, typer.Argument(metavar="RUN|FILE", help="Run folder, or JSONL file of problems.")
]
Rate = Annotated[
    str | None, typer.Option(help="Known pass rate, or several: 0.02,0.18,0.5; taken in turn.")
]


def choose(
    source: Source = None,
    recipe: Annotated[str, typer.Option(help="See `gradatim recipes`.")] = "gradatim",
    prompts: Annotated[int, typer.Option(help="Prompts of the step.")] = 64,
    rollouts: Annotated[int, typer.Option(help="Attempts in all, exactly.")] = 512,
    solver: Annotated[str | None, typer.Option(help="Whose attempts in the run count.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the choice.")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Forecast, no plan.")] = False,
    pass_rate: Rate = None,
    tokens: Annotated[float | None, typer.Option(help="Tokens per attempt.")] = None,
    price: Annotated[float | None, typer.Option(help="Price of a million tokens.")] = None,
    settings: Changes = None,
    as_json: Json = False,
) -> None:
    """Plan the next attempts as JSONL rows; with --dry-run say what they would bring and cost.

    Example: gradatim choose --dry-run --pass-rate 0.18 --rollouts 512
    """
    found = plan_attempts(
        source,
        recipe=recipe,
        prompts=prompts,
        rollouts=rollouts,
        solver=solver,
        seed=seed,
        dry_run=dry_run,
        pass_rate=_rates(pass_rate),
        tokens=tokens,
        price=price,
        **parsed(settings or ()),
    )
    emit(found, as_json=as_json, text=_table if dry_run else _jsonl(found))


def _rates(text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ArgumentError(
            f"`--pass-rate` must be numbers like 0.18 or 0.1,0.5; got {text!r}"
        ) from None


def _jsonl(rows: list[dict[str, Any]]) -> str:
    return "".join(map(json_line, rows)).rstrip("\n")


_COLUMNS = "{:<18}{:>8}{:>10}{:>26}{:>12}{:>10}"


def _table(found: dict[str, Any]) -> str:
    lines = [
        f"{found['problems']} problems, mean pass rate {found['pass_rate']:.3f} "
        f"({found['attempts_behind']} attempts behind it)",
        _COLUMNS.format("budget", "groups", "rollouts", "mixed groups", "tokens", "cost"),
    ]
    for row in found["budgets"]:
        mixed = row["mixed_groups"]
        span = f"{mixed.value:.1f} [{mixed.low:.1f}, {mixed.high:.1f}]"
        tokens = "unknown" if row["tokens"] is None else f"{row['tokens']:,.0f}"
        cost = "unknown" if row["cost"] is None else f"{row['cost']:.2f}"
        cells = (row["budget"], row["groups"], row["rollouts"], span, tokens, cost)
        lines.append(_COLUMNS.format(*cells))
    return "\n".join([*lines, *found["lines"]])
