"""Advantages whose baseline is what was believed of the problem, not only its group.

Axes as in `advantages`. A group's mean is a poor baseline where the group is small: with two
attempts it is one attempt's luck, with one there is none. What earlier attempts say of the
problem and its neighbours is known before the step, so it costs no bias to use it.
"""

import numpy as np

from gradatim import checks, groups
from gradatim.errors import ArgumentError
from gradatim.learning.advantages import Advantage, learned, placed, taking_part
from gradatim.types import Batch, Slot


def believed(
    reward: np.ndarray,
    group: np.ndarray,
    *,
    alpha: np.ndarray,
    beta: np.ndarray,
    mask: np.ndarray | None = None,
    most: float = 8.0,
    power: float = 0.0,
) -> Advantage:
    """reward - posterior mean of the pass rate given the belief and the other attempts.

    baseline of attempt i = (a + sum of the others' rewards) / (a + b + n - 1), with Beta(a, b) the
    belief before the step. It does not depend on the attempt's own reward, so the gradient has no
    bias; with a = b = 0 it is RLOO's, and lone attempts and groups of equal rewards teach too.

    Args:
        reward: (attempt,) float in [0, 1].
        group: (attempt,) labels.
        alpha, beta: (attempt,) float > 0, the belief.
        mask: (attempt,) bool; None = all take part.
        most: attempts that the belief counts as at most: it is of an older policy.
        power: advantages are divided by the believed deviation to this power: 0 = as they are,
            1 = about GRPO's scale, which weighs rare outcomes more.

    Raises:
        ArgumentError: axes that differ, rewards that are not finite, no belief.

    Ref: ours. RLOO (arXiv:2402.14740) is the case without belief; shrinking baselines across the
    prompts of a batch is known to lower the variance, here they shrink to what the ledger knows.

    >>> two = np.array([1.0, 0.0])
    >>> believed(two, np.zeros(2, int), alpha=np.ones(2), beta=np.ones(2))[0].round(3)
    array([ 0.667, -0.667])
    """
    checks.within(0, np.inf, most=most)
    checks.within(0, 2, power=power)
    rows = taking_part(reward, group, mask)
    a, b = np.asarray(alpha, float)[rows.where], np.asarray(beta, float)[rows.where]
    if not (a + b > 0).all():
        raise ArgumentError("`alpha` and `beta` must be positive: the plan carries no belief")
    keep = np.minimum(1.0, most / (a + b))
    a, b = a * keep, b * keep
    n = groups.counts(rows.code, rows.n_groups)[rows.code]
    total = groups.sums(rows.reward, rows.code, rows.n_groups)[rows.code]
    weight = a + b + n - 1
    mean = np.where(weight > 0, (a + total - rows.reward) / np.where(weight > 0, weight, 1), 0.5)
    value = rows.reward - mean
    if power:
        value = value / np.maximum(mean * (1 - mean), 1e-3) ** (power / 2)
    return placed(rows, value, value != 0)


def _believed(batch: Batch, **options: float) -> Advantage:
    if batch.alpha is None or batch.beta is None:
        raise ArgumentError("advantage 'believed' needs the belief of the plan in the batch")
    return believed(
        batch.reward,
        batch.group,
        alpha=batch.alpha,
        beta=batch.beta,
        mask=learned(batch),
        **options,
    )


ADVANTAGES: dict[str, Slot] = {
    "believed": Slot(
        suggest=_believed,
        options={"most": 8.0, "power": 0.0},
        bounds={"most": checks.AT_LEAST_0, "power": (0, 2)},
        needs=frozenset({"belief"}),
        invariances=frozenset({"monotone"}),
        paper="Ours: RLOO's baseline shrunk to the belief, so that lone attempts and equal groups "
        "teach too.",
    ),
}
