import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from gradatim.choice import crowd, matched, samplers
from gradatim.choice.matched import map_ability
from gradatim.errors import ArgumentError
from gradatim.scale import curves
from gradatim.scale.ability import estimate_ability
from gradatim.scale.belief import Counts
from gradatim.types import Ask, Batch, Belief, Pool

ABILITY = matched.SAMPLERS["ability"]


def pool_of(difficulty, discrimination=None, floor=None):
    size = len(difficulty)
    return Pool(
        source=np.zeros(size, int),
        sources=("all",),
        floor=np.zeros(size) if floor is None else floor,
        difficulty=np.asarray(difficulty, float),
        discrimination=discrimination,
    )


def plan_of(pool, state, prompts, seed=0, **options):
    size = len(pool.source)
    ask = Ask(pool, Belief(np.ones(size), np.ones(size), None), None, None, prompts, 100, 0)
    rng = np.random.default_rng(seed)
    return ABILITY.suggest(state, ask, rng, **{**ABILITY.options, **options})


def test_target_one_half_is_difficulty_up_to_ability():
    # one problem solved 2 of 4 at b = 0: theta = 0, so b <= 0 is in
    pool = pool_of([-1.0, 0.0, 0.01, 2.0])
    state = Counts(np.array([0, 4.0, 0, 0]), np.array([0, 2.0, 0, 0]), 0)
    plan = plan_of(pool, state, 2)
    assert sorted(plan.problem.tolist()) == [0, 1]
    assert plan.propensity.tolist() == [1, 1]
    assert plan_of(pool, state, 1).propensity.tolist() == [0.5]  # b = theta is as good as below
    easier = plan_of(pool, state, 1, target=0.73)  # b <= ln(1 / .73 - 1) = -.995
    assert easier.problem.tolist() == [0]
    harder = plan_of(pool, state, 1, target=0.1)  # b <= ln 9 = 2.197: all four
    assert harder.propensity.tolist() == [0.25]
    # the crowd's rule for a bank chooses the same
    bank = curves.flat(difficulty=pool.difficulty, discrimination=np.ones(4))
    assert crowd.ready(bank, 0.0).tolist() == [True, True, False, False]


def test_the_same_ability_as_for_a_bank():
    rng = np.random.default_rng(0)
    for _ in range(20):
        b, n = rng.normal(0, 1, 6), rng.integers(1, 9, 6)
        k, a = rng.binomial(n, 0.5), rng.uniform(0.5, 2, 6)
        bank = curves.flat(difficulty=b, discrimination=a)
        other = estimate_ability(bank, np.arange(6)[None], k[None], n[None], method="map").value
        assert map_ability(k, n, b, discrimination=a) == pytest.approx(other[0], abs=1e-4)


def test_guess_floors_do_not_make_the_search_circle():
    # two failures at b = 0, a = 3, c = 1/2: steps by expected curvature end at -.218, uphill of
    # nothing; the slope is 0 at -.684
    found = map_ability(
        np.zeros(1),
        np.full(1, 2.0),
        np.zeros(1),
        discrimination=np.full(1, 3.0),
        floor=np.full(1, 0.5),
    )
    assert found == pytest.approx(-0.68368, abs=1e-4)
    p = 0.5 + 0.5 / (1 + np.exp(-3 * found))
    assert -2 * 3 * (p - 0.5) * (1 - p) / 0.5 / (1 - p) - found == pytest.approx(0, abs=1e-8)


def test_two_pl_items_and_guess_floors_enter_the_rule():
    pool = pool_of([0.5, 0.5], np.array([0.1, 4.0]), np.array([0.0, 0.0]))
    none = Counts(np.zeros(2), np.zeros(2), -1)
    # theta = 0: 1 / (1 + e^.05) = .4875, 1 / (1 + e^2) = .12
    assert plan_of(pool, none, 1, target=0.4).problem.tolist() == [0]
    guess = pool_of([9.0, 1.0], None, np.array([0.5, 0.0]))
    assert plan_of(guess, none, 1, target=0.5).problem.tolist() == [0]  # a coin is good enough


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(1, 20), st.floats(0, 1), st.floats(-4, 4)), min_size=1, max_size=8
    ),
    a=st.floats(0.3, 3),
    c=st.sampled_from([0.0, 0.0, 0.25, 0.5]),
)
def test_map_ability_is_the_maximum(rows, a, c):
    n, share, b = np.array(rows).T
    k = np.round(n * share)

    def loss(theta):
        p = np.clip(c + (1 - c) / (1 + np.exp(-a * (theta - b))), 1e-12, 1 - 1e-12)
        return theta**2 / 2 - (k * np.log(p) + (n - k) * np.log(1 - p)).sum()

    found = map_ability(k, n, b, discrimination=np.full(len(n), a), floor=np.full(len(n), c))
    assert loss(found) <= loss(0) + 1e-12
    assert min(loss(found - 1e-4), loss(found + 1e-4)) >= loss(found) - 1e-10
    if c == 0:  # one maximum only
        best = optimize.minimize_scalar(loss, bounds=(-9, 9), method="bounded").x
        assert found == pytest.approx(best, abs=1e-4)


def test_ability_rises_with_success_and_stays_finite():
    b, n = np.linspace(-1, 1, 5), np.full(5, 8.0)
    found = [map_ability(np.full(5, k), n, b) for k in range(9)]
    assert (np.diff(found) > 0).all()
    assert found[0] == pytest.approx(-found[8])  # mirrored items, mirrored counts
    assert 0 < found[8] < 5
    assert map_ability(np.zeros(0), np.zeros(0), np.zeros(0)) == 0
    for field, bad in (("difficulty", np.full(5, np.nan)), ("solved", np.full(5, -1.0))):
        given = {"solved": n / 2, "tried": n, "difficulty": b, field: bad}
        with pytest.raises(ArgumentError, match=f"`{field}`"):
            map_ability(*given.values())
    with pytest.raises(ArgumentError, match="`tried - solved`"):
        map_ability(n + 1, n, b)


def test_selection_grows_with_ability_and_falls_back_to_the_easiest():
    pool = pool_of(np.linspace(-3, 3, 61))
    inside = []
    for solved in (0, 4, 8):
        state = Counts(np.full(61, 8.0), np.full(61, float(solved)), 0)
        plan = plan_of(pool, state, 2)
        inside.append(round(2 / plan.propensity[0]))
    assert inside == sorted(inside)
    assert inside[0] < inside[2] == 61
    hopeless = Counts(np.full(61, 1e4), np.zeros(61), 0)
    assert sorted(plan_of(pool, hopeless, 3).problem.tolist()) == [0, 1, 2]


def test_problems_without_a_difficulty_come_last():
    pool = pool_of([np.nan, 0.0, 5.0])
    none = Counts(np.zeros(3), np.zeros(3), -1)
    assert sorted(plan_of(pool, none, 2).problem.tolist()) == [1, 2]
    assert sorted(plan_of(pool, none, 3).problem.tolist()) == [0, 1, 2]
    with pytest.raises(ArgumentError, match="needs calibrated difficulties"):
        ABILITY.init(Pool(source=np.zeros(1, int), sources=("a",), floor=np.zeros(1)))
    for target in (0, 1.0, np.nan):
        with pytest.raises(ArgumentError, match="strictly between 0 and 1"):
            plan_of(pool, none, 1, target=target)


def learn(sampler, seed, steps=60, prompts=16, group=4):
    """A Rasch learner whose ability grows by its mixed groups; steps to ability 2."""
    rng = np.random.default_rng(seed)
    pool = pool_of(rng.uniform(-2, 8, 400))
    state, theta, shares, late = ABILITY.init(pool), -1.0, [], []
    belief = Belief(np.ones(400), np.ones(400), None)
    for step in range(steps):
        ask = Ask(pool, belief, None, None, prompts, 64, step, drawn=step * prompts, seed=seed)
        if sampler == "uniform":
            plan = samplers.uniform((), ask, rng)
        else:
            plan = ABILITY.suggest(state, ask, rng, **ABILITY.options)
            shares.append(prompts / plan.propensity[0] / 400)
        problem = np.repeat(plan.problem, group)
        solved = rng.random(len(problem)) < 1 / (1 + np.exp(pool.difficulty[problem] - theta))
        passed = solved.reshape(prompts, group).sum(axis=1)
        theta += 0.02 * np.count_nonzero((passed > 0) & (passed < group))
        zeros = np.zeros(len(problem), int)
        label = np.repeat(np.arange(prompts), group)
        late.append(
            Batch(
                step=step,
                group=label,
                problem=problem,
                role=zeros,
                parent=zeros - 1,
                reward=solved * 1.0,
                solved=solved,
                length=zeros,
                mask=zeros == 0,
            )
        )
        if len(late) > 1:  # one step late
            state = ABILITY.observe(state, late.pop(0), **ABILITY.options)
        if theta >= 2:
            return step, shares
    return steps, shares


def test_s016_the_selection_grows_and_learns_sooner_than_random_order():
    runs = [learn("ability", seed) for seed in range(4)]
    plain = [learn("uniform", seed)[0] for seed in range(4)]
    assert np.mean([steps for steps, _ in runs]) < 0.75 * np.mean(plain)
    for steps, shares in runs:
        growth = stats.spearmanr(np.arange(len(shares)), shares).statistic
        assert growth > 0.8, f"{steps} steps: {shares}"
