"""Held-out cells: scores by hand, posteriors by brute force, and the acceptance on real data."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from gradatim.errors import ArgumentError
from gradatim.scale import heldout, irt, predictive
from gradatim.store.formats import read_responses
from gradatim.types import Responses


def responses(solved, tried):
    solver, item = np.nonzero(tried)
    return Responses(
        solver=solver,
        item=item,
        solved=np.asarray(solved, float)[solver, item],
        tried=np.asarray(tried)[solver, item],
        solvers=tuple(f"s{i:03d}" for i in range(len(solved))),
        items=tuple(f"i{i:03d}" for i in range(np.shape(solved)[1])),
    )


def simulated(n_persons, n_items, *, seed=0, keep=1.0, slopes=0.4):
    rng = np.random.default_rng(seed)
    theta = rng.normal(size=n_persons)
    a, b = np.exp(slopes * rng.normal(size=n_items)), 1.5 * rng.normal(size=n_items)
    p = special.expit(a * (theta[:, None] - b))
    n = (rng.random(p.shape) < keep).astype(int)
    data = responses(rng.random(p.shape) < p, n)
    return data, p[data.solver, data.item]


# -- scores -----------------------------------------------------------------------------------

TWO = responses([[3, 0], [0, 1]], [[4, 0], [0, 1]])  # 3 of 4 and 1 of 1


def test_scores_by_hand():
    chance = np.array([0.5, 0.8])
    # 4 attempts at log 2, one at -log 0.8
    assert heldout.log_loss(TWO, chance) == pytest.approx((4 * np.log(2) - np.log(0.8)) / 5)
    # (4 * 0.25 + 0.2^2) / 5
    assert heldout.brier(TWO, chance) == pytest.approx(0.208)
    # solved: three at .5, one at .8; failed: one at .5. Pairs won: 3 ties of half and one: 2.5 of 4
    assert heldout.auc(TWO, chance) == pytest.approx(2.5 / 4)
    found = heldout.calibration(TWO, chance, bins=2)
    assert found.observed.tolist() == [0.75, 1.0]
    assert found.predicted.tolist() == [0.5, 0.8]
    assert found.n.tolist() == [4, 1]
    # |3 - 2| + |1 - 0.8| of 5
    assert found.error == pytest.approx(1.2 / 5)


def test_certain_and_wrong_is_costly_but_finite():
    assert heldout.log_loss(TWO, np.array([0.75, 0.0])) > 5
    assert np.isnan(heldout.auc(responses([[1, 1]], [[1, 1]]), np.array([0.5, 0.6])))


@given(st.integers(0, 1000), st.integers(1, 20))
def test_bins_hold_all_attempts_about_equally(seed, bins):
    rng = np.random.default_rng(seed)
    n = rng.integers(1, 6, (1, 200))
    data = responses(rng.binomial(n, 0.4), n)
    found = heldout.calibration(data, rng.random(200), bins=bins)
    assert found.n.sum() == n.sum()
    assert (np.diff(found.predicted) > 0).all()
    assert np.abs(found.n - n.sum() / bins).max() <= 5  # a cell is not split
    assert ((found.low <= found.observed) & (found.observed <= found.high)).all()


def test_honest_predictions_have_a_small_error_and_dishonest_ones_do_not():
    rng = np.random.default_rng(0)
    p = rng.random((1, 20_000))
    data = responses(rng.random(p.shape) < p, np.ones(p.shape, int))
    assert heldout.calibration(data, p[0]).error < 0.01
    inside = heldout.calibration(data, p[0])
    assert np.mean((inside.low <= inside.predicted) & (inside.predicted <= inside.high)) >= 0.8
    # predictions pulled half-way to 1/2 are off by half of the distance, 1/8 on average
    assert heldout.calibration(data, 0.25 + p[0] / 2).error == pytest.approx(0.125, abs=0.01)


def test_intervals_know_that_attempts_of_a_cell_repeat_each_other():
    rng = np.random.default_rng(1)
    once = rng.random((1, 2000)) < 0.5
    data = responses(once * 10, np.full(once.shape, 10))  # ten tries, all or none
    width = np.ptp([heldout.calibration(data, np.full(2000, 0.5), bins=1)[i][0] for i in (2, 3)])
    assert width == pytest.approx(2 * 1.96 * np.sqrt(0.25 / 2000), rel=0.1)


def test_difference_of_losses_covers_none_where_there_is_none():
    data, p = simulated(30, 200, seed=3)
    rng = np.random.default_rng(5)
    shaken = special.expit(special.logit(p) + 0.3 * rng.normal(size=len(p)))
    gap = heldout.compare_losses(data, p, shaken)
    assert gap.value == pytest.approx(heldout.log_loss(data, p) - heldout.log_loss(data, shaken))
    assert gap.n == 200
    assert gap.high < 0  # the truth predicts better
    both = special.expit(special.logit(p) - 0.3 * rng.normal(size=len(p)))
    other = heldout.compare_losses(data, shaken, both)
    assert other.low < 0 < other.high


# -- folds ------------------------------------------------------------------------------------


def test_folds_depend_on_names_alone():
    data, _ = simulated(20, 30, keep=0.6)
    fold = heldout.split_cells(data, 10)
    order = np.random.default_rng(0).permutation(len(fold))
    turned = replace(
        data,
        solver=data.solver[order],
        item=data.item[order],
        solved=data.solved[order],
        tried=data.tried[order],
    )
    np.testing.assert_array_equal(heldout.split_cells(turned, 10), fold[order])
    assert (heldout.split_cells(data, 10, seed=1) != fold).any()
    assert np.bincount(fold, minlength=10).min() > 15


def test_no_prediction_sees_its_own_cell():
    data, _ = simulated(12, 20, seed=2)
    out = heldout.hold_out(data, folds=4)
    first = int(np.flatnonzero(out.fold == 1)[0])
    flipped = data.solved.copy()
    flipped[out.fold == 1] = 1 - flipped[out.fold == 1]
    again = heldout.hold_out(replace(data, solved=flipped), folds=4)
    np.testing.assert_array_equal(out.chance[out.fold == 1], again.chance[out.fold == 1])
    assert out.guesses["item"][first] == again.guesses["item"][first]
    assert not np.allclose(out.chance[out.fold == 0], again.chance[out.fold == 0])


def test_guesses_are_the_pass_rates_of_the_other_folds():
    data, _ = simulated(40, 25, seed=4)
    out = heldout.hold_out(data, folds=5, guesses=("item", "solver"))
    kept = out.fold != 2
    for name, index in (("item", data.item), ("solver", data.solver)):
        rate = np.bincount(index[kept], weights=data.solved[kept]) / np.bincount(index[kept])
        here = out.fold == 2
        both = np.corrcoef(out.guesses[name][here], rate[index[here]])[0, 1]
        assert both > 0.97  # shrunk, in the same order


def test_bad_arguments():
    data, _ = simulated(3, 4)
    with pytest.raises(ArgumentError, match="`folds`"):
        heldout.hold_out(data, folds=1)
    with pytest.raises(ArgumentError, match="did you mean 'additive'"):
        heldout.hold_out(data, folds=2, guesses=("aditive",))
    with pytest.raises(ArgumentError, match="`chance`"):
        heldout.log_loss(data, np.full(12, 1.5))


# -- prediction -------------------------------------------------------------------------------


def test_posterior_of_an_item_is_that_of_a_fine_grid():
    data, _ = simulated(40, 60, seed=5, keep=0.8)
    bank = irt.fit(data)
    found = predictive.item_posteriors(bank, data)
    among = predictive.spread_among(bank, data)
    log_a, b = np.meshgrid(np.linspace(-2, 2.5, 91), np.linspace(-12, 12, 481), indexing="ij")
    prior = -0.5 * ((log_a - among.centre) / among.slope) ** 2
    prior -= 0.5 * ((b - among.middle) / among.difficulty) ** 2
    base, share = np.polynomial.hermite_e.hermegauss(5)
    share = share / share.sum()
    cells = predictive._abilities(bank, predictive.arrange(data))
    for item in (0, 11, int(np.argmax(bank.difficulty)), int(np.argmin(bank.difficulty))):
        own = data.item == item
        x = cells[0][data.solver[own], None] + cells[1][data.solver[own], None] * base
        log = prior.copy()
        for row, k in zip(x, data.solved[own], strict=True):
            eta = np.exp(log_a)[..., None] * (row - b[..., None])
            log += (k * special.log_expit(eta) + (1 - k) * special.log_expit(-eta)) @ share
        weight = np.exp(log - log.max())
        weight /= weight.sum()
        theta = np.array([-1.5, 0.0, 1.5])
        fine = [np.sum(weight * special.expit(np.exp(log_a) * (t - b))) for t in theta]
        ours = found.weight[item] @ special.expit(
            found.slope[item][:, None] * (theta - found.difficulty[item][:, None])
        )
        np.testing.assert_allclose(ours, fine, atol=0.004)


def test_integrated_predictions_beat_those_at_the_estimates():
    data, truth = simulated(40, 200, seed=6)
    fold = heldout.split_cells(data, 5)
    out = heldout.hold_out(data, folds=5, guesses=("additive", "item", "solver"))
    plug = heldout.hold_out(data, folds=5, guesses=(), plug_in=True)
    np.testing.assert_array_equal(out.fold, fold)
    loss = heldout.log_loss(data, out.chance)
    assert loss < heldout.log_loss(data, plug.chance)
    assert heldout.log_loss(data, truth) < loss < heldout.log_loss(data, out.guesses["additive"])
    for name in ("item", "solver"):
        assert heldout.compare_losses(data, out.chance, out.guesses[name]).high < 0
    assert heldout.calibration(data, out.chance).error < 0.03
    assert (
        heldout.calibration(data, plug.chance).error > heldout.calibration(data, out.chance).error
    )


def test_items_and_solvers_without_a_cell_are_predicted_as_one_of_the_others():
    data, _ = simulated(30, 20, seed=7)
    more = replace(data, solvers=(*data.solvers, "new"), items=(*data.items, "fresh"))
    bank = irt.fit(more)
    chance = predictive.predict(bank, more, np.array([0, 30, 30]), np.array([20, 0, 20]))
    assert ((chance > 0.05) & (chance < 0.95)).all()
    able = int(np.argmax(bank.ability[:30]))
    weak = int(np.argmin(bank.ability[:30]))
    at = predictive.predict(bank, more, np.array([weak, able]), np.array([20, 20]))
    assert at[0] < chance[2] < at[1]


def test_always_solved_items_are_not_taken_for_certain():
    solved = np.ones((10, 3))
    solved[:5, 1:] = 0
    data = responses(solved, np.ones((10, 3), int))
    bank = irt.fit(data)
    chance = predictive.predict(bank, data, np.arange(10), np.zeros(10, int))
    assert ((chance > 0.6) & (chance < 0.999)).all()
    assert (chance[5:] > chance[:5]).all()


def test_curves_with_two_bounds_predict_between_them():
    data, _ = simulated(25, 15, seed=8)
    bank = irt.fit(data, floor=np.full(15, 0.25))
    chance = predictive.predict(bank, data, data.solver, data.item)
    assert chance.min() > 0.25
    capped = replace(bank, ceiling=np.full(15, 0.9))
    assert predictive.predict(capped, data, data.solver, data.item).max() < 0.9


# -- acceptance on real data ------------------------------------------------------------------


def accepted(path):
    data = read_responses(path)
    out = heldout.hold_out(data)
    assert out.converged
    for name in ("item", "solver"):
        assert heldout.compare_losses(data, out.chance, out.guesses[name]).high < 0, name
    # not above the additive model beyond noise
    assert heldout.compare_losses(data, out.chance, out.guesses["additive"]).low <= 0
    assert heldout.calibration(data, out.chance).error < 0.03


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["verbagg", "sat12", "zeroeval_gsm", "zeroeval_crux", "livecodebench_generation"]
)
def test_held_out_cells_of_real_data(name, data_dir):
    accepted(data_dir / f"{name}.npz")
