"""Do higher scores go to right rows? AUROC with an error, AUPRC beside it, and both by group.

Axes: `row` (an attempt with a score), `group`.
"""

from typing import NamedTuple

import numpy as np
from scipy import special

from gradatim import checks, groups
from gradatim.errors import ArgumentError
from gradatim.evaluation.rank import midranks
from gradatim.evaluation.verifier_error import clustered_share
from gradatim.scale.rates import wilson
from gradatim.types import Estimate


def _checked(
    score: np.ndarray, right: np.ndarray, problem: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    score, right = np.asarray(score, dtype=float), np.asarray(right)
    label = np.arange(len(right)) if problem is None else np.asarray(problem)
    checks.shapes(score=(score, "row"), right=(right, "row"), problem=(label, "row"))
    checks.finite(score=score)
    if not np.isin(right, (0, 1)).all():
        raise ArgumentError("`right` must be 0 or 1: scores need a threshold first")
    return score, right.astype(bool), label


def auroc(
    score: np.ndarray,
    right: np.ndarray,
    *,
    problem: np.ndarray | None = None,
    level: float = 0.95,
) -> Estimate:
    """Chance that a right row has a higher score than a wrong one; ties count half.

    Args:
        score: (row,) float.
        right: (row,) 0 or 1.
        problem: (row,) labels; rows of one problem err together.
        level: coverage.

    Returns:
        Estimate; the interval is normal in logits. Where all pairs are in order their spread says
        nothing, and it is Wilson's for as many rows as the rarer class has. NaN where one class is
        missing. n counts problems.

    Ref: DeLong, DeLong & Clarke-Pearson 1988, Biometrics 44:837; Obuchowski 1997, Biometrics 53:567
    (clusters); eq. for midranks Sun & Xu 2014.

    >>> print(auroc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1])))
    0.750 [0.128, 0.984] (n=4)
    """
    score, right, label = _checked(score, right, problem)
    checks.within(*checks.INSIDE, level=level)
    n_right, n_wrong, size = int(right.sum()), int((~right).sum()), len(np.unique(label))
    if not n_right or not n_wrong:
        return Estimate(np.nan, np.nan, np.nan, size)
    rank, above = midranks(score), np.empty(len(score))
    above[right] = (rank[right] - midranks(score[right])) / n_wrong
    above[~right] = 1 - (rank[~right] - midranks(score[~right])) / n_right
    value = float(above[right].mean())
    pull = (above - value) / np.where(right, n_right, n_wrong)
    error = _error(pull, *groups.codes(label))
    return _interval(value, error, n=min(n_right, n_wrong), level=level, size=size)


def auprc(
    score: np.ndarray,
    right: np.ndarray,
    *,
    problem: np.ndarray | None = None,
    level: float = 0.95,
) -> Estimate:
    """Area under precision and recall (average precision); without skill, the share right.

    Args:
        score, right, problem, level: see `auroc`; rows of equal score enter together.

    Ref: McDermott et al. 2024, arXiv 2401.06091: it is AUROC's count of mistakes, each weighted by
    one over the share of rows scored as high, so that it rewards order among high scores, and the
    groups with more right rows; no cure for imbalance. Its error is that of the infinitesimal
    jackknife (Efron 1981, Biometrika 68:589), in logits.

    >>> round(auprc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1])).value, 4)
    0.8333
    """
    score, right, label = _checked(score, right, problem)
    checks.within(*checks.INSIDE, level=level)
    code, size = groups.codes(label)
    n_right = int(right.sum())
    if not n_right:
        return Estimate(np.nan, np.nan, np.nan, size)
    order = np.argsort(-score, kind="stable")
    y, code = right[order].astype(float), code[order]
    last = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))
    tie = np.searchsorted(last, np.arange(len(y)))  # rows of a tie have the precision at its end
    seen, hits = last + 1.0, np.cumsum(y)[last]
    precision, new = hits / seen, np.diff(hits, prepend=0)
    value = float(new @ precision / n_right)

    def from_here(column: np.ndarray) -> np.ndarray:
        return np.cumsum(column[::-1])[::-1][tie]

    later = y * from_here(new / seen) - from_here(new * precision / seen)
    pull = (y * (precision[tie] - value) + later) / n_right
    return _interval(value, _error(pull, code, size), n=n_right, level=level, size=size)


def _error(pull: np.ndarray, code: np.ndarray, size: int) -> float:
    """Standard error of a statistic from the pull of each row on it, rows in clusters."""
    return float(np.sqrt(np.sum(groups.sums(pull, code, size) ** 2) * size / max(size - 1, 1)))


def _interval(value: float, error: float, *, n: int, level: float, size: int) -> Estimate:
    """Normal in logits; Wilson's for n rows where the error says nothing."""
    if error < 1e-12 or value <= 0 or value >= 1:
        few = np.array([n])
        low, high = (float(x[0]) for x in wilson(np.clip(value, 0, 1) * few, few, level))
    else:
        half = special.ndtri(0.5 + level / 2) * error / (value * (1 - value))
        low, high = special.expit(special.logit(value) + np.array([-half, half]))
    return Estimate(value, min(float(low), value), max(float(high), value), size)


class Group(NamedTuple):
    """One group: its label, share of right rows, and how well scores order them."""

    label: object
    prevalence: Estimate
    auroc: Estimate
    auprc: Estimate


class Discrimination(NamedTuple):
    """AUROC and AUPRC, over all rows and by group.

    Attributes:
        auroc, auprc, prevalence: over all rows.
        within: share of pairs in order among pairs of one group: what is left of AUROC once
            groups need not be told apart.
        by_group: Group of each label, sorted.
        differ: chance of shares of right rows as different as the groups' if they were one;
            errors of the shares are taken as independent of each other.
        warning: a sentence where they differ, else "".
    """

    auroc: Estimate
    auprc: Estimate
    prevalence: Estimate
    within: float
    by_group: tuple[Group, ...]
    differ: float
    warning: str


def discrimination(
    score: np.ndarray,
    right: np.ndarray,
    group: np.ndarray,
    *,
    problem: np.ndarray | None = None,
    level: float = 0.95,
) -> Discrimination:
    """How well scores tell right from wrong, with what AUPRC alone would hide.

    Args:
        score, right, problem, level: see `auroc`.
        group: (row,) labels, such as solver, family or level.

    Ref: McDermott et al. 2024, arXiv 2401.06091.

    >>> score, right = np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1])
    >>> discrimination(score, right, np.array([0, 0, 1, 1])).warning[:31]
    'groups differ in the share righ'
    """
    score, right, label = _checked(score, right, problem)
    group = np.asarray(group)
    checks.shapes(score=(score, "row"), group=(group, "row"))
    code, size = groups.codes(group)
    names = np.unique(group)
    rows, pairs = [], np.zeros(size)
    for at in range(size):
        mine = code == at
        beside = score[mine], right[mine]
        pairs[at] = beside[1].sum() * (~beside[1]).sum()
        rows.append(
            Group(
                names[at].item(),
                clustered_share(beside[1], label[mine], level=level),
                auroc(*beside, problem=label[mine], level=level),
                auprc(*beside, problem=label[mine], level=level),
            )
        )
    areas = np.array([row.auroc.value for row in rows])
    inside = float(np.nansum(areas * pairs) / pairs.sum()) if pairs.sum() else np.nan
    differ = _apart(right.astype(float), code, label)
    shares = [row.prevalence.value for row in rows]
    warning = (
        f"groups differ in the share right ({min(shares):.2f} to {max(shares):.2f}): AUPRC is "
        "higher where that is higher, and cannot be compared between them; AUROC can"
        if differ < 1 - level
        else ""
    )
    return Discrimination(
        auroc(score, right, problem=label, level=level),
        auprc(score, right, problem=label, level=level),
        clustered_share(right, label, level=level),
        inside,
        tuple(rows),
        differ,
        warning,
    )


def homogeneous(hits: np.ndarray, n: np.ndarray) -> float:
    """Chance of shares as different as these if all groups had one (chi-squared); 1 if alike.

    Args:
        hits, n: (group,) counts, n >= 1.

    >>> round(homogeneous(np.array([10, 20]), np.array([50, 50])), 4)
    0.0291
    """
    p = hits.sum() / n.sum()
    if len(n) < 2 or p * (1 - p) == 0:
        return 1.0
    return float(special.chdtrc(len(n) - 1, np.sum((hits - n * p) ** 2 / n) / (p * (1 - p))))


def _apart(right: np.ndarray, code: np.ndarray, label: np.ndarray) -> float:
    """The same chance where rows come in clusters: each share has its own, larger error."""
    size = int(code.max()) + 1
    n = groups.counts(code, size)
    cluster, m = groups.codes(label)
    if m == len(label) or size < 2:
        return homogeneous(groups.sums(right, code, size), n)
    share = groups.means(right, code, size)
    cell = np.bincount(cluster * size + code, right - share[code], m * size).reshape(m, size)
    several = np.maximum(share * (1 - share) / n, 0.25 / n**2)  # alike rows are not without error
    variance = np.maximum(np.sum(cell**2, axis=0) / n**2, several)
    middle = np.sum(share / variance) / np.sum(1 / variance)
    return float(special.chdtrc(size - 1, np.sum((share - middle) ** 2 / variance)))
