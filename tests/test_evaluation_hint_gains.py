"""Learning gain per source of hints: by hand, and whether a real gain is told from none."""

import numpy as np
import pytest
from scipy import stats

from gradatim.errors import ArgumentError
from gradatim.evaluation.hint_gains import hint_gains


def test_s076_gains_are_paired_by_problem():
    rng = np.random.default_rng(0)
    problem = np.tile(np.arange(40), 3)
    source = np.repeat(["none", "tutor", "model"], 40)
    before = rng.binomial(4, 0.4, 120) / 4
    lift = {"none": 0.0, "tutor": 0.3, "model": 0.15}
    chance = np.clip(0.4 + np.array([lift[name] for name in source]), 0, 1)
    after = rng.binomial(4, chance) / 4
    found = {one.source: one for one in hint_gains(before, after, source, problem, control="none")}
    tutor = source == "tutor"
    low, high = stats.ttest_rel(after[tutor], before[tutor]).confidence_interval()
    assert (found["tutor"].gain.low, found["tutor"].gain.high) == pytest.approx((low, high))
    gains = (after - before).reshape(3, 40)
    assert found["tutor"].over.value == pytest.approx((gains[1] - gains[0]).mean())
    assert found["tutor"].over.low > 0
    assert found["none"].gain.low < 0 < found["none"].gain.high
    assert found["none"].over is None


def test_s076_hints_that_fail_the_gate_are_left_out_and_counted():
    before, after = np.zeros(4), np.array([1.0, 0, 0, 0])
    source = np.array(["a", "a", "a", "b"])
    found = hint_gains(before, after, source, np.arange(4), sound=np.array([1, 1, 0, 1]))
    assert found[0].gain.value == 0.5
    assert found[0].refused == pytest.approx(1 / 3)
    assert (found[1].gain.low, found[1].over) == (-np.inf, None)


def test_attempts_on_a_problem_are_averaged():
    found = hint_gains(np.zeros(3), np.array([1.0, 1, 0]), np.full(3, "a"), np.array([0, 0, 1]))
    assert (found[0].gain.value, found[0].gain.n) == (0.5, 2)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"control": "noen"}, "did you mean 'none'"),
        ({"sound": np.array([True, False])}, "no hint of source 'tutor' passed"),
        ({"after": np.array([0.0, 2.0])}, "`after`"),
    ],
)
def test_mistakes(more, said):
    given = {"before": np.zeros(2), "after": np.zeros(2), "problem": np.arange(2)}
    given |= {"source": np.array(["none", "tutor"])}
    with pytest.raises(ArgumentError, match=said):
        hint_gains(**{**given, **more})
