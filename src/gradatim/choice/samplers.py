"""Which problems to try next. Axes: `problem` (the pool), `row` (the plan).

A sampler turns the belief into inclusion probabilities that sum to the number of prompts wanted;
`systematic` then draws a set that has exactly those. They are the plan's propensities, so pool
means can be estimated from what was drawn (Horvitz-Thompson). `uniform` sweeps through the pool
instead, as trainers' loaders do. Except in `uniform`, no problem stands in a plan twice.
"""

import numpy as np

from gradatim import checks
from gradatim.choice import plans
from gradatim.types import Ask, Plan, Slot


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


def _plan(
    ask: Ask, weight: np.ndarray, rng: np.random.Generator, *, explore: float, why: str
) -> Plan:
    """Inclusion by weight for a share 1 - explore of the prompts, even for the rest."""
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
    mean = ask.belief.alpha / (ask.belief.alpha + ask.belief.beta)
    away = np.maximum(np.maximum(low - mean, mean - high), 0)
    size = min(ask.prompts, len(mean))
    weight = (away == 0).astype(float)
    if np.count_nonzero(weight) < size:
        weight = np.zeros(len(mean))
        weight[np.argsort(away, kind="stable")[:size]] = 1.0
    return _plan(ask, weight, rng, explore=explore, why="window")


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
    return _plan(ask, weight, rng, explore=explore, why="open")


SAMPLERS: dict[str, Slot] = {
    "uniform": Slot(
        suggest=uniform,
        invariances=frozenset({"propensity", "every_problem"}),
        paper="The loader of every trainer: shuffled sweeps without replacement.",
    ),
    "window": Slot(
        suggest=window,
        options={"low": 0.2, "high": 0.8, "explore": 0.0},
        invariances=frozenset({"propensity", "distinct"}),
        paper="Pass-rate filters of open post-training reports; ours uses the posterior mean "
        "and falls back to the nearest problems.",
    ),
    "variance": Slot(
        suggest=variance,
        options={"power": 1.0, "explore": 0.1},
        invariances=frozenset({"propensity", "distinct", "every_problem"}),
        paper="p (1 - p) sampling (the variance of the reward), as its posterior expectation.",
    ),
}
