import dataclasses

import numpy as np
import pytest

from gradatim.choice import bandits
from gradatim.choice.bandits import Arms, arm_scores, arm_shares
from gradatim.errors import ArgumentError
from gradatim.types import Ask, Batch, Belief, Pool

UCB = bandits.SAMPLERS["ucb"]


def pool_of(source):
    source = np.asarray(source)
    names = tuple(map(str, range(source.max() + 1)))
    return Pool(source=source, sources=names, floor=np.zeros(len(source)))


def batch_of(problem, group, reward, step=0, mask=None):
    size = len(reward)
    reward = np.asarray(reward, float)
    return Batch(
        step=step,
        group=np.asarray(group),
        problem=np.asarray(problem),
        role=np.zeros(size, int),
        parent=np.full(size, -1),
        reward=reward,
        solved=reward >= 1,
        length=np.full(size, -1),
        mask=np.ones(size, bool) if mask is None else np.asarray(mask),
    )


def test_scores_by_hand():
    state = Arms(np.array([[1.0, 0.5], [0, 0]]), np.array([2, 0]), np.zeros(1, int))
    # N = 2: .75 + sqrt(2 ln 3 / 3) and 0 + sqrt(2 ln 3 / 1)
    bonus = np.sqrt(2 * np.log(3) / np.array([3, 1]))
    np.testing.assert_allclose(arm_scores(state), [0.75 + bonus[0], bonus[1]])


def test_mean_advantage_is_a_function_of_the_pass_rate():
    # 1 of 4 right: mean .25, s = .5, |A| = 1.5 once and .5 three times, mean .75
    state = bandits.init_arms(pool_of([0]), memory=10)
    state = bandits.observe_arms(state, batch_of([0] * 4, [0] * 4, [1, 0, 0, 0]))
    np.testing.assert_allclose(state.recent[0, :4], [1.5, 0.5, 0.5, 0.5], atol=1e-5)
    assert state.written.tolist() == [4]


def test_ring_keeps_what_came_last():
    state = bandits.init_arms(pool_of([0, 1]), memory=3)
    for reward in ([1, 0], [0, 0], [1, 0, 0]):
        state = bandits.observe_arms(state, batch_of([0] * len(reward), [0] * len(reward), reward))
    # seven values were written; the last three are those of the third group: 2/3 and -1/3, s .577
    np.testing.assert_allclose(np.sort(state.recent[0]), [0.577, 0.577, 1.155], atol=1e-3)
    assert state.written.tolist() == [7, 0]
    both = bandits.init_arms(pool_of([0, 1]), memory=3)
    both = bandits.observe_arms(both, batch_of([1, 0, 1, 0, 0, 0], [0, 1, 0, 1, 1, 1], [1] * 6))
    assert both.written.tolist() == [4, 2]
    assert both.recent[:, :2].tolist() == [[0, 0], [0, 0]]  # all right: no advantage


def test_masked_attempts_do_not_count():
    state = bandits.init_arms(pool_of([0]), memory=5)
    same = bandits.observe_arms(state, batch_of([0, 0], [0, 0], [1, 0], mask=[False, False]))
    assert same.written.tolist() == [0]


def test_shares():
    state = Arms(np.array([[1.0], [0.2], [0.0]]), np.array([1, 1, 0]), np.zeros(1, int))
    present = np.array([True, True, False])
    share = arm_shares(state, present, temperature=0.1)
    # two arms of equal counts: softmax of (1 - .2) / .1 = 8
    np.testing.assert_allclose(share, [1 / (1 + np.exp(-8)), 1 / (1 + np.exp(8)), 0])
    assert arm_shares(state, present, temperature=1e-4)[0] == 1
    with pytest.raises(ArgumentError, match="`temperature`"):
        arm_shares(state, present, temperature=0.0)


def ask_of(pool, prompts, step=0):
    size = len(pool.source)
    belief = Belief(np.ones(size), np.ones(size), lambda rng, m: None)
    return Ask(pool, belief, None, None, prompts, 8, step)


def test_an_unseen_source_dominates():
    pool = pool_of([0] * 5 + [1] * 5)
    state = UCB.init(pool, **UCB.options)
    state = UCB.observe(state, batch_of([0] * 64, np.arange(64) // 8, np.arange(64) % 2), **{})
    plan = UCB.suggest(state, ask_of(pool, 50), np.random.default_rng(0), **UCB.options)
    # bonus of the unseen: sqrt(2 ln 65) = 2.89; of the other .95 + .36
    assert (plan.problem >= 5).all()


def test_propensities_are_expected_draws():
    pool = pool_of([0, 0, 0, 1, 1, 3])  # source 2 holds no problem
    state = UCB.init(pool, **UCB.options)
    ask, rng = ask_of(pool, 4), np.random.default_rng(0)
    count, said = np.zeros(6), np.zeros(6)
    for _ in range(4000):
        plan = UCB.suggest(state, ask, rng, **UCB.options)
        np.add.at(count, plan.problem, 1)
        said[plan.problem] = plan.propensity
    # three sources with problems, all unseen: 4/3 draws each
    np.testing.assert_allclose(said, [4 / 9, 4 / 9, 4 / 9, 2 / 3, 2 / 3, 4 / 3])
    np.testing.assert_allclose(count / 4000, said, atol=0.05)
    mixed = UCB.suggest(state, ask, rng, **{**UCB.options, "explore": 1.0})
    np.testing.assert_allclose(mixed.propensity, 4 / 6)


def simulate(seed, steps=60, prompts=32, group=8, lag=0):
    """Six sources, one learnable at a time; a source is learned while it is drawn.

    Returns the share of draws that went to the source that was learnable then.
    """
    rng = np.random.default_rng(seed)
    pool = pool_of(np.repeat(np.arange(6), 20))
    rate = np.array([0.98, 0.5, 0.01, 0.0, 0.0, 1.0])
    state, hits, late = UCB.init(pool, **UCB.options), [], []
    for step in range(steps):
        if step == steps // 2:
            rate = np.array([0.98, 1.0, 0.5, 0.0, 0.0, 1.0])  # the second source is learned
        plan = UCB.suggest(state, ask_of(pool, prompts, step), rng, **UCB.options)
        rows = np.repeat(np.arange(prompts), group)
        problem = plan.problem[rows]
        reward = rng.random(len(problem)) < rate[pool.source[problem]]
        late.append(batch_of(problem, rows, reward, step))
        if len(late) > lag:
            state = UCB.observe(state, late.pop(0), **UCB.options)
        hits.append(np.mean(rate[pool.source[plan.problem]] == 0.5))
    return hits


@pytest.mark.parametrize("lag", [0, 3])
def test_s038_picks_the_learnable_source(lag):
    hits = np.mean([simulate(seed, lag=lag) for seed in range(3)], axis=0)
    # drawing at random finds the one learnable source of six in 1/6 of the draws
    assert hits[10:30].mean() > 2 / 6
    assert hits[40:].mean() > 2 / 6  # and again after the sources have changed
    # regret = draws spent on sources that teach nothing
    assert (1 - hits).sum() < (1 - 1 / 6) * len(hits)


def test_state_is_not_written_in_place():
    pool = pool_of([0, 1])
    state = UCB.init(pool, **UCB.options)
    batch = batch_of([0, 1], [0, 0], [1, 0])
    before = dataclasses.replace(batch)
    UCB.observe(state, batch, **UCB.options)
    assert state.recent.sum() == 0
    assert (batch.reward == before.reward).all()
