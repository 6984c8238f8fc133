import numpy as np
import pytest
from scipy import stats

from gradatim.choice import curricula, samplers
from gradatim.choice.curricula import SAMPLERS, Ladder, band
from gradatim.errors import ArgumentError
from gradatim.types import Ask, Batch, Belief, Pool


def pool_of(level, family=None, difficulty=None, sources=("all",), source=None):
    size = len(level)
    return Pool(
        source=np.zeros(size, int) if source is None else np.asarray(source),
        sources=sources,
        floor=np.zeros(size),
        family=None if family is None else np.asarray(family),
        level=np.asarray(level, float),
        difficulty=difficulty,
    )


def ask_of(pool, prompts, rates=None, **more):
    p = np.full(len(pool.source), 0.5) if rates is None else np.asarray(rates, float)
    return Ask(pool, Belief(p * 100, (1 - p) * 100, None), None, None, prompts, 100, 0, **more)


def batch_of(problem, solved, *, step=0, mask=None, role=None, hint=None):
    size = len(problem)
    return Batch(
        step=step,
        group=np.arange(size),
        problem=np.asarray(problem),
        role=np.zeros(size, int) if role is None else np.asarray(role),
        parent=np.full(size, -1),
        reward=np.asarray(solved, float),
        solved=np.asarray(solved, bool),
        length=np.full(size, -1),
        mask=np.ones(size, bool) if mask is None else np.asarray(mask),
        hint=hint,
    )


def drawn(name, pool, state, prompts, rates=None, seed=0, **options):
    slot = SAMPLERS[name]
    ask = ask_of(pool, prompts, rates)
    return slot.suggest(state, ask, np.random.default_rng(seed), **{**slot.options, **options})


# -- ladders ----------------------------------------------------------------------------------


def test_rungs_are_ranks_of_levels_in_each_family():
    pool = pool_of([3, 7, 7, 1, np.nan, 5], family=[0, 0, 0, 1, 1, 1])
    ladder = curricula.init_ladder(pool)
    assert ladder.family.tolist() == [0, 0, 1, 1]
    assert ladder.height.tolist() == [0, 1, 0, 1]
    assert ladder.rung.tolist() == [0, 1, 1, 2, 2, 3]  # an unknown level is the lowest
    none = curricula.init_ladder(pool_of([np.nan, np.nan]))
    assert none.rung.tolist() == [0, 0]
    bare = Pool(source=np.zeros(2, int), sources=("all",), floor=np.zeros(2))
    assert curricula.init_ladder(bare).height.tolist() == [0]


def climb(state, problem, solved, **options):
    given = {"rate": 0.75, "least": 8, "memory": 64, **options}
    return curricula.observe_levels(state, batch_of(problem, solved), **given)


def test_saturn_moves_up_when_more_than_the_rate_is_solved():
    pool = pool_of([1, 1, 2, 2, 3])
    state = curricula.init_ladder(pool)
    plan = drawn("levels", pool, state, 2)
    assert set(plan.problem) == {0, 1}
    state = climb(state, [0] * 8, [1] * 6 + [0] * 2)  # 6 of 8 is .75, which is not more
    assert state.at.tolist() == [0]
    state = climb(state, [1] * 8, [1] * 8)
    assert state.at.tolist() == [1]
    assert set(drawn("levels", pool, state, 2).problem) == {2, 3}
    # late attempts of the level left behind change nothing, not even failures
    late = climb(state, [0] * 50, [0] * 50)
    assert late.at.tolist() == [1]
    for _ in range(3):
        state = climb(state, [2] * 8 + [4] * 8, [1] * 16)
    assert state.at.tolist() == [2]  # the top is not left


def test_only_unaided_attempts_that_count_move_the_level():
    pool = pool_of([1, 2])
    fresh = curricula.init_ladder(pool)
    given = {"rate": 0.5, "least": 4, "memory": 64}
    for more in (
        {"mask": np.zeros(8, bool)},
        {"role": np.ones(8, int)},
        {"hint": np.full(8, 0.5)},
    ):
        batch = batch_of([0] * 8, [1] * 8, **more)
        assert curricula.observe_levels(fresh, batch, **given).at.tolist() == [0]
    assert climb(fresh, [0] * 7, [1] * 7).at.tolist() == [0]  # fewer than `least`
    assert climb(fresh, [0] * 8, [1] * 8).at.tolist() == [1]


def test_too_few_problems_at_a_level_are_joined_by_the_next():
    pool = pool_of([1, 2, 2, 3, 3, 3])
    plan = drawn("levels", pool, curricula.init_ladder(pool), 2)
    assert 0 in plan.problem
    assert set(plan.problem) <= {0, 1, 2}
    assert sorted(plan.propensity.tolist()) == [0.5, 1.0]


def test_families_share_the_prompts_evenly_whatever_their_size():
    pool = pool_of([1] * 90 + [1] * 10, family=[0] * 90 + [1] * 10)
    plan = drawn("levels", pool, curricula.init_ladder(pool), 10)
    assert np.sort(np.unique(plan.propensity)).tolist() == pytest.approx([5 / 90, 5 / 10])


def test_mastery_reviews_and_goes_back():
    level = np.repeat([1, 2, 3], 20)
    pool = pool_of(level)
    given = {"memory": 64.0}
    state = curricula.observe_rungs(
        curricula.init_ladder(pool), batch_of([0] * 70, [1] * 70), **given
    )
    plan = drawn("mastery", pool, state, 10)
    share = np.bincount(pool.level[plan.problem].astype(int), minlength=4)
    assert share[3] == 0
    # inclusion: 10 prompts, .8 of them at level 2, .2 at level 1, 20 problems each
    assert np.unique(plan.propensity.round(9)).tolist() == [0.1, 0.4]
    lost = curricula.observe_rungs(state, batch_of([1] * 70, [0] * 70), **given)
    assert set(pool.level[drawn("mastery", pool, lost, 10).problem]) == {1}
    done = curricula.observe_rungs(state, batch_of([20] * 70 + [40] * 70, [1] * 140), **given)
    top = drawn("mastery", pool, done, 10, review=0.0)
    assert set(pool.level[top.problem]) == {3}


@pytest.mark.parametrize("name", ["levels", "mastery"])
def test_rates_to_reach_lie_inside(name):
    pool = pool_of([1, 2])
    for rate in (0.0, 1.0, -1, 2):
        with pytest.raises(ArgumentError, match="`rate` must lie strictly between 0 and 1"):
            drawn(name, pool, curricula.init_ladder(pool), 1, rate=rate)


def test_s156_easy_to_hard_beats_shuffled_on_the_hard_level():
    # a skill of level l is only learned with those below it in place
    def learn(name, seed):
        rng = np.random.default_rng(seed)
        level = np.repeat([1, 2, 3, 4], 50)
        pool = pool_of(level)
        slot, skill = SAMPLERS.get(name), np.full(4, -2.0)
        options = {} if slot is None else {**slot.options, "least": 32, "memory": 64}
        state = None if slot is None else slot.init(pool, **options)
        for step in range(60):
            p = 1 / (1 + np.exp(-skill[level - 1]))
            ask = ask_of(pool, 8, drawn=8 * step, seed=seed)
            if slot is None:
                plan = samplers.uniform((), ask, rng)
            else:
                plan = slot.suggest(state, ask, rng, **options)
            row = np.repeat(plan.problem, 4)
            solved = rng.random(32) < p[row]
            if slot is not None:
                state = slot.observe(state, batch_of(row, solved), **options)
            for at in level[plan.problem] - 1:
                ready = np.prod(1 / (1 + np.exp(-skill[:at])))
                skill[at] += 0.1 * ready**2
        return 1 / (1 + np.exp(-skill[3]))

    ordered = np.mean([learn("mastery", seed) for seed in range(4)])
    shuffled = np.mean([learn("uniform", seed) for seed in range(4)])
    assert ordered > shuffled + 0.05


# -- bands ------------------------------------------------------------------------------------


def test_clpo_bands_by_hand():
    rate = np.array([0.0, 0.3, 0.3000001, 0.5, 0.7, 0.7000001, 1.0])
    assert band(rate).tolist() == [0, 0, 1, 1, 1, 2, 2]
    # 3 of 10 as a quotient of counts is .3 whatever the rounding
    assert band(np.array([3 / 10, 0.1 * 3, 0.7 * 1])).tolist() == [0, 0, 1]
    with pytest.raises(ArgumentError, match="`hard` must lie in"):
        band(rate, hard=0.8)


def test_bands_share_the_prompts():
    rates = np.r_[np.full(50, 0.1), np.full(30, 0.5), np.full(20, 0.9)]
    pool = pool_of(np.ones(100))
    plan = drawn("bands", pool, (), 10, rates)
    said = {round(p, 9) for p in plan.propensity}
    assert said <= {round(4 / 50, 9), round(5 / 30, 9), round(1 / 20, 9)}
    # no easy ones wanted, and one hard problem only: it is certain, the rest are medium
    few = drawn("bands", pool_of(np.ones(5)), (), 3, [0.1, 0.5, 0.5, 0.5, 0.9], shares=(1, 1, 0))
    assert few.problem.tolist().count(0) == 1
    assert 4 not in few.problem
    for shares in ((0, 0, 0), (1, 1), (1, -1, 1)):
        with pytest.raises(ArgumentError, match="shares"):
            drawn("bands", pool, (), 3, rates, shares=shares)


# -- upsampling at the end --------------------------------------------------------------------


def test_upsampling_starts_late_and_has_its_share():
    pool = pool_of(
        np.ones(100), sources=("a:1", "a:2", "b"), source=np.repeat([0, 1, 2], [5, 5, 90])
    )
    slot, rng = SAMPLERS["upsample"], np.random.default_rng(0)

    def plan(progress, **options):
        ask = ask_of(pool, 20, progress=progress, drawn=40, seed=3)
        return slot.suggest((), ask, rng, **{**slot.options, **options})

    early = plan(0.5, domain=("a",))
    assert set(early.why) == {"sweep"}
    late = plan(0.9, domain=("a",))  # 10 problems of 100 get .3 of 20 prompts
    assert {round(p, 9) for p in late.propensity} <= {6 / 10, round(14 / 90, 9)}
    one = plan(0.9, domain=("a:1",), share=0.0)  # a share below the natural one is not taken away
    assert {round(p, 9) for p in one.propensity} == {0.2}
    assert set(plan(0.9).why) == {"sweep"}  # no domain
    assert set(plan(0.9, domain="a").propensity) == set(late.propensity)
    with pytest.raises(ArgumentError, match=r"`domain` must name .*did you mean 'a:2'"):
        plan(0.9, domain=("a:22",))


def test_s250_upsampling_at_the_end_beats_a_constant_mix():
    # skill in a domain grows with each prompt of it and fades otherwise; both ways see it equally
    # often: 10% + 20% of 40% is a constant 14%
    size, steps, prompts = 1000, 100, 50
    source = (np.arange(size) < 100).astype(int)
    pool = pool_of(np.ones(size), sources=("rest", "domain"), source=source)
    slot = SAMPLERS["upsample"]

    def final(start, share, seed):
        rng, skill, seen = np.random.default_rng(seed), 0.0, 0
        for step in range(steps):
            ask = ask_of(pool, prompts, progress=step / steps, drawn=prompts * step, seed=seed)
            plan = slot.suggest((), ask, rng, domain=("domain",), share=share, start=start)
            hits = source[plan.problem].sum()
            seen += hits
            skill = 0.97 * skill + 0.01 * hits
        return skill, seen

    late = np.array([final(0.8, 0.3, seed) for seed in range(8)]).mean(axis=0)
    constant = np.array([final(0.0, 0.14, seed) for seed in range(8)]).mean(axis=0)
    assert late[1] == pytest.approx(constant[1], rel=0.03)
    assert late[0] > 1.2 * constant[0]


# -- re-sorted blocks -------------------------------------------------------------------------


def run_sweeps(pool, rates, steps, prompts, lag=0, blocks=4):
    """Problems in the order drawn, feedback `lag` steps late; rates[step] is believed."""
    slot = SAMPLERS["resort"]
    state, late, order = slot.init(pool), [], []
    for step in range(steps):
        ask = ask_of(pool, prompts, rates(step), drawn=prompts * step, seed=5)
        plan = slot.suggest(state, ask, np.random.default_rng(0), blocks=blocks)
        assert len(plan.problem) == prompts
        order += plan.problem.tolist()
        late.append(batch_of(plan.problem, np.zeros(prompts), step=step))
        if len(late) > lag:
            state = slot.observe(state, late.pop(0))
    return np.array(order)


@pytest.mark.parametrize("lag", [0, 1, 3])
def test_every_problem_has_one_turn_a_sweep(lag):
    pool = pool_of(np.repeat(np.arange(1, 9), 5))
    rate = np.random.default_rng(0).random(40)
    order = run_sweeps(pool, lambda step: rate, 16, 5, lag)
    assert sorted(order[:40]) == sorted(order[40:]) == list(range(40))
    # blocks of two levels, easiest levels first; inside a block by the belief
    assert (np.diff(pool.level[order[:40]].reshape(4, 10).mean(axis=1)) > 0).all()
    for block in order[:40].reshape(4, 10):
        assert (np.diff(rate[block]) <= 0).all()


def test_beliefs_that_change_cost_no_turns_without_lag():
    pool = pool_of(np.repeat(np.arange(1, 5), 10))
    rng = np.random.default_rng(1)
    order = run_sweeps(pool, lambda step: rng.random(40), 8, 5)
    assert sorted(order) == list(range(40))
    # with lag some turns can be lost, but only inside the block
    late = run_sweeps(pool, lambda step: rng.random(40), 8, 5, lag=2)
    assert (
        np.sort(pool.level[late].reshape(4, 10)) == np.sort(pool.level[order].reshape(4, 10))
    ).all()
    assert len(set(late.tolist())) > 25


def test_prompts_across_blocks_and_sweeps():
    pool = pool_of(np.arange(1, 8), difficulty=np.arange(7.0)[::-1])
    order = run_sweeps(pool, lambda step: np.linspace(0.1, 0.9, 7), 3, 14, blocks=3)
    assert np.bincount(order).tolist() == [6] * 7
    assert order[0] in (5, 6)  # the bank says which are easy, not the level


def test_s025_re_sorted_order_follows_the_current_policy():
    rng = np.random.default_rng(0)
    now = rng.random(400)  # what the policy solves now
    before = np.clip(now + rng.normal(0, 0.35, 400), 0, 1)  # what the difficulty was read from
    pool = pool_of(np.ones(400), difficulty=1 - before)
    order = run_sweeps(pool, lambda step: now, 40, 10, blocks=8)
    first = np.argsort(1 - before, kind="stable")
    by_block = [
        (
            stats.spearmanr(np.arange(50), -now[new]).statistic,
            stats.spearmanr(np.arange(50), -now[old]).statistic,
        )
        for new, old in zip(order.reshape(8, 50), first.reshape(8, 50), strict=True)
    ]
    new, old = np.mean(by_block, axis=0)
    assert new > 0.99
    assert old < 0.4


def test_states_are_not_written_in_place():
    pool = pool_of([1, 2, 2])
    state = curricula.init_ladder(pool)
    curricula.observe_rungs(state, batch_of([0, 1], [1, 1]), memory=8.0)
    assert isinstance(state, Ladder)
    assert not state.tried.any()
