import numpy as np
import pytest
from scipy import stats

from gradatim.choice import bandits, risk, samplers
from gradatim.choice.risk import predict, regress
from gradatim.errors import ArgumentError
from gradatim.scale.belief import Counts
from gradatim.types import Ask, Batch, Belief, Pool

RISK, CONTEXTUAL = risk.SAMPLERS["risk"], risk.SAMPLERS["contextual"]


def pool_of(features, source=None):
    size = len(features)
    source = np.zeros(size, int) if source is None else source
    names = tuple(map(str, range(source.max() + 1)))
    return Pool(
        source=source, sources=names, floor=np.zeros(size), features=np.asarray(features, float)
    )


def ask_of(pool, prompts, step=0, seed=0):
    size = len(pool.source)
    belief = Belief(np.ones(size), np.ones(size), None)
    return Ask(pool, belief, None, None, prompts, 64, step, drawn=step * prompts, seed=seed)


def batch_of(problem, group, solved, step):
    zeros = np.zeros(len(problem), int)
    return Batch(
        step=step,
        group=group,
        problem=problem,
        role=zeros,
        parent=zeros - 1,
        reward=solved * 1.0,
        solved=solved,
        length=zeros,
        mask=zeros == 0,
    )


def test_regression_by_hand():
    # one feature, no spread in the constant's column beyond the prior: x = 1 and 2, four attempts
    # each of noise 1/4, so each weighs 16; precision of (slope, constant) = I + 16 [[5, 3], [3, 2]]
    fit = regress(np.array([[1.0], [2.0]]), np.array([0.2, 0.6]), np.array([4.0, 4.0]))
    precision = np.array([[81.0, 48], [48, 33]])
    moment = 16 * np.array([0.2 + 1.2, 0.8])
    np.testing.assert_allclose(fit.weight, np.linalg.solve(precision, moment))
    mean, doubt = predict(fit, np.array([[3.0]]))
    x = np.array([3.0, 1])
    np.testing.assert_allclose(mean, x @ fit.weight)
    np.testing.assert_allclose(doubt, np.sqrt(x @ np.linalg.solve(precision, x)))


def test_before_any_attempt_there_is_only_doubt():
    fit = regress(np.zeros((0, 2)), np.zeros(0), np.zeros(0))
    mean, doubt = predict(fit, np.array([[3.0, 4.0], [0.0, 0.0]]))
    assert mean.tolist() == [0, 0]
    np.testing.assert_allclose(doubt, np.sqrt([26, 1]))  # prior 1 on each weight


def test_prediction_in_parts_is_the_same(monkeypatch):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 3))
    fit = regress(x, rng.random(50), rng.integers(1, 9, 50).astype(float))
    whole = predict(fit, x)
    monkeypatch.setattr(risk, "_CELLS", 16)
    for one, other in zip(whole, predict(fit, x), strict=True):
        np.testing.assert_allclose(one, other)


def test_the_riskiest_share_is_drawn_evenly_and_twins_share_a_place():
    x = np.repeat([[0.0], [1.0], [2.0]], 10, axis=0)
    pool = pool_of(x)
    tried = np.zeros(30)
    tried[[0, 10, 20]] = 1e4
    state = Counts(tried, tried * np.array([1.0, 0.5, 0.0])[x[:, 0].astype(int)], 0)
    plan = RISK.suggest(
        state,
        ask_of(pool, 6),
        np.random.default_rng(0),
        gamma=(1.0, 0.0),
        oversample=2.0,
        random=0.0,
        half_life=50.0,
    )
    # the best half is 15 of 30: the ten of x = 2 surely, five places for the ten of x = 1
    assert (plan.problem >= 10).all()
    said = dict(zip(plan.problem.tolist(), plan.propensity.round(9), strict=True))
    assert all(p == (0.4 if i >= 20 else 0.2) for i, p in said.items())
    with pytest.raises(ArgumentError, match="`gamma` must be two numbers"):
        RISK.suggest(state, ask_of(pool, 6), np.random.default_rng(0), gamma=(1.0,))
    with pytest.raises(ArgumentError, match="`oversample` must lie in"):
        RISK.suggest(state, ask_of(pool, 6), np.random.default_rng(0), oversample=0.5)


def test_features_are_needed_and_must_be_numbers():
    bare = Pool(source=np.zeros(2, int), sources=("a",), floor=np.zeros(2))
    with pytest.raises(ArgumentError, match="needs features"):
        RISK.init(bare)
    with pytest.raises(ArgumentError, match="`features` must be finite"):
        CONTEXTUAL.init(pool_of([[np.nan]]))


def learner(sampler, seed, steps=50, prompts=16, group=4, lag=1):
    """Ten skills that a policy has to different degrees; a prompt's mixed group teaches its skill.

    Returns realised pass rates of all problems at the end, and rank correlations of predicted and
    realised risk on the way.
    """
    rng = np.random.default_rng(seed)
    skill = np.repeat(np.arange(10), 30)
    knob = rng.uniform(-1, 1, 300)
    pool = pool_of(np.column_stack((skill[:, None] == np.arange(10), knob)))
    ability, state, late, agree = rng.normal(0, 1.2, 10), RISK.init(pool), [], []
    for step in range(steps):
        rate = 1 / (1 + np.exp(1.5 * knob - ability[skill]))
        ask = ask_of(pool, prompts, step, seed)
        if sampler == "uniform":
            plan = samplers.uniform((), ask, rng)
        else:
            plan = RISK.suggest(state, ask, rng, **RISK.options)
            if step > 5:
                said = risk._failing(state, ask)[0]
                agree.append(stats.spearmanr(said, 1 - rate).statistic)
        problem = np.repeat(plan.problem, group)
        solved = rng.random(len(problem)) < rate[problem]
        passed = solved.reshape(prompts, group).sum(axis=1)
        mixed = (passed > 0) & (passed < group)
        np.add.at(ability, skill[plan.problem[mixed]], 0.1)
        late.append(batch_of(problem, np.repeat(np.arange(prompts), group), solved, step))
        if len(late) > lag:
            state = RISK.observe(state, late.pop(0), **RISK.options)
    return rate, agree


def test_s007_predicted_risk_is_the_realised_one_and_the_worst_tenth_gains():
    runs = [learner("risk", seed) for seed in range(5)]
    plain = [learner("uniform", seed)[0] for seed in range(5)]
    assert min(np.mean(agree) for _, agree in runs) > 0.5
    worst = np.mean([np.sort(rate)[:30].mean() for rate, _ in runs])
    assert worst > np.mean([np.sort(rate)[:30].mean() for rate in plain])


def test_s222_features_find_what_is_worth_trying_sooner_than_sources():
    # sixty sources, each a level of one knob: all are alike to a bandit over sources, while a
    # regression learns from every attempt where the pass rate is near one half
    rng = np.random.default_rng(0)
    source = np.repeat(np.arange(60), 5)
    pool = pool_of(source[:, None] / 59.0, source)
    rate = np.clip(1.15 - 1.3 * source / 59.0, 0.01, 0.99)
    found = {}
    for name, slot in (("contextual", CONTEXTUAL), ("ucb", bandits.SAMPLERS["ucb"])):
        state, late, worth = slot.init(pool, **slot.options), [], []
        for step in range(40):
            ask = ask_of(pool, 16, step)
            plan = slot.suggest(state, ask, rng, **slot.options)
            worth.append(np.mean(4 * rate[plan.problem] * (1 - rate[plan.problem])))
            problem = np.repeat(plan.problem, 4)
            solved = rng.random(64) < rate[problem]
            late.append(batch_of(problem, np.repeat(np.arange(16), 4), solved, step))
            if len(late) > 1:
                state = slot.observe(state, late.pop(0), **slot.options)
        found[name] = np.mean(worth)
    even = np.mean(4 * rate * (1 - rate))
    assert found["contextual"] > found["ucb"] + 0.05
    assert found["contextual"] > even + 0.15
