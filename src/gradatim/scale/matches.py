"""Scores of systems on tasks as comparisons: who did better than whom on each task.

Axes: `score` (a system's on a task), `system`, `task`; results as `scale.pairwise` takes them.
"""

import numpy as np
from scipy.sparse import coo_array, csr_array

from gradatim import checks, groups
from gradatim.scale.luce import Rankings, buckets

BLOCK = 4_000_000  # pairs made at once


def games_of_scores(
    system: np.ndarray, task: np.ndarray, score: np.ndarray, *, n_systems: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Every two systems on every task they share: won, lost or equal.

    Args:
        system: (score,) int, indices of systems; a system at most once per task.
        task: (score,) labels of tasks.
        score: (score,) float, higher is better; only the order within a task counts.
        n_systems: how many systems there are.

    Returns:
        player, opponent: (game,) int; result: (game,) 1 or 0.5; weight: (game,) how many tasks
        ended so. Equal games are summed, so there are at most three rows per pair of systems.

    >>> [c.tolist() for c in games_of_scores(np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1]),
    ...     np.array([0.9, 0.3, 0.5, 0.5]), n_systems=2)]
    [[0, 0], [1, 1], [0.5, 1.0], [1.0, 1.0]]
    """
    checks.shapes(system=(system, "score"), task=(task, "score"), score=(score, "score"))
    checks.finite(score=score)
    won = tied = csr_array((n_systems, n_systems))
    for players, values in _tables(system, task, score):
        one, other = np.triu_indices(players.shape[1], 1)
        size = max(1, BLOCK // max(len(one), 1))
        for first in range(0, len(players), size):
            block, value = players[first : first + size], values[first : first + size]
            a, b = block[:, one].ravel(), block[:, other].ravel()
            gap = (value[:, one] - value[:, other]).ravel()
            high, low = np.where(gap >= 0, a, b), np.where(gap >= 0, b, a)
            won = won + _counted(high[gap != 0], low[gap != 0], n_systems)
            same = gap == 0
            tied = tied + _counted(np.minimum(a, b)[same], np.maximum(a, b)[same], n_systems)
    won, tied = won.tocoo(), tied.tocoo()
    return (
        np.r_[tied.row, won.row].astype(np.int64),
        np.r_[tied.col, won.col].astype(np.int64),
        np.repeat([0.5, 1.0], [tied.nnz, won.nnz]),
        np.r_[tied.data, won.data],
    )


def choices_of_scores(system: np.ndarray, task: np.ndarray, score: np.ndarray) -> Rankings:
    """Every task as a ranking; where scores are equal, as choices.

    Args:
        system, task, score: as in `games_of_scores`.

    Returns:
        Rankings: one per task whose scores all differ. In other tasks each system is chosen, on
        its own, from itself and all with lower scores: on tasks that are solved or not, every
        solver beats the set of those that failed. Tasks that all did equally well on are left
        out. Choices on one task are taken for independent, so that standard errors of a fit to
        them are only a guide.

    Ref: Ghosh et al. 2024 (ONEBench), arXiv:2412.06745, sec. 3 (binary scores); the same for
    scores of any kind here.

    >>> found = choices_of_scores(np.array([0, 1, 2]), np.zeros(3), np.array([1.0, 1.0, 0.0]))
    >>> found.player.tolist(), found.start.tolist(), found.places.tolist()
    ([0, 2, 1, 2], [0, 2, 4], [1, 1])
    """
    checks.shapes(system=(system, "score"), task=(task, "score"), score=(score, "score"))
    checks.finite(score=score)
    player, length, places = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0, int)]
    for players, values in _tables(system, task, score):
        k = players.shape[1]
        whole = (np.diff(values, axis=1) != 0).all(axis=1)
        player.append(players[whole].ravel())
        length.append(np.full(whole.sum(), k))
        places.append(np.full(whole.sum(), max(k - 1, 1)))
        for place in range(k - 1):
            at = np.flatnonzero(~whole)
            below = values[at] < values[at, place][:, None]
            at, below = at[below.any(axis=1)], below[below.any(axis=1)]
            below[:, place] = True  # before all that are below it, as they come after it
            player.append(players[at][below])
            length.append(below.sum(axis=1))
            places.append(np.ones(len(at), np.int64))
    lengths, starts = np.concatenate(length), np.concatenate(places)
    return Rankings(
        np.concatenate(player), np.r_[0, np.cumsum(lengths)], starts, np.ones(len(lengths))
    )


def games_of_rankings(rankings: Rankings) -> tuple[np.ndarray, ...]:
    """Every two players of a ranking whose order it tells: winner, loser, weight (game,).

    >>> ranking = Rankings(np.array([2, 0, 1]), np.array([0, 3]), np.array([1]), np.ones(1))
    >>> [column.tolist() for column in games_of_rankings(ranking)]
    [[2, 2], [0, 1], [1.0, 1.0]]
    """
    columns = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))]
    for table in buckets(rankings):
        above, below = np.triu_indices(table.player.shape[1], 1)
        weight = table.stage[:, above]
        told = weight > 0
        columns.append((table.player[:, above][told], table.player[:, below][told], weight[told]))
    return tuple(np.concatenate(column) for column in zip(*columns, strict=True))


def _tables(
    system: np.ndarray, task: np.ndarray, score: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    """(task, place) tables of systems and scores, best first, one per number of systems."""
    if not len(system):
        return []
    code, n = groups.codes(task)
    order = np.lexsort((system, -np.asarray(score), code))
    lengths = groups.counts(code, n)
    start = np.cumsum(lengths) - lengths
    found = []
    for length in np.unique(lengths[lengths > 1]):
        at = order[start[lengths == length][:, None] + np.arange(length)]
        found.append((np.asarray(system)[at].astype(np.int64), np.asarray(score, float)[at]))
    return found


def _counted(one: np.ndarray, other: np.ndarray, n: int) -> csr_array:
    return coo_array((np.ones(len(one)), (one, other)), shape=(n, n)).tocsr()
