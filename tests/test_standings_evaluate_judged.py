"""Adaptive tests judged on matrices that no setting of theirs was chosen on."""

import numpy as np
import pytest

from gradatim.evaluation.adaptive import thin
from gradatim.evaluation.intervals import widening
from gradatim.evaluation.picking import Rules
from gradatim.evaluation.replay import walk
from gradatim.standings.evaluate_folds import Data, calibrated, deal, hold_out
from gradatim.standings.evaluate_replay import evaluate_replay
from gradatim.store.formats import read_matrix
from gradatim.types import Matrix

ITEMS = 500
# kind of answers and models; whether 60 adaptive items beat 60 random ones that the same model
# scores is asked of the mean over seeds
SIMULATED = (
    ("right or wrong", 60),
    ("right or wrong", 25),
    ("two dimensions", 60),
    ("guessed one in four", 60),
    ("graded", 60),
    ("graded", 25),
    ("ten attempts, two dimensions", 60),
)


def simulated(kind, models, seed):
    """2PL with slopes around 1 on 500 items, and what makes it something else."""
    rng = np.random.default_rng([seed, 7])
    a, b = np.exp(rng.normal(0, 0.3, ITEMS)), rng.normal(0, 1.2, ITEMS)
    logit = a * (rng.normal(size=(models, 1)) - b)
    if "two dimensions" in kind:
        logit = logit + np.outer(rng.normal(size=models), rng.normal(0, 0.6, ITEMS))
    chance = 1 / (1 + np.exp(-logit))
    if "guessed" in kind:
        chance = 0.25 + 0.75 * chance
    shape = np.maximum(6 * chance, 1e-3), np.maximum(6 * (1 - chance), 1e-3)
    tried = 1
    if kind == "graded":
        solved = rng.beta(*shape)
    elif "ten attempts" in kind:
        solved, tried = rng.binomial(10, rng.beta(*shape)), np.full(chance.shape, 10)
    else:
        solved = rng.binomial(1, chance)
    names = tuple(f"m{i}" for i in range(models)), tuple(f"i{i}" for i in range(ITEMS))
    return Matrix(solved=solved, tried=tried, solvers=names[0], items=names[1])


def judged(matrix, *, items, compare_random, seed=0):
    found = evaluate_replay(
        matrix, items=items, compare_random=compare_random, seed=seed, repeats=10, halves=8
    )
    print(
        f"{found['enough']} items for {compare_random} random ones, {found['enough_model']} for "
        f"these scored by the model; errors {found['adaptive_error'].value:.4f}, "
        f"{found['random_model_error'].value:.4f}; intervals hold {found['coverage'].value:.3f}, "
        f"widths {found['width'].value:.3f}, {found['plain_width'].value:.3f}"
    )
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "models"), SIMULATED)
def test_simulated_matrices(kind, models):
    found = [
        judged(simulated(kind, models, seed), items=60, compare_random=100, seed=seed)
        for seed in range(2)
    ]
    held, error, random = (
        np.mean([one[name].value for one in found])
        for name in ("coverage", "adaptive_error", "random_model_error")
    )
    assert 0.91 <= held <= 0.98
    assert error < random
    assert all(one["width"].value < one["plain_width"].value for one in found)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "items", "random"), [("sat12", 10, 16), ("verbagg", 8, 12)])
def test_short_tests_of_people(data_dir, name, items, random):
    """24 and 32 items, right or wrong: little is left to choose."""
    found = judged(read_matrix(data_dir / f"{name}.npz"), items=items, compare_random=random)
    assert 0.91 <= found["coverage"].value <= 0.98
    assert found["width"].value < found["plain_width"].value
    assert found["adaptive_error"].value < found["random_model_error"].value


@pytest.mark.slow
def test_one_attempt_of_ten(data_dir):
    """LiveCodeBench as it would be with one attempt a cell: right or wrong."""
    whole = read_matrix(data_dir / "livecodebench_generation.npz")
    tried = np.asarray(whole.tried)
    solved, tried = thin(whole.solved, tried, 1, rng=np.random.default_rng(5))
    matrix = Matrix(solved=solved, tried=tried, solvers=whole.solvers, items=whole.items)
    found = judged(matrix, items=60, compare_random=100)
    assert found["enough"] <= 35
    assert 0.91 <= found["coverage"].value <= 0.98
    assert found["width"].value < found["plain_width"].value


def on_one_bank(models, bent, seed, *, new=100, items=200, asked=50):
    """Factor that a bank's own models tell, and for new models the errors in posterior sds."""
    rng = np.random.default_rng([seed, models, int(bent * 10)])
    b, a = rng.normal(0, 1.2, items), rng.uniform(0.6, 1.8, items)
    kinds = rng.normal(0, 1, (models + new, 1)) + rng.normal(0, bent, (models + new, 3))
    chance = 1 / (1 + np.exp(-a * (kinds[:, np.arange(items) % 3] - b)))
    rate, tried = (rng.random(chance.shape) < chance).astype(float), np.ones(chance.shape, int)
    data = Data(rate[:models], tried[:models], tuple(map(str, range(items))))
    rules = Rules(rng=rng)
    own = hold_out(data, deal(models, 0.2, 0), asked=asked, longest=asked, rules=rules)
    factor = float(widening(own.walk.score - own.truth[:, None], own.walk.sd)[-1])
    table = calibrated(data, np.arange(models), asked)
    tests = walk(table, rate[models:], tried[models:], n_asked=asked, rules=rules)
    return factor, np.abs(tests.score[:, -1] - rate[models:].mean(axis=1)) / tests.sd[:, -1]


@pytest.mark.slow
@pytest.mark.parametrize("models", [16, 40])
@pytest.mark.parametrize("bent", [0.0, 0.4])
def test_intervals_on_each_single_bank(models, bent):
    """A bank whose few models were near the truth by luck is held to 1.96."""
    found = [on_one_bank(models, bent, seed) for seed in range(12)]
    free, held = (
        np.array([np.mean(off <= max(factor, least)) for factor, off in found])
        for least in (0.0, 1.959964)
    )
    low = np.array([factor < 1.959964 for factor, _ in found])
    print(
        f"{models} models, {bent}: {low.sum()} of 12 factors under 1.96; cover {free.mean():.3f}, "
        f"worst bank {free.min():.2f}; held to 1.96 {held.mean():.3f}, {held.min():.2f}"
    )
    assert 0.91 <= held.mean() <= 0.98
    assert held.min() >= max(free.min(), 0.85)
