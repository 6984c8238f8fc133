"""Item response theory: problems and solvers on one logit scale, from counts of any sparsity.

P(solved) = c + (1 - c) s(a (theta - b)): difficulty b, discrimination a, guess floor c, ability
theta ~ N(0, 1). Items are fitted with abilities integrated out (marginal maximum likelihood), so
many items and few solvers, or few items and many solvers, are both fine.
Axes: `cell` (a solver and an item, solved k of n), `person`, `item`.
"""

import numpy as np

from gradatim import checks
from gradatim.errors import ArgumentError
from gradatim.scale.cells import Cells, arrange, check_responses, scale_id, survey
from gradatim.scale.louis import Errors, errors
from gradatim.scale.marginal import (
    WEAK,
    Priors,
    Setup,
    items_of,
    maximise,
    penalty,
    shared_curvature,
)
from gradatim.scale.overdispersion import correlation_within, tempered
from gradatim.scale.quadrature import Items, Posterior, count_nodes, integrate, modes
from gradatim.types import Bank, Responses

MODELS = ("1pl", "2pl", "rasch")
REFERENCES = ("population", "solvers")


def fit(
    responses: Responses,
    *,
    model: str = "2pl",
    floor: np.ndarray | None = None,
    priors: Priors | None = WEAK,
    tolerance: float = 1e-6,
    max_iterations: int = 1000,
    reference: str = "solvers",
    overdispersion: bool = True,
) -> Bank:
    """Calibrate items and solvers on one scale.

    Args:
        responses: solved k of n per solver and item; any cell may be missing, k may be a sum of
            scores in [0, 1].
        model: "2pl"; "1pl" with one discrimination for all items; "rasch" with a = 1.
        floor: (item,) chance of a guess in [0, 1), known; None for 0.
        priors: None switches them off; items that nobody, or everybody, solved have no finite
            estimate then, and stop at a bound.
        tolerance: converged when the penalised marginal log-likelihood changed by less than this,
            twice in a row.
        max_iterations: passes over the data after which to give up, `fit["converged"]` False.
        reference: what standard errors are relative to. "solvers": zero and unit of the scale are
            these solvers' own; "population": solvers are a sample of N(0, 1), as other programs
            assume (their sampling is then part of every item's error).
        overdispersion: fit again with n attempts counted as n / (1 + (n - 1) r), where residuals
            show that attempts of one solver on one item repeat each other (see `overdispersion`).

    Returns:
        Bank in the order of `responses.items` and `.solvers`. Abilities are posterior means, with
        errors that include those of the items. Items and solvers without a cell: NaN. `fit` says
        model, loglik (of the counts as weighted), overdispersion r, iterations, converged, change,
        and names items that nobody or everybody
        solved, and parts that no common item or solver connects.

    Raises:
        ArgumentError: what `check_responses` refuses, an unknown model, a floor out of range.

    Ref: Bock & Aitkin 1981, Psychometrika 46:443, with nodes local to each person (Naylor & Smith
    1982), scoring steps in place of full M-steps (Lange 1995, JRSS B 57:425), parameter-expanded
    rescaling (Liu, Rubin & Wu 1998, Biometrika 85:755) and Anderson acceleration (Walker & Ni
    2011, SIAM J. Numer. Anal. 49:1715); errors by Louis 1982.

    >>> solver, item = np.repeat(np.arange(4), 3), np.tile(np.arange(3), 4)
    >>> solved = np.array([1, 0, 0, 3, 1, 0, 4, 3, 1, 4, 4, 2])
    >>> bank = fit(Responses(solver=solver, item=item, solved=solved, tried=np.full(12, 4),
    ...     solvers=("a", "b", "c", "d"), items=("x", "y", "z")))
    >>> bool(np.all(np.diff(bank.difficulty) > 0)), bool(np.all(np.diff(bank.ability) > 0))
    (True, True)
    """
    check_responses(responses)
    checks.one_of("model", model, MODELS)
    checks.one_of("reference", reference, REFERENCES)
    checks.within(1e-12, np.inf, tolerance=tolerance)
    cells = arrange(responses)
    settings = {"tolerance": tolerance, "most": max_iterations}
    setup = Setup(cells, _floor(floor, responses, cells), model, priors, count_nodes(cells))
    course = maximise(setup, **settings)
    within = 0.0
    if overdispersion:
        items = items_of(setup, course.point.x)
        within = correlation_within(
            cells,
            items,
            course.point.posterior,
            prior=penalty(setup, course.point.x)[2],
            model=model,
        )
    if within > 0:
        setup = setup._replace(cells=tempered(cells, within))
        course = maximise(setup, start=course.point, **settings)
    point = course.point
    items = items_of(setup, point.x)
    nodes = modes(setup.cells, items, point.theta)
    posterior = integrate(setup.cells, items, nodes, n_nodes=setup.n_nodes, errors=True)
    found = errors(
        setup.cells,
        items,
        posterior,
        nodes=(*nodes, setup.n_nodes),
        prior=(penalty(setup, point.x)[2], shared_curvature(setup, point.x)),
        model=model,
        reference=reference,
    )
    facts = {
        "model": model,
        "loglik": float(posterior.loglik.sum()),
        "iterations": course.iterations,
        "converged": course.converged,
        "change": course.change,
        "tolerance": tolerance,
        "nodes": setup.n_nodes,
        "priors": None if priors is None else dict(priors._asdict()),
        "reference": reference,
        "overdispersion": within,
        "item_errors": found.form,
        **survey(responses, cells),
    }
    whole = setup._replace(cells=cells)  # totals are of the counts as they came
    return _bank(responses, whole, (items, posterior, found), facts=facts)


# -- in and out -------------------------------------------------------------------------------


def _floor(floor: np.ndarray | None, responses: Responses, cells: Cells) -> np.ndarray | None:
    if floor is None:
        return None
    floor = np.asarray(floor, dtype=float)
    if floor.shape != (len(responses.items),):
        raise ArgumentError(
            f"`floor` must have one entry per item ({len(responses.items)}), got shape "
            f"{floor.shape}"
        )
    checks.within(0, 0.99, floor=floor)
    used = floor[cells.items]
    return used if used.any() else None


def _bank(
    responses: Responses,
    setup: Setup,
    found: tuple[Items, Posterior, Errors],
    *,
    facts: dict[str, object],
) -> Bank:
    cells, (items, posterior, wrong) = setup.cells, found

    def out(values: np.ndarray, index: np.ndarray, size: int, empty: float = np.nan) -> np.ndarray:
        full = np.full(size, empty)
        full[index] = values
        return full

    n, m = len(responses.items), len(responses.solvers)
    a = np.exp(items.log_a)
    counts = [
        np.bincount(cells.item, weights=w, minlength=len(a)) for w in (cells.tried, cells.solved)
    ]
    settings = {name: facts[name] for name in ("model", "priors", "overdispersion")}
    if setup.floor is not None:
        settings["floor"] = setup.floor.tolist()
    return Bank(
        items=tuple(responses.items),
        difficulty=out(items.b, cells.items, n),
        discrimination=out(a, cells.items, n),
        floor=out(np.zeros(len(a)) if setup.floor is None else setup.floor, cells.items, n, 0.0),
        se_difficulty=out(wrong.b, cells.items, n),
        se_discrimination=out(a * wrong.log_a, cells.items, n),
        solvers=tuple(responses.solvers),
        ability=out(posterior.mean, cells.persons, m),
        se_ability=out(wrong.ability, cells.persons, m),
        tried=out(counts[0], cells.items, n, 0.0).astype(np.int64),
        solved=out(counts[1], cells.items, n, 0.0),
        scale=scale_id(responses, cells, **settings),
        fit=facts,
    )
