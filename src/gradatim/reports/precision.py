"""Section about precision: what the bank can tell of an ability, and what it told."""

import numpy as np

from gradatim.reports.axes import domain
from gradatim.reports.page import Figure, Section
from gradatim.reports.read import Found
from gradatim.reports.scale_figures import MOST_NAMED, Z95, draw_abilities, draw_information
from gradatim.reports.tables import Column, written
from gradatim.scale.ability import select_items
from gradatim.scale.curves import information
from gradatim.types import Bank, Estimate

POINTS = 161


def precision(found: Found) -> Section | None:
    """Test information with standard errors, and abilities with intervals."""
    bank = found.bank
    if bank is None or not len(bank.items):
        return None
    blocks = [_information(bank)]
    if np.isfinite(bank.ability).any():
        blocks.append(_abilities(bank))
    lead = (
        "Information is what one attempt at each item tells of an ability; it is largest where "
        "items are neither too easy nor too hard, and its square root bounds every error bar."
    )
    return Section("precision", "How precise the scale is", lead, blocks)


def _information(bank: Bank) -> Figure:
    known = np.flatnonzero(np.isfinite(bank.difficulty) & np.isfinite(bank.discrimination))
    kept = select_items(bank, known)
    low, high = domain(
        bank.ability, np.quantile(kept.difficulty, [0.05, 0.95]) if len(known) else []
    )
    theta = np.linspace(low, high, POINTS)
    told = np.array([float(information(t, kept).sum()) for t in theta])
    best = int(np.argmax(told)) if len(known) else 0
    said = "No item has an estimate."
    if len(known):
        said = (
            f"{len(known):,} items tell most at an ability of {written(theta[best])} logits, where "
            f"one attempt at each leaves a standard error of {written(told[best] ** -0.5)}."
        )
    able = bank.ability[np.isfinite(bank.ability)]
    if len(able) and len(known):
        worst = [float(information(float(t), kept).sum()) ** -0.5 for t in (able.min(), able.max())]
        said += f" At the weakest solver it is {written(worst[0])}, at the ablest "
        said += f"{written(worst[1])}."
    rows = [
        {"ability": float(t), "information": float(i), "standard error": float(i) ** -0.5}
        for t, i in zip(theta[::8], told[::8], strict=True)
        if i > 0
    ]
    return Figure(
        "information",
        "What the bank can tell",
        said,
        lambda width: draw_information(theta, told, bank.ability, width=width),
        rows,
    )


def _abilities(bank: Bank) -> Figure:
    order = np.argsort(-bank.ability, kind="stable")
    order = order[np.isfinite(bank.ability[order])]
    reach = Z95 * bank.se_ability
    rows = [
        {
            "solver": bank.solvers[i],
            "ability": Estimate(
                float(bank.ability[i]),
                float(bank.ability[i] - reach[i]),
                float(bank.ability[i] + reach[i]),
                None,
            ),
            "se": float(bank.se_ability[i]),
        }
        for i in order
    ]
    said = "Bars are 95% intervals and hold the error of the items; where two do not overlap, one "
    said += "solver is the abler."
    if len(order) > MOST_NAMED:
        said += f" The {len(order):,} names are in the numbers, in the same order."
    return Figure(
        "abilities",
        "Abilities with intervals",
        said,
        lambda width: draw_abilities(bank.solvers, bank.ability, bank.se_ability, width=width),
        rows,
        [Column("solver", form="text"), Column("ability"), Column("se", "standard error")],
    )
