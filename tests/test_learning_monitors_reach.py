"""Expand or sharpen, coverage, headroom, forgetting: planted cases and hand numbers."""

import numpy as np
import pytest

from gradatim.errors import ArgumentError
from gradatim.learning import monitors_reach as reach

N, K, PROBLEMS = 256, 64, 400


def counts(p, seed, n=N):
    return np.random.default_rng(seed).binomial(n, p), np.full(len(p), n)


RATES = np.random.default_rng(9).permutation(
    np.concatenate([np.zeros(100), np.full(100, 0.004), np.full(100, 0.1), np.full(100, 0.5)])
)


def test_boundary_by_hand():
    # 4 problems, n = 2, k = 2. right before 0 1 1 2: pass@1 0 .5 .5 1, pass@2 0 1 1 1
    # right after 0 2 2 2: pass@1 0 1 1 1, pass@2 the same
    n = np.full(4, 2)
    found = reach.boundary((np.array([0, 1, 1, 2]), n), (np.array([0, 2, 2, 2]), n), 2)
    assert found.pass_1.value == pytest.approx(0.25)
    assert found.pass_k.value == 0
    # t(3) 97.5% = 3.1824, deviation of 0 .5 .5 0 is 0.288675, error 0.144338
    assert found.pass_1.high - 0.25 == pytest.approx(3.1824 * 0.144338, rel=1e-4)
    assert found.verdict == "unresolved"
    assert not found.alarm


def test_s041_planted_cases_are_told_apart():
    before = counts(RATES, 0)
    sharpened = np.where(RATES >= 0.1, 1 - (1 - RATES) ** 4, RATES)
    expanded = np.where(RATES == 0, 0.02, RATES)
    # the rare solutions are lost while the common ones gain
    shrunk = np.where(RATES == 0.004, 0.0, np.where(RATES >= 0.1, 1 - (1 - RATES) ** 3, RATES))
    said = {
        "sharpened": reach.boundary(before, counts(sharpened, 1), K, margin=0.05),
        "expanded": reach.boundary(before, counts(expanded, 2), K),
        "shrunk": reach.boundary(before, counts(shrunk, 3), K),
        "unchanged": reach.boundary(before, counts(RATES, 4), K, margin=0.05),
    }
    assert {name: found.verdict for name, found in said.items()} == {name: name for name in said}
    assert [name for name, found in said.items() if found.alarm] == ["shrunk"]


def test_s041_rewards_at_random_show_nothing():
    """Twenty controls whose policy has not changed: false verdicts are as rare as promised."""
    wrong = 0
    for seed in range(20):
        found = reach.boundary(counts(RATES, 2 * seed), counts(RATES, 2 * seed + 1), K)
        wrong += found.verdict in ("expanded", "shrunk", "sharpened")
        assert not found.alarm
    assert wrong <= 3


def test_s041_a_run_that_first_sharpens_and_then_expands():
    start, verdicts = counts(RATES, 0), []
    for step, (boost, new) in enumerate([(2, 0.0), (4, 0.0), (4, 0.03)]):
        p = np.where(RATES >= 0.1, 1 - (1 - RATES) ** boost, RATES)
        p = np.where(RATES == 0, new, p)
        verdicts.append(reach.boundary(start, counts(p, 10 + step), K, margin=0.05).verdict)
    assert verdicts == ["sharpened", "sharpened", "expanded"]


def test_all_right_and_all_wrong_stay_open():
    n = np.full(30, 16)
    for c in (np.zeros(30, int), n):
        found = reach.boundary((c, n), (c, n), 8)
        assert (found.pass_1.value, found.pass_k.value) == (0, 0)
        assert found.verdict == "unresolved"  # 30 problems cannot rule out changes of 2 points
    n = np.full(400, 16)
    assert reach.boundary((n, n), (n, n), 8).verdict == "unchanged"


def test_bad_counts_are_refused():
    n = np.full(3, 4)
    with pytest.raises(ArgumentError, match="`n` must lie in"):
        reach.boundary((n, n), (n, n), 8)
    with pytest.raises(ArgumentError, match="axis 'problem' is 3 in `before` but 2 in `after`"):
        reach.boundary((n, n), (n[:2], n[:2]), 2)


# -- coverage -------------------------------------------------------------------------------------


def test_coverage_by_hand():
    found = reach.coverage(np.array([0, 0, 0, 3]), np.array([0, 1, 1, 0]), 5)
    assert (found.tried.value, found.solved.value, found.size) == (0.4, 0.2, 5)
    assert found.effective == pytest.approx(16 / 10)
    assert found.tried.low < 0.4 < found.tried.high
    assert found.tried.n == 5
    even = reach.coverage(np.repeat(np.arange(7), 4), np.zeros(28), 7)
    assert even.effective == pytest.approx(7)
    none = reach.coverage(np.zeros(0, int), np.zeros(0), 4)
    assert (none.tried.value, none.effective) == (0.0, 0.0)
    with pytest.raises(ArgumentError, match="`problem` must lie in"):
        reach.coverage(np.array([5]), np.array([1]), 5)


def test_headroom_by_hand():
    # n = 4, k = 2: c 0, 1, 2, 4 -> pass@2 0, 1/2, 5/6, 1; minus pass@1 0, 1/4, 1/2, 1
    found = reach.headroom(np.array([0, 1, 2, 4]), np.full(4, 4), 2)
    assert found.value == pytest.approx((1 / 4 + 1 / 3) / 4)
    assert reach.headroom(np.array([0, 4]), np.full(2, 4), 4).value == 0


def test_coverage_coefficient_expects_what_it_says():
    rng = np.random.default_rng(0)
    for p in (0.02, 0.1, 0.6):
        c = rng.binomial(20, p, size=200_000)
        mean = reach.coverage_coefficient(c, np.full(len(c), 20)).mean()
        assert mean == pytest.approx((1 - (1 - p) ** 21) / p, rel=0.01)
    assert reach.coverage_coefficient(np.array([0]), np.array([20])).tolist() == [21]


def test_s252_coverage_predicts_what_best_of_n_distillation_brings():
    """The estimate from 32 attempts against a fresh best-of-16 policy that was distilled."""
    rng = np.random.default_rng(0)
    p = rng.beta(0.4, 1.2, size=3000)
    c, n = counts(p, 1, n=32)
    room = reach.headroom(c, n, 16)
    gain = (1 - (1 - p) ** 16) - p  # what the distilled policy gains, problem by problem
    assert room.low < gain.mean() < room.high
    need = reach.coverage_coefficient(c, n)
    # little is gained where one attempt is enough, and where 16 do not reach
    bands = [
        gain[(need > low) & (need <= high)].mean() for low, high in ((0, 1.3), (1.5, 9), (30, 99))
    ]
    assert bands[1] > 3 * max(bands[0], bands[2])


# -- forgetting -----------------------------------------------------------------------------------


def test_forgetting_by_hand():
    before = np.array([1.0, 0.5, 0.2, 0.4])
    after = np.array([0.5, 0.5, 0.6, 0.4])
    found = reach.forgetting(before, after, np.array([2, 2, 1, 1]))
    assert found.levels.tolist() == [1, 2]
    assert found.loss.value == pytest.approx([-0.2, 0.25])
    assert found.loss.n.tolist() == [2, 2]
    assert found.loss.high[1] - 0.25 == pytest.approx(12.706 * 0.25, rel=1e-4)
    assert not found.lost.any()


def test_planted_forgetting_is_found_and_nothing_else():
    rng = np.random.default_rng(0)
    level = np.repeat(np.arange(10), 60)
    p = np.repeat(np.linspace(0.9, 0.1, 10), 60)
    worse = np.where(level == 2, p - 0.3, p)
    hits = np.zeros(10)
    for _ in range(40):
        first, then = (rng.binomial(8, q) / 8 for q in (p, worse))
        hits += reach.forgetting(first, then, level).lost
    assert hits[2] == 40
    assert np.delete(hits, 2).sum() <= 6  # ten levels together, one in forty on that side


def test_no_problems_and_single_ones():
    empty = np.zeros(0)
    found = reach.forgetting(empty, empty, empty)
    assert len(found.levels) == len(found.lost) == len(found.loss.value) == 0
    one = reach.forgetting(np.array([1.0]), np.array([0.0]), np.array([3]))
    assert one.loss.value.tolist() == [1.0]
    assert not one.lost.any()  # one problem proves nothing
    with pytest.raises(ArgumentError, match="`after` must lie in"):
        reach.forgetting(np.array([1.0]), np.array([np.nan]), np.array([3]))
