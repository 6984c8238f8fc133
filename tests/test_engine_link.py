from dataclasses import replace

import numpy as np
import pytest

from gradatim.engine.link import link_banks
from gradatim.errors import ArgumentError
from gradatim.files import dumps, plain
from gradatim.scale.curves import flat
from gradatim.scale.link import merge
from gradatim.store import banks


def known(b, *, scale, start=1):
    each = np.full(len(b), 0.05)
    bank = flat(difficulty=b, discrimination=np.full(len(b), 1.1))
    items = tuple(f"item-{i}" for i in range(start, start + len(b)))
    return replace(bank, items=items, scale=scale, se_difficulty=each, se_discrimination=each)


def two_banks():
    """Ten common items of twelve; the third moved by one logit. theta_old = theta_new + 0.7."""
    old = known(np.linspace(-2, 2, 12), scale="old")
    then = old.difficulty - 0.7
    then[4] += 1.0
    new = known(np.r_[then[2:], 0.0, 0.5], scale="new", start=3)
    return new, old


def test_a_bank_is_placed_without_the_anchor_that_drifted(tmp_path):
    new, old = two_banks()
    placed, found = link_banks(new, old)
    assert placed.scale == "old"
    assert (found.slope, found.shift) == pytest.approx((1.0, 0.7), abs=1e-6)
    assert found.facts["dropped"] == ["item-5"]
    assert "item-5" not in found.anchors
    assert found.facts["drift"]["drifted"][0]["item"] == "item-5"
    assert found.facts["drift"]["drifted"][0]["difficulty"] == pytest.approx(-1.0, abs=1e-6)
    np.testing.assert_allclose(placed.difficulty[-2:], [0.7, 1.2], atol=1e-6)
    both = merge(old, placed)
    assert len(both.items) == 14
    assert len(set(both.items)) == 14
    dumps(plain(found.facts))  # JSON can say it
    again = banks.read(banks.write(tmp_path, placed))
    assert again.scale == "old"
    assert again.fit["link"]["slope"] == found.slope


def test_drift_off_keeps_all_anchors():
    new, old = two_banks()
    _, found = link_banks(new, old, method="mean-mean", drift=False)
    # item-5 is one of ten anchors and off by -1: the mean shift is 0.7 - 0.1
    assert found.shift == pytest.approx(0.6, abs=1e-6)
    assert found.facts["dropped"] == []
    assert "drift" not in found.facts


def test_a_bank_already_there_comes_back_as_it_is():
    _, old = two_banks()
    placed, found = link_banks(old, old)
    assert placed is old
    assert (found.slope, found.shift) == (1.0, 0.0)


def test_few_anchors_are_said():
    new, old = two_banks()
    one = replace(old, items=("item-9", *(f"x{i}" for i in range(11))))
    placed, found = link_banks(new, one)
    assert found.slope == 1.0
    assert "one anchor" in found.facts["warnings"][0]
    assert not found.facts["drift"]["tested"]
    assert placed.fit["link"]["warnings"] == found.facts["warnings"]


def test_no_overlap_is_one_line():
    new, old = two_banks()
    with pytest.raises(ArgumentError, match="no overlap with the linked bank") as caught:
        link_banks(replace(new, items=tuple(f"q{i}" for i in range(12))), old)
    assert "\n" not in str(caught.value)
