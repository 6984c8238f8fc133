"""The maximum of a concave log-likelihood of strengths, and standard errors there.

Strengths are compared with each other only, so they are determined up to a common shift: both
the maximum and the errors are those under "strengths sum to zero".
Axes: `player`; parameters are the players' strengths, then any others.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import coo_array, csr_array

DENSE = 300  # players up to which steps are solved exactly
EXACT = 1500  # players up to which errors are
PROBES = 32  # random vectors behind the errors of more players

Vector = np.ndarray


class Curvature(NamedTuple):
    """Gradient and negative second derivatives at one point.

    Attributes:
        gradient, diagonal: (parameter,).
        times: v (parameter, column) -> (parameter, column) curvature times each column.
        dense: () -> (parameter, parameter) curvature.
    """

    gradient: Vector
    diagonal: Vector
    times: Callable[[Vector], Vector]
    dense: Callable[[], np.ndarray]


class Concave(NamedTuple):
    """A concave function: `value(x)`, and `at(x)` for its Curvature."""

    value: Callable[[Vector], float]
    at: Callable[[Vector], Curvature]


class Maximum(NamedTuple):
    """Where it is: x (parameter,), the value, steps taken, and whether they came to rest."""

    x: Vector
    value: float
    iterations: int
    converged: bool


def laplacian(one: np.ndarray, other: np.ndarray, bend: np.ndarray, n: int) -> csr_array:
    """(n, n) curvature of a function of differences x[one] - x[other], `bend` that of each.

    >>> laplacian(np.array([0]), np.array([1]), np.array([2.0]), 2).toarray()
    array([[ 2., -2.],
           [-2.,  2.]])
    """
    cells = np.r_[one, other, one, other], np.r_[one, other, other, one]
    return coo_array((np.r_[bend, bend, -bend, -bend], cells), shape=(n, n)).tocsr()


def maximise(
    function: Concave, start: Vector, *, n_players: int, tolerance: float, most: int
) -> Maximum:
    """Newton's method with halved steps; for many players by conjugate gradients.

    Args:
        function: does not change when all strengths shift, but for a prior about zero.
        start: (parameter,) where to start.
        n_players: how many of the parameters are strengths.
        tolerance: at rest when no parameter moves by more.
        most: steps after which to give up.
    """
    x, value = start, function.value(start)
    for iteration in range(1, most + 1):
        here = function.at(x)
        step = _step(here, n_players)
        rise = float(here.gradient @ step)
        share = 1.0
        slack = 1e-13 * (1 + abs(value))  # what rounding alone can take away
        while True:
            new = x + share * step
            risen = function.value(new)
            if risen >= value + 1e-4 * share * rise - slack or share < 1e-9:
                break
            share /= 2
        x, value = new, risen
        x[:n_players] -= x[:n_players].mean()
        if share * np.abs(step).max(initial=0.0) < tolerance:
            return Maximum(x, value, iteration, True)
    return Maximum(x, value, most, False)


def errors(here: Curvature, *, n_players: int, prior: float) -> tuple[np.ndarray, str]:
    """(parameter,) standard errors of strengths that sum to zero, and how they were found.

    Args:
        here: curvature at the maximum.
        n_players: how many of the parameters are strengths.
        prior: curvature of the prior in the direction of a common shift.

    Returns:
        Exact up to EXACT players. Above, the diagonal of the inverse from PROBES random signs,
        where each player's own curvature is taken exactly and only what others add is estimated.

    Ref: Hutchinson 1990, Communications in Statistics 19:433; Bekas, Kokiopoulou & Saad 2007,
    Applied Numerical Mathematics 57:1214.
    """
    n = len(here.gradient)
    if n_players <= EXACT:
        inverse = cho_solve(_factor(here, n_players), np.eye(n))
        variance = np.diag(inverse).copy()
        variance[:n_players] -= 1 / (n_players * (_lift(here, n_players) + prior))
        return np.sqrt(np.maximum(variance, 0)), "exact"
    signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(n, PROBES))
    found = _conjugate(here, _centred(signs, n_players), precision=1e-4)
    own = 1 / here.diagonal
    variance = own + np.mean(signs * _centred(found, n_players) - own[:, None], axis=1)
    return np.sqrt(np.maximum(variance, own / 2)), f"{PROBES} probes"


def _centred(columns: np.ndarray, n_players: int) -> np.ndarray:
    columns = columns.copy()
    columns[:n_players] -= columns[:n_players].mean(axis=0)
    return columns


def _lift(here: Curvature, n_players: int) -> float:
    """Curvature given to a common shift, which the data leave open: that of a usual player."""
    return float(here.diagonal[:n_players].mean())


def _factor(here: Curvature, n_players: int) -> tuple[np.ndarray, bool]:
    matrix = here.dense()
    matrix[:n_players, :n_players] += _lift(here, n_players) / n_players
    return cho_factor(matrix, lower=True, overwrite_a=True)


def _step(here: Curvature, n_players: int) -> Vector:
    """Newton's step: curvature^-1 times the gradient."""
    if n_players <= DENSE:
        return cho_solve(_factor(here, n_players), here.gradient)
    # a far point needs no exact step; near the maximum steps must be quadratic
    size = float(np.linalg.norm(here.gradient) / np.sqrt(here.diagonal.sum()))
    precision = max(min(0.1, np.sqrt(size)), 1e-8)
    return _conjugate(here, here.gradient[:, None], precision=precision)[:, 0]


def _conjugate(here: Curvature, right: np.ndarray, *, precision: float) -> np.ndarray:
    """Curvature^-1 times columns whose strengths sum to zero, by conjugate gradients."""
    x = np.zeros_like(right)
    rest, scale = right.copy(), here.diagonal[:, None]
    goal = precision * np.linalg.norm(right, axis=0)
    way = rest / scale
    size = np.sum(rest * way, axis=0)
    for _ in range(2000):
        going = np.linalg.norm(rest, axis=0) > goal
        if not going.any():
            break
        bent = here.times(way)
        share = np.where(going, size / np.where(going, np.sum(way * bent, axis=0), 1), 0)
        x += share * way
        rest -= share * bent
        z = rest / scale
        new = np.sum(rest * z, axis=0)
        way = z + np.where(going, new / np.where(size > 0, size, 1), 0) * way
        size = new
    return x
