"""The last stretch of a fit of few items: Newton steps by the whole observed information.

Steps of the EM kind creep where answers leave much unsaid (short tests, floors and ceilings without
priors), and there a small change of the log-likelihood proves nothing. The whole matrix of
information tells where to go, and how much log-likelihood is left to gain.
Axes: `param`, `item`; parameters are one vector of `size`, as in `marginal`.

Ref: Louis 1982, JRSS B 44:226 (the matrix); Nocedal & Wright 2006, Numerical Optimization, 3.4
(indefinite matrices, here with damped absolute eigenvalues); Bertsekas 1982, SIAM J. Control
Optim. 20:221 (a parameter rests on its bound while the slope pushes outward).
"""

from typing import NamedTuple

import numpy as np
from scipy import linalg

from gradatim.scale import marginal
from gradatim.scale.blocks import SHARED, diagonal
from gradatim.scale.cells import Cells, unfold
from gradatim.scale.louis import DENSE, free_directions, whole_matrix
from gradatim.scale.marginal import BOUND, ENDS, PARAMS, SLOPES, Course, Point, Setup, items_of
from gradatim.scale.quadrature import integrate, modes

EARLY, PATIENT = 40, 150  # steps of the EM kind before Newton steps, priors off and on
NEAR = 1e-3  # change of the log-likelihood at which they take over
CLOSE = 1e-4  # log-likelihoods are compared: nodes must not depend on where their search began
LOOSEST = 1e8  # damping at which a step is no longer than rounding
CELLS = 300_000  # most cells x parameters for which a Newton step is cheap


class Slope(NamedTuple):
    """At a point: (size,) gradient, (size, size) information, (size,) complete-data scale."""

    point: Point
    gradient: np.ndarray
    information: np.ndarray
    scale: np.ndarray


def maximise(setup: Setup, *, tolerance: float, most: int, start: Point | None = None) -> Course:
    """As `marginal.maximise`, finished by Newton steps where items are few and steps creep.

    With priors off these always have the last word: converged then means that by curvature less
    than the tolerance of log-likelihood is left to gain. With priors on they are for fits that do
    not come to rest by themselves, and rest at the maximum of the penalised log-likelihood (fixed
    points of `marginal` are a hair beside it: there priors have no say in the unit).
    """
    size = PARAMS[setup.model] * len(setup.counts.items)
    if size > 2 * DENSE or size * len(setup.counts.persons) > CELLS:
        return marginal.maximise(setup, tolerance=tolerance, most=most, start=start)
    early = (max(tolerance, NEAR), EARLY) if setup.priors is None else (tolerance, PATIENT)
    course = marginal.maximise(setup, tolerance=early[0], most=min(most, early[1]), start=start)
    if setup.priors is not None and course.converged:
        return course
    return _climb(setup, course, tolerance=tolerance, most=most)


def _climb(setup: Setup, course: Course, *, tolerance: float, most: int) -> Course:
    """Damped Newton steps within bounds from where a course ended."""
    counts = setup.counts
    cells = counts if isinstance(counts, Cells) else unfold(counts)
    shape = (PARAMS[setup.model], len(cells.items))
    limits = (SLOPES, (-BOUND, BOUND), ENDS, ENDS)[: shape[0]]
    low, high = (np.repeat(end, shape[1]) for end in zip(*limits, strict=True))
    here = _slope(setup, cells, course.point.x, course.point.theta)
    damping, change, steps = 1e-6, course.change, course.iterations
    while True:
        x = here.point.x
        pull = here.gradient.copy()
        if setup.model == "1pl":
            pull[: shape[1]] = pull[: shape[1]].sum()
        held = ((x <= low) & (pull < 0)) | ((x >= high) & (pull > 0))
        kept = free_directions(setup.model, held.reshape(shape))
        left = _left(here, kept)
        if left < tolerance or steps >= most or damping > LOOSEST:
            return Course(here.point, steps, left < tolerance, float(change), left)
        steps += 1
        target = np.clip(x + _step(here, kept, damping), low, high)
        ahead = _slope(setup, cells, target, here.point.theta)
        gain = ahead.point.objective - here.point.objective
        if gain > 0:
            here, change, damping = ahead, gain, max(damping / 10, 1e-9)
        else:
            damping = max(damping, 1e-4) * 10


def _slope(setup: Setup, cells: Cells, x: np.ndarray, theta: np.ndarray) -> Slope:
    items = items_of(setup, x)
    nodes = modes(cells, items, theta, close=CLOSE)
    found = integrate(cells, items, nodes, n_nodes=setup.n_nodes, errors=True)
    value, gradient, curvature = marginal.penalty(setup, x)
    gradient = gradient + found.gradient
    gradient[0] += _by_unit(setup, x)
    complete = found.expected + curvature
    complete[:2] -= found.gradient[:2]  # see `derivatives.observed_information`
    free = marginal.shared_curvature(setup, x)
    matrix = whole_matrix(cells, items, (*nodes, setup.n_nodes), complete=complete, free=free)
    own = np.abs(complete[diagonal(items.params)])
    scale = np.maximum(own, 1e-6 * own.max()).ravel()
    point = Point(x, *nodes, found, float(found.loglik.sum()) + value)
    return Slope(point, gradient.ravel(), matrix, scale)


def _by_unit(setup: Setup, x: np.ndarray) -> float:
    """What `penalty` leaves out: difficulties are held in units that each log a has a share in."""
    if setup.priors is None:
        return 0.0
    b = x.reshape(PARAMS[setup.model], -1)[1]
    held = marginal.penalty(setup, x)[2][diagonal(PARAMS[setup.model])[1]]
    pull = float(np.sum(held * (b - b.mean()) ** 2))
    if setup.model in SHARED:
        return -pull / len(b)
    return -pull / (len(b) + (setup.priors.slope / setup.priors.centre) ** 2)


def _left(here: Slope, kept: np.ndarray) -> float:
    """Half the squared Newton step in the metric of information; inf without a maximum near."""
    gradient, matrix = kept.T @ here.gradient, kept.T @ here.information @ kept
    if not len(gradient):
        return 0.0
    try:
        half = linalg.solve_triangular(linalg.cholesky(matrix, lower=True), gradient, lower=True)
    except linalg.LinAlgError:
        return np.inf
    return float(half @ half) / 2


def _step(here: Slope, kept: np.ndarray, damping: float) -> np.ndarray:
    """Newton step on absolute curvatures, damped; no parameter moves by more than 1."""
    scale = 1 / np.sqrt(np.maximum((kept**2).T @ here.scale, 1e-12))
    matrix = scale[:, None] * (kept.T @ here.information @ kept) * scale
    bend, vector = linalg.eigh((matrix + matrix.T) / 2)
    turned = vector.T @ (scale * (kept.T @ here.gradient))
    step = kept @ (scale * (vector @ (turned / (np.abs(bend) + damping))))
    return step / max(1.0, float(np.abs(step).max(initial=0)))
