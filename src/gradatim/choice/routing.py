"""Which solver to ask: the best predicted chance minus what it costs.

Axes: `solver`, `item`, `weight` (how much a unit of cost matters), `point` (of a curve).
"""

from typing import NamedTuple

import numpy as np

from gradatim import checks
from gradatim.errors import ArgumentError

PAIRS = 4_000_000  # pairs of solvers x items that weights are taken from


class Route(NamedTuple):
    """Curve of routes from thrifty to lavish, as predicted.

    Attributes:
        weight: (point,) float, falling: what a unit of cost takes off the chance.
        solver: (point, item) int, whom each item goes to.
        accuracy, cost: (point,) means over items of predicted chance and of cost; both rise.
    """

    weight: np.ndarray
    solver: np.ndarray
    accuracy: np.ndarray
    cost: np.ndarray


def choose_solver(
    chance: np.ndarray, cost: np.ndarray, *, weight: float | np.ndarray = 0.0
) -> np.ndarray:
    """(item,) int: the solver with the largest chance - weight x cost; ties to the cheaper.

    Args:
        chance: (solver, item) predicted chance of success, `curves.probability(ability, bank)`.
        cost: (solver,), (solver, item), or with several kinds of cost (kind, solver, item).
        weight: one number, or (kind,): what a unit of each cost takes off the chance.

    Ref: "Tryage", Hari & Thomson 2023, arXiv 2308.11601 (predicted performance minus weighted
        costs); differs: predictions come from item response theory, not from a language model.

    >>> choose_solver(np.array([[0.9, 0.2], [0.95, 0.9]]), np.array([1.0, 10.0]), weight=0.01)
    array([0, 1])
    """
    chance, total = _priced(chance, cost, weight)
    gain = chance - total
    best = gain.max(axis=0)
    tied = gain >= best - 1e-12
    return np.where(tied, total, np.inf).argmin(axis=0)


def trace_routes(
    chance: np.ndarray, cost: np.ndarray, *, weights: np.ndarray | None = None, n_points: int = 50
) -> Route:
    """Routes for a range of weights: the accuracy that each budget can buy.

    Every route is the most accurate one at its predicted cost, since it maximises their weighted
    difference (Everett 1963, Operations Research 11:399); single solvers, which ignore the item,
    lie on the curve or below it.

    Args:
        chance, cost: as in `choose_solver`, with one kind of cost.
        weights: (point,) float >= 0; None spreads n_points from "all to the cheapest" to 0 evenly
            over the weights at which an item changes its solver.
        n_points: number of points.

    >>> found = trace_routes(np.array([[0.9, 0.2], [0.95, 0.9]]), np.array([1.0, 10.0]))
    >>> found.cost[[0, -1]], found.accuracy[-1].round(3)
    (array([ 1., 10.]), np.float64(0.925))
    """
    chance, price = _priced(chance, cost, 1.0)
    if weights is None:
        checks.within(2, np.inf, n_points=n_points)
        weights = _switches(chance, price, n_points)
    weights = np.sort(np.asarray(weights, dtype=float))[::-1]
    checks.within(0, np.inf, weights=weights)
    solver = np.stack([choose_solver(chance, price, weight=w) for w in weights])
    accuracy, paid = np.array([score_route(row, chance, price) for row in solver]).T
    return Route(weights, solver, accuracy, paid)


def score_route(solver: np.ndarray, outcome: np.ndarray, cost: np.ndarray) -> tuple[float, float]:
    """Mean outcome and mean cost of sending each item to its solver.

    Args:
        solver: (item,) int.
        outcome: (solver, item) chances, or what really happened.
        cost: (solver,) or (solver, item).

    >>> score_route(np.array([0, 1]), np.array([[1, 0], [1, 1]]), np.array([1.0, 10.0]))
    (1.0, 5.5)
    """
    outcome, price = _priced(outcome, cost, 1.0)
    solver = np.asarray(solver)
    checks.shapes(solver=(solver, "item"), outcome=(outcome, "solver item"))
    checks.within(0, len(outcome) - 1, solver=solver)
    item = np.arange(len(solver))
    return float(outcome[solver, item].mean()), float(price[solver, item].mean())


def pareto_front(cost: np.ndarray, value: np.ndarray) -> np.ndarray:
    """(front,) int: points that no other point beats, by rising cost.

    A point is beaten by one that costs no more and is worth no less, and differs in either; of
    equal points the first stays.

    >>> pareto_front(np.array([3.0, 1, 2, 2]), np.array([0.9, 0.5, 0.4, 0.7]))
    array([1, 3, 0])
    """
    cost, value = np.asarray(cost, dtype=float), np.asarray(value, dtype=float)
    checks.shapes(cost=(cost, "point"), value=(value, "point"))
    checks.finite(cost=cost, value=value)
    order = np.lexsort((-value, cost))
    above = np.r_[-np.inf, np.maximum.accumulate(value[order])[:-1]] if len(order) else cost
    return order[value[order] > above]


def value_at(route_cost: np.ndarray, route_value: np.ndarray, budget: np.ndarray) -> np.ndarray:
    """(budget,) best value for a mean cost: on the front's upper hull, which mixing can reach.

    Between two points of the front, sending a share of the items by either route costs and is
    worth the same mixture. NaN below the cheapest point.

    >>> value_at(np.array([1.0, 3.0]), np.array([0.5, 0.9]), np.array([0.5, 2.0, 9.0]))
    array([nan, 0.7, 0.9])
    """
    front = pareto_front(route_cost, route_value)
    if not len(front):
        raise ArgumentError("`route_cost` must hold a point, got none")
    hull: list[int] = []
    x, y = np.asarray(route_cost, dtype=float), np.asarray(route_value, dtype=float)
    for point in front.tolist():
        while len(hull) > 1:
            i, j = hull[-2:]
            if (y[j] - y[i]) * (x[point] - x[i]) > (y[point] - y[i]) * (x[j] - x[i]):
                break
            hull.pop()
        hull.append(point)
    return np.interp(np.asarray(budget, dtype=float), x[hull], y[hull], left=np.nan)


def _switches(chance: np.ndarray, price: np.ndarray, n_points: int) -> np.ndarray:
    """(point,) weights: quantiles of (gain in chance) / (gain in cost) over pairs of solvers."""
    step = max(1, chance.size * len(chance) // PAIRS)
    part, cost = chance[:, ::step], price[:, ::step]
    dear = cost[:, None] - cost[None]
    slope = (part[:, None] - part[None])[dear > 0] / dear[dear > 0]
    slope = slope[slope > 0]
    if not len(slope):
        return np.zeros(n_points)
    inner = np.quantile(slope, np.linspace(1, 0, n_points - 1))
    return np.r_[inner[:1] * 1.01, inner[1:], 0.0]


def _priced(
    chance: np.ndarray, cost: np.ndarray, weight: float | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Chance, and the weighted cost of each cell."""
    chance, cost = np.asarray(chance, dtype=float), np.asarray(cost, dtype=float)
    checks.shapes(chance=(chance, "solver item"))
    checks.within(0, 1, chance=chance)
    checks.within(0, np.inf, weight=weight)
    checks.finite(cost=cost)
    if not chance.size:
        raise ArgumentError("`chance` must hold a solver and an item")
    each = cost[None] if cost.ndim < 3 else cost
    each = each[..., None] if cost.ndim == 1 else each
    if each.ndim != 3 or each.shape[1] != len(chance) or each.shape[2] not in (1, chance.shape[1]):
        raise ArgumentError(f"`cost` must fit chance of shape {chance.shape}, got {cost.shape}")
    kinds = np.atleast_1d(np.asarray(weight, dtype=float))
    if kinds.shape not in ((1,), (len(each),)):
        raise ArgumentError(f"`weight` must hold {len(each)} numbers, got shape {kinds.shape}")
    kinds = np.broadcast_to(kinds, len(each))
    total = np.tensordot(kinds, each, axes=1)
    return chance, np.broadcast_to(total, chance.shape)
