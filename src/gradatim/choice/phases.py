"""Budgets that spend a step in rounds: each round is decided by what the earlier ones brought.

Axes: `row` (a plan), `group` (of a step, all its rounds), `attempt` (a batch).
"""

import numpy as np

from gradatim import checks, groups
from gradatim.choice import plans
from gradatim.types import Ask, Batch, Plan, Slot


def spread_of(so_far: Batch | None, n_groups: int) -> tuple[np.ndarray, np.ndarray]:
    """(group,) attempts that came back, and (group,) bool whether their rewards differ.

    Compared exactly: a standard deviation of exactly zero depends on rounding.
    """
    if so_far is None or not so_far.mask.any():
        return np.zeros(n_groups, dtype=np.int64), np.zeros(n_groups, dtype=bool)
    live = so_far.mask
    code = so_far.group[live]
    return groups.counts(code, n_groups), groups.mixed(so_far.reward[live], code, n_groups)


def _target(ask: Ask, size: int, keep: float) -> int:
    whole = ask.left + (0 if ask.rows is None else int(ask.rows.n.sum()))
    return max(round(keep * min(ask.prompts, whole // size)), 1)


def want_refill(state: tuple, ask: Ask, *, size: int = 8, keep: float = 0.5) -> int:
    """Prompts that are still missing until `keep` of the step's groups are mixed."""
    checks.within(2, np.inf, size=size)
    checks.within(0, 1, keep=keep)
    mixed = 0
    if ask.rows is not None:
        n_groups = int(ask.rows.group.max()) + 1
        mixed = int(spread_of(ask.so_far, n_groups)[1].sum())
    missing = _target(ask, size, keep) - mixed
    return max(min(missing, ask.left // size), 1 if ask.round == 0 else 0)


def refill(
    state: tuple, ask: Ask, rng: np.random.Generator, *, size: int = 8, keep: float = 0.5
) -> Plan | None:
    """Groups of `size`; as many fresh ones in each round as are still missing.

    A step is full when `keep` of the groups that its rollouts could pay for are mixed. Groups
    whose rewards are all equal are paid for and give no gradient; what a full step leaves of its
    rollouts is not spent.

    Ref: DAPO, Yu et al. 2025, arXiv:2503.14476, section 3.2 (dynamic sampling). Differs: a step
    has a fixed most to spend, so a hard pool ends a step short of mixed groups instead of going
    on; every attempt of an evicted group counts as spent.
    """
    if ask.plan is None:
        return None
    plan = plans.fit(ask.plan, left=ask.left, least=size, rng=rng)
    if ask.left < size:
        return plans.give(plan, np.array([ask.left]))
    return plans.give(plan, np.full(len(plan.problem), size))


BUDGETS: dict[str, Slot] = {
    "refill": Slot(
        suggest=refill,
        want=want_refill,
        options={"size": 8, "keep": 0.5},
        needs=frozenset({"rounds"}),
        invariances=frozenset({"within_total"}),
        paper="DAPO's dynamic sampling (arXiv:2503.14476), the cost of evicted groups counted.",
    ),
}
