"""Glicko-2 against the paper's example, its invariances, and recovery from simulated games."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq

from gradatim.errors import ArgumentError
from gradatim.scale import glicko


def example(shift=0.0):
    return glicko.State(
        np.array([1500.0, 1400, 1550, 1700]) + shift,
        np.array([200.0, 30, 100, 300]),
        np.full(4, 0.06),
    )


BEAT_ONE = np.zeros(3, int), np.array([1, 2, 3]), np.array([1.0, 0.0, 0.0])


def test_worked_example_of_the_paper():
    # Glickman 2013: 1500/200/.06 beats 1400/30, loses to 1550/100 and 1700/300, tau .5
    after = glicko.update(example(), *BEAT_ONE)
    # the paper rounds on the way: 1464.06, 151.52, 0.05999
    assert after.rating[0] == pytest.approx(1464.05, abs=0.005)
    assert after.deviation[0] == pytest.approx(151.52, abs=0.005)
    assert after.volatility[0] == pytest.approx(0.059996, abs=5e-7)


@pytest.mark.parametrize("shift", [-1500.0, 1000.0, 1e5])
def test_where_zero_lies_does_not_matter(shift):
    # a rating in step 5 in place of the deviation would show here
    plain, shifted = (glicko.update(example(s), *BEAT_ONE) for s in (0.0, shift))
    assert shifted.volatility == pytest.approx(plain.volatility, abs=1e-9)
    assert shifted.deviation == pytest.approx(plain.deviation, rel=1e-9)
    assert shifted.rating - shift == pytest.approx(plain.rating, abs=1e-6)


@pytest.mark.parametrize("rating", [1500.0, 2500.0])
def test_ten_upsets_raise_volatility_equally_at_every_level(rating):
    # one opponent, ten wins; step 5 solved here on its own, in the paper's own terms
    phi, sigma, tau = 60 / glicko.UNIT, 0.06, 0.5
    before = glicko.State(rating + np.r_[0.0, [200] * 10], np.full(11, 60.0), np.full(11, sigma))
    after = glicko.update(before, np.zeros(10, int), np.arange(1, 11), np.ones(10))
    g = 1 / np.sqrt(1 + 3 * phi**2 / np.pi**2)
    e = 1 / (1 + np.exp(g * 200 / glicko.UNIT))
    v = 1 / (10 * g * g * e * (1 - e))
    delta = v * 10 * g * (1 - e)

    def f(x):
        a = np.exp(x)
        top = a * (delta**2 - phi**2 - v - a)
        return top / (2 * (phi**2 + v + a) ** 2) - (x - np.log(sigma**2)) / tau**2

    assert after.volatility[0] == pytest.approx(np.exp(brentq(f, -10, 5, xtol=1e-14) / 2), rel=1e-9)
    assert after.volatility[0] > sigma


def test_without_games_only_the_deviation_grows():
    before = example()
    after = glicko.update(before, *(column[:0] for column in BEAT_ONE))
    assert np.array_equal(after.rating, before.rating)
    assert np.array_equal(after.volatility, before.volatility)
    # sqrt(200^2 + (173.7178 * 0.06)^2) = sqrt(40000 + 108.64) = 200.2714
    assert after.deviation[0] == pytest.approx(200.2714, abs=1e-4)


def test_empty_periods_grow_as_if_they_were_played_through():
    early = np.array([0]), np.array([1]), np.array([1.0])
    at_once = glicko.play(
        glicko.begin(3),
        np.array([0, 1]),
        np.array([1, 2]),
        np.array([1.0, 1.0]),
        period=np.array([1, 4]),
    )
    state = glicko.update(glicko.begin(2), *early)
    for _ in range(2):
        state = glicko.update(state, *(column[:0] for column in early))
    joined = glicko.State(*(np.r_[a, b] for a, b in zip(state, glicko.begin(1), strict=True)))
    stepwise = glicko.update(joined, np.array([1]), np.array([2]), np.array([1.0]))
    for one, other in zip(at_once, stepwise, strict=True):
        assert one == pytest.approx(other, rel=1e-12)


def test_a_player_enters_with_its_first_game():
    games = np.array([0, 2]), np.array([1, 3]), np.array([1.0, 1.0])
    after = glicko.play(glicko.begin(4), *games, period=np.array([0, 1000]))
    assert after.rating[2] == pytest.approx(after.rating[0])
    old = glicko.play(glicko.begin(4), *games, period=np.array([0, 1000]), entered=True)
    assert old.deviation[2] > after.deviation[2]


def test_a_draw_of_equals_moves_nobody_and_tells_something():
    half = np.array([0]), np.array([1]), np.array([0.5])
    after = glicko.update(glicko.begin(2), *half)
    assert after.rating == pytest.approx([1500, 1500])
    assert (after.deviation < 350).all()


@pytest.mark.parametrize("gap", [1200, 4000, 40_000, 1e6])
def test_a_huge_upset_stays_finite(gap):
    before = glicko.State(np.r_[1500.0, 1500 + gap], np.r_[350.0, 30], np.full(2, 0.06))
    after = glicko.update(before, np.array([0]), np.array([1]), np.array([1.0]))
    assert 0.06 < after.volatility[0] < 0.07
    # the variance 350^2 / 173.7^2 = 4.06 is the most that one game can move, in logits
    assert 0 < after.rating[0] - 1500 < 4.1 * glicko.UNIT


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(1, 5), st.sampled_from([0.0, 0.25, 0.5, 1.0])),
        min_size=1,
        max_size=30,
    )
)
def test_order_sides_and_weights_inside_a_period_do_not_matter(games):
    player = np.array([p for p, _, _ in games])
    opponent = np.array([(p + d) % 6 for p, d, _ in games])
    score = np.array([s for _, _, s in games])
    begin = glicko.begin(6)
    base = glicko.update(begin, player, opponent, score)
    for again in (
        glicko.update(begin, player[::-1], opponent[::-1], score[::-1]),
        glicko.update(begin, opponent, player, 1 - score),
        glicko.update(
            begin,
            *(np.r_[c, c] for c in (player, opponent, score)),
            weight=np.full(2 * len(score), 0.5),
        ),
    ):
        for one, other in zip(base, again, strict=True):
            assert one == pytest.approx(other, rel=1e-9)
    # what one wins the other loses: equal deviations, so the total stays
    assert (base.deviation <= 350.2).all()
    assert np.isfinite(base.rating).all()


def test_recovers_simulated_strengths_and_intervals_cover():
    rng = np.random.default_rng(0)
    n, m = 100, 40_000
    true = rng.normal(size=n)
    player = rng.integers(n, size=m)
    opponent = (player + rng.integers(1, n, size=m)) % n
    won = rng.random(m) < 1 / (1 + np.exp(true[opponent] - true[player]))
    state = glicko.play(
        glicko.begin(n, volatility=0.001),
        player,
        opponent,
        won.astype(float),
        period=np.arange(m) // 1000,
        tau=0.3,
    )
    found = (state.rating - state.rating.mean()) / glicko.UNIT
    assert np.corrcoef(found, true)[0, 1] > 0.99
    inside = np.abs(found - (true - true.mean())) < 1.96 * state.deviation / glicko.UNIT
    assert 0.88 <= inside.mean() <= 0.99
    # expected scores of new games are calibrated
    predicted = glicko.chances(state, player, opponent)
    for low in (0.1, 0.4, 0.7):
        bin_ = (predicted > low) & (predicted < low + 0.2)
        assert won[bin_].mean() == pytest.approx(predicted[bin_].mean(), abs=0.02)


def test_interval_holds_the_rating():
    found = glicko.interval(example(), np.ones(4, int), level=0.9)
    # 200 * 1.644854 = 328.97
    assert found.high[0] - found.value[0] == pytest.approx(328.97, abs=0.01)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"score": np.array([1.5, 0, 0])}, "`score` must lie in"),
        ({"score": np.array([np.nan, 0, 0])}, "`score` must lie in"),
        ({"opponent": np.array([0, 2, 3])}, "game 0 has one twice"),
        ({"opponent": np.array([9, 2, 3])}, "`opponent` must lie in"),
        ({"opponent": np.array([1.0, 2, 3])}, "whole numbers"),
        ({"tau": 0.0}, "`tau`"),
        ({"weight": np.array([0.0, 1, 1])}, "`weight`"),
    ],
)
def test_bad_games_are_named(change, words):
    player, opponent, score = BEAT_ONE
    given = {"player": player, "opponent": opponent, "score": score, **change}
    with pytest.raises(ArgumentError, match=words):
        glicko.update(example(), **given)
    if "weight" not in change:
        with pytest.raises(ArgumentError, match=words):
            glicko.play(example(), **given)


def test_periods_must_be_whole():
    with pytest.raises(ArgumentError, match="`period` must be whole"):
        glicko.play(example(), *BEAT_ONE, period=np.array([1.5, 1, 1]))
