"""Outcomes of attempts: each counted once, and what those without a verdict do to the share solved.

Time-outs and truncations are outcomes of the model, faults of the provider are not; what each
counts as is `store.counting.OUTCOMES`, the same rules by which responses enter a calibration.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from gradatim.store.counting import OUTCOMES
from gradatim.types import STATUSES

FAULTS = 5  # kinds of faults shown
# answers without text, as `solvers.wire` names them; other details say how a controller chose
NAMES = ("refusal", "tool_calls", "reasoning only", "null content")
GRADED = ("finished", "truncated")  # statuses that come with something to grade
DECLARED = STATUSES[1:]  # outcomes that no verdict decides
AS = {"wrong": 0.0, "right": 1.0}

Cells = Mapping[tuple[str, str | None], int]  # (status, reason of the grade) -> attempts


class Outcome(NamedTuple):
    """One attempt as it counts."""

    status: str
    reason: str | None = None
    detail: str = ""


class Tally:
    """Outcomes so far."""

    def __init__(self) -> None:
        self.cells: Counter[tuple[str, str | None]] = Counter()
        self.faults: Counter[str] = Counter()
        self.named: Counter[str] = Counter()
        self.made = self.tokens = 0

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Count attempts."""
        for status, reason, detail in outcomes:
            self.cells[status, reason] += 1
            detail = detail.partition(" [request ")[0]  # equal faults have each their own id
            if status not in GRADED:
                self.faults[detail or status] += 1
            elif (name := detail.rpartition("; ")[2]) in NAMES:  # a route's words stand before it
                self.named[name] += 1

    def status(self) -> dict[str, int]:
        """Attempts of each status."""
        return {s: sum(n for (of, _), n in self.cells.items() if of == s) for s in STATUSES}

    def reasons(self) -> dict[str, int]:
        """Grades of each reason."""
        found: Counter[str] = Counter()
        for (_, reason), n in self.cells.items():
            if reason is not None:
                found[reason] += n
        return dict(sorted(found.items()))

    def figures(self) -> dict[str, Any]:
        """For a line of progress."""
        share = solved_share(self.cells)
        lost = {status: n for status, n in self.status().items() if n and status in DECLARED}
        return ({} if share is None else {"solved": share}) | lost

    def summary(self) -> dict[str, Any]:
        """Counts by status and reason, the commonest faults, and the share solved."""
        return {
            **self.status(),
            "reasons": self.reasons(),
            "faults": dict(self.faults.most_common(FAULTS)),
            "named": dict(self.named.most_common(FAULTS)),
            "solved": solved_share(self.cells),
            "sensitivity": sensitivity(self.cells),
            "tokens": self.tokens,
        }


def solved_share(cells: Cells, **instead: str) -> float | None:
    """Share of attempts that are solved, under OUTCOMES.

    Args:
        cells: (status, reason) -> attempts.
        instead: outcome -> "wrong", "right" or "left_out", in place of OUTCOMES.

    Returns:
        None where no attempt counts.

    >>> solved_share({("finished", "correct"): 3, ("timeout", None): 1})
    0.75
    """
    rules = {**OUTCOMES, **instead}
    solved = tried = 0.0
    for (status, reason), n in cells.items():
        rule = rules.get(status) or rules.get(reason or "ungraded")
        if rule in ("left_out", "refuse"):
            continue
        tried += n
        solved += n * (AS[rule] if rule else float(reason == "correct"))
    return solved / tried if tried else None


def sensitivity(cells: Cells) -> dict[str, dict[str, Any]]:
    """What the share solved would be, had every attempt without a verdict been right, or wrong.

    >>> found = sensitivity({("finished", "correct"): 3, ("timeout", None): 1})
    >>> found["timeout"]["wrong"], found["timeout"]["right"], found["timeout"]["left_out"]
    (0.75, 1.0, 1.0)
    """
    found = {}
    for outcome in DECLARED:
        n = sum(many for (status, _), many in cells.items() if status == outcome)
        if n:
            rules = (*AS, "left_out")
            shares = {rule: solved_share(cells, **{outcome: rule}) for rule in rules}
            found[outcome] = {"n": n, "counts_as": OUTCOMES[outcome], **shares}
    return found
