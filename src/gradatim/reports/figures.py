"""The figures of a run: arrays to inline `<svg>` text, at any width.

Every function takes `width` in user units and returns one `<svg>`; missing, empty or NaN input
gives a figure that says so.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gradatim.reports import axes as ax
from gradatim.reports import marks
from gradatim.reports.axes import Axis, Frame
from gradatim.reports.charts import FOOT, Panel, draw_lines, draw_strips
from gradatim.reports.marks import Series
from gradatim.reports.svg import clean, drawing, el, fit, label, measure

ARMS = {"start": 0, "grpo": 2, "gradatim": 1}  # the palette's entry of arms that everyone meets
LOGITS = "difficulty (logits)"


def color_of(name: str, order: Sequence[str]) -> int:
    """The palette's entry of an arm: fixed for the usual ones, else by its place in `order`.

    >>> color_of("grpo", ["grpo"]), color_of("mine", ["start", "mine", "grpo"])
    (2, 3)
    >>> color_of("b", ["a", "b"])
    2
    """
    if name in ARMS:
        return ARMS[name]
    others = [n for n in order if n not in ARMS]
    first, many = (1, 6) if len(others) == len(order) else (3, 4)
    return first + (others.index(name) if name in others else 0) % many


def draw_difficulty(
    family: Sequence[str], level: Any, difficulty: Any, *, width: float = 820.0, open_: Any = None
) -> str:
    """Difficulty against level, a panel per family: points, median and its 95% interval.

    Args:
        family: (item,) names.
        level: (item,) the intended level; NaN where a problem has none.
        difficulty: (item,) calibrated, in logits.
        width: of the drawing, in user units.
        open_: (item,) bool, items solved always or never: only the prior bounds them.

    Returns:
        `<svg>` markup.
    """
    names, level = np.asarray(family, object), np.asarray(level, float)
    difficulty = np.asarray(difficulty, float)
    bare = np.zeros(len(names), bool) if open_ is None else np.asarray(open_, bool)
    own = [names == name for name in dict.fromkeys(names)]
    groups = [(str(names[rows][0]), level[rows], difficulty[rows]) for rows in own]
    return draw_strips(
        groups,
        x=Axis("level"),
        y=Axis(LOGITS),
        title="Difficulty against level by family",
        width=width,
        open_=[bare[rows] for rows in own],
    )


def draw_map(
    family: Sequence[str],
    difficulty: Any,
    solvers: Sequence[str],
    ability: Any,
    *,
    se: Any = None,
    width: float = 820.0,
    most: int = 30,
) -> str:
    """Item map (Wright map): items' difficulties and solvers' abilities on one axis.

    Args:
        family: (item,) names; a histogram each.
        difficulty: (item,) logits.
        solvers: (solver,) names.
        ability: (solver,) logits.
        se: (solver,) standard errors; bars are ability ± 1.96 se.
        width: of the drawing, in user units.
        most: solvers drawn; more are thinned evenly by ability, and the map says so.

    Returns:
        `<svg>` markup.
    """
    title = "Item map: problems and solvers on one scale"
    names, difficulty = np.asarray(family, object), np.asarray(difficulty, float)
    ability = np.asarray(ability, float)
    reach = 1.96 * (np.zeros(len(ability)) if se is None else np.asarray(se, float))
    reach = np.where(np.isfinite(reach), reach, 0.0)
    if not np.isfinite(difficulty).any() and not np.isfinite(ability).any():
        box, tall = ax.empty(title, width=width)
        return drawing(box, width=width, height=tall, title=title)
    order = np.argsort(-ability, kind="stable")
    order = order[np.isfinite(ability[order])]
    shown = order[marks.thin(len(order), most)]
    families = list(dict.fromkeys(names))
    narrow = width < 480
    wide = [measure(clean(str(n), limit=60), ax.BODY) for n in [*families, *np.asarray(solvers)]]
    left = 6.0 if narrow else min(max(wide, default=0.0) + 16, width * 0.32)
    hill, pitch = 62.0, (32.0 if narrow else 21.0)
    top = 6.0
    x0, x1 = ax.domain(difficulty, ability[shown] - reach[shown], ability[shown] + reach[shown])
    split = top + hill * len(families) + (24.0 if len(shown) else 0.0)
    foot = split + pitch * len(shown) + 6
    frame = Frame(left, top, width - left - 12, foot - top, x0, x1, 0, 1)
    body = [ax.axes(frame, Axis("difficulty of problems, ability of solvers (logits)"))]
    for i, name in enumerate(families):
        here = difficulty[names == name]
        base = top + hill * (i + 1)
        body.append(_hill_row(frame, str(name), here, base=base, color=i, narrow=narrow))
    for i, k in enumerate(shown):
        y = split + pitch * (i + (0.78 if narrow else 0.5))
        body.append(
            _solver_row(
                frame, str(solvers[k]), (float(ability[k]), float(reach[k])), y=y, narrow=narrow
            )
        )
    hidden = len(order) - len(shown)
    note = f"{len(shown)} of {len(order)} solvers drawn, evenly by ability" if hidden else ""
    if note:
        body.append(label(left, foot + FOOT + 6, note, class_="axis"))
    height = foot + FOOT + (14 if note else 0)
    return drawing(*body, width=width, height=height, title=title)


def _hill_row(
    frame: Frame, name: str, values: np.ndarray, *, base: float, color: int, narrow: bool
) -> str:
    n = int(np.isfinite(values).sum())
    shape = marks.hills(frame, values, base=base, height=36.0 if narrow else 44.0)
    rule = ax.rule((frame.left, base), (frame.left + frame.width, base), "base")
    if narrow:
        words = label(
            frame.left, base - 47, fit(f"{name} ({n:,})", frame.width, ax.BODY), class_="key"
        )
    else:
        at, room = frame.left - 12, frame.left - 12
        words = label(at, base - 18, fit(name, room, ax.BODY), class_="key", text_anchor="end")
        words += label(at, base - 4, f"{n:,} problems", class_="tick", text_anchor="end")
    return el("g", shape, class_=f"c{1 + color % 6}") + rule + words


def _solver_row(
    frame: Frame, name: str, placed: tuple[float, float], *, y: float, narrow: bool
) -> str:
    ability, reach = placed
    spots = ax.across(frame, [ability - reach, ability + reach, ability])
    a, b, c = (float(v) for v in spots)
    said = f"{clean(name, limit=200)}: {ability:.2f} ± {reach:.2f}"
    bar = marks.interval([y], [a], [b], level=True) if reach > 0 else ""
    mark = el("g", bar, marks.dots([c], [y], "mark", [said]), class_="c0")
    if narrow:
        return mark + label(frame.left, y - 10, fit(name, frame.width, ax.SMALL), class_="tick")
    shown = fit(name, frame.left - 12, ax.BODY)
    return mark + label(frame.left - 12, y + 4, shown, class_="key", text_anchor="end")


def draw_placement(placement: Mapping[str, Any], *, width: float = 820.0) -> str:
    """Placement error by number of items: the adaptive test and equally many random items.

    Args:
        placement: `items` (step,), `adaptive_error`, `random_error` with optional `random_low`,
            `random_high`, `adaptive_se` (step,) logits; `used` items at which the test stopped.
        width: of the drawing, in user units.

    Returns:
        `<svg>` markup.
    """
    x, lines = placement.get("items"), []
    n = len(x) if x is not None else 0

    def column(name: str) -> np.ndarray | None:
        raw = placement.get(name)
        if raw is None or not len(raw):
            return None
        values = np.full(n, np.nan)
        got = np.asarray([np.nan if v is None else v for v in raw][:n], float)
        values[: len(got)] = got
        return values

    random, adaptive = column("random_error"), column("adaptive_error")
    if random is not None:
        low, high = column("random_low"), column("random_high")
        lines.append(Series("random items", x, random, low, high, color=2))
    if adaptive is not None:
        lines.append(Series("adaptive test", x, adaptive, color=1))
    se = column("adaptive_se")
    if se is not None:
        lines.append(Series("standard error the test reports", x, se, color=0, kind="dash"))
    panels = []
    if lines:
        axis_y = Axis("error of the ability (logits)")
        used = placement.get("used")
        stop = (float(used), "the test stops") if isinstance(used, int | float) else None
        x_axis = Axis("items answered")
        panels = [Panel("", x_axis, axis_y, lines, include=[0.0], bounds=(0, 1e12), stop=stop)]
    return draw_lines(
        panels, title="Placement error by number of items, adaptive and random", width=width
    )


def draw_curves(arms: Mapping[str, Mapping[str, Any]], *, width: float = 820.0) -> str:
    """Training curves against rollouts: pass rates, and share of groups with a gradient.

    Args:
        arms: name -> `rollouts` (step,) with `pass_rate`, `mixed` (step,) in [0, 1], and
            optional `low`, `high` around the pass rate. Lines of more than 30 steps are drawn
            faintly, under their running mean. An arm's `monitor`, records of `rollouts` and
            `rate` {value, low, high} on held-out problems, has a panel of its own.
        width: of the drawing, in user units.

    Returns:
        `<svg>` markup.
    """
    x, panels = Axis("rollouts spent"), []
    if held := _monitors(arms):
        y_axis = Axis("share of attempts", ax.percent)
        panels.append(Panel("Held-out pass rate", x, y_axis, held, bounds=(0, 1)))
    for key, title in (("pass_rate", "Pass rate in training"), ("mixed", "Groups with a gradient")):
        lines = []
        for name, curve in arms.items():
            at, y = _steps(curve.get("rollouts")), _steps(curve.get(key))
            n = min(len(at), len(y))
            band = [_steps(curve.get(k)) for k in ("low", "high")] if key == "pass_rate" else []
            ends = [b[:n] for b in band] if band and min(map(len, band)) >= n > 0 else [None, None]
            color = color_of(name, list(arms))
            lines.append(Series(name, at[:n], y[:n], *ends, color=color))
        y_axis = Axis("share of attempts" if key == "pass_rate" else "share of groups", ax.percent)
        panels.append(Panel(title, x, y_axis, lines, bounds=(0, 1), smooth=True))
    title = "Training at an equal budget: pass rate and groups with a gradient"
    return draw_lines(panels if arms else [], title=title, width=width, height=280)


def _monitors(arms: Mapping[str, Mapping[str, Any]]) -> list[Series]:
    lines = []
    for name, curve in arms.items():
        records = curve.get("monitor") or []
        if records:
            at = _steps([r.get("rollouts") for r in records])
            ends = [_steps([r["rate"].get(k) for r in records]) for k in ("value", "low", "high")]
            lines.append(Series(name, at, *ends, color=color_of(name, list(arms))))
    return lines


def _steps(values: Any) -> np.ndarray:
    if values is None:
        return np.zeros(0)
    return np.asarray([np.nan if v is None else v for v in values], float)


def draw_rates(rows: Sequence[Mapping[str, Any]], *, title: str, width: float = 820.0) -> str:
    """Pass rate by level, a panel per family, an arm each colour, with 95% intervals.

    Args:
        rows: `family`, `level`, `arm`, `rate` as {value, low, high}, and where known `floor`,
            the chance of a guess, which is drawn where it is above zero.
        title: for screen readers.
        width: of the drawing, in user units.

    Returns:
        `<svg>` markup.
    """
    arms = list(dict.fromkeys(str(r["arm"]) for r in rows))
    panels = []
    for family in dict.fromkeys(str(r["family"]) for r in rows):
        lines = []
        for arm in arms:
            own = [r for r in rows if str(r["family"]) == family and str(r["arm"]) == arm]
            own.sort(key=lambda r: r["level"])
            columns = [_steps([r["rate"].get(k) for r in own]) for k in ("value", "low", "high")]
            level = _steps([r["level"] for r in own])
            lines.append(Series(arm, level, *columns, color=color_of(arm, arms)))
        own = [r for r in rows if str(r["family"]) == family and r.get("floor")]
        guess = {float(r["level"]): float(r["floor"]) for r in own}
        levels = sorted(guess)
        floor = Series(
            "chance of a guess", levels, [guess[k] for k in levels], color=0, kind="dash"
        )
        y = Axis("pass rate", ax.percent, [0, 0.25, 0.5, 0.75, 1.0])
        panels.append(
            Panel(
                family,
                Axis("level"),
                y,
                lines,
                include=[-0.02, 1.02],
                bounds=(-0.03, 1.03),
                marks=True,
                under=[floor] if guess else [],
            )
        )
    return draw_lines(panels, title=title, width=width, height=290)
