"""Integrals over ability with nodes local to each person, and the sums that a fit needs.

A fixed grid is silently wrong once a posterior is narrower than its step (at 5,000 items it has a
standard deviation near 0.03); here each person has nodes around the own posterior mode, spaced by
the own curvature. Axes: `cell`, `person`, `item`, `node`, `param` (0 log a, 1 b, 2 guess, 3 slip),
`pair` (upper triangle of param x param, see `blocks`).

Ref: Naylor & Smith 1982, Applied Statistics 31:214 (adaptive Gauss-Hermite); Bock & Aitkin 1981,
Psychometrika 46:443 (the E-step); Louis 1982, JRSS B 44:226 (observed information).
"""

from typing import NamedTuple

import numpy as np

from gradatim.scale.blocks import outer
from gradatim.scale.cells import Cells, Counts
from gradatim.scale.curves import slopes
from gradatim.scale.derivatives import (
    Items,
    View,
    expected_information,
    log_likelihood,
    look,
    observed_information,
    scores,
)

BLOCK = 1 << 17  # cells x nodes worked on at a time: what bounds memory
FAR = 40.0  # abilities stay within +-FAR


class Posterior(NamedTuple):
    """Abilities given items, and the sums over persons that items need.

    Attributes:
        loglik: (person,) marginal log-likelihood.
        mean, sd: (person,) of the posterior.
        gradient: (param, item) of the marginal log-likelihood (Fisher's identity).
        expected: (pair, item) complete-data information; what attempts hold on average, and
            where errors are asked for what these attempts hold (without the score's own terms,
            see `derivatives.observed_information`; for a 2PL without ends both are one).
        missing: (pair, item) posterior variance of the complete-data score, summed; information
            observed is information complete minus this. Zero unless errors are asked for.
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


def count_nodes(counts: Counts) -> int:
    """Nodes that integrate to about 1e-6: many for short tests, few where posteriors are normal.

    Gauss-Hermite nodes scaled to the posterior converge faster the closer it is to a normal
    shape, and it is the closer the more cells a person has.
    """
    n_persons = len(counts.persons)
    if isinstance(counts, Cells):
        shortest = int(np.diff(counts.start).min())
    else:
        shortest = len(counts.items) - int(np.bincount(counts.person, minlength=n_persons).max())
    for nodes, below in ((31, 30), (15, 200), (9, 1000), (7, 5000)):
        if shortest < below:
            return nodes
    return 5


def modes(
    cells: Cells, items: Items, start: np.ndarray, *, steps: int = 30, close: float = 0.1
) -> tuple[np.ndarray, np.ndarray]:
    """Posterior mode and sd by curvature of each person, by damped Fisher scoring.

    Args:
        cells: in canonical order.
        items: parameters.
        start: (person,) where to begin.
        steps: most steps.
        close: they end when no person moves by this many sd any more (the nodes only have to be
            near, the integral hardly depends on them).

    Returns:
        (person,) mode and (person,) 1 / sqrt(expected information + 1).
    """
    theta = start.copy()
    a = np.exp(items.log_a)[cells.item]
    b = items.b[cells.item]
    floor = None if items.floor is None else items.floor[cells.item]
    ceiling = None if items.ceiling is None else items.ceiling[cells.item]
    sd = np.ones(len(theta))
    for _ in range(steps):
        up, down = slopes(a * (theta[cells.person] - b), floor, ceiling)
        score = a * (cells.solved * up - (cells.tried - cells.solved) * down)
        weight = a * a * cells.tried * up * down
        gradient = np.add.reduceat(score, cells.start[:-1]) - theta
        curvature = np.add.reduceat(weight, cells.start[:-1]) + 1
        sd = 1 / np.sqrt(curvature)
        step = np.clip(gradient / curvature, -1.0, 1.0)
        theta = np.clip(theta + step, -FAR, FAR)
        if np.all(np.abs(step) < close * sd):
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
    n_items, n_persons, params = len(items.b), len(cells.start) - 1, items.params
    n_pairs = params * (params + 1) // 2
    gradient = np.zeros((params, n_items))
    expected, missing = np.zeros((2, n_pairs, n_items))
    loglik, mean, sd = np.zeros((3, n_persons))
    moving = np.zeros((params, len(cells.solved))) if errors else None
    for first, last in _blocks(cells.start, n_nodes):
        here = slice(cells.start[first], cells.start[last])
        x, log_weight = place(nodes, (first, last), n_nodes)
        person, item = cells.person[here] - first, cells.item[here]
        view = look(items, item, x[person], counts=(cells.solved[here], cells.tried[here]))
        h, loglik[first:last] = weigh(view, cells.start[first : last + 1], log_weight)
        mean[first:last] = m = np.sum(h * x, axis=1)
        sd[first:last] = np.sqrt(np.sum(h * (x - m[:, None]) ** 2, axis=1))
        each = h[person]
        plain = params == 2 and (items.floor is None or not errors)
        sums = (_reduce_two if plain else _reduce)(view, each, params, errors)
        for rows, target in zip(sums, (gradient, expected, missing), strict=False):
            for row, values in enumerate(rows):
                target[row] += np.bincount(item, weights=values, minlength=n_items)
        if moving is not None:
            pull = each * (x - m[:, None])[person]
            moving[:, here] = np.einsum("cq,kcq->kc", pull, scores(view, params))
    return Posterior(loglik, mean, sd, gradient, expected, missing, moving)


def place(
    nodes: tuple[np.ndarray, np.ndarray], span: tuple[int, int], n_nodes: int
) -> tuple[np.ndarray, np.ndarray]:
    """(person, node) nodes of the persons of a span, and their log weights with the prior."""
    base, weight = np.polynomial.hermite_e.hermegauss(n_nodes)
    centre, spread = (part[span[0] : span[1], None] for part in nodes)
    x = centre + spread * base
    log_weight = np.log(weight / np.sqrt(2 * np.pi)) + base**2 / 2
    return x, log_weight - x**2 / 2 + np.log(spread)


def weigh(view: View, start: np.ndarray, log_weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(person, node) posterior, and (person,) log-likelihood; `start` as in Cells, of a span."""
    joint = np.add.reduceat(log_likelihood(view), start[:-1] - start[0], axis=0) + log_weight
    top = joint.max(axis=1, keepdims=True)
    h = np.exp(joint - top)
    total = h.sum(axis=1, keepdims=True)
    return h / total, (top + np.log(total))[:, 0]


def _reduce(view: View, h: np.ndarray, params: int, errors: bool) -> list[np.ndarray]:
    """Per cell: score (param,), information (pair,), variance of the score (pair,)."""
    score = scores(view, params)
    mean = np.einsum("cq,kcq->kc", h, score)
    held = (observed_information if errors else expected_information)(view, params)
    found = [mean, np.einsum("cq,kcq->kc", h, held)]
    if errors:
        found.append(np.einsum("cq,kcq->kc", h, outer(score)) - outer(mean))
    return found


def _reduce_two(view: View, h: np.ndarray, params: int, errors: bool) -> list[list[np.ndarray]]:
    """The same for (log a, b), in fewer passes over memory."""
    residual = view.solved * view.up - view.lost * view.down
    weight = (view.solved + view.lost) * view.up * view.down
    a, eta = view.slope[:, 0], view.eta
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
