import numpy as np
import pytest

from gradatim.choice.exploration import balance, choose_setting, different
from gradatim.errors import ArgumentError


def test_balance_by_hand():
    right, kept = np.array([0, 0, 4, 8, 12, 4]), np.array([0, 5, 4, 8, 12, 8])
    # 4 of 4: 4/8 x 1; 12 of 12: capped at 1; 4 of 8: 1/2 x 1/2
    assert balance(right, kept).tolist() == [0, 0, 0.5, 1, 1, 0.25]
    assert balance(np.array([2]), np.array([2]), wanted=2).tolist() == [1]
    with pytest.raises(ArgumentError, match="`kept - right`"):
        balance(np.array([3]), np.array([2]))


def test_a_threshold_that_drops_wrong_ones_wins():
    # one query, one setting: right ones are rewarded .5, wrong ones .1
    reward = np.array([0.5] * 4 + [0.1] * 4)
    right = reward > 0.3
    found = choose_setting(np.ones(8), np.zeros(8, int), reward, right, size=8)
    # kept 4 of 4 right: 4/8; with all eight kept only 1/2 x 1/2
    assert found.score == 0.5
    assert found.threshold == 0.1
    assert found.kept.tolist() == right.tolist()
    assert found.scores[0, 0] == 0.25


def test_the_cap_is_the_least_that_fills_the_set():
    query = np.repeat([0, 1, 2], [6, 2, 1])
    reward = np.linspace(0.9, 0.1, 9)
    given = {"thresholds": np.array([-1.0]), "wanted": 2}
    right = np.ones(9, bool)
    for size, cap, kept in ((3, 1, 3), (4, 2, 5), (7, 4, 7), (9, 6, 9), (99, 64, 9)):
        found = choose_setting(np.zeros(9), query, reward, right, size=size, **given)
        assert (found.cap, found.kept.sum()) == (cap, kept)
    two = choose_setting(np.zeros(9), query, reward, right, size=5, **given)
    assert np.flatnonzero(two.kept).tolist() == [0, 1, 6, 7, 8]  # the best rewarded of each


def test_order_of_responses_does_not_matter():
    rng = np.random.default_rng(0)
    setting, query = rng.integers(0, 2, 300) * 0.5, rng.integers(0, 20, 300)
    reward, right = rng.random(300), rng.random(300) < 0.5
    order = rng.permutation(300)
    one = choose_setting(setting, query, reward, right, size=100)
    other = choose_setting(setting[order], query[order], reward[order], right[order], size=100)
    assert (one.setting, one.threshold, one.cap) == (other.setting, other.threshold, other.cap)
    assert one.kept[order].tolist() == other.kept.tolist()
    assert one.scores.min() >= 0
    assert one.scores.max() <= 1


def test_bad_responses_are_named():
    one = np.ones(2)
    with pytest.raises(ArgumentError, match="axis 'response' is 2"):
        choose_setting(one, one, np.ones(3), one > 0, size=2)
    with pytest.raises(ArgumentError, match="`reward` must be finite"):
        choose_setting(one, one, np.array([np.nan, 1]), one > 0, size=2)
    with pytest.raises(ArgumentError, match="at least one response"):
        choose_setting(np.ones(0), np.ones(0), np.ones(0), np.ones(0, bool), size=2)


def test_s059_the_chosen_setting_selects_more_different_right_responses():
    # the policy gets narrower with each iteration: what is hot enough at first repeats itself
    # later, and what is right later is wrong at first
    rng = np.random.default_rng(0)
    temperatures = np.array([0.3, 0.6, 0.9, 1.2])
    fixed = {t: [] for t in temperatures}
    chosen = []
    for iteration in range(6):
        accuracy = np.clip(0.75 + 0.1 * iteration - temperatures, 0.02, 0.95)
        variety = 1 + 12 * temperatures / (1 + 0.4 * iteration)  # different texts of a query
        setting = np.repeat(temperatures, 40 * 16)
        query = np.tile(np.repeat(np.arange(40), 16), 4)
        place = np.searchsorted(temperatures, setting)
        right = rng.random(len(setting)) < accuracy[place]
        text = (rng.random(len(setting)) * variety[place]).astype(int) + 100 * right
        reward = np.where(right, 0.4, -0.2) + rng.normal(0, 0.3, len(setting))
        once = different(query * 10 + place, text, reward)
        s, q, w, ok = setting[once], query[once], np.clip(reward[once], -1, 1), right[once]
        best = choose_setting(s, q, w, ok, size=400)
        chosen.append(np.count_nonzero(best.kept & ok) / 40)
        for t in temperatures:
            one = choose_setting(
                s[s == t], q[s == t], w[s == t], ok[s == t], size=400, thresholds=np.array([0.0])
            )
            fixed[t].append(np.count_nonzero(one.kept & ok[s == t]) / 40)
    # the fixed one is what was best at first; most others are far behind
    first = max(fixed, key=lambda t: fixed[t][0])
    assert np.mean(chosen) > np.mean(fixed[first])
    assert np.mean(chosen) > 1.3 * np.mean(list(fixed.values()))
