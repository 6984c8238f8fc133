"""A bank placed on another bank's scale, without the anchors that drifted."""

from dataclasses import replace
from typing import Any

import numpy as np

from gradatim.scale.drift import Drift, find_drift
from gradatim.scale.link import Link, link, place
from gradatim.types import Bank


def link_banks(
    bank: Bank, to: Bank, *, method: str = "stocking-lord", drift: bool = True
) -> tuple[Bank, Link]:
    """Place a bank on the scale of another by the items in both.

    Args:
        bank: to be placed.
        to: whose scale it goes to.
        method: see `scale.link.link`.
        drift: test the anchors first, and leave out those that changed (see
            `scale.drift.find_drift`).

    Returns:
        The placed bank, with the id of `to`'s scale, and the Link. `link.facts` (and the bank's
        `fit["link"]`) say anchors dropped, what the test of drift found, and warnings. A bank
        that is on the scale already comes back as it is, with a link of slope 1 and shift 0.

    Raises:
        ArgumentError: no item in common, or none with finite estimates.

    >>> from gradatim.scale.curves import flat
    >>> old = flat(difficulty=[-1.0, 0.0, 2.0], discrimination=[1.0, 2.0, 1.5])
    >>> new = replace(flat(difficulty=[-1.5, -1.0, 0.0], discrimination=[2.0, 4.0, 3.0]), scale="x")
    >>> placed, found = link_banks(new, old)
    >>> placed.scale, placed.difficulty.round(6).tolist()
    ('known', [-1.0, 0.0, 2.0])
    """
    if bank.scale == to.scale:
        return bank, _same(bank, method)
    found = find_drift(bank, to) if drift else None
    made = link(bank, to, method=method, drop=() if found is None else found.drifted)
    if found is not None:
        made = replace(made, facts={**made.facts, "drift": _describe(found)})
    return place(bank, made), made


def _same(bank: Bank, method: str) -> Link:
    return Link(
        slope=1.0,
        shift=0.0,
        se_slope=0.0,
        se_shift=0.0,
        covariance=np.zeros((2, 2)),
        anchors=(),
        method=method,
        scale=bank.scale,
        to=bank.scale,
        facts={"warnings": ["already on this scale: nothing to link"]},
    )


def _describe(found: Drift) -> dict[str, Any]:
    rows = {name: i for i, name in enumerate(found.anchors)}
    return {
        "tested": found.tested,
        "anchors": len(found.anchors),
        "spread": found.spread,
        "drifted": [
            {
                "item": name,
                "difficulty": float(found.difficulty[rows[name]]),
                "log_slope": float(found.log_slope[rows[name]]),
                "p": float(found.p[rows[name]]),
            }
            for name in found.drifted
        ],
    }
