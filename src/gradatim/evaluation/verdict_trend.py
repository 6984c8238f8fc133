"""Does a verifier change while it judges? Verdicts, in order, against what the scale expects.

Axes: `attempt` (in order), `template` (a way in which the rate of errors may go over time).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import special

from gradatim import checks
from gradatim.evaluation.verdict_chances import Axis, expect
from gradatim.types import Bank, Estimate

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
TOLD = 0.1  # share of a template that must be left once solvers and items (or cells) are taken out
FAULTS = ("refused", "passed")


class Look(NamedTuple):
    """What one template shows: of which fault, from where on, and how surely."""

    fault: str
    start: int | None
    z: float
    error: float
    told: float


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
        told: share of the order that is not also one of solvers or items, or of cells that were
            tried three times or more.
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
    before: np.ndarray | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> Trend | None:
    """Test whether verdicts drift, step or turn, given who answered what.

    A verifier that refuses a share f of right answers makes a chance P one of P (1 - f); one that
    passes a share g of wrong ones P + g (1 - P). The score of a change of f or g over time is
    taken for a steady trend and for a step at each of 17 places, less what any abilities and
    difficulties could do, or difficulties known `before` within their errors. The larger of the
    two trends, and the largest of the steps, are compared with those of verdicts drawn anew, and
    the less usual of the two counts: half of the alarm is for a steady trend, which many places of
    a step would drown.

    Args:
        solver, item: (attempt,) int, indices into the bank's; attempts in the order of verdicts.
        score: (attempt,) float in [0, 1].
        bank: of these attempts.
        before: (item,) bool, items that the bank knows from other attempts, on whose scale it has
            the solvers of these; attempts on the others are left out. None: it knows none.
        level: of the interval of the change.
        seed: of folds and draws.

    Returns:
        Trend; None where the order is that of solvers or of items, or, with one or two attempts a
        cell, one within the other, so that nothing can be told.
        A solver that itself changed, behind an unchanged name, looks the same.

    Ref: efficient score, Rao 1948, with the nuisance taken out; a step at an unknown place:
    Andrews 1993, Econometrica 61:821; differs: its largest value by a parametric bootstrap, since
    a rare refusal in a short stretch is far from normal (the mean of likelihood ratios, Andrews &
    Ploberger 1994, is ruled by such stretches). The less usual of two: Westfall &
    Young 1993, Resampling-based multiple testing, 2.3; draws end where many were as large: Besag &
    Clifford 1991, Biometrika 78:301. Chances are of other attempts, so that no verdict vouches for
    itself.

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
    if before is not None:
        known &= np.asarray(before)[item]
    places = np.flatnonzero(known)
    places = places[:: 1 + len(places) // MOST]
    solver, item, score = solver[places], item[places], np.asarray(score, dtype=float)[places]
    if len(score) < 100:
        return None
    attempts = solver, item, score
    p, rest, axes, metric = expect(attempts, bank, before=before is not None, seed=seed)
    repeated = len(axes) == 1  # cells are their own expectation, and are what is taken out
    plain = axes if repeated else [Axis(code, np.ones(len(score))) for code in (solver, item)]
    if not repeated and _nested(_shape(len(score), None), plain, metric):
        return None
    looks, rows, moved, noise = [], [], [], p * (1 - p)
    for start in (None, *(round(share * len(score)) for share in STARTS)):
        shape = _shape(len(score), start)
        left, _ = _without(shape, plain, metric)
        told = float((left**2 * metric).sum()) / float((shape**2 * metric).sum())
        if told < TOLD:  # an order of solvers, or of items
            continue
        for fault, unit in zip(FAULTS, (-1 / (1 - p), 1 / p), strict=True):
            pure, shared = _without(shape * unit, axes, metric)
            spread = float(np.sqrt((pure**2 * noise).sum() + (shared**2).sum()))
            error = spread / float((pure * shape * unit * noise).sum())
            z = float((pure * rest).sum()) / spread
            rows.append((pure / spread).astype(np.float32))
            moved.append(shared / spread)
            possible = abs(z * error) <= 1  # no rate changes by more
            looks.append(Look(fault, start, z if possible else 0.0, error, told))
    if not looks:
        return None
    steady = np.array([look.start is None for look in looks])
    z = np.array([look.z for look in looks])
    chance, best = _chance((np.stack(rows), np.stack(moved)), p, z, steady, seed=seed)
    fault, start, best_z, error, told = looks[best]
    change, wide = best_z * error, special.ndtri(0.5 + level / 2) * error
    return Trend(
        p=chance,
        fault=fault,
        change=Estimate(change, change - wide, change + wide, len(score)),
        start=None if start is None else int(places[start]),
        z=best_z,
        told=told,
    )


def _shape(n: int, start: int | None) -> np.ndarray:
    """(attempt,) a steady rise by 1, or a step by 1; centred."""
    time = np.arange(n) + 0.5
    shape = time / n if start is None else (time > start).astype(float)
    return shape - shape.mean()


def _nested(shape: np.ndarray, plain: Sequence[Axis], metric: np.ndarray) -> bool:
    """Whether each solver goes through the items in one order, or each item through the solvers."""

    def left(axes: Sequence[Axis]) -> float:
        return float((_without(shape, axes, metric)[0] ** 2 * metric).sum())

    return left(plain) < TOLD * min(left([axis]) for axis in plain)


def _without(
    row: np.ndarray, axes: Sequence[Axis], metric: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A template less what abilities and difficulties could do, by weighted least squares.

    Returns:
        (attempt,) what is left, and (code,) what a deviate of each shift known beforehand adds to
        its product with the residuals.
    """
    bends = [np.bincount(x.code, weights=metric * x.factor**2) for x in axes]
    holds: list[np.ndarray] = []
    for axis, bend in zip(axes, bends, strict=True):
        known = axis.precision
        holds.append(np.zeros(len(bend)) if known is None else known[: len(bend)])
    shifts: list[np.ndarray] = [np.zeros(len(bend)) for bend in bends]
    size = float((row * row * metric).sum())
    for _ in range(SWEEPS):
        for axis, bend, hold, shift in zip(axes, bends, holds, shifts, strict=True):
            pull = np.bincount(axis.code, weights=metric * axis.factor * row) - hold * shift
            step = pull / np.maximum(bend + hold, 1e-12)
            shift += step
            row = row - axis.factor * step[axis.code]
        before, size = size, float((row * row * metric).sum())
        if abs(before - size) < 1e-4 * before:
            break
    shared: list[np.ndarray] = [np.empty(0)]
    for axis, hold, shift in zip(axes, holds, shifts, strict=True):
        if axis.precision is not None:
            shared.append(np.sqrt(hold) * shift)
    return row, np.concatenate(shared)


def _chance(
    templates: tuple[np.ndarray, np.ndarray],
    chance: np.ndarray,
    z: np.ndarray,
    steady: np.ndarray,
    *,
    seed: int,
) -> tuple[float, int]:
    """How seldom verdicts drawn from their chances are as far off in a trend, or in a step.

    Args:
        templates: (template, attempt) float32 and (template, shift): with verdicts of these
            chances and deviates of the shifts, each has unit variance.
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
    pure, moved = np.ascontiguousarray(templates[0].T), templates[1].T
    middle = (bound / np.float32(65536)) @ pure
    tops = _largest(z[None], groups)  # the real one first: under no change it is one of them
    while len(tops) <= draws and (tops[1:] >= tops[0]).sum(axis=0).min() < ENOUGH:
        many = min(BLOCK[0], draws + 1 - len(tops))
        drawn = np.tile(-middle, (many, 1))
        for at in range(0, len(chance), BLOCK[1]):  # small enough for the cache
            here = bound[at : at + BLOCK[1]]
            solved = rng.integers(0, 65536, (many, len(here)), dtype=np.uint16) < here
            drawn += solved.astype(np.float32) @ pure[at : at + BLOCK[1]]
        if len(moved):
            drawn += (rng.normal(size=(many, len(moved))) @ moved).astype(np.float32)
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
