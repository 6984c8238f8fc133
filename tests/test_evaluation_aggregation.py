"""Borda and Kemeny: by hand, by trying every order, and what rescaling a task does to each."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from gradatim.errors import ArgumentError
from gradatim.evaluation.aggregation import aggregate, beaten, borda, borda_parts, kemeny
from gradatim.scale import choices, pairwise
from gradatim.scale.choices import levels
from gradatim.scale.matches import choices_of_scores


def cost(wins, order):
    return sum(wins[b, a] for i, a in enumerate(order) for b in order[i + 1 :])


def ballots(rng, n, m, *, missing=0.2, values=4):
    score = rng.integers(0, values, size=(n, m)).astype(float)
    return np.where(rng.random((n, m)) < missing, np.nan, score)


# -- Borda ------------------------------------------------------------------------------------


def test_borda_is_the_rank_sum_on_complete_data():
    score = np.random.default_rng(0).normal(size=(7, 5)).round(1)
    ranks = stats.rankdata(-score, axis=0).mean(axis=1)
    assert aggregate(score).score == pytest.approx((7 - ranks) / 6)
    assert aggregate(score).rank == pytest.approx(stats.rankdata(ranks))


def test_borda_with_missing_scores_by_hand():
    # a meets b on task 0 (won) and c on task 1 (tied): (1 + 1/2) / 2
    score = np.array([[1.0, 1.0, np.nan], [0.0, np.nan, 3.0], [np.nan, 1.0, 2.0]])
    assert aggregate(score).score.tolist() == [0.75, 0.5, 0.25]


def test_the_derivative_of_borda_is_that_of_small_weights():
    code = levels(ballots(np.random.default_rng(3), 6, 9))
    parts = borda_parts(code, beaten(code))
    for task in range(9):
        weight = np.ones(9)
        weight[task] += 1e-6
        moved = (borda(beaten(code, weight=weight)) - borda(beaten(code))) / 1e-6
        assert parts[:, task] == pytest.approx(moved, abs=1e-4)


# -- Kemeny -----------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(2, 6), m=st.integers(1, 9))
def test_kemeny_is_the_best_of_all_orders(seed, n, m):
    wins = beaten(levels(ballots(np.random.default_rng(seed), n, m)))
    found = kemeny(wins)
    best = min(cost(wins, order) for order in permutations(range(n)))
    assert found.cost == pytest.approx(best) == pytest.approx(cost(wins, found.order))
    assert found.optimal
    assert sorted(found.order) == list(range(n))


def test_kemeny_of_many_in_circles_is_exact_and_the_search_alone_is_near():
    wins = np.random.default_rng(1).integers(0, 10, size=(14, 14)).astype(float)
    exact, quick = kemeny(wins), kemeny(wins, exact=0)
    assert exact.optimal
    assert exact.bound == exact.cost <= quick.cost <= 1.03 * exact.cost
    assert quick.bound < exact.cost
    assert not quick.optimal


def test_large_tables_are_parted_by_majorities_and_say_how_far_off_they_may_be():
    rng = np.random.default_rng(0)
    score = np.linspace(3, 0, 150)[:, None] + rng.normal(size=(150, 41))
    found = kemeny(beaten(levels(score)))
    assert found.bound <= found.cost <= 1.02 * found.bound
    assert np.corrcoef(found.order, np.arange(150))[0, 1] > 0.95
    assert aggregate(score, how="kemeny").order.tolist() == found.order.tolist()


def test_equal_systems_share_a_rank_in_both():
    score = np.array([[3.0, 3.0], [2.0, 2.0], [2.0, 2.0], [1.0, 1.0]])
    for how in ("borda", "kemeny"):
        found = aggregate(score, how=how)
        assert found.rank.tolist() == [1.0, 2.5, 2.5, 4.0]
        assert found.order.tolist() == [0, 1, 2, 3]


# -- what the paper claims ---------------------------------------------------------------------

SCORE = np.array([  # four tasks, scores in [0, 1]
    [0.60, 0.70, 0.80, 0.30],
    [0.50, 0.65, 0.75, 0.90],
    [0.40, 0.60, 0.70, 0.10],
])  # fmt: skip


@pytest.mark.parametrize("how", ["borda", "kemeny"])
@pytest.mark.parametrize("rescale", [lambda x: x**9, lambda x: 100 * x, np.log, np.expm1])
@pytest.mark.parametrize("group", [None, np.array([0, 0, 1, 1])])
def test_s193_rescaling_one_task_changes_no_rank_but_changes_the_mean(how, rescale, group):
    changed = SCORE.copy()
    changed[:, 3] = rescale(SCORE[:, 3])
    before, after = (aggregate(s, how=how, group=group) for s in (SCORE, changed))
    assert before.order.tolist() == after.order.tolist() == [0, 1, 2]
    assert np.array_equal(before.rank, after.rank)


def test_s193_the_mean_of_scores_does_change_its_order():
    # by mean the second is first, .700 to .600, because of one task's unit
    assert np.argsort(-SCORE.mean(axis=1)).tolist() == [1, 0, 2]
    squeezed = SCORE * [1, 1, 1, 0.1]
    assert np.argsort(-squeezed.mean(axis=1)).tolist() == [0, 1, 2]
    assert aggregate(SCORE).order.tolist() == aggregate(squeezed).order.tolist() == [0, 1, 2]


def test_s193_two_levels_count_a_task_once_however_many_instances_it_has():
    # 9 instances of one task say a > b, one instance each of two others says b > a
    score = np.array([[1.0] * 9 + [0.0] * 2, [0.0] * 9 + [1.0] * 2])
    group = np.repeat([0, 1, 2], [9, 1, 1])
    for how in ("borda", "kemeny"):
        assert aggregate(score, how=how).order.tolist() == [0, 1]
        assert aggregate(score, how=how, group=group).order.tolist() == [1, 0]


def test_a_task_of_one_system_says_nothing():
    score = np.array([[1.0, np.nan, 9.0], [0.0, 1.0, np.nan]])
    group = np.array(["x", "y", "z"])
    assert aggregate(score).order.tolist() == [0, 1]
    assert aggregate(score, group=group).score.tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("score", "message"),
    [
        (np.ones((1, 3)), "at least two systems"),
        (np.array([[1.0, np.nan], [np.nan, 1.0]]), "nothing to order"),
        (np.array([[1.0, np.inf], [0.0, 1.0]]), "must be finite"),
        (np.ones((2, 0)), "nothing to order"),
    ],
)
def test_what_cannot_be_ordered_is_refused(score, message):
    with pytest.raises(ArgumentError, match=message):
        aggregate(score)


def test_a_table_of_wins_must_be_square():
    with pytest.raises(ArgumentError, match="square"):
        kemeny(np.ones((2, 3)))


# -- Plackett-Luce of a whole table -------------------------------------------------------------


@pytest.mark.parametrize("values", [2, 4, 1000])
def test_levels_give_the_likelihood_of_the_choices_they_stand_for(values):
    rng = np.random.default_rng(values)
    score = ballots(rng, 8, 40, missing=0.4, values=values)
    system, task = np.nonzero(~np.isnan(score))
    rankings = choices_of_scores(system, task, score[system, task])
    told = pairwise.plackett_luce(rankings, n_players=8, alpha=0.1)
    function = choices.likelihood(levels(score), alpha=0.1)
    here = function.at(told.strength)
    assert here.gradient == pytest.approx(np.zeros(8), abs=1e-7)
    prior = 0.05 * told.strength @ told.strength
    assert function.value(told.strength) == pytest.approx(told.loglik - prior)


def test_derivatives_of_the_likelihood_are_those_of_small_steps():
    rng = np.random.default_rng(5)
    function = choices.likelihood(levels(ballots(rng, 6, 12, values=3)), alpha=0.2)
    x, step = rng.normal(size=6), 1e-5 * np.eye(6)
    here = function.at(x)
    slope = [(function.value(x + d) - function.value(x - d)) / 2e-5 for d in step]
    assert here.gradient == pytest.approx(np.array(slope), abs=1e-6)
    bend = [(function.at(x - d).gradient - function.at(x + d).gradient) / 2e-5 for d in step]
    assert here.dense() == pytest.approx(np.array(bend), abs=1e-6)
    assert here.times(np.eye(6)) == pytest.approx(here.dense())
