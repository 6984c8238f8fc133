"""Text made safe, and the SVG writer."""

import json
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from gradatim.reports.page import embed
from gradatim.reports.svg import clean, coordinate, drawing, el, escape, fit, label, measure

HOSTILE = [
    "<script>alert(1)</script>",
    "</script><svg onload=alert(1)>",
    "\x00\x1b[31mred\x1b[0m\x07",
    "lone \ud800 surrogate \udfff",
    "\u202eright to left\u2066 override",
    '"quotes\' & ampersands" ]]> --> <!--',
    "שלום עולם مرحبا",
    "x" * 100_000,
    "\ufeff\ufffe\uffff\x85\u2028",
]


def test_hostile_text_is_the_same_text_after_parsing():
    for text in HOSTILE:
        node = ET.fromstring(el("text", escape(text), title=text[:500]))
        assert node.text == clean(text)
        assert node.get("title") == clean(text[:500])
        node.text.encode()  # no lone surrogate is left


def test_controls_are_shown_as_programmers_write_them():
    assert clean("a\x00b") == "a\\x00b"
    assert clean("\x1b[0m") == "\\x1b[0m"
    assert clean("\ud800") == "\\ud800"
    assert clean("\u202e") == "\\u202e"
    assert clean("line\n\ttab\r\nend") == "line\n\ttab\nend"


def test_long_text_is_cut_and_counted():
    shown = clean("y" * 100_000, limit=400)
    assert shown == "y" * 400 + "… (99,600 more characters)"
    assert clean("y" * 400, limit=400) == "y" * 400


@given(st.text(st.characters()))  # every code point, lone surrogates too
def test_any_text_parses_back(text):
    assert (ET.fromstring(el("t", escape(text))).text or "") == clean(text)


@given(st.text(st.characters(), max_size=30), st.floats(0, 300), st.floats(4, 30))
def test_fitted_text_is_as_wide_as_asked_or_one_ellipsis(text, width, size):
    shown = fit(text, width, size)
    assert measure(shown, size) <= width + 1e-9 or shown == "…"


def test_numbers_of_attributes():
    assert el("rect", x=1.0, y=2.26, width=3, class_="a", rx=None) == (
        '<rect x="1" y="2.3" width="3" class="a"/>'
    )
    assert coordinate(-0.04) == "0"
    assert label(1, 2, "<") == '<text x="1" y="2">&lt;</text>'


def test_drawing_says_what_it_shows_and_has_no_address():
    text = drawing(width=10, height=5, title="A & B", detail="more")
    node = ET.fromstring(text)
    assert node.get("viewBox") == "0 0 10 5"
    assert node.get("role") == "img"
    assert node.get("aria-label") == "A & B. more"
    assert node.find("title").text == "A & B"
    assert "://" not in text


class Scripts(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.text += data


def test_embedded_data_come_back_and_cannot_end_their_element():
    parser = Scripts()
    parser.feed(embed([*HOSTILE, float("nan"), 0.1], "x"))
    parser.close()
    assert parser.tags == ["script"]
    assert json.loads(parser.text) == [*HOSTILE, None, 0.1]
