"""Ranks of models: sparse results not missing by chance, intervals that hold, input refused."""

import numpy as np
import pytest
from scipy import special, stats

from gradatim.errors import ArgumentError
from gradatim.evaluation import ranking_fits
from gradatim.evaluation.rank import correlation, midranks
from gradatim.evaluation.ranking import HOW, Ranking, rank
from gradatim.evaluation.ranking_apart import _apart
from gradatim.scale import irt, pairwise
from gradatim.store.formats import read_matrix

SCALED = ("irt", "irt_2pl", "bradley_terry", "plackett_luce")


def simulated(n, m, *, seed, keep=1.0, width=0.4, slopes=0.3):
    """2PL answers, each model tried on `keep` of the items, mostly those of about its own level."""
    rng = np.random.default_rng(seed)
    theta, b = rng.normal(size=n), rng.normal(size=m)
    chance = special.expit(np.exp(slopes * rng.normal(size=m)) * (theta[:, None] - b))
    solved = (rng.random((n, m)) < chance).astype(int)
    return theta, solved, near(rng, theta, b, keep=keep, width=width)


def near(rng, level, difficulty, *, keep, width):
    """(model, item) 0 or 1: round(keep m) items each, drawn by distance from the model's level."""
    n, m = len(level), len(difficulty)
    tried = np.zeros((n, m), dtype=int)
    for model in range(n):
        weight = np.exp(-(((difficulty - level[model]) / width) ** 2) / 2) + 1e-12
        pick = rng.choice(m, round(keep * m), replace=False, p=weight / weight.sum())
        tried[model, pick] = 1
    return tried


def spearman(x, y):
    return float(correlation(midranks(x), midranks(y)))


@pytest.fixture(scope="module")
def sparse():
    """50 models, 2,000 items, 90% missing by difficulty; and the ranks of all."""
    _, solved, tried = simulated(50, 2000, seed=0, keep=0.1)
    # only scores are looked at, and they are the same for any number of draws
    found = {how: rank(solved * tried, tried, how=how, draws=10) for how in (*SCALED, "mean")}
    return solved.mean(axis=1), found


# -- the claim ---------------------------------------------------------------------------------


@pytest.mark.parametrize("how", SCALED)
def test_s216_ranks_at_90_percent_missing_by_difficulty(sparse, how):
    full, found = sparse
    assert spearman(full, found[how].score.value) >= 0.95


def test_s216_where_the_plain_mean_fails(sparse):
    full, found = sparse
    assert spearman(full, found["mean"].score.value) < 0.8
    assert found["irt"].n_items < 2000  # items that one model tried say nothing
    assert (found["irt"].score.n <= 200).all()


# -- fits --------------------------------------------------------------------------------------


def share_of(solved, tried):
    return np.where(tried > 0, solved / np.maximum(tried, 1), np.nan)


def test_the_mean_by_hand():
    share = np.array([[1.0, 0.0, np.nan], [1.0, 1.0, 0.0]])
    found = ranking_fits.mean(share)
    assert found.score == pytest.approx([1 / 2, 2 / 3])
    assert found.parts == pytest.approx(np.array([[1 / 4, -1 / 4, 0], [1 / 9, 1 / 9, -2 / 9]]))


def test_bradley_terry_plays_attempts_against_attempts():
    solved = np.array([[3, 1], [1, 0]])  # of 4, and of 2 and 1
    tried = np.array([[4, 2], [4, 1]])
    # wins of the first 3/4 * 3/4 + 1/2 * 1, of the second 1/4 * 1/4
    told = pairwise.bradley_terry(
        np.zeros(2, int), np.ones(2, int), np.array([1.0, 0.0]),
        weight=np.array([17 / 16, 1 / 16]), n_players=2, alpha=0.01,
    )  # fmt: skip
    found = ranking_fits.bradley_terry(share_of(solved, tried), alpha=0.01)
    assert found.score == pytest.approx(told.strength, abs=1e-7)


def fitted(how, solved, tried):
    if how in ("irt", "irt_2pl"):
        return ranking_fits.ability(solved, tried, model=how[4:] or "1pl")
    share = share_of(solved, tried)
    if how in ("mean", "borda"):
        return {"mean": ranking_fits.mean, "borda": ranking_fits.borda_count}[how](share)
    return getattr(ranking_fits, how)(share, alpha=0.01)


@pytest.mark.parametrize("how", ["mean", "borda", *SCALED])
def test_what_an_item_adds_is_what_fitting_again_with_it_twice_finds(how):
    _, solved, tried = simulated(12, 400, seed=4, keep=0.4, width=1.0)
    one = fitted(how, solved * tried, tried)
    predicted, actual = [], []
    for item in range(6):
        pick = np.r_[np.arange(400), item]
        again = fitted(how, (solved * tried)[:, pick], tried[:, pick])
        predicted.append(one.parts[:, item])
        actual.append(again.score - one.score)
    assert np.corrcoef(np.ravel(predicted), np.ravel(actual))[0, 1] > 0.9
    assert np.std(predicted) == pytest.approx(np.std(actual), rel=0.1)


# -- ranks -------------------------------------------------------------------------------------


def test_a_ranking_says_who_may_be_best_and_which_pairs_are_apart():
    rng = np.random.default_rng(2)
    p = np.array([0.3, 0.8, 0.79, 0.3])
    solved = (rng.random((4, 400)) < p[:, None]).astype(int)
    found = rank(solved, np.ones((4, 400)), how="mean", names=("d", "a", "b", "c"))
    assert isinstance(found, Ranking)
    assert {found.names[i] for i in found.order[:2]} == {"a", "b"}
    assert found.best.tolist() == [False, True, True, False]
    assert found.p_best.sum() == pytest.approx(1)
    assert found.apart[0, 1]
    assert found.apart[1, 0]
    assert not found.apart[1, 2]
    assert not found.apart[0, 3]
    assert found.tier.tolist() == [2, 1, 1, 2]
    assert found.rank.low.tolist() == [3, 1, 1, 3]
    assert found.rank.high.tolist() == [4, 2, 2, 4]


@pytest.mark.parametrize("how", HOW)
def test_equal_models_share_ranks_and_are_never_apart(how):
    row = np.random.default_rng(0).integers(0, 2, size=60)
    found = rank(np.stack([row, row, row]), np.ones((3, 60)), how=how, draws=50)
    assert found.rank.value.tolist() == [2, 2, 2]
    assert found.best.all()
    assert not found.apart.any()
    assert set(found.tier) == {1}


@pytest.mark.parametrize("how", ["mean", "borda", *SCALED])
def test_two_items_are_no_proof(how):
    found = rank(np.array([[1, 1], [0, 0]]), np.ones((2, 2)), how=how)
    assert found.order.tolist() == [0, 1]
    assert not found.apart.any()
    assert found.best.all()


@pytest.mark.parametrize("how", ["mean", "borda", *SCALED])
def test_a_model_that_solved_all_is_first_and_finite(how):
    _, solved, tried = simulated(6, 80, seed=1)
    solved[2], solved[4] = 1, 0
    found = rank(solved, np.ones_like(tried), how=how)
    assert found.order[0] == 2
    assert found.order[-1] == 4
    assert np.isfinite([found.score.value, found.score.low, found.score.high]).all()
    assert found.apart[2, 4]


def test_ranks_do_not_depend_on_the_order_of_models_and_items():
    _, solved, tried = simulated(8, 120, seed=3, keep=0.5, width=1.0)
    rng = np.random.default_rng(0)
    rows, columns = rng.permutation(8), rng.permutation(120)
    for how in HOW:
        one = rank(solved * tried, tried, how=how, draws=20)
        other = rank((solved * tried)[rows][:, columns], tried[rows][:, columns], how=how, draws=20)
        assert one.rank.value[rows].tolist() == other.rank.value.tolist()


def test_two_levels_count_a_task_once_and_keep_its_size():
    rng = np.random.default_rng(0)
    p = np.array([[0.9, 0.2, 0.2], [0.1, 0.6, 0.6]])
    task = np.repeat([0, 1, 2], [300, 60, 60])
    solved = (rng.random((2, 420)) < p[:, task]).astype(int)
    tried = np.ones((2, 420))
    assert rank(solved, tried, how="mean").order.tolist() == [0, 1]
    for how in ("mean", "irt", "borda"):
        found = rank(solved, tried, how=how, task=task, draws=100)
        assert found.order.tolist() == [1, 0]
        assert found.score.value == pytest.approx([1 / 3, 2 / 3])
        assert found.p_best[1] > 0.95
    kemeny = rank(solved, tried, how="kemeny", task=task, draws=50)
    assert kemeny.order.tolist() == [1, 0]


def test_graded_scores_and_repeated_attempts_are_ranked():
    rng = np.random.default_rng(1)
    quality = np.array([0.2, 0.5, 0.8])
    scores = np.clip(quality[:, None] + 0.3 * rng.normal(size=(3, 100)), 0, 1)
    counts = rng.binomial(10, np.clip(scores, 0.02, 0.98))
    for how in HOW:
        assert rank(scores, np.ones((3, 100)), how=how, draws=20).order.tolist() == [2, 1, 0]
        tens = rank(counts, np.full((3, 100), 10), how=how, draws=20)
        assert tens.order.tolist() == [2, 1, 0]


# -- refusals ----------------------------------------------------------------------------------


def test_models_that_share_no_item_are_named():
    tried = np.zeros((4, 6))
    tried[:2, :3] = tried[2:, 3:] = 1
    with pytest.raises(ArgumentError, match=r"2 groups that share no item: a, b; c, d; rank each"):
        rank(np.zeros((4, 6)), tried, names="abcd")


def test_a_task_may_not_fall_apart_either():
    tried = np.ones((4, 6))
    tried[:2, 3:5] = tried[2:, 5] = 0
    with pytest.raises(ArgumentError, match=r"share no item on task y"):
        rank(np.zeros((4, 6)), tried, task=np.array(list("xxxyyy")), how="mean")


@pytest.mark.parametrize(
    ("solved", "tried", "message"),
    [
        (np.ones((1, 3)), np.ones((1, 3)), "at least two models, got 1"),
        (np.ones((2, 3)), np.array([[1, 1, 1], [0, 0, 0]]), "no result of 1: leave out"),
        (np.ones((2, 3)), np.ones((2, 4)), "axis 'item'"),
        (2 * np.ones((2, 3)), np.ones((2, 3)), "must lie in"),
        (np.full((2, 3), np.nan), np.ones((2, 3)), "must lie in"),
        (np.ones((2, 3)), np.full((2, 3), 1.5), "whole numbers"),
    ],
)
def test_what_cannot_be_ranked_is_refused(solved, tried, message):
    with pytest.raises(ArgumentError, match=message):
        rank(solved, tried)


def test_names_of_methods_are_checked():
    with pytest.raises(ArgumentError, match="bradley_terry"):
        rank(np.ones((2, 2)), np.ones((2, 2)), how="bradley_tery")


# -- at depth ----------------------------------------------------------------------------------


# -- clusters, and pairs one after the other ---------------------------------------------------


def clustered(seed, *, n=6, groups=30, size=8, gap=0.0):
    """Right and wrong answers that go together inside clusters, and who is apart by truth."""
    rng = np.random.default_rng(seed)
    code = np.repeat(np.arange(groups), size)
    theta = gap * np.arange(n)
    liking = rng.normal(size=(n, groups))[:, code]  # what a text asks suits some models
    chance = special.expit(theta[:, None] + 1.5 * liking - rng.normal(size=len(code)))
    return (rng.random(chance.shape) < chance).astype(float), code


def test_items_of_a_cluster_are_resampled_as_one():
    solved, code = clustered(0, gap=0.3)
    alone = rank(solved, np.ones(solved.shape), how="mean", draws=500)
    found = rank(solved, np.ones(solved.shape), how="mean", cluster=code, draws=500)
    assert found.score.value == pytest.approx(alone.score.value)
    assert (found.score.high - found.score.low > 1.2 * (alone.score.high - alone.score.low)).all()
    assert found.n_items == 240
    assert (found.score.n == 240).all()
    copied = rank(np.tile(solved[:, ::8], 8), np.ones(solved.shape), how="mean",
                  cluster=np.tile(np.arange(30), 8), draws=500)  # fmt: skip
    once = rank(solved[:, ::8], np.ones((6, 30)), how="mean", draws=500)
    wide = [one.score.high - one.score.low for one in (copied, once)]
    assert wide[0] == pytest.approx(wide[1], rel=0.15)
    for how in HOW:  # every method takes clusters, inside tasks too
        rank(solved, np.ones(solved.shape), how=how, cluster=code, task=code % 2, draws=20)
    with pytest.raises(ArgumentError, match="cluster"):
        rank(solved, np.ones(solved.shape), cluster=code[1:])


def test_pairs_are_told_apart_step_by_step():
    limits = []

    def limit(one, other):
        limits.append(len(one))
        return {3: 3.0, 1: 1.5}[len(one)]

    size = np.array([[0, 2.0, 4.0], [2.0, 0, 5.0], [4.0, 5.0, 0]])
    # 4 and 5 are beyond 3; of the one pair that is left 2 is beyond 1.5
    found = _apart(size, np.ones((3, 3), dtype=bool), limit)
    assert limits == [3, 1]
    assert found.sum() == 6
    blocked = np.ones((3, 3), dtype=bool)
    blocked[0, 1] = blocked[1, 0] = False
    assert not _apart(size, blocked, limit)[0, 1]


def wrongly_apart(reps, *, cluster, seed):
    """Share of samples in which some of four equal models are called apart; two others are far."""
    wrong = 0
    for i in range(reps):
        solved, code = clustered(seed + i, n=6)
        solved[4:] = np.maximum(solved[4:], np.random.default_rng(i).random(solved[4:].shape) < 0.8)
        found = rank(solved, np.ones(solved.shape), how="mean", draws=400,
                     cluster=code if cluster else None)  # fmt: skip
        wrong += found.apart[:4, :4].any()
    return wrong / reps


@pytest.mark.slow
def test_no_pair_is_wrongly_apart_in_five_of_a_hundred_clustered_samples():
    as_clusters = wrongly_apart(600, cluster=True, seed=1000)
    as_items = wrongly_apart(600, cluster=False, seed=1000)
    print(f"any of six null pairs apart: clusters {as_clusters:.3f}, items {as_items:.3f}")
    assert as_clusters <= 0.07
    assert as_items > 0.15  # items that go together are no independent evidence


@pytest.mark.slow
@pytest.mark.parametrize("how", SCALED)
@pytest.mark.parametrize(("n", "m", "keep", "width"), [(10, 300, 0.5, 1.0), (30, 1000, 0.1, 0.4)])
def test_rank_intervals_hold_the_true_ranks(how, n, m, keep, width):
    """True ranks, the true best, and no pair wrongly apart, in 60 samples of items and answers."""
    held, best, wrong = [], [], []
    for seed in range(60):
        rng = np.random.default_rng([7, seed])
        theta = np.repeat(rng.normal(size=n // 2), 2)  # pairs of equals: the hard case
        a, b = np.exp(0.3 * rng.normal(size=m)), rng.normal(size=m)
        tried = near(rng, theta, b, keep=keep, width=width)
        solved = (rng.random(tried.shape) < special.expit(a * (theta[:, None] - b))) * tried
        found = rank(solved, tried, how=how, draws=500, rng=rng)
        # equals may stand in either order: either rank will do
        first, last = stats.rankdata(-theta, "min"), stats.rankdata(-theta, "max")
        held.append((found.rank.low <= last) & (found.rank.high >= first))
        best.append(found.best[theta == theta.max()])
        order = (theta[:, None] - theta) * (found.score.value[:, None] - found.score.value)
        wrong.append(np.any(found.apart & (order <= 0)))
    said = f"ranks held {np.mean(held):.3f}, best kept {np.mean(best):.3f}, wrong {np.mean(wrong)}"
    print(f"{how}, {n} x {m}: {said}")
    assert np.mean(held) >= 0.95
    assert np.mean(best) >= 0.95
    assert np.mean(wrong) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 60)


def thinned(matrix, tried, bank, rng):
    """One tenth of a real matrix: of each model the items about its own level, and its mean."""
    some = near(rng, bank.ability, np.nan_to_num(bank.difficulty), keep=0.1, width=0.4)
    some *= tried > 0
    return np.where(some, matrix.solved, 0), np.where(some, tried, 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["zeroeval_gsm", "zeroeval_crux", "livecodebench_generation", "alpacaeval2"]
)
def test_s216_real_matrices_thinned_by_difficulty(data_dir, name):
    """Spearman with ranks by the mean of all cells, at 10% of them; median of 5 thinnings."""
    matrix = read_matrix(data_dir / f"{name}.npz")
    tried = np.broadcast_to(np.asarray(matrix.tried), matrix.solved.shape)
    bank = irt.fit(matrix, model="1pl")
    usual = ranking_fits.mean(share_of(matrix.solved, tried)).score
    table = {}
    for seed in range(5):
        cells = thinned(matrix, tried, bank, np.random.default_rng([3, seed]))
        for how in HOW:
            found = rank(*cells, how=how, draws=10)
            table.setdefault(how, []).append(spearman(usual, found.score.value))
    row = {how: round(float(np.median(values)), 3) for how, values in table.items()}
    print(name, row)
    assert min(row[how] for how in SCALED) >= 0.95
    assert row["mean"] < min(row[how] for how in SCALED)


def test_kemenys_best_is_no_surer_than_that_of_means():
    # one disagreement on five items was "the best with 95% confidence", three on forty too
    for n, lost, sure in ((5, 1, False), (20, 3, False), (40, 3, False), (40, 8, True)):
        solved = np.ones((2, n))
        solved[1, :lost] = 0
        for how in ("kemeny", "mean"):
            found = rank(solved, np.ones((2, n)), how=how)
            assert found.best.tolist() == [True, not sure]
            assert bool(found.apart[0, 1]) == sure
