"""The page: self-contained, inert, small, and the same numbers that were given."""

import base64
import hashlib
import itertools
import json
import re
from html.parser import HTMLParser

import pytest

from gradatim.reports.axes import Axis
from gradatim.reports.charts import Row, draw_intervals
from gradatim.reports.page import Figure, Note, Page, Sample, Section, Table, Tile, anchor, render
from gradatim.reports.svg import clean

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\x00\x1b[31m\ud800\u202e"
VOID = {"meta", "br", "path", "line", "rect", "circle"}


class Document(HTMLParser):
    """Tags, attributes and texts by element; checks nesting as it goes."""

    def __init__(self, text):
        super().__init__()
        self.open, self.seen, self.texts = [], [], []
        self.feed(text)
        self.close()
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        assert tag in VOID, f"<{tag}/> would stay open in HTML"
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append((self.open[-1] if self.open else "", data))


def figure(text="f", rows=()):
    shown = [Row(text, 0.5, 0.4, 0.6)]
    return Figure(
        "one", text, text, lambda w: draw_intervals(shown, Axis(text), title=text, width=w), rows
    )


def page(text):
    blocks = [
        figure(text, [{"name": text, "value": 0.1 + 0.2}, {"name": "b", "value": float("nan")}]),
        Table(text, [{"a": text, "b": 1}], caption=text),
        Note(text, gap=True),
        Sample(text, text * 5000),
    ]
    return Page(
        title=text,
        lead=text,
        tiles=[Tile(text, text, text)],
        verdict=[text, text],
        tone="even",
        sections=[Section("s", text, text, blocks), Section("t", text, text, [])],
        footer={text: text},
        crumb=text,
    )


@pytest.mark.parametrize("text", ["plain", HOSTILE, "שלום עולם", "x" * 100_000])
def test_hostile_text_stays_text(text):
    made = render(page(text))
    made.encode()
    seen = Document(made)
    tags = [t for t, _ in seen.seen]
    assert "img" not in tags
    kinds = [a.get("type") for t, a in seen.seen if t == "script"]
    assert kinds == ["application/json", None]  # the data, and the page's own script
    assert not any(name.startswith("on") for _, a in seen.seen for name in a)
    assert ("h1", clean(text, limit=300)) in seen.texts
    assert len(made) < 500_000


def test_page_asks_for_nothing():
    made = render(page("plain"))
    assert "http:" not in made
    assert "https:" not in made
    assert "url(" not in made
    assert "@import" not in made
    for _, attributes in Document(made).seen:
        assert "src" not in attributes
        assert "style" not in attributes
        assert attributes.get("href", "#").startswith("#")


def test_policy_allows_exactly_the_page_s_own_style_and_script():
    made = render(page(HOSTILE))
    policy = next(
        a["content"]
        for _, a in Document(made).seen
        if a.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    style = re.search(r"<style>(.*?)</style>", made, re.S).group(1)
    script = re.search(r"<script>(.*?)</script>", made, re.S).group(1)
    for kind, text in (("style", style), ("script", script)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy


def test_data_of_a_figure_are_embedded_as_given():
    made = render(page(HOSTILE))
    text = re.search(r'<script type="application/json" id="data-one">(.*?)</script>', made).group(1)
    assert json.loads(text) == [
        {"name": HOSTILE, "value": 0.1 + 0.2},
        {"name": "b", "value": None},
    ]


def test_every_figure_is_drawn_for_wide_and_narrow_screens():
    made = render(page("plain"))
    seen = [a for t, a in Document(made).seen if t == "svg" and a.get("role") == "img"]
    assert [a["viewbox"].split()[2] for a in seen] == ["836", "328"]
    assert all(a["aria-label"] for a in seen)


def test_headings_descend_one_level_at_a_time_and_ids_are_unique():
    seen = Document(render(page("plain"))).seen
    levels = [int(t[1]) for t, _ in seen if re.fullmatch(r"h[1-6]", t)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in itertools.pairwise(levels))
    ids = [a["id"] for _, a in seen if "id" in a]
    assert len(ids) == len(set(ids))
    linked = {a["href"][1:] for t, a in seen if t == "a"}
    assert linked == {"s", "t"} <= set(ids)


def test_more_rows_than_a_page_needs_are_counted():
    rows = [{"i": i} for i in range(2000)]
    made = render(Page("t", "l", sections=[Section("s", "s", "", [figure("f", rows)])]))
    assert "The numbers (1,500 of 2,000 rows)" in made
    assert made.count('{"i":') == 1500


def test_anchors():
    assert anchor("Ünïcode & <b>") == "n-code-b"
    assert anchor("") == "part"
