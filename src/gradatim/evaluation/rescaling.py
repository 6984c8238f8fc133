"""Confidences made to mean what they say: Platt's line and isotonic steps, on held-out rows.

Axes: `row` (an attempt with a confidence), `fold`.
"""

from typing import NamedTuple

import numpy as np
from scipy import special

from gradatim import checks, groups, rng
from gradatim.errors import ArgumentError
from gradatim.evaluation.calibration import checked
from gradatim.evaluation.curves import rising

METHODS = ("platt", "isotonic")
EDGE = 1e-6  # confidences are cut to [EDGE, 1 - EDGE] before their logit is taken
STEPS, CLOSE, FAR = 100, 1e-10, 50.0  # of Newton's method; FAR: largest slope and constant


class Line(NamedTuple):
    """Chance of right: expit(slope x logit(confidence) + constant)."""

    slope: float
    constant: float


class Steps(NamedTuple):
    """Chance of right by steps that rise: (knot,) confidences and chances, linear in between."""

    at: np.ndarray
    chance: np.ndarray


def fit_logistic(x: np.ndarray, share: np.ndarray, n: np.ndarray | None = None) -> Line:
    """Line in logits by maximum likelihood: chance = expit(slope x + constant).

    Args:
        x: (row,) float.
        share: (row,) float in [0, 1], outcome or target.
        n: (row,) float > 0, weights; None: 1.

    Where the classes are apart there is no maximum; slope and constant then stop at FAR, or where
    targets inside (0, 1), as Platt's, hold them.

    >>> line = fit_logistic(np.array([0.0, 0, 1, 1]), np.array([0.25, 0.25, 0.75, 0.75]))
    >>> round(line.slope, 4), round(line.constant, 4)  # 2 log 3, -log 3
    (2.1972, -1.0986)
    """
    x, share = np.asarray(x, dtype=float), np.asarray(share, dtype=float)
    weight = np.ones_like(x) if n is None else np.asarray(n, dtype=float)
    checks.shapes(x=(x, "row"), share=(share, "row"), n=(weight, "row"))
    checks.finite(x=x, share=share, n=weight)
    design = np.c_[x, np.ones_like(x)]
    beta = np.zeros(2)

    def loss(beta: np.ndarray) -> float:
        z = design @ beta
        return float(weight @ (np.logaddexp(0, z) - share * z))

    value = loss(beta)
    for _ in range(STEPS):
        p = special.expit(design @ beta)
        slope = design.T @ (weight * (p - share))
        bend = (design * (weight * p * (1 - p))[:, None]).T @ design + 1e-9 * np.eye(2)
        step, part = np.linalg.solve(bend, slope), 1.0
        while (new := loss(np.clip(beta - part * step, -FAR, FAR))) > value and part > CLOSE:
            part /= 2
        moved = np.clip(beta - part * step, -FAR, FAR)
        done = value - new < CLOSE * max(1.0, abs(value))
        if new < value:
            beta, value = moved, new
        if done:
            break
    return Line(float(beta[0]), float(beta[1]))


def fit_platt(confidence: np.ndarray, right: np.ndarray) -> Line:
    """Platt's line through the logits of confidences.

    Args:
        confidence: (row,) float in [0, 1].
        right: (row,) 0 or 1.

    Ref: Platt 1999, with his targets (n+ + 1) / (n+ + 2) and 1 / (n- + 2) in place of 1 and 0,
    which keep the line finite; differs: on logits, as is usual for probabilities.
    """
    confidence, right, _ = checked(confidence, right)
    up, down = right.sum(), (1 - right).sum()
    target = np.where(right > 0, (up + 1) / (up + 2), 1 / (down + 2))
    return fit_logistic(special.logit(np.clip(confidence, EDGE, 1 - EDGE)), target)


def fit_isotonic(confidence: np.ndarray, right: np.ndarray) -> Steps:
    """Rising steps nearest to the outcomes (least squares); equal confidences share a step.

    Ref: Zadrozny & Elkan 2002, KDD.
    """
    confidence, right, _ = checked(confidence, right)
    at, code, n = np.unique(confidence, return_inverse=True, return_counts=True)
    return Steps(at, rising(groups.means(right, code, len(at)), n.astype(float)))


def rescale(fitted: Line | Steps, confidence: np.ndarray) -> np.ndarray:
    """(row,) float in [0, 1]: confidences through what was fitted; isotonic ends go on level.

    >>> rescale(Line(2.0, 0.0), np.array([0.5, 0.75])).round(3)
    array([0.5, 0.9])
    """
    confidence = np.asarray(confidence, dtype=float)
    checks.within(0, 1, confidence=confidence)
    if isinstance(fitted, Steps):
        return np.interp(confidence, fitted.at, fitted.chance)
    logit = special.logit(np.clip(confidence, EDGE, 1 - EDGE))
    return special.expit(fitted.slope * logit + fitted.constant)


def cross_rescaled(
    confidence: np.ndarray,
    right: np.ndarray,
    *,
    method: str = "platt",
    problem: np.ndarray | None = None,
    folds: int = 5,
    seed: int = 0,
) -> np.ndarray:
    """(row,) float: every confidence through a fit to the other folds.

    Args:
        confidence, right: see `fit_platt`.
        method: of METHODS. Isotonic needs hundreds of rows; Platt's line has two numbers.
        problem: (row,) labels; rows of a problem are in one fold, by a hash of the label.
        folds: how many, >= 2.
        seed: of the folds.

    Raises:
        ArgumentError: fewer problems than folds, an unknown method.

    Ref: Spiess et al. 2024, arXiv 2402.02047, section 4 (Platt on held-out code tasks).
    """
    confidence, right, label = checked(confidence, right, problem)
    checks.one_of("method", method, METHODS)
    checks.whole(2, 10**6, folds=folds)
    fit = fit_platt if method == "platt" else fit_isotonic
    code, size = groups.codes(label)
    if size < folds:
        raise ArgumentError(f"`folds` must be at most the {size} problems, got {folds}")
    # by rank of the hash: folds of equal size, and none is empty
    key = [rng.digest(seed, str(name), size=8) for name in np.unique(label).tolist()]
    fold = np.empty(size, dtype=np.int64)
    fold[np.array(sorted(range(size), key=key.__getitem__))] = np.arange(size) % folds
    found = np.empty(len(right))
    for here in range(folds):
        out = fold[code] == here
        found[out] = rescale(fit(confidence[~out], right[~out]), confidence[out])
    return found
