"""Rows that are one system twice, or that lost their answers: what `scale.quality` finds."""

from typing import Any

from gradatim.engine.audit_subject import Subject, finding
from gradatim.scale.quality import check_quality

FAULTS = {
    "clones": "keep one of these rows",
    "no_answers": "read some of its replies, grade them again, or leave the row out",
    "parts": "do not compare solvers of different parts; add attempts of one solver in both",
}


def find_rows(subject: Subject) -> dict[str, Any] | None:
    """Alias rows and clones, rows without any right answer, parts without a common item."""
    matrix = subject.matrix
    if matrix is None or len(matrix.solvers) < 2:
        return None
    found = check_quality(matrix, alarm=subject.alarm / 2)  # of clones, and of no_answers
    findings, notes = [], list(found.skipped)
    for one in found.findings:
        if one.kind in FAULTS:
            remedy = FAULTS[one.kind]
            findings.append(
                finding(one.kind, one.names, one.words, remedy=remedy, **dict(one.evidence))
            )
        else:
            notes.append(one.words)
    pairs = len(matrix.solvers) * (len(matrix.solvers) - 1) // 2
    return {
        "looked_at": f"{pairs:,} pairs of {len(matrix.solvers):,} rows",
        "findings": findings,
        "notes": notes,
    }
