"""Counts of attempts that other policies made."""

import dataclasses

import numpy as np
import pytest
from test_scale_belief import batch_of, pool_of

from gradatim.errors import ArgumentError
from gradatim.recipes import registry
from gradatim.recipes.curriculum import Curriculum
from gradatim.scale import belief
from gradatim.scale.belief_weighted import BELIEFS, importance, worth

SLOT = BELIEFS["off_policy"]


def after(pool, batches, **options):
    options = {**SLOT.options, **options}
    state = SLOT.init(pool, **options)
    for batch in batches:
        state = SLOT.observe(state, batch, **options)
    return SLOT.suggest(state, pool, **options)


def weighted(problem, solved, weight, **more):
    return dataclasses.replace(batch_of(problem, solved, **more), weight=np.asarray(weight, float))


def test_by_hand():
    # weights 2 1 1 0: sum 4, squares 6, 16 / 6 = 2.67 attempts, of which (2 + 1) / 4 solved
    found = after(pool_of([0]), [weighted([0] * 4, [1, 0, 1, 0], [2, 1, 1, 0])], half_life=0)
    assert found.alpha[0] == pytest.approx(0.5 + 2.0)
    assert found.beta[0] == pytest.approx(0.5 + 2 / 3)
    # four attempts of weight .1: 4 by their effective size, but worth no more than .4
    found = after(pool_of([0]), [weighted([0] * 4, [1, 0, 1, 0], [0.1] * 4)], half_life=0)
    assert found.alpha[0] == found.beta[0] == pytest.approx(0.7)


def test_equal_weights_are_plain_counts():
    batch = batch_of([0, 0, 1, 1, 1], [1, 0, 1, 1, 0], 3)
    plain = belief.BELIEFS["counts"]
    state = plain.observe(plain.init(pool_of([0, 0])), batch, **plain.options)
    expected = plain.suggest(state, pool_of([0, 0]), **plain.options)
    for again in (batch, weighted([0, 0, 1, 1, 1], [1, 0, 1, 1, 0], np.ones(5), step=3)):
        found = after(pool_of([0, 0]), [again])
        np.testing.assert_allclose(found.alpha, expected.alpha)
        np.testing.assert_allclose(found.beta, expected.beta)


def test_it_corrects_what_an_older_policy_solved():
    # replies A and B, A right: the old policy gave A with .2, the new one with .6
    rng = np.random.default_rng(0)
    right = rng.random(4000) < 0.2
    weight = np.where(right, 0.6 / 0.2, 0.4 / 0.8)
    found = after(pool_of([0]), [weighted(np.zeros(4000, int), right, weight)], half_life=0)
    total = found.alpha[0] + found.beta[0]
    assert found.alpha[0] / total == pytest.approx(0.6, abs=0.03)
    assert total - 1 == pytest.approx(4000 / (0.2 * 9 + 0.8 * 0.25), rel=0.05)


def test_clipping_bounds_one_reply():
    wild = weighted([0] * 5, [1, 0, 0, 0, 0], [1e9, 1, 1, 1, 1])
    found = after(pool_of([0]), [wild], clip=4.0, half_life=0)
    assert (found.alpha[0] - 0.5) / (found.alpha[0] + found.beta[0] - 1) == pytest.approx(0.5)


def test_masked_weights_do_not_matter_and_bad_ones_are_refused():
    batch = weighted([0, 0], [1, 0], [1, np.nan], mask=[True, False])
    assert after(pool_of([0]), [batch]).alpha[0] == 1.5
    for bad in (np.nan, -1.0):
        with pytest.raises(ArgumentError, match="`weight` must lie in"):
            after(pool_of([0]), [weighted([0, 0], [1, 0], [1, bad])])
    with pytest.raises(ArgumentError, match="axis 'attempt'"):
        after(pool_of([0]), [weighted([0, 0], [1, 0], [1])])


def test_worth_of_nothing():
    solved, tried = worth(np.zeros(0, int), np.zeros(0), np.zeros(0), size=2)
    assert solved.tolist() == tried.tolist() == [0, 0]
    solved, tried = worth(np.zeros(2, int), np.ones(2), np.zeros(2), size=1)
    assert solved[0] == tried[0] == 0


def test_importance():
    now, then = np.array([-1.0, -1.0, -800.0, -np.inf]), np.array([-1.0, -900.0, -1.0, -1.0])
    assert importance(now, then).tolist() == [1.0, 5.0, 0.0, 0.0]
    with pytest.raises(ArgumentError, match="`now`"):
        importance(np.array([np.nan]), np.zeros(1))


# -- late feedback through a curriculum ---------------------------------------------------------


def off_policy(problems, name="off_policy", half_life=0.0):
    recipe = registry.adapt(registry.get("grpo"), {"belief": (name, {"half_life": half_life})})
    return Curriculum(problems, recipe, provides={"logp", "weight"})


def test_weights_come_from_two_columns():
    cur = off_policy(["a"])
    plan = cur.suggest(1, rollouts=4)
    then, now = np.log([0.5, 0.25, 0.1, 0.2]), np.log([0.5, 0.5, 0.9, 0.1])
    batch = cur.observe(plan, [1, 0, 1, 0], logp=then, logp_now=now)
    assert batch.weight == pytest.approx([1, 2, 5, 0.5])  # .9 / .1 is cut at 5
    solved, tried = worth(batch.problem, batch.solved, batch.weight, size=1)
    assert cur.belief().alpha[0] == pytest.approx(0.5 + solved[0])
    assert cur.belief().beta[0] == pytest.approx(0.5 + tried[0] - solved[0])
    # masked attempts have no weight to compute
    plan = cur.suggest(1, rollouts=2)
    nothing = [-1.0, np.nan]
    again = cur.observe(plan, [1, 0], mask=[True, False], logp=nothing, logp_now=nothing)
    assert again.weight.tolist() == [1.0, 1.0]
    for columns in ({"logp_now": now}, {"logp": then, "logp_now": now, "weight": np.ones(4)}):
        plan = cur.suggest(1, rollouts=4)
        with pytest.raises(ArgumentError, match="`logp_now` gives `weight` together with `logp`"):
            cur.observe(plan, [1, 0, 1, 0], **columns)
    with pytest.raises(ArgumentError, match="axis 'attempt' is 4 in `rewards` but 2 in `logp_now`"):
        cur.observe(plan, [1, 0, 1, 0], logp=then, logp_now=now[:2])


@pytest.mark.parametrize("lag", [0, 1, 3])
def test_stale_feedback_is_worth_what_the_policy_has_become(lag):
    """Two replies, one right: the policy gives it more often with every step."""
    rate = 0.15 + 0.05 * np.arange(12)  # of the right reply, by step
    error = {"counts": [], "off_policy": []}
    for name, errors in error.items():
        # next to no memory: what is believed is what came last
        cur, rng = off_policy(range(4), name, half_life=0.05), np.random.default_rng(lag)
        waiting = []
        for step, now in enumerate(rate):
            plan = cur.suggest(4, rollouts=1600)
            right = rng.random(1600) < now
            waiting.append((plan, right, np.log(np.where(right, now, 1 - now))))
            if len(waiting) <= lag:
                continue
            plan, right, then = waiting.pop(0)
            columns = {"logp": then, "logp_now": np.log(np.where(right, now, 1 - now))}
            batch = cur.observe(plan, right.astype(float), **columns)
            assert (batch.weight == 1).all() == (lag == 0)
            found = cur.belief()
            errors.append(np.mean(found.alpha / (found.alpha + found.beta)) - rate[step])
        assert len(cur.pending()) == lag
        assert cur.metrics()["spent"] == 1600 * (12 - lag)
    assert np.mean(error["off_policy"]) == pytest.approx(0, abs=0.01)
    assert np.mean(error["counts"]) == pytest.approx(-0.05 * lag, abs=0.01)
