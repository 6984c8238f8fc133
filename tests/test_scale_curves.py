"""Curves with both ends: chances, slopes and information against plain arithmetic."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradatim.scale.curves import evaluate, flat, information, probability, slopes

END = st.floats(0, 0.45)


def test_a_curve_by_hand():
    # c = .2, u = .9, eta = 0: P = .2 + .7 / 2 = .55; P' = a .7 / 4 = .35 with a = 2;
    # information .35^2 / (.55 .45) = .494949...
    bank = flat(difficulty=[1.0], discrimination=[2.0], floor=[0.2], ceiling=[0.9])
    assert probability(1.0, bank)[0] == pytest.approx(0.55)
    assert information(1.0, bank)[0] == pytest.approx(0.1225 / 0.2475)


@given(st.floats(-3, 3), st.floats(0.2, 3), st.floats(-2, 2), END, END)
def test_information_is_that_of_birnbaum(theta, a, b, c, slip):
    # IRT texts: a^2 (P - c)^2 (u - P)^2 / ((u - c)^2 P Q)
    u = 1 - slip
    bank = flat(difficulty=[b], discrimination=[a], floor=[c], ceiling=[u])
    p = probability(theta, bank)[0]
    known = a**2 * (p - c) ** 2 * (u - p) ** 2 / ((u - c) ** 2 * p * (1 - p))
    assert information(theta, bank)[0] == pytest.approx(known, rel=1e-6, abs=1e-12)


@given(st.floats(-30, 30), END, END)
def test_chances_and_slopes_agree_with_differences(eta, c, slip):
    x, floor, ceiling = np.array([eta]), np.array([c]), np.array([1 - slip])
    log_p, log_q, up, down = evaluate(x, floor, ceiling)
    assert np.exp(log_p) + np.exp(log_q) == pytest.approx(1, abs=1e-12)
    step = 1e-5
    right = [evaluate(x + d, floor, ceiling)[:2] for d in (-step, step)]
    assert up[0] == pytest.approx((right[1][0] - right[0][0])[0] / (2 * step), abs=1e-7)
    assert -down[0] == pytest.approx((right[1][1] - right[0][1])[0] / (2 * step), abs=1e-7)


@given(st.floats(-600, 600), st.floats(0.01, 0.45))  # 1 - u has no more digits than u
def test_turning_right_and_wrong_round_swaps_the_ends(eta, c):
    zero, one = np.zeros(1), np.ones(1)
    up, down = slopes(np.array([eta]), zero + c, one)
    back = slopes(np.array([-eta]), zero, one - c)
    np.testing.assert_allclose([up, down], back[::-1], rtol=1e-9, atol=1e-300)


def test_a_ceiling_of_one_is_none():
    eta = np.linspace(-30, 30, 7)
    for floor in (np.zeros(7), np.full(7, 0.3)):
        np.testing.assert_allclose(
            evaluate(eta, floor, np.ones(7)), evaluate(eta, floor), rtol=1e-9, atol=1e-14
        )
