"""Which source to draw from: bandits whose arms are families x levels.

Axes: `source` (arms), `attempt` (a batch), `row` (a plan).
"""

from typing import Any, NamedTuple

import numpy as np

from gradatim import checks, groups
from gradatim.choice import plans
from gradatim.types import Ask, Batch, Plan, Pool, Slot


class Arms(NamedTuple):
    """Recent |advantage| of each source, as rings, and all rollouts counted.

    Attributes:
        recent: (source, memory) float; entries beyond `filled` mean nothing.
        written: (source,) int, values ever written; the next goes to written % memory.
        source: (problem,) int.
    """

    recent: np.ndarray
    written: np.ndarray
    source: np.ndarray


def init_arms(pool: Pool, *, memory: int, **_: Any) -> Arms:
    """No rollouts yet."""
    checks.within(1, np.inf, memory=memory)
    arms = len(pool.sources)
    return Arms(np.zeros((arms, memory)), np.zeros(arms, dtype=np.int64), pool.source)


def observe_arms(state: Arms, batch: Batch, **_: Any) -> Arms:
    """Write |group-normalised advantage| of each attempt to its source's ring, in batch order.

    Rings hold what arrived last, so late batches count when they arrive.
    """
    keep = batch.mask
    if not keep.any():
        return state
    code, n_groups = groups.codes(batch.group[keep])
    size = np.abs(groups.scores(batch.reward[keep], code, n_groups, eps=1e-6))
    arm = state.source[batch.problem[keep]]
    memory = state.recent.shape[1]
    order = np.argsort(arm, kind="stable")
    arm, size = arm[order], size[order]
    rank = groups.ranks(np.arange(len(arm)), arm)
    total = np.bincount(arm, minlength=len(state.written))
    fits = rank >= total[arm] - memory  # of a large batch only the last `memory` can stay
    recent = state.recent.copy()
    recent[arm[fits], (state.written[arm[fits]] + rank[fits]) % memory] = size[fits]
    return Arms(recent, state.written + total, state.source)


def arm_scores(state: Arms) -> np.ndarray:
    """(source,) float: mean |A| over the ring + sqrt(2 ln(N + 1) / (n + 1)), n in rollouts.

    >>> arm_scores(Arms(np.array([[1.0, 0.5], [0, 0]]), np.array([2, 0]), np.zeros(1, int)))
    array([1.6058085 , 1.48230381])
    """
    memory = state.recent.shape[1]
    filled = np.minimum(state.written, memory)
    held = np.where(np.arange(memory) < filled[:, None], state.recent, 0.0)
    mean = held.sum(axis=1) / np.maximum(filled, 1)
    return mean + np.sqrt(2 * np.log(state.written.sum() + 1) / (state.written + 1))


def arm_shares(state: Arms, present: np.ndarray, *, temperature: float) -> np.ndarray:
    """(source,) float: softmax(score / temperature) over the sources that hold a problem."""
    checks.within(1e-6, np.inf, temperature=temperature)
    score = np.where(present, arm_scores(state) / temperature, -np.inf)
    share = np.exp(score - score.max())
    return share / share.sum()


def ucb(
    state: Arms,
    ask: Ask,
    rng: np.random.Generator,
    *,
    temperature: float = 0.1,
    explore: float = 0.0,
    memory: int = 300,
) -> Plan:
    """Sources by upper confidence bound, problems evenly inside a source, with replacement.

    Ref: DUMP, Wang et al. 2025, arXiv:2504.09710; score and softmax as in its released code.
    Differs: fed with |group-normalised advantage| of the training rollouts, where the released
    trainer feeds mean rewards at validation; `explore` mixes in even draws over the pool.
    """
    checks.within(0, 1, explore=explore)
    source = ask.pool.source
    inside = np.bincount(source, minlength=len(ask.pool.sources))
    share = arm_shares(state, inside > 0, temperature=temperature)
    each = (1 - explore) * share / np.maximum(inside, 1) + explore / len(source)
    ends = np.cumsum(each * inside)
    arm = np.searchsorted(ends, rng.random(ask.prompts) * ends[-1], side="right")
    order = np.argsort(source, kind="stable")
    starts = np.cumsum(inside) - inside
    problem = order[starts[arm] + (rng.random(ask.prompts) * inside[arm]).astype(np.int64)]
    return plans.rows(
        problem,
        step=ask.step,
        propensity=ask.prompts * each[source[problem]],
        why=np.full(ask.prompts, "ucb"),
    )


SAMPLERS: dict[str, Slot] = {
    "ucb": Slot(
        init=init_arms,
        observe=observe_arms,
        suggest=ucb,
        options={"temperature": 0.1, "explore": 0.0, "memory": 300},
        invariances=frozenset({"propensity"}),
        paper="DUMP (arXiv:2504.09710), fed with group-normalised |advantage| of training.",
    ),
}
