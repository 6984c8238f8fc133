"""Glicko-2: ratings, their deviations and volatilities, updated one rating period at a time.

A period's games are taken as simultaneous, so their order inside it does not matter. An attempt
at a problem is a game of solver against problem, and the problem's rating is its difficulty.
Axes: `game` (player against opponent), `player`.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.special import expit, ndtri

from gradatim import checks
from gradatim.errors import ArgumentError
from gradatim.types import Estimate

CENTRE, UNIT = 1500.0, 400 / np.log(10)  # rating = CENTRE + UNIT * logits; the paper: 173.7178
MOST_VOLATILE = 2.0  # logits a period: after one, as uncertain as a new player


class State(NamedTuple):
    """What is known of each player.

    Attributes:
        rating: (player,) on the scale of chess ratings, new players at 1500.
        deviation: (player,) standard deviation of the rating, > 0.
        volatility: (player,) expected change of the rating per period, in logits, > 0.
    """

    rating: np.ndarray
    deviation: np.ndarray
    volatility: np.ndarray


def begin(
    n_players: int, *, rating: float = CENTRE, deviation: float = 350.0, volatility: float = 0.06
) -> State:
    """State of players of whom nothing is known.

    >>> begin(2).rating
    array([1500., 1500.])
    """
    checks.within(1e-9, 1e9, deviation=deviation, volatility=volatility)
    return State(*(np.full(n_players, float(v)) for v in (rating, deviation, volatility)))


def update(
    state: State,
    player: np.ndarray,
    opponent: np.ndarray,
    score: np.ndarray,
    *,
    weight: np.ndarray | None = None,
    tau: float = 0.5,
) -> State:
    """One rating period.

    Args:
        state: before the period.
        player, opponent: (game,) int, indices into the state; each game is given once and counts
            for both sides.
        score: (game,) in [0, 1], the player's: 1 won, 0 lost, 0.5 a draw, or a share of attempts.
        weight: (game,) > 0, games that the row stands for; None: one each.
        tau: how freely volatility changes; 0.3 .. 1.2 is usual.

    Returns:
        State after it; players without a game keep rating and volatility, their deviation grows.

    Raises:
        ArgumentError: indices, scores, weights or tau out of range, a player against itself.

    Ref: Glickman 2013, "Example of the Glicko-2 system", steps 2-8. Differs: where step 5 has
    several solutions (a new player beats one 1,200 points above), the one nearest to the old
    volatility is taken, the paper's bracket may end at one 1,000 times as large; volatility stays
    below 2 logits; the unit is 400/ln 10 exactly. As in the paper a period is one step from the
    old ratings: hundreds of games against far stronger players in one period overshoot, give
    them in several.

    >>> before = State(np.array([1500.0, 1400, 1550, 1700]), np.array([200.0, 30, 100, 300]),
    ...     np.full(4, 0.06))
    >>> after = update(before, np.zeros(3, int), np.array([1, 2, 3]), np.array([1.0, 0, 0]))
    >>> [round(float(column[0]), 4) for column in after]
    [1464.0507, 151.5165, 0.06]
    """
    weight = check_games(len(state.rating), player, opponent, score, weight=weight)
    checks.within(1e-6, 100, tau=tau)
    active = np.unique(np.r_[player, opponent])
    active = active.astype(np.int64)
    place = np.zeros(len(state.rating), dtype=np.int64)
    place[active] = np.arange(len(active))
    mu, phi, sigma = (state.rating - CENTRE) / UNIT, state.deviation / UNIT, state.volatility
    grown = np.hypot(phi, sigma)
    mu, phi, sigma = mu[active], phi[active], sigma[active]
    me, other = place[np.r_[player, opponent]], place[np.r_[opponent, player]]
    won, weight = np.r_[score, 1 - np.asarray(score)], np.r_[weight, weight]
    damp = _damping(phi)[other]
    chance = expit(damp * (mu[me] - mu[other]))
    information = _sum(weight * damp**2 * chance * (1 - chance), me, len(active))
    surprise = _sum(weight * damp * (won - chance), me, len(active))
    moved = _volatility(sigma, phi, information, surprise, tau=tau)
    variance = 1 / (1 / (phi**2 + moved**2) + information)
    rating, deviation, volatility = state.rating.copy(), grown * UNIT, state.volatility.copy()
    rating[active] = CENTRE + UNIT * (mu + variance * surprise)
    deviation[active] = UNIT * np.sqrt(variance)
    volatility[active] = moved
    return State(rating, deviation, volatility)


def play(
    state: State,
    player: np.ndarray,
    opponent: np.ndarray,
    score: np.ndarray,
    *,
    period: np.ndarray | None = None,
    weight: np.ndarray | None = None,
    tau: float = 0.5,
    entered: bool = False,
) -> State:
    """All periods, in order.

    Args:
        state: at the start, see `begin`.
        player, opponent, score, weight, tau: as in `update`.
        period: (game,) int; a number in between that has no game is a period in which nobody
            played. None: all games are of one period.
        entered: True where the players of `state` have played before. Otherwise a player enters
            in the period of its first game, and does not grow uncertain before.

    Returns:
        State after the last period. A period costs time in proportion to its games only.

    Raises:
        ArgumentError: as `update`; a period that is not a whole number.

    >>> after = play(begin(3), np.array([0, 0]), np.array([1, 1]), np.array([1.0, 1.0]),
    ...     period=np.array([1, 9]))
    >>> after.rating.round(), after.deviation.round()
    (array([1721., 1279., 1500.]), array([261., 261., 350.]))
    """
    n = len(state.rating)
    weight = check_games(n, player, opponent, score, weight=weight)
    if not len(player):
        return state
    period, results = _periods(period, len(player)), np.asarray(score, dtype=float)
    order = np.argsort(period, kind="stable")
    edges = np.flatnonzero(np.diff(period[order], prepend=period[order[0]] - 1, append=np.inf))
    rating, deviation, volatility = (np.array(column, dtype=float) for column in state)
    seen = np.full(n, period.min() - 1 if entered else -1, dtype=np.int64)
    known = np.full(n, entered)
    for first, last in pairwise(edges):
        games = order[first:last]
        now = period[games[0]]
        here, code = np.unique(np.r_[player[games], opponent[games]], return_inverse=True)
        idle = np.where(known[here], now - seen[here] - 1, 0)
        waited = np.hypot(deviation[here], UNIT * volatility[here] * np.sqrt(idle))
        one, other = code.reshape(2, -1)
        before = State(rating[here], waited, volatility[here])
        after = update(before, one, other, results[games], weight=weight[games], tau=tau)
        rating[here], deviation[here], volatility[here] = after
        seen[here], known[here] = now, True
    idle = np.where(known, period.max() - seen, 0)
    return State(rating, np.hypot(deviation, UNIT * volatility * np.sqrt(idle)), volatility)


def interval(state: State, games: np.ndarray, *, level: float = 0.95) -> Estimate:
    """Ratings with intervals: rating -+ z deviation, for the rating as the last period leaves it.

    >>> print(interval(State(*(np.array(v) for v in (1500.0, 50.0, 0.06))), np.array(12)))
    1500.000 [1402.002, 1597.998] (n=12)
    """
    checks.within(1e-9, 1 - 1e-9, level=level)
    half = ndtri((1 + level) / 2) * state.deviation
    return Estimate(state.rating, state.rating - half, state.rating + half, games)


def chances(state: State, player: np.ndarray, opponent: np.ndarray) -> np.ndarray:
    """(game,) expected score of the player, with the uncertainty of both ratings.

    Ref: Glickman 1999, Applied Statistics 48:377, eq. 16.

    >>> chances(State(np.array([1700.0, 1500.0]), np.array([0.0, 0.0]), np.ones(2)), 0, 1).round(3)
    np.float64(0.76)
    """
    spread = np.hypot(state.deviation[player], state.deviation[opponent]) / UNIT
    return expit(_damping(spread) * (state.rating[player] - state.rating[opponent]) / UNIT)


def check_games(
    n_players: int,
    player: np.ndarray,
    opponent: np.ndarray,
    score: np.ndarray,
    *,
    weight: np.ndarray | None = None,
) -> np.ndarray:
    """Check a list of games; return its weights, ones where None.

    Raises:
        ArgumentError: says which argument, and what it may be.
    """
    weight = np.ones(len(score)) if weight is None else np.asarray(weight, dtype=float)
    checks.shapes(
        player=(player, "game"),
        opponent=(opponent, "game"),
        score=(score, "game"),
        weight=(weight, "game"),
    )
    if not len(weight):
        return weight
    for name, index in (("player", player), ("opponent", opponent)):
        if np.asarray(index).dtype.kind not in "iu":
            raise ArgumentError(f"`{name}` must be whole numbers, got {np.asarray(index).dtype}")
        checks.within(0, n_players - 1, **{name: index})
    checks.within(0, 1, score=score)
    checks.within(1e-300, 1e300, weight=weight)
    if (same := np.flatnonzero(np.equal(player, opponent))).size:
        raise ArgumentError(f"`opponent` must differ from `player`, game {same[0]} has one twice")
    return weight


def _sum(values: np.ndarray, code: np.ndarray, n: int) -> np.ndarray:
    return np.bincount(code, weights=values, minlength=n)


def _damping(phi: np.ndarray) -> np.ndarray:
    """g: how much an opponent's uncertainty takes from what a game tells."""
    return 1 / np.sqrt(1 + 3 * phi**2 / np.pi**2)


def _periods(period: np.ndarray | None, n_games: int) -> np.ndarray:
    if period is None:
        return np.zeros(n_games, dtype=np.int64)
    checks.shapes(period=(period, "game"), score=(np.empty(n_games), "game"))
    checks.finite(period=period)
    whole = np.asarray(period).astype(np.int64)
    if (whole != period).any():
        raise ArgumentError("`period` must be whole numbers, say days or weeks since a date")
    return whole


def _volatility(
    sigma: np.ndarray,
    phi: np.ndarray,
    information: np.ndarray,
    surprise: np.ndarray,
    *,
    tau: float,
) -> np.ndarray:
    """(player,) new volatility: step 5, with x = ln(volatility^2).

    The paper's v = 1/information and delta = surprise/information are multiplied out, so that a
    certain game (information 0) divides by nothing.
    """
    start = 2 * np.log(sigma)

    def slope(x: np.ndarray) -> np.ndarray:
        square = np.exp(x)
        whole = information * (phi**2 + square)
        gain = surprise**2 - information * (1 + whole)
        return square * gain / (2 * (1 + whole) ** 2) - (x - start) / tau**2

    here = slope(start)
    top = np.maximum(start, 2 * np.log(MOST_VOLATILE))
    way = np.where(here >= 0, tau, -tau)
    low, f_low = start, here
    high = np.minimum(start + way, top)
    f_high = slope(high)
    while (open_ := (f_low * f_high > 0) & (high < top)).any():
        low, f_low = np.where(open_, high, low), np.where(open_, f_high, f_low)
        high = np.where(open_, np.minimum(high + way, top), high)
        f_high = np.where(open_, slope(high), f_high)
    low, f_low = (np.where(f_low * f_high > 0, a, b) for a, b in ((high, low), (f_high, f_low)))
    for _ in range(200):  # Illinois: a secant that halves the end which stays
        if not (np.abs(high - low) > 1e-12 * np.maximum(1, np.abs(low))).any():
            break
        gap = f_high - f_low
        x = low - (high - low) * np.where(gap != 0, f_low / np.where(gap != 0, gap, 1), -0.5)
        fx = slope(x)
        crossed = fx * f_high <= 0
        low, f_low = np.where(crossed, high, low), np.where(crossed, f_high, f_low / 2)
        high, f_high = x, fx
    return np.exp(high / 2)
