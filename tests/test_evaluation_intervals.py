import numpy as np
import pytest
from scipy import stats

from gradatim.errors import ArgumentError
from gradatim.evaluation.intervals import (
    luck_of_attempts,
    plain_interval,
    widening,
    widening_of_others,
)


def test_half_widths_by_hand():
    # standardised errors 2, 2, 2, 2: their root mean square is 2, t(4) at .975 is 2.776
    off, sd = np.array([2.0, -2, 2, -2]), np.ones(4)
    assert widening(off, sd) == pytest.approx(2 * stats.t.ppf(0.975, 4))
    # each from the other three
    np.testing.assert_allclose(widening_of_others(off, sd), 2 * stats.t.ppf(0.975, 3))
    own = widening_of_others(np.array([1.0, 1.0, 9.0]), np.ones(3))
    assert own[2] == pytest.approx(stats.t.ppf(0.975, 2))  # its own 9 does not count
    assert widening(off / 9, sd) < 1.96 == widening(off / 9, sd, least=1.96)
    assert widening(off, sd, least=1.96) == widening(off, sd)
    np.testing.assert_array_equal(widening_of_others(off / 9, sd, least=1.96), 1.96)
    assert widening(off, sd, level=0.5) == pytest.approx(2 * stats.t.ppf(0.75, 4))


def test_steps_stand_beside_each_other():
    rng = np.random.default_rng(0)
    off, sd = rng.normal(size=(30, 4)), rng.uniform(0.5, 2, (30, 4))
    together = widening(off, sd)
    np.testing.assert_allclose(together, [widening(off[:, i], sd[:, i]) for i in range(4)])
    assert widening_of_others(off, sd).shape == (30, 4)


def test_models_that_know_the_truth_say_nothing():
    off, sd = np.array([0.0, 1.0, -1.0]), np.array([0.0, 1.0, 1.0])
    assert widening(off, sd) == widening(off[1:], sd[1:])
    assert np.isnan(widening(off[:2], sd[:2]))
    assert np.isnan(widening(np.zeros(3), np.zeros(3)))
    with pytest.raises(ArgumentError, match="axis 'model'"):
        widening(np.zeros(3), np.zeros(4))


@pytest.mark.parametrize("models", [8, 40])
@pytest.mark.parametrize("spread", [0.5, 3.0])
def test_intervals_hold_what_they_claim(models, spread):
    """A posterior that is wrong by a factor: intervals for new models cover 95% all the same."""
    rng = np.random.default_rng(models)
    inside = []
    for _ in range(400):
        sd = rng.uniform(0.5, 2, models)
        off = spread * sd * rng.normal(size=models)
        inside.append(np.abs(off) <= widening_of_others(off, sd) * sd)
    assert np.mean(inside) == pytest.approx(0.95, abs=0.012)


def test_plain_means_are_those_of_a_textbook():
    rng = np.random.default_rng(1)
    rate = rng.random((1, 200))
    order = rng.permutation(200)[None, :30]
    mean, half = plain_interval(rate, order, np.array([10**9]))
    low, _ = stats.t.interval(
        0.95, 29, loc=rate[0, order[0]].mean(), scale=stats.sem(rate[0, order[0]])
    )
    assert mean[0] - half[0] == pytest.approx(low, rel=1e-6)
    short = np.concatenate([order, np.full((1, 5), -1)], axis=1)
    np.testing.assert_allclose(plain_interval(rate, short, np.array([10**9]))[1], half)
    everything = plain_interval(rate, np.arange(200)[None], np.array([200]))
    assert everything[1][0] == 0
    covered = []
    for _ in range(500):  # of a finite whole: with its correction it covers, no more
        order = rng.permutation(200)[None, :100]
        mean, half = plain_interval(rate, order, np.array([200]))
        covered.append(abs(mean[0] - rate.mean()) <= half[0])
    assert 0.92 < np.mean(covered) < 0.98


def test_the_luck_of_attempts_by_hand():
    coin = np.array([0.25, 0.09])
    # once each: as coins; an item without an answer says nothing
    assert luck_of_attempts(np.ones(2), np.ones(2, int), coin) == pytest.approx(0.34)
    assert luck_of_attempts(np.ones(2), np.array([1, 0]), coin) == pytest.approx(0.25)
    assert luck_of_attempts(np.ones(0), np.ones(0, int), coin[:0]) == 0
    # one right of two: within items .25 * 2 / 1 = .5, so (.5 + .25) / (.25 + .25) coins' worth
    one = luck_of_attempts(np.array([0.5]), np.array([2]), coin[:1])
    assert one == pytest.approx(1.5 * 0.25 / 2)
    with pytest.raises(ArgumentError, match="axis 'item'"):
        luck_of_attempts(np.ones(2), np.ones(3, int), coin)


@pytest.mark.parametrize("tried", [1, 2, 5])
@pytest.mark.parametrize("certain", [0.0, 0.5])
def test_the_luck_of_attempts_is_that_of_reruns(tried, certain):
    """Items whose chance is as the curve says, or always right or always wrong with that chance."""
    rng = np.random.default_rng(tried)
    curve = rng.uniform(0.1, 0.9, 300)
    fixed = rng.random(300) < certain
    chance = np.where(fixed, rng.random(300) < curve, curve)
    sums = rng.binomial(tried, chance, (4000, 300)) / tried
    coin = curve * (1 - curve)
    said = np.mean([luck_of_attempts(r, np.full(300, tried), coin) for r in sums[:50]])
    true = sums.sum(axis=1).var()
    if tried > 1:
        assert said == pytest.approx(true, rel=0.12)
    else:  # not told apart: never too little
        assert said > 0.93 * true
