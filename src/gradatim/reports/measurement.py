"""Sections about measuring: difficulty, the item map, placement of a new solver."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from gradatim.reports.axes import Axis
from gradatim.reports.charts import Row, draw_intervals
from gradatim.reports.figures import draw_difficulty, draw_map, draw_placement
from gradatim.reports.page import Figure, Note, Section, Table
from gradatim.reports.read import Found
from gradatim.reports.tables import cell, number, parts, written
from gradatim.types import Bank, Problem


def _where(bank: Bank, problems: Mapping[str, Problem]) -> tuple[list[str], np.ndarray]:
    """(item,) family names and levels of a bank's items."""
    known = [problems.get(item) for item in bank.items]
    other = "unknown" if problems else "items"
    family = [(p.family or "read from a file") if p else other for p in known]
    level = [np.nan if p is None or p.level is None else float(p.level) for p in known]
    return family, np.array(level, float)


def _spearman(found: Found) -> Mapping[str, Any]:
    value = found.results.get("calibration", {}).get("spearman")
    return value if isinstance(value, Mapping) else {}


def difficulty(found: Found) -> Section | None:
    """The scale: difficulty against level, and the item map."""
    calibration = found.results.get("calibration", {})
    bank = found.bank
    if bank is None and not calibration:
        return None
    blocks: list[Any] = []
    if bank is not None and len(bank.items):
        family, level = _where(bank, found.problems)
        blocks += _bank_figures(bank, family, level)
    elif bank is None:
        blocks.append(Note("The run has results of a calibration, but no bank.", gap=True))
    blocks += _spearman_blocks(_spearman(found))
    for key, words in (("never_solved", "Never solved"), ("always_solved", "Always solved")):
        ids = calibration.get(key)
        if isinstance(ids, list):
            blocks.append(_ids_note(words, ids, found.problems))
    fit = calibration.get("fit") or (bank.fit if bank is not None else None)
    if isinstance(fit, Mapping) and fit:
        about = [{"fit": k, "value": v} for k, v in fit.items()]
        blocks.append(Table("How the fit went", about))
    lead = (
        "One scale for all: problems and solvers are placed by the attempts alone; nobody "
        "told the fit which level a problem was made for."
    )
    return Section("difficulty", "How difficult the problems are", lead, blocks)


def _bank_figures(bank: Bank, family: list[str], level: np.ndarray) -> list[Any]:
    open_ = (bank.solved <= 0) | (bank.solved >= bank.tried)
    rows = [
        {
            "item": item,
            "family": family[i],
            "level": None if np.isnan(level[i]) else int(level[i]),
            "difficulty": float(bank.difficulty[i]),
            "se": float(bank.se_difficulty[i]),
            "discrimination": float(bank.discrimination[i]),
            "solved": float(bank.solved[i]),
            "tried": int(bank.tried[i]),
        }
        for i, item in enumerate(bank.items)
    ]
    blocks = []
    if np.isfinite(level).any():
        said = (
            "The medians should climb from left to right: then the dial of the family turns real "
            "difficulty; hollow points were solved by everybody or by nobody."
        )
        blocks.append(
            Figure(
                "difficulty",
                "Difficulty against level",
                said,
                lambda width: draw_difficulty(
                    family, level, bank.difficulty, width=width, open_=open_
                ),
                rows,
            )
        )
    people = [
        {"solver": s, "ability": float(a), "se": float(e)}
        for s, a, e in zip(bank.solvers, bank.ability, bank.se_ability, strict=True)
    ]
    blocks.append(
        Figure(
            "item-map",
            "Problems and solvers on one scale",
            _map_caption(bank),
            lambda width: draw_map(
                family, bank.difficulty, bank.solvers, bank.ability, se=bank.se_ability, width=width
            ),
            people,
        )
    )
    return blocks


def _map_caption(bank: Bank) -> str:
    said = (
        "A solver solves a problem that lies straight above it about half the time (more where a "
        "guess can be right), those to its left more often"
    )
    able = bank.ability[np.isfinite(bank.ability)]
    if len(able) and len(bank.items):
        beyond = int((bank.difficulty > able.max()).sum())
        said += f"; {beyond:,} of {len(bank.items):,} problems lie right of the ablest solver"
    return said + ". Bars are 95% intervals."


def _spearman_blocks(spearman: Mapping[str, Any]) -> list[Any]:
    if not spearman:
        return []
    rows = [Row(str(k), *parts(v)[:3], said=_short(v)) for k, v in spearman.items()]
    data = [{"family": k, "spearman": v} for k, v in spearman.items()]
    return [
        Figure(
            "spearman",
            "Does difficulty follow the level?",
            "1 means that a higher level is always harder; bars are 95% intervals.",
            lambda width: draw_intervals(
                rows,
                Axis("Spearman correlation of difficulty with level"),
                title="Spearman correlation of difficulty with level by family",
                width=width,
                zero=0.0,
            ),
            data,
        )
    ]


def _short(value: Any) -> str:
    return cell(value).partition(" (n=")[0]


def _ids_note(words: str, ids: list[Any], problems: Mapping[str, Problem]) -> Note:
    if not ids:
        return Note(f"{words}: none.")
    where: dict[str, int] = {}
    for name in ids:
        p = problems.get(str(name))
        key = f"{p.family or 'file'} level {p.level}" if p else "unknown family"
        where[key] = where.get(key, 0) + 1
    top = sorted(where.items(), key=lambda kv: (-kv[1], kv[0]))[:8]
    spread = ", ".join(f"{k}: {n}" for k, n in top)
    named = ", ".join(str(i) for i in ids[:12]) + (", …" if len(ids) > 12 else "")
    return Note(
        f"{words}: {len(ids):,} problems, whose difficulty only the prior bounds ({spread}). "
        f"By id: {named}"
    )


def placement(found: Found) -> Section | None:
    """A held-out solver placed by an adaptive test, beside equally many random items."""
    value = found.results.get("placement")
    if value is None:
        return None
    steps = value["items"]
    rows = []
    for i, k in enumerate(steps):
        row: dict[str, Any] = {"items": k}
        for key in ("adaptive_error", "adaptive_se", "random_error", "random_low", "random_high"):
            column = value.get(key) or []
            if i < len(column):
                row[key] = column[i]
        rows.append(row)
    who = value.get("solver", "a held-out solver")
    used, here = number(value.get("used")), number(value.get("error_at_used"))
    there = number(value.get("random_error_at_used"))
    said = "The lower line needs fewer answers for the same precision."
    if np.isfinite([used, here]).all():
        said = f"After {used:.0f} items the adaptive test is {written(here)} logits off"
        if np.isfinite(there):
            worse = "no better than" if here >= there else "against"
            said += f", {worse} {written(there)} for as many random items"
        said += "; the band is the interval over random draws." if value.get("random_low") else "."
    blocks: list[Any] = [
        Figure(
            "placement",
            "Placement error by number of items",
            said,
            lambda width: draw_placement(value, width=width),
            rows,
        )
    ]
    lead = (
        f"{who} took no part in the calibration; the test picks each next item where it tells most"
    )
    true = number(value.get("reference_ability"))
    lead += f". Its ability from all items is {written(true)} logits." if np.isfinite(true) else "."
    return Section("placement", "Placing a new solver", lead, blocks)
