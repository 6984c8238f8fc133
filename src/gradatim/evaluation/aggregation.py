"""One order of systems from many tasks, when scores of different tasks have no common unit.

Only who did better on a task counts, never by how much: an order that a mean of scores would give
changes when one task is rescaled, these do not. A system that a task lacks is not counted there.
Axes: `system`, `task` (or an item: anything that puts systems in order).
"""

from typing import NamedTuple

import numpy as np

from gradatim import checks
from gradatim.errors import ArgumentError
from gradatim.evaluation.consensus import Consensus, minimise
from gradatim.evaluation.rank import midranks
from gradatim.scale.choices import levels

HOW = ("borda", "kemeny")
DIGITS = 10  # of a score: what is equal but for rounding is equal


class Aggregate(NamedTuple):
    """An order of systems.

    Attributes:
        order: (place,) int, systems, best first; equal ones in the order they came.
        rank: (system,) float, 1 = best; equal ones share their mean rank.
        score: (system,) float, higher is better: Borda's share of others beaten; for Kemeny, how
            many systems are placed below, equal ones by half.
        consensus: how Kemeny's order was found; None for Borda.
    """

    order: np.ndarray
    rank: np.ndarray
    score: np.ndarray
    consensus: Consensus | None = None


def aggregate(
    score: np.ndarray,
    *,
    how: str = "borda",
    group: np.ndarray | None = None,
    weight: np.ndarray | None = None,
) -> Aggregate:
    """Order systems by their order on each task.

    Args:
        score: (system, task) float, any unit of each task's own, higher is better; NaN = missing.
        how: "borda": share of others that a system beats, equal scores counting half, each other
            system weighing the same. "kemeny": the order with the fewest disagreements (pairs of
            systems, summed over tasks) with the tasks' own orders.
        group: (task,) labels; two levels: tasks of one label (instances of a benchmark) are made
            into one order first, and then these orders into one, both by `how`, so that a group
            counts once however many tasks it has. None: one level.
        weight: (task,) >= 0, how often each counts; None for once.

    Returns:
        Aggregate.

    Raises:
        ArgumentError: fewer than two systems, none of the tasks puts two in order, shapes that
            differ, infinite scores.

    Ref: Colombo et al. 2022, "What are the best systems? New perspectives on NLP benchmarking",
    NeurIPS, arXiv:2202.03799, sec. 3 (Borda and Kemeny, one level and two); differs: missing
    scores and equal scores are allowed, and Kemeny's order is exact where it can be, with a bound
    where not.

    >>> score = np.array([[0.9, 0.2, 30.0], [0.8, 0.3, 20.0], [0.1, 0.1, 90.0]])
    >>> aggregate(score).score.round(2).tolist()
    [0.67, 0.5, 0.33]
    >>> aggregate(score, how="kemeny").order.tolist()
    [0, 1, 2]
    """
    checks.one_of("how", how, HOW)
    score = np.asarray(score, dtype=float)
    n_systems, n_tasks = _sizes(score)
    weight = np.ones(n_tasks) if weight is None else np.asarray(weight, dtype=float)
    checks.shapes(score=(score, "system task"), weight=(weight, "task"))
    checks.within(0, 1e300, weight=weight)
    if group is not None:
        score, weight = _grouped(score, how=how, group=np.asarray(group), weight=weight)
    wins = beaten(levels(score), weight=weight)
    if not wins.any():
        raise ArgumentError("no task has a score of two systems: there is nothing to order")
    if how == "borda":
        shares = borda(wins).round(DIGITS)
        return Aggregate(np.argsort(-shares, kind="stable"), midranks(-shares), shares)
    found = kemeny(wins)
    return Aggregate(found.order, found.rank, n_systems - found.rank, found)


def beaten(code: np.ndarray, *, weight: np.ndarray | None = None) -> np.ndarray:
    """(system, system) float: on how many tasks the row's did better than the column's, ties half.

    Args:
        code: (system, task) as `scale.choices.levels` makes it.
        weight: (task,) how often each counts; None for once.

    >>> beaten(levels(np.array([[1.0, 1.0, 1.0], [0.0, 1.0, np.nan]])))
    array([[0. , 1.5],
           [0.5, 0. ]])
    """
    n = len(code)
    wins = np.zeros((n, n))
    for here, lower in _sides(code):
        wins += (here if weight is None else here * weight) @ (lower + here / 2).T
    np.fill_diagonal(wins, 0.0)
    return wins


def borda(wins: np.ndarray) -> np.ndarray:
    """(system,) mean over the others it met of the share of tasks on which it did better.

    On complete data this is (n - mean rank) / (n - 1), so its order is that of rank sums. Where
    results are missing it still weighs each other system once. NaN for who met nobody.

    >>> borda(np.array([[0.0, 2.0, 1.0], [1.0, 0.0, 3.0], [1.0, 1.0, 0.0]])).round(3)
    array([0.583, 0.542, 0.375])
    """
    met = wins + wins.T
    share = np.divide(wins, met, out=np.zeros_like(wins), where=met > 0)
    others = np.sum(met > 0, axis=1)
    return share.sum(axis=1) / np.where(others, others, np.nan)


def borda_parts(code: np.ndarray, wins: np.ndarray) -> np.ndarray:
    """(system, task) derivative of `borda` in the weight of each task, at weights of one.

    Args:
        code: (system, task) as `levels` makes it.
        wins: of that code, from `beaten`.
    """
    met = wins + wins.T
    share = np.divide(wins, met, out=np.zeros_like(wins), where=met > 0)
    others = np.maximum(np.sum(met > 0, axis=1), 1)
    each = np.divide(1.0, met, out=np.zeros_like(wins), where=met > 0) / others[:, None]
    found = np.zeros(code.shape)
    for here, lower in _sides(code):
        found += here * (each @ (lower + here / 2))
        # a system is as much as level with itself, which `each` has no weight for
    return found - (code >= 0) * ((each * share) @ (code >= 0))


def kemeny(wins: np.ndarray, *, exact: int = 40, start: np.ndarray | None = None) -> Consensus:
    """The order with the fewest disagreements, from `beaten`.

    Args:
        wins: (system, system) on how many tasks the row's is before the column's; ties count
            half, which cannot change the order.
        exact: largest part (systems that no majority separates) that is solved exactly, if it can
            be with little branching; 0: only the local search.
        start: (place,) an order to improve on; None for Borda's.

    Returns:
        Consensus: `cost` disagreements, never fewer than `bound`; `optimal` where they are equal.

    Raises:
        ArgumentError: a table that is not square, negative or NaN.

    Ref: Kemeny 1959, Daedalus 88:577; parts by majority: Truchon 1998 (extended Condorcet
    criterion); integer programme with triangle inequalities: Groetschel, Juenger & Reinelt 1984,
    Operations Research 32:1195. An order without ties is among the best: Fagin et al. 2006, SIAM
    J. Discrete Mathematics 20:628.

    >>> kemeny(np.array([[0, 2, 1], [1, 0, 2], [2, 1, 0]]), exact=10).cost     # a cycle
    4.0
    """
    wins = np.asarray(wins, dtype=float)
    if wins.ndim != 2 or wins.shape[0] != wins.shape[1]:
        raise ArgumentError(f"`wins` must be square, got shape {wins.shape}")
    checks.within(0, 1e300, wins=wins)
    if start is None:
        start = np.argsort(-np.nan_to_num(borda(wins), nan=-1.0), kind="stable")
    return minimise(wins, np.asarray(start), exact=exact)


def _sizes(score: np.ndarray) -> tuple[int, int]:
    if score.ndim != 2 or len(score) < 2:
        raise ArgumentError(
            f"`score` must have axes (system, task) and at least two systems, got shape "
            f"{score.shape}"
        )
    checks.finite(score=np.nan_to_num(score, nan=0.0, posinf=np.inf, neginf=-np.inf))
    return score.shape


def _grouped(
    score: np.ndarray, *, how: str, group: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(system, label) scores of each label's own order, NaN for systems that it lacks."""
    checks.shapes(score=(score, "system task"), group=(group, "task"))
    names = np.unique(group)
    found = np.full((len(score), len(names)), np.nan)
    for column, name in enumerate(names):
        here = group == name
        wins = beaten(levels(score[:, here]), weight=weight[here])
        some = (wins + wins.T).any(axis=1)
        if some.any():
            part = aggregate(score[some][:, here], how=how, weight=weight[here])
            found[some, column] = part.score
    return found, np.ones(len(names))


def _sides(code: np.ndarray):
    """Per level, (system, task) 0 or 1: who is at it, and who is below it."""
    for level in range(int(code.max(initial=-1)) + 1):
        yield (code == level).astype(float), (code > level).astype(float)
