"""Marginal maximum likelihood: steps of items and of the scale, accelerated until they rest.

Axes: `cell`, `person`, `item`; parameters are one vector, log a of all items, then b.
"""

from typing import NamedTuple

import numpy as np

from gradatim.scale.cells import Cells
from gradatim.scale.louis import solve
from gradatim.scale.quadrature import Items, Posterior, integrate, modes

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


class Setup(NamedTuple):
    """What is fitted, and how; `floor` (item,) in canonical order, None for all zero."""

    cells: Cells
    floor: np.ndarray | None
    model: str
    priors: Priors | None
    n_nodes: int


class Point(NamedTuple):
    """Parameters as one vector, with what was found there."""

    x: np.ndarray
    theta: np.ndarray
    sd: np.ndarray
    posterior: Posterior
    objective: float


class Course(NamedTuple):
    """How the iteration went."""

    point: Point
    iterations: int
    converged: bool
    change: float


def items_of(setup: Setup, x: np.ndarray) -> Items:
    """Parameters in the vector `x`."""
    log_a, b = x[: len(x) // 2], x[len(x) // 2 :]
    return Items(log_a, b, setup.floor)


def _centre(setup: Setup, log_a: np.ndarray) -> float:
    """m: the centre of log a, pulled to 0 by its own prior."""
    assert setup.priors is not None
    if setup.model != "2pl":
        return float(log_a[0])
    ratio = (setup.priors.slope / setup.priors.centre) ** 2
    return float(log_a.sum() / (len(log_a) + ratio))


def penalty(setup: Setup, x: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
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


def shared_curvature(setup: Setup, x: np.ndarray) -> np.ndarray:
    """(row, 2, item) what the priors do not know: their curvature is `penalty`'s minus rows' sum.

    Priors are relative to the items' own centres, so moving all items together costs nothing.
    """
    curvature, n = penalty(setup, x)[2], len(x) // 2
    rows = np.zeros((2, 2, n))
    if setup.priors is None:
        return rows[:0]
    rows[0, 1] = np.sqrt(curvature[2] / n)
    if setup.model != "2pl":
        return rows[:1]
    rows[1, 0] = np.sqrt(curvature[0] / (n + (setup.priors.slope / setup.priors.centre) ** 2))
    return rows


def _visit(setup: Setup, x: np.ndarray, theta: np.ndarray) -> Point:
    items = items_of(setup, x)
    nodes = modes(setup.cells, items, theta)
    posterior = integrate(setup.cells, items, nodes, n_nodes=setup.n_nodes)
    objective = float(posterior.loglik.sum()) + penalty(setup, x)[0]
    return Point(x, *nodes, posterior, objective)


def _advance(setup: Setup, point: Point) -> tuple[np.ndarray, np.ndarray, float]:
    """One scoring step of every item, then zero and unit as the persons have them.

    Returns:
        The next parameters, where to look for abilities, and the squared length of the move in
        the metric of the complete-data information (about twice the log-likelihood to gain).
    """
    _, gradient, curvature = penalty(setup, point.x)
    posterior = point.posterior
    information = posterior.expected + curvature
    step = solve(information, posterior.gradient + gradient, setup.model)
    log_a, b = np.split(point.x, 2)
    log_a = log_a + np.clip(step[0], -1, 1)
    b = b + np.clip(step[1], -2, 2)
    shift = posterior.mean.mean()
    unit = 1.0
    if setup.model != "rasch":
        square = float(np.sum(posterior.sd**2 + (posterior.mean - shift) ** 2))
        unit = _unit(setup, square, len(posterior.mean), log_a)
    b = np.clip((b - shift) / unit, -BOUND, BOUND)
    target = np.r_[np.clip(log_a + np.log(unit), -6, 4), b]
    move = (target - point.x).reshape(2, -1)
    cross = information[1] * move[0] * move[1]
    rest = float(np.sum(information[[0, 2]] * move**2) + 2 * cross.sum())
    return target, (point.theta - shift) / unit, rest


def _unit(setup: Setup, square: float, n_persons: int, log_a: np.ndarray) -> float:
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


def maximise(setup: Setup, *, tolerance: float, most: int, start: Point | None = None) -> Course:
    """Iterate until the penalised marginal log-likelihood rests.

    An accelerated point is kept where it is nearer to rest than twice the last one, in the metric
    of the information; else the plain step is taken. The log-likelihood itself cannot judge: the
    fixed point is not its maximum, because item priors have no say in zero and unit.
    """
    x, theta = _begin(setup) if start is None else (start.x, start.theta)
    best = _visit(setup, x, theta)
    target, theta, rest = _advance(setup, best)
    past: list[tuple[np.ndarray, np.ndarray]] = []
    change, calm = np.inf, 0
    for iteration in range(1, most + 1):
        past = [*past[-MEMORY:], (best.x, target)]
        point = _visit(setup, _accelerated(past), theta)
        ahead = _advance(setup, point)
        if len(past) > 1 and not (
            ahead[2] < 4 * rest and point.objective > best.objective - max(1.0, rest)
        ):
            past = past[-1:]
            point = _visit(setup, target, theta)
            ahead = _advance(setup, point)
        change = point.objective - best.objective
        # rounding of the sum itself: no change below it means anything
        calm = calm + 1 if abs(change) < tolerance + 1e-14 * abs(point.objective) else 0
        best, (target, theta, rest) = point, ahead
        if calm == 2:
            return Course(best, iteration, True, float(change))
    return Course(best, most, False, float(change))


def _begin(setup: Setup) -> tuple[np.ndarray, np.ndarray]:
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
