"""New items and new solvers on the scale of a bank: its items are known, everything else is fitted.

Abilities are theta = mu + s z with z ~ N(0, 1), so that on z a known item (a, b) is (a s,
(b - mu) / s): mean and sd of the population are estimated with the new items, and the known items
never move. Axes: `cell`, `person`, `item`, `param` (log a, b, and the ends of the curve).
"""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from gradatim import checks
from gradatim.errors import ArgumentError
from gradatim.scale.anchors import describe_no_overlap, usable_items
from gradatim.scale.blocks import diagonal, pairs, solve
from gradatim.scale.cells import Cells, check_responses, tabulate, totals, unfold
from gradatim.scale.derivatives import Items
from gradatim.scale.known import covariance_given_known
from gradatim.scale.marginal import (
    BOUND,
    ENDS,
    GUESS,
    PARAMS,
    SLOPES,
    STEPS,
    WEAK,
    Priors,
    accelerate,
)
from gradatim.scale.overdispersion import tempered
from gradatim.scale.quadrature import Posterior, count_nodes, integrate, modes
from gradatim.types import Bank, Matrix, Responses

LIMITS = (SLOPES, (-BOUND, BOUND), ENDS, ENDS)
MEMORY = 5


class Setup(NamedTuple):
    """What is fitted.

    Attributes:
        cells: in canonical order.
        known: (item,) bool, in the order of the cells.
        start: (param, item) parameters of the known items on the bank's scale, rough ones of
            the new.
        floor: (item,) known lower ends, None for all zero; ceiling likewise.
        model: of the new items.
        centre: (2,) where the priors of the new items lie: log a, b.
        priors: None for none.
        n_nodes: nodes per person.
    """

    cells: Cells
    known: np.ndarray
    start: np.ndarray
    floor: np.ndarray | None
    ceiling: np.ndarray | None
    model: str
    centre: np.ndarray
    priors: Priors | None
    n_nodes: int


class Point(NamedTuple):
    """Where the fit is: parameters of all items, mean and log sd of the population."""

    params: np.ndarray
    mean: float
    log_sd: float
    z: np.ndarray
    sd: np.ndarray
    posterior: Posterior
    objective: float


def fit_anchored(
    responses: Responses | Matrix,
    bank: Bank,
    *,
    model: str = "2pl",
    floor: np.ndarray | None = None,
    priors: Priors | None = WEAK,
    tolerance: float = 1e-6,
    max_iterations: int = 500,
) -> Bank:
    """Calibrate new items and solvers on the scale of a bank, whose items stay as they are.

    Args:
        responses: with some of the bank's items among them, by id.
        bank: known items.
        model: of the new items: "2pl", "rasch" (a = 1 on the bank's scale), "3pl" or "4pl".
        floor: (item,) chance of a guess of new items, known; None for 0. Of the bank's items, the
            bank's own counts.
        priors: of new items: log a ~ N(mean of the bank's, slope^2), b ~ N(mean of the
            population, difficulty^2) in the bank's logits; None for none.
        tolerance: converged when the log-likelihood changed by less, twice in a row.
        max_iterations: passes over the data after which to give up.

    Returns:
        Bank of `responses.items` with the scale id of `bank`; `scale.link.merge` joins the two.
        Known items have the bank's numbers. Errors of new items hold the sampling of the persons,
        what is not known of the population, and the errors of the known items. `fit` says model,
        loglik, iterations, converged, population (mean, sd), se_population, anchors (known items
        answered), new (items fitted).

    Raises:
        ArgumentError: no known item among those answered, and what `irt.fit` refuses.

    Ref: fixed parameter calibration with the population updated in every EM cycle: Kim 2006,
    J. Educational Measurement 43:355 (MWU-MEM); Bock & Zimowski 1997; the errors are ours: Louis
    1982 for the free parameters, with the known items' carried through.

    >>> from gradatim.scale.curves import flat
    >>> bank = flat(difficulty=[-1.0, 0.0, 1.0], discrimination=[1.0, 1.0, 1.0])
    >>> solver, item = np.repeat(np.arange(4), 4), np.tile(np.arange(4), 4)
    >>> solved = np.array([8, 5, 2, 5, 9, 7, 4, 7, 9, 8, 6, 8, 5, 2, 1, 2])
    >>> found = fit_anchored(Responses(solver=solver, item=item, solved=solved,
    ...     tried=np.full(16, 10), solvers=("a", "b", "c", "d"), items=(*bank.items, "new")), bank)
    >>> found.difficulty[:3], abs(float(found.difficulty[3])) < 0.5
    (array([-1.,  0.,  1.]), True)
    """
    check_responses(responses)
    checks.one_of("model", model, ("2pl", "3pl", "4pl", "rasch"))
    checks.within(1e-12, np.inf, tolerance=tolerance)
    cells = tempered(unfold(tabulate(responses)), float(bank.fit.get("overdispersion", 0.0)))
    setup, rows = _setup(responses, bank, cells, settings=(model, floor, priors))
    point, iterations, change = _maximise(setup, tolerance=tolerance, most=max_iterations)
    items = _items(setup, point.params, point.mean, point.log_sd)
    nodes = modes(cells, items, point.z)
    posterior = integrate(cells, items, nodes, n_nodes=setup.n_nodes, errors=True)
    found = covariance_given_known(
        (cells, items, (*nodes, setup.n_nodes)),
        posterior,
        known=setup.known,
        bank=(bank, rows),
        population=(point.mean, float(np.exp(point.log_sd))),
        prior=_penalty(setup, point.params)[2],
        free_slope=model != "rasch",
    )
    facts: dict[str, Any] = {
        "model": model,
        "loglik": float(posterior.loglik.sum()),
        "iterations": iterations,
        "converged": change < tolerance,
        "change": change,
        "tolerance": tolerance,
        "priors": None if priors is None else dict(priors._asdict()),
        "overdispersion": float(bank.fit.get("overdispersion", 0.0)),
        "reference": "anchors",
        "item_errors": found.form,
        "population": [point.mean, float(np.exp(point.log_sd))],
        "se_population": found.population.tolist(),
        "anchors": int(setup.known.sum()),
        "new": int((~setup.known).sum()),
    }
    ability = (point.mean + np.exp(point.log_sd) * posterior.mean, found.ability)
    return _bank(
        responses, bank, setup, rows=rows, params=point.params, errors=found.param,
        ability=ability, facts=facts,
    )  # fmt: skip


# -- the fit ----------------------------------------------------------------------------------


def _setup(
    responses: Responses | Matrix,
    bank: Bank,
    cells: Cells,
    *,
    settings: tuple[str, np.ndarray | None, Priors | None],
) -> tuple[Setup, np.ndarray]:
    """What is fitted, and (item,) the bank's row of each item answered, -1 where it is new."""
    model, floor, priors = settings
    k = PARAMS[model]
    if floor is not None:
        checks.shapes(floor=(np.asarray(floor), "item"), items=(np.array(responses.items), "item"))
        checks.within(0, 0.99, floor=floor)
        if k > 2:
            raise ArgumentError(f"`floor` is known, but model {model!r} estimates it: leave it out")
    good = usable_items(bank)
    place = {name: i for i, name in enumerate(bank.items) if good[i]}
    rows = np.array([place.get(responses.items[i], -1) for i in cells.items])
    known = rows >= 0
    if not known.any():
        raise ArgumentError(describe_no_overlap([responses.items[i] for i in cells.items], bank))
    low = np.zeros(len(rows)) if floor is None else np.asarray(floor, dtype=float)[cells.items]
    low[known] = bank.floor[rows[known]]
    high = np.ones(len(rows))
    if bank.ceiling is not None:
        high[known] = bank.ceiling[rows[known]]
    rate = [np.bincount(cells.item, weights=w) for w in (cells.solved, cells.tried)]
    share = (rate[0] + 0.5) / (rate[1] + 1)
    start = np.zeros((k, len(rows)))
    start[1] = np.clip(-np.log(share / (1 - share)), -4, 4)
    start[2:] = GUESS
    start[0, known] = np.log(bank.discrimination[rows[known]])
    start[1, known] = bank.difficulty[rows[known]]
    slopes = 0.0 if model == "rasch" else float(start[0, known].mean())
    start[0, ~known] = slopes
    centre = np.array([slopes, float(start[1, known].mean())])
    return Setup(
        cells=cells, known=known, start=start, floor=low if low.any() or k > 2 else None,
        ceiling=high if (high < 1).any() or k > 3 else None, model=model, centre=centre,
        priors=priors, n_nodes=count_nodes(cells),
    ), rows  # fmt: skip


def _items(setup: Setup, params: np.ndarray, mean: float, log_sd: float) -> Items:
    """All items as they are on z."""
    log_a, b, *logits = params
    floor, ceiling = setup.floor, setup.ceiling
    if logits:
        odds = np.exp(logits)
        ends = odds / (1 + odds.sum(axis=0))
        assert floor is not None
        floor = np.where(setup.known, floor, ends[0])
        if len(logits) > 1:
            assert ceiling is not None
            ceiling = np.where(setup.known, ceiling, 1 - ends[1])
    return Items(log_a + log_sd, (b - mean) * np.exp(-log_sd), floor, ceiling, len(params))


def _penalty(setup: Setup, params: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Log prior of the new items, its gradient (param, item) and curvature (pair, item)."""
    k, new = len(params), ~setup.known
    own, curvature = np.zeros(params.shape), np.zeros((len(pairs(k)), params.shape[1]))
    if setup.priors is None:
        curvature[diagonal(k)] = 1e-9
        return 0.0, own, curvature
    prior = setup.priors
    centres = [*setup.centre, *(np.log(e / (1 - e)) for e in (prior.guess, prior.slip))]
    widths = [prior.slope, prior.difficulty * np.exp(-setup.centre[0]), prior.ends, prior.ends]
    own[:, new] = 1 / np.array(widths[:k])[:, None] ** 2
    off = params - np.array(centres[:k])[:, None]
    curvature[diagonal(k)] = own
    return -0.5 * float(np.sum(own * off**2)), -own * off, curvature


def _visit(setup: Setup, vector: np.ndarray, z: np.ndarray) -> Point:
    """The E-step at free parameters: of new items, then mean and log sd."""
    params = setup.start.copy()
    params[:, ~setup.known] = vector[:-2].reshape(len(params), -1)
    mean, log_sd = float(vector[-2]), float(vector[-1])
    items = _items(setup, params, mean, log_sd)
    nodes = modes(setup.cells, items, z)
    posterior = integrate(setup.cells, items, nodes, n_nodes=setup.n_nodes)
    objective = float(posterior.loglik.sum()) + _penalty(setup, params)[0]
    return Point(params, mean, log_sd, *nodes, posterior, objective)


def _advance(setup: Setup, point: Point) -> np.ndarray:
    """One scoring step of the new items, then mean and sd as the posteriors have them."""
    posterior, new, k = point.posterior, ~setup.known, len(point.params)
    unit = np.exp(point.log_sd)
    _, pull, hold = _penalty(setup, point.params)
    turn = np.array([1.0, 1 / unit, 1.0, 1.0])[:k]  # a step of b is 1 / s of a step on z
    blocks = np.stack([
        row * turn[i] * turn[j] for row, (i, j) in zip(posterior.expected, pairs(k), strict=True)
    ])
    gradient = posterior.gradient * turn[:, None] + pull
    step = solve((blocks + hold)[:, new], gradient[:, new], setup.model)
    step = np.clip(step, *(np.array(STEPS[:k])[:, None] * sign for sign in (-1, 1)))
    shift = float(posterior.mean.mean())
    spread = float(np.mean(posterior.sd**2 + (posterior.mean - shift) ** 2))
    return _bounded(
        np.r_[
            (point.params[:, new] + step).ravel(),
            point.mean + unit * shift,
            point.log_sd + 0.5 * np.log(spread),
        ],
        k,
    )


def _bounded(vector: np.ndarray, k: int) -> np.ndarray:
    free = vector[:-2].reshape(k, -1)
    kept = [np.clip(row, *limits) for row, limits in zip(free, LIMITS, strict=False)]
    return np.r_[
        np.ravel(kept), np.clip(vector[-2], -BOUND, BOUND), np.clip(vector[-1], -3, 3)
    ]  # fmt: skip


def _maximise(setup: Setup, *, tolerance: float, most: int) -> tuple[Point, int, float]:
    """EM with scoring steps, accelerated where that does not lower the log-likelihood."""
    k = len(setup.start)
    vector = np.r_[setup.start[:, ~setup.known].ravel(), setup.centre[1], 0.0]
    best = _visit(setup, vector, np.zeros(len(setup.cells.persons)))
    target = _advance(setup, best)
    past: list[tuple[np.ndarray, np.ndarray]] = []
    change, calm = np.inf, 0
    for iteration in range(1, most + 1):
        past = [*past[-MEMORY:], (vector, target)]
        trial = _bounded(accelerate(past), k)
        point = _visit(setup, trial, best.z)
        if len(past) > 1 and point.objective < best.objective:
            past, trial = past[-1:], target
            point = _visit(setup, trial, best.z)
        change = abs(point.objective - best.objective)
        calm = calm + 1 if change < tolerance + 1e-14 * abs(point.objective) else 0
        best, vector, target = point, trial, _advance(setup, point)
        if calm == 2:
            return best, iteration, change
    return best, most, max(change, tolerance)


# -- out --------------------------------------------------------------------------------------


def _bank(
    responses: Responses | Matrix,
    bank: Bank,
    setup: Setup,
    *,
    rows: np.ndarray,
    params: np.ndarray,
    errors: np.ndarray,
    ability: tuple[np.ndarray, np.ndarray],
    facts: dict[str, Any],
) -> Bank:
    """The bank of the responses' items; what nobody answered is NaN, or the bank's own."""
    cells, n = setup.cells, len(responses.items)
    items = _items(setup, params, 0.0, 0.0)
    ends = {"floor": items.floor, "ceiling": items.ceiling}
    a = np.exp(params[0])
    values = {
        "difficulty": params[1],
        "discrimination": a,
        "se_difficulty": errors[1],
        "se_discrimination": a * errors[0],
        **{name: end for name, end in ends.items() if end is not None},
    }
    if len(params) > 2:
        values["se_floor"] = errors[2]
    if len(params) > 3:
        values["se_ceiling"] = errors[3]
    columns: dict[str, Any] = {"floor": np.zeros(n)}
    for name, column in values.items():
        full = np.full(n, 0.0 if name == "floor" else 1.0 if name == "ceiling" else np.nan)
        own = getattr(bank, name)
        column = column.copy()
        if own is not None:
            column[setup.known] = own[rows[setup.known]]
        elif name.startswith("se_"):
            column[setup.known] = 0.0
        full[cells.items] = column
        columns[name] = full
    for name, values_of in zip(("ability", "se_ability"), ability, strict=True):
        columns[name] = np.full(len(responses.solvers), np.nan)
        columns[name][cells.persons] = values_of
    sums = totals(tabulate(responses))  # of the counts as they came
    counts = np.zeros((2, n))
    counts[:, cells.items] = sums.item_tried, sums.item_solved
    empty = dict.fromkeys(("ceiling", "se_floor", "se_ceiling"))
    return replace(
        bank,
        **{
            **empty,
            **columns,
            "items": tuple(responses.items),
            "solvers": tuple(responses.solvers),
            "tried": counts[0].astype(np.int64),
            "solved": counts[1],
            "fit": facts,
        },
    )
