"""Responses checked and brought into one order, and what there is to know before fitting.

Axes: `cell` (a solver and an item), `person` (solvers that answered), `item`.
"""

from typing import NamedTuple

import numpy as np

from gradatim import checks, rng
from gradatim.errors import ArgumentError
from gradatim.types import Responses


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


def check_responses(responses: Responses) -> None:
    """Refuse responses that cannot be: each error names the solver and the item.

    Raises:
        ArgumentError: columns of different lengths, NaN, solved outside [0, tried], tried below
            1, an index without a name, a name given twice, a cell given twice, no cell at all.
    """
    checks.shapes(
        solver=(responses.solver, "cell"),
        item=(responses.item, "cell"),
        solved=(responses.solved, "cell"),
        tried=(responses.tried, "cell"),
    )
    if not len(responses.solver):
        raise ArgumentError("`responses` holds no cell: nobody answered anything")
    for what, names, index in (
        ("solvers", responses.solvers, responses.solver),
        ("items", responses.items, responses.item),
    ):
        if len(set(names)) < len(names):
            doubled = next(n for i, n in enumerate(names) if n in names[:i])
            raise ArgumentError(f"`{what}` must name each once, got {doubled!r} twice")
        checks.within(0, len(names) - 1, **{what[:-1]: index})
    solved, tried = np.asarray(responses.solved, float), np.asarray(responses.tried, float)
    _refuse(responses, ~(tried >= 1), tried, "tried >= 1")
    _refuse(responses, ~((solved >= 0) & (solved <= tried)), solved, "0 <= solved <= tried")
    order = np.lexsort((responses.item, responses.solver))
    same = (np.diff(responses.solver[order]) == 0) & (np.diff(responses.item[order]) == 0)
    if same.any():
        cell = order[1:][same][0]
        raise ArgumentError(
            f"`responses` has solver {responses.solvers[responses.solver[cell]]!r} and item "
            f"{responses.items[responses.item[cell]]!r} more than once: add the counts up"
        )


def arrange(responses: Responses) -> Cells:
    """Bring checked responses into canonical order.

    >>> cells = arrange(Responses(solver=np.array([1, 0]), item=np.array([0, 0]),
    ...     solved=np.array([1.0, 0.0]), tried=np.array([1, 1]), solvers=("a", "b"), items=("x",)))
    >>> cells.solved, cells.start
    (array([0., 1.]), array([0, 1, 2]))
    """
    persons, person = _ranked(responses.solver, responses.solvers)
    items, item = _ranked(responses.item, responses.items)
    order = np.lexsort((item, person))
    counts = np.bincount(person, minlength=len(persons))
    return Cells(
        person=person[order],
        item=item[order],
        solved=np.asarray(responses.solved, dtype=float)[order],
        tried=np.asarray(responses.tried, dtype=float)[order],
        start=np.r_[0, np.cumsum(counts)],
        persons=persons,
        items=items,
    )


def scale_id(responses: Responses, cells: Cells, **settings: object) -> str:
    """Name of the scale that these responses and settings define.

    The same data in another order, or with names that nobody answered, is the same scale.
    """
    parts = [rng.digest(*(responses.solvers[i] for i in cells.persons))]
    parts += [rng.digest(*(responses.items[i] for i in cells.items))]
    parts += [
        np.ascontiguousarray(column, dtype="<f8").tobytes()
        for column in (cells.person, cells.item, cells.solved, cells.tried)
    ]
    parts += [f"{name}={settings[name]!r}".encode() for name in sorted(settings)]
    return "irt-" + rng.digest(*(rng.digest(p.hex()) for p in parts), size=6).hex()


def survey(responses: Responses, cells: Cells) -> dict[str, object]:
    """Facts that a reader of the fit must know: names of what the data cannot tell apart.

    Returns:
        never_solved, always_solved: names of items; their difficulty is the prior's word.
        zero_solvers, full_solvers: names of solvers that solved nothing, or everything.
        parts: the names of the solvers of each part, largest first, where solvers and items fall
            into parts without a common item or solver: only the prior of abilities puts these on
            one scale. One part: an empty list.
        cells, attempts, missing: cells, their attempts, and the share of cells without any.
    """
    n_persons, n_items = len(cells.persons), len(cells.items)
    facts: dict[str, object] = {}
    for axis, size, names, index, labels in (
        ("item", n_items, responses.items, cells.items, ("never_solved", "always_solved")),
        ("person", n_persons, responses.solvers, cells.persons, ("zero_solvers", "full_solvers")),
    ):
        code = getattr(cells, axis)
        solved = np.bincount(code, weights=cells.solved, minlength=size)
        lost = np.bincount(code, weights=cells.tried - cells.solved, minlength=size)
        for label, none in zip(labels, (solved, lost), strict=True):
            facts[label] = [names[i] for i in sorted(index[none == 0])]
    part = _parts(cells.person, cells.item, n_persons, n_items)
    groups = [
        sorted(responses.solvers[i] for i in cells.persons[part == p]) for p in np.unique(part)
    ]
    facts["parts"] = sorted(groups, key=lambda g: (-len(g), g)) if len(groups) > 1 else []
    facts["cells"] = len(cells.solved)
    facts["attempts"] = int(cells.tried.sum())
    facts["missing"] = 1 - len(cells.solved) / (n_persons * n_items)
    return facts


def _ranked(index: np.ndarray, names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Used entries of `names` in order of name, and the rank of each index."""
    used = np.unique(index)
    order = sorted(used.tolist(), key=lambda i: names[i])
    rank = np.full(len(names), -1)
    rank[order] = np.arange(len(order))
    return np.array(order, dtype=np.int64), rank[index]


def _refuse(responses: Responses, bad: np.ndarray, value: np.ndarray, allowed: str) -> None:
    if bad.any():
        cell = int(np.flatnonzero(bad)[0])
        raise ArgumentError(
            f"`responses` needs {allowed}, got {value[cell]:g} for solver "
            f"{responses.solvers[responses.solver[cell]]!r}, item "
            f"{responses.items[responses.item[cell]]!r} ({bad.sum()} of {bad.size} cells)"
        )


def _parts(person: np.ndarray, item: np.ndarray, n_persons: int, n_items: int) -> np.ndarray:
    """(person,) label of the connected part, by passing the smallest label on until it rests."""
    label = np.arange(n_persons)
    while True:
        of_item = np.full(n_items, n_persons)
        np.minimum.at(of_item, item, label[person])
        new = label.copy()
        np.minimum.at(new, person, of_item[item])
        new = np.minimum(new, new[new])  # jump along labels: few rounds even for long chains
        if np.array_equal(new, label):
            return label
        label = new
