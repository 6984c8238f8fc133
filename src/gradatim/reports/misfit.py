"""Section about fit: items and solvers that the scale does not describe, and held-out cells."""

from dataclasses import replace
from typing import Any

import numpy as np

from gradatim.reports.page import Figure, Note, Section, Table
from gradatim.reports.read import Found
from gradatim.reports.scale_figures import (
    draw_calibration,
    draw_mean_squares,
    draw_residuals,
    short,
)
from gradatim.reports.tables import Column, written
from gradatim.scale import irt
from gradatim.scale.heldout import Heldout, calibration, compare_losses, hold_out, log_loss
from gradatim.scale.misfit import ItemFit, PersonFit, fit_items, fit_persons, residuals_by_ability
from gradatim.store.counting import responses as responses_of
from gradatim.types import Bank, Responses

WORST = 6  # items with a panel of their own
MOST_TESTED = 120_000  # cells: the test of curves simulates each a hundred times
MOST_CELLS = 120_000  # cells fitted in all folds together; four times as many in one fold at most
FOLDS = 10
LEAST = 200  # cells below which ten bins of held-out cells say nothing
GUESSES = {"item": "the item’s pass rate", "solver": "the solver’s pass rate"}
GUESSES["additive"] = "solver plus item, in logits"


def fit(found: Found) -> Section | None:
    """Fit of items, of solvers, and of predictions; needs the bank and the responses behind it."""
    bank = found.bank
    if bank is None or not len(bank.items):
        return None
    data = found.responses
    if data is None and found.counts is not None and len(found.counts.n):
        data = responses_of(found.counts, outcomes={"ungraded": "left_out"})
    if data is None or not len(data.solver):
        return None
    lead = (
        "A scale is worth what it predicts. Here are the items whose solvers do not follow their "
        "curve, the solvers whose answers surprise, and predictions of cells that were held out."
    )
    data = _shared(bank, data)
    if not len(data.solver):
        said = "No solver of the bank made any of these attempts: its fit cannot be judged."
        return Section("fit", "How well the scale fits", "", [Note(said, gap=True)])
    cells = len(data.solver)
    items = fit_items(data, bank, draws=100 if cells <= MOST_TESTED else 0)
    blocks = [*_held_out(bank, data), _mean_squares(bank, items), *_worst(bank, data, items)]
    blocks.append(_solvers(bank, fit_persons(data, bank)))
    return Section("fit", "How well the scale fits", lead, blocks)


def _shared(bank: Bank, data: Responses) -> Responses:
    """Cells of the bank's own solvers and items; say, without those that were left out of it."""
    solvers, items = (
        np.array([name in known for name in names], dtype=bool)[index]
        for known, names, index in (
            (set(bank.solvers), data.solvers, data.solver),
            (set(bank.items), data.items, data.item),
        )
    )
    kept = solvers & items
    return replace(
        data,
        solver=data.solver[kept],
        item=data.item[kept],
        solved=data.solved[kept],
        tried=data.tried[kept],
    )


# -- items ------------------------------------------------------------------------------------


def _mean_squares(bank: Bank, items: ItemFit) -> Figure:
    order = np.argsort(np.where(np.isfinite(items.p), items.p, 2.0), kind="stable")
    order = order[items.n[order] > 0]
    tested = int(np.isfinite(items.p).sum())
    rejected = int(np.sum(items.p < 0.05 / max(tested, 1)))
    said = (
        "1 is as much noise as the curve says, more is misfit, less means that the curve could "
        "be steeper; values beyond the frame stand on its edge."
    )
    if tested:
        said += (
            f" {rejected:,} of {tested:,} curves are rejected (5% for all together, against data "
            "simulated from the curves)."
        )
    else:
        said += " There are too many cells to simulate a test of each curve in a report."
    rows = [
        {
            "item": bank.items[i],
            "p": float(items.p[i]),
            "infit": float(items.infit[i]),
            "outfit": float(items.outfit[i]),
            "chi2": float(items.chi2[i]),
            "solvers": int(items.n[i]),
        }
        for i in order
    ]
    return Figure(
        "mean-squares",
        "Fit of the items",
        said,
        lambda width: draw_mean_squares(items, width=width),
        rows,
        [
            Column("item", form="text"),
            Column("p"),
            Column("infit"),
            Column("outfit"),
            Column("chi2", "chi-square of ability groups"),
            Column("solvers"),
        ],
    )


def _worst(bank: Bank, data: Responses, items: ItemFit) -> list[Figure]:
    if not np.isfinite(items.p).any():
        return []
    order = np.lexsort((-np.nan_to_num(items.chi2), np.where(np.isfinite(items.p), items.p, 2.0)))
    order = order[np.isfinite(items.p[order])][:WORST]
    by = residuals_by_ability(data, bank)
    rows = [
        {
            "item": bank.items[i],
            "ability": float(by.ability[g]),
            "observed": float(by.observed[i, g]),
            "expected": float(by.expected[i, g]),
            "se": float(by.se[i, g]),
            "attempts": float(by.n[i, g]),
        }
        for i in order
        for g in range(len(by.ability))
        if by.n[i, g] > 0
    ]
    names = [short(bank.items[i], float(items.p[i])) for i in order]
    said = (
        "A line that falls while its curve rises is often a wrong answer key; one far above it on "
        "the left, a guess or a leak. Abilities are those without the item itself."
    )
    return [
        Figure(
            "residuals",
            f"The {len(order)} items that fit worst" if len(order) > 1 else "The item’s residuals",
            said,
            lambda width: draw_residuals(by, order.tolist(), names, width=width),
            rows,
            [
                Column("item", form="text"),
                Column("ability"),
                Column("observed", form="percent"),
                Column("expected", form="percent"),
                Column("se", "standard error", "percent"),
                Column("attempts"),
            ],
        )
    ]


# -- solvers ----------------------------------------------------------------------------------


def _solvers(bank: Bank, people: PersonFit) -> Table:
    order = np.argsort(np.where(np.isfinite(people.lz_star), people.lz_star, np.inf), kind="stable")
    rows = [
        {
            "solver": bank.solvers[i],
            "lz": float(people.lz_star[i]),
            "infit": float(people.infit[i]),
            "outfit": float(people.outfit[i]),
            "items": int(people.n[i]),
        }
        for i in order[:10]
        if people.n[i] > 0
    ]
    columns = [
        Column("solver", form="text"),
        Column("lz", "l_z*"),
        Column("infit"),
        Column("outfit"),
        Column("items"),
    ]
    low = int(np.sum(people.lz_star < -2.33))
    said = (
        "Low l_z*: fails what is easy for it, solves what is hard. About one solver in a hundred "
        f"is below −2.33 where the scale holds; here {low:,} of {int((people.n > 0).sum()):,} are."
    )
    return Table("Solvers whose answers surprise most", rows, columns, said)


# -- held-out cells ---------------------------------------------------------------------------


def _held_out(bank: Bank, data: Responses) -> list[Any]:
    if len(data.solver) < LEAST:
        return [Note(f"Under {LEAST} cells: too few to hold any out.", gap=True)]
    if len(data.solver) > 4 * MOST_CELLS:
        said = f"{len(data.solver):,} cells: too many to fit again without some of them here."
        return [Note(said, gap=True)]
    most = int(np.clip(MOST_CELLS // len(data.solver), 1, FOLDS))
    held = hold_out(data, folds=FOLDS, fit=lambda rest: _again(bank, rest), most=most)
    return [_calibration(held, most), _losses(held)]


def _again(bank: Bank, rest: Responses) -> Bank:
    """A fit like the bank's, to fewer cells."""
    model = str(bank.fit.get("model", "2pl"))
    model = model if model in irt.MODELS else "2pl"
    floors = dict(zip(bank.items, bank.floor, strict=True))
    floor = np.array([floors.get(name, 0.0) for name in rest.items])
    known = model in ("2pl", "1pl", "rasch") and floor.any()
    return irt.fit(rest, model=model, floor=floor if known else None)


def _calibration(held: Heldout, most: int) -> Figure:
    found = calibration(held.responses, held.chance)
    share = "" if most == FOLDS else f" {most} of {FOLDS} folds were held out, to save time."
    said = (
        f"Each of {len(held.chance):,} cells was predicted by a fit that had not seen it. The "
        f"expected calibration error is {written(found.error)}: so far are predictions from what "
        f"happened, on average.{share}"
    )
    rows = [
        {
            "predicted": float(found.predicted[i]),
            "observed": {
                "value": float(found.observed[i]),
                "low": float(found.low[i]),
                "high": float(found.high[i]),
                "n": int(found.n[i]),
            },
            "cells": int(found.cells[i]),
        }
        for i in range(len(found.n))
    ]
    return Figure(
        "calibration",
        "Do predictions come true?",
        said,
        lambda width: draw_calibration(found, width=width),
        rows,
        [
            Column("predicted", form="percent"),
            Column("observed", form="percent"),
            Column("cells"),
        ],
    )


def _losses(held: Heldout) -> Table:
    data = held.responses
    rows: list[dict[str, Any]] = [{"by": "the scale", "loss": log_loss(data, held.chance)}]
    for name, chance in held.guesses.items():
        gap = compare_losses(data, held.chance, chance)
        rows.append({"by": GUESSES[name], "loss": log_loss(data, chance), "gap": gap})
    return Table(
        "Log-loss of held-out attempts",
        rows,
        [
            Column("by", "predicted by", "text"),
            Column("loss", "log-loss"),
            Column("gap", "the scale’s minus this one’s"),
        ],
        "Lower is better; intervals resample items.",
    )
