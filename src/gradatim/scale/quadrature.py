"""Integrals over ability with nodes local to each person, and the sums that a fit needs.

A fixed grid is silently wrong once a posterior is narrower than its step (at 5,000 items it has a
standard deviation near 0.03); here each person has nodes around the own posterior mode, spaced by
the own curvature. Axes: `cell`, `person`, `item`, `node`, `param` (0 log a, 1 b).

Ref: Naylor & Smith 1982, Applied Statistics 31:214 (adaptive Gauss-Hermite); Bock & Aitkin 1981,
Psychometrika 46:443 (the E-step); Louis 1982, JRSS B 44:226 (observed information).
"""

from typing import NamedTuple

import numpy as np

from gradatim.scale.cells import Cells
from gradatim.scale.curves import evaluate, slopes

BLOCK = 1 << 17  # cells x nodes worked on at a time: what bounds memory
FAR = 40.0  # abilities stay within +-FAR


class Items(NamedTuple):
    """Item parameters: (item,) log a, b, and the floor (None for all zero)."""

    log_a: np.ndarray
    b: np.ndarray
    floor: np.ndarray | None


class Posterior(NamedTuple):
    """Abilities given items, and the sums over persons that items need.

    Attributes:
        loglik: (person,) marginal log-likelihood.
        mean, sd: (person,) of the posterior.
        gradient: (param, item) of the marginal log-likelihood (Fisher's identity).
        expected: (3, item) complete-data information: log a, cross, b.
        missing: (3, item) posterior variance of the complete-data score, summed; information
            observed is information complete minus this.
        with_ability: (param, cell) posterior covariance of the cell's score with ability, None
            unless asked for: how the posterior mean moves with the item's parameters.
    """

    loglik: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    gradient: np.ndarray
    expected: np.ndarray
    missing: np.ndarray
    with_ability: np.ndarray | None


def count_nodes(cells: Cells) -> int:
    """Nodes that integrate to about 1e-8: many for short tests, few where posteriors are normal.

    Gauss-Hermite nodes scaled to the posterior converge faster the closer it is to a normal
    shape, and it is the closer the more cells a person has.
    """
    shortest = int(np.diff(cells.start).min())
    return 31 if shortest < 30 else 15 if shortest < 200 else 9


def modes(
    cells: Cells, items: Items, start: np.ndarray, *, steps: int = 30
) -> tuple[np.ndarray, np.ndarray]:
    """Posterior mode and sd by curvature of each person, by damped Fisher scoring.

    Args:
        cells: in canonical order.
        items: parameters.
        start: (person,) where to begin.
        steps: most steps; they end when no person moves by 0.1 sd any more (the nodes only have
            to be near, the integral does not depend on them).

    Returns:
        (person,) mode and (person,) 1 / sqrt(expected information + 1).
    """
    theta = start.copy()
    a = np.exp(items.log_a)[cells.item]
    b = items.b[cells.item]
    floor = None if items.floor is None else items.floor[cells.item]
    sd = np.ones(len(theta))
    for _ in range(steps):
        up, down = slopes(a * (theta[cells.person] - b), floor)
        score = a * (cells.solved * up - (cells.tried - cells.solved) * down)
        weight = a * a * cells.tried * up * down
        gradient = np.add.reduceat(score, cells.start[:-1]) - theta
        curvature = np.add.reduceat(weight, cells.start[:-1]) + 1
        sd = 1 / np.sqrt(curvature)
        step = np.clip(gradient / curvature, -1.0, 1.0)
        theta = np.clip(theta + step, -FAR, FAR)
        if np.all(np.abs(step) < 0.1 * sd):
            break
    return theta, sd


def integrate(
    cells: Cells,
    items: Items,
    nodes: tuple[np.ndarray, np.ndarray],
    *,
    n_nodes: int,
    errors: bool = False,
) -> Posterior:
    """One pass over all cells: posteriors, marginal log-likelihood, scores and information.

    Args:
        cells: in canonical order.
        items: parameters.
        nodes: centre and spacing of each person, from `modes`.
        n_nodes: nodes per person.
        errors: also what standard errors need.

    Returns:
        Posterior.
    """
    n_items, n_persons = len(items.log_a), len(cells.start) - 1
    gradient, expected, missing = (np.zeros((m, n_items)) for m in (2, 3, 3))
    loglik, mean, sd = np.zeros(n_persons), np.zeros(n_persons), np.zeros(n_persons)
    moving = np.zeros((2, len(cells.solved))) if errors else None
    base, weight = np.polynomial.hermite_e.hermegauss(n_nodes)
    log_weight = np.log(weight / np.sqrt(2 * np.pi)) + base**2 / 2
    for first, last in _blocks(cells.start, n_nodes):
        here = slice(cells.start[first], cells.start[last])
        item = cells.item[here]
        centre, spread = nodes[0][first:last, None], nodes[1][first:last, None]
        x = centre + spread * base  # (person, node)
        a, person = np.exp(items.log_a[item])[:, None], cells.person[here] - first
        eta = a * (x[person] - items.b[item][:, None])
        floor = None if items.floor is None else items.floor[item][:, None]
        k, n = cells.solved[here][:, None], cells.tried[here][:, None]
        right, wrong, up, down = evaluate(eta, floor)
        starts = cells.start[first:last] - cells.start[first]
        joint = np.add.reduceat(k * right + (n - k) * wrong, starts, axis=0)
        joint += log_weight - x**2 / 2 + np.log(spread)
        top = joint.max(axis=1, keepdims=True)
        h = np.exp(joint - top)
        total = h.sum(axis=1, keepdims=True)
        h /= total
        loglik[first:last] = (top + np.log(total))[:, 0]
        mean[first:last] = m = np.sum(h * x, axis=1)
        sd[first:last] = np.sqrt(np.sum(h * (x - m[:, None]) ** 2, axis=1))
        residual, each = k * up - (n - k) * down, h[person]
        sums = _reduce(residual, n * up * down, eta=eta, slope=a[:, 0], h=each, errors=errors)
        for rows, target in zip(sums, (gradient, expected, missing), strict=False):
            for row, values in enumerate(rows):
                target[row] += np.bincount(item, weights=values, minlength=n_items)
        if moving is not None:
            pull = each * (x - m[:, None])[person] * residual
            moving[0, here] = np.sum(pull * eta, axis=1)
            moving[1, here] = -np.sum(pull, axis=1) * a[:, 0]
    return Posterior(loglik, mean, sd, gradient, expected, missing, moving)


def _reduce(
    residual: np.ndarray,
    weight: np.ndarray,
    *,
    eta: np.ndarray,
    slope: np.ndarray,
    h: np.ndarray,
    errors: bool,
) -> list[list[np.ndarray]]:
    """Per cell: score (log a, b), information (log a, cross, b), variance of the score."""
    a = slope
    pull, hold = h * residual, h * weight
    s0, s1 = np.einsum("cq,cq->c", pull, eta), -a * pull.sum(axis=1)
    crossed = hold * eta
    information = [
        np.einsum("cq,cq->c", crossed, eta),
        -a * crossed.sum(axis=1),
        a * a * hold.sum(axis=1),
    ]
    if not errors:
        return [[s0, s1], information]
    square = pull * residual
    by_eta = square * eta
    variance = [
        np.einsum("cq,cq->c", by_eta, eta) - s0 * s0,
        -a * by_eta.sum(axis=1) - s0 * s1,
        a * a * square.sum(axis=1) - s1 * s1,
    ]
    return [[s0, s1], information, variance]


def _blocks(start: np.ndarray, n_nodes: int) -> list[tuple[int, int]]:
    """Runs of whole persons of at most BLOCK cells x nodes (or one person)."""
    most = max(1, BLOCK // n_nodes)
    cuts, first = [], 0
    for person in range(1, len(start)):
        if person == len(start) - 1 or start[person + 1] - start[first] > most:
            cuts.append((first, person))
            first = person
    return cuts
