"""The section about the policy itself while it trained: entropy, reach, and what went wrong."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from gradatim.engine import watching
from gradatim.reports import axes as ax
from gradatim.reports.axes import Axis
from gradatim.reports.charts import Panel, draw_lines
from gradatim.reports.figures import color_of
from gradatim.reports.marks import Series
from gradatim.reports.page import Figure, Note, Section
from gradatim.reports.read import Found
from gradatim.reports.tables import Column, number

REACH = {"pass_1": "pass@1", "pass_k": "pass@{k}"}


def watched(found: Found) -> Section | None:
    """Entropy of each arm, how its pass@1 and pass@k moved, and what that means in words."""
    arms = found.results.get("curves", {}).get("arms") or {}
    known = {n: r for n, c in arms.items() if (r := [m for m in c.get("monitor") or [] if _has(m)])}
    if not known:
        return None
    rows = [_row(name, record) for name, records in known.items() for record in records]
    columns = [
        Column("arm", form="text"),
        Column("rollouts"),
        Column("entropy", "entropy, nats a token"),
        *([Column("rate", "held-out", "percent")] if any("rate" in r for r in rows) else []),
        *(
            Column(key, form="points")
            for key in dict.fromkeys(k for r in rows for k in r if k.startswith("pass@"))
        ),
        *(
            [Column("covered", "pool tried", "percent")]
            if any("covered" in r for r in rows)
            else []
        ),
    ]
    figure = Figure(
        "watched",
        "Entropy and reach",
        "Entropy of the tokens written on held-out problems, and how far pass@1 and pass@k have "
        "moved from the first survey, with 95% intervals over problems.",
        lambda width: draw_watched(known, width=width),
        rows,
        columns,
    )
    said = {name: watching.summary(records) for name, records in known.items()}
    alone = len(said) == 1
    notes = [
        Note(seen.sentence if alone else f"{name}: {seen.sentence}", gap=bool(seen.alarms))
        for name, seen in said.items()
        if seen.sentence
    ]
    lead = "Does training teach what the policy could not do, or only make likely what it could?"
    return Section("watched", "Expanding or sharpening", lead, [*notes, figure])


def draw_watched(arms: Mapping[str, Any], *, width: float = 820.0) -> str:
    """Entropy against rollouts, and the changes of pass@1 and pass@k where they were measured.

    Args:
        arms: name -> survey records of a run; see engine.watching.
        width: of the drawing, in user units.

    Returns:
        `<svg>` markup.
    """
    x, lines, moves = Axis("rollouts spent"), [], []
    for name, records in arms.items():
        color = color_of(name, list(arms))
        at = [number(r.get("rollouts")) for r in records]
        lines.append(Series(name, at, [number(r["entropy"]) for r in records], color=color))
        for key, title in REACH.items():
            known = [r for r in records if r.get("reach")]
            if not known:
                continue
            k = known[0]["reach"]["k"]
            ends = [
                np.array([number(r["reach"][key].get(end)) for r in known])
                for end in ("value", "low", "high")
            ]
            moves.append(
                Series(
                    f"{name} {title.format(k=k)}",
                    [number(r.get("rollouts")) for r in known],
                    *ends,
                    color=color,
                    kind="line" if key == "pass_1" else "dash",
                )
            )
    panels = [Panel("Entropy, held-out", x, Axis("nats a token"), lines, include=[0.0])]
    if moves:
        y = Axis("change, points", ax.percent)
        panels.append(Panel("Change since the first survey", x, y, moves, include=[0.0]))
    return draw_lines(panels, title="Entropy and reach while training", width=width, height=280)


def _has(record: Mapping[str, Any]) -> bool:
    return bool(np.isfinite(number(record.get("entropy"))))


def _row(arm: str, record: Mapping[str, Any]) -> dict[str, Any]:
    row = {"arm": arm, **{k: record.get(k) for k in ("rollouts", "entropy", "rate")}}
    reach = record.get("reach")
    if reach:
        row |= {title.format(k=reach["k"]): reach[key] for key, title in REACH.items()}
    if record.get("coverage"):
        row["covered"] = record["coverage"]["tried"]
    return row
