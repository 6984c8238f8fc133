"""Did one solver know some of the items? More right answers there than the rest of its row allows.

Axes: `solver`, `item`, `part` (a set of items).
"""

from typing import NamedTuple

import numpy as np
from scipy import special

from gradatim import checks
from gradatim.scale.overdispersion import worth
from gradatim.types import Bank

KNOWN = 0.5  # share of the wrong answers that a leak turns right, in the alternative weighed
EDGE = 0.002  # chances are kept this far from 0 and 1: curves are not that sure
STEPS = 5  # of an ability from the items outside a part
ROOTS = 60  # of the saddlepoint


class Gains(NamedTuple):
    """What each solver gained on each part; NaN where it tried too few items in or outside it.

    Attributes:
        z: (solver, part) evidence as a standard normal deviate, high for a gain.
        gain: (solver, part) share solved in the part less what is expected; se: its error.
        n: (solver, part) items tried in the part.
        spread: (part,) >= 1, how much wider deviates of all solvers are than chance alone makes
            them; `z` is divided by it.
    """

    z: np.ndarray
    gain: np.ndarray
    se: np.ndarray
    n: np.ndarray
    spread: np.ndarray


def part_gains(
    solved: np.ndarray,
    tried: np.ndarray,
    bank: Bank,
    parts: np.ndarray,
    *,
    known: float = KNOWN,
    fewest: int = 5,
) -> Gains:
    """Weigh for each solver and part of the items that a share of the part was known.

    A solver's ability is taken from the items outside the part. A known item is solved, so a leak
    of a share c raises a chance P to P + c (1 - P): cells are weighed by that likelihood ratio,
    which lets a hard item that is solved say more than an easy one.

    Args:
        solved, tried: (solver, item) counts, tried 0 = missing, in the order of the bank's.
        bank: of these responses.
        parts: (part, item) bool.
        known: c, of the alternative; the size of the test does not depend on it.
        fewest: items that a solver must have tried in a part, and outside it.

    Returns:
        Gains. A part on which solvers differ anyway, one topic of several say, spreads all
        deviates: one of them must stand out from the others.

    Ref: person fit by a likelihood ratio, Levine & Drasgow 1988, Psychometrika 53:161; the tail by
    Lugannani & Rice 1980, in the form of Barndorff-Nielsen 1986, Biometrika 73:307; differs: the
    ability comes from the other items, and its own error widens the deviate.

    >>> from gradatim.scale import irt
    >>> from gradatim.types import Matrix
    >>> rng = np.random.default_rng(0)
    >>> p = special.expit(rng.normal(size=(20, 1)) - rng.normal(size=200))
    >>> solved = (rng.random(p.shape) < p).astype(float)
    >>> solved[4, :40] = 1
    >>> names = [tuple(f"{i}" for i in range(n)) for n in p.shape]
    >>> bank = irt.fit(Matrix(solved=solved, tried=1, solvers=names[0], items=names[1]))
    >>> part = np.arange(200)[None] < 40
    >>> int(part_gains(solved, np.ones(p.shape), bank, part).z[:, 0].argmax())
    4
    """
    checks.shapes(
        solved=(solved, "solver item"), tried=(tried, "solver item"), parts=(parts, "part item")
    )
    checks.within(0.01, 0.99, known=known)
    fitted = np.isfinite(bank.difficulty) & np.isfinite(bank.discrimination)
    n = np.where(fitted, np.asarray(tried, dtype=float), 0.0)
    n[~np.isfinite(bank.ability)] = 0
    share = np.where(n > 0, worth(np.maximum(n, 1), _within(bank)), 0.0)
    k, n = np.where(n > 0, solved, 0) * share, n * share
    masks = np.asarray(parts, dtype=bool)
    columns = [_one_part((k, n), bank, part, (known, fewest)) for part in masks]
    z, gain, se, count = (np.stack(values, axis=1) for values in zip(*columns, strict=True))
    spread = np.ones(len(parts))
    for at in range(len(parts)):
        seen = np.abs(z[np.isfinite(z[:, at]), at])
        if len(seen) >= 8:
            # less its own standard error: a median of few is not taken at its word
            spread[at] = max(1.0, float(np.median(seen)) / 0.6745 / (1 + 1.2 / np.sqrt(len(seen))))
    return Gains(z / spread, gain, se, count.astype(int), spread)


def _within(bank: Bank) -> float:
    return float(bank.fit.get("overdispersion", 0.0))


def _one_part(
    counts: tuple[np.ndarray, np.ndarray], bank: Bank, part: np.ndarray, settings: tuple[float, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(solver,) z, gain, its error and items of one part."""
    (k, n), (known, fewest) = counts, settings
    a, b = np.nan_to_num(bank.discrimination), np.nan_to_num(bank.difficulty)
    theta = np.nan_to_num(bank.ability).copy()
    outside = np.where(part, 0.0, n)
    told = np.ones(len(theta))
    for _ in range(STEPS):  # the posterior mode under N(0, 1), from where the bank has it
        p = special.expit(a * (theta[:, None] - b))
        pull = ((k * (outside > 0) - outside * p) * a).sum(axis=1) - theta
        told = (outside * p * (1 - p) * a * a).sum(axis=1) + 1
        theta += np.clip(pull / told, -1, 1)
    k, n, a = k[:, part], n[:, part], a[part]
    p = np.clip(special.expit(a * (theta[:, None] - b[part])), EDGE, 1 - EDGE)
    weight = np.log(p + known * (1 - p)) - np.log(p) - np.log1p(-known)
    noise = n * p * (1 - p)
    own, lean = (weight**2 * noise).sum(axis=1), (weight * a * noise).sum(axis=1)
    z = tail(np.where(n > 0, weight * k, 0).sum(axis=1), weight, p, n)
    count = np.count_nonzero(n, axis=1)
    seen = (count >= fewest) & (np.count_nonzero(outside, axis=1) >= fewest)
    total = np.maximum(n.sum(axis=1), 1e-12)
    with np.errstate(invalid="ignore", divide="ignore"):
        z = z * np.sqrt(own / (own + lean**2 / told))
        gain = (k - n * p).sum(axis=1) / total
        se = np.sqrt(noise.sum(axis=1) + (a * noise).sum(axis=1) ** 2 / told) / total
    z, gain, se = (np.where(seen, x, np.nan) for x in (z, gain, se))
    return z, gain, se, count


def tail(x: np.ndarray, weight: np.ndarray, chance: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Weighted sums of binomial counts as standard normal deviates, good far into the tail.

    Args:
        x: (row,) sums of weight x count.
        weight: (row, cell) > 0.
        chance: (row, cell) in (0, 1).
        n: (row, cell) attempts, 0 = missing; any positive number, as `overdispersion.worth` makes.

    Returns:
        (row,) deviates; NaN where a row has no cell.

    >>> from scipy import stats
    >>> z = tail(np.array([12.0]), np.ones((1, 40)), np.full((1, 40), 0.2), np.ones((1, 40)))
    >>> mid = 0.5 * (stats.binom.sf(11, 40, 0.2) + stats.binom.sf(12, 40, 0.2))
    >>> bool(abs(stats.norm.sf(z[0]) / mid - 1) < 0.05)
    True
    """
    top = (weight * n).sum(axis=1)
    mean, noise = ((w * n * chance).sum(axis=1) for w in (weight, weight**2 * (1 - chance)))
    full = top > 0
    # neither end of the range has a finite root
    x = np.clip(x, 1e-4 * top, (1 - 1e-4) * top)
    t, low, high = np.zeros(len(x)), np.full(len(x), -40.0), np.full(len(x), 40.0)
    bend = np.ones(len(x))
    for _ in range(ROOTS):
        q = special.expit(special.logit(chance) + weight * t[:, None])
        over = (weight * n * q).sum(axis=1) - x
        bend = np.maximum((weight**2 * n * q * (1 - q)).sum(axis=1), 1e-12)
        high, low = np.where(over > 0, t, high), np.where(over > 0, low, t)
        step = t - over / bend
        step = np.where((step > low) & (step < high), step, (low + high) / 2)
        done = np.abs(step - t).max(initial=0) < 1e-9
        t = step
        if done:
            break
    exponent = weight * t[:, None]
    grown = np.where(exponent > 0, exponent, 0) + np.log(
        chance * np.exp(np.minimum(exponent, 0)) + (1 - chance) * np.exp(-np.maximum(exponent, 0))
    )
    r = np.sign(t) * np.sqrt(np.maximum(2 * (t * x - (n * grown).sum(axis=1)), 0))
    u = t * np.sqrt(bend)
    with np.errstate(invalid="ignore", divide="ignore"):
        plain = (x - mean) / np.sqrt(np.where(full, noise, np.nan))
        exact = r + np.log(u / r) / r
    return np.where(np.abs(r) < 1e-2, plain, exact)


def windows(order: np.ndarray, share: float) -> np.ndarray:
    """(part, item) bool: runs of a share of the items in an order, each half over the last.

    Args:
        order: (item,) anything that sorts: a date, a place in the file.
        share: of the items in a run, in (0, 0.5].

    >>> windows(np.array([3, 1, 2, 0]), 0.5).astype(int)
    array([[0, 1, 0, 1],
           [0, 1, 1, 0],
           [1, 0, 1, 0]])
    """
    checks.within(1e-6, 0.5, share=share)
    n = len(order)
    size = max(1, round(share * n))
    rank = np.empty(n, dtype=int)
    rank[np.argsort(order, kind="stable")] = np.arange(n)
    starts = np.unique(np.r_[np.arange(0, n - size, max(1, size // 2)), n - size])
    return (rank >= starts[:, None]) & (rank < starts[:, None] + size)
