"""Curricula: the order in which problems come, easy before hard. Axes: `problem`, `rung`.

A rung is a level of a family; each family climbs its own ladder. Problems whose level is unknown
stand on their family's lowest rung.
"""

from typing import Any, NamedTuple

import numpy as np

from gradatim import checks
from gradatim.choice import plans, samplers
from gradatim.errors import ArgumentError, nearest
from gradatim.types import Ask, Batch, Plan, Pool, Slot


def _unaided(batch: Batch) -> np.ndarray:
    """(attempt,) bool: counted, and on the problem as it is."""
    plain = batch.mask & (batch.role == 0)
    return plain if batch.hint is None else plain & (batch.hint == 0)


# -- ladders ----------------------------------------------------------------------------------


class Ladder(NamedTuple):
    """Rungs of all families, and how recent attempts on each went.

    Attributes:
        rung: (problem,) int.
        family, height: (rung,) int, family and place on its ladder, from 0.
        tried, solved: (rung,) float, attempts that fade as later ones on the rung come.
        at: (family,) int, height that a family has reached.
    """

    rung: np.ndarray
    family: np.ndarray
    height: np.ndarray
    tried: np.ndarray
    solved: np.ndarray
    at: np.ndarray


def init_ladder(pool: Pool, **_: Any) -> Ladder:
    """Every family at its lowest level."""
    size = len(pool.source)
    family = np.zeros(size, dtype=np.int64) if pool.family is None else pool.family
    level = np.zeros(size) if pool.level is None else np.asarray(pool.level, dtype=float)
    known = np.isfinite(level)
    names, code = np.unique(np.where(known, level, np.inf), return_inverse=True)
    families = int(family.max()) + 1
    width = len(names)
    pair = family.astype(np.int64) * width + code.reshape(-1)
    lowest = np.full(families, width - 1)
    np.minimum.at(lowest, family[known], code.reshape(-1)[known])
    pair = np.where(known, pair, family * width + lowest[family])
    there, rung = np.unique(pair, return_inverse=True)
    owner = there // width
    height = np.arange(len(there)) - np.searchsorted(owner, owner)
    zeros = np.zeros(len(there))
    at = np.zeros(families, dtype=np.int64)
    return Ladder(rung.reshape(-1), owner, height, zeros, zeros.copy(), at)


def observe_rungs(state: Ladder, batch: Batch, *, memory: float, **_: Any) -> Ladder:
    """Count attempts on their rungs; `memory` attempts on a rung halve what came before."""
    checks.within(1e-9, 1e12, memory=memory)
    plain = _unaided(batch)
    rung = state.rung[batch.problem[plain]]
    rungs = len(state.tried)
    n = np.bincount(rung, minlength=rungs)
    k = np.bincount(rung, weights=batch.solved[plain], minlength=rungs)
    keep = 0.5 ** (n / memory)
    return state._replace(tried=keep * state.tried + n, solved=keep * state.solved + k)


def passed(state: Ladder, *, rate: float, least: float) -> np.ndarray:
    """(rung,) bool: at least `least` recent attempts, and more than `rate` of them solved."""
    samplers.target_rate(rate, "rate")
    checks.within(1, 1e12, least=least)
    return (state.tried >= least) & (state.solved > rate * state.tried)


def observe_levels(
    state: Ladder, batch: Batch, *, rate: float, least: float, memory: float, **_: Any
) -> Ladder:
    """Count a batch; a family whose rung is passed goes one up, for good."""
    state = observe_rungs(state, batch, memory=memory)
    here = state.height == state.at[state.family]
    up = np.zeros(len(state.at), dtype=bool)
    up[state.family[here]] = passed(state, rate=rate, least=least)[here]
    top = np.zeros(len(state.at), dtype=np.int64)
    np.maximum.at(top, state.family, state.height)
    return state._replace(at=np.minimum(state.at + up, top))


def _rung_weights(state: Ladder, share: np.ndarray, away: np.ndarray, size: int) -> np.ndarray:
    """(problem,) weights that give each rung its share, evenly inside.

    Rungs with a share that hold fewer than `size` problems are joined by those next to them.
    """
    inside = np.bincount(state.rung, minlength=len(share))
    if inside[share > 0].sum() < size:
        return samplers.inside(away[state.rung], min(size, len(state.rung)))
    return (share / np.maximum(inside, 1))[state.rung]


def levels(
    state: Ladder,
    ask: Ask,
    rng: np.random.Generator,
    *,
    rate: float = 0.75,
    least: float = 64,
    memory: float = 256,
    explore: float = 0.0,
) -> Plan:
    """Each family at one level, which rises once more than `rate` of its attempts are solved.

    Prompts are shared evenly by families. Only attempts on the level itself count, so batches of
    an earlier level that come late change nothing.

    Ref: SATURN, Liu et al. 2025, arXiv:2505.16368 (pass@1 on a validation set above eps raises
    the difficulty for the next stage). Differs: training attempts judge instead of a validation
    set; eps is not published; levels are the family's own instead of its measure D.
    """
    samplers.target_rate(rate, "rate")
    away = np.abs(state.height - state.at[state.family])
    weight = _rung_weights(state, (away == 0).astype(float), away, ask.prompts)
    return samplers.by_weight(ask, weight, rng, explore=explore, why="level")


def mastery(
    state: Ladder,
    ask: Ask,
    rng: np.random.Generator,
    *,
    rate: float = 0.8,
    least: float = 64,
    memory: float = 256,
    review: float = 0.2,
    explore: float = 0.0,
) -> Plan:
    """Easy to hard: the lowest level that is not mastered, and a share of review of those that are.

    A level is mastered while more than `rate` of its recent attempts are solved; review notices
    what is forgotten, and the family goes back to it. Prompts are shared evenly by families.

    Ref: mastery learning (Bloom 1968); the easy-to-hard warm-up of arXiv:2501.09766 (abstract
    only). Differs: no stages of fixed length.
    """
    checks.within(0, 1, review=review)
    done = passed(state, rate=rate, least=least)
    families = len(state.at)
    top = np.zeros(families, dtype=np.int64)
    np.maximum.at(top, state.family, state.height)
    first = top.copy()  # a family that has mastered everything stays at its hardest level
    np.minimum.at(first, state.family[~done], state.height[~done])
    here = state.height == first[state.family]
    below = state.height < first[state.family]
    behind = np.bincount(state.family[below], minlength=families)[state.family]
    share = np.where(here, np.where(behind > 0, 1 - review, 1.0), 0.0)
    share[below] = review / behind[below]
    away = np.abs(state.height - first[state.family])
    weight = _rung_weights(state, share, away, ask.prompts)
    return samplers.by_weight(ask, weight, rng, explore=explore, why="mastery")


# -- bands ------------------------------------------------------------------------------------

BANDS = ("hard", "medium", "easy")


def band(rate: np.ndarray, *, hard: float = 0.3, medium: float = 0.7) -> np.ndarray:
    """(problem,) int, index into BANDS: rate <= hard, hard < rate <= medium, above.

    Ref: CLPO, 2025, arXiv:2509.25004, thresholds of its released configuration.

    >>> band(np.array([0.0, 0.3, 0.31, 0.7, 0.71]))
    array([0, 0, 1, 1, 2])
    """
    checks.within(0, medium, hard=hard)
    checks.within(hard, 1, medium=medium)
    edges = np.array([hard, medium])
    # a rate that is a threshold up to rounding is that threshold
    return np.searchsorted(edges * (1 + 1e-9), rate, side="left")


def bands(
    state: tuple,
    ask: Ask,
    rng: np.random.Generator,
    *,
    hard: float = 0.3,
    medium: float = 0.7,
    shares: tuple[float, float, float] = (0.4, 0.5, 0.1),
    explore: float = 0.0,
) -> Plan:
    """A share of the prompts from each band of believed pass rates: hard, medium, easy.

    A band with too few problems gives all it has. `shares` need not sum to 1.

    Ref: CLPO, 2025, arXiv:2509.25004. Differs: bands of the belief instead of one group's
    accuracy; the paper trains on all that is neither always nor never solved and rewrites by
    band, the shares are ours.
    """
    share = samplers.parted(shares, BANDS)
    code = band(samplers.rates(ask.belief), hard=hard, medium=medium)
    inside = np.bincount(code, minlength=3)
    weight = (share / np.maximum(inside, 1))[code]
    return samplers.by_weight(ask, weight, rng, explore=explore, why="band")


def _known_shares(pool: Pool, problems: Any, provides: Any, *, shares: Any, **_: Any) -> None:
    samplers.parted(shares, BANDS)


# -- upsampling at the end --------------------------------------------------------------------


def known_domain(pool: Pool, *, domain: str | tuple[str, ...], **_: Any) -> None:
    """Check that a pool has these sources or families.

    Raises:
        ArgumentError: names some that it has, and the nearest.
    """
    known = {name.split(":")[0] for name in pool.sources} | set(pool.sources)
    for name in (domain,) if isinstance(domain, str) else domain:
        if name not in known:
            raise ArgumentError(
                "`domain` must name sources or families of the pool "
                f"({', '.join(sorted(known)[:8])} ...); got {name!r}{nearest(name, known)}"
            )


def upsample(
    state: tuple,
    ask: Ask,
    rng: np.random.Generator,
    *,
    domain: str | tuple[str, ...] = (),
    share: float = 0.3,
    start: float = 0.8,
) -> Plan:
    """Sweeps through the pool; in the last part of the run, `share` of the prompts from a domain.

    Args:
        state, ask, rng: as for every sampler; `ask.progress` says how far the run is.
        domain: names of sources, or of families (all their levels); () = none.
        share: of the prompts in the last part; a domain that has more anyway keeps it.
        start: progress in [0, 1] from which on the domain is upsampled.

    Ref: Blakeney et al. 2024, arXiv:2406.03476 (the last 10-20% of training, shares of 5-30%).
    Differs: problems for a policy instead of tokens for a language model.

    Raises:
        ArgumentError: a domain that the pool does not have.
    """
    checks.within(0, 1, share=share, start=start)
    domain = (domain,) if isinstance(domain, str) else tuple(domain)
    names = ask.pool.sources
    known_domain(ask.pool, domain=domain)
    if ask.progress < start or not domain:
        return samplers.uniform((), ask, rng)
    picked = np.array([not {name, name.split(":")[0]}.isdisjoint(domain) for name in names])
    member = picked[ask.pool.source]
    natural = float(member.mean())
    if natural in (0.0, 1.0):
        return samplers.uniform((), ask, rng)
    more = max(share, natural)
    weight = np.where(member, more / natural, (1 - more) / (1 - natural))
    return samplers.by_weight(ask, weight, rng, explore=0.0, why="domain")


# -- re-sorted blocks -------------------------------------------------------------------------


class Seen(NamedTuple):
    """How many groups of each problem came back, (problem,) int."""

    groups: np.ndarray


def init_seen(pool: Pool, **_: Any) -> Seen:
    """None yet."""
    return Seen(np.zeros(len(pool.source), dtype=np.int64))


def observe_seen(state: Seen, batch: Batch, **_: Any) -> Seen:
    """Count the groups of a step, masked ones too: they have had their turn."""
    first = np.unique(batch.group, return_index=True)[1]
    count = np.bincount(batch.problem[first], minlength=len(state.groups))
    return Seen(state.groups + count)


def _blocks(pool: Pool, seed: int, sweep: int) -> np.ndarray:
    """Problems from easy to hard before any attempt: by bank, else by level; ties at random."""
    key = pool.level if pool.difficulty is None else pool.difficulty
    size = len(pool.source)
    shuffled = np.random.default_rng([seed, sweep]).permutation(size)
    if key is None or not np.isfinite(key).any():
        return shuffled
    key = np.where(np.isfinite(key), key, np.nanmedian(key))
    return shuffled[np.argsort(key[shuffled], kind="stable")]


def resort(state: Seen, ask: Ask, rng: np.random.Generator, *, blocks: int = 8) -> Plan:
    """Sweeps in blocks from easy to hard; what is left of a block is re-sorted by the belief.

    The pool is cut into blocks by difficulty as known beforehand (a bank's, else the level). In a
    block, every step takes the problems that are easiest to the current policy among those that
    have not had their turn. Turns that are still out are taken to be the easiest ones, as they
    were when they were planned: with feedback `lag` steps late a problem can come twice and
    another not at all where the belief reorders a block in between.

    Ref: ADCL, Zhang et al. 2025, arXiv:2505.08364 (difficulty is re-estimated and the next batch
    re-sorted). Differs: the belief re-estimates from training attempts, before every step.
    """
    size = len(ask.pool.source)
    checks.within(1, 1e9, blocks=blocks)
    rate = samplers.rates(ask.belief)
    parts, at, last = [], ask.drawn, ask.drawn + ask.prompts
    while at < last:
        sweep, place = divmod(at, size)
        edges = np.arange(min(blocks, size) + 1) * size // min(blocks, size)
        block = int(np.searchsorted(edges, place, side="right")) - 1
        member = _blocks(ask.pool, ask.seed, sweep)[edges[block] : edges[block + 1]]
        back = state.groups[member] > sweep
        waiting = member[~back]
        waiting = waiting[np.argsort(-rate[waiting], kind="stable")]
        out = max(place - int(edges[block]) - int(back.sum()), 0)
        take = min(last - at, int(edges[block + 1]) - place)
        parts.append(_after(waiting, member, out, take))
        at += take
    problem = np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)
    label = np.full(len(problem), "turn")
    sure = np.ones(len(problem))
    return plans.rows(problem, step=ask.step, propensity=sure, why=label)


def _after(waiting: np.ndarray, member: np.ndarray, out: int, take: int) -> np.ndarray:
    """`take` problems after the first `out`; should too few wait, others of the block again."""
    found = waiting[out : out + take]
    if len(found) < take:
        others = np.setdiff1d(member, found)
        found = np.r_[found, others[: take - len(found)]]
    return found


_LADDER = {"least": 64, "memory": 256, "explore": 0.0}
_LADDER_BOUNDS = {"least": (1, 1e12), "memory": (1, 1e12), "explore": checks.SHARE}

SAMPLERS: dict[str, Slot] = {
    "levels": Slot(
        init=init_ladder,
        observe=observe_levels,
        suggest=levels,
        options={"rate": 0.75, **_LADDER},
        bounds={"rate": checks.INSIDE, **_LADDER_BOUNDS},
        invariances=frozenset({"propensity", "distinct"}),
        paper="SATURN's level control (arXiv:2505.16368), judged by training attempts; its "
        "threshold is not published.",
    ),
    "mastery": Slot(
        init=init_ladder,
        observe=observe_rungs,
        suggest=mastery,
        options={"rate": 0.8, "review": 0.2, **_LADDER},
        bounds={"rate": checks.INSIDE, "review": checks.SHARE, **_LADDER_BOUNDS},
        invariances=frozenset({"propensity", "distinct"}),
        paper="Easy to hard until a level is mastered (Bloom 1968; warm-up of arXiv:2501.09766), "
        "with review.",
    ),
    "bands": Slot(
        suggest=bands,
        options={"hard": 0.3, "medium": 0.7, "shares": (0.4, 0.5, 0.1), "explore": 0.0},
        bounds={"hard": checks.SHARE, "medium": ("hard", 1), "shares": (0, 1e12)}
        | {"explore": checks.SHARE},
        check=_known_shares,
        invariances=frozenset({"propensity", "distinct"}),
        paper="CLPO's bands (arXiv:2509.25004) of the believed pass rate; the shares are ours.",
    ),
    "upsample": Slot(
        suggest=upsample,
        options={"domain": (), "share": 0.3, "start": 0.8},
        bounds={"share": checks.SHARE, "start": checks.SHARE},
        check=lambda pool, problems, provides, **o: known_domain(pool, **o),
        invariances=frozenset({"propensity", "every_problem", "sweep"}),
        paper="Domain upsampling at the end of training (arXiv:2406.03476).",
    ),
    "resort": Slot(
        init=init_seen,
        observe=observe_seen,
        suggest=resort,
        options={"blocks": 8},
        bounds={"blocks": (1, 1e9)},
        invariances=frozenset({"propensity"}),
        paper="ADCL (arXiv:2505.08364): blocks easy to hard, each re-sorted by the current "
        "belief, before every step.",
    ),
}
