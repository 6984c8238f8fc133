"""Tables of records, as HTML for the page and as text for terminals: one way to write numbers.

An estimate is always `value [low, high] (n)`. Text from outside is shown, never obeyed.
"""

import math
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gradatim.reports.svg import clean, el, escape
from gradatim.types import Estimate

DASH = "–"
LONGEST = 2_000


class Column(NamedTuple):
    """A column: the key in the records, its heading, how numbers are written.

    `form` is "number", "percent" (of shares), "points" (of differences of shares), or "text".
    """

    key: str
    name: str = ""
    form: str = "number"


def is_estimate(value: Any) -> bool:
    """Whether a value is an Estimate or the JSON of one.

    >>> is_estimate({"value": 1, "low": 0, "high": 2, "n": 3}), is_estimate(0.5)
    (True, False)
    """
    return isinstance(value, Estimate) or (isinstance(value, Mapping) and "value" in value)


def parts(value: Any) -> tuple[float, float, float, int | None]:
    """(value, low, high, n) of an estimate, its JSON, or a bare number; NaN where missing.

    >>> parts({"value": 0.5, "low": 0.4, "high": None, "n": 8})
    (0.5, 0.4, nan, 8)
    """
    if isinstance(value, Estimate):
        raw = {"value": value.value, "low": value.low, "high": value.high, "n": value.n}
    else:
        raw = value if isinstance(value, Mapping) else {"value": value}
    a, b, c = (number(raw.get(k)) for k in ("value", "low", "high"))
    n = number(raw.get("n"))
    return a, b, c, int(n) if math.isfinite(n) else None


def number(value: Any) -> float:
    """A float, or NaN for anything that is not one number.

    >>> number("x"), number(None), number(True), number(2)
    (nan, nan, nan, 2.0)
    """
    if isinstance(value, bool | str | bytes) or value is None:
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def written(value: float, form: str = "number", *, beside: Sequence[float] = ()) -> str:
    """One number for people; it has as many decimals as the largest of the numbers `beside` it.

    >>> written(0.12345), written(1500.0), written(0.5, "percent"), written(-0.05, "points")
    ('0.123', '1,500', '50.0%', '−5.0 points')
    >>> written(0.12345, beside=[12.5]), written(2.0, beside=[12.5])
    ('0.12', '2.00')
    """
    if not math.isfinite(value):
        return DASH
    if form in ("percent", "points"):
        text = f"{value * 100:.1f}"
        text = text.replace("-0.0", "0.0") if text == "-0.0" else text
        text = f"+{text}" if form == "points" and value > 0 and text != "0.0" else text
        text += "%" if form == "percent" else " points"
    else:
        text = _decimal(value, [v for v in beside if math.isfinite(v)])
    return text.replace("-", "−", 1) if text.startswith("-") else text


def _decimal(value: float, beside: Sequence[float]) -> str:
    largest = max([abs(value), *map(abs, beside)])
    if all(v == int(v) for v in (value, *beside)) and largest < 1e15:
        return f"{int(value):,}"
    if abs(value) >= 1e6 or 0 < largest < 1e-3:
        return f"{value:.2e}"
    places = next((n for limit, n in ((1.0, 3), (100.0, 2)) if largest <= limit), 1)
    return f"{value:,.{places}f}"


def cell(value: Any, form: str = "number", *, beside: Sequence[float] = ()) -> str:
    """Any value for people: estimates with interval and n, missing ones as a dash.

    >>> cell({"value": 0.5, "low": 0.4, "high": 0.6, "n": 80}, "percent")
    '50.0% [40.0%, 60.0%] (n=80)'
    >>> cell(None), cell(True), cell(1500), cell([1, 2])
    ('–', 'yes', '1,500', '1, 2')
    """
    if value is None:
        return DASH
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if is_estimate(value):
        mid, low, high, n = parts(value)
        beside = [*beside, mid, low, high]
        text = written(mid, form, beside=beside)
        if math.isfinite(low) or math.isfinite(high):
            ends = (written(v, form, beside=beside).removesuffix(" points") for v in (low, high))
            text += f" [{', '.join(ends)}]"
        return text if n is None else f"{text} (n={n:,})"
    if isinstance(value, int | float | np.number) and not isinstance(value, np.complexfloating):
        return written(float(value), form, beside=beside) if form != "text" else clean(value)
    if isinstance(value, Mapping):
        return clean(", ".join(f"{k} {cell(v)}" for k, v in value.items()), limit=LONGEST)
    if isinstance(value, list | tuple):
        head = ", ".join(cell(v) for v in value[:8])
        return head + (f", … ({len(value):,} in all)" if len(value) > 8 else "")
    return clean(value, limit=LONGEST)


def columns_of(records: Sequence[Mapping[str, Any]]) -> list[Column]:
    """A column for every key, in order of first appearance."""
    return [Column(k) for k in dict.fromkeys(str(k) for r in records for k in r)]


def _beside(records: Sequence[Mapping[str, Any]], column: Column) -> list[float]:
    """Extremes of a column of numbers, so that all of it has the same decimals."""
    values = [v for r in records if not math.isnan(v := parts(r.get(column.key))[0])]
    whole = [v for v in values if math.isfinite(v) and v != int(v)]
    # a column of whole numbers stays whole
    return [min(values, key=abs), max(values, key=abs), whole[0]] if whole else []


def _numeric(records: Sequence[Mapping[str, Any]], column: Column) -> bool:
    values = [r.get(column.key) for r in records]
    known = [v for v in values if v is not None]
    return column.form != "text" and all(
        is_estimate(v) or (isinstance(v, int | float | np.number) and not isinstance(v, bool))
        for v in known
    )


def html_table(
    records: Sequence[Mapping[str, Any]],
    columns: Sequence[Column] | None = None,
    *,
    caption: str = "",
    most: int = 200,
) -> str:
    """Records as an accessible HTML table that scrolls by itself where it is too wide.

    Args:
        records: one row each; missing keys are dashes.
        columns: which, in order; all keys by default.
        caption: said above the table.
        most: rows shown; the caption counts the rest.

    Returns:
        Markup.

    >>> html_table([])
    '<p class="note">No rows.</p>'
    """
    if not records:
        return el("p", "No rows.", class_="note")
    columns = columns_of(records) if columns is None else columns
    kinds = ["num" if _numeric(records, c) else None for c in columns]
    beside = [_beside(records, c) if k else [] for c, k in zip(columns, kinds, strict=True)]
    head = "".join(
        el("th", escape(c.name or c.key.replace("_", " "), limit=LONGEST), scope="col", class_=k)
        for c, k in zip(columns, kinds, strict=True)
    )
    body = []
    for record in records[:most]:
        cells = []
        for i, (c, k) in enumerate(zip(columns, kinds, strict=True)):
            shown = escape(cell(record.get(c.key), c.form, beside=beside[i])) or "&#8203;"
            if i == 0:
                cells.append(el("th", shown, scope="row", class_=k, dir="auto"))
            else:
                cells.append(el("td", shown, class_=k, dir=None if k else "auto"))
        body.append(el("tr", *cells))
    left = len(records) - most
    said = f"{caption} ({left:,} more rows not shown)".strip() if left > 0 else caption
    said = clean(said, limit=LONGEST)
    # beside the table and not inside, where it would be as wide as the table and scroll with it
    top = el("p", escape(said), class_="caption") if said else ""
    table = el("table", el("thead", el("tr", head)), el("tbody", *body))
    spoken = {"tabindex": "0", "role": "region", "aria_label": said or "table"}
    return top + el("div", table, class_="scroll", **spoken)


def _width(text: str) -> int:
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(bool(unicodedata.combining(c)) for c in text)


def text_table(
    records: Sequence[Mapping[str, Any]],
    columns: Sequence[Column] | None = None,
    *,
    most: int = 200,
    widest: int = 60,
) -> str:
    """Records as aligned plain text; control characters cannot reach the terminal.

    >>> print(text_table([{"name": "sat", "p": 0.5}, {"name": "lists", "p": 12.0}]))
    name       p
    sat     0.50
    lists  12.00
    """
    if not records:
        return "no rows"
    columns = columns_of(records) if columns is None else columns
    numeric = [_numeric(records, c) for c in columns]
    beside = [_beside(records, c) if k else [] for c, k in zip(columns, numeric, strict=True)]
    grid = [[_line(c.name or c.key.replace("_", " "), widest) for c in columns]]
    for record in records[:most]:
        pairs = zip(columns, beside, strict=True)
        grid.append([_line(cell(record.get(c.key), c.form, beside=b), widest) for c, b in pairs])
    room = [max(_width(row[i]) for row in grid) for i in range(len(columns))]
    lines = []
    for row in grid:
        shown = []
        for text, size, right in zip(row, room, numeric, strict=True):
            gap = " " * (size - _width(text))
            shown.append(gap + text if right else text + gap)
        lines.append("  ".join(shown).rstrip())
    if len(records) > most:
        lines.append(f"… {len(records) - most:,} more")
    return "\n".join(lines)


def _line(text: str, widest: int) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= widest else flat[: widest - 1] + "…"
