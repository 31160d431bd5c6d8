# Everything a clone needs is made by the targets themselves: only Python 3.11 to 3.13, make and git have to be there.
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
NEEDED_GB := 3
WORKERS := 4
COMPILE_NAMED = $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
  --no-header --no-annotate --quiet
COMPILE = $(COMPILE_NAMED) pyproject.toml

.PHONY: help setup test test-long test-crash test-flink test-reproduce lint demo stop lock bench clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make the virtual environment from the lock

$(STAMP): requirements.lock requirements-uv.lock pyproject.toml .ci/bootstrap.py
	@python=$$(.ci/find-python) && "$$python" .ci/bootstrap.py --venv $(VENV) --needed-gb $(NEEDED_GB)
	@touch $@

lint: $(STAMP) ## Style, types and import contracts
	@echo "lint: ruff" && $(BIN)/ruff check . && $(BIN)/ruff format --check .
	@echo "lint: mypy" && $(BIN)/mypy
	@echo "lint: import contracts" && $(BIN)/lint-imports --no-cache

test: lint ## All checks, then the tests, against real services; all but those that take minutes each
	@echo "tests: e2e, integration, unit, property; $(WORKERS) side by side, as most wait for something"
	@$(BIN)/python -m pytest -q -m "not long" -n $(WORKERS) --no-loadscope-reorder --durations=20 --durations-min=5

test-long: $(STAMP) ## The others: every Compose service, Flink and Spark, a storm of kills, a clock set back; some need Java
	@$(BIN)/python -m pytest -q -m long -n 2 --no-loadscope-reorder --durations=20 --durations-min=5

test-crash: $(STAMP) ## Three hundred kill -9 of runs, moves, servers and PostgreSQL, and what must hold afterwards
	@PYTHONPATH=tests $(BIN)/python -m support.crash --kills 300

test-flink: $(STAMP) ## Every engine with every number of workers: a real Flink cluster and Spark, started here; needs Java
	@$(BIN)/python -m pytest -q tests/integration/test_beam_flink.py \
	  tests/integration/test_beam_spark.py tests/integration/test_beam_modes.py

test-reproduce: $(STAMP) ## Every example pipeline rebuilt in a fresh clone and environment, other locale, time zone and cores
	@$(BIN)/python benchmarks/reproduce.py $(foreach python,$(PYTHONS),--python $(python))

demo: $(STAMP) ## The whole loop on real flights; keeps running until make stop
	@$(BIN)/mlcore demo

stop: ## Stop what make demo or mlcore up started
	@if [ -x $(BIN)/mlcore ]; then $(BIN)/mlcore down; else echo "nothing was set up here"; fi

lock: $(STAMP) ## Resolve the dependencies anew: what is tested, and of it what the image holds
	$(COMPILE) --all-extras --group dev --upgrade -o requirements.lock
	$(COMPILE) --extra airflow --extra celery --group build --constraint requirements.lock -o requirements-image.lock
	echo uv | $(COMPILE_NAMED) - --upgrade -o requirements-uv.lock

bench: $(STAMP) ## Benchmarks: print ratios, assert nothing
	$(BIN)/python benchmarks/pipeline.py
	$(BIN)/python benchmarks/airflow.py

clean: stop ## Remove the environment and caches; keeps .mlcore and data
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@echo "models, metadata and data are still here; to remove them too: rm -rf .mlcore data"
