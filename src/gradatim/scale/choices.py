"""Plackett-Luce of a table of scores: who did better on a task is chosen before who did worse.

The model of `matches.choices_of_scores`, for tables where thousands of players tie on each task:
those who share a score share the set that they beat, so a task costs its players times its
different scores, and never its winners times its losers. `paired` is the same for games.
Axes: `player`, `task`; `level` 0 = the best score of a task.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy.special import expit

from gradatim.scale.concave import Concave, Curvature


def levels(score: np.ndarray) -> np.ndarray:
    """(player, task) int: place of each score among the different ones of its task, -1 for NaN.

    >>> levels(np.array([[0.9, np.nan], [0.4, 1.0], [0.4, 2.0]]))
    array([[ 0, -1],
           [ 1,  1],
           [ 1,  0]])
    """
    score = np.asarray(score, dtype=float)
    n_players = len(score)
    if not score.size:
        return np.full(score.shape, -1)
    order = np.argsort(-score, axis=0, kind="stable")  # NaN last
    placed = np.take_along_axis(score, order, axis=0)
    new = np.zeros(score.shape, dtype=np.int64)
    new[1:] = placed[1:] < placed[: n_players - 1]
    code = np.empty(score.shape, dtype=np.int64)
    np.put_along_axis(code, order, np.cumsum(new, axis=0), axis=0)
    return np.where(np.isnan(score), -1, code)


def likelihood(code: np.ndarray, *, alpha: float) -> Concave:
    """Log-likelihood as a function of strengths, with prior N(0, 1/alpha) where alpha > 0.

    Args:
        code: (player, task) as `levels` makes it.
        alpha: precision of the prior.

    Ref: Ghosh et al. 2024 (ONEBench), arXiv:2412.06745, sec. 3; Plackett 1975, Applied Statistics
    24:193.
    """
    n = len(code)

    def value(x: np.ndarray) -> float:
        total = -alpha / 2 * float(x @ x)
        shifted = x - x.max()
        for here in _visit(code, shifted):
            total += float(np.sum(shifted[here.player] - np.log(here.sums)))
        return total

    def at(x: np.ndarray) -> Curvature:
        matrix = _curvature(code, x) + alpha * np.eye(n)
        gradient = residuals(code, x).sum(axis=1) - alpha * x
        return Curvature(gradient, np.diag(matrix), lambda v: matrix @ v, matrix.copy)

    return Concave(value, at)


def paired(wins: np.ndarray, *, alpha: float) -> Concave:
    """Bradley-Terry log-likelihood of a table of wins: `luce.pairs` where most pairs have met.

    Args:
        wins: (player, player) float, how often the row beat the column; 0 on the diagonal.
        alpha: precision of the prior N(0, 1/alpha).

    Ref: Bradley & Terry 1952, Biometrika 39:324.
    """

    def value(x: np.ndarray) -> float:
        lost = np.logaddexp(0.0, x - x[:, None])  # -log P(row beats column)
        return -float(np.vdot(wins, lost)) - alpha / 2 * float(x @ x)

    def at(x: np.ndarray) -> Curvature:
        behind = expit(x - x[:, None])
        missed = wins * behind
        gradient = missed.sum(axis=1) - missed.sum(axis=0) - alpha * x
        bend = (wins + wins.T) * behind * behind.T
        diagonal = bend.sum(axis=1) + alpha

        def times(v: np.ndarray) -> np.ndarray:
            return diagonal[:, None] * v - bend @ v

        return Curvature(gradient, diagonal, times, lambda: np.diag(diagonal) - bend)

    return Concave(value, at)


def residuals(code: np.ndarray, x: np.ndarray) -> np.ndarray:
    """(player, task) each task's part of the gradient: times chosen, less its expectation."""
    e = np.exp(x - x.max())
    found = np.zeros(code.shape)
    for here in _visit(code, x - x.max()):
        found[here.player, here.task] += 1 - e[here.player] / here.sums
        shared = np.bincount(here.task, weights=1 / here.sums, minlength=code.shape[1])
        found -= np.where(code > here.level, e[:, None] * shared, 0.0)
    return found


class _Level(NamedTuple):
    """The choices at one level: who is chosen on which task, and the sum over who is there."""

    level: int
    player: np.ndarray
    task: np.ndarray
    sums: np.ndarray


def _visit(code: np.ndarray, shifted: np.ndarray) -> Iterator[_Level]:
    """Levels from the last but one up to the best; the last beats nobody."""
    e = np.exp(shifted)
    below = np.zeros(code.shape[1])
    for level in range(int(code.max(initial=-1)), -1, -1):
        player, task = np.nonzero(code == level)
        used = below[task] > 0
        if used.any():
            sums = np.maximum(e[player] + below[task], 1e-300)[used]
            yield _Level(level, player[used], task[used], sums)
        below += np.bincount(task, weights=e[player], minlength=len(below))


def _curvature(code: np.ndarray, x: np.ndarray) -> np.ndarray:
    """(player, player) sum over choices of diag(p) - p p', by one product per level."""
    n, n_tasks = code.shape
    e = np.exp(x - x.max())
    matrix = np.zeros((n, n))
    diagonal = np.zeros(n)
    for here in _visit(code, x - x.max()):
        share = e[here.player] / here.sums
        lower = np.where(code > here.level, e[:, None], 0.0)
        once = np.bincount(here.task, weights=1 / here.sums, minlength=n_tasks)
        twice = np.bincount(here.task, weights=1 / here.sums**2, minlength=n_tasks)
        own = np.zeros(code.shape)
        own[here.player, here.task] = share / here.sums
        diagonal += np.bincount(here.player, weights=share * (1 - share), minlength=n)
        diagonal += lower @ once
        crossed = own @ lower.T
        matrix -= (lower * twice) @ lower.T + crossed + crossed.T
    matrix[np.arange(n), np.arange(n)] += diagonal
    return matrix
