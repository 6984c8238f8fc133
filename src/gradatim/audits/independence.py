"""Repeated attempts: does one depend on the one before it, or on those of its call?"""

from typing import Any

import numpy as np

from gradatim.audits.subject import Attempts, Subject, finding, pick
from gradatim.audits.variants import LAYOUTS, SEEDS, STEPS
from gradatim.audits.verdicts import PASSES, written
from gradatim.evaluation.independence import batch_test, order_test

ORDERS = ("attempt", "sample", "sample_id", "sample_index", "epoch", "repeat", "trial")
BATCHES = ("batch", "batch_id", "call", "call_id", "request", "request_id")
MIXED = 10  # problems with passes and fails from which an order says something
EQUAL = 0.9  # share of problems with one number of attempts: less, and outcomes may end them
LISTED = 5  # solvers in notes


def judge_independence(subject: Subject) -> dict[str, Any] | None:
    """Whether an attempt depends on the one before it, or on those of the same call."""
    attempts, matrix = subject.attempts, subject.matrix
    if attempts is None or matrix is None:
        return None
    order, batch = pick(attempts.columns, ORDERS), pick(attempts.columns, BATCHES)
    if not attempts.ordered and order is None and batch is None:
        return None
    rows = np.arange(len(attempts.score))
    if order is not None:
        rows = np.lexsort((rows, order))
    sequence = _sequences(attempts, len(matrix.items))
    found: list[dict[str, Any]] = []
    judged = 0
    for solver in np.unique(attempts.solver):
        mine = rows[attempts.solver[rows] == solver]
        hits, code = attempts.score[mine] > PASSES, sequence[mine]
        if not _informative(hits, code):
            continue
        judged += len(mine)
        row: dict[str, Any] = {"solver": matrix.solvers[solver], "fixed": _fixed(code)}
        if row["fixed"] and (attempts.ordered or order is not None):
            row |= order_test(hits, code)._asdict()
        if batch is not None:
            row["batch"] = batch_test(hits, code, batch[mine])._asdict()
        found.append(row)
    if not judged:
        return None
    ended = [row["solver"] for row in found if not row["fixed"]][:LISTED]
    findings = []
    tests = sum(("p_value" in row) + ("batch" in row) for row in found)
    for row in found:
        findings += _dependent(row, subject.alarm / max(tests, 1))
    return {
        "looked_at": f"{judged:,} repeated attempts in order",
        "findings": findings,
        "notes": [
            f"{one}: numbers of attempts differ, outcomes may have ended them" for one in ended
        ],
        "solvers": found,
    }


def _sequences(attempts: Attempts, n_items: int) -> np.ndarray:
    """(attempt,) one number for what is tried again: solver, item, step and layout."""
    code = attempts.solver * n_items + attempts.item
    for names in (STEPS, LAYOUTS, SEEDS[1:4]):
        column = pick(attempts.columns, names)
        if column is not None:
            labels, at = np.unique(column, return_inverse=True)
            code = np.unique(code * len(labels) + at.reshape(-1), return_inverse=True)[1]
    return code


def _informative(passed: np.ndarray, sequence: np.ndarray) -> bool:
    code = np.unique(sequence, return_inverse=True)[1].reshape(-1)
    n, k = np.bincount(code), np.bincount(code, weights=passed)
    return int(((k > 0) & (k < n) & (n > 2)).sum()) >= MIXED


def _fixed(sequence: np.ndarray) -> bool:
    n = np.unique(sequence, return_counts=True)[1]
    return bool(np.mean(n == np.bincount(n).argmax()) >= EQUAL)


def _dependent(row: dict[str, Any], alarm: float) -> list[dict[str, Any]]:
    name, found = row["solver"], []
    if row.get("p_value", 1.0) < alarm:
        lag = row["lag"]
        how = "repeat the last outcome" if lag.value > 0 else "make up for the last outcome"
        words = (
            f"attempts of {name} {how}: correlation {written(lag)}, {row['runs']:,} runs of equal "
            f"outcomes where {row['expected']:,.0f} are expected"
        )
        remedy = (
            "draw each attempt in a call of its own; pass@k from these is not what k independent "
            "attempts reach"
        )
        found.append(finding("order", [name], words, remedy=remedy, p_value=row["p_value"]))
    batch = row.get("batch")
    if batch is not None and batch["p_value"] < alarm:
        within = batch["within"]
        words = (
            f"attempts of {name} from one call are {'alike' if within.value > 0 else 'unlike'}: "
            f"correlation {written(within)}; one is worth {batch['worth']:.2f} independent ones"
        )
        remedy = "draw each attempt in a call of its own, or count calls instead of attempts"
        found.append(finding("batch", [name], words, remedy=remedy, p_value=batch["p_value"]))
    return found
