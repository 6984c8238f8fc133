"""A pool's pass rates as they lie: per source a mixture on a fixed grid instead of one Beta.

Axes: `problem`, `source`, `cell` (of the grid). One Beta cannot be high at both ends and flat
between, which is what a policy's problems look like once it has learned some and not others.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy import special

from gradatim import checks
from gradatim.scale import belief
from gradatim.scale.belief_logits import matched
from gradatim.types import Belief, Pool, Slot

CELLS = 24
ANGLE = (np.arange(CELLS) + 0.5) * np.pi / 2 / CELLS
GRID = np.sin(ANGLE) ** 2  # equal steps of arcsin(sqrt(p)), in which counts have equal errors
# inside a cell p varies by 2 sqrt(p (1 - p)) dangle: as a Beta of this precision
INSIDE = 3 / (np.pi / 2 / CELLS) ** 2 - 1
LOGS = np.stack((np.log(GRID), np.log1p(-GRID))).astype(np.float32)
MOST = 10_000  # problems that weights are fitted on; of more an even part is taken
DIM = -80.0  # least logarithm of a likelihood
BLOCK = 1 << 14  # problems at a time: what fits into a core's cache
LEFT = 0.01  # problems' worth of the Beta that stays in a mixture of few kinds
SHIFT = 3.0  # largest tilt
LONELY = 4.0  # problems that a source's weights are worth before any attempt
TINY = 1e-30


def likelihood(k: np.ndarray, n: np.ndarray) -> np.ndarray:
    """(problem, cell) likelihood of k right of n at each pass rate of the grid, best cell 1.

    In float32, which is half the time; beyond 10,000 attempts on a problem it is off by 1e-3.

    >>> likelihood(np.array([0.0]), np.array([0.0])).shape
    (1, 24)
    """
    log = np.stack((k, n - k), axis=1).astype(np.float32) @ LOGS
    log -= log.max(axis=1, keepdims=True)
    np.maximum(log, DIM, out=log)  # below, exp would give denormal numbers, which are slow
    return np.exp(log, out=log)


def cells_of(alpha: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """(source, cell) share of a Beta in each cell.

    >>> cells_of(np.array([0.5]), np.array([0.5])).round(3)[0, :3]  # even in the angle
    array([0.042, 0.042, 0.042])
    """
    edge = np.sin(np.arange(1, CELLS) * np.pi / 2 / CELLS) ** 2
    below = special.betainc(alpha[:, None], beta[:, None], edge)
    ends = np.zeros((len(alpha), 1)), np.ones((len(alpha), 1))
    found = np.diff(np.concatenate((ends[0], below, ends[1]), axis=1), axis=1) + 1e-9
    return found / found.sum(axis=1, keepdims=True)


class _Part(NamedTuple):
    """Problems with attempts, by source: (row, cell) likelihood, and where each source begins."""

    like: np.ndarray
    source: np.ndarray
    present: np.ndarray
    start: np.ndarray
    share: float

    def total(self, values: np.ndarray) -> np.ndarray:
        """(present,) or (present, cell) sums over the rows of each source."""
        return np.add.reduceat(values, self.start, axis=0)


def _part(state: belief.Levels) -> _Part:
    rows = np.flatnonzero(state.tried > 0)
    part = rows[:: max(-(-len(rows) // MOST), 1)]
    part = part[np.argsort(state.source[part], kind="stable")]
    like = likelihood(state.solved[part], state.tried[part])
    source = state.source[part]
    present, start = np.unique(source, return_index=True)
    return _Part(like, source, present, start, len(rows) / max(len(part), 1))


def _few(part: _Part, base: np.ndarray, *, rounds: int, sparse: float) -> np.ndarray:
    """(present, cell) weights by EM; cells with less than `sparse` problems die out."""
    weight = np.full((len(part.present), CELLS), 1 / CELLS)
    at = np.repeat(np.arange(len(part.start)), np.diff([*part.start, len(part.source)]))
    for i in range(rounds):
        held = part.like * weight[at]
        held /= held.sum(axis=1, keepdims=True)
        cut = sparse * min(1.0, 2 * i / rounds)  # first spread out, then thinned
        total = np.maximum(part.share * part.total(held) - cut, 0) + LEFT * base[part.present]
        weight = total / total.sum(axis=1, keepdims=True)
    return weight


def fit_weights(
    state: belief.Levels, shape: belief.Shape, *, rounds: int, sparse: float
) -> np.ndarray:
    """(source, cell) weights of the grid: of one Beta, or of few kinds, as the counts allow.

    Two priors are set against each other in every source: the Beta that moments give it
    (`belief.fit_sources`), and a mixture of few kinds, fitted by EM with a penalty that lets
    small weights die out. They are averaged by BIC, with 2 parameters against 2 for each run of
    neighbouring cells less 1.

    Args:
        state: counts.
        shape: of `belief.fit_sources`.
        rounds: of EM.
        sparse: problems that a kind loses in each round.

    Ref: Laird 1978, JASA 73:805 (mixing distribution by EM); Figueiredo & Jain 2002, IEEE TPAMI
    24:381 (components that die out); differs: a fixed grid, and the average with a Beta.
    """
    precision = 1 / shape.correlation - 1
    weight = cells_of(shape.mean * precision, (1 - shape.mean) * precision)
    part = _part(state)
    if not len(part.source):
        return weight
    few = _few(part, weight, rounds=rounds, sparse=sparse)
    at = np.searchsorted(part.present, part.source)
    beta = weight[part.present]
    gain = part.share * part.total(
        np.log((part.like * few[at]).sum(axis=1)) - np.log((part.like * beta[at]).sum(axis=1))
    )
    many = part.share * part.total(np.ones(len(part.source)))
    there = few > 1.5 * LEFT / many[:, None]
    kinds = there[:, 0] + np.count_nonzero(there[:, 1:] & ~there[:, :-1], axis=1)
    bic = gain - (kinds - 1.5) * np.log(many)
    belief_in_few = special.expit(bic)[:, None]
    weight[part.present] = belief_in_few * few + (1 - belief_in_few) * beta
    return weight


def tilted(weight: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """(source, cell) weights times (p / (1 - p)) ** t, t such that they have a given mean.

    >>> tilted(np.full((1, CELLS), 1 / CELLS), np.array([0.7])).dot(GRID).round(6)
    array([0.7])
    """
    logit = np.log(GRID) - np.log1p(-GRID)
    low, high = np.full(len(mean), -SHIFT), np.full(len(mean), SHIFT)
    found = weight
    for _ in range(30):  # halvings
        middle = (low + high) / 2
        found = weight * np.exp(middle[:, None] * logit)
        found /= found.sum(axis=1, keepdims=True)
        below = found @ GRID < mean
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return found


def _moments(
    weight: np.ndarray, k: np.ndarray, n: np.ndarray, like: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """(problem,) mean and variance of the posterior; `weight` (problem, cell) of the prior."""
    post = weight if like is None else like * weight.astype(like.dtype, copy=False)
    powers = post @ np.stack((np.ones(CELLS), GRID, GRID**2), axis=1).astype(post.dtype)
    whole, first, second = powers.astype(float).T
    first, second = first / np.maximum(whole, TINY), second / np.maximum(whole, TINY)
    # each cell is a Beta of precision INSIDE: its own counts move it inside the cell
    full = INSIDE + n
    mean = (INSIDE * first + k) / full
    square = (INSIDE**2 * second + 2 * INSIDE * k * first + k * k) / full**2  # of cells' means
    within = (mean - square) / (full + 1)
    return mean, np.maximum(square - mean**2, 0) + np.maximum(within, 0)


def predict_mixture(
    state: belief.Levels,
    pool: Pool,
    *,
    correlation: float,
    weight: float,
    pseudo: float,
    rounds: int,
    sparse: float,
    trend: bool,
    **_: Any,
) -> Belief:
    """Beta with the mean and variance of each problem's posterior under its source's mixture.

    The mixture is tilted to the source's recent mean, so that it follows the policy as the
    hierarchical belief does. Where rates move fast, its old counts pass for kinds of problems:
    on simulated learners it was then behind one Beta of the same half-life.

    `draw` draws each source's weights first, from a Dirichlet worth the problems it has seen, and
    then cells and rates of the problems: problems of one source move together.
    """
    about = pool if trend else None
    shape = belief.fit_sources(
        state, correlation=correlation, weight=weight, pseudo=pseudo, pool=about
    )
    prior = tilted(fit_weights(state, shape, rounds=rounds, sparse=sparse), shape.mean)
    k, n = state.solved, state.tried
    mean, variance = np.empty(len(n)), np.empty(len(n))
    bare = _moments(prior, np.zeros(len(prior)), np.zeros(len(prior)))
    for value, of_source in zip((mean, variance), bare, strict=True):
        value[:] = of_source[pool.source]
    rows, narrow = np.flatnonzero(n > 0), prior.astype(np.float32)
    for start in range(0, len(rows), BLOCK):
        at = rows[start : start + BLOCK]
        like = likelihood(k[at], n[at])
        mean[at], variance[at] = _moments(narrow[pool.source[at]], k[at], n[at], like)
    size = np.bincount(pool.source[rows], minlength=len(prior)) + LONELY

    def draw(rng: np.random.Generator, m: int) -> np.ndarray:
        out = np.empty((m, len(n)))
        for one in out:
            drawn = rng.gamma(prior * size[:, None]) + TINY
            drawn /= drawn.sum(axis=1, keepdims=True)
            for start in range(0, len(n), BLOCK):
                at = slice(start, start + BLOCK)
                held = likelihood(k[at], n[at]) * drawn[pool.source[at]]
                below = np.cumsum(held, axis=1)
                point = rng.random((len(held), 1)) * below[:, -1:]
                p = GRID[np.minimum((below < point).sum(axis=1), CELLS - 1)]
                one[at] = rng.beta(p * INSIDE + k[at], (1 - p) * INSIDE + n[at] - k[at])
        return out

    return Belief(*matched(mean, variance), draw)


BELIEFS: dict[str, Slot] = {
    "mixture": Slot(
        init=belief.init_levels,
        observe=belief.observe_levels,
        suggest=predict_mixture,
        options={
            **belief.BELIEFS["hierarchical"].options,
            "half_life": 15.0,
            "rounds": 60,
            "sparse": 3.0,
        },
        bounds={
            **belief.BELIEFS["hierarchical"].bounds,
            "rounds": checks.AT_LEAST_1,
            "sparse": checks.AT_LEAST_0,
        },
        invariances=frozenset({"order", "permutation"}),
        paper="Per source one Beta or a mixture of few kinds of problems on a grid (EM, Laird "
        "1978; kinds die out as in Figueiredo & Jain 2002), averaged by BIC.",
    ),
}
