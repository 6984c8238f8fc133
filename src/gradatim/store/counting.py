"""From outcomes to counts of solved attempts: every outcome is counted, or left out by name.

Axes: `cell` (a problem, a setting, a status and a reason).
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from gradatim import checks
from gradatim.errors import ArgumentError
from gradatim.store.rows import Setting, prompt_hash
from gradatim.types import REASONS, STATUSES, Responses

Label = Callable[[Setting], str]

# what an outcome that a verifier did not decide counts as, unless the caller says otherwise
OUTCOMES = {
    "truncated": "wrong",
    "timeout": "wrong",
    "provider_error": "left_out",
    "verifier_timeout": "wrong",
    "verifier_error": "left_out",
    "ungraded": "refuse",
}


class Counts(NamedTuple):
    """Sums of attempts, one cell per problem, setting, status and reason that occur.

    Attributes:
        problem, setting: (cell,) int, indices into `problems` and `settings`.
        status, reason: (cell,) int, indices into STATUSES and REASONS; reason -1 = not graded.
        n: (cell,) int, attempts.
        solved, reward: (cell,) float, sums of the newest grades.
    """

    problem: np.ndarray
    setting: np.ndarray
    status: np.ndarray
    reason: np.ndarray
    n: np.ndarray
    solved: np.ndarray
    reward: np.ndarray
    problems: tuple[str, ...]
    settings: tuple[Setting, ...]


def statuses(counts: Counts) -> dict[str, object]:
    """Attempts by status and reason: requested = finished + truncated + timeout + provider_error.

    Returns:
        requested, one count per status, `graded`, `ungraded` (a text, but no grade), `reasons`.
    """
    by_status = np.bincount(counts.status, weights=counts.n, minlength=len(STATUSES)).astype(int)
    graded = counts.reason >= 0
    reasons = np.bincount(
        counts.reason[graded], weights=counts.n[graded], minlength=len(REASONS)
    ).astype(int)
    answered = counts.status <= STATUSES.index("truncated")
    requested = int(counts.n.sum())
    assert requested == by_status.sum(), "an outcome was dropped"
    return {
        "requested": requested,
        **{name: int(n) for name, n in zip(STATUSES, by_status, strict=True)},
        "graded": int(counts.n[graded].sum()),
        "ungraded": int(counts.n[answered & ~graded].sum()),
        "reasons": {name: int(n) for name, n in zip(REASONS, reasons, strict=True) if n},
    }


def labels(settings: tuple[Setting, ...]) -> tuple[str, ...]:
    """A short name for each setting: the solver, with policy and params where they tell apart.

    >>> labels((Setting("tiny", "7"), Setting("sim:2pl")))
    ('tiny@7', 'sim:2pl')
    """
    names = [s.solver + (f"@{s.policy}" if s.policy else "") for s in settings]
    return tuple(
        name if names.count(name) == 1 else f"{name}#{prompt_hash(s.params)[:6]}"
        for name, s in zip(names, settings, strict=True)
    )


def responses(
    counts: Counts,
    *,
    outcomes: Mapping[str, str] | None = None,
    score: str = "solved",
    label: Label | None = None,
) -> Responses:
    """Solved and tried per problem and solver, with a declared policy for every other outcome.

    Args:
        counts: from `Ledger.counts` or `segments.counts`.
        outcomes: outcome -> "wrong", "left_out" or "refuse", and "graded" for truncated (its
            text is graded like a finished one); replaces entries of OUTCOMES. What was left out
            is in `statuses`.
        score: "solved" counts solved attempts, "reward" adds rewards up.
        label: setting -> solver's name; settings of one name are added up. Default: `labels`.

    Returns:
        Solvers and items in order of name: no order of attempts or batches changes the result.

    Raises:
        ArgumentError: an outcome that is refused occurs; ungraded attempts are, by default.
    """
    rule = {**OUTCOMES, **(outcomes or {})}
    checks.known_keys("`outcomes`", rule, OUTCOMES)
    checks.one_of("score", score, ("solved", "reward"))
    kind = _kinds(counts, rule)
    kept = np.ones(len(counts.n), dtype=bool)
    value = np.array(counts.solved if score == "solved" else counts.reward, dtype=float)
    for code, (name, what) in enumerate(rule.items()):
        allowed = ("graded",) * (name == "truncated") + ("left_out", "refuse", "wrong")
        checks.one_of(f"outcomes[{name}]", what, allowed)
        here = kind == code
        if what == "refuse" and here.any():
            raise ArgumentError(
                f"{counts.n[here].sum()} attempts are {name}: "
                + ("grade them first, or " if name == "ungraded" else "")
                + f"say what they count as, outcomes={{'{name}': 'wrong'}} or 'left_out'"
            )
        if what == "left_out":
            kept &= ~here
        value[here] = 0.0
    named = labels(counts.settings) if label is None else tuple(map(label, counts.settings))
    solvers, seat = np.unique(np.array(named, dtype=str), return_inverse=True)
    if not kept.any():
        solvers, seat = solvers[:0], seat[:0]
    return _sums(counts, value, kept, (seat.reshape(-1), tuple(map(str, solvers))))


def _kinds(counts: Counts, rule: Mapping[str, str]) -> np.ndarray:
    """(cell,) int: index of the cell's outcome in OUTCOMES; -1 = decided by a verifier."""
    order = list(OUTCOMES)
    kind = np.full(len(counts.n), -1)
    kind[counts.reason < 0] = order.index("ungraded")
    for name in ("verifier_timeout", "verifier_error"):
        kind[counts.reason == REASONS.index(name)] = order.index(name)
    for name in ("truncated", "timeout", "provider_error"):
        if rule[name] != "graded":
            kind[counts.status == STATUSES.index(name)] = order.index(name)
    return kind


def _sums(
    counts: Counts, value: np.ndarray, kept: np.ndarray, named: tuple[np.ndarray, tuple[str, ...]]
) -> Responses:
    seat, solvers = named
    items = np.unique(counts.problem[kept])
    item = np.searchsorted(items, counts.problem[kept])
    solver = seat[counts.setting[kept]]
    used, solver = np.unique(solver, return_inverse=True)
    cells, cell = np.unique(solver.reshape(-1) * max(1, len(items)) + item, return_inverse=True)
    cell = cell.reshape(-1)
    tried = np.bincount(cell, weights=counts.n[kept], minlength=len(cells)).astype(np.int64)
    solved = np.bincount(cell, weights=value[kept], minlength=len(cells))
    return Responses(
        solver=cells // max(1, len(items)),
        item=cells % max(1, len(items)),
        solved=np.clip(solved, 0.0, tried),  # sums of rewards may round past the count
        tried=tried,
        solvers=tuple(solvers[i] for i in used),
        items=tuple(counts.problems[i] for i in items),
    )
