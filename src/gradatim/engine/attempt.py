"""Problems x a solver -> ledger: resumable, nothing paid for twice, no outcome dropped.

Replies are stored as they come, before they are graded; the grade is a second row. A run that is
interrupted or killed at any instant goes on where it was: what is stored is reused, what is stored
without a grade is graded, the rest is asked for.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from gradatim import checks
from gradatim.engine.intake import Intake, grade_row, verifier_name
from gradatim.engine.opening import in_run
from gradatim.engine.tally import GRADED, Outcome, Tally
from gradatim.errors import ArgumentError
from gradatim.families.read import load
from gradatim.families.verify import check
from gradatim.progress import Progress, Tick, silent
from gradatim.solvers.registry import open_solver
from gradatim.store.ledger import Ledger
from gradatim.store.rows import prompt_hash, setting_of
from gradatim.store.run import Run
from gradatim.types import STATUSES, Problem, Request, Solver

CHUNK = 4096  # attempts handed to a solver at a time: what is in memory is bounded by it
PAGE = 512  # stored replies graded in one transaction
GIVEN = "trl:"  # begins the verifiers of rewards that a trainer gave; nobody grades those anew


class _Row(NamedTuple):
    """One stored attempt of this solver on one problem."""

    sample: int
    status: str
    reason: str | None
    detail: str = ""


def attempt(
    problems: Sequence[Problem] | str | Path,
    *,
    solver: Solver | str,
    run: Run | str | Path | None = None,
    samples: int = 1,
    budget: int | None = None,
    retry: Sequence[str] = (),
    progress: Progress = silent,
    **options: Any,
) -> dict[str, Any]:
    """Let a solver answer each problem `samples` times; store, grade and count every outcome.

    Args:
        problems: a list, or a JSONL file of problems.
        solver: a spec string such as "sim:2pl", or a Solver.
        run: a run, or its folder; it is created where missing. None: runs/NAME for NAME.jsonl.
        samples: attempts per problem; those that the run holds already are reused.
        budget: most new attempts of this call; what it leaves undone is counted as `left`.
        retry: statuses whose stored attempts are replaced by further samples, for example
            ["provider_error"]; what is replaced stays in the ledger.
        progress: told after each batch.
        options: of the solver, when it is given as a spec string.

    Returns:
        requested, reused, made, left; finished, truncated, timeout, provider_error (these four
        and `left` add up to requested); reasons of the grades; the commonest faults, in the
        solver's words, and of replies what was named (a refusal, tool calls, no text); `solved`,
        the share under the rules of `store.counting.OUTCOMES`, and `sensitivity`, what it would
        be if all attempts of an outcome without a verdict were right, wrong or left out; tokens
        of the new replies, where the solver counts them; `spent`, what an endpoint counts
        (requests, tokens, money) and which of its budgets stopped it.

    Raises:
        ArgumentError: a bad argument.
        SolverError: the solver gave up; what it answered is stored, and the same call resumes. Or
            a server does not honour what the run needs, and nothing was asked.
    """
    checks.within(1, 10**9, samples=samples)
    checks.within(0, 10**12, budget=0 if budget is None else budget)
    for status in retry:
        checks.one_of("retry", status, STATUSES[1:])
    if not isinstance(solver, str) and options:
        raise ArgumentError(f"`solver` is open: its options are set; got {', '.join(options)}")
    listed = list_problems(problems)
    opened = open_solver(solver, **options) if isinstance(solver, str) else solver
    try:
        run = open_run(run, problems)  # last: a mistake leaves no empty run behind
        if isinstance(solver, str):
            opened = in_run(run, solver, opened, options)
        run.add_problems(listed.values())
        run.config(
            "attempt",
            solver=opened.name,
            policy=opened.policy,
            params=dict(opened.params),
            samples=samples,
            problems=len(listed),
        )
        with run.ledger(write=True) as ledger:
            regrade(ledger, listed, solver=opened.name)
            kept, missing = _plan(_stored(ledger, opened, listed), listed, samples, retry)
            summary = _fill(ledger, opened, (kept, missing), budget=budget, progress=progress)
        run.finish("attempt")
        return summary
    finally:
        if isinstance(solver, str):
            opened.close()


def open_run(run: Run | str | Path | None, problems: Sequence[Problem] | str | Path | None) -> Run:
    """The run given, opened or created; runs/NAME where problems are a file and none is given.

    Raises:
        ArgumentError: neither a run nor a file.
    """
    if isinstance(run, Run):
        return run
    if run is None:
        if not isinstance(problems, str | Path):
            raise ArgumentError("`run` must name a run folder when `problems` is not a file")
        run = Path("runs") / Path(problems).name.split(".")[0]
    return Run(run)


def list_problems(problems: Sequence[Problem] | str | Path) -> dict[str, Problem]:
    """Problems by id, from a list or a file; a problem that occurs twice counts once.

    Raises:
        ArgumentError: there is none, or a verifier is unknown.
        MissingExtra: a verifier needs a package that is not installed.
    """
    found = load(problems) if isinstance(problems, str | Path) else problems
    listed = {problem.id: problem for problem in found}
    if not listed:
        raise ArgumentError("`problems` must hold at least one problem, got none")
    for problem in {p.verifier: p for p in listed.values()}.values():
        check(problem, None)  # a verifier that is unknown or not installed says so before we pay
    return listed


def regrade(
    ledger: Ledger,
    problems: Mapping[str, Problem],
    *,
    solver: str | None = None,
    progress: Progress = silent,
) -> int:
    """Grade stored replies that the problems' verifiers have not graded yet; asks no model.

    Rewards that a trainer gave (`integrations.trl.reward_logger`) are kept: what it rewarded may
    be another thing than the answer.

    Args:
        ledger: open for writing.
        problems: by id.
        solver: only attempts of this name.
        progress: told after each page.

    Returns:
        How many grades are new.
    """
    by_verifier: dict[str, list[str]] = {}
    for problem in problems.values():
        by_verifier.setdefault(verifier_name(problem), []).append(problem.id)
    new = 0
    for verifier, ids in by_verifier.items():
        records = ledger.attempts(ungraded=verifier, status=GRADED, problem=ids, solver=solver)
        while page := list(islice(records, PAGE)):
            grades = [
                grade_row(problems[record.problem], record.text, record.id)
                for record in page
                if not (record.verifier or "").startswith(GIVEN)
            ]
            new += ledger.grade(grades)
            progress(Tick("grade", new, 0))
    return new


# -- what is stored, what is missing ----------------------------------------------------------


def _stored(
    ledger: Ledger, solver: Solver, problems: Mapping[str, Problem]
) -> dict[str, list[_Row]]:
    """This solver's attempts on these prompts, by problem."""
    prompts = {i: prompt_hash(solver.prompt(problem)) for i, problem in problems.items()}
    setting = setting_of(solver)
    rows: dict[str, list[_Row]] = {i: [] for i in problems}
    for record in ledger.attempts(
        text=False, solver=solver.name, policy=solver.policy, problem=list(problems)
    ):
        if record.setting == setting and record.prompt == prompts[record.problem]:
            rows[record.problem].append(
                _Row(record.sample, record.status, record.reason, record.detail)
            )
    return rows


def _plan(
    stored: Mapping[str, list[_Row]],
    problems: Mapping[str, Problem],
    samples: int,
    retry: Sequence[str],
) -> tuple[list[_Row], list[Request]]:
    """Which stored attempts count, and what to ask for."""
    kept: list[_Row] = []
    requests: list[Request] = []
    for number, rows in stored.items():
        mine = {row.sample: row for row in rows}
        counted = [mine[i] for i in range(samples) if i in mine and mine[i].status not in retry]
        wanted = [i for i in range(samples) if i not in mine]
        spare = [row for i, row in sorted(mine.items()) if i >= samples and row.status not in retry]
        lost = samples - len(counted) - len(wanted)  # attempts that are to be replaced
        counted += spare[:lost]
        after = 1 + max([samples - 1, *mine])
        wanted += range(after, after + lost - len(spare[:lost]))
        kept += counted
        requests += _runs(problems[number], wanted)
    return kept, requests


def _runs(problem: Problem, samples: Sequence[int]) -> Iterator[Request]:
    """Requests that cover ascending sample numbers."""
    start = 0
    for i in range(1, len(samples) + 1):
        if i == len(samples) or samples[i] != samples[i - 1] + 1:
            yield Request(problem, samples[start], i - start)
            start = i


def _chunks(requests: Sequence[Request], most: int) -> Iterator[list[Request]]:
    """Lists of requests of at most CHUNK attempts each, `most` in all; long ones are cut."""
    chunk: list[Request] = []
    room = min(CHUNK, most)
    for request in requests:
        problem, first, n = request
        while n and most:
            take = min(n, room)
            chunk.append(Request(problem, first, take))
            first, n, room, most = first + take, n - take, room - take, most - take
            if not room:
                yield chunk
                chunk, room = [], min(CHUNK, most)
    if chunk:
        yield chunk


# -- asking -----------------------------------------------------------------------------------


def _fill(
    ledger: Ledger,
    solver: Solver,
    plan: tuple[list[_Row], list[Request]],
    *,
    budget: int | None,
    progress: Progress,
) -> dict[str, Any]:
    """Ask for what is missing; count all."""
    kept, requests = plan
    missing = sum(request.n for request in requests)
    most = missing if budget is None else min(budget, missing)
    tally = Tally()
    tally.add(Outcome(row.status, row.reason, row.detail) for row in kept)

    def told() -> None:
        progress(Tick("attempt", tally.made, most, tally.figures()))

    intake = Intake(ledger, solver, tally, most=most, told=told)
    for chunk in _chunks(requests, most):
        intake.drain(solver.answer(chunk))
    left = missing - tally.made
    assert len(kept) + missing == tally.cells.total() + left, "an outcome was dropped"
    return {
        "solver": solver.name,
        "requested": len(kept) + missing,
        "reused": len(kept),
        "made": tally.made,
        "left": left,
        **tally.summary(),
        "spent": dict(solver.report()),
    }
