"""Scores and information of cells against numerical derivatives of the log-likelihood."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from gradatim.scale.blocks import pairs
from gradatim.scale.derivatives import (
    Items,
    expected_information,
    look,
    observed_information,
    scores,
    sensitivities,
)


def log_likelihood(x, theta, k, n):
    """Plain arithmetic: x holds log a, b and the log odds g, h of guess and slip."""
    g, h = (x[2] if len(x) > 2 else -np.inf), (x[3] if len(x) > 3 else -np.inf)
    total = 1 + np.exp(g) + np.exp(h)
    p = (np.exp(g) + special.expit(np.exp(x[0]) * (theta - x[1]))) / total
    return k * np.log(p) + (n - k) * np.log1p(-p)


def items(x):
    g, h = (np.exp(x[2]) if len(x) > 2 else 0.0), (np.exp(x[3]) if len(x) > 3 else 0.0)
    floor = None if len(x) < 3 else np.array([g / (1 + g + h)])
    ceiling = None if len(x) < 4 else np.array([(1 + g) / (1 + g + h)])
    return Items(np.array([x[0]]), np.array([x[1]]), floor, ceiling, len(x))


def view(x, theta, k, n):
    counts = np.array([float(k)]), np.array([float(n)])
    return look(items(x), np.zeros(1, int), np.full((1, 1), theta), counts=counts)


PARAMS = st.tuples(
    st.floats(-1, 1), st.floats(-2, 2), st.floats(-4, 0.5), st.floats(-4, 0.5)
).flatmap(lambda x: st.integers(2, 4).map(lambda size: np.array(x[:size])))


@given(PARAMS, st.floats(-3, 3), st.integers(0, 4))
def test_scores_and_information_are_derivatives(x, theta, k):
    n, size, step = 4, len(x), 1e-4
    unit = step * np.eye(size)

    def f(y):
        return log_likelihood(y, theta, k, n)

    slope = [(f(x + d) - f(x - d)) / (2 * step) for d in unit]
    bend = [
        -(f(x + c + d) - f(x + c - d) - f(x - c + d) + f(x - c - d)) / (4 * step**2)
        for c, d in ((unit[r], unit[s]) for r, s in pairs(size))
    ]
    here = view(x, theta, k, n)
    score = scores(here, size)[:, 0, 0]
    np.testing.assert_allclose(score, slope, atol=1e-5)
    held = observed_information(here, size)[:, 0, 0]
    held[:2] -= score[:2]  # the part that is left out
    np.testing.assert_allclose(held, bend, atol=2e-4)


@given(PARAMS, st.floats(-3, 3))
def test_expected_information_is_the_mean_of_the_observed(x, theta):
    size = len(x)
    p = np.exp(view(x, theta, 1, 1).log_right)[0, 0]
    mean = 0.0
    for k, chance in ((1, p), (0, 1 - p)):
        here = view(x, theta, k, 1)
        mean = mean + chance * observed_information(here, size)[:, 0, 0]
    here = view(x, theta, 1, 1)
    held = expected_information(here, size)[:, 0, 0]
    np.testing.assert_allclose(held, mean, atol=1e-10)
    root = sensitivities(here, size)[:, 0, 0]
    np.testing.assert_allclose(held, [root[r] * root[s] for r, s in pairs(size)], atol=1e-10)
