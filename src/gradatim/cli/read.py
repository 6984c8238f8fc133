"""The verb `read`: rows of anyone's file as problems, through the gold gate."""

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from gradatim import checks
from gradatim.checkers import registry as checkers
from gradatim.cli.output import Json, emit
from gradatim.families.exchange import FORMATS, export_rows, is_ours, write_rows
from gradatim.families.read import Reading, accept, examine, load, named, save, to_row


def read(
    file: Annotated[
        Path,
        typer.Argument(help="A .jsonl, .json, .csv or .parquet file, or a folder of save_to_disk."),
    ],
    prompt: Annotated[
        str | None,
        typer.Option(help="Column of the question, a.b for b in a. Default: prompt, or verl's ..."),
    ] = None,
    answer: Annotated[
        str | None, typer.Option(help="Column of the answer. Default: answer, or verl's ...")
    ] = None,
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
    to: Annotated[
        str | None,
        typer.Option(help=f"Rows for a trainer: {', '.join(FORMATS)}; of problems, too."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="File to write; else stdout.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Turn a file into problems; a row whose own answer its verifier refuses is named.

    Rows that verl or open-instruct train on are known by their columns, and can be written: -o with
    the ending .parquet or .jsonl.

    Example: gradatim read gsm8k_test.jsonl --prompt question --answer answer --extract '####'
    """
    if to is not None:
        checks.one_of("to", to, FORMATS)
    if to is not None and is_ours(file):
        return _convert(file, to, out, as_json)
    meta = {} if tolerance is None else {"tolerance": tolerance}
    reading = examine(
        file, prompt=prompt, answer=answer, extract=extract, verifier=verifier, meta=meta
    )
    accept(reading, file, verifier=verifier, max_bad_rows=max_bad_rows)
    tables = to is not None or (out is not None and out.suffix == ".parquet")
    rows = export_rows(reading.problems, to or "trl") if tables else []
    if out is not None and tables:
        write_rows(out, rows)
    elif out is not None:
        save(out, reading.problems)
    summary = {**summarise(reading), "file": str(file), "out": str(out) if out else None}
    if out is None and not as_json:
        _print(rows or map(to_row, reading.problems))
        sys.stderr.write(describe(summary, reading) + "\n")
    else:
        emit(summary, as_json=as_json, text=describe(summary, reading))


def _convert(file: Path, to: str, out: Path | None, as_json: bool) -> None:
    """Our own problems as rows of a trainer: nothing is read anew, nothing can be bad."""
    rows = export_rows(load(file), to)
    if out is None and not as_json:
        return _print(rows)
    if out is not None:
        write_rows(out, rows)
    summary = {"rows": len(rows), "problems": len(rows), "file": str(file)}
    summary |= {"out": str(out) if out else None, "to": to}
    emit(summary, as_json=as_json, text=f"{len(rows):,} rows for {to} in {out}")


def _print(rows: Iterable[Mapping[str, Any]]) -> None:
    for row in rows:
        sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")


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
