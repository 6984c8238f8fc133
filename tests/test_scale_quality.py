import numpy as np
import pytest
from scipy import special

from gradatim.scale import screens
from gradatim.scale.clones import find_clones, groups_of, main_effects
from gradatim.scale.quality import check_quality
from gradatim.types import Matrix, Responses


def pool(rng, n_solvers, n_items, *, sd_log_a=0.5, tries=1):
    """Counts of a 2PL crowd: slopes differ, which the main effects of the check do not know."""
    theta, b = rng.normal(size=n_solvers), 1.5 * rng.normal(size=n_items)
    a = np.exp(sd_log_a * rng.normal(size=n_items))
    chance = special.expit(a * (theta[:, None] - b))
    return rng.binomial(tries, chance).astype(float)


def table(solved, tried=1, solvers=None):
    n, m = solved.shape
    names = solvers or tuple(f"s{i:03}" for i in range(n))
    return Matrix(solved=solved, tried=tried, solvers=names, items=tuple(f"i{j}" for j in range(m)))


def long(matrix):
    tried = np.broadcast_to(matrix.tried, matrix.solved.shape)
    solver, item = np.nonzero(tried)
    return Responses(
        solver=solver,
        item=item,
        solved=matrix.solved[solver, item],
        tried=tried[solver, item],
        solvers=matrix.solvers,
        items=matrix.items,
    )


def kinds_of(quality):
    return [finding.kind for finding in quality.findings]


def named(quality, kind):
    return [finding.names for finding in quality.findings if finding.kind == kind]


def test_s255_clones_are_flagged_and_nobody_else():
    rng = np.random.default_rng(0)
    solved = pool(rng, 60, 500)
    solved[40] = solved[3]  # a renamed copy
    solved[41] = np.where(rng.random(500) < 0.02, 1 - solved[7], solved[7])  # 2% of cells differ
    solved[42] = np.where(rng.random(500) < 0.02, 1 - solved[7], solved[7])
    found = check_quality(table(solved))
    assert named(found, "clones") == [("s003", "s040"), ("s007", "s041", "s042")]
    words = next(f.words for f in found.findings if f.kind == "clones")
    assert "'s003', 's040' have nearly the same row" in words
    assert "keep one of them" in words


def test_s255_false_alarms_stay_below_the_stated_chance():
    # 200 pools without clones at alarm 5%: the bound allows 10 pools with a finding on average
    rng = np.random.default_rng(1)
    alarms = 0
    for n_solvers, n_items, sd in ((40, 60, 0.5), (25, 300, 0.0), (120, 25, 0.5), (12, 800, 1.0)):
        for _ in range(50):
            solved = pool(rng, n_solvers, n_items, sd_log_a=sd)
            alarms += len(find_clones(solved, np.ones_like(solved), alarm=0.05).first) > 0
    assert alarms <= 10


def test_s255_flags_most_near_copies_at_every_ability():
    rng = np.random.default_rng(2)
    solved = pool(rng, 100, 1000)
    copies = np.where(rng.random((50, 1000)) < 0.01, 1 - solved[:50], solved[:50])
    both = np.r_[solved, copies]
    found = find_clones(both, np.ones_like(both))
    pairs = set(zip(found.first.tolist(), found.second.tolist(), strict=True))
    true = {(i, 100 + i) for i in range(50)}
    assert pairs <= true
    assert len(pairs) >= 45


def test_one_model_run_twice_is_not_a_clone():
    # the same chances, sampled anew: beyond chance alike where abilities are not all, not identical
    rng = np.random.default_rng(3)
    chance = rng.beta(0.4, 0.4, (20, 1000))  # nothing in common but the run
    solved = (rng.random((2, 20, 1000)) < chance).astype(float).reshape(40, 1000)
    assert check_quality(table(solved)).findings == ()


@pytest.mark.parametrize("tries", [1, 4])
def test_counts_and_missing_cells(tries):
    rng = np.random.default_rng(4)
    solved = pool(rng, 30, 400 * tries, tries=tries)
    solved[29] = solved[11]
    tried = np.where(rng.random(solved.shape) < 0.5, tries, 0)
    solved = np.where(tried > 0, solved, np.nan)  # what lies in a missing cell is of no account
    found = check_quality(table(solved, tried))
    assert named(found, "clones") == [("s011", "s029")]


def test_a_table_and_its_long_form_have_the_same_findings():
    rng = np.random.default_rng(5)
    solved = pool(rng, 30, 200)
    solved[4], solved[5] = solved[9], 0
    tried = (rng.random(solved.shape) < 0.8).astype(int)
    tried[:, 50] = 0  # an item that nobody answered
    matrix = table(np.where(tried, solved, 0), tried)
    a, b = check_quality(matrix), check_quality(long(matrix))
    assert a.findings == b.findings
    assert {"clones", "no_answers", "all_wrong"} <= set(kinds_of(a))


def test_many_short_rows_alike_are_chance():
    # 1,000 persons on 5 items have 32 patterns: all pairs but a few share theirs with somebody
    rng = np.random.default_rng(6)
    assert named(check_quality(table(pool(rng, 1000, 5))), "clones") == []


def test_hundreds_of_rows_and_tens_of_thousands_of_items_are_compared():
    rng = np.random.default_rng(7)
    solved = (rng.random((150, 34_000), dtype=np.float32) < 0.5).astype(np.int8)
    solved[120] = solved[100]
    found = check_quality(table(solved))
    assert named(found, "clones") == [("s100", "s120")]
    assert "most answered of 34000 items" in found.skipped[0]


def test_main_effects_recover_a_rasch_crowd():
    rng = np.random.default_rng(8)
    theta, b = rng.normal(size=300), rng.normal(size=300)
    solved = (rng.random((300, 300)) < special.expit(theta[:, None] - b)).astype(float)
    found = main_effects(solved, np.ones_like(solved))
    assert np.corrcoef(found.ability, theta)[0, 1] > 0.98
    assert np.corrcoef(found.difficulty, b)[0, 1] > 0.98
    assert found.dispersion == pytest.approx(1, abs=0.03)


def test_constant_rows_and_columns_are_named():
    solved = np.array([[1, 1, 0, 1], [0, 0, 0, 0], [1, 1, 1, 1], [0, 1, 0, 1]], dtype=float)
    found = check_quality(table(solved))
    assert named(found, "all_right") == [("s002",)]
    assert named(found, "all_wrong") == [("s001",)]
    assert named(found, "items_all_right") == []  # s001 missed all
    some = check_quality(table(np.delete(solved, 1, axis=0)))
    assert named(some, "items_all_right") == [("i1", "i3")]
    assert some.findings[-1].evidence == {"count": 2, "share": 0.5}
    none = check_quality(table(np.delete(solved, 2, axis=0)))
    assert named(none, "items_all_wrong") == [("i2",)]


def test_a_row_of_zeros_among_successes_is_a_lost_extraction_and_a_weak_one_is_not():
    rng = np.random.default_rng(9)
    solved = pool(rng, 20, 200)
    solved[6] = 0
    found = check_quality(table(solved))
    assert named(found, "no_answers") == [("s006",)]
    assert "not extracted" in found.findings[0].words
    # the weakest solves 2 of 200: nought of 20 is nothing odd
    hard = np.zeros((5, 20))
    hard[:4, 0] = 1
    assert named(check_quality(table(hard)), "no_answers") == []


def test_lost_answers_in_small_pools():
    rng = np.random.default_rng(14)
    solved = (rng.random((4, 300)) < 0.5).astype(float)
    solved[1] = 0
    assert named(check_quality(table(solved)), "no_answers") == [("s001",)]  # three others
    assert named(check_quality(table(solved[:2])), "no_answers") == []  # one other tells nothing
    solved[0] = 0
    assert named(check_quality(table(solved)), "no_answers") == []  # half of the pool is zero
    large = pool(rng, 20, 300)
    large[[4, 5, 6]] = 0  # three of a family lost to one mistake
    found = check_quality(table(large))
    assert sorted(named(found, "no_answers")) == [("s004",), ("s005",), ("s006",)]
    assert named(found, "clones") == []  # rows of zeros agree, as rows so weak do


def test_answers_lost_within_one_kind_of_items():
    rng = np.random.default_rng(10)
    solved = pool(rng, 20, 300)
    kinds = ["maths"] * 100 + ["code"] * 200
    solved[2, :100] = 0
    found = check_quality(table(solved), kinds=kinds)
    lost = [f for f in found.findings if f.kind == "no_answers"]
    assert [(f.names, f.evidence["kind"], f.evidence["cells"]) for f in lost] == [
        (("s002",), "maths", 100)
    ]
    assert named(check_quality(table(solved)), "no_answers") == []
    with pytest.raises(ValueError, match="`kinds` must label 300 items, got 2"):
        check_quality(table(solved), kinds=["a", "b"])


def test_a_row_that_contradicts_its_published_mean():
    rng = np.random.default_rng(11)
    solved = pool(rng, 30, 800)
    means = solved.mean(axis=1)
    stated = {f"s{i:03}": round(float(means[i]), 3) for i in range(30)}
    assert named(check_quality(table(solved), published=stated), "published") == []
    stated["s004"] = float(np.clip(means[4] + 0.12, 0, 1))
    found = check_quality(table(solved), published=stated).findings
    assert [(f.kind, f.names) for f in found if f.kind == "published"] == [("published", ("s004",))]
    # Wilson at 1 - .01 / 30: z = 3.59, so .12 away is 6.8 errors of .0177 at worst
    assert found[0].evidence["high"] < stated["s004"]


def test_published_means_within_sampling_error_are_left_alone():
    rng = np.random.default_rng(12)
    truth = rng.uniform(0.2, 0.95, 400)
    solved = (rng.random((400, 300)) < truth[:, None]).astype(float)
    stated = {f"s{i:03}": float(truth[i]) for i in range(400)}
    found = check_quality(table(solved), published=stated)
    assert len(named(found, "published")) <= 2  # the chance of any is 1%


def test_published_names_and_percentages():
    solved = table(np.array([[1.0, 0], [0, 1]]), solvers=("gpt-a", "gpt-b"))
    with pytest.raises(ValueError, match=r"got 52.5 \('gpt-a'\); as a share it is 0.525"):
        check_quality(solved, published={"gpt-a": 52.5})
    with pytest.raises(ValueError, match=r"none of the solvers, got 'gpt-c'; did you mean 'gpt-"):
        check_quality(solved, published={"gpt-c": 0.5})
    with pytest.raises(ValueError, match=r"shares in \[0, 1\], got nan"):
        check_quality(solved, published={"gpt-a": float("nan")})
    found = check_quality(solved, published={"gpt-a": 0.5, "gpt-c": 0.5})
    assert named(found, "unpublished") == [("gpt-c",)]


def test_parts_are_named():
    tried = np.zeros((5, 6), dtype=int)
    tried[:3, :4] = 1
    tried[3:, 4:] = 1
    rng = np.random.default_rng(13)
    matrix = table(rng.integers(0, 2, tried.shape) * tried, tried)
    for form in (matrix, long(matrix)):
        found = [f for f in check_quality(form).findings if f.kind == "parts"]
        assert found[0].evidence["parts"] == [["s000", "s001", "s002"], ["s003", "s004"]]
        assert found[0].names == ("s003", "s004")
    tried[2, 4] = 1
    assert named(check_quality(table(tried * 0.5, tried)), "parts") == []


def test_parts_of_a_chain():
    tried = (np.eye(40, dtype=int) + np.eye(40, k=1, dtype=int)) * 3
    assert named(check_quality(table(np.ones((40, 40)) * (tried > 0), tried)), "parts") == []
    tried[20, 21] = 0
    found = check_quality(table(1.0 * (tried > 0), tried)).findings
    assert [f.evidence["sizes"] for f in found if f.kind == "parts"] == [[21, 19]]


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2)])
def test_small_tables_raise_no_alarm_but_constants(shape):
    for value in (0.0, 1.0):
        found = check_quality(table(np.full(shape, value)), published={"s000": value})
        expected = {0.0: {"all_wrong", "items_all_wrong"}, 1.0: {"all_right", "items_all_right"}}
        assert set(kinds_of(found)) == expected[value]


def test_hard_inputs_are_refused_in_one_line():
    with pytest.raises(ValueError, match="nobody answered anything"):
        check_quality(table(np.zeros((2, 2)), np.zeros((2, 2), dtype=int)))
    with pytest.raises(ValueError, match="nobody answered anything"):
        check_quality(table(np.zeros((0, 0))))
    with pytest.raises(ValueError, match=r"needs 0 <= solved <= tried, got nan for solver 's000'"):
        check_quality(table(np.array([[np.nan, 1.0]])))
    with pytest.raises(ValueError, match=r"needs 0 <= solved <= tried, got 2"):
        check_quality(long(table(np.array([[2.0, 1.0]]))))
    with pytest.raises(ValueError, match="must have one entry per solver and item"):
        check_quality(Matrix(solved=np.ones((1, 2)), tried=1, solvers=("a",), items=("x",)))


def test_the_screen_takes_the_most_answered_items(monkeypatch):
    monkeypatch.setattr(screens, "CELLS", 40)
    tried = np.zeros((2, 50), dtype=int)
    tried[:, ::2] = 1
    tried[0, :] = 1
    found = screens.screen(table(tried.astype(float), tried))
    assert found.chosen.tolist() == list(range(0, 40, 2))
    assert found.tried.tolist() == [50, 25]


def test_groups_join_chains():
    assert groups_of(np.array([5, 1, 2]), np.array([6, 2, 5])) == [[1, 2, 5, 6]]
    assert groups_of(np.array([], dtype=int), np.array([], dtype=int)) == []


REAL = {
    "zeroeval_gsm": {"items_all_right": 222, "items_all_wrong": 5},
    "zeroeval_crux": {"items_all_right": 46, "items_all_wrong": 4},
    "livecodebench_generation": {"items_all_right": 43, "items_all_wrong": 59},
    "sat12": {"all_right": 3},
    "verbagg": {"all_right": 5, "all_wrong": 4},
    "lsat6": {"all_right": 298, "all_wrong": 3},
}


@pytest.mark.parametrize("name", REAL)
def test_real_tables_have_constants_and_no_false_alarm(data_dir, name):
    data = np.load(data_dir / f"{name}.npz")
    matrix = table(data["solved"], data["tried"], tuple(data["solvers"].tolist()))
    assert {f.kind: len(f.names) for f in check_quality(matrix).findings} == REAL[name]


def test_real_clones_are_found(data_dir):
    # AlpacaEval 2 lists two models under two names each; other pairs differ in .42 of chance
    data = np.load(data_dir / "alpacaeval2.npz")
    matrix = table(data["score"], ~np.isnan(data["score"]) * 1, tuple(data["solvers"].tolist()))
    found = check_quality(matrix)
    assert named(found, "clones") == [
        ("chatgpt", "gpt-3.5-turbo-0301"),
        ("gpt4_1106_preview", "gpt4_turbo"),
    ]
    assert len(found.findings) == 2
