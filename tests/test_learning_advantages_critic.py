import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradatim.errors import ArgumentError
from gradatim.learning.advantages import rloo
from gradatim.learning.advantages_critic import (
    gae,
    implicit_rewards,
    outcome_loss,
    prime,
    whiten,
)


def gae_by_loop(reward, value, live, last, gamma, lam):
    """One reply, from its end; `last` is the value after it."""
    out, later, after = np.zeros(len(reward)), 0.0, last
    for t in range(len(reward) - 1, -1, -1):
        if live[t]:
            later = reward[t] + gamma * after - value[t] + gamma * lam * later
            out[t], after = later, value[t]
    return out


@settings(max_examples=60, deadline=None)
@given(
    length=st.lists(st.integers(0, 6), max_size=6),
    seed=st.integers(0, 10**6),
    gamma=st.sampled_from([1.0, 0.9]),
    lam=st.sampled_from([1.0, 0.95, 0.0]),
)
def test_gae_equals_a_loop_over_replies(length, seed, gamma, lam):
    rng = np.random.default_rng(seed)
    length = np.array(length, int)
    size = int(length.sum())
    reward, value, live = rng.normal(size=size), rng.normal(size=size), rng.random(size) < 0.7
    truncated = rng.random(len(length)) < 0.5
    got = gae(reward, value, length, gamma=gamma, lam=lam, live=live, truncated=truncated)
    for i, end in enumerate(np.cumsum(length)):
        part = slice(end - length[i], end)
        seen = value[part][live[part]]
        last = seen[-1] if truncated[i] and len(seen) else 0.0
        expected = gae_by_loop(reward[part], value[part], live[part], last, gamma, lam)
        np.testing.assert_allclose(got[part], expected, atol=1e-12)


def test_without_critic_and_discount_every_token_gets_the_reward():
    reward = np.array([0.0, 0, 1, 0, 1])
    assert gae(reward, np.zeros(5), np.array([3, 2])).tolist() == [1, 1, 1, 1, 1]


def test_a_cut_reply_is_not_blamed_by_the_card():
    # constant value .45: nothing happened, so nothing is learned; a bootstrap of 0 would give -.45
    value, length = np.full(4, 0.45), np.array([4])
    assert gae(np.zeros(4), value, length, truncated=np.array([True])).tolist() == [0] * 4
    np.testing.assert_allclose(gae(np.zeros(4), value, length)[-1], -0.45)


def test_s043_a_window_with_an_exact_critic_matches_the_whole_rollout():
    # after the window (4 tokens) the rest is certain, so the value there is the final reward
    rng = np.random.default_rng(0)
    chance = np.array([0.5, 0.3, 0.6, 0.8, 1.0, 1.0])  # exact values along a right reply
    reward = np.array([0, 0, 0, 0, 0, 1.0])
    for lam in (0.0, 0.95, 1.0):
        whole = gae(reward, chance, np.array([6]), lam=lam)
        window = gae(
            reward[:4],
            chance[:4],
            np.array([4]),
            lam=lam,
            truncated=np.array([True]),
            bootstrap=np.array([1.0]),
        )
        np.testing.assert_allclose(window, whole[:4], atol=1e-12)
    finished = gae(reward, rng.random(6), np.array([6]), truncated=np.array([False]))
    rng = np.random.default_rng(0)
    assert finished.tolist() == gae(reward, rng.random(6), np.array([6])).tolist()


def test_whitening():
    live = np.array([True, True, False])
    assert whiten(np.array([1.0, 3, 50]), live, eps=0.0).tolist() == [-1, 1, 0]
    far = whiten(np.array([1e6, 1e6 + 1]), eps=0.0)
    assert far.tolist() == [-1, 1]
    assert whiten(np.ones(3), eps=0.0).tolist() == [0, 0, 0]
    assert whiten(np.zeros(0)).tolist() == []


def test_gae_is_checked():
    with pytest.raises(ArgumentError, match="`value` must have one entry a token"):
        gae(np.ones(2), np.ones(3), np.array([2]))
    with pytest.raises(ArgumentError, match="`value` must be finite"):
        gae(np.ones(2), np.array([1, np.nan]), np.array([2]))
    # a tool's tokens have no value, and need none
    live = np.array([True, False])
    assert gae(np.ones(2), np.array([1, np.nan]), np.array([2]), live=live).tolist() == [0, 0]


# -- implicit process rewards -----------------------------------------------------------------


def test_s169_prefixes_add_up_to_the_outcome():
    rng = np.random.default_rng(0)
    logp, reference = -rng.random(20), -rng.random(20)
    reward = implicit_rewards(logp, reference, beta=0.05)
    assert reward.sum() == pytest.approx(0.05 * (logp.sum() - reference.sum()))
    assert implicit_rewards(logp, logp).tolist() == [0] * 20


def test_s169_an_outcome_model_points_at_planted_wrong_steps():
    # ten tokens, each of a right (0) or slip (1) kind; a reply with a slip is wrong. A model with
    # one log-ratio a kind is fitted to outcomes alone, by gradient descent on the outcome loss
    rng = np.random.default_rng(0)
    slip = (rng.random((400, 10)) < 0.07).astype(int)
    solved, length = slip.sum(axis=1) == 0, np.full(400, 10)
    ratio = np.zeros(2)
    counts = np.stack([10 - slip.sum(axis=1), slip.sum(axis=1)], axis=1)
    first = outcome_loss(ratio[slip].ravel(), solved, length).mean()
    for _ in range(400):
        chance = 1 / (1 + np.exp(-(counts @ ratio)))
        ratio -= 0.3 * ((chance - solved) @ counts) / 400
    token = implicit_rewards(ratio[slip].ravel(), np.zeros(4000), beta=1.0)
    assert outcome_loss(token, solved, length).mean() < first
    one = slip.sum(axis=1) == 1
    found = token.reshape(400, 10)[one].argmin(axis=1) == slip[one].argmax(axis=1)
    assert found.mean() > 0.9  # a guess finds one in ten


def test_outcome_loss_by_hand():
    token, length = np.array([1.0, 1.0, -3.0]), np.array([2, 1])
    got = outcome_loss(token, np.array([True, True]), length)
    np.testing.assert_allclose(got, [np.log1p(np.exp(-2)), np.log1p(np.exp(3))])
    assert np.isfinite(outcome_loss(np.array([-1e4]), np.array([True]), np.array([1]))).all()


def prime_by_loop(token, reward, group, length, process, outcome):
    parts = np.split(token, np.cumsum(length)[:-1])
    out = []
    for i, part in enumerate(parts):
        others = [j for j in np.flatnonzero(group == group[i]) if j != i]
        if not others:
            out.append(np.zeros(len(part)))
            continue
        n = len(others) + 1
        means = sum(parts[j].mean() for j in [*others, i])
        shifted = part * n / (n - 1) - means / (n - 1)
        to_go = np.cumsum(shifted[::-1])[::-1]
        out.append(process * to_go + outcome * (reward[i] - reward[others].mean()))
    return np.concatenate(out)


def test_prime_equals_a_loop_over_replies():
    rng = np.random.default_rng(0)
    length, group = rng.integers(1, 6, 12), np.array([0, 1, 1, 2, 2, 2, 0, 0, 1, 2, 3, 0])
    token, reward = rng.normal(size=length.sum()), rng.integers(0, 2, 12).astype(float)
    got = prime(token, reward, group, length, normalise=False)
    expected = prime_by_loop(token, reward, group, length, 5.0, 1.0)
    np.testing.assert_allclose(got, expected, atol=1e-12)
    np.testing.assert_allclose(prime(token, reward, group, length), whiten(expected), atol=1e-12)


def test_prime_without_process_rewards_is_rloo():
    reward, group, length = np.array([1.0, 0, 0]), np.zeros(3, int), np.array([1, 2, 1])
    got = prime(np.zeros(4), reward, group, length, normalise=False)
    np.testing.assert_allclose(got, np.repeat(rloo(reward, group)[0], length))
    mask = np.array([True, True, False])
    gone = prime(np.array([0, 0, 0, np.nan]), reward, group, length, mask=mask, normalise=False)
    np.testing.assert_allclose(gone, [1, -1, -1, 0])
