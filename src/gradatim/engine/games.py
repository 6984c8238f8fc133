"""One source of comparisons as games, or as rankings, for the methods that rate.

Axes: `game` (player against opponent).
"""

from typing import NamedTuple

import numpy as np

from gradatim.errors import ArgumentError
from gradatim.scale import matches, pairwise
from gradatim.scale.luce import Rankings
from gradatim.store.comparisons import Comparisons


class Games(NamedTuple):
    """Flat columns (game,), see `scale.glicko.play`."""

    player: np.ndarray
    opponent: np.ndarray
    score: np.ndarray
    weight: np.ndarray
    period: np.ndarray | None


def as_games(source: Comparisons) -> Games:
    """Every two places of a ranking, and every two systems on a task, as a game."""
    if source.kind == "rankings":
        winner, loser, weight = matches.games_of_rankings(_listed(source))
        return Games(winner, loser, np.ones(len(winner)), weight, None)
    if source.kind == "scores":
        columns = (_known(source.system), _known(source.task), _known(source.value))
        player, opponent, score, weight = matches.games_of_scores(
            *columns, n_systems=len(source.names)
        )
        return Games(player, opponent, score, weight, None)
    return Games(
        _known(source.player),
        _known(source.opponent),
        _known(source.score),
        _known(source.weight),
        source.period,
    )


def as_rankings(source: Comparisons, games: Games) -> Rankings:
    """Rankings as they are, tasks as choices, games as rankings of two."""
    if source.kind == "rankings":
        return _listed(source)
    if source.kind == "scores":
        return matches.choices_of_scores(
            _known(source.system), _known(source.task), _known(source.value)
        )
    # a game is a ranking of two, a draw half of each
    first, second = np.r_[games.player, games.opponent], np.r_[games.opponent, games.player]
    weight = np.r_[games.weight * games.score, games.weight * (1 - games.score)]
    kept = weight > 0
    player = np.stack([first[kept], second[kept]], axis=1).ravel()
    n = int(kept.sum())
    return Rankings(player, np.arange(0, 2 * n + 1, 2), np.ones(n, np.int64), weight[kept])


def as_solvers(source: Comparisons, games: Games) -> tuple[Comparisons, Games]:
    """Solvers against each other, item by item, as scores of systems on tasks."""
    n = source.roles.count("solver")
    of_tasks = Comparisons(
        kind="scores",
        names=source.names[:n],
        roles=source.roles[:n],
        system=games.player,
        task=games.opponent,
        value=games.score,
    )
    return of_tasks, as_games(of_tasks)


def _listed(source: Comparisons) -> Rankings:
    return pairwise.rank(source.ranking, places=source.places)


def _known(column: np.ndarray | None) -> np.ndarray:
    if column is None:
        raise ArgumentError("`source` lacks a column that its kind needs, see Comparisons")
    return column


def merged(games: Games, n: int) -> Games:
    """Games of one pair as one, with their number and mean score."""
    pair, code = np.unique(games.player * n + games.opponent, return_inverse=True)
    weight = np.bincount(code, weights=games.weight)
    score = np.bincount(code, weights=games.weight * games.score) / weight
    # rounding must not carry a mean of wins above 1
    return Games(pair // n, pair % n, np.minimum(score, 1.0), weight, None)
