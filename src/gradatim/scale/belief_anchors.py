"""What the live scale tells: the policy's ability, and how far problems have drifted.

Anchors are calibrated problems that are probed and never trained on. The ability is what the
policy does on them; `drift` is what the others have become easier beyond that; `misfits` are
anchors that have themselves moved (leaked, say), by which the scale should not be held.
Axes: `problem`, `family`, `row` (problems of a batch).
"""

import numpy as np

from gradatim.scale.belief_live import Live
from gradatim.scale.belief_logits import pass_rates
from gradatim.types import Estimate

WIDE = 1.96  # standard errors to either side of a 95% interval
ALARM = 0.05  # chance that any anchor is ever named where none has moved


def _readers(state: Live) -> tuple[np.ndarray, np.ndarray]:
    """(problem,) bool, by which problems the ability is read, and (family, axis) how.

    The mean over them of ability + offset of the source / discrimination: what attempts tell of.
    The ability by itself is known only as far as the offsets of its sources are.
    """
    size = len(state.evidence)
    held = state.gains == 0
    # a family without anchors is read by all its problems
    has = np.bincount(state.family[held], minlength=size) > 0
    by = held | ~has[state.family]
    share = 1 / np.maximum(np.bincount(state.family[by], minlength=size), 1)
    how = np.zeros((size, len(state.mean)))
    how[np.arange(size), np.arange(size)] = 1.0
    np.add.at(how, (state.family[by], state.source[by]), share[state.family[by]] / state.load[by])
    return by, how


def ability(state: Live) -> Estimate:
    """(family,) abilities of the policy in logits, on the scale of the pool's difficulties.

    Without anchors they are those at which problems that are trained on look as they do: what
    such problems gain by being trained on counts as ability.

    Returns:
        Estimate with 95% intervals; n of the family's anchors that were tried, or of its
        problems where it has no anchors.
    """
    by, how = _readers(state)
    n = np.bincount(state.family[by & (state.info > 0)], minlength=len(how))
    value, half = how @ state.mean, WIDE * np.sqrt(_variances(state, how))
    return Estimate(value, value - half, value + half, n)


def _variances(state: Live, how: np.ndarray) -> np.ndarray:
    return np.maximum(np.einsum("fa,ab,fb->f", how, state.covariance, how), 0)


def overall(state: Live) -> Estimate:
    """Mean of the families' abilities, one number."""
    by, how = _readers(state)
    mean = how.mean(axis=0, keepdims=True)
    value = float((mean @ state.mean)[0])
    half = WIDE * float(np.sqrt(_variances(state, mean)[0]))
    return Estimate(value, value - half, value + half, int(np.count_nonzero(by & (state.info > 0))))


def drift(state: Live) -> Estimate:
    """How much easier, in logits, problems have become than the anchors say, by training on them.

    0 where training helped all problems alike.

    Returns:
        Estimate with a 95% interval; n problems that are not anchors and were tried.
    """
    tried = int(np.count_nonzero((state.info > 0) & (state.gains > 0)))
    variance = float(state.covariance[-1, -1])
    if not variance:
        return Estimate(float("nan"), -np.inf, np.inf, tried)
    value, half = float(state.mean[-1]), WIDE * float(np.sqrt(max(variance, 0)))
    return Estimate(value, value - half, value + half, tried)


def surprised(
    state: Live,
    rows: np.ndarray,
    *,
    mean: np.ndarray,
    variance: np.ndarray,
    k: np.ndarray,
    n: np.ndarray,
) -> Live:
    """The state with what a batch's anchors were solved beyond what was expected of them.

    Args:
        state: before the batch.
        rows: (row,) problems.
        mean, variance: (row,) logits expected of them.
        k, n: (row,) solved and tried.
    """
    mine = state.gains[rows] == 0
    if not mine.any():
        return state
    rows, k, n = rows[mine], k[mine], n[mine]
    rate, spread = pass_rates(mean[mine], variance[mine])
    beyond, noise = state.beyond.copy(), state.noise.copy()
    beyond[rows] += k - n * rate
    # binomial, and the error of the rate itself, which all n share
    noise[rows] += n * (rate * (1 - rate) - spread) + n * n * spread
    return state._replace(beyond=beyond, noise=noise)


def misfits(state: Live) -> np.ndarray:
    """(problem,) float, standardised surprise of each anchor; 0 for other problems.

    Far above 0: solved more often than its difficulty and the ability say, as if it had been
    trained on; far below: harder than it was calibrated.
    """
    return state.beyond / np.sqrt(np.maximum(state.noise, 1e-12))


def moved(state: Live) -> np.ndarray:
    """(anchor,) indices of anchors that have drifted, none wrongly with a chance of 1 - ALARM.

    A sum of surprises a with variance v is too large where exp(-a^2 / (2 (v + a / 3))) is below
    ALARM / 2 for each anchor that was tried.

    Ref: Freedman 1975, Ann. Probability 3:100, theorem 1.6: holds for rare outcomes too and at
    all steps at once; differs: attempts of one step share the error of what was expected.
    """
    tried = (state.gains == 0) & (state.noise > 0)
    far = np.abs(state.beyond)
    bound = far**2 / np.maximum(2 * (state.noise + far / 3), 1e-12)
    limit = np.log(2 * max(np.count_nonzero(tried), 1) / ALARM)
    return np.flatnonzero(tried & (bound > limit))


def figures(state: Live) -> dict[str, float]:
    """Ability with its interval; with anchors the drift of the others, and anchors that moved."""
    found = {"ability": overall(state)}
    held = (state.gains == 0).any()
    if held:
        found["drift"] = drift(state)
    ends = ("value", "low", "high")
    named = {
        name if end == "value" else f"{name}_{end}": float(getattr(about, end))
        for name, about in found.items()
        for end in ends
    }
    return named | ({"anchors_moved": float(len(moved(state)))} if held else {})
