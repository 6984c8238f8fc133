"""The verb `rate`: games, preferences, rankings, scores or attempts to ratings with intervals."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gradatim.cli.output import Json, emit
from gradatim.engine import rate as engine

MOST_ROWS = 60  # of a role, in the table for people


def rate(
    source: Annotated[
        Path,
        typer.Argument(
            help="Games (player, opponent, score[, period]), preferences (winner, loser[, tie]), "
            "votes (model_a, model_b, winner), rankings (ranking), scores (system, task, score) "
            "or a matrix (solver, item, solved[, tried]): .csv, .jsonl, .parquet, .npz; or a run."
        ),
    ],
    method: Annotated[
        str, typer.Option(help="glicko2, elo, bradley-terry or plackett-luce.")
    ] = "glicko2",
    alpha: Annotated[
        float | None,
        typer.Option(help="bradley-terry, plackett-luce: precision of the prior, say 0.1."),
    ] = None,
    ties: Annotated[
        str | None, typer.Option(help="bradley-terry: half (a draw is half a win) or davidson.")
    ] = None,
    k: Annotated[float | None, typer.Option("--k", help="elo: points a game can move.")] = None,
    tau: Annotated[
        float | None, typer.Option(help="glicko2: how freely volatility changes.")
    ] = None,
    sequential: Annotated[
        bool, typer.Option("--sequential", help="elo: one pass in the given order.")
    ] = False,
    level: Annotated[float, typer.Option(help="Coverage of the intervals.")] = 0.95,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Also write the ratings here (.csv).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Rate players, models or problems by who beat whom.

    Example: gradatim rate votes.csv --method bradley-terry
    """
    given = {"alpha": alpha, "ties": ties, "k": k, "tau": tau, "sequential": sequential or None}
    options: dict[str, Any] = {name: v for name, v in given.items() if v is not None}
    ratings = engine.rate(source, method=method, level=level, **options)
    found = engine.describe_ratings(ratings)
    if output is not None:
        found["output"] = str(engine.save_ratings(output, ratings))
    emit(found, as_json=as_json, text=_text)


def _text(found: dict[str, Any]) -> str:
    facts, rows = found["facts"], found["ratings"]
    lines = [
        f"{len(rows):,} ratings from {facts['comparisons']:,.0f} comparisons ({facts['source']}), "
        f"{found['method']}, in {found['unit']}, {facts['level']:.0%} intervals"
    ]
    if "periods" in facts:
        spread = ", over which games were spread evenly" if facts["spread_evenly"] else ""
        lines.append(f"  {facts['periods']:,} rating periods{spread}")
    if "order" in facts:
        lines.append(f"  order of games: {facts['order']}")
    if "loglik" in facts:
        state = "converged" if facts["converged"] else "NOT CONVERGED"
        lines.append(
            f"  {state} after {facts['iterations']} steps, log-likelihood {facts['loglik']:.3f}"
        )
    lines += [f"  warning: {words}" for words in facts["warnings"]]
    for number, part in enumerate(facts["parts"][:6], start=1):
        more = f", ... ({len(part):,})" if len(part) > 6 else ""
        lines.append(f"    part {number}: {', '.join(part[:6])}{more}")
    for role in dict.fromkeys(row["role"] for row in rows):
        lines += _table([row for row in rows if row["role"] == role], role, found["unit"])
    if "output" in found:
        lines.append(f"ratings: {found['output']}")
    return "\n".join(lines)


def _table(rows: list[dict[str, Any]], role: str, unit: str) -> list[str]:
    digits = 0 if unit == "points" else 2
    shown = rows if len(rows) <= MOST_ROWS else rows[: MOST_ROWS // 2] + rows[-MOST_ROWS // 2 :]
    width = max(len(role), *(len(row["name"]) for row in shown))
    lines = [f"{role:<{width}}  {'rating':>8}  {'interval':>16}  {'games':>9}"]
    for number, row in enumerate(shown):
        if len(shown) < len(rows) and number == MOST_ROWS // 2:
            lines.append(f"... {len(rows) - len(shown):,} more ...")
        between = f"[{row['low']:.{digits}f}, {row['high']:.{digits}f}]"
        if row["low"] != row["low"]:  # no interval
            between = "-"
        lines.append(
            f"{row['name']:<{width}}  {row['rating']:>8.{digits}f}  {between:>16}  "
            f"{row['games']:>9,}"
        )
    return lines
