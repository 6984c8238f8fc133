"""One TRL run on two processes is the run on one: same plans, advantages and weights."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gradatim.learning.advantages import grpo
from gradatim.store.run import Run

SCRIPT = Path(__file__).parent / "trl_processes.py"


def launched(folder, processes):
    """What every process wrote."""
    folder.mkdir()
    line = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    line += [f"--nproc_per_node={processes}", str(SCRIPT), str(folder)]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(line, env=env, capture_output=True, text=True, timeout=1500)
    assert done.returncode == 0, done.stderr[-4000:]
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(processes)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    try:
        import trl  # noqa: F401
    except ImportError:
        pytest.fail('this test needs TRL: pip install "gradatim[trl]"')
    folder = tmp_path_factory.mktemp("runs")
    return {n: launched(folder / str(n), n) for n in (1, 2)}, folder


@pytest.mark.slow
def test_both_processes_do_what_one_plan_says(runs):
    first, second = runs[0][2]
    (alone,) = runs[0][1]
    assert len(alone["generations"]) == 2
    sizes = set()
    for one, a, b in zip(*(r["generations"] for r in (alone, first, second)), strict=True):
        shared = ("problem", "n", "group", "rewards", "rows", "tokens")
        assert [a[k] for k in shared] == [b[k] for k in shared] == [one[k] for k in shared]
        assert a["asked"] + b["asked"] == one["asked"]  # each its slice
        sizes |= set(a["n"])
        advantage, _ = grpo(np.array(a["rewards"]), np.repeat(a["group"], a["n"]))
        np.testing.assert_allclose(a["advantages"] + b["advantages"], advantage, atol=1e-6)
    assert len(sizes) > 1  # ragged groups
    assert (alone["spent"], first["spent"], second["spent"]) == (64, 64, 0)  # the main one keeps


@pytest.mark.slow
def test_two_processes_learn_what_one_does(runs):
    first, second = runs[0][2]
    (alone,) = runs[0][1]
    assert first["weights"] == second["weights"]
    np.testing.assert_allclose(first["weights"], alone["weights"], rtol=1e-5)
    np.testing.assert_allclose(first["loss"], alone["loss"], atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_every_process_resumes_inside_a_generation(runs, processes):
    for found in runs[0][processes]:
        assert found["resumed"] == found["straight"] != found["weights"]


@pytest.mark.slow
def test_a_failure_of_the_main_process_stops_both(runs):
    first, second = runs[0][2]
    assert first["failed"] == "ZeroDivisionError: division by zero"
    assert second["failed"].startswith("GradatimError: the main process stopped: ZeroDivisionError")


@pytest.mark.slow
def test_the_main_process_logs_for_all(runs):
    found, folder = runs
    for processes in found:
        with Run(folder / str(processes) / "run", create=False).ledger() as ledger:
            rewards = [row.reward for row in ledger.attempts(text=False)]
        expected = [r for g in found[processes][0]["generations"] for r in g["rewards"]]
        assert rewards == expected
