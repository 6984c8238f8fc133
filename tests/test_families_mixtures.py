"""Mixed sets: exact shares, the same problems as without the mixture."""

import json
import subprocess
import sys
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradatim.cli import app
from gradatim.errors import ArgumentError
from gradatim.families.generation import generate
from gradatim.families.mixtures import cells, mix, shares


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.floats(0, 1e6), min_size=1, max_size=8).filter(any),
    st.integers(0, 500),
)
def test_shares_are_the_exact_ones_rounded_and_sum_to_n(weights, n):
    got = shares(weights, n)
    total = sum(map(Fraction, weights))
    assert sum(got) == n
    left = []
    for weight, share in zip(weights, got, strict=True):
        exact = Fraction(weight) * n / total
        assert exact - 1 < share < exact + 1
        left.append((exact - int(exact), share - int(exact)))
    ups = [remainder for remainder, up in left if up]
    downs = [remainder for remainder, up in left if not up]
    assert not ups or not downs or min(ups) >= max(downs)


def test_quotas_worked_by_hand():
    # 7 over weights 2:1 is 4.67 and 2.33: the larger remainder gets the seventh
    assert shares([2, 1], 7) == [5, 2]
    # Hamilton's method on 21 seats of 10 (weights 5.3, 2.3, 2.4): 11.13, 4.83, 5.04
    assert shares([5.3, 2.3, 2.4], 21) == [11, 5, 5]
    parts = cells({"sat": {1: 3, 5: 1}, "lists": 4}, n=8, levels={2: 3, 9: 1})
    assert [tuple(part) for part in parts] == [
        ("sat", 1, 3),
        ("sat", 5, 1),
        ("lists", 2, 3),
        ("lists", 9, 1),
    ]
    assert [part.n for part in cells({"sat": 1, "lists": 0}, n=5, levels=1)] == [5]
    assert cells({"sat": 1}, n=0) == []


def test_a_mixture_holds_the_problems_of_plain_generate():
    mixed = mix({"sat": 2, "lists": 1}, n=300, levels=[1, 4], seed=5, split="test")
    assert len(mixed) == 300
    assert Counter(p.family for p in mixed) == {"sat": 200, "lists": 100}
    for family, n in (("sat", 100), ("lists", 50)):
        for level in (1, 4):
            own = [p for p in mixed if (p.family, p.level) == (family, level)]
            assert own == generate(family, n=n, level=level, seed=5, split="test")


def test_any_prefix_is_a_smaller_mixture():
    mixed = mix({"sat": 3, "lists": 1, "arithmetic": 1}, n=500, levels=range(1, 6))
    seen = Counter()
    for i, problem in enumerate(mixed, 1):
        seen[problem.family] += 1
        assert abs(seen["sat"] - 0.6 * i) <= 1.5
        assert abs(seen["lists"] - 0.2 * i) <= 1.5


def test_unique_holds_across_levels():
    # the default knobs of lists (None) are those of level 3: one stream, two cells
    weights = {"lists": {None: 1, 3: 1}}
    assert len({p.id for p in mix(weights, n=40, knobs={"lists": {"high": 9}})}) < 40
    mixed = mix(weights, n=40, unique=True)
    assert len({p.id for p in mixed}) == 40
    with pytest.raises(ArgumentError, match="more different lists problems than there are"):
        mix(weights, n=200, unique=True, knobs={"lists": {"length": 1, "operation": "sort"}})


def test_knobs_go_to_their_family():
    mixed = mix({"lists": 1, "sat": 1}, n=10, knobs={"lists": {"operation": "sort", "length": 3}})
    assert all(p.knobs["operation"] == "sort" for p in mixed if p.family == "lists")


@pytest.mark.parametrize(
    ("weights", "options", "match"),
    [
        ({"list": 1}, {}, r"`family` must be one of .*did you mean 'lists'"),
        ({"sat": -1}, {}, "weight of `sat` must be a number of at least 0, got -1"),
        ({"sat": float("nan")}, {}, "weight of `sat`"),
        ({"sat": float("inf")}, {}, "weight of `sat`"),
        ({"sat": "2"}, {}, "weight of `sat`"),
        ({"sat": True}, {}, "weight of `sat`"),
        ({"sat": {1: -2}}, {}, "weight of level 1"),
        ({"sat": {11: 1}}, {}, r"`levels` must be whole numbers in \[1, 10\], got 11"),
        ({"sat": 1}, {"levels": [0]}, r"`levels` must be whole"),
        ({"sat": 1}, {"levels": {1: 0}}, "`levels` must have a weight above 0"),
        ({"sat": 0}, {}, "a weight above 0, got none"),
        ({}, {}, "a weight above 0, got none"),
        ({"sat": 1}, {"n": -1}, "`n` must be a whole number"),
        ({"sat": 1}, {"split": "dev"}, "`split` must be one of"),
        ({"sat": 1}, {"knobs": {"lists": {}}}, "`weights` has no 'lists'"),
    ],
)
def test_what_makes_no_mixture_is_refused(weights, options, match):
    with pytest.raises(ArgumentError, match=match):
        mix(weights, **{"n": 4} | options)


def test_the_command_mixes_too(tmp_path, capsys):
    words = ["generate", "sat=2,lists=1", "-n", "9", "--level", "1:2"]
    out = subprocess.run(
        [sys.executable, "-m", "gradatim", *words], capture_output=True, text=True, check=True
    )
    rows = [json.loads(line) for line in out.stdout.splitlines()]
    expected = mix({"sat": 2, "lists": 1}, n=9, levels=[1, 2])
    assert [row["id"] for row in rows] == [p.id for p in expected]
    file = tmp_path / "weights.json"
    file.write_text('{"sat": 1, "lists": {"5": 3}}')
    assert app.run(["generate", str(file), "-n", "4", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert [row["family"] for row in made].count("lists") == 3
    file.write_text("[1]")
    for words in ([str(file)], ["sat=two"], ["sat=1", "--knob", "clauses=3"]):
        assert app.run(["generate", *words]) == 2
        assert len(capsys.readouterr().err.strip().splitlines()) == 1
