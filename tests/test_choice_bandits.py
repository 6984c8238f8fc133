import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradatim.choice import bandits
from gradatim.choice.bandits import Arms, arm_scores, arm_shares, barrier_shares, gap_shares
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


# -- inverse gap weighting --------------------------------------------------------------------


def test_gap_shares_by_hand():
    # 1 / x + 1 / (x + 3 x .5) = 1 has x = 1.5: 2/3 and 1/3
    np.testing.assert_allclose(gap_shares(np.array([1, 0.5]), 1, gamma=3.0), [2 / 3, 1 / 3])
    np.testing.assert_allclose(gap_shares(np.ones(4), 2, gamma=9.0), 0.5)
    np.testing.assert_allclose(gap_shares(np.array([0, 5.0, 1]), 1, gamma=0.0), 1 / 3)
    greedy = gap_shares(np.array([0.2, 0.9, 0.5]), 1, gamma=1e9)
    np.testing.assert_allclose(greedy, [0, 1, 0], atol=1e-8)


@settings(max_examples=60, deadline=None)
@given(
    worth=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=12).map(np.array),
    gamma=st.floats(0, 1e6),
    share=st.floats(0, 1),
)
def test_gap_shares_are_a_monotone_inclusion(worth, gamma, share):
    size = max(int(share * len(worth)), 1)
    found = gap_shares(worth, size, gamma=gamma)
    assert found.sum() == pytest.approx(size)
    assert ((found >= 0) & (found <= 1 + 1e-9)).all()
    assert (np.diff(found[np.argsort(worth)]) >= -1e-9).all()
    offset = gap_shares(worth + 1e6, size, gamma=0.0)
    np.testing.assert_allclose(offset, size / len(worth))


def test_an_untried_source_counts_as_the_best():
    slot, pool = bandits.SAMPLERS["inverse_gap"], pool_of([0] * 5 + [1] * 5)
    state = slot.init(pool, **slot.options)
    state = slot.observe(state, batch_of([0] * 64, np.arange(64) // 8, np.ones(64)))
    plan = slot.suggest(state, ask_of(pool, 200), np.random.default_rng(0), **slot.options)
    # mean |A| 0 against 1 for the untried: gamma = sqrt(2 x 64) = 11.3
    other = gap_shares(np.array([0, 1.0]), 1, gamma=np.sqrt(128))
    np.testing.assert_allclose(np.unique(plan.propensity), np.sort(other) * 200 / 5)


# -- log barrier ------------------------------------------------------------------------------


def test_barrier_shares_minimise_the_regularised_loss():
    loss, rate = np.array([3.0, -40.0, -39.0, 7.5]), 0.7
    p = barrier_shares(loss, rate=rate)

    def value(q):
        return q @ loss - np.log(q).sum() / rate

    rng = np.random.default_rng(0)
    for _ in range(200):
        q = np.maximum(p + rng.normal(0, 0.01, 4), 1e-4)
        assert value(q / q.sum()) >= value(p) - 1e-9
    np.testing.assert_allclose(barrier_shares(loss - 1e6, rate=rate), p, rtol=1e-6)
    with pytest.raises(ArgumentError, match="`loss` must be finite"):
        barrier_shares(np.array([np.nan, 0]), rate=1.0)


def play(name, worth, seed, prompts=8, group=8, lag=0, **options):
    """Draws of each source at each step, where source a's groups are mixed or not by worth."""
    rng = np.random.default_rng(seed)
    slot, arms = bandits.SAMPLERS[name], worth.shape[1]
    pool = pool_of(np.repeat(np.arange(arms), 10))
    options = {**slot.options, **options}
    state, late, drawn = slot.init(pool, **options), [], []
    for step, now in enumerate(worth):
        plan = slot.suggest(state, ask_of(pool, prompts, step), rng, **options)
        arm = pool.source[plan.problem]
        drawn.append(np.bincount(arm, minlength=arms) / prompts)
        mixed = rng.random(prompts) < now[arm]
        reward = (np.arange(group) % 2)[None] * mixed[:, None]  # mixed: half right; else none
        late.append(
            batch_of(np.repeat(plan.problem, group), np.arange(64) // group, reward.ravel(), step)
        )
        if len(late) > lag:
            state = slot.observe(state, late.pop(0), **options)
    return np.array(drawn)


@pytest.mark.parametrize("lag", [0, 3])
def test_s052_regret_per_step_falls_and_switches_are_followed(lag):
    def regret(steps, seed):
        still = np.tile([0.9, 0.2, 0.2, 0.2], (steps, 1))
        drawn = play("log_barrier", still, seed, lag=lag, half_life=0.0, explore=0.0)
        return (0.9 - (drawn * still).sum(axis=1)).mean()

    short, long = (np.mean([regret(n, seed) for seed in range(4)]) for n in (25, 200))
    assert long < 0.5 * short  # regret is sublinear: a quarter of n more costs less than that
    # the learnable source changes twice; drawing at random finds it in a quarter of the draws
    moving = np.repeat(
        np.array([[0.9, 0.1, 0.1, 0.1], [0.1, 0.9, 0.1, 0.1], [0.1, 0.1, 0.1, 0.9]]), 40, axis=0
    )
    best = moving.argmax(axis=1)
    hits = {
        name: np.mean([
            play(name, moving, seed, lag=lag)[np.arange(120), best].mean() for seed in range(4)
        ])
        for name in ("log_barrier", "inverse_gap", "ucb")
    }
    # compared with UCB, which is ahead where a source's worth does not change while it is drawn
    assert min(hits.values()) > 0.6
    assert hits["log_barrier"] > hits["ucb"] - 0.2


def test_s087_every_domain_keeps_its_quota_at_a_falling_regret():
    # outcomes are seen of drawn prompts only; `explore` is the share that is drawn evenly, which
    # is each domain's quota
    still = [0.2, 0.9, 0.2, 0.2]
    fair = 0.8 * 0.9 + 0.2 * np.mean(still)  # the best that keeps the quota

    def run(steps, seed):
        worth = np.tile(still, (steps, 1))
        drawn = play("log_barrier", worth, seed, half_life=0.0, explore=0.2)
        return drawn.mean(axis=0), (fair - (drawn * worth).sum(axis=1)).mean()

    short = np.mean([run(20, seed)[1] for seed in range(3)])
    shares, long = zip(*[run(120, seed) for seed in range(3)], strict=True)
    assert np.mean(long) < 0.5 * short
    assert np.min(np.mean(shares, axis=0)) > 0.8 * 0.2 / 4


def test_estimates_are_unbiased_and_masked_attempts_change_nothing():
    slot, pool = bandits.SAMPLERS["log_barrier"], pool_of([0, 0, 0, 1])
    options = {**slot.options, "half_life": 0.0}
    start = bandits.Barrier(np.array([0.0, 2.0]), np.array([0.5, 0.3]), pool.source)
    rng, total, times = np.random.default_rng(0), np.zeros(2), 1000
    for _ in range(times):
        plan = slot.suggest(start, ask_of(pool, 4), rng, **options)
        # source 0: groups half right, |A| = sqrt(3/4) of four; source 1: nothing to learn
        reward = np.where(np.repeat(pool.source[plan.problem], 4) == 0, np.arange(16) % 2, 0)
        batch = batch_of(np.repeat(plan.problem, 4), np.arange(16) // 4, reward)
        total += start.loss - slot.observe(start, batch, **options).loss
    np.testing.assert_allclose(total / times, [np.sqrt(3 / 4), 0], atol=0.04)
    masked = batch_of([0, 0], [0, 0], [1, 0], mask=[False, False])
    assert slot.observe(start, masked, **options) is start
