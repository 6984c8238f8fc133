"""A solver as a run needs it: asked first whether it honours what is needed, requests named.

Every verb that opens a spec string and attempts problems goes through here, so that none of them
pays a server that ignores the temperature.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gradatim.engine.doctor_endpoint import vet
from gradatim.rng import digest
from gradatim.solvers.registry import open_solver, solver_options
from gradatim.store import config
from gradatim.store.run import Run
from gradatim.types import Reply, Request, Solver


def in_run(
    run: Run, spec: str, opened: Solver, options: Mapping[str, Any], *, attempts: int = 0
) -> Solver:
    """The solver that a spec string opened, as this run needs it; close it in place of that one.

    A server is asked before the first request, so that a run that is complete asks nobody. Its
    requests are named by the run: what was in flight when a run died is then asked for by the same
    names, while no two runs share an answer, not even two of one path, since a run knows when it
    was created.

    Args:
        run: where the attempts are kept.
        spec, opened, options: the solver.
        attempts: that are planned, where the first requests are less than all.

    Returns:
        A solver; the one given, where it is no endpoint. The first `answer` raises SolverError
        where the server lacks something.
    """
    if "scope" not in solver_options(spec):
        return opened
    named = dict(options)
    if not named.get("scope"):
        created = config.load(run.path / "run.toml").get("created", "")
        named["scope"] = digest("scope", str(run.path.resolve()), created, size=8).hex()
    ready: list[Solver] = []  # the solver that answers, once the server was asked
    asking: dict[str, Any] = {}  # what that spent

    def answer(requests: Sequence[Request]) -> Iterator[list[Reply]]:
        if not ready:
            left, spent = vet(spec, named, requests, attempts=attempts)
            asking.update(spent)
            ready.append(open_solver(spec, **(named | left)))
        return ready[0].answer(requests)

    def close() -> None:
        for solver in (opened, *ready):
            solver.close()

    def report() -> Mapping[str, Any]:
        told = (ready or [opened])[0].report()
        return {**told, **{k: told[k] + asked for k, asked in asking.items() if k in told}}

    return replace(opened, answer=answer, close=close, report=report)
