"""Rows that are one system twice, or that lost their answers: what `scale.quality` finds."""

from collections.abc import Sequence
from typing import Any

from gradatim.audits.subject import Subject, finding
from gradatim.scale.clones import find_copies
from gradatim.scale.quality import MOST, check_quality
from gradatim.scale.screens import screen
from gradatim.types import Matrix

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
        if one.kind == "parts" and (run := _one_run(one.evidence["parts"])):
            notes.append(
                f"{len(one.evidence['parts'])} steps of {run} have no problem in common: that is "
                "how a run on fresh problems looks, but its scores of different steps cannot be "
                "compared"
            )
        elif one.kind in FAULTS:
            remedy = FAULTS[one.kind]
            findings.append(
                finding(one.kind, one.names, one.words, remedy=remedy, **dict(one.evidence))
            )
        else:
            notes.append(one.words)
    named = {name for one in findings for name in one["names"] if one["kind"] == "clones"}
    findings += _copies(matrix, named, alarm=subject.alarm / 2)
    pairs = len(matrix.solvers) * (len(matrix.solvers) - 1) // 2
    return {
        "looked_at": f"{pairs:,} pairs of {len(matrix.solvers):,} rows",
        "findings": findings,
        "notes": notes,
    }


def _one_run(parts: Sequence[Sequence[str]]) -> str:
    """The run whose steps all solvers of all parts are, by their names RUN@STEP; empty if none."""
    runs = {name.rpartition("@")[0] for part in parts for name in part}
    return runs.pop() if len(runs) == 1 else ""


def _copies(matrix: Matrix, named: set[str], *, alarm: float) -> list[dict[str, Any]]:
    """Pairs that differ on easy items as on hard ones, as a copy with changed cells does."""
    if len(matrix.solvers) > MOST:
        return []
    table = screen(matrix, checked=True)
    pairs = find_copies(table.rate, table.has, alarm=alarm)
    found = []
    for at, (first, second) in enumerate(zip(pairs.first, pairs.second, strict=True)):
        names = [matrix.solvers[i] for i in (first, second)]
        if named.issuperset(names):
            continue
        n, d, e = int(pairs.common[at]), float(pairs.differ[at]), float(pairs.expected[at])
        stray = float(pairs.stray[at])
        words = (
            f"{names[0]!r} and {names[1]!r} differ by {d:.3g} on {n:,} common cells, on easy items "
            f"as on hard ones, where {e:.3g}, on the unsure ones, is expected of different solvers "
            f"as able as these: one may be a copy of the other with {stray:.1%} of its cells "
            "changed"
        )
        evidence = {"cells": n, "differences": d, "expected": e, "stray": stray}
        evidence |= {"apart": float(pairs.apart[at]), "deviate": float(pairs.near[at])}
        found.append(finding("copy", names, words, remedy=FAULTS["clones"], **evidence))
    return found
