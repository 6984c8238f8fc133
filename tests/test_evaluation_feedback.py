import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradatim.errors import ArgumentError
from gradatim.evaluation.feedback import friction
from gradatim.scale.rates import pass_rate


def table(seed, *, n=300, rounds=5, first=0.3, recover=0.3, deaf=0.0):
    """Problems solved at first with one chance and by a retry with another, a share never."""
    rng = np.random.default_rng(seed)
    solved = (rng.random((rounds + 1, n)) < recover).astype(float)
    solved[0] = rng.random(n) < first
    solved[1:, rng.random(n) < deaf] = 0
    done = np.cumsum(solved, axis=0)
    solved[1:][done[:-1] > 0] = np.nan  # what is solved is not tried again
    return solved


def test_friction_by_hand():
    # a solved at once, b after one retry, c and d never; d could not be: its feedback was wrong
    solved = np.array([[1, 0, 0, 0], [np.nan, 1, 0, 0], [np.nan, np.nan, 0, 0]])
    found = friction(solved, sound=np.array([True, True, True, False]))
    assert found.accuracy.value.tolist() == [0.25, 0.5, 0.5]
    assert found.recovered.value == pytest.approx([1 / 3, 0.0])
    assert found.recovered.n.tolist() == [3, 2]
    assert (found.ceiling, found.plateau.value, found.friction.value) == (0.75, 0.5, 0.25)
    assert found.unrecovered.value == 0.5  # of b and c
    assert found.unrecovered.n == 2
    one = pass_rate(np.array([1]), np.array([4]))
    assert (found.friction.low, found.friction.high) == (one.low[0], one.high[0])


def test_s144_friction_is_recovered_within_its_interval():
    # of those not solved at first, the deaf and those unlucky in 5 retries stay behind
    true = 0.7 * (0.2 + 0.8 * 0.7**5)
    found = [friction(table(seed, deaf=0.2)) for seed in range(200)]
    held = [f.friction.low <= true <= f.friction.high for f in found]
    assert 0.91 < np.mean(held) < 0.99
    share = [f.unrecovered.low <= true / 0.7 <= f.unrecovered.high for f in found]
    assert 0.91 < np.mean(share) < 0.99
    first = [f.recovered.low[0] <= 0.8 * 0.3 <= f.recovered.high[0] for f in found]
    assert 0.91 < np.mean(first) < 0.99


def test_s144_who_never_takes_it_up_has_all_the_friction_there_is():
    found = friction(table(0, recover=0.0))
    assert found.unrecovered.value == 1.0
    assert found.friction.value == pytest.approx(1 - found.accuracy.value[0])
    assert not found.recovered.value.any()
    heard = friction(table(0, recover=1.0))
    assert heard.friction.value == 0.0
    assert heard.plateau.value == heard.ceiling == 1.0
    assert np.isnan(heard.recovered.value[1:]).all()  # nothing was left to retry
    assert heard.recovered.n.tolist()[1:] == [0] * 4


@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 12), st.floats(0, 1))
def test_curve_rises_and_parts_add_up(seed, rounds, n, recover):
    solved = table(seed, n=n, rounds=rounds, recover=recover)
    found = friction(solved)
    curve = found.accuracy.value
    assert (np.diff(curve) >= 0).all()
    assert found.plateau.value == curve[-1]
    assert found.friction.value == pytest.approx(found.ceiling - curve[-1])
    assert found.friction.low <= found.friction.value <= found.friction.high
    order = np.random.default_rng(seed).permutation(n)
    assert friction(solved[:, order]).friction == found.friction
    # what stands after a 1 is not read
    filled = np.where(np.isnan(solved), 0.0, solved)
    assert friction(filled).friction == found.friction


def test_lost_attempts_singletons_and_only_the_first_round():
    lost = np.array([[0, np.nan, 1], [1, 0, np.nan]])
    found = friction(lost)
    assert (found.left_out, found.plateau.n, found.plateau.value) == (1, 2, 1.0)
    alone = friction(np.array([[0.0]]))
    assert alone.friction.value == alone.unrecovered.value == 1.0
    assert alone.recovered.value.shape == (0,)
    right = friction(np.ones((3, 4)))
    assert right.friction.value == 0.0
    assert np.isnan(right.unrecovered.value)
    assert right.unrecovered.n == 0


@pytest.mark.parametrize(
    ("solved", "match"),
    [
        (np.zeros((0, 3)), "at least the round"),
        (np.zeros((2, 0)), "no problem"),
        (np.full((2, 2), np.nan), "no problem"),
        (np.full((2, 2), 0.5), "must be 1, 0 or NaN"),
        (np.full((2, 2), np.inf), "must be 1, 0 or NaN"),
        (np.zeros(3), "must have axes"),
    ],
)
def test_bad_tables_are_refused(solved, match):
    with pytest.raises(ArgumentError, match=match):
        friction(solved)


def test_bad_soundness_is_refused():
    with pytest.raises(ArgumentError, match="axis 'problem'"):
        friction(np.zeros((2, 3)), sound=np.ones(2, bool))
    with pytest.raises(ArgumentError, match="`sound` must lie"):
        friction(np.zeros((2, 1)), sound=np.array([np.nan]))
