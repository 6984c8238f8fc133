"""The live scale: a policy's ability that moves with the steps, and problems that move less.

Axes: `problem`, `family`, `source`, `axis` (families, then sources: what the covariance is of).
A problem's logit is discrimination x (ability of its family - difficulty) + offset of its source +
offset of its own. Abilities and offsets are normal; each batch is folded in by moments.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy import linalg, special

from gradatim.scale import belief
from gradatim.scale.belief_mixture import matched
from gradatim.scale.belief_trend import kinds, spread_by_family, spread_by_level
from gradatim.types import Batch, Belief, Pool, Slot

NODES = np.linspace(-1, 1, 31)
SIDE = 5.0  # standard deviations that the nodes reach to either side
SPREADS = 0.25 * 2.0 ** np.arange(0, 5.5, 0.5)  # .25 to 8 logits
NORMAL = np.linspace(-4, 4, 21)  # even nodes stay exact where the logit is spread far
MASS = np.exp(-(NORMAL**2) / 2) / np.exp(-(NORMAL**2) / 2).sum()
BLOCK = 1 << 14


class Live(NamedTuple):
    """What is known at the newest step.

    Attributes:
        mean, covariance: (axis,), (axis, axis) abilities of families, then offsets of sources.
        info, pull: (problem,) precision and precision x mean of what attempts say of each
            problem's own offset; the prior of offsets comes on top.
        load, base: (problem,) discrimination, and minus discrimination x difficulty.
        share: (problem,) sd of an offset before any attempt, as a share of its family's.
        evidence: (family, spread) log-likelihood of each of SPREADS as the sd of offsets.
        family, source: (problem,) int, places in `axis`.
        walk: (axis, axis) what a step adds to the covariance.
        newest: step, -1 before any.
    """

    mean: np.ndarray
    covariance: np.ndarray
    info: np.ndarray
    pull: np.ndarray
    load: np.ndarray
    base: np.ndarray
    share: np.ndarray
    evidence: np.ndarray
    family: np.ndarray
    source: np.ndarray
    walk: np.ndarray
    newest: int


def init_live(
    pool: Pool,
    *,
    shared: float,
    family: float,
    slope: float,
    level: float,
    own: float,
    misfit: float,
    walk: float,
    **_: Any,
) -> Live:
    """No attempts yet; see `BELIEFS` for the options."""
    about = kinds(pool)
    size = len(pool.source)
    code = np.zeros(size, dtype=np.int64)
    if pool.family is not None:
        code = np.asarray(pool.family, dtype=np.int64)
    families = int(code.max(initial=0)) + 1
    load, base = np.ones(size), np.zeros(size)
    scale = np.ones(size)
    if pool.difficulty is not None:
        known = np.isfinite(pool.difficulty)
        a = np.ones(size) if pool.discrimination is None else pool.discrimination
        load = np.where(known, a, 1.0)
        mean = float(np.mean(pool.difficulty[known])) if known.any() else 0.0
        base = -load * np.where(known, pool.difficulty, mean)
        scale = np.where(known, misfit, 1.0)
    # a source of calibrated problems can be off by as little as the problems themselves can
    arms = len(pool.sources)
    many = np.maximum(np.bincount(pool.source, minlength=arms), 1)
    by_source = np.bincount(pool.source, weights=scale, minlength=arms) / many
    below = spread_by_level(about, slope=slope, level=level, own=own)
    below *= np.multiply.outer(by_source, by_source)
    above = spread_by_family(np.arange(families), shared=shared, family_sd=family)
    covariance = np.asarray(linalg.block_diag(above, below))
    steps = np.asarray(
        linalg.block_diag(
            spread_by_family(np.arange(families), shared=1.0, family_sd=1.0), np.eye(arms)
        )
    )
    return Live(
        mean=np.zeros(families + arms),
        covariance=covariance,
        info=np.zeros(size),
        pull=np.zeros(size),
        load=load,
        base=base,
        share=scale,
        evidence=np.zeros((families, len(SPREADS))),
        family=code,
        source=families + np.asarray(pool.source, dtype=np.int64),
        walk=walk**2 * steps,
        newest=-1,
    )


def _offsets(
    state: Live, variance: np.ndarray | float, rows: Any = slice(None)
) -> tuple[np.ndarray, np.ndarray]:
    """(row,) mean and variance of problems' own offsets; `variance` is that of their family."""
    own = 1 / (state.info[rows] + 1 / (variance * state.share[rows] ** 2))
    return own * state.pull[rows], own


def spreads(state: Live, guess: float) -> np.ndarray:
    """(family,) variance of the offsets of its problems: mean over SPREADS by evidence.

    Half of the evidence of all families together counts for each, so that a family with few
    attempts follows the others.
    """
    prior = -(np.log(SPREADS / guess) ** 2) / 2
    others = state.evidence.sum(axis=0) - state.evidence
    return special.softmax(prior + state.evidence + 0.1 * others, axis=1) @ SPREADS**2


def _told(state: Live, rows: np.ndarray, k: np.ndarray, n: np.ndarray) -> np.ndarray:
    """(family, spread) evidence with what these attempts tell of how much offsets differ."""
    mean, shared = _logits(state, rows)
    log = np.empty((len(rows), len(SPREADS)))
    for i, spread in enumerate(SPREADS):
        offset, own = _offsets(state, spread**2, rows)
        eta = (mean + offset)[:, None] + np.sqrt(shared + own)[:, None] * NORMAL
        loss = k[:, None] * eta - n[:, None] * np.logaddexp(0, eta)
        log[:, i] = special.logsumexp(loss, b=MASS, axis=1)
    evidence = state.evidence.copy()
    np.add.at(evidence, state.family[rows], log - log.mean(axis=1, keepdims=True))
    return evidence


def _logits(state: Live, rows: Any = slice(None)) -> tuple[np.ndarray, np.ndarray]:
    """(row,) mean and variance of the logits, the problems' own offsets left out."""
    a, f, s = state.load[rows], state.family[rows], state.source[rows]
    cov = state.covariance
    mean = state.base[rows] + a * state.mean[f] + state.mean[s]
    own = np.diag(cov)
    return mean, np.maximum(a * a * own[f] + 2 * a * cov[f, s] + own[s], 0)


def _later(
    state: Live, step: int, *, half_life: float, restless: float, spread_half_life: float
) -> Live:
    """The state at a later step: abilities have walked, what attempts said is worth less."""
    lag = step - state.newest
    if state.newest < 0 or lag <= 0:
        return state._replace(newest=max(step, state.newest))
    keep = 0.5 ** (lag / half_life) if half_life > 0 else 1.0
    keep = keep / (1 + keep * state.info * lag * restless**2)
    forget = 0.5 ** (lag / spread_half_life) if spread_half_life > 0 else 1.0
    return state._replace(
        covariance=state.covariance + lag * state.walk,
        info=keep * state.info,
        pull=keep * state.pull,
        evidence=forget * state.evidence,
        newest=step,
    )


def absorb(
    mean: np.ndarray, variance: np.ndarray, k: np.ndarray, n: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of a normal logit after k of n were right, by quadrature.

    Args:
        mean, variance: (row,) before.
        k, n: (row,) right and all attempts.

    Returns:
        (row,) mean and variance after; nodes reach as far as either side of the posterior does.

    >>> mean, variance = absorb(np.zeros(1), np.ones(1), np.array([2.0]), np.array([4.0]))
    >>> bool(abs(mean[0]) < 1e-9), bool(0.5 < variance[0] < 1)
    (True, True)
    """
    after = np.empty((2, len(mean)))
    for start in range(0, len(mean), BLOCK):
        rows = slice(start, start + BLOCK)
        after[:, rows] = _absorb(mean[rows], variance[rows], k[rows], n[rows])
    return after[0], after[1]


def _absorb(mean: np.ndarray, variance: np.ndarray, k: np.ndarray, n: np.ndarray) -> np.ndarray:
    def log(eta: np.ndarray) -> np.ndarray:
        # k log s + (n - k) log (1 - s) = k eta - n log(1 + e^eta)
        loss = n[:, None] * np.logaddexp(0, eta)
        return k[:, None] * eta - loss - (eta - mean[:, None]) ** 2 / (2 * variance[:, None])

    mode = mean.copy()
    for _ in range(12):
        p = special.expit(mode)
        slope = k - n * p - (mode - mean) / variance
        mode = mode + np.clip(slope / (n * p * (1 - p) + 1 / variance), -2, 2)
    p = special.expit(mode)
    near = 1 / np.sqrt(n * p * (1 - p) + 1 / variance)
    ends = mode[:, None] + SIDE * near[:, None] * np.array([-1, 0, 1])
    drop = log(ends)
    far = drop[:, 1:2] - drop[:, [0, 2]] < SIDE  # flat on that side: the prior ends it
    reach = SIDE * np.where(far, np.sqrt(variance)[:, None], near[:, None])
    side = np.where(NODES < 0, reach[:, :1], reach[:, 1:])
    at_mode = (reach[:, :1] + reach[:, 1:]) / 2
    eta = mode[:, None] + side * NODES
    weight = log(eta) - drop[:, 1:2]
    weight = np.exp(weight) * np.where(NODES == 0, at_mode, side)
    weight /= weight.sum(axis=1, keepdims=True)
    first = (weight * eta).sum(axis=1)
    return np.stack([first, (weight * (eta - first[:, None]) ** 2).sum(axis=1)])


def _joint(
    state: Live, rows: np.ndarray, trust: np.ndarray, reading: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(axis,) how the axes move by readings of logits, and (axis, axis) covariance after.

    Args:
        state: with the covariance before.
        rows: (row,) problems that are read.
        trust: (row,) 1 / variance of a reading, the problem's own offset in it.
        reading: (row,) logit beyond what was expected.
    """
    f, s, a = state.family[rows], state.source[rows], state.load[rows]
    size = len(state.mean)
    told = np.zeros((size, size))
    for first, second, by in ((f, f, a * a), (f, s, a), (s, f, a), (s, s, np.ones(len(a)))):
        np.add.at(told, (first, second), trust * by)
    push = np.bincount(f, weights=trust * a * reading, minlength=size)
    push += np.bincount(s, weights=trust * reading, minlength=size)
    cov = linalg.solve(np.eye(size) + state.covariance @ told, state.covariance)
    cov = (cov + cov.T) / 2
    return cov @ push, cov


def observe_live(
    state: Live,
    batch: Batch,
    *,
    offset: float,
    half_life: float,
    restless: float,
    spread_half_life: float,
    **_: Any,
) -> Live:
    """Fold a batch in: one Kalman step with each problem's attempts as one normal reading.

    A problem's attempts are turned into the reading that moves its logit, by itself, to the
    moments of its posterior (assumed density); readings of all problems then move the abilities
    and offsets together. A batch of an older step counts as if it were made now.

    Ref: Minka 2001, arXiv:1301.2294 (expectation propagation), one sweep: further ones inside a
    batch changed nothing measurable; differs: afterwards a problem's own offset and the abilities
    are taken as independent.
    """
    problem, solved = belief.seen(batch)
    state = _later(
        state,
        batch.step,
        half_life=half_life,
        restless=restless,
        spread_half_life=spread_half_life,
    )
    rows, code = np.unique(problem, return_inverse=True)
    if not len(rows):
        return state
    n = np.bincount(code).astype(float)
    k = np.bincount(code, weights=solved)
    state = state._replace(evidence=_told(state, rows, k, n))
    mean, shared = _logits(state, rows)
    at, own = _offsets(state, spreads(state, offset)[state.family[rows]], rows)
    mean, total = mean + at, shared + own
    after, left = absorb(mean, total, k, n)
    precision = np.maximum(1 / left - 1 / total, 1e-9)
    reading = (after - mean) / (left * precision)  # beyond what was expected
    moved, cov = _joint(state, rows, 1 / (own + 1 / precision), reading)
    rest = reading - state.load[rows] * moved[state.family[rows]] - moved[state.source[rows]]
    info, pull = state.info.copy(), state.pull.copy()
    info[rows] += precision
    pull[rows] += precision * (at + rest)
    return state._replace(mean=state.mean + moved, covariance=cov, info=info, pull=pull)


def _pass_rates(mean: np.ndarray, variance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(problem,) mean and variance of s(logit) of a normal logit."""
    sd = np.sqrt(variance)
    first, second = np.zeros(len(mean)), np.zeros(len(mean))
    for x, w in zip(NORMAL, MASS, strict=True):
        p = 1 / (1 + np.exp(-np.clip(mean + x * sd, -40, 40)))
        first += w * p
        second += w * p * p
    return first, np.maximum(second - first**2, 0)


def predict_live(state: Live, pool: Pool, *, offset: float, **_: Any) -> Belief:
    """Beta of each problem with the mean and variance that the normal logit gives its pass rate.

    `draw` draws abilities and source offsets first, which all problems of a family share.
    """
    mean, shared = _logits(state)
    at, own = _offsets(state, spreads(state, offset)[state.family])
    alpha, beta = matched(*_pass_rates(mean + at, shared + own))

    def draw(rng: np.random.Generator, m: int) -> np.ndarray:
        size = len(state.mean)
        value, vector = np.linalg.eigh(state.covariance)
        root = vector * np.sqrt(np.maximum(value, 0))
        z = state.mean + rng.standard_normal((m, size)) @ root.T
        logit = state.base + state.load * z[:, state.family] + z[:, state.source] + at
        logit += np.sqrt(own) * rng.standard_normal(logit.shape)
        return special.expit(logit)

    return Belief(alpha, beta, draw)


BELIEFS: dict[str, Slot] = {
    "irt": Slot(
        init=init_live,
        observe=observe_live,
        suggest=predict_live,
        options={
            "shared": 1.0,
            "family": 1.0,
            "slope": 0.3,
            "level": 1.0,
            "own": 0.5,
            "offset": 2.0,
            "misfit": 0.3,
            "walk": 0.05,
            "half_life": 200.0,
            "restless": 0.2,
            "spread_half_life": 25.0,
        },
        invariances=frozenset({"permutation"}),
        paper="State-space item response model: abilities that walk, per family with a shared "
        "part; offsets of sources and problems, or a bank's difficulties; each problem's attempts "
        "as one Kalman reading by moments (assumed density, Minka arXiv:1301.2294, one sweep).",
    ),
}
