"""Results of one system under several seeds, checkpoints or layouts, cut out of a file."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from gradatim.audits.columns import LAYOUTS as LAYOUTS
from gradatim.audits.columns import SEEDS as SEEDS
from gradatim.audits.columns import STEPS as STEPS
from gradatim.audits.subject import Attempts, Subject, pick

GROUPS = ("group", "base", "base_model", "recipe", "experiment", "run", "run_id", "size", "config")
PROBABILITIES = ("answer_probability", "target_probability", "p_answer", "p_target")
SURVEY = "monitor"  # tag of a training's attempts on held-out problems
MOST = 400  # variants of one system; a column with more is an id
SYSTEMS = 2000  # systems of one file; with more, the column is an id
FEWEST = 10  # items that all variants of a system share


class Cells(NamedTuple):
    """Results cell by cell.

    Attributes:
        solver, item: (cell,) int; variant: (cell,) numbers or texts.
        solved, tried: (cell,) float.
    """

    solver: np.ndarray
    item: np.ndarray
    variant: np.ndarray
    solved: np.ndarray
    tried: np.ndarray


def by_probability(subject: Subject) -> tuple[str, Subject] | None:
    """The column of the right answer's probability, and the same attempts scored by it."""
    attempts = subject.attempts
    if attempts is None:
        return None
    for name in PROBABILITIES:
        column = pick(attempts.columns, (name,))
        if column is None or column.dtype.kind != "f":
            continue
        if ((column >= 0) & (column <= 1)).all():  # NaN fails
            return name, replace(subject, attempts=attempts._replace(score=column))
    return None


def surveyed(subject: Subject) -> Subject:
    """Of a training, its surveys of held-out problems alone; anything else as it is."""
    attempts = subject.attempts
    tag = None if attempts is None else attempts.columns.get("tag")
    if attempts is None or tag is None or not (kept := tag == SURVEY).any():
        return subject
    columns = {name: column[kept] for name, column in attempts.columns.items()}
    solver, item, score = (part[kept] for part in attempts[:3])
    return replace(subject, attempts=Attempts(solver, item, score, columns, attempts.ordered))


class Variants(NamedTuple):
    """One system under several variants, on the items that all of them tried.

    Attributes:
        name: of the system.
        labels: (variant,) in order.
        items: (item,) int, into the matrix.
        solved, tried: (variant, item) float.
    """

    name: str
    labels: np.ndarray
    items: np.ndarray
    solved: np.ndarray
    tried: np.ndarray

    @property
    def rate(self) -> np.ndarray:
        """(variant, item) mean score."""
        return self.solved / self.tried


def find_variants(
    subject: Subject,
    names: Sequence[str],
    *,
    apart: Sequence[str] = (),
    last: Sequence[str] = (),
    fewest: int = 2,
) -> list[Variants]:
    """Systems with at least `fewest` variants on 10 shared items; [] where there is none.

    Args:
        subject: of a matrix with a column of solvers, or attempts with a column.
        names: of the column of variants: ("seed",).
        apart: columns that make different systems: checkpoints of two seeds are two runs.
        last: columns of which only the highest value counts: seeds at the last checkpoint.
        fewest: variants.
    """
    cells = _cells(subject, names)
    if cells is None or subject.matrix is None:
        return []
    system, titles = _systems(subject, cells)
    for other, highest in ((apart, False), (last, True)):
        column = _values(subject, other)
        if column is None:
            continue
        if highest and column.dtype.kind in "fiu":
            top = np.full(len(titles), -np.inf)
            np.maximum.at(top, system, column)
            kept = column == top[system]
            cells, system = Cells(*(part[kept] for part in cells)), system[kept]
        elif not highest:
            system, titles = _crossed(system, titles, column)
    if len(np.unique(system)) > SYSTEMS:
        return []
    found = [
        _cut(titles[code], cells, system == code, len(subject.matrix.items))
        for code in np.unique(system)
    ]
    return [one for one in found if one is not None and len(one.labels) >= fewest]


def on_shared_items(systems: list[Variants]) -> list[Variants]:
    """The same on the items that all systems have; [] where those are fewer than 10."""
    if not systems:
        return []
    shared = systems[0].items
    for one in systems[1:]:
        shared = np.intersect1d(shared, one.items)
    if len(shared) < FEWEST:
        return []
    found = []
    for one in systems:
        at = np.searchsorted(one.items, shared)
        found.append(one._replace(items=shared, solved=one.solved[:, at], tried=one.tried[:, at]))
    return found


def _values(subject: Subject, names: Sequence[str]) -> Any:
    """A column, one value per cell of `_cells`."""
    if subject.attempts is not None:
        return pick(subject.attempts.columns, names)
    column = pick(subject.of_solver, names)
    if column is None or subject.matrix is None:
        return None
    return column[np.nonzero(np.asarray(subject.matrix.tried))[0]]


def _cells(subject: Subject, names: Sequence[str]) -> Cells | None:
    variant = _values(subject, names)
    if variant is None or subject.matrix is None:
        return None
    if variant.dtype.kind == "f" and np.isnan(variant).any():
        return None
    if subject.attempts is not None:
        solver, item, score = subject.attempts[:3]
        return Cells(solver, item, variant, score, np.ones(len(score)))
    tried = np.asarray(subject.matrix.tried)
    solver, item = np.nonzero(tried)
    where = solver, item
    return Cells(solver, item, variant, subject.matrix.solved[where], tried[where].astype(float))


def _systems(subject: Subject, cells: Cells) -> tuple[np.ndarray, list[str]]:
    """(cell,) code of what differs in its variant only, and the names of these.

    A solver with several variants is a system. Where each solver has one, a column says which
    solvers belong together; without such a column all do, if no variant comes twice.
    """
    matrix = subject.matrix
    assert matrix is not None
    labels, code = np.unique(cells.variant, return_inverse=True)
    code = code.reshape(-1)
    pairs = np.unique(cells.solver * len(labels) + code)
    if len(np.unique(pairs // len(labels))) < len(pairs):
        return cells.solver, list(matrix.solvers)
    group = pick(subject.of_solver, GROUPS)
    if group is not None:
        titles, found = np.unique(group, return_inverse=True)
        return found.reshape(-1)[cells.solver], [str(t) for t in titles]
    if len(np.unique(pairs % len(labels))) == len(pairs):
        return np.zeros(len(code), dtype=int), ["all solvers"]
    return cells.solver, list(matrix.solvers)


def _crossed(
    system: np.ndarray, titles: list[str], column: np.ndarray
) -> tuple[np.ndarray, list[str]]:
    labels, code = np.unique(column, return_inverse=True)
    both, found = np.unique(system * len(labels) + code.reshape(-1), return_inverse=True)
    names = [f"{titles[b // len(labels)]} {_label(labels[b % len(labels)])}" for b in both]
    return found.reshape(-1), names


def _label(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _cut(name: str, cells: Cells, mine: np.ndarray, n_items: int) -> Variants | None:
    labels, code = np.unique(cells.variant[mine], return_inverse=True)
    if not 1 < len(labels) <= MOST:
        return None
    flat = code.reshape(-1) * n_items + cells.item[mine]
    size = len(labels) * n_items
    solved, tried = (
        np.bincount(flat, weights=part[mine], minlength=size).reshape(len(labels), n_items)
        for part in (cells.solved, cells.tried)
    )
    items = np.flatnonzero((tried > 0).all(axis=0))
    if len(items) < FEWEST:
        return None
    return Variants(name, labels, items, solved[:, items], tried[:, items])
