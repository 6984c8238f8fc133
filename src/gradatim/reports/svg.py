"""Text made safe for HTML and SVG, and a writer of elements: what every figure is built from.

Model output is hostile: `clean` shows control characters instead of obeying them, `escape` makes
the result inert in markup. Nothing else in this folder turns text into markup.
"""

import html
import re
import unicodedata
from importlib import resources
from typing import Any

# not allowed in XML, or able to reorder what a reader sees (bidirectional overrides)
UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069"
    "\ud800-\udfff\ufeff\ufffe\uffff]"
)


def _visible(match: re.Match[str]) -> str:
    code = ord(match.group())  # as programmers write it: plain ASCII shows in every font
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def clean(text: object, *, limit: int = 0) -> str:
    r"""Text that is safe to show: controls, lone surrogates and overrides become visible.

    Args:
        text: anything; None is an empty text.
        limit: longest text kept, in characters; what is cut is counted. 0 = no limit.

    >>> clean("a\x1b[31mb\x00")
    'a\\x1b[31mb\\x00'
    >>> clean("x" * 50, limit=10)
    'xxxxxxxxxx… (40 more characters)'
    """
    whole = "" if text is None else str(text)
    kept = whole[:limit] if limit and len(whole) > limit else whole
    kept = UNSAFE.sub(_visible, kept.replace("\r\n", "\n"))
    cut = len(whole) - limit if limit else 0
    return f"{kept}… ({cut:,} more characters)" if cut > 0 else kept


def escape(text: object, *, limit: int = 0) -> str:
    """Text as markup that shows exactly that text.

    >>> escape("<b> & 'c'")
    '&lt;b&gt; &amp; &#x27;c&#x27;'
    """
    return html.escape(clean(text, limit=limit), quote=True)


def coordinate(value: float) -> str:
    """A length in user units: a tenth is finer than any screen needs.

    >>> coordinate(12.04), coordinate(-0.01), coordinate(7.25)
    ('12', '0', '7.2')
    """
    text = f"{value:.1f}"
    return {"-0.0": "0"}.get(text, text.removesuffix(".0"))


def el(tag: str, *content: str, **attributes: Any) -> str:
    """One element. Attribute values are escaped, content is markup; None leaves one out.

    A trailing underscore is dropped and others become hyphens: `class_`, `text_anchor`.

    >>> el("text", escape("a<b"), x=1.25, class_="tick", text_anchor=None)
    '<text x="1.2" class="tick">a&lt;b</text>'
    """
    parts = [tag]
    for name, value in attributes.items():
        if value is None:
            continue
        shown = coordinate(value) if isinstance(value, float) else escape(value)
        parts.append(f'{name.rstrip("_").replace("_", "-")}="{shown}"')
    head = " ".join(parts)
    return f"<{head}>{''.join(content)}</{tag}>" if content else f"<{head}/>"


def label(x: float, y: float, text: object, **attributes: Any) -> str:
    """A text at a point; `class_` and `text_anchor` as given."""
    return el("text", escape(text, limit=300), x=float(x), y=float(y), **attributes)


def measure(text: str, size: float) -> float:
    """About how wide a text is in the widest usual system font; wide characters count double.

    >>> measure("0000", 10.0)
    25.6
    """
    narrow, broad = set("iljtfrI.,:;'|!()[]/\\- "), set("mwMW@%<>=+~−→")
    units = 0.0
    for char in text:
        if unicodedata.east_asian_width(char) in "WF":
            units += 1.0
        elif char in narrow:
            units += 0.4
        elif char in broad:
            units += 0.94
        else:
            units += 0.74 if char.isupper() else 0.64
    return round(units * size, 3)


def fit(text: object, width: float, size: float) -> str:
    """The text, cut with an ellipsis where it would be wider than `width`.

    >>> fit("a-very-long-solver-name", 60, 12.0)
    'a-very-l…'
    """
    shown = clean(text, limit=400).replace("\n", " ")
    if measure(shown, size) <= width:
        return shown
    while shown and measure(shown + "…", size) > width:
        shown = shown[:-1]
    return shown + "…"


def drawing(*content: str, width: float, height: float, title: str, detail: str = "") -> str:
    """The root `<svg>`: scales with its place, and says to screen readers what it shows.

    It is written for a place inside an HTML page, which needs no namespace: the page holds no
    address at all.
    """
    title, detail = clean(title, limit=300), clean(detail, limit=2_000)
    spoken = f"{title}. {detail}" if detail else title
    return el(
        "svg",
        el("title", escape(title)),
        *([el("desc", escape(detail))] if detail else []),
        *content,
        viewBox=f"0 0 {coordinate(width)} {coordinate(height)}",
        role="img",
        aria_label=spoken,
    )


def standing_alone(figure: str) -> str:
    """A `drawing` as the text of an .svg file: with its namespace and the style of the pages."""
    style = (resources.files("gradatim.reports") / "page.css").read_text(encoding="utf-8")
    style += "svg { font-family: system-ui, sans-serif; background: var(--paper); }"
    head, rest = figure.split(">", 1)
    head = head.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
    return f"{head}><style>{escape(style)}</style>{rest}\n"
