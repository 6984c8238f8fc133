"""Learning curves forecast from their beginning: recovery, coverage, when it has settled."""

import numpy as np
import pytest
from scipy import stats

from gradatim.errors import ArgumentError
from gradatim.evaluation import learning_curves
from gradatim.evaluation.learning_curves import forecast, settle, shapes_of


def runs(count, moments, noise, seed=0):
    """Power-law curves, and noisy points on them."""
    rng = np.random.default_rng(seed)
    x = np.linspace(0, 1, moments)
    for _ in range(count):
        power, bend = rng.uniform(0.3, 3), np.exp(rng.uniform(np.log(0.03), 0))
        rise = rng.uniform(0.05, 0.5) * (1 - (1 + x / bend) ** -power)
        truth = rng.uniform(0.1, 0.4) + rise
        yield x, truth, np.clip(truth + noise * rng.standard_normal(moments), 0, 1)


@pytest.fixture(scope="module")
def early():
    """Error of the final height from 30% of each run, whether it is covered, the last point's."""
    found = []
    for x, truth, y in runs(120, 51, 0.005):
        k = x <= 0.3 + 1e-9
        one = forecast(x[k], y[k], np.array([1.0]))
        inside = one.low[0] <= truth[-1] <= one.high[0]
        found.append((one.value[0] - truth[-1], inside, y[k][-1] - truth[-1]))
    return np.array(found)


def test_s078_thirty_percent_of_a_run_tells_where_it_ends(early):
    error, inside, last = np.abs(early[:, 0]), early[:, 1], np.abs(early[:, 2])
    assert np.mean(error <= 0.05) >= 0.9
    assert error.mean() < 0.5 * last.mean()
    assert inside.mean() >= 0.93


def test_s078_a_settled_forecast_is_within_its_tolerance():
    good, stopped = [], []
    for x, truth, y in runs(12, 21, 0.003, seed=1):
        found = settle(x, y, 1.0, tolerance=0.03)
        good.append(abs(found.forecast.value - truth[-1]) <= 0.03)
        stopped.append(found.cost)
    assert np.mean(good) >= 0.9
    assert np.median(stopped) < 1  # runs are cut short


def test_shapes_rise_to_one():
    at = np.array([0.0, 0.25, 0.5, 1.0])
    shapes = shapes_of(at, 1.0)
    assert shapes[:, 0] == pytest.approx(0)
    assert shapes[:, -1] == pytest.approx(1)
    assert (np.diff(shapes, axis=1) >= 0).all()
    assert np.abs(shapes - at).max(axis=1).min() < 1e-9  # a straight line is one of them


def test_one_part_is_a_normal_linear_model(monkeypatch):
    """With one shape, one noise and no walk the forecast is Bayesian regression, by hand."""
    for name, value in (("ONSETS", {1.0: 1.0}), ("POWERS", {1.0: 1.0}), ("WALKS", {0.0: 1.0})):
        monkeypatch.setattr(learning_curves, name, value)
    monkeypatch.setattr(learning_curves, "SCALES", np.array([1.0]))
    monkeypatch.setattr(learning_curves, "NOISES", np.array([0.02]))
    x, y = np.array([0.0, 1, 2, 3]), np.array([0.3, 0.35, 0.38, 0.46])
    found = forecast(x, y, np.array([8.0]))
    design = np.stack([np.ones(4), x / 8], axis=1)
    precision = design.T @ design / 0.02**2 + np.diag([1 / 0.5**2, 1 / 0.3**2])
    mean = np.linalg.solve(precision, design.T @ (y - 0.5) / 0.02**2)
    spread = np.sqrt(np.linalg.inv(precision).sum())
    assert found.value[0] == pytest.approx(0.5 + mean.sum())
    low, high = stats.norm(0.5 + mean.sum(), spread).interval(0.95)
    assert (found.low[0], found.high[0]) == pytest.approx((low, high), abs=1e-6)


def test_the_unit_of_cost_changes_nothing():
    ((x, _, y),) = runs(1, 12, 0.01)
    one, other = (forecast(x * unit, y, np.array([2.0, 3.0]) * unit) for unit in (1, 48_000))
    assert one.value == pytest.approx(other.value, abs=1e-9)
    assert one.high == pytest.approx(other.high, abs=1e-9)
    assert (one.high[1] - one.low[1]) > (one.high[0] - one.low[0])  # farther is less sure


@pytest.mark.parametrize("height", [0.0, 0.4, 1.0])
def test_flat_curves_stay_where_they_are(height):
    found = settle(np.arange(12.0), np.full(12, height), 20.0, tolerance=0.05)
    assert found.forecast.value == pytest.approx(height, abs=0.03)
    assert 0 <= found.forecast.low <= found.forecast.high <= 1
    assert np.isnan(found.trail.value[:3]).all()


def test_a_wild_curve_never_settles():
    found = settle(np.arange(10.0), np.tile([0.1, 0.9], 5), 12.0)
    assert found.stop is None
    assert found.cost == np.inf
    assert found.forecast.n == 10


@pytest.mark.parametrize(
    ("cost", "height", "said"),
    [
        ([0, 1, 2], [0.1, 0.2, 0.3], "at least 4 points"),
        ([0, 1, 1, 2], [0.1] * 4, "must rise"),
        ([0, 1, 2, 3], [0.1, 0.2, 0.3, 1.3], r"`height` must lie in \[0, 1\]"),
        ([0, 1, 2, 3], [0.1, 0.2, 0.3, np.nan], "`height`"),
        ([0, 1, 2, 3], [0.1, 0.2, 0.3], "axis 'moment'"),
    ],
)
def test_mistakes(cost, height, said):
    with pytest.raises(ArgumentError, match=said):
        forecast(np.array(cost, float), np.array(height, float), np.array([9.0]))
