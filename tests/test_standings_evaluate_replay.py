import json
from typing import Any

import numpy as np
import pytest

from gradatim.cli import app
from gradatim.errors import ArgumentError
from gradatim.scale.curves import flat, probability
from gradatim.standings.evaluate_replay import evaluate_replay
from gradatim.types import Matrix


def matrix(seed=0, models=60, items=120, samples=1, missing=0.0):
    rng = np.random.default_rng(seed)
    bank = flat(difficulty=rng.normal(size=items), discrimination=rng.uniform(0.7, 2, items))
    chance = probability(rng.normal(size=models), bank)
    tried = samples * (rng.random(chance.shape) >= missing)
    return Matrix(
        solved=rng.binomial(tried, chance),
        tried=tried,
        solvers=tuple(f"m{i}" for i in range(models)),
        items=bank.items,
    )


@pytest.fixture(scope="module")
def found():
    return evaluate_replay(matrix(models=80), items=20, compare_random=40, repeats=20)


def test_adaptive_tests_beat_random_ones(found):
    adaptive, random, model = (
        found[f"{name}_error"] for name in ("adaptive", "random", "random_model")
    )
    assert adaptive.value < model.value
    assert adaptive.value < random.value * 1.1  # with half the items
    assert adaptive.low < adaptive.value < adaptive.high
    assert adaptive.n == 80
    assert found["adaptive_spearman"].value > found["random_model_spearman"].value > 0.8
    assert found["folds"] == 10
    assert 0 < found["overlap"] <= found["exposure"] <= 1
    assert 0.9 < found["coverage"].value <= 1
    assert found["width"].value < found["plain_width"].value
    assert found["enough_model"] is None or found["enough_model"] > found["enough"]
    curve = found["curve"]
    assert [len(curve[name]) for name in curve] == [20] * 5
    assert curve["adaptive_error"][-1] == pytest.approx(adaptive.value)
    if found["enough"]:
        assert (curve["adaptive_error"][found["enough"] - 1 :] <= random.value).all()


def test_the_same_seed_gives_the_same_figures():
    small = matrix(models=12, items=30)
    options = {"items": 5, "compare_random": 9, "holdout": 0.3, "repeats": 2}
    first, second, other = (
        json.dumps(evaluate_replay(small, seed=seed, **options), default=str) for seed in (1, 1, 2)
    )
    assert first == second != other


@pytest.mark.parametrize("kind", ["binomial", "graded", "missing"])
def test_other_kinds_of_results(kind):
    samples = {"binomial": 5, "graded": 8, "missing": 1}[kind]
    missing = 0.4 if kind == "missing" else 0.0
    data = matrix(seed=1, models=30, items=40, samples=samples, missing=missing)
    if kind == "graded":
        noise = np.random.default_rng(1).normal(0, 0.05, data.solved.shape)
        score = np.clip(data.solved / samples + noise, 0, 1)
        data = Matrix(solved=score, tried=1, solvers=data.solvers, items=data.items)
    found = evaluate_replay(data, items=10, compare_random=10, holdout=0.25, repeats=3)
    assert found["adaptive_error"].value < found["random_error"].value


def test_hard_inputs():
    base = matrix(models=9, items=25)
    solved, tried = base.solved.copy(), np.ones((9, 25), int)
    solved[0], solved[1] = 1, 0  # all right, all wrong
    tried[2], solved[2] = 0, 0  # never tried
    tried[:, 3], solved[:, 3] = 0, 0  # an item without results
    tried[3, 5:], solved[3, 5:] = 0, 0  # a model with few
    data = Matrix(solved=solved, tried=tried, solvers=base.solvers, items=base.items)
    found = evaluate_replay(data, items=200, compare_random=300, repeats=2)
    assert found["models"] == 8
    assert found["left_out"] == 1
    assert found["folds"] == 8
    assert found["adaptive_error"].value == pytest.approx(0, abs=1e-12)  # everything was asked
    assert found["random_error"].value == pytest.approx(0, abs=1e-12)
    one = Matrix(solved=np.array([[1], [0], [1]]), tried=1, solvers=("a", "b", "c"), items=("x",))
    assert evaluate_replay(one, items=1, compare_random=1)["adaptive_error"].value == 0
    two = evaluate_replay(matrix(models=2, items=9), items=3, compare_random=4)
    assert np.isnan(two["adaptive_spearman"].value)
    assert two["adaptive_error"].n == 2


def test_an_item_is_closed_once_enough_models_had_it():
    data = matrix(models=30, items=60)
    options = {"items": 8, "compare_random": 9, "holdout": 0.2, "repeats": 2}
    free, capped = (evaluate_replay(data, max_exposure=m, **options) for m in (1.0, 0.3))
    assert "exposure_loss" not in free
    assert free["exposure"] > 0.4
    assert capped["exposure"] <= 0.3
    assert capped["overlap"] < free["overlap"]
    assert capped["uncapped_error"].value == pytest.approx(free["adaptive_error"].value)
    loss = capped["adaptive_error"].value - free["adaptive_error"].value
    assert capped["exposure_loss"].value == pytest.approx(loss)


def test_intervals_are_pooled_over_halves_of_the_items():
    ticks = []
    data = matrix(models=20, items=40, samples=3, missing=0.2)
    found = evaluate_replay(
        data, items=6, compare_random=9, holdout=0.25, repeats=1, halves=3, progress=ticks.append
    )
    assert found["coverage"].n == 20  # models, not tests: what is shared is not counted twice
    assert 0.7 < found["coverage"].value <= 1
    # 20 models on all items, and on three halves, whose pace is another: an ETA of their own
    ends = {tick.stage: (tick.done, tick.total) for tick in ticks}
    assert ends == {"replay": (20, 20), "replay: halves": (60, 60)}
    starts = [tick.done for tick in ticks if tick.stage == "replay: halves"]
    assert (starts[0], starts[-1]) == (0, 60)
    plain = evaluate_replay(data, items=6, compare_random=9, holdout=0.25, repeats=1)
    assert plain["adaptive_error"] == found["adaptive_error"]


def test_of_many_models_some_are_held_out(monkeypatch):
    from gradatim.standings import evaluate_folds as module

    monkeypatch.setattr(module, "ENOUGH", 9)
    found = evaluate_replay(matrix(models=20, items=20), items=3, compare_random=5, holdout=0.2)
    assert (found["models"], found["recorded"], found["folds"]) == (12, 20, 5)
    assert found["adaptive_error"].n == 12


def test_bad_arguments():
    good = matrix(models=4, items=6)
    with pytest.raises(ArgumentError, match="at least two models with results, got 1"):
        evaluate_replay(matrix(models=1, items=6))

    def refused(**options: Any):
        with pytest.raises(ArgumentError, match=f"`{next(iter(options))}` must"):
            evaluate_replay(good, **options)

    for holdout in (0.0, 0.9, np.nan):
        refused(holdout=holdout)
    for count in (0, 2.5):
        refused(items=count)
        refused(compare_random=count)
    refused(seed=-1)
    with pytest.raises(ArgumentError, match="`criterion` must be one of"):
        evaluate_replay(good, criterion="luck")
    with pytest.raises(ArgumentError, match=r"ending in \.npz"):
        evaluate_replay("matrix.csv")


def test_the_verb(tmp_path, capsys):
    data = matrix(models=20, items=40)
    path = tmp_path / "matrix.npz"
    np.savez(path, solved=data.solved, tried=data.tried, solvers=data.solvers, items=data.items)
    line = ["evaluate", "--replay", str(path), "--items", "10", "--compare-random", "20"]
    assert app.run([*line, "--holdout", "0.2", "--json"]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert out.count("\n") == 1
    assert "replay: 20/20" in err
    assert found["folds"] == 5
    assert found["adaptive_error"]["n"] == 20
    assert {"random_error", "random_model_error", "random_model_spearman"} <= set(found)
    assert app.run([*line, "-q"]) == 0
    out, err = capsys.readouterr()
    assert "10 adaptive items" in out
    assert not err


def test_mistakes_are_one_line(tmp_path, capsys):
    bad = tmp_path / "bad.npz"
    np.savez(bad, solved=np.array([[2, 0]]), tried=np.ones((1, 2), int))
    for line, words in (
        (["--replay", str(tmp_path / "none.npz")], "none.npz"),
        (["--replay", str(bad)], "bad.npz"),
        (["sim:2pl", "--replay", str(bad)], "SOLVER has no place beside --replay"),
        (["--bank", "b", "--replay", str(bad)], "--bank has no place beside --replay"),
        ([], "SOLVER is missing"),
        (["sim:2pl"], "--bank is missing"),
    ):
        assert app.run(["evaluate", *line, "--json"]) == 2
        out, err = capsys.readouterr()
        assert not out
        assert err.count("\n") == 1
        assert words in err


def test_no_interval_is_surer_than_its_models_or_outside_0_to_1():
    """30 of 30 is no certainty, a width is at most 1, four models in order say little of others."""
    data = matrix(models=30, items=40)
    every = evaluate_replay(data, items=39, compare_random=20, holdout=0.25, repeats=1)
    for name in ("coverage", "plain_coverage"):
        share = every[name]
        assert share.low < share.value <= share.high <= 1
        assert share.high - share.low > 0.05
    rng = np.random.default_rng(1)
    flat_ = Matrix(
        solved=rng.integers(0, 2, (5, 30)),
        tried=1,
        solvers=tuple("abcde"),
        items=tuple(f"i{i}" for i in range(30)),
    )
    few = evaluate_replay(flat_, items=2, compare_random=3, holdout=0.5, repeats=2)
    for name in ("width", "plain_width", "adaptive_error", "random_error", "coverage"):
        estimate = few[name]
        assert 0 <= estimate.value <= 1
        assert not estimate.low < 0
        assert not estimate.high > 1
    one = evaluate_replay(flat_, items=1, compare_random=3, holdout=0.5, repeats=2)
    assert np.isnan(one["plain_coverage"].value)  # the mean of one item has no interval
    spread = np.repeat(np.eye(4)[:, :1] * 0, 20, axis=1)
    for i in range(4):
        spread[i, : 4 + 4 * i] = 1
    four = Matrix(solved=spread, tried=1, solvers=tuple("abcd"), items=flat_.items[:20])
    rank = evaluate_replay(four, items=10, compare_random=10, holdout=0.5)["adaptive_spearman"]
    assert np.isfinite(rank.value)
    assert np.isnan(rank.low)
    assert np.isnan(rank.high)
    known = evaluate_replay(four, items=20, compare_random=20, holdout=0.5)["random_spearman"]
    assert (known.low, known.value, known.high) == pytest.approx((1, 1, 1))


def test_what_is_said_of_one_item_and_of_few_models(tmp_path, capsys):
    data = matrix(models=2, items=9)
    path = tmp_path / "two.npz"
    np.savez(path, solved=data.solved, tried=data.tried, solvers=data.solvers)
    assert app.run(["evaluate", "--replay", str(path), "--items", "1", "-q"]) == 0
    text = capsys.readouterr().out
    assert "1 adaptive item " in text
    assert "nan" not in text
    assert "items are calibrated by one of them alone" in text
    more = matrix(models=6, items=20)
    np.savez(path, solved=more.solved, tried=more.tried, solvers=more.solvers)
    assert app.run(["evaluate", "--replay", str(path), "--items", "5", "-q"]) == 0
    assert "(too few models, or faults, for an interval)" in capsys.readouterr().out
