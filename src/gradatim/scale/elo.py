"""Elo ratings: one pass over games in their order, and the average over random orders.

One pass is what a chess federation does: fast, no standard error, and the result depends on the
order of the games. For a fixed set of games with no meaningful order take `averaged`, or
Bradley-Terry (`scale.pairwise`), whose estimate no order can change.
Axes: `game` (player against opponent), `player`.
"""

import numpy as np

from gradatim import checks
from gradatim.errors import ArgumentError
from gradatim.scale.glicko import UNIT, check_games
from gradatim.types import Estimate

BEGIN = 1500.0
BLOCK = 4096  # games looked up at once


def expected(gap: np.ndarray) -> np.ndarray:
    """Expected score of a player whose rating is `gap` points above the opponent's.

    >>> expected(np.array([0.0, 400.0])).round(3)
    array([0.5  , 0.909])
    """
    return 1 / (1 + np.exp(-np.asarray(gap) / UNIT))


def sequential(
    player: np.ndarray,
    opponent: np.ndarray,
    score: np.ndarray,
    *,
    n_players: int,
    k: float = 32.0,
    begin: float = BEGIN,
) -> np.ndarray:
    """Ratings after the games in the order given.

    Args:
        player, opponent: (game,) int, indices of players.
        score: (game,) in [0, 1], the player's.
        n_players: how many players there are.
        k: points that a game can move.
        begin: everybody's rating before the first game.

    Returns:
        (player,) ratings; their mean stays `begin`. Another order gives other ratings.

    Raises:
        ArgumentError: indices or scores out of range, a player against itself, k not positive.

    Ref: Elo 1978, The Rating of Chessplayers, 1.6, with the logistic curve.

    >>> sequential(np.array([0, 0]), np.array([1, 1]), np.array([1.0, 1.0]), n_players=2).round(2)
    array([1530.53, 1469.47])
    """
    check_games(n_players, player, opponent, score)
    checks.within(1e-9, 1e6, k=k)
    games = tuple(np.asarray(column) for column in (player, opponent, score))
    return begin + _one_pass(games, n_players, k)


def averaged(
    player: np.ndarray,
    opponent: np.ndarray,
    score: np.ndarray,
    *,
    n_players: int,
    k: float = 32.0,
    orders: int = 100,
    level: float = 0.95,
    rng: np.random.Generator | None = None,
) -> Estimate:
    """Mean rating over random orders of the games, with a bootstrap interval.

    Args:
        player, opponent, score, n_players, k: as in `sequential`.
        orders: random orders to average over, and resamples of the games (drawn with
            replacement, each in one random order) behind the interval.
        level: coverage of the interval.
        rng: of orders and resamples; None starts a fresh one at 0, so a repeat gives the same.

    Returns:
        Estimate per player, centred on 1500; n is the games. The interval is the resamples' own
        percentile interval, as leaderboards of models print it: it holds the spread of single
        orders too, and so is wider than sampling alone would make it.

    Raises:
        ArgumentError: as `sequential`; fewer than 2 orders.

    Ref: Boubdir et al. 2023, arXiv:2311.17295 (orders); Chiang et al. 2024, arXiv:2403.04132
    (bootstrap).

    >>> found = averaged(np.array([0] * 9), np.array([1] * 9), np.r_[np.ones(6), np.zeros(3)],
    ...     n_players=2)
    >>> bool(found.low[0] < found.value[0] < found.high[0]), found.n
    (True, array([9, 9]))
    """
    check_games(n_players, player, opponent, score)
    checks.within(1e-9, 1e6, k=k)
    checks.within(1e-9, 1 - 1e-9, level=level)
    if orders < 2:
        raise ArgumentError(f"`orders` must be at least 2, got {orders}")
    rng = np.random.default_rng(0) if rng is None else rng
    drawn = np.empty((len(score), orders), dtype=np.int32)
    for column in range(orders):
        drawn[:, column] = rng.permutation(len(score))
    rating = _passes((player, opponent, score), drawn, n_players=n_players, k=k, rng=rng)
    value = rating[:, :orders].mean(axis=1)
    tails = [(1 - level) / 2, (1 + level) / 2]
    low, high = np.quantile(rating[:, orders:], tails, axis=1)
    games = np.bincount(np.r_[player, opponent].astype(np.int64), minlength=n_players)
    low, high = np.minimum(low, value), np.maximum(high, value)
    return Estimate(BEGIN + value, BEGIN + low, BEGIN + high, games)


def _passes(
    games: tuple[np.ndarray, ...],
    orders: np.ndarray,
    *,
    n_players: int,
    k: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """(player, pass) ratings about 0: each order of `orders` (game, order), then as many resamples.

    All passes advance together, game by game.
    """
    n, many = orders.shape[0], 2 * orders.shape[1]
    column = np.arange(many)
    rating = np.zeros(n_players * many)
    me, other = (np.asarray(side, dtype=np.int64) * many for side in games[:2])
    won = np.asarray(games[2], dtype=float)
    for first in range(0, n, BLOCK):  # a block's gathers cost less than one per game
        ordered = orders[first : first + BLOCK]
        block = np.concatenate([ordered, rng.integers(n, size=ordered.shape)], axis=1)
        ups, downs, results = me[block] + column, other[block] + column, won[block]
        for up, down, result in zip(ups, downs, results, strict=True):
            mine, theirs = rating[up], rating[down]
            gain = k * (result - 1 / (1 + np.exp((theirs - mine) / UNIT)))
            rating[up] = mine + gain
            rating[down] = theirs - gain
    return rating.reshape(n_players, many)


def _one_pass(games: tuple[np.ndarray, ...], n_players: int, k: float) -> np.ndarray:
    rating = [0.0] * n_players
    for up, down, result in zip(*(column.tolist() for column in games), strict=True):
        gain = k * (result - 1 / (1 + 10 ** ((rating[down] - rating[up]) / 400)))
        rating[up] += gain
        rating[down] -= gain
    return np.array(rating)
