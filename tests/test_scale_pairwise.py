"""Bradley-Terry and Plackett-Luce by hand, against scipy and MM, and their errors."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit, logsumexp

from gradatim.errors import ArgumentError
from gradatim.scale import concave, matches, pairwise
from gradatim.scale.luce import Rankings, check_rankings


def simulate(rng, true, m):
    player = rng.integers(len(true), size=m)
    opponent = (player + rng.integers(1, len(true), size=m)) % len(true)
    won = rng.random(m) < expit(true[player] - true[opponent])
    return player, opponent, won.astype(float)


def test_two_players_by_hand():
    # 3 wins to 1: log odds ln 3, half to each side; its variance 1/3 + 1/1, a quarter to each
    games = np.zeros(4, int), np.ones(4, int), np.array([1.0, 1, 1, 0])
    found = pairwise.bradley_terry(*games, n_players=2)
    assert found.strength == pytest.approx([np.log(3) / 2, -np.log(3) / 2])
    assert found.se == pytest.approx(np.sqrt([4 / 3 / 4] * 2))
    assert found.loglik == pytest.approx(3 * np.log(0.75) + np.log(0.25))
    assert found.games.tolist() == [4, 4]
    held = pairwise.interval(found, level=0.9)
    assert held.high[0] - held.value[0] == pytest.approx(1.644854 * found.se[0], rel=1e-5)


def test_weights_and_shares_stand_for_games():
    games = np.zeros(4, int), np.ones(4, int), np.array([1.0, 1, 1, 0])
    whole = pairwise.bradley_terry(*games, n_players=2)
    one = np.array([0]), np.array([1])
    for weight in (np.array([4.0]), None):
        found = pairwise.bradley_terry(*one, np.array([0.75]), n_players=2, weight=weight)
        assert found.strength == pytest.approx(whole.strength)
    assert found.se == pytest.approx(2 * whole.se)


def test_outside_reference_values():
    # choix 0.4.1: ilsr_pairwise, ilsr_rankings, ilsr_top1 on these, without regularisation
    games = np.array([(0, 1), (0, 1), (1, 0), (1, 2), (2, 3), (3, 1), (2, 0)])
    found = pairwise.bradley_terry(games[:, 0], games[:, 1], np.ones(7), n_players=4)
    assert found.strength == pytest.approx([-0.17890656, -0.40507804, 0.52434907, 0.05963552])
    orders = [[0, 1, 2, 3], [1, 0, 3, 2], [3, 2], [2, 0, 1], [1, 3, 0]]
    found = pairwise.plackett_luce(pairwise.rank(orders), n_players=4)
    assert found.strength == pytest.approx([0.3657859, 0.65767421, -0.65857011, -0.36489])
    sets = [[0, 1, 2], [1, 0, 3], [3, 1], [2, 0, 3], [0, 2, 3]]
    found = pairwise.plackett_luce(pairwise.rank(sets, places=[1] * 5), n_players=4)
    assert found.strength == pytest.approx([0.55360745, -0.26971421, 0.18626548, -0.47015872])


def test_bradley_terry_is_where_mm_ends():
    # Hunter 2004: p_i <- wins_i / sum_j games_ij / (p_i + p_j), written on its own
    rng = np.random.default_rng(0)
    player, opponent, score = simulate(rng, rng.normal(size=8), 400)
    wins = np.zeros((8, 8))
    np.add.at(wins, (player, opponent), score)
    np.add.at(wins, (opponent, player), 1 - score)
    p = np.ones(8)
    for _ in range(3000):
        p = wins.sum(1) / ((wins + wins.T) / (p[:, None] + p)).sum(1)
        p /= np.exp(np.log(p).mean())
    found = pairwise.bradley_terry(player, opponent, score, n_players=8)
    assert found.converged
    assert found.strength == pytest.approx(np.log(p), abs=1e-8)


def plain_loglik(x, orders, places):
    return sum(
        x[o[k]] - logsumexp(x[list(o[k:])]) for o, m in zip(orders, places, strict=True)
        for k in range(min(m, len(o) - 1))
    )  # fmt: skip


def numeric_covariance(function, x):
    """Pseudo-inverse of the negative Hessian by central differences: errors under sum zero."""
    h, n = 1e-4, len(x)
    eye = np.eye(n) * h

    def second(a, b):
        rising = function(x + a + b) - function(x + a - b)
        return (rising - function(x - a + b) + function(x - a - b)) / (4 * h * h)

    hess = np.array([[second(a, b) for b in eye] for a in eye])
    return np.linalg.pinv(-hess, rcond=1e-6)


def test_partial_rankings_against_scipy():
    rng = np.random.default_rng(1)
    orders = [rng.permutation(5)[: rng.integers(2, 6)].tolist() for _ in range(60)]
    places = [int(rng.integers(1, len(o) + 1)) for o in orders]
    found = pairwise.plackett_luce(pairwise.rank(orders, places=places), n_players=5)
    other = minimize(
        lambda x: -plain_loglik(x, orders, places), np.zeros(5), method="BFGS", tol=1e-9
    )
    assert found.strength == pytest.approx(other.x - other.x.mean(), abs=1e-5)
    assert found.loglik == pytest.approx(-other.fun, abs=1e-8)
    covariance = numeric_covariance(lambda x: plain_loglik(x, orders, places), found.strength)
    assert found.se == pytest.approx(np.sqrt(np.diag(covariance)), rel=1e-4)


def davidson_loglik(x, games):
    total = 0.0
    for i, j, s in games:
        d = (x[i] - x[j]) / 2
        parts = np.array([d, -d, x[-1]])
        total += parts[{1.0: 0, 0.0: 1, 0.5: 2}[s]] - logsumexp(parts)
    return total


def test_ties_by_davidson_against_scipy():
    rng = np.random.default_rng(2)
    games = [(int(i), int((i + d) % 4), float(s)) for i, d, s in zip(
        rng.integers(4, size=80), rng.integers(1, 4, size=80), rng.choice([0, 0.5, 1], size=80),
        strict=True,
    )]  # fmt: skip
    player, opponent, score = (np.array(c) for c in zip(*games, strict=True))
    found = pairwise.bradley_terry(player, opponent, score, n_players=4, ties="davidson")
    other = minimize(lambda x: -davidson_loglik(x, games), np.zeros(5), method="BFGS", tol=1e-9)
    assert found.strength == pytest.approx(other.x[:4] - other.x[:4].mean(), abs=1e-5)
    assert found.tie == pytest.approx(other.x[4], abs=1e-5)
    assert found.loglik == pytest.approx(-other.fun, abs=1e-8)
    at = np.r_[found.strength, found.tie]
    covariance = numeric_covariance(lambda x: davidson_loglik(x, games), at)
    assert found.se == pytest.approx(np.sqrt(np.diag(covariance))[:4], rel=1e-4)


def test_ties_as_halves_shrink_and_davidson_does_not():
    rng = np.random.default_rng(3)
    true = np.linspace(-1.5, 1.5, 10)
    player, opponent, _ = simulate(rng, true, 30_000)
    d = (true[player] - true[opponent]) / 2
    shares = np.stack([np.exp(d), np.full(len(d), 0.8), np.exp(-d)])
    drawn = (rng.random(len(d)) > np.cumsum(shares / shares.sum(0), axis=0)).sum(0)
    score = np.array([1.0, 0.5, 0.0])[drawn]
    half = pairwise.bradley_terry(player, opponent, score, n_players=10)
    whole = pairwise.bradley_terry(player, opponent, score, n_players=10, ties="davidson")
    assert np.polyfit(true, half.strength, 1)[0] < 0.85
    assert np.polyfit(true, whole.strength, 1)[0] == pytest.approx(1, abs=0.04)
    assert np.exp(whole.tie) == pytest.approx(0.8, abs=0.04)


def test_a_prior_is_the_penalised_maximum():
    # one game won: maximise ln s(2x) - alpha x^2, so s(-2x) = alpha x
    found = pairwise.bradley_terry(
        np.array([0]), np.array([1]), np.array([1.0]), n_players=3, alpha=0.5
    )
    x = found.strength[0]
    assert expit(-2 * x) == pytest.approx(0.5 * x)
    assert found.alpha == 0.5
    assert np.isnan(found.strength[2])
    assert np.isnan(found.se[2])
    assert found.games.tolist() == [1, 1, 0]


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(1, 4), st.sampled_from([0.0, 0.3, 0.5, 1.0])),
        min_size=1,
        max_size=20,
    ),
    st.permutations(range(5)),
)
def test_names_sides_and_order_do_not_matter(games, names):
    player = np.array([p for p, _, _ in games])
    opponent = np.array([(p + d) % 5 for p, d, _ in games])
    score = np.array([s for _, _, s in games])
    options = {"n_players": 5, "alpha": 0.2}
    base = pairwise.bradley_terry(player, opponent, score, **options)
    swapped = pairwise.bradley_terry(opponent[::-1], player[::-1], 1 - score[::-1], **options)
    assert swapped.strength == pytest.approx(base.strength, abs=1e-8, nan_ok=True)
    assert swapped.se == pytest.approx(base.se, rel=1e-6, nan_ok=True)
    names = np.array(names)
    renamed = pairwise.bradley_terry(names[player], names[opponent], score, **options)
    assert renamed.strength[names] == pytest.approx(base.strength, abs=1e-8, nan_ok=True)
    assert np.nansum(base.strength) == pytest.approx(0, abs=1e-9)
    mirrored = pairwise.bradley_terry(player, opponent, 1 - score, **options)
    assert mirrored.strength == pytest.approx(-base.strength, abs=1e-8, nan_ok=True)


def test_intervals_cover_and_games_are_rankings_of_two():
    rng = np.random.default_rng(4)
    true = rng.normal(size=12)
    inside = []
    for _ in range(60):
        player, opponent, score = simulate(rng, true, 800)
        found = pairwise.bradley_terry(player, opponent, score, n_players=12)
        held = pairwise.interval(found)
        at = true - true.mean()
        inside.append((held.low < at) & (at < held.high))
    assert 0.93 < np.mean(inside) < 0.97  # of 720; one standard error is .008
    winner, loser = np.where(score > 0, player, opponent), np.where(score > 0, opponent, player)
    ranked = pairwise.rank(np.stack([winner, loser], axis=1).tolist())
    assert pairwise.plackett_luce(ranked, n_players=12).strength == pytest.approx(found.strength)


def test_many_players_agree_with_the_exact_solution(monkeypatch):
    rng = np.random.default_rng(5)
    true = rng.normal(size=400)
    games = simulate(rng, true, 12_000)
    exact = pairwise.bradley_terry(*games, n_players=400, alpha=0.01)
    orders = [
        sorted(rng.permutation(400)[:6], key=lambda i: -true[i] - rng.gumbel()) for _ in range(3000)
    ]
    ranked = pairwise.rank(orders)
    whole = pairwise.plackett_luce(ranked, n_players=400, alpha=0.01)
    monkeypatch.setattr(concave, "DENSE", 0)  # sizes at which the other road is taken
    monkeypatch.setattr(concave, "EXACT", 0)
    for one, other in (
        (exact, pairwise.bradley_terry(*games, n_players=400, alpha=0.01)),
        (whole, pairwise.plackett_luce(ranked, n_players=400, alpha=0.01)),
    ):
        assert one.error_form == "exact"
        assert other.error_form.endswith("probes")
        assert other.strength == pytest.approx(one.strength, abs=1e-6)
        assert other.se == pytest.approx(one.se, rel=0.1)
        assert np.mean(other.se / one.se) == pytest.approx(1, abs=0.01)


def test_300k_games_and_a_scale_without_dense_tables():
    rng = np.random.default_rng(6)
    true = rng.normal(size=5000)
    found = pairwise.bradley_terry(*simulate(rng, true, 300_000), n_players=5000, alpha=0.001)
    assert found.converged
    assert found.iterations <= 15
    inside = np.abs(found.strength - (true - true.mean())) < 1.96 * found.se
    assert inside.mean() == pytest.approx(0.95, abs=0.015)


def test_parts_that_wins_do_not_connect_are_named():
    names = ("ann", "bob", "cay", "dan")
    games = np.array([0, 1, 2, 3]), np.array([1, 0, 3, 2]), np.ones(4)
    with pytest.raises(ArgumentError, match=r"never compared with each other: ann, bob; cay, dan;"):
        pairwise.bradley_terry(*games, n_players=4, names=names)
    chain = np.array([0, 1, 0, 2, 3]), np.array([1, 0, 2, 3, 2]), np.ones(5)
    with pytest.raises(ArgumentError, match=r"both ways .*: ann, bob; cay, dan; give `alpha` > 0"):
        pairwise.bradley_terry(*chain, n_players=4, names=names)
    with pytest.raises(ArgumentError, match="both ways"):
        pairwise.plackett_luce(pairwise.rank([[0, 1, 2], [0, 2, 1]]), n_players=3)
    # a choice from a set says nothing of the order of the rest, but connects all the same
    circle = pairwise.rank([[0, 1, 2], [1, 0], [2, 0]], places=[1, 1, 1])
    assert pairwise.plackett_luce(circle, n_players=3).converged
    for found in (
        pairwise.bradley_terry(*games, n_players=4, alpha=0.1),
        pairwise.bradley_terry(*chain, n_players=4, alpha=0.1),
    ):
        assert found.converged
        assert np.isfinite(found.strength).all()
    assert [p.tolist() for p in pairwise.parts(4, games[0], games[1])] == [[0, 1], [2, 3]]


def test_extremes_stay_finite():
    # a million games one way, one the other: ln 1e6 apart
    games = np.array([0, 1]), np.array([1, 0]), np.ones(2)
    found = pairwise.bradley_terry(*games, n_players=2, weight=np.array([1e6, 1.0]))
    assert found.strength[0] - found.strength[1] == pytest.approx(np.log(1e6))
    # a ladder where each beats the next 99 times of 100: 40 rungs of ln 99
    up = np.arange(40)
    ladder = pairwise.bradley_terry(
        up, up + 1, np.full(40, 0.99), n_players=41, weight=np.full(40, 100.0)
    )
    assert -np.diff(ladder.strength) == pytest.approx(np.full(40, np.log(99)))
    assert ladder.converged


def test_scores_become_games_and_choices():
    system = np.array([0, 1, 2, 0, 1, 2, 0])
    task = np.array([0, 0, 0, 1, 1, 1, 2])
    score = np.array([3.0, 1.0, 2.0, 1.0, 1.0, 0.0, 9.0])
    rows = zip(*matches.games_of_scores(system, task, score, n_systems=3), strict=True)
    # task 0: 0 > 2 > 1; task 1: 0 = 1 > 2; task 2 has one system
    assert sorted(tuple(map(float, row)) for row in rows) == [
        (0, 1, 0.5, 1),
        (0, 1, 1, 1),
        (0, 2, 1, 2),
        (1, 2, 1, 1),
        (2, 1, 1, 1),
    ]
    found = matches.choices_of_scores(system, task, score)
    listed = [found.player[a:b].tolist() for a, b in itertools.pairwise(found.start)]
    # task 0 is a ranking; in task 1 both winners beat the loser, each on its own
    assert sorted(zip(listed, found.places.tolist(), strict=True)) == [
        ([0, 2], 1), ([0, 2, 1], 2), ([1, 2], 1),
    ]  # fmt: skip


def test_bad_arguments():
    games = np.array([0]), np.array([1]), np.array([0.4])
    with pytest.raises(ArgumentError, match=r"scores of 0, 0\.5 or 1"):
        pairwise.bradley_terry(*games, n_players=2, ties="davidson")
    with pytest.raises(ArgumentError, match="got no tie"):
        pairwise.bradley_terry(*games[:2], np.ones(1), n_players=2, ties="davidson")
    with pytest.raises(ArgumentError, match="got ties only"):
        pairwise.bradley_terry(*games[:2], np.full(1, 0.5), n_players=2, ties="davidson")
    with pytest.raises(ArgumentError, match="`ties` must be one of"):
        pairwise.bradley_terry(*games, n_players=2, ties="rao")
    with pytest.raises(ArgumentError, match="`alpha` must lie"):
        pairwise.bradley_terry(*games, n_players=2, alpha=-1.0)
    with pytest.raises(ArgumentError, match="no comparison"):
        pairwise.bradley_terry(*(c[:0] for c in games), n_players=2)
    with pytest.raises(ArgumentError, match="ranking 1 names player 2 more than once"):
        pairwise.plackett_luce(pairwise.rank([[0, 1], [2, 0, 2]]), n_players=3)
    with pytest.raises(ArgumentError, match="`start` must go from 0"):
        check_rankings(Rankings(np.array([0, 1]), np.array([0, 1]), np.ones(1), np.ones(1)), 2)
