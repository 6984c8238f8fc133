"""Figures of a scale: well-formed at every width, marks where the numbers say, hard inputs."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from gradatim.reports import scale_figures as figures
from gradatim.scale.heldout import Calibration
from gradatim.scale.misfit import ByAbility, ItemFit

WIDTHS = (836.0, 328.0)
HOSTILE = "<b>\x00\u202e\ud800'\"&" + "long" * 40


def item_fit(n):
    rng = np.random.default_rng(n)
    infit, outfit = rng.gamma(20, 1 / 20, n), rng.gamma(5, 1 / 5, n)
    p = rng.random(n)
    p[: n // 10] = 1e-12
    return ItemFit(infit, infit, outfit, outfit, infit, p, np.ones(n, int))


def by_ability(n):
    rng = np.random.default_rng(n)
    share = rng.random((n, 5))
    share[::3, 1] = np.nan
    return ByAbility(np.linspace(-2, 2, 5), share, share, share / 4, np.ones((n, 5)))


def calibration(n):
    p = np.linspace(0.01, 0.99, n)
    return Calibration(p, p, p * 0.9, p * 0.9 + 0.1, np.full(n, 40.0), np.full(n, 40), 0.01)


DRAWINGS = {
    "information": lambda n, w: figures.draw_information(
        np.linspace(-3, 3, n), np.exp(-(np.linspace(-3, 3, n) ** 2)), [0.5], width=w
    ),
    "abilities": lambda n, w: figures.draw_abilities(
        [f"{HOSTILE}{i}" for i in range(n)], np.linspace(-2, 2, n), np.full(n, 0.1), width=w
    ),
    "residuals": lambda n, w: figures.draw_residuals(
        by_ability(n), range(min(n, 6)), [HOSTILE] * min(n, 6), width=w
    ),
    "mean squares": lambda n, w: figures.draw_mean_squares(item_fit(n), width=w),
    "calibration": lambda n, w: figures.draw_calibration(calibration(n), width=w),
}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("n", [0, 1, 2, 41, 1000])
@pytest.mark.parametrize("name", DRAWINGS)
def test_every_figure_is_well_formed_and_inside_its_box(name, n, width):
    text = DRAWINGS[name](n, width)
    node = ET.fromstring(text)
    assert node.get("role") == "img"
    assert node.get("aria-label")
    assert "nan" not in re.sub(r">[^<]*<", "><", text).lower()
    _, _, w, h = map(float, node.get("viewBox").split())
    assert w == width
    assert h < 2200  # nobody scrolls through a thousand bars
    for item in node.iter("text"):
        assert -1 <= float(item.get("x")) <= w + 1
        assert 0 <= float(item.get("y")) <= h
    for path in node.iter("path"):
        for x, y in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", path.get("d")):
            assert -1 <= float(x) <= w + 1
            assert -1 <= float(y) <= h + 1
    assert len(text) < 200_000
    if n == 0:
        assert "nothing recorded yet" in text


def spots(svg, kind):
    found = []
    for node in ET.fromstring(svg).iter("path"):
        if node.get("class") == kind:
            found += re.findall(r"M(-?[\d.]+) (-?[\d.]+)h0", node.get("d"))
    return np.array(found, float)


def test_the_smallest_error_lies_under_the_largest_information():
    theta = np.linspace(-2, 2, 101)
    text = figures.draw_information(theta, 40 - 4 * (theta - 1) ** 2, [])
    lines = [p.get("d") for p in ET.fromstring(text).iter("path") if "dash" in p.get("class", "")]
    first, second = (np.array(re.findall(r"[ML]([\d.]+) ([\d.]+)", d), float) for d in lines[-2:])
    # y grows downwards: the top of the first is at the place of the bottom of the second (point
    # 75 of 101, ability 1); positions are rounded to a tenth
    assert len(first) == len(second) == 101
    assert first[:, 1].argmin() == pytest.approx(75, abs=3)
    assert second[:, 1].argmax() == pytest.approx(75, abs=6)


def test_errors_far_from_all_items_do_not_flatten_the_figure():
    theta = np.linspace(-30, 30, 61)
    text = figures.draw_information(theta, np.exp(-(theta**2) / 4) * 100, [0.0])
    said = [t.text for t in ET.fromstring(text).iter("text")]
    assert "standard error (logits)" in said
    assert not [t for t in said if t and re.fullmatch(r"\d+k|\d+M|\de\+\d+", t)]


def test_calibration_marks_stand_where_the_shares_are():
    half = Calibration(
        np.array([0.0, 0.5, 1.0]), np.array([0.0, 0.25, 1.0]), *([np.zeros(3)] * 2),
        np.array([5.0, 6.0, 7.0]), np.ones(3, int), 0.1,
    )  # fmt: skip
    text = figures.draw_calibration(half)
    marks = spots(text, "mark")[1:]  # the first stands in the legend
    assert marks[1, 0] - marks[0, 0] == pytest.approx(marks[2, 0] - marks[1, 0], abs=0.2)
    rise = (marks[0, 1] - marks[1, 1]) / (marks[0, 1] - marks[2, 1])
    assert rise == pytest.approx(0.25, abs=0.01)
    assert "5 to 7 attempts each" in text


def test_rejected_items_stand_out_and_far_ones_stand_on_the_edge():
    fit = item_fit(50)
    fit.outfit[0] = 1e9
    text = figures.draw_mean_squares(fit)
    assert len(spots(text, "mark")) == 5 + 1  # and the legend's
    assert len(spots(text, "dot")) == 45 + 1
    none = figures.draw_mean_squares(fit._replace(p=np.full(50, np.nan)))
    assert "rejected" not in none
    assert len(spots(none, "dot")) == 50 + 1


def test_bars_have_names_up_to_forty_solvers():
    def drawn(n):
        return figures.draw_abilities([f"solver {i}" for i in range(n)], np.arange(n), np.ones(n))

    assert "solver 39" in re.sub(r"<title>.*?</title>", "", drawn(40))
    assert "solver 3" not in re.sub(r"<title>.*?</title>", "", drawn(41))
    assert len(spots(drawn(41), "mark")) == 41
