"""Signal, noise, which subtasks to drop, and how often the small scale picks the better model."""

import numpy as np
import pytest
from scipy import stats

from gradatim.errors import ArgumentError
from gradatim.evaluation.signal import decision_accuracy, filter_subtasks, signal_to_noise


def families(rng, *, models=20, good=6, bad=6, last=6, noise=0.01):
    """Small and large scores of simulated model families.

    Subtasks in `good` see a model's quality at both scales; on those in `bad` the small models do
    not differ and their checkpoints wander, though the large ones differ as elsewhere.

    Returns:
        (subtask, model, checkpoint) small, (subtask, model) large.
    """
    quality = rng.normal(0, 0.02, models)
    known = np.r_[np.ones(good), np.zeros(bad)]
    small = 0.4 + known[:, None] * quality
    wander = np.where(known, noise, 8 * noise)[:, None, None]
    small = small[:, :, None] + wander * rng.normal(size=(good + bad, models, last))
    large = 0.6 + 2 * quality + rng.normal(0, 0.002, (good + bad, models))
    return small, large


def test_signal_and_noise_by_hand_and_beside_one_way_variance():
    score = np.array([[[0.2, 0.3], [0.6, 0.7], [0.4, 0.5]], [[0.5, 0.1], [0.4, 0.2], [0.3, 0.3]]])
    found = signal_to_noise(score)
    # means .25 .65 .45 (centre .45); deviation in a run .0707
    assert found.signal[0] == pytest.approx(0.4 / 0.45)
    assert found.noise.value[0] == pytest.approx(np.sqrt(0.005) / 0.45)
    assert found.snr.value[0] == pytest.approx(0.4 / np.sqrt(0.005))
    assert found.p_value[0] == pytest.approx(stats.f_oneway(*score[0]).pvalue)
    assert (found.snr.value[1], found.signal[1]) == pytest.approx((0, 0), abs=1e-9)
    low, high = (np.sqrt(0.015 / stats.chi2.ppf(q, 3)) / 0.45 for q in (0.975, 0.025))
    assert (found.noise.low[0], found.noise.high[0]) == pytest.approx((low, high))


def test_noise_is_within_runs_not_between_them():
    rng = np.random.default_rng(0)
    wide = np.linspace(0.2, 0.8, 10)[:, None] + rng.normal(0, 0.01, (10, 5))
    found = signal_to_noise(wide[None])
    assert found.noise.low[0] < 0.01 / 0.5 < found.noise.high[0]
    assert found.snr.value[0] > 40  # of runs and checkpoints in one heap it would be 3.2
    assert 0.6 / wide.std() < 3.5


def test_s219_filtering_by_signal_to_noise_raises_decision_accuracy():
    rng = np.random.default_rng(1)
    rows = []
    for _ in range(40):
        small, large = families(rng)
        kept = filter_subtasks(small)
        truth = large.mean(axis=0)
        rows.append([
            decision_accuracy(small[:, :, -1].mean(axis=0), truth).value,
            decision_accuracy(small.mean(axis=(0, 2)), truth).value,
            decision_accuracy(small[kept.keep].mean(axis=(0, 2)), truth).value,
            kept.keep[:6].mean(),
            kept.keep[6:].mean(),
        ])
    last, averaged, filtered, good, bad = np.mean(rows, axis=0)
    assert averaged > last + 0.05  # checkpoints averaged
    assert filtered > averaged + 0.05  # and noisy subtasks dropped
    assert filtered > 0.9
    assert good > 0.8
    assert bad < 0.1


def test_s219_signal_to_noise_of_a_subtask_goes_with_its_decision_accuracy():
    rng = np.random.default_rng(2)
    quality = rng.normal(0, 0.02, 25)
    noise = np.geomspace(0.002, 0.2, 15)
    small = 0.4 + quality[None, :, None] + noise[:, None, None] * rng.normal(size=(15, 25, 6))
    ratio = signal_to_noise(small).snr.value
    right = [decision_accuracy(x[:, -1], quality).value for x in small]
    assert stats.spearmanr(ratio, right).statistic > 0.9


def test_subtasks_without_signal_are_seen_at_their_level():
    rng = np.random.default_rng(3)
    none = signal_to_noise(0.5 + rng.normal(0, 0.02, (2000, 5, 4)))
    assert 0.035 < np.mean(none.p_value < 0.05) < 0.065
    covered = (none.noise.low < 0.04) & (none.noise.high > 0.04)  # 0.02 over a mean of 0.5
    assert np.mean(covered) == pytest.approx(0.95, abs=0.02)


def test_decision_accuracy_is_kendalls_tau_and_its_interval_covers():
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(2, 12))
    assert decision_accuracy(x, y).value == pytest.approx(
        (stats.kendalltau(x, y).statistic + 1) / 2
    )
    assert decision_accuracy(np.zeros(4), np.arange(4)).value == 0.5
    assert np.isnan(decision_accuracy(np.arange(2), np.arange(2)).low)
    inside = []
    for _ in range(400):
        shared = rng.normal(size=20)
        found = decision_accuracy(shared + rng.normal(size=20), shared + rng.normal(size=20))
        truth = 0.5 + np.arcsin(0.5) / np.pi  # of a correlation of 1/2
        inside.append(found.low <= truth <= found.high)
    assert np.mean(inside) == pytest.approx(0.95, abs=0.03)


def test_bad_tables_are_refused():
    with pytest.raises(ArgumentError, match="two models and two checkpoints"):
        signal_to_noise(np.ones((3, 1, 5)))
    with pytest.raises(ArgumentError, match="4 checkpoints"):
        filter_subtasks(np.ones((2, 2, 3)))
    with pytest.raises(ArgumentError, match="between two models"):
        decision_accuracy(np.ones(1), np.ones(1))
