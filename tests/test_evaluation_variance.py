"""Seeds, gaps within their noise, and monotone curves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gradatim.errors import ArgumentError
from gradatim.evaluation.variance import (
    block_test,
    deviation,
    monotonicity,
    seed_gaps,
    seed_variance,
)


def answers(rng, *, seeds=5, items=300, sd=0.0):
    """(seed, item) verdicts; chances differ by item, and by seed with deviation sd."""
    chance = 1 / (1 + np.exp(-rng.normal(0, 1, items)))
    shift = rng.normal(0, sd, (seeds, 1))
    return (rng.random((seeds, items)) < np.clip(chance + shift, 0, 1)).astype(float)


def test_a_deviation_has_its_chi_square_interval():
    values = np.array([0.61, 0.64, 0.60, 0.66, 0.63])
    found = deviation(values)
    square = 4 * values.var(ddof=1)
    assert found.value == pytest.approx(values.std(ddof=1))
    assert found.low == pytest.approx(np.sqrt(square / stats.chi2.ppf(0.975, 4)))
    assert found.high == pytest.approx(np.sqrt(square / stats.chi2.ppf(0.025, 4)))


def test_cochrans_q_by_hand_and_its_size():
    # rows 4, 1, 1 right; columns 2, 2, 1, 1, 0: Q = 2 (3 18 - 36) / (18 - 10) = 4.5
    table = np.array([[1, 1, 1, 1, 0], [1, 0, 0, 0, 0], [0, 1, 0, 0, 0.0]])
    assert block_test(table)[2] == pytest.approx(stats.chi2.sf(4.5, 2))
    assert block_test(np.ones((3, 4)))[1:] == (0.0, 1.0)
    rng = np.random.default_rng(0)
    alarms = np.mean([block_test(answers(rng))[2] < 0.05 for _ in range(1000)])
    assert 0.03 < alarms < 0.07


def test_s189_the_planted_seed_deviation_is_recovered_and_gaps_in_noise_are_flagged():
    rng = np.random.default_rng(1)
    covered, values = [], []
    for _ in range(200):
        found = seed_variance(answers(rng, seeds=6, items=500, sd=0.04), draws=50)
        covered.append(found.net.low <= 0.04 <= found.net.high)
        values.append(found.net.value**2)
    assert np.mean(covered) >= 0.91
    assert np.sqrt(np.mean(values)) == pytest.approx(0.04, rel=0.1)
    # without an effect of the seed: chance alone, and no less
    alone = [seed_variance(answers(rng), draws=10) for _ in range(200)]
    luck = np.sqrt(np.mean([found.luck**2 for found in alone]))
    assert np.sqrt(np.mean([found.spread.value**2 for found in alone])) == pytest.approx(luck, 0.1)
    score = np.array([0.70, 0.74, 0.66, 0.72, 0.69, 0.73, 0.50, 0.54, 0.46])
    gaps = seed_gaps(score, np.repeat(["base", "new", "old"], 3))
    assert gaps.better.tolist() == ["new", "base"]
    assert gaps.within.tolist() == [True, False]
    assert gaps.spread.n == 7
    # t of 6 degrees of freedom, sd of the pooled groups
    pooled = np.sqrt((0.0032 + 0.0026 / 3 + 0.0032) / 6)
    half = stats.t.ppf(0.975, 6) * pooled * np.sqrt(2 / 3)
    assert gaps.difference.high[1] == pytest.approx(0.2 + half, abs=1e-3)


def test_a_bootstrap_of_items_is_no_wider_than_their_normal_error():
    rng = np.random.default_rng(2)
    table = answers(rng, items=2000)
    found = seed_variance(table)
    error = 1.96 * table.mean(axis=0).std() / np.sqrt(2000)
    assert found.items.high - found.items.low == pytest.approx(2 * error, rel=0.1)
    assert found.snr.value == pytest.approx(found.mean.value / found.spread.value)


@given(
    st.lists(st.integers(0, 6), min_size=3, max_size=9).filter(lambda y: len(set(y)) > 1),
    st.integers(0, 10**6),
)
def test_tau_and_its_variance_are_scipys(y, seed):
    x = np.random.default_rng(seed).permutation(len(y))
    found = monotonicity(np.array([y], dtype=float), x)
    assert found.by_run[0] == pytest.approx(stats.kendalltau(x, y).statistic, abs=1e-12)
    # without scipy's exact law: Mann-Kendall, ties as in scipy, with continuity
    z = stats.kendalltau(x, y, method="asymptotic").pvalue
    s = np.sum(np.triu(np.sign(np.subtract.outer(x, x)) * np.sign(np.subtract.outer(y, y))))
    error = abs(s) / stats.norm.isf(z / 2) if s else None
    if error:
        assert found.rises == pytest.approx(stats.norm.sf((s - 1) / error), rel=1e-6)


def test_s189_curves_that_rise_are_told_from_curves_that_wander():
    rng = np.random.default_rng(3)
    rise = np.linspace(0.3, 0.6, 12) + rng.normal(0, 0.02, (4, 12))
    found = monotonicity(rise)
    assert found.tau.low > 0.7
    assert found.rises < 1e-6
    assert monotonicity(-rise).falls < 1e-6
    still = [monotonicity(rng.normal(0, 1, (3, 8))) for _ in range(1000)]
    assert 0.03 < np.mean([one.falls < 0.05 for one in still]) < 0.06
    assert np.mean([one.tau.low <= 0 <= one.tau.high for one in still]) > 0.92
    gaps = rise.copy()
    gaps[0, 3] = np.nan
    assert monotonicity(gaps).tau.n == 4
    assert np.isnan(monotonicity(rise[:1]).tau.low)
    assert np.isnan(monotonicity(np.ones((2, 5))).tau.value)


def test_bad_tables_are_refused():
    with pytest.raises(ArgumentError, match="two"):
        seed_variance(np.ones((1, 4)))
    with pytest.raises(ArgumentError, match="finite"):
        block_test(np.array([[1.0, np.nan], [0.0, 1.0]]))
    with pytest.raises(ArgumentError, match="3 checkpoints"):
        monotonicity(np.ones((2, 2)))
    with pytest.raises(ArgumentError, match="two labels"):
        seed_gaps(np.ones(3), np.array(["a", "b", "c"]))
