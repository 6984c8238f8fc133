"""The reliability diagram and the curve of risk, and the file that stands alone."""

from xml.etree import ElementTree

import numpy as np
import pytest

from gradatim.errors import ArgumentError
from gradatim.evaluation.calibration import reliability_bins
from gradatim.evaluation.selective import risk_coverage
from gradatim.reports.confidence import draw_reliability, draw_risk, save_svg


def rows(n=500):
    rng = np.random.default_rng(0)
    confidence = rng.random(n)
    return confidence, (rng.random(n) < confidence).astype(int)


def test_a_line_for_each_table_and_the_diagonal():
    bins = reliability_bins(*rows())
    table = [
        {"predicted": p, "observed": o, "low": a, "high": b}
        for p, o, a, b in zip(*bins[:4], strict=True)
    ]
    text = draw_reliability({"as given": bins, "rescaled": table})
    ElementTree.fromstring(text)
    for name in ("as given", "rescaled", "if every confidence were right"):
        assert name in text
    assert draw_reliability({"as given": bins}) == draw_reliability({"as given": table})
    ElementTree.fromstring(draw_reliability({}))


def test_risk_by_coverage_and_nothing_answered():
    text = draw_risk({"answers": risk_coverage(*rows(3000))})
    ElementTree.fromstring(text)
    assert "wrong among them" in text
    none = risk_coverage(*rows(3), abstained=np.ones(3))
    ElementTree.fromstring(draw_risk({"none": none}))


def test_a_file_that_stands_alone(tmp_path):
    path = save_svg(draw_risk({"answers": risk_coverage(*rows())}), tmp_path / "risk.svg")
    assert "<style>" in path.read_text()
    ElementTree.parse(path)
    with pytest.raises(ArgumentError, match="svg"):
        save_svg("<svg></svg>", tmp_path / "risk.png")
