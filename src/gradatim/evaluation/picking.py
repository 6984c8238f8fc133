"""Which of the items that are worth asking is asked: content balance and exposure control.

An item that every test asks is soon known by heart, and a test that asks one kind of item tells of
that kind. Both rules cost precision; `standings.evaluate_replay` says how much. Axes: `run` (tests
side by side), `item`.
"""

from typing import NamedTuple

import numpy as np

from gradatim import checks
from gradatim.errors import ArgumentError


class Rules(NamedTuple):
    """How an item is drawn from those worth asking; as it stands, the best is asked.

    Attributes:
        criterion: "variance", "information" (see `tables.worth_asking`) or "random".
        top: draw evenly among this many best (randomesque).
        progressive: exponent t > 0 of the share s = (step / steps)^t with which worth counts, the
            rest is chance: the first questions, when little is known, are spread over the bank.
            0: worth alone.
        strata: (item,) int >= 0, kinds of which a test keeps the shares among what may be asked;
            None: no balance.
        rng: needed where anything is drawn.

    Ref: Kingsbury & Zara 1989, Applied Measurement in Education 2:359 (randomesque; constrained
    CAT, which is our balance of content); Revuelta & Ponsoda 1998, Journal of Educational
    Measurement 35:311 (progressive; t as in Barrada et al. 2008, British Journal of Mathematical
    and Statistical Psychology 61:493).
    """

    criterion: str = "variance"
    top: int = 1
    progressive: float = 0.0
    strata: np.ndarray | None = None
    rng: np.random.Generator | None = None


def check_rules(rules: Rules, criteria: tuple[str, ...]) -> None:
    """Refuse rules that cannot be.

    Raises:
        ArgumentError: an unknown criterion, a number out of range, draws without `rng`.
    """
    checks.one_of("criterion", rules.criterion, (*criteria, "random"))
    checks.whole(1, 10**9, top=rules.top)
    checks.within(0, 100, progressive=rules.progressive)
    drawn = rules.criterion == "random" or rules.top > 1 or rules.progressive > 0
    if drawn and rules.rng is None:
        raise ArgumentError("`rng` is needed for a random order, top > 1 or progressive, got None")


def shares(strata: np.ndarray, there: np.ndarray) -> np.ndarray:
    """(run, stratum) share of each kind among the items (run, item) that are there.

    >>> shares(np.array([0, 0, 0, 1]), np.ones((1, 4), bool))
    array([[0.75, 0.25]])
    """
    counts = there @ np.eye(int(strata.max(initial=0)) + 1)[strata]
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def lacking(strata: np.ndarray, given: np.ndarray, share: np.ndarray) -> np.ndarray:
    """(run, item) bool: the kind that is furthest behind its share, of those still open.

    Args:
        strata: (item,) int kinds.
        given: (run, stratum) int questions asked of each kind.
        share: (run, stratum) wanted shares; 0 or below where nothing of the kind is open.
    """
    behind = share * (given.sum(axis=1, keepdims=True) + 1) - given
    behind = np.where(share > 0, behind, -np.inf)
    return strata == behind.argmax(axis=1)[:, None]


def draw(
    worth: np.ndarray,
    open_: np.ndarray,
    rules: Rules,
    *,
    share: float = 1.0,
    quota: np.ndarray | None = None,
) -> np.ndarray:
    """Draw the next item of each test.

    Args:
        worth: (run, item) float >= 0.
        open_: (run, item) bool, what may be asked.
        rules: of the draw; balance is the caller's, who closes the other kinds.
        share: of the test that is done, in [0, 1], for progressive draws.
        quota: (item,) int tests of those at hand that may still be given an item; it is not
            changed. Where more want it, those who would lose most by their next best have it.

    Returns:
        (run,) int item; -1 where nothing is open.

    >>> draw(np.array([[3.0, 1.0, 2.0]]), np.array([[False, True, True]]), Rules())
    array([2])
    >>> draw(np.array([[3.0, 1], [3, 2]]), np.full((2, 2), True), Rules(), quota=np.array([1, 2]))
    array([0, 1])
    """
    value = np.where(open_, worth, -1.0)
    if rules.criterion == "random":
        assert rules.rng is not None
        value = np.where(open_, rules.rng.random(value.shape), -1.0)
    elif rules.progressive > 0:
        assert rules.rng is not None
        s, most = share**rules.progressive, value.max(axis=1, keepdims=True)
        value = np.where(open_, s * value + (1 - s) * most * rules.rng.random(value.shape), -1.0)
    if rules.top > 1 and rules.criterion != "random":
        value = _among_best(value, rules)
    if quota is not None:
        value = _within_quota(value, quota)
    pick = value.argmax(axis=1)
    return np.where(value[np.arange(len(value)), pick] >= 0, pick, -1)


def _among_best(value: np.ndarray, rules: Rules) -> np.ndarray:
    """The same, with the best `top` open items of a run in random order before all others."""
    assert rules.rng is not None
    width = min(rules.top, value.shape[1])
    best = np.sort(np.argpartition(-value, width - 1, axis=1)[:, :width], axis=1)
    here = np.take_along_axis(value, best, axis=1) >= 0
    above = value.max(axis=1, keepdims=True) + 1
    drawn = np.where(here, above + rules.rng.random(best.shape), -1.0)
    value = value.astype(float)
    np.put_along_axis(value, best, drawn, axis=1)
    return value


def _within_quota(value: np.ndarray, quota: np.ndarray) -> np.ndarray:
    """The same, with items closed to runs until none is the best of more than may have it."""
    value = value.copy()
    value[:, quota <= 0] = -1.0
    rows = np.arange(len(value))
    while True:
        pick = value.argmax(axis=1)
        there = value[rows, pick] >= 0
        over = np.flatnonzero(np.bincount(pick[there], minlength=len(quota)) > quota)
        if not len(over):
            return value
        for item in over:
            wanting = np.flatnonzero(there & (pick == item))
            mine = value[wanting, item]
            value[wanting, item] = -1.0  # what each would have instead
            loss = mine - value[wanting].max(axis=1)
            kept = np.argsort(-loss, kind="stable")[: quota[item]]
            value[wanting[kept], item] = mine[kept]
