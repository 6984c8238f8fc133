"""Item response theory: problems and solvers on one logit scale, from counts of any sparsity.

P(solved) = c + (1 - c) s(a (theta - b)): difficulty b, discrimination a, guess floor c, ability
theta ~ N(0, 1). Items are fitted with abilities integrated out (marginal maximum likelihood), so
many items and few solvers, or few items and many solvers, are both fine.
Axes: `cell` (a solver and an item, solved k of n), `person`, `item`.
"""

from typing import NamedTuple

import numpy as np

from gradatim import checks
from gradatim.errors import ArgumentError
from gradatim.scale.cells import Cells, arrange, check_responses, scale_id, survey
from gradatim.scale.louis import Errors, errors, solve
from gradatim.scale.quadrature import Items, Posterior, count_nodes, integrate, modes
from gradatim.types import Bank, Responses

MODELS = ("1pl", "2pl", "rasch")
REFERENCES = ("population", "solvers")
MEMORY = 6  # steps that the acceleration looks back
BOUND = 30.0  # |b| stays below: reached only with priors off, where no maximum exists


class Priors(NamedTuple):
    """Weak default priors; standard deviations in logits.

    log a_i ~ N(m, slope^2), with m ~ N(0, centre^2) estimated; exp(m) (b_i - mean of b) ~
    N(0, difficulty^2). They are relative to the bank's own centre and unit, which solvers alone
    decide: 1,500 items with a prior on an absolute scale would outweigh 10 solvers.
    """

    slope: float = 0.5
    difficulty: float = 4.0
    centre: float = 1.0


WEAK = Priors()


class _Setup(NamedTuple):
    cells: Cells
    floor: np.ndarray | None
    model: str
    priors: Priors | None
    n_nodes: int


class _Point(NamedTuple):
    """Parameters as one vector, with what was found there."""

    x: np.ndarray
    theta: np.ndarray
    sd: np.ndarray
    posterior: Posterior
    objective: float


class _Course(NamedTuple):
    """How the iteration went."""

    point: _Point
    iterations: int
    converged: bool
    change: float


def fit(
    responses: Responses,
    *,
    model: str = "2pl",
    floor: np.ndarray | None = None,
    priors: Priors | None = WEAK,
    tolerance: float = 1e-6,
    max_iterations: int = 1000,
    reference: str = "solvers",
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

    Returns:
        Bank in the order of `responses.items` and `.solvers`. Abilities are posterior means, with
        errors that include those of the items. Items and solvers without a cell: NaN. `fit` says
        model, loglik, iterations, converged, change, and names items that nobody or everybody
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
    setup = _Setup(cells, _floor(floor, responses, cells), model, priors, count_nodes(cells))
    course = _iterate(setup, tolerance, max_iterations)
    point = course.point
    items = _items(setup, point.x)
    nodes = modes(cells, items, point.theta)
    posterior = integrate(cells, items, nodes, n_nodes=setup.n_nodes, errors=True)
    found = errors(
        cells,
        items,
        posterior,
        nodes=(*nodes, setup.n_nodes),
        prior=_penalty(setup, point.x)[2],
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
        "item_errors": found.form,
        **survey(responses, cells),
    }
    return _bank(responses, setup, (items, posterior, found), facts=facts)


# -- one step ---------------------------------------------------------------------------------


def _items(setup: _Setup, x: np.ndarray) -> Items:
    log_a, b = x[: len(x) // 2], x[len(x) // 2 :]
    return Items(log_a, b, setup.floor)


def _centre(setup: _Setup, log_a: np.ndarray) -> float:
    """m: the centre of log a, pulled to 0 by its own prior."""
    assert setup.priors is not None
    if setup.model != "2pl":
        return float(log_a[0])
    ratio = (setup.priors.slope / setup.priors.centre) ** 2
    return float(log_a.sum() / (len(log_a) + ratio))


def _penalty(setup: _Setup, x: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Log prior, its gradient (2, item) and curvature (3, item)."""
    log_a, b = np.split(x, 2)
    n = len(b)
    curvature = np.zeros((3, n))
    if setup.priors is None:
        curvature[[0, 2]] = 1e-9  # an item without information still gives a solvable system
        return 0.0, np.zeros((2, n)), curvature
    m = _centre(setup, log_a)
    off, far = log_a - m, b - b.mean()
    if setup.model == "2pl":
        curvature[0] = 1 / setup.priors.slope**2
    elif setup.model == "1pl":  # its one slope has the centre's prior
        curvature[0], off = 1 / (n * setup.priors.centre**2), log_a
    curvature[2] = np.exp(2 * m) / setup.priors.difficulty**2
    gradient = np.stack([-curvature[0] * off, -curvature[2] * far])
    value = -0.5 * float(curvature[0] @ off**2 + curvature[2] @ far**2)
    if setup.model == "2pl":
        value -= 0.5 * (m / setup.priors.centre) ** 2
    return value, gradient, curvature


def _visit(setup: _Setup, x: np.ndarray, theta: np.ndarray) -> _Point:
    items = _items(setup, x)
    nodes = modes(setup.cells, items, theta)
    posterior = integrate(setup.cells, items, nodes, n_nodes=setup.n_nodes)
    objective = float(posterior.loglik.sum()) + _penalty(setup, x)[0]
    return _Point(x, *nodes, posterior, objective)


def _advance(setup: _Setup, point: _Point) -> tuple[np.ndarray, np.ndarray]:
    """One scoring step of every item, then zero and unit as the persons have them."""
    _, gradient, curvature = _penalty(setup, point.x)
    posterior = point.posterior
    step = solve(posterior.expected + curvature, posterior.gradient + gradient, setup.model)
    log_a, b = np.split(point.x, 2)
    log_a = log_a + np.clip(step[0], -1, 1)
    b = b + np.clip(step[1], -2, 2)
    shift = posterior.mean.mean()
    unit = 1.0
    if setup.model != "rasch":
        square = float(np.sum(posterior.sd**2 + (posterior.mean - shift) ** 2))
        unit = _unit(setup, square, len(posterior.mean), log_a)
    b = np.clip((b - shift) / unit, -BOUND, BOUND)
    return np.r_[np.clip(log_a + np.log(unit), -6, 4), b], (point.theta - shift) / unit


def _unit(setup: _Setup, square: float, n_persons: int, log_a: np.ndarray) -> float:
    """The persons' standard deviation: maximises their density and the prior of the centre m."""
    if setup.priors is None:
        return float(np.clip(np.sqrt(square / n_persons), 0.5, 2.0))
    m, hold, u = _centre(setup, log_a), 1 / setup.priors.centre**2, 0.0
    for _ in range(8):  # concave in u = log of the unit
        pull = square * np.exp(-2 * u)
        u += float(np.clip((pull - n_persons - hold * (m + u)) / (2 * pull + hold), -0.5, 0.5))
    return float(np.exp(np.clip(u, -0.7, 0.7)))


def _accelerated(past: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Anderson's next point from the last points and where one step took them."""
    x, target = past[-1]
    residual = target - x
    if len(past) < 2:
        return target
    moves = np.stack([past[i + 1][1] - past[i][1] for i in range(len(past) - 1)], axis=1)
    turns = np.stack(
        [
            (past[i + 1][1] - past[i + 1][0]) - (past[i][1] - past[i][0])
            for i in range(len(past) - 1)
        ],
        axis=1,
    )
    weight = np.linalg.lstsq(turns, residual, rcond=1e-8)[0]
    return target - moves @ weight


def _iterate(setup: _Setup, tolerance: float, most: int) -> _Course:
    x, theta = _begin(setup)
    best = _visit(setup, x, theta)
    past: list[tuple[np.ndarray, np.ndarray]] = []
    change, calm = np.inf, 0
    for iteration in range(1, most + 1):
        target, theta = _advance(setup, best)
        past = [*past[-MEMORY:], (best.x, target)]
        tried = _accelerated(past)
        point = _visit(setup, tried, theta)
        if len(past) > 1 and not point.objective > best.objective - tolerance:
            past = past[-1:]  # the acceleration overshot: the plain step instead
            point = _visit(setup, target, theta)
        change = point.objective - best.objective
        # rounding of the sum itself: no change below it means anything
        calm = calm + 1 if abs(change) < tolerance + 1e-14 * abs(point.objective) else 0
        best = point
        if calm == 2:
            return _Course(best, iteration, True, float(change))
    return _Course(best, most, False, float(change))


def _begin(setup: _Setup) -> tuple[np.ndarray, np.ndarray]:
    """Slopes of 1, difficulties and abilities from smoothed rates."""
    cells = setup.cells
    logits = []
    for code, size in ((cells.item, len(cells.items)), (cells.person, len(cells.persons))):
        solved = np.bincount(code, weights=cells.solved, minlength=size)
        tried = np.bincount(code, weights=cells.tried, minlength=size)
        rate = (solved + 0.5) / (tried + 1)
        logits.append(np.log(rate / (1 - rate)))
    theta = logits[1] - logits[1].mean()
    spread = max(1.0, float(theta.std()))
    log_a = 0.0 if setup.model == "rasch" else np.log(spread)
    b = np.clip(-logits[0] / np.exp(log_a), -8, 8)
    return np.r_[np.full(len(b), log_a), b], theta / np.exp(log_a)


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
    setup: _Setup,
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
    settings = {"model": setup.model, "priors": facts["priors"]}
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
