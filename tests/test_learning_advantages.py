import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradatim.errors import ArgumentError
from gradatim.learning.advantages import dr_grpo, grpo, opo, reinforce_pp, remax, rloo

ALL = [grpo, dr_grpo, rloo]
ragged = st.lists(
    st.tuples(st.integers(0, 6), st.sampled_from([0.0, 0.25, 1.0])), min_size=1, max_size=40
).map(lambda rows: (np.array([r for _, r in rows]), np.array([g for g, _ in rows])))


def by_loop(name, reward, group):
    """Each group by itself, in plain Python."""
    out = np.zeros(len(reward))
    for g in set(group.tolist()):
        at = np.flatnonzero(group == g)
        r = reward[at]
        if len(r) < 2 or len(set(r.tolist())) == 1:
            continue
        centred = r - r.mean()
        if name == "grpo":
            centred = centred / (r.std(ddof=1) + 1e-6)
        if name == "rloo":
            centred = np.array([r[i] - np.delete(r, i).mean() for i in range(len(r))])
        out[at] = centred
    return out


def test_by_hand():
    reward, group = np.array([1.0, 0, 0, 0]), np.zeros(4, int)
    # mean 1/4, s = sqrt((9/16 + 3/16) / 3) = 1/2
    np.testing.assert_allclose(grpo(reward, group, eps=0.0)[0], [1.5, -0.5, -0.5, -0.5])
    np.testing.assert_allclose(dr_grpo(reward, group)[0], [0.75, -0.25, -0.25, -0.25])
    # others' means: 0 for the first, 1/3 for the rest; and 4/3 of the line above
    np.testing.assert_allclose(rloo(reward, group)[0], [1, -1 / 3, -1 / 3, -1 / 3])


def test_mean_size_by_pass_rate():
    # E|A| of a group with k of n right, by the card: 2 sqrt(q (1-q)) sqrt((n-1)/n)
    for k, n in ((1, 8), (4, 8), (3, 5)):
        reward = (np.arange(n) < k).astype(float)
        size = np.abs(grpo(reward, np.zeros(n, int), eps=0.0)[0]).mean()
        q = k / n
        assert size == pytest.approx(2 * np.sqrt(q * (1 - q)) * np.sqrt((n - 1) / n))


@settings(max_examples=60, deadline=None)
@given(rows=ragged)
@pytest.mark.parametrize("function", ALL)
def test_equals_a_loop_over_groups(function, rows):
    reward, group = rows
    expected = by_loop(function.__name__, reward, group)
    got, keep = function(reward, group)
    np.testing.assert_allclose(got, expected, atol=1e-12)
    assert (keep == (expected != 0)).all() or (keep >= (expected != 0)).all()
    relabelled, _ = function(reward, -7 * group - 10**12)  # any labels do
    np.testing.assert_allclose(relabelled, expected, atol=1e-12)


@pytest.mark.parametrize("function", ALL)
def test_lone_and_equal_attempts_give_nothing(function):
    reward = np.array([7.0, 0.1, 0.1, 0.1, 1.0, 1.0])
    advantage, keep = function(reward, np.array([0, 1, 1, 1, 2, 2]))
    assert advantage.tolist() == [0] * 6
    assert not keep.any()


@pytest.mark.parametrize("function", ALL)
def test_offsets_and_near_ties(function):
    group = np.zeros(4, int)
    near = np.array([0.5, 0.5 + 2**-20, 0.5, 0.5 + 2**-20])
    plain, keep = function(near, group)
    assert keep.all()
    # 2^-20 is exact beside 1e6 too, so the offset must change nothing at all
    np.testing.assert_allclose(function(near + 1e6, group)[0], plain, rtol=1e-12)
    assert plain[1] > 0 > plain[0]
    third = np.full(3, 0.1 + 0.2)  # not a round number in binary
    assert function(third + 1e6, np.zeros(3, int))[0].tolist() == [0, 0, 0]


def test_verl_case_of_near_ties():
    # (100, 100.01, 100.02, 100.03): s = .01291, A = (-.015, -.005, .005, .015) / s
    reward = 100 + np.array([0, 0.01, 0.02, 0.03])
    got, _ = grpo(reward, np.zeros(4, int))
    np.testing.assert_allclose(got, [-1.1618, -0.3873, 0.3873, 1.1618], atol=1e-3)


@pytest.mark.parametrize("function", ALL)
def test_masked_attempts_take_no_part(function):
    reward = np.array([1.0, 0, np.nan, 1, 0, np.inf])
    group = np.array([0, 0, 0, 1, 1, 1])
    mask = np.array([1, 1, 0, 1, 1, 0], bool)
    got, keep = function(reward, group, mask=mask)
    inner, _ = function(reward[mask], group[mask])
    assert got[mask].tolist() == inner.tolist()
    assert got[~mask].tolist() == [0, 0]
    assert not keep[~mask].any()
    nothing, keep = function(reward, group, mask=np.zeros(6, bool))
    assert not nothing.any()
    assert not keep.any()


@pytest.mark.parametrize("function", ALL)
def test_bad_input_is_refused(function):
    with pytest.raises(ArgumentError, match=r"`reward` must be finite, got nan in group 3 \(1 of"):
        function(np.array([1.0, np.nan]), np.array([3, 3]))
    with pytest.raises(ArgumentError, match="axis 'attempt' is 2 in `reward` but 3 in `group`"):
        function(np.ones(2), np.ones(3))
    empty, keep = function(np.ones(0), np.ones(0, int))
    assert len(empty) == len(keep) == 0


def test_eps_of_frameworks():
    reward, group = np.array([1.0, 0.0]), np.zeros(2, int)
    # s = sqrt(1/2): .5 / (.70711 + 1e-4) with TRL's eps
    assert grpo(reward, group, eps=1e-4)[0][0] == pytest.approx(0.5 / (np.sqrt(0.5) + 1e-4))
    with pytest.raises(ArgumentError, match="`eps` must lie in"):
        grpo(reward, group, eps=-1.0)


def test_opo_by_hand_and_where_it_is_dr_grpo():
    reward, group = np.array([1.0, 0, 0]), np.zeros(3, int)
    # baseline (10 x 1) / (10 + 10 + 20) = 1/4
    np.testing.assert_allclose(opo(reward, group, np.array([10, 10, 20]))[0], [0.75, -0.25, -0.25])
    same, _ = opo(reward, group, np.full(3, 7))
    np.testing.assert_allclose(same, dr_grpo(reward, group)[0], atol=1e-15)
    empty, _ = opo(reward, group, np.zeros(3))  # no tokens at all: the plain mean
    np.testing.assert_allclose(empty, dr_grpo(reward, group)[0])
    with pytest.raises(ArgumentError, match="`length` must be at least 0, got -1"):
        opo(reward, group, np.full(3, -1))
    # a masked attempt may have no length
    mask = np.array([True, True, False])
    assert opo(reward, group, np.array([4, 4, -1]), mask=mask)[0].tolist() == [0.5, -0.5, 0]


def test_reinforce_pp_by_hand():
    # deviations 1/2, -1/2, 0, 0: their deviation over the batch is sqrt(1/8), so sqrt(2)
    reward, group = np.array([1.0, 0, 1, 1]), np.array([0, 0, 1, 1])
    got, keep = reinforce_pp(reward, group, eps=0.0)
    np.testing.assert_allclose(got, [2**0.5, -(2**0.5), 0, 0])
    assert keep.tolist() == [True, True, False, False]


def test_remax_by_hand():
    reward, group = np.array([1.0, 0, 0, 1, 0]), np.array([0, 0, 0, 1, 1])
    greedy = np.array([False, False, True, False, False])
    got, keep = remax(reward, group, greedy)
    assert got.tolist() == [1, 0, 0, 0, 0]  # the second group has no greedy attempt
    assert keep.tolist() == [True, False, False, False, False]
    # two greedy attempts are averaged, and still give no gradient themselves
    two = np.array([True, True, False])
    got, keep = remax(np.array([1.0, 0, 1]), np.zeros(3, int), two)
    assert got.tolist() == [0, 0, 0.5]
    assert keep.tolist() == [False, False, True]
    assert remax(np.zeros(0), np.zeros(0, int), np.zeros(0, bool))[0].tolist() == []


def test_columns_must_fit():
    with pytest.raises(ArgumentError, match="axis 'attempt' is 2 in `reward` but 3 in `length`"):
        opo(np.ones(2), np.zeros(2), np.ones(3))
    with pytest.raises(ArgumentError, match="`length` must be finite"):
        opo(np.ones(2), np.zeros(2), np.array([1, np.nan]))
