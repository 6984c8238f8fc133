"""Do runs differ by more than a checkpoint is off? Its interval, and what the audit makes of it."""

import numpy as np
import pytest
from test_audits_variance import ALARM, grid, logistic, subject

from gradatim.audits.variance import judge_checkpoints
from gradatim.evaluation.signal import signal_to_noise


def curves(rng, *, spread, models=5, last=8, subtasks=400):
    """Subtasks whose models deviate by `spread` noises, on one curve that levels off."""
    away = rng.normal(size=(subtasks, models))
    away -= away.mean(axis=1, keepdims=True)
    away *= spread / np.sqrt((away**2).mean(axis=1, keepdims=True))
    common = 3 * (1 - np.exp(-np.arange(last) / 3))
    return 20 + common + away[:, :, None] + rng.normal(size=(subtasks, models, last))


@pytest.mark.parametrize("spread", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("models", [2, 5])
def test_the_interval_of_the_deviation_holds_on_curves_that_level_off(spread, models):
    score = curves(np.random.default_rng(0), spread=spread, models=models)
    found = signal_to_noise(score, detrend=True).spread
    held = np.mean((found.low <= spread) & (spread <= found.high))
    assert held == pytest.approx(0.95, abs=0.035)
    assert np.median(found.value) == pytest.approx(spread, rel=0.2, abs=0.3)


def test_a_deviation_of_scores_without_noise_is_infinite_or_unknown():
    score = np.zeros((2, 3, 4)) + np.array([[0.25, 0.5, 0.75], [0.5, 0.5, 0.5]])[:, :, None]
    found = signal_to_noise(score).spread
    assert (found.value[0], found.value[1]) == (np.inf, 0)
    assert found.high[1] == np.inf


def runs(rng, apart, *, number=2, items=50, subtasks=6):
    """Runs `apart` in logits, on six checkpoints and subtasks; all rise."""
    able = apart * np.arange(number)[:, None, None] + 0.2 * np.arange(6)[:, None]
    made = grid(rng, logistic(able - rng.normal(0, 1, subtasks * items)), step=np.arange(6.0))
    kind = np.array([f"t{at}" for at in range(subtasks)])[made.attempts.item // items]
    return subject(*made.attempts[:3], **made.attempts.columns, subtask=kind)


@pytest.mark.parametrize(("number", "apart"), [(2, 0.3), (4, 0.5)])
def test_a_difference_that_is_not_seen_is_a_note_and_no_fault(number, apart):
    notes = 0
    for seed in range(6):
        found = judge_checkpoints(runs(np.random.default_rng(seed), apart, number=number))
        assert found["findings"] == []  # 10 of 12 files of two runs failed by p > .05
        assert all(not row["no_signal"] for row in found["subtasks"] if "no_signal" in row)
        notes += any("one could be there" in note for note in found["notes"])
    assert notes >= (number == 2) * 5


@pytest.mark.slow
def test_subtasks_with_as_much_signal_as_noise_are_seldom_called_useless():
    """At a deviation of one noise: the share of files with a finding stays below the alarm."""
    rng, wrong = np.random.default_rng(1), 0
    for _ in range(50):
        score = curves(rng, spread=1.0, last=10, subtasks=400).reshape(100, 4, 5, 10)
        most = signal_to_noise(
            score.reshape(-1, 5, 10), detrend=True, level=1 - 2 * 20 * ALARM / 4
        ).spread.high.reshape(100, 4)
        wrong += (most < 1).any(axis=1).sum()
    print(f"false findings of 5,000 files at {20 * ALARM:.4f}: {wrong}")
    assert wrong <= 5000 * 20 * ALARM * 1.25
