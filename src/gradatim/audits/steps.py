"""Replies read step by step: right answers of wrong steps, and how far a solver gets."""

from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gradatim.audits.replies import read_replies
from gradatim.audits.subject import Subject, finding, pick
from gradatim.audits.verdicts import PASSES, written
from gradatim.errors import ArgumentError, MissingExtra
from gradatim.evaluation.horizon import Horizon, horizon, horizon_by_length
from gradatim.evaluation.selection import lucky_guesses
from gradatim.families import registry
from gradatim.families.held_out import complexity
from gradatim.store.run import Run
from gradatim.types import Family

SOUND = ("sound", "steps_right", "steps_sound", "sound_steps")
TOLERATED = 0.05  # share of passes that may rest on wrong steps
SHORTEST = 2  # steps that a reply must show to count for the horizon
GROUPS, FEWEST = 30, 10  # solvers by family that are looked at: how many, and their fewest replies
SHOWN = 10  # of their notes
LENGTHS = ("minutes", "human_minutes", "task_minutes", "task_length", "length", "complexity")
TASKS, LENGTHS_LEAST = 20, 3  # tasks, and different lengths, that a horizon by length takes
DRAWS = 100  # of its interval
MEASURED = 5000  # problems of a run whose length is measured


class Steps(NamedTuple):
    """Replies that show steps, and the steps of all of them in a row.

    Attributes:
        solver, problem: (reply,) labels; passed: (reply,) bool; family: (reply,) names.
        reply: (step,) int, index of its reply; legal: (step,) bool.
    """

    solver: np.ndarray
    problem: np.ndarray
    passed: np.ndarray
    family: np.ndarray
    reply: np.ndarray
    legal: np.ndarray


def find_lucky(subject: Subject) -> dict[str, Any] | None:
    """Solvers whose right answers too often rest on wrong steps."""
    attempts, matrix = subject.attempts, subject.matrix
    if attempts is None or matrix is None:
        return None
    column = pick(attempts.columns, SOUND)
    if column is not None and _is_verdict(column):
        known = ~np.isnan(column)
        passed = attempts.score[known] > PASSES
        sound, problem = column[known] > PASSES, attempts.item[known]
        solver = np.array(matrix.solvers)[attempts.solver[known]]
    else:
        steps = read_steps(subject)
        if steps is None:
            return None
        bad = np.bincount(steps.reply, ~steps.legal, minlength=len(steps.solver))
        passed, sound = steps.passed, bad == 0
        solver, problem = steps.solver, steps.problem
    if not len(passed):
        return None
    found = lucky_guesses(passed, sound, solver, problem, tolerated=TOLERATED)
    strict = lucky_guesses(
        passed, sound, solver, problem, tolerated=TOLERATED, level=1 - subject.alarm
    ).flagged
    rows, findings = [], []
    for at, name in enumerate(found.solvers):
        rate = found.unsound
        share = f"{rate.value[at]:.3f} [{rate.low[at]:.3f}, {rate.high[at]:.3f}]"
        rows.append({
            "solver": name,
            "passes": int(rate.n[at]),
            "unsound": {k: float(getattr(rate, k)[at]) for k in ("value", "low", "high")},
            "pass_rate": found.naive[at],
            "sound_rate": found.sound[at],
        })
        if strict[at]:
            words = (
                f"{share} of the {int(rate.n[at]):,} right answers of {name} rest on wrong steps: "
                f"pass rate {found.naive[at].value:.3f}, {found.sound[at].value:.3f} with steps"
            )
            remedy = "score steps as well, or problems whose answer cannot be guessed"
            findings.append(finding("lucky", [str(name)], words, remedy=remedy))
    return {
        "looked_at": f"{int(passed.sum()):,} right answers with steps",
        "findings": findings,
        "solvers": rows,
    }


def _is_verdict(column: np.ndarray) -> bool:
    """Whether a column holds 0, 1 and nothing else but gaps."""
    if column.dtype.kind != "f":
        return False
    there = column[~np.isnan(column)]
    return len(there) > 0 and bool(np.isin(there, (0, 1)).all())


def measure_horizon(subject: Subject) -> dict[str, Any] | None:
    """Step accuracy, horizons, and errors after errors, by solver and family; no finding."""
    steps, reach = read_steps(subject), _reach(subject)
    rows, notes = ([], []) if steps is None else _by_steps(steps)
    if not rows and not reach:
        return None
    notes += [_reached(row) for row in reach[:SHOWN]]
    looked = f"{len(reach)} solvers on tasks of different lengths"
    if steps is not None and rows:
        many = np.bincount(steps.reply, minlength=len(steps.solver))
        long = many >= SHORTEST
        looked = f"{int(many[long].sum()):,} steps of {int(long.sum()):,} replies"
    return {
        "looked_at": looked,
        "findings": [],
        "notes": notes,
        "solvers": rows,
        "by_length": reach,
    }


def _by_steps(steps: Steps) -> tuple[list[dict[str, Any]], list[str]]:
    rows, notes = [], []
    length = np.bincount(steps.reply, minlength=len(steps.solver))
    long = length >= SHORTEST
    groups = Counter(zip(steps.solver[long].tolist(), steps.family[long].tolist(), strict=True))
    listed = sorted(key for key, n in groups.most_common(GROUPS) if n >= FEWEST)
    for solver, family in listed:
        mine = long & (steps.solver == solver) & (steps.family == family)
        chosen = mine[steps.reply]
        reply = steps.reply[chosen]
        found = horizon(steps.legal[chosen], reply)
        inside = horizon(steps.legal[chosen], reply, problem=steps.problem[reply]).conditioning
        row = {"solver": solver, "family": family, "replies": int(mine.sum())}
        rows.append(row | found._asdict() | {"conditioning_within_problem": inside})
        notes.append(_said(solver, family, found))
    if len(listed) < len(groups):
        notes.append(f"the {len(listed)} largest of {len(groups)} solvers by family are listed")
    return rows, notes if len(notes) <= SHOWN else [*notes[:SHOWN], notes[-1]]


def _reach(subject: Subject) -> list[dict[str, Any]]:
    """Length of task solved half of the time: by a column, or by what a run's families measure."""
    matrix = subject.matrix
    if matrix is None:
        return []
    column = pick(subject.of_item, LENGTHS)
    if column is not None and column.dtype.kind == "f":
        tasks = {"": (np.arange(len(column)), column)}
    else:
        tasks = _efforts(subject)
    rows = []
    for family, (item, length) in tasks.items():
        for at, solver in enumerate(matrix.solvers):
            if len(rows) == GROUPS:
                return rows
            tried = np.asarray(matrix.tried)[at, item]
            some = (tried > 0) & (length > 0) & np.isfinite(length)
            if some.sum() < TASKS or len(np.unique(length[some])) < LENGTHS_LEAST:
                continue
            solved, n = matrix.solved[at, item][some], tried[some]
            if solved.sum() in (0, n.sum()):
                continue
            found = horizon_by_length(length[some], solved, n, draws=DRAWS)
            rows.append({"solver": solver, "family": family, **found._asdict()})
    return rows


def _efforts(subject: Subject) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Family -> items of a run, and how long their solutions must be."""
    matrix, path = subject.matrix, Path(subject.name)
    if matrix is None or not (path / "run.toml").exists():
        return {}
    known = {problem.id: problem for problem in Run(path, create=False).problems()}
    found: dict[str, tuple[list[int], list[float]]] = {}
    for at, name in enumerate(matrix.items[:MEASURED]):
        problem = known.get(name)
        try:
            length = complexity(problem) if problem is not None else None
        except (ArgumentError, MissingExtra):
            continue
        if problem is not None and length is not None:
            item, lengths = found.setdefault(problem.family, ([], []))
            item.append(at)
            lengths.append(length)
    return {name: (np.array(item), np.array(size)) for name, (item, size) in found.items()}


def _reached(row: dict[str, Any]) -> str:
    half, on = row["half"], f" on {row['family']}" * bool(row["family"])
    if not np.isfinite(half.value):
        return f"{row['solver']}{on}: success does not fall with the length of the task"
    return (
        f"{row['solver']}{on}: half of the tasks up to a length of {half.value:.3g} [{half.low:.3g}"
        f", {half.high:.3g}], 80% up to {row['most'].value:.3g}"
    )


def _said(solver: str, family: str, found: Horizon) -> str:
    after = found.conditioning
    errors = f"; errors after an error {after.value:+.3f} [{after.low:+.3f}, {after.high:+.3f}]"
    return (
        f"{solver} on {family}: step accuracy {written(found.step)}, {found.half.value:.3g} steps "
        f"at 1/2 and {found.most.value:.3g} at 80%" + errors * bool(np.isfinite(after.value))
    )


def read_steps(subject: Subject) -> Steps | None:
    """Steps of a run's replies, as their families read them; None where there are none."""
    replies = read_replies(subject)
    if replies is None:
        return None
    families = {name: _tracer(name) for name in {p.family for p in replies.problems}}
    kept, reply, legal = [], [], []
    for at, (problem, text) in enumerate(zip(replies.problems, replies.texts, strict=True)):
        family = families[problem.family]
        if family is None or family.trace is None:
            continue
        shown = [step.legal for step in family.trace(problem, text)]
        if shown:
            reply += [len(kept)] * len(shown)
            legal += shown
            kept.append(at)
    if not kept:
        return None
    chosen = [replies.problems[at] for at in kept]
    return Steps(
        replies.solver[kept],
        np.array([problem.id for problem in chosen]),
        replies.solved[kept],
        np.array([problem.family for problem in chosen]),
        np.array(reply),
        np.array(legal, dtype=bool),
    )


def _tracer(name: str) -> Family | None:
    """The family of a name, where it is known here and reads steps."""
    try:
        family = registry.get(name)
    except (ArgumentError, MissingExtra):
        return None
    return family if family.trace is not None else None
