"""What is known of responses before a fit: the name of their scale, and what they cannot tell.

Axes: `person`, `item`, as in `cells`.
"""

import hashlib

import numpy as np
from scipy import sparse

from gradatim.scale.cells import Cells, Counts, totals, unfold
from gradatim.scale.products import run_parts, shares
from gradatim.types import Matrix, Responses


def scale_id(responses: Responses | Matrix, counts: Counts, **settings: object) -> str:
    """Name of the scale that these responses and settings define.

    The same data in another order, as cells or as a table, or with names that nobody answered, is
    the same scale.
    """
    parts = [_hash_names(responses.solvers, counts.persons)]
    parts += [_hash_names(responses.items, counts.items)]
    columns = (counts.item, counts.tried)
    if isinstance(counts, Cells):
        parts += [_hash(column) for column in (*columns, counts.start, counts.solved)]
    else:
        parts += [_hash(column) for column in (*columns, counts.person)]
        parts += _hash_rows(counts.solved)
    parts += [f"{name}={settings[name]!r}".encode() for name in sorted(settings)]
    return "irt-" + hashlib.blake2b(b"".join(map(_framed, parts)), digest_size=6).hexdigest()


def survey(responses: Responses | Matrix, counts: Counts) -> dict[str, object]:
    """Facts that a reader of the fit must know: names of what the data cannot tell apart.

    Returns:
        never_solved, always_solved: names of items; their difficulty is the prior's word.
        zero_solvers, full_solvers: names of solvers that solved nothing, or everything.
        parts: the names of the solvers of each part, largest first, where solvers and items fall
            into parts without a common item or solver: only the prior of abilities puts these on
            one scale. One part: an empty list.
        cells, attempts, missing: cells, their attempts, and the share of cells without any.
    """
    n_persons, n_items = len(counts.persons), len(counts.items)
    sums = totals(counts)
    facts: dict[str, object] = {}
    for names, index, tried, solved, labels in (
        (responses.items, counts.items, *sums[:2], ("never_solved", "always_solved")),
        (responses.solvers, counts.persons, *sums[2:], ("zero_solvers", "full_solvers")),
    ):
        for label, none in zip(labels, (solved == 0, solved == tried), strict=True):
            facts[label] = [names[i] for i in sorted(index[none])]
    part = parts_of(counts)
    groups = [
        sorted(responses.solvers[i] for i in counts.persons[part == p]) for p in np.unique(part)
    ]
    facts["parts"] = sorted(groups, key=lambda g: (-len(g), g)) if len(groups) > 1 else []
    holes = len(counts.item) if not isinstance(counts, Cells) else None
    n_cells = len(counts.item) if holes is None else n_persons * n_items - holes
    facts["cells"] = n_cells
    facts["attempts"] = int(sums.item_tried.sum())
    facts["missing"] = 1 - n_cells / (n_persons * n_items)
    return facts


def parts_of(counts: Counts) -> np.ndarray:
    """(person,) label of the part that common items and solvers connect."""
    n_persons, n_items = len(counts.persons), len(counts.items)
    if not isinstance(counts, Cells) and len(np.unique(counts.person)) < n_persons:
        return np.zeros(n_persons, dtype=np.int64)  # somebody tried all items
    cells = unfold(counts)
    widest = int(np.argmax(np.diff(cells.start)))
    near = np.zeros(n_items, dtype=bool)
    near[cells.item[cells.start[widest] : cells.start[widest + 1]]] = True
    if np.all(np.logical_or.reduceat(near[cells.item], cells.start[:-1])):
        return np.zeros(n_persons, dtype=np.int64)  # all share an item with one of them
    size = n_persons + n_items
    one = np.ones(len(cells.item), dtype=np.int8)
    graph = sparse.coo_array((one, (cells.person, n_persons + cells.item)), shape=(size, size))
    return sparse.csgraph.connected_components(graph, directed=False)[1][:n_persons]


def _hash_names(names: tuple[str, ...], used: np.ndarray) -> bytes:
    here = [names[i].encode() for i in used.tolist()]
    lengths = np.array([len(name) for name in here])
    return _hash(lengths) + hashlib.blake2b(b"".join(here), digest_size=16).digest()


def _hash(column: np.ndarray) -> bytes:
    data = np.ascontiguousarray(column, dtype=_narrow(column))
    return hashlib.blake2b(data.data, digest_size=16).digest()


def _narrow(values: np.ndarray) -> str:
    """The type to hash numbers as: by their values, not by the type they came in."""
    if values.dtype == bool or values.dtype == np.uint8:
        return "<u1"
    if not values.size:
        return "<u1"
    whole = values.dtype.kind in "iu" or np.array_equal(values, np.floor(values))
    if whole and values.min() >= 0 and values.max() < 2**32:
        return "<u1" if values.max() < 256 else "<u4"
    return "<f8"


def _hash_rows(table: np.ndarray) -> list[bytes]:
    """Hashes of shares of the rows, by all cores."""
    cuts = shares(len(table))
    kind = _narrow(table)
    found: list[bytes] = [b""] * len(cuts)

    def work(i: int) -> None:
        rows = np.ascontiguousarray(table[cuts[i]], dtype=kind)
        found[i] = hashlib.blake2b(rows.data, digest_size=16).digest()

    run_parts(work, range(len(cuts)), size=table.size)
    return found


def _framed(part: bytes) -> bytes:
    return len(part).to_bytes(4, "big") + part
