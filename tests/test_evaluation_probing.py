"""Queries next to failures find more of them than random ones; edges and mistakes."""

import numpy as np
import pytest

from gradatim.errors import ArgumentError
from gradatim.evaluation.probing import next_probes, yields


def world(seed, items=4000, features=6, weak=5):
    """Items in 60 clusters; the model fails 80% of 5 clusters and 4% of the others."""
    rng = np.random.default_rng(seed)
    centre = rng.normal(size=(60, features))
    cluster = rng.integers(60, size=items)
    vectors = centre[cluster] + 0.15 * rng.normal(size=(items, features))
    chance = np.where(cluster < weak, 0.8, 0.04)
    return vectors, rng.random(items) < chance, cluster


def probe(vectors, fails, budget, size=20, **more):
    rng = np.random.default_rng(9)
    asked = np.zeros(0, dtype=int)
    while len(asked) < budget:
        n = min(size, budget - len(asked))
        found = next_probes(vectors, asked, fails[asked], n, rng=rng, **more)
        asked = np.concatenate([asked, found.item])
    return asked


def test_s024_three_times_the_errors_of_random_probing():
    gain = []
    for seed in range(6):
        vectors, fails, _ = world(seed)
        asked = probe(vectors, fails, 300)
        assert len(np.unique(asked)) == 300
        gain.append(fails[asked].mean() / fails.mean())
    assert np.mean(gain) >= 3
    assert min(gain) >= 2.5


def test_s024_sources_of_low_yield_are_pruned():
    vectors, fails, cluster = world(1)
    asked = probe(vectors, fails, 300, source=cluster, least=0.3)
    plain = probe(vectors, fails, 300)
    assert fails[asked].sum() >= fails[plain].sum()
    found = next_probes(vectors, asked, fails[asked], 1, source=cluster, least=0.3)
    assert found.pruned[5:].mean() > found.pruned[:5].mean()
    assert np.isnan(found.believed[asked]).all()


def test_without_structure_nothing_is_gained_and_nothing_lost():
    rng = np.random.default_rng(3)
    vectors, fails = rng.normal(size=(2000, 5)), rng.random(2000) < 0.15
    asked = probe(vectors, fails, 400)
    assert fails[asked].mean() == pytest.approx(0.15, abs=0.05)


def test_edges():
    vectors = np.zeros((3, 2))
    first = next_probes(vectors, [], [], 5)
    assert sorted(first.item.tolist()) == [0, 1, 2]  # no more than there are
    assert first.believed.tolist() == [0.5] * 3
    assert len(next_probes(vectors, [0, 1, 2], [True] * 3, 2).item) == 0
    assert yields(np.ones(5)).high == 1
    with pytest.raises(ArgumentError, match="at least one outcome"):
        yields(np.zeros(0))


@pytest.mark.parametrize(
    ("asked", "failed", "said"),
    [
        ([0, 0], [True, True], "each item once"),
        ([9], [True], r"`asked` must lie in \[0, 2\]"),
        ([0], [True, False], "axis 'asked'"),
    ],
)
def test_mistakes(asked, failed, said):
    with pytest.raises(ArgumentError, match=said):
        next_probes(np.zeros((3, 1)), np.array(asked), np.array(failed), 1)
