"""The verb `solvers`: who can answer problems."""

import json
import textwrap
from typing import Annotated

import typer

from gradatim.cli.output import Json, emit
from gradatim.files import plain
from gradatim.solvers.explained import explain_options
from gradatim.solvers.registry import list_solvers, solver_options

INDENT = " " * 8


def solvers(
    kind: Annotated[
        str | None, typer.Argument(metavar="[KIND]", help="Show the options of one kind.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the kinds of solvers, how their specs look, and the options of one kind.

    Example: gradatim solvers openai
    """
    if kind is not None:
        options = solver_options(kind)
        means = explain_options(kind)
        lines = []
        texts = [means.get(name, "") for name in options]
        for place, (name, value) in enumerate(options.items(), start=1):
            text, after = texts[place - 1], texts[place] if place < len(texts) else ""
            lines.append(f"  --set {name}={json.dumps(plain(value), ensure_ascii=False)}")
            if text != after:  # several that are explained together: once, after the last
                lines += textwrap.wrap(text, 96, initial_indent=INDENT, subsequent_indent=INDENT)
        emit(
            {"name": kind, "options": options, "means": means},
            as_json=as_json,
            text="\n".join(
                [f"options of {kind}, with their defaults:", *lines]
                if lines
                else [f"{kind} has no options"]
            ),
        )
        return
    found = list_solvers()
    width = max(len(row["form"]) for row in found)
    lines = [
        f"{row['form']:<{width}}  {row['doc']}"
        + ("" if row["installed"] else f' (needs pip install "gradatim[{row["extra"]}]")')
        for row in found
    ]
    emit(found, as_json=as_json, text="\n".join(lines))
