"""Item response theory: problems and solvers on one logit scale, from counts of any sparsity.

P(solved) = c + (u - c) s(a (theta - b)): difficulty b, discrimination a, guess floor c, ceiling u,
ability theta ~ N(0, 1). Items are fitted with abilities integrated out (marginal maximum
likelihood), so many items and few solvers, or few items and many solvers, are both fine.
Axes: `cell` (a solver and an item, solved k of n), `person`, `item`.
"""

import numpy as np

from gradatim import checks
from gradatim.errors import ArgumentError
from gradatim.scale.cells import Counts, check_responses, totals
from gradatim.scale.derivatives import Items
from gradatim.scale.estep import gather, measure
from gradatim.scale.louis import Errors
from gradatim.scale.marginal import (
    ENDS,
    PARAMS,
    WEAK,
    Course,
    Priors,
    Setup,
    at_bound,
    items_of,
    penalty,
    shared_curvature,
)
from gradatim.scale.newton import maximise
from gradatim.scale.overdispersion import correlation_within, tempered
from gradatim.scale.quadrature import Posterior, count_nodes
from gradatim.scale.survey import scale_id, survey
from gradatim.types import Bank, Matrix, Responses

MODELS = ("1pl", "2pl", "3pl", "4pl", "rasch")
REFERENCES = ("population", "solvers")


def fit(
    responses: Responses | Matrix,
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
        responses: solved k of n per solver and item, as cells or as a table; any cell may be
            missing, k may be a sum of scores in [0, 1].
        model: "2pl"; "1pl" with one discrimination for all items; "rasch" with a = 1; "3pl" with
            every item's guess floor estimated, "4pl" with its ceiling as well. These want
            thousands of solvers: floors are learned from those far below an item's difficulty.
        floor: (item,) chance of a guess in [0, 1), known; None for 0 (or estimated).
        priors: None switches them off; items that nobody, or everybody, solved have no finite
            estimate then, and stop at a bound; so do floors and ceilings that the data put at 0
            and at 1.
        tolerance: converged when the penalised marginal log-likelihood changed by less than this
            (or by 1e-9 of itself), twice in a row.
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
        and names items that nobody or everybody solved, parts that no common item or solver
        connects, and items whose floor or ceiling went to its bound (`no_floor`, `no_ceiling`;
        their standard errors are NaN).

    Raises:
        ArgumentError: what `check_responses` refuses, an unknown model, a floor out of range, or
            known where the model estimates it.

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
    counts = gather(responses, plain=floor is None and PARAMS[model] == 2)
    known = _floor(floor, responses, counts, model)
    setup = Setup(counts, known, model, priors, count_nodes(counts))
    setup, course, within = _settle(
        setup, overdispersion=overdispersion, tolerance=tolerance, most=max_iterations
    )
    items = items_of(setup, course.point.x)
    posterior, found = _measure(setup, course, items, reference=reference)
    facts = {
        "model": model,
        "loglik": float(posterior.loglik.sum()),
        "iterations": course.iterations,
        "converged": course.converged,
        "change": course.change,
        "left": course.left,
        "tolerance": tolerance,
        "nodes": setup.n_nodes,
        "priors": _said(priors, model),
        "reference": reference,
        "overdispersion": within,
        "item_errors": found.form,
        **_bounds(setup, course, responses.items),
        **survey(responses, counts),
    }
    whole = setup._replace(counts=counts)  # totals are of the counts as they came
    return _bank(responses, whole, (items, posterior, found), facts=facts)


def _settle(
    setup: Setup, *, overdispersion: bool, tolerance: float, most: int
) -> tuple[Setup, Course, float]:
    """Fit; where attempts turn out to repeat each other, fit again with what they are worth."""
    course = maximise(setup, tolerance=tolerance, most=most)
    if not overdispersion:
        return setup, course, 0.0
    within = correlation_within(
        setup.counts,
        items_of(setup, course.point.x),
        course.point.posterior,
        prior=penalty(setup, course.point.x)[2],
        model=setup.model,
    )
    if within > 0:
        setup = setup._replace(counts=tempered(setup.counts, within))
        course = maximise(setup, tolerance=tolerance, most=most, start=course.point)
    return setup, course, within


def _measure(
    setup: Setup, course: Course, items: Items, *, reference: str
) -> tuple[Posterior, Errors]:
    """Abilities and all errors at the end of the fit."""
    point = course.point
    return measure(
        setup.counts,
        items,
        point.theta,
        n_nodes=setup.n_nodes,
        prior=(penalty(setup, point.x)[2], shared_curvature(setup, point.x)),
        model=setup.model,
        reference=reference,
        fixed=at_bound(setup, point.x),
    )


# -- in and out -------------------------------------------------------------------------------


def _floor(
    floor: np.ndarray | None, responses: Responses | Matrix, counts: Counts, model: str
) -> np.ndarray | None:
    if floor is None:
        return None
    if PARAMS[model] > 2:
        raise ArgumentError(
            f"`floor` is known, but model {model!r} estimates it: leave `floor` out, or use '2pl'"
        )
    floor = np.asarray(floor, dtype=float)
    if floor.shape != (len(responses.items),):
        raise ArgumentError(
            f"`floor` must have one entry per item ({len(responses.items)}), got shape "
            f"{floor.shape}"
        )
    checks.within(0, 0.99, floor=floor)
    used = floor[counts.items]
    return used if used.any() else None


def _said(priors: Priors | None, model: str) -> dict[str, float] | None:
    """The priors that the model uses."""
    if priors is None:
        return None
    unused = {2: ("guess", "slip", "ends"), 3: ("slip",), 4: ()}[PARAMS[model]]
    return {name: value for name, value in priors._asdict().items() if name not in unused}


def _bounds(setup: Setup, course: Course, names: tuple[str, ...]) -> dict[str, list[str]]:
    """Names of the items whose floor went to 0, or ceiling to 1."""
    fixed = course.point.x.reshape(PARAMS[setup.model], -1)[2:] <= ENDS[0]
    return {
        label: [names[i] for i in setup.counts.items[row]]
        for label, row in zip(("no_floor", "no_ceiling"), fixed, strict=False)
    }


def _bank(
    responses: Responses | Matrix,
    setup: Setup,
    found: tuple[Items, Posterior, Errors],
    *,
    facts: dict[str, object],
) -> Bank:
    counts, (items, posterior, wrong) = setup.counts, found

    def out(values: np.ndarray, index: np.ndarray, size: int, empty: float = np.nan) -> np.ndarray:
        full = np.full(size, empty)
        full[index] = values
        return full

    n, m = len(responses.items), len(responses.solvers)
    a, zero = np.exp(items.log_a), np.zeros(len(items.b))
    sums = totals(counts)
    settings = {name: facts[name] for name in ("model", "priors", "overdispersion")}
    if setup.floor is not None:
        settings["floor"] = setup.floor.tolist()
    floor, ceiling = (zero if items.floor is None else items.floor), items.ceiling
    se = wrong.param
    return Bank(
        items=tuple(responses.items),
        difficulty=out(items.b, counts.items, n),
        discrimination=out(a, counts.items, n),
        floor=out(floor, counts.items, n, 0.0),
        se_difficulty=out(se[1], counts.items, n),
        se_discrimination=out(a * se[0], counts.items, n),
        solvers=tuple(responses.solvers),
        ability=out(posterior.mean, counts.persons, m),
        se_ability=out(wrong.ability, counts.persons, m),
        tried=out(sums.item_tried, counts.items, n, 0.0).astype(np.int64),
        solved=out(sums.item_solved, counts.items, n, 0.0),
        scale=scale_id(responses, counts, **settings),
        fit=facts,
        ceiling=None if ceiling is None else out(ceiling, counts.items, n, 1.0),
        se_floor=out(wrong.ends[0], counts.items, n) if items.params > 2 else None,
        se_ceiling=out(wrong.ends[1], counts.items, n) if items.params > 3 else None,
    )
