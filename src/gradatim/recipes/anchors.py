"""Anchors: problems that are probed now and then and never learned from.

The slots that choose see a pool without them (`View`); the belief sees all of it, and is told what
came of the probes. Axes: `problem` (the whole pool), `open` (the pool without anchors), `row`,
`attempt`.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gradatim import checks
from gradatim.choice import plans
from gradatim.errors import ArgumentError
from gradatim.recipes import rounds
from gradatim.recipes.batches import TOKENS
from gradatim.recipes.rounds import Entry
from gradatim.types import ROLES, Ask, Batch, Belief, Plan, Pool

PROBE = ROLES.index("probe")


class View(NamedTuple):
    """What of a pool may be learned from.

    Attributes:
        whole: the pool with its anchors.
        pool: without them.
        problems: in its order.
        at: (open,) int, where they stand in the whole pool.
        place: (problem,) int, where they stand here; -1 for anchors.
    """

    whole: Pool
    pool: Pool
    problems: Sequence[Any]
    at: np.ndarray
    place: np.ndarray

    def belief(self, belief: Belief) -> Belief:
        """What is believed of them."""
        at, draw = self.at, belief.draw
        return Belief(belief.alpha[at], belief.beta[at], lambda rng, m: draw(rng, m)[:, at])

    def ask(self, ask: Ask) -> Ask:
        """The question without anchors: their rows are empty, attempts on them masked."""
        rows, so_far = ask.rows, ask.so_far
        if rows is not None:
            n = np.where(self.place[rows.problem] < 0, 0, rows.n)
            rows = dataclasses.replace(rows, n=n, problem=self._here(rows.problem))
        if so_far is not None:
            so_far = dataclasses.replace(so_far, problem=self._here(so_far.problem))
        return dataclasses.replace(
            ask,
            pool=self.pool,
            belief=self.belief(ask.belief),
            rows=rows,
            so_far=so_far,
            problems=self.problems,
        )

    def _here(self, problem: np.ndarray) -> np.ndarray:
        return np.maximum(self.place[problem], 0)  # rows of anchors count for nothing anywhere


def batch(view: View | None, batch: Batch) -> Batch:
    """The attempts that are not on anchors, as the slots that choose know the problems."""
    if view is None:
        return batch
    mine = view.place[batch.problem] >= 0
    columns: dict[str, Any] = {
        f.name: getattr(batch, f.name)
        for f in dataclasses.fields(Batch)
        if f.name not in ("step", *TOKENS)  # which no slot that chooses reads
    }
    whole = {k: v[mine] for k, v in columns.items() if v is not None}
    whole["problem"] = view.place[whole["problem"]]
    return Batch(step=batch.step, **whole)


def mark(pool: Pool, anchors: Any) -> Pool:
    """The pool with some problems marked as anchors, beside those that it marks already.

    Args:
        pool: of all problems.
        anchors: (anchor,) int, indices of problems.

    Raises:
        ArgumentError: no such problem, or none that is not an anchor.

    >>> plain = Pool(source=np.zeros(3, int), sources=("all",), floor=np.zeros(3))
    >>> mark(plain, [2]).anchors
    array([False, False,  True])
    """
    at = np.asarray(anchors)
    if not at.size:
        return pool
    if at.ndim != 1 or at.dtype.kind not in "iu":
        raise ArgumentError(
            f"`anchors` must hold indices of problems, got {at.dtype} of shape {at.shape}"
        )
    checks.within(0, len(pool.source) - 1, anchors=at)
    marked = np.zeros(len(pool.source), dtype=bool)
    if pool.anchors is not None:
        marked |= pool.anchors
    marked[at] = True
    return dataclasses.replace(pool, anchors=marked)


def view(pool: Pool, problems: Sequence[Any]) -> View | None:
    """What may be learned from; None where the pool has no anchors.

    Raises:
        ArgumentError: every problem is an anchor.
    """
    if pool.anchors is None or not pool.anchors.any():
        return None
    at = np.flatnonzero(~pool.anchors)
    if not len(at):
        raise ArgumentError(
            f"all {len(problems)} problems are anchors: there is nothing to learn from"
        )
    place = np.full(len(pool.anchors), -1)
    place[at] = np.arange(len(at))
    columns: dict[str, Any] = {
        f.name: None if (value := getattr(pool, f.name)) is None else value[at]
        for f in dataclasses.fields(Pool)
        if f.name not in ("sources", "anchors")
    }
    own = [problems[i] for i in at.tolist()]
    return View(pool, Pool(**columns, sources=pool.sources), own, at, place)


def owed(view: View | None, ask: Ask, *, share: float, tally: Mapping[str, int]) -> int:
    """Probes of a round: of the first of a step, what is due over the run so far.

    Args:
        view: None where there are no anchors.
        ask: the round.
        share: of all attempts, that goes to probes.
        tally: attempts `asked` for and `probed` before this step.
    """
    if view is None or ask.round:
        return 0
    planned = tally["asked"] + ask.left
    return due(share, planned=planned, made=tally["probed"], left=ask.left)


def plan_round(
    view: View | None,
    slots: Mapping[str, Entry],
    ask: Ask,
    rng: np.random.Generator,
    *,
    owed: int,
    tally: Mapping[str, int],
) -> tuple[Plan | None, int]:
    """A round as if there were no anchors, and probes of them after its rows.

    Args:
        view: None where there are no anchors.
        slots, ask, rng: see `rounds.plan_round`.
        owed: probes to add.
        tally: with those `probed` before.
    """
    if view is None:
        return rounds.plan_round(slots, ask, rng)
    spendable = dataclasses.replace(ask, left=ask.left - owed)
    plan, drawn = rounds.plan_round(slots, view.ask(spendable), rng)
    if plan is None:
        return None, drawn
    plan = dataclasses.replace(plan, problem=view.at[plan.problem])
    first = int(plan.group.max()) + 1
    added = probes(
        view.whole, owed, step=ask.step, made=tally["probed"], group=first, seed=ask.seed
    )
    if added is None:
        return plan, drawn
    both = plans.join(plan, added)
    return dataclasses.replace(both, round=plan.round, start=plan.start, paid=plan.paid), drawn


def due(share: float, *, planned: int, made: int, left: int) -> int:
    """Probes that a step owes, so that over the run a share of all attempts goes to them.

    Args:
        share: in [0, 1).
        planned: attempts of the run up to the end of this step.
        made: probes so far.
        left: attempts of this step, of which at least one is learned from.

    >>> [due(0.1, planned=n, made=made, left=8) for n, made in ((8, 0), (16, 0), (24, 1))]
    [0, 1, 1]
    """
    return min(max(int(share * planned + 1e-9) - made, 0), left - 1)


def probes(pool: Pool, n: int, *, step: int, made: int, group: int, seed: int) -> Plan | None:
    """Rows that probe the anchors: all of them in turn, in an order of their own in every sweep.

    Args:
        pool: with anchors.
        n: attempts.
        step: of the curriculum.
        made: probes of earlier steps; the sweep goes on from there.
        group: first label; every row is a group of its own.
        seed: of the run.
    """
    if not n or pool.anchors is None:
        return None
    whole = np.flatnonzero(pool.anchors)
    size = len(whole)
    parts = []
    for sweep in range(made // size, (made + n - 1) // size + 1):
        order = np.random.default_rng([seed, sweep, PROBE]).permutation(whole)
        base = sweep * size
        parts.append(order[max(made - base, 0) : made + n - base])
    problem, count = np.unique(np.concatenate(parts), return_counts=True)
    share, why = np.full(len(problem), n / size), np.full(len(problem), "anchor")
    plan = plans.give(plans.rows(problem, step=step, propensity=share, why=why), count)
    return dataclasses.replace(
        plan, role=np.full(len(problem), PROBE), group=group + np.arange(len(problem))
    )
