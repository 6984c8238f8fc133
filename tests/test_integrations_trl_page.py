"""The how-to page on TRL, its blocks run as they stand."""

import importlib.util

import pytest
import readme_check


@pytest.mark.slow
def test_the_page_works(monkeypatch):
    if importlib.util.find_spec("trl") is None:
        pytest.fail('this test needs TRL: pip install "gradatim[trl]"')
    monkeypatch.setenv("PYTHONPATH", str(readme_check.ROOT / "benchmarks"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert readme_check.check(readme_check.ROOT / "docs" / "how-to" / "trl.md") == 2
