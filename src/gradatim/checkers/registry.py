"""Checkers by name; a checker is imported when it is first used."""

import importlib
import importlib.util
from collections.abc import Callable
from functools import cache

from gradatim.checks import one_of
from gradatim.errors import MissingExtra
from gradatim.types import Problem, Verdict

CHECKERS = {
    "exact": "gradatim.checkers.text:check_exact",
    "text": "gradatim.checkers.text:check",
    "number": "gradatim.checkers.numbers:check",
    "list": "gradatim.checkers.lists:check",
    "set": "gradatim.checkers.structures:check_set",
    "json": "gradatim.checkers.structures:check_json",
    "plan": "gradatim.checkers.plans:check",
    "abstention": "gradatim.checkers.abstention:check",
    "math": "gradatim.checkers.maths:check",
}
NEEDS = {"math": ("math_verify", "math")}  # checker -> package and the extra that brings it


def names() -> list[str]:
    """Names of all checkers, sorted."""
    return sorted(CHECKERS)


@cache
def get(name: str) -> Callable[[Problem, str | None], Verdict]:
    """The checker of that name: (problem, text) -> Verdict; it never raises on any text.

    Raises:
        ArgumentError: there is none; lists the names.
        MissingExtra: it needs a package that is not installed.

    >>> get("exact")(Problem(id="1", prompt="Capital of France?", answer="Paris"), "Paris").solved
    True
    """
    one_of("verifier", name, CHECKERS)
    package, brought_by = NEEDS.get(name, ("gradatim", ""))
    if importlib.util.find_spec(package) is None:
        raise MissingExtra(package, brought_by)
    module, attribute = CHECKERS[name].split(":")
    return getattr(importlib.import_module(module), attribute)
