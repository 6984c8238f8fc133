"""Marks inside a panel: lines, bands, dots, intervals, strips. Arrays in, markup out.

Many dots are one path of round strokes: about twelve bytes a dot, so thousands stay small.
Axes: values are (point,) arrays; a point with a NaN coordinate is not drawn.
"""

import itertools
from typing import Any, NamedTuple

import numpy as np
from scipy.special import bdtr

from gradatim.reports.axes import Frame, across, down
from gradatim.reports.svg import coordinate, el, escape

MOST_DOTS = 4_000
MOST_STEPS = 700


class Series(NamedTuple):
    """One line of a figure.

    Attributes:
        name: for the legend.
        x, y: (point,) float.
        low, high: (point,) float, an interval around y; None where there is none.
        color: 0 is neutral, 1.. are the palette.
        kind: "line" or "dash".
    """

    name: str
    x: Any
    y: Any
    low: Any = None
    high: Any = None
    color: int = 1
    kind: str = "line"


def thin(n: int, most: int) -> np.ndarray:
    """(kept,) int: at most `most` of `n` positions, evenly spaced, with both ends.

    >>> thin(10, 4)
    array([0, 3, 6, 9])
    """
    return np.arange(n) if n <= most else np.unique(np.linspace(0, n - 1, most).round().astype(int))


def extremes(y: np.ndarray, most: int) -> np.ndarray:
    """(kept,) int: positions that keep a long line's shape: each bucket's lowest and highest.

    >>> extremes(np.array([0.0, 9, 1, 1, 1, -5, 2, 2]), 4)
    array([0, 1, 5, 6, 7])
    """
    n = len(y)
    if n <= most:
        return np.arange(n)
    edges = np.linspace(0, n, max(1, most // 2) + 1).astype(int)
    safe = np.where(np.isfinite(y), y, np.nanmean(y) if np.isfinite(y).any() else 0.0)
    kept = {0, n - 1}
    for a, b in itertools.pairwise(edges):
        kept |= {a + int(safe[a:b].argmin()), a + int(safe[a:b].argmax())}
    return np.array(sorted(kept))


def smooth(y: np.ndarray, window: int) -> np.ndarray:
    """(point,) float: mean over a centred window, cut off at both ends; NaN is left out.

    >>> smooth(np.array([0.0, 3.0, 6.0, 0.0]), 3)
    array([1.5, 3. , 3. , 3. ])
    """
    y = np.asarray(y, float)
    known = np.isfinite(y)
    total = np.r_[0.0, np.cumsum(np.where(known, y, 0.0))]
    count = np.r_[0, np.cumsum(known)]
    at, reach = np.arange(len(y)), window // 2
    a, b = np.maximum(at - reach, 0), np.minimum(at + reach + 1, len(y))
    with np.errstate(invalid="ignore"):
        return (total[b] - total[a]) / np.where(count[b] > count[a], count[b] - count[a], np.nan)


def median_interval(values: np.ndarray) -> tuple[float, float, float]:
    """Median and its 95% interval from order statistics: no assumption on the shape.

    The j-th smallest of n values misses the true median from above with probability
    P(Bin(n, 1/2) < j); the largest j that keeps this within 2.5% is taken, on both sides. Below
    six values no pair of them reaches 95%, and smallest and largest are given.

    >>> median_interval(np.arange(1.0, 11.0))
    (5.5, 2.0, 9.0)
    """
    values = np.sort(values[np.isfinite(values)])
    n = len(values)
    if not n:
        return np.nan, np.nan, np.nan
    j = max(1, int(np.searchsorted(bdtr(np.arange(n), n, 0.5), 0.025, side="right")))
    return float(np.median(values)), float(values[j - 1]), float(values[n - j])


def line(frame: Frame, x: Any, y: Any, *, kind: str = "line", most: int = MOST_STEPS) -> str:
    """A line that breaks at NaN; long ones keep each stretch's lowest and highest point.

    A lone point between gaps is drawn as a dot, else it would not be seen.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    keep = extremes(y, most)
    x, y = x[keep], y[keep]
    known = np.isfinite(x) & np.isfinite(y)
    path, alone, n = [], [], len(x)
    px, py = across(frame, np.where(known, x, 0)), down(frame, np.where(known, y, 0))
    for i in np.flatnonzero(known):
        before, after = i > 0 and known[i - 1], i + 1 < n and known[i + 1]
        here = f"{coordinate(px[i])} {coordinate(py[i])}"
        path.append(("L" if before else "M") + here)
        if not before and not after:
            alone.append(f"M{here}h0")
    style = "line dash" if kind == "dash" else kind
    drawn = el("path", d="".join(path), class_=style) if path else ""
    return drawn + (el("path", d="".join(alone), class_="dot") if alone else "")


def band(frame: Frame, x: Any, low: Any, high: Any) -> str:
    """The area between two lines; points where either is unknown are left out."""
    x, low, high = (np.asarray(v, float) for v in (x, low, high))
    known = np.isfinite(x) & np.isfinite(low) & np.isfinite(high)
    x, low, high = x[known], low[known], high[known]
    if len(x) < 2:
        return ""
    keep = thin(len(x), MOST_STEPS // 2)
    px = across(frame, x[keep])
    around = np.r_[px, px[::-1]], np.r_[down(frame, high[keep]), down(frame, low[keep])[::-1]]
    corners = [f"{coordinate(a)} {coordinate(b)}" for a, b in zip(*around, strict=True)]
    return el("path", d="M" + "L".join(corners) + "Z", class_="band")


def dots(px: Any, py: Any, kind: str = "dot", titles: list[str] | None = None) -> str:
    """Dots at positions: one path, or one element each where they have titles."""
    spots = [
        f"M{coordinate(float(a))} {coordinate(float(b))}h0" for a, b in zip(px, py, strict=True)
    ]
    if not spots:
        return ""
    if titles is None:
        return el("path", d="".join(spots), class_=kind)
    return "".join(
        el("path", el("title", escape(t, limit=300)), d=d, class_=kind)
        for d, t in zip(spots, titles, strict=True)
    )


def rings(px: Any, py: Any) -> str:
    """Hollow dots, for values that the data do not bound."""
    return dots(px, py, "ringo") + dots(px, py, "ringi")


def interval(px: Any, low: Any, high: Any, *, level: bool = False) -> str:
    """Interval bars at positions `px` from `low` to `high`; `level` lays them on their side."""
    parts = []
    for at, a, b in zip(np.ravel(px), np.ravel(low), np.ravel(high), strict=True):
        if np.isfinite([at, a, b]).all():
            spot = (a, at) if level else (at, a)
            move = f"h{coordinate(b - a)}" if level else f"v{coordinate(b - a)}"
            parts.append(f"M{coordinate(spot[0])} {coordinate(spot[1])}{move}")
    return el("path", d="".join(parts), class_="range") if parts else ""


def spread(n: int, width: float) -> np.ndarray:
    """(n,) float: offsets in [-width/2, width/2] that look scattered and are always the same.

    The golden ratio's multiples fill an interval evenly for every n (Weyl).

    >>> spread(3, 2.0).round(2)
    array([-1.  ,  0.24, -0.53])
    """
    return ((np.arange(n) * 0.6180339887498949) % 1.0 - 0.5) * width


def hills(frame: Frame, values: np.ndarray, *, base: float, height: float, bins: int = 40) -> str:
    """A histogram on its base line, as one filled outline; `height` user units at most."""
    values = values[np.isfinite(values)]
    if not len(values):
        return ""
    count, edges = np.histogram(np.clip(values, frame.x0, frame.x1), bins, (frame.x0, frame.x1))
    px, tall = across(frame, edges), count / count.max() * height
    steps = [f"M{coordinate(px[0])} {coordinate(base)}"]
    for i, h in enumerate(tall):
        steps.append(f"V{coordinate(base - h)}H{coordinate(px[i + 1])}")
    return el("path", d="".join(steps) + f"V{coordinate(base)}Z", class_="hill")
