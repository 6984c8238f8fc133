"""Which solvers exist, and how a spec string such as `openai:MODEL@URL` opens one.

A spec is `KIND` or `KIND:ARGUMENT`. A kind maps to `module:function`, imported on use; the
function is called as `function(argument or None, **options)` and returns a Solver. Its options are
its keyword-only parameters; when it takes `**options`, its module's OPTIONS (name -> default) says
which. Other packages add kinds through the entry-point group `gradatim.solvers`.
"""

import importlib
import importlib.metadata
import importlib.util
import inspect
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gradatim import checks
from gradatim.errors import ArgumentError, MissingExtra, nearest
from gradatim.files import read_text
from gradatim.types import Solver

GROUP = "gradatim.solvers"


class Kind(NamedTuple):
    """One kind of solver: where it lives, how its spec looks, what it needs installed."""

    where: str
    form: str
    doc: str
    packages: tuple[str, ...] = ()
    extra: str = ""


KINDS: dict[str, Kind] = {
    "tiny": Kind(
        "gradatim.solvers.tiny:open_tiny",
        "tiny | tiny:FILE",
        "the shipped character transformer, or a checkpoint of it",
        ("torch",),
        "tiny",
    ),
    "openai": Kind(
        "gradatim.solvers.endpoint:open_endpoint",
        "openai:MODEL@URL",
        "any OpenAI-compatible server; the key comes from the environment",
    ),
    "hf": Kind(
        "gradatim.solvers.transformers:open_transformers",
        "hf:DIR | hf:FILE.gguf",
        "a language model in this process, by transformers",
        ("torch", "transformers"),
        "hf",
    ),
    "gguf": Kind(
        "gradatim.solvers.gguf:open_gguf",
        "gguf:FILE",
        "a GGUF model file, served on loopback for as long as it is needed",
        ("xllamacpp",),
        "gguf",
    ),
    "sim": Kind(
        "gradatim.solvers.simulated:open_simulated",
        "sim:2pl",
        "a simulated learner of known ability; answers with the gold or a wrong text",
    ),
    "recorded": Kind(
        "gradatim.solvers.recorded:open_recorded",
        "recorded:FILE",
        "answers that were made elsewhere: rows of problem (or prompt) and text",
    ),
    "python": Kind(
        "gradatim.solvers.function:open_function",
        "python:MODULE:FUNCTION",
        "a Python function from a prompt to a text",
    ),
}


def _plugins() -> dict[str, Kind]:
    points = importlib.metadata.entry_points(group=GROUP)
    return {
        p.name: Kind(p.value, f"{p.name}:...", f"from {p.dist.name if p.dist else p.value}")
        for p in points
        if p.name not in KINDS
    }


def _lacking(kind: Kind) -> list[str]:
    return [name for name in kind.packages if importlib.util.find_spec(name) is None]


def _opener(kind: Kind) -> Callable[..., Solver]:
    for package in _lacking(kind):
        raise MissingExtra(package, kind.extra)
    module, _, attribute = kind.where.partition(":")
    return getattr(importlib.import_module(module), attribute)


def list_solvers() -> list[dict[str, Any]]:
    """One row per kind: name, form of its spec, what it is, which extra it needs, installed.

    >>> [row["form"] for row in list_solvers() if row["name"] == "sim"]
    ['sim:2pl']
    """
    return [
        {
            "name": name,
            "form": kind.form,
            "doc": kind.doc,
            "extra": kind.extra,
            "installed": not _lacking(kind),
        }
        for name, kind in (KINDS | _plugins()).items()
    ]


def find_kind(spec: str) -> tuple[str, Kind, str | None]:
    """The kind of a spec string, and its argument.

    Raises:
        ArgumentError: no such kind; the message lists the forms.
    """
    name, _, argument = spec.partition(":")
    kinds = KINDS | _plugins()
    if name not in kinds:
        forms = ", ".join(k.form for k in kinds.values())
        raise ArgumentError(f"`solver` must be one of {forms}; got {spec!r}{nearest(name, kinds)}")
    return name, kinds[name], argument or None


def solver_options(spec: str) -> dict[str, Any]:
    """Options of a kind with their defaults; a spec string or just the kind.

    >>> solver_options("sim:2pl")["ability"]
    0.0
    """
    _, kind, _ = find_kind(spec)
    return _options(_opener(kind))


def _options(opener: Callable[..., Solver]) -> dict[str, Any]:
    parameters = inspect.signature(opener).parameters.values()
    options = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        options |= getattr(sys.modules[opener.__module__], "OPTIONS", {})
    return options


def open_solver(spec: str, **options: Any) -> Solver:
    """Open the solver that a spec string names.

    Args:
        spec: for example `sim:2pl`, `openai:MODEL@URL`, `recorded:answers.jsonl`.
        options: options of that kind, see `solver_options`.

    Returns:
        The solver; call its `close` when done.

    Raises:
        ArgumentError: no such kind, option or argument.
        MissingExtra: the kind needs a package that is not installed.

    >>> open_solver("sim:2pl", ability=1.0).params["ability"]
    1.0
    """
    name, kind, argument = find_kind(spec)
    opener = _opener(kind)
    checks.known_keys(f"solver '{name}'", options, _options(opener))
    return opener(argument, **options)


def parse_options(settings: Sequence[str]) -> dict[str, Any]:
    """Options given as texts: `name=value` in JSON or plain, `name=@FILE` for a file's content.

    Raises:
        ArgumentError: a setting without `=`.

    >>> parse_options(["temperature=0.7", "stop=Q:", 'shots=[["2+2", "4"]]'])
    {'temperature': 0.7, 'stop': 'Q:', 'shots': [['2+2', '4']]}
    """
    parsed = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name:
            raise ArgumentError(f"`set` must look like name=value, got {setting!r}")
        if value.startswith("@"):
            value = read_text(Path(value[1:]))
        try:
            parsed[name] = json.loads(value)
        except json.JSONDecodeError:
            parsed[name] = value
    return parsed
