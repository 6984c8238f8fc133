"""Does a verifier change while it judges? Verdicts, in order, against what the scale expects.

Axes: `attempt` (in order), `template` (a way in which the rate of errors may go over time).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import special

from gradatim import checks
from gradatim.evaluation.curves import rising
from gradatim.scale import irt
from gradatim.types import Bank, Estimate, Responses

EDGE = 0.02  # chances are kept this far from 0 and 1: no curve is that sure of a verdict
BINS = 60  # of attempts by chance, whose share solved is counted
DRAWS, WORK = (999, 3999), 4e7  # fewest and most draws, and attempts drawn in all
BLOCK = (256, 4096)  # draws and attempts at a time
ENOUGH = 200  # draws as large as the real one, after which p is known well enough
MOST = 1_000_000  # attempts; of more, every second, third ...
SWEEPS = 40  # that take solvers and items out of a template
STARTS = (
    0.01,
    0.02,
    0.05,
    0.1,
    0.15,
    0.2,
    0.3,
    0.4,
    0.5,
    0.6,
    0.7,
    0.8,
    0.85,
    0.9,
    0.95,
    0.98,
    0.99,
)
REPEATED, OWN = 3, 2.0  # attempts a cell from which it is its own expectation; weight of the curve
TOLD = 0.1  # share of a template that must be left once solvers and items are taken out
FAULTS = ("refused", "passed")


class Trend(NamedTuple):
    """How verdicts changed.

    Attributes:
        p: chance of a change so clear, in either kind of error, where nothing changed.
        fault: "refused" (right answers that fail) or "passed" (wrong answers that pass), whichever
            changed more clearly.
        change: by how much its rate rose, from before `start` to after it, or over the whole
            length where `start` is None.
        start: attempt at which it changed; None: it went steadily.
        z: of that change.
        told: share of the order that is not also an order of solvers or of items.
    """

    p: float
    fault: str
    change: Estimate
    start: int | None
    z: float
    told: float


def verdict_trend(
    solver: np.ndarray,
    item: np.ndarray,
    score: np.ndarray,
    bank: Bank,
    *,
    level: float = 0.95,
    seed: int = 0,
) -> Trend | None:
    """Test whether verdicts drift, step or turn, given who answered what.

    A verifier that refuses a share f of right answers makes a chance P one of P (1 - f); one that
    passes a share g of wrong ones P + g (1 - P). The score of a change of f or g over time is
    taken for a steady trend and for a step at each of 17 places, less what any abilities and
    difficulties could do. The larger of the two trends, and the largest of the steps, are compared
    with those of verdicts drawn anew, and the less usual of the two counts: half of the alarm is
    for a steady trend, which many places of a step would drown.

    Args:
        solver, item: (attempt,) int, indices into the bank's; attempts in the order of verdicts.
        score: (attempt,) float in [0, 1].
        bank: of these attempts.
        level: of the interval of the change.
        seed: of halves and draws.

    Returns:
        Trend; None where the order is that of solvers or of items, so that nothing can be told.
        A solver that itself changed, behind an unchanged name, looks the same.

    Ref: efficient score, Rao 1948, with the nuisance taken out; a step at an unknown place:
    Andrews 1993, Econometrica 61:821; differs: its largest value by a parametric bootstrap, since
    a rare refusal in a short stretch is far from normal. The less usual of two: Westfall & Young
    1993, Resampling-based multiple testing, 2.3; draws end where many were as large: Besag &
    Clifford 1991, Biometrika 78:301. Chances are of the other half of the
    attempts, so that no verdict vouches for itself.

    >>> from gradatim.scale import irt
    >>> from gradatim.types import Matrix
    >>> rng = np.random.default_rng(0)
    >>> p = special.expit(rng.normal(2, 1, size=(30, 1)) - rng.normal(size=200))
    >>> order = rng.permutation(6000)
    >>> solver, item = np.divmod(order, 200)
    >>> score = (rng.random(6000) < p[solver, item]) * (rng.random(6000) > 0.3 * (np.arange(6000)
    ...     > 3000))
    >>> table = np.zeros((30, 200))
    >>> table[solver, item] = score
    >>> names = [tuple(f"{i}" for i in range(n)) for n in p.shape]
    >>> bank = irt.fit(Matrix(solved=table, tried=1, solvers=names[0], items=names[1]))
    >>> found = verdict_trend(solver, item, score, bank)
    >>> found.fault, found.start, found.p < 0.01
    ('refused', 3000, True)
    """
    checks.shapes(solver=(solver, "attempt"), item=(item, "attempt"), score=(score, "attempt"))
    known = np.isfinite(bank.ability)[solver] & np.isfinite(bank.difficulty)[item]
    places = np.flatnonzero(known)
    places = places[:: 1 + len(places) // MOST]
    solver, item, score = solver[places], item[places], np.asarray(score, dtype=float)[places]
    if len(score) < 100:
        return None
    p, rest, axes, metric = _expected((solver, item, score), bank, seed)
    plain = [(solver, np.ones(len(score))), (item, np.ones(len(score)))]
    looks, rows, noise = [], [], p * (1 - p)
    for start in (None, *(round(share * len(score)) for share in STARTS)):
        shape = _shape(len(score), start)
        left = _without(shape, plain, metric)
        told = float((left**2 * metric).sum()) / float((shape**2 * metric).sum())
        if told < TOLD:  # an order of solvers, or of items
            continue
        for fault, unit in zip(FAULTS, (-1 / (1 - p), 1 / p), strict=True):
            pure = _without(shape * unit, axes, metric)
            spread = float(np.sqrt((pure**2 * noise).sum()))
            z = float((pure * rest).sum()) / spread
            rows.append((pure / spread).astype(np.float32))
            error = spread / float((pure * shape * unit * noise).sum())
            looks.append((fault, z, start, z * error, error, told))
    if not looks:
        return None
    steady = np.array([look[2] is None for look in looks])
    z = np.array([look[1] for look in looks])
    chance, best = _chance(np.stack(rows), p, z, steady, seed=seed)
    fault, z, start, change, error, told = looks[best]
    wide = special.ndtri(0.5 + level / 2) * error
    return Trend(
        p=chance,
        fault=fault,
        change=Estimate(change, change - wide, change + wide, len(score)),
        start=None if start is None else int(places[start]),
        z=z,
        told=float(told),
    )


def _expected(
    attempts: tuple[np.ndarray, np.ndarray, np.ndarray], bank: Bank, seed: int
) -> tuple[np.ndarray, np.ndarray, list[tuple[np.ndarray, np.ndarray]], np.ndarray]:
    """(attempt,) chances, residuals, what a template must leave alone, and weights.

    The weights are those of the fit that made the residuals, or they would not be orthogonal.
    """
    solver, item, score = attempts
    a, ones = bank.discrimination[item], np.ones(len(score))
    p = special.expit(a * (bank.ability[solver] - bank.difficulty[item]))
    size = item.max() + 1
    cell = np.unique(solver.astype(np.int64) * size + item, return_inverse=True)[1].reshape(-1)
    half = np.random.default_rng(seed).random(len(score)) < 0.5
    if len(score) >= REPEATED * (cell.max() + 1):  # each cell is compared with itself
        own = (np.bincount(cell, weights=score) / np.bincount(cell))[cell]
        apart = _observed(_cells_without(cell, score, p, half), score)
        return apart, score - own, [(cell, ones)], ones
    apart = _observed(_without_half(attempts, bank, p, half), score)
    return apart, score - p, [(solver, a), (item, ones)], np.maximum(p * (1 - p), 1e-4)


def _without_half(
    attempts: tuple[np.ndarray, np.ndarray, np.ndarray],
    bank: Bank,
    chance: np.ndarray,
    half: np.ndarray,
) -> np.ndarray:
    """(attempt,) chances from a bank of the other half: no verdict vouches for itself."""
    solver, item, score = attempts
    found = chance.copy()
    for own in (half, ~half):
        other = ~own
        code, cell = np.unique(
            solver[other].astype(np.int64) * len(bank.items) + item[other], return_inverse=True
        )
        responses = Responses(
            solver=code // len(bank.items),
            item=code % len(bank.items),
            solved=np.bincount(cell.reshape(-1), weights=score[other]),
            tried=np.bincount(cell.reshape(-1)),
            solvers=bank.solvers,
            items=bank.items,
        )
        made = irt.fit(responses)
        logit = made.discrimination[item] * (made.ability[solver] - made.difficulty[item])
        known = own & np.isfinite(logit)
        found[known] = special.expit(logit[known])
    return found


def _cells_without(
    cell: np.ndarray, score: np.ndarray, chance: np.ndarray, half: np.ndarray
) -> np.ndarray:
    """(attempt,) share solved of the cell's attempts in the other half, and some of the curve."""
    found = np.empty(len(score))
    for own in (half, ~half):
        tried = np.bincount(cell, weights=~own)
        solved = np.bincount(cell, weights=score * ~own)
        found[own] = ((solved[cell] + OWN * chance) / (tried[cell] + OWN))[own]
    return found


def _observed(chance: np.ndarray, score: np.ndarray) -> np.ndarray:
    """(attempt,) share solved by attempts of like chance: errors at all times are in it."""
    order = np.argsort(chance, kind="stable")
    starts = np.unique(np.linspace(0, len(order), BINS, endpoint=False).astype(int))
    size = np.diff(np.r_[starts, len(order)])
    shown = rising(np.add.reduceat(score[order], starts) / size, size.astype(float))
    found = np.empty(len(chance))
    found[order] = np.repeat(shown, size)
    return np.clip(found, EDGE, 1 - EDGE)


def _shape(n: int, start: int | None) -> np.ndarray:
    """(attempt,) a steady rise by 1, or a step by 1; centred."""
    time = np.arange(n) + 0.5
    shape = time / n if start is None else (time > start).astype(float)
    return shape - shape.mean()


def _without(
    row: np.ndarray, axes: Sequence[tuple[np.ndarray, np.ndarray]], noise: np.ndarray
) -> np.ndarray:
    """A template less what abilities and difficulties could do, by weighted least squares."""
    bends = [np.bincount(code, weights=noise * f * f) for code, f in axes]
    size = float((row * row * noise).sum())
    for _ in range(SWEEPS):
        for (code, factor), bend in zip(axes, bends, strict=True):
            pull = np.bincount(code, weights=noise * factor * row)
            row = row - factor * (pull / np.maximum(bend, 1e-12))[code]
        before, size = size, float((row * row * noise).sum())
        if before - size < 1e-4 * before:
            break
    return row


def _chance(
    pure: np.ndarray, chance: np.ndarray, z: np.ndarray, steady: np.ndarray, *, seed: int
) -> tuple[float, int]:
    """How seldom verdicts drawn from their chances are as far off in a trend, or in a step.

    Args:
        pure: (template, attempt) float32, each of unit variance under these chances.
        chance: (attempt,).
        z: (template,) deviates of the real verdicts.
        steady: (template,) bool, a trend or a step.
        seed: of the draws.

    Returns:
        The chance, and the template that is furthest off.
    """
    rng, groups = np.random.default_rng(seed), [g for g in (steady, ~steady) if g.any()]
    draws = int(np.clip(WORK // len(chance), *DRAWS))
    bound = (65536 * chance).astype(np.uint16)
    pure = np.ascontiguousarray(pure.T)
    middle = (bound / np.float32(65536)) @ pure
    tops = _largest(z[None], groups)  # the real one first: under no change it is one of them
    while len(tops) <= draws and (tops[1:] >= tops[0]).sum(axis=0).min() < ENOUGH:
        many = min(BLOCK[0], draws + 1 - len(tops))
        drawn = np.tile(-middle, (many, 1))
        for at in range(0, len(chance), BLOCK[1]):  # small enough for the cache
            here = bound[at : at + BLOCK[1]]
            solved = rng.integers(0, 65536, (many, len(here)), dtype=np.uint16) < here
            drawn += solved.astype(np.float32) @ pure[at : at + BLOCK[1]]
        tops = np.concatenate([tops, _largest(drawn, groups)])
    ranks = np.sort(tops, axis=0)
    above = np.stack(
        [len(tops) - np.searchsorted(*one) for one in zip(ranks.T, tops.T, strict=True)], axis=1
    )
    rarest = above.min(axis=1)
    rare = np.any([g for g, n in zip(groups, above[0], strict=True) if n == rarest[0]], axis=0)
    best = int(np.where(rare, np.abs(z), -1).argmax())
    return float(np.mean(rarest <= rarest[0])), best


def _largest(z: np.ndarray, groups: Sequence[np.ndarray]) -> np.ndarray:
    """(draw, group) largest deviate of each group of templates."""
    return np.stack([np.abs(z[:, group]).max(axis=1) for group in groups], axis=1)
