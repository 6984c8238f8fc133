"""Tables: one way to write numbers, in HTML and as text."""

import math
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradatim.reports.tables import (
    Column,
    cell,
    html_table,
    number,
    parts,
    text_table,
    written,
)
from gradatim.types import Estimate


@pytest.mark.parametrize(
    ("value", "form", "shown"),
    [
        (0.123456, "number", "0.123"),
        (12.3456, "number", "12.35"),
        (123.456, "number", "123.5"),
        (1234567.5, "number", "1.23e+06"),
        (0.00012, "number", "1.20e−04".replace("−", "-")),
        (-3.0, "number", "−3"),
        (0.0, "number", "0"),
        (0.4567, "percent", "45.7%"),
        (0.0321, "points", "+3.2 points"),
        (-0.0321, "points", "−3.2 points"),
        (-0.0000001, "points", "0.0 points"),
        (math.nan, "percent", "–"),
        (math.inf, "number", "–"),
    ],
)
def test_numbers(value, form, shown):
    assert written(value, form) == shown


def test_estimates_have_interval_and_n():
    estimate = Estimate(0.5, 0.41, 0.59, 120)
    assert cell(estimate) == "0.500 [0.410, 0.590] (n=120)"
    assert cell(estimate, "percent") == "50.0% [41.0%, 59.0%] (n=120)"
    assert cell({"value": 0.031, "low": -0.01, "high": 0.07, "n": 9}, "points") == (
        "+3.1 points [−1.0, +7.0] (n=9)"
    )
    # decimals follow the largest of the three
    assert cell({"value": 0.98, "low": 0.91, "high": 1.05, "n": 4}) == "0.98 [0.91, 1.05] (n=4)"
    assert cell({"value": None, "low": None, "high": None, "n": 0}) == "– (n=0)"


def test_other_values():
    assert cell(None) == "–"
    assert cell(True) == "yes"
    assert cell(10_000) == "10,000"
    assert cell("a\x1b[1m") == "a\\x1b[1m"
    assert cell({"a": 1, "b": None}) == "a 1, b –"
    assert cell(list(range(20))) == "0, 1, 2, 3, 4, 5, 6, 7, … (20 in all)"


@given(
    st.one_of(st.none(), st.text(), st.floats(), st.booleans(), st.binary(), st.lists(st.none()))
)
def test_any_value_has_parts_or_nan(value):
    a, *_ = parts(value)
    assert isinstance(a, float)
    assert isinstance(number(value), float)


@given(st.floats(-1e300, 1e300))
def test_written_numbers_are_near_the_number(value):
    text = written(value).replace("−", "-").replace(",", "")
    assert math.isclose(float(text), value, rel_tol=0.006, abs_tol=0.00051)


RECORDS = [
    {"name": "<b>sat</b>", "rate": Estimate(0.5, 0.4, 0.6, 10), "n": 10},
    {"name": "lists", "n": 12.5},
]


def test_html_table_is_well_formed_and_shows_what_was_given():
    node = ET.fromstring(f"<div>{html_table(RECORDS, caption='Caption')}</div>")
    assert node.find("p").text == "Caption"
    rows = [[c.text for c in tr] for tr in node.findall("div/table/tbody/tr")]
    assert rows == [
        ["<b>sat</b>", "0.500 [0.400, 0.600] (n=10)", "10.00"],
        ["lists", "–", "12.50"],
    ]
    assert [h.get("scope") for h in node.findall("div/table/thead/tr/th")] == ["col"] * 3


def test_html_table_counts_rows_that_it_leaves_out():
    made = html_table([{"a": i} for i in range(10)], most=3, caption="All")
    node = ET.fromstring(f"<div>{made}</div>")
    assert len(node.findall("div/table/tbody/tr")) == 3
    assert node.find("p").text == "All (7 more rows not shown)"
    assert html_table([]) == '<p class="note">No rows.</p>'


def test_text_table_aligns_and_is_safe_for_terminals():
    text = text_table(
        [{"name": "値段", "n": 5}, {"name": "a\x1b[31m\nb", "n": 12_000}],
        [Column("name", form="text"), Column("n")],
    )
    assert text.splitlines() == [
        "name              n",
        "値段              5",
        "a\\x1b[31m b  12,000",
    ]
    assert text_table([]) == "no rows"
    assert text_table([{"a": 1}] * 5, most=2).endswith("… 3 more")
    assert len(text_table([{"a": "x" * 1000}]).splitlines()[1]) == 60
