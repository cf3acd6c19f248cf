# make demo      train CartPole and draw its learning curve
# make test      the quick tests (under 8 minutes on 2 cores)
# make smoke     some of them, for another Python or JAX (under 10 minutes with installation)
# make test-gpu  the quick tests that make sense on a GPU (JAX with CUDA must be installed)
# make check     lint, types and the quick tests
# make coverage  the quick tests, and which lines they run
# make thorough  tests that compile for minutes; CI runs `make check` and these
# make stress    slow: runs that are killed, full disks, long compilations, and variants of other tests
# make learn     slow: learning compared with published measurements, writes a table
# make catalogue writes the lists of environments again from the installed libraries
# make bench     speed, compared with other packages, in more than an hour
#
# Each of them accepts PYTHON=python3.13, and then uses its own environment (.venv-3.13).
# Tests and benchmarks also accept JAX=0.12.0.1, to try a version of JAX that another package does
# not allow yet (gymnax 1.0.1 stops before 0.12); their environment is .venv-3.13-jax0.12.0.1.

ifeq ($(origin PYTHON),undefined)
INTERPRETER := $(shell tools/python.sh python3.11 python3.12 python3.13 python3)
else
INTERPRETER := $(shell tools/python.sh $(PYTHON))
endif
ifeq ($(INTERPRETER),)
$(error $(or $(PYTHON),Python 3.11) was not found; install it or name another: make test PYTHON=python3.12)
endif

VERSION := $(shell $(INTERPRETER) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
CONSTRAINTS := constraints/python$(VERSION).txt
ifeq ($(wildcard $(CONSTRAINTS)),)
$(error Python $(VERSION) is not supported; name one of 3.11 to 3.13: make test PYTHON=python3.12)
endif

VENV := .venv$(if $(filter undefined,$(origin PYTHON)),,-$(VERSION))$(if $(JAX),-jax$(JAX))
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
WORKERS ?= 2
PYTEST := $(BIN)/python -m pytest -q

.PHONY: demo test smoke test-gpu check lint coverage thorough stress learn bench catalogue hooks clean

demo: $(VENV)/.runtime
	$(BIN)/arlbench train CartPole-v1

test: $(VENV)/.dev
	$(PYTEST) -n $(WORKERS) --dist loadfile

smoke: $(VENV)/.dev
	$(PYTEST) -n $(WORKERS) --dist loadfile @tests/smoke.txt

# Exact tests need exact products; by default a GPU multiplies in TF32.
test-gpu: $(VENV)/.dev
	$(BIN)/python -c 'import jax; print(*jax.devices()); assert jax.default_backend() != "cpu", "JAX finds no GPU"'
	ARLBENCH_BREAK_EVEN=1 JAX_DEFAULT_MATMUL_PRECISION=highest $(PYTEST) @tests/accelerator.txt

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --python-version $(VERSION)

check: lint test

coverage: $(VENV)/.dev
	$(PYTEST) -n $(WORKERS) --dist loadfile --cov --cov-report=term:skip-covered

thorough: $(VENV)/.dev
	$(PYTEST) -m thorough -n $(WORKERS) --dist worksteal

stress: $(VENV)/.dev
	$(PYTEST) -m stress -s

learn: $(VENV)/.dev
	$(PYTEST) -m learning -s

bench: $(VENV)/.dev
	$(BIN)/python benchmarks/checkpoint_cost.py
	$(BIN)/python benchmarks/start_up.py
	$(BIN)/python benchmarks/autorl_env.py
	$(BIN)/python benchmarks/environment_speed.py
	$(BIN)/python benchmarks/buffer_cost.py
	$(BIN)/python benchmarks/frame_buffer_cost.py
	$(BIN)/python benchmarks/host_speed.py
	$(BIN)/python benchmarks/peers/compare.py

catalogue: $(VENV)/.dev
	$(BIN)/python tools/write_catalogue.py

hooks: $(VENV)/.dev
	$(BIN)/pre-commit install

clean:
	rm -rf .venv .venv-* .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage

$(VENV)/.runtime: pyproject.toml $(CONSTRAINTS)
	$(INTERPRETER) -m venv $(VENV)
	$(PIP) -c $(CONSTRAINTS) -e .
	touch $@

$(VENV)/.dev: $(VENV)/.runtime
	$(PIP) -c $(CONSTRAINTS) -e '.[dev]'
	$(if $(JAX),$(PIP) --no-deps jax==$(JAX) jaxlib==$(JAX))
	touch $@
