"""What a plan asks of the tiny policy, done: prompts posed, replies sampled and verified.

The tiny policy reads compact prompts. A hint is the beginning of the compact answer, already
written: the policy goes on from there, and no loss is taken on what was given. A demonstration is
the compact answer itself, learned from as if it had been sampled elsewhere.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from gradatim.choice import plans
from gradatim.engine import loop
from gradatim.families.verify import check
from gradatim.recipes.curriculum import Curriculum
from gradatim.solvers import tiny
from gradatim.solvers.tiny_model import encode
from gradatim.types import ROLES, Batch, Plan, Problem, Verdict

# what slots may need of this trainer, beside what an objective needs (loop.PROVIDES)
PROVIDES = frozenset({"logp", "entropy", "text", "rounds", "hint", "prefill", "rewrite", "demo"})
DEMO = ROLES.index("demo")


class Outcome(NamedTuple):
    """Attempts of one round of a step.

    Attributes:
        problems: (attempt,) as posed.
        row: (attempt,) int, row of the plan.
        hints: (attempt,) characters of the answer that were given.
        rollouts: prompts and replies, in the same order.
        verdicts: (attempt,) of the whole reply, the given part included.
    """

    problems: list[Problem]
    row: np.ndarray
    hints: list[str]
    rollouts: loop.Rollouts
    verdicts: list[Verdict]

    def columns(self) -> dict[str, Any]:
        """Arguments of Curriculum.observe."""
        return {
            "rewards": np.array([v.reward for v in self.verdicts]),
            "solved": np.array([v.solved for v in self.verdicts], dtype=bool),
            "lengths": self.rollouts.replies.lengths.numpy(),
            "row": self.row,
            "logp": self.rollouts.logp,
            "entropy": self.rollouts.entropy,
        }


def taught(problem: Problem) -> str:
    """The answer that a tiny policy is taught.

    >>> taught(Problem(id="x", prompt="", answer="12", compact_answer="21r"))
    '21r'
    """
    return problem.answer if problem.compact_answer is None else problem.compact_answer


def posed(plan: Plan, problems: Sequence[Problem], row: int) -> Problem:
    """The problem of a plan row, as the plan poses it."""
    changed = plan.posed[row]
    return problems[plan.problem[row]] if changed is None else changed


def hinted(problem: Problem, share: float) -> str:
    """The first `share` of the answer, never all of it.

    >>> hinted(Problem(id="x", prompt="", answer="1 2 3"), 0.5)
    '1 '
    """
    answer = taught(problem)
    return answer[: min(round(share * len(answer)), len(answer) - 1)]


def perform(
    learner: loop.Learner,
    plan: Plan,
    problems: Sequence[Problem],
    *,
    limit: int,
    seed: Sequence[object],
    temperature: float = 1.0,
    entropies: bool = False,
) -> Outcome:
    """Do what a plan asks.

    Args:
        learner: the policy that answers.
        plan: one round.
        problems: the curriculum's.
        limit: most characters of a reply.
        seed: names the noise of this round.
        temperature: 0 for greedy.
        entropies: measure the policy's entropy too.

    Raises:
        ArgumentError: a problem without a compact prompt.
    """
    asked = np.flatnonzero(plan.n)
    sampled, shown = asked[plan.role[asked] != DEMO], asked[plan.role[asked] == DEMO]
    mine = [posed(plan, problems, i) for i in sampled]
    shares = plan.hint[sampled].tolist()
    begins = [hinted(p, h) if h else "" for p, h in zip(mine, shares, strict=True)]
    prompts = [encode(tiny.compact(p) + b) for p, b in zip(mine, begins, strict=True)]
    rollouts = learner.sample(prompts, plan.n[sampled], limit=limit, seed=seed, entropies=entropies)
    owner = rollouts.owner.tolist()
    owners, given = [mine[i] for i in owner], [begins[i] for i in owner]
    row = sampled[rollouts.owner]
    if len(shown):
        taken = [posed(plan, problems, i) for i in shown]
        texts = [taught(p) for p in taken]
        demos = loop.given([encode(tiny.compact(p)) for p in taken], texts)
        parts = [rollouts, demos] if len(sampled) else [demos]
        rollouts = loop.join(parts)
        owners, given = owners + taken, given + [""] * len(shown)
        row = np.concatenate([row, shown])
    replies = zip(owners, given, rollouts.texts, rollouts.finished.tolist(), strict=True)
    verdicts = [check(p, begin + text if ended else None) for p, begin, text, ended in replies]
    return Outcome(owners, row, given, rollouts, verdicts)


def survey(
    learner: loop.Learner,
    problems: Sequence[Problem],
    *,
    n: int = 1,
    limit: int,
    seed: Sequence[object],
    temperature: float = 1.0,
) -> Outcome:
    """Try problems n times each; rows are problems, and nothing is learned from it."""
    size = len(problems)
    even = plans.rows(
        np.arange(size), step=0, propensity=np.ones(size), why=np.full(size, "survey")
    )
    plan = plans.give(even, np.full(size, n))
    return perform(learner, plan, problems, limit=limit, seed=seed, temperature=temperature)


class Taken(NamedTuple):
    """A whole step: replies of all its rounds, what the curriculum made of them, and the update.

    Attributes:
        spent: attempts, demonstrations and those that planning cost included.
        moved: metrics of the update.
    """

    rollouts: loop.Rollouts
    batch: Batch
    spent: int
    moved: dict[str, float]


def take(
    curriculum: Curriculum,
    learner: loop.Learner,
    *,
    prompts: int,
    rollouts: int,
    limit: int,
    seed: Sequence[object],
    passes: int = 1,
    each: Callable[[Outcome, Plan], None] = lambda made, plan: None,
) -> Taken:
    """Plan, sample, verify and learn: one step with all its rounds.

    Args:
        curriculum: over problems with compact prompts.
        learner: the policy; its weights move.
        prompts, rollouts: of the step, see Curriculum.suggest.
        limit: most characters of a reply.
        seed: names the noise of this step.
        passes: optimiser steps on what came back; from the second on, ratios leave 1.
        each: told of every round before the next is planned.
    """
    parts, spent = [], 0
    plan = curriculum.suggest(prompts, rollouts=rollouts)
    entropies = "entropy" in curriculum.needs
    while True:
        made = perform(
            learner,
            plan,
            curriculum.problems,
            limit=limit,
            seed=(*seed, plan.round),
            entropies=entropies,
        )
        each(made, plan)
        parts.append(made.rollouts)
        spent += len(made.verdicts) + plan.paid
        batch = curriculum.observe(plan, **made.columns())
        following = curriculum.more(batch)
        if following is None:
            break
        plan = following
    whole = loop.join(parts)
    advantage, keep = curriculum.advantages(batch)
    moved = learner.update(
        whole, np.where(keep, advantage, 0.0), longest=limit, batch=batch, passes=passes
    )
    return Taken(whole, batch, spent, moved)
