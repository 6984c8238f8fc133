import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradatim.errors import ArgumentError
from gradatim.learning.advantages import rloo
from gradatim.learning.advantages_believed import believed


def of(reward, a, b, **options):
    reward = np.asarray(reward, float)
    size = len(reward)
    given = {"alpha": np.full(size, float(a)), "beta": np.full(size, float(b)), "most": 16.0}
    return believed(reward, np.zeros(size, int), **given | options)


def test_hand_numbers():
    # others: one right of three, Beta(2, 2): baseline of the right one 2 / 7, of a wrong one 3 / 7
    value, keep = of([1, 0, 0, 0], 2, 2)
    assert value.tolist() == pytest.approx([1 - 2 / 7, *[-3 / 7] * 3])
    assert keep.all()
    assert of([0], 1, 9)[0].tolist() == pytest.approx([-0.1])  # a lone attempt against .1
    assert of([0, 0], 1, 9)[0].tolist() == pytest.approx([-1 / 11] * 2)  # all wrong
    assert of([1, 1], 9, 1)[0].tolist() == pytest.approx([1 / 11] * 2)  # all right


def test_an_old_belief_counts_for_at_most_so_many():
    assert of([0], 100, 900, most=10)[0] == pytest.approx(of([0], 1, 9)[0])
    assert of([0, 1], 100, 900, most=10)[0] == pytest.approx(of([0, 1], 1, 9, most=10)[0])


def test_rare_outcomes_weigh_more_with_power():
    plain, scaled = of([1], 1, 9)[0], of([1], 1, 9, power=1)[0]
    assert scaled == pytest.approx(plain / 0.3)


@given(st.lists(st.booleans(), min_size=2, max_size=12))
def test_without_a_belief_it_is_rloo(solved):
    reward = np.array(solved, float)
    mine = of(reward, 1e-12, 1e-12)[0]
    expected = rloo(reward, np.zeros(len(reward), int))[0]
    assert mine == pytest.approx(expected, abs=1e-9)


def test_the_gradient_has_no_bias_and_less_noise():
    """Two-armed policy of rate p: mean of A (y - p) is p (1 - p) whatever the belief says."""
    rng = np.random.default_rng(0)
    p, groups, size = 0.2, 40_000, 2
    y = (rng.random(groups * size) < p).astype(float)
    label = np.repeat(np.arange(groups), size)
    noise = {}
    for name, (a, b) in {"none": (1e-9, 1e-9), "right": (1.6, 6.4), "wrong": (4, 4)}.items():
        alpha, beta = np.full(len(y), float(a)), np.full(len(y), float(b))
        value, _ = believed(y, label, alpha=alpha, beta=beta)
        each = (value * (y - p)).reshape(groups, size).mean(axis=1)
        assert each.mean() == pytest.approx(p * (1 - p), abs=4 * each.std() / groups**0.5)
        noise[name] = each.std()
    assert noise["right"] < 0.8 * noise["none"]
    assert noise["wrong"] < noise["none"]  # a poor belief still beats one attempt's luck


def test_mistakes():
    with pytest.raises(ArgumentError, match="carries no belief"):
        of([1, 0], 0, 0)
    with pytest.raises(ArgumentError, match="carries no belief"):
        of([1, 0], np.nan, 1)
    with pytest.raises(ArgumentError, match="`most` must lie in"):
        of([1, 0], 1, 1, most=-1)
