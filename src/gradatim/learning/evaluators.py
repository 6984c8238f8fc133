"""A verifier trained where answers are known, used to choose among attempts where they are not.

To judge is easier than to solve, so a verifier that has only seen easy problems may still tell
right from wrong attempts on hard ones. Axes: `attempt`, `feature`, `problem`.

Ref: Easy-to-Hard Generalization, Sun et al. 2024, arXiv:2403.09472 (trained on levels 1 to 3,
reranks levels 4 and 5; best-of-n and weighted voting). Differs: outcomes alone teach, no steps;
ridge logistic regression on features of the attempt in place of a language model.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import special

from gradatim import checks, groups
from gradatim.errors import ArgumentError

CHOICES = ("vote", "best", "weighted")
STEPS, CLOSE = 100, 1e-9  # of Newton's method


class Verifier(NamedTuple):
    """Logistic regression on standardised features.

    Attributes:
        weight: (feature,) float, of the standardised features.
        constant: of the attempt with average features.
        centre, spread: (feature,) float, mean and standard deviation where it was trained.
    """

    weight: np.ndarray
    constant: float
    centre: np.ndarray
    spread: np.ndarray


def fit_verifier(features: np.ndarray, right: np.ndarray, *, ridge: float = 10.0) -> Verifier:
    """Logistic regression of whether an attempt is right, by Newton's method.

    Args:
        features: (attempt, feature) float; a feature that never varies gets no weight.
        right: (attempt,) bool.
        ridge: > 0, times half the squared weights is added to the summed loss; what keeps the
            weights finite where the classes can be told apart.

    Raises:
        ArgumentError: no attempts, all right or all wrong, NaN.

    >>> found = fit_verifier(np.array([[0.0], [1], [2], [3]]), np.array([0, 0, 1, 1], bool))
    >>> bool(found.weight[0] > 0), abs(found.constant) < 1e-9
    (True, True)
    """
    features, right = np.asarray(features, dtype=float), np.asarray(right)
    checks.shapes(features=(features, "attempt feature"), right=(right, "attempt"))
    checks.finite(features=features)
    checks.within(*checks.POSITIVE, ridge=ridge)
    if right.dtype != bool:
        raise ArgumentError(f"`right` must be bool, got {right.dtype}")
    if right.all() or not right.any():
        raise ArgumentError(f"`right` must hold right and wrong attempts, got {len(right)} alike")
    centre, spread = features.mean(axis=0), features.std(axis=0)
    # rounding leaves a constant column a spread of about 1e-16 of its height
    spread = np.where(spread > 1e-12 * np.abs(centre), spread, np.inf)
    x = np.c_[np.ones(len(right)), (features - centre) / spread]
    force = np.r_[0.0, np.full(features.shape[1], ridge)]
    w = np.zeros(x.shape[1])
    w[0] = special.logit(right.mean())

    def loss(w: np.ndarray) -> float:
        z = x @ w
        return float(np.logaddexp(0, z).sum() - z[right].sum() + 0.5 * (force * w) @ w)

    value = loss(w)
    for _ in range(STEPS):
        p = special.expit(x @ w)
        slope = x.T @ (p - right) + force * w
        bend = (x * (p * (1 - p))[:, None]).T @ x + np.diag(force)
        step, share = np.linalg.solve(bend, slope), 1.0
        while (then := loss(w - share * step)) > value and share > CLOSE:
            share /= 2  # far from the end, a whole step may overshoot
        if then >= value:
            break
        w, value = w - share * step, then
        if np.abs(share * step).max() < CLOSE:
            break
    return Verifier(w[1:], float(w[0]), centre, spread)


def judge(verifier: Verifier, features: np.ndarray) -> np.ndarray:
    """(attempt,) float in [0, 1]: chance that each attempt is right.

    Args:
        verifier: of `fit_verifier`.
        features: (attempt, feature) float, the same features.
    """
    features = np.asarray(features, dtype=float)
    checks.shapes(features=(features, "attempt feature"), verifier=(verifier.weight, "feature"))
    checks.finite(features=features)
    return special.expit(
        verifier.constant + (features - verifier.centre) / verifier.spread @ verifier.weight
    )


def choose_attempt(
    problem: np.ndarray,
    answer: Sequence[str],
    score: np.ndarray | None = None,
    *,
    by: str = "weighted",
) -> np.ndarray:
    """(problem,) int: the attempt whose answer is given, in the order of the problems' labels.

    Votes are those of choice.voting.vote, which this layer cannot import, for many problems.

    Args:
        problem: (attempt,) labels.
        answer: (attempt,) what counts as the same answer.
        score: (attempt,) float >= 0, of `judge`; "vote" needs none.
        by: "vote" the answer with most attempts, "best" the attempt with the highest score,
            "weighted" the answer with the largest sum of scores. Ties go to the earlier attempt.

    >>> answer, score = ["a", "a", "b"], np.array([0.3, 0.2, 0.6])
    >>> [int(choose_attempt(np.zeros(3, int), answer, score, by=by)[0]) for by in CHOICES]
    [0, 2, 2]
    """
    checks.one_of("by", by, CHOICES)
    problem = np.asarray(problem)
    said = np.asarray(list(answer), dtype=object)
    checks.shapes(problem=(problem, "attempt"), answer=(said, "attempt"))
    if by == "vote":
        score = np.ones(len(problem))
    elif score is None:
        raise ArgumentError(f"`score` must be given for '{by}'")
    score = np.asarray(score, dtype=float)
    checks.shapes(problem=(problem, "attempt"), score=(score, "attempt"))
    checks.within(0, np.inf, score=score)
    code, n = groups.codes(problem)
    if by != "best":
        known: dict[tuple[int, str], int] = {}
        cell = np.array(
            [known.setdefault(key, len(known)) for key in zip(code.tolist(), said, strict=True)],
            dtype=np.int64,
        )
        # added one by one, in the order of attempts: equal attempts have equal sums
        score = np.bincount(cell, weights=score, minlength=len(known))[cell]
    order = np.lexsort((np.arange(len(code)), -score, code))
    return order[np.searchsorted(code[order], np.arange(n))]
