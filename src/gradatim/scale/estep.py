"""The E-step: abilities integrated out, in the way that fits the data best.

All ways give the same numbers: by the structure of complete data (`complete`), compiled cell by
cell (`sparse`), or in numpy for any curve (`quadrature`). Axes: `person`, `item`.
"""

import numpy as np

from gradatim.scale import complete, sparse
from gradatim.scale.cells import Cells, Counts, tabulate, unfold
from gradatim.scale.derivatives import Items
from gradatim.scale.louis import DENSE, Errors, blockwise, errors
from gradatim.scale.products import LARGE, compiled
from gradatim.scale.quadrature import Posterior, integrate, modes
from gradatim.types import Matrix, Responses

WHOLE = 20_000_000  # cells up to which items of a short test have all their covariances


def gather(responses: Responses | Matrix, *, plain: bool) -> Counts:
    """Counts as the E-step takes them: a table only for curves without floor and ceiling."""
    counts = tabulate(responses)
    if not plain:
        return unfold(counts)
    return narrowed(counts) if isinstance(counts, Cells) else counts


def narrowed(cells: Cells) -> Cells:
    """Many cells in the smallest types that hold them: a pass over them is bound by memory."""
    if len(cells.item) < LARGE or len(cells.items) >= 2**31:
        return cells
    whole = np.array_equal(cells.solved, np.floor(cells.solved)) and cells.tried.max() < 256
    if not whole or np.any(cells.tried % 1):
        return cells._replace(item=cells.item.astype(np.int32))
    return cells._replace(
        item=cells.item.astype(np.int32),
        solved=cells.solved.astype(np.uint8),
        tried=cells.tried.astype(np.uint8),
    )


def visit(
    counts: Counts, items: Items, start: np.ndarray, *, n_nodes: int
) -> tuple[np.ndarray, np.ndarray, Posterior]:
    """(person,) mode and spread of the nodes, and the Posterior."""
    if not isinstance(counts, Cells):
        found = complete.visit(counts, items, start, n_nodes=n_nodes)
        return found.centre, found.spread, found.posterior
    if _compiles(counts, items, n_nodes):
        return sparse.visit(counts, items, start, n_nodes=n_nodes)
    nodes = modes(counts, items, start)
    return *nodes, integrate(counts, items, nodes, n_nodes=n_nodes)


def measure(
    counts: Counts,
    items: Items,
    start: np.ndarray,
    *,
    n_nodes: int,
    prior: tuple[np.ndarray, np.ndarray],
    model: str,
    reference: str,
    fixed: np.ndarray,
) -> tuple[Posterior, Errors]:
    """Abilities and all errors at the end of a fit; arguments as of `louis.errors`."""
    n_items = len(items.b)
    if not isinstance(counts, Cells):
        if n_items > DENSE or counts.solved.size > WHOLE:
            found = complete.visit(counts, items, start, n_nodes=n_nodes)
            own, extra = complete.errors(counts, items, found, curvature=prior[0], model=model)
            at = {"found": (items, fixed), "model": model, "reference": reference}
            return found.posterior, blockwise(own, extra, found.posterior, **at)
        counts = unfold(counts)
    if _compiles(counts, items, n_nodes):
        mode, spread, posterior = sparse.visit(counts, items, start, n_nodes=n_nodes, errors=True)
    else:
        mode, spread = modes(counts, items, start)
        posterior = integrate(counts, items, (mode, spread), n_nodes=n_nodes, errors=True)
    rest = {"prior": prior, "model": model, "reference": reference, "fixed": fixed}
    return posterior, errors(counts, items, posterior, nodes=(mode, spread, n_nodes), **rest)


def _compiles(cells: Cells, items: Items, n_nodes: int) -> bool:
    """True for plain curves, data worth a compiler, and a compiler."""
    plain = items.floor is None and items.ceiling is None and items.params == 2
    return plain and len(cells.item) * n_nodes >= sparse.LARGE and compiled() is not None
