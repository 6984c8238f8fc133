"""The verb `families`: what there is to generate."""

from typing import Any

from gradatim.cli.output import Json, emit
from gradatim.families.registry import list_families


def families(as_json: Json = False) -> None:
    """List the families of problems, their knobs, and what their levels 1, 5 and 10 mean.

    Example: gradatim families
    """
    rows = list_families()
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
