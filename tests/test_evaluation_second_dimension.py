import numpy as np
import pytest

from gradatim.errors import ArgumentError
from gradatim.evaluation.replay import full_scores, walk
from gradatim.evaluation.second_dimension import POINTS, fit_second, with_second
from gradatim.evaluation.tables import at_samples, rows_of, tabulate
from gradatim.scale import irt
from gradatim.types import Matrix


def fitted(strength, seed=0, models=60, items=120, samples=8):
    """Eight attempts a cell; half of the items lean to either side of a second dimension."""
    rng = np.random.default_rng(seed)
    theta, place = rng.normal(size=(2, models + 40))
    slope = strength * np.where(np.arange(items) < items // 2, 1.0, -1.0)
    logit = theta[:, None] - rng.normal(size=items) + np.outer(place, slope)
    solved = rng.binomial(samples, 1 / (1 + np.exp(-logit)))
    tried = np.full(solved.shape, samples)
    bank = irt.fit(
        Matrix(
            solved=solved[:models],
            tried=tried[:models],
            solvers=tuple(map(str, range(models))),
            items=tuple(map(str, range(items))),
        )
    )
    table = tabulate(bank, solved[:models] / samples, tried[:models], n_asked=20)
    return bank, table, solved / samples, tried, slope, place


@pytest.fixture(scope="module")
def bent():
    return fitted(0.8)


def test_slopes_and_places_are_recovered(bent):
    bank, table, rate, tried, slope, place = bent
    found = fit_second(bank, rate[:60], tried[:60], table.dispersion)
    assert abs(np.corrcoef(found.slope, slope)[0, 1]) > 0.9
    assert abs(np.corrcoef(found.place, place[:60])[0, 1]) > 0.9
    # some of it is misfit that dispersion has taken for noise
    assert 0.5 < found.spread < 1.0


def test_it_shrinks_to_nothing_where_one_dimension_does():
    bank, table, rate, tried, _, _ = fitted(0.0)
    found = fit_second(bank, rate[:60], tried[:60], table.dispersion)
    assert found.spread < 0.1
    both = with_second(table, found)
    middle = both.chance.reshape(len(table.chance), -1, len(POINTS))
    np.testing.assert_allclose(middle, table.chance[:, :, None] * np.ones(len(POINTS)), atol=0.08)


def test_scores_of_new_models_come_closer(bent):
    bank, table, rate, tried, _, _ = bent
    both = with_second(table, fit_second(bank, rate[:60], tried[:60], table.dispersion))
    truth = full_scores(rate[60:], tried[60:])
    off = [
        np.abs(walk(one, rate[60:], tried[60:], n_asked=20).score[:, -1] - truth).mean()
        for one in (table, both)
    ]
    assert off[1] < 0.8 * off[0]


def test_a_table_of_two_dimensions_is_one_of_chances(bent):
    bank, table, rate, tried, _, _ = bent
    both = with_second(table, fit_second(bank, rate[:60], tried[:60], table.dispersion))
    n = len(table.node) * len(POINTS)
    assert both.node.shape == both.log_prior.shape == (n,)
    assert both.chance.shape == both.told.shape == (120, n)
    np.testing.assert_allclose(np.exp(both.right) + np.exp(both.wrong), 1)
    assert (both.told >= 0).all()
    np.testing.assert_array_equal(both.caution, table.dispersion)


def test_missing_cells_and_items_without_estimates_say_nothing(bent):
    from dataclasses import replace

    bank, table, rate, tried, _, _ = bent
    rate, tried = rate[:60].copy(), tried[:60].copy()
    tried[:5, :9] = 0
    first = fit_second(bank, rate, tried, table.dispersion)
    rate[:5, :9] = np.nan
    again = fit_second(bank, rate, tried, table.dispersion)
    np.testing.assert_array_equal(first.slope, again.slope)
    part = replace(bank, difficulty=np.where(np.arange(120) < 110, bank.difficulty, np.nan))
    found = fit_second(part, rate, tried, table.dispersion)
    assert (found.slope[110:] == 0).all()
    assert np.isfinite(found.slope).all()
    with pytest.raises(ArgumentError, match="axis 'item'"):
        fit_second(bank, rate, tried, table.dispersion[:5])


def test_tables_are_of_the_attempts_that_a_question_gets(bent):
    """Eight recorded attempts vary 1 + 7 r times a coin: one varies as a coin, all as before."""
    table, tried = bent[1], bent[3][:60]
    one, three, eight = (at_samples(table, tried, n) for n in (1, 3, 8))
    within = np.clip((table.dispersion - 1) / 7, 0, 1)
    np.testing.assert_allclose(one.dispersion, 1)
    np.testing.assert_allclose(three.dispersion, 1 + 2 * within)
    np.testing.assert_array_equal(eight.dispersion, table.dispersion)
    np.testing.assert_allclose(three.caution / three.dispersion, table.caution / table.dispersion)
    part = rows_of(three, np.array([5, 2]))
    np.testing.assert_array_equal(part.chance, three.chance[[5, 2]])
    assert part.node is three.node
    # single answers do not tell how alike further ones are
    single = at_samples(table, np.ones_like(tried), 4)
    np.testing.assert_array_equal(single.dispersion, table.dispersion)
