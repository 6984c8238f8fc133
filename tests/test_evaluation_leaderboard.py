"""A leaderboard under watch: exact numbers give records away, noise hides them at a price."""

import numpy as np
import pytest

from gradatim.errors import ArgumentError
from gradatim.evaluation.leaderboard import given_away, running_counts, running_top

MOMENTS = 1024


def verdicts(rng, systems):
    return (rng.random((MOMENTS, systems)) < rng.uniform(0.4, 0.6, systems)).astype(float)


def test_s231_counts_give_everything_away_the_top_its_leader_and_noise_little():
    rng = np.random.default_rng(0)
    right = verdicts(rng, 8)
    exact, top = running_counts(right), running_top(right)
    assert [given_away(exact[:, s], right[:, s]) for s in range(8)] == [1.0] * 8
    leader = int(np.bincount(top.system).argmax())
    told = [given_away(top.value, right[:, s]) for s in range(8)]
    assert 0.3 < told[leader] < 1  # of the time that it leads
    assert told[leader] == max(told)
    assert np.median(told) < 0.1  # those that never lead stay hidden
    noisy = running_counts(right, epsilon=1.0, rng=rng)
    assert max(given_away(noisy[:, s], right[:, s]) for s in range(8)) < 0.1
    assert given_away(running_top(right, epsilon=1.0, rng=rng).value, right[:, leader]) < 0.1


def test_s231_the_maximum_of_many_sums_costs_more_noise_than_one_count():
    rng = np.random.default_rng(1)
    error = {}
    for systems in (1, 8, 64):
        right = verdicts(rng, systems)
        exact = running_counts(right)
        noisy = [running_counts(right, epsilon=1.0, rng=rng) for _ in range(5)]
        error[systems] = np.mean([np.abs(one - exact).mean() for one in noisy])
    assert error[8] / error[1] == pytest.approx(8, rel=0.3)
    assert error[64] / error[1] == pytest.approx(64, rel=0.3)
    assert error[1] < MOMENTS / 20  # and a count stays useful


def test_noise_is_that_of_at_most_one_block_of_each_size():
    rng = np.random.default_rng(2)
    none = np.zeros((15, 2000))
    spread = running_counts(none, epsilon=2000.0, rng=rng).std(axis=1)
    # Laplace of scale 4 * 2000 / 2000 has deviation 4 sqrt 2; moment t sums its bits
    bits = np.array([bin(t).count("1") for t in range(1, 16)])
    assert spread == pytest.approx(4 * np.sqrt(2 * bits), rel=0.1)
    block = running_counts(none, epsilon=2000.0, rng=rng)
    shared = np.corrcoef(block[7], block[8])[0, 1]  # moments 8 and 9 share the block of eight
    assert shared == pytest.approx(np.sqrt(0.5), abs=0.06)


def test_what_cannot_be_is_refused():
    with pytest.raises(ArgumentError, match="`epsilon`"):
        running_counts(np.ones((2, 2)), epsilon=0)
    with pytest.raises(ArgumentError, match="`right`"):
        running_counts(np.full((2, 2), 2.0))
    assert np.isnan(given_away(np.arange(3), np.ones(3)))
