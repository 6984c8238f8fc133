"""Step accuracy, horizons, and errors that breed errors."""

import numpy as np
import pytest

from gradatim.errors import ArgumentError
from gradatim.evaluation.horizon import horizon, horizon_by_length


def replies(rng, n, turns, p, after):
    """(step,) outcomes: chance p of a right step, `after` once the reply holds an error."""
    right = np.empty((n, turns))
    failed = np.zeros(n, bool)
    for turn in range(turns):
        right[:, turn] = rng.random(n) < np.where(failed, after, p)
        failed |= right[:, turn] == 0
    return right.ravel(), np.repeat(np.arange(n), turns), np.tile(np.arange(turns), n)


def test_by_hand():
    right = np.array([1, 1, 0, 1, 1, 1, 1, 0])
    found = horizon(right, np.repeat([0, 1], 4))
    assert found.step.value == 0.75
    assert found.half.value == pytest.approx(np.log(0.5) / np.log(0.75))
    assert found.most.value == pytest.approx(np.log(0.8) / np.log(0.75))
    assert found.seen.tolist() == [3, 2]  # 2, 2, 1, 0 replies are right throughout
    assert found.after_error.value == 0  # one step after the error of the first reply: right
    assert found.after_none.value == pytest.approx(2 / 7)
    # rows in another order of replies are the same replies
    mixed = horizon(right[[4, 0, 1, 5, 2, 6, 3, 7]], np.array([1, 0, 0, 1, 0, 1, 0, 1]))
    assert mixed.seen.tolist() == [3, 2]
    assert mixed.after_none.value == found.after_none.value


@pytest.mark.parametrize("p", [0.9, 0.98])
def test_horizon_is_ln_s_over_ln_p(p):
    right, reply, _ = replies(np.random.default_rng(0), 400, 60, p, p)
    found = horizon(right, reply)
    for estimate, s in ((found.half, 0.5), (found.most, 0.8)):
        assert estimate.low <= np.log(s) / np.log(p) <= estimate.high
        assert estimate.low < estimate.value < estimate.high
    assert abs(found.seen[0] - np.log(0.5) / np.log(p)) < 3


def test_self_conditioning_is_found_where_it_is():
    rng, inside, alarms = np.random.default_rng(1), 0, 0
    for _ in range(60):
        bred = horizon(*replies(rng, 80, 12, 0.9, 0.7)[:2])
        inside += bred.conditioning.low <= 0.2 <= bred.conditioning.high
        plain = horizon(*replies(rng, 80, 12, 0.85, 0.85)[:2]).conditioning
        alarms += plain.low > 0 or plain.high < 0
    assert inside >= 52
    assert alarms <= 8
    assert bred.after_error.value > bred.after_none.value


def test_hard_problems_look_like_self_conditioning_until_they_are_strata():
    rng, inside, bred = np.random.default_rng(2), 0, 0
    for _ in range(20):
        parts = [replies(rng, 6, 12, p, p) for p in rng.choice([0.98, 0.6], 60)]
        right = np.concatenate([part[0] for part in parts])
        reply = np.repeat(np.arange(360), 12)
        problem = np.repeat(np.arange(60), 72)
        assert horizon(right, reply).conditioning.low > 0.1
        found = horizon(right, reply, problem=problem).conditioning
        inside += found.low <= 0 <= found.high
        parts = [replies(rng, 6, 12, p, p - 0.15) for p in rng.choice([0.95, 0.7], 60)]
        right = np.concatenate([part[0] for part in parts])
        found = horizon(right, reply, problem=problem).conditioning
        bred += found.low <= 0.15 <= found.high
    assert inside >= 16
    assert bred >= 16


def test_edges():
    perfect = horizon(np.ones(20), np.repeat(np.arange(4), 5))
    assert perfect.half.value == np.inf
    assert np.isfinite(perfect.half.low)
    assert np.isnan(perfect.conditioning.value)
    assert perfect.after_error.n == 0
    lost = horizon(np.zeros(6), np.repeat(np.arange(3), 2))
    assert lost.half.value == 0
    assert lost.seen.tolist() == [0, 0]
    with pytest.raises(ArgumentError, match="0 or 1"):
        horizon(np.array([]), np.array([]))


def test_horizon_by_length_recovers_and_covers():
    rng, inside = np.random.default_rng(3), 0
    length = 2.0 ** rng.uniform(0, 10, 60)
    chance = 1 / (1 + np.exp(1.2 * (np.log2(length) - 5)))
    for _ in range(15):
        found = horizon_by_length(length, rng.binomial(8, chance), np.full(60, 8), draws=60)
        inside += found.half.low <= 32 <= found.half.high
        assert found.most.value < found.half.value
    assert inside >= 11
    level = horizon_by_length(length, rng.binomial(8, 0.5, 60), np.full(60, 8), draws=20)
    assert level.half.high > 1e3 or level.half.low < 1e-3  # success that does not fall has none
    with pytest.raises(ArgumentError, match="different lengths"):
        horizon_by_length(np.ones(4), np.ones(4))
