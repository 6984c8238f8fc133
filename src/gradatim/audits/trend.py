"""A verifier that judges otherwise later than earlier."""

from typing import Any

from gradatim.audits.subject import Subject, finding
from gradatim.evaluation.verdict_trend import verdict_trend

WORDS = {
    "refused": "right answers are refused",
    "passed": "wrong answers are passed",
}
LEAST = 100  # attempts


def find_trend(subject: Subject) -> dict[str, Any] | None:
    """Verdicts that change over the attempts as made, given who answered what."""
    attempts, bank, known = subject.attempts, subject.bank, subject.known
    if attempts is None or len(attempts.score) < LEAST:
        return None
    judged, found, notes = attempts[:3], None, []
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
