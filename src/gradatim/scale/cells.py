"""Responses in one canonical order, as cells or as a table, and what to know before fitting.

Axes: `cell` (a solver and an item), `person` (solvers that answered), `item`, `hole` (a cell that
nobody tried).
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from gradatim import checks
from gradatim.errors import ArgumentError
from gradatim.scale.products import collect, project
from gradatim.types import Matrix, Responses

HOLES = 0.1  # share of cells that may be missing from a table
BLOCK = 1 << 22  # cells compared at a time
SOLVED = "0 <= solved <= tried"


class Cells(NamedTuple):
    """Responses in canonical order: by name of the solver, then of the item.

    The order in which cells, solvers or items are listed changes no sum, not even in the last bit.

    Attributes:
        person, item: (cell,) int, ranks by name; persons and items without a cell are left out.
        solved, tried: (cell,) float.
        start: (person + 1,) int, cells of person p are start[p] : start[p + 1].
        persons, items: (person,), (item,) int, index of each rank in the responses' names.
    """

    person: np.ndarray
    item: np.ndarray
    solved: np.ndarray
    tried: np.ndarray
    start: np.ndarray
    persons: np.ndarray
    items: np.ndarray


class Table(NamedTuple):
    """Complete, or nearly complete, counts where all who tried an item tried it equally often.

    The order is that of `Cells`.

    Attributes:
        solved: (person, item) numbers of any type, 0 in holes; read, never copied to doubles.
        tried: (item,) float, attempts of everybody who tried the item, times `worth`.
        right: (item,) float, sums of `solved`, times `worth`.
        worth: (item,) float in (0, 1], what an attempt counts for (see `overdispersion`).
        person, item: (hole,) int, the cells that are missing, by person.
        persons, items: (person,), (item,) int, index of each rank in the names.
    """

    solved: np.ndarray
    tried: np.ndarray
    right: np.ndarray
    worth: np.ndarray
    person: np.ndarray
    item: np.ndarray
    persons: np.ndarray
    items: np.ndarray


Counts = Cells | Table


class Totals(NamedTuple):
    """Sums of attempts and of those solved, by item and by person."""

    item_tried: np.ndarray
    item_solved: np.ndarray
    person_tried: np.ndarray
    person_solved: np.ndarray


def check_responses(responses: Responses | Matrix) -> None:
    """Refuse responses that cannot be: each error names the solver and the item.

    Raises:
        ArgumentError: columns of different lengths, NaN, solved outside [0, tried], tried below
            1 (in a table: below 0), an index without a name, a name given twice, a cell given
            twice, no cell at all.
    """
    for what, names in (("solvers", responses.solvers), ("items", responses.items)):
        if len(set(names)) < len(names):
            seen: set[str] = set()
            doubled = next(n for n in names if n in seen or seen.add(n))
            raise ArgumentError(f"`{what}` must name each once, got {doubled!r} twice")
    if isinstance(responses, Matrix):
        _check_matrix(responses)
    else:
        _check_cells(responses)


def _check_cells(responses: Responses) -> None:
    checks.shapes(
        solver=(responses.solver, "cell"),
        item=(responses.item, "cell"),
        solved=(responses.solved, "cell"),
        tried=(responses.tried, "cell"),
    )
    if not len(responses.solver):
        raise ArgumentError("`responses` holds no cell: nobody answered anything")
    checks.within(0, len(responses.solvers) - 1, solver=responses.solver)
    checks.within(0, len(responses.items) - 1, item=responses.item)
    solved, tried = np.asarray(responses.solved), np.asarray(responses.tried)
    index = responses.solver, responses.item
    _refuse(responses, ~(tried >= 1), (tried, "tried >= 1"), index)
    _refuse(responses, ~((solved >= 0) & (solved <= tried)), (solved, SOLVED), index)
    place = _place(responses)
    order = _sorted(place)
    same = np.diff(place if order is None else place[order]) == 0
    if same.any():
        cell = int(np.flatnonzero(same)[0])
        cell = cell if order is None else order[cell]
        raise ArgumentError(
            f"`responses` has solver {responses.solvers[responses.solver[cell]]!r} and item "
            f"{responses.items[responses.item[cell]]!r} more than once: add the counts up"
        )


def _check_matrix(matrix: Matrix) -> None:
    solved, tried = matrix.solved, np.asarray(matrix.tried)
    shape = (len(matrix.solvers), len(matrix.items))
    if solved.shape != shape or tried.shape not in ((), shape):
        raise ArgumentError(
            f"`solved` and `tried` must have one entry per solver and item {shape}, got "
            f"{solved.shape} and {tried.shape}"
        )
    if solved.dtype.kind not in "biuf" or tried.dtype.kind not in "iu":
        raise ArgumentError(
            f"`solved` must hold numbers and `tried` whole numbers, got {solved.dtype} and "
            f"{tried.dtype}"
        )
    if not solved.size or not tried.any():
        raise ArgumentError("`responses` holds no cell: nobody answered anything")
    if not tried.ndim and tried > 0 and solved.min() >= 0 and solved.max() <= tried:
        return
    for first in range(0, len(solved), max(1, BLOCK // shape[1])):  # what is compared stays small
        rows = slice(first, first + max(1, BLOCK // shape[1]))
        n = np.broadcast_to(tried, shape)[rows]
        k = solved[rows]
        index = np.arange(first, first + len(k))[:, None], np.arange(shape[1])
        grid = tuple(np.broadcast_to(i, k.shape) for i in index)
        _refuse(matrix, n < (0 if tried.ndim else 1), (n, "tried >= 0"), grid)
        _refuse(matrix, (n > 0) & ~((k >= 0) & (k <= n)), (k, SOLVED), grid)


def arrange(responses: Responses) -> Cells:
    """Bring checked responses into canonical order.

    >>> cells = arrange(Responses(solver=np.array([1, 0]), item=np.array([0, 0]),
    ...     solved=np.array([1.0, 0.0]), tried=np.array([1, 1]), solvers=("a", "b"), items=("x",)))
    >>> cells.solved, cells.start
    (array([0., 1.]), array([0, 1, 2]))
    """
    persons, person = _ranked(responses.solver, responses.solvers)
    items, item = _ranked(responses.item, responses.items)
    solved, tried = (np.asarray(x, dtype=float) for x in (responses.solved, responses.tried))
    order = _sorted(person * len(items) + item)
    if order is not None:
        person, item, solved, tried = person[order], item[order], solved[order], tried[order]
    counts = np.bincount(person, minlength=len(persons))
    return Cells(person, item, solved, tried, np.r_[0, np.cumsum(counts)], persons, items)


def tabulate(responses: Responses | Matrix) -> Counts:
    """Checked responses as a table where they fill one, else as cells; in canonical order.

    A table takes that at most HOLES of the cells are missing, and that all who tried an item
    tried it equally often: the same counts give the same form, however they came.

    >>> matrix = Matrix(solved=np.array([[1, 0], [1, 1]]), tried=1, solvers=("b", "a"),
    ...     items=("x", "y"))
    >>> tabulate(matrix).solved
    array([[1, 1],
           [1, 0]])
    """
    if isinstance(responses, Responses):
        cells = arrange(responses)
        shape = (len(cells.persons), len(cells.items))
        n = np.zeros(shape[1])
        n[cells.item] = cells.tried
        if len(cells.item) < (1 - HOLES) * shape[0] * shape[1] or np.any(
            n[cells.item] != cells.tried
        ):
            return cells
        solved = np.zeros(shape, dtype=_smallest(cells.solved))
        solved[cells.person, cells.item] = cells.solved
        missing = np.zeros((0, 2), dtype=np.int64)
        if len(cells.item) < solved.size:
            there = np.zeros(shape, dtype=bool)
            there[cells.person, cells.item] = True
            missing = np.argwhere(~there)
        return _table(solved, n, missing, (cells.persons, cells.items))
    return _tabulate(responses)


def _tabulate(matrix: Matrix) -> Counts:
    solved, tried = matrix.solved, np.asarray(matrix.tried)
    if not tried.ndim:
        tried, n = None, np.full(len(matrix.items), float(tried))
        used = np.ones(len(matrix.solvers), bool), np.ones(len(matrix.items), bool)
    else:
        used = tried.any(axis=1), tried.any(axis=0)
        n = tried.max(axis=0).astype(float)
    persons, items = (
        _by_name(np.flatnonzero(u), names)
        for u, names in zip(used, (matrix.solvers, matrix.items), strict=True)
    )
    for axis, index, size in ((0, persons, len(matrix.solvers)), (1, items, len(matrix.items))):
        if not np.array_equal(index, np.arange(size)):
            solved = solved.take(index, axis)
            tried = None if tried is None else tried.take(index, axis)
    n = n[items]
    if tried is None:
        return _table(solved, n, np.zeros((0, 2), dtype=np.int64), (persons, items))
    there = tried > 0
    if np.mean(there) >= 1 - HOLES and not np.any(there & (tried != n)):
        missing = np.argwhere(~there)
        if len(missing):
            solved = np.where(there, solved, 0)
        return _table(solved, n, missing, (persons, items))
    person, item = np.nonzero(there)
    start = np.r_[0, np.cumsum(there.sum(axis=1))]
    k = solved[person, item].astype(float)
    return Cells(person, item, k, tried[person, item].astype(float), start, persons, items)


def unfold(counts: Counts) -> Cells:
    """Cells of a table, for what looks at each cell anyway."""
    if isinstance(counts, Cells):
        return counts
    there = np.ones(counts.solved.shape, dtype=bool)
    there[counts.person, counts.item] = False
    person, item = np.nonzero(there)
    start = np.r_[0, np.cumsum(there.sum(axis=1))]
    solved = counts.solved[person, item] * counts.worth[item]
    return Cells(person, item, solved, counts.tried[item], start, counts.persons, counts.items)


def blocks(counts: Counts) -> Iterator[tuple[slice, Cells]]:
    """Runs of persons and their cells, numbered from 0, a few million cells at a time."""
    n_persons = len(counts.persons)
    if isinstance(counts, Cells):
        yield slice(0, n_persons), counts
        return
    step = max(1, BLOCK // len(counts.items))
    for first in range(0, n_persons, step):
        rows = slice(first, min(first + step, n_persons))
        low, high = np.searchsorted(counts.person, (rows.start, rows.stop))
        yield (
            rows,
            unfold(
                counts._replace(
                    solved=counts.solved[rows],
                    person=counts.person[low:high] - first,
                    item=counts.item[low:high],
                    persons=counts.persons[rows],
                )
            ),
        )


def totals(counts: Counts) -> Totals:
    """What was tried and solved, by item and by person."""
    n_persons, n_items = len(counts.persons), len(counts.items)
    if isinstance(counts, Cells):
        return Totals(
            *(np.bincount(counts.item, w, n_items) for w in (counts.tried, counts.solved)),
            *(
                np.add.reduceat(w, counts.start[:-1], dtype=float)
                for w in (counts.tried, counts.solved)
            ),
        )
    lost = counts.tried[counts.item]
    solved = project(counts.solved, counts.worth, np.zeros(n_items))[:, 0]
    return Totals(
        counts.tried * n_persons - np.bincount(counts.item, lost, n_items),
        counts.right,
        counts.tried.sum() - np.bincount(counts.person, lost, n_persons),
        solved,
    )


def _table(
    solved: np.ndarray, tried: np.ndarray, missing: np.ndarray, names: tuple[np.ndarray, np.ndarray]
) -> Table:
    right = collect(solved, np.ones(len(solved)))
    return Table(solved, tried, right, np.ones(len(tried)), missing[:, 0], missing[:, 1], *names)


def _smallest(values: np.ndarray) -> np.dtype:
    """Bytes where all values are small whole numbers, else doubles."""
    whole = values.max() <= 255 and not np.any(values % 1)
    return np.dtype(np.uint8 if whole else float)


def _place(responses: Responses) -> np.ndarray:
    """(cell,) one number that names solver and item."""
    return np.asarray(responses.solver, np.int64) * len(responses.items) + responses.item


def _sorted(place: np.ndarray) -> np.ndarray | None:
    """The order that sorts, None where it is that already."""
    if np.all(np.diff(place) >= 0):
        return None
    return np.argsort(place, kind="stable")


def _ranked(index: np.ndarray, names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Used entries of `names` in order of name, and the rank of each index."""
    order = _by_name(np.flatnonzero(np.bincount(index, minlength=len(names))), names)
    if np.array_equal(order, np.arange(len(names))):
        return order, np.asarray(index, dtype=np.int64)
    rank = np.full(len(names), -1)
    rank[order] = np.arange(len(order))
    return order, rank[index]


def _by_name(used: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    return np.array(sorted(used.tolist(), key=names.__getitem__), dtype=np.int64)


def _refuse(
    responses: Responses | Matrix,
    bad: np.ndarray,
    found: tuple[np.ndarray, str],
    index: tuple[np.ndarray, ...],
) -> None:
    if bad.any():
        value, allowed = found
        solver, item = (int(i[bad][0]) for i in index)
        raise ArgumentError(
            f"`responses` needs {allowed}, got {value[bad][0]:g} for solver "
            f"{responses.solvers[solver]!r}, item {responses.items[item]!r} "
            f"({bad.sum()} of {bad.size} cells)"
        )
