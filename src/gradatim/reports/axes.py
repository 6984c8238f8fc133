"""Panels with axes: domains, ticks, grids and legends, in user units of one SVG."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from gradatim.reports.svg import clean, el, fit, label, measure

SMALL = 11.5  # font sizes in user units; the page draws figures at a scale of about 1
BODY = 12.5
TICK_GAP = 6.0


class Frame(NamedTuple):
    """A plotting rectangle and the domain that it shows: all in user units and data units."""

    left: float
    top: float
    width: float
    height: float
    x0: float
    x1: float
    y0: float
    y1: float


def across(frame: Frame, x: Any) -> Any:
    """Horizontal position of data; outside the domain it sits on the edge."""
    share = (np.asarray(x, float) - frame.x0) / (frame.x1 - frame.x0)
    return frame.left + np.clip(share, 0, 1) * frame.width


def down(frame: Frame, y: Any) -> Any:
    """Vertical position of data; outside the domain it sits on the edge."""
    share = (np.asarray(y, float) - frame.y0) / (frame.y1 - frame.y0)
    return frame.top + (1 - np.clip(share, 0, 1)) * frame.height


def domain(*arrays: Any, pad: float = 0.05, include: Sequence[float] = ()) -> tuple[float, float]:
    """Range of all finite values, widened by `pad` of itself on both sides; never empty.

    >>> domain([1.0, 3.0, float("nan")], pad=0.0), domain([]), domain([2.0])
    ((1.0, 3.0), (0.0, 1.0), (1.5, 2.5))
    """
    parts = [np.ravel(np.asarray(a, float)) for a in arrays if a is not None]
    values = np.concatenate([*parts, np.asarray(include, float)])
    values = values[np.abs(values) < 1e300]  # not NaN, and differences do not overflow
    if not len(values):
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    room = (high - low) * pad
    # a range lost to rounding beside its own size is as good as none
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        room = max(0.5, 0.05 * abs(low))
    return low - room, high + room


def ticks(low: float, high: float, n: int = 5) -> list[float]:
    """Round values inside [low, high], about `n` of them.

    >>> ticks(-0.3, 1.1, 5)
    [-0.2, 0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    >>> ticks(0, 40_000, 4)
    [0.0, 10000.0, 20000.0, 30000.0, 40000.0]
    """
    rough = (high - low) / max(n, 1)
    if not 1e-300 < rough < math.inf:
        return [low]
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * min((1, 2, 5, 10), key=lambda m: abs(math.log(m * power / rough)))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)][:50]


def plain(value: float) -> str:
    """A tick's number, short: thousands as k, millions as M, a true minus sign.

    >>> plain(0.5), plain(-2.0), plain(25_000), plain(1_500_000), plain(3e9), plain(1e-7)
    ('0.5', '−2', '25k', '1.5M', '3e+09', '1e-07')
    """
    size = abs(value)
    if size >= 1e9 or 0 < size < 1e-4:
        text = f"{value:.0e}"
    elif size >= 1e6:
        text = f"{value / 1e6:g}M"
    elif size >= 1e3:
        text = f"{value / 1e3:g}k"
    else:
        text = f"{value:.6g}"
    return "−" + text[1:] if text.startswith("-") else text


def percent(value: float) -> str:
    """A share as a percentage.

    >>> percent(0.125), percent(1.0)
    ('12.5%', '100%')
    """
    return f"{value * 100:.4g}%"


class Axis(NamedTuple):
    """How an axis reads: its name with units, how ticks are written, and which there are."""

    name: str
    form: Callable[[float], str] = plain
    at: Sequence[float] | None = None


def axes(frame: Frame, x: Axis, y: Axis | None = None, *, title: str = "") -> str:
    """Grid, tick labels, the names of both axes and the panel's title.

    The vertical name stands level above its axis: nobody has to turn their head.
    """
    parts = []
    bottom = frame.top + frame.height
    if y is not None:
        for value in ticks(frame.y0, frame.y1, 5) if y.at is None else y.at:
            level = float(down(frame, value))
            parts += [
                rule((frame.left, level), (frame.left + frame.width, level), "grid"),
                label(
                    frame.left - TICK_GAP,
                    level + 4,
                    y.form(value),
                    class_="tick",
                    text_anchor="end",
                ),
            ]
        name = fit(y.name, frame.width + frame.left, SMALL)
        parts.append(label(frame.left, frame.top - 9, name, class_="axis"))
    n = max(3, int(frame.width / 75))
    for value in ticks(frame.x0, frame.x1, n) if x.at is None else x.at:
        place = float(across(frame, value))
        if y is None:
            parts.append(rule((place, frame.top), (place, bottom), "grid"))
        parts.append(rule((place, bottom), (place, bottom + 4), "base"))
        parts.append(label(place, bottom + 17, x.form(value), class_="tick", text_anchor="middle"))
    parts.append(rule((frame.left, bottom), (frame.left + frame.width, bottom), "base"))
    middle = frame.left + frame.width / 2
    parts.append(label(middle, bottom + 34, x.name, class_="axis", text_anchor="middle"))
    if title:
        rise = 26 if y is not None else 12
        shown = fit(title, frame.width, 15.5)  # 14 and bold, which is wider
        parts.append(label(frame.left, frame.top - rise, shown, class_="panel"))
    return "".join(parts)


def rule(a: tuple[float, float], b: tuple[float, float], kind: str) -> str:
    """A straight line between two points (x, y)."""
    return el("line", x1=a[0], y1=a[1], x2=b[0], y2=b[1], class_=kind)


class Key(NamedTuple):
    """An entry of a legend: name, colour, kind (line, dash, dot, ring, band or mark)."""

    name: str
    color: int
    kind: str = "line"


def legend(keys: Sequence[Key], *, width: float, left: float = 0.0) -> tuple[str, float]:
    """Markup of a legend that wraps inside `width`, and its height."""
    parts, x, row = [], left, 0
    for key in keys:
        name = fit(key.name, width - left - 34, BODY)
        need = 34 + measure(name, BODY)
        if x > left and x + need > width:
            x, row = left, row + 1
        y = 12.0 + 20.0 * row
        parts.append(el("g", _swatch(x, y, key.kind), class_=f"c{key.color}"))
        parts.append(label(x + 26, y + 4, name, class_="key"))
        x += need + 12
    return "".join(parts), 20.0 * (row + 1) + 8 if keys else 0.0


def _swatch(x: float, y: float, kind: str) -> str:
    if kind == "band":
        return el("rect", x=x, y=y - 5, width=20.0, height=10.0, class_="band")
    if kind in ("dot", "ring", "mark"):
        return el(
            "path", d=f"M{x + 10:.1f} {y:.1f}h0", class_={"ring": "ringo"}.get(kind, kind)
        ) + (el("path", d=f"M{x + 10:.1f} {y:.1f}h0", class_="ringi") if kind == "ring" else "")
    return el("path", d=f"M{x:.1f} {y:.1f}h20", class_="line dash" if kind == "dash" else "line")


def grid(n: int, width: float, *, gap: float = 26.0, most: int = 3) -> tuple[int, float]:
    """Columns, and a panel's outer width, for `n` panels inside `width`.

    >>> grid(3, 820), grid(4, 820), grid(3, 340)
    ((3, 256.0), (2, 397.0), (1, 340.0))
    """
    fits = max(1, min(most, int((width + gap) // 230), n))
    rows = -(-n // fits) if n else 1
    columns = max(1, -(-n // rows))  # even rows: four panels as two and two
    return columns, (width - gap * (columns - 1)) / columns


def empty(title: str, *, width: float, why: str = "nothing recorded yet") -> tuple[str, float]:
    """A panel that says that there is nothing to show."""
    box = el("rect", x=0.5, y=0.5, width=width - 1, height=79.0, rx=8.0, class_="void")
    text = label(width / 2, 45, clean(f"{title}: {why}"), class_="axis", text_anchor="middle")
    return box + text, 80.0
