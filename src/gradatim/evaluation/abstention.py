"""Reliability: does a solver solve what can be solved, and say so where nothing can be?

Axes: `attempt` (n_attempts,), one entry per attempt.

Ref: Xue et al. 2025, ReliableMath, arXiv:2507.03133: success, "unsolvable" and "I don't know" as
three outcomes, on solvable and on unsolvable problems apart.
"""

from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from gradatim.checkers.abstention import UNKNOWN, UNSOLVABLE, stance
from gradatim.checks import shapes, within
from gradatim.errors import ArgumentError
from gradatim.scale.rates import pass_rate
from gradatim.types import Estimate, Problem


class Reliability(NamedTuple):
    """Shares of attempts, each an Estimate; None where there is no attempt of the kind.

    Attributes:
        precision_solvable: right answers among attempts on solvable problems.
        precision_unsolvable: attempts on unsolvable problems that say so.
        prudence_solvable, prudence_unsolvable: attempts that say "I don't know" instead.
        success: both kinds of precision together, over all attempts.
        false_alarm: attempts on solvable problems that call them unsolvable.
    """

    precision_solvable: Estimate | None
    precision_unsolvable: Estimate | None
    prudence_solvable: Estimate | None
    prudence_unsolvable: Estimate | None
    success: Estimate | None
    false_alarm: Estimate | None


SAID = ("answer", UNKNOWN, UNSOLVABLE)  # codes 0, 1, 2 of what an attempt says


def sayings(texts: Iterable[str | None]) -> np.ndarray:
    """(attempt,) int, what each reply says: index into SAID.

    >>> sayings(["It is 4.", "I don't know.", "unsolvable", None])
    array([0, 1, 2, 0])
    """
    return np.array([SAID.index(stance(text) or "answer") for text in texts], dtype=int)


def _share(hits: np.ndarray, among: np.ndarray, level: float) -> Estimate | None:
    n = int(among.sum())
    if not n:
        return None
    found = pass_rate(np.array([(hits & among).sum()]), np.array([n]), level=level)
    return Estimate(float(found.value[0]), float(found.low[0]), float(found.high[0]), n)


def reliability(
    said: np.ndarray, solved: np.ndarray, unsolvable: np.ndarray, *, level: float = 0.95
) -> Reliability:
    """Success, precision and prudence on solvable and unsolvable problems, with intervals.

    Args:
        said: (attempt,) int, as `sayings` gives it.
        solved: (attempt,) bool, the verdicts.
        unsolvable: (attempt,) bool, whether the attempt's problem has no answer.
        level: coverage of the Wilson intervals; attempts count as independent.

    Raises:
        ArgumentError: arrays of different lengths, values out of range, or a reply that counts as
            solved though what it says cannot be right.

    >>> said, none = np.array([0, 2, 1, 2]), np.array([False, True, True, False])
    >>> str(reliability(said, said * none == 2, none).precision_unsolvable)
    '0.500 [0.095, 0.905] (n=2)'
    """
    said, solved, none = np.asarray(said), np.asarray(solved, bool), np.asarray(unsolvable, bool)
    shapes(said=(said, "attempt"), solved=(solved, "attempt"), unsolvable=(none, "attempt"))
    within(0, 2, said=said)
    within(1e-9, 1 - 1e-9, level=level)
    gives_up, calls = said == 1, said == 2
    if bad := int((solved & ~none & calls).sum()):
        raise ArgumentError(f"`solved` holds for {bad} attempts that call a solvable problem so")
    every = np.ones_like(none)
    return Reliability(
        _share(solved & ~calls, ~none, level),
        _share(solved & calls, none, level),
        _share(gives_up, ~none, level),
        _share(gives_up, none, level),
        _share(solved, every, level),
        _share(calls, ~none, level),
    )


class Abstention(NamedTuple):
    """How often replies of one group abstain: "unsolvable" or "I don't know", right or not."""

    group: tuple[Hashable, ...]
    abstained: Estimate
    solved: Estimate


def abstention_rates(
    said: np.ndarray,
    solved: np.ndarray,
    groups: Sequence[tuple[Hashable, ...]],
    *,
    level: float = 0.95,
) -> list[Abstention]:
    """Abstention and success by group, sorted by group.

    Args:
        said: (attempt,) int, as `sayings` gives it.
        solved: (attempt,) bool.
        groups: (attempt,) what to tell apart, such as `by_family_and_level` gives.
        level: coverage of the Wilson intervals.

    >>> rows = abstention_rates(np.array([0, 2, 1]), np.array([1, 1, 0]), [("a", 1), ("a", 2)] * 1
    ...     + [("a", 2)])
    >>> [(row.group, row.abstained.value) for row in rows]
    [(('a', 1), 0.0), (('a', 2), 1.0)]
    """
    said, solved = np.asarray(said), np.asarray(solved, bool)
    shapes(said=(said, "attempt"), solved=(solved, "attempt"))
    within(0, 2, said=said)
    if len(groups) != len(said):
        raise ArgumentError(f"`groups` has {len(groups)} entries, `said` has {len(said)}")
    rows = []
    known = sorted(set(groups), key=lambda g: tuple((type(x).__name__, x) for x in g))
    place = {group: at for at, group in enumerate(known)}
    code = np.array([place[group] for group in groups], dtype=int)
    for at, group in enumerate(known):
        mine = code == at
        abstained, right = _share(said > 0, mine, level), _share(solved, mine, level)
        assert abstained is not None
        assert right is not None
        rows.append(Abstention(group, abstained, right))
    return rows


def by_family_and_level(problems: Iterable[Problem]) -> list[tuple[str, int, bool]]:
    """Groups for `abstention_rates`: family, level (0 = none) and whether there is an answer."""
    return [(p.family, p.level or 0, p.unsolvable) for p in problems]
