"""The E-step of sparse data, compiled: the numbers of `quadrature`, some twenty times sooner.

Persons are independent given the items, so each core takes some of them; sums over persons are
added in an order that does not depend on the number of cores. Curves with a floor or a ceiling
stay with `quadrature`. Axes: `cell`, `person`, `item`, `node`.
"""

import numpy as np

from gradatim.scale.cells import Cells
from gradatim.scale.derivatives import Items
from gradatim.scale.products import compiled, run_parts
from gradatim.scale.quadrature import Posterior

PARTS = 4  # runs of persons, each with sums of its own
LARGE = 1 << 17  # cells x nodes from which on loading a compiler pays


def visit(
    cells: Cells, items: Items, start: np.ndarray, *, n_nodes: int, errors: bool = False
) -> tuple[np.ndarray, np.ndarray, Posterior]:
    """Modes, posteriors and what items need of them, in one pass over all cells.

    Args:
        cells: in canonical order.
        items: parameters, without floors and ceilings.
        start: (person,) where to look for modes.
        n_nodes: nodes per person.
        errors: also what standard errors need.

    Returns:
        (person,) mode and (person,) spread of the nodes, and the Posterior.
    """
    kernels = compiled()
    assert kernels is not None, "the extra [fast] is not installed"
    base, weight = np.polynomial.hermite_e.hermegauss(n_nodes)
    nodes = base, np.log(weight / np.sqrt(2 * np.pi)) + base**2 / 2
    curves = np.stack([np.exp(items.log_a), items.b], axis=1)
    n_persons, n_cells = len(start), len(cells.item)
    cuts = np.searchsorted(cells.start, np.linspace(0, n_cells, PARTS + 1))
    cuts[0], cuts[-1] = 0, n_persons
    moving = np.zeros((2, n_cells if errors else 0))
    found: list[np.ndarray] = [np.zeros((5, 0))] * PARTS
    sums = np.zeros((PARTS, len(items.b), 8))

    def work(part: int) -> None:
        first, last = cuts[part], cuts[part + 1]
        here = slice(cells.start[first], cells.start[last])
        people = np.zeros((5, last - first))
        people[0] = start[first:last]
        rows = (cells.item[here], cells.solved[here], cells.tried[here])
        starts = cells.start[first : last + 1] - cells.start[first]
        kernels.visit((*rows, starts), curves, nodes, people, moving[:, here], sums[part])
        found[part] = people

    run_parts(work, range(PARTS))
    mode, width, loglik, mean, sd = np.concatenate(found, axis=1)
    total = np.ascontiguousarray(sums.sum(axis=0).T)
    found_moving = moving if errors else None
    posterior = Posterior(loglik, mean, sd, total[:2], total[2:5], total[5:], found_moving)
    return mode, width, posterior
