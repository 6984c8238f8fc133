"""Problems that are given twice, across splits, or with two answers."""

from collections import Counter
from typing import Any

from gradatim.audits.questions import Question
from gradatim.audits.subject import Subject, finding
from gradatim.evaluation.near_duplicates import near_duplicates, pieces

LEAST = 0.8  # shingles shared, from which texts are called near duplicates
LISTED = 200  # pairs named in full
REMEDIES = {
    "contradiction": "at most one of the answers is right: find out which, and keep one problem",
    "split leak": "take the problem out of one side",
    "duplicate": "keep one of them: it counts twice",
    "near duplicate": "keep one of them, or see whether they differ in what is asked",
}


def find_texts(subject: Subject) -> dict[str, Any] | None:
    """Texts that are the same or nearly, their answers, and the sides they are on."""
    own, others = subject.questions, subject.against
    if not own:
        return None
    listed = (*own, *others)
    pairs = near_duplicates([question.text for question in listed], least=LEAST)
    rows, templates = [], 0
    for i, j, alike, numbers in zip(*(x.tolist() for x in pairs), strict=True):
        if i >= len(own):
            continue  # among the others alone
        if not numbers:
            templates += 1
            continue
        rows.append(_judged(listed[i], listed[j], alike, other=j >= len(own)))
    order = list(REMEDIES)
    rows.sort(key=lambda row: (order.index(row["kind"]), -row["evidence"]["alike"]))
    counts = Counter(row["kind"] for row in rows)
    notes = []
    if templates:
        notes.append(
            f"{templates:,} pairs of problems have nearly the same words and other numbers: one "
            "template; they are different problems, but not independent ones"
        )
    empty = sum(not pieces(question.text) for question in own)
    if empty:
        notes.append(f"{empty:,} problems have no words")
    if len(rows) > LISTED:
        notes.append(f"{len(rows) - LISTED:,} more pairs are not listed")
    beside = f", against {len(others):,} others" if others else ""
    return {
        "looked_at": f"{len(own):,} problems{beside}",
        "findings": rows[:LISTED],
        "notes": notes,
        "counts": dict(counts),
    }


def _judged(one: Question, two: Question, alike: float, *, other: bool) -> dict[str, Any]:
    same = alike == 1.0
    apart = other or (one.split and two.split and one.split != two.split)
    answers = [None if q.answer is None else " ".join(pieces(q.answer)) for q in (one, two)]
    if same and None not in answers and answers[0] != answers[1]:
        kind = "contradiction"
    elif apart:
        kind = "split leak"
    else:
        kind = "duplicate" if same else "near duplicate"
    how = "the same words" if same else f"{100 * alike:.0f}% of runs of words in common"
    sides = f" (splits {one.split} and {two.split})" if apart and not other else ""
    said = ""
    if kind == "contradiction":
        said = f", but answers {_short(one.answer)} and {_short(two.answer)}"
    words = f"{one.where} and {two.where}{sides} have {how}{said}: {_short(one.text)}"
    return finding(kind, [one.id, two.id], words, remedy=REMEDIES[kind], alike=alike)


def _short(text: str | None) -> str:
    shown = repr(" ".join(str(text).split()))
    return shown if len(shown) <= 70 else shown[:67] + "..."
