"""Does a generator do what it is asked: as much as asked, and nothing else?

Axes: `output` (what was made on a request), `attribute` (what can be measured of it).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import special

from gradatim import checks, groups
from gradatim.errors import ArgumentError
from gradatim.types import Estimate


class Steering(NamedTuple):
    """How realised follows requested.

    Attributes:
        slope: Estimate of the change realised per change requested; 1 is as asked.
        bias: Estimate of the mean of realised - requested.
        error: mean of |realised - requested|.
        drift: attribute -> Estimate of its change, in its standard deviations, per change
            requested from one end of what was requested to the other; 0 is no side effect.
    """

    slope: Estimate
    bias: Estimate
    error: float
    drift: dict[str, Estimate]


class Displacement(NamedTuple):
    """Where outputs went, from where they began and where they should have gone.

    Attributes:
        along: (output,) progress along the wanted direction: 1 = as far as asked, more =
            overshoot, below 0 = the wrong way; NaN where nothing was asked.
        aside: (output,) share of the movement that is at right angles to it, in [0, 1]; NaN where
            nothing was asked or nothing moved.
        left: (output,) distance to the goal.
    """

    along: np.ndarray
    aside: np.ndarray
    left: np.ndarray


def steering(
    requested: np.ndarray,
    realised: np.ndarray,
    *,
    others: np.ndarray | None = None,
    names: Sequence[str] = (),
    source: np.ndarray | None = None,
    level: float = 0.95,
) -> Steering:
    """Slope of realised on requested, and what else moved with the request.

    Args:
        requested: (output,) float, such as target pass rates; at least two different ones.
        realised: (output,) float, what came of it, measured afresh.
        others: (output, attribute) float, what was not asked to change.
        names: of the attributes.
        source: (output,) labels, such as families: slopes are within a source.
        level: coverage of the intervals (HC3 errors, Student's t).

    Raises:
        ArgumentError: one request only within every source, too few outputs, NaN.

    Ref: Chang et al. 2025, A Course Correction in Steerability Evaluation, arXiv:2505.23816
    (miscalibration and side effects, here for one requested attribute as slopes); MacKinnon &
    White 1985 (HC3).

    >>> x = np.array([0.2, 0.4, 0.6, 0.8])
    >>> found = steering(x, 0.1 + 0.5 * x)
    >>> round(found.slope.value, 3), round(found.bias.value, 3)
    (0.5, -0.15)
    """
    requested, realised = np.asarray(requested, dtype=float), np.asarray(realised, dtype=float)
    n = checks.shapes(requested=(requested, "output"), realised=(realised, "output"))["output"]
    checks.finite(requested=requested, realised=realised)
    checks.within(*checks.INSIDE, level=level)
    label = np.zeros(n) if source is None else np.asarray(source)
    checks.shapes(requested=(requested, "output"), source=(label, "output"))
    code, sources = groups.codes(label)
    if n - sources < 2:
        raise ArgumentError(
            f"`requested` must hold at least {sources + 2} outputs for {sources} "
            f"source{'s' * (sources > 1)}, got {n}"
        )
    x = groups.deviations(requested, code, sources)
    if not (x**2).sum() > 0:
        raise ArgumentError("`requested` must differ within a source: ask for several values")
    weight = 1 / groups.counts(code, sources)[code]

    def slope(y: np.ndarray, scale: float = 1.0) -> Estimate:
        centred = groups.deviations(y, code, sources)
        return _slope(x, centred, weight, scale=scale, level=level, sources=sources)

    drift: dict[str, Estimate] = {}
    if others is not None:
        others = np.asarray(others, dtype=float)
        sizes = checks.shapes(requested=(requested, "output"), others=(others, "output attribute"))
        checks.finite(others=others)
        if len(names) != sizes["attribute"]:
            raise ArgumentError(
                f"`names` must name the {sizes['attribute']} attributes, got {len(names)}"
            )
        for name, column in zip(names, others.T, strict=True):
            spread = float(column.std())
            drift[name] = slope(column, float(np.ptp(requested)) / spread if spread > 0 else 0.0)
    off = realised - requested
    half = special.stdtrit(n - 1, 0.5 + level / 2) * off.std(ddof=1) / np.sqrt(n)
    mean = float(off.mean())
    bias = Estimate(mean, float(mean - half), float(mean + half), n)
    return Steering(slope(realised), bias, float(np.abs(off).mean()), drift)


def _slope(
    x: np.ndarray, y: np.ndarray, weight: np.ndarray, *, scale: float, level: float, sources: int
) -> Estimate:
    """Least squares of deviations within sources, with errors that may differ by output."""
    total = float((x**2).sum())
    value = float(x @ y) / total
    leverage = np.minimum(weight + x**2 / total, 1 - 1e-9)
    error = np.sqrt(float(((x * (y - value * x) / (1 - leverage)) ** 2).sum())) / total
    half = float(special.stdtrit(len(x) - sources - 1, 0.5 + level / 2)) * error
    low, high = (end * scale for end in (value - half, value + half))
    return Estimate(value * scale, low, high, len(x))


def displacement(start: np.ndarray, goal: np.ndarray, reached: np.ndarray) -> Displacement:
    """Overshoot and side effects of requests that name several attributes at once.

    Args:
        start, goal, reached: (output, attribute) float, attributes in comparable units.

    Ref: Chang et al. 2025, arXiv:2505.23816: the movement is split into a part along the request
    (miscalibration) and a rest at right angles to it (side effects).

    >>> found = displacement(np.zeros((1, 2)), np.array([[2.0, 0.0]]), np.array([[3.0, 4.0]]))
    >>> found.along, found.aside
    (array([1.5]), array([0.8]))
    """
    start, goal, reached = (np.asarray(x, dtype=float) for x in (start, goal, reached))
    axes = "output attribute"
    checks.shapes(start=(start, axes), goal=(goal, axes), reached=(reached, axes))
    checks.finite(start=start, goal=goal, reached=reached)
    want, got = goal - start, reached - start
    asked, moved = (want**2).sum(axis=1), (got**2).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        along = np.where(asked > 0, (want * got).sum(axis=1) / asked, np.nan)
        rest = got - along[:, None] * want
        aside = np.sqrt((rest**2).sum(axis=1) / moved)
    return Displacement(along, aside, np.sqrt(((goal - reached) ** 2).sum(axis=1)))
