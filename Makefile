# One command for everything; each but `clean` and `help` installs first what it needs.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install demo test lint bench soak influxd lock clean

PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3.11)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
BENCH_INSTALLED := $(VENV)/.bench-installed
ARGS ?=

help: ## Show what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(INSTALLED) ## Make .venv with everything in it, from the lock

# Again when what is installed changes; pip leaves alone what is there already.
$(INSTALLED): requirements.lock pyproject.toml service/pages/package-lock.json service/pages/build_vendor.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo "Python 3.11 or newer is needed, and '$(PYTHON)' is none: install it, or name one with PYTHON=…" >&2; \
	    exit 4; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV) || { \
	    rm -rf $(VENV); echo "'$(PYTHON)' cannot make an environment: install its package 'python3-venv'." >&2; exit 4; }
	@echo "Installing into $(VENV) …"
	@$(BIN)/python -m pip --disable-pip-version-check install --quiet --require-hashes --requirement requirements.lock
	@$(BIN)/python -m pip --disable-pip-version-check install --quiet --no-deps --no-build-isolation --editable .
	@touch $@
	@echo "Installed: '$(BIN)/ronde --help' says what there is."

$(BENCH_INSTALLED): $(INSTALLED) bench/requirements.lock
	@echo "Installing what benchmarks compare with …"
	@$(BIN)/python -m pip --disable-pip-version-check install --quiet --require-hashes --requirement bench/requirements.lock \
	    && touch $@ || echo "It could not be installed: benchmarks leave out the baselines that need it, and say so."

demo: $(INSTALLED) ## Run a simulated city, page included: make demo ARGS="--minutes 5"
	@$(BIN)/ronde demo $(ARGS)

test: $(INSTALLED) ## Run the tests, or some: make test ARGS=tests/city
	@command -v mosquitto >/dev/null || PATH="$$PATH:/usr/sbin" command -v mosquitto >/dev/null \
	    || echo "mosquitto is not here: tests of it are skipped, the others use the embedded broker (Debian: mosquitto)."
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null \
	    || echo "chromium is not here: tests of the page in a browser are skipped (Debian: chromium)."
	@$(BIN)/python -m pytest $(ARGS)

lint: $(INSTALLED) ## Check style, types and the direction of imports
	@failed=0; \
	for check in "ruff check ." "ruff format --check ." mypy "lint-imports"; do $(BIN)/$$check || failed=1; done; \
	exit $$failed

bench: $(BENCH_INSTALLED) ## Run a benchmark, or list them: make bench ARGS="NAME --json"
	@$(BIN)/python -m bench $(ARGS)

soak: $(INSTALLED) ## Run the endurance benchmark: make soak ARGS="--minutes 30"
	@$(BIN)/python -m bench soak $(ARGS)

influxd: ## Make an InfluxDB 2.x server available to the tests and to make demo ARGS="--store influxdb"
	@deploy/influxdb/install.sh

lock: $(INSTALLED) ## Resolve the versions of everything anew
	@$(BIN)/uv pip compile --quiet --upgrade --extra dev --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-annotate --no-header --output-file requirements.lock pyproject.toml
	@$(BIN)/uv pip compile --quiet --upgrade --extra bench --python-version 3.11 --generate-hashes \
	    --constraint requirements.lock --no-emit-index-url --no-annotate --no-header \
	    --output-file bench/requirements.lock pyproject.toml
	@$(BIN)/python service/pages/build_vendor.py

clean: ## Remove what can be made again, .venv included
	@rm -rf $(VENV) build dist run service/pages/vendor .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
