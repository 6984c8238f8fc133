"""Figures: well-formed at every width, right positions, hard inputs."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from gradatim.reports import figures
from gradatim.reports.axes import Axis, percent
from gradatim.reports.charts import Panel, Row, draw_intervals, draw_lines, draw_strips, window_of
from gradatim.reports.marks import Series

WIDTHS = (836.0, 328.0)
HOSTILE = "<b>\x00\u202e\ud800'\"&" + "long" * 40
NAN = float("nan")


def family_data(n):
    rng = np.random.default_rng(n)
    level = np.arange(n) % 10 + 1
    family = [("sat", "lists", HOSTILE)[i % 3] for i in range(n)]
    return family, level, level * 0.5 - 3 + rng.normal(0, 1, n)


def placement(n):
    steps = np.arange(1, n + 1)
    return {
        "items": steps.tolist(),
        "adaptive_error": (1 / steps).tolist(),
        "random_error": (2 / steps).tolist(),
        "random_low": (1.5 / steps).tolist(),
        "random_high": (3 / steps).tolist(),
        "adaptive_se": (1.1 / steps).tolist(),
        "used": n,
    }


def curves(n):
    return {
        name: {
            "rollouts": (np.arange(n) * 512).tolist(),
            "pass_rate": np.linspace(0, 1, n).tolist(),
            "mixed": [None if i % 7 == 3 else 0.5 for i in range(n)],
        }
        for name in ("grpo", "gradatim", HOSTILE)
    }


def rates(levels):
    return [
        {
            "family": family,
            "level": k,
            "mode": "sampled",
            "arm": arm,
            "rate": {"value": 0.5, "low": 0.4, "high": 0.6, "n": 50},
            "floor": 0.1,
        }
        for family in ("sat", HOSTILE)
        for k in levels
        for arm in ("start", "grpo", "gradatim")
    ]


DRAWINGS = {
    "difficulty": lambda n, w: figures.draw_difficulty(*family_data(n), width=w),
    "map": lambda n, w: figures.draw_map(
        family_data(n)[0],
        family_data(n)[2],
        [f"s{i}" for i in range(n)],
        np.linspace(-2, 2, n),
        se=np.full(n, 0.2),
        width=w,
    ),
    "placement": lambda n, w: figures.draw_placement(placement(n), width=w),
    "curves": lambda n, w: figures.draw_curves(curves(n), width=w),
    "rates": lambda n, w: figures.draw_rates(rates(range(1, n + 1)), title="Rates", width=w),
}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("n", [0, 1, 2, 30, 400])
@pytest.mark.parametrize("name", DRAWINGS)
def test_every_figure_is_well_formed_and_inside_its_box(name, n, width):
    text = DRAWINGS[name](n, width)
    node = ET.fromstring(text)
    assert node.tag == "svg"
    assert node.get("role") == "img"
    assert node.find("title").text
    assert node.get("aria-label")
    assert "://" not in text
    assert "nan" not in re.sub(r">[^<]*<", "><", text).lower()
    _, _, w, h = map(float, node.get("viewBox").split())
    assert w == width
    for item in node.iter("text"):
        assert -1 <= float(item.get("x")) <= w + 1
        assert 0 <= float(item.get("y")) <= h
    for path in node.iter("path"):
        for x, y in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", path.get("d")):
            assert -1 <= float(x) <= w + 1
            assert -1 <= float(y) <= h + 1
    assert len(text) < 200_000


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_but_nan_says_that_there_is_nothing(width):
    nothing = "nothing recorded yet"
    gone = np.full(5, NAN)
    assert nothing in figures.draw_difficulty(["a"] * 5, gone, gone, width=width)
    assert nothing in figures.draw_map(["a"] * 5, gone, ["s"], [NAN], width=width)
    assert nothing in figures.draw_placement({}, width=width)
    assert nothing in figures.draw_curves({}, width=width)
    assert nothing in draw_intervals([], Axis("x"), title="t", width=width)
    assert "–" in draw_intervals([Row("a", NAN)], Axis("x"), title="t", width=width)
    lone = {"arm": {"rollouts": [1, 2], "pass_rate": [None, None], "mixed": [NAN, NAN]}}
    assert nothing in figures.draw_curves(lone, width=width)


def test_huge_input_stays_small_and_says_what_it_thins():
    n = 200_000
    family, level, value = family_data(n)
    assert len(figures.draw_difficulty(family, level, value)) < 300_000
    many = figures.draw_map(family, value, [f"s{i}" for i in range(900)], np.arange(900) / 100)
    assert "30 of 900 solvers drawn" in many
    assert len(figures.draw_curves(curves(n))) < 120_000


def test_extreme_values_do_not_break_positions():
    value = np.array([1e300, -1e300, 5.0, NAN, np.inf])
    ET.fromstring(figures.draw_difficulty(["a"] * 5, [1, 2, 3, 4, 5], value))
    ET.fromstring(figures.draw_map(["a"] * 5, value, ["s"], [1e9], se=[NAN]))


def spots(svg, kind):
    found = []
    for node in ET.fromstring(svg).iter("path"):
        if node.get("class") == kind:
            found += re.findall(r"M(-?[\d.]+) (-?[\d.]+)h0", node.get("d"))
    return np.array(found, float)


def test_marks_stand_where_the_numbers_say():
    rows = [Row("a", 0.0, -1.0, 1.0), Row("b", 2.0), Row("c", 4.0, 3.0, 4.0)]
    text = draw_intervals(rows, Axis("x"), title="t", width=836.0)
    x = spots(text, "mark")[:, 0]
    # equal steps of 2 in the data are equal steps on the page; one unit is half of one
    assert x[1] - x[0] == pytest.approx(x[2] - x[1], abs=0.11)
    unit = (x[2] - x[0]) / 4
    bars = re.findall(r'd="M([\d.]+) [\d.]+h([\d.]+)" class="range"', text)
    assert [float(v) for v in bars[0]] == pytest.approx([x[0] - unit, 2 * unit], abs=0.2)
    assert [float(v) for v in bars[1]] == pytest.approx([x[2] - unit, unit], abs=0.2)


def test_numbers_beside_intervals_are_those_given():
    row = Row("a", 0.25, 0.125, 0.5)
    assert "0.250 [0.125, 0.500]" in draw_intervals([row], Axis("x"), title="t", width=836.0)
    said = Row("a", 0.25, 0.1, 0.5, said="exactly this")
    for width in WIDTHS:
        assert "exactly this" in draw_intervals([said], Axis("x"), title="t", width=width)


def test_medians_and_their_intervals_are_titled():
    level, value = np.repeat([1, 2], 11), np.r_[np.arange(11.0), np.arange(11.0) + 5]
    text = figures.draw_difficulty(["sat"] * 22, level, value)
    titles = [t.text for t in ET.fromstring(text).iter("title")]
    # ranks 2 and 10 of 11: P(Bin(11, 1/2) < 2) = 12/2048 <= 2.5% < P(< 3) = 67/2048
    assert "level 1: median 5.00 [1.00, 9.00] (n=11)" in titles
    assert "level 2: median 10.00 [6.00, 14.00] (n=11)" in titles


def test_hollow_points_are_those_that_the_data_do_not_bound():
    bare = np.arange(22) % 4 == 0
    text = draw_strips(
        [("sat", np.ones(22), np.arange(22.0))],
        x=Axis("level"),
        y=Axis("logits"),
        title="t",
        width=836.0,
        open_=[bare],
    )
    # one entry of each kind stands in the legend
    assert len(spots(text, "ringi")) == bare.sum() + 1
    assert len(spots(text, "dot")) == (~bare).sum() + 1


def test_long_lines_are_drawn_faintly_under_their_running_mean():
    assert window_of(31) == 3
    text = figures.draw_curves(curves(100))
    node = ET.fromstring(text)
    assert sum(p.get("class") == "faint" for p in node.iter("path")) == 6  # 3 arms, 2 panels
    short = ET.fromstring(figures.draw_curves(curves(30)))
    assert not any(p.get("class") == "faint" for p in short.iter("path"))


def test_held_out_curves_have_a_panel_of_their_own():
    arms = curves(5)
    records = [
        {"rollouts": k, "rate": {"value": 0.3, "low": 0.2, "high": 0.4, "n": 9}} for k in (0, 2048)
    ]
    arms["grpo"]["monitor"] = records
    node = ET.fromstring(figures.draw_curves(arms))
    panels = [t.text for t in node.iter("text") if t.get("class") == "panel"]
    assert panels == ["Held-out pass rate", "Pass rate in training", "Groups with a gradient"]
    assert sum(p.get("class") == "band" for p in node.iter("path")) == 1


def test_the_chance_of_a_guess_is_drawn_where_it_is_known():
    rows = rates([1, 2, 3])
    assert "chance of a guess" in figures.draw_rates(rows, title="t")
    for row in rows:
        row["floor"] = None
    assert "chance of a guess" not in figures.draw_rates(rows, title="t")


def test_partial_columns_and_extra_values_do_not_fail():
    odd = {"items": [1, 2, 3], "adaptive_error": [0.5], "random_error": [1, 2, 3, 4, 5]}
    ET.fromstring(figures.draw_placement(odd))
    ET.fromstring(figures.draw_curves({"a": {"rollouts": [1, 2, 3], "pass_rate": [0.5]}}))
    ET.fromstring(figures.draw_curves({"a": {}}))


def test_lines_with_bounds_never_pass_them():
    series = [Series("a", [0, 1], [0.0, 1.0], [-0.5, 0.5], [0.5, 1.5])]
    panel = Panel("p", Axis("x"), Axis("share", percent), series, bounds=(0, 1))
    text = draw_lines([panel], title="t", width=400)
    said = {t.text for t in ET.fromstring(text).iter("text")}
    assert {"0%", "100%"} <= said
    assert not {"120%", "−20%"} & said


def test_colours_of_arms_do_not_depend_on_their_order():
    assert figures.color_of("gradatim", ["gradatim", "grpo"]) == 1
    assert figures.color_of("gradatim", ["grpo", "gradatim"]) == 1
    beside = {figures.color_of(n, ["grpo", "a", "b", "c"]) for n in "abc"}
    assert beside == {3, 4, 5}
    assert {figures.color_of(n, list("abcdef")) for n in "abcdef"} == {1, 2, 3, 4, 5, 6}


def bars(svg, vertical=True):
    """(bar, 3) float: place, and both ends, of interval bars."""
    step = "v" if vertical else "h"
    found = []
    for node in ET.fromstring(svg).iter("path"):
        if node.get("class") == "range":
            found += re.findall(rf"M(-?[\d.]+) (-?[\d.]+){step}(-?[\d.]+)", node.get("d"))
    out = np.array(found, float)
    place, start = (out[:, 0], out[:, 1]) if vertical else (out[:, 1], out[:, 0])
    return np.column_stack([place, start, start + out[:, 2]])


def test_bars_of_pass_rates_belong_to_their_marks():
    rows = [
        {"family": "f", "level": k, "arm": a, "rate": {"value": 0.5, "low": 0.25, "high": 1.0}}
        for a in ("start", "grpo")
        for k in (1, 2)
    ]
    text = figures.draw_rates(rows, title="t")
    points = spots(text, "mark")[2:]  # the first two stand in the legend
    found = bars(text)
    np.testing.assert_allclose(found[:, 0], points[:, 0])
    # arms of one level stand side by side
    assert len(set(points[:, 0])) == 4
    height = {t.text: float(t.get("y")) for t in ET.fromstring(text).iter("text")}
    unit = height["0%"] - height["100%"]
    np.testing.assert_allclose(found[:, 1] - points[:, 1], 0.25 * unit, atol=0.3)  # low is below
    np.testing.assert_allclose(found[:, 2] - points[:, 1], -0.5 * unit, atol=0.3)


def test_bars_of_the_item_map_are_95_percent_intervals():
    text = figures.draw_map(["f"] * 9, np.linspace(-4, 4, 9), ["s", "t"], [1.0, 0.0], se=[0.5, 0.5])
    node = ET.fromstring(text)
    at = {t.text: float(t.get("x")) for t in node.iter("text") if t.get("class") == "tick"}
    unit = (at["4"] - at["−4"]) / 8
    found = bars(text, vertical=False)
    np.testing.assert_allclose(found[:, 2] - found[:, 1], 2 * 1.96 * 0.5 * unit, atol=0.2)
    np.testing.assert_allclose(found[:, 1:].mean(axis=1), [at["0"] + unit, at["0"]], atol=0.2)
