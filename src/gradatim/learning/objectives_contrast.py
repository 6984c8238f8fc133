"""Objectives that set right replies against wrong ones of the same prompt: DPO and DRPO (torch).

Both are the four parts with an advantage that is worked out from the likelihoods themselves; the
functions `dpo_advantage` and `drpo_advantage` give it. Groups are ragged; a group without a right
or without a wrong reply adds nothing but is counted in the mean.
Axes: `row`, `token` as in objectives_parts; `pair` (a right and a wrong row of one group).
"""

from typing import NamedTuple

import torch
from torch.nn import functional

from gradatim import checks
from gradatim.learning.objectives_parts import (
    Metrics,
    Parts,
    Scale,
    Tokens,
    column,
    everywhere,
    own,
    row_means,
    row_sums,
    spread,
    surrogate,
    told,
)
from gradatim.types import Slot

__all__ = ["OBJECTIVES", "Contrast", "dpo", "dpo_advantage", "drpo", "drpo_advantage"]


class Contrast(NamedTuple):
    """What a contrast gives: (row,) float advantage, (group,) float value, not yet divided."""

    advantage: torch.Tensor
    value: torch.Tensor


def _right(tokens: Tokens) -> torch.Tensor:
    """(row,) bool; foreign replies are given as right ones."""
    solved = column(tokens, "solved")
    return solved if tokens.foreign is None else solved | tokens.foreign


def _codes(tokens: Tokens, scale: Scale) -> tuple[torch.Tensor, int, int]:
    """(row,) codes of the groups, how many are seen, and how many the mean runs over."""
    names, code = torch.unique(column(tokens, "group"), return_inverse=True)
    return code, len(names), scale.groups or max(len(names), 1)


def dpo_advantage(
    margin: torch.Tensor, right: torch.Tensor, code: torch.Tensor, n_groups: int
) -> Contrast:
    """Every right reply of a group against every wrong one.

    Args:
        margin: (row,) float, beta x (log-likelihood of the reply - that under the reference).
        right: (row,) bool.
        code: (row,) int64 in 0 .. n_groups-1.
        n_groups: number of groups.

    Returns:
        Contrast: value is the mean over a group's pairs of -log sigmoid(m+ - m-), the advantage
        minus its slope by the margin: + mean sigmoid(m- - m+) for the right, - for the wrong.

    >>> two = torch.tensor([True, False]), torch.tensor([0, 0])
    >>> dpo_advantage(torch.tensor([0.0, 0.0]), *two, 1)
    Contrast(advantage=tensor([ 0.5000, -0.5000]), value=tensor([0.6931]))
    """
    good, bad = right.nonzero()[:, 0], (~right).nonzero()[:, 0]
    i, j = (code[good][:, None] == code[bad]).nonzero(as_tuple=True)
    i, j = good[i], bad[j]
    pairs = torch.bincount(code[i], minlength=n_groups).clamp(min=1)
    gap = margin[i] - margin[j]
    pull = torch.sigmoid(-gap) / pairs[code[i]]
    zero = torch.zeros_like(margin)
    advantage = zero.index_add(0, i, pull).index_add(0, j, -pull)
    each = -functional.logsigmoid(gap) / pairs[code[i]]
    return Contrast(advantage, margin.new_zeros(n_groups).index_add(0, code[i], each))


def dpo(
    tokens: Tokens, advantage: torch.Tensor, scale: Scale, *, beta: float = 0.1
) -> tuple[torch.Tensor, Metrics]:
    """-mean log sigmoid(beta x (how much more the policy than the reference prefers the right)).

    Mask: none. Reference (of the gradient): the learning policy itself. Advantage: beta x
    `dpo_advantage`; the one that is given is not looked at.

    Args:
        tokens: with `reference`, `group` and `solved`; `foreign` replies count as right.
        advantage: (row,) float, not used.
        scale: `groups` is what the mean runs over.
        beta: > 0, strength of the hold on the reference.

    Ref: Rafailov et al. 2023, arXiv:2305.18290, eq. 7. Differs: pairs are all right-wrong pairs of
    a group; mean over a group's pairs, then over all groups, those without a pair counted as 0.
    """
    checks.within(1e-9, float("inf"), beta=beta)
    spread(advantage, tokens)
    code, seen, groups = _codes(tokens, scale)
    margin = beta * row_sums(own(tokens) - column(tokens, "reference"), tokens)
    found = dpo_advantage(margin, _right(tokens), code, seen)
    a = (beta / groups * found.advantage)[tokens.row]
    loss = surrogate(tokens, Parts(everywhere(tokens), own(tokens), a, torch.ones_like(a)))
    return told(loss, found.value.sum() / groups), {"mixed": float((found.value > 0).sum())}


def _by_group(
    values: torch.Tensor, where: torch.Tensor, code: torch.Tensor, n_groups: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """(group,) log of the sum of exp of the chosen rows, and (row,) their softmax, else 0."""
    low = values.new_full((n_groups,), -torch.inf)
    top = low.scatter_reduce(0, code[where], values[where], "amax")
    top = torch.where(torch.isfinite(top), top, 0.0)
    exp = torch.where(where, (values - top[code]).exp(), 0.0)
    total = values.new_zeros(n_groups).index_add(0, code, exp)
    return total.log() + top, exp / torch.where(total > 0, total, 1.0)[code]


class DRPO(NamedTuple):
    """Constants of DRPO: temperature of the wrong, of the lengths, and the longest reply."""

    tau: float
    length: float
    longest: int


def drpo_advantage(
    score: torch.Tensor, tokens: Tokens, code: torch.Tensor, constants: DRPO
) -> Contrast:
    """Right replies by their brevity, wrong ones by their likelihood; no right one is ever pushed.

    Args:
        score: (row,) float, mean log-probability of the reply's tokens.
        tokens: `solved` and `lengths` are used.
        code: (row,) int64 codes of the groups, from 0.
        constants: see DRPO.

    Returns:
        Contrast: value of a group is sum of w s over the right - tau log mean exp(s / tau) over
        the wrong, to be made large; the advantage is its slope by the scores: the weights w of
        the right (they sum to 1), minus the softmax of s / tau of the wrong (sums to -1).
    """
    right = _right(tokens)
    seen = int(code.max()) + 1 if len(code) else 0
    good = torch.bincount(code[right], minlength=seen)
    bad = torch.bincount(code[~right], minlength=seen)
    mixed = (good > 0) & (bad > 0)
    brief = (1 - tokens.lengths.to(score.dtype) / constants.longest) / constants.length
    _, w = _by_group(brief, right, code, seen)
    level, push = _by_group(score / constants.tau, ~right, code, seen)
    advantage = torch.where(mixed[code], w - push, 0.0)
    pulled = score.new_zeros(seen).index_add(0, code, w * score)
    value = pulled - constants.tau * (level - bad.clamp(min=1).log())
    return Contrast(advantage, torch.where(mixed, value, 0.0))


def drpo(
    tokens: Tokens,
    advantage: torch.Tensor,
    scale: Scale,
    *,
    tau: float = 10.0,
    length: float = 0.1,
    beta: float = 1e3,
    delta: float = 1e-4,
) -> tuple[torch.Tensor, Metrics]:
    """Lift right replies, the shorter the more, and press wrong ones, the likelier the more.

    Mask: none. Reference (of the gradient): the learning policy itself. Advantage:
    `drpo_advantage`; the one that is given is not looked at. Off-policy, + beta x
    max(0, KL - delta) x KL with the first factor fixed, KL = the mean over rows of the mean over
    tokens of log old - log policy; on-policy that is 0 and has no gradient.

    Args:
        tokens: with `group` and `solved`; `foreign` replies count as right.
        advantage: (row,) float, not used.
        scale: `groups` is what the mean runs over, `longest` the longest reply.
        tau: > 0, temperature of the wrong replies: small ones press the likeliest alone.
        length: > 0, temperature of the lengths; inf weighs all right replies the same (DisCO).
        beta, delta: of the hold on the policy that sampled.

    Ref: Li et al. 2025, arXiv:2510.04474; constants of the released script. Differs: groups may
    have any sizes; all groups are counted in the mean.

    >>> part = Tokens(torch.tensor([0.5, 0.5, 0.25]).log(), None, torch.arange(3),
    ...     torch.ones(3, dtype=torch.int64), group=torch.zeros(3, dtype=torch.int64),
    ...     solved=torch.tensor([True, True, False]))
    >>> loss, _ = drpo(part, torch.zeros(3), Scale(3, 3, 1))
    >>> round(loss.item(), 4)  # -(log 1/2 - log 1/4)
    -0.6931
    """
    checks.within(1e-9, float("inf"), tau=tau, length=length)
    checks.within(0, float("inf"), beta=beta, delta=delta)
    spread(advantage, tokens)
    code, _, groups = _codes(tokens, scale)
    score = row_means(own(tokens), tokens)
    found = drpo_advantage(score, tokens, code, DRPO(tau, length, scale.longest))
    a = (found.advantage / groups)[tokens.row]
    counts = 1.0 / tokens.lengths[tokens.row].to(a.dtype)
    loss = surrogate(tokens, Parts(everywhere(tokens), own(tokens), a, counts))
    loss = told(loss, -found.value.sum() / groups)
    if tokens.old is None or not beta:
        return loss, {"kl": 0.0}
    away = row_means(tokens.old - tokens.logp, tokens).sum() / scale.rows
    return loss + beta * (away.detach() - delta).clamp(min=0) * away, {"kl": away.item()}


_GROUPED = frozenset({"logp", "group", "solved", "mixed_rows"})

OBJECTIVES = {
    "dpo": Slot(
        suggest=dpo,
        options={"beta": 0.1},
        bounds={"beta": checks.POSITIVE},
        needs=_GROUPED | {"reference"},
        invariances=frozenset({"additive", "own_advantage"}),
        paper="DPO (arXiv:2305.18290 eq. 7). Differs: all right-wrong pairs of a prompt, mean "
        "over pairs, then over prompts.",
    ),
    "drpo": Slot(
        suggest=drpo,
        options={"tau": 10.0, "length": 0.1, "beta": 1e3, "delta": 1e-4},
        bounds={
            "tau": checks.POSITIVE,
            "length": checks.POSITIVE,
            "beta": checks.AT_LEAST_0,
            "delta": checks.AT_LEAST_0,
        },
        needs=_GROUPED | {"trust"},
        invariances=frozenset({"additive", "own_advantage"}),
        paper="DRPO (arXiv:2510.04474): right replies weighed among themselves by brevity, wrong "
        "ones by likelihood. Differs: groups of any sizes.",
    ),
}
