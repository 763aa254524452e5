# `make` lists the targets. All of them use .venv, made from the lock files.

PYTHON ?= python3
BIN := .venv/bin
ARGS ?=
CODE := benchmarks hooks scripts tests
NPM := PATH="$(CURDIR)/judges/.venv/bin:$$PATH" npm --prefix judges --silent

.PHONY: help demo test test-slow e2e judge mutants bench lint format lock hooks clean

help:  ## Show this list
	@grep -E '^[a-z0-9-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

demo: .venv/done  ## Bake the defaults, install the result and start it
	$(BIN)/python -m scripts.demo

test: .venv/done  ## Run the quick tests (make test ARGS="-k toml")
	$(BIN)/python -m pytest --numprocesses auto $(ARGS)

test-slow: .venv/done  ## Run the tests that install and start every product
	$(BIN)/python -m pytest --numprocesses auto -m slow $(ARGS)

e2e: .venv/done  ## Run the end-to-end tests under systemd (as root; make e2e ARGS="-k plain")
	$(BIN)/python -m pytest -m e2e --numprocesses 3 $(ARGS) tests/e2e

judge: judges/.venv/done  ## Check everything with external tools (as root)
	judges/.venv/bin/python -m scripts.judge

mutants: .venv/done  ## Change a project's code, its tests must fail (make mutants ARGS=log.py)
	$(BIN)/python -m scripts.mutants $(ARGS)

bench: .venv/done  ## Measure the cost (as root; make bench ARGS="bake start")
	$(BIN)/python -m benchmarks $(ARGS)

lint: .venv/done  ## Check style and types
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy

format: .venv/done  ## Fix what can be fixed automatically
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

lock: .venv/done judges/.venv/done  ## Lock the newest versions, here and in rendered projects
	$(BIN)/python -m scripts.lock
	$(NPM) update --package-lock-only

hooks: .venv/done  ## Write the lists of the hooks and copier.yml (make lock does it, too)
	$(BIN)/python -m scripts.hooks
	$(BIN)/python -m scripts.copier

clean:  ## Remove what the commands above have made
	rm -rf .venv judges/.venv judges/node_modules .mypy_cache .pytest_cache .ruff_cache build

.venv/done: requirements.txt
	"$(PYTHON)" -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.txt
	touch $@

judges/.venv/done: judges/requirements.txt judges/package-lock.json
	"$(PYTHON)" -m venv --clear judges/.venv
	judges/.venv/bin/python -m pip install --quiet --require-hashes -r judges/requirements.txt
	$(NPM) ci
	touch $@
