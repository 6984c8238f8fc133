"""A study's page: what it shows, in what words, whatever the names and however few the rows."""

import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import numpy as np
import pytest
from study_rows import study_rows
from test_reports_page import HOSTILE

from gradatim.engine import contrasts
from gradatim.errors import ArgumentError
from gradatim.reports import study_figures as figures
from gradatim.reports.study_report import Tried, study_report

WIDTHS = (836.0, 328.0)


def made(rows, tmp_path, name="mine", baseline="grpo", configurations=3):
    tried = Tried(name, baseline, configurations, len(rows), "gradatim study mine.toml")
    return study_report(rows, tried, output=tmp_path / "page.html").read_text()


class Seen(HTMLParser):
    """Tags with attributes, and all text but that of scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words, self.inside = [], [], ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.inside = tag

    def handle_data(self, data):
        if self.inside not in ("script", "style"):
            self.words.append(data)


def shown(text):
    return " ".join(" ".join(Seen(text).words).split())


def test_the_page_shows_curves_differences_and_what_was_tried(tmp_path):
    text = made(study_rows(pools=("one", "two")), tmp_path, configurations=17)
    words = shown(text)
    assert "configurations tried 17 abandoned ones included" in words
    assert "18 of 18" in words
    assert "17 configurations; 95% intervals over pairs (same pool, start and seed)" in words
    assert len(re.findall(r'<figure id="figure-', text)) == 1 + 2 + 2 + 1
    (data,) = re.findall(r'id="data-curves">(.*?)</script>', text)
    curves = json.loads(data)
    assert len(curves) == 2 * 3 * 9
    assert curves[0]["rate"]["n"] == 3
    # the page can make no request
    assert "default-src 'none'" in text
    assert not re.search(r"https?://", text)


def test_one_pair_has_no_interval(tmp_path):
    text = made(study_rows(seeds=(0,)), tmp_path)
    words = shown(text)
    assert "3 of 3 rows with one pair: no interval" in words
    assert "inf" not in re.sub(r"information|infinite", "", words.lower())
    assert "nan" not in words.lower()
    (data,) = re.findall(r'id="data-differences-0">(.*?)</script>', text)
    assert all(r["difference"]["low"] is None for r in json.loads(data))
    svg = figures.draw_differences(contrasts.contrast(study_rows(seeds=(0,))), baseline="grpo")
    assert 'class="range"' not in svg
    assert svg.count('class="mark"') == 2


@pytest.mark.parametrize("name", [HOSTILE, "שלום", "x" * 5_000])
def test_hostile_names_stay_text(name, tmp_path):
    rows = study_rows(variants=("grpo", name), pools=(name, "other"))
    for row in rows:
        row["labels"] = [*row["labels"][:-1], f"{name}:3"]
    text = made(rows, tmp_path, name=name)
    text.encode()
    tags = Seen(text).tags
    assert "img" not in [tag for tag, _ in tags]
    kinds = [a.get("type") for tag, a in tags if tag == "script"]
    assert kinds.count(None) == 1  # the page's own
    ids = [a["id"] for _, a in tags if "id" in a]
    assert len(set(ids)) == len(ids)


def test_parts_have_a_table_of_their_own(tmp_path):
    rows = study_rows(variants=("grpo", "gradatim", "without_sampler"))
    assert "What each part brings" in shown(made(rows, tmp_path))
    assert "What each part brings" not in shown(made(study_rows(), tmp_path))


def test_only_the_baseline_is_a_page_too(tmp_path):
    words = shown(made(study_rows(variants=("grpo",)), tmp_path))
    assert "Learning curves" in words
    assert "Final pass rate beside" not in words
    with pytest.raises(ArgumentError, match="no row of the baseline 'rloo'"):
        made(study_rows(), tmp_path, baseline="rloo")
    with pytest.raises(ArgumentError, match=r"must end in \.html"):
        study_report(study_rows(), Tried("x", "grpo", 1, 1), output=tmp_path / "page.txt")


# -- figures --------------------------------------------------------------------------------------


def test_mean_curves_by_hand():
    rows = [
        {"rollouts": [0, 100, 200], "height": [0.2, 0.3, 0.5]},
        {"rollouts": [0, 50, 200], "height": [0.2, 0.3, 0.6]},  # .3333 at 100
    ]
    found = figures.mean_curve(rows)
    assert found["value"].tolist() == pytest.approx([0.2, (0.3 + 0.4) / 2, 0.55])
    # t of one degree of freedom: 12.706 x .0707 / sqrt 2
    assert found["high"][2] == pytest.approx(0.55 + 12.706 * 0.05, abs=1e-3)
    assert np.isnan(figures.mean_curve(rows[:1])["low"]).all()


def test_the_baseline_and_ours_have_a_name_then_the_highest():
    rows = [
        {"pool": "p", "variant": v, "final": f}
        for v, f in (("a", 0.9), ("b", 0.5), ("gradatim", 0.1), ("grpo", 0.2), ("c", 0.7))
    ]
    assert figures.leading(rows, baseline="grpo", most=4) == {"p": ["grpo", "gradatim", "a", "c"]}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("n", [1, 2, 40])
@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_figures_are_well_formed(width, n, seeds):
    rows = study_rows(variants=("grpo", *map(str, range(n))), seeds=seeds)
    found = contrasts.contrast(rows)
    named = figures.leading(found, baseline="grpo")
    drawn = [
        figures.draw_learning(figures.curves_of(rows), named, width=width),
        figures.draw_differences(found, baseline="grpo", width=width),
        figures.draw_levels(
            figures.level_rates(rows, "mixed", named["mixed"]), pool="mixed", width=width
        ),
    ]
    for text in drawn:
        assert ET.fromstring(text).get("aria-label")
        assert "nan" not in re.sub(r">[^<]*<", "><", text).lower()
    assert (">others<" in drawn[0]) == (n > 4)
    assert drawn[1].count('class="mark"') == n


def test_nothing_to_draw_is_said():
    assert "nothing recorded yet" in figures.draw_learning({}, {})
    assert "nothing recorded yet" in figures.draw_differences([], baseline="grpo")
    assert figures.level_rates([], "p", []) == []
