"""The Plackett-Luce log-likelihood of rankings, with its first and second derivatives.

A ranking of K is K - 1 choices, whose sets are its own tails; sums over tails are cumulative, so
a ranking costs K, not K^2. Rankings of one length lie in one table, and games are rankings of 2.
Axes: `ranking`, `entry` (its place, best first), `player`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from gradatim import checks
from gradatim.errors import ArgumentError
from gradatim.scale.concave import Concave, Curvature, laplacian

BLOCK = 4_000_000  # entries of a temporary table


class Rankings(NamedTuple):
    """Rankings, whole or of the first places only, as flat columns.

    Attributes:
        player: (entry,) int, best first within a ranking.
        start: (ranking + 1,) int, where each ranking starts in `player`.
        places: (ranking,) int >= 1, how many of its first entries are in order; the rest are
            below them, in no order. 1 is a choice of the first entry among all.
        weight: (ranking,) float > 0.
    """

    player: np.ndarray
    start: np.ndarray
    places: np.ndarray
    weight: np.ndarray


class Bucket(NamedTuple):
    """Rankings of one length: player (ranking, entry) int, stage (ranking, entry) float.

    `stage` is the ranking's weight where the entry was chosen among it and all after it, else 0.
    """

    player: np.ndarray
    stage: np.ndarray


def pairs(winner: np.ndarray, loser: np.ndarray, weight: np.ndarray) -> list[Bucket]:
    """Games as rankings of two."""
    stage = np.stack([weight, np.zeros(len(weight))], axis=1)
    return [Bucket(np.stack([winner, loser], axis=1), stage)]


def buckets(rankings: Rankings) -> list[Bucket]:
    """Rankings by length; those of one entry say nothing and are left out."""
    lengths = np.diff(rankings.start)
    found = []
    for length in np.unique(lengths[lengths > 1]):
        rows = np.flatnonzero(lengths == length)
        at = rankings.start[rows][:, None] + np.arange(length)
        chosen = np.arange(length) < rankings.places[rows][:, None]
        stage = rankings.weight[rows][:, None] * chosen
        found.append(Bucket(rankings.player[at], stage))
    return found


def wins(rankings: Rankings) -> tuple[np.ndarray, np.ndarray]:
    """Who came before whom, in as few (winner, loser) pairs as say it all by transitivity."""
    lengths = np.diff(rankings.start)
    owner = np.repeat(np.arange(len(lengths)), lengths)
    place = np.arange(len(owner)) - rankings.start[owner]
    # an entry's nearest better one is its predecessor, or the last that has a place
    above = np.minimum(place, rankings.places[owner]) - 1
    lower = np.flatnonzero(place > 0)
    return rankings.player[rankings.start[owner[lower]] + above[lower]], rankings.player[lower]


def check_rankings(rankings: Rankings, n_players: int) -> None:
    """Check indices, lengths and weights.

    Raises:
        ArgumentError: says what is wrong, and with which ranking.
    """
    player, start, places, weight = rankings
    checks.shapes(player=(player, "entry"), places=(places, "ranking"), weight=(weight, "ranking"))
    if len(start) != len(places) + 1 or start[0] != 0 or start[-1] != len(player):
        raise ArgumentError("`start` must go from 0 to the number of entries, one per ranking")
    if not len(places):
        return
    checks.within(0, n_players - 1, player=player)
    checks.within(1, np.inf, places=places)
    checks.within(1e-300, 1e300, weight=weight)
    owner = np.repeat(np.arange(len(places)), np.diff(start))
    order = np.lexsort((player, owner))
    twice = (np.diff(owner[order]) == 0) & (np.diff(player[order]) == 0)
    if twice.any():
        bad = order[1:][twice][0]
        raise ArgumentError(f"ranking {owner[bad]} names player {player[bad]} more than once")


def likelihood(tables: Sequence[Bucket], n_players: int, *, alpha: float) -> Concave:
    """Log-likelihood as a function of strengths, with prior N(0, 1/alpha) where alpha > 0."""

    def value(x: np.ndarray) -> float:
        total = -alpha / 2 * float(x @ x)
        for table in tables:
            shifted, _, tail = _tails(table, x)
            total += float(np.sum(table.stage * (shifted - np.log(tail))))
        return total

    def at(x: np.ndarray) -> Curvature:
        known = [_Known(table, *_tails(table, x)[1:]) for table in tables]
        gradient, diagonal = -alpha * x, np.full(n_players, alpha)
        for (table, e, _), once, twice in ((k, *_shares(k)) for k in known):
            flat = table.player.ravel()
            slope = (table.stage - e * once).ravel()
            gradient = gradient + np.bincount(flat, weights=slope, minlength=n_players)
            bend = (e * once - e * e * twice).ravel()
            diagonal = diagonal + np.bincount(flat, weights=bend, minlength=n_players)

        long = [one for one in known if one.table.player.shape[1] > 2]
        games = _games(known, n_players)

        def times(v: np.ndarray) -> np.ndarray:
            result = alpha * v + games @ v
            for one in long:
                columns = [_times(one, column, n_players) for column in v.T]
                result = result + np.stack(columns, axis=1)
            return result

        def dense() -> np.ndarray:
            matrix = alpha * np.eye(n_players) + games.toarray()
            for one in long:
                _add_dense(matrix, one)
            return matrix

        return Curvature(gradient, diagonal, times, dense)

    return Concave(value, at)


class _Known(NamedTuple):
    """A table with e, its strengths' exponentials, and tail, their sums from each entry on."""

    table: Bucket
    e: np.ndarray
    tail: np.ndarray


def _tails(table: Bucket, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Strengths below each ranking's best, their exponentials, and sums of these over tails."""
    shifted = x[table.player]
    shifted = np.maximum(shifted - shifted.max(axis=1, keepdims=True), -300)
    e = np.exp(shifted)
    return shifted, e, np.cumsum(e[:, ::-1], axis=1)[:, ::-1]


def _shares(known: _Known) -> tuple[np.ndarray, np.ndarray]:
    """Sums over the choices an entry took part in of weight / tail and weight / tail^2."""
    stage, tail = known.table.stage, known.tail
    return np.cumsum(stage / tail, axis=1), np.cumsum(stage / tail / tail, axis=1)


def _games(known: list[_Known], n_players: int) -> csr_array:
    """Curvature of the rankings of two, as one sparse matrix."""
    total = csr_array((n_players, n_players))
    for table, e, tail in known:
        if table.player.shape[1] == 2:
            bend = table.stage[:, 0] * e[:, 0] * e[:, 1] / tail[:, 0] ** 2
            total = total + laplacian(table.player[:, 0], table.player[:, 1], bend, n_players)
    return total


def _times(known: _Known, v: np.ndarray, n_players: int) -> np.ndarray:
    (table, e, tail), here = known, v[known.table.player]
    mean = np.cumsum((e * here)[:, ::-1], axis=1)[:, ::-1] / tail
    once = np.cumsum(table.stage / tail, axis=1)
    result = e * (here * once - np.cumsum(table.stage * mean / tail, axis=1))
    return np.bincount(table.player.ravel(), weights=result.ravel(), minlength=n_players)


def _add_dense(matrix: np.ndarray, known: _Known) -> None:
    """Add a table's curvature to (player, player) `matrix`, block by block."""
    n, length = len(matrix), known.table.player.shape[1]
    once, twice = _shares(known)
    earlier = np.minimum.outer(np.arange(length), np.arange(length))
    size = max(1, BLOCK // length**2)
    for first in range(0, len(once), size):
        rows = slice(first, first + size)
        player, e = known.table.player[rows], known.e[rows]
        cell = player[:, :, None] * n + player[:, None, :]
        shared = e[:, :, None] * e[:, None, :] * twice[rows][:, earlier]
        flat = np.bincount(cell.ravel(), weights=shared.ravel(), minlength=n * n)
        matrix -= flat.reshape(n, n)
        own = np.bincount(player.ravel(), weights=(e * once[rows]).ravel(), minlength=n)
        matrix.flat[:: n + 1] += own
