import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from gradatim.choice import budgets, greedy, plans
from gradatim.choice.budgets import OBJECTIVES, allocate, mixed_share
from gradatim.errors import ArgumentError
from gradatim.recipes.curriculum import Curriculum
from gradatim.scale import belief
from gradatim.types import Ask, Belief, Pool

SURE = 1e12
posteriors = st.lists(
    st.tuples(st.floats(0.05, 30), st.floats(0.05, 30)), min_size=1, max_size=5
).map(lambda rows: np.array(rows).T)


def worth(alpha, beta, n, objective):
    u, v = OBJECTIVES[objective]
    log = stats.beta(alpha, beta)

    def f(p):
        return (1 - p**n - (1 - p) ** n) * p**u * (1 - p) ** v

    return integrate.quad(lambda q: f(log.ppf(q)), 0, 1, limit=200)[0]


def table(alpha, beta, most, objective):
    """worth[row, n] for n = 0..most, from Beta functions instead of products."""
    from scipy.special import betaln

    u, v = OBJECTIVES[objective]
    n = np.arange(most + 1)
    base = betaln(alpha, beta)[:, None]
    a, b = alpha[:, None] + u, beta[:, None] + v
    whole = np.exp(betaln(a, b) - base)
    found = whole - np.exp(betaln(a + n, b) - base) - np.exp(betaln(a, b + n) - base)
    found[:, :2] = 0
    return found


def best_by_dp(gain, total, low, high):
    """Largest total worth over all n with sum `total`, by trying everything."""
    best = {0: 0.0}
    for row in gain:
        new = {}
        for spent, value in best.items():
            for n in range(low, high + 1):
                at = spent + n
                if at <= total:
                    new[at] = max(new.get(at, -1.0), value + row[n])
        best = new
    return best[total]


def test_hand_numbers_of_the_knapsack_card():
    # B = 40 over p = .02 .1 .3 .5 .9 known for sure: 2 + 18 + 11 + 7 + 2 = 40
    p = np.array([0.02, 0.1, 0.3, 0.5, 0.9])
    n = allocate(p * SURE, (1 - p) * SURE, 40, objective="value")
    assert n.tolist() == [2, 18, 11, 7, 2]


def test_mixed_share_by_hand():
    # uniform belief: E[1 - p^n - (1-p)^n] = 1 - 2 / (n + 1)
    n = np.arange(8)
    expected = np.where(n < 2, 0, 1 - 2 / (n + 1))
    np.testing.assert_allclose(mixed_share(np.ones(8), np.ones(8), n), expected, atol=1e-14)
    # p = .18 sure, two attempts: 2 x .18 x .82 = .2952
    assert mixed_share(np.array([0.18e12]), np.array([0.82e12]), np.array([2]))[0] == (
        pytest.approx(0.2952, abs=1e-9)
    )
    # always or never solved: no group is ever mixed
    ends = mixed_share(np.array([0.0, SURE]), np.array([SURE, 0.0]), np.array([9, 9]))
    assert ends.tolist() == [0, 0]


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_tilted_worth_matches_integration(objective):
    alpha, beta, n = np.array([0.7, 3.0]), np.array([2.0, 1.5]), np.array([3, 8])
    a, b, w = budgets._tilted(alpha, beta, objective)
    got = w * mixed_share(a, b, n)
    for i in range(2):
        assert got[i] == pytest.approx(worth(alpha[i], beta[i], n[i], objective), rel=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    posterior=posteriors,
    extra=st.integers(0, 15),
    low=st.integers(1, 3),
    objective=st.sampled_from(sorted(OBJECTIVES)),
)
def test_greedy_equals_trying_everything(posterior, extra, low, objective):
    alpha, beta = posterior
    total = low * len(alpha) + extra
    n = allocate(alpha, beta, total, low=low, objective=objective)
    assert n.sum() == total
    assert n.min() >= low
    gain = table(alpha, beta, total, objective)
    got = gain[np.arange(len(n)), n].sum()
    assert got == pytest.approx(best_by_dp(gain, total, low, total), rel=1e-9, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(posterior=posteriors, total=st.integers(10, 60))
def test_more_budget_takes_nothing_away(posterior, total):
    alpha, beta = posterior
    assert (allocate(alpha, beta, total + 1) >= allocate(alpha, beta, total)).all()


@settings(max_examples=40, deadline=None)
@given(
    posterior=posteriors,
    extra=st.integers(0, 70),
    quantum=st.integers(1, 5),
    room=st.integers(0, 20),
)
def test_bounds_blocks_and_exact_totals(posterior, extra, quantum, room):
    alpha, beta = posterior
    rows, high = len(alpha), 2 + room
    total = 2 * rows + extra
    n = allocate(alpha, beta, total, high=high, quantum=quantum)
    assert n.sum() == total
    assert n.min() >= 2
    # only what is left of the last block breaks the grid, on one row
    assert np.count_nonzero((n - 2) % quantum) <= 1
    # the cap yields only when it has to, and then by no more than one block
    need = -(-total // rows)
    assert n.max() <= max(high, need) + quantum


def test_mirror_and_ties():
    a, b = np.array([1.0, 5.0, 2.0]), np.array([4.0, 1.0, 2.0])
    assert (allocate(a, b, 30) == allocate(b, a, 30)).all()  # "mixed" is even in p <-> 1 - p
    same = allocate(np.full(5, 2.0), np.full(5, 3.0), 23)
    # 23 = 5 x 4 + 3: equal rows differ by at most one, the first rows get it
    assert same.tolist() == [5, 5, 5, 4, 4]
    hopeless = allocate(np.zeros(4), np.full(4, SURE), 14)  # all gains 0: spread evenly
    assert hopeless.tolist() == [4, 4, 3, 3]


def test_streamed_matrix_gives_the_same_as_one_matrix(monkeypatch):
    rng = np.random.default_rng(0)
    alpha, beta = rng.gamma(0.5, 3, 900) + 0.05, rng.gamma(0.5, 3, 900) + 0.05
    alpha[100:400], beta[100:400] = 1.5, 2.5  # many ties
    lonely, sure = np.full(900, 1e-6), np.full(900, 50.0)
    lonely[[5, 77, 800]] = 50.0  # a sample of rows sees nothing of what matters
    for a, b, total, quantum in (
        (alpha, beta, 9000, 1),
        (alpha, beta, 7001, 1),
        (alpha, beta, 9000, 4),
        (alpha, beta, 1801, 1),
        (lonely, sure, 1850, 1),
        (np.zeros(900), sure, 3000, 1),
    ):
        whole = allocate(a, b, total, quantum=quantum)
        monkeypatch.setattr(greedy, "CELLS", 1 << 12)
        streamed = allocate(a, b, total, quantum=quantum)
        monkeypatch.undo()
        assert (whole == streamed).all()


def test_errors_name_the_argument():
    one = np.ones(2)
    with pytest.raises(ArgumentError, match="`total` must lie in"):
        allocate(one, one, 3)
    with pytest.raises(ArgumentError, match=r"`objective` must be one of .*did you mean 'mixed'"):
        allocate(one, one, 8, objective="mixd")
    with pytest.raises(ArgumentError, match="`alpha` must lie in"):
        allocate(np.array([np.nan, 1.0]), one, 8)
    with pytest.raises(ArgumentError, match="axis 'row' is 2 in `alpha` but 3 in `beta`"):
        allocate(one, np.ones(3), 8)
    with pytest.raises(ArgumentError, match=r"`alpha \+ beta` must lie in"):
        allocate(np.zeros(2), np.array([0.0, 1.0]), 8)
    with pytest.raises(ArgumentError, match="`rows`"):
        allocate(np.ones(0), np.ones(0), 0)


# -- the slot entries -------------------------------------------------------------------------


def asked(rows, left, alpha=None):
    pool = Pool(source=np.zeros(50, int), sources=("all",), floor=np.zeros(50))
    belief = Belief(np.ones(50) if alpha is None else alpha, np.ones(50), lambda rng, m: None)
    plan = plans.rows(
        np.arange(rows), step=3, propensity=np.full(rows, 0.5), why=np.full(rows, "x")
    )
    return Ask(pool, belief, plan, None, rows, left, 3)


@pytest.mark.parametrize("name", budgets.BUDGETS)
def test_too_many_prompts_for_the_attempts(name):
    slot, rng = budgets.BUDGETS[name], np.random.default_rng(0)
    plan = slot.suggest((), asked(40, 21), rng, **slot.options)
    assert plan.n.sum() == 21
    assert len(plan.n) == 10  # 21 // 2 rows can have two attempts each
    assert plan.n.min() == 2
    # which rows stay is drawn evenly, so the propensity shrinks by 10 / 40
    assert plan.propensity.tolist() == [0.125] * 10
    assert (np.diff(plan.problem) > 0).all()
    one = slot.suggest((), asked(40, 1), rng, **slot.options)
    assert one.n.tolist() == [1]


@pytest.mark.parametrize("name", budgets.BUDGETS)
def test_too_few_prompts_for_the_attempts(name):
    slot = budgets.BUDGETS[name]
    plan = slot.suggest((), asked(3, 1000), np.random.default_rng(0), **slot.options)
    assert plan.n.sum() == 1000  # the cap of 128 yields: totals are exact
    assert len(plan.n) == 3


def test_equal_spreads_the_remainder_by_a_seeded_rotation():
    counts = []
    for seed in range(40):
        plan = budgets.equal((), asked(4, 10), np.random.default_rng(seed))
        again = budgets.equal((), asked(4, 10), np.random.default_rng(seed))
        assert plan.n.tolist() == again.n.tolist()
        assert sorted(plan.n.tolist()) == [2, 2, 3, 3]  # 10 = 4 x 2 + 2
        counts.append(plan.n)
    assert (np.ptp(counts, axis=0) == 1).all()  # no row is always the lucky one


# -- S005: what drives allocation -------------------------------------------------------------

PROBLEMS, MEAN = 256, 8


def populations(rng):
    mastered = rng.permutation(np.r_[np.full(128, 0.98), np.full(102, 0.05), np.full(26, 0.5)])
    return {
        "u": rng.beta(0.3, 0.3, PROBLEMS),
        "hard": rng.beta(0.3, 2, PROBLEMS),
        "mastered": mastered,
        "flat": rng.beta(1, 1, PROBLEMS),
    }


def realised(p, n):
    return (1 - p**n - (1 - p) ** n).mean()


def two_points(rng):
    return {
        "mastered": populations(rng)["mastered"],
        "two": rng.permutation(np.r_[np.full(128, 0.95), np.full(128, 0.05)]),
    }


def gains(how, earlier=8, repeats=30, pools=populations):
    """Mean relative gain in mixed groups over eight attempts each, by population."""
    rng = np.random.default_rng(20261121)
    found = {}
    for _ in range(repeats):
        for name, p in pools(rng).items():
            alpha, beta = how(p, rng.binomial(earlier, p), earlier)
            n = allocate(alpha, beta, PROBLEMS * MEAN)
            even = realised(p, np.full(PROBLEMS, MEAN))
            found.setdefault(name, []).append(realised(p, n) / even - 1)
    return {name: (np.mean(g), np.std(g) / np.sqrt(repeats)) for name, g in found.items()}


def empirical_bayes(p, k, n):
    """The hierarchical belief after n attempts on every problem of one source."""
    slot = belief.BELIEFS["hierarchical"]
    pool = Pool(source=np.zeros(PROBLEMS, int), sources=("all",), floor=np.zeros(PROBLEMS))
    every = np.full(PROBLEMS, float(n))
    totals = np.array([every.sum()]), np.array([float(k.sum())])
    state = belief.Levels(every, k.astype(float), every, *totals, pool.source, 0)
    found = slot.suggest(state, pool, **slot.options)
    return found.alpha, found.beta


def test_s005_known_rates_gain_a_tenth_on_skewed_pools():
    found = gains(lambda p, k, n: (p * SURE, (1 - p) * SURE), repeats=10)
    assert all(found[name][0] > 0.1 for name in ("u", "hard", "mastered"))
    assert found["flat"][0] > 0


def test_s005_posteriors_win_on_these_pools_and_plug_in_rates_lose():
    # the bound CORRELATION was chosen looking at these four pools (other draws of them), so this
    # guards what was reached; the next test says where it does not hold
    posterior = gains(empirical_bayes)
    plug_in = gains(lambda p, k, n: ((k + 1) / (n + 2) * SURE, (n - k + 1) / (n + 2) * SURE))
    for name, (mean, error) in posterior.items():
        assert mean > -2 * error, f"{name}: {mean} +- {error}"
        assert mean > plug_in[name][0] + 2 * plug_in[name][1]
    assert posterior["mastered"][0] > 0.01
    assert min(mean for mean, _ in plug_in.values()) < -0.01


@pytest.mark.xfail(strict=True, reason="one Beta per source does not fit pools of two kinds")
@pytest.mark.parametrize("name", ["mastered", "two"])
def test_s005_posteriors_never_lose_on_pools_of_two_kinds(name):
    mean, error = gains(empirical_bayes, earlier=16, pools=two_points)[name]
    assert mean > -2 * error


def test_equal_groups_of_a_size_take_as_many_prompts_as_that_makes():
    rows = [{"family": "f", "level": 1 + i % 5} for i in range(200)]
    cur = Curriculum(rows, "grpo", budget={"size": 2})
    assert (cur.suggest(8, rollouts=64).n == 2).all()  # whatever the trainer asks for
    assert sorted(cur.suggest(8, rollouts=65).n)[-2:] == [2, 3]
    assert cur.suggest(8, rollouts=2000).n.sum() == 2000  # more than the pool holds
    lone = Curriculum(rows, "grpo", budget={"size": 1, "min": 1})
    assert (lone.suggest(8, rollouts=64).n == 1).all()
