# Everything that a developer or a new user runs; `make help` lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
SERVICES := sampler fetcher simulator trainer inference dashboard
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --custom-compile-command "make lock"

# Threads of a computation sleep while they wait for each other; spinning costs the other processes.
export OMP_WAIT_POLICY := PASSIVE

.PHONY: help setup demo up test unit integration e2e bench lint format lock minio clean

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

setup: $(VENV)/.ready ## Make the virtual environment with everything that is needed

# uv installs the hashed requirements in a minute or two; its own version is pinned with a hash.
$(VENV)/.ready: requirements/dev.txt requirements/uv.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(not (3, 11) <= v < (3, 14))' \
		|| { echo "EUGuess needs Python 3.11, 3.12 or 3.13; try: make $(MAKECMDGOALS) PYTHON=python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements/uv.txt
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip sync --quiet --require-hashes requirements/dev.txt
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

demo: setup ## Collect, train, serve and query a small dataset (ARGS=--exit-after-demo to stop at the end)
	$(BIN)/euguess up --demo $(ARGS)

up: setup ## Start the whole stack as local processes; Ctrl-C ends it
	$(BIN)/euguess up $(ARGS)

test: unit ## All tests: unit, integration and end to end
	$(BIN)/pytest tests/integration tests/e2e $(ARGS)

unit: setup ## Unit tests only: no network, no server
	$(BIN)/pytest tests/unit -n 2 --dist loadfile $(ARGS)

integration: setup ## Tests against real Redis, S3, Celery and TorchServe
	$(BIN)/pytest tests/integration $(ARGS)

e2e: setup ## The whole stack, started and used as a user would
	$(BIN)/pytest tests/e2e $(ARGS)

bench: setup ## Benchmarks; each prints ratios against a baseline of the same run
	$(BIN)/pytest tests/benchmarks -m benchmark -s $(ARGS)

lint: setup ## ruff, mypy strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup ## Reformat and mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: setup ## Pin all dependencies with hashes into requirements/
	$(COMPILE) pyproject.toml --all-extras --group dev -o requirements/dev.txt
	for service in $(SERVICES); do \
		$(COMPILE) pyproject.toml --extra $$service -c requirements/dev.txt --no-annotate \
			-o requirements/$$service.txt || exit 1; \
	done
	echo uv | $(COMPILE) - -o requirements/uv.txt

minio: ## Build the MinIO server from source (needs Go); ARGS=--allow-upstream takes the archived one
	deploy/minio/build.sh $(ARGS)

clean: ## Remove the virtual environment and caches; the data in .euguess stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache build
