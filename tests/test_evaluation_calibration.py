"""Confidences: Brier score and its parts, calibration error, balance, skill, rescaling."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special

from gradatim.errors import ArgumentError
from gradatim.evaluation.calibration import (
    KINDS,
    balance,
    brier,
    brier_parts,
    calibration_error,
    reliability_bins,
    skill,
)
from gradatim.evaluation.discrimination import auprc, auroc
from gradatim.evaluation.rescaling import (
    cross_rescaled,
    fit_isotonic,
    fit_logistic,
    fit_platt,
    rescale,
)


def outcomes(rng, chance):
    return (rng.random(len(chance)) < chance).astype(float)


def test_bins_by_hand_and_ties_stay_together():
    confidence = np.array([0.05, 0.15, 0.15, 0.95, 1.0])
    right = np.array([0, 0, 1, 1, 1])
    width = reliability_bins(confidence, right, bins=10, kind="width")
    assert width.n.tolist() == [1, 2, 2]
    np.testing.assert_allclose(width.predicted, [0.05, 0.15, 0.975])
    np.testing.assert_allclose(width.observed, [0, 0.5, 1])
    same = reliability_bins(np.full(100, 0.7), np.ones(100), bins=15)
    assert same.n.tolist() == [100]
    even = reliability_bins(np.arange(100) / 100, np.ones(100), bins=4)
    assert even.n.tolist() == [25, 25, 25, 25]


@settings(max_examples=60)
@given(
    rows=st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60),
    bins=st.integers(1, 20),
    kind=st.sampled_from(KINDS),
)
def test_parts_of_the_brier_score_add_up(rows, bins, kind):
    confidence, right = (np.array(x, dtype=float) for x in zip(*rows, strict=True))
    parts = brier_parts(confidence, right, bins=bins, kind=kind)
    total = parts.reliability - parts.resolution + parts.uncertainty
    assert total + parts.spread - parts.covariance == pytest.approx(parts.brier, abs=1e-12)
    assert brier(confidence, right).value == pytest.approx(parts.brier)


def test_calibration_error_takes_chance_off_and_its_interval_covers():
    rng, inside, rejected, left = np.random.default_rng(1), [0, 0], [0, 0], [[], []]
    for at, shift in enumerate((0.0, 0.1)):
        for _ in range(60):
            confidence = rng.uniform(0.3, 0.95, 500)
            right = outcomes(rng, confidence - shift)
            found = calibration_error(confidence, right, rng=rng, draws=500)
            left[at].append((found.plug_in, found.debiased.value, found.chance))
            inside[at] += found.debiased.low <= shift + 1e-12 <= found.debiased.high + 1e-9
            rejected[at] += found.p_value < 0.05
    plug_in, debiased, chance = np.mean(left[0], axis=0)
    assert plug_in == pytest.approx(chance, rel=0.1)  # all of it is chance
    assert debiased < plug_in / 2
    assert inside[0] >= 54
    assert inside[1] >= 50
    assert rejected[0] <= 9
    assert rejected[1] >= 50


def test_attempts_of_one_problem_err_together():
    rng = np.random.default_rng(0)
    confidence = np.repeat(rng.uniform(0.2, 0.9, 60), 10)
    right = np.repeat(outcomes(rng, confidence[::10]), 10)  # calibrated, ten times over
    problem = np.repeat(np.arange(60), 10)
    alone = calibration_error(confidence, right, bins=5)
    clustered = calibration_error(confidence, right, bins=5, problem=problem)
    assert clustered.debiased.n == 60
    assert clustered.chance > 2.5 * alone.chance
    assert clustered.p_value > 0.05


def test_s062_balance_is_nearer_to_the_true_error_than_binned_calibration_error():
    rng, errors = np.random.default_rng(3), {"balance": [], "width": [], "mass": []}
    for n in (100, 300, 1000):
        for _ in range(40):
            side = rng.beta(2, 1, n) / 2 + 0.5  # confidence in the side taken
            truth = 0.5 + 0.8 * (side - 0.5)  # too far from 1/2, all of them
            up = rng.random(n) < 0.5
            right = np.where(up, outcomes(rng, truth), 1 - outcomes(rng, truth))
            confidence = np.where(up, side, 1 - side)
            true = np.mean(side - truth)
            errors["balance"].append(abs(abs(balance(confidence, right).value) - true))
            for kind in KINDS:
                table = reliability_bins(confidence, right, kind=kind)
                found = table.n @ np.abs(table.observed - table.predicted) / n
                errors[kind].append(abs(found - true))
    mean = {name: np.mean(values) for name, values in errors.items()}
    assert mean["balance"] < 0.8 * min(mean["width"], mean["mass"]), mean
    # too high below .75 and too low above: they cancel, which no bins would let them
    confidence = np.r_[np.full(5000, 0.6), np.full(5000, 0.9)]
    right = outcomes(rng, np.r_[np.full(5000, 0.5), np.full(5000, 1.0)])
    assert abs(balance(confidence, right).value) < 0.02
    assert calibration_error(confidence, right).debiased.value == pytest.approx(0.1, abs=0.02)


def test_skill_against_the_mean():
    right = np.array([1, 1, 0, 0, 1])
    assert skill(right.astype(float), right).value == 1
    assert skill(np.full(5, 0.6), right).value == pytest.approx(0)
    assert skill(1.0 - right, right).value < 0
    assert np.isnan(skill(np.full(4, 0.5), np.ones(4)).value)
    rng = np.random.default_rng(0)
    confidence = rng.random(2000)
    found = skill(confidence, outcomes(rng, confidence))
    assert found.low < 1 / 3 < found.high  # 1 - E p(1-p) / (1/4), p uniform


def test_platt_is_maximum_likelihood_of_his_targets():
    rng = np.random.default_rng(2)
    confidence = rng.uniform(0.02, 0.98, 300)
    right = outcomes(rng, special.expit(2 * special.logit(confidence) - 1))
    line = fit_platt(confidence, right)
    up = right.sum()
    target = np.where(right > 0, (up + 1) / (up + 2), 1 / (300 - up + 2))

    def loss(ab):
        z = ab[0] * special.logit(confidence) + ab[1]
        return np.sum(np.logaddexp(0, z) - target * z)

    best = optimize.minimize(loss, [1.0, 0.0], method="BFGS")
    np.testing.assert_allclose(line, best.x, atol=1e-3)
    # classes that are apart, all right, confidences of 0 and 1: finite, and in range
    apart = fit_logistic(np.array([-1.0, 1.0]), np.array([0.0, 1.0]))
    assert np.isfinite(apart).all()
    for right in (np.ones(4), np.array([0, 0, 1, 1])):
        fitted = fit_platt(np.array([0, 0, 1, 1]), right)
        assert (rescale(fitted, np.linspace(0, 1, 5)) >= 0).all()


def test_isotonic_by_hand():
    fitted = fit_isotonic(np.array([0.2, 0.2, 0.5, 0.7, 0.9]), np.array([0, 1, 0, 1, 1]))
    np.testing.assert_allclose(fitted.at, [0.2, 0.5, 0.7, 0.9])
    np.testing.assert_allclose(fitted.chance, [1 / 3, 1 / 3, 1, 1])
    np.testing.assert_allclose(rescale(fitted, np.array([0.0, 0.6, 1.0])), [1 / 3, 2 / 3, 1])


def test_s266_rescaled_confidences_are_better_calibrated_on_held_out_tasks():
    rng = np.random.default_rng(4)
    task = np.repeat(np.arange(250), 4)
    easy = rng.normal(0, 1.2, 250)[task]
    right = outcomes(rng, special.expit(easy))
    confidence = special.expit(1.0 + 1.6 * (easy + rng.normal(0, 0.5, 1000)))  # overconfident
    before = calibration_error(confidence, right, problem=task)
    for method in ("platt", "isotonic"):
        again = cross_rescaled(confidence, right, method=method, problem=task)
        after = calibration_error(again, right, problem=task)
        assert after.plug_in < before.plug_in / 2
        assert after.debiased.high < before.debiased.low
        assert skill(again, right, problem=task).value > skill(confidence, right).value + 0.05
    # a fold is whole problems, and no row is predicted by a fit to itself
    noise = rng.random(60)
    coin = outcomes(rng, np.full(60, 0.5))
    tasks = np.repeat(np.arange(20), 3)
    out = cross_rescaled(noise, coin, method="isotonic", problem=tasks, folds=20)
    for at in (0, 7):
        rest = tasks != at
        alone = rescale(fit_isotonic(noise[rest], coin[rest]), noise[~rest])
        np.testing.assert_allclose(out[~rest], alone)
    with pytest.raises(ArgumentError, match="problems"):
        cross_rescaled(noise, coin, problem=np.zeros(60))


def test_s266_measures_are_those_of_scikit_learn():
    # from scikit-learn 1.9.1 on these rows; on 200 random sets the largest difference was 1e-7, of
    # the logistic line, and 1e-15 of all others
    hundredths = [90, 10, 35, 80, 80, 62, 55, 20, 95, 40, 40, 70, 5, 30, 62, 15, 85, 50, 25, 75]
    confidence = np.array(hundredths) / 100
    right = np.array([1, 0, 0, 1, 0, 1, 1, 0, 1, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 1])
    assert auroc(confidence, right).value == pytest.approx(0.825)
    assert auprc(confidence, right).value == pytest.approx(0.8316117216117215)
    assert brier(confidence, right).value == pytest.approx(0.17094)
    at = np.array([0.1, 0.38, 0.5, 0.62, 0.8, 0.99])
    steps = rescale(fit_isotonic(confidence, right), at)
    np.testing.assert_allclose(steps, [0, 0.28, 1 / 3, 2 / 3, 0.75, 1], atol=1e-12)
    np.testing.assert_allclose(fit_logistic(confidence, right), [5.1674937, -2.65796911], rtol=1e-6)


def test_bad_confidences_are_refused():
    with pytest.raises(ArgumentError, match="confidence"):
        brier(np.array([1.2]), np.array([1]))
    with pytest.raises(ArgumentError, match="right"):
        brier(np.array([0.5]), np.array([0.5]))
    with pytest.raises(ArgumentError, match="row"):
        balance(np.array([0.5, 0.5]), np.array([1]))
    with pytest.raises(ArgumentError, match="got none"):
        balance(np.array([]), np.array([]))
