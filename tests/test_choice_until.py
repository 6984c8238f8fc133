import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from gradatim.choice import until
from gradatim.choice.until import forecast, level_off, targets
from gradatim.errors import ArgumentError
from gradatim.recipes import registry
from gradatim.recipes.curriculum import Curriculum


def test_dart_trials_by_hand():
    rate = np.array([0.5, 0.25, 1.0])
    far = forecast(rate, np.array([4, 4, 4]), cap=2048)
    np.testing.assert_allclose(far.trials, [8, 16, 4])  # k / p
    np.testing.assert_allclose(far.coverage, 1)
    near = forecast(rate, np.array([4, 4, 4]), cap=8)
    # P(Bin(8, .5) >= 4) = (70 + 56 + 28 + 8 + 1) / 256 = .6367
    np.testing.assert_allclose(near.coverage, [163 / 256, stats.binom.sf(3, 8, 0.25), 1])
    assert (near.trials <= np.minimum(8, 4 / rate) + 1e-12).all()
    hopeless = forecast(np.array([0.0, 0.9]), np.array([1, 9]), cap=8)
    assert hopeless.trials.tolist() == [8, 8]
    assert hopeless.coverage.tolist() == [0, 0]


@settings(max_examples=40, deadline=None)
@given(p=st.floats(0.01, 1), k=st.integers(1, 12), cap=st.integers(1, 60))
def test_expected_trials_match_the_sum(p, k, cap):
    # E[min(cap, N)] = sum over t < cap of P(fewer than k passes in t)
    expected = stats.binom.cdf(k - 1, np.arange(cap), p).sum()
    found = forecast(np.array([p]), np.array([k]), cap=cap)
    assert found.trials[0] == pytest.approx(expected, rel=1e-9)


def test_targets_by_hand():
    rate = np.array([0.1, 0.5, 0.9, 1.0])
    assert targets(rate, 3).tolist() == [3, 3, 3, 3]
    # 9 (1 - p) / .9 = 9, 5, 1, 0: at least one
    assert targets(rate, 9, share="difficulty").tolist() == [9, 5, 1, 1]
    assert targets(np.ones(2), 9, share="difficulty").tolist() == [1, 1]
    with pytest.raises(ArgumentError, match=r"`share` must be one of .*did you mean 'uniform'"):
        targets(rate, 3, share="unifrom")


@settings(max_examples=60, deadline=None)
@given(
    need=st.lists(st.integers(0, 50), min_size=1, max_size=8).map(np.array),
    total=st.integers(0, 120),
)
def test_needs_are_cut_to_one_level(need, total):
    given_ = level_off(need, total)
    assert given_.sum() == min(total, need.sum())
    assert (given_ <= need).all()
    cut = given_ < need
    if cut.any():  # whoever is cut has as much as anyone, up to one
        assert given_[cut].min() >= given_.max() - 1


def run(rates, rollouts, rounds=6, seed=0, **options):
    """Attempts and passes of each problem in one step."""
    base = dataclasses.replace(registry.get("grpo"), max_rounds=rounds)
    cur = Curriculum(
        range(len(rates)), base, provides={"logp", "rounds"}, budget=("until", options)
    )
    rng, plan, first = np.random.default_rng(seed), None, None
    plan = cur.suggest(len(rates), rollouts=rollouts)
    while plan is not None:
        first = plan.n.tolist() if first is None else first
        row = np.repeat(plan.problem, plan.n)
        batch = cur.observe(plan, rng.random(len(row)) < rates[row])
        plan = cur.more(batch)
    size = len(rates)
    tried = np.bincount(batch.problem, minlength=size)
    return tried, np.bincount(batch.problem, batch.reward, minlength=size), first


def test_s015_enough_of_each_and_the_easy_bias_drops():
    rates = np.tile([0.08, 0.3, 0.6, 0.95], 8)
    tried, passed, first = run(rates, 4000, passes=4, cap=200)
    assert first == [4] * 32
    assert np.mean(passed >= 4) > 0.93
    assert passed.min() >= 3
    plain = 4000 / 32 * rates  # what equal attempts would have passed
    hard = rates < 0.2
    assert passed[hard].sum() / passed.sum() > 2 * plain[hard].sum() / plain.sum()
    assert tried.sum() < 0.5 * 4000  # what nobody needs is not spent
    # the expectation is k / p; rounds and rates that are only believed overshoot it
    need = forecast(rates, np.full(32, 4), cap=200).trials.sum()
    spent = np.mean([run(rates, 4000, seed=seed, passes=4, cap=200)[0].sum() for seed in range(8)])
    assert need < spent < 1.6 * need


def test_prop2diff_gives_the_hardest_most():
    rates = np.tile([0.1, 0.55, 0.95], 6)
    base = dataclasses.replace(registry.get("grpo"), max_rounds=6)
    cur = Curriculum(
        range(18),
        base,
        provides={"logp", "rounds"},
        belief=("known", {"rate": (0.1, 0.55, 0.95)}),
        budget=("until", {"passes": 9, "share": "difficulty", "cap": 300}),
    )
    rng, plan = np.random.default_rng(1), cur.suggest(18, rollouts=5000)
    assert sorted(plan.n.tolist()) == [1] * 6 + [5] * 6 + [9] * 6
    while plan is not None:
        row = np.repeat(plan.problem, plan.n)
        batch = cur.observe(plan, rng.random(len(row)) < rates[row])
        plan = cur.more(batch)
    passed = np.bincount(batch.problem, batch.reward, minlength=18)
    wanted = np.array([9, 5, 1])[np.tile([0, 1, 2], 6)]
    assert np.mean(passed >= wanted) > 0.9
    assert passed[rates == 0.1].mean() > passed[rates == 0.95].mean() * 4


def test_caps_hold_and_shortage_is_shared():
    tried, _, _ = run(np.zeros(5), 1000, passes=4, cap=20)
    assert tried.tolist() == [20] * 5
    short, _, first = run(np.zeros(5), 18, passes=4, cap=64)
    assert short.sum() == 18
    assert sorted(first) == [3, 3, 4, 4, 4]
    done, _, _ = run(np.ones(5), 1000, passes=4)
    assert done.tolist() == [4] * 5


def test_strict_means_one_pass_more():
    plain, _, _ = run(np.ones(3), 100, passes=4)
    strict, _, first = run(np.ones(3), 100, passes=4, strict=True)
    assert first == [5, 5, 5]
    assert (strict - plain).tolist() == [1, 1, 1]
    with pytest.raises(ArgumentError, match="`cap` must be at least `passes` = 4"):
        run(np.ones(3), 100, passes=4, cap=3)
    with pytest.raises(ArgumentError, match="`cap` must lie in"):
        run(np.ones(3), 100, passes=4, cap=4, strict=True)


def test_bad_counts_are_named():
    with pytest.raises(ArgumentError, match="`rate` must lie in"):
        forecast(np.array([1.2]), np.array([1]))
    with pytest.raises(ArgumentError, match="`target` must lie in"):
        forecast(np.array([0.2]), np.array([0]))
    with pytest.raises(ArgumentError, match="`passes` must lie in"):
        targets(np.array([0.5]), 0)
    assert until.BUDGETS["until"].needs == {"rounds"}
