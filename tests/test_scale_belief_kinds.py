"""Mixtures for pools of several kinds of problems, and trends by level."""

import dataclasses

import numpy as np
import pytest
from test_choice_budgets import PROBLEMS, gains, populations, two_points
from test_scale_belief import after as after_plain
from test_scale_belief import batch_of, pool_of

from gradatim.scale import belief, belief_mixture, belief_trend
from gradatim.scale.belief_mixture import GRID, INSIDE
from gradatim.types import Pool

MIXTURE = belief_mixture.BELIEFS["mixture"]


def after(pool, batches, **options):
    options = {**MIXTURE.options, **options}
    state = MIXTURE.init(pool, **options)
    for batch in batches:
        state = MIXTURE.observe(state, batch, **options)
    return MIXTURE.suggest(state, pool, **options)


def by_mixture(p, k, n):
    """The mixture after n attempts on every problem of one source."""
    pool = Pool(source=np.zeros(PROBLEMS, int), sources=("all",), floor=np.zeros(PROBLEMS))
    every = np.full(PROBLEMS, float(n))
    totals = np.array([every.sum()]), np.array([float(k.sum())])
    state = belief.Levels(every, k.astype(float), every, *totals, pool.source, 0)
    found = MIXTURE.suggest(state, pool, **MIXTURE.options)
    return found.alpha, found.beta


# -- S005: what drives allocation -------------------------------------------------------------


@pytest.mark.parametrize("name", ["mastered", "two"])
def test_s005_the_mixture_never_loses_on_pools_of_two_kinds(name):
    mean, error = gains(by_mixture, earlier=16, pools=two_points)[name]
    assert mean > -2 * error


def test_s005_the_mixture_wins_where_one_beta_wins():
    for name, (mean, error) in gains(by_mixture, repeats=15).items():
        assert mean > 2 * error, name


# -- the fit ----------------------------------------------------------------------------------


def test_posterior_by_hand():
    # two cells with weights 1/4 and 3/4: after k = 1 of 2 by Bayes, then each cell as a Beta
    weight = np.zeros((1, len(GRID)))
    weight[0, 3], weight[0, 20] = 0.25, 0.75
    k, n = np.ones(1), np.full(1, 2.0)
    post = np.array([0.25, 0.75]) * (GRID[[3, 20]] * (1 - GRID[[3, 20]]))
    post /= post.sum()
    cell = (INSIDE * GRID[[3, 20]] + 1) / (INSIDE + 2)
    inner = cell * (1 - cell) / (INSIDE + 3)
    mean = post @ cell
    got = belief_mixture._moments(weight, k, n, belief_mixture.likelihood(k, n))
    assert got[0][0] == pytest.approx(mean, rel=1e-5)
    assert got[1][0] == pytest.approx(post @ (inner + cell**2) - mean**2, rel=1e-4)


def test_two_kinds_are_found_and_one_kind_stays_a_beta():
    rng = np.random.default_rng(0)
    pool = pool_of(np.repeat([0, 1], 150))
    p = np.r_[np.where(rng.random(150) < 0.5, 0.9, 0.1), rng.beta(2, 2, 150)]
    problem = np.repeat(np.arange(300), 16)
    batch = batch_of(problem, rng.random(len(problem)) < p[problem])
    state = MIXTURE.observe(MIXTURE.init(pool), batch, **MIXTURE.options)
    shape = belief.fit_sources(state, correlation=0.1, weight=8.0, pseudo=1.0)
    weight = belief_mixture.fit_weights(state, shape, rounds=60, sparse=3.0)
    np.testing.assert_allclose(weight.sum(axis=1), 1)
    near = (np.abs(GRID - 0.1) < 0.06) | (np.abs(GRID - 0.9) < 0.06)
    assert weight[0, near].sum() > 0.8
    precision = 1 / shape.correlation - 1
    beta = belief_mixture.cells_of(shape.mean * precision, (1 - shape.mean) * precision)
    assert np.abs(weight[1] - beta[1]).max() < 0.02
    found = after(pool, [batch])
    assert np.abs(found.alpha / (found.alpha + found.beta) - p)[:150].mean() < 0.04


def test_draws_of_a_source_move_together():
    pool = pool_of([0] * 6 + [1] * 6)
    found = after(pool, [batch_of([0, 1, 6, 7], [1, 0, 1, 0])])
    draws = found.draw(np.random.default_rng(0), 3000)
    assert np.corrcoef(draws[:, 3], draws[:, 4])[0, 1] > 0.1
    assert abs(np.corrcoef(draws[:, 3], draws[:, 10])[0, 1]) < 0.08
    mean = found.alpha / (found.alpha + found.beta)
    np.testing.assert_allclose(draws.mean(axis=0), mean, atol=0.03)


def test_more_problems_than_weights_are_fitted_on(monkeypatch):
    p = populations(np.random.default_rng(0))["mastered"]
    k = np.random.default_rng(1).binomial(16, p)
    whole = by_mixture(p, k, 16)
    monkeypatch.setattr(belief_mixture, "MOST", 128)
    part = by_mixture(p, k, 16)
    mean = [a / (a + b) for a, b in (whole, part)]
    assert np.abs(mean[0] - mean[1]).mean() < 0.03


# -- trends -----------------------------------------------------------------------------------


def test_smooth_is_the_normal_posterior_where_counts_are_many():
    # many attempts: likelihoods are normal, N(logit, 1 / (n p q)); compare with the closed form
    covariance = np.array([[1.0, 0.8], [0.8, 1.0]])
    k, n = np.array([4000.0, 0.0]), np.array([5000.0, 0.0])
    mean, variance = belief_trend.smooth(k, n, covariance)
    noise = 1 / (5000 * 0.8 * 0.2)
    assert mean[0] == pytest.approx(np.log(4) / (1 + noise), abs=2e-3)
    assert mean[1] == pytest.approx(0.8 * np.log(4) / (1 + noise), abs=2e-3)
    assert variance[1] == pytest.approx(1 - 0.64 / (1 + noise), abs=1e-3)


def test_an_unseen_level_lies_between_its_neighbours():
    level = np.repeat(np.arange(1.0, 8.0), 20)
    source = level.astype(int) - 1
    pool = dataclasses.replace(pool_of(source), level=level, family=np.zeros(140, int))
    tried = np.flatnonzero((source != 3) & (source != 6))
    problem = np.repeat(tried, 8)
    rng = np.random.default_rng(0)
    solved = rng.random(len(problem)) < np.linspace(0.9, 0.1, 7)[source[problem]]
    for name in ("hierarchical", "mixture"):
        make = after_plain if name == "hierarchical" else lambda _, *a, **o: after(*a, **o)
        plain = make(name, pool, [batch_of(problem, solved)])
        found = make(name, pool, [batch_of(problem, solved)], trend=True)
        mean = found.alpha / (found.alpha + found.beta)
        assert mean[source == 3][0] == pytest.approx(0.5, abs=0.12)
        assert mean[source == 6][0] < 0.35  # beyond the last: on the line
        unseen = source == 3
        assert (found.alpha + found.beta)[unseen][0] > (plain.alpha + plain.beta)[unseen][0]
        # what was tried often says the same with and without
        old = plain.alpha / (plain.alpha + plain.beta)
        assert np.abs(mean - old)[tried].max() < 0.05


def test_a_trend_without_levels_or_families_is_no_trend():
    pool = pool_of([0, 0, 1, 2])
    found = after_plain("hierarchical", pool, [batch_of([0, 1, 2], [1, 0, 1])], trend=True)
    assert np.isfinite(found.alpha + found.beta).all()
    assert (found.alpha > 0).all()


def test_kinds_of_sources_that_do_not_agree():
    pool = dataclasses.replace(
        pool_of([0, 0, 1, 1, 3]),
        family=np.array([0, 1, 1, 1, 0]),
        level=np.array([1.0, 1.0, 2.0, np.nan, 5.0]),
    )
    about = belief_trend.kinds(pool)
    assert about.family.tolist() == [-1, 1, -3, 0]  # 0 mixes families, 2 has no problem
    np.testing.assert_array_equal(about.level, [1, np.nan, np.nan, 5])
