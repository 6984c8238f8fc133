"""Solve, be told, solve again: what a solver makes of feedback, measured in a run.

A problem that is not solved goes to a writer who knows the answer; its feedback and the failed
reply are put behind the question, and the solver tries again, up to a number of rounds. Retries
are attempts of the run under the name `feedback(SOLVER)`, so that they never count as the
solver's unaided attempts; what was paid for is not asked for again.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from gradatim import checks
from gradatim.engine.attempt import attempt, list_problems, open_run
from gradatim.engine.opening import in_run
from gradatim.errors import ArgumentError
from gradatim.evaluation.feedback import Friction, friction
from gradatim.progress import Progress, silent
from gradatim.recipes.writers import CRITICISE, LONGEST, REFINE, SIMPLE, TOLD
from gradatim.recipes.writing import asked, write
from gradatim.solvers.registry import open_solver
from gradatim.store.rows import Record, prompt_hash, setting_of
from gradatim.store.run import Run
from gradatim.types import Problem, Solver

WRONG = "wrong"  # the writer that says nothing else
SAID = "The attempt is wrong."
LEAKS = ("mask", "drop", "allow")
MASK = "[...]"
COUNTED = ("requested", "made", "rejected", "written", "without", "leaked")
NOTHING: Mapping[str, Any] = MappingProxyType({})
PAGE = 64  # texts of a writer that are kept at a time: what an interruption may cost


class Trial(NamedTuple):
    """What came of it, and what it cost.

    Attributes:
        friction: accuracy by round and what is missing, see `evaluation.feedback`.
        problems: (problem,) ids.
        solved: (round, problem) 1, 0, or NaN: no attempt, or one that was lost.
        requested, made: attempts of the solver, those rejected for a repeated answer included;
            those of them that are new, the others were in the run.
        rejected: attempts that only repeated a wrong answer and were made again.
        written: texts of the writer that were asked for in this call.
        without: retries whose writer gave nothing that can be used: told only that it was wrong.
        leaked: retries whose feedback held the answer, before it was masked or dropped.
    """

    friction: Friction
    problems: tuple[str, ...]
    solved: np.ndarray
    requested: int
    made: int
    rejected: int
    written: int
    without: int
    leaked: int


def mask(text: str, answer: str) -> str:
    """The text without the answer as it is written, whatever its case and spaces.

    What says the same in other words or digits stays.

    >>> mask("No: 12 + 30 is 42, not 421.", "42")
    'No: 12 + 30 is [...], not 421.'
    """
    words = answer.split()
    if not words:
        return text
    said = r"\s+".join(map(re.escape, words))
    # 2 is not in 12, 2.5 or x2
    return re.sub(rf"(?<!\w)(?<!\d\.){said}(?!\w)(?!\.\d)", MASK, text, flags=re.IGNORECASE)


def measure_friction(
    problems: Sequence[Problem] | str | Path,
    *,
    solver: Solver | str,
    writer: Solver | str = WRONG,
    run: Run | str | Path | None = None,
    rounds: int = 5,
    tries: int = 1,
    leak: str = "mask",
    progress: Progress = silent,
    **options: Any,
) -> Trial:
    """Attempt each problem, then again with feedback while it is not solved.

    Args:
        problems: a list, or a JSONL file of problems.
        solver: a spec string, or a Solver; it must read prompts, which the tiny policy does not.
        writer: "wrong" says that the attempt is; "simple_gt" tells the right answer; a solver is
            given answer and attempt, and asked what went wrong.
        run: a run, or its folder; it is created where missing. None: runs/NAME for NAME.jsonl.
        rounds: retries of a problem at most.
        tries: attempts of a retry at most: one whose answer was wrong before is made again. 1
            rejects nothing.
        leak: what is done where a solver's feedback holds the answer: "mask" blots it out, "drop"
            says only that the attempt is wrong, "allow" lets it through.
        progress: told after each batch.
        options: of the solver, when it is given as a spec string.

    Returns:
        Trial. Truncated and timed out attempts count as wrong; what a fault of the provider or of
        the verifier hit is lost, and its problem left out.

    Raises:
        ArgumentError: a bad argument, or no problem that got through.
        SolverError: the solver gave up; what it answered is stored, and the same call resumes.

    Ref: Jiang et al. 2025, Feedback Friction, arXiv:2506.11930. Differs: the last attempt and its
    feedback are shown, not all before; repeated answers are rejected one at a time.
    """
    checks.within(0, 10**6, rounds=rounds)
    checks.within(1, 10**6, tries=tries)
    checks.one_of("leak", leak, LEAKS)
    if isinstance(solver, Solver) and options:
        raise ArgumentError(f"`solver` is open: its options are set; got {', '.join(options)}")
    known = writer if writer in (WRONG, SIMPLE) else None
    listed = list_problems(problems)
    with ExitStack() as stack:
        mine = _opened(stack, "solver", solver, options)
        told = known or _opened(stack, "writer", writer)
        for who in (mine, told):
            _need_reader(who, next(iter(listed.values())))
        run = open_run(run, problems)
        if isinstance(solver, str):
            mine = in_run(run, solver, mine, options)
            stack.callback(mine.close)
        if isinstance(writer, str) and isinstance(told, Solver):
            told = in_run(run, writer, told, NOTHING)
            stack.callback(told.close)
        solved = np.full((rounds + 1, len(listed)), np.nan)
        seat = _Seat(run, mine, tries, told, leak, progress, Counter(), Counter())
        _converse(seat, listed, solved)
        counts = {name: seat.tally[name] for name in COUNTED}
        trial = Trial(friction(solved), tuple(listed), solved, **counts)
        run.write_result("friction", trial)
        return trial


def _opened(
    stack: ExitStack, arg: str, given: Solver | str, options: Mapping[str, Any] = NOTHING
) -> Solver:
    """A solver that is closed with the stack where it was opened here.

    Raises:
        ArgumentError: neither a solver nor the spec of one.
    """
    if isinstance(given, Solver):
        return given
    try:
        solver = open_solver(given, **options)
    except ArgumentError as error:
        if arg == "solver":
            raise
        raise ArgumentError(
            f"`{arg}` must be '{WRONG}', '{SIMPLE}', a Solver or the spec of one; got {given!r}: "
            f"{error}"
        ) from None
    stack.callback(solver.close)
    return solver


def _need_reader(solver: Solver | str, problem: Problem) -> None:
    """Refuse, before anything is paid, a solver that cannot be told anything.

    Raises:
        ArgumentError: naming it.
    """
    if isinstance(solver, Solver):
        try:
            solver.prompt(asked(problem, SAID))
        except ArgumentError as error:
            raise ArgumentError(f"{solver.name} cannot read feedback: {error}") from None


class _Seat(NamedTuple):
    """Who answers, who gives feedback, where it is kept, and the counts so far.

    Attributes:
        told: a solver, or WRONG or SIMPLE.
        used: samples that were asked for, by problem and prompt: a prompt that comes again gets
            the next one, or a solver with a seed would say the same for ever.
    """

    run: Run
    solver: Solver
    tries: int
    told: Solver | str
    leak: str
    progress: Progress
    used: Counter[tuple[str, str]]
    tally: Counter[str]


def _converse(seat: _Seat, listed: dict[str, Problem], solved: np.ndarray) -> None:
    """Fill the table, round by round; a problem is in play until it is solved or lost."""
    place = {number: i for i, number in enumerate(listed)}
    wrong: dict[str, set[str]] = {number: set() for number in listed}
    posed = dict(listed)
    for number in range(len(solved)):
        made = _round(seat, posed, wrong)
        for problem, record in made.items():
            solved[number, place[problem]] = _value(record)
            if record.answer is not None:
                wrong[problem].add(record.answer)  # not read any more where it was right
        failed = {p: record for p, record in made.items() if solved[number, place[p]] == 0}
        if not failed or number + 1 == len(solved):
            return
        replies = {p: _shown(record) for p, record in failed.items()}
        said = _feedback(seat, [(listed[p], reply) for p, reply in replies.items()])
        posed = {
            p: asked(listed[p], REFINE.format(reply=reply, critique=words))
            for (p, reply), words in zip(replies.items(), said, strict=True)
        }
        if number == 0:  # from here on it is another solver: one that is helped
            helped = replace(
                seat.solver,
                name=f"feedback({seat.solver.name})",
                params={**seat.solver.params, "role": "refine"},
            )
            seat = seat._replace(solver=helped, used=Counter())


def _value(record: Record) -> float:
    """1 solved, 0 not, NaN lost."""
    if record.status == "provider_error" or record.reason == "verifier_error":
        return float("nan")
    return float(record.status == "finished" and bool(record.solved))


def _shown(record: Record) -> str:
    text = record.text
    return text[:LONGEST] if text and text.strip() else "(no text)"


# -- the solver -----------------------------------------------------------------------------------


def _round(seat: _Seat, posed: dict[str, Problem], wrong: dict[str, set[str]]) -> dict[str, Record]:
    """One attempt of each problem that counts; repeated answers are made again."""
    made: dict[str, Record] = {}
    pending = posed
    for again in range(seat.tries):
        seat.tally["rejected"] += len(pending) if again else 0
        new = _next(seat, pending)
        # a second attempt that is lost leaves the first, which was none the less made
        made |= {p: r for p, r in new.items() if p not in made or not np.isnan(_value(r))}
        pending = {p: posed[p] for p, record in new.items() if record.answer in wrong[p]}
        if not pending:
            break
    return made


def _next(seat: _Seat, posed: dict[str, Problem]) -> dict[str, Record]:
    """The next sample of each prompt, from the run or from the solver."""
    keys = {p: (p, prompt_hash(seat.solver.prompt(problem))) for p, problem in posed.items()}
    sample = {key: seat.used[key] for key in keys.values()}
    for number in sorted(set(sample.values())):
        group = [posed[p] for p, key in keys.items() if sample[key] == number]
        summary = attempt(
            group, solver=seat.solver, run=seat.run, samples=number + 1, progress=seat.progress
        )
        seat.tally["made"] += summary["made"]
    seat.tally["requested"] += len(posed)
    seat.used.update(keys.values())
    setting = setting_of(seat.solver)
    with seat.run.ledger() as ledger:
        records = ledger.attempts(solver=setting.solver, policy=setting.policy, problem=list(posed))
        return {
            record.problem: record
            for record in records
            if record.setting == setting
            and sample.get((record.problem, record.prompt)) == record.sample
        }


# -- the writer -----------------------------------------------------------------------------------


def _feedback(seat: _Seat, failed: list[tuple[Problem, str]]) -> list[str]:
    """What each failed reply is told."""
    if not isinstance(seat.told, Solver):
        words = SAID if seat.told == WRONG else TOLD
        return [words.format(answer=problem.answer) for problem, _ in failed]
    questions = [
        asked(problem, CRITICISE.format(reply=reply, answer=problem.answer))
        for problem, reply in failed
    ]
    said = []
    for (problem, _), text in zip(failed, _written(seat, seat.told, questions), strict=True):
        clean = mask(text, problem.answer)
        seat.tally["without"] += not text
        seat.tally["leaked"] += clean != text
        kept = {"mask": clean, "drop": text if clean == text else "", "allow": text}[seat.leak]
        said.append(kept or SAID)
    return said


def _written(seat: _Seat, writer: Solver, questions: list[Problem]) -> list[str]:
    """A text for each question, "" where none can be used; kept in the run, asked for once."""
    name = f"feedback-{prompt_hash(str(setting_of(writer)))}"
    known: dict[str, str] = seat.run.read_result(name) or {}
    keys = [f"{q.id}-{prompt_hash(writer.prompt(q))}" for q in questions]
    new = [(key, q) for key, q in zip(keys, questions, strict=True) if key not in known]
    for at in range(0, len(new), PAGE):
        page = new[at : at + PAGE]
        found = write(writer, [q for _, q in page], 1, longest=LONGEST)
        for (key, _), texts in zip(page, found, strict=True):
            known[key] = texts[0] if texts else ""
        seat.run.write_result(name, known)
    seat.tally["written"] += len(new)
    return [known[key] for key in keys]
