"""What the solvers that a spec string names honour: servers are asked, the others need not be.

A controller is taken apart: each solver inside is looked at with the options that it would get, so
that it is said which of them lacks what the whole needs.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gradatim import checks
from gradatim.engine import doctor_endpoint
from gradatim.progress import Progress, silent
from gradatim.solvers import gguf
from gradatim.solvers.registry import (
    find_kind,
    inner_specs,
    open_solver,
    open_with,
    solver_options,
)
from gradatim.types import Reply, Request, Solver

# why there is nothing to ask, of what runs in this process
NOTES = {
    "hf": "temperature, top_p, seed, stop, max_tokens, log-probabilities and self-certainty are "
    "gradatim's own here, in this process: no server to ask",
    "tiny": "sampled in this process, what is set is done: no server to ask",
    "sim": "simulated in this process, what is set is done: no server to ask",
    "recorded": "answers that were made before, whatever is set now: no server to ask",
    "python": "your function gets the prompt and no setting; what it honours it alone knows",
}
OTHER = "a solver of another package, which gradatim has no way to ask"


def examine_solver(
    spec: str, options: Mapping[str, Any], *, progress: Progress = silent
) -> dict[str, Any]:
    """What a solver honours, or each of those inside a controller.

    Args:
        spec: of any solver.
        options: of it, as a run would set them.
        progress: told after each probe of a server.

    Returns:
        Of a server (openai:, and gguf:, which is served for as long as this takes): see
        `doctor_endpoint.examine`. Of another solver the same without probes, and `note`: why there
        is nothing to ask. Of a controller endpoint, reached, ok, warnings (each begins with whose
        it is), requests, tokens and seconds of all, and `solvers`: these reports, each solver with
        its options once.

    Raises:
        ArgumentError: a bad spec or option.
        MissingExtra: a solver needs a package that is not installed.
    """
    inside = bool(inner_specs(spec)[1])
    found: list[tuple[str, dict[str, Any]]] = []

    def leaf(part: str, theirs: Mapping[str, Any]) -> Solver:
        if (part, dict(theirs)) not in found:
            found.append((part, dict(theirs)))
        return Solver(name=part, answer=_nothing)

    open_with(leaf, spec, options)
    reports = [_examined(part, theirs, progress) for part, theirs in found]
    if not inside:
        return reports[0]
    return {
        "endpoint": spec,
        "solvers": reports,
        "reached": all(report["reached"] for report in reports),
        "ok": all(report["ok"] for report in reports),
        "warnings": [f"{r['endpoint']}: {line}" for r in reports for line in r["warnings"]],
        **{name: sum(r[name] for r in reports) for name in ("requests", "tokens", "seconds")},
    }


def _nothing(requests: Sequence[Request]) -> Iterator[list[Reply]]:
    return iter(())


def _examined(spec: str, options: dict[str, Any], progress: Progress) -> dict[str, Any]:
    kind, _, argument = find_kind(spec)
    if kind == "openai":
        return doctor_endpoint.examine(argument or "", progress=progress, **options)
    if kind == "gguf":
        return _served(spec, argument, options, progress)
    if kind == "hf" and Path(argument or "").is_file():  # to open it would be to convert it
        checks.known_keys("solver 'hf'", options, solver_options(spec))
        gguf.fingerprint(Path(argument or ""))
    else:
        open_solver(spec, **options).close()  # a bad path or option says so
    return {
        "endpoint": spec,
        "note": NOTES.get(kind, OTHER),
        "probes": [],
        "reached": True,
        "ok": True,
        "warnings": [],
        "requests": 0,
        "tokens": 0,
        "seconds": 0.0,
    }


def _served(
    spec: str, argument: str | None, options: dict[str, Any], progress: Progress
) -> dict[str, Any]:
    """A model file's server, asked as any other; its name is ours, so that is not asked about."""
    with gguf.served(argument, **options) as (address, style):
        target = f"{Path(argument or '').stem}@{address}"
        found = doctor_endpoint.examine(target, progress=progress, **style)
    probes = [probe for probe in found["probes"] if probe["name"] != "model"]
    return {**found, "endpoint": spec, "probes": probes}
