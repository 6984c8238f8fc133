from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from gradatim.errors import ArgumentError
from gradatim.scale.anchored import fit_anchored
from gradatim.scale.curves import flat
from gradatim.scale.irt import fit
from gradatim.scale.link import merge
from gradatim.scale.online import calibrate_online
from gradatim.types import Matrix, Responses


def answers(rng, theta, a, b, *, names, tag="s", floor=0.0, tried=1, seen=1.0):
    chance = floor + (1 - floor) * special.expit(a * (theta[:, None] - b))
    solved = rng.binomial(tried, chance).astype(float)
    kept = rng.random(chance.shape) < seen
    person, item = np.nonzero(kept)
    return Responses(
        solver=person,
        item=item,
        solved=solved[kept],
        tried=np.full(len(person), tried),
        solvers=tuple(f"{tag}{i:04}" for i in range(len(theta))),
        items=tuple(names),
    )


def draw_items(rng, n):
    return np.exp(0.3 * rng.standard_normal(n)), rng.standard_normal(n)


def bank_of(a, b, names, **more):
    return replace(flat(difficulty=b, discrimination=a, **more), items=tuple(names))


NAMES = [f"i{k:02}" for k in range(30)]


def test_known_items_stay_and_the_rest_is_on_their_scale():
    """20 known items, 10 new, 800 persons of N(0.6, 0.8^2): all is found where it is."""
    rng = np.random.default_rng(1)
    a, b = draw_items(rng, 30)
    theta = 0.6 + 0.8 * rng.standard_normal(800)
    bank = bank_of(a[:20], b[:20], NAMES[:20])
    found = fit_anchored(answers(rng, theta, a, b, names=NAMES), bank)
    assert found.scale == bank.scale
    assert found.items == tuple(NAMES)
    np.testing.assert_array_equal(found.difficulty[:20], b[:20])
    np.testing.assert_array_equal(found.discrimination[:20], a[:20])
    assert np.all(found.se_difficulty[:20] == 0)
    assert np.all(found.se_difficulty[20:] > 0)
    assert found.fit["converged"]
    assert found.fit["anchors"] == 20
    assert found.fit["new"] == 10
    mean, sd = found.fit["population"]
    errors = found.fit["se_population"]
    assert abs(mean - 0.6) < 3 * errors[0]
    assert abs(sd - 0.8) < 3 * errors[1]
    # sampling alone gives 0.8 / sqrt(800) = 0.028 and 0.8 / sqrt(1600) = 0.02, answers add to it
    assert 0.028 < errors[0] < 0.04
    assert 0.02 < errors[1] < 0.035
    assert np.all(np.abs(found.difficulty[20:] - b[20:]) < 4 * found.se_difficulty[20:])
    expected = np.sqrt(1 - np.mean(found.se_ability**2) / theta.var())
    assert np.corrcoef(found.ability, theta)[0, 1] == pytest.approx(expected, abs=0.03)
    assert len(merge(bank, found).items) == 30


def coverage(runs, *, n_old, n_new):
    """Shares of 95% intervals that hold: b, a, ability; and rms z of mean and sd."""
    held, scores = [], []
    for run in range(runs):
        rng = np.random.default_rng([7, run])
        a, b = draw_items(rng, 30)
        one, two = rng.standard_normal(n_old), 0.6 + 0.8 * rng.standard_normal(n_new)
        bank = fit(answers(rng, one, a[:20], b[:20], names=NAMES[:20], tag="o"))
        found = fit_anchored(answers(rng, two, a[5:], b[5:], names=NAMES[5:]), bank)
        zero, unit = one.mean(), one.std()  # the bank's scale is its own solvers'
        z = [
            (found.difficulty - (b[5:] - zero) / unit)[15:] / found.se_difficulty[15:],
            (found.discrimination - a[5:] * unit)[15:] / found.se_discrimination[15:],
            (found.ability - (two - zero) / unit) / found.se_ability,
        ]
        held.append([np.mean(np.abs(values) < 1.96) for values in z])
        truth = np.array([(0.6 - zero) / unit, 0.8 / unit])
        scores.append((np.array(found.fit["population"]) - truth) / found.fit["se_population"])
    return np.mean(held, axis=0), np.sqrt(np.mean(np.square(scores), axis=0))


def test_intervals_hold_the_errors_of_known_items():
    held, _ = coverage(6, n_old=150, n_new=200)
    assert np.all(held > 0.9), held


@pytest.mark.slow
@pytest.mark.parametrize(("n_old", "n_new"), [(200, 400), (1000, 300)])
def test_coverage(n_old, n_new, capsys):
    held, scores = coverage(40, n_old=n_old, n_new=n_new)
    with capsys.disabled():
        print(
            f"\nanchored, bank of {n_old}, {n_new} new persons: 95% intervals hold "
            f"b {held[0]:.3f}, a {held[1]:.3f}, theta {held[2]:.3f}; "
            f"rms z of mean, sd {scores.round(2)}"
        )
    # 400 intervals of new items a case: 0.95 +- 0.022 at 2 sd, items of a run sharing their errors
    assert np.all((held > 0.92) & (held < 0.985))
    assert np.all(scores < 1.3)


def test_errors_of_known_items_widen_those_of_new_ones():
    rng = np.random.default_rng(3)
    a, b = draw_items(rng, 12)
    responses = answers(rng, rng.standard_normal(400), a, b, names=NAMES[:12])
    sure = bank_of(a[:8], b[:8], NAMES[:8])
    unsure = replace(sure, se_difficulty=np.full(8, 0.3), se_discrimination=a[:8] * 0.2)
    one, two = fit_anchored(responses, sure), fit_anchored(responses, unsure)
    np.testing.assert_allclose(one.difficulty, two.difficulty)
    assert np.all(two.se_difficulty[8:] > one.se_difficulty[8:])
    assert np.all(two.se_ability > one.se_ability)
    # the mean of 8 independent errors of 0.3, however weighted: at least 0.3 / sqrt(8) = 0.106
    added = two.fit["se_population"][0] ** 2 - one.fit["se_population"][0] ** 2
    assert added > 0.1**2


@pytest.mark.parametrize("model", ["3pl", pytest.param("4pl", marks=pytest.mark.slow)])
def test_floors_of_new_items_are_found(model):
    rng = np.random.default_rng(5)
    a, b = draw_items(rng, 16)
    a, low = a + 0.5, 0.2
    bank = bank_of(a[:12], b[:12], NAMES[:12], floor=np.full(12, low))
    theta = -0.5 + 1.2 * rng.standard_normal(1500)
    responses = answers(rng, theta, a, b, names=NAMES[:16], floor=low)
    found = fit_anchored(responses, bank, model=model)
    np.testing.assert_array_equal(found.floor[:12], bank.floor)
    assert np.all(np.abs(found.floor[12:] - low) < 3.5 * found.se_floor[12:] + 0.02)
    assert np.all(np.abs(found.difficulty[12:] - b[12:]) < 4 * found.se_difficulty[12:])
    if model == "3pl":
        assert found.ceiling is None
        assert found.se_ceiling is None
    else:
        assert np.all(found.ceiling[:12] == 1)
        assert np.all(found.ceiling[12:] > 0.85)


def test_a_known_floor_and_a_rasch_slope():
    rng = np.random.default_rng(6)
    b = rng.standard_normal(10)
    bank = bank_of(np.ones(7), b[:7], NAMES[:7], floor=np.full(7, 0.25))
    responses = answers(rng, rng.standard_normal(1500), 1.0, b, names=NAMES[:10], floor=0.25)
    found = fit_anchored(responses, bank, model="rasch", floor=np.full(10, 0.25))
    assert np.all(found.discrimination == 1)
    assert np.all(found.se_discrimination[7:] == 0)
    assert np.all(np.abs(found.difficulty[7:] - b[7:]) < 4 * found.se_difficulty[7:])


@settings(max_examples=10, deadline=None)
@given(st.floats(0.5, 2), st.floats(-1.5, 1.5))
def test_another_scale_for_the_bank_is_another_scale_for_all(slope, shift):
    """theta' = slope theta + shift: priors off, nothing else changes."""
    rng = np.random.default_rng(9)
    a, b = draw_items(rng, 8)
    responses = answers(rng, rng.standard_normal(120), a, b, names=NAMES[:8], tried=5)
    one = fit_anchored(responses, bank_of(a[:5], b[:5], NAMES[:5]), priors=None)
    two = fit_anchored(
        responses, bank_of(a[:5] / slope, slope * b[:5] + shift, NAMES[:5]), priors=None
    )
    assert two.fit["loglik"] == pytest.approx(one.fit["loglik"], abs=1e-4)
    np.testing.assert_allclose(two.difficulty, slope * one.difficulty + shift, atol=2e-3)
    np.testing.assert_allclose(two.se_difficulty, slope * one.se_difficulty, rtol=0.01)
    np.testing.assert_allclose(two.ability, slope * one.ability + shift, atol=2e-3)


def test_missing_cells_and_extremes_are_finite():
    rng = np.random.default_rng(2)
    a, b = draw_items(rng, 12)
    responses = answers(rng, rng.standard_normal(60), a, b, names=NAMES[:12], seen=0.4)
    solved = responses.solved.copy()
    solved[responses.item == 10] = 1  # a new item that all solve, and one that none does
    solved[responses.item == 11] = 0
    found = fit_anchored(replace(responses, solved=solved), bank_of(a[:8], b[:8], NAMES[:8]))
    for values in (found.difficulty, found.se_difficulty, found.ability, found.se_ability):
        assert np.all(np.isfinite(values))
    assert found.difficulty[10] < b.min()
    assert found.difficulty[11] > b.max()


def test_what_cannot_be_anchored_is_one_clear_line():
    rng = np.random.default_rng(0)
    responses = answers(rng, np.zeros(4), np.ones(3), np.zeros(3), names=("7", "8", "9"))
    with pytest.raises(ArgumentError, match="no overlap with the linked bank: none of 3"):
        fit_anchored(responses, bank_of(np.ones(2), np.zeros(2), ("x", "y")))
    with pytest.raises(ArgumentError, match=r"look alike.*'7' and '07'"):
        fit_anchored(responses, bank_of(np.ones(2), np.zeros(2), ("07", "08")))
    bank = bank_of(np.ones(2), np.zeros(2), ("7", "8"))
    with pytest.raises(ArgumentError, match="model"):
        fit_anchored(responses, bank, model="5pl")
    with pytest.raises(ArgumentError, match="estimates it"):
        fit_anchored(responses, bank, model="3pl", floor=np.zeros(3))


def test_a_table_is_anchored_as_cells_are():
    rng = np.random.default_rng(5)
    a, b = draw_items(rng, 30)
    cells = answers(rng, rng.standard_normal(60), a, b, names=NAMES)
    table = Matrix(
        solved=cells.solved.reshape(60, 30), tried=1, solvers=cells.solvers, items=cells.items
    )
    bank = bank_of(a[:20], b[:20], NAMES[:20])
    one, two = fit_anchored(cells, bank), fit_anchored(table, bank)
    np.testing.assert_array_equal(one.difficulty, two.difficulty)
    np.testing.assert_array_equal(one.tried, two.tried)
    known = replace(bank, solvers=one.solvers, ability=one.ability, se_ability=one.se_ability)
    new = replace(table, solved=table.solved[:, 20:], items=table.items[20:])
    assert np.corrcoef(calibrate_online(known, new).difficulty, b[20:])[0, 1] > 0.8


# -- online -----------------------------------------------------------------------------------


def solvers_known(rng, n, se):
    """Abilities as known (posterior means) and as they are: theta ~ N(known, se^2)."""
    mean = np.sqrt(1 - se**2) * rng.standard_normal(n)
    return mean, mean + se * rng.standard_normal(n)


def placed_online(rng, *, n, se, tried, items=60):
    a, b = draw_items(rng, items)
    mean, theta = solvers_known(rng, n, se)
    responses = answers(rng, theta, a, b, names=[f"n{k}" for k in range(items)], tried=tried)
    old_a, old_b = draw_items(rng, 30)
    bank = replace(
        bank_of(old_a, old_b, NAMES),
        solvers=responses.solvers,
        ability=mean,
        se_ability=np.full(n, se),
    )
    return calibrate_online(bank, responses), a, b, responses, bank


@pytest.mark.parametrize(("n", "se", "tried"), [(30, 0.3, 4), (200, 0.5, 1)])
def test_online_intervals_hold(n, se, tried):
    rng, z_b, z_a = np.random.default_rng(n), [], []
    for _ in range(6):
        found, a, b, _, _ = placed_online(rng, n=n, se=se, tried=tried)
        assert found.fit["converged"]
        z_b.append((found.difficulty - b) / found.se_difficulty)
        z_a.append(
            np.log(found.discrimination / a) * found.discrimination / found.se_discrimination
        )
    # 360 intervals: 0.95 +- 0.023 at 2 sd; slopes under a prior hold a little more
    assert 0.92 < np.mean(np.abs(z_b) < 1.96) < 0.98
    assert 0.92 < np.mean(np.abs(z_a) < 1.96) < 0.995


def test_the_error_of_abilities_does_not_flatten_new_items():
    """As if abilities were exact, slopes shrink by about 1 / sqrt(1 + (a se)^2 / 2.9) = 0.93."""
    rng, ratios, recovered = np.random.default_rng(4), [], []
    for _ in range(2):
        found, a, _, responses, bank = placed_online(rng, n=800, se=0.7, tried=1, items=20)
        naive = calibrate_online(replace(bank, se_ability=np.full(800, 1e-6)), responses)
        ratios.append(naive.discrimination / found.discrimination)
        recovered.append(np.log(found.discrimination / a))
    # a = 1, se = 0.7: 1 / sqrt(1 + 0.49 / 2.9) = 0.925; the prior holds naive slopes up a little
    assert np.median(ratios) == pytest.approx(0.93, abs=0.025)
    assert abs(np.mean(recovered)) < 0.06


def test_online_agrees_with_the_plain_likelihood():
    """One item, exact abilities: the posterior mode by a grid over (log a, b)."""
    theta, k = np.array([-1.5, -0.5, 0.3, 1.2]), np.array([1.0, 3.0, 5.0, 9.0])
    bank = replace(
        bank_of(np.ones(2), np.array([-1.0, 1.0]), ("x", "y")),
        solvers=tuple("abcd"),
        ability=theta,
        se_ability=np.zeros(4),
    )
    found = calibrate_online(
        bank,
        Responses(
            solver=np.arange(4), item=np.zeros(4, int), solved=k, tried=np.full(4, 10),
            solvers=tuple("abcd"), items=("new",),
        ),
    )  # fmt: skip
    log_a, b = np.meshgrid(np.linspace(-0.4, 0.6, 501), np.linspace(-1, 1, 501), indexing="ij")
    p = special.expit(np.exp(log_a)[..., None] * (theta - b[..., None]))
    value = np.sum(k * np.log(p) + (10 - k) * np.log1p(-p), axis=-1)
    value -= (log_a / 0.5) ** 2 / 2 + (b / 4) ** 2 / 2  # the priors: centres 0, widths 0.5 and 4
    best = np.unravel_index(np.argmax(value), value.shape)
    assert np.log(found.discrimination[0]) == pytest.approx(log_a[best], abs=2e-3)
    assert found.difficulty[0] == pytest.approx(b[best], abs=3e-3)


def test_one_answer_moves_little_and_none_says_nothing():
    bank = replace(
        bank_of(np.ones(2), np.array([-1.0, 1.0]), ("x", "y")),
        solvers=("a",),
        ability=np.array([0.0]),
        se_ability=np.array([0.3]),
    )
    found = calibrate_online(
        bank,
        Responses(
            solver=np.array([0]), item=np.array([0]), solved=np.array([1.0]),
            tried=np.array([1]), solvers=("a",), items=("new", "unseen"),
        ),
    )  # fmt: skip
    assert -4 < found.difficulty[0] < 0
    assert found.se_difficulty[0] > 2
    assert np.isnan(found.difficulty[1])
    assert found.tried.tolist() == [1, 0]
    assert merge(bank, found).items == ("x", "y", "new", "unseen")


def test_online_refuses_strangers_and_known_items():
    rng = np.random.default_rng(0)
    _, _, _, responses, bank = placed_online(rng, n=5, se=0.3, tried=1, items=2)
    with pytest.raises(ArgumentError, match=r"no ability of solver 's0000'"):
        calibrate_online(replace(bank, ability=np.full(5, np.nan)), responses)
    with pytest.raises(ArgumentError, match="did you mean 's0003'"):
        calibrate_online(replace(bank, solvers=("a", "b", "c", "s0003", "d")), responses)
    with pytest.raises(ArgumentError, match="which the bank has"):
        calibrate_online(bank, replace(responses, items=("i00", "n1")))
