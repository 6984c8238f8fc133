"""Files of comparisons: games, preferences, arena votes, rankings, scores, attempts at problems.

The columns of the first row decide which: (player, opponent, score[, period][, weight]),
(winner, loser[, tie][, period][, weight]), (model_a, model_b, winner), (ranking[, places]),
(system, task, score); else it is a matrix file of `store.formats` (solver, item, solved[, tried]).
"""

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gradatim.errors import FormatError
from gradatim.files import Row, rows
from gradatim.store.formats import read_responses
from gradatim.types import Responses

VOTES = {"model_a": 1.0, "model_b": 0.0, "tie": 0.5, "tie (bothbad)": 0.5}
YES = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False, "": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparisons:
    """Who was compared with whom: one of games, rankings and scores, as flat columns.

    Attributes:
        kind: "games", "rankings", "scores" or "attempts" (games of solver against item).
        names: of players, systems, or solvers and then items.
        roles: (name,) "player", "system", "solver" or "item".
        player, opponent, score, weight, period: (game,), see `scale.glicko`; period may be None.
        ranking, places: lists of players, best first, and how many are in order; see
            `scale.luce.Rankings`.
        system, task, value: (score,) indices of names, codes of tasks, numbers.
    """

    kind: str
    names: tuple[str, ...]
    roles: tuple[str, ...]
    player: np.ndarray | None = None
    opponent: np.ndarray | None = None
    score: np.ndarray | None = None
    weight: np.ndarray | None = None
    period: np.ndarray | None = None
    ranking: tuple[tuple[int, ...], ...] = ()
    places: tuple[int, ...] = ()
    system: np.ndarray | None = None
    task: np.ndarray | None = None
    value: np.ndarray | None = None


def read_comparisons(path: str | Path) -> Comparisons:
    """Read a file of comparisons; its columns decide how.

    Raises:
        FormatError: names file, line and field: a score outside [0, 1], a player against itself,
            a name twice in a ranking, periods in some rows only, NaN, no known columns.
    """
    path = Path(path)
    if path.suffix.lower() == ".npz":
        return of_responses(read_responses(path))
    numbered = rows(path)
    first = next(numbered, None)
    if first is None:
        raise FormatError(path, expected="rows of comparisons", got="none")
    columns = set(first[1])
    form = next((read for needed, read in FORMS if needed <= columns), None)
    if form is not None:
        return form(_Reader(path), itertools.chain([first], numbered))
    if {"solver", "item"} <= columns:
        return of_responses(read_responses(path))
    raise FormatError(
        path,
        line=first[0],
        expected="columns player, opponent, score; winner, loser; model_a, model_b, winner; "
        "ranking; system, task, score; or solver, item, solved",
        got=", ".join(map(str, first[1])) or "nothing",
    )


def of_responses(responses: Responses) -> Comparisons:
    """Each attempt as a game of solver against item, which the solver wins where it is right."""
    tried = np.asarray(responses.tried, dtype=float)
    n = len(responses.solvers)
    return Comparisons(
        kind="attempts",
        names=(*responses.solvers, *responses.items),
        roles=("solver",) * n + ("item",) * len(responses.items),
        player=np.asarray(responses.solver, dtype=np.int64),
        opponent=np.asarray(responses.item, dtype=np.int64) + n,
        score=np.asarray(responses.solved, dtype=float) / np.maximum(tried, 1),
        weight=tried,
    )


Numbered = Iterator[tuple[int, Row]]


class _Reader:
    """Fields of rows, with errors that say where."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.codes: dict[str, int] = {}
        self._kind: type | None = None

    def error(
        self, line: int, field: str, expected: str, got: object, *, remedy: str = ""
    ) -> FormatError:
        return FormatError(
            self.path, line=line, field=field, expected=expected, got=str(got), remedy=remedy
        )

    def value(self, line: int, row: Row, field: str) -> Any:
        if row.get(field) is None:
            got = "nothing" if field in row else f"only {', '.join(map(str, row)) or 'nothing'}"
            raise self.error(line, field, "a value", got)
        return row[field]

    def name(self, line: int, field: str, value: Any) -> int:
        kind = type(value)
        if kind not in (int, str) or value == "":
            raise self.error(line, field, "a name (text or a whole number)", repr(value))
        if self._kind not in (None, kind):
            before = "whole numbers" if self._kind is int else "texts"
            raise self.error(
                line,
                field,
                f"{before}, as before",
                repr(value),
                remedy="write all names the same way",
            )
        self._kind = kind
        return self.codes.setdefault(str(value), len(self.codes))

    def number(self, line: int, row: Row, field: str, default: float | None = None) -> float:
        if default is not None and row.get(field) in (None, ""):
            return default
        value = self.value(line, row, field)
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            raise self.error(line, field, "a finite number", repr(value))
        return number

    def whole(self, line: int, row: Row, field: str) -> int:
        number = self.number(line, row, field)
        if number != int(number):
            raise self.error(line, field, "a whole number", f"{number:g}")
        return int(number)


def _games(reader: _Reader, numbered: Numbered) -> Comparisons:
    def one(line: int, row: Row) -> tuple[str, str, float]:
        score = reader.number(line, row, "score")
        if not 0 <= score <= 1:
            remedy = "a win is 1, a loss 0, a draw 0.5; a percentage is divided by 100"
            raise reader.error(line, "score", "0 <= score <= 1", f"{score:g}", remedy=remedy)
        return "player", "opponent", score

    return _collect(reader, numbered, one)


def _preferences(reader: _Reader, numbered: Numbered) -> Comparisons:
    def one(line: int, row: Row) -> tuple[str, str, float]:
        tie = YES.get(str(row.get("tie") or "").strip().lower())
        if tie is None:
            raise reader.error(line, "tie", "true or false", repr(row["tie"]))
        return "winner", "loser", 0.5 if tie else 1.0

    return _collect(reader, numbered, one)


def _votes(reader: _Reader, numbered: Numbered) -> Comparisons:
    def one(line: int, row: Row) -> tuple[str, str, float]:
        winner = str(reader.value(line, row, "winner"))
        if winner not in VOTES:
            raise reader.error(line, "winner", ", ".join(VOTES), repr(winner))
        return "model_a", "model_b", VOTES[winner]

    return _collect(reader, numbered, one)


def _collect(
    reader: _Reader, numbered: Numbered, one: Callable[[int, Row], tuple[str, str, float]]
) -> Comparisons:
    """Games from rows, each read by `one` as the two fields of names and the first's score."""
    games: list[tuple[int, int, float, float]] = []
    periods: list[int] = []
    for line, row in numbered:
        up, down, score = one(line, row)
        pair = [reader.name(line, f, reader.value(line, row, f)) for f in (up, down)]
        if pair[0] == pair[1]:
            raise reader.error(line, down, f"another name than `{up}`", repr(row[down]))
        weight = reader.number(line, row, "weight", 1.0)
        if not weight > 0:
            raise reader.error(line, "weight", "a number above 0", f"{weight:g}")
        if row.get("period") not in (None, ""):
            periods.append(reader.whole(line, row, "period"))
        games.append((pair[0], pair[1], score, weight))
        if len(periods) not in (0, len(games)):
            raise reader.error(
                line, "period", "a period in every row, or in none", "a row without, a row with"
            )
    player, opponent, score, weight = zip(*games, strict=True)
    names = tuple(reader.codes)
    return Comparisons(
        kind="games",
        names=names,
        roles=("player",) * len(names),
        player=np.array(player, dtype=np.int64),
        opponent=np.array(opponent, dtype=np.int64),
        score=np.array(score),
        weight=np.array(weight),
        period=np.array(periods, dtype=np.int64) if periods else None,
    )


def _rankings(reader: _Reader, numbered: Numbered) -> Comparisons:
    found: list[tuple[int, ...]] = []
    places: list[int] = []
    for line, row in numbered:
        listed = reader.value(line, row, "ranking")
        if isinstance(listed, str) and ">" in listed:  # a .csv has no lists
            listed = [name.strip() for name in listed.split(">")]
        if not isinstance(listed, list) or len(listed) < 2:
            raise reader.error(
                line,
                "ranking",
                "two names or more, best first (a list, or A > B > C)",
                repr(listed),
            )
        order = tuple(reader.name(line, "ranking", name) for name in listed)
        if len(set(order)) < len(order):
            raise reader.error(line, "ranking", "each name once", repr(listed))
        first = len(order) - 1
        if row.get("places") is not None:
            first = reader.whole(line, row, "places")
            if not 1 <= first <= len(order):
                raise reader.error(line, "places", f"1 <= places <= {len(order)}", first)
        found.append(order)
        places.append(first)
    names = tuple(reader.codes)
    return Comparisons(
        kind="rankings",
        names=names,
        roles=("player",) * len(names),
        ranking=tuple(found),
        places=tuple(places),
    )


def _scores(reader: _Reader, numbered: Numbered) -> Comparisons:
    tasks: dict[str, int] = {}
    seen: dict[tuple[int, int], int] = {}
    values: list[float] = []
    for line, row in numbered:
        system = reader.name(line, "system", reader.value(line, row, "system"))
        task = tasks.setdefault(str(reader.value(line, row, "task")), len(tasks))
        if (system, task) in seen:
            again = f"{row['system']!r} and {row['task']!r} again, after line {seen[system, task]}"
            raise reader.error(line, "task", "each system and task once", again)
        seen[system, task] = line
        values.append(reader.number(line, row, "score"))
    names = tuple(reader.codes)
    cells = np.array(list(seen), dtype=np.int64)
    return Comparisons(
        kind="scores",
        names=names,
        roles=("system",) * len(names),
        system=cells[:, 0],
        task=cells[:, 1],
        value=np.array(values),
    )


FORMS: tuple[tuple[set[str], Callable[[_Reader, Numbered], Comparisons]], ...] = (
    ({"player", "opponent"}, _games),
    ({"model_a", "model_b"}, _votes),
    ({"winner", "loser"}, _preferences),
    ({"ranking"}, _rankings),
    ({"system", "task"}, _scores),
)
