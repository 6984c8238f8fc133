"""The verb `select`: the items that a solver is ready for, as JSONL."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from gradatim.cli.logs import Columns, Format, Score, Sources, Span, numbers, reading
from gradatim.cli.output import Json, emit, say
from gradatim.engine.replay import Ranked
from gradatim.engine.replay import replay as draw
from gradatim.engine.select import select as keep
from gradatim.errors import ArgumentError
from gradatim.files import plain, write_atomic


def select(
    source: Sources,
    band: Annotated[str, typer.Option(help="Pass rates to keep, LOW:HIGH.")] = ".2:.8",
    above_floor: Annotated[
        bool, typer.Option("--above-floor", help="Only items credibly better than a guess.")
    ] = False,
    solver: Annotated[str | None, typer.Option(help="Whose pass rate; all attempts else.")] = None,
    problems: Annotated[
        Path | None, typer.Option(help="File of problems whose fields the rows carry.")
    ] = None,
    rate: Annotated[
        str, typer.Option(help="observed, shrunk (empirical Bayes) or predicted (by the scale).")
    ] = "observed",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the rows here instead.")
    ] = None,
    replay: Annotated[
        int | None,
        typer.Option(
            help="Of a run: draw this many recorded attempts on the kept items instead, those that "
            "beat others on their problem more often: rows of prompt, completion and reward."
        ),
    ] = None,
    by: Annotated[
        str | None, typer.Option(help="With --replay: advantage (default) or reward.")
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(help="With --replay: small draws the best only, large all alike; default .1."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="With --replay: of the draws.")] = None,
    score: Score = None,
    format: Format = None,
    column: Columns = None,
    span: Span = None,
    as_json: Json = False,
) -> None:
    """Keep items in a band of pass rates: JSONL with pass rate, interval, difficulty and level.

    A source is a bank, or what `calibrate` takes: runs, logs, tables, matrix files.

    Example: gradatim select runs/first --band .2:.8 --above-floor
    """
    how = {"by": by, "temperature": temperature, "seed": seed}
    how = {name: value for name, value in how.items() if value is not None}
    _check_replay(source, replay, how)
    found = keep(
        source[0] if len(source) == 1 else source,
        band=numbers(band, "--band"),
        above_floor=above_floor,
        solver=solver,
        problems=problems,
        rate=rate,
        **reading(score=score, format=format, column=column, span=span),
    )
    for note in found.notes:
        say(note)
    none = "" if found.rows else f": nothing has a pass rate in {band}"
    sys.stderr.write(f"{len(found.rows):,} of {found.items:,} items kept{none}\n")
    told: dict[str, Any] = {}
    if replay is None or not found.rows:
        kept = [plain(row) for row in found.rows]
    else:
        ids = [row["id"] for row in found.rows]
        again = draw(source[0], replay, solver=solver, problems=ids, **how)
        sys.stderr.write(
            f"{replay:,} draws from {again.attempts:,} attempts: mean reward {again.drawn:.3f}, "
            f"recorded {again.recorded:.3f}\n"
        )
        sys.stderr.write(ranking(again.policies))
        told |= {"policies": None if again.policies is None else again.policies._asdict()}
        kept = [plain(row) for row in again.rows]
    if output is not None:
        write_atomic(output, "".join(map(_line, kept)))
        if as_json:
            about = {"output": str(output), "items": found.items, "kept": len(kept)}
            emit(about | {"notes": found.notes} | told, as_json=True, text="")
    elif as_json:
        emit(kept, as_json=True, text="")
    else:
        sys.stdout.writelines(map(_line, kept))


def ranking(found: Ranked | None) -> str:
    """Whether the log ranks its own policies rightly, on one line; nothing of too few."""
    if found is None:
        return ""
    one = found.choice
    return (
        f"{len(found.names)} policies ranked on half of the problems, {found.names[0]} in front; "
        f"on the other half the first {found.k} have {one.worst:.3f} to {one.best:.3f} (any "
        f"{found.k}: best {one.chance:.3f}), SharpeRatio@{found.k} {one.sharpe:.2f}, rank "
        f"correlation {one.correlation.value:.2f} [{one.correlation.low:.2f}, "
        f"{one.correlation.high:.2f}]\n"
    )


def _check_replay(source: list[Path], replay: int | None, how: dict[str, Any]) -> None:
    """Refuse, before anything is read, what a replay cannot come from."""
    if replay is None and how:
        raise ArgumentError(f"{', '.join(f'--{name}' for name in how)}: only with --replay N")
    if replay is not None and not (len(source) == 1 and (source[0] / "run.toml").is_file()):
        raise ArgumentError(
            f"--replay draws from the attempts of one run, got {', '.join(map(str, source))}"
        )


def _line(row: dict[str, Any]) -> str:
    text = json.dumps(row, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair in somebody's prompt
        text = json.dumps(row)
    return text + "\n"
