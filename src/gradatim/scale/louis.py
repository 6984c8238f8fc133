"""Errors of items and abilities from observed information, item error included.

Observed information is complete-data information minus the posterior covariance of the
complete-data score (Louis 1982). Parameters are (log a, b) of each item; at the maximum this is
the usual (slope, intercept) form carried over by the delta method.
Axes: `param` (0 log a, 1 b), `item`, `person`, `node`.
"""

from typing import NamedTuple

import numpy as np
from scipy import linalg

from gradatim.scale.cells import Cells
from gradatim.scale.curves import log_chances, slopes
from gradatim.scale.quadrature import BLOCK, Items, Posterior

DENSE = 150  # most items whose whole information matrix is built, all covariances exact
LOW_RANK = 20_000_000  # most persons x parameters of the low-rank form


class Errors(NamedTuple):
    """(item,) standard errors of log a and b, (person,) of ability, and the form that was used."""

    log_a: np.ndarray
    b: np.ndarray
    ability: np.ndarray
    form: str


def solve(blocks: np.ndarray, rhs: np.ndarray, model: str) -> np.ndarray:
    """Solve the block-diagonal system of a model.

    Args:
        blocks: (3, item) log a, cross, b of each item's 2 x 2 block.
        rhs: (param, item, ...) right-hand sides.
        model: "2pl"; "1pl" where all items share log a; "rasch" where log a is known.

    Returns:
        (param, item, ...) solution; for "1pl" the shared entry is repeated, for "rasch" zero.
    """
    pad = (...,) + (None,) * (rhs.ndim - 2)
    aa, ab, bb = (row[pad] for row in blocks)
    if model == "2pl":
        det = aa * bb - ab * ab
        return np.stack([(bb * rhs[0] - ab * rhs[1]) / det, (aa * rhs[1] - ab * rhs[0]) / det])
    if model == "rasch":
        return np.stack([np.zeros_like(rhs[0]), rhs[1] / bb])
    lead = rhs[0].sum(axis=0) - np.sum(ab / bb * rhs[1], axis=0)
    shared = lead / (blocks[0].sum() - np.sum(blocks[1] ** 2 / blocks[2]))
    return np.stack([np.broadcast_to(shared, rhs[0].shape), (rhs[1] - ab * shared) / bb])


def inverse_blocks(blocks: np.ndarray, model: str) -> np.ndarray:
    """(3, item) the items' own blocks of the inverse of the block-diagonal system."""
    aa, ab, bb = blocks
    if model == "2pl":
        det = aa * bb - ab * ab
        return np.stack([bb / det, -ab / det, aa / det])
    if model == "rasch":
        return np.stack([np.zeros_like(bb), np.zeros_like(bb), 1 / bb])
    s = 1 / (aa.sum() - np.sum(ab**2 / bb))
    return np.stack([np.full_like(bb, s), -s * ab / bb, 1 / bb + s * (ab / bb) ** 2])


def errors(
    cells: Cells,
    items: Items,
    posterior: Posterior,
    *,
    nodes: tuple[np.ndarray, np.ndarray, int],
    prior: tuple[np.ndarray, np.ndarray],
    model: str,
    reference: str,
) -> Errors:
    """Standard errors at a fitted point.

    Args:
        cells: in canonical order.
        items: the estimates.
        posterior: from `integrate(..., errors=True)` at the estimates.
        nodes: centre, spacing and number of the persons' nodes.
        prior: (3, item) curvature of the priors by item, and (row, 2, item) rows whose outer
            products are to be taken off it.
        model: see `solve`.
        reference: "solvers": zero and unit of the scale are what these persons make them, and
            their sampling is no error; "population": persons are a sample of N(0, 1).

    Returns:
        Errors. Abilities hold the error of the items: the posterior mean moves with the items'
        parameters by its covariance with their scores.

    Ref: Louis 1982, JRSS B 44:226. Up to DENSE items all covariances are exact; above, those
    between items are those that a person's ability explains (exact in the limit of narrow
    posteriors), and where even that is too large for memory they are left out ("items").
    """
    n_persons, n_items = len(cells.start) - 1, len(items.b)
    complete = posterior.expected + prior[0]
    moving = posterior.with_ability
    assert moving is not None, "integrate with errors=True first"
    if n_items <= DENSE:
        form = "full"
        covariance = _dense(cells, items, nodes, complete=complete, free=prior[1], model=model)
        push = _spread(cells, moving, n_items)
        held = push.reshape(n_persons, -1) @ covariance
        own = np.stack([
            np.diag(covariance)[:n_items],
            np.diag(covariance[:n_items, n_items:]),
            np.diag(covariance)[n_items:],
        ])
    elif n_persons * 2 * n_items <= LOW_RANK:
        form, push = "persons", _spread(cells, moving, n_items)
        own, held = _low_rank(
            complete - posterior.missing, push, posterior.sd, free=prior[1], model=model
        )
    else:
        own = inverse_blocks(complete - posterior.missing, model)
        sides = _quadratic(own[:, cells.item], moving)
        extra = np.add.reduceat(sides, cells.start[:-1])
        return Errors(np.sqrt(own[0]), np.sqrt(own[2]), np.sqrt(posterior.sd**2 + extra), "items")
    extra = np.einsum("pi,pi->p", held, push.reshape(n_persons, -1))
    if reference == "solvers":
        own, extra = _conditioned(own, extra, (push, held), posterior.mean)
    return Errors(
        np.sqrt(np.maximum(own[0], 0)),
        np.sqrt(np.maximum(own[2], 0)),
        np.sqrt(posterior.sd**2 + np.maximum(extra, 0)),
        form,
    )


def _quadratic(block: np.ndarray, x: np.ndarray) -> np.ndarray:
    return block[0] * x[0] ** 2 + 2 * block[1] * x[0] * x[1] + block[2] * x[1] ** 2


def _spread(cells: Cells, moving: np.ndarray, n_items: int) -> np.ndarray:
    """(person, param, item) from (param, cell)."""
    push = np.zeros((len(cells.start) - 1, 2, n_items))
    push[cells.person, 0, cells.item] = moving[0]
    push[cells.person, 1, cells.item] = moving[1]
    return push


def _dense(
    cells: Cells,
    items: Items,
    nodes: tuple[np.ndarray, np.ndarray, int],
    *,
    complete: np.ndarray,
    free: np.ndarray,
    model: str,
) -> np.ndarray:
    """(2 item, 2 item) covariance of (log a of all, b of all), by the whole matrix."""
    n_items = len(items.b)
    observed = np.zeros((2, n_items, 2, n_items))
    each = np.arange(n_items)
    observed[0, each, 0, each] = complete[0]
    observed[0, each, 1, each] = observed[1, each, 0, each] = complete[1]
    observed[1, each, 1, each] = complete[2]
    observed = observed.reshape(2 * n_items, 2 * n_items)
    rows = free.reshape(len(free), 2 * n_items)
    observed -= _missing(cells, items, nodes) + rows.T @ rows
    kept = np.eye(2 * n_items)
    if model == "rasch":
        kept = kept[:, n_items:]
    elif model == "1pl":
        shared = np.r_[np.ones(n_items), np.zeros(n_items)][:, None]
        kept = np.hstack([shared, kept[:, n_items:]])
    return kept @ linalg.pinvh(kept.T @ observed @ kept) @ kept.T


def _missing(cells: Cells, items: Items, nodes: tuple[np.ndarray, np.ndarray, int]) -> np.ndarray:
    """(2 item, 2 item) posterior covariance of persons' scores, summed over persons."""
    n_items, n_nodes = len(items.b), nodes[2]
    base, weight = np.polynomial.hermite_e.hermegauss(n_nodes)
    total = np.zeros((2 * n_items, 2 * n_items))
    step = max(1, BLOCK // (2 * n_items * n_nodes))
    for first in range(0, len(cells.start) - 1, step):
        last = min(first + step, len(cells.start) - 1)
        here = slice(cells.start[first], cells.start[last])
        person, item = cells.person[here] - first, cells.item[here]
        spread = nodes[1][first:last, None]
        x = nodes[0][first:last, None] + spread * base
        a = np.exp(items.log_a[item])[:, None]
        eta = a * (x[person] - items.b[item][:, None])
        floor = None if items.floor is None else items.floor[item][:, None]
        up, down = slopes(eta, floor)
        k, n = cells.solved[here][:, None], cells.tried[here][:, None]
        score = np.zeros((last - first, n_nodes, 2, n_items))
        residual = k * up - (n - k) * down
        score[person, :, 0, item] = residual * eta
        score[person, :, 1, item] = -a * residual
        score = score.reshape(last - first, n_nodes, -1)
        h = _weights(cells, items, (first, last), x=x, eta=eta, base=np.log(weight) + base**2 / 2)
        centred = score - np.einsum("pq,pqs->ps", h, score)[:, None]
        rows = (np.sqrt(h)[..., None] * centred).reshape(-1, 2 * n_items)
        total += rows.T @ rows
    return total


def _weights(
    cells: Cells,
    items: Items,
    span: tuple[int, int],
    *,
    x: np.ndarray,
    eta: np.ndarray,
    base: np.ndarray,
) -> np.ndarray:
    """(person, node) posterior weights of the persons of a span."""
    here = slice(cells.start[span[0]], cells.start[span[1]])
    floor = None if items.floor is None else items.floor[cells.item[here]][:, None]
    right, wrong = log_chances(eta, floor)
    k, n = cells.solved[here][:, None], cells.tried[here][:, None]
    starts = cells.start[span[0] : span[1]] - cells.start[span[0]]
    joint = np.add.reduceat(k * right + (n - k) * wrong, starts, axis=0) + base - x**2 / 2
    h = np.exp(joint - joint.max(axis=1, keepdims=True))
    return h / h.sum(axis=1, keepdims=True)


def _low_rank(
    observed: np.ndarray, push: np.ndarray, sd: np.ndarray, *, free: np.ndarray, model: str
) -> tuple[np.ndarray, np.ndarray]:
    """Own blocks (3, item) of the covariance, and its product with every person's `push`.

    Information is D - sum_p push_p push_p' / sd_p^2 - sum_r free_r free_r': persons tie items
    together through what is not known of their ability. D is block-diagonal, so the inverse needs
    a matrix over persons only (Woodbury).
    """
    pull = push / sd[:, None, None]
    blocks = observed + np.stack([
        np.sum(pull[:, 0] ** 2, axis=0),
        np.sum(pull[:, 0] * pull[:, 1], axis=0),
        np.sum(pull[:, 1] ** 2, axis=0),
    ])
    pull = np.concatenate([pull, free])
    size = len(pull)
    solved = np.moveaxis(solve(blocks, np.moveaxis(pull, 0, -1), model), -1, 0).reshape(size, -1)
    middle = np.eye(size) - pull.reshape(size, -1) @ solved.T
    try:
        root = linalg.solve_triangular(linalg.cholesky(middle, lower=True), solved, lower=True)
    except linalg.LinAlgError:  # positive in exact arithmetic only: abilities have a prior
        value, vector = linalg.eigh((middle + middle.T) / 2)
        root = (vector / np.sqrt(np.maximum(value, 1e-12))).T @ solved
    tied = root.reshape(size, 2, -1)
    own = inverse_blocks(blocks, model) + np.stack([
        np.sum(tied[:, 0] ** 2, axis=0),
        np.sum(tied[:, 0] * tied[:, 1], axis=0),
        np.sum(tied[:, 1] ** 2, axis=0),
    ])
    flat = push.reshape(len(sd), -1)
    held = solved[: len(sd)] * sd[:, None] + (flat @ root.T) @ root
    return own, held


def _conditioned(
    own: np.ndarray,
    extra: np.ndarray,
    push_held: tuple[np.ndarray, np.ndarray],
    mean: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Take out what moves all persons together: their mean, and their spread.

    The covariance given K'x, with K the derivatives of the persons' mean and mean square.
    """
    push, held = push_held
    size, n_items = len(push), push.shape[2]
    flat = push.reshape(size, -1)
    weights = np.stack([np.ones(size), mean]) / size
    together = weights @ held  # (2, 2 item) C K
    inner = linalg.pinvh(together @ (weights @ flat).T)
    pieces = together.reshape(2, 2, n_items)
    lost = [
        np.einsum("ki,kl,li->i", pieces[:, r], inner, pieces[:, s])
        for r, s in ((0, 0), (0, 1), (1, 1))
    ]
    across = flat @ together.T
    return own - np.stack(lost), extra - np.einsum("pk,kl,pl->p", across, inner, across)
