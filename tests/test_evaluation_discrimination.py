"""AUROC, AUPRC and their groups; risk and coverage."""

import itertools

import numpy as np
import pytest
from scipy import stats

from gradatim.evaluation.abstention import sayings
from gradatim.evaluation.discrimination import auprc, auroc, discrimination
from gradatim.evaluation.selective import covered_at, risk_coverage
from gradatim.scale import heldout
from gradatim.store.formats import read_responses


def scores(rng, right, strength=1.0):
    return rng.normal(0, 1, len(right)) + strength * right


def test_auroc_against_scipy_and_delong_by_hand():
    rng = np.random.default_rng(0)
    right = (rng.random(80) < 0.3).astype(int)
    score = np.round(scores(rng, right), 1)  # with ties
    found = auroc(score, right)
    u = stats.mannwhitneyu(score[right == 1], score[right == 0]).statistic
    assert found.value == pytest.approx(u / (right.sum() * (80 - right.sum())))
    # DeLong's variance from all pairs
    x, y = score[right == 1], score[right == 0]
    pair = (x[:, None] > y) + (x[:, None] == y) / 2
    parts = pair.mean(axis=1).var(ddof=1) / len(x), pair.mean(axis=0).var(ddof=1) / len(y)
    half = 1.959964 * np.sqrt(sum(parts)) / (found.value * (1 - found.value))
    logit = np.log(found.low / (1 - found.low)), np.log(found.high / (1 - found.high))
    assert (logit[1] - logit[0]) / 2 == pytest.approx(half, rel=0.02)


def test_auroc_interval_covers_with_and_without_clusters():
    rng, inside = np.random.default_rng(1), {"rows": 0, "problems": 0, "unclustered": 0}
    truth = stats.norm.cdf(1 / np.sqrt(2))
    for _ in range(200):
        right = (rng.random(120) < 0.4).astype(int)
        found = auroc(scores(rng, right), right)
        inside["rows"] += found.low <= truth <= found.high
        # ten attempts a problem, all alike
        many = np.repeat((rng.random(60) < 0.4).astype(int), 10)
        score = np.repeat(scores(rng, many[::10]), 10)
        found = auroc(score, many, problem=np.repeat(np.arange(60), 10))
        inside["problems"] += found.low <= truth <= found.high
        found = auroc(score, many)
        inside["unclustered"] += found.low <= truth <= found.high
    assert inside["rows"] >= 184
    assert inside["problems"] >= 182
    assert inside["unclustered"] < 120


def test_edges_of_auroc():
    perfect = auroc(np.arange(20.0), np.arange(20) >= 10)
    assert (perfect.value, perfect.high) == (1, 1)
    assert perfect.low == pytest.approx(1 / (1 + 1.959964**2 / 10), abs=1e-4)  # Wilson, 10 of 10
    assert np.isnan(auroc(np.arange(3.0), np.ones(3)).value)
    assert auroc(np.zeros(10), np.arange(10) % 2).value == 0.5
    assert np.isnan(auprc(np.arange(3.0), np.zeros(3)).value)
    assert auprc(np.zeros(10), np.arange(10) % 2).value == 0.5


def test_auprc_by_hand():
    # ranks of the right rows 1, 3, 4 of 5: (1/1 + 2/3 + 3/4) / 3
    score, right = np.array([0.9, 0.8, 0.7, 0.6, 0.5]), np.array([1, 0, 1, 1, 0])
    assert auprc(score, right).value == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)
    # tied rows enter at once: precision 2/3 for both right rows of the tie
    assert auprc(np.array([0.9, 0.9, 0.9]), np.array([1, 0, 1])).value == pytest.approx(2 / 3)


def test_s072_auprc_weighs_mistakes_by_score_and_groups_by_prevalence():
    # atomic mistakes: neighbours in the wrong order; put one right and look at both areas
    right = np.tile([1, 0], 20)[::-1]  # a wrong row above each right one
    score = np.arange(40, 0, -1.0)
    gains = []
    for at in range(0, 40, 2):
        mended = score.copy()
        mended[[at, at + 1]] = mended[[at + 1, at]]
        areas = [(auroc(x, right).value, auprc(x, right).value) for x in (score, mended)]
        gains.append(np.subtract(areas[1], areas[0]))
    roc, prc = np.array(gains).T
    assert np.ptp(roc) < 1e-12
    assert (np.diff(prc) < 0).all()
    # two groups whose scores tell right from wrong equally well
    rng = np.random.default_rng(0)
    group = np.repeat([0, 1], 1500)
    right = (rng.random(3000) < np.where(group == 0, 0.05, 0.5)).astype(int)
    found = discrimination(scores(rng, right, 1.5), right, group)
    rare, common = found.by_group
    assert abs(rare.auroc.value - common.auroc.value) < 0.06
    assert common.auprc.value - rare.auprc.value > 0.3
    assert "AUPRC" in found.warning
    assert found.within == pytest.approx(common.auroc.value, abs=0.03)
    same = discrimination(scores(rng, right), right, rng.integers(2, size=3000))
    assert same.warning == ""
    # a score that only knows the group orders nothing within it
    only = discrimination(group.astype(float), right, group)
    assert only.auroc.value > 0.6
    assert only.within == 0.5


def test_a_warning_needs_more_than_repeated_attempts():
    rng, warned = np.random.default_rng(1), 0
    for _ in range(100):
        problem = np.repeat(np.arange(40), 10)
        right = np.repeat((rng.random(40) < 0.5).astype(int), 10)  # all ten alike
        found = discrimination(rng.random(400), right, problem % 2, problem=problem)
        warned += found.warning != ""
    assert warned <= 11


@pytest.mark.slow
def test_s072_predicted_difficulty_of_real_code_tasks(data_dir):
    path = data_dir / "livecodebench_generation.npz"
    out = heldout.hold_out(read_responses(path), folds=10, most=1, guesses=("item",))
    held = out.responses
    archive = np.load(path)
    kind = dict(zip(archive["items"].tolist(), archive["difficulty"].tolist(), strict=True))
    tried, solved = held.tried.astype(int), held.solved.astype(int)
    row = np.repeat(np.arange(len(tried)), tried)
    right = np.arange(len(row)) - np.repeat(np.cumsum(tried) - tried, tried) < solved[row]
    group = np.array([kind[name] for name in held.items])[held.item[row]]
    for name, chance in (("irt", out.chance), ("item mean", out.guesses["item"])):
        found = discrimination(chance[row], right, group, problem=held.item[row])
        print(name, found.auroc, found.auprc, found.warning)
        for one in found.by_group:
            print("   ", one.label, one.prevalence, "AUROC", one.auroc, "AUPRC", one.auprc)
        easy, hard, _ = found.by_group
        assert "AUPRC" in found.warning
        assert easy.auprc.low > hard.auprc.high  # by .15 and more
        if name == "irt":  # while hard tasks are ordered no worse
            assert hard.auroc.value > easy.auroc.value


def test_risk_and_coverage_by_hand_and_ties_in_mean_order():
    right = np.array([1, 0, 1, 1, 0])
    curve = risk_coverage(np.array([0.9, 0.8, 0.7, 0.6, 0.5]), right)
    risks = [0, 1 / 2, 1 / 3, 1 / 4, 2 / 5]
    np.testing.assert_allclose(curve.risk.value, risks)
    assert curve.area.value == pytest.approx(np.mean(risks))
    assert curve.best == pytest.approx((0 + 0 + 0 + 1 / 4 + 2 / 5) / 5)
    assert curve.chance == 0.4
    # all tied: the mean over all orders is the risk of all
    tied = risk_coverage(np.full(4, 0.5), np.array([1, 0, 0, 1]))
    orders = set(itertools.permutations([0, 1, 1, 0]))
    area = np.mean([np.mean(np.cumsum(p) / np.arange(1, 5)) for p in orders])
    assert tied.area.value == pytest.approx(area) == 0.5


def test_abstentions_are_not_answers():
    # two answers, one right; "unsolvable" and "I don't know" are never covered
    texts = ["It is 4.", "It is 5.", "unsolvable", "I don't know."]
    abstained = sayings(texts) > 0
    confidence = np.array([0.9, 0.4, 0.99, 0.1])
    curve = risk_coverage(confidence, np.array([1, 0, 1, 0]), abstained=abstained)
    np.testing.assert_allclose(curve.coverage, [0.25, 0.5])
    np.testing.assert_allclose(curve.risk.value, [0, 0.5])
    none = risk_coverage(confidence, np.ones(4), abstained=np.ones(4))
    assert np.isnan(none.area.value)
    # who answers what has no answer is wrong: giving up there lowers the risk at full coverage
    solvable = np.arange(200) % 2 == 0
    rng = np.random.default_rng(0)
    right = solvable & (rng.random(200) < 0.8)
    answers_all = risk_coverage(rng.random(200), right)
    gives_up = risk_coverage(rng.random(200), right, abstained=~solvable)
    assert answers_all.chance > 0.5
    assert gives_up.chance < 0.3
    assert gives_up.coverage[-1] == 0.5


def test_threshold_for_a_risk():
    rng = np.random.default_rng(0)
    confidence = rng.random(3000)
    right = rng.random(3000) < confidence
    coverage, threshold = covered_at(risk_coverage(confidence, right), 0.2)
    kept = confidence >= threshold
    assert kept.mean() == pytest.approx(coverage)
    assert 1 - right[kept].mean() < 0.2
    assert 0.3 < coverage < 0.45  # the mean of 1 - p above t is .2 at t = .6
    assert covered_at(risk_coverage(confidence, np.zeros(3000)), 0.2) == (0.0, np.inf)
