import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradatim.choice import samplers
from gradatim.choice.samplers import closest, inclusion, systematic
from gradatim.errors import ArgumentError
from gradatim.scale.belief import BELIEFS
from gradatim.types import Ask, Batch, Belief, Pool


def asked(rates, prompts, strength=50.0, **more):
    p = np.asarray(rates, float)
    belief = Belief(p * strength, (1 - p) * strength, lambda rng, m: None)
    pool = Pool(source=np.zeros(len(p), int), sources=("all",), floor=np.zeros(len(p)))
    return Ask(pool, belief, None, None, prompts, 100, 0, **more)


def draws(slot, ask, times=3000, **options):
    """How often each problem was drawn, and the propensity it was said to have."""
    rng = np.random.default_rng(0)
    count, said = np.zeros(len(ask.pool.source)), np.full(len(ask.pool.source), np.nan)
    for _ in range(times):
        plan = slot.suggest((), ask, rng, **{**slot.options, **options})
        np.add.at(count, plan.problem, 1)
        said[plan.problem] = plan.propensity
    return count / times, said


def test_inclusion_by_hand():
    # 2 of weights 8, 1, 1: 2 x 8/10 > 1, so the first is certain and 1 is left for 1 + 1
    np.testing.assert_allclose(inclusion(np.array([8.0, 1, 1]), 2), [1, 0.5, 0.5])
    # only one positive weight for 2 places: the others share the second place
    np.testing.assert_allclose(inclusion(np.array([0.0, 3, 0]), 2), [0.5, 1, 0.5])
    np.testing.assert_allclose(inclusion(np.zeros(4), 1), [0.25] * 4)
    with pytest.raises(ArgumentError, match="`weight` must lie in"):
        inclusion(np.array([np.nan, 1.0]), 1)


@settings(max_examples=80, deadline=None)
@given(
    weight=st.lists(st.floats(0, 1e9), min_size=1, max_size=40).map(np.array),
    share=st.floats(0, 1),
    seed=st.integers(0, 9),
)
def test_inclusion_sums_and_draws_are_distinct(weight, share, seed):
    size = int(share * len(weight))
    prob = inclusion(weight, size)
    assert prob.sum() == pytest.approx(size, abs=1e-9)
    assert ((prob >= 0) & (prob <= 1 + 1e-12)).all()
    taken = systematic(prob, np.random.default_rng(seed))
    assert len(set(taken.tolist())) == len(taken) == size
    assert (prob[taken] > 0).all()


def test_systematic_has_exactly_the_probabilities():
    prob = np.array([1.0, 0.5, 0.5, 0.25, 0.75])
    rng = np.random.default_rng(0)
    count = np.zeros(5)
    for _ in range(4000):
        np.add.at(count, systematic(prob, rng), 1)
    # standard error of the rarest: sqrt(.25 x .75 / 4000) = .0068
    np.testing.assert_allclose(count / 4000, prob, atol=0.03)


def test_a_level_period_does_not_beat_with_the_comb():
    # 10 levels in turn, 10 prompts of 100: a comb over the pool's own order would take one level
    prob = np.full(100, 0.1)
    rng = np.random.default_rng(1)
    levels = [len(set((systematic(prob, rng) % 10).tolist())) for _ in range(50)]
    assert np.mean(levels) > 5


def test_uniform_sweeps():
    seen = []
    for step in range(5):
        ask = asked(np.full(10, 0.5), 4, drawn=4 * step, seed=7)
        plan = samplers.uniform((), ask, np.random.default_rng(step))
        assert len(plan.problem) == 4
        assert plan.propensity.tolist() == [0.4] * 4
        seen += plan.problem.tolist()
    # 20 draws from 10 problems: two whole sweeps, each in an order of its own
    assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10))
    assert seen[:10] != seen[10:]
    many = samplers.uniform((), asked(np.full(3, 0.5), 8, seed=7), np.random.default_rng(0))
    assert np.bincount(many.problem).tolist() in ([3, 3, 2], [3, 2, 3], [2, 3, 3])


def test_window_takes_what_lies_inside():
    ask = asked([0.1, 0.2, 0.5, 0.8, 0.9, 0.05], 3)
    count, said = draws(samplers.SAMPLERS["window"], ask, times=200)
    assert count.tolist() == [0, 1, 1, 1, 0, 0]
    assert said[1:4].tolist() == [1, 1, 1]


def test_window_falls_back_to_the_nearest():
    # inside [.2, .8]: one. Nearest outside: .9 (away .1), then .05 (away .15), then .02
    ask = asked([0.02, 0.05, 0.5, 0.9], 3)
    plan = samplers.window((), ask, np.random.default_rng(0))
    assert sorted(plan.problem.tolist()) == [1, 2, 3]
    with pytest.raises(ArgumentError, match="`low` must lie in"):
        samplers.window((), ask, np.random.default_rng(0), low=0.9, high=0.5)


def test_variance_weights_by_hand():
    # E[p(1-p)] of Beta(2, 2) = 4/20 = .2; of Beta(1, 3) = 3/20 = .15; of Beta(1, 1) = 1/6
    belief = Belief(np.array([2.0, 1, 1]), np.array([2.0, 3, 1]), lambda rng, m: None)
    pool = Pool(source=np.zeros(3, int), sources=("all",), floor=np.zeros(3))
    ask = Ask(pool, belief, None, None, 1, 8, 0)
    weight = np.array([0.2, 0.15, 1 / 6])
    count, said = draws(samplers.SAMPLERS["variance"], ask, explore=0.0)
    np.testing.assert_allclose(said, weight / weight.sum())
    np.testing.assert_allclose(count, said, atol=0.03)


@pytest.mark.parametrize("name", ["window", "variance"])
def test_explore_starves_nothing_and_propensities_stay_exact(name):
    ask = asked([0.001, 0.3, 0.5, 0.6, 0.999, 0.4, 0.5, 0.7], 3)
    count, said = draws(samplers.SAMPLERS[name], ask, explore=0.2)
    assert np.nanmin(said) >= 0.2 * 3 / 8
    np.testing.assert_allclose(count, said, atol=0.035)
    assert said.sum() == pytest.approx(3)
    even, _ = draws(samplers.SAMPLERS[name], ask, explore=1.0)
    np.testing.assert_allclose(even, 3 / 8, atol=0.035)


def test_hopeless_pools_still_give_prompts():
    for rates in (np.zeros(20), np.ones(20)):
        for name in ("window", "variance"):
            slot = samplers.SAMPLERS[name]
            plan = slot.suggest((), asked(rates, 6), np.random.default_rng(0), **slot.options)
            assert len(set(plan.problem.tolist())) == 6


def test_high_power_goes_to_the_open_ones():
    ask = asked([0.5, 0.01, 0.02, 0.99], 1)
    plan = samplers.variance((), ask, np.random.default_rng(0), power=400.0, explore=0.0)
    assert plan.problem.tolist() == [0]
    assert plan.propensity[0] == pytest.approx(1)


# -- Thompson sampling ------------------------------------------------------------------------


def test_closest_shares_ties():
    assert closest(np.array([3.0, 1, 1, 1, 0]), 3).tolist() == [0, 2 / 3, 2 / 3, 2 / 3, 1]
    assert closest(np.zeros(4), 1).tolist() == [0.25] * 4
    assert closest(np.arange(3.0), 3).tolist() == [1, 1, 1]
    assert closest(np.arange(3.0), 0).tolist() == [0, 0, 0]


def test_thompson_with_known_rates_takes_the_nearest():
    ask = asked([0.1, 0.45, 0.52, 0.9, 0.7], 2, strength=1e12)
    plan = samplers.thompson((), ask, np.random.default_rng(0), explore=0.0)
    assert sorted(plan.problem.tolist()) == [1, 2]
    high = samplers.thompson((), ask, np.random.default_rng(0), target=0.8, explore=0.0)
    assert sorted(high.problem.tolist()) == [3, 4]
    for target in (0.0, 1.0, -0.5, np.nan):
        with pytest.raises(ArgumentError, match="strictly between 0 and 1"):
            samplers.thompson((), ask, np.random.default_rng(0), target=target)


def test_many_draws_give_the_chance_to_be_the_nearest():
    # Beta(1, 1) against a rate known to be .3: nearer to .5 with chance .4 (.3 < p < .7)
    belief = Belief(np.array([1.0, 0.3e12]), np.array([1.0, 0.7e12]), None)
    pool = Pool(source=np.zeros(2, int), sources=("all",), floor=np.zeros(2))
    ask = Ask(pool, belief, None, None, 1, 8, 0, seed=3)
    said = {}
    for seed in range(8):
        plan = samplers.thompson((), ask, np.random.default_rng(seed), draws=1000, explore=0.0)
        said[plan.problem[0]] = plan.propensity[0]
    assert said[0] == pytest.approx(0.4, abs=0.05)
    assert said[0] + said[1] == pytest.approx(1)


def test_joint_draws_move_a_source_together():
    # one source, all unknown: by marginals problems differ, jointly all rates are one number
    size = 30
    draw = lambda rng, m: np.repeat(rng.random((m, 2)), [size, size], axis=1)  # noqa: E731
    belief = Belief(np.ones(2 * size), np.ones(2 * size), draw)
    pool = Pool(source=np.repeat([0, 1], size), sources=("a", "b"), floor=np.zeros(2 * size))
    found = {}
    for joint in (False, True):
        shares = []
        for step in range(20):
            ask = Ask(pool, belief, None, None, size, 64, step)
            plan = samplers.thompson(
                (), ask, np.random.default_rng(step), draws=1, joint=joint, explore=0.0
            )
            shares.append((plan.problem < size).mean())
        found[joint] = np.array(shares)
    assert set(found[True]) == {0.0, 1.0}
    assert (np.abs(found[False] - 0.5) < 0.4).all()


def test_more_doubt_means_more_draws():
    ask = asked(np.full(40, 0.15), 3, strength=np.repeat([4.0, 400.0], 20))
    plan = samplers.thompson((), ask, np.random.default_rng(0), explore=0.0, draws=64)
    assert (plan.problem < 20).all()


def family_run(choose, seed, steps=80, prompts=6, group=4):
    """Ten families; the one at a half started unluckily, and one at .8 looks like it."""
    rng = np.random.default_rng(seed)
    source = np.repeat(np.arange(10), 20)
    rate = np.where(source == 7, 0.5, np.where(source % 2 == 0, 0.97, 0.03))
    rate[source == 0] = 0.8
    names = tuple(map(str, range(10)))
    pool = Pool(source=source, sources=names, floor=np.zeros(200))
    slot = BELIEFS["counts"]
    options = {**slot.options, "half_life": 0.0}
    state = slot.init(pool, **options)

    def tell(problem, solved, step):
        zeros = np.zeros(len(problem), int)
        batch = Batch(
            step=step,
            group=problem,
            problem=problem,
            role=zeros,
            parent=zeros - 1,
            reward=solved * 1.0,
            solved=solved,
            length=zeros,
            mask=zeros == 0,
        )
        return slot.observe(state, batch, **options)

    for time in range(3):  # all failed, or passed, three times; those at .8 failed once
        state = tell(np.arange(200), (rate > 0.6) & ((rate != 0.8) | (time > 0)), 0)
    seen = np.zeros(10)
    for step in range(steps):
        ask = Ask(
            pool, slot.suggest(state, pool, **options), None, None, prompts, 24, step, seed=seed
        )
        problem = choose(ask, rng)
        if step >= steps // 2:
            seen += np.bincount(source[problem], minlength=10)
        row = np.repeat(problem, group)
        state = tell(row, rng.random(len(row)) < rate[row], step)
    return seen / seen.sum()


def test_s263_thompson_explores_all_families_and_beats_greedy():
    def greedy(ask, rng):
        away = np.abs(samplers.rates(ask.belief) - 0.5)
        return systematic(closest(away, ask.prompts), rng)

    def thompson(ask, rng):
        return samplers.thompson((), ask, rng, draws=1, explore=0.0).problem

    found = {
        name: np.mean([family_run(how, seed) for seed in range(2)], axis=0)
        for name, how in (("greedy", greedy), ("thompson", thompson))
    }
    # regret = draws from families that teach nothing: greedy never looks at the seventh again
    assert found["greedy"][7] < 0.05
    assert found["thompson"][7] > 0.5
