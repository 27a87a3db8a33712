# podwork. `make` lists what there is.

VENV := .venv
BIN := $(VENV)/bin
PINS := $(wildcard ops/deploy/constraints-*.txt)
INSTALL := ops/deploy/install.sh
SIDE_BY_SIDE ?= 4
ROUNDS := 3

.DEFAULT_GOAL := help
.PHONY: help install demo test test-long mutants check bench bench-peers clean FORCE
.NOTPARALLEL:

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
	@echo "PYTHON=python3.12 chooses the interpreter of .venv (3.11 or newer)."
	@echo 'For example: make demo DEMO="--limit 5000 --keep"'

install: $(VENV)/.installed-dev ## Make .venv with everything for development.

demo: $(VENV)/.installed-demo ## Run the main job on real data: three pods, nothing to install (DEMO= for options).
	$(BIN)/podctl demo $(DEMO)

test: $(VENV)/.installed-dev ## Install the servers the tests need, and run all tests (PYTEST= for arguments).
	ops/deploy/install-servers.sh
	$(BIN)/python -m pytest -n $(SIDE_BY_SIDE) --dist loadfile --no-loadscope-reorder -m "not slow" $(PYTEST)

test-long: $(VENV)/.installed-dev ## Run the long fault and fuzz tests (minutes to an hour).
	ops/deploy/install-servers.sh
	PODWORK_FUZZ_EXAMPLES=2000 $(BIN)/python -m pytest -m slow tests
	PODWORK_FUZZ_EXAMPLES=2000 $(BIN)/python -m pytest tests/integration/test_engine_fuzz.py

mutants: $(VENV)/.installed-dev ## Take out each guard in turn and see a test fail (MUTANTS= for names).
	ops/deploy/install-servers.sh
	$(BIN)/python -m tests.mutants $(MUTANTS)

check: $(VENV)/.installed-dev ## Lint, formatting, types, import directions.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: $(VENV)/.installed-dev bench-peers ## Measure podwork beside its peers (BENCH= for names and options, ROUNDS=3).
	ops/deploy/install-servers.sh
	$(BIN)/python -m tests.benchmarks --rounds $(ROUNDS) $(BENCH)

bench-peers: $(VENV)/.installed-dev ## Install the peers that make bench measures, under build/peers.
	ops/deploy/install-peers.sh

clean: ## Delete .venv and what the tools left.
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.installed-demo $(VENV)/.installed-dev: $(VENV)/.installed-%: $(INSTALL) $(PINS) pyproject.toml
	PYTHON="$(PYTHON)" $(INSTALL) $*

# Asked for another interpreter: let the script compare.
ifneq ($(PYTHON),)
$(VENV)/.installed-demo $(VENV)/.installed-dev: FORCE
endif
