"""Charts of any subject: lines, intervals beside names, strips by group. Arrays to `<svg>` text.

figures.py names the subjects of a run; later reports reuse these as they are. Every chart takes
`width` in user units: the page draws each once for wide and once for narrow screens.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gradatim.reports import axes as ax
from gradatim.reports import marks
from gradatim.reports.axes import Axis, Frame, Key
from gradatim.reports.marks import Series
from gradatim.reports.svg import clean, drawing, el, fit, label, measure
from gradatim.reports.tables import cell

LEFT, RIGHT, FOOT = 44.0, 10.0, 44.0  # room for tick labels; for the last tick; below the axis


class Row(NamedTuple):
    """One line of an interval chart: a name, an estimate, its interval, how it is written."""

    name: str
    value: float
    low: float = float("nan")
    high: float = float("nan")
    color: int = 1
    said: str = ""


class Panel(NamedTuple):
    """One panel of a line chart.

    Attributes:
        title: above the panel; may be empty.
        x, y: what the axes are.
        series: the lines.
        include: values that the vertical axis shows in any case.
        bounds: limits that the vertical axis never passes.
        marks: points with interval bars, side by side, instead of lines with bands.
        smooth: long lines are drawn faintly under their running mean.
        under: plain lines beneath the series, such as the chance of a guess.
        stop: a place on the horizontal axis worth a line, and its words.
        span: ends of the horizontal axis; None for the data's own.
    """

    title: str
    x: Axis
    y: Axis
    series: Sequence[Series]
    include: Sequence[float] = ()
    bounds: tuple[float, float] | None = None
    marks: bool = False
    smooth: bool = False
    under: Sequence[Series] = ()
    stop: tuple[float, str] | None = None
    span: tuple[float, float] | None = None


def _limits(panel: Panel) -> tuple[float, float]:
    parts = [v for s in panel.series for v in (s.y, s.low, s.high) if v is not None]
    low, high = ax.domain(*parts, include=panel.include)
    if panel.bounds is not None:
        low, high = max(low, panel.bounds[0]), min(high, panel.bounds[1])
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def _draw_series(frame: Frame, series: Series, panel: Panel, *, offset: float) -> str:
    x, y = np.asarray(series.x, float), np.asarray(series.y, float)
    parts = []
    if series.low is not None and series.high is not None:
        low, high = np.asarray(series.low, float), np.asarray(series.high, float)
        if panel.marks:
            at = ax.across(frame, x) + offset
            parts.append(marks.interval(at, ax.down(frame, low), ax.down(frame, high)))
        else:
            parts.append(marks.band(frame, x, low, high))
    if panel.smooth and len(y) > 30:
        parts.append(marks.line(frame, x, y, kind="faint"))
        y = marks.smooth(y, window_of(len(y)))
    shifted = frame._replace(left=frame.left + offset)
    parts.append(marks.line(shifted, x, y, kind="thread" if panel.marks else series.kind))
    if panel.marks:
        known = np.isfinite(x) & np.isfinite(y)
        px, py = ax.across(frame, x[known]) + offset, ax.down(frame, y[known])
        said = [
            f"{clean(series.name, limit=80)}: {panel.y.form(b)} at {panel.x.form(a)}"
            for a, b in zip(x[known], y[known], strict=True)
        ]
        parts.append(marks.dots(px, py, "mark", said if len(said) <= 60 else None))
    return el("g", *parts, class_=f"c{series.color}")


def window_of(n: int) -> int:
    """Width of the running mean that a long noisy line is drawn with: an odd tenth of it.

    >>> window_of(100), window_of(1000)
    (11, 101)
    """
    return 2 * (n // 20) + 1


def draw_panel(panel: Panel, *, left: float, top: float, width: float, height: float) -> str:
    """Markup of one panel inside an outer box."""
    xs = [s.x for s in panel.series]
    x0, x1 = panel.span or ax.domain(*xs, pad=0.06 if panel.marks else 0.01)
    y0, y1 = _limits(panel)
    head = 40 if panel.title else 24
    frame = Frame(
        left + LEFT, top + head, width - LEFT - RIGHT, height - head - FOOT, x0, x1, y0, y1
    )
    if not any(np.isfinite(np.asarray(s.y, float)).any() for s in panel.series):
        box, _ = ax.empty(panel.title or panel.y.name, width=width)
        return el("g", box, transform=f"translate({left:.1f} {top + height / 2 - 40:.1f})")
    x = panel.x
    if panel.marks and x.at is None:
        points = np.unique(np.concatenate([np.ravel(np.asarray(v, float)) for v in xs]))
        points = points[np.isfinite(points)]
        room = max(1, int(frame.width / 18))
        x = x._replace(at=points[:: max(1, -(-len(points) // room))].tolist())
    n = len(panel.series)
    slots = max(1, len(np.unique(np.concatenate([np.ravel(v) for v in xs]))))
    step = min(9.0, frame.width / 60, 0.75 * frame.width / slots / max(1, n - 1))
    body = [
        _draw_series(frame, s, panel, offset=(i - (n - 1) / 2) * step if panel.marks else 0.0)
        for i, s in enumerate(panel.series)
    ]
    below = [
        el("g", marks.line(frame, s.x, s.y, kind=s.kind), class_=f"c{s.color}") for s in panel.under
    ]
    below.append(_stop(frame, panel.stop))
    return ax.axes(frame, x, panel.y, title=panel.title) + "".join(below + body)


def _stop(frame: Frame, stop: tuple[float, str] | None) -> str:
    if stop is None or not frame.x0 <= stop[0] <= frame.x1:
        return ""
    at = float(ax.across(frame, stop[0]))
    rule = ax.rule((at, frame.top), (at, frame.top + frame.height), "zero")
    room = frame.left + frame.width - at - 6
    anchor, place = ("start", at + 6) if measure(stop[1], ax.SMALL) < room else ("end", at - 6)
    return rule + label(place, frame.top + 11, stop[1], class_="tick", text_anchor=anchor)


def draw_lines(
    panels: Sequence[Panel], *, title: str, width: float, detail: str = "", height: float = 250.0
) -> str:
    """A line chart of one or more panels that share a legend.

    Args:
        panels: small multiples, laid out in as many columns as fit.
        title: for screen readers.
        width: of the drawing, in user units.
        detail: a longer description for screen readers.
        height: of one panel.

    Returns:
        `<svg>` markup.

    >>> draw_lines([], title="Nothing", width=300)[:35]
    '<svg viewBox="0 0 300 80" role="img'
    """
    if not panels:
        box, tall = ax.empty(title, width=width)
        return drawing(box, width=width, height=tall, title=title)
    keys: dict[str, Key] = {}
    bands = False
    for panel in panels:
        for s in panel.series:
            keys.setdefault(s.name, Key(s.name, s.color, "mark" if panel.marks else s.kind))
            if s.low is not None and not panel.marks:
                bands = True
        for s in panel.under:
            keys.setdefault(s.name, Key(s.name, s.color, s.kind))
    if bands:
        keys["band"] = Key("interval", 0, "band")
    shown = list(keys.values()) if len(keys) > 1 else []
    head, top = ax.legend(shown, width=width)
    columns, wide = ax.grid(len(panels), width)
    if columns == 1 and width > 600:
        height *= 1.25
    body = []
    for i, panel in enumerate(panels):
        left, row = (i % columns) * (wide + 26), i // columns
        body.append(draw_panel(panel, left=left, top=top + row * height, width=wide, height=height))
    rows = -(-len(panels) // columns)
    whole = top + rows * height
    return drawing(head, *body, width=width, height=whole, title=title, detail=detail)


def draw_intervals(
    rows: Sequence[Row], x: Axis, *, title: str, width: float, zero: float | None = None
) -> str:
    """Estimates with intervals, one under the other, beside their names and numbers.

    Args:
        rows: name, value, low, high; a missing value leaves a dash.
        x: the axis all share.
        title: for screen readers.
        width: of the drawing, in user units.
        zero: a value worth a line of its own (no difference, a guess).

    Returns:
        `<svg>` markup.
    """
    if not rows:
        box, tall = ax.empty(title, width=width)
        return drawing(box, width=width, height=tall, title=title)
    stacked = width < 480  # names above their bars where there is no room beside them
    names = max(measure(clean(r.name, limit=80), ax.BODY) for r in rows) + 14
    left = 8.0 if stacked else min(names, width * 0.34)
    numbers = 0.0 if stacked else 168.0
    pitch, top = (42.0 if stacked else 26.0), 8.0
    include = [] if zero is None else [zero]
    x0, x1 = ax.domain(*([r.value, r.low, r.high] for r in rows), include=include)
    frame = Frame(left, top, width - left - numbers - 12, pitch * len(rows), x0, x1, 0, 1)
    body = [ax.axes(frame, x)]
    if zero is not None:
        at = float(ax.across(frame, zero))
        foot = top + frame.height
        body.append(ax.rule((at, top), (at, foot), "zero"))
    for i, row in enumerate(rows):
        y = top + pitch * (i + (0.72 if stacked else 0.5))
        body.append(_interval_row(frame, row, y=y, stacked=stacked))
    return drawing(*body, width=width, height=top + frame.height + FOOT, title=title)


def _interval_row(frame: Frame, row: Row, *, y: float, stacked: bool) -> str:
    known = np.isfinite(row.value)
    said = row.said or cell({"value": row.value, "low": row.low, "high": row.high})
    end = frame.left + frame.width
    if stacked:
        name = fit(row.name, frame.width - measure(said, ax.BODY) - 10, ax.BODY)
        words = label(frame.left, y - 13, name, class_="key")
        words += label(end, y - 13, said, class_="number", text_anchor="end")
    else:
        name = fit(row.name, frame.left - 14, ax.BODY)
        words = label(frame.left - 14, y + 4, name, class_="key", text_anchor="end")
        words += label(end + 14, y + 4, said, class_="number")
    if not known:
        return words
    a, b, c = (float(v) for v in ax.across(frame, [row.low, row.high, row.value]))
    bar = marks.interval([y], [a], [b], level=True) + marks.dots([c], [y], "mark")
    return words + el("g", bar, class_=f"c{row.color}")


def draw_strips(
    groups: Sequence[tuple[str, Any, Any]],
    *,
    x: Axis,
    y: Axis,
    title: str,
    width: float,
    open_: Sequence[Any] | None = None,
) -> str:
    """Values against a whole-numbered position: every point, the median and its 95% interval.

    Args:
        groups: a panel each: name, (point,) positions, (point,) values.
        x: the positions' axis.
        y: the values' axis, shared by all panels.
        title: for screen readers.
        width: of the drawing, in user units.
        open_: a panel each: (point,) bool, drawn hollow: values the data do not bound.

    Returns:
        `<svg>` markup.
    """
    panels = [(n, np.asarray(a, float), np.asarray(b, float)) for n, a, b in groups]
    if not any(np.isfinite(b).any() for _, _, b in panels):
        box, tall = ax.empty(title, width=width)
        return drawing(box, width=width, height=tall, title=title)
    hollow = open_ or [np.zeros(len(b), bool) for _, _, b in panels]
    y0, y1 = ax.domain(*(b for _, _, b in panels))
    x0, x1 = ax.domain(*(a for _, a, _ in panels), pad=0.0)
    columns, wide = ax.grid(len(panels), width)
    height = 270.0
    keys = [Key("median, 95% interval", 2, "mark"), Key("problem", 1, "dot")]
    if any(np.any(h) for h in hollow):
        keys.append(Key("problem solved always or never", 1, "ring"))
    head, top = ax.legend(keys, width=width)
    body = [head]
    for i, ((name, at, value), bare) in enumerate(zip(panels, hollow, strict=True)):
        left, row = (i % columns) * (wide + 26), i // columns
        inner = (wide - LEFT - RIGHT, height - 40 - FOOT)
        frame = Frame(left + LEFT, top + row * height + 40, *inner, x0 - 0.6, x1 + 0.6, y0, y1)
        body.append(_strip(frame, (x, y), name, (at, value, np.asarray(bare, bool))))
    rows = -(-len(panels) // columns)
    return drawing(*body, width=width, height=top + rows * height, title=title)


def _strip(frame: Frame, names: tuple[Axis, Axis], title: str, points: tuple[Any, Any, Any]) -> str:
    at, value, bare = points
    known = np.isfinite(at) & np.isfinite(value)
    at, value, bare = at[known], value[known], bare[known]
    places = np.unique(at)
    slot = frame.width / max(1.0, frame.x1 - frame.x0)
    x = names[0]
    if x.at is None:
        room = max(1, int(frame.width / 18))
        whole = np.unique(np.round(places))
        x = x._replace(at=whole[:: max(1, -(-len(whole) // room))].tolist())
    out = [ax.axes(frame, x, names[1], title=f"{clean(title, limit=60)} (n={len(at):,})")]
    small, middle = [], []
    for place in places:
        here = np.flatnonzero(at == place)
        here = here[np.argsort(value[here], kind="stable")]
        # dots of one place are scattered, ordered by value so that neighbours stand apart
        kept = here[marks.thin(len(here), max(60, marks.MOST_DOTS // max(1, len(places))))]
        px = ax.across(frame, at[kept]) + marks.spread(len(kept), slot * 0.66)
        py, loose = ax.down(frame, value[kept]), bare[kept]
        small += [marks.dots(px[~loose], py[~loose]), marks.rings(px[loose], py[loose])]
        m, low, high = marks.median_interval(value[here])
        spot = float(ax.across(frame, place))
        ends = [float(ax.down(frame, v)) for v in (low, high, m)]
        middle.append(marks.interval([spot], ends[:1], ends[1:2]))
        said = f"level {place:g}: median {m:.2f} [{low:.2f}, {high:.2f}] (n={len(here)})"
        middle.append(marks.dots([spot], ends[2:], "mark", [said]))
    return "".join(out) + el("g", *small, class_="c1") + el("g", *middle, class_="c2")
