"""Problems matched to the policy's ability on a bank's scale. Axes: `problem`, `row`."""

import numpy as np

from gradatim import checks
from gradatim.choice import samplers
from gradatim.errors import ArgumentError
from gradatim.scale import belief, peaks
from gradatim.scale.curves import log_chances
from gradatim.types import Ask, Plan, Pool, Slot


def map_ability(
    solved: np.ndarray,
    tried: np.ndarray,
    difficulty: np.ndarray,
    *,
    discrimination: np.ndarray | None = None,
    floor: np.ndarray | None = None,
    prior: tuple[float, float] = (0.0, 1.0),
) -> float:
    """Ability that counts on problems of known difficulty make most likely, with a normal prior.

    `scale.ability.estimate_ability` places many solvers at once, with standard errors, by the same
    search; this is the mode for one learner and as many discounted counts as it has.

    Args:
        solved, tried: (row,) float >= 0, solved <= tried.
        difficulty: (row,) float, finite, on a logit scale.
        discrimination, floor: (row,) float; None: 1 and 0 (Rasch).
        prior: mean and standard deviation > 0; the ability is finite even if all was solved.

    Returns:
        theta to 1e-9 standard deviations; of several maxima, which floors can make, the highest.

    Ref: PUDF, Meng et al. 2024, arXiv:2408.05326 (theta by maximum a posteriori under N(0, 1),
    its DDS-MAE). Differs: the root of the slope instead of a simplex search; floors and
    discriminations of the bank enter; the true labels that its code counts as answers do not.

    >>> round(map_ability(np.array([3.0]), np.array([4.0]), np.array([0.0])), 4)  # 3 - 4p = theta
    0.5052
    """
    checks.shapes(solved=(solved, "row"), tried=(tried, "row"), difficulty=(difficulty, "row"))
    checks.finite(difficulty=difficulty)
    checks.within(0, 1e300, tried=tried, solved=solved)
    checks.within(-1e-9, np.inf, **{"tried - solved": np.subtract(tried, solved)})
    checks.within(1e-6, 1e6, **{"prior[1]": prior[1]})
    a = np.ones(len(solved)) if discrimination is None else discrimination
    # counts discounted step by step may be off by rounding
    counts = np.minimum(solved, tried), np.asarray(tried)
    ends = None if floor is None or not np.any(floor) else floor[None], None
    answers = peaks.Answers(a[None], difficulty[None], *ends, *(x[None] for x in counts))
    return float(peaks.mode(answers, np.full(1, float(prior[0])), prior=prior)[0][0])


def init_ability(pool: Pool, **_: object) -> belief.Counts:
    """No attempts yet."""
    if pool.difficulty is None:
        raise ArgumentError(
            "sampler 'ability' needs calibrated difficulties: give the curriculum a `bank`"
        )
    return belief.init_counts(pool)


def ability(
    state: belief.Counts,
    ask: Ask,
    rng: np.random.Generator,
    *,
    target: float = 0.5,
    half_life: float = 5.0,
    explore: float = 0.0,
) -> Plan:
    """Evenly among the problems that the policy solves with at least the chance `target`.

    Its ability is estimated from the attempts of recent steps (`half_life` in steps) on the bank's
    scale; for a Rasch bank the rule is b <= theta + ln(1 / target - 1). Where too few problems
    are that easy, the likeliest are taken. Problems that the bank lacks come last.

    Ref: PUDF, arXiv:2408.05326. Differs: attempts made while training instead of a probe of the
    training set each epoch; no push where theta stands still.
    """
    samplers.target_rate(target)
    pool = ask.pool
    assert pool.difficulty is not None
    known = np.isfinite(pool.difficulty)
    a = np.ones(len(known)) if pool.discrimination is None else pool.discrimination
    a = np.where(np.isfinite(a), a, 1.0)
    rows = np.flatnonzero(known & (state.tried > 0))
    theta = map_ability(
        state.solved[rows],
        state.tried[rows],
        pool.difficulty[rows],
        discrimination=a[rows],
        floor=pool.floor[rows],
    )
    b = np.where(known, pool.difficulty, 0.0)
    chance = np.where(known, np.exp(log_chances(a * (theta - b), pool.floor)[0]), -1.0)
    # at b = theta the chance is the target up to rounding
    weight = samplers.inside(target - 1e-9 - chance, min(ask.prompts, len(known)))
    return samplers.by_weight(ask, weight, rng, explore=explore, why="able")


SAMPLERS: dict[str, Slot] = {
    "ability": Slot(
        init=init_ability,
        observe=belief.observe_counts,
        suggest=ability,
        options={"target": 0.5, "half_life": 5.0, "explore": 0.0},
        bounds={"target": checks.INSIDE, "half_life": checks.AT_LEAST_0, "explore": checks.SHARE},
        check=lambda pool, problems, provides, **o: samplers.above_floors(pool, target=o["target"]),
        needs=frozenset({"bank"}),
        invariances=frozenset({"propensity", "distinct"}),
        paper="PUDF's dynamic selection (arXiv:2408.05326): all that is easy enough for the "
        "estimated ability, from training attempts.",
    ),
}
