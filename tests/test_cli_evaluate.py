"""What `evaluate --replay` says where the recorded models leave nothing to measure."""

import json

import numpy as np
import pytest

from gradatim.cli.app import run


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
