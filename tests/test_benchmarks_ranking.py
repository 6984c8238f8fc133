"""The benchmark of rankings runs, small, and says what it found."""

import importlib.util
import json
from pathlib import Path

FILE = Path(__file__).parent.parent / "benchmarks" / "ranking.py"


def test_a_small_run_gives_rows_for_every_method(tmp_path, capsys):
    spec = importlib.util.spec_from_file_location("benchmark_ranking", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    out = tmp_path / "out.json"
    sizes = ["--models", "12", "--items", "150", "--seeds", "1", "--speed", "20x30"]
    module.main([*sizes, "--json", str(out)])
    found = json.loads(out.read_text())
    assert len(found["rows"]) == 4
    for row in found["rows"].values():
        assert set(row) == set(module.QUICK) == set(found["cpu_s"])
    assert "90% missing" in capsys.readouterr().out
