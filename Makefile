# make demo   train CartPole and draw its learning curve
# make test   the quick tests (under 8 minutes on 2 cores)
# make check  lint, types and the quick tests
# make thorough  tests that compile much, for minutes; CI runs check and these
# make stress slow: runs that are killed and disks that are full
# make learn  slow: learning asserted against published measurements, writes a table
# make catalogue  writes the list of environments anew from the installed libraries
# make bench  speed, beside peers too: ratios measured side by side, in more than an hour

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
WORKERS ?= 2

CATALOGUE := src/arlbench/core/environments/catalogue.csv

.PHONY: demo test check lint thorough stress learn bench catalogue clean

demo: $(VENV)/.runtime
	$(BIN)/arlbench train CartPole-v1

test: $(VENV)/.dev
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: lint test

thorough: $(VENV)/.dev
	$(BIN)/python -m pytest -q -m thorough -n $(WORKERS)

stress: $(VENV)/.dev
	$(BIN)/python -m pytest -q -m stress -s

learn: $(VENV)/.dev
	$(BIN)/python -m pytest -q -m learning -s

bench: $(VENV)/.dev
	$(BIN)/python benchmarks/checkpoint_cost.py
	$(BIN)/python benchmarks/start_up.py
	$(BIN)/python benchmarks/autorl_env.py
	$(BIN)/python benchmarks/environment_speed.py
	$(BIN)/python benchmarks/peers/compare.py

catalogue: $(VENV)/.dev
	$(BIN)/python -c "from arlbench.core.environments import catalogue, registry; \
	    print(catalogue.write(registry.live_listings()), end='')" > $(CATALOGUE).new
	mv $(CATALOGUE).new $(CATALOGUE)

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/.runtime: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) -e .
	touch $@

$(VENV)/.dev: $(VENV)/.runtime
	$(PIP) -e '.[dev]'
	touch $@
