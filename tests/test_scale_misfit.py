"""Fit statistics: by hand, nominal size where the model holds, power where it does not."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import optimize, special, stats

from gradatim.errors import ArgumentError
from gradatim.scale import irt, misfit, refit
from gradatim.scale.curves import flat, probability
from gradatim.scale.residuals import find_residuals, split_abilities
from gradatim.types import Responses


def responses(solved, tried):
    solver, item = np.nonzero(tried)
    return Responses(
        solver=solver,
        item=item,
        solved=np.asarray(solved, float)[solver, item],
        tried=np.asarray(tried)[solver, item],
        solvers=tuple(f"s{i:04d}" for i in range(len(solved))),
        items=tuple(f"i{i:04d}" for i in range(np.shape(solved)[1])),
    )


def simulated(
    n_persons, n_items, *, seed, keep=1.0, tried=1, within=0.0, reversed_=0, guessers=0, slopes=0.3
):
    """A 2PL; `reversed_` items are solved by the weak, `guessers` solve all items alike."""
    rng = np.random.default_rng(seed)
    theta = rng.normal(size=n_persons)
    a, b = np.exp(slopes * rng.normal(size=n_items)), rng.normal(size=n_items)
    p = special.expit(a * (theta[:, None] - b))
    p[:, :reversed_] = special.expit(a * (-theta[:, None] - b))[:, :reversed_]
    p[:guessers] = p[:guessers].mean(axis=1, keepdims=True)
    if within:
        size = 1 / within - 1
        p = rng.beta(np.maximum(p * size, 1e-9), np.maximum((1 - p) * size, 1e-9))
    n = np.where(rng.random(p.shape) < keep, tried, 0)
    return responses(rng.binomial(n, p), n)


def bank_of(n_persons, n_items, ability):
    bank = flat(difficulty=np.zeros(n_items), discrimination=np.ones(n_items))
    return replace(
        bank,
        items=tuple(f"i{i:04d}" for i in range(n_items)),
        solvers=tuple(f"s{i:04d}" for i in range(n_persons)),
        ability=np.asarray(ability, float),
        se_ability=np.zeros(n_persons),
        fit={"model": "rasch"},
    )


def test_mean_squares_by_hand():
    # four solvers of ability 0 on one item of difficulty 0: P = 1/2, every squared residual 1/4
    data = responses([[1], [1], [0], [0]], np.ones((4, 1), int))
    fit = misfit.fit_items(data, bank_of(4, 1, np.zeros(4)), draws=0)
    # leverage: item 1/4 / (4 / 4 + 1/16) = 4/17, person 1/4 / (1/4 + 1) = 1/5; kept 1 - 37/85
    kept = 1 - 37 / 85
    assert fit.outfit[0] == pytest.approx(1 / kept)
    assert fit.infit[0] == pytest.approx(1 / kept)
    # one attempt at P = 1/2 is always 1/4 off: no variance, and nothing to standardise by
    assert fit.n[0] == 4
    assert np.isnan(fit.p[0])


def test_standardised_mean_square_is_wilson_hilferty_with_binomial_moments():
    rng = np.random.default_rng(1)
    p, n = rng.uniform(0.2, 0.8, 30), rng.integers(1, 9, 30)
    ability = special.logit(p)
    k = rng.binomial(n, p)
    data = responses(k[:, None], n[:, None])
    bank = bank_of(30, 1, ability)
    cells = find_residuals(data, bank)
    fit = misfit.fit_items(data, bank, draws=0)
    fourth = np.array([stats.binom(m, q).stats(moments="k") for m, q in zip(n, p, strict=True)])
    spread = np.sqrt(np.sum(fourth + 2)) / 30  # Var(z^2) = kurtosis - 1, excess + 2
    z2 = (k - n * p) ** 2 / (n * p * (1 - p)) / (1 - cells.leverage)
    assert fit.outfit[0] == pytest.approx(z2.mean())
    expected = (np.cbrt(z2.mean()) - 1) * 3 / spread + spread / 3
    assert fit.outfit_z[0] == pytest.approx(expected)


def test_lz_star_is_snijders_formula_written_out():
    rng = np.random.default_rng(3)
    b, a = rng.normal(size=25), np.exp(rng.normal(0, 0.4, 25))
    y = rng.integers(0, 2, 25)
    items = flat(difficulty=b, discrimination=a)
    theta = optimize.brentq(lambda t: np.sum(a * (y - special.expit(a * (t - b)))) - t, -9, 9)
    bank = replace(bank_of(1, 25, [theta]), difficulty=b, discrimination=a, fit={"model": "2pl"})
    p = probability(theta, items)
    w, r = special.logit(p), a
    c = np.sum(a * p * (1 - p) * w) / np.sum(a * p * (1 - p) * r)
    # sum (y - p) (w - c r) = W - c sum (y - p) a = W - c theta at the mode under N(0, 1)
    star = (np.sum((y - p) * w) - c * theta) / np.sqrt(np.sum(p * (1 - p) * (w - c * r) ** 2))
    loglik = np.sum(np.where(y, np.log(p), np.log1p(-p)))
    mean = np.sum(p * np.log(p) + (1 - p) * np.log1p(-p))
    plain = (loglik - mean) / np.sqrt(np.sum(p * (1 - p) * w**2))
    fit = misfit.fit_persons(responses(y[None], np.ones((1, 25), int)), bank)
    assert fit.lz_star[0] == pytest.approx(star, abs=1e-9)
    assert fit.lz[0] == pytest.approx(plain, abs=1e-9)


def test_ability_without_the_item_is_what_the_other_items_say():
    data = simulated(30, 60, seed=2)
    bank = irt.fit(data)
    cells = find_residuals(data, bank)
    a, b = bank.discrimination, bank.difficulty
    y = np.zeros((30, 60))
    y[data.solver, data.item] = data.solved
    for cell in (0, 700, 1799):
        others = np.arange(60) != cells.item[cell]
        own = y[cells.person[cell], others]

        def score(t, own=own, others=others):
            return np.sum(a[others] * (own - special.expit(a[others] * (t - b[others])))) - t

        assert cells.rest[cell] == pytest.approx(optimize.brentq(score, -9, 9), abs=0.03)


def test_refitted_curves_maximise_the_likelihood():
    data = simulated(40, 30, seed=5)
    bank = irt.fit(data)
    cells = find_residuals(data, bank)
    framed = refit.frame(bank, cells, np.arange(30))
    log_a, level = refit.refit(framed, cells.solved[None])
    mean, sd = framed.prior
    for item in (0, 7, 29):
        own = cells.item == item
        x, y, s = cells.rest[own], cells.solved[own], cells.rest_sd[own]

        def loss(v, x=x, y=y, s=s):
            eta = (np.exp(v[0]) * x + v[1]) / np.sqrt(1 + np.pi / 8 * (np.exp(v[0]) * s) ** 2)
            fit = y @ special.log_expit(eta) + (1 - y) @ special.log_expit(-eta)
            return -fit + (v[0] - mean) ** 2 / (2 * sd**2) + v[1] ** 2 / 72

        found = loss([log_a[0, item], level[0, item]])
        best = optimize.minimize(loss, [0.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-6})
        assert found == pytest.approx(best.fun, abs=0.005)  # the factor's own slope is left out


@pytest.mark.parametrize("n", [1.0, 1.14, 2.5, 7.0])
def test_drawn_counts_have_binomial_mean_and_variance(n):
    rng = np.random.default_rng(0)
    drawn = refit.draw_counts(rng, np.array([n]), np.full((60_000, 1), 0.3))
    # errors of mean and variance of 60,000 draws: about 0.004 sd, and 1 %
    assert drawn.mean() == pytest.approx(0.3 * n, abs=0.02 * np.sqrt(n))
    assert drawn.var() == pytest.approx(0.21 * n, rel=0.04)


SHAPES = {
    "complete": {"n_persons": 40, "n_items": 300},
    "sparse": {"n_persons": 60, "n_items": 250, "keep": 0.4},
    "many tries that repeat each other": {
        "n_persons": 30, "n_items": 250, "tried": 10, "within": 0.5,
    },
    "few solvers": {"n_persons": 12, "n_items": 300, "tried": 8},
}  # fmt: skip


@pytest.mark.parametrize("model", ["2pl", "1pl"])
@pytest.mark.parametrize("shape", SHAPES)
def test_item_test_keeps_its_size(shape, model):
    data = simulated(seed=11, slopes=0.3 if model == "2pl" else 0.0, **SHAPES[shape])
    fit = misfit.fit_items(data, irt.fit(data, model=model), draws=60)
    false = int(np.sum(fit.p < 0.05))
    # over many seeds the size at 5 % is 4 to 7 % (6 % for 40 solvers): 98 % limits of a count
    low, high = stats.binom.ppf([0.01, 0.99], len(fit.p), [0.04, 0.07])
    assert low <= false <= high, f"{false} of {len(fit.p)}"
    assert np.mean(fit.p < 0.5) == pytest.approx(0.5, abs=0.1)


@pytest.mark.slow
@pytest.mark.parametrize(("n_persons", "n_items"), [(300, 24), (1000, 10), (200, 150)])
def test_item_test_keeps_its_size_in_short_tests(n_persons, n_items):
    p = []
    for seed in range(max(2, 60 // n_items)):
        data = simulated(n_persons, n_items, seed=seed)
        p.append(misfit.fit_items(data, irt.fit(data), draws=60, seed=seed).p)
    p = np.concatenate(p)
    assert np.sum(p < 0.05) <= stats.binom.ppf(0.99, len(p), 0.05), np.mean(p < 0.05)


@pytest.mark.parametrize(("model", "power"), [("1pl", 0.9), ("2pl", 0.6)])
def test_planted_items_are_found(model, power):
    data = simulated(40, 200, seed=4, reversed_=10)
    fit = misfit.fit_items(data, irt.fit(data, model=model), draws=60)
    assert np.mean(fit.p[:10] < 0.05) >= power
    assert np.mean(fit.p[10:] < 0.05) < 0.1
    assert np.median(fit.outfit[:10]) > 1.2
    assert np.median(fit.outfit[10:]) < 1.05
    by = misfit.residuals_by_ability(data, irt.fit(data, model=model))
    slope = (by.observed - by.expected)[:10, -1] - (by.observed - by.expected)[:10, 0]
    assert np.mean(slope < 0) >= 0.9  # the able fail, the weak solve


def test_planted_guessers_are_found_and_nobody_else():
    data = simulated(40, 300, seed=6, guessers=3)
    fit = misfit.fit_persons(data, irt.fit(data))
    assert (fit.lz_star[:3] < -4).all()
    assert np.mean(fit.lz_star[3:] < -1.645) < 0.1


def test_lz_star_keeps_its_size_where_lz_is_too_narrow():
    data = simulated(1500, 20, seed=7)
    fit = misfit.fit_persons(data, irt.fit(data))
    # 1,500 solvers: the error of a 5 % share is 0.6 %
    assert np.mean(fit.lz_star < -1.645) == pytest.approx(0.05, abs=0.02)
    assert fit.lz_star.std() == pytest.approx(1, abs=0.06)
    assert fit.lz.std() < fit.lz_star.std() - 0.05


def test_groups_hold_everything_once():
    data = simulated(50, 40, seed=8, keep=0.7, tried=3)
    bank = irt.fit(data, overdispersion=False)
    by = misfit.residuals_by_ability(data, bank, n_groups=5)
    assert by.n.sum() == data.tried.sum()
    assert np.nansum(by.observed * by.n) == pytest.approx(data.solved.sum())
    assert (np.diff(by.ability) > 0).all()
    # the curve's expectation adds up to what was solved, to a few standard errors
    gap = np.nansum((by.observed - by.expected) * by.n)
    assert abs(gap) < 3 * np.sqrt(np.nansum((by.se * by.n) ** 2))


def test_grouping_does_not_look_at_the_items_own_answer():
    data = simulated(200, 8, seed=9)
    bank = irt.fit(data)
    flipped = replace(data, solved=np.where(data.item == 0, 1 - data.solved, data.solved))
    first, second = (find_residuals(d, bank) for d in (data, flipped))
    own = first.item == 0
    same = split_abilities(first, 4)[own] == split_abilities(second, 4)[own]
    assert same.mean() > 0.97  # one Newton step, not exact


def test_the_same_seed_gives_the_same_p_and_other_items_do_not_matter_to_mean_squares():
    data = simulated(20, 30, seed=10)
    bank = irt.fit(data)
    first, again = (misfit.fit_items(data, bank, draws=30) for _ in range(2))
    np.testing.assert_array_equal(first.p, again.p)
    kept = data.item < 10
    part = replace(
        data,
        solver=data.solver[kept],
        item=data.item[kept],
        solved=data.solved[kept],
        tried=data.tried[kept],
    )
    some = misfit.fit_items(part, bank, draws=0)
    assert np.isnan(some.outfit[10:]).all()
    assert (some.n[10:] == 0).all()


def test_hard_inputs():
    solved = np.zeros((5, 4))
    solved[:, 0] = 1  # everybody, nobody
    data = responses(solved, np.ones((5, 4), int))
    bank = irt.fit(data)
    items, persons = misfit.fit_items(data, bank, draws=20), misfit.fit_persons(data, bank)
    assert np.isfinite(items.outfit).all()
    assert ((items.p >= 0) & (items.p <= 1)).all()
    assert np.isfinite(persons.outfit).all()
    one = responses(np.ones((1, 1)), np.ones((1, 1), int))
    assert np.isnan(misfit.fit_persons(one, irt.fit(one)).lz_star).all()
    strangers = replace(data, solvers=tuple("abcde"))
    with pytest.raises(ArgumentError, match=r"share no cell.*'a'"):
        misfit.fit_items(strangers, bank)
