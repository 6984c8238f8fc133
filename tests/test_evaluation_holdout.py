"""A guarded holdout: what it says, what it refuses, and what it saves an analyst from."""

import json

import numpy as np
import pytest

from gradatim.errors import ArgumentError
from gradatim.evaluation.holdout import Guard, ask, begin, tolerance

N, FEATURES = 600, 6000


def analyst(x, y, answer):
    """Picks features whose training and holdout means agree, then asks for the classifier's.

    Returns:
        What the holdout says of the sign-weighted vote of the picked features.
    """
    train, held = slice(0, N), slice(N, 2 * N)
    agree = [(y[s] @ x[s] / N + 1) / 2 for s in (train, held)]
    said = np.array([answer(float(t), float(h)) for t, h in zip(*agree, strict=True)])
    lean, gain = agree[0] - 0.5, said - 0.5
    least = 0.5 / np.sqrt(N)
    picked = (lean * gain > 0) & (np.abs(lean) > least) & (np.abs(gain) > least)
    vote = x[:, picked] @ np.sign(lean[picked]).astype(np.float32) + 1e-3
    right = [float(np.mean(np.sign(vote[s]) == y[s])) for s in (train, held)]
    return answer(*right)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_s061_picking_on_noise_fools_a_bare_holdout_and_not_a_guarded_one(seed):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 2, (2 * N, FEATURES)).astype(np.float32) * 2 - 1
    y = rng.integers(0, 2, 2 * N).astype(np.float32) * 2 - 1
    state = [begin(threshold=0.09, noise=0.001, budget=50, rng=rng)]
    far = []

    def guarded(train, held):
        state[0], answer = ask(state[0], train, held, rng=rng)
        far.append(abs(answer.value - 0.5))
        return answer.value

    naive = analyst(x, y, lambda train, held: held)
    safe = analyst(x, y, guarded)
    stated = tolerance(state[0], FEATURES + 1, N)
    assert naive > 0.8  # pure noise: the truth is 0.5
    assert abs(safe - 0.5) < 0.1
    assert max(far) <= stated < naive - 0.5  # every answer, not only the last
    assert state[0].asked == FEATURES + 1


def test_the_budget_is_spent_by_disagreement_only_and_then_it_refuses():
    rng = np.random.default_rng(0)
    guard = begin(threshold=0.1, noise=0.001, budget=2, rng=rng)
    for _ in range(50):
        guard, answer = ask(guard, 0.70, 0.69, rng=rng)
        assert (answer.value, answer.from_holdout, answer.left) == (0.70, False, 2)
    for left in (1, 0):
        guard, answer = ask(guard, 0.9, 0.5, rng=rng)
        assert answer.from_holdout
        assert answer.left == left
        assert answer.value == pytest.approx(0.5, abs=0.02)
    assert (guard.spent, guard.asked) == (2, 52)
    with pytest.raises(ArgumentError, match=r"budget .* spent: it answered 2 of 52"):
        ask(guard, 0.7, 0.7, rng=rng)


def test_a_guard_goes_through_a_file():
    rng = np.random.default_rng(0)
    guard = begin(threshold=0.05, noise=0.01, budget=3, rng=rng)
    guard, _ = ask(guard, 0.9, 0.2, rng=rng)
    assert Guard(**json.loads(json.dumps(guard._asdict()))) == guard


def test_the_noise_is_laplace_of_the_stated_scales():
    rng = np.random.default_rng(1)
    said = []
    for _ in range(4000):
        guard = begin(threshold=0.05, noise=0.01, budget=1, rng=rng)
        said.append((guard.noisy_threshold, ask(guard, 1.0, 0.5, rng=rng)[1].value))
    threshold, value = np.array(said).T
    # the mean size of Laplace noise is its scale
    assert np.mean(np.abs(threshold - 0.05)) == pytest.approx(0.02, rel=0.06)
    assert np.mean(np.abs(value - 0.5)) == pytest.approx(0.01, rel=0.06)


def test_the_tolerance_shrinks_with_the_noise_and_the_holdout():
    rng = np.random.default_rng(0)
    wide, tight = (begin(threshold=0.04, noise=s, budget=9, rng=rng) for s in (0.01, 0.001))
    assert tolerance(tight, 100, 1000) < tolerance(wide, 100, 1000)
    assert tolerance(tight, 100, 4000) < tolerance(tight, 100, 1000)
    with pytest.raises(ArgumentError, match="`budget`"):
        begin(threshold=0.04, noise=0.01, budget=0, rng=rng)
    with pytest.raises(ArgumentError, match="`train`"):
        ask(wide, 1.2, 0.5, rng=rng)
