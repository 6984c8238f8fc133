"""The benchmarks of the slots run: every entry gets what it needs, at sizes of a moment."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from gradatim.recipes import registry

FOLDER = Path(__file__).parent.parent / "benchmarks"


def run(monkeypatch, tmp_path, name, *sizes):
    """What a benchmark wrote with `--json`, and its exit code."""
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    out = tmp_path / "out.json"
    monkeypatch.setattr(sys, "argv", [f"{name}.py", *map(str, sizes), "--json", str(out)])
    code = 0
    try:
        module.main()
    except SystemExit as ended:
        code = ended.code
    return json.loads(out.read_text()), code


def test_every_advantage_is_timed(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "trl", None)  # heavy to import; its formula is written out
    found, code = run(monkeypatch, tmp_path, "advantages", "--rows", 400, "--repeats", 1)
    assert code == 0
    timed = {row["name"] for row in found["ragged"] + found["per_token"]}
    assert timed == {*registry.names("advantage"), "filter_groups"}
    assert {row["name"] for row in found["equal"]} <= {"grpo", "rloo"}


def test_every_sampler_is_timed_and_allocation_is_exact(monkeypatch, tmp_path):
    sizes = ("--rows", 400, "--rollouts", 6400, "--heap-rows", 200, "--repeats", 1)
    monkeypatch.setattr("resource.getrusage", lambda who: type("Use", (), {"ru_maxrss": 1})())
    found, code = run(monkeypatch, tmp_path, "choice", *sizes)
    assert code == 0, found
    assert found["heap_equal"] == 1
    assert found["programme_worth"] == pytest.approx(0, abs=1e-9)
    assert set(found["samplers"]) == set(registry.names("sampler"))
    assert np.isfinite(list(found["samplers"].values())).all()


def test_the_next_item_is_the_best_with_and_without_lists(monkeypatch, tmp_path):
    for peer in ("catsim", "catpie"):
        monkeypatch.setitem(sys.modules, peer, None)
        monkeypatch.setitem(sys.modules, f"{peer}.item_bank", None)
    found, _ = run(monkeypatch, tmp_path, "adaptive", "--items", 400, "--picks", 5)
    assert [row["side"] for row in found] == ["gradatim", "argmax", "live"]
    assert [row["worse_picks"] for row in found] == [0, 0, 0]
