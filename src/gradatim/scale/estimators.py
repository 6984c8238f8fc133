"""Linking constants from anchors: five estimators and their errors by the delta method.

theta_to = A theta + B, so b_to = A b + B and a_to = a / A. Parameters are (log A, B).
Axes: `side` (0 the bank, 1 what it is linked to), `anchor`, `param` (log a, b), `node`.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import special

from gradatim.errors import ArgumentError
from gradatim.scale.anchors import NODES, Anchors

STEPS = 100


class Constants(NamedTuple):
    """(2,) log A and B, and their (2, 2) covariance from the anchors' own errors."""

    value: np.ndarray
    covariance: np.ndarray


class _Curves(NamedTuple):
    """Differences of the anchors' curves, (side, anchor, node), node weights as roots in them.

    `by_constants` (2, side, anchor, node) and `by_items` (2 banks, param, side, anchor, node) are
    their derivatives.
    """

    gap: np.ndarray
    by_constants: np.ndarray
    by_items: np.ndarray


def robust_start(anchors: Anchors) -> np.ndarray:
    """(log A, B) by weighted medians: up to half of the anchors may have moved."""
    variance = anchors.covariance.sum(axis=0)
    stretch = 0.0
    if not anchors.shift_only:
        change = anchors.log_a[0] - anchors.log_a[1]
        stretch = _median(change, _weights(variance[:, 0, 0]))
    shift = anchors.b[1] - np.exp(stretch) * anchors.b[0]
    return np.array([stretch, _median(shift, _weights(variance[:, 1, 1]))])


def by_moments(anchors: Anchors, *, slopes: bool) -> Constants:
    """A from the standard deviations of difficulties (or the means of slopes), B from means.

    Anchors are weighted by the precision of their difficulties. Ref: Marco 1977, J. Educational
    Measurement 14:139 (mean-sigma); Loyd & Hoover 1980, 17:179 (mean-mean); Linn et al. 1981
    (weights).
    """
    w = _weights(anchors.covariance[:, :, 1, 1].sum(axis=0))
    w = w / w.sum()
    here, there = anchors.b
    off = [here - w @ here, there - w @ there]
    by_item = np.zeros((2, 2, 2, len(w)))  # constant, side, param, anchor
    stretch = 0.0
    if not anchors.shift_only and slopes:
        a = np.exp(anchors.log_a)
        stretch = float(np.log(w @ a[0]) - np.log(w @ a[1]))
        by_item[0, 0, 0], by_item[0, 1, 0] = w * a[0] / (w @ a[0]), -w * a[1] / (w @ a[1])
    elif not anchors.shift_only:
        square = [float(w @ x**2) for x in off]
        if min(square) < 1e-12:
            raise ArgumentError(
                "`method` mean-sigma needs anchors of different difficulties, got "
                f"{len(w)} of one difficulty; use stocking-lord"
            )
        stretch = 0.5 * float(np.log(square[1] / square[0]))
        by_item[0, 0, 1], by_item[0, 1, 1] = -w * off[0] / square[0], w * off[1] / square[1]
    scale = np.exp(stretch)
    by_item[1] = -scale * (w @ here) * by_item[0]
    by_item[1, 0, 1] -= scale * w
    by_item[1, 1, 1] += w
    cov = np.einsum("csri,sirt,dsti->cd", by_item, anchors.covariance, by_item)
    return Constants(np.array([stretch, w @ there - scale * (w @ here)]), cov)


def by_precision(anchors: Anchors) -> Constants:
    """(log a, b) of every anchor weighted by their errors: the smallest error there is.

    Least squares of both banks' estimates from common true values (errors on both sides, so A is
    not pulled to 0), weighted by the inverse of each anchor's covariance. Ref: the functional
    relationship of Fuller 1987, Measurement Error Models, section 3.
    """
    covariance = _padded(anchors.covariance)

    def step(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        gap, total = residuals(anchors, p, covariance=covariance)
        inverse = np.linalg.inv(total)
        pull = np.einsum("irs,is->ir", inverse, gap)
        # the derivative is at the best guess of the true difficulty, not at the noisy one
        carried = covariance[0] * np.array([1.0, np.exp(p[0])])
        true = anchors.b[0] + np.einsum("ir,ir->i", carried[:, 1], pull)
        slope = _turns(true, p)
        return (
            np.einsum("irc,irs,isd->cd", slope, inverse, slope),
            -np.einsum("irc,ir->c", slope, pull),
        )

    return _solve(anchors, step)[0]


def by_curves(anchors: Anchors, *, total: bool) -> Constants:
    """A and B that bring the anchors' curves together, over both groups' abilities.

    Args:
        anchors: with their errors.
        total: differences of the test curve, the sum over anchors (Stocking & Lord 1983, Applied
            Psychological Measurement 7:201); else of each curve (Haebara 1980, Japanese
            Psychological Research 22:144).

    Anchors are weighted by the precision of their curves, which differs from both papers: with
    errors that are alike it changes nothing, and one ill-estimated anchor costs nothing.
    """
    w = _curve_weights(anchors, _curves(anchors, robust_start(anchors)), total=total)

    def step(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = _curves(anchors, p)
        if total:
            turn = np.einsum("i,csiq->csq", w, found.by_constants)
            gap = np.einsum("i,siq->sq", w, found.gap)
            return np.einsum("csq,dsq->cd", turn, turn), -np.einsum("csq,sq->c", turn, gap)
        weighted = w[:, None] * found.by_constants
        return (
            np.einsum("csiq,dsiq->cd", weighted, found.by_constants),
            -np.einsum("csiq,siq->c", weighted, found.gap),
        )

    constants, inverse = _solve(anchors, step)
    found = _curves(anchors, constants.value)
    if total:
        turn = np.einsum("i,csiq->csq", w, found.by_constants)
        push = np.einsum("csq,brsiq,i->cbir", turn, found.by_items, w)
    else:
        push = np.einsum("csiq,brsiq,i->cbir", found.by_constants, found.by_items, w)
    push = np.einsum("cd,dbir->cbir", inverse, push)
    cov = np.einsum("cbir,birt,dbit->cd", push, anchors.covariance, push)
    return Constants(constants.value, cov)


def residuals(
    anchors: Anchors, constants: np.ndarray, *, covariance: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """How far each anchor is from where the link puts it.

    Returns:
        (anchor, param) difference in (log a, b) on the scale linked to, and its (anchor, param,
        param) covariance from both banks' errors (not the link's own).
    """
    cov = _padded(anchors.covariance) if covariance is None else covariance
    stretch = np.array([1.0, np.exp(constants[0])])
    gap = np.stack(
        [
            anchors.log_a[1] - anchors.log_a[0] + constants[0],
            anchors.b[1] - stretch[1] * anchors.b[0] - constants[1],
        ],
        axis=1,
    )
    return gap, cov[1] + cov[0] * stretch[:, None] * stretch


def turns(anchors: Anchors, constants: np.ndarray) -> np.ndarray:
    """(anchor, param, constant) derivative of the residuals in (log A, B)."""
    return _turns(anchors.b[0], constants)


METHODS: dict[str, Callable[[Anchors], Constants]] = {
    "stocking-lord": lambda anchors: by_curves(anchors, total=True),
    "haebara": lambda anchors: by_curves(anchors, total=False),
    "mean-sigma": lambda anchors: by_moments(anchors, slopes=False),
    "mean-mean": lambda anchors: by_moments(anchors, slopes=True),
    "precision": by_precision,
}


# -- parts ------------------------------------------------------------------------------------


def _turns(b: np.ndarray, constants: np.ndarray) -> np.ndarray:
    slope = np.zeros((len(b), 2, 2))
    slope[:, 0, 0] = 1.0
    slope[:, 1, 0] = -np.exp(constants[0]) * b
    slope[:, 1, 1] = -1.0
    return slope


def _padded(covariance: np.ndarray) -> np.ndarray:
    """Errors never exactly zero: of known items all count alike."""
    trace = np.einsum("sirr->si", covariance)
    floor = max(1e-4 * float(np.median(trace)), 1e-10)
    return covariance + floor * np.eye(2)


def _weights(variance: np.ndarray) -> np.ndarray:
    """Precisions, no anchor above 100 times the median one; equal where nothing is known."""
    middle = float(np.median(variance))
    if middle <= 0:
        return (variance <= 0).astype(float)
    return 1 / np.maximum(variance, 0.01 * middle)


def _median(values: np.ndarray, weight: np.ndarray) -> float:
    """Weighted median; halfway between two where the weight splits evenly."""
    order = np.argsort(values, kind="stable")
    sums = np.cumsum(weight[order]) / weight.sum()
    low = values[order][np.searchsorted(sums, 0.5 - 1e-12)]
    high = values[order][min(np.searchsorted(sums, 0.5 + 1e-12), len(values) - 1)]
    return float(low + high) / 2


def _solve(
    anchors: Anchors, step: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
) -> tuple[Constants, np.ndarray]:
    """Gauss-Newton from the robust start; also the inverse of the normal matrix."""
    p = robust_start(anchors)
    free = np.array([not anchors.shift_only, True])
    inverse = np.zeros((2, 2))
    for _ in range(STEPS):
        normal, pull = step(p)
        inverse[np.ix_(free, free)] = np.linalg.pinv(normal[np.ix_(free, free)], hermitian=True)
        move = np.clip(inverse @ pull, -0.5, 0.5)
        p = p + move
        if np.abs(move).max() < 1e-10:
            break
    return Constants(p, inverse), inverse


def _curves(anchors: Anchors, constants: np.ndarray) -> _Curves:
    stretch, shift = np.exp(constants[0]), constants[1]
    base, weight = np.polynomial.hermite_e.hermegauss(NODES)
    root = np.sqrt(weight / weight.sum())
    own = anchors.population[:, :1] + anchors.population[:, 1:] * base  # (side, node)
    # abilities of both groups, each as it is on the bank's scale and on the other
    x = np.stack([np.stack([own[0], (own[1] - shift) / stretch]),
                  np.stack([stretch * own[0] + shift, own[1]])])  # fmt: skip
    a, b = np.exp(anchors.log_a)[:, None, :, None], anchors.b[:, None, :, None]
    eta = a * (x[:, :, None, :] - b)  # (bank, side, anchor, node)
    low, high = anchors.floor[:, None, :, None], anchors.ceiling[:, None, :, None]
    right = special.expit(eta)
    rise = (high - low) * right * (1 - right) * root
    gap = np.subtract(*((low + (high - low) * right) * root)[::-1])
    by_constants = np.zeros((2, *gap.shape))
    by_constants[0, 0] = rise[1, 0] * a[1, 0] * stretch * own[0]
    by_constants[1, 0] = rise[1, 0] * a[1, 0]
    by_constants[0, 1] = rise[0, 1] * a[0, 0] * x[0, 1]
    by_constants[1, 1] = rise[0, 1] * a[0, 0] / stretch
    sign = np.array([-1.0, 1.0])[:, None, None, None]
    by_items = np.stack([sign * rise * eta, -sign * rise * a], axis=1)
    return _Curves(gap, by_constants, by_items)


def _curve_weights(anchors: Anchors, found: _Curves, *, total: bool) -> np.ndarray:
    """(anchor,) precision of each curve; times its slope where the sum of curves is compared.

    An error is carried to the curve by the larger slope of the two banks': an item estimated far
    away has a flat curve there, which would look well known.
    """
    each = np.einsum("brsiq,cirt,btsiq->bci", found.by_items, anchors.covariance, found.by_items)
    w = _weights(each.max(axis=0).sum(axis=0))
    if total:
        w = w * np.sqrt(np.einsum("siq,siq->i", found.by_constants[1], found.by_constants[1]))
    return w / w.mean()
