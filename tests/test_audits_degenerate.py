"""Sections of the audit on results that say little: nobody differs, or all are right or wrong."""

import numpy as np
import pytest

from gradatim.audits.scores import audit_file
from gradatim.evaluation.consistency import consistency
from gradatim.evaluation.holdout import ask, begin


def sections(tmp_path, solved, **options):
    path = tmp_path / "m.npz"
    np.savez(path, solved=np.asarray(solved, int), tried=np.ones(solved.shape, int))
    return {row["section"]: row for row in audit_file(path, **options)["sections"]}


def test_halves_that_do_not_agree_have_no_reliability_and_no_astronomical_one(tmp_path):
    below = 0
    for seed in range(20):
        score = (np.random.default_rng(seed).random((3, 40)) < 0.5).astype(float)
        found = consistency(score)
        assert -1 <= found.halves.low <= found.halves.value <= found.halves.high <= 1
        assert 0 <= found.split_half.low <= found.split_half.high <= 1
        assert np.isnan(found.split_half.value) == (found.halves.value <= 0)
        row = sections(tmp_path, score, only=["reliability"])["reliability"]
        undefined = np.isnan(found.split_half.value) or found.alpha.value <= 0
        assert row["notes"][0].startswith("no reliability measurable") == undefined
        assert "nan" not in row["notes"][0]
        below += undefined
    assert below >= 5  # one had split halves of -6,274,678,132,516,195


@pytest.mark.parametrize("solved", [np.ones((20, 200)), np.zeros((20, 200))])
def test_where_all_are_right_or_wrong_nobody_differs(tmp_path, solved):
    found = sections(tmp_path, solved)
    notes = found["reliability"]["notes"] + found["leaks"]["notes"]
    assert not any("solvers differ on" in note for note in notes)
    assert "do not differ" in found["reliability"]["notes"][0]


def test_one_item_that_all_solve_is_told_in_the_singular(tmp_path):
    solved = (np.random.default_rng(0).random((6, 30)) < 0.5).astype(int)
    solved[:, 3] = 1
    notes = sections(tmp_path, solved, only=["rows"])["rows"]["notes"]
    assert any(note.startswith("1 item ('item-4') solved by all who tried") for note in notes)


def test_a_guarded_holdout_answers_with_a_mean():
    for seed in range(50):
        rng = np.random.default_rng(seed)
        guard = begin(threshold=0.04, noise=0.05, budget=1, rng=rng)
        _, answer = ask(guard, 0.0, 1.0, rng=rng)
        assert 0 <= answer.value <= 1
