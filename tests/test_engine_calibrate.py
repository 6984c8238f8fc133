import json

import numpy as np
import pytest

from gradatim.cli import app
from gradatim.engine.attempt import attempt
from gradatim.engine.calibrate import calibrate
from gradatim.errors import ArgumentError, FormatError
from gradatim.families.generation import generate
from gradatim.solvers.simulated import difficulty
from gradatim.store import banks
from gradatim.store.formats import write_responses
from gradatim.store.run import Run
from gradatim.types import Responses

ABILITIES = (-2.0, -1.0, 0.0, 1.0, 2.0)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Five simulated learners on 60 problems of ten levels."""
    run = Run(tmp_path_factory.mktemp("calibrate") / "run")
    problems = generate("lists", n=60, level=range(1, 11), seed=1)
    for ability in ABILITIES:
        attempt(problems, solver="sim:2pl", run=run, samples=8, ability=ability)
    return run


def matrix():
    solved = np.array([[1, 0, 1, 0], [1, 1, 1, 0], [0, 1, 1, 0]])
    solver, item = (x.ravel() for x in np.indices(solved.shape))
    return Responses(
        solver=solver,
        item=item,
        solved=solved.ravel().astype(float),
        tried=np.ones(12, int),
        solvers=("a", "b", "c"),
        items=("w", "x", "y", "z"),
    )


def test_a_run_is_calibrated_and_kept(run):
    bank = calibrate(run)
    problems = {p.id: p for p in run.problems()}
    truth = [difficulty(problems[item]) for item in bank.items]
    assert np.corrcoef(truth, bank.difficulty)[0, 1] > 0.9
    assert len(bank.solvers) == len(ABILITIES)
    assert bank.fit["converged"]
    np.testing.assert_array_equal(run.bank().difficulty, bank.difficulty)
    result = run.read_result("calibration")
    assert result["bank"] == banks.name_of(bank)
    assert result["spearman"]["lists"]["low"] > 0.7
    assert result["spearman"]["lists"]["n"] == 60
    assert result["attempts"] == 60 * 8 * len(ABILITIES)
    never = [i for i, solved in zip(bank.items, bank.solved, strict=True) if solved == 0]
    assert result["never_solved"] == sorted(never)


def test_repeated_it_reuses_and_a_new_attempt_is_a_new_bank(run):
    first = calibrate(run)
    ticks = []
    again = calibrate(run, progress=ticks.append)
    assert again.fit["reused"]
    assert "reused" in ticks[0].stage
    np.testing.assert_array_equal(first.se_difficulty, again.se_difficulty)
    assert not calibrate(run, model="1pl").fit["reused"]
    attempt(run.problems()[:1], solver="sim:2pl", run=run, samples=9, ability=0.0)
    newer = calibrate(run)
    assert not newer.fit["reused"]
    assert newer.scale != first.scale


def test_a_solver_can_be_left_out(run):
    names = calibrate(run).solvers
    bank = calibrate(run, leave_out=names[:1])
    assert bank.solvers == names[1:]
    with pytest.raises(ArgumentError, match="nobody is called 'sim:3pl'"):
        calibrate(run, leave_out=["sim:3pl"])


@pytest.mark.parametrize("ending", ["npz", "csv", "parquet", "jsonl"])
def test_matrix_files_of_every_ending_give_the_same_bank(ending, tmp_path):
    path = tmp_path / f"matrix.{ending}"
    write_responses(path, matrix())
    bank = calibrate(path)
    whole = calibrate(matrix())
    at = [bank.items.index(i) for i in whole.items]
    np.testing.assert_array_equal(bank.difficulty[at], whole.difficulty)
    assert whole.fit["never_solved"] == ["z"]
    assert whole.fit["always_solved"] == ["y"]


def test_responses_can_be_kept_in_a_run(tmp_path):
    bank = calibrate(matrix(), run=tmp_path / "run")
    assert not bank.fit["reused"]
    assert calibrate(matrix(), run=tmp_path / "run").fit["reused"]


def test_floors_of_families_are_known(tmp_path):
    run = Run(tmp_path / "run")
    problems = generate("sat", n=4, level=1, seed=0)
    for ability in (-1.0, 1.0):
        attempt(problems, solver="sim:2pl", run=run, samples=2, ability=ability)
    assert not calibrate(run).floor.any()
    assert (calibrate(run, floors=True).floor > 0).all()


def test_bad_sources_are_one_clear_line(tmp_path):
    with pytest.raises(FormatError, match="expected a run folder, a log"):
        calibrate(tmp_path / "nothing.npz")
    (tmp_path / "folder").mkdir()
    with pytest.raises(FormatError, match="run folder"):
        calibrate(tmp_path / "folder")
    with pytest.raises(FormatError, match="no ledger"):
        calibrate(Run(tmp_path / "empty"))
    with pytest.raises(ArgumentError, match="`calibrate` has no 'modell'"):
        calibrate(matrix(), modell="2pl")


def test_the_verb(run, tmp_path, capsys):
    out = tmp_path / "bank.parquet"
    assert app.run(["calibrate", str(run.path), "-q", "--json", "-o", str(out)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["items"] == 60
    assert found["spearman"]["lists"]["value"] > 0.8
    assert banks.read(out).scale == found["scale"]
    assert app.run(["calibrate", str(run.path), "-q"]) == 0
    text = capsys.readouterr().out
    assert "reused" in text
    assert "Spearman" in text
    assert app.run(["calibrate", str(run.path), "-q", "--model", "9pl"]) == 2
    assert "1pl, 2pl, 3pl, 4pl, rasch" in capsys.readouterr().err
    assert app.run(["calibrate", str(run.path), "-q", "-o", str(tmp_path / "bank.txt")]) == 2
    assert ".parquet" in capsys.readouterr().err
