"""Kemeny's order: the permutation with the fewest disagreements with a table of pairwise wins.

Majorities split the systems into parts whose order among each other is certain; only inside a
part, where majorities run in circles, is there anything to search.
Axes: `system`, `place`.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

CUTS = 500  # triangle inequalities added at a time
NODES = 100  # of branching in one integer programme: a limit that no machine's speed moves
EDGE = 1e-6


class Consensus(NamedTuple):
    """An order and how good it is known to be.

    Attributes:
        order: (place,) int, systems, best first.
        rank: (system,) float; neighbours that the wins do not tell apart share their mean rank.
        cost: disagreements of the order, tied wins counting half.
        bound: no order has fewer.
        optimal: whether cost and bound are equal.
    """

    order: np.ndarray
    rank: np.ndarray
    cost: float
    bound: float
    optimal: bool


def minimise(wins: np.ndarray, start: np.ndarray, *, exact: int) -> Consensus:
    """See `aggregation.kemeny`."""
    order = np.empty(0, dtype=np.int64)
    inside = outside = 0.0  # cost and bound
    least = np.minimum(wins, wins.T)
    for part in _parts(wins, start):
        table = wins[np.ix_(part, part)]
        found = improve(table)
        bound = float(np.triu(least[np.ix_(part, part)], 1).sum())
        cost = _cost(table, found)
        if cost > bound + EDGE and len(part) <= exact:
            found, bound = _exact(table, found)
            cost = _cost(table, found)
        inside, outside = inside + cost - bound, outside + bound
        order = np.r_[order, part[found]]
    cost = _cost(wins, order)
    bound = cost - inside
    return Consensus(order, _shared(wins, order), cost, bound, bool(inside <= EDGE * (1 + cost)))


def improve(wins: np.ndarray) -> np.ndarray:
    """(place,) a local optimum from the given numbering: no system can move and lower the cost."""
    margin = wins - wins.T
    n = len(wins)
    order, place = np.arange(n), np.arange(n)
    cost = np.zeros(n + 1)
    still = 0  # systems in a row that had no better place
    system = 0
    while still < n:
        # disagreements before place p fall by margins of those then above it; its own margin is 0
        np.cumsum(margin[system, order], out=cost[1:])
        best, at = int(cost.argmin()), int(place[system])
        still += 1
        if cost[best] < cost[at] - EDGE:
            order = np.insert(np.delete(order, at), best - (best > at), system)
            place[order] = np.arange(n)
            still = 0
        system = (system + 1) % n
    return order


def _cost(wins: np.ndarray, order: np.ndarray) -> float:
    return float(np.tril(wins[np.ix_(order, order)], -1).sum())


def _parts(wins: np.ndarray, start: np.ndarray) -> list[np.ndarray]:
    """Systems that majorities do not separate, best part first, each in the order of `start`."""
    not_worse = csr_array(wins >= wins.T)
    n_parts, label = connected_components(not_worse, directed=True, connection="strong")
    above = (wins > wins.T).sum(axis=1)  # a better part beats all that a worse one beats, and it
    key = np.zeros(n_parts)
    np.maximum.at(key, label, above)
    order = start[np.lexsort((np.arange(len(start)), -key[label[start]]))]
    cuts = np.flatnonzero(np.diff(label[order])) + 1
    return np.split(order, cuts)


def _shared(wins: np.ndarray, order: np.ndarray) -> np.ndarray:
    """(system,) ranks; a run whose every pair has as many wins one way as the other shares one."""
    rank = np.empty(len(order))
    first = 0
    for place in range(1, len(order) + 1):
        run = order[first:place]
        if place < len(order):
            new = order[place]
            if np.array_equal(wins[new, run], wins[run, new]):
                continue
        rank[run] = (first + 1 + place) / 2
        first = place
    return rank


def _exact(wins: np.ndarray, found: np.ndarray) -> tuple[np.ndarray, float]:
    """The best order of one part, or the best found and a lower bound, after limited branching.

    x_jk = 1 where j is before k; 0 <= x_ij + x_jk - x_ik <= 1 for all i < j < k, added where an
    optimum breaks them: first of the relaxation, then of the whole numbers.
    """
    n = len(wins)
    one, other = np.triu_indices(n, 1)
    place = np.zeros((n, n), dtype=np.int64)
    place[one, other] = np.arange(len(one))
    gain = (wins.T - wins)[one, other]
    base = float(wins[one, other].sum())
    triples = np.array(np.meshgrid(*[np.arange(n)] * 3, indexing="ij")).reshape(3, -1)
    triples = triples[:, (triples[0] < triples[1]) & (triples[1] < triples[2])]
    sides = place[triples[0], triples[1]], place[triples[1], triples[2]]
    ends = place[triples[0], triples[2]]
    used = np.zeros(len(ends), dtype=bool)
    best, bound, whole = _cost(wins, found), 0.0, False
    while True:
        x, low = _solve(gain, (*sides, ends), np.flatnonzero(used), whole=whole)
        bound = max(bound, base + low)
        if x is None:  # out of nodes
            break
        total = x[sides[0]] + x[sides[1]] - x[ends]
        broken = np.maximum(total - 1, -total)
        if (broken <= EDGE).all() and (whole or np.all(np.abs(x - np.rint(x)) < 1e-5)):
            table = np.zeros((n, n))
            table[one, other], table[other, one] = x, 1 - x
            order = np.argsort(-table.sum(axis=1), kind="stable")
            if _cost(wins, order) < best - EDGE:
                found, best = order, _cost(wins, order)
            break
        if (broken <= EDGE).all():
            whole = True
            continue
        new = np.argsort(-broken, kind="stable")[:CUTS]
        used[new[broken[new] > EDGE]] = True
    return found, min(bound, best)


def _solve(
    gain: np.ndarray,
    corners: tuple[np.ndarray, np.ndarray, np.ndarray],
    used: np.ndarray,
    *,
    whole: bool,
) -> tuple[np.ndarray | None, float]:
    """The optimum under the triangle inequalities so far and a lower bound on it."""
    rows = np.repeat(np.arange(len(used)), 3)
    columns = np.stack([corner[used] for corner in corners], axis=1).ravel()
    values = np.tile([1.0, 1.0, -1.0], len(used))
    limits = ()
    if len(used):
        table = coo_array((values, (rows, columns)), shape=(len(used), len(gain))).tocsr()
        limits = LinearConstraint(table, 0.0, 1.0)
    result = milp(
        gain,
        integrality=np.full(len(gain), int(whole)),
        bounds=Bounds(0, 1),
        constraints=limits,
        options={"node_limit": NODES, "mip_rel_gap": 0.0},
    )
    if result.status != 0:
        bound = getattr(result, "mip_dual_bound", None)
        return None, -np.inf if bound is None else float(bound)
    return np.asarray(result.x), float(result.mip_dual_bound if whole else result.fun)
