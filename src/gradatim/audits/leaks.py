"""Solvers that know a part of the items: a split, a date or a subject on which one stands out."""

from typing import Any

import numpy as np
from scipy import special

from gradatim.audits.items import labels_of
from gradatim.audits.subject import Subject, finding, pick
from gradatim.evaluation.leakage import part_gains, windows
from gradatim.types import Estimate

DATES = ("date", "date_ms", "created", "release", "released", "published", "time", "year")
EARLY = (0.1, 0.25, 0.5)  # shares of the items, the oldest first
RUN = 0.1  # share of the items in a run of the file's order
LEAST = 10  # items of a part
HARDNESS = ("difficulty", "level")  # what these tell is what the scale measures, not who knew it


def find_leaks(subject: Subject) -> dict[str, Any] | None:
    """One solver that does better on a part of the items than the rest of its row allows."""
    matrix, bank = subject.matrix, subject.bank
    if matrix is None or bank is None or len(matrix.solvers) < 3:
        return None
    names, parts = parts_of(subject)
    if not names:
        return None
    tried = np.asarray(matrix.tried)
    found = part_gains(matrix.solved, tried, bank, parts)
    p = special.ndtr(-found.z)
    bound = subject.alarm / max(1, int(np.isfinite(p).sum()))
    findings = []
    for solver, part in np.argwhere(p < bound):  # the clearest first
        gain, se = float(found.gain[solver, part]), float(found.se[solver, part])
        n, who = int(found.n[solver, part]), matrix.solvers[solver]
        shown = Estimate(gain, gain - 1.96 * se, gain + 1.96 * se, n)
        words = (
            f"{who!r} solves {100 * gain:.1f} points "
            f"[{100 * shown.low:.1f}, {100 * shown.high:.1f}] more of {names[part]} ({n:,} items) "
            "than its other answers and everyone else's allow"
        )
        findings.append(
            finding(
                "leak",
                [who],
                words,
                remedy="leave these items out of its score, or ask whether it was trained on them",
                part=names[part],
                gain=shown,
                z=float(found.z[solver, part]),
                p=float(p[solver, part]),
            )
        )
    findings.sort(key=lambda one: one["evidence"]["p"])
    right = np.where(tried > 0, matrix.solved, 0).sum(axis=1)
    mixed = (right > 0) & (right < tried.sum(axis=1))  # who is all right or all wrong is so by luck
    notes = [
        f"solvers differ on {name} by {spread:.1f} times what chance makes: only one that stands "
        "out from all others is named"
        for name, spread in zip(names, found.spread, strict=True)
        if spread > 1.5 and mixed.sum() >= 3
    ]
    if not labels_of(subject) and pick(subject.of_item, DATES) is None:
        notes.append(
            "no column says which items may have leaked; runs of the file's order were tried. A "
            "leak of items strewn over the file cannot be seen in right and wrong answers: name "
            "the suspects in a column, say `split`"
        )
    return {
        "looked_at": f"{len(matrix.solvers):,} solvers on {len(names):,} parts of the items",
        "findings": findings,
        "notes": notes,
    }


def parts_of(subject: Subject) -> tuple[list[str], np.ndarray]:
    """Names of parts and (part, item) bool: values of labels, oldest items, or runs of the file."""
    assert subject.matrix is not None
    n = len(subject.matrix.items)
    names: list[str] = []
    rows: list[np.ndarray] = []
    for label, column in labels_of(subject).items():
        if label.lower() in HARDNESS:
            continue
        for value in np.unique(column):
            if np.mean(column == value) > 0.5:  # the ability is taken from what is left
                continue
            names.append(f"{label} {str(value)!r}")
            rows.append(column == value)
    date = pick(subject.of_item, DATES)
    if date is not None and len(np.unique(date)) > 12:
        rank = np.argsort(np.argsort(date, kind="stable"), kind="stable")
        for share in EARLY:
            names.append(f"the oldest {share:.0%}")
            rows.append(rank < share * n)
    if not rows and n >= LEAST / RUN:
        rows = list(windows(np.arange(n), RUN))
        for row in rows:
            at = np.flatnonzero(row)
            names.append(f"items {at[0] + 1} to {at[-1] + 1} of the file")
    kept = [i for i, row in enumerate(rows) if LEAST <= row.sum() <= n - LEAST]
    parts = np.array([rows[i] for i in kept], dtype=bool).reshape(len(kept), n)
    return [names[i] for i in kept], parts
