"""Which of several answers to one question: votes, weighted by how sure each reply was of itself.

Axes: `reply` (to one problem), `token`, `word` (of the vocabulary). No gold answer is looked at.
"""

import math
from typing import Any

import numpy as np

from gradatim import checks


def certainty(logp: Any) -> Any:
    """(...) KL divergence from the uniform to each distribution, in nats; 0 where all is open.

    Args:
        logp: (..., word) log-probabilities, an array or a tensor; at temperature 1, before any
            word is ruled out (an excluded word would make it infinite).

    Ref: Kang, Zhao & Song 2025, arXiv 2502.18581, self-certainty: -1/V sum log(V p), of a reply the
        mean over its tokens.

    >>> round(float(certainty(np.log([0.5, 0.25, 0.25]))), 4)
    0.0566
    """
    return -logp.mean(-1) - math.log(logp.shape[-1])


def borda_weights(score: np.ndarray, *, power: float = 0.5) -> np.ndarray:
    """(reply,) votes by rank: (N - rank + 1) ** power, the surest reply has rank 1.

    Args:
        score: (reply,) float, higher is surer; equal scores share the mean of their ranks.
        power: 0 is the plain majority vote; large powers leave the surest reply alone.

    Ref: Kang, Zhao & Song 2025, arXiv 2502.18581, Borda voting; differs: ties share a rank.

    >>> borda_weights(np.array([0.1, 0.9, 0.5]), power=1.0)
    array([1., 3., 2.])
    """
    score = np.asarray(score, dtype=float)
    checks.shapes(score=(score, "reply"))
    checks.finite(score=score)
    checks.within(0, 100, power=power)
    below = np.searchsorted(np.sort(score), score, side="left")
    upto = np.searchsorted(np.sort(score), score, side="right")
    return ((below + upto + 1) / 2) ** power


def vote(answer: np.ndarray, weight: np.ndarray | None = None) -> tuple[int, float]:
    """The reply whose answer wins, and the share of all votes that it got.

    Args:
        answer: (reply,) int, replies of one answer share a number; -1 = no answer, no vote.
        weight: (reply,) float >= 0; None is one vote each.

    Returns:
        The first reply with the answer of most weight (of equal ones the first to appear), -1
        where no reply has an answer; and that answer's share of the weight of all replies.

    >>> vote(np.array([4, 7, 7, -1]))
    (1, 0.5)
    """
    answer = np.asarray(answer)
    weight = np.ones(len(answer)) if weight is None else np.asarray(weight, dtype=float)
    checks.shapes(answer=(answer, "reply"), weight=(weight, "reply"))
    checks.within(0, np.inf, weight=weight)
    given = np.flatnonzero(answer >= 0)
    if not len(given):
        return -1, 0.0
    _, first, code = np.unique(answer[given], return_index=True, return_inverse=True)
    total = np.bincount(code, weight[given])
    # sums of the same weights in another order may differ in the last bits
    tied = np.flatnonzero(total >= total.max() * (1 - 1e-12))
    best = tied[np.argmin(first[tied])]
    return int(given[first[best]]), float(total[best] / max(weight.sum(), 1e-300))
