# Everything a newcomer or contributor runs. `make demo` and `make test` need Python 3.11 only.
PYTHON ?= python3.11
VENV ?= .venv
# Real response matrices for tests; tests that need them are skipped (fast) or fail (slow) without.
DATA ?= ../shared/data
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt
WITH_DATA := $(if $(wildcard $(DATA)),--data=$(DATA))

.PHONY: demo demo-llm test check slow bench docs clean

# torch first and pinned: a range would bring the newest build and gigabytes of CUDA
$(VENV)/.demo: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) torch==2.13.0
	$(PIP) -e ".[demo]"
	touch $@

$(VENV)/.dev: $(VENV)/.demo
	$(PIP) -e ".[demo,dev]"
	touch $@

demo: $(VENV)/.demo
	$(BIN)/gradatim demo $(ARGS)

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 -m "not slow" $(WITH_DATA) $(ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

clean:
	rm -rf $(VENV) build dist runs .pytest_cache .ruff_cache .hypothesis
