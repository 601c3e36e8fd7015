# `make bench` runs the main job, `make test` every check, `make coverage` its tests while coverage is measured,
# `make quick` what needs neither torch nor processes. They install what they need, once.
PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Where nothing compiled is kept, every process of the tests compiles the package anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: bench test coverage quick format clean

bench: .venv/.installed
	$(BIN)/significand run

test: .venv/.installed-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# Tracing every process takes the tests half as long again.
coverage: .venv/.installed-test
	rm -f .coverage .coverage.*
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --cov --cov-report=term

quick: .venv/.installed-test
	$(BIN)/ruff check .
	$(BIN)/python -m pytest -n 2 -q -m "not slow"

format: .venv/.installed-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "significand needs Python 3.11 or newer; $$($(PYTHON) --version) was found. Try: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/.installed: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	touch $@

.venv/.installed-test: .venv/.installed
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[test]"
	touch $@

clean:
	rm -rf .venv
