"""Attempts of the tiny policy as rows of the ledger."""

from collections import Counter

from gradatim.engine.steps import DEMO, Outcome
from gradatim.recipes.anchors import PROBE
from gradatim.solvers import tiny
from gradatim.store.rows import AttemptRow, GradeRow, Setting, prompt_hash
from gradatim.types import Plan


def attempt_rows(
    made: Outcome, plan: Plan | None, *, setting: Setting, step: int, tag: str, seen: Counter[str]
) -> tuple[list[AttemptRow], list[GradeRow]]:
    """Attempts of one round and their grades; demonstrations are no attempts.

    Args:
        made: what was done.
        plan: its plan, for propensities; None outside of training.
        setting: who answered.
        step: of the run.
        tag: what the attempts were for; those of a plan's probes are for "probe".
        seen: attempts so far of this setting on each prompt; counted up here.
    """
    attempts, grades = [], []
    hashes: dict[str, str] = {}
    expected = None if plan is None else plan.propensity.tolist()
    shown = set() if plan is None else set((plan.role == DEMO).nonzero()[0].tolist())
    probed = set() if plan is None else set((plan.role == PROBE).nonzero()[0].tolist())
    columns = zip(
        made.problems,
        made.row.tolist(),
        made.hints,
        made.rollouts.texts,
        made.rollouts.replies.lengths.tolist(),
        made.rollouts.finished.tolist(),
        made.verdicts,
        strict=True,
    )
    for problem, row, hint, text, length, ended, verdict in columns:
        if row in shown:
            continue
        prompt = tiny.compact(problem) + hint
        hashed = hashes.get(prompt)
        if hashed is None:
            hashed = hashes[prompt] = prompt_hash(prompt)
        key = problem.id + hashed
        attempts.append(
            AttemptRow(
                problem.id,
                hashed,
                setting,
                seen[key],
                status="finished" if ended else "truncated",
                text=hint + text,
                tokens=length,
                prompt_tokens=len(prompt),
                step=step,
                propensity=None if expected is None else expected[row],
                tag="probe" if row in probed else tag,
            )
        )
        grades.append(GradeRow(f"{problem.verifier}@{problem.version}", *verdict))
        seen[key] += 1
    return attempts, grades
