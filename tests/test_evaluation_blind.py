"""Items that need no question: respondents without it, and habits of the options."""

import numpy as np
import pytest
from scipy import stats

from gradatim.errors import ArgumentError
from gradatim.evaluation.blind import blind_items, option_baseline, shuffled


def guesses(rng, *, known=0, items=120, respondents=8, options=4):
    """(respondent, item) right without the question; the first `known` items need none."""
    chance = np.where(np.arange(items) < known, 0.9, 1 / options)
    return (rng.random((respondents, items)) < chance).astype(float)


def test_item_p_values_are_binomial_tails():
    right = np.array([[1, 0, 1], [1, 0, 0], [1, 0, 1], [1, 0, 0]])
    found = blind_items(right, np.array([0.25, 0.25, 0.5]))
    assert found.item_p == pytest.approx([0.25**4, 1, stats.binom.sf(1, 4, 0.5)])
    z = (6 - 4) / np.sqrt(4 * (0.1875 + 0.1875 + 0.25))
    assert found.p_value == pytest.approx(stats.norm.sf(z))


def test_s208_items_answerable_without_the_question_are_flagged_and_left_out():
    rng = np.random.default_rng(0)
    hits, wrong, rest, gone = [], [], [], []
    for _ in range(40):
        found = blind_items(guesses(rng, known=30), 0.25)
        assert found.p_value < 1e-6
        hits.append(found.flagged[:30].mean())
        wrong.append(found.flagged[30:].sum() / max(found.flagged.sum(), 1))
        gone.append(~found.clean[:30])
        rest.append(found.rest.value)
    assert np.mean(hits) > 0.8
    assert np.mean(wrong) < 0.06  # expected share of false ones
    assert np.mean(gone) > 0.85
    assert np.mean(rest) == pytest.approx(0.25, abs=0.03)  # and not below: others chose the set


def test_guessing_is_seldom_taken_for_knowledge():
    rng = np.random.default_rng(1)
    found = [blind_items(guesses(rng), 0.25) for _ in range(400)]
    assert np.mean([one.p_value < 0.05 for one in found]) == pytest.approx(0.05, abs=0.03)
    assert np.mean([one.flagged.any() for one in found]) < 0.08  # 0.05 expected
    assert np.mean([one.clean.all() for one in found]) > 0.9


def test_one_respondent_and_missing_attempts_do():
    rng = np.random.default_rng(2)
    alone = blind_items(guesses(rng, known=60, respondents=1), 0.25)
    assert alone.p_value < 0.001
    tried = (rng.random((8, 120)) < 0.5).astype(float)
    tried[:, 7] = 0
    part = blind_items(guesses(rng, known=40) * tried, 0.25, tried=tried)
    assert part.flagged[:40].mean() > 0.3
    assert not part.flagged[7]
    with pytest.raises(ArgumentError, match="an attempt"):
        blind_items(np.zeros((1, 3)), 0.25, tried=np.zeros((1, 3)))
    with pytest.raises(ArgumentError, match="`chance`"):
        blind_items(np.ones((1, 3)), 1.0)


def test_s208_shuffled_questions_are_always_of_another_item():
    for seed in range(50):
        order = shuffled(7, rng=np.random.default_rng(seed))
        assert sorted(order) == list(range(7))
        assert (order != np.arange(7)).all()


def test_s208_habits_of_options_are_learned_on_other_items_only():
    rng = np.random.default_rng(3)
    words = [f"w{i}" for i in range(200)]

    def texts(size):
        return " ".join(rng.choice(words, size))

    answer = rng.integers(4, size=300)
    fair = [[texts(6) for _ in range(4)] for _ in answer]
    for hits in option_baseline(fair, answer).values():
        assert hits.mean() == pytest.approx(0.25, abs=0.09)
    longer = [[texts(9 if i == a else 6) for i in range(4)] for a in answer]
    assert option_baseline(longer, answer)["length"].mean() > 0.8
    never = [[texts(6) + (" always" if i != a else "") for i in range(4)] for a in answer]
    assert option_baseline(never, answer)["words"].mean() > 0.8
    place = np.where(rng.random(300) < 0.6, 2, answer)
    assert option_baseline(fair, place)["place"].mean() > 0.5
    with pytest.raises(ArgumentError, match="item 1 must have two options"):
        option_baseline([["a", "b"], ["a"]], np.array([0, 0]))
