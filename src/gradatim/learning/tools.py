"""Answer directly or ask a tool: what to teach for each problem, and whether it was learned.

Where the policy is right by itself it is taught to answer, elsewhere to call the tool. The same
problems are also taught with their answers under prompts that offer no tool, so that the tool does
not replace what the policy knows. Axes: `problem`, `lesson`.

Ref: Adapting While Learning, Lyu et al. 2025, arXiv:2411.00412; its released code takes one
direct answer, right or wrong, as the split, and balances the two kinds by whole copies.
"""

from typing import NamedTuple

import numpy as np

from gradatim import checks
from gradatim.errors import ArgumentError
from gradatim.scale.rates import pass_rate
from gradatim.types import Estimate


class Lessons(NamedTuple):
    """What is taught, each row one lesson.

    Attributes:
        problem: (lesson,) int.
        offered: (lesson,) bool, whether the prompt offers the tool.
        call: (lesson,) bool, whether the reply calls it; the others are the answer.
    """

    problem: np.ndarray
    offered: np.ndarray
    call: np.ndarray


class Usage(NamedTuple):
    """How a tool is used.

    Attributes:
        easy, hard: Estimate, share of the easy and of the hard problems with a call.
        precision: Estimate, share of the calls that are on hard problems.
        accuracy: mean of (easy without a call) and (hard with one); 0.5 is no choice at all, NaN
            where either kind is missing.
    """

    easy: Estimate
    hard: Estimate
    precision: Estimate
    accuracy: float


def easy_enough(solved: np.ndarray, tried: np.ndarray, *, threshold: float = 0.5) -> np.ndarray:
    """(problem,) bool: those that direct answers get right at least `threshold` of the time.

    Args:
        solved, tried: (problem,) int, of direct answers; tried >= 1.
        threshold: share in (0, 1]; a call that costs c of a right answer pays where less than
            1 - c are right. 1 with one attempt each is the paper's code.

    >>> easy_enough(np.array([0, 2, 4]), np.array([4, 4, 4]))
    array([False,  True,  True])
    """
    solved, tried = np.asarray(solved), np.asarray(tried)
    checks.shapes(solved=(solved, "problem"), tried=(tried, "problem"))
    checks.within(1, np.inf, tried=tried)
    checks.within(*checks.POSITIVE, threshold=threshold)
    checks.within(0, 1, threshold=threshold)
    checks.within(0, np.inf, solved=solved, wrong=tried - solved)
    return solved >= threshold * tried


def choose_lessons(easy: np.ndarray, *, balance: bool = True) -> Lessons:
    """Each problem once without the tool and, answered or called as it is easy or not, with it.

    Args:
        easy: (problem,) bool.
        balance: repeat the lessons of the rarer kind with the tool, as often as a whole number of
            copies stays at or below the other's.

    Ref: Lyu et al. 2025, eq. 5 (with the tool) and eq. 6 (with and without), by mixing lessons.

    >>> found = choose_lessons(np.array([True, False, False, False]))
    >>> found.problem[found.offered], found.call[found.offered]
    (array([0, 0, 0, 1, 2, 3]), array([False, False, False,  True,  True,  True]))
    """
    easy = np.asarray(easy)
    sizes = checks.shapes(easy=(easy, "problem"))
    if easy.dtype != bool:
        raise ArgumentError(f"`easy` must be bool, got {easy.dtype}")
    kinds = [np.flatnonzero(easy), np.flatnonzero(~easy)]
    few, many = sorted(map(len, kinds))
    copies = [many // few if balance and 0 < len(kind) == few else 1 for kind in kinds]
    taught = [np.tile(kind, times) for kind, times in zip(kinds, copies, strict=True)]
    problem = np.concatenate([np.arange(sizes["problem"]), *taught])
    offered = np.arange(len(problem)) >= sizes["problem"]
    return Lessons(problem, offered, offered & ~easy[problem])


def tool_usage(called: np.ndarray, easy: np.ndarray, *, level: float = 0.95) -> Usage:
    """Whether the tool is called where it is needed and only there.

    Args:
        called: (problem,) bool, of one attempt each with the tool offered.
        easy: (problem,) bool, of direct answers by the same policy.
        level: coverage of the Wilson intervals.

    Ref: Lyu et al. 2025, tool usage accuracy.

    >>> easy = np.array([True, True, False, False])
    >>> found = tool_usage(np.array([False, True, True, True]), easy)
    >>> found.easy.value, found.hard.value, found.accuracy
    (0.5, 1.0, 0.75)
    """
    called, easy = np.asarray(called), np.asarray(easy)
    checks.shapes(called=(called, "problem"), easy=(easy, "problem"))
    if called.dtype != bool or easy.dtype != bool:
        raise ArgumentError(f"`called` and `easy` must be bool, got {called.dtype}, {easy.dtype}")
    on_easy = _share(int((called & easy).sum()), int(easy.sum()), level)
    on_hard = _share(int((called & ~easy).sum()), int((~easy).sum()), level)
    precision = _share(int((called & ~easy).sum()), int(called.sum()), level)
    return Usage(on_easy, on_hard, precision, (1 - on_easy.value + on_hard.value) / 2)


def _share(k: int, n: int, level: float) -> Estimate:
    """k of n; NaN where n is 0."""
    if not n:
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    found = pass_rate(np.array([k]), np.array([n]), level=level)
    return Estimate(float(found.value[0]), float(found.low[0]), float(found.high[0]), n)
