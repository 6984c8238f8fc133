"""Where a learning curve will end: power-like curves fitted to its beginning, until that settles.

Axes: `moment` (points of a curve), `shape` (curves that are considered), `at` (costs that are
forecast).
"""

from typing import NamedTuple

import numpy as np
from scipy import special

from gradatim import checks
from gradatim.errors import ArgumentError
from gradatim.types import Estimate

FEWEST = 4  # points that a fit takes
START_SD = 0.5  # prior deviation of the first height around one half
GAIN_SD = 0.3  # prior deviation of what is gained up to the last forecast
SCALES = np.geomspace(0.01, 10, 16)  # where a curve bends, in units of the last forecast's cost
# with prior weights: of slow starts (1 = fastest at first); of powers, below 0 those of curves that
# level off; of the deviation of a run from its curve at the end
ONSETS = {1.0: 0.6, 2.0: 0.2, 3.0: 0.2}
POWERS = {-8.0: 0.19, -2.0: 0.19, -1.0: 0.19, -0.5: 0.19, -0.25: 0.19, 0.5: 0.025, 1.0: 0.025}
WALKS = {0.0: 0.5, 0.01: 0.2, 0.03: 0.2, 0.1: 0.1}
NOISES = np.geomspace(1e-3, 0.1, 9)  # deviation of a point from the run's height
SMALL = 1e-7  # weight of a part that is left out of quantiles


class Settled(NamedTuple):
    """A curve followed from its beginning.

    Attributes:
        stop: index of the first moment at which the forecast has settled; None: at none.
        cost: of that moment; inf where it never settles.
        forecast: Estimate there; at the last moment where it never settles.
        trail: Estimate of arrays (moment,), what was forecast at each; NaN before FEWEST points.
    """

    stop: int | None
    cost: float
    forecast: Estimate
    trail: Estimate


def shapes_of(cost: np.ndarray, end: float) -> np.ndarray:
    """(shape, moment) share of the gain up to `end` that a curve has made at each cost.

    (1 + (x / s)^k)^p - 1, scaled to be 1 at `end`: with p < 0 it levels off, beyond it grows as
    x^(k p), at most in a line; with k > 1 it starts slowly.
    """
    power, onset, scale = (
        grid.reshape(-1, 1)
        for grid in np.meshgrid(list(POWERS), list(ONSETS), SCALES, indexing="ij")
    )
    power = np.where(power > 0, power / onset, power)
    x = np.append(np.asarray(cost, dtype=float), end) / end
    # log1p and expm1: tails of slow curves keep their digits
    value = np.expm1(power * np.log1p((x / scale) ** onset))
    return value[:, :-1] / value[:, -1:]


def _mixture(
    cost: np.ndarray, height: np.ndarray, end: float, at: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(part,) weights, and (part, at) means and deviations of the run's height.

    A part is a shape with a noise and a walk: a linear model of start and gain, normal priors,
    and residuals of a random walk plus noise.
    """
    seen, ahead = shapes_of(cost, end), shapes_of(at, end)
    believed = np.log(np.multiply.outer(list(POWERS.values()), list(ONSETS.values())))
    shape = np.repeat(believed.ravel(), len(SCALES))
    among = np.minimum.outer(cost, cost) / end
    across = np.minimum.outer(cost, at) / end
    columns = np.column_stack([np.ones(len(cost)), height - 0.5, across, seen.T])
    logs, values, spreads = [], [], []
    for walk, prior in WALKS.items():
        for noise in NOISES:
            root = np.linalg.cholesky(walk**2 * among + noise**2 * np.eye(len(cost)))
            # a product of small matrices: a triangular solve wakes all threads of BLAS
            white = np.linalg.inv(root) @ columns
            one, y, rest = white[:, 0], white[:, 1], white[:, 2:]
            k, basis = walk**2 * rest[:, : len(at)], rest[:, len(at) :]
            # start and gain, two unknowns of each shape: precision (a b; b c), right side (u, v)
            a, b = one @ one + START_SD**-2, one @ basis
            c, u, v = (basis**2).sum(axis=0) + GAIN_SD**-2, one @ y, y @ basis
            size = a * c - b**2
            start, gain = (c * u - b * v) / size, (a * v - b * u) / size
            # marginal likelihood: priors, noise and walk are known
            fit = y @ y - u * start - v * gain
            own = prior / len(NOISES)
            log = -0.5 * (fit + np.log(size)) - np.log(np.diag(root)).sum() + np.log(own)
            logs.append(log + shape)
            # what start and gain add (i, j) beyond the walk's own forecast: (shape, at)
            i, j = 1 - one @ k, ahead - basis.T @ k
            values.append(0.5 + y @ k + i * start[:, None] + j * gain[:, None])
            linear = (i**2 * c[:, None] - 2 * i * j * b[:, None] + a * j**2) / size[:, None]
            walked = np.maximum(walk**2 * at / end - (k**2).sum(axis=0), 0)
            spreads.append(np.sqrt(np.maximum(linear, 0) + walked))
    log = np.concatenate(logs)
    weight = np.exp(log - log.max())
    return weight / weight.sum(), np.concatenate(values), np.concatenate(spreads)


def forecast(
    cost: np.ndarray, height: np.ndarray, at: np.ndarray, *, level: float = 0.95
) -> Estimate:
    """Heights of a learning curve at costs that it has not reached yet.

    All power-like curves of a grid are fitted (start, gain and noise unknown) and weighed by how
    well they explain the points, so that the interval holds what the points leave open: which
    curve it is, and its parameters. It is of the curve, not of a noisy point on it.

    Args:
        cost: (moment,) float >= 0, rising: rollouts, tokens, problems.
        height: (moment,) float in [0, 1], such as held-out pass rates.
        at: (at,) float > 0, costs to forecast; the farthest sets the scale of the priors.
        level: coverage of the interval.

    Returns:
        Estimate of arrays (at,): mean and quantiles of the weighed curves, inside [0, 1].

    Raises:
        ArgumentError: fewer than FEWEST points, costs that do not rise, heights outside [0, 1].

    Ref: Vilares Ferro, Darriba Bilbao & Ribadas-Pena 2017, Modeling of learning curves with
    applications to POS tagging, Computer Speech & Language 41:1 (power laws on prefixes). Differs:
    curves are averaged over shapes, slow starts among them, and have intervals.

    >>> x = np.arange(0, 7.0)
    >>> found = forecast(x, 0.7 - 0.4 * (1 + x) ** -1, np.array([20.0]))
    >>> bool(abs(found.value[0] - 0.681) < 0.01), bool(found.low[0] < 0.681 < found.high[0])
    (True, True)
    """
    cost, height = np.asarray(cost, dtype=float), np.asarray(height, dtype=float)
    at = np.atleast_1d(np.asarray(at, dtype=float))
    checks.shapes(cost=(cost, "moment"), height=(height, "moment"))
    checks.finite(cost=cost, at=at)
    checks.within(0, np.inf, cost=cost)
    checks.within(0, 1, height=height)
    checks.within(*checks.POSITIVE, at=at)
    checks.within(*checks.INSIDE, level=level)
    if len(cost) < FEWEST:
        raise ArgumentError(
            f"`cost` must hold at least {FEWEST} points of a curve, got {len(cost)}"
        )
    if (np.diff(cost) <= 0).any():
        raise ArgumentError("`cost` must rise from moment to moment")
    end = float(max(at.max(), cost[-1]))
    weight, value, spread = _mixture(cost, height, end, at)
    mean = weight @ value
    tails = ((1 - level) / 2, (1 + level) / 2)
    low, high = (_quantiles(weight, value, spread, tail) for tail in tails)
    mean, low, high = (np.clip(x, 0, 1) for x in (mean, low, high))
    return Estimate(mean, low, high, len(cost))


def _quantiles(
    weight: np.ndarray, value: np.ndarray, spread: np.ndarray, tail: float
) -> np.ndarray:
    """(at,) quantile of a mixture of normals, by bisection."""
    some = weight > SMALL
    weight, value, spread = weight[some] / weight[some].sum(), value[some], spread[some]
    low = (value - 9 * spread).min(axis=0)
    high = (value + 9 * spread).max(axis=0)
    for _ in range(36):
        middle = (low + high) / 2
        below = weight @ special.ndtr((middle - value) / np.maximum(spread, 1e-12)) < tail
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return (low + high) / 2


def settle(
    cost: np.ndarray,
    height: np.ndarray,
    end: float,
    *,
    tolerance: float = 0.02,
    patience: int = 3,
    level: float = 0.95,
) -> Settled:
    """Follow a curve and say from when on its final height is known well enough.

    At each moment the height at `end` is forecast from the points so far. It has settled when the
    last `patience` forecasts lie within `tolerance` of each other (proximity) and the interval is
    no wider than that to either side.

    Args:
        cost, height: see `forecast`.
        end: cost of the whole run.
        tolerance: error of the final height that is accepted, > 0.
        patience: forecasts in a row that must agree.
        level: coverage of the intervals.

    Ref: Vilares Ferro et al. 2017, Computer Speech & Language 41:1 (stop when successive fits are
    close enough). Differs: the interval must be short too, as fits may agree on what they do not
    see yet.

    >>> x = np.linspace(0, 1, 21)
    >>> found = settle(x, 0.3 + 0.3 * (1 - np.exp(-8 * x)), 1.0)
    >>> bool(found.cost < 0.6), bool(abs(found.forecast.value - 0.6) < 0.02)
    (True, True)
    """
    checks.within(*checks.POSITIVE, tolerance=tolerance, end=end)
    checks.whole(1, 10**6, patience=patience)
    forecast(cost, height, np.array([end]), level=level)  # says what is wrong with the curve
    trail = np.full((3, len(cost)), np.nan)
    stop = None
    for last in range(FEWEST, len(cost) + 1):
        found = forecast(cost[:last], height[:last], np.array([end]), level=level)
        trail[:, last - 1] = found.value[0], found.low[0], found.high[0]
        recent = trail[0, last - patience : last] if last >= patience else np.array([np.nan])
        half = (found.high[0] - found.low[0]) / 2
        if stop is None and half <= tolerance and np.ptp(recent) <= tolerance:
            stop = last - 1
    chosen = len(cost) - 1 if stop is None else stop
    value, low, high = trail
    one = Estimate(float(value[chosen]), float(low[chosen]), float(high[chosen]), chosen + 1)
    spent = float("inf") if stop is None else float(cost[chosen])
    return Settled(stop, spent, one, Estimate(value, low, high, np.arange(1, len(cost) + 1)))
