import numpy as np
import pytest

from gradatim.errors import ArgumentError
from gradatim.evaluation.picking import Rules
from gradatim.evaluation.replay import full_scores, plain_means, random_orders, walk
from gradatim.evaluation.tables import tabulate
from gradatim.scale.ability import estimate_ability
from gradatim.scale.curves import flat, probability

NONE = np.zeros((0, 60)), np.zeros((0, 60), int)


@pytest.fixture(scope="module")
def bank():
    rng = np.random.default_rng(3)
    return flat(difficulty=rng.normal(size=60), discrimination=rng.uniform(0.7, 2.5, 60))


def answers(bank, ability, rng, samples=1):
    chance = probability(np.asarray(ability), bank)
    return rng.binomial(samples, chance) / samples, np.full(chance.shape, samples)


def test_scores_are_those_of_the_exact_posterior(bank):
    rate, tried = answers(bank, np.linspace(-2.5, 2.5, 7), np.random.default_rng(0))
    table = tabulate(bank, *NONE, n_asked=12)
    tests = walk(table, rate, tried, n_asked=12)
    got = np.take_along_axis(rate, tests.item, axis=1)
    exact = estimate_ability(bank, tests.item, got, np.ones_like(tests.item))
    for run in range(7):
        rest = np.setdiff1d(np.arange(60), tests.item[run])
        chance = probability(exact.nodes[run], bank)[:, rest].sum(axis=1)
        score = (got[run].sum() + exact.weight[run] @ chance) / 60
        assert tests.score[run, -1] == pytest.approx(score, abs=2e-4)


def test_the_first_item_is_the_best_by_brute_force(bank):
    table = tabulate(bank, *NONE, n_asked=1)
    rate, tried = np.zeros((1, 60)), np.ones((1, 60), int)
    prior = np.exp(table.log_prior)
    prior /= prior.sum()
    score = table.chance.mean(axis=0)
    left = []
    for item in range(60):  # expected posterior variance of the score, answer by answer
        expected = 0.0
        for chance in (table.chance[item], 1 - table.chance[item]):
            posterior = prior * chance
            mass = posterior.sum()
            posterior /= mass
            expected += mass * (posterior @ score**2 - (posterior @ score) ** 2)
        left.append(expected)
    assert walk(table, rate, tried, n_asked=1).item[0, 0] == int(np.argmin(left))
    told = (prior @ table.told.T).argmax()
    assert walk(table, rate, tried, n_asked=1, rules=Rules("information")).item[0, 0] == told


@pytest.mark.parametrize("criterion", ["variance", "information"])
def test_adaptive_items_tell_more_than_random_ones(bank, criterion):
    rng = np.random.default_rng(1)
    rate, tried = answers(bank, rng.normal(size=600), rng)
    table = tabulate(bank, *NONE, n_asked=8)
    truth = full_scores(rate, tried)[:, None]
    order = random_orders(tried, 8, rng=rng)
    off = [
        np.abs(score - truth)[:, -1].mean()
        for score in (
            walk(table, rate, tried, n_asked=8, rules=Rules(criterion)).score,
            walk(table, rate, tried, n_asked=8, order=order).score,
            plain_means(rate, order),
        )
    ]
    assert off[0] < 0.85 * off[1] < 0.85 * off[2]


def test_missing_cells_are_not_asked_and_do_not_count(bank):
    rng = np.random.default_rng(2)
    rate, tried = answers(bank, rng.normal(size=5), rng)
    tried[0, 10:] = 0
    tried[1] = 0
    rate[tried == 0] = np.nan
    table = tabulate(bank, *NONE, n_asked=20)
    tests = walk(table, rate, tried, n_asked=20)
    assert sorted(tests.item[0, :10]) == list(range(10))
    assert (tests.item[0, 10:] == -1).all()
    assert (tests.item[1] == -1).all()
    assert tests.score[0, -1] == pytest.approx(rate[0, :10].mean())
    assert np.isnan(tests.score[1]).all()
    order = random_orders(tried, 20, rng=rng)
    assert sorted(order[0, :10]) == list(range(10))
    assert (order[0, 10:] == -1).all()
    assert (order[1] == -1).all()


def test_all_items_asked_give_the_full_score(bank):
    rate, tried = answers(bank, np.zeros(3), np.random.default_rng(4), samples=5)
    tests = walk(tabulate(bank, *NONE, n_asked=99), rate, tried, n_asked=99)
    assert tests.item.shape == (3, 60)
    np.testing.assert_allclose(tests.score[:, -1], rate.mean(axis=1))


def test_items_without_estimates_are_taken_for_the_others(bank):
    from dataclasses import replace

    part = replace(bank, difficulty=np.where(np.arange(60) < 50, bank.difficulty, np.nan))
    rate, tried = answers(bank, np.zeros(2), np.random.default_rng(5))
    tests = walk(tabulate(part, *NONE, n_asked=60), rate, tried, n_asked=60)
    assert (tests.item[:, 50:] == -1).all()
    assert tests.item.max() < 50
    assert np.isfinite(tests.score).all()
    with pytest.raises(ArgumentError, match="items with estimates"):
        tabulate(replace(bank, difficulty=np.full(60, np.nan)), *NONE, n_asked=1)


def test_dispersion_is_found(bank):
    from dataclasses import replace

    rng = np.random.default_rng(6)
    theta = rng.normal(size=400)
    chance = probability(theta, bank)
    known = replace(bank, ability=theta, solvers=tuple(map(str, range(400))))
    ones = np.ones(chance.shape, int)
    binary = tabulate(known, 1.0 * (rng.random(chance.shape) < chance), ones, n_asked=5)
    assert (binary.dispersion == 1).all()
    coins = tabulate(known, rng.binomial(4, chance) / 4, 4 * ones, n_asked=5)
    assert coins.dispersion.mean() == pytest.approx(1, abs=0.03)
    graded = rng.beta(4 * chance, 4 * (1 - chance))  # variance P (1 - P) / 5
    assert tabulate(known, graded, ones, n_asked=5).dispersion.mean() == pytest.approx(
        0.2, abs=0.01
    )


def test_bad_arguments(bank):
    rate, tried = answers(bank, np.zeros(2), np.random.default_rng(7))
    table = tabulate(bank, *NONE, n_asked=5)
    with pytest.raises(ArgumentError, match="`criterion` must be one of"):
        walk(table, rate, tried, n_asked=5, rules=Rules("luck"))
    with pytest.raises(ArgumentError, match="`n_asked`"):
        walk(table, rate, tried, n_asked=0)
    with pytest.raises(ArgumentError, match="`rate` must lie in"):
        walk(table, rate * np.nan, tried, n_asked=5)
    with pytest.raises(ArgumentError, match="axis 'item'"):
        walk(table, rate[:, :5], tried[:, :5], n_asked=5)
    assert walk(table, rate[:0], tried[:0], n_asked=5).score.shape == (0, 5)


def test_items_that_few_models_answered_are_integrated_out(bank):
    from gradatim.scale import irt
    from gradatim.scale.predictive import item_posteriors
    from gradatim.types import Responses

    rng = np.random.default_rng(8)
    rate, tried = answers(bank, rng.normal(1.5, 0.5, 12), rng)  # strong ones only
    solver, item = np.indices(rate.shape).reshape(2, -1)
    seen = Responses(
        solver=solver,
        item=item,
        solved=rate.ravel(),
        tried=tried.ravel(),
        solvers=tuple(map(str, range(12))),
        items=bank.items,
    )
    fitted = irt.fit(seen)
    posterior = item_posteriors(fitted, seen)
    wide = tabulate(fitted, rate, tried, n_asked=5, posterior=posterior)
    plain = tabulate(fitted, rate, tried, n_asked=5)
    assert wide.chance.shape == plain.chance.shape
    easy = rate.all(axis=0)
    at = int(np.argmax(plain.chance[easy].mean(axis=0) > 0.85))  # a model weaker than all seen
    assert (wide.chance[easy, at] < plain.chance[easy, at]).mean() > 0.9
    np.testing.assert_allclose(np.exp(wide.right) + np.exp(wide.wrong), 1)
    assert (np.diff(wide.chance, axis=1) >= -1e-9).all()
