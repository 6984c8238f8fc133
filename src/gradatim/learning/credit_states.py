"""Credit where attempts meet: steps from the same state, segments from the same node of a tree.

Axes: `attempt` as in advantages.py, `token` and `segment` as in credit.py, `step`, flat: one entry
for each step of an attempt, in any order across attempts, in time order within one.
"""

from typing import Any, NamedTuple

import numpy as np

from gradatim import checks, groups
from gradatim.errors import ArgumentError
from gradatim.learning.advantages import (
    Advantage,
    dr_grpo,
    grpo,
    learned,
    needed,
    of_batch,
    placed,
    taking_part,
)
from gradatim.learning.credit import segments, spread, token_column
from gradatim.types import Batch, Slot

GOLDEN = 0x9E3779B97F4A7C15


class Steps(NamedTuple):
    """Steps of all attempts.

    Attributes:
        attempt: (step,) int, index of the attempt.
        anchor: (step,) labels of the state that a step starts from; equal states, equal labels.
        value: (step,) float, discounted return from that step on.
    """

    attempt: np.ndarray
    anchor: np.ndarray
    value: np.ndarray


def step_returns(reward: np.ndarray, attempt: np.ndarray, *, gamma: float) -> np.ndarray:
    """(step,) float: sum of the rewards of a step and those after it, each step discounted.

    Args:
        reward: (step,) float, steps of an attempt in time order.
        attempt: (step,) int >= 0, labels.
        gamma: in [0, 1], discount of one step.

    >>> step_returns(np.array([0.0, 0.0, 1.0]), np.array([0, 0, 0]), gamma=0.5)
    array([0.25, 0.5 , 1.  ])
    """
    checks.within(0, 1, gamma=gamma)
    checks.shapes(reward=(reward, "step"), attempt=(attempt, "step"))
    out = np.array(reward, dtype=np.float64)
    back = np.asarray(attempt)[::-1]
    rank = groups.ranks(np.arange(len(back)), back)  # steps that follow in the attempt
    order = len(back) - 1 - groups.order(rank, np.zeros(len(back), dtype=np.int64))
    sizes = np.bincount(rank)
    later = np.full(int(back.max(initial=-1)) + 1, 0.0)
    for at in np.split(order, np.cumsum(sizes)[:-1]) if len(order) else []:
        out[at] += gamma * later[attempt[at]]
        later[attempt[at]] = out[at]
    return out


def prefix_states(tokens: np.ndarray, length: np.ndarray, begin: np.ndarray) -> np.ndarray:
    """(token,) int >= 0: label of what was written before each token; equal texts, equal labels.

    In a task of one turn the state before a token is the text so far. Labels are 63-bit hashes, so
    they agree between calls.

    Args:
        tokens: (token,) int >= 0, the replies one after the other.
        length: (attempt,) int, tokens of each reply.
        begin: (attempt,) int, label of what was there before the reply.

    >>> label = prefix_states(np.array([5, 6, 5, 7]), np.array([2, 2]), np.array([0, 0]))
    >>> bool(label[1] == label[3])
    True
    """
    tokens, length = token_column("tokens", tokens, length), np.asarray(length)
    checks.shapes(length=(length, "attempt"), begin=(begin, "attempt"))
    now = np.asarray(begin).astype(np.uint64)
    out = np.zeros(len(tokens), dtype=np.uint64)
    start = np.cumsum(length) - length
    for t in range(int(length.max(initial=0))):
        rows = np.flatnonzero(length > t)
        out[start[rows] + t] = now[rows]
        # a step of splitmix64 (Steele et al. 2014), which spreads the sum over all bits
        mixed = now[rows] + (tokens[start[rows] + t].astype(np.uint64) + 1) * np.uint64(GOLDEN)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        now[rows] = mixed ^ (mixed >> np.uint64(31))
    return (out >> np.uint64(1)).astype(np.int64)


def gigpo(
    reward: np.ndarray,
    group: np.ndarray,
    steps: Steps,
    *,
    mask: np.ndarray | None = None,
    weight: float = 1.0,
    scale: bool = False,
    eps: float = 1e-6,
) -> Advantage:
    """Advantage of the attempt in its group + weight x that of the step among equal states.

    A step is compared with all steps of the group's attempts that start from the same state. One
    that starts from a state of its own has nothing to be compared with and gets only the first
    part; a lone attempt has a first part of 0 (the released code leaves it its raw reward).

    Args:
        reward, group, mask: as in `advantages.grpo`; each attempt counts once, however many steps
            it has.
        steps: see Steps.
        weight: >= 0.
        scale: divide both parts by the standard deviation (+ eps), as the paper's other mode.
        eps: added to the deviation.

    Returns:
        (step,) float advantage and (attempt,) bool keep.

    Ref: Feng et al. 2025, arXiv:2505.10978, eq. 5 to 8 as recalled. States match by equal labels;
    the code can also match similar texts.

    >>> steps = Steps(np.array([0, 0, 1, 1]), np.array([7, 8, 7, 9]), np.array([1.0, 1, 0, 0]))
    >>> gigpo(np.array([1.0, 0.0]), np.zeros(2, int), steps)[0]
    array([ 1. ,  0.5, -1. , -0.5])
    """
    checks.within(0, np.inf, weight=weight, eps=eps)
    of_group = (
        grpo(reward, group, mask=mask, eps=eps) if scale else dr_grpo(reward, group, mask=mask)
    )
    attempt, anchor = np.asarray(steps.attempt), np.asarray(steps.anchor)
    sizes = {"attempt": (attempt, "step"), "anchor": (anchor, "step")}
    checks.shapes(**sizes, value=(steps.value, "step"))
    checks.within(0, len(of_group[0]) - 1, **{"steps.attempt": attempt})
    live = np.ones(len(of_group[0]), bool) if mask is None else np.asarray(mask, bool)
    at = np.flatnonzero(live[attempt])
    checks.finite(**{"steps.value": np.asarray(steps.value)[at]})
    prompt, state = groups.codes(np.asarray(group)[attempt[at]])[0], groups.codes(anchor[at])
    code, n = groups.codes(prompt * max(state[1], 1) + state[0])
    among = np.zeros(len(attempt))
    value = np.asarray(steps.value, dtype=np.float64)[at]
    among[at] = (
        groups.scores(value, code, n, eps=eps) if scale else groups.deviations(value, code, n)
    )
    advantage = of_group[0][attempt] + weight * among
    keep = of_group[1] | (np.bincount(attempt, advantage != 0, minlength=len(live)) > 0)
    return advantage, keep


def _gigpo_of(batch: Batch, *, gamma: float, **options: Any) -> Advantage:
    """Steps begin at the tokens where `anchor` is not negative; the reward comes at the end."""
    anchor = token_column("anchor", needed(batch, "anchor"), batch.length)
    parts = segments(anchor >= 0, batch.length)
    live = learned(batch)
    rows = taking_part(batch.reward, batch.group, live)  # refuses rewards that are NaN
    known = np.zeros(rows.size)
    known[rows.where] = rows.reward
    value = step_returns(np.where(parts.last, known[parts.attempt], 0), parts.attempt, gamma=gamma)
    steps = Steps(parts.attempt, anchor[parts.start], value)
    advantage, keep = gigpo(batch.reward, batch.group, steps, mask=live, **options)
    # tokens before the first step, and replies without steps, have the attempt's own advantage
    of_attempt, kept = (grpo if options["scale"] else dr_grpo)(batch.reward, batch.group, mask=live)
    within = spread(np.ones(len(parts.start)), parts, len(anchor)) > 0
    whole = np.repeat(of_attempt, batch.length)
    return np.where(within, spread(advantage, parts, len(anchor)), whole), keep | kept


def spo_tree(
    reward: np.ndarray,
    group: np.ndarray,
    parent: np.ndarray,
    *,
    mask: np.ndarray | None = None,
    scale: bool = False,
    eps: float = 1e-6,
) -> Advantage:
    """Value of a segment - mean value of all segments that continue the same one.

    Every row is a segment of a tree of replies. A leaf's value is its reward, any other's the mean
    value of the segments that continue it, so the advantage is value after - value before. With no
    parents it is `dr_grpo`.

    Args:
        reward: (attempt,) float, finite where mask is True; read at leaves only.
        group: (attempt,) labels; segments that continue none are compared within the prompt.
        parent: (attempt,) int, index of the row that a row continues, -1 = the prompt.
        mask: (attempt,) bool; masked leaves have no value, other masked rows have one but no
            advantage.
        scale: divide by the standard deviation among siblings (+ eps).
        eps: added to the deviation.

    Returns:
        (attempt,) float advantage and (attempt,) bool keep.

    Ref: Guo et al. 2025, arXiv:2505.23564, SPO-tree (branching 6-6-6). Reading: the formula of an
    edge was not traced in their code; child - mean of its siblings is value after - before.

    >>> reward, parent = np.array([0, 0, 1, 1, 1, 0.0]), np.array([-1, -1, 0, 0, 1, 1])
    >>> spo_tree(reward, np.zeros(6, int), parent)[0]
    array([ 0.25, -0.25,  0.  ,  0.  ,  0.5 , -0.5 ])
    """
    checks.within(0, np.inf, eps=eps)
    group, parent = np.asarray(group), np.asarray(parent)
    sizes = checks.shapes(
        reward=(reward, "attempt"), group=(group, "attempt"), parent=(parent, "attempt")
    )
    live = np.ones(sizes["attempt"], bool) if mask is None else np.asarray(mask, bool)
    checks.within(-1, len(live) - 1, parent=parent)
    leaf = np.bincount(parent[parent >= 0], minlength=len(live)) == 0
    value = _tree_values(np.asarray(reward, dtype=np.float64), parent, leaf, live)
    known = ~np.isnan(value)
    family = np.where(parent >= 0, parent, len(live) + groups.codes(group)[0])
    rows = taking_part(value, family, known)
    of = groups.scores if scale else groups.deviations
    more = {"eps": eps} if scale else {}
    advantage, keep = placed(rows, of(rows.reward, rows.code, rows.n_groups, **more))
    return np.where(live, advantage, 0.0), keep & live


def _tree_values(
    reward: np.ndarray, parent: np.ndarray, leaf: np.ndarray, live: np.ndarray
) -> np.ndarray:
    """(attempt,) float: value of each node, NaN where it has no unmasked leaf below."""
    taking_part(reward, np.zeros(len(reward), int), leaf & live)  # refuses NaN
    levels = [np.flatnonzero(parent < 0)]
    below = np.zeros(len(parent), dtype=bool)
    while len(levels[-1]):
        below[:] = False
        below[levels[-1]] = True
        levels.append(np.flatnonzero((parent >= 0) & below[parent]))
    if sum(map(len, levels)) < len(parent):
        raise ArgumentError("`parent` runs in a circle: every row must lead to one without parent")
    value = np.where(leaf & live, reward, np.nan)
    for level in levels[:0:-1]:
        rows = level[~np.isnan(value[level])]
        if len(rows):
            mean = groups.means(value[rows], parent[rows], len(parent))
            value = np.where(np.isnan(mean), value, mean)
    return value


ADVANTAGES: dict[str, Slot] = {
    "gigpo": Slot(
        suggest=_gigpo_of,
        options={"gamma": 0.95, "weight": 1.0, "scale": False, "eps": 1e-6},
        bounds={"gamma": checks.SHARE, "weight": checks.AT_LEAST_0, "eps": checks.AT_LEAST_0},
        needs=frozenset({"anchor", "token_advantage"}),
        invariances=frozenset({"linear", "silent_wrong"}),
        paper="GiGPO (arXiv:2505.10978): group advantage + advantage among steps from equal states "
        "(0 for a state met once). Lone attempts have a first part of 0.",
    ),
    "spo_tree": Slot(
        suggest=of_batch(spo_tree, "parent"),
        options={"scale": False, "eps": 1e-6},
        bounds={"eps": checks.AT_LEAST_0},
        needs=frozenset({"tree"}),
        invariances=frozenset({"zero_sum", "shift", "linear", "monotone", "silent"}),
        paper="SPO-tree (arXiv:2505.23564): rows are segments, value - mean value of the siblings; "
        "our reading of the edge's formula.",
    ),
}
