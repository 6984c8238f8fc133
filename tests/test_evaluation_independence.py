"""Runs, lags and batches of repeated attempts."""

from itertools import combinations

import numpy as np
import pytest

from gradatim.errors import ArgumentError
from gradatim.evaluation.independence import batch_test, order_test


def sequences(rng, *, problems=100, n=8, lean=0.0):
    """(attempt,) outcomes and problems; `lean` pulls an attempt to the one before."""
    chance = rng.beta(1, 1, problems)
    hits = np.zeros((problems, n))
    hits[:, 0] = rng.random(problems) < chance
    for t in range(1, n):
        p = np.clip(chance + lean * (hits[:, t - 1] - chance), 0, 1)
        hits[:, t] = rng.random(problems) < p
    return hits.ravel(), np.repeat(np.arange(problems), n)


def test_runs_are_counted_and_their_exact_law_is_that_of_all_orders():
    # 1 1 0 1 (3 runs) and 0 1 0 (3 runs); a sequence of passes only says nothing
    hits = np.array([1, 1, 0, 1, 0, 1, 0, 1, 1])
    code = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2])
    found = order_test(hits, code)
    assert found.runs == 6
    # after a pass: 1 in 3 is a pass, 6/4 of 9/4 + 0 of 2/3 in random order; after a fail 2 more
    assert found.after_pass == pytest.approx((1 - 6 / 4) / (9 / 4 + 2 / 3))
    assert found.after_fail == pytest.approx((2 - 3 / 4 - 2 / 3) / (3 / 4 + 4 / 3))

    def changes(n, k):
        every = [[int(i in chosen) for i in range(n)] for chosen in combinations(range(n), k)]
        return [int(np.sum(np.diff(row) != 0)) for row in every]

    totals = np.array([a + b for a in changes(4, 3) for b in changes(3, 1)])
    assert found.expected == pytest.approx(totals.mean() + 2)
    exact = 2 * min(np.mean(totals <= 4), np.mean(totals >= 4))
    assert found.p_value == pytest.approx(min(1, exact))


def test_s264_attempts_that_lean_on_the_last_are_flagged_and_independent_ones_are_not():
    rng = np.random.default_rng(0)
    clean = [order_test(*sequences(rng, problems=40, n=6)) for _ in range(400)]
    assert np.mean([one.p_value < 0.05 for one in clean]) <= 0.06
    assert np.mean([one.lag.low <= 0 <= one.lag.high for one in clean]) > 0.92
    for lean in (-0.3, 0.3):
        found = [order_test(*sequences(rng, lean=lean)) for _ in range(50)]
        assert np.mean([one.p_value < 0.01 for one in found]) >= 0.95
        assert np.sign(np.mean([one.lag.value for one in found])) == np.sign(lean)
    turned = order_test(*sequences(rng, lean=-0.3))
    assert turned.after_fail > turned.after_pass  # negative recency
    assert turned.runs > turned.expected


def test_s264_attempts_of_one_batch_call_are_flagged():
    rng = np.random.default_rng(1)

    def drawn(together):
        """Eight attempts in two calls of four; `together`: chance to repeat the call's first."""
        chance = np.repeat(rng.beta(1, 1, 80)[:, None], 8, axis=1)
        hits = (rng.random((80, 8)) < chance).astype(float)
        for start in (0, 4):
            copy = rng.random((80, 3)) < together
            first = hits[:, start : start + 1]
            rest = hits[:, start + 1 : start + 4]
            hits[:, start + 1 : start + 4] = np.where(copy, first, rest)
        code = np.repeat(np.arange(80), 8)
        return batch_test(hits.ravel(), code, np.tile(np.repeat([0, 1], 4), 80))

    clean = [drawn(0.0) for _ in range(400)]
    assert 0.02 < np.mean([one.p_value < 0.05 for one in clean]) < 0.075
    assert np.mean([one.within.low <= 0 <= one.within.high for one in clean]) > 0.91
    assert np.mean([one.worth for one in clean]) == pytest.approx(1, abs=0.05)
    caught = [drawn(0.4) for _ in range(50)]
    assert np.mean([one.p_value < 0.01 for one in caught]) >= 0.95
    assert np.mean([one.worth for one in caught]) < 0.8


def test_hard_and_easy_problems_are_no_evidence():
    hits = np.repeat([0, 1, 0, 1], 10)
    found = order_test(hits, np.repeat(np.arange(4), 10))
    assert found.p_value == 1
    assert np.isnan(found.lag.value)
    assert batch_test(hits, np.repeat(np.arange(4), 10), np.arange(40) // 2).p_value == 1


def test_the_normal_law_takes_over_from_the_exact_one(monkeypatch):
    hits, code = sequences(np.random.default_rng(2), problems=300, n=8, lean=0.05)
    exact = order_test(hits, code).p_value
    monkeypatch.setattr("gradatim.evaluation.independence.EXACT", 0)
    assert order_test(hits, code).p_value == pytest.approx(exact, rel=0.1)


def test_other_outcomes_are_refused():
    with pytest.raises(ArgumentError, match="0 and 1"):
        order_test(np.array([0.5, 1]), np.zeros(2))
    with pytest.raises(ArgumentError, match="axis 'attempt'"):
        batch_test(np.ones(3), np.zeros(3), np.zeros(2))
