from dataclasses import replace

import numpy as np
import pytest

from gradatim.errors import ArgumentError
from gradatim.evaluation.shortlist import best_item, listed_items, shortlist
from gradatim.scale.curves import flat, information


def bank_of(n, seed=0, floors=False):
    rng = np.random.default_rng(seed)
    bank = flat(difficulty=rng.normal(size=n), discrimination=np.exp(0.4 * rng.normal(size=n)))
    return replace(bank, floor=rng.uniform(0, 0.4, n)) if floors else bank


@pytest.mark.parametrize("floors", [False, True])
@pytest.mark.parametrize("size", [1, 8, 64])
def test_the_pick_is_the_best_of_the_whole_bank(floors, size):
    bank = bank_of(3000, floors=floors)
    lists = shortlist(bank, size=size)
    open_ = np.ones(3000, dtype=bool)
    for theta in np.random.default_rng(1).normal(size=150):
        told = np.where(open_, information(float(theta), bank), -np.inf)
        pick = best_item(lists, float(theta), open_)
        assert told[pick] == pytest.approx(told.max(), rel=1e-12)
        open_[pick] = False  # lists run dry, and the bank is searched


def test_bounds_hold_everywhere_in_their_interval():
    bank = bank_of(2000, floors=True)
    lists = shortlist(bank, size=5, width=0.5)
    for at in range(len(lists.item)):
        inside = np.linspace(lists.edge[at], lists.edge[at + 1], 9)
        told = information(inside, bank)
        told[:, lists.item[at]] = 0
        assert told.max() <= lists.bound[at] * (1 + 1e-9)


def test_the_ends():
    bank = bank_of(50)
    bank = replace(bank, difficulty=np.where(np.arange(50) < 40, bank.difficulty, np.nan))
    lists = shortlist(bank, size=100)
    open_ = np.ones(50, dtype=bool)
    for theta in (-9.0, 0.0, 9.0):  # beyond all lists too; never an item without estimates
        told = np.where(np.isfinite(bank.difficulty), information(theta, bank), -np.inf)
        assert best_item(lists, theta, open_) == told.argmax()
    assert best_item(lists, 0.0, ~open_) == -1
    assert best_item(lists, 0.0, np.arange(50) >= 40) == -1
    with pytest.raises(ArgumentError, match="items with estimates"):
        shortlist(replace(bank, difficulty=np.full(50, np.nan)))
    with pytest.raises(ArgumentError, match="no ceilings"):
        shortlist(replace(bank, ceiling=np.full(50, 0.9)))


def test_of_many_items_those_worth_asking_are_listed():
    bank = bank_of(5000)
    open_ = np.arange(5000) % 2 == 0
    listed = listed_items(bank, open_, 600)
    assert len(listed) <= 600
    assert (listed % 2 == 0).all()
    for theta in (-2.0, 0.0, 2.0):
        assert np.where(open_, information(theta, bank), 0).argmax() in listed
    assert (listed_items(bank, open_, 10**6) == np.flatnonzero(open_)).all()
