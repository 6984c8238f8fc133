from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, optimize, special

from gradatim.scale.ability import estimate_ability, expected_score, select_items
from gradatim.scale.curves import flat, information, probability

BANK = flat(
    difficulty=[-2.0, -0.5, 0.0, 0.7, 1.5],
    discrimination=[1.0, 0.6, 1.8, 1.2, 0.9],
    floor=[0.0, 0.2, 0.0, 0.25, 0.1],
)
ALL = np.arange(5)[None]


def brute(k, n, prior=(0.0, 1.0)):
    """Posterior mean and sd by plain integration."""

    def density(t):
        p = probability(t, BANK)
        return np.prod(p**k * (1 - p) ** (n - k)) * np.exp(-(((t - prior[0]) / prior[1]) ** 2) / 2)

    moments = [integrate.quad(lambda t, m=m: t**m * density(t), -15, 15)[0] for m in range(3)]
    mean = moments[1] / moments[0]
    return mean, np.sqrt(moments[2] / moments[0] - mean**2)


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=5, max_size=5),
    st.sampled_from([(0.0, 1.0), (1.5, 0.7)]),
)
def test_eap_is_the_posterior_mean(cells, prior):
    k = np.array([min(c) for c in cells], float)
    n = np.array([max(c) for c in cells], float)
    found = estimate_ability(BANK, ALL, k[None], n[None], prior=prior)
    mean, sd = brute(k, n, prior)
    assert found.value[0] == pytest.approx(mean, abs=2e-3)
    assert found.se[0] == pytest.approx(sd, rel=5e-3)
    assert found.weight.sum() == pytest.approx(1)


def test_map_solves_the_score_equation():
    k, n = np.array([[4.0, 3, 2, 1, 0]]), np.full((1, 5), 4.0)
    bank = flat(difficulty=BANK.difficulty, discrimination=BANK.discrimination)
    found = estimate_ability(bank, ALL, k, n, method="map")
    p = special.expit(bank.discrimination * (found.value[0] - bank.difficulty))
    assert bank.discrimination @ (k[0] - n[0] * p) == pytest.approx(found.value[0], abs=1e-6)
    assert found.se[0] == pytest.approx(
        (4 * information(found.value[0], bank).sum() + 1) ** -0.5, rel=1e-4
    )


# -- weighted likelihood ----------------------------------------------------------------------


def test_weighted_likelihood_by_hand():
    # one right answer to an item with a = 1, b = 0: 1 - P + (1 - 2 P) / 2 = 0, so P = 3/4,
    # theta = log 3, information 3/16
    bank = flat(difficulty=[0.0], discrimination=[1.0])
    one = np.ones((1, 1))
    found = estimate_ability(bank, np.zeros((1, 1), int), one, one, method="wle")
    assert found.value[0] == pytest.approx(np.log(3), abs=1e-7)
    assert found.se[0] == pytest.approx((16 / 3) ** 0.5, abs=1e-6)


@given(st.lists(st.integers(0, 3), min_size=5, max_size=5))
def test_weighted_likelihood_of_a_2pl_maximises_the_likelihood_times_root_information(k):
    bank = flat(difficulty=BANK.difficulty, discrimination=BANK.discrimination)
    k, n = np.array(k, float), np.full(5, 3.0)

    def below(t):
        p = probability(t, bank)
        return -k @ np.log(p) - (n - k) @ np.log1p(-p) - np.log(information(t, bank).sum()) / 2

    best = optimize.minimize_scalar(
        below, bounds=(-9, 9), method="bounded", options={"xatol": 1e-9}
    )
    found = estimate_ability(bank, ALL, k[None], n[None], method="wle")
    assert found.value[0] == pytest.approx(best.x, abs=1e-4)
    assert found.se[0] == pytest.approx((3 * information(best.x, bank).sum()) ** -0.5, rel=1e-4)


ENDED = flat(
    difficulty=BANK.difficulty,
    discrimination=BANK.discrimination,
    floor=BANK.floor,
    ceiling=[1.0, 0.9, 0.95, 1.0, 0.8],
)


@pytest.mark.parametrize("bank", [BANK, ENDED])
def test_weighted_likelihood_with_ends_solves_warms_equation(bank):
    k, n = np.array([[3.0, 2, 2, 1, 1], [4, 4, 4, 4, 4], [0, 0, 0, 0, 0]]), np.full((3, 5), 4.0)
    found = estimate_ability(bank, np.tile(ALL, (3, 1)), k, n, method="wle")
    assert np.isfinite(found.value).all()
    assert found.value[2] < found.value[0] < found.value[1]
    step = 1e-4
    for row, value in enumerate(found.value):
        low, p, high = (probability(value + d, bank) for d in (-step, 0, step))
        first, second = (high - low) / (2 * step), (high - 2 * p + low) / step**2
        inside = 4 * first**2 / (p * (1 - p))
        lean = np.sum(4 * first * second / (p * (1 - p)))
        score = np.sum((k[row] - 4 * p) * first / (p * (1 - p)))
        assert score + lean / (2 * inside.sum()) == pytest.approx(0, abs=1e-4 * inside.sum() ** 0.5)
        assert found.se[row] == pytest.approx(inside.sum() ** -0.5, rel=1e-4)


def test_weighted_likelihood_has_less_bias_than_the_mode():
    rng = np.random.default_rng(0)
    bank = flat(difficulty=np.linspace(-2, 2, 20), discrimination=np.full(20, 1.5))
    k = rng.binomial(1, probability(np.full(4000, 1.5), bank)).astype(float)
    item, n = np.tile(np.arange(20), (4000, 1)), np.ones((4000, 20))
    value = {m: estimate_ability(bank, item, k, n, method=m).value for m in ("wle", "map")}
    # the mode's bias is about -theta / (information + 1) = -.2; the error of a mean is .009
    assert abs(value["wle"].mean() - 1.5) < 0.04
    assert value["map"].mean() < 1.4


def test_weighted_likelihood_without_answers_says_that_it_knows_nothing():
    none = np.zeros((1, 5))
    found = estimate_ability(BANK, ALL, none, none, method="wle", prior=(0.3, 2.0))
    assert found.value[0] == 0.3
    assert found.se[0] == np.inf
    assert np.isfinite(found.nodes).all()


def test_extreme_items_and_counts_overflow_nothing():
    bank = replace(
        flat(
            difficulty=[-60.0, 60.0, 0.0],
            discrimination=[50.0, 50.0, 1e-3],
            floor=[0.0, 0.3, 0.0],
            ceiling=[1.0, 0.9, 1.0],
        ),
        se_floor=np.array([np.nan, 0.1, 0.1]),
        se_ceiling=np.full(3, 0.1),
    )
    k = np.array([[5.0, 5, 5], [0, 0, 0], [0, 5, 0]])
    for method in ("eap", "map", "wle"):
        found = estimate_ability(bank, np.tile(np.arange(3), (3, 1)), k, 5 + 0 * k, method=method)
        assert np.isfinite(found.value).all()
        assert not np.isnan(found.se).any()


def test_errors_of_the_ends_widen():
    k, n = np.array([[4.0, 5, 4, 2, 1]]), np.full((1, 5), 8.0)
    plain = estimate_ability(ENDED, ALL, k, n)
    unsure = replace(ENDED, se_floor=np.full(5, 0.1), se_ceiling=np.full(5, 0.1))
    assert estimate_ability(unsure, ALL, k, n).se[0] > plain.se[0] * 1.01


def test_no_answer_is_the_prior():
    for method in ("eap", "map"):
        found = estimate_ability(
            BANK,
            np.zeros((1, 0), int),
            np.zeros((1, 0)),
            np.zeros((1, 0)),
            method=method,
            prior=(0.3, 2.0),
        )
        assert found.value[0] == pytest.approx(0.3)
        assert found.se[0] == pytest.approx(2.0)


def test_all_right_and_all_wrong_are_finite_and_huge_counts_pin_it_down():
    k = np.array([[5.0] * 5, [0.0] * 5, [10.0**7 * p for p in probability(1.2, BANK)]])
    n = np.array([[5.0] * 5, [5.0] * 5, [1e7] * 5])
    found = estimate_ability(BANK, np.tile(ALL, (3, 1)), k, n)
    assert np.isfinite(found.value).all()
    assert found.value[1] < 0 < found.value[0]
    assert found.value[2] == pytest.approx(1.2, abs=1e-3)


def test_rows_do_not_touch_each_other_and_unasked_places_count_for_nothing():
    k, n = np.array([[1.0, 2, 0], [3, 0, 0]]), np.array([[2.0, 2, 2], [4, 0, 0]])
    item = np.array([[0, 2, 4], [3, 1, 1]])
    both = estimate_ability(BANK, item, k, n)
    alone = estimate_ability(BANK, item[1:, :1], k[1:, :1], n[1:, :1])
    assert both.value[1] == pytest.approx(alone.value[0], abs=1e-6)


def test_item_errors_widen_and_repeated_attempts_are_discounted():
    k, n = np.array([[4.0, 5, 4, 2, 1]]), np.full((1, 5), 8.0)
    plain = estimate_ability(BANK, ALL, k, n)
    unsure = replace(BANK, se_difficulty=np.full(5, 0.5))
    assert estimate_ability(unsure, ALL, k, n).se[0] > plain.se[0] * 1.05
    assert estimate_ability(unsure, ALL, k, n, item_error=False).se[0] == plain.se[0]
    # r = 1: eight attempts tell as much as one
    clumped = replace(BANK, fit={"overdispersion": 1.0})
    one = estimate_ability(BANK, ALL, k / 8, n / 8)
    assert estimate_ability(clumped, ALL, k, n).value[0] == pytest.approx(one.value[0])


def test_item_error_is_what_simulation_says():
    rng = np.random.default_rng(0)
    truth, size = 0.4, 300
    a, b, error = np.exp(rng.normal(0, 0.2, size)), rng.normal(0, 1, size), 0.6
    got = []
    for _ in range(200):
        asked = rng.choice(size, 60, replace=False)
        k = rng.binomial(8, special.expit(a[asked] * (truth - b[asked])))
        said = flat(difficulty=b + rng.normal(0, error, size), discrimination=a)
        said = replace(said, se_difficulty=np.full(size, error))
        found = estimate_ability(said, asked[None], k[None].astype(float), np.full((1, 60), 8.0))
        got.append((found.value[0], found.se[0]))
    value, se = np.array(got).T
    assert np.std(value) == pytest.approx(np.mean(se), rel=0.2)


def test_expected_score_is_the_mean_curve_and_rises_with_ability():
    n = np.full((3, 5), 1000.0)
    k = n * probability(np.array([-1.0, 0.0, 1.0]), BANK)
    found = estimate_ability(BANK, np.tile(ALL, (3, 1)), k, n)
    score, low, high = expected_score(BANK, found)
    truth = probability(np.array([-1.0, 0.0, 1.0]), BANK).mean(axis=1)
    np.testing.assert_allclose(score, truth, atol=0.01)
    assert np.all((low < score) & (score < high))
    assert np.all(np.diff(score) > 0)


def test_a_part_of_a_bank_is_on_the_same_scale():
    part = select_items(BANK, np.array([3, 1]))
    assert part.items == ("item-4", "item-2")
    assert part.scale == BANK.scale
    np.testing.assert_array_equal(part.floor, [0.25, 0.2])
    assert part.ceiling is None
    assert select_items(ENDED, np.array([4, 1])).ceiling.tolist() == [0.8, 0.9]


def test_errors_name_the_argument():
    one = np.ones((1, 5))
    with pytest.raises(ValueError, match="axis 'asked' is 5 in `item` but 4 in `solved`"):
        estimate_ability(BANK, ALL, one[:, :4], one)
    with pytest.raises(ValueError, match="`tried - solved`"):
        estimate_ability(BANK, ALL, 2 * one, one)
    with pytest.raises(ValueError, match="eap, map, wle; got 'ml'"):
        estimate_ability(BANK, ALL, one, one, method="ml")
    hole = flat(difficulty=[np.nan, 0.0], discrimination=[1.0, 1.0])
    with pytest.raises(ValueError, match="estimated"):
        estimate_ability(hole, np.array([[0, 1]]), np.ones((1, 2)), np.ones((1, 2)))
