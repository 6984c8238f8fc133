import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradatim.choice import hints
from gradatim.errors import ArgumentError


def ask(pairs, target=0.5):
    """Next hint after (hint, solved, tried) triples."""
    h, k, n = (np.array([column]) for column in zip(*pairs, strict=True))
    return float(hints.next_hint(h.astype(float), k, n, target=target)[0])


def test_inverse_undoes_rate():
    for target in (0.3, 0.5, 0.9):
        hint = hints.inverse(target, 12.0, 0.4, 0.1)
        assert hints.rate(hint, 12.0, 0.4, 0.1) == pytest.approx(target)
    # SEELE's next hint: b + logit((a* - c) / (1 - c)) / k = .6 + ln(.3 / .5) / 10
    assert hints.inverse(0.5, 10.0, 0.6, 0.2) == pytest.approx(0.6 + np.log(0.375 / 0.625) / 10)
    assert hints.inverse(0.5, 10.0, 0.6, 0.7) == 0  # a guess is right more often than that
    assert hints.inverse(0.5, 10.0, 1.8, 0.0) == 1  # no hint is enough


def test_extremes_have_answers():
    assert ask([(0.0, 8, 8)]) == 0
    assert ask([(1.0, 0, 8), (0.9, 0, 8), (0.5, 0, 8), (0.2, 0, 8)]) > 0.9
    assert 0 <= ask([(0.0, 0, 0)]) <= 1  # nothing is known: the prior's middle
    assert ask([(0.0, 0, 8)]) > ask([(0.0, 2, 8)]) > ask([(0.0, 6, 8)]) == 0


def test_curves_are_found_in_four_rounds():
    """Of simulated problems, the hint of the fifth round comes within .1 of the target's rate."""
    rng = np.random.default_rng(0)
    size = 200
    slope, centre = rng.uniform(6, 14, size), rng.uniform(0.1, 0.9, size)
    floor = rng.uniform(0, 0.1, size)
    h, k, n = (np.zeros((size, 0)) for _ in range(3))
    following = np.full(size, 0.75)
    for _ in range(4):
        p = hints.rate(following, slope, centre, floor)
        h = np.c_[h, following]
        k, n = np.c_[k, rng.binomial(8, p)], np.c_[n, np.full(size, 8)]
        following = hints.next_hint(h, k.astype(int), n.astype(int))
    got = hints.rate(following, slope, centre, floor)
    assert np.abs(got - 0.5).mean() < 0.15  # 32 attempts: a rate itself is known to .09
    assert abs(got.mean() - 0.5) < 0.05
    plain = hints.rate(np.full(size, 0.5), slope, centre, floor)
    assert np.abs(got - 0.5).mean() < 0.6 * np.abs(plain - 0.5).mean()


@given(
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 8)), min_size=1, max_size=4),
    st.floats(0.1, 0.9),
)
def test_more_is_asked_of_those_who_fail_more(rounds, target):
    found = [ask([(h, max(k - less, 0), 8) for h, k in rounds], target) for less in (0, 2, 8)]
    assert all(0 <= f <= 1 for f in found)
    assert found[0] <= found[2]
    mean, spread = hints.posterior(np.array([[0.3]]), np.array([[2]]), np.array([[8]]))
    assert (np.diff(mean) >= -1e-12).all()
    assert (spread > 0).all()


@pytest.mark.parametrize("target", [0.0, 1.0, -1, np.nan])
def test_targets_lie_inside(target):
    with pytest.raises(ArgumentError, match="`target` must lie in"):
        ask([(0.0, 1, 2)], target)
