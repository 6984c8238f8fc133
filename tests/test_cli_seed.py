"""A seed that is no seed is refused on one line by every verb that draws with it."""

import numpy as np
import pytest

from gradatim.cli import app
from gradatim.scale import irt
from gradatim.store import banks
from gradatim.types import Matrix


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A matrix and a bank of it."""
    path = tmp_path_factory.mktemp("seed")
    solved = (np.random.default_rng(0).random((6, 40)) < 0.5) * 1.0
    names = (tuple(f"{kind}{i}" for i in range(n)) for kind, n in zip("si", (6, 40), strict=True))
    solvers, items = names
    np.savez(path / "m.npz", solved=solved, solvers=solvers, items=items)
    bank = irt.fit(Matrix(solved=solved, tried=1, solvers=solvers, items=items))
    banks.write(path, bank).rename(path / "bank.parquet")
    return path


@pytest.mark.parametrize(
    "line",
    [
        "audit m.npz",
        "compare m.npz --rank rate",
        "compare m.npz --plan 20",
        "evaluate sim:2pl --bank bank.parquet",
        "evaluate --replay m.npz",
        "choose --dry-run --pass-rate .2",
    ],
)
def test_a_negative_seed_is_refused_on_one_line(folder, line, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    assert app.run([*line.split(), "--seed", "-1"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert said[-1].startswith("gradatim: `seed` must lie in [0, ")
    assert "got -1" in said[-1]
