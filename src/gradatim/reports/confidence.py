"""Figures of confidences: the reliability diagram, and risk by coverage."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gradatim.errors import ArgumentError
from gradatim.evaluation.calibration import Bins
from gradatim.evaluation.selective import RiskCoverage
from gradatim.files import write_atomic
from gradatim.reports import axes as ax
from gradatim.reports.axes import Axis
from gradatim.reports.charts import Panel, draw_lines
from gradatim.reports.marks import Series
from gradatim.reports.scale_figures import SHARES
from gradatim.reports.svg import standing_alone

RIGHT = Series("if every confidence were right", [0.0, 1.0], [0.0, 1.0], color=0, kind="dash")
POINTS = 400  # of a curve of risk


def draw_reliability(
    tables: Mapping[str, Bins | Sequence[Mapping[str, Any]]], *, width: float = 820.0
) -> str:
    """Share right by confidence, with 95% intervals; a line for each table.

    Args:
        tables: name -> bins of `calibration_error` or `reliability_bins`, or the rows
            `reliability` of an audit's section "confidence"; say, as given and rescaled.
        width: of the drawing, in user units.

    Returns:
        `<svg>` markup.
    """
    title = "Share right by confidence"
    lines = []
    for at, (name, table) in enumerate(tables.items(), start=1):
        x, y, low, high = _columns(table)
        if len(x):
            lines.append(Series(name, x, y, low, high, color=at))
    if not lines:
        return draw_lines([], title=title, width=width)
    panel = Panel(
        "",
        Axis("confidence", ax.percent, SHARES),
        Axis("share right", ax.percent, SHARES),
        lines,
        include=[-0.02, 1.02],
        bounds=(-0.03, 1.03),
        marks=True,
        under=[RIGHT],
        span=(-0.03, 1.03),
    )
    return draw_lines([panel], title=title, width=width, height=320)


def _columns(table: Bins | Sequence[Mapping[str, Any]]) -> tuple[np.ndarray, ...]:
    names = ("predicted", "observed", "low", "high")
    if isinstance(table, Bins):
        return tuple(np.asarray(getattr(table, name), float) for name in names)
    return tuple(np.array([row[name] for row in table], float) for name in names)


def draw_risk(curves: Mapping[str, RiskCoverage], *, width: float = 820.0) -> str:
    """Share wrong among the answers kept, as more are kept; a line for each curve.

    Args:
        curves: name -> what `risk_coverage` returned.
        width: of the drawing, in user units.

    Returns:
        `<svg>` markup; bands are 95% intervals.
    """
    title = "Share wrong by coverage"
    lines = []
    for at, (name, curve) in enumerate(curves.items(), start=1):
        n = len(curve.coverage)
        if not n:
            continue
        kept = np.unique(np.linspace(0, n - 1, min(n, POINTS)).astype(int))
        value, low, high = (
            np.asarray(part)[kept] for part in (curve.risk.value, curve.risk.low, curve.risk.high)
        )
        lines.append(Series(name, curve.coverage[kept], value, low, high, color=at))
    panels = [
        Panel(
            "",
            Axis("answered", ax.percent, SHARES),
            Axis("wrong among them", ax.percent),
            lines,
            include=[0.0],
            bounds=(0.0, 1.0),
        )
    ]
    return draw_lines(panels if lines else [], title=title, width=width, height=320)


def save_svg(markup: str, output: str | Path) -> Path:
    """Write a drawing as a file that stands alone.

    Args:
        markup: of a `draw_...` function.
        output: ends in .svg.

    Raises:
        ArgumentError: another ending.
    """
    path = Path(output)
    if path.suffix != ".svg":
        raise ArgumentError(f"`output` must end in .svg, got {str(path)!r}")
    write_atomic(path, standing_alone(markup))
    return path
