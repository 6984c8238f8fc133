"""Banks on one scale: the line that carries one bank's scale to another's, and what it moves.

A scale's zero and unit are its own solvers'. Two banks are comparable once items that both hold
(anchors) say how the scales lie: theta_to = A theta + B.
Axes: `item`, `anchor`, `solver`.
"""

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gradatim import checks
from gradatim.errors import ArgumentError
from gradatim.scale.anchors import Anchors, pair_items
from gradatim.scale.estimators import METHODS, residuals
from gradatim.types import Bank

FEW = 5  # anchors below which a link says that it rests on little
THIN = 100  # solvers below which priors have a say in the slope: 25 + 26 on 800 items, 0.04 off


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """theta_to = slope * theta + shift, with errors.

    Attributes:
        slope, shift: A and B.
        se_slope, se_shift: their standard errors.
        covariance: (2, 2) of (slope, shift).
        anchors: ids that it rests on.
        method: one of `METHODS`.
        scale, to: ids of the scale that is carried, and of the one it is carried to.
        facts: common, dropped, unusable, lookalikes (ids), misfit (mean square of the anchors'
            standardised residuals, 1 where errors say all), shift_only, warnings (texts).
    """

    slope: float
    shift: float
    se_slope: float
    se_shift: float
    covariance: np.ndarray
    anchors: tuple[Hashable, ...]
    method: str
    scale: str
    to: str
    facts: Mapping[str, Any] = field(default_factory=dict)


def link(
    bank: Bank, to: Bank, *, method: str = "stocking-lord", drop: Collection[Hashable] = ()
) -> Link:
    """Estimate how a bank's scale lies on another's, from the items in both.

    Args:
        bank: whose scale is to be carried.
        to: whose scale it is carried to.
        method: "stocking-lord", "haebara", "mean-sigma", "mean-mean", or "precision" (every
            anchor's a and b weighted by their errors: the smallest error, where models hold).
        drop: ids of common items that are not to be used, say those that drifted.

    Returns:
        Link. Anchors without finite estimates are left out, the others weighted by precision. One
        anchor gives a shift only, and so do two rasch banks: A = 1. Errors come by the delta
        method from the anchors' errors in both banks, taken as independent between items; where a
        bank's errors are those of a sample of persons (`reference="population"`), the sampling of
        its zero and unit is added. Solvers in both banks make them too large, never too small.

    Raises:
        ArgumentError: no item in common (ids that only look alike are named), none with finite
            estimates, an unknown method.

    Ref: Kolen & Brennan 2014, Test Equating, Scaling, and Linking, section 6.3; errors: Ogasawara
    2001, Applied Psychological Measurement 25:53.

    >>> from gradatim.scale.curves import flat
    >>> old = flat(difficulty=[-1.0, 0.0, 2.0], discrimination=[1.0, 2.0, 1.5])
    >>> new = flat(difficulty=[-1.5, -1.0, 0.0], discrimination=[2.0, 4.0, 3.0])
    >>> found = link(new, old)
    >>> round(found.slope, 6), round(found.shift, 6)
    (2.0, 2.0)
    """
    checks.one_of("method", method, METHODS)
    anchors = pair_items(bank, to, drop=drop)
    found = METHODS[method](anchors)
    log_a, shift = (float(v) for v in found.value)
    slope = float(np.exp(log_a))
    covariance = found.covariance + _sampling(anchors, found.value)
    covariance = covariance * np.outer([slope, 1.0], [slope, 1.0])
    if anchors.shift_only:
        covariance[0] = covariance[:, 0] = 0.0
    gap, noise = residuals(anchors, found.value)
    chi = np.einsum("ir,irs,is->i", gap, np.linalg.inv(noise), gap)
    freedom = max(2 * len(anchors.names) - 2, 1)
    return Link(
        slope=slope,
        shift=shift,
        se_slope=float(np.sqrt(max(covariance[0, 0], 0.0))),
        se_shift=float(np.sqrt(max(covariance[1, 1], 0.0))),
        covariance=covariance,
        anchors=anchors.names,
        method=method,
        scale=bank.scale,
        to=to.scale,
        facts={
            "common": len(anchors.names) + len(anchors.unusable) + len(set(drop)),
            "dropped": sorted(drop, key=str),
            "unusable": list(anchors.unusable),
            "lookalikes": [list(pair) for pair in anchors.lookalikes],
            "misfit": float(chi.sum() / freedom),
            "shift_only": anchors.shift_only,
            "warnings": _warnings(bank, to, anchors),
        },
    )


def place(bank: Bank, link: Link) -> Bank:
    """The bank on the scale that the link leads to.

    Args:
        bank: of the scale `link.scale`.
        link: from `link`.

    Returns:
        Bank with b -> A b + B, a -> a / A, abilities -> A theta + B, and the scale's id. Standard
        errors hold the link's: Var(b) -> A^2 Var(b) + b^2 Var(A) + 2 b Cov(A, B) + Var(B). The
        link's part is common to all items, so differences of two items of one bank are known
        better than these errors say.

    Raises:
        ArgumentError: a bank of another scale than the link's.

    >>> from gradatim.scale.curves import flat
    >>> old = flat(difficulty=[0.0, 1.0], discrimination=[1.0, 2.0])
    >>> new = flat(difficulty=[1.0, 2.0], discrimination=[1.0, 2.0])
    >>> place(new, link(new, old)).difficulty.round(6) + 0
    array([0., 1.])
    """
    if bank.scale != link.scale:
        raise ArgumentError(
            f"`link` carries scale {link.scale!r}, but `bank` is on {bank.scale!r}; link this bank"
        )
    slope, a = link.slope, bank.discrimination / link.slope
    relative = link.covariance[0, 0] / slope**2

    def errors(value: np.ndarray, se: np.ndarray) -> np.ndarray:
        (aa, ab), (_, bb) = link.covariance
        added = value**2 * aa + 2 * value * ab + bb
        return np.sqrt((slope * se) ** 2 + np.maximum(added, 0))

    mean, sd = bank.fit.get("population", (0.0, 1.0))
    about = {
        "slope": slope,
        "shift": link.shift,
        "covariance": np.asarray(link.covariance).tolist(),
        "method": link.method,
        "from": link.scale,
        "anchors": len(link.anchors),
        **link.facts,
    }
    return replace(
        bank,
        difficulty=slope * bank.difficulty + link.shift,
        discrimination=a,
        se_difficulty=errors(bank.difficulty, bank.se_difficulty),
        se_discrimination=np.sqrt((bank.se_discrimination / slope) ** 2 + a**2 * relative),
        ability=slope * bank.ability + link.shift,
        se_ability=errors(bank.ability, bank.se_ability),
        scale=link.to,
        fit={**bank.fit, "population": [slope * mean + link.shift, slope * sd], "link": about},
    )


def merge(bank: Bank, other: Bank) -> Bank:
    """One bank of two on the same scale; what both hold stays as `bank` has it.

    Raises:
        ArgumentError: banks of different scales.

    >>> from gradatim.scale.curves import flat
    >>> merge(flat(difficulty=[0.0], discrimination=[1.0]),
    ...     flat(difficulty=[0.0, 1.0], discrimination=[1.0, 1.0])).items
    ('item-1', 'item-2')
    """
    if bank.scale != other.scale:
        raise ArgumentError(
            f"only banks of one scale can be mixed: `bank` is on {bank.scale!r}, `other` on "
            f"{other.scale!r}; place one on the other's scale first (scale.link)"
        )
    items, solvers = set(bank.items), set(bank.solvers)
    new = np.array([name not in items for name in other.items], dtype=bool)
    fresh = np.array([name not in solvers for name in other.solvers], dtype=bool)
    columns: dict[str, Any] = {}
    for name in (
        "difficulty", "discrimination", "floor", "se_difficulty", "se_discrimination",
        "tried", "solved",
    ):  # fmt: skip
        columns[name] = np.concatenate([getattr(bank, name), getattr(other, name)[new]])
    for name in ("ability", "se_ability"):
        columns[name] = np.concatenate([getattr(bank, name), getattr(other, name)[fresh]])
    for name, empty in (("ceiling", 1.0), ("se_floor", 0.0), ("se_ceiling", 0.0)):
        one, two = getattr(bank, name), getattr(other, name)
        if one is not None or two is not None:
            one = np.full(len(bank.items), empty) if one is None else one
            two = np.full(len(other.items), empty) if two is None else two
            columns[name] = np.concatenate([one, two[new]])
    return replace(
        bank,
        items=bank.items + tuple(n for n, ok in zip(other.items, new, strict=True) if ok),
        solvers=bank.solvers + tuple(n for n, ok in zip(other.solvers, fresh, strict=True) if ok),
        fit={**bank.fit, "merged": [*bank.fit.get("merged", []), dict(other.fit)]},
        **columns,
    )


# -- parts ------------------------------------------------------------------------------------


def _sampling(anchors: Anchors, constants: np.ndarray) -> np.ndarray:
    """(2, 2) of (log A, B): what the persons' sampling adds to zero and unit of each scale.

    With n persons the zero of a scale has variance 1 / n and the log of its unit 1 / (2 n).
    """
    (here, there), (stretch, shift) = anchors.shared, constants
    free = 0.0 if anchors.shift_only else 0.5
    return np.array([
        [free * (here + there), free * shift * there],
        [free * shift * there, np.exp(2 * stretch) * here + (1 + free * shift**2) * there],
    ])


def _warnings(bank: Bank, to: Bank, anchors: Anchors) -> list[str]:
    said = []
    n = len(anchors.names)
    if n == 1:
        said.append("one anchor: the shift only is estimated, the unit is taken to be the same")
    elif n < FEW:
        said.append(f"only {n} anchors: the link rests on little, and drift can hardly be seen")
    if anchors.lookalikes:
        said.append(f"{len(anchors.lookalikes)} ids look alike but differ in spelling or type")
    for one in (bank, to):
        if 2 <= len(one.solvers) < THIN and one.fit.get("priors"):
            said.append(
                f"{len(one.solvers)} solvers behind scale {one.scale!r}: priors draw its items "
                "together, so the slope's error is larger than said"
            )
    both = len(set(bank.solvers) & set(to.solvers))
    if both:
        said.append(f"{both} solvers are in both banks: their errors are taken as independent")
    return said
