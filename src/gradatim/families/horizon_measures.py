"""What is measured of long execution: step accuracy, horizon length, and errors that breed errors.

All of it needs no more than the steps of replies as `horizon.trace` gives them: counts by turn, the
horizon of a solver whose every step is right with chance p, and the slope of step accuracy on the
share of errors seen before (self-conditioning).

Ref: Sinha et al. 2025, The Illusion of Diminishing Returns, arXiv:2509.09677.
"""

from collections.abc import Iterable
from math import log
from typing import NamedTuple

import numpy as np

from gradatim.checks import finite, within
from gradatim.errors import ArgumentError
from gradatim.types import Estimate, Step

NORMAL = 1.959964  # 97.5% quantile of the normal distribution
ROUNDING = 1e-12  # 0.1 times 30 replies are 3


def horizon_length(accuracy: float, success: float = 0.5) -> float:
    """Steps that a solver gets right in a row with chance `success`: ln s / ln p.

    Args:
        accuracy: chance p that a step is right, the same for every step, in (0, 1).
        success: s in (0, 1).

    Ref: Sinha et al. 2025, arXiv:2509.09677.

    >>> [round(horizon_length(p), 1) for p in (0.9, 0.99, 0.999)]
    [6.6, 69.0, 692.8]
    """
    for name, value in (("accuracy", accuracy), ("success", success)):
        if not 0 < value < 1:
            raise ArgumentError(f"`{name}` must lie strictly between 0 and 1, got {value!r}")
    return log(success) / log(accuracy)


class StepAccuracy(NamedTuple):
    """Counts by turn. `right`, `tried`, `whole`: (turn,) int; `replies`: how many there were.

    Attributes:
        right: steps that follow from the one before.
        tried: steps that replies reach.
        whole: replies with every step right up to and with this one.
        replies: replies read, those that reach no step included.
    """

    right: np.ndarray
    tried: np.ndarray
    whole: np.ndarray
    replies: int

    def length(self, success: float = 0.5) -> int:
        """H_s: turns up to which at least a share `success` of the replies is right throughout.

        Args:
            success: s in (0, 1].
        """
        if not 0 < success <= 1:
            raise ArgumentError(f"`success` must lie in (0, 1], got {success!r}")
        enough = success * max(1, self.replies) * (1 - ROUNDING)
        return int(np.count_nonzero(self.whole >= enough))


def step_accuracy(traces: Iterable[Iterable[Step]]) -> StepAccuracy:
    """Steps right and tried at each turn, over replies; divide, or estimate with scale.rates.

    >>> good, bad = Step(1, "", "3", True), Step(3, "", "9", False)
    >>> found = step_accuracy([[good, good], [good, bad]])
    >>> found.right.tolist(), found.tried.tolist(), found.whole.tolist(), found.length()
    ([2, 1], [2, 2], [2, 1], 2)
    """
    rows = [[step.legal for step in trace] for trace in traces]
    turns = max(map(len, rows), default=0)
    right, tried, whole = (np.zeros(turns, int) for _ in range(3))
    for row in rows:
        legal = np.array(row, int)
        right[: len(row)] += legal
        tried[: len(row)] += 1
        whole[: len(row)] += np.minimum.accumulate(legal)
    return StepAccuracy(right, tried, whole, len(rows))


def self_conditioning(errors: np.ndarray, right: np.ndarray) -> Estimate:
    """Slope of step accuracy on the share of errors in the context, with a 95% interval.

    Least squares with an intercept; the standard error holds for 0/1 outcomes (HC1). A slope below
    0 says that errors breed errors. Compare steps of one length: accuracy may fall with length too.

    Args:
        errors: (step,) float in [0, 1], share of earlier answers shown that are false.
        right: (step,) 0 or 1, whether the step is right.

    Ref: Sinha et al. 2025, arXiv:2509.09677, section on self-conditioning. Differs: a slope in
    place of curves by error rate.

    >>> self_conditioning(np.array([0, 0, 1, 1]), np.array([1, 1, 1, 0])).value
    -0.5
    """
    x, y = np.asarray(errors, float), np.asarray(right, float)
    within(0, 1, errors=x, right=y)
    finite(errors=x, right=y)
    if x.shape != y.shape or x.ndim != 1 or len(x) < 3 or np.ptp(x) == 0:
        raise ArgumentError(
            "`errors` and `right` must be two columns of one length, at least 3, "
            "with more than one share of errors among them"
        )
    centred = x - x.mean()
    spread = centred @ centred
    slope = centred @ y / spread
    left = y - y.mean() - slope * centred
    error = np.sqrt((centred**2) @ (left**2) * len(x) / (len(x) - 2)) / spread
    reach = NORMAL * error
    return Estimate(float(slope), float(slope - reach), float(slope + reach), len(x))
