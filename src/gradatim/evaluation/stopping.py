"""When a test has said enough: its estimate settles, or its interval lies on one side of a cut.

Axes: `run` (tests), `step` (questions).
"""

import numpy as np

from gradatim import checks


def settled(score: np.ndarray, *, change: float, steps: int) -> np.ndarray:
    """Whether each of the last `steps` answers moved the estimate by less than `change`.

    An estimate may stand still and be wrong: the interval says how wrong, not this.

    Args:
        score: (run, step) estimates after 1, 2 .. questions.
        change: in the unit of the estimates.
        steps: answers in a row.

    Returns:
        (run, step) bool; false before question steps + 1.

    Raises:
        ArgumentError: a number out of range.

    Ref: Babcock & Weiss 2012, Journal of Computerized Adaptive Testing 1:1 (the change of the
    estimate as a stop); differs: several answers in a row, since one that was sure to come moves
    nothing.

    >>> settled(np.array([[0.5, 0.7, 0.71, 0.7, 0.4]]), change=0.02, steps=2)
    array([[False, False, False,  True, False]])
    """
    checks.within(1e-12, np.inf, change=change)
    checks.whole(1, 10**9, steps=steps)
    score = np.asarray(score, dtype=float)
    still = np.zeros(score.shape, dtype=int)
    for step in range(1, score.shape[1]):
        near = np.abs(score[:, step] - score[:, step - 1]) < change
        still[:, step] = np.where(near, still[:, step - 1] + 1, 0)
    return still >= steps


def side_of(low: np.ndarray, high: np.ndarray, cut: float) -> np.ndarray:
    """On which side of a cut intervals lie: 1 above, -1 below, 0 where they hold it.

    A test that stops at the first interval beside the cut looks at it after each answer: it is on
    the wrong side more often than one interval would be. A replay counts how often.

    Args:
        low, high: ends of intervals, of any one shape; NaN decides nothing.
        cut: a score.

    Ref: Kingsbury & Weiss 1983, in New Horizons in Testing, 257 (adaptive mastery testing);
    differs: intervals of the expected score, widened by what models held out show.

    >>> side_of(np.array([0.72, 0.6, 0.2]), np.array([0.8, 0.8, 0.6]), 0.7)
    array([ 1,  0, -1])
    """
    checks.within(0, 1, cut=cut)
    return np.where(low > cut, 1, np.where(high < cut, -1, 0))


def first(where: np.ndarray) -> np.ndarray:
    """(run,) int: the first step that holds, counted from 1; 0 where none does.

    >>> first(np.array([[False, True, True], [False, False, False]]))
    array([2, 0])
    """
    where = np.asarray(where, dtype=bool)
    if not where.shape[1]:
        return np.zeros(len(where), dtype=int)
    return np.where(where.any(axis=1), where.argmax(axis=1) + 1, 0)
