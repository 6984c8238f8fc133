"""Graded replies of a run with their texts and problems, as sections of its audit read them."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from gradatim.audits.subject import Subject
from gradatim.store.run import Run
from gradatim.types import Problem

MOST = 50_000  # replies that are read


class Replies(NamedTuple):
    """Replies in the order made.

    Attributes:
        solver: (reply,) names, as the matrix of the subject has them.
        problems, texts: of each reply.
        solved: (reply,) bool.
    """

    solver: np.ndarray
    problems: list[Problem]
    texts: list[str]
    solved: np.ndarray


def read_replies(subject: Subject) -> Replies | None:
    """The first MOST graded replies of a run; None where the subject is no run, or has none."""
    if not (Path(subject.name) / "run.toml").exists():
        return None
    run = Run(subject.name, create=False)
    known = {problem.id: problem for problem in run.problems()}
    solver, problems, texts, solved = [], [], [], []
    with run.ledger() as ledger:
        for record in ledger.attempts(text=True):
            problem = known.get(record.problem)
            if problem is None or record.text is None or record.solved is None:
                continue
            setting = record.setting
            solver.append(setting.solver + f"@{setting.policy}" * bool(setting.policy))
            problems.append(problem)
            texts.append(record.text)
            solved.append(record.solved)
            if len(texts) == MOST:
                break
    if not texts:
        return None
    return Replies(np.array(solver), problems, texts, np.array(solved, dtype=bool))
