"""How good each attempt was, compared with the others on the same prompt.

Axes: `attempt`, flat and ragged; `group` labels rows that share a prompt, of any sizes and in any
order; `row`, the attempts that take part. Numpy in float64; no gradient flows through. Every
function returns (advantage, keep): the advantage is 0 and keep False where an attempt gives no
gradient, which for the estimators of this file is the case where it is masked, alone, or in a
group whose rewards are all exactly equal. Rewards are compared and centred about a reward of the
group, so offsets cancel and equal rewards give exactly 0.

Masked attempts take no part: they are in no mean and no deviation.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from gradatim import checks, groups
from gradatim.errors import ArgumentError
from gradatim.types import ROLES, Batch, Slot

PROBE = ROLES.index("probe")

Advantage = tuple[np.ndarray, np.ndarray]


class Rows(NamedTuple):
    """The attempts that take part.

    Attributes:
        reward: (row,) float64, finite.
        code: (row,) int, group of each, 0 .. n_groups-1.
        n_groups: of the codes; some may be empty.
        where: which attempts the rows are.
        size: attempts in all.
    """

    reward: np.ndarray
    code: np.ndarray
    n_groups: int
    where: np.ndarray | slice
    size: int


def taking_part(reward: np.ndarray, group: np.ndarray, mask: np.ndarray | None = None) -> Rows:
    """The unmasked attempts, checked.

    Args:
        reward: (attempt,) float, finite where mask is True.
        group: (attempt,) labels.
        mask: (attempt,) bool; None = all take part.

    Raises:
        ArgumentError: axes that differ, a reward that is NaN or infinite.
    """
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
    code, n_groups = _codes(g)
    return Rows(r, code, n_groups, where, size)


def _codes(group: np.ndarray) -> tuple[np.ndarray, int]:
    """Codes for counting; labels that already are small integers stay as they are."""
    if not len(group):
        return np.zeros(0, dtype=np.int64), 0
    if group.dtype.kind in "iu":
        low, high = int(group.min()), int(group.max())
        if low >= 0 and high < 4 * len(group) + 64:
            return group, high + 1
    return groups.codes(group)


def column(rows: Rows, name: str, values: Any, *, low: float = -np.inf) -> np.ndarray:
    """(row,) float64: another column of the attempts that take part, finite and at least `low`.

    Raises:
        ArgumentError: of another length, NaN, infinite or below `low`.
    """
    values = np.asarray(values)
    checks.shapes(reward=(np.empty(rows.size), "attempt"), **{name: (values, "attempt")})
    part = values[rows.where].astype(np.float64)
    checks.finite(**{name: part})
    if len(part) and part.min() < low:
        raise ArgumentError(f"`{name}` must be at least {low}, got {part.min()}; is it known?")
    return part


def placed(rows: Rows, values: np.ndarray, keep: np.ndarray | None = None) -> Advantage:
    """Values of the rows among all attempts, 0 where not kept.

    Args:
        rows: the attempts that take part.
        values: (row,) float.
        keep: (row,) bool; None = those in groups with at least two different rewards.
    """
    if keep is None:
        keep = groups.mixed(rows.reward, rows.code, rows.n_groups)[rows.code]
    if len(keep) == rows.size:
        return np.where(keep, values, 0.0), keep
    advantage, kept = np.zeros(rows.size), np.zeros(rows.size, dtype=bool)
    advantage[rows.where], kept[rows.where] = np.where(keep, values, 0.0), keep
    return advantage, kept


# -- estimators -------------------------------------------------------------------------------


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
    rows = taking_part(reward, group, mask)
    return placed(rows, groups.scores(rows.reward, rows.code, rows.n_groups, eps=eps))


def dr_grpo(reward: np.ndarray, group: np.ndarray, *, mask: np.ndarray | None = None) -> Advantage:
    """reward - group mean.

    Ref: Liu et al. 2025, arXiv:2503.20783, without the division by the deviation; its constant
    length is a matter of the objective (`aggregate="constant"`).

    >>> dr_grpo(np.array([1.0, 0, 0, 0]), np.array([0, 0, 0, 0]))[0]
    array([ 0.75, -0.25, -0.25, -0.25])
    """
    rows = taking_part(reward, group, mask)
    return placed(rows, groups.deviations(rows.reward, rows.code, rows.n_groups))


def rloo(reward: np.ndarray, group: np.ndarray, *, mask: np.ndarray | None = None) -> Advantage:
    """reward - mean of the other attempts of its group, which is n / (n - 1) x dr_grpo.

    Ref: Ahmadian et al. 2024, arXiv:2402.14740; Kool et al. 2019. verl keeps the raw reward of a
    lone attempt; here it is 0.

    >>> rloo(np.array([1.0, 0, 0, 0]), np.array([0, 0, 0, 0]))[0].round(3)
    array([ 1.   , -0.333, -0.333, -0.333])
    """
    rows = taking_part(reward, group, mask)
    n = groups.counts(rows.code, rows.n_groups)
    # a lone attempt has nobody to be compared with; its deviation is 0 whatever the factor
    factor = (n / np.maximum(n - 1, 1))[rows.code]
    return placed(rows, groups.deviations(rows.reward, rows.code, rows.n_groups) * factor)


def opo(
    reward: np.ndarray, group: np.ndarray, length: np.ndarray, *, mask: np.ndarray | None = None
) -> Advantage:
    """reward - length-weighted group mean, sum(length x reward) / sum(length).

    The baseline of least gradient variance where a reply's squared gradient grows as its length.

    Args:
        reward, group, mask: as in `grpo`.
        length: (attempt,) tokens, at least 0 where mask is True.

    Ref: Hao et al. 2025, arXiv:2505.23585, on-policy reinforcement learning with the optimal
    baseline. verl keeps the raw reward of a lone attempt; here it is 0.

    >>> opo(np.array([1.0, 0, 0]), np.zeros(3, int), np.array([10, 10, 20]))[0]
    array([ 0.75, -0.25, -0.25])
    """
    rows = taking_part(reward, group, mask)
    tokens = column(rows, "length", length, low=0)
    centred = groups.deviations(rows.reward, rows.code, rows.n_groups)
    total = groups.sums(tokens, rows.code, rows.n_groups)
    # about the plain mean, so that offsets cancel; groups of empty replies keep that mean
    above = groups.sums(tokens * centred, rows.code, rows.n_groups) / np.where(total, total, 1.0)
    return placed(rows, centred - above[rows.code])


def reinforce_pp(
    reward: np.ndarray, group: np.ndarray, *, mask: np.ndarray | None = None, eps: float = 1e-6
) -> Advantage:
    """(reward - group mean) / (standard deviation of that over the whole batch + eps).

    Ref: Hu et al. 2025, arXiv:2501.03262, REINFORCE++ with the group mean as baseline. Differs:
    the deviation is over attempts, where the paper's is over tokens, so long replies do not count
    more; there is no KL term in the reward.

    >>> reinforce_pp(np.array([1.0, 0, 1, 1]), np.array([0, 0, 1, 1]), eps=0.0)[0].round(3)
    array([ 1.414, -1.414,  0.   ,  0.   ])
    """
    checks.within(0, np.inf, eps=eps)
    rows = taking_part(reward, group, mask)
    centred = groups.deviations(rows.reward, rows.code, rows.n_groups)
    spread = np.sqrt(np.mean(centred**2)) + eps if len(centred) else 1.0
    return placed(rows, centred / (spread or 1.0))


def remax(
    reward: np.ndarray, group: np.ndarray, greedy: np.ndarray, *, mask: np.ndarray | None = None
) -> Advantage:
    """reward - reward of the group's greedy attempt, which itself gives no gradient.

    Args:
        reward, group, mask: as in `grpo`.
        greedy: (attempt,) bool, the attempts made at temperature 0; several of a group are
            averaged, a group without one gives nothing.

    Ref: Li et al. 2023, arXiv:2310.10505, algorithm 1. Not registered: a plan has one sampling
    temperature.

    >>> remax(np.array([1.0, 0, 0]), np.zeros(3, int), np.array([False, False, True]))[0]
    array([1., 0., 0.])
    """
    rows = taking_part(reward, group, mask)
    base = column(rows, "greedy", greedy) > 0
    first = rows.reward[groups.firsts(rows.code, rows.n_groups)] if len(rows.reward) else np.ones(0)
    above = rows.reward - first[rows.code]
    n = groups.counts(rows.code[base], rows.n_groups)
    mean = groups.sums(above[base], rows.code[base], rows.n_groups) / np.maximum(n, 1)
    value = above - mean[rows.code]
    return placed(rows, value, ~base & (n > 0)[rows.code] & (value != 0))


def needed(batch: Batch, name: str) -> np.ndarray:
    """A column of the batch.

    Raises:
        ArgumentError: the trainer did not give it.
    """
    found = getattr(batch, name, None)
    if found is None:
        raise ArgumentError(f"the batch has no column `{name}`; give it to `observe`")
    return found


def learned(batch: Batch) -> np.ndarray:
    """(attempt,) bool: attempts that take part, which are the unmasked ones but for probes."""
    return np.asarray(batch.mask, dtype=bool) & (np.asarray(batch.role) != PROBE)


def of_batch(function: Callable[..., Advantage], *columns: str) -> Callable[..., Advantage]:
    """A slot's `suggest` from a function of rewards, groups and further columns."""

    def advantage(batch: Batch, **options: Any) -> Advantage:
        more = [needed(batch, name) for name in columns]
        return function(batch.reward, batch.group, *more, mask=learned(batch), **options)

    return advantage


ADVANTAGES: dict[str, Slot] = {
    "grpo": Slot(
        suggest=of_batch(grpo),
        options={"eps": 1e-6},
        bounds={"eps": checks.AT_LEAST_0},
        invariances=frozenset({"zero_sum", "shift", "scale", "monotone", "silent"}),
        paper="GRPO (arXiv:2402.03300): deviation from the group mean over its standard "
        "deviation. Lone attempts and groups of equal rewards give exactly 0.",
    ),
    "dr_grpo": Slot(
        suggest=of_batch(dr_grpo),
        invariances=frozenset({"zero_sum", "shift", "linear", "monotone", "silent"}),
        paper="Dr.GRPO (arXiv:2503.20783): deviation from the group mean.",
    ),
    "rloo": Slot(
        suggest=of_batch(rloo),
        invariances=frozenset({"zero_sum", "shift", "linear", "monotone", "silent"}),
        paper="RLOO (arXiv:2402.14740): deviation from the mean of the others.",
    ),
    "opo": Slot(
        suggest=of_batch(opo, "length"),
        invariances=frozenset({"length_zero_sum", "shift", "linear", "monotone", "silent"}),
        paper="OPO (arXiv:2505.23585): deviation from the length-weighted group mean. Lone "
        "attempts give 0.",
    ),
    "reinforce_pp": Slot(
        suggest=of_batch(reinforce_pp),
        options={"eps": 1e-6},
        bounds={"eps": checks.AT_LEAST_0},
        invariances=frozenset({"zero_sum", "shift", "scale", "monotone", "silent"}),
        paper="REINFORCE++ with baseline (arXiv:2501.03262): deviation from the group mean over "
        "the batch's deviation, taken over attempts where the paper takes it over tokens.",
    ),
}
