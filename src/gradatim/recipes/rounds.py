"""A step as a conversation in rounds: slots are asked for rows until they have no more to ask.

One round: the sampler draws prompts, the budget gives them (and rows of earlier rounds) attempts,
the scaffold changes how they are posed or adds rows of its own. Results come back, and the next
round is planned from them and from what is left.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from gradatim import checks, groups
from gradatim.choice import plans
from gradatim.choice.budgets import mixed_share
from gradatim.errors import ArgumentError
from gradatim.learning.advantages import learned
from gradatim.types import Ask, Batch, Plan, Slot

TALLIES: tuple[str, ...] = ("drawn", "asked", "spent", "primed", "probed", "groups", "mixed")
ROUNDS = "rounds"  # what a slot needs that plans in later rounds too


class Under(NamedTuple):
    """A step under way.

    Attributes:
        rows: plan rows of all rounds so far.
        waiting: the round that is out, None between rounds.
        batch: attempts that came back, of all rounds.
        prompts, left: prompts the step wants, attempts it has left.
        round: of the plan that is out, or of the last one.
    """

    rows: Plan | None
    waiting: Plan | None
    batch: Batch | None
    prompts: int
    left: int
    round: int


class Entry(NamedTuple):
    """A slot's record with its options and its state."""

    record: Slot
    options: Mapping[str, Any]
    state: Any

    def plan(self, ask: Ask, rng: np.random.Generator) -> Plan | None:
        """The rows that the slot suggests."""
        return self.record.suggest(self.state, ask, rng, **self.options)

    def want(self, ask: Ask) -> int:
        """Prompts for this round."""
        return self.record.want(self.state, ask, **self.options)

    def hold(self, ask: Ask) -> int:
        """Attempts kept back."""
        return self.record.hold(self.state, ask, **self.options)


def plan_round(
    slots: Mapping[str, Entry], ask: Ask, rng: np.random.Generator
) -> tuple[Plan | None, int]:
    """Rows of one round and how many of them a sampler drew; no rows when the step is over.

    Args:
        slots: sampler, budget and scaffold.
        ask: with `round`, `rows`, `so_far` and `left` of the step; `plan` is filled in here.
        rng: of the curriculum.

    Returns:
        The round's plan, new groups labelled after those of earlier rounds; None: no more.

    Raises:
        ArgumentError: a belief whose alpha or beta is NaN, infinite or negative.
    """
    checks.within(0, np.finfo(float).max, alpha=ask.belief.alpha, beta=ask.belief.beta)
    budget, scaffold = slots["budget"], slots["scaffold"]
    # whatever a scaffold holds back, a step begins with at least one attempt
    least = 0 if ask.round else 1
    spendable = dataclasses.replace(ask, left=max(ask.left - scaffold.hold(ask), least))
    wanted = budget.want(spendable)
    base = 0 if ask.rows is None else int(ask.rows.group.max(initial=-1)) + 1
    plan = None
    if wanted > 0 and spendable.left > 0:
        plan = slots["sampler"].plan(dataclasses.replace(spendable, prompts=wanted), rng)
    drawn = 0 if plan is None else len(plan.problem)
    if plan is not None:
        plan = dataclasses.replace(plan, group=plan.group + base)
    if spendable.left > 0 and (plan is not None or ROUNDS in budget.record.needs):
        plan = budget.plan(dataclasses.replace(spendable, plan=plan), rng)
    if plan is not None or ROUNDS in scaffold.record.needs:
        # a budget that plans in this round too has spent its part
        given = 0 if plan is None or not ask.round else int(plan.n.sum())
        plan = scaffold.plan(dataclasses.replace(ask, plan=plan, left=ask.left - given), rng)
    if plan is None or not plan.n.sum():
        return None, drawn
    assert plan.n.sum() + plan.paid <= ask.left, "a step must not spend more than it has"
    start = 0 if ask.rows is None else len(ask.rows.problem)
    group = _dense(plan.group, base)
    return dataclasses.replace(plan, group=group, round=ask.round, start=start), drawn


def _dense(group: np.ndarray, base: int) -> np.ndarray:
    """New labels (from `base` on) without gaps, in order of appearance; old ones as they are."""
    new = group >= base
    names, first, code = np.unique(group[new], return_index=True, return_inverse=True)
    rank = np.empty(len(names), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(names))
    out = np.array(group, dtype=np.int64)
    out[new] = base + rank[code.reshape(-1)]
    return out


def hopes(plan: Plan) -> dict[str, float]:
    """What a round is expected to bring by the belief it was planned from."""
    rate = plan.alpha / (plan.alpha + plan.beta)
    return {
        "rows": len(plan.n),
        "expected_mixed_share": float(mixed_share(plan.alpha, plan.beta, plan.n).mean()),
        "expected_pass_rate": float((plan.n * rate).sum() / plan.n.sum()),
    }


def brought(batch: Batch) -> tuple[int, int, float]:
    """Groups of a finished step, mixed ones among them, and the pass rate."""
    live = learned(batch)
    passed = batch.solved[live]
    label, code = np.unique(batch.group[live], return_inverse=True)
    mixed = int(groups.mixed(passed.astype(float), code.reshape(-1), len(label)).sum())
    return len(label), mixed, float(passed.mean()) if len(passed) else float("nan")


def expected(under: Under | None, plan: Plan, *, step: int) -> tuple[Under, Plan]:
    """The step that waits for a plan, and the plan as it was suggested.

    Args:
        under: the step of that number, if it is under way.
        plan: that comes back.
        step: number of the next step.

    Raises:
        ArgumentError: it was never suggested, observed before, or is another one.
    """
    known = None if under is None else under.waiting
    if under is None or known is None or plan.round != known.round:
        past = "was observed before" if plan.step < step else "was never suggested here"
        raise ArgumentError(f"`plan` of step {plan.step} {past}; every plan counts once")
    if not (np.array_equal(known.problem, plan.problem) and np.array_equal(known.n, plan.n)):
        raise ArgumentError(f"`plan` of step {plan.step} is not the one suggested here")
    return under, known


def timed(options: Mapping[str, Any], asked: int, total: int) -> Mapping[str, Any]:
    """Options of an entry, told the share of the run that is asked for where it has `progress`.

    >>> timed({"progress": None, "mu": 1.0}, 30, 60)
    {'progress': 0.5, 'mu': 1.0}
    >>> timed({"progress": None}, 30, 0), timed({"mu": 1.0}, 30, 60)  # unknown; not wanted
    ({'progress': None}, {'mu': 1.0})
    """
    known = "progress" in options and total > 0
    return {**options, "progress": min(asked / total, 1.0)} if known else options


def begin(under: Under, plan: Plan) -> Under:
    """The step with a further round out."""
    return under._replace(
        rows=plans.join(under.rows, plan),
        waiting=plan,
        left=under.left - int(plan.n.sum()) - plan.paid,
        round=plan.round,
    )


def join(first: Batch | None, second: Batch) -> Batch:
    """Attempts of two rounds of one step; a column that one lacks is missing from both."""
    if first is None:
        return second
    columns = {}
    for field in dataclasses.fields(Batch):
        if field.name != "step":
            parts = getattr(first, field.name), getattr(second, field.name)
            whole = all(part is not None for part in parts)
            columns[field.name] = np.concatenate(parts) if whole else None
    return Batch(step=second.step, **columns)
