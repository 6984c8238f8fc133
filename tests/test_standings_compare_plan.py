"""`compare --plan` before there is a second solver: one run, a bank, or nothing at all."""

import json

import numpy as np
import pytest

import gradatim as gd
from gradatim.cli.app import run
from gradatim.engine.calibrate import save_bank
from gradatim.standings.compare import compare
from gradatim.types import Matrix


def matrix(rows, k=4, n=300, seed=0):
    rng = np.random.default_rng(seed)
    p = rng.beta(2, 2, n)
    names, items = tuple("abcdef"[:rows]), tuple(f"q{i}" for i in range(n))
    return Matrix(solved=rng.binomial(k, p, (rows, n)), tried=k, solvers=names, items=items)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A matrix file and the bank that is calibrated from it."""
    folder = tmp_path_factory.mktemp("plan")
    data = matrix(6)
    np.savez(folder / "m.npz", solved=data.solved, tried=np.full((6, 300), 4), items=data.items,
             solvers=data.solvers)  # fmt: skip
    save_bank(folder / "bank.parquet", gd.calibrate(data))
    return folder


def test_one_solver_is_enough_for_a_plan():
    found = compare(matrix(1), plan=1000, samples=2, effect=0.03)
    told = found["planned"]
    assert (told["of"], told["problems_now"], told["correlation"]) == ("a", 300, 0.5)
    assert told["assumed"]
    assert told["needed"]["more_problems"] == told["needed"]["problems"] - 300 > 0
    more = told["needed"]["more_if"]
    assert more["0.7"] < told["needed"]["more_problems"] < more["0.3"]
    assert told["detectable"].value < told["detectable_if"]["0.3"]
    assert found["comparisons"] == found["solvers"] == []
    assert found["passed"]
    stated = compare(matrix(1), correlation=0.6)["planned"]
    assert (stated["problems"], stated["assumed"], stated["detectable_if"]) == (300, False, {})


def test_a_plan_is_near_what_the_comparison_then_says():
    pair = matrix(2, n=2000)
    alone = Matrix(solved=pair.solved[:1], tried=4, solvers=("a",), items=pair.items)
    alike = float(np.corrcoef(pair.solved)[0, 1])
    [row] = compare(pair)["comparisons"]
    planned = compare(alone, correlation=alike)["planned"]
    assert planned["detectable"].value == pytest.approx(row["detectable"].value, rel=0.05)


def test_a_bank_or_nothing_is_enough_for_a_plan(files):
    bank = compare(files / "bank.parquet", plan=500, samples=8)["planned"]
    assert bank["problems_now"] == 300
    assert (
        bank["detectable"].value
        < compare(files / "bank.parquet", plan=500)["planned"]["detectable"].value
    )
    assert compare(f"{files}/bank.parquet:b", plan=500)["planned"]["of"] == "b"
    nothing = compare(plan=500)
    assert nothing["planned"]["problems_now"] == 0
    assert "nothing is known" in nothing["notes"][0]
    # two coins that correlate .5 differ by variance .25: 2.8 sqrt(.25 / 500) = .0626
    assert nothing["planned"]["detectable"].value == pytest.approx(0.0626, rel=0.02)


def test_what_a_plan_alone_cannot_say_is_refused(files):
    one = matrix(1)
    for asked, words in (
        ({}, "--plan N plans a comparison with one that has not run"),
        ({"plan": 100, "fail_if_worse": True}, "a gate needs at least two solvers"),
        ({"plan": 100, "rank": "mean"}, "`rank` needs at least two solvers"),
        ({"plan": 100, "cluster": "x"}, "`cluster` needs at least two solvers"),
        ({"plan": 100, "correlation": 2}, r"`correlation` must lie in"),
    ):
        with pytest.raises(ValueError, match=words):
            compare(one, **asked)
    with pytest.raises(ValueError, match="`samples` must be 1, as in these results, got 4"):
        compare(matrix(1, k=1), plan=100, samples=4)
    with pytest.raises(ValueError, match="`correlation` is for a plan with one solver"):
        compare(matrix(2), plan=100, correlation=0.5)
    with pytest.raises(ValueError, match="nobody is called 'z'; there are a, b"):
        compare(f"{files}/bank.parquet:z", plan=100)
    with pytest.raises(ValueError, match="at least two, got 1"):
        compare(matrix(1, n=1), plan=100)
    with pytest.raises(ValueError, match="needs its number of problems: --plan N"):
        compare(correlation=0.5)


def test_the_command_says_what_is_assumed(files, capsys):
    assert run(["compare", f"{files}/m.npz:a", "--plan", "500", "-k", "4", "-q"]) == 0
    said = capsys.readouterr().out
    assert "scores are assumed to correlate 0.5 (--correlation says otherwise)" in said
    assert "500 problems with 4 attempts each show" in said
    assert "more problems to see 2 points" in said
    assert run(["compare", "--plan", "90", "-q", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["planned"]["assumed"]
    assert run(["compare", f"{files}/m.npz:a", "--plan", "90", "-q", "-o", "p.html"]) == 2
    assert run(["compare", "-q"]) == 2
    assert "at least two solvers, got none" in capsys.readouterr().err
