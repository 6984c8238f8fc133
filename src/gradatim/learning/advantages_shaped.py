"""Advantages shaped by a second measurement of each attempt: its entropy, length or likelihood.

Axes and the meaning of (advantage, keep) as in advantages.py; `metric` is one number an attempt.
"""

from collections.abc import Callable

import numpy as np

from gradatim import checks, groups
from gradatim.errors import ArgumentError
from gradatim.learning.advantages import Advantage, column, grpo, of_batch, placed, taking_part
from gradatim.types import Batch, Slot

FAVOURS = ("high", "low")
SCHEDULES = ("inter_first", "intra_first", "cosine")
_CANON = {"mu": 1.0, "alpha": 1.0, "schedule": "none", "progress": None}
_BOUNDS = {
    **dict.fromkeys(("mu", "alpha", "progress"), (0, 1)),
    "schedule": frozenset({"none", *SCHEDULES}),
    "favour": frozenset(FAVOURS),
}


def canon(
    reward: np.ndarray,
    group: np.ndarray,
    metric: np.ndarray,
    *,
    mask: np.ndarray | None = None,
    mu: float = 1.0,
    alpha: float = 1.0,
    favour: str = "high",
) -> Advantage:
    """Compare attempts across and within the two halves of a group, split by a metric.

    Each group is sorted by the metric and cut in two, the upper half taking the odd one. Inter:
    reward - mean of the other half. Intra: reward - mean of the own half. The advantage is
    mu x inter + (1 - mu) x intra; mu = 1/2 in groups of even size is `dr_grpo`.

    Args:
        reward, group, mask: as in `grpo`.
        metric: (attempt,) float, mean token entropy or length, say; ties keep the order of rows.
        mu: in [0, 1], share of the comparison across the halves.
        alpha: in [0, 1]; below 1 the favoured half gets reward - alpha x mean of the other, the
            other half alpha x reward - mean of the favoured. Then groups that are all right are
            not 0: they push toward the favoured half.
        favour: the half that alpha favours, "high" or "low".

    Returns:
        (attempt,) float advantage and (attempt,) bool keep. A lone attempt has no other half and
        gives nothing.

    Ref: Chen et al. 2025, arXiv:2509.23962; "high" is their entropy version, "low" their length
    version. Differs: their code also divides by a constant length, which is the objective's part.

    >>> reward, entropy = np.array([1.0, 0, 0, 1]), np.array([0.1, 0.2, 0.3, 0.4])
    >>> canon(reward, np.zeros(4, int), entropy)[0]
    array([ 0.5, -0.5, -0.5,  0.5])
    >>> canon(reward, np.zeros(4, int), entropy, alpha=0.5)[0]
    array([ 0.  , -0.5 , -0.25,  0.75])
    """
    checks.within(0, 1, mu=mu, alpha=alpha)
    checks.one_of("favour", favour, FAVOURS)
    rows = taking_part(reward, group, mask)
    column(rows, "metric", metric)
    by = np.asarray(metric)[rows.where]  # integers stay integers, which sort faster
    if not len(by):
        return placed(rows, rows.reward)
    n = groups.counts(rows.code, rows.n_groups)
    upper = groups.ranks(by, rows.code) >= (n // 2)[rows.code]
    # about the first reward of each group, so that offsets cancel where alpha is 1
    first = rows.reward[groups.firsts(rows.code, rows.n_groups)][rows.code]
    above = rows.reward - first
    half = 2 * rows.code + upper
    size = groups.counts(half, 2 * rows.n_groups)
    mean = groups.sums(above, half, 2 * rows.n_groups) / np.maximum(size, 1)
    other, own = mean[half ^ 1], mean[half]
    favoured = upper if favour == "high" else ~upper
    tilt = np.where(favoured, 1 - alpha, alpha - 1) * first
    inter = np.where(favoured, above - alpha * other, alpha * above - other) + tilt
    value = mu * inter + (1 - mu) * (above - own)
    live = groups.mixed(rows.reward, rows.code, rows.n_groups)[rows.code]
    return placed(rows, value, (n >= 2)[rows.code] & (live | (value != 0)))


def canon_mu(progress: float, schedule: str, *, cycles: int = 4) -> float:
    """mu of `canon` at a share of the run.

    Args:
        progress: share of the run that is done, in [0, 1].
        schedule: "inter_first" falls from 1 to 0, "intra_first" rises from 0 to 1, both linearly;
            "cosine" falls from 1 to 0 as half a cosine and starts anew `cycles` times.
        cycles: >= 1.

    Ref: Chen et al. 2025, arXiv:2509.23962, names these schedules; that the first two are linear
    and how often the third restarts is our reading.

    >>> [round(canon_mu(p, "cosine", cycles=2), 3) for p in (0.0, 0.25, 0.5, 0.75)]
    [1.0, 0.5, 1.0, 0.5]
    """
    checks.within(0, 1, progress=progress)
    checks.within(1, np.inf, cycles=cycles)
    checks.one_of("schedule", schedule, SCHEDULES)
    if schedule == "cosine":
        return float(0.5 + 0.5 * np.cos(np.pi * (progress * cycles % 1.0)))
    return 1.0 - progress if schedule == "inter_first" else float(progress)


def _scheduled(metric: str) -> Callable[..., Advantage]:
    """`canon` as a slot's `suggest`: mu follows the run where a schedule says how."""
    plain = of_batch(canon, metric)

    def advantage(
        batch: Batch, *, mu: float, schedule: str, progress: float | None, **options: object
    ) -> Advantage:
        checks.one_of("schedule", schedule, ("none", *SCHEDULES))
        if schedule != "none":
            if progress is None:
                raise ArgumentError(
                    f"`schedule` = {schedule!r} follows the run: say its attempts by `total` of "
                    "the Curriculum, or the share that is done by the option `progress`"
                )
            mu = canon_mu(progress, schedule)
        return plain(batch, mu=mu, **options)

    return advantage


def sharpen(
    advantage: np.ndarray,
    group: np.ndarray,
    likelihood: np.ndarray,
    *,
    mask: np.ndarray | None = None,
    bonus: float = 1.0,
    cap: float = 0.5,
) -> np.ndarray:
    """Add to positive advantages of attempts that are less likely than their group's mean.

    With eta = exp(likelihood - group mean), a positive A becomes A + min(max(bonus x (1 - eta), 0),
    cap x A); everything else stays.

    Args:
        advantage: (attempt,) float.
        group, mask: as in `grpo`.
        likelihood: (attempt,) float, mean log-probability of a reply's tokens.
        bonus, cap: >= 0.

    Returns:
        (attempt,) float, between A and (1 + cap) x A where A is positive.

    Ref: Bamba et al. 2025, arXiv:2510.06672, XRPO, as reviews and a re-implementation state it.
    Differs: the paper's coefficients are not published; 1 and 0.5 are ours.

    >>> sharpen(np.array([1.0, 1.0, -1.0]), np.zeros(3, int), np.array([-2.0, -1.0, -3.0]))
    array([ 1.,  1., -1.])
    >>> sharpen(np.array([1.0, -1.0]), np.zeros(2, int), np.array([-1.2, -1.0])).round(4)
    array([ 1.0952, -1.    ])
    """
    checks.within(0, np.inf, bonus=bonus, cap=cap)
    rows = taking_part(advantage, group, mask)
    surplus = groups.deviations(column(rows, "likelihood", likelihood), rows.code, rows.n_groups)
    # -expm1 is 1 - eta; likelier than the mean adds nothing
    extra = np.minimum(-bonus * np.expm1(np.minimum(surplus, 0.0)), cap * rows.reward)
    return placed(rows, rows.reward + np.maximum(extra, 0.0), np.ones(len(surplus), bool))[0]


def xrpo(
    reward: np.ndarray,
    group: np.ndarray,
    logp: np.ndarray,
    length: np.ndarray,
    *,
    mask: np.ndarray | None = None,
    bonus: float = 1.0,
    cap: float = 0.5,
    eps: float = 1e-6,
) -> Advantage:
    """`grpo`, sharpened towards right attempts that the policy found unlikely; see `sharpen`.

    Args:
        reward, group, mask, eps: as in `grpo`.
        logp: (attempt,) float, log-probability of the whole reply.
        length: (attempt,) tokens, >= 1 where mask is True.
        bonus, cap: as in `sharpen`.

    >>> logp = np.array([-4.0, -2.0, -3.0])
    >>> xrpo(np.array([1.0, 1, 0]), np.zeros(3, int), logp, np.full(3, 10), eps=0.0)[0].round(3)
    array([ 0.673,  0.577, -1.155])
    """
    advantage, keep = grpo(reward, group, mask=mask, eps=eps)
    rows = taking_part(advantage, group, mask)
    whole, tokens = column(rows, "logp", logp), column(rows, "length", length, low=1)
    mean = np.zeros(rows.size)
    mean[rows.where] = whole / tokens
    return sharpen(advantage, group, mean, mask=mask, bonus=bonus, cap=cap), keep


ADVANTAGES: dict[str, Slot] = {
    "canon_entropy": Slot(
        suggest=_scheduled("entropy"),
        options={**_CANON, "favour": "high"},
        bounds=_BOUNDS,
        needs=frozenset({"entropy"}),
        invariances=frozenset({"shift", "linear", "silent"}),
        paper="CANON (arXiv:2509.23962) by mean token entropy; the constant length is left to "
        "the objective. Below alpha 1 the half of `favour` is favoured. `schedule` (inter_first, "
        "intra_first or cosine) moves mu with the run's progress, which the Curriculum tells.",
    ),
    "canon_length": Slot(
        suggest=_scheduled("length"),
        options={**_CANON, "favour": "low"},
        bounds=_BOUNDS,
        invariances=frozenset({"shift", "linear", "silent"}),
        paper="CANON (arXiv:2509.23962) by length; below alpha 1 short replies are favoured. "
        "`schedule` as in canon_entropy.",
    ),
    "xrpo": Slot(
        suggest=of_batch(xrpo, "logp", "length"),
        options={"bonus": 1.0, "cap": 0.5, "eps": 1e-6},
        bounds=dict.fromkeys(["bonus", "cap", "eps"], checks.AT_LEAST_0),
        needs=frozenset({"logp"}),
        invariances=frozenset({"shift", "scale", "silent"}),
        paper="XRPO sharpening (arXiv:2510.06672, from reviews; coefficients not published): GRPO "
        "plus a bonus for right attempts less likely than their group.",
    ),
}
