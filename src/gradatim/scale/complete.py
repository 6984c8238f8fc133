"""The E-step of complete data: cost of two products with the table, not of cells times nodes.

Where everybody tried every item equally often, the log-likelihood of person p is
theta t_p - c_p - A(theta), with t_p = sum_i a_i k_pi, c_p = sum_i a_i b_i k_pi and
A(theta) = sum_i n_i log(1 + exp(a_i (theta - b_i))), which is the same for all. A is tabulated on
a fine grid that covers the persons; each person has nodes around the own mode, as in `quadrature`,
and reads A at them by interpolation of high order. What items need of the persons is u_i = sum_p
k_pi E[theta_p] and the pooled posterior on that grid, put there by the transpose of the same
interpolation. A few missing cells are taken out of A one by one. Curves with a floor have no such
form. Axes: `person`, `item`, `grid`, `node`, `hole` (a missing cell).
"""

from typing import NamedTuple

import numpy as np
from scipy import special

from gradatim.scale.blocks import inverse_blocks
from gradatim.scale.cells import Table
from gradatim.scale.curves import evaluate, slopes
from gradatim.scale.derivatives import Items
from gradatim.scale.products import collect, project, run_parts, shares
from gradatim.scale.quadrature import FAR, Posterior

ORDER = 8  # points of one interpolation
FINE = 0.25  # step of the grid times the steepest slope
COARSE = 0.1  # and its most
HIGH = 600.0  # logits above which chances are 1 and odds would overflow
STEPS = 30  # most steps to the mode of a person with holes
CLOSE = 0.1  # they end when nobody moves by this many sd any more
BLOCK = 1 << 18  # entries worked on at a time


class Grid(NamedTuple):
    """(grid,) abilities with A, A' and A''; `chance` (grid, item) of success there."""

    x: np.ndarray
    total: np.ndarray
    slope: np.ndarray
    curvature: np.ndarray
    chance: np.ndarray


class _Holes(NamedTuple):
    """(hole,) row among the persons at hand, and item; (hole, node) A, A' / a and A'' / a^2."""

    row: np.ndarray
    item: np.ndarray
    total: np.ndarray
    chance: np.ndarray
    weight: np.ndarray


class Visit(NamedTuple):
    """What one pass found: the posterior, on which grid, and where its mass lies there.

    Attributes:
        centre, spread: (person,) mode, and 1 / sqrt(information + 1) there.
        pooled: (grid,) posteriors of all persons, added up.
    """

    posterior: Posterior
    centre: np.ndarray
    spread: np.ndarray
    grid: Grid
    pooled: np.ndarray


def visit(table: Table, items: Items, start: np.ndarray, *, n_nodes: int) -> Visit:
    """Modes, posteriors and what items need of them, in one pass over all counts.

    Args:
        table: counts.
        items: parameters, without floors.
        start: (person,) about where abilities are.
        n_nodes: nodes per person.

    Returns:
        Visit; the posterior's `missing` is zero and `with_ability` None (see `errors`).
    """
    a = np.exp(items.log_a)
    sums = project(table.solved, a * table.worth, a * items.b * table.worth)
    base, weight = np.polynomial.hermite_e.hermegauss(n_nodes)
    log_weight = np.log(weight / np.sqrt(2 * np.pi)) + base**2 / 2
    grid, centre, spread = _placed(table, items, start, t=sums[:, 0], reach=base[-1])
    loglik, mean, sd = np.zeros((3, len(centre)))
    pooled = np.zeros(len(grid.x))
    holes = np.zeros((5, len(a)))
    step = max(1, BLOCK // (n_nodes * ORDER))
    for first in range(0, len(centre), step):
        here = slice(first, min(first + step, len(centre)))
        x = centre[here, None] + spread[here, None] * base
        at, pull = interpolation(grid.x, x)
        joint = x * sums[here, :1] - sums[here, 1:] + log_weight - x**2 / 2
        joint += np.log(spread[here, None]) - np.einsum("pqk,pqk->pq", pull, grid.total[at])
        missing = _holes_of(table, items, here, x)
        if missing is not None:
            np.add.at(joint, missing.row, missing.total)
        top = joint.max(axis=1, keepdims=True)
        h = np.exp(joint - top)
        mass = h.sum(axis=1, keepdims=True)
        h /= mass
        loglik[here] = (top + np.log(mass))[:, 0]
        mean[here] = np.sum(h * x, axis=1)
        sd[here] = np.sqrt(np.sum(h * (x - mean[here, None]) ** 2, axis=1))
        mass = (pull * h[..., None]).ravel()
        pooled += np.bincount(at.ravel(), weights=mass, minlength=len(pooled))
        if missing is not None:
            holes += _hole_sums(missing, x, h, len(a))
    sums = _item_sums(table, items, (grid, pooled), mean=mean, holes=holes)
    posterior = Posterior(loglik, mean, sd, *sums, np.zeros_like(sums[1]), None)
    return Visit(posterior, centre, spread, grid, pooled)


def errors(
    table: Table, items: Items, found: Visit, *, curvature: np.ndarray, model: str
) -> tuple[np.ndarray, np.ndarray]:
    """Covariances of items, and what their errors add to those of abilities.

    A score's posterior variance and its covariance with ability are those of its tangent at the
    posterior mean: exact as posteriors get narrow, in practice from some hundred items on. What
    items owe to each other through persons is left out: it is of order 1 / items.

    Args:
        table: counts.
        items: the estimates.
        found: the visit at the estimates.
        curvature: (3, item) of the priors.
        model: see `blocks.solve`.

    Returns:
        (3, item) covariance of log a and b of each item, and (person,) variance.
    """
    posterior, grid, n = found.posterior, found.grid, table.tried
    at, pull = interpolation(grid.x, posterior.mean)
    mass = np.bincount(
        at.ravel(), (pull * posterior.sd[:, None] ** 2).ravel(), minlength=len(grid.x)
    )
    parts = np.empty((3, len(n)))
    whole = slice(0, len(n))
    for here in _tiles(whole, len(grid.x)):
        parts[:, here] = _on_grid(items, grid, n, here) @ mass
    holes = _in_holes(table, items, posterior.mean)
    lost = holes * posterior.sd[table.person] ** 2
    parts -= [np.bincount(table.item, row, minlength=len(n)) for row in lost]
    complete = posterior.expected + curvature
    complete[:2] -= posterior.gradient  # see `louis.errors`
    own = inverse_blocks(complete - parts, model)
    moved = np.zeros(len(grid.x))
    for here in _tiles(whole, len(grid.x)):
        moved += np.einsum("ki,kig->g", own[:, here] * TWICE, _on_grid(items, grid, n, here))
    lost = np.sum(own[:, table.item] * TWICE * holes, axis=0)
    extra = np.einsum("pk,pk->p", pull, moved[at])
    extra -= np.bincount(table.person, lost, minlength=len(extra))
    return own, np.maximum(extra * posterior.sd**4, 0)


TWICE = np.array([[1.0], [2.0], [1.0]])  # an entry off the diagonal stands for two


def _on_grid(items: Items, grid: Grid, n: np.ndarray, here: slice) -> np.ndarray:
    """(3, item, grid) `_tangents` of some items."""
    a, b = np.exp(items.log_a)[here, None], items.b[here, None]
    return _tangents(a, grid.x - b, n[here, None], grid.chance[here])


def _in_holes(table: Table, items: Items, mean: np.ndarray) -> np.ndarray:
    """(3, hole) `_tangents` at the persons' means."""
    a = np.exp(items.log_a)[table.item]
    apart = mean[table.person] - items.b[table.item]
    return _tangents(a, apart, table.tried[table.item], special.expit(a * apart))


def _tangents(a: np.ndarray, apart: np.ndarray, n: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """(3, ...) expected products of the slopes of an item's two scores in ability.

    Args:
        a: slope; apart: ability minus difficulty; n: attempts; chance: of success. One shape.
    """
    eta, w = a * apart, n * chance * (1 - chance)
    # scores (k - n P) eta and -a (k - n P); (k - n P)^2 is n P Q on average
    return np.stack([a * a * (w * w * eta * eta + w), -(a**3) * w * w * eta, a**4 * w * w])


# -- the grid ---------------------------------------------------------------------------------


def _placed(
    table: Table, items: Items, start: np.ndarray, *, t: np.ndarray, reach: float
) -> tuple[Grid, np.ndarray, np.ndarray]:
    """A grid that holds all nodes, and mode and spread of each person.

    The mode solves t - A'(theta) - theta = 0, whose left side falls, so it is read off the grid
    the other way round. Of a person with holes it may be anywhere (half a row missing is a far
    lower t): scoring steps from `start` until they rest, as in `quadrature.modes`.
    """
    low, high = float(start.min()) - 1.5, float(start.max()) + 1.5
    step = min(COARSE, FINE / float(np.exp(items.log_a.max())))
    while True:
        grid = _grid(table, items, (low, high), step)
        pull = grid.slope + grid.x
        theta = np.interp(t, pull, grid.x)
        theta[table.person] = np.clip(start[table.person], low, high)
        spread = 1 / np.sqrt(1 + np.interp(theta, grid.x, grid.curvature))
        for _ in range(STEPS if len(table.person) else 0):
            slope, curvature = _hole_slopes(table, items, theta)
            rest = t - np.interp(theta, grid.x, grid.slope) + slope - theta
            hold = 1 + np.maximum(np.interp(theta, grid.x, grid.curvature) - curvature, 0)
            spread = 1 / np.sqrt(hold)
            move = np.clip(rest / hold, -1, 1)
            theta = np.clip(theta + move, low, high)
            if np.all(np.abs(move) < CLOSE * spread):
                break
        edge = ORDER * step
        need = (
            np.min(theta - reach * spread) - edge if t.min() > pull[0] or low < -FAR else low - 4,
            np.max(theta + reach * spread) + edge if t.max() < pull[-1] or high > FAR else high + 4,
        )
        if low <= need[0] and need[1] <= high:
            return grid, theta, spread
        low, high = min(low, need[0]), max(high, need[1])


def _grid(table: Table, items: Items, span: tuple[float, float], step: float) -> Grid:
    """Curves on a grid, added up over items; blocks of items stay in the nearest cache."""
    x = span[0] + step * np.arange(int(np.ceil((span[1] - span[0]) / step)) + 1)
    a = np.exp(items.log_a)
    chance = np.empty((len(a), len(x)))
    cuts = shares(len(a))
    sums = np.zeros((len(cuts), 3, len(x)))

    def work(part: int) -> None:
        for here in _tiles(cuts[part], len(x)):
            eta = a[here, None] * (x - items.b[here, None])
            odds = np.exp(np.minimum(eta, HIGH))
            one = 1 / (1 + odds)
            p = np.multiply(odds, one, out=chance[here])
            n = table.tried[here]
            sums[part, 0] += n @ np.log(1 + odds)
            sums[part, 1] += (n * a[here]) @ p
            sums[part, 2] += (n * a[here] ** 2) @ (p * one)
            if eta.max() > HIGH:  # where the logarithm is the logit
                sums[part, 0] += n @ np.maximum(eta - HIGH, 0)

    run_parts(work, range(len(cuts)), size=chance.size)
    total, slope, curvature = sums.sum(axis=0)
    return Grid(x, total, slope, curvature, chance)


def _tiles(rows: slice, width: int) -> list[slice]:
    """Runs of rows whose intermediate results stay in the nearest cache."""
    size = max(1, BLOCK // 8 // width)
    return [slice(low, min(low + size, rows.stop)) for low in range(rows.start, rows.stop, size)]


def interpolation(grid: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where to read an even grid for values at `x`, and with which weights (Lagrange).

    Args:
        grid: (grid,) even steps; x stays ORDER / 2 steps inside.
        x: any shape.

    Returns:
        (..., ORDER) int indices and weights. Their transpose puts mass at x on the grid so that
        sums of polynomials up to degree ORDER - 1 stay what they are.

    >>> at, pull = interpolation(np.arange(12.0), np.array([5.5]))
    >>> round(float(pull[0] @ (np.arange(12.0) ** 3)[at[0]]), 9)
    166.375
    """
    place = (x - grid[0]) / (grid[1] - grid[0])
    left = np.clip(place.astype(np.int64) - (ORDER // 2 - 1), 0, len(grid) - ORDER)
    offset = place - left - (ORDER - 1) / 2
    powers = np.empty((*offset.shape, ORDER))
    powers[..., 0] = 1
    for k in range(1, ORDER):
        np.multiply(powers[..., k - 1], offset, out=powers[..., k])
    return left[..., None] + np.arange(ORDER), powers @ LAGRANGE


def _lagrange() -> np.ndarray:
    """(power, point) coefficients of the basis polynomials of ORDER even points around 0."""
    points = np.arange(ORDER) - (ORDER - 1) / 2
    return np.linalg.inv(np.vander(points, increasing=True).T).T


LAGRANGE = _lagrange()


def _item_sums(
    table: Table,
    items: Items,
    pooled: tuple[Grid, np.ndarray],
    *,
    mean: np.ndarray,
    holes: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """(2, item) gradient and (3, item) information of log a and b."""
    (grid, mass), a, n = pooled, np.exp(items.log_a), table.tried
    powers = np.stack([mass, mass * grid.x, mass * grid.x**2], axis=1)
    sums = np.empty((5, len(a)))

    def work(rows: slice) -> None:
        for here in _tiles(rows, len(grid.x)):
            p = grid.chance[here]
            sums[:2, here] = (p @ powers[:, :2]).T
            sums[2:, here] = ((p - p * p) @ powers).T

    run_parts(work, shares(len(a)), size=grid.chance.size)
    s0, s1, w0, w1, w2 = n * sums - holes
    b, right, with_mean = items.b, table.right, table.worth * collect(table.solved, mean)
    gradient = np.stack([a * (with_mean - b * right - (s1 - b * s0)), -a * (right - s0)])
    weight = np.stack([w2 - 2 * b * w1 + b * b * w0, -(w1 - b * w0), w0])
    return gradient, a * a * weight


# -- holes ------------------------------------------------------------------------------------


def _hole_slopes(table: Table, items: Items, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(person,) A' and A'' of the cells that are missing."""
    a, n = np.exp(items.log_a)[table.item], table.tried[table.item]
    up, down = slopes(a * (theta[table.person] - items.b[table.item]), None)
    both = (a * n * down, a * a * n * up * down)
    slope, curvature = (np.bincount(table.person, w, minlength=len(theta)) for w in both)
    return slope, curvature


def _holes_of(table: Table, items: Items, here: slice, x: np.ndarray) -> _Holes | None:
    """Missing cells of some persons at their nodes, None where nothing is missing."""
    first, last = np.searchsorted(table.person, (here.start, here.stop))
    if first == last:
        return None
    row, item = table.person[first:last] - here.start, table.item[first:last]
    a, n = np.exp(items.log_a)[item][:, None], table.tried[item][:, None]
    _, log_up, up, down = evaluate(a * (x[row] - items.b[item][:, None]), None)
    return _Holes(row, item, -n * log_up, n * down, n * up * down)


def _hole_sums(holes: _Holes, x: np.ndarray, h: np.ndarray, n_items: int) -> np.ndarray:
    """(5, item) what `_item_sums` counted for cells that are missing."""
    x, h = x[holes.row], h[holes.row]
    sums = [holes.chance, holes.chance * x, holes.weight, holes.weight * x, holes.weight * x * x]
    return np.stack([
        np.bincount(holes.item, np.sum(h * values, axis=1), minlength=n_items) for values in sums
    ])
