"""A solver as a run needs it: asked first whether it honours what is needed, requests named.

Every verb that opens a spec string and attempts problems goes through here, so that none of them
pays a server that ignores the temperature, also where a controller stands around it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gradatim.engine.doctor_endpoint import FEW, vet
from gradatim.errors import SolverError
from gradatim.rng import digest
from gradatim.solvers.controllers import mapped
from gradatim.solvers.registry import inner_specs, open_solver, open_with, solver_options
from gradatim.store import config
from gradatim.store.run import Run
from gradatim.types import Problem, Reply, Request, Solver

# asked where all was refused: is it these problems, or the set-up?
PLAIN = Request(Problem(id="plain question", prompt="1 + 1 =", answer="2"), 0, 1)


def in_run(
    run: Run, spec: str, opened: Solver, options: Mapping[str, Any], *, attempts: int = 0
) -> Solver:
    """The solver that a spec string opened, as this run needs it; close it in place of that one.

    A server is asked before the first request, so that a run that is complete asks nobody. Its
    requests are named by the run: what was in flight when a run died is then asked for by the same
    names, while no two runs share an answer, not even two of one path, since a run knows when it
    was created. What a server is paid is counted in the run, for budgets over all its sessions.

    Args:
        run: where the attempts are kept.
        spec, opened, options: the solver.
        attempts: that are planned, where the first requests are less than all.

    Returns:
        A solver; the one given, where no server is in it. The first `answer` raises SolverError
        where a server lacks something, before any of them is paid; later it raises one where
        nothing was answered at all and a plain question is refused too, with nothing recorded.
    """
    if "scope" not in solver_options(spec):
        return opened
    created = config.load(run.path / "run.toml").get("created", "")
    scope = digest("scope", str(run.path.resolve()), created, size=8).hex()
    servers: list[_Server] = []
    rehearsal: list[bool] = []  # not empty while one is on
    leaves: list[str] = []

    def leaf(part: str, theirs: Mapping[str, Any]) -> Solver:
        leaves.append(part)
        if "scope" in solver_options(part):
            named = {**theirs, "scope": theirs.get("scope") or scope}
            servers.append(_Server(run, part, named, rehearsal))
            return servers[-1].solver
        other = open_solver(part, **theirs)

        def mute(requests: Sequence[Request]) -> Iterator[list[Reply]]:
            return iter(()) if rehearsal else other.answer(requests)

        return replace(other, answer=mute)

    inside = open_with(leaf, spec, options)

    def answer(requests: Sequence[Request]) -> Iterator[list[Reply]]:
        if not all(server.vetted for server in servers):
            rehearsal.append(True)
            try:
                for _ in inside.answer(requests):
                    pass
            finally:
                rehearsal.clear()
            # alone it gets all attempts, if not all of them in the first round of a rehearsal
            all_of_them = sum(request.n for request in requests) if len(leaves) == 1 else 0
            _vet(servers, max(attempts, all_of_them), few=bool(inner_specs(spec)[1]))
        return inside.answer(requests)

    def close() -> None:
        opened.close()
        inside.close()

    return replace(inside, answer=answer, close=close)


def _vet(servers: "Sequence[_Server]", attempts: int, *, few: bool) -> None:
    """Ask all before any of them is paid; one error says what each lacks."""
    lacking: list[str] = []
    for server in servers:
        try:
            server.vet(attempts, few=few)
        except SolverError as error:
            lacking.append(str(error))
    if lacking:
        raise SolverError("; and ".join(dict.fromkeys(lacking)))


class _Server:
    """A server at the bottom of a run's solver.

    Attributes:
        solver: it, as the controllers around it see it.
        wanted: what it would be asked now; noted in a rehearsal, in which nobody answers.
        vetted: whether it was asked what it honours.
    """

    def __init__(
        self, run: Run, spec: str, options: dict[str, Any], rehearsal: Sequence[bool]
    ) -> None:
        name = open_solver(spec, **options).name
        account = f"{re.sub(r'[^A-Za-z0-9.-]+', '-', name)[:60]}-{digest(name, size=4).hex()}.txt"
        self.spec, self.rehearsal = spec, rehearsal
        self.options = {"account": str(run.path / "spent" / account)} | options
        self.opened = open_solver(spec, **self.options)
        self.solver = replace(self.opened, answer=self.answer, report=self.report)
        self.wanted: list[Request] = []
        self.vetted = self.answered = False
        self.asking: dict[str, Any] = {}

    def vet(self, attempts: int, *, few: bool) -> None:
        """Ask what it honours, once, as soon as there is something to ask for.

        Args:
            attempts: that are planned.
            few: however few they are, where log-probabilities are wanted: a controller that ranks
                by them could use no reply without.
        """
        wanted, self.wanted = self.wanted, []
        if few and self.options.get("logprobs"):
            attempts = max(attempts, FEW)
        if wanted and not self.vetted:
            self.asking = vet(self.spec, self.options, wanted, attempts=attempts)
            self.vetted = True

    def answer(self, requests: Sequence[Request]) -> Iterator[list[Reply]]:
        """Replies of the server, looked at; in a rehearsal none."""
        if self.rehearsal:
            self.wanted += requests
            return iter(())
        return mapped(self.opened.answer(requests), self._looked)

    def report(self) -> Mapping[str, Any]:
        """What it spent, with what the vetting took."""
        told = self.opened.report()
        return {**told, **{k: told[k] + asked for k, asked in self.asking.items() if k in told}}

    def _looked(self, replies: list[Reply]) -> list[Reply]:
        """Replies as they are, unless all there were are refusals of what the set-up asks for."""
        if not self.answered:
            refused = [reply for reply in replies if _is_refused(reply)]
            late = [reply for reply in replies if reply.status == "timeout"]
            self.answered = len(refused) + len(late) < len(replies)
            if refused and not self.answered:
                self._ask_plainly(refused)
        return replies

    def _ask_plainly(self, refused: Sequence[Reply]) -> None:
        """Whose fault is it that nothing was answered?

        Raises:
            SolverError: the set-up's: what it asks for is refused whatever the question.
        """
        plain = [reply for batch in self.opened.answer([PLAIN]) for reply in batch]
        if any(_is_refused(reply) for reply in plain):
            raise SolverError(
                f"{self.solver.name} refused all {len(refused)} attempts and a plain question too: "
                f"{plain[0].detail}; nothing is recorded, the same command asks again"
            )
        self.answered = bool(plain)


def _is_refused(reply: Reply) -> bool:
    return reply.status == "provider_error" and reply.detail.startswith("HTTP ")
