"""Advantages that treat right and wrong attempts differently: one sign only, virtual attempts, the
best of the group.

Axes and the meaning of (advantage, keep) as in advantages.py. Where an estimator compares nothing
(PSR, NSR) or compares with what is not in the group (NGRPO), lone attempts and groups of equal
rewards teach as well; keep is then True wherever the advantage is not 0.
"""

import numpy as np

from gradatim import checks, groups
from gradatim.errors import ArgumentError
from gradatim.learning.advantages import (
    Advantage,
    Rows,
    grpo,
    of_batch,
    placed,
    taking_part,
)
from gradatim.types import Slot


def psr(reward: np.ndarray, group: np.ndarray, *, mask: np.ndarray | None = None) -> Advantage:
    """The reward itself: right attempts are reinforced, wrong ones give no gradient.

    Args:
        reward: (attempt,) float in [0, 1]; a partial reward reinforces in proportion.
        group: (attempt,) labels; nothing is compared, so they do not matter.
        mask: (attempt,) bool; None = all take part.

    Ref: Zhu et al. 2025, arXiv:2506.01347, positive sample reinforcement. Differs: rewards
    between 0 and 1, where the paper has only the ends.

    >>> psr(np.array([1.0, 0, 1]), np.zeros(3, int))[0]
    array([1., 0., 1.])
    """
    return weighted(reward, group, mask=mask, positive=1.0, negative=0.0)


def nsr(reward: np.ndarray, group: np.ndarray, *, mask: np.ndarray | None = None) -> Advantage:
    """reward - 1: wrong attempts are pushed down, right ones give no gradient.

    Arguments and source as `psr`: negative sample reinforcement.

    >>> nsr(np.array([1.0, 0, 1]), np.zeros(3, int))[0]
    array([ 0., -1.,  0.])
    """
    return weighted(reward, group, mask=mask, positive=0.0, negative=1.0)


def weighted(
    reward: np.ndarray,
    group: np.ndarray,
    *,
    mask: np.ndarray | None = None,
    positive: float = 0.1,
    negative: float = 1.0,
) -> Advantage:
    """positive x reward - negative x (1 - reward): W-REINFORCE.

    Args:
        reward: (attempt,) float in [0, 1].
        group: (attempt,) labels; nothing is compared, so they do not matter.
        mask: (attempt,) bool; None = all take part.
        positive, negative: >= 0, size of a right and of a wrong attempt's advantage.

    Raises:
        ArgumentError: rewards outside [0, 1], which have no reading as right or wrong.

    Ref: Zhu et al. 2025, arXiv:2506.01347; 0.1 is the paper's value as recalled, its code's
    default is 1. Differs: rewards between 0 and 1 count in proportion.

    >>> weighted(np.array([1.0, 0, 1]), np.zeros(3, int))[0]
    array([ 0.1, -1. ,  0.1])
    """
    checks.within(0, np.inf, positive=positive, negative=negative)
    rows = taking_part(reward, group, mask)
    checks.within(0, 1, reward=rows.reward)
    value = positive * rows.reward - negative * (1 - rows.reward)
    return placed(rows, value, value != 0)


def ngrpo(
    reward: np.ndarray,
    group: np.ndarray,
    *,
    mask: np.ndarray | None = None,
    virtual: int = 1,
    r_max: float = 1.0,
    alone: bool = True,
    eps: float = 1e-6,
) -> Advantage:
    """GRPO in a group to which `virtual` attempts of reward r_max are added, then left out again.

    A group of n wrong attempts gets -1 / sqrt(n + 1) each (one virtual attempt), a group that is
    all right gets exactly 0.

    Args:
        reward: (attempt,) float <= r_max.
        group, mask, eps: as in `grpo`.
        virtual: >= 0, attempts added to each group; 0 is GRPO.
        r_max: their reward, the greatest there is.
        alone: whether a lone attempt is compared with the virtual ones. The formula says so and
            gives a wrong one -1 / sqrt(2); the released code skips it and gives 0. In ragged
            batches a lone attempt is a small group like any other, so it takes part here.

    Raises:
        ArgumentError: a reward above r_max.

    Ref: Nan et al. 2025, arXiv:2509.18851; their asymmetric clip range is a
    matter of the objective (`clip` with low 0.16, high 0.24), their filter that of `filter_groups`.

    >>> ngrpo(np.zeros(8), np.zeros(8, int), eps=0.0)[0][:2].round(3)
    array([-0.333, -0.333])
    >>> ngrpo(np.array([1.0, 0, 0, 0, 0, 0, 0, 0]), np.zeros(8, int))[0][:2].round(3)
    array([ 1.764, -0.504])
    """
    checks.within(0, np.inf, eps=eps, virtual=virtual)
    rows = taking_part(reward, group, mask)
    if len(rows.reward) and rows.reward.max() > r_max:
        raise ArgumentError(
            f"`r_max` must be the greatest reward there is, got {r_max} and a reward of "
            f"{rows.reward.max()}"
        )
    real = groups.counts(rows.code, rows.n_groups)
    # about r_max: a group that is all right is exactly 0 and stays so
    below = rows.reward - r_max
    n = np.maximum(real + virtual, 1)
    mean = groups.sums(below, rows.code, rows.n_groups) / n
    centred = below - mean[rows.code]
    squares = groups.sums(centred**2, rows.code, rows.n_groups) + virtual * mean**2
    spread = np.sqrt(squares / np.maximum(n - 1, 1)) + eps
    value = centred / np.where(spread > 0, spread, 1.0)[rows.code]
    live = groups.mixed(rows.reward, rows.code, rows.n_groups)
    lone = real == 1
    outside = (virtual > 0) & (~lone | alone)
    return placed(rows, value, (live[rows.code]) | ((value != 0) & outside[rows.code]))


def pass_k(reward: np.ndarray, group: np.ndarray, *, mask: np.ndarray | None = None) -> Advantage:
    """Best reward - second best for the best attempt of a group, 0 for all others.

    It is what the best attempt adds to the best-of-n of its group; two equally good ones add
    nothing.

    Ref: the Pass@k variant of GRPO in verl 0.9.1, without its division by the deviation. A lone
    attempt keeps its raw reward there; here it is 0.

    >>> pass_k(np.array([0.2, 1.0, 0.5, 1.0, 1.0]), np.array([0, 0, 0, 1, 1]))[0]
    array([0. , 0.5, 0. , 0. , 0. ])
    """
    rows = taking_part(reward, group, mask)
    best, second = _top_two(rows)
    value = np.zeros(len(rows.reward))
    value[best] = rows.reward[best] - rows.reward[second]
    return placed(rows, value, value != 0)


def _top_two(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Row of the best and of the second best attempt of each group that has two."""
    order = groups.order(rows.reward, rows.code)
    n = groups.counts(rows.code, rows.n_groups)
    last = (np.cumsum(n) - 1)[n >= 2]
    return order[last], order[last - 1]


def relative_negative(
    reward: np.ndarray, group: np.ndarray, *, mask: np.ndarray | None = None, eps: float = 1e-6
) -> Advantage:
    """GRPO's advantage where it is negative, else 0: only worse than average is pushed down.

    Ref: Yao et al. 2025, arXiv:2510.04028, the two-stage view of what RLVR can reach: updates from
    relative negatives alone keep exploring longer. Reading of the abstract.

    >>> relative_negative(np.array([1.0, 0, 0]), np.zeros(3, int), eps=0.0)[0].round(3)
    array([ 0.   , -0.577, -0.577])
    """
    value, _ = grpo(reward, group, mask=mask, eps=eps)
    return np.minimum(value, 0.0), value < 0


ADVANTAGES: dict[str, Slot] = {
    "psr": Slot(
        suggest=of_batch(psr),
        invariances=frozenset({"monotone", "silent_wrong"}),
        paper="PSR (arXiv:2506.01347): right attempts only; partial rewards in proportion.",
    ),
    "nsr": Slot(
        suggest=of_batch(nsr),
        invariances=frozenset({"monotone", "silent_right"}),
        paper="NSR (arXiv:2506.01347): wrong attempts only; partial rewards in proportion.",
    ),
    "weighted": Slot(
        suggest=of_batch(weighted),
        options={"positive": 0.1, "negative": 1.0},
        bounds={"positive": checks.AT_LEAST_0, "negative": checks.AT_LEAST_0},
        invariances=frozenset({"monotone"}),
        paper="W-REINFORCE (arXiv:2506.01347): right attempts count `positive`, wrong ones 1.",
    ),
    "ngrpo": Slot(
        suggest=of_batch(ngrpo),
        options={"virtual": 1, "r_max": 1.0, "alone": True, "eps": 1e-6},
        bounds={"virtual": checks.AT_LEAST_0, "r_max": checks.ANY, "eps": checks.AT_LEAST_0},
        invariances=frozenset({"monotone", "silent_right"}),
        paper="NGRPO (arXiv:2509.18851): GRPO with a virtual attempt of the greatest reward. "
        "A lone wrong attempt is compared with it too (-1/sqrt 2; the released code gives 0).",
    ),
    "pass_k": Slot(
        suggest=of_batch(pass_k),
        invariances=frozenset({"shift", "linear", "monotone", "silent"}),
        paper="Pass@k-GRPO as in verl: best minus second best, for the best alone, unscaled.",
    ),
    "relative_negative": Slot(
        suggest=of_batch(relative_negative),
        options={"eps": 1e-6},
        bounds={"eps": checks.AT_LEAST_0},
        invariances=frozenset({"shift", "scale", "monotone", "silent"}),
        paper="Relative negatives only (two-stage view of RLVR, reading of the abstract): GRPO's "
        "advantage where it is negative.",
    ),
}
