"""Answering only where confident: risk against coverage, and abstentions of the solver's own.

Axes: `row` (attempts), `step` (distinct confidences, from high to low), `problem`, `draw`.
"""

from typing import NamedTuple

import numpy as np

from gradatim import checks, groups
from gradatim.evaluation.calibration import checked
from gradatim.evaluation.comparison import resample
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
    draws: int = 400,
    rng: np.random.Generator | None = None,
) -> RiskCoverage:
    """Risk by coverage, and the area under it.

    Args:
        confidence: (row,) float in [0, 1].
        right: (row,) 0 or 1. An answer to a problem that has none is wrong; so the unsolvable ones
            lower the risk only where they come last, or are not answered.
        abstained: (row,) bool, rows that say "I don't know" or "unsolvable" (`abstention.sayings`
            > 0): not answers, so never wrong, and never covered; None: none.
        problem: (row,) labels of what is resampled.
        level: coverage of the intervals; those of `risk` take rows as independent.
        draws: of the bootstrap of `area`.
        rng: of the draws; None starts a fresh one at 0.

    Rows of equal confidence enter in no order: `area` takes the mean over their orders.

    Ref: Geifman & El-Yaniv 2017, arXiv 1705.08500; Geifman, Uziel & El-Yaniv 2019, arXiv
    1805.08206 (area, and its best).

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
    rng = np.random.default_rng(0) if rng is None else rng
    code, size = groups.codes(label)
    n = int(kept.sum())
    order = np.flatnonzero(kept)[np.argsort(-confidence[kept], kind="stable")]
    if not n:
        nan, none = Estimate(np.nan, np.nan, np.nan, size), np.zeros(0)
        return RiskCoverage(none, none, Estimate(none, none, none, none), nan, np.nan, np.nan)
    wrong, score = 1 - right[order], confidence[order]
    last = np.append(np.diff(score) != 0, True)
    tie = np.cumsum(np.append(0, last[:-1]))
    value = float(_areas(wrong, np.ones((1, n)), tie)[0])
    code = code[order]
    drawn = _areas(wrong, resample(size, draws, rng=rng)[:, code].astype(float), tie)
    low, high = np.nanquantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    seen = np.flatnonzero(last) + 1
    misses = wrong.sum()
    return RiskCoverage(
        score[last],
        seen / len(right),
        pass_rate(np.cumsum(wrong)[last], seen, level=level),
        Estimate(value, min(float(low), value), max(float(high), value), size),
        float(_areas(np.sort(wrong), np.ones((1, n)), np.arange(n))[0]),
        float(misses / n),
    )


def _areas(wrong: np.ndarray, weight: np.ndarray, tie: np.ndarray) -> np.ndarray:
    """(draw,) mean over kept rows of the risk among those kept so far; ties in mean order."""
    n_ties = int(tie[-1]) + 1
    starts = np.searchsorted(tie, np.arange(n_ties))
    size = np.add.reduceat(weight, starts, axis=1)
    missed = np.add.reduceat(weight * wrong, starts, axis=1)
    before = np.cumsum(size, axis=1) - size
    lost = np.cumsum(missed, axis=1) - missed
    # row j of a tie with a risk of its own r: (lost + j r) / (before + j), j = 1 .. size
    rate = missed / np.maximum(size, 1e-300)
    # sum over j of (lost + j r) / (before + j) = size r + (lost - before r) (H(b + s) - H(b))
    harmonic = _harmonic(before + size) - _harmonic(before)
    total = np.sum(size * rate + (lost - before * rate) * harmonic, axis=1)
    kept = size.sum(axis=1)
    return total / np.where(kept > 0, kept, np.nan)


def _harmonic(n: np.ndarray) -> np.ndarray:
    """1 + 1/2 + ... + 1/n of whole numbers held as floats."""
    table = np.append(0.0, np.cumsum(1 / np.arange(1, max(2, int(n.max()) + 1))))
    return table[n.astype(np.int64)]


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
