"""Figures of a study: learning curves, paired differences, pass rates by level.

As in figures.py: `width` in user units, one `<svg>` each, and a word where there is nothing. Axes:
`moment` (points of a curve), `pair` (cells of one pool, start and seed).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import special

from gradatim.reports import axes as ax
from gradatim.reports.axes import Axis
from gradatim.reports.charts import Panel, Row, draw_intervals, draw_lines
from gradatim.reports.figures import color_of, draw_rates
from gradatim.reports.marks import Series
from gradatim.reports.tables import written

NAMED = 5  # variants with a colour of their own, the baseline and `gradatim` among them
OTHERS = "others"

StudyRow = Mapping[str, Any]


def leading(
    found: Sequence[Mapping[str, Any]], *, baseline: str, most: int = NAMED
) -> dict[str, list[str]]:
    """By pool the variants to name: the baseline, `gradatim`, then those that ended highest.

    >>> rows = [{"pool": "p", "variant": v, "final": f} for v, f in (("a", 0.2), ("b", 0.4))]
    >>> leading(rows, baseline="a", most=2)
    {'p': ['a', 'b']}
    """
    named: dict[str, list[str]] = {}
    for pool in dict.fromkeys(str(r["pool"]) for r in found):
        here = [r for r in found if str(r["pool"]) == pool]
        here.sort(key=lambda r: (r["variant"] != baseline, r["variant"] != "gradatim", -r["final"]))
        named[pool] = [str(r["variant"]) for r in here[:most]]
    return named


def mean_curve(rows: Sequence[StudyRow]) -> dict[str, np.ndarray]:
    """Mean over pairs of a variant's held-out pass rates, with Student's 95% interval.

    Args:
        rows: of one pool and variant; curves of other moments are interpolated to the first's.

    Returns:
        rollouts, value, low, high: (moment,) float; low and high are NaN where there is one pair.
    """
    at = np.asarray(rows[0]["rollouts"], float)
    heights = np.stack([
        np.interp(at, np.asarray(r["rollouts"], float), np.asarray(r["height"], float))
        for r in rows
    ])
    n = len(heights)
    half = np.full(len(at), np.nan)
    if n > 1:
        half = special.stdtrit(n - 1, 0.975) * heights.std(0, ddof=1) / n**0.5
    mean = heights.mean(0)
    return {"rollouts": at, "value": mean, "low": mean - half, "high": mean + half}


def curves_of(rows: Sequence[StudyRow]) -> dict[str, dict[str, dict[str, np.ndarray]]]:
    """Pool -> variant -> its mean curve."""
    cells: dict[str, dict[str, list[StudyRow]]] = {}
    for row in rows:
        if len(row["rollouts"]):
            cells.setdefault(str(row["pool"]), {}).setdefault(str(row["variant"]), []).append(row)
    return {
        pool: {variant: mean_curve(mine) for variant, mine in variants.items()}
        for pool, variants in cells.items()
    }


def draw_learning(
    curves: Mapping[str, Mapping[str, Mapping[str, np.ndarray]]],
    named: Mapping[str, Sequence[str]],
    *,
    width: float = 820.0,
) -> str:
    """Held-out pass rate against rollouts, a panel per pool; variants without a name in grey.

    Args:
        curves: of `curves_of`.
        named: by pool the variants with a colour and a place in the legend.
        width: of the drawing, in user units.

    Returns:
        `<svg>` markup.
    """
    order = list(dict.fromkeys(v for names in named.values() for v in names))
    panels = []
    for pool, variants in curves.items():
        lines = []
        for variant, curve in variants.items():
            if variant not in named.get(pool, ()):
                lines.append(
                    Series(OTHERS, curve["rollouts"], curve["value"], color=0, kind="faint")
                )
        for variant in named.get(pool, ()):
            curve = variants.get(variant)
            if curve is None:
                continue
            band = np.isfinite(curve["low"]).any()
            ends = [curve[k] if band else None for k in ("low", "high")]
            color = color_of(variant, order)
            lines.append(Series(variant, curve["rollouts"], curve["value"], *ends, color=color))
        y = Axis("held-out pass rate", ax.percent)
        panels.append(Panel(pool, Axis("rollouts spent"), y, lines, bounds=(0, 1)))
    title = "Held-out pass rate at temperature 1 against rollouts, by pool and variant"
    return draw_lines(panels, title=title, width=width, height=300)


def draw_differences(
    found: Sequence[Mapping[str, Any]],
    *,
    baseline: str,
    key: str = "d_final",
    width: float = 820.0,
) -> str:
    """Paired differences to the baseline with 95% intervals, the best first.

    Args:
        found: contrasts of one pool.
        baseline: what zero is.
        key: the Estimate that is drawn: shares, shown as points.
        width: of the drawing, in user units.

    Returns:
        `<svg>` markup; a variant with one pair has a dot without an interval.
    """
    mine = [r for r in found if r.get(key) is not None]
    mine.sort(key=lambda r: -r[key].value)
    rows = []
    for record in mine:
        value = record[key]
        known = value.n > 1
        low, high = (value.low, value.high) if known else (np.nan, np.nan)
        said = written(value.value, "points").removesuffix(" points")
        if known:
            ends = (written(v, "points").removesuffix(" points") for v in (low, high))
            said += f" [{', '.join(ends)}]"
        ends = [float(v) * 100 for v in (value.value, low, high)]
        color = color_of(str(record["variant"]), [])
        rows.append(Row(str(record["variant"]), *ends, color=color, said=said))
    return draw_intervals(
        rows,
        Axis(f"difference to {baseline} (points of pass rate)"),
        title=f"Paired differences to {baseline} with 95% intervals",
        width=width,
        zero=0.0,
    )


def level_rates(
    rows: Sequence[StudyRow], pool: str, variants: Sequence[str]
) -> list[dict[str, Any]]:
    """Final held-out pass rates of one pool as `figures.draw_rates` takes them."""
    values: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        if row["pool"] == pool and row["variant"] in variants:
            for label, rate in zip(row["labels"], row["after"], strict=False):
                values.setdefault((str(row["variant"]), str(label)), []).append(float(rate))
    found = []
    for (variant, label), rates in values.items():
        family, _, level = label.rpartition(":")
        if not level.isdecimal():
            continue
        each, n = np.array(rates), len(rates)
        half = np.nan
        if n > 1:
            half = float(special.stdtrit(n - 1, 0.975) * each.std(ddof=1) / n**0.5)
        mean = float(each.mean())
        rate = {"value": mean, "low": max(mean - half, 0), "high": min(mean + half, 1), "n": n}
        if n == 1:
            rate |= {"low": None, "high": None}
        found.append({"family": family, "level": int(level), "arm": variant, "rate": rate})
    return sorted(found, key=lambda r: (r["family"], variants.index(r["arm"]), r["level"]))


def draw_levels(rates: Sequence[Mapping[str, Any]], *, pool: str, width: float = 820.0) -> str:
    """Final pass rate by level, a panel per family."""
    title = f"Final held-out pass rate by family and level, pool {pool}"
    return draw_rates(rates, title=title, width=width)
