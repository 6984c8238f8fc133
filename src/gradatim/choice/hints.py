"""How much of a worked solution to show so that a problem is solved about half the time.

The pass rate rises with the share of the solution that is shown along a three-parameter logistic
curve, a(h) = c + (1 - c) / (1 + exp(-k (h - b))). With a handful of rounds that curve is not
determined, so it is integrated out: a grid of curves, weighed by prior and outcomes.
Axes: `problem`, `round` (of hints tried), `curve` (of the grid).
"""

import functools

import numpy as np
from scipy import special

from gradatim import checks

SLOPES = np.exp(np.linspace(np.log(2.0), np.log(40.0), 8))
CENTRES = np.linspace(-0.5, 1.5, 21)
FLOORS = np.array([0.0, 0.05, 0.15, 0.3, 0.6])
SHARES = np.linspace(0, 1, 101)  # hints among which the next is looked for


def rate(hint: np.ndarray, slope: np.ndarray, centre: np.ndarray, floor: np.ndarray) -> np.ndarray:
    """a(h) = floor + (1 - floor) / (1 + exp(-slope (hint - centre))); arguments broadcast.

    Ref: SEELE (arXiv:2509.06923), its model of accuracy by hinting rate, with centre = -mu.
    """
    return floor + (1 - floor) * special.expit(slope * (np.asarray(hint) - centre))


def inverse(
    target: np.ndarray, slope: np.ndarray, centre: np.ndarray, floor: np.ndarray
) -> np.ndarray:
    """The hint at which `rate` is `target`, clipped to [0, 1]: 0 where the floor is above it.

    >>> round(float(inverse(0.5, 10.0, 0.6, 0.2)), 4)  # 0.6 + logit(0.375) / 10
    0.5489
    """
    inside = (np.asarray(target) - floor) / (1 - np.asarray(floor))
    with np.errstate(divide="ignore", invalid="ignore"):
        found = centre + special.logit(np.clip(inside, 0, 1)) / slope
    return np.clip(found, 0, 1)


@functools.cache
def _grid() -> tuple[np.ndarray, ...]:
    """Curves (curve,) x 3, their log prior, and their rates at SHARES (curve, share)."""
    slope, centre, floor = (x.ravel() for x in np.meshgrid(SLOPES, CENTRES, FLOORS, indexing="ij"))
    # weak: slope log-normal around 8, half-way point around the middle, floor near zero
    prior = -0.5 * (np.log(slope / 8.0) / 0.8) ** 2 - 0.5 * ((centre - 0.5) / 0.5) ** 2
    prior = prior + special.xlog1py(4.0, -floor)
    table = rate(SHARES, slope[:, None], centre[:, None], floor[:, None])
    return slope, centre, floor, prior - special.logsumexp(prior), table


def posterior(
    hint: np.ndarray, solved: np.ndarray, tried: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What outcomes at some hints say of the pass rate at every hint.

    Args:
        hint: (problem, round) float in [0, 1].
        solved, tried: (problem, round) int, 0 <= solved <= tried; tried 0 = no such round.

    Returns:
        (problem, share) posterior mean of the rate at SHARES, rising in the share, and (problem,)
        its standard deviation at no hint.
    """
    checks.shapes(
        hint=(hint, "problem round"),
        solved=(solved, "problem round"),
        tried=(tried, "problem round"),
    )
    checks.within(0, 1, hint=hint)
    checks.within(0, np.inf, solved=solved, **{"tried - solved": np.subtract(tried, solved)})
    slope, centre, floor, prior, table = _grid()
    logs = np.broadcast_to(prior, (len(hint), len(prior))).copy()
    for j in range(hint.shape[1]):
        a = np.clip(rate(hint[:, j, None], slope, centre, floor), 1e-9, 1 - 1e-9)
        lost = (tried - solved)[:, j, None]
        logs += solved[:, j, None] * np.log(a) + lost * np.log1p(-a)
    weight = special.softmax(logs, axis=1)
    mean = weight @ table
    bare = table[:, 0]
    spread = np.sqrt(np.maximum(weight @ bare**2 - mean[:, 0] ** 2, 0))
    return mean, spread


def next_hint(
    hint: np.ndarray, solved: np.ndarray, tried: np.ndarray, *, target: float = 0.5
) -> np.ndarray:
    """(problem,) share of the solution to show next: where the posterior mean meets the target.

    0 where the problem is solved that often unaided, 1 where no hint is enough.

    Args:
        hint, solved, tried: see `posterior`.
        target: pass rate to aim at, inside (0, 1).

    Ref: SEELE, arXiv:2509.06923, section 3.3 (a* = 0.5 maximises the bound a (1 - a) on a step's
    descent). Differs: the curve is integrated out over a weak prior, where the paper fits three
    parameters to one to four points by bounded least squares.

    >>> next_hint(np.zeros((1, 1)), np.array([[8]]), np.array([[8]]))
    array([0.])
    """
    checks.within(1e-9, 1 - 1e-9, target=target)
    enough = posterior(hint, solved, tried)[0] >= target
    enough[:, -1] = True  # where no hint is enough, all of it
    return SHARES[np.argmax(enough, axis=1)]
