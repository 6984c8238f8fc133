"""Errors of new items that were fitted beside known ones, the known items' errors among them.

Axes: `param` (log a, b, g, h), `item`, `person`; `psi`: all items' parameters on the bank's scale,
then mean and log sd of the population.
"""

from typing import NamedTuple

import numpy as np

from gradatim.scale.anchors import errors_of
from gradatim.scale.blocks import diagonal, inverse_blocks, pairs
from gradatim.scale.cells import Cells
from gradatim.scale.derivatives import Items
from gradatim.scale.louis import DENSE, missing_information, spread_scores
from gradatim.scale.quadrature import Posterior
from gradatim.types import Bank

LARGEST = 6000  # items x parameters whose whole matrix is built


class KnownErrors(NamedTuple):
    """Standard errors beside known items.

    Attributes:
        param: (param, item) of the new items (log a, b, floor, ceiling); 0 for the known.
        population: (2,) of mean and sd.
        ability: (person,) on the bank's scale.
        form: "full", "persons" or "items": which covariances are in it (see `louis.errors`).
    """

    param: np.ndarray
    population: np.ndarray
    ability: np.ndarray
    form: str


def covariance_given_known(
    where: tuple[Cells, Items, tuple[np.ndarray, np.ndarray, int]],
    posterior: Posterior,
    *,
    known: np.ndarray,
    bank: tuple[Bank, np.ndarray],
    population: tuple[float, float],
    prior: np.ndarray,
    free_slope: bool,
) -> KnownErrors:
    """Covariance of what was fitted, given what was known with error.

    With psi = (f, K), f free and K known with covariance V from other data, the fitted f moves with
    K by -I_ff^-1 I_fK, so Cov(f) = I_ff^-1 + I_ff^-1 I_fK V I_Kf I_ff^-1.

    Args:
        where: cells, items on z, and the nodes.
        posterior: from `integrate(..., errors=True)` there.
        known: (item,) bool.
        bank: the bank, and (item,) its rows (-1 where new).
        population: mean and sd.
        prior: (pair, item) curvature of the new items' priors, on the bank's scale.
        free_slope: whether log a of new items is estimated.
    """
    items = where[1]
    k, n = items.params, len(items.b)
    if k * n > LARGEST:
        return _apart(posterior, items, known=known, population=population, prior=prior)
    information, form = _information(where, posterior)
    turn, rows = _carry(items, population)  # how z-parameters move with psi
    whole = np.empty((k * n + 2, k * n + 2))
    whole[:-2, :-2] = turn[:, None] * information * turn
    whole[-2:, :-2] = rows @ information * turn
    whole[:-2, -2:] = whole[-2:, :-2].T
    whole[-2:, -2:] = rows @ information @ rows.T
    each = np.arange(n)
    for row, (i, j) in zip(prior, pairs(k), strict=True):
        whole[i * n + each, j * n + each] += row
        if i != j:
            whole[j * n + each, i * n + each] += row
    given = np.tile(known, k)
    free = np.r_[~given, True, True]
    if not free_slope:
        free[:n] = False
    at = np.flatnonzero(free)
    inverse = np.linalg.pinv(whole[np.ix_(at, at)], hermitian=True)
    held = np.r_[np.flatnonzero(known), n + np.flatnonzero(known)]  # log a, b of the known
    noise = _noise(bank, known)
    moved = -inverse @ whole[np.ix_(at, held)]
    total = np.zeros((len(free), len(free)))
    total[np.ix_(at, at)] = inverse + moved @ noise @ moved.T
    total[np.ix_(at, held)] = moved @ noise
    total[np.ix_(held, at)] = total[np.ix_(at, held)].T
    total[np.ix_(held, held)] = noise
    variance = np.maximum(np.diag(total), 0)
    param = np.sqrt(variance[:-2]).reshape(k, n)
    _to_ends(param, items)
    param[:, known] = 0.0
    ability = _abilities(where, posterior, total=total, turn=(turn, rows), unit=population[1])
    spread = population[1] * np.sqrt(variance[-1])
    return KnownErrors(param, np.array([np.sqrt(variance[-2]), spread]), ability, form)


def _information(
    where: tuple[Cells, Items, tuple[np.ndarray, np.ndarray, int]], posterior: Posterior
) -> tuple[np.ndarray, str]:
    """(param item, param item) observed information of all items on z."""
    cells, items, _ = where
    k, n = items.params, len(items.b)
    complete = posterior.expected.copy()
    complete[:2] -= posterior.gradient[:2]  # what `observed_information` leaves out
    moving = posterior.with_ability
    assert moving is not None, "integrate with errors=True first"
    ties, missing = np.zeros((0, k * n)), np.zeros((1, 1))
    if n * k <= 2 * DENSE:
        form, missing = "full", missing_information(*where)
    else:
        form, complete = "persons", complete - posterior.missing
        ties = spread_scores(cells, moving, n).reshape(len(posterior.sd), -1)
        ties = ties / posterior.sd[:, None]
    observed = np.zeros((k, n, k, n))
    each = np.arange(n)
    shared = ties.reshape(-1, k, n)
    for values, (row, column) in zip(complete, pairs(k), strict=True):
        own = values + np.sum(shared[:, row] * shared[:, column], axis=0)
        observed[row, each, column, each] = observed[column, each, row, each] = own
    observed = observed.reshape(k * n, k * n)
    return observed - missing * (form == "full") - ties.T @ ties, form


def _apart(
    posterior: Posterior,
    items: Items,
    *,
    known: np.ndarray,
    population: tuple[float, float],
    prior: np.ndarray,
) -> KnownErrors:
    """Each new item's own block, for banks too large for one matrix: no covariances."""
    k, (_, unit) = items.params, population
    blocks = posterior.expected - posterior.missing
    blocks[:2] -= posterior.gradient[:2]
    turn = np.array([1.0, 1 / unit, 1.0, 1.0])[:k]
    scaled = [r * turn[i] * turn[j] for r, (i, j) in zip(blocks, pairs(k), strict=True)]
    free = (np.stack(scaled) + prior)[:, ~known]
    param = np.zeros((k, len(items.b)))
    param[:, ~known] = np.sqrt(np.maximum(inverse_blocks(free, "2pl")[diagonal(k)], 0))
    _to_ends(param, items)
    news = float(np.sum(1 - np.minimum(posterior.sd, 1) ** 2))
    error = unit / np.sqrt(np.maximum(news * np.array([1.0, 2.0]), 1e-12))
    return KnownErrors(param, error, unit * posterior.sd, "items")


def _to_ends(param: np.ndarray, items: Items) -> None:
    """Errors of log odds, in place, to those of floor and ceiling."""
    for place, share in ((2, items.floor), (3, items.ceiling)):
        if len(param) > place and share is not None:
            param[place] *= share * (1 - share)


def _carry(items: Items, population: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """log a_z = log a + log s, b_z = (b - mean) / s.

    Returns:
        (param item,) by the item's own parameter, and (2, param item) by mean and log sd.
    """
    k, n, (_, unit) = items.params, len(items.b), population
    turn, rows = np.ones(k * n), np.zeros((2, k * n))
    middle = slice(n, 2 * n)
    turn[middle] = 1 / unit
    rows[0, middle] = -1 / unit
    rows[1, :n] = 1.0
    rows[1, middle] = -items.b
    return turn, rows


def _noise(bank: tuple[Bank, np.ndarray], known: np.ndarray) -> np.ndarray:
    """(2 known, 2 known) covariance of the known items' log a and b, from the bank."""
    record, rows = bank
    each = errors_of(record, rows[known])
    n = len(each)
    noise = np.zeros((2, n, 2, n))
    for i in (0, 1):
        for j in (0, 1):
            noise[i, np.arange(n), j, np.arange(n)] = each[:, i, j]
    return noise.reshape(2 * n, 2 * n)


def _abilities(
    where: tuple[Cells, Items, tuple[np.ndarray, np.ndarray, int]],
    posterior: Posterior,
    *,
    total: np.ndarray,
    turn: tuple[np.ndarray, np.ndarray],
    unit: float,
) -> np.ndarray:
    """(person,) error of theta = mean + s z: the posterior's, and of all that z rests on."""
    cells, items, _ = where
    moving = posterior.with_ability
    assert moving is not None
    n_persons, size = len(posterior.sd), len(total)
    extra = np.zeros(n_persons)
    step = max(1, 20_000_000 // size)
    for first in range(0, n_persons, step):
        last = min(first + step, n_persons)
        here = slice(cells.start[first], cells.start[last])
        push = np.zeros((last - first, items.params, len(items.b)))
        push[cells.person[here] - first, :, cells.item[here]] = moving[:, here].T
        push = unit * push.reshape(last - first, -1)
        by = np.concatenate([push * turn[0], push @ turn[1].T], axis=1)
        by[:, -2] += 1.0
        by[:, -1] += unit * posterior.mean[first:last]
        extra[first:last] = np.einsum("pi,pi->p", by @ total, by)
    return np.sqrt((unit * posterior.sd) ** 2 + np.maximum(extra, 0))
