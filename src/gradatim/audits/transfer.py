"""How far does it carry: accuracy by what was held out from training, and what each step loses."""

from typing import Any

import numpy as np

from gradatim.audits.subject import Subject, pick, written
from gradatim.evaluation.generalization import by_held_out
from gradatim.families.held_out import LEVELS, RANGES, TRAIN
from gradatim.types import Matrix

HELD = ("held_out", "heldout", "shift")
LADDERS = ((TRAIN, *LEVELS), (TRAIN, *RANGES))  # from the nearest to the farthest
LISTED = 8  # solvers in the notes


def measure_transfer(subject: Subject) -> dict[str, Any] | None:
    """Accuracy at each distance from training, by solver; no finding."""
    kind = pick(subject.of_item, HELD)
    if kind is None or subject.matrix is None or kind.dtype.kind != "U":
        return None
    matrix = subject.matrix
    for ladder in LADDERS:
        there = np.isin(kind, ladder)
        names = [name for name in ladder if (kind == name).any()]
        if there.all() and len(names) > 1:
            break
    else:
        return None
    rows, notes = [], []
    for at, solver in enumerate(matrix.solvers):
        row = _sides(matrix, at, kind, names)
        if row is None:
            continue
        rows.append({"solver": solver, "held_out": row})
        told = [
            f"{side['kind']} {written(side['accuracy'])}"
            + (f", {written(side['loss'])} lost" if side["loss"] is not None else "")
            for side in row
        ]
        notes.append(f"{solver}: {'; '.join(told)}")
    if not rows:
        return None
    return {
        "looked_at": f"{len(rows)} solvers on {', '.join(names)}",
        "findings": [],
        "notes": notes[:LISTED],
        "solvers": rows,
    }


def _sides(
    matrix: Matrix, at: int, kind: np.ndarray, names: list[str]
) -> list[dict[str, Any]] | None:
    """A solver's accuracy on each kind; None where it has not tried two of them."""
    tried = np.asarray(matrix.tried)[at]
    some = tried > 0
    mine = [name for name in names if (kind[some] == name).any()]
    if len(mine) < 2:
        return None
    rate = matrix.solved[at][some] / tried[some]
    found = by_held_out(rate, np.flatnonzero(some), kind[some], mine)
    return [{"kind": one.name, "accuracy": one.accuracy, "loss": one.loss} for one in found]
