"""Elo by hand, its dependence on order, and the average over orders."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradatim.errors import ArgumentError
from gradatim.scale import elo


def test_two_games_by_hand():
    # equal: 16 points; then 1516 against 1484 expects 1/(1+10^(-32/400)) = .545922, wins 14.5305
    found = elo.sequential(np.array([0, 0]), np.array([1, 1]), np.ones(2), n_players=2, k=32)
    assert found == pytest.approx([1530.5305, 1469.4695], abs=1e-4)


def test_a_favourite_gains_little():
    # 400 points above: expects 10/11, so 32 * (1 - .90909) = 2.909
    assert 32 * (1 - elo.expected(np.array(400.0))) == pytest.approx(2.909, abs=1e-3)
    assert elo.expected(np.array([-200.0, 200.0])).sum() == pytest.approx(1)


def test_order_matters_and_its_average_does_not():
    player, opponent = np.array([0] * 10), np.array([1] * 10)
    wins_last, wins_first = np.repeat([0.0, 1.0], 5), np.repeat([1.0, 0.0], 5)
    late, early = (
        elo.sequential(player, opponent, s, n_players=2)[0] for s in (wins_last, wins_first)
    )
    assert late > 1500 + 20 > 1500 - 20 > early
    mean = elo.averaged(player, opponent, wins_last, n_players=2, orders=400)
    assert mean.value[0] == pytest.approx(1500, abs=6)  # sd of one order is about 35
    assert mean.low[0] < 1500 < mean.high[0]


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(1, 4), st.sampled_from([0.0, 0.5, 1.0])),
        max_size=20,
    )
)
def test_points_are_only_passed_on(games):
    player = np.array([p for p, _, _ in games], dtype=int)
    opponent = np.array([(p + d) % 5 for p, d, _ in games], dtype=int)
    score = np.array([s for _, _, s in games], dtype=float)
    assert elo.sequential(player, opponent, score, n_players=5).mean() == pytest.approx(1500)
    swapped = elo.sequential(opponent, player, 1 - score, n_players=5)
    assert swapped == pytest.approx(elo.sequential(player, opponent, score, n_players=5))
    found = elo.averaged(player, opponent, score, n_players=5, orders=3)
    assert found.value.mean() == pytest.approx(1500)
    assert (found.low <= found.value).all()
    assert (found.value <= found.high).all()


def test_all_orders_together_are_the_single_passes():
    rng = np.random.default_rng(1)
    m = 5000  # more than one block
    player = rng.integers(20, size=m)
    opponent = (player + rng.integers(1, 20, size=m)) % 20
    score = rng.random(m).round()
    mean = elo.averaged(
        player, opponent, score, n_players=20, orders=4, rng=np.random.default_rng(5)
    )
    again = np.random.default_rng(5)
    single = []
    for _ in range(4):
        at = again.permutation(m)
        single.append(elo.sequential(player[at], opponent[at], score[at], n_players=20))
    assert mean.value == pytest.approx(np.mean(single, axis=0), abs=1e-8)


def test_recovers_simulated_order():
    rng = np.random.default_rng(2)
    true = rng.normal(size=30)
    player = rng.integers(30, size=6000)
    opponent = (player + rng.integers(1, 30, size=6000)) % 30
    won = rng.random(6000) < 1 / (1 + np.exp(true[opponent] - true[player]))
    found = elo.averaged(player, opponent, won.astype(float), n_players=30, k=8, orders=20)
    assert np.corrcoef(found.value, true)[0, 1] > 0.98
    one = elo.sequential(player, opponent, won.astype(float), n_players=30, k=32)
    assert np.corrcoef(found.value, true)[0, 1] > np.corrcoef(one, true)[0, 1]


def test_bad_arguments():
    games = np.array([0]), np.array([1]), np.array([1.0])
    with pytest.raises(ArgumentError, match="`k` must lie"):
        elo.sequential(*games, n_players=2, k=0)
    with pytest.raises(ArgumentError, match="`orders` must be at least 2"):
        elo.averaged(*games, n_players=2, orders=1)
    with pytest.raises(ArgumentError, match="`opponent` must lie in"):
        elo.averaged(*games, n_players=1)
