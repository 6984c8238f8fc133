"""Models held out part by part: what tests of them come to, on banks fitted without them.

Axes: `model`, `item`, `step` (questions).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gradatim.errors import ArgumentError
from gradatim.evaluation.picking import Rules
from gradatim.evaluation.replay import Walk, full_scores, place, walk
from gradatim.evaluation.second_dimension import fit_second, with_second
from gradatim.evaluation.tables import Table, right_or_wrong, tabulate
from gradatim.scale import irt
from gradatim.scale.predictive import item_posteriors
from gradatim.store.formats import responses_of
from gradatim.types import Matrix

CELLS = 300_000  # up to which items are integrated out, and a second dimension is fitted
ENOUGH = 500  # models held out after which no further part is
BATCH = 1000  # tests between two reports of progress


class Data(NamedTuple):
    """Recorded results: (model, item) sums of scores and attempts, and the items' names."""

    solved: np.ndarray
    tried: np.ndarray
    items: tuple[str, ...]

    def of_items(self, index: np.ndarray) -> "Data":
        """Some of the items; models without results on these stay, with nothing to ask."""
        names = tuple(self.items[i] for i in index)
        return Data(self.solved[:, index], self.tried[:, index], names)


class HeldOut(NamedTuple):
    """Adaptive tests of models held out.

    Attributes:
        row: (model,) int, rows of the data; fold: (model,) int, their parts.
        walk: the tests, (model, step).
        truth: (model,) full scores; ability: (model,) from all recorded answers; se: its error.
    """

    row: np.ndarray
    fold: np.ndarray
    walk: Walk
    truth: np.ndarray
    ability: np.ndarray
    se: np.ndarray


def kept(matrix: Matrix) -> Data:
    """The models that have results.

    Raises:
        ArgumentError: fewer than two.
    """
    solved = np.asarray(matrix.solved)
    tried = np.broadcast_to(np.asarray(matrix.tried), solved.shape)
    some = (tried > 0).any(axis=1)
    if some.sum() < 2:
        raise ArgumentError(
            f"`replay` must hold at least two models with results, got {int(some.sum())}"
        )
    return Data(solved[some], tried[some], matrix.items)


def deal(n: int, holdout: float, seed: int) -> np.ndarray:
    """(model,) int part in which each model is held out."""
    n_folds = max(2, min(n, round(1 / holdout)))
    fold = np.empty(n, dtype=int)
    fold[np.random.default_rng([seed, 0]).permutation(n)] = np.arange(n) % n_folds
    return fold


def order_of(fold: np.ndarray, enough: int | None = None) -> np.ndarray:
    """(held,) int: models in the order in which they are held out, part by part."""
    ends_at = np.cumsum(np.bincount(fold))
    last = min(
        int(np.searchsorted(ends_at, ENOUGH if enough is None else enough)), len(ends_at) - 1
    )
    return np.argsort(fold, kind="stable")[: ends_at[last]]


def rates(solved: np.ndarray, tried: np.ndarray) -> np.ndarray:
    """(model, item) share solved, 0 where nothing is recorded."""
    return np.where(tried > 0, solved / np.maximum(tried, 1), 0.0)


def calibrated(data: Data, rows: np.ndarray, asked: int, *, second: bool = False) -> Table:
    """The items, fitted to some of the models.

    Args:
        data: recorded results.
        rows: (model,) int, those that calibrate.
        asked: questions of a test.
        second: graded or repeated answers have a second dimension, see
            `evaluation.second_dimension`. Single answers, right or wrong, of 40 models say too
            little of it: on zeroeval_gsm it made errors larger on three seeds of three.
    """
    tried = data.tried[rows]
    matrix = Matrix(
        solved=data.solved[rows], tried=tried, solvers=tuple(map(str, rows)), items=data.items
    )
    bank = irt.fit(matrix)
    rate = rates(matrix.solved, tried)
    posterior = None
    if tried.size <= CELLS and right_or_wrong(rate, tried):
        posterior = item_posteriors(bank, responses_of(matrix))
    table = tabulate(bank, rate, tried, n_asked=asked, posterior=posterior)
    if second and tried.size <= CELLS and not right_or_wrong(rate, tried):
        return with_second(table, fit_second(bank, rate, tried, table.dispersion))
    return table


class Part(NamedTuple):
    """One part while it is held out: its number, its models, the table that the others made.

    Attributes:
        number: of the part; row: (model,) rows of the data; at: (model,) places among all
            models that are held out.
        table: fitted to all others. rate, tried: (model, item) of the models.
    """

    number: int
    row: np.ndarray
    at: np.ndarray
    table: Table
    rate: np.ndarray
    tried: np.ndarray


def hold_out(  # noqa: PLR0913  (one keyword for each dial)
    data: Data,
    fold: np.ndarray,
    *,
    asked: int,
    longest: int,
    rules: Rules,
    max_exposure: float = 1.0,
    enough: int | None = None,
    second: bool = False,
    besides: Callable[[Part, Walk], None] | None = None,
) -> HeldOut:
    """Test each part's models on the bank that the other parts calibrate.

    Args:
        data: recorded results.
        fold: (model,) int parts, see `deal`.
        asked: questions of a test.
        longest: of any test on these tables.
        rules: how items are chosen.
        max_exposure: an item is closed once it has been given to this share of the models tested
            so far, the part at hand among them (but to one at least).
        enough: models after which no further part is held out; None: 500.
        second: whether tables have a second dimension, see `calibrated`.
        besides: called after each batch of models, with their tests.

    Returns:
        HeldOut.
    """
    dealt = order_of(fold, enough)
    tests: list[Walk] = []
    rest: list[np.ndarray] = []
    given, done = np.zeros(data.tried.shape[1], dtype=int), 0
    for part in range(int(fold[dealt].max()) + 1):
        table = calibrated(data, np.flatnonzero(fold != part), longest, second=second)
        held = np.flatnonzero(fold[dealt] == part)
        for at in np.array_split(held, -(-len(held) // BATCH)):
            rows = dealt[at]
            n, rate = data.tried[rows], rates(data.solved[rows], data.tried[rows])
            done += len(rows)
            quota = None
            if max_exposure < 1:
                quota = np.maximum(max(1, int(max_exposure * done)) - given, 0)
            found = walk(table, rate, n, n_asked=asked, rules=rules, quota=quota)
            given += np.bincount(found.item[found.item >= 0], minlength=len(given))
            whole = place(table, rate, n)
            tests.append(found)
            rest.append(np.stack([full_scores(rate, n), whole.ability, whole.se]))
            if besides is not None:
                besides(Part(part, rows, at, table, rate, n), found)
    together = Walk(*(np.concatenate(column) for column in zip(*tests, strict=True)))
    return HeldOut(dealt, fold[dealt], together, *np.concatenate(rest, axis=1))
