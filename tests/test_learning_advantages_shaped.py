import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradatim.errors import ArgumentError
from gradatim.learning.advantages import dr_grpo, grpo
from gradatim.learning.advantages_shaped import ADVANTAGES, canon, canon_mu, sharpen, xrpo
from gradatim.recipes.curriculum import Curriculum

measured = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from([0.0, 0.5, 1.0]), st.integers(0, 4)),
    min_size=1,
    max_size=40,
).map(lambda rows: tuple(np.array(column) for column in zip(*rows, strict=True)))


def canon_by_loop(reward, group, metric, mu, alpha, favour):
    out = np.zeros(len(reward))
    for g in set(group.tolist()):
        at = np.flatnonzero(group == g)
        at = at[np.argsort(metric[at], kind="stable")]
        low, high = at[: len(at) // 2], at[len(at) // 2 :]
        if not len(low):
            continue
        m_low, m_high = reward[low].mean(), reward[high].mean()
        if favour == "high":
            inter_low, inter_high = alpha * reward[low] - m_high, reward[high] - alpha * m_low
        else:
            inter_low, inter_high = reward[low] - alpha * m_high, alpha * reward[high] - m_low
        out[low] = mu * inter_low + (1 - mu) * (reward[low] - m_low)
        out[high] = mu * inter_high + (1 - mu) * (reward[high] - m_high)
    return out


# -- CANON (S042) -----------------------------------------------------------------------------


def test_s042_halves_by_hand():
    # lower half 1, 0 (mean 1/2), upper half 0, 0 (mean 0)
    reward, metric, group = np.array([1.0, 0, 0, 0]), np.arange(4.0), np.zeros(4, int)
    assert canon(reward, group, metric)[0].tolist() == [1, 0, -0.5, -0.5]
    assert canon(reward, group, metric, mu=0.0)[0].tolist() == [0.5, -0.5, 0, 0]
    # alpha 1/2 for the upper half: lower r/2 - 0, upper r - 1/4
    high = canon(reward, group, metric, alpha=0.5, favour="high")[0]
    assert high.tolist() == [0.5, 0, -0.25, -0.25]
    # for the lower half: lower r - 0, upper r/2 - 1/2
    low = canon(reward, group, metric, alpha=0.5, favour="low")[0]
    assert low.tolist() == [1, 0, -0.5, -0.5]


def test_an_odd_group_gives_the_upper_half_the_extra_one():
    reward, group = np.array([1.0, 0, 1]), np.zeros(3, int)
    # lower: the first (mean 1); upper: 0, 1 (mean 1/2)
    assert canon(reward, group, np.array([1, 2, 3]))[0].tolist() == [0.5, -1, 0]


@settings(max_examples=60, deadline=None)
@given(
    rows=measured,
    mu=st.sampled_from([0.0, 0.3, 1.0]),
    alpha=st.sampled_from([1.0, 0.8]),
    favour=st.sampled_from(["high", "low"]),
)
def test_canon_equals_a_loop_over_groups(rows, mu, alpha, favour):
    group, reward, metric = rows
    got, _ = canon(reward, group, metric, mu=mu, alpha=alpha, favour=favour)
    expected = canon_by_loop(reward, group, metric, mu, alpha, favour)
    np.testing.assert_allclose(got, expected, atol=1e-12)


def test_half_and_half_is_dr_grpo():
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(20), 6)
    reward, metric = rng.integers(0, 2, 120).astype(float), rng.random(120)
    value, keep = canon(reward, group, metric, mu=0.5)
    expected, kept = dr_grpo(reward, group)
    np.testing.assert_allclose(value, expected, atol=1e-15)
    assert (keep == kept).all()
    for mu in (0.0, 0.3, 1.0):  # and with equal halves every mu sums to 0
        sums = np.bincount(group, weights=canon(reward, group, metric, mu=mu)[0])
        np.testing.assert_allclose(sums, 0, atol=1e-12)


def test_s042_a_random_metric_gives_dr_grpo_on_average():
    rng = np.random.default_rng(0)
    reward, group = np.array([1.0, 1, 0, 0, 0, 0, 0, 0]), np.zeros(8, int)
    draws = [canon(reward, group, rng.random(8))[0] for _ in range(4000)]
    # the other half's mean is that of 4 of the 7 others: on average the mean of the others, which
    # makes inter n/(n-1) x the deviation
    expected = dr_grpo(reward, group)[0] * 8 / 7
    error = np.std(draws, axis=0) / np.sqrt(len(draws))
    assert (np.abs(np.mean(draws, axis=0) - expected) < 4 * error).all()


def test_alpha_below_one_makes_all_right_groups_speak():
    reward, group, metric = np.ones(4), np.zeros(4, int), np.arange(4.0)
    value, keep = canon(reward, group, metric, alpha=0.8, favour="high")
    np.testing.assert_allclose(value, [-0.2, -0.2, 0.2, 0.2])
    assert keep.all()
    assert not canon(np.zeros(4), group, metric, alpha=0.8)[1].any()


def test_ties_of_the_metric_keep_the_order_of_rows():
    reward, group = np.array([1.0, 0, 0, 1, 0, 0]), np.array([0, 1, 0, 1, 0, 0])
    one, _ = canon(reward, group, np.zeros(6))
    other, _ = canon(reward, group, np.arange(6.0))
    assert one.tolist() == other.tolist()


def test_schedules_of_mu():
    assert [canon_mu(p, "inter_first") for p in (0.0, 0.25, 1.0)] == [1.0, 0.75, 0.0]
    assert [canon_mu(p, "intra_first") for p in (0.0, 0.25, 1.0)] == [0.0, 0.25, 1.0]
    restart = [canon_mu(p, "cosine", cycles=2) for p in (0.0, 0.25, 0.499999, 0.5)]
    np.testing.assert_allclose(restart, [1, 0.5, 0, 1], atol=1e-5)
    with pytest.raises(ArgumentError, match="`schedule` must be one of cosine, inter_first"):
        canon_mu(0.5, "cosin")


@pytest.mark.parametrize(
    ("schedule", "after"), [("inter_first", (0.75, 0.5, 0)), ("intra_first", (0.25, 0.5, 1))]
)
def test_s042_mu_follows_the_run(schedule, after):
    changes = {"advantage": {"schedule": schedule}, "total": 16}
    cur = Curriculum(["1+1"], "canon_length", **changes)
    seen = []
    for n in (4, 4, 8):
        plan = cur.suggest(1, rollouts=n)
        batch = cur.observe(plan, np.arange(n) < 1, lengths=np.arange(n))
        seen.append((batch, cur.advantages(batch)[0]))
    for (batch, value), mu in zip(seen, after, strict=True):
        by_hand = canon(batch.reward, batch.group, batch.length, mu=mu, favour="low")[0]
        np.testing.assert_allclose(value, by_hand)
    assert not np.allclose(seen[0][1], seen[1][1])


def test_a_schedule_needs_the_length_of_the_run():
    cur = Curriculum(["1+1"], "canon_length", advantage={"schedule": "cosine"})
    batch = cur.observe(cur.suggest(1, rollouts=4), [1, 0, 0, 0], lengths=[1, 2, 3, 4])
    with pytest.raises(ArgumentError, match="follows the run: say its attempts by `total`"):
        cur.advantages(batch)
    with pytest.raises(ArgumentError, match="`schedule` must be one of cosine, inter_first"):
        Curriculum(["1+1"], "canon_length", advantage={"schedule": "cosin"}, total=9)


def test_canon_refuses():
    with pytest.raises(ArgumentError, match="`favour` must be one of high, low"):
        canon(np.ones(2), np.zeros(2), np.ones(2), favour="long")
    with pytest.raises(ArgumentError, match="`metric` must be finite"):
        canon(np.ones(2), np.zeros(2), np.array([1, np.nan]))
    assert set(ADVANTAGES) == {"canon_entropy", "canon_length", "xrpo"}


# -- XRPO sharpening --------------------------------------------------------------------------


def test_sharpening_by_hand():
    # mean -1.1; eta of the first exp(-.1): bonus 1 - .9048
    value = sharpen(np.array([1.0, -1.0]), np.zeros(2, int), np.array([-1.2, -1.0]))
    np.testing.assert_allclose(value, [1 + 1 - np.exp(-0.1), -1])
    # far less likely: the bonus is capped at cap x A
    capped = sharpen(np.array([1.0, -1.0]), np.zeros(2, int), np.array([-50.0, -1.0]), cap=0.3)
    np.testing.assert_allclose(capped, [1.3, -1])
    # a thousand nats apart is not too much
    far = sharpen(np.array([1.0, 1.0]), np.zeros(2, int), np.array([-2000.0, 0.0]))
    assert far.tolist() == [1.5, 1]


@settings(max_examples=60, deadline=None)
@given(rows=measured, bonus=st.floats(0, 3), cap=st.floats(0, 2))
def test_sharpening_stays_in_its_bounds(rows, bonus, cap):
    group, reward, metric = rows
    plain, kept = grpo(reward, group)
    logp = -1.0 - metric
    value, keep = xrpo(reward, group, logp, np.full(len(reward), 2), bonus=bonus, cap=cap)
    assert (value >= plain - 1e-12).all()
    assert (value <= plain + cap * np.maximum(plain, 0) + 1e-12).all()
    assert (value[plain <= 0] == plain[plain <= 0]).all()
    assert (keep == kept).all()
    same, _ = xrpo(reward, group, np.full(len(reward), -3.0), np.full(len(reward), 2))
    np.testing.assert_allclose(same, plain)  # equally likely: eta is 1


def test_likelihood_is_the_mean_over_tokens():
    reward, group = np.array([1.0, 1, 0]), np.zeros(3, int)
    # both right replies have -1 a token, whatever their length
    value, _ = xrpo(reward, group, np.array([-4.0, -8.0, -4.0]), np.array([4, 8, 4]))
    assert value[0] == value[1]
    with pytest.raises(ArgumentError, match="`length` must be at least 1, got -1"):
        xrpo(reward, group, np.zeros(3), np.full(3, -1))
