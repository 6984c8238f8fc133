"""Attempts until enough are solved. Axes: `row` (a plan), `group` (of a step), `problem`.

Counts that stopped at a pass are estimated by `scale.rare.rare_rate`: solved / tried is too high.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy import special

from gradatim import checks
from gradatim.choice import phases, plans, samplers
from gradatim.types import Ask, Plan, Slot

SHARES = ("uniform", "difficulty")


class Forecast(NamedTuple):
    """What trying until `target` passes, at most `cap` times, comes to.

    Attributes:
        trials: (problem,) float, expected attempts.
        coverage: (problem,) float, chance to reach the target within the cap.
    """

    trials: np.ndarray
    coverage: np.ndarray


def forecast(rate: np.ndarray, target: np.ndarray, *, cap: int = 2048) -> Forecast:
    """Expected attempts of problems with known pass rates, and the chance of enough passes.

    Without a cap k / p; with one E[min(T, N)] = (k / p) P(Bin(T + 1, p) > k)
    + T P(Bin(T, p) < k), never more than min(T, k / p).

    Args:
        rate: (problem,) float in [0, 1].
        target: (problem,) int >= 1, passes wanted.
        cap: most attempts of a problem, >= 1.

    Ref: DART-Math, Tong et al. 2024, arXiv:2407.13690; the cap's formula is ours.

    >>> forecast(np.array([0.5, 0.5]), np.array([4, 1]), cap=8).coverage.round(4)
    array([0.6367, 0.9961])
    """
    checks.shapes(rate=(rate, "problem"), target=(target, "problem"))
    checks.within(0, 1, rate=rate)
    checks.within(1, np.inf, target=target, cap=cap)
    p, k = np.asarray(rate, dtype=float), np.asarray(target, dtype=float)
    open_ = (p > 0) & (k <= cap)
    p_safe, k_safe = np.where(open_, p, 1.0), np.where(open_, k, 1.0)
    reach = np.where(open_, special.betainc(k_safe, cap - k_safe + 1, p_safe), 0.0)
    one_more = special.betainc(k_safe + 1, cap - k_safe + 1, p_safe)
    trials = np.where(open_, k_safe / p_safe * one_more, 0.0) + cap * (1 - reach)
    return Forecast(trials, reach)


def targets(rate: np.ndarray, passes: int, *, share: str = "uniform") -> np.ndarray:
    """(problem,) int >= 1: passes wanted of each problem.

    "uniform": `passes` of each. "difficulty": in proportion to the fail rate, `passes` of the one
    that fails most, rounded up.

    Ref: DART-Math, arXiv:2407.13690, Uniform and Prop2Diff. Differs: difficulty is the fail rate.

    >>> targets(np.array([0.1, 0.5, 0.9, 1.0]), 9, share="difficulty")
    array([9, 5, 1, 1])
    """
    checks.one_of("share", share, SHARES)
    checks.within(1, 1e9, passes=passes)
    checks.within(0, 1, rate=rate)
    if share == "uniform":
        return np.full(len(rate), passes)
    fail = 1 - np.asarray(rate, dtype=float)
    most = max(float(fail.max(initial=0.0)), 1e-300)
    # 9 x .1 / .9 is 1 and a rounding error
    return np.maximum(np.ceil(passes * fail / most - 1e-9), 1).astype(np.int64)


def level_off(need: np.ndarray, total: int) -> np.ndarray:
    """(row,) int: min(need, L) with the L that spends `total`; ties to the lower row.

    >>> level_off(np.array([1, 9, 4]), 10)
    array([1, 5, 4])
    """
    checks.within(0, np.inf, need=need, total=total)
    need = np.asarray(need, dtype=np.int64)
    if need.sum() <= total:
        return need
    low, high = 0, int(need.max())
    while low < high:  # the largest level that is not too dear
        middle = (low + high + 1) // 2
        dear = np.minimum(need, middle).sum() > total
        low, high = (low, middle - 1) if dear else (middle, high)
    given = np.minimum(need, low)
    rest = np.flatnonzero(need > low)[: total - int(given.sum())]
    given[rest] += 1
    return given


def _room(*, cap: int, passes: int, strict: bool, **_: Any) -> None:
    """Check that a prompt's most attempts can hold the passes wanted."""
    checks.within(passes + strict, 1e9, cap=cap)


def until(
    state: tuple,
    ask: Ask,
    rng: np.random.Generator,
    *,
    passes: int = 4,
    share: str = "uniform",
    cap: int = 64,
    strict: bool = False,
    sure: float = 0.95,
) -> Plan | None:
    """Every prompt until enough of its attempts are solved, or `cap` were made.

    The first round asks for as many attempts as passes are wanted. A later one asks, of every
    group that lacks passes, for the attempts it is expected to take, divided by the rounds that
    are left (but for as many as it lacks passes, at least); the last round for as many as suffice
    with chance `sure`, since there is no other. Where that is more than the step has, needs are
    cut down to one level. What no group needs is not spent.

    Args:
        state, ask, rng: as for every budget.
        passes: wanted of each prompt; with share "difficulty" of the hardest.
        share: one of SHARES.
        cap: most attempts of a prompt, >= passes wanted.
        sure: chance in (0, 1) that the last round suffices, by a normal approximation.
        strict: one pass more, as the released code's `correct > wanted` comes to.

    Ref: DART-Math, arXiv:2407.13690 (cap 2048, for building data sets). Differs: in rounds within
    a step, so that some groups get more passes than wanted; rates are believed ones.
    """
    _room(cap=cap, passes=passes, strict=strict)
    checks.within(1e-6, 1 - 1e-6, sure=sure)
    rates = samplers.rates(ask.belief)
    if ask.rows is None:
        if ask.rounds == 1:  # no way back: all is spent
            return phases.begin(ask, rng, each=passes, least=1)
        plan = plans.fit(ask.plan, left=ask.left, least=1, rng=rng)
        wanted = targets(rates[plan.problem], passes, share=share) + int(strict)
        return plans.give(plan, level_off(wanted, ask.left))
    here = phases.standing(ask)
    rate = rates[ask.rows.problem[here.first]]
    wanted = targets(rate, passes, share=share) + int(strict)
    missing = np.maximum(wanted - here.solved, 0)
    rate, more = np.maximum(rate, 1e-9), ask.rounds - ask.round
    # trials until m passes: mean m / p, variance m (1 - p) / p^2
    slack = special.ndtri(sure) * np.sqrt(missing * (1 - rate)) if more == 1 else 0.0
    expected = np.ceil((missing + slack) / rate / more - 1e-9)
    need = np.minimum(np.maximum(expected, missing), np.maximum(cap - here.asked, 0))
    n = level_off(np.where(missing > 0, need, 0), ask.left)
    return phases.more_of(ask, here.first, n, "until")


BUDGETS: dict[str, Slot] = {
    "until": Slot(
        suggest=until,
        options={"passes": 4, "share": "uniform", "cap": 64, "strict": False, "sure": 0.95},
        bounds={"passes": (1, 1e9), "cap": ("passes", 1e9), "sure": (1e-6, 1 - 1e-6)}
        | {"share": frozenset(SHARES)},
        rounds=4,
        least="passes",
        check=lambda pool, problems, provides, **options: _room(**options),
        needs=frozenset({"rounds"}),
        invariances=frozenset({"within_total"}),
        paper="DART's Uniform and Prop2Diff (arXiv:2407.13690), in rounds within a step.",
    ),
}
