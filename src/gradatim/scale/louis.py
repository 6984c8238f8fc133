"""Errors of items and abilities from observed information, item error included.

Observed information is complete-data information minus the posterior covariance of the
complete-data score (Louis 1982), in the parameters (log a, b, and the ends where estimated).
Axes: `param` (0 log a, 1 b, 2 guess, 3 slip), `pair` (see `blocks`), `item`, `person`, `node`.
"""

from typing import NamedTuple

import numpy as np
from scipy import linalg

from gradatim.scale.blocks import diagonal, inverse_blocks, outer, pairs, quadratic, solve
from gradatim.scale.cells import Cells
from gradatim.scale.derivatives import Items, look, scores
from gradatim.scale.products import run_parts
from gradatim.scale.quadrature import BLOCK, Posterior, place, weigh

DENSE = 150  # most items whose whole information matrix is built, all covariances exact
LOW_RANK = 20_000_000  # most persons x parameters of the low-rank form


class Errors(NamedTuple):
    """Standard errors at a fitted point.

    Attributes:
        param: (param, item); NaN where a parameter rests on a bound.
        ends: (param - 2, item) of floor and ceiling, where estimated; NaN likewise.
        ability: (person,).
        form: which covariances are in it: "full", "persons" or "items".
    """

    param: np.ndarray
    ends: np.ndarray
    ability: np.ndarray
    form: str


def errors(
    cells: Cells,
    items: Items,
    posterior: Posterior,
    *,
    nodes: tuple[np.ndarray, np.ndarray, int],
    prior: tuple[np.ndarray, np.ndarray],
    model: str,
    reference: str,
    fixed: np.ndarray | None = None,
) -> Errors:
    """Standard errors at a fitted point.

    Args:
        cells: in canonical order.
        items: the estimates.
        posterior: from `integrate(..., errors=True)` at the estimates.
        nodes: centre, spacing and number of the persons' nodes.
        prior: (pair, item) curvature of the priors by item, and (row, param, item) rows whose
            outer products are to be taken off it.
        model: see `blocks.solve`.
        reference: "solvers": zero and unit of the scale are what these persons make them, and
            their sampling is no error; "population": persons are a sample of N(0, 1).
        fixed: (param, item) True where a parameter rests on a bound: taken as known.

    Returns:
        Errors. Abilities hold the error of the items: the posterior mean moves with the items'
        parameters by its covariance with their scores.

    Ref: Louis 1982, JRSS B 44:226. Up to DENSE items all covariances are exact; above, those
    between items are those that a person's ability explains (exact in the limit of narrow
    posteriors), and where even that is too large for memory they are left out ("items").
    """
    n_persons, n_items, k = len(cells.start) - 1, len(items.b), items.params
    moving = posterior.with_ability
    assert moving is not None, "integrate with errors=True first"
    fixed = np.zeros((k, n_items), bool) if fixed is None else fixed
    complete = posterior.expected + prior[0]
    complete[0] -= posterior.gradient[0]  # what `observed_information` leaves out; with priors
    complete[1] -= posterior.gradient[1]  # off it is zero at the maximum
    missing = posterior.missing
    if fixed.any():
        complete, missing, moving = _held(complete, missing, moving, fixed=fixed, item=cells.item)
    if n_items * k <= 2 * DENSE:
        form, push = "full", spread_scores(cells, moving, n_items)
        observed = whole_matrix(cells, items, nodes, complete=complete, free=prior[1])
        kept = free_directions(model, fixed)
        covariance = kept @ linalg.pinvh(kept.T @ observed @ kept) @ kept.T
        held = push.reshape(n_persons, -1) @ covariance
        whole = covariance.reshape(k, n_items, k, n_items)
        own = np.stack([np.diag(whole[row, :, column]) for row, column in pairs(k)])
    elif n_persons * k * n_items <= LOW_RANK:
        form, push = "persons", spread_scores(cells, moving, n_items)
        own, held = _low_rank(complete - missing, push, posterior.sd, free=prior[1], model=model)
    else:
        own = inverse_blocks(complete - missing, model)
        extra = _extra(cells, own, moving)
        found = items, fixed
        return blockwise(own, extra, posterior, found=found, model=model, reference=reference)
    extra = np.einsum("pi,pi->p", held, push.reshape(n_persons, -1))
    lost = own[diagonal(k)] < -1e-9  # not a maximum in every direction: no error is known
    if reference == "solvers":
        own, extra = _conditioned(own, extra, (push, held), posterior.mean)
        own = own + _adrift(items, _of_sample(posterior), model=model)
    return _errors(own, extra, posterior.sd, found=(items, fixed, form), lost=lost)


def _extra(cells: Cells, own: np.ndarray, moving: np.ndarray) -> np.ndarray:
    """(person,) what the errors of items, taken one by one, add to the variance of ability."""
    sides = np.empty(len(cells.item))

    def work(first: int) -> None:  # (pair, cell) arrays stay small
        here = slice(first, first + BLOCK)
        sides[here] = quadratic(own[:, cells.item[here]], moving[:, here])

    run_parts(work, range(0, len(sides), BLOCK), size=len(sides))
    return np.add.reduceat(sides, cells.start[:-1])


def blockwise(
    own: np.ndarray,
    extra: np.ndarray,
    posterior: Posterior,
    *,
    found: tuple[Items, np.ndarray],
    model: str,
    reference: str,
) -> Errors:
    """Errors from items' own blocks alone: what persons tie together is their zero and unit.

    Nothing else that items share through persons is of the order of the errors themselves. As a
    sample of N(0, 1) persons give zero and unit errors of 1 / persons and 1 / (2 persons), those
    of a mean and of a logarithm of a standard deviation.
    """
    items, fixed = found
    n = len(posterior.mean)
    drift = (1 / n, 0.5 / n) if reference == "population" else _of_sample(posterior)
    own = own + _adrift(items, drift, model=model)
    if reference == "population":
        extra = extra + (1 + posterior.mean**2 / 2) / n
    return _errors(own, extra, posterior.sd, found=(items, fixed, "items"))


def _of_sample(posterior: Posterior) -> tuple[float, float]:
    """Variances of these persons' own mean, and of the log of their own spread, given the items.

    Long tests know both; of short ones the persons' abilities are uncertain, and so is where
    their own zero and unit lie. Without any item these are 1 / persons and 1 / (2 persons).
    """
    n, square = len(posterior.mean), posterior.sd**2
    unit = np.sum(square * (posterior.mean**2 + square / 2))
    return float(square.sum()) / n**2, float(unit) / n**2


def _adrift(items: Items, drift: tuple[float, float], *, model: str) -> np.ndarray:
    """(pair, item) covariance of items whose zero and log unit have the variances `drift`."""
    rows = np.zeros((2, items.params, len(items.b)))
    rows[0, 1], rows[1, 0], rows[1, 1] = 1, -1, items.b
    zero, unit = drift[0], 0.0 if model == "rasch" else drift[1]  # a = 1 is no person's unit
    return zero * outer(rows[0]) + unit * outer(rows[1])


def _errors(
    own: np.ndarray,
    extra: np.ndarray,
    sd: np.ndarray,
    *,
    found: tuple[Items, np.ndarray, str],
    lost: np.ndarray | bool = False,
) -> Errors:
    """Standard errors from items' own (pair, item) covariances and abilities' extra variance."""
    items, fixed, form = found
    k = items.params
    tied = np.stack([fixed[row] | fixed[column] for row, column in pairs(k)])
    own = np.where(tied, 0.0, own)
    param = np.where(lost, np.inf, own[diagonal(k)])
    param = np.where(fixed, np.nan, np.sqrt(np.maximum(param, 0)))
    ends = np.zeros((k - 2, len(items.b)))
    for at in range(k - 2):
        variance = np.where(np.any(lost, axis=0), np.inf, quadratic(own, _turned(items, at)))
        ends[at] = np.where(fixed[2 + at], np.nan, np.sqrt(np.maximum(variance, 0)))
    return Errors(param, ends, np.sqrt(sd**2 + np.maximum(extra, 0)), form)


def _turned(items: Items, at: int) -> np.ndarray:
    """(param, item) derivative of the floor (at = 0) or of minus the ceiling (1) by the params."""
    shares = [items.floor, None if items.ceiling is None else 1 - items.ceiling]
    rows, own = np.zeros((items.params, len(items.b))), shares[at]
    for row, share in enumerate(shares):
        if own is not None and share is not None:
            rows[2 + row] = own * ((row == at) - share)
    return rows


def _held(
    complete: np.ndarray,
    missing: np.ndarray,
    moving: np.ndarray,
    *,
    fixed: np.ndarray,
    item: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Information without the fixed parameters: they are tied to nothing."""
    complete, missing = complete.copy(), missing.copy()
    for place_of, (row, column) in enumerate(pairs(len(fixed))):
        out = fixed[row] | fixed[column]
        complete[place_of, out] = 1.0 if row == column else 0.0
        missing[place_of, out] = 0.0
    return complete, missing, np.where(fixed[:, item], 0.0, moving)


def spread_scores(cells: Cells, moving: np.ndarray, n_items: int) -> np.ndarray:
    """(person, param, item) from (param, cell)."""
    push = np.zeros((len(cells.start) - 1, len(moving), n_items))
    push[cells.person, :, cells.item] = moving.T
    return push


def whole_matrix(
    cells: Cells,
    items: Items,
    nodes: tuple[np.ndarray, np.ndarray, int],
    *,
    complete: np.ndarray,
    free: np.ndarray,
) -> np.ndarray:
    """(param item, param item) observed information, parameters first.

    Args:
        cells: in canonical order.
        items: parameters.
        nodes: centre, spacing and number of the persons' nodes.
        complete: (pair, item) complete-data information with the priors' curvature.
        free: (row, param, item) rows whose outer products are to be taken off it.
    """
    k, n_items = items.params, len(items.b)
    size = k * n_items
    observed = np.zeros((k, n_items, k, n_items))
    each = np.arange(n_items)
    for values, (row, column) in zip(complete, pairs(k), strict=True):
        observed[row, each, column, each] = observed[column, each, row, each] = values
    rows = free.reshape(len(free), size)
    return observed.reshape(size, size) - missing_information(cells, items, nodes) - rows.T @ rows


def free_directions(model: str, fixed: np.ndarray) -> np.ndarray:
    """(param item, free) columns along which parameters may move; `fixed` (param, item)."""
    size, n_items = fixed.size, fixed.shape[1]
    whole = np.eye(size)
    if model == "rasch":
        whole = whole[:, n_items:]
    elif model == "1pl":
        whole = np.hstack([np.r_[np.ones(n_items), np.zeros(n_items)][:, None], whole[:, n_items:]])
    return whole[:, whole.T @ fixed.ravel() == 0]


def missing_information(
    cells: Cells, items: Items, nodes: tuple[np.ndarray, np.ndarray, int]
) -> np.ndarray:
    """(param item, param item) posterior covariance of persons' scores, summed over persons."""
    n_items, n_nodes, k = len(items.b), nodes[2], items.params
    total = np.zeros((k * n_items, k * n_items))
    step = max(1, BLOCK // (k * n_items * n_nodes))
    for first in range(0, len(cells.start) - 1, step):
        last = min(first + step, len(cells.start) - 1)
        here = slice(cells.start[first], cells.start[last])
        person, item = cells.person[here] - first, cells.item[here]
        x, log_weight = place(nodes[:2], (first, last), n_nodes)
        view = look(items, item, x[person], counts=(cells.solved[here], cells.tried[here]))
        h = weigh(view, cells.start[first : last + 1], log_weight)[0]
        score = np.zeros((last - first, n_nodes, k, n_items))
        score[person, :, :, item] = np.moveaxis(scores(view, k), 0, -1)
        score = score.reshape(last - first, n_nodes, -1)
        centred = score - np.einsum("pq,pqs->ps", h, score)[:, None]
        rows = (np.sqrt(h)[..., None] * centred).reshape(-1, k * n_items)
        total += rows.T @ rows
    return total


def _low_rank(
    observed: np.ndarray, push: np.ndarray, sd: np.ndarray, *, free: np.ndarray, model: str
) -> tuple[np.ndarray, np.ndarray]:
    """Own blocks (pair, item) of the covariance, and its product with every person's `push`.

    Information is D - sum_p push_p push_p' / sd_p^2 - sum_r free_r free_r': persons tie items
    together through what is not known of their ability. D is block-diagonal, so the inverse needs
    a matrix over persons only (Woodbury).
    """
    k = push.shape[1]
    pull = push / sd[:, None, None]
    blocks = observed + outer(np.moveaxis(pull, 1, 0)).sum(axis=1)
    pull = np.concatenate([pull, free])
    size = len(pull)
    solved = np.moveaxis(solve(blocks, np.moveaxis(pull, 0, -1), model), -1, 0).reshape(size, -1)
    middle = np.eye(size) - pull.reshape(size, -1) @ solved.T
    try:
        root = linalg.solve_triangular(linalg.cholesky(middle, lower=True), solved, lower=True)
    except linalg.LinAlgError:  # positive in exact arithmetic only: abilities have a prior
        value, vector = linalg.eigh((middle + middle.T) / 2)
        root = (vector / np.sqrt(np.maximum(value, 1e-12))).T @ solved
    tied = np.moveaxis(root.reshape(size, k, -1), 1, 0)
    own = inverse_blocks(blocks, model) + outer(tied).sum(axis=1)
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
    together = weights @ held  # (2, param item) C K
    inner = linalg.pinvh(together @ (weights @ flat).T)
    pieces = together.reshape(2, push.shape[1], n_items)
    lost = [
        np.einsum("ki,kl,li->i", pieces[:, r], inner, pieces[:, s]) for r, s in pairs(push.shape[1])
    ]
    across = flat @ together.T
    return own - np.stack(lost), extra - np.einsum("pk,kl,pl->p", across, inner, across)
