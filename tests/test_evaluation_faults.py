"""Wrong keys, leaks, drifting verdicts and duplicates: found where planted, and not elsewhere."""

import numpy as np
import pytest
from scipy import special, stats

from gradatim.errors import ArgumentError
from gradatim.evaluation.items import find_wrong_keys
from gradatim.evaluation.leakage import part_gains, tail, windows
from gradatim.evaluation.near_duplicates import near_duplicates, pieces
from gradatim.evaluation.verdict_trend import verdict_trend
from gradatim.scale import irt
from gradatim.types import Matrix


def simulated(rng, n_solvers, n_items, shift=0.0):
    """Right or wrong of a 2PL population."""
    ability, slope = (
        rng.normal(shift, 1, size=(n_solvers, 1)),
        np.exp(0.3 * rng.normal(size=n_items)),
    )
    chance = special.expit(slope * (ability - rng.normal(size=n_items)))
    return (rng.random(chance.shape) < chance).astype(float)


def calibrated(solved, tried=1):
    names = [tuple(f"{i}" for i in range(n)) for n in solved.shape]
    return irt.fit(Matrix(solved=solved, tried=tried, solvers=names[0], items=names[1]))


# -- keys -----------------------------------------------------------------------------------------


def test_items_turned_over_are_found_and_sound_ones_are_not():
    rng = np.random.default_rng(1)
    solved, ones = simulated(rng, 60, 300), np.ones((60, 300))
    sound = find_wrong_keys(solved, ones, calibrated(solved).ability)
    assert not sound.named.any()
    assert sound.share < 0.01
    turned = rng.choice(300, 15, replace=False)
    solved[:, turned] = 1 - solved[:, turned]
    found = find_wrong_keys(solved, ones, calibrated(solved).ability)
    hits = np.isin(np.flatnonzero(found.named), turned)
    assert hits.mean() >= 0.85
    assert hits.sum() >= 13
    assert found.share == pytest.approx(0.05, abs=0.02)
    assert found.correlation[turned].mean() < 0 < found.correlation.mean()


def test_a_kind_known_to_be_easy_makes_an_item_that_nobody_solves_suspect():
    rng = np.random.default_rng(2)
    ability = rng.normal(size=(30, 1))
    level = np.r_[np.full(100, 4.0), np.full(100, -4.0)]
    solved = (rng.random((30, 200)) < special.expit(ability + level)).astype(float)
    solved[:, 7] = 0
    kinds = np.repeat(["easy", "hard"], 100)
    theta = ability[:, 0]
    plain = find_wrong_keys(solved, np.ones(solved.shape), theta)
    told = find_wrong_keys(solved, np.ones(solved.shape), theta, kinds=kinds)
    assert told.wrong[7] > 10 * plain.wrong[7]
    assert told.undecidable[7]
    assert np.isnan(told.correlation[7])


def test_missing_cells_counts_and_solvers_without_ability_are_allowed():
    rng = np.random.default_rng(3)
    chance = special.expit(rng.normal(size=(20, 1)) - rng.normal(size=60))
    tried = rng.integers(0, 6, size=chance.shape)
    solved = rng.binomial(tried, chance).astype(float)
    solved[:, 5] = tried[:, 5] - solved[:, 5]
    ability = calibrated(solved, tried).ability.copy()
    ability[3] = np.nan
    assert find_wrong_keys(solved, tried, ability, within=0.1).named[5]
    with pytest.raises(ArgumentError, match="`solvers` must lie in"):
        find_wrong_keys(solved[:5], tried[:5], ability[:5])


# -- leaks ----------------------------------------------------------------------------------------


def test_tail_agrees_with_the_binomial_far_out():
    seen = np.array([10.0, 14, 20, 26])
    z = tail(seen, np.ones((4, 40)), np.full((4, 40), 0.2), np.ones((4, 40)))
    middle = (stats.binom.sf(seen - 1, 40, 0.2) + stats.binom.sf(seen, 40, 0.2)) / 2
    assert stats.norm.sf(z) == pytest.approx(middle, rel=0.25)
    together = tail(np.array([10.0]), np.ones((1, 1)), np.full((1, 1), 0.2), np.full((1, 1), 40.0))
    assert together == pytest.approx(z[:1])  # forty attempts of one cell, or of forty


def test_tail_with_weights_keeps_its_size():
    rng = np.random.default_rng(0)
    chance, weight = rng.uniform(0.05, 0.9, size=60), rng.uniform(0.2, 3, size=60)
    drawn = (rng.random((4_000, 60)) < chance) @ weight
    z = tail(drawn, np.tile(weight, (4_000, 1)), np.tile(chance, (4_000, 1)), np.ones((1, 60)))
    for level in (1.645, 2.326):
        assert np.mean(z > level) == pytest.approx(stats.norm.sf(level), rel=0.35)


def test_a_leak_stands_out_and_sound_rows_have_standard_deviates():
    rng = np.random.default_rng(4)
    solved = simulated(rng, 40, 1000)
    part = np.zeros((1, 1000), dtype=bool)
    part[0, rng.choice(1000, 100, replace=False)] = True
    sound = part_gains(solved, np.ones(solved.shape), calibrated(solved), part)
    assert np.nanstd(sound.z) == pytest.approx(1, abs=0.3)
    assert sound.z.max() < 3.2
    wrong = np.flatnonzero(part[0] & (solved[7] == 0))
    solved[7, rng.choice(wrong, 25, replace=False)] = 1
    found = part_gains(solved, np.ones(solved.shape), calibrated(solved), part)
    assert found.z[:, 0].argmax() == 7
    assert found.z[7, 0] > 4
    assert found.gain[7, 0] == pytest.approx(0.25, abs=0.12)


def test_a_part_on_which_all_solvers_differ_names_nobody():
    rng = np.random.default_rng(5)
    ability = rng.normal(size=(40, 2))
    topic = np.repeat([0, 1], 200)
    chance = special.expit(ability[:, topic] - rng.normal(size=400))
    solved = (rng.random(chance.shape) < chance).astype(float)
    found = part_gains(solved, np.ones(solved.shape), calibrated(solved), topic[None] == 1)
    assert found.spread[0] > 2
    assert np.nanmax(found.z) < 3.5


def test_solvers_with_too_few_items_get_no_verdict():
    rng = np.random.default_rng(6)
    solved = simulated(rng, 10, 50)
    tried = np.ones(solved.shape)
    tried[2, :20] = 0
    found = part_gains(
        np.where(tried, solved, 0), tried, calibrated(solved), np.arange(50)[None] < 20
    )
    assert np.isnan(found.z[2, 0])
    assert found.n[:, 0].tolist() == [20, 20, 0, *[20] * 7]
    assert windows(np.arange(10), 0.2).sum(axis=1).tolist() == [2] * 9


# -- verdicts over time ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stream():
    """Attempts of 30 able solvers on 200 items, in random order."""
    rng = np.random.default_rng(7)
    truth = simulated(rng, 30, 200, shift=2.0)
    solver, item = np.divmod(rng.permutation(6000), 200)
    return rng, solver, item, truth


def judged(stream, refuse):
    rng, solver, item, truth = stream
    score = truth[solver, item] * (rng.random(6000) >= refuse)
    table = np.zeros(truth.shape)
    table[solver, item] = score
    return solver, item, score, calibrated(table)


def test_a_verifier_that_gets_stricter_is_found(stream):
    found = verdict_trend(*judged(stream, np.where(np.arange(6000) < 3000, 0.02, 0.2)))
    assert found is not None
    assert found.p < 0.001
    assert found.fault == "refused"
    assert found.change.low < 0.18 < found.change.high
    assert found.start == 3000


def test_a_steady_verifier_is_not(stream):
    found = verdict_trend(*judged(stream, np.full(6000, 0.1)))
    assert found is not None
    assert found.p > 0.01
    assert found.change.n == 6000


def test_an_order_that_is_the_solvers_convicts_nobody(stream):
    solver, item, score, bank = judged(stream, np.full(6000, 0.02))
    order = np.lexsort((item, solver))
    assert verdict_trend(solver[order][:90], item[order][:90], score[order][:90], bank) is None
    found = verdict_trend(solver[order], item[order], score[order], bank)
    assert found is None or found.p > 0.05


def test_cells_tried_often_are_compared_with_themselves():
    rng = np.random.default_rng(8)
    chance = np.where(rng.random((10, 40)) < 0.5, 0.97, 0.02)  # no scale describes these
    solver, item = np.divmod(rng.permutation(np.repeat(np.arange(400), 10)), 40)
    refuse = np.where(np.arange(4000) < 2000, 0.0, 0.06)
    score = (rng.random(4000) < chance[solver, item]) * (rng.random(4000) >= refuse)
    solved = np.zeros((10, 40))
    np.add.at(solved, (solver, item), score)
    bank = calibrated(solved, tried=np.full(solved.shape, 10))
    found = verdict_trend(solver, item, score, bank)
    assert found is not None
    assert found.p < 0.01
    assert (found.fault, found.change.value > 0) == ("refused", True)


# -- texts ----------------------------------------------------------------------------------------


def test_case_spaces_and_stops_do_not_hide_a_duplicate():
    texts = ["A train leaves at 9.30 for Ulm. When?", "a  train leaves, at 9.30 for ULM; when", "x"]
    found = near_duplicates(texts)
    assert list(zip(*(c.tolist() for c in found), strict=True)) == [(0, 1, 1.0, True)]
    assert pieces("9.30!") == ["9.30"]


def test_shared_runs_of_words_are_counted_by_hand():
    # runs of three of "a b c d e f": abc bcd cde def; of "a b c d e g": abc bcd cde deg; 3 of 5
    found = near_duplicates(["a b c d e f", "a b c d e g"], least=0.6)
    assert found.alike.tolist() == [0.6]
    assert len(near_duplicates(["a b c d e f", "a b c d e g"], least=0.61).alike) == 0


def test_other_numbers_make_a_template_not_a_duplicate():
    words = " ".join(f"w{chr(97 + i)}" for i in range(26))
    found = near_duplicates([f"{words} gives 5", f"{words} gives 7"])
    assert found.numbers.tolist() == [False]


def test_all_near_duplicates_among_a_thousand_texts_are_found():
    rng = np.random.default_rng(9)
    texts = [" ".join(f"word{w}" for w in rng.integers(0, 500, 60)) for _ in range(1000)]
    for at in range(50):  # one word of sixty changed: three of 58 runs
        words = texts[at].split()
        words[30] = "other"
        texts.append(" ".join(words))
    found = near_duplicates(texts)
    assert list(zip(found.first.tolist(), found.second.tolist(), strict=True)) == [
        (at, 1000 + at) for at in range(50)
    ]


def test_no_text_and_empty_texts_are_no_pairs():
    assert len(near_duplicates([]).first) == 0
    assert len(near_duplicates(["", "  ", "?"]).first) == 0
