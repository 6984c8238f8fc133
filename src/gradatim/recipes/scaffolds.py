"""The same task, posed differently: hints, demonstrations, rewrites, solved examples.

A scaffold works on rows that a budget gave attempts to, adds rows of its own, and pays for them
out of the step (`hold` tells the budget what to leave). Beliefs do not learn from its rows: they
tell of another task than the pool's problem. Axes: `problem`, `row`, `group`, `round`.
"""

import dataclasses
from typing import Any, NamedTuple

import numpy as np

from gradatim import checks
from gradatim.choice import plans
from gradatim.choice.hints import next_hint
from gradatim.errors import ArgumentError
from gradatim.families.generation import generate
from gradatim.recipes import batches, demands
from gradatim.types import ROLES, Ask, Batch, Plan, Pool, Problem, Slot

LEVELS = range(1, 11)


def append(plan: Plan | None, more: Plan) -> Plan:
    """Rows of a scaffold after those that are there."""
    return plans.join(plan, more)


def rows_for(ask: Ask, problem: np.ndarray, n: np.ndarray, *, role: str, why: str) -> Plan:
    """Rows of a role on these problems, each with its attempts, in groups of their own."""
    size = len(problem)
    fresh = plans.rows(problem, step=ask.step, propensity=np.ones(size), why=np.full(size, why))
    base = 0 if ask.rows is None else int(ask.rows.group.max(initial=-1)) + 1
    if ask.plan is not None:
        base = max(base, int(ask.plan.group.max(initial=-1)) + 1)
    return dataclasses.replace(
        plans.give(fresh, n),
        role=np.full(size, ROLES.index(role)),
        group=base + np.arange(size),
    )


class Groups(NamedTuple):
    """Groups of plain rollouts of a step: label, problem, attempts, solved; all (group,)."""

    label: np.ndarray
    problem: np.ndarray
    tried: np.ndarray
    solved: np.ndarray


def outcomes(batch: Batch | None) -> Groups:
    """What came back of a step's rollouts, masked attempts apart."""
    if batch is None:
        none = np.zeros(0, dtype=np.int64)
        return Groups(none, none, none, none)
    live = batch.mask & (batch.role == 0)
    label, first, code = np.unique(batch.group[live], return_index=True, return_inverse=True)
    tried = np.bincount(code, minlength=len(label))
    solved = np.bincount(code, weights=batch.solved[live], minlength=len(label)).astype(np.int64)
    return Groups(label, batch.problem[live][first], tried, solved)


def shares(total: int, rows: int) -> np.ndarray:
    """(row,) int: `total` attempts over rows as evenly as it goes, the first get one more.

    >>> shares(7, 3)
    array([3, 2, 2])
    """
    each, rest = divmod(total, rows)
    return np.full(rows, each) + (np.arange(rows) < rest)


# -- hints --------------------------------------------------------------------------------------


class Hints(NamedTuple):
    """(problem,) float: the hint of a problem's last round so far, NaN before any."""

    last: np.ndarray


def init_hints(pool: Pool, **_: Any) -> Hints:
    """Nothing was hinted."""
    return Hints(np.full(len(pool.source), np.nan))


def observe_hints(state: Hints, batch: Batch, *, target: float, **_: Any) -> Hints:
    """Keep for each problem what its next hint would be."""
    labels, hint, solved, tried = _tries(batch)
    if not len(labels):
        return state
    last = state.last.copy()
    order = np.unique(batch.group, return_index=True)
    problem = batch.problem[order[1]][np.searchsorted(order[0], labels)]
    last[problem] = next_hint(hint, solved, tried, target=target)
    return Hints(last)


def _tries(batch: Batch) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Labels (group,), and hint, solved, tried (group, round) of a step's plan rows."""
    assert batch.row is not None
    assert batch.hint is not None
    live = batch.mask
    row, first, code = np.unique(batch.row[live], return_index=True, return_inverse=True)
    if not len(row):
        none = np.zeros((0, 0))
        return np.zeros(0, dtype=np.int64), none, none, none
    tried = np.bincount(code)
    solved = np.bincount(code, weights=batch.solved[live]).astype(np.int64)
    group, hint = batch.group[live][first], batch.hint[live][first]
    labels, at = np.unique(group, return_inverse=True)
    place = np.zeros(len(row), dtype=np.int64)
    for i in range(len(labels)):  # few rounds, few groups
        mine = at == i
        place[mine] = np.arange(mine.sum())
    shape = (len(labels), int(place.max()) + 1)
    found = [np.zeros(shape) for _ in range(3)]
    for table, values in zip(found, (hint, solved, tried), strict=True):
        table[at, place] = values
    return labels, found[0], found[1].astype(np.int64), found[2].astype(np.int64)


def hold_hints(state: Hints, ask: Ask, *, rounds: int, **_: Any) -> int:
    """An equal part of what is left for each round that follows."""
    after = min(rounds, ask.rounds) - 1 - ask.round
    return ask.left * max(after, 0) // (max(after, 0) + 1)


def hint(
    state: Hints,
    ask: Ask,
    rng: np.random.Generator,
    *,
    rounds: int = 4,
    target: float = 0.5,
    cold: float = 1.0,
    **_: Any,
) -> Plan | None:
    """Show each problem's solution as far as makes it solved about `target` of the time.

    The first round starts from the hint that was found on the last visit, or from `cold`; each
    further round moves it by what came back. All rounds of a problem are one group. With
    `hint_weight` the loss gains that times the negative log-likelihood of what was shown, in the
    objective's own mean over the step (batches.weigh_hints; the tiny trainer's loop adds it).

    Ref: SEELE, arXiv:2509.06923: 4 rounds of 8, target 0.5, cold start (|y| - 1) / |y|, which is
    what `cold` = 1 comes to, since the last piece of a solution is never shown. Differs: see
    `choice.hints.next_hint`; `hint_weight` is 0, where the paper has 0.001.
    """
    checks.within(1, np.inf, rounds=rounds)
    checks.within(0, 1, cold=cold)
    if ask.round >= rounds:
        return ask.plan
    if ask.round == 0:
        if ask.plan is None:
            return None
        last = state.last[ask.plan.problem]
        return pose_hints(ask.plan, ask, np.where(np.isnan(last), cold, last))
    if ask.so_far is None or ask.rows is None:
        return ask.plan
    labels, tried_hint, solved, tried = _tries(ask.so_far)
    left = ask.left - hold_hints(state, ask, rounds=rounds)
    if not len(labels) or left < 1:
        return ask.plan
    chosen = rng.permutation(len(labels))[: min(len(labels), left)]
    known = dict(zip(ask.rows.group.tolist(), ask.rows.problem.tolist(), strict=True))
    problem = np.array([known[label] for label in labels[chosen].tolist()])
    plan = rows_for(ask, problem, shares(left, len(chosen)), role="rollout", why="hint")
    plan = dataclasses.replace(plan, group=labels[chosen])
    following = next_hint(tried_hint, solved, tried, target=target)[chosen]
    return append(ask.plan, pose_hints(plan, ask, following))


def pose_hints(plan: Plan, ask: Ask, share: np.ndarray) -> Plan:
    """The same rows with these shares of their solutions shown."""
    posed = plan.posed.copy()
    for i in np.flatnonzero(share > 0):
        item = ask.problems[plan.problem[i]] if len(ask.problems) else None
        if isinstance(item, Problem):
            posed[i] = with_hint(item, float(share[i]))
    return dataclasses.replace(plan, hint=share, posed=posed)


def with_hint(problem: Problem, share: float) -> Problem:
    r"""The problem with the first part of its worked solution in the prompt.

    Tiny policies get the same share of the compact answer as the beginning of their reply.

    Raises:
        ArgumentError: it has no solution to show.

    >>> with_hint(Problem(id="x", prompt="1+2+3?", answer="6", solution="1+2=3,3+3=6"), 0.5).prompt
    '1+2+3?\n\nA solution begins like this; go on from there:\n1+2=3,'
    """
    if problem.solution is None and problem.compact is None:
        raise ArgumentError(
            f"problem {problem.id} of '{problem.family or 'a file'}' has no worked solution, so "
            "there is nothing to hint at; choose families with solutions, or scaffold 'none'"
        )
    if problem.solution is None or not isinstance(problem.prompt, str):
        return problem
    shown = problem.solution[: min(round(share * len(problem.solution)), len(problem.solution) - 1)]
    text = f"{problem.prompt}\n\nA solution begins like this; go on from there:\n{shown}"
    return dataclasses.replace(problem, prompt=text)


# -- demonstrations -----------------------------------------------------------------------------


def hold_demos(state: tuple, ask: Ask, *, gate: int, share: float) -> int:
    """One attempt for each prompt that may need a demonstration."""
    return min(ask.prompts, int(share * ask.left)) if ask.round == 0 else 0


def demonstrate(
    state: tuple, ask: Ask, rng: np.random.Generator, *, gate: int = 0, share: float = 0.25
) -> Plan | None:
    """A demonstration for each group with at most `gate` solved attempts, in its place.

    A demonstration is paid for like an attempt. Which rows it replaces, and that it is learned
    from by imitation, is decided by advantage and objective `hpt`.

    Ref: HPT, Lv et al. 2025, arXiv:2509.04419: gate 0 of 8.
    """
    checks.within(0, 1, share=share)
    if ask.round != 1:
        return ask.plan
    found = outcomes(ask.so_far)
    need = np.flatnonzero(found.solved <= gate)[: ask.left]
    if not len(need):
        return ask.plan
    plan = rows_for(ask, found.problem[need], np.ones(len(need)), role="demo", why="demo")
    return append(ask.plan, dataclasses.replace(plan, group=found.label[need]))


# -- rewrites -----------------------------------------------------------------------------------


def hold_rewrites(state: tuple, ask: Ask, *, share: float, **_: Any) -> int:
    """A share of the step for the rewritten problems."""
    return int(share * ask.left) if ask.round == 0 else 0


def rewrite(
    state: tuple,
    ask: Ask,
    rng: np.random.Generator,
    *,
    share: float = 0.5,
    hard: float = 0.3,
    medium: float = 0.7,
    step: int = 2,
    **_: Any,
) -> Plan | None:
    """Simpler problems in place of hard ones, other ones in place of medium ones, by the knobs.

    A group solved at most `hard` of the time gets a fresh problem of its family `step` levels
    down, one above that and at most `medium` a fresh one of its own level. They are learned from
    as they are, in groups of their own, with the answer and the check of their family.

    Ref: CLPO, csuking/CLPO, bands .3 and .7 (.3 is hard). Differs: the paper lets the policy
    rewrite the text and nothing checks that the answer stayed; here the knobs change, so that
    the answer is right by construction.

    Raises:
        ArgumentError: a problem that no family made, or one without a level.
    """
    checks.within(0, 1, share=share, hard=hard)
    checks.within(hard, 1, medium=medium)
    if ask.round != 1:
        return ask.plan
    found = outcomes(ask.so_far)
    rate = found.solved / np.maximum(found.tried, 1)
    pick = np.flatnonzero(rate <= medium)
    pick = rng.permutation(pick)[: ask.left // 2]
    if not len(pick):
        return ask.plan
    n = shares(ask.left, len(pick))
    plan = rows_for(ask, found.problem[pick], n, role="rewrite", why="simplify")
    why, posed = plan.why.astype(object), plan.posed.copy()
    for i, (index, low) in enumerate(zip(plan.problem.tolist(), rate[pick] <= hard, strict=True)):
        down = step if low else 0
        posed[i] = variant(ask.problems[index], down=down, seed=int(rng.integers(2**62)))
        why[i] = "simplify" if down else "diversify"
    return append(ask.plan, dataclasses.replace(plan, posed=posed, why=why.astype(str)))


def variant(problem: Any, *, down: int, seed: int) -> Problem:
    """A fresh problem of the same family and split, `down` levels easier.

    Raises:
        ArgumentError: it was not made by a family with levels.
    """
    if not isinstance(problem, Problem) or not problem.family or problem.level is None:
        name = getattr(problem, "id", problem)
        raise ArgumentError(
            f"problem {name} was not generated at a level of a family, so it cannot be made "
            "simpler by its knobs; choose scaffold 'none', or generate the pool"
        )
    level = max(problem.level - down, LEVELS[0])
    return generate(problem.family, n=1, level=level, seed=seed, split=problem.split or "train")[0]


# -- solved examples ----------------------------------------------------------------------------


def hold_examples(state: tuple, ask: Ask, *, share: float, **_: Any) -> int:
    """A share of the step for the second try."""
    return int(share * ask.left) if ask.round == 0 else 0


def examples(
    state: tuple, ask: Ask, rng: np.random.Generator, *, k: int = 2, share: float = 0.25
) -> Plan | None:
    """Problems that nobody solved are tried again with solved neighbours in the prompt.

    Neighbours are problems of the same source that this step solved, else any of the source, with
    their worked solutions; the second try is a group of its own under the longer prompt.

    Ref: XRPO, arXiv:2510.06672, its in-context seeding with K = 2. Differs: neighbours by source,
    where the paper searches embeddings of a growing corpus.
    """
    checks.within(1, 16, k=k)
    if ask.round != 1 or ask.left < 2:
        return ask.plan
    found = outcomes(ask.so_far)
    need = np.flatnonzero(found.solved == 0)[: ask.left // 2]
    if not len(need):
        return ask.plan
    n = shares(ask.left, len(need))
    plan = rows_for(ask, found.problem[need], n, role="refine", why="examples")
    posed = plan.posed.copy()
    good = set(found.problem[found.solved > 0].tolist())
    for i, index in enumerate(found.problem[need].tolist()):
        near = np.flatnonzero(ask.pool.source == ask.pool.source[index])
        near = near[near != index]
        order: list[int] = rng.permutation(near).tolist()
        chosen = [ask.problems[j] for j in sorted(order, key=lambda j: j not in good)[:k]]
        posed[i] = with_examples(ask.problems[index], chosen)
    return append(ask.plan, dataclasses.replace(plan, posed=posed))


def with_examples(problem: Problem, solved: list[Problem]) -> Problem:
    """The problem after others with their solutions."""
    shown = [f"{p.prompt}\n{p.solution or p.answer}" for p in solved]
    return dataclasses.replace(problem, prompt="\n\n".join([*shown, str(problem.prompt)]))


SCAFFOLDS: dict[str, Slot] = {
    "none": Slot(suggest=lambda state, ask, rng: ask.plan, paper="Prompts as they are."),
    "hint": Slot(
        init=init_hints,
        observe=observe_hints,
        hold=hold_hints,
        suggest=hint,
        columns=batches.weigh_hints,
        options={"rounds": 4, "target": 0.5, "cold": 1.0, "hint_weight": 0.0},
        bounds={"rounds": (2, 64), "target": (1e-9, 1 - 1e-9), "cold": checks.SHARE}
        | {"hint_weight": (0, 1e9)},
        rounds="rounds",
        check=demands.hints,
        needs=frozenset({"rounds", "hint"}),
        paper="SEELE (arXiv:2509.06923): hint length to a target rate in rounds; the curve is "
        "integrated out instead of fitted.",
    ),
    "demonstrate": Slot(
        hold=hold_demos,
        suggest=demonstrate,
        options={"gate": 0, "share": 0.25},
        bounds={"gate": checks.AT_LEAST_0, "share": checks.SHARE},
        rounds=2,
        needs=frozenset({"rounds", "demo"}),
        paper="HPT (arXiv:2509.04419): a demonstration where nobody succeeded.",
    ),
    "rewrite": Slot(
        hold=hold_rewrites,
        suggest=rewrite,
        columns=batches.soften,
        options={"share": 0.5, "hard": 0.3, "medium": 0.7, "step": 2, "soft": 0.5},
        bounds={"hard": checks.SHARE, "medium": ("hard", 1), "share": checks.SHARE}
        | {"step": (1, len(LEVELS)), "soft": checks.SHARE},
        rounds=2,
        check=demands.levels,
        needs=frozenset({"rounds", "rewrite"}),
        paper="CLPO: simpler problems for hard ones, other ones for medium ones; by knobs, not by "
        "the policy's own words. A KL term holds hard ones by `soft` of its weight.",
    ),
    "examples": Slot(
        hold=hold_examples,
        suggest=examples,
        options={"k": 2, "share": 0.25},
        bounds={"k": (1, 16), "share": checks.SHARE},
        rounds=2,
        needs=frozenset({"rounds", "refine"}),
        paper="XRPO (arXiv:2510.06672): solved neighbours in the prompt of what nobody solved.",
    ),
}
