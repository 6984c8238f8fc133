"""Which problems a learner is ready for, by difficulties that an artificial crowd measured.

A crowd is many trained models, or many checkpoints of one; its answers place all problems on one
scale. Each epoch the learner's ability is measured on that scale, and it trains on what it can
solve with the wanted chance. Axes: `item` (the bank), `asked` (problems the learner answered).
"""

from typing import NamedTuple

import numpy as np

from gradatim import checks
from gradatim.errors import ArgumentError
from gradatim.scale import irt
from gradatim.scale.ability import estimate_ability
from gradatim.scale.curves import probability
from gradatim.types import Bank, Responses

WIDE = 3.0  # sd of the ability's prior, in the crowd's: keeps all right and all wrong finite


class Lesson(NamedTuple):
    """One epoch's choice.

    Attributes:
        theta, se: the learner's ability on the bank's scale.
        ready: (item,) bool.
    """

    theta: float
    se: float
    ready: np.ndarray


def calibrate_crowd(responses: Responses) -> Bank:
    """Difficulties by a one-parameter fit to the crowd's answers (PUDF's first half, IRT-AC).

    Ref: Meng et al. 2024, arXiv:2408.05326. Differs: marginal maximum
    likelihood in place of variational Bayes, one estimated slope for all items.
    """
    return irt.fit(responses, model="1pl")


def ready(bank: Bank, theta: float, *, target: float = 0.5, least: int = 0) -> np.ndarray:
    """Items that an ability solves with chance `target` or more.

    On a one-parameter scale with slope 1 this is b <= theta + ln(1 / target - 1); at target 1/2
    b <= theta, the rule of DDS-MAE. Slopes, floors and ceilings count where the bank has them.

    Args:
        bank: items; those without an estimate are never ready.
        theta: ability.
        target: chance of success, in (0, 1).
        least: take the likeliest so many where fewer are ready, so that a learner below all
            items starts somewhere.

    Returns:
        (item,) bool.

    Ref: Meng, Zeng, Lalor & Yu 2024, arXiv:2408.05326 (PUDF); Lalor & Yu 2020, arXiv:2011.00080.

    >>> from gradatim.scale.curves import flat
    >>> ready(flat(difficulty=[-1.0, 0.0, 1.0], discrimination=[1.0, 1.0, 1.0]), 0.0)
    array([ True,  True, False])
    """
    checks.finite(theta=theta)
    checks.within(1e-12, 1 - 1e-12, target=target)
    checks.within(0, len(bank.items), least=least)
    chance = probability(float(theta), bank)
    known = np.isfinite(chance)
    chance = np.where(known, chance, -1.0)
    chosen = chance >= target - 1e-12  # b = theta is ready at target 1/2, whatever rounding says
    if chosen.sum() < least:
        order = np.argsort(-chance, kind="stable")[:least]
        chosen[order] = known[order]
    return chosen


def plan_lesson(
    bank: Bank,
    item: np.ndarray,
    solved: np.ndarray,
    tried: np.ndarray,
    *,
    target: float = 0.5,
    least: int = 0,
) -> Lesson:
    """Measure the learner by its answers to training problems, then choose what it is ready for.

    Args:
        bank: with difficulties, say of `calibrate_crowd`.
        item: (asked,) int, indices into the bank's items.
        solved, tried: (asked,) counts of the learner's current policy.
        target, least: see `ready`.

    Returns:
        Lesson. The ability is the posterior mode under a wide prior, N(crowd's mean, (3 sd)^2):
        where the paper's maximum likelihood is infinite (all right, all wrong), this is not.

    Raises:
        ArgumentError: no answer, counts out of range, items without estimates.
    """
    checks.shapes(item=(item, "asked"), solved=(solved, "asked"), tried=(tried, "asked"))
    if not len(item) or not np.any(np.asarray(tried) > 0):
        raise ArgumentError("`tried` holds no attempt: the learner's ability cannot be measured")
    found = estimate_ability(
        bank,
        np.asarray(item)[None],
        np.asarray(solved, dtype=float)[None],
        np.asarray(tried)[None],
        method="map",
        prior=_crowd(bank),
    )
    theta = float(found.value[0])
    return Lesson(theta, float(found.se[0]), ready(bank, theta, target=target, least=least))


def _crowd(bank: Bank) -> tuple[float, float]:
    """Mean of the crowd, and WIDE times its spread; the standard normal's where there is none."""
    known = np.isfinite(bank.ability)
    if known.sum() < 2:
        return 0.0, WIDE
    return float(bank.ability[known].mean()), WIDE * max(float(bank.ability[known].std()), 0.5)
