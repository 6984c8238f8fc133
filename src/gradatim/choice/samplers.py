"""Which problems to try next. Axes: `problem` (the pool), `row` (the plan).

A sampler turns the belief into inclusion probabilities that sum to the number of prompts wanted;
`systematic` then draws a set that has exactly those. They are the plan's propensities, so pool
means can be estimated from what was drawn (Horvitz-Thompson). `uniform` sweeps through the pool
instead, as trainers' loaders do. Except in `uniform`, no problem stands in a plan twice.
Samplers that follow a published curriculum: curricula.py, matched.py, risk.py; over sources:
bandits.py.
"""

import warnings
from collections.abc import Sequence

import numpy as np

from gradatim import checks
from gradatim.choice import plans
from gradatim.errors import ArgumentError
from gradatim.types import Ask, Belief, Plan, Pool, Slot


def inclusion(weight: np.ndarray, size: int) -> np.ndarray:
    """(problem,) probabilities min(1, c x weight) that sum to `size`.

    Args:
        weight: (problem,) float >= 0. Where fewer than `size` are positive, those are certain
            and the others share the rest evenly.
        size: 0 .. number of problems.

    Ref: Sampford 1967, section 1 (probabilities proportional to size, certain ones set apart).

    >>> inclusion(np.array([8.0, 1.0, 1.0]), 2)
    array([1. , 0.5, 0.5])
    """
    checks.within(0, len(weight), size=size)
    checks.within(0, np.inf, weight=weight)
    weight = weight / max(float(weight.max(initial=0.0)), 1e-300)
    weight = np.where(weight < 1e-200, 0.0, weight)  # divisions below must not overflow
    positive = int(np.count_nonzero(weight))
    if positive < size:
        rest = (size - positive) / max(len(weight) - positive, 1)
        return np.where(weight > 0, 1.0, rest)
    prob = weight * (size / max(float(weight.sum()), 1e-300))
    sure = np.zeros(len(weight), dtype=bool)
    while (over := (prob >= 1) & ~sure).any():
        sure |= over
        rest = np.where(sure, 0.0, weight)
        left = size - np.count_nonzero(sure)
        prob = np.where(sure, 1.0, rest * (left / max(float(rest.sum()), 1e-300)))
    return prob


def closest(away: np.ndarray, size: int) -> np.ndarray:
    """(problem,) inclusion probabilities of the `size` smallest; ties share the last places.

    >>> closest(np.array([0.1, 0.3, 0.3, 0.0]), 3)
    array([1. , 0.5, 0.5, 1. ])
    """
    checks.within(0, len(away), size=size)
    if size in (0, len(away)):
        return np.full(len(away), float(size > 0))
    cut = np.partition(away, size - 1)[size - 1]
    sure, tied = away < cut, away == cut
    share = (size - np.count_nonzero(sure)) / np.count_nonzero(tied)
    return np.where(tied, share, sure.astype(float))


def inside(away: np.ndarray, size: int) -> np.ndarray:
    """(problem,) float weights: those with `away` <= 0 evenly, or the `size` nearest if too few."""
    within = away <= 0
    if np.count_nonzero(within) >= size:
        return within.astype(float)
    return closest(np.maximum(away, 0), size)


def target_rate(target: float, arg: str = "target") -> None:
    """Check that a pass rate to aim at lies strictly between 0 and 1.

    >>> target_rate(1.0)
    Traceback (most recent call last):
    gradatim.errors.ArgumentError: `target` must lie strictly between 0 and 1, got 1.0; ...
    """
    if not 0 < target < 1:
        raise ArgumentError(
            f"`{arg}` must lie strictly between 0 and 1, got {target}; where nothing or everything "
            "is solved there is nothing to learn from"
        )


MOST = 9  # sources that a warning lists


def above_floors(pool: Pool, **named: float) -> None:
    """Check that a pass rate to aim at is not below what guessing reaches on every problem.

    Where it is so on some problems only, a warning says on how many, and of which sources.

    Raises:
        ArgumentError: names the rate and the lowest floor.

    >>> pool = Pool(source=np.zeros(2, int), sources=("all",), floor=np.full(2, 0.5))
    >>> above_floors(pool, target=0.2)
    Traceback (most recent call last):
    gradatim.errors.ArgumentError: `target` is 0.2, but a guess is right 0.5 of the time or more ...
    """
    floor = float(np.min(pool.floor))
    for arg, rate in named.items():
        if rate < floor:
            raise ArgumentError(
                f"`{arg}` is {rate:g}, but a guess is right {floor:g} of the time or more on every "
                "problem of the pool (its lowest floor); aim above that"
            )
        if len(over := np.flatnonzero(pool.floor > rate)):
            named_sources = [pool.sources[i] for i in np.unique(pool.source[over])]
            listed = ", ".join(named_sources[:MOST]) + " ..." * (len(named_sources) > MOST)
            warnings.warn(
                f"`{arg}` is {rate:g}, but a guess is right more often on {len(over)} of "
                f"{len(pool.floor)} problems ({listed}): these cannot come down to it",
                stacklevel=2,
            )


def parted(shares: Sequence[float], parts: Sequence[str]) -> np.ndarray:
    """(part,) float >= 0: what each part gets, one of them more than nothing.

    Raises:
        ArgumentError: another number of shares, a negative one, or none above 0.
    """
    share = np.asarray(shares, dtype=float)
    checks.within(0, 1e12, shares=share)
    if share.shape != (len(parts),) or not share.any():
        raise ArgumentError(
            f"`shares` must be {len(parts)} numbers ({', '.join(parts)}), one above 0; got {shares}"
        )
    return share


def rates(belief: Belief) -> np.ndarray:
    """(problem,) float: posterior mean of each pass rate."""
    return belief.alpha / (belief.alpha + belief.beta)


def systematic(prob: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw a set whose inclusion probabilities are exactly `prob`.

    Problems are laid end to end in random order, each as long as its probability, and the ones
    under a comb of unit steps with a random start are taken (Madow 1949). The order is random
    because pools are periodic in level, which a comb would beat against.

    Args:
        prob: (problem,) float in [0, 1] with an integer sum.
        rng: decides the order and the start.

    Returns:
        (row,) int, different indices in random order.
    """
    size = round(float(prob.sum()))
    order = rng.permutation(len(prob))
    ends = np.cumsum(prob[order])
    if size == 0:
        return order[:0]
    ends *= size / ends[-1]  # rounding of a long sum must not lose the last tooth
    teeth = np.arange(size) + rng.random()
    taken = order[np.minimum(np.searchsorted(ends, teeth, side="right"), len(prob) - 1)]
    return taken if len(set(taken.tolist())) == size else _distinct(taken, prob)


def _distinct(taken: np.ndarray, prob: np.ndarray) -> np.ndarray:
    """Replace repeats, which only rounding at probability 1 can bring, by the likeliest others."""
    kept = np.unique(taken)
    others = np.setdiff1d(np.flatnonzero(prob > 0), kept)
    fill = others[np.argsort(-prob[others], kind="stable")[: len(taken) - len(kept)]]
    return np.r_[kept, fill]


def by_weight(
    ask: Ask, weight: np.ndarray, rng: np.random.Generator, *, explore: float, why: str
) -> Plan:
    """Inclusion by weight for a share 1 - explore of the prompts, even for the rest.

    Args:
        ask: how many prompts, and of which step.
        weight: (problem,) float >= 0; see `inclusion`.
        rng: of the draw.
        explore: share in [0, 1] of the prompts that is drawn evenly from the pool.
        why: what rows that owe their place to the weight are labelled with.
    """
    checks.within(0, 1, explore=explore)
    problems = len(weight)
    size = min(ask.prompts, problems)
    even = size / problems
    prob = (1 - explore) * inclusion(weight, size) + explore * even
    problem = systematic(prob, rng)
    # a row is there for its weight or for exploration; the label says which was likelier
    label = np.where(prob[problem] > 2 * explore * even, why, "explore")
    return plans.rows(problem, step=ask.step, propensity=prob[problem], why=label)


def uniform(state: tuple, ask: Ask, rng: np.random.Generator) -> Plan:
    """A sweep: every problem once, in random order, before any comes again.

    The order of a sweep depends on the run's seed and the sweep's number, so a resumed run goes
    on where it stopped. A step across the end of a sweep, or one that wants more prompts than
    there are problems, can hold a problem twice, as separate groups.
    """
    problems = len(ask.pool.source)
    first, last = ask.drawn, ask.drawn + ask.prompts
    parts = []
    for sweep in range(first // problems, (last - 1) // problems + 1):
        order = np.random.default_rng([ask.seed, sweep]).permutation(problems)
        base = sweep * problems
        parts.append(order[max(first - base, 0) : last - base])
    problem = np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)
    share = np.full(len(problem), ask.prompts / problems)
    return plans.rows(problem, step=ask.step, propensity=share, why=np.full(len(problem), "sweep"))


def window(
    state: tuple,
    ask: Ask,
    rng: np.random.Generator,
    *,
    low: float = 0.2,
    high: float = 0.8,
    explore: float = 0.0,
) -> Plan:
    """Evenly among the problems whose believed pass rate lies in [low, high].

    Where too few lie inside, all of them and the nearest outside are taken. A believed rate is
    the posterior mean; problems never tried have their prior's.
    """
    checks.within(0, high, low=low)
    checks.within(low, 1, high=high)
    mean = rates(ask.belief)
    away = np.maximum(low - mean, mean - high)
    weight = inside(away, min(ask.prompts, len(mean)))
    return by_weight(ask, weight, rng, explore=explore, why="window")


def variance(
    state: tuple,
    ask: Ask,
    rng: np.random.Generator,
    *,
    power: float = 1.0,
    explore: float = 0.1,
) -> Plan:
    """In proportion to E[p (1 - p)] ** power under the belief: where the outcome is open.

    E[p (1 - p)] of Beta(a, b) is a b / ((a + b) (a + b + 1)), so a problem that is well known to
    be near one half weighs more than one of which little is known.
    """
    a, b = ask.belief.alpha, ask.belief.beta
    weight = a * b / ((a + b) * (a + b + 1))
    # relative to the largest, so that a high power cannot underflow to nothing
    weight = (weight / max(weight.max(initial=0.0), 1e-300)) ** power
    return by_weight(ask, weight, rng, explore=explore, why="open")


def thompson(
    state: tuple,
    ask: Ask,
    rng: np.random.Generator,
    *,
    target: float = 0.5,
    draws: int = 8,
    joint: bool = False,
    explore: float = 0.1,
) -> Plan:
    """The problems nearest to a target pass rate, in rates drawn from the belief.

    Each draw of the belief names as many problems as there are prompts; a problem is included as
    often as it was named. One draw is plain Thompson sampling, many draws its probabilities: in
    the mean over draws both include a problem equally often. Draws are decided by the run's seed
    and the step, and propensities are exact given them.

    Args:
        state, ask, rng: as for every sampler.
        target: pass rate in (0, 1) to be near to. At .5 the order of |p - .5| is that of p (1 - p).
        draws: how many, >= 1; each takes about 0.06 s on a million problems.
        joint: draw from the belief's joint posterior, in which problems of one source move
            together, instead of from the marginals.
        explore: share of the prompts that is drawn evenly.

    Ref: Thompson 1933 on slates, cf. the group-hierarchical priors of arXiv:2104.15046 (abstract
    only). Differs: no user model; the utility is nearness to a target pass rate.
    """
    target_rate(target)
    checks.within(1, 10_000, draws=draws)
    belief, problems = ask.belief, len(ask.pool.source)
    size = min(ask.prompts, problems)
    own = np.random.default_rng([ask.seed, ask.step, ask.round])
    alpha, beta = np.maximum(belief.alpha, 1e-12), np.maximum(belief.beta, 1e-12)
    named = np.zeros(problems)
    for _ in range(draws):
        rate = belief.draw(own, 1)[0] if joint else own.beta(alpha, beta)
        named += closest(np.abs(rate - target), size)
    return by_weight(ask, named / draws, rng, explore=explore, why="thompson")


SAMPLERS: dict[str, Slot] = {
    "uniform": Slot(
        suggest=uniform,
        invariances=frozenset({"propensity", "every_problem", "sweep"}),
        paper="The loader of every trainer: shuffled sweeps without replacement.",
    ),
    "window": Slot(
        suggest=window,
        options={"low": 0.2, "high": 0.8, "explore": 0.0},
        bounds={"low": checks.SHARE, "high": ("low", 1), "explore": checks.SHARE},
        check=lambda pool, problems, provides, **o: above_floors(pool, high=o["high"]),
        invariances=frozenset({"propensity", "distinct"}),
        paper="Pass-rate filters of open post-training reports; ours uses the posterior mean "
        "and falls back to the nearest problems.",
    ),
    "variance": Slot(
        suggest=variance,
        options={"power": 1.0, "explore": 0.1},
        bounds={"power": checks.AT_LEAST_0, "explore": checks.SHARE},
        invariances=frozenset({"propensity", "distinct", "every_problem"}),
        paper="p (1 - p) sampling (the variance of the reward), as its posterior expectation.",
    ),
    "thompson": Slot(
        suggest=thompson,
        options={"target": 0.5, "draws": 8, "joint": False, "explore": 0.1},
        bounds={"target": checks.INSIDE, "draws": (1, 10_000), "explore": checks.SHARE},
        check=lambda pool, problems, provides, **o: above_floors(pool, target=o["target"]),
        invariances=frozenset({"propensity", "distinct", "every_problem"}),
        paper="Thompson sampling at a target pass rate; several draws of the belief share the "
        "prompts, so that propensities are known.",
    ),
}
