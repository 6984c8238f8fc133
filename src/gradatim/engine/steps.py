"""What a plan asks of the tiny policy, done: prompts posed, replies sampled and verified.

The tiny policy reads compact prompts. A hint is the beginning of the compact answer, already
written: the policy goes on from there, and no advantage is laid on what was given (a scaffold's
`hint_weight` lays a log-likelihood on it). A demonstration is the compact answer itself, learned
from as if it had been sampled elsewhere. A probe with a parent goes on from the first `cut`
characters of the parent's reply, within the parent's limit.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gradatim.choice import plans
from gradatim.engine import loop
from gradatim.engine.rollouts import Rollouts, given, join
from gradatim.families.verify import check
from gradatim.learning.credit_states import prefix_states
from gradatim.recipes import demands, registry
from gradatim.recipes.curriculum import Curriculum
from gradatim.rng import digest
from gradatim.solvers import tiny
from gradatim.solvers.tiny_model import encode
from gradatim.types import ROLES, Batch, Plan, Problem, Verdict

# what slots may need of this trainer, beside what an objective needs (loop.PROVIDES)
PROVIDES = frozenset(
    {"logp", "entropy", "text", "rounds", "hint", "prefill", "rewrite", "demo", "probe"}
    | {"token_logp", "anchor", "token_advantage", "hint_weight"}
)
DEMO, PROBE = ROLES.index("demo"), ROLES.index("probe")


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
    rollouts: Rollouts
    verdicts: list[Verdict]

    def columns(self, *, anchors: bool = False) -> dict[str, Any]:
        """Arguments of Curriculum.observe; with `anchors` the text before each token is a state."""
        length, states = self.rollouts.replies.lengths.numpy(), None
        if anchors:
            begin = np.array([int.from_bytes(digest(h, size=7), "big") for h in self.hints])
            states = prefix_states(self.rollouts.replies.tokens.numpy(), length, begin)
        return {
            "rewards": np.array([v.reward for v in self.verdicts]),
            "solved": np.array([v.solved for v in self.verdicts], dtype=bool),
            "lengths": length,
            "row": self.row,
            "logp": self.rollouts.logp,
            "entropy": self.rollouts.entropy,
            "text": self.rollouts.texts,
            "token_logp": self.rollouts.token_logp,
            "anchor": states,
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
    earlier: Sequence[Outcome] = (),
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
        earlier: outcomes of the step's earlier rounds, for probes that go on from them.

    Raises:
        ArgumentError: a problem without a compact prompt.
    """
    asked = np.flatnonzero(plan.n)
    shown = plan.role[asked] == DEMO
    resumed = (plan.role[asked] == PROBE) & (plan.parent[asked] >= 0)
    fresh = asked[~shown & ~resumed]
    parts: list[_Part] = []
    if len(fresh) or not len(asked):
        mine = [posed(plan, problems, i) for i in fresh]
        shares = plan.hint[fresh].tolist()
        begins = [hinted(p, h) if h else "" for p, h in zip(mine, shares, strict=True)]
        prompts = [encode(tiny.compact(p) + b) for p, b in zip(mine, begins, strict=True)]
        rollouts = learner.sample(
            prompts,
            plan.n[fresh],
            limit=limit,
            seed=seed,
            temperature=temperature,
            entropies=entropies,
        )
        rollouts = rollouts._replace(given=np.array([len(encode(b)) for b in begins], dtype=int))
        parts.append(_part(fresh, mine, begins, rollouts))
    parts += _resumed(
        learner, plan, asked[resumed], earlier, limit=limit, seed=seed, temperature=temperature
    )
    if shown.any():
        taken = [posed(plan, problems, i) for i in asked[shown]]
        demos = given([encode(tiny.compact(p)) for p in taken], [taught(p) for p in taken])
        parts.append(_part(asked[shown], taken, [""] * len(taken), demos))
    owners = [p for part in parts for p in part.problems]
    hints = [h for part in parts for h in part.hints]
    rollouts = join([part.rollouts for part in parts])
    replies = zip(owners, hints, rollouts.texts, rollouts.finished.tolist(), strict=True)
    verdicts = [check(p, begin + text if ended else None) for p, begin, text, ended in replies]
    row = np.concatenate([part.row for part in parts])
    return Outcome(owners, row, hints, rollouts, verdicts)


class _Part(NamedTuple):
    """Attempts of one kind; see Outcome."""

    problems: list[Problem]
    row: np.ndarray
    hints: list[str]
    rollouts: Rollouts


def _part(
    rows: np.ndarray, problems: list[Problem], begins: list[str], rollouts: Rollouts
) -> _Part:
    """Replies to the prompts of these plan rows, one entry an attempt."""
    owner = rollouts.owner.tolist()
    return _Part(
        [problems[i] for i in owner], rows[rollouts.owner], [begins[i] for i in owner], rollouts
    )


def _resumed(
    learner: loop.Learner,
    plan: Plan,
    rows: np.ndarray,
    earlier: Sequence[Outcome],
    *,
    limit: int,
    seed: Sequence[object],
    temperature: float,
) -> list[_Part]:
    """Probes that continue attempts of earlier rounds: one part for each length that is kept."""
    begins = np.cumsum([0, *(len(o.problems) for o in earlier)])
    parts = []
    for cut in np.unique(plan.cut[rows]).tolist():
        mine = rows[plan.cut[rows] == cut]
        problems, hints, prompts = [], [], []
        for parent in plan.parent[mine].tolist():
            at = int(np.searchsorted(begins, parent, side="right")) - 1
            made, i = earlier[at], parent - int(begins[at])
            kept = made.rollouts.texts[i][:cut]
            problems.append(made.problems[i])
            hints.append(made.hints[i] + kept)
            prompts.append([*made.rollouts.prompts[made.rollouts.owner[i]], *encode(kept)])
        rollouts = learner.sample(
            prompts,
            plan.n[mine],
            limit=limit - cut,
            seed=(*seed, "cut", cut),
            temperature=temperature,
        )
        parts.append(_part(mine, problems, hints, rollouts))
    return parts


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


def beside(
    problems: Sequence[Problem], anchors: Sequence[Problem], options: Mapping[str, Any]
) -> tuple[Sequence[Problem], dict[str, Any]]:
    """Problems with anchors after them, and options whose `overrides` mark these."""
    if not anchors:
        return problems, dict(options)
    at = list(range(len(problems), len(problems) + len(anchors)))
    marked = {**options.get("overrides", {}), "anchors": at}
    return [*problems, *anchors], {**options, "overrides": marked}


def affordable(curriculum: Curriculum, rollouts: int) -> None:
    """Check before anything is spent that a step of so many rollouts pays for one group.

    Raises:
        ArgumentError: names the budget's option with the smallest group, and the rollouts.
    """
    use = curriculum.recipe.budget
    demands.enough(use.name, registry.resolve("budget", use), rollouts)


class Taken(NamedTuple):
    """A whole step: replies of all its rounds, what the curriculum made of them, and the update.

    Attributes:
        spent: attempts, demonstrations and those that planning cost included.
        moved: metrics of the update.
    """

    rollouts: Rollouts
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
    done: list[Outcome] = []
    spent = 0
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
            earlier=done,
        )
        each(made, plan)
        done.append(made)
        spent += len(made.verdicts) + plan.paid
        batch = curriculum.observe(plan, **made.columns(anchors="anchor" in curriculum.needs))
        following = curriculum.more(batch)
        if following is None:
            break
        plan = following
    whole = join([made.rollouts for made in done])
    advantage, keep = curriculum.advantages(batch)
    if len(advantage) != len(keep):
        keep = np.repeat(keep, batch.length)
    moved = learner.update(
        whole, np.where(keep, advantage, 0.0), longest=limit, batch=batch, passes=passes
    )
    return Taken(whole, batch, spent, moved)
