"""Modes, means and weighted likelihoods of random tests against dense grids."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradatim.choice.matched import map_ability
from gradatim.scale import peaks
from gradatim.scale.ability import estimate_ability
from gradatim.scale.curves import evaluate, flat

PRIORS = [(0.0, 1.0), (1.5, 0.7), (0.0, 3.0)]


@st.composite
def a_test(draw, steepest=50.0):
    """Items, counts and a prior; one item to eight, all right and all wrong among them."""
    size = draw(st.integers(1, 8))

    def some(values):
        return np.array(draw(st.lists(values, min_size=size, max_size=size)), float)

    a = np.exp(some(st.floats(np.log(0.05), np.log(steepest))))
    floor = some(st.sampled_from([0.0, 0.0, 0.02, 0.25, 0.5]))
    ceiling = some(st.sampled_from([1.0, 1.0, 0.9, 0.6]))
    tried = some(st.sampled_from([1, 1, 2, 5, 50]))
    share = some(st.sampled_from([0.0, 1.0, 0.5, 0.3]))
    kind = draw(st.sampled_from(["mixed", "mixed", "right", "wrong"]))
    share = {"mixed": share, "right": share * 0 + 1, "wrong": share * 0}[kind]
    items = a, some(st.floats(-4, 4)), floor, ceiling
    return items, np.round(share * tried), tried, draw(st.sampled_from(PRIORS))


def logs(theta, items):
    """log P and log(1 - P) of (point, item), exact wherever double numbers reach."""
    a, b, c, u = items
    eta = a * (np.asarray(theta, float)[:, None] - b)
    s, rest = -np.logaddexp(0, -eta), -np.logaddexp(0, eta)
    with np.errstate(divide="ignore"):
        low, width, high = np.log(c), np.log(u - c), np.log1p(-u)
    return np.logaddexp(low, width + s), np.logaddexp(high, width + rest)


def posterior(theta, items, k, n, prior):
    right, wrong = logs(theta, items)
    return right @ k + wrong @ (n - k) - ((theta - prior[0]) / prior[1]) ** 2 / 2


def place(items, k, n, prior, **options):
    a, b, c, u = items
    bank = flat(difficulty=b, discrimination=a, floor=c, ceiling=u)
    item = np.arange(len(a))[None]
    return estimate_ability(bank, item, k[None], n[None], prior=prior, **options)


def grid(prior, size=10001):
    return np.linspace(prior[0] - 14 * prior[1], prior[0] + 14 * prior[1], size)


# -- the mode ---------------------------------------------------------------------------------


def test_the_mode_does_not_circle_with_a_guess_floor():
    # two failures at a = 3, b = 0, c = 1/2: -2 * 3 s(3 t) = t at t = -.68368
    items = np.array([[3.0], [0.0], [0.5], [1.0]])
    found = place(items, np.zeros(1), np.full(1, 2.0), (0.0, 1.0), method="map").value[0]
    assert found == pytest.approx(-0.68368, abs=1e-5)
    assert -6 / (1 + np.exp(-3 * found)) == pytest.approx(found, abs=1e-8)


@given(a_test(), st.floats(-9, 9))
def test_the_mode_is_the_highest_of_a_grid_whatever_the_start(test, start):
    items, k, n, prior = test
    found = place(items, k, n, prior, method="map", start=np.array([start])).value
    theta = grid(prior)
    assert posterior(found, *test)[0] >= posterior(theta, *test).max() - 1e-8
    near = found + np.array([-1e-4, 1e-4]) / items[0].max()
    assert posterior(near, *test).max() <= posterior(found, *test)[0] + 1e-9
    if np.all(items[3] == 1):
        a, b, floor, _ = items
        one = map_ability(k, n, b, discrimination=a, floor=floor, prior=prior)
        assert one == pytest.approx(found[0], abs=1e-6)


def test_of_two_peaks_the_higher_is_taken_from_either_side():
    # a right answer at b = 3 (c = .2) is luck, or skill: alone, with 3 right at -1, and with
    # 12 more wrong answers between, luck wins
    items = np.array([[4.0, 2.0, 6.0], [3.0, -1.0, 1.5], [0.2, 0.0, 0.2], [1.0, 1.0, 1.0]])
    theta = grid((0.0, 2.0))
    for wrong, skilled in ((0.0, True), (12.0, False)):
        k, n = np.array([2.0, 3.0, 0.0]), np.array([2.0, 3.0, wrong])
        best = theta[posterior(theta, items, k, n, (0.0, 2.0)).argmax()]
        assert (best > 2) == skilled
        for start in (-3.0, 0.0, 4.0):
            found = place(items, k, n, (0.0, 2.0), method="map", start=np.array([start]))
            assert found.value[0] == pytest.approx(best, abs=5e-3)  # the grid's step


def test_many_rows_are_searched_as_one_by_one():
    rng = np.random.default_rng(0)
    a, b = rng.uniform(0.3, 9, 12), rng.normal(0, 2, 12)
    bank = flat(difficulty=b, discrimination=a, floor=np.full(12, 0.25), ceiling=np.full(12, 0.9))
    n = np.full((40, 12), 3.0)
    k = rng.binomial(3, 0.5, n.shape).astype(float)
    item = np.tile(np.arange(12), (40, 1))
    for method in ("map", "eap", "wle"):
        whole = estimate_ability(bank, item, k, n, method=method)
        for row in range(40):
            here = slice(row, row + 1)
            one = estimate_ability(bank, item[here], k[here], n[here], method=method)
            assert one.value[0] == pytest.approx(whole.value[row], abs=1e-4)


def test_bounds_hold_and_tops_are_the_closed_form():
    rng = np.random.default_rng(1)
    c, u = rng.uniform(0, 0.5, (200, 1)), rng.uniform(0.55, 1, (200, 1))
    one, k = np.ones((200, 1)), rng.integers(0, 4, (200, 1)).astype(float)
    a, b = np.exp(rng.normal(0, 1, (200, 1))), rng.normal(0, 1, (200, 1))
    answers = peaks.Answers(a, b, c, u, k, 3 * one)
    (top, where), (top_down, where_down) = peaks._tops(answers)
    _, _, up, _ = evaluate(where, c, u)
    _, _, _, down = evaluate(where_down, c, u)
    np.testing.assert_allclose(up, top)
    np.testing.assert_allclose(down, top_down)
    low = rng.normal(0, 2, 200)
    high = low + np.exp(rng.normal(-1, 1, 200))
    bounds = peaks._bound(answers, low, high, prior=(0.3, 1.5))
    for share in np.linspace(0, 1, 51):
        theta = low + share * (high - low)
        value = peaks.density(answers, theta, prior=(0.3, 1.5))
        found = peaks.look(answers, theta, prior=(0.3, 1.5))
        assert np.all(value <= bounds.value + 1e-9)
        assert np.all((bounds.fall - 1e-9 <= found.slope) & (found.slope <= bounds.rise + 1e-9))
        assert np.all(-found.curvature <= bounds.bend + 1e-9)
        assert np.all(found.information <= bounds.information + 1e-9)


# -- the mean ---------------------------------------------------------------------------------


@given(a_test())
def test_the_mean_and_its_error_are_those_of_a_dense_sum(test):
    items, k, n, prior = test
    theta = grid(prior)
    log = posterior(theta, *test)
    h = np.exp(log - log.max())
    mean = h @ theta / h.sum()
    sd = np.sqrt(h @ (theta - mean) ** 2 / h.sum())
    found = place(items, k, n, prior)
    assert found.value[0] == pytest.approx(mean, abs=2e-3 * sd)
    assert found.se[0] == pytest.approx(sd, rel=2e-3)
    assert found.weight.sum() == pytest.approx(1)


# -- weighted likelihood ----------------------------------------------------------------------


def warm(theta, items, k, n):
    """Score + J / (2 I) at (point,), shares of information in logarithms."""
    a, b, c, u = items
    right, wrong = logs(theta, items)
    eta = a * (np.asarray(theta, float)[:, None] - b)
    slope = np.log(a * (u - c)) - np.logaddexp(0, -eta) - np.logaddexp(0, eta)  # log P'
    score = np.exp(slope - right) @ k - np.exp(slope - wrong) @ (n - k)
    told = np.log(n) + 2 * slope - right - wrong
    share = np.exp(told - told.max(axis=1, keepdims=True))
    lean = -(share * a * np.tanh(eta / 2)).sum(axis=1) / share.sum(axis=1)
    return score + lean / 2


@given(a_test())
def test_weighted_likelihood_is_where_warms_equation_crosses_zero(test):
    items, k, n, prior = test
    found = place(items, k, n, prior, method="wle").value[0]
    step = 1e-5 * max(1, abs(found)) + 1e-6 / items[0].max()
    low, high = warm([found - step, found + step], items, k, n)
    assert low > 0 > high
    # and it is uphill of the mode: there is no other crossing between
    mode = place(items, k, n, prior, method="map").value[0]
    between = warm(np.linspace(mode, found, 2002)[:-1], items, k, n)
    assert np.count_nonzero(np.diff(np.sign(between))) in (0, 2, 4)


def test_weighted_likelihood_far_out_is_found():
    # one right of one at a = .01: theta = log 3 / a; at a = 50 and b = 30, b + log 3 / 50
    for a, b in ((0.01, 0.0), (50.0, 30.0), (50.0, -30.0)):
        items = np.array([[a], [b], [0.0], [1.0]])
        found = place(items, np.ones(1), np.ones(1), (0.0, 1.0), method="wle")
        assert found.value[0] == pytest.approx(b + np.log(3) / a, rel=1e-6)


def test_slopes_outlive_chances_where_some_items_have_floors_and_some_not():
    # 1000 logits out P = e^-1000 is below the least double: log P = -1000 all the same, slope 1
    ends = np.array([0.0, 0.25]), np.array([1.0, 0.9])
    log_p, _, up, _ = evaluate(np.full(2, -1000.0), *ends)
    assert (log_p[0], up[0]) == (-1000, 1)
    _, log_q, _, down = evaluate(np.full(2, 1000.0), *ends)
    assert (log_q[0], down[0]) == (-1000, 1)
    assert evaluate(np.full(2, -1000.0), ends[0])[0][0] == -1000
