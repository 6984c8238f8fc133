"""Acceptance of adaptive tests on recorded matrices, models held out by folds."""

import pytest

from gradatim.standings.evaluate_replay import evaluate_replay

FILES = ("zeroeval_gsm", "zeroeval_crux", "livecodebench_generation", "alpacaeval2")


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_few_adaptive_items_do_for_a_hundred_random_ones(data_dir, name):
    """Three seeds: of parts, and of the random tests."""
    needed = []
    for seed in range(3):
        found = evaluate_replay(data_dir / f"{name}.npz", items=100, seed=seed)
        assert found["enough"] is not None
        assert found["enough"] <= 35
        needed.append(found["enough_model"] or 101)
        assert found["width"].value < found["plain_width"].value
    print(f"{name}: {needed} items for the error of 100 random ones that the same model scores")
    assert max(needed) <= 60, needed


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_intervals_hold_the_full_score(data_dir, name):
    """50 questions on each of 20 random halves of the items; errors clustered by model."""
    found = evaluate_replay(data_dir / f"{name}.npz", items=50, halves=20, repeats=1)
    assert 0.91 <= found["coverage"].value <= 0.98, found["coverage"]
    assert found["width"].value <= found["plain_width"].value


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_what_a_cap_on_exposure_costs_is_stated(data_dir, name):
    found = evaluate_replay(data_dir / f"{name}.npz", items=50, max_exposure=0.4, repeats=1)
    assert found["exposure"] <= 0.4
    loss, free = found["exposure_loss"], found["uncapped_error"].value
    print(
        f"{name}: {free:.4f} without a cap, {loss.value:+.4f} [{loss.low:+.4f}, {loss.high:+.4f}]"
    )
    assert loss.low < loss.value < loss.high
    assert found["adaptive_error"].value < found["random_error"].value
