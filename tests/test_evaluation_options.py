"""Probabilities of options: mass, what the rest could change, accuracies side by side."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradatim.errors import ArgumentError
from gradatim.evaluation.options import option_mass


def test_s171_mass_bound_and_accuracies_stand_side_by_side():
    # item 0: settled and right; 1: right, the rest could turn it; 2: wrong, the rest could mend it;
    # 3: wrong for sure; 4: two options only
    p = np.array([
        [0.7, 0.1, 0.1],
        [0.2, 0.1, 0.1],
        [0.1, 0.2, 0.0001],
        [0.05, 0.9, 0.01],
        [0.3, 0.2, np.nan],
    ])
    tokens = np.array([[1, 1, 1], [3, 1, 1], [1, 3, 1], [1, 1, 1], [1, 1, 1]])
    found = option_mass(np.log(p), np.zeros(5, int), tokens=tokens)
    assert found.item_mass == pytest.approx([0.9, 0.4, 0.3001, 0.96, 0.5])
    assert found.accuracy["plain"].value == 0.6
    assert found.settled.value == 0.4
    assert (found.lowest.value, found.highest.value) == (0.2, 0.8)
    # per token: item 1 .2 ** (1/3) > .1; item 2 .1 < .2 ** (1/3)
    assert found.accuracy["token"].value == 0.6
    assert found.gain["token"].value == 0
    prior = np.log(np.where(np.isnan(p), np.nan, [[0.9, 0.1, 0.1]] * 5))
    pmi = option_mass(np.log(p), np.zeros(5, int), unconditional=prior)
    # .7/.9 < .1/.1: a popular text loses what it has without the question
    assert pmi.accuracy["pmi"].value == 0
    assert pmi.gain["pmi"].value == pytest.approx(-0.6)


def test_s171_more_mass_is_not_more_accuracy():
    rng = np.random.default_rng(0)
    right = rng.random(400) < 0.5
    lead = np.where(right, 0.6, 0.4)
    share = np.stack([lead, 1 - lead], axis=1)
    small, large = (option_mass(np.log(share * m), np.zeros(400, int)) for m in (0.1, 0.99))
    assert large.mass.value > small.mass.value
    assert large.accuracy["plain"].value == small.accuracy["plain"].value
    assert (small.settled.value, large.settled.value) == (0, 1)


@given(st.integers(0, 10**6))
def test_accuracy_lies_within_its_bounds(seed):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(5), 30)[:, :4]
    found = option_mass(np.log(p), rng.integers(4, size=30))
    plain = found.accuracy["plain"].value
    assert found.lowest.value <= plain <= found.highest.value
    assert found.settled.value == pytest.approx(1 - (found.highest.value - found.lowest.value))


def test_what_is_no_distribution_is_refused():
    with pytest.raises(ArgumentError, match="`mass`"):
        option_mass(np.log([[0.9, 0.9]]), np.array([0]))
    with pytest.raises(ArgumentError, match="`logp`"):
        option_mass(np.array([[0.5, -1.0]]), np.array([0]))
    with pytest.raises(ArgumentError, match="`answer` must name"):
        option_mass(np.array([[-1.0, np.nan]]), np.array([1]))
