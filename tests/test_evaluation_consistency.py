"""Alpha, split halves and variance components."""

import numpy as np
import pytest

from gradatim.errors import ArgumentError
from gradatim.evaluation.consistency import consistency
from gradatim.store.formats import read_matrix


def test_alpha_is_kr20_by_hand_and_the_coefficient_of_its_components():
    score = np.array([[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0.0]])
    # KR-20: k/(k-1) (1 - sum pq / var) with n - 1 throughout: 4/3 (1 - (.2+.3+.3+.2)/2.5) = .8
    found = consistency(score)
    assert found.alpha.value == pytest.approx(0.8)
    ranked = found.solver / (found.solver + found.rest / 4)
    assert ranked == pytest.approx(0.8)
    assert found.absolute == pytest.approx(found.solver / (found.solver + found.error**2))
    assert found.absolute < 0.8
    # Spearman-Brown: as many items as make 0.9 of these
    longer = found.needed / 4 * 0.8 / (1 + (found.needed / 4 - 1) * 0.8)
    assert longer == pytest.approx(0.9, abs=0.02)


def test_feldts_interval_covers_and_components_are_recovered():
    rng = np.random.default_rng(0)
    inside, parts = [], []
    for _ in range(400):
        score = rng.normal(0, 1, (25, 1)) + rng.normal(0, 0.5, 20) + rng.normal(0, 2, (25, 20))
        found = consistency(score, halves=1)
        inside.append(found.alpha.low <= 1 / (1 + 4 / 20) <= found.alpha.high)
        parts.append((found.solver, found.item, found.rest))
    assert np.mean(inside) == pytest.approx(0.95, abs=0.03)
    assert np.mean(parts, axis=0) == pytest.approx([1, 0.25, 4], rel=0.1)


def test_split_halves_agree_with_alpha_on_parallel_items():
    rng = np.random.default_rng(1)
    score = rng.normal(0, 1, (200, 1)) + rng.normal(0, 2, (200, 40))
    found = consistency(score)
    assert found.split_half.value == pytest.approx(found.alpha.value, abs=0.01)


def test_solvers_that_do_not_differ_have_no_reliability():
    rng = np.random.default_rng(2)
    found = consistency((rng.random((30, 100)) < 0.5).astype(float))
    assert found.alpha.low < 0.3
    same = consistency(np.tile(rng.random(10), (3, 1)))
    assert np.isnan(same.alpha.value)
    assert same.needed == np.inf
    with pytest.raises(ArgumentError, match="two solvers"):
        consistency(np.ones((1, 4)))


def test_real_matrices_have_the_reliability_that_was_measured(data_dir):
    matrix = read_matrix(data_dir / "zeroeval_crux.npz")
    there = (np.broadcast_to(matrix.tried, matrix.solved.shape) > 0).all(axis=0)
    found = consistency(np.asarray(matrix.solved, float)[:, there])
    assert found.split_half.value == pytest.approx(0.995, abs=0.003)
