"""What each option of a solver is: the words of the docstrings beside the code that reads them."""

import inspect
import re
from collections.abc import Iterator
from typing import Any

from gradatim.solvers.line import Line
from gradatim.solvers.registry import find_kind, find_opener, inner_specs, solver_options
from gradatim.solvers.wire import Style

MARKS = {"template": Style, "in_flight": Line}  # an option that only solvers with that record have
SECTION = re.compile(r"^(?:Args|Attributes):\n((?:[ ]+.*\n|\n)+)", re.MULTILINE)
ENTRY = re.compile(r"^ {4}(\w+(?:, \w+)*): (.*(?:\n {8}.*)*)", re.MULTILINE)


def explain_options(spec: str) -> dict[str, str]:
    """What the options of a kind mean, a line each; a spec string or just the kind.

    Options that nothing is written of are not in it; those of a controller's spec are its own and
    those of the solvers inside.

    >>> explain_options("sim:2pl")["ability"]
    'theta, in logits; problems of level 5.5 are solved half the time at 0'
    """
    _, _, argument = find_kind(spec)
    options = solver_options(spec)
    records = [record for mark, record in MARKS.items() if mark in options]
    documented = [*records, find_opener(spec)]
    found = {name: text for what in documented for name, text in _entries(what)}
    inside = inner_specs(spec)[1] if argument else []
    for part in inside:
        found = explain_options(part) | found
    return {name: found[name] for name in options if name in found}


def _entries(documented: Any) -> Iterator[tuple[str, str]]:
    """Names and texts of a docstring's Args or Attributes."""
    for section in SECTION.findall(inspect.cleandoc(documented.__doc__ or "") + "\n"):
        for names, text in ENTRY.findall(section):
            for name in names.split(", "):
                yield name, " ".join(text.split()).rstrip(".")
