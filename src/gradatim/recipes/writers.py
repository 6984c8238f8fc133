"""Texts that somebody writes for the policy: explanations, critiques, reformulated solutions.

The writer is the policy itself (""), or any solver: a spec string, opened at first use, or a
Solver. Its texts are checked by the problem's own verifier before use; what is not right, empty,
longer than `longest` or no text at all is thrown away and was paid for (`Plan.paid`).

How a trainer of language models reads the rows (`trained` says it in code):

- role "refine": replies are sampled to `plan.posed[row].prompt` and verified as usual. With a
  `parent` they are learned from under the prompt of the pool's problem, with log-probabilities
  computed under that prompt; what they were told never appears in training.
- role "demo": nothing is sampled; the reply is `plan.posed[row].solution`, or where nothing is
  posed the solution of the pool's problem.

Axes: `row`, `group` as in scaffolds.py.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from gradatim import checks
from gradatim.choice import plans
from gradatim.errors import ArgumentError
from gradatim.families.verify import check
from gradatim.recipes import demands
from gradatim.recipes.scaffolds import outcomes, rows_for
from gradatim.recipes.writing import asked, named, opened, write
from gradatim.types import ROLES, Ask, Plan, Pool, Problem, Slot, Solver

LONGEST = 20_000  # characters
DEMO = ROLES.index("demo")
SIMPLE = "simple_gt"
OPTIONS = {"writer": "", "tries": 1, "share": 0.25, "longest": LONGEST}
BOUNDS = {"tries": (1, 64), "share": checks.SHARE, "longest": checks.AT_LEAST_1}

EXPLAIN = "The answer is {answer}. Explain step by step why, and end with the answer."
REFORMULATE = (
    "A worked solution:\n{solution}\n\n"
    "Solve the problem in your own words along these lines, and end with the same answer."
)
CRITICISE = (
    "An attempt that failed:\n{reply}\n\nThe right answer is {answer}. Say where the attempt "
    "goes wrong and why. Do not write the solution."
)
TOLD = "The attempt is wrong. The right answer is {answer}."
REFINE = (
    "An attempt that failed:\n{reply}\n\nA critique of it:\n{critique}\n\n"
    "Solve the problem anew with the critique in mind."
)


class Need(NamedTuple):
    """A group that shall get help: label, problem, and a failed attempt of it (-1: none)."""

    label: int
    problem: int
    parent: int


def trained(plan: Plan, problems: Sequence[Problem], row: int) -> Problem:
    """The problem under whose prompt replies of a plan row are learned from."""
    posed, base = plan.posed[row], problems[plan.problem[row]]
    if posed is None or plan.parent[row] >= 0 or plan.role[row] == DEMO:
        return base
    return posed


# -- who gets help --------------------------------------------------------------------------------


def needy(ask: Ask, rng: np.random.Generator, *, most: int, gate: int | None) -> list[list[Need]]:
    """Up to `most` groups with a failure, at most `gate` of whose attempts are solved.

    Returns:
        One list a group, an entry for each of its failed attempts.
    """
    batch, found = ask.so_far, outcomes(ask.so_far)
    if batch is None or most < 1:
        return []
    failed = batch.mask & (batch.role == 0) & ~batch.solved
    low = found.solved < found.tried if gate is None else found.solved <= gate
    pick = np.flatnonzero(low & np.isin(found.label, batch.group[failed]))
    pick = np.sort(rng.permutation(pick)[:most])
    return [
        [
            Need(int(found.label[i]), int(found.problem[i]), int(at))
            for at in np.flatnonzero(failed & (batch.group == found.label[i]))
        ]
        for i in pick
    ]


def rows_of(ask: Ask, needs: Sequence[Need], n: int, *, role: str, why: str) -> Plan:
    """Rows in the groups of these needs, each beside the attempt that failed."""
    problem = np.array([need.problem for need in needs], dtype=np.int64)
    plan = rows_for(ask, problem, np.full(len(needs), n), role=role, why=why)
    parent = np.array([need.parent for need in needs], dtype=np.int64)
    group = np.array([need.label for need in needs], dtype=np.int64)
    return dataclasses.replace(plan, group=group, parent=parent)


def with_posed(plan: Plan, posed: Sequence[Problem]) -> Plan:
    """The same rows with these problems posed."""
    column = plan.posed.copy()
    column[:] = posed
    return dataclasses.replace(plan, posed=column)


def instead(ask: Ask, plan: Plan | None, without: Sequence[Need], *, paid: int) -> Plan | None:
    """After `plan`, a plain attempt for groups whose texts were thrown away; all of it paid.

    Callers ask for one text less than is left, so that at least one such attempt can be paid.
    """
    room = ask.left - paid - (0 if plan is None else int(plan.n.sum()))
    rest = list(without[: max(room, 0)])
    if rest:
        more = rows_of(ask, rest, 1, role="rollout", why="instead")
        plan = plans.join(plan, dataclasses.replace(more, parent=np.full(len(rest), -1)))
    if plan is None:
        return ask.plan
    return dataclasses.replace(plans.join(ask.plan, plan), paid=paid)


def hold(state: tuple, ask: Ask, *, tries: int, share: float, **_: Any) -> int:
    """What helping every prompt costs, at most a share of the step."""
    return min(ask.prompts * tries + 1, int(share * ask.left)) if ask.round == 0 else 0


# -- explanations and reformulations --------------------------------------------------------------


def _told(
    ask: Ask,
    rng: np.random.Generator,
    *,
    gate: int,
    why: str,
    pose: Callable[[Problem], Problem],
    writer: str | Solver,
    tries: int,
    longest: int,
) -> Plan | None:
    """One helped reply for each group that needs it: sampled by the policy, or a solver's."""
    checks.within(1, 64, tries=tries)
    checks.within(1, np.inf, longest=longest)
    if ask.round != 1:
        return ask.plan
    solver = opened(writer)
    room = (ask.left if solver is None else ask.left - 1) // tries
    needs = [group[0] for group in needy(ask, rng, most=room, gate=gate)]
    if not needs:
        return ask.plan
    bases = [ask.problems[need.problem] for need in needs]
    posed = [pose(problem) for problem in bases]
    if solver is None:
        mine = with_posed(rows_of(ask, needs, tries, role="refine", why=why), posed)
        return plans.join(ask.plan, mine)
    kept, shown, without = [], [], []
    for need, base, texts in zip(
        needs, bases, write(solver, posed, tries, longest=longest), strict=True
    ):
        right = next((text for text in texts if check(base, text).solved), None)
        if right is None:
            without.append(need)
        else:
            kept.append(need)
            shown.append(dataclasses.replace(base, solution=right))
    mine = with_posed(rows_of(ask, kept, 1, role="demo", why=why), shown) if kept else None
    return instead(ask, mine, without, paid=tries * len(needs) - len(kept))


def explain(
    state: tuple,
    ask: Ask,
    rng: np.random.Generator,
    *,
    writer: str | Solver = "",
    tries: int = 1,
    share: float = 0.25,
    longest: int = LONGEST,
) -> Plan | None:
    """Where nobody succeeded, a reply of somebody who was told the answer: an extra positive.

    Args:
        state: none.
        ask: in its second round.
        rng: of the curriculum.
        writer: "" for the policy (rows "refine"), else a solver (rows "demo").
        tries: texts for each group; one at most is used.
        share: of the step, held back for it.
        longest: characters of a text that is used.

    Ref: ExPO, self-explanation-guided reinforcement learning: a positive that is likely under the
    policy, used only where k = 0. A reading of the abstract. Differs: a member of the group for
    advantage `refined`, where the paper also describes DPO and a supervised term.
    """
    return _told(
        ask,
        rng,
        gate=0,
        why="explain",
        pose=lambda p: asked(p, EXPLAIN.format(answer=p.answer)),
        writer=writer,
        tries=tries,
        longest=longest,
    )


def reformulate(
    state: tuple,
    ask: Ask,
    rng: np.random.Generator,
    *,
    gate: int = 0,
    writer: str | Solver = "",
    tries: int = 1,
    share: float = 0.25,
    longest: int = LONGEST,
) -> Plan | None:
    """Where at most `gate` attempts succeeded, the expert's solution in somebody else's words.

    Args: as of `explain`.

    Ref: Zhang et al. 2025, arXiv:2505.08364, expert-guided self-reformulation. A reading of the
    abstract; when a policy counts as stuck is not published here, so it is a parameter.

    Raises:
        ArgumentError: a problem without a worked solution.
    """
    return _told(
        ask,
        rng,
        gate=gate,
        why="reformulate",
        pose=_with_solution,
        writer=writer,
        tries=tries,
        longest=longest,
    )


def _with_solution(problem: Problem) -> Problem:
    if problem.solution is None:
        raise ArgumentError(
            f"problem {problem.id} of '{problem.family or 'a file'}' has no worked solution, so "
            "there is nothing to reformulate; choose families with solutions, or scaffold "
            "'explain'"
        )
    return asked(problem, REFORMULATE.format(solution=problem.solution))


# -- critiques ------------------------------------------------------------------------------------


def critique(
    state: tuple,
    ask: Ask,
    rng: np.random.Generator,
    *,
    writer: str | Solver = SIMPLE,
    tries: int = 1,
    share: float = 0.25,
    longest: int = LONGEST,
) -> Plan | None:
    """A failed reply tried again with a critique of it in sight; one of a group's counts.

    Args:
        state: none.
        ask: in its second round, with `text` of the first.
        rng: of the curriculum.
        writer: of the critique: "simple_gt" says what the right answer is and costs nothing; a
            solver is told the answer too, and each of its critiques is paid like an attempt.
        tries: failed replies of a group that are refined.
        share: of the step, held back for it.
        longest: characters of a critique that is used, and of a reply that is shown.

    Ref: Zhang et al. 2025, arXiv:2506.03106: 7 attempts and one refinement; which one counts is
    decided by advantage `refined`, its weight by objective `shaped`. Differs: a step refines as
    many failed replies as `share` pays for, where the paper refines all and keeps one.
    """
    checks.within(1, 64, tries=tries)
    checks.within(1, np.inf, longest=longest)
    if ask.round != 1:
        return ask.plan
    solver = None if writer == SIMPLE else opened(writer)
    room = ask.left // tries if solver is None else (ask.left - 1) // (2 * tries)
    needs = [n for g in needy(ask, rng, most=room, gate=None) for n in g[:tries]]
    if not needs:
        return ask.plan
    replies = [_reply(ask, need, longest) for need in needs]
    bases = [ask.problems[need.problem] for need in needs]
    pairs = list(zip(bases, replies, strict=True))
    if solver is None:
        said = [[TOLD.format(answer=base.answer)] for base in bases]
    else:
        questions = [asked(b, CRITICISE.format(reply=r, answer=b.answer)) for b, r in pairs]
        said = write(solver, questions, 1, longest=longest)
    kept = [i for i, texts in enumerate(said) if texts]
    posed = [asked(bases[i], REFINE.format(reply=replies[i], critique=said[i][0])) for i in kept]
    mine = None
    if kept:
        mine = rows_of(ask, [needs[i] for i in kept], 1, role="refine", why="critique")
        mine = with_posed(mine, posed)
    without = [need for need, texts in zip(needs, said, strict=True) if not texts]
    return instead(ask, mine, without, paid=0 if solver is None else len(needs))


def named_critic(pool: Pool, *, writer: Any, **_: Any) -> tuple[()]:
    """As `named`; the policy cannot be asked for a critique while a step is planned.

    Raises:
        ArgumentError: the policy, or no solver.
    """
    if writer == "":
        raise ArgumentError(
            "`writer` of scaffold 'critique' must be 'simple_gt' or a solver, got ''; serve the "
            "policy and name it as one"
        )
    return named(pool, writer=writer, known=(SIMPLE,))


def hold_critiques(
    state: tuple, ask: Ask, *, writer: Any, tries: int, share: float, **_: Any
) -> int:
    """As `hold`; a solver's critiques cost as much again."""
    cost = tries if writer == SIMPLE else 2 * tries
    return hold(state, ask, tries=cost, share=share)


def _reply(ask: Ask, need: Need, longest: int) -> str:
    """The text of a failed attempt, as far as it is shown."""
    texts = None if ask.so_far is None else ask.so_far.text
    text = None if texts is None else texts[need.parent]
    return text[:longest] if isinstance(text, str) and text.strip() else "(no text)"


SCAFFOLDS: dict[str, Slot] = {
    "explain": Slot(
        init=named,
        hold=hold,
        suggest=explain,
        options=OPTIONS,
        bounds=BOUNDS,
        rounds=2,
        needs=frozenset({"rounds", "refine", "demo"}),
        paper="ExPO: where nobody succeeded, an explanation by a writer who knows the answer; a "
        "reading of the abstract.",
    ),
    "critique": Slot(
        init=named_critic,
        hold=hold_critiques,
        suggest=critique,
        options={**OPTIONS, "writer": SIMPLE},
        bounds=BOUNDS,
        rounds=2,
        needs=frozenset({"rounds", "refine", "text"}),
        paper="Critique-GRPO (arXiv:2506.03106): a failed reply is refined with a critique in "
        "sight; as many as a share of the step pays for.",
    ),
    "reformulate": Slot(
        init=named,
        hold=hold,
        suggest=reformulate,
        options={"gate": 0, **OPTIONS},
        bounds={"gate": checks.AT_LEAST_0, **BOUNDS},
        rounds=2,
        check=demands.solutions,
        needs=frozenset({"rounds", "refine", "demo"}),
        paper="EGSR (arXiv:2505.08364): the expert's solution in the policy's or a solver's words, "
        "its answer checked; a reading of the abstract.",
    ),
}
