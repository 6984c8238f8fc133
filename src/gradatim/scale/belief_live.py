"""What the live scale knows between two batches.

Axes: `problem`, `family`, `source`, `spread`, `axis` (what the covariance is of: families, sources,
and last what problems that are trained on gain beyond anchors).
"""

from typing import NamedTuple

import numpy as np


class Live(NamedTuple):
    """What is known at the newest step.

    Attributes:
        mean, covariance: (axis,), (axis, axis) abilities of families, offsets of sources,
            gain beyond the anchors (0 +- 0 without any).
        info, pull: (problem,) precision and precision x mean of what attempts say of each
            problem's own offset; the prior of offsets comes on top.
        gains: (problem,) 1 where the gain counts, 0 for anchors.
        load, base: (problem,) discrimination, and minus discrimination x difficulty.
        share: (problem,) sd of an offset before any attempt, as a share of its family's.
        evidence: (family, spread) log-likelihood of each of SPREADS as the sd of offsets.
        family, source: (problem,) int, places in `axis`.
        beyond, noise: (problem,) sum of what anchors were solved more often than expected, and
            its variance; forgotten like offsets.
        walk: (axis, axis) what a step adds to the covariance.
        newest: step, -1 before any.
    """

    mean: np.ndarray
    covariance: np.ndarray
    info: np.ndarray
    pull: np.ndarray
    gains: np.ndarray
    load: np.ndarray
    base: np.ndarray
    share: np.ndarray
    evidence: np.ndarray
    family: np.ndarray
    source: np.ndarray
    beyond: np.ndarray
    noise: np.ndarray
    walk: np.ndarray
    newest: int
