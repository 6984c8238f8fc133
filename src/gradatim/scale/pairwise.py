"""Bradley-Terry and Plackett-Luce: strengths from pairwise results, rankings and choices.

P(i beats j) = s(theta_i - theta_j), and a ranking is one such choice after another among those
that are left. Strengths are in logits, so they share the unit of item response theory: solver
against item is the Rasch model. They sum to zero, which is the zero of their scale.
Axes: `game` (player against opponent), `entry` (a place in a ranking), `player`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components
from scipy.special import ndtri

from gradatim import checks
from gradatim.errors import ArgumentError
from gradatim.scale import davidson, luce
from gradatim.scale.concave import Concave, errors, maximise
from gradatim.scale.glicko import check_games
from gradatim.scale.luce import Rankings
from gradatim.types import Estimate

TIES = ("half", "davidson")


@dataclass(frozen=True, slots=True, kw_only=True)
class Strengths:
    """Fitted strengths in logits, summing to zero over the players that were compared.

    Attributes:
        strength, se: (player,), NaN for a player without a comparison.
        games: (player,) comparisons, games or choices that it took part in.
        tie: log nu of Davidson's model, NaN without it.
        alpha: precision of the prior N(0, 1/alpha) on each strength, 0 for none.
        loglik: log-likelihood at the maximum, without the prior.
        iterations, converged: of Newton's method.
        error_form: how standard errors were found, see `concave.errors`.
    """

    strength: np.ndarray
    se: np.ndarray
    games: np.ndarray
    tie: float
    alpha: float
    loglik: float
    iterations: int
    converged: bool
    error_form: str


def bradley_terry(
    player: np.ndarray,
    opponent: np.ndarray,
    score: np.ndarray,
    *,
    n_players: int,
    weight: np.ndarray | None = None,
    ties: str = "half",
    alpha: float = 0.0,
    names: Sequence[str] | None = None,
) -> Strengths:
    """Maximum-likelihood strengths from games.

    Args:
        player, opponent: (game,) int, indices of players.
        score: (game,) in [0, 1], the player's: 1 won, 0 lost, or a share of attempts.
        n_players: how many players there are.
        weight: (game,) > 0, games that the row stands for.
        ties: "half": a score of .5 is half a win for each. "davidson": P(tie) is proportional to
            nu sqrt(p_i p_j), with nu estimated; scores must then be 0, .5 or 1.
        alpha: precision of a normal prior on each strength; 0 for none, .01 .. 1 where some
            players only won or only lost, or where parts were never compared.
        names: of the players, for messages.

    Returns:
        Strengths. Standard errors are of strengths relative to the players' mean, from observed
        information (with the prior's, where there is one). Shares and halves are taken for whole
        games, which makes errors too wide rather than too narrow.

    Raises:
        ArgumentError: bad arguments; no game; alpha is 0 and the players fall into parts that
            wins do not connect both ways, whose members the message names.

    Ref: Bradley & Terry 1952, Biometrika 39:324; Davidson 1970, JASA 65:317; Hunter 2004, Annals
    of Statistics 32:384 (when the maximum exists). By Newton's method, which needs some 6 steps
    where Hunter's MM needs hundreds.

    >>> games = np.array([0, 0, 0]), np.array([1, 1, 1]), np.array([1.0, 1.0, 0.0])
    >>> bradley_terry(*games, n_players=2).strength.round(3)     # half of ln 2
    array([ 0.347, -0.347])
    """
    checks.one_of("ties", ties, TIES)
    weight = check_games(n_players, player, opponent, score, weight=weight)
    checks.within(0, 1e12, alpha=alpha)
    score = np.asarray(score, dtype=float)
    sides = np.r_[player, opponent].astype(np.int64), np.r_[opponent, player].astype(np.int64)
    won = np.r_[weight * score, weight * (1 - score)]
    games = np.bincount(sides[0], weights=np.r_[weight, weight], minlength=n_players)
    if ties == "davidson":
        _check_davidson(score)
    beats = coo_array((won, sides), shape=(n_players, n_players)).tocsr()  # sums repeated pairs
    beats.eliminate_zeros()
    active = _connected(beats, games > 0, alpha=alpha, names=names)
    beats = beats[active][:, active].tocoo()
    n = len(active)
    if ties == "davidson":
        tied = float(weight[score == 0.5].sum())
        function = davidson.likelihood(beats.row, beats.col, beats.data, ties=tied, alpha=alpha)
        start = np.zeros(n + 1)
    else:
        function = luce.likelihood(luce.pairs(beats.row, beats.col, beats.data), n, alpha=alpha)
        start = np.zeros(n)
    return _fit(function, start, active=active, games=games, alpha=alpha)


def plackett_luce(
    rankings: Rankings,
    *,
    n_players: int,
    alpha: float = 0.0,
    names: Sequence[str] | None = None,
) -> Strengths:
    """Maximum-likelihood strengths from rankings, whole or partial, and from choices.

    Args:
        rankings: see Rankings, `rank` and `choices_of_scores`.
        n_players, alpha, names: as in `bradley_terry`.

    Returns:
        Strengths, in the logits of Bradley-Terry: rankings of two are its games.

    Raises:
        ArgumentError: as `bradley_terry`; a ranking that names a player twice.

    Ref: Plackett 1975, Applied Statistics 24:193; Hunter 2004; Maystre & Grossglauser 2015,
    arXiv:1511.00271 (same maximum by another road).

    >>> found = plackett_luce(rank([[0, 1, 2], [1, 0, 2], [2, 0, 1]]), n_players=3)
    >>> found.strength.argsort()[::-1].tolist(), found.games.tolist()
    ([0, 1, 2], [3, 3, 3])
    """
    checks.within(0, 1e12, alpha=alpha)
    luce.check_rankings(rankings, n_players)
    lengths = np.diff(rankings.start)
    games = np.bincount(
        rankings.player, weights=np.repeat(rankings.weight, lengths), minlength=n_players
    )
    winner, loser = luce.wins(rankings)
    beats = coo_array((np.ones(len(winner)), (winner, loser)), shape=(n_players, n_players))
    compared = np.bincount(np.r_[winner, loser], minlength=n_players) > 0
    active = _connected(beats.tocsr(), compared, alpha=alpha, names=names)
    place = np.full(n_players, -1)
    place[active] = np.arange(len(active))
    moved = rankings._replace(player=place[rankings.player])
    function = luce.likelihood(luce.buckets(moved), len(active), alpha=alpha)
    return _fit(function, np.zeros(len(active)), active=active, games=games, alpha=alpha)


def rank(
    orders: Sequence[Sequence[int]],
    *,
    places: Sequence[int] | None = None,
    weight: Sequence[float] | None = None,
) -> Rankings:
    """Rankings from lists, best first.

    >>> rank([[2, 0], [0, 1, 2]], places=[1, 1]).start
    array([0, 2, 5])
    """
    lengths = np.array([len(order) for order in orders], dtype=np.int64)
    flat = [player for order in orders for player in order]
    return Rankings(
        player=np.array(flat, dtype=np.int64),
        start=np.r_[0, np.cumsum(lengths)],
        places=np.maximum(lengths - 1, 1) if places is None else np.array(places, dtype=np.int64),
        weight=np.ones(len(lengths)) if weight is None else np.array(weight, dtype=float),
    )


def interval(found: Strengths, *, level: float = 0.95) -> Estimate:
    """Strengths with Wald intervals, strength -+ z standard errors."""
    checks.within(1e-9, 1 - 1e-9, level=level)
    half = ndtri((1 + level) / 2) * found.se
    return Estimate(found.strength, found.strength - half, found.strength + half, found.games)


def parts(n_players: int, player: np.ndarray, opponent: np.ndarray) -> list[np.ndarray]:
    """Groups of players that comparisons connect, largest first; players without one are left out.

    >>> [part.tolist() for part in parts(6, np.array([0, 1, 4]), np.array([1, 2, 5]))]
    [[0, 1, 2], [4, 5]]
    """
    met = coo_array((np.ones(len(player)), (player, opponent)), shape=(n_players, n_players))
    label = connected_components(met, directed=False)[1]
    found = np.bincount(np.r_[player, opponent].astype(np.int64), minlength=n_players) > 0
    return _groups(np.flatnonzero(found), label[found])


def _groups(index: np.ndarray, label: np.ndarray) -> list[np.ndarray]:
    order = np.argsort(label, kind="stable")
    edges = np.flatnonzero(np.diff(label[order])) + 1
    groups = np.split(index[order], edges)
    return sorted(groups, key=lambda g: (-len(g), g[0] if len(g) else 0))


def _check_davidson(score: np.ndarray) -> None:
    if not np.isin(score, (0, 0.5, 1)).all():
        raise ArgumentError('`ties="davidson"` needs scores of 0, 0.5 or 1; take ties="half"')
    if (score == 0.5).all() or not (score == 0.5).any():
        what = "ties only" if len(score) and (score == 0.5).all() else "no tie"
        raise ArgumentError(f'`ties="davidson"` needs ties and other results, got {what}')


def _connected(
    beats: csr_array, compared: np.ndarray, *, alpha: float, names: Sequence[str] | None
) -> np.ndarray:
    """Indices of compared players; an error where their maximum does not exist."""
    active = np.flatnonzero(compared)
    if not len(active):
        raise ArgumentError("no comparison: strengths need at least one game between two players")
    if alpha > 0:
        return active
    label = connected_components(beats, directed=True, connection="strong")[1][active]
    groups = _groups(active, label)
    if len(groups) == 1:
        return active
    apart = _groups(active, connected_components(beats, directed=False)[1][active])
    why = "wins do not connect both ways (some only won, or only lost, against the rest)"
    if len(apart) > 1:
        groups, why = apart, "were never compared with each other"

    def named(group: np.ndarray) -> str:
        shown = [str(i if names is None else names[i]) for i in group[:3].tolist()]
        return ", ".join(shown) + (f", ... ({len(group)} players)" if len(group) > 3 else "")

    listed = "; ".join(named(group) for group in groups[:4])
    more = f"; and {len(groups) - 4} more" if len(groups) > 4 else ""
    raise ArgumentError(
        f"no finite strengths: players fall into {len(groups)} parts that {why}: {listed}"
        f"{more}; give `alpha` > 0 (say 0.1), rate one part alone, or play games between them"
    )


def _fit(
    function: Concave,
    start: np.ndarray,
    *,
    active: np.ndarray,
    games: np.ndarray,
    alpha: float,
) -> Strengths:
    n = len(active)
    found = maximise(function, start, n_players=n, tolerance=1e-9, most=200)
    wrong, form = errors(function.at(found.x), n_players=n, prior=alpha)
    columns = np.full((2, len(games)), np.nan)
    columns[:, active] = found.x[:n], wrong[:n]
    return Strengths(
        strength=columns[0],
        se=columns[1],
        games=np.rint(games).astype(np.int64),
        tie=float(found.x[n]) if len(found.x) > n else float("nan"),
        alpha=alpha,
        loglik=found.value + alpha / 2 * float(found.x[:n] @ found.x[:n]),
        iterations=found.iterations,
        converged=found.converged,
        error_form=form,
    )
