"""A verifier that judges otherwise later than earlier."""

from typing import Any

import numpy as np

from gradatim.audits.columns import LAYOUTS, SEEDS, STEPS, pick
from gradatim.audits.subject import Attempts, Subject, finding
from gradatim.evaluation.verdict_trend import verdict_trend
from gradatim.scale import irt
from gradatim.scale.anchored import fit_anchored
from gradatim.types import Responses

WORDS = {
    "refused": "right answers are refused",
    "passed": "wrong answers are passed",
}
LEAST = 100  # attempts
FEW = 10  # attempts of a seed, on average; of fewer it numbers attempts, not trained models


def find_trend(subject: Subject) -> dict[str, Any] | None:
    """Verdicts that change over the attempts as made, given who answered what."""
    attempts, bank, known = subject.attempts, subject.bank, subject.known
    if attempts is None or len(attempts.score) < LEAST:
        return None
    judged, found, notes = attempts[:3], None, []
    system = _systems(attempts)
    if len(np.unique(system)) > len(np.unique(attempts.solver)):
        responses = _counts(system, attempts, subject)
        judged, bank = (system, *judged[1:]), irt.fit(responses)
        known = known and known._replace(bank=fit_anchored(responses, known.bank))
    if known is not None:
        found = verdict_trend(*judged, known.bank, before=known.items, seed=subject.seed)
        if found is None and bank is not None:
            notes.append(f"fewer than {LEAST} attempts on items of the bank: judged without it")
    if found is None and bank is not None:
        found = verdict_trend(*judged, bank, seed=subject.seed)
    if found is None:
        return None
    findings = []
    n = found.change.n
    if found.p < subject.alarm:
        change = found.change
        since = "over the file" if found.start is None else f"from attempt {found.start:,} on"
        more = "more" if change.value > 0 else "less"
        words = (
            f"{WORDS[found.fault]} {more} often {since}: {100 * change.value:+.1f} points "
            f"[{100 * change.low:+.1f}, {100 * change.high:+.1f}] (p = {found.p:.2g})"
        )
        findings.append(
            finding(
                "drift",
                [],
                words,
                remedy="grade stored replies of both ends again with one version of the verifier; "
                "where verdicts stay, the solver behind the name has changed",
                fault=found.fault,
                change=change,
                start=found.start,
                p=found.p,
                z=found.z,
            )
        )
    if not attempts.ordered:
        notes.append("no column of times: the order of the file was taken for that of attempts")
    return {"looked_at": f"{n:,} attempts in order", "findings": findings, "notes": notes}


def _systems(attempts: Attempts) -> np.ndarray:
    """(attempt,) int, where a solver at each step, with each layout and of each seed is its own.

    A checkpoint that has learned is no verifier that has changed.
    """
    system = attempts.solver.astype(np.int64)
    for names in (STEPS, LAYOUTS, SEEDS):
        column = pick(attempts.columns, names)
        if column is None:
            continue
        labels, at = np.unique(column, return_inverse=True)
        apart = np.unique(system * len(labels) + at.reshape(-1), return_inverse=True)[1]
        if names is SEEDS and apart.max() + 1 > len(apart) / FEW:
            continue
        system = apart.reshape(-1)
    return system


def _counts(system: np.ndarray, attempts: Attempts, subject: Subject) -> Responses:
    assert subject.matrix is not None
    items = subject.matrix.items
    code, cell = np.unique(system * len(items) + attempts.item, return_inverse=True)
    cell = cell.reshape(-1)
    return Responses(
        solver=code // len(items),
        item=code % len(items),
        solved=np.bincount(cell, weights=attempts.score),
        tried=np.bincount(cell),
        solvers=tuple(str(i) for i in range(int(system.max()) + 1)),
        items=items,
    )
