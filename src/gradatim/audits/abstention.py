"""Problems without an answer: does a solver say so, and only there?"""

from typing import Any

import numpy as np

from gradatim.audits.replies import read_replies
from gradatim.audits.subject import Subject, finding
from gradatim.audits.verdicts import written
from gradatim.evaluation.abstention import (
    abstention_rates,
    by_family_and_level,
    reliability,
    sayings,
)

TOLD = 0.2  # share by which "unsolvable" must be commoner where it is true, the interval's end
LEAST = 20  # attempts on problems with an answer, and on those without


def judge_abstention(subject: Subject) -> dict[str, Any] | None:
    """Success, precision and prudence by solver; one who calls everything alike is a finding.

    The interval of the difference is Newcombe's (1998, Statistics in Medicine 17:873), from the two
    of Wilson.
    """
    replies = read_replies(subject)
    if replies is None:
        return None
    none = np.array([problem.unsolvable for problem in replies.problems])
    if min(none.sum(), (~none).sum()) < LEAST:
        return None
    said = sayings(replies.texts)
    rows, findings, notes = [], [], []
    for solver in np.unique(replies.solver):
        mine = replies.solver == solver
        if min((mine & none).sum(), (mine & ~none).sum()) < LEAST:
            continue
        found = reliability(said[mine], replies.solved[mine], none[mine])
        rows.append({"solver": str(solver), "attempts": int(mine.sum()), **found._asdict()})
        called, alarm = found.precision_unsolvable, found.false_alarm
        assert called is not None
        assert alarm is not None
        notes.append(
            f"{solver} calls {written(called)} of attempts without an answer unsolvable, and "
            f"{written(alarm)} of those with one"
        )
        gain = called.value - alarm.value
        reach = float(np.hypot(called.high - called.value, alarm.value - alarm.low))
        if gain + reach < TOLD and called.value > 0:
            words = (
                f"{solver} says 'unsolvable' hardly more often where so ({written(called)}) "
                f"than where not ({written(alarm)}): at most {gain + reach:.2f} more"
            )
            remedy = "do not count its abstentions as successes"
            findings.append(finding("blind_abstention", [str(solver)], words, remedy=remedy))
    if not rows:
        return None
    kinds = by_family_and_level(replies.problems)
    groups = [
        dict(zip(("solver", "family", "level", "unsolvable"), one.group, strict=True))
        | {"abstained": one.abstained, "solved": one.solved}
        for one in abstention_rates(
            said,
            replies.solved,
            [(str(name), *kind) for name, kind in zip(replies.solver, kinds, strict=True)],
        )
    ]
    notes += _where(groups)
    return {
        "looked_at": f"{int(none.sum()):,} attempts on problems without an answer",
        "findings": findings,
        "notes": notes[:10],
        "solvers": rows,
        "groups": groups,
    }


def _where(groups: list[dict[str, Any]]) -> list[str]:
    """Where abstaining is commonest though there is an answer, beside where it is rarest."""
    known = [row for row in groups if not row["unsolvable"] and row["abstained"].n >= LEAST]
    if len(known) < 2:
        return []
    known.sort(key=lambda row: row["abstained"].value)
    told = [
        f"{row['solver']} on {row['family']} level {row['level']} {written(row['abstained'])}"
        for row in (known[0], known[-1])
    ]
    return [f"abstains though there is an answer: least {told[0]}, most {told[1]}"]
