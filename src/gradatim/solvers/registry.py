"""Which solvers exist, and how a spec string such as `openai:MODEL@URL` opens one.

A spec is `KIND` or `KIND:ARGUMENT`. A kind maps to `module:function`, imported on use; the
function is called as `function(argument or None, **options)` and returns a Solver. Its options are
its keyword-only parameters; when it takes `**options`, its module's OPTIONS (name -> default) says
which. Other packages add kinds through the entry-point group `gradatim.solvers`.

A controller is written around one solver or two, `vote-8(SPEC)` or `route(SPEC, SPEC)`, which may
be controllers in turn. Its function is called with the open solvers, and n where it has one. An
option goes to the outermost solver that knows it, and to both of two that stand side by side;
those meant for one of two are given as a record, `hard={"max_tokens": 256}`.
"""

import importlib
import importlib.metadata
import importlib.util
import inspect
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from gradatim import checks
from gradatim.errors import ArgumentError, MissingExtra, nearest
from gradatim.files import read_text
from gradatim.solvers.kinds import KINDS, Kind
from gradatim.types import Solver

GROUP = "gradatim.solvers"
Leaf = Callable[[str, Mapping[str, Any]], Solver]
# what a controller that chooses by this needs of the solver inside, and who has it
NEEDS = {
    "certainty": "self-certainty needs the full distribution of each token, which {part} does not "
    "give ({able} do); by=logp is an approximation",
    "logp": "{part} gives no log-probability of its replies ({able} do): choose another `by`",
}
BUDGETS = ("max_requests", "max_tokens_total", "max_cost")  # each solver counts its own
NUMBER = re.compile(r"[+-]?(?:\d+\.\d*|\.\d+|(?<=\+)[1-9]\d*)(?:[eE][+-]?\d+)?")  # beyond JSON's
WRAPPED = re.compile(r"([a-z]+(?:-[a-z]+)*)(?:-(\d+))?\((.*)\)", re.DOTALL)


@cache
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
    kinds = KINDS | _plugins()
    wrapped = WRAPPED.fullmatch(spec)
    if wrapped and kinds.get(wrapped[1], kinds["sim"]).inner:
        return wrapped[1], kinds[wrapped[1]], spec.removeprefix(wrapped[1])
    name, _, argument = (wrapped[1] if wrapped else spec).partition(":")
    if name not in kinds:
        forms = ", ".join(k.form for k in kinds.values())
        raise ArgumentError(f"`solver` must be one of {forms}; got {spec!r}{nearest(name, kinds)}")
    return name, kinds[name], argument or None


def find_opener(spec: str) -> Callable[..., Solver]:
    """The function that opens solvers of a spec's kind.

    Raises:
        MissingExtra: it needs a package that is not installed.
    """
    return _opener(find_kind(spec)[1])


def inner_specs(spec: str) -> tuple[int | None, list[str]]:
    """The number of a controller's spec, and the specs of the solvers inside; no kind is opened.

    Raises:
        ArgumentError: a controller without its number or with too many or few solvers.

    >>> inner_specs("vote-8(best-of-2(sim:2pl))")
    (8, ['best-of-2(sim:2pl)'])
    >>> inner_specs("sim:2pl")
    (None, [])
    """
    name, kind, _ = find_kind(spec)
    if not kind.inner:
        return None, []
    wrapped = WRAPPED.fullmatch(spec)
    parts = _split(wrapped[3]) if wrapped else []
    if wrapped is None or bool(wrapped[2]) != kind.counted or len(parts) != len(kind.inner):
        raise ArgumentError(f"`solver` {name} must look like {kind.form}, got {spec!r}")
    return (int(wrapped[2]) if kind.counted else None), parts


def _split(text: str) -> list[str]:
    """Parts between the commas that stand outside parentheses."""
    parts, depth = [""], 0
    for mark in text:
        depth += (mark == "(") - (mark == ")")
        if mark == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += mark
    return [stripped for part in parts if (stripped := part.strip())]


def solver_options(spec: str) -> dict[str, Any]:
    """Options of a kind with their defaults; a spec string or just the kind.

    Those of a controller's spec are its own and those of the solvers inside.

    >>> solver_options("sim:2pl")["ability"]
    0.0
    >>> sorted(solver_options("certain-8(sim:2pl)"))
    ['ability', 'by', 'discrimination', 'power', 'seed']
    """
    _, kind, argument = find_kind(spec)
    own = _options(_opener(kind))
    parts = inner_specs(spec)[1] if argument else []
    if len(parts) > 1:
        own |= {name: {} for name in kind.inner}
    for part in parts:
        own = solver_options(part) | own
    return own


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
    return open_with(_open_leaf, spec, options)


def open_with(leaf: Leaf, spec: str, options: Mapping[str, Any]) -> Solver:
    """As `open_solver`, with the solvers at the bottom of a controller opened by `leaf`.

    Args:
        leaf: the spec of a solver that is no controller, and its options -> Solver.
        spec, options: as there.

    >>> seen = []
    >>> def leaf(spec, options):
    ...     seen.append((spec, options))
    ...     return open_solver(spec, **options)
    >>> open_with(leaf, "vote-3(sim:2pl)", {"ability": 1.0}).name, seen
    ('vote-3(sim:2pl)', [('sim:2pl', {'ability': 1.0})])
    """
    return (
        _open_controller(leaf, spec, options) if find_kind(spec)[1].inner else leaf(spec, options)
    )


def _open_leaf(spec: str, options: Mapping[str, Any]) -> Solver:
    name, kind, argument = find_kind(spec)
    opener = _opener(kind)
    checks.known_keys(f"solver '{name}'", options, _options(opener))
    return opener(argument, **options)


def _open_controller(leaf: Leaf, spec: str, options: Mapping[str, Any]) -> Solver:
    name, kind, _ = find_kind(spec)
    opener = _opener(kind)
    n, parts = inner_specs(spec)
    checks.known_keys(f"solver '{name}'", options, solver_options(spec))
    known = _options(opener)
    own = {key: options[key] for key in known if key in options}
    by = own.get("by", known.get("by"))
    if by in NEEDS:
        for part in parts:
            _need(spec, part, by)
    _once(spec, parts, options)
    inner: list[Solver] = []
    try:
        for role, part in zip(kind.inner, parts, strict=True):
            theirs = {
                k: v for k, v in options.items() if k not in own and k in solver_options(part)
            }
            if len(parts) > 1:
                theirs |= _record(role, options.get(role, {}))
            if by == "logp" and "logprobs" in solver_options(part):
                theirs |= _with_logprobs(spec, theirs)
            inner.append(open_with(leaf, part, theirs))
        return opener(inner, n, **own) if kind.counted else opener(inner, **own)
    except BaseException:
        for solver in inner:
            solver.close()
        raise


def _with_logprobs(spec: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """A server sends log-probabilities only where it is asked to."""
    if options.get("logprobs", True) is not True:
        raise ArgumentError(
            f"`logprobs` must not be {options['logprobs']!r}: {spec} ranks replies by them; leave "
            "it out, or choose another `by`"
        )
    return {"logprobs": True}


def _once(spec: str, parts: Sequence[str], options: Mapping[str, Any]) -> None:
    """Refuse a budget that each of several solvers would spend for itself."""
    for name in (n for n in BUDGETS if options.get(n) is not None):
        if sum(name in solver_options(part) for part in parts) > 1:
            raise ArgumentError(
                f"`{name}` would be spent by each solver of {spec}: give each its own, as in "
                f'easy={{"{name}": ...}}'
            )


def _need(spec: str, part: str, by: str) -> None:
    """Refuse what would be refused at the first reply, before it is paid for."""
    _, kind, _ = find_kind(part)
    if getattr(kind, by) is False:
        able = ", ".join(k.form for k in KINDS.values() if getattr(k, by))
        raise ArgumentError(f"`solver` {spec}: {NEEDS[by].format(part=part, able=able)}")
    for inner in inner_specs(part)[1]:
        _need(spec, inner, by)


def _record(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ArgumentError(
            f'`{name}` must be a record of options, {{"name": value}}, got {value!r}'
        )
    return value


def parse_options(settings: Sequence[str]) -> dict[str, Any]:
    """Options given as texts: `name=value` in JSON or plain, `name=@FILE` for a file's content.

    Numbers may be written as people do (.5, -.7, +1), which JSON does not read.

    Raises:
        ArgumentError: a setting without `=`.

    >>> parse_options(["temperature=0.7", "stop=Q:", 'shots=[["2+2", "4"]]'])
    {'temperature': 0.7, 'stop': 'Q:', 'shots': [['2+2', '4']]}
    >>> parse_options(["ability=-.7", "name=007"])
    {'ability': -0.7, 'name': '007'}
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
            parsed[name] = float(value) if NUMBER.fullmatch(value) else value
    return parsed
