import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from gradatim.choice.routing import (
    choose_solver,
    pareto_front,
    score_route,
    trace_routes,
    value_at,
)
from gradatim.scale.curves import flat, probability
from gradatim.scale.irt import fit
from gradatim.types import Responses

COST = np.array([1.0, 3.0, 10.0, 30.0])
ABILITY = np.array([-0.8, 0.0, 0.8, 1.6])


def responses_of(solved):
    n, m = solved.shape
    solver, item = np.divmod(np.arange(n * m), m)
    return Responses(
        solver=solver,
        item=item,
        solved=solved.ravel().astype(float),
        tried=np.ones(n * m, dtype=int),
        solvers=tuple(f"s{i:02}" for i in range(n)),
        items=tuple(f"i{j:04}" for j in range(m)),
    )


def singles(chance):
    return [score_route(np.full(chance.shape[1], i), chance, COST) for i in range(len(chance))]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_s175_the_curve_dominates_each_single_solver(seed):
    # four solvers and a crowd answer 600 items once; abilities and items are estimated from that,
    # routes are judged by the true chances
    rng = np.random.default_rng(seed)
    theta = np.r_[ABILITY, rng.normal(size=60)]
    b, a = 2 * rng.normal(size=600), 1.5 * np.exp(0.4 * rng.normal(size=600))
    true = special.expit(a * (theta[:, None] - b))
    bank = fit(responses_of(rng.random(true.shape) < true), model="2pl")
    route = trace_routes(probability(bank.ability[:4], bank), COST)
    accuracy, cost = np.array([score_route(row, true[:4], COST) for row in route.solver]).T
    alone, paid = np.array(singles(true[:4])).T
    bought = value_at(cost, accuracy, paid)
    assert np.all(bought >= alone - 1e-12)
    assert np.all(bought[1:3] > alone[1:3] + 0.01)  # more for the same cost
    # on one axis of ability nobody beats the ablest on any item: nearly its accuracy, cheaper
    assert cost[accuracy >= alone[3] - 0.005].min() < 0.85 * paid[3]
    # no single solver is on the front of all
    front = pareto_front(np.r_[cost, paid[1:3]], np.r_[accuracy, alone[1:3]])
    assert np.all(front < len(cost))


def test_s175_solvers_with_different_strengths_beat_the_best_of_them():
    # two banks, maths and code; two solvers of equal cost, each good at one
    rng = np.random.default_rng(1)
    banks = [flat(difficulty=rng.normal(size=200), discrimination=np.ones(200)) for _ in range(2)]
    chance = np.concatenate(
        [probability(np.array(t), x) for t, x in zip(([1, -1], [-1, 1]), banks, strict=True)],
        axis=1,
    )
    solver = choose_solver(chance, np.ones(2))
    assert solver.tolist() == [0] * 200 + [1] * 200
    together, _ = score_route(solver, chance, np.ones(2))
    assert together > max(chance.mean(axis=1)) + 0.15


@given(st.integers(1, 5), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_every_route_is_the_best_for_its_weight_and_the_curve_rises(n, m, seed):
    rng = np.random.default_rng(seed)
    chance, cost = rng.random((n, m)), rng.integers(0, 5, n).astype(float)
    route = trace_routes(chance, cost)
    assert np.all(np.diff(route.accuracy) >= -1e-12)
    assert np.all(np.diff(route.cost) >= -1e-12)
    assert route.accuracy[-1] == pytest.approx(chance.max(axis=0).mean())
    assert route.cost[0] == pytest.approx(cost.min())
    for i in range(n):  # no single solver is above the curve's hull
        best = value_at(route.cost, route.accuracy, np.array([cost[i]]))[0]
        assert best >= chance[i].mean() - 0.02  # the hull is drawn through 50 of its points
        gain = route.accuracy - route.weight * route.cost
        assert np.all(gain >= chance[i].mean() - route.weight * cost[i] - 1e-9)


def test_by_hand():
    chance = np.array([[0.9, 0.2, 0.5], [0.95, 0.9, 0.5]])
    # gains at .01 a unit: .89 .19 .49 against .85 .80 .40
    assert choose_solver(chance, np.array([1.0, 10]), weight=0.01).tolist() == [0, 1, 0]
    assert choose_solver(chance, np.array([1.0, 10])).tolist() == [1, 1, 0]  # a tie: the cheaper
    # two kinds of cost, the second by item
    cost = np.stack([np.array([[1.0] * 3, [10.0] * 3]), np.array([[0.0] * 3, [0, 9.0, 0]])])
    assert choose_solver(chance, cost, weight=np.array([0, 0.1])).tolist() == [1, 0, 0]


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=20))
def test_the_front_is_what_nobody_beats(points):
    cost, value = np.array(points, dtype=float).T
    front = pareto_front(cost, value)
    for i in range(len(cost)):
        beaten = (cost <= cost[i]) & (value >= value[i]) & ((cost < cost[i]) | (value > value[i]))
        same = (cost[front] == cost[i]) & (value[front] == value[i])
        assert same.sum() == (0 if beaten.any() else 1)
    assert np.all(np.diff(cost[front]) > 0)
    assert np.all(np.diff(value[front]) > 0)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=15))
def test_mixtures_are_concave_and_above_all_points(points):
    cost, value = np.array(points, dtype=float).T
    found = value_at(cost, value, cost)
    assert np.all(found >= value - 1e-9)
    grid = np.linspace(cost.min(), 10, 30)
    assert np.all(np.diff(value_at(cost, value, grid), 2) <= 1e-9)


def test_errors_say_what():
    with pytest.raises(ValueError, match=r"`chance` must lie in \[0, 1\], got 2"):
        choose_solver(np.array([[2.0]]), np.ones(1))
    with pytest.raises(ValueError, match=r"`cost` must fit chance of shape \(1, 2\), got \(3,\)"):
        choose_solver(np.full((1, 2), 0.5), np.ones(3))
    with pytest.raises(ValueError, match="`weight` must hold 1 numbers"):
        choose_solver(np.full((1, 2), 0.5), np.ones(1), weight=np.ones(2))
    with pytest.raises(ValueError, match="must hold a solver and an item"):
        trace_routes(np.zeros((0, 3)), np.zeros(0))
    with pytest.raises(ValueError, match="`cost` must be finite"):
        choose_solver(np.full((1, 2), 0.5), np.array([np.nan]))
    with pytest.raises(ValueError, match=r"`solver` must lie in \[0, 0\], got 1"):
        score_route(np.array([1]), np.array([[0.5]]), np.ones(1))
    with pytest.raises(ValueError, match="must hold a point"):
        value_at(np.zeros(0), np.zeros(0), np.ones(1))
    assert pareto_front(np.zeros(0), np.zeros(0)).tolist() == []
