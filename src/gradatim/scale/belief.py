"""What is believed of each problem's pass rate for the current policy.

Axes: `problem` (the pool), `source` (family x level), `attempt` (a batch). Every entry is a triple
init / observe / predict over a NamedTuple of arrays. Forgetting is by step: a count that is d
steps older than the newest step seen weighs 0.5 ** (d / half_life), whatever the order in which
batches come back, so feedback may be late by any number of steps.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import special

from gradatim import checks
from gradatim.scale.belief_trend import kinds, smooth, spread_by_family, spread_by_level
from gradatim.types import ROLES, Batch, Belief, Pool, Slot

# Bounds of the spread inside a source. Below .002 problems are all but alike. The upper bound is
# a compromise, not an estimate: without it the prior can be so U-shaped that one round of failures
# settles a problem as hopeless. It was picked among .5, .6, .67, .75 and .95 on simulated pools.
CORRELATION = (0.002, 0.65)
PROBE = ROLES.index("probe")
SURE = 1e12  # attempts behind a pass rate that is given as known


class Counts(NamedTuple):
    """Discounted counts: `tried`, `solved` (problem,) float; `newest` step, -1 before any."""

    tried: np.ndarray
    solved: np.ndarray
    newest: int


class Levels(NamedTuple):
    """Discounted counts of problems and, with a half-life of their own, of their sources.

    `squares` (problem,) is the sum of squared weights: tried**2 / squares is how many whole
    attempts the discounted ones are worth.
    """

    tried: np.ndarray
    solved: np.ndarray
    squares: np.ndarray
    source_tried: np.ndarray
    source_solved: np.ndarray
    source: np.ndarray
    newest: int


def aged(newest: int, step: int, half_life: float) -> tuple[float, float]:
    """Factors for the counts held so far, and for a batch of `step`."""
    if newest < 0 or half_life <= 0:
        return 1.0, 1.0
    lag = abs(step - newest)
    factor = 0.5 ** (lag / half_life)
    return (factor, 1.0) if step > newest else (1.0, factor)


def counted(batch: Batch) -> np.ndarray:
    """(attempt,) bool: which attempts tell of the problem as the pool has it.

    Masked ones are as if never made; hinted, continued or rewritten ones tell of another task. A
    probe of the whole problem tells of it as a rollout does.
    """
    checks.shapes(problem=(batch.problem, "attempt"), solved=(batch.solved, "attempt"))
    checks.within(0, 1, solved=batch.solved)
    whole = (batch.role == 0) | ((batch.role == PROBE) & (batch.parent < 0))
    counts = batch.mask & whole
    if batch.hint is not None:
        counts &= batch.hint == 0
    return counts


def seen(batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    """Problem and solved of the attempts that count."""
    counts = counted(batch)
    if counts.all():
        return batch.problem, batch.solved
    return batch.problem[counts], batch.solved[counts]


def _beta_draw(alpha: np.ndarray, beta: np.ndarray) -> Any:
    return lambda rng, m: rng.beta(alpha, beta, size=(m, len(alpha)))


# -- counts -----------------------------------------------------------------------------------


def init_counts(pool: Pool, **_: Any) -> Counts:
    """No attempts yet."""
    return Counts(np.zeros(len(pool.source)), np.zeros(len(pool.source)), -1)


def observe_counts(state: Counts, batch: Batch, *, half_life: float, **_: Any) -> Counts:
    """Add a batch of any earlier or later step."""
    problem, solved = seen(batch)
    keep, weight = aged(state.newest, batch.step, half_life)
    size = len(state.tried)
    return Counts(
        keep * state.tried + weight * np.bincount(problem, minlength=size),
        keep * state.solved + weight * np.bincount(problem, weights=solved, minlength=size),
        max(state.newest, batch.step),
    )


def predict_counts(state: Counts, pool: Pool, *, prior: tuple[float, float], **_: Any) -> Belief:
    """Beta(prior + discounted counts) for each problem by itself.

    >>> pool = Pool(source=np.zeros(2, int), sources=("all",), floor=np.zeros(2))
    >>> state = Counts(tried=np.array([0.0, 8.0]), solved=np.array([0.0, 6.0]), newest=0)
    >>> predict_counts(state, pool, prior=(0.5, 0.5)).alpha
    array([0.5, 6.5])
    """
    alpha = prior[0] + state.solved
    beta = prior[1] + np.maximum(state.tried - state.solved, 0)
    return Belief(alpha, beta, _beta_draw(alpha, beta))


# -- known ------------------------------------------------------------------------------------


def predict_known(state: tuple, pool: Pool, *, rate: Sequence[float], **_: Any) -> Belief:
    """Rates that are given, taken in turn: the oracle of simulations, or a user's own figure."""
    checks.within(0, 1, rate=rate)
    p = np.resize(np.asarray(rate, dtype=float), len(pool.source))
    return Belief(p * SURE, (1 - p) * SURE, lambda rng, m: np.broadcast_to(p, (m, len(p))))


# -- hierarchical -----------------------------------------------------------------------------


def init_levels(pool: Pool, **_: Any) -> Levels:
    """No attempts yet."""
    size, arms = len(pool.source), len(pool.sources)
    zeros = [np.zeros(size) for _ in range(3)] + [np.zeros(arms) for _ in range(2)]
    return Levels(*zeros, source=pool.source, newest=-1)


def observe_levels(
    state: Levels, batch: Batch, *, half_life: float, source_half_life: float, **_: Any
) -> Levels:
    """Add a batch of any earlier or later step."""
    problem, solved = seen(batch)
    keep, weight = aged(state.newest, batch.step, half_life)
    keep_arm, weight_arm = aged(state.newest, batch.step, source_half_life)
    size, arms = len(state.tried), len(state.source_tried)
    arm = state.source[problem]
    tried = np.bincount(problem, minlength=size)
    return Levels(
        keep * state.tried + weight * tried,
        keep * state.solved + weight * np.bincount(problem, weights=solved, minlength=size),
        keep**2 * state.squares + weight**2 * tried,
        keep_arm * state.source_tried + weight_arm * np.bincount(arm, minlength=arms),
        keep_arm * state.source_solved
        + weight_arm * np.bincount(arm, weights=solved, minlength=arms),
        state.source,
        max(state.newest, batch.step),
    )


class Shape(NamedTuple):
    """Hyperparameters per source: mean, correlation within, and the worth of the mean's data."""

    mean: np.ndarray
    correlation: np.ndarray
    worth: np.ndarray


def fit_sources(
    state: Levels,
    *,
    correlation: float,
    weight: float,
    pseudo: float,
    pool: Pool | None = None,
) -> Shape:
    """Mean and spread of the pass rates inside each source, by moments.

    The intraclass correlation r = Var(p) / (m (1 - m)) of a source solves E[S] = m (1 - m) sum_i
    n_i (1 - n_i / n) (r + (1 - r) v_i), with S = sum_i n_i (p_i - m)**2 and v_i = squares_i /
    n_i**2 (1 / n_i where nothing is forgotten). Sources with little data share the estimate of
    all of them, and all of them start from `correlation`, which counts as `weight` units of
    information. A spread cannot be negative: r +- error becomes (r + sqrt(r^2 + 8 error^2 / pi)) /
    2, the mean of a half normal at r = 0 and r itself where the error is small, so that few
    problems that happen to agree are not taken for alike. Last, r is kept inside CORRELATION.
    Beta precision is 1 / r - 1.

    Args:
        state: see Levels.
        correlation: prior guess of r.
        weight: information behind that guess, in attempts beyond the first on a problem.
        pseudo: prior attempts, half of them solved, behind each source's mean.
        pool: take each mean's prior from the family's other levels instead (`trended`).

    Ref: Kleinman 1973, JASA 68:46, moment estimator with weights n_i; differs: discounted
    counts, and shrinkage across sources.
    """
    arms = len(state.source_tried)
    rows = np.flatnonzero(state.tried > 0)
    arm, n, k = state.source[rows], state.tried[rows], state.solved[rows]

    def by_arm(values: np.ndarray) -> np.ndarray:
        return np.bincount(arm, weights=values, minlength=arms)

    total = np.maximum(by_arm(n), 1e-300)
    mean = by_arm(k) / total
    noise = mean * (1 - mean)
    spread = by_arm(k * k / n) - by_arm(k) * mean  # sum n (p - m)^2
    share = 1 - n / total[arm]
    v = state.squares[rows] / n**2
    above = np.where(noise > 1e-9, spread / np.maximum(noise, 1e-9), 0.0) - by_arm(n * share * v)
    room = np.where(noise > 1e-9, by_arm(n * share * (1 - v)), 0.0)
    above = np.where(room > 0, above, 0.0)
    pooled = (above.sum() + weight * correlation) / (room.sum() + weight)
    r = (above + weight * np.clip(pooled, *CORRELATION)) / (room + weight)
    many = np.maximum(by_arm(np.ones(len(n))), 1)
    error = np.sqrt(2 * (many - 1)) / (room + weight)  # of a sum of squares with many - 1 freedoms
    r = np.clip((r + np.sqrt(r * r + 8 / np.pi * error**2)) / 2, *CORRELATION)
    # attempts on one problem repeat each other: n of them tell of the mean like n / (1+(n-1)r)
    per = by_arm(n) / many
    worth = state.source_tried / (1 + np.maximum(per - 1, 0) * r)
    if pool is not None:
        mean, behind = trended(state, pool, worth)
        return Shape(mean, r, behind)
    centre = (state.source_solved + pseudo / 2) / (state.source_tried + pseudo)
    return Shape(centre, r, worth + pseudo)


def trended(state: Levels, pool: Pool, worth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(source,) means that follow the levels of each family, and attempts behind each.

    The sources' logits are normal beforehand: a line by level that all families share, each
    family and source by itself, and neighbouring levels together (`belief_trend`). A level
    without attempts lies between its neighbours, or beyond them on the line.
    """
    about = kinds(pool)
    covariance = spread_by_level(about, slope=0.4, level=0.8, own=0.4)
    covariance += spread_by_family(about.family, shared=1.0, family_sd=1.0)
    rate = state.source_solved / np.maximum(state.source_tried, 1e-300)
    logit, variance = smooth(rate * worth, worth, covariance)
    # mean of the logistic of a normal: MacKay 1992's scaling
    mean = special.expit(logit / np.sqrt(1 + np.pi * variance / 8))
    # a Beta with the variance that the logit's error gives the mean
    return mean, np.maximum(1 / (mean * (1 - mean) * variance) - 1, 0.5)


def predict_levels(
    state: Levels,
    pool: Pool,
    *,
    correlation: float,
    weight: float,
    pseudo: float,
    trend: bool,
    **_: Any,
) -> Belief:
    """Beta of each problem: its own counts on top of a prior fitted to its source.

    The prior of an unseen problem has the source's mean m and the variance m (1 - m) (r + (1 -
    r) / (worth + 1)): what problems differ by, and what is not known of m. `draw` draws the
    means of the sources first, so problems of one source move together.

    Limit: one Beta per source. On pools of two kinds (half at .95, half at .05) allocation by it
    gave up to 8% fewer mixed groups than equal groups (16 earlier attempts, simulated); see
    `belief_mixture`.

    Args:
        state: counts.
        pool: with families and levels where `trend` is on.
        correlation, weight, pseudo: see `fit_sources`.
        trend: let the means of sources follow the levels of their family (`trended`).
    """
    about = pool if trend else None
    shape = fit_sources(state, correlation=correlation, weight=weight, pseudo=pseudo, pool=about)
    wide = shape.correlation + (1 - shape.correlation) / (shape.worth + 1)
    precision = 1 / wide - 1
    lost = np.maximum(state.tried - state.solved, 0)
    alpha = (shape.mean * precision)[pool.source] + state.solved
    beta = ((1 - shape.mean) * precision)[pool.source] + lost

    def draw(rng: np.random.Generator, m: int) -> np.ndarray:
        inner = 1 / shape.correlation - 1
        a, b = shape.mean * shape.worth, (1 - shape.mean) * shape.worth
        means = np.clip(rng.beta(a, b, size=(m, len(a))), 1e-9, 1 - 1e-9)
        own = (means * inner)[:, pool.source] + state.solved
        return rng.beta(own, ((1 - means) * inner)[:, pool.source] + lost)

    return Belief(alpha, beta, draw)


_DEFAULTS: Mapping[str, Any] = {
    "correlation": 0.1,
    "weight": 8.0,
    "pseudo": 1.0,
    "trend": False,
}

_BOUNDS: Mapping[str, Any] = {
    "half_life": checks.AT_LEAST_0,
    "source_half_life": checks.AT_LEAST_0,
    "correlation": checks.INSIDE,
    "weight": checks.POSITIVE,
    "pseudo": checks.POSITIVE,
}

BELIEFS: dict[str, Slot] = {
    "counts": Slot(
        init=init_counts,
        observe=observe_counts,
        suggest=predict_counts,
        options={"half_life": 100.0, "prior": (0.5, 0.5)},
        bounds={"half_life": checks.AT_LEAST_0, "prior": checks.POSITIVE},
        invariances=frozenset({"order", "permutation"}),
        paper="Beta counts per problem (Jeffreys prior) with exponential forgetting by step; "
        "half_life 0 forgets nothing.",
    ),
    "known": Slot(
        suggest=predict_known,
        options={"rate": (0.5,)},
        bounds={"rate": checks.SHARE},
        invariances=frozenset({"order"}),
        paper="Pass rates given, problem i having rate[i % len(rate)]; attempts change nothing.",
    ),
    "hierarchical": Slot(
        init=init_levels,
        observe=observe_levels,
        suggest=predict_levels,
        options={"half_life": 100.0, "source_half_life": 5.0, **_DEFAULTS},
        bounds=_BOUNDS,
        invariances=frozenset({"order", "permutation"}),
        paper="Empirical-Bayes Beta per source (moments of Kleinman 1973), each problem's "
        "discounted counts shrunk to it.",
    ),
}
