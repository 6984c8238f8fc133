"""The verb `select`: the items that a solver is ready for, as JSONL."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from gradatim.cli.logs import Columns, Format, Score, Sources, Span, numbers, reading
from gradatim.cli.output import Json, emit
from gradatim.engine.select import select as keep
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
        sys.stderr.write(f"{note}\n")
    none = "" if found.rows else f": nothing has a pass rate in {band}"
    sys.stderr.write(f"{len(found.rows):,} of {found.items:,} items kept{none}\n")
    kept = [plain(row) for row in found.rows]
    if output is not None:
        write_atomic(output, "".join(map(_line, kept)))
        if as_json:
            told = {"output": str(output), "items": found.items, "kept": len(kept)}
            emit(told | {"notes": found.notes}, as_json=True, text="")
    elif as_json:
        emit(kept, as_json=True, text="")
    else:
        sys.stdout.writelines(map(_line, kept))


def _line(row: dict[str, Any]) -> str:
    text = json.dumps(row, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair in somebody's prompt
        text = json.dumps(row)
    return text + "\n"
