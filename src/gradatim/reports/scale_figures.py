"""Figures of a scale: how precise it is, and how well it fits. Arrays to inline `<svg>` text.

As in figures.py: `width` in user units, one `<svg>` each, and a word where there is nothing.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradatim.reports import axes as ax
from gradatim.reports import marks
from gradatim.reports.axes import Axis, Frame, Key
from gradatim.reports.charts import FOOT, LEFT, RIGHT, Panel, Row, draw_intervals, draw_lines
from gradatim.reports.marks import Series
from gradatim.reports.svg import drawing, el, fit
from gradatim.scale.heldout import Calibration
from gradatim.scale.misfit import ByAbility, ItemFit

LOGITS = "ability (logits)"
MOST_NAMED = 40  # solvers whose bars have their names beside them
Z95 = 1.959964
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


def draw_information(theta: Any, information: Any, ability: Any, *, width: float = 820.0) -> str:
    """Test information over ability, and the standard error that it allows.

    Args:
        theta: (point,) abilities.
        information: (point,) of one attempt at each item.
        ability: (solver,) logits; the range that they span is marked.
        width: of the drawing, in user units.

    Returns:
        `<svg>` markup.
    """
    title = "Test information and standard error by ability"
    theta, information = np.asarray(theta, float), np.asarray(information, float)
    if not np.isfinite(information).any():
        return draw_lines([], title=title, width=width)
    x = Axis(LOGITS)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.where(information > 0, 1 / np.sqrt(information), np.nan)
    # far from all items the error has no end: the axis stops at ten times the smallest
    error = np.where(error <= 10 * np.nanmin(error, initial=np.inf), error, np.nan)
    able = np.asarray(ability, float)
    able = able[np.isfinite(able)]
    here = (
        (theta >= able.min()) & (theta <= able.max()) if len(able) else np.zeros(len(theta), bool)
    )
    panels = []
    for words, y, name in (
        ("Information of the whole bank", information, "information (1 / logits²)"),
        ("Smallest possible standard error", error, "standard error (logits)"),
    ):
        lines = [Series("whole range", theta, y, color=0, kind="dash")]
        if here.any():
            inside = np.where(here, y, np.nan)
            lines.append(Series("where the solvers are", theta, inside, color=1))
        panels.append(Panel(words, x, Axis(name), lines, include=[0.0], bounds=(0.0, np.inf)))
    return draw_lines(panels, title=title, width=width, height=270)


def draw_abilities(names: Sequence[str], ability: Any, se: Any, *, width: float = 820.0) -> str:
    """Abilities with 95% intervals, ablest first: names beside them where there is room.

    Args:
        names: (solver,).
        ability: (solver,) logits; NaN is left out.
        se: (solver,) standard errors.
        width: of the drawing, in user units.

    Returns:
        `<svg>` markup.
    """
    title = "Abilities of solvers with 95% intervals"
    ability, se = np.asarray(ability, float), np.asarray(se, float)
    order = np.argsort(-ability, kind="stable")
    order = order[np.isfinite(ability[order])]
    if len(order) <= MOST_NAMED:
        rows = [
            Row(str(names[i]), ability[i], ability[i] - Z95 * se[i], ability[i] + Z95 * se[i])
            for i in order
        ]
        return draw_intervals(rows, Axis(LOGITS), title=title, width=width)
    y, half = ability[order], Z95 * se[order]
    rank = np.arange(1, len(order) + 1)
    series = [Series("solver", rank, y, y - half, y + half)]
    at = [v for v in ax.ticks(1, len(order), max(3, int(width / 90))) if v >= 1]
    x = Axis("solvers, from the ablest to the weakest", at=at)
    panel = Panel("", x, Axis(LOGITS), series, marks=True)
    return draw_lines([panel], title=title, width=width, height=300)


def draw_residuals(
    by: ByAbility, rows: Sequence[int], names: Sequence[str], *, width: float = 820.0
) -> str:
    """Observed and expected pass rate by ability group, a panel for each of some items.

    Args:
        by: of all items.
        rows: indices of the items drawn.
        names: a title for each of them.
        width: of the drawing, in user units.

    Returns:
        `<svg>` markup.
    """
    y = Axis("pass rate", ax.percent, SHARES)
    panels = []
    for row, name in zip(rows, names, strict=True):
        seen = np.isfinite(by.observed[row])
        x = by.ability[seen]
        observed, expected, se = (v[row][seen] for v in (by.observed, by.expected, by.se))
        ends = [np.clip(expected + side * Z95 * se, 0, 1) for side in (-1, 1)]
        # the interval is the curve's: where would the share be if the curve held?
        lines = [
            Series("expected by the curve, 95%", x, expected, *ends, color=0),
            Series("observed", x, np.where(np.ones(len(x), bool), observed, np.nan), color=2),
        ]
        axis = Axis("ability of the group (logits)")
        panels.append(Panel(name, axis, y, lines, include=[-0.02, 1.02], bounds=(-0.03, 1.03)))
    title = "Observed and expected pass rate of the items that fit worst"
    return draw_lines(panels, title=title, width=width, height=250)


def draw_mean_squares(found: ItemFit, *, width: float = 820.0, size: float = 0.05) -> str:
    """Infit against outfit of all items; those that fail the test of their curve stand out.

    Args:
        found: from `scale.misfit.fit_items`.
        width: of the drawing, in user units.
        size: items with p below this divided by the number of items are marked (Bonferroni).

    Returns:
        `<svg>` markup.
    """
    title = "Infit and outfit mean squares of the items"
    x, y = np.asarray(found.infit, float), np.asarray(found.outfit, float)
    known = np.isfinite(x) & np.isfinite(y)
    if not known.any():
        return draw_lines([], title=title, width=width)
    tested = int(np.isfinite(found.p).sum())
    bad = known & (np.nan_to_num(found.p, nan=1.0) < size / max(tested, 1))
    tops = [float(np.clip(np.quantile(v[known], 0.995) * 1.1, 1.5, 5.0)) for v in (x, y)]
    keys = [Key("item", 1, "dot")]
    if bad.any():
        keys.append(Key("its curve is rejected", 2, "mark"))
    head, top = ax.legend(keys, width=width)
    tall = 300.0
    frame = Frame(
        LEFT, top + 24, width - LEFT - RIGHT, tall - 24 - FOOT, 0.0, tops[0], 0.0, tops[1]
    )
    body = [head, ax.axes(frame, Axis("infit mean square"), Axis("outfit mean square"))]
    ones = [float(ax.across(frame, 1.0)), float(ax.down(frame, 1.0))]
    body.append(ax.rule((ones[0], frame.top), (ones[0], frame.top + frame.height), "zero"))
    body.append(ax.rule((frame.left, ones[1]), (frame.left + frame.width, ones[1]), "zero"))
    good = np.flatnonzero(known & ~bad)
    good = good[marks.thin(len(good), marks.MOST_DOTS)]
    px, py = ax.across(frame, x), ax.down(frame, y)
    body.append(el("g", marks.dots(px[good], py[good]), class_="c1"))
    body.append(el("g", marks.dots(px[bad], py[bad], "mark"), class_="c2"))
    return drawing(*body, width=width, height=top + tall, title=title)


def draw_calibration(found: Calibration, *, width: float = 820.0) -> str:
    """Predicted against observed pass rate of cells that the fit did not see.

    Args:
        found: from `scale.heldout.calibration`.
        width: of the drawing, in user units.

    Returns:
        `<svg>` markup; each mark's attempts are in its title.
    """
    title = "Predicted and observed pass rate of held-out cells"
    if not len(found.n):
        return draw_lines([], title=title, width=width)
    said = f"observed, 95% interval ({fit_counts(found)} attempts each)"
    axis = Axis("predicted pass rate", ax.percent, SHARES)
    panel = Panel(
        "",
        axis,
        Axis("observed pass rate", ax.percent, SHARES),
        [Series(said, found.predicted, found.observed, found.low, found.high)],
        include=[-0.02, 1.02],
        bounds=(-0.03, 1.03),
        marks=True,
        under=[
            Series("if every prediction were right", [0.0, 1.0], [0.0, 1.0], color=0, kind="dash")
        ],
        span=(-0.03, 1.03),
    )
    return draw_lines([panel], title=title, width=width, height=320)


def fit_counts(found: Calibration) -> str:
    """How many attempts a bin holds: one number, or the range.

    >>> from types import SimpleNamespace
    >>> fit_counts(SimpleNamespace(n=np.array([1200.0, 1210.0])))
    '1,200 to 1,210'
    """
    low, high = int(found.n.min()), int(found.n.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def short(name: str, p: float, *, room: float = 200.0) -> str:
    """A panel's title: the item's name cut to fit, and its p.

    >>> short("item-1", 0.00004)
    'item-1 (p < 0.001)'
    """
    said = "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
    return fit(name, room - 90, 13.5) + (f" ({said})" if np.isfinite(p) else "")
