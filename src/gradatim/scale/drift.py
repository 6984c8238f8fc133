"""Anchors that changed between two banks: items that leaked, were fixed, or were graded anew.

A drifted anchor pulls the link towards itself, so it is looked for from a start that up to half of
the anchors cannot move, and the link is estimated again without those that were found.
Axes: `anchor`, `param` (0 log a, 1 b).
"""

from collections.abc import Collection, Hashable
from dataclasses import dataclass

import numpy as np
from scipy import special

from gradatim import checks
from gradatim.scale import multiple
from gradatim.scale.anchors import Anchors, keep_anchors, pair_items
from gradatim.scale.estimators import by_precision, residuals, robust_start, turns
from gradatim.types import Bank

ADJUSTMENTS = ("fdr", "holm", "none")
ROUNDS = 20
SPREAD = 10  # anchors from which the bulk's own spread is judged
FEWEST = 4  # anchors below which nobody can say which one moved


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """What the test of every anchor found.

    Attributes:
        anchors: (anchor,) ids.
        difficulty, log_slope: (anchor,) change on the scale linked to, `to` minus `bank` placed.
        z_difficulty, z_slope: (anchor,) each over its standard error.
        p: (anchor,) of no change in both at once (chi-square, 2 degrees of freedom; 1 where banks
            share one slope).
        drifted: ids named, the clearest first.
        spread: >= 1, how much more the bulk of anchors differs than its errors say; p allows for
            it.
        rounds: links made until the set of drifted anchors stayed the same.
        tested: False where anchors are too few to tell.
    """

    anchors: tuple[Hashable, ...]
    difficulty: np.ndarray
    log_slope: np.ndarray
    z_difficulty: np.ndarray
    z_slope: np.ndarray
    p: np.ndarray
    drifted: tuple[Hashable, ...]
    spread: float
    rounds: int
    tested: bool


def find_drift(
    bank: Bank,
    to: Bank,
    *,
    alpha: float = 0.05,
    adjust: str = "fdr",
    drop: Collection[Hashable] = (),
) -> Drift:
    """Test which anchors of two banks changed, apart from where the scales lie.

    Args:
        bank: to be linked.
        to: the bank it is linked to.
        alpha: level of the test, after the adjustment.
        adjust: for the number of anchors: "fdr" (share of false names among those named,
            Benjamini & Hochberg 1995), "holm" (chance of any false name), or "none" (each anchor
            at alpha).
        drop: ids of common items to leave out.

    Returns:
        Drift. Never more than half of the anchors are named.

    Raises:
        ArgumentError: what `link` refuses; alpha outside (0, 1).

    Ref: Wald test of Lord 1980, Applications of Item Response Theory, section 14.4, with the
    link's error; iterative purification: Candell & Drasgow 1988, Applied Psychological Measurement
    12:253; robust start after the robust z of Huynh & Meyer 2010, Practical Assessment 15(2).

    >>> from gradatim.scale.curves import flat
    >>> from dataclasses import replace
    >>> b = np.linspace(-2, 2, 9)
    >>> moved = np.where(np.arange(9) == 4, b + 0.5, b)
    >>> one, two = (flat(difficulty=x, discrimination=np.ones(9)) for x in (b, moved))
    >>> errors = {"se_difficulty": np.full(9, 0.05), "se_discrimination": np.full(9, 0.05)}
    >>> find_drift(replace(one, **errors), replace(two, **errors)).drifted
    ('item-5',)
    """
    checks.within(1e-12, 1 - 1e-12, alpha=alpha)
    checks.one_of("adjust", adjust, ADJUSTMENTS)
    anchors = pair_items(bank, to, drop=drop)
    n = len(anchors.names)
    tested = n >= FEWEST
    kept, seen, rounds = np.ones(n, dtype=bool), [], 0
    gap, noise, spread = _away(anchors, None)
    p = _chances(anchors, gap, noise)
    while tested and rounds < ROUNDS:
        named = _named(p, alpha=alpha, adjust=adjust)
        if any(np.array_equal(named, old) for old in seen):
            break
        seen.append(named)
        kept = ~named
        gap, noise, spread = _away(anchors, kept)
        p = _chances(anchors, gap, noise)
        rounds += 1
    order = np.flatnonzero(~kept)
    order = order[np.argsort(p[order], kind="stable")]
    se = np.sqrt(np.maximum(np.einsum("irr->ri", noise), 1e-300))
    return Drift(
        anchors=anchors.names,
        difficulty=gap[:, 1],
        log_slope=gap[:, 0],
        z_difficulty=gap[:, 1] / se[1],
        z_slope=gap[:, 0] / se[0],
        p=p,
        drifted=tuple(anchors.names[i] for i in order),
        spread=spread,
        rounds=rounds,
        tested=tested,
    )


def _away(anchors: Anchors, kept: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, float]:
    """Residuals from the link of the kept anchors (None: the robust start), their covariance.

    The link follows the anchors that it was made from: their residuals are smaller, by what it
    gives way, and those of the others are larger, by its error.
    """
    if kept is None:
        gap, noise = residuals(anchors, robust_start(anchors))
    else:
        found = by_precision(keep_anchors(anchors, kept))
        gap, noise = residuals(anchors, found.value)
        slope = turns(anchors, found.value)
        lean = np.einsum("irc,cd,isd->irs", slope, found.covariance, slope)
        noise = noise + np.where(kept, -1.0, 1.0)[:, None, None] * lean
    middle = np.median(_chi(anchors, gap, noise)[kept if kept is not None else slice(None)])
    if len(anchors.names) < SPREAD:
        return gap, noise, 1.0
    half = 0.4549364 if _one_slope(anchors) else 1.3862944  # medians of chi-square, 1 and 2
    spread = max(1.0, float(middle) / half)
    return gap, noise * spread, spread


def _one_slope(anchors: Anchors) -> bool:
    """Whether slopes say nothing of single anchors: one for all on both sides."""
    return bool(np.ptp(anchors.log_a, axis=1).max() < 1e-9)


def _chi(anchors: Anchors, gap: np.ndarray, noise: np.ndarray) -> np.ndarray:
    if _one_slope(anchors):
        return gap[:, 1] ** 2 / np.maximum(noise[:, 1, 1], 1e-300)
    return np.einsum("ir,irs,is->i", gap, np.linalg.pinv(noise, hermitian=True), gap)


def _chances(anchors: Anchors, gap: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """(anchor,) chance of so much, or more, without any change."""
    chi = np.maximum(_chi(anchors, gap, noise), 0.0)
    return special.erfc(np.sqrt(chi / 2)) if _one_slope(anchors) else np.exp(-chi / 2)


def _named(p: np.ndarray, *, alpha: float, adjust: str) -> np.ndarray:
    """(anchor,) bool: rejected after the adjustment, at most half of all."""
    order = np.argsort(p, kind="stable")
    count = int(np.sum(multiple.adjust(p, method=adjust) <= alpha))
    named = np.zeros(len(p), dtype=bool)
    named[order[: min(count, len(p) // 2)]] = True
    return named
