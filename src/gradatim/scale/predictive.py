"""Chance of success in cells that nobody has seen, with items and abilities integrated out.

A fitted curve at its best estimate is too sure of itself: an item that all of 40 solvers solved
has no finite difficulty, only a posterior that reaches far. Here a prediction is the mean over
what the data leave open. Axes: `cell`, `person`, `item`, `point` (of an item's posterior), `node`.
"""

from typing import NamedTuple

import numpy as np
from scipy import special

from gradatim import checks
from gradatim.scale.cells import Cells, arrange, check_responses
from gradatim.scale.curves import log_chances, slopes
from gradatim.scale.marginal import WEAK
from gradatim.scale.overdispersion import worth
from gradatim.types import Bank, Responses

POINTS = 7  # per item parameter
NODES = 3  # of each ability while items are weighed; 9 while cells are predicted
ROUNDS = 3  # of placing points
STRENGTH = 4.0  # items that the stated priors count as, where their spread is estimated
BLOCK = 1 << 16  # cells x points x nodes worked on at a time: what stays in cache
FREE = ("2pl", "3pl", "4pl")  # models in which every item has a slope of its own


class Items(NamedTuple):
    """Posterior of the items as weighted points.

    Attributes:
        slope, difficulty: (item, point) a and b.
        weight: (item, point), sums to 1 for each item.
        known: (item,) bool, whether the item had a cell.
    """

    slope: np.ndarray
    difficulty: np.ndarray
    weight: np.ndarray
    known: np.ndarray


class Spread(NamedTuple):
    """How items differ: log a ~ N(centre, slope^2), b ~ N(middle, difficulty^2)."""

    centre: float
    slope: float
    middle: float
    difficulty: float


class _Fit(NamedTuple):
    """What items are weighed with, in the canonical order of `cells`, sorted by item."""

    cells: Cells
    floor: np.ndarray
    ceiling: np.ndarray
    x: np.ndarray
    share: np.ndarray
    free: bool


def predict(
    bank: Bank, responses: Responses, solver: np.ndarray, item: np.ndarray, *, plug_in: bool = False
) -> np.ndarray:
    """Chance of success of solvers on items, for cells that the bank has not seen.

    Args:
        bank: fitted to `responses`.
        responses: what the bank was fitted to.
        solver, item: (cell,) int, indices into their names.
        plug_in: the curve at the estimates instead of the mean over the posterior.

    Returns:
        (cell,) chance in (0, 1). An item without a cell is taken for a mixture of the others, a
        solver without a cell for one of N(0, 1).

    Abilities are normal around their estimates with the posterior's own spread. An item's
    posterior is a prior times the expected complete-data likelihood, whose maximum is the marginal
    one (the fixed point of EM), on points placed by its own curvature and then by its own moments.
    The prior's centres and spreads are estimated from all items (empirical Bayes), because the
    weak priors of a fit, meant to keep estimates finite, are wider than items differ: predictions
    integrated over them would be too timid.

    Ref: Bock & Aitkin 1981, Psychometrika 46:443, for the expected likelihood; Mislevy 1986,
    Psychometrika 51:177, for priors of items estimated from the items.

    >>> from gradatim.scale import irt
    >>> seen = Responses(solver=np.array([0, 0, 1, 1]), item=np.array([0, 1, 0, 1]),
    ...     solved=np.array([9.0, 2.0, 3.0, 0.0]), tried=np.full(4, 10),
    ...     solvers=("able", "weak", "new"), items=("easy", "hard"))
    >>> chance = predict(irt.fit(seen), seen, np.array([2, 2]), np.array([0, 1]))
    >>> bool(chance[0] > chance[1])
    True
    """
    check_responses(responses)
    checks.shapes(solver=(solver, "cell"), item=(item, "cell"))
    checks.within(0, len(bank.solvers) - 1, solver=solver)
    checks.within(0, len(bank.items) - 1, item=item)
    checks.within(
        len(bank.items), len(bank.items), **{"number of items of `responses`": len(responses.items)}
    )
    items = _points(bank) if plug_in else item_posteriors(bank, responses)
    cells = _worth(bank, responses)
    theta, sd = np.zeros(len(bank.solvers)), np.ones(len(bank.solvers))
    theta[cells.persons], sd[cells.persons] = _abilities(bank, cells)
    base, share = _normal(1 if plug_in else 9)
    x = theta[:, None] + sd[:, None] * base
    chance = np.empty(len(item))
    step = max(1, BLOCK // (items.weight.shape[1] * len(base)))
    for first in range(0, len(item), step):
        part = slice(first, first + step)
        chance[part] = _mean(bank, items, (item[part], x[solver[part]]), share)
    new = ~items.known[item]
    if new.any() and items.known.any():
        others = np.flatnonzero(items.known)
        for person in np.unique(solver[new]):  # a mixture of the items that there are
            spots = np.broadcast_to(x[person], (len(others), len(base)))
            own = new & (solver == person)
            chance[own] = _mean(bank, items, (others, spots), share).mean()
    return chance


def item_posteriors(bank: Bank, responses: Responses) -> Items:
    """Each item's posterior given abilities, as weighted points.

    Args:
        bank: fitted to `responses`; its fit says the model, the priors and the overdispersion.
        responses: as fitted.

    Returns:
        Items in the order of the bank.
    """
    return _weighed(bank, responses)[0]


def spread_among(bank: Bank, responses: Responses) -> Spread:
    """How the bank's items differ from each other, their estimates' own errors taken out."""
    return _weighed(bank, responses)[1]


def _weighed(bank: Bank, responses: Responses) -> tuple[Items, Spread]:
    fit = _prepare(bank, responses)
    rows = fit.cells.items
    a, b = bank.discrimination[rows], bank.difficulty[rows]
    among = stated = _stated(bank, rows)
    centre = np.stack([np.log(a), -a * b])
    spread = _by_curvature(fit, centre, among)
    log_a = level = weight = np.empty((0, 0))
    for _ in range(ROUNDS):  # points by curvature, then by the moments found with them
        log_a, level, log_z = _place(fit, centre, spread)
        log = _loglik(fit, np.exp(log_a), level) + log_z - log_a  # db = d level / a
        among, weight = _among(fit, (log_a, level, log), among, stated=stated)
        centre, spread = _moments(log_a, level, weight)
    slope = np.exp(log_a)
    out = _points(bank)
    full = [np.repeat(v, weight.shape[1], axis=1) for v in out[:3]]
    full[2] /= weight.shape[1]
    for target, value in zip(full, (slope, -level / slope, weight), strict=True):
        target[rows] = value
    return Items(*full, known=out.known), among


def _mean(
    bank: Bank, items: Items, where: tuple[np.ndarray, np.ndarray], share: np.ndarray
) -> np.ndarray:
    """(cell,) mean chance over an item's points and an ability's nodes."""
    item, x = where
    slope, b = items.slope[item][:, :, None], items.difficulty[item][:, :, None]
    solved = special.expit(slope * (x[:, None, :] - b)) @ share
    mean = np.einsum("cm,cm->c", solved, items.weight[item])
    top = 1.0 if bank.ceiling is None else bank.ceiling[item]
    return bank.floor[item] + (top - bank.floor[item]) * mean


def _points(bank: Bank) -> Items:
    """One point an item: the estimates; a harmless one where there are none."""
    known = np.isfinite(bank.difficulty) & np.isfinite(bank.discrimination)
    a, b = (
        np.where(known, v, fill)[:, None]
        for v, fill in ((bank.discrimination, 1.0), (bank.difficulty, 0.0))
    )
    return Items(a, b, np.ones((len(a), 1)), known)


def _worth(bank: Bank, responses: Responses) -> Cells:
    """Cells in canonical order, counts reduced to what the fit found them worth."""
    cells = arrange(responses)
    share = worth(cells.tried, float(bank.fit.get("overdispersion", 0.0)))
    return cells._replace(solved=cells.solved * share, tried=cells.tried * share)


def _prepare(bank: Bank, responses: Responses) -> _Fit:
    arranged = _worth(bank, responses)
    order = np.argsort(arranged.item, kind="stable")
    cells = Cells(
        *(column[order] for column in arranged[:4]),
        start=np.r_[0, np.cumsum(np.bincount(arranged.item, minlength=len(arranged.items)))],
        persons=arranged.persons,
        items=arranged.items,
    )
    theta, sd = _abilities(bank, arranged)
    base, share = _normal(NODES)
    floor = bank.floor[cells.items]
    top = np.ones(len(floor)) if bank.ceiling is None else bank.ceiling[cells.items]
    free = str(bank.fit.get("model", "2pl")) in FREE
    return _Fit(cells, floor, top, theta[:, None] + sd[:, None] * base, share, free)


def _abilities(bank: Bank, cells: Cells) -> tuple[np.ndarray, np.ndarray]:
    """(person,) ability, and the posterior's spread by curvature, items taken as known."""
    theta = bank.ability[cells.persons]
    item = cells.items[cells.item]
    eta = bank.discrimination[item] * (theta[cells.person] - bank.difficulty[item])
    ceiling = None if bank.ceiling is None else bank.ceiling[item]
    up, down = slopes(eta, bank.floor[item] if bank.floor.any() else None, ceiling)
    told = cells.tried * bank.discrimination[item] ** 2 * up * down
    return theta, 1 / np.sqrt(np.add.reduceat(told, cells.start[:-1]) + 1)


def _stated(bank: Bank, rows: np.ndarray) -> Spread:
    """The priors of the fit (the weak ones where it had none) around these items' centres."""
    priors = WEAK._asdict() | dict(bank.fit.get("priors") or {})
    log_a, b = np.log(bank.discrimination[rows]), bank.difficulty[rows]
    ratio = (priors["slope"] / priors["centre"]) ** 2
    m = float(log_a.sum() / (len(log_a) + ratio))
    return Spread(m, priors["slope"], float(b.mean()), priors["difficulty"] * float(np.exp(-m)))


def _among(
    fit: _Fit, points: tuple[np.ndarray, np.ndarray, np.ndarray], start: Spread, *, stated: Spread
) -> tuple[Spread, np.ndarray]:
    """How items differ, by EM over their points, and the (item, point) weights under it."""
    log_a, level, log = points
    b = -level * np.exp(-log_a)
    now, n, weight = start, len(b), np.zeros(b.shape)

    def spread(value: np.ndarray, weight: np.ndarray, about: float) -> tuple[float, float]:
        middle = float(np.sum(weight * value)) / n
        square = float(np.sum(weight * (value - middle) ** 2))
        return middle, float(np.sqrt((square + STRENGTH * about**2) / (n + STRENGTH)))

    for _ in range(30):
        with_prior = log - 0.5 * ((b - now.middle) / now.difficulty) ** 2
        if fit.free:
            with_prior = with_prior - 0.5 * ((log_a - now.centre) / now.slope) ** 2
        weight = np.exp(with_prior - with_prior.max(axis=1, keepdims=True))
        weight /= weight.sum(axis=1, keepdims=True)
        middle, difficulty = spread(b, weight, stated.difficulty)
        centre, slope = spread(log_a, weight, stated.slope) if fit.free else start[:2]
        now = Spread(centre, slope, middle, difficulty)
    return now, weight


def _normal(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of N(0, 1)."""
    base, weight = np.polynomial.hermite_e.hermegauss(n)
    return base, weight / weight.sum()


def _by_curvature(fit: _Fit, centre: np.ndarray, among: Spread) -> np.ndarray:
    """(3, item) lower Cholesky factor of the covariance of (log a, intercept)."""
    cells, slope = fit.cells, np.exp(centre[0])[fit.cells.item]
    theta = fit.x @ fit.share
    pull = slope * theta[cells.person]
    p = special.expit(pull + centre[1][cells.item])
    weight = cells.tried * p * (1 - p)
    n = len(fit.floor)
    aa, ab, bb = (
        np.bincount(cells.item, weights=weight * v, minlength=n) for v in (pull**2, pull, 1.0)
    )
    aa, bb = aa + among.slope**-2, bb + (np.exp(centre[0]) * among.difficulty) ** -2
    if not fit.free:
        return np.stack([np.zeros(n), np.zeros(n), np.maximum(bb, 1e-6) ** -0.5])
    det = np.maximum(aa * bb - ab**2, 1e-9)
    return _factor(bb / det, -ab / det, aa / det)


def _factor(uu: np.ndarray, uv: np.ndarray, vv: np.ndarray) -> np.ndarray:
    """(3, item) lower Cholesky factor of 2 x 2 covariances."""
    one = np.sqrt(np.maximum(uu, 1e-12))
    cross = uv / one
    return np.stack([one, cross, np.sqrt(np.maximum(vv - cross**2, 1e-12))])


def _place(
    fit: _Fit, centre: np.ndarray, spread: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(item, point) log a and intercept of each point, and (point,) log of what it stands for."""
    base, share = _normal(POINTS)
    z = np.stack([g.ravel() for g in np.meshgrid(base, base, indexing="ij")])
    log_z = np.add.outer(np.log(share), np.log(share)).ravel() + np.sum(z**2, axis=0) / 2
    if not fit.free:
        z, log_z = np.stack([np.zeros(POINTS), base]), np.log(share) + base**2 / 2
    log_a = centre[0][:, None] + spread[0][:, None] * z[0]
    level = centre[1][:, None] + spread[1][:, None] * z[0] + spread[2][:, None] * z[1]
    return np.clip(log_a, -6, 4), level, log_z


def _loglik(fit: _Fit, slope: np.ndarray, level: np.ndarray) -> np.ndarray:
    """(item, point) expected complete-data log-likelihood."""
    cells, start = fit.cells, fit.cells.start
    bounded = bool(fit.floor.any() or (fit.ceiling < 1).any())
    out = np.empty(slope.shape)
    most = max(1, BLOCK // (slope.shape[1] * fit.x.shape[1]))
    first = 0
    while first < len(slope):
        last = max(first + 1, int(np.searchsorted(start, start[first] + most, side="right")) - 1)
        last = min(last, len(slope))
        here = slice(start[first], start[last])
        item = cells.item[here]
        eta = slope[item][:, :, None] * fit.x[cells.person[here]][:, None, :]
        eta += level[item][:, :, None]
        if bounded:
            ends = fit.floor[item][:, None, None], fit.ceiling[item][:, None, None]
            right, wrong = (log @ fit.share for log in log_chances(eta, *ends))
        else:
            wrong = -eta @ fit.share
            np.exp(np.clip(-eta, None, 700, out=eta), out=eta)
            right = -np.log(1 + eta) @ fit.share  # plain, for speed: 1e-16 absolute is enough
            wrong += right
        k, n = cells.solved[here][:, None], cells.tried[here][:, None]
        out[first:last] = np.add.reduceat(
            k * right + (n - k) * wrong, start[first:last] - start[first], axis=0
        )
        first = last
    return out


def _moments(
    log_a: np.ndarray, level: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(2, item) mean of (log a, intercept), and (3, item) factor of their covariance."""
    mean = np.stack([np.sum(weight * v, axis=1) for v in (log_a, level)])
    u, v = log_a - mean[0][:, None], level - mean[1][:, None]
    return mean, _factor(*(np.sum(weight * w, axis=1) for w in (u * u, u * v, v * v)))
