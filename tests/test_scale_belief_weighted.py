"""Counts of attempts that other policies made."""

import dataclasses

import numpy as np
import pytest
from test_scale_belief import batch_of, pool_of

from gradatim.errors import ArgumentError
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
