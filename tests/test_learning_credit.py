import dataclasses
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradatim.errors import ArgumentError
from gradatim.families import registry as families
from gradatim.families.generation import generate
from gradatim.learning import credit, credit_states
from gradatim.learning.advantages import dr_grpo, grpo
from gradatim.learning.credit import (
    cut_points,
    mrt,
    pav,
    probe_values,
    progress,
    regret,
    segments,
    spo_chain,
    spread,
)
from gradatim.learning.credit_states import Steps, gigpo, spo_tree, step_returns
from gradatim.types import Batch

NAN = np.nan


def batch_of(reward, group, length, **columns):
    size = len(reward)
    ints, ones = np.zeros(size, int), np.ones(size, bool)
    reward = np.asarray(reward, float)
    return Batch(
        step=0,
        group=np.asarray(group),
        problem=ints,
        role=ints,
        parent=ints - 1,
        reward=reward,
        solved=reward >= 1,
        length=np.asarray(length),
        mask=ones,
        **columns,
    )


# -- segments ---------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    length=st.lists(st.integers(0, 6), max_size=8),
    seed=st.integers(0, 1000),
)
def test_segments_cover_each_reply_from_its_first_mark(length, seed):
    length = np.array(length, int)
    begins = np.random.default_rng(seed).random(length.sum()) < 0.4
    parts = segments(begins, length)
    ids = spread(np.arange(1.0, len(parts.start) + 1), parts, len(begins))
    token = 0
    for i, tokens in enumerate(length):  # a plain walk over the tokens
        current = 0.0
        for t in range(token, token + tokens):
            if begins[t]:
                current = 1.0 + np.flatnonzero(parts.start == t)[0]
                assert parts.attempt[int(current) - 1] == i
            assert ids[t] == current
        if current:
            assert parts.last[int(current) - 1]
        token += tokens
    assert parts.last.sum() == len(np.unique(parts.attempt))


def test_columns_of_tokens_must_fit_the_lengths():
    with pytest.raises(ArgumentError, match=r"`prefix_value` must have one entry a token.*\(3,\)"):
        progress(np.ones(1), np.ones(2), np.array([3]))
    with pytest.raises(ArgumentError, match="`length` must lie in"):
        progress(np.ones(1), np.ones(2), np.array([-1]))
    with pytest.raises(ArgumentError, match="`prefix_value` must be finite, or NaN"):
        progress(np.ones(1), np.array([np.inf]), np.array([1]))


# -- a walk with known values -----------------------------------------------------------------

# a reply is STEPS moves up (1) or down (0); it is right when at least NEED of them are up
STEPS, NEED = 5, 3


def success(done, ups, rate):
    """Exact chance that a prefix of `done` moves with `ups` ups ends right."""
    if done == STEPS:
        return float(ups >= NEED)
    return rate * success(done + 1, ups + 1, rate) + (1 - rate) * success(done + 1, ups, rate)


def walks(rng, n, rate):
    moves = rng.random((n, STEPS)) < rate
    return moves, (moves.sum(axis=1) >= NEED).astype(float)


def prefix_values(moves, rate):
    ups = np.cumsum(moves, axis=1) - moves  # before each move
    return np.array([[success(t, u, rate) for t, u in enumerate(row)] for row in ups]).ravel()


def test_s046_segments_telescope_and_are_exact_where_values_are_known():
    moves, reward = walks(np.random.default_rng(0), 40, 0.5)
    length = np.full(40, STEPS)
    value = prefix_values(moves, 0.5)
    advantage, keep = spo_chain(reward, np.zeros(40, int), value, length)
    table = advantage.reshape(40, STEPS)
    np.testing.assert_allclose(table.sum(axis=1), reward - success(0, 0, 0.5))
    # a move up is worth V(after up) - V(before), whatever came of it later
    up = success(1, 1, 0.5) - success(0, 0, 0.5)
    down = success(1, 0, 0.5) - success(0, 0, 0.5)
    np.testing.assert_allclose(table[:, 0], np.where(moves[:, 0], up, down))
    assert keep.all()


def test_s069_sampled_progress_matches_the_exact_change():
    rng = np.random.default_rng(1)
    moves, reward = walks(rng, 6, 0.5)
    length, mu, probes = np.full(6, STEPS), 0.7, 4000
    exact, _ = progress(reward, prefix_values(moves, mu), length)
    parent, cut = (x.ravel() for x in np.meshgrid(np.arange(6), np.arange(STEPS), indexing="ij"))
    parent, cut = np.repeat(parent, probes), np.repeat(cut, probes)
    ups = np.concatenate([np.zeros((6, 1)), np.cumsum(moves, axis=1)], axis=1)[parent, cut]
    ended = ups + rng.binomial(STEPS - cut, mu) >= NEED
    sampled, _ = progress(reward, probe_values(ended, parent, cut, length), length)
    # each change is a difference of two means of 4000 coin tosses
    np.testing.assert_allclose(sampled, exact, atol=4.5 * np.sqrt(2 * 0.25 / probes))


def gradients(alpha, mu, rate):
    """Exact d/d logit of E[weight] for the policy of one rate: outcome, and prover's progress."""
    outcome = bonus = 0.0
    for code in range(2**STEPS):
        moves = np.array([[code >> t & 1 for t in range(STEPS)]], bool)
        chance = rate ** moves.sum() * (1 - rate) ** (STEPS - moves.sum())
        reward = (moves.sum(axis=1) >= NEED).astype(float)
        change, _ = progress(reward, prefix_values(moves, mu), np.array([STEPS]))
        score = moves[0] - rate  # d log policy / d logit at each step
        outcome += chance * reward[0] * score.sum()
        bonus += chance * alpha * (change * score).sum()
    return outcome, bonus


def test_s069_a_prover_equal_to_the_policy_adds_only_a_factor():
    outcome, bonus = gradients(2.0, 0.4, 0.4)
    assert bonus == pytest.approx(2.0 * outcome)
    other = gradients(2.0, 0.95, 0.4)[1]
    assert abs(other - bonus) > 0.01 * abs(bonus)  # another prover tells something else


# -- SPO, PAV, MRT ----------------------------------------------------------------------------


def test_chain_by_hand():
    value = np.array([NAN, 0.5, NAN, 1.0, NAN, NAN])
    advantage, keep = spo_chain(np.array([0.0, 1.0]), np.zeros(2), value, np.array([4, 2]))
    # before the first cut nothing; the second reply has no cut at all
    assert advantage.tolist() == [0, 0.5, 0.5, -1, 0, 0]
    assert keep.tolist() == [True, False]


def test_confident_tokens_get_nothing():
    value, length = np.array([0.5, NAN, 0.5, NAN]), np.array([2, 2])
    prob = np.array([0.95, 0.5, 0.95, 0.91])
    advantage, keep = spo_chain(np.ones(2), np.zeros(2), value, length, prob=prob)
    assert advantage.tolist() == [0, 0.5, 0, 0]
    assert keep.tolist() == [True, False]


def test_cuts_come_before_unlikely_tokens():
    prob = np.array([0.5, 0.95, 0.2, 0.3, 0.99, 0.1])
    assert np.flatnonzero(cut_points(prob, np.array([4, 2]), every=1)).tolist() == [0, 2, 3, 5]
    assert np.flatnonzero(cut_points(prob, np.array([4, 2]), every=2)).tolist() == [0, 3, 5]
    assert not cut_points(np.ones(3), np.array([3])).any()


def test_probes_give_prefix_values():
    found = probe_values(
        np.array([1.0, 0, 1, 1]), np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0]), np.array([2, 1])
    )
    np.testing.assert_array_equal(found, [NAN, 0.5, 1.0])
    with pytest.raises(ArgumentError, match=r"`cut` must lie in .* got 2 of an attempt of 2"):
        probe_values(np.ones(1), np.array([0]), np.array([2]), np.array([2]))


def test_pav_by_hand():
    value = np.array([0.5, 1.0, 0.5, NAN])
    reward, group, length = np.array([1.0, 0.0]), np.zeros(2), np.array([2, 2])
    # outcome +-1/2; progress 1/2, 0 and -1/2 for both tokens
    got, keep = pav(reward, group, value, length, alpha=2.0)
    assert got.tolist() == [1.5, 0.5, -1.5, -1.5]
    assert keep.all()
    plain, _ = pav(reward, group, value, length, alpha=0.0)
    np.testing.assert_allclose(plain, np.repeat(dr_grpo(reward, group)[0], 2))
    # all right: the outcome says nothing, progress still does
    assert pav(np.ones(2), group, value, length)[1].tolist() == [True, True]


def test_s086_blocks_without_progress_earn_nothing_and_progress_adds_up():
    value = np.array([0.2, NAN, 0.2, 0.9])
    reward, length = np.array([1.0]), np.array([4])
    change, _ = progress(reward, value, length)
    np.testing.assert_allclose(change, [0, 0.7, 0.1], atol=1e-15)
    assert change.sum() == pytest.approx(1.0 - 0.2)
    credit_of, _ = mrt(reward, np.zeros(1), value, length)
    np.testing.assert_allclose(credit_of, [0.8, 0.8, 0.8, 0.1])
    # what a block gains is what the next has less to win
    np.testing.assert_allclose(credit_of[[0, 2]] - credit_of[[2, 3]], change[:2], atol=1e-15)
    # two tokens at .8 missing, one at .8, one at .1
    np.testing.assert_allclose(regret(value, length), [2.5])


def test_masked_replies_need_no_reward():
    value, length = np.array([0.5, 0.5, 0.5]), np.array([1, 2])
    reward, mask = np.array([1.0, NAN]), np.array([True, False])
    for function in (spo_chain, pav, mrt):
        got, keep = function(reward, np.zeros(2, int), value, length, mask=mask)
        assert got[0] > 0
        assert got[1:].tolist() == [0, 0]
        assert keep.tolist() == [True, False]


# -- trees ------------------------------------------------------------------------------------


def test_tree_by_hand():
    #   prompt -> a (.5 = mean of its leaves 1, 0), b (1 = mean of 1, 1)
    parent = np.array([-1, -1, 0, 0, 1, 1])
    reward = np.array([NAN, NAN, 1, 0, 1, 1.0])  # only leaves are rewarded
    got, keep = spo_tree(reward, np.zeros(6, int), parent)
    assert got.tolist() == [-0.25, 0.25, 0.5, -0.5, 0, 0]
    assert keep.tolist() == [True, True, True, True, False, False]
    # V(parent) is the mean of its children: along a path the advantages add up
    assert got[0] + got[2] == reward[2] - 0.75
    scaled, _ = spo_tree(reward, np.zeros(6, int), parent, scale=True, eps=0.0)
    np.testing.assert_allclose(scaled[:4], np.array([-1, 1, 1, -1]) / np.sqrt(2))


def random_tree(rng, depth, branches):
    parent, level = [-1] * branches, list(range(branches))
    for _ in range(depth - 1):
        children = [i for i in level for _ in range(rng.integers(1, branches + 1))]
        level = list(range(len(parent), len(parent) + len(children)))
        parent += children
    return np.array(parent)


def test_trees_telescope_in_any_order_of_rows():
    rng = np.random.default_rng(0)
    for _ in range(10):
        parent = random_tree(rng, 4, 3)
        size = len(parent)
        leaf = ~np.isin(np.arange(size), parent)
        reward = rng.integers(0, 2, size).astype(float)
        value = np.where(leaf, reward, 0.0)
        for i in range(size - 1, -1, -1):  # children come after their parents here
            if not leaf[i]:
                value[i] = value[parent == i].mean()
        root = value[parent == -1].mean()
        got, _ = spo_tree(reward, np.zeros(size, int), parent)
        for i in np.flatnonzero(leaf):
            path, at = 0.0, i
            while at >= 0:
                path, at = path + got[at], parent[at]
            assert path == pytest.approx(reward[i] - root)
        order = rng.permutation(size)
        place = np.argsort(order)
        moved = np.where(parent >= 0, place[parent], -1)[order]
        turned, _ = spo_tree(reward[order], np.zeros(size, int), moved)
        np.testing.assert_allclose(turned, got[order], atol=1e-12)


def test_tree_with_masked_rows():
    parent = np.array([-1, -1, 0, 0, 1])
    reward = np.array([0, 0, 1, NAN, 0.0])
    # the masked leaf has no value; a masked inner row has one, but is not trained on
    got, keep = spo_tree(reward, np.zeros(5), parent, mask=np.array([1, 1, 1, 0, 1], bool))
    assert got.tolist() == [0.5, -0.5, 0, 0, 0]
    assert keep.tolist() == [True, True, False, False, False]
    got, keep = spo_tree(reward, np.zeros(5), parent, mask=np.array([0, 1, 1, 0, 1], bool))
    assert got.tolist() == [0, -0.5, 0, 0, 0]
    # a row without any unmasked leaf below has no value at all
    got, keep = spo_tree(reward, np.zeros(5), parent, mask=np.array([1, 1, 0, 0, 1], bool))
    assert not keep.any()


def test_trees_are_checked():
    with pytest.raises(ArgumentError, match="`parent` runs in a circle"):
        spo_tree(np.ones(3), np.zeros(3), np.array([1, 0, -1]))
    with pytest.raises(ArgumentError, match=r"`parent` must lie in \[-1, 1\]"):
        spo_tree(np.ones(2), np.zeros(2), np.array([2, -1]))
    with pytest.raises(ArgumentError, match="`reward` must be finite"):
        spo_tree(np.array([1.0, NAN]), np.zeros(2), np.array([-1, 0]))


# -- GiGPO (S075) -----------------------------------------------------------------------------


def test_steps_by_hand():
    # two attempts meet in state 7: returns 1 and 0 there; states 8 and 9 are met once
    steps = Steps(np.array([0, 0, 1, 1]), np.array([7, 8, 7, 9]), np.array([1.0, 1, 0, 0]))
    reward, group = np.array([1.0, 0]), np.zeros(2, int)
    assert gigpo(reward, group, steps)[0].tolist() == [1, 0.5, -1, -0.5]
    assert gigpo(reward, group, steps, weight=0.0)[0].tolist() == [0.5, 0.5, -0.5, -0.5]
    scaled, _ = gigpo(reward, group, steps, scale=True, eps=0.0)
    np.testing.assert_allclose(scaled, np.array([2, 1, -2, -1]) / np.sqrt(2))
    # the same state under another prompt is another state
    apart, keep = gigpo(reward, np.array([0, 1]), steps)
    assert apart.tolist() == [0, 0, 0, 0]
    assert not keep.any()


def test_long_attempts_count_once():
    reward, group = np.array([1.0, 0]), np.zeros(2, int)
    steps = Steps(np.array([0, 0, 0, 0, 1]), np.arange(5), np.ones(5))
    value, _ = gigpo(reward, group, steps, scale=True, eps=0.0)
    assert value[0] == grpo(reward, group, eps=0.0)[0][0]


def test_returns_are_discounted_by_step():
    reward = np.array([0.0, 1.0, 0.0, 0.5, 0.0, 2.0])
    attempt = np.array([0, 1, 0, 0, 1, 1])
    # attempt 0: 0, 0, .5; attempt 1: 1, 0, 2
    expected = [0.125, 1.5, 0.25, 0.5, 1.0, 2.0]
    np.testing.assert_allclose(step_returns(reward, attempt, gamma=0.5), expected)
    assert step_returns(np.zeros(0), np.zeros(0, int), gamma=0.5).tolist() == []


def test_s075_repeated_states_of_hanoi_meet():
    problem = generate("hanoi", n=1, level=2, split="train", seed=0)[0]
    family, rng = families.get("hanoi"), random.Random(0)
    trace = family.trace
    assert trace is not None
    texts = [" ".join(rng.choices(["AB", "AC", "BA", "BC", "CA", "CB"], k=4)) for _ in range(60)]
    texts += [problem.answer] * 4
    length = np.array([len(text) for text in texts])
    anchor, names, seen = np.full(length.sum(), -1), {}, []
    for i, text in enumerate(texts):
        begin, state, start = int(length[:i].sum()), "start", 0
        steps = list(trace(problem, text))
        for step in steps:
            anchor[begin + start] = names.setdefault(state, len(names))
            seen.append((i, state, len(steps)))
            state, start = step.state, step.end
    reward = np.array([family.check(problem, text).reward for text in texts])
    assert 0 < reward.sum() < len(texts)
    batch = batch_of(reward, np.zeros(len(texts), int), length, anchor=anchor)
    entry = credit_states.ADVANTAGES["gigpo"]
    value, _ = entry.suggest(batch, **entry.options)
    # by hand: at its k-th step of m a reply still expects .95^(m - 1 - k) x its reward
    order, returns = {}, []
    for i, _, many in seen:
        k = order[i] = order.get(i, -1) + 1
        returns.append(0.95 ** (many - 1 - k) * reward[i])
    returns, of = np.array(returns), reward - reward.mean()
    tokens = np.flatnonzero(anchor >= 0)
    assert len(tokens) == len(seen)
    shared = 0
    for token, (i, state, _), own in zip(tokens, seen, returns, strict=True):
        same = np.array([other == state for _, other, _ in seen])
        shared += same.sum() > 1
        assert value[token] == pytest.approx(of[i] + own - returns[same].mean())
    assert shared > len(texts)  # the start, at least, is where all of them meet


def test_step_columns_are_checked():
    steps = Steps(np.array([0, 2]), np.zeros(2), np.zeros(2))
    with pytest.raises(ArgumentError, match=r"`steps\.attempt` must lie in \[0, 1\]"):
        gigpo(np.ones(2), np.zeros(2), steps)
    with pytest.raises(ArgumentError, match=r"`steps\.value` must be finite"):
        gigpo(np.ones(2), np.zeros(2), Steps(np.zeros(1, int), np.zeros(1), np.array([NAN])))
    entry = credit_states.ADVANTAGES["gigpo"]
    batch = batch_of([1.0, 0.0], [0, 0], [1, 1])
    with pytest.raises(ArgumentError, match="no column `anchor`"):
        entry.suggest(batch, **entry.options)
    lone = dataclasses.replace(batch, anchor=np.full(2, -1))  # no steps at all: Dr.GRPO
    assert entry.suggest(lone, **entry.options)[0].tolist() == [0.5, -0.5]


def test_tables():
    assert set(credit.ADVANTAGES) == {"spo_chain", "pav", "mrt"}
    assert set(credit_states.ADVANTAGES) == {"gigpo", "spo_tree"}
