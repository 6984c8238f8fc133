"""One self-contained HTML page from sections: no request of any kind, light, dark and print.

The page's policy forbids every load; its one style and one script are allowed by their hashes.
Each figure is drawn for wide and for narrow screens, and carries its data as JSON and as a table.
"""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from typing import Any, NamedTuple

from gradatim.files import plain
from gradatim.reports.svg import clean, el, escape
from gradatim.reports.tables import Column, html_table

WIDE, NARROW = 836.0, 328.0  # user units of a figure on a wide screen and on a phone
MOST_BYTES = 3_000_000
MOST_ROWS = 1_500  # records of embedded data per figure


class Tile(NamedTuple):
    """A main number: what it is, the number, and its interval or a remark."""

    name: str
    big: str
    small: str = ""


class Figure(NamedTuple):
    """A figure with its one-sentence caption that says what to see.

    Attributes:
        id: unique in the page; letters, digits, hyphens.
        title: short.
        caption: what to see, one sentence.
        draw: width -> `<svg>` text.
        data: the numbers, embedded as JSON and shown as a table.
        columns: of that table; all keys by default.
    """

    id: str
    title: str
    caption: str
    draw: Callable[[float], str]
    data: Sequence[Mapping[str, Any]] = ()
    columns: Sequence[Column] | None = None


class Table(NamedTuple):
    """A table under a heading of its own."""

    title: str
    records: Sequence[Mapping[str, Any]]
    columns: Sequence[Column] | None = None
    caption: str = ""


class Note(NamedTuple):
    """A remark; `gap` marks something that is missing or could not be read."""

    text: str
    gap: bool = False


class Sample(NamedTuple):
    """A text from outside, such as a model's answer, under a line that says what it is."""

    tag: str
    text: str


Block = Figure | Table | Note | Sample


class Section(NamedTuple):
    """A part of the page: a heading, a sentence, and blocks in order."""

    id: str
    title: str
    lead: str
    blocks: Sequence[Block]


class Page(NamedTuple):
    """What a page says, before it is markup.

    Attributes:
        title, lead: heading and one sentence under it.
        tiles: four to six main numbers.
        verdict: sentences of the outcome, the first one largest; empty for none.
        tone: "good", "even" or "bad", or "" where nothing was compared.
        sections: in order.
        footer: name -> value: version, command, seed, machine.
        crumb: what stands beside the name at the very top.
    """

    title: str
    lead: str
    tiles: Sequence[Tile] = ()
    verdict: Sequence[str] = ()
    tone: str = ""
    sections: Sequence[Section] = ()
    footer: Mapping[str, str] = {}
    crumb: str = ""


def embed(data: Any, name: str) -> str:
    r"""JSON inside a script element that no browser runs; nothing in it can end the element.

    >>> embed(["</script>"], "x")
    '<script type="application/json" id="data-x">["\\u003c/script>"]</script>'
    """
    text = json.dumps(plain(data), ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    # ASCII only, and no "<": neither "</script" nor "<!--" can occur
    return el("script", text.replace("<", "\\u003c"), type="application/json", id=f"data-{name}")


def _line(text: str) -> str:
    """A heading, a name, a number: nobody reads more than this of it."""
    return escape(text, limit=300)


def _prose(text: str) -> str:
    return escape(text, limit=3_000)


def _digest(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def anchor(text: str) -> str:
    """A text as an id.

    >>> anchor("Pass rate, at T=1")
    'pass-rate-at-t-1'
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60] or "part"


def _figure(figure: Figure) -> str:
    words = el("figcaption", el("b", _line(figure.title)), _prose(figure.caption))
    shown = [
        el("div", figure.draw(width), class_=kind)
        for width, kind in ((WIDE, "wide"), (NARROW, "narrow"))
    ]
    numbers = ""
    if figure.data:
        rows = list(figure.data[:MOST_ROWS])
        left = len(figure.data) - len(rows)
        said = f"{len(rows):,} of {len(figure.data):,} rows" if left else f"{len(rows):,} rows"
        table = html_table(rows, figure.columns, most=60)
        numbers = el("details", el("summary", f"The numbers ({said})"), table)
        numbers += embed(rows, figure.id)
    return el("figure", words, *shown, numbers, id=f"figure-{figure.id}")


def _block(block: Block) -> str:
    if isinstance(block, Figure):
        return _figure(block)
    if isinstance(block, Table):
        return el("h3", _line(block.title)) + html_table(
            block.records, block.columns, caption=block.caption
        )
    if isinstance(block, Note):
        return el("p", _prose(block.text), class_="note gap" if block.gap else "note")
    text = el("pre", escape(block.text, limit=1_200) or " ", dir="auto", tabindex="0")
    return el("div", el("p", _line(block.tag), class_="tag"), text, class_="sample")


def _section(section: Section) -> str:
    head = el("h2", _line(section.title), id=f"{section.id}-title")
    lead = el("p", _prose(section.lead)) if section.lead else ""
    blocks = [_block(b) for b in section.blocks]
    return el("section", head, lead, *blocks, id=section.id, aria_labelledby=f"{section.id}-title")


def _tile(tile: Tile) -> str:
    small = el("dd", _line(tile.small), class_="small") if tile.small else ""
    big = el("dd", _line(tile.big), class_="big")
    return el("div", el("dt", _line(tile.name)), big, small, class_="tile")


def _said(page: Page) -> str:
    if not page.verdict:
        return ""
    first = el("p", el("strong", _prose(page.verdict[0])))
    rest = [el("p", _prose(text)) for text in page.verdict[1:]]
    return el("div", first, *rest, class_=f"said {page.tone}".strip(), id="verdict-band")


def _top(page: Page) -> str:
    steps = el("path", d="M2 20h18V4h-4.5v4H11v4H6.500v4H2z")
    logo = el("svg", steps, viewBox="0 0 22 22", class_="steps", aria_hidden="true")
    crumb = el("span", _line(page.crumb), class_="what")
    button = '<button type="button" id="theme" hidden>Theme</button>'
    bar = el("div", logo, el("span", "gradatim", class_="brand"), crumb, button, class_="bar")
    head = el("h1", _line(page.title)) + el("p", _prose(page.lead), class_="lead")
    tiles = el("dl", *[_tile(t) for t in page.tiles], class_="tiles") if page.tiles else ""
    links = [el("a", _line(s.title), href=f"#{s.id}") for s in page.sections]
    nav = el("nav", *links, aria_label="Parts of this page") if len(links) > 1 else ""
    return el("header", bar, head, tiles, _said(page), nav, class_="top")


def _footer(page: Page) -> str:
    lines = [el("dt", _line(k)) + el("dd", _line(v)) for k, v in page.footer.items()]
    return el("footer", el("dl", *lines) if lines else " ")


def render(page: Page) -> str:
    """The whole document.

    >>> text = render(Page("Title <1>", "Lead."))
    >>> text[:15], "Title &lt;1&gt;" in text, "default-src 'none'" in text
    ('<!doctype html>', True, True)
    """
    folder = resources.files("gradatim.reports")
    style = (folder / "page.css").read_text(encoding="utf-8")
    script = (folder / "page.js").read_text(encoding="utf-8")
    policy = (
        f"default-src 'none'; style-src {_digest(style)}; script-src {_digest(script)}; "
        "base-uri 'none'; form-action 'none'"
    )
    head = (
        '<meta charset="utf-8">'
        # the quotes of the policy's keywords must stay as they are: all of it is our own text
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        '<meta name="referrer" content="no-referrer">'
    )
    head += el("title", _line(f"{clean(page.title, limit=100)} · gradatim")) + el("style", style)
    body = _top(page) + el("main", *[_section(s) for s in page.sections], id="main")
    body += _footer(page) + el("script", script)
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>{body}</body></html>\n'
