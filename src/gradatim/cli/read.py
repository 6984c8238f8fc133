"""The verb `read`: rows of anyone's file as problems, through the gold gate."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from gradatim.checkers import registry as checkers
from gradatim.cli.output import Json, emit
from gradatim.families.read import Reading, accept, examine, named, save, to_row


def read(
    file: Annotated[Path, typer.Argument(help="A .jsonl, .json, .csv or .parquet file.")],
    prompt: Annotated[str, typer.Option(help="Column of the question.")] = "prompt",
    answer: Annotated[str, typer.Option(help="Column of the answer.")] = "answer",
    extract: Annotated[
        str | None, typer.Option(help="The answer follows the last such mark.")
    ] = None,
    verifier: Annotated[
        str, typer.Option(help=f"{', '.join(checkers.names())}, or a family's name.")
    ] = "math",
    tolerance: Annotated[
        float | None, typer.Option(help="Largest difference that still counts as right.")
    ] = None,
    max_bad_rows: Annotated[
        int, typer.Option(help="Rows that may fail their own answer; they are left out.")
    ] = 0,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="File to write; else stdout.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Turn a file into problems; a row whose own answer its verifier refuses is named.

    Example: gradatim read gsm8k_test.jsonl --prompt question --answer answer --extract '####'
    """
    meta = {} if tolerance is None else {"tolerance": tolerance}
    reading = examine(
        file, prompt=prompt, answer=answer, extract=extract, verifier=verifier, meta=meta
    )
    accept(reading, file, verifier=verifier, max_bad_rows=max_bad_rows)
    if out is not None:
        save(out, reading.problems)
    summary = {**summarise(reading), "file": str(file), "out": str(out) if out else None}
    if out is None and not as_json:
        for problem in reading.problems:
            sys.stdout.write(json.dumps(to_row(problem), ensure_ascii=False) + "\n")
        sys.stderr.write(describe(summary, reading) + "\n")
    else:
        emit(summary, as_json=as_json, text=describe(summary, reading))


def summarise(reading: Reading) -> dict[str, Any]:
    """Counts, and the lines that were left out or contradict each other."""
    return {
        "rows": reading.rows,
        "problems": len(reading.problems),
        "bad_rows": [{"line": line, "why": why} for line, why in reading.bad],
        "repeated": [{"line": a, "first": b} for a, b in reading.repeated],
        "contradicting": [{"line": a, "first": b} for a, b in reading.contradicting],
    }


def describe(summary: dict[str, Any], reading: Reading) -> str:
    """What became of the rows, for people."""
    lines = [f"{summary['problems']:,} problems of {summary['rows']:,} rows"]
    if summary["out"]:
        lines[0] += f" in {summary['out']}"
    if reading.bad:
        lines.append(f"left out {named(reading.bad)}")
    for what, pairs in (
        ("left out, repeated", reading.repeated),
        ("kept, though same question and another answer", reading.contradicting),
    ):
        if pairs:
            few = ", ".join(f"line {a} (line {b})" for a, b in pairs[:5])
            lines.append(f"{what}: {few}{f' and {len(pairs) - 5} more' if len(pairs) > 5 else ''}")
    return "\n".join(lines)
