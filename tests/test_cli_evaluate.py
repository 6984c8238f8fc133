"""What `evaluate` says where little is left to measure: no order, one item, a whole bank asked."""

import json

import numpy as np
import pytest

from gradatim.cli.app import run
from gradatim.engine.calibrate import calibrate, save_bank
from gradatim.families.generation import generate
from gradatim.families.read import save
from gradatim.types import Matrix


@pytest.mark.parametrize("value", [0, 1])
def test_models_without_an_order_are_said_to_have_none(tmp_path, capsys, value):
    path = tmp_path / "same.npz"
    np.savez(path, solved=np.full((2, 12), value), tried=np.ones((2, 12), dtype=int))
    assert run(["evaluate", "--replay", str(path), "--items", "5", "-q"]) == 0
    said = capsys.readouterr().out
    assert "nan" not in said
    assert said.count("no order") == 3
    assert "too few models to know how wide a 95% interval has to be" in said
    assert run(["evaluate", "--replay", str(path), "--items", "5", "-q", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["adaptive_spearman"]["value"] is None


def test_a_whole_bank_asked_leaves_the_luck_of_its_attempts(tmp_path, capsys):
    problems = generate("lists", n=20, level=range(1, 11), seed=2)
    solved = np.random.default_rng(0).integers(0, 2, (10, 20))
    names = tuple(problem.id for problem in problems)
    bank = calibrate(Matrix(solved=solved, tried=1, solvers=tuple("abcdefghij"), items=names))
    save(tmp_path / "problems.jsonl", problems)
    line = ["evaluate", "sim:2pl", "--bank", str(save_bank(tmp_path / "b.parquet", bank)), "-q"]
    line += ["--problems", str(tmp_path / "problems.jsonl"), "--run", str(tmp_path / "run")]
    line += ["--batch", "20", "--stop-se", "0"]
    assert run([*line, "--max-items", "2"]) == 0
    assert "by these attempts alone" not in capsys.readouterr().out  # little beside the rest
    assert run([*line, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert run(line) == 0
    kept = f"{found['score_of_attempts']['value']:.3f}"
    assert f"by these attempts alone [{kept}, {kept}]" in capsys.readouterr().out
    assert found["score"]["high"] - found["score"]["low"] > 0.2
