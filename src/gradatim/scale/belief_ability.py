"""The live scale: a policy's ability that moves with the steps, and problems that move less.

Axes: `problem`, `family`, `source`, `axis` (what the covariance is of: families, sources, and
last what problems that are trained on gain beyond anchors). What it knows: belief_live.py; what it
tells: belief_anchors.py.
A problem's logit is discrimination x (ability of its family - difficulty) + offset of its source +
offset of its own. Abilities and offsets are normal; each batch is folded in by moments.
"""

from typing import Any

import numpy as np
from scipy import linalg, special

from gradatim import checks
from gradatim.errors import ArgumentError
from gradatim.scale import belief, belief_anchors
from gradatim.scale.belief_live import Live
from gradatim.scale.belief_logits import MASS, NORMAL, absorb, matched, pass_rates
from gradatim.scale.belief_trend import kinds, spread_by_family, spread_by_level
from gradatim.types import Batch, Belief, Pool, Slot

SPREADS = 0.25 * 2.0 ** np.arange(0, 6, 0.5)  # .25 to 11 logits
MOST = 5000  # problems of a batch that the spread is learned from
MOST_SOURCES = 2000  # their covariance is kept whole
FIXED = 1e-3  # share of the usual spread that an anchor's offset has


def _fixed(pool: Pool, known: np.ndarray) -> np.ndarray:
    """(anchor,) indices of the pool's anchors, `known` (problem,) those with a difficulty."""
    if pool.anchors is None:
        return np.zeros(0, dtype=np.int64)
    if (lost := np.flatnonzero(pool.anchors & ~known)).size:
        raise ArgumentError(
            f"`anchors` hold the scale of belief 'irt' by their difficulties, but {lost.size} of "
            f"{pool.anchors.sum()} have none (problem {lost[0]} first): give `bank=` with all of "
            "them"
        )
    return np.flatnonzero(pool.anchors)


def init_live(
    pool: Pool,
    *,
    abilities: tuple[float, float],
    slope: float,
    level: float,
    own: float,
    misfit: float,
    walk: float,
    **_: Any,
) -> Live:
    """No attempts yet.

    Args:
        pool: with a bank's difficulties, or without. Offsets of its anchors stay 0, so that the
            ability is measured by them, and `belief_anchors.drift` tells how far the others have
            moved.
        abilities: sd of the part that all families share, and of the rest of each, in logits.
        slope, level, own: sd of the sources' offsets, see `spread_by_level`.
        misfit: share of these, and of problems' own offsets, where difficulties are known.
        walk: sd of an ability's move in a step, each of its parts.

    Raises:
        ArgumentError: anchors without difficulties; more than MOST_SOURCES sources.
    """
    checks.within(1, MOST_SOURCES, **{"number of sources": len(pool.sources)})
    about = kinds(pool)
    size = len(pool.source)
    code = np.zeros(size, dtype=np.int64)
    if pool.family is not None:
        code = np.asarray(pool.family, dtype=np.int64)
    families = int(code.max(initial=0)) + 1
    load, base = np.ones(size), np.zeros(size)
    scale = np.ones(size)
    known = np.zeros(size, dtype=bool)
    if pool.difficulty is not None:
        a = np.ones(size) if pool.discrimination is None else pool.discrimination
        known = np.isfinite(pool.difficulty) & np.isfinite(a)
        load = np.where(known, a, 1.0)
        mean = float(np.mean(pool.difficulty[known])) if known.any() else 0.0
        base = -load * np.where(known, pool.difficulty, mean)
        scale = np.where(known, misfit, 1.0)
    fixed = _fixed(pool, known)
    # a source of calibrated problems can be off by as little as the problems themselves can
    arms = len(pool.sources)
    many = np.maximum(np.bincount(pool.source, minlength=arms), 1)
    by_source = np.bincount(pool.source, weights=scale, minlength=arms) / many
    below = spread_by_level(about, slope=slope, level=level, own=own)
    below *= np.multiply.outer(by_source, by_source)
    above = spread_by_family(np.arange(families), shared=abilities[0], family_sd=abilities[1])
    together = spread_by_family(np.arange(families), shared=1.0, family_sd=1.0)
    anchored = float(len(fixed) > 0)
    covariance = np.asarray(linalg.block_diag(above, below, anchored))
    steps = np.asarray(linalg.block_diag(together, np.eye(arms), anchored))
    share = scale.copy()
    share[fixed] *= FIXED
    gains = np.ones(size)
    gains[fixed] = 0.0
    return Live(
        mean=np.zeros(families + arms + 1),
        covariance=covariance,
        info=np.zeros(size),
        pull=np.zeros(size),
        gains=gains,
        load=load,
        base=base,
        share=share,
        evidence=np.zeros((families, len(SPREADS))),
        family=code,
        source=families + np.asarray(pool.source, dtype=np.int64),
        beyond=np.zeros(size),
        noise=np.zeros(size),
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
    part = slice(None, None, len(rows) // MOST + 1)
    rows, k, n = rows[part], k[part], n[part]
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
    g, cov = state.gains[rows], state.covariance
    mean = state.base[rows] + a * state.mean[f] + state.mean[s] + g * state.mean[-1]
    own = np.diag(cov)
    variance = a * a * own[f] + 2 * a * cov[f, s] + own[s]
    if own[-1] > 0:
        variance = variance + g * (own[-1] + 2 * a * cov[f, -1] + 2 * cov[s, -1])
    return mean, np.maximum(variance, 0)


def _later(
    state: Live, step: int, *, half_life: float, restless: float, spread_half_life: float
) -> Live:
    """The state at a later step: abilities have walked, what attempts said is worth less."""
    lag = step - state.newest
    if state.newest < 0 or lag <= 0:
        return state._replace(newest=max(step, state.newest))
    old = 0.5 ** (lag / half_life) if half_life > 0 else 1.0
    keep = old / (1 + old * state.info * lag * restless**2)
    forget = 0.5 ** (lag / spread_half_life) if spread_half_life > 0 else 1.0
    return state._replace(
        covariance=state.covariance + lag * state.walk,
        info=keep * state.info,
        pull=keep * state.pull,
        beyond=old * state.beyond,
        noise=old * old * state.noise,
        evidence=forget * state.evidence,
        newest=step,
    )


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
    size, last = len(state.mean), np.full(len(rows), len(state.mean) - 1)
    loads = (
        (state.family[rows], state.load[rows]),
        (state.source[rows], np.ones(len(rows))),
        (last, state.gains[rows]),
    )
    told, push = np.zeros((size, size)), np.zeros(size)
    for at, by in loads:
        push += np.bincount(at, weights=trust * by * reading, minlength=size)
        for other, other_by in loads:
            np.add.at(told, (at, other), trust * by * other_by)
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

    Args:
        state: of `init_live`.
        batch: attempts; hinted and masked ones, and those of other roles, are left out.
        offset: guess of the sd of problems' own offsets; each family's is learned (`spreads`).
        half_life: steps in which what attempts said of an offset halves; 0: it does not.
        restless: sd of an offset's move in a step, in logits.
        spread_half_life: steps in which evidence on the sd of offsets halves; 0: it does not.

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
    state = belief_anchors.surprised(state, rows, mean=mean, variance=total, k=k, n=n)
    after, left = absorb(mean, total, k, n)
    precision = np.maximum(1 / left - 1 / total, 1e-9)
    reading = (after - mean) / (left * precision)  # beyond what was expected
    moved, cov = _joint(state, rows, 1 / (own + 1 / precision), reading)
    state = state._replace(mean=state.mean + moved, covariance=cov)
    rest = reading - (_logits(state, rows)[0] + at - mean)
    info, pull = state.info.copy(), state.pull.copy()
    info[rows] += precision
    pull[rows] += precision * (at + rest)
    return state._replace(info=info, pull=pull)


def predict_live(state: Live, pool: Pool, *, offset: float, **_: Any) -> Belief:
    """Beta of each problem with the mean and variance that the normal logit gives its pass rate.

    `draw` draws abilities and source offsets first, which all problems of a family share.
    """
    mean, shared = _logits(state)
    at, own = _offsets(state, spreads(state, offset)[state.family])
    alpha, beta = matched(*pass_rates(mean + at, shared + own))

    def draw(rng: np.random.Generator, m: int) -> np.ndarray:
        size = len(state.mean)
        value, vector = np.linalg.eigh(state.covariance)
        root = vector * np.sqrt(np.maximum(value, 0))
        z = state.mean + rng.standard_normal((m, size)) @ root.T
        logit = state.base + state.load * z[:, state.family] + z[:, state.source] + at
        logit += state.gains * z[:, -1:]
        logit += np.sqrt(own) * rng.standard_normal(logit.shape)
        return special.expit(logit)

    return Belief(alpha, beta, draw)


_LIVES = ("half_life", "restless", "spread_half_life")

BELIEFS: dict[str, Slot] = {
    "irt": Slot(
        init=init_live,
        observe=observe_live,
        suggest=predict_live,
        figures=belief_anchors.figures,
        options={
            "abilities": (1.0, 1.0),
            "slope": 0.3,
            "level": 1.0,
            "own": 0.5,
            "offset": 2.0,
            "misfit": 0.3,
            "walk": 0.05,
            "half_life": 200.0,
            "restless": 0.3,
            "spread_half_life": 10.0,
        },
        # spreads in logits and half-lives in steps; which anchors there are, the pool says
        bounds=dict.fromkeys(
            ["abilities", "slope", "level", "own", "offset", "misfit", "walk", *_LIVES],
            checks.AT_LEAST_0,
        ),
        invariances=frozenset({"permutation"}),
        paper="State-space item response model: abilities that walk, per family with a shared "
        "part; offsets of sources and problems, or a bank's difficulties; each problem's attempts "
        "as one Kalman reading by moments (assumed density, Minka arXiv:1301.2294, one sweep).",
    ),
}
