"""The benchmark of the bootstrap runs, and its three ways agree."""

import importlib.util
import json
from pathlib import Path

FILE = Path(__file__).parent.parent / "benchmarks" / "bootstrap.py"


def test_every_way_is_timed_and_they_agree(tmp_path):
    spec = importlib.util.spec_from_file_location("benchmark_bootstrap", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    out = tmp_path / "out.json"
    sizes = ["--models", "40", "--items", "60", "--draws", "400", "--repeats", "1"]
    module.main([*sizes, "--share", "0.2", "--json", str(out)])
    rows = json.loads(out.read_text())["rows"]
    assert [row["way"] for row in rows] == ["gradatim", "numpy", "scipy"]
    assert all(row["wall_s"] > 0 for row in rows)
