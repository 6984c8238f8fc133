"""Marginal maximum likelihood: steps of items and of the scale, accelerated until they rest.

Axes: `cell`, `person`, `item`; parameters are one vector, log a of all items, then b, then (where
they are estimated) g and h, the log odds of guess and slip (see `derivatives`).
"""

from typing import NamedTuple

import numpy as np

from gradatim.scale.blocks import SHARED, diagonal, pairs, quadratic, solve
from gradatim.scale.cells import Counts, totals
from gradatim.scale.derivatives import Items
from gradatim.scale.estep import visit
from gradatim.scale.quadrature import Posterior

RELATIVE = 1e-9  # of the log-likelihood: at 100 million cells no change below it tells anything
MEMORY = 6  # steps that the acceleration looks back
BOUND = 30.0  # |b| stays below: reached only with priors off, where no maximum exists
SLOPES = (-6.0, 4.0)  # log a stays within, likewise
ENDS = (-10.0, 3.0)  # and g, h: an end nearer than 5e-5 to 0 or 1 is 0 or 1
STEPS = (1.0, 2.0, 1.0, 1.0)  # most that one step moves log a, b, g, h
GUESS = -2.0  # where g and h begin: c = 0.12
PARAMS = {"rasch": 2, "1pl": 2, "2pl": 2, "3pl": 3, "4pl": 4}


class Priors(NamedTuple):
    """Weak default priors; standard deviations in logits.

    log a_i ~ N(m, slope^2), with m ~ N(0, centre^2) estimated; exp(m) (b_i - mean of b) ~
    N(0, difficulty^2). They are relative to the bank's own centre and unit, which solvers alone
    decide: 1,500 items with a prior on an absolute scale would outweigh 10 solvers.
    Free ends (3PL, 4PL): g ~ N(logit guess, ends^2), h ~ N(logit slip, ends^2); with ends = 1, 95%
    of floors lie in 0.03-0.64 and of ceilings in 0.73-0.993 before any data.
    """

    slope: float = 0.5
    difficulty: float = 4.0
    centre: float = 1.0
    guess: float = 0.2
    slip: float = 0.05
    ends: float = 1.0


WEAK = Priors()


class Setup(NamedTuple):
    """What is fitted, and how; `floor` (item,) in canonical order, None for all zero."""

    counts: Counts
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
    left: float | None = None  # log-likelihood left to gain, where `newton` measured it


def items_of(setup: Setup, x: np.ndarray) -> Items:
    """Parameters in the vector `x`."""
    params = PARAMS[setup.model]
    log_a, b, *logits = x.reshape(params, -1)
    if not logits:
        return Items(log_a, b, setup.floor)
    odds = np.exp(logits)
    ends = odds / (1 + odds.sum(axis=0))
    return Items(log_a, b, ends[0], None if params < 4 else 1 - ends[1], params)


def at_bound(setup: Setup, x: np.ndarray) -> np.ndarray:
    """(param, item) True where an end of a curve went as far as it may."""
    fixed = np.zeros((PARAMS[setup.model], len(x) // PARAMS[setup.model]), bool)
    logits = x.reshape(fixed.shape)[2:]
    fixed[2:] = (logits <= ENDS[0]) | (logits >= ENDS[1])
    return fixed


def _centre(setup: Setup, log_a: np.ndarray) -> float:
    """m: the centre of log a, pulled to 0 by its own prior."""
    assert setup.priors is not None
    if setup.model in SHARED:
        return float(log_a[0])
    ratio = (setup.priors.slope / setup.priors.centre) ** 2
    return float(log_a.sum() / (len(log_a) + ratio))


def penalty(setup: Setup, x: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Log prior, its gradient (param, item) and curvature (pair, item)."""
    priors, params = setup.priors, PARAMS[setup.model]
    log_a, b, *logits = x.reshape(params, -1)
    n, own = len(b), np.zeros((params, len(b)))
    curvature = np.zeros((len(pairs(params)), n))
    if priors is None:
        curvature[diagonal(params)] = 1e-9  # an item without information: a solvable system
        return 0.0, own, curvature
    m = _centre(setup, log_a)
    away = [log_a - m, b - b.mean()]
    if setup.model == "1pl":  # its one slope has the centre's prior
        own[0], away[0] = 1 / (n * priors.centre**2), log_a
    elif setup.model != "rasch":
        own[0] = 1 / priors.slope**2
    own[1] = np.exp(2 * m) / priors.difficulty**2
    own[2:] = 1 / priors.ends**2
    for g, end in zip(logits, (priors.guess, priors.slip), strict=False):
        away.append(g - np.log(end / (1 - end)))
    off = np.stack(away)
    value = -0.5 * float(np.sum(own * off**2))
    if setup.model not in SHARED:
        value -= 0.5 * (m / priors.centre) ** 2
    curvature[diagonal(params)] = own
    return value, -own * off, curvature


def shared_curvature(setup: Setup, x: np.ndarray) -> np.ndarray:
    """(row, param, item) what the priors do not know: `penalty`'s curvature less these rows' sum.

    Priors are relative to the items' own centres, so moving all items together costs nothing.
    """
    params = PARAMS[setup.model]
    own, n = penalty(setup, x)[2][diagonal(params)], len(x) // params
    rows = np.zeros((2, params, n))
    if setup.priors is None:
        return rows[:0]
    rows[0, 1] = np.sqrt(own[1] / n)
    if setup.model in SHARED:
        return rows[:1]
    rows[1, 0] = np.sqrt(own[0] / (n + (setup.priors.slope / setup.priors.centre) ** 2))
    return rows


def _visit(setup: Setup, x: np.ndarray, theta: np.ndarray) -> Point:
    items = items_of(setup, x)
    mode, spread, posterior = visit(setup.counts, items, theta, n_nodes=setup.n_nodes)
    objective = float(posterior.loglik.sum()) + penalty(setup, x)[0]
    return Point(x, mode, spread, posterior, objective)


def _advance(setup: Setup, point: Point) -> tuple[np.ndarray, np.ndarray, float]:
    """One scoring step of every item, then zero and unit as the persons have them.

    Returns:
        The next parameters, where to look for abilities, and the squared length of the move in
        the metric of the complete-data information (about twice the log-likelihood to gain).
    """
    _, gradient, curvature = penalty(setup, point.x)
    posterior = point.posterior
    information = posterior.expected + curvature
    now = point.x.reshape(gradient.shape)
    step = _step(information, posterior.gradient + gradient, now, model=setup.model)
    log_a, b, *ends = now + step
    shift = posterior.mean.mean()
    unit = 1.0
    if setup.model != "rasch":
        square = float(np.sum(posterior.sd**2 + (posterior.mean - shift) ** 2))
        unit = _unit(setup, square, len(posterior.mean), log_a)
    target = _bounded(np.stack([log_a + np.log(unit), (b - shift) / unit, *ends]))
    rest = float(quadratic(information, target - now).sum())
    return target.ravel(), (point.theta - shift) / unit, rest


def _step(
    information: np.ndarray, gradient: np.ndarray, now: np.ndarray, *, model: str
) -> np.ndarray:
    """(param, item) scoring step, no longer than STEPS.

    A parameter may be better off beyond its bound, as an end of a curve beyond 0 or 1, whose log
    odds cannot follow, or the difficulty of an item that all but nobody solved: it goes as far as
    it may, and the rest of the item moves as fits that, not as fits what cannot be.
    """
    step = solve(information, gradient, model)
    most = np.array(STEPS[: len(step)])[:, None]
    low, high = np.array(((-np.inf, np.inf), (-BOUND, BOUND), ENDS, ENDS)[: len(step)]).T[..., None]
    known = np.clip(step, np.maximum(-most, low - now), np.minimum(most, high - now))
    held = known != step
    held[:2] &= (now[:2] + step[:2] < low[:2]) | (now[:2] + step[:2] > high[:2])
    if held.any():
        known = np.where(held, known, 0.0)
        system, rest = information.copy(), gradient.copy()
        for place, (row, column) in enumerate(pairs(len(step))):
            rest[row] -= information[place] * known[column]
            if row != column:
                rest[column] -= information[place] * known[row]
            out = held[row] | held[column]
            system[place, out] = 1.0 if row == column else 0.0
        step = solve(system, np.where(held, known, rest), model)
    return np.clip(step, -most, most)


def _bounded(params: np.ndarray) -> np.ndarray:
    """(param, item) within where they may be."""
    limits = (SLOPES, (-BOUND, BOUND), ENDS, ENDS)
    return np.stack([np.clip(row, *ends) for row, ends in zip(params, limits, strict=False)])


def _unit(setup: Setup, square: float, n_persons: int, log_a: np.ndarray) -> float:
    """The persons' standard deviation: maximises their density and the prior of the centre m."""
    if setup.priors is None:
        return float(np.clip(np.sqrt(square / n_persons), 0.5, 2.0))
    m, hold, u = _centre(setup, log_a), 1 / setup.priors.centre**2, 0.0
    for _ in range(8):  # concave in u = log of the unit
        pull = square * np.exp(-2 * u)
        u += float(np.clip((pull - n_persons - hold * (m + u)) / (2 * pull + hold), -0.5, 0.5))
    return float(np.exp(np.clip(u, -0.7, 0.7)))


def accelerate(past: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
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
        ahead_x = _bounded(accelerate(past).reshape(PARAMS[setup.model], -1)).ravel()
        point = _visit(setup, ahead_x, theta)
        ahead = _advance(setup, point)
        if len(past) > 1 and not (
            ahead[2] < 4 * rest and point.objective > best.objective - max(1.0, rest)
        ):
            past = past[-1:]
            point = _visit(setup, target, theta)
            ahead = _advance(setup, point)
        change = point.objective - best.objective
        calm = calm + 1 if abs(change) < tolerance + RELATIVE * abs(point.objective) else 0
        best, (target, theta, rest) = point, ahead
        if calm == 2:
            return Course(best, iteration, True, float(change))
    return Course(best, most, False, float(change))


def _begin(setup: Setup) -> tuple[np.ndarray, np.ndarray]:
    """Slopes of 1, difficulties and abilities from smoothed rates."""
    sums = totals(setup.counts)
    logits = []
    for tried, solved in (sums[:2], sums[2:]):
        rate = (solved + 0.5) / (tried + 1)
        logits.append(np.log(rate / (1 - rate)))
    theta = logits[1] - logits[1].mean()
    spread = max(1.0, float(theta.std()))
    log_a = 0.0 if setup.model == "rasch" else np.log(spread)
    b = np.clip(-logits[0] / np.exp(log_a), -8, 8)
    ends = np.full((PARAMS[setup.model] - 2, len(b)), GUESS)
    return np.r_[np.full(len(b), log_a), b, ends.ravel()], theta / np.exp(log_a)
