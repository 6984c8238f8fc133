import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradatim.errors import ArgumentError
from gradatim.evaluation.picking import Rules, draw, lacking, shares
from gradatim.evaluation.replay import walk
from gradatim.evaluation.tables import tabulate
from gradatim.scale.curves import flat, probability


@pytest.fixture(scope="module")
def played():
    """A table of 40 items and the answers of 30 models."""
    rng = np.random.default_rng(0)
    bank = flat(difficulty=rng.normal(size=40), discrimination=rng.uniform(0.7, 2.5, 40))
    rate = 1.0 * (rng.random((30, 40)) < probability(rng.normal(size=30), bank))
    none = np.zeros((0, 40))
    return tabulate(bank, none, none.astype(int), n_asked=10), rate, np.ones((30, 40), int)


def test_the_best_open_item_is_asked():
    worth = np.array([[3.0, 1, 2], [0.0, 0, 0], [1, 2, 3]])
    open_ = np.array([[False, True, True], [True, True, True], [False, False, False]])
    assert draw(worth, open_, Rules()).tolist() == [2, 0, -1]


def test_randomesque_draws_evenly_among_the_best():
    rules = Rules(top=2, rng=np.random.default_rng(0))
    worth = np.tile([5.0, 1.0, 4.0, 3.0], (4000, 1))
    open_ = np.tile([True, True, False, True], (4000, 1))
    pick = draw(worth, open_, rules)
    assert set(pick.tolist()) == {0, 3}
    assert np.mean(pick == 0) == pytest.approx(0.5, abs=0.04)
    one = np.tile([False, True, False, False], (5, 1))
    assert draw(worth[:5], one, rules).tolist() == [1] * 5  # fewer open than `top`


def test_progressive_begins_by_chance_and_ends_by_worth():
    rules = Rules(progressive=1.0, rng=np.random.default_rng(0))
    worth, open_ = np.tile([1.0, 0.9, 0.1], (3000, 1)), np.ones((3000, 3), bool)
    at_first = np.bincount(draw(worth, open_, rules, share=0.0)) / 3000
    np.testing.assert_allclose(at_first, 1 / 3, atol=0.04)
    assert (draw(worth, open_, rules, share=1.0) == 0).all()
    half = np.bincount(draw(worth, open_, rules, share=0.5), minlength=3)
    assert half[0] > half[1] > half[2]


@settings(max_examples=60)
@given(
    st.integers(1, 8),
    st.integers(1, 6),
    st.integers(0, 2**32 - 1),
    st.floats(0, 1, exclude_min=True),
)
def test_no_item_is_given_to_more_than_its_quota(runs, items, seed, wide):
    rng = np.random.default_rng(seed)
    worth, open_ = rng.random((runs, items)), rng.random((runs, items)) < wide
    quota = rng.integers(0, runs + 1, items)
    before = quota.copy()
    pick = draw(worth, open_, Rules(), quota=quota)
    got = pick[pick >= 0]
    assert (np.bincount(got, minlength=items) <= quota).all()
    assert open_[np.flatnonzero(pick >= 0), got].all()
    assert (quota == before).all()
    idle = np.flatnonzero(pick < 0)  # nobody is turned away while an item of theirs is left
    left = quota - np.bincount(got, minlength=items)
    assert not (open_[idle] & (left > 0)).any()


def test_who_would_lose_most_keeps_an_item():
    worth = np.array([[3.0, 2.9], [3.0, 0.1]])
    assert draw(worth, np.ones((2, 2), bool), Rules(), quota=np.array([1, 2])).tolist() == [1, 0]


def test_balance_keeps_the_shares_of_kinds(played):
    table, rate, tried = played
    strata = np.arange(40) % 4 // 3  # 30 of one kind, 10 of another
    np.testing.assert_allclose(shares(strata, tried[:1] > 0), [[0.75, 0.25]])
    tests = walk(table, rate, tried, n_asked=12, rules=Rules(strata=strata))
    kinds = strata[tests.item]
    for n in (4, 8, 12):  # after any number of questions within one of its share
        assert (np.abs(kinds[:, :n].sum(axis=1) - n / 4) < 1).all()
    behind = lacking(strata, np.array([[3, 0]]), np.array([[0.75, 0.25]]))
    assert (behind == (strata == 1)).all()
    one_left = np.ones((1, 40), int) * (strata == 0)  # a kind that cannot be asked is no bar
    alone = walk(table, rate[:1], one_left, n_asked=12, rules=Rules(strata=strata))
    assert (alone.item >= 0).all()


def test_a_cap_is_kept_over_tests(played):
    table, rate, tried = played
    free = walk(table, rate, tried, n_asked=10)
    capped = walk(table, rate, tried, n_asked=10, quota=np.full(40, 12))
    assert np.bincount(free.item.ravel()).max() > 20
    assert np.bincount(capped.item.ravel()).max() == 12
    assert (np.sort(capped.item, axis=1)[:, 1:] > np.sort(capped.item, axis=1)[:, :-1]).all()


def test_rules_that_cannot_be(played):
    table, rate, tried = played

    def refused(match, **rules):
        with pytest.raises(ArgumentError, match=match):
            walk(table, rate, tried, n_asked=3, rules=Rules(**rules))

    refused("`rng` is needed", top=2)
    refused("`rng` is needed", criterion="random")
    refused("`rng` is needed", progressive=1.0)
    refused("`top` must", top=0)
    refused("`progressive` must", progressive=-1.0)
    refused("`criterion` must be one of", criterion="luck")
