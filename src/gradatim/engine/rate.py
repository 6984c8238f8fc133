"""Ratings of players, systems, solvers and problems from whatever compares them."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gradatim import checks
from gradatim.engine.games import Games, as_games, as_rankings, as_solvers, merged
from gradatim.engine.sources import Given, open_source
from gradatim.errors import ArgumentError
from gradatim.files import write_atomic
from gradatim.scale import elo, glicko, pairwise
from gradatim.store.comparisons import Comparisons, of_responses, read_comparisons
from gradatim.store.formats import responses_of
from gradatim.types import Estimate, Matrix

PER_PERIOD = 12  # games of a usual player in a period: Glickman asks for 10 to 15
MOST_PERIODS = 100
TABLES = (".csv", ".jsonl", ".ndjson", ".json", ".parquet")
STEADY = 0.001  # volatility where no time passes
MOST_GAMES = 2_000_000  # of Elo, which plays each one, in 200 orders

OPTIONS = {
    "glicko2": ("tau", "deviation", "volatility"),
    "elo": ("k", "orders", "sequential"),
    "bradley-terry": ("ties", "alpha"),
    "plackett-luce": ("alpha",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratings:
    """Ratings on one scale, in the order of `names`.

    Attributes:
        names: who is rated; a solver and an item may bear one name, `roles` tells them apart.
        roles: (name,) "player", "system", "solver" or "item".
        rating: (name,) higher is stronger, or for an item harder; NaN without a comparison.
        se: (name,) standard error in the same unit; NaN where the method has none (Elo).
        low, high: (name,) interval.
        games: (name,) comparisons behind the rating.
        method, unit: unit "points" (400 points are odds of 10 to 1) or "logits".
        facts: kind of source, comparisons, parts, warnings, and what the method reports.
    """

    names: tuple[str, ...]
    roles: tuple[str, ...]
    rating: np.ndarray
    se: np.ndarray
    low: np.ndarray
    high: np.ndarray
    games: np.ndarray
    method: str
    unit: str
    facts: Mapping[str, Any] = field(default_factory=dict)


def rate(
    source: Given | Comparisons,
    *,
    method: str = "glicko2",
    level: float = 0.95,
    **options: Any,
) -> Ratings:
    """Rate everybody that a source compares.

    Args:
        source: a file (see `store.comparisons`): games, preferences, arena votes, rankings,
            scores of systems on tasks, or a matrix of solvers and items, whose attempts are games
            of solver against item, so that items are rated by difficulty on the solvers' scale.
            Or a run or its folder, logs of other tools, Responses, a Matrix, Comparisons.
        method: "glicko2", "elo", "bradley-terry" or "plackett-luce". The last rates rankings as
            they are and the solvers alone of a matrix; the others take every two places of a
            ranking, and every two systems on a task, as a game.
        level: coverage of the intervals.
        options: glicko2: tau (.5), deviation (350) and volatility of new players (.06, or .001
            where there are no periods: strengths do not change then). elo: k
            (32), orders (100), sequential (False; True plays the games once, by period, then in
            the file's order, without intervals). bradley-terry: ties ("half" or "davidson"),
            alpha. plackett-luce: alpha, precision of a prior on strengths (0).

    Returns:
        Ratings. Glicko-2 needs periods: comparisons without any are spread evenly over as many
        as give a usual player about 12 games in each, so their order does not matter. The
        spread of a matrix's Bradley-Terry ratings is too wide where items have few attempts
        (abilities and difficulties are estimated together); `calibrate` is not.

    Raises:
        FormatError: a file that is not what it should be.
        ArgumentError: a bad argument; no finite maximum, and then between which parts.

    >>> from gradatim.types import Responses
    >>> arrays = {"solver": np.array([0, 0, 1, 1]), "item": np.array([0, 1, 0, 1])}
    >>> found = rate(Responses(**arrays, solved=np.array([4.0, 2, 3, 1]), tried=np.full(4, 4),
    ...     solvers=("a", "b"), items=("easy", "hard")), method="bradley-terry")
    >>> sorted(zip(found.rating.round(2).tolist(), found.names))[-1][1]
    'a'
    """
    checks.one_of("method", method, OPTIONS)
    checks.known_keys(f"method '{method}'", options, OPTIONS[method])
    checks.within(1e-9, 1 - 1e-9, level=level)
    source, notes = _opened(source)
    games = as_games(source)
    if source.kind == "attempts" and method == "plackett-luce":  # solvers choose; items do not
        source, games = as_solvers(source, games)
    if not len(games.player):
        raise ArgumentError("no comparison: ratings need at least one game between two players")
    run = {"glicko2": _glicko2, "elo": _elo, "bradley-terry": _bradley_terry}.get(method)
    se, found, facts = (
        _plackett_luce(source, games, level=level, **options)
        if run is None
        else run(source, games, level=level, **options)
    )
    apart = pairwise.parts(len(source.names), games.player, games.opponent)
    facts = {
        "source": source.kind,
        "comparisons": float(games.weight.sum()),
        **facts,
        "level": level,
        "parts": [[source.names[i] for i in part] for part in apart] if len(apart) > 1 else [],
    }
    return Ratings(
        names=source.names,
        roles=source.roles,
        rating=found.value,
        se=se,
        low=found.low,
        high=found.high,
        games=found.n,
        method=method,
        unit="points" if method in ("glicko2", "elo") else "logits",
        facts={**facts, "warnings": [*notes, *_warnings(source, facts, found)]},
    )


def _opened(source: Given | Comparisons) -> tuple[Comparisons, list[str]]:
    """Comparisons, and what there is to say of the files; runs and logs hold attempts."""
    if isinstance(source, Comparisons):
        return source, []
    if isinstance(source, str | Path):
        name = Path(source).name.lower().removesuffix(".gz")
        if name.endswith(TABLES) and not Path(source).is_dir():
            return read_comparisons(source), []
    opened = open_source(source)
    held = opened.responses
    return of_responses(responses_of(held) if isinstance(held, Matrix) else held), opened.notes


def describe_ratings(ratings: Ratings) -> dict[str, Any]:
    """Ratings as rows, strongest first, for tables and JSON.

    Returns:
        method, unit, ratings (name, role, rating, se, low, high, games), facts.
    """
    order = np.lexsort((np.arange(len(ratings.names)), -ratings.rating))  # NaN comes last
    columns = ("rating", "se", "low", "high")
    listed = [
        {"name": ratings.names[i], "role": ratings.roles[i]}
        | {name: float(getattr(ratings, name)[i]) for name in columns}
        | {"games": int(ratings.games[i])}
        for i in order
    ]
    return {
        "method": ratings.method,
        "unit": ratings.unit,
        "ratings": listed,
        "facts": dict(ratings.facts),
    }


def save_ratings(path: str | Path, ratings: Ratings) -> Path:
    """Write ratings as .csv, strongest first.

    Raises:
        ArgumentError: another ending.
        StoreError: the disk is full or the folder cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".csv":
        raise ArgumentError(f"`output` must end in .csv, got {str(path)!r}")
    listed = describe_ratings(ratings)["ratings"]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(listed[0]), lineterminator="\n")
    writer.writeheader()
    for row in listed:
        writer.writerow({k: "" if v != v else v for k, v in row.items()})  # NaN is left empty
    write_atomic(path, text.getvalue())
    return path


# -- the methods ------------------------------------------------------------------------------

Found = tuple[np.ndarray, Estimate, dict[str, Any]]


def _glicko2(
    source: Comparisons,
    games: Games,
    *,
    level: float,
    tau: float = 0.5,
    deviation: float = 350.0,
    volatility: float | None = None,
) -> Found:
    n = len(source.names)
    if volatility is None:
        volatility = STEADY if games.period is None else 0.06
    state = glicko.begin(n, deviation=deviation, volatility=volatility)
    played = _played(games, n)
    if games.period is None:
        usual = float(np.median(played[played > 0]))
        n_periods = int(np.clip(round(usual / PER_PERIOD), 1, MOST_PERIODS))
        *columns, weight, _ = merged(games, n)
        for _ in range(n_periods):
            state = glicko.update(state, *columns, weight=weight / n_periods, tau=tau)
    else:
        n_periods = len(np.unique(games.period))
        state = glicko.play(
            state,
            games.player,
            games.opponent,
            games.score,
            period=games.period,
            weight=games.weight,
            tau=tau,
        )
    found = glicko.interval(state, _whole(played), level=level)
    facts = {"periods": n_periods, "spread_evenly": games.period is None, "tau": tau}
    return state.deviation, found, facts


def _elo(
    source: Comparisons,
    games: Games,
    *,
    level: float,
    k: float = 32.0,
    orders: int = 100,
    sequential: bool = False,
) -> Found:
    n = len(source.names)
    times = np.rint(games.weight).astype(np.int64)
    if not np.allclose(times, games.weight) or (times < 1).any():
        raise ArgumentError('method "elo" plays whole games: weights must be whole numbers')
    if times.sum() > MOST_GAMES:
        raise ArgumentError(
            f'method "elo" plays each game: {times.sum():,} are more than {MOST_GAMES:,}; '
            'take method="bradley-terry"'
        )
    order = np.arange(len(times))
    if games.period is not None:
        order = np.argsort(games.period, kind="stable")
    order = np.repeat(order, times[order])
    columns = tuple(column[order] for column in (games.player, games.opponent, games.score))
    unknown = np.full(n, np.nan)
    if sequential:
        value = elo.sequential(*columns, n_players=n, k=k)
        found = Estimate(value, unknown, unknown, _whole(_played(games, n)))
        return unknown, found, {"k": k, "order": "as given"}
    found = elo.averaged(*columns, n_players=n, k=k, orders=orders, level=level)
    return unknown, found, {"k": k, "order": f"mean of {orders} random orders"}


def _bradley_terry(source: Comparisons, games: Games, *, level: float, **options: Any) -> Found:
    found = pairwise.bradley_terry(
        games.player,
        games.opponent,
        games.score,
        n_players=len(source.names),
        weight=games.weight,
        names=source.names,
        **options,
    )
    return _strengths(found, level)


def _plackett_luce(source: Comparisons, games: Games, *, level: float, **options: Any) -> Found:
    found = pairwise.plackett_luce(
        as_rankings(source, games), n_players=len(source.names), names=source.names, **options
    )
    return _strengths(found, level)


def _strengths(found: pairwise.Strengths, level: float) -> Found:
    facts = {
        "loglik": found.loglik,
        "iterations": found.iterations,
        "converged": found.converged,
        "alpha": found.alpha,
        "errors": found.error_form,
    }
    if np.isfinite(found.tie):
        facts["tie"] = found.tie
    return found.se, pairwise.interval(found, level=level), facts


# -- facts ----------------------------------------------------------------------------------


def _played(games: Games, n: int) -> np.ndarray:
    both = np.r_[games.player, games.opponent]
    return np.bincount(both, weights=np.r_[games.weight, games.weight], minlength=n)


def _whole(games: np.ndarray) -> np.ndarray:
    return np.rint(games).astype(np.int64)


def _warnings(source: Comparisons, facts: Mapping[str, Any], found: Estimate) -> list[str]:
    warnings = []
    if facts["parts"]:
        warnings.append(
            f"{len(facts['parts'])} parts were never compared with each other: ratings of "
            "different parts share their starting value only and cannot be compared"
        )
    if facts.get("alpha"):
        warnings.append(
            f"strengths are drawn to zero by a prior of precision alpha = {facts['alpha']:g}"
        )
    if facts.get("order") == "as given":
        warnings.append("one pass in the order given: another order gives other ratings")
    if not facts.get("converged", True):
        warnings.append(
            f"the fit stopped after {facts['iterations']:,} steps before it settled: ratings and "
            "intervals are not final; a prior on strengths helps, --alpha 0.1"
        )
    left = [n for n, v in zip(source.names, found.n, strict=True) if not v]
    if left:
        shown = ", ".join(left[:5]) + (", ..." if len(left) > 5 else "")
        warnings.append(f"{len(left)} without a comparison: {shown}")
    return warnings
