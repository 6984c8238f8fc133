"""How good each attempt was, compared with the others on the same prompt.

Axes: `attempt`, flat and ragged; `group` labels rows that share a prompt, of any sizes and in any
order. Numpy in float64; no gradient flows through. Every function returns (advantage, keep): the
advantage is 0 and keep False where an attempt gives no gradient, which is the case where it is
masked, alone, or in a group whose rewards are all exactly equal. Rewards are compared and centred
about a reward of the group, so offsets cancel and equal rewards give exactly 0.

Masked attempts take no part: they are in no mean and no deviation.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from gradatim import checks, groups
from gradatim.errors import ArgumentError
from gradatim.types import Batch, Slot

Advantage = tuple[np.ndarray, np.ndarray]
# values, codes 0..n-1, number of groups -> (row,) advantage
Kernel = Callable[[np.ndarray, np.ndarray, int], np.ndarray]


def _codes(group: np.ndarray) -> tuple[np.ndarray, int]:
    """Codes for counting; labels that already are small integers stay as they are."""
    if group.dtype.kind in "iu" and len(group):
        low, high = int(group.min()), int(group.max())
        if low >= 0 and high < 4 * len(group) + 64:
            return group, high + 1
    return groups.codes(group)


def _apply(
    kernel: Kernel, reward: np.ndarray, group: np.ndarray, mask: np.ndarray | None
) -> Advantage:
    """Run a kernel on the attempts that take part, and put the rest at 0."""
    reward, group = np.asarray(reward, dtype=np.float64), np.asarray(group)
    size = checks.shapes(reward=(reward, "attempt"), group=(group, "attempt"))["attempt"]
    where: np.ndarray | slice = slice(None)
    if mask is not None:
        mask = np.asarray(mask)
        checks.shapes(reward=(reward, "attempt"), mask=(mask, "attempt"))
        where = slice(None) if mask.all() else np.flatnonzero(mask)
    r, g = reward[where], group[where]
    bad = ~np.isfinite(r)
    if bad.any():
        raise ArgumentError(
            f"`reward` must be finite, got {r[bad][0]} in group {g[bad][0]} ({bad.sum()} of "
            f"{size} are not); mask attempts that have no reward"
        )
    advantage, keep = np.zeros(size), np.zeros(size, dtype=bool)
    if len(r):
        code, n_groups = _codes(g)
        live = groups.mixed(r, code, n_groups)[code]
        values = np.where(live, kernel(r, code, n_groups), 0.0)
        advantage[where], keep[where] = values, live
    return advantage, keep


def grpo(
    reward: np.ndarray, group: np.ndarray, *, mask: np.ndarray | None = None, eps: float = 1e-6
) -> Advantage:
    """(reward - group mean) / (group standard deviation + eps), deviation with n - 1.

    Args:
        reward: (attempt,) float, finite where mask is True.
        group: (attempt,) labels.
        mask: (attempt,) bool; None = all take part.
        eps: added to the deviation.

    Returns:
        (attempt,) float advantage and (attempt,) bool keep.

    Ref: Shao et al. 2024, arXiv:2402.03300, section 4.1.2. Frameworks differ: verl 0.9.1 has eps
    1e-6, TRL 1.16 has 1e-4; a lone attempt keeps its raw reward in verl and is refused by TRL;
    here it has no comparison and so no advantage.

    >>> grpo(np.array([1.0, 0, 0, 1, 1]), np.array([0, 0, 0, 1, 1]), eps=0.0)[0].round(3)
    array([ 1.155, -0.577, -0.577,  0.   ,  0.   ])
    """
    checks.within(0, np.inf, eps=eps)
    return _apply(lambda r, c, n: groups.scores(r, c, n, eps=eps), reward, group, mask)


def dr_grpo(reward: np.ndarray, group: np.ndarray, *, mask: np.ndarray | None = None) -> Advantage:
    """reward - group mean.

    Ref: Liu et al. 2025, arXiv:2503.20783, without the division by the deviation; its constant
    length is a matter of the objective (`aggregate="constant"`).

    >>> dr_grpo(np.array([1.0, 0, 0, 0]), np.array([0, 0, 0, 0]))[0]
    array([ 0.75, -0.25, -0.25, -0.25])
    """
    return _apply(groups.deviations, reward, group, mask)


def _left_out(reward: np.ndarray, code: np.ndarray, n_groups: int) -> np.ndarray:
    n = groups.counts(code, n_groups)
    # a lone attempt has nobody to be compared with; its deviation is 0 whatever the factor
    return groups.deviations(reward, code, n_groups) * (n / np.maximum(n - 1, 1))[code]


def rloo(reward: np.ndarray, group: np.ndarray, *, mask: np.ndarray | None = None) -> Advantage:
    """reward - mean of the other attempts of its group, which is n / (n - 1) x dr_grpo.

    Ref: Ahmadian et al. 2024, arXiv:2402.14740; Kool et al. 2019. verl keeps the raw reward of a
    lone attempt; here it is 0.

    >>> rloo(np.array([1.0, 0, 0, 0]), np.array([0, 0, 0, 0]))[0].round(3)
    array([ 1.   , -0.333, -0.333, -0.333])
    """
    return _apply(_left_out, reward, group, mask)


def _of_batch(function: Callable[..., Advantage]) -> Callable[..., Advantage]:
    def advantage(batch: Batch, **options: Any) -> Advantage:
        return function(batch.reward, batch.group, mask=batch.mask, **options)

    return advantage


ADVANTAGES: dict[str, Slot] = {
    "grpo": Slot(
        suggest=_of_batch(grpo),
        options={"eps": 1e-6},
        invariances=frozenset({"zero_sum", "shift", "scale", "monotone"}),
        paper="GRPO (arXiv:2402.03300): deviation from the group mean over its standard "
        "deviation. Lone attempts and groups of equal rewards give exactly 0.",
    ),
    "dr_grpo": Slot(
        suggest=_of_batch(dr_grpo),
        invariances=frozenset({"zero_sum", "shift", "linear", "monotone"}),
        paper="Dr.GRPO (arXiv:2503.20783): deviation from the group mean.",
    ),
    "rloo": Slot(
        suggest=_of_batch(rloo),
        invariances=frozenset({"zero_sum", "shift", "linear", "monotone"}),
        paper="RLOO (arXiv:2402.14740): deviation from the mean of the others.",
    ),
}
