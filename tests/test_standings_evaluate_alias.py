"""Replays of few models, of one model under two names, of kinds of items, and where tests stop."""

import json

import numpy as np
import pytest
from test_standings_evaluate_replay import matrix

from gradatim.cli import app
from gradatim.errors import ArgumentError
from gradatim.evaluation.intervals import widening_of_others
from gradatim.standings.evaluate_folds import deal, kept, same_models
from gradatim.standings.evaluate_replay import evaluate_replay
from gradatim.types import Matrix

SMALL = {"items": 6, "compare_random": 9, "holdout": 0.25, "repeats": 2}


def doubled(data, *rows):
    """The same matrix, in which some models come again under another name."""
    again = [data.solvers[row] + " (new)" for row in rows]
    return Matrix(
        solved=np.vstack([data.solved, data.solved[list(rows)]]),
        tried=np.vstack([data.tried, data.tried[list(rows)]]),
        solvers=(*data.solvers, *again),
        items=data.items,
    )


@pytest.fixture(scope="module")
def twice():
    return doubled(matrix(models=20, items=80), 2, 3)


def test_one_model_under_two_names_is_held_out_together(twice):
    group = same_models(kept(twice))
    assert group[20:].tolist() == [2, 3]
    assert len(np.unique(group)) == 20
    for seed in range(5):
        fold = deal(22, 0.25, seed, group)
        assert fold[20:].tolist() == fold[2:4].tolist()
        assert sorted(set(fold.tolist())) == [0, 1, 2, 3]
        np.testing.assert_array_equal(fold[:20], deal(22, 0.25, seed)[:20])


def test_it_does_not_say_how_wide_its_own_interval_is():
    off = np.arange(14.0).reshape(7, 2)
    group = np.array([0, 1, 2, 3, 4, 5, 0])
    alone = widening_of_others(np.delete(off, 6, axis=0), np.ones((6, 2)))[0]
    found = widening_of_others(off, np.ones((7, 2)), group=group)
    np.testing.assert_allclose(found[[0, 6]], [alone, alone])
    free = widening_of_others(off, np.ones((7, 2)))
    np.testing.assert_allclose(found[1:6], free[1:6])


def test_it_counts_once_and_is_named(twice):
    found = evaluate_replay(twice, **SMALL)
    assert found["models"] == 22
    assert found["adaptive_error"].n == found["coverage"].n == 20
    assert found["curve"]["adaptive_error"][-1] == pytest.approx(found["adaptive_error"].value)
    assert found["notes"] == [
        "rows that are nearly the same are held out together and counted once: m2 = m2 (new); "
        "m3 = m3 (new)"
    ]


def test_where_all_models_are_one_they_are_dealt_singly():
    np.testing.assert_array_equal(deal(9, 0.25, 1, np.zeros(9, int)), deal(9, 0.25, 1))
    # two parts, and all of one group in the first: the others make the second
    assert len(set(deal(3, 0.5, 0, np.array([0, 0, 2])).tolist())) == 2


@pytest.mark.parametrize("models", [2, 3, 7])
def test_few_models_are_said_to_be_few(models):
    found = evaluate_replay(matrix(models=models, items=30), **SMALL)
    assert f"{models} models are few" in found["notes"][0]
    assert np.isnan(found["adaptive_spearman"].value) == (models < 4)
    assert np.isnan(found["coverage"].value) == (models < 3)
    assert not evaluate_replay(matrix(models=8, items=30), **SMALL)["notes"]


def test_a_test_that_may_ask_everything_says_so(capsys, tmp_path):
    score = matrix(models=10, items=12).solved.astype(float)
    score[0], score[1], score[2] = np.nan, 1, 0  # no results, all right, all wrong
    score[3, 5] = np.nan
    np.savez(tmp_path / "m.npz", score=score)
    line = ["evaluate", "--replay", str(tmp_path / "m.npz"), "--items", "50", "-q"]
    assert app.run(line) == 0
    text = capsys.readouterr().out
    assert "nan" not in text
    assert "note: a test may ask all 12 items (50 are asked for), and then" in text
    assert "note: random items are all 12 (100 are asked for), and their plain mean is" in text
    assert "1 model without results" in text
    for holdout in ("0", "1"):
        assert app.run([*line, "--holdout", holdout]) == 2
        assert "`holdout` must" in capsys.readouterr().err


def test_shares_of_kinds_are_kept_in_a_replay(tmp_path):
    data = matrix(models=16, items=40)
    kind = np.where(np.arange(40) < 10, "easy", "hard")
    np.savez(
        tmp_path / "m.npz",
        solved=data.solved,
        tried=data.tried,
        items=data.items,
        solvers=data.solvers,
        kind=kind,
    )
    table = tmp_path / "items.csv"
    table.write_text("item,area\n" + "".join(f"{n},{i % 2}\n" for i, n in enumerate(data.items)))
    options = {**SMALL, "items": 8, "halves": 2}
    found = evaluate_replay(tmp_path / "m.npz", balance="kind", **options)
    assert found["balance"] == "kind"
    assert found["exposure"] <= 1
    free = evaluate_replay(tmp_path / "m.npz", **options)
    assert found["adaptive_error"] != free["adaptive_error"]
    both = evaluate_replay(tmp_path / "m.npz", balance="kind,area", groups=table, **options)
    assert both["adaptive_error"] != found["adaptive_error"]
    with pytest.raises(ArgumentError, match=r"`balance`: nothing is known of items under 'colour'"):
        evaluate_replay(tmp_path / "m.npz", balance="colour", **options)


def test_where_tests_would_have_stopped():
    data = matrix(models=40, items=120)
    found = evaluate_replay(data, **{**SMALL, "items": 40}, cut=0.5, stop_change=0.01, stop_steps=3)
    cut, still = found["stops"]["cut"], found["stops"]["change"]
    assert cut["items"].value < 25
    assert cut["decided"].value > 0.6
    assert cut["wrong"].value <= 0.075
    assert cut["wrong"].high > 0.05  # none of 40 is not never
    assert 4 <= still["items"].value < 40
    assert still["error"].value < 0.1
    assert evaluate_replay(data, **SMALL)["stops"] == {}


def test_the_verb_says_stops_and_notes(tmp_path, capsys, twice):
    np.savez(tmp_path / "m.npz", solved=twice.solved, tried=twice.tried, solvers=twice.solvers)
    line = ["evaluate", "--replay", str(tmp_path / "m.npz"), "--items", "10", "--cut", "0.6", "-q"]
    line += ["--stop-change", "0.02", "--stop-steps", "2", "--compare-random", "40"]
    assert app.run(line) == 0
    text = capsys.readouterr().out
    assert "with --cut 0.6 a test takes" in text
    assert "with --stop-change 0.02 --stop-steps 2 a test takes" in text
    assert "note: rows that are nearly the same" in text
    assert app.run([*line, "--json", "--figure", str(tmp_path / "r.html")]) == 0
    assert "rows that are nearly the same" in (tmp_path / "r.html").read_text()
    found = json.loads(capsys.readouterr().out)
    assert found["stops"]["cut"]["at"] == 0.6
    assert len(found["notes"]) == 1
