"""Performance profiles: by hand, on edges, and whether intervals hold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate

from gradatim.errors import ArgumentError
from gradatim.evaluation.profiles import performance_profiles, ratios, scores

INF = np.inf


def test_profiles_by_hand():
    # medians over seeds: a 10, 30, never; b 20, 10, 40
    cost = np.array([
        [[5, 10, 90], [30, 30, 30], [INF, INF, 10]],
        [[20, 20, 20], [10, 10, INF], [40, 40, 40]],
    ])
    found = performance_profiles(cost, against=0, points=7)  # tau 1, 1.5, ... 4
    assert found.ratio.tolist() == [[1, 3, INF], [2, 1, 1]]
    assert found.share.value[0] == pytest.approx(np.array([1, 1, 1, 1, 2, 2, 2]) / 3)
    assert found.share.value[1] == pytest.approx(np.array([2, 2, 3, 3, 3, 3, 3]) / 3)
    assert found.score.value == pytest.approx([(1 + 1 / 3 + 0) / 3, (2 / 3 + 1 + 1) / 3])
    assert found.gain.value == pytest.approx([0, (2 / 3 + 1 + 1 - 4 / 3) / 3])
    assert found.reached == pytest.approx([7 / 9, 8 / 9])
    assert (found.gain.low[0], found.gain.high[0], found.score.n) == (0, 0, 3)


@given(st.lists(st.floats(1, 9), min_size=1, max_size=6), st.floats(1.5, 8))
def test_the_score_is_the_area_below_the_profile(ratio, r_max):
    ratio = np.array([*ratio, INF])
    tau = np.unique(np.r_[1, ratio[ratio < r_max], r_max])  # steps are where the ratios are
    heights = [(ratio <= t).mean() for t in tau[:-1]]
    area = float(np.dot(heights, np.diff(tau))) / (r_max - 1)
    assert scores(ratio, r_max) == pytest.approx(area)


@given(st.integers(0, 2**32 - 1))
def test_the_unit_of_cost_changes_nothing_and_shares_rise(seed):
    rng = np.random.default_rng(seed)
    cost = np.where(rng.random((3, 5, 2)) < 0.2, INF, rng.lognormal(size=(3, 5, 2)))
    found, scaled = (performance_profiles(x, draws=20) for x in (cost, cost * 4.0))
    assert np.array_equal(found.score.value, scaled.score.value)
    assert (np.diff(found.share.value, axis=1) >= 0).all()
    assert (found.score.low <= found.score.value).all()


def test_nobody_gets_there_and_missing_runs():
    cost = np.array([[[INF, INF]], [[INF, INF]]])
    found = performance_profiles(cost, against=0)
    assert found.score.value.tolist() == [0, 0]
    assert np.isinf(found.ratio).all()
    ragged = np.array([[[10.0, np.nan, 30.0]], [[20.0, 20.0, 20.0]]])
    assert performance_profiles(ragged).ratio.tolist() == [[1], [1]]  # medians 20 and 20
    assert performance_profiles(ragged).reached.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("cost", "more", "said"),
    [
        (np.ones((2, 3)), {}, "axes"),
        (np.ones((2, 0, 3)), {}, "must hold arms, workloads and runs"),
        (np.zeros((1, 1, 1)), {}, "`cost` must lie in"),
        (np.full((2, 1, 1), np.nan), {}, "no run of arm 0 on workload 0"),
        (np.ones((1, 1, 1)), {"r_max": 1}, "`r_max`"),
        (np.ones((1, 1, 1)), {"against": 1}, "`against`"),
        (np.ones((1, 1, 1)), {"sampled": True}, "at least two workloads"),
    ],
)
def test_mistakes(cost, more, said):
    with pytest.raises(ArgumentError, match=said):
        performance_profiles(cost, **more)


def true_score(effect, spread, r_max=4.0):
    """Of the faster of two arms whose median costs differ by a factor, workloads drawn alike."""

    def worth(z):
        ratio = np.exp(max(0.0, effect + spread * z))
        return max(0.0, (r_max - ratio) / (r_max - 1)) * np.exp(-z * z / 2) / np.sqrt(2 * np.pi)

    return integrate.quad(worth, -8, 8, limit=200)[0]


def test_s236_intervals_hold_over_workloads_and_seeds():
    # arm 1 needs exp(.4) times arm 0's cost on the typical workload, sd .4 between workloads
    rng = np.random.default_rng(5)
    truth = true_score(0.4, 0.4)
    inside = []
    for _ in range(80):
        effect = 0.4 + 0.4 * rng.standard_normal(12)
        logs = np.stack([np.zeros(12), effect])[:, :, None] + 0.05 * rng.standard_normal((2, 12, 5))
        found = performance_profiles(np.exp(logs), sampled=True, draws=100, rng=rng)
        inside.append(found.score.low[1] <= truth <= found.score.high[1])
    assert 0.89 <= np.mean(inside) <= 0.995


def test_ratios_take_any_leading_axes():
    middle = np.array([[[2.0, 4.0], [4.0, 4.0]]])
    assert ratios(middle).tolist() == [[[1, 1], [2, 1]]]
