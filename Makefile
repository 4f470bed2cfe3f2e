# Bare `make` lists the targets. Everything runs in .venv, which the first target
# that needs it sets up; a second run finds it ready.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help demo test check soak bench live build clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "comfyclient needs Python 3.11 or newer; set PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $(READY)

demo: $(READY) ## turn the sample trips into postcards on the embedded engine
	$(BIN)/comfyclient demo --out out/

# Tests are compiled with every assertion written out, which takes longer than most of
# them: what was compiled is kept, whatever the shell says.
export PYTHONDONTWRITEBYTECODE :=

test: $(READY) ## run the tests
	$(BIN)/python -m pytest -q -n 4 --dist worksteal

check: $(READY) ## ruff and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Each crash and race begins new rounds for so many seconds, with seeds from this one on.
export SOAK_SECONDS ?= 60
export SOAK_SEED ?= 1000
MACHINES = $(shell grep -rl --include='*.py' RuleBasedStateMachine tests)
PROPERTIES = $(shell grep -rl --include='*.py' '^@given' tests)

soak: $(READY) ## the long tests: crashes, races, every fault, state machines
	$(BIN)/python -m pytest -q -n auto --maxprocesses 4 -m soak
	$(BIN)/python -m pytest -q -n auto --maxprocesses 4 --timeout 0 \
		-p tests.profiles --hypothesis-profile soak $(MACHINES)
	$(BIN)/python -m pytest -q -n auto --maxprocesses 4 --timeout 0 \
		-p tests.profiles --hypothesis-profile long $(PROPERTIES)

bench: $(READY) ## measure: one table of ratios; make bench WITH="--peers --in-flight 1000 10000"
	$(BIN)/python -m benchmarks $(WITH)

live: $(READY) ## the contract tests against a real server: make live URL=http://…
	$(BIN)/python -m pytest -q tests/contract --comfyui-url $(URL)

build: $(READY) ## build the wheel and the source distribution
	$(BIN)/python -m pip install --quiet --disable-pip-version-check build
	$(BIN)/python -m build

clean: ## remove the environment, caches and outputs
	rm -rf $(VENV) build dist out .pytest_cache .mypy_cache .ruff_cache .hypothesis
