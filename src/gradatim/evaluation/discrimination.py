"""Do higher scores go to right rows? AUROC with an error, AUPRC beside it, and both by group.

Axes: `row` (an attempt with a score), `group`, `draw` (bootstrap samples).
"""

from typing import NamedTuple

import numpy as np
from scipy import special

from gradatim import checks, groups
from gradatim.errors import ArgumentError
from gradatim.evaluation.comparison import resample
from gradatim.evaluation.rank import midranks
from gradatim.scale.rates import pass_rate, wilson
from gradatim.types import Estimate

CELLS = 1 << 22  # draws x rows worked on at a time


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
    code, m = groups.codes(label)
    error = float(np.sqrt(np.sum(groups.sums(pull, code, m) ** 2) * m / max(m - 1, 1)))
    if error == 0 or value in (0.0, 1.0):
        few = np.array([min(n_right, n_wrong)])
        low, high = (float(x[0]) for x in wilson(value * few, few, level))
    else:
        half = special.ndtri(0.5 + level / 2) * error / (value * (1 - value))
        low, high = special.expit(special.logit(value) + np.array([-half, half]))
    return Estimate(value, min(float(low), value), max(float(high), value), size)


def auprc(
    score: np.ndarray,
    right: np.ndarray,
    *,
    problem: np.ndarray | None = None,
    level: float = 0.95,
    draws: int = 400,
    rng: np.random.Generator | None = None,
) -> Estimate:
    """Area under precision and recall (average precision); without skill, the share right.

    Args:
        score, right, problem, level: see `auroc`; rows of equal score enter together.
        draws: of the bootstrap over problems.
        rng: of the draws; None starts a fresh one at 0.

    Ref: McDermott et al. 2024, arXiv 2401.06091: it is AUROC's count of mistakes, each weighted by
    one over the share of rows scored as high, so that it rewards order among high scores, and the
    groups with more right rows; no cure for imbalance.

    >>> round(auprc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1])).value, 4)
    0.8333
    """
    score, right, label = _checked(score, right, problem)
    checks.within(*checks.INSIDE, level=level)
    rng = np.random.default_rng(0) if rng is None else rng
    code, size = groups.codes(label)
    if not right.any():
        return Estimate(np.nan, np.nan, np.nan, size)
    order = np.argsort(-score, kind="stable")
    last = np.append(np.diff(score[order]) != 0, True)  # the end of each tie
    right, code = right[order], code[order]

    def area(weight: np.ndarray) -> np.ndarray:
        seen, hits = (np.cumsum(w, axis=1)[:, last] for w in (weight, weight * right))
        new = np.diff(hits, axis=1, prepend=0)
        with np.errstate(invalid="ignore"):  # draws without a right row
            return np.sum(new * hits / np.maximum(seen, 1e-300), axis=1) / hits[:, -1]

    value = float(area(np.ones((1, len(right))))[0])
    step = max(1, CELLS // len(right))
    sizes = [min(step, draws - done) for done in range(0, draws, step)]
    drawn = np.concatenate([area(resample(size, n, rng=rng)[:, code].astype(float)) for n in sizes])
    low, high = np.nanquantile(drawn, [(1 - level) / 2, (1 + level) / 2])
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
        differ: chance of shares of right rows as different as the groups' if they were one.
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
                _share(beside[1], level),
                auroc(*beside, problem=label[mine], level=level),
                auprc(*beside, problem=label[mine], level=level),
            )
        )
    areas = np.array([row.auroc.value for row in rows])
    inside = float(np.nansum(areas * pairs) / pairs.sum()) if pairs.sum() else np.nan
    differ = homogeneous(groups.sums(right, code, size), groups.counts(code, size))
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
        _share(right, level),
        inside,
        tuple(rows),
        differ,
        warning,
    )


def _share(right: np.ndarray, level: float) -> Estimate:
    found = pass_rate(np.array([right.sum()]), np.array([len(right)]), level=level)
    return Estimate(float(found.value[0]), float(found.low[0]), float(found.high[0]), len(right))


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
