"""`compare`: who is compared with whom, what is refused, gates, groups, and errors that hold."""

import json
from pathlib import Path

import null_splits
import numpy as np
import pytest
import readme_check

import gradatim as gd
from gradatim.cli.app import run
from gradatim.reports.comparison import compose, draw_differences
from gradatim.standings.compare import compare
from gradatim.types import Matrix, Responses

LOGS = Path(__file__).parent / "logs"


def matrix(solved, tried=1, solvers=None, items=None):
    solved = np.asarray(solved)
    return Matrix(
        solved=solved,
        tried=tried,
        solvers=solvers or tuple("abcdefgh"[: len(solved)]),
        items=items or tuple(f"i{j}" for j in range(solved.shape[1])),
    )


def drawn(*rates, n=400, k=1, seed=0):
    """A matrix of solvers whose pass rates lie around what problems allow."""
    rng = np.random.default_rng(seed)
    hard = rng.normal(size=n)
    p = [1 / (1 + np.exp(hard - np.log(r / (1 - r)))) for r in rates]
    return matrix(rng.binomial(k, p), k)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A matrix file with columns of its items, a table of attempts, a table of columns."""
    folder = tmp_path_factory.mktemp("compare")
    rng = np.random.default_rng(1)
    solved = rng.binomial(4, [[0.3] * 60, [0.6] * 60, [0.6] * 60])
    solved[1, :20], solved[2, :20] = 4, 0
    np.savez(
        folder / "m.npz",
        solved=solved,
        tried=np.full(solved.shape, 4),
        solvers=["base", "up", "odd"],
        items=[f"q{i}" for i in range(60)],
        part=np.repeat([10, 2, 3], 20),
        size=np.arange(60.0),
    )
    rows = [f"up,q{i},{solved[2, i]},4" for i in range(60)]
    (folder / "t.csv").write_text("solver,item,solved,tried\n" + "\n".join(rows) + "\n")
    columns = [f"q{i},{'xy'[i % 2]}" for i in range(60)]
    (folder / "c.csv").write_text("item,topic\n" + "\n".join(columns) + "\n")
    return folder


# -- who with whom ----------------------------------------------------------------------------


def test_two_solvers_of_a_matrix():
    found = compare(drawn(0.5, 0.7))
    [row] = found["comparisons"]
    assert (row["first"], row["second"], row["verdict"]) == ("a", "b", "better")
    assert row["difference"].value == pytest.approx(row["second_rate"] - row["first_rate"])
    assert row["difference"].low > 0
    assert row["p"] == row["p_adjusted"] < 0.01
    assert found["passed"]
    assert found["gate"] is None is found["ranking"]
    assert [one["name"] for one in found["solvers"]] == ["a", "b"]
    assert gd.compare is compare


def test_all_pairs_or_those_with_the_baseline():
    data = drawn(0.3, 0.5, 0.5, 0.8)
    every, base = compare(data), compare(data, baseline="c")
    assert len(every["comparisons"]) == 6
    assert [(r["first"], r["second"]) for r in base["comparisons"]] == [
        ("c", "a"),
        ("c", "b"),
        ("c", "d"),
    ]
    assert base["correction"] == {"method": "holm", "comparisons": 3, "level": 0.95}
    p = sorted(row["p"] for row in base["comparisons"])
    assert sorted(row["p_adjusted"] for row in base["comparisons"])[0] == pytest.approx(3 * p[0])
    assert [row["solver"] for row in every["ranking"]][0::3] == ["d", "a"]
    for method in ("joint", "fdr", "none"):
        assert compare(data, correct=method)["comparisons"][2]["verdict"] == "better"


def test_parts_of_files_by_name_and_by_row(files):
    one = compare(f"{files}/m.npz:base", f"{files}/m.npz:2")
    assert [one["comparisons"][0][k] for k in ("first", "second")] == ["base", "up"]
    apart = compare(f"{files}/m.npz:up", files / "t.csv")  # one name, two sources
    assert [Path(s["name"]).name for s in apart["solvers"]] == ["m.npz:up", "t.csv"]
    again = compare(files / "m.npz", f"{files}/m.npz:base")  # all of it, whatever else is named
    assert len(again["solvers"]) == 3


def test_logs_of_other_tools_and_runs(tmp_path):
    found = compare(LOGS / "inspect" / "weak.eval", LOGS / "inspect" / "strong.eval", score="match")
    assert found["comparisons"][0]["difference"].value > 0
    assert len({one["source"] for one in found["solvers"]}) == 2
    problems = gd.generate("lists", n=40, level=range(1, 5))
    folder = gd.Run(tmp_path / "run")
    for ability in (-1.0, 3.0):
        gd.attempt(problems, solver="sim:2pl", samples=2, run=folder, ability=ability)
    told = compare(tmp_path / "run")
    assert {row["by"] for row in told["groups"]} == {"level"}
    assert [row["group"] for row in told["groups"]] == ["1", "2", "3", "4"]
    assert compare(folder, by=())["groups"] == []


# -- what is refused --------------------------------------------------------------------------


def test_fewer_than_two_solvers(files):
    with pytest.raises(ValueError, match=r"at least two solvers, got one: base of .*m.npz"):
        compare(f"{files}/m.npz:base", f"{files}/m.npz:1")
    with pytest.raises(ValueError, match="nobody is called 'bass'; there are base, up, odd"):
        compare(f"{files}/m.npz:bass", files / "t.csv")
    with pytest.raises(ValueError, match="`baseline`: nobody is called 'x'; there are a, b"):
        compare(drawn(0.5, 0.5), baseline="x")
    with pytest.raises(ValueError, match="nothing of that name"):
        compare("no/such.npz:a", files / "t.csv")


def test_different_problems_are_told_and_compared_only_when_asked():
    tried = np.ones((2, 30), dtype=int)
    tried[0, :10], tried[1, 25:] = 0, 0
    data = matrix(np.zeros((2, 30), dtype=int), tried)
    with pytest.raises(ValueError, match=r"a and b share 15 problems of 20 and 25.*--shared"):
        compare(data)
    found = compare(data, shared=True)
    assert found["comparisons"][0]["difference"].n == 15
    assert found["problems"] == 15
    assert "share 15 problems of 20 and 25" in found["notes"][0]


def test_too_little_is_shared():
    one = matrix(np.ones((1, 3), dtype=int), items=("x", "y", "z"))
    other = matrix(np.ones((1, 3), dtype=int), items=("z", "v", "w"), solvers=("b",))
    with pytest.raises(ValueError, match=r"share only one problem of 3 and 3.*'x' and 'z'"):
        compare(one, other, shared=True)
    with pytest.raises(ValueError, match="share only one problem of 1 and 1"):
        compare(matrix([[1], [0]]))


def test_bad_numbers_are_refused(tmp_path):
    data = drawn(0.5, 0.5)
    for bad, words in (
        ({"level": 1.5}, "`level` must lie in"),
        ({"correct": "bonferroni"}, "`correct` must be one of"),
        ({"plan": 1}, "`plan` must lie in"),
        ({"samples": 2.5}, "`samples` must be a whole number"),
        ({"margin": -0.1, "fail_if_worse": True}, r"`margin` must lie in \[0, 1\]"),
        ({"samples": 3}, "`samples` must be 1, as in these results"),
        ({"by": ["topic"]}, "nothing is known of items under 'topic'"),
        ({"cluster": "text"}, "`cluster`: nothing is known of items under 'text'"),
        ({"scores": "x"}, "`compare` has no 'scores'"),
        ({"score": "x"}, "`score` is for logs and tables; none is given"),
    ):
        with pytest.raises(ValueError, match=words):
            compare(data, **bad)
    path = tmp_path / "nan.npz"
    np.savez(path, solved=np.array([[1.0, np.nan], [0, 1]]), tried=np.ones((2, 2), dtype=int))
    with pytest.raises(ValueError, match="nan for solver 'solver-1', item 'item-2'"):
        compare(path)
    np.savez(path, score=np.array([[1.0, np.nan, 0.5], [0, 1, 0.5]]))  # a missing cell
    with pytest.raises(ValueError, match="share 2 problems of 2 and 3"):
        compare(path)


def test_groups_that_share_nothing_are_named_not_one_pair():
    tried = np.zeros((5, 40), dtype=int)
    tried[:2, :20] = tried[2:4, 20:] = tried[4, 20:] = 1
    data = matrix(tried * 0, tried)
    for asked in ({"shared": True}, {"shared": True, "baseline": "a"}, {}):
        with pytest.raises(ValueError, match="2 groups that share no problem: c, d, e; a, b; comp"):
            compare(data, **asked)


def test_problems_of_one_cluster_are_no_comparison(tmp_path):
    path = tmp_path / "m.npz"
    np.savez(path, score=np.random.default_rng(0).random((2, 40)), text=np.zeros(40))
    for gate in ({}, {"fail_if_worse": True}):  # a gate may not pass on what cannot be told
        with pytest.raises(ValueError, match=r"share are in one cluster of 'text'.*at least two"):
            compare(path, cluster="text", **gate)


# -- gates ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rates", "margin", "kind", "passed"),
    [
        ((0.7, 0.5), 0.0, "worse", False),
        ((0.7, 0.5), 0.3, "worse", True),
        ((0.5, 0.7), 0.0, "worse", True),
        ((0.5, 0.7), 0.0, "better", True),
        ((0.5, 0.7), 0.3, "better", False),
        ((0.5, 0.5), 0.0, "better", False),
    ],
)
def test_gates(rates, margin, kind, passed):
    gate = {"fail_if_worse": kind == "worse", "fail_unless_better": kind == "better"}
    found = compare(drawn(*rates), margin=margin, **gate)
    [row] = found["comparisons"]
    end = row["difference"]
    assert found["passed"] is passed
    assert passed is not (end.high < -margin if kind == "worse" else end.low <= margin)


@pytest.mark.parametrize(
    ("first", "second", "worse", "better"),
    [(0.5, 0.5, True, False), (1.0, 1.0, True, False), (0.9, 0.2, False, False),
     (0.2, 0.9, True, True)],
)  # fmt: skip
@pytest.mark.parametrize("graded", [True, False])
def test_gates_where_nothing_varies(first, second, worse, better, graded, tmp_path):
    scale = 1 if graded else 10
    solved = np.tile([[first * scale], [second * scale]], 30)
    path = tmp_path / "m.npz"
    np.savez(path, solved=solved, tried=np.full((2, 30), scale))
    for gate, passes in (("--fail-if-worse", worse), ("--fail-unless-better", better)):
        assert run(["compare", str(path), "-q", "--json", gate]) == (not passes)
    [row] = compare(path)["comparisons"]
    assert row["difference"].low < row["difference"].value < row["difference"].high or first == 1


def test_a_margin_below_0_asks_only_that_it_is_not_worse():
    data = drawn(0.6, 0.6, n=2000)
    assert not compare(data, fail_unless_better=True)["passed"]
    assert compare(data, fail_unless_better=True, margin=-0.05)["passed"]
    assert not compare(drawn(0.6, 0.5, n=2000), fail_unless_better=True, margin=-0.05)["passed"]


def test_a_gate_over_several_needs_its_standard():
    data = drawn(0.6, 0.6, 0.3, 0.9)
    with pytest.raises(ValueError, match=r"a gate over 4 solvers needs to know.*--baseline NAME"):
        compare(data, fail_if_worse=True)
    found = compare(data, baseline="a", fail_if_worse=True)
    assert found["gate"]["failed"] == ["c"]
    assert found["gate"]["better"] == ["d"]


# -- what else is told ------------------------------------------------------------------------


def test_s194_groups_repeat_runs_and_lost_problems(files):
    found = compare(f"{files}/m.npz", baseline="up", by=["part", "topic", "size"],
                    groups=files / "c.csv")  # fmt: skip
    rows = [r for r in found["groups"] if r["second"] == "odd"]
    assert [r["group"] for r in rows if r["by"] == "part"] == ["2", "3", "10"]
    assert [r["group"] for r in rows if r["by"] == "topic"] == ["x", "y"]
    assert len([r for r in rows if r["by"] == "size"]) == 4  # 60 numbers, cut in quarters
    [worst] = [r for r in rows if r["by"] == "part" and r["group"] == "10"]
    assert worst["difference"].value == -1
    assert worst["p_adjusted"] < 1e-6
    [other] = [r for r in rows if r["by"] == "part" and r["group"] == "2"]
    assert other["p_adjusted"] > 0.05
    # 4 attempts at .6 on 20 problems: sqrt(.24 / 4 / 20) = .055
    assert other["second_rerun_sd"] == pytest.approx(0.055, abs=0.012)
    [pair] = [r for r in found["comparisons"] if r["second"] == "odd"]
    assert set(pair["changed"]["clear"]) >= {f"q{i}" for i in range(20)}
    assert pair["changed"]["can_tell"]


def test_what_a_comparison_could_see_and_what_more_would_cost():
    found = compare(drawn(0.5, 0.5, n=300, k=4), effect=0.03, plan=1000, samples=2)
    [row] = found["comparisons"]
    need = row["needed"]
    assert need["more_problems"] == need["problems"] - 300 > 0
    assert need["samples"] > 4
    assert row["plan"]["problems"] == 1000
    assert row["plan"]["detectable"].value < row["detectable"].value
    parts = row["se_problems"] ** 2 + row["se_attempts"] ** 2
    assert parts == pytest.approx(row["se"] ** 2, rel=0.03)


def test_a_perfect_score_has_an_interval():
    found = compare(matrix(np.ones((2, 20), dtype=int)))
    score = found["solvers"][0]["score"]
    assert (score.value, score.high) == (1, 1)
    assert 0.8 < score.low < 0.95


def test_what_a_reader_must_know_is_said():
    few = compare(matrix([[1, 0, 1], [0, 0, 1]]))
    assert any("only 3 problems" in note for note in few["notes"])
    copies = compare(matrix(10 * np.random.default_rng(0).integers(0, 2, (2, 60)), 10))
    assert any("attempts of a, b on a problem never disagree" in n for n in copies["notes"])
    assert copies["solvers"][0]["rerun_sd"] is None
    assert not copies["comparisons"][0]["changed"]["can_tell"]
    uneven = matrix([[1, 0, 1, 1], [0, 0, 1, 2]], np.array([[1, 1, 1, 1], [1, 1, 1, 2]]))
    assert any("range from 1 to 2" in note for note in compare(uneven)["notes"])


def test_sources_of_one_scale_of_ids():
    one = Responses(
        solver=np.zeros(3, int), item=np.arange(3), solved=np.ones(3), tried=np.ones(3, int),
        solvers=("a",), items=("1", "2", "3"),
    )  # fmt: skip
    with pytest.raises(ValueError, match="one spelling of each number"):
        compare(one, matrix([[1, 0, 1]], solvers=("b",), items=("01", "2", "3")))


# -- the command and the page -----------------------------------------------------------------


def test_the_command_prints_text_json_a_page_and_its_exit_code(files, capsys):
    path = str(files / "m.npz")
    page = files / "page.html"
    assert run(["compare", path + ":base", path + ":up", "-q", "-o", str(page)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("up is better than base: +")
    assert "more problems to see 2 points" in said
    assert page.read_text().count("<svg") >= 2
    assert "more problems to see 2 points" in page.read_text()
    assert run(["compare", path, "--baseline", "up", "--json", "-q", "--fail-if-worse"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["gate"]["failed"] == ["base", "odd"]
    assert run(["compare", path, "-q", "--by", "part", "--plan", "90", "-k", "2"]) == 0
    said = capsys.readouterr().out
    assert "2 of 3 pairs differ (Holm over 3 comparisons, level 0.05; " in said
    assert "by part:" in said
    assert "plan: 90 problems with 2 attempts each" in said
    assert run(["compare", path, "--fail-if-worse", ".01", "-q"]) == 2
    assert "the margin of a gate is --margin .01" in capsys.readouterr().err
    assert run(["compare", path, "-o", "page.svg", "-q"]) == 2


def test_two_that_agree_everywhere_are_no_proof_of_small_differences():
    found = compare(matrix(np.ones((2, 60), dtype=int)), plan=1000, effect=0.005)
    [row] = found["comparisons"]
    assert row["same"]
    assert any("have the same result on every problem" in note for note in found["notes"])
    assert row["detectable"].value == pytest.approx(0.109, abs=0.001)  # 3.4 points, wrongly
    assert row["detectable"].low < row["detectable"].high
    assert row["plan"]["detectable"].low < row["plan"]["detectable"].high
    assert row["needed"]["problems"] > 1000


def test_few_clusters_can_show_less(tmp_path):
    data = drawn(0.5, 0.5, n=300)
    path = tmp_path / "items.csv"
    for name, parts in (("few", 3), ("many", 100)):
        rows = "".join(f"i{i},{i % parts}\n" for i in range(300))
        path.with_name(name + ".csv").write_text("item,text\n" + rows)
    few, many = (
        compare(data, cluster="text", groups=tmp_path / f"{name}.csv", plan=300)["comparisons"][0]
        for name in ("few", "many")
    )
    # t(2): 4.303 + 1.061 standard errors, t(99): 1.984 + .845; se is of the clusters
    for row, factor in ((few, 5.364), (many, 2.829)):
        assert row["detectable"].value >= 0.95 * factor * row["se"]
        assert row["plan"]["detectable"].value == row["detectable"].value


def test_names_are_told_apart_in_the_terminal(tmp_path, capsys):
    path = tmp_path / "m.csv"
    long = ["m" * 3000 + end for end in ("1", "2")]
    rows = [f"{name},{i},{i % 2}" for name in (" a", "a", "b\u200b", *long) for i in range(60)]
    path.write_text("solver,item,correct\n" + "\n".join(rows), encoding="utf-8")
    assert run(["compare", str(path), "-q"]) == 0
    said = capsys.readouterr().out
    assert "  ' a'  " in said
    assert "b\\u200b" in said
    assert max(map(len, said.splitlines())) < 700
    assert "mmm1 (3,001 signs)" in said
    assert "show 39" not in said
    assert " at level 0.005, as corrected, with 80% power" in said


def test_small_groups_are_said_to_be_approximate(files):
    found = compare(files / "m.npz", by=["part"])
    small = min(row["difference"].n for row in found["groups"])
    assert any("groups with fewer than 50" in n for n in found["notes"]) == (small < 50)
    with pytest.raises(ValueError, match=r"`level` must lie in \(0, 1\), got 95; write 0.95"):
        compare(drawn(0.5, 0.5), level=95)


@pytest.mark.slow
def test_the_page_on_comparisons():
    assert readme_check.check(readme_check.ROOT / "docs" / "how-to" / "compare.md") == 15


def test_the_picture_names_every_pair():
    found = compare(drawn(0.3, 0.5, 0.6))
    named = [{**row, "name": f"{row['first']} {row['second']}"} for row in found["comparisons"]]
    drawing = draw_differences(named, title="differences", width=800.0)
    assert drawing.startswith("<svg")
    assert all(row["name"] in drawing for row in named)
    assert [section.id for section in compose(found).sections][:2] == ["pairs", "solvers"]


# -- errors that hold -------------------------------------------------------------------------


def share_found(data_dir, name, kind, *, reps, seed=11):
    """Share of null splits of a real matrix in which `compare` finds a difference."""
    solved, tried = null_splits.load(data_dir, name)
    rng, wrong = np.random.default_rng(seed), 0
    for _ in range(reps):
        mine, made = getattr(null_splits, kind)(solved, tried, rng)
        [row] = compare(matrix(mine, made), by=())["comparisons"]
        wrong += row["verdict"] != "open"
    return wrong / reps


SPLITS = [(name, "swapped") for name in null_splits.NAMES]
SPLITS += [("livecodebench_generation", "halves")]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kind"), SPLITS)
def test_no_difference_is_found_in_five_of_a_hundred_null_splits(data_dir, name, kind):
    share = share_found(data_dir, name, kind, reps=2400)
    print(f"{name}, {kind}: {share:.4f} of 2,400 null splits")
    assert abs(share - 0.05) <= 0.015


@pytest.mark.slow
@pytest.mark.parametrize("name", null_splits.NAMES)
def test_intervals_hold_the_difference_of_all_problems(data_dir, name):
    solved, tried = null_splits.load(data_dir, name)
    rng, out = np.random.default_rng(12), 0
    for _ in range(2000):
        mine, made = null_splits.pair(solved, tried, rng)
        truth = np.mean(mine[1] / made[1] - mine[0] / made[0])
        i = rng.integers(mine.shape[1], size=400)
        [row] = compare(matrix(mine[:, i], made[:, i]), by=())["comparisons"]
        out += not row["difference"].low <= truth <= row["difference"].high
    print(f"{name}: {out / 2000:.4f} of 2,000 intervals miss")
    assert abs(out / 2000 - 0.05) <= 0.015


def dealt(solved, tried, rng, solvers=5):
    """Several solvers that do not differ: one solver's attempts in parts, or results shuffled."""
    if tried.max() > 1:  # ten attempts, two for each
        one = rng.choice(null_splits.varied(solved, tried))
        here = tried[one] == 2 * solvers
        order = rng.permuted(np.arange(2 * solvers) < solved[one, here, None], axis=1)
        parts = order.reshape(len(order), solvers, 2).sum(axis=2).T.astype(float)
        return parts, np.full(parts.shape, 2)
    chosen = rng.choice(len(solved), solvers, replace=False)
    here = np.all(tried[chosen] > 0, axis=0)
    return rng.permuted(solved[chosen][:, here], axis=0), np.ones((solvers, here.sum()), int)


@pytest.mark.slow
@pytest.mark.parametrize("correct", ["holm", "joint"])
@pytest.mark.parametrize("name", null_splits.NAMES)
def test_any_false_difference_among_ten_pairs_is_as_rare(data_dir, name, correct):
    solved, tried = null_splits.load(data_dir, name)
    rng, wrong, reps = np.random.default_rng(13), 0, 400
    for _ in range(reps):
        found = compare(matrix(*dealt(solved, tried, rng)), by=(), correct=correct, draws=999)
        wrong += any(row["verdict"] != "open" for row in found["comparisons"])
    print(f"{name}, {correct}: {wrong / reps:.4f} of {reps} sets of ten null pairs")
    assert wrong / reps <= 0.075


def test_null_splits_of_a_real_matrix(data_dir):
    assert share_found(data_dir, "zeroeval_crux", "swapped", reps=60) <= 0.15
