# What a developer of this project runs. `make` alone lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Two cores are what the tests are made for; PYTEST adds options, e.g. PYTEST="-k runtime".
WORKERS ?= 2
PYTEST ?=
# A worker that dies ends the run: what it leaves undone is given to nobody, and would be waited for.
SPREAD := -n $(WORKERS) --dist loadfile --no-loadscope-reorder --max-worker-restart 0

.DEFAULT_GOAL := help
.PHONY: help venv demo test unit lint types audit format docs bench lock clean-dev

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv: $(STAMP) ## Make the virtual environment in .venv with everything pinned

$(STAMP): requirements/dev.txt pyproject.toml
	@PYTHON=$(PYTHON) scripts/venv $(VENV)
	@touch $@

demo: $(STAMP) ## From a scaffolded project to a deployed, invoked function on this machine
	@scripts/engine run -- $(BIN)/python scripts/demo

test: $(STAMP) ## All tests, end to end ones included; nothing is skipped
	@scripts/engine run -- $(BIN)/python -m pytest $(SPREAD) --no-skips --durations 15 $(PYTEST)

unit: $(STAMP) ## The tests that need no Docker engine
	@$(BIN)/python -m pytest $(SPREAD) -m 'not engine' $(PYTEST)

lint: $(STAMP) ## Style and layout of the code
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(STAMP) ## Types of the package
	@$(BIN)/mypy --strict lambdaimg

audit: $(STAMP) ## Ask a database of vulnerabilities about the pinned requirements
	@$(BIN)/python scripts/audit

format: $(STAMP) ## Put the code into the project's layout
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: $(STAMP) ## Write what is made from the code: tables of the README, the page of errors
	@$(BIN)/python scripts/docs.py
	@$(BIN)/python scripts/errors_page.py

bench: $(STAMP) ## Measure, and join the figures into bench/RESULTS.md
	@scripts/engine run -- $(BIN)/python -m bench

lock: ## Resolve the pinned requirements anew (see scripts/lock)
	@scripts/lock

clean-dev: ## Remove the virtual environment, caches and the engine's data
	@scripts/engine clean
	@rm -rf $(VENV) .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
