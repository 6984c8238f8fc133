"""Curves of single items fitted again to given abilities, many simulated data sets at a time.

Axes: `draw` (data sets), `cell` (in order of item), `item` (those at hand), `group` (of solvers).
"""

from typing import NamedTuple

import numpy as np
from scipy import special

from gradatim.scale.marginal import WEAK
from gradatim.scale.residuals import KINK, Residuals
from gradatim.types import Bank

STEPS = 8
SHARED = ("1pl", "rasch")  # models whose items share a slope


class Frame(NamedTuple):
    """Cells of some items, and what their curves keep from the bank.

    Attributes:
        cells: in order of item.
        item: (cell,) index among the items at hand.
        start: (item,) first cell of each.
        slope, level: (item,) log a and -a b, where the search begins.
        floor, reach: (cell,) lower end, and upper end minus lower end.
        prior: mean and sd of log a; sd 0 where slopes stay.
    """

    cells: Residuals
    item: np.ndarray
    start: np.ndarray
    slope: np.ndarray
    level: np.ndarray
    floor: np.ndarray
    reach: np.ndarray
    prior: tuple[float, float]


def frame(bank: Bank, cells: Residuals, rows: np.ndarray) -> Frame:
    """The items `rows` of a bank, whose cells these are."""
    start = np.searchsorted(cells.item, rows)
    item = np.repeat(np.arange(len(rows)), np.diff(np.r_[start, len(cells.item)]))
    floor = bank.floor[cells.item]
    top = np.ones(len(floor)) if bank.ceiling is None else bank.ceiling[cells.item]
    log_a = np.log(bank.discrimination[rows])
    known = np.log(bank.discrimination[np.isfinite(bank.discrimination)])
    priors = WEAK._asdict() | dict(bank.fit.get("priors") or {})
    sd = 0.0 if bank.fit.get("model") in SHARED else float(priors["slope"])
    level = -np.exp(log_a) * bank.difficulty[rows]
    return Frame(cells, item, start, log_a, level, floor, top - floor, (float(known.mean()), sd))


def refit(framed: Frame, solved: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(draw, item) log a and intercept that fit counts best, abilities without the item as given.

    Args:
        framed: the items.
        solved: (draw, cell) counts.

    A solver's ability is normal around `rest`; the curve's mean over it is again logistic to a
    percent, flatter by 1 / sqrt(1 + pi / 8 (a sd)^2). The bank's prior holds the slope.
    """
    shape = len(solved), len(framed.start)
    log_a = np.broadcast_to(framed.slope, shape).copy()
    level = np.broadcast_to(framed.level, shape).copy()
    mean, sd = framed.prior
    for _ in range(STEPS):
        flatter, eta = _logits(framed, (log_a, level))
        right = special.expit(eta)
        p = np.clip(framed.floor + framed.reach * right, 1e-9, 1 - 1e-9)
        rise = framed.reach * right * (1 - right) * flatter
        pull = rise * (solved - framed.cells.tried * p) / (p * (1 - p))
        weight = framed.cells.tried * rise**2 / (p * (1 - p))
        across = np.exp(log_a)[:, framed.item] * framed.cells.rest
        g_a, g_l, h_aa, h_al, h_ll = (
            np.add.reduceat(v, framed.start, axis=1)
            for v in (pull * across, pull, weight * across**2, weight * across, weight)
        )
        g_l, h_ll = g_l - level / 36, h_ll + 1 / 36
        if not sd:
            level = level + np.clip(g_l / h_ll, -2, 2)
            continue
        g_a, h_aa = g_a - (log_a - mean) / sd**2, h_aa + 1 / sd**2
        det = h_aa * h_ll - h_al**2
        log_a = log_a + np.clip((h_ll * g_a - h_al * g_l) / det, -0.7, 0.7)
        level = level + np.clip((h_aa * g_l - h_al * g_a) / det, -2, 2)
    return log_a, level


def chances(
    framed: Frame, curve: tuple[np.ndarray, np.ndarray], *, theta: np.ndarray | None = None
) -> np.ndarray:
    """(draw, cell) chance: the curve at abilities `theta`, or its mean over what is open of them.

    Args:
        framed: the items.
        curve: (draw, item) log a and intercept.
        theta: (draw, cell) abilities, or None.
    """
    if theta is None:
        eta = _logits(framed, curve)[1]
    else:
        eta = np.exp(curve[0])[:, framed.item] * theta + curve[1][:, framed.item]
    return np.clip(framed.floor + framed.reach * special.expit(eta), 1e-12, 1 - 1e-12)


def _logits(framed: Frame, curve: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """(draw, cell) factor by which the mean curve is flatter, and its logits."""
    a = np.exp(curve[0])[:, framed.item]
    flatter = 1 / np.sqrt(1 + KINK * (a * framed.cells.rest_sd) ** 2)
    return flatter, flatter * (a * framed.cells.rest + curve[1][:, framed.item])


def draw_counts(rng: np.random.Generator, tried: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """(draw, cell) counts of mean n P and variance n P (1 - P) for n >= 1, whole or not.

    The share of m = ceil(n) attempts varies too little; in some cells, (m - n) / (n (m - 1)) of
    them, all attempts go as one, which makes up for it.
    """
    whole = np.ceil(tried - 1e-9)
    alike = np.where(whole > 1, (whole - tried) / np.maximum(tried * (whole - 1), 1e-9), 0.0)
    drawn = rng.binomial(whole.astype(np.int64), chance) / whole
    if (alike > 1e-9).any():
        one = rng.random(chance.shape) < chance
        drawn = np.where(rng.random(chance.shape) < alike, one, drawn)
    return tried * drawn


def group_chi2(
    framed: Frame, group: np.ndarray, solved: np.ndarray, chance: np.ndarray
) -> np.ndarray:
    """(draw, item) sum over ability groups of (observed - expected)^2 / variance.

    Args:
        framed: the items.
        group: (cell,) int.
        solved, chance: (draw, cell).
    """
    cells, n_groups = framed.cells, int(group.max()) + 1
    code = framed.item * n_groups + group
    order = np.argsort(code, kind="stable")
    first = np.flatnonzero(np.diff(code[order], prepend=-1))
    gap, noise = (
        np.add.reduceat(v[:, order], first, axis=1)
        for v in (solved - cells.tried * chance, cells.tried * chance * (1 - chance))
    )
    owner = np.searchsorted(code[order][first] // n_groups, np.arange(len(framed.start)))
    # a group that cannot fail says nothing: a single surprise in it must not decide
    return np.add.reduceat(gap**2 / np.maximum(noise, 0.1), owner, axis=1)
