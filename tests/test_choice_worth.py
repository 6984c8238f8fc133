import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradatim.choice.worth import return_weights, upside
from gradatim.errors import ArgumentError


def test_upside_by_hand():
    # rewards 0, 1, 5: mean 2, only 5 lies above, by 3: 9 / 3; ragged, labels in any order
    found = upside(np.array([1.0, 0, 7, 5, 0, 0.5]), np.array([4, 4, 9, 4, 2, 2]))
    assert found == pytest.approx([0.25**2 / 2, 3.0, 0.0])
    assert upside(np.zeros(0), np.zeros(0, int)).shape == (0,)


@given(st.integers(1, 12), st.integers(0, 12))
def test_upside_of_right_and_wrong(n, k):
    p = min(k, n) / n
    reward = (np.arange(n) < k).astype(float)
    assert upside(reward, np.zeros(n, int))[0] == pytest.approx(p * (1 - p) ** 2)
    far = upside(reward + 1e6, np.zeros(n, int))[0]
    assert far == pytest.approx(p * (1 - p) ** 2, abs=1e-6)


def test_s082_weighted_draws_return_more_and_most_where_there_is_upside():
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(200), 16)
    rate = rng.beta(0.5, 0.5, 200)
    reward = (rng.random(len(group)) < rate[group]).astype(float)
    gains, plain = [], reward.mean()
    for temperature in (10.0, 1.0, 0.2):
        share = return_weights(reward, temperature=temperature)
        assert share.sum() == pytest.approx(1)
        gains.append((share * reward).sum() - plain)
    assert 0 < gains[0] < gains[1] < gains[2]
    # imitating a problem's best half gains most where the upside is: the score ranks the gain
    worth = upside(reward, group)
    table = reward.reshape(200, 16)
    gain = np.sort(table, axis=1)[:, 8:].mean(1) - table.mean(1)
    assert gain[worth > np.quantile(worth, 0.7)].mean() > 1.5 * gain.mean()
    assert not gain[worth == 0].any()


def test_equal_and_bad_rewards():
    assert return_weights(np.full(4, 0.3)) == pytest.approx(np.full(4, 0.25))
    assert return_weights(np.zeros(0)).shape == (0,)
    scaled = return_weights(np.array([0.0, 1.0, 0.5]) * 1e6 + 3)
    assert scaled == pytest.approx(return_weights(np.array([0.0, 1.0, 0.5])))
    for call in (lambda r: return_weights(r), lambda r: upside(r, np.zeros(len(r), int))):
        with pytest.raises(ArgumentError, match="`reward` must be finite"):
            call(np.array([1.0, np.nan]))
    with pytest.raises(ArgumentError, match="`temperature` must lie in"):
        return_weights(np.ones(2), temperature=0.0)
