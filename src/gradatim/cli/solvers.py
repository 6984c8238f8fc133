"""The verb `solvers`: who can answer problems."""

from typing import Annotated

import typer

from gradatim.cli.output import Json, emit
from gradatim.solvers.registry import list_solvers, solver_options


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
        width = max(map(len, options), default=0)
        lines = [f"  --set {name:<{width}} = {value!r}" for name, value in options.items()]
        emit(
            {"name": kind, "options": options},
            as_json=as_json,
            text="\n".join([f"options of {kind}, with their defaults:", *lines]),
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
