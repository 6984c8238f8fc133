"""The verb `families`: what there is to generate."""

from typing import Annotated, Any

import typer

from gradatim.checks import one_of
from gradatim.cli.output import Json, emit
from gradatim.families.registry import list_families


def families(
    name: Annotated[
        str | None, typer.Argument(help="Only this one and its modes, NAME and NAME.MODE.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the families of problems, their knobs, and what their levels 1, 5 and 10 mean.

    Example: gradatim families sudoku
    """
    rows = list_families()
    if name is not None:
        one_of("name", name, [row["name"] for row in rows], brief="the families' names")
        rows = [row for row in rows if row["name"] == name or row["name"].startswith(f"{name}.")]
    emit(rows, as_json=as_json, text="\n\n".join(map(describe, rows)))


def describe(row: dict[str, Any]) -> str:
    """One family for people."""
    if "refused" in row:
        return row["refused"]
    lines = [f"{row['name']}: {row['doc']}"]
    for name, knob in row["knobs"].items():
        allowed = ", ".join(knob["choices"]) or f"{knob['low']}..{knob['high']}"
        lines.append(f"  {name:<10} {knob['doc']} ({allowed}; default {knob['default']})")
    for level, knobs in row["ladder"].items():
        setting = " ".join(f"{k}={v}" for k, v in knobs.items())
        lines.append(
            f"  level {level:<4} {setting}; guess {row['floor'][level]:.2g}, "
            f"{row['space'][level]:.2g} instances"
        )
    return "\n".join(lines)
