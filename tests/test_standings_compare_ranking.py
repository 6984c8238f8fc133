"""`compare --rank`: one order of solvers that answered different problems, said and drawn."""

import json

import numpy as np
import pytest
from scipy import special

from gradatim.cli.app import run
from gradatim.errors import ArgumentError
from gradatim.evaluation.ranking import HOW
from gradatim.reports.comparison import compose
from gradatim.reports.page import render
from gradatim.reports.ranking import draw_ranks, ranking_text
from gradatim.standings.compare import compare
from gradatim.types import Matrix


def sparse(n=6, m=300, *, keep=0.5, seed=0):
    """Solvers by rising ability; the better ones tried on the harder problems."""
    rng = np.random.default_rng(seed)
    theta, b = np.linspace(-2, 2, n), np.sort(2 * rng.normal(size=m))
    solved = (rng.random((n, m)) < special.expit(theta[:, None] - b)).astype(int)
    tried = np.zeros((n, m), dtype=int)
    wide = round(keep * m)
    for i, first in enumerate(np.linspace(0, m - wide, n).astype(int)):
        tried[i, first : first + wide] = 1
    return Matrix(
        solved=solved * tried,
        tried=tried,
        solvers=tuple("abcdef"[:n]),
        items=tuple(f"q{j}" for j in range(m)),
    )


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    data = sparse()
    path = tmp_path_factory.mktemp("ranking") / "m.npz"
    part = np.tile(["x", "y", "z"], 100)
    np.savez(path, solved=data.solved, tried=data.tried, solvers=data.solvers, part=part)
    return path


@pytest.mark.parametrize("how", HOW)
def test_solvers_of_different_problems_are_ranked(how):
    found = compare(sparse(), rank=how, draws=50)
    order = "".join(row["solver"] for row in found["ranking"])
    if how not in ("mean", "borda", "kemeny"):  # these compare only where solvers met
        assert order == "fedcba"
    about = found["ranked"]
    assert (about["how"], about["pairs"]) == (how, 15)
    assert about["apart"] + len(about["not_apart"]) == 15
    assert set(about["best"]) == {r["solver"] for r in found["ranking"] if r["may_be_best"]}
    assert about["problems"] < 300  # those at the ends one solver tried


def test_pairs_without_shared_problems_are_ranked_not_compared():
    found = compare(sparse(keep=0.4), rank="irt")
    assert len(found["comparisons"]) < 15
    assert any("ranked, not compared" in note for note in found["notes"])
    assert found["ranking"][0]["solver"] == "f"
    with pytest.raises(ArgumentError, match="share no problem"):
        compare(sparse(keep=0.4))


def test_hundreds_are_ranked_and_compared_with_the_first():
    rng = np.random.default_rng(0)
    solved = (rng.random((210, 80)) < np.linspace(0.1, 0.9, 210)[:, None]).astype(int)
    names, items = (tuple(f"{c}{i}" for i in range(k)) for c, k in (("s", 210), ("q", 80)))
    data = Matrix(solved=solved, tried=1, solvers=names, items=items)
    found = compare(data, rank="bradley_terry", draws=100)
    best = found["ranking"][0]["solver"]
    assert len(found["comparisons"]) == 209
    assert {row["first"] for row in found["comparisons"]} == {best}
    assert len(found["ranked"]["not_apart"]) == 200 < 210 * 209 / 2 - found["ranked"]["apart"]


def test_solvers_that_nothing_connects_are_named():
    data = sparse(4, 100)
    tried = np.zeros((4, 100), dtype=int)
    tried[:2, :50] = tried[2:, 50:] = 1
    apart = Matrix(solved=tried * 0, tried=tried, solvers=data.solvers, items=data.items)
    with pytest.raises(ArgumentError, match="2 groups that share no item: a, b; c, d"):
        compare(apart, rank="irt")
    with pytest.raises(ArgumentError, match=r"needs `rank` \(--rank HOW\)"):
        compare(sparse(), rank_by="part", shared=True)


def test_three_on_the_same_problems_are_ranked_by_mean_unasked():
    data = sparse(3, 90, keep=1.0)
    found = compare(data)
    assert found["ranked"]["how"] == "mean"
    assert [row["rank"].value for row in found["ranking"]] == [1, 2, 3]
    [line] = ranking_text(found)
    assert line.endswith("(by mean score)")
    assert compare(sparse(2, 90, keep=1.0))["ranking"] is None


def test_the_page_shows_ranks_with_intervals():
    found = compare(sparse(), rank="bradley_terry")
    page = render(compose(found))
    assert "Bradley-Terry strength" in page
    for width in (360, 820):
        drawing = draw_ranks(found["ranking"], width=width)
        assert drawing.startswith("<svg")
        assert drawing.count('class="mark"') == 6 or drawing.count("mark") >= 6


def test_the_command_ranks_and_says_who_may_be_best(file, capsys):
    assert run(["compare", str(file), "--rank", "irt", "--quiet"]) == 0
    said = capsys.readouterr().out
    assert "may be the best (by ability on a common scale)" in said or "is the best with" in said
    assert "the order holds for" in said
    args = ["compare", str(file), "--rank", "borda", "--rank-by", "part", "--json", "--quiet"]
    assert run(args) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["ranked"]["by"] == "part"
    assert len(found["ranking"]) == 6
    args = ["compare", str(file), "--rank", "mean", "--cluster", "part", "--quiet"]
    assert run(args) == 0
    assert "(by mean score, each part resampled as one)" in capsys.readouterr().out
    assert run(["compare", str(file), "--rank", "irtt", "--quiet"]) == 2
    assert "did you mean" in capsys.readouterr().err.lower()


def test_a_ranking_that_tells_nobody_apart_is_short():
    rng = np.random.default_rng(3)
    found = compare(
        Matrix(
            solved=rng.integers(0, 2, (60, 5)),
            tried=1,
            solvers=tuple(f"s{i}" for i in range(60)),
            items=tuple("abcde"),
        ),
        rank="irt",
        draws=50,
    )
    lines = ranking_text(found)
    assert lines[0].startswith("which of 60 solvers is the best stays open")
    assert len(lines) < 10
    assert any("and 55 more" in line for line in lines)
