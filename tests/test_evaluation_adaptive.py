import numpy as np
import pytest
from scipy import special

from gradatim.evaluation.adaptive import next_items, placement, replay, simulate, thin
from gradatim.scale import irt
from gradatim.scale.curves import flat, information, probability
from gradatim.types import Responses


def bank_of(n, seed=0):
    rng = np.random.default_rng(seed)
    return flat(difficulty=rng.normal(size=n), discrimination=np.exp(rng.normal(0, 0.3, n)))


def test_the_next_item_has_the_most_information():
    bank = bank_of(50)
    ability = np.array([-1.0, 0.3, 2.0])
    picks = next_items(bank, ability, np.ones((3, 50), bool))
    for theta, pick in zip(ability, picks, strict=True):
        assert pick == int(np.argmax(information(theta, bank)))
    used = np.ones((3, 50), bool)
    used[np.arange(3), picks] = False
    assert np.all(next_items(bank, ability, used) != picks)
    assert np.all(next_items(bank, ability, np.zeros((3, 50), bool)) == -1)


def test_randomesque_draws_evenly_among_the_best():
    bank, rng = bank_of(30), np.random.default_rng(0)
    best = set(np.argsort(-information(0.0, bank))[:4].tolist())
    picks = next_items(bank, np.zeros(4000), np.ones((4000, 30), bool), top=4, rng=rng)
    share = np.unique(picks, return_counts=True)
    assert set(share[0].tolist()) == best
    assert np.all(np.abs(share[1] / 4000 - 0.25) < 0.04)
    few = np.zeros((2000, 30), bool)
    few[:, [3, 8]] = True  # fewer open than `top`: only those
    assert set(next_items(bank, np.zeros(2000), few, top=4, rng=rng).tolist()) == {3, 8}


def test_a_test_asks_nothing_twice_and_never_what_cannot_be_asked():
    bank, rng = bank_of(20), np.random.default_rng(0)
    tried = np.ones((3, 20))
    tried[:, :5] = 0
    for order in ("adaptive", "random"):
        course = replay(bank, tried * 0, tried, order=order, max_items=20, rng=rng)
        assert np.array_equal(course.n, [15, 15, 15])
        for row in course.item:
            asked = row[row >= 0]
            assert len(set(asked.tolist())) == 15
            assert asked.min() >= 5


def test_a_test_stops_at_the_standard_error_and_stays_as_it_ended():
    course = simulate(
        bank_of(200), np.zeros(20), rng=np.random.default_rng(1), max_items=80, stop_se=0.4
    )
    for run in range(20):
        n = course.n[run]
        assert course.se[run, n - 1] <= 0.4 < course.se[run, n - 2]
        assert np.all(course.item[run, n:] == -1)
        assert np.all(course.ability[run, n:] == course.ability[run, n - 1])


def test_adaptive_tests_tell_more_than_random_ones_and_say_how_much():
    bank, rng = bank_of(300, seed=2), np.random.default_rng(2)
    truth = rng.normal(size=300)
    error, se = {}, {}
    for order in ("adaptive", "random"):
        course = simulate(bank, truth, rng=rng, order=order, max_items=25)
        error[order] = course.ability[:, -1] - truth
        se[order] = course.se[:, -1]
        cover = np.abs(error[order]) < 1.96 * se[order]
        assert 0.92 < cover.mean() < 0.98
        score = probability(truth, bank).mean(axis=1)
        inside = (course.low[:, -1] <= score) & (score <= course.high[:, -1])
        assert 0.92 < inside.mean() < 0.98
    assert np.std(error["adaptive"]) < 0.85 * np.std(error["random"])
    assert np.mean(se["adaptive"]) < 0.85 * np.mean(se["random"])


def test_several_attempts_a_question_tell_more():
    bank, truth = bank_of(100), np.linspace(-2, 2, 60)
    se = [
        simulate(bank, truth, rng=np.random.default_rng(0), samples=s, max_items=10).se[:, -1]
        for s in (1, 8)
    ]
    # information adds up: variance about 1 / (1 + s I)
    assert np.mean(se[1]) < 0.6 * np.mean(se[0])


def test_placement_of_a_recorded_solver():
    rng = np.random.default_rng(5)
    theta, b = np.linspace(-2, 2, 12), rng.normal(0, 1.5, 400)
    a = np.exp(rng.normal(0, 0.4, 400))
    n = 8
    k = rng.binomial(n, special.expit(a * (theta[:, None] - b)))
    others = np.delete(np.arange(12), 9)
    solver, item = (x.ravel() for x in np.indices((11, 400)))
    bank = irt.fit(
        Responses(
            solver=solver,
            item=item,
            solved=k[others].ravel().astype(float),
            tried=np.full(11 * 400, n),
            solvers=tuple(f"s{i}" for i in others),
            items=tuple(f"i{i}" for i in range(400)),
        )
    )
    tried = np.full(400, n)
    tried[:10] = 0
    found = placement(
        bank, k[9], tried, max_items=30, samples=1, repeats=40, rng=np.random.default_rng(0)
    )
    assert found.truth == pytest.approx(k[9][10:].mean() / n)
    assert found.items.tolist() == list(range(1, 31))
    assert found.error[-1] < found.random_error[-1] < found.plain_error[-1]
    assert found.ability_error[-1] < found.random_ability_error[-1]
    assert found.error[-1] < found.error[0] / 2
    assert np.all(found.random_low <= found.random_high)
    whole = placement(bank, k[9], tried, max_items=500, repeats=2, rng=np.random.default_rng(0))
    assert len(whole.items) == 390  # what was recorded
    assert whole.ability_error[-1] == pytest.approx(0, abs=1e-3)
    assert whole.plain_error[-1] == pytest.approx(0, abs=1e-12)
    again = placement(
        bank, k[9], tried, max_items=30, samples=1, repeats=40, rng=np.random.default_rng(0)
    )
    np.testing.assert_array_equal(found.error, again.error)


def test_hard_solvers_are_placed_finitely():
    bank = bank_of(30)
    tried = np.ones((2, 30))
    course = replay(bank, np.stack([np.zeros(30), np.ones(30)]), tried, max_items=30)
    assert np.isfinite(course.ability).all()
    assert course.ability[0, -1] < -1.5
    assert course.ability[1, -1] > 1.5


def test_errors_name_the_argument():
    bank = bank_of(4)
    one = np.ones((1, 4))
    with pytest.raises(ValueError, match="`order` must be one of adaptive, random; got 'best'"):
        replay(bank, one, one, order="best", max_items=2)
    with pytest.raises(ValueError, match="`rng` is needed"):
        replay(bank, one, one, order="random", max_items=2)
    with pytest.raises(ValueError, match="axis 'item' is 3 in `solved` but 4 in `bank`"):
        replay(bank, one[:, :3], one[:, :3], max_items=2)
    with pytest.raises(ValueError, match="number of recorded items"):
        placement(bank, one[0] * 0, one[0] * 0, max_items=2, rng=np.random.default_rng(0))


def test_thinned_counts_are_drawn_without_replacement():
    solved, tried = np.array([[10, 0, 5, 0]]), np.array([[10, 10, 10, 0]])
    many = np.tile(solved, (4000, 1)), np.tile(tried, (4000, 1))
    right, n = thin(*many, 4, rng=np.random.default_rng(0))
    assert (n == [4, 4, 4, 0]).all()
    assert (right[:, [0, 1, 3]] == [4, 0, 0]).all()
    assert right[:, 2].mean() == pytest.approx(2, abs=0.05)
    assert right[:, 2].var() == pytest.approx(4 * 0.25 * 6 / 9, abs=0.05)  # hypergeometric
    graded, n = thin(np.array([2.6, 0.3]), np.array([4, 1]), 2, rng=np.random.default_rng(0))
    assert (graded.tolist(), n.tolist()) == ([1.3, 0.3], [2, 1])
