"""Answering only where confident: risk against coverage, and abstentions of the solver's own.

Axes: `row` (attempts), `step` (distinct confidences, from high to low).
"""

from typing import NamedTuple

import numpy as np
from scipy import special

from gradatim import checks, groups
from gradatim.evaluation.calibration import checked
from gradatim.scale.rates import pass_rate
from gradatim.types import Estimate


class RiskCoverage(NamedTuple):
    """What is wrong among the answers that are kept, as more of them are kept.

    Attributes:
        threshold: (step,) answers with at least this confidence are kept.
        coverage: (step,) share of all rows that are kept; abstentions never are.
        risk: Estimate of arrays (step,), share of wrong ones among them.
        area: Estimate, mean risk over the answers kept one by one (AURC); lower is better.
        best, chance: that area for confidences in perfect order, and for none at all (the risk of
            all answers).
    """

    threshold: np.ndarray
    coverage: np.ndarray
    risk: Estimate
    area: Estimate
    best: float
    chance: float


def risk_coverage(
    confidence: np.ndarray,
    right: np.ndarray,
    *,
    abstained: np.ndarray | None = None,
    problem: np.ndarray | None = None,
    level: float = 0.95,
) -> RiskCoverage:
    """Risk by coverage, and the area under it.

    Args:
        confidence: (row,) float in [0, 1].
        right: (row,) 0 or 1. An answer to a problem that has none is wrong; so the unsolvable ones
            lower the risk only where they come last, or are not answered.
        abstained: (row,) bool, rows that say "I don't know" or "unsolvable" (`abstention.sayings`
            > 0): not answers, so never wrong, and never covered; None: none.
        problem: (row,) labels; rows of one problem err together.
        level: coverage of the intervals; those of `risk` take rows as independent.

    Rows of equal confidence enter in no order: `area` takes the mean over their orders.

    Ref: Geifman & El-Yaniv 2017, arXiv 1705.08500; Geifman, Uziel & El-Yaniv 2019, arXiv
    1805.08206 (area, and its best). Its error is that of the infinitesimal jackknife (Efron 1981,
    Biometrika 68:589).

    >>> curve = risk_coverage(np.array([0.9, 0.8, 0.7, 0.6]), np.array([1, 1, 0, 1]))
    >>> curve.risk.value.round(2), round(curve.area.value, 4), curve.chance
    (array([0.  , 0.  , 0.33, 0.25]), 0.1458, 0.25)
    """
    confidence, right, label = checked(confidence, right, problem)
    checks.within(*checks.INSIDE, level=level)
    kept = np.ones(len(right), bool)
    if abstained is not None:
        checks.shapes(right=(right, "row"), abstained=(np.asarray(abstained), "row"))
        kept = ~np.asarray(abstained, dtype=bool)
    code, size = groups.codes(label)
    n = int(kept.sum())
    order = np.flatnonzero(kept)[np.argsort(-confidence[kept], kind="stable")]
    if not n:
        nan, none = Estimate(np.nan, np.nan, np.nan, size), np.zeros(0)
        return RiskCoverage(none, none, Estimate(none, none, none, none), nan, np.nan, np.nan)
    wrong, score = 1 - right[order], confidence[order]
    last = np.append(np.diff(score) != 0, True)
    tie = np.cumsum(np.append(0, last[:-1]))
    value, pull = _area(wrong, tie)
    shift = groups.sums(pull, code[order], size)
    m = np.count_nonzero(groups.counts(code[order], size))
    error = np.sqrt(np.sum(shift**2) * m / max(m - 1, 1))
    half = float(special.ndtri(0.5 + level / 2) * error)
    seen = np.flatnonzero(last) + 1
    return RiskCoverage(
        score[last],
        seen / len(right),
        pass_rate(np.cumsum(wrong)[last], seen, level=level),
        Estimate(value, max(value - half, 0.0), min(value + half, 1.0), size),
        _area(np.sort(wrong), np.arange(n))[0],
        float(wrong.mean()),
    )


def _area(wrong: np.ndarray, tie: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean of the risks among the first 1, 2, ... rows, ties in mean order; pull of each row."""
    n = len(wrong)
    code, size = tie, int(tie[-1]) + 1
    rate = groups.means(wrong, code, size)[code]  # of the row's tie
    place = np.arange(1.0, n + 1)
    risk = np.cumsum(rate) / place
    value = float(risk.mean())
    # a heavier row moves its own risk in, and the risks of all after it towards its outcome
    after = np.cumsum((1 / place)[::-1])[::-1]
    gone = np.cumsum((risk / place)[::-1])[::-1]
    after, gone, here = (groups.means(x, code, size)[code] for x in (after, gone, risk))
    return value, (here - value + wrong * after - gone) / n


def covered_at(curve: RiskCoverage, risk: float) -> tuple[float, float]:
    """Largest coverage at which the upper end of the risk is at most `risk`, and its threshold.

    Args:
        curve: of `risk_coverage`.
        risk: tolerated, in [0, 1].

    Returns:
        (coverage, threshold); (0, inf) where no threshold allows it. Steps are read one by one, so
        that the level of the curve's interval holds for each, not for the best of all.

    >>> curve = risk_coverage(np.linspace(1, 0, 200), np.arange(200) < 100)
    >>> round(covered_at(curve, 0.1)[0], 2)
    0.52
    """
    checks.within(0, 1, risk=risk)
    fine = np.flatnonzero(np.asarray(curve.risk.high) <= risk)
    if not len(fine):
        return 0.0, float("inf")
    return float(curve.coverage[fine[-1]]), float(curve.threshold[fine[-1]])
