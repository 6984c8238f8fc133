"""The part of a study's page that says who gets to the target first: profiles and their scores."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gradatim.engine import study_profiles
from gradatim.reports import axes as ax
from gradatim.reports.axes import Axis
from gradatim.reports.charts import Panel, draw_lines
from gradatim.reports.figures import color_of
from gradatim.reports.marks import Series
from gradatim.reports.page import Block, Figure, Note, Section, Table
from gradatim.reports.tables import Column
from gradatim.types import Estimate

SHOWN = {"rollouts": "rollouts", "cpu": "processor time"}  # units with a panel of their own
NAMES = {"steps": "steps", "rollouts": "rollouts", "tokens": "tokens", "cpu": "processor time"}


def profile_section(
    rows: Sequence[Mapping[str, Any]], *, baseline: str, named: Sequence[str]
) -> Section | None:
    """Time to target over the study's workloads; None with one variant, or one workload.

    Args:
        rows: of a study.
        baseline: what sets the targets.
        named: variants with a line of their own; the table has all.
    """
    found = study_profiles.profiles(rows, baseline=baseline)
    if found is None or len(found["workloads"]) < 2:
        return None
    blocks: list[Block] = [
        Figure(
            "profiles",
            "Performance profiles",
            "How many workloads a variant finishes within so many times the cost of the best one "
            "there: higher is better, and the left edge is the share that it wins.",
            lambda width: draw_profiles(found, named, width=width),
            [
                {"unit": unit, "variant": row["variant"], "factor": t, "share": s}
                for unit in SHOWN
                for row in found["units"][unit]
                if row["variant"] in named
                for t, s in zip(row["tau"].tolist(), row["share"].value.tolist(), strict=True)
            ],
        ),
        Table("Scores", *_scores(found)),
        Table(
            "Workloads",
            found["workloads"],
            [
                *(Column(name, form="text") for name in ("pool", "start")),
                Column("target", "target pass rate", "percent"),
                Column("runs"),
            ],
        ),
        Note(f"{_upper(study_profiles.said(found, baseline=baseline))}."),
    ]
    return Section(
        "profiles",
        "Time to target",
        "The area below a profile is a variant's score, from 0 to 1; the gain is over "
        f"{baseline}'s.",
        blocks,
    )


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _scores(found: Mapping[str, Any]) -> tuple[list[dict[str, Any]], list[Column]]:
    by_unit = {unit: {r["variant"]: r for r in rows} for unit, rows in found["units"].items()}
    records = [
        {"variant": row["variant"], "reached": row["reached"], "gain": _ends(row["gain"])}
        | {unit: _ends(by_unit[unit][row["variant"]]["score"]) for unit in NAMES}
        for row in found["units"]["rollouts"]
    ]
    columns = [
        Column("variant", form="text"),
        Column("reached", "runs that got there", "percent"),
        *(Column(unit, f"score by {name}") for unit, name in NAMES.items()),
        Column("gain", "gain by rollouts"),
    ]
    return records, columns


def _ends(value: Estimate) -> dict[str, float]:
    """An estimate for a column whose n the section's note says."""
    return {"value": value.value, "low": value.low, "high": value.high}


def draw_profiles(found: Mapping[str, Any], named: Sequence[str], *, width: float = 820.0) -> str:
    """Share of workloads against the factor over the best, a panel per unit of cost.

    Args:
        found: of `study_profiles.profiles`.
        named: variants with a line.
        width: of the drawing, in user units.

    Returns:
        `<svg>` markup.
    """
    panels = []
    for unit, name in SHOWN.items():
        rows = [row for row in found["units"][unit] if row["variant"] in named]
        lines = [
            Series(
                row["variant"],
                row["tau"],
                *(np.asarray(getattr(row["share"], k)) for k in ("value", "low", "high")),
                color=color_of(row["variant"], list(named)),
            )
            for row in rows
        ]
        x = Axis(f"times the best one's {name}")
        panels.append(Panel(name, x, Axis("workloads", ax.percent), lines, bounds=(0, 1)))
    title = "Share of workloads finished within a factor of the best variant's cost"
    return draw_lines(panels, title=title, width=width, height=280)
