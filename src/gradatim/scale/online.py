"""New items from solvers who already are on the scale: one answer at a time, no common fit.

Each solver's ability is known with error; the curve of a new item is fitted to its answers with
that error integrated out, so few and ill-measured solvers give wide errors, not flat curves.
Axes: `cell` (a solver and a new item), `node`, `item`, `param` (0 log a, 1 b).
"""

from dataclasses import replace
from typing import Any

import numpy as np

from gradatim import checks
from gradatim.errors import ArgumentError, nearest
from gradatim.scale.anchors import population_of, usable_items
from gradatim.scale.blocks import inverse_blocks, outer, quadratic, solve
from gradatim.scale.cells import Cells, check_responses, tabulate, unfold
from gradatim.scale.derivatives import (
    Items,
    expected_information,
    log_likelihood,
    look,
    observed_information,
    scores,
)
from gradatim.scale.marginal import BOUND, SLOPES, WEAK, Priors
from gradatim.scale.overdispersion import tempered
from gradatim.types import Bank, Matrix, Responses

NODES = 11
ROUNDS = 500
LIMITS = (SLOPES, (-BOUND, BOUND))
MODELS = ("2pl", "rasch")


def calibrate_online(
    bank: Bank,
    responses: Responses | Matrix,
    *,
    model: str = "2pl",
    floor: np.ndarray | None = None,
    priors: Priors = WEAK,
    tolerance: float = 1e-6,
) -> Bank:
    """Place new items on a bank's scale by the answers of solvers that the bank knows.

    Args:
        bank: its `solvers` with abilities and errors; its items say where the priors lie.
        responses: to items that are not in the bank, by solvers that are.
        model: "2pl", or "rasch" (a = 1).
        floor: (item,) chance of a guess, known; None for 0.
        priors: log a ~ N(mean of the bank's, slope^2), b ~ N(mean of the bank's, difficulty^2).
            They cannot be switched off: a handful of answers has no finite estimate without.
        tolerance: largest Newton step, in standard errors, at which it rests.

    Returns:
        Bank of the new items on the bank's scale, in the order of `responses.items`, with the
        bank's solvers; `scale.link.merge` joins the two. Items without an answer: NaN.

    Raises:
        ArgumentError: a solver that the bank does not know, an item that it holds, and what
            `irt.fit` refuses.

    Ref: Stocking 1988, ETS RR-88-28, method A (abilities as known) with the error of abilities
    integrated out, as in the marginal one-cycle method of Wainer & Mislevy 1990; ability errors
    that solvers share through the bank's items are taken as each solver's own.

    >>> from gradatim.scale.curves import flat
    >>> known = replace(flat(difficulty=[0.0, 1.0], discrimination=[1.0, 1.0]),
    ...     solvers=("a", "b", "c"), ability=np.array([-1.0, 0.0, 1.0]), se_ability=np.full(3, 0.2))
    >>> found = calibrate_online(known, Responses(solver=np.arange(3), item=np.zeros(3, int),
    ...     solved=np.array([2.0, 5.0, 8.0]), tried=np.full(3, 10), solvers=known.solvers,
    ...     items=("new",)))
    >>> abs(float(found.difficulty[0])) < 0.05, found.scale
    (True, 'known')
    """
    check_responses(responses)
    checks.one_of("model", model, MODELS)
    checks.within(1e-12, np.inf, tolerance=tolerance)
    counts = unfold(tabulate(responses))
    cells = tempered(counts, float(bank.fit.get("overdispersion", 0.0)))
    x, log_weight = _abilities(bank, responses, cells)
    low = _floor(responses, cells, floor)
    centre, hold = _prior(bank, model, priors)
    params = np.repeat(centre[:, None], len(cells.items), axis=1)
    rest, rounds = np.inf, 0
    while rest > tolerance and rounds < ROUNDS:
        gradient, information, _ = _look(cells, Items(params[0], params[1], low), x, log_weight)
        gradient -= hold[:, None] * (params - centre[:, None])
        information[[0, 2]] += hold[:, None]
        step = np.clip(solve(information, gradient, model), -1, 1)
        rest = float(np.sqrt(np.max(quadratic(information, step))))
        params = np.stack([
            np.clip(row, *ends) for row, ends in zip(params + step, LIMITS, strict=True)
        ])
        rounds += 1
    gradient, complete, missing = _look(
        cells, Items(params[0], params[1], low), x, log_weight, errors=True
    )
    observed = complete - missing
    observed[:2] -= gradient  # what `observed_information` leaves out
    observed[[0, 2]] += hold[:, None]
    variance = np.maximum(inverse_blocks(observed, model)[[0, 2]], 0)
    facts: dict[str, Any] = {
        "model": model,
        "iterations": rounds,
        "converged": rest <= tolerance,
        "tolerance": tolerance,
        "priors": {"slope": priors.slope, "difficulty": priors.difficulty},
        "reference": "solvers",
        "overdispersion": float(bank.fit.get("overdispersion", 0.0)),
        "population": list(population_of(bank)),
        "new": len(cells.items),
    }
    errors = np.sqrt(variance)
    return _bank(responses, bank, counts, params=params, errors=errors, low=low, facts=facts)


def _abilities(
    bank: Bank, responses: Responses | Matrix, cells: Cells
) -> tuple[np.ndarray, np.ndarray]:
    """(cell, node) abilities and their log weights: each solver's normal posterior."""
    held = set(bank.items)
    for name in responses.items:
        if name in held:
            raise ArgumentError(
                f"`responses` holds item {name!r}, which the bank has; see fit_anchored"
            )
    place = {name: i for i, name in enumerate(bank.solvers)}
    rows = []
    for name in (responses.solvers[i] for i in cells.persons):
        row = place.get(name, -1)
        if row < 0 or not np.isfinite(bank.ability[row] + bank.se_ability[row]):
            hint = nearest(str(name), [str(n) for n in bank.solvers])
            raise ArgumentError(
                f"`bank` has no ability of solver {name!r}; place it first (scale.ability), or "
                f"fit_anchored with its answers to known items{hint}"
            )
        rows.append(row)
    base, weight = np.polynomial.hermite_e.hermegauss(NODES)
    index = np.array(rows)[cells.person]
    x = bank.ability[index][:, None] + bank.se_ability[index][:, None] * base
    return x, np.log(weight / weight.sum())


def _floor(
    responses: Responses | Matrix, cells: Cells, floor: np.ndarray | None
) -> np.ndarray | None:
    if floor is None:
        return None
    checks.shapes(floor=(np.asarray(floor), "item"), items=(np.array(responses.items), "item"))
    checks.within(0, 0.99, floor=floor)
    used = np.asarray(floor, dtype=float)[cells.items]
    return used if used.any() else None


def _prior(bank: Bank, model: str, priors: Priors) -> tuple[np.ndarray, np.ndarray]:
    """(param,) centres of log a and b, and the curvatures there."""
    good = usable_items(bank)
    slope = float(np.log(bank.discrimination[good]).mean()) if good.any() else 0.0
    middle = float(bank.difficulty[good].mean()) if good.any() else population_of(bank)[0]
    slope = 0.0 if model == "rasch" else slope
    width = priors.difficulty * np.exp(-slope)
    return np.array([slope, middle]), np.array([priors.slope**-2, width**-2])


def _look(
    cells: Cells, items: Items, x: np.ndarray, log_weight: np.ndarray, *, errors: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(param, item) score, (pair, item) complete information; variance of the score if asked."""
    view = look(items, cells.item, x, counts=(cells.solved, cells.tried))
    log = log_likelihood(view) + log_weight
    h = np.exp(log - log.max(axis=1, keepdims=True))
    h /= h.sum(axis=1, keepdims=True)
    score = scores(view, 2)
    mean = np.einsum("cq,kcq->kc", h, score)
    held = (observed_information if errors else expected_information)(view, 2)
    spread = np.zeros((3, len(h)))
    if errors:
        spread = np.einsum("cq,kcq->kc", h, outer(score)) - outer(mean)
    parts = (mean, np.einsum("cq,kcq->kc", h, held), spread)
    n = len(items.b)
    gradient, information, missing = (
        np.stack([np.bincount(cells.item, weights=row, minlength=n) for row in part])
        for part in parts
    )
    return gradient, information, missing


def _bank(
    responses: Responses | Matrix,
    bank: Bank,
    cells: Cells,
    *,
    params: np.ndarray,
    errors: np.ndarray,
    low: np.ndarray | None,
    facts: dict[str, Any],
) -> Bank:
    n = len(responses.items)

    def out(values: np.ndarray, empty: float = np.nan) -> np.ndarray:
        full = np.full(n, empty)
        full[cells.items] = values
        return full

    a, counts = np.exp(params[0]), (cells.tried, cells.solved)
    tried, solved = (np.bincount(cells.item, weights=w, minlength=len(a)) for w in counts)
    return replace(
        bank,
        items=tuple(responses.items),
        difficulty=out(params[1]),
        discrimination=out(a),
        floor=out(np.zeros(len(a)) if low is None else low, 0.0),
        se_difficulty=out(errors[1]),
        se_discrimination=out(a * errors[0]),
        tried=out(tried, 0.0).astype(np.int64),
        solved=out(solved, 0.0),
        fit=facts,
        ceiling=None,
        se_floor=None,
        se_ceiling=None,
    )
