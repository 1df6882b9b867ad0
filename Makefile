# Two commands do all set-up by themselves on a machine with Python 3.11 or 3.12:
#   make demo    make test
# Everything is installed into .venv; it is repeated only when pyproject.toml changes.

VENV := .venv
BIN := $(VENV)/bin
# The first that runs and has the right version (a name on PATH may be a stub that does not run).
PYTHON ?= $(shell for p in python3.11 python3.12 python3 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' \
	  >/dev/null 2>&1 && { echo $$p; break; }; done)

PIP := $(BIN)/python -m pip --disable-pip-version-check
INSTALLED := $(VENV)/.installed
INSTALLED_BENCH := $(VENV)/.installed-bench
MODELS ?= examples/digits/digits_cnn.onnx examples/digits/digits_transformer.onnx
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help demo test lint types lit unit e2e conformance bench docs format clean install

help: ## Show this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | \
	  awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

demo: $(INSTALLED) ## Compile and run two trained networks, compare with ONNX Runtime
	$(BIN)/python examples/digits/demo.py

# In this order, whatever -j says: the quick checks first.
test: $(INSTALLED) ## Everything that must pass: lint, types, lit, unit, e2e
	@for step in lint types lit unit e2e; do \
	  echo "==> $$step"; $(MAKE) --no-print-directory $$step || exit 1; done

lint: $(INSTALLED) ## Style and banned imports (ruff)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED) ## Strict type checking (pyright)
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright -p .typecheck

lit: $(INSTALLED) ## One test per op and pass, on .mlir files
	$(BIN)/lit -s -v test/lit

unit: $(INSTALLED) ## Unit tests
	$(BIN)/python -m pytest -q -n $(WORKERS) test/unit

e2e: $(INSTALLED) ## From ONNX file to answer, compared with ONNX Runtime
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadgroup test/e2e

conformance: $(INSTALLED) ## All cases of ONNX's node suite; writes docs/conformance.md
	PYTHONPATH=test $(BIN)/python -m conformance run --markdown docs/conformance.md

bench: $(INSTALLED_BENCH) ## Time MODELS="a.onnx b.onnx" against ONNX Runtime, OpenVINO, IREE
	$(BIN)/noema bench $(MODELS)

docs: $(INSTALLED) ## Rebuild the pages in docs/ that are made from the sources
	$(BIN)/python docs/generate.py

format: $(INSTALLED) ## Put sources into the one format
	$(BIN)/ruff check --fix-only -q .
	$(BIN)/ruff format .

clean: ## Remove everything that was built or installed here
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

install: $(INSTALLED) ## Install into .venv (the others do it when needed)

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "error: noema needs Python 3.11 or 3.12 and found neither;" \
	  "install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' || { \
	  echo "error: $(PYTHON) does not run, or is not Python 3.11 or 3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { v=$$($(PYTHON) -c \
	  'import sys; print("%d.%d" % sys.version_info[:2])'); \
	  echo "error: $(PYTHON) cannot make a virtual environment with pip (no ensurepip);" \
	  "on Debian or Ubuntu: apt-get install python$$v-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(INSTALLED): pyproject.toml | $(BIN)/python
	$(PIP) install -q -e '.[test,lint]'
	@touch $@

$(INSTALLED_BENCH): pyproject.toml $(INSTALLED)
	$(PIP) install -q -e '.[bench]'
	@touch $@
