"""Budgets in rounds by themselves: refill, interval drop. Steps: test_recipes_rounds.py."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from gradatim.choice import phases, plans
from gradatim.errors import ArgumentError
from gradatim.recipes import registry
from gradatim.recipes.curriculum import Curriculum
from gradatim.types import Ask, Batch, Belief, Pool

INTERVAL, REFILL = phases.BUDGETS["interval"], phases.BUDGETS["refill"]
SIZE = 50
POOL = Pool(source=np.zeros(SIZE, int), sources=("all",), floor=np.zeros(SIZE))
BELIEF = Belief(np.ones(SIZE), np.ones(SIZE), lambda rng, m: None)


def rows_of(n, problem=None, **columns):
    size = len(n)
    plan = plans.rows(
        np.arange(size) if problem is None else np.asarray(problem),
        step=0,
        propensity=np.full(size, 0.5),
        why=np.full(size, "x"),
    )
    return dataclasses.replace(plans.give(plan, np.asarray(n)), **columns)


def results(rows, rewards, mask=None, solved=None):
    """A batch of the rows' attempts; `rewards` lists of each row."""
    row = np.repeat(np.arange(len(rewards)), [len(r) for r in rewards])
    reward = np.array([x for r in rewards for x in r], float)
    zeros = np.zeros(len(row), int)
    return Batch(
        step=0,
        group=rows.group[row],
        problem=rows.problem[row],
        role=rows.role[row],
        parent=zeros - 1,
        reward=reward,
        solved=reward >= 1 if solved is None else solved,
        length=zeros,
        mask=zeros == 0 if mask is None else np.asarray(mask),
        row=row,
    )


def ask_of(rows, so_far, left, *, round=1, rounds=4, prompts=8):
    return Ask(POOL, BELIEF, None, so_far, prompts, left, 0, round=round, rounds=rounds, rows=rows)


def phase(rows, rewards, left, *, round=3, mask=None, **options):
    """Attempts by group of one phase; by default the last one of four, which spends all."""
    ask = ask_of(rows, results(rows, rewards, mask), left, round=round)
    plan = INTERVAL.suggest((), ask, np.random.default_rng(0), **{**INTERVAL.options, **options})
    return np.bincount(plan.group, plan.n, minlength=len(rewards)).astype(int).tolist()


# -- interval drop ----------------------------------------------------------------------------


def test_half_widths_by_table():
    # t(.975) of 1, 3 and 7 freedoms: 12.706, 3.182, 2.365
    expected = [np.inf, np.inf, 12.706 / 2**0.5, 3.182 / 2, 2.365 / 8**0.5]
    found = phases.half_widths(np.array([0, 1, 2, 4, 8]))
    np.testing.assert_allclose(found, expected, rtol=2e-4)
    np.testing.assert_allclose(
        phases.half_widths(np.array([5]), level=0.9), stats.t.ppf(0.95, 4) / np.sqrt(5)
    )
    wide = phases.half_widths(np.arange(2, 200))
    assert (np.diff(wide, 2) > 0).all()  # the drops fall, so greedy is exact


def test_spread_by_hand():
    rows = rows_of([4, 4, 4, 1])
    here = phases.standing(ask_of(rows, results(rows, [[1, 0, 1, 0], [1] * 4, [0] * 4, [1]]), 9))
    plain = phases.spread(here, (0, 0))
    np.testing.assert_allclose(plain, [np.sqrt(1 / 3), 0, 0, 0], atol=1e-12)
    # all right of four: m = 4.5 / 5 = .9, one prior attempt of variance .09 beside 3 of 0
    shrunk = phases.spread(here, (0.5, 0.5))
    np.testing.assert_allclose(shrunk[1:3], np.sqrt(0.09 / 4))
    np.testing.assert_allclose(shrunk[0], np.sqrt((1 + 0.25) / 4))
    np.testing.assert_allclose(shrunk[3], np.sqrt(0.75 * 0.25))  # one attempt: the prior's alone


def test_the_paper_s_rule_by_hand():
    # s = .577 and .5 and 0 of four each, no bonus, plain deviations: h(4) - h(5) = .3496 of them;
    # the first is at 4, 5, 6: gains .2018, .1111 (h(5) - h(6) = .1924); the second .1748, .0962
    rows = rows_of([4, 4, 4])
    rewards = [[1, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    given = {"prior": (0.0, 0.0), "bonus": 0.0}
    assert phase(rows, rewards, 1, **given) == [1, 0, 0]
    assert phase(rows, rewards, 2, **given) == [1, 1, 0]
    assert phase(rows, rewards, 3, **given) == [2, 1, 0]
    assert phase(rows, rewards, 4, **given) == [2, 2, 0]
    # a large bonus looks at counts alone
    even = phase(rows_of([4, 6, 4]), [[1, 0, 1, 0], [1, 0] * 3, [0] * 4], 2, bonus=1e6)
    assert even == [1, 0, 1]


def test_it_is_the_greedy_loop():
    rng = np.random.default_rng(0)
    for _ in range(20):
        size = rng.integers(2, 7, 6)
        rewards = [rng.integers(0, 2, n).astype(float).tolist() for n in size]
        rows = rows_of(size)
        total, left = int(size.sum()), int(rng.integers(1, 40))
        here = phases.standing(ask_of(rows, results(rows, rewards), left))
        sd, n, given = phases.spread(here, (0.5, 0.5)), size.copy(), np.zeros(6, int)
        for _ in range(left):
            drop = (phases.half_widths(n) - phases.half_widths(n + 1)) * sd
            at = int(np.argmax(drop + 0.1 * np.sqrt(np.log(1 + total) / n)))
            n[at] += 1
            given[at] += 1
        assert phase(rows, rewards, left) == given.tolist()


def test_phases_share_what_is_left():
    rows, rewards = rows_of([4] * 5), [[1, 0, 0, 0]] * 5
    assert sum(phase(rows, rewards, 10, round=1)) == 4  # three phases: ceil(10 / 3)
    assert sum(phase(rows, rewards, 6, round=2)) == 3
    assert sum(phase(rows, rewards, 3, round=3)) == 3


def test_groups_without_an_interval_come_first():
    rows = rows_of([4, 2, 2])
    # of the second one attempt counts, of the third none
    mask = [True] * 4 + [True, False, False, False]
    assert phase(rows, [[1, 0, 1, 0], [1, 1], [0, 0]], 3, mask=mask) == [0, 1, 2]


def test_full_groups_leave_the_rest_to_others():
    rows, rewards = rows_of([4, 4, 4]), [[1, 0, 1, 0], [1, 1, 1, 1], [0, 0, 0, 0]]
    assert phase(rows, rewards, 9, max=6) == [2, 2, 2]  # all are full: three are not spent
    assert phase(rows, rewards, 5, max=6)[0] == 2
    ask = ask_of(rows, results(rows, rewards), 9)
    assert INTERVAL.suggest((), ask, None, **{**INTERVAL.options, "max": 4}) is None


def test_old_groups_go_on_as_they_were_posed():
    rows = rows_of([2, 2, 2], [7, 9, 4])
    rows = dataclasses.replace(rows, hint=np.array([0, 0.5, 0]), role=np.array([0, 0, 2]))
    ask = ask_of(rows, results(rows, [[1, 0], [1, 0], [0, 0]]), 4, round=3)
    plan = INTERVAL.suggest((), ask, np.random.default_rng(0), **INTERVAL.options)
    assert plan.group.tolist() == [0, 1]  # rewrites are the scaffold's
    assert plan.problem.tolist() == [7, 9]
    assert plan.hint.tolist() == [0, 0.5]
    assert set(plan.why) == {"interval"}
    assert plan.n.sum() == 4


def test_bad_options_are_named():
    rows, rng = rows_of([4]), np.random.default_rng(0)
    ask = ask_of(rows, results(rows, [[1, 0, 1, 0]]), 4)
    for bad, name in (({"base": 1}, "base"), ({"bonus": -1}, "bonus"), ({"max": 2}, "max")):
        with pytest.raises(ArgumentError, match=f"`{name}` must lie in"):
            INTERVAL.suggest((), ask, rng, **{**INTERVAL.options, **bad})
    with pytest.raises(ArgumentError, match="`level` must lie in"):
        phases.half_widths(np.array([3]), level=1.0)


def run_step(budget, rates, rng, rollouts, **options):
    """Attempts and successes of each problem in one step of four rounds."""
    base = dataclasses.replace(registry.get("grpo"), max_rounds=4 if budget == "interval" else 1)
    cur = Curriculum(range(len(rates)), base, provides={"logp", "rounds"}, budget=(budget, options))
    plan = cur.suggest(len(rates), rollouts=rollouts)
    while plan is not None:
        row = np.repeat(plan.problem, plan.n)
        batch = cur.observe(plan, rng.random(len(row)) < rates[row])
        plan = cur.more(batch)
    size = len(rates)
    return np.bincount(batch.problem, minlength=size), np.bincount(
        batch.problem, batch.reward, minlength=size
    )


def test_s065_intervals_are_narrower_than_with_equal_groups():
    rng = np.random.default_rng(0)
    found = {}
    for name in ("interval", "equal"):
        widths = []
        for _ in range(30):
            rates = rng.permutation(np.repeat([0.02, 0.5, 0.98], 8))
            n, _ = run_step(name, rates, rng, 24 * 8)
            assert n.sum() == 24 * 8
            # width of the true rate's interval, which luck in the sample cannot narrow
            widths.append((np.sqrt(rates * (1 - rates)) * phases.half_widths(n)).sum())
        found[name] = np.mean(widths)
    assert found["interval"] < 0.97 * found["equal"]


# -- refill -----------------------------------------------------------------------------------


def test_refill_asks_for_what_is_missing():
    rows = rows_of([4, 4, 4])
    so_far = results(rows, [[1, 0, 0, 0], [0] * 4, [1] * 4])
    given = {"size": 4, "keep": 0.5}
    ask = ask_of(rows, so_far, 20, prompts=8)  # 32 in all: 8 groups, 4 wanted, 1 is mixed
    assert phases.want_refill((), ask, **given) == 3
    assert phases.want_refill((), dataclasses.replace(ask, left=7), **given) == 1
    assert phases.want_refill((), dataclasses.replace(ask, left=3), **given) == 0
    full = results(rows, [[1, 0, 0, 0]] * 3)
    assert phases.want_refill((), dataclasses.replace(ask, so_far=full), size=4, keep=0.3) == 0
    assert REFILL.suggest((), ask, np.random.default_rng(0), **given) is None  # nothing was drawn


def test_refill_judges_rewards_exactly_and_counts_live_attempts_only():
    rows = rows_of([4, 4])
    near = results(rows, [[0.1 + 0.2] * 4, [0.3, 0.1 + 0.2, 0.3, 0.3]])
    count, mixed = phases.spread_of(near, 2)
    assert mixed.tolist() == [False, True]
    masked = results(rows, [[1, 0, 0, 0], [1] * 4], mask=[False, True, True, True] + [True] * 4)
    count, mixed = phases.spread_of(masked, 2)
    assert count.tolist() == [3, 4]
    assert mixed.tolist() == [False, False]
    with pytest.raises(ArgumentError, match="`size` must lie in"):
        phases.want_refill((), ask_of(rows, near, 8), size=1)
    with pytest.raises(ArgumentError, match="`keep` must lie in"):
        phases.want_refill((), ask_of(rows, near, 8), keep=1.5)
