# Everything a person does with the project; `make` alone lists it.
SHELL := bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
NOTEBOOKS := $(wildcard notebooks/*.ipynb)
# More than processors: half of a worker's time is waiting for other processes.
WORKERS ?= 5
CELLS := --nbval --nbval-kernel-name forked --nbval-cell-timeout 1800
# Bytecode is kept, whatever the shell says: a run starts this package in some five hundred processes.
unexport PYTHONDONTWRITEBYTECODE
RECORD := $(CURDIR)/build/requests.jsonl

.DEFAULT_GOAL := help
.PHONY: help setup lab test all-tests test-long check fast-tests labs notebooks bench lint types studio clean

help: ## List these commands.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Set up the environment in .venv from the lock file; does nothing when it stands.
	@$(PYTHON) tools/setup.py $(VENV)

lab: setup ## Open the labs: the local cloud, JupyterLab and the start page in a browser; Ctrl-C ends it all.
	@$(BIN)/sagelab lab

test: setup ## Run every check there is: lint, types, tests, and all notebooks with outputs compared.
	@$(MAKE) --no-print-directory --jobs lint types all-tests

all-tests: setup
	@$(BIN)/python tools/notebooks.py --check
	@mkdir -p build && rm -f $(RECORD)
	@$(BIN)/pytest -n $(WORKERS) --durations 25 $(CELLS) --record-requests $(RECORD) tests $(NOTEBOOKS)
	@$(BIN)/python tools/validity.py $(RECORD)

test-long: setup ## Run what finds rare faults: a hundred kills, 20,000 bad requests, two installs of Studio (half an hour).
	@$(BIN)/pytest -m long -n 2 --durations 25 $(CELLS) tests $(wildcard notebooks/09-*.ipynb notebooks/10-*.ipynb)

check: setup ## Run what answers below a minute: lint, types, fast tests.
	@$(MAKE) --no-print-directory --jobs lint types fast-tests

fast-tests: setup
	@$(BIN)/pytest -m "not slow" -n 3

labs: setup ## Run every lab without a browser; show what passed, how long, what AWS would have charged.
	@$(BIN)/sagelab run --fresh

notebooks: setup ## Build the notebooks from labs/*/lab.py and run them, outputs and all.
	@$(BIN)/python tools/notebooks.py

bench: setup ## Measure the local cloud against the bare script and against plain moto.
	@$(BIN)/python bench/run.py

lint: setup ## Check style and format.
	@$(BIN)/ruff check --quiet . && $(BIN)/ruff format --quiet --check . && $(BIN)/oxlint --quiet src

types: setup ## Check types.
	@$(BIN)/mypy --no-error-summary

studio: setup ## Build dist/sagelab-studio.tar.gz, to be imported into SageMaker Studio.
	@$(BIN)/python tools/studio.py

clean: ## Delete the environment and everything that was built.
	@rm -rf $(VENV) .clients build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
