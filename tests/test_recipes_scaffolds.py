"""Scaffolds at work: hints by rounds, demonstrations, rewrites and examples, paid from the step."""

import numpy as np
import pytest

from gradatim.choice import hints
from gradatim.errors import ArgumentError
from gradatim.families.generation import generate
from gradatim.families.verify import check
from gradatim.recipes import scaffolds
from gradatim.recipes.curriculum import Curriculum
from gradatim.types import ROLES, Problem

PROVIDES = {"logp", "rounds", "hint", "demo", "rewrite", "refine"}
PROBLEMS = generate("lists", n=40, level=range(1, 11))
SORTS = generate("lists", n=40, level=range(1, 11), operation="sort")  # four to a source


def curriculum(scaffold, rounds, problems=PROBLEMS, **options):
    from dataclasses import replace

    from gradatim.recipes import registry

    base = replace(registry.get("grpo"), max_rounds=rounds)
    return Curriculum(problems, base, provides=PROVIDES, scaffold=(scaffold, options))


def play(cur, prompts, rollouts, solved):
    """A step with all rounds; `solved(plan)` gives the rewards. Plans and the last batch."""
    plans, plan = [], cur.suggest(prompts, rollouts=rollouts)
    while plan is not None:
        plans.append(plan)
        batch = cur.observe(plan, solved(plan))
        plan = cur.more(batch)
    return plans, batch


# -- hints --------------------------------------------------------------------------------------


def test_hints_move_to_where_half_is_solved():
    """A problem that needs 60% of its solution is shown about that much after four rounds."""
    cur, rng = curriculum("hint", 4), np.random.default_rng(0)

    def solved(plan):
        rate = hints.rate(np.repeat(plan.hint, plan.n), 20.0, 0.6, 0.0)
        return (rng.random(len(rate)) < rate).astype(float)

    plans, batch = play(cur, 8, 256, solved)
    assert [p.n.sum() for p in plans] == [64] * 4
    assert (plans[0].hint == 1).all()  # cold: all but the last piece
    assert plans[1].hint.max() < 1
    assert np.abs(plans[-1].hint - 0.6).mean() < 0.1
    assert len(set(batch.group.tolist())) == 8  # the union of the rounds is compared
    assert np.unique(batch.group, return_counts=True)[1].tolist() == [32] * 8
    # the next visit begins where this one ended
    state = cur._states["scaffold"].last
    seen = ~np.isnan(state)
    assert seen.sum() == 8
    assert np.abs(state[seen] - 0.6).mean() < 0.1
    # nothing of it is believed: it was another task
    assert cur.belief().alpha.tolist() == [0.5] * 40


def test_hints_stop_where_none_is_needed():
    cur = curriculum("hint", 3, cold=0.0)
    plans, _ = play(cur, 4, 48, lambda plan: np.ones(plan.n.sum()))
    assert all((plan.hint == 0).all() for plan in plans)
    assert cur.belief().alpha.max() > 10  # unaided attempts are believed


def test_hinted_problems_show_their_solution():
    cur = curriculum("hint", 2, cold=0.5)
    plan = cur.suggest(4, rollouts=16)
    for i, posed in zip(plan.problem, plan.posed, strict=True):
        assert posed.prompt.startswith(PROBLEMS[i].prompt)
        assert PROBLEMS[i].solution[:5] in posed.prompt
        assert PROBLEMS[i].solution not in posed.prompt
        assert check(posed, PROBLEMS[i].answer).solved
    bare = [Problem(id=str(i), prompt="1+1", answer="2", family="mine") for i in range(4)]
    with pytest.raises(ArgumentError, match=r"4 of 4 problems have no worked solution.*'mine'"):
        curriculum("hint", 2, bare)


# -- demonstrations -----------------------------------------------------------------------------


def test_hopeless_groups_get_one_demonstration():
    cur = curriculum("demonstrate", 2)

    def solved(plan):
        right = np.zeros(plan.n.sum())
        return right if plan.round else np.where(np.arange(len(right)) < plan.n[0], 1.0, right)

    plans, batch = play(cur, 4, 40, solved)
    assert plans[0].n.sum() == 36  # one attempt for each prompt is left to the demonstrations
    assert plans[1].role.tolist() == [ROLES.index("demo")] * 3
    assert plans[1].n.tolist() == [1, 1, 1]
    assert set(plans[1].group) == set(range(1, 4))  # in the groups that nobody solved
    assert cur.metrics()["spent"] == 39
    assert batch.role.tolist()[-3:] == [ROLES.index("demo")] * 3


# -- rewrites -----------------------------------------------------------------------------------


def test_hard_problems_become_simpler_and_medium_ones_others():
    cur = curriculum("rewrite", 2, share=0.5, step=3)
    rates = {0: 0.0, 1: 0.3, 2: 0.5, 3: 1.0}

    def solved(plan):
        if plan.round:
            return np.zeros(plan.n.sum())
        each = [np.arange(n) < round(rates[g] * n) for g, n in enumerate(plan.n.tolist())]
        return np.concatenate(each).astype(float)

    plans, _ = play(cur, 4, 80, solved)
    first, second = plans
    assert first.n.tolist() == [10] * 4
    assert sorted(second.why.tolist()) == ["diversify", "simplify", "simplify"]
    assert second.n.sum() == 40
    assert not set(second.group) & set(first.group)
    for index, posed, why in zip(second.problem, second.posed, second.why, strict=True):
        base = PROBLEMS[index]
        assert posed.family == base.family
        assert posed.split == base.split
        assert posed.id != base.id
        assert posed.level == (max(base.level - 3, 1) if why == "simplify" else base.level)
        assert check(posed, posed.answer).solved
    with pytest.raises(ArgumentError, match="4 of 4 problems were not generated at a level"):
        curriculum("rewrite", 2, list("abcd"))


def test_kl_is_softer_where_it_was_hard():
    cur = curriculum("rewrite", 2, share=0.5)
    rates = {0: 0.0, 1: 0.3, 2: 0.4, 3: 1.0}  # .3 is hard

    def solved(plan):
        if plan.round:
            return np.ones(plan.n.sum())
        each = [np.arange(n) < round(rates[g] * n) for g, n in enumerate(plan.n.tolist())]
        return np.concatenate(each).astype(float)

    plans, batch = play(cur, 4, 80, solved)
    hard = np.isin(batch.problem, plans[0].problem[:2])
    assert batch.kl_scale.tolist() == np.where(hard, 0.5, 1.0).tolist()
    rewritten = batch.role == ROLES.index("rewrite")
    assert set(batch.kl_scale[rewritten]) == {0.5, 1.0}
    assert (
        batch.propensity.tolist()
        == np.repeat(
            np.concatenate([p.propensity for p in plans]), np.concatenate([p.n for p in plans])
        ).tolist()
    )
    with pytest.raises(ArgumentError, match=r"`soft` must .* 1\]?, got 2"):
        play(curriculum("rewrite", 2, soft=2), 4, 80, solved)
    # the column of other scaffolds is the trainer's own, or none
    cur = curriculum("none", 1)
    batch = cur.observe(cur.suggest(1, rollouts=2), [1, 0], kl_scale=[0.25, 1])
    assert batch.kl_scale.tolist() == [0.25, 1.0]
    assert cur.observe(cur.suggest(1, rollouts=2), [1, 0]).kl_scale is None


# -- solved examples ----------------------------------------------------------------------------


def test_unsolved_problems_are_tried_again_with_solved_neighbours():
    cur = curriculum("examples", 2, SORTS, k=2)

    def solved(plan):
        return np.zeros(plan.n.sum()) if plan.round == 0 else np.ones(plan.n.sum())

    plans, _ = play(cur, 4, 64, solved)
    assert plans[0].n.sum() == 48
    assert plans[1].n.sum() == 16
    assert plans[1].role.tolist() == [ROLES.index("refine")] * 4
    for index, posed in zip(plans[1].problem, plans[1].posed, strict=True):
        base = SORTS[index]
        assert posed.prompt.endswith(base.prompt)
        near = [p for p in SORTS if p.level == base.level and p.id != base.id]
        assert sum(p.prompt in posed.prompt for p in near) == 2
        assert base.answer not in posed.prompt.removesuffix(base.prompt).split("\n")


def test_shares_add_up():
    for total in range(20):
        for rows in range(1, 7):
            found = scaffolds.shares(total, rows)
            assert found.sum() == total
            assert np.ptp(found) <= 1
