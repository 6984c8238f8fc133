"""Solvers whose rows agree more than chance allows: one system under two names, or a copied row.

Axes: `solver`, `item`; `pair` (two solvers).
"""

from typing import NamedTuple

import numpy as np
from scipy import special

from gradatim import checks

ROUNDS = 6  # of the fit of main effects: its steps are below 1e-3 by then
PRIOR = (1 / 9, 1 / 4)  # precisions of ability and difficulty, in logits: keep zero rows finite
BLOCK = 1024  # solvers whose pairs are held at a time
BINS = 48  # of cells by how likely independent rows differ there
STRAY, FITTED = 0.1, 0.2  # share of changed cells of a copy at most, and in the fit
PARTS = np.linspace(0, 1, 41)  # of the independent part of a pair's differences
PAIRS = 5000  # that are fitted, those of the smallest share of what is expected first


class Effects(NamedTuple):
    """What solver and item alone say of a cell.

    Attributes:
        ability, difficulty: (solver,), (item,) float, logits.
        dispersion: variance of cells around their expectation, as a share of p (1 - p): 1 for one
            attempt a cell, less for counts of several and for graded scores.
    """

    ability: np.ndarray
    difficulty: np.ndarray
    dispersion: float


class Clones(NamedTuple):
    """Pairs that are nearly identical, one entry each, by size of the bound.

    Attributes:
        first, second: (pair,) int, solvers.
        common: (pair,) int, cells that both have.
        differ: (pair,) float, sum of squared differences; for right or wrong, cells that differ.
        expected: (pair,) float, the same if answers were independent given ability and difficulty.
        bound: (pair,) float, logarithm of a bound on the chance of so few differences.
    """

    first: np.ndarray
    second: np.ndarray
    common: np.ndarray
    differ: np.ndarray
    expected: np.ndarray
    bound: np.ndarray


def main_effects(rate: np.ndarray, has: np.ndarray) -> Effects:
    """Fit logit P = ability - difficulty by a few joint Newton steps with weak normal priors.

    Quick and rough on purpose: it says what two rows should have in common, not who is best.

    Args:
        rate: (solver, item) float in [0, 1]; 0 where missing.
        has: (solver, item) bool or 0/1.

    >>> found = main_effects(np.array([[1.0, 1, 0], [1, 0, 0]]), np.ones((2, 3)))
    >>> bool(found.ability[0] > found.ability[1]), bool(found.difficulty[0] < found.difficulty[2])
    (True, True)
    """
    checks.shapes(rate=(rate, "solver item"), has=(has, "solver item"))
    right = [rate.sum(axis=1, dtype=float), rate.sum(axis=0, dtype=float)]
    tried = [has.sum(axis=1, dtype=float), has.sum(axis=0, dtype=float)]
    ability, easiness = (
        special.logit((r + 0.5) / (n + 1)) for r, n in zip(right, tried, strict=True)
    )
    easiness = easiness - easiness.mean() if len(easiness) else easiness
    for _ in range(ROUNDS):
        chance = _chance(ability, -easiness, has)
        easiness += _step(right[1], chance, easiness, axis=0)
        chance = _chance(ability, -easiness, has)
        ability += _step(right[0], chance, ability, axis=1)
    chance = _chance(ability, -easiness, has)
    noise = float(np.sum(chance * (1 - chance), dtype=float))
    spread = float(np.sum((rate - chance) ** 2, dtype=float))
    return Effects(ability, -easiness, min(1.0, spread / max(noise, 1e-12)))


def find_clones(
    rate: np.ndarray,
    has: np.ndarray,
    *,
    effects: Effects | None = None,
    share: float = 0.15,
    alarm: float = 0.01,
) -> Clones:
    """Pairs of rows that differ far less than independent rows of such solvers would.

    With x the difference of two rows in a cell, x^2 lies in [0, 1], and the chance that the sum of
    such independent terms is at most d, where E is expected, is at most exp(d - E + d log(E / d)).
    A pair is named where that bound is below `alarm` over the number of pairs, and d is below
    `share` of E. The second rule is there because models of one family are not independent: in
    public result tables two versions of one model differ in .24 of E or more, a renamed copy in 0.

    Args:
        rate: (solver, item) share solved or score, in [0, 1]; 0 where missing.
        has: (solver, item) bool or 0/1.
        effects: of `main_effects`; None fits them.
        share: of the expected differences that a pair may have.
        alarm: chance that any pair is named where all rows are independent.

    Ref: Chernoff 1952; the questions as queries, rows as representation and their distance as
    detector, after the factorisation of Godinot et al. 2024, arXiv 2412.13021 (QuRD); differs:
    rows of verdicts instead of output vectors, and the threshold comes from a bound.

    >>> rng = np.random.default_rng(0)
    >>> rate = (rng.random((4, 200)) < 0.5).astype(float)
    >>> rate[3] = rate[1]
    >>> found = find_clones(rate, np.ones((4, 200)))
    >>> found.first.tolist(), found.second.tolist()
    ([1], [3])
    """
    checks.shapes(rate=(rate, "solver item"), has=(has, "solver item"))
    checks.within(0, 1, rate=rate, share=share, alarm=alarm)
    effects = main_effects(rate, has) if effects is None else effects
    n = len(rate)
    held = np.asarray(has, dtype=np.float32)
    value = np.asarray(rate, dtype=np.float32) * held
    chance = _chance(effects.ability, effects.difficulty, held)
    # second moments: E (x - y)^2 = E x^2 + E y^2 - 2 E x E y, summed over common cells
    moment = (1 - effects.dispersion) * chance**2 + effects.dispersion * chance
    least = np.log(max(n * (n - 1) / 2, 1) / max(alarm, 1e-300))
    found = []
    for start in range(0, n, BLOCK):
        rows = slice(start, min(start + BLOCK, n))
        differ = _gram(value, value**2, held, rows)
        expected = np.maximum(_gram(chance, moment, held, rows), 1e-12)
        near = (differ <= share * expected + 1e-3) & (expected > least)
        near &= np.arange(n) > np.arange(rows.start, rows.stop)[:, None]
        i, j = np.nonzero(near)
        found.append(np.c_[i + start, j, expected[i, j]])
    first, second, expected = np.concatenate(found).T if n else np.zeros((3, 0))
    first, second = first.astype(int), second.astype(int)
    return _judged(value, held, first, second, expected=expected, share=share, least=least)


class Copies(NamedTuple):
    """Pairs that one row with some of its cells changed would explain, the surest first.

    Attributes:
        first, second: (pair,) int, solvers.
        common: (pair,) int, cells that both have.
        differ, expected: (pair,) float, as in Clones.
        stray: (pair,) share of cells that differ wherever they are.
        apart: (pair,) what is left of the differences of independent rows, as a share of them.
        near: (pair,) deviate by which `apart` is surely below `family`.
    """

    first: np.ndarray
    second: np.ndarray
    common: np.ndarray
    differ: np.ndarray
    expected: np.ndarray
    stray: np.ndarray
    apart: np.ndarray
    near: np.ndarray


def find_copies(
    rate: np.ndarray,
    has: np.ndarray,
    *,
    effects: Effects | None = None,
    family: float = 0.25,
    sure: float = 1.645,
    alarm: float = 0.01,
) -> Copies:
    """Pairs of rows that are one row, but for cells that were changed anywhere.

    Two solvers differ where answers are unsure: with chance v = E x^2 in a cell, by ability and
    difficulty, x being their difference. Two versions of one model differ there, too, but less
    often. A row that was copied and changed in a share l of cells, whichever they are, differs from
    its source on easy and on hard items alike. So E x^2 = l + c v, and l and c are fitted to each
    pair by (quasi-)likelihood. A pair is named where c = 1 is ruled out at `alarm` over the number
    of pairs, c = `family` with a deviate of `sure`, and l is at most .1. Of more than 5,000 pairs
    that may be copies by their numbers of differences the most alike are looked at.

    Args:
        rate, has, effects: as in `find_clones`.
        family: the least c that versions of one model have. Of 6,500 pairs of public tables that
            are no copies the least is .25, the next .32.
        sure: deviate by which c must be below it; those pairs have 0 at most.
        alarm: chance that any pair is named where all rows are independent.

    Ref: profile likelihood ratios, Wilks 1938, Annals of Mathematical Statistics 9:60; the signed
    root as a deviate, Barndorff-Nielsen 1986, Biometrika 73:307.

    >>> rng = np.random.default_rng(0)
    >>> chance = special.expit(rng.normal(size=(12, 1)) - 2 * rng.normal(size=600))
    >>> rate = (rng.random((12, 600)) < chance).astype(float)
    >>> rate[3] = np.where(rng.random(600) < 0.03, 1 - rate[1], rate[1])
    >>> found = find_copies(rate, np.ones((12, 600)))
    >>> found.first.tolist(), found.second.tolist()
    ([1], [3])
    """
    checks.shapes(rate=(rate, "solver item"), has=(has, "solver item"))
    checks.within(0, 1, rate=rate, alarm=alarm)
    checks.within(*checks.INSIDE, family=family)
    effects = main_effects(rate, has) if effects is None else effects
    n = len(rate)
    held = np.asarray(has, dtype=np.float32)
    value = np.asarray(rate, dtype=np.float32) * held
    chance = _chance(effects.ability, effects.difficulty, held)
    moment = (1 - effects.dispersion) * chance**2 + effects.dispersion * chance
    found = []
    for start in range(0, n, BLOCK):
        part = slice(start, min(start + BLOCK, n))
        differ = _gram(value, value**2, held, part)
        expected = _gram(chance, moment, held, part)
        near = differ <= np.minimum(STRAY * (held[part] @ held.T) + family * expected, expected)
        near &= (expected > 1) & (np.arange(n) > np.arange(part.start, part.stop)[:, None])
        i, j = np.nonzero(near)
        found.append(_smallest(np.c_[i + start, j, differ[i, j] / expected[i, j]]))
    rows = []
    for at, other in _smallest(np.concatenate(found))[:, :2].astype(int) if n else ():
        both = (held[at] * held[other]) > 0
        x = np.square((value[at] - value[other])[both], dtype=float)
        v = (moment[at] + moment[other] - 2 * chance[at] * chance[other])[both].astype(float)
        rows.append((at, other, len(x), x.sum(), v.sum(), *_explained(x, v, family)))
    table = np.array(rows, dtype=float).reshape(len(rows), 9)
    bound = -special.ndtri(max(alarm, 1e-300) / max(n * (n - 1) / 2, 1))
    table = table[(table[:, 5] <= STRAY) & (table[:, 7] >= sure) & (table[:, 8] > bound)]
    table = table[np.argsort(-table[:, 7], kind="stable")]
    first, second, common = table[:, :3].T.astype(int)
    return Copies(first, second, common, *table[:, 3:8].T)


def _smallest(pairs: np.ndarray) -> np.ndarray:
    return pairs[np.argsort(pairs[:, 2], kind="stable")[:PAIRS]]


def _explained(x: np.ndarray, v: np.ndarray, family: float) -> tuple[float, float, float, float]:
    """Stray share, c, and signed roots of likelihood ratios against c = family and c = 1."""
    order = np.argsort(v, kind="stable")
    cut = np.linspace(0, len(v), min(BINS, len(v)) + 1).astype(int)
    n = np.diff(cut).astype(float)
    hits, middle = (np.add.reduceat(part[order], cut[:-1]) for part in (x, v))
    middle = np.clip(middle / n, 1e-6, 1 - 1e-6)
    part = np.append(PARTS, family)[:, None]
    low, high = np.zeros((2, len(part), 1))
    high += np.minimum(FITTED, 1 - part * middle.max() - 1e-9)
    for _ in range(25):  # of a share by halves: the likelihood is concave in it
        share = (low + high) / 2
        q = np.maximum(share + part * middle, 1e-12)
        up = ((hits - n * q) / (q * (1 - q))).sum(axis=1, keepdims=True) > 0
        low, high = np.where(up, share, low), np.where(up, high, share)
    q = np.clip((low + high) / 2 + part * middle, 1e-12, 1 - 1e-12)
    said = (special.xlogy(hits, q) + special.xlog1py(n - hits, -q)).sum(axis=1)
    best = int(np.argmax(said[:-1]))
    roots = [np.sqrt(2 * max(said[best] - said[at], 0.0)) for at in (-1, -2)]
    side = 1.0 if PARTS[best] < family else -1.0
    return float(low[best, 0]), float(PARTS[best]), side * float(roots[0]), float(roots[1])


def groups_of(first: np.ndarray, second: np.ndarray) -> list[list[int]]:
    """Solvers tied to each other by pairs, each group in order, groups by first member.

    >>> groups_of(np.array([4, 1]), np.array([7, 4]))
    [[1, 4, 7]]
    """
    of: dict[int, set[int]] = {}
    for i, j in zip(first.tolist(), second.tolist(), strict=True):
        joined = of.get(i, {i}) | of.get(j, {j})
        of.update(dict.fromkeys(joined, joined))
    return sorted(sorted(group) for group in {id(g): g for g in of.values()}.values())


def _chance(ability: np.ndarray, difficulty: np.ndarray, has: np.ndarray) -> np.ndarray:
    """(solver, item) float32 expectation, 0 where missing."""
    logit = ability.astype(np.float32)[:, None] - difficulty.astype(np.float32)
    return special.expit(logit) * np.asarray(has, dtype=np.float32)


def _step(right: np.ndarray, chance: np.ndarray, at: np.ndarray, *, axis: int) -> np.ndarray:
    """A Newton step towards the mode, never longer than 2 logits."""
    prior = PRIOR[0] if axis else PRIOR[1]
    bend = (chance * (1 - chance)).sum(axis=axis, dtype=float) + prior
    return np.clip((right - chance.sum(axis=axis, dtype=float) - prior * at) / bend, -2, 2)


def _gram(x: np.ndarray, squared: np.ndarray, has: np.ndarray, rows: slice) -> np.ndarray:
    """(rows, solver) sum over common cells of x_i^2 + x_j^2 - 2 x_i x_j."""
    return squared[rows] @ has.T + has[rows] @ squared.T - 2 * (x[rows] @ x.T)


def _judged(
    value: np.ndarray,
    held: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    *,
    expected: np.ndarray,
    share: float,
    least: float,
) -> Clones:
    """Count the candidates' differences again, without cancellation, and keep those that pass."""
    differ, common = np.zeros(len(first)), np.zeros(len(first))
    for at, (i, j) in enumerate(zip(first, second, strict=True)):
        both = held[i] * held[j]
        differ[at] = np.sum((value[i] - value[j]) ** 2 * both, dtype=float)
        common[at] = np.sum(both, dtype=float)
    bound = differ - expected + special.xlogy(differ, expected / np.maximum(differ, 1e-300))
    keep = (differ <= share * expected) & (bound < -least)
    order = np.flatnonzero(keep)[np.argsort(bound[keep], kind="stable")]
    return Clones(
        first[order],
        second[order],
        common[order].astype(int),
        differ[order],
        expected[order],
        bound[order],
    )
