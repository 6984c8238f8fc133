"""Models held out part by part: what tests of them come to, on banks fitted without them.

Axes: `model`, `item`, `step` (questions).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gradatim.errors import ArgumentError
from gradatim.evaluation.adaptive import thin
from gradatim.evaluation.picking import Rules
from gradatim.evaluation.replay import Walk, full_scores, place, walk
from gradatim.evaluation.second_dimension import fit_second, with_second
from gradatim.evaluation.tables import Table, at_samples, right_or_wrong, tabulate
from gradatim.scale import irt
from gradatim.scale.clones import find_clones, groups_of
from gradatim.scale.predictive import Items, item_posteriors
from gradatim.store.formats import responses_of
from gradatim.types import Bank, Matrix

CELLS = 300_000  # up to which items are integrated out, and a second dimension is fitted
ENOUGH = 500  # models held out after which no further part is
BATCH = 1000  # tests between two reports of progress
COMPARED = 2_000  # models among which the same one under two names is looked for


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


def same_models(data: Data) -> np.ndarray:
    """(model,) int: a number for each model, shared by rows that are one model under two names.

    See `scale.clones.find_clones`. Of more than 2,000 models none is compared: each pair costs
    time, and one alias among so many tells the items little.
    """
    group = np.arange(len(data.tried))
    if len(group) <= COMPARED:
        found = find_clones(rates(data.solved, data.tried), data.tried > 0)
        for rows in groups_of(found.first, found.second):
            group[rows] = rows[0]
    return group


def deal(n: int, holdout: float, seed: int, group: np.ndarray | None = None) -> np.ndarray:
    """(model,) int part in which each model is held out.

    Args:
        n: models.
        holdout: share of them in a part.
        seed: of the parts.
        group: (model,) int, see `same_models`: a model is not tested on items that its own answers
            under another name calibrated. None, or all one group: all are dealt singly.
    """
    n_folds = max(2, min(n, round(1 / holdout)))
    fold = np.empty(n, dtype=int)
    fold[np.random.default_rng([seed, 0]).permutation(n)] = np.arange(n) % n_folds
    if group is None or (group == group[0]).all():
        return fold
    tied = np.unique(fold[group], return_inverse=True)[1]  # a part may have lost all it had
    return tied if tied.max() > 0 else (group != group[0]).astype(int)


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


def calibrated(
    data: Data, rows: np.ndarray, asked: int, *, second: bool = False, samples: int | None = None
) -> Table:
    """The items, fitted to some of the models.

    Args:
        data: recorded results.
        rows: (model,) int, those that calibrate.
        asked, second, samples: see `table_of`.
    """
    tried = data.tried[rows]
    matrix = Matrix(
        solved=data.solved[rows], tried=tried, solvers=tuple(map(str, rows)), items=data.items
    )
    bank = irt.fit(matrix)
    part = Data(matrix.solved, tried, data.items)
    return table_of(bank, part, asked=asked, second=second, samples=samples)


def table_of(
    bank: Bank,
    data: Data,
    *,
    asked: int,
    second: bool,
    samples: int | None = None,
    posterior: Items | None = None,
    prior: tuple[float, float] = (0.0, 1.0),
) -> Table:
    """A bank's items as tests weigh them, with the results that it was fitted to.

    Args:
        bank: fitted to `data`, solvers and items in the same order.
        data: recorded results.
        asked: questions of a test.
        second: graded or repeated answers have a second dimension, see
            `evaluation.second_dimension`. Single answers, right or wrong, of 40 models say too
            little of it: on zeroeval_gsm it made errors larger on three seeds of three.
        samples: attempts that a question gets; None: as many as are recorded.
        posterior: of the items, for right or wrong; None: from `data`.
        prior: mean and standard deviation of the ability.
    """
    rate, tried = rates(data.solved, data.tried), data.tried
    single, few = right_or_wrong(rate, tried), tried.size <= CELLS
    if few and single and posterior is None:
        matrix = Matrix(solved=data.solved, tried=tried, solvers=bank.solvers, items=data.items)
        posterior = item_posteriors(bank, responses_of(matrix))
    most = max(int(tried.max(initial=1)), 1)
    table = tabulate(
        bank,
        rate,
        tried,
        n_asked=asked if samples is None else asked * -(-samples // most),
        posterior=posterior if single else None,
        prior=prior,
    )
    two = fit_second(bank, rate, tried, table.dispersion) if second and few and not single else None
    if samples is not None:
        table = at_samples(table, tried, samples)
    return table if two is None else with_second(table, two)


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
    samples: int | None = None,
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
        second: whether tables have a second dimension, see `table_of`.
        samples: attempts that a question gets, drawn from those recorded; None: all of them.
        besides: called after each batch of models, with their tests.

    Returns:
        HeldOut.
    """
    dealt = order_of(fold, enough)
    asked_of = data
    if samples is not None:
        asked_of = Data(
            *thin(data.solved, data.tried, samples, rng=np.random.default_rng(0)), data.items
        )
    tests: list[Walk] = []
    rest: list[np.ndarray] = []
    given, done = np.zeros(data.tried.shape[1], dtype=int), 0
    for part in range(int(fold[dealt].max()) + 1):
        others = np.flatnonzero(fold != part)
        table = calibrated(data, others, longest, second=second, samples=samples)
        held = np.flatnonzero(fold[dealt] == part)
        for at in np.array_split(held, -(-len(held) // BATCH)):
            rows = dealt[at]
            n, rate = asked_of.tried[rows], rates(asked_of.solved[rows], asked_of.tried[rows])
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
